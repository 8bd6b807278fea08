"""``dualdiff.scipy.interpolate``: splines and piecewise polynomials against differences of SciPy's."""

# ruff: noqa: E402
from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

si = pytest.importorskip("scipy.interpolate")

import dualdiff.scipy.interpolate.bsplines
import dualdiff.scipy.interpolate.piecewise
import dualdiff.scipy.interpolate.univariate
from dualdiff import LostDerivativeError, NoRuleError, adapt, derivative, gradient, jacobian, taylor
from dualdiff.scipy import interpolate
from tests.scipy.interpolate.cases import checked, compare
from tests.support.versions import SCIPY_1_15

#: Degrees of interpolating splines.
DEGREES = (1, 2, 3, 4) if SCIPY_1_15 else (1, 3)
RNG = np.random.default_rng(1)
X = np.array([0.3, 0.9, 1.6, 2.0, 2.9, 3.3, 4.1])
Y = RNG.standard_normal(7)
Q = np.array([0.5, 1.1, 1.7, 2.5, 3.9])
T = np.array([0, 0, 0, 0, 1, 1.5, 2.2, 3, 4, 4, 4, 4.0])
C = RNG.standard_normal(8)
KNOTS = np.array([-0.4, 0.1, 0.5, 2.3, 3.7, 4.4])
B = RNG.standard_normal((4, 6))
MANY = np.linspace(0.0, 4.0, 20)
DATA = RNG.standard_normal(20)
W = RNG.uniform(1.0, 2.0, 20)


@pytest.fixture(autouse=True)
def _formulas_have_the_values_of_scipy(monkeypatch):
    """The tangents belong to formulas of our own, whose values are compared with SciPy's in every test."""
    for module in ("bsplines", "piecewise", "univariate"):
        module = getattr(dualdiff.scipy.interpolate, module)
        monkeypatch.setattr(module, "revalued", checked(module.revalued))


def padded(c):
    return T, np.concatenate([c, np.zeros(4)]), 3


def closed(y):
    return np.concatenate([y, y[:1]])


OF_XYQ = {
    **{
        f"CubicSpline {bc}": lambda m, x, y, q, bc=bc: m.CubicSpline(x, y, bc_type=bc)(q)
        for bc in ("not-a-knot", "natural", "clamped", ((1, 0.3), (2, -0.4)), ("not-a-knot", (1, 0.2)))
    },
    **{f"CubicSpline of {n}": lambda m, x, y, q, n=n: m.CubicSpline(x[:n], y[:n])(q[:2]) for n in (2, 3, 4)},
    **{
        f"periodic CubicSpline of {n}": lambda m, x, y, q, n=n: m.CubicSpline(
            x[:n], closed(y[: n - 1]), bc_type="periodic"
        )(q)
        for n in (3, 4, 7)
    },
    "CubicSpline.derivative": lambda m, x, y, q: m.CubicSpline(x, y).derivative()(q),
    "CubicSpline nu=2": lambda m, x, y, q: m.CubicSpline(x, y)(q, 2),
    "CubicSpline.antiderivative": lambda m, x, y, q: m.CubicSpline(x, y).antiderivative(2)(q),
    "CubicSpline.integrate": lambda m, x, y, q: m.CubicSpline(x, y).integrate(q[3], q[1]),
    "CubicSpline.integrate periodic": lambda m, x, y, q: m.CubicSpline(x, y).integrate(
        -7.3 * q[0], 3.1 * q[4], "periodic"
    ),
    "CubicHermiteSpline": lambda m, x, y, q: m.CubicHermiteSpline(x, y, y[::-1])(q),
    "PchipInterpolator": lambda m, x, y, q: m.PchipInterpolator(x, y)(q),
    "PchipInterpolator, monotone": lambda m, x, y, q: m.PchipInterpolator(x, np.cumsum(np.abs(y)))(q),
    "PchipInterpolator of 2": lambda m, x, y, q: m.PchipInterpolator(x[:2], y[:2])(q[:1]),
    "pchip_interpolate": lambda m, x, y, q: m.pchip_interpolate(x, y, q, der=1),
    "akima": lambda m, x, y, q: m.Akima1DInterpolator(x, y)(q),
    "makima": lambda m, x, y, q: m.Akima1DInterpolator(x, y, method="makima")(q),
    **{f"make_interp_spline k={k}": lambda m, x, y, q, k=k: m.make_interp_spline(x, y, k)(q) for k in DEGREES},
    "make_interp_spline clamped": lambda m, x, y, q: m.make_interp_spline(x, y, bc_type="clamped")(q),
    "make_interp_spline natural": lambda m, x, y, q: m.make_interp_spline(x, y, bc_type="natural").derivative()(q),
    "make_interp_spline ends": lambda m, x, y, q: m.make_interp_spline(
        x, y, bc_type=([(1, q[0])], [(2, 0.3)])
    ).antiderivative()(q),
}


