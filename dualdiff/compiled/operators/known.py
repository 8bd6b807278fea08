"""Functions passed to compiled operators: identified by their type, without a value at run time.

Numba passes a compiled function as the address of its object, and code that contains an address cannot be cached on
disk.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import models, register_model, typeof_impl

from dualdiff.compiled.patches import lower_constant


class FunctionConstant:
    """A compiled function as a constant without a value at run time."""

    def __init__(self, dispatcher: Any) -> None:
        self.dispatcher = dispatcher


class KnownType(types.Dispatcher):  # type: ignore[misc]
    """The type of such a function; recompiling the function gives another type."""

    def __init__(self, dispatcher: Any) -> None:
        self.recompiled = getattr(dispatcher, "_dualdiff_recompiled", 0)
        super().__init__(dispatcher)

    def __eq__(self, other: Any) -> bool:
        return super().__eq__(other) is True and self.recompiled == other.recompiled

    __hash__ = types.Dispatcher.__hash__


register_model(KnownType)(models.OpaqueModel)


@typeof_impl.register(FunctionConstant)  # type: ignore[untyped-decorator]
def _typeof(known: FunctionConstant, c: Any) -> Any:
    return KnownType(known.dispatcher)


@lower_constant(KnownType)  # type: ignore[untyped-decorator]
def _nothing(context: Any, builder: Any, t: Any, known: Any) -> Any:
    return context.get_dummy_value()
