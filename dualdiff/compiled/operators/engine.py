"""The operators for functions that Numba compiled: called from Python, run compiled by their drivers."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
from numba import typeof, types
from numba.core.dispatcher import Dispatcher

from dualdiff import compiled
from dualdiff.base.errors import LostDerivativeError, NoRuleError
from dualdiff.compiled.operators import in_compiled_code
from dualdiff.compiled.operators.arguments import writes
from dualdiff.compiled.operators.drivers import (
    derivative_as_function,
    driver_of,
    evaluated,
    of_flat,
    of_tuple,
    ranges,
    reorders,
    slope_of,
    spread,
    with_first,
    without_aux,
)
from dualdiff.compiled.operators.in_compiled_code import HESSIAN_WIDTH, WIDTH
from dualdiff.compiled.refusals import REMEDY, explained, is_of_compiler
from dualdiff.core.containers import flatten, input_leaf, is_constant, is_container
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.directions import fitted
from dualdiff.drivers.run.inputs import ALONG, Inputs, input_leaves, resolve_argnum, with_direction
from dualdiff.drivers.run.outputs import copied
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.drivers.sparse.compression import (
    Compression,
    check_pattern,
    column_blocks,
    prepared,
    rounding,
    rows_of,
    wrong_shape,
)
from dualdiff.tangents.pattern import Pattern
from dualdiff.tangents.spaces.sparse import Rows

compiled.init()

FLOAT64 = np.dtype(np.float64)

#: Partials in a pass where there are no more directions.
NARROW = 4

#: What takes the place of a driver at a number.
ON_NUMBERS = {
    "slopes": "derivative",
    "gradient": "slope",
    "jacobian": "derivative",
    "hessian": "second",
    "hvp": "second_along",
}

#: Those called with nothing but an array by most.
PLAIN = {"gradient", "jacobian", "hessian"}


def takes(kind: type) -> bool:
    """Whether this engine differentiates functions of a class."""
    return issubclass(kind, Dispatcher)


def uncompiled(f: Any) -> Any:
    """The function as it was written, for NumPy's engine."""
    return f.py_func


