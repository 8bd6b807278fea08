"""Functions that choose and arrange, of scalars, arrays without axes and arrays, nested three deep."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative

CALLS = {
    "select": lambda x: np.select([x > 0, x <= 0], [x**4, x]),
    "where": lambda x: np.where(x > 0, x**4, x),
    "choose": lambda x: np.choose(0 * np.asarray(np.shape(x), int).sum(), [x**4, x]),
    "piecewise": lambda x: np.piecewise(x, [x > 0, x <= 0], [lambda v: v**4, lambda v: v]),
    "clip": lambda x: np.clip(x**4, -100.0, 100.0),
    "maximum": lambda x: np.maximum(x**4, x - 10.0),
    "nan_to_num": lambda x: np.nan_to_num(x**4),
    "stack": lambda x: np.stack([x**4, x])[0],
    "concatenate": lambda x: np.concatenate([np.atleast_1d(x**4), np.ones(1)])[:-1].reshape(np.shape(x)),
    "broadcast_to": lambda x: np.broadcast_to(x**4, np.shape(x)),
    "reshape": lambda x: np.reshape(np.ravel(x**4), np.shape(x)),
    "squeeze": lambda x: np.squeeze(np.expand_dims(x**4, 0), 0),
    "flip": lambda x: np.flip(np.flip(np.atleast_1d(x**4))).reshape(np.shape(x)),
    "copy": lambda x: np.copy(x**4),
    "atleast_2d": lambda x: np.atleast_2d(x**4).reshape(np.shape(x)),
    "item of a list": lambda x: np.array([x**4, x], like=x)[0],
}


@pytest.mark.parametrize("x", [1.5, np.float64(1.5), np.array(1.5), np.array([1.5, 0.7])], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_third_derivatives(name, x):
    third = derivative(derivative(derivative(CALLS[name])))(x)
    np.testing.assert_allclose(third, 24 * x, rtol=1e-14)
