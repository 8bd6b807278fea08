"""``dualdiff.scipy.optimize``: solutions as functions of the data, against closed forms."""

from __future__ import annotations

import functools
import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, jvp, value_and_jacobian
from dualdiff.base.errors import UndefinedDerivativeWarning
from tests.support.against import Probes

scipy_optimize = pytest.importorskip("scipy.optimize")

from dualdiff.scipy.optimize import fits, linear_optima, minima, roots  # noqa: E402 - needs SciPy

OURS = SimpleNamespace(
    **{
        name: getattr(module, name)
        for module, names in (
            (roots, "brentq brenth ridder bisect toms748 newton root_scalar fsolve root fixed_point"),
            (minima, "minimize_scalar minimize"),
            (fits, "least_squares curve_fit"),
            (linear_optima, "lsq_linear nnls linprog"),
        )
        for name in names.split()
    }
)

#: Each function: f(module, p) with SciPy's module or ours, the closed form, and how exact the solver is.
PROBES = probe = Probes()


def square_root(p):
    return np.sqrt(p[1] / p[0])


for _name in ("brentq", "brenth", "ridder", "bisect", "toms748"):

    @probe(_name, square_root, [2.0, 3.0])
    def _bracketed(so, p, name=_name):
        return getattr(so, name)(lambda y: p[0] * y * y - p[1], 0.0, 9.0)

    @probe(f"{_name}, args and output", square_root, [2.0, 3.0])
    def _with_args(so, p, name=_name):
        root, results = getattr(so, name)(lambda y, a, b: a * y * y - b, 0.0, 9.0, args=tuple(p), full_output=True)
        assert results.root is root
        return root


for _method in ("bisect", "brentq", "brenth", "ridder", "toms748"):

    @probe(f"root_scalar {_method}", square_root, [2.0, 3.0])
    def _scalar(so, p, method=_method):
        return so.root_scalar(lambda y: p[0] * y * y - p[1], method=method, bracket=(0.0, 9.0)).root


@probe("newton", square_root, [2.0, 3.0])
def _newton(so, p):
    return so.newton(lambda y: p[0] * y * y - p[1], 1.0, fprime=lambda y: 2 * p[0] * y)


@probe("newton, secant", square_root, [2.0, 3.0])
def _secant(so, p):
    return so.newton(lambda y: p[0] * y * y - p[1], 1.0)


@probe("newton, Halley", square_root, [2.0, 3.0])
def _halley(so, p):
    return so.newton(lambda y: p[0] * y * y - p[1], 1.0, lambda y: 2 * p[0] * y, fprime2=lambda y: 2 * p[0])


@probe("newton, array", lambda p: p ** (1 / 3), [2.0, 3.0, 4.0])
def _elementwise(so, p):
    return so.newton(lambda y: y**3 - p, np.ones(3), lambda y: 3 * y**2)


@probe("newton, complex", lambda p: np.abs(np.sqrt(-p[0] + 0j)), [2.0])
def _complex(so, p):
    return np.abs(so.newton(lambda y: y * y + p[0], 1j, fprime=lambda y: 2 * y))


@probe("root_scalar newton, derivatives in one", square_root, [2.0, 3.0])
def _together(so, p):
    return so.root_scalar(lambda y: (p[0] * y * y - p[1], 2 * p[0] * y), x0=1.0, fprime=True).root


@probe("root_scalar secant", square_root, [2.0, 3.0])
def _scalar_secant(so, p):
    return so.root_scalar(lambda y: p[0] * y * y - p[1], x0=1.0, x1=1.5, method="secant").root


@probe("root_scalar halley", square_root, [2.0, 3.0])
def _scalar_halley(so, p):
    return so.root_scalar(
        lambda y: p[0] * y * y - p[1], x0=1.0, fprime=lambda y: 2 * p[0] * y, fprime2=lambda y: 2 * p[0]
    ).root


def system(y, p):
    return [y[0] ** 2 - p[0], y[1] + 0.3 * y[0] - p[1]]


def system_solution(p):
    return np.stack([np.sqrt(p[0]), p[1] - 0.3 * np.sqrt(p[0])])


@probe("fsolve", system_solution, [2.0, 3.0])
def _fsolve(so, p):
    return so.fsolve(lambda y: system(y, p), [1.0, 1.0])


@probe("fsolve, args and output", system_solution, [2.0, 3.0])
def _fsolve_output(so, p):
    return so.fsolve(system, [1.0, 1.0], args=(p,), full_output=True)[0]