def by_place(operator: str, f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of f with those that were given by name in their places; a direction stays behind x."""
    direction = args[1:2] if operator in ALONG else ()
    bound = inspect.signature(f.py_func).bind(*args[:1], *args[1 + len(direction) :], **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise NoRuleError(f"{operator}: compiled functions are differentiated without **keywords; {REMEDY}")
    return (*bound.args[:1], *direction, *bound.args[1:])


# -- arguments ---------------------------------------------------------------------------------------------------------
class Call:
    """A function with the argument that is differentiated first, a number or an array, as compiled code takes it."""

    def __init__(self, operator: str, f: Any, args: tuple[Any, ...], argnum: Any = 0, is_along: bool = False) -> None:
        self.operator, self.f, self.source, self.has_aux = operator, f, f, False
        direction: Any = None
        if is_along:
            args, direction = with_direction(operator, args, argnum)
        self.argnum = self.place = resolve_argnum(operator, argnum, len(args))
        is_several = isinstance(self.place, tuple)
        x = tuple([args[i] for i in self.place]) if is_several else args[self.place]
        found, self.rebuild = input_leaves(operator, x, is_several)
        if type(x) is np.ndarray and x.dtype == found[0].dtype:
            # f may loop over its memory, or write into a view of it.
            found = [x]
        self.in_container = self.rebuild.is_container
        leaves = [self._compact(leaf) for leaf in found]
        #: What f is called with, to be told what is wrong with f alone.
        self.own = [*args]
        places, parts = (self.place, self.rebuild(leaves)) if is_several else ((self.place,), (self.rebuild(leaves),))
        for place, part in zip(places, parts, strict=True):
            self.own[place] = part
        others = [a for i, a in enumerate(args) if i not in places]
        if is_several:
            self.f, self.argnum = of_tuple(f, self.place), 0
        self.shapes = [getattr(leaf, "shape", ()) for leaf in leaves]
        along = self._along(direction, x) if is_along else []
        if self.in_container:
            self._flatten(x, leaves)
            self.args = (_joined(leaves), *([_joined(along)] if is_along else []), self.layout, *others)
        else:
            self.args = (*leaves, *along, *others)
        self.x = self.args[0]

    def _along(self, v: Any, x: Any) -> list[Any]:
        """The leaves of a direction, of the same shapes as those of x."""
        name = f"{self.operator}: the direction v"
        leaves = [
            self._compact(input_leaf(leaf, self.operator, not self.in_container))
            for leaf in self.rebuild.taken(v, name)
        ]
        return leaves

    def _compact(self, x: Any) -> Any:
        """A leaf as compiled code takes it."""
        if isinstance(x, AnyDual):
            raise NoRuleError(
                f"{self.operator} of a compiled function inside another differentiation: pass f.py_func, take "
                "nth_derivative or hessian for higher derivatives of f alone, or write the outer function with @njit "
                "too and call dualdiff's operators in it"
            )
        return x[()] if issubclass(type(x), np.ndarray) and not x.shape else x

    def _flatten(self, x: Any, leaves: list[Any]) -> None:
        """Take the numbers of a nested tuple as one array."""
        dtypes = {np.result_type(leaf) for leaf in leaves}
        if len(dtypes) != 1:
            raise NoRuleError(
                f"{self.operator}: x has parts of the dtypes {sorted(map(str, dtypes))}, and compiled functions are "
                f"differentiated in numbers of one; convert them, or {REMEDY}"
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
                    f"{self.operator}: x is or holds a {type(part).__name__}, which compiled functions do not take; "
                    f"use a named tuple of numbers and arrays, or {REMEDY}"
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
        """What f is to be compiled for, to be called by the driver of an operator."""
        kinds = [typeof(a) for a in self.own]
        if name in ("derivative", "slopes"):
            kinds[self.place] = getattr(kinds[self.place], "dtype", kinds[self.place])
        return kinds

    def divided(self, derivative: Any) -> Any:
        """A derivative whose last axis belongs to the numbers of x, in the nesting of x."""
        if not self.in_container:
            return derivative
        ends = np.cumsum(list(map(math.prod, self.shapes)))[:-1]
        parts = np.split(derivative, ends, axis=-1)
        lead = derivative.shape[:-1]
        return self.rebuild(p.reshape(lead + s) if lead + s else p[0] for p, s in zip(parts, self.shapes, strict=True))

    def width(self, chunk_size: int | None) -> int:
        """How many directions a pass takes."""
        return chunk_size or (NARROW if np.size(self.x) <= NARROW else WIDTH)

    def run(self, name: str, chunk_size: int | None, parallel: bool) -> Any:
        """What the driver of an operator finds at x."""
        if self.in_container and name in ("derivative", "slopes"):
            raise TypeError(f"{self.operator} is with respect to a scalar, and x is a tuple: use gradient or jacobian")
        width = self.width(chunk_size)
        if not issubclass(type(self.x), np.ndarray):
            return evaluated(self.f, ON_NUMBERS.get(name, name), self.argnum, 0, self.args)
        if name in ("derivative", "slopes"):
            return self._at_points(name == "derivative", parallel)
        width = 0 if name in ("hessian", "jvp") else width
        found = self._in_parts(name, width) if parallel else None
        is_plain = self.f is self.source and not self.argnum and not chunk_size and name in PLAIN
        if is_plain and not self.calls_f(name):
            self.f._dualdiff[name, self.x.size <= NARROW] = driver_of(self.f, name, 0, width, False)
        return self.nested(name, found or evaluated(self.f, name, self.argnum, width, self.args))

    def nested(self, name: str, found: Any) -> Any:
        """What a driver found, the derivatives in the nesting of f(x) and of x."""
        value, *derivatives = found
        if name == "jacobian" and isinstance(value, tuple):
            values, rebuild = flatten(value)
            matrix = derivatives[0].reshape(len(derivatives[0]), -1)
            return value, self.divided_rows(matrix, list(map(np.shape, values)), rebuild)
        if not self.in_container or name == "jvp":
            return found
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
        """Along several parts of the directions at once; None where there is only one part."""
        x, is_hessian = self.x, name == "hessian"
        parts = ranges(x.size, HESSIAN_WIDTH if is_hessian else width, is_hessian)
        if len(parts) < 2:
            return None
        pieces = [(x, start, stop, *self.args[1:]) for start, stop in parts]
        found = spread(self.f, f"{name}_part", self.argnum, width, pieces)
        derivative = np.concatenate([part[-1] for part in found], axis=-1)
        if is_hessian:
            return in_compiled_code.square((*found[0][:2], derivative), x)
        return in_compiled_code.shaped((found[0][0], derivative), x)

    def divided_rows(self, matrix: Any, shapes: list[Any], rebuild: Any) -> Any:
        """A matrix whose rows belong to parts of these shapes, in their nesting, and in each place in that of x."""
        parts = np.split(matrix, np.cumsum(list(map(math.prod, shapes)))[:-1])
        # What is not in a container has no nesting, but it has axes.
        axes = matrix.shape[1:] if self.in_container else self.shapes[0]
        return rebuild(self.divided(part.reshape(shape + axes)) for part, shape in zip(parts, shapes, strict=True))

    def in_batch(self, name: str, batch_dims: int, chunk_size: int | None) -> Any:
        """Value and derivative of an f that works on each of the points of a batch by itself."""
        inputs = Inputs(self.operator, self.f, self.args, 0, batch_dims=batch_dims)
        if self.in_container:
            raise NoRuleError(f"{self.operator}: batch_dims with tuples as x is not compiled; {REMEDY}")
        size, groups, points = inputs.size, inputs.batch.groups, inputs.batch.shape
        # Each group of the points moves along directions of its own.
        own = np.argmax(groups, axis=0) if groups else np.zeros(points, np.intp)
        places = np.ravel(own[..., None] * size + np.arange(size))
        args = (self.x, places, size * max(len(groups), 1), *self.args[1:])
        value, matrix = evaluated(self.f, "along", self.argnum, self.width(chunk_size), args)
        inputs.batch.check_results(flatten(value)[0])
        shape = np.shape(value)
        if groups:
            matrix = matrix.reshape((*shape, len(groups), size))
            for k, group in enumerate(groups):
                inputs.batch.check_apart(group, matrix[..., k, :], matrix.ndim - 1)
            matrix = np.take_along_axis(matrix, own.reshape(own.shape + (1,) * (matrix.ndim - own.ndim)), axis=-2)
        if name == "gradient" and shape != points:
            raise ValueError(
                f"{self.operator} with batch_dims={batch_dims} needs an f that returns a scalar for each point, and "
                f"f returned an array of shape {shape} for points {points}: use dualdiff.jacobian"
            )
        return value, matrix.reshape(shape + inputs.core_shapes[0])

    def sparsely(self, sparse: Any, check: bool, chunk_size: int | None) -> tuple[Any, Any]:
        """Value, and Jacobian as a ``csr_array``, along a direction for each colour of the pattern."""
        operator = self.operator
        compression = prepared(operator, sparse, False)
        is_given = isinstance(compression, Compression)
        if check and not is_given:
            raise ValueError(f"{operator}: check=True compares a pattern with f, and sparse={sparse} is no pattern")
        if not is_given:
            compression = Compression(self._followed(False).pattern, False, thorough=False)
        size = sum(map(math.prod, self.shapes))
        if compression.shape[1] != size:
            raise wrong_shape(operator, compression, f"x has {size} numbers")
        x = np.atleast_1d(self.x)
        if x is not self.x:
            raise NoRuleError(f"{operator}: sparse with a number as x is not compiled; {REMEDY}")
        count = compression.count
        width = min((w for w in (NARROW, 2 * NARROW) if count < w), default=self.width(chunk_size))
        places = compression.colours.astype(np.intp)
        pattern = (compression.shape[0], *compression.entries, compression.pattern.indices)
        args = (x, places, compression.probe, count, pattern, rounding([x.dtype]), *self.args[1:])
        value, is_doubtful, data = evaluated(self.f, "entries", self.argnum, width, args)
        results = sum(map(np.size, flatten(value)[0]))
        if results != compression.shape[0]:
            raise wrong_shape(operator, compression, f"f returned {results} numbers")
        if check or is_doubtful:
            data = check_pattern(operator, compression, self._with_numbers())
        inputs = Inputs(operator, self.source, tuple(self.own), self.place)
        return value, column_blocks(inputs, compression.as_array(data))

    def _followed(self, with_numbers: bool) -> Rows:
        """The rows of the Jacobian, or their pattern alone, from NumPy's engine."""
        try:
            inputs = Inputs(self.operator, self.source.py_func, tuple(self.own), self.place, self.has_aux)
            return rows_of(sparse_pass(inputs, pattern_only=not with_numbers))
        except (NoRuleError, LostDerivativeError) as error:
            raise NoRuleError(
                f"{self.operator}: the pattern of a compiled function is found by NumPy's engine in f.py_func, which "
                f"failed ({error}); give the pattern: sparse=pattern"
            ) from error

    def _with_numbers(self) -> Rows:
        """The rows of the Jacobian with their numbers, which the compiled columns give where NumPy's engine cannot."""
        try:
            return self._followed(True)
        except NoRuleError:
            width, parts = self.width(None), []
            for start in range(0, self.x.size, width):
                args = (self.x, start, min(start + width, self.x.size), *self.args[1:])
                part = evaluated(self.f, "jacobian_part", self.argnum, width, args)[1]
                part = part.reshape(-1, part.shape[-1])
                rows, columns = part.nonzero()
                parts.append((rows, start + columns, part[rows, columns]))
            rows, columns, data = map(np.concatenate, zip(*parts, strict=True))
            pattern, order, _ = Pattern.of_entries(rows, columns, (len(part), self.x.size))
            return Rows(pattern, data[order])

    def calls_f(self, name: str) -> bool:
        """Whether f itself is to be called, for its value or for what it writes into other arguments."""
        if reorders(self.source):
            return True
        x, *others = map(typeof, self.args)
        if name in ("derivative", "slopes"):
            x = getattr(x, "dtype", x)
        function = with_first(self.f, self.argnum)
        return writes(types.Dispatcher(function), x, others[name in ALONG :])

    def with_value_of_f(self, name: str, found: Any) -> Any:
        """The same with the value by f itself, which writes into the arguments of the caller, but not into x."""
        places = self.place if isinstance(self.place, tuple) else (self.place,)
        if name == "derivative" and issubclass(type(self.x), np.ndarray):
            (place,) = places
            for i, x in np.ndenumerate(self.x):
                found[0][i] = self.source(*self.own[:place], x, *self.own[place + 1 :])
            return found
        value = self.source(*(copied(a) if i in places else a for i, a in enumerate(self.own)))
        # The product with a Hessian comes with the gradient.
        return found if name == "hvp" else (value[0] if self.has_aux else value, *found[1:])

    def take_aux(self) -> Any:
        """What f returns beside its result; from now on f is without it."""
        result = self.source(*(np.copy(a) if issubclass(type(a), np.ndarray) else a for a in self.own))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.operator}: with has_aux=True, f has to return a pair (result, aux)")
        self.f, self.has_aux = without_aux(self.f), True
        return result[1]


