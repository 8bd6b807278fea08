"""``scipy.special`` for duals: all of it, with derivatives.

The ufuncs of ``scipy.special`` take duals themselves.  The other functions that do not are replaced here by versions
that do, with SciPy's signatures and values; every other name is SciPy's own, so that ``from dualdiff.scipy import
special`` replaces ``from scipy import special``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import axes_of, duals_in, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy, without_rule

_scipy = load("scipy.special", "scipy", "dualdiff.scipy.special")

from dualdiff.rules.scipy.special import SPECIAL  # noqa: E402 - needs SciPy

__all__ = [
    *("comb", "factorial", "log_softmax", "logsumexp", "multigammaln", "perm", "polygamma", "softmax"),
    *("spherical_in", "spherical_jn", "spherical_kn", "spherical_yn"),
]


def __getattr__(name: str) -> Any:
    result = getattr(_scipy, name)
    # A MultiUFunc wraps several ufuncs, and does not take duals.
    return without_rule(_scipy, name) if type(result).__name__ == "MultiUFunc" else result


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_scipy)})


# -- sums of exponentials ----------------------------------------------------------------------------------------------
def _flattened(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes merged into a single last one."""
    rest = [i for i in range(np.ndim(a)) if i not in axes]
    return np.reshape(np.transpose(a, (*rest, *axes)), (*(np.shape(a)[i] for i in rest), -1))


def _finite_maximum(x: Any, axis: Any) -> Any:
    """The maximum of the values along axes, which are kept; 0 if it is infinite."""
    largest = np.max(plain_values(x).real, axis=axis, keepdims=True)
    return np.where(np.isfinite(largest), largest, 0.0).astype(largest.dtype)


@over_scipy("a", "b", module="scipy.special")
def logsumexp(
    value: Any, a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    r"""The logarithm of a sum of exponentials, :math:`\log \sum_i b_i e^{a_i}`.

    Its tangent is :math:`\sum_i w_i (da_i + db_i / b_i)` with the weights :math:`w_i = b_i e^{a_i} / \sum_j b_j
    e^{a_j}`.  If the result is infinite because of an infinite a, the first of the largest a has the weight 1.

    Args:
        a (array_like): The exponents, real or complex.
        axis (None, int or tuple of int): The axes to sum along; by default all.
        b (array_like, optional): Factors that broadcast against a.
        keepdims (bool): Whether to keep the axes, with length one.
        return_sign (bool): Whether to return the logarithm of the absolute value and the sign (for complex arguments
            the phase).
    Returns:
        float or array, or a pair of them: The logarithm, and with ``return_sign`` the sign.
    Notes:
        The cost of SciPy's function and of one softmax.
    Examples:
        >>> gradient(special.logsumexp, np.array([0.0, 1.0, 2.0])).round(4)
        array([0.09  , 0.2447, 0.6652])
    """
    return evaluated(value, lambda a, b: _logsumexp(a, axis, b, keepdims, return_sign), a, b)


def _logsumexp(a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    shape = np.broadcast_shapes(np.shape(a), np.shape(b)) if b is not None else np.shape(a)
    # SciPy accepts the axis of a scalar.
    axes = axes_of(axis, len(shape)) if shape else ()
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    out_shape = kept if keepdims else tuple(n for i, n in enumerate(shape) if i not in axes)
    a = _flattened(np.broadcast_to(a, shape), axes)
    exponents = plain_values(a).real
    if b is not None:
        b = _flattened(np.broadcast_to(b, shape), axes)
        # A term with the factor 0 is not part of the sum, even if its exponential is infinite.
        hidden = plain_values(b) == 0
        if isinstance(b, AnyDual):
            hidden &= np.isinf(exponents)
        a, exponents = np.where(hidden, -np.inf, a), np.where(plain_values(b) == 0, -np.inf, exponents)
    largest = np.max(exponents, axis=-1, keepdims=True)
    finite = np.isfinite(largest)
    powers = np.exp(a - np.where(finite, largest, 0.0).astype(exponents.dtype))
    total = np.sum(powers if b is None else b * powers, axis=-1)
    sign = np.sign(total)
    # An infinite sum equals its largest term.
    term = np.take_along_axis(a, np.argmax(exponents, axis=-1, keepdims=True), axis=-1)[..., 0]
    result = np.where(finite[..., 0], np.log(np.abs(total) if return_sign else total), term)
    return (
        (np.reshape(result, out_shape), np.reshape(sign, out_shape)) if return_sign else np.reshape(result, out_shape)
    )


@over_scipy("x", module="scipy.special")
def softmax(value: Any, x: Any, axis: Any = None) -> Any:
    r"""The softmax function, :math:`s_i = e^{x_i} / \sum_j e^{x_j}`, with :math:`ds_i = s_i (dx_i - \sum_j s_j dx_j)`.

    Args:
        x (array_like): The logits.
        axis (None, int or tuple of int): The axes to sum along; by default all.
    Returns:
        array: Shaped like x.
    Notes:
        One call of SciPy's function, and for duals a few operations on arrays shaped like x.
    Examples:
        >>> jacobian(special.softmax, np.array([0.0, 0.0]))
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])
    """

    def composed(x: Any) -> Any:
        powers = np.exp(x - _finite_maximum(x, axis))
        return powers / np.sum(powers, axis=axis, keepdims=True)

    return evaluated(value, composed, x)


@over_scipy("x", module="scipy.special")
def log_softmax(value: Any, x: Any, axis: Any = None) -> Any:
    r"""The logarithm of softmax, :math:`x_i - \log \sum_j e^{x_j}`, with the tangent :math:`dx_i - \sum_j s_j dx_j`.

    Args:
        x (array_like): The logits.
        axis (None, int or tuple of int): The axes to sum along; by default all.
    Returns:
        array: Shaped like x.
    Notes:
        One call of SciPy's function, and for duals a few operations on arrays shaped like x.
    Examples:
        >>> jacobian(special.log_softmax, np.array([0.0, 0.0]))
        array([[ 0.5, -0.5],
               [-0.5,  0.5]])
    """

    def composed(x: Any) -> Any:
        shifted = x - _finite_maximum(x, axis)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))

    return evaluated(value, composed, x)


