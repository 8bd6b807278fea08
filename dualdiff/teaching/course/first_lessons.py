"""The exercises of notebooks 1 to 4: a loop, finite differences, formulas, dual numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.derivative import derivative, nth_derivative, value_and_derivative
from dualdiff.teaching.course.diagnosis import OPERATORS, Function, agree, array, refuse, returned, scalar
from dualdiff.teaching.exercises import Exercise, Wrong
from dualdiff.teaching.trace import trace

EPS = float(np.finfo(float).eps)


# -- 01: the Babylonian square root ------------------------------------------------------------------------------------
def _cube_root(answer: Function) -> bool:
    """The root and its derivative, from a loop of additions and divisions."""
    for a in 1.0, 2.0, 3.5:
        root = float(returned(answer(a)))
        if a != 1 and agree(root, np.sqrt(a), 1e-6):
            raise Wrong("That is the square root: the step for the cube root is (2 x + a / x**2) / 3.")
        if not agree(root, np.cbrt(a), 1e-3):
            raise Wrong(f"At a = {a} the loop gives {root:.6g}, but the cube root is {np.cbrt(a):.6g}.")
        if not agree(root, np.cbrt(a), 1e-12):
            raise Wrong(f"At a = {a} the root is right to a few digits: take more steps.")
    steps = trace(answer, 2.0).operations
    powers = [step for step in steps if step.operation.startswith("power") and _is_root(step.formula)]
    if powers or {step.operation for step in steps} & {"cbrt", "exp", "log", "sqrt", "exp2", "log2"}:
        raise Wrong("That takes the root from a library. Write the loop, in which only + * / and x**2 occur.")
    for a in 1.0, 2.0, 3.5:
        slope = derivative(answer, a)
        if slope == 0:
            raise Wrong("The derivative is 0: somewhere on the way the loop loses its dependence on a.")
        if not agree(slope, np.cbrt(a) / (3 * a), 1e-12):
            raise Wrong("The root is right, but its derivative has not converged: take one more step.")
    return True


def _is_root(formula: str) -> bool:
    """Whether a power has an exponent with a fraction."""
    exponent = formula.rpartition("**")[2].strip("()- ")
    try:
        return not float(exponent).is_integer()
    except ValueError:
        return True


EXERCISES = [
    Exercise(
        "01.1",
        "The cube root by Newton's method, as a function of a.",
        check=_cube_root,
        takes="a",
        hints=["start at (2 + a) / 3, and repeat x = (2 * x + a / x**2) / 3"],
        explanation="Nobody told the loop that the derivative of the cube root is 1/(3 a^(2/3)).",
    ),
    Exercise(
        "01.2",
        "The tangents of the initial value and after one step, as a list.",
        expected=[0.0, 0.5],
        mistakes=[
            ([1.0, 0.5], "The initial value is 1.0 whatever a is: does it change when a does?"),
            ([0.0, 1.0], "Almost: the step halves the sum of x and a / x."),
            ([0.0, 0.0], "The first step brings a in: after it x is (1 + a) / 2."),
            ([0.5, 0.5], "That is the old initial value, (1 + a) / 2. The new one is 1.0."),
        ],
        hints=["does 1.0 change when a does?", "after one step x is (1 + a) / 2"],
        explanation="A constant has tangent 0, and the first step is (1 + a/1)/2.",
    ),
    Exercise(
        "01.3",
        "The number of steps that the derivative needs.",
        expected=1,
        mistakes=[
            (0, "Without any step the result is a constant, and does not depend on a at all."),
            (2, "Two are enough, but look at the derivative after one."),
        ],
        hints=["differentiate (x + a/x) / 2 with respect to a, for a fixed x"],
        explanation="At fixed x the derivative of (x + a/x)/2 with respect to a is 1/(2x): right at once at the root.",
    ),
]


# -- 02: finite differences --------------------------------------------------------------------------------------------
def _wave(x: Any) -> Any:
    return np.exp(np.sin(x))


def _best_step(answer: Any) -> bool:
    """The minimum of both errors, to about a percent."""
    h = scalar(answer, "a step size")
    if h <= 0:
        raise Wrong("A step size is positive.")
    bend, twist = (abs(nth_derivative(_wave, 1.0, k)) for k in (2, 3))
    value = float(_wave(1.0))
    best = float(np.cbrt(3 * EPS * value / twist))
    if abs(h / best - 1) < 0.05:
        return True
    if abs(h / math.sqrt(2 * EPS * value / bend) - 1) < 0.05:
        raise Wrong("That is the best step of the forward difference. The central one has another truncation error.")
    if abs(h / best * np.cbrt(3) - 1) < 0.05:
        raise Wrong("At that step both errors are equal, up to a factor. Minimize their sum: a 3 is missing.")
    if abs(h / float(np.cbrt(6 * EPS * value / twist)) - 1) < 0.05:
        raise Wrong("At that step both errors are equal, but their sum is smallest where its derivative vanishes.")
    raise Wrong(f"That step is too {'large' if h > best else 'small'}. Set the derivative of the sum to zero.")


def _complex_step(step: Function) -> bool:
    """The complex step, from complex arguments alone."""
    refuse(step, OPERATORS, "The exercise asks for the complex step, without the library.")
    cases = (
        (np.sin, 1.0, math.cos(1.0)),
        (np.exp, -2.0, math.exp(-2.0)),
        (lambda x: x**3 / (1 + x), 1e3, 1e6 * 2003 / 1001**2),
    )
    for f, x, slope in cases:
        seen: list[Any] = []
        given = step(lambda z, f=f, seen=seen: (seen.append(z), f(z))[1], x)
        if not any(np.iscomplexobj(z) for z in seen):
            raise Wrong("Your function never calls f with a complex argument: x + 1j * h.")
        if np.iscomplexobj(given) and np.imag(given):
            raise Wrong("The result is complex: the derivative is in the imaginary part.")
        found = float(returned(given))
        if abs(found) < 1e-50 or (agree(found, np.real(f(x)), 1e-6) and not agree(found, slope, 1e-6)):
            raise Wrong("That is one part of f(x + ih). Take the imaginary part, and divide it by h.")
        if abs(found / slope - 1) > 1e-4:
            raise Wrong("The derivative is not right: the complex step is the imaginary part of f(x + ih) over h.")
        if abs(found / slope - 1) > 1e-14:
            raise Wrong(
                "Right to some digits. What remains is of the order of h**2: nothing cancels, so h can be 1e-100."
            )
    return True


def _complex_step_fails(f: Function) -> bool:
    """A function for which the complex step is wrong, and the dual number is right."""
    refuse(f, {"abs", "absolute", "fabs"}, "Find one without the absolute value.")
    difference = float(returned(f(2.0 + 1e-6)) - returned(f(2.0 - 1e-6))) / 2e-6
    allowed = 1e-4 * (1 + abs(difference))
    if abs(derivative(f, 2.0) - difference) > allowed:
        raise Wrong("There the dual number is not right either: f should be smooth at 2, and depend on x.")
    try:
        found = np.imag(f(2.0 + 1e-20j)) / 1e-20
    except Exception:
        raise Wrong("With a complex argument your function stops. Find one that gives a wrong derivative.") from None
    if abs(found - difference) <= allowed:
        raise Wrong("For your function the complex step is right.")
    return True


EXERCISES += [
    Exercise(
        "02.1",
        "The step size with the smallest error.",
        check=_best_step,
        explanation="It is (3 ε |f / f'''|)^(1/3), about 1e-5, with an error of about ε^(2/3): ten or eleven digits.",
    ),
    Exercise(
        "02.2",
        "The complex step, as a function of f and x.",
        check=_complex_step,
        takes="f, x",
        explanation="Nothing is subtracted, so h may be so small that its square is negligible.",
    ),
    Exercise(
        "02.3",
        "A function for which the complex step is wrong.",
        check=_complex_step_fails,
        takes="x",
        hints=["which functions of a complex argument drop its imaginary part?"],
        explanation="The complex step needs a function that is analytic. A dual number needs the program only.",
    ),
]


# -- 03: formulas ------------------------------------------------------------------------------------------------------
def _logistic(x: Any, steps: int) -> Any:
    for _ in range(steps):
        x = 4 * x * (1 - x)
    return x


def _by_hand(answer: Function) -> bool:
    """Value and derivative of the loop, by plain floats."""
    refuse(answer, OPERATORS, "Do by hand what it does: let the loop update x and dx.")
    for point, steps in (0.2, 1), (0.7, 4), (0.31, 12):
        given = answer(point, steps)
        if not issubclass(type(given), (tuple, list)) or len(given) != 2:
            raise Wrong("The result is a pair: the value and the derivative.")
        value, slope = float(returned(given[0])), float(returned(given[1]))
        expected = value_and_derivative(_logistic, point, steps)
        if not agree(value, expected[0]):
            raise Wrong(f"At x = {point} with {steps} steps the value should be {expected[0]:.6g}, not {value:.6g}.")
        if agree(slope, _late(point, steps)) and not agree(slope, expected[1]):
            raise Wrong("Your loop overwrites x before dx is computed from it: update both at once.")
        if not agree(slope, expected[1]):
            raise Wrong(f"At x = {point} with {steps} steps the derivative is {expected[1]:.6g}, not {slope:.6g}.")
    return True


def _late(x: float, steps: int) -> float:
    """The derivative from a loop that updates x first."""
    dx = 1.0
    for _ in range(steps):
        x = 4 * x * (1 - x)
        dx = 4 * dx * (1 - x) - 4 * x * dx
    return dx


def _shared(answer: Any) -> bool:
    """The operations of the named subexpressions and of the rest."""
    sympy = load("sympy", "sympy", "the exercise 03.3")
    count = scalar(answer, "a number of operations")
    x = sympy.Symbol("x")
    slope = sympy.diff(_logistic(x, 5), x)
    named, rest = sympy.cse(slope)
    in_named, in_rest = (sum(map(sympy.count_ops, parts)) for parts in ([part for _, part in named], rest))
    if count == in_named + in_rest:
        return True
    known = {
        sympy.count_ops(slope): "That counts the formula as it is: apply sympy.cse first.",
        in_named: "Those are the named subexpressions: add the operations of the expression that remains.",
        in_rest: "That is the expression that remains: add the named subexpressions.",
        len(named): "That is how many subexpressions have a name: count their operations.",
    }
    raise Wrong(
        known.get(int(count), "named, rest = sympy.cse(...): count_ops of the second of each pair, and of rest.")
    )


EXERCISES += [
    Exercise(
        "03.1",
        "Value and derivative of the logistic map, by hand.",
        check=_by_hand,
        takes="x, steps",
        explanation="You wrote forward mode: each line of the program, followed by its derivative.",
    ),
    Exercise(
        "03.2",
        "The factor by which the formula grows.",
        expected=2,
        tolerance=1e-2,
        mistakes=[
            (4, "The first ratios are that large, but they fall. What does each step copy?"),
            (3, "The first ratios are that large, but they fall. What does each step copy?"),
            (13824 / 5472, "That is the last ratio in the table, and the ratios still fall: where to?"),
            (1, "The number of operations does not stay the same."),
        ],
        hints=["the formula for n steps has about n^2 2^n operations: which factor remains for large n?"],
        explanation="The formula doubles; the product rule adds a factor of about n², whose ratio tends to 1.",
    ),
    Exercise(
        "03.3",
        "The number of operations after sympy.cse.",
        check=_shared,
        explanation="With a name for each common subexpression, computer algebra does what dual numbers do.",
    ),
]


# -- 04: dual numbers --------------------------------------------------------------------------------------------------
class _Pair:
    """A value and a tangent, where the notebook passes no class of its own."""

    def __init__(self, value: float, tangent: float = 0.0) -> None:
        self.value, self.tangent = value, tangent


def _parts(x: Any) -> tuple[float, float]:
    """Value and tangent of what a reader's function returned."""
    if type(x).__module__.startswith("dualdiff"):
        raise Wrong("That is a dual number of the library: return one of your own class, Number.")
    if not hasattr(x, "value") or not hasattr(x, "tangent"):
        raise Wrong("Your function should return a Number: a value and a tangent.")
    return float(x.value), float(x.tangent)


