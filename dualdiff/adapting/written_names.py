"""Which names hold the arrays that code writes into, read off its source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import cache

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Methods of arrays that write into them.
_WRITING = frozenset({"fill", "put", "sort", "partition", "itemset", "setfield"})
#: Functions of NumPy that write into their first argument.
_INTO_FIRST = frozenset({"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis", "at"})
#: Methods whose result is written into in the array's stead, or is a view of it.
_HANDED_ON = frozenset({"copy", "astype", "reshape", "ravel", "flatten", "transpose", "view", "squeeze", "swapaxes"})


def written_names(filename: str) -> frozenset[str]:
    """The names into which the code of a file writes elements, or adds in place.

    Of an attribute ".name", of a variable "name", and "::name" of one that is global where it is written; nothing where
    there is no source.
    """
    try:
        linecache.checkcache(filename)
        text = "".join(linecache.getlines(filename))
    except Exception:
        # Whoever keeps the source, such as a loader of modules or doctest, may raise anything.
        return frozenset()
    return _names_written_in(text)


@cache
def _names_written_in(text: str) -> frozenset[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    parts = list(_parts(tree.body))
    #: For each function, by name, the parameters that it writes into.
    parameters: dict[str, dict[int | str, None]] = {}
    while True:
        count = sum(map(len, parameters.values()))
        result = [_written(part, parameters) for part in parts]
        for part, names in zip(parts, result, strict=True):
            for node in ast.walk(part):
                if isinstance(node, _DEFINITIONS):
                    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                    shift = int(arguments[:1] in (["self"], ["cls"]))
                    keys = {key: None for i, name in enumerate(arguments) if name in names for key in (i - shift, name)}
                    parameters.setdefault(node.name, {}).update(keys)
        if sum(map(len, parameters.values())) == count:
            break
    global_names = [f"::{name}" for part, names in zip(parts, result, strict=True) for name in names - _bound(part)]
    return frozenset[str](global_names).union(*result)


def _bound(part: ast.stmt) -> set[str]:
    """The variables of a function that are its own, or those of a function inside it."""
    if not isinstance(part, _DEFINITIONS):
        return set()
    bound, declared = set(), set()
    for node in ast.walk(part):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.Global):
            declared.update(node.names)
    return bound - declared


def _parts(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The functions, each with those inside it, and the other statements."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _parts(statement.body)
        else:
            yield statement


def _written(part: ast.AST, parameters: dict[str, dict[int | str, None]]) -> set[str]:
    """The names written into in one function, with those whose array another name stands for."""
    names: set[str] = set()
    stands_for: dict[str, set[str]] = {}
    for node in ast.walk(part):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            names |= _chain(node.value)
        elif isinstance(node, ast.AugAssign):
            names |= _chain(node.target)
        elif isinstance(node, ast.Call):
            names |= _written_by_call(node, parameters)
        elif isinstance(node, (ast.Assign, ast.NamedExpr, ast.For, ast.comprehension)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.iter if isinstance(node, (ast.For, ast.comprehension)) else node.value
            for target in targets:
                for name, source in _pairs(target, value):
                    stands_for.setdefault(name, set()).update(_chain(source))
    reached: set[str] = set()
    while names > reached:
        new = names - reached
        reached |= new
        names = names.union(*(stands_for.get(name, ()) for name in new))
    return names


def _written_by_call(node: ast.Call, parameters: dict[str, dict[int | str, None]]) -> set[str]:
    function = node.func
    name = str(getattr(function, "attr", getattr(function, "id", "")))
    own = parameters.get(name, {})
    written = [k.value for k in node.keywords if k.arg == "out" or k.arg in own]
    written += [x for i, x in enumerate(node.args) if i in own or (i == 0 and name in _INTO_FIRST)]
    if isinstance(function, ast.Attribute) and name in _WRITING:
        written.append(function.value)
    return set[str]().union(*map(_chain, written))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The variables that an assignment gives values to, each with its own where both sides are written out."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, (ast.Tuple, ast.List)):
        is_paired = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
        for i, element in enumerate(target.elts):
            yield from _pairs(element, value.elts[i] if is_paired else value)  # type: ignore[attr-defined]


def _chain(x: ast.expr) -> set[str]:
    """The names in an expression that may be the array itself, a view of it, a list that holds it, or a copy."""
    if isinstance(x, ast.Name):
        return {x.id}
    if isinstance(x, ast.Attribute):
        return {f".{x.attr}"} | _chain(x.value)
    if isinstance(x, (ast.Subscript, ast.Starred)):
        return _chain(x.value)
    if isinstance(x, ast.IfExp):
        return _chain(x.body) | _chain(x.orelse)
    if isinstance(x, (ast.Tuple, ast.List)):
        return set[str]().union(*map(_chain, x.elts))
    if isinstance(x, ast.Call):
        if isinstance(x.func, ast.Attribute) and x.func.attr in _HANDED_ON:
            return _chain(x.func.value)
        if isinstance(x.func, ast.Name) and x.func.id in {"zip", "enumerate", "reversed"}:
            return set[str]().union(*map(_chain, x.args))
    return set()
