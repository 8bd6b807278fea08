"""`custom_derivative` by a jvp: functions of any shape, in every tangent space, judged by the same without it."""

import functools
import math
import pickle

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    MixedPointsError,
    NotHolomorphicError,
    check_derivative,
    custom_derivative,
    derivative,
    gradient,
    hessian,
    hessian_sparsity,
    jacobian,
    jacobian_sparsity,
    jvp,
    linearize,
    nth_derivative,
    vjp,
)
from dualdiff.drivers.custom.check import DerivativeCheckError
from dualdiff.teaching import trace
from tests.support.against import assert_near
from tests.tangents.test_spaces import in_every_space

X = np.array([0.7, -1.3, 0.4, 2.1])


def plain(*arrays):
    """Like external code: it accepts only arrays of floats."""
    return tuple(np.array(a, dtype=float) for a in arrays)


def elementwise(x):
    return np.sin(x) * x


def elementwise_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return np.cos(x) * x * t + np.sin(x) * t


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def softmax_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    s = softmax(x)
    return s * (t - s @ t)


def outer(x):
    return np.outer(x[:3], x**2)


def outer_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return np.outer(t[:3], x**2) + np.outer(x[:3], 2 * x * t)


def total(x):
    return np.sum(x**3)


def total_jvp(primals, tangents):
    return 3 * np.sum(primals[0] ** 2 * tangents[0])


def buffered_jvp(primals, tangents):
    """Fills a buffer of plain floats, which cannot hold duals."""
    (x,), (t,) = primals, tangents
    found = np.zeros(len(x))
    for i in range(len(x)):
        found[i] = np.cos(x[i]) * x[i] * t[i] + np.sin(x[i]) * t[i]
    return found


def external_jvp(primals, tangents):
    return softmax_jvp(plain(*primals), plain(*tangents))


def halved_jvp(primals, tangents):
    """Half of it by plain floats, as in code that logs or caches its arguments: duals see only the other half."""
    (x,), (t,) = primals, tangents
    return softmax_jvp((x,), (0.5 * t,)) + softmax_jvp((dualdiff.value(x),), (0.5 * dualdiff.value(t),))


def by_value_jvp(primals, tangents):
    return softmax_jvp(dualdiff.value(primals), dualdiff.value(tangents))


FUNCTIONS = {
    "halved": (softmax, halved_jvp),
    "by value": (softmax, by_value_jvp),
    "elementwise": (elementwise, elementwise_jvp),
    "softmax": (softmax, softmax_jvp),
    "outer": (outer, outer_jvp),
    "total": (total, total_jvp),
    "buffered": (elementwise, buffered_jvp),
    "external": (softmax, external_jvp),
}


def with_rule(name):
    """The function with its rule, the value coming from code that duals cannot pass through."""
    f, rule = FUNCTIONS[name]
    return f, custom_derivative(lambda x: f(*plain(x)), jvp=rule)


def bent(f):
    """Something before and after the function."""
    return lambda x: np.exp(0.3 * f(x * x[::-1] + 1.0)) * 2.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_space_gives_the_jacobian_of_the_function_itself(name):
    f, custom = with_rule(name)
    for g, h in ((f, custom), (bent(f), bent(custom))):
        expected = jacobian(g, X)
        m = np.size(g(X))
        for space, y, J in in_every_space(h, X):
            np.testing.assert_array_equal(y, g(X), err_msg=space)
            assert J.dtype == float
            assert_near(J, expected.reshape(m, X.size), 1e-13)


@pytest.mark.parametrize("name", ["elementwise", "softmax", "outer", "total"])
def test_higher_orders_differentiate_the_rule(name):
    f, custom = with_rule(name)
    g, h = (lambda x, f=f: np.sum(np.sin(f(x * x))) for f in (f, custom))
    expected = hessian(g, X)
    assert_near(hessian(h, X), expected, 1e-13)
    for outside in ("forward", "reverse"):
        for inside in ("forward", "reverse"):
            assert_near(jacobian(gradient(h, mode=inside), X, mode=outside), expected, 1e-12)
    assert_near(jacobian(gradient(h), X, sparse=True).toarray(), expected, 1e-12)
    assert_near(dualdiff.hvp(h, X, X), expected @ X, 1e-12)
    third = jacobian(hessian(h), X)
    assert_near(third, jacobian(hessian(g), X), 1e-11)