def _divides(divide: Function, number: Any = _Pair) -> bool:
    """The quotient rule."""
    refuse(divide, OPERATORS, "Divide the values and the tangents yourself.")
    wrong: dict[str, Function] = {
        "That is the quotient of the tangents: tangents do not divide.": lambda u, du, v, dv: du / dv if dv else du,
        "The second term has the wrong sign: where v grows, the quotient falls.": lambda u, du, v, dv: (
            (du + u / v * dv) / v
        ),
        "The quotient rule divides by the square of v, in the form (u' v - u v') / v**2.": lambda u, du, v, dv: (
            (du * v - u * dv) / v
        ),
        "The tangent of v enters too: it is not always constant.": lambda u, du, v, dv: du / v,
        "The tangent of u enters divided by v.": lambda u, du, v, dv: du - u / v * dv,
    }
    cases = (3.0, 1.0, 4.0, 0.5), (1.0, 0.25, 4.0, 1.0), (-2.0, 0.5, 0.5, 3.0)
    found = [_parts(divide(number(u, du), number(v, dv))) for u, du, v, dv in cases]
    if not agree([value for value, _ in found], [u / v for u, _, v, _ in cases]):
        raise Wrong("The value of the quotient is the quotient of the values.")
    tangents = [tangent for _, tangent in found]
    if agree(tangents, [(du - u / v * dv) / v for u, du, v, dv in cases]):
        return True
    for diagnosis, formula in wrong.items():
        if agree(tangents, [formula(*case) for case in cases]):
            raise Wrong(diagnosis)
    raise Wrong("The tangent is not right. The quotient rule: (u / v)' = (u' - (u / v) v') / v.")


