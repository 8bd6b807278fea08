"""Variables of compiled code that become duals on the way: ``s = 0.0`` before a loop, ``out = np.zeros(n)``.

Numba infers the types of all variables at once, and first sees such a scalar as a float, so that an array computed from
it is first one of floats, which it cannot turn into one of duals; an array of floats it never does.  Where that makes a
function of duals fail, its types are inferred once more, with what the first attempt has found out: the scalars that
turned out to be duals are duals from the start, and new arrays that duals are written into are arrays of duals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from dualdiff.compiled import patches
from dualdiff.compiled.intrinsics import constant
from dualdiff.compiled.operators.arguments import laid_out, read_only
from dualdiff.compiled.patches import definitions_of, ir
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, dual_in

#: How often types are inferred again; each time, something more has turned out to be dual.
ATTEMPTS = 8

#: NumPy's functions, and methods of arrays, whose result shares memory with nothing else.
NEW = {
    *("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"),
    *("array", "copy", "arange", "linspace", "eye", "identity", "repeat", "concatenate", "hstack", "vstack", "stack"),
}

#: What has elements that may turn out to be dual.
ARRAYS = (types.Array, types.List)

#: Methods of arrays whose result may be a view of the array.
VIEWS = {"reshape", "ravel", "transpose"}


def is_plain_array(t: Any) -> bool:
    """Whether a type is that of an array or a list of plain floats or complex numbers."""
    return isinstance(t, ARRAYS) and isinstance(t.dtype, (types.Float, types.Complex))


def infer(
    stage: Any, context: Any, target: Any, code: Any, args: Any, returned: Any, seeds: Any, is_strict: bool
) -> Any:
    """Numba's type inference, repeated if it fails where something becomes a dual on the way."""
    try:
        return stage(context, target, code, args, returned, seeds, is_strict)
    except TypingError as error:
        module = str(code.func_id.func.__module__).partition(".")[0]
        if not is_strict or module in ("numba", "dualdiff") or not any(map(dual_in, args)):
            raise
        first = error
    seeds = dict(seeds or {})
    for _ in range(ATTEMPTS):
        partial = stage(context, target, code, args, returned, seeds, False)
        if not Findings(context, code, partial.typemap).used(seeds):
            break
        try:
            return stage(context, target, code, args, returned, seeds, True)
        except TypingError:
            # Numba's trace of the first attempt has the lines of the user's own code.
            continue
    raise first


