"""Colourings: valid by brute force, as few colours as published, and enough to recover every entry."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dualdiff.drivers.sparse.coloured_pattern import Compression, pattern_of, symmetrised
from dualdiff.drivers.sparse.colouring import column_colours, star_colours

sparse = pytest.importorskip("scipy.sparse")


def banded(n, half_width):
    return sum(np.eye(n, k=k) for k in range(-half_width, half_width + 1))


def stencil(n, periodic=False, corners=False):
    """The matrix of a 5-point (9-point, with corners) stencil on an n by n grid."""
    line = banded(n, 1)
    if periodic:
        line[0, -1] = line[-1, 0] = 1
    return np.kron(line, line) if corners else np.kron(line, np.eye(n)) + np.kron(np.eye(n), line)


def arrowhead(n):
    matrix = np.eye(n)
    matrix[0] = matrix[:, 0] = 1
    return matrix


def random_symmetric(n, density, seed):
    matrix = np.random.default_rng(seed).random((n, n)) < density
    return matrix | matrix.T


MATRICES = {
    "diagonal": np.eye(8),
    "tridiagonal": banded(30, 1),
    "pentadiagonal": banded(30, 2),
    "five points": stencil(10),
    "five points, periodic": stencil(10, periodic=True),
    "five points, periodic, odd": stencil(7, periodic=True),
    "nine points": stencil(10, corners=True),
    "arrowhead": arrowhead(20),
    "arrowhead, upside down": arrowhead(20)[::-1, ::-1],
    "dense": np.ones((6, 6)),
    "empty": np.zeros((5, 5)),
    "no rows": np.zeros((0, 0)),
    "one": np.ones((1, 1)),
    **{f"random {d} {s}": random_symmetric(24, d, s) for d in (0.03, 0.1, 0.3) for s in range(4)},
}


@pytest.fixture(params=MATRICES.values(), ids=MATRICES)
def matrix(request):
    return request.param != 0


@pytest.mark.parametrize("thorough", [True, False])
def test_no_row_has_two_columns_of_one_colour(matrix, thorough):
    colours = column_colours(pattern_of("", matrix), thorough)
    for row in matrix:
        assert len(set(colours[row])) == np.count_nonzero(row)


@pytest.mark.parametrize("thorough", [True, False])
def test_neighbours_differ_and_paths_of_four_have_three_colours(matrix, thorough):
    colours = star_colours(pattern_of("", matrix), thorough)
    neighbours = [np.flatnonzero(row) for row in matrix & ~np.eye(len(matrix), dtype=bool)]
    for b, c in itertools.product(range(len(matrix)), repeat=2):
        if c in neighbours[b]:
            assert colours[b] != colours[c]
            for a in set(neighbours[b]) - {c}:
                for d in set(neighbours[c]) - {a, b}:
                    assert len({colours[v] for v in (a, b, c, d)}) > 2


@pytest.mark.parametrize("symmetric", [False, True])
def test_every_entry_is_recovered(matrix, symmetric):
    numbers = np.random.default_rng(0).normal(size=matrix.shape) * matrix
    numbers = numbers + numbers.T if symmetric else numbers
    compression = Compression(pattern_of("", matrix), symmetric)
    seeds = compression.directions().rows(0, compression.count)
    assert np.array_equal(seeds[:-1].sum(axis=0), np.ones(len(matrix)))
    assert np.array_equal(seeds[-1], compression.probe)
    np.testing.assert_array_equal(compression.as_array(compression.decompressed(seeds @ numbers.T)).toarray(), numbers)


def test_a_pattern_with_more_rows_than_columns():
    matrix = np.random.default_rng(0).random((40, 12)) < 0.15
    colours = column_colours(pattern_of("", matrix))
    for row in matrix:
        assert len(set(colours[row])) == np.count_nonzero(row)


@pytest.mark.parametrize(
    ("name", "columns", "stars"),
    [
        # A band of half width k: 2k + 1, for stars too as long as k is small.
        ("diagonal", 1, 1),
        ("tridiagonal", 3, 3),
        ("pentadiagonal", 5, 5),
        # Curtis, Powell and Reid (1974): the stencils tile the plane with as many colours as they have points.
        ("five points", 5, 5),
        ("five points, periodic", 5, 5),
        ("nine points", 9, 9),
        # The hub of a star needs a colour of its own, and the spokes share one.
        ("arrowhead", 20, 2),
        ("arrowhead, upside down", 20, 2),
        ("dense", 6, 6),
        ("empty", 1, 1),
    ],
)
def test_published_numbers_of_colours(name, columns, stars):
    pattern = pattern_of("", MATRICES[name] != 0)
    assert column_colours(pattern).max() + 1 == columns
    found = star_colours(pattern).max() + 1
    assert found == stars


def test_irregular_hessians_need_few_colours():
    """CasADi 3.8 (``star_coloring``, largest first) needs 52 colours for these six matrices."""
    total = 0
    for n, per_row in (100, 4), (200, 6), (300, 4):
        for seed in range(2):
            matrix = random_symmetric(n, per_row / n / 2, seed)
            total += Compression(pattern_of("", matrix | np.eye(n, dtype=bool)), True).count
    assert total <= 52


def test_a_mirror_image_is_added_to_each_entry():
    matrix = np.triu(arrowhead(5)) != 0
    pattern = symmetrised(pattern_of("", matrix))
    assert np.array_equal(pattern.as_array(np.ones(pattern.size, bool)).toarray(), matrix | matrix.T)


def test_patterns_are_read_from_what_is_like_a_matrix():
    matrix = arrowhead(4) != 0
    entries = np.nonzero(matrix)
    zeros = np.zeros(len(entries[0]))
    for given in (
        matrix,
        matrix.tolist(),
        matrix * 2.5,
        matrix * 1j,
        sparse.csr_array(matrix),
        sparse.csc_matrix(matrix),
        sparse.coo_array((zeros, entries)),
        sparse.coo_array((np.concatenate([zeros, zeros]), np.concatenate([entries, entries], axis=1))),
        sparse.lil_array(matrix),
        sparse.dia_array(matrix),
    ):
        pattern = pattern_of("", given)
        assert np.array_equal(pattern.as_array(np.ones(pattern.size, bool)).toarray(), matrix)
