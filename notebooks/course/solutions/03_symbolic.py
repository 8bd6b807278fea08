"""Solutions of the exercises in 03_symbolic.ipynb."""

import sympy


# 1. The derivative of 4 x (1 - x) is 4 dx (1 - x) - 4 x dx.
def answer_1(x, steps):
    dx = 1.0
    for _ in range(steps):
        x, dx = 4 * x * (1 - x), 4 * dx * (1 - x) - 4 * x * dx
    return x, dx


# 2. The function doubles with each step.  Its derivative grows a little faster: it has about n^2 2^n operations, and
# the ratio from one step to the next, 2 (n + 1)^2 / n^2, tends to
answer_2 = 2

# 3. With names for common subexpressions, computer algebra does what dual numbers do.
x = sympy.Symbol("x")
formula = x
for _ in range(5):
    formula = 4 * formula * (1 - formula)
named, rest = sympy.cse(sympy.diff(formula, x))
answer_3 = sum(sympy.count_ops(part) for _, part in named) + sum(map(sympy.count_ops, rest))
