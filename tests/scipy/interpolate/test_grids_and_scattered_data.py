"""``dualdiff.scipy.interpolate``: grids, scattered data, polynomials, and a walk over the public names."""

# ruff: noqa: E402
from __future__ import annotations

import inspect
from functools import partial

import numpy as np
import pytest

si = pytest.importorskip("scipy.interpolate")
from scipy.sparse.linalg import spsolve

import dualdiff.scipy.interpolate.grids
import dualdiff.scipy.interpolate.polynomials
import dualdiff.scipy.interpolate.scattered
from dualdiff import LostDerivativeError, NoRuleError, derivative, gradient, hessian, jacobian
from dualdiff.scipy import interpolate
from tests.scipy.interpolate.cases import checked, compare
from tests.support.versions import SCIPY_1_15

#: Kinds and degrees of `interp1d`.
KINDS = ("linear", "quadratic", "cubic", *((4,) if SCIPY_1_15 else ()))
RNG = np.random.default_rng(1)
X = np.array([0.3, 0.9, 1.6, 2.0, 2.9, 3.3, 4.1])
Y = RNG.standard_normal(7)
Q = np.array([0.5, 1.1, 1.7, 2.5, 3.9])
AXES = (np.array([0.0, 0.4, 1.1, 1.5, 2.1, 3.0]), np.array([3.0, 2.2, 1.7, 1.3, 0.6, 0.0]))
TABLE = RNG.standard_normal((6, 6))
POINTS = np.array([[0.2, 0.3], [0.7, 1.9], [1.8, 1.4], [2.9, 2.4]])
OUTSIDE = np.array([[0.2, 0.3], [3.5, 1.9]])
CLOUD = RNG.uniform(0, 1, (9, 2))
MEASURED = RNG.standard_normal(9)
WITHIN = np.array([[0.45, 0.5], [0.55, 0.6], [0.5, 0.35]])


@pytest.fixture(autouse=True)
def _formulas_have_the_values_of_scipy(monkeypatch):
    """The tangents belong to formulas of our own, whose values are compared with SciPy's in every test."""
    for module in ("grids", "polynomials", "scattered"):
        module = getattr(dualdiff.scipy.interpolate, module)
        monkeypatch.setattr(module, "revalued", checked(module.revalued))


LINES = {
    **{kind: lambda m, x, y, q, kind=kind: m.interp1d(x, y, kind)(q) for kind in KINDS},
    "linear, extrapolated": lambda m, x, y, q: m.interp1d(x, y, fill_value="extrapolate")(2 * q),
    "linear, filled": lambda m, x, y, q: m.interp1d(x, y, fill_value=(q[0], q[1]), bounds_error=False)(2 * q),
    "linear, unsorted": lambda m, x, y, q: m.interp1d(x[::-1], y)(q),
    "Krogh": lambda m, x, y, q: m.KroghInterpolator(x[:4], y[:4])(q),
    "Krogh.derivative": lambda m, x, y, q: m.KroghInterpolator(x[:4], y[:4]).derivative(q, 2),
    "krogh_interpolate": lambda m, x, y, q: m.krogh_interpolate(x[:4], y[:4], q, [0, 1]),
}


@pytest.mark.parametrize("case", LINES.values(), ids=map(str, LINES))
def test_on_a_line(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), X, Y, Q, tolerance=1e-6)


@pytest.mark.parametrize("kind", ["nearest", "nearest-up", "previous", "next", "zero"])
def test_steps(kind):
    compare(lambda y: interpolate.interp1d(X, y, kind)(Q), lambda y: si.interp1d(X, y, kind)(Q), Y)
    q = np.array([0.3, 0.6, 1.25, 2.0, 4.1])
    compare(lambda y: interpolate.interp1d(X, y, kind)(q), lambda y: si.interp1d(X, y, kind)(q), Y)


def test_axes():
    y = RNG.standard_normal((2, 7, 2))
    compare(
        lambda y, q: interpolate.interp1d(X, y, axis=1)(q), lambda y, q: si.interp1d(X, y, axis=1)(q), y, Q[None, :2]
    )


def test_at_a_knot_the_piece_that_scipy_takes():
    """NumPy's interp takes the line on the right of a knot, SciPy's own formula that on its left."""
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 3.0])
    assert derivative(interpolate.interp1d(x, y), 1.0) == 2.0
    assert derivative(lambda t: interpolate.interp1d(x, np.stack([y, y], 1), axis=0)(t)[0], 1.0) == 1.0
    assert derivative(lambda t: interpolate.RegularGridInterpolator((x,), y)(np.stack([t]))[0], 1.0) == 2.0


