"""``scipy.optimize``: roots and fixed points, differentiated at the solution."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.scipy.solving.equations import implicit, unknown
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import Stripped, stripped, values_of

_scipy = load("scipy.optimize", "scipy", "dualdiff.scipy.optimize")

_NOTES = """

    Returns
    -------
    as ``scipy.optimize.{name}``
        SciPy's value, bit for bit.  If f depends on duals, through its arguments or variables that it closes over, the
        root carries its derivative, :math:`dy = -(\\partial f / \\partial y)^{{-1}} df`, which does not depend on the
        starting point.

    Raises
    ------
    as SciPy
        For invalid arguments, and if the method does not converge.

    Warns
    -----
    UndefinedDerivativeWarning
        If the derivative is NaN: the result is not a solution, or the Jacobian is singular there.

    Notes
    -----
    f runs on plain values until the root is found, then once more there for its derivative with respect to the
    unknowns, and once on duals for each order of differentiation.

    Examples
    --------
"""


def _documented(name: str, text: str, example: str) -> Callable[[Any], Any]:
    """Decorate a function to have SciPy's signature, and a docstring."""
    solver = getattr(_scipy, name)

    def decorate(function: Any) -> Any:
        function.__doc__ = text + _NOTES.format(name=name) + example
        return signed_as(solver)(function)

    return decorate


def _bracketing(name: str) -> Any:
    solver = getattr(_scipy, name)

    def find(f: Any, a: Any, b: Any, args: Any, rest: Any, full_output: bool, disp: bool) -> Any:
        if not callable(f):
            return solver(f, a, b, args, *rest, full_output, disp)
        function = Stripped(f, args)
        needs_output = full_output or not disp
        result = solver(function.plain, values_of(a), values_of(b), function.plain_args, *rest, needs_output, disp)
        root, results = result if needs_output else (result, None)
        if function.duals:
            converged = results is None or results.converged
            root = implicit(name, *function.sides(), root, converged, function.duals)
            if results is not None:
                results.root = root
        return (root, results) if full_output else root

    return find


_find = {name: _bracketing(name) for name in ("brentq", "brenth", "ridder", "bisect", "toms748")}


def _four(name: str, described: str) -> Any:
    find = _find[name]

    @_documented(
        name,
        f"A root of f in the interval from a to b, by {described}, as ``scipy.optimize.{name}``.",
        f"""    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import {name}
    >>> print(round(derivative(lambda a: {name}(lambda y: y * y - a, 0.0, 9.0), 4.0), 9))
    0.25
    """,
    )
    def function(
        f: Any,
        a: Any,
        b: Any,
        args: Any = (),
        xtol: Any = None,
        rtol: Any = None,
        maxiter: Any = 100,
        full_output: bool = False,
        disp: bool = True,
    ) -> Any:
        return find(f, a, b, args, (xtol, rtol, maxiter), full_output, disp)

    function.__name__ = function.__qualname__ = name
    return function


brentq: Callable[..., Any] = _four("brentq", "Brent's method")
brenth: Callable[..., Any] = _four("brenth", "Brent's method with hyperbolic extrapolation")
ridder: Callable[..., Any] = _four("ridder", "Ridder's method")
bisect: Callable[..., Any] = _four("bisect", "bisection")


