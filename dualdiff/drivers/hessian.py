"""The Hessian, the matrix of second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Unpack, overload

from numpy.typing import NDArray

from dualdiff.drivers import gradient, jacobian
from dualdiff.drivers.run.batches import by_points, is_lazy
from dualdiff.drivers.run.operator import DerivedFunction, F, P, R, operator, with_value
from dualdiff.drivers.run.options import Argnum, OfHessian, PartOfGradient
from dualdiff.drivers.sparse.compression import prepared, reverse_alone, row_blocks


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
) -> tuple[Any, Any, Any, Any]:
    """Value, gradient, Hessian and aux."""
    if batch_dims and (workers is not None or is_lazy(args, argnum)):
        options: Any = {"chunk_size": chunk_size, "mode": mode, "batch_dims": batch_dims}
        return by_points(evaluate, operator, f, args, workers, progress, argnum, has_aux, options)
    if sparse is not False:
        # In a forward gradient, each component would seem to depend on all elements that f depends on.
        mode = reverse_alone(operator, mode)
    shared: Any = {"argnum": argnum, "chunk_size": chunk_size, "batch_dims": batch_dims}
    slope = slope_of(operator, f, mode, has_aux=has_aux, is_sparse=sparse is not False, **shared)
    _, result, (value, slopes, aux) = jacobian.evaluate(
        operator,
        slope,
        args,
        mode="forward",
        sparse=sparse,
        check=check,
        has_aux=True,
        workers=workers,
        progress=progress,
        **shared,
    )
    if sparse is not False and isinstance(result, tuple):
        result = row_blocks(result)
    return value, slopes, result, aux


def slope_of(
    operator: str, f: Callable[..., Any], mode: str, *, is_sparse: bool = False, **options: Any
) -> Callable[..., Any]:
    """The function whose Jacobian is the Hessian: the gradient of f, or the Jacobian if f is found to be no scalar.

    It returns that and, as aux, the triple (f(x), the same once more, the aux of f).
    """
    return Slope(operator, f, mode, is_sparse, options)


class Slope:
    """The gradient or the Jacobian of f; it can be pickled if f can."""

    def __init__(
        self, operator: str, f: Callable[..., Any], mode: str, is_sparse: bool, options: dict[str, Any]
    ) -> None:
        self.operator, self.f, self.mode, self.is_sparse, self.options = operator, f, mode, is_sparse, options
        self.first_of: Callable[..., Any] = gradient.evaluate

    def __call__(self, *args: Any) -> Any:
        try:
            value, slope, aux = self.first_of(self.operator, self.f, args, mode=self.mode, **self.options)
        except gradient.NotScalarError as error:
            if self.is_sparse:
                raise ValueError(
                    f"{error}. A sparse Hessian is that of a scalar: leave sparse out, or take one component, as "
                    f"{self.operator}(lambda x: f(x)[0], x, sparse=...) does"
                ) from None
            self.first_of = jacobian.evaluate
            value, slope, aux = self.first_of(self.operator, self.f, args, mode=self.mode, **self.options)
        return slope, (value, slope, aux)


symmetric = partial(prepared, symmetric=True)


@overload
def hessian(f: Callable[P, Any], /, **options: Unpack[OfHessian]) -> DerivedFunction[P, Any]: ...
@overload
def hessian(f: Callable[..., Any], x: NDArray[F], /, *args: Any, **options: Unpack[PartOfGradient]) -> NDArray[F]: ...
@overload
def hessian(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfHessian]) -> Any: ...
@overload
def hessian(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, compiled="hessian", sparse=symmetric)
def hessian(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The Hessian :math:`H_{ij} = \partial^2 f / \partial x_i \partial x_j` of a scalar, or of each component.

    Parameters
    ----------
    f : callable
        As in `gradient`; it may also return an array, or containers, as in `jacobian`.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple of tuples of blocks, one for each pair, in the same order.
    chunk_size : int, optional
        The number of directions in one call of f, at each level in forward mode.
    mode : {"auto", "forward", "reverse"}
        The mode of the gradient, which is then differentiated in forward mode; see `gradient`.  For an f compiled by
        Numba, "auto" is "reverse" from 9 elements on.
    sparse : False, True, or a pattern
        True: the Hessian as a sparse matrix, from one pass that traces which elements of x each component of the
        gradient depends on.  Given a sparsity pattern (a ``scipy.sparse`` matrix, whose stored entries count, a boolean
        matrix, or a `ColouredPattern`; it is symmetrized), the Hessian is computed from compressed Hessian-vector
        products, one for each colour of a star colouring.  ``hessian(f, sparse=pattern)`` computes the colouring once,
        for all x, and may be shared by threads.  With a tuple as argnum, a tuple of tuples of patterns.
        Each use of a pattern is checked along one random direction, as in `jacobian`.
    check : bool
        Compare the pattern with all entries of the Hessian, at the additional cost of ``sparse=True``.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (Hessian, aux).
    batch_dims : int
        Number of leading axes of x, and of f(x), that index independent points.
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
        Of shape ``x.shape + x.shape`` for a scalar f, ``f(x).shape + x.shape + x.shape`` for an array: the Hessian of
        each element.  For containers it has the nesting of f(x), with each leaf replaced by the nesting of x, and each
        of those by the nesting of x again.  With ``sparse``, a ``scipy.sparse.csr_array`` of shape (x.size, x.size).
        Without arguments, the Hessian as a function.

    Raises
    ------
    ValueError
        With ``sparse``, if f returns an array or the pattern does not fit x.
    IncompletePatternError
        If the pattern lacks an entry where the second derivative is nonzero.
    MixedPointsError
        With ``batch_dims``, if f combines points.
    ImportError
        With ``sparse``, if SciPy is not installed.

    Notes
    -----
    The forward Jacobian of the gradient.  With a forward gradient, ceil(n / chunk_size)**2 calls of f on duals nested
    two deep; with a reverse gradient (forward over reverse), ceil(n / chunk_size) calls.  For an array-valued f it is
    the forward Jacobian of the Jacobian, and one more call detects that f is array-valued.  See Griewank and Walther,
    *Evaluating Derivatives* (2008), section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1], [1.0, 2.0])
    array([[4., 2.],
           [2., 0.]])
    >>> hessian(lambda x: np.stack([x[0] * x[1], x[0] ** 2]), [1.0, 2.0])
    array([[[0., 1.],
            [1., 0.]],
    <BLANKLINE>
           [[2., 0.],
            [0., 0.]]])
    """


