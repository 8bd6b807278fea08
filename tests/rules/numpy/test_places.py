"""Functions that select and move elements: sets, partitions, insertions, grids, windows, functions applied to parts."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import LostDerivativeError, gradient, jacobian, jvp, value_and_jacobian
from tests.support.against import assert_near, assert_same, check, check_float32
from tests.support.versions import NUMPY_2_5, PADS_SOME_AXES, TRIMS_MATRICES, UNIQUE_WITHOUT_ORDER

V = np.array([0.7, -1.1, 1.9, 0.4, -0.3])
TIED = np.array([2.0, 1.0, 2.0, 0.5, 1.0])
X = np.array([[0.31, -1.22, 2.13, 0.84], [1.75, 0.96, -0.47, -2.08], [-0.69, 1.31, 0.12, -1.53]])
windows = np.lib.stride_tricks.sliding_window_view

USES = {
    "partition": (X, lambda x: np.partition(x, 2) ** 2),
    "partition along the first axis": (X, lambda x: np.partition(x, [0, 1], axis=0)),
    "partition of all": (X, lambda x: np.partition(x, -3, axis=None)),
    "partition of many": (np.random.default_rng(41).permutation(40) / 7, lambda x: np.partition(x, 17)),
    "insert": (V, lambda x: np.insert(x, 1, x[0] ** 2)),
    "insert many": (X, lambda x: np.insert(x, [1, 3, 3], x[0, :3], axis=None)),
    "insert rows": (X, lambda x: np.insert(x, 1, x[0] ** 2, axis=0)),
    "insert columns": (X, lambda x: np.insert(x, [0, -1], x[:, :2] ** 2, 1)),
    "insert a column": (X, lambda x: np.insert(x, slice(1, 2), 5.0, axis=1) * x[0, 0]),
    "insert into constants": (V, lambda x: np.insert(np.ones(3), [0, 2], x[:2])),
    "insert constants": (V, lambda x: np.insert(x, -1, [1.0, 2.0]) ** 2),
    "insert by a list": (V, lambda x: np.insert(x, [1, 2], [x[0] * x[1], 2.0])),
    "trim": (V, lambda x: np.trim_zeros(np.concatenate([[0, 0], x, [0.0]])) ** 2),
    "trim the front": (V, lambda x: np.trim_zeros(np.concatenate([[0, 0], x, [0.0]]), "f") ** 2),
    "trim the back": (V, lambda x: np.trim_zeros(np.concatenate([[0, 0], x, [0.0]]), trim="b") ** 2),
    "trim everything": (V, lambda x: np.append(np.trim_zeros(0 * x), x)),
    "grid": (V, lambda x: np.stack(np.meshgrid(x, x[:2] ** 2, indexing="ij"))),
    "grid of pictures": (V, lambda x: np.stack(np.meshgrid(x[:3], [1.0, 2.0], x[0]))),
    "grid, sparse": (V, lambda x: np.multiply(*np.meshgrid(x, x[:2], sparse=True))),
    "grid of views": (V, lambda x: np.multiply(*np.meshgrid(x, x[:2], copy=False))),
    "grid of sparse views": (V, lambda x: np.multiply(*np.meshgrid(x, x[:2], copy=False, sparse=True))),
    "open grid": (V, lambda x: np.multiply(*np.ix_(x, x[:2] ** 2))),
    "open grid of places": (V, lambda x: x[np.ix_([True, False, True, True, False])] * np.ix_(x[:3], [0, 1])[0][:, 0]),
    "windows": (V, lambda x: windows(x, 3) ** 2),
    "windows along one axis": (X, lambda x: windows(x, 2, axis=0)),
    "windows along both": (X, lambda x: windows(x, (2, 3))),
    "windows along the last, twice": (X, lambda x: windows(x, (2, 2), axis=(1, 1))),
    "moving average": (V, lambda x: windows(x**2, 2, -1).mean(axis=-1)),
    "each row": (X, lambda x: np.apply_along_axis(lambda r: r[0] * r, 1, x)),
    "each column to a number": (X, lambda x: np.apply_along_axis(np.sum, 0, x**2)),
    "each row to a matrix": (X, lambda x: np.apply_along_axis(lambda r, c: c * np.outer(r[:2], r), 1, x, 2.0)),
    "each row to a constant": (X, lambda x: np.apply_along_axis(lambda r: np.ones(2), 1, x) * x[0, 0]),
    "each column, by name": (X, lambda x: np.apply_along_axis(arr=x, axis=0, func1d=np.cumprod)),
    "over axes": (X, lambda x: np.apply_over_axes(np.sum, x, [0, 1])),
    "over one axis": (X, lambda x: np.apply_over_axes(np.prod, x, -1)),
    "sorted, complex": (V, lambda x: np.sort_complex(x).real ** 2),
    "unique": (TIED, lambda x: np.unique(x) ** 2),
    "union": (V, lambda x: np.union1d(x, [5.0, x[0] * x[1], 0.25])),
    "intersection": (V, lambda x: np.intersect1d(x, np.append(x[1:3], 9.0)) ** 2),
    "difference": (V, lambda x: np.setdiff1d(x, x[1:3]) ** 2),
    "exclusive or": (V, lambda x: np.setxor1d(np.append(x, 9.0), x[1:3] + 0.0) ** 2),
}
if TRIMS_MATRICES:
    USES["trim a matrix"] = X, lambda x: np.trim_zeros(np.pad(x, 2)) ** 2
    USES["trim along one axis"] = X, lambda x: np.trim_zeros(np.pad(x, 2), "f", axis=1)
#: Functions of equal elements, which a finite difference separates.
TIES = {"unique", "intersection", "difference", "exclusive or"}


@pytest.mark.parametrize("name", [n for n in USES if n not in TIES])
def test_moves(name):
    x, f = USES[name]
    check(f, x)
    check_float32(f, x)


@pytest.mark.parametrize("name", sorted(TIES))
def test_sets_take_the_first_of_equals(name):
    x, f = USES[name]
    y = f(x)
    roots = np.sqrt(y)
    elements = np.array([r if r in x else -r if -r in x else 9.0 for r in roots])
    expected = np.array([2 * e * (np.arange(len(x)) == list(x).index(e)) if e in x else 0 * x for e in elements])
    for mode in ("forward", "reverse"):
        found, J = value_and_jacobian(f, x, mode=mode)
        assert_same(found, y)
        assert_near(J, expected, 1e-15)


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_sets_by_the_names_of_the_array_standard(name):
    function = getattr(np, name)
    seen = []

    def f(x):
        seen.append(function(x))
        return seen[-1].values if isinstance(seen[-1], tuple) else seen[-1]

    expected = function(TIED)
    found, J = value_and_jacobian(f, TIED)
    if isinstance(expected, tuple):
        assert type(seen[0]) is type(expected)
        for dual, plain in zip(seen[0][1:], expected[1:], strict=True):
            assert_same(dual, plain)
        expected = expected.values
    assert_same(found, expected)
    places = np.array([3, 1, 0])[np.argsort(np.argsort(expected))]
    assert_same(J, np.eye(5)[places])


def test_unique_with_all_that_it_tells():
    def f(x):
        values, index, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
        for found, expected in zip((index, inverse, counts), np.unique(TIED, True, True, True)[1:], strict=True):
            assert_same(found, expected)
        return values[inverse] * counts[inverse]

    assert_near(jacobian(f, TIED)[[0, 2]], np.array([[2.0, 0, 0, 0, 0]] * 2))


def test_unique_rows_and_columns():
    x = np.array([[1.0, 2.0, 1.0], [0.0, 3.0, 0.0]])
    for axis, places in ((0, [1, 0]), (1, [0, 1])):
        f = lambda x, axis=axis: np.unique(x, axis=axis)
        found, J = value_and_jacobian(f, x)
        assert_same(found, f(x))
        assert_same(J, np.take(np.eye(6).reshape(2, 3, 2, 3), places, axis))


@pytest.mark.skipif(not NUMPY_2_5, reason="an older NumPy has no descending=")
def test_sorting_downwards():
    """Ties keep their order, NaN comes last, and None and False mean ascending."""
    x = np.array([[2.0, np.nan, 1.0, 2.0], [0.5, 3.0, -1.0, 0.5]])
    z = np.array([[1.0 + 2.0j, 1.0 - 1.0j, 3.0]])
    for a, options in ((x, {}), (x, {"axis": 0}), (x, {"axis": None, "stable": True}), (z, {"stable": False})):
        for descending in (True, False, None):
            f = lambda x, descending=descending, options=options: np.sort(x, descending=descending, **options)
            found, tangent = jvp(f, a, np.arange(a.size, dtype=a.dtype).reshape(a.shape))
            assert_same(found, f(a))
            axis = options.get("axis", -1)
            flat = a.ravel() if axis is None else a
            places = np.argsort(flat, axis=-1 if axis is None else axis, stable=True, descending=descending)
            numbers = np.arange(a.size, dtype=a.dtype).reshape(flat.shape)
            assert_same(tangent, np.take_along_axis(numbers, places, -1 if axis is None else axis))

    def in_place(x):
        x = 1.0 * x
        x.sort(descending=True)
        return x

    assert_same(jacobian(in_place, TIED), np.eye(5)[[0, 2, 1, 4, 3]])


@pytest.mark.skipif(not UNIQUE_WITHOUT_ORDER, reason="an older NumPy always sorts")
def test_unique_in_any_order():
    f = lambda x: np.unique(x, sorted=False)
    found, J = value_and_jacobian(f, TIED)
    assert_same(found, f(TIED))
    assert_same(J @ TIED, found)


@pytest.mark.parametrize("equal_nan", [True, False])
def test_unique_nan(equal_nan):
    x = np.array([1.0, np.nan, 0.0, np.nan])
    f = lambda x: np.unique(x, equal_nan=equal_nan)
    found, J = value_and_jacobian(f, x)
    np.testing.assert_array_equal(found, f(x))
    assert_same(J, np.eye(4)[[2, 0, 1] if equal_nan else [2, 0, 1, 3]])


def test_intersection_with_places():
    def f(x):
        common, here, there = np.intersect1d(x, [1.9, 0.4, 7.0], return_indices=True)
        assert_same(here, np.array([3, 2]))
        assert_same(there, np.array([1, 0]))
        return common

    assert_same(jacobian(f, V), np.eye(5)[[3, 2]])
    assert_same(jacobian(lambda x: np.intersect1d([1.9, 0.4], x, assume_unique=True), V), np.zeros((2, 5)))


def test_sets_of_constants_beside_duals_are_constants():
    assert_same(jacobian(lambda x: np.setdiff1d([1.9, 5.0, 6.0], x) * 1.0, V), np.zeros((2, 5)))


def test_partitions_keep_numpys_arrangement():
    x = np.random.default_rng(42).integers(0, 9, size=200).astype(float)
    for kth in (0, 50, [3, 150], -1):
        f = lambda x, kth=kth: np.partition(x, kth)
        found, J = value_and_jacobian(f, x)
        assert_same(found, f(x))
        assert_same(J @ x, found)
        assert_same(np.sort(np.argmax(J, axis=1)), np.arange(200))


def test_windows_are_views():
    def f(x):
        y = x * 1.0
        w = windows(y, 2)
        y[1] = x[0] ** 2
        return w * 1.0

    check(f, V)

    def written(x):
        y = x * 1.0
        w = windows(y, 2, writeable=True)
        w[0, 1] = x[0] ** 2
        return y * x

    check(written, V)
    with pytest.raises(ValueError, match="read-only"):
        jacobian(lambda x: windows(x, 2).fill(0.0), V)


def test_a_trimmed_array_is_a_view():
    def f(x):
        y = np.append(0.0, x)
        np.trim_zeros(y)[0] = x[4] ** 2
        return y

    check(f, V)


def test_functions_applied_to_parts_may_write_into_them():
    def f(x):
        y = x * 1.0
        np.apply_along_axis(lambda r: r.__setitem__(0, r[1] ** 2) or r[0], 1, y)
        return y

    check(f, X)


def test_places_are_no_duals():
    for f in (
        lambda x: np.partition(x, x[0]),
        lambda x: np.insert(x, x[0], 1.0),
        lambda x: np.insert(x, [x[0], 1], 1.0),
    ):
        with pytest.raises(LostDerivativeError, match="as an option"):
            jacobian(f, V)


def test_duals_do_not_go_into_integers():
    with pytest.raises(LostDerivativeError, match="dtype int64"):
        jacobian(lambda x: np.insert(np.arange(3), 1, x[0]), V)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.insert(x, 9, 1.0),
        lambda x: np.partition(x, 9),
        lambda x: np.meshgrid(x, x, indexing="zz"),
        lambda x: windows(x, 9),
        lambda x: windows(x, (2, 2)),
        lambda x: np.ix_(x[None]),
        lambda x: np.apply_along_axis(np.sum, 0, x.reshape(5, 1)[:, :0]),
        lambda x: np.apply_over_axes(lambda a, axis: np.sum(a), np.stack([x, x]), [0, 1]),
    ],
)
def test_refuses_what_numpy_refuses(f):
    with pytest.raises((ValueError, IndexError)) as expected:
        f(V)
    with pytest.raises(expected.type):
        gradient(lambda x: np.sum(f(x)), V)


# -- padding -----------------------------------------------------------------------------------------------------------
def ramp(line, widths, axis, options):
    """A padding function, from NumPy's documentation."""
    before, after = widths
    if before:
        line[:before] = options.get("slope", 1.0) * line[before] * np.arange(before)
    if after:
        line[-after:] = line[-after - 1] ** 2


