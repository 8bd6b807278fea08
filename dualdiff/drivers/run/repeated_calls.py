"""Several calls of f in one derivative: each sees the same arguments, and must be a call of the same function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dualdiff.base.errors import SingularPointWarning
from dualdiff.base.internals import stacklevel
from dualdiff.core.application import Application
from dualdiff.core.array import DualArray
from dualdiff.core.containers import flatten
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import copied
from dualdiff.tangents.nodes import Node
from dualdiff.tangents.spaces.recorded import same_bits
from dualdiff.tangents.zeros import doubts, plain


class Kept:
    """The arrays among the arguments of f as they were before its first call.

    They are restored in place, not replaced by copies, so that arguments that share memory still do.  After each call
    they are as the first call left them: to the caller, f has been called once.
    """

    def __init__(self, args: Iterable[Any]) -> None:
        self.arrays = list({id(array): array for array in _arrays(args)}.values())
        self.before = [_copy(array) for array in self.arrays]
        self.is_first = True

    def call(self, f: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """``f(*args, **options)`` on the arrays as they were."""
        if self.is_first:
            self.is_first = False
            try:
                return f(*args, **options)
            finally:
                pairs = [pair for pair in zip(self.arrays, self.before, strict=True) if not same_bits(*pair)]
                self.arrays, self.before = [array for array, _ in pairs], [content for _, content in pairs]
        after = [_copy(array) for array in self.arrays]
        self._restore(self.before)
        try:
            return f(*args, **options)
        finally:
            self._restore(after)

    def is_unchanged_by(self, call: Callable[[], Any]) -> tuple[Any, bool]:
        """The result of a further call, and whether it saw the arrays as the first call did, as far as can be seen.

        Unless they were copied before the first call, those that this call changes were changed by the first one, too.
        """
        is_new = self.is_first
        result = self.call(call)
        if is_new:
            self._restore(self.before)
        return result, not (is_new and self.arrays)

    def refuse_changes(self, operator: str) -> None:
        """Raise if an array has changed, before the first call through this object."""
        if not all(same_bits(*pair) for pair in zip(self.arrays, self.before, strict=True)):
            raise ValueError(
                f"{operator}: f writes into one of its arguments, which workers in threads of one process share: let f "
                "write into a copy, or give processes (workers=2)"
            )

    def _restore(self, contents: list[Any]) -> None:
        for array, content in zip(self.arrays, contents, strict=True):
            array[...] = content


def expect_several_calls(inputs: Inputs) -> None:
    """Have f see in each of its calls the other arguments as they are now."""
    if inputs.kept is None:
        inputs.kept = Kept(inputs.others())


def settled(
    inputs: Inputs,
    forward: Callable[[], tuple[Any, Any, Any] | None],
    reverse: Callable[[], tuple[Any, Any, Any]],
) -> tuple[Any, Any, Any]:
    """Value, derivative and aux in forward mode, or in reverse mode if forward mode returns None or is in doubt.

    The second call of f must be one of the same function: f may have changed its other arguments, a variable that it
    closes over, an attribute.  Its value must be the same bit for bit, and all derivatives that are not NaN must agree
    to rounding; otherwise the derivative is NaN.
    """
    outer = doubts.count, doubts.are_settled
    doubts.count, doubts.are_settled = 0, True
    try:
        first = forward()
        is_doubtful = doubts.count > 0
    finally:
        doubts.count, doubts.are_settled = outer
    if first is None or not is_doubtful:
        return reverse() if first is None else first
    value, slopes, aux = first
    second, is_same = (inputs.kept or Kept(inputs.others())).is_unchanged_by(reverse)
    leaves, rebuild = flatten(second[1])
    pairs = list(zip(flatten(slopes)[0], leaves, strict=True))
    values = list(zip(flatten(value)[0], flatten(second[0])[0], strict=True))
    scale = max(1.0, *(_largest(plain(v)) for v, _ in values))
    if not (is_same and _same_values(values) and all(_agree(*pair, scale) for pair in values + pairs)):
        warnings.warn(
            f"{inputs.operator}: f at a singular point inside another differentiation was called twice, and was not "
            "the same function in both calls (it changes an argument, a variable or an attribute): the derivative is "
            "NaN; leave unchanged what f depends on, or give mode='reverse'",
            SingularPointWarning,
            stacklevel=stacklevel(),
        )
        leaves = [_unknown(a + b) for a, b in pairs]
    return value, rebuild(leaves), aux


def _same_values(pairs: list[tuple[Any, Any]]) -> bool:
    """Whether the plain values in pairs of duals are equal."""
    plains = [(plain(x), plain(y)) for x, y in pairs]
    return all(np.array_equal(x, y, equal_nan=np.result_type(x).kind in "fc") for x, y in plains)


def _agree(a: Any, b: Any, scale: float) -> bool:
    """Whether two results are equal up to rounding, at all levels of nesting, where b is not NaN.

    ``scale`` is the magnitude of what they were computed from: they may be differences of such numbers.
    """
    both = Application(a, b)
    if both.space is not None:
        value, other = both.values
        if not _agree(value, other, scale):
            return False
        t, u = both.tangents
        if isinstance(t, Node) or isinstance(u, Node):
            # An outer record knows its derivatives only later.
            return True
        return _agree(both.space.read(t, value), both.space.read(u, other), max(scale, _largest(plain(value))))
    with np.errstate(all="ignore"):
        error, size = abs(a - b), a
    if hasattr(error, "tocsr"):
        error, size = error.data, a.data
        agreed = np.isnan(error)
    else:
        agreed = np.isnan(b) | (a == b)
    eps = np.finfo(np.result_type(error, np.float16)).eps
    return bool(np.all(agreed | (error <= np.sqrt(eps) * _largest(size) + 1000 * eps * scale)))


def _largest(a: Any) -> float:
    """The largest finite magnitude."""
    a = np.abs(a)
    return float(np.max(a, initial=0.0, where=np.isfinite(a)))


def _unknown(x: Any) -> Any:
    """NaN, with NaN tangents in outer calls."""
    x = x * np.nan
    return x.with_unknown_tangent(np.ones(x.shape, bool)) if isinstance(x, AnyDual) else x


def _arrays(tree: Any) -> Iterator[Any]:
    """The arrays in nested containers that f could write into."""
    if isinstance(tree, DualArray) or (issubclass(type(tree), np.ndarray) and tree.flags.writeable):
        yield tree
    elif isinstance(tree, (tuple, list, dict)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _arrays(part)


def _copy(array: Any) -> Any:
    # A subclass keeps its own kind of content, such as a mask.
    return copied(array) if type(array) is np.ndarray or isinstance(array, DualArray) else array.copy()