@overload
def value_gradient_and_hessian(
    f: Callable[P, R], /, **options: Unpack[OfHessian]
) -> DerivedFunction[P, tuple[R, Any, Any]]: ...
@overload
def value_gradient_and_hessian(
    f: Callable[..., R], x: NDArray[F], /, *args: Any, has_aux: bool = False, **options: Unpack[PartOfGradient]
) -> tuple[R, NDArray[F], NDArray[F]]: ...
@overload
def value_gradient_and_hessian(
    f: Callable[..., R], x: Any, /, *args: Any, **options: Unpack[OfHessian]
) -> tuple[R, Any, Any]: ...
@overload
def value_gradient_and_hessian(
    f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs
) -> tuple[R, Any, Any]: ...
@operator(evaluate, with_value, compiled="hessian", sparse=symmetric)
def value_gradient_and_hessian(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """The triple (f(x), gradient, Hessian), at the cost of the Hessian.

    Parameters, errors and cost as `hessian`; with ``has_aux`` the result is ((f(x), aux), gradient, Hessian).

    Examples
    --------
    >>> from dualdiff import value_gradient_and_hessian
    >>> value_gradient_and_hessian(lambda x: x[0] * x[1], [3.0, 2.0])
    (np.float64(6.0), array([2., 3.]), array([[0., 1.],
           [1., 0.]]))
    """