# -- gamma functions ---------------------------------------------------------------------------------------------------
@over_scipy("n", "x", module="scipy.special")
def polygamma(value: Any, n: Any, x: Any) -> Any:
    r"""The n-th derivative of the digamma function, :math:`\psi^{(n)}(x)`, with :math:`\psi^{(n+1)}` as its derivative.

    Args:
        n (array_like of int): The orders, which are not differentiated.
        x (array_like): The real arguments.
    Returns:
        float or array: :math:`\psi^{(n)}(x)`.
    Raises:
        dualdiff.NoRuleError: If n carries a tangent.
    Notes:
        One more evaluation of the zeta function.
    Examples:
        >>> print(derivative(lambda x: special.polygamma(1, x), 2.0).round(9))
        -0.404113806
    """
    _constant_order("polygamma", n)

    def composed(n: Any, x: Any) -> Any:
        n = np.asarray(n)
        higher = SPECIAL.names["polygamma"](np.where(n == 0, 1, n), x)
        return np.where(n == 0, _scipy.psi(x), higher)

    return evaluated(value, composed, n, x)


def _constant_order(name: str, n: Any) -> None:
    if duals_in(n):
        raise no_rule(f"scipy.special.{name}", " with respect to its first argument")


@over_scipy("a", module="scipy.special")
def multigammaln(value: Any, a: Any, d: Any) -> Any:
    r"""The logarithm of the multivariate gamma function, with the derivative :math:`\sum_{j=0}^{d-1} \psi(a - j/2)`.

    Args:
        a (array_like): Arguments greater than (d - 1) / 2.
        d (int): The dimension.
    Returns:
        float or array: Shaped like a.
    Raises:
        ValueError: If d is not an integer, or a is too small.
    Notes:
        d evaluations of the digamma function.
    Examples:
        >>> print(derivative(lambda a: special.multigammaln(a, 2), 3.0).round(9))
        1.625940976
    """
    return evaluated(value, lambda a: sum(_scipy.gammaln(a - j / 2) for j in range(int(d))), a)


# -- combinatorics -----------------------------------------------------------------------------------------------------
def _not_exact(name: str, exact: bool) -> None:
    if exact:
        raise no_rule(f"scipy.special.{name}", " with exact=True")


def _counted(N: Any, k: Any) -> Any:
    """Whether the count is not 0 by definition: 0 <= k <= N."""
    return (plain_values(k) <= plain_values(N)) & (plain_values(N) >= 0) & (plain_values(k) >= 0)


@over_scipy("n", module="scipy.special")
def factorial(value: Any, n: Any, exact: bool = False, extend: str = "zero") -> Any:
    r"""The factorial :math:`n! = \Gamma(n + 1)`, with the derivative :math:`\Gamma(n + 1)\, \psi(n + 1)`.

    Args:
        n (array_like): The arguments.
        exact (bool): Whether to compute in integers, which carry no tangent.
        extend ({"zero", "complex"}): Whether the factorial of negative n is 0, or that of the gamma function.
    Returns:
        float or array: Shaped like n.
    Raises:
        dualdiff.NoRuleError: If n carries a tangent and ``exact`` is set.
    Notes:
        The cost of the gamma and digamma functions.
    Examples:
        >>> print(derivative(special.factorial, 3.0).round(9))
        7.536706011
    """
    _not_exact("factorial", exact)

    def composed(n: Any) -> Any:
        result = _scipy.gamma(n + 1.0)
        return result if extend == "complex" else np.where(plain_values(n) < 0, 0.0, result)

    return evaluated(value, composed, n)


