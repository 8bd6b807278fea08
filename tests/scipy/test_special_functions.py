"""``dualdiff.scipy.special``: the functions of ``scipy.special`` that are not ufuncs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import dualdiff
from dualdiff import DualArray, NoRuleError, derivative, gradient, hessian, jacobian, jvp, nth_derivative, value, vjp
from tests.support.against import assert_same
from tests.support.versions import SCIPY_1_15, SCIPY_1_17

scipy_special = pytest.importorskip("scipy.special")

from dualdiff.scipy import special  # noqa: E402 - needs SciPy

X = np.array([[0.3, -1.2, 2.0], [0.5, 0.1, -0.7]])


# -- the module --------------------------------------------------------------------------------------------------------
def test_every_name_of_scipy_is_there():
    assert {name for name in scipy_special.__all__ if not hasattr(special, name)} == set()
    assert special.erf is scipy_special.erf
    assert dualdiff.scipy.special is special
    assert set(scipy_special.__all__) <= set(dir(special))
    assert "special" in dir(dualdiff.scipy)
    with pytest.raises(AttributeError, match="bessel_of_nobody"):
        special.bessel_of_nobody  # noqa: B018 - the case


def both_modes(f, x, wanted, rtol=1e-13):
    """Check the Jacobian in forward and reverse mode, and the value."""
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(jacobian(f, x, mode=mode), wanted, rtol=rtol, atol=1e-15)
    assert_same(jvp(f, x, np.ones_like(x))[0], f(x))


def differences(f, x):
    """The Jacobian by central differences with two steps, extrapolated."""
    found = np.empty(np.shape(f(x)) + x.shape)
    for place in np.ndindex(x.shape):
        steps = []
        for h in (5e-4, 1e-3):
            up, down = x.copy(), x.copy()
            up[place] += h
            down[place] -= h
            steps.append((f(up) - f(down)) / (2 * h))
        found[(..., *place)] = (4 * steps[0] - steps[1]) / 3
    return found


# -- logsumexp ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_along_axes(axis, keepdims):
    def f(x):
        return special.logsumexp(x, axis=axis, keepdims=keepdims)

    assert_same(value(f(DualArray(X, X))), scipy_special.logsumexp(X, axis=axis, keepdims=keepdims))
    both_modes(f, X, differences(f, X), rtol=1e-8)


@pytest.mark.parametrize("axis", [0, -1, None])
def test_logsumexp_of_a_scalar_may_have_an_axis(axis):
    assert (
        scipy_special.logsumexp(0.3, axis=axis) == value(special.logsumexp(dualdiff.Dual(0.3, 1.0), axis=axis)) == 0.3
    )
    assert derivative(lambda x: special.logsumexp(x * x, axis=axis), 0.3) == pytest.approx(0.6)


def test_logsumexp_has_softmax_as_its_gradient():
    np.testing.assert_allclose(gradient(special.logsumexp, X), scipy_special.softmax(X), rtol=1e-15)
    far = np.array([1e3, 1e3 + 1, -1e3])
    np.testing.assert_allclose(gradient(special.logsumexp, far), scipy_special.softmax(far), rtol=1e-15)
    s = scipy_special.softmax(X[0])
    np.testing.assert_allclose(hessian(special.logsumexp, X[0]), np.diag(s) - np.outer(s, s), rtol=1e-13)


def test_logsumexp_with_factors_and_signs():
    b = np.array([[1.0, -2.0, 0.0], [0.5, 1.5, 1.0]])

    def of_exponents(x):
        return special.logsumexp(x, axis=1, b=b, return_sign=True)[0]

    def of_factors(b):
        return special.logsumexp(X, axis=1, b=b, return_sign=True)[0]

    both_modes(of_exponents, X, differences(of_exponents, X), rtol=1e-8)
    both_modes(of_factors, b, differences(of_factors, b), rtol=1e-8)
    found, sign = special.logsumexp(DualArray(X, X), axis=1, b=b, return_sign=True)
    wanted = scipy_special.logsumexp(X, axis=1, b=b, return_sign=True)
    assert_same(found.value, wanted[0])
    assert_same(value(sign), wanted[1])
    assert_same(sign.tangent, np.zeros(2))


def test_logsumexp_where_a_factor_of_zero_hides_an_infinity():
    a = np.array([1.0, np.inf, 2.0])
    b = np.array([1.0, 0.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        slope = gradient(lambda a: special.logsumexp(a, b=b), a)
    np.testing.assert_allclose(slope[[0, 2]], scipy_special.softmax([1.0, 2.0]))
    assert slope[1] == 0


@pytest.mark.parametrize("largest", [500.0, 1000.0, 1e300])
def test_logsumexp_where_a_factor_of_zero_stands_beside_a_large_exponent(largest):
    b = np.array([1.0, 0.0, 3.0])
    a = np.array([0.0, largest, -1.0])

    def f(a):
        return special.logsumexp(a, b=b)

    weights = b * np.exp([0.0, 0.0, -1.0])
    weights /= weights.sum()
    both_modes(f, a, weights)
    bend = np.diag(weights) - np.outer(weights, weights)
    both_modes(lambda a: gradient(f, a), a, bend)
    along = jacobian(lambda a: special.logsumexp(a, axis=1, b=b), np.stack([a, np.zeros(3)]))
    np.testing.assert_allclose(along[0, 0], weights, rtol=1e-14)
    np.testing.assert_allclose(along[1, 1], b / 4, rtol=1e-14)
    # A factor that carries a tangent is part of the sum unless e**a is infinite.
    slope = gradient(lambda b: special.logsumexp(np.array([0.0, 500.0]), b=b), np.array([1.0, 0.0]))
    np.testing.assert_allclose(slope, [1.0, np.exp(500.0)], rtol=1e-14)


@pytest.mark.parametrize(
    ("a", "wanted"),
    [
        ([-np.inf, -np.inf], [1.0, 0.0]),
        ([np.inf, 1.0, np.inf], [1.0, 0.0, 0.0]),
        ([-np.inf, 1.0], [0.0, 1.0]),
        ([-np.inf], [1.0]),
        ([2.0, 2.0], [0.5, 0.5]),
    ],
)
def test_logsumexp_of_infinities_takes_the_first_of_the_largest(a, wanted):
    # Like np.logaddexp.
    assert_same(gradient(special.logsumexp, np.array(a)), np.array(wanted))


def test_logsumexp_of_other_dtypes():
    assert gradient(special.logsumexp, X.astype(np.float32)).dtype == np.float32
    assert derivative(lambda t: special.logsumexp([t, 2 * t, 0.0]), 0.5) == pytest.approx(
        gradient(special.logsumexp, [0.5, 1.0, 0.0]) @ [1, 2, 0], rel=1e-14
    )
    assert derivative(special.logsumexp, 0.7) == 1.0
    z = X[0] + 0.3j
    slope = jvp(special.logsumexp, z, np.array([0.0, 1.0, 0.0j]))[1]
    assert slope == pytest.approx(np.exp(z[1]) / np.exp(z).sum(), rel=1e-14)


def test_values_without_duals_are_those_of_scipy():
    assert special.logsumexp([1, 2], b=[1, -1], return_sign=True) == scipy_special.logsumexp(
        [1, 2], b=[1, -1], return_sign=True
    )
    assert_same(special.softmax(X, axis=0), scipy_special.softmax(X, axis=0))
    assert special.comb(10, 3, exact=True) == 120
    assert special.perm(10, 3, exact=True) == 720
    assert special.factorial(5, exact=True) == 120
    assert_same(special.factorial(X[:, 0] + 1), scipy_special.factorial(X[:, 0] + 1))


# -- softmax -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_softmax(name, axis):
    def f(x):
        return getattr(special, name)(x, axis=axis)

    assert_same(f(X), getattr(scipy_special, name)(X, axis=axis))
    both_modes(f, X, differences(f, X), rtol=1e-8)


def test_log_softmax_where_softmax_underflows():
    x = np.array([1e3, 0.0, -np.inf])
    np.testing.assert_allclose(jacobian(special.log_softmax, x)[:2, :2], [[0.0, 0.0], [-1.0, 1.0]])


# -- polygamma and its relatives ---------------------------------------------------------------------------------------
def test_polygamma():
    n, x = np.array([0, 1, 2]), np.array([0.7, 1.9, 3.1])
    np.testing.assert_allclose(derivative(lambda x: special.polygamma(n, x), x), scipy_special.polygamma(n + 1, x))
    third = nth_derivative(lambda x: special.polygamma(1, x), 0.7, 3)
    np.testing.assert_allclose(third, scipy_special.polygamma(4, 0.7), rtol=1e-14)
    with pytest.raises(NoRuleError, match=r"special\.polygamma has no derivative rule with respect to its first"):
        derivative(lambda n: special.polygamma(n, 1.0), 2.0)


def test_multigammaln():
    a = np.array([2.2, 3.7])
    for d in (1, 2, 4):
        wanted = sum(scipy_special.psi(a - j / 2) for j in range(d))
        np.testing.assert_allclose(derivative(lambda a, d=d: special.multigammaln(a, d), a), wanted, rtol=1e-14)
    # Older versions of SciPy fail to format their own message.
    with pytest.raises((ValueError if SCIPY_1_17 else TypeError), match="not met" if SCIPY_1_17 else "format"):
        derivative(lambda a: special.multigammaln(a, 9), a)


def test_factorial_comb_and_perm():
    x = np.array([0.0, 2.5, 6.0])
    np.testing.assert_allclose(
        derivative(special.factorial, x), scipy_special.gamma(x + 1) * scipy_special.psi(x + 1), rtol=1e-14
    )
    if SCIPY_1_15:
        assert derivative(special.factorial, -1.5) == 0.0
        extended = derivative(lambda n: special.factorial(n, extend="complex"), np.array([-1.5, 2.5]))
        wanted = [scipy_special.gamma(m) * scipy_special.psi(m) for m in (-0.5, 3.5)]
        np.testing.assert_allclose(extended, wanted, rtol=1e-14)
    n = np.array([3.0, 5.5, 1.0])
    np.testing.assert_allclose(derivative(lambda n: special.comb(n, 2), n), [2.5, 5.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(derivative(lambda n: special.comb(n, 2, repetition=True), n), [3.5, 6.0, 1.5])
    np.testing.assert_allclose(derivative(lambda n: special.perm(n, 2), n), [5.0, 10.0, 0.0], atol=1e-14)
    for f in (
        special.factorial,
        lambda n, exact: special.comb(n, 2, exact=exact),
        lambda n, exact: special.perm(n, 2, exact),
    ):
        with pytest.raises(NoRuleError, match="exact=True"):
            derivative(lambda n, f=f: f(n, exact=True), 3.0)


# -- SciPy's functions around ufuncs -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "f",
    [
        lambda x: special.spherical_jn(2, x),
        lambda x: special.spherical_jn(2, x, derivative=True),
        lambda x: special.spherical_yn(2, x),
        lambda x: special.spherical_in(2, x),
        lambda x: special.spherical_kn(2, x),
        lambda x: special.zeta(3.0, x),
        lambda x: special.lambertw(x).real,
        lambda x: special.jvp(2, x, 2),
        lambda x: special.kvp(1, x),
        lambda x: special.sinc(x),
        lambda x: special.spherical_yn(2, -x),
        *(
            [
                lambda x: special.spherical_jn(3, -x),
                lambda x: special.spherical_jn(2, -x, derivative=True),
                lambda x: special.spherical_kn(2, -x),
                lambda x: special.spherical_in(3, -x, derivative=True),
            ]
            if SCIPY_1_15
            else []
        ),
    ],
)
def test_functions_that_call_ufuncs_work_as_they_are(f):
    x = np.array([0.4, 1.1, 2.3])
    both_modes(f, x, differences(f, x), rtol=1e-8)


# -- nesting and other spaces ------------------------------------------------------------------------------------------
def test_nested_and_mixed():
    def f(x):
        return special.logsumexp(special.log_softmax(x) * x) * special.multigammaln(x[0] + 3, 2)

    x = np.array([0.2, 0.9, -0.4])
    np.testing.assert_allclose(gradient(f, x), differences(f, x), rtol=1e-9)
    np.testing.assert_allclose(hessian(f, x), differences(lambda x: gradient(f, x), x), rtol=1e-8)
    np.testing.assert_allclose(jacobian(f, x, sparse=True).toarray()[0], gradient(f, x), rtol=1e-13)
    np.testing.assert_allclose(vjp(f, x)[1](1.0), gradient(f, x), rtol=1e-13)


def test_functions_without_a_rule_say_so_under_their_own_names():
    for name in {"sph_harm_y", "legendre_p"} & set(dir(scipy_special)):
        function, orders = getattr(special, name), (2, 1)[: 1 + name.startswith("sph")]
        args = (*orders, *(0.3,) * len(orders))
        np.testing.assert_array_equal(function(*args), getattr(scipy_special, name)(*args))
        with pytest.raises(NoRuleError, match=rf"^scipy\.special\.{name} has no derivative rule.*custom_derivative"):
            derivative(lambda x, f=function, o=orders: f(*o, *(x,) * len(o)), 0.3)
    for args in (), (1.5,):
        with pytest.raises(NoRuleError, match=r"^scipy\.special\.zeta has no derivative rule"):
            derivative(lambda x, args=args: special.zeta(x, *args), 2.5)


@pytest.mark.parametrize("name", special.__all__)
def test_adapted_functions_of_scipy_get_plain_values_from_the_rules(name):
    """SciPy converts the arguments of its functions in Python; what a rule passes to them has no duals."""
    function = getattr(special, name)
    use = {"comb": (3.0,), "perm": (3.0,), "polygamma": None, "multigammaln": (1,)}.get(name, ())
    if name == "polygamma":
        f = lambda x: function(1, x * x + 2.0)
    elif name.startswith("spherical"):
        f = lambda x: function(2, x * x + 2.0)
    else:
        f = lambda x: function(x * x + 4.0, *use)
    g = lambda x: np.stack([f(x[0]) * f(x[0])])
    x = np.array([1.5, 2.0])
    found = jacobian(dualdiff.adapt(g), x)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, jacobian(g, x))
