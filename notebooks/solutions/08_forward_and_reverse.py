"""Solutions of the exercises in 08_forward_and_reverse.ipynb."""

import numpy as np

from dualdiff import vjp

# 1. Two inputs, two outputs.
answer_1 = (2, 2)

# 2. 300 walks of 2 ms are 600 ms; 100 walks of 5 ms are 500 ms.
answer_2 = ("reverse", 1.2)


# 3. One run, and a pull for each result.
def answer_3(f, x):
    y, pull = vjp(f, x)
    return np.stack([pull(unit) for unit in np.eye(len(y))])