@_documented(
    "toms748",
    "A root of f in the interval from a to b, by algorithm 748 of Alefeld, Potra and Shi, as in ``scipy.optimize``.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import toms748
    >>> print(round(derivative(lambda a: toms748(lambda y: y * y - a, 0.0, 9.0), 4.0), 9))
    0.25
    """,
)
def toms748(
    f: Any,
    a: Any,
    b: Any,
    args: Any = (),
    k: Any = 1,
    xtol: Any = None,
    rtol: Any = None,
    maxiter: Any = 100,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    return _find["toms748"](f, a, b, args, (k, xtol, rtol, maxiter), full_output, disp)


@_documented(
    "newton",
    "A root of f near x0, by Newton's, Halley's or the secant method, as ``scipy.optimize.newton``; for arrays,"
    "\n    element by element.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import newton
    >>> print(round(derivative(lambda a: newton(lambda y: y * y - a, 1.0), 4.0), 9))
    0.25
    """,
)
def newton(
    func: Any,
    x0: Any,
    fprime: Any = None,
    args: Any = (),
    tol: Any = 1.48e-8,
    maxiter: Any = 50,
    fprime2: Any = None,
    x1: Any = None,
    rtol: Any = 0.0,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    function = Stripped(func, args)
    result = _scipy.newton(
        function.plain,
        values_of(x0),
        stripped(fprime),
        function.plain_args,
        tol,
        maxiter,
        stripped(fprime2),
        values_of(x1),
        rtol,
        full_output=True,
        disp=disp,
    )
    root, converged = (result[0], result[1].converged) if len(result) == 2 else (result.root, result.converged)
    if function.duals:
        root = implicit("newton", *function.sides(), root, converged, function.duals)
        if len(result) == 2:
            result[1].root = root
            result = root, result[1]
        else:
            result = result._replace(root=root)
    return result if full_output else root


def _first(f: Callable[[Any], Any], y: Any) -> Any:
    """The value of a function that may return its derivatives as well."""
    result = f(y)
    return result[0] if isinstance(result, tuple) else result


@_documented(
    "root_scalar",
    "A root of f, by the method that suits the arguments, as ``scipy.optimize.root_scalar``.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import root_scalar
    >>> print(round(derivative(lambda a: root_scalar(lambda y: y * y - a, bracket=(0.0, 9.0)).root, 4.0), 9))
    0.25
    """,
)
def root_scalar(
    f: Any,
    args: Any = (),
    method: Any = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    xtol: Any = None,
    rtol: Any = None,
    maxiter: Any = None,
    options: Any = None,
) -> Any:
    function = Stripped(f, args)
    result = _scipy.root_scalar(
        function.plain,
        function.plain_args,
        method,
        values_of(bracket),
        stripped(fprime),
        stripped(fprime2),
        values_of(x0),
        values_of(x1),
        xtol,
        rtol,
        maxiter,
        options,
    )
    if function.duals:
        result.root = implicit("root_scalar", *function.sides(_first), result.root, result.converged, function.duals)
    return result


@_documented(
    "fsolve",
    "A root of a system of equations, by MINPACK's hybrid method, as ``scipy.optimize.fsolve``.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import fsolve
    >>> print(derivative(lambda a: fsolve(lambda y: [y[0] * y[1] - a, y[0] - y[1]], [1.0, 1.0]), 4.0).round(9))
    [0.25 0.25]
    """,
)
def fsolve(
    func: Any,
    x0: Any,
    args: Any = (),
    fprime: Any = None,
    full_output: Any = 0,
    col_deriv: Any = 0,
    xtol: Any = 1.49012e-8,
    maxfev: Any = 0,
    band: Any = None,
    epsfcn: Any = None,
    factor: Any = 100,
    diag: Any = None,
) -> Any:
    function = Stripped(func, args)
    x, info, status, message = _scipy.fsolve(
        function.plain,
        values_of(x0),
        function.plain_args,
        stripped(fprime),
        1,
        *(col_deriv, xtol, maxfev, band, epsfcn, factor, diag),
    )
    if not full_output and status != 1:
        # As SciPy, if the status is not returned.
        if status not in (2, 3, 4, 5):
            raise TypeError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    if function.duals:
        x = implicit("fsolve", *function.sides(), x, status == 1, function.duals)
        for key in ("fjac", "r", "qtf"):
            info[key] = unknown(info[key], x)
    return (x, info, status, message) if full_output else x


@_documented(
    "root",
    "A root of a system of equations, by the given method, as ``scipy.optimize.root``.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import root
    >>> print(derivative(lambda a: root(lambda y: [y[0] * y[1] - a, y[0] - y[1]], [1.0, 1.0]).x, 4.0).round(9))
    [0.25 0.25]
    """,
)
def root(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: Any = "hybr",
    jac: Any = None,
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    function = Stripped(fun, args)
    result = _scipy.root(
        function.plain, values_of(x0), function.plain_args, method, stripped(jac), tol, callback, options
    )
    if not function.duals:
        return result
    result.x = implicit("root", *function.sides(_first), result.x, result.success, function.duals)
    for key in ("fjac", "r", "qtf"):
        if key in result:
            result[key] = unknown(result[key], result.x)
    return result


@_documented(
    "fixed_point",
    "An x with x = func(x), as ``scipy.optimize.fixed_point``.",
    """    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.optimize import fixed_point
    >>> print(round(derivative(lambda a: fixed_point(lambda y: 0.5 * (y + a / y), 1.0), 4.0), 9))
    0.25
    """,
)
def fixed_point(func: Any, x0: Any, args: Any = (), xtol: Any = 1e-8, maxiter: Any = 500, method: Any = "del2") -> Any:
    function = Stripped(func, args)
    result = _scipy.fixed_point(function.plain, values_of(x0), function.plain_args, xtol, maxiter, method)
    if not function.duals:
        return result

    return implicit("fixed_point", *function.sides(_moved), np.asarray(result)[()], True, function.duals)


def _moved(f: Callable[[Any], Any], y: Any) -> Any:
    return y - operand(f(y))
