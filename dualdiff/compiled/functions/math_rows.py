"""Functions of Python's ``math`` that NumPy lacks, as rows for compiled code only.

NumPy's engine has them through ``scipy.special``.
"""

from __future__ import annotations

import math
from typing import Any

from dualdiff.compiled.stubs import only_compiled
from dualdiff.rules.numpy.elementwise.table import ROWS
from dualdiff.rules.writing.rows import NAMES, Table

SPECIAL = Table(dict(NAMES), "math")
row = SPECIAL.row


@only_compiled
def gauss(x: Any) -> Any:
    """``2 / sqrt(pi) * exp(-x * x)``."""


@only_compiled
def digamma_derivative(x: Any, k: Any) -> Any:
    """The k-th derivative of the digamma function ``d log(gamma(x)) / dx``."""


row(gauss, "-2 * x * r")
row(digamma_derivative, "digamma_derivative(x, y + 1)", None, domain=((-1.9, 30.0), (0.0, 6.0)))
row(math.erf, "gauss(x)", math="erf")
row(math.erfc, "-gauss(x)", math="erfc")
row(math.gamma, "r * digamma_derivative(x, 0)", math="gamma", domain=(0.1, 20.0))
row(math.lgamma, "digamma_derivative(x, 0)", math="lgamma", domain=(0.1, 20.0))

#: The elementwise functions that compiled code differentiates.
COMPILED = {**ROWS, **ROWS.parts, **SPECIAL}
