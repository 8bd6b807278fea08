"""How many directions a pass of a compiled driver takes."""

from __future__ import annotations

import llvmlite.binding as llvm


def _has(feature: str) -> bool:
    return bool(llvm.get_host_cpu_features().get(feature))


#: Partials in one pass: as many as fit four vector registers.  More would spill registers; fewer would compute values
#: more often.
WIDTH = 32 if _has("avx512f") else 16 if _has("avx") else 8

#: Columns of a Hessian in one pass.
HESSIAN_WIDTH = 8

#: Partials in a pass for at most this many directions.
NARROW = 4


def width_for(size: int) -> int:
    """The number of partials in a pass for x of this size."""
    return NARROW if size <= NARROW else WIDTH


def balanced(directions: int) -> int:
    """The smallest number of partials in a pass that takes as few passes as the largest."""
    each = -(-directions // -(-directions // WIDTH))
    return min((w for w in (NARROW, 8, 16) if each <= w), default=WIDTH)


def kind_of_pass(size: int) -> int:
    """The same for sizes of x that take the same driver: width and mode change at powers of two, or little after."""
    return (size - 1).bit_length()
