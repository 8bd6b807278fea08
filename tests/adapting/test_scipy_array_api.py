"""SciPy with SCIPY_ARRAY_API=1, which takes other paths: functions of duals are right, or say what to write.

SciPy reads the variable when it is imported, so that this takes an interpreter of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("scipy")

X = np.array([0.3, 0.7, 1.2, 2.0])


def functions():
    """By name: a function of X, and what the advice names, if there is a function for duals."""
    from scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, spatial, special, stats
    from scipy.cluster import vq

    def own(name):
        module, _, last = name.partition(".")
        return getattr({"special": special, "stats": stats, "integrate": integrate, "optimize": optimize}[module], last)

    square = lambda x: x.reshape(2, 2)
    plain = (
        *("special.erf", "special.gammaln", "special.logsumexp", "special.softmax", "special.log_softmax"),
        *("special.expit", "special.i0", "special.entr", "stats.zscore", "stats.skew", "stats.kurtosis", "stats.gmean"),
        *("stats.hmean", "stats.variation", "stats.entropy", "stats.sem", "integrate.trapezoid", "integrate.simpson"),
        *("integrate.cumulative_trapezoid", "optimize.rosen", "optimize.rosen_der"),
    )
    return {name: own(name) for name in plain} | {
        "special.xlogy": lambda x: special.xlogy(x, x),
        "special.betainc": lambda x: special.betainc(1.0, 2.0, x / 3),
        "stats.moment": lambda x: stats.moment(x, 3),
        "stats.pmean": lambda x: stats.pmean(x, 2),
        "stats.ttest_1samp": lambda x: stats.ttest_1samp(x, 0.5).statistic,
        "stats.pearsonr": lambda x: stats.pearsonr(x, x**2)[0],
        "stats.norm.pdf": stats.norm.pdf,
        "stats.trim_mean": lambda x: stats.trim_mean(x, 0.1),
        "fft.fft": lambda x: np.real(fft.fft(x)),
        "fft.dct": fft.dct,
        "fft.fftshift": fft.fftshift,
        "signal.convolve": lambda x: signal.convolve(x, x),
        "signal.detrend": signal.detrend,
        "signal.hilbert": lambda x: np.imag(signal.hilbert(x)),
        "signal.lfilter": lambda x: signal.lfilter([1.0, 0.5], [1.0], x),
        "ndimage.gaussian_filter": lambda x: ndimage.gaussian_filter(x, 1.0),
        "linalg.det": lambda x: linalg.det(square(x)),
        "linalg.inv": lambda x: linalg.inv(square(x)),
        "linalg.expm": lambda x: linalg.expm(square(x)),
        "linalg.norm": linalg.norm,
        "cluster.vq.whiten": lambda x: vq.whiten(square(x)),
        "integrate.tanhsinh": lambda x: integrate.tanhsinh(lambda z: z**2, 0 * x, x).integral,
        "integrate.cumulative_simpson": lambda x: integrate.cumulative_simpson(x, dx=1.0),
        "spatial.distance.cdist": lambda x: spatial.distance.cdist(square(x), square(x)),
        "spatial.transform.Rotation": lambda x: spatial.transform.Rotation.from_quat(x).as_matrix(),
        "interpolate.BarycentricInterpolator": lambda x: interpolate.BarycentricInterpolator(np.arange(4.0), x)(1.5),
        "interpolate.make_interp_spline": lambda x: interpolate.make_interp_spline(np.arange(4.0), x)(1.5),
    }


def central(f, x, h=1e-6):
    """The Jacobian by differences."""
    return np.stack([(np.asarray(f(x + h * e)) - np.asarray(f(x - h * e))) / (2 * h) for e in np.eye(x.size)], -1)


def outcome(f):
    """Right, wrong, or the notes of the error; "missing" for a function that an older SciPy does not have."""
    from dualdiff import jacobian

    try:
        f(X)
    except AttributeError:
        return "missing"
    try:
        found = np.asarray(jacobian(f, X))
    except Exception as error:
        return getattr(error, "__notes__", [])
    return "right" if np.allclose(found, central(f, X), rtol=1e-5, atol=1e-6) else "wrong"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        print(json.dumps({name: outcome(f) for name, f in functions().items()}))


@pytest.fixture(scope="module", params=["0", "1"])
def outcomes(request):
    done = subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"SCIPY_ARRAY_API": request.param, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_right_or_an_error_with_advice(outcomes):
    from dualdiff.adapting.libraries import counterpart

    assert len(outcomes) > 40
    assert sum(found == "right" for found in outcomes.values()) > 10
    for name, found in outcomes.items():
        if found in ("right", "missing"):
            continue
        assert found != "wrong", name
        assert found, name
        module, _, function = f"scipy.{name}".rpartition(".")
        if name.startswith("stats.norm"):
            module, function = "scipy.stats", "norm.pdf"
        advised = counterpart(module, function)
        assert (advised or "dualdiff.custom_derivative") in found[0], (name, found)
