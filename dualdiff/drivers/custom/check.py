"""A check of derivatives against finite differences and the complex step."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualdiff.core.containers import flatten, output_leaf
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.jvp import jvp
from dualdiff.drivers.run.engines import engine_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.options import Argnum
from dualdiff.drivers.run.passes import single_pass
from dualdiff.drivers.run.repeated_calls import expect_several_calls

#: Up to so many numbers in x, every partial derivative is checked; beyond, random directions are.
FEW = 10
RANDOM_DIRECTIONS = 5
SEED = 0

#: Steps of the differences, relative to the size of x: so many at least, and so many at most.  Their ratio is no power
#: of two, so that a periodic function is not met at the same phase every time.
RATIO = 0.6
STEPS = [0.05 * RATIO**k for k in range(20)]
LEVELS = 8
#: An imaginary step this small leaves no error of truncation, and it has none of cancellation.
IMAGINARY_STEP = 1e-30
#: How well the finite difference has to confirm a complex step, as those of functions that are not analytic are wrong.
CONFIRMED = 1e-4
#: Rounding errors of f that are allowed for, in units of its last place.
ROUNDING = 64
#: The extrapolation goes to this power of the squared step, where rounding begins to win.
COLUMNS = 8


@dataclass(frozen=True, repr=False, eq=False)
class DerivativeCheck:
    """What `check_derivative` found.

    Every array has one row for each direction and one column for each number in f(x).

    Attributes
    ----------
    directions, places : tuple of str
        The names of the rows and the columns.
    dual, finite_difference, complex_step : array
        The derivatives by each method; ``complex_step`` is NaN where f does not take complex numbers.
    uncertainty : array
        The error of the finite difference as its extrapolation estimates it.
    error : array
        How far ``dual`` is from the nearer of the other two.
    tolerance : array
        How large ``error`` may be.
    """

    __module__ = "dualdiff"

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
        """Where the error is beyond the tolerance, as a boolean array."""
        return ~(self.error <= self.tolerance)

    @property
    def passed(self) -> bool:
        """Whether every error is within its tolerance."""
        return not np.any(self.failures)

    @property
    def worst(self) -> tuple[int, int]:
        """Row and column of the error that is largest in proportion to its tolerance."""
        with np.errstate(all="ignore"):
            ratio = np.where(self.error == 0, 0.0, self.error / self.tolerance)
        row, column = np.unravel_index(np.argmax(np.where(np.isnan(ratio), np.inf, ratio)), ratio.shape)
        return int(row), int(column)

    def __repr__(self) -> str:
        counts = f"{_count(len(self.places), 'number')}, {_count(len(self.directions), 'direction')}"
        worst = ""
        if self.error.size:
            at = self.worst
            worst = f", largest error {self.error[at]:.1e} where {self.tolerance[at]:.1e} is allowed"
        return f"<DerivativeCheck {'passed' if self.passed else 'failed'}: {counts}{worst}>"


class DerivativeCheckError(AssertionError):
    """Derivatives that should agree do not; ``report`` is the `DerivativeCheck` (None if values differ already)."""

    __module__ = "dualdiff"

    def __init__(self, message: str, report: DerivativeCheck | None = None) -> None:
        super().__init__(message)
        self.report = report


def check_derivative(
    f: Callable[..., Any],
    *args: Any,
    argnum: Argnum = 0,
    directions: int | None = None,
    rtol: float = 1e-6,
    atol: float = 0.0,
) -> DerivativeCheck:
    r"""Compare dualdiff's derivatives of f at a point with finite differences and the complex step.

    It finds a `custom_derivative` that is wrong or not linear in the tangents, a function that computes something else
    with duals than with numbers, and kinks.  In a test one line is enough: ``check_derivative(f, x)`` raises if
    anything is wrong.

    Parameters
    ----------
    f : callable
        A function of a number, an array, or nested tuples and dicts of them, that returns the same.
    *args
        The arguments of f.
    argnum : int or tuple of int
        Which positional argument is differentiated, or which ones.
    directions : int, optional
        The number of random directions (the same ones each time) along which derivatives are compared.  By default
        every partial derivative is checked by itself if x has at most 10 numbers, and 5 directions otherwise.
    rtol, atol : float
        An error of ``rtol * abs(derivative) + atol`` is allowed, and what rounding in f does to the differences.  In
        lower precision, ``rtol`` is at least 100 units of the last place.

    Returns
    -------
    DerivativeCheck
        The derivatives by each method, their errors and tolerances, as arrays.

    Raises
    ------
    DerivativeCheckError
        If a derivative is too far from the others, the derivative along a direction is not linear in the direction,
        or f has another value with duals than with numbers.  It is an AssertionError, names the worst place, and holds
        the report as ``report``.

    Notes
    -----
    The finite differences are central, :math:`(f(x + hv) - f(x - hv)) / 2h`, with steps from 5 % of the size of x
    downwards, extrapolated to h = 0 (Ridders, *Advances in Engineering Software* 4 (1982) 75): 16 to 40 calls of f for
    each direction.  The complex step :math:`\operatorname{Im} f(x + ihv) / h` (Squire and Trapp, *SIAM Review* 40
    (1998) 110) is exact to rounding, but for analytic functions alone, and so is believed only where the finite
    difference confirms four digits of it; where there is one, ``rtol=1e-12`` can be asked for.

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
    dualdiff.DerivativeCheckError: 1 of 1 derivatives do not agree, the worst that of f(x) along x:
      dualdiff           8
      finite difference  12
      complex step       12
    """
    if not args:
        raise TypeError("check_derivative(f, x) needs the point x at which f is checked")
    inputs = Inputs("check_derivative", f, args, argnum)
    if any(isinstance(leaf, AnyDual) for leaf in inputs.leaves):
        raise TypeError("check_derivative compares plain numbers, and x holds duals: call it outside of derivative")
    # The differences tell whether a result that does not depend on x is right.
    inputs.constant_is_said = True
    expect_several_calls(inputs)
    expected, _ = inputs.call(_moved(inputs, None, 0.0))
    places = tuple(_names(expected, "f(x)"))
    chosen = list(_directions(inputs, directions))
    rows = [_compare(inputs, expected, direction, rtol, atol) for direction in chosen]
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
    """A direction in which x is moved; ``size`` times it changes x by about as much as x is large."""

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
    names = iter(_names(inputs.rebuild(inputs.leaves), "x"))
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
    """How large each number is; where it is zero or nearly so, how large those around it are."""
    sizes = np.abs(leaf).astype(float)
    largest = float(np.max(sizes, initial=0.0))
    if largest < 1e-12:
        largest = 1.0
    return np.where(sizes < 1e-8 * largest, largest, sizes)


def _like(leaf: Any, numbers: Any) -> Any:
    """The numbers in the type of the leaf."""
    if issubclass(type(leaf), np.ndarray):
        return numbers.astype(leaf.dtype)
    return type(leaf)(numbers)


def _names(tree: Any, name: str) -> list[str]:
    """What each number in a tree is called in Python."""
    if isinstance(tree, dict):
        return [n for key, item in tree.items() for n in _names(item, f"{name}[{key!r}]")]
    if isinstance(tree, tuple):
        fields = getattr(tree, "_fields", None)
        parts = [f"{name}.{field}" for field in fields] if fields else [f"{name}[{k}]" for k in range(len(tree))]
        return [n for item, part in zip(tree, parts, strict=True) for n in _names(item, part)]
    return [name + (f"[{', '.join(map(str, index))}]" if index else "") for index in np.ndindex(np.shape(tree))]


# -- derivatives by each method --------------------------------------------------------------------------------------


def _compare(inputs: Inputs, expected: Any, direction: _Direction, rtol: float, atol: float) -> tuple[Any, ...]:
    """A row of each array in the report."""
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
    """The derivative along a combination of the directions is that combination of the derivatives."""
    if not report.dual.size:
        return
    # Of either sign, and none of them 1.
    weights = [(-1.0) ** k * (0.5 + 0.618 * (k + 2) % 1.0) - 0.1 for k in range(1, len(chosen) + 1)]
    tangents = [
        _like(leaf, sum(w * np.asarray(direction.tangents[i]) for w, direction in zip(weights, chosen, strict=True)))
        for i, leaf in enumerate(inputs.leaves)
    ]
    found, eps = _flat(_by_duals(inputs, tangents)[1])
    with np.errstate(all="ignore"):
        terms = np.reshape(weights, (-1, 1)) * report.dual
        expected = np.sum(terms, axis=0)
        allowed = np.maximum(rtol, 100 * eps) * np.sum(np.abs(terms), axis=0)
        wrong = np.flatnonzero((np.abs(found - expected) > allowed) & np.isfinite(expected) & np.isfinite(found))
    if wrong.size:
        k = wrong[0]
        raise DerivativeCheckError(
            f"the derivative of {report.places[k]} is not linear in the direction: along a combination of "
            f"{_count(len(chosen), 'direction')} it is {_show(found[k])}, and the same combination of the derivatives "
            f"is {_show(expected[k])}.  The jvp of a custom_derivative has to be linear in the tangents",
            report,
        )


def _by_duals(inputs: Inputs, tangents: list[Any]) -> tuple[Any, Any]:
    """Value and derivative along a direction."""
    if engine_of[type(inputs.f)] is None:
        outputs = single_pass(inputs, tangents)
        return outputs.value, tuple(outputs.derivatives)
    places = inputs.argnum if isinstance(inputs.argnum, tuple) else (inputs.argnum,)
    others = [a for place, a in enumerate(inputs.args) if place not in places]
    x, v = inputs.rebuild(inputs.leaves), inputs.rebuild(tangents)
    pair: tuple[Any, Any] = jvp(inputs.f, x, v, *others, argnum=inputs.argnum)
    return pair


def _check_value(expected: Any, found: Any, rtol: float, atol: float) -> None:
    """f has one value, with numbers and with duals."""
    names = _names(expected, "f(x)")
    if _names(found, "f(x)") != names:
        raise DerivativeCheckError(
            f"f returns {_count(len(names), 'number')} for plain x, and something of another shape with duals"
        )
    (plain, eps), (dual, _) = _flat(expected), _flat(found)
    with np.errstate(all="ignore"):
        allowed = np.maximum(rtol, 100 * eps) * np.abs(plain) + atol + ROUNDING * eps
        same = (np.abs(plain - dual) <= allowed) | (plain == dual) | ((plain != plain) & (dual != dual))
    if not np.all(same):
        k = int(np.argmin(same))
        raise DerivativeCheckError(
            f"{names[k]} is {plain[k]} for plain x, and {dual[k]} with duals: f must not treat them differently, and "
            "has to give the same result each time"
        )


def _finite_difference(inputs: Inputs, direction: _Direction, rtols: Any) -> tuple[Any, Any, Any]:
    """The extrapolated central difference, the error it estimates for itself, and what of that is rounding."""
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
            found, estimate = best, np.full(len(rtols), np.inf)
            for j, other in enumerate(coarser[:COLUMNS]):
                column.append(column[j] + (column[j] - other) / (RATIO ** (-2 * j - 2) - 1))
                change = np.maximum(np.abs(column[-1] - column[j]), np.abs(column[-1] - other)) + noise
                found, estimate = _chosen(change < estimate, (column[-1], change), (found, estimate))
            coarser = column
            settled = estimate <= 0.01 * rtols * np.abs(found)
            # Of two that have settled the finer counts: larger steps may have been beyond a kink.
            better = settled | (estimate < uncertainty)
            best, uncertainty, rounding = _chosen(better, (found, estimate, noise), (best, uncertainty, rounding))
            if k + 1 >= LEVELS and np.all(settled | (uncertainty <= 2 * rounding)):
                break
    return best, uncertainty, rounding


def _chosen(condition: Any, new: tuple[Any, ...], old: tuple[Any, ...]) -> Iterator[Any]:
    return (np.where(condition, a, b) for a, b in zip(new, old, strict=True))


def _complex_step(inputs: Inputs, direction: _Direction, count: int) -> Any:
    """The derivative by an imaginary step, NaN where f does not take complex numbers."""
    h = IMAGINARY_STEP * direction.size
    nothing = np.full(count, np.nan)
    if inputs.is_complex:
        return nothing
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            numbers, _ = _flat(inputs.call(_moved(inputs, direction, 1j * h))[0])
    except Exception:  # whatever a function meant for real numbers does with complex ones
        return nothing
    return numbers.imag / h if len(numbers) == count else nothing


def _around(inputs: Inputs, direction: _Direction, t: float, count: int) -> tuple[Any, Any]:
    """f near x as `_flat` has it; NaN beyond the domain of f."""
    try:
        with np.errstate(all="ignore"):
            numbers, eps = _flat(inputs.call(_moved(inputs, direction, t))[0])
    except (ArithmeticError, ValueError):  # as math.log(-1.0) raises
        return np.full(count, np.nan), np.zeros(count)
    return (numbers, eps) if len(numbers) == count else (np.full(count, np.nan), np.zeros(count))


def _moved(inputs: Inputs, direction: _Direction | None, t: complex) -> list[Any]:
    """The leaves of x, moved by t along the direction, in double precision."""
    if direction is None:
        return [np.copy(leaf) if issubclass(type(leaf), np.ndarray) else leaf for leaf in inputs.leaves]
    moved = []
    for leaf, tangent in zip(inputs.leaves, direction.tangents, strict=True):
        if issubclass(type(leaf), (np.ndarray, np.generic)):
            wide = np.result_type(leaf, np.float64)
            number = leaf.astype(wide) + t * tangent.astype(wide)
            moved.append(np.asarray(number) if issubclass(type(leaf), np.ndarray) else number)
        else:
            moved.append(leaf + t * tangent)
    return moved


def _flat(tree: Any) -> tuple[Any, Any]:
    """All numbers of a result one after the other, and for each its rounding unit."""
    leaves = [np.ravel(output_leaf(leaf, "check_derivative")) for leaf in flatten(tree)[0]]
    units = [np.full(leaf.size, float(np.finfo(leaf.dtype).eps)) for leaf in leaves]
    return np.concatenate([np.zeros(0), *leaves]), np.concatenate([np.zeros(0), *units])


# -- words -----------------------------------------------------------------------------------------------------------


def _message(report: DerivativeCheck) -> str:
    at = report.worst
    place, direction = report.places[at[1]], report.directions[at[0]]
    lines = [
        f"{int(np.sum(report.failures))} of {report.error.size} derivatives do not agree, the worst that of {place} "
        f"along {direction}:",
        f"  dualdiff           {_show(report.dual[at])}",
        f"  finite difference  {_show(report.finite_difference[at])}",
    ]
    if _near(report.complex_step[at], report.finite_difference[at]) or _near(report.complex_step[at], report.dual[at]):
        lines.append(f"  complex step       {_show(report.complex_step[at])}")
    return "\n".join(lines)


def _hint(inputs: Inputs, direction: _Direction, report: DerivativeCheck) -> str:
    """What else is to be seen at the worst place, on a line of its own."""
    at = report.worst
    difference, uncertainty = report.finite_difference[at], report.uncertainty[at]
    if difference != difference:
        return "\nf is not defined, or not finite, on both sides of x: no difference can be taken there"
    kink = _kink(inputs, direction, at[1], len(report.places))
    if kink:
        return (
            f"\nf has a kink there: its slopes on the two sides are {_show(kink[0])} and {_show(kink[1])}, and "
            "dualdiff takes one of its pieces"
        )
    if _near(report.complex_step[at], report.dual[at]):
        return (
            "\nThe complex step agrees with dualdiff.  Either f has steps (round, floor), whose derivative is zero, or "
            "it changes over much smaller distances than x: then write it in units in which it does not"
        )
    if not uncertainty <= report.tolerance[at]:
        return (
            f"\nThe finite difference itself is uncertain by {uncertainty:.1e}: f is noisy, or changes over much "
            "smaller distances than x; write it in units in which it does not, or allow for the noise by atol"
        )
    return ""


def _kink(inputs: Inputs, direction: _Direction, place: int, count: int) -> tuple[Any, Any] | None:
    """The slopes on the two sides of x, if their difference does not vanish with the step."""
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