def test_scalars():
    """A function of a scalar, to the fifth order, with the value of ``math`` at each."""
    seen = []

    def sine(x):
        seen.append(type(x))
        return math.sin(x)

    f = custom_derivative(sine, jvp=lambda primals, tangents: np.cos(primals[0]) * tangents[0])
    assert dualdiff.value_and_derivative(f, 0.3) == (math.sin(0.3), math.cos(0.3))
    assert nth_derivative(f, 0.3, 5) == pytest.approx(math.cos(0.3), rel=1e-14)
    assert set(seen) == {float}
    assert gradient(lambda x: f(x[0]) * f(x[1]), [0.3, 0.4]).tolist() == pytest.approx(
        [math.cos(0.3) * math.sin(0.4), math.sin(0.3) * math.cos(0.4)], rel=1e-14
    )


def model(p, x, power=2):
    """Containers in and out, an option, and an argument that is not numeric."""
    mean = p["a"] * x**power + p["b"][0]
    return {"mean": mean, "rest": (p["b"] * p["a"], 1.0)}


def model_jvp(primals, tangents, power=2):
    (p, x), (t, u) = primals, tangents
    mean = t["a"] * x**power + p["a"] * power * x ** (power - 1) * u + t["b"][0]
    return {"mean": mean, "rest": (t["b"] * p["a"] + p["b"] * t["a"], 0.0)}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("argnum", [0, 1])
