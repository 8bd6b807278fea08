"""``scipy.ndimage``: its functions, whose code is run on duals, but for its compiled parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.internals import COMPILED_OF_NDIMAGE
from dualdiff.core.array import operand
from dualdiff.rules.writing.array_rules import axis_of, shape_of
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.scipy import special
from dualdiff.scipy.ndimage.compiled_parts import COMPILED, rank_filter_1d
from dualdiff.scipy.solving.numpy_inside import Copies, Instead, by_copy

_MODULE = "scipy.ndimage"
_scipy = load(_MODULE, "scipy", f"dualdiff.{_MODULE}")

_PARTS = zip(COMPILED_OF_NDIMAGE, (COMPILED, {"rank_filter": rank_filter_1d}), strict=True)
_REPLACED = {
    name.rpartition(".")[2]: Instead(sys.modules[name], parts) for name, parts in _PARTS if name in sys.modules
}
_COPIES = Copies(_MODULE, {}, _REPLACED)

#: The functions, and their parameters with respect to which they are differentiable, in the order of the parameters.
_COPIED = {
    "convolve": "input weights",
    "correlate": "input weights",
    "convolve1d": "input weights",
    "correlate1d": "input weights",
    "gaussian_filter": "input sigma",
    "gaussian_filter1d": "input sigma",
    "gaussian_gradient_magnitude": "input sigma",
    "gaussian_laplace": "input sigma",
    "laplace": "input",
    "prewitt": "input",
    "sobel": "input",
    "uniform_filter": "input",
    "uniform_filter1d": "input",
    # Selected by value.
    "maximum_filter": "input",
    "maximum_filter1d": "input",
    "median_filter": "input",
    "minimum_filter": "input",
    "minimum_filter1d": "input",
    "percentile_filter": "input",
    "rank_filter": "input",
    "black_tophat": "input",
    "grey_closing": "input",
    "grey_dilation": "input",
    "grey_erosion": "input",
    "grey_opening": "input",
    "morphological_gradient": "input",
    "morphological_laplace": "input",
    "white_tophat": "input",
    # Splines.
    "affine_transform": "input matrix offset",
    "map_coordinates": "input coordinates",
    "shift": "input shift",
    "spline_filter": "input",
    "spline_filter1d": "input",
    "zoom": "input",
    "fourier_ellipsoid": "input",
    "fourier_gaussian": "input",
    "fourier_shift": "input",
    "fourier_uniform": "input",
    # Measurements.
    "center_of_mass": "input",
    "maximum": "input",
    "mean": "input",
    "median": "input",
    "minimum": "input",
    "standard_deviation": "input",
    "sum": "input",
    "sum_labels": "input",
    "variance": "input",
}
#: The functions for duals, by SciPy's names.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: by_copy(_COPIES, _MODULE, name, arrays) for name, arrays in _COPIED.items()
}


@over_scipy("input", "angle", module=_MODULE)
def rotate(
    value: Any,
    input: Any,
    angle: Any,
    axes: Any = (1, 0),
    reshape: Any = True,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: Any = True,
) -> Any:
    """The image rotated in the plane of two axes, interpolated by splines.

    Args:
        input (array_like): The image.
        angle (float): The angle in degrees.
    Returns:
        array: SciPy's result, with its derivative; its shape is that of the value of the angle.
    Raises:
        ValueError: As SciPy does.
    Notes:
        SciPy's code once, and its affine transforms on duals.
    """
    first, second = sorted(axis_of(axis, np.ndim(input)) for axis in axes)

    def composition(x: Any, angle: Any) -> Any:
        c, s = special.cosdg(angle), special.sindg(angle)
        matrix = np.stack([np.stack([c, s]), np.stack([-s, c])])
        planes = np.moveaxis(x, (first, second), (-2, -1))
        inside = np.array(planes.shape[-2:])
        offset = (inside - 1) / 2 - matrix @ ((np.array(shape) - 1) / 2)
        turned = [
            FUNCTIONS["affine_transform"](plane, matrix, offset, shape, None, order, mode, cval, prefilter)
            for plane in np.reshape(planes, (-1, *inside))
        ]
        return np.moveaxis(np.reshape(np.stack(turned), (*planes.shape[:-2], *shape)), (-2, -1), (first, second))

    def function(x: Any, angle: Any) -> Any:
        result = value(x, angle)
        shape[:] = [shape_of(result)[axis] for axis in (first, second)]
        return result

    shape: list[int] = []
    function.__name__, function.__module__ = "rotate", _MODULE
    return evaluated(function, composition, operand(input), angle)


FUNCTIONS["rotate"] = rotate
