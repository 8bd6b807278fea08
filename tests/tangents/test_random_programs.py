"""Random programs of steps of all kinds: every tangent space and every nesting on the same program.

`test_views` has random programs of views and writes, compared with the complex step.  The steps here are all others:
ufuncs, reductions, products, concatenation, selection, in-place operators.  A program is a list of steps, each of which
reads earlier arrays and computes a new one, or writes into one.
"""

from __future__ import annotations

import warnings
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import dualdiff
from dualdiff import (
    gradient,
    hessian,
    hvp,
    jacobian,
    jacobian_sparsity,
    jvp,
    linearize,
    value_and_jacobian,
    vjp,
)
from dualdiff.base import tags
from dualdiff.tangents import blocks, zeros
from dualdiff.tangents.spaces import single


def first(y):
    """The first element of an array; 1 if it is empty."""
    return np.ravel(y)[0] if y.size else 1.0


def in_place(operation):
    """A step that writes into y."""

    def step(y, z):
        operation(y, z)
        return y

    return step


def halves(y, z):
    y[..., : y.shape[-1] // 2] += z[..., y.shape[-1] - y.shape[-1] // 2 :]


#: Functions of an array y and another array z of the same shape.
STEPS = {
    "sin": lambda y, z: np.sin(y),
    "exp(-square)": lambda y, z: np.exp(-(y**2)),
    "tanh": lambda y, z: np.tanh(y),
    "sinc": lambda y, z: np.sinc(y),
    "log": lambda y, z: np.log(y * y + 1),
    "abs": lambda y, z: np.abs(y - 0.1),
    "floor": lambda y, z: np.floor(3 * y) + y,
    "conj": lambda y, z: np.conj(y),
    "reflected": lambda y, z: 2.0**y - 1 / (y * y + 1),
    "a float32": lambda y, z: np.float32(1.5) * y,
    "+": lambda y, z: y + z,
    "-": lambda y, z: y - z,
    "*": lambda y, z: y * z,
    "/": lambda y, z: y / (z * z + 1.5),
    "**": lambda y, z: (y * y + 1) ** z,
    "%": lambda y, z: y % (z * z + 1),
    "maximum": lambda y, z: np.maximum(y, z - 0.01),
    "hypot": lambda y, z: np.hypot(y, z + 3),
    "clip": lambda y, z: np.clip(y, -0.5, z * z),
    "where": lambda y, z: np.where(y > z, y * y, z),
    "select": lambda y, z: np.select([y > 0.5, z > 0], [y * y, 2 * z], default=y),
    "times its first number": lambda y, z: first(y) * z,
    "sum": lambda y, z: np.sum(y, keepdims=True) + z,
    "sum along the last axis": lambda y, z: np.sum(y, axis=-1),
    "mean": lambda y, z: np.mean(y, axis=0) if y.shape[0] else y,
    "prod": lambda y, z: np.prod(y, axis=-1, keepdims=True),
    "max": lambda y, z: np.max(y, axis=-1, initial=-0.3),
    "a number, min": lambda y, z: np.min(y, initial=9.0) * z,
    "std": lambda y, z: np.std(y + np.arange(y.shape[-1])) * z if y.size > 1 else z,
    "cumsum": lambda y, z: np.cumsum(y, axis=0),
    "cumprod": lambda y, z: np.cumprod(y, axis=-1),
    "diff": lambda y, z: np.diff(y, axis=-1, prepend=1.0),
    "norm": lambda y, z: np.linalg.norm(y - 3, axis=-1),
    "quantile": lambda y, z: np.quantile(y, 0.3, axis=0, keepdims=True) if y.shape[0] else y,
    "logaddexp.reduce": lambda y, z: np.logaddexp.reduce(y, axis=0, initial=0.0),
    "T": lambda y, z: y.T,
    "reversed": lambda y, z: y[::-1],
    "part": lambda y, z: y[..., ::2],
    "reshape": lambda y, z: np.ravel(y, "F"),
    "new axis": lambda y, z: y[None],
    "broadcast": lambda y, z: np.broadcast_to(y, (2, *y.shape)),
    "stack": lambda y, z: np.stack([y, z], axis=-1),
    "concatenate": lambda y, z: np.concatenate([z, y[:1], y]),
    "a list of numbers": lambda y, z: np.stack([e * 2 for e in np.ravel(y)]) if y.size else y,
    "roll": lambda y, z: np.roll(y, 1, axis=0),
    "sort": lambda y, z: np.sort(y, axis=-1),
    "argsort": lambda y, z: np.take_along_axis(z, np.argsort(y, axis=0, kind="stable"), axis=0),
    "mask": lambda y, z: y[y > 0],
    "take": lambda y, z: np.take(y, [0, -1, 0], axis=0) if y.shape[0] else y,
    "pad": lambda y, z: np.pad(y, 1),
    "repeat": lambda y, z: np.repeat(y, 2, axis=-1),
    "matmul": lambda y, z: y @ np.swapaxes(z, -1, -2) if y.ndim > 1 else y @ z * z,
    "einsum": lambda y, z: np.einsum("...i,...i->...", y, z),
    "outer": lambda y, z: np.multiply.outer(y, [1.0, -2.0]),
    "interp": lambda y, z: np.interp(y, [-1.0, 0.0, 2.0], [1.0, 3.0, -1.0]),
    "convolve": lambda y, z: np.convolve(np.ravel(y), [1.0, 2.0]) if y.size else y,
    "copyto": lambda y, z: in_place(lambda a, b: np.copyto(a, b, where=b > 0))(np.zeros_like(y), z),
    "+=": in_place(lambda y, z: y.__iadd__(z)),
    "*=": in_place(lambda y, z: y.__imul__(0.5 + z * z)),
    "out=": in_place(lambda y, z: np.sin(z + y, out=y)),
    "out=, where=": in_place(lambda y, z: np.add(y, z, out=y, where=z > 0)),
    "y[...] = z": in_place(lambda y, z: y.__setitem__(..., 2 * z)),
    "y[0] = number": in_place(lambda y, z: y.__setitem__(slice(0, 1), first(z))),
    "y[:n] += z[-n:]": in_place(halves),
    "add.at": in_place(lambda y, z: np.add.at(y, [0, 0] if y.shape[0] else [], first(z))),
}
SHAPES = [(3,), (1,), (4,), (2, 2), (2, 3), (1, 2), (2, 1, 2), (0,), (2, 0)]
LAYOUTS = [lambda x: x, np.asfortranarray, lambda x: x[::-1], lambda x: np.repeat(x, 2, axis=-1)[..., ::2]]

programs = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)), max_size=6)
points = st.tuples(st.sampled_from(SHAPES), st.sampled_from(range(len(LAYOUTS))), st.integers(0, 99))


