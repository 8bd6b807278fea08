"""Array functions that Numba implements only for its own scalar types, implemented for duals.

The implementations here provide the tangents.  The values come from Numba's own function and agree to the last bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from dualdiff.compiled.functions.table_rows import top
from dualdiff.compiled.intrinsics import also, constant, lanes_of, value_in, with_value
from dualdiff.compiled.patches import declaration, overload_of, wrap_overloads
from dualdiff.compiled.stubs import only_compiled
from dualdiff.compiled.types import DualType, level_of
from dualdiff.core.reading import value


def of_duals(a: Any) -> bool:
    """Whether a type is that of arrays of duals."""
    return isinstance(a, types.Array) and isinstance(a.dtype, DualType)


def scalar_type(t: Any) -> Any:
    """The type of the elements of an array, or of a scalar."""
    return getattr(t, "dtype", t)


@only_compiled
def values_of(a: Any, kind: Any) -> Any:
    """The values of an array or a scalar in the differentiation with this dual type."""


@overload(values_of, strict=False)
def _values_of(a: Any, kind: Any) -> Any:
    if level_of(scalar_type(a)) < kind.instance_type.level:
        return lambda a, kind: a
    if not of_duals(a):
        return lambda a, kind: value_in(a, kind)
    if a.layout == "F":
        return lambda a, kind: lanes_of(a.T)[..., 0].copy().T
    return lambda a, kind: lanes_of(a)[..., 0].copy()


@only_compiled
def with_values(y: Any, values: Any) -> Any:
    """A result with its values replaced by those of Numba's own function."""


@overload(with_values, strict=False)
def _with_values(y: Any, values: Any) -> Any:
    if not of_duals(y):
        return lambda y, values: with_value(y, values)

    # Assigning a slice would compile the formatting of its error, too.
    def of_array(y: Any, values: Any) -> Any:
        for i, v in np.ndenumerate(values):
            y[i] = with_value(y[i], v)
        return y

    return of_array


def hide_from_duals(function: Any) -> None:
    """Make Numba's own overloads of a function decline duals, for which many of them crash."""
    wrap_overloads(function, _hidden)


def _hidden(own: Any) -> Any:
    if hasattr(own, "hidden"):
        return own

    def either(*args: Any) -> Any:
        return None if any(level_of(scalar_type(a)) for a in args) else own(*args)

    names = ", ".join(inspect.signature(own).parameters)
    hidden = with_signature(own, f"either({names})", {"either": either})
    hidden.hidden = True
    return hidden


def with_signature(function: Any, text: str, names: dict[str, Any]) -> Any:
    """A function with the parameters of another, of which Numba reads the names and defaults."""
    parameters = [p for name, p in inspect.signature(function).parameters.items() if name != "kind"]
    defaults = {f"default_of_{p.name}": p.default for p in parameters if p.default is not p.empty}
    texts = [
        f"{'*' * (p.kind is p.VAR_POSITIONAL)}{p.name}" + f"=default_of_{p.name}" * (f"default_of_{p.name}" in defaults)
        for p in parameters
    ]
    return eval(f"lambda {', '.join(texts)}: {text}", names | defaults)


def written(*functions: Any, method: str | None = None, values: bool = True) -> Callable[[Any], Any]:
    """Register an implementation for duals.

    Pass ``values=False`` if it computes the values in the same order as Numba.  If its last parameter is named
    ``kind``, it is passed the dual type.
    """

    def register(implementation: Any) -> Any:
        signature = inspect.signature(implementation)
        names = [name for name in signature.parameters if name != "kind"]
        told = "kind=t" if "kind" in signature.parameters else ""
        compiled = register_jitable(implementation)

        def choice(function: Any) -> Any:
            def choose(*kinds: Any) -> Any:
                t = top(tuple(n for n in map(scalar_type, kinds) if isinstance(n, (types.Number, DualType))))
                if t is None:
                    return None

                given = [
                    f"values_of({n}, t)" if level_of(scalar_type(k)) else n for n, k in zip(names, kinds, strict=True)
                ]
                text = f"implementation({', '.join(names)}, {told})"
                if values:
                    text = f"with_values({text}, function({', '.join(given)}))"
                scope = {"implementation": compiled, "function": function, "t": t, "values_of": values_of}
                return with_signature(implementation, text, scope | {"with_values": with_values})

            return with_signature(implementation, f"choose({', '.join(names)})", {"choose": choose})

        targets = [*functions]
        if method:
            # Numba implements a method of arrays as an overload of the function that declares it.
            targets.append(declaration(method))
        for function in targets:
            hide_from_duals(function)
            overload(function, strict=False)(choice(functions[0]))
        return compiled

    return register