PADDED = {
    "odd reflection": (X, lambda x: np.pad(x, 2, "reflect", reflect_type="odd")),
    "odd reflection, far": (V, lambda x: np.pad(x[:3], (7, 9), "reflect", reflect_type="odd")),
    "odd reflection of one": (V, lambda x: np.pad(x[:1], 3, "reflect", reflect_type="odd") * x[0]),
    "odd symmetric": (X, lambda x: np.pad(x, ((1, 2), (0, 5)), "symmetric", reflect_type="odd")),
    "odd symmetric, far": (V, lambda x: np.pad(x[:2], (7, 9), "symmetric", reflect_type="odd")),
    "even reflection, far": (V, lambda x: np.pad(x[:3], (7, 9), "reflect")),
    "a dual around": (X, lambda x: np.pad(x, 1, constant_values=x[0, 0] ** 2)),
    "duals around": (X, lambda x: np.pad(x, (1, 2), constant_values=((x[0, 0], 1.0), (2.0, x[1, 1])))),
    "duals before and after": (X, lambda x: np.pad(x, 1, constant_values=(x[0, 1], 3.0))),
    "ramp": (X, lambda x: np.pad(x, 2, "linear_ramp")),
    "ramp to numbers": (X, lambda x: np.pad(x, ((3, 1), (0, 2)), "linear_ramp", end_values=(5.0, -4.0))),
    "ramp to a dual": (X, lambda x: np.pad(x, 2, "linear_ramp", end_values=x[0, 0] * x[1, 1])),
    "mean": (X, lambda x: np.pad(x, ((1, 2), (0, 1)), "mean") ** 2),
    "mean of some": (X, lambda x: np.pad(x, 2, "mean", stat_length=2)),
    "median of some": (X, lambda x: np.pad(x, 1, "median", stat_length=((3, 2), (1, 9)))),
    "maximum": (X, lambda x: np.pad(x, 2, "maximum")),
    "minimum of some": (X, lambda x: np.pad(x, (2, 1), mode="minimum", stat_length=(2, 1))),
    "a function": (X, lambda x: np.pad(x, ((2, 1), (0, 2)), ramp)),
    "a function with options": (V, lambda x: np.pad(x, 3, ramp, slope=0.5)),
    "an empty margin": (X, lambda x: np.pad(x, 1, "empty")[1:-1, 1:-1] ** 2),
}
if PADS_SOME_AXES:
    PADDED["some axes"] = X, lambda x: np.pad(x, {-1: (1, 2)}, "mean")
    PADDED["some axes, edges"] = X, lambda x: np.pad(x, {0: 2}, "edge") ** 2


@pytest.mark.parametrize("name", PADDED)
def test_padding(name):
    x, f = PADDED[name]
    check(f, x)
    check_float32(f, x)


def test_padding_refuses_what_numpy_refuses():
    for f in (
        lambda x: np.pad(x, 1, "nonsense"),
        lambda x: np.pad(x, -1, "mean"),
        lambda x: np.pad(x, 1, "mean", reflect_type="odd"),
        lambda x: np.pad(x, ((1, 2), (3, 4)), "linear_ramp"),
    ):
        with pytest.raises(ValueError, match=r".+") as expected:
            f(V)
        with pytest.raises(expected.type):
            jacobian(f, V)
    with pytest.raises(LostDerivativeError):
        jacobian(lambda x: np.pad(x, x[0]), V)
