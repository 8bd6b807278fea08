"""The exercises of notebooks 13 to 16: nesting, compiled duals, sharp bits, Taylor mode."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.drivers.derivative import derivative
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian
from dualdiff.teaching.course.diagnosis import OPERATORS, Function, agree, array, refuse, returned, words_in
from dualdiff.teaching.exercises import Exercise, Wrong


# -- 13: derivatives of derivatives ------------------------------------------------------------------------------------
def _falls(answer: Any) -> bool:
    """A direction of negative curvature."""
    v = array(answer, (2,), "an array of two elements")
    if not np.any(v):
        raise Wrong("The zero vector leads nowhere.")
    curvature = float(v @ np.diag([-6.0, 2.0]) @ v)
    if curvature >= 0:
        raise Wrong(f"The curvature along v, v @ H @ v, is {curvature:.4g}: there the function does not decrease.")
    return True


def _newton_step(step: Function) -> bool:
    """A quadratic needs one step, the Rosenbrock function a few."""

    def quadratic(p: Any) -> Any:
        return 3 * (p[0] - 1) ** 2 + (p[1] + p[0]) ** 2

    x = np.array([5.0, 5.0])
    g, H = gradient(quadratic, x), hessian(quadratic, x)
    found = returned(step(quadratic, x), (2,))
    known = (
        (x + np.linalg.solve(H, g), "The sign: the step is *minus* the inverse of H times the gradient."),
        (-np.linalg.solve(H, g), "That is the step alone. Return x plus the step."),
        (x - g, "That is a gradient step. Solve with the Hessian."),
        (x - H @ g, "Solve with the Hessian instead of multiplying by it."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong):
            raise Wrong(diagnosis)
    if not agree(found, [1, -1]):
        raise Wrong("From any point, one step should reach the minimum of a quadratic function.")
    p = np.array([-1.2, 1.0])
    for _ in range(10):
        p = returned(step(lambda p: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2, p), (2,))
    if not agree(p, 1, 1e-6):
        raise Wrong("For a quadratic it is right. For other functions take the Hessian at x itself.")
    return True


EXERCISES = [
    Exercise(
        "13.1",
        "The nested derivative.",
        expected=6,
        mistakes=[
            (3, "The inner derivative is x, which depends on x: it is not the constant 3 for the outer one."),
            (9, "That is the value of the bracket. Differentiate it."),
            (0, "The inner derivative is x, not a constant."),
            (2, "The bracket is x · x. At x = 3 its derivative is 2x."),
        ],
        hints=["the inner derivative is x, so what is the bracket?"],
        explanation="The inner derivative is x, the bracket x², and its derivative 2x.",
    ),
    Exercise(
        "13.2",
        "A direction in which the function decreases.",
        check=_falls,
        explanation="The gradient is zero, so the curvature decides: along the first axis it is -6, either way.",
    ),
    Exercise(
        "13.3",
        "One Newton step towards a minimum.",
        check=_newton_step,
        takes="f, x",
        hints=["replace value and J by gradient and Hessian; np.linalg.solve(H, g)"],
        explanation="We seek a root of the gradient, and the Hessian is its Jacobian.",
    ),
]


# -- 14: compiled duals ------------------------------------------------------------------------------------------------
def _cube_root_slope(f: Function) -> bool:
    """The power rule."""
    refuse(f, OPERATORS, "One line of mathematics will do.")
    places = (0.5, 2.0, 27.0)
    found = [float(returned(f(x))) for x in places]
    wrong: dict[str, Function] = {
        "That is the cube root itself.": np.cbrt,
        "A factor 1/3 is missing.": lambda x: x ** (-2 / 3),
        "The exponent is 1/3 - 1 = -2/3: the power stands in the denominator.": lambda x: x ** (2 / 3) / 3,
        "That is the derivative of x**3.": lambda x: 3 * x**2,
    }
    for diagnosis, formula in wrong.items():
        if agree(found, [formula(x) for x in places]):
            raise Wrong(diagnosis)
    return agree(found, [1 / (3 * x ** (2 / 3)) for x in places])


def _springs(f: Function) -> bool:
    """A compiled loop, and its gradient."""
    if not hasattr(f, "py_func"):
        raise Wrong("That function is not compiled: write @njit above it.")
    python = f.py_func
    if words_in(python) & {"sum", "diff"}:
        raise Wrong("Write the loop: a compiled loop needs no arrays for what is between.")
    x = np.array([0.0, 0.5, 2.0, 1.0])
    try:
        python(x)
    except IndexError:
        raise Wrong(
            "The loop reads beyond the end of x. Compiled code does not notice: it takes what lies there."
        ) from None
    wanted = float(np.sum(np.diff(x) ** 4))
    value = float(returned(f(x)))
    if agree(value, wanted + (x[0] - x[-1]) ** 4):
        raise Wrong("The loop has one term too many: x[-1] is the last element.")
    if agree(value, float(np.sum(np.diff(x) ** 2))):
        raise Wrong("The springs have the fourth power.")
    if not agree(value, wanted):
        raise Wrong(f"For x = [0, 0.5, 2, 1] the energy is {wanted}, not {value:.6g}.")
    slope = 4 * np.diff(x) ** 3
    return agree(gradient(f, x), np.append(0.0, slope) - np.append(slope, 0.0))


EXERCISES += [
    Exercise(
        "14.1",
        "The number of runs.",
        expected=5,
        mistakes=[
            (40, "A run propagates eight directions at once."),
            (8, "That is the number of directions per run."),
            (6, "40 is divisible by 8, and the value needs no run of its own."),
            (1, "A run propagates eight directions, and there are forty."),
        ],
        hints=["40 directions, 8 in each pass"],
        explanation="Five times eight, and the value comes with each of them.",
    ),
    Exercise(
        "14.2",
        "The derivative of the cube root, by mathematics.",
        check=_cube_root_slope,
        takes="x",
        hints=["the cube root is x**(1/3)"],
        explanation="The compiled loop has the derivative that the formula has.",
    ),
    Exercise(
        "14.3",
        "The energy of a chain, compiled.",
        check=_springs,
        takes="x",
        hints=["for i in range(len(x) - 1)"],
        explanation="The gradient was compiled with it: a loop over duals, without an array in between.",
    ),
]


# -- 15: sharp bits ----------------------------------------------------------------------------------------------------
def _cumulative(f: Function) -> bool:
    """For plain arrays and for duals."""
    x = np.array([1.0, -2.0, 3.0])
    plain = f(x)
    if type(plain) is not np.ndarray:
        raise Wrong("For a plain array it should return a plain array, as the original does.")
    if agree(returned(plain, (3,)), np.cumsum(x)):
        raise Wrong("Those are the sums of x: square it first.")
    if not agree(plain, [1, 5, 14]):
        raise Wrong("For a plain array it should return the same as the original.")
    try:
        J = jacobian(f, x)
    except TypeError:
        raise Wrong(
            "It still fills a buffer of floats: dualdiff.empty(len(x), like=x), or a list and np.stack."
        ) from None
    if not np.any(J):
        raise Wrong("The values are right, but the Jacobian is zero: a derivative is lost on the way.")
    return agree(J, [[2, 0, 0], [2, -4, 0], [2, -4, 6]])


def _level_at_zero(f: Function) -> bool:
    """The ramp with the other piece at its kink."""
    x = np.array([-2.0, -0.5, 0.0, 1e-9, 1.0, 3.0])
    if not np.array_equal(returned(f(x), (6,)), np.maximum(x, 0)):
        raise Wrong("The values should be those of np.maximum(x, 0), everywhere.")
    slopes = returned(derivative(f, x), (6,))
    if slopes[2] == 1:
        raise Wrong("At 0 the derivative is still 1: of equal arguments, np.maximum takes the first.")
    if slopes[2] not in (0, 1):
        raise Wrong(f"At 0 the derivative is {slopes[2]:.4g}: that is the mean of both sides, not the level one.")
    return bool(np.array_equal(slopes, [0, 0, 0, 1, 1, 1]))


def _wrong_at_zero(f: Function) -> bool:
    """Smooth, and dualdiff disagrees."""

    def at(x: Any) -> Any:
        return float(returned(f(x)))

    slopes = [(at(h) - at(-h)) / (2 * h) for h in (1e-3, 1e-5)]
    sides = [(at(h) - at(0.0)) / h for h in (1e-5, -1e-5)]
    if not np.all(np.isfinite([*slopes, *sides])):
        raise Wrong("Around 0 its values are not finite.")
    if np.ptp([*slopes, *sides]) > 1e-2:
        raise Wrong("It is not smooth: it has a kink at 0, or a steep slope.")
    found = derivative(f, 0.0)
    if math.isnan(found):
        raise Wrong("There the derivative is NaN: the library says that it does not know. Find one where it is wrong.")
    if abs(found - slopes[1]) < 0.1:
        raise Wrong(f"For that function dualdiff is right: {found:.4g}.")
    if "cbrt" in words_in(f):
        raise Wrong("That is the example from the page. Find another one.")
    return True


EXERCISES += [
    Exercise(
        "15.1",
        "A version that works with jacobian.",
        check=_cumulative,
        takes="x",
        hints=["dualdiff.empty(len(x), like=x)", "or a list, and np.stack"],
        explanation="A buffer made with like=x holds what x holds. So do a list with np.stack, and np.cumsum.",
    ),
    Exercise(
        "15.2",
        "The ramp with derivative 0 at 0.",
        check=_level_at_zero,
        takes="x",
        hints=["of equal arguments, the first is taken"],
        explanation="np.maximum(0, x), or np.where: at a kink it is the program that decides.",
    ),
    Exercise(
        "15.3",
        "A smooth function with a wrong derivative at 0.",
        check=_wrong_at_zero,
        takes="x",
        hints=["multiply an infinite slope by zero", "the fifth root of x**5 is x"],
        explanation="A zero tangent through an infinite slope contributes zero: right for norms, wrong here.",
    ),
]


# -- 16: Taylor mode ---------------------------------------------------------------------------------------------------
def _exp(x: np.ndarray) -> np.ndarray:
    r = np.zeros(len(x))
    r[0] = np.exp(x[0])
    for k in range(1, len(x)):
        r[k] = sum(j * x[j] * r[k - j] for j in range(1, k + 1)) / k
    return r


def _undoes_exp(log: Function) -> bool:
    """The logarithm undoes the exponential function."""
    refuse(log, OPERATORS, "Write the recurrence yourself.")
    for series in ([0.5, 1.0, 0.0, 0.0, 0.0], [1.0, -2.0, 0.3, 0.7, 0.1, -0.4, 0.2]):
        x = _exp(np.array(series))
        found = returned(log(x), (len(series),))
        if agree(found, np.log(np.abs(x))):
            raise Wrong("That takes the logarithm of each coefficient. Only the first is a value.")
        if not agree(found[0], series[0]):
            raise Wrong("The first coefficient is the logarithm of the first.")
        if not agree(found[:2], series[:2]):
            raise Wrong("From order 1 on: compare the coefficients of t**(k - 1) in x r' and x'.")
        if not agree(found, series):
            wrong = next(k for k in range(len(series)) if not agree(found[k], series[k]))
            raise Wrong(
                f"Right up to order {wrong - 1}. k x_0 r_k = k x_k - the sum of j r_j x_(k-j), j from 1 to k - 1."
            )
    return True


def _finds_the_pole(distance: Function) -> bool:
    """Functions whose nearest pole is known."""
    cases: tuple[tuple[Function, float, float], ...] = (
        (lambda x: np.exp(x) / (3 - x), 0.0, 3.0),
        (lambda x: 1 / (x + 2) + 1 / (x - 7), -0.5, 1.5),
        (np.tan, 1.0, np.pi / 2 - 1),
    )
    for f, x, wanted in cases:
        found = float(returned(distance(f, x)))
        if agree(found, -wanted, 1e-6):
            raise Wrong("A distance is positive: the pole may lie on either side.")
        if agree(found, 1 / wanted, 1e-6):
            raise Wrong("That is its inverse: the coefficients of c/(a - x) shrink by a from one order to the next.")
        if agree(found, x + wanted, 1e-6) and x:
            raise Wrong("That is the place of the pole. The distance from x is asked for.")
        if agree(found, wanted, 1e-2) and not agree(found, wanted, 1e-6):
            raise Wrong("Close: take the ratio of higher coefficients, of order 40 or so.")
        if not agree(found, wanted, 1e-6):
            raise Wrong(f"There is a function whose nearest pole is {wanted:.4f} away, and you find {found:.4g}.")
    return True


EXERCISES += [
    Exercise(
        "16.1",
        "How many floats are equal to f'.",
        expected=10,
        mistakes=[
            (1, "f' occurs once for each level at which the tangent may be taken."),
            (512, "Half of them contain some tangent. For f' it is taken at one level and no other."),
            (3, "That is for three levels."),
            (11, "Eleven different derivatives; f' occurs as often as there are levels."),
            (1024, "Only one of the 1024 is the value, and only one f to the tenth."),
        ],
        hints=["three levels have f' three times", "at how many of the levels is the tangent taken?"],
        explanation="The tangent is taken at one of the ten levels: a binomial coefficient.",
    ),
    Exercise(
        "16.2",
        "The logarithm of a series.",
        check=_undoes_exp,
        takes="x",
        explanation="An equation for the derivative is all that a function needs.",
    ),
    Exercise(
        "16.3",
        "The distance to the nearest pole.",
        check=_finds_the_pole,
        takes="f, x",
        hints=["near a simple pole f is like c / (a - x): what are its coefficients?", "order 40"],
        explanation="A series knows where its function ends, though it never leaves the point x.",
    ),
]
