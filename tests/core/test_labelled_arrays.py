"""Arrays with labels as x and as results: pandas' Series and DataFrames, xarray's DataArrays."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp, value_and_gradient, vjp

NUMBERS = np.array([1.0, 2.0, 3.0])
NAMES = ["rate", "scale", "shift"]
MODES = ("auto", "forward", "reverse")


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def series(pd):
    return pd.Series(NUMBERS, index=NAMES, name="parameters")


@pytest.fixture
def grid():
    xr = pytest.importorskip("xarray")
    return xr.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=("x", "y"), coords={"x": [0, 1]})


def by_labels(p):
    t = np.linspace(0, 1, 4)
    return np.sum((p["scale"] * np.exp(-p.rate * t) + p.iloc[2]) ** 2)


def by_places(v):
    t = np.linspace(0, 1, 4)
    return np.sum((v[1] * np.exp(-v[0] * t) + v[2]) ** 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_series(pd, series, mode):
    value, found = value_and_gradient(by_labels, series, mode=mode)
    assert value == by_labels(series)
    assert type(found) is pd.Series
    assert list(found.index) == NAMES
    assert found.name == "parameters"
    assert found.dtype == float
    np.testing.assert_allclose(found, gradient(by_places, NUMBERS), rtol=1e-13)
    second = hessian(by_labels, series, mode=mode)
    np.testing.assert_allclose(second, hessian(by_places, NUMBERS), rtol=1e-12)
    product = hvp(by_labels, series, series, mode=mode)
    assert list(product.index) == NAMES
    np.testing.assert_allclose(product, second @ NUMBERS, rtol=1e-12)


def test_arithmetic_and_functions_of_a_series(series):
    M = np.arange(6.0).reshape(2, 3)
    for f, expected in (
        (lambda s: np.sum(s**2), 2 * NUMBERS),
        (lambda s: (s**2).sum(), 2 * NUMBERS),
        (lambda s: np.exp(s).sum(), np.exp(NUMBERS)),
        (lambda s: s @ s, 2 * NUMBERS),
        (lambda s: np.sum((M @ s) ** 2), 2 * M.T @ M @ NUMBERS),
        (lambda s: np.linalg.norm(s), NUMBERS / np.linalg.norm(NUMBERS)),
        (lambda s: (2 * s + s * s).sum(), 2 + 2 * NUMBERS),
        (lambda s: s.cumsum().iloc[-1], np.ones(3)),
        (lambda s: sum(v**2 for _, v in s.items()), 2 * NUMBERS),
        (lambda s: np.where(s > 1.5, s, 0.0).sum(), [0, 1, 1]),
    ):
        for mode in MODES:
            np.testing.assert_allclose(gradient(f, series, mode=mode), expected, rtol=1e-13)


def test_directions_weights_and_results_of_a_series(pd, series):
    value, slope = jvp(lambda s: s**2, series, series)
    assert list(value.index) == list(slope.index) == NAMES
    np.testing.assert_array_equal(slope, 2 * NUMBERS**2)
    np.testing.assert_array_equal(jvp(lambda s: s**2, series, NUMBERS)[1], slope)
    np.testing.assert_array_equal(jacobian(lambda s: s**2, series), 2 * np.diag(NUMBERS))
    _, pull = vjp(lambda s: s**2, series)
    np.testing.assert_array_equal(pull(series), 2 * NUMBERS**2)
    assert list(pull(series).index) == NAMES
    slope = derivative(lambda t: pd.Series([t**2, t], index=["a", "b"]), 3.0)
    assert list(slope.index) == ["a", "b"]
    np.testing.assert_array_equal(slope, [6.0, 1.0])
    for wrong in (series.iloc[::-1], series.rename({"rate": "decay"}), pd.DataFrame({"rate": NUMBERS})):
        with pytest.raises(ValueError, match="the direction v has other labels than x"):
            jvp(lambda s: s**2, series, wrong)
        with pytest.raises(ValueError, match="the cotangent w has other labels than x"):
            pull(wrong)
    # What the error advises.
    np.testing.assert_array_equal(jvp(lambda s: s**2, series, series.iloc[::-1].reindex(NAMES))[1], 2 * NUMBERS**2)


def test_series_of_integers_and_of_text(pd):
    found = gradient(lambda s: (s**2).sum(), pd.Series([1, 2], index=["a", "b"]))
    assert found.to_dict() == {"a": 2.0, "b": 4.0}
    with pytest.raises(TypeError, match="array of objects, one of them a str"):
        gradient(lambda s: 1.0, pd.Series(["u", "v"], dtype=object))
    with pytest.raises(TypeError, match=r"an integer array of shape \(2,\), which cannot be differentiated"):
        gradient(lambda p: p["a"], {"a": 1.0, "n": pd.Series([1, 2])})
    names = pd.Series(["u", "v"], dtype=object)
    found = gradient(lambda p: p["a"] ** 2, {"a": 3.0, "names": names})
    assert found["names"] is names


def test_a_frame_and_labelled_arrays_in_containers(pd, series):
    frame = pd.DataFrame({"u": [1.0, 2.0], "v": [3.0, 4.0]}, index=["p", "q"])
    f = lambda d: (d.u**2 * d["v"]).sum()
    for mode in MODES:
        found = gradient(f, frame, mode=mode)
        assert type(found) is pd.DataFrame
        assert found.loc["q", "u"] == 16.0
        np.testing.assert_array_equal(found["v"], [1.0, 4.0])
    found = gradient(lambda p: (p["s"] ** 2).sum() * p["k"], {"s": series, "k": 2.0})
    assert found["s"]["scale"] == 8.0
    assert found["k"] == 14.0
    first, second = gradient(lambda s, t: t * s["rate"], series, 2.0, argnum=(0, 1))
    assert first.to_dict() == {"rate": 2.0, "scale": 0.0, "shift": 0.0}
    assert second == 1.0


def test_a_series_of_duals_of_an_outer_call(series):
    f = lambda t: gradient(lambda s: s["rate"] ** 2 * s["scale"], series.map(lambda v: t * v)).sum()
    assert derivative(f, 2.0) == pytest.approx(2 * 2 * (2 * 1 * 2 + 1 * 1))


@pytest.mark.parametrize("mode", MODES)
def test_a_data_array(grid, mode):
    for f in (lambda d: (d**2).sum(), lambda d: (d**2).sum().data, lambda d: np.sum(d.data**2)):
        found = gradient(f, grid, mode=mode)
        assert type(found) is type(grid)
        assert found.dims == ("x", "y")
        np.testing.assert_array_equal(found, 2 * grid.data)
        assert list(found.x) == [0, 1]
    found = gradient(lambda d: (d.sel(x=1) * d.sel(x=0)).sum(), grid, mode=mode)
    np.testing.assert_array_equal(found, grid.data[::-1])


def test_results_and_directions_of_a_data_array(grid):
    value, slope = jvp(lambda d: d**2, grid, grid)
    assert value.dims == slope.dims == ("x", "y")
    np.testing.assert_array_equal(slope, 2 * grid.data**2)
    slope = derivative(lambda t: t**2 * grid, 3.0)
    np.testing.assert_array_equal(slope, 6 * grid.data)
    assert slope.dims == ("x", "y")
    assert jacobian(lambda d: d**2, grid).shape == (2, 2, 2, 2)
    with pytest.raises(ValueError, match="the direction v has other labels than x"):
        jvp(lambda d: d**2, grid, grid.rename(x="z"))
    with pytest.raises(ValueError, match="the direction v has other labels than x"):
        jvp(lambda d: d**2, grid, grid.assign_coords(x=[1, 0]))
