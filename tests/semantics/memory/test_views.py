"""Views, assignment and aliasing: programs on dual arrays against the same programs on complex arrays.

The complex step is exact to rounding for these programs and knows nothing of dual numbers: the derivative of f along
v is the imaginary part of f(x + i h v) / h for a tiny h.
"""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import DualArray, MixedPointsError, derivative, jacobian, jvp, taylor, value_and_jacobian

STEP = 1e-40


def complex_step(f, x):
    """The Jacobian of f, one direction after the other."""
    columns = []
    for i in np.ndindex(x.shape):
        z = x.astype(complex)
        z[i] += 1j * STEP
        columns.append(f(z).imag / STEP)
    return np.stack(columns, axis=-1).reshape((*columns[0].shape, *x.shape))


def laid_out(values, like):
    """The values in the memory layout of another array, on which it depends what is a view and what a copy."""
    z = np.empty_like(like, dtype=values.dtype)
    z[...] = values
    return z


# -- random programs ---------------------------------------------------------------------------------------------------
# A step reads and writes a list of arrays.  What it does is drawn from the generator and depends on shapes alone, so
# that one seed is one program, whatever kind of numbers it runs on.


def a_slice(rng, n):
    """A random slice of an axis of length n, not empty."""
    start, stop = sorted(rng.choice(n + 1, 2, replace=False)) if n > 1 else (0, n)
    key = slice(int(start), int(stop), int(rng.integers(1, 3)))
    return key if rng.random() < 0.7 else slice(int(stop) - 1, int(start) - 1 if start else None, -1)


def a_key(rng, y):
    """A basic index: slices, sometimes integers, a new axis, an ellipsis."""
    key = [a_slice(rng, n) for n in y.shape]
    if y.ndim > 1 and rng.random() < 0.3:
        k = int(rng.integers(y.ndim))
        key[k] = int(rng.integers(-y.shape[k], y.shape[k]))
    if rng.random() < 0.15:
        key.insert(int(rng.integers(len(key) + 1)), None)
    if rng.random() < 0.2:
        key = [Ellipsis, *key[-1:]]
    return tuple(key)


def a_fancy_key(rng, y):
    """An advanced index: integer arrays, lists or masks, alone or beside slices, adjacent or apart."""
    kind = rng.integers(5)
    n = y.shape[0]
    if kind == 0:
        return rng.random(y.shape) < 0.5
    if kind == 1:
        return rng.integers(-n, n, size=int(rng.integers(1, 4)))
    if kind == 2:
        return [int(i) for i in rng.integers(0, n, size=2)]
    if kind == 3:
        return (Ellipsis, rng.integers(0, y.shape[-1], size=(2,)))
    if y.ndim < 3:
        return tuple(rng.integers(0, m, size=2) for m in y.shape)
    return (rng.integers(0, n, size=2), slice(None), rng.integers(0, y.shape[2], size=2))


def a_view(rng, y):
    """A view of an array, or (reshape, ravel) a copy where NumPy makes one."""
    n, k = y.ndim, int(rng.integers(14))
    if k == 0:
        return y.T
    if k == 1:
        return y.reshape(-1)
    if k == 2:
        return np.swapaxes(y, 0, -1)
    if k == 3:
        return y[None] if n < 3 else y[0]
    if k == 4:
        return np.flip(y, 0)
    if k == 5:
        return np.moveaxis(y, 0, -1)
    if k == 6:
        return y.reshape((2, -1)) if y.size % 2 == 0 else y.ravel()
    if k == 7:
        return np.array_split(y, 2)[0]
    if k == 8:
        return y[...]
    if k == 9:
        return np.expand_dims(y, -1) if n < 3 else np.squeeze(y)
    if k == 10:
        return y.view()
    if k == 11:
        return np.atleast_2d(y)
    return y[a_key(rng, y)]


