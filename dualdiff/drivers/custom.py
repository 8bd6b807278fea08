"""Functions with a derivative of their own, and a check of derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dualdiff.core.dual import AnyDual
from dualdiff.core.elementwise import apply


class _Partials:
    """A rule with partials given as functions."""

    is_zero = False

    def __init__(self, name: str, partials: tuple[Callable[..., Any] | None, ...]) -> None:
        self.name = name
        self.partials = partials

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        if i >= len(self.partials):
            raise TypeError(
                f"{self.name} carries a tangent in argument {i}, and custom_derivative was given "
                f"{len(self.partials)} partials; give one for each argument, None where it is constant"
            )
        partial = self.partials[i]
        return None if partial is None else partial(*values)

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        return None


def custom_derivative(f: Callable[..., Any], *partials: Callable[..., Any] | None) -> Callable[..., Any]:
    r"""A function with partial derivatives that are given, for code that duals cannot pass through.

    Parameters
    ----------
    f : callable
        An elementwise function of numbers or arrays; it is called with plain values.
    *partials : callable or None
        For each argument of f, a function of all its arguments that gives
        :math:`\partial f / \partial x_i`, elementwise; None where f counts as constant.

    Returns
    -------
    callable
        f for plain numbers; for duals, f with the tangent :math:`\sum_i (\partial f / \partial x_i)\, t_i`.  For
        higher derivatives the partials have to be differentiable in their turn.

    Raises
    ------
    TypeError
        If no partial is given, or an argument without one carries a tangent.

    Examples
    --------
    >>> import math
    >>> from dualdiff import custom_derivative, derivative
    >>> gamma = custom_derivative(math.gamma, lambda x: 1.0)
    >>> derivative(lambda x: 2 * gamma(x), 5.0)
    2.0
    """
    if not callable(f) or not partials or not all(p is None or callable(p) for p in partials):
        raise TypeError(
            "custom_derivative(f, df_dx, df_dy, ...) takes a function and its partial derivatives as functions"
        )
    rule = _Partials(getattr(f, "__name__", "f"), partials)

    @functools.wraps(f)
    def function(*args: Any) -> Any:
        if any(isinstance(a, AnyDual) for a in args):
            return apply(rule, function, *args)
        return f(*args)

    return function


@dataclass(frozen=True)
class DerivativeCheck:
    """What `check_derivative` found: derivatives of f along one direction, and how far they are apart.

    ``dual`` is dualdiff's; ``finite_difference`` the extrapolated central difference; ``complex_step`` the imaginary
    step, or None where f does not take complex numbers.  ``error`` is the largest deviation from the nearest of the
    two, relative to the size of the derivative, and ``tolerance`` what was allowed.
    """

    dual: Any
    finite_difference: Any
    complex_step: Any
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.error <= self.tolerance
