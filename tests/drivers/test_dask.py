"""dask arrays of independent points stay lazy; inside f they are refused; a cluster of two processes computes both."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import (
    MixedPointsError,
    derivative,
    gradient,
    hessian,
    jacobian,
    value_and_derivative,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
)

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

POINTS = np.random.default_rng(0).uniform(0.5, 1.5, (10, 3))
LAZY = da.from_array(POINTS, chunks=(4, 2))


def energy(x, scale=1.0):
    return scale * np.sum(np.sin(x) * x[..., ::-1] ** 2, axis=-1)


def field(x):
    return np.stack([x[..., 0] * x[..., 1], x[..., 2] ** 2], axis=-1)


def grid(x):
    return np.sum(x**3, axis=(-2, -1))


CASES = {
    "gradient": lambda x: gradient(energy, x, batch_dims=1),
    "gradient, another argument": lambda x: gradient(lambda c, x: energy(x, c), 2.0, x, argnum=-1, batch_dims=1),
    "reverse": lambda x: gradient(energy, x, batch_dims=1, mode="reverse"),
    "value and gradient": lambda x: value_and_gradient(energy, x, batch_dims=1),
    "jacobian": lambda x: jacobian(field, x, batch_dims=1),
    "value and Jacobian": lambda x: value_and_jacobian(field, x, batch_dims=1),
    "hessian": lambda x: hessian(energy, x, batch_dims=1),
    "value, gradient and Hessian": lambda x: value_gradient_and_hessian(energy, x, batch_dims=1),
    "two axes": lambda x: gradient(energy, x[None] * np.ones((2, 1, 1)), batch_dims=2),
    "two axes of each point": lambda x: gradient(grid, x[..., None] * np.ones(2), batch_dims=1),
    "derivative": lambda x: derivative(np.sin, x),
    "value and derivative": lambda x: value_and_derivative(lambda x: np.exp(x) * x, x),
}


@pytest.mark.parametrize("name", CASES)
def test_points_stay_lazy(name):
    found, expected = CASES[name](LAZY), CASES[name](POINTS)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, da.Array)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        assert len(ours.chunks[0]) > 1 or name == "two axes"
        np.testing.assert_allclose(ours.compute(scheduler="synchronous"), theirs, rtol=1e-15)


def test_f_is_called_when_the_result_is_computed():
    calls = []

    def f(x):
        calls.append(x.shape)
        return energy(x)

    value, slope = value_and_gradient(f, LAZY, batch_dims=1)
    assert calls == [(1, 3), (1, 3)]
    dask.compute(value, slope, scheduler="synchronous")
    assert sorted(calls[2:]) == sorted([(2, 3), (4, 3), (4, 3)] + 3 * [(2, 3)])


def test_refusals():
    with pytest.raises(MixedPointsError):
        gradient(lambda x: energy(x) * np.sum(x), LAZY, batch_dims=1).compute(scheduler="synchronous")
    with pytest.raises(MixedPointsError, match="cannot be divided"):
        derivative(lambda x: np.arange(len(x)) * x, LAZY[:, 0]).compute(scheduler="synchronous")
    with pytest.raises(ValueError, match="no other dask array"):
        gradient(energy, LAZY, LAZY, batch_dims=1)
    with pytest.raises(ValueError, match="no aux"):
        gradient(lambda x: (energy(x), 1), LAZY, batch_dims=1, has_aux=True)
    with pytest.raises(TypeError, match="must return one array"):
        jacobian(lambda x: {"a": x}, LAZY, batch_dims=1)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_dask_arrays_inside_f_say_what_to_do(mode):
    c = da.from_array(np.arange(3.0), chunks=2)
    for f in (
        lambda x: x * c,
        lambda x: np.sum(c * x),
        lambda x: np.concatenate([x, c]),
        lambda x: np.where(c > 1, x, 0.0),
        lambda x: np.einsum("i,i->", c, x),
    ):
        with pytest.raises(TypeError, match="compute it before"):
            jacobian(f, np.ones(3), mode=mode)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_what_dask_computes_inside_f_is_right(mode):
    c = da.from_array(np.arange(3.0), chunks=2)
    x = np.array([0.3, 0.7, 1.1])
    for f, expected in [
        (lambda x: (x * c).sum().compute(), np.arange(3.0)),
        (lambda x: (c * x).compute(), np.diag(np.arange(3.0))),
        (lambda x: da.sin(x), np.diag(np.cos(x))),
        (lambda x: da.from_array(x).sum().compute(), np.ones(3)),
        (lambda x: dask.delayed(np.sin)(x).compute(scheduler="synchronous"), np.diag(np.cos(x))),
    ]:
        np.testing.assert_allclose(jacobian(f, x, mode=mode), expected)


def test_a_cluster_of_two_processes():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        executor = client.get_executor()
        x = np.linspace(0.0, 1.0, 12)
        f = lambda x: np.sin(x) * x[::-1]
        np.testing.assert_array_equal(jacobian(f, x, workers=executor, chunk_size=3), jacobian(f, x, chunk_size=3))
        np.testing.assert_allclose(CASES["gradient"](LAZY).compute(), CASES["gradient"](POINTS), rtol=1e-15)

        def wrong(x):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as info:
            jacobian(wrong, x, workers=executor, chunk_size=6)
        assert info.value.__notes__ == ["jacobian: in directions 0 to 5 of 12 (counted from 0)"]
