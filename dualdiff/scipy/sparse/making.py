"""The constructors of sparse arrays and matrices, and the functions that make them of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import lost, no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.sparse.dual_matrices import STORED, DualSparse, canonical, is_sparse, structurally

_scipy = load("scipy.sparse", "scipy", "dualdiff.scipy.sparse")

_DOC = """``scipy.sparse.{name}``, whose elements may be duals.

    Parameters
    ----------
    arg1 : tuple, array_like or sparse matrix
        As in SciPy: ``(data, (i, j))``, ``(data, indices, indptr)``, ``(data, offsets)`` for diagonals, a dense array,
        or another sparse matrix.  The data may be duals; of a dense array of duals all elements are stored.
    shape, dtype, copy
        As in SciPy.

    Returns
    -------
    scipy.sparse.{name} or DualSparse
        SciPy's object for plain values.  For duals one with the methods of SciPy's.

    Raises
    ------
    dualdiff.NoRuleError
        For duals in the formats DOK and LIL.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.sparse import {name}
    >>> gradient(lambda d: np.sum({name}((d, {where}), shape=(2, 2)) @ [1.0, 3.0]), np.ones({shape}))
    array({result})
    """


class Kind(type):
    """The class of constructors: of plain values they make SciPy's objects."""

    scipys: Any

    def __call__(cls, arg1: Any, shape: Any = None, dtype: Any = None, copy: bool = False, **options: Any) -> Any:
        if not duals_in([arg1]):
            return cls.scipys(arg1, shape=shape, dtype=dtype, copy=copy, **options)
        result = _made(cls.scipys, arg1, shape, {**options, "copy": copy})
        if dtype is None or np.dtype(dtype) == result.dtype:
            return result
        if np.dtype(dtype).kind not in "fc":
            raise lost(f"the dtype {np.dtype(dtype)} in scipy.sparse.{cls.__name__}", "a floating dtype")
        return result.astype(dtype)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x._positions if type(x) is DualSparse else x, cls.scipys)

    def __subclasscheck__(cls, kind: Any) -> bool:
        return type.__subclasscheck__(cls, kind) or issubclass(kind, cls.scipys)


def _made(scipys: Any, arg1: Any, shape: Any, options: dict[str, Any]) -> Any:
    kind = scipys.__name__.partition("_")[0]
    if kind not in STORED:
        raise no_rule(f"scipy.sparse.{scipys.__name__} of duals", " (coo_array and csr_array have one)")
    coo = _scipy.coo_matrix if scipys.__name__.endswith("matrix") else _scipy.coo_array
    if is_sparse(arg1):
        return structurally(lambda a: scipys(a, shape=shape, **options), arg1)
    if not isinstance(arg1, tuple):
        array = operand(arg1)
        if np.ndim(array) != 2:
            raise no_rule(f"scipy.sparse.{scipys.__name__} of duals with {np.ndim(array)} axes")
        indices = tuple(np.ravel(i) for i in np.indices(array.shape))
        flat = np.ravel(array)
        result = DualSparse(coo((plain_values(flat), indices), shape=array.shape), flat)
        return result.asformat(kind)
    data, *places = arg1
    if duals_in(places):
        raise lost(f"a dual number as an index of scipy.sparse.{scipys.__name__}", "a plain value there")
    data = np.copy(operand(data)) if options.pop("copy") else operand(data)
    if kind != "dia" and len(places) == 1:
        plain = coo((plain_values(data), *places), shape=shape)
        return DualSparse(plain, data).asformat(kind) if kind != "coo" else DualSparse(plain, data)
    plain = scipys((plain_values(data), *places), shape=shape, **options)
    return DualSparse(plain, np.reshape(data, plain.data.shape))


#: The shape of the data in the example, and its result.
_SHOWN = {"dia": ("(1, 2)", "[[1., 3.]]"), "bsr": ("(2, 1, 1)", "[[[1.]],\n    <BLANKLINE>\n           [[3.]]]")}
_WHERE = {"coo": "([0, 1], [0, 1])", "dia": "[0]"}


def constructor(name: str) -> Any:
    """The constructor for one of SciPy's classes."""
    format = name.partition("_")[0]
    where = _WHERE.get(format, "[0, 1], [0, 1, 2]")
    shape, result = {
        "dia": ("(1, 2)", "[[1., 3.]]"),
        "bsr": ("(2, 1, 1)", "[[[1.]],\n    <BLANKLINE>\n           [[3.]]]"),
    }.get(format, ("2", "[1., 3.]"))
    doc = _DOC.format(name=name, where=where, shape=shape, result=result)
    if format not in STORED:
        doc = doc[: doc.index("    Examples")].rstrip() + "\n    "
    return Kind(name, (), {"scipys": getattr(_scipy, name), "__doc__": doc})


CONSTRUCTORS = {
    f"{format}_{kind}": constructor(f"{format}_{kind}")
    for format in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
}


# -- functions of matrices ---------------------------------------------------------------------------------------------
_ROWS = (list, tuple, np.ndarray, AnyDual)


def _flat(blocks: Any) -> list[Any]:
    return [e for block in blocks for e in (block if issubclass(type(block), _ROWS) else [block])]


