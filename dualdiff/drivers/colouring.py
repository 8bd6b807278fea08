"""Colouring: which columns of a sparse matrix can share one direction.

Columns without a common row share a direction in a Jacobian (columns of one colour are structurally orthogonal), and
two columns of a symmetric matrix may also share one if each of their entries is found alone in its own place or, by
symmetry, in the mirrored one (star colouring).  See Gebremedhin, Manne and Pothen, "What color is your Jacobian? Graph
coloring for computing derivatives", SIAM Review 47 (2005).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dualdiff.tangents.pattern import Pattern, scipy_sparse

#: Rounds in which the classes of a colouring are coloured again, to save some.
ROUNDS = 6
#: Pairs of entries in a row that the smallest-last order may look at.
PAIRS = 2 * 10**7

Greedy = Callable[[Iterable[int]], list[int]]


def column_colours(pattern: Pattern) -> Any:
    """A colour for each column, so that no row has two columns of one colour.

    Greedily in natural, largest-first and smallest-last order; the fewest colours are taken, and are then made fewer
    where that is easily done (iterated greedy: Culberson 1992).
    """
    fewest = int(pattern.counts.max()) if pattern.rows else 0
    rows, starts = _columns(pattern)
    return _fewest_colours(lambda order: _greedy_columns(order, rows, starts, pattern.rows), _orders(pattern), fewest)


def star_colours(pattern: Pattern) -> Any:
    """A colour for each row and column of a symmetric pattern, so that each entry can be read off alone.

    Neighbours have different colours, and every path of four vertices at least three.
    """
    neighbours = _neighbours(pattern)
    return _fewest_colours(lambda order: _greedy_stars(order, neighbours), _graph_orders(neighbours), 1)


def _fewest_colours(greedy: Greedy, orders: Iterable[Callable[[], Any]], fewest: int) -> Any:
    best: Any = None
    for order in orders:
        colours = np.array(greedy(order()), np.intp)
        if best is None or _count(colours) < _count(best):
            best = colours
        if _count(best) <= fewest:
            return best
    # Coloured again class by class a colouring never needs more colours, and often fewer.
    random = np.random.default_rng(0)
    for _ in range(ROUNDS):
        rank = random.permutation(_count(best))
        colours = np.array(greedy(np.argsort(rank[best], kind="stable").tolist()), np.intp)
        if _count(colours) <= _count(best):
            best = colours
        if _count(best) <= fewest:
            break
    return best


def _count(colours: Any) -> int:
    return int(colours.max()) + 1 if len(colours) else 0


# -- columns -----------------------------------------------------------------------------------------------------------
def _columns(pattern: Pattern) -> tuple[list[int], list[int]]:
    """The rows of each column, one after the other, and where each begins."""
    marks = np.ones(pattern.size, np.int8)
    matrix = scipy_sparse().csr_array(
        (marks, pattern.indices, pattern.indptr), shape=(pattern.rows, pattern.columns)
    ).tocsc()
    return matrix.indices.tolist(), matrix.indptr.tolist()


def _greedy_columns(order: Iterable[int], rows: list[int], starts: list[int], count: int) -> list[int]:
    # The colours that each row has so far are the bits of an integer, so that the first free one is found at once.
    taken = [0] * count
    colours = [0] * (len(starts) - 1)
    for j in order:
        mine = rows[starts[j] : starts[j + 1]]
        mask = 0
        for i in mine:
            mask |= taken[i]
        bit = ~mask & (mask + 1)
        for i in mine:
            taken[i] |= bit
        colours[j] = bit.bit_length() - 1
    return colours


def _orders(pattern: Pattern) -> Iterable[Callable[[], Any]]:
    """Natural, largest-first and smallest-last, by how many entries share a row with those of a column."""
    yield lambda: range(pattern.columns)
    counts = pattern.counts.astype(np.int64)
    degrees = np.bincount(pattern.indices, np.repeat(counts - 1, counts), pattern.columns).astype(np.int64)
    yield lambda: np.argsort(-degrees, kind="stable").tolist()
    if int(np.sum(counts**2)) <= PAIRS:
        yield lambda: _smallest_last(degrees.tolist(), *_neighbours_by_row(pattern))


def _neighbours_by_row(pattern: Pattern) -> tuple[int, Callable[[int], Iterable[int]]]:
    rows, starts = _columns(pattern)
    columns = np.split(pattern.indices, pattern.indptr[1:-1])
    members = [part.tolist() for part in columns]

    def of_column(j: int) -> Iterable[int]:
        return (k for i in rows[starts[j] : starts[j + 1]] for k in members[i])

    return pattern.columns, of_column


def _smallest_last(degrees: list[int], count: int, neighbours: Callable[[int], Iterable[int]]) -> list[int]:
    """The order in which, from the end, each vertex has the smallest degree among those before it."""
    buckets: list[list[int]] = [[] for _ in range(max(degrees, default=0) + 1)]
    for j in range(count - 1, -1, -1):
        buckets[degrees[j]].append(j)
    waiting = [True] * count
    order = []
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
                degree = degrees[k] = degrees[k] - 1
                buckets[degree].append(k)
                lowest = min(lowest, degree)
    order.reverse()
    return order


# -- symmetric matrices ------------------------------------------------------------------------------------------------
def _neighbours(pattern: Pattern) -> list[list[int]]:
    """The other vertices that each is joined with."""
    rows = pattern.row_of_entries()
    others = rows != pattern.indices
    starts = np.searchsorted(rows[others], np.arange(1, pattern.rows))
    return [part.tolist() for part in np.split(pattern.indices[others], starts)]


def _graph_orders(neighbours: list[list[int]]) -> Iterable[Callable[[], Any]]:
    """Natural, largest-first and smallest-last, by the number of neighbours."""
    degrees = [len(n) for n in neighbours]
    yield lambda: range(len(neighbours))
    yield lambda: np.argsort(-np.array(degrees, np.intp), kind="stable").tolist()
    yield lambda: _smallest_last(degrees.copy(), len(neighbours), neighbours.__getitem__)


def _greedy_stars(order: Iterable[int], neighbours: list[list[int]]) -> list[int]:
    # Sets of colours are the bits of integers.  For each vertex: the colours of its neighbours; those that several of
    # them have; and those of the hubs of the stars that it is a spoke of.
    count = len(neighbours)
    colours = [-1] * count
    bits = [0] * count
    once = [0] * count
    twice = [0] * count
    hubs = [0] * count
    first: dict[tuple[int, int], int] = {}
    for v in order:
        mine = [w for w in neighbours[v] if colours[w] >= 0]
        mask, several = once[v], twice[v]
        for w in mine:
            # A neighbour whose colour another one shares must not see its other neighbours' colours end here; and a
            # spoke of a star must not be joined with a second vertex of the colour of its hub.
            mask |= once[w] if several & bits[w] else hubs[w]
        bit = ~mask & (mask + 1)
        bits[v] = bit
        colours[v] = bit.bit_length() - 1
        for w in neighbours[v]:
            if once[w] & bit:
                if colours[w] >= 0:
                    hub = bits[w]
                    if not twice[w] & bit:
                        hubs[first[w, bit]] |= hub
                    hubs[v] |= hub
                twice[w] |= bit
            else:
                once[w] |= bit
                first[w, bit] = v
        for w in mine:
            if several & bits[w]:
                hubs[w] |= bit
    return colours
