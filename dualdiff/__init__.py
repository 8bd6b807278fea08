"""Exact derivatives of ordinary NumPy code, by dual numbers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dualdiff import rules
from dualdiff.base.errors import (
    ConstantResultWarning,
    ExpiredDualError,
    IncompletePatternError,
    LostDerivativeError,
    MixedPointsError,
    NoRuleError,
    NotHolomorphicError,
    ObjectArrayWarning,
    SingularPointWarning,
    UndefinedDerivativeWarning,
)
from dualdiff.base.late import PUBLIC
from dualdiff.base.public import shown_in
from dualdiff.core.array import DualArray
from dualdiff.core.dual import Dual
from dualdiff.core.reading import tangent, value
from dualdiff.drivers.custom.custom_derivative import custom_derivative
from dualdiff.drivers.derivative import derivative, nth_derivative, value_and_derivative
from dualdiff.drivers.fields import curl, divergence
from dualdiff.drivers.gradient import gradient, value_and_gradient
from dualdiff.drivers.hessian import hessian, value_gradient_and_hessian
from dualdiff.drivers.higher.derivative_tensor import derivative_tensor
from dualdiff.drivers.higher.hessian_diagonal import hessian_diagonal
from dualdiff.drivers.higher.laplacian import biharmonic, laplacian
from dualdiff.drivers.higher.series import Series
from dualdiff.drivers.higher.taylor_coefficients import taylor
from dualdiff.drivers.hvp import hvp
from dualdiff.drivers.jacobian import jacobian, jacobian_blocks, value_and_jacobian
from dualdiff.drivers.jvp import jvp
from dualdiff.drivers.linearize import linearize
from dualdiff.drivers.sparse.sparsity import hessian_sparsity, jacobian_sparsity
from dualdiff.drivers.vjp import vjp
from dualdiff.rules.numpy.creation import empty as empty
from dualdiff.rules.numpy.creation import full as full
from dualdiff.rules.numpy.creation import ones as ones
from dualdiff.rules.numpy.creation import zeros as zeros

if TYPE_CHECKING:
    from dualdiff import scipy as scipy
    from dualdiff import uncertain as uncertain
    from dualdiff.adapting.adapt import adapt
    from dualdiff.drivers.custom.check import DerivativeCheck, DerivativeCheckError, check_derivative
    from dualdiff.drivers.custom.checkpoint import checkpoint, checkpoint_loop
    from dualdiff.drivers.higher.hessian_operator import hessian_operator
    from dualdiff.drivers.sparse.coloured_pattern import ColouredPattern

__version__ = "0.2.0"

# The elementwise functions (dualdiff.sin, dualdiff.exp, ...) and the buffers are public too, but not in ``__all__``:
# ``import *`` must not shadow NumPy's names.
__all__ = [
    "ColouredPattern",
    "ConstantResultWarning",
    "DerivativeCheck",
    "DerivativeCheckError",
    "Dual",
    "DualArray",
    "ExpiredDualError",
    "IncompletePatternError",
    "LostDerivativeError",
    "MixedPointsError",
    "NoRuleError",
    "NotHolomorphicError",
    "ObjectArrayWarning",
    "Series",
    "SingularPointWarning",
    "UndefinedDerivativeWarning",
    "adapt",
    "biharmonic",
    "check_derivative",
    "checkpoint",
    "checkpoint_loop",
    "curl",
    "custom_derivative",
    "derivative",
    "derivative_tensor",
    "divergence",
    "gradient",
    "hessian",
    "hessian_diagonal",
    "hessian_operator",
    "hessian_sparsity",
    "hvp",
    "jacobian",
    "jacobian_blocks",
    "jacobian_sparsity",
    "jvp",
    "laplacian",
    "linearize",
    "nth_derivative",
    "tangent",
    "taylor",
    "value",
    "value_and_derivative",
    "value_and_gradient",
    "value_and_jacobian",
    "value_gradient_and_hessian",
    "vjp",
]

for _thing in [empty, full, ones, zeros, *(globals()[_name] for _name in __all__ if _name in globals())]:
    shown_in("dualdiff")(_thing)


def __getattr__(name: str) -> Any:
    """Import a module, or build an elementwise function from its row of the table, at its first use."""
    if name in PUBLIC:
        module = import_module(PUBLIC[name])
        thing = globals()[name] = module if module.__name__ == f"dualdiff.{name}" else getattr(module, name)
        return thing
    if name in rules.ROWS:
        function = globals()[name] = rules.elementwise_function(name)
        return function
    raise AttributeError(f"module 'dualdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC, *rules.ROWS})