def _moving(name: str, nested: int) -> Any:
    """One of SciPy's functions that only move elements of a matrix (``nested`` 0), a list or a list of lists."""
    scipys = getattr(_scipy, name)

    def function(first: Any, *args: Any, **kwargs: Any) -> Any:
        if not duals_in([first]):
            return scipys(first, *args, **kwargs)
        if nested == 0:
            first = first if is_sparse(first) else CONSTRUCTORS["coo_array"](first)
            return structurally(lambda a: scipys(a, *args, **kwargs), first)
        rows = [list(first)] if nested == 1 else [list(row) for row in first]
        blocks = [b for row in rows for b in row]
        present = [
            b if b is None or is_sparse(b) else CONSTRUCTORS["coo_array"](np.atleast_2d(operand(b))) for b in blocks
        ]

        def joined(*numbered: Any) -> Any:
            left = iter(numbered)
            made = [[None if b is None else next(left) for b in row] for row in rows]
            return scipys(made[0] if nested == 1 else made, *args, **kwargs)

        return structurally(joined, *(b for b in present if b is not None))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``scipy.sparse.{name}``; the matrices may have elements that are duals."
    return signed_as(scipys)(function)


MOVING = {
    **{name: _moving(name, 0) for name in ("tril", "triu")},
    **{name: _moving(name, 1) for name in ("hstack", "vstack", "block_diag")},
    **{name: _moving(name, 2) for name in ("bmat", "block_array")},
}


def _diagonals(name: str) -> Any:
    scipys = getattr(_scipy, name)

    def function(diagonals: Any, *args: Any, **kwargs: Any) -> Any:
        if not duals_in([diagonals]):
            return scipys(diagonals, *args, **kwargs)
        single = np.ndim(diagonals[0]) == 0
        parts = [operand(d) for d in ([diagonals] if single else diagonals)]
        parts = [np.reshape(d, (1,)) if np.ndim(d) == 0 else d for d in parts]
        numbers, count = [], 1
        for d in parts:
            size = plain_values(d).size
            numbers.append(np.arange(count, count + size, dtype=float))
            count += size
        plain = scipys(numbers[0] if single else numbers, *args, **kwargs)
        data = np.concatenate([np.zeros(1), *parts])
        stored = plain if plain.format in STORED else plain.tocsr()
        return DualSparse(stored, data[stored.data.astype(np.intp)])

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``scipy.sparse.{name}``; the diagonals may be duals."
    return signed_as(scipys)(function)


DIAGONALS = {name: _diagonals(name) for name in ("diags", "diags_array")}


@signed_as(_scipy.spdiags)
def spdiags(data: Any, diags: Any, m: Any = None, n: Any = None, format: Any = None) -> Any:
    """As ``scipy.sparse.spdiags``; the data may be duals."""
    if not duals_in([data]):
        return _scipy.spdiags(data, diags, m, n, format)
    if m is None and n is None:
        m = n = np.shape(data)[1] if np.ndim(data) > 1 else len(data)
    m, n = m if n is None else (m, n)
    return CONSTRUCTORS["dia_matrix"]((np.atleast_2d(operand(data)), diags), shape=(m, n)).asformat(format)


@signed_as(_scipy.kron)
def kron(A: Any, B: Any, format: Any = None) -> Any:
    """As ``scipy.sparse.kron``, the Kronecker product; elements may be duals."""
    if not duals_in([A, B]):
        return _scipy.kron(A, B, format)
    a, b = (canonical(m.tocoo() if is_sparse(m) else CONSTRUCTORS["coo_array"](operand(m))) for m in (A, B))
    value = _scipy.kron(getattr(a, "plain", a), getattr(b, "plain", b), format)
    # The numbers of the factors of each element; their positions are the same.
    left, right = (
        structurally(lambda x, y=y, first=first: _scipy.kron(x, y, "coo") if first else _scipy.kron(y, x, "coo"), x)
        for x, y, first in ((a, _ones(b), True), (b, _ones(a), False))
    )
    result = DualSparse(left._positions, left.data * right.data)
    return result.asformat(value.format if value.format in STORED else "csr")


def _ones(a: Any) -> Any:
    """Ones at the positions of a matrix in COO format."""
    return _scipy.coo_array((np.ones(np.shape(a.data)), (a.row, a.col)), shape=a.shape)


@signed_as(_scipy.kronsum)
def kronsum(A: Any, B: Any, format: Any = None) -> Any:
    """As ``scipy.sparse.kronsum``, the Kronecker sum of square matrices; elements may be duals."""
    if not duals_in([A, B]):
        return _scipy.kronsum(A, B, format)
    left, right = (_scipy.eye_array(np.shape(m)[0]) for m in (B, A))
    return (kron(left, A, format) + kron(B, right, format)).asformat(format)


@signed_as(_scipy.issparse)
def issparse(x: Any) -> bool:
    """Whether x is a sparse array or matrix, plain or of duals."""
    return is_sparse(x)


@signed_as(_scipy.isspmatrix)
def isspmatrix(x: Any) -> bool:
    """Whether x is a sparse matrix, for which ``*`` is the matrix product, plain or of duals."""
    return bool(_scipy.isspmatrix(x._positions if type(x) is DualSparse else x))


def _question(name: str) -> Any:
    scipys = getattr(_scipy, name)

    def function(x: Any) -> bool:
        return bool(scipys(x._positions if type(x) is DualSparse else x))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``scipy.sparse.{name}``, also of matrices of duals."
    return signed_as(scipys)(function)


QUESTIONS = {name: _question(name) for name in vars(_scipy) if name.startswith("isspmatrix_")}
