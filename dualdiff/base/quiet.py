"""A fast ``np.errstate(all="ignore")`` for the evaluation of rules.

Partial derivatives must not emit warnings that f alone does not emit (law 7), so every rule runs in this state.  NumPy
keeps the floating-point error state in a context variable.  Setting it directly takes 0.3 microseconds, where
`numpy.errstate` takes 1.4; that is the fallback if NumPy moves the variable.

>>> token = begin()
>>> np.float64(1.0) / 0.0
np.float64(inf)
>>> end(token)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

import numpy as np

from dualdiff.base.internals import error_state


def _enter() -> Any:
    state = np.errstate(all="ignore")
    state.__enter__()
    return state


def _leave(state: Any) -> None:
    state.__exit__(None, None, None)


#: Ignore floating-point errors from here on; returns a token for `end`.
begin: Callable[[], Any] = _enter
#: Restore the previous state.
end: Callable[[Any], None] = _leave

if error_state is not None:
    with np.errstate(all="ignore"):
        begin = partial(error_state.set, error_state.get())
    end = error_state.reset


Function = TypeVar("Function", bound=Callable[..., Any])


def quietly(function: Function) -> Function:
    """Decorate a function to ignore floating-point errors."""

    @wraps(function)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        token = begin()
        try:
            return function(*args, **kwargs)
        finally:
            end(token)

    return quiet  # type: ignore[return-value]
