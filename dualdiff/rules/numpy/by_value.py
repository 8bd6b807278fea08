"""NumPy functions that use only the values of duals, and functions whose derivative is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.core.registry import REFUSED, UFUNCS
from dualdiff.rules.writing.array_rules import Application, by_value, implements, into, plain_values

by_value(
    np.all,
    np.allclose,
    np.any,
    np.argmax,
    np.argmin,
    np.argpartition,
    np.argsort,
    np.argwhere,
    np.array2string,
    np.array_equal,
    np.array_equiv,
    np.array_repr,
    np.array_str,
    np.can_cast,
    np.common_type,
    np.count_nonzero,
    np.diag_indices_from,
    np.digitize,
    np.einsum_path,
    np.flatnonzero,
    np.isclose,
    np.iscomplex,
    np.iscomplexobj,
    np.isin,
    np.isneginf,
    np.isposinf,
    np.isreal,
    np.isrealobj,
    np.lexsort,
    np.may_share_memory,
    np.min_scalar_type,
    np.nanargmax,
    np.nanargmin,
    np.ndim,
    np.nonzero,
    np.result_type,
    np.searchsorted,
    np.shape,
    np.shares_memory,
    np.size,
    np.tril_indices_from,
    np.triu_indices_from,
)
if hasattr(np, "in1d"):
    by_value(np.in1d)  # noqa: NPY201 (NumPy 2.0 has it still)


@implements(np.round, np.around)
def round_(a: Any, decimals: Any = 0, out: Any = None) -> Any:
    operands = Application(a, linear=True)
    return into(out, operands.result(np.round(operands.values[0], decimals), []))


def fix(x: Any, out: Any = None) -> Any:
    operands = Application(x, linear=True)
    return into(out, operands.result(np.fix(operands.values[0]), []))


if not isinstance(np.fix, np.ufunc):
    implements(np.fix)(fix)


def _ufunc_by_value(ufunc: np.ufunc, method: str) -> Any:
    call = ufunc if method == "__call__" else getattr(ufunc, method)

    def implementation(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        if any(isinstance(o, AnyDual) for o in (out if isinstance(out, tuple) else (out,))):
            raise TypeError(f"numpy.{ufunc.__name__} returns booleans, which out, an array of duals, cannot hold")
        return call(*map(plain_values, args), **{k: plain_values(v) for k, v in kwargs.items()})

    return implementation


#: Ufuncs that use only values: comparisons, predicates, logic.
PLAIN = (
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.isfinite,
    np.isinf,
    np.isnan,
    np.signbit,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.logical_not,
)
for ufunc in PLAIN:
    for method in ("__call__", *(("reduce", "accumulate", "outer", "reduceat") if ufunc.nin == 2 else ())):
        UFUNCS[ufunc, method] = _ufunc_by_value(ufunc, method)

_INTEGERS = "it works on integers, booleans or dates, which carry no derivative"
for name in (
    *("bitwise_and", "bitwise_count", "bitwise_not", "bitwise_or", "bitwise_xor"),
    *("gcd", "invert", "isnat", "lcm", "left_shift", "right_shift"),
):
    if hasattr(np, name):
        REFUSED[getattr(np, name)] = _INTEGERS


by_value(np.linalg.matrix_rank)
