"""The tape of compiled reverse mode: what a run of f writes, and what its backward sweep reads.

A recorded tangent is a coefficient times the tangent at a place of the tape.  Functions of one variable only change the
coefficient.  A sum of tangents at two places is written on the tape, with their coefficients, and is a tangent at a new
place from then on.  So there are as many entries as operations of which two operands depend on x.  The first places are
those of the elements of x, which need no entry.

An entry is two coefficients and two places.  Beyond the capacity of a tape, entries are counted but not written: the
count says which capacity another run needs.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from dualdiff.compiled.types import DualType, recorded

I32, I64 = ir.IntType(32), ir.IntType(64)

#: The words in the head of a tape: the next place, the first place beyond the capacity, and the addresses that the
#: coefficients and the places of place 0 would have.
NEXT, END, COEFFICIENTS, PLACES = range(4)
HEAD = 4


def stored(element: Any) -> Any:
    """The type of the coefficients on the tape, the same for operands of any precision."""
    return element.of(stored(element.element)) if isinstance(element, DualType) else types.float64


def merged(code: Any, t: DualType, p: Any, q: Any) -> Any:
    """The sum of two recorded tangents, by a call of a function: it is long, and sums are frequent."""
    builder = code.builder
    kind = code.context.get_value_type(t.partials)
    name = f"dualdiff_merged_{str(t).translate({ord(c): '_' for c in '(), '})}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, kind]), name)
    if not function.blocks:
        function.linkage = "internal"
        _define(type(code), code.context, t, function)
    return builder.call(function, [p, q])


def _define(kind: Any, context: Any, t: DualType, function: ir.Function) -> None:
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    code = kind(context, builder)
    p, q = function.args
    (a, i, tape), (b, j, other) = ([builder.extract_value(tangent, k) for k in range(3)] for tangent in (p, q))

    with builder.if_then(is_without_place(code, t, a, tape), likely=False):
        builder.ret(q)
    with builder.if_then(is_without_place(code, t, b, other), likely=False):
        builder.ret(p)
    with builder.if_then(builder.icmp_signed("==", i, j)):
        builder.ret(recorded(context, builder, t, code.add(t.single, a, b), i, tape))
    place = _write(code, t, tape, ((a, i), (b, j)))
    one = code.cast(code.constant(t.element, 1.0), t.element)
    builder.ret(recorded(context, builder, t, one, place, tape))


def is_without_place(code: Any, t: DualType, coefficient: Any, tape: Any) -> Any:
    """Whether a recorded tangent is that of something independent of the inputs."""
    is_constant = cgutils.is_null(code.builder, tape)
    return code.builder.or_(is_constant, code.is_absent(t.element, coefficient)) if t.masked else is_constant


def _write(code: Any, t: DualType, tape: Any, terms: Any) -> Any:
    """Write an entry, and return its place."""
    context, builder, element = code.context, code.builder, stored(t.element)
    head = builder.bitcast(tape, I64.as_pointer())
    words = [builder.gep(head, [ir.Constant(I32, word)], inbounds=True) for word in range(HEAD)]
    place = builder.load(words[NEXT])
    builder.store(builder.add(place, ir.Constant(I64, 1)), words[NEXT])
    with builder.if_then(builder.icmp_signed("<", place, builder.load(words[END])), likely=True):
        kind = context.get_data_type(element)
        first = builder.shl(place, ir.Constant(I64, 1))
        coefficients = builder.inttoptr(builder.load(words[COEFFICIENTS]), kind.as_pointer())
        places = builder.inttoptr(builder.load(words[PLACES]), I32.as_pointer())
        for side, (coefficient, source) in enumerate(terms):
            at = builder.add(first, ir.Constant(I64, side))
            coefficient = code.cast((t.element, coefficient), element)
            context.pack_value(builder, element, coefficient, builder.gep(coefficients, [at]))
            builder.store(builder.trunc(source, I32), builder.gep(places, [at]))
    return place
