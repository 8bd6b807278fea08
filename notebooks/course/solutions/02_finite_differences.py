"""Solutions of the exercises in 02_finite_differences.ipynb."""

import numpy as np

from dualdiff import nth_derivative


def f(x):
    return np.exp(np.sin(x))


# 1. The derivative of h^2 |f'''| / 6 + eps |f| / h with respect to h is h |f'''| / 3 - eps |f| / h^2. It vanishes at
answer_1 = np.cbrt(3 * np.finfo(float).eps * abs(f(1.0) / nth_derivative(f, 1.0, 3)))


# 2. Nothing is subtracted, so the step may be so small that its square is negligible.
def answer_2(f, x):
    return np.imag(f(x + 1e-100j)) / 1e-100


# 3. The squared absolute value is x**2 for real x, but it is real for complex x.
def answer_3(x):
    return np.real(x * np.conj(x))
