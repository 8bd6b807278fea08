"""pandas beside duals: operators and functions of NumPy in either order, reductions, and values that are missing."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import gradient, jacobian, zeros

pd = pytest.importorskip("pandas")

P = np.array([0.5, 1.5])
DF = pd.DataFrame({"t": [0.2, 0.5, 0.9], "y": [1.0, 2.0, 2.5]}, index=["a", "b", "c"])
T, Y = DF["t"].to_numpy(), DF["y"].to_numpy()
HOLES = pd.Series([0.2, np.nan, 0.9], index=["a", "b", "c"])
H = HOLES.to_numpy()


def model(p):
    """An array of duals."""
    return np.stack([p[0], p[1], p[0] * p[1]])


#: With labels, and the same without.
LABELLED = {
    "number * Series": (lambda p: p[0] * DF.t, lambda p: p[0] * T),
    "Series * number": (lambda p: DF.t * p[0], lambda p: p[0] * T),
    "Series / number": (lambda p: DF.t / p[0] - p[1], lambda p: T / p[0] - p[1]),
    "number / Series": (lambda p: p[0] / DF.t, lambda p: p[0] / T),
    "Series ** number": (lambda p: DF.t ** p[0], lambda p: T ** p[0]),
    "number ** Series": (lambda p: p[0] ** DF.t, lambda p: p[0] ** T),
    "Series % number": (lambda p: DF.t % p[0], lambda p: T % p[0]),
    "array * Series": (lambda p: model(p) * DF.t, lambda p: model(p) * T),
    "Series - array": (lambda p: DF.t - model(p), lambda p: T - model(p)),
    "np.multiply(array, Series)": (lambda p: np.multiply(model(p), DF.t), lambda p: model(p) * T),
    "np.subtract(Series, array)": (lambda p: np.subtract(DF.t, model(p)), lambda p: T - model(p)),
    "np.arctan2": (lambda p: np.arctan2(DF.t, p[0]), lambda p: np.arctan2(T, p[0])),
    "np.hypot": (lambda p: np.hypot(model(p), DF.t), lambda p: np.hypot(model(p), T)),
    "exponential": (lambda p: p[0] * np.exp(-p[1] * DF["t"]), lambda p: p[0] * np.exp(-p[1] * T)),
    "residuals": (lambda p: (p[0] + p[1] * DF.t - DF.y) ** 2, lambda p: (p[0] + p[1] * T - Y) ** 2),
    "np.square": (lambda p: np.square(DF.t * p[0] - DF.y), lambda p: np.square(T * p[0] - Y)),
    "number * DataFrame": (lambda p: p[0] * DF, lambda p: p[0] * DF.to_numpy()),
    "DataFrame * array": (lambda p: DF * p, lambda p: DF.to_numpy() * p),
    "np.multiply(array, DataFrame)": (lambda p: np.multiply(p, DF), lambda p: DF.to_numpy() * p),
    "DataFrame * matrix": (lambda p: DF * np.stack([p, p, p]), lambda p: DF.to_numpy() * p),
    "DataFrame @ array": (lambda p: DF @ p, lambda p: DF.to_numpy() @ p),
    "DataFrame @ array - Series": (lambda p: DF @ p - DF.y, lambda p: DF.to_numpy() @ p - Y),
    "cumsum": (lambda p: (p[0] * DF.t).cumsum(), lambda p: p[0] * np.cumsum(T)),
    "cumprod": (lambda p: (p[0] * DF.t).cumprod(), lambda p: np.cumprod(p[0] * T)),
    "abs": (lambda p: (p[0] * DF.t - 0.2).abs(), lambda p: np.abs(p[0] * T - 0.2)),
    "where": (lambda p: (p[0] * DF.t).where(DF.t > 0.3, 0.0), lambda p: np.where(T > 0.3, p[0] * T, 0.0)),
    "clip": (lambda p: (p[0] * DF.t).clip(0.0, 0.3), lambda p: np.clip(p[0] * T, 0.0, 0.3)),
    "apply": (lambda p: DF.t.apply(lambda t: p[0] * t), lambda p: p[0] * T),
    "eval": (lambda p: DF.eval("t * @k", local_dict={"k": p[0]}), lambda p: p[0] * T),
    "pd.Series": (lambda p: pd.Series(model(p)), model),
    "assign": (lambda p: DF.assign(m=model(p))["m"], model),
    "dropna": (lambda p: (HOLES * p[0]).dropna(), lambda p: p[0] * H[[0, 2]]),
    "fillna": (lambda p: (p[0] * HOLES).fillna(0.0), lambda p: p[0] * np.nan_to_num(H)),
}
#: What gives numbers or arrays.
PLAIN = {
    "sum": (
        lambda p: ((p[0] * np.exp(-p[1] * DF.t) - DF.y) ** 2).sum(),
        lambda p: np.sum((p[0] * np.exp(-p[1] * T) - Y) ** 2),
    ),
    "np.sum": (lambda p: np.sum((p[0] * DF.t - DF.y) ** 2), lambda p: np.sum((p[0] * T - Y) ** 2)),
    "prod": (lambda p: (p[0] * DF.t).prod(), lambda p: np.prod(p[0] * T)),
    "max": (lambda p: (p[0] * DF.t).max(), lambda p: p[0] * 0.9),
    "min": (lambda p: (p[0] * DF.t).min(), lambda p: p[0] * 0.2),
    "sums of columns": (lambda p: (DF * p).sum().to_numpy(), lambda p: np.sum(DF.to_numpy() * p, axis=0)),
    "sums of rows": (lambda p: (DF * p).sum(axis=1).to_numpy(), lambda p: np.sum(DF.to_numpy() * p, axis=1)),
    "groups": (lambda p: (p[0] * DF.t).groupby([0, 0, 1]).sum().to_numpy(), lambda p: p[0] * np.array([0.7, 0.9])),
    "mean": (lambda p: np.mean(((DF @ p - DF.y) ** 2).to_numpy()), lambda p: np.mean((DF.to_numpy() @ p - Y) ** 2)),
    "array @ DataFrame": (lambda p: p @ DF.T, lambda p: p @ DF.to_numpy().T),
    "np.dot": (lambda p: np.dot(p, DF.T), lambda p: DF.to_numpy() @ p),
    "np.where": (lambda p: np.where(DF.t > 0.3, p[0], DF.y), lambda p: np.where(T > 0.3, p[0], Y)),
    "np.concatenate": (lambda p: np.concatenate([p, DF.t]), lambda p: np.concatenate([p, T])),
    "array < Series": (lambda p: np.sum((model(p) < DF.t) * model(p)), lambda p: np.sum((model(p) < T) * model(p))),
    "Series > number": (lambda p: ((DF.t > p[0]) * p[0] * DF.t).sum(), lambda p: np.sum((p[0] < T) * p[0] * T)),
    "number * Index": (lambda p: (p[0] * pd.Index(T)).to_numpy(), lambda p: p[0] * T),
    "a buffer": (lambda p: (lambda y: (y.__setitem__(..., DF.t), y * p[0])[1])(zeros(3, like=p)), lambda p: p[0] * T),
    "missing, sum": (lambda p: (p[0] * HOLES + p[1]).sum(), lambda p: p[0] * 1.1 + 2 * p[1]),
    "missing, max": (lambda p: (p[0] * HOLES).max(), lambda p: p[0] * 0.9),
    "missing, count": (lambda p: (p[0] * HOLES).count() * p[0], lambda p: 2 * p[0]),
    "missing, isna": (lambda p: (HOLES / p[0]).isna().sum() * p[0], lambda p: 1 * p[0]),
    "missing, in a DataFrame": (lambda p: (p[0] * HOLES.to_frame()).sum().iloc[0], lambda p: p[0] * 1.1),
}


@pytest.mark.parametrize("options", [{}, {"mode": "reverse"}])
@pytest.mark.parametrize("name", LABELLED)
def test_labels_stay(name, options):
    f, g = LABELLED[name]

    def bare(p):
        found = f(p)
        assert isinstance(found, (pd.Series, pd.DataFrame))
        return found.to_numpy()

    np.testing.assert_allclose(jacobian(bare, P, **options), jacobian(g, P), rtol=1e-13, atol=1e-15)
    plain = f(P)
    with_duals = []
    jacobian(lambda p: (with_duals.append(f(p)), p)[1], P, **options)
    assert with_duals[0].axes[0].equals(plain.axes[0])


@pytest.mark.parametrize("options", [{}, {"mode": "reverse"}])
@pytest.mark.parametrize("name", PLAIN)
def test_numbers_and_arrays(name, options):
    f, g = PLAIN[name]
    np.testing.assert_allclose(jacobian(f, P, **options), jacobian(g, P), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["mean", "std", "var", "median"])
def test_methods_that_convert_to_floats_say_what_to_write(name):
    """pandas hands the values to float(): there is nothing that an object could answer."""
    numpy_name = f"np.{name}(s.dropna().to_numpy(){', ddof=1' if name in ('std', 'var') else ''})"
    for kind, remedy, make in (
        ("Series", numpy_name, lambda p: p[0] * HOLES**2 - p[1] ** 2),
        ("DataFrame", f"df.apply(lambda s: {numpy_name})", lambda p: (p[0] * DF.assign(h=HOLES)) ** p[1]),
    ):
        with pytest.raises(TypeError) as error:
            gradient(lambda p: np.sum(getattr(make(p), name)()), P)  # noqa: B023
        assert error.value.__notes__ == [
            f"dualdiff: pandas.{kind}.{name} takes plain values: write {remedy}, or differentiate "
            "adapt(f), in which it takes duals"
        ]
        # The remedy, as it is written.
        found = lambda p: np.sum(eval(remedy, {"np": np}, {"s": make(p), "df": make(p)}))  # noqa: B023
        np.testing.assert_allclose(found(P), np.sum(getattr(make(P), name)()), rtol=1e-14)
        step = 1e-6 * np.eye(2)
        by_differences = [(found(P + v) - found(P - v)) / 2e-6 for v in step]
        np.testing.assert_allclose(gradient(found, P), by_differences, rtol=1e-8, atol=1e-9)


#: What pandas does with values that are missing.
OF_MISSING = {
    "count": lambda s: s.count(),
    "isna": lambda s: s.isna().sum(),
    "fillna": lambda s: s.fillna(7.0).sum(),
    "dropna": lambda s: s.dropna().sum(),
    "sum": lambda s: s.sum(),
    "max": lambda s: s.max(),
}


@pytest.mark.parametrize("name", OF_MISSING)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_result_that_is_nan_is_missing_for_pandas(name):
    """Square roots of negative values, as a Series, in a DataFrame, and as an argument of its methods."""
    f = OF_MISSING[name]
    roots = lambda p: np.sqrt(np.stack([p[0], p[0] - p[1], p[1]]))
    for make in (
        lambda p: pd.Series(roots(p)),
        lambda p: pd.Series(roots(p), index=["a", "b", "c"]) * 2.0,
        lambda p: pd.DataFrame({"m": roots(p)})["m"],
        lambda p: DF.assign(m=roots(p))["m"],
        lambda p: pd.DataFrame(roots(p)[:, None])[0],
    ):
        count = lambda p: f(make(p)) + 0.0 * p[0]  # noqa: B023
        values = []
        found = gradient(lambda p: values.append(count(p)) or values[-1], P)  # noqa: B023
        assert values[-1].value == f(make(P))
        finite = lambda p: f(pd.Series([np.sqrt(p[0]), np.nan, np.sqrt(p[1])]))
        scale = f(make(P)) / finite(P) if name in ("sum", "max", "dropna") else None
        if scale is None and name != "fillna":
            np.testing.assert_array_equal(found, [0.0, 0.0])
        elif scale is not None:
            np.testing.assert_allclose(found, scale * gradient(finite, P), rtol=1e-13)


def test_other_methods_refuse():
    for f in (
        lambda s: s.rolling(2).sum(),
        lambda s: s.corr(DF.y),
        lambda s: s.astype(float),
        lambda s: s.interpolate(),
    ):
        with pytest.raises((TypeError, ValueError, pd.errors.DataError)):
            gradient(lambda p: np.sum(f(p[0] * HOLES)), P)  # noqa: B023
    s = DF.t.copy()
    with pytest.raises(TypeError):
        gradient(lambda p: (s.__setitem__("a", p[0]), s.sum())[1], P)