def point(shape, layout, seed):
    return LAYOUTS[layout](np.random.default_rng(seed).normal(size=shape))


def runnable(program, x):
    """The steps that succeed on plain arrays, with the indices of their operands; None if values become large."""
    arrays, steps = [np.array(x)], []
    for name, i, j in program:
        i %= len(arrays)
        fitting = [k for k, a in enumerate(arrays) if a.shape == arrays[i].shape]
        j = fitting[j % len(fitting)]
        before = [a.copy() for a in arrays]
        try:
            made = STEPS[name](arrays[i], arrays[j])
        except ValueError:
            assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
            continue
        if any(not np.all(np.abs(a) < 1e3) for a in [*arrays, made]) or np.size(made) > 60:
            return None
        steps.append((STEPS[name], i, j))
        arrays.append(made if np.ndim(made) else np.reshape(made, 1))
    return steps


def function(steps):
    """The program as a function of an array, which returns the last arrays in one vector."""

    def f(x):
        arrays = [x]
        for step, i, j in steps:
            made = step(arrays[i], arrays[j])
            arrays.append(made if np.ndim(made) else np.reshape(made, 1))
        return np.concatenate([np.ravel(a) for a in arrays[-3:]])

    return f


def near(found, expected):
    scale = 1 + np.max(np.abs(expected), initial=0.0)
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=0, atol=1e-8 * scale)


def drawn(program, where):
    """A function and a point; None if the values of the program become large."""
    x = point(*where)
    with np.errstate(all="ignore"):
        steps = runnable(program, x)
    return None if steps is None else (function(steps), x)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(programs, points)
def test_all_spaces_give_one_jacobian_and_the_value_of_f(program, where):
    check_jacobians(program, where)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(programs, points)
def test_what_is_done_to_spare_large_arrays_gives_the_same(program, where):
    with (
        mock.patch.object(single, "LARGE", 2),
        mock.patch.object(blocks, "_BLOCK", 2),
        mock.patch.multiple(zeros, _LARGE=1, _UNTHREADED=2),
    ):
        check_jacobians(program, where)


