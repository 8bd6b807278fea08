"""Patterns with colours as objects: given, saved, loaded, shown."""

import io
import pickle

import numpy as np
import pytest

import dualdiff as dd

sparse = pytest.importorskip("scipy.sparse")

BAND = np.tri(6, 6, 1) - np.tri(6, 6, -2)


def ring(x):
    return x * np.roll(x, 1) + x


def energy(x):
    return np.sum(x**2 * np.roll(x, 1))


RING = dd.jacobian_sparsity(ring, np.ones(7))


def test_one_colouring_serves_jacobians_of_many_functions_and_x():
    coloured = dd.ColouredPattern(RING)
    for f in ring, lambda x: 2 * ring(x):
        for x in np.linspace(0.5, 1.5, 14).reshape(2, 7):
            np.testing.assert_allclose(dd.jacobian(f, x, sparse=coloured).toarray(), dd.jacobian(f, x), rtol=1e-14)


def test_the_pattern_of_a_hessian_is_symmetrized_and_has_a_star_colouring():
    x = np.linspace(0.5, 1.5, 7)
    pattern = dd.hessian_sparsity(energy, x)
    coloured = dd.ColouredPattern(sparse.triu(pattern), symmetric=True)
    assert (coloured.as_matrix() != pattern).nnz == 0
    np.testing.assert_allclose(dd.hessian(energy, x, sparse=coloured).toarray(), dd.hessian(energy, x), rtol=1e-14)


def test_a_colouring_of_the_other_kind_is_coloured_again():
    x = np.linspace(0.5, 1.5, 7)
    star, columns = (dd.ColouredPattern(dd.hessian_sparsity(energy, x), s) for s in (True, False))
    np.testing.assert_allclose(dd.hessian(energy, x, sparse=columns).toarray(), dd.hessian(energy, x), rtol=1e-14)
    slope = dd.gradient(energy, mode="reverse")
    np.testing.assert_allclose(dd.jacobian(slope, x, sparse=star).toarray(), dd.hessian(energy, x), rtol=1e-14)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("shape", [(7, 7), (0, 0), (1, 1)])
def test_what_is_saved_is_loaded(symmetric, shape, tmp_path):
    pattern = RING[: shape[0], : shape[1]]
    coloured, path = dd.ColouredPattern(pattern, symmetric), tmp_path / "pattern.npz"
    coloured.save(path)
    for file in path, str(path), io.BytesIO(path.read_bytes()):
        loaded = dd.ColouredPattern.load(file)
        assert loaded.symmetric == symmetric
        assert loaded.shape == shape
        assert loaded.count == coloured.count
        assert np.array_equal(loaded.colours, coloured.colours)
        assert (loaded.as_matrix() != coloured.as_matrix()).nnz == 0
    # SciPy reads the pattern from the same file.
    assert (sparse.load_npz(path) != coloured.as_matrix()).nnz == 0
    assert pickle.loads(pickle.dumps(coloured)).count == coloured.count


def test_a_file_without_colours_is_refused(tmp_path):
    sparse.save_npz(tmp_path / "plain.npz", RING)
    with pytest.raises(ValueError, match=r"no colours.*ColouredPattern\(scipy.sparse.load_npz\(file\)\)"):
        dd.ColouredPattern.load(tmp_path / "plain.npz")


def test_colours_from_elsewhere_are_checked():
    assert dd.ColouredPattern(BAND, colours=np.arange(6) % 3).count == 3
    assert dd.ColouredPattern(BAND, colours=np.arange(6)).count == 6
    assert dd.ColouredPattern(BAND, True, colours=np.arange(6) % 3).count == 3
    for symmetric in False, True:
        with pytest.raises(ValueError, match="do not separate"):
            dd.ColouredPattern(BAND, symmetric, colours=np.arange(6) % 2)
    for wrong in np.arange(5), -np.arange(6), np.zeros((6, 1), int):
        with pytest.raises(ValueError, match="6 columns need as many colours"):
            dd.ColouredPattern(BAND, colours=wrong)


def test_matrices_that_are_no_patterns():
    with pytest.raises(TypeError, match=r"ColouredPattern: .*shape \(3,\)"):
        dd.ColouredPattern(np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*square"):
        dd.ColouredPattern(np.ones((2, 3)), symmetric=True)


# -- the picture -------------------------------------------------------------------------------------------------------
def test_the_repr_shows_the_pattern():
    lines = repr(dd.ColouredPattern(BAND)).splitlines()
    assert lines == ["<pattern 6 x 6, 16 entries, 3 colours>", "::.", " '::.", "   '::"]
    assert repr(dd.ColouredPattern(np.zeros((3, 4)))) == "<pattern 3 x 4, 0 entries, 1 colours>"
    assert repr(dd.jacobian(ring, sparse=BAND)).count("\n") == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (3000, 5000), (37, 73), (20, 500)])
def test_pictures_of_large_patterns_are_small_and_lose_no_corner(shape):
    matrix = sparse.coo_array((np.ones(4), ([0, 0, shape[0] - 1, shape[0] - 1], [0, shape[1] - 1] * 2)), shape=shape)
    _, *lines = repr(dd.ColouredPattern(matrix)).splitlines()
    assert 1 <= len(lines) <= 20
    assert max(map(len, lines)) <= 72
    assert lines[0][0] in "':"
    assert lines[-1][0] in "':."
    assert len(lines[0]) == max(map(len, lines))
    assert "".join(lines).isascii()
