"""The operators for functions compiled by Numba: called from Python, run by compiled drivers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from dualdiff import compiled
from dualdiff.base.errors import NoRuleError
from dualdiff.compiled.operators import joined_arguments as joined_arguments
from dualdiff.compiled.operators.call import Call
from dualdiff.compiled.operators.drivers import (
    derivative_as_function,
    slope_of,
)
from dualdiff.compiled.operators.sparse.sparse_jacobians import pattern_of_call, sparsely
from dualdiff.compiled.operators.taped import Tape
from dualdiff.compiled.operators.widths import kind_of_pass
from dualdiff.compiled.patches import Dispatcher, is_of_compiler
from dualdiff.compiled.refusals import FORWARD, REMEDY, explained
from dualdiff.core.containers import flatten
from dualdiff.drivers.linearize import Linear, Signature
from dualdiff.drivers.run.directions import fitted
from dualdiff.drivers.run.engines import LeftToNumPy
from dualdiff.drivers.run.inputs import ALONG, Inputs, input_leaves
from dualdiff.drivers.sparse.compression import column_blocks
from dualdiff.rules.writing.array_rules import duals_in
from dualdiff.tangents.spaces.sparse import Rows

compiled.init()

FLOAT64 = np.dtype(np.float64)


def takes(kind: type) -> bool:
    """Whether this engine differentiates functions of this class."""
    return issubclass(kind, Dispatcher)


def uncompiled(f: Any) -> Any:
    """The function as it was written, for NumPy's engine."""
    return f.py_func


