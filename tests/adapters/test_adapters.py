"""The adapters, each with the library that it serves where that is installed, against derivatives by hand."""

import numpy as np
import pytest

T = np.linspace(0, 4, 50)
NOISE = 0.01 * np.random.default_rng(0).standard_normal(50)
Y = 3 * np.exp(-0.5 * T) + 1.5 + NOISE
START = np.array([1.2, 0.7, 1.9])


def close(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def product(x):
    return np.stack([x[0] * x[1] - 1])


# -- lmfit -------------------------------------------------------------------------------------------------------------
def decay(t, a, k, c):
    return a * np.exp(-k * t) + c


def by_hand(t, a, k):
    return np.stack([np.exp(-k * t), -a * t * np.exp(-k * t)], axis=1)


def lmfit_parameters(lmfit, **c):
    params = lmfit.Parameters()
    params.add("a", 1.0, min=0)
    params.add("k", 1.0, min=0, max=5)
    params.add("c", **c)
    return params


@pytest.mark.parametrize("method", ["leastsq", "least_squares"])
def test_lmfit_fits_with_bounds_and_constraints(method):
    lmfit = pytest.importorskip("lmfit")
    from dualdiff.adapters.lmfit import residual_jacobian

    def residual(params, t, y):
        v = params.valuesdict()
        return decay(t, v["a"], v["k"], v["c"]) - y

    params = lmfit_parameters(lmfit, expr="a / 2")
    found = lmfit.minimize(residual, params, args=(T, Y), method=method, Dfun=residual_jacobian(residual))
    expected = lmfit.minimize(residual, params, args=(T, Y), method=method)
    assert found.nfev < expected.nfev / 2
    for name in ("a", "k", "c"):
        close(found.params[name].value, expected.params[name].value, 1e-6)
        close(found.params[name].stderr, expected.params[name].stderr, 1e-3)


def test_lmfit_sees_what_the_expression_depends_on_and_finds_its_parameters_unchanged():
    lmfit = pytest.importorskip("lmfit")
    from dualdiff.adapters.lmfit import residual_jacobian

    params = lmfit_parameters(lmfit, value=0.0)
    params.add("twice", expr="2 * k")
    params["c"].expr = "twice + a"
    params.update_constraints()
    values = dict(params.valuesdict())
    jacobian = residual_jacobian(lambda p: decay(T, p["a"].value, p["k"].value, p["c"].value))(params)
    close(jacobian, by_hand(T, 1.0, 1.0) + np.array([1.0, 2.0]), 1e-14)
    assert params.valuesdict() == values
    assert params._asteval.symtable["c"] == values["c"] == 3.0


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 50)])
def test_lmfit_models(weights):
    lmfit = pytest.importorskip("lmfit")
    from dualdiff.adapters.lmfit import residual_jacobian

    model = lmfit.Model(decay)
    params = lmfit_parameters(lmfit, value=1.0)
    found = model.fit(Y, params, t=T, weights=weights, fit_kws={"Dfun": residual_jacobian(model)})
    expected = model.fit(Y, params, t=T, weights=weights)
    assert found.nfev < expected.nfev / 2
    close(list(found.best_values.values()), list(expected.best_values.values()), 1e-6)
    # The Jacobian of lmfit's own residuals, whatever their sign.
    jacobian = residual_jacobian(model)(params, Y, weights, t=T)
    h = 1e-6
    shifted = [model._residual(lmfit_parameters(lmfit, value=1.0 + s), Y, weights, t=T) for s in (h, -h)]
    close(jacobian[:, 2], (shifted[0] - shifted[1]) / (2 * h), 1e-8)


def test_lmfit_composite_and_complex_models():
    lmfit = pytest.importorskip("lmfit")
    from dualdiff.adapters.lmfit import residual_jacobian

    model = lmfit.models.GaussianModel(prefix="g_") + lmfit.models.LinearModel(prefix="l_")
    params = model.make_params(g_amplitude=2.0, g_center=1.0, g_sigma=0.7, l_slope=0.3, l_intercept=0.1)
    data = model.eval(params, x=T) + NOISE
    found = model.fit(data, params, x=T, fit_kws={"Dfun": residual_jacobian(model)})
    expected = model.fit(data, params, x=T)
    close(found.params["g_fwhm"].stderr, expected.params["g_fwhm"].stderr, 1e-3)

    wave = lmfit.Model(lambda t, w, d: np.exp((1j * w - d) * t))
    start = wave.make_params(w=1.0, d=0.1)
    jacobian = residual_jacobian(wave)(start, np.zeros(50, complex), None, t=T)
    slope = -1j * T * np.exp((1j - 0.1) * T)
    close(jacobian[:, 0], np.stack([slope.real, slope.imag], axis=1).ravel(), 1e-13)