def test_barycentric():
    """SciPy adds up in random order, so that its values are compared to rounding."""

    def f(m, x, y, q):
        return m.BarycentricInterpolator(x[:5], y[:5])(q)

    def krogh(m, x, y, q):
        return m.KroghInterpolator(x[:5], y[:5])(q)

    args = (X, Y, np.append(Q, X[1]))
    slopes = [jacobian(partial(g, interpolate), *args, argnum=(0, 1, 2)) for g in (f, krogh)]
    for ours, others in zip(*slopes, strict=True):
        np.testing.assert_allclose(ours, others, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        jacobian(lambda y: interpolate.barycentric_interpolate(X, y, Q), Y), si.barycentric_interpolate(X, np.eye(7), Q)
    )


METHODS = {
    **{m: {} for m in ("linear", "nearest", "slinear", "pchip", "cubic_legacy")},
    **{m: {"solver": spsolve} for m in ("cubic", "quintic")},
}


@pytest.mark.parametrize("method", METHODS)
def test_regular_grids(method):
    def f(m, values, points):
        return m.RegularGridInterpolator(AXES, values, method, **METHODS[method])(points)

    # The nearest value does not depend on the point.
    constant = (1,) if method == "nearest" else ()
    compare(lambda *a: f(interpolate, *a), lambda *a: f(si, *a), TABLE, POINTS, constant=constant)


OF_GRIDS = {
    "nu": lambda m, v, p: m.RegularGridInterpolator(AXES, v, "cubic", solver=spsolve)(p, nu=(1, 2)),
    "trailing axes": lambda m, v, p: m.RegularGridInterpolator(AXES, np.stack([v, v * v], -1))((p[:, 0], p[:, 1])),
    "three axes": lambda m, v, p: m.RegularGridInterpolator((*AXES, [0.0, 4.0]), np.stack([v, v * v], -1))(
        np.stack([p[:, 0], p[:, 1], p[:, 0] * p[:, 1] / 2], 1)
    ),
    "interpn": lambda m, v, p: m.interpn(AXES, v, p, method="slinear"),
}


@pytest.mark.parametrize("case", OF_GRIDS.values(), ids=OF_GRIDS)
def test_grids(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), TABLE, POINTS)


@pytest.mark.parametrize("fill", [None, 3.0, np.nan])
def test_outside_of_a_grid(fill):
    def f(m, v, p):
        return m.RegularGridInterpolator(AXES, v, bounds_error=False, fill_value=fill)(p)

    if fill is None:
        compare(lambda *a: f(interpolate, *a), lambda *a: f(si, *a), TABLE, OUTSIDE)
    table = interpolate.RegularGridInterpolator(AXES, TABLE, bounds_error=False, fill_value=fill)
    slopes = jacobian(table, OUTSIDE)[1]
    assert np.any(slopes != 0) == (fill is None)


KERNELS = ["linear", "thin_plate_spline", "cubic", "quintic", "multiquadric", "inverse_quadratic", "gaussian"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_radial_basis_functions(kernel):
    epsilon = {} if kernel in KERNELS[:4] else {"epsilon": 2.0}

    def f(m, y, d, x):
        return m.RBFInterpolator(y, d, kernel=kernel, smoothing=0.01, **epsilon)(x)

    compare(lambda *a: f(interpolate, *a), lambda *a: f(si, *a), CLOUD, MEASURED, WITHIN, tolerance=1e-6)


def test_shape_and_smoothing_of_radial_basis_functions():
    def f(m, e, s):
        return m.RBFInterpolator(CLOUD, MEASURED, kernel="gaussian", epsilon=e, smoothing=s, degree=1)(WITHIN)

    compare(lambda *a: f(interpolate, *a), lambda *a: f(si, *a), 2.0, 0.1)


def test_radial_basis_functions_at_their_points():
    """Where a kernel has no second derivative, NaN; where it has one, it is right."""
    smooth = interpolate.RBFInterpolator(CLOUD, MEASURED, kernel="gaussian", epsilon=2.0)
    at, near = (hessian(lambda x: smooth(x[None])[0], CLOUD[0] + e) for e in (0.0, 1e-6))
    np.testing.assert_allclose(at, near, rtol=1e-3)
    thin = interpolate.RBFInterpolator(CLOUD, MEASURED)
    assert np.all(np.isfinite(gradient(lambda x: thin(x[None])[0], CLOUD[0])))
    assert np.all(np.isnan(np.diag(hessian(lambda x: thin(x[None])[0], CLOUD[0]))))


OF_CLOUDS = {
    "LinearNDInterpolator": lambda m, p, d, x: m.LinearNDInterpolator(p, d)(x),
    "griddata": lambda m, p, d, x: m.griddata(p, d, (x[:, 0], x[:, 1])),
}


@pytest.mark.parametrize("case", OF_CLOUDS.values(), ids=OF_CLOUDS)
def test_triangles(case):
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), CLOUD, MEASURED, WITHIN)


