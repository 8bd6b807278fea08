"""NumPy's array functions: those that move elements, reduce, contract, create and fill arrays.

Each function that has a rule is tested here with its keywords: its derivative against finite differences in every
space, its value against NumPy's bit for bit.
"""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import jvp
from dualdiff.base import late
from tests.support.against import check, check_complex, check_float32

# All rules; many are imported when they are first needed.
late.load_rules()

X = np.array([[0.3, -1.2, 2.1], [1.7, 0.9, -0.4]])
VECTOR = np.array([0.7, -1.1, 1.9, 0.4])
SQUARE = np.array([[1.1, -0.3, 0.5], [0.2, 1.7, -0.8], [0.6, 0.1, -1.3]])
CUBE = np.random.default_rng(5).normal(size=(2, 3, 2))
MASK = np.array([[True, False, True], [False, True, True]])

#: For each function, the points and the arguments of its test cases.
CASES: dict[object, list[tuple[np.ndarray, object]]] = {}


def case(function, x, *uses):
    """Uses of a function at a point."""
    CASES.setdefault(function, []).extend((x, use) for use in uses)


# -- views and rearrangements ------------------------------------------------------------------------------------------
case(
    np.reshape,
    X,
    lambda x: np.reshape(x, 6) ** 2,
    lambda x: np.reshape(x, (3, -1)),
    lambda x: np.reshape(x, (-1, 1, 3), order="F"),
    lambda x: np.reshape(x.T, (3, 2), order="A"),
    lambda x: np.reshape(x.T, -1, order="C") * x[0, 0],
    lambda x: x.reshape(3, 2),
    lambda x: x.reshape((3, 2), order="F"),
    lambda x: x.reshape(-1),
)
case(
    np.ravel,
    X,
    lambda x: np.ravel(x) ** 2,
    lambda x: np.ravel(x, "F"),
    lambda x: np.ravel(x.T, order="A"),
    lambda x: np.ravel(x.T, order="K"),
    lambda x: x.ravel("F"),
    lambda x: x.flatten("F") * x.flatten(),
)
case(np.ravel, CUBE, lambda x: np.ravel(np.transpose(x, (1, 0, 2)), "K"), lambda x: np.ravel(x[::-1, :, ::-1], "K"))
case(
    np.transpose,
    CUBE,
    lambda x: np.transpose(x) ** 2,
    lambda x: np.transpose(x, (1, -1, 0)),
    lambda x: np.transpose(x, axes=[2, 0, 1]),
    lambda x: x.transpose(0, 2, 1),
    lambda x: x.transpose((0, 2, 1)),
    lambda x: x.T,
)
if hasattr(np, "permute_dims"):
    case(np.permute_dims, CUBE, lambda x: np.permute_dims(x, (2, 0, 1)))