for _method in ("hybr", "lm", "broyden1", "broyden2", "anderson", "diagbroyden", "krylov", "df-sane"):

    @probe(f"root {_method}", system_solution, [2.0, 3.0], 1e-5)
    def _root(so, p, method=_method):
        return so.root(lambda y: np.stack(system(y, p)), [1.3, 2.5], method=method, tol=1e-10).x


@probe("root, Jacobian in one", system_solution, [2.0, 3.0])
def _root_jac(so, p):
    return so.root(lambda y: (np.stack(system(y, p)), np.array([[2 * y[0], 0.0], [0.3, 1.0]])), [1.0, 1.0], jac=True).x


@probe("root, many unknowns", lambda p: np.cbrt(np.arange(1.0, 81.0) * p[0]), [2.0], 1e-7)
def _root_many(so, p):
    return so.root(lambda y: y**3 - np.arange(1.0, 81.0) * p[0], np.full(80, 3.0)).x


@probe("fixed_point", lambda p: np.sqrt(p[0]), [2.0])
def _fixed(so, p):
    return so.fixed_point(lambda y: 0.5 * (y + p[0] / y), 1.0)


@probe("fixed_point, array", system_solution, [2.0, 3.0], 1e-7)
def _fixed_array(so, p):
    return so.fixed_point(
        lambda y: np.stack([0.5 * (y[0] + p[0] / y[0]), p[1] - 0.3 * y[0]]), np.array([1.0, 2.0]), xtol=1e-12
    )


# -- minima ------------------------------------------------------------------------------------------------------------
for _options in ({}, {"method": "golden"}, {"bounds": (0.0, 5.0), "method": "bounded"}, {"bracket": (0.5, 2.0)}):

    @probe(f"minimize_scalar {_options}", lambda p: np.log(p[0]) / p[1], [2.0, 0.7], 1e-4)
    def _minimize_scalar(so, p, options=_options):
        return so.minimize_scalar(lambda y: np.exp(p[1] * y) / p[1] - p[0] * y, **options).x


@probe("minimize_scalar, value", lambda p: (p[0] - p[0] * np.log(p[0])) / p[1], [2.0, 0.7])
def _minimize_scalar_value(so, p):
    return so.minimize_scalar(lambda y: np.exp(p[1] * y) / p[1] - p[0] * y).fun


@probe("minimize_scalar, at a bound", lambda p: p[0] * np.ones(()), [2.0], 1e-5)
def _minimize_scalar_bound(so, p):
    return so.minimize_scalar(lambda y: (y - 5) ** 2, bounds=(0.0, p[0]), method="bounded").x


def bowl(x, p):
    return p[0] * np.exp(x[0]) - x[0] + (x[1] - p[1] * x[0]) ** 2


def bottom(p):
    return np.stack([-np.log(p[0]), -p[1] * np.log(p[0])])


def bowl_slope(x, p):
    rest = x[1] - p[1] * x[0]
    return np.stack([p[0] * np.exp(x[0]) - 1 - 2 * p[1] * rest, 2 * rest])


SMOOTH = ("BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP", "Newton-CG", "trust-ncg", "dogleg", "trust-exact", "trust-constr")
for _method in SMOOTH:

    @probe(f"minimize {_method}", bottom, [2.0, 0.7], 1e-4)
    def _minimize(so, p, method=_method):
        options = {"jac": lambda x: bowl_slope(x, p)}
        if method in ("Newton-CG", "trust-ncg", "dogleg", "trust-exact", "trust-constr"):
            options["hess"] = lambda x: np.block(
                [[p[0] * np.exp(x[0]) + 2 * p[1] ** 2, -2 * p[1]], [-2 * p[1], 2.0]]
            ).reshape(2, 2)
        return so.minimize(lambda x: bowl(x, p), [0.1, 0.1], method=method, tol=1e-7, **options).x


for _method in ("Nelder-Mead", "Powell", "COBYLA", "COBYQA"):
    if _method == "COBYQA" and not hasattr(scipy_optimize, "_cobyqa_py"):
        continue

    @probe(f"minimize {_method}", bottom, [2.0, 0.7], 1e-4)
    def _minimize_simple(so, p, method=_method):
        return so.minimize(lambda x: bowl(x, p), [0.1, 0.1], method=method, tol=1e-9).x


