"""``dualdiff.scipy.integrate``: integrals as functions of their limits and parameters, against closed forms."""

from __future__ import annotations

import inspect
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from dualdiff import derivative, hessian, jacobian, value_and_jacobian
from dualdiff.base.errors import NoRuleError, UndefinedDerivativeWarning
from tests.support.against import Probes

scipy_integrate = pytest.importorskip("scipy.integrate")
special = pytest.importorskip("dualdiff.scipy.special")

from dualdiff.scipy.integrate import quadrature, samples, vectorized_integrals  # noqa: E402 - needs SciPy

OURS = SimpleNamespace(
    **{
        name: getattr(module, name)
        for module, names in (
            (quadrature, "quad quad_vec nquad dblquad tplquad fixed_quad"),
            (vectorized_integrals, "cubature tanhsinh"),
            (samples, "trapezoid cumulative_trapezoid simpson cumulative_simpson romb"),
        )
        for name in names.split()
    }
)

#: Each integral: f(module, p) with SciPy's module or ours, the closed form, the parameters, and how exact it is.
PROBES = probe = Probes()


@probe("a parameter", lambda p: (1 - np.exp(-p[0])) / p[0] * p[1], [2.0, 3.0])
def _parameter(si, p):
    return si.quad(lambda x: p[1] * np.exp(-p[0] * x), 0.0, 1.0)[0]


@probe("args", lambda p: (1 - np.exp(-p[0])) / p[0] * p[1], [2.0, 3.0])
def _args(si, p):
    return si.quad(lambda x, a, b: b * np.exp(-a * x), 0.0, 1.0, args=(p[0], p[1]), full_output=1)[0]


NEW = hasattr(scipy_integrate, "cubature")

if NEW:

    @probe("tanhsinh", lambda p: (np.exp(-p[0] * p[1]) - np.exp(-p[0] * 2)) / p[0], [2.0, 0.3])
    def _tanhsinh(si, p):
        return si.tanhsinh(lambda x: np.exp(-p[0] * x), p[1], 2.0).integral

    @probe("tanhsinh, infinite", lambda p: np.exp(-p[0] * p[1]) / p[0], [2.0, 0.3])
    def _tanhsinh_infinite(si, p):
        return si.tanhsinh(lambda x, a: np.exp(-a * x), p[1], np.inf, args=(p[0],)).integral

    @probe("tanhsinh, arrays", lambda p: np.stack([p[1] ** (p[0] + k) / (p[0] + k) for k in (0.0, 1.0)]), [0.5, 0.7])
    def _tanhsinh_arrays(si, p):
        return si.tanhsinh(lambda x, a: x ** (a - 1.0), 0.0, p[1], args=(p[0] + np.array([0.0, 1.0]),)).integral

    @probe(
        "cubature", lambda p: p[0] * (p[2] - p[1]) * 4.0 / 3 * (p[2] ** 2 + p[1] * p[2] + p[1] ** 2), [1.3, 0.2, 1.4]
    )
    def _cubature(si, p):
        a, b = np.stack([p[1], 0.0 * p[1]]), np.stack([p[2], 2.0 + 0.0 * p[1]])
        return si.cubature(lambda x: p[0] * x[:, 0] ** 2 * x[:, 1] * 2.0, a, b).estimate

    @probe("cubature, one dimension", lambda p: np.sin(p[0]) / p[0] + 0.0 * p[0], [9.0])
    def _cubature_one(si, p):
        return si.cubature(lambda x, a: np.cos(a * x[:, 0]), [0.0], [1.0], args=(p[0],)).estimate

    @probe(
        "cubature, reversed and array-valued",
        lambda p: np.stack([-(1 - np.exp(-p[0])) / p[0] * 0.5 * k for k in (1.0, 2.0)]),
        [3.0],
    )
    def _cubature_reversed(si, p):
        def f(x):
            return (np.exp(-p[0] * x[:, 0]) * x[:, 1])[:, None] * np.array([1.0, 2.0])

        return si.cubature(f, [1.0, 0.0], [0.0, 1.0]).estimate


