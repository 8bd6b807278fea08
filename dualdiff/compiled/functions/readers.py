"""Functions that read values without computing with them: identity, text, memory.

For duals they answer as for their values, or are refused: the memory of a dual contains its partials.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import lower_builtin, overload_method

from dualdiff.base.errors import LostDerivativeError
from dualdiff.compiled.functions.array_functions import instead, of_duals, with_signature
from dualdiff.compiled.intrinsics import base_value
from dualdiff.compiled.lowering import Code
from dualdiff.compiled.patches import declaration, print_item_impl_Any, refuse_array_attribute, wrap_overloads
from dualdiff.compiled.refusals import refusal
from dualdiff.compiled.types import DualType
from dualdiff.core.reading import value

#: Attributes, functions and methods that expose the memory of arrays.
OF_MEMORY = ("nbytes", "itemsize", "strides", "ctypes", "view")
FUNCTIONS_OF_MEMORY = {
    "np.frombuffer": np.frombuffer,
    "x.tobytes": declaration("tobytes"),
    "as_strided": np.lib.stride_tricks.as_strided,
    "sliding_window_view": np.lib.stride_tricks.sliding_window_view,
}


def _refused(name: str) -> Any:
    return refusal(
        LostDerivativeError,
        f"{name} would read the memory of dual numbers as that of plain floats: use dualdiff.value(x) if the "
        "values are meant",
    )


def _refuse_function(name: str, function: Any) -> None:
    def choose(*kinds: Any) -> Any:
        raise _refused(name)

    instead(function, choose)


for _name in OF_MEMORY:
    refuse_array_attribute(_name, of_duals, lambda name: _refused(f"x.{name}"))
for _name, _function in FUNCTIONS_OF_MEMORY.items():
    _refuse_function(_name, _function)


# -- identity ----------------------------------------------------------------------------------------------------------
@lower_builtin(operator.is_, DualType, DualType)  # type: ignore[untyped-decorator]
@lower_builtin(operator.is_, DualType, types.Number)  # type: ignore[untyped-decorator]
@lower_builtin(operator.is_, types.Number, DualType)  # type: ignore[untyped-decorator]
def _is(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    code = Code(context, builder)
    return code.call(operator.is_, *map(code.base_value, zip(sig.args, args, strict=True)))[1]


# -- text --------------------------------------------------------------------------------------------------------------
@overload_method(DualType, "__repr__", strict=False)
def _repr(x: Any) -> Any:
    return lambda x: repr(base_value(x))


@overload_method(DualType, "__str__", strict=False)
def _str(x: Any) -> Any:
    return lambda x: str(base_value(x))


def _refuse_text_of(function: Any) -> None:
    # Numba writes the name of the type, which reveals the duals.
    def refusing(own: Any) -> Any:
        def choose(kind: Any) -> Any:
            if "Dual(" in str(kind) and not isinstance(kind, DualType):
                raise _refused(f"{function.__name__} of arrays and tuples")
            return own(kind)

        (name,) = inspect.signature(own).parameters
        return with_signature(own, f"choose({name})", {"choose": choose})

    wrap_overloads(function, refusing)


_refuse_text_of(str)
_refuse_text_of(repr)


@lower_builtin("print_item", DualType)  # type: ignore[untyped-decorator]
def _print_scalar(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    code = Code(context, builder)
    kind, scalar = code.base_value((sig.args[0], args[0]))
    return print_item_impl_Any(context, builder, types.none(kind), [scalar])


@lower_builtin("print_item", types.Array)  # type: ignore[untyped-decorator]
def _print_array(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    if not of_duals(sig.args[0]):
        return print_item_impl_Any(context, builder, sig, args)
    values = context.compile_internal(builder, lambda a: value(a), _values_of(sig.args[0]), args)
    return print_item_impl_Any(context, builder, types.none(_values_of(sig.args[0]).return_type), [values])


def _values_of(t: Any) -> Any:
    return types.Array(t.dtype.base, t.ndim, "C")(t)
