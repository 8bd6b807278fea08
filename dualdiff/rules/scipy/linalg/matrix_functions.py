r"""scipy.linalg: functions of matrices.

The derivative of f at A along E, the Fréchet derivative :math:`L_f(A, E)`, is written here as NumPy code
that is linear in E and takes any number of directions at once.  The code accepts duals itself, which gives derivatives
of every order.  Its transpose is :math:`L_f(A, \cdot)^T = L_f(A^T, \cdot)`.

See N. J. Higham, Functions of Matrices: Theory and Computation (2008), chapters 3, 6, 10 and 11.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.numpy.linalg.factorization import Factored
from dualdiff.rules.numpy.linalg.powers import matrix_power
from dualdiff.rules.scipy.linalg.matrix_equations import Sylvester, solving_sylvester
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.rules.writing.terms import MatrixMap, Term, adjoint, inexact, is_complex_valued, result, revalued, terms


def _frechet(operands: Application, value: Any, derivative: Callable[[Any, Any], Any]) -> Any:
    """The function of one matrix as a dual, given its value and its Fréchet derivative."""
    (t,) = terms(operands, "a function of a matrix")
    if t is None:
        return result(operands, value)
    a, shape = operands.values[0], t.shape
    is_real = not is_complex_valued(a) and not is_complex_valued(value)

    def along(a: Any, e: Any) -> Any:
        # Intermediate roots may be complex with zero imaginary part.
        image = derivative(a, e)
        return _real(image) if is_real and not is_complex_valued(e) else image

    linear = MatrixMap(
        "frechet",
        lambda e: along(a, e),
        lambda w: along(np.swapaxes(a, -1, -2), w),
        shape,
        shape,
        [a, value],
    )
    with np.errstate(all="ignore"):
        return result(operands, value, t.map(linear))


def _norm(a: Any) -> float:
    """The largest 1-norm of the matrices."""
    return float(np.max(np.sum(np.abs(plain_values(a)), axis=-2), initial=0.0))


def unit_interval(n: int) -> tuple[Any, Any]:
    """Nodes and weights of Gauss-Legendre quadrature on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return 0.5 * (nodes + 1), 0.5 * weights


def _eye(a: Any) -> Any:
    return np.eye(shape_of(a)[-1], dtype=inexact(a))


