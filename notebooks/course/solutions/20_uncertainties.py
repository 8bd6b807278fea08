"""Solutions of the exercises in 20_uncertainties.ipynb."""

import numpy as np

from dualdiff import gradient

# 1. The slope 3 x**2 is 12 at 2.
answer_1 = 12 * 0.1

# 2. It is y.
answer_2 = 0.4


# 3. Squares of slope times standard deviation add up.
def answer_3(f, x, sigma):
    return np.sqrt(np.sum((gradient(f, x) * sigma) ** 2))
