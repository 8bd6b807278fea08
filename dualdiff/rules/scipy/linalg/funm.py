r"""Functions of a matrix by its eigenvalues, f(A) = V f(Λ) V^{-1}, differentiable at repeated eigenvalues.

The derivative along E is :math:`V (F \circ V^{-1} E V) V^{-1}` with :math:`F_{ij} = f[\lambda_i, \lambda_j]`, the
divided differences of f, which are derivatives where eigenvalues coincide (Daleckii and Krein 1951; Higham, Functions
of Matrices (2008), section 3.2).  Derivatives of higher order are the sums

    T(E_1, ..., E_k) = \sum f[\lambda_{i_0}, ..., \lambda_{i_k}] P_{i_0} E_1 P_{i_1} ... E_k P_{i_k}

over the projectors P on the eigenvectors.  The derivative of T with respect to A is the sum of T with one more
direction inserted at each position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import MixedPointsError, lost
from dualdiff.base.public import shown_in
from dualdiff.core.array import DualArray, operand
from dualdiff.core.dual import AnyDual, leading_space
from dualdiff.rules.numpy.linalg.factorization import Factored
from dualdiff.rules.scipy.linalg.matrix_functions import unit_interval
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import MatrixMap, adjoint, hermitian_part, result, rounding, terms
from dualdiff.tangents.spaces.pointwise import Pointwise


# -- divided differences -----------------------------------------------------------------------------------------------
def _slope(g: Callable[..., Any], x: Any, *rest: Any) -> Any:
    """The derivative of an elementwise g(x, ...) with respect to x."""
    tag = tags.start()
    try:
        space = Pointwise(tag, x.shape, "refused" if plain_values(x).dtype.kind == "c" else "allowed")
        y = g(DualArray(x, space.seed(np.ones(x.shape, plain_values(x).dtype)), space), *rest)
        if shape_of(y) != x.shape:
            raise MixedPointsError(
                f"a function of eigenvalues must be elementwise, but from {x.shape} it returned {shape_of(y)}"
            )
        if not isinstance(y, AnyDual) or y.space is not space:
            return np.zeros(x.shape, plain_values(x).dtype)
        slope = space.slope(y)
        if slope is None:
            raise MixedPointsError(
                "a function of eigenvalues must be elementwise: each result may depend on one eigenvalue only"
            )
        return slope
    finally:
        tags.end(tag)


_NODES, _WEIGHTS = unit_interval(5)


def _divided(g: Callable[..., Any], near: float, eps: float, tolerance: float) -> Callable[..., Any]:
    r"""The function :math:`g[a, b] = (g(b) - g(a)) / (b - a) = \int_0^1 g'(a + s (b - a))\, ds`, elementwise.

    The integral is used if it agrees with the quotient up to the rounding error of the quotient, or if a and b are
    closer than their own rounding errors.  It does not agree if g jumps between them.
    """

    def difference(a: Any, b: Any, *rest: Any) -> Any:
        gap, low, high = b - a, g(a, *rest), g(b, *rest)
        mean = sum(weight * _slope(g, a + s * gap, *rest) for s, weight in zip(_NODES, _WEIGHTS, strict=True))
        low_size, high_size, slope, off = (np.abs(plain_values(x)) for x in (low, high, mean, high - low - gap * mean))
        # Written so that NaN counts as near.
        far = (off > tolerance * (low_size + high_size + near * slope)) & (np.abs(plain_values(gap)) > near * eps)
        return np.where(far, (high - low) / np.where(far, gap, 1.0), mean)

    return difference


class Spectrum:
    """The eigendecomposition of a plain matrix or a stack, and a function of the eigenvalues."""

    def __init__(self, a: Any, func: Callable[[Any], Any], is_hermitian: bool, is_real: bool) -> None:
        self.func, self.is_real = func, is_real
        if is_hermitian:
            self.values, self.vectors = np.linalg.eigh(a)
            self.inverse = adjoint(self.vectors)
        else:
            self.values, self.vectors = np.linalg.eig(a)
            self.inverse = Factored(self.vectors).inverse
            # A defective matrix has no eigenvector basis.
            condition = np.sum(np.abs(self.inverse) ** 2, axis=(-2, -1), keepdims=True)
            self.inverse = np.where(condition * rounding(a) < 1, self.inverse, np.nan)
        self._differences: dict[int, Any] = {}

    def apply(self, x: Any) -> Any:
        """Apply the function to plain values or duals, and convert booleans and integers to floats."""
        y = self.func(x)
        like, plain = plain_values(x), plain_values(operand(y))
        return y if np.result_type(plain).kind in "fc" else np.asarray(plain, like.dtype) + 0 * like

    def differences(self, k: int) -> Any:
        """The divided differences of order k, with one axis per eigenvalue, k + 1 in all."""
        if k not in self._differences:
            g = self.apply
            near, eps = 64 * float(np.max(np.abs(self.values), initial=0.0)), rounding(self.values)
            for level in range(k):
                g = _divided(g, near, eps, eps * (8 if level == 0 else 1000))
            w = self.values
            axes = [w.reshape(w.shape[:-1] + (1,) * i + w.shape[-1:] + (1,) * (k - i)) for i in range(k + 1)]
            self._differences[k] = g(*(np.array(x) for x in np.broadcast_arrays(*axes)))
        return self._differences[k]

    def sum(self, directions: list[Any]) -> Any:
        """T of the directions, which are plain arrays with any number of leading axes."""
        letters = "abcdefgh"[: len(directions) + 1]
        within = [self.inverse @ e @ self.vectors for e in directions]
        subscripts = ["..." + letters] + ["..." + letters[i : i + 2] for i in range(len(within))]
        total = np.einsum(
            ",".join(subscripts) + "->..." + letters[0] + letters[-1], self.differences(len(within)), *within
        )
        total = self.vectors @ total @ self.inverse
        return np.real(total) if self.is_real and not any(map(np.iscomplexobj, directions)) else total


def _sum(spectrum: Spectrum, a: Any, value: Any, *directions: Any) -> Any:
    """T of the directions, or the function itself if there are none, differentiated with respect to all arguments."""
    operands = Application(a, *directions)
    if operands.space is None:
        return value if value is not None else spectrum.sum(list(directions))
    a, *along = operands.values
    y = value if value is not None else _sum(spectrum, a, None, *along)
    of_a, *of_directions = terms(operands, "a function of a matrix")
    shape = shape_of(y)
    with np.errstate(all="ignore"):
        changes = [
            t.map(_linear_in_direction(spectrum, a, along[:i], along[i + 1 :], t.shape, shape, y))
            for i, t in enumerate(of_directions)
            if t is not None
        ]
        if of_a is not None:
            changes += [
                of_a.map(_linear_in_direction(spectrum, a, along[:i], along[i:], of_a.shape, shape, y))
                for i in range(len(along) + 1)
            ]
        return result(operands, y, *changes)


def _linear_in_direction(
    spectrum: Spectrum, a: Any, before: list[Any], after: list[Any], in_shape: Any, out_shape: Any, like: Any
) -> MatrixMap:
    """T as a linear map of one direction; the transpose permutes the other directions cyclically."""
    more = len(out_shape) - len(in_shape)

    def apply(e: Any) -> Any:
        lead = e.shape[: e.ndim - len(in_shape)]
        return _sum(spectrum, a, None, *before, np.reshape(e, (*lead, *(1,) * more, *in_shape)), *after)

    def transposed(w: Any) -> Any:
        image = np.swapaxes(_sum(spectrum, a, None, *after, np.swapaxes(w, -1, -2), *before), -1, -2)
        lead = image.ndim - len(out_shape)
        axes = [lead + i for i in range(more)]
        axes += [lead + more + i for i, n in enumerate(in_shape) if n == 1 and out_shape[more + i] > 1]
        return np.reshape(np.sum(image, axis=tuple(axes)), (*image.shape[:lead], *in_shape))

    return MatrixMap("T", apply, transposed, in_shape, out_shape, [like])


# -- the functions -----------------------------------------------------------------------------------------------------
@shown_in("dualdiff.scipy.linalg")
def funmh(A: Any, func: Callable[[Any], Any]) -> Any:
    r"""A function of a Hermitian matrix by its eigenvalues, :math:`f(A) = V f(\Lambda) V^*`.

    Its derivatives of every order are exact at repeated and nearly repeated eigenvalues.  Those of
    ``(v * f(w)) @ v.T`` with ``w, v = eigh(A)`` are NaN there, because the eigenvectors have no derivative.  The
    projector on the eigenvectors whose eigenvalues are below c is ``funmh(A, lambda w: w < c)``.

    Parameters
    ----------
    A : (..., n, n) array_like
        The matrix, real symmetric or Hermitian, whose lower triangle is read.
    func : callable
        f, an elementwise function of an array of real eigenvalues that accepts duals.

    Returns
    -------
    array
        f(A), and along E :math:`V (F \circ V^* E V) V^*` with the divided differences :math:`F_{ij} = (f(\lambda_j) -
        f(\lambda_i)) / (\lambda_j - \lambda_i)`, or :math:`f'(\lambda_i)`.

    Raises
    ------
    dualdiff.MixedPointsError
        If f is not elementwise.
    dualdiff.LostDerivativeError
        If f contains duals of the same differentiation as A; write f as a sum or product of functions without.

    Notes
    -----
    One eigendecomposition of A, and f at :math:`O(n^{k + 1})` points for derivatives of order k.  See Ju. L. Daleckii
    and S. G. Krein (1951), and N. J. Higham, Functions of Matrices (2008).
    Works without SciPy.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import linalg
    >>> derivative(lambda t: linalg.funmh(np.stack([[1.0, t], [t, 1.0]]), np.exp), 0.0)   # twice the eigenvalue 1
    array([[0.        , 2.71828183],
           [2.71828183, 0.        ]])
    """
    A = operand(A)
    A = A if isinstance(A, AnyDual) else np.asarray(A)
    plain = plain_values(A)
    spectrum = Spectrum(plain, func, True, plain.dtype.kind != "c")
    v, f = spectrum.vectors, spectrum.apply(spectrum.values)
    value = (v * f[..., None, :]) @ spectrum.inverse
    if not isinstance(A, AnyDual):
        return value
    _check_order("funmh", A, f)
    spectrum.is_real = spectrum.is_real and plain_values(value).dtype.kind != "c"
    return _sum(spectrum, hermitian_part(A), value)


def _check_order(name: str, A: Any, f: Any) -> None:
    inner = leading_space([f])
    if inner is not None and inner.tag >= A.space.tag:
        raise lost(
            f"a function in dualdiff.scipy.linalg.{name} that contains duals of the differentiation of A (or of one "
            "within it)",
            "a sum or product of functions that do not",
        )


@over_scipy("A")
def funm(value: Any, A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:
    r"""A function of a diagonalizable matrix by its eigenvalues.

    Args:
        A ((..., n, n) array_like): The matrix.  For Hermitian matrices `funmh` is more accurate.
        func (callable): f, an elementwise holomorphic function of an array of complex eigenvalues that accepts duals.
        disp (bool): Whether to warn about an inaccurate result, rather than return an error estimate as well.
    Returns:
        array, or pair of array and float: f(A), and along E :math:`V (F \circ V^{-1} E V) V^{-1}` with the divided
            differences F of f.  Eigenvalues may repeat; if A is defective, the derivative is NaN.
    Raises:
        dualdiff.MixedPointsError: If f is not elementwise.
        dualdiff.NotHolomorphicError: If f is not holomorphic.
    Notes:
        The cost of `funmh`.  The accuracy is limited by the condition of the eigenvectors; prefer `expm`, `logm` and
        `sqrtm` if they apply.
    Examples:
        >>> derivative(lambda t: linalg.funm([[1.0, 0.0], [0.0, t]], lambda z: z**3), 1.0)
        array([[0., 0.],
               [0., 3.]])
    """
    A = operand(A)
    outputs = value(A.value)
    f, error = (outputs, None) if disp else outputs
    plain = plain_values(A)
    is_real = plain.dtype.kind != "c" and plain_values(f).dtype.kind != "c"
    spectrum = Spectrum(plain + 0j, func, False, is_real)
    _check_order("funm", A, spectrum.apply(spectrum.values))
    f = _sum(spectrum, A, f)
    return f if disp else (f, error)
