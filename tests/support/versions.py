"""What differs between the versions of Python, NumPy, SciPy and Matplotlib that the tests run with: the only table.

A test reads here whether what it is about is there, or what is said of it.
"""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np


def _version(package):
    """Major and minor version of a package; the newest of all where it is not installed."""
    try:
        return tuple(map(int, import_module(package).__version__.split(".")[:2]))
    except ImportError:
        return (10**6, 0)


NUMPY, SCIPY = _version("numpy"), _version("scipy")

# -- NumPy -------------------------------------------------------------------------------------------------------------
#: reshape(newshape=) is reshape(shape=), clip has min= and max= or no bounds, average has weights along several axes.
NUMPY_2_1 = NUMPY >= (2, 1)
#: trim_zeros has matrices and axis=.
TRIMS_MATRICES = NUMPY >= (2, 2)
#: unique has sorted=.
UNIQUE_WITHOUT_ORDER = NUMPY >= (2, 3)
#: pad has widths for some axes.
PADS_SOME_AXES = NUMPY >= (2, 4)
#: sort has descending=; fix is deprecated, and says so; cross takes only vectors of three components, and
#: linalg.cross with axis=None uses its defaults.
NUMPY_2_5 = NUMPY >= (2, 5)
#: Functions of numpy.polynomial that NumPy hands to other libraries, by name: polyvalnd is of 2.5, others of 2.3.
HANDED_ON = tuple(
    name
    for name in ("polyval2d", "polygrid2d", "polyvalnd")
    if hasattr(getattr(np.polynomial.polynomial, name, None), "_implementation")
)

# -- SciPy -------------------------------------------------------------------------------------------------------------
#: Ufuncs that write past the end of their arrays and so can crash the process.  Fixed in 1.15.
CRASHING = (
    {"obl_rad1", "obl_rad1_cv", "obl_rad2", "obl_rad2_cv", "pro_rad1", "pro_rad1_cv"} if SCIPY < (1, 15) else set()
)
#: pro_cv says that its name is this.
MISNAMED = {"obl_cv"} if (1, 14) <= SCIPY < (1, 16) else set()
#: Before 1.14 hyp1f1 returns 1 at every complex argument, and overflows at large real ones whose value is finite.
HYP1F1_IS_RIGHT = SCIPY >= (1, 14)
#: The densities of the noncentral t and F distributions are there, by which their functions are differentiated.
HAS_NONCENTRAL_DENSITIES = SCIPY >= (1, 15)
#: Functions of SciPy that are themselves not accurate enough for the bounds on the derivatives that are made of them.
ROUGH = set()
if SCIPY < (1, 17):
    ROUGH |= {"gdtria", "pdtrik", "chdtriv", "btdtria", "btdtrib", "chndtrix", "chndtrinc", "stdtrit"}
if SCIPY < (1, 16):
    ROUGH |= {"nctdtrit"}
if SCIPY < (1, 15):
    ROUGH |= {"gdtrib"}
if SCIPY < (1, 14):
    ROUGH |= {"betaincinv", "betainccinv", "fdtr", "fdtrc", "modfresnelp", "nbdtr", "nbdtrc"}
#: betainc of parameters up to 1e15 is right, multigammaln says what it does not take, and sph_harm is gone.
SCIPY_1_17 = SCIPY >= (1, 17)
#: Spherical Bessel functions of negative arguments are not NaN, and factorial of negative arguments is a float.
SCIPY_1_15 = SCIPY >= (1, 15)
#: sparse arrays of more than two axes are there.
SPARSE_OF_MORE_AXES = SCIPY >= (1, 15)
#: How the text of a sparse array begins.
SPARSE_TEXT = "<Compressed Sparse Row sparse array" if SCIPY >= (1, 14) else "<1x3 sparse array"
#: scipy.linalg takes stacks of matrices, and divides by matrices of size one.
BATCHES = SCIPY >= (1, 17)
#: A matrix without a square root makes sqrtm warn, and not print.
SQRTM_WARNS = SCIPY >= (1, 16)
#: scipy.linalg.cho_factor takes only arrays, not lists; sqrtm and others have lost disp=, which was long deprecated.
SCIPY_1_18 = SCIPY >= (1, 18)


def docstring(thing):
    """The docstring as one reads it: Python compiles it without its indentation from 3.13 on."""
    return inspect.cleandoc(thing.__doc__ or "")
