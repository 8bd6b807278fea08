"""Views, assignment and aliasing: programs on dual arrays against the same programs on complex arrays.

The complex step is exact to rounding for these programs and knows nothing of dual numbers: the derivative of f along
v is the imaginary part of f(x + i h v) / h for a tiny h.
"""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import DualArray, MixedPointsError, derivative, jacobian, jvp, value_and_jacobian

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
        return np.array(y[:2])[::-1] if isinstance(y, np.ndarray) else y[:2].copy()[::-1]
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
    for chunk_size in (None, 1, 2):
        found, found_J = value_and_jacobian(f, x, chunk_size=chunk_size)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(found_J, J, rtol=0, atol=1e-12 * scale)
    v = np.random.default_rng(seed + 1).normal(size=x.shape)
    found, slope = jvp(f, x, v)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(slope, np.tensordot(J, v, v.ndim), rtol=0, atol=1e-12 * scale)
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
    second = jacobian(jacobian(f, chunk_size=2), x)
    along = np.tensordot(np.tensordot(second, w, w.ndim), v, v.ndim)
    np.testing.assert_allclose(along, found, rtol=0, atol=1e-12 * scale)
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
    mixed = jacobian(lambda x: jacobian(lambda y: f(y, x), np.sin(x), chunk_size=3), x, chunk_size=2)
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