# -- iminuit -----------------------------------------------------------------------------------------------------------
def test_iminuit_costs_of_arguments_and_of_an_array():
    iminuit = pytest.importorskip("iminuit")
    from dualdiff.adapters.iminuit import cost_gradient

    def cost(a, k, c):
        return np.sum((Y - decay(T, a, k, c)) ** 2) / 1e-4

    def cost_of_array(p):
        return cost(*p)

    found = iminuit.Minuit(cost, a=1.0, k=1.0, c=1.0, grad=cost_gradient(cost)).migrad().hesse()
    of_array = iminuit.Minuit(cost_of_array, np.ones(3), grad=cost_gradient(cost_of_array)).migrad().hesse()
    expected = iminuit.Minuit(cost, a=1.0, k=1.0, c=1.0).migrad().hesse()
    assert found.valid
    assert found.ngrad > 0
    assert found.nfcn < expected.nfcn
    close(np.array(found.values), np.array(expected.values), 1e-4)
    close(np.array(of_array.errors), np.array(expected.errors), 1e-2)


def test_iminuit_cost_functions_with_a_model():
    cost = pytest.importorskip("iminuit.cost")
    from dualdiff.adapters.iminuit import model_gradient

    exact = cost.LeastSquares(T, Y, 0.01, decay, grad=model_gradient(decay))
    assert exact.has_grad
    by_model = 2 * (decay(T, *START) - Y) / 1e-4
    close(exact.grad(*START)[:2], by_model @ by_hand(T, *START[:2]), 1e-12)


# -- NLopt, pygmo, cyipopt ---------------------------------------------------------------------------------------------
def test_nlopt_minimises_subject_to_constraints():
    nlopt = pytest.importorskip("nlopt")
    from dualdiff.adapters.nlopt import constraints, objective

    solver = nlopt.opt(nlopt.LD_SLSQP, 2)
    solver.set_min_objective(objective(lambda x: x @ x))
    solver.add_equality_mconstraint(constraints(product), [1e-12])
    solver.set_xtol_rel(1e-10)
    close(solver.optimize([2.0, 0.3]), [1.0, 1.0], 1e-7)

    without = nlopt.opt(nlopt.LN_COBYLA, 2)
    without.set_min_objective(objective(lambda x: (x - 1) @ (x - 1)))
    without.add_inequality_mconstraint(constraints(lambda x: x - 0.5), [1e-9, 1e-9])
    without.set_xtol_rel(1e-9)
    close(without.optimize([0.0, 0.0]), [0.5, 0.5], 1e-6)


def test_pygmo_problem_has_exact_gradients_and_hessians():
    pygmo = pytest.importorskip("pygmo")
    from dualdiff.adapters.pygmo import Problem

    problem = pygmo.problem(Problem(rosenbrock, ([-2.0] * 3, [2.0] * 3), product, lambda x: x[1:] - x[:-1]))
    assert problem.get_nec() == 1
    assert problem.get_nic() == 2
    assert problem.has_gradient()
    assert problem.has_hessians()
    close(problem.gradient(START), pygmo.estimate_gradient_h(problem.fitness, START), 1e-6)
    hessians = problem.hessians(START)
    assert len(hessians) == 4
    close(hessians[1], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 1e-14)


def rows_and_columns(indices, values, shape):
    dense = np.zeros(shape)
    dense[indices] = values
    return dense


def test_cyipopt_problem_against_the_dense_derivatives():
    from dualdiff import gradient, hessian, jacobian
    from dualdiff.adapters.cyipopt import Problem

    x = np.linspace(0.5, 1.5, 8)

    def g(x):
        return x[1:] * x[:-1]

    problem = Problem(rosenbrock, np.ones(8), g)
    multipliers = np.arange(7.0)
    close(problem.gradient(x), gradient(rosenbrock, x), 1e-14)
    close(problem.constraints(x), g(x), 1e-15)
    close(rows_and_columns(problem.jacobianstructure(), problem.jacobian(x), (7, 8)), jacobian(g, x), 1e-14)
    H = hessian(lambda x: 0.5 * rosenbrock(x) + g(x) @ multipliers, x)
    lower = rows_and_columns(problem.hessianstructure(), problem.hessian(x, multipliers, 0.5), (8, 8))
    close(lower, np.tril(H), 1e-13)
    assert len(problem.jacobian(x)) == 14
    assert len(problem.hessian(x, multipliers, 0.5)) == 15


def test_cyipopt_problem_without_constraints():
    from dualdiff import hessian
    from dualdiff.adapters.cyipopt import Problem

    problem = Problem(rosenbrock, np.ones(3))
    assert problem.constraints(START).shape == problem.jacobian(START).shape == (0,)
    lower = rows_and_columns(problem.hessianstructure(), problem.hessian(START, np.empty(0), 1.0), (3, 3))
    close(lower, np.tril(hessian(rosenbrock, START)), 1e-13)


# -- OpenMDAO, statsmodels ---------------------------------------------------------------------------------------------
def test_openmdao_component_has_exact_partials():
    om = pytest.importorskip("openmdao.api")
    from dualdiff.adapters.openmdao import Component

    def beam(load, width, height):
        return {"mass": np.sum(width * height), "stress": load / (width * height**2)}

    model = om.Problem(reports=False)
    given = {"load": 3.0, "width": np.array([1.0, 2.0]), "height": np.array([2.0, 0.5])}
    model.model.add_subsystem("beam", Component(beam, given), promotes=["*"])
    model.setup()
    model.run_model()
    close(model["stress"], 3.0 / (given["width"] * given["height"] ** 2), 1e-15)
    totals = model.compute_totals(of=["mass", "stress"], wrt=["load", "height"])
    close(totals["mass", "height"], given["width"][None], 1e-14)
    close(totals["stress", "load"], (1 / (given["width"] * given["height"] ** 2))[:, None], 1e-14)
    close(totals["stress", "height"], np.diag(-6.0 / (given["width"] * given["height"] ** 3)), 1e-14)


