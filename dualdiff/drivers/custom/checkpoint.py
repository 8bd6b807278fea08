"""Checkpointing: reverse mode in bounded memory, by parts of f that are computed once more on the way back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import comb
from operator import index
from typing import Any
from weakref import ref

import numpy as np

from dualdiff.base.public import shown_in
from dualdiff.drivers.custom.replayed import Part, replayed, settled
from dualdiff.drivers.run.constants import name_of
from dualdiff.drivers.run.inputs import no_function

#: By default `checkpoint_loop` holds enough states to compute no step more often than this before recording it.
REPETITIONS = 3
#: Reverse mode comes back to a part of a part of a part ... at most this many levels deep.
MOST_REPETITIONS = 100


@shown_in("dualdiff")
class checkpoint:
    r"""A function whose inside reverse mode does not hold: it is computed once more in the backward pass.

    Parameters
    ----------
    f : callable
        A function of any arguments and keywords: scalars, arrays, nested containers of these, anything else.  Duals
        that it closes over count as arguments.

    Returns
    -------
    callable
        The same function, with the same values and derivatives of every order.  In reverse mode (`vjp`, `linearize`,
        and `gradient` and `jacobian` with ``mode="reverse"``) a call holds its arguments and its result, and none of
        the intermediate values; in every other mode it is f itself.  Parts may be nested.

    Raises
    ------
    TypeError
        If f is not callable.
    ValueError
        If f writes into a differentiated argument.
    ExpiredDualError
        If what f has stored elsewhere (an attribute, a list) is used after the call: return it instead.
    RuntimeError
        In the backward pass, if f does not return the same values the second time (random numbers, a changed
        attribute, list or global variable).

    Notes
    -----
    ``mode="auto"`` takes a mode of its own for gradients with respect to at most 32 elements, in which f is called as
    it is: give ``mode="reverse"``.

    f has the variables of enclosing functions as they were, also if they have changed since (the variable of a loop).
    Of everything else that changes, what leaves the values as they are (a factor of zero) is not noticed: give it as an
    argument.

    One more call of f for each pull (`vjp` and `linearize` call it in every product).  What is written into an array in
    a container that f closes over is written in each of these calls.  See Griewank and Walther, *Evaluating
    Derivatives* (2008), chapter 12.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import checkpoint, gradient
    >>> @checkpoint
    ... def layer(w, x):
    ...     return np.tanh(w @ x)
    >>> def loss(w):
    ...     x = np.ones(2)
    ...     for _ in range(3):
    ...         x = layer(w, x)
    ...     return np.sum(x)
    >>> gradient(loss, np.eye(2), mode="reverse").round(4)
    array([[0.908, 0.908],
           [0.908, 0.908]])
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        if not callable(f):
            raise no_function("checkpoint", f)
        self.f = f
        functools.update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = functools.partial(checkpoint._called, self)
        return replayed(run, args, kwargs, name=f"checkpoint of {name_of(self.f)}", is_settled=False)

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.f(*args, **kwargs)

    def _settled(self, seen: dict[int, Any]) -> checkpoint:
        """The same of the function as it is now."""
        return checkpoint(settled(self.f, seen))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        bind = getattr(type(self.f), "__get__", None)
        return self if instance is None or bind is None else checkpoint(bind(self.f, instance, owner))

    def __reduce__(self) -> Any:
        return checkpoint, (self.f,)

    def __repr__(self) -> str:
        return f"<checkpoint of {name_of(self.f)}>"


