"""Solutions of the exercises in 01_babylonian_root.ipynb."""


# 1. Newton's method for x**3 - a.
def answer_1(a):
    x = (2 + a) / 3
    for _ in range(7):
        x = (2 * x + a / x**2) / 3
    return x


# 2. A plain float does not depend on a, so its tangent is 0.  After one step x is (1 + a) / 2, as before.
answer_2 = [0.0, 0.5]

# 3. The derivative of (x + a/x) / 2 with respect to a, at fixed x, is 1 / (2 x): right at once if x is the root.
answer_3 = 1
