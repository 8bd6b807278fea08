"""``scipy.special`` for duals: all of it, with derivatives.

The ufuncs of ``scipy.special`` take duals as they are.  Its other functions do not all, and those that do not are here
in a form that does, with SciPy's signatures and SciPy's values; every other name is SciPy's own, so that ``from
dualdiff import special`` may stand for ``from scipy import special``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import axes_of, duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import without_rule

_scipy = load("scipy.special", "scipy", "dualdiff.scipy.special")

from dualdiff.rules.scipy.special import SPECIAL  # noqa: E402 - needs SciPy

__all__ = [
    *("comb", "factorial", "log_softmax", "logsumexp", "multigammaln", "perm", "polygamma", "softmax"),
    *("spherical_in", "spherical_jn", "spherical_kn", "spherical_yn"),
]


def __getattr__(name: str) -> Any:
    found = getattr(_scipy, name)
    # Several ufuncs as one, which do not see duals.
    return without_rule(_scipy, name) if type(found).__name__ == "MultiUFunc" else found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_scipy)})


def _flattened(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes as one, the last."""
    rest = [i for i in range(np.ndim(a)) if i not in axes]
    return np.reshape(np.transpose(a, (*rest, *axes)), (*(np.shape(a)[i] for i in rest), -1))


def _finite_maximum(x: Any, axis: Any) -> Any:
    """The values' maximum along axes, which are kept; 0 where it is infinite."""
    largest = np.max(plain_values(x).real, axis=axis, keepdims=True)
    return np.where(np.isfinite(largest), largest, 0.0).astype(largest.dtype)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    r"""The logarithm of a sum of exponentials, :math:`\log \sum_i b_i e^{a_i}`, as ``scipy.special.logsumexp``.

    With w the weights :math:`b_i e^{a_i} / \sum_j b_j e^{a_j}` it changes by :math:`\sum_i w_i (da_i + db_i / b_i)`.
    Where the result is infinite because of an infinite a, the first of the largest a has the weight 1.

    Parameters
    ----------
    a : array_like
        The exponents, real or complex.
    axis : None, int or tuple of int
        The axes to sum along; all by default.
    b : array_like, optional
        Factors that broadcast against a.
    keepdims : bool
        Whether the axes stay, with length one.
    return_sign : bool
        Whether to return the logarithm of the absolute value, and the sign (of complex numbers the phase).

    Returns
    -------
    array or number, or a pair of them
        SciPy's value, bit for bit, with its tangent.

    Notes
    -----
    The cost of SciPy's function and of one softmax.

    Examples
    --------
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy import special
    >>> gradient(special.logsumexp, np.array([0.0, 1.0, 2.0])).round(4)
    array([0.09  , 0.2447, 0.6652])
    """
    options = {"axis": axis, "b": b, "keepdims": keepdims, "return_sign": return_sign}
    if duals_in((a, b)):
        return evaluated(logsumexp, _logsumexp, a, **options)
    return _scipy.logsumexp(a, **options)


