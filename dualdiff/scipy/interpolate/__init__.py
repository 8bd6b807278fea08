"""``scipy.interpolate`` for duals: splines, grids and scattered data, as functions of the data and of the points.

The objects are SciPy's, or have the same methods; their data, and the arguments of their methods, may be duals.  Every
other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.interpolate.bsplines import (
    BSpline,
    make_interp_spline,
    make_lsq_spline,
    splantider,
    splder,
    splev,
    splint,
    splrep,
    sproot,
)
from dualdiff.scipy.interpolate.grids import RegularGridInterpolator, interp1d, interpn
from dualdiff.scipy.interpolate.piecewise import (
    Akima1DInterpolator,
    BPoly,
    CubicHermiteSpline,
    CubicSpline,
    PchipInterpolator,
    PPoly,
    pchip_interpolate,
)
from dualdiff.scipy.interpolate.polynomials import (
    BarycentricInterpolator,
    KroghInterpolator,
    barycentric_interpolate,
    krogh_interpolate,
)
from dualdiff.scipy.interpolate.scattered import (
    LinearNDInterpolator,
    NearestNDInterpolator,
    RBFInterpolator,
    griddata,
)
from dualdiff.scipy.interpolate.univariate import InterpolatedUnivariateSpline, LSQUnivariateSpline, UnivariateSpline

__all__ = [
    "Akima1DInterpolator",
    "BPoly",
    "BSpline",
    "BarycentricInterpolator",
    "CubicHermiteSpline",
    "CubicSpline",
    "InterpolatedUnivariateSpline",
    "KroghInterpolator",
    "LSQUnivariateSpline",
    "LinearNDInterpolator",
    "NearestNDInterpolator",
    "PPoly",
    "PchipInterpolator",
    "RBFInterpolator",
    "RegularGridInterpolator",
    "UnivariateSpline",
    "barycentric_interpolate",
    "griddata",
    "interp1d",
    "interpn",
    "krogh_interpolate",
    "make_interp_spline",
    "make_lsq_spline",
    "pchip_interpolate",
    "splantider",
    "splder",
    "splev",
    "splint",
    "splrep",
    "sproot",
]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
