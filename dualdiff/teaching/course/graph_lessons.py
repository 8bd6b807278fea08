"""The exercises of notebooks 5 to 8: traces, graphs, directions, modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.drivers.jacobian import jacobian
from dualdiff.teaching.course.diagnosis import OPERATORS, Function, agree, array, refuse, returned, scalar
from dualdiff.teaching.exercises import Exercise, Wrong
from dualdiff.teaching.trace import Trace, trace


# -- 05: the evaluation trace ------------------------------------------------------------------------------------------
def _first_infinite(answer: Any) -> bool:
    """The first row whose tangent is not finite."""
    if type(answer) is not str:
        raise Wrong('The answer is the name of a row, such as "v1".')
    known = {
        "v1": "x**2 has the tangent 4.",
        "v2": "Its value is zero, which is where the trouble comes from, but its tangent is 4.",
        "v3": "-v2 has a finite tangent. Look at the row after which nothing is finite.",
        "v4": "The exponential is smooth everywhere.",
        "v6": "It is infinite there, but not for the first time: from which row does it come?",
        "v7": "It is infinite there, but not for the first time: from which row does it come?",
        "v8": "It is infinite there, but not for the first time: from which row does it come?",
    }
    name = answer.strip().lower()
    if name == "v5":
        return True
    raise Wrong(known.get(name, "That is not the name of a row: trace(suspect, 2.0) shows all of them."))


EXERCISES = [
    Exercise(
        "05.1",
        "The three tangents, as a list.",
        expected=np.array([2.0, 2 * np.e, 3 * np.e]),
        mistakes=[
            ([2.0, np.e, 2 * np.e], "v2 depends on x through v1: the chain rule has the factor 2 of v1."),
            ([2.0, np.e, 3 * np.e], "v2 depends on x through v1: the chain rule has the factor 2 of v1."),
            ([2.0, 2 * np.e, 2 * np.e], "v3 is a product: x changes too, which adds the term 1 * v2."),
            ([2.0, 2 * np.e, np.e], "v3 is a product: v2 changes too, which adds the term x * 2e."),
            ([1.0, np.e, np.e], "Those are the values. The tangents are the rates of change."),
        ],
        hints=["the tangent of x is 1, that of v1 is 2 x", "v3 is a product: two terms"],
        explanation="2x dx; e^v1 dv1; v2 dx + x dv2.",
    ),
    Exercise(
        "05.2",
        "The number of rows of the trace.",
        expected=33,
        mistakes=[
            (32, "The input is a row, too."),
            (31, "The first line has two operations, a sum and a division; and the input is a row."),
            (23, "Each step has three operations: a / x, the sum, and the division by 2."),
            (13, "Each step has three operations: a / x, the sum, and the division by 2."),
            (43, "The trace counts operations, not operands: each step has three."),
        ],
        hints=["how many operations does the first line have, and how many each iteration?"],
        explanation="One input, two operations for the initial guess, and three per step.",
    ),
    Exercise(
        "05.3",
        "The row in which the infinity first appears.",
        check=_first_infinite,
        explanation="The square root of zero has an infinite slope, and a tangent of 4 arrives there.",
    ),
]


# -- 06: the chain rule on the graph -----------------------------------------------------------------------------------
def _products(answer: Any) -> bool:
    """The products of both paths, in any order."""
    if type(answer) is float and agree(answer, np.e):
        raise Wrong("That is their sum, the derivative. Give both products.")
    found = np.sort(array(answer, (2,), "a list of two products"))
    if agree(found, [1.0, np.e]):
        raise Wrong("The local derivative of a product is the *other* factor: one path crosses ln 1.")
    if agree(found, [np.e, np.e]):
        raise Wrong("One of the paths is right. On the other, the factor at the product is ln 1.")
    return agree(found, [0.0, np.e])


def _f(x1: Any, x2: Any) -> Any:
    return np.log(x1) + x1 * x2 - np.sin(x2)


def _babylonian(a: Any, steps: int = 3) -> Any:
    x = (1 + a) / 2
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def _backward(sweep: Function) -> bool:
    """The reverse sweep, for two traces."""
    refuse(
        sweep, OPERATORS | {"adjoints", "tangents", "graph"}, "Write the sweep: only operands and partials are needed."
    )
    for t in trace(_f, 2.0, 5.0), trace(_babylonian, 2.0):
        expected, answer = t.adjoints(), sweep(t)
        if type(answer) is not dict or not set(expected) <= set(answer):
            raise Wrong("The answer should return a dict with the name of every step, inputs included.")
        found = {name: float(returned(answer[name])) for name in expected}
        if all(agree(found[name], expected[name]) for name in expected):
            continue
        overwritten, forgotten = _other_sweep(t, adds=False), _other_sweep(t, multiplies=False)
        if all(agree(found[name], overwritten[name]) for name in expected):
            raise Wrong("A step that is used twice gets two contributions. Yours overwrites the first: add with +=.")
        if all(agree(found[name], forgotten[name]) for name in expected):
            raise Wrong("The contribution of a step is its adjoint *times* the local derivative.")
        if not any(found.values()):
            raise Wrong("All adjoints are 0: that of the result, t.results[0], starts at 1.")
        name = next(name for name in expected if not agree(found[name], expected[name]))
        raise Wrong(f"The adjoint of {name} should be {expected[name]:.6g}, not {found[name]:.6g}.")
    return True


def _other_sweep(t: Trace, adds: bool = True, multiplies: bool = True) -> dict[str, float]:
    """The adjoints of a sweep with a mistake."""
    sums = {step.name: 0.0 for step in t.steps}
    sums[t.results[0].name] = 1.0
    for step in reversed(t.operations):
        for operand, partial in zip(step.operands, step.partials, strict=True):
            part = sums[step.name] * (float(partial) if multiplies else 1.0)
            sums[operand.name] = sums[operand.name] + part if adds else part
    return sums


EXERCISES += [
    Exercise(
        "06.1",
        "The products along both paths, as a list.",
        check=_products,
        hints=[
            "each local derivative of a product is the other factor",
            "trace(lambda x: np.exp(x) * np.log(x), 1.0).graph()",
        ],
        explanation="Through the exponential e · ln 1 = 0, through the logarithm 1 · e: the sum is the derivative.",
    ),
    Exercise(
        "06.2",
        "The number of paths.",
        expected=2**51 - 1,
        tolerance=0,
        mistakes=[
            (2**50, "Count for small n: 1 step has 3 paths, 2 steps 7, 3 steps 15."),
            (2**50 - 1, "That is for 49 steps: 1 step has 3 paths, and 3 is 2² - 1."),
            (2**51, "Almost. Count for small n: 1 step has 3 paths, 2 steps 7, 3 steps 15."),
            (5 * 50 + 2, "That is the number of edges. A path is a choice of edges."),
        ],
        hints=["1 step: 3, 2 steps: 7, 3 steps: 15, ..."],
        explanation="Each step doubles the number of paths and adds one: 2^51 - 1, on 252 edges.",
    ),
    Exercise(
        "06.3",
        "The reverse sweep.",
        check=_backward,
        takes="t",
        hints=["start with 0 for all steps and 1 for t.results[0]", "go through reversed(t.operations)"],
        explanation="That is all of reverse mode: a list, read backwards, with += at every operand.",
    ),
]


# -- 07: many directions -----------------------------------------------------------------------------------------------
def _swirl(x: Any) -> Any:
    """The function of the notebook."""
    u, v = x
    angle = 0.6 * (u**2 + v**2)
    return np.stack([u * np.cos(angle) - 0.5 * v * np.sin(angle), u * np.sin(angle) + 0.5 * v * np.cos(angle)])


_AT = np.array([0.9, 0.5])


def _stretched_most(answer: Any) -> bool:
    """The first right singular vector, of either sign."""
    v = array(answer, (2,), "an array of two elements")
    if not agree(np.linalg.norm(v), 1, 1e-6):
        raise Wrong(f"A unit direction has length 1, yours has length {np.linalg.norm(v):.4g}.")
    J = jacobian(_swirl, _AT)
    left, sizes, right = np.linalg.svd(J)

    def along(w: Any) -> Any:
        return abs(v @ w) > 1 - 1e-8

    if along(right[0]):
        return True
    if along(right[1]):
        raise Wrong("That is the direction that f stretches the *least*.")
    if along(left[:, 0]):
        raise Wrong("That is where the result moves, J v. The question is from which v.")
    if np.max(abs(v)) == 1:
        raise Wrong("Of the two axes, perhaps. But there are all the directions between them.")
    size = np.linalg.norm(J @ v)
    raise Wrong(f"Along v the result moves by {size:.6f}, and there is a direction with {sizes[0]:.6f}.")


def _areas(factor: Function) -> bool:
    """The absolute value of the determinant, for three functions."""

    def polar(p: Any) -> Any:
        return np.stack([p[0] * np.cos(p[1]), p[0] * np.sin(p[1])])

    def swap(p: Any) -> Any:
        return p[::-1] * 1.0

    def shear(p: Any) -> Any:
        return np.stack([p[0] + 3.0 * p[1], 0.0 * p[0] + 2.0 * p[1]])

    at = np.array([2.0, 0.3])
    found = [float(returned(factor(f, at))) for f in (polar, swap, shear)]
    if agree(found, [2.0, 1.0, 2.0]):
        return True
    if agree(found, [2.0, -1.0, 2.0]):
        raise Wrong("An area is never negative: f may turn the square over.")
    if agree(found[:2], [2.0, 1.0]):
        raise Wrong("The product of the sides is the area of a rectangle. A parallelogram may lean.")
    raise Wrong("The sides of the parallelogram are the columns of the Jacobian: what is its area?")


EXERCISES += [
    Exercise(
        "07.1",
        "The unit direction that f stretches most.",
        check=_stretched_most,
        explanation="It is the first right singular vector of J; the largest singular value is the stretch.",
    ),
    Exercise(
        "07.2",
        "The number of calls.",
        expected=21,
        mistakes=[
            (20, "The last chunk need not be full: 20 chunks make 960 directions."),
            (1000, "Each call propagates 48 directions."),
            (1000 / 48, "A function is called 21 times or 20, but not 20.83 times."),
            (48, "That is the number of directions per call."),
        ],
        hints=["the last chunk need not be full"],
        explanation="Twenty chunks of 48 are 960 directions, and one more takes the other 40.",
    ),
    Exercise(
        "07.3",
        "The factor by which f changes areas.",
        check=_areas,
        takes="f, x",
        explanation="The absolute value of the Jacobian's determinant: the factor in every change of variables.",
    ),
]


# -- 08: forward and reverse -------------------------------------------------------------------------------------------
def _rows(answer: Function) -> bool:
    """The Jacobian by pullbacks."""
    refuse(answer, OPERATORS - {"vjp", "linearize"}, "Use reverse sweeps only: vjp, and one pullback for each row.")
    for f, at in (
        (lambda x: np.stack([x[0] * x[1], x[1] ** 2, x[2]]), np.ones(3)),
        (lambda x: x[:2] * x[2], np.arange(1.0, 4.0)),
    ):
        calls: list[int] = []
        given = answer(lambda x, f=f, calls=calls: (calls.append(1), f(x))[1], at)
        expected = jacobian(f, at)
        if np.shape(given) == expected.T.shape != expected.shape:
            raise Wrong("That is the transpose: a pullback gives a row.")
        found = returned(given, expected.shape)
        if not agree(found, expected):
            raise Wrong("That is the transpose." if agree(found, expected.T) else "The rows are not right: pull(unit).")
        if len(calls) > 2:
            raise Wrong("Right, but f runs once for each row. One vjp records it; the pullback may be used repeatedly.")
    return True


def _faster(answer: Any) -> bool:
    """Which mode, and by what factor."""
    if not issubclass(type(answer), (tuple, list)) or len(answer) != 2 or type(answer[0]) is not str:
        raise Wrong('The answer is a tuple such as ("forward", 1.5).')
    mode, factor = answer[0].strip().lower(), scalar(answer[1], "a mode and a factor")
    if mode not in ("forward", "reverse"):
        raise Wrong('The mode is "forward" or "reverse".')
    if agree(factor, 2.5):
        raise Wrong("That is the ratio of the times of one sweep. The modes need different numbers of sweeps.")
    if agree(factor, 3.0):
        raise Wrong("That is the ratio of the numbers of sweeps. A reverse sweep takes longer.")
    if mode == "forward":
        raise Wrong("Forward mode takes 300 sweeps of 2 ms, reverse mode 100 sweeps of 5 ms.")
    if agree(factor, 5 / 6):
        raise Wrong("Divide the longer time by the shorter one.")
    return agree(factor, 1.2)


EXERCISES += [
    Exercise(
        "08.1",
        "The sweeps in forward and in reverse mode, as a tuple.",
        expected=(2, 2),
        mistakes=[
            ((1, 2), "Forward mode takes one sweep for each input."),
            ((2, 1), "Reverse mode takes one sweep for each output, of which there are two now."),
            ((4, 4), "A sweep gives a whole column or row of the Jacobian, not one entry."),
        ],
        hints=["one sweep per input, or one per output"],
        explanation="Two inputs, two outputs: nobody wins, and forward mode needs no record.",
    ),
    Exercise(
        "08.2",
        "The faster mode, and the factor.",
        check=_faster,
        hints=["300 forward sweeps, or 100 reverse sweeps", "the longer time over the shorter one"],
        explanation="600 ms against 500 ms: three times as many inputs as outputs are hardly enough.",
    ),
    Exercise(
        "08.3",
        "The Jacobian from reverse sweeps.",
        check=_rows,
        takes="f, x",
        hints=["y, pull = vjp(f, x), then apply pull to each unit vector of y"],
        explanation="One run of f, and one pullback for each row.",
    ),
]