@probe("minimize, value", lambda p: 1 + np.log(p[0]) + 0 * p[1], [2.0, 0.7], 1e-8)
def _minimize_value(so, p):
    return so.minimize(lambda x: (bowl(x, p), bowl_slope(x, p)), [0.1, 0.1], jac=True, tol=1e-9).fun


@probe("minimize, args", lambda p: 3 * p, [2.0, 0.7], 1e-8)
def _minimize_args(so, p):
    return so.minimize(lambda x, a: np.sum((x - 3 * a) ** 2), [0.1, 0.1], args=(p,)).x


for _method in ("L-BFGS-B", "TNC", "SLSQP", "trust-constr", "Nelder-Mead"):

    @probe(f"minimize {_method}, a bound", lambda p: np.stack([p[0], p[1] - p[0] / 2]), [0.4, 2.0], 1e-4)
    def _minimize_bound(so, p, method=_method):
        bounds = [(None, p[0]), (-9.0, 9.0)]
        return so.minimize(
            lambda x: (x[0] - 3) ** 2 + (x[1] + 0.5 * x[0] - p[1]) ** 2,
            [0.1, 0.1],
            method=method,
            bounds=bounds,
            tol=1e-9,
        ).x


@probe("minimize, Bounds", lambda p: p, [0.4, 0.5], 1e-8)
def _minimize_bounds(so, p):
    return so.minimize(lambda x: np.sum((x - 3) ** 2), [0.1, 0.1], bounds=scipy_optimize.Bounds([-9.0, -9.0], p)).x


def on_circle(p):
    return p[2] * p[:2] / np.sqrt(p[0] ** 2 + p[1] ** 2)


for _kind in ("eq", "ineq"):

    @probe(f"minimize SLSQP, {_kind}", on_circle, [3.0, 4.0, 1.5], 1e-4)
    def _minimize_dict(so, p, kind=_kind):
        circle = {"type": kind, "fun": lambda x, r: r * r - x @ x, "args": (p[2],)}
        idle = {"type": "ineq", "fun": lambda x: 100.0 - x[0]}
        return so.minimize(
            lambda x: np.sum((x - p[:2]) ** 2), [1.0, 1.0], constraints=[circle, idle], method="SLSQP", tol=1e-12
        ).x


for _method in ("SLSQP", "trust-constr"):

    @probe(f"minimize {_method}, NonlinearConstraint", on_circle, [3.0, 4.0, 1.5], 1e-4)
    def _minimize_nonlinear(so, p, method=_method):
        circle = scipy_optimize.NonlinearConstraint(lambda x: x @ x, -np.inf, p[2] ** 2)
        return so.minimize(
            lambda x: np.sum((x - p[:2]) ** 2), [1.0, 1.0], constraints=circle, method=method, tol=1e-9
        ).x

    @probe(f"minimize {_method}, LinearConstraint", lambda p: p + (1 - p.sum()) / 2, [3.0, 4.0], 1e-4)
    def _minimize_linear(so, p, method=_method):
        line = scipy_optimize.LinearConstraint([[1.0, 1.0]], 1.0, 1.0)
        return so.minimize(lambda x: np.sum((x - p) ** 2), [1.0, 1.0], constraints=line, method=method, tol=1e-9).x


@probe("minimize, slope at a bound", lambda p: np.stack([2 * (p[0] - 3), 0 * p[0]]), [0.4], 1e-6)
def _minimize_slope(so, p):
    found = so.minimize(
        lambda x: (x[0] - 3) ** 2 + x[1] ** 2, [0.1, 0.1], bounds=[(None, p[0]), (None, None)], method="L-BFGS-B"
    )
    return found.jac


# -- fits --------------------------------------------------------------------------------------------------------------
T = np.array([0.0, 1.0, 2.0, 4.0])
DESIGN = np.stack([np.ones(4), T], 1)
Y = np.array([1.0, 1.7, 2.4, 4.1])


def line_fit(y):
    return np.linalg.solve(DESIGN.T @ DESIGN, DESIGN.T @ y)


def line_covariance(y):
    r = y - DESIGN @ line_fit(y)
    return np.linalg.inv(DESIGN.T @ DESIGN) * (r @ r) / 2


def straight(t, a, b):
    return a + b * t


