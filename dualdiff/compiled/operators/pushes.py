"""The derivative of a compiled function of several arguments along several directions, for calls from Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from dualdiff.compiled.intrinsics import constant, dual, lanes_of, partial_in
from dualdiff.compiled.operators.arguments import laid_out, protected
from dualdiff.compiled.operators.in_compiled_code import element_for, register_core
from dualdiff.compiled.operators.results import as_array, tangent_matrix
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType


@only_compiled
def push_core(f: Any, xs: Any, vs: Any, args: Any, width: Any, masked: Any) -> Any:
    """Derivatives of the flattened f at the tuple xs along the directions vs: a column for each row of each of vs."""


@register_core(push_core)
def _push_core(f: Any, xs: Any, vs: Any, args: Any, width: Any, masked: Any) -> Any:
    count, outer = width.literal_value, types.Tuple((xs, vs, args))
    kinds = [DualType(element_for(x, outer), count, masked.literal_value, is_real=True) for x in xs]
    kind = kinds[0]
    names: dict[str, Any] = {"along": along, **{f"t{i}": t for i, t in enumerate(kinds)}}
    items = "".join(f"along(xs[{i}], vs[{i}], first, t{i}), " for i in range(len(kinds)))
    seed_all = register_jitable(eval(f"lambda xs, vs, first: ({items})", names))

    def of_tuple(f: Any, xs: Any, vs: Any, args: Any, width: Any, masked: Any) -> Any:
        directions = len(vs[0])
        for first in range(0, max(directions, 1), count):
            duals = seed_all(xs, vs, first)
            rows = as_array(f(duals, *protected(f, duals, args)))
            if first == 0:
                matrix = tangent_matrix(rows, directions, kind)
            for row, entry in enumerate(rows.flat):
                for i in range(min(count, directions - first)):
                    matrix[row, first + i] = partial_in(entry, i, kind)
        return matrix

    return of_tuple


@only_compiled
def along(x: Any, v: Any, first: Any, kind: Any) -> Any:
    """The duals of a scalar or an array, seeded in the rows of v from the first one on."""


@overload(along, strict=False)
def _along(x: Any, v: Any, first: Any, kind: Any) -> Any:
    t = kind.instance_type
    single = DualType(t.element, 1, t.masked, t.is_real)
    count = t.count

    def fill(duals: Any, flat: Any, v: Any, first: Any) -> Any:
        one = np.empty(1, single)
        lanes, lane = lanes_of(duals), lanes_of(one)
        for j in range(duals.size):
            duals[j] = constant(flat[j], t)
            for i in range(min(count, len(v) - first)):
                one[0] = dual(flat[j], v[first + i, j], single)
                lanes[j, 1 + i] = lane[0, 1]

    fill = register_jitable(fill)
    if not isinstance(x, types.Array):

        def of_scalar(x: Any, v: Any, first: Any, kind: Any) -> Any:
            duals = np.empty(1, t)
            fill(duals, (x,), v, first)
            return duals[0]

        return of_scalar

    def of_array(x: Any, v: Any, first: Any, kind: Any) -> Any:
        duals = np.empty(x.shape, t)
        fill(duals.ravel(), x.ravel(), v, first)
        return laid_out(duals, x)

    return of_array