case(np.swapaxes, CUBE, lambda x: np.swapaxes(x, 0, -1) ** 2, lambda x: x.swapaxes(1, 2))
case(np.matrix_transpose, CUBE, lambda x: np.matrix_transpose(x) ** 2, lambda x: x.mT)
case(np.linalg.matrix_transpose, CUBE, lambda x: np.linalg.matrix_transpose(x) ** 2)
case(np.moveaxis, CUBE, lambda x: np.moveaxis(x, 0, -1) ** 2, lambda x: np.moveaxis(x, [0, 1], [-1, 0]))
case(
    np.rollaxis, CUBE, lambda x: np.rollaxis(x, 2) ** 2, lambda x: np.rollaxis(x, 0, 3), lambda x: np.rollaxis(x, -1, 1)
)
case(np.expand_dims, X, lambda x: np.expand_dims(x, 0) ** 2, lambda x: np.expand_dims(x, axis=(0, -1)))
case(np.squeeze, X, lambda x: np.squeeze(x[:, None]) ** 2, lambda x: np.squeeze(x[None, :, :1], axis=(0, -1)))
case(np.squeeze, X, lambda x: x[:1, :1].squeeze(), lambda x: x[:1].squeeze(0))
case(
    np.broadcast_to,
    VECTOR,
    lambda x: np.broadcast_to(x, (3, 4)) ** 2,
    lambda x: np.broadcast_to(x[0], (2, 2)),
    lambda x: np.broadcast_to(x[:1], 3),
)
case(
    np.broadcast_arrays,
    VECTOR,
    lambda x: np.broadcast_arrays(x, x[:, None])[1] * x,
    lambda x: np.broadcast_arrays(x[0], np.ones((2, 2)), x[1])[2],
)
case(np.atleast_1d, VECTOR, lambda x: np.atleast_1d(x[1]) ** 2, lambda x: np.atleast_1d(x, x[0], 2.0)[1])
case(np.atleast_2d, VECTOR, lambda x: np.atleast_2d(x) ** 2, lambda x: np.atleast_2d(x[0], x)[1])
case(np.atleast_3d, X, lambda x: np.atleast_3d(x) ** 2, lambda x: np.atleast_3d(x[0]), lambda x: np.atleast_3d(x[0, 0]))
case(
    np.diagonal,
    CUBE,
    lambda x: np.diagonal(x) ** 2,
    lambda x: np.diagonal(x, offset=1, axis1=1, axis2=2),
    lambda x: np.diagonal(x, -1, 0, -1),
    lambda x: x.diagonal(0, 1, 2),
)
case(np.linalg.diagonal, CUBE, lambda x: np.linalg.diagonal(x, offset=-1) ** 2)
case(np.diag, SQUARE, lambda x: np.diag(x) ** 2, lambda x: np.diag(x, 1), lambda x: np.diag(x[0], k=-1))
case(np.diagflat, X, lambda x: np.diagflat(x) ** 2, lambda x: np.diagflat(x[0], 1))
case(np.flip, CUBE, lambda x: np.flip(x) ** 2, lambda x: np.flip(x, -1), lambda x: np.flip(x, axis=(0, 2)))
case(np.fliplr, CUBE, lambda x: np.fliplr(x) ** 2)
case(np.flipud, CUBE, lambda x: np.flipud(x) ** 2)
case(
    np.array_split, VECTOR, lambda x: np.array_split(x, 3)[0] ** 2, lambda x: np.array_split(x[None], [1, 3], axis=1)[1]
)
case(
    np.split,
    CUBE,
    lambda x: np.split(x, 3, axis=1)[2] ** 2,
    lambda x: np.split(x, [1], -1)[1],
    lambda x: np.split(x, 2)[0],
)
case(np.hsplit, CUBE, lambda x: np.hsplit(x, 3)[0] ** 2, lambda x: np.hsplit(x[0, :, 0], [2])[0])
case(np.vsplit, CUBE, lambda x: np.vsplit(x, 2)[0] ** 2)
case(np.dsplit, CUBE, lambda x: np.dsplit(x, 2)[1] ** 2)
if hasattr(np, "unstack"):
    case(np.unstack, CUBE, lambda x: np.unstack(x)[1] ** 2, lambda x: np.unstack(x, axis=-1)[0])
case(np.copy, X, lambda x: np.copy(x) ** 2, lambda x: np.copy(x, order="F"), lambda x: x.copy(), lambda x: x.copy("F"))
case(np.astype, X, lambda x: np.astype(x, np.float64) ** 2, lambda x: x.astype(float, copy=False) * x)
case(
    np.repeat,
    X,
    lambda x: np.repeat(x, 2) ** 2,
    lambda x: np.repeat(x, [1, 3], axis=0),
    lambda x: np.repeat(x, 2, -1),
    lambda x: x.repeat(2, axis=1),
)
case(np.resize, X, lambda x: np.resize(x, (2, 5)) ** 2, lambda x: np.resize(x, 4))
case(np.rot90, X, lambda x: np.rot90(x) ** 2, lambda x: np.rot90(x, 3), lambda x: np.rot90(x[None], 1, (1, 2)))
case(np.tile, X, lambda x: np.tile(x, 2) ** 2, lambda x: np.tile(x, (2, 1, 2)))
case(np.tril, SQUARE, lambda x: np.tril(x) ** 2, lambda x: np.tril(x, k=1))
case(np.triu, SQUARE, lambda x: np.triu(x) ** 2, lambda x: np.triu(x, -1), lambda x: np.triu(x[None]))
case(
    np.delete, X, lambda x: np.delete(x, 1) ** 2, lambda x: np.delete(x, [0, 2], axis=1), lambda x: np.delete(x, -1, 0)
)
case(
    np.roll,
    X,
    lambda x: np.roll(x, 2) ** 2,
    lambda x: np.roll(x, -1, axis=-1),
    lambda x: np.roll(x, (1, 2), axis=(0, 1)),
)
case(
    np.take,
    X,
    lambda x: np.take(x, [0, 5, 5]) ** 2,
    lambda x: np.take(x, 2, axis=1),
    lambda x: np.take(x, [[0, -1], [1, 1]], axis=-1),
    lambda x: np.take(x, [7, -9], mode="wrap"),
    lambda x: np.take(x, [7, -1], axis=0, mode="clip"),
    lambda x: x.take([1, 0], axis=0),
)
case(
    np.take_along_axis,
    X,
    lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1) ** 2,
    lambda x: np.take_along_axis(x, np.array([[0, 1, 0]]), axis=0),
    lambda x: np.take_along_axis(x, np.array([5, 0]), axis=None),
)
case(
    np.compress,
    X,
    lambda x: np.compress([True, False, True], x, axis=1) ** 2,
    lambda x: np.compress([0, 1, 1], x),
    lambda x: x.compress([False, True], axis=0),
)
case(np.extract, X, lambda x: np.extract(x > 0, x) ** 2, lambda x: np.extract(MASK, x))
case(
    np.pad,
    X,
    lambda x: np.pad(x, 1) ** 2,
    lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=7.0),
    lambda x: np.pad(x, ((1, 2), (2, 1)), mode="edge"),
    lambda x: np.pad(x, 1, "reflect"),
    lambda x: np.pad(x, (1, 2), "symmetric"),
    lambda x: np.pad(x, 2, mode="wrap"),
    lambda x: np.pad(x, 1, "reflect", reflect_type="even"),
)
case(
    np.sort,
    X,
    lambda x: np.sort(x) ** 2,
    lambda x: np.sort(x, axis=0),
    lambda x: np.sort(x, axis=None, kind="stable"),
    lambda x: np.sort(x, stable=True),
)

