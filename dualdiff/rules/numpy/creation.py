"""Creation of arrays that accept duals."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.registry import CREATORS
from dualdiff.rules.writing.array_rules import duals_in, implements, plain_values, shape_of


def buffer(value: Any, likes: Any) -> Any:
    """A plain array as a dual array that accepts the duals in ``likes``, of any call."""
    levels = {}
    for like in likes:
        x = like
        while isinstance(x, AnyDual):
            levels[x.space.tag] = x.space
            x = x.value
    for tag in sorted(levels):
        value = levels[tag].array(value, None, levels[tag])
    return value


def _made(maker: Any, shape: Any, like: Any, dtype: Any, *args: Any, **options: Any) -> Any:
    duals = duals_in(like)
    if dtype is None:
        dtype = np.result_type(*(plain_values(d) for d in duals)) if duals else _plain_dtype(like)
    return buffer(maker(shape, *args, dtype=dtype, **options), duals)


def _plain_dtype(like: Any) -> Any:
    dtypes = [np.asarray(e).dtype for e in (like if isinstance(like, (tuple, list)) else (like,)) if e is not None]
    dtypes = [d for d in dtypes if d.kind in "fc"]
    return np.result_type(*dtypes) if dtypes else np.float64


def zeros(shape: Any, like: Any, dtype: Any = None, order: Any = "C") -> Any:
    """An array of zeros that accepts duals, if ``like`` is or contains a dual.

    Parameters
    ----------
    shape : int or tuple of ints
    like : scalar, array or dual, or nested tuples, lists and dicts of them
        Determines what the array can hold.  Without duals in it the result is a plain NumPy array, so that one function
        works for floats and duals alike.
    dtype : dtype, optional
        The default is the dtype of ``like``, or float64 if that is not a floating dtype.
    order : {"C", "F"}, optional
        The memory layout.

    Returns
    -------
    numpy.ndarray or DualArray
        A `DualArray` if ``like`` contains a dual.  It accepts duals of the same calls as those in ``like``.

    Examples
    --------
    >>> import dualdiff
    >>> def f(x):
    ...     y = dualdiff.zeros(2, like=x)
    ...     y[0] = x ** 2
    ...     y[1] = 3 * x
    ...     return y
    >>> dualdiff.derivative(f, 2.0)
    array([4., 3.])
    """
    return _made(np.zeros, shape, like, dtype, order=order)


def ones(shape: Any, like: Any, dtype: Any = None, order: Any = "C") -> Any:
    """An array of ones that accepts duals, if ``like`` is or contains a dual; see `zeros`.

    Examples
    --------
    >>> import dualdiff
    >>> dualdiff.ones(2, like=0.5)
    array([1., 1.])
    """
    return _made(np.ones, shape, like, dtype, order=order)


def empty(shape: Any, like: Any, dtype: Any = None, order: Any = "C") -> Any:
    """An uninitialised array that accepts duals, if ``like`` is or contains a dual; see `zeros`.

    Examples
    --------
    >>> import dualdiff
    >>> dualdiff.empty((2, 3), like=0.5).shape
    (2, 3)
    """
    return _made(np.empty, shape, like, dtype, order=order)


def full(shape: Any, fill_value: Any, like: Any = None, dtype: Any = None, order: Any = "C") -> Any:
    """An array filled with a value, which accepts duals if ``like`` or the value is or contains one; see `zeros`.

    Examples
    --------
    >>> import dualdiff
    >>> dualdiff.full(2, 7.0, like=0.5)
    array([7., 7.])
    """
    filled = plain_values(fill_value)
    dtype = np.asarray(filled).dtype if dtype is None and np.iscomplexobj(filled) else dtype
    array = _made(np.empty, shape, (like, fill_value), dtype, order=order)
    array[...] = fill_value
    return array


def _like(name: str) -> Any:
    function = getattr(np, name)

    def implementation(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
    ) -> Any:
        made = function(plain_values(a), dtype=dtype, order=order, shape=shape)
        return buffer(made, [a]) if made.dtype.kind in "fc" else made

    return implementation


for name in ("zeros_like", "ones_like", "empty_like"):
    implements(getattr(np, name))(_like(name))


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    made = np.empty_like(plain_values(a), dtype=dtype, order=order, shape=shape)
    if made.dtype.kind not in "fc":
        made[...] = fill_value
        return made
    result = buffer(made, [a, fill_value])
    result[...] = fill_value
    return result


def _creator(name: str) -> Any:
    """The rule of a creation function with ``like=x``: its result accepts the duals of x."""
    function = getattr(np, name)

    def implementation(like: Any, *args: Any, **kwargs: Any) -> Any:
        return _accepting(function(*args, **kwargs), like)

    return implementation


def _accepting(made: Any, like: Any) -> Any:
    """A new array, made to accept the duals of ``like``; it may be dual already (`fromfunction`)."""
    if isinstance(made, AnyDual) or np.result_type(made).kind not in "fc":
        return made
    return buffer(made, [like])


for _name in (
    *("zeros", "ones", "empty", "eye", "identity", "tri", "fromfunction"),
    *("frombuffer", "fromfile", "fromstring", "genfromtxt", "loadtxt"),
):
    CREATORS[getattr(np, _name)] = _creator(_name)


def _arange_with_like(like: Any, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """The start plus multiples of the step; their number is a step function of all arguments."""
    bound = dict(zip(("start", "stop", "step") if len(args) > 1 else ("stop",), args, strict=False)) | kwargs
    start, step = bound.get("start", 0), bound.get("step", 1)
    shown = np.arange(*map(plain_values, args), dtype=dtype, **{k: plain_values(v) for k, v in kwargs.items()})
    if not duals_in([start, step]):
        return _accepting(shown, like)
    # NumPy computes the step as the difference of the first two elements, in the dtype of the result.
    first, second = (x.astype(shown.dtype) if isinstance(x, AnyDual) else x for x in (start, start + step))
    k = np.arange(len(shown), dtype=shown.dtype)
    return np.where(k == 1, second, first + k * (second - first))


def _fromiter_with_like(like: Any, iter: Any, dtype: Any, count: int = -1) -> Any:
    items = list(iter)
    if not duals_in(items):
        return _accepting(np.fromiter(items, dtype, count), like)
    chosen = np.fromiter(range(len(items)), np.intp, count)
    return np.stack([items[i] for i in chosen]).astype(dtype)


CREATORS[np.arange], CREATORS[np.fromiter] = _arange_with_like, _fromiter_with_like


def _full_with_like(
    like: Any, shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None
) -> Any:
    return full(shape, fill_value, like, dtype, order)


def _array_with_like(name: str) -> Any:
    function = getattr(np, name)

    def implementation(like: Any, *args: Any, **kwargs: Any) -> Any:
        source = args[0] if args else kwargs.pop("object" if name == "array" else "a")
        given, args = operand(source), args[1:]
        if isinstance(source, list) and isinstance(given, AnyDual) and not args and not kwargs:
            return given
        if not isinstance(given, AnyDual):
            # A copy, so that writing into the dual array does not change a plain one.
            made: Any = np.array(function(given, *args, **kwargs))
            return buffer(made, [like]) if made.dtype.kind in "fc" else made
        shown = function(plain_values(given), *args, **kwargs)
        made = given if shown.dtype == given.dtype else given.astype(shown.dtype)
        if shown.shape != shape_of(made):
            made = np.reshape(made, shown.shape)
        if np.may_share_memory(shown, plain_values(made)):
            return made
        flags = shown.flags
        return np.copy(made, order="F" if flags.fnc else "C" if flags.c_contiguous else "K")

    return implementation


CREATORS[np.full] = _full_with_like
for _name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"):
    CREATORS[getattr(np, _name)] = _array_with_like(_name)
