"""The diagonal of the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from dualdiff.core.containers import flatten
from dualdiff.drivers import hessian, jacobian
from dualdiff.drivers.run.engines import engine_of
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, F, P, operator
from dualdiff.drivers.run.options import Argnum, OfDiagonal, PartOfDiagonal
from dualdiff.drivers.run.passes import dense_passes, directions_last
from dualdiff.drivers.run.repeated_calls import settled
from dualdiff.drivers.run.reverse import in_precision_of


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    sparse: Any = False,
    has_aux: bool = False,
    batch_dims: int = 0,
) -> tuple[Any, Any, Any]:
    """Value, diagonal of the Hessian and aux."""
    options: Any = {"argnum": argnum, "chunk_size": chunk_size, "has_aux": has_aux, "batch_dims": batch_dims}
    inputs = Inputs(operator, f, args, argnum, has_aux, batch_dims)
    if (engine := engine_of[type(f)]) is not None:
        value, _, H, aux = engine.hessian(operator, f, args, mode=mode, sparse=sparse, **options)
        return value, _from_blocks(inputs, value, H), aux
    if sparse is not False:
        value, _, H, aux = hessian.evaluate(operator, f, args, mode=mode, sparse=sparse, **options)
        blocks = [H[i][i] for i in range(len(H))] if isinstance(H, tuple) else [H]
        flat = np.concatenate([block.diagonal() for block in blocks])
        return value, _nested(inputs, flat), aux
    slope = hessian.slope_of(operator, f, mode, **options)
    of_slope = Inputs(operator, slope, args, argnum, True, batch_dims)

    def forward() -> tuple[Any, Any, Any]:
        value, diagonals, aux = _forward(of_slope, chunk_size)
        return value, flatten(value)[1](_nested(inputs, diagonal) for diagonal in diagonals), aux

    def reverse() -> tuple[Any, Any, Any]:
        _, H, (value, _, aux) = jacobian.evaluate(operator, slope, args, mode="reverse", **options | {"has_aux": True})
        return value, _from_blocks(inputs, value, H), aux

    return settled(of_slope, forward, reverse)


def _forward(inputs: Inputs, chunk_size: int | None) -> tuple[Any, list[Any], Any]:
    """The value, for each result of f the diagonal along the last axis, and aux, along chunks of directions."""
    parts: list[list[Any]] = []
    value: Any = None
    aux: Any = None
    count, lead = len(inputs.leaves), inputs.batch.shape
    for start, stop, outputs in dense_passes(inputs, chunk_size, "refused" if inputs.is_complex else "allowed"):
        if start == 0:
            first: Any = outputs.aux
            value, _, aux = first
        places = np.arange(stop - start)
        result = []
        for i in range(len(flatten(value)[0])):
            rows = [
                np.reshape(t, (*t.shape[: t.ndim - len(core)], size))
                for t, core, size in zip(
                    outputs.derivatives[i * count : (i + 1) * count], inputs.core_shapes, inputs.sizes, strict=True
                )
            ]
            flat = np.concatenate(rows, axis=-1) if rows else np.zeros((0, *lead, 0))
            result.append(flat[places, ..., start + places])
        parts.append(result)
    return value, [directions_last(np.concatenate(t)) for t in zip(*parts, strict=True)], aux


def _nested(inputs: Inputs, diagonal: Any) -> Any:
    """A diagonal in the nesting of x."""
    lead = np.shape(diagonal)[inputs.batch.dims : -1]
    leaves = inputs.split(diagonal, lead)
    return inputs.rebuild(in_precision_of(leaf, part) for leaf, part in zip(inputs.leaves, leaves, strict=True))


def _from_blocks(inputs: Inputs, value: Any, H: Any) -> Any:
    """The diagonals of a whole Hessian."""
    blocks, count, ends = flatten(H)[0], len(inputs.leaves), inputs.core_shapes
    results, rebuild = flatten(value)
    diagonals = []
    for i in range(len(results)):
        rows = []
        for k, (core, size) in enumerate(zip(ends, inputs.sizes, strict=True)):
            block = blocks[(i * count + k) * count + k]
            square = np.reshape(block, (*np.shape(block)[: np.ndim(block) - 2 * len(core)], size, size))
            rows.append(np.diagonal(square, axis1=-2, axis2=-1))
        diagonals.append(_nested(inputs, np.concatenate(rows, axis=-1)))
    return rebuild(diagonals)


@overload
def hessian_diagonal(f: Callable[P, Any], /, **options: Unpack[OfDiagonal]) -> DerivedFunction[P, Any]: ...
@overload
def hessian_diagonal(
    f: Callable[..., Any], x: NDArray[F], /, *args: Any, **options: Unpack[PartOfDiagonal]
) -> NDArray[F]: ...
@overload
def hessian_diagonal(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfDiagonal]) -> Any: ...
@overload
def hessian_diagonal(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, sparse=hessian.symmetric)
def hessian_diagonal(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The diagonal :math:`\partial^2 f / \partial x_i^2` of the Hessian, without the rest of it.

    Parameters
    ----------
    f : callable
        As in `hessian`.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        Which positional argument is differentiated, or which ones: then the result is a tuple, in their order.
    chunk_size : int, optional
        Directions in one call of f, at each level that runs forwards.
    mode : {"auto", "forward", "reverse"}
        How the gradient is taken that is differentiated forwards; see `gradient`.
    sparse : False, True, or a pattern
        As in `hessian`: where that is sparse, its diagonal takes one sparse pass, or one Hessian-vector product for
        each colour of the pattern in place of one for each element of x.
    has_aux : bool
        f returns a pair (result, aux); the diagonal is returned with aux.
    batch_dims : int
        Number of leading axes of x, and of f(x), that index independent points.

    Returns
    -------
    array, or the nesting of x
        Shaped like x for a scalar f, ``f(x).shape + x.shape`` for an array.  Without arguments: a function.

    Raises
    ------
    ValueError
        With ``sparse``, if f returns an array or the pattern does not fit x.
    MixedPointsError
        With ``batch_dims``, if f combines the points.
    ImportError
        With ``sparse``, if SciPy is not installed.

    Notes
    -----
    n Hessian-vector products for n elements of x, chunk_size at a time, forward over reverse from 33 elements on: the
    calls of f that `hessian` makes, and the memory of chunk_size gradients in place of n**2 numbers.  Where f is a sum
    of functions of one element each, ``hvp(f, x, np.ones_like(x))`` gives the same from one product.  For a function
    that ``numba.njit`` compiled it is read off the Hessian.  See Griewank and Walther, *Evaluating Derivatives* (2008),
    section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import hessian_diagonal
    >>> hessian_diagonal(lambda x: x[0] ** 3 * x[1] ** 2, np.array([1.0, 2.0]))
    array([24.,  2.])
    """