@pytest.mark.parametrize("case", OF_XYQ.values(), ids=OF_XYQ)
def test_abscissae_data_and_points(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), X, Y, Q)


OF_COEFFICIENTS = {
    "BSpline": lambda m, c, q: m.BSpline(T, c, 3)(q),
    "BSpline nu": lambda m, c, q: m.BSpline(T, c, 3)(q, 1),
    "BSpline periodic": lambda m, c, q: m.BSpline(T, c, 3, extrapolate="periodic")(q),
    "BSpline.derivative": lambda m, c, q: m.BSpline(T, c, 3).derivative(2)(q),
    "BSpline.integrate": lambda m, c, q: m.BSpline(T, c, 3).integrate(q[0], q[1]),
    "BSpline.integrate inside": lambda m, c, q: m.BSpline(T, c, 3).integrate(q[0], q[5], False),
    "BSpline.integrate periodic": lambda m, c, q: m.BSpline(T, c, 3).integrate(q[0], 9.1, "periodic"),
    "BSpline.insert_knot": lambda m, c, q: m.BSpline(T, c, 3).insert_knot(1.2)(q),
    "splev": lambda m, c, q: m.splev(q, padded(c)),
    "splev, zero outside": lambda m, c, q: m.splev(q, padded(c), ext=1),
    "splev, constant outside": lambda m, c, q: m.splev(q, padded(c), ext=3),
    "splder": lambda m, c, q: m.splev(q, m.splder(padded(c))),
    "splantider": lambda m, c, q: m.splev(q, m.splantider(padded(c))),
    "splint": lambda m, c, q: m.splint(q[0], q[3], padded(c)),
    "PPoly.from_spline": lambda m, c, q: m.PPoly.from_spline(m.BSpline(T, c, 3))(q),
}


@pytest.mark.parametrize("case", OF_COEFFICIENTS.values(), ids=OF_COEFFICIENTS)
def test_coefficients_and_points(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), C, KNOTS)


def test_knots():
    t = np.sort(RNG.uniform(0, 4, 12))
    compare(lambda t: interpolate.BSpline(t, C, 3)(KNOTS), lambda t: si.BSpline(t, C, 3)(KNOTS), t)


OF_PIECES = {
    "PPoly, decreasing": lambda m, c, q: m.PPoly(c, X[::-1])(q),
    "BPoly": lambda m, c, q: m.BPoly(c, X)(q),
    "BPoly nu": lambda m, c, q: m.BPoly(c, X)(q, 1),
    "BPoly.derivative": lambda m, c, q: m.BPoly(c, X).derivative(2)(q),
    "BPoly.antiderivative": lambda m, c, q: m.BPoly(c, X).antiderivative()(q),
    "BPoly.integrate": lambda m, c, q: m.BPoly(c, X).integrate(q[0], q[1]),
    "PPoly.from_bernstein_basis": lambda m, c, q: m.PPoly.from_bernstein_basis(m.BPoly(c, X))(q),
    "BPoly.from_power_basis": lambda m, c, q: m.BPoly.from_power_basis(m.PPoly(c, X))(q),
}


@pytest.mark.parametrize("case", OF_PIECES.values(), ids=OF_PIECES)
def test_pieces(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), B, Q)


