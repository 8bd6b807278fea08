"""Dual numbers as Numba types, so that ``@njit`` functions are differentiated at the speed of hand-written code.

Numba calls `init` before its first compilation (entry point ``numba_extensions``); `dualdiff`'s operators load `engine`
when they are given a compiled function.  Nothing else imports Numba.
"""

from __future__ import annotations


def init() -> None:
    """Register the types, rules and operators with Numba: importing their modules does so."""
    from dualdiff.compiled import machine_code, promotion
    from dualdiff.compiled.from_python import boxing, kernel_calls, vectorized
    from dualdiff.compiled.functions import array_functions, arrays, linear_algebra, readers, scalar_methods, table_rows
    from dualdiff.compiled.operators import in_compiled_code

    _ = boxing, kernel_calls, machine_code, promotion, vectorized
    _ = array_functions, arrays, in_compiled_code, linear_algebra, scalar_methods, table_rows, readers
