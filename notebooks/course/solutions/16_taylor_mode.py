"""Solutions of the exercises in 16_taylor_mode.ipynb."""

import numpy as np

from dualdiff import taylor

# 1. The tangent is taken at one of the ten levels, and the value at all others.
answer_1 = 10


# 2. The coefficient of t**(k - 1) in x r' is the sum of j r_j x_(k-j) for j from 1 to k, in x' it is k x_k.
def answer_2(x):
    r = np.zeros(len(x))
    r[0] = np.log(x[0])
    for k in range(1, len(x)):
        known = sum(j * r[j] * x[k - j] for j in range(1, k))
        r[k] = (k * x[k] - known) / (k * x[0])
    return r


# 3. c / (a - x) has the coefficients c / a**(k + 1), so the ratio of two of them is a.
def answer_3(f, x):
    c = taylor(f, x, 40)
    return abs(c[39] / c[40])
