"""Values with uncertainties, correlations kept: ``from dualdiff.uncertain import ufloat, uarray``.

A value with an uncertainty is a dual number whose tangent says how it depends on independent (or correlated) random
variables.  All functions that take dual numbers take it.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.uncertain.budgets import Budget, budget
from dualdiff.uncertain.covariances import correlation_matrix, covariance_matrix, nominal_values, std_devs
from dualdiff.uncertain.propagation import NonlinearityWarning, Propagated, propagate
from dualdiff.uncertain.values import UArray, UFloat, correlated_values, correlated_values_norm, uarray, ufloat
from dualdiff.uncertain.values import ufloat_fromstr as ufloat_fromstr
from dualdiff.uncertain.variables import Variable

__all__ = [
    "Budget",
    "NonlinearityWarning",
    "Propagated",
    "UArray",
    "UFloat",
    "Variable",
    "budget",
    "correlated_values",
    "correlated_values_norm",
    "correlation_matrix",
    "covariance_matrix",
    "nominal_values",
    "propagate",
    "std_devs",
    "uarray",
    "ufloat",
    "ufloat_fromstr",
]

for _name in __all__:
    shown_in("dualdiff.uncertain")(globals()[_name])
