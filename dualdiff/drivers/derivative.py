"""The first and higher derivatives of a function of a scalar."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.adapting.remedies import explain
from dualdiff.base import tags
from dualdiff.base.tags import at_end, live
from dualdiff.core.array import DualArray
from dualdiff.core.dual import Float64Dual, FloatDual
from dualdiff.core.scope import WRAPPERS
from dualdiff.drivers.run.batches import by_points, is_lazy
from dualdiff.drivers.run.engines import LeftToNumPy, engine_of
from dualdiff.drivers.run.inputs import Inputs, no_function, resolve_argnum
from dualdiff.drivers.run.operator import DerivedFunction, P, R, operator, with_value
from dualdiff.drivers.run.options import Argnum, OfDerivative, OfNth, PartOfDerivative
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import series_pass, single_pass
from dualdiff.drivers.run.repeated_calls import Kept
from dualdiff.tangents.spaces.pointwise import PointTangent, Pointwise
from dualdiff.tangents.spaces.single import Single


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    has_aux: bool = False,
    parallel: bool = False,
    workers: Any = None,
    progress: Any = False,
) -> tuple[Any, Any, Any]:
    """Value, derivative and aux."""
    if is_lazy(args, argnum):
        return by_points(evaluate, operator, f, args, workers, progress, argnum, has_aux, {})
    inputs = Inputs(operator, f, args, argnum, has_aux)
    x = args[inputs.argnum]
    if inputs.rebuild.is_container:
        raise TypeError(
            f"{operator} differentiates with respect to a scalar, but x is a {type(x).__name__}: use gradient or "
            "jacobian"
        )
    x = inputs.leaves[0]
    conjugates = "refused" if inputs.is_complex else "allowed"
    if getattr(x, "shape", ()) and workers is not None:
        return by_points(evaluate, operator, f, args, workers, progress, argnum, has_aux, {})
    if getattr(x, "shape", ()):
        outputs = _pointwise(inputs, x, conjugates)
    else:
        outputs = single_pass(inputs, [one_like(x)], conjugates)
    return outputs.value, outputs.rebuild(outputs.derivatives), outputs.aux


def at_float(general: Callable[..., Any]) -> Callable[..., Any]:
    """The operator with a fast path for a float: what `single_pass` does, inlined, in a third of the time."""

    def derivative(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        if options or not args or type(args[0]) is not float:
            return general(f, *args, **options)
        if (engine := engine_of[type(f)]) is not None:
            slope = engine.derivative_at_float(f, args)
            return general(f, *args) if slope is None else slope
        if len(args) > 1:
            return general(f, *args)
        space = object.__new__(Single)
        space.conjugates = "allowed"
        space.tag = tag = next(tags.fresh)
        live[tag] = space
        x: Any = FloatDual()
        x.value = args[0]
        x.raw = 1.0
        x.space = space
        if WRAPPERS:
            f = WRAPPERS[-1](f)
        try:
            y = f(x)
        except Exception as error:
            if not callable(f):
                raise no_function("derivative", f) from None
            explain(error)
            raise
        finally:
            del live[tag]
            if at_end:
                tags.restore(tag)
        kind = type(y)
        if (kind is FloatDual or kind is Float64Dual) and y.space is space:
            return y.raw if kind is FloatDual else np.float64(y.raw)
        outputs = Outputs(Inputs("derivative", f, args), space, y, None)
        return outputs.rebuild(outputs.read())

    return derivative


@overload
def derivative(
    f: Callable[P, R], /, *, argnum: int = 0, **options: Unpack[PartOfDerivative]
) -> DerivedFunction[P, R]: ...
@overload
def derivative(f: Callable[P, Any], /, **options: Unpack[OfDerivative]) -> DerivedFunction[P, Any]: ...
@overload
def derivative(
    f: Callable[..., R], x: Any, /, *args: Any, argnum: int = 0, **options: Unpack[PartOfDerivative]
) -> R: ...
@overload
def derivative(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfDerivative]) -> Any: ...
@overload
def derivative(f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs) -> R: ...
@operator(evaluate, compiled="derivative", one_by_one=True, shortcut=at_float)
def derivative(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The derivative :math:`f'(x)` of a function of a scalar.

    Parameters
    ----------
    f : callable
        A function of a scalar, written with Python's operators, NumPy or dualdiff's elementwise functions.  It may
        return a scalar, an array, or nested containers of these.
    *args
        The arguments of f.  The differentiated one is a scalar, or an array of points: then f must treat each point
        independently, and one call evaluates the derivative at all points.  Keywords that are not options are passed
        to f as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (derivative, aux).
    parallel : bool
        Distribute the points over the cores, with the same results; for functions compiled by ``numba.njit``.
    workers : int, executor or callable, optional
        Who computes the points, in parts along their first axis: a number of processes (-1: one for each core),
        a ``concurrent.futures.Executor``, or a callable like ``map``; see *Several cores and machines* in the
        reference of operators.
    progress : bool or callable
        Show how many points are done; a callable gets the pair (done, total) as arguments.

    Returns
    -------
    scalar or array
        The derivative, shaped like f(x).  Without arguments, the derivative as a function, which binds as a method.

    Raises
    ------
    MixedPointsError
        If x is an array and f combines its points.
    NotHolomorphicError
        If x is complex and f uses conj, abs, real or imag.

    Notes
    -----
    Costs one call of f for each argument in argnum.  See Griewank and Walther, *Evaluating Derivatives* (2008), section
    3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> derivative(lambda x: x**3 + 2*x, 3)
    29.0
    >>> derivative(np.sin, np.array([0.0, np.pi]))
    array([ 1., -1.])
    >>> second = derivative(derivative(lambda x: x**3))
    >>> second(2.0)
    12.0
    """


