"""Solutions of the exercises in 09_newton.ipynb."""

import numpy as np

from dualdiff import value_and_jacobian

# 1. The step is (x - 1)**2 / (2 (x - 1)): half the way to the root.
answer_1 = 0.5

# 2. From 0 the tangent line leads to 1, and from 1 back to 0.
answer_2 = 0.0


# 3. Two equations, two unknowns.
def equations(p):
    x, y = p
    return np.stack([x**2 + y**2 - 4, y - np.exp(x)])


answer_3 = np.array([1.0, 2.0])
for _ in range(8):
    value, J = value_and_jacobian(equations, answer_3)
    answer_3 = answer_3 - np.linalg.solve(J, value)
