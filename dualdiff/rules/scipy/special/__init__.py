"""The derivative rules of ``scipy.special``, and their registration.

This module is imported when a dual meets a ufunc without a rule and the user has imported ``scipy.special``.
"""

from __future__ import annotations

from functools import partial

from dualdiff.core.out import call_several
from dualdiff.core.registry import UFUNCS
from dualdiff.rules.numpy.elementwise import ufuncs
from dualdiff.rules.python import operators
from dualdiff.rules.scipy.special import bessel, distributions, gamma
from dualdiff.rules.scipy.special.special_table import SEVERAL, SPECIAL

__all__ = ["SEVERAL", "SPECIAL", "bessel", "distributions", "gamma"]

SPECIAL.is_checked = True
operators.install_calls(SPECIAL)
ufuncs.install_methods(SPECIAL)
for _ufunc, _rows in SEVERAL.items():
    UFUNCS[_ufunc, "__call__"] = partial(call_several, _rows, _ufunc)
