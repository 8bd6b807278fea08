"""Lists that are no arrays, dataclasses, namespaces, and what stands in containers without being a number."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import pathlib
from collections import namedtuple
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import derivative, gradient, hessian, hvp, jacobian, jvp, value_and_gradient, vjp
from dualdiff.core.containers import flatten
from dualdiff.teaching import trace

X = np.array([0.7, 1.9, -1.1])
LAYERS = [(np.arange(6.0).reshape(2, 3) / 5, np.array([0.1, -0.2])), (np.ones((1, 2)), np.zeros(1))]
SIZES = [6, 2, 2, 1]


def network(layers):
    y = X
    for weights, bias in layers:
        y = np.tanh(weights @ y + bias)
    return np.sum(y**2)


def layers_of(v):
    """The layers from one vector."""
    w1, b1, w2, b2 = np.split(v, np.cumsum(SIZES)[:-1])
    return [(w1.reshape(2, 3), b1), (w2.reshape(1, 2), b2)]


def vector(layers):
    return np.concatenate([np.ravel(a) for layer in layers for a in layer])


# -- lists -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_a_list_of_layers(mode):
    v = vector(LAYERS)
    flat = lambda v: network(layers_of(v))
    value, found = value_and_gradient(network, LAYERS, mode=mode)
    assert value == network(LAYERS)
    assert type(found) is list
    assert [type(layer) for layer in found] == [tuple, tuple]
    np.testing.assert_allclose(vector(found), gradient(flat, v), rtol=1e-12)
    second = hessian(network, LAYERS, mode=mode)
    np.testing.assert_allclose(second[0][1][1][0], hessian(flat, v)[6:8, 8:10].reshape(2, 1, 2), rtol=1e-10, atol=1e-14)
    product = hvp(network, LAYERS, LAYERS, mode=mode)
    np.testing.assert_allclose(vector(product), hessian(flat, v) @ v, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "x",
    [
        [np.ones(2), np.ones(3)],
        [np.ones(2), np.ones(2)],
        [1.0, np.ones(2)],
        [{"a": 1.0}, np.ones(2)],
        [(1.0, 2.0), (3.0, 4.0)],
        [[np.ones((2, 1)), 2.0], [np.ones((1, 2)), 3.0]],
        [1.0, None],
        [[1.0, 2.0], np.ones(1)],
    ],
)
def test_lists_that_are_containers(x):
    """A list that holds anything but scalars and lists of them, whatever the shapes."""
    seen = []

    def f(x):
        seen.append(type(x))
        leaves, _ = flatten(x)
        return sum(np.sum(np.asanyarray(leaf) ** 2) if np.shape(leaf) else leaf**2 for leaf in map(stacked, leaves))

    def stacked(leaf):
        return np.stack(leaf) if isinstance(leaf, list) else leaf

    found = gradient(f, x)
    assert type(found) is list
    assert set(seen) == {list}
    doubled, _ = flatten(x)
    for a, b in zip(flatten(found)[0], doubled, strict=True):
        np.testing.assert_array_equal(a, 2 * np.asarray(b))


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]], [np.float64(1.0), 2], [np.array(1.0), 2.0], []])
def test_lists_that_are_arrays(x):
    seen = []
    found = gradient(lambda x: seen.append(type(x)) or np.sum(x**2), x)
    assert set(seen) == {dd.DualArray}
    np.testing.assert_array_equal(found, 2 * np.array(x))


def test_lists_as_results_and_weights():
    f = lambda x: [x[:2] ** 2, (x[2], [x[0], x[1]])]
    J = jacobian(f, X)
    assert type(J) is list
    np.testing.assert_array_equal(J[0], 2 * np.diag(X)[:2])
    np.testing.assert_array_equal(J[1][1], np.eye(3)[:2])
    value, slope = jvp(f, X, X)
    np.testing.assert_array_equal(value[0], X[:2] ** 2)
    np.testing.assert_array_equal(slope[0], 2 * X[:2] ** 2)
    _, pull = vjp(f, X)
    np.testing.assert_array_equal(pull([np.ones(2), (1.0, [0.0, 0.0])]), [*2 * X[:2], 1.0])
    for wrong in ((np.ones(2), (1.0, [0.0, 0.0])), [np.ones(2)], np.ones(2)):
        with pytest.raises(ValueError, match="the cotangent w must be a list of 2, not"):
            pull(wrong)


# -- dataclasses and namespaces ----------------------------------------------------------------------------------------
@dataclass
class Parameters:
    a: float
    b: np.ndarray
    name: str = "p"


@dataclass(frozen=True, slots=True)
class Frozen:
    a: float
    b: np.ndarray
    name: str | None = None


def energy(p):
    return p.a * np.sum(p.b**2)


RECORDS = {
    "dataclass": Parameters(2.0, X),
    "frozen, with slots": Frozen(2.0, X),
    "namespace": SimpleNamespace(a=2.0, b=X, name=None),
    "named tuple": namedtuple("Named", "a b name")(2.0, X, "n"),
}


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", RECORDS)
def test_records(name, mode):
    p = RECORDS[name]
    seen = []
    found = gradient(lambda p: seen.append(type(p)) or energy(p), p, mode=mode)
    assert set(seen) == {type(p)} == {type(found)}
    assert found.a == pytest.approx(np.sum(X**2))
    np.testing.assert_allclose(found.b, 4 * X)
    assert found.name == p.name
    second = hessian(energy, p, mode=mode)
    np.testing.assert_allclose(second.a.b, 2 * X)
    np.testing.assert_allclose(second.b.b, 4 * np.eye(3), atol=1e-15)
    product = hvp(energy, p, p, mode=mode)
    np.testing.assert_allclose(product.b, 2 * X * 2.0 + 4 * X)
    value, slope = jvp(energy, p, found)
    assert value == energy(p)
    assert slope == pytest.approx(np.sum(X**2) ** 2 + 16 * np.sum(X**2))
    y, pull = vjp(lambda x: dataclasses.replace(RECORDS["dataclass"], a=x[0], b=x**2), X)
    assert isinstance(y, Parameters)
    np.testing.assert_array_equal(pull(Parameters(1.0, np.zeros(3))), [1.0, 0.0, 0.0])
    wrong = {"a": 1.0, "b": X}
    with pytest.raises(ValueError, match=r"the direction v must be a .*not a dict with the keys"):
        jvp(energy, p, wrong)


def test_a_record_inside_of_other_containers():
    tree = {"layers": [Parameters(2.0, X), Parameters(3.0, X[:2])], "k": 1.5}
    f = lambda t: t["k"] * sum(energy(p) for p in t["layers"])
    found = gradient(f, tree)
    np.testing.assert_allclose(found["layers"][1].b, 1.5 * 3 * 2 * X[:2])
    assert found["k"] == pytest.approx(sum(energy(p) for p in tree["layers"]))


@dataclass
class Oscillator:
    """What it computes from its fields has derivatives in them."""

    k: float
    m: float = 1.0
    omega: float = field(init=False)

    def __post_init__(self):
        if self.k < 0:
            raise ValueError("k is negative")
        self.omega = np.sqrt(self.k / self.m)
        self.period = 2 * np.pi / self.omega

    @functools.cached_property
    def frequency(self):
        return self.omega / (2 * np.pi)


COMPUTED = {"omega": 1 / 8, "period": -np.pi / 4, "frequency": 1 / (16 * np.pi)}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_a_dataclass_computes_from_its_fields_follows_them(name):
    for mode in ("auto", "forward", "reverse"):
        p = Oscillator(4.0, 4.0)
        assert p.frequency > 0  # A cache, which must not reach f.
        found = gradient(lambda p: getattr(p, name), p, mode=mode)
        # The derivative is a record of derivatives: its constructor would refuse the negative one.
        assert found.k == pytest.approx(COMPUTED[name])
        assert found.m == pytest.approx(-COMPUTED[name])
        assert found.omega is None
    made = derivative(lambda k: Oscillator(k, 4.0), 4.0)
    assert made.omega == 1 / 8
    assert made.period == pytest.approx(-np.pi / 4)
    assert made.m == 0.0
    assert type(jvp(lambda k: Oscillator(k, 4.0), 4.0, 1.0)[0].period) is np.float64


def test_a_field_that_was_changed_after_the_constructor_is_refused():
    p = Oscillator(4.0)
    p.omega = 1.0
    with pytest.raises(TypeError, match="the field 'omega' of the Oscillator was changed after its constructor"):
        gradient(lambda p: p.omega, p)


def test_records_with_duals_of_outer_calls():
    f = lambda t: gradient(energy, Parameters(t, t * X)).b
    np.testing.assert_allclose(derivative(f, 2.0), 4 * 2.0 * X)
    g = lambda t: gradient(lambda p: p.omega, Oscillator(t, 4.0)).k
    assert derivative(g, 4.0) == pytest.approx(-1 / 64)


def test_records_beside_aux_and_as_several_arguments():
    p = Parameters(2.0, X)
    found, aux = gradient(lambda p: (energy(p), Parameters(p.a**2, [p.b, p.name])), p, has_aux=True)
    assert type(found) is Parameters
    assert aux.a == 4.0
    np.testing.assert_array_equal(aux.b[0], X)
    first, second = gradient(lambda t, p: t * energy(p), 3.0, p, argnum=(0, 1))
    assert first == pytest.approx(energy(p))
    np.testing.assert_allclose(second.b, 12 * X)
    first, second = gradient(lambda p, ws: energy(p) * np.sum(ws[0]), p, [X, X[:2]], argnum=(0, 1))
    np.testing.assert_allclose(second[0], energy(p))
    assert not second[1].any()


def test_value_tangent_and_checks_of_records():
    found = dd.value(Parameters(dd.Dual(3.0, 1.0), X))
    assert found.a == 3.0
    assert dd.tangent(SimpleNamespace(a=dd.Dual(3.0, 1.0), s="x")) == SimpleNamespace(a=1.0, s="x")
    report = dd.check_derivative(energy, Parameters(2.0, X))
    assert report.directions == ("x.a", "x.b[0]", "x.b[1]", "x.b[2]")
    report = dd.check_derivative(lambda layers: layers[0][0] @ X[:2] * layers[0][1], [(X[:2], 1.0)])
    assert report.directions == ("x[0][0][0]", "x[0][0][1]", "x[0][1]")
    assert "layers[1][1]" in str(trace(lambda layers: network(layers), LAYERS))


def test_derivative_of_a_record_is_refused():
    for x, kind in (
        (Parameters(2.0, X), "Parameters"),
        ([1.0, X], "list"),
        (SimpleNamespace(a=1.0), "SimpleNamespace"),
    ):
        with pytest.raises(TypeError, match=f"x is a {kind}: use gradient or jacobian"):
            derivative(lambda p: 1.0, x)


# -- constants ---------------------------------------------------------------------------------------------------------
class Kind(enum.Enum):
    LINEAR = 1.5


class Activation:
    """An object without numbers."""

    def __init__(self, name):
        self.name, self.size = name, 3

    def __call__(self, x):
        return getattr(np, self.name)(x)


CONSTANTS = {
    "None": None,
    "text": "text",
    "bytes": b"bytes",
    "ufunc": np.tanh,
    "function": math.sin,
    "builtin": len,
    "callable object": Activation("tanh"),
    "enumeration": Kind.LINEAR,
    "dtype": np.dtype(float),
    "path": pathlib.Path("here"),
    "set of texts": {"a", "b"},
    "array of texts": np.array(["u", "v"]),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "array of objects": np.array([None, "x"], dtype=object),
    "generator": np.random.default_rng(0),
    "object": object(),
    "partial": functools.partial(np.sum, axis=0),
    "list of texts": ["u", "v"],
}


class InDict:
    """The parameters of a dict, by the names of their attributes."""

    def __init__(self, p):
        self.a, self.name = (p["a"], p["name"]) if isinstance(p, dict) else (p.a, p.name)


@pytest.mark.parametrize("make", [lambda **p: p, SimpleNamespace, functools.partial(Parameters, b=X)])
@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
def test_what_is_not_numeric_stays_in_its_place(make, constant):
    p = make(a=2.0, name=constant)
    seen = []

    def f(p):
        seen.append(InDict(p).name)
        return InDict(p).a ** 3

    for mode in ("auto", "forward", "reverse"):
        found = InDict(gradient(f, p, mode=mode))
        assert found.a == 12.0
        seen.append(found.name)
        assert InDict(InDict(hessian(f, p, mode=mode)).a).a == 12.0
    assert all(one is constant or (isinstance(constant, list) and one == constant) for one in seen)
    assert InDict(hvp(f, p, p)).a == 24.0
    value, slope = jvp(lambda p: {"r": f(p), "name": InDict(p).name}, p, p)
    assert (value["r"], slope["r"]) == (8.0, 24.0)
    assert value["name"] is constant or value["name"] == constant
    J = jacobian(lambda p: (f(p), constant), p)
    assert InDict(J[0]).a == 12.0
    assert J[1] is constant or J[1] == constant


def test_numeric_leaves_of_a_container_are_never_constants():
    f = lambda p: p["a"] ** 2
    for wrong, match in (
        (3, r"the integer 3.*another argument"),
        (np.arange(2), "integer array"),
        (True, "boolean"),
        (np.array([True]), "boolean"),
        ({1.0}, "x has the type set; it must be a scalar, an array, or a container"),
        (np.array([1.0, None]), "array of objects"),
        (iter([1.0]), "x has the type list_iterator; use a dict, a tuple, a dataclass or a SimpleNamespace of numbers"),
        (SimpleNamespace(k=3), "the integer 3"),
    ):
        with pytest.raises(TypeError, match=match):
            gradient(f, {"a": 3.0, "b": wrong})
    # What the errors advise: a float, or another argument.
    assert gradient(lambda p: p["a"] ** p["n"], {"a": 2.0, "n": 3.0})["a"] == pytest.approx(12.0)
    assert gradient(lambda p, n: p["a"] ** n, {"a": 2.0}, 3)["a"] == 12.0


def test_objects_with_numeric_attributes_are_not_constants():
    class Point:
        def __init__(self, a):
            self.a = a
            self.label = "p"

    with pytest.raises(TypeError, match=r"Point, whose attributes a hold numbers; use a dict, .* a dataclass"):
        gradient(abs, Point(1.0))

    class Slotted:
        __slots__ = ("a",)

        def __init__(self, a):
            self.a = a

    ring = Point("x")
    ring.a = ring
    assert gradient(lambda p: p["a"] ** 2, {"a": 3.0, "b": ring})["a"] == 6.0
    deep = [{"layers": [Point(np.ones(2))]}]
    for held in (1.0, np.ones(2), [1.0], {"k": 2.0}, (np.ones(1),), dd.Dual(1.0, 1.0), Point(1.0), deep, Slotted(1.0)):
        with pytest.raises(TypeError, match=r"Slotted, whose attributes a hold numbers"):
            gradient(abs, {"a": 1.0, "b": Slotted(held)})
        with pytest.raises(TypeError, match=r"attributes a hold numbers.*another argument"):
            gradient(abs, {"a": 1.0, "b": Point(held)})
    assert gradient(lambda p: p["a"] ** 2, {"a": 3.0, "b": Point("x")})["a"] == 6.0
    ragged = np.array([np.ones(2), np.ones(3)], dtype=object)
    with pytest.raises(TypeError, match="array of objects, one of them a ndarray: use a list"):
        gradient(lambda x: 1.0, ragged)
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x[1]), list(ragged))[1], np.ones(3))


def test_constants_alone_are_refused():
    for x in ({"a": None}, [None], ("u", "v"), SimpleNamespace(a="x"), [{"k": "x"}]):
        with pytest.raises(TypeError, match="x has no numbers in it"):
            gradient(lambda p: 1.0, x)


def test_compiled_functions_refuse_what_they_do_not_take():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda p: p[0] * 2.0)
    for x in ([1.0, np.ones(2)], (1.0, None), (1.0, "x"), SimpleNamespace(a=1.0), Parameters(1.0, X)):
        with pytest.raises(dd.NoRuleError, match=r"x is or contains a \w+, which compiled functions cannot take"):
            gradient(f, x)
