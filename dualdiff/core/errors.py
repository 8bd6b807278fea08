"""What dualdiff raises and warns, and the sentences that many places share."""

from __future__ import annotations


class LostDerivativeError(TypeError):
    """A plain number was asked for where a dual number would lose its tangent."""


class NoRuleError(TypeError):
    """A NumPy function has no derivative rule for the duals it was given."""


class ExpiredDualError(RuntimeError):
    """A dual outlived the differentiation that made it and met another one."""


class MixedPointsError(ValueError):
    """A function that was differentiated point by point combines its points."""


class NotHolomorphicError(TypeError):
    """A complex derivative was asked of a function that has none (it uses conj, abs, real, ...)."""


class ObjectArrayWarning(UserWarning):
    """An array of duals was turned into an object array: right, but element by element and slow."""


_COLLECT = "collect the elements in a list and np.stack it, or make the buffer with dualdiff.zeros(shape, like=x)"


def lost(what: str, instead: str) -> LostDerivativeError:
    """The error for a conversion that would drop the tangent."""
    return LostDerivativeError(
        f"{what} would lose the derivative of a dual number: use {instead}, or dualdiff.value(x) if the plain value "
        "is meant"
    )


def lost_number(conversion: str, instead: str) -> LostDerivativeError:
    """The error for a plain Python number made of a dual, by name or by storing it in a buffer."""
    return lost(
        f"{conversion} (a function of the math module, or writing into an array of plain numbers)",
        f"{instead}; {_COLLECT}",
    )


def plain_target(what: str) -> LostDerivativeError:
    """The error for writing duals into an array of plain numbers."""
    return LostDerivativeError(f"{what} holds plain numbers and cannot take the derivative of a dual: {_COLLECT}")


def no_rule(name: str, detail: str = "") -> NoRuleError:
    """The error for a function that duals cannot pass through."""
    return NoRuleError(
        f"{name} has no derivative rule{detail}: write it with functions that have one, give it one with "
        "dualdiff.custom_derivative, or pass dualdiff.value(x) if its result counts as constant"
    )


def expired() -> ExpiredDualError:
    """The error for a dual that was kept after its call ended."""
    return ExpiredDualError(
        "a dual number was used after the differentiation that made it had ended, together with numbers of another "
        "one: do not store duals outside the function that is differentiated; store dualdiff.value(x), or return "
        "the quantity with has_aux=True"
    )
