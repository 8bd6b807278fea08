"""Complex duals: parts, conjugates and absolute values, which are differentiable along real directions only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload, overload_attribute, overload_method

from dualdiff.base.errors import NotHolomorphicError
from dualdiff.compiled.intrinsics import value_in, with_value
from dualdiff.compiled.refusals import refusal
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, make, parts


def is_complex(t: Any) -> bool:
    """Whether a type is that of complex duals."""
    return isinstance(t, DualType) and isinstance(t.base, types.Complex)


def checked(name: str, t: DualType) -> None:
    """Refuse a function that is not holomorphic when differentiating along complex directions."""
    if not t.is_real:
        raise refusal(
            NotHolomorphicError,
            f"f is not holomorphic (it uses {name} of complex numbers), so it has no derivative with respect to "
            "complex x; use jvp, which is exact along any single direction, or pass f.py_func for NumPy's engine",
        )
    if isinstance(t.element, DualType):
        checked(name, t.element)


def real_type(t: Any) -> Any:
    """The type of the real part of a scalar."""
    return t.of(real_type(t.element)) if isinstance(t, DualType) else t.underlying_float


def _mapped(
    context: Any, builder: Any, t: Any, to: Any, scalar: Any, part: Callable[..., Any], is_tangent: bool = False
) -> Any:
    """A real-linear operation applied to the value and to each partial, at every level."""
    if not isinstance(t, DualType):
        return part(context, builder, t, scalar, is_tangent)
    value, partials = parts(builder, scalar)

    def each(a: Any, is_tangent: bool = True) -> Any:
        return _mapped(context, builder, t.element, to.element, a, part, is_tangent)

    if t.count == 1:
        return make(context, builder, to, each(value, is_tangent), each(partials))
    source, target = (context.data_model_manager[kind.partials] for kind in (t, to))
    result = ir.Constant(target.get_value_type(), ir.Undefined)
    for i in range(t.count):
        result = target.put(builder, result, each(source.lane(builder, partials, i)), i)
    return make(context, builder, to, each(value, is_tangent), result)


def _real_of(context: Any, builder: Any, t: Any, z: Any, is_tangent: bool) -> Any:
    return context.make_complex(builder, t, value=z).real


def _imag_of(context: Any, builder: Any, t: Any, z: Any, is_tangent: bool) -> Any:
    part = context.make_complex(builder, t, value=z).imag
    # In masked tangents -0.0 is a mark.
    return builder.fadd(part, ir.Constant(part.type, 0.0)) if is_tangent else part


def _conjugate_of(context: Any, builder: Any, t: Any, z: Any, is_tangent: bool) -> Any:
    parted = context.make_complex(builder, t, value=z)
    parted.imag = builder.fneg(parted.imag)
    return parted._getvalue()


def _linear(name: str, part: Callable[..., Any], type_of: Callable[[Any], Any]) -> Any:
    def typed(typingctx: Any, z: Any) -> Any:
        checked(name, z)
        to = type_of(z)
        return to(z), lambda context, builder, sig, args: _mapped(context, builder, z, to, args[0], part)

    return intrinsic(typed)


real_part = _linear("real", _real_of, real_type)
imaginary_part = _linear("imag", _imag_of, real_type)
conjugated = _linear("conj", _conjugate_of, lambda t: t)


@only_compiled
def abs_of_complex(z: Any) -> Any:
    """The absolute value of a complex dual."""


@only_compiled
def angle_of_complex(z: Any) -> Any:
    """The argument (phase angle) of a complex dual."""


@only_compiled
def conjugate_of_complex(z: Any) -> Any:
    """The conjugate of a complex dual."""


@overload(abs_of_complex, strict=False)
def _abs(z: Any) -> Any:
    t = z
    checked("abs", z)
    return lambda z: with_value(np.hypot(real_part(z), imaginary_part(z)), np.abs(value_in(z, t)))


@overload(angle_of_complex, strict=False)
def _angle(z: Any) -> Any:
    t = z
    checked("angle", z)
    return lambda z: with_value(np.arctan2(imaginary_part(z), real_part(z)), np.angle(value_in(z, t)))


@overload(conjugate_of_complex, strict=False)
def _conjugate(z: Any) -> Any:
    return lambda z: conjugated(z)


#: The implementations of rows that are not holomorphic.
PARTS = {"absolute": abs_of_complex, "conjugate": conjugate_of_complex}


def type_of_part(name: str, t: Any) -> Any:
    """The type of the result of such a row; None for other rows."""
    if name not in PARTS:
        return None
    checked({"absolute": "abs", "conjugate": "conj"}[name], t)
    return real_type(t) if name == "absolute" else t


# -- by their public names ---------------------------------------------------------------------------------------------
@overload_attribute(DualType, "real", strict=False)
def _real_attribute(x: Any) -> Any:
    return (lambda x: real_part(x)) if is_complex(x) else lambda x: x


@overload_attribute(DualType, "imag", strict=False)
def _imag_attribute(x: Any) -> Any:
    return (lambda x: imaginary_part(x)) if is_complex(x) else lambda x: 0.0


@overload_method(DualType, "conjugate", strict=False)
def _conjugate_method(x: Any) -> Any:
    return (lambda x: conjugated(x)) if is_complex(x) else lambda x: x
