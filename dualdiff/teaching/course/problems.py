"""Twenty problems without scaffolding: the checks of notebook 21."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dualdiff.drivers.derivative import derivative
from dualdiff.drivers.gradient import gradient
from dualdiff.teaching.course.diagnosis import Function, agree, array, refuse, returned, scalar
from dualdiff.teaching.exercises import Exercise, Wrong


# -- the checks --------------------------------------------------------------------------------------------------------
def _mean(x: Any) -> Any:
    """The arithmetic-geometric mean of 1 and x."""
    a, b = (1 + x) / 2, np.sqrt(x)
    for _ in range(8):
        a, b = (a + b) / 2, np.sqrt(a * b)
    return a


def _lambert(answer: Function) -> bool:
    """Lambert's function, to be differentiated by the library."""
    refuse(answer, {"lambertw", "brentq", "newton", "root_scalar", "fsolve"}, "Write the iteration yourself.")
    for x in 0.1, 1.0, np.e, 20.0:
        w = float(returned(answer(x)))
        if not agree(w * np.exp(w), x, 1e-10):
            raise Wrong(f"At x = {x:.4g} your w gives w exp(w) = {w * np.exp(w):.10g}.")
        slope = derivative(answer, float(x))
        if slope == 0:
            raise Wrong("The value is right, but its derivative is zero: the loop loses its dependence on x.")
        if not agree(slope, w / (x * (1 + w)), 1e-9):
            raise Wrong("The value has converged, but its derivative has not: take one more step.")
    return True


def _log_det(answer: Function) -> bool:
    """The gradient of log det, the transposed inverse."""
    A = np.array([[4.0, 1.0, 0.5], [0.2, 3.0, 1.0], [0.1, 0.4, 2.0]])
    found = returned(answer(A), (3, 3))
    if agree(found, np.linalg.inv(A)):
        raise Wrong("That is the inverse. For a matrix that is not symmetric, transpose it.")
    if agree(found, np.linalg.det(A) * np.linalg.inv(A).T):
        raise Wrong("That is the gradient of the determinant. Its logarithm divides by the determinant.")
    return agree(found, np.linalg.inv(A).T)


def _softmax_product(answer: Function) -> bool:
    """J v of the softmax function, for a size at which J would not fit into memory."""
    refuse(answer, {"jacobian", "diag", "outer", "hessian"}, "J has n² elements. Compute the product alone.")
    random = np.random.default_rng(2)
    for n in 4, 30_000:
        z, v = random.normal(size=n), random.normal(size=n)
        p = np.exp(z - z.max())
        p /= p.sum()
        found = returned(answer(z, v), (n,))
        if n == 4 and agree(found, p * v):
            raise Wrong("The probabilities add up to 1: when one grows, all the others shrink.")
        if not agree(found, p * (v - p @ v), 1e-10):
            return False
    return True


def _median(answer: Any) -> bool:
    """The point with the least sum of distances."""
    x = array(answer, (2,), "an array of two elements")
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    if agree(x, corners.mean(axis=0), 1e-6):
        raise Wrong("That is the centroid: it minimizes the sum of the *squared* distances.")
    slope = gradient(lambda x: np.sum(np.sqrt(np.sum((corners - x) ** 2, axis=1))), x)
    if np.max(abs(slope)) > 1e-6:
        raise Wrong(f"There the gradient of the sum of distances has length {np.linalg.norm(slope):.2g}.")
    return True


@cache
def _largest_curvature() -> float:
    """By all eigenvalues of the tridiagonal Hessian."""
    x = np.sin(np.arange(1000.0))
    stiff = 12 * np.diff(x) ** 2
    main = 2 + np.append(stiff, 0.0) + np.append(0.0, stiff)
    return float(np.linalg.eigvalsh(np.diag(main) - np.diag(stiff, 1) - np.diag(stiff, -1))[-1])


def _curvature(answer: Any) -> bool:
    """The largest eigenvalue of a Hessian of a thousand variables."""
    found, right = scalar(answer, "an eigenvalue"), _largest_curvature()
    if abs(found / right - 1) < 1e-6:
        return True
    if abs(found / right - 1) < 1e-2:
        raise Wrong("Close. Power iteration converges slowly where eigenvalues lie near each other: take more steps.")
    if abs((found + 2) / right - 1) < 1e-6:
        raise Wrong("That is without the second term, whose Hessian is twice the identity.")
    return False


