"""Duals handed over between Python and compiled code."""

from __future__ import annotations

from typing import Any

from numba.core import boxing, pythonapi, types

from dualdiff.compiled.types import DualType


def _refuse_arrays() -> None:
    # Numba makes an entry from Python for every function it compiles, also for those that compiled code alone calls;
    # for arrays of elements that NumPy does not know it would fail to.
    functions = pythonapi._boxers.functions
    assert boxing.box_array is functions[types.Array]
    box_array = functions[types.Array]

    def box(t: Any, value: Any, c: Any) -> Any:
        if not isinstance(t.dtype, DualType):
            return box_array(t, value, c)
        c.context.nrt.decref(c.builder, t, value)
        c.pyapi.err_set_string("PyExc_TypeError", "arrays of compiled duals cannot be returned to Python")
        return c.pyapi.get_null_object()

    functions[types.Array] = box


_refuse_arrays()
