"""``scipy.signal``: the functions whose code is NumPy inside, which are run on duals.

What compiled code computes in them has rules of its own: convolutions and filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.scipy.signal.convolving import CONVOLUTIONS
from dualdiff.scipy.signal.filtering import FILTERS
from dualdiff.scipy.solving.numpy_inside import Copies, accepting, by_copy

_MODULE = "scipy.signal"
_scipy = load(_MODULE, "scipy", f"dualdiff.{_MODULE}")
_windows = load("scipy.signal.windows", "scipy", f"dualdiff.{_MODULE}")

#: The functions for duals, by SciPy's names.
FUNCTIONS: dict[str, Callable[..., Any]] = {**CONVOLUTIONS, **FILTERS}
WINDOWS: dict[str, Callable[..., Any]] = {}
#: Those that are not copied where others call them.
_OWN = dict(FUNCTIONS)
_COPIES = Copies(_MODULE, _OWN)


# -- arrays that take the branch that is right for their neighbours ----------------------------------------------------
def _normalized(b: Any, a: Any, *others: Any) -> Any:
    """Coefficients with a leading 1: SciPy only divides by others."""
    b, a = np.atleast_1d(operand(b)), np.atleast_1d(operand(a))
    leading = plain_values(a)
    first = int(np.argmax(leading != 0))
    return b / a[first], a[first:] / a[first], *others


def _normalized_sections(sos: Any) -> Any:
    sos = operand(sos)
    return (sos / sos[:, 3:4],)


_PREPARED: dict[str, Callable[..., Any]] = {"lfilter_zi": _normalized, "sosfilt_zi": _normalized_sections}
if _scipy.lfiltic([1.0], [2.0, 1.0], [1.0])[0] == -0.5:
    # Older versions do not divide by the leading coefficient.
    _PREPARED["lfiltic"] = _normalized
#: The functions, and their parameters with respect to which they are differentiable, in the order of the parameters.
_COPIED = {
    "lfilter_zi": "b a",
    "sosfilt_zi": "sos",
    "lfiltic": "b a y x",
    "filtfilt": "b a x",
    "sosfiltfilt": "sos x",
    "deconvolve": "signal divisor",
    "savgol_coeffs": "delta",
    "savgol_filter": "x delta",
    "detrend": "data",
    "hilbert": "x",
    "hilbert2": "x",
    "envelope": "z",
    "resample": "x",
    "resample_poly": "x",
    "decimate": "x",
    "wiener": "im",
    "medfilt": "volume",
    "order_filter": "a",
    "vectorstrength": "events period",
    # Spectra.
    "periodogram": "x",
    "welch": "x",
    "csd": "x y",
    "coherence": "x y",
    "spectrogram": "x",
    "stft": "x",
    "istft": "Zxx",
    "lombscargle": "x y freqs",
    "czt": "x",
    "zoom_fft": "x",
    # Responses of filters.
    "freqs": "b a worN",
    "freqs_zpk": "z p k worN",
    "freqz": "b a worN",
    "freqz_zpk": "z p k worN",
    "freqz_sos" if hasattr(_scipy, "freqz_sos") else "sosfreqz": "sos worN",
    "group_delay": "system w",
    # Forms of filters.
    "bilinear": "b a fs",
    "bilinear_zpk": "z p k fs",
    "normalize": "b a",
    "zpk2tf": "z p k",
    "tf2zpk": "b a",
    "tf2sos": "b a",
    "zpk2sos": "z p k",
    "sos2tf": "sos",
    "sos2zpk": "sos",
    "lp2lp": "b a wo",
    "lp2hp": "b a",
    "lp2bp": "b a wo bw",
    "lp2bs": "b a wo bw",
    "lp2lp_zpk": "z p k wo",
    "lp2hp_zpk": "z p k wo",
    "lp2bp_zpk": "z p k wo bw",
    "lp2bs_zpk": "z p k wo bw",
    # The design of filters.
    "iirfilter": "Wn rp rs fs",
    "butter": "Wn fs",
    "cheby1": "rp Wn fs",
    "cheby2": "rs Wn fs",
    "ellip": "rp rs Wn fs",
    "bessel": "Wn fs",
    "iirnotch": "w0 Q fs",
    "iirpeak": "w0 Q fs",
    "iircomb": "Q",
    "firwin": "cutoff fs",
    "firwin2": "gain",
    "minimum_phase": "h",
    "kaiser_atten": "width",
    "kaiser_beta": "a",
    # Splines and waveforms.
    "cspline1d": "signal",
    "qspline1d": "signal",
    "cspline1d_eval": "cj",
    "qspline1d_eval": "cj",
    "gauss_spline": "x",
    "gausspulse": "t fc",
    "sawtooth": "t",
    "sweep_poly": "t poly",
}
_WINDOWS = {
    "chebwin": "at",
    "exponential": "tau",
    "gaussian": "std",
    "general_cosine": "a",
    "general_gaussian": "p sig",
    "general_hamming": "alpha",
    "tukey": "alpha",
    "kaiser": "beta",
    "kaiser_bessel_derived": "beta",
    "taylor": "sll",
}

for _name, _arrays in _COPIED.items():
    # Older versions lack some.
    if hasattr(_scipy, _name):
        FUNCTIONS[_name] = by_copy(_COPIES, _MODULE, _name, _arrays, _PREPARED.get(_name))
        if _name in _PREPARED:
            _OWN[_name] = FUNCTIONS[_name]
for _name, _arrays in _WINDOWS.items():
    WINDOWS[_name] = by_copy(_COPIES, "scipy.signal.windows", _name, _arrays)


def get_window(value: Any, window: Any, Nx: int, fftbins: bool = True) -> Any:
    """A window by its name and its parameters, as in ``("kaiser", beta)``.

    Args:
        window (tuple): The name and the parameters.
    Returns:
        array: SciPy's result, with its derivative.
    Raises:
        ValueError: As SciPy does.
    Notes:
        SciPy's code runs twice: on values, and on duals.
    """
    name, *parameters = window

    def named(*parameters: Any) -> Any:
        return value((name, *parameters))

    def composition(*parameters: Any) -> Any:
        with accepting(parameters):
            return _get_window((name, *parameters), Nx, fftbins)

    named.__name__, named.__module__ = "get_window", value.__module__
    return evaluated(named, composition, *parameters)


_get_window = _COPIES.function(_scipy.get_window)
FUNCTIONS["get_window"] = over_scipy("window", module=_MODULE)(get_window)
WINDOWS["get_window"] = over_scipy("window", module="scipy.signal.windows")(get_window)


@over_scipy("input", module=_MODULE)
def medfilt2d(value: Any, input: Any, kernel_size: Any = 3) -> Any:
    """The medians of an image: the derivative is that of the elements that the values select.

    Args:
        input (array_like): The image.
    Returns:
        array: SciPy's result, with its derivative.
    Raises:
        ValueError: As SciPy does.
    Notes:
        A copy of the image for each element of the kernel.
    """
    return evaluated(value, lambda x: FUNCTIONS["medfilt"](x, kernel_size), operand(input))


FUNCTIONS["medfilt2d"] = medfilt2d

if "sosfreqz" not in FUNCTIONS:

    @shown_in(f"dualdiff.{_MODULE}")
    def sosfreqz(*args: Any, **kwargs: Any) -> Any:
        """The older name of `freqz_sos`."""
        return FUNCTIONS["freqz_sos"](*args, **kwargs)

    FUNCTIONS["sosfreqz"] = sosfreqz