for _method in ("trf", "dogbox", "lm"):

    @probe(f"least_squares {_method}", line_fit, Y)
    def _least_squares(so, p, method=_method):
        return so.least_squares(lambda q: straight(T, *q) - p, [0.0, 0.0], method=method).x

    @probe(f"curve_fit {_method}", line_fit, Y, 1e-7)
    def _curve_fit(so, p, method=_method):
        return so.curve_fit(straight, T, p, method=method)[0]

    @probe(f"curve_fit {_method}, covariance", line_covariance, Y, 1e-7)
    def _curve_fit_covariance(so, p, method=_method):
        return so.curve_fit(straight, T, p, method=method)[1]


@probe("least_squares, args and kwargs", line_fit, Y)
def _least_squares_args(so, p):
    return so.least_squares(lambda q, t, y: straight(t, *q) - y, [0.0, 0.0], args=(T,), kwargs={"y": p}).x


@probe("least_squares, bound", lambda p: np.stack([np.mean(Y) - p[0] * np.mean(T), p[0]]), [0.5], 1e-6)
def _least_squares_bound(so, p):
    return so.least_squares(lambda q: straight(T, *q) - Y, [0.0, 0.0], bounds=([-9.0, -9.0], [9.0, p[0]])).x


@probe("least_squares, cost", lambda p: 0.5 * np.sum((DESIGN @ line_fit(p) - p) ** 2), Y)
def _least_squares_cost(so, p):
    return so.least_squares(lambda q: straight(T, *q) - p, [0.0, 0.0]).cost


@probe("least_squares, residuals", lambda p: DESIGN @ line_fit(p) - p, Y)
def _least_squares_fun(so, p):
    return so.least_squares(lambda q: straight(T, *q) - p, [0.0, 0.0]).fun


@probe("least_squares, Jacobian", lambda p: np.stack([np.exp(np.log(p)), np.sqrt(p) * 2 * np.sqrt(p)]) - 0.0, [2.0])
def _least_squares_jac(so, p):
    # r = (p x, x^2 - p) at x = sqrt(p), hardly weighted beside the second
    found = so.least_squares(lambda x: np.stack([p[0] * x[0] * 0.0 + p[0], 2 * p[0] * x[0] - 2 * p[0]]), [0.5])
    return np.concatenate([found.jac[1] / 2, found.jac[1]])[:, None]


@probe(
    "curve_fit, sigma", lambda p: np.linalg.solve(DESIGN.T @ (DESIGN / p[:, None] ** 2), DESIGN.T @ (Y / p**2)), Y, 1e-7
)
def _curve_fit_sigma(so, p):
    return so.curve_fit(straight, T, Y, sigma=p)[0]


@probe("curve_fit, sigma, covariance", lambda p: np.linalg.inv(DESIGN.T @ (DESIGN / p[:, None] ** 2)), Y, 1e-7)
def _curve_fit_sigma_covariance(so, p):
    return so.curve_fit(straight, T, Y, sigma=p, absolute_sigma=True)[1]


def _weighted(p):
    weight = np.linalg.inv(np.diag(p) + 0.1)
    return np.linalg.solve(DESIGN.T @ weight @ DESIGN, DESIGN.T @ weight @ Y)


@probe("curve_fit, covariance of the data", _weighted, Y, 1e-7)
def _curve_fit_correlated(so, p):
    return so.curve_fit(straight, T, Y, sigma=np.diag(p) + 0.1)[0]


def _fit_in_t(t):
    design = np.stack([np.ones(4), t], 1)
    return np.linalg.solve(design.T @ design, design.T @ Y)


@probe("curve_fit, xdata", _fit_in_t, T + 0.5, 1e-6)
def _curve_fit_x(so, p):
    return so.curve_fit(straight, p, Y)[0]


MATRIX = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 1.0, -1.0]])


@probe("lsq_linear", lambda p: np.linalg.lstsq(MATRIX, p)[0], Y)
def _lsq_linear(so, p):
    return so.lsq_linear(MATRIX, p).x


@probe("lsq_linear, bounds", lambda p: np.linalg.lstsq(np.reshape(p, (4, 3)), Y)[0], MATRIX.ravel() + 0.1)
def _lsq_linear_matrix(so, p):
    return so.lsq_linear(np.reshape(p, (4, 3)), Y, (-9.0, 9.0), method="bvls").x


@probe("lsq_linear, active", lambda p: np.stack([np.mean(Y - p[0] * T), p[0]]), [0.5], 1e-4)
def _lsq_linear_active(so, p):
    return so.lsq_linear(DESIGN, Y, ([-9.0, -9.0], [9.0, p[0]])).x


