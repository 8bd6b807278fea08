"""Solutions of the exercises in 19_sensitivities.ipynb."""

from dualdiff import derivative
from dualdiff.scipy.integrate import solve_ivp

# 1. At time 0 no rate has acted, and the solution is the initial value.
answer_1 = (0.0, 1.0)


# 2. The derivative with respect to y, times s, and the derivative with respect to p.
def answer_2(y, s, p):
    return p * (1 - 2 * y) * s + y * (1 - y)


# 3. Through the solver.
def position(k, t):
    found = solve_ivp(
        lambda t, z: [z[1], -k * z[0]], (0, t), [1.0, 0.0], rtol=1e-10, atol=1e-10
    )
    return found.y[0, -1]


def answer_3(k, t):
    return derivative(position, k, t)
