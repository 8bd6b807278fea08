"""The Jacobian of a function of an array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Concatenate, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from dualdiff.base.workers import count_of
from dualdiff.core.application import dtype_of
from dualdiff.core.containers import Nesting, flatten
from dualdiff.drivers.run.batches import by_points, is_lazy
from dualdiff.drivers.run.engines import refuse_compiled
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, F, P, R, operator, with_value
from dualdiff.drivers.run.options import Argnum, Mode, OfJacobian, PartOfGradient, checked
from dualdiff.drivers.run.outputs import Outputs
from dualdiff.drivers.run.passes import dense_passes, directions_last, recorded_pass
from dualdiff.drivers.run.planning import takes_reverse
from dualdiff.drivers.run.repeated_calls import settled
from dualdiff.drivers.run.reverse import pulled_rows, row_chunks
from dualdiff.drivers.sparse.compression import prepared, sparsely


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    sparse: Any = False,
    check: bool = False,
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
    workers: Any = None,
    progress: Any = False,
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """Value, Jacobian and aux."""
    if out is not None and (sparse is not False or check or batch_dims):
        raise ValueError(
            f"{operator}: out is for a dense Jacobian at one point; leave out sparse, check and batch_dims"
        )
    if batch_dims and (workers is not None or is_lazy(args, argnum)):
        options: Any = {"chunk_size": chunk_size, "mode": mode, "batch_dims": batch_dims}
        return by_points(evaluate, operator, f, args, workers, progress, argnum, has_aux, options)
    inputs = Inputs(operator, f, args, argnum, has_aux, batch_dims)
    if workers is not None or progress is not False:
        inputs.long(workers, progress)
    if out is not None:
        return written(inputs, chunk_size, mode, out)
    if sparse is not False or check:
        return sparsely(inputs, sparse, check, chunk_size, mode)
    conjugates = "refused" if inputs.is_complex else "allowed"
    reverse = partial(_reverse, inputs, chunk_size, conjugates)
    return (
        reverse()
        if mode == "reverse"
        else settled(inputs, partial(_forward, inputs, chunk_size, mode, conjugates), reverse)
    )


def _forward(inputs: Inputs, chunk_size: int | None, mode: str, conjugates: str) -> tuple[Any, Any, Any] | None:
    """Value, Jacobian and aux in forward mode, along chunks of directions; None if reverse mode is cheaper."""
    columns: list[Columns] = []
    first: Any = None
    for start, stop, outputs in dense_passes(inputs, chunk_size, conjugates):
        if first is None:
            first = outputs
            inputs.batch.check_results(first.values)
            rows = _results(inputs, first)
            if inputs.workers is not None:
                rows *= count_of(inputs.workers)
            if stop < inputs.size and takes_reverse(mode, inputs.size, rows):
                return None
            columns = [Columns(inputs.size) for _ in first.values]
        for column, t in zip(columns, outputs.derivatives, strict=True):
            column.add(start, stop, directions_last(t))
    result = []
    for column, value in zip(columns, first.values, strict=True):
        lead = getattr(value, "shape", ())[inputs.batch.dims :]
        result.append(inputs.rebuild(inputs.split(column.all(), lead)))
    return first.value, first.rebuild(result), first.aux


class Columns:
    """The columns of a Jacobian, written into one array unless some are duals of an outer call."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.full: Any = None
        self.parts: list[Any] = []

    def add(self, start: int, stop: int, part: Any) -> None:
        """Append the columns from start to stop."""
        if hasattr(part, "space") and self.full is not None:
            self.parts, self.full = [self.full[..., :start]], None
        if self.parts or hasattr(part, "space") or stop - start == self.size:
            self.parts.append(part)
            return
        if self.full is None:
            self.full = np.empty((*part.shape[:-1], self.size), part.dtype)
        self.full[..., start:stop] = part

    def all(self) -> Any:
        """All columns."""
        if self.full is not None:
            return self.full
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts, axis=-1)


def _reverse(inputs: Inputs, chunk_size: int | None, conjugates: str) -> tuple[Any, Any, Any]:
    """Value, Jacobian and aux in reverse mode, by rows."""
    outputs, program = recorded_pass(inputs, conjugates)
    inputs.batch.check_results(outputs.values)
    rows = pulled_rows(inputs, outputs, program, chunk_size)
    return outputs.value, outputs.rebuild([inputs.rebuild(row) for row in rows]), outputs.aux


