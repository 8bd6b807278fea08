"""What single duals can do beside the rows of the table: attributes, methods, functions of two results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload, overload_method

from dualdiff.compiled.array_functions import numbers_in
from dualdiff.compiled.intrinsics import value_in, with_value
from dualdiff.compiled.refusals import refusal
from dualdiff.compiled.types import DualType, level_of
from dualdiff.core.errors import UNHASHABLE


@overload_method(DualType, "item", strict=False)
def _item(x: Any) -> Any:
    return lambda x: x


@overload_method(DualType, "__hash__", strict=False)
def _hash(x: Any) -> Any:
    raise refusal(TypeError, UNHASHABLE)


def _divmod(x: Any, y: Any) -> Any:
    if any(level_of(numbers_in(a)) for a in (x, y)):
        return lambda x, y: (x // y, x % y)
    return None


for _function in divmod, np.divmod:
    overload(_function, strict=False)(_divmod)


@overload(math.frexp, strict=False)
def _frexp(x: Any) -> Any:
    if not isinstance(x, DualType):
        return None
    t = x

    def frexp(x: Any) -> Any:
        fraction, exponent = math.frexp(value_in(x, t))
        return with_value(math.ldexp(x, -exponent), fraction), exponent

    return frexp