# -- joins -------------------------------------------------------------------------------------------------------------
case(
    np.concatenate,
    X,
    lambda x: np.concatenate([x, x**2]),
    lambda x: np.concatenate((x, np.ones((2, 1)), x[:, :1]), axis=-1),
    lambda x: np.concatenate([x, [1.0, 2.0], x[0]], axis=None),
    lambda x: np.concatenate([[x[0, 0], 1.0], x[1]]),
    lambda x: np.concatenate([x, x], dtype=np.float64, casting="safe"),
)
if hasattr(np, "concat"):
    case(np.concat, X, lambda x: np.concat([x, x**2]))
case(
    np.stack,
    X,
    lambda x: np.stack([x, x**2]),
    lambda x: np.stack([x[0], [1.0, 2.0, 3.0], x[1]], axis=-1),
    lambda x: np.stack([x[0, 0] * x[0, 1], 2.0]),
)
case(np.vstack, X, lambda x: np.vstack([x, x[0] ** 2]), lambda x: np.vstack((x[0, 0], 1.0)))
case(np.hstack, X, lambda x: np.hstack([x, x**2]), lambda x: np.hstack([x[0, 0], x[1], 3]))
case(np.dstack, X, lambda x: np.dstack([x, x**2]), lambda x: np.dstack([x[0], x[1]]))
case(np.column_stack, X, lambda x: np.column_stack([x, x[:, 0] ** 2]), lambda x: np.column_stack((x[0], np.ones(3))))
case(
    np.block,
    X,
    lambda x: np.block([[x, x**2], [np.ones((1, 4)), x[:1, :2]]]),
    lambda x: np.block([x[0], x[1, 0], 2.0]),
    lambda x: np.block(x),
)
case(np.append, X, lambda x: np.append(x, x**2), lambda x: np.append(x, [[1.0, 2.0, 3.0]], axis=0))

