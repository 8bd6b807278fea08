"""Solutions of the exercises in 07_many_directions.ipynb."""

import numpy as np

from dualdiff import jacobian


def f(x):
    u, v = x
    angle = 0.6 * (u**2 + v**2)
    return np.stack(
        [
            u * np.cos(angle) - 0.5 * v * np.sin(angle),
            u * np.sin(angle) + 0.5 * v * np.cos(angle),
        ]
    )


# 1. The first right singular vector.
answer_1 = np.linalg.svd(jacobian(f, np.array([0.9, 0.5])))[2][0]

# 2. Twenty chunks of 48 are 960 directions, and one more chunk takes the other 40.
answer_2 = 21


# 3. The area of the parallelogram spanned by the columns is the absolute value of the determinant.
def answer_3(f, x):
    return abs(np.linalg.det(jacobian(f, x)))