def _joined(leaves: list[Any]) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


def plainly(name: str, f: Any, args: tuple[Any, ...]) -> Any:
    """What a driver finds at an array of the usual kind, by the shortest way; None where `run` has to do more."""
    x = args[0]
    if type(x) is not np.ndarray or x.dtype is not FLOAT64 or not x.flags.c_contiguous:
        return None
    try:
        found, has_nan = f._dualdiff[name, x.size <= NARROW](*args)
    except Exception as error:
        if isinstance(error, (AttributeError, KeyError)) or is_of_compiler(error):
            return None
        raise
    return None if has_nan or type(found[0]) is tuple else found


def run(
    operator: str,
    name: str,
    f: Any,
    args: tuple[Any, ...],
    argnum: Any,
    chunk_size: int | None = None,
    parallel: bool = False,
    has_aux: bool = False,
    batch_dims: int = 0,
    sparse: Any = False,
    check: bool = False,
) -> tuple[Any, Any]:
    """What the driver of an operator finds, the derivative last; and aux."""
    call = Call(operator, f, args, argnum, name in ALONG)
    try:
        aux = call.take_aux() if has_aux else None
        if sparse is not False or check:
            return call.sparsely(sparse, check, chunk_size), aux
        if batch_dims:
            return call.in_batch(name, batch_dims, chunk_size), aux
        found = call.run(name, chunk_size, parallel)
        if name != "slopes" and call.calls_f(name):
            found = call.with_value_of_f(name, found)
        return found, aux
    except Exception as error:
        if not is_of_compiler(error):
            raise
        reason = explained(operator, f, call.types(name), error)
    raise reason


