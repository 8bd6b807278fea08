"""Averages, quantiles, covariances and functions that omit NaN, with every keyword, in every space."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dualdiff import LostDerivativeError, derivative, gradient, jacobian, jvp, value_and_jacobian
from tests.support.against import assert_near, assert_same, check, check_complex, check_float32
from tests.support.versions import NUMPY_2_1

V = np.array([0.7, -1.1, 1.9, 0.4, -0.3])
X = np.array([[0.31, -1.22, 2.13, 0.84], [1.75, 0.96, -0.47, -2.08], [-0.69, 1.31, 0.12, -1.53]])
CUBE = np.random.default_rng(21).permutation(24).reshape(2, 3, 4) / 7 - 1.6
W = np.array([0.5, 1.5, 0.25, 1.0])
METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull"),
    *("linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)
#: Offsets that make elements NaN.
HOLES = np.zeros((2, 3, 4))
HOLES[0, 1, 2] = HOLES[1, 0, 0] = HOLES[1, 2, 0] = np.nan
WHERE = np.random.default_rng(22).random((2, 3, 4)) < 0.8
WHERE[:, ::2] = WHERE[1, 1, 0] = True


# -- averages ----------------------------------------------------------------------------------------------------------
AVERAGES = {
    "all": (X, lambda x: np.average(x) * x[0]),
    "axis": (X, lambda x: np.average(x, axis=1)),
    "axes": (CUBE, lambda x: np.average(x, (0, 2), keepdims=True)),
    "weights": (X, lambda x: np.average(x, axis=1, weights=W)),
    "dual weights": (X, lambda x: np.average(x, 0, np.exp(x))),
    "weights alone": (W, lambda w: np.average(X, 1, weights=w)),
    "weights along one axis": (X, lambda x: np.average(x, 0, x[:, 0] ** 2 + 1)),
    "the sum of weights too": (W, lambda w: np.stack(np.average(X, axis=1, weights=w, returned=True))),
    "their number too": (X, lambda x: np.stack(np.average(x, axis=1, returned=True))),
    "of all, with weights": (X, lambda x: np.average(x, weights=x**2, keepdims=True)),
}
if NUMPY_2_1:
    AVERAGES["weights along two axes"] = CUBE, lambda x: np.average(x, (2, 0), weights=x[:, 0].T ** 2 + 1)


@pytest.mark.parametrize("name", AVERAGES)
def test_average(name):
    x, f = AVERAGES[name]
    check(f, x)
    check_complex(f, x)
    check_float32(f, x)


def test_average_refuses_weights_that_add_up_to_zero():
    with pytest.raises(ZeroDivisionError):
        gradient(lambda w: np.average(V, weights=w - np.mean(w)) * 1.0, np.array([1.0, -1.0, 0.0, 2.0, -2.0]))


COVARIANCES = {
    "rows": (X, lambda x: np.cov(x)),
    "one variable": (V, lambda x: np.cov(x) ** 2),
    "columns": (X, lambda x: np.cov(x, rowvar=False)),
    "two variables": (X, lambda x: np.cov(x[0], x[1])),
    "two sets of columns": (X, lambda x: np.cov(x, x[:, :2] ** 2, rowvar=False)),
    "bias": (X, lambda x: np.cov(x, bias=True)),
    "ddof": (X, lambda x: np.cov(x, ddof=0)),
    "frequencies": (X, lambda x: np.cov(x, fweights=[1, 3, 0, 2])),
    "weights": (X, lambda x: np.cov(x, aweights=W)),
    "dual weights": (X, lambda x: np.cov(x, aweights=np.exp(x[0]))),
    "weights alone": (W, lambda w: np.cov(X, aweights=w, fweights=[1, 2, 1, 1])),
    "weights and ddof": (W, lambda w: np.cov(X, aweights=w, ddof=0)),
    "dtype": (X, lambda x: np.cov(x, dtype=np.float64)),
    "one row of columns": (X, lambda x: np.cov(x[:1], rowvar=False, ddof=0) * x[0, 0]),
    "correlation": (X, lambda x: np.corrcoef(x)),
    "correlation of columns": (X, lambda x: np.corrcoef(x, rowvar=False)),
    "correlation of two": (X, lambda x: np.corrcoef(x[0], x[1] ** 2)),
    "correlation with a dtype": (X, lambda x: np.corrcoef(x, dtype=np.float64)),
    "correlation of one": (V, lambda x: np.corrcoef(x) + x[0]),
}


@pytest.mark.parametrize("name", COVARIANCES)
def test_covariance(name):
    x, f = COVARIANCES[name]
    check(f, x)
    if "weights" not in name and "dtype" not in name:
        check_complex(f, x)


def test_covariance_of_too_few_is_infinite_as_numpy_says():
    f = lambda x: np.cov(x, aweights=[1.0, 1.0], ddof=3)
    with pytest.warns(RuntimeWarning):
        expected = f(V[:2])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found, _ = value_and_jacobian(f, V[:2], mode="forward")
    assert_same(found, expected)
    assert {w.category for w in caught} == {RuntimeWarning}


def test_deviations_that_vanish():
    """The variance of equal elements is minimal; the derivative of the standard deviation is 0 by convention."""
    x = np.full(3, 1.5)
    for f in (np.nanstd, np.nanvar, np.std, np.var):
        assert_same(gradient(f, x), np.zeros(3))


# -- order statistics --------------------------------------------------------------------------------------------------
MEDIANS = {
    "all": lambda x: np.median(x) * x[0, 0],
    "odd": lambda x: np.median(x, axis=1) ** 2,
    "even": lambda x: np.median(x, 2, keepdims=True),
    "two axes": lambda x: np.median(x, axis=(0, -1)),
    "all, kept": lambda x: np.median(x, keepdims=True) + x,
    "overwritten": lambda x: np.median(x * 1.0, axis=0, overwrite_input=True),
    "of a vector": lambda x: np.median(x[0, 0]),
    "of one": lambda x: np.median(x[:1, :1, :1], axis=0),
}


@pytest.mark.parametrize("name", MEDIANS)
def test_median(name):
    check(MEDIANS[name], CUBE)
    check_float32(MEDIANS[name], CUBE)


def test_what_may_be_overwritten_keeps_value_and_tangent_together():
    def f(x, overwrite):
        y = x * 1.0
        m = np.median(y, overwrite_input=overwrite) + np.percentile(y, 30.0, None, None, overwrite)
        return m * y

    for found, expected in zip(*(value_and_jacobian(f, V, overwrite) for overwrite in (True, False)), strict=True):
        assert_same(found, expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0.0, 0.5, 1.0, np.array([0.2, 0.77]), np.array([[0.2], [0.7]])], ids=repr)
def test_quantiles_by_all_methods(method, q):
    uses = [
        lambda x: np.quantile(x, q, axis=1, method=method),
        lambda x: np.percentile(x, 100 * q, axis=(0, 2), method=method, keepdims=True),
    ]
    if np.ndim(q) < 2:
        uses += [
            lambda x: np.nanquantile(x + HOLES, q, axis=1, method=method),
            lambda x: np.nanpercentile(x + HOLES, 100 * q, (2, 1), method=method, keepdims=True),
        ]
    for f in uses:
        try:
            f(CUBE)
        except ValueError:
            continue  # Some of them accept a q of at most one axis.
        check(f, CUBE, second=False)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["quantile", "nanquantile", "percentile", "nanpercentile"])
def test_quantiles_follow_q(name, method):
    """Continuous methods interpolate in q between two elements; the others are step functions of q."""
    function, scale = getattr(np, name), 100.0 if "percentile" in name else 1.0
    f = lambda q: function(X, scale * q, axis=1, method=method)
    check(f, np.array([0.21, 0.43, 0.86]))
    # Beyond the ends, the continuous methods are constant.
    h = 1e-6
    for q in (0.004, 0.996):
        expected = (f(q + h) - f(q - h)) / (2 * h)
        assert_near(jacobian(f, q), expected, 1e-7)


def test_quantiles_at_the_ends_take_the_piece_inside():
    ordered = np.sort(V)
    f = lambda q: np.quantile(V, q)
    assert_near(derivative(f, 0.0), 4 * (ordered[1] - ordered[0]))
    assert_near(derivative(f, 1.0), 4 * (ordered[-1] - ordered[-2]))
    assert_near(gradient(lambda x: np.quantile(x, 1.0), V), np.array([0, 0, 1.0, 0, 0]))


def test_quantiles_of_a_vector_in_both_arguments():
    check(lambda z: np.quantile(z[:5], z[5:], method="hazen"), np.append(V, [0.33, 0.62]))
    check(lambda z: np.quantile(np.stack([z[0], 0.1, z[1] * z[2], 2.0]), 0.41, keepdims=True), V)


@pytest.mark.parametrize("name", ["quantile", "percentile", "nanquantile", "nanpercentile"])
def test_weighted_quantiles(name):
    function, q = getattr(np, name), np.array([0.3, 0.8]) * (100 if "percentile" in name else 1)
    holes = HOLES if "nan" in name else 0.0
    weights = np.random.default_rng(23).uniform(0.5, 1.5, size=(2, 3, 4))
    for use in (
        lambda x: function(x + holes, q, axis=1, method="inverted_cdf", weights=weights),
        lambda x: function(x + holes, q[0], axis=2, method="inverted_cdf", weights=weights, keepdims=True),
        lambda x: function(x + holes, q, method="inverted_cdf", weights=weights),
    ):
        check(use, CUBE, second=False)
    if "nan" not in name:
        check(lambda x: function(x, q, axis=2, method="inverted_cdf", weights=W), CUBE, second=False)
    assert_same(
        gradient(lambda w: np.sum(function(CUBE, q, axis=2, method="inverted_cdf", weights=w)), weights),
        np.zeros(weights.shape),
    )


def test_quantiles_of_equal_elements_take_the_first():
    x = np.array([2.0, 1.0, 2.0, 1.0, 2.0])
    assert_same(gradient(np.median, x), np.array([1.0, 0, 0, 0, 0]))
    assert_same(gradient(lambda x: np.quantile(x, 0.3, method="lower"), x), np.array([0, 0, 0, 1.0, 0]))


def test_quantiles_of_single_precision():
    """A quantile uses the elements that NumPy chose, whether or not it rounds q."""
    x = np.append(V, [2.7, -2.2]).astype(np.float32)
    for q in (0.3, 1 / 3, 0.33333333, np.float32(0.7)):
        for method in METHODS:
            value, J = value_and_jacobian(lambda x, q=q, method=method: np.quantile(x, q, method=method), x)
            assert J.dtype == np.float32
            assert_same(value, np.quantile(x, q, method=method))
            assert_near(J @ x, value, 1e-6)


@pytest.mark.parametrize("x", [np.full(4, np.nan), np.array([0.5, np.nan, 1.5])])
def test_quantiles_of_nan_are_nan(x):
    for f in (np.median, lambda x: np.quantile(x, 0.5)):
        found, _ = value_and_jacobian(f, x)
        assert np.isnan(found)


# -- without NaN -------------------------------------------------------------------------------------------------------
REDUCTIONS = ("nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin")
USES = {
    "all": lambda op: lambda x: op(x),
    "axis": lambda op: lambda x: op(x, 1),
    "kept": lambda op: lambda x: op(x, axis=-1, keepdims=True),
    "two axes": lambda op: lambda x: op(x, axis=(0, 2)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", [*REDUCTIONS, "nanmedian"])
def test_reductions_without_nan(name, use):
    f = USES[use](getattr(np, name))
    check(lambda x: f(x + HOLES), CUBE)
    check(f, CUBE)
    check_float32(lambda x: f(x + HOLES.astype(x.dtype)), CUBE)
    if name not in ("nanmax", "nanmin", "nanmedian"):
        check_complex(lambda x: f(0.8 * x + HOLES), CUBE)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_without_nan_where(name):
    op = getattr(np, name)
    options = {"initial": -0.3} if name in ("nanmax", "nanmin") else {}
    check(lambda x: op(x + HOLES, axis=1, where=WHERE, **options), CUBE)
    if name not in ("nanmax", "nanmin"):
        check(lambda x: op(x + HOLES, axis=(0, 1), where=WHERE[0], keepdims=True), CUBE)
    if name in ("nanmax", "nanmin", "nansum", "nanprod"):
        check(lambda x: op(x + HOLES, axis=0, initial=0.37), CUBE)
        check(lambda x: op(x + HOLES, axis=0, initial=x[0, 0, 1] ** 2), CUBE)


@pytest.mark.parametrize("name", ["nanvar", "nanstd"])
def test_deviations_without_nan(name):
    op = getattr(np, name)
    check(lambda x: op(x + HOLES, axis=2, ddof=1), CUBE)
    check(lambda x: op(x + HOLES, axis=2, correction=1.5), CUBE)
    check(lambda x: op(x + HOLES, axis=2, mean=x[:, :, :1]), CUBE)
    check(lambda x: op(x + HOLES, axis=2, dtype=np.float64, keepdims=True), CUBE)


@pytest.mark.parametrize("name", ["nancumsum", "nancumprod"])
def test_cumulated_without_nan(name):
    op = getattr(np, name)
    check(lambda x: op(x + HOLES), CUBE)
    check(lambda x: op(x + HOLES, axis=1), CUBE)
    check(lambda x: op(x + HOLES, -1, dtype=np.float64), CUBE)
    check_complex(lambda x: op(x + HOLES, axis=0), CUBE)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_cumulated_from_the_start(name):
    op = getattr(np, name, None)
    if op is None:
        pytest.skip("this NumPy does not have it")
    check(lambda x: op(x[0, 0]), CUBE)
    check(lambda x: op(x, axis=1, include_initial=True), CUBE)
    check(lambda x: op(x, axis=-1, dtype=np.float64), CUBE)
    check(lambda x: op(x[0, 0], include_initial=True), CUBE)
    check_float32(lambda x: op(x, axis=0, include_initial=True), CUBE)


def test_of_nothing_but_nan():
    x = np.array([[np.nan, np.nan], [0.5, 1.5]])
    for op in (np.nanmean, np.nanmax, np.nanmin, np.nanmedian, np.nanvar):
        f = lambda x, op=op: op(x, axis=1)
        with warnings.catch_warnings(record=True) as once:
            warnings.simplefilter("always")
            expected = f(x)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found, J = value_and_jacobian(f, x, mode="forward")
        np.testing.assert_array_equal(found, expected)
        assert [str(w.message) for w in caught] == [str(w.message) for w in once]
        assert np.isfinite(J[1]).all()


def test_out_takes_the_result():
    for op in (np.median, np.nanmean, np.nansum, np.nanmedian, np.nancumsum):
        f = lambda x, op=op: op(x, 0)

        def written(x, op=op):
            out = np.zeros_like(op(x, 0))
            assert op(x, 0, out=out) is out
            return out

        assert_near(jacobian(written, X), jacobian(f, X))
        with pytest.raises(LostDerivativeError, match="holds plain values"):
            jacobian(lambda x, op=op: op(x, 0, out=np.zeros(4 if op is not np.nancumsum else (3, 4))), X)

    def by_place(x):
        out = np.zeros_like(x[0])
        np.median(x, 0, out)
        np.quantile(x, 0.3, 0, out)
        return out

    assert_near(jacobian(by_place, X), jacobian(lambda x: np.quantile(x, 0.3, axis=0), X))


def test_integer_dtypes_would_lose_the_derivative():
    for f in (lambda x: np.nansum(x, dtype=int), lambda x: np.nancumsum(x, dtype=int)):
        with pytest.raises(LostDerivativeError):
            jacobian(f, V)


@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd])
def test_a_mean_that_is_given_may_carry_a_tangent(function):
    """``mean=`` need not be the mean, nor constant."""
    x = np.array([[0.3, 1.7, -0.4], [2.2, 0.9, -1.1]])
    with_own = lambda x: function(x, axis=1, mean=np.mean(x, axis=1, keepdims=True), ddof=1)
    check(with_own, x)
    for mode in ("forward", "reverse"):
        assert_near(jacobian(with_own, x, mode=mode), jacobian(lambda x: function(x, axis=1, ddof=1), x), 1e-13)
    check(lambda m: function(x + 0 * m, axis=0, mean=m, keepdims=True), np.array([[0.1, 0.2, 0.3]]))
    check(lambda x: function(x, axis=0, mean=x[:1] ** 2, where=np.array([[True, False, True], [True, True, True]])), x)


@pytest.mark.parametrize("function", [np.var, np.std])
def test_empty_slices_warn_once(function):
    """NumPy warns about an empty slice; the tangent adds no further warning."""
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    f = lambda x: function(x, axis=1, where=np.array([[True, True], [False, False]]))
    said = []
    for run in (f, lambda x: jvp(f, x, x)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(x)
        said.append([str(w.message) for w in caught])
    assert said[0] == said[1]
