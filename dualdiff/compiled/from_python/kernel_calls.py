"""Compiled functions called from Python with duals of a differentiation that is running there.

The function is called with the values of its arguments, so that its result is its own.  The derivative is a linear map
of their tangents, computed by a compiled driver along the directions at hand.  The driver is a compiled function, too:
if an outer differentiation is running, it is called with the duals of that one, and so differentiated in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import typeof, types
from numba.extending import register_jitable

from dualdiff.adapting.adapt import adapt
from dualdiff.base.errors import NoRuleError
from dualdiff.compiled import patches
from dualdiff.compiled.caching import Sources, compiled_beside
from dualdiff.compiled.intrinsics import dual, partial_in, value_in
from dualdiff.compiled.operators.drivers import memoized
from dualdiff.compiled.operators.pushes import push_core
from dualdiff.compiled.operators.widths import WIDTH, balanced
from dualdiff.compiled.refusals import RUNNING, explained
from dualdiff.compiled.types import DualType
from dualdiff.core.application import dtype_of
from dualdiff.core.array import operand
from dualdiff.core.containers import flatten, only
from dualdiff.core.dual import AnyDual, Float64Dual, FloatDual, leading_space, make, same_call
from dualdiff.drivers.custom.jvp_rule import BlackBox, JvpRule, exclusive_copy
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.passes import sparse_pass
from dualdiff.drivers.sparse.coloured_pattern import Compression
from dualdiff.drivers.sparse.compression import rows_of
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.tangents.pattern import Pattern
from dualdiff.tangents.space import Tangent
from dualdiff.tangents.spaces.single import Single
from dualdiff.tangents.zeros import may_have_nan, plain

REMEDY = "call its py_func, for NumPy's engine"

#: The number of entries up to which reverse mode keeps a Jacobian; larger ones are computed by parts.
KEPT = 1 << 22

#: Arguments that f can change, and of which no copy can be made for the passes that follow; what to pass instead.
CHANGEABLE = {
    types.ListType: ("a numba.typed.List", "an array: np.stack([*items])"),
    types.DictType: ("a numba.typed.Dict", "its values, as arguments or in a named tuple"),
    types.ClassInstanceType: ("an instance of a jitclass", "its attributes, as arguments or in a named tuple"),
    types.Set: ("a set", "a tuple or an array"),
    types.NumPyRandomGeneratorType: ("a random generator", "the draws, as an array"),
}


def has_running(t: Any) -> bool:
    """Whether a type is or contains that of the duals of a running differentiation."""
    if isinstance(t, types.BaseTuple):
        return any(map(has_running, t))
    return t is RUNNING or (isinstance(t, types.List) and has_running(t.dtype))


def answer(f: Any) -> Callable[..., Any]:
    """What is called in place of f when it is called with duals."""
    if f.targetoptions.get("forceobj"):
        return f.py_func  # type: ignore[no-any-return]
    return lambda *args: _called(f, patches.given(f, args))


def explain(f: Any, args: tuple[Any, ...]) -> Exception | None:
    """The error for duals where f was compiled for given signatures only."""
    return explained("derivative", f, [], TypeError(), REMEDY) if duals_in(args) else None


patches.answer_calls(has_running, answer)
patches.explain_mismatches(explain)


def _called(f: Any, args: tuple[Any, ...]) -> Any:
    """f of arguments with duals among them."""
    result = _of_floats(f, args)
    if result is not None:
        return result
    space = leading_space(duals_in(args))
    if space.traces:
        return space.call(f.py_func.__name__, lambda *given: Call(f, given).result(), args, {})
    return Call(f, args).result()


# -- scalars -----------------------------------------------------------------------------------------------------------
def _of_floats(f: Any, args: tuple[Any, ...]) -> Any:
    """f of floats with tangents along a single direction, by a short path; None where the general one is needed."""
    space, active, values, tangents = None, [], [], []
    for a in args:
        kind = type(a)
        is_dual = kind is FloatDual or kind is Float64Dual
        if is_dual and (space is None or a.space is space):
            space = a.space
            tangents.append(a.raw)
            values.append(a.value)
        elif kind is float or kind is np.float64 or kind is int:
            values.append(a)
        else:
            return None
        active.append(is_dual)
    if type(space) is not Single or draws(f):
        return None
    try:
        value, tangent = slope_of(f, tuple(active))(*values, *tangents)
    except Exception as error:
        if not patches.is_of_compiler(error):
            raise
        value = None
    if type(value) is not float:
        vars(f).setdefault("_dualdiff", {})["slope_of", tuple(active)] = _not_here
        return None
    return make(f(*values), tangent, space) if tangent == tangent else None


def _not_here(*args: Any) -> tuple[None, None]:
    """In place of a driver for a function that does not return a float."""
    return None, None


@memoized
def slope_of(f: Any, active: tuple[bool, ...]) -> Any:
    """A driver for floats: the value of f and its derivative along a direction in the active arguments."""
    names = [f"x{i}" for i in range(len(active))]
    directions = [f"v{i}" for i, is_active in enumerate(active) if is_active]
    given = [f"dual({x}, v{x[1:]}, kind)" if is_active else x for x, is_active in zip(names, active, strict=True)]
    body = f"y = f({', '.join(given)})\n    return value_in(y, kind), partial_in(y, 0, kind)"
    space = {"dual": dual, "value_in": value_in, "partial_in": partial_in, "kind": DualType(types.float64, 1)}
    return compiled_beside(f, ", ".join([*names, *directions]), body, space)


# -- any arguments -----------------------------------------------------------------------------------------------------
class Call:
    """A call of f: the duals ``x`` of the innermost differentiation, and what is constant for it, ``c``."""

    def __init__(self, f: Any, args: tuple[Any, ...]) -> None:
        self.f, self.name = f, f.py_func.__name__
        self.x: list[Any] = []
        self.c: list[Any] = []
        self._space = leading_space(duals_in(args))
        #: What the text of the arguments names.
        self.names: dict[str, Any] = {}
        #: The lists among the arguments, and the expressions for their elements.
        self.lists: list[list[Any]] = []
        self.elements: list[str] = []
        self.text = self._of_items(args)
        for kind in map(typeof, self.c):
            for changeable, (what, remedy) in CHANGEABLE.items():
                if isinstance(kind, changeable):
                    raise self._refused(what, remedy)
        if draws(f):
            raise random_draws(self.name)
        self.written = self._written()

    # -- arguments -----------------------------------------------------------------------------------------------------

    def _refused(self, what: str, remedy: str) -> NoRuleError:
        """The error for an argument that f may change."""
        if (self.f.py_func.__module__ or "numba.").startswith("numba."):
            # A method of the object, which was called with a dual.
            return NoRuleError(
                f"{what} holds plain values and takes no dual numbers: write a kernel that takes {remedy}"
            )
        return NoRuleError(
            f"derivative of the compiled function {self.name}: beside dual numbers it takes {what}, which it may "
            f"change: pass it {remedy}; or {REMEDY}"
        )

    def _of_items(self, items: tuple[Any, ...], name: str = "") -> str:
        return f"{name}({''.join(f'{self._text(item)}, ' for item in items)})"

    def _text(self, part: Any) -> str:
        if issubclass(type(part), tuple):
            if not hasattr(part, "_fields"):
                return self._of_items(part)
            name = f"kind{len(self.names)}"
            self.names[name] = type(part)
            return self._of_items(part, name)
        if type(part) is list:
            return self._of_list(part)
        if isinstance(part, AnyDual) and same_call(part.space, self._space):
            self.x.append(part)
            return f"x[{len(self.x) - 1}]"
        self.c.append(part)
        return f"c[{len(self.c) - 1}]"

    def _of_list(self, part: list[Any]) -> str:
        joined = operand(part)
        if getattr(joined, "ndim", 2) != 1 or joined.dtype == object:
            raise NoRuleError(
                f"derivative of the compiled function {self.name}: beside dual numbers it takes lists of scalars, but "
                "not of arrays, tuples or other objects: pass a tuple or an array"
            )
        self.elements.append(self._text(joined))
        self.lists.append(part)
        return f"l{len(self.lists) - 1}"

    def _written(self) -> tuple[int, ...]:
        """The positions of the dual arrays that f writes into."""
        kinds = [typeof(plain(d.value)) for d in self.x]
        arrays = [i for i, kind in enumerate(kinds) if isinstance(kind, types.Array) and f"x[{i}]" not in self.elements]
        if not arrays or getattr(self.f, "writes_nothing", False) or self._compiles(kinds, arrays):
            return ()
        written = tuple(i for i in arrays if not self._compiles(kinds, [i]))
        for i in written:
            others = [*self.x[:i], *self.x[i + 1 :], *self.c]
            if any(np.may_share_memory(plain(self.x[i]), plain(a)) for a in others if hasattr(a, "dtype")):
                raise NoRuleError(
                    f"derivative of the compiled function {self.name}: it writes into an array that shares memory with "
                    f"another argument: pass a copy of one of them, or {REMEDY}"
                )
        return written

    def _compiles(self, kinds: list[Any], read_only: list[int]) -> bool:
        """Whether f compiles if these of the dual arrays are read-only."""
        kinds = [t.copy(readonly=True) if i in read_only else t for i, t in enumerate(kinds)]
        constants = [types.unliteral(typeof(plain(c))) for c in self.c]
        return bool(_compiles(self.f, self._typed(kinds, constants)))

    def types(self) -> tuple[Any, ...]:
        """The types of the values of the arguments."""
        return self._typed([typeof(plain(d.value)) for d in self.x], [typeof(plain(c)) for c in self.c])

    def _typed(self, x: list[Any], c: list[Any]) -> tuple[Any, ...]:
        """The types of the arguments."""
        lists = {f"l{i}": types.List(eval(text, {"x": x, "c": c}).dtype, True) for i, text in enumerate(self.elements)}
        return _as_types(eval(self.text, {"x": x, "c": c, **self.names, **lists})).types  # type: ignore[no-any-return]

    # -- result --------------------------------------------------------------------------------------------------------

    def result(self) -> Any:
        """The result of f, as duals; the arguments that f writes into are then as f leaves them."""
        rule = KernelRule(self)
        x = [exclusive_copy(v) if i in self.written else _read_only(v) for i, v in enumerate(rule.values)]
        lists = [list(eval(text, {"x": x, "c": self.c})) for text in self.elements]
        named = {f"l{i}": part for i, part in enumerate(lists)}
        y = self.f(*eval(self.text, {"x": x, "c": self.c, **self.names, **named}))
        parts, nested = flatten(() if y is None else y)
        sources = [self._source(part, x) for part in parts]
        names = tuple(self.names.items())
        rule.derived = derived(self.f, self.text, tuple(self.elements), self.written, y is None, names)
        after = rule.applied((*parts, *(x[i] for i in self.written), *map(operand, lists)))
        for i, one in zip(self.written, after[len(parts) :], strict=False):
            self.x[i][...] = one
        for part, one in zip(self.lists, after[len(parts) + len(self.written) :], strict=True):
            part[:] = list(one)
        if y is None:
            return None
        return nested(one if source is None else source for one, source in zip(after, sources, strict=False))

    def _source(self, part: Any, x: list[Any]) -> Any:
        """The argument that f returned, or a view of a plain one; None if it returned something new."""
        if not np.ndim(part):
            return None
        if any(np.may_share_memory(plain(part), c) for c in self.c if issubclass(type(c), np.ndarray)):
            return part
        for i, v in enumerate(x):
            if part is v:
                return self.x[i]
        if any(np.may_share_memory(plain(part), plain(v)) for v in x if np.ndim(v)):
            raise NoRuleError(
                f"derivative of the compiled function {self.name}: it returns a view of an argument; let it return a "
                f"copy, or {REMEDY}"
            )
        return None


def _read_only(v: Any) -> Any:
    """A view of an array that is not written."""
    if type(v) is np.ndarray:
        v = v.view()
        v.flags.writeable = False
    return v


def _as_types(kinds: Any) -> Any:
    """The type of nested tuples of these types."""
    if not isinstance(kinds, tuple):
        return kinds
    items = tuple(map(_as_types, kinds))
    return types.NamedTuple(items, type(kinds)) if hasattr(kinds, "_fields") else types.BaseTuple.from_types(items)


def random_draws(name: str) -> NoRuleError:
    """The error for a function that draws random numbers."""
    return NoRuleError(
        f"derivative of the compiled function {name}: it draws random numbers, which differ from call to call, so that "
        "its derivative would not be that of its value: pass it the draws as an argument"
    )


@memoized
def draws(f: Any) -> bool:
    """Whether f, or a function that it calls, draws random numbers."""
    return Sources(f.py_func).has_draws


@memoized
def _compiles(f: Any, kinds: tuple[Any, ...]) -> bool:
    return patches.compiles(f, kinds)


@register_jitable  # type: ignore[untyped-decorator]
def items_of(a):  # type: ignore[no-untyped-def]
    """The elements of a vector as a list."""
    return [item for item in a]  # noqa: C416  (for Numba)


@register_jitable  # type: ignore[untyped-decorator]
def array_of(items):  # type: ignore[no-untyped-def]
    """The elements of a list as a vector."""
    return np.array(items)


# -- the derivative ----------------------------------------------------------------------------------------------------
@memoized
def derived(
    f: Any, text: str, elements: tuple[str, ...], written: tuple[int, ...], is_silent: bool, names: tuple[Any, ...]
) -> Any:
    """f as a compiled function of the duals and of what is constant, which returns all that f computes."""
    lists = [f"l{i}" for i in range(len(elements))]
    lines = [f"{name} = items_of({item})" for name, item in zip(lists, elements, strict=True)]
    lines.append(f"{'' if is_silent else 'y = '}f(*{text})")
    results = [*([] if is_silent else ["y"]), *(f"x[{i}]" for i in written), *(f"array_of({name})" for name in lists)]
    lines.append(f"return ({''.join(f'{item}, ' for item in results)})")
    return compiled_beside(
        f, "x, *c", "\n    ".join(lines), {"items_of": items_of, "array_of": array_of, **dict(names)}
    )


@memoized
def pushed(g: Any, width: int, masked: bool) -> Any:
    """The driver of a function, a compiled function, so that it is differentiated for an outer differentiation."""
    body = f"return push_core(f, xs, vs, args, {width}, {masked})"
    driver = compiled_beside(g, "xs, vs, *args", body, {"push_core": push_core})
    driver.writes_nothing = True
    return driver


class KernelRule(JvpRule):
    """The rule of a call: the derivative is an opaque linear map."""

    derived: Any

    def __init__(self, call: Call) -> None:
        super().__init__(call.name, call.f, {}, call.x, only)
        self.call = call
        #: As they were before f was called.
        self.constants = tuple(map(exclusive_copy, call.c))
        self._inputs = tuple(exclusive_copy(v) if i in call.written else v for i, v in enumerate(self.values))

    def _tangents_of_results(self) -> list[Tangent | None]:
        if not any(dtype_of(y).kind in "fc" for y in self.results):
            # Nothing to differentiate, unless f writes a dual where its derivative is lost: that does not compile.
            self.columns([np.zeros((1, np.size(v))) for v in self.values])
            return [None] * len(self.results)
        return self._mapped(Pushforward)

    def columns(self, directions: list[Any]) -> Any:
        """The derivatives of the flattened results along directions, of which each row of each matrix is one."""
        count = len(directions[0])
        width = 1 if count == 1 else balanced(max(count, 1))
        x = tuple(map(_read_only, self._inputs))
        args = (x, tuple(map(_read_only, directions)), *self.constants)
        try:
            columns = pushed(self.derived, width, False)(*args)
            # The masked driver lets zero tangents contribute zero; it is slower and seldom needed.
            return pushed(self.derived, width, True)(*args) if may_have_nan(columns) else columns
        except Exception as error:
            if not patches.is_of_compiler(error):
                raise
            reason = explained("derivative", self.call.f, list(self.call.types()), error, REMEDY)
        raise reason

    def pattern(self, active: list[int]) -> Pattern | None:
        """Which results depend on which of the active arguments, by NumPy's engine; None if it does not find that."""
        likes = [plain(self._inputs[i]) for i in active]
        ends = np.cumsum([np.size(v) for v in likes])[:-1]
        call = self.call

        def flat(packed: Any) -> Any:
            x = [np.copy(plain(v)) if np.ndim(v) else plain(v) for v in self._inputs]
            for i, v, part in zip(active, likes, np.split(packed, ends), strict=True):
                x[i] = np.reshape(part, np.shape(v)) if np.ndim(v) else part[0]
            c = [exclusive_copy(plain(c)) for c in self.constants]
            lists = {f"l{i}": list(eval(text, {"x": x, "c": c})) for i, text in enumerate(call.elements)}
            y = call.f.py_func(*eval(call.text, {"x": x, "c": c, **call.names, **lists}))
            parts, _ = flatten(() if y is None else y)
            parts = [*parts, *(x[i] for i in call.written), *map(operand, lists.values())]
            return np.concatenate([np.ravel(part) for part in parts])

        packed = np.concatenate([np.ravel(v) for v in likes])
        try:
            return rows_of(sparse_pass(Inputs("jacobian", adapt(flat), (packed,), 0), pattern_only=True)).pattern
        except Exception:  # of many kinds: what runs compiled need not run as Python
            return None


