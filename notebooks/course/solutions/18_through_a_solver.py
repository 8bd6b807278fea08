"""Solutions of the exercises in 18_through_a_solver.ipynb."""

import numpy as np

from dualdiff import derivative

# 1. 3 x**2 x' = 1 at x = 2.
answer_1 = 1 / 12


# 2. The implicit function theorem.
def answer_2(f, x, p):
    f_x = derivative(lambda x: f(x, p), x)
    f_p = derivative(lambda p: f(x, p), p)
    return -f_p / f_x


# 3. One system with the transposed matrix.
def answer_3(A, B, g):
    return -np.linalg.solve(A.T, g) @ B
