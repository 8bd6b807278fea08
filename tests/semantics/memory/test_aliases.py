"""Whatever gives a view in NumPy gives one of dual arrays, and whatever gives a copy a copy.

Programs that write both ways, against the plain program and its central differences: the complex step of
`test_views.py` takes other branches where a dtype tells.
"""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import DualArray, jacobian, jvp, taylor, value_and_jacobian
from dualdiff.scipy import linalg

A = np.array([[0.7, -1.1, 1.9], [1.3, 0.4, -0.8], [-0.6, 2.1, 1.2]])


def differences(f, x, h=1e-6):
    """The Jacobian of f by central differences."""
    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    return np.stack([(f(x + step) - f(x - step)) / (2 * h) for step in steps], -1).reshape(-1, *x.shape)


def as_in_numpy(f, x):
    """Compare value and derivative of a program in every space with those of the plain one; x stays as it is."""
    kept, x = x, x.copy("K")
    expected, J = f(x.copy("K")), differences(f, x)
    for options in ({}, {"chunk_size": 1}, {"chunk_size": 2}, {"mode": "reverse"}):
        found, found_J = value_and_jacobian(f, x, **{"mode": "forward", **options})
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(found_J, J, rtol=1e-7, atol=1e-7)
    found, slope = jvp(f, x, np.cos(x))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(slope, np.tensordot(J, np.cos(x), x.ndim), rtol=1e-6, atol=1e-6)
    v = np.cos(x)
    series, curvature = taylor(f, x, 2, v), jvp(lambda x: jvp(f, x, v)[1], x, v)[1]
    np.testing.assert_array_equal(series[0], expected)
    np.testing.assert_allclose(series[1:], [slope, curvature / 2], rtol=1e-11, atol=1e-11)
    sparse = jacobian(f, x, sparse=True).toarray()
    np.testing.assert_allclose(sparse, J.reshape(sparse.shape), rtol=1e-7, atol=1e-7)
    second = jacobian(jacobian(f, mode="reverse"), x, mode="forward")
    np.testing.assert_allclose(jacobian(jacobian(f, mode="forward"), x, mode="reverse"), second, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(x, kept)


def written_both_ways(view):
    """A program that writes through what may be a view of y, and into y afterwards."""

    def own(y):
        v = view(y)
        v[...] = v * v
        v[-1:] *= y[0, 1]
        y[1] = 2.0 * y[0]
        y *= y
        return np.concatenate([np.ravel(y), np.ravel(v), np.ravel(view(y))])

    return own, lambda x: own(x * x)


SUBSCRIPTS = ["ii->i", "ij->ji", "...ij->...ji", "ij", "ji", "ij->ij", "...->...", "...i->i...", "...ii->i..."]


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
def test_einsum_of_one_operand_is_a_view(subscripts):
    for f in written_both_ways(lambda y: np.einsum(subscripts, y)):
        as_in_numpy(f, A)


def test_einsum_as_lists_is_a_view():
    for view in (lambda y: np.einsum(y, [0, 0], [0]), lambda y: np.einsum(y, [1, 0]), lambda y: np.einsum(y, [..., 1])):
        for f in written_both_ways(view):
            as_in_numpy(f, A)


def test_einsum_with_options_is_what_numpy_makes_it():
    for use in (
        lambda y: np.einsum("ij->i", y),
        # NumPy gives a view of the real numbers.
        lambda y: np.einsum("ij->ji", y, dtype=np.complex128).real,
        lambda y: np.einsum("ij->ji", y, optimize=True),
        lambda y: np.einsum("ii->i", y, order="C", optimize="greedy"),
    ):

        def f(x, use=use):
            y = x * x
            v = use(y)
            v *= 2.0
            return np.concatenate([np.ravel(y), np.ravel(v)])

        as_in_numpy(f, A)


def test_einsum_of_one_operand_leaves_the_callers_array():
    for subscripts in ("ii->i", "ij->ji"):

        def f(x, subscripts=subscripts):
            v = np.einsum(subscripts, x)
            v *= 2.0
            return x * 1.0

        x = A.copy()
        for options in ({"mode": "forward"}, {"mode": "forward", "chunk_size": 1}, {"mode": "reverse"}):
            jacobian(f, x, **options)
            np.testing.assert_array_equal(x, A)


def test_view_of_a_small_view_in_every_space():
    """A record takes copies of small views for its coefficients; what only rearranges them must remain a view."""

    def f(x):
        y = x * x
        v = np.reshape(y[0, :2], (2, 1))
        w = np.transpose(y[1:, :1])
        v[...] = 5.0 * y[2, 2]
        y[1, 0] = y[0, 2]
        w *= w
        return np.concatenate([np.ravel(y), np.ravel(v), np.ravel(w)])

    as_in_numpy(f, np.concatenate([A, A + 0.3], axis=1))


ASTYPE = {
    "keyword": lambda y: y.astype(float, copy=False),
    "position": lambda y: y.astype(np.float64, "K", "unsafe", True, False),
    "function": lambda y: np.astype(y, np.float64, copy=False),
    "order that fits": lambda y: y.astype(float, order="C", copy=False),
    "order that does not fit": lambda y: y.astype(float, order="F", copy=False),
    "other dtype": lambda y: y.astype(complex, copy=False).real,
    "copy": lambda y: y.astype(float, "K", "unsafe", True, True),
    "copy of a transposed array": lambda y: y.T.astype(float),
}


@pytest.mark.parametrize("name", ASTYPE)
def test_astype_copies_where_numpy_does(name):
    for f in written_both_ways(ASTYPE[name]):
        as_in_numpy(f, A)


def test_astype_without_a_copy_is_the_array_itself():
    y = DualArray(A, A)
    assert y.astype(float, copy=False) is y
    assert np.astype(y, float, copy=False) is y
    assert y.astype(np.float32, copy=False).dtype == np.float32
    np.testing.assert_array_equal(y.astype(np.float32, copy=False).tangent, A.astype(np.float32))
    assert y.astype(complex, "C", "safe", copy=False).dtype == complex
    with pytest.raises(TypeError, match="Cannot cast"):
        y.astype(np.float32, casting="safe", copy=False)
    x = A.copy()
    jacobian(lambda x: x.astype(float, "K", "unsafe", True, False).__imul__(2.0), x, mode="forward")
    np.testing.assert_array_equal(x, A)


NOTHING_TO_DO = {
    "polyint(v, 0)": lambda y: np.polyint(y[0], 0),
    "polyint(v, m=0)": lambda y: np.polyint(y[0], m=0),
    "polyder(v, 0)": lambda y: np.polyder(y[:, 1], 0),
    "fftn over no axis": lambda y: np.fft.fftn(y, axes=()),
    "ifft2 over no axis": lambda y: np.fft.ifft2(y[0], axes=()),
    "matrix_power(y, 1)": lambda y: np.linalg.matrix_power(y, 1),
    "matrix_power(y, 0)": lambda y: np.linalg.matrix_power(y, 0) * y,
    "y.conj()": lambda y: y.conj(),
    "y.conjugate()": lambda y: y.T.conjugate(),
    "np.conjugate copies": np.conjugate,
    "np.conj copies": lambda y: np.conj(y[0]),
    "block copies": np.block,
    "block of a list copies": lambda y: np.block([[y]]),
    "squeeze": lambda y: np.squeeze(y[None]),
    "squeeze of nothing": np.squeeze,
    "real": np.real,
    "y.real": lambda y: y.T.real,
    "real_if_close": np.real_if_close,
    "atleast_1d": np.atleast_1d,
    "atleast_2d": lambda y: np.atleast_2d(y[0], y)[0],
    "atleast_3d": lambda y: np.atleast_3d(y)[:, :, 0],
    "nan_to_num(copy=False)": lambda y: np.nan_to_num(y, copy=False),
    "nan_to_num copies": lambda y: np.nan_to_num(y[0]),
    "roll copies": lambda y: np.roll(y, 0),
    "resize copies": lambda y: np.resize(y, y.shape),
    "rot90 of no turn": lambda y: np.rot90(y, 4),
    "rot90": np.rot90,
    "broadcast_arrays of one shape": lambda y: np.broadcast_arrays(y, np.zeros((3, 3)))[0],
    "meshgrid(copy=False)": lambda y: np.meshgrid(y[0], copy=False)[0],
    "meshgrid(copy=False, sparse=True)": lambda y: np.meshgrid(y[0], [0.0, 1.0], copy=False, sparse=True)[0],
    "meshgrid copies": lambda y: np.meshgrid(y[0], y[1])[1],
    "require": lambda y: np.require(y, like=y),
    "ascontiguousarray": lambda y: np.ascontiguousarray(y, like=y),
    "ascontiguousarray copies": lambda y: np.ascontiguousarray(y.T, like=y),
    "asfortranarray": lambda y: np.asfortranarray(y.T, like=y),
    "asanyarray": lambda y: np.asanyarray(y, like=y),
    "array(copy=False)": lambda y: np.array(y, copy=False, like=y),
    "array copies": lambda y: np.array(y, like=y),
}


@pytest.mark.parametrize("name", NOTHING_TO_DO)
def test_a_call_that_has_nothing_to_do_gives_what_numpy_gives(name):
    for f in written_both_ways(NOTHING_TO_DO[name]):
        if "fft" in name or "real_if" in name:
            as_in_numpy(lambda x, f=f: np.real(f(x)), A)
        else:
            as_in_numpy(f, A)


def test_fractional_matrix_power_of_one_is_the_array_itself():
    pytest.importorskip("scipy")
    for view in (
        lambda y: linalg.fractional_matrix_power(y, 1),
        lambda y: linalg.fractional_matrix_power(y, 1.0),
        lambda y: linalg.fractional_matrix_power(A=y, t=1),
        lambda y: linalg.fractional_matrix_power(y, 0) * y,
    ):
        for f in written_both_ways(view):
            as_in_numpy(f, A)


def test_broadcast_arrays_are_writeable_as_long_as_numpy_has_them_so():
    """Of repeated elements NumPy warns, and the last one written stays."""

    def f(x):
        y = x * x
        for v in np.broadcast_arrays(y[0], y)[0], np.meshgrid(y[:, 0], [0.0, 1.0], copy=False)[0]:
            v[0, 1] = y[2, 2]
            v[1] *= v[1, 0]
            y[0, 0] = 3.0 * y[1, 1]
        return np.ravel(y)

    with pytest.warns(DeprecationWarning, match="broadcast"):
        as_in_numpy(f, A)


FLAT = {
    "y.flat[::-1] = y.flat": lambda y: y.flat.__setitem__(slice(None, None, -1), y.flat),
    "y.flat[1:] = y.flat": lambda y: y.flat.__setitem__(slice(1, None), y.flat),
    "y.flat[1:] = y[:2]": lambda y: y.flat.__setitem__(slice(1, None), y[:2]),
    "y.flat[...] = y.T": lambda y: y.flat.__setitem__(..., y.T),
    "y.flat[[2, 1, 0]] = y[1:]": lambda y: y.flat.__setitem__([2, 1, 0], y[1:]),
    "y.flat[mask] = y": lambda y: y.flat.__setitem__(np.arange(9) % 2 == 1, y),
    "y.T.flat[1:] = y": lambda y: y.T.flat.__setitem__(slice(1, None), y),
    "y.flat = y[::-1]": lambda y: setattr(y, "flat", y[::-1]),
    "y.T.flat = y[::-1]": lambda y: setattr(y.T, "flat", y[::-1]),
    "y[0].flat = y[1, ::-1]": lambda y: setattr(y[0], "flat", y[0, ::-1]),
    "y.flat = y.flat": lambda y: setattr(y, "flat", y.flat),
    "y[0, ::-1] = y[1].flat": lambda y: y[0, ::-1].__setitem__(..., y[0].flat),
}


@pytest.mark.parametrize("name", FLAT)
def test_writing_what_overlaps_through_flat(name):
    def f(x):
        y = x * x
        FLAT[name](y)
        return np.ravel(y)

    as_in_numpy(f, A)


def test_views_of_an_array_without_axes():
    def f(x):
        y = np.copy(x)
        np.atleast_1d(y)[0] = x * x
        np.reshape(y, (1, 1))[...] *= 3.0
        np.expand_dims(y, 0)[[True]] = y * x
        np.ravel(y)[:0] = 7.0
        np.atleast_3d(y)[0, 0] += y
        np.ravel(y)[[0, 0]] = np.stack([y, 5.0 * y])
        return y * 1.0

    as_in_numpy(lambda x: np.ravel(f(x)), np.array(1.3))


def test_roll_by_a_boolean():
    np.testing.assert_array_equal(jacobian(lambda x: np.roll(x, True), A[0], mode="reverse"), np.roll(np.eye(3), 1, 0))


def test_clip_without_bounds():
    y = DualArray(A, A)
    assert np.clip(y, None, None, order="F").flags.f_contiguous
    assert type(np.clip(DualArray(1.5, 1.0), None, None)) is type(+DualArray(1.5, 1.0))
