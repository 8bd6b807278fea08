"""Arrays and objects of other libraries beside duals: subclasses, units, labels, what only converts."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative, gradient, hessian, jacobian, zeros

P = np.array([0.5, 1.5, 2.5])
DATA = np.array([1.0, 2.0, 3.0])
REFUSES = (
    r"was combined with dual numbers, which do not implement its arithmetic; pass a plain array, such as np\.asarray"
)


class Subclass(np.ndarray):
    """An array with arithmetic of arrays."""


class Metres(np.ndarray):
    """Lengths: as a quantity of astropy, it takes the ``value`` of what has no ``unit``."""

    unit = "m"

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        try:
            units = [getattr(x, "unit", None) for x in inputs]
            plain = [x.view(np.ndarray) if isinstance(x, Metres) else getattr(x, "value", x) for x in inputs]
            found = super().__array_ufunc__(ufunc, method, *plain, **kwargs)
            if ufunc in (np.multiply, np.true_divide) and units[-1] != units[0]:
                return found if found is NotImplemented else np.asarray(found).view(Metres)
            raise TypeError("not the arithmetic of lengths")
        except TypeError:
            if all(type(x).__array_ufunc__ in (np.ndarray.__array_ufunc__, Metres.__array_ufunc__) for x in inputs):
                raise
            return NotImplemented


class Unit:
    """A unit, which makes an array with a unit of what it multiplies, if that is a float."""

    def __mul__(self, other):
        return np.ones(()).view(Metres) * other

    def __rmul__(self, other):
        return np.asarray(float(other)).view(Metres)

    def __rtruediv__(self, other):
        return np.asarray(float(other)).view(Metres)


class Converts:
    """What only converts to an array."""

    def __array__(self, dtype=None, copy=None):
        return np.asarray(DATA, dtype)


class Multiplies:
    """What NumPy leaves operators to."""

    __array_ufunc__ = None

    def __rmul__(self, other):
        return 3.0 * other

    def __mul__(self, other):
        return 3.0 * other


class AsksForItems:
    """What asks for the item of the item, until it has a float; casadi's numbers do."""

    __array_ufunc__ = None

    def __rmul__(self, x):
        while hasattr(x, "item"):
            x = x.item()
        return 2.0 * x if type(x) is float else NotImplemented

    __mul__ = __rmul__


# -- subclasses and conversions ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "other", [DATA.view(Subclass), np.rec.array(DATA), Converts()], ids=["subclass", "recarray", "__array__"]
)
def test_what_leaves_arithmetic_to_numpy_is_an_array(other):
    for f in (
        lambda p, c: p * c,
        lambda p, c: p[0] * c - p[1],
        lambda p, c: np.arctan2(c, p),
        lambda p, c: np.dot(p, c),
        lambda p, c: np.where(p > 1, p, c),
        lambda p, c: np.stack([c * 1.0 if isinstance(c, np.ndarray) else np.asarray(c), p]),
    ):
        np.testing.assert_array_equal(jacobian(lambda p: f(p, other), P), jacobian(lambda p: f(p, DATA), P))  # noqa: B023
    if isinstance(other, np.ndarray):
        np.testing.assert_array_equal(jacobian(lambda p: other / p, P), jacobian(lambda p: DATA / p, P))
    y = derivative(lambda a: (lambda z: (z.__setitem__(slice(None), other), a * z)[1])(zeros(3, like=a)), 2.0)
    np.testing.assert_array_equal(y, DATA)


@pytest.mark.parametrize(
    "other", [DATA[None].view(np.matrix), np.ma.masked_invalid(DATA)], ids=["matrix", "masked array"]
)
def test_what_has_other_operators_is_refused(other):
    for f in (
        lambda p: p * other,
        lambda p: np.multiply(p, other),
        lambda p: np.dot(p, other.T),
        lambda p: p[0] + other,
    ):
        with pytest.raises(TypeError, match=REFUSES):
            jacobian(f, P)


def test_what_numpy_leaves_operators_to():
    np.testing.assert_array_equal(jacobian(lambda p: p * Multiplies() + Multiplies() * p, P), 6 * np.eye(3))
    assert derivative(lambda a: a * Multiplies() + Multiplies() * a, 2.0) == 6.0