def _irregular(x, a):
    return np.sqrt(np.abs(x - 0.3 * a))


def test_integrals_that_this_scipy_lacks_say_so():
    if NEW:
        with pytest.raises(NoRuleError, match=r"cubature with infinite limits .*use nquad"):
            derivative(lambda a: OURS.cubature(lambda x: np.exp(-a * x[:, 0]), [0.0], [np.inf]).estimate, 1.0)
        with pytest.raises(NoRuleError, match=r"tanhsinh with log="):
            derivative(lambda a: OURS.tanhsinh(lambda x: -a * x, 0.0, 1.0, log=True).integral, 1.0)
        with pytest.warns(UndefinedDerivativeWarning, match="cubature"):
            jump = derivative(lambda a: OURS.cubature(lambda x: _irregular(x[:, 0], a), [0.0], [1.0]).estimate, 0.9)
        assert np.isnan(jump)
    else:
        with pytest.raises(AttributeError, match=r"cubature needs SciPy 1\.15 or later"):
            OURS.cubature(lambda x: x, [0.0], [1.0])


@probe("limits", lambda p: (np.sin(p[0] * p[2]) - np.sin(p[0] * p[1])) / p[0], [2.0, 0.3, 1.4])
def _limits(si, p):
    return si.quad(lambda x: np.cos(p[0] * x), p[1], p[2])[0]


@probe("limits the other way round", lambda p: (np.sin(p[0] * p[2]) - np.sin(p[0] * p[1])) / p[0], [2.0, 1.4, 0.3])
def _reversed(si, p):
    return si.quad(lambda x: np.cos(p[0] * x), p[1], p[2])[0]


@probe("equal limits", lambda p: p[1] ** 2 - p[0] ** 2, [2.0, 2.0])
def _equal(si, p):
    return si.quad(lambda x: 2 * x, p[0], p[1])[0]


@probe("to infinity", lambda p: np.exp(-p[0] * p[1]) / p[0], [2.0, 0.3])
def _to_infinity(si, p):
    return si.quad(lambda x: np.exp(-p[0] * x), p[1], np.inf)[0]


@probe("from infinity", lambda p: np.exp(p[0] * p[1]) / p[0], [2.0, 0.3])
def _from_infinity(si, p):
    return si.quad(lambda x: np.exp(p[0] * x), -np.inf, p[1])[0]


@probe("all numbers", lambda p: np.sqrt(math.pi / p[0]) * np.exp(p[1] ** 2 / 4 / p[0]), [2.0, 0.7])
def _all_numbers(si, p):
    return si.quad(lambda x: np.exp(-p[0] * x * x + p[1] * x), -np.inf, np.inf)[0]


@probe("singular at the ends", lambda p: special.beta(p[0], p[1]), [0.4, 0.7], 1e-7)
def _beta(si, p):
    return si.quad(lambda x: x ** (p[0] - 1) * (1 - x) ** (p[1] - 1), 0.0, 1.0)[0]


@probe("gamma function", lambda p: special.gamma(p[0]), [2.5], 1e-7)
def _gamma(si, p):
    return si.quad(lambda x: x ** (p[0] - 1) * np.exp(-x), 0.0, np.inf)[0]


@probe("an amplitude of zero", lambda p: -p[0], [0.0])
def _amplitude(si, p):
    return si.quad(lambda x: p[0] * np.log(x), 0.0, 1.0)[0]


@probe("a singularity that only the tangent has", lambda p: ((1 + p[0]) ** 1.5 - np.abs(p[0]) ** 1.5) / 1.5, [0.0])
def _singular_tangent(si, p):
    # The second derivative is infinite: see below.
    return si.quad(lambda x: np.sqrt(x + p[0]), 0.0, 1.0)[0]


@probe("a moving kink", lambda p: (p[0] ** 2 + (2 - p[0]) ** 2) / 2, [0.7], 1e-6)
def _kink(si, p):
    return si.quad(lambda x: np.abs(x - p[0]), 0.0, 2.0, points=[p[0]])[0]