def test_containers(mode, argnum):
    p = {"a": 1.5, "b": np.array([0.5, -2.0])}
    custom = custom_derivative(model, jvp=model_jvp)
    x = np.array([1.0, 2.0, 3.0])
    for options in ({}, {"power": 3}):
        f, g = functools.partial(custom, **options), functools.partial(model, **options)
        found = jacobian(f, p, x, argnum=argnum, mode=mode)
        expected = jacobian(g, p, x, argnum=argnum, mode=mode)
        for a, b in zip(_leaves(found), _leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)
    y, pull = vjp(custom, p, x, argnum=argnum)
    _, expected = vjp(model, p, x, argnum=argnum)
    for a, b in zip(_leaves(pull(y)), _leaves(expected(y)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def _leaves(tree):
    return dualdiff.core.containers.flatten(tree)[0]


def test_arguments_without_a_tangent():
    """A zero of the same shape for an argument without a tangent, None if it is not numeric; primals unchanged."""
    seen = []

    def rule(primals, tangents):
        seen.append((primals, tangents))
        return 2 * tangents[0]

    f = custom_derivative(lambda x, n, table, label, flag: 2 * x, jvp=rule)
    assert derivative(f, 1.0, 3, np.ones(2, np.float32), "label", None) == 2.0
    ((primals, tangents),) = seen
    assert primals[1] == 3
    assert primals[3:] == ("label", None)
    assert tangents[:2] == (1.0, 0.0)
    assert tangents[2].dtype == np.float32
    assert tangents[2].tolist() == [0.0, 0.0]
    assert tangents[3:] == (None, None)


def test_several_arguments_of_an_outer_and_an_inner_call():
    """Perturbations are not confused where the arguments carry tangents of different calls."""
    f = custom_derivative(lambda x, y: math.prod((x, y, y)), jvp=lambda p, t: t[0] * p[1] ** 2 + 2 * p[0] * p[1] * t[1])
    assert derivative(lambda x: x * derivative(lambda y: f(x, y), 3.0), 2.0) == 24.0
    assert derivative(lambda x: x * derivative(lambda y: f(y, x), 3.0), 2.0) == 12.0
    np.testing.assert_array_equal(hessian(lambda v: f(v[0], v[1]), [1.0, 2.0]), [[0.0, 4.0], [4.0, 2.0]])


def test_sparsity_pattern_does_not_depend_on_zeros_of_x():
    """A zero among the primals that the rule contracts with the tangents is chance, and its entry stays."""
    half_square = custom_derivative(lambda x: 0.5 * (x @ x), jvp=lambda p, t: p[0] @ t[0])
    x = np.array([1.0, 0.0, 2.0])
    assert jacobian_sparsity(half_square, x).toarray().all()
    np.testing.assert_array_equal(jacobian(half_square, x, sparse=True).toarray(), [x])
    banded = custom_derivative(lambda x: np.diff(x**2), jvp=lambda p, t: np.diff(2 * p[0] * t[0]))
    assert jacobian_sparsity(banded, x).toarray().tolist() == [[True, True, False], [False, True, True]]
    opaque = custom_derivative(lambda x: np.diff(x**2), jvp=lambda p, t: np.diff(2 * np.array(p[0] * t[0], float)))
    assert jacobian_sparsity(opaque, x).toarray().all()
    assert hessian_sparsity(lambda x: np.sum(banded(x) ** 2), np.ones(4)).toarray().tolist() == (
        hessian_sparsity(lambda x: np.sum(np.diff(x**2) ** 2), np.ones(4)).toarray().tolist()
    )


def test_array_of_points():
    """An elementwise rule serves ``derivative`` over an array; one that mixes points, or hides them, is refused."""
    _, custom = with_rule("elementwise")
    np.testing.assert_allclose(derivative(custom, X), derivative(elementwise, X), rtol=1e-14)
    _, custom = with_rule("softmax")
    with pytest.raises(MixedPointsError, match="gradient"):
        derivative(custom, X)
    _, custom = with_rule("external")
    with pytest.raises(MixedPointsError, match="jacobian"):
        derivative(custom, X)


def test_trace_names_the_function():
    """It is one step, whatever its rule does."""

    def square(x):
        return x * x

    f = custom_derivative(square, jvp=lambda p, t: 2 * p[0] * t[0])
    shown = str(trace(lambda x: np.sin(f(x)), 3.0))
    assert "square" in shown
    assert "multiply" not in shown


def test_memory_is_owned_exclusively():
    """Buffers that f and its rule refill, and arguments that they write into, spoil neither x nor results."""
    y_buffer, t_buffer = np.zeros(3), np.zeros(3)

    def f(x):
        y_buffer[...] = x**2
        x[...] = np.nan
        return y_buffer

    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        t_buffer[...] = 2 * x * t
        x[...] = t[...] = np.nan
        return t_buffer

    custom = custom_derivative(f, jvp=rule)
    x = np.array([1.0, 2.0, 3.0])
    for options in ({"mode": "forward"}, {"mode": "reverse"}):
        np.testing.assert_array_equal(
            jacobian(lambda x: custom(x) + (x * custom(x)), x, **options).diagonal(), 2 * x + 3 * x**2
        )
    y, slope = jvp(lambda x: (custom(x), custom(2 * x)), x, np.ones(3))
    np.testing.assert_array_equal(y[0], x**2)
    np.testing.assert_array_equal(slope[0], 2 * x)
    np.testing.assert_array_equal(slope[1], 8 * x)
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_identity_does_not_share_its_tangent():
    """A result whose tangent is that of the argument is not changed by later writes into the argument."""
    same = custom_derivative(lambda x: x, jvp=lambda p, t: t[0])

    def f(x):
        x = x * 1.0
        x[1] = 2 * x[0]
        y = same(x)
        x[0] = 7.0
        y[2] = y[0] * 3
        return y, x

    for mode in ("forward", "reverse"):
        y, x = jacobian(f, np.ones(3), mode=mode)
        assert y.tolist() == [[1, 0, 0], [2, 0, 0], [3, 0, 0]]
        assert x.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 1]]