def test_the_item_of_the_item_is_none():
    """A dual of a Python float has no more items than the float, or who asks for a float would never end."""
    for x in (2.0, np.float64(2.0)):
        for f in (lambda a: a * AsksForItems(), lambda a: AsksForItems() * a):
            with pytest.raises(TypeError, match=r"unsupported operand|not supported"):
                derivative(f, x)
        assert derivative(lambda a: a * hasattr(a, "item"), x) == hasattr(x, "item")
        assert derivative(lambda a: a * hasattr(a, "tolist"), x) == hasattr(x, "tolist")
    assert derivative(lambda a: a.item() ** 2 + a.tolist(), np.float64(2.0)) == 5.0
    assert hessian(lambda a: a.item() ** 2, np.float64(2.0)) == 2.0
    with pytest.raises(AttributeError, match="'float' object has no attribute 'item'"):
        derivative(lambda a: a.item(), 2.0)


# -- units -------------------------------------------------------------------------------------------------------------
def lengths():
    return DATA.view(Metres)


@pytest.mark.parametrize("options", [{}, {"mode": "reverse"}])
def test_an_array_with_units_keeps_duals_and_units(options):
    for f, g in (
        (lambda p: lengths() * p[0], lambda p: DATA * p[0]),
        (lambda p: p[0] * lengths(), lambda p: DATA * p[0]),
        (lambda p: lengths() * p, lambda p: DATA * p),
        (lambda p: p * lengths(), lambda p: DATA * p),
        (lambda p: 2.0 * (lengths() / p), lambda p: 2.0 * (DATA / p)),
        (lambda p: np.multiply(p, lengths()), lambda p: DATA * p),
        (lambda p: p * Unit(), lambda p: p),
        (lambda p: p[0] * Unit(), lambda p: p[0]),
        (lambda p: Unit() * p[0], lambda p: p[0]),
        (lambda p: p / Unit(), lambda p: p),
    ):

        def bare(p, f=f):
            found = f(p)
            assert type(found) is Metres
            return np.asarray(found)

        np.testing.assert_array_equal(jacobian(bare, P, **options), jacobian(g, P))
        np.testing.assert_array_equal(
            hessian(lambda p, bare=bare: np.sum(bare(p) ** 2), P), hessian(lambda p, g=g: np.sum(g(p) ** 2), P)
        )
    assert derivative(lambda a: np.asarray(a * np.float64(3.0) * Unit()), 2.0) == 3.0


def test_what_a_unit_forbids_is_refused():
    for f in (lambda p: p + lengths(), lambda p: np.sin(lengths()) * p, lambda p: lengths().__iadd__(p)):
        with pytest.raises(TypeError):
            jacobian(f, P)
    for f in (lambda p: np.concatenate([p, lengths()]), lambda p: np.dot(p, lengths()), lambda p: divmod(p, lengths())):
        with pytest.raises(TypeError, match=REFUSES):
            jacobian(f, P)
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'float' and 'Unit'"):
        jacobian(lambda p: p + Unit(), P)


def test_a_dual_has_no_unit():
    with pytest.raises(AttributeError, match="has no attribute 'unit'"):
        derivative(lambda a: a.unit, 2.0)
    assert derivative(lambda a: a * hasattr(a, "unit"), 2.0) == 0.0


def test_astropy():
    u = pytest.importorskip("astropy.units")
    q = DATA * u.m
    assert gradient(lambda p: np.sum((q * p[0]).value), P).tolist() == [6.0, 0.0, 0.0]
    assert derivative(lambda a: ((3.0 * u.m) * a).to(u.cm).value, 2.0) == 300.0
    assert derivative(lambda a: (a / u.s).to(1 / u.minute).value, 2.0) == pytest.approx(60.0)
    for f, g in (
        (lambda p: (p * u.m).to_value(u.cm), lambda p: 100 * p),
        (lambda p: (u.m * p).to_value(u.cm), lambda p: 100 * p),
        (lambda p: (p[0] * q).to_value(u.cm), lambda p: 100 * p[0] * DATA),
        (lambda p: np.exp(-p[0] * q / (2 * u.m)).value, lambda p: np.exp(-p[0] * DATA / 2)),
        (lambda p: np.sqrt(p * q * u.m).value, lambda p: np.sqrt(p * DATA)),
        (lambda p: np.where(q > 1.5 * u.m, q * p[0], q).value, lambda p: np.where(DATA > 1.5, DATA * p[0], DATA)),
        (lambda p: (p @ q).value, lambda p: p @ DATA),
        (lambda p: (p[0] + q / u.m).value, lambda p: p[0] + DATA),
        (lambda p: np.concatenate([p * u.km, q]).to_value(u.m), lambda p: np.concatenate([1000 * p, DATA])),
    ):
        np.testing.assert_allclose(jacobian(f, P), jacobian(g, P), rtol=1e-14)
    for f in (lambda p: p + q, lambda p: q.__imul__(p), lambda p: q.__setitem__(0, p[0] * u.m), lambda p: q ** p[0]):
        with pytest.raises((TypeError, ValueError)):
            jacobian(f, P)
    np.testing.assert_array_equal(q.value, DATA)
    with pytest.raises(TypeError, match="object is not subscriptable") as error:
        derivative(lambda a: (a * u.m).to_value(u.cm), 2.0)
    assert "write x, and q.to(unit).value instead of q.to_value(unit)" in error.value.__notes__[0]


