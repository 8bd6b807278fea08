"""A call of an operator of a compiled function: its arguments as compiled code takes them, and its results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import typeof, types

from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.operators import in_compiled_code, taped
from dualdiff.compiled.operators.arguments import writes
from dualdiff.compiled.operators.drivers import (
    driver_of,
    evaluated,
    of_flat,
    of_tuple,
    ranges,
    reorders,
    spread,
    with_first,
    without_aux,
)
from dualdiff.compiled.operators.widths import HESSIAN_WIDTH, kind_of_pass, width_for
from dualdiff.compiled.refusals import REMEDY
from dualdiff.core.containers import flatten, input_leaf, is_constant, is_container
from dualdiff.drivers.run.engines import LeftToNumPy
from dualdiff.drivers.run.inputs import ALONG, Inputs, input_leaves, resolve_argnum, with_direction
from dualdiff.drivers.run.outputs import copied
from dualdiff.rules.writing.array_rules import duals_in

#: The driver to use when x is a scalar.
AT_SCALARS = {
    "slopes": "derivative",
    "gradient": "slope",
    "jacobian": "derivative",
    "hessian": "second",
    "hvp": "second_along",
}

#: The operators with a fast path for a call with arrays and no options.
PLAIN = {"gradient", "jacobian", "hessian", "hvp"}


class Call:
    """A function and its arguments as compiled code takes them: x, a scalar or an array, comes first."""

    def __init__(self, operator: str, f: Any, args: tuple[Any, ...], argnum: Any = 0, is_along: bool = False) -> None:
        self.operator, self.f, self.source, self.has_aux = operator, f, f, False
        if duals_in(args):
            raise LeftToNumPy
        direction: Any = None
        if is_along:
            args, direction = with_direction(operator, args, argnum)
        self.argnum = self.place = resolve_argnum(operator, argnum, len(args))
        is_several = isinstance(self.place, tuple)
        x = tuple([args[i] for i in self.place]) if is_several else args[self.place]
        leaves, self.rebuild = input_leaves(operator, x, is_several)
        if type(x) is np.ndarray and x.dtype == leaves[0].dtype:
            # f may depend on the memory layout of x, or write into a view of it.
            leaves = [x]
        self.in_container = self.rebuild.is_container
        leaves = [self._compact(leaf) for leaf in leaves]
        #: The arguments of f itself, to tell whether f fails to compile without duals.
        self.arguments = [*args]
        places, parts = (self.place, self.rebuild(leaves)) if is_several else ((self.place,), (self.rebuild(leaves),))
        for place, part in zip(places, parts, strict=True):
            self.arguments[place] = part
        others = [a for i, a in enumerate(args) if i not in places]
        if is_several:
            self.f, self.argnum = of_tuple(f, self.place), 0
        self.leaves = leaves
        self.shapes = [getattr(leaf, "shape", ()) for leaf in leaves]
        along = self._along(direction, x) if is_along else []
        if self.in_container:
            self._flatten(x, leaves)
            self.args = (_joined(leaves), *([_joined(along)] if is_along else []), self.layout, *others)
        else:
            self.args = (*leaves, *along, *others)
        self.x = self.args[0]

    def _along(self, v: Any, x: Any) -> list[Any]:
        """The leaves of a direction, checked to have the shapes of those of x."""
        name = f"{self.operator}: the direction v"
        leaves = [
            self._compact(input_leaf(leaf, self.operator, not self.in_container))
            for leaf in self.rebuild.taken(v, name)
        ]
        return leaves

    def _compact(self, x: Any) -> Any:
        """A leaf as compiled code takes it: an array without axes as a scalar."""
        return x[()] if issubclass(type(x), np.ndarray) and not x.shape else x

    def _flatten(self, x: Any, leaves: list[Any]) -> None:
        """Pass the leaves of a nested tuple as one flat array."""
        dtypes = {np.result_type(leaf) for leaf in leaves}
        if len(dtypes) != 1:
            raise NoRuleError(
                f"{self.operator}: x has leaves of the dtypes {sorted(map(str, dtypes))}, but compiled functions are "
                f"differentiated with respect to a single dtype; convert the leaves, or {REMEDY}"
            )
        kinds: list[type] = []
        ends = np.cumsum([0, *map(math.prod, self.shapes)]).tolist()
        self.layout = tuple(
            (start, stop, shape) if shape else start
            for start, stop, shape in zip(ends, ends[1:], self.shapes, strict=False)
        )
        places = iter(range(len(leaves)))

        def text(part: Any) -> str:
            if not isinstance(part, tuple) and (is_container(part) or is_constant(part)):
                raise NoRuleError(
                    f"{self.operator}: x is or contains a {type(part).__name__}, which compiled functions cannot take; "
                    f"use a named tuple of scalars and arrays, or {REMEDY}"
                )
            if isinstance(part, tuple):
                kind = ""
                if hasattr(part, "_fields"):
                    kind = f"kind{len(kinds)}"
                    kinds.append(type(part))
                items = "".join(f"{text(item)}, " for item in part)
                return f"{kind}({items})"
            i = next(places)
            if not self.shapes[i]:
                return f"x[layout[{i}]]"
            array = f"x[layout[{i}][0] : layout[{i}][1]].reshape(layout[{i}][2])"
            return array if leaves[i].flags.c_contiguous else f"np.asfortranarray({array})"

        nesting = text(x)
        self.f, self.argnum = of_flat(self.f, self.argnum, nesting, tuple(kinds)), 0

    def types(self, name: str) -> list[Any]:
        """The types of arguments for which the driver of an operator compiles f."""
        kinds = [typeof(a) for a in self.arguments]
        if name in ("derivative", "slopes"):
            kinds[self.place] = getattr(kinds[self.place], "dtype", kinds[self.place])
        return kinds

    def divided(self, derivative: Any) -> Any:
        """A derivative whose last axis runs over the elements of x, in the nesting of x."""
        if not self.in_container:
            return derivative
        ends = np.cumsum(list(map(math.prod, self.shapes)))[:-1]
        parts = np.split(derivative, ends, axis=-1)
        lead = derivative.shape[:-1]
        return self.rebuild(p.reshape(lead + s) if lead + s else p[0] for p, s in zip(parts, self.shapes, strict=True))

    def width(self, chunk_size: int | None) -> int:
        """The number of directions in one pass."""
        return chunk_size or width_for(np.size(self.x))

    def run(self, name: str, chunk_size: int | None, parallel: bool, mode: str) -> Any:
        """The results of the driver of an operator at x."""
        if self.in_container and name in ("derivative", "slopes"):
            raise TypeError(
                f"{self.operator} differentiates with respect to a scalar, but x is a tuple: use gradient or jacobian"
            )
        width = self.width(chunk_size)
        if not issubclass(type(self.x), np.ndarray):
            return evaluated(self.f, AT_SCALARS.get(name, name), self.argnum, 0, self.args)
        if name in ("derivative", "slopes"):
            return self._at_points(name == "derivative", parallel)
        width = 0 if name in ("hessian", "jvp") else width
        result = None
        is_reverse = taped.takes_reverse(self, name, mode, chunk_size, parallel)
        if is_reverse:
            result = taped.evaluated(self, name, mode)
            is_reverse = result is not None
        elif parallel:
            result = self._in_parts(name, width)
        is_plain = self.f is self.source and not self.argnum and not chunk_size and name in PLAIN
        if is_plain and not parallel and not self.calls_f(name):
            driver = taped.quick(self, name) if is_reverse else driver_of(self.f, name, 0, width, False)
            self.f._dualdiff[name, mode, kind_of_pass(self.x.size)] = driver
        return self.nested(name, result or evaluated(self.f, name, self.argnum, width, self.args))

    def nested(self, name: str, result: Any) -> Any:
        """The results of a driver, with the derivatives in the nesting of f(x) and of x."""
        value, *derivatives = result
        if name == "jacobian" and isinstance(value, tuple):
            values, rebuild = flatten(value)
            matrix = derivatives[0].reshape(len(derivatives[0]), -1)
            return value, self.divided_rows(matrix, list(map(np.shape, values)), rebuild)
        if not self.in_container or name == "jvp":
            return result
        if name == "hessian":
            slope, matrix = derivatives
            return value, self.divided(slope), self.divided_rows(matrix, self.shapes, self.rebuild)
        return value, self.divided(derivatives[0])

    def _at_points(self, with_values: bool, parallel: bool) -> tuple[Any, Any]:
        x, others = self.x, self.args[1:]
        slopes = np.empty(x.shape, x.dtype)
        values = np.empty_like(slopes) if with_values else None
        flat, flat_slopes = x.reshape(-1), slopes.reshape(-1)
        flat_values = None if values is None else values.reshape(-1)
        pieces = [
            (flat[i:j], None if flat_values is None else flat_values[i:j], flat_slopes[i:j], *others)
            for i, j in (ranges(x.size, 1) if parallel and x.size else [(0, x.size)])
        ]
        spread(self.f, "points", self.argnum, 0, pieces)
        return values, slopes

    def _in_parts(self, name: str, width: int) -> Any:
        """The results of a driver run on parts of the directions in parallel; None if there is only one part."""
        x, is_hessian = self.x, name == "hessian"
        parts = ranges(x.size, HESSIAN_WIDTH if is_hessian else width, is_hessian)
        if len(parts) < 2:
            return None
        pieces = [(x, start, stop, *self.args[1:]) for start, stop in parts]
        results = spread(self.f, f"{name}_part", self.argnum, width, pieces)
        derivative = np.concatenate([part[-1] for part in results], axis=-1)
        if is_hessian:
            return in_compiled_code.square((*results[0][:2], derivative), x)
        return in_compiled_code.shaped((results[0][0], derivative), x)

    def divided_rows(self, matrix: Any, shapes: list[Any], rebuild: Any) -> Any:
        """A matrix whose rows run over leaves of these shapes, in their nesting, with that of x inside."""
        parts = np.split(matrix, np.cumsum(list(map(math.prod, shapes)))[:-1])
        # An x outside a container has no nesting, but it has axes.
        axes = matrix.shape[1:] if self.in_container else self.shapes[0]
        return rebuild(self.divided(part.reshape(shape + axes)) for part, shape in zip(parts, shapes, strict=True))

    def in_batch(self, name: str, batch_dims: int, chunk_size: int | None) -> Any:
        """Value and derivative of an f that treats the points of a batch independently."""
        inputs = Inputs(self.operator, self.f, self.args, 0, batch_dims=batch_dims)
        if self.in_container:
            raise NoRuleError(f"{self.operator}: batch_dims with tuples as x is not compiled; {REMEDY}")
        size, groups, points = inputs.size, inputs.batch.groups, inputs.batch.shape
        # Each group of points has directions of its own.
        group_of = np.argmax(groups, axis=0) if groups else np.zeros(points, np.intp)
        places = np.ravel(group_of[..., None] * size + np.arange(size))
        args = (self.x, places, size * max(len(groups), 1), *self.args[1:])
        value, matrix = evaluated(self.f, "along", self.argnum, self.width(chunk_size), args)
        inputs.batch.check_results(flatten(value)[0])
        shape = np.shape(value)
        if groups:
            matrix = matrix.reshape((*shape, len(groups), size))
            for k, group in enumerate(groups):
                inputs.batch.check_apart(group, matrix[..., k, :], matrix.ndim - 1)
            index = group_of.reshape(group_of.shape + (1,) * (matrix.ndim - group_of.ndim))
            matrix = np.take_along_axis(matrix, index, axis=-2)
        if name == "gradient" and shape != points:
            raise ValueError(
                f"{self.operator} with batch_dims={batch_dims} needs an f that returns a scalar for each point, but "
                f"f returned an array of shape {shape} for points {points}: use dualdiff.jacobian"
            )
        return value, matrix.reshape(shape + inputs.core_shapes[0])

    def calls_f(self, name: str) -> bool:
        """Whether to call f itself, for its value or because it writes into other arguments."""
        if reorders(self.source):
            return True
        x, *others = map(typeof, self.args)
        if name in ("derivative", "slopes"):
            x = getattr(x, "dtype", x)
        function = with_first(self.f, self.argnum)
        return writes(types.Dispatcher(function), x, others[name in ALONG :])

    def with_value_of_f(self, name: str, result: Any) -> Any:
        """The same results with the value by f itself, which writes into the caller's arguments, but not into x."""
        places = self.place if isinstance(self.place, tuple) else (self.place,)
        if name == "derivative" and issubclass(type(self.x), np.ndarray):
            (place,) = places
            for i, x in np.ndenumerate(self.x):
                result[0][i] = self.source(*self.arguments[:place], x, *self.arguments[place + 1 :])
            return result
        value = self.source(*(copied(a) if i in places else a for i, a in enumerate(self.arguments)))
        # hvp comes with the gradient, not with the value.
        return result if name == "hvp" else (value[0] if self.has_aux else value, *result[1:])

    def take_aux(self) -> Any:
        """The aux that f returns beside its result; from now on f is taken without it."""
        result = self.source(*(np.copy(a) if issubclass(type(a), np.ndarray) else a for a in self.arguments))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.operator}: with has_aux=True, f has to return a pair (result, aux)")
        self.f, self.has_aux = without_aux(self.f), True
        return result[1]


def _joined(leaves: list[Any]) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in leaves])