# -- reductions, in Numba's order --------------------------------------------------------------------------------------
@written(np.mean, method="mean", values=False)
def mean(a):  # type: ignore[no-untyped-def]
    c = constant(0.0, a.dtype)
    for v in np.nditer(a):
        c += v.item()
    return c / a.size


@written(np.prod, method="prod", values=False)
def prod(a):  # type: ignore[no-untyped-def]
    c = constant(1.0, a.dtype)
    for v in np.nditer(a):
        c *= v.item()
    return c


@written(np.cumprod, method="cumprod", values=False)
def cumprod(a):  # type: ignore[no-untyped-def]
    out = np.empty(a.size, a.dtype)
    c = constant(1.0, a.dtype)
    for i, v in enumerate(a.flat):
        c *= v
        out[i] = c
    return out


@register_jitable  # type: ignore[untyped-decorator]
def without_nan(a):  # type: ignore[no-untyped-def]
    """The elements that are not NaN, as a vector."""
    flat = a.ravel()
    return flat[~np.isnan(flat)]


@register_jitable  # type: ignore[untyped-decorator]
def replace_nan(a, replacement):  # type: ignore[no-untyped-def]
    """A copy with NaN replaced."""
    out = a.copy()
    flat = out.ravel()
    for i in range(flat.size):
        if np.isnan(flat[i]):
            flat[i] = replacement
    return out


@written(np.nansum)
def nansum(a):  # type: ignore[no-untyped-def]
    return np.sum(replace_nan(a, 0.0))


@written(np.nanprod)
def nanprod(a):  # type: ignore[no-untyped-def]
    return np.prod(replace_nan(a, 1.0))


@written(np.nancumsum)
def nancumsum(a):  # type: ignore[no-untyped-def]
    return np.cumsum(replace_nan(a, 0.0))


@written(np.nancumprod)
def nancumprod(a):  # type: ignore[no-untyped-def]
    return np.cumprod(replace_nan(a, 1.0))


@written(np.nanmean)
def nanmean(a):  # type: ignore[no-untyped-def]
    return np.mean(without_nan(a))


@written(np.nanvar)
def nanvar(a):  # type: ignore[no-untyped-def]
    return np.var(without_nan(a))


@written(np.nanstd)
def nanstd(a):  # type: ignore[no-untyped-def]
    return np.std(without_nan(a))


@written(np.nanmax)
def nanmax(a):  # type: ignore[no-untyped-def]
    rest = without_nan(a)
    return np.max(rest) if rest.size else a.ravel()[0]


@written(np.nanmin)
def nanmin(a):  # type: ignore[no-untyped-def]
    rest = without_nan(a)
    return np.min(rest) if rest.size else a.ravel()[0]


@written(np.trace)
def trace(a, offset=0):  # type: ignore[no-untyped-def]
    return np.sum(np.diag(a, offset))


# -- sorting: elements of equal value keep their order -----------------------------------------------------------------
@register_jitable  # type: ignore[untyped-decorator]
def in_order(a):  # type: ignore[no-untyped-def]
    """A vector, sorted by value."""
    return a[np.argsort(value(a), kind="mergesort")]


@written(np.sort)
def sort(a):  # type: ignore[no-untyped-def]
    return in_order(a)


@written(np.median)
def median(a):  # type: ignore[no-untyped-def]
    y = in_order(a.ravel())
    half = y.size // 2
    return y[half] if y.size % 2 else (y[half - 1] + y[half]) / 2


@written(np.nanmedian)
def nanmedian(a):  # type: ignore[no-untyped-def]
    return np.median(without_nan(a))


@only_compiled
def at_rank(y: Any, q: Any, whole: Any) -> Any:
    """Quantiles of a sorted vector by linear interpolation, at one fraction q / whole or several."""


@overload(at_rank, strict=False)
def _at_rank(y: Any, q: Any, whole: Any) -> Any:
    if isinstance(q, (types.Number, DualType)):

        def at_scalar(y: Any, q: Any, whole: Any) -> Any:
            rank = q / whole * (y.size - 1)
            below = min(max(int(value(rank)), 0), y.size - 1)
            above = min(below + 1, y.size - 1)
            return y[below] + (rank - below) * (y[above] - y[below])

        return at_scalar

    def at_scalars(y: Any, q: Any, whole: Any) -> Any:
        out = np.empty(len(q), y.dtype)
        for i in range(len(q)):
            out[i] = at_rank(y, q[i], whole)
        return out

    return at_scalars


@written(np.quantile)
def quantile(a, q):  # type: ignore[no-untyped-def]
    return at_rank(in_order(a.ravel()), q, 1.0)


@written(np.percentile)
def percentile(a, q):  # type: ignore[no-untyped-def]
    return at_rank(in_order(a.ravel()), q, 100.0)


@written(np.nanquantile)
def nanquantile(a, q):  # type: ignore[no-untyped-def]
    return np.quantile(without_nan(a), q)


