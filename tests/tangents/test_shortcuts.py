"""Every shortcut gives what the general path gives, also where its condition just fails: one zero, infinity or NaN
among ordinary elements."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dualdiff import gradient, jacobian, jacobian_sparsity, jvp, vjp
from dualdiff.tangents.spaces.dense import Active, Dense
from dualdiff.tangents.zeros import product, pulled

SPECIAL = (0.0, 1.5, np.inf, np.nan)
PAIRS = [(c, t) for c in SPECIAL for t in SPECIAL]
#: Arrays larger than those that the shortcuts for small ones take, and than those that BLAS sums in one thread.
LARGE = 1 << 15
rng = np.random.default_rng(0)


def by_law(c, t, constant):
    """Law 5 for two scalars."""
    return 0.0 if t == 0 or (constant and c == 0) else c * t


def placed(shape, special, at=3):
    """Ordinary elements, with a special one among them."""
    a = rng.uniform(0.5, 2.0, size=shape)
    if special is not None:
        a.reshape(-1)[at % a.size] = special
    return a


#: Shapes of the coefficients and of the tangents.
SIZES = {
    "small": ((5,), (5,)),
    "with axes": ((3, 2), (3, 2)),
    "large": ((LARGE,), (LARGE,)),
    "large, with axes": ((LARGE // 4, 4), (LARGE // 4, 4)),
    "many directions": ((8,), (LARGE // 8, 8)),
    "many directions, broadcast": ((4, 1), (LARGE // 16, 4, 4)),
    "a few directions": ((LARGE // 4,), (2, LARGE // 4)),
    "a scalar coefficient": ((), (LARGE,)),
    "a scalar tangent": ((LARGE,), ()),
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_of_any_size_follow_the_law(size, dtype):
    shapes = SIZES[size]
    for (c, t), constant, spare in itertools.product(PAIRS, (False, True), (False, True)):
        a, b = (placed(shape, special).astype(dtype) for shape, special in zip(shapes, (c, t), strict=True))
        a, b = (float(x) if x.ndim == 0 and dtype is np.float64 else x for x in (a, b))
        expected = np.array(
            [by_law(p, q, constant) for p, q in zip(*(np.ravel(x) for x in np.broadcast_arrays(a, b)), strict=True)]
            if np.size(b) < 100
            else np.where((b == 0) | (constant & (a == 0)), 0.0, a * b)
        ).reshape(np.broadcast_shapes(*shapes))
        kept = np.copy(a)
        np.testing.assert_array_equal(product(a, b, spare and np.ndim(a) > 0, constant), expected.astype(dtype))
        if not spare:
            np.testing.assert_array_equal(a, kept)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("n", [5, LARGE])
def test_transposed_products_follow_the_law(n):
    """In reverse mode, an idle element gives zero, and so does a constant coefficient that is zero."""
    for (c, w), constant, idle in itertools.product(PAIRS, (False, True), (False, True)):
        if idle and w:
            continue
        a, b = placed(n, c), placed(n, w)
        marks = np.zeros(n, bool)
        marks[3] = idle
        unused = marks | (constant & (a == 0))
        # A zero tangent stays zero where an infinity multiplies it afterwards.
        expected = np.where(unused | ((a == 0) & ~np.isfinite(b)), 0.0, a * b)
        np.testing.assert_array_equal(pulled(b, a, marks, constant), expected)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("weight", [*SPECIAL, -0.0, 2])
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("constant", [False, True])
def test_many_weighted_terms_are_the_sum_of_their_products(weight, special, constant):
    space = Dense(1, 3)
    tangents = [Active((0, 1, 2), placed((3, 4), None)) for _ in range(4)]
    tangents[1] = Active((0, 1, 2), placed((3, 4), special))
    weights = [0.5, weight, 2.0, -1.5]
    found = space.combine([(t, c, (4,), False, constant) for t, c in zip(tangents, weights, strict=True)], (4,))
    terms = [space.scale(t, c, (4,), (4,), constant).array for t, c in zip(tangents, weights, strict=True)]
    np.testing.assert_allclose(found.array, sum(terms), rtol=1e-14)


@pytest.mark.parametrize("n", [1, 4, LARGE])
def test_reverse_mode_scales_as_forward_mode_does(n):
    """Where an infinite partial meets a zero: a weight, an accidental zero, an element that is not used."""
    x = np.concatenate([[0.0], np.linspace(1.0, 2.0, n - 1)])
    weight = np.concatenate([[0.0], np.ones(n - 1)])
    v = np.ones(n)
    for f in (
        lambda x: weight * np.sqrt(x),
        lambda x: np.sqrt(x) * weight,
        lambda x: np.where(x > 0, np.sqrt(x), 0.0),
        lambda x: np.sqrt(x * x) * x,
        lambda x: np.sqrt(x) * np.sqrt(x),
        lambda x: (weight * np.sqrt(x)) * np.sqrt(x + 1),
        lambda x: 0.0 * np.sqrt(x) + x,
    ):
        forward, (_, pull) = jvp(f, x, v)[1], vjp(f, x)
        # The Jacobian is diagonal.
        np.testing.assert_allclose(pull(v), forward, rtol=1e-14)
        np.testing.assert_allclose(gradient(lambda x, f=f: np.sum(f(x)), x, mode="reverse"), forward, rtol=1e-14)


def test_patterns_keep_the_zeros_that_are_accidental():
    """A zero of a constant matrix is no entry; a zero of an operand that depends on x is one."""
    pytest.importorskip("scipy")
    A = np.array([[1.0, 0.0], [2.0, 3.0]])
    x = np.array([0.0, 5.0])
    pattern = lambda f: jacobian_sparsity(f, x).toarray().astype(int).tolist()
    assert pattern(lambda x: A @ x) == [[1, 0], [1, 1]]
    assert pattern(lambda x: np.einsum("ij,j->i", A, x)) == [[1, 0], [1, 1]]
    for f in (
        lambda x: np.einsum("ij,j,j->i", A, x, x),
        lambda x: np.einsum("i,ij,j->i", x + 1, A, x),
        lambda x: np.einsum("ij,jk,k->i", A, np.stack([x, x[::-1]]), x),
    ):
        at_zero, elsewhere = pattern(f), jacobian_sparsity(f, x + 0.1).toarray().astype(int).tolist()
        assert at_zero == elsewhere
        np.testing.assert_allclose(jacobian(f, x, sparse=True).toarray(), jacobian(f, x, mode="forward"))
    outer = lambda x: np.ravel(np.einsum("i,j->ij", x, x))
    assert pattern(outer) == [[1, 0], [1, 1], [1, 1], [0, 1]]
    dot = lambda x: np.stack([x @ x[::-1], x @ np.zeros(2)])
    assert pattern(dot) == [[1, 1], [0, 0]]


@pytest.mark.parametrize("target", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("item", [np.float32, np.float64])
def test_what_is_assigned_gets_the_dtype_of_its_array(target, item):
    """Law 8, in every space: a tangent is as precise as the array that it is written into."""

    def f(x):
        y = (x * 1.0).astype(target)
        y[:2] = (x[:2] / 3).astype(item) ** 2
        y[2] = (x[0] / 7).astype(item)
        y[3:] = np.stack([x[1] / 3]).astype(item)
        return y

    x = np.array([1.1, 2.3, 3.7, 0.9])
    v = np.array([0.3, -0.7, 0.1, 0.9])
    value, slope = jvp(f, x, v)
    assert value.dtype == slope.dtype == f(x).dtype == target
    precision = 1e-6 if np.finfo(target).eps > 1e-10 or np.finfo(item).eps > 1e-10 else 1e-14
    for options in ({"mode": "forward"}, {"mode": "reverse"}, {"chunk_size": 1, "mode": "forward"}):
        J = jacobian(f, x, **options)
        assert J.dtype == target
        np.testing.assert_allclose(J @ v, slope, rtol=precision)
    if np.dtype(target).kind == "f":
        pytest.importorskip("scipy")
        sparse = jacobian(f, x, sparse=True)
        assert sparse.dtype == target
        np.testing.assert_array_equal(sparse.toarray(), jacobian(f, x, mode="forward"))


KEYS = [slice(None), slice(1, None), slice(None, None, -2), [3, 0, 2], np.array([True, False] * 3), Ellipsis]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("length", [1, 2, 3, 6, 9])
def test_items_written_through_flat_are_repeated_or_truncated(key, length):
    """As NumPy's flat iterator does, with duals as items and without, in every space."""
    for start in (lambda x: x * 1.0, lambda x: (x * 1.0).T, lambda x: np.zeros_like(x)):
        for items in (lambda x: np.resize(x * x, length), lambda x: np.arange(1.0, 1.0 + length)):

            def f(x, start=start, items=items):
                y = start(x)
                y.flat[key] = items(x)
                return y

            x = np.arange(1.0, 7.0).reshape(2, 3)
            matrix = lambda J: J.reshape(6, 6)
            J = matrix(jacobian(f, x, mode="forward"))
            np.testing.assert_array_equal(jvp(f, x, x)[0], f(x))
            # Each element of the result is an element of x, its square or a constant.
            h = 1e-6
            columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(6).reshape(6, 2, 3)]
            np.testing.assert_allclose(J, np.stack([np.ravel(c) for c in columns], -1), atol=1e-8)
            np.testing.assert_array_equal(matrix(jacobian(f, x, mode="reverse")), J)


@pytest.mark.parametrize("key", [0, -1, slice(None), slice(1, None), [0, 0], Ellipsis], ids=str)
def test_an_array_without_axes_is_flat_with_one_element(key):
    def f(x):
        z = np.stack([x[0]]).reshape(())
        z.flat[key] = 3.0 * (x[0] if isinstance(key, int) else x)
        return np.concatenate([np.ravel(z), np.ravel(z.flat[key])])

    x = np.array([2.0])
    value, slope = jvp(f, x, np.ones(1))
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(slope, [3.0 if value[0] == 6 else 1.0, *[3.0] * (len(value) - 1)])
