"""Functions with a derivative of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.core.dual import AnyDual
from dualdiff.core.elementwise import apply
from dualdiff.drivers.containers import output_leaf


def custom_derivative(f: Callable[..., Any], *partials: Callable[..., Any] | None) -> Callable[..., Any]:
    r"""A function with partial derivatives that are given, for code that duals cannot pass through.

    Parameters
    ----------
    f : callable
        An elementwise function of numbers or arrays.  It is called with plain values; what it computes inside is its
        own affair.
    *partials : callable or None
        For each positional argument of f, a function of all the arguments that gives
        :math:`\partial f / \partial x_i`, elementwise; None where f counts as constant.  f counts as holomorphic in
        complex arguments.

    Returns
    -------
    callable
        For plain numbers f; for duals f with the tangent :math:`\sum_i (\partial f / \partial x_i)\, t_i`.  Keywords
        are handed to f and the partials as they are.  For higher derivatives the partials have to be functions that
        can be differentiated in their turn.

    Raises
    ------
    TypeError
        If no partial is given, a partial does not return numbers, or an argument without a partial carries a tangent.
    ValueError
        If f turns out not to be elementwise: the shape of a partial does not fit the result.

    Notes
    -----
    One call of f, and one of each partial whose argument carries a tangent.  `check_derivative` finds wrong partials.

    Examples
    --------
    >>> import math
    >>> from dualdiff import custom_derivative, derivative
    >>> erf = custom_derivative(math.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))
    >>> derivative(lambda x: 3 * erf(x), 0.0) == 6 / math.sqrt(math.pi)
    True
    """
    if not callable(f) or not partials or not all(p is None or callable(p) for p in partials):
        raise TypeError(
            "custom_derivative(f, df_dx, df_dy, ...) takes a function and its partial derivatives as functions"
        )
    return Custom(f, partials)


class Custom:
    """A function with its partial derivatives; it can be pickled if they can."""

    def __init__(self, f: Callable[..., Any], partials: tuple[Callable[..., Any] | None, ...]) -> None:
        self.f, self.partials = f, partials
        functools.update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        operands = [operand(a) for a in args]
        if any(isinstance(a, AnyDual) for a in kwargs.values()):
            raise TypeError(
                f"{self.__name__} has partial derivatives in its positional arguments, and a keyword carries a "
                "tangent: hand it over by its place"
            )
        if not any(isinstance(a, AnyDual) for a in operands):
            return self.f(*args, **kwargs)
        return _Row(self, kwargs).dual(*operands)

    def __reduce__(self) -> Any:
        return Custom, (self.f, self.partials)

    def __repr__(self) -> str:
        return f"<custom_derivative of {self.__name__}>"


class _Row:
    """A call of such a function, as the rule that the core asks for."""

    is_zero = False
    is_plain = False
    conjugates = None

    def __init__(self, custom: Custom, kwargs: dict[str, Any]) -> None:
        self.name = custom.__name__
        self.custom, self.kwargs = custom, kwargs

    def dual(self, *args: Any) -> Any:
        """The function of duals, or of the plain values that are left when all levels are taken off."""
        if any(isinstance(a, AnyDual) for a in args):
            return apply(self, self.dual, *args)
        result = self.custom.f(*args, **self.kwargs)
        if isinstance(result, (tuple, dict)):
            raise TypeError(
                f"{self.name} returned a {type(result).__name__}; a function with a custom_derivative has to return "
                "one number or array: make one function for each part"
            )
        return output_leaf(result, "custom_derivative")

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in argument i, checked to fit."""
        partials = self.custom.partials
        if i >= len(partials):
            raise TypeError(
                f"{self.name} carries a tangent in argument {i}, and custom_derivative was given {len(partials)} "
                "partials; give one for each argument, None where it is constant"
            )
        partial = partials[i]
        if partial is None:
            return None
        c = operand(partial(*values, **self.kwargs))
        if isinstance(c, np.ndarray):
            # It may be a buffer that the partial fills anew in each call.
            c = c.copy()
        if not isinstance(c, AnyDual):
            kind = np.asarray(c).dtype.kind
            if kind not in "iufc" or (kind == "c" and not np.iscomplexobj(result)):
                raise TypeError(
                    f"the partial of {self.name} in argument {i} returned {c!r}"
                    + (", where numbers are needed" if kind != "c" else f", and {self.name} itself is real")
                )
        shapes = [getattr(x, "shape", ()) for x in (c, values[i], result)]
        if _broadcast(*shapes[:2]) != shapes[2]:
            raise ValueError(
                f"the partial of {self.name} in argument {i} has the shape {shapes[0]}, the argument {shapes[1]}, and "
                f"the result {shapes[2]}: custom_derivative takes elementwise functions. Hand the numbers that f "
                "combines over as arguments of their own, with a partial for each"
            )
        return c

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """No partial in the conjugate: f counts as holomorphic."""
        return None


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
