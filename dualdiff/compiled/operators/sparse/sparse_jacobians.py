"""Sparse Jacobians of compiled functions: compressed by a pattern, which is given or found in compiled code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import typeof

from dualdiff.adapting.adapt import adapt
from dualdiff.base.errors import LostDerivativeError, NoRuleError
from dualdiff.compiled.operators.drivers import evaluated
from dualdiff.compiled.operators.sparse.index_sets import compiled_pattern, first_fit
from dualdiff.compiled.operators.widths import balanced
from dualdiff.compiled.patches import is_of_compiler
from dualdiff.compiled.refusals import REMEDY
from dualdiff.core.containers import flatten
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.drivers.sparse.coloured_pattern import Compression, Repeated, rounding
from dualdiff.drivers.sparse.compression import check_pattern, column_blocks, prepared, rows_of, wrong_shape
from dualdiff.tangents.pattern import Pattern
from dualdiff.tangents.spaces.sparse import Rows


def sparsely(call: Any, sparse: Any, check: bool, chunk_size: int | None) -> tuple[Any, Any]:
    """Value, and Jacobian as a ``csr_array``, computed along one direction for each colour of the pattern."""
    operator = call.operator
    given = prepared(operator, sparse, False)
    compression = given if isinstance(given, Compression) else None
    if check and compression is None:
        raise ValueError(f"{operator}: check=True compares a pattern with f, but sparse={sparse} is not a pattern")
    if compression is None:
        compression = _coloured(pattern_of_call(call), given)
    size = sum(map(math.prod, call.shapes))
    if compression.shape[1] != size:
        raise wrong_shape(operator, compression, f"x has {size} elements")
    x = np.atleast_1d(call.x)
    if x is not call.x:
        raise NoRuleError(f"{operator}: sparse with a scalar x is not compiled; {REMEDY}")
    value, is_doubtful, data = _entries(call, compression, chunk_size)
    results = sum(map(np.size, flatten(value)[0]))
    if results != compression.shape[0]:
        raise wrong_shape(operator, compression, f"f returned {results} elements")
    if check or is_doubtful:
        data = check_pattern(operator, compression, _rows_with_entries(call))
    inputs = Inputs(operator, call.source, tuple(call.arguments), call.place)
    return value, column_blocks(inputs, compression.as_array(data))


def _coloured(pattern: Pattern, given: Any) -> Compression:
    """A pattern that was found, coloured; with the colouring of an equal pattern found earlier."""
    if isinstance(given, Repeated):
        pattern = given.memory.same(pattern)
        if given.last is not None and given.last.pattern is pattern:
            return given.last
    compression = Compression(pattern, colours=first_fit(pattern.indptr, pattern.indices, pattern.columns))
    if isinstance(given, Repeated):
        given.last = compression
    return compression


def _entries(call: Any, compression: Compression, chunk_size: int | None) -> tuple[Any, bool, Any]:
    """The value, whether the pattern is in doubt, and the values of its entries."""
    width = chunk_size or balanced(compression.count + 1)
    places = compression.colours.astype(np.intp)
    pattern = (compression.shape[0], *compression.entries, compression.pattern.indices)
    last, tolerance = compression.count, rounding([call.x.dtype])
    args = (call.x, places, compression.probe, last, pattern, tolerance, *call.args[1:])
    return evaluated(call.f, "entries", call.argnum, width, args)  # type: ignore[no-any-return]


def pattern_of_call(call: Any) -> Pattern:
    """The pattern of the Jacobian, from compiled code if that can follow f, else from NumPy's engine."""
    known = ("refused", call.argnum, tuple(map(typeof, call.args)))
    if issubclass(type(call.x), np.ndarray) and known not in vars(call.f).get("_dualdiff", {}):
        try:
            return compiled_pattern(call.f, call.argnum, call.x, call.args[1:])
        except Exception as error:
            if not is_of_compiler(error):
                raise
            # Not to compile in vain at the next call.
            vars(call.f).setdefault("_dualdiff", {})[known] = True
    return _rows(call, False).pattern


def _rows(call: Any, with_entries: bool) -> Rows:
    """The rows of the Jacobian, or only their pattern, from NumPy's engine."""
    try:
        inputs = Inputs(call.operator, adapt(call.source.py_func), tuple(call.arguments), call.place, call.has_aux)
        return rows_of(sparse_pass(inputs, pattern_only=not with_entries))
    except (NoRuleError, LostDerivativeError) as error:
        raise NoRuleError(
            f"{call.operator}: neither compiled code nor NumPy's engine, with f.py_func, finds the pattern of the "
            f"compiled function ({error}); pass the pattern: sparse=pattern"
        ) from error


def _rows_with_entries(call: Any) -> Rows:
    """The rows of the Jacobian with their entries, from compiled columns where NumPy's engine fails."""
    try:
        return _rows(call, True)
    except NoRuleError:
        width, parts = call.width(None), []
        for start in range(0, call.x.size, width):
            args = (call.x, start, min(start + width, call.x.size), *call.args[1:])
            part = evaluated(call.f, "jacobian_part", call.argnum, width, args)[1]
            part = part.reshape(-1, part.shape[-1])
            rows, columns = part.nonzero()
            parts.append((rows, start + columns, part[rows, columns]))
        rows, columns, data = map(np.concatenate, zip(*parts, strict=True))
        pattern, order, _ = Pattern.of_entries(rows, columns, (len(part), call.x.size))
        return Rows(pattern, data[order])