def test_statsmodels_standard_errors_are_exact():
    base = pytest.importorskip("statsmodels.base.model")
    from dualdiff.adapters.statsmodels import ExactDerivatives
    from dualdiff.scipy import stats

    class Gamma(ExactDerivatives, base.GenericLikelihoodModel):
        def loglikeobs(self, params):
            return stats.gamma.logpdf(self.endog, params[0], scale=params[1])

        def loglike(self, params):
            return np.sum(self.loglikeobs(params))

    data = np.random.default_rng(1).gamma(3.0, 2.0, 200)
    result = Gamma(data).fit(start_params=[1.0, 1.0], method="newton", disp=0)
    from scipy.special import polygamma

    a, b = result.params
    information = 200 * np.array([[polygamma(1, a), 1 / b], [1 / b, a / b**2]])
    close(result.model.score(result.params), np.zeros(2), 1e-6)
    close(-result.model.hessian(result.params), information, 1e-6)
    close(result.bse, np.sqrt(np.diag(np.linalg.inv(information))), 1e-6)
    close(result.model.score_obs(result.params).sum(axis=0), result.model.score(result.params), 1e-9)


# -- JAX, PyTorch, PyTensor --------------------------------------------------------------------------------------------
def plain(x, a):
    return np.sum(np.sin(a * x)) * a


def test_jax_differentiates_to_any_order_under_jit_and_vmap():
    jax = pytest.importorskip("jax")
    from dualdiff.adapters.jax import to_jax

    with jax.enable_x64(True):
        f = to_jax(plain)

        def twin(x, a):
            return jax.numpy.sum(jax.numpy.sin(a * x)) * a

        x = START
        close(jax.jit(f)(x, 0.5), twin(x, 0.5), 1e-14)
        for order in (jax.grad, lambda g: jax.jacfwd(jax.grad(g)), lambda g: jax.hessian(g)):
            close(jax.jit(order(f))(x, 0.5), order(twin)(x, 0.5), 1e-12)
        close(jax.grad(jax.grad(f, 1), 1)(x, 0.5), jax.grad(jax.grad(twin, 1), 1)(x, 0.5), 1e-12)
        points = np.stack([x, x + 1])
        close(jax.vmap(jax.grad(f), (0, None))(points, 0.5), jax.vmap(jax.grad(twin), (0, None))(points, 0.5), 1e-12)
        close(jax.jacrev(to_jax(np.sin, (3,)))(x), np.diag(np.cos(x)), 1e-14)


def test_torch_differentiates_twice_and_in_several_arguments():
    torch = pytest.importorskip("torch")
    from dualdiff.adapters.torch import to_torch

    f = to_torch(plain)
    x = torch.tensor(START, requires_grad=True)
    a = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def twin(x, a):
        return torch.sum(torch.sin(a * x)) * a

    assert torch.autograd.gradcheck(f, (x, a))
    assert torch.autograd.gradgradcheck(f, (x, a))
    for g in (f, twin):
        first = torch.autograd.grad(g(x, a), (x, a), create_graph=True)
        second = torch.autograd.grad(first[0].sum() + first[1], (x, a))
        if g is f:
            kept = [*first, *second]
    for one, other in zip(kept, [*first, *second], strict=True):
        close(one.detach().numpy(), other.detach().numpy(), 1e-12)
    sine = to_torch(lambda x: (np.sin(x), np.cumsum(x)))
    y, z = sine(torch.tensor(START, dtype=torch.float32, requires_grad=True))
    assert y.dtype == z.dtype == torch.float32


def test_pytensor_differentiates_twice():
    pytensor = pytest.importorskip("pytensor")
    from dualdiff.adapters.pytensor import Operation

    x, a = pytensor.tensor.dvector("x"), pytensor.tensor.dscalar("a")
    y = Operation(plain)(x, a)
    first = pytensor.grad(y, [x, a])
    second = pytensor.grad(first[0].sum() + first[1], [x, a])
    with pytensor.config.change_flags(cxx=""):
        run = pytensor.function([x, a], [y, *first, *second], mode="FAST_COMPILE")
    value, dx, da, ddx, dda = run(START, 0.5)
    s, c = np.sin(0.5 * START), np.cos(0.5 * START)
    close(value, 0.5 * s.sum(), 1e-14)
    close(dx, 0.25 * c, 1e-14)
    close(da, s.sum() + 0.5 * START @ c, 1e-14)
    close(ddx, -0.125 * s + c - 0.25 * START * s, 1e-13)
    close(dda, np.sum(c - 0.25 * START * s) + 2 * START @ c - 0.5 * START**2 @ s, 1e-13)