@written(np.nanpercentile)
def nanpercentile(a, q):  # type: ignore[no-untyped-def]
    return np.percentile(without_nan(a), q)


# -- linspace, interp and convolution ----------------------------------------------------------------------------------
@written(np.linspace)
def linspace(start, stop, num=50, kind=None):  # type: ignore[no-untyped-def]
    out = np.empty(num, kind)
    for i in range(num):
        out[i] = start + (stop - start) * (i / max(num - 1, 1))
    if num > 1:
        out[num - 1] = stop
    return out


@written(np.interp)
def interp(x, xp, fp, kind=None):  # type: ignore[no-untyped-def]
    return between(x, xp, fp, kind)


@only_compiled
def between(x: Any, xp: Any, fp: Any, kind: Any) -> Any:
    """Piecewise linear interpolation; at a knot the segment to its right, at the last knot that to its left."""


@overload(between, strict=False)
def _between(x: Any, xp: Any, fp: Any, kind: Any) -> Any:
    if isinstance(x, types.Array):

        def at_points(x: Any, xp: Any, fp: Any, kind: Any) -> Any:
            out = np.empty(x.shape, kind)
            flat = out.ravel()
            for i, point in enumerate(x.flat):
                flat[i] = between(point, xp, fp, kind)
            return out

        return at_points

    def at_scalar(x: Any, xp: Any, fp: Any, kind: Any) -> Any:
        last = len(xp) - 1
        if last == 0:
            return constant(fp[0], kind)
        j = min(max(np.searchsorted(xp, x, side="right") - 1, 0), last - 1)
        line = constant(fp[j] + (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]) * (x - xp[j]), kind)
        if x < xp[0]:
            return also(also(constant(fp[0], kind), line), fp[last])
        if x > xp[last]:
            return also(also(constant(fp[last], kind), line), fp[0])
        return also(also(line, fp[0]), fp[last])

    return at_scalar


@written(np.convolve)
def convolve(a, v, mode="full", kind=None):  # type: ignore[no-untyped-def]
    return sliding(a, v, mode, (min(a.size, v.size) - 1) // 2, kind)


@written(np.correlate)
def correlate(a, v, mode="valid", kind=None):  # type: ignore[no-untyped-def]
    short = min(a.size, v.size)
    return sliding(a, v[::-1], mode, (short - 1 if a.size >= v.size else short) // 2, kind)


@register_jitable  # type: ignore[untyped-decorator]
def sliding(a, v, mode, middle, kind):  # type: ignore[no-untyped-def]
    """The convolution of two vectors: full, the middle part, or only where they overlap completely."""
    n, m = a.size, v.size
    out = np.zeros(n + m - 1, kind)
    for i in range(n):
        for j in range(m):
            out[i + j] += a[i] * v[j]
    if mode == "full":
        return out
    if mode == "same":
        return out[middle : middle + max(n, m)]
    return out[min(n, m) - 1 : max(n, m)]


@written(np.cross)
def cross(a, b, kind=None):  # type: ignore[no-untyped-def]
    a2 = a[..., 2] * 1.0 if a.shape[-1] == 3 else a[..., 0] * 0.0
    b2 = b[..., 2] * 1.0 if b.shape[-1] == 3 else b[..., 0] * 0.0
    out = np.empty((*np.add(a[..., :1], b[..., :1]).shape[:-1], 3), kind)
    out[..., 0] = a[..., 1] * b2 - a2 * b[..., 1]
    out[..., 1] = a2 * b[..., 0] - a[..., 0] * b2
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out


# -- functions that depend only on values ------------------------------------------------------------------------------
def instead(function: Any, choose: Callable[..., Any]) -> None:
    """Replace Numba's own overload of a function by another one for duals."""
    own = overload_of(function)
    hide_from_duals(function)

    def chosen(*kinds: Any) -> Any:
        return choose(*kinds) if any(level_of(scalar_type(k)) for k in kinds) else None

    names = ", ".join(inspect.signature(own).parameters)
    overload(function, strict=False)(with_signature(own, f"chosen({names})", {"chosen": chosen}))


def by_value(function: Any) -> None:
    """Let a function take the values of duals."""
    own = overload_of(function)
    names = list(inspect.signature(own).parameters)

    def choose(*kinds: Any) -> Any:
        given = [f"value({n})" if level_of(scalar_type(k)) else n for n, k in zip(names, kinds, strict=True)]
        return with_signature(own, f"function({', '.join(given)})", {"function": function, "value": value})

    instead(function, choose)


for _function in (
    *(np.searchsorted, np.digitize, np.argpartition, np.allclose, np.isclose, np.round, np.around),
    *(np.isscalar, np.isreal, np.iscomplex, np.isrealobj, np.iscomplexobj, isinstance),
    np.linalg.matrix_rank,
):
    by_value(_function)