@probe("a moving jump", lambda p: p[0] ** 3 / 3 + p[1] * (2 - p[0]), [0.7, 5.0])
def _jump(si, p):
    return si.quad(lambda x: np.where(x < p[0], x * x, p[1]), 0.0, 2.0, points=[p[0]])[0]


@probe("oscillations", lambda p: np.sin(30 * p[0]) / (30 * p[0]), [1.1], 1e-7)
def _oscillations(si, p):
    return si.quad(lambda x: np.cos(30 * p[0] * x), 0.0, 1.0)[0]


@probe("a peak", lambda p: np.arctan(0.7 / p[0]) / p[0] + np.arctan(0.3 / p[0]) / p[0], [1e-3], 1e-6)
def _peak(si, p):
    return si.quad(lambda x: 1 / ((x - 0.3) ** 2 + p[0] ** 2), 0.0, 1.0)[0]


@probe("complex", lambda p: (np.exp(1j * p[0]) - 1).imag / p[0], [2.0])
def _complex(si, p):
    return si.quad(lambda x: np.exp(1j * p[0] * x), 0.0, 1.0, complex_func=True)[0].real


@probe("quad_vec", lambda p: np.stack([p[1] ** 2 / 2, p[0] * p[1] ** 3 / 3]), [2.0, 1.5])
def _vector(si, p):
    return si.quad_vec(lambda x: np.stack([x + 0 * p[0], p[0] * x * x]), 0.0, p[1])[0]


@probe("quad_vec, infinite", lambda p: np.stack([1 / p[0], 2 / p[0]]), [2.0])
def _vector_infinite(si, p):
    return si.quad_vec(lambda x: np.array([1.0, 2.0]) * np.exp(-p[0] * x), 0.0, np.inf)[0]


@probe("quad_vec, args", lambda p: np.stack([1 / p[0], 2 / p[0]]), [2.0])
def _vector_args(si, p):
    return si.quad_vec(lambda x, a: np.array([1.0, 2.0]) * np.exp(-a * x), 0.0, np.inf, args=(p[0],))[0]


@probe("dblquad", lambda p: p[0] * p[1] ** 2 * p[0] ** 4 / 8, [2.0, 1.5], 1e-7)
def _double(si, p):
    return si.dblquad(lambda y, x: p[0] * x * y, 0.0, p[0], 0.0, lambda x: p[1] * x)[0]


@probe("dblquad, args", lambda p: p[0] * p[1] / 4 * np.ones(()), [2.0, 1.5], 1e-7)
def _double_args(si, p):
    return si.dblquad(lambda y, x, a, b: a * b * x * y, 0.0, 1.0, 0.0, 1.0, args=(p[0], p[1]))[0]


@probe("tplquad", lambda p: p[0] ** 2 * p[0] / 24, [2.0], 1e-7)
def _triple(si, p):
    return si.tplquad(
        lambda z, y, x: p[0] ** 2 * x,
        0.0,
        p[0],
        0.0,
        0.25,
        lambda x, y: 0.0 * x,
        lambda x, y: 0.5 / p[0] / p[0] / 1.5 * p[0],
    )[0]


@probe("nquad", lambda p: p[0] * p[1] ** 2 / 2 * 2.0, [2.0, 1.5], 1e-7)
def _several(si, p):
    return si.nquad(lambda x, y, a: a * x * y, [lambda y, a: (0.0, p[1]), (0.0, 2.0)], args=(p[0],))[0] * 1.0


@probe("fixed_quad", lambda p: p[0] * (p[2] ** 4 - p[1] ** 4) / 4, [2.0, 0.3, 1.4])
def _fixed(si, p):
    return si.fixed_quad(lambda x: p[0] * x**3, p[1], p[2], n=4)[0]


@probe("fixed_quad, args", lambda p: np.stack([p[0], 2 * p[0]]) * 0.25, [2.0])
def _fixed_vector(si, p):
    return si.fixed_quad(lambda x, a: np.stack([a * x**3, 2 * a * x**3]), 0.0, 1.0, (p[0],))[0]


