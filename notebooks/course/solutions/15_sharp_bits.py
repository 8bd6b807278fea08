"""Solutions of the exercises in 15_sharp_bits.ipynb."""

import numpy as np

import dualdiff


# 1. A buffer made with like=x accepts duals if x carries them.
def answer_1(x):
    sums = dualdiff.empty(len(x), like=x)
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] ** 2
        sums[i] = total
    return sums


# 2. The constant first.
def answer_2(x):
    return np.maximum(0, x)


# 3. The fifth root of x**5 is x, but its slope is infinite at 0, where x**5 has a zero tangent.
def answer_3(x):
    return np.sign(x) * np.abs(x**5) ** 0.2
