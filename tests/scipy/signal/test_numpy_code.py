"""Every function of dualdiff.scipy.signal, with respect to each of its parameters, compared with differences."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import derivative
from dualdiff.scipy import signal
from dualdiff.scipy.signal import numpy_code
from tests.scipy.signal.differences import check, found
from tests.support.against import assert_near, assert_same
from tests.support.versions import SCIPY

scipys = pytest.importorskip("scipy.signal")

_random = np.random.default_rng(0)
X, Y = _random.standard_normal((2, 48))
B, A = np.array([0.3, 0.5, 0.1]), np.array([1.0, -0.5, 0.2, 0.1])
Z, P, K = scipys.tf2zpk(B, A)
SOS = scipys.butter(3, 0.3, output="sos")
#: Of another leading coefficient.
SCALED = np.array([1.3, -0.5, 0.2, 0.1])
W = np.array([0.3, 0.7, 1.1])
SPECTRUM = {"fs": 1.3, "nperseg": 16}

CALLS = {
    "convolve": [{"in1": X[:7], "in2": Y[:4]}],
    "correlate": [{"in1": X[:7], "in2": Y[:4], "mode": "same"}],
    "fftconvolve": [{"in1": X[:7], "in2": Y[:4]}],
    "oaconvolve": [{"in1": X, "in2": Y[:4], "mode": "valid"}],
    "convolve2d": [{"in1": X[:20].reshape(4, 5), "in2": Y[:6].reshape(2, 3), "boundary": "symm"}],
    "correlate2d": [{"in1": X[:20].reshape(4, 5), "in2": Y[:6].reshape(2, 3), "mode": "same", "fillvalue": 0.3}],
    "upfirdn": [{"h": Y[:5], "x": X[:12].reshape(2, 6), "up": 3, "down": 2}],
    "lfilter": [{"b": B, "a": A, "x": X}, {"b": B, "a": SCALED, "x": X.reshape(2, 24), "zi": Y[:6].reshape(2, 3)}],
    "sosfilt": [{"sos": SOS, "x": X}, {"sos": SOS, "x": X, "zi": Y[:4].reshape(2, 2)}],
    "lfilter_zi": [{"b": B, "a": A}, {"b": B, "a": SCALED}],
    "sosfilt_zi": [{"sos": SOS}],
    "lfiltic": [{"b": B, "a": A, "y": X[:3], "x": Y[:2]}],
    "filtfilt": [{"b": B, "a": A, "x": X}, {"b": B, "a": SCALED, "x": X.reshape(2, 24), "padtype": "even"}],
    # The length of its padding depends on the number of zeros among the coefficients.
    "sosfiltfilt": [{"sos": scipys.butter(4, 0.3, output="sos"), "x": X}],
    "deconvolve": [{"signal": X[:9], "divisor": Y[:4]}],
    "savgol_coeffs": [{"window_length": 5, "polyorder": 2, "deriv": 1, "delta": d} for d in (0.3, 1.0)],
    "savgol_filter": [
        {"x": X, "window_length": 5, "polyorder": 2, "deriv": 1, "delta": 1.0},
        *({"x": X, "window_length": 5, "polyorder": 2, "mode": mode} for mode in ("mirror", "constant", "wrap")),
    ],
    "detrend": [{"data": X}, {"data": X, "type": "constant"}, {"data": X.reshape(2, 24), "bp": [0, 9]}],
    "hilbert": [{"x": X}, {"x": X[:45]}],
    "hilbert2": [{"x": X.reshape(6, 8)}],
    "envelope": [{"z": X}, {"z": X, "bp_in": (1, 9)}],
    "resample": [{"x": X, "num": 31}, {"x": X, "num": 61, "window": "hann"}],
    "resample_poly": [{"x": X, "up": 3, "down": 2}, {"x": X, "up": 2, "down": 3, "padtype": "mean"}],
    "decimate": [{"x": X, "q": 2}, {"x": X, "q": 3, "ftype": "fir"}, {"x": X, "q": 2, "zero_phase": False}],
    "medfilt": [{"volume": X, "kernel_size": 5}, {"volume": X.reshape(6, 8), "kernel_size": (3, 1)}],
    "medfilt2d": [{"input": X.reshape(6, 8), "kernel_size": 3}],
    "order_filter": [{"a": X.reshape(6, 8), "domain": np.eye(3), "rank": 1}],
    "wiener": [{"im": X, "mysize": 5}],
    "vectorstrength": [{"events": X, "period": 0.7}],
    "periodogram": [{"x": X, "fs": 1.3}],
    "welch": [{"x": X, **SPECTRUM}, {"x": X, **SPECTRUM, "average": "median"}],
    "csd": [{"x": X, "y": Y, **SPECTRUM}],
    "coherence": [{"x": X, "y": Y, **SPECTRUM}],
    "spectrogram": [{"x": X, **SPECTRUM}, {"x": X, **SPECTRUM, "mode": "magnitude"}],
    "stft": [{"x": X, **SPECTRUM}],
    "istft": [{"Zxx": scipys.stft(X, nperseg=16)[2], **SPECTRUM}],
    "lombscargle": [{"x": np.sort(X[:9]), "y": Y[:9], "freqs": W}],
    "czt": [{"x": X[:9]}],
    "zoom_fft": [{"x": X[:9], "fn": [0.1, 0.3]}],
    "freqs": [{"b": B, "a": A, "worN": W}],
    "freqs_zpk": [{"z": Z, "p": P, "k": K, "worN": W}],
    "freqz": [{"b": B, "a": A, "worN": W}],
    "freqz_zpk": [{"z": Z, "p": P, "k": K, "worN": W}],
    "freqz_sos": [{"sos": SOS, "worN": W}],
    "sosfreqz": [{"sos": SOS, "worN": W}],
    "group_delay": [{"system": (B, A), "w": W}],
    "bilinear": [{"b": B, "a": A, "fs": 1.3}, {"b": B, "a": A, "fs": 1.0}],
    "bilinear_zpk": [{"z": Z, "p": P, "k": K, "fs": 1.3}],
    "normalize": [{"b": B, "a": A}, {"b": B, "a": SCALED}],
    "zpk2tf": [{"z": Z, "p": P, "k": K}],
    "tf2zpk": [{"b": B, "a": A}],
    "tf2sos": [{"b": B, "a": A}],
    "zpk2sos": [{"z": Z, "p": P, "k": K}],
    "sos2tf": [{"sos": SOS}],
    "sos2zpk": [{"sos": np.array([[0.3, 0.5, 0.1, 1.0, -0.5, 0.2]])}],
    "lp2lp": [{"b": B, "a": A, "wo": 1.3}, {"b": B, "a": A, "wo": 1.0}],
    "lp2hp": [{"b": B, "a": A}],
    "lp2bp": [{"b": B, "a": A, "wo": 1.3, "bw": 0.4}, {"b": B, "a": A, "wo": 1.0, "bw": 1.0}],
    "lp2bs": [{"b": B, "a": A, "wo": 1.3, "bw": 0.4}, {"b": B, "a": A, "wo": 1.0, "bw": 1.0}],
    "lp2lp_zpk": [{"z": Z, "p": P, "k": K, "wo": w} for w in (1.3, 1.0)],
    "lp2hp_zpk": [{"z": Z, "p": P, "k": K, "wo": w} for w in (1.3, 1.0)],
    "lp2bp_zpk": [{"z": Z, "p": P, "k": K, "wo": w, "bw": w} for w in (1.3, 1.0)],
    "lp2bs_zpk": [{"z": Z, "p": P, "k": K, "wo": w, "bw": w} for w in (1.3, 1.0)],
    "iirfilter": [{"N": 3, "Wn": 0.3, "rp": 1.0, "rs": 20.0, "btype": "low", "ftype": "ellip", "fs": 1.7}],
    "butter": [
        {"N": 3, "Wn": 0.3, "fs": 1.7},
        {"N": 2, "Wn": np.array([0.2, 0.4]), "btype": "bandpass", "output": "sos"},
        {"N": 2, "Wn": np.array([0.2, 0.4]), "btype": "bandstop", "output": "zpk"},
        {"N": 3, "Wn": 0.3, "btype": "high", "analog": True},
    ],
    "cheby1": [{"N": 3, "rp": 1.0, "Wn": 0.3, "fs": 1.7}],
    "cheby2": [{"N": 3, "rs": 20.0, "Wn": 0.3, "fs": 1.7}],
    "ellip": [{"N": 3, "rp": 1.0, "rs": 20.0, "Wn": 0.3, "fs": 1.7}],
    "bessel": [{"N": 3, "Wn": 0.3, "fs": 1.7}],
    "iirnotch": [{"w0": 0.3, "Q": 5.0, "fs": 1.7}],
    "iirpeak": [{"w0": 0.3, "Q": 5.0, "fs": 1.7}],
    "iircomb": [{"w0": 0.25, "Q": 5.0}],
    "firwin": [{"numtaps": 9, "cutoff": 0.3, "fs": 1.7}, {"numtaps": 9, "cutoff": [0.2, 0.4], "pass_zero": False}],
    "firwin2": [{"numtaps": 9, "freq": [0.0, 0.3, 1.0], "gain": [1.0, 0.6, 0.1]}],
    "minimum_phase": [{"h": np.convolve([1.0, 0.5, 0.3], [0.3, 0.5, 1.0])}],
    "kaiser_atten": [{"numtaps": 9, "width": 0.3}],
    "kaiser_beta": [{"a": 30.0}],
    "cspline1d": [{"signal": X[:9]}],
    "qspline1d": [{"signal": X[:9]}],
    "cspline1d_eval": [{"cj": X[:9], "newx": W}],
    "qspline1d_eval": [{"cj": X[:9], "newx": W}],
    "gauss_spline": [{"x": X[:5], "n": 3}],
    "gausspulse": [{"t": X[:5], "fc": 3.0}],
    "sawtooth": [{"t": X[:5], "width": 0.3}],
    "sweep_poly": [{"t": X[:5], "poly": W}],
    "windows.chebwin": [{"M": 9, "at": 50.0}, {"M": 8, "at": 50.0}],
    "windows.exponential": [{"M": 9, "tau": 1.3}],
    "windows.gaussian": [{"M": 9, "std": 1.3}],
    "windows.general_cosine": [{"M": 9, "a": W}],
    "windows.general_gaussian": [{"M": 9, "p": 1.5, "sig": 2.0}],
    "windows.general_hamming": [{"M": 9, "alpha": 0.6}],
    "windows.kaiser": [{"M": 9, "beta": 3.0}],
    "windows.kaiser_bessel_derived": [{"M": 8, "beta": 3.0}],
    "windows.tukey": [{"M": 9, "alpha": 0.6}],
    "windows.taylor": [{"M": 9, "sll": 30.0}],
}


def parameters_of(name):
    if name.startswith("windows."):
        return numpy_code._WINDOWS[name[8:]].split()
    given = {
        "lfilter": "b a x zi",
        "sosfilt": "sos x zi",
        "upfirdn": "h x",
        "sosfreqz": "sos worN",
        "medfilt2d": "input",
    }
    return {**dict.fromkeys(signal.__all__, "in1 in2"), **numpy_code._COPIED, **given}[name].split()


#: Functions that were compiled in older versions of SciPy, or reshape an array in place: they raise.
COMPILED_BEFORE = {"lombscargle", "sosfiltfilt"}
CASES = [
    pytest.param(name, call, parameter, id=f"{name}-{i}-{parameter}")
    for name, calls in CALLS.items()
    if found(scipys, name)
    for i, call in enumerate(calls)
    for parameter in parameters_of(name)
    if parameter in call and not (SCIPY < (1, 15) and name in COMPILED_BEFORE)
]


def test_every_function_and_parameter_is_called_here():
    names = {*signal.__all__, *(f"windows.{name}" for name in signal.windows.__all__)}
    # The window stands in a tuple, and has a test of its own.
    names -= {"get_window", "windows.get_window"}
    assert names <= set(CALLS)
    for name in names - ({"freqz_sos"} if SCIPY < (1, 15) else set()):
        assert {p for p in parameters_of(name) if any(p in call for call in CALLS[name])} == {*parameters_of(name)}


@pytest.mark.parametrize(("name", "call", "parameter"), CASES)
def test_derivatives(name, call, parameter):
    check(signal, scipys, name, call, parameter)


def test_a_window_by_its_name():
    for module in (signal, signal.windows):
        found = derivative(lambda beta, module=module: module.get_window(("kaiser", beta), 8), 3.0)
        assert_near(found, derivative(lambda beta: signal.windows.kaiser(8, beta, sym=False), 3.0), 1e-14)
    assert_same(signal.get_window("hann", 8), scipys.get_window("hann", 8))
