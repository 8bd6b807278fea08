"""The derivative of a function of one number, and its higher derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import tags
from dualdiff.core.array import DualArray
from dualdiff.core.dual import Float64Dual, FloatDual
from dualdiff.core.errors import MixedPointsError, explain
from dualdiff.drivers.engines import engine_of, refuse_parallel
from dualdiff.drivers.forms import derived
from dualdiff.drivers.run.inputs import Inputs, no_function
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import single_pass
from dualdiff.tangents.pointwise import Belonging, Pointwise
from dualdiff.tangents.single import Single


def derivative(
    f: Callable[..., Any], *args: Any, argnum: int = 0, has_aux: bool = False, parallel: bool = False
) -> Any:
    r"""The derivative :math:`f'(x)` of a function of one number.

    Parameters
    ----------
    f : callable
        A function of a number, written with Python's operators, NumPy or `dualdiff`'s elementwise functions.  It may
        return a number, an array, or tuples and dicts of them.
    *args
        The arguments of f.  The one that is differentiated is a number, or an array of points: then f has to work
        on each point by itself, and the derivative is taken at all of them in one call.
    argnum : int
        Which positional argument is differentiated.
    has_aux : bool
        f returns a pair (result, aux); the derivative is returned with aux.
    parallel : bool
        Spread points over the cores, with the same results; for functions that ``numba.njit`` compiled.

    Returns
    -------
    number or array
        The derivative, shaped like f(x).  Without arguments: the derivative as a function.

    Raises
    ------
    MixedPointsError
        If x is an array and f combines its points.
    NotHolomorphicError
        If x is complex and f uses conj, abs, real or imag.

    Notes
    -----
    Costs one call of f.  See Griewank and Walther, *Evaluating Derivatives* (2008), section 3.1.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> derivative(lambda x: x**3 + 2*x, 3)
    29.0
    >>> derivative(np.sin, np.array([0.0, np.pi]))
    array([ 1., -1.])
    >>> second = derivative(derivative(lambda x: x**3))
    >>> second(2.0)
    12.0
    """
    if (engine := engine_of[type(f)]) is not None and args:
        return engine.derivative(f, args, argnum, has_aux, parallel)
    if len(args) == 1 and type(args[0]) is float and not has_aux and argnum == 0 and not parallel:
        # By hand what `single_pass` does for all: for a float this is a third of the whole cost.
        space = object.__new__(Single)
        space.conjugates = "allowed"
        space.tag = tag = tags.start()
        x: Any = FloatDual()
        x.value = args[0]
        x.raw = 1.0
        x.space = space
        try:
            y = f(x)
        except Exception as error:
            if not callable(f):
                raise no_function("derivative", f) from None
            explain(error)
            raise
        finally:
            tags.end(tag)
        kind = type(y)
        if (kind is FloatDual or kind is Float64Dual) and y.space is space:
            return y.raw if kind is FloatDual else np.float64(y.raw)
        outputs = Outputs(Inputs("derivative", f, args), space, y, None)
        return outputs.rebuild(outputs.read())
    if not args:
        return derived(derivative, f, argnum=argnum, has_aux=has_aux, parallel=parallel)
    refuse_parallel("derivative", parallel)
    return _evaluate("derivative", f, args, argnum, has_aux, False)


def value_and_derivative(
    f: Callable[..., Any], *args: Any, argnum: int = 0, has_aux: bool = False, parallel: bool = False
) -> Any:
    """The pair (f(x), f'(x)) from one call of f.

    Parameters, errors and cost as `derivative`; with ``has_aux`` the result is ((f(x), aux), f'(x)).

    Examples
    --------
    >>> from dualdiff import value_and_derivative
    >>> value_and_derivative(lambda x: x**3 + 2*x, 3)
    (33.0, 29.0)
    """
    if (engine := engine_of[type(f)]) is not None and args:
        return engine.value_and_derivative(f, args, argnum, has_aux, parallel)
    if not args:
        return derived(value_and_derivative, f, argnum=argnum, has_aux=has_aux, parallel=parallel)
    refuse_parallel("value_and_derivative", parallel)
    return _evaluate("value_and_derivative", f, args, argnum, has_aux, True)


def nth_derivative(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Any:
    r"""The n-th derivative :math:`f^{(n)}(x)` of a function of one number: ``nth_derivative(f, x, n)``.

    Parameters
    ----------
    f : callable
        As in `derivative`.
    *args
        The arguments of f, and after them the order n, an integer from 0.  For the function form,
        ``nth_derivative(f, n=2)`` is not needed: nest `derivative`.
    argnum : int
        Which positional argument is differentiated.

    Returns
    -------
    number or array
        The derivative, shaped like f(x).

    Raises
    ------
    ValueError
        If n is missing, or not an integer from 0.

    Notes
    -----
    One call of f on duals nested n deep, whose cost grows as 2**n: meant for small n.

    Examples
    --------
    >>> from dualdiff import nth_derivative
    >>> nth_derivative(lambda x: x**4, 1.0, 3)
    24.0
    """
    if not args:
        raise TypeError("nth_derivative needs the arguments of f and the order: nth_derivative(f, x, n)")
    *rest, n = args
    if isinstance(n, (bool, np.bool_)) or not isinstance(n, (int, np.integer)) or n < 0 or not rest:
        raise ValueError(f"nth_derivative(f, x, n) needs an order n of 0, 1, 2, ... as its last argument, not {n!r}")
    if not callable(f):
        raise no_function("nth_derivative", f)
    if (engine := engine_of[type(f)]) is not None:
        return engine.nth_derivative(f, tuple(rest), argnum, int(n))
    g = f
    for _ in range(int(n)):
        g = derived(derivative, g, argnum=argnum)
    if n == 0:
        inputs = Inputs("nth_derivative", f, tuple(rest), argnum)
        return inputs.call([np.copy(leaf) if np.ndim(leaf) else leaf for leaf in inputs.leaves])[0]
    return g(*rest)


def _evaluate(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], argnum: int, has_aux: bool, with_value: bool
) -> Any:
    inputs = Inputs(operator, f, args, argnum, has_aux)
    if isinstance(args[argnum], (tuple, dict)):
        raise TypeError(
            f"{operator} differentiates in one number, and x is a {type(args[argnum]).__name__}: use gradient or "
            "jacobian"
        )
    x = inputs.leaves[0]
    conjugates = "refused" if inputs.is_complex else "allowed"
    if getattr(x, "shape", ()):
        outputs = _pointwise(inputs, x, conjugates)
    else:
        outputs = single_pass(inputs, [one_like(x)], conjugates)
    return _answer(outputs, with_value, has_aux)


def one_like(x: Any) -> Any:
    """The unit seed of a number or an array."""
    shape = getattr(x, "shape", ())
    dtype = getattr(x, "dtype", None)
    one = 1.0 if dtype is None or dtype == np.float64 else dtype.type(1)
    one = complex(one) if type(x) is complex else one
    return np.broadcast_to(one, shape) if shape or isinstance(x, (np.ndarray, DualArray)) else one


def _pointwise(inputs: Inputs, x: Any, conjugates: str) -> Outputs:
    tag = tags.start()
    try:
        space = Pointwise(tag, x.shape, conjugates)
        seeded = DualArray(x, space.seed(one_like(x)), space)
        seeded.held = True
        outputs = Outputs(inputs, space, *inputs.call([seeded]))
    finally:
        tags.end(tag)
    for t, value in zip(outputs.tangents, outputs.values, strict=True):
        if t is not None:
            _check_points(space, t, getattr(value, "shape", ()))
    outputs.derivatives = outputs.read()
    return outputs


def _check_points(space: Pointwise, t: Belonging, shape: tuple[int, ...]) -> None:
    """Each element of the result has to belong to the point at its own place."""
    if t.points is None:
        return
    points, ndim = t.points, len(space.shape)
    for k in range(len(shape) - ndim, -1, -1):
        if shape[k : k + ndim] == space.shape:
            own = space.point_numbers.reshape(space.shape + (1,) * (len(shape) - ndim - k))
            if np.all((points == own) | (points == 0)):
                return
    raise MixedPointsError(
        f"derivative(f, x) over an array of points {space.shape} needs an f that works on each point by itself, but "
        f"its result, of shape {shape}, does not have each point in its place: use dualdiff.gradient or "
        "dualdiff.jacobian"
    )


def _answer(outputs: Outputs, with_value: bool, has_aux: bool = False) -> Any:
    result = outputs.rebuild(outputs.derivatives)
    if with_value:
        return ((outputs.value, outputs.aux) if has_aux else outputs.value), result
    return (result, outputs.aux) if has_aux else result