# -- a step that counts as constant ------------------------------------------------------------------------------------
def test_constant_step():
    """``custom_derivative(f, None)``: any shapes and containers, derivative zero, in every mode."""
    constant = custom_derivative(lambda x: {"norm": np.sqrt(x @ x), "ends": (x[:2], x[-1])}, None)

    def f(x):
        found = constant(x)
        return found["norm"] * x + found["ends"][1] * found["ends"][0].sum()

    expected = np.eye(4) * np.sqrt(X @ X)
    for _, _, J in in_every_space(f, X):
        np.testing.assert_allclose(J, expected, rtol=1e-15)
    with pytest.raises(TypeError, match=r"argument 1 .* carries a tangent, but custom_derivative was given 1 partials"):
        derivative(lambda x: custom_derivative(lambda x, y: x, None)(1.0, x), 2.0)


# -- types -------------------------------------------------------------------------------------------------------------
def test_single_precision_is_kept():
    f = custom_derivative(softmax, jvp=softmax_jvp)
    for mode in ("forward", "reverse"):
        y, J = dualdiff.value_and_jacobian(f, X.astype(np.float32), mode=mode)
        assert y.dtype == J.dtype == np.float32
    counts = custom_derivative(lambda x: np.ones(2, int), jvp=lambda p, t: np.array([t[0], 2 * t[0]]))
    assert jacobian(counts, 1.0).tolist() == [1.0, 2.0]


def square_modulus_jvp(primals, tangents):
    (z,), (t,) = primals, tangents
    return 2 * np.real(np.conj(z) * t)


HOLOMORPHIC = {
    "in duals": lambda p, t: 2 * p[0] * t[0],
    "in numbers": lambda p, t: 2 * np.array(p[0] * t[0], complex),
}


@pytest.mark.parametrize("kind", HOLOMORPHIC)
def test_complex_numbers(kind):
    z = np.array([1.0 + 2.0j, -0.5j])
    f = custom_derivative(lambda z: z * z, jvp=HOLOMORPHIC[kind])
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(f, z, mode=mode), np.diag(2 * z), rtol=1e-14)
    y, pull = vjp(f, z)
    np.testing.assert_allclose(pull(y), 2 * z * y, rtol=1e-14)
    np.testing.assert_allclose(jacobian(f, z, sparse=True).toarray(), np.diag(2 * z), rtol=1e-14)


@pytest.mark.parametrize("opaque", [False, True])
def test_complex_rule_that_is_not_holomorphic(opaque):
    """Right along any direction, forwards and transposed; as a complex derivative refused."""

    def conjugate_jvp(primals, tangents):
        t = np.array(tangents[0], complex) if opaque else tangents[0]
        return np.conj(t) * primals[0] + np.conj(primals[0]) * t

    z = np.array([1.0 + 2.0j, -0.5j])
    f = custom_derivative(lambda z: np.conj(z) * z, jvp=conjugate_jvp)
    g = lambda z: np.conj(z) * z
    v = np.array([0.3 - 1j, 2.0 + 0.5j])
    np.testing.assert_allclose(jvp(f, z, v)[1], jvp(g, z, v)[1], rtol=1e-14)
    np.testing.assert_allclose(vjp(f, z)[1](v), vjp(g, z)[1](v), rtol=1e-14)
    for operator in (jacobian, lambda f, z: derivative(f, z[0]), lambda f, z: linearize(f, z)):
        with pytest.raises(NotHolomorphicError, match="has no complex derivative"):
            operator(f, z)


def test_real_function_of_complex_numbers_has_a_gradient():
    z = np.array([1.0 + 2.0j, -0.5j])
    f = custom_derivative(lambda z: np.sum(np.abs(z) ** 2), jvp=lambda p, t: np.sum(square_modulus_jvp(p, t)))
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gradient(f, z, mode=mode), gradient(lambda z: np.sum((z * np.conj(z)).real), z))


def test_zero_tangents_do_not_meet_infinite_partials():
    """Law 5 holds in all modes: what does not move contributes nothing."""
    root = custom_derivative(np.sqrt, jvp=lambda p, t: 0.5 / np.sqrt(p[0]) * t[0])
    x = np.array([0.0, 4.0])
    assert jvp(root, x, np.array([0.0, 1.0]))[1].tolist() == [0.0, 0.25]
    for mode in ("forward", "reverse"):
        np.testing.assert_array_equal(
            jacobian(lambda x: root(x[1:] * x[:1]), x, mode=mode),
            jacobian(lambda x: np.sqrt(x[1:] * x[:1]), x, mode=mode),
        )
    assert derivative(root, 0.0) == np.inf


