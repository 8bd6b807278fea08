"""Dual numbers as Numba types: an ``@njit`` function is differentiated at the speed of hand-written code.

Numba calls `init` before it compiles for the first time (entry point ``numba_extensions``); `dualdiff`'s operators
load `engine` when they meet a compiled function.  Nothing else imports Numba.
"""

from __future__ import annotations


def init() -> None:
    """Teach Numba the types, the rules and the operators: importing them does it."""
    from dualdiff.compiled import array_functions, arrays, elementwise, linalg, numbers, operators, python, readers

    _ = array_functions, arrays, elementwise, linalg, numbers, operators, python, readers
