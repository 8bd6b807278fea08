"""Solutions of the exercises in 05_evaluation_trace.ipynb."""

import numpy as np

# 1. 2 x dx; exp(v1) dv1; dx v2 + x dv2.
answer_1 = [2.0, 2 * np.e, np.e + 2 * np.e]

# 2. The input, two operations for the initial guess, and three per step.
answer_2 = 1 + 2 + 3 * 10

# 3. v1 = x**2, v2 = v1 - 4, v3 = -v2, v4 = exp(v3), and then the square root of v2, which is zero.
answer_3 = "v5"