# -- where it is written -----------------------------------------------------------------------------------------------
@custom_derivative(jvp=lambda primals, tangents: 3 * primals[0] ** 2 * tangents[0])
def cube(x):
    """The cube."""
    return x * x * x


class Model:
    def __init__(self, scale):
        self.scale = scale

    def scaled_jvp(primals, tangents):
        (self, x), (nothing, t) = primals, tangents
        assert nothing is None
        return self.scale * 2 * x * t

    @custom_derivative(jvp=scaled_jvp)
    def scaled(self, x):
        return self.scale * x * x


def test_decorator():
    assert derivative(cube, 2.0) == 12.0
    assert cube.__doc__ == "The cube."
    assert repr(cube) == "<custom_derivative of cube>"
    copy = pickle.loads(pickle.dumps(cube))
    assert copy is cube
    assert derivative(Model(3.0).scaled, 2.0) == 12.0
    assert pickle.loads(pickle.dumps(custom_derivative(softmax, jvp=softmax_jvp))).jvp is softmax_jvp


# -- check_derivative --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_derivative_accepts(name):
    check_derivative(with_rule(name)[1], X)


NOT_LINEAR = {
    "square": lambda p, t: np.cos(p[0]) * t[0] ** 2,
    "constant": lambda p, t: np.cos(p[0]),
    "affine": lambda p, t: np.cos(p[0]) * t[0] + 1.0,
    "kink": lambda p, t: np.cos(p[0]) * np.abs(t[0]),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_rule_that_is_not_linear_is_detected(name):
    """By every mode of many directions, and along one direction by `check_derivative`."""
    f = custom_derivative(np.sin, jvp=NOT_LINEAR[name])
    for operator in (jacobian, lambda f, x: jacobian(f, x, mode="reverse"), lambda f, x: jacobian(f, x, sparse=True)):
        with pytest.raises(ValueError, match="the jvp of sin is not linear in the tangents"):
            operator(f, np.array([0.3, 0.4]))
    opaque = custom_derivative(np.sin, jvp=lambda p, t: NOT_LINEAR[name](p, plain(*t)))
    with pytest.raises(ValueError, match="the jvp of sin is not linear in the tangents"):
        jacobian(opaque, np.array([0.3, 0.4]), mode="reverse")
    with pytest.raises(DerivativeCheckError, match="not linear in the direction"):
        check_derivative(f, 0.3)


# -- errors ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        lambda: custom_derivative(np.sin, jvp=3),
        lambda: custom_derivative(np.sin, np.cos, jvp=np.cos),
        lambda: custom_derivative(),
        lambda: custom_derivative("sin", jvp=np.cos),
    ],
)
def test_refused_when_made(make):
    with pytest.raises(TypeError, match=r"custom_derivative\(f, jvp=rule\) takes a function and its derivative along"):
        make()


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (
            lambda p, t: (p[0], t[0]),
            ValueError,
            r"only the tangent of the result\) must be a scalar or an array, not a tu",
        ),
        (lambda p, t: t[0][:2], ValueError, r"a tangent of shape \(2,\) for a result of shape \(4,\)"),
        (lambda p, t: 0.0, ValueError, r"a tangent of shape \(\) for a result of shape \(4,\)"),
        (lambda p, t: 1j * t[0], TypeError, "returned a complex tangent, but exp itself is real"),
        (lambda p, t: None, TypeError, "returned None, which is not numeric"),
        (lambda p, t: (s for s in t), TypeError, "returned <generator"),
        (lambda p, t: p[0] > 0, TypeError, "which is not numeric"),
        (lambda p: p[0], TypeError, "positional argument"),
    ],
)
@pytest.mark.parametrize("mode", ["forward", "reverse", "single"])
def test_refused_when_called(rule, error, message, mode):
    f = custom_derivative(np.exp, jvp=rule)
    with pytest.raises(error, match=message):
        jvp(f, X, X) if mode == "single" else jacobian(f, X, mode=mode)