OF_DATA = {
    "CubicSpline.roots": lambda m, y: m.CubicSpline(X, y).roots(extrapolate=False),
    "CubicSpline.solve": lambda m, y: m.CubicSpline(X, y).solve(0.1, extrapolate=False),
    "make_interp_spline periodic": lambda m, y: m.make_interp_spline(X, closed(y[:-1]), bc_type="periodic")(Q),
    "splrep": lambda m, y: m.splev(Q, m.splrep(X, y)),
    "splrep k=2": lambda m, y: m.splev(Q, m.splrep(X, y, k=2, w=np.arange(1.0, 8), s=0)),
    "sproot": lambda m, y: m.sproot(m.splrep(X, y)),
    "UnivariateSpline": lambda m, y: m.UnivariateSpline(X, y, s=0, k=2)(Q, 1),
    "InterpolatedUnivariateSpline": lambda m, y: m.InterpolatedUnivariateSpline(X, y)(Q),
    "its derivative": lambda m, y: m.InterpolatedUnivariateSpline(X, y).derivative()(Q),
    "its antiderivative": lambda m, y: m.InterpolatedUnivariateSpline(X, y).antiderivative()(Q),
    "its integral": lambda m, y: m.InterpolatedUnivariateSpline(X, y).integral(0.5, 3.0),
    "its derivatives": lambda m, y: m.InterpolatedUnivariateSpline(X, y).derivatives(2.1),
    "its roots": lambda m, y: m.InterpolatedUnivariateSpline(X, y).roots(),
}


@pytest.mark.parametrize("case", OF_DATA.values(), ids=OF_DATA)
def test_data(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), Y)


OF_WEIGHTS = {
    "make_lsq_spline": lambda m, y, w: m.make_lsq_spline(MANY, y, T, 3, w=w)(Q),
    "splrep with knots": lambda m, y, w: m.splev(Q, m.splrep(MANY, y, w=w, t=[1, 2, 3.0])),
    "LSQUnivariateSpline": lambda m, y, w: m.LSQUnivariateSpline(MANY, y, [1, 2, 3.0], w)(Q),
    "its residual": lambda m, y, w: m.LSQUnivariateSpline(MANY, y, [1, 2, 3.0], w).get_residual(),
}


@pytest.mark.parametrize("case", OF_WEIGHTS.values(), ids=OF_WEIGHTS)
def test_data_and_weights(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), DATA, W, tolerance=1e-6)


@pytest.mark.parametrize("name", ["CubicSpline", "make_interp_spline"])
def test_axes_and_complex_data(name):
    y = RNG.standard_normal((2, 7, 2))
    ours, scipys = (lambda y, q, m=m: getattr(m, name)(X, y, axis=1)(q) for m in (interpolate, si))
    compare(ours, scipys, y, Q.reshape(1, 5)[:, :3], second=False)
    z = Y + 1j * Y[::-1]
    slope = derivative(lambda t: getattr(interpolate, name)(X, z * t)(Q), 2.0)
    np.testing.assert_allclose(slope, getattr(si, name)(X, z)(Q), rtol=1e-12)


def test_other_spaces():
    """The sparse space, series, three nested derivatives."""
    f = lambda y: interpolate.CubicSpline(X, y)(Q)
    dense = jacobian(f, Y)
    np.testing.assert_allclose(jacobian(f, Y, sparse=True).toarray(), dense, rtol=1e-12)
    pieces = interpolate.PPoly(B, X)
    third = derivative(derivative(derivative(pieces)))(1.7)
    assert third == pytest.approx(float(si.PPoly(B, X)(1.7, 3)))
    series = taylor(lambda t: interpolate.CubicSpline(X, Y * (1 + t * t))(1.7 + t), 0.0, 3)
    spline = si.CubicSpline(X, Y)
    at = [float(spline(1.7, i)) for i in range(4)]
    assert list(series) == pytest.approx([at[0], at[1], at[2] / 2 + at[0], at[3] / 6 + at[1]])


def test_at_a_knot_the_piece_on_the_right():
    line = interpolate.PPoly([[1.0, 3.0], [0.0, 1.0]], [0.0, 1.0, 2.0])
    assert derivative(line, 1.0) == 3.0
    assert derivative(line, 2.0) == 3.0
    assert derivative(interpolate.BSpline([0, 0, 1, 2, 2], [0.0, 1.0, 4.0], 1), 1.0) == 3.0


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("nu", [1, 2])
def test_pieces_of_degree_zero_with_a_repeated_last_knot(nu, mode):
    at = np.array([-0.3, 0.2, 2.7, 3.5, 4.2])
    f = lambda m, y: m.make_interp_spline([0.0, 1.0, 2.0, 3.5], y, 0).antiderivative(nu)(at)
    exact = np.stack([f(si, e) for e in np.eye(4)], axis=-1)
    np.testing.assert_allclose(jacobian(lambda y: f(interpolate, y), np.ones(4), mode=mode), exact, atol=1e-14)


