"""numpy.fft: every transform with its keywords, in every space."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import NotHolomorphicError, derivative, gradient, jacobian, jvp, linearize, value_and_jacobian, vjp
from tests.support.against import assert_near, assert_same, check, check_complex, check_float32

X = np.array([0.7, -1.2, 2.1, 0.4, -0.3])
MATRIX = np.random.default_rng(11).normal(size=(3, 4))
CUBE = np.random.default_rng(12).normal(size=(2, 3, 4))

#: Transforms of complex and of real arrays: their arguments and options.
COMPLEX = {
    "fft": (X, lambda x: np.fft.fft(x)),
    "fft longer": (X, lambda x: np.fft.fft(x, 8)),
    "fft shorter": (X, lambda x: np.fft.fft(x, n=3)),
    "fft of one": (X, lambda x: np.fft.fft(x, 1)),
    "fft along the first axis": (MATRIX, lambda x: np.fft.fft(x, axis=0)),
    "fft ortho": (MATRIX, lambda x: np.fft.fft(x, 5, -2, "ortho")),
    "fft forward": (X, lambda x: np.fft.fft(x, norm="forward")),
    "fft backward": (X, lambda x: np.fft.fft(x, norm="backward")),
    "ifft": (X, lambda x: np.fft.ifft(x)),
    "ifft longer along the first axis": (MATRIX, lambda x: np.fft.ifft(x, 5, axis=0)),
    "ifft shorter": (X, lambda x: np.fft.ifft(x, 2, norm="forward")),
    "irfft": (X, lambda x: np.fft.irfft(x)),
    "irfft odd": (X, lambda x: np.fft.irfft(x, 9)),
    "irfft longer": (X, lambda x: np.fft.irfft(x, 12)),
    "irfft shorter": (X, lambda x: np.fft.irfft(x, 4)),
    "irfft shorter and odd": (X, lambda x: np.fft.irfft(x, 5)),
    "irfft of one": (X, lambda x: np.fft.irfft(x, 1)),
    "irfft along the first axis": (MATRIX, lambda x: np.fft.irfft(x, axis=0, norm="ortho")),
    "hfft": (X, lambda x: np.fft.hfft(x)),
    "hfft odd": (X, lambda x: np.fft.hfft(x, 7, norm="forward")),
    "hfft along the first axis": (MATRIX, lambda x: np.fft.hfft(x, axis=0, norm="ortho")),
    "fft2": (MATRIX, lambda x: np.fft.fft2(x)),
    "fft2 of a shape": (CUBE, lambda x: np.fft.fft2(x, (4, 2), axes=(0, -1))),
    "ifft2": (CUBE, lambda x: np.fft.ifft2(x, norm="ortho")),
    "fftn": (CUBE, lambda x: np.fft.fftn(x)),
    "fftn twice along one axis": (MATRIX, lambda x: np.fft.fftn(x, axes=(1, 1))),
    "fftn of a shape": (CUBE, lambda x: np.fft.fftn(x, (-1, 3), (2, 0), "forward")),
    "ifftn": (CUBE, lambda x: np.fft.ifftn(x, axes=(1,))),
    "irfftn": (CUBE, lambda x: np.fft.irfftn(x)),
    "irfftn of a shape": (CUBE, lambda x: np.fft.irfftn(x, s=(3, 5), axes=(2, 1))),
    "irfft2": (MATRIX, lambda x: np.fft.irfft2(x, s=(3, 7), axes=(0, 1), norm="ortho")),
    "fftshift": (CUBE, lambda x: np.fft.fftshift(x) ** 2),
    "fftshift of axes": (CUBE, lambda x: np.fft.fftshift(x, axes=(0, 2)) ** 2),
    "ifftshift": (CUBE, lambda x: np.fft.ifftshift(x, 1) ** 2),
}
REAL = {
    "rfft": (X, lambda x: np.fft.rfft(x)),
    "rfft even": (X, lambda x: np.fft.rfft(x, 4)),
    "rfft longer": (X, lambda x: np.fft.rfft(x, n=8, norm="ortho")),
    "rfft along the first axis": (MATRIX, lambda x: np.fft.rfft(x, axis=0, norm="forward")),
    "ihfft": (X, lambda x: np.fft.ihfft(x)),
    "ihfft even": (X, lambda x: np.fft.ihfft(x, 6, norm="ortho")),
    "ihfft along the first axis": (MATRIX, lambda x: np.fft.ihfft(x, axis=0)),
    "rfft2": (CUBE, lambda x: np.fft.rfft2(x)),
    "rfftn": (CUBE, lambda x: np.fft.rfftn(x, norm="ortho")),
    "rfftn of a shape": (CUBE, lambda x: np.fft.rfftn(x, (3, 5), axes=(2, 1))),
}


def parts(z):
    """Nonlinear functions of real and imaginary parts, which have second derivatives."""
    return np.stack([z.real**2, z.imag * z.real])


@pytest.mark.parametrize("name", [*COMPLEX, *REAL])
def test_of_real_input(name):
    x, f = (COMPLEX | REAL)[name]
    check(lambda x: parts(f(x)), x)
    expected = f(x)
    found, J = value_and_jacobian(lambda x: f(x).real, x)
    assert_same(found, expected.real)
    assert J.dtype == float
    check_float32(lambda x: f(x).imag + f(x).real, x)


@pytest.mark.parametrize("name", COMPLEX)
def test_of_complex_input(name):
    x, f = COMPLEX[name]
    check_complex(f, x)


@pytest.mark.parametrize("name", [*COMPLEX, *REAL])
def test_dot_product(name):
    """Re sum(pull(w) v) = Re sum(w J v), for complex v where the transform accepts them."""
    x, f = (COMPLEX | REAL)[name]
    rng = np.random.default_rng(13)

    def numbers(like):
        return rng.normal(size=np.shape(like)) + (1j * rng.normal(size=np.shape(like)) if np.iscomplexobj(like) else 0)

    if name in COMPLEX:
        x = x + 1j * rng.normal(size=x.shape)
    v = numbers(x)
    y, slope = jvp(f, x, v)
    w = numbers(y)
    pulled = vjp(f, x)[1](w)
    assert pulled.dtype == x.dtype
    assert_near(np.sum(pulled * v).real, np.sum(w * slope).real, 1e-12)
    if name in REAL:
        assert_near(linearize(f, x)[1](v), slope, 1e-14)


@pytest.mark.parametrize("name", [*COMPLEX, *REAL])
def test_linear(name):
    """The derivative of a linear function along x is the function."""
    x, f = (COMPLEX | REAL)[name]
    if not name.endswith("shift") and "shift " not in name:
        assert_near(jvp(f, x, x)[1], f(x), 1e-14)


def test_out_takes_the_result():
    z = X + 0.5j

    def f(z):
        out = np.zeros_like(z)
        assert np.fft.fft(z, out=out) is out
        return out

    assert_near(jacobian(f, z), np.fft.fft(np.eye(5), axis=0), 1e-14)
    with pytest.raises(TypeError, match="holds plain values"):
        jacobian(lambda z: np.fft.fft(z, out=np.empty(5, complex)), z)


def test_frequencies_follow_their_spacing():
    f = lambda d: np.fft.fftfreq(5, d)
    found, slope = jvp(f, 0.3, 1.0)
    assert_same(found, f(0.3))
    assert_near(slope, -f(0.3) / 0.3)
    _, slope = jvp(lambda d: np.fft.rfftfreq(5, d), 0.3, 1.0)
    assert_near(slope, -np.fft.rfftfreq(5, 0.3) / 0.3)


def test_holomorphic_or_not():
    z = X + 0.5j
    assert_near(jacobian(np.fft.fft, z), np.fft.fft(np.eye(5), axis=0), 1e-14)
    for f in (np.fft.irfft, np.fft.hfft):
        with pytest.raises(NotHolomorphicError):
            jacobian(f, z)


def test_spectral_derivative():
    """The derivative of the trigonometric interpolant of sin(a t) with respect to a."""
    t = 2 * np.pi * np.arange(16) / 16

    def power(a):
        spectrum = np.fft.rfft(np.sin(a * t))
        slope = np.fft.irfft(1j * np.arange(9) * spectrum)
        return np.mean(slope**2)

    h = 1e-4
    expected = (8 * (power(1.3 + h) - power(1.3 - h)) - (power(1.3 + 2 * h) - power(1.3 - 2 * h))) / (12 * h)
    assert_near(derivative(power, 1.3), expected, 1e-10)
    for mode in ("forward", "reverse"):
        assert_near(gradient(lambda a: power(a[0]), np.array([1.3]), mode=mode), np.array([expected]), 1e-10)


def test_batches_of_points_are_transformed_one_by_one():
    x = np.random.default_rng(14).normal(size=(6, 5))
    f = lambda x: np.sum(np.abs(np.fft.fft(x, axis=-1)) ** 4, axis=-1)
    assert_near(gradient(f, x, batch_dims=1), np.stack([gradient(f, row) for row in x]), 1e-12)


def test_no_warning_and_no_value_but_numpys():
    with np.errstate(all="raise"):
        x = np.zeros(4)
        found, J = value_and_jacobian(lambda x: np.fft.fft(x).real, x)
        assert_same(found, np.fft.fft(x).real)
        assert np.isfinite(J).all()


@pytest.mark.parametrize(
    "f", [lambda x: np.fft.fft(x, 0), lambda x: np.fft.fft(x, norm="x"), lambda x: np.fft.fft(x, axis=3)]
)
def test_refuses_what_numpy_refuses(f):
    with pytest.raises((ValueError, IndexError)) as expected:
        f(X)
    with pytest.raises(expected.type):
        jacobian(f, X)