def written(inputs: Inputs, chunk_size: int | None, mode: str, out: Any) -> tuple[Any, Any, Any]:
    """Value, the array ``out`` with the Jacobian in it, and aux."""
    x = _single(inputs.operator, inputs.shapes, inputs.rebuild)
    shape, dtype = getattr(out, "shape", None), getattr(out, "dtype", None)
    if shape is not None and shape[len(shape) - len(x) :] != x:
        raise ValueError(f"{inputs.operator}: out has shape {shape}, but must have that of f(x) followed by {x}")
    if issubclass(type(out), np.ndarray):
        for leaf in flatten(inputs.others(), takes_all=True)[0]:
            if issubclass(type(leaf), np.ndarray) and np.may_share_memory(out, leaf):
                raise ValueError(
                    f"{inputs.operator}: out shares memory with an argument of f: give an array of its own"
                )
    first: Any = None
    for outputs, key, block in blocks(inputs, chunk_size, mode):
        if first is None:
            first = outputs
            needed = (*outputs.shape(0), *x)
            if shape is not None and shape != needed:
                raise ValueError(f"{inputs.operator}: out has shape {shape}, but the Jacobian has shape {needed}")
            if dtype is not None and not np.can_cast(block.dtype, dtype, "same_kind"):
                raise TypeError(f"{inputs.operator}: out has dtype {dtype}, but the Jacobian has {block.dtype}")
        out[key] = block
    return first.value, out, first.aux


def blocks(inputs: Inputs, chunk_size: int | None, mode: str) -> Iterator[tuple[Outputs, Any, Any]]:
    """The outputs, a key of the Jacobian, and the block that belongs there."""
    conjugates = "refused" if inputs.is_complex else "allowed"
    x = _single(inputs.operator, inputs.shapes, inputs.rebuild)
    inputs.hold()
    if mode != "reverse":
        rows = 0
        for start, stop, outputs in dense_passes(inputs, chunk_size, conjugates):
            f_shape = _single(inputs.operator, [np.shape(v) for v in outputs.values], outputs.rebuild)
            rows = rows or max(1, math.prod(f_shape)) * (1 if inputs.workers is None else count_of(inputs.workers))
            is_partial = start == 0 and stop < inputs.size and dtype_of(outputs.values[0]).kind != "c"
            if is_partial and takes_reverse(mode, inputs.size, rows):
                break
            block = directions_last(outputs.derivatives[0])
            for key, part, shape in boxes(start, stop, x):
                whole = (slice(None),) * len(f_shape)
                yield outputs, (*whole, *key), block[..., part].reshape(f_shape + shape)
        else:
            return
    outputs, program = recorded_pass(inputs, conjugates)
    f_shape = _single(inputs.operator, [np.shape(v) for v in outputs.values], outputs.rebuild)
    if inputs.is_complex or np.iscomplexobj(outputs.values[0]):
        raise TypeError(f"{inputs.operator}: blocks of a complex Jacobian are computed in forward mode: mode='forward'")
    for start, stop, block in row_chunks(inputs, outputs, program, chunk_size):
        for key, part, shape in boxes(start, stop, f_shape):
            yield outputs, (*key, *(slice(None),) * len(x)), block[part].reshape(shape + x)