def _refuse_unsupported(operator: str, mode: str = "auto", **options: Any) -> None:
    """Refuse what compiled drivers have not."""
    for name, given in {"mode": mode == "reverse" and mode, **options}.items():
        if given:
            raise NoRuleError(f"{operator}: {name}={given!r} is not supported for compiled functions; {REMEDY}")


# -- the operators -----------------------------------------------------------------------------------------------------
# Each returns (value, derivative, aux), as NumPy's `evaluate` does.
def derivative_at_float(f: Any, args: tuple[Any, ...]) -> Any:
    """The derivative at a float, by the shortest way."""
    try:
        at_float = f._dualdiff_at_float
    except AttributeError:
        return _first_derivative(f, args)
    try:
        found = at_float(*args)
    except Exception as error:
        if not is_of_compiler(error):
            raise
        # `run` says what cannot be compiled.
        found = math.nan
    return found if found == found else run("derivative", "slopes", f, args, 0)[0][1]


def _first_derivative(f: Any, args: tuple[Any, ...]) -> Any:
    """The first derivative of f at a float; where it is a number, a driver is made that returns it and nothing else."""
    found = run("derivative", "derivative", f, args, 0)[0][1]
    if type(found) is float and not Call("derivative", f, args).calls_f("derivative"):
        f._dualdiff_at_float = slope_of(f)
    return found


