"""Every function of dualdiff.scipy.ndimage, with respect to each of its parameters, compared with differences."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import gradient, hessian, jacobian, jvp
from dualdiff.scipy import ndimage, signal
from dualdiff.scipy.ndimage import image_functions
from tests.scipy.signal.differences import check, found
from tests.support.against import assert_near

scipys = pytest.importorskip("scipy.ndimage")

_random = np.random.default_rng(0)
IMAGE = _random.standard_normal((5, 6))
WEIGHTS = _random.standard_normal((3, 2))
LABELS = np.arange(30).reshape(5, 6) % 3
PLACES = np.array([[0.3, 1.6, 3.4, 2.2], [0.4, 2.7, 1.3, 4.6]])
OUTSIDE = np.array([[-1.3, 1.6, 9.4, 2.2], [0.4, -6.7, 1.3, 7.6]])
#: No point comes to lie on a knot of the splines.
MATRIX = np.array([[0.9137, 0.2179], [-0.1313, 1.0871]])
MODES = ("reflect", "mirror", "nearest", "wrap", "constant")
SPLINE_MODES = (*MODES, "grid-wrap", "grid-constant")
SELECTIONS = ("grey_closing", "grey_dilation", "grey_erosion", "grey_opening", "morphological_gradient")
SELECTIONS += ("morphological_laplace", "black_tophat", "white_tophat")

CALLS = {
    **{
        name: [{"weights": WEIGHTS, "mode": mode, "cval": 0.3, "origin": (1, 0)} for mode in MODES]
        + [{"weights": _random.standard_normal((2, 9))}]
        for name in ("convolve", "correlate")
    },
    **{
        name: [{"weights": np.array([0.3, 1.0, -0.5, 0.2]), "mode": mode, "cval": 0.3, "axis": 0} for mode in MODES]
        + [{"weights": np.array([0.3, 1.0, 2.0]), "origin": -1}]
        for name in ("convolve1d", "correlate1d")
    },
    "gaussian_filter": [{"sigma": 0.8}, {"sigma": (0.8, 1.3), "order": (0, 1), "mode": ("wrap", "nearest")}],
    "gaussian_filter1d": [{"sigma": 0.8, "order": k} for k in (0, 1, 2)],
    "gaussian_gradient_magnitude": [{"sigma": 0.8}],
    "gaussian_laplace": [{"sigma": 0.8}],
    "laplace": [{"mode": mode} for mode in MODES],
    "prewitt": [{"axis": 0}],
    "sobel": [{"mode": "constant", "cval": 0.7}],
    "uniform_filter": [{"size": 3}, {"size": (2, 4), "origin": (0, 1)}],
    "uniform_filter1d": [{"size": 4, "axis": 0}],
    "maximum_filter": [{"size": (2, 3)}, {"footprint": np.eye(3)}],
    "maximum_filter1d": [{"size": 3, "axis": 0, "origin": 1}],
    "median_filter": [{"size": 3, "mode": mode} for mode in MODES],
    "minimum_filter": [{"size": 2, "mode": "constant"}],
    "minimum_filter1d": [{"size": 3}],
    "percentile_filter": [{"percentile": 30, "size": 3}],
    "rank_filter": [{"rank": -2, "size": 3}, {"input": IMAGE.ravel(), "rank": 1, "size": 4, "origin": 1}],
    **{name: [{"size": (3, 2)}] for name in SELECTIONS},
    "affine_transform": [
        {"matrix": MATRIX, "offset": np.array([0.3177, 0.2333]), "order": 3, "mode": mode} for mode in SPLINE_MODES
    ]
    + [
        {"matrix": np.array([0.9137, 1.1313]), "offset": 0.2333, "order": 2, "mode": "mirror"},
        {"matrix": np.column_stack([MATRIX, [0.3177, 0.2333]]), "order": 2, "mode": "nearest"},
    ],
    "map_coordinates": [{"coordinates": PLACES, "order": order} for order in range(6)]
    + [{"coordinates": OUTSIDE, "order": k, "mode": m, "cval": 0.3} for k in (1, 2, 3, 5) for m in SPLINE_MODES]
    + [{"coordinates": PLACES, "prefilter": False}, {"input": IMAGE + 1j, "coordinates": PLACES}],
    "rotate": [{"angle": 13.0}, {"angle": 13.0, "reshape": False, "mode": "mirror"}],
    "shift": [{"shift": (0.3, -1.2), "mode": mode} for mode in SPLINE_MODES],
    "spline_filter": [{"order": order, "mode": mode} for order in (2, 3, 5) for mode in SPLINE_MODES],
    "spline_filter1d": [{"order": 4, "axis": 0, "mode": mode} for mode in SPLINE_MODES],
    "zoom": [{"zoom": 1.5, "mode": mode} for mode in SPLINE_MODES]
    + [{"zoom": (0.6, 2), "order": 1, "mode": "nearest", "grid_mode": True}],
    "fourier_ellipsoid": [{"size": 2.0}],
    "fourier_gaussian": [{"sigma": 1.3}, {"sigma": 1.3, "n": 10}],
    "fourier_shift": [{"shift": 0.3}],
    "fourier_uniform": [{"size": 2.0}],
    **{
        name: [{}, {"labels": LABELS, "index": [1, 2]}]
        for name in (
            *("center_of_mass", "maximum", "mean", "median", "minimum"),
            *("standard_deviation", "sum", "sum_labels", "variance"),
        )
    },
}
PARAMETERS = {**image_functions._COPIED, "rotate": "input angle"}
CASES = [
    pytest.param(name, {"input": IMAGE, **call}, parameter, id=f"{name}-{i}-{parameter}")
    for name, calls in CALLS.items()
    if found(scipys, name)
    for i, call in enumerate(calls)
    for parameter in PARAMETERS[name].split()
    if parameter in {"input": 0, **call}
]


def test_every_function_and_parameter_is_called_here():
    assert {*ndimage.__all__} == {*CALLS}
    for name, parameters in PARAMETERS.items():
        assert {p for p in parameters.split() if any(p in {"input": 0, **c} for c in CALLS[name])} == {
            *parameters.split()
        }


@pytest.mark.parametrize(("name", "call", "parameter"), CASES)
def test_derivatives(name, call, parameter):
    check(ndimage, scipys, name, call, parameter)


@pytest.mark.parametrize(
    ("f", "count"),
    [
        (lambda x: ndimage.correlate(x, WEIGHTS, mode="wrap") ** 2, 6),
        (lambda x: ndimage.gaussian_filter1d(x, 0.3, axis=0, mode="constant"), 3),
        (lambda x: signal.convolve2d(x, WEIGHTS, "same"), 6),
        (lambda x: signal.fftconvolve(x, WEIGHTS), 6),
    ],
)
def test_sparse_jacobians_have_the_elements_of_the_filter(f, count):
    x = _random.standard_normal((12, 10))
    found, expected = jacobian(f, x, sparse=True), jacobian(f, x)
    assert found.nnz <= count * x.size
    assert_near(found.toarray(), expected.reshape(found.shape), 1e-14)


def test_the_hessian_of_a_registration():
    def mismatch(s):
        return np.sum(ndimage.shift(IMAGE, s, order=5, mode="mirror") ** 2)

    s = np.array([0.3, -0.4])
    steps = 1e-4 * np.eye(2)
    columns = [(gradient(mismatch, s + step) - gradient(mismatch, s - step)) / 2e-4 for step in steps]
    assert_near(hessian(mismatch, s), np.stack(columns, -1), 1e-6)


def test_long_lines_of_splines():
    """The transpose is SciPy's filter itself there."""
    x, w = _random.standard_normal((2, 90))
    for mode in ("mirror", "reflect", "grid-wrap", "nearest"):
        for order in (2, 3, 4, 5):
            forward = jvp(lambda x, o=order, m=mode: ndimage.spline_filter1d(x, o, mode=m) @ w, x, np.cos(x))[1]
            backward = gradient(lambda x, o=order, m=mode: ndimage.spline_filter1d(x, o, mode=m) @ w, x, mode="reverse")
            assert_near(backward @ np.cos(x), forward, 1e-10)
