"""Scalars and arrays with uncertainties: correlations through every function, identities, storage, bad input."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dualdiff as dd
from dualdiff.uncertain import (
    UArray,
    UFloat,
    correlated_values,
    correlated_values_norm,
    correlation_matrix,
    covariance_matrix,
    nominal_values,
    std_devs,
    uarray,
    ufloat,
)

RNG = np.random.default_rng(3)
COV = (lambda a: a @ a.T / 40)(RNG.normal(size=(6, 6)))


def independent():
    """Six independent values, and their covariance matrix."""
    std = np.array([0.1, 0.2, 0.05, 0.3, 0.1, 0.0])
    return uarray([1.1, 0.7, 2.0, 1.6, 0.4, 3.1], std), np.diag(std**2)


def correlated():
    """Six correlated values, and their covariance matrix."""
    return uarray([1.1, 0.7, 2.0, 1.6, 0.4, 3.1], cov=COV), COV


def mixed():
    """Values with several sources in each element, and their covariance matrix."""
    (x, a), (y, b) = independent(), correlated()
    scalar = ufloat(0.0, 0.2)
    return x + 0.3 * (y - y.n) + scalar, a + 0.09 * b + 0.04


def buffer(x):
    out = dd.zeros(6, like=x)
    for i in range(6):
        out[i] = np.sin(x[i]) * x[0]
    out[2:4] += x[4:]
    out[5] = 1.0
    return out


def scalars(x):
    a, b, c, *_ = x
    for _ in range(3):
        a = a * b + dd.exp(-c) if a > 1 else a / b
    return np.stack([a, abs(b - c), a**2 - 2**c, 1 / c])


def written(x):
    out = np.zeros(4)
    for i in range(3):
        out[i] = x[i] * x[0]
    return out


FUNCTIONS = {
    "elementwise": lambda x: np.sin(x) * np.exp(-x) + x / 2 - 3,
    "two slices": lambda x: x[1:] * x[:-1],
    "reversed": lambda x: x[::-1] / x + x,
    "cumsum": np.cumsum,
    "outer": lambda x: np.outer(x, x),
    "matmul": lambda x: x.reshape(2, 3) @ x.reshape(3, 2),
    "inv": lambda x: np.linalg.inv(x[:4].reshape(2, 2) + 3 * np.eye(2)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(x[:4].reshape(2, 2) + x[:4].reshape(2, 2).T),
    "svd": lambda x: np.linalg.svd(x.reshape(2, 3), compute_uv=False),
    "sort and where": lambda x: np.where(x > 1, np.sort(x), x[0] * x),
    "max": lambda x: np.maximum(x, x.mean()),
    "statistics": lambda x: np.stack([x.mean(), x.std(), np.median(x), np.quantile(x, 0.3), np.ptp(x)]),
    "fft": lambda x: np.fft.rfft(x).real,
    "concatenate": lambda x: np.concatenate([x, x[:2] * 2, np.ones(2)]),
    "buffer": buffer,
    "scalars": scalars,
    "loop": lambda x: sum(e * x[0] for e in x),
    "norm": np.linalg.norm,
    "einsum": lambda x: np.einsum("ij,kj->ik", x.reshape(2, 3), x.reshape(2, 3)),
    "interp": lambda x: np.interp(x[0], [0.0, 1.0, 2.0], x[3:]),
    "adapted": dd.adapt(written),
    "clip and fancy index": lambda x: np.clip(x, 0.5, 1.8)[[0, 0, 3, 2]],
    "convolve": lambda x: np.convolve(x, [1.0, 2.0, 1.0]),
}


@pytest.mark.parametrize("values", [independent, correlated, mixed], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_covariances_through_every_kind_of_function(name, values):
    """``J C J.T``, with the Jacobian of the same function at the nominal values."""
    f, (x, cov) = FUNCTIONS[name], values()
    y = f(x)
    jacobian = np.reshape(dd.jacobian(f, nominal_values(x)), (np.size(y), x.size))
    expected = jacobian @ cov @ jacobian.T
    assert_allclose(covariance_matrix(y), expected, rtol=1e-11, atol=1e-14)
    assert_allclose(np.ravel(std_devs(y)), np.sqrt(np.diag(expected)), rtol=1e-11, atol=1e-12)
    assert_allclose(covariance_matrix([y, x]), _of_both(jacobian, cov), rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(nominal_values(y), f(nominal_values(x)))
    assert np.all(std_devs(y - y) == 0)
    assert np.all(std_devs(np.asarray(y - y) if type(y) is np.ndarray else y + (-y)) == 0)


def _of_both(jacobian, cov):
    both = np.vstack([jacobian, np.eye(len(cov))])
    return both @ cov @ both.T


def test_scipy_and_custom_derivatives():
    from dualdiff.scipy import optimize, special

    a = ufloat(2.0, 0.1)
    root = optimize.brentq(lambda x: x**3 - a, 0.0, 5.0)
    assert_allclose(root.s, 0.1 * 2.0 ** (-2 / 3) / 3, rtol=1e-9)
    assert_allclose(special.gamma(a).s, 0.1 * special.digamma(2.0) * special.gamma(2.0))

    square = dd.custom_derivative(lambda x: x * x, lambda x: 2 * x)
    along = dd.custom_derivative(
        lambda x: float(np.sum(np.asarray(x) ** 2)), jvp=lambda primals, tangents: 2 * np.sum(primals[0] * tangents[0])
    )
    assert_allclose(along(uarray([1.0, 2.0], 0.1)).s, 0.2 * 5**0.5)
    assert_allclose(square(a).s, 0.4)
    assert_allclose(square(uarray([1.0, 2.0], 0.1)).s, [0.2, 0.4])


def test_identities():
    x, y = ufloat(1.2, 0.1), ufloat(1.2, 0.1)
    assert (x - x).s == 0
    assert (x - y).s == pytest.approx(0.1 * 2**0.5)
    # By value, as all duals.
    assert x == y
    assert x == 1.2
    assert x < 1.3
    assert hash(x) == hash(x * 1.0)
    assert hash(x) != hash(y)
    assert {x: 1, y: 2}[x] == 1
    assert hash(x - x) == hash(0.0)
    z = x * y + y
    assert z.derivatives[x] == 1.2
    assert z.derivatives[y] == 2.2
    assert z.derivatives[ufloat(1.0, 1.0)] == 0.0
    assert sorted(z.error_components().values()) == pytest.approx([0.12, 0.22])
    assert copy.copy(x) is x
    assert (copy.deepcopy([x])[0] - x).s == 0
    with pytest.raises(KeyError):
        z.derivatives["x"]


def test_tags():
    x, a = ufloat(1.0, 0.1, "L"), uarray([[1.0, 2.0]], 0.1, tag="A")
    assert x.tag == "L"
    assert (2 * x).tag is None
    assert a[0, 1].tag == "A[0, 1]"
    assert correlated_values([1.0, 2.0], np.eye(2), tags=["p", "q"])[1].tag == "q"
    assert repr(next(iter((2 * x).derivatives))) == "<L = 1+/-0.1>"


def test_pickles_keep_identities():
    x, a = ufloat(1.2, 0.1, "x"), uarray([1.0, 2.0], cov=[[0.01, 0.005], [0.005, 0.04]])
    y = {"sum": x + a[0], "array": a * x, "same": x * 1}
    again = pickle.loads(pickle.dumps(y))
    for name, value in y.items():
        assert np.all(std_devs(again[name] - value) == 0), name
    assert hash(again["same"]) == hash(x)
    assert (type(again["array"]) is UArray and type(again["sum"]) is UFloat) or isinstance(again["sum"], UFloat)


WORKER = """
import pickle, sys
from dualdiff.uncertain import ufloat
x, a = pickle.load(sys.stdin.buffer)
y = ufloat(1.0, 0.5, "of the worker")
pickle.dump((x * 2, a[1] * y, y), sys.stdout.buffer)
"""


def test_variables_keep_their_identity_in_other_processes():
    x, a = ufloat(1.2, 0.1), uarray([1.0, 2.0], 0.1)
    done = subprocess.run(
        [sys.executable, "-c", WORKER], input=pickle.dumps((x, a)), capture_output=True, check=True, timeout=60
    )
    double, product, y = pickle.loads(done.stdout)
    assert (double - 2 * x).s == 0
    assert (product - a[1] * y).s == 0
    assert product.s == pytest.approx(np.hypot(0.1, 1.0))
    # A new variable of this process is not taken for the one of the other.
    assert (y - ufloat(1.0, 0.5)).s > 0.7


def test_a_long_chain_is_collapsed_at_a_bounded_cost():
    x, y = ufloat(1.0, 0.1), ufloat(0.001, 0.01)
    total = x
    for _ in range(5000):
        total = total * 0.999 + y
    assert total.derivatives[x] == pytest.approx(0.999**5000)
    assert total.derivatives[y] == pytest.approx((1 - 0.999**5000) / 0.001)
    many = [ufloat(1.0, 0.1) for _ in range(3000)]
    assert sum(many).s == pytest.approx(0.1 * 3000**0.5)
    assert sum(many, start=total).derivatives[x] == pytest.approx(0.999**5000)
    doubled = x
    for _ in range(60):
        doubled = doubled + doubled
    assert doubled.s == 2.0**60 * 0.1


def test_scalars_that_depend_on_many_variables():
    """They remain rows of a sparse matrix, also in combinations with others."""
    a, b, x = uarray(np.arange(300.0), 0.1), uarray(np.ones(300), cov=np.diag(np.full(300, 0.04))), ufloat(2.0, 0.5)
    p, q = np.sum(a), a @ b
    assert p.s == pytest.approx(0.1 * 300**0.5)
    variance = 300 * 0.01 + np.sum(np.arange(300.0) ** 2) * 0.04
    assert q.s == pytest.approx(variance**0.5)
    y = p * x + q - 3 * p
    jacobian = np.concatenate([np.full(300, 2.0 + 1.0 - 3.0), np.arange(300.0), [p.n]])
    expected = jacobian**2 @ np.concatenate([np.full(300, 0.01), np.full(300, 0.04), [0.25]])
    assert y.s == pytest.approx(expected**0.5)
    assert y.derivatives[x] == p.n
    assert (p + q - q - p).s == pytest.approx(0, abs=1e-13)
    assert (y - y).s == 0
    assert_allclose(np.stack([p, x, y]).s, [p.s, 0.5, y.s])
    assert (pickle.loads(pickle.dumps(q)) - q).s == 0
    assert hash(p) == hash(p * 1.0)
    root = np.sqrt(p - p.n)
    assert root.s == np.inf
    assert (root * 0.0).s == 0
    assert np.isnan((root * np.sin(p - p.n)).s)
    total = p
    for e in a[:200]:
        total = total * 0.5 + e
    assert total.derivatives[a[199]] == pytest.approx(1 + 0.5**200)


def test_threads_share_values():
    x = ufloat(1.0, 0.1)
    y, wrong = x, []
    for _ in range(400):
        y = y * 1.01 - 0.001 * x

    def read():
        wrong.extend(i for i in range(50) if (y * x - x * y).s != 0 or (y * 2).s == 0)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_singular_derivatives_are_infinite_or_nan_as_elsewhere():
    x, sure = ufloat(0.0, 0.1), ufloat(0.0, 0.0)
    assert np.sqrt(x).s == np.inf
    assert np.sqrt(sure).s == 0
    assert (np.sqrt(x) * 0.0).s == 0
    assert np.isnan((np.sqrt(x) * np.sin(x)).s)
    assert (np.sqrt(x * x)).s == 0
    assert (np.sqrt(x) + x - np.sqrt(x)).s != 0.1
    assert_allclose(np.sqrt(uarray([0.0, 4.0], 0.1)).s, [np.inf, 0.025])
    assert abs(ufloat(-2.0, 0.1)).s == 0.1
    assert np.floor(x).s == 0
    assert (np.floor(x) + x).s == 0.1
    assert (x // 1.0 + x).s == 0.1
    assert (ufloat(1e-170, 1e-180) * np.array([1.0, 1e-20]) + ufloat(0.0, 1e-190))[1].s == pytest.approx(1e-190)


def test_derivatives_of_and_with_uncertain_values():
    x = ufloat(1.2, 0.1)
    slope = dd.derivative(np.sin, x)
    assert slope.n == np.cos(1.2)
    assert slope.s == pytest.approx(0.1 * np.sin(1.2))
    # The derivative of an uncertainty.
    found = dd.derivative(lambda t: std_devs(np.sin(t * x)), 1.0)
    assert found == pytest.approx(0.1 * (np.cos(1.2) - 1.2 * np.sin(1.2)))
    assert dd.derivative(lambda t: nominal_values(t * x), 1.0) == 1.2
    a = uarray([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    of_sum = dd.gradient(lambda t: std_devs(np.sum(t * a)), np.array([1.0, 1.0, 1.0]))
    assert_allclose(of_sum, np.array([0.01, 0.04, 0.09]) / np.sqrt(0.14))
    second = dd.derivative(lambda s: dd.derivative(lambda t: std_devs(s * t**3 * x), 2.0), 1.0)
    assert second == pytest.approx(1.2)
    both = dd.derivative(lambda t: covariance_matrix([t * x, t**2 * a[1], x]), 3.0)
    assert_allclose(both, [[0.06, 0, 0.01], [0, 4 * 27 * 0.04, 0], [0.01, 0, 0]], atol=1e-15)
    of_two = dd.jacobian(lambda t: covariance_matrix(np.stack([t[0] * x, t[0] * t[1] * x])), np.array([2.0, 3.0]))
    assert_allclose(of_two[..., 0], [[0.04, 0.12], [0.12, 0.36]])
    assert_allclose(of_two[..., 1], [[0.0, 0.04], [0.04, 0.24]], atol=1e-15)
    by_std = dd.derivative(lambda s: std_devs(3 * ufloat(1.0, s)), 0.1)
    by_value = dd.derivative(lambda v: std_devs(ufloat(v, 0.1) ** 2), 3.0)
    assert by_std == pytest.approx(3.0)
    assert by_value == pytest.approx(0.2)
    of_array = dd.jacobian(lambda v: std_devs(uarray(v, cov=np.diag([0.01, 0.04])) ** 2), np.array([3.0, 1.0]))
    assert_allclose(of_array, [[0.2, 0.0], [0.0, 0.4]])
    of_std = dd.gradient(lambda s: std_devs(np.sum(uarray([1.0, 2.0], s) ** 2)), np.array([0.1, 0.2]))
    assert_allclose(of_std, np.array([4 * 0.1, 16 * 0.2]) / np.sqrt(4 * 0.01 + 16 * 0.04))
    assert dd.jacobian(lambda t: std_devs(t * a), 2.0) == pytest.approx([0.1, 0.2, 0.3])
    assert type(dd.gradient(lambda t: np.sum(np.sin(t) * a), np.ones(3))) is UArray
    with pytest.raises(TypeError, match="std_devs has no derivative in reverse mode: use mode='forward'"):
        dd.gradient(lambda t: std_devs(np.sum(t * np.sum(a))), np.ones(200), mode="reverse")


def test_uncertain_elements_are_not_taken_for_constants():
    a = uarray([1.0, 2.0], 0.1)
    with pytest.raises(dd.LostDerivativeError):
        float(a[0])
    with pytest.raises(dd.LostDerivativeError):
        np.zeros(2)[:] = a
    with pytest.raises(dd.LostDerivativeError):
        dd.derivative(lambda t: a.__setitem__(0, t), 1.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(a == a)


def test_storage_is_one_entry_for_each_element_of_an_elementwise_function():
    a, b = uarray(np.ones(50), 0.1), uarray(np.ones(50), cov=np.eye(50))
    for y in (np.sin(a) * a + 3, np.exp(b) / b):
        rows = y.raw.settled()
        assert rows.pattern.width == 1
        assert rows.data.size == 50
    assert (a + 1).raw.pattern is a.raw.pattern
    assert (a * b).raw.pattern.width == 2
    assert a.raw.data.strides == (0,)


def test_values_are_copied_before_they_are_written():
    given = np.array([1.0, 2.0])
    a = uarray(given, 0.1)
    given[0] = 7.0
    b = a.copy()
    a[0] = 5.0
    assert a.n.tolist() == [5.0, 2.0]
    assert a.s.tolist() == [0.0, 0.1]
    assert b.n.tolist() == [1.0, 2.0]
    a[1] = ufloat(3.0, 0.5)
    assert (a[1] - b[1]).s == pytest.approx(np.hypot(0.5, 0.1))
    assert next(iter(b[0].derivatives)).nominal_value == 1.0


def test_arrays_of_scalars_and_back():
    x, y = ufloat(1.0, 0.1), ufloat(2.0, 0.2)
    a = np.stack([x, y, x])
    assert covariance_matrix(a)[0, 2] == pytest.approx(0.01)
    assert [(e - f).s for e, f in zip(a, [x, y, x], strict=True)] == [0, 0, 0]
    assert_allclose(correlation_matrix([x, x + y, 3.0])[:2, :2], [[1, 0.2**-0.5 * 0.2], [0.2**-0.5 * 0.2, 1]])
    assert np.isnan(correlation_matrix([x, 3.0])[1]).all()
    assert nominal_values({"a": a, "b": (x, 2.0)})["b"] == (1.0, 2.0)
    assert std_devs([1.0, 2.0]).tolist() == [0.0, 0.0]
    assert std_devs(3.0) == 0


def test_correlated_scalars():
    cov = [[0.01, 0.015], [0.015, 0.04]]
    x, y = correlated_values([1.0, 2.0], cov)
    assert_allclose(covariance_matrix([x, y]), cov, rtol=1e-14)
    assert_allclose((x * y).s ** 2, 4 * 0.01 + 2 * 2 * 0.015 + 0.04)
    x, y = correlated_values_norm([(1.0, 0.1), ufloat(2.0, 0.2)], [[1, 0.5], [0.5, 1]])
    assert_allclose(covariance_matrix([x, y])[0, 1], 0.01)


def test_sums_that_cancel_have_no_uncertainty():
    """The example of `uncertainties`: a sum beside its terms, given by their covariance matrix."""
    u, v = ufloat(1.0, 0.1), ufloat(10.0, 0.1)
    cov = covariance_matrix([u, v, u + 2 * v])
    assert_allclose(cov, [[0.01, 0, 0.01], [0, 0.01, 0.02], [0.01, 0.02, 0.05]])
    a, b, c = correlated_values([1.0, 10.0, 21.0], cov)
    assert (c - (a + 2 * b)).s < 1e-15
    assert std_devs(np.stack([c - (a + 2 * b), c]))[0] < 1e-15
    assert covariance_matrix([c - (a + 2 * b)])[0, 0] < 1e-30
    assert_allclose(covariance_matrix([a, b, c]), cov, rtol=1e-14, atol=1e-17)


def test_published_examples_of_uncertainties():
    x = ufloat(1.0, 0.1)
    assert str(2 * x) == "2.00+/-0.20"
    assert repr(np.sin(2 * x)).startswith("0.909297426825681")
    assert np.sin(2 * x).s == pytest.approx(0.08322936730942848, rel=1e-14)
    assert (2 * x + 1000).derivatives[x] == 2.0
    square = x**2
    assert (square - x * x).s == 0
    u, v = ufloat(1, 0.1, "u variable"), ufloat(10, 0.1, "v variable")
    total = u + 2 * v
    assert str(total) == "21.00+/-0.22"
    assert {k.tag: round(c, 12) for k, c in total.error_components().items()} == {"u variable": 0.1, "v variable": 0.2}
    inverse = np.linalg.inv(np.stack([np.stack([ufloat(1.0, 0.1), ufloat(4.0, 0.0)]), np.array([3.0, 2.0])]))
    assert_allclose(nominal_values(inverse), [[-0.2, 0.4], [0.3, -0.1]])
    assert_allclose(std_devs(inverse), [[0.004, 0.008], [0.006, 0.012]])


@pytest.mark.filterwarnings("ignore")
def test_scalars_against_uncertainties():
    peer = pytest.importorskip("uncertainties")
    from uncertainties import umath

    def programs(a, b, c, library):
        yield library.sin(a) * library.exp(-b) + a / b
        yield (a + b) ** c - c ** (a - b)
        yield library.sqrt(a * a + b * b) / library.log(c) - abs(a - b)
        yield library.hypot(a, b) * (a - a) + b * c
        total = a
        # `uncertainties` visits every path.
        for _ in range(5):
            total = total * 0.9 + b / (1 + total * total)
        yield total

    given = [(1.2, 0.1), (0.7, 0.02), (2.5, 0.3)]
    ours = programs(*(ufloat(*pair) for pair in given), np)
    theirs = programs(*(peer.ufloat(*pair) for pair in given), umath)
    for x, y in zip(ours, theirs, strict=True):
        assert_allclose([x.n, x.s], [y.n, y.s], rtol=1e-12)
        assert_allclose(sorted(x.error_components().values()), sorted(y.error_components().values()), rtol=1e-12)


def test_empty_and_0d_arrays():
    assert uarray([], []).s.shape == (0,)
    assert covariance_matrix(uarray([], [])).shape == (0, 0)
    assert np.sum(uarray(np.zeros((0, 3)), 0.1)).s == 0
    assert uarray(1.0, 0.1).s == pytest.approx(0.1)
    assert uarray(np.zeros(0), cov=np.zeros((0, 0))).s.shape == (0,)


def test_single_precision_and_integers():
    a = uarray(np.array([1, 2], np.float32), 0.1)
    assert np.sin(a).dtype == np.float32
    assert np.sin(a).s.dtype == np.float64
    assert ufloat(1, 1).n == 1.0
    assert uarray([1, 2], 1).dtype == float


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ufloat(1.0, -0.1), ValueError, "a standard deviation is negative: -0.1"),
        (lambda: ufloat(1.0, float("nan")), ValueError, "a standard deviation is NaN"),
        (lambda: uarray([1.0, 2.0], [0.1, -1.0]), ValueError, r"negative: -1.0 at index \(1,\)"),
        (lambda: uarray([1.0, 2.0], [0.1, np.inf]), ValueError, "infinite: inf"),
        (lambda: ufloat("1.2(1)", 0.1), TypeError, "use ufloat_fromstr"),
        (lambda: ufloat([1.0], 0.1), TypeError, "use uarray"),
        (lambda: ufloat(1.0 + 1j, 0.1), TypeError, "nominal value is"),
        (lambda: ufloat(1.0, 0.1, dof=0), ValueError, "degrees of freedom must be positive"),
        (lambda: uarray([1.0, 2.0]), ValueError, "either std_devs or cov"),
        (lambda: uarray([1.0, 2.0], 0.1, cov=np.eye(2)), ValueError, "either std_devs or cov"),
        (lambda: uarray([1.0, 2.0], [0.1, 0.2, 0.3]), ValueError, r"shape \(3,\) do not broadcast .* \(2,\)"),
        (lambda: uarray([1.0, 2.0], cov=np.eye(3)), ValueError, r"has shape \(3, 3\), not \(2, 2\)"),
        (lambda: uarray([1.0, 2.0], cov=[[1, 2], [2, 1]]), ValueError, "semidefinite: the smallest eigenvalue .* -1"),
        (lambda: uarray([1.0, 2.0], cov=[[1, 0.5], [0.2, 1]]), ValueError, r"not symmetric: element \(0, 1\) is 0.5"),
        (lambda: uarray([1.0, 2.0], cov=[[-1, 0], [0, 1]]), ValueError, "negative variance: -1.0 at index 0"),
        (lambda: uarray([1.0, 2.0], cov=[[np.nan, 0], [0, 1]]), ValueError, "infinite or NaN"),
        (lambda: uarray([1j, 2.0], 0.1), TypeError, "complex: give the real and the imaginary parts"),
        (lambda: uarray([ufloat(1.0, 0.1)], 0.1), TypeError, "nominal values of uarray have uncertainties already"),
        (lambda: uarray([1.0], [ufloat(1.0, 0.1)]), TypeError, "standard deviations of uarray have uncertainties"),
        (
            lambda: ufloat(ufloat(1.0, 0.1), 0.1),
            TypeError,
            "nominal value of ufloat has uncertainties already: add the new ones, x . ufloat",
        ),
        (lambda: uarray(["a"], 0.1), TypeError, "the values of uarray are of"),
        (lambda: std_devs(ufloat(1.0, 0.1) * 1j), TypeError, "x.real and x.imag"),
        (lambda: correlated_values([[1.0]], [[1.0]]), ValueError, "a sequence of values"),
        (
            lambda: correlated_values([1.0], [[1.0]], tags=["a", "b"]),
            ValueError,
            r"tags of shape \(2,\) were given for values of shape \(1,\)",
        ),
        (lambda: correlated_values_norm([(1.0, 0.1)], np.eye(2)), ValueError, "correlation matrix of 1 values has"),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_singular_covariance_matrix_is_accepted():
    x, y = correlated_values([1.0, 2.0], [[1e-20, 1e-12], [1e-12, 1e-4]])
    assert (y - 1e8 * x).s == pytest.approx(0.0, abs=1e-9)


def test_complex_values_keep_their_parts():
    x = ufloat(1.0, 0.1)
    z = np.exp(1j * x)
    assert_allclose(covariance_matrix([z.real, z.imag])[0, 1], -0.01 * np.sin(1.0) * np.cos(1.0))
    assert repr(z).startswith("UFloat(")
    assert repr(uarray([1.0], 0.1) * 1j).startswith("UArray(")
