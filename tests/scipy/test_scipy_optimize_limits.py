"""Where the solutions of ``dualdiff.scipy.optimize`` have no derivative: NaN, and a warning that says why."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative, gradient, jacobian
from dualdiff.base.errors import NoRuleError, UndefinedDerivativeWarning

scipy_optimize = pytest.importorskip("scipy.optimize")

from dualdiff.scipy.optimize import fits, linear_optima, minima, roots  # noqa: E402 - needs SciPy

# SciPy's own warnings are not ours to test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::scipy.optimize.OptimizeWarning"),
]


def unknown(f, a, match):
    for mode in ("forward", "reverse"):
        with pytest.warns(UndefinedDerivativeWarning, match=match):
            found = jacobian(f, np.array([a]), mode=mode)
        assert np.all(np.isnan(found))


NO_DERIVATIVE = {
    "brentq": (
        lambda a: roots.brentq(lambda y: y**3 - a[0], 0.0, 9.0, maxiter=2, disp=False, full_output=True)[0],
        3.0,
        "converge",
    ),
    "newton": (lambda a: roots.newton(lambda y: y**3 - a[0], 9.0, maxiter=2, disp=False), 3.0, "converge"),
    "root_scalar": (
        lambda a: roots.root_scalar(lambda y: y**3 - a[0], bracket=(0, 9.0), maxiter=2).root,
        3.0,
        "converge",
    ),
    "fsolve": (lambda a: roots.fsolve(lambda y: y * y + a, [1.0]), 3.0, "converge"),
    "root": (lambda a: roots.root(lambda y: y * y + a, [1.0]).x, 3.0, "converge"),
    "a jump": (lambda a: roots.brentq(lambda y: np.where(y < a[0], -1.0, y), 0.0, 9.0), 3.0, "singular|jump"),
    "a jump, seen": (lambda a: roots.brentq(lambda y: np.where(y < a[0], y - 9, y), 0.0, 8.0), 3.0, "jump"),
    "a double root": (
        lambda a: roots.newton(lambda y: (y - a[0]) ** 2, a[0], fprime=lambda y: 2 * (y - a[0])),
        3.0,
        "singular",
    ),
    "singular": (
        lambda a: roots.fsolve(lambda y: [y[0] + y[1] - a[0], 2 * y[0] + 2 * y[1] - 2 * a[0]], [1.0, 1.0]),
        3.0,
        "singular",
    ),
    "minimize_scalar": (
        lambda a: minima.minimize_scalar(lambda y: (y - a[0]) ** 4, options={"maxiter": 2}).x,
        3.0,
        "converge",
    ),
    "a kink": (lambda a: minima.minimize_scalar(lambda y: np.abs(y - a[0]) + 0.1 * y * y).x, 0.3, "kink"),
    "minimize": (
        lambda a: minima.minimize(lambda x: np.sum((x - a) ** 4), [9.0], options={"maxiter": 2}).x,
        3.0,
        "converge",
    ),
    "flat": (lambda a: minima.minimize(lambda x: (x[0] + x[1] - a[0]) ** 2, [9.0, 1.0]).x, 3.0, "singular"),
    "weakly active": (
        lambda a: minima.minimize(lambda x: np.sum((x - a) ** 2), [1.0], bounds=[(3.0, 9.0)]).x,
        3.0,
        "weakly active",
    ),
    "least_squares": (lambda a: fits.least_squares(lambda x: x**3 - a, [9.0], max_nfev=2).x, 3.0, "converge"),
    "lsq_linear": (lambda a: linear_optima.lsq_linear(np.eye(1), a, (3.0, 9.0)).x, 3.0, "weakly active"),
    "nnls": (lambda a: linear_optima.nnls(np.eye(1), a)[0], 0.0, "weakly active"),
    "linprog, many": (lambda a: linear_optima.linprog([1.0, 1.0], A_eq=[[1.0, 1.0]], b_eq=a).x, 3.0, "not unique"),
    "linprog, degenerate": (
        lambda a: linear_optima.linprog([-1.0], [[1.0], [1.0]], [a[0], 3.0]).x,
        3.0,
        "degenerate",
    ),
}


@pytest.mark.parametrize("name", NO_DERIVATIVE)
def test_nan_where_there_is_no_derivative(name):
    unknown(*NO_DERIVATIVE[name])


def test_only_the_elements_that_did_not_converge_are_unknown():
    def f(a):
        return roots.newton(lambda y: y**3 - a, np.array([1.0, 900.0]), lambda y: 3 * y**2, maxiter=8, disp=False)

    with pytest.warns(UndefinedDerivativeWarning, match="converge"):
        found = jacobian(f, np.array([1.1, 2.0]))
    assert found[0, 0] == pytest.approx(1.1 ** (-2 / 3) / 3)
    assert found[0, 1] == 0
    assert np.isnan(found[1, 1])


def test_estimates_of_the_method_have_no_derivative():
    def spread(a):
        return minima.minimize(
            lambda x: a * np.sum(x**2) - x[0], [1.0, 1.0], jac=lambda x: 2 * a * x - [1.0, 0.0]
        ).hess_inv[0, 0]

    assert np.isnan(derivative(spread, 2.0))


def test_an_operator_is_refused():
    operator = pytest.importorskip("scipy.sparse.linalg").aslinearoperator(np.eye(2))
    with pytest.raises(NoRuleError, match="LinearOperator"):
        jacobian(lambda b: linear_optima.lsq_linear(operator, b).x, np.ones(2))


def test_the_error_of_the_gradient_is_that_of_the_value_function():
    # By the envelope theorem the optimal value has the partial derivative of the objective.
    def value(a):
        return minima.minimize(lambda x: np.cosh(x[0] - a) + a * x[0], [0.1], tol=1e-10).fun

    a = 0.3
    x = scipy_optimize.minimize(lambda x: np.cosh(x[0] - a) + a * x[0], [0.1], tol=1e-10).x[0]
    assert gradient(lambda a: value(a[0]), np.array([a])) == pytest.approx(-np.sinh(x - a) + x, rel=1e-7)