def _arc(a: Any) -> Any:
    """The length of a sine curve of amplitude a, by the trapezoidal rule, which converges exponentially here."""
    x = (np.arange(400) + 0.5) * np.pi / 400
    return np.sum(np.sqrt(1 + (a * np.cos(x)) ** 2)) * np.pi / 400


def _nearest(answer: Any) -> bool:
    """The nearest point of an ellipse."""
    x, y = array(answer, (2,), "an array of two elements")
    if abs(x**2 / 4 + y**2 - 1) > 1e-8:
        raise Wrong("That point is not on the ellipse, to eight digits.")
    if abs((x - 1) * y - (y - 1) * x / 4) > 1e-7:
        raise Wrong("On the ellipse, but the way from (1, 1) does not meet it at a right angle.")
    if x < 0 or y < 0:
        raise Wrong("That point is stationary, but the farthest one.")
    return True


def _pendulum(slope: float) -> float:
    """The angle at time 1, by the classical Runge-Kutta method."""
    y, h = np.array([0.0, slope]), 1 / 400

    def f(y: Any) -> Any:
        return np.array([y[1], -np.sin(y[0])])

    for _ in range(400):
        a = f(y)
        b = f(y + h / 2 * a)
        c = f(y + h / 2 * b)
        y = y + h / 6 * (a + 2 * b + 2 * c + f(y + h * c))
    return float(y[0])


def _shoots(answer: Any) -> bool:
    """The slope with which the pendulum is at 1 at time 1."""
    slope = scalar(answer, "an initial slope")
    end = _pendulum(slope)
    if abs(slope - 1 / np.sin(1.0)) < 1e-6:
        raise Wrong("That is for the linear equation, y'' + y = 0.")
    if abs(end - 1) > 1e-7:
        raise Wrong(f"With that slope the angle at time 1 is {end:.8f}.")
    return True


def _inverse(answer: Function) -> bool:
    """The inverse function and its derivative."""
    cases: tuple[tuple[Function, float], ...] = (
        (lambda x: x + np.exp(x), 3.0),
        (lambda x: x**3 + x, 10.0),
        (lambda x: 2 * x + np.sin(x), -1.0),
    )
    for f, y in cases:
        given = answer(f, y)
        if not issubclass(type(given), (tuple, list)) or len(given) != 2:
            raise Wrong("The result is a pair: x, and the derivative of x with respect to y.")
        x, slope = float(returned(given[0])), float(returned(given[1]))
        if not agree(f(x), y, 1e-9):
            raise Wrong(f"f(x) should be {y}, and for one of the functions it is {float(f(x)):.8g}.")
        if agree(slope, derivative(f, x), 1e-7):
            raise Wrong("That is the derivative of f. The inverse function has the inverse slope.")
        if not agree(slope, 1 / derivative(f, x), 1e-7):
            return False
    return True


def _final(forces: Any) -> Any:
    """Where a pendulum is after its forces: the program of the notebook."""
    x, v = 0.5, 0.0
    for force in forces:
        v = v + 0.05 * (force - np.sin(x))
        x = x + 0.05 * v
    return x


def _pushes(answer: Function) -> bool:
    """The gradient with respect to all forces, from one run."""
    forces = np.sin(np.arange(100.0))
    right = gradient(_final, forces)
    found = returned(answer(forces), (100,))
    if agree(found, right[::-1], 1e-6):
        raise Wrong("In the wrong order: the sweep back begins with the last force.")
    if agree(found, np.cumsum(right)) or agree(found, 0.05 * right, 1e-6):
        raise Wrong("A force enters v with the factor 0.05, and v enters x with the factor 0.05.")
    error = np.max(abs(found - right)) / np.max(abs(right))
    if 1e-12 < error < 1e-3:
        raise Wrong("To a few digits: those look like finite differences.")
    return bool(error <= 1e-12)