OF_DATA = {
    "rescaled": lambda m, d, x: m.LinearNDInterpolator(CLOUD, d, rescale=True)(x),
    "nearest": lambda m, d, x: m.NearestNDInterpolator(CLOUD, d)(x),
    "griddata nearest": lambda m, d, x: m.griddata(CLOUD, d, x, method="nearest"),
    "griddata on a line": lambda m, d, x: m.griddata(np.arange(9.0), d, 3.7 * x[0], method="cubic"),
}


@pytest.mark.parametrize("name", OF_DATA)
def test_clouds(name):
    case = OF_DATA[name]
    constant = (1,) if "nearest" in name else ()
    compare(lambda *a: case(interpolate, *a), lambda *a: case(si, *a), MEASURED, WITHIN, constant=constant)


def test_outside_of_the_hull():
    slopes = jacobian(interpolate.LinearNDInterpolator(CLOUD, MEASURED), np.array([[0.5, 0.5], [9.0, 9.0]]))
    assert np.all(slopes[1] == 0)


def test_what_cannot_carry_a_tangent_is_named():
    with pytest.raises(LostDerivativeError, match=r"points= of dualdiff.scipy.interpolate.RegularGridInterpolator"):
        derivative(lambda s: interpolate.RegularGridInterpolator((X * s,), Y)([[1.0]])[0], 1.0)
    for refused in (
        lambda d: interpolate.RBFInterpolator(CLOUD, d, neighbors=5)(WITHIN),
        lambda d: interpolate.griddata(CLOUD, d, WITHIN, method="cubic"),
        lambda d: interpolate.interpn((np.arange(4.0),) * 2, d[:4] * np.ones((4, 1)), [1.0, 1.0], method="splinef2d"),
        lambda d: interpolate.KroghInterpolator([0.0, 0.0, 1.0], d[:3])(0.5),
    ):
        with pytest.raises(NoRuleError, match="has no derivative rule"):
            gradient(refused, MEASURED)


#: How to make an object of SciPy's that has no counterpart here, from data.
MADE = {
    "AAA": lambda c, d: c(X, d),
    "CloughTocher2DInterpolator": lambda c, d: c(CLOUD[:7], d)(0.5, 0.5),
    "FloaterHormannInterpolator": lambda c, d: c(X, d)(0.5),
    "LSQBivariateSpline": lambda c, d: c(CLOUD[:7, 0], CLOUD[:7, 1], d, [0.5], [0.5], kx=1, ky=1),
    "LSQSphereBivariateSpline": lambda c, d: c(CLOUD[:7, 0], CLOUD[:7, 1], d, [0.5], [0.5]),
    "NdBSpline": lambda c, d: c(([0, 0, 1, 2, 3, 4, 5, 6, 6.0],), d, 1)(0.5),
    "NdPPoly": lambda c, d: c(d[:6][None], (X,))(1.0),
    "RectBivariateSpline": lambda c, d: c(X, X[:4], d[:, None] * np.ones(4))(0.5, 0.5),
    "RectSphereBivariateSpline": lambda c, d: c(X / 2, X / 3, d[:, None] * np.ones(7)),
    "Rbf": lambda c, d: c(X, d)(0.5),
    "SmoothBivariateSpline": lambda c, d: c(CLOUD[:7, 0], CLOUD[:7, 1], d, kx=1, ky=1),
    "SmoothSphereBivariateSpline": lambda c, d: c(CLOUD[:7, 0], CLOUD[:7, 1], d),
}


@pytest.mark.filterwarnings("ignore::dualdiff.ObjectArrayWarning", "ignore::DeprecationWarning")
def test_every_name_takes_duals_or_refuses_them():
    for name in si.__all__:
        thing = getattr(interpolate, name)
        if name in interpolate.__all__ or inspect.ismodule(thing) or name in ("BivariateSpline", "interp2d"):
            continue
        call = MADE[name] if isinstance(thing, type) else lambda c, d: c(d)
        with pytest.raises((TypeError, ValueError)):
            gradient(lambda d, thing=thing, call=call: call(thing, d), Y)


#: Methods of SciPy's objects that say nothing about their data.
PLAIN = {"validate_input", "design_matrix", "basis_element", "dtype", "tck", "c", "x", "t", "axis", "extrapolate"}


def test_every_method_is_written_here():
    """A method of SciPy's own would compute with plain values, or with objects."""
    for name in interpolate.__all__:
        ours, scipys = getattr(interpolate, name), getattr(si, name)
        if isinstance(ours, type):
            written = {k for c in ours.__mro__ if c.__module__.startswith("dualdiff.") for k in vars(c)}
            public = {k for k in dir(scipys) if not k.startswith("_") and callable(getattr(scipys, k))}
            assert public - written - PLAIN == set(), name
    with pytest.raises(TypeError):
        derivative(lambda t: interpolate.BSpline.basis_element(X[:4] * t)(1.0), 1.0)
    with pytest.raises(TypeError):
        derivative(lambda t: interpolate.BSpline.design_matrix(t * Q, X, 1).toarray(), 1.0)
