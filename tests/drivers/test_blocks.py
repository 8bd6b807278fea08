"""Jacobians in blocks, written into any array, and linear operators that never form a matrix."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from dualdiff import (
    gradient,
    hessian,
    hessian_operator,
    hvp,
    jacobian,
    jacobian_blocks,
    value_and_jacobian,
)
from dualdiff.drivers.jacobian import boxes


def wide(x):
    """Few results, so that rows are cheaper."""
    return np.stack([np.sum(x**2), np.sum(np.sin(x)), x.reshape(-1)[0]])


def tall(x):
    return np.exp(x)[..., None] * np.array([1.0, 2.0]) + np.sum(x)


def scalar(x):
    return np.sum(x**3)


POINTS = {"vector": np.linspace(0, 1, 7), "matrix": np.linspace(0, 1, 12).reshape(3, 4), "cube": np.ones((2, 3, 2))}


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("f", [wide, tall, scalar])
@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("chunk_size", [None, 1, 5])
def test_blocks_are_those_of_the_jacobian(name, f, mode, chunk_size):
    x = POINTS[name]
    expected = jacobian(f, x, mode=mode, chunk_size=chunk_size)
    found = np.full(expected.shape, np.nan)
    for key, block in jacobian_blocks(f, x, mode=mode, chunk_size=chunk_size):
        assert np.isnan(found[key]).all()
        assert found[key].shape == block.shape
        found[key] = block
    np.testing.assert_array_equal(found, expected)
    out = np.zeros(expected.shape)
    assert jacobian(f, x, mode=mode, chunk_size=chunk_size, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("f", [wide, tall, scalar])
@pytest.mark.parametrize("workers", [None, map, ThreadPoolExecutor(1)])
def test_x_may_change_between_the_blocks(mode, f, workers):
    """By the caller, or because ``out`` shares its memory."""
    x = np.linspace(0, 1, 7)
    expected = jacobian(f, x, mode=mode, chunk_size=2)
    found, changing = np.full(expected.shape, np.nan), x.copy()
    for key, block in jacobian_blocks(f, changing, mode=mode, chunk_size=2, workers=workers):
        found[key] = block
        changing[:] = block[...] = 9.0
    np.testing.assert_array_equal(found, expected)
    out = np.zeros(expected.shape)
    shared = out.reshape(-1)[-7:]
    shared[:] = x
    jacobian(f, shared, mode=mode, chunk_size=2, out=out, workers=workers)
    np.testing.assert_array_equal(out, expected)


def test_out_is_no_other_argument():
    a = np.ones((3, 3))
    for other in a, a[0], {"a": [a.T]}:
        with pytest.raises(ValueError, match="out shares memory with an argument"):
            jacobian(lambda x, a: x * 2, np.ones(3), other, out=a)


def test_boxes_cover_every_range_once():
    for shape in [(5,), (3, 4), (2, 3, 2), (), (4, 1, 3)]:
        size = int(np.prod(shape))
        numbers = np.arange(size).reshape(shape)
        for start in range(size):
            for stop in range(start + 1, size + 1):
                found = np.full(stop - start, -1)
                for key, part, lengths in boxes(start, stop, shape):
                    assert numbers[key].shape == lengths
                    found[part] = numbers[key].reshape(-1)
                np.testing.assert_array_equal(found, np.arange(start, stop))


def test_value_aux_scalars_and_complex_values():
    out = np.zeros((3, 7))
    value, found = value_and_jacobian(wide, POINTS["vector"], out=out)
    np.testing.assert_array_equal(value, wide(POINTS["vector"]))
    assert found is out
    assert jacobian(lambda x: (x**2, "aux"), np.ones(2), out=np.zeros((2, 2)), has_aux=True)[1] == "aux"
    assert jacobian(lambda x: x**2, 3.0, out=np.zeros(()))[()] == 6.0
    z = np.array([1.0 + 1.0j, 2.0])
    found = jacobian(lambda z: z**2, z, out=np.zeros((2, 2), complex))
    np.testing.assert_array_equal(found, jacobian(lambda z: z**2, z))
    found = jacobian(lambda x: np.exp(1j * x)[:1], np.ones(5), out=np.zeros((1, 5), complex), chunk_size=2)
    np.testing.assert_array_equal(found, jacobian(lambda x: np.exp(1j * x)[:1], np.ones(5), mode="forward"))


def test_zero_times_infinity_in_rows():
    f = lambda x: np.array([0.0, 1.0, 2.0]) * np.sqrt(x)
    x = np.array([0.0, 1.0, 4.0])
    found = jacobian(f, x, out=np.zeros((3, 3)), mode="reverse")
    np.testing.assert_array_equal(found, jacobian(f, x, mode="reverse"))


class Blocks:
    """Something that can only be written."""

    def __init__(self):
        self.written = []

    def __setitem__(self, key, block):
        self.written.append((key, block.shape))


def test_anything_that_can_be_written(tmp_path):
    x = np.linspace(0, 1, 50)
    expected = jacobian(np.tanh, x)
    memmap = np.lib.format.open_memmap(tmp_path / "J.npy", "w+", float, (50, 50))
    jacobian(np.tanh, x, chunk_size=8, out=memmap)
    memmap.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "J.npy"), expected)
    blocks = Blocks()
    assert jacobian(np.tanh, x, chunk_size=20, out=blocks, workers=map) is blocks
    assert [shape for _, shape in blocks.written] == [(50, 20), (50, 20), (50, 10)]


def test_hdf5_and_zarr(tmp_path):
    x = np.linspace(0, 1, 12).reshape(3, 4)
    expected = jacobian(tall, x)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "J.h5", "w") as file:
        out = file.create_dataset("J", expected.shape, dtype="float64")
        jacobian(tall, x, chunk_size=5, out=out)
        np.testing.assert_array_equal(out[:], expected)
    zarr = pytest.importorskip("zarr")
    out = zarr.create_array(
        store=str(tmp_path / "J.zarr"), shape=expected.shape, dtype="float64", chunks=expected.shape
    )
    jacobian(tall, x, chunk_size=5, out=out)
    np.testing.assert_array_equal(out[:], expected)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_one_block_is_in_memory_at_a_time(mode):
    x = np.linspace(0, 1, 2000)
    f = lambda x: np.cumsum(np.sin(x))
    blocks = Blocks()
    jacobian(f, x[:10], out=Blocks(), mode=mode)
    tracemalloc.start()
    jacobian(f, x, out=blocks, mode=mode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(blocks.written) > 20
    assert peak < 0.4 * 8 * 2000**2


def test_wrong_out_is_refused_before_work_begins():
    calls = []

    def f(x):
        calls.append(x)
        return x

    x = np.ones(3)
    for out, error, match in [
        (np.zeros((3, 4)), ValueError, r"out has shape \(3, 4\), but must have that of f\(x\) followed by \(3,\)"),
        ([[0.0] * 3] * 3, None, None),
        (3.0, TypeError, "out must be an array"),
        (None, None, None),
    ]:
        if error is not None:
            with pytest.raises(error, match=match):
                jacobian(f, x, out=out)
    for options in ({"sparse": True}, {"batch_dims": 1}):
        with pytest.raises(ValueError, match="out is for a dense Jacobian"):
            jacobian(f, x, out=np.zeros((3, 3)), **options)
    assert not calls
    with pytest.raises(ValueError, match=r"out has shape \(4, 3\), but the Jacobian has shape \(3, 3\)"):
        jacobian(f, x, out=np.zeros((4, 3)))
    with pytest.raises(TypeError, match="out has dtype int64"):
        jacobian(f, x, out=np.zeros((3, 3), np.int64))
    for bad in (lambda x: {"a": x}, lambda x: (x, x)):
        with pytest.raises(TypeError, match="of one array with respect to one array"):
            jacobian(bad, x, out=np.zeros((3, 3)))
    with pytest.raises(TypeError, match="of one array with respect to one array"):
        jacobian_blocks(f, {"a": x})
    with pytest.raises(TypeError, match="mode='forward'"):
        list(jacobian_blocks(lambda z: z * 1j, x + 0j, mode="reverse"))
    with pytest.raises(ValueError, match="mode must be"):
        jacobian_blocks(f, x, mode="backward")


def test_compiled_functions_have_no_blocks():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: x * 2.0)
    with pytest.raises(TypeError, match=r"pass f\.py_func"):
        jacobian(f, np.ones(2), out=np.zeros((2, 2)))
    with pytest.raises(TypeError, match=r"pass f\.py_func"):
        jacobian_blocks(f, np.ones(2))


# -- the Hessian as an operator ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])
def test_hessian_operator(n, mode):
    linalg = pytest.importorskip("scipy.sparse.linalg")
    f = lambda x, k=2.0: np.sum(np.cosh(x - 1.0)) + k * np.sum(x * x[::-1]) ** 2
    x = np.linspace(0.5, 1.5, n)
    expected = hessian(f, x)
    H = hessian_operator(f, x, mode=mode)
    assert H.shape == (n, n)
    np.testing.assert_allclose(H @ np.eye(n), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(H.rmatvec(x), expected @ x, rtol=1e-12)
    np.testing.assert_allclose(H @ x, hvp(f, x, x), rtol=1e-12)
    step, info = linalg.cg(H, -gradient(f, x), rtol=1e-10)
    assert info == 0
    np.testing.assert_allclose(expected @ step, -gradient(f, x), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(hessian_operator(f, x, k=0.5) @ x, hvp(partial(f, k=0.5), x, x), rtol=1e-12)


def test_hessian_operator_of_containers_and_other_arguments():
    pytest.importorskip("scipy")
    f = lambda c, p: c * np.sum(p["a"] ** 2 * p["b"])
    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    H = hessian_operator(f, 2.0, p, argnum=1)
    np.testing.assert_allclose(H @ np.eye(3), [[12, 0, 4], [0, 12, 8], [4, 8, 0]])
    with pytest.raises(ValueError, match="scalar"):
        hessian_operator(lambda x: x, np.ones(2))