def a_copy(rng, y):
    """An array derived from another, of its own memory but perhaps with a tangent that is the very same."""
    k = int(rng.integers(13))
    if k == 0:
        return y + 0.0
    if k == 1:
        return 1.0 * y
    if k == 2:
        return +y
    if k == 3:
        return np.sin(y)
    if k == 4:
        return y.copy()
    if k == 5:
        return y[a_fancy_key(rng, y)]
    if k == 6:
        return np.concatenate([y, y[:1]])
    if k == 7:
        return y - 0.5
    if k == 8:
        return np.copy(y[:2])[::-1]
    if k == 9:
        return np.where(rng.random(y.shape) < 0.5, y, 0.25)
    if k == 10:
        return np.zeros_like(y)
    if k == 11:
        return np.copy(y, order="F")
    return np.cumsum(y, axis=0)


def something(rng, arrays, shape):
    """What to write into a place of this shape: numbers, an element, an array that may overlap the target."""
    z = arrays[int(rng.integers(len(arrays)))]
    k = int(rng.integers(6))
    if k == 0 or not z.size:
        return float(rng.normal())
    if k == 1:
        return rng.normal(size=shape)
    if k == 2:
        return z.reshape(-1)[int(rng.integers(z.size))]
    if k == 3 and shape:
        return np.resize(z, shape[-1:])
    if k == 4 and shape:
        return [z.reshape(-1)[int(rng.integers(z.size))] if i % 3 else 0.125 for i in range(shape[-1])]
    return np.resize(z, shape) * 0.5


def write(rng, y, arrays):
    """Write into an array what may depend on others."""
    k = int(rng.integers(22))
    n = y.shape[0]
    if k <= 3:
        key = a_key(rng, y)
        y[key] = something(rng, arrays, y[key].shape)
    elif k == 4:
        key = a_fancy_key(rng, y)
        y[key] = something(rng, arrays, y[key].shape)
    elif k == 5:
        key = a_fancy_key(rng, y)
        y[key] *= something(rng, arrays, y[key].shape)
    elif k == 6:
        y += something(rng, arrays, y.shape)
    elif k == 7:
        y *= 0.5
    elif k == 8 and n > 1:
        y[1:] += y[:-1]
    elif k == 9 and n > 1:
        y[:-1] = y[1:]
    elif k == 10:
        y[...] = y[::-1]
    elif k == 11:
        y.flat[int(rng.integers(y.size))] = something(rng, arrays, ())
    elif k == 12:
        y.flat[::2] = np.copy(something(rng, arrays, (len(range(0, y.size, 2)),)))
    elif k == 13:
        np.copyto(y, something(rng, arrays, y.shape), where=rng.random(y.shape) < 0.5)
    elif k == 14:
        np.put(y, rng.integers(0, y.size, size=3), something(rng, arrays, (2,)))
    elif k == 15:
        mask = rng.random(y.shape) < 0.5
        (np.place if rng.random() < 0.5 else np.putmask)(y, mask, np.copy(something(rng, arrays, (3,))))
    elif k == 16 and y.ndim == 2:
        np.fill_diagonal(y, something(rng, arrays, ()))
    elif k == 17:
        np.sin(y, out=y)
    elif k == 18:
        np.subtract(y, something(rng, arrays, y.shape), out=y)
    elif k == 19:
        np.add.at(y, rng.integers(0, n, size=3), np.copy(something(rng, arrays, (3, *y.shape[1:]))))
    elif k == 20:
        indices = rng.integers(0, n, size=(2, *y.shape[1:]))
        np.put_along_axis(y, indices, np.copy(something(rng, arrays, indices.shape)), axis=0)
    elif n > 1:
        y[0], y[-1] = y[-1], y[0]


def program(seed, steps=10):
    """A function of an array, made of views, copies and writes, that returns all it has made in one vector.

    Further arguments are read and never written.
    """

    def run(x, *constants):
        rng = np.random.default_rng(seed)
        arrays = [x if isinstance(x, DualArray) else x.copy("K")]
        for _ in range(steps):
            y = arrays[int(rng.integers(len(arrays)))]
            kind = rng.random()
            if kind < 0.3:
                made = a_view(rng, y)
            elif kind < 0.5:
                made = a_copy(rng, y)
            else:
                write(rng, y, [*arrays, *constants])
                continue
            if made.size and made.ndim:
                arrays.append(made)
        return arrays

    def f(x, *constants):
        return np.concatenate([a.reshape(-1) for a in run(x, *constants)])

    f.run = run
    return f