def _square_root(sqrt: Function, number: Any = _Pair) -> bool:
    """The value, its derivative, and the chain rule."""
    refuse(sqrt, OPERATORS, "Compute value and tangent yourself.")
    found = [_parts(sqrt(number(v, dv))) for v, dv in ((4.0, 1.0), (9.0, -6.0))]
    if not agree([v for v, _ in found], [2.0, 3.0]):
        raise Wrong("The value should be that of math.sqrt.")
    tangents = [dv for _, dv in found]
    known = (
        ([0.25, 1 / 6], "The incoming tangent is not always 1: where does it enter?"),
        ([0.5, -2.0], "A factor 1/2 is missing: the derivative of the square root is one over *twice* the root."),
        ([1.0, -6.0], "The tangent passes unchanged: the slope of the square root is missing."),
        ([0.125, -6.0 / 18], "Divide by twice the *root*, not by twice the argument."),
    )
    for wrong, diagnosis in known:
        if agree(tangents, wrong):
            raise Wrong(diagnosis)
    return agree(tangents, [0.25, -1.0])


def _matrix(answer: Function) -> bool:
    """Sums and products, and different matrices for different dual numbers."""

    def matrix(a: Any, b: Any) -> Any:
        return array(answer(a, b), (2, 2), "a 2 × 2 matrix")

    one, eps = matrix(1.0, 0.0), matrix(0.0, 1.0)
    if not agree(one, np.eye(2)):
        raise Wrong("The dual number 1 should be the identity.")
    if agree(eps @ eps, np.eye(2)):
        raise Wrong("There ε² = 1: those are the split-complex numbers.")
    if agree(eps @ eps, -np.eye(2)):
        raise Wrong("There ε² = -1: those are the complex numbers.")
    if not np.any(eps):
        raise Wrong("ε itself should not be zero.")
    if not agree(eps @ eps, 0):
        raise Wrong("The square of ε should be zero. Which nonzero matrix has the square zero?")
    if not agree(matrix(2.0, 3.0), 2 * one + 3 * eps):
        raise Wrong("The matrix of a + bε should be a times that of 1 plus b times that of ε.")
    return agree(matrix(2.0, 3.0) @ matrix(-1.0, 4.0), matrix(-2.0, 5.0))


EXERCISES += [
    Exercise(
        "04.1",
        "The quotient of two Numbers.",
        check=_divides,
        takes="u, v",
        explanation="`Number.__truediv__ = answer_1` completes the class.",
    ),
    Exercise(
        "04.2",
        "The square root of a Number.",
        check=_square_root,
        takes="x",
        hints=["the derivative of the square root is one over twice the root"],
        explanation="Value, slope, times the incoming tangent: every elementary function is written like this.",
    ),
    Exercise(
        "04.3",
        "The matrix of a dual number.",
        check=_matrix,
        takes="a, b",
        hints=["which nonzero matrix has the square zero? Try one with a single nonzero entry"],
        explanation="A function of a Jordan block is the function on the diagonal and its derivative beside it.",
    ),
]
