"""The exercises of notebooks 9 to 12: Newton's method, gradient descent, curve fitting, sparse Jacobians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.drivers.derivative import value_and_derivative
from dualdiff.drivers.gradient import gradient
from dualdiff.drivers.hessian import hessian
from dualdiff.drivers.jacobian import jacobian, value_and_jacobian
from dualdiff.teaching.course.diagnosis import Function, agree, array, refuse, returned, scalar
from dualdiff.teaching.exercises import Exercise, Wrong


# -- 09: Newton's method -----------------------------------------------------------------------------------------------
def _never_arrives(answer: Any) -> bool:
    """A start from which the iterates stay finite and do not converge."""
    x = scalar(answer, "a starting point")

    def cubic(x: Any) -> Any:
        return x**3 - 2 * x + 2

    slope = value_and_derivative(cubic, x)[1]
    if abs(slope) < 1e-6:
        raise Wrong(
            "There the tangent line is horizontal, up to rounding: the first step leads nowhere, or so far away that "
            "the way back takes many steps. Look for a start that keeps iterating."
        )
    for step in range(1000):
        value, slope = value_and_derivative(cubic, x)
        if abs(value) < 1e-9:
            raise Wrong(f"From there it arrives, after {step} steps. Look at the iterates from small integers.")
        if slope == 0:
            raise Wrong(f"After {step} steps the tangent line is horizontal. Look for a start that keeps iterating.")
        x = x - value / slope
    return True


def _meet(answer: Any) -> bool:
    """The intersection with positive x."""
    x, y = array(answer, (2,), "the array of x and y")

    def errors(x: Any, y: Any) -> Any:
        return max(abs(x**2 + y**2 - 4), abs(y - np.exp(x)))

    if errors(x, y) < 1e-9:
        if x < 0:
            raise Wrong("That is the other intersection; x should be positive.")
        return True
    if errors(y, x) < 1e-9:
        raise Wrong("First x, then y.")
    if errors(x, y) < 1e-2:
        raise Wrong("Close, but not to ten digits: take more steps.")
    if abs(x**2 + y**2 - 4) < 1e-6:
        raise Wrong("That is on the circle, but not on y = exp(x).")
    if abs(y - np.exp(x)) < 1e-6:
        raise Wrong("That is on y = exp(x), but not on the circle.")
    return False


EXERCISES = [
    Exercise(
        "09.1",
        "The factor by which the error shrinks.",
        expected=0.5,
        tolerance=1e-3,
        mistakes=[
            (0.25, "By that factor f shrinks. The error is its square root."),
            (2.0, "It shrinks *by half*: the factor from one error to the next is below 1."),
            (0.0, "It does not reach the root in one step: the tangent line at x meets zero between x and 1."),
            (1.0, "It does shrink: run a few steps."),
        ],
        hints=["run newton(lambda x: (x - 1) ** 2, 2.0, 10) and look at the errors"],
        explanation="The step is (x - 1)²/(2(x - 1)): half the way to a double root, and one digit in 3.3 steps.",
    ),
    Exercise(
        "09.2",
        "A start from which Newton's method never converges.",
        check=_never_arrives,
        explanation="From 0 the tangent line leads to 1, and from 1 back to 0; starts nearby are caught by the cycle.",
    ),
    Exercise(
        "09.3",
        "The intersection, as an array.",
        check=_meet,
        hints=["f returns np.stack([x**2 + y**2 - 4, y - np.exp(x)])", "start at (1, 2), and solve as above"],
        explanation="Two equations, two unknowns, and about five steps.",
    ),
]


# -- 10: gradient descent ----------------------------------------------------------------------------------------------
def _logistic_loss(parameters: Any, points: Any, is_eight: Any) -> Any:
    z = points @ parameters["weights"] + parameters["constant"]
    return np.mean(np.logaddexp(0.0, np.where(is_eight, -z, z)))


def _reaches(answer: Any, points: Any = None, is_eight: Any = None) -> bool:
    """The loss after forty steps of this size."""
    rate = scalar(answer, "a step size")
    if points is None or is_eight is None:
        raise Wrong('The check needs the data: course.check("10.1", answer_1, points, is_eight).')
    if rate <= 0:
        raise Wrong("A step along the gradient climbs: the step size is positive, and the step is minus the gradient.")
    parameters: dict[str, Any] = {"weights": np.zeros(2), "constant": 0.0}
    for _ in range(40):
        slope = gradient(_logistic_loss, parameters, points, is_eight)
        parameters = {name: parameters[name] - rate * slope[name] for name in parameters}
    loss = float(_logistic_loss(parameters, points, is_eight))
    if loss < 0.11:
        return True
    where = "small: forty steps do not get there" if rate < 5 else "large: the steps overshoot the valley"
    raise Wrong(f"The loss is {loss:.4f}. The step is too {where}.")


def _scores(parameters: Any, images: Any) -> Any:
    hidden = np.tanh(images @ parameters["W1"] + parameters["b1"])
    return hidden @ parameters["W2"] + parameters["b2"]


def _pixels(answer: Function) -> bool:
    """The derivative of one score with respect to the image, for two networks."""
    random = np.random.default_rng(0)
    for _ in range(2):
        shapes = {"W1": (64, 32), "b1": (32,), "W2": (32, 10), "b2": (10,)}
        network = {name: random.normal(size=shape) / 8 for name, shape in shapes.items()}
        image = random.random(64)
        given = answer(network, image)
        if type(given) is dict:
            raise Wrong("That is the derivative with respect to the network. Here the image varies.")
        if np.shape(given) == (10,):
            raise Wrong("Those are ten scores. The result has one derivative for each of the 64 pixels.")
        found = returned(given, (64,))
        slope = jacobian(lambda image, network=network: _scores(network, image), image)
        if agree(found, slope[8]):
            continue
        if agree(found, slope.sum(axis=0)):
            raise Wrong("That is the derivative of the sum of all scores. Take the one of the 8.")
        if any(agree(found, row) for row in slope):
            raise Wrong("That is the derivative of another digit's score.")
        if agree(found, -slope[8]):
            raise Wrong("The sign: where the derivative is positive, a darker pixel helps.")
        return False
    return True


EXERCISES += [
    Exercise(
        "10.1", "A step size for forty steps.", check=_reaches, explanation="From about 30 on, the steps overshoot."
    ),
    Exercise(
        "10.2",
        "The derivatives of the score as an 8, pixel by pixel.",
        check=_pixels,
        takes="network, image",
        hints=["the gradient of a function of the image alone"],
        explanation="What trains a network also explains it, and fools it: follow that gradient a few steps.",
    ),
    Exercise(
        "10.3",
        "The number of nonzero gradients.",
        expected=1,
        mistakes=[
            (0, "One of them changes the scores directly, whatever the hidden layer is."),
            (2, "With W1 = 0 the hidden layer is zero: what is the gradient of W2 then?"),
            (3, "With W2 = 0 nothing is propagated back to W1 and b1."),
            (4, "With W2 = 0 nothing is propagated back to W1 and b1."),
        ],
        hints=["what is the hidden layer then, and what is propagated back through W2?"],
        explanation="Only b2. The hidden layer is zero, so W2 is stuck; W2 is zero, so W1 and b1 are stuck.",
    ),
]


# -- 11: curve fitting -------------------------------------------------------------------------------------------------
#: Misra1a, as in the notebook.
_VOLUME = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
_PRESSURE = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
_CERTIFIED = np.array([2.3894212918e02, 5.5015643181e-04])


def _residual(b: Any) -> Any:
    return b[0] * (1 - np.exp(-b[1] * _PRESSURE)) - _VOLUME


def _scaled(c: Any) -> Any:
    return _residual(c * _CERTIFIED)


def _normal_equations(step: Function) -> bool:
    """One step, where the normal equations are accurate enough."""
    refuse(step, {"lstsq", "least_squares", "qr", "pinv"}, "That is the better way. Here write the normal equations.")
    c = np.array([1.02, 0.97])
    r, J = value_and_jacobian(_scaled, c)
    delta = -np.linalg.lstsq(J, r)[0]
    found = returned(step(_scaled, c), (2,))
    known = (
        (c - delta, "The sign: the right-hand side is *minus* the transposed Jacobian times r."),
        (delta, "That is δ alone. Return b + δ."),
        (c - J.T @ r, "That is a gradient step. Solve with the matrix of the normal equations, J.T @ J."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong, 1e-8):
            raise Wrong(diagnosis)
    return agree(found, c + delta, 1e-8)


def _on_a_scale(answer: Function) -> bool:
    """The residual with a logarithmic parameter."""
    b, p = np.array([250.0, 0.0005]), np.array([250.0, math.log(0.0005)])
    found = returned(answer(p), (len(_VOLUME),))
    if agree(found, -_residual(b)):
        raise Wrong("The sign: the residual is the model minus the measured volume.")
    if agree(found, _residual(b) + _VOLUME):
        raise Wrong("That is the model. The residual is the model minus the measured volume.")
    if agree(found, _residual(p)):
        raise Wrong("That takes the second parameter as it is: b_2 is its exponential.")
    if not agree(found, _residual(b)):
        raise Wrong("At p = (250, log(0.0005)) the residual should be that of b = (250, 0.0005).")
    if not agree(jacobian(answer, p), jacobian(_residual, b) * [1, b[1]]):
        raise Wrong("The residual is right, but its Jacobian is not: somewhere a derivative is lost.")
    return True


def _left_out(part: Function) -> bool:
    """The curvature of the model, far from the minimum."""
    c = np.array([0.8, 1.3])
    J, H = jacobian(_scaled, c), hessian(lambda c: np.sum(_scaled(c) ** 2), c)
    kept = 2 * J.T @ J
    found = returned(part(_scaled, c), (2, 2))
    known = (
        (H, "That is the full Hessian. Subtract what Gauss-Newton keeps."),
        (kept, "That is what Gauss-Newton keeps."),
        (kept - H, "The sign: full Hessian minus what is kept."),
        (H - J.T @ J, "The part that is kept has a factor 2: S is r @ r, not half of it."),
        ((H - kept) / 2, "A factor 2 is missing: S is r @ r, not half of it."),
    )
    for wrong, diagnosis in known:
        if agree(found, wrong, 1e-6):
            raise Wrong(diagnosis)
    return agree(found, H - kept, 1e-6)


EXERCISES += [
    Exercise(
        "11.1",
        "One Gauss-Newton step by the normal equations.",
        check=_normal_equations,
        takes="residual, b",
        hints=["r, J = value_and_jacobian(residual, b)", "np.linalg.solve(J.T @ J, ...)"],
        explanation="The condition number of J is squared in J.T @ J: for Thurber half the digits are gone.",
    ),
    Exercise(
        "11.2",
        "The residual with a logarithmic parameter.",
        check=_on_a_scale,
        takes="p",
        hints=["p[0] * (1 - np.exp(-np.exp(p[1]) * x)) - y"],
        explanation="The chain rule came for free: the second column is b_2 times as large.",
    ),
    Exercise(
        "11.3",
        "The part of the Hessian that Gauss-Newton leaves out.",
        check=_left_out,
        takes="residual, b",
        hints=["hessian(f, b) is the full Hessian; from dualdiff import hessian"],
        explanation="The sum of r_i times the Hessian of r_i, times 2: where it is large, Gauss-Newton is slow.",
    ),
]


# -- 12: sparse Jacobians ----------------------------------------------------------------------------------------------
def _five_colours(colour: Function) -> bool:
    """Each cell and its four neighbours have five different colours."""
    square = [[int(scalar(colour(row, column), "a colour")) for column in range(5)] for row in range(5)]
    if not {c for row in square for c in row} <= set(range(5)):
        raise Wrong("The colours should be 0, 1, 2, 3, 4.")
    for row in range(5):
        for column in range(5):
            cells = [(row, column), (row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)]
            seen: dict[int, tuple[int, int]] = {}
            for i, j in cells:
                cell = i % 5, j % 5
                c = square[cell[0]][cell[1]]
                if c in seen:
                    raise Wrong(
                        f"The cells {seen[c]} and {cell} have one colour, {c}, and both enter the row of {row, column}."
                    )
                seen[c] = cell
    return True


EXERCISES += [
    Exercise(
        "12.1",
        "The number of directions for a tridiagonal Jacobian.",
        expected=3,
        mistakes=[
            (2, "Columns j and j + 2 share row j + 1."),
            (1000, "Columns far apart have no row in common, and may share a direction."),
            (1, "Neighbouring columns share rows: their sum could not be told apart."),
        ],
        hints=["give column j the colour j mod ...: when do two columns of one colour share a row?"],
        explanation="Columns j and j + 3 have no row in common. Three directions, for 1000 columns or a million.",
    ),
    Exercise(
        "12.2",
        "The number of directions with a dense last row.",
        expected=50,
        mistakes=[
            (1, "In the last row every column has an entry."),
            (
                2,
                "That would do if the last row were computed separately. By colouring columns alone, any two share it.",
            ),
            (49, "The last column has an entry in the last row, too."),
            (51, "There are 50 columns."),
        ],
        hints=["which columns have no row in common?"],
        explanation="Any two share the last row. Compute that row by one pullback, and one direction does the rest.",
    ),
    Exercise(
        "12.3",
        "A colour for each cell, by a formula.",
        check=_five_colours,
        takes="row, column",
        hints=["try (column + a * row) % 5 for some a", "a knight's move in chess"],
        explanation="A knight's move away is the nearest cell that shares no row with this one.",
    ),
]
