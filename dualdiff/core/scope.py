"""What the numbers ask where code that is run by `dualdiff.adapt` would lose a derivative.

Outside `adapt` there is no scope, and the numbers raise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from dualdiff.base.internals import ASSERTIONS, frame, is_in_place, references
from dualdiff.tangents.zeros import plain

#: The adapted code that runs in this thread or task; None outside.
SCOPE: ContextVar[Any] = ContextVar("dualdiff.adapt", default=None)

#: What adapts the functions that operators call, while adapted code runs; empty outside.
WRAPPERS: list[Callable[[Any], Any]] = []


def is_adapted() -> bool:
    """Whether this is adapted code: not in a task that it began, and which goes on after it has ended."""
    scope = SCOPE.get()
    return scope is not None and not scope.has_ended


def constant(x: Any, dtype: Any = None) -> Any:
    """The plain value of a dual that has no tangent in any call, in adapted code; None of any other.

    The assertions of numpy.testing compare values, as comparisons do.

    A buffer that `adapt` made is a dual array before any dual is written into it, and code that takes plain values
    alone takes it as it takes NumPy's.  Who asks for an array of objects gets duals.
    """
    if str(frame(2).f_globals.get("__name__")).startswith(ASSERTIONS):
        return plain(x)
    if not is_adapted() or (dtype is not None and np.dtype(dtype).hasobject):
        return None
    value = x
    while hasattr(value, "raw"):
        if value.raw is not None and not np.all(value.space.zero_mask(value.raw, value.shape)):
            return None
        value = value.value
    return plain(x)


_view = np.zeros(1)[:]
_HELD_BY_VIEW = references(_view.base)


def owns(array: Any) -> bool:
    """Whether nobody else has the memory of an array: no base that others know (linspace gives a view)."""
    base = type(array.base)
    return base is type(None) or (base is np.ndarray and references(array.base) == _HELD_BY_VIEW)


# -- y += x ------------------------------------------------------------------------------------------------------------
#: For each class of duals, how many references there are to y in ``y += x`` if that variable alone holds it.
_alone: dict[type, int] = {}


class _Counting:
    """The scope in which these are counted."""

    has_ended = False

    def like(self) -> None:
        return None


_COUNTING = _Counting()


def in_place(x: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The plain array y in ``y op= x`` if nothing but the name that gets the result refers to it; else None.

    Otherwise the array would stay as it was where others see it, and writing duals into it must be an error.
    """
    target, kind = inputs[0], type(x)
    out: Any = kwargs.get("out")
    if not out or out[0] is not target or type(target) is not np.ndarray or len(inputs) != 2 or not is_adapted():
        return None
    if SCOPE.get() is _COUNTING:
        _alone[kind] = references(target)
        return None
    if references(target) > (_alone.get(kind) or _counted(x)) or not owns(target):
        return None
    caller = frame(2)
    while str(caller.f_globals.get("__name__")).startswith("dualdiff.core.") and caller.f_back is not None:
        caller = caller.f_back
    return target if is_in_place(caller) and target.dtype.kind in "fc" and target.flags.writeable else None


def _counted(x: Any) -> int:
    y = np.zeros(x.shape, x.dtype)
    token = SCOPE.set(_COUNTING)
    # It counts, and raises.
    with contextlib.suppress(TypeError):
        y += x
    SCOPE.reset(token)
    return _alone.setdefault(type(x), 0)