@overload
def value_and_derivative(
    f: Callable[P, R], /, *, argnum: int = 0, **options: Unpack[PartOfDerivative]
) -> DerivedFunction[P, tuple[R, R]]: ...
@overload
def value_and_derivative(
    f: Callable[P, R], /, **options: Unpack[OfDerivative]
) -> DerivedFunction[P, tuple[R, Any]]: ...
@overload
def value_and_derivative(
    f: Callable[..., R], x: Any, /, *args: Any, argnum: int = 0, **options: Unpack[PartOfDerivative]
) -> tuple[R, R]: ...
@overload
def value_and_derivative(
    f: Callable[..., R], x: Any, /, *args: Any, **options: Unpack[OfDerivative]
) -> tuple[R, Any]: ...
@overload
def value_and_derivative(
    f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs
) -> tuple[R, R]: ...
@operator(evaluate, with_value, compiled="derivative", one_by_one=True)
def value_and_derivative(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """The pair (f(x), f'(x)) from one call of f.

    Parameters, errors and cost as `derivative`; with ``has_aux`` the result is ((f(x), aux), f'(x)).

    Examples
    --------
    >>> from dualdiff import value_and_derivative
    >>> value_and_derivative(lambda x: x**3 + 2*x, 3)
    (33.0, 29.0)
    """


def evaluate_nth(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, n: int | None = None
) -> tuple[None, Any, None]:
    """The n-th derivative, without value and aux."""
    if n is None:
        *given, n = args
        args = tuple(given)
    if not args:
        raise ValueError(f"{operator}(f, x, n) needs an order n after the arguments of f, but got a single argument")
    n = order(operator, n)
    if not callable(f):
        raise no_function(operator, f)
    places = resolve_argnum(operator, argnum, len(args))
    if isinstance(places, tuple):
        kept = Kept(args)
        return None, tuple([kept.call(evaluate_nth, operator, f, args, argnum=i, n=n)[1] for i in places]), None
    if (engine := engine_of[type(f)]) is not None:
        with suppress(LeftToNumPy):
            return None, engine.nth_derivative(operator, f, args, argnum=places, n=n), None
    if n == 0:
        inputs = Inputs(operator, f, args, places)
        return None, inputs.call([np.copy(leaf) if np.ndim(leaf) else leaf for leaf in inputs.leaves])[0], None
    if n < SERIES_FROM:
        for _ in range(n):
            f = derivative(f, argnum=places)
        return None, f(*args), None
    return None, _by_series(operator, f, args, places, n), None


#: The order from which on a power series costs less than nested duals.
SERIES_FROM = 3


def _by_series(operator: str, f: Callable[..., Any], args: tuple[Any, ...], argnum: int, n: int) -> Any:
    """The n-th derivative from the Taylor coefficient."""
    inputs = Inputs(operator, f, args, argnum)
    if inputs.rebuild.is_container or inputs.shapes[0]:
        # Raises for a container, and if f combines the points of an array.
        derivative(f, *args, argnum=argnum)
    inputs.constant_is_said = True
    outputs = series_pass(inputs, [one_like(inputs.leaves[0])], n)
    return outputs.rebuild(map(_of_order(n), outputs.values, map(outputs.series, range(len(outputs.values)))))


def _of_order(n: int) -> Callable[[Any, Any], Any]:
    """The function that gives the n-th derivative from the value and the Taylor coefficients of a result."""

    def derivative(value: Any, coefficients: Any) -> Any:
        result = coefficients[n]
        with np.errstate(over="ignore", invalid="ignore"):
            for k in range(2, n + 1):
                result = result * result.dtype.type(k)
        return result.item() if type(value) in (float, complex) else result

    return derivative


#: The highest order: the factorial of the next is beyond floats.
HIGHEST = 170


def order(operator: str, n: Any, is_lasting: bool = False) -> int:
    """The order of a derivative, checked."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"{operator}(f, x, n) needs an order n of 0, 1, 2, ... as its last argument, not {n!r}")
    if n > HIGHEST:
        raise ValueError(
            f"{operator}: the derivative of order {n} is {n}! times a Taylor coefficient, and {n}! is beyond floats: "
            "use the coefficients, dualdiff.taylor(f, x, n)"
        )
    return int(n)


@overload
def nth_derivative(f: Callable[P, R], /, *, argnum: int = 0, n: int) -> DerivedFunction[P, R]: ...
@overload
def nth_derivative(f: Callable[..., Any], /, **options: Unpack[OfNth]) -> DerivedFunction[..., Any]: ...
@overload
def nth_derivative(f: Callable[..., R], x: Any, /, *args: Any, argnum: int = 0, n: int = ...) -> R: ...
@overload
def nth_derivative(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfNth]) -> Any: ...
@operator(evaluate_nth, n=order)
def nth_derivative(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The n-th derivative :math:`f^{(n)}(x)` of a function of a scalar: ``nth_derivative(f, x, n)``.

    Parameters
    ----------
    f : callable
        As in `derivative`.
    *args
        The arguments of f, followed by the order n unless it is passed as a keyword.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    n : int
        The order, at least 0.

    Returns
    -------
    scalar or array
        The derivative, shaped like f(x).  ``nth_derivative(f, n=2)`` is a function of the arguments of f,
        ``nth_derivative(f)`` a function of these arguments and the order.

    Raises
    ------
    MixedPointsError
        If x is an array and f combines its points.
    ValueError
        If n is missing, not a nonnegative integer, or above 170, whose factorial floats can represent.

    Notes
    -----
    From order 3 on one call of f on power series, as in `taylor`, at a cost that grows as n**2; for arrays of points,
    one more call checks that f keeps them apart.

    Examples
    --------
    >>> from dualdiff import nth_derivative
    >>> nth_derivative(lambda x: x**4, 1.0, 3)
    24.0
    """


def one_like(x: Any) -> Any:
    """The unit seed of a scalar or an array."""
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
        outputs = Outputs(inputs, space, *inputs.call([seeded], space))
    finally:
        tags.end(tag)
    for t, value in zip(outputs.tangents, outputs.values, strict=True):
        if t is not None:
            _check_points(space, t, getattr(value, "shape", ()))
    outputs.derivatives = outputs.read()
    return outputs


def _check_points(space: Pointwise, t: PointTangent, shape: tuple[int, ...]) -> None:
    """Raise unless each element of the result depends only on the point at its own index."""
    if t.points is None:
        return
    points, ndim = t.points, len(space.shape)
    for k in range(len(shape) - ndim, -1, -1):
        if shape[k : k + ndim] == space.shape:
            expected = space.point_numbers.reshape(space.shape + (1,) * (len(shape) - ndim - k))
            if np.all((points == expected) | (points == 0)):
                return
    raise space.refused(f"returns a result of shape {shape} in which points are not at their own positions")