def by_place(operator: str, f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of f with keyword arguments made positional; a direction stays after x."""
    direction = args[1:2] if operator in ALONG else ()
    bound = inspect.signature(f.py_func).bind(*args[:1], *args[1 + len(direction) :], **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise NoRuleError(f"{operator}: compiled functions with **keywords are not differentiated; {REMEDY}")
    return (*bound.args[:1], *direction, *bound.args[1:])


def plainly(name: str, mode: str, f: Any, args: tuple[Any, ...]) -> Any:
    """The results of a driver at an ordinary array, by the fast path; None where `run` is needed."""
    x = args[0]
    if type(x) is not np.ndarray or x.dtype is not FLOAT64 or not x.flags.c_contiguous:
        return None
    try:
        result, has_nan = f._dualdiff[name, mode, kind_of_pass(x.size)](*args)
    except Exception as error:
        if isinstance(error, (AttributeError, KeyError)) or is_of_compiler(error):
            return None
        raise
    return None if has_nan or type(result[0]) is tuple else result


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
    mode: str = "auto",
) -> tuple[Any, Any]:
    """The results of the driver of an operator, the derivative last, and aux."""
    if mode == "reverse" and (batch_dims or sparse is not False or check):
        option = "batch_dims" if batch_dims else "a sparse Jacobian"
        raise NoRuleError(f"{operator}: mode='reverse' with {option} is not supported for compiled functions; {REMEDY}")
    call = Call(operator, f, args, argnum, name in ALONG)
    try:
        aux = call.take_aux() if has_aux else None
        if sparse is not False or check:
            return sparsely(call, sparse, check, chunk_size), aux
        if batch_dims:
            return call.in_batch(name, batch_dims, chunk_size), aux
        result = call.run(name, chunk_size, parallel, mode)
        if name != "slopes" and call.calls_f(name):
            result = call.with_value_of_f(name, result)
        return result, aux
    except Exception as error:
        if not is_of_compiler(error):
            raise
        remedy = FORWARD if mode == "reverse" else REMEDY
        reason = explained(operator, f, call.types(name), error, remedy)
    raise reason


def _refuse_unsupported(operator: str, **options: Any) -> None:
    """Refuse options that compiled drivers do not support."""
    for name, given in options.items():
        if given:
            raise NoRuleError(f"{operator}: {name}={given!r} is not supported for compiled functions; {REMEDY}")


# -- the operators -----------------------------------------------------------------------------------------------------
# Each returns (value, derivative, aux), as `evaluate` of NumPy's engine does.
def derivative_at_float(f: Any, args: tuple[Any, ...]) -> Any:
    """The derivative at a float, by the fast path; None where the general one is needed."""
    try:
        at_float = f._dualdiff_at_float
    except AttributeError:
        return _first_derivative(f, args)
    try:
        result = at_float(*args)
    except Exception as error:
        if not is_of_compiler(error):
            raise
        # The general path raises the error that explains it.
        return None
    return result if result == result else None


def _first_derivative(f: Any, args: tuple[Any, ...]) -> Any:
    """The derivative at a float the first time; if it is a float, too, build a driver that returns only that."""
    if duals_in(args):
        return None
    result = run("derivative", "derivative", f, args, 0)[0][1]
    if type(result) is float and not Call("derivative", f, args).calls_f("derivative"):
        f._dualdiff_at_float = slope_of(f)
    return result


def derivative(
    operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False, parallel: bool = False
) -> Any:
    """Value (None if not needed), derivative and aux."""
    name = "slopes" if operator == "derivative" else "derivative"
    result, aux = run(operator, name, f, args, argnum, None, parallel, has_aux)
    return *result, aux


def nth_derivative(operator: str, f: Any, args: tuple[Any, ...], *, argnum: int, n: int) -> Any:
    """The n-th derivative, by compiled functions nested n deep."""
    call = Call(operator, f, args, argnum)
    if n == 0:
        return f(*call.arguments)
    g = f
    for order in range(n - 1):
        g = derivative_as_function(g, 0 if order else call.argnum)
    result, _ = run("derivative", "slopes", g, call.args if n > 1 else args, 0 if n > 1 else argnum)
    return result[1]


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
    if argnum == 0 and chunk_size is None and not (has_aux or batch_dims or parallel):
        result = plainly("gradient", mode, f, args)
        if result is not None:
            return *result, None
    result, aux = run(operator, "gradient", f, args, argnum, chunk_size, parallel, has_aux, batch_dims, mode=mode)
    return *result, aux


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
    is_plain = argnum == 0 and sparse is False and chunk_size is None
    if is_plain and not (check or has_aux or batch_dims or parallel):
        result = plainly("jacobian", mode, f, args)
        if result is not None:
            return *result, None
    result, aux = run(
        operator, "jacobian", f, args, argnum, chunk_size, parallel, has_aux, batch_dims, sparse, check, mode
    )
    return *result, aux


def jacobian_sparsity(
    operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, everywhere: bool = False
) -> Any:
    """The pattern of the Jacobian, without value and aux."""
    if everywhere:
        # Compiled code takes one branch.
        raise LeftToNumPy
    try:
        call = Call(operator, f, args, argnum)
    except NoRuleError:
        # NumPy's engine takes other containers, too.
        raise LeftToNumPy from None
    inputs = Inputs(operator, f, tuple(call.arguments), call.place)
    return None, column_blocks(inputs, Rows(pattern_of_call(call), None).as_array()), None


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
    is_plain = argnum == 0 and sparse is False and chunk_size is None
    if is_plain and not (check or has_aux or batch_dims or parallel):
        result = plainly("hessian", mode, f, args)
        if result is not None:
            return *result, None
    _refuse_unsupported(operator, sparse=sparse is not False and "...", check=check, batch_dims=batch_dims)
    result, aux = run(operator, "hessian", f, args, argnum, None, parallel, has_aux, mode=mode)
    return *result, aux


def jvp(operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False) -> Any:
    """Value, directional derivative, and aux."""
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
    """Gradient, Hessian-vector product, and aux."""
    if argnum == 0 and chunk_size is None and not has_aux and len(args) > 1:
        x, v = args[:2]
        if type(v) is np.ndarray and v.dtype is FLOAT64 and v.flags.c_contiguous and np.shape(x) == v.shape:
            result = plainly("hvp", mode, f, args)
            if result is not None:
                return *result, None

    def evaluated(args: tuple[Any, ...]) -> tuple[Any, Any]:
        return run(operator, "hvp", f, args, argnum, chunk_size, False, has_aux, mode=mode)

    return _along(args, argnum, evaluated, operator)


def linearize(operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False) -> Any:
    """Value, derivative as a linear map, and aux."""
    call = Call(operator, f, args, argnum)
    try:
        aux = call.take_aux() if has_aux else None
        tape = Tape(call)
        (value,) = call.with_value_of_f("linearize", (tape.value,)) if call.calls_f("linearize") else (tape.value,)
        return value, Linear(tape, Signature(call.leaves, call.rebuild), Signature(tape.results, tape.rebuild)), aux
    except Exception as error:
        if not is_of_compiler(error):
            raise
        reason = explained(operator, f, call.types("linearize"), error)
    raise reason


def vjp(operator: str, f: Any, args: tuple[Any, ...], *, argnum: Any = 0, has_aux: bool = False) -> Any:
    """Value, pullback as a linear map, and aux."""
    value, linear, aux = linearize(operator, f, args, argnum=argnum, has_aux=has_aux)
    return value, linear.T, aux


def _along(args: tuple[Any, ...], argnum: Any, run: Any, operator: str) -> Any:
    """The results of the driver along a direction, or along each of several, stacked."""
    x, v = args[:2] if len(args) > 1 else (None, None)
    if v is None or (issubclass(type(x), (np.ndarray, float)) and np.shape(x) == np.shape(v)):
        result, aux = run(args)
        return *result, aux
    name = f"{operator}: the direction v"
    leaves, nesting = input_leaves(operator, x, isinstance(argnum, tuple))
    dtypes = list(map(np.result_type, leaves))
    directions, count = fitted(nesting.taken(v, name), list(map(np.shape, leaves)), dtypes, name)
    if count is None:
        result, aux = run(args)
        return *result, aux
    each = [run((x, nesting(_at(t, i, count) for t in directions), *args[2:])) for i in range(max(count, 1))]
    (value, first), aux = each[0]
    rows = zip(*(flatten(derivative)[0] for (_, derivative), _ in each), strict=True)
    return value, flatten(first)[1](np.stack(t)[:count] for t in rows), aux


def _at(t: Any, i: int, count: int) -> Any:
    """One of several directions; zero if there is none."""
    return t[i] if count else np.zeros(t.shape[1:], t.dtype)[()]
