"""Dual numbers as Numba types: an ``@njit`` function is differentiated at the speed of hand-written code.

Numba calls `init` before it compiles for the first time (entry point ``numba_extensions``); `dualdiff`'s operators
load `engine` when they meet a compiled function.  Nothing else imports Numba.
"""

from __future__ import annotations


def init() -> None:
    """Teach Numba the types, the rules and the operators: importing them does it."""
    from dualdiff.compiled import boxing
    from dualdiff.compiled.functions import array_functions, arrays, linear_algebra, readers, scalar_methods, table_rows
    from dualdiff.compiled.operators import in_compiled_code

    _ = array_functions, arrays, boxing, in_compiled_code, linear_algebra, scalar_methods, table_rows, readers