def check_jacobians(program, where):
    """Assert that every way to compute the Jacobian gives the same, and that the value is bit for bit that of f."""
    if (found := drawn(program, where)) is None:
        return
    f, x = found
    kept = x.copy()
    expected = f(np.array(x, order="K"))
    m, n = expected.size, x.size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, J = value_and_jacobian(f, x, mode="forward")
        np.testing.assert_array_equal(value, expected)
        assert J.dtype == value.dtype == expected.dtype
        J = J.reshape((m, n))
        for options in ({"chunk_size": 2}, {"mode": "reverse"}, {"mode": "reverse", "chunk_size": 3}):
            value, other = value_and_jacobian(f, x, **{"mode": "forward", **options})
            np.testing.assert_array_equal(value, expected)
            near(other, J)
        sparse, pattern = jacobian(f, x, sparse=True), jacobian_sparsity(f, x)
        near(sparse.toarray(), J)
        np.testing.assert_array_equal(sparse.indptr, pattern.indptr)
        np.testing.assert_array_equal(sparse.indices, pattern.indices)
        near(jacobian(f, x, sparse=pattern, check=True).toarray(), J)
        v, w = np.random.default_rng(1).normal(size=x.shape), np.random.default_rng(2).normal(size=m)
        near(jvp(f, x, v)[1], J @ v.ravel())
        near(linearize(f, x)[1](v), J @ v.ravel())
        near(vjp(f, x)[1](w), w @ J)
    np.testing.assert_array_equal(x, kept)
    assert not tags.live
    # Near a kink, differences are wrong.  For an x that is not in C order, x + h * v may have another memory order.
    near_slope, far_slope = ((f(x + h * v) - f(x - h * v)) / (2 * h) for h in (1e-6, 2e-6))
    if x.flags.c_contiguous and J.dtype == np.float64 and np.allclose(near_slope, far_slope, rtol=1e-5, atol=1e-6):
        scale = 1 + np.max(np.abs(near_slope), initial=0.0)
        np.testing.assert_allclose(J @ v.ravel() / scale, near_slope / scale, rtol=0, atol=1e-4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs, points)
def test_all_ways_of_nesting_give_one_second_derivative(program, where):
    if (found := drawn(program[:4], where)) is None or found[1].size > 4:
        return
    f, x = found
    m = f(np.array(x, order="K")).size
    v, w = np.random.default_rng(1).normal(size=x.shape), np.random.default_rng(2).normal(size=m)

    def energy(x):
        return np.sum(w * f(x))

    expected = jvp(lambda x: jacobian(f, x, mode="forward"), x, v)[1].reshape((m, x.size))
    slope = lambda x: jvp(f, x, v)[1]
    near(jacobian(slope, x, mode="forward"), expected)
    near(jacobian(slope, x, mode="reverse"), expected)
    near(jacobian(slope, x, sparse=True).toarray(), expected)
    H = hessian(energy, x)
    near(np.tensordot(H, v, v.ndim), w @ expected)
    near(hessian(energy, x, mode="forward", chunk_size=1), H)
    near(hessian(energy, x, sparse=True).toarray().reshape(H.shape), H)
    near(hvp(energy, x, v), w @ expected)
    near(gradient(lambda x: np.sum(v * gradient(energy, x, mode="reverse")), x, mode="reverse"), w @ expected)
    assert not tags.live


@settings(max_examples=40, deadline=None, derandomize=True)
@given(programs, points)
def test_a_batch_of_points_is_a_loop_over_them(program, where):
    if (found := drawn(program[:4], where)) is None:
        return
    f, x = found
    xs = np.stack([x, x[::-1]])
    kinds = {f(np.array(x)).dtype for x in xs}
    if len({f(np.array(x)).shape for x in xs}) > 1 or len(kinds) > 1:
        return
    expected = np.stack([jacobian(f, x, mode="forward") for x in xs])
    for options in ({"mode": "forward"}, {"mode": "reverse"}, {"chunk_size": 1}):
        near(jacobian(lambda xs: np.stack([f(x) for x in xs]), xs, batch_dims=1, **options), expected)
    # In a container, next to a scalar, and with an auxiliary result.
    found, aux = jacobian(
        lambda p: (f(p["x"]) * p["k"], (p["k"], "aux")), {"x": x, "k": 2.0}, mode="forward", has_aux=True
    )
    near(found["x"], 2 * expected[0])
    assert aux == (2.0, "aux")
    assert dualdiff.value(found["k"]).shape == expected[0].shape[:1]