@probe("nnls", lambda p: np.stack([p[0], 0 * p[0], p[2]]), [2.0, -1.0, 3.0])
def _nnls(so, p):
    return so.nnls(np.eye(3), p)[0]


@probe("nnls, residual", lambda p: np.sqrt(p[1] ** 2), [2.0, -1.0, 3.0])
def _nnls_residual(so, p):
    return so.nnls(np.eye(3), p)[1]


@probe("linprog", lambda p: np.stack([(3 * p[0] - p[1]) / 2, (p[1] - p[0]) / 2]), [4.0, 6.0])
def _linprog(so, p):
    return so.linprog([-1.0, -2.0], [[1.0, 1.0], [1.0, 3.0]], p).x


@probe("linprog, costs", lambda p: 3 * p[0] + 1 * p[1], [-1.0, -2.0])
def _linprog_value(so, p):
    return so.linprog(p, [[1.0, 1.0], [1.0, 3.0]], [4.0, 6.0]).fun


@probe("linprog, equations and bounds", lambda p: np.stack([p[0] - p[1], p[1]]), [4.0, 1.0])
def _linprog_bounds(so, p):
    return so.linprog([1.0, 2.0], A_eq=[[1.0, 1.0]], b_eq=p[:1], bounds=[(0, None), (p[1], None)]).x


# -- the walk ----------------------------------------------------------------------------------------------------------
def quietly(f):
    @functools.wraps(f)
    def run(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UndefinedDerivativeWarning)
            return f(*args, **kwargs)

    return run


