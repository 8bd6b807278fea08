"""The exercises of notebooks 17 to 19: a tape, solvers, differential equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.teaching.course.diagnosis import OPERATORS, Function, agree, array, refuse, returned
from dualdiff.teaching.exercises import Exercise, Wrong


# -- 17: reverse mode from scratch -------------------------------------------------------------------------------------
def _recorded_quotient(divide: Function, gradient: Any = None) -> bool:
    """The quotient of two recorded numbers, by the notebook's own sweep."""
    if not callable(gradient):
        raise Wrong('The check needs the sweep of the notebook: course.check("17.1", answer_1, gradient).')
    refuse(divide, OPERATORS - {"gradient"}, "Record the quotient on the tape of the notebook.")
    u, v = 3.0, 4.0
    value, slopes = gradient(divide, u, v)
    if not agree(value, u / v):
        raise Wrong("The value should be the quotient of the values.")
    found = array(slopes, (2,), "two local derivatives")
    known = (
        ([1 / v, u / v**2], "The sign of the second local derivative: where v grows, the quotient falls."),
        ([1 / v, -u / v], "The second local derivative is -u / v**2: the square is missing."),
        ([1 / v, -1 / v**2], "The second local derivative is -u / v**2: the factor u is missing."),
        ([1 / v, 0.0], "v is an operand, too: record it with its local derivative."),
        ([v, u], "Those are the local derivatives of the product."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong):
            raise Wrong(diagnosis)
    if not agree(found, [1 / v, -u / v**2]):
        raise Wrong("The local derivatives of u / v are 1 / v and -u / v**2.")
    _, (twice,) = gradient(lambda x: divide(x, x * x), 2.0)
    if not agree(twice, -0.25):
        raise Wrong("Where x occurs in both operands, as in x / (x * x), the adjoint is wrong.")
    return True


EXERCISES = [
    Exercise(
        "17.1",
        "The quotient of two recorded numbers.",
        check=_recorded_quotient,
        takes="u, v",
        explanation="A value, two operands, two local derivatives: the sweep needs to know no more.",
    ),
    Exercise(
        "17.2",
        "What the overwriting sweep gives for x * x at 3.",
        expected=3.0,
        mistakes=[
            (6.0, "That is the right derivative. The overwriting sweep keeps one of two contributions."),
            (9.0, "That is the value."),
            (0.0, "It overwrites the adjoint with the last contribution, which is not zero."),
        ],
        hints=["both operands of x * x are x, and each contributes its factor"],
        explanation="Each operand contributes 3, and one of them is lost. Finite, and wrong: the worst kind of bug.",
    ),
    Exercise(
        "17.3",
        "The most states that are stored at one time.",
        expected=200,
        mistakes=[
            (100, "The checkpoints stay, while the steps of one segment are stored for its sweep."),
            (10_000, "That is without checkpoints."),
            (10_100, "Only one segment is recorded at a time."),
        ],
        hints=["100 checkpoints, and the 100 steps of the segment that is swept"],
        explanation="√n + √n instead of n, for running every step twice. With more levels it takes log n.",
    ),
]


# -- 18: through a solver ----------------------------------------------------------------------------------------------
def _implicit(slope: Function) -> bool:
    """The derivative of a root with respect to a parameter."""
    cases: tuple[tuple[Function, float, float, float, float], ...] = (
        (lambda x, p: x**3 - p, 2.0, 8.0, 12.0, -1.0),
        (lambda x, p: x - p * np.sin(x) - 1.0, 1.9345632107520243, 1.0, 1 - np.cos(1.9345632107520243), 0.0),
        (lambda x, p: x * np.exp(x) - p, 1.0, np.e, 2 * np.e, -1.0),
    )
    for f, x, p, f_x, f_p in cases:
        f_p = f_p or -float(np.sin(x))
        found = float(returned(slope(f, x, p)))
        if agree(found, -f_p / f_x):
            continue
        known = (
            (f_p / f_x, "The sign: f_x x' + f_p = 0."),
            (-f_x / f_p, "Upside down: f_x x' + f_p = 0, solved for x'."),
            (f_p, "That is the derivative of f with respect to p, at fixed x. But the root moves."),
            (f_x, "That is the derivative of f with respect to x."),
        )
        for wrong, diagnosis in known:
            if agree(found, wrong):
                raise Wrong(diagnosis)
        return False
    return True


def _adjoint(answer: Function) -> bool:
    """The gradient of g · x for A x' + B = 0, by one solve."""
    refuse(answer, {"inv", "pinv"}, "Solve one linear system instead of inverting the matrix.")
    random = np.random.default_rng(1)
    A, B, g = random.normal(size=(4, 4)) + 3 * np.eye(4), random.normal(size=(4, 7)), random.normal(size=4)
    solved: list[Any] = []

    class Watched(np.ndarray):
        """An array that sees what is solved with it."""

        def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
            plain = [np.asarray(a) if issubclass(type(a), np.ndarray) else a for a in args]
            if getattr(function, "__name__", "") in ("solve", "lstsq"):
                solved.append(np.shape(plain[1]))
            result = function(*plain, **kwargs)
            keeps = getattr(function, "__name__", "") in ("transpose", "swapaxes")
            return result.view(Watched) if keeps and issubclass(type(result), np.ndarray) else result

    found = returned(answer(A.view(Watched), B, g), (7,))
    right = -np.linalg.solve(A.T, g) @ B
    known = (
        (-right, "The sign: A x' + B = 0."),
        (-np.linalg.solve(A, g) @ B, "The system of the adjoint has the *transposed* matrix."),
        (-g @ B, "The matrix A does not enter: solve with its transpose first."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong):
            raise Wrong(diagnosis)
    if agree(found, right) and any(len(shape) == 2 and shape[1] == 7 for shape in solved):
        raise Wrong("Right, but it solves a system for each parameter. The adjoint method solves a single one.")
    return agree(found, right)


EXERCISES += [
    Exercise(
        "18.1",
        "The derivative of the root of x**3 = a, at a = 8.",
        expected=1 / 12,
        mistakes=[
            (12.0, "Upside down: 3 x² x' = 1."),
            (-1 / 12, "The sign: with f = x³ - a, f_a is -1."),
            (1 / 3, "Take 3 x² at the root, x = 2."),
            (1 / 192, "Take 3 x² at the root, x = 2, not at a = 8."),
        ],
        hints=["differentiate x**3 = a on both sides"],
        explanation="3x²x' = 1 at x = 2: no iteration, whatever found the root.",
    ),
    Exercise(
        "18.2",
        "The derivative of a root with respect to a parameter.",
        check=_implicit,
        takes="f, x, p",
        hints=["derivative(lambda x: f(x, p), x)", "f_x x' + f_p = 0"],
        explanation="Two derivatives at one point replace the derivative of a whole iteration.",
    ),
    Exercise(
        "18.3",
        "The gradient by the adjoint method.",
        check=_adjoint,
        takes="A, B, g",
        hints=["solve A.T w = g", "the result is -(w @ B)"],
        explanation="One solve with the transposed matrix, for seven parameters or seven million.",
    ),
]


# -- 19: sensitivities of differential equations -----------------------------------------------------------------------
def _sensitivity(rate: Function) -> bool:
    """The right-hand side of the sensitivity equation of logistic growth."""
    places = (0.2, 0.3, 1.5), (0.7, -0.4, 0.5), (0.5, 1.0, 2.0)
    found = [float(returned(rate(*place))) for place in places]
    terms = [(p * (1 - 2 * y) * s, y * (1 - y), p * (1 - y) * s) for y, s, p in places]
    if agree(found, [a + b for a, b, _ in terms]):
        return True
    known = (
        (
            [a for a, _, _ in terms],
            "p enters the equation itself, too: the partial derivative with respect to p is missing.",
        ),
        ([b for _, b, _ in terms], "y changes with p: the Jacobian times s is missing."),
        ([c + b for _, b, c in terms], "The derivative of y (1 - y) with respect to y is 1 - 2 y: the product rule."),
        ([p * y * (1 - y) for y, _, p in places], "That is the rate of y. Differentiate it with respect to p."),
        ([a + p * b for (a, b, _), (_, _, p) in zip(terms, places, strict=True)], "f_p is y (1 - y), without p."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong):
            raise Wrong(diagnosis)
    return False


def _spring(slope: Function) -> bool:
    """The derivative of cos(sqrt(k) t) with respect to k, from a solver or by mathematics."""
    places = (1.0, 2.0), (2.5, 0.7), (0.5, 4.0)
    found = [float(returned(slope(*place))) for place in places]
    right = [-t * np.sin(np.sqrt(k) * t) / (2 * np.sqrt(k)) for k, t in places]
    if agree(found, right, 1e-5):
        return True
    known = (
        ([np.cos(np.sqrt(k) * t) for k, t in places], "That is the position. Differentiate it with respect to k."),
        (
            [-np.sqrt(k) * np.sin(np.sqrt(k) * t) for k, t in places],
            "That is the velocity: the derivative is by k, not t.",
        ),
        ([-x for x in right], "The sign."),
        (
            [-t * np.sin(np.sqrt(k) * t) for k, t in places],
            "The derivative of the root of k is missing: 1 / (2 sqrt(k)).",
        ),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong, 1e-5):
            raise Wrong(diagnosis)
    if agree(found, right, 1e-2):
        raise Wrong("Close: let the solver work with smaller tolerances.")
    return False


EXERCISES += [
    Exercise(
        "19.1",
        "The sensitivities at time 0, as a tuple.",
        expected=(0.0, 1.0),
        mistakes=[
            ((1.0, 0.0), "The other way round: at time 0 the solution *is* the initial value."),
            ((0.0, 0.0), "At time 0 the solution is the initial value: by how much does it change with it?"),
            ((1.0, 1.0), "At time 0 no time has passed in which a rate could act."),
        ],
        hints=["at time 0 the solution is the initial value, whatever the rates"],
        explanation="Rates need time to act; the initial value is there at once.",
    ),
    Exercise(
        "19.2",
        "The sensitivity equation of logistic growth.",
        check=_sensitivity,
        takes="y, s, p",
        hints=["f = p y (1 - y): f_y s + f_p"],
        explanation="Linear in s, whatever f is, and as stiff as the equation itself.",
    ),
    Exercise(
        "19.3",
        "How the spring's position changes with its stiffness.",
        check=_spring,
        takes="k, t",
        hints=["the position is cos(sqrt(k) t)", "or derivative of a function of k that calls solve_ivp"],
        explanation="It grows with t: a change of frequency shifts the phase, and the shift accumulates.",
    ),
]


# -- 20: uncertainties -------------------------------------------------------------------------------------------------
def _propagated(answer: Function) -> bool:
    """First-order propagation of independent errors."""
    refuse(answer, {"ufloat", "uarray", "std_devs"}, "Do it by hand: a gradient, squares, a sum, a root.")
    cases: tuple[tuple[Function, np.ndarray, np.ndarray, np.ndarray], ...] = (
        (lambda x: x[0] * x[1], np.array([2.0, 3.0]), np.array([0.1, 0.2]), np.array([3.0, 2.0])),
        (lambda x: np.sum(x**2), np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, 0.2]), np.array([2.0, -4.0, 1.0])),
    )
    found = [float(returned(answer(f, x, sigma))) for f, x, sigma, _ in cases]
    parts = [slope * sigma for _, _, sigma, slope in cases]
    known = (
        ([np.sum(p**2) for p in parts], "That is the variance. Take its root."),
        ([np.sum(abs(p)) for p in parts], "Independent errors partly cancel: add squares, not absolute values."),
        ([np.sum(p) for p in parts], "Independent errors have no sign: add squares."),
        ([np.sqrt(np.sum(slope**2 * sigma)) for _, _, sigma, slope in cases], "Square the sigmas, too."),
    )
    if agree(found, [np.sqrt(np.sum(p**2)) for p in parts]):
        return True
    for wrong, diagnosis in known:
        if agree(found, wrong):
            raise Wrong(diagnosis)
    return False


EXERCISES += [
    Exercise(
        "20.1",
        "The standard deviation of x³.",
        expected=1.2,
        mistakes=[
            (0.1**3, "The error does not go through the function, but through its slope."),
            (0.3, "The slope of x³ at 2 is 3 x², not 3."),
            (0.1 * np.sqrt(3), "x³ is not three independent factors: they are one and the same x."),
            (8 * 0.1 * np.sqrt(3) / 2, "x³ is not three independent factors: they are one and the same x."),
            (12.0, "That is the slope. Multiply by the standard deviation of x."),
        ],
        hints=["the slope at 2, times 0.1"],
        explanation="3x²σ = 12 · 0.1.",
    ),
    Exercise(
        "20.2",
        "The standard deviation of (x + y) - x.",
        expected=0.4,
        mistakes=[
            (np.sqrt(0.3**2 + 0.4**2 + 0.3**2), "x occurs twice, and both times it is the same x."),
            (0.5, "That is for x + y. What remains when x is subtracted again?"),
            (1.0, "x occurs twice, and both times it is the same x."),
            (0.7, "Independent errors partly cancel; and x drops out altogether."),
        ],
        hints=["what is (x + y) - x?"],
        explanation="The tangent with respect to x is 1 - 1 = 0: correlations are kept.",
    ),
    Exercise(
        "20.3",
        "The propagation of independent errors.",
        check=_propagated,
        takes="f, x, sigma",
        hints=["gradient(f, x) * sigma, then the root of the sum of squares"],
        explanation="One gradient, by reverse mode if there are many measurements.",
    ),
]