def _laplacian(answer: Function) -> bool:
    """The sum of the second derivatives, without the Hessian."""
    refuse(answer, {"hessian", "laplacian", "divergence", "jacobian"}, "Sum second derivatives along the axes.")
    cases: tuple[tuple[Function, np.ndarray, float], ...] = (
        (lambda x: np.sum(x**3), np.array([1.0, -2.0, 0.5]), -3.0),
        (lambda x: x[0] * x[1] * x[2], np.ones(3), 0.0),
        (lambda x: np.exp(x[0]) * np.sin(x[1]) + x[1] ** 2, np.array([0.3, 0.4]), 2.0),
    )
    for f, x, wanted in cases:
        found = float(returned(answer(f, x)))
        if not agree(found, wanted):
            raise Wrong(f"There is a function whose Laplacian is {wanted}, and you find {found:.6g}.")
    return True


# -- the table ---------------------------------------------------------------------------------------------------------
def _kepler_slope() -> float:
    e, m, x = 0.9, 0.1, 0.7
    for _ in range(60):
        x -= (x - e * np.sin(x) - m) / (1 - e * np.cos(x))
    return float(np.sin(x) / (1 - e * np.cos(x)))


def _cosine_slope() -> float:
    x = 0.7
    for _ in range(200):
        x = float(np.cos(x))
    return float(-x * np.sin(x) / (1 + np.sin(x)))


_HILBERT = 1 / (np.arange(4)[:, None] + np.arange(4) + 1)