def test_a_scalar_dual_has_no_index():
    with pytest.raises(TypeError, match="object is not subscriptable") as error:
        derivative(lambda a: a[()], np.float64(2.0))
    assert "a scalar dual has no x[()]: write x" in error.value.__notes__[0]


def test_durations():
    """NumPy cuts them to whole units, so that a dual has no place in them."""
    d, day = np.array([0, 2], "timedelta64[D]"), np.timedelta64(1, "D")
    for f in (lambda k: np.sum(k * d / day), lambda k: np.sum(d * k / day)):
        with pytest.raises(TypeError, match=r"timedelta64\[D\] would lose .* d / np\.timedelta64\(1, 's'\)"):
            derivative(f, 2.0)
    assert derivative(lambda k: np.sum(k * (d / day)), 2.0) == 2.0


def test_unyt():
    """It takes the units of duals for those of floats, and has no place for them: nothing of it takes duals."""
    unyt = pytest.importorskip("unyt")
    q, length = DATA * unyt.m, unyt.unyt_quantity(3.0, "m")
    for f in (
        *(lambda p: p * q, lambda p: q * p, lambda p: p[0] * q, lambda p: p * unyt.m, lambda p: unyt.m * p),
        *(lambda p: p * length, lambda p: length * p, lambda p: p[0] * length, lambda p: length * p[0]),
        *(lambda p: p[0] * unyt.m, lambda p: unyt.unyt_array(p, "m"), lambda p: unyt.unyt_quantity(p[0], "m")),
        *(lambda p: np.multiply(q, p), lambda p: np.dot(q, p), lambda p: np.sin(p * (q / unyt.m))),
        *(lambda p: np.concatenate([q, p]), lambda p: np.where(p > 0, q, p), lambda p: q.__iadd__(p)),
        *(lambda p: q.copy().__setitem__(0, p[0]), lambda p: np.hypot(p, q), lambda p: p.sum() + length),
    ):
        with pytest.raises(TypeError):
            jacobian(f, P)
    np.testing.assert_array_equal(jacobian(lambda p: p * np.asarray(q), P), np.diag(DATA))


def test_pint():
    u = pytest.importorskip("pint").UnitRegistry()
    q = DATA * u.m
    for f, g in (
        (lambda p: (q * p).to("cm").magnitude, lambda p: 100 * DATA * p),
        (lambda p: (p[0] * q).to("cm").magnitude, lambda p: 100 * DATA * p[0]),
        (lambda p: np.multiply(p, q).to("cm").magnitude, lambda p: 100 * DATA * p),
        (lambda p: (p @ q).to("cm").magnitude, lambda p: 100 * DATA @ p),
        (lambda p: np.exp(-p * q / (2 * u.m)).magnitude, lambda p: np.exp(-p * DATA / 2)),
    ):
        np.testing.assert_allclose(jacobian(f, P), jacobian(g, P), rtol=1e-14)
    with pytest.raises(TypeError, match=REFUSES):
        jacobian(lambda p: np.dot(p, q), P)


def test_casadi():
    casadi = pytest.importorskip("casadi")
    for c in (casadi.DM(3.0), casadi.SX.sym("s")):
        for x in (2.0, np.float64(2.0), P):
            for f in (lambda p, c: p * c, lambda p, c: c * p, lambda p, c: np.multiply(p, c)):
                with pytest.raises(TypeError, match=REFUSES):
                    jacobian(f, x, c)


# -- labels ------------------------------------------------------------------------------------------------------------
def test_xarray():
    xr = pytest.importorskip("xarray")
    a = xr.DataArray(DATA, dims="x", coords={"x": [0, 1, 2]})
    for f, g in (
        (lambda p: (a * p[0]).data, lambda p: DATA * p[0]),
        (lambda p: (p[0] * a).data, lambda p: DATA * p[0]),
        (lambda p: np.multiply(p, a).data, lambda p: DATA * p),
        (lambda p: np.arctan2(p[0], a).data, lambda p: np.arctan2(p[0], DATA)),
        (lambda p: np.dot(p, a), lambda p: DATA @ p),
        (lambda p: (p[0] * a).mean().data + (p[0] * a).std().data, lambda p: p[0] * (DATA.mean() + DATA.std())),
    ):
        np.testing.assert_allclose(jacobian(f, P), jacobian(g, P), rtol=1e-14)
