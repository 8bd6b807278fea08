"""Bidirectional compression: dense rows by pullbacks, and all else by pushforwards."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.drivers.sparse.coloured_pattern import Compression, pattern_of
from dualdiff.drivers.sparse.two_sided import two_sided

sparse = pytest.importorskip("scipy.sparse")


def arrowhead(n, rows=1, columns=1):
    matrix = np.eye(n, dtype=bool)
    matrix[:rows] = matrix[:, :columns] = True
    return matrix


def with_dense_rows(shape, seed, dense):
    rng = np.random.default_rng(seed)
    matrix = rng.random(shape) < 2 / shape[1]
    matrix[rng.permutation(shape[0])[:dense]] = True
    return matrix


MATRICES = {
    "arrowhead": arrowhead(60),
    "several rows": arrowhead(60, 3, 1),
    "several columns": arrowhead(60, 1, 3),
    "wide": np.ones((3, 80), bool),
    "two rows that share no column": np.kron(np.eye(2), np.ones((1, 50))) > 0,
    **{f"random {seed}": with_dense_rows((40 + 30 * seed, 90), seed, 1 + seed) for seed in range(4)},
}


def quadratic(matrix, seed=0):
    """A function with this pattern, and its Jacobian."""
    weights = np.where(matrix, 1 + np.random.default_rng(seed).random(matrix.shape), 0.0)
    return lambda x: weights @ (x * x), lambda x: 2 * weights * x


@pytest.mark.parametrize("name", MATRICES)
def test_each_entry_can_be_read_off_by_definition(name):
    matrix = MATRICES[name]
    found = two_sided(Compression(pattern_of("", matrix)))
    assert found is not None
    by_row = found.row_colours >= 0
    # Rows without a colour: columns of one colour do not meet.  Rows of one colour: no column has two.
    for row in matrix[~by_row]:
        assert len(set(found.colours[row])) == np.count_nonzero(row)
    for colour in range(found.pulls):
        assert matrix[found.row_colours == colour].sum(axis=0).max() <= 1


@pytest.mark.parametrize("name", MATRICES)
def test_jacobians_are_those_of_dense_mode(name):
    f, expected = quadratic(MATRICES[name])
    derived = dd.value_and_jacobian(f, sparse=MATRICES[name])
    for x in np.linspace(0.5, 1.5, 2 * MATRICES[name].shape[1]).reshape(2, -1):
        value, found = derived(x)
        assert np.array_equal(value, f(x))
        np.testing.assert_allclose(found.toarray(), expected(x), rtol=1e-14)
        assert found.nnz == np.count_nonzero(MATRICES[name])


@pytest.mark.parametrize(
    ("name", "pushes", "pulls"),
    [("arrowhead", 2, 1), ("several rows", 2, 3), ("several columns", 4, 1), ("wide", 1, 3)],
)
def test_few_directions_and_one_call(name, pushes, pulls):
    compression = Compression(pattern_of("", MATRICES[name]))
    assert compression.count == MATRICES[name].shape[1]
    assert (compression.bidirectional.count, compression.bidirectional.pulls) == (pushes, pulls)
    f, calls = quadratic(MATRICES[name])[0], []
    dd.jacobian(lambda x: calls.append(x) or f(x), np.ones(compression.count), sparse=MATRICES[name])
    assert len(calls) == 1


@pytest.mark.parametrize("matrix", [np.eye(50), np.ones((40, 40)), np.ones((4, 4)), np.zeros((30, 30))])
def test_columns_alone_where_rows_do_not_help(matrix):
    assert two_sided(Compression(pattern_of("", matrix))) is None


def test_a_missing_entry_is_found_in_dense_and_in_other_rows():
    full = MATRICES["several rows"]
    f, _ = quadratic(full)
    for row, column in (1, 30), (40, 40), (40, 0):
        given = full.copy()
        given[row, column] = False
        with pytest.raises(dd.IncompletePatternError, match=f"row {row}, column {column}"):
            dd.jacobian(f, np.ones(60), sparse=given)


def test_containers_complex_results_and_single_precision():
    matrix = MATRICES["arrowhead"]
    f, expected = quadratic(matrix)

    def of_parts(x):
        y = f(np.concatenate([x["a"], np.reshape(x["b"], (1,)), x["c"].ravel()]))
        return {"first": y[0], "others": y[1:].reshape(1, -1)}

    x = np.linspace(0.5, 1.0, 60)
    parts = {"a": x[:9], "b": float(x[9]), "c": x[10:].reshape(5, 10)}
    np.testing.assert_allclose(dd.jacobian(of_parts, parts, sparse=matrix).toarray(), expected(x), rtol=1e-14)
    found = dd.jacobian(lambda x: f(x) * (1 + 2j), x, sparse=matrix)
    np.testing.assert_allclose(found.toarray(), expected(x) * (1 + 2j), rtol=1e-14)
    found = dd.jacobian(f, x + 1j, sparse=matrix)
    np.testing.assert_allclose(found.toarray(), expected(x + 1j), rtol=1e-14)
    single = dd.jacobian(lambda x: np.float32(2) * x * np.sum(x), np.ones(60, np.float32), sparse=np.ones((60, 60)))
    assert single.dtype == np.float32


def test_singular_points_are_left_to_the_sparse_pass():
    def f(x):
        return np.concatenate([np.reshape(np.sum(np.sqrt(x)), (1,)), x[1:] ** 2])

    x = np.linspace(0.0, 1.0, 40)
    expected = dd.jacobian(f, x)
    np.testing.assert_array_equal(dd.jacobian(f, x, sparse=dd.jacobian_sparsity(f, x)).toarray(), expected)
