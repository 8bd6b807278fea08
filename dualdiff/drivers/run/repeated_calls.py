"""Other arguments of f that f changes in place: each of several passes sees them as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.outputs import copied


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
                pairs = [pair for pair in zip(self.arrays, self.before, strict=True) if not _same(*pair)]
                self.arrays, self.before = [array for array, _ in pairs], [content for _, content in pairs]
        after = [_copy(array) for array in self.arrays]
        self._restore(self.before)
        try:
            return f(*args, **options)
        finally:
            self._restore(after)

    def _restore(self, contents: list[Any]) -> None:
        for array, content in zip(self.arrays, contents, strict=True):
            array[...] = content


def expect_several_calls(inputs: Inputs) -> None:
    """Have f see in each of its calls the other arguments as they are now."""
    if inputs.kept is None:
        inputs.kept = Kept(inputs.others())


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


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays hold the same bits; False where that is not simple to see."""
    if type(a) is not np.ndarray or a.dtype.hasobject:
        return False
    if not a.nbytes:
        return True
    size = a.dtype.itemsize
    # Integers as wide as fit compare bits, not values: NaN equals itself, and 0.0 differs from -0.0.
    bits = np.uint64 if size % 8 == 0 else np.uint32 if size % 4 == 0 else np.uint16 if size % 2 == 0 else np.uint8
    order: Any = "F" if a.flags.f_contiguous else "C"
    same: Any = a.reshape(-1, order=order).view(bits) == b.reshape(-1, order=order).view(bits)
    return bool(same.all())