@over_scipy("N", "k", module="scipy.special")
def comb(value: Any, N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    r"""The number of combinations :math:`\binom{N}{k}`, which is 0 for k > N and for negative arguments.

    Its derivatives are those of ``scipy.special.binom``.

    Args:
        N, k (array_like): The number of objects, and how many are chosen.
        exact (bool): Whether to compute in integers, which carry no tangent.
        repetition (bool): Whether to count combinations with repetition.
    Returns:
        float or array: Of the shape that N and k broadcast to.
    Raises:
        dualdiff.NoRuleError: If an argument carries a tangent and ``exact`` is set.
    Notes:
        Two evaluations of binom, and a difference of digamma functions.
    Examples:
        >>> derivative(lambda n: special.comb(n, 2), 4.0).round(9)    # n (n - 1) / 2
        np.float64(3.5)
    """
    _not_exact("comb", exact)

    def composed(N: Any, k: Any) -> Any:
        N = N + k - 1 if repetition else N
        return np.where(_counted(N, k), _scipy.binom(N, k), 0.0)

    return evaluated(value, composed, N, k)


@over_scipy("N", "k", module="scipy.special")
def perm(value: Any, N: Any, k: Any, exact: bool = False) -> Any:
    r"""The number of permutations :math:`N! / (N - k)!`, which is 0 for k > N and for negative arguments.

    Its derivatives are those of ``scipy.special.poch``.

    Args:
        N, k (array_like): The number of objects, and how many are chosen.
        exact (bool): Whether to compute in integers, which carry no tangent.
    Returns:
        float or array: Of the shape that N and k broadcast to.
    Raises:
        dualdiff.NoRuleError: If an argument carries a tangent and ``exact`` is set.
    Notes:
        Two evaluations of poch, and a difference of digamma functions.
    Examples:
        >>> derivative(lambda n: special.perm(n, 2), 4.0).round(9)    # n (n - 1)
        np.float64(7.0)
    """
    _not_exact("perm", exact)
    return evaluated(value, lambda N, k: np.where(_counted(N, k), _scipy.poch(N - k + 1, k), 0.0), N, k)


# -- spherical Bessel functions ----------------------------------------------------------------------------------------
def _spherical(name: str, letter: str, equation: str, sign: int | None) -> Any:
    """A spherical Bessel function; ``sign`` is the parity of its even orders, None if negative z needs complex z."""

    def function(value: Any, n: Any, z: Any, derivative: bool = False) -> Any:
        _constant_order(name, n)

        def composed(n: Any, z: Any) -> Any:
            ufunc = SPECIAL.names[f"_{name}" + ("_d" if derivative else "")]
            negative = plain_values(z).real < 0
            if not np.any(negative) or np.iscomplexobj(z):
                return ufunc(n, z)
            if sign is None:
                return np.real(ufunc(n, z + 0j))
            factor = np.where(negative, sign * (-1.0) ** n * (-1 if derivative else 1), 1.0)
            return factor * ufunc(n, np.where(negative, -z, z))

        return evaluated(value, composed, np.asarray(n, np.long), z)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The {equation}, :math:`{letter}_n(z)`, or its derivative.

    Its derivatives come from the recurrence in n.

    Args:
        n (array_like of int): The nonnegative orders, which are not differentiated.
        z (array_like): The real or complex arguments.
        derivative (bool): Whether to return the derivative with respect to z.
    Returns:
        float, complex or array: Of the shape that n and z broadcast to.
    Raises:
        dualdiff.NoRuleError: If n carries a tangent.
    Notes:
        Two further evaluations, of the neighbouring orders.
    Examples:
        >>> slope = derivative(lambda z: special.{name}(1, z), 2.0)
        >>> bool(np.isclose(slope, special.{name}(1, 2.0, derivative=True), rtol=1e-14))
        True
    """
    return over_scipy("n", "z", module="scipy.special")(function)


spherical_jn: Callable[..., Any] = _spherical("spherical_jn", "j", "spherical Bessel function of the first kind", 1)
spherical_yn: Callable[..., Any] = _spherical("spherical_yn", "y", "spherical Bessel function of the second kind", -1)
spherical_in: Callable[..., Any] = _spherical(
    "spherical_in", "i", "modified spherical Bessel function of the first kind", 1
)
spherical_kn: Callable[..., Any] = _spherical(
    "spherical_kn", "k", "modified spherical Bessel function of the second kind", None
)