@shown_in("dualdiff")
def checkpoint_loop(
    step: Callable[..., Any], state: Any, n: int | Sequence[Any], *, snapshots: int | None = None
) -> Any:
    r"""The state after n steps, in reverse mode with few states in memory (binomial checkpointing).

    Parameters
    ----------
    step : callable
        ``step(state)`` returns the next state; it may close over parameters.
    state : scalar, array or nested containers
        The state before the first step.
    n : int or sequence
        The number of steps; or a sequence, of which each step gets one item: ``step(state, item)``.
    snapshots : int, optional
        The number of states held at a time, with the first one.  By default as many as are needed to compute no step
        more than three times before it is recorded: 17 for 1,000 steps, 83 for 100,000.

    Returns
    -------
    scalar, array or nested containers
        ``step(step(...step(state)))``, with the same values and derivatives as that loop, of every order.

    Raises
    ------
    TypeError
        If ``step`` is not callable, or n neither an integer nor a sequence; as `checkpoint`.
    ValueError
        If n is negative, or if with so few snapshots a step would be computed more than 100 times.
    RuntimeError
        As `checkpoint`.

    Notes
    -----
    With s snapshots and r repetitions, up to :math:`\binom{s + r}{s}` steps can be pulled back.  For l steps and the
    smallest such r, step is called :math:`r l - \binom{s + r}{s + 1}` times without a record, which no schedule does
    with fewer calls, and l times with one.  Griewank and Walther, "Algorithm 799: revolve", ACM Transactions on
    Mathematical Software 26 (2000).  A further pull of the same record (in `linearize` and `vjp`) calls it l times
    more.  In other modes it is the plain loop.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import checkpoint_loop, gradient
    >>> def loss(y):
    ...     y = checkpoint_loop(lambda y: y - 0.01 * np.sin(y), y, 1000)
    ...     return np.sum(y)
    >>> gradient(loss, np.linspace(0.0, 1.0, 100), mode="reverse")[:2]
    array([4.31712474e-05, 4.31723653e-05])
    """
    if not callable(step):
        raise no_function("checkpoint_loop", step)
    items = _items(n)
    count = len(items)
    if count == 0:
        return state
    s = _default_snapshots(count) if snapshots is None else _checked(snapshots)
    if repetitions(count, s) > MOST_REPETITIONS:
        raise ValueError(
            f"checkpoint_loop: with snapshots={s}, {count} steps would be computed {repetitions(count, s)} times; give "
            f"at least snapshots={_fewest(count, MOST_REPETITIONS)}, or leave it out for {_default_snapshots(count)}"
        )
    return _Loop(step, items)(0, count, s, state)


class _Alone(Sequence[Any]):
    """The steps of a loop that get no items."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: Any) -> Any:
        return ()


class _Items(_Alone):
    """The items of a sequence, one for each step."""

    def __init__(self, items: Any) -> None:
        super().__init__(len(items))
        self.items = items

    def __getitem__(self, i: Any) -> Any:
        return (self.items[i],)


def _items(n: Any) -> _Alone:
    try:
        count = index(n)
    except TypeError:
        if isinstance(n, (str, bytes)) or not (hasattr(n, "__len__") and hasattr(n, "__getitem__")):
            raise TypeError(
                "checkpoint_loop(step, state, n): n must be the number of steps, or a sequence with an item for each "
                f"step, not {n!r}"
            ) from None
        return _Items(n)
    if count < 0:
        raise ValueError(f"checkpoint_loop: the number of steps n must not be negative, but is {count}")
    return _Alone(count)


def _checked(snapshots: Any) -> int:
    if isinstance(snapshots, (bool, np.bool_)) or not isinstance(snapshots, (int, np.integer)) or snapshots < 1:
        raise ValueError(f"checkpoint_loop: snapshots must be a positive integer, not {snapshots!r}")
    return int(snapshots)


def repetitions(count: int, s: int) -> int:
    """The smallest r for which s snapshots suffice to compute none of these steps more than r times."""
    r = 0
    while comb(s + r, s) < count:
        r += 1
    return r


def _fewest(count: int, r: int) -> int:
    s = 1
    while comb(s + r, s) < count:
        s += 1
    return s


def _default_snapshots(count: int) -> int:
    return _fewest(count, REPETITIONS)


def split(count: int, s: int) -> int:
    """The number of steps before the next snapshot, of several steps and with s snapshots."""
    r = repetitions(count, s)
    return min(comb(s + r - 1, s), count - comb(s + r - 2, s - 1))


class _Loop:
    """The steps of a loop."""

    def __init__(self, step: Callable[..., Any], items: _Alone) -> None:
        self.step, self.items, self.name = step, items, f"checkpoint_loop of {name_of(step)}"

    def _settled(self, seen: dict[int, Any]) -> _Loop:
        """The same steps, with the variables that they close over as they are now."""
        return _Loop(settled(self.step, seen), self.items)

    def __call__(self, start: int, stop: int, s: int, state: Any) -> Any:
        """The state after these steps: from snapshot to snapshot without a record, the last step with one."""
        chain: list[ref[Part]] = []
        while stop - start > 1:
            middle = start + split(stop - start, s)
            state = replayed(
                functools.partial(self, start, middle, s),
                state,
                name=self.name,
                first=functools.partial(self._along, start, middle),
                chain=chain,
                is_settled=False,
            )
            start, s = middle, s - 1
        return self.step(state, *self.items[start])

    def _along(self, start: int, stop: int, part: Part, state: Any) -> Any:
        for i in range(start, stop):
            state = part.stripped(self.step(state, *self.items[i]))
        return state
