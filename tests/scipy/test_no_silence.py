"""Every public name of the modules of transforms, signals and images: with derivatives, or refused in words."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from dualdiff import LostDerivativeError, NoRuleError, jacobian, jvp
from dualdiff.scipy import fft, ndimage, signal
from tests.support.against import assert_near

scipy = pytest.importorskip("scipy")

MODULES = {"fft": fft, "ndimage": ndimage, "signal": signal, "signal.windows": signal.windows}
X = np.arange(1.0, 33.0) / 7


def of_scipy(name):
    __import__(f"scipy.{name}")
    module = scipy
    for part in name.split("."):
        module = getattr(module, part)
    return module


NAMES = [(module, name) for module in MODULES for name in sorted(of_scipy(module).__all__)]
#: Classes: their instances compute with duals, or raise.
CLASSES = {"BadCoefficients", "CZT", "ShortTimeFFT", "StateSpace", "TransferFunction", "ZerosPolesGain", "ZoomFFT"}
CLASSES |= {"dlti", "lti"}


def kind_of(module, name):
    if name in MODULES[module].__all__:
        return "with derivatives"
    thing = getattr(of_scipy(module), name)
    if inspect.ismodule(thing):
        return "a module"
    return "a class" if inspect.isclass(thing) else "a function" if callable(thing) else "other"


def test_every_class_is_known():
    assert {name for module, name in NAMES if kind_of(module, name) == "a class"} == CLASSES
    assert {(module, name) for module, name in NAMES if kind_of(module, name) == "other"} == set()


@pytest.mark.parametrize(("module", "name"), [key for key in NAMES if kind_of(*key) == "a function"])
def test_every_other_function_refuses_duals(module, name):
    function = getattr(MODULES[module], name)
    with pytest.raises(NoRuleError, match=name):
        jvp(function, X, X)
    with pytest.raises(NoRuleError, match=name):
        jvp(lambda x: function([[x[0]]], axis=0), X, X)


def numerator(t):
    return np.stack([t, 1 + 0 * t])


INSTANCES = {
    "lti": lambda t, s: s.lti(numerator(t), [1.0, 2.0, 3.0]).num,
    "dlti": lambda t, s: s.dlti(numerator(t), [1.0, 2.0, 3.0], dt=0.1).num,
    "TransferFunction": lambda t, s: s.TransferFunction([1.0], numerator(t)).den,
    "ZerosPolesGain": lambda t, s: s.ZerosPolesGain([], [-1.0], t).gain,
    "ZerosPolesGain, poles": lambda t, s: s.ZerosPolesGain([], np.stack([t]), 1.0).poles,
    "StateSpace": lambda t, s: s.StateSpace(np.stack([np.stack([t])]), [[1.0]], [[1.0]], [[0.0]]).A,
    "StateSpace, impulse": lambda t, s: s.StateSpace(np.stack([np.stack([t])]), [[1.0]], [[1.0]], [[0.0]]).impulse()[1],
    "CZT": lambda t, s: np.abs(s.CZT(32)(t * X)),
    "CZT, step": lambda t, s: np.abs(s.CZT(32, w=np.exp(-1j * t))(X)),
    "ZoomFFT": lambda t, s: np.abs(s.ZoomFFT(32, [0.1, 0.3])(t * X)),
    "ZoomFFT, band": lambda t, s: np.abs(s.ZoomFFT(32, np.stack([0.1 * t, 0.3]))(X)),
    "ShortTimeFFT": lambda t, s: np.abs(s.ShortTimeFFT(np.ones(8), 4, 1.0).stft(t * X)),
    "ShortTimeFFT, rate": lambda t, s: s.ShortTimeFFT(np.ones(8), 4, t).f,
    "ShortTimeFFT, window": lambda t, s: np.abs(s.ShortTimeFFT(t * np.ones(8), 4, 1.0).stft(X)),
}


#: Those that are NumPy alone inside; the others compute in C, or store floats.
RIGHT = {"TransferFunction", "ZerosPolesGain", "ZerosPolesGain, poles", "StateSpace", "ShortTimeFFT, rate"}


@pytest.mark.parametrize("name", INSTANCES)
def test_instances_of_classes_are_right_or_raise(name):
    f = INSTANCES[name]
    if not hasattr(of_scipy("signal"), name.partition(",")[0]):
        pytest.skip("this SciPy has no such class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name not in RIGHT:
            with pytest.raises((LostDerivativeError, AttributeError, ValueError)) as raised:
                jacobian(lambda t: f(t, signal), 1.3)
            # Whatever SciPy's code raised, the note says what to write.
            assert "takes plain values: put the call into a function" in raised.value.__notes__[0]
            return
        found = jacobian(lambda t: f(t, signal), 1.3)
        difference = (np.asarray(f(1.3 + 1e-6, signal)) - f(1.3 - 1e-6, signal)) / 2e-6
        assert_near(found, difference, 1e-6)


def test_output_arrays_of_plain_values_are_refused():
    image = X.reshape(4, 8)
    with pytest.raises(LostDerivativeError, match="output= of dualdiff"):
        jacobian(lambda x: ndimage.gaussian_filter(x, 1.0, output=np.zeros((4, 8))), image)
    single = jvp(lambda x: ndimage.gaussian_filter(x, 1.0, output=np.float32), image, image)
    assert single[0].dtype == single[1].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        (lambda t: fft.dct(X, n=t), "n"),
        (lambda t: signal.butter(t, 0.3), "N"),
        (lambda t: signal.welch(X, fs=t, nperseg=8), "fs"),
        (lambda t: signal.firwin(5, 0.3, window=("kaiser", t)), "window"),
        (lambda t: signal.savgol_filter(X, 5, t), "polyorder"),
        (lambda t: ndimage.gaussian_filter(X, 1.0, truncate=t), "truncate"),
        (lambda t: ndimage.zoom(X, t), "zoom"),
        (lambda t: ndimage.correlate(X, [1.0, 2.0], cval=t), "cval"),
    ],
)
def test_a_parameter_without_a_derivative_is_named(call, parameter):
    with pytest.raises(LostDerivativeError, match=f"a dual number as {parameter}= of dualdiff"):
        jacobian(call, 2.0)
