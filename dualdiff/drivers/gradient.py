"""The gradient of a scalar function."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from dualdiff.base.public import shown_in
from dualdiff.drivers.run.batches import by_points, is_lazy
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, F, P, R, operator, with_value
from dualdiff.drivers.run.options import Argnum, OfGradient, PartOfGradient
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, directions_last, mixed_pass, refuse_conjugates
from dualdiff.drivers.run.planning import takes_mixed, takes_reverse
from dualdiff.drivers.run.repeated_calls import settled
from dualdiff.drivers.run.reverse import in_precision_of, pulled


@shown_in("builtins")
class NotScalarError(ValueError):
    """f returned an array where a scalar is needed: a ValueError to users, which `hessian` catches."""

    __qualname__ = "ValueError"

    def __reduce__(self) -> Any:
        return ValueError, self.args


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
    workers: Any = None,
    progress: Any = False,
) -> tuple[Any, Any, Any]:
    """Value, gradient and aux."""
    if batch_dims and (workers is not None or is_lazy(args, argnum)):
        options: Any = {"chunk_size": chunk_size, "mode": mode, "batch_dims": batch_dims}
        return by_points(evaluate, operator, f, args, workers, progress, argnum, has_aux, options)
    inputs = Inputs(operator, f, args, argnum, has_aux, batch_dims)
    if workers is not None or progress is not False:
        inputs.long(workers, progress)
    is_mixed = takes_mixed(mode, inputs)
    if not is_mixed and takes_reverse(mode, inputs.size):
        return _reverse(inputs)
    return settled(inputs, partial(_forward, inputs, chunk_size, is_mixed), partial(_reverse, inputs))


def _reverse(inputs: Inputs) -> tuple[Any, Any, Any]:
    """Value, gradient and aux in reverse mode."""
    outputs, gradients = pulled(inputs, "noted" if inputs.is_complex else "allowed", _scalar)
    return _scalar(inputs, outputs), inputs.rebuild(gradients), outputs.aux


def _forward(inputs: Inputs, chunk_size: int | None, is_mixed: bool) -> tuple[Any, Any, Any]:
    """Value, gradient and aux in one mixed pass or in forward mode."""
    evaluated = _mixed(inputs) if is_mixed else None
    return _dense(inputs, chunk_size) if evaluated is None else evaluated


def _mixed(inputs: Inputs) -> tuple[Any, Any, Any] | None:
    """Value, gradient and aux in one mixed pass; None if the value is complex."""
    outputs, space = mixed_pass(inputs)
    value = _scalar(inputs, outputs)
    if np.iscomplexobj(value):
        return None
    gradients = inputs.split(space.gradient(outputs.tangents[0], outputs.shape(0)))
    gradients = [in_precision_of(leaf, g) for leaf, g in zip(inputs.leaves, gradients, strict=True)]
    return value, inputs.rebuild(gradients), outputs.aux


def _dense(inputs: Inputs, chunk_size: int | None) -> tuple[Any, Any, Any]:
    """Value, gradient and aux in forward mode, along chunks of directions."""
    parts: list[Any] = []
    value: Any = None
    aux: Any = None
    conjugates = "noted" if inputs.is_complex else "allowed"
    for start, stop, outputs in dense_passes(inputs, chunk_size, conjugates, imaginary=inputs.is_complex):
        result = _scalar(inputs, outputs)
        if start == 0:
            value, aux = result, outputs.aux
        is_complex = inputs.is_complex and np.iscomplexobj(result)
        if is_complex and outputs.space.conjugates == "used":
            raise refuse_conjugates(inputs.operator)
        parts.append(outputs.derivatives[0].reshape((stop - start, *inputs.batch.shape)))
        if is_complex and stop >= inputs.size:
            break
    flat = directions_last(parts[0] if len(parts) == 1 else np.concatenate(parts))
    gradients = inputs.split(flat[..., : inputs.size])
    if inputs.is_complex and not np.iscomplexobj(value):
        others = inputs.split(flat[..., inputs.size :])
        gradients = [
            a - 1j * b if np.iscomplexobj(leaf) else a
            for leaf, a, b in zip(inputs.leaves, gradients, others, strict=True)
        ]
    gradients = [in_precision_of(leaf, g) for leaf, g in zip(inputs.leaves, gradients, strict=True)]
    return value, inputs.rebuild(gradients), aux


def _scalar(inputs: Inputs, outputs: Outputs) -> Any:
    """The value, which must be a scalar (for each point of a batch)."""
    if len(outputs.values) != 1:
        raise NotScalarError(
            f"{inputs.operator} needs an f that returns a scalar, but f returned a container of "
            f"{len(outputs.values)} results: use dualdiff.jacobian"
        )
    value = outputs.values[0]
    shape = getattr(value, "shape", ())
    if inputs.batch.dims:
        if shape != inputs.batch.shape:
            raise NotScalarError(
                f"{inputs.operator} with batch_dims={inputs.batch.dims} needs a scalar for each point, shape "
                f"{inputs.batch.shape}, but f returned shape {shape}: use dualdiff.jacobian"
            )
        return value
    if math.prod(shape) != 1:
        raise NotScalarError(
            f"{inputs.operator} needs an f that returns a scalar, but f returned an array of shape {shape}: "
            "use dualdiff.jacobian"
        )
    return value.reshape(())[()] if shape else value


@overload
def gradient(f: Callable[P, Any], /, **options: Unpack[OfGradient]) -> DerivedFunction[P, Any]: ...
@overload
def gradient(f: Callable[..., Any], x: NDArray[F], /, *args: Any, **options: Unpack[PartOfGradient]) -> NDArray[F]: ...
@overload
def gradient(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfGradient]) -> Any: ...
@overload
def gradient(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, compiled="gradient")
def gradient(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The gradient :math:`\partial f / \partial x_i` of a scalar function.

    Parameters
    ----------
    f : callable
        A function of an array that returns a scalar; an array of size 1 is accepted, as in SciPy.  Instead of the
        array it may take nested containers of arrays and scalars: dicts, tuples, dataclasses, ``SimpleNamespace``, and
        lists that hold one of these or an array; objects in them that are not numeric are constants.  For pandas Series
        and DataFrames and xarray DataArrays the gradient has the same labels.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    chunk_size : int, optional
        The number of directions in one call of f if the gradient is computed in chunks (see mode).  By default a
        tangent has at most about 2**17 elements (1 MB).
    mode : {"auto", "forward", "reverse"}
        "forward" calls f along chunks of directions.  "reverse" calls f once, records it and transposes the record,
        which cannot be passed to another process.  "auto" is "reverse" from 33 elements of x on.  Up to 32 float64
        elements, it calls f once, whatever ``chunk_size`` is: operations on scalars and small arrays carry all unit
        directions, operations on large arrays are recorded.  For up to 32 elements of another dtype, or with
        ``batch_dims``, it is "forward".  For an f compiled by Numba, "forward" takes 8 to 32 directions at once, and
        "auto" is "reverse" if that needs more than two calls, f compiles for it, and the record takes at most 1 MiB
        for each element of x; with ``chunk_size`` or ``batch_dims`` it is "forward".
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (gradient, aux).
    batch_dims : int
        Number of leading axes of x that index independent points; f returns a scalar for each point.
    parallel : bool
        Distribute the chunks over the cores, with the same results; for functions compiled by ``numba.njit``.
    workers : int, executor or callable, optional
        Who computes the chunks of directions in forward mode (of points, with ``batch_dims``): a number of
        processes (-1: one for each core), a ``concurrent.futures.Executor``, or a callable like ``map``; see
        *Several cores and machines* in the reference of operators.
    progress : bool or callable
        Show how many directions are done; a callable gets the pair (done, total) as arguments.

    Returns
    -------
    array, or the nesting of x
        Shaped like x.  For complex x = a + ib and real-valued f it is :math:`\partial_a f - i\,\partial_b f`, so that
        :math:`df = \mathrm{Re} \sum g\,dx`.  Without arguments, the gradient as a function.

    Raises
    ------
    ValueError
        If f returns an array; use `jacobian` then.
    MixedPointsError
        With ``batch_dims``, if f combines points.

    Notes
    -----
    Forward: max(1, ceil(n / chunk_size)) calls of f for n elements of x, and chunk_size times the memory of the largest
    intermediates of f.  "auto" up to 32 float64 elements: one call.  Reverse: one call, and the memory of all
    intermediates; the time is a small multiple of that of f, independent of n.  See Griewank and Walther, *Evaluating
    Derivatives* (2008), chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    array([2., 4.])
    >>> gradient(lambda p: p["a"] * p["b"], {"a": 2.0, "b": 5.0})
    {'a': np.float64(5.0), 'b': np.float64(2.0)}
    """


@overload
def value_and_gradient(f: Callable[P, R], /, **options: Unpack[OfGradient]) -> DerivedFunction[P, tuple[R, Any]]: ...
@overload
def value_and_gradient(
    f: Callable[..., R], x: NDArray[F], /, *args: Any, has_aux: bool = False, **options: Unpack[PartOfGradient]
) -> tuple[R, NDArray[F]]: ...
@overload
def value_and_gradient(f: Callable[..., R], x: Any, /, *args: Any, **options: Unpack[OfGradient]) -> tuple[R, Any]: ...
@overload
def value_and_gradient(
    f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs
) -> tuple[R, Any]: ...
@operator(evaluate, with_value, compiled="gradient")
def value_and_gradient(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """The pair (f(x), gradient), at the cost of the gradient.

    Parameters, errors and cost as `gradient`; with ``has_aux`` the result is ((f(x), aux), gradient).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import value_and_gradient
    >>> value_and_gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