def _logsumexp(a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    shape = np.broadcast_shapes(np.shape(a), np.shape(b)) if b is not None else np.shape(a)
    axes = axes_of(axis, len(shape))
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    out_shape = kept if keepdims else tuple(n for i, n in enumerate(shape) if i not in axes)
    a = _flattened(np.broadcast_to(a, shape), axes)
    exponents = plain_values(a).real
    if b is not None:
        b = _flattened(np.broadcast_to(b, shape), axes)
        # What has the factor 0 is no part of the sum, even if it is infinite or would be.
        hidden = plain_values(b) == 0
        if isinstance(b, AnyDual):
            hidden &= np.isinf(exponents)
        a, exponents = np.where(hidden, -np.inf, a), np.where(plain_values(b) == 0, -np.inf, exponents)
    largest = np.max(exponents, axis=-1, keepdims=True)
    finite = np.isfinite(largest)
    powers = np.exp(a - np.where(finite, largest, 0.0).astype(exponents.dtype))
    total = np.sum(powers if b is None else b * powers, axis=-1)
    sign = np.sign(total)
    # An infinite sum is its largest term.
    term = np.take_along_axis(a, np.argmax(exponents, axis=-1, keepdims=True), axis=-1)[..., 0]
    found = np.where(finite[..., 0], np.log(np.abs(total) if return_sign else total), term)
    return (np.reshape(found, out_shape), np.reshape(sign, out_shape)) if return_sign else np.reshape(found, out_shape)


def softmax(x: Any, axis: Any = None) -> Any:
    r"""The exponentials divided by their sum, :math:`s_i = e^{x_i} / \sum_j e^{x_j}`, as ``scipy.special.softmax``.

    .. math:: ds_i = s_i \left(dx_i - \sum_j s_j dx_j\right)

    Parameters
    ----------
    x : array_like
        Numbers.
    axis : None, int or tuple of int
        The axes to sum along; all by default.

    Returns
    -------
    array
        Shaped like x: SciPy's value, bit for bit, with its tangent.

    Notes
    -----
    Twice the cost of SciPy's function.

    Examples
    --------
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy import special
    >>> jacobian(special.softmax, np.array([0.0, 0.0]))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    return evaluated(softmax, _softmax, x, axis=axis) if duals_in(x) else _scipy.softmax(x, axis=axis)


def _softmax(x: Any, axis: Any) -> Any:
    powers = np.exp(x - _finite_maximum(x, axis))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    r"""The logarithm of softmax, :math:`x_i - \log \sum_j e^{x_j}`, as ``scipy.special.log_softmax``.

    .. math:: dx_i - \sum_j s_j dx_j, \quad s = \operatorname{softmax}(x)

    Parameters
    ----------
    x : array_like
        Numbers.
    axis : None, int or tuple of int
        The axes to sum along; all by default.

    Returns
    -------
    array
        Shaped like x: SciPy's value, bit for bit, with its tangent.

    Notes
    -----
    Twice the cost of SciPy's function.

    Examples
    --------
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy import special
    >>> jacobian(special.log_softmax, np.array([0.0, 0.0]))
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    return evaluated(log_softmax, _log_softmax, x, axis=axis) if duals_in(x) else _scipy.log_softmax(x, axis=axis)


def _log_softmax(x: Any, axis: Any) -> Any:
    shifted = x - _finite_maximum(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def polygamma(n: Any, x: Any) -> Any:
    r"""The n-th derivative of the digamma function, :math:`\psi^{(n)}(x)`, as ``scipy.special.polygamma``.

    Its derivative in x is :math:`\psi^{(n+1)}(x)`.

    Parameters
    ----------
    n : array_like of int
        Orders, not differentiated.
    x : array_like
        Real numbers.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    NoRuleError
        If n carries a tangent.

    Notes
    -----
    One more evaluation of the zeta function.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> print(derivative(lambda x: special.polygamma(1, x), 2.0).round(9))
    -0.404113806
    """
    if duals_in(n):
        raise no_rule("scipy.special.polygamma", " in its first argument")
    return evaluated(polygamma, _polygamma, n, x) if duals_in(x) else _scipy.polygamma(n, x)


def _polygamma(n: Any, x: Any) -> Any:
    n = np.asarray(n)
    higher = SPECIAL.names["polygamma"](np.where(n == 0, 1, n), x)
    return np.where(n == 0, _scipy.psi(x), higher)


def multigammaln(a: Any, d: Any) -> Any:
    r"""The logarithm of the multivariate gamma function of dimension d, as ``scipy.special.multigammaln``.

    Its derivative in a is :math:`\sum_{j=0}^{d-1} \psi(a - j/2)`.

    Parameters
    ----------
    a : array_like
        Numbers greater than (d - 1) / 2.
    d : int
        The dimension.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    ValueError
        If d is no whole number, or a too small.

    Notes
    -----
    d evaluations of digamma.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> print(derivative(lambda a: special.multigammaln(a, 2), 3.0).round(9))
    1.625940976
    """
    return evaluated(multigammaln, _multigammaln, a, d) if duals_in(a) else _scipy.multigammaln(a, d)


def _multigammaln(a: Any, d: Any) -> Any:
    return sum(_scipy.gammaln(a - j / 2) for j in range(int(d)))


def factorial(n: Any, exact: bool = False, **options: Any) -> Any:
    r"""The factorial :math:`n! = \Gamma(n + 1)`, and 0 for negative n, as ``scipy.special.factorial``.

    Its derivative is :math:`\Gamma(n + 1) \psi(n + 1)`.

    Parameters
    ----------
    n : array_like
        Numbers.
    exact : bool
        Whether to compute with integers, which carry no tangent.
    **options
        As SciPy has them.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    NoRuleError
        If n carries a tangent, and exact is set.

    Notes
    -----
    The cost of gamma and digamma.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> print(derivative(special.factorial, 3.0).round(9))
    7.536706011
    """
    if not duals_in(n):
        return _scipy.factorial(n, exact, **options)
    if exact:
        raise no_rule("scipy.special.factorial", " with exact=True")
    return evaluated(factorial, _factorial, n, **options)


def _factorial(n: Any, **options: Any) -> Any:
    return np.where(plain_values(n) < 0, 0.0, _scipy.gamma(n + 1.0))


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    r"""The number of combinations :math:`\binom{N}{k}`, 0 for k > N or negative ones, as ``scipy.special.comb``.

    The derivatives are those of ``scipy.special.binom``.

    Parameters
    ----------
    N, k : array_like
        Numbers.
    exact : bool
        Whether to compute with integers, which carry no tangent.
    repetition : bool
        Whether to count combinations with repetition.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    NoRuleError
        If an argument carries a tangent, and exact is set.

    Notes
    -----
    Two evaluations of binom, and a difference of digamma functions.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> derivative(lambda n: special.comb(n, 2), 4.0).round(9)    # n (n - 1) / 2
    np.float64(3.5)
    """
    if not duals_in((N, k)):
        return _scipy.comb(N, k, exact=exact, repetition=repetition)
    if exact:
        raise no_rule("scipy.special.comb", " with exact=True")
    return evaluated(comb, _comb, N, k, repetition=repetition)


def _comb(N: Any, k: Any, repetition: bool) -> Any:
    if repetition:
        return _comb(N + k - 1, k, False)
    counted = (plain_values(k) <= plain_values(N)) & (plain_values(N) >= 0) & (plain_values(k) >= 0)
    return np.where(counted, _scipy.binom(N, k), 0.0)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    r"""The number of arrangements :math:`N! / (N - k)!`, 0 for k > N or negative ones, as ``scipy.special.perm``.

    The derivatives are those of ``scipy.special.poch``.

    Parameters
    ----------
    N, k : array_like
        Numbers.
    exact : bool
        Whether to compute with integers, which carry no tangent.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    NoRuleError
        If an argument carries a tangent, and exact is set.

    Notes
    -----
    Two evaluations of poch, and a difference of digamma functions.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> derivative(lambda n: special.perm(n, 2), 4.0).round(9)    # n (n - 1)
    np.float64(7.0)
    """
    if not duals_in((N, k)):
        return _scipy.perm(N, k, exact)
    if exact:
        raise no_rule("scipy.special.perm", " with exact=True")
    return evaluated(perm, _perm, N, k)


def _perm(N: Any, k: Any) -> Any:
    counted = (plain_values(k) <= plain_values(N)) & (plain_values(N) >= 0) & (plain_values(k) >= 0)
    return np.where(counted, _scipy.poch(N - k + 1, k), 0.0)


def _spherical(name: str, letter: str, equation: str, sign: int | None) -> Any:
    """A spherical Bessel function; ``sign`` is what even orders change by if the argument changes its sign."""

    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        if duals_in(n):
            raise no_rule(f"scipy.special.{name}", " in its first argument")
        if not duals_in(z):
            return getattr(_scipy, name)(n, z, derivative)
        return evaluated(function, composition, np.asarray(n, np.long), z, derivative=derivative)

    def composition(n: Any, z: Any, derivative: bool) -> Any:
        ufunc = SPECIAL.names[f"_{name}" + ("_d" if derivative else "")]
        negative = plain_values(z).real < 0
        if not np.any(negative) or np.iscomplexobj(z):
            return ufunc(n, z)
        if sign is None:
            return np.real(ufunc(n, z + 0j))
        factor = np.where(negative, sign * (-1.0) ** n * (-1 if derivative else 1), 1.0)
        return factor * ufunc(n, np.where(negative, -z, z))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {equation}, :math:`{letter}_n(z)`, or its derivative, as ``scipy.special.{name}``.

    Derivatives are those of the recurrence in n.

    Parameters
    ----------
    n : array_like of int
        Orders, not negative, and not differentiated.
    z : array_like
        Real or complex numbers.
    derivative : bool
        Whether to return the derivative in z.

    Returns
    -------
    array or number
        SciPy's value, bit for bit, with its tangent.

    Raises
    ------
    NoRuleError
        If n carries a tangent.

    Notes
    -----
    Two further evaluations, of the orders beside n.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy import special
    >>> slope = derivative(lambda z: special.{name}(1, z), 2.0)
    >>> bool(np.isclose(slope, special.{name}(1, 2.0, derivative=True), rtol=1e-14))
    True
    """
    return function


spherical_jn = _spherical("spherical_jn", "j", "spherical Bessel function of the first kind", 1)
spherical_yn = _spherical("spherical_yn", "y", "spherical Bessel function of the second kind", -1)
spherical_in = _spherical("spherical_in", "i", "modified spherical Bessel function of the first kind", 1)
spherical_kn = _spherical("spherical_kn", "k", "modified spherical Bessel function of the second kind", None)
