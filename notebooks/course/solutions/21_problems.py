"""Solutions of the problems in 21_problems.ipynb."""

import numpy as np

from dualdiff import derivative, gradient, hessian, hvp, jvp, nth_derivative, value_and_jacobian
from dualdiff.scipy.integrate import solve_ivp
from dualdiff.scipy.optimize import brentq


# 1. The loop is differentiated as it stands.
def mean(x):
    a, b = 1.0, x
    for _ in range(8):
        a, b = (a + b) / 2, np.sqrt(a * b)
    return a


answer_1 = derivative(mean, 2.0)


# 2. Newton's method for w exp(w) - x, with a step more than the value needs.
def answer_2(x):
    w = np.log(1 + x)
    for _ in range(8):
        w = w - (w * np.exp(w) - x) / (np.exp(w) * (1 + w))
    return w


# 3. The implicit function theorem, applied by the library.
answer_3 = derivative(
    lambda e: brentq(lambda E: E - e * np.sin(E) - 0.1, 0.0, 3.0, xtol=1e-15), 0.9
)


# 4. A gradient with respect to a matrix is a matrix.
def answer_4(A):
    return gradient(lambda A: np.linalg.slogdet(A)[1], A)


# 5. One tangent.
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


def answer_5(z, v):
    return jvp(softmax, z, v)[1]


# 6. Newton's method for the gradient of the sum of distances.
corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])


def total(x):
    return np.sum(np.sqrt(np.sum((corners - x) ** 2, axis=1)))


answer_6 = np.array([1.0, 1.0])
for _ in range(10):
    answer_6 = answer_6 - np.linalg.solve(hessian(total, answer_6), gradient(total, answer_6))


# 7. Power iteration with products of the Hessian and a vector.
def energy(x):
    return np.sum((x[1:] - x[:-1]) ** 4) + np.sum(x**2)


at, v = np.sin(np.arange(1000.0)), np.cos(np.arange(1000.0) ** 2)
for _ in range(2000):
    v = hvp(energy, at, v / np.linalg.norm(v))
answer_7 = np.linalg.norm(v)


# 8. The midpoint rule, which converges exponentially for a periodic function.
def length(a):
    x = (np.arange(400) + 0.5) * np.pi / 400
    return np.sum(np.sqrt(1 + (a * np.cos(x)) ** 2)) * np.pi / 400


answer_8 = derivative(length, 1.0)


# 9. Lagrange's equations: the way to the point is a multiple of the normal.
def lagrange(q):
    x, y, m = q
    return np.stack([x - 1 + m * x / 2, y - 1 + 2 * m * y, x**2 / 4 + y**2 - 1])


q = np.array([1.2, 0.8, 0.1])
for _ in range(10):
    value, J = value_and_jacobian(lagrange, q)
    q = q - np.linalg.solve(J, value)
answer_9 = q[:2]

# 10. Through eigvalsh.
hilbert = 1 / (np.arange(4)[:, None] + np.arange(4) + 1)
first = np.eye(4)[0]
answer_10 = derivative(
    lambda s: np.linalg.eigvalsh(hilbert + s * np.outer(first, first))[-1], 0.0
)

# 11. Taylor mode.
answer_11 = nth_derivative(lambda x: np.exp(np.sin(x)), 0.0, 10)

# 12. exp(x) = -1 at plus and minus i pi.
answer_12 = np.pi


# 13. Newton's method through the differential equation.
def end(slope):
    found = solve_ivp(
        lambda t, y: [y[1], -np.sin(y[0])], (0, 1), [0.0, slope], rtol=1e-11, atol=1e-11
    )
    return found.y[0, -1] - 1


answer_13 = 1.2
for _ in range(5):
    answer_13 = answer_13 - end(answer_13) / derivative(end, answer_13)

# 14. Row mod 3 and column mod 3.
answer_14 = 9

# 15. C(20, 3) = 1140, and C(19, 3) = 969.
answer_15 = 17


# 16. Newton's method, and the inverse slope.
def answer_16(f, y):
    x = 0.0
    for _ in range(60):
        x = x - (f(x) - y) / derivative(f, x)
    return x, 1 / derivative(f, x)


# 17. x' = -sin(a x) (x + a x').
x = 0.74
for _ in range(100):
    x = np.cos(x)
answer_17 = -x * np.sin(x) / (1 + np.sin(x))


# 18. Reverse mode through the loop.
def final(forces):
    x, v = 0.5, 0.0
    for force in forces:
        v = v + 0.05 * (force - np.sin(x))
        x = x + 0.05 * v
    return x


def answer_18(forces):
    return gradient(final, forces)


# 19. The curvature of a level line.
def folium(p):
    return p[0] ** 3 + p[1] ** 3 - 6 * p[0] * p[1]


g, H = gradient(folium, np.array([3.0, 3.0])), hessian(folium, np.array([3.0, 3.0]))
along = np.array([g[1], -g[0]])
answer_19 = abs(along @ H @ along) / np.linalg.norm(g) ** 3


# 20. Second derivatives along the axes.
def answer_20(f, x):
    return sum(nth_derivative(lambda t, e=e: f(x + t * e), 0.0, 2) for e in np.eye(len(x)))