# -- the exponential ---------------------------------------------------------------------------------------------------
#: The numerator of the [13/13] Padé approximant to the exponential, scaled to end with 1 (Higham, table 10.4).
_PADE = tuple(math.comb(13, j) * math.factorial(26 - j) // math.factorial(13) for j in range(14))
#: The largest norm at which its derivative is accurate to rounding (Al-Mohy and Higham, table 6.1).
_NEAR_ZERO = 4.74


@over_scipy("A")
def expm(value: Any, A: Any) -> Any:
    r"""The exponential of a matrix.

    Args:
        A ((..., n, n) array_like): The matrix, real or complex.
    Returns:
        array: :math:`e^A`, with :math:`L(A, E) = \int_0^1 e^{A (1 - s)} E\, e^{A s}\, ds` along E.
    Notes:
        Scaling and squaring with a Padé approximant, differentiated: about 20 matrix products per direction, and one
        factorization for all directions.  See A. H. Al-Mohy and N. J. Higham, Computing the Fréchet
        derivative of the matrix exponential, SIAM J. Matrix Anal. Appl. 30 (2009).
    Examples:
        >>> derivative(lambda t: linalg.expm(np.stack([[0 * t, t], [0 * t, 0 * t]])), 1.0)
        array([[0., 1.],
               [0., 0.]])
    """
    if np.ndim(A) < 2 and np.size(A) == 1:
        A = np.reshape(A, (1, 1))
    operands = Application(A)
    return _frechet(operands, value(*operands.values), _expm_along)


def _expm_along(a: Any, e: Any) -> Any:
    """:math:`L(A, E)`, by the derivative of scaling and squaring."""
    squarings = max(0, math.frexp(_norm(a) / _NEAR_ZERO)[1]) if _norm(a) < math.inf else 0
    a, e, unit = a / 2.0**squarings, e / 2.0**squarings, _eye(a)
    c = _PADE
    a2, e2 = a @ a, a @ e + e @ a
    a4, e4 = a2 @ a2, a2 @ e2 + e2 @ a2
    a6, e6 = a4 @ a2, a4 @ e2 + e4 @ a2
    high_u, high_v = c[13] * a6 + c[11] * a4 + c[9] * a2, c[12] * a6 + c[10] * a4 + c[8] * a2
    w = a6 @ high_u + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * unit
    v = a6 @ high_v + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * unit
    ew = a6 @ (c[13] * e6 + c[11] * e4 + c[9] * e2) + e6 @ high_u + c[7] * e6 + c[5] * e4 + c[3] * e2
    ev = a6 @ (c[12] * e6 + c[10] * e4 + c[8] * e2) + e6 @ high_v + c[6] * e6 + c[4] * e4 + c[2] * e2
    u, eu = a @ w, a @ ew + e @ w
    inverse = np.linalg.inv(v - u)
    r = inverse @ (v + u)
    along = inverse @ (ev + eu + (eu - ev) @ r)
    for _ in range(squarings):
        r, along = r @ r, r @ along + along @ r
    return along


@over_scipy("A", "E")
def expm_frechet(value: Any, A: Any, E: Any, compute_expm: bool = True, **options: Any) -> Any:
    """The Fréchet derivative of the exponential at A along E.

    Args:
        A, E ((..., n, n) array_like): The matrix and the direction.
    Returns:
        pair of arrays, or array: The exponential and its derivative; with ``compute_expm=False`` the derivative
            alone.
    Notes:
        For the derivative alone, `jvp` of `expm` is shorter.
    Examples:
        >>> derivative(lambda t: linalg.expm_frechet([[0.0]], [[t]])[1], 1.0)
        array([[1.]])
    """
    outputs = value(*Application(A, E).values)
    exponential, along = outputs if compute_expm else (None, outputs)
    along = revalued(lambda a, e: along, _expm_along, A, E)
    return (revalued(lambda a, e: exponential, lambda a, e: expm(a), A, E), along) if compute_expm else along


# -- trigonometric functions -------------------------------------------------------------------------------------------
def _of_exponential(name: str, latex: str, composed: Callable[[Any], Any], example: str) -> Any:
    """A function of a matrix composed of exponentials."""

    def function(value: Any, A: Any) -> Any:
        return revalued(value, lambda a: composed(a) if is_complex_valued(a) else _real(composed(a)), A)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The matrix function :math:`{latex}`.

    Args:
        A ((..., n, n) array_like): The matrix, real or complex.
    Returns:
        array: The function of the matrix.
    Notes:
        The cost of two or more `expm`, of which it is composed for derivatives.
    Examples:
        >>> derivative(lambda t: linalg.{name}([[t]]), 0.0)
        array([[{example}]])
    """
    return over_scipy("A")(function)


def _real(x: Any) -> Any:
    return np.real(x) if is_complex_valued(x) else x


def _cosine(a: Any) -> Any:
    return 0.5 * (expm(1j * a) + expm(-1j * a))


def _sine(a: Any) -> Any:
    return -0.5j * (expm(1j * a) - expm(-1j * a))


def _hyperbolic_cosine(a: Any) -> Any:
    return 0.5 * (expm(a) + expm(-a))


def _hyperbolic_sine(a: Any) -> Any:
    return 0.5 * (expm(a) - expm(-a))


cosm: Callable[..., Any] = _of_exponential("cosm", r"\cos A", _cosine, "0.")
sinm: Callable[..., Any] = _of_exponential("sinm", r"\sin A", _sine, "1.")
tanm: Callable[..., Any] = _of_exponential("tanm", r"\tan A", lambda a: np.linalg.solve(_cosine(a), _sine(a)), "1.")
coshm: Callable[..., Any] = _of_exponential("coshm", r"\cosh A", _hyperbolic_cosine, "0.")
sinhm: Callable[..., Any] = _of_exponential("sinhm", r"\sinh A", _hyperbolic_sine, "1.")
tanhm: Callable[..., Any] = _of_exponential(
    "tanhm", r"\tanh A", lambda a: np.linalg.solve(_hyperbolic_cosine(a), _hyperbolic_sine(a)), "1."
)


# -- roots and logarithms ----------------------------------------------------------------------------------------------
@over_scipy("A")
def sqrtm(value: Any, A: Any) -> Any:
    r"""The principal square root of a matrix: :math:`X\,dX + dX\,X = dA`.

    Args:
        A ((..., n, n) array_like): The matrix, without eigenvalues on the closed negative real axis; elsewhere the
            derivative is NaN or infinite.
    Returns:
        array: The square root X.
    Notes:
        One Schur factorization for all directions, and one triangular Sylvester equation per direction.
    Examples:
        >>> derivative(lambda t: linalg.sqrtm([[t]]), 4.0)
        array([[0.25]])
    """
    operands = Application(A)
    x = value(*operands.values)
    (t,) = terms(operands, "sqrtm")
    with np.errstate(all="ignore"):
        equation = Sylvester(_double(x), _double(x))
        return result(operands, x, t and t.map(solving_sylvester(equation, t.shape)))


def _double(x: Any) -> Any:
    """x in double precision: older versions of SciPy return complex roots in a precision beyond LAPACK's."""
    return x.astype(complex) if plain_values(x).dtype == np.clongdouble else x


#: Enough nodes on (0, 1) that the derivative of the logarithm is accurate to rounding.
_NODES, _WEIGHTS = unit_interval(10)
_NEAR_ONE = 0.25


@over_scipy("A")
def logm(value: Any, A: Any) -> Any:
    r"""The principal logarithm of a matrix.

    Args:
        A ((..., n, n) array_like): The matrix, without eigenvalues on the closed negative real axis.
    Returns:
        array: The logarithm, with :math:`L(A, E) = \int_0^1 (1 + s (A - 1))^{-1} E\, (1 + s (A - 1))^{-1} ds` along
            E.
    Notes:
        Inverse scaling and squaring: square roots, and their derivatives, until the matrix is so near the identity that
        ten nodes suffice for the integral.  See A. H. Al-Mohy, N. J. Higham and S. D. Relton, Computing the Fréchet
        derivative of the matrix logarithm and estimating the condition number, SIAM J. Sci. Comput. 35 (2013).
    Examples:
        >>> derivative(lambda t: linalg.logm([[t]]), 4.0).round(12)
        array([[0.25]])
    """
    operands = Application(A)
    return _frechet(operands, value(*operands.values), _logm_along)


def _logm_along(a: Any, e: Any) -> Any:
    """:math:`L(A, E)`, by inverse scaling and squaring and Gauss-Legendre quadrature."""
    unit, scale = _eye(a), 1.0
    for _ in range(64):
        if not _norm(a - unit) > _NEAR_ONE:
            break
        a = _double(sqrtm(a))
        e = Sylvester(a, a).solve(e)
        scale *= 2.0
    inverses = (np.linalg.inv(unit + node * (a - unit)) for node in _NODES)
    return sum(scale * weight * (r @ e @ r) for weight, r in zip(_WEIGHTS, inverses, strict=True))


@over_scipy("A", "t")
def fractional_matrix_power(value: Any, A: Any, t: Any) -> Any:
    r"""The power :math:`A^t` of a matrix.

    Args:
        A ((..., n, n) array_like): The matrix; unless t is an integer, without eigenvalues on the closed negative
            real axis.
        t (float): The exponent.
    Returns:
        array: :math:`e^{t \log A}`, differentiated with respect to A and t.
    Notes:
        The cost of `logm` and `expm`; for integer t that of ``numpy.linalg.matrix_power``.
    Examples:
        >>> derivative(lambda t: linalg.fractional_matrix_power([[t]], 1.5), 4.0).round(12)
        array([[3.]])
    """

    def composed(a: Any, t: Any) -> Any:
        if not isinstance(t, AnyDual) and t == int(t):
            return matrix_power(a, int(t))
        return expm(t * logm(a))

    A = operand(A)
    # Integer powers of an integer matrix are integers, which have no derivative with respect to the exponent.
    return revalued(value, composed, A if isinstance(A, AnyDual) else np.asarray(A, inexact(A)), t)


@over_scipy("A")
def signm(value: Any, A: Any) -> Any:
    r"""The matrix sign function, :math:`A (A^2)^{-1/2}`.

    Args:
        A ((n, n) array_like): The matrix, without eigenvalues on the imaginary axis.
    Returns:
        array: The sign, whose eigenvalues are 1 and -1.
    Notes:
        The cost of `sqrtm`, an inverse and two products.
    Examples:
        >>> derivative(lambda t: linalg.signm(np.stack([[1.0, t], [0.0, -1.0]])), 0.0)
        array([[0., 1.],
               [0., 0.]])
    """
    return revalued(value, lambda a: a @ np.linalg.inv(_double(sqrtm(a @ a))), A)


# -- the polar decomposition -------------------------------------------------------------------------------------------
@over_scipy("a")
def polar(value: Any, a: Any, side: str = "right") -> Any:
    r"""The polar decomposition, :math:`A = U P` or, from the left, :math:`A = P U`.

    Args:
        a ((..., m, n) array_like): The matrix, of full rank; elsewhere the derivatives are NaN.
        side ({"right", "left"}): The side on which the Hermitian factor stands.
    Returns:
        pair of arrays: U, with orthonormal columns (or rows), and the Hermitian P, with :math:`U^* dU = \Omega`,
            :math:`\Omega P + P \Omega = U^* dA - dA^* U`, and :math:`dP = U^* dA + dU^* A`.  Singular values may
            repeat.
    Notes:
        One Schur factorization for all directions, and one triangular Sylvester equation per direction.  See N. J.
        Higham, Functions of Matrices (2008), chapter 8.
    Examples:
        >>> U, P = derivative(lambda t: linalg.polar([[2.0, -t], [t, 2.0]]), 0.0)
        >>> U
        array([[ 0. , -0.5],
               [ 0.5,  0. ]])
    """
    operands = Application(a)
    u, p = value(*operands.values)
    (t,) = terms(operands, "dualdiff.scipy.linalg.polar")
    if t is None:
        return result(operands, u), result(operands, p)
    a = operands.values[0]
    with np.errstate(all="ignore"):
        du = _polar(t, u, a) if t.shape[-2] >= t.shape[-1] else _polar(t.H, adjoint(u), adjoint(a)).H
        dp = t.right(adjoint(u)) + du.H.left(a) if side == "left" else t.left(adjoint(u)) + du.H.right(a)
        return result(operands, u, du), result(operands, p, dp)


def _polar(t: Term, u: Any, a: Any) -> Term:
    """The tangent of the orthonormal columns u."""
    p = adjoint(u) @ a
    within = t.left(adjoint(u))
    du = (within - within.H).map(solving_sylvester(Sylvester(p, p), within.shape)).left(u)
    if t.shape[-2] > t.shape[-1]:
        du += (t - within.left(u)).right(Factored(p).inverse)
    return du