def test_generators_are_no_results():
    f = custom_derivative(lambda x: (2 * e for e in x), jvp=lambda p, t: 2 * t[0])
    with pytest.raises(TypeError, match="f returned an object of type generator"):
        jacobian(f, X)


def test_tangents_that_do_not_come_as_arguments_are_refused():
    """A keyword, and duals that f or its rule captured."""
    f = custom_derivative(lambda x, a=1.0: a * x, jvp=lambda p, t, a=1.0: a * t[0])
    with pytest.raises(TypeError, match=r"does not differentiate keyword arguments.*pass it positionally"):
        derivative(lambda a: f(2.0, a=a), 3.0)
    for captured in ("f", "rule"):

        def g(x, captured=captured):
            a = x if captured == "f" else 2.0
            b = x if captured == "rule" else 2.0
            scaled = custom_derivative(lambda x: a * x, jvp=lambda p, t: b * t[0])
            return scaled(x)

        for operator in (derivative, gradient, lambda f, x: gradient(f, x, mode="reverse")):
            with pytest.raises(TypeError, match="uses a dual number that is not among its arguments"):
                operator(g, 1.5)
    with pytest.raises(TypeError, match="uses a dual number that is not among its arguments"):
        derivative(lambda x: custom_derivative(lambda u: 2 * u, lambda u: x)(x), 1.5)


# -- odd points --------------------------------------------------------------------------------------------------------
def test_nothing_to_differentiate():
    """Empty arrays in and out."""
    for rule in (elementwise_jvp, buffered_jvp):
        f = custom_derivative(elementwise, jvp=rule)
        for options in ({"mode": "forward"}, {"mode": "reverse"}, {"sparse": True}):
            assert jacobian(f, np.zeros(0), **options).shape == (0, 0)
    nothing = custom_derivative(lambda x: x[:0], jvp=lambda p, t: t[0][:0])
    assert jacobian(nothing, X).shape == (0, 4)


@pytest.mark.parametrize("opaque", [False, True])
def test_ill_conditioned_rules_are_linear_too(opaque):
    """Rounding errors as large as the result are none that a test of linearity may see."""
    n = 10
    hilbert = 1 / (1 + np.add.outer(np.arange(n), np.arange(n)))

    def rule(primals, tangents):
        t = np.array(tangents[0], float) if opaque else tangents[0]
        return np.linalg.solve(hilbert, t)

    f = custom_derivative(lambda b: np.linalg.solve(hilbert, b), jvp=rule)
    b = np.ones(n)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(hilbert @ jacobian(f, b, mode=mode), np.eye(n), atol=1e-2)


def test_half_precision():
    f = custom_derivative(softmax, jvp=softmax_jvp)
    x = X.astype(np.float16)
    for mode in ("forward", "reverse"):
        J = jacobian(f, x, mode=mode)
        assert J.dtype == np.float16
        np.testing.assert_allclose(J, jacobian(softmax, X), atol=2e-3)


def test_batches_and_duals_built_by_hand():
    rowwise = custom_derivative(lambda x: np.sum(x**2, axis=-1), jvp=lambda p, t: np.sum(2 * p[0] * t[0], axis=-1))
    np.testing.assert_allclose(gradient(rowwise, X.reshape(2, 2), batch_dims=1), 2 * X.reshape(2, 2))
    y = rowwise(dualdiff.DualArray(X, np.ones(4)))
    assert (y.value, y.tangent) == (np.sum(X**2), np.sum(2 * X))


def test_approximate_rules_pass():
    """A rule that solves iteratively is linear up to its tolerance."""

    def rule(primals, tangents):
        t = np.array(tangents[0], float)
        return np.round(2 * primals[0] * t, 5)

    f = custom_derivative(lambda x: x**2, jvp=rule)
    np.testing.assert_allclose(jacobian(f, X, mode="reverse"), np.diag(2 * X), atol=1e-5)