def boxes(start: int, stop: int, shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], slice, tuple[int, ...]]]:
    """A range of flat indices as boxes of an array: the key of each, its part of the range, and its shape."""
    first = start
    while start < stop:
        # The largest box that begins here: whole rows along the last axes, and a range along the one before.
        size, axis = 1, len(shape)
        while axis and start % (size * shape[axis - 1]) == 0 and start + size * shape[axis - 1] <= stop:
            axis -= 1
            size *= shape[axis]
        place = np.unravel_index(start, shape) if shape else ()
        count = min((stop - start) // size, shape[axis - 1] - int(place[axis - 1])) if axis else 1
        lengths = (*(1,) * (axis - 1), count, *shape[axis:]) if axis else shape
        key = tuple([slice(int(i), int(i) + n) for i, n in zip(place, lengths, strict=True)])
        yield key, slice(start - first, start - first + count * size), lengths
        start += count * size


def _single(operator: str, shapes: list[Any], nesting: Nesting) -> tuple[int, ...]:
    """The shape of the single array of x or f(x)."""
    if len(shapes) != 1 or nesting.is_container:
        raise TypeError(f"{operator}: a Jacobian in blocks is that of one array with respect to one array")
    (shape,) = shapes
    return tuple(shape)


def jacobian_blocks(
    f: Callable[..., Any],
    x: Any,
    /,
    *args: Any,
    argnum: int = 0,
    chunk_size: int | None = None,
    mode: Mode = "auto",
    workers: Any = None,
    progress: bool | Callable[[int, int], Any] = False,
) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    r"""The Jacobian, block after block, for those that are larger than the memory.

    Parameters
    ----------
    f : callable
        A function of an array that returns an array.
    x, *args
        The arguments of f.
    argnum : int
        The index of the argument with respect to which f is differentiated.
    chunk_size, mode, workers, progress
        As in `jacobian`.

    Yields
    ------
    key, block
        The blocks are those of ``J[key] = block`` for an array J of shape ``f(x).shape + x.shape``: columns in forward
        mode, rows in reverse mode.

    Raises
    ------
    TypeError
        If x or f(x) is a container; in reverse mode, if it is complex.

    Notes
    -----
    The cost of `jacobian`, of which one block is in memory at a time; ``jacobian(f, x, out=...)`` writes them into an
    array.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian_blocks
    >>> for key, block in jacobian_blocks(lambda x: x**2, np.array([1.0, 2.0, 3.0]), chunk_size=2):
    ...     print(key[1], block.tolist())
    slice(0, 2, None) [[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]]
    slice(2, 3, None) [[0.0], [0.0], [6.0]]
    """
    name = "jacobian_blocks"
    given = {"chunk_size": chunk_size, "mode": mode, "workers": workers, "progress": progress}
    given = {option: checked(name, option, value) for option, value in given.items()}
    inputs = Inputs(name, f, (x, *args), argnum).long(given["workers"], given["progress"])
    _single(name, inputs.shapes, inputs.rebuild)
    refuse_compiled(name, f)
    return ((key, block) for _, key, block in blocks(inputs, chunk_size, mode))


def _results(inputs: Inputs, outputs: Outputs) -> int:
    """The number of elements that f returns (for each point of a batch)."""
    return sum(math.prod(outputs.shape(i)[inputs.batch.dims :]) for i in range(len(outputs.values)))


@overload
def jacobian(f: Callable[P, Any], /, **options: Unpack[OfJacobian]) -> DerivedFunction[P, Any]: ...
@overload
def jacobian(
    f: Callable[..., NDArray[Any]], x: NDArray[Any], /, *args: Any, **options: Unpack[PartOfGradient]
) -> NDArray[Any]: ...
@overload
def jacobian(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfJacobian]) -> Any: ...
@overload
def jacobian(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, compiled="jacobian", sparse=prepared)
def jacobian(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The Jacobian :math:`J_{ij} = \partial f_i / \partial x_j`.

    Parameters
    ----------
    f : callable
        A function of an array (or nested containers) that returns an array (or nested containers).
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order (for each leaf of f(x), if f returns a container).
    chunk_size : int, optional
        The number of directions in one call of f.  By default a tangent has at most about 2**17 elements (1 MB).
    mode : {"auto", "forward", "reverse"}
        "forward" computes columns, along chunks of directions; "reverse" records one call of f and computes rows.
        "auto" is "forward", unless that needs several passes and f(x) has fewer elements than x (for an f compiled by
        Numba: unless x has about 50 times as many).
    sparse : False, True, or a pattern
        True: the Jacobian as a sparse matrix, from one pass that traces which elements of x each element of f(x)
        depends on.  Given a sparsity pattern (a ``scipy.sparse`` matrix, whose stored entries count, a boolean
        matrix, or a `ColouredPattern`), structurally orthogonal columns are compressed into one direction, one for each
        colour; dense rows are computed by pullbacks if that takes fewer directions.
        ``jacobian(f, sparse=pattern)`` computes the colouring once, for all x, and tries several orders for that; it
        may be shared by threads.  With a tuple as argnum, a tuple of patterns.
        Each use of a pattern is checked along one additional, random direction.  This detects a missing entry that
        exceeds the rounding error of its row.
    check : bool
        Compare the pattern with all entries of the Jacobian, at the additional cost of ``sparse=True``.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (Jacobian, aux).
    batch_dims : int
        Number of leading axes of x, and of f(x), that index independent points.
    out : array
        Where the Jacobian is written, block after block: a ``numpy.memmap``, an HDF5 or zarr array, or anything that is
        written by ``out[key] = block``, of shape ``f(x).shape + x.shape``.  It is returned.  For one array each.
    parallel : bool
        Distribute the chunks over the cores, with the same results; for functions compiled by ``numba.njit``.
    workers : int, executor or callable, optional
        Who computes the chunks of directions (of points, with ``batch_dims``): a number of processes (-1: one
        for each core), a ``concurrent.futures.Executor``, or a callable like ``map``; see *Several cores and
        machines* in the reference of operators.
    progress : bool or callable
        Show how many directions are done; a callable gets the pair (done, total) as arguments.

    Returns
    -------
    array
        Of shape ``f(x).shape + x.shape``.  For containers it has the nesting of f(x), and each leaf is replaced by
        the nesting of x.  With ``batch_dims``, the batch axes come once, first.  With ``sparse``, a
        ``scipy.sparse.csr_array`` of shape (f(x).size, x.size), with arrays flattened in C order and containers leaf
        by leaf.  Without arguments, the Jacobian as a function.

    Raises
    ------
    ValueError
        If ``batch_dims``, the pattern or ``out`` does not fit the shapes.
    IncompletePatternError
        If the pattern lacks an entry where the derivative is nonzero.
    ImportError
        With ``sparse``, if SciPy is not installed.
    MixedPointsError
        With ``batch_dims``, if f combines points.
    NotHolomorphicError
        If x is complex and f uses conj, abs, real or imag.

    Notes
    -----
    Forward: max(1, ceil(n / chunk_size)) calls of f for n elements of x.  Reverse: one call of f, and one transposed
    run of its record for each chunk_size elements of f(x).  "auto" may add one call, which determines the size of f(x).

    Sparse: one call of f, which for the stencils of a reaction-diffusion equation takes 40 to 60 times as long as f
    alone; later calls of ``jacobian(f, sparse=True)`` reuse the structures of the first and take 20 to 30 times as
    long.  With a pattern, one to three times as long for each colour and for the random direction, in one pass; a
    compressed derivative of more than 2**18 elements (without ``chunk_size``) is computed by a sparse pass instead, as
    it is if an entry is not finite or the check of the pattern fails.  For a function compiled by ``numba.njit``, a
    pattern takes one pass for each 16 colours (8 on narrow processors), and True finds the pattern at every call, by a
    few passes of compiled code, or by the NumPy engine in f.py_func where that cannot follow f.  See Gebremedhin, Manne
    and Pothen, "What color is your Jacobian?", SIAM Review 47 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> jacobian(lambda x: np.array([x[0] * x[1], x[0] ** 2]), [2.0, 3.0])
    array([[3., 2.],
           [4., 0.]])
    """


@overload
def value_and_jacobian(f: Callable[P, R], /, **options: Unpack[OfJacobian]) -> DerivedFunction[P, tuple[R, Any]]: ...
@overload
def value_and_jacobian(
    f: Callable[..., NDArray[F]], x: NDArray[Any], /, *args: Any, **options: Unpack[PartOfGradient]
) -> tuple[NDArray[F], NDArray[Any]]: ...
@overload
def value_and_jacobian(f: Callable[..., R], x: Any, /, *args: Any, **options: Unpack[OfJacobian]) -> tuple[R, Any]: ...
@overload
def value_and_jacobian(
    f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs
) -> tuple[R, Any]: ...
@operator(evaluate, with_value, compiled="jacobian", sparse=prepared)
def value_and_jacobian(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """The pair (f(x), Jacobian), at the cost of the Jacobian.

    Parameters, errors and cost as `jacobian`; with ``has_aux`` the result is ((f(x), aux), Jacobian).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import value_and_jacobian
    >>> value_and_jacobian(lambda x: 3 * x, np.array([1.0, 2.0]))
    (array([3., 6.]), array([[3., 0.],
           [0., 3.]]))
    """
