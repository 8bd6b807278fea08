"""``scipy.integrate`` for duals: integrals, also of samples, and solutions of differential equations.

Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.integrate.boundary_values import solve_bvp
from dualdiff.scipy.integrate.initial_values import solve_ivp
from dualdiff.scipy.integrate.jacobians_for_bvp import boundary_jacobian, system_jacobian
from dualdiff.scipy.integrate.older import odeint
from dualdiff.scipy.integrate.quadrature import dblquad, fixed_quad, nquad, quad, quad_vec, tplquad
from dualdiff.scipy.integrate.samples import cumulative_simpson, cumulative_trapezoid, romb, simpson, trapezoid
from dualdiff.scipy.integrate.steps.taylor_method import Taylor
from dualdiff.scipy.integrate.vectorized_integrals import cubature, tanhsinh

__all__ = [
    "Taylor",
    "boundary_jacobian",
    "cubature",
    "cumulative_simpson",
    "cumulative_trapezoid",
    "dblquad",
    "fixed_quad",
    "nquad",
    "odeint",
    "quad",
    "quad_vec",
    "romb",
    "simpson",
    "solve_bvp",
    "solve_ivp",
    "system_jacobian",
    "tanhsinh",
    "tplquad",
    "trapezoid",
]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