# -- choices -----------------------------------------------------------------------------------------------------------
case(
    np.where,
    X,
    lambda x: np.where(x > 0, x**2, -x),
    lambda x: np.where(MASK, x, 1.0),
    lambda x: np.where([True, False, True], x[0, 0], x),
    lambda x: np.where(x[0, 0] > 0, x, 0.0),
)
case(
    np.select,
    X,
    lambda x: np.select([x > 1, x > 0], [x**2, x**3], default=x[0, 0]),
    lambda x: np.select([x[0] > 0], [x]),
    lambda x: np.select([x > 1, x > 0], [x, 2.0], 7),
)
case(
    np.choose,
    X,
    lambda x: np.choose([[0, 1, 0], [1, 1, 0]], [x, x**2]),
    lambda x: np.choose([0, 2, 1], x[0], mode="wrap"),
    lambda x: np.choose([[3, -1, 1]], (x, x * x), mode="clip"),
)
case(
    np.piecewise,
    X,
    lambda x: np.piecewise(x, [x < 0, x > 1], [lambda t: -(t**2), lambda t: t**3, 1.0]),
    lambda x: np.piecewise(x[0], x[0] > 0, [np.sin, np.cos]),
    lambda x: np.piecewise(x[0], [x[0] > 0], [lambda t, a, b: a * t + b], 3.0, b=2.0),
)
case(np.real, X, lambda x: np.real(x) ** 2, lambda x: np.real(np.exp(1j * x)), lambda x: (x * 1j).real)
case(np.imag, X, lambda x: np.imag(x) ** 2 + x, lambda x: np.imag(np.exp(1j * x)), lambda x: (x * 1j).imag)
case(np.angle, X, lambda x: np.angle(np.exp(1j * x) * 2), lambda x: np.angle(1.0 + 1j * x, deg=True))
case(np.real_if_close, X, lambda x: np.real_if_close(x + 0j) ** 2, lambda x: np.real_if_close(x * 1j, 10).imag)

# -- reductions --------------------------------------------------------------------------------------------------------
REDUCED = (
    lambda op: lambda x: op(x),
    lambda op: lambda x: op(x, axis=0),
    lambda op: lambda x: op(x, axis=-1, keepdims=True),
    lambda op: lambda x: op(x, (0, 2)),
    lambda op: lambda x: op(x, axis=(0, 1, 2), keepdims=True),
    lambda op: lambda x: op(x.T[::-1], axis=1),
    lambda op: lambda x: op(x[0, 0, 0]),
)
SOME = np.random.default_rng(6).random((2, 3, 2)) < 0.7
SOME[0] = True
for name in ("sum", "prod", "mean", "var", "std", "max", "min", "amax", "amin", "ptp"):
    op = getattr(np, name)
    case(op, CUBE, *(use(op) for use in REDUCED))
    if name not in ("amax", "amin", "ptp"):
        case(op, CUBE, lambda x, name=name: getattr(x, name)(axis=1), lambda x, name=name: getattr(x, name)())
for op in (np.sum, np.prod):
    case(
        op,
        CUBE,
        lambda x, op=op: op(x, axis=1, initial=1.5),
        lambda x, op=op: op(x, where=SOME),
        lambda x, op=op: op(x, axis=(0, 1), where=SOME, initial=0.5, keepdims=True),
        lambda x, op=op: op(x, axis=0, dtype=np.float64),
        lambda x, op=op: op(x, axis=0, initial=x[0, 0, 0]),
        lambda x, op=op: op(x, axis=()),
    )
for op in (np.max, np.min):
    case(
        op,
        CUBE,
        lambda x, op=op: op(x, axis=1, initial=0.1),
        lambda x, op=op: op(x, axis=(0, 2), where=SOME, initial=-0.1, keepdims=True),
        lambda x, op=op: op(x, axis=0, initial=x[0, 0, 0] ** 2),
    )
for op in (np.mean, np.var, np.std, np.nanvar, np.nanstd):
    case(op, CUBE, lambda x, op=op: op(x, axis=0, where=SOME), lambda x, op=op: op(x, dtype=np.float64))
for op in (np.var, np.std, np.nanvar, np.nanstd):
    case(
        op,
        CUBE,
        lambda x, op=op: op(x, axis=1, ddof=1),
        lambda x, op=op: op(x, axis=1, ddof=0.5, keepdims=True, where=SOME),
        lambda x, op=op: op(x, axis=1, correction=1),
        lambda x, op=op: op(x, axis=1, mean=np.full((2, 1, 2), 0.25)),
    )
CUMULATED = (
    lambda op: lambda x: op(x),
    lambda op: lambda x: op(x, axis=0),
    lambda op: lambda x: op(x, -1),
    lambda op: lambda x: op(x, axis=1, dtype=np.float64),
    lambda op: lambda x: op(x[0, 0, 0]),
)
for op in (np.cumsum, np.cumprod):
    case(op, CUBE, *(use(op) for use in CUMULATED))
    case(op, CUBE, lambda x, op=op: getattr(x, op.__name__)(axis=1))
case(
    np.diff,
    X,
    lambda x: np.diff(x) ** 2,
    lambda x: np.diff(x, n=2),
    lambda x: np.diff(x, axis=0),
    lambda x: np.diff(x, prepend=x[:, :1] ** 2, append=1.0),
    lambda x: np.diff(x, axis=0, prepend=0.0),
    lambda x: np.diff(x, n=0),
)

