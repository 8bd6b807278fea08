"""The gradient of a function with one number as its result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.drivers.engines import engine_of, refuse_parallel
from dualdiff.drivers.forms import derived
from dualdiff.drivers.run.chunks import check_chunk_size
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.modes import check_mode, takes_reverse
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, directions_last, refuse_conjugates
from dualdiff.drivers.run.reverse import in_precision_of, pulled


def gradient(
    f: Callable[..., Any],
    *args: Any,
    argnum: int = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
) -> Any:
    r"""The gradient :math:`\partial f / \partial x_i` of a function with one number as its result.

    Parameters
    ----------
    f : callable
        A function of an array (or nested tuples and dicts of arrays and numbers) that returns one number; an array of
        size 1 is accepted, as SciPy does.
    *args
        The arguments of f.
    argnum : int
        Which positional argument is differentiated.
    chunk_size : int, optional
        Directions in one call of f.  The default keeps a tangent to about 2**17 numbers (1 MB).
    mode : {"auto", "forward", "reverse"}
        "forward" runs f along chunks of directions; "reverse" runs it once, recorded, and transposes the record, which
        cannot leave the process.  "auto" takes "forward" up to 32 numbers in x.
    has_aux : bool
        f returns a pair (result, aux); the gradient is returned with aux.
    batch_dims : int
        So many leading axes of x are points that f treats on their own; f returns one number for each.
    parallel : bool
        Spread the chunks over the cores, with the same results; for functions that ``numba.njit`` compiled.

    Returns
    -------
    array, or the nesting of x
        Shaped like x.  For complex x = a + ib and a real-valued f it is :math:`\partial_a f - i\,\partial_b f`, so
        that :math:`df = \mathrm{Re} \sum g\,dx`.  Without arguments: the gradient as a function.

    Raises
    ------
    ValueError
        If f returns an array; `jacobian` is the operator for that.
    MixedPointsError
        With ``batch_dims``, if f is found to combine the points.

    Notes
    -----
    Forward: max(1, ceil(n / chunk_size)) calls of f for n numbers in x, and chunk_size times the memory of f's largest
    intermediates.  Reverse: one call, and the memory of all intermediates; the time is a small multiple of f's, however
    large n is.  See Griewank and Walther, *Evaluating Derivatives* (2008), chapter 3.

    Examples
    --------
    >>> from dualdiff import gradient
    >>> gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    array([2., 4.])
    >>> gradient(lambda p: p["a"] * p["b"], {"a": 2.0, "b": 5.0})
    {'a': np.float64(5.0), 'b': np.float64(2.0)}
    """
    if (engine := engine_of[type(f)]) is not None and args:
        _, result, aux = engine.gradient("gradient", f, args, argnum, chunk_size, mode, has_aux, batch_dims, parallel)
        return (result, aux) if has_aux else result
    options: dict[str, Any] = {
        "argnum": argnum,
        "chunk_size": chunk_size,
        "mode": mode,
        "has_aux": has_aux,
        "batch_dims": batch_dims,
    }
    if not args:
        return derived(gradient, f, **options, parallel=parallel)
    refuse_parallel("gradient", parallel)
    _, result, aux = evaluate("gradient", f, args, **options)
    return (result, aux) if has_aux else result


def value_and_gradient(
    f: Callable[..., Any],
    *args: Any,
    argnum: int = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
) -> Any:
    """The pair (f(x), gradient) from the calls of f that the gradient costs.

    Parameters, errors and cost as `gradient`; with ``has_aux`` the result is ((f(x), aux), gradient).

    Examples
    --------
    >>> from dualdiff import value_and_gradient
    >>> value_and_gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    if (engine := engine_of[type(f)]) is not None and args:
        value, result, aux = engine.gradient(
            "value_and_gradient", f, args, argnum, chunk_size, mode, has_aux, batch_dims, parallel
        )
        return ((value, aux) if has_aux else value), result
    options: dict[str, Any] = {
        "argnum": argnum,
        "chunk_size": chunk_size,
        "mode": mode,
        "has_aux": has_aux,
        "batch_dims": batch_dims,
    }
    if not args:
        return derived(value_and_gradient, f, **options, parallel=parallel)
    refuse_parallel("value_and_gradient", parallel)
    value, result, aux = evaluate("value_and_gradient", f, args, **options)
    return ((value, aux) if has_aux else value), result


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    argnum: int,
    chunk_size: int | None,
    mode: str,
    has_aux: bool,
    batch_dims: int,
) -> tuple[Any, Any, Any]:
    """Value, gradient and aux."""
    check_mode(operator, mode)
    inputs = Inputs(operator, f, args, argnum, has_aux, batch_dims)
    if takes_reverse(mode, inputs.size):
        check_chunk_size(operator, chunk_size)
        outputs, found = pulled(inputs, "noted" if inputs.is_complex else "allowed", _scalar)
        return _scalar(inputs, outputs), inputs.rebuild(found), outputs.aux
    parts: list[Any] = []
    value: Any = None
    aux: Any = None
    for start, stop, outputs in dense_passes(
        inputs, chunk_size, "noted" if inputs.is_complex else "allowed", imaginary=inputs.is_complex
    ):
        found = _scalar(inputs, outputs)
        if start == 0:
            value, aux = found, outputs.aux
        is_complex = inputs.is_complex and np.iscomplexobj(found)
        if is_complex and outputs.space.conjugates == "used":
            raise refuse_conjugates(operator)
        parts.append(outputs.derivatives[0].reshape((stop - start, *inputs.batch.shape)))
        if is_complex and stop >= inputs.size:
            break
    flat = directions_last(parts[0] if len(parts) == 1 else np.concatenate(parts))
    found = inputs.split(flat[..., : inputs.size])
    if inputs.is_complex and not np.iscomplexobj(value):
        other = inputs.split(flat[..., inputs.size :])
        found = [
            a - 1j * b if np.iscomplexobj(leaf) else a for leaf, a, b in zip(inputs.leaves, found, other, strict=True)
        ]
    found = [in_precision_of(leaf, g) for leaf, g in zip(inputs.leaves, found, strict=True)]
    return value, inputs.rebuild(found), aux


def _scalar(inputs: Inputs, outputs: Outputs) -> Any:
    """The value, checked to be one number (for each point of a batch)."""
    if len(outputs.values) != 1:
        raise ValueError(
            f"{inputs.operator} needs an f that returns one number, and f returned a container of "
            f"{len(outputs.values)} results: use dualdiff.jacobian"
        )
    value = outputs.values[0]
    shape = getattr(value, "shape", ())
    if inputs.batch.dims:
        if shape != inputs.batch.shape:
            raise ValueError(
                f"{inputs.operator} with batch_dims={inputs.batch.dims} needs one number for each point, shape "
                f"{inputs.batch.shape}, and f returned shape {shape}: use dualdiff.jacobian"
            )
        return value
    if math.prod(shape) != 1:
        raise ValueError(
            f"{inputs.operator} needs an f that returns one number, and f returned an array of shape {shape}: "
            "use dualdiff.jacobian"
        )
    return value.reshape(())[()] if shape else value