class Findings:
    """What an attempt that failed has found out about the variables of a function."""

    def __init__(self, context: Any, code: Any, typemap: dict[str, Any]) -> None:
        self.context, self.code, self.typemap = context, code, typemap
        self.places: dict[str, list[tuple[Any, Any]]] = {}
        for block in code.blocks.values():
            for statement in block.find_insts(ir.Assign):
                self.places.setdefault(statement.target.name, []).append((block, statement))

    def used(self, seeds: dict[str, Any]) -> bool:
        """Add what was found to the seeds and to the code; whether there was anything."""
        result = {name: t for name, t in self._scalars() if seeds.get(name) != t}
        seeds.update(result)
        targets = self._written() or ({} if result else self._passed())
        for name, t in targets.items():
            for block, statement in self._origins(name, set()):
                self._convert(block, statement, t)
                result[name] = t
        return bool(result)

    def type_of(self, variable: Any) -> Any:
        """The type of a variable, as far as it is known."""
        return self.typemap.get(variable.name, types.unknown)

    # -- what turned out to be dual ------------------------------------------------------------------------------------

    def _scalars(self) -> Iterator[tuple[str, Any]]:
        """The scalars and tuples that have several values of which some are dual, with the type of all of them."""
        for name, incoming in self._joined():
            kinds = [self.typemap.get(name, types.unknown), *incoming]
            if any(map(dual_in, kinds)) and not any(isinstance(t, ARRAYS) for t in kinds):
                kind = self.context.unify_types(*(t for t in kinds if t is not types.unknown))
                if kind is not None and dual_in(kind):
                    yield name, types.unliteral(kind)

    def _joined(self) -> Iterator[tuple[str, list[Any]]]:
        """The variables in which several values meet, with the types of these."""
        for name, places in self.places.items():
            for _, statement in places:
                value = statement.value
                if isinstance(value, ir.Expr) and value.op == "phi":
                    values = [v for v in value.incoming_values if isinstance(v, ir.Var)]
                    yield name, list(map(self.type_of, values))

    def _written(self) -> dict[str, Any]:
        """The arrays of plain scalars that duals are written into, or that meet arrays of duals."""
        result: dict[str, Any] = {}
        for block in self.code.blocks.values():
            for statement in block.body:
                value = getattr(statement, "value", None)
                if isinstance(statement, (ir.SetItem, ir.StaticSetItem)):
                    pairs = [(statement.target, statement.value)]
                elif isinstance(value, ir.Expr) and value.op == "inplace_binop":
                    pairs = [(value.lhs, value.rhs)]
                elif isinstance(value, ir.Expr) and value.op == "phi":
                    values = [v for v in value.incoming_values if isinstance(v, ir.Var)]
                    pairs = [(a, b) for a in values for b in values if isinstance(self.type_of(b), ARRAYS)]
                else:
                    continue
                for array, other in pairs:
                    if is_plain_array(self.type_of(array)) and (dual := dual_in(self.type_of(other))):
                        result[array.name] = dual
        return result

    def _passed(self) -> dict[str, Any]:
        """The arrays of plain scalars that are passed beside duals to a compiled function that does not compile."""
        result: dict[str, Any] = {}
        for block in self.code.blocks.values():
            for statement in block.find_insts(ir.Assign):
                value = statement.value
                is_call = isinstance(value, ir.Expr) and value.op == "call"
                if not is_call or self.type_of(statement.target) is not types.unknown:
                    continue
                given = [*value.args, *(v for _, v in value.kws)]
                if isinstance(self.type_of(value.func), types.Dispatcher):
                    duals = [t for t in map(dual_in, map(self.type_of, given)) if t]
                    result |= {v.name: duals[0] for v in given if duals and is_plain_array(self.type_of(v))}
        return result

    # -- where arrays are made -----------------------------------------------------------------------------------------

    def _origins(self, name: str, seen: set[str]) -> Iterator[tuple[Any, Any]]:
        """The assignments of the new arrays that a variable is, or is a view of."""
        if name in seen:
            return
        seen.add(name)
        for block, statement in self.places.get(name, ()):
            value = statement.value
            if isinstance(value, ir.Var):
                yield from self._origins(value.name, seen)
            elif not isinstance(value, ir.Expr):
                # A read-only copy can stand for a read-only array.
                if not getattr(self.type_of(statement.target), "mutable", True):
                    yield block, statement
            elif value.op == "phi":
                for source in value.incoming_values:
                    if isinstance(source, ir.Var) and is_plain_array(self.type_of(source)):
                        yield from self._origins(source.name, seen)
            elif value.op in ("cast", "getitem", "static_getitem", "getattr", "inplace_binop"):
                yield from self._origins((value.lhs if value.op == "inplace_binop" else value.value).name, seen)
            elif value.op in ("binop", "unary", "build_list"):
                yield block, statement
            elif value.op == "call":
                yield from self._of_call(block, statement, seen)

    def _of_call(self, block: Any, statement: Any, seen: set[str]) -> Iterator[tuple[Any, Any]]:
        function = statement.value.func
        kind = self.type_of(function)
        if isinstance(kind, types.BoundFunction):
            ((_, bound),) = self.places[function.name]
            if bound.value.attr == "copy":
                yield block, statement
            elif bound.value.attr in VIEWS:
                yield from self._origins(bound.value.value.name, seen)
        elif isinstance(kind, types.Function):
            made = kind.typing_key
            if getattr(made, "__module__", "") == "numpy" and getattr(made, "__name__", "") in NEW:
                yield block, statement

    def _convert(self, block: Any, statement: Any, dual: Any) -> None:
        """Let a variable be an array of duals with the values of the array that it is assigned."""
        target, loc = statement.target, statement.loc
        # What was not made here must stay as it is, and so must its copy.
        made = as_duals if isinstance(statement.value, ir.Expr) else as_constant_duals
        scope = target.scope
        names = (f"${part}_{target.name}" for part in ("plain", "kind", "as_duals"))
        plain, kind, function = (scope.redefine(name, loc, rename=True) for name in names)
        call = ir.Expr.call(function, [plain, kind], (), loc)
        added = [
            ir.Assign(statement.value, plain, loc),
            ir.Assign(ir.Global("kind", dual, loc), kind, loc),
            ir.Assign(ir.Global("as_duals", made, loc), function, loc),
            ir.Assign(call, target, loc),
        ]
        place = block.body.index(statement)
        block.body[place : place + 1] = added
        definitions = definitions_of(self.code)
        definitions[target.name] = [call if d is statement.value else d for d in definitions[target.name]]
        for new in added[:3]:
            definitions[new.target.name] = [new.value]


@only_compiled
def as_duals(a: Any, kind: Any) -> Any:
    """The array or list of duals with the values of one of plain scalars."""


@overload(as_duals, strict=False)
def _as_duals(a: Any, kind: Any) -> Any:
    if not is_plain_array(a):
        # Since it was found to be plain, what it is made like has turned out to be dual.
        return lambda a, kind: a
    t = with_base(kind.instance_type, a.dtype)
    if isinstance(a, types.List):
        return lambda a, kind: [constant(entry, t) for entry in a]

    def of_array(a: Any, kind: Any) -> Any:
        duals = np.empty(a.shape, t)
        flat = duals.ravel()
        for i, entry in enumerate(a.flat):
            flat[i] = constant(entry, t)
        return laid_out(duals, a)

    return of_array


@only_compiled
def as_constant_duals(a: Any, kind: Any) -> Any:
    """The same, read-only."""


@overload(as_constant_duals, strict=False)
def _as_constant_duals(a: Any, kind: Any) -> Any:
    return lambda a, kind: read_only(as_duals(a, kind))


def with_base(t: DualType, base: Any) -> DualType:
    """The dual type of the same differentiations for another scalar type."""
    return t.of(with_base(t.element, base) if isinstance(t.element, DualType) else base)


patches.repeat_inference(infer)
