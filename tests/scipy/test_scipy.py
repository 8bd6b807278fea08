"""SciPy's solvers with derivatives from dualdiff, compared with their results without and with known solutions."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    linearize,
    value_and_derivative,
    value_and_gradient,
)
from dualdiff.scipy.integrate import boundary_jacobian, system_jacobian
from dualdiff.scipy.optimize import constraint_hessian, fit_jacobian, jacobian_operator

scipy = pytest.importorskip("scipy")
optimize = pytest.importorskip("scipy.optimize")
integrate = pytest.importorskip("scipy.integrate")
sparse = pytest.importorskip("scipy.sparse")


def close(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# -- minimize ----------------------------------------------------------------------------------------------------------
def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])

METHODS = {
    "BFGS": {"jac": gradient(rosenbrock)},
    "L-BFGS-B": {"jac": gradient(rosenbrock, mode="reverse")},
    "CG": {"jac": gradient(rosenbrock)},
    "SLSQP": {"jac": gradient(rosenbrock)},
    "Newton-CG": {"jac": gradient(rosenbrock), "hessp": hvp(rosenbrock)},
    "trust-ncg": {"jac": gradient(rosenbrock), "hess": hessian(rosenbrock)},
    "trust-krylov": {"jac": gradient(rosenbrock), "hessp": hvp(rosenbrock)},
    "trust-exact": {"jac": gradient(rosenbrock), "hess": hessian(rosenbrock)},
    "trust-constr": {"jac": gradient(rosenbrock), "hess": hessian(rosenbrock)},
}


@pytest.mark.parametrize("method", METHODS)
def test_minimize(method):
    by_hand = dict(METHODS[method])
    by_hand["jac"] = optimize.rosen_der
    if "hess" in by_hand:
        by_hand["hess"] = optimize.rosen_hess
    if "hessp" in by_hand:
        by_hand["hessp"] = optimize.rosen_hess_prod
    expected = optimize.minimize(optimize.rosen, START, method=method, tol=1e-8, **by_hand)
    found = optimize.minimize(rosenbrock, START, method=method, tol=1e-8, **METHODS[method])
    assert found.success == expected.success
    close(found.x, np.ones(5), 1e-5)
    close(found.x, expected.x, 1e-7)
    assert abs(found.nit - expected.nit) <= 2


def test_minimize_with_value_and_gradient_in_one_call():
    found = optimize.minimize(value_and_gradient(rosenbrock), START, jac=True, method="BFGS", tol=1e-9)
    close(found.x, np.ones(5), 1e-6)


def test_minimize_of_scipys_own_rosen():
    # It begins with np.asarray(x), which converts the duals to an object array.
    found = optimize.minimize(optimize.rosen, START, jac=gradient(optimize.rosen), method="BFGS", tol=1e-9)
    close(found.x, np.ones(5), 1e-6)
    close(gradient(optimize.rosen, START, mode="reverse"), optimize.rosen_der(START), 1e-12)


def test_minimize_with_further_arguments():
    def f(x, a, b):
        return np.sum((x - a) ** 4) + b * np.sum((x - a) ** 2)

    found = optimize.minimize(
        f, np.zeros(3), args=(2.0, 0.5), jac=gradient(f), hessp=hvp(f), method="Newton-CG", tol=1e-10
    )
    close(found.x, np.full(3, 2.0), 1e-6)


def test_minimize_with_a_sparse_hessian():
    x = np.linspace(-1.0, 1.5, 30)
    banded = hessian(rosenbrock, sparse=sparse.diags_array([np.ones(29), np.ones(30), np.ones(29)], offsets=[-1, 0, 1]))
    close(banded(x).toarray(), optimize.rosen_hess(x), 1e-12)
    found = optimize.minimize(rosenbrock, x, jac=gradient(rosenbrock), hess=banded, method="trust-constr", tol=1e-9)
    close(found.x, np.ones(30), 1e-6)


def disc(x):
    return np.array([x[0] ** 2 + x[1] ** 2, x[0] * x[1] * x[2]])


@pytest.mark.parametrize("second", ["exact", "sparse"])
def test_nonlinear_constraint(second):
    def f(x):
        return (x[0] - 2) ** 2 + (x[1] - 1) ** 4 + x[2] ** 2 - x[0] * x[2]

    x0 = np.array([0.5, 0.5, 0.5])
    low, high = [-np.inf, 0.05], [1.0, 2.0]
    hess = constraint_hessian(disc)
    if second == "sparse":
        hess = constraint_hessian(disc, sparse=True)
    ours = optimize.NonlinearConstraint(disc, low, high, jac=jacobian(disc), hess=hess)
    options = {"gtol": 1e-10, "xtol": 1e-12}
    found = optimize.minimize(
        f, x0, jac=gradient(f), hess=hessian(f), constraints=ours, method="trust-constr", options=options
    )
    theirs = {"type": "ineq", "fun": lambda x: [1 - disc(x)[0], disc(x)[1] - 0.05, 2 - disc(x)[1]]}
    expected = optimize.minimize(f, x0, constraints=theirs, method="SLSQP", tol=1e-12)
    assert found.success
    close(found.x, expected.x, 1e-5)
    assert found.constr_violation < 1e-12


def test_constraint_hessian():
    x, v = np.array([1.0, 2.0, 3.0]), np.array([2.0, -1.0])
    close(constraint_hessian(disc, x, v), [[4, -3, -2], [-3, 4, -1], [-2, -1, 0]], 1e-14)
    close(constraint_hessian(lambda x: np.sum(x**3), x, [2.0]), np.diag(12 * x), 1e-14)
    close(constraint_hessian(disc, mode="reverse")(x, v), constraint_hessian(disc, x, v, mode="forward"), 1e-14)
    with pytest.raises(ValueError, match=r"3 multipliers v for 2 constraints f\(x\)"):
        constraint_hessian(disc, x, np.ones(3))


# -- equations ---------------------------------------------------------------------------------------------------------
def circle_and_curve(x):
    return np.array([x[0] ** 2 + x[1] ** 2 - 4, np.exp(x[0]) + x[1] - 1])


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method):
    expected = optimize.root(circle_and_curve, [1.0, -1.0], method=method, tol=1e-12)
    found = optimize.root(circle_and_curve, [1.0, -1.0], jac=jacobian(circle_and_curve), method=method, tol=1e-12)
    assert found.success
    close(found.x, expected.x, 1e-10)
    assert found.nfev < expected.nfev
    close(optimize.fsolve(circle_and_curve, [1.0, -1.0], fprime=jacobian(circle_and_curve), xtol=1e-12), expected.x)


def kepler(anomaly, mean, e):
    return anomaly - e * np.sin(anomaly) - mean


def test_root_scalar():
    expected = optimize.brentq(kepler, 0.0, 3.0, args=(0.8, 0.6), xtol=1e-14)
    slope, bend = derivative(kepler), derivative(derivative(kepler))
    newton = optimize.root_scalar(kepler, args=(0.8, 0.6), x0=1.0, fprime=slope, method="newton")
    halley = optimize.root_scalar(kepler, args=(0.8, 0.6), x0=1.0, fprime=slope, fprime2=bend, method="halley")
    close([newton.root, halley.root], expected, 1e-13)
    assert halley.iterations <= newton.iterations
    both = optimize.root_scalar(value_and_derivative(kepler), args=(0.8, 0.6), x0=1.0, fprime=True, method="newton")
    assert both.root == newton.root


def test_newton_at_many_points():
    means = np.linspace(0.1, 3.0, 7)
    found = optimize.newton(
        kepler, means, derivative(kepler), args=(means, 0.6), fprime2=derivative(derivative(kepler))
    )
    close(found - 0.6 * np.sin(found), means, 1e-12)


# -- least squares -----------------------------------------------------------------------------------------------------
def residuals(x):
    return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def band(n):
    lower = sparse.eye_array(n - 1, n, k=0) + sparse.eye_array(n - 1, n, k=1)
    return sparse.vstack([lower, sparse.eye_array(n - 1, n)])


JACOBIANS = {
    "dense": (jacobian(residuals), {}),
    "sparse": (jacobian(residuals, sparse=True), {"tr_solver": "lsmr"}),
    "pattern": (jacobian(residuals, sparse=band(12)), {"tr_solver": "lsmr"}),
    "operator": (jacobian_operator(residuals), {"tr_solver": "lsmr"}),
    "linearize": (lambda x: linearize(residuals, x)[1].as_linear_operator(), {"tr_solver": "lsmr"}),
}


@pytest.mark.parametrize("kind", JACOBIANS)
def test_least_squares(kind):
    x0 = np.linspace(-0.5, 1.2, 12)
    jac, options = JACOBIANS[kind]
    close(jac(x0) @ np.eye(12), jacobian(residuals, x0), 1e-13)
    expected = optimize.least_squares(residuals, x0, jac="3-point", xtol=1e-12, gtol=1e-12)
    found = optimize.least_squares(residuals, x0, jac=jac, xtol=1e-12, gtol=1e-12, **options)
    close(found.x, expected.x, 1e-6)
    close(found.x, np.ones(12), 1e-6)
    if kind == "dense":
        assert found.nfev == expected.nfev


def test_least_squares_with_levenberg_marquardt_and_arguments():
    def f(p, t, y):
        return p[0] * np.exp(-p[1] * t) - y

    t = np.linspace(0, 3, 20)
    found = optimize.least_squares(f, [1.0, 1.0], args=(t, 2.5 * np.exp(-1.3 * t)), jac=jacobian(f), method="lm")
    close(found.x, [2.5, 1.3])
    operator = optimize.least_squares(
        f, [1.0, 1.0], args=(t, 2.5 * np.exp(-1.3 * t)), jac=jacobian_operator(f), tr_solver="lsmr"
    )
    close(operator.x, [2.5, 1.3], 1e-6)


def bump(x, height, centre, width, base):
    return height * np.exp(-(((x - centre) / width) ** 2)) + base


TRUE = [3.0, 0.4, 0.7, -0.5]


@pytest.mark.parametrize("method", ["lm", "trf", "dogbox"])
def test_curve_fit(method):
    x = np.linspace(-2, 2, 60)
    y = bump(x, *TRUE) + 0.05 * np.random.default_rng(0).normal(size=60)
    sigma = np.linspace(0.5, 1.5, 60)
    options = {"p0": [1.0, 0.0, 1.0, 0.0], "sigma": sigma, "method": method}
    expected, spread = optimize.curve_fit(bump, x, y, **options)
    found, found_spread = optimize.curve_fit(bump, x, y, jac=fit_jacobian(bump), **options)
    close(found, expected, 1e-5)
    close(found_spread, spread, 1e-4)


def test_fit_jacobian():
    x = np.linspace(-2, 2, 9)
    height, centre, width, _ = TRUE
    z = (x - centre) / width
    bell = np.exp(-(z**2))
    expected = [bell, 2 * height * bell * z / width, 2 * height * bell * z**2 / width, np.ones(9)]
    close(fit_jacobian(bump, x, *TRUE), np.stack(expected, axis=1), 1e-14)
    close(fit_jacobian(bump)(x, *TRUE), np.stack(expected, axis=1), 1e-14)
    # Integer initial guesses, and data with two coordinates.
    assert fit_jacobian(bump, x, 3, 0, 1, 0).dtype == np.float64
    plane = fit_jacobian(lambda xy, a, b: a * xy[0] + b * xy[1], np.stack([x, x**2]), 1.0, 2.0)
    close(plane, np.stack([x, x**2], axis=1), 1e-14)
    with pytest.raises(TypeError, match="needs the parameters after x"):
        fit_jacobian(bump, x)


# -- differential equations --------------------------------------------------------------------------------------------
def robertson(t, y, k=1e4):
    a, b, c = 0.04 * y[0], k * y[1] * y[2], 3e7 * y[1] ** 2
    return np.stack([b - a, a - b - c, c])


def diffusion(t, u):
    """A nonlinear diffusion equation on a line."""
    padded = np.concatenate([u[:1], u, u[-1:]])
    flux = (padded[1:] - padded[:-1]) * (1 + 0.25 * (padded[1:] + padded[:-1]) ** 2)
    return (flux[1:] - flux[:-1]) * len(u) ** 2 + u * (1 - u)


@pytest.mark.parametrize("method", ["BDF", "Radau"])
def test_solve_ivp_of_a_stiff_system(method):
    span, y0, options = (0.0, 40.0), [1.0, 0.0, 0.0], {"rtol": 1e-8, "atol": 1e-10}
    jac = jacobian(robertson, argnum=1)
    y = np.array([0.7, 1e-5, 0.3])
    b = 1e4 * y[1:][::-1]
    close(jac(0.0, y), [[-0.04, *b], [0.04, -b[0] - 6e7 * y[1], -b[1]], [0, 6e7 * y[1], 0]], 1e-14)
    expected = integrate.solve_ivp(robertson, span, y0, method, **options)
    found = integrate.solve_ivp(robertson, span, y0, method, jac=jac, **options)
    assert found.success
    close(found.y[:, -1], expected.y[:, -1], 1e-7)


@pytest.mark.parametrize("method", ["BDF", "Radau"])
@pytest.mark.parametrize("kind", ["dense", "sparse", "pattern"])
def test_solve_ivp_of_a_diffusion_equation(method, kind):
    n = 40
    u0 = np.exp(-30 * (np.linspace(0, 1, n) - 0.5) ** 2)
    pattern = sparse.diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
    jac = {
        "dense": jacobian(diffusion, argnum=1),
        "sparse": jacobian(diffusion, argnum=1, sparse=True),
        "pattern": jacobian(diffusion, argnum=1, sparse=pattern),
    }[kind]
    options = {"rtol": 1e-7, "atol": 1e-9}
    expected = integrate.solve_ivp(diffusion, (0, 0.2), u0, method, **options)
    found = integrate.solve_ivp(diffusion, (0, 0.2), u0, method, jac=jac, **options)
    assert found.success
    assert sparse.issparse(jac(0.0, u0)) == (kind != "dense")
    close(found.y[:, -1], expected.y[:, -1], 1e-5)


def test_solve_ivp_with_further_arguments():
    found = integrate.solve_ivp(
        robertson, (0.0, 1.0), [1.0, 0.0, 0.0], "Radau", args=(2e4,), jac=jacobian(robertson, argnum=1)
    )
    assert found.success


def bratu(x, y):
    return np.vstack([y[1], -np.exp(y[0])])


def bratu_ends(ya, yb):
    return np.array([ya[0], yb[0]])


def test_solve_bvp():
    x, guess = np.linspace(0, 1, 7), np.zeros((2, 7))
    jacobians = {"fun_jac": system_jacobian(bratu), "bc_jac": boundary_jacobian(bratu_ends)}
    expected = integrate.solve_bvp(bratu, bratu_ends, x, guess, tol=1e-9)
    found = integrate.solve_bvp(bratu, bratu_ends, x, guess, tol=1e-9, **jacobians)
    assert found.success
    assert found.niter <= expected.niter
    close(found.sol(0.5), expected.sol(0.5), 1e-10)
    # The exact solution of the lower branch: 2 log(cosh(c / 4) / cosh((x - 1/2) c / 2)).
    c = optimize.brentq(lambda c: c - np.sqrt(2) * np.cosh(c / 4), 0.0, 3.0, xtol=1e-14)
    close(found.sol(0.5)[0], 2 * np.log(np.cosh(c / 4)), 1e-8)


def vibration(x, y, p):
    return np.stack([y[1], -(p[0] ** 2) * y[0]])


def vibration_ends(ya, yb, p):
    return np.array([ya[0], yb[0], ya[1] - p[0]])


def test_solve_bvp_for_an_unknown_parameter():
    x = np.linspace(0, 1, 5)
    guess = np.stack([np.sin(np.pi * x) + 0.1 * x, np.ones(5)])
    found = integrate.solve_bvp(
        vibration,
        vibration_ends,
        x,
        guess,
        p=[3.0],
        tol=1e-8,
        fun_jac=system_jacobian(vibration),
        bc_jac=boundary_jacobian(vibration_ends),
    )
    assert found.success
    close(found.p, [np.pi], 1e-7)


def test_jacobians_of_boundary_value_problems():
    x, rng = np.linspace(0, 1, 4), np.random.default_rng(1)
    y, p = rng.normal(size=(2, 4)), np.array([1.5])
    in_y, in_p = system_jacobian(vibration, x, y, p)
    assert (in_y.shape, in_p.shape) == ((2, 2, 4), (2, 1, 4))
    close(in_y[:, :, 2], [[0, 1], [-2.25, 0]], 1e-14)
    close(in_p[:, 0], [np.zeros(4), -3 * y[0]], 1e-14)
    of_ends = boundary_jacobian(vibration_ends, y[:, 0], y[:, -1], p)
    close(of_ends[0], [[1, 0], [0, 0], [0, 1]], 0)
    close(of_ends[1], [[0, 0], [1, 0], [0, 0]], 0)
    close(of_ends[2], [[0], [0], [-1]], 0)
    with pytest.raises(ValueError, match=r"f\(x, y\) must have the shape of y, \(2, 4\), but has \(4,\)"):
        system_jacobian(lambda x, y: y[0], x, y)


# -- the package -------------------------------------------------------------------------------------------------------
def test_the_functions_can_be_sent_to_other_processes_and_printed():
    jac = pickle.loads(pickle.dumps(fit_jacobian(bump)))
    close(jac(np.zeros(1), *TRUE), fit_jacobian(bump, np.zeros(1), *TRUE))
    assert repr(jac) == "<fit_jacobian of bump>"
    assert repr(constraint_hessian(disc, mode="reverse")) == "<constraint_hessian of disc, mode='reverse'>"


def test_without_scipy_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse.linalg", None)
    with pytest.raises(ImportError, match=r"pip install scipy$"):
        dualdiff.linearize(residuals, np.ones(3))[1].as_linear_operator()
