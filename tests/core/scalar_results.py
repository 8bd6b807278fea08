"""Prints what the operators and functions of duals of floats give, for comparison between forms of the scalar core.

``python -m tests.core.scalar_results none`` hides the compiled core; ``compiled`` needs it; a path names the source
of a core to be interpreted.  Every line is a case: the result to the last bit, its class, its warnings, or the error.
"""

from __future__ import annotations

import importlib.util
import math
import operator
import sys
import warnings
from fractions import Fraction
from types import FunctionType

import numpy as np

NAME = "dualdiff.base.scalars"
VALUES = [0.0, -0.0, 0.5, 1.5, -2.0, 3.0, 1e200, -1e-200, 1e-310, 710.0, math.inf, -math.inf, math.nan]
TANGENTS = [1.0, math.inf, 0.0, -0.5]
PLAIN = [0.0, 2.0, -1.5, 1e308, math.inf, math.nan, 0, 2, -3, 2**60 + 1, 10**400, True, Fraction(1, 3), 1j, None, "a"]


def load(form):
    """Import dualdiff with one form of the scalar core."""
    if form == "none":
        sys.modules[NAME] = None
    elif form != "compiled":
        spec = importlib.util.spec_from_file_location(NAME, form)
        sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
        # mypyc evaluates this decorator, and leaves nothing of it to the module.
        module.mypyc_attr = lambda **options: lambda cls: cls
        spec.loader.exec_module(module)
    from dualdiff.base import native

    assert (native.SCALARS is None) == (form == "none")
    if form not in ("none", "compiled"):
        # An interpreted property has a frame between the function that it calls and the code that asks.
        core, shifted = native.SCALARS.core, {"frame": lambda depth: sys._getframe(depth + 2)}
        core.class_of = FunctionType(core.class_of.__code__, core.class_of.__globals__ | shifted)


def shown(x):
    """A result in full."""
    from dualdiff.core.dual import AnyDual

    if issubclass(type(x), AnyDual):
        return f"{type(x).__module__}.{type(x).__qualname__}({shown(x.value)}, {shown(x.raw)})"
    if issubclass(type(x), tuple):
        return "(" + ", ".join(map(shown, x)) + ")"
    return f"{type(x).__name__} {x.hex() if issubclass(type(x), float) else x!r}"


def outcome(function, *args):
    """What a call gives: the result, or the error, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = shown(function(*args))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
    return " ".join([result, *(f"[{w.category.__name__}: {w.message}]" for w in caught)])


def cases(space, tangents, values=VALUES):
    """The lines of one space."""
    import dualdiff
    from dualdiff.core.dual import make
    from dualdiff.rules import ROWS
    from dualdiff.rules.python.operators import BINARY, COMPARISONS, UNARY, UNARY_UFUNCS

    binary = {name: op for name, (_, op) in BINARY.items()} | {"divmod": divmod, "matmul": operator.matmul}
    binary |= {name: getattr(operator, name) for name in COMPARISONS}
    duals = [make(kind(v), t, space) for kind in (float, np.float64) for v in values for t in set(tangents)]
    partners = [make(kind(v), tangents[1], space) for kind in (float, np.float64) for v in (0.0, 1.5, -3.0, 1e200)]
    public = [name for name, row in ROWS.items() if row.arity == 1 and row.partials[0] is not None]
    for x in duals:
        for y in (*partners, x, *PLAIN, np.float64(-0.5), np.float64(1e308), np.float32(0.5)):
            for name, op in binary.items():
                yield f"{shown(x)} {name} {shown(y)}", outcome(op, x, y)
                yield f"{shown(y)} {name} {shown(x)}", outcome(op, y, x)
        for name, (_, op) in UNARY.items():
            yield f"{name} {shown(x)}", outcome(op, x)
        for row in UNARY_UFUNCS:
            yield f"np.{row.name} {shown(x)}", outcome(row.ufunc, x)
        for name in public:
            yield f"{name} {shown(x)}", outcome(getattr(dualdiff, name, ROWS[name].ufunc), x)


def main(form):
    """Print all lines."""
    load(form)
    from dualdiff.base import tags
    from dualdiff.tangents.spaces.dense import Dense
    from dualdiff.tangents.spaces.single import Single

    tag = next(tags.fresh)
    single = Single(tag)
    tags.live[tag] = single
    for line in cases(single, TANGENTS[:2]):
        print(*line, sep=" -> ")
    for directions in 1, 3, 9:
        tag = next(tags.fresh)
        tags.live[tag] = dense = Dense(tag, directions)
        for line in cases(dense, [tuple(TANGENTS[i % 4] for i in range(directions))] * 2, VALUES[::4]):
            print(directions, *line, sep=" -> ")


if __name__ == "__main__":
    main(sys.argv[1])
