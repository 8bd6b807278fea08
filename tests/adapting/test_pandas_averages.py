"""pandas' averages of duals in adapted code, against the same of plain values and against NumPy's of dual arrays."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from dualdiff import adapt, derivative, gradient, hessian, jacobian, value

pd = pytest.importorskip("pandas")

W = np.array([0.5, 1.0])
X = np.array([[1.0, 0.2], [1.0, 0.5], [1.0, 0.9], [1.0, 1.6], [1.0, 2.2]])
Y = np.array([1.0, 2.0, 2.5, 1.5, 3.0])
DF = pd.DataFrame(X, columns=["one", "h"]).assign(y=Y, kind=list("abaab"))
HOLES = pd.Series([0.2, np.nan, 0.9, 1.4])
NAMES = ("mean", "median", "std", "var", "sem")


def squares(w):
    """A Series of squared residuals."""
    return (DF[["one", "h"]] @ w - DF.y) ** 2


def numpy_s(name, x, axis=None):
    """NumPy's function, with the divisor that pandas has."""
    if name == "sem":
        return np.std(x, axis=axis, ddof=1) / np.sqrt(np.size(x) if axis is None else np.shape(x)[axis])
    return getattr(np, name)(x, axis=axis, **({"ddof": 1} if name in ("std", "var") else {}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_of_a_series(name, mode):
    def f(w):
        return getattr(squares(w), name)()

    expected = gradient(lambda w: numpy_s(name, (X @ w - Y) ** 2), W)
    np.testing.assert_allclose(gradient(adapt(f), W, mode=mode), expected, rtol=1e-12)
    # pandas' value is at hand where k scales the result.
    scale = 4.0 if name == "var" else 1.0
    assert derivative(adapt(lambda k: getattr(k * DF.h, name)()), 2.0) == pytest.approx(scale * getattr(DF.h, name)())
    with pytest.raises(TypeError) as raised:
        gradient(f, W)
    assert "differentiate adapt(f)" in raised.value.__notes__[0]


@pytest.mark.parametrize("name", NAMES)
def test_second_order(name):
    expected = hessian(lambda w: numpy_s(name, (X @ w - Y) ** 2), W)
    np.testing.assert_allclose(
        hessian(adapt(lambda w: getattr(squares(w), name)()), W), expected, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [0, 1])
def test_of_a_data_frame(name, axis):
    table = DF[["h", "y"]]
    result = jacobian(adapt(lambda w: getattr(table * w, name)(axis=axis).to_numpy()), W)
    expected = jacobian(lambda w: numpy_s(name, table.to_numpy() * w, axis=axis), W)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", NAMES)
def test_axis_by_position(name):
    """Whatever pandas takes, with its warning."""
    table = DF[["h", "y"]]
    for axis in 0, 1:
        try:
            getattr(table, name)(axis)
        except TypeError:
            continue
        result = jacobian(adapt(lambda w, axis=axis: getattr(table * w, name)(axis).to_numpy()), W)
        expected = jacobian(lambda w, axis=axis: numpy_s(name, table.to_numpy() * w, axis=axis), W)
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-15)


def test_of_all_elements_and_of_numeric_columns():
    table = DF[["h", "y"]]
    np.testing.assert_allclose(gradient(adapt(lambda w: (table * w).mean(axis=None)), W), table.to_numpy().sum(0) / 10)
    means = adapt(lambda w: DF.assign(m=DF.h * w[0]).mean(numeric_only=True))
    labels = []
    jacobian(lambda w: labels.append(means(w).index) or means(w)["m"], W)
    assert list(labels[0]) == ["one", "h", "y", "m"]
    np.testing.assert_allclose(jacobian(lambda w: means(w)["m"], W), [DF.h.mean(), 0.0])


def test_numpy_functions_take_the_methods_of_a_series():
    np.testing.assert_allclose(gradient(adapt(lambda w: np.mean(squares(w))), W), 2 * X.T @ (X @ W - Y) / 5)
    expected = gradient(lambda w: np.std((X @ w - Y) ** 2), W)
    np.testing.assert_allclose(gradient(adapt(lambda w: np.std(squares(w), axis=0, ddof=0)), W), expected)


@pytest.mark.parametrize("name", NAMES)
def test_of_groups(name):
    result = jacobian(adapt(lambda w: getattr(squares(w).groupby(DF.kind), name)().to_numpy()), W)
    groups = [np.array([0, 2, 3]), np.array([1, 4])]
    expected = [gradient(lambda w, i=i: numpy_s(name, (X[i] @ w - Y[i]) ** 2), W) for i in groups]
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-15)
    table = adapt(lambda w: DF.assign(m=DF.h * w[0]).groupby("kind")[["m", "y"]])
    frames = jacobian(lambda w: adapt(lambda: getattr(table(w), name)()["m"].to_numpy())(), W)
    np.testing.assert_allclose(frames[:, 0], [numpy_s(name, DF.h.to_numpy()[i]) for i in groups], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_missing_values_are_left_out(name):
    result = derivative(adapt(lambda k: getattr(k * HOLES, name)()), 2.0)
    assert result == pytest.approx((4.0 if name == "var" else 1.0) * getattr(HOLES, name)(), rel=1e-12)
    # Kept, and where what is left is too little.
    for series, options in (HOLES, {"skipna": False}), (pd.Series([0.3, np.nan]), {}):
        values = []
        derivative(adapt(lambda k: values.append(value(getattr(k * series, name)(**options))) or k), 1.0)  # noqa: B023
        np.testing.assert_array_equal(values[0], getattr(series, name)(**options))


def mixed(x):
    """Columns of duals, times, floats and booleans, and keys of groups."""
    return pd.DataFrame(
        {"u": x, "t": pd.date_range("2020", periods=4), "v": 1.0, "b": [True, False, True, True], "k": list("abab")}
    )


TABLES = {
    "frame": mixed,
    "groups": lambda x: mixed(x).groupby("k"),
    "groups of some columns": lambda x: mixed(x).groupby("k")[["u", "t", "v"]],
}


def takes_numbers_only(cls):
    for name in dir(cls):
        method = getattr(cls, name)
        is_one = inspect.isfunction(method) and not name.startswith("_") and name != "corrwith"
        if is_one and "numeric_only" in inspect.signature(method).parameters:
            yield name


#: What pandas computes in C, for which duals raise; and what it does not compute with columns of booleans or times.
COMPILED = {"corr", "kurt", "kurtosis", "skew", "quantile", "cummax", "cummin", "cumprod", "cumsum"}
OF_FLOATS_ALONE = {"cov", "quantile"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("table", TABLES)
def test_columns_of_duals_are_numeric(table):
    """Methods with ``numeric_only`` have the columns and values that they have for floats, or are known to raise."""
    x, right = np.array([1.0, 2.5, -0.5, 4.0]), []
    for name in takes_numbers_only(type(TABLES[table](x))):
        results = []

        def f(k, name=name, results=results):
            results.append(getattr(TABLES[table](x * k), name)(numeric_only=True))
            return k

        try:
            f(1.0)
        except TypeError:
            # pandas has no result for these columns either.
            assert name in OF_FLOATS_ALONE
            continue
        try:
            derivative(adapt(f), 1.0)
        except (TypeError, NotImplementedError):
            # The second is what pandas raises where its compiled code knows no columns of objects.
            assert name in COMPILED, name
            continue
        expected, result = results
        assert [list(a) for a in result.axes] == [list(a) for a in expected.axes], name
        pairs = zip(result.to_numpy(object).flat, expected.to_numpy(object).flat, strict=True)
        assert all(value(a) == pytest.approx(b, nan_ok=True) if type(b) is not str else a == b for a, b in pairs), name
        right.append(name)
    assert {"mean", "std", "sum", "prod", "min", "max"} <= set(right)


def test_columns_of_duals_are_selected():
    x = np.array([1.0, 2.5, -0.5, 4.0])
    for options in {"include": "number"}, {"exclude": ["datetime", "bool", object, "str"]}, {"include": float}:
        f = adapt(lambda x, o=options: mixed(x).select_dtypes(**o).sum().sum())
        np.testing.assert_array_equal(gradient(f, x), np.ones(4))
    f = adapt(lambda x: mixed(x).groupby("k", as_index=False).sum(numeric_only=True)["u"].iloc[0])
    np.testing.assert_array_equal(gradient(f, x), [1.0, 0.0, 1.0, 0.0])


def test_pandas_is_its_own_outside():
    before = {cls: vars(cls)["mean"] for cls in (pd.Series, pd.DataFrame)}
    gradient(adapt(lambda w: squares(w).mean()), W)
    assert {cls: vars(cls)["mean"] for cls in before} == before
    assert adapt(lambda: DF.h.mean())() == DF.h.mean()
    values = []
    derivative(adapt(lambda k: values.append(DF.h.std()) or k), 1.0)
    assert type(values[0]) is type(DF.h.std())
    assert values[0] == DF.h.std()
