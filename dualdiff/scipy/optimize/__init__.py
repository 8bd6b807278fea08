"""``scipy.optimize`` for duals: solvers whose results are differentiated at the solution.

A solver runs on plain values, whatever duals the user's function closes over; the implicit function theorem gives the
tangent of its result.  Beside them stand derivatives in the forms that SciPy's solvers expect.  Every other name is
SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.optimize.fits import curve_fit, least_squares
from dualdiff.scipy.optimize.jacobians_for_optimize import constraint_hessian, fit_jacobian, jacobian_operator
from dualdiff.scipy.optimize.linear_optima import linprog, lsq_linear, nnls
from dualdiff.scipy.optimize.minima import minimize, minimize_scalar
from dualdiff.scipy.optimize.roots import (
    bisect,
    brenth,
    brentq,
    fixed_point,
    fsolve,
    newton,
    ridder,
    root,
    root_scalar,
    toms748,
)

__all__ = [
    "bisect",
    "brenth",
    "brentq",
    "constraint_hessian",
    "curve_fit",
    "fit_jacobian",
    "fixed_point",
    "fsolve",
    "jacobian_operator",
    "least_squares",
    "linprog",
    "lsq_linear",
    "minimize",
    "minimize_scalar",
    "newton",
    "nnls",
    "ridder",
    "root",
    "root_scalar",
    "toms748",
]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