@pytest.mark.parametrize("name", PROBES)
@quietly
def test_values_are_scipys_and_derivatives_those_of_the_closed_form(name):
    f, closed, p, tolerance = PROBES[name]
    value, found = value_and_jacobian(lambda p: f(OURS, p), p)
    assert np.array_equal(value, f(scipy_optimize, p))
    np.testing.assert_allclose(found, jacobian(closed, p), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", PROBES)
@quietly
def test_other_spaces_give_the_same(name):
    f, _, p, _ = PROBES[name]
    forward = jacobian(lambda p: f(OURS, p), p, mode="forward")
    scale = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(jacobian(lambda p: f(OURS, p), p, mode="reverse"), forward, **scale)
    np.testing.assert_allclose(
        jacobian(lambda p: f(OURS, p), p, sparse=True).toarray(), np.atleast_2d(forward).reshape(-1, p.size), **scale
    )
    direction = np.linspace(1.0, 2.0, p.size)
    np.testing.assert_allclose(jvp(lambda p: f(OURS, p), p, direction)[1], forward @ direction, **scale)


@pytest.mark.parametrize("name", PROBES)
@quietly
def test_second_derivatives_are_those_of_the_closed_form(name):
    f, closed, p, tolerance = PROBES[name]
    tolerance = 30 * tolerance
    expected = jacobian(jacobian(closed), p)
    np.testing.assert_allclose(jacobian(jacobian(lambda p: f(OURS, p)), p), expected, rtol=tolerance, atol=tolerance)
    mixed = hessian(lambda p: np.sum(np.sin(f(OURS, p))), p)
    np.testing.assert_allclose(mixed, hessian(lambda p: np.sum(np.sin(closed(p))), p), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["brentq", "newton", "fsolve", "minimize BFGS", "least_squares trf"])
@quietly
def test_third_derivatives_are_those_of_the_closed_form(name):
    f, closed, p, tolerance = PROBES[name]
    third = jacobian(jacobian(jacobian(lambda p: np.sum(f(OURS, p)))), p)
    expected = jacobian(jacobian(jacobian(lambda p: np.sum(closed(p)))), p)
    np.testing.assert_allclose(third, expected, rtol=100 * tolerance, atol=100 * tolerance)


@pytest.mark.parametrize("name", sorted(vars(OURS)))
def test_signatures_are_scipys(name):
    def of(f):
        return [(p.name, p.kind) for p in inspect.signature(f).parameters.values()]

    assert of(getattr(OURS, name)) == of(getattr(scipy_optimize, name))


def test_a_function_without_duals_is_scipys():
    f = {"fun": lambda y: [y[0] ** 2 - 2, y[1] + 1], "x0": [1.0, 1.0]}
    ours, theirs = roots.root(**f), scipy_optimize.root(**f)
    assert type(ours) is type(theirs)
    assert ours.keys() == theirs.keys()
    assert np.array_equal(ours.x, theirs.x)


def test_errors_are_scipys():
    with pytest.raises(ValueError, match="different signs"):
        derivative(lambda a: roots.brentq(lambda y: y + a, 0.0, 1.0), 3.0)
    with pytest.raises(TypeError, match="tolerance"):
        roots.brentq(lambda y: y, -1.0, 1.0, tolerance=3)
    with pytest.raises(RuntimeError, match="Failed to converge"):
        derivative(lambda a: roots.brentq(lambda y: y - a, 0.0, 9.0, maxiter=1), 0.3)


def test_the_function_runs_on_plain_values_until_the_root_is_known():
    seen = []

    def root(a):
        def f(y):
            seen.append(type(y + a))
            return y * y - a

        return roots.brentq(f, 0.0, 9.0)

    derivative(root, 3.0)
    plain = scipy_optimize.brentq(lambda y: y * y - 3.0, 0.0, 9.0, full_output=True)[1].function_calls
    # Then on duals, for the slope and the tangent, and once on a plain value nearby, where a multiple root would show.
    assert len(seen) == plain + 3
    assert [i for i, kind in enumerate(seen) if kind is not float] == [plain, plain + 1]


def test_duals_behind_objects_and_lists_are_seen():
    class Model:
        def __init__(self, a):
            self.a = a

        def __call__(self, y):
            return y * y - self.a

    assert derivative(lambda a: roots.brentq(Model(a), 0.0, 9.0), 4.0) == pytest.approx(0.25)
    assert derivative(lambda a: roots.brentq(lambda y, held=[a]: y * y - held[0], 0.0, 9.0), 4.0) == pytest.approx(0.25)
    helper = {}

    def root(a):
        helper["a"] = a
        return roots.brentq(lambda y: y * y - helper["a"], 0.0, 9.0)

    assert derivative(root, 4.0) == pytest.approx(0.25)


def test_what_a_function_assigns_is_seen():
    def count(a):
        calls = 0

        def f(y):
            nonlocal calls
            calls += 1
            return y * y - a

        root = roots.brentq(f, 0.0, 9.0)
        assert calls > 5
        return root

    assert derivative(count, 4.0) == pytest.approx(0.25)


def test_where_the_solver_starts_makes_no_difference():
    assert jacobian(lambda x0: np.sum(roots.fsolve(lambda y: y * y - 2, x0)) + x0, np.ones(1)) == 1.0
    assert derivative(lambda b: roots.brentq(lambda y: y * y - 2, 0.0, b) + b, 9.0) == 1.0


# -- multiple solutions ------------------------------------------------------------------------------------------------
MULTIPLE = {
    "newton, double": lambda p: roots.newton(lambda x: (x - 1) ** 2 - p, 2.0, maxiter=200),
    "newton, triple": lambda p: roots.newton(lambda x: x**3 - p, 1.0, maxiter=200),
    "newton, of arrays": lambda p: roots.newton(lambda x: (x - 1) ** 2 - p, np.array([2.0, 3.0]), maxiter=200)[0],
    "fsolve": lambda p: roots.fsolve(lambda x: (x - 1) ** 2 - p, [2.0])[0],
    "fsolve, two unknowns": lambda p: roots.fsolve(lambda x: [(x[0] - 1) ** 2 - p, x[1] - x[0]], [2.0, 2.0])[0],
    "root, lm": lambda p: roots.root(lambda x: (x - 1) ** 2 - p, [2.0], method="lm").x[0],
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", MULTIPLE)
def test_a_multiple_root_has_no_derivative(name, mode):
    """The solver stops where the slope is small but not zero: a quotient would be large and meaningless."""
    with pytest.warns(UndefinedDerivativeWarning):
        assert np.isnan(gradient(lambda p: MULTIPLE[name](p[0]), np.zeros(1), mode=mode)[0])


def test_steep_and_nearly_singular_systems_that_are_regular():
    steep = lambda p: roots.fsolve(lambda x: np.tanh((x - 1 - p) * 1e7), [1.0 + 1e-9])[0]
    assert derivative(steep, 0.0) == pytest.approx(1.0, rel=1e-6)
    matrix = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-5]])
    linear = lambda p: roots.fsolve(lambda x: matrix @ x - np.stack([1.0 + p, 2.0 + 0.0 * p]), [1.0, 1.0])
    np.testing.assert_allclose(derivative(linear, 0.0), np.linalg.inv(matrix)[:, 0], rtol=1e-5)
