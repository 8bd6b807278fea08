"""Contractions: matmul, dot, einsum and related products, linear in each factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dualdiff.core.array import DualArray, is_view, operand
from dualdiff.core.registry import UFUNCS
from dualdiff.rules.writing.array_rules import axes_of, axis_of, implements, into, rearranged, shape_of
from dualdiff.rules.writing.multilinear import multilinear
from dualdiff.rules.writing.versions import CROSS_WITHOUT_AXIS
from dualdiff.tangents.structure import pulled_by

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _letters(shape: Sequence[Any], skip: int = 0) -> str:
    return _LETTERS[skip : skip + len(shape)]


# -- products over the last axes, or over others -----------------------------------------------------------------------
def _matmul_cores(na: int, nb: int) -> tuple[str, str, str]:
    if not na or not nb:
        raise ValueError("matmul: an operand is a scalar; use * instead")
    core_a, core_b = "k" if na == 1 else "ik", "k" if nb == 1 else "kj"
    return core_a, core_b, core_a[:-1] + core_b[1:]


@lru_cache(maxsize=256)
def _batched(na: int, nb: int, cores: tuple[str, str, str], axes: Any) -> tuple[tuple[str, str], str]:
    """The subscripts of factors with ``na`` and ``nb`` axes: letters of the core and of broadcast batch axes."""
    counts = na - len(cores[0]), nb - len(cores[1])
    batch = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(counts)]
    letters = batch[len(batch) - counts[0] :], batch[len(batch) - counts[1] :], batch
    if axes is None:
        subscripts = [lead + core for lead, core in zip(letters, cores, strict=True)]
    else:
        subscripts = list(map(_placed, letters, cores, axes))
    return (subscripts[0], subscripts[1]), subscripts[2]


def _placed(batch: str, core: str, axes: tuple[int, ...]) -> str:
    """The letters of the core at these axes, and those of the batch axes elsewhere."""
    ndim = len(batch) + len(core)
    core_letters = dict(zip(axes_of(axes, ndim), core, strict=True))
    rest = iter(batch)
    return "".join(core_letters[i] if i in core_letters else next(rest) for i in range(ndim))


def _gufunc(ufunc: Any, cores: Callable[[int, int], tuple[str, str, str]], conjugated: bool = False) -> None:
    """Register the rule of a generalized ufunc; ``conjugated``: it conjugates its first factor."""

    reduces = ufunc.signature.endswith("->()")

    def implementation(
        x1: Any, x2: Any, /, out: Any = None, axes: Any = None, axis: Any = None, keepdims: bool = False, **options: Any
    ) -> Any:
        a, b = operand(x1), operand(x2)
        counts = len(shape_of(a)), len(shape_of(b))
        core = cores(*counts)
        if not reduces and (axis is not None or keepdims):
            raise TypeError(
                f"numpy.{ufunc.__name__} takes neither axis= nor keepdims=, because its core has several axes"
            )
        if axis is not None:
            axes = [axis] * 3 if keepdims else [axis, axis, ()]
        if axes is not None:
            axes = [entry if isinstance(entry, tuple) else (entry,) for entry in axes]
            axes += [axes[0] if keepdims else ()] * (3 - len(axes))
        kept = (axes[2] if axes else (-1,)) if keepdims else ()
        if axes is not None:
            # An axis that is kept has no letter: it is inserted at the end.
            options["axes"] = axes = [*axes[:2], () if keepdims else axes[2]]
        inputs, output = _batched(*counts, core, None if axes is None else tuple(axes))
        if conjugated:
            a = np.conjugate(a)
        result = multilinear(
            lambda a, b: ufunc(np.conjugate(a) if conjugated else a, b, **options), (a, b), inputs, output
        )
        return into(out, np.expand_dims(result, kept) if keepdims else result)

    UFUNCS[ufunc, "__call__"] = implementation


_gufunc(np.matmul, _matmul_cores)
_gufunc(np.vecdot, lambda na, nb: ("k", "k", ""), conjugated=True)
if hasattr(np, "matvec"):
    _gufunc(np.matvec, lambda na, nb: ("ik", "k", "i"))
    _gufunc(np.vecmat, lambda na, nb: ("k", "kj", "j"), conjugated=True)


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if not shape_of(a) or not shape_of(b):
        # Not np.multiply, in which a Python scalar does not get the dtype that it gets in dot.
        la, lb = _letters(shape_of(a)), _letters(shape_of(b))
        return into(out, multilinear(np.dot, (a, b), (la, lb), la + lb))
    if b.ndim == 1:
        letters = _letters(a.shape)
        return into(out, multilinear(np.dot, (a, b), (letters, letters[-1]), letters[:-1]))
    la, lb = _letters(a.shape), _letters(b.shape, a.ndim)
    lb = lb[:-2] + la[-1] + lb[-1]
    return into(out, multilinear(np.dot, (a, b), (la, lb), la[:-1] + lb[:-2] + lb[-1]))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    a, b = operand(a), operand(b)
    if not shape_of(a) or not shape_of(b):
        la, lb = _letters(shape_of(a)), _letters(shape_of(b))
        return multilinear(np.inner, (a, b), (la, lb), la + lb)
    la = _letters(a.shape)
    lb = _letters(b.shape[:-1], a.ndim) + la[-1]
    return multilinear(np.inner, (a, b), (la, lb), la[:-1] + lb[:-1])


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    a, b = np.ravel(operand(a)), np.ravel(operand(b))
    return into(out, np.multiply(a[:, None], b[None, :]))


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    if any(len(shape_of(operand(x))) != 1 for x in (x1, x2)):
        raise ValueError(
            f"linalg.outer takes vectors, but was given shapes {shape_of(operand(x1))} and {shape_of(operand(x2))}"
        )
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    a, b = np.ravel(operand(a)), np.ravel(operand(b))
    return multilinear(lambda x, y: np.vdot(np.conjugate(x), y), (np.conjugate(a), b), ("a", "a"), "")


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return UFUNCS[np.vecdot, "__call__"](x1, x2, axis=axis)


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = operand(a), operand(b)
    na, nb = len(shape_of(a)), len(shape_of(b))
    if np.ndim(axes) == 0:
        of_a, of_b = list(range(na - int(axes), na)), list(range(int(axes)))
    else:
        of_a, of_b = ([axis_of(i, n) for i in np.atleast_1d(ax)] for ax, n in zip(axes, (na, nb), strict=True))
    la, lb = _letters(shape_of(a)), list(_letters(shape_of(b), na))
    for i, j in zip(of_a, of_b, strict=True):
        lb[j] = la[i]
    output = "".join(c for i, c in enumerate(la) if i not in of_a) + "".join(
        c for j, c in enumerate(lb) if j not in of_b
    )
    return multilinear(lambda x, y: np.tensordot(x, y, axes), (a, b), (la, "".join(lb)), output)


implements(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes))


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(np.diagonal(operand(a), offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **options: Any) -> Any:
    subscripts, arrays = _parsed(operands)
    arrays = [operand(a) for a in arrays]
    inputs, output = _expanded(subscripts, arrays)

    def function(*values: Any) -> Any:
        return np.einsum(subscripts, *values, optimize=optimize, **options)

    if len(arrays) == 1 and out is None and isinstance(arrays[0], DualArray) and set(inputs[0]) <= set(output):
        # Nothing is summed.
        (x,) = arrays
        value = function(x.value)
        if is_view(value, x.value):
            letters = {"letters": _numbered(inputs[0]), "output": _numbered(output)}
            roles = {"letters": "permutation", "output": "permutation"}
            return rearranged(_einsum, [x], letters, roles, value=lambda _: value)
    return into(out, multilinear(function, arrays, inputs, output))


def _numbered(letters: str) -> tuple[int, ...]:
    return tuple(map(_LETTERS.index, letters))


def _einsum(a: Any, letters: tuple[int, ...], output: tuple[int, ...]) -> Any:
    return np.einsum(a, letters, output)


def _parsed(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The subscripts as a string, and the arrays, from either form of einsum."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), list(operands[1:])
    arrays, lists = list(operands[:-1:2]), list(operands[1::2])
    output = operands[-1] if len(operands) % 2 else None
    if output is not None:
        arrays = list(operands[:-1:2])

    def text(subscripts: Any) -> str:
        return "".join("..." if n is Ellipsis else _LETTERS[n] for n in subscripts)

    joined = ",".join(map(text, lists))
    return (joined if output is None else joined + "->" + text(output)), arrays


def _expanded(subscripts: str, arrays: list[Any]) -> tuple[list[str], str]:
    """The subscripts with letters for every ellipsis, and the output, inferred as NumPy does if it is not given."""
    left, arrow, output = subscripts.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(arrays):
        raise ValueError(f"einsum: {len(inputs)} subscripts {subscripts!r} for {len(arrays)} arrays")
    counts = [
        len(shape_of(a)) - len(s.replace("...", "")) if "..." in s else 0 for s, a in zip(inputs, arrays, strict=True)
    ]
    spare = [c for c in _LETTERS if c not in subscripts]
    batch = "".join(spare[: max(counts, default=0)])
    expanded = [s.replace("...", batch[len(batch) - n :]) for s, n in zip(inputs, counts, strict=True)]
    if arrow:
        return expanded, output.replace("...", batch)
    plain = left.replace(",", "").replace("...", "")
    return expanded, batch + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    a = np.reshape(a, (1,) * (ndim - len(shape_of(a))) + shape_of(a))
    b = np.reshape(b, (1,) * (ndim - len(shape_of(b))) + shape_of(b))
    pairs = np.expand_dims(a, tuple(range(1, 2 * ndim, 2))) * np.expand_dims(b, tuple(range(0, 2 * ndim, 2)))
    return np.reshape(pairs, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


@pulled_by(_einsum)
def _pull_einsum(w: Any, shapes: Any, wanted: Any, letters: tuple[int, ...], output: tuple[int, ...]) -> list[Any]:
    if len(letters) == len(output):
        return [np.einsum(w, output, letters)]
    total: Any = np.zeros(shapes[0], w.dtype)
    if not issubclass(type(w), np.ndarray):
        total = w.lift(total)
    _einsum(total, letters, output)[...] = w
    return [total]


# -- powers and products -----------------------------------------------------------------------------------------------
@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    arrays = [operand(a) for a in arrays]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    inputs = [letters[i : i + 2] for i in range(len(arrays))]
    first, last = inputs[0][0], inputs[-1][1]
    if arrays[0].ndim == 1:
        inputs[0], first = inputs[0][1:], ""
    if arrays[-1].ndim == 1:
        inputs[-1], last = inputs[-1][:1], ""
    return into(out, multilinear(lambda *values: np.linalg.multi_dot(values), arrays, inputs, first + last))


#: The Levi-Civita symbol.
_PERMUTATION = np.zeros((3, 3, 3))
_PERMUTATION[[0, 1, 2], [1, 2, 0], [2, 0, 1]] = 1.0
_PERMUTATION[[0, 2, 1], [2, 1, 0], [1, 0, 2]] = -1.0


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(operand(a), axisa, -1), np.moveaxis(operand(b), axisb, -1)
    signs = _PERMUTATION[: a.shape[-1], : b.shape[-1]]
    flat = signs.shape[:2] == (2, 2)
    batch = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(a.ndim, b.ndim) - 1]
    inputs = [batch[len(batch) - (a.ndim - 1) :] + "i", batch[len(batch) - (b.ndim - 1) :] + "j"]
    product = multilinear(
        lambda x, y, e: np.cross(x, y),
        (a, b, signs[..., 2] if flat else signs),
        (*inputs, "ij" if flat else "ijk"),
        batch + ("" if flat else "k"),
    )
    return product if flat else np.moveaxis(product, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = operand(x1), operand(x2)
    if not CROSS_WITHOUT_AXIS and (x1.shape[axis] != 3 or x2.shape[axis] != 3):
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x1.shape[axis]} and "
            f"{x2.shape[axis]} dimensional instead."
        )
    return np.cross(x1, x2, axis=axis)