def test_outside_nothing_is_differentiated():
    """NaN there is a constant: zero cotangents stay zero."""
    spline = lambda y: interpolate.CubicSpline(X, y, extrapolate=False)(np.array([1.0, 9.0]))
    slopes = jacobian(spline, Y)
    assert np.all(slopes[1] == 0)
    assert np.all(slopes[0] != 0)
    assert np.all(np.isfinite(gradient(lambda y: spline(y)[0], Y, mode="reverse")))


def test_what_cannot_carry_a_tangent_is_named():
    with pytest.raises(LostDerivativeError, match=r"a dual number as x= of dualdiff.scipy.interpolate.splrep"):
        derivative(lambda s: interpolate.splrep(X * s, Y)[1], 1.0)
    with pytest.raises(LostDerivativeError, match=r"x= of dualdiff.scipy.interpolate.make_lsq_spline"):
        derivative(lambda s: interpolate.make_lsq_spline(MANY * s, DATA, T)(1.0), 1.0)
    for refused in (
        lambda y: interpolate.splrep(X, y, s=0.1)[1],
        lambda y: interpolate.UnivariateSpline(X, y)(1.0),
        lambda y: interpolate.BPoly.from_derivatives(X, y[:, None])(1.0),
        lambda y: interpolate.make_interp_spline(X * (1 + y[0]), closed(Y[:-1]), bc_type="periodic")(1.0),
        lambda y: interpolate.splprep([y])[0][1],
        lambda y: interpolate.make_smoothing_spline(X, y)(1.0),
    ):
        with pytest.raises(NoRuleError, match="has no derivative rule"):
            gradient(refused, Y)


def test_errors_are_those_of_scipy():
    for bad in (
        lambda m, y: m.CubicSpline(X[::-1], y),
        lambda m, y: m.CubicSpline(X, y[:-1]),
        lambda m, y: m.CubicSpline(X, y, bc_type="nonsense"),
        lambda m, y: m.make_interp_spline(X, y, 3, t=X),
        lambda m, y: m.PPoly(y, X),
        lambda m, y: m.BSpline(X, y, 9),
    ):
        with pytest.raises(ValueError) as scipys:  # noqa: PT011
            bad(si, Y)
        with pytest.raises(ValueError) as ours:  # noqa: PT011
            gradient(lambda y, bad=bad: bad(interpolate, y)(1.0), Y)
        assert str(ours.value) == str(scipys.value)


def test_plain_objects_are_scipys_and_take_duals():
    spline = interpolate.CubicSpline(X, Y)
    assert isinstance(spline, si.CubicSpline)
    assert isinstance(spline, interpolate.PPoly)
    for twin in (pickle.loads(pickle.dumps(spline)), copy.deepcopy(spline)):
        np.testing.assert_array_equal(twin(Q), si.CubicSpline(X, Y)(Q))
    assert derivative(spline, 1.0) == pytest.approx(float(spline(1.0, 1)))
    assert derivative(spline.derivative(), 1.0) == pytest.approx(float(spline(1.0, 2)))
    assert derivative(interpolate.make_interp_spline(X, Y).antiderivative(), 1.0) == pytest.approx(
        float(si.make_interp_spline(X, Y)(1.0))
    )


def adapted(y):
    spline = si.CubicSpline(X, Y)
    assert isinstance(spline, si.CubicSpline)

    class Line(si.CubicSpline):
        pass

    assert issubclass(Line, si.CubicSpline)
    return spline(y[0]) + si.make_interp_spline(X, y)(1.0)


def test_scipys_own_names_in_adapted_code():
    def ours(y):
        return interpolate.CubicSpline(X, Y)(y[0]) + interpolate.make_interp_spline(X, y)(1.0)

    np.testing.assert_allclose(gradient(adapt(adapted), Y), gradient(ours, Y), rtol=1e-12)
    with pytest.raises(TypeError) as error:
        gradient(adapted, Y)
    assert "write dualdiff.scipy.interpolate.CubicSpline" in error.value.__notes__[0]