SHAPES = [(4,), (3, 2), (2, 3, 2)]
SEEDS = range(60)


def point(seed):
    """A point, in one of several layouts in memory."""
    shape = SHAPES[seed % len(SHAPES)]
    x = np.random.default_rng(seed).normal(size=shape)
    return [x, np.asfortranarray(x), np.swapaxes(x, 0, -1), x[::-1]][seed // 3 % 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_program_in_every_space(seed):
    f, x = program(seed), point(seed)
    kept = x.copy()
    expected, J = f(x), complex_step(f, x)
    scale = 1 + np.max(np.abs(J))
    for options in ({}, {"chunk_size": 1}, {"chunk_size": 2}, {"mode": "reverse"}):
        found, found_J = value_and_jacobian(f, x, **{"mode": "forward", **options})
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(found_J, J, rtol=0, atol=1e-12 * scale)
    v = np.random.default_rng(seed + 1).normal(size=x.shape)
    found, slope = jvp(f, x, v)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(slope, np.tensordot(J, v, v.ndim), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(taylor(f, x, 2, v)[:2], [found, slope], rtol=0, atol=1e-12 * scale)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_random_program_nested(seed):
    f, x = program(seed, 7), point(seed)
    v, w = np.random.default_rng(seed + 1).normal(size=(2, *x.shape))
    h = 1e-4

    def slope(x):
        return f(laid_out(x + 1j * STEP * v, point(seed))).imag / STEP

    expected = (8 * (slope(x + h * w) - slope(x - h * w)) - (slope(x + 2 * h * w) - slope(x - 2 * h * w))) / (12 * h)
    scale = 1 + np.max(np.abs(slope(x))) ** 2
    _, found = jvp(lambda x: jvp(f, x, v)[1], x, w)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * scale)
    second = jacobian(jacobian(f, chunk_size=2, mode="forward"), x, mode="forward")
    along = np.tensordot(np.tensordot(second, w, w.ndim), v, v.ndim)
    np.testing.assert_allclose(along, found, rtol=0, atol=1e-12 * scale)
    twice = np.tensordot(np.tensordot(second, v, v.ndim), v, v.ndim)
    np.testing.assert_allclose(2 * taylor(f, x, 2, v)[2], twice, rtol=0, atol=1e-11 * scale)
    mixed = jacobian(lambda x: jvp(f, x, v)[1], x, chunk_size=3)
    np.testing.assert_allclose(np.tensordot(mixed, w, w.ndim), found, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_random_program_writes_duals_of_an_outer_call(seed):
    f, x = program(seed), point(seed)
    v, w = np.random.default_rng(seed + 1).normal(size=(2, *x.shape))
    h = 1e-4

    def slope(x):
        like = point(seed)
        return f(laid_out(np.sin(x) + 1j * STEP * v, like), laid_out(x, like)).imag / STEP

    expected = (8 * (slope(x + h * w) - slope(x - h * w)) - (slope(x + 2 * h * w) - slope(x - 2 * h * w))) / (12 * h)
    scale = 1 + np.max(np.abs(slope(x))) ** 2
    _, found = jvp(lambda x: jvp(lambda y: f(y, x), np.sin(x), v)[1], x, w)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * scale)
    mixed = jacobian(lambda x: jacobian(lambda y: f(y, x), np.sin(x), chunk_size=3), x, chunk_size=2, mode="forward")
    along = np.tensordot(np.tensordot(mixed, w, w.ndim), v, v.ndim)
    np.testing.assert_allclose(along, found, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_program_pointwise_is_right_or_refused(seed):
    f, x = program(seed, 5), point(seed)
    J = complex_step(lambda x: [a for a in f.run(x) if a.shape == x.shape][-1], x).reshape(x.size, x.size)
    try:
        found = derivative(lambda x: [a for a in f.run(x) if a.shape == x.shape][-1], x)
    except MixedPointsError:
        return
    np.testing.assert_allclose(np.diag(found.ravel()), J, rtol=0, atol=1e-12 * (1 + np.max(np.abs(J))))


# -- named cases -------------------------------------------------------------------------------------------------------
def swap(y):
    y[0], y[-1] = y[-1], y[0]


def swap_rows(y):
    z = np.stack([y, 2 * y])
    z[0], z[1] = z[1], z[0]
    y += z[0] * z[1]


def through(view):
    """Write through a view of y, and through a view of that view."""

    def write(y):
        v = view(y)
        v[...] = v * v
        v[-1:] *= y.reshape(-1)[1]

    return write


def aliased_by_a_shared_tangent(y):
    z = +y
    w = y + 1.0
    y[0] = 7.0
    z[1] = y[2]
    w *= 3.0
    y += z * w


def read_before_and_after(y):
    v = y[1:]
    before = v.copy()
    y[1] = 5.0 * y[0]
    after = v + before
    y[:-1] = after


def loop(y):
    for i in range(1, y.shape[0]):
        y[i] += y[i - 1] ** 2


def flat(y):
    y.flat[2] = y.flat[0] * 3.0
    y.flat[:2] = y.flat[1:3]
    y.flat = [2.0 * e for e in y.flat]


def mask(y):
    y[y > 0] = y[0] * y[1]
    y[np.array([False, True, False])] += 1.5


def repeated_places(y):
    y[[0, 0, 1]] = [y[2], 3.0 * y[1], y[0]]
    y[[2, 2]] += y[:2]


def mixed_key(y):
    z = np.zeros_like(y, shape=(2, 3, 2))
    z[[0, 1], :, [1, 0]] = y * np.array([[1.0], [2.0]])
    z[0, ..., [1, 0]] += y[:2, None]
    z[:, [True, False, True]] *= 2.0
    y += z.sum(axis=(0, 2))


def column(y):
    z = np.asfortranarray(np.outer(Y, Y)) * y
    t = z.T.reshape(-1)
    z[:, 0] = y
    t[1:3] *= 2.0
    y += z[0] + t[:3]


def diagonal_view(y):
    z = np.outer(y, y)
    d = np.diagonal(z)
    z[1, 1] = 4.0
    z[:, 2] = y
    y += d


def iterated_rows(y):
    z = np.outer(y, Y)
    for row in z:
        row *= row[0]
    y *= z.sum(axis=1)


def split_parts(y):
    first, second = np.split(np.concatenate([y, y**2]), 2)
    first += second[::-1]
    a, b = np.array_split(first, [1])
    b[:] = a
    y += first


def moved_axes(y):
    z = np.zeros_like(y, shape=(2, 3, 1))
    np.moveaxis(z, 1, 0)[...] = y[:, None, None]
    np.swapaxes(z, 0, 2)[0, 1] = [1.0, y[0]]
    np.squeeze(z)[1] += y
    np.expand_dims(z, 0)[0, 0, 2] = y[1] * y[2]
    y += z.sum(axis=(0, 2))


def strided_ravel(y):
    z = np.concatenate([y, 2 * y])
    r = z[::2].ravel()
    v = z[::2].reshape(3)
    z *= 2.0
    y += r + v


def whole_number_of_dimensions(y):
    z = np.zeros_like(y, shape=())
    z[...] = y[0] * 2.0
    z[False] = 3.0
    z[True] *= y[1]
    z[()] += 1.0
    y *= z


def sorted_in_place(y):
    y.sort()
    y[::-1].sort()


def accumulate_at(y):
    np.add.at(y, [0, 0, 2], y[1])
    np.add.at(y[1:], [-1, -1], [y[0], 2.0])


Y = np.array([0.7, -1.1, 1.9])
WRITES = {
    "y[0], y[-1] = y[-1], y[0]": swap,
    "z[0], z[1] = z[1], z[0]": swap_rows,
    "y[1:]": through(lambda y: y[1:]),
    "y[::-1]": through(lambda y: y[::-1]),
    "y.T": through(lambda y: y.T),
    "y.reshape": through(lambda y: y.reshape(3, 1)),
    "y[None]": through(lambda y: y[None]),
    "y.view()": through(lambda y: y.view()),
    "y.ravel()": through(lambda y: y.ravel()),
    "y[...]": through(lambda y: y[...]),
    "flip": through(np.flip),
    "np.atleast_2d": through(np.atleast_2d),
    "y[1:][::-1]": through(lambda y: y[1:][::-1]),
    "y[1:] += y[:-1]": lambda y: y[1:].__iadd__(y[:-1]),
    "y[:-1] = y[1:]": lambda y: y.__setitem__(slice(0, -1), y[1:]),
    "y[...] = y[::-1]": lambda y: y.__setitem__(..., y[::-1]),
    "shared tangents": aliased_by_a_shared_tangent,
    "before and after": read_before_and_after,
    "loop": loop,
    "flat": flat,
    "mask": mask,
    "repeated places": repeated_places,
    "mixed key": mixed_key,
    "column of an F-ordered array": column,
    "diagonal": diagonal_view,
    "rows of an iteration": iterated_rows,
    "split": split_parts,
    "moved axes": moved_axes,
    "ravel of a strided array is a copy": strided_ravel,
    "no dimensions": whole_number_of_dimensions,
    "add.at": accumulate_at,
}


@pytest.mark.parametrize("name", WRITES)
def test_views_and_assignment_in_every_space(name):
    write = WRITES[name]

    def f(x):
        y = x * x
        write(y)
        return y * x

    def own(x):
        write(x)
        return x

    for g in (f, own):
        expected, J = g(Y.copy()), complex_step(g, Y) if name != "mask" else jacobian(g, Y, mode="forward")
        v = np.array([0.3, 1.0, -2.0])
        for options in ({}, {"chunk_size": 1}, {"chunk_size": 2}, {"mode": "reverse"}):
            found, found_J = value_and_jacobian(g, Y, **{"mode": "forward", **options})
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_allclose(found_J, J, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(jacobian(g, Y, sparse=True).toarray(), J, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(jvp(g, Y, v)[1], J @ v, rtol=1e-12, atol=1e-12)
        second = jacobian(jacobian(g, mode="forward"), Y, mode="forward")
        for inner, outer in (("reverse", "forward"), ("forward", "reverse")):
            np.testing.assert_allclose(jacobian(jacobian(g, mode=inner), Y, mode=outer), second, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(
            jvp(lambda x, g=g, v=v: jvp(g, x, v)[1], Y, v)[1], second @ v @ v, rtol=1e-10, atol=1e-10
        )
        h = 1e-5
        bend = (complex_step(g, Y + h * v) - complex_step(g, Y - h * v)) / (2 * h) if name != "mask" else second @ v
        np.testing.assert_allclose(second @ v, bend, rtol=1e-6, atol=1e-6)
        try:
            slopes = derivative(g, Y)
        except MixedPointsError:
            continue
        np.testing.assert_allclose(np.diag(slopes), J, rtol=1e-13, atol=1e-13)


def test_sort_in_place():
    np.testing.assert_array_equal(
        jacobian(lambda x: sorted_in_place(x) or x, Y), [[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]]
    )


def test_views_that_numpy_makes_read_only():
    for view in (lambda y: np.broadcast_to(y, (2, 3)), lambda y: np.diagonal(np.outer(y, y)), lambda y: y.imag):
        with pytest.raises(ValueError, match="read-only"):
            jacobian(lambda x, view=view: view(x * 1.0).__setitem__(0, 5.0), Y)
    frozen = Y.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        jacobian(lambda x: x.__setitem__(0, 5.0), frozen)
    np.testing.assert_array_equal(jacobian(lambda x: x * x, frozen), np.diag(2 * Y))


def test_base_and_flags_tell_a_view():
    def f(x):
        y = x * 2.0
        assert y.base is None
        assert y[1:].base is y
        assert y[1:][::-1].base is y
        assert y.T.base is y
        assert y.reshape(3, 1).base is y
        assert y[[0, 1]].base is None
        assert y.copy().base is None
        assert np.shares_memory(y, y[1:])
        assert not np.shares_memory(y, y + 0.0)
        assert y[::2].strides == (16,)
        assert y.flags.c_contiguous
        return y

    jacobian(f, Y)
