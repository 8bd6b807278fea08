"""``scipy.integrate``: integrals of functions of arrays of points, which SciPy has since version 1.15."""

from __future__ import annotations

import itertools
from importlib.metadata import version
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.integrate.double_exponential import Sizes, exceeds
from dualdiff.scipy.integrate.quadrature import EXACT, integral_of
from dualdiff.scipy.solving.equations import no_derivative, revalued, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, values_of

_scipy = load("scipy.integrate", "scipy", "dualdiff.scipy.integrate")

#: The orders of the two product rules that are compared, by the number of dimensions; more dimensions take the last.
ORDERS = ((21, 15), (14, 10), (10, 8), (6, 5))


def _of_scipy(name: str) -> Any:
    """SciPy's function, or an error if this SciPy is too old."""
    function = getattr(_scipy, name, None)
    if function is None:
        raise AttributeError(f"scipy.integrate.{name} needs SciPy 1.15 or later, and {version('scipy')} is installed")
    return function


def _signed(ours: Any) -> Any:
    """The function with SciPy's signature; where SciPy lacks it, without examples."""
    scipys = getattr(_scipy, ours.__name__, None)
    if scipys is not None:
        return signed_as(scipys)(ours)
    ours.__doc__ = (ours.__doc__ or "").split("    Examples")[0]
    return ours


@_signed
def tanhsinh(
    f: Any, a: Any, b: Any, *, args: Any = (), log: Any = False, preserve_shape: Any = False, **options: Any
) -> Any:
    r"""The integral of an elementwise function between limits, as ``scipy.integrate.tanhsinh``.

    .. math:: d \int_a^b f\, dx = \int_a^b df\, dx + f(b)\, db - f(a)\, da

    Parameters
    ----------
    f : callable
        The integrand; it may depend on duals through ``args`` or variables that it closes over.
    a, b : array_like
        The limits, which may be duals, or infinite.
    args : tuple
        Further arguments of f, which broadcast against the limits.
    log, preserve_shape, ...
        As in SciPy.

    Returns
    -------
    object
        As SciPy's, with the derivative in ``integral``.

    Raises
    ------
    AttributeError
        If SciPy is older than 1.15.
    NoRuleError
        For duals with ``log=True`` or ``preserve_shape=True``.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: SciPy did not converge, or the derivative of the integrand is too irregular.

    Notes
    -----
    The integrand is evaluated by SciPy, and then, for each integral, at some 50 points on duals.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import tanhsinh
    >>> print(round(derivative(lambda a: tanhsinh(lambda x: np.exp(-a * x), 0.0, np.inf).integral, 2.0), 9))
    -0.25
    """
    function = Stripped(f, args)
    options |= {"log": log, "preserve_shape": preserve_shape}
    result = _of_scipy("tanhsinh")(function.plain, values_of(a), values_of(b), args=function.plain_args, **options)
    duals = [*function.duals, *duals_in((a, b))]
    if not duals:
        return result
    if log or preserve_shape:
        raise no_rule("scipy.integrate.tanhsinh with log= or preserve_shape=")
    shape = np.shape(result.integral)
    full = [np.ravel(np.broadcast_to(operand(x), shape)) for x in (a, b, *function.args)]
    values, errors, good = (np.ravel(x) for x in (result.integral, result.error, result.success))
    parts = []
    for i, value in enumerate(values):
        low, high, *given = (x[i] for x in full)
        if not good[i]:
            no_derivative("tanhsinh", "SciPy did not converge")
            parts.append(unknown(value, *duals))
            continue
        integrand = lambda x, given=given: f(x, *given)  # noqa: E731
        parts.append(integral_of("tanhsinh", value, integrand, low, high, (), None, errors[i], duals))
    whole = np.reshape(np.stack(parts), shape)
    result.integral = revalued(whole if shape else whole[()], result.integral)
    return result


@_signed
def cubature(f: Any, a: Any, b: Any, *, args: Any = (), points: Any = None, **options: Any) -> Any:
    r"""The integral of an array-valued function over a box, as ``scipy.integrate.cubature``.

    Parameters
    ----------
    f : callable
        The integrand of an array of points, of shape (n, dimensions); it may depend on duals through ``args`` or
        variables that it closes over.
    a, b : array_like
        The corners of the box, which may be duals.
    args : tuple
        Further arguments of f.
    rule, rtol, atol, max_subdivisions, workers, points
        As in SciPy.

    Returns
    -------
    object
        As SciPy's, with the derivative in ``estimate``.

    Raises
    ------
    AttributeError
        If SciPy is older than 1.15.
    NoRuleError
        For duals with infinite limits: use `nquad`.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: SciPy did not converge, or the derivative of the integrand is too irregular for the
        regions that SciPy divided the box into.

    Notes
    -----
    The integrand is called twice more, on duals, with the points of product Gauss rules in all regions.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.integrate import cubature
    >>> f = lambda x, a: np.exp(-a * x[:, 0]) * x[:, 1]
    >>> print(round(derivative(lambda a: cubature(f, [0, 0], [1, 2], args=(a,)).estimate, 2.0), 9))
    -0.296997075
    """
    function = Stripped(f, args)
    result = _of_scipy("cubature")(
        function.plain, values_of(a), values_of(b), args=function.plain_args, points=points, **options
    )
    duals = [*function.duals, *duals_in((a, b))]
    if not duals:
        return result
    a, b = np.broadcast_arrays(*(np.atleast_1d(operand(x)) for x in (a, b)))
    low, high = plain_values(a), plain_values(b)
    if not np.all(np.isfinite(low) & np.isfinite(high)):
        raise no_rule("scipy.integrate.cubature with infinite limits", " (use nquad)")
    sizes = Sizes(duals)
    fine, coarse = (_product_rule(function, result.regions, a, b, order) for order in ORDERS[min(len(low), 4) - 1])
    reason = ""
    if result.status != "converged":
        reason = "SciPy did not converge"
    elif exceeds(sizes(fine - coarse), EXACT, sizes(fine)) or not np.allclose(
        plain_values(fine), result.estimate, EXACT, 10 * np.max(np.abs(result.error), initial=0.0)
    ):
        reason = "the integrand, or its derivative, is too irregular for the regions that SciPy found"
    if reason:
        no_derivative("cubature", reason)
    result.estimate = unknown(result.estimate, *duals) if reason else revalued(fine, result.estimate)
    return result


def _product_rule(function: Stripped, regions: Any, a: Any, b: Any, order: int) -> Any:
    """The sum over all regions, as a function of the corners of the box, in which the regions keep their place."""
    low, high = plain_values(a), plain_values(b)
    nodes, weights = np.polynomial.legendre.leggauss(order)
    grid = np.array(list(itertools.product(nodes, repeat=len(low))))
    factors = np.prod(np.array(list(itertools.product(weights, repeat=len(low)))), axis=1)
    start, end = (np.array([getattr(r, side) for r in regions])[:, None, :] for side in "ab")
    width = np.where(high == low, 1.0, high - low)
    # SciPy orders the ends of each side.
    places = np.reshape((0.5 * (start + end) + 0.5 * (end - start) * grid - low) / width, (-1, len(low)))
    shares = np.ravel(np.prod(0.5 * (end - start), axis=-1) / np.prod(np.abs(width)) * factors)
    values = operand(function.f(a + places * (b - a), *function.args))
    return np.tensordot(shares, values, 1) * np.prod(b - a)
