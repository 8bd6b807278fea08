"""dualdiff.scipy.fft, compared with the matrices of SciPy's transforms, column by column."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import adapt, derivative, gradient, hessian, jacobian, jvp, nth_derivative, value
from dualdiff.scipy import fft
from tests.support.against import assert_near, assert_same

scipys = pytest.importorskip("scipy.fft")

X = np.random.default_rng(0).standard_normal((3, 5))
ONE = [{}, {"n": 7}, {"n": 3, "axis": 0, "norm": "ortho"}, {"n": 2, "norm": "forward", "axis": -2}]
SEVERAL = [{}, {"s": (2, 6)}, {"s": (2, 6), "axes": (1, 0), "norm": "ortho"}, {"s": (3, -1), "axes": (0, 1)}]
HANKEL = [{"dln": 0.1, "mu": 0.5, "offset": 0.2}, {"dln": 0.1, "mu": 0.5, "offset": 0.2, "bias": 0.3}]
TRIGONOMETRIC = [
    {"type": kind, "norm": norm, "orthogonalize": orthogonalize, **one}
    for kind in (1, 2, 3, 4)
    for norm, orthogonalize in ((None, None), ("ortho", None), ("forward", True), ("ortho", False))
    for one in ({}, {"n": 4, "axis": 0})
]
CALLS = [
    *((name, o) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for o in ONE),
    *((name + end, o) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for end in "2n" for o in SEVERAL),
    *((name, o) for name in ("dct", "idct", "dst", "idst") for o in TRIGONOMETRIC),
    *((name, {"type": k, **o}) for name in ("dctn", "idctn", "dstn", "idstn") for k, o in enumerate(SEVERAL, 1)),
    *((name, o) for name in ("fht", "ifht") for o in HANKEL),
    *((name, o) for name in ("fftshift", "ifftshift") for o in ({}, {"axes": 1})),
]


def matrix(f, x):
    """The derivative of a linear function, by its images of the unit vectors."""
    return np.stack([f(e.reshape(x.shape)) for e in np.eye(x.size)], -1).reshape((*f(x).shape, *x.shape))


def test_every_function_is_called_here():
    assert {*fft.__all__} == {name for name, _ in CALLS} | {"fftfreq", "rfftfreq"}


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_transforms(name, options):
    def ours(x):
        return getattr(fft, name)(x, **options)

    def theirs(x):
        return getattr(scipys, name)(x, **options)

    expected = matrix(theirs, X)
    assert_near(jacobian(ours, X), expected, 1e-13)
    assert_near(jacobian(ours, X, mode="reverse"), expected, 1e-13)
    found, slope = jvp(ours, X, np.cos(X))
    assert_same(found, theirs(X))
    assert_near(slope, theirs(np.cos(X)), 1e-13)
    assert_same(ours(X), theirs(X))


@pytest.mark.parametrize("name", ["fft", "irfft", "dct", "dstn", "fht"])
def test_higher_orders_and_spaces(name):
    options = HANKEL[1] if name == "fht" else {}

    def f(t):
        return np.sum(np.abs(getattr(fft, name)(np.sin(t * X[0]), **options)) ** 2)

    step = 1e-3
    slopes = [derivative(f, 0.3 + k * step) for k in (-2, -1, 1, 2)]
    expected = (slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]) / (12 * step)
    assert_near(derivative(derivative(f), 0.3), expected, 1e-9)
    assert_near(nth_derivative(f, 0.3, 2), expected, 1e-9)
    assert_near(derivative(lambda t: gradient(f, t, mode="reverse"), 0.3), expected, 1e-9)


def test_a_sparse_jacobian_and_a_hessian():
    quadratic = hessian(lambda x: np.sum(fft.dct(x, norm="ortho") ** 2), X[0])
    assert_near(quadratic, 2 * np.eye(5), 1e-14)
    found = jacobian(lambda x: fft.dct(x, axis=0), X, sparse=True)
    expected = matrix(lambda x: scipys.dct(x, axis=0), X).reshape(15, 15)
    assert found.nnz == 45
    assert_near(found.toarray(), expected, 1e-14)


def test_complex_and_single_precision():
    z = X[0] + 1j * X[1]
    for name in ("fft", "dct"):
        found = jacobian(getattr(fft, name), z)
        assert_near(found, matrix(getattr(scipys, name), z), 1e-13)
    single, slope = jvp(fft.dct, X.astype(np.float32), X.astype(np.float32))
    assert single.dtype == slope.dtype == np.float32
    assert_same(single, scipys.dct(X.astype(np.float32)))


def test_overwritten_arrays_keep_their_tangents():
    def f(x):
        y = np.sin(x)
        return np.real(fft.dct(y, overwrite_x=True)) + y

    assert_near(jacobian(f, X[0]), (matrix(scipys.dct, X[0]) + np.eye(5)) * np.cos(X[0]), 1e-14)


def test_frequencies():
    for name in ("fftfreq", "rfftfreq"):
        found, slope = jvp(lambda d, name=name: getattr(fft, name)(6, d), 0.3, 1.0)
        assert_same(found, getattr(scipys, name)(6, 0.3))
        assert_near(slope, -getattr(scipys, name)(6, 0.3) / 0.3, 1e-14)


def test_other_parameters_and_other_functions_refuse_duals():
    with pytest.raises(TypeError, match="a dual number as dln= of dualdiff"):
        derivative(lambda t: fft.fht(X[0], t, 0.5), 0.1)
    with pytest.raises(TypeError, match="fhtoffset has no derivative rule"):
        derivative(lambda t: fft.fhtoffset(t, 0.5), 0.1)
    assert fft.next_fast_len(11) == scipys.next_fast_len(11)


def test_scipys_own_functions():
    def f(x):
        return np.sum(scipys.dct(x) ** 2)

    with pytest.raises(TypeError) as error:
        gradient(f, X[0])
    assert "write dualdiff.scipy.fft.dct" in "".join(error.value.__notes__)
    assert_near(gradient(adapt(f), X[0]), gradient(lambda x: np.sum(fft.dct(x) ** 2), X[0]), 1e-14)
    assert value(f(X[0])) == f(X[0])