class Pushforward(BlackBox):
    """The derivative of a compiled function, from the packed tangents of its arguments to those of its results."""

    rule: KernelRule

    def _pushed(self, t: Any) -> Any:
        lead = t.shape[:-1]
        rows = t.reshape((math.prod(lead), t.shape[-1]))
        mine = {i: np.array(part, order="C") if type(part) is np.ndarray else part for i, _, part in self.divided(rows)}
        directions = [
            mine[i] if i in mine else np.zeros((len(rows), np.size(v)), dtype_of(v))
            for i, v in enumerate(self.rule.values)
        ]
        return self.rule.columns(directions).T.reshape((*lead, *self.out_shape))

    def entries(self) -> tuple[Any, Any, Any]:
        pattern = self.rule.pattern(self.active) if self.part == "whole" else None
        if pattern is None or (pattern.columns, pattern.rows) != (*self.in_shape, *self.out_shape):
            return super().entries()
        compression = Compression(pattern, thorough=False)
        colours = np.asarray(compression.colours)
        seeds = np.concatenate([colours == np.arange(compression.count)[:, None], [compression.probe]])
        images = self(seeds * 1.0)
        rows, columns = pattern.row_of_entries(), pattern.indices
        data = images[colours[columns], rows]
        # The compiled function may have taken another branch than the Python function.
        dtypes = [dtype_of(x) for x in (*self.likes, *self.rule.results) if dtype_of(x).kind == "f"]
        is_right = compression.agrees(plain(data), plain(images[-1]), dtypes)
        return (rows, columns, data) if is_right else super().entries()

    def _pulled(self, w: Any) -> Any:
        (n,), (m,) = self.in_shape, self.out_shape
        if m * n <= KEPT:
            return super()._pulled(w)
        step = max(KEPT // m // WIDTH, 1) * WIDTH
        parts = [self._pushed_part(np.eye(min(step, n - start), n, start)) for start in range(0, n, step)]
        pulled = np.concatenate([np.matmul(w, np.swapaxes(part, -1, -2)) for part in parts], axis=-1)
        return np.real(pulled) if self.part == "whole" else pulled
