"""Colouring: which columns of a sparse matrix can share one direction.

Structurally orthogonal columns, those without a common row, can share a direction in a Jacobian.  In a symmetric
matrix, two columns can also share a direction if each of their entries can be read off alone, directly or, by symmetry,
from its mirror image (star colouring).  See Gebremedhin, Manne and Pothen, "What color is your Jacobian? Graph coloring
for computing derivatives", SIAM Review 47 (2005).

All colourings here are greedy: one vertex after the other gets the first free colour, so that only the order matters.
Sets of colours are the bits of integers, whose lowest zero bit is the first free colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dualdiff.tangents.pattern import Pattern

#: Orders that visit every pair of entries in a row are skipped beyond this number of pairs.
PAIRS = 2 * 10**7

Neighbours = Callable[[int], Iterable[int]]


def column_colours(pattern: Pattern, thorough: bool = True) -> Any:
    """A colour for each column such that columns of one colour are structurally orthogonal.

    The colouring with the fewest colours among natural, largest-first, smallest-last and saturation order (Brelaz
    1979); in natural order alone unless ``thorough``.
    """
    fewest = int(pattern.counts.max()) if pattern.rows else 0
    return _fewest(_column_colourings(pattern), fewest if thorough else pattern.columns)


def star_colours(pattern: Pattern, thorough: bool = True) -> Any:
    """A colour for each row and column of a symmetric pattern such that each entry can be read off alone.

    Neighbours have different colours, and every path of four vertices has at least three (a star colouring).  The
    colouring with the fewest colours among those in largest-first, smallest-last and natural order, and one at distance
    two in saturation order; in largest-first order alone unless ``thorough``.
    """
    return _fewest(_star_colourings(pattern), 1 if thorough else pattern.columns)


def _fewest(colourings: Iterator[list[int]], enough: int) -> Any:
    best: Any = None
    for colouring in colourings:
        colours = np.array(colouring, np.intp)
        if best is None or colours.max() < best.max():
            best = colours
        if not best.size or best.max() < enough:
            break
    return best


# -- columns -----------------------------------------------------------------------------------------------------------
def _column_colourings(pattern: Pattern) -> Iterator[list[int]]:
    rows, starts = pattern.by_columns()
    yield _greedy_columns(range(pattern.columns), rows, starts, pattern.rows)
    # The degree of a column: the number of entries of other columns in its rows.
    counts = pattern.counts.astype(np.int64)
    degrees = np.bincount(pattern.indices, np.repeat(counts - 1, counts), pattern.columns).astype(np.int64)
    yield _greedy_columns(_largest_first(degrees), rows, starts, pattern.rows)
    if int(np.sum(counts**2)) <= PAIRS:
        members = [part.tolist() for part in np.split(pattern.indices, pattern.indptr[1:-1])]

        def neighbours(j: int) -> Iterable[int]:
            return (k for i in rows[starts[j] : starts[j + 1]] for k in members[i])

        yield _greedy_columns(_smallest_last(degrees.tolist(), neighbours), rows, starts, pattern.rows)
        yield _greedy_by_saturation(pattern.columns, neighbours)


def _greedy_columns(order: Iterable[int], rows: list[int], starts: list[int], count: int) -> list[int]:
    taken = [0] * count
    colours = [0] * (len(starts) - 1)
    for j in order:
        rows_of_j = rows[starts[j] : starts[j + 1]]
        mask = 0
        for i in rows_of_j:
            mask |= taken[i]
        bit = ~mask & (mask + 1)
        for i in rows_of_j:
            taken[i] |= bit
        colours[j] = bit.bit_length() - 1
    return colours


def _greedy_by_saturation(count: int, neighbours: Neighbours) -> list[int]:
    """Next is always the vertex whose neighbours have the most colours."""
    colours = [-1] * count
    taken = [0] * count
    saturation = [0] * count
    buckets: list[list[int]] = [list(range(count - 1, -1, -1))]
    highest, left = 0, count
    while left:
        if not buckets[highest]:
            highest -= 1
            continue
        j = buckets[highest].pop()
        if colours[j] >= 0 or saturation[j] != highest:
            continue
        mask = taken[j]
        bit = ~mask & (mask + 1)
        colours[j] = bit.bit_length() - 1
        left -= 1
        for k in neighbours(j):
            if colours[k] < 0 and not taken[k] & bit:
                taken[k] |= bit
                saturation[k] = n = saturation[k] + 1
                if n == len(buckets):
                    buckets.append([])
                buckets[n].append(k)
                if n > highest:
                    highest = n
    return colours


# -- orders ------------------------------------------------------------------------------------------------------------
def _largest_first(degrees: Any) -> list[int]:
    return np.argsort(-degrees, kind="stable").tolist()  # type: ignore[no-any-return]


def _smallest_last(degrees: list[int], neighbours: Neighbours) -> list[int]:
    """The order in which each vertex has the smallest degree in the graph of itself and the vertices before it."""
    count = len(degrees)
    buckets: list[list[int]] = [[] for _ in range(max(degrees, default=0) + 1)]
    for j in range(count - 1, -1, -1):
        buckets[degrees[j]].append(j)
    waiting = [True] * count
    order: list[int] = []
    lowest = 0
    while len(order) < count:
        if not buckets[lowest]:
            lowest += 1
            continue
        j = buckets[lowest].pop()
        if not waiting[j] or degrees[j] != lowest:
            continue
        waiting[j] = False
        order.append(j)
        for k in neighbours(j):
            if waiting[k]:
                degrees[k] = n = degrees[k] - 1
                buckets[n].append(k)
                if n < lowest:
                    lowest = n
    order.reverse()
    return order


# -- symmetric matrices ------------------------------------------------------------------------------------------------
def _star_colourings(pattern: Pattern) -> Iterator[list[int]]:
    rows = pattern.row_of_entries()
    others = rows != pattern.indices
    starts = np.searchsorted(rows[others], np.arange(1, pattern.rows))
    neighbours = [part.tolist() for part in np.split(pattern.indices[others], starts)][: pattern.rows]
    degrees = np.array([len(n) for n in neighbours], np.int64)
    largest_first = _largest_first(degrees)
    yield _greedy_stars(largest_first, neighbours)
    yield _greedy_stars(largest_first, neighbours, True)
    of_neighbours = np.bincount(rows[others], degrees[pattern.indices[others]], pattern.rows)
    yield _greedy_stars(_largest_first(of_neighbours), neighbours, True)
    yield _greedy_stars(_smallest_last(degrees.tolist(), neighbours.__getitem__), neighbours, True)
    yield _greedy_stars(range(pattern.rows), neighbours)
    if int(np.sum(degrees**2)) <= PAIRS:
        yield _greedy_by_saturation(pattern.rows, lambda v: (x for w in (v, *neighbours[v]) for x in neighbours[w]))


def _greedy_stars(order: Iterable[int], neighbours: list[list[int]], looks_ahead: bool = False) -> list[int]:
    """A star colouring.

    With ``looks_ahead``, vertices around one that has no colour yet get different ones, which leaves it all colours but
    theirs.  That is better for most irregular matrices, and worse for grids.
    """
    count = len(neighbours)
    colours = [-1] * count
    bits = [0] * count
    # For each vertex: the colours of its neighbours; the colours of several neighbours (the vertex is then the hub of a
    # star, and they are its spokes); and the colours of the hubs of the stars in which it is a spoke.
    once, twice, hubs = [0] * count, [0] * count, [0] * count
    first: dict[tuple[int, int], int] = {}
    for v in order:
        coloured = [w for w in neighbours[v] if colours[w] >= 0]
        several = twice[v]
        mask = once[v]
        for w in coloured:
            # No path x-w-v-q or v-w-x-y may have two colours.
            mask |= once[w] if several & bits[w] else hubs[w]
        if looks_ahead and len(coloured) < len(neighbours[v]):
            for w in neighbours[v]:
                if colours[w] < 0:
                    mask |= once[w]
        bit = ~mask & (mask + 1)
        bits[v] = bit
        colours[v] = bit.bit_length() - 1
        for w in coloured:
            if several & bits[w]:
                hubs[w] |= bit
        for w in neighbours[v]:
            if not once[w] & bit:
                once[w] |= bit
                first[w, bit] = v
                continue
            twice[w] |= bit
            if colours[w] >= 0:
                hubs[v] |= bits[w]
                hubs[first[w, bit]] |= bits[w]
    return colours
