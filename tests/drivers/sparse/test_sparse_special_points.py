"""Patterns at zeros, ones and equal values, where entries vanish by chance: they equal the patterns elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.writing.rows import UNKNOWN
from tests.rules.numpy.test_array_functions import CASES, X

sparse = pytest.importorskip("scipy.sparse")
SPECIAL = pytest.importorskip("dualdiff.rules.scipy.special").SPECIAL

OPERATORS = [dd.jacobian_sparsity, dd.hessian_sparsity]


def union(operator, f, points):
    return np.logical_or.reduce([operator(f, x).toarray() for x in points])


def around(x, count=4):
    rng = np.random.default_rng(0)
    return [x, *(x + 0.05 * rng.normal(size=x.shape) * (1 + abs(x)) for _ in range(count))]


# -- the rows of the table ---------------------------------------------------------------------------------------------
def first(result):
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("operator", OPERATORS, ids=["jacobian", "hessian"])
@pytest.mark.parametrize("row", [*ROWS.values(), *SPECIAL.values()], ids=lambda row: row.label)
@pytest.mark.filterwarnings("ignore")
def test_every_row(row, operator):
    rng = np.random.default_rng(0)
    active = [i for i, partial in enumerate(row.partials) if partial is not UNKNOWN]
    points = [np.stack([rng.uniform(*interval, 2) for interval in row.domain]) for _ in range(4)]
    places = np.arange(row.arity)[:, None]
    special = [
        np.zeros_like(points[0]),
        np.ones_like(points[0]),
        np.full_like(points[0], 0.5),
        -np.ones_like(points[0]),
    ]
    special += [np.where(places == k, 0.0, points[0]) for k in (0, row.arity - 1)]

    def of(x, part=slice(None)):
        args = [x[i][part] if i in active else points[0][i][part] for i in range(row.arity)]
        return first(row.ufunc(*args)) * 1.0

    # Scalars take another path than arrays.
    for f in (lambda x: np.sum(of(x)) if operator is dd.hessian_sparsity else of(x), lambda x: of(x, 0)):
        try:
            expected = union(operator, f, points)
        except TypeError as error:
            pytest.skip(str(error))
        for x in special:
            found = operator(f, x).toarray()
            assert np.array_equal(found & expected, expected), x


# -- array functions ---------------------------------------------------------------------------------------------------
#: What depends on the elements that it chose, or on which x an element of the result is of, as is documented.
CHOOSE = {
    *(np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin, np.ptp, np.sort, np.partition, np.median, np.nanmedian),
    *(np.percentile, np.nanpercentile, np.quantile, np.nanquantile, np.take_along_axis),
    *(np.extract, np.place, np.put_along_axis, np.real_if_close),
}


@pytest.mark.parametrize("operator", OPERATORS, ids=["jacobian", "hessian"])
@pytest.mark.parametrize("function", [f for f in CASES if f not in CHOOSE], ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")
def test_every_array_function(function, operator):
    for x, use in CASES[function]:
        f = (lambda x, use=use: np.sum(use(x) * 1.0)) if operator is dd.hessian_sparsity else use
        expected = union(operator, f, around(x))
        for special in (np.zeros_like(x), np.ones_like(x), np.full_like(x, 0.7)):
            found = operator(f, special).toarray()
            assert np.array_equal(found & expected, expected)


def of_differences(x):
    return (x[1:] - x[:-1]) + 1j * (x[:-1] - x[1:] ** 2)


SMOOTH = {
    "std": np.std,
    "std along an axis": lambda x: np.sum(np.std(x.reshape(2, 3), axis=1)),
    "std of few": lambda x: np.std(x[:3], ddof=1) + x[4],
    "nanstd": np.nanstd,
    "var": np.var,
    "nanvar": np.nanvar,
    "squared std": lambda x: np.std(x) ** 2,
    "hypot": lambda x: np.hypot(x[0], x[1]) + x[2],
    "hypot of differences": lambda x: np.sum(np.hypot(x[1:] - x[:-1], x[1:])),
    "reduced hypot": np.hypot.reduce,
    "power": lambda x: np.sum(np.abs(x) ** 1.5),
    "powers": lambda x: x[0] ** x[1],
    "size of a complex number": lambda x: abs(x[0] + 1j * x[1]),
    "sizes of complex numbers": lambda x: np.sum(np.abs(of_differences(x))),
    "sign of complex numbers": lambda x: np.sum(np.sign(of_differences(x)).real),
    "angle": lambda x: np.sum(np.angle(of_differences(x))),
    "ptp": lambda x: np.ptp(x) + x[0] * x[1],
    "median": lambda x: np.median(x) + x[0] * x[1],
    "maximum": lambda x: np.sum(np.maximum(x, x[::-1])),
    "clip": lambda x: np.sum(np.clip(x, -1, 1)),
    "where": lambda x: np.sum(np.where(x > 0, x**2, 0.0)),
    "where of numbers": lambda x: np.where(x[0] > 0, x[0] * x[1], x[2]),
    "select": lambda x: np.sum(np.select([x > 1, x < -1], [x**2, x], 0.5)),
    "choose": lambda x: np.sum(np.choose(x > 0, [x**2, x * x[0]])),
    "piecewise": lambda x: np.sum(np.piecewise(x, [x > 0.5], [lambda t: t**2, 0.0])),
    "interp": lambda x: np.sum(np.interp(x, [0.3, 1.0], [1.0, 2.0]) * x),
    "prod": np.prod,
    "cumprod": lambda x: np.sum(np.cumprod(x)),
    "slogdet": lambda x: np.linalg.slogdet(x[:4].reshape(2, 2) + 3 * np.eye(2))[1],
    "logaddexp": lambda x: np.logaddexp(x[0], x[1]),
    "logsumexp": lambda x: dd.scipy.special.logsumexp(x),
    "corrcoef": lambda x: np.corrcoef(x[:3], x[3:])[0, 1],
    "cov": lambda x: np.sum(np.cov(x.reshape(2, 3))),
    "gradient": lambda x: np.sum(np.gradient(x) ** 2),
    "a branchless step": lambda x: np.sum(np.heaviside(x, 0.5) * x**2),
    **{f"norm {p}": lambda x, p=p: np.linalg.norm(x, p) for p in (None, 1, 2, 3, 1.5, -1, 0.5, 4)},
    **{f"complex norm {p}": lambda x, p=p: np.linalg.norm(of_differences(x), p) for p in (None, 1, 2, 3, 1.5, -1, 0.5)},
    **{
        f"norms {p} of rows": lambda x, p=p: np.sum(np.linalg.norm(x.reshape(2, 3), p, axis=1)) for p in (None, 1, 2, 3)
    },
    **{f"matrix norm {p}": lambda x, p=p: np.linalg.norm(x.reshape(2, 3), p) for p in (None, "fro")},
    "vector_norm": np.linalg.vector_norm,
}


@pytest.mark.parametrize("f", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.filterwarnings("ignore")
def test_hessian_patterns_at_constant_points_are_those_of_random_ones(f):
    rng = np.random.default_rng(1)
    expected = union(dd.hessian_sparsity, f, rng.normal(size=(6, 6)))
    with np.errstate(all="ignore"):
        for x in (np.zeros(6), np.ones(6), np.full(6, 0.5), -np.ones(6), np.repeat([0.0, 2.0], 3), np.eye(6)[2]):
            assert np.array_equal(dd.hessian_sparsity(f, x).toarray(), expected)
            assert np.array_equal(dd.hessian(f, x, sparse=True).indices, dd.hessian_sparsity(f, x).indices)


@pytest.mark.parametrize("name", ["std", "var", "hypot of differences", "sizes of complex numbers", "norm 3", "where"])
def test_a_pattern_detected_at_a_constant_point_serves_elsewhere(name):
    f = SMOOTH[name]
    prepared = dd.hessian(f, sparse=dd.hessian_sparsity(f, np.zeros(6)))
    for x in np.random.default_rng(2).normal(size=(3, 6)):
        np.testing.assert_allclose(prepared(x).toarray(), dd.hessian(f, x), rtol=1e-9, atol=1e-12)


# -- choices -----------------------------------------------------------------------------------------------------------
def choices(x):
    y = x[::-1] * 2
    return np.concatenate(
        [
            np.where(x > 0, x, y),
            np.select([x > 0.5, x < -0.5], [x, y], 1.0),
            np.choose((x > 0).astype(int), [x, y]),
            np.piecewise(x, [x > 0.5], [np.sin, 2.0]),
            np.interp(x, [-0.5, 0.5], [0.0, 1.0]),
            [np.where(x[0] > 0, x[1], x[2])],
        ]
    )


def test_choices_hold_both_sides_in_every_form():
    x = X.ravel()
    expected = dd.jacobian_sparsity(choices, x).toarray()
    eye = np.eye(6, dtype=bool)
    both = eye | eye[::-1]
    assert np.array_equal(expected, np.concatenate([both, both, both, eye, eye, eye[1:2] | eye[2:3]]))
    prepared, once = dd.jacobian(choices, sparse=expected), dd.jacobian(choices, sparse=True)
    for k in (0.0, 1.0, -1.0, 0.1, 10.0):
        np.testing.assert_allclose(prepared(k * x).toarray(), dd.jacobian(choices, k * x), rtol=1e-14)
        np.testing.assert_allclose(once(k * x).toarray(), dd.jacobian(choices, k * x), rtol=1e-14)
        assert np.array_equal(once(k * x).toarray() != 0, dd.jacobian(choices, k * x) != 0)
        assert np.array_equal(dd.jacobian_sparsity(choices, k * x).toarray(), expected)


def test_what_was_not_selected_does_not_leak_into_the_values():
    def f(x):
        with np.errstate(all="ignore"):
            return np.where(x > 0, np.sqrt(x), x**2) + np.select([x > 0], [np.log(x)], 0.0)

    x = np.array([-1.0, 0.0, 4.0])
    np.testing.assert_array_equal(dd.jacobian(f, x, sparse=True).toarray(), np.diag([-2.0, 0.0, 0.5]))
    found = dd.jacobian(f, x.astype(np.float32), sparse=True)
    assert found.dtype == np.float32
