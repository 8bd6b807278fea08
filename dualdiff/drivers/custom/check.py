"""Comparison of derivatives with finite differences and the complex step."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.base.progress import PATIENCE, shown
from dualdiff.base.public import shown_in
from dualdiff.base.workers import refuse_inside
from dualdiff.core.containers import Nesting, flatten, output_leaf
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.jvp import jvp
from dualdiff.drivers.run.engines import engine_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.options import Argnum, checked
from dualdiff.drivers.run.passes import Chunk, single_pass
from dualdiff.drivers.run.repeated_calls import expect_several_calls

#: Up to this number of elements of x, every partial derivative is checked; beyond, random directions.
FEW = 10
RANDOM_DIRECTIONS = 5
SEED = 0

#: Steps of the differences, relative to the magnitude of x, and the minimum number of them.  Their ratio is not a power
#: of two, so that a periodic function is not sampled at the same phase every time.
RATIO = 0.6
STEPS = [0.05 * RATIO**k for k in range(20)]
LEVELS = 8
#: An imaginary step this small has no truncation error, and the complex step has no cancellation.
IMAGINARY_STEP = 1e-30
#: The relative difference up to which a finite difference confirms a complex step, which is wrong if f is not analytic.
CONFIRMED = 1e-4
#: The rounding error of f that is tolerated, in units in the last place.
ROUNDING = 64
#: The order of the extrapolation in the squared step; beyond, rounding dominates.
COLUMNS = 8


@shown_in("dualdiff")
@dataclass(frozen=True, repr=False, eq=False)
class DerivativeCheck:
    """The report of `check_derivative`.

    Every array has a row for each direction and a column for each element of f(x).

    Attributes
    ----------
    directions, places : tuple of str
        The names of the rows and the columns.
    dual, finite_difference, complex_step : array
        The derivatives by each method; ``complex_step`` is NaN if f does not accept complex arguments.
    uncertainty : array
        The error of the finite difference, as estimated by its extrapolation.
    error : array
        The distance of ``dual`` from the nearer of the other two.
    tolerance : array
        The largest acceptable ``error``.
    """

    directions: tuple[str, ...]
    places: tuple[str, ...]
    dual: Any
    finite_difference: Any
    complex_step: Any
    uncertainty: Any
    error: Any
    tolerance: Any

    @property
    def failures(self) -> Any:
        """Boolean array: where the error exceeds the tolerance."""
        return ~(self.error <= self.tolerance)

    @property
    def passed(self) -> bool:
        """Whether every error is within its tolerance."""
        return not np.any(self.failures)

    @property
    def worst(self) -> tuple[int, int]:
        """Row and column of the largest error relative to its tolerance."""
        with np.errstate(all="ignore"):
            ratio = np.where(self.error == 0, 0.0, self.error / self.tolerance)
        row, column = np.unravel_index(np.argmax(np.where(np.isnan(ratio), np.inf, ratio)), ratio.shape)
        return int(row), int(column)

    def __repr__(self) -> str:
        counts = f"{_count(len(self.places), 'element')}, {_count(len(self.directions), 'direction')}"
        worst = ""
        if self.error.size:
            at = self.worst
            worst = f", largest error {self.error[at]:.1e} where {self.tolerance[at]:.1e} is allowed"
        return f"<DerivativeCheck {'passed' if self.passed else 'failed'}: {counts}{worst}>"


@shown_in("dualdiff")
class DerivativeCheckError(AssertionError):
    """Derivatives do not agree; ``report`` is the `DerivativeCheck` (None if already the values differ)."""

    def __init__(self, message: str, report: DerivativeCheck | None = None) -> None:
        super().__init__(message)
        self.report = report


@shown_in("dualdiff")
def check_derivative(
    f: Callable[..., Any],
    *args: Any,
    argnum: Argnum = 0,
    directions: int | None = None,
    rtol: float = 1e-6,
    atol: float = 0.0,
    workers: Any = None,
    progress: bool | Callable[[int, int], Any] | None = None,
) -> DerivativeCheck:
    r"""Compare dualdiff's derivatives of f at a point with finite differences and the complex step.

    It detects a `custom_derivative` that is wrong or not linear in the tangents, a function whose value with duals
    differs from that without, and kinks.  In a test one line is enough: ``check_derivative(f, x)`` raises if
    derivatives do not agree.

    Parameters
    ----------
    f : callable
        A function of a scalar, an array, or nested containers of these, that returns any of these.
    *args
        The arguments of f.
    argnum : int or tuple of int
        The index, or a tuple of indices, of the positional argument with respect to which f is differentiated.
    directions : int, optional
        The number of random directions (the same in each call) along which derivatives are compared.  By default,
        every partial derivative is checked if x has at most 10 elements, and 5 directions otherwise.
    rtol, atol : float
        The tolerance is ``rtol * abs(derivative) + atol``, plus the effect of rounding in f on the differences.  In
        lower precision, ``rtol`` is at least 100 units in the last place.

    workers : int, executor or callable, optional
        Who compares the directions, as in `jacobian`.
    progress : bool or callable, optional
        Shows how many directions are done, as in `jacobian`; by default from two seconds on.

    Returns
    -------
    DerivativeCheck
        The derivatives by each method, their errors and tolerances, as arrays.

    Raises
    ------
    DerivativeCheckError
        If a derivative differs from the others by more than the tolerance, if the derivative along a direction is not
        linear in the direction, or if the value of f with duals differs from that without.  It is an AssertionError,
        names the element with the largest error, and has the report as ``report``.

    Notes
    -----
    The finite differences are central, :math:`(f(x + hv) - f(x - hv)) / 2h`, with steps from 5 % of the magnitude of
    x downwards, extrapolated to h = 0 (Ridders, *Advances in Engineering Software* 4 (1982) 75): 16 to 40 calls of f
    for each direction.  The complex step :math:`\operatorname{Im} f(x + ihv) / h` (Squire and Trapp, *SIAM Review* 40
    (1998) 110) is exact up to rounding, but only for analytic functions, and therefore counts only if the finite
    difference confirms four digits of it; then ``rtol=1e-12`` is possible.

    Second derivatives are checked by ``check_derivative(gradient(f), x)``.

    Examples
    --------
    >>> from dualdiff import check_derivative, custom_derivative
    >>> check_derivative(lambda x: x**3 + 2*x, 3.0).passed
    True
    >>> cube = custom_derivative(lambda x: x**3, lambda x: 2 * x**2)
    >>> check_derivative(cube, 2.0)
    Traceback (most recent call last):
        ...
    dualdiff.DerivativeCheckError: 1 of 1 derivatives do not agree, the worst is that of f(x) along x:
      dualdiff           8
      finite difference  12
      complex step       12
    """
    if not args:
        raise TypeError("check_derivative(f, x) needs a point x")
    inputs = Inputs("check_derivative", f, args, argnum)
    if any(isinstance(leaf, AnyDual) for leaf in inputs.leaves):
        raise TypeError(
            "check_derivative compares plain floats, but x contains duals: call it outside of other operators"
        )
    # The differences show whether a result that does not depend on x is right.
    inputs.constant_is_said = True
    expect_several_calls(inputs)
    is_shown = True if progress is None else checked("check_derivative", "progress", progress)
    workers = checked("check_derivative", "workers", workers)
    expected, _ = inputs.call(_moved(inputs, None, 0.0))
    places = tuple(_names(*flatten(expected), "f(x)"))
    chosen = list(_directions(inputs, directions))
    tell = shown("check_derivative", is_shown, after=PATIENCE if progress is None else 0.0)
    rows = _rows(inputs, expected, chosen, (rtol, atol), directions, workers, tell)
    columns = [np.reshape(column, (len(rows), len(places))) for column in zip(*rows, strict=True)]
    names = tuple(direction.name for direction in chosen)
    report = DerivativeCheck(names, places, *(columns or [np.zeros((0, len(places)))] * 6))
    _check_linear(inputs, chosen, report, rtol)
    if not report.passed:
        hint = _hint(inputs, chosen[report.worst[0]], report)
        raise DerivativeCheckError(_message(report) + hint, report)
    return report


# -- directions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Direction:
    """A direction along which x is perturbed; ``size`` times it has about the magnitude of x."""

    name: str
    tangents: list[Any]
    size: float


def _directions(inputs: Inputs, count: int | None) -> Iterator[_Direction]:
    if count is None and inputs.size <= FEW:
        yield from _unit_directions(inputs)
        return
    if count is None:
        count = RANDOM_DIRECTIONS
    elif isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"check_derivative: directions must be a positive integer, not {count!r}")
    random = np.random.default_rng(SEED)
    for k in range(count):
        tangents = []
        for leaf in inputs.leaves:
            steps = random.standard_normal(np.shape(leaf))
            if np.iscomplexobj(leaf):
                steps = steps + 1j * random.standard_normal(np.shape(leaf))
            tangents.append(_like(leaf, steps * _sizes(leaf)))
        yield _Direction(f"random direction {k + 1}", tangents, 1.0)


def _unit_directions(inputs: Inputs) -> Iterator[_Direction]:
    names = iter(_names(inputs.leaves, inputs.rebuild, "x"))
    zeros = [_like(leaf, np.zeros(np.shape(leaf))) for leaf in inputs.leaves]
    for i, leaf in enumerate(inputs.leaves):
        sizes = np.ravel(_sizes(leaf))
        for j, (name, size) in enumerate(zip(itertools.islice(names, len(sizes)), sizes, strict=True)):
            for unit in (1.0, 1j) if np.iscomplexobj(leaf) else (1.0,):
                steps = np.zeros(len(sizes), type(unit))
                steps[j] = unit
                tangents = [*zeros[:i], _like(leaf, steps.reshape(np.shape(leaf))), *zeros[i + 1 :]]
                yield _Direction(name if unit == 1.0 else f"i {name}", tangents, float(size))


def _sizes(leaf: Any) -> Any:
    """The magnitude of each element; for elements that are almost zero, the largest magnitude in the leaf."""
    sizes = np.abs(leaf).astype(float)
    largest = float(np.max(sizes, initial=0.0))
    if largest < 1e-12:
        largest = 1.0
    return np.where(sizes < 1e-8 * largest, largest, sizes)


def _like(leaf: Any, elements: Any) -> Any:
    """The values converted to the type of the leaf."""
    if issubclass(type(leaf), np.ndarray):
        return elements.astype(leaf.dtype)
    return type(leaf)(elements)


def _names(leaves: list[Any], nesting: Nesting, name: str) -> list[str]:
    """The Python expression of each element in a container."""
    return [
        whole + (f"[{', '.join(map(str, index))}]" if index else "")
        for leaf, whole in zip(leaves, nesting.names(name), strict=True)
        for index in np.ndindex(np.shape(leaf))
    ]


# -- derivatives by each method --------------------------------------------------------------------------------------


def _rows(
    inputs: Inputs,
    expected: Any,
    chosen: list[_Direction],
    tolerances: tuple[float, float],
    count: int | None,
    workers: Any,
    tell: Callable[[int, int], Any],
) -> list[tuple[Any, ...]]:
    """The rows of the report, by this process or by workers."""
    if workers is None:
        rows = []
        for direction in chosen:
            rows.append(_compare(inputs, expected, direction, *tolerances))
            tell(len(rows), len(chosen))
        return rows
    from dualdiff.base.pools import Job, results

    refuse_inside("check_derivative")
    job = Job("check_derivative", _compared, inputs.f, inputs.args, inputs.argnum, expected, count, tolerances)
    ended: list[Any] = []

    def done(piece: Any) -> None:
        ended.append(piece)
        tell(len(ended), len(chosen))

    return list(results(workers, job, [Chunk(k, k + 1, len(chosen)) for k in range(len(chosen))], done))


def _compared(
    f: Any, args: Any, argnum: Any, expected: Any, count: int | None, tolerances: tuple[float, float]
) -> Callable[[Chunk], tuple[Any, ...]]:
    """The rows of a worker."""
    inputs = Inputs("check_derivative", f, args, argnum)
    inputs.constant_is_said = True
    expect_several_calls(inputs)
    chosen = list(_directions(inputs, count))
    return lambda piece: _compare(inputs, expected, chosen[piece.start], *tolerances)


def _compare(inputs: Inputs, expected: Any, direction: _Direction, rtol: float, atol: float) -> tuple[Any, ...]:
    """One row of each array in the report."""
    value, derivative = _by_duals(inputs, direction.tangents)
    _check_value(expected, value, rtol, atol)
    dual, eps = _flat(derivative)
    rtols = np.maximum(rtol, 100 * eps)
    difference, uncertainty, rounding = _finite_difference(inputs, direction, rtols)
    complex_step = _complex_step(inputs, direction, len(dual))
    with np.errstate(all="ignore"):
        error = np.abs(dual - difference)
        confirmed = np.abs(complex_step - difference) <= CONFIRMED * np.abs(difference) + rounding
        error = np.where(confirmed, np.fmin(error, np.abs(dual - complex_step)), error)
        tolerance = rtols * np.maximum(np.abs(dual), np.abs(difference)) + atol + rounding
    return dual, difference, complex_step, uncertainty, error, tolerance


def _check_linear(inputs: Inputs, chosen: list[_Direction], report: DerivativeCheck, rtol: float) -> None:
    """Raise unless the derivative along a linear combination of the directions is that combination of derivatives."""
    if not report.dual.size:
        return
    # Weights of either sign, none of them 1.
    weights = [(-1.0) ** k * (0.5 + 0.618 * (k + 2) % 1.0) - 0.1 for k in range(1, len(chosen) + 1)]
    tangents = [
        _like(leaf, sum(w * np.asarray(direction.tangents[i]) for w, direction in zip(weights, chosen, strict=True)))
        for i, leaf in enumerate(inputs.leaves)
    ]
    along, eps = _flat(_by_duals(inputs, tangents)[1])
    with np.errstate(all="ignore"):
        terms = np.reshape(weights, (-1, 1)) * report.dual
        expected = np.sum(terms, axis=0)
        allowed = np.maximum(rtol, 100 * eps) * np.sum(np.abs(terms), axis=0)
        wrong = np.flatnonzero((np.abs(along - expected) > allowed) & np.isfinite(expected) & np.isfinite(along))
    if wrong.size:
        k = wrong[0]
        raise DerivativeCheckError(
            f"the derivative of {report.places[k]} is not linear in the direction: along a combination of "
            f"{_count(len(chosen), 'direction')} it is {_show(along[k])}, but the same combination of the derivatives "
            f"is {_show(expected[k])}.  The jvp of a custom_derivative must be linear in the tangents",
            report,
        )


def _by_duals(inputs: Inputs, tangents: list[Any]) -> tuple[Any, Any]:
    """Value and derivative along a direction, by dualdiff."""
    if engine_of[type(inputs.f)] is None:
        outputs = single_pass(inputs, tangents)
        return outputs.value, tuple(outputs.derivatives)
    places = inputs.argnum if isinstance(inputs.argnum, tuple) else (inputs.argnum,)
    others = [a for place, a in enumerate(inputs.args) if place not in places]
    x, v = inputs.rebuild.argument(inputs.leaves), inputs.rebuild(tangents)
    pair: tuple[Any, Any] = jvp(inputs.f, x, v, *others, argnum=inputs.argnum)
    return pair


def _check_value(expected: Any, actual: Any, rtol: float, atol: float) -> None:
    """Raise unless f has the same value with duals as without."""
    names = _names(*flatten(expected), "f(x)")
    if _names(*flatten(actual), "f(x)") != names:
        raise DerivativeCheckError(
            f"f returns {_count(len(names), 'element')} for plain x, but a result of another structure with duals"
        )
    (plain, eps), (dual, _) = _flat(expected), _flat(actual)
    with np.errstate(all="ignore"):
        allowed = np.maximum(rtol, 100 * eps) * np.abs(plain) + atol + ROUNDING * eps
        same = (np.abs(plain - dual) <= allowed) | (plain == dual) | ((plain != plain) & (dual != dual))
    if not np.all(same):
        k = int(np.argmin(same))
        raise DerivativeCheckError(
            f"{names[k]} is {plain[k]} for plain x, but {dual[k]} with duals: f must not treat duals differently, "
            "and must return the same result in each call"
        )


def _finite_difference(inputs: Inputs, direction: _Direction, rtols: Any) -> tuple[Any, Any, Any]:
    """The extrapolated central difference, its estimated error, and the part of the error that is due to rounding."""
    best: Any = np.full(len(rtols), np.nan)
    uncertainty = np.full(len(rtols), np.inf)
    rounding = np.zeros(len(rtols))
    coarser: list[Any] = []
    for k, step in enumerate(STEPS):
        h = step * direction.size
        (ahead, eps), (behind, _) = (_around(inputs, direction, t, len(rtols)) for t in (h, -h))
        with np.errstate(all="ignore"):
            noise = ROUNDING * eps * np.maximum(np.abs(ahead), np.abs(behind)) / h
            column = [(ahead - behind) / (2 * h)]
            candidate, estimate = best, np.full(len(rtols), np.inf)
            for j, other in enumerate(coarser[:COLUMNS]):
                column.append(column[j] + (column[j] - other) / (RATIO ** (-2 * j - 2) - 1))
                change = np.maximum(np.abs(column[-1] - column[j]), np.abs(column[-1] - other)) + noise
                candidate, estimate = _chosen(change < estimate, (column[-1], change), (candidate, estimate))
            coarser = column
            settled = estimate <= 0.01 * rtols * np.abs(candidate)
            # If two estimates have converged, the one with smaller steps counts: larger steps may cross a kink.
            better = settled | (estimate < uncertainty)
            best, uncertainty, rounding = _chosen(better, (candidate, estimate, noise), (best, uncertainty, rounding))
            if k + 1 >= LEVELS and np.all(settled | (uncertainty <= 2 * rounding)):
                break
    return best, uncertainty, rounding


def _chosen(condition: Any, new: tuple[Any, ...], old: tuple[Any, ...]) -> Iterator[Any]:
    return (np.where(condition, a, b) for a, b in zip(new, old, strict=True))


def _complex_step(inputs: Inputs, direction: _Direction, count: int) -> Any:
    """The derivative by an imaginary step; NaN if f does not accept complex arguments."""
    h = IMAGINARY_STEP * direction.size
    undefined = np.full(count, np.nan)
    if inputs.is_complex:
        return undefined
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            elements, _ = _flat(inputs.call(_moved(inputs, direction, 1j * h))[0])
    except Exception:  # a function of real arguments may raise anything for complex ones
        return undefined
    return elements.imag / h if len(elements) == count else undefined


def _around(inputs: Inputs, direction: _Direction, t: float, count: int) -> tuple[Any, Any]:
    """f at x + t * direction, flattened by `_flat`; NaN outside of the domain of f."""
    try:
        with np.errstate(all="ignore"):
            elements, eps = _flat(inputs.call(_moved(inputs, direction, t))[0])
    except (ArithmeticError, ValueError):  # as math.log(-1.0) raises
        return np.full(count, np.nan), np.zeros(count)
    return (elements, eps) if len(elements) == count else (np.full(count, np.nan), np.zeros(count))


def _moved(inputs: Inputs, direction: _Direction | None, t: complex) -> list[Any]:
    """The leaves of x + t * direction, in double precision at least."""
    if direction is None:
        return [np.copy(leaf) if issubclass(type(leaf), np.ndarray) else leaf for leaf in inputs.leaves]
    moved = []
    for leaf, tangent in zip(inputs.leaves, direction.tangents, strict=True):
        if issubclass(type(leaf), (np.ndarray, np.generic)):
            wide = np.result_type(leaf, np.float64)
            shifted = leaf.astype(wide) + t * tangent.astype(wide)
            moved.append(np.asarray(shifted) if issubclass(type(leaf), np.ndarray) else shifted)
        else:
            moved.append(leaf + t * tangent)
    return moved


def _flat(tree: Any) -> tuple[Any, Any]:
    """The elements of a result as a vector, and the machine epsilon of each."""
    leaves = [np.ravel(output_leaf(leaf, "check_derivative")) for leaf in flatten(tree)[0]]
    units = [np.full(leaf.size, float(np.finfo(leaf.dtype).eps)) for leaf in leaves]
    return np.concatenate([np.zeros(0), *leaves]), np.concatenate([np.zeros(0), *units])


# -- messages --------------------------------------------------------------------------------------------------------


def _message(report: DerivativeCheck) -> str:
    at = report.worst
    place, direction = report.places[at[1]], report.directions[at[0]]
    lines = [
        f"{int(np.sum(report.failures))} of {report.error.size} derivatives do not agree, the worst is that of {place} "
        f"along {direction}:",
        f"  dualdiff           {_show(report.dual[at])}",
        f"  finite difference  {_show(report.finite_difference[at])}",
    ]
    if _near(report.complex_step[at], report.finite_difference[at]) or _near(report.complex_step[at], report.dual[at]):
        lines.append(f"  complex step       {_show(report.complex_step[at])}")
    return "\n".join(lines)


def _hint(inputs: Inputs, direction: _Direction, report: DerivativeCheck) -> str:
    """A further explanation of the largest error, on a line of its own; empty if there is none."""
    at = report.worst
    difference, uncertainty = report.finite_difference[at], report.uncertainty[at]
    if difference != difference:
        return "\nf is undefined or not finite on one side of x, so that no central difference exists"
    kink = _kink(inputs, direction, at[1], len(report.places))
    if kink:
        return (
            f"\nf has a kink there: its one-sided derivatives are {_show(kink[0])} and {_show(kink[1])}, and dualdiff "
            "takes that of one piece"
        )
    if _near(report.complex_step[at], report.dual[at]):
        return (
            "\nThe complex step agrees with dualdiff.  Either f has steps (round, floor), whose derivative is zero, or "
            "it varies on a scale much smaller than x: then rescale or shift x"
        )
    if not uncertainty <= report.tolerance[at]:
        return (
            f"\nThe finite difference itself is uncertain by {uncertainty:.1e}: f is noisy, or varies on a scale "
            "much smaller than x; rescale or shift x, or tolerate the noise with atol"
        )
    return ""


def _kink(inputs: Inputs, direction: _Direction, place: int, count: int) -> tuple[Any, Any] | None:
    """The one-sided derivatives at x, if their difference does not vanish with the step."""
    slopes = []
    for step in (1e-3, 1e-4):
        h = step * direction.size
        behind, here, ahead = (_around(inputs, direction, t, count)[0][place] for t in (-h, 0.0, h))
        slopes.append(((here - behind) / h, (ahead - here) / h))
    coarse, fine = (abs(after - before) for before, after in slopes)
    larger = max(map(abs, slopes[1]))
    return slopes[1] if fine > 1e-2 * larger and 0.5 * coarse < fine < 2 * coarse else None


def _near(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= CONFIRMED * max(abs(a), abs(b)))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _show(number: Any) -> str:
    return f"{number:.10g}"
