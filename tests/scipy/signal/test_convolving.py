"""Convolutions and filters of dualdiff.scipy.signal, compared with matrices of SciPy's and with the complex step."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import NoRuleError, adapt, derivative, gradient, hessian, jacobian, jvp, linearize, nth_derivative
from dualdiff.scipy import signal
from tests.support.against import assert_near, assert_same

scipys = pytest.importorskip("scipy.signal")

_random = np.random.default_rng(0)
ONE = [((7,), (3,)), ((7,), (4,)), ((3,), (6,)), ((4, 5), (2, 3)), ((2, 3), (4, 5)), ((5, 4), (4, 2))]
AXES = [((4, 5), (4, 3), 1), ((4, 5), (1, 3), -1), ((4, 5), (2, 1), (0,))]
MODES = ("full", "same", "valid")
CALLS = [
    *((n, s, t, {"mode": m, "method": k}) for n in ("convolve", "correlate") for s, t in ONE for m in MODES
      for k in ("direct", "fft")),
    *((n, s, t, {"mode": m}) for n in ("fftconvolve", "oaconvolve") for s, t in ONE for m in MODES),
    *((n, s, t, {"mode": m, "axes": a}) for n in ("fftconvolve", "oaconvolve") for s, t, a in AXES for m in MODES),
    *((n, s, t, {"mode": m, "boundary": b, "fillvalue": v}) for n in ("convolve2d", "correlate2d")
      for s, t in ONE[3:] for m in MODES for b, v in (("fill", 0), ("fill", 0.5), ("wrap", 0), ("symm", 0))),
    *(("upfirdn", s, t, {"up": up, "down": down, "axis": a, "mode": m})
      for s, t, a in (((4,), (7,), -1), ((9,), (3, 4), 1), ((5,), (3, 4), 0))
      for up, down, m in ((1, 1, "edge"), (2, 1, "wrap"), (1, 3, "reflect"), (3, 2, "constant"), (5, 4, "symmetric"),
                          (2, 3, "antireflect"), (2, 3, "constant"))),
]  # fmt: skip


def matrix(f, x):
    """The derivative of an affine function, by its images of the unit vectors."""
    zero = f(np.zeros_like(x))
    return np.stack([f(e.reshape(x.shape)) - zero for e in np.eye(x.size)], -1).reshape((*zero.shape, *x.shape))


def id_of(x):
    return "-".join(map(str, x.values())) if isinstance(x, dict) else None


@pytest.mark.parametrize(("name", "first", "second", "options"), CALLS, ids=id_of)
def test_convolutions(name, first, second, options):
    a, b = _random.standard_normal(first), _random.standard_normal(second)
    theirs = getattr(scipys, name)

    def ours(a, b):
        return getattr(signal, name)(a, b, **options)

    assert_same(jvp(lambda a: ours(a, b), a, a)[0], theirs(a, b, **options))
    for mode in ("forward", "reverse"):
        assert_near(jacobian(ours, a, b, mode=mode), matrix(lambda a: theirs(a, b, **options), a), 1e-13)
        assert_near(jacobian(ours, a, b, argnum=1, mode=mode), matrix(lambda b: theirs(a, b, **options), b), 1e-13)


def test_convolutions_are_bilinear_at_every_order():
    a, b = _random.standard_normal(6), _random.standard_normal(4)

    def f(t, module):
        return np.sum(module.convolve(np.sin(t * a), np.exp(t * b)) ** 2)

    class NumPys:
        convolve = np.convolve
        correlate = np.correlate

    for order in (2, 3):
        assert_near(
            nth_derivative(lambda t: f(t, signal), 0.3, order),
            nth_derivative(lambda t: f(t, NumPys), 0.3, order),
            1e-10,
        )
    assert_near(
        hessian(lambda a: np.sum(signal.correlate(a**2, a) ** 2), a),
        hessian(lambda a: np.sum(np.correlate(a**2, a, "full") ** 2), a),
        1e-10,
    )


def test_complex_convolutions():
    a, b = _random.standard_normal((2, 5)) + 1j * _random.standard_normal((2, 5))
    for name in ("convolve", "correlate", "fftconvolve"):
        found = jacobian(lambda a, name=name: getattr(signal, name)(a, b), a)
        assert_near(found, matrix(lambda a, name=name: getattr(scipys, name)(a, b), a), 1e-13)
    # Correlation conjugates the other, so it has no complex derivative there.
    with pytest.raises(TypeError, match="not holomorphic"):
        jacobian(lambda b: signal.correlate(a, b), b)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("first", "second"), ONE[3:])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"])
def test_what_scipy_conjugates_is_conjugated_in_every_mode(name, first, second, mode):
    # With mode="valid" and a larger second matrix, correlate2d conjugates the first.
    a, b = (_random.standard_normal(n) + 1j * _random.standard_normal(n) for n in (first, second))
    for i, x in enumerate((a, b)):

        def parts(t, module, i=i, x=x):
            given = [a, b]
            given[i] = t + 1j * x.imag
            result = getattr(module, name)(*given, mode)
            return np.stack([result.real, result.imag])

        expected = matrix(lambda t, parts=parts: parts(t, scipys), x.real)
        for way in ("forward", "reverse"):
            assert_near(jacobian(lambda t, parts=parts: parts(t, signal), x.real, mode=way), expected, 1e-13)


def test_what_has_no_rule_is_refused():
    x = np.ones((1, 4))
    with pytest.raises(NoRuleError, match="antisymmetric"):
        jacobian(lambda x: signal.upfirdn([1.0, 2.0], x, mode="antisymmetric"), x)
    with pytest.raises(NoRuleError, match="in1 is broadcast"):
        jacobian(lambda x: signal.fftconvolve(x, np.ones((3, 2)), "same", axes=1), x)


# -- filters -----------------------------------------------------------------------------------------------------------
def by_complex_step(f, x):
    steps = 1e-30j * np.eye(x.size).reshape((x.size, *x.shape))
    return np.stack([np.imag(f(x + step)) / 1e-30 for step in steps], -1).reshape((*np.shape(f(x)), *x.shape))


def joined(result):
    """The signal and the final state as one array."""
    return np.concatenate([np.ravel(x) for x in result]) if isinstance(result, tuple) else result


@pytest.mark.parametrize(("zeros", "poles"), [(3, 4), (5, 2), (4, 1), (1, 3)])
@pytest.mark.parametrize(("shape", "axis"), [((9,), -1), ((3, 6), 1), ((6, 2), 0), ((2,), -1)])
def test_lfilter(zeros, poles, shape, axis):
    order = max(zeros, poles) - 1
    states = list(shape)
    states[axis] = order
    b, a, x, zi = (_random.standard_normal(s) for s in (zeros, poles, shape, states))
    a[0] = 1.7
    for given in ([b, a, x], [b, a, x, zi]):
        for i in range(len(given)):

            def f(u, module, given=given, i=i):
                b, a, x, *zi = [*given[:i], u, *given[i + 1 :]]
                return joined(module.lfilter(b, a, x, axis, *zi))

            expected = by_complex_step(lambda u, f=f: f(u, scipys), given[i])
            for mode in ("forward", "reverse"):
                assert_near(jacobian(lambda u, f=f: f(u, signal), given[i], mode=mode), expected, 1e-8)
            assert_same(jvp(lambda u, f=f: f(u, signal), given[i], given[i])[0], f(given[i], scipys))


def test_filters_at_higher_orders():
    b, a, x = _random.standard_normal(3), np.array([1.0, -0.5, 0.2]), _random.standard_normal(9)

    def f(t):
        y, z = signal.lfilter(b * t, a + t * np.array([0.0, 0.1, 0.3]), np.sin(x * t), zi=t * b[:2])
        return np.sum(y**2) + np.sum(z**3)

    def by_hand(t):
        """The difference equation."""
        c, d, u, z = b * t, a + t * np.array([0.0, 0.1, 0.3]), np.sin(x * t), [t * b[0], t * b[1]]
        total = 0.0
        for sample in u:
            y = c[0] * sample + z[0]
            z = [c[1] * sample + z[1] - d[1] * y, c[2] * sample - d[2] * y]
            total = total + y**2
        return total + z[0] ** 3 + z[1] ** 3

    for order in (1, 2, 3, 4):
        assert_near(nth_derivative(f, 0.4, order), nth_derivative(by_hand, 0.4, order), 1e-8 * 10**order)
    assert_near(derivative(derivative(f))(0.4), nth_derivative(by_hand, 0.4, 2), 1e-8)
    assert_near(derivative(gradient(f, mode="reverse"))(0.4), nth_derivative(by_hand, 0.4, 2), 1e-8)


def test_a_record_keeps_the_coefficients():
    """They may be overwritten before the pullback."""
    b, a, x = np.array([1.0, 2.0]), np.array([1.0, -0.5]), np.arange(4.0)
    _, pushforward = linearize(lambda x: signal.lfilter(b, a, x), x)
    expected = scipys.lfilter(b, a, x)
    b[:], a[1] = 0.0, 9.0
    assert_near(pushforward(x), expected, 1e-14)


def test_scipys_own_filters_in_adapted_code():
    x = _random.standard_normal(30)

    def loss(cutoff):
        b, a = scipys.butter(2, cutoff)
        return np.sum(scipys.filtfilt(b, a, x) ** 2)

    def ours(cutoff):
        b, a = signal.butter(2, cutoff)
        return np.sum(signal.filtfilt(b, a, x) ** 2)

    found = derivative(adapt(loss), 0.3)
    assert_near(found, derivative(ours, 0.3), 1e-13)
    assert_near(found, (loss(0.3 + 1e-5) - loss(0.3 - 1e-5)) / 2e-5, 1e-7)
