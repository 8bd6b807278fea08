"""Solutions of the exercises in 17_reverse_from_scratch.ipynb."""


# 1. The local derivatives of u / v are 1 / v and -u / v**2.
def answer_1(u, v):
    quotient = u.value / v.value
    return type(u)(quotient, u.tape, (u, 1 / v.value), (v, -quotient / v.value))


# 2. Both operands contribute 3, and the second contribution replaces the first.
answer_2 = 3.0

# 3. All 100 checkpoints, and the 100 steps of the segment that is swept.
answer_3 = 200