Y = np.array([1.0, 1.7, 2.4, 4.1, 3.0, 2.0, 0.7, 1.1, 1.9])
X = np.array([0.0, 0.5, 1.2, 1.9, 2.2, 3.0, 3.3, 4.1, 5.0])

SAMPLES = {}
for _name in ("trapezoid", "simpson", "cumulative_trapezoid", "cumulative_simpson"):
    for _n in (2, 3, 4, 8, 9):
        SAMPLES[f"{_name}, {_n} equal"] = (lambda si, p, f=_name: getattr(si, f)(p), Y[:_n])
        SAMPLES[f"{_name}, {_n} in y"] = (lambda si, p, f=_name, n=_n: getattr(si, f)(p, x=X[:n]), Y[:_n])
        SAMPLES[f"{_name}, {_n} in x"] = (lambda si, p, f=_name, n=_n: getattr(si, f)(Y[:n], x=p), X[:_n])
    SAMPLES[f"{_name}, in dx"] = (lambda si, p, f=_name: getattr(si, f)(Y, dx=p[0]), np.array([0.3]))
    SAMPLES[f"{_name}, axis"] = (lambda si, p, f=_name: getattr(si, f)(np.reshape(p, (3, 3)), x=X[:3], axis=0), Y)
    SAMPLES[f"{_name}, axes of x"] = (
        lambda si, p, f=_name: getattr(si, f)(np.reshape(Y, (3, 3)).T, x=np.reshape(p, (3, 3)), axis=1),
        X,
    )
for _n in (2, 3, 5, 9):
    SAMPLES[f"romb, {_n}"] = (lambda si, p: si.romb(p[1:], dx=p[0]), np.append(0.3, Y[:_n]))
SAMPLES["cumulative_trapezoid, initial"] = (lambda si, p: si.cumulative_trapezoid(p, initial=0), Y)
SAMPLES["cumulative_simpson, initial"] = (lambda si, p: si.cumulative_simpson(p[1:], initial=p[0]), np.append(0.3, Y))
SAMPLES["romb, axis"] = (lambda si, p: si.romb(np.reshape(p, (3, 3)), axis=0), Y)


@pytest.mark.parametrize("name", PROBES)
def test_values_are_scipys_and_derivatives_those_of_the_closed_form(name):
    f, closed, p, tolerance = PROBES[name]
    value, found = value_and_jacobian(lambda p: f(OURS, p), p)
    assert np.array_equal(value, f(scipy_integrate, p))
    np.testing.assert_allclose(found, jacobian(closed, p), rtol=tolerance, atol=tolerance)


#: Too many evaluations for a test; what it is made of, dblquad, is tested.
SLOW = {"tplquad"}