# -- products ----------------------------------------------------------------------------------------------------------
A = np.random.default_rng(7).normal(size=(3, 2))
case(
    np.dot,
    X,
    lambda x: np.dot(x, x.T),
    lambda x: np.dot(x, A),
    lambda x: np.dot(A, x),
    lambda x: np.dot(x[0], x[1]),
    lambda x: np.dot(x, x[0]),
    lambda x: np.dot(2.0, x) * np.dot(x[0, 0], x),
    lambda x: np.dot(x[0, 0], x[1, 0]),
    lambda x: x.dot(A),
)
case(
    np.dot,
    CUBE,
    lambda x: np.dot(x, x[0].T),
    lambda x: np.dot(x, np.swapaxes(x, 1, 2)),
    lambda x: np.dot(x[0, 0], x[1].T),
)
case(
    np.inner,
    X,
    lambda x: np.inner(x, x),
    lambda x: np.inner(x[0], x),
    lambda x: np.inner(x, 2.0),
    lambda x: np.inner(x, X[0]),
)
case(np.outer, X, lambda x: np.outer(x, x[0]), lambda x: np.outer([1.0, 2.0], x), lambda x: np.outer(x[0, 0], x))
case(np.linalg.outer, X, lambda x: np.linalg.outer(x[0], x[1]))
case(np.vdot, X, lambda x: np.vdot(x, x), lambda x: np.vdot(x, X), lambda x: np.vdot(x[0, 0], x[1, 1]))
case(np.linalg.matmul, X, lambda x: np.linalg.matmul(x, x.T))
case(
    np.tensordot,
    CUBE,
    lambda x: np.tensordot(x, x, 1 if False else ([0, 2], [0, 2])),
    lambda x: np.tensordot(x, A, axes=([1], [0])),
    lambda x: np.tensordot(A, x, (0, 1)),
    lambda x: np.tensordot(x, x, axes=3),
    lambda x: np.tensordot(x[0], x[1], 0),
)
case(np.linalg.tensordot, CUBE, lambda x: np.linalg.tensordot(x, A, axes=((1,), (0,))))
case(np.linalg.vecdot, X, lambda x: np.linalg.vecdot(x, x), lambda x: np.linalg.vecdot(x, X, axis=0))
case(
    np.kron, X, lambda x: np.kron(x, x), lambda x: np.kron(A, x), lambda x: np.kron(x[0], A), lambda x: np.kron(x, 2.0)
)
case(np.trace, SQUARE, lambda x: np.trace(x @ x), lambda x: np.trace(x, offset=1), lambda x: x.trace())
case(np.trace, CUBE, lambda x: np.trace(x, axis1=1, axis2=2) ** 2, lambda x: np.trace(x, -1, 0, -1))
case(np.linalg.trace, CUBE, lambda x: np.linalg.trace(x, offset=-1) ** 2)
case(
    np.einsum,
    X,
    lambda x: np.einsum("ij,kj->ik", x, x),
    lambda x: np.einsum("ij->", x) ** 2,
    lambda x: np.einsum("ij->ji", x),
    lambda x: np.einsum("ij,jk", x, A),
    lambda x: np.einsum("i...,i...->...", x, x),
    lambda x: np.einsum("ij,ij,ij->j", x, x, X),
    lambda x: np.einsum(x, [0, 1], A, [1, 2], [0, 2]),
    lambda x: np.einsum(x, [0, 1], x, [0, 1]),
    lambda x: np.einsum("ij,jk,kl->il", x, A, x, optimize=True),
    lambda x: np.einsum("ij , ij", x, x),
    lambda x: np.einsum("i,->i", x[0], x[1, 1]),
)
case(
    np.einsum,
    SQUARE,
    lambda x: np.einsum("ii", x) * np.einsum("ii->i", x),
    lambda x: np.einsum("ii,ij->j", x, x),
    lambda x: np.einsum("ij,ji->", x, x),
    lambda x: np.einsum("...ii->...i", x),
    lambda x: np.einsum("i,j,ij", x[0], x[1], x),
)

# -- arrays made and filled --------------------------------------------------------------------------------------------


def written(write):
    """A function that writes into an array made from x, and returns it."""

    def f(x):
        y = x * x
        write(y, x)
        return y

    return f


def filled(make):
    """A function that fills an array made like x."""

    def f(x):
        y = make(x)
        y[...] = x[0]
        y[0] *= x[1, 1]
        return y

    return f


