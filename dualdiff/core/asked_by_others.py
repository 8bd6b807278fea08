"""What Python, NumPy and other libraries ask of the objects that they meet: conversions, types, protocols."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import numpy as np

from dualdiff.base.errors import (
    UNHASHABLE,
    ObjectArrayWarning,
    lost,
    lost_number,
    no_rule,
    not_symbolic,
    plain_target,
)
from dualdiff.base.internals import (
    CONVERTERS,
    READING_MEMORY,
    frame,
    is_computing_ufunc,
    namespace_of_arrays,
    stacklevel,
)
from dualdiff.core.scope import constant


class AskedByOthers:
    """The base of duals that answers others; what would drop the tangent raises."""

    __slots__ = ()

    value: Any
    dtype: Any

    #: pandas' Series and DataFrames leave operators to what has a higher one than theirs.
    __pandas_priority__ = 10_000

    # -- conversions that would drop the tangent -----------------------------------------------------------------------

    def __float__(self) -> float:
        plain = constant(self)
        if plain is not None:
            return float(plain)
        raise lost_number("float(x)", "np.sin(x) or dualdiff.sin(x) instead of math.sin(x)")

    def __int__(self) -> int:
        plain = constant(self)
        if plain is not None:
            return int(plain)
        raise lost_number("int(x)", "np.floor(x) or np.rint(x), which have derivative zero")

    def __complex__(self) -> complex:
        plain = constant(self)
        if plain is not None:
            return complex(plain)
        raise lost_number("complex(x)", "x + 0j")

    def __index__(self) -> NoReturn:
        raise lost("a dual number as an index or a count", "int(np.floor(dualdiff.value(x)))")

    def __hash__(self) -> NoReturn:
        raise TypeError(UNHASHABLE)

    def check_conversion(self, dtype: Any) -> None:
        """Raise or warn if an object array of the duals cannot replace them."""
        if dtype is not None and np.dtype(dtype) != object:
            raise plain_target(f"an array of dtype {np.dtype(dtype)}")
        if (caller := frame(2).f_code.co_name) in READING_MEMORY:
            raise no_rule(*READING_MEMORY[caller])
        if self.dtype.kind == "c":
            warnings.warn(
                "complex duals were converted to an object array; for NumPy, its .real is the array itself, and its "
                ".imag and np.angle are zero: use np.stack for each row, and for the rows",
                ObjectArrayWarning,
                stacklevel=stacklevel(),
            )

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The type of the plain value, so that ``isinstance``, ``match`` and ``singledispatch`` branch as for floats.

        ``isinstance(x, Dual)`` is true too, because it also checks ``type(x)``.  Code that must distinguish plain
        scalars and arrays from duals uses ``issubclass(type(x), ...)``.
        """
        asks = frame(1).f_globals.get("__name__", "")
        return type(self) if asks.startswith(CONVERTERS) else self.value.__class__

    # -- other libraries -----------------------------------------------------------------------------------------------

    def _sympy_(self) -> NoReturn:
        # So SymPy's numbers leave operators to duals.
        raise not_symbolic()

    @property
    def unit(self) -> NoReturn:
        # An array with units would take the ``value`` of what has no unit; after an error, it leaves the ufunc to us.
        if is_computing_ufunc(frame(1)):
            raise lost("x.value", "x without a unit")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute 'unit'")

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The module of functions of the array API: NumPy, or what the caller takes for it."""
        of_arrays, options = namespace_of_arrays(frame(1))
        if of_arrays is None:
            return np.zeros(0).__array_namespace__(api_version=api_version)
        return of_arrays(np.zeros(0), api_version=api_version, **options)

    @property
    def device(self) -> Any:
        """Where the value is stored: "cpu"."""
        return self.value.device

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The number or array itself, which is on the CPU."""
        self.value.to_device(device, stream=stream)
        return self
