"""The arguments of f in compiled code: duals in the memory layout of x, and protection of the other arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic, overload, register_jitable

from dualdiff.compiled.patches import compiles, impl_ret_borrowed
from dualdiff.compiled.stubs import only_compiled


# -- x -----------------------------------------------------------------------------------------------------------------
@only_compiled
def ordered(f: Any, duals: Any, x: Any, args: Any) -> Any:
    """The duals in the memory layout of x, so that f iterates in the same order and gets views where x gives views."""


@overload(ordered, strict=False)
def _ordered(f: Any, duals: Any, x: Any, args: Any) -> Any:
    if x.layout == "C" and reads(f, duals, x, args):
        return lambda f, duals, x, args: read_only(duals)
    return lambda f, duals, x, args: laid_out(duals, x)


@only_compiled
def laid_out(duals: Any, x: Any) -> Any:
    """The duals in the memory layout of x, a copy unless that is C order."""


@overload(laid_out, strict=False)
def _laid_out(duals: Any, x: Any) -> Any:
    if x.layout == "F":
        return lambda duals, x: duals.T.copy().T
    return (lambda duals, x: duals) if x.layout == "C" else (lambda duals, x: strided(duals))


def reads(f: Any, duals: Any, x: Any, args: Any) -> bool:
    """Whether a function does not write into the duals of x: then it compiles if they are read-only."""
    if not isinstance(f, types.Dispatcher):
        return False
    others = args if writes(f, x, args) else frozen(args)
    return compiles(f.dispatcher, (frozen(duals), *map(types.unliteral, others)))


@only_compiled
def is_only_read(f: Any, duals: Any, x: Any, args: Any) -> Any:
    """Whether the duals of x are the same after a call of f as before."""


@overload(is_only_read, strict=False)
def _is_only_read(f: Any, duals: Any, x: Any, args: Any) -> Any:
    # In another layout f gets a copy.
    is_same = x.layout != "C" or reads(f, duals, x, args)
    return lambda f, duals, x, args: is_same


@register_jitable  # type: ignore[untyped-decorator]
def strided(a):  # type: ignore[no-untyped-def]
    """A copy that is not contiguous, so that operations that copy x copy it, too."""
    copy = np.empty(a.shape + (2,), a.dtype)[..., 0]  # noqa: RUF005  (for Numba)
    copy[...] = a
    return copy


# -- the others --------------------------------------------------------------------------------------------------------
def frozen(t: Any) -> Any:
    """The read-only type of an argument."""
    if isinstance(t, types.BaseTuple):
        return t if isinstance(t, types.BaseNamedTuple) else types.Tuple(tuple(map(frozen, t)))
    return t.copy(readonly=True) if isinstance(t, types.Array) and t.mutable else t


def writes(f: Any, x: Any, args: Any) -> bool:
    """Whether a function writes into one of these arguments: then it does not compile for read-only ones."""
    args = tuple(args)
    read = tuple(map(frozen, args))
    if read == args and not any(map(_may_be_written, args)):
        return False
    if not isinstance(f, types.Dispatcher) or any(map(_may_be_written, read)):
        return True
    # If f does not compile for other reasons, compiling it for the arguments themselves will say what is wrong.
    return not compiles(f.dispatcher, (types.unliteral(x), *map(types.unliteral, read)))


def _may_be_written(t: Any) -> bool:
    if isinstance(t, types.BaseTuple):
        return any(map(_may_be_written, t))
    return isinstance(t, types.Array) and t.mutable


@only_compiled
def protected(f: Any, x: Any, args: Any) -> Any:
    """The arguments for one call of f: copies if it writes into them."""


@overload(protected, strict=False)
def _protected(f: Any, x: Any, args: Any) -> Any:
    if writes(f, x, args):
        return lambda f, x, args: copies(args)
    if frozen(args) == args:
        return lambda f, x, args: args
    return lambda f, x, args: read_only(args)


@intrinsic  # type: ignore[untyped-decorator]
def read_only(typingctx: Any, args: Any) -> Any:
    """The same arguments, read-only."""
    t = frozen(args)

    def codegen(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        return impl_ret_borrowed(context, builder, t, context.cast(builder, given[0], args, t))

    return t(args), codegen


@only_compiled
def copies(argument: Any) -> Any:
    """An argument with its arrays copied."""


@overload(copies, strict=False)
def _copies(argument: Any) -> Any:
    if isinstance(argument, types.BaseTuple) and any(map(_may_be_written, argument)):
        items = ", ".join(f"copies(argument[{i}])" for i in range(len(argument)))
        made = getattr(argument, "instance_class", None)
        text = f"lambda argument: {'made' if made else ''}({items},)"
        return eval(text.replace(",)", ")") if made else text, {"copies": copies, "made": made})
    if not _may_be_written(argument):
        return lambda argument: argument
    if argument.layout == "F":
        return lambda argument: argument.T.copy().T
    if argument.layout == "C":
        return lambda argument: argument.copy()

    return lambda argument: strided(argument)
