"""Scalar duals beyond the rows of the table: attributes, methods, functions with two results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, overload_method

from dualdiff.base.errors import UNHASHABLE
from dualdiff.compiled.functions.array_functions import hide_from_duals, scalar_type
from dualdiff.compiled.functions.complex_numbers import (
    angle_of_complex,
    checked,
    imaginary_part,
    is_complex,
    real_part,
    real_type,
)
from dualdiff.compiled.intrinsics import value_in, with_value
from dualdiff.compiled.refusals import refusal
from dualdiff.compiled.types import DualType, level_of


@overload_method(DualType, "item", strict=False)
def _item(x: Any) -> Any:
    return lambda x: x


@overload_method(DualType, "__hash__", strict=False)
def _hash(x: Any) -> Any:
    raise refusal(TypeError, UNHASHABLE)


def _everywhere(function: Any, of_complex: Any, of_real: Any) -> None:
    """Register a function of complex duals, and of arrays of them."""
    hide_from_duals(function)

    def choose(z: Any) -> Any:
        scalar = z.dtype if isinstance(z, types.Array) else z
        if not isinstance(scalar, DualType):
            return None
        if not is_complex(scalar):
            return of_real
        if scalar is z:
            return lambda z: of_complex(z)
        checked(function.__name__, scalar)
        t = real_type(scalar)

        def of_array(z: Any) -> Any:
            out = np.empty(z.shape, t)
            flat = out.ravel()
            for i, v in enumerate(z.flat):
                flat[i] = of_complex(v)
            return out

        return of_array

    overload(function, strict=False)(choose)


_everywhere(np.real, real_part, lambda z: z)
_everywhere(np.imag, imaginary_part, lambda z: z * 0.0)
_everywhere(np.angle, angle_of_complex, None)


def _divmod(x: Any, y: Any) -> Any:
    if any(level_of(scalar_type(a)) for a in (x, y)):
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