@pytest.mark.parametrize("name", sorted(PROBES.keys() - SLOW))
def test_reverse_mode_gives_the_same(name):
    f, _, p, tolerance = PROBES[name]
    forward = jacobian(lambda p: f(OURS, p), p, mode="forward")
    tolerance = max(tolerance, 1e-8)
    np.testing.assert_allclose(
        jacobian(lambda p: f(OURS, p), p, mode="reverse"), forward, rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", [name for name in PROBES if "only the tangent" not in name and name not in SLOW])
def test_second_derivatives_are_those_of_the_closed_form(name):
    f, closed, p, tolerance = PROBES[name]
    tolerance = 100 * tolerance
    expected = jacobian(jacobian(closed), p)
    np.testing.assert_allclose(jacobian(jacobian(lambda p: f(OURS, p)), p), expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        hessian(lambda p: np.sum(np.sin(f(OURS, p))), p),
        hessian(lambda p: np.sum(np.sin(closed(p))), p),
        rtol=tolerance,
        atol=tolerance,
    )


def test_third_derivatives_in_a_limit():
    f = derivative(derivative(derivative(lambda b: quadrature.quad(lambda x: np.exp(x * b), 0.0, b)[0])))
    g = derivative(derivative(derivative(lambda b: (np.exp(b * b) - 1) / b)))
    assert f(0.8) == pytest.approx(g(0.8), rel=1e-9)


@pytest.mark.parametrize("name", SAMPLES)
def test_integrals_of_samples(name):
    f, p = SAMPLES[name]
    value, found = value_and_jacobian(lambda p: f(OURS, p), p)
    assert np.array_equal(value, f(scipy_integrate, p))
    steps = 1e-20j * np.eye(p.size)
    if "simpson" in name or "in x" in name or "axes" in name or "romb" in name or "dx" in name:
        # SciPy's function casts to float: central differences, exact for what is linear.
        expected = np.stack(
            [(f(scipy_integrate, p + h) - f(scipy_integrate, p - h)) / 2e-4 for h in 1e-4 * np.eye(p.size)], -1
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    else:
        expected = np.stack([np.imag(f(scipy_integrate, p + h)) / 1e-20 for h in steps], -1)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(jacobian(lambda p: f(OURS, p), p, mode="reverse"), found, rtol=1e-13, atol=1e-13)
    second = jacobian(jacobian(lambda p: f(OURS, p)), p)
    by_differences = np.stack(
        [
            (jacobian(lambda p: f(OURS, p), p + h) - jacobian(lambda p: f(OURS, p), p - h)) / 2e-4
            for h in 1e-4 * np.eye(p.size)
        ],
        -1,
    )
    np.testing.assert_allclose(second, by_differences, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(vars(OURS)))
def test_signatures_are_scipys(name):
    if not hasattr(scipy_integrate, name):
        pytest.skip(f"this SciPy has no {name}")

    def of(f):
        return [(p.name, p.kind) for p in inspect.signature(f).parameters.values()]

    assert of(getattr(OURS, name)) == of(getattr(scipy_integrate, name))


def test_a_function_without_duals_is_scipys():
    assert quadrature.quad(np.exp, 0, 1) == scipy_integrate.quad(np.exp, 0, 1)
    assert quadrature.dblquad(lambda y, x: x * y, 0, 1, 0, 1) == scipy_integrate.dblquad(lambda y, x: x * y, 0, 1, 0, 1)
    assert samples.simpson([1, 2, 3]) == scipy_integrate.simpson([1, 2, 3])


def test_errors_and_warnings_are_scipys():
    with pytest.raises(ValueError, match="break points"):
        derivative(lambda a: quadrature.quad(lambda x: a * x, 0.0, np.inf, points=[1.0])[0], 1.0)
    with pytest.raises(ValueError, match="samples"):
        jacobian(samples.romb, np.ones(4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        derivative(lambda a: quadrature.quad(lambda x: a / x, 0.0, 1.0)[0], 1.0)
    assert {w.category for w in caught} == {scipy_integrate.IntegrationWarning, UndefinedDerivativeWarning}


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_nan_where_scipy_reports_a_difficulty(mode):
    with pytest.warns(UndefinedDerivativeWarning, match="SciPy reports"):
        found = jacobian(lambda a: quadrature.quad(lambda x: a[0] / x, 0.0, 1.0)[0], np.ones(1), mode=mode)
    assert np.isnan(found)


def test_nan_where_the_derivative_is_infinite():
    with pytest.warns(UndefinedDerivativeWarning, match="irregular"):
        found = derivative(lambda a: quadrature.quad(lambda x: np.sqrt(np.abs(x + a)) * x**-0.5, 0.0, 1.0)[0], 0.0)
    assert np.isnan(found)


def test_weights_are_refused():
    with pytest.raises(NoRuleError, match="weight"):
        derivative(lambda a: quadrature.quad(lambda x: a * x, 0.0, 1.0, weight="cos", wvar=3.0)[0], 1.0)


def test_a_kink_that_is_not_given_is_located():
    for mode in ("forward", "reverse"):
        found = jacobian(lambda a: quadrature.quad(lambda x: np.abs(x - a[0]), 0.0, 2.0)[0], np.array([0.7]), mode=mode)
        assert found == pytest.approx(-0.6, abs=1e-7)