EXERCISES = [
    Exercise(
        "21.1",
        "The derivative of the arithmetic-geometric mean.",
        expected=derivative(_mean, 2.0),
        mistakes=[
            (float(_mean(2.0)), "That is the mean. Differentiate it."),
            (0.5, "That is the derivative at x = 1."),
        ],
        hints=["eight steps of the loop are more than enough"],
        explanation="The loop converges quadratically, and its derivative with it.",
    ),
    Exercise(
        "21.2",
        "Lambert's function.",
        check=_lambert,
        takes="x",
        explanation="Newton's method, run on duals: the last step makes the derivative right.",
    ),
    Exercise(
        "21.3",
        "The derivative of the eccentric anomaly with respect to the eccentricity.",
        expected=_kepler_slope(),
        tolerance=1e-8,
        hints=["differentiate E - e sin E = M on both sides, at fixed M"],
        explanation="sin E / (1 - e cos E): large where the orbit is nearly a line.",
    ),
    Exercise(
        "21.4",
        "The gradient of log det A.",
        check=_log_det,
        takes="A",
        hints=["gradient with respect to a matrix is a matrix"],
        explanation="The transposed inverse: the derivative at the heart of every Gaussian likelihood.",
    ),
    Exercise(
        "21.5",
        "The Jacobian of softmax times a vector.",
        check=_softmax_product,
        takes="z, v",
        hints=["jvp, or p * (v - p @ v)"],
        explanation="n operations instead of n².",
    ),
    Exercise(
        "21.6",
        "The geometric median of three points.",
        check=_median,
        hints=["minimize the sum of distances by Newton's method, from the centroid"],
        explanation="Fermat's point: seen from it, the sides subtend 120° each.",
    ),
    Exercise(
        "21.7",
        "The largest eigenvalue of a Hessian.",
        check=_curvature,
        hints=["power iteration, or scipy's eigsh with a LinearOperator, on hvp"],
        explanation="Products with the Hessian are all that an eigenvalue needs.",
    ),
    Exercise(
        "21.8",
        "How the length of the sine curve grows with its amplitude.",
        expected=derivative(_arc, 1.0),
        tolerance=1e-8,
        mistakes=[(float(_arc(1.0)), "That is the length. Differentiate it with respect to a.")],
        hints=["differentiate under the integral sign, or differentiate the quadrature"],
        explanation="A quadrature is a program, and its derivative is the quadrature of the derivative.",
    ),
    Exercise(
        "21.9",
        "The nearest point of the ellipse.",
        check=_nearest,
        hints=["three equations: the ellipse, and grad of the distance parallel to its normal"],
        explanation="Lagrange: at the nearest point both gradients are parallel.",
    ),
    Exercise(
        "21.10",
        "The derivative of an eigenvalue.",
        expected=float(np.linalg.eigh(_HILBERT)[1][0, -1] ** 2),
        tolerance=1e-8,
        mistakes=[
            (float(np.linalg.eigvalsh(_HILBERT)[-1]), "That is the eigenvalue."),
            (abs(float(np.linalg.eigh(_HILBERT)[1][0, -1])), "That is the element of the eigenvector. Square it."),
        ],
        hints=["np.linalg.eigvalsh has a derivative"],
        explanation="v' (dA) v: the square of the eigenvector's first element.",
    ),
    Exercise(
        "21.11",
        "The tenth derivative.",
        expected=-2951,
        tolerance=1e-6,
        mistakes=[
            (-2951 / 3628800, "That is the coefficient. Multiply by 10!."),
            (64, "That is the ninth derivative."),
        ],
        hints=["taylor(f, 0.0, 10), or nth_derivative"],
        explanation="An integer: it counts set partitions with signs.",
    ),
    Exercise(
        "21.12",
        "The radius of convergence.",
        expected=np.pi,
        tolerance=0.05,
        mistakes=[
            (1.0, "1 + exp(x) has no zero on the real line, but in the complex plane it has."),
            (2 * np.pi, "exp(x) = -1 has a nearer solution."),
        ],
        hints=["where is exp(x) = -1 in the complex plane?"],
        explanation="The poles lie at ±iπ. A smooth function on the line, and a series that ends all the same.",
    ),
    Exercise(
        "21.13",
        "The initial slope of the pendulum.",
        check=_shoots,
        hints=["the angle at time 1 is a function of the slope: find the root of that minus 1"],
        explanation="Shooting: Newton's method through a differential equation.",
    ),
    Exercise(
        "21.14",
        "The number of colours of the nine-point stencil.",
        expected=9,
        mistakes=[
            (5, "That is for the five-point stencil. Here the diagonal neighbours enter, too."),
            (25, "Columns two apart share a row, three apart do not."),
            (4, "Columns two apart still share the row of the cell between them."),
            (81, "Columns three apart have no row in common."),
        ],
        hints=["two cells conflict if some cell neighbours both: how far apart may they be?"],
        explanation="Colour by row mod 3 and column mod 3; nine entries of a row need nine colours at least.",
    ),
    Exercise(
        "21.15",
        "The number of checkpoints.",
        expected=17,
        mistakes=[
            (16, "C(19, 3) = 969: not quite 1000."),
            (18, "One fewer is enough: C(20, 3) = 1140."),
            (32, "That is the square root, for running each step twice. Here each may run three times."),
        ],
        hints=["the smallest c with C(c + 3, 3) ≥ 1000"],
        explanation="C(20, 3) = 1140. Griewank's schedule: memory and time grow with the logarithm.",
    ),
    Exercise(
        "21.16",
        "The inverse of a function, with its derivative.",
        check=_inverse,
        takes="f, y",
        hints=["Newton's method for f(x) - y"],
        explanation="The slope of the inverse is the inverse slope: no derivative of the iteration is needed.",
    ),
    Exercise(
        "21.17",
        "The derivative of a fixed point.",
        expected=_cosine_slope(),
        tolerance=1e-8,
        mistakes=[
            (-0.7390851332151607 * np.sin(0.7390851332151607), "That is for a fixed x on the right. It moves, too."),
            (0.7390851332151607, "That is the fixed point."),
        ],
        hints=["differentiate x = cos(a x) on both sides, and solve for x'"],
        explanation="-x sin x / (1 + sin x), at a = 1.",
    ),
    Exercise(
        "21.18",
        "The gradient with respect to a hundred forces.",
        check=_pushes,
        takes="forces",
        hints=["gradient(final, forces)"],
        explanation="This is how rockets are steered: one sweep back, and every force knows what it was worth.",
    ),
    Exercise(
        "21.19",
        "The curvature of the folium of Descartes.",
        expected=4 * np.sqrt(2) / 3,
        tolerance=1e-8,
        mistakes=[
            (3 / (4 * np.sqrt(2)), "That is the radius of curvature."),
            (-4 * np.sqrt(2) / 3, "Give its absolute value."),
        ],
        hints=["|F_xx F_y² - 2 F_xy F_x F_y + F_yy F_x²| / |grad F|³"],
        explanation="One gradient and one Hessian: no branch of the curve had to be solved for.",
    ),
    Exercise(
        "21.20",
        "The Laplacian without the Hessian.",
        check=_laplacian,
        takes="f, x",
        hints=["nth_derivative of t ↦ f(x + t e), for each unit vector e"],
        explanation="n second derivatives instead of n². `dualdiff.laplacian` sums them on the way, for half of that.",
    ),
]
