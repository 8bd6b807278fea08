"""What other libraries ask of duals: the array API, the assertions of numpy.testing, np.require, np.arange."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import LostDerivativeError, adapt, derivative, hessian, jacobian

P = np.array([0.5, 1.5])


# -- the array API -----------------------------------------------------------------------------------------------------
def test_namespace_and_device_are_those_of_the_value():
    seen = []

    def f(x):
        # Scalars of NumPy 2.0 have no device, and neither have their duals.
        device = getattr(x[0], "device", "none")
        seen.append((x.__array_namespace__(), x.__array_namespace__(api_version="2022.12"), x.device, device))
        with pytest.raises(ValueError, match="Unsupported device"):
            x.to_device("gpu")
        return x.to_device("cpu") * (x[0] if device == "none" else x[0].to_device("cpu"))

    np.testing.assert_array_equal(jacobian(f, P), jacobian(lambda x: x * x[0], P))
    assert seen == [(np, np, "cpu", getattr(P[0], "device", "none"))]
    assert derivative(lambda t: t * hasattr(t, "device"), 2.0) == hasattr(2.0, "device")


def statistics(xp, x):
    y = xp.stack([x, xp.astype(x, xp.float64) ** 2])
    parts = [
        xp.mean(x),
        xp.std(x, correction=1),
        xp.var(y),
        xp.max(x),
        xp.linalg.vector_norm(y),
        xp.vecdot(x, x),
        xp.sum(xp.exp(-x)),
        xp.sum(xp.concat([x, x]) ** 3),
        xp.sum(xp.permute_dims(y, (1, 0)) @ y),
        xp.sum(xp.where(x > 1.0, x, xp.zeros_like(x))),
        xp.sum(xp.sort(x)[:1]),
    ]
    return xp.stack(parts)


@pytest.mark.parametrize("module", ["array_api_compat", "scipy._lib.array_api_compat"])
def test_code_written_against_the_array_api(module):
    compat = pytest.importorskip(module)
    try:
        compat.array_namespace(P, 1.0)
    except TypeError:
        pytest.skip("this version takes no Python scalars")
    if not hasattr(np.float64, "device"):
        pytest.skip("scalars of NumPy 2.0 have no device")
    xp = compat.array_namespace(P)
    for options in ({}, {"use_compat": False}):
        seen = []
        jacobian(lambda x: (seen.append(compat.array_namespace(x, P, 1.0, **options)), x)[1], P)  # noqa: B023
        assert seen == [compat.array_namespace(P, **options)]
    assert all(compat.is_array_api_obj(x) for x in (P, P[0]))
    assert jacobian(lambda x: x * (compat.is_array_api_obj(x) and compat.device(x) == "cpu"), P).tolist() == [
        [1, 0],
        [0, 1],
    ]

    def f(x):
        return statistics(compat.array_namespace(x), compat.to_device(x, "cpu"))

    np.testing.assert_array_equal(f(P), statistics(xp, P))
    h = 1e-6
    slopes = np.stack([(f(P + h * e) - f(P - h * e)) / (2 * h) for e in np.eye(2)], axis=1)
    np.testing.assert_allclose(jacobian(f, P), slopes, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(jacobian(f, P, mode="reverse"), jacobian(f, P), rtol=1e-13)
    np.testing.assert_allclose(hessian(lambda x: np.sum(f(x)), P), hessian(lambda x: np.sum(statistics(xp, x)), P))


# -- numpy.testing -----------------------------------------------------------------------------------------------------
ASSERTIONS = {
    "assert_allclose": lambda a, b: np.testing.assert_allclose(a, b),
    "assert_array_equal": lambda a, b: np.testing.assert_array_equal(a, b),
    "assert_equal": lambda a, b: np.testing.assert_equal(a, b),
    "assert_almost_equal": lambda a, b: np.testing.assert_almost_equal(a, b),
    "assert_array_almost_equal": lambda a, b: np.testing.assert_array_almost_equal(a, b),
    "assert_array_less": lambda a, b: np.testing.assert_array_less(a - 1e-3, b),
    "assert_array_max_ulp": lambda a, b: np.testing.assert_array_max_ulp(a, b),
    "assert_array_almost_equal_nulp": lambda a, b: np.testing.assert_array_almost_equal_nulp(a, b),
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_assertions_compare_values(name):
    check = ASSERTIONS[name]

    def f(x):
        check(x, P)
        check(P, 1.0 * x)
        check(np.outer(x, np.ones(20)), np.outer(P, np.ones(20)))
        check(x[0], 0.5)
        for wrong in (x - 1.0, (x - 1.0)[0]):
            with pytest.raises(AssertionError):
                check(1.0 * x if wrong.shape else x[0], wrong)
        return x**2

    np.testing.assert_array_equal(jacobian(f, P), np.diag(2 * P))
    assert derivative(lambda t: (check(t, 2.0), t)[1], 2.0) == 1.0


def test_assertions_of_missing_values_and_lists():
    def f(x):
        np.testing.assert_allclose(x * np.nan, P * np.nan)
        np.testing.assert_allclose([x[0], x[1]], P)
        np.testing.assert_approx_equal(x[0], 0.5)
        return x

    np.testing.assert_array_equal(jacobian(f, P), np.eye(2))


# -- np.require and np.arange ------------------------------------------------------------------------------------------
def test_require():
    for f in (
        lambda x: np.require(x),
        lambda x: np.require(x, requirements=["C", "A"]),
        lambda x: np.require([x[0], x[1]]),
        lambda x: np.require(x, float, "W", like=x),
        adapt(lambda x: np.require(x, float, ["C", "W"])),
    ):
        np.testing.assert_array_equal(jacobian(f, P), np.eye(2))
    for f, words in (
        (lambda x: np.require(x, float), "holds plain values"),
        (lambda x: np.require(x, requirements="W"), "would lose the derivative"),
    ):
        with pytest.raises(LostDerivativeError, match=words) as error:
            jacobian(f, P)
        assert "differentiate adapt(f)" in error.value.__notes__[0]
        np.testing.assert_array_equal(jacobian(adapt(f), P), np.eye(2))


GRIDS = {
    "start and step": (lambda x: np.arange(x[0], 3.0, x[1]), lambda x: x[0] + x[1] * np.arange(2)),
    "step": (lambda x: np.arange(0, 2, x[0]), lambda x: x[0] * np.arange(4)),
    "stop": (lambda x: np.arange(2.0 * x[1]), lambda x: 0 * x[0] + np.arange(3.0)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_arange(name):
    f, g = GRIDS[name]
    with pytest.raises(LostDerivativeError, match="would lose the derivative") as error:
        jacobian(f, P)
    (note,) = error.value.__notes__
    assert "np.arange(..., like=x) takes dual numbers, or differentiate adapt(f)" in note
    np.testing.assert_array_equal(f(P), g(P))
    np.testing.assert_array_equal(jacobian(adapt(f), P), jacobian(g, P))


def test_arange_like():
    np.testing.assert_array_equal(jacobian(lambda x: np.arange(x[0], 3.0, x[1], like=x), P), [[1, 0], [1, 1]])
    assert adapt(lambda x: np.arange(3))(P).dtype == int
