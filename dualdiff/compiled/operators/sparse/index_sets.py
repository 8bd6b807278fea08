"""Sparsity patterns of compiled functions, from passes whose tangents are sets of variables.

A pass carries a few hundred variables; a pattern of many columns takes few passes because it is refined: the first pass
finds which blocks of columns each result depends on.  Blocks that no result shares have one colour, and the next passes
tell the parts of all blocks of a colour apart at once, until the parts are single columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dualdiff.compiled.caching import compiled_beside
from dualdiff.compiled.intrinsics import marked, marks_in
from dualdiff.compiled.operators.arguments import ordered, protected
from dualdiff.compiled.operators.drivers import memoized, with_first
from dualdiff.compiled.operators.in_compiled_code import element_for, register_core
from dualdiff.compiled.operators.results import as_array
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import BITS, DualType
from dualdiff.drivers.sparse.colouring import column_colours
from dualdiff.tangents.pattern import Pattern, index_dtype

#: Partials in a pass, each a set of `BITS` variables.
WORDS = 8
LOG_BITS = BITS.bit_length() - 1
#: Rows with more pairs of entries than this are coloured without visiting the pairs.
PAIRS = 5 * 10**7


@only_compiled
def sets_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, total: Any) -> Any:
    """For each element of f at an array the set of places on which it depends; element j of x has place ``places[j]``.

    A row of words, the bits of a set, for each element of the result.
    """


@register_core(sets_core)
def _sets_core(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, total: Any) -> Any:
    count = width.literal_value
    t = DualType(element_for(x, args), count, follows=True)

    def of_array(f: Any, x: Any, args: Any, width: Any, masked: Any, places: Any, total: Any) -> Any:
        duals = np.empty(x.shape, t)
        flat_duals, flat = duals.ravel(), x.ravel()
        bits = count * BITS
        passes = max(-(-total // bits), 1)
        for k in range(passes):
            for j in range(flat.size):
                flat_duals[j] = marked(flat[j], places[j] - k * bits, t)
            results = as_array(f(ordered(f, duals, x, args), *protected(f, x, args))).ravel()
            if k == 0:
                words = np.empty((results.size, passes * count), np.uint32)
            for i in range(results.size):
                for lane in range(count):
                    words[i, k * count + lane] = marks_in(results[i], lane)
        return words

    return of_array


@memoized
def sets_of(f: Any, argnum: int) -> Any:
    """The compiled driver."""
    body = f"return sets_core(f, x, args, {WORDS}, False, places, total)"
    return compiled_beside(with_first(f, argnum), "x, places, total, *args", body, {"sets_core": sets_core})


def compiled_pattern(f: Any, argnum: int, x: Any, others: tuple[Any, ...]) -> Pattern:
    """The pattern of the Jacobian of a compiled function at an array."""
    driver = sets_of(f, argnum)
    columns = np.arange(x.size)
    # Blocks have 2**size columns; at first there is one, on which all results may depend.
    size = max(x.size - 1, 0).bit_length()
    starts: Any = None
    blocks: Any = None
    colours = np.zeros(1, np.intp)
    while starts is None or size:
        if starts is not None:
            colours = first_fit(starts, blocks, (x.size - 1 >> size) + 1)
        fitting = WORDS * BITS // (int(colours.max()) + 1)
        step = min(size, max(fitting.bit_length() - 1, 1))
        size -= step
        places = (colours[columns >> size + step] << step) + (columns >> size & (1 << step) - 1)
        words = driver(x, places, int(places.max(initial=-1)) + 1, *others)
        if starts is None:
            starts, blocks = np.arange(len(words) + 1), np.zeros(len(words), np.intp)
        parts = np.empty(int(np.bitwise_count(words).sum()), np.intp)
        starts, blocks = _put_parts(words, starts, blocks, colours, step, parts), parts
    dtype = index_dtype(max(x.size, len(blocks)))
    return Pattern(starts.astype(dtype), blocks.astype(dtype), x.size)


def first_fit(starts: Any, indices: Any, count: int) -> Any:
    """A colour for each of ``count`` columns, in natural order, such that those of one colour share no row."""
    counts = np.diff(starts)
    if counts.max(initial=0) == count:
        return np.arange(count)
    if int(np.sum(counts.astype(np.int64) ** 2)) > PAIRS:
        return column_colours(Pattern(starts, indices, count), thorough=False)
    return _first_fit(starts, indices, count)


@njit  # type: ignore[untyped-decorator]
def _first_fit(starts, indices, count):  # type: ignore[no-untyped-def]
    ends = np.zeros(count + 1, np.intp)
    for j in indices:
        ends[j + 1] += 1
    ends = np.cumsum(ends)
    rows = np.empty(len(indices), np.intp)
    place = ends.copy()
    for i in range(len(starts) - 1):
        for k in range(starts[i], starts[i + 1]):
            rows[place[indices[k]]] = i
            place[indices[k]] += 1
    colours = np.full(count, -1)
    taken = np.full(count + 1, -1)
    for j in range(count):
        for r in range(ends[j], ends[j + 1]):
            for k in range(starts[rows[r]], starts[rows[r] + 1]):
                taken[colours[indices[k]]] = j
        colour = 0
        while taken[colour] == j:
            colour += 1
        colours[j] = colour
    return colours


@njit  # type: ignore[untyped-decorator]
def _put_parts(words, starts, blocks, colours, step, parts):  # type: ignore[no-untyped-def]
    """Put the parts of blocks on which the rows depend, in each of whose sets each colour has ``2**step`` places.

    Where the parts of each row start.
    """
    new_starts = np.zeros_like(starts)
    size = 0
    for i in range(len(starts) - 1):
        for k in range(starts[i], starts[i + 1]):
            first = colours[blocks[k]] << step
            shift = (blocks[k] << step) - first
            for w in range(first >> LOG_BITS, min((first + (1 << step) - 1 >> LOG_BITS) + 1, words.shape[1])):
                word, place = words[i, w], w << LOG_BITS
                # Other colours may have places in the same word.
                if place < first:
                    word, place = word >> np.uint32(first - place), first
                while word and place < first + (1 << step):
                    if word & np.uint32(1):
                        parts[size] = shift + place
                        size += 1
                    word, place = word >> np.uint32(1), place + 1
        new_starts[i + 1] = size
    return new_starts