for name in ("zeros_like", "ones_like", "empty_like"):
    op = getattr(np, name)
    case(op, X, filled(op), filled(lambda x, op=op: op(x, shape=(4, 3))), filled(lambda x, op=op: op(x, order="F")))
case(np.ones_like, X, lambda x: np.ones_like(x) + x, lambda x: np.ones_like(x[0, 0]) + x)
case(
    np.full_like,
    X,
    lambda x: np.full_like(x, x[0, 0]),
    lambda x: np.full_like(x, 2.0) * x,
    lambda x: np.full_like(x, x[1] ** 2, shape=(4, 3)),
    filled(lambda x: np.full_like(x, 1.5)),
)
case(
    np.copyto,
    X,
    written(lambda y, x: np.copyto(y, x)),
    written(lambda y, x: np.copyto(y, x[0], where=MASK)),
    written(lambda y, x: np.copyto(y, 3.0, where=x > 0)),
    written(lambda y, x: np.copyto(y, y[::-1])),
)
case(
    np.put,
    X,
    written(lambda y, x: np.put(y, [0, 4], x[0, :2])),
    written(lambda y, x: np.put(y, [[0, -1]], 2.0)),
    written(lambda y, x: np.put(y, [9, 1, 2], x[1, :1], mode="clip")),
    written(lambda y, x: np.put(y, [9, -8, 2], [x[0, 0], 1.0], mode="wrap")),
    written(lambda y, x: y.put([1], x[1, 1])),
)
case(
    np.place, X, written(lambda y, x: np.place(y, x > 0, x[0])), written(lambda y, x: np.place(y, MASK, [x[0, 0], 1.0]))
)
case(
    np.putmask,
    X,
    written(lambda y, x: np.putmask(y, x > 0, x)),
    written(lambda y, x: np.putmask(y, MASK, [x[0, 0], 1.0])),
    written(lambda y, x: np.putmask(y, mask=MASK, values=x[1])),
)
case(
    np.fill_diagonal,
    SQUARE,
    written(lambda y, x: np.fill_diagonal(y, x[0, 1])),
    written(lambda y, x: np.fill_diagonal(y, x[2])),
    written(lambda y, x: np.fill_diagonal(y[:, :2], 4.0)),
)


case(
    np.fill_diagonal, X.reshape(6, 1)[:, [0, 0]] * [1, 2], written(lambda y, x: np.fill_diagonal(y, x[0, 0], wrap=True))
)
case(
    np.put_along_axis,
    X,
    written(lambda y, x: np.put_along_axis(y, np.argmax(x, axis=1, keepdims=True), x[:, :1], axis=1)),
    written(lambda y, x: np.put_along_axis(y, np.array([[0, 1, 0]]), 5.0, axis=0)),
    written(lambda y, x: np.put_along_axis(y, np.array([5, 0]), x[0, :2], axis=None)),
)

# -- steps -------------------------------------------------------------------------------------------------------------
for op in (np.round, np.around, np.fix):
    case(op, X, lambda x, op=op: op(x * 7) + x)
case(np.round, X, lambda x: np.round(x, 1) + x, lambda x: np.round(x, decimals=-1) * x, lambda x: x.round(1) * x)

ALL = [
    pytest.param(x, use, id=f"{function.__module__.removeprefix('numpy.')}.{function.__name__}-{i}")
    for function, uses in CASES.items()
    for i, (x, use) in enumerate(uses)
]


@pytest.mark.parametrize(("x", "f"), ALL)
def test_value_and_derivatives(x, f):
    check(f, x)


@pytest.mark.parametrize(("x", "f"), ALL)
def test_float32_stays_float32(x, f):
    check_float32(f, x)


#: Functions that sort complex values, for which finite differences fail.
ORDERED = {
    np.sort,
    np.max,
    np.min,
    np.amax,
    np.amin,
    np.ptp,
    np.round,
    np.around,
    np.fix,
    np.real_if_close,
    np.piecewise,
}


@pytest.mark.parametrize(
    ("x", "f"), [p for p in ALL if not any(p.values[1] in [u for _, u in CASES[o]] for o in ORDERED)]
)
def test_complex_along_a_direction(x, f):
    try:
        f(x + 1j)
    except (TypeError, np.exceptions.ComplexWarning) as error:
        with pytest.raises(type(error)):
            jvp(f, x + 1j, x + 0j)
        return
    check_complex(f, x)