def derivative(
    operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False, parallel: bool = False
) -> Any:
    """Value (None where nobody asks), derivative and aux."""
    name = "slopes" if operator == "derivative" else "derivative"
    found, aux = run(operator, name, f, args, argnum, None, parallel, has_aux)
    return *found, aux


def nth_derivative(operator: str, f: Any, args: tuple[Any, ...], *, argnum: int, n: int) -> Any:
    """The derivative of the derivatives, each a compiled function of its own."""
    call = Call(operator, f, args, argnum)
    if n == 0:
        return f(*call.own)
    g = f
    for order in range(n - 1):
        g = derivative_as_function(g, 0 if order else call.argnum)
    found, _ = run("derivative", "slopes", g, call.args if n > 1 else args, 0 if n > 1 else argnum)
    return found[1]


def gradient(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    *,
    argnum: Any = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
) -> Any:
    """Value, gradient and aux."""
    if argnum == 0 and mode == "auto" and chunk_size is None and not (has_aux or batch_dims or parallel):
        found = plainly("gradient", f, args)
        if found is not None:
            return *found, None
    _refuse_unsupported(operator, mode)
    found, aux = run(operator, "gradient", f, args, argnum, chunk_size, parallel, has_aux, batch_dims)
    return *found, aux


def jacobian(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    *,
    argnum: Any = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    sparse: Any = False,
    check: bool = False,
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
) -> Any:
    """Value, Jacobian and aux."""
    is_plain = argnum == 0 and mode == "auto" and sparse is False and chunk_size is None
    if is_plain and not (check or has_aux or batch_dims or parallel):
        found = plainly("jacobian", f, args)
        if found is not None:
            return *found, None
    _refuse_unsupported(operator, mode)
    found, aux = run(operator, "jacobian", f, args, argnum, chunk_size, parallel, has_aux, batch_dims, sparse, check)
    return *found, aux


def hessian(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    *,
    argnum: Any = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    sparse: Any = False,
    check: bool = False,
    has_aux: bool = False,
    batch_dims: int = 0,
    parallel: bool = False,
) -> Any:
    """Value, gradient, Hessian and aux."""
    is_plain = argnum == 0 and mode == "auto" and sparse is False and chunk_size is None
    if is_plain and not (check or has_aux or batch_dims or parallel):
        found = plainly("hessian", f, args)
        if found is not None:
            return *found, None
    _refuse_unsupported(operator, mode, sparse=sparse is not False and "...", check=check, batch_dims=batch_dims)
    found, aux = run(operator, "hessian", f, args, argnum, None, parallel, has_aux)
    return *found, aux


def jvp(operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False) -> Any:
    """Value, derivative along a direction, and aux."""
    return _along(args, argnum, lambda args: run(operator, "jvp", f, args, argnum, None, False, has_aux), operator)


def hvp(
    operator: str,
    f: Any,
    args: tuple[Any, ...],
    *,
    argnum: Any = 0,
    chunk_size: int | None = None,
    mode: str = "auto",
    has_aux: bool = False,
) -> Any:
    """Gradient, Hessian times a direction, and aux."""
    _refuse_unsupported(operator, mode)
    return _along(
        args, argnum, lambda args: run(operator, "hvp", f, args, argnum, chunk_size, False, has_aux), operator
    )


def _along(args: tuple[Any, ...], argnum: Any, run: Any, operator: str) -> Any:
    """What the driver finds along a direction, or along each of several, stacked."""
    x, v = args[:2] if len(args) > 1 else (None, None)
    if v is None or (issubclass(type(x), (np.ndarray, float)) and np.shape(x) == np.shape(v)):
        found, aux = run(args)
        return *found, aux
    name = f"{operator}: the direction v"
    leaves, nesting = input_leaves(operator, x, isinstance(argnum, tuple))
    dtypes = list(map(np.result_type, leaves))
    directions, count = fitted(nesting.taken(v, name), list(map(np.shape, leaves)), dtypes, name)
    if count is None:
        found, aux = run(args)
        return *found, aux
    each = [run((x, nesting(_at(t, i, count) for t in directions), *args[2:])) for i in range(max(count, 1))]
    (value, first), aux = each[0]
    rows = zip(*(flatten(derivative)[0] for (_, derivative), _ in each), strict=True)
    return value, flatten(first)[1](np.stack(t)[:count] for t in rows), aux


def _at(t: Any, i: int, count: int) -> Any:
    """One of several directions; zero if there is none."""
    return t[i] if count else np.zeros(t.shape[1:], t.dtype)[()]
