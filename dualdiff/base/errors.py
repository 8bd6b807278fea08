"""The exceptions and warnings of dualdiff, and the messages that several modules share."""

from __future__ import annotations

from typing import Any


class LostDerivativeError(TypeError):
    """A dual number was converted to a plain value, which would drop its tangent."""


class NoRuleError(TypeError):
    """A function was called with duals and has no derivative rule for them."""


class ExpiredDualError(RuntimeError):
    """A dual outlived the differentiation that created it and was used in another one."""


class MixedPointsError(ValueError):
    """A function that is differentiated at independent points combines several of them."""


class IncompletePatternError(ValueError):
    """A sparsity pattern given as ``sparse=`` lacks nonzero entries of the derivative."""


class NotHolomorphicError(TypeError):
    """A complex derivative was requested of a function that is not holomorphic (it uses conj, abs, real, ...)."""


class ObjectArrayWarning(UserWarning):
    """An array of duals was converted to an object array: results are correct, but computed slowly, by element."""


class SingularPointWarning(UserWarning):
    """A NaN computed from x was replaced by a constant, so the derivative there is that of the constant: zero.

    Also: f was called once more at a singular point, and was no longer the same function; the derivative is NaN.
    """


class ConstantResultWarning(UserWarning):
    """The result of a differentiated function was not computed from its argument: the derivative is zero, or lost.

    It is lost if the result depends on the argument through comparisons only (bisection), through a stored value, or
    at other points only.  If zero is correct, filter the warning with ``warnings.filterwarnings("ignore",
    category=...)`` or return ``3.0 + 0 * x``.  Not emitted inside another differentiation, for derivatives of linear
    functions, for rounded, counted or compared values, or for functions compiled by Numba.
    """


class UndefinedDerivativeWarning(UserWarning):
    """A derivative is NaN because a solver did not converge, or its solution is not a regular point."""


#: What to write instead of storing duals in an array of plain floats.
COLLECT = (
    "collect the elements in a list and np.stack it, or make the buffer with dualdiff.zeros(shape, like=x), or "
    "differentiate adapt(f) if f cannot be edited"
)

UNHASHABLE = (
    "dual numbers are unhashable: a set, dict or cache would return stale derivatives; use dualdiff.value(x) as the key"
)


def lost(what: str, instead: str) -> LostDerivativeError:
    """The error for a conversion that would drop a tangent."""
    return LostDerivativeError(
        f"{what} would lose the derivative of a dual number: use {instead}, or dualdiff.value(x) if the plain value "
        "is meant"
    )


def lost_number(conversion: str, instead: str) -> LostDerivativeError:
    """The error for converting a dual to a plain Python scalar, explicitly or by storing it in a buffer."""
    return lost(
        f"{conversion} (a function of the math module, or writing into an array of plain floats)",
        f"{instead}; {COLLECT}",
    )


def plain_target(what: str) -> LostDerivativeError:
    """The error for writing duals into an array of plain values."""
    return LostDerivativeError(f"{what} holds plain values and cannot store the derivative of a dual: {COLLECT}")


class OwnArithmeticError(TypeError):
    """A dual number met an array whose class has arithmetic of its own."""


#: What to do with an array of dask in f.
LAZY = (
    "compute it before (c = c.compute()), or differentiate its blocks as independent points: gradient(f, x, "
    "batch_dims=1) of a dask array x stays lazy, and gives f the blocks as NumPy arrays"
)


def is_computed_later(kind: type) -> bool:
    """Whether a class is one of dask's; pint and xarray have its protocol too, whatever they hold."""
    return kind.__module__.partition(".")[0] == "dask" and hasattr(kind, "__dask_graph__")


def own_arithmetic(kind: type) -> OwnArithmeticError:
    """The error for an instance of an array class that redefines the operators."""
    if is_computed_later(kind):
        return OwnArithmeticError(f"a dask {kind.__name__} was combined with dual numbers: {LAZY}")
    return OwnArithmeticError(
        f"a {kind.__name__} was combined with dual numbers, which do not implement its arithmetic; pass a plain "
        "array, such as np.asarray(x) if that arithmetic does not matter"
    )


def foreign_number(x: Any, to: str) -> TypeError:
    """The error for a number that is not a float beside floats."""
    kind = type(x)
    return TypeError(
        f"{x!r} of type {kind.__module__.partition('.')[0]}.{kind.__name__} was combined with dual numbers, which "
        f"compute with floats: write {to}(c) for this number c"
    )


def not_symbolic() -> TypeError:
    """The error for a dual number in the place of a SymPy expression."""
    from sympy import SympifyError  # type: ignore[import-untyped]

    class NotSymbolicError(LostDerivativeError, SympifyError):  # type: ignore[misc]
        def __str__(self) -> str:
            return str(self.args[0])

    return NotSymbolicError(
        "a SymPy expression would lose the derivative of a dual number; make a function of the expression with "
        "sympy.lambdify, and call that"
    )


def public_name(name: str) -> str:
    """The public name of a ufunc, which may be the private implementation of a SciPy function."""
    return {"_riemann_zeta": "zeta"}.get(name, name.removeprefix("_"))


def no_rule(name: str, detail: str = "") -> NoRuleError:
    """The error for a function without a derivative rule."""
    return NoRuleError(
        f"{name} has no derivative rule{detail}: write it with functions that have one, define one with "
        "dualdiff.custom_derivative, or pass dualdiff.value(x) if its result counts as constant"
    )


def expired() -> ExpiredDualError:
    """The error for a dual that is used after its call has ended."""
    return ExpiredDualError(
        "a dual number was used after the differentiation that created it had ended, together with duals of another "
        "one: do not store duals outside the differentiated function; store dualdiff.value(x), or return "
        "the quantity with has_aux=True"
    )
