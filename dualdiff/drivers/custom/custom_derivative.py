"""Functions with a derivative of their own."""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

from dualdiff.core.application import apply
from dualdiff.core.array import operand
from dualdiff.core.containers import flatten, output_leaf
from dualdiff.core.dual import AnyDual, leading_space
from dualdiff.drivers.custom.jvp_rule import JvpRule, captured, own
from dualdiff.rules.writing.array_rules import duals_in


def custom_derivative(
    f: Callable[..., Any] | None = None,
    *partials: Callable[..., Any] | None,
    jvp: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    r"""A function with a derivative that is given, for code that duals cannot pass through, or pass through badly.

    Parameters
    ----------
    f : callable
        A function of numbers and arrays, or of nested tuples and dicts of them, that returns the same.  It is called
        with plain values; what it computes inside is its own affair.  Left out, the decorator with the given jvp is
        returned.
    *partials : callable or None
        For an elementwise f: for each positional argument a function of all the arguments that gives
        :math:`\partial f / \partial x_i`, elementwise; None where f counts as constant.  f counts as holomorphic in
        complex arguments.
    jvp : callable
        For any f: ``jvp(primals, tangents)`` gives the derivative along a direction.  ``primals`` is the tuple of the
        positional arguments and ``tangents`` that of their tangents, nested and shaped alike (zero for a number that
        carries none, None for what is not a number).  It returns the tangent of the result alone, nested and shaped
        as the result, and has to be linear in the tangents.

    Returns
    -------
    callable
        For plain numbers f.  For duals f with the tangent :math:`\sum_i (\partial f / \partial x_i)\, t_i`, or what
        the jvp says.  Keywords are handed to f and to its rule as they are.  For higher derivatives the rule is
        differentiated in its turn, and f still called with plain values.

    Raises
    ------
    TypeError
        If no rule is given or more partials than f has arguments, one does not return numbers, an argument without a
        partial or a keyword carries a tangent, or f or its rule uses a dual that is not among its arguments.
    ValueError
        If f with partials turns out not to be elementwise, if the tangent from a jvp does not fit the result, or the
        jvp is not linear in the tangents.

    Notes
    -----
    One call of f, and one of each partial whose argument carries a tangent.  A jvp is called with one direction where
    there is one.  In all other modes it is run on duals whose values stand in for the tangents, because it is linear:
    two calls, whatever the number of directions.  A jvp that duals cannot pass through is called once for each
    direction (four times where an argument is complex), and in reverse mode once for each number in its arguments,
    after two calls that see whether it is linear.

    ``custom_derivative(f, None)`` is f as a step that counts as constant (in JAX, ``stop_gradient``).

    `check_derivative` finds rules that are wrong, and a jvp that is not linear.

    Examples
    --------
    >>> import math
    >>> from dualdiff import custom_derivative, derivative, gradient
    >>> erf = custom_derivative(math.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))
    >>> derivative(lambda x: 3 * erf(x), 0.0) == 6 / math.sqrt(math.pi)
    True

    A function that mixes its elements, with the derivative of its result rather than of its iterations:

    >>> def along(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return np.sum(x * t) / norm(x)
    >>> @custom_derivative(jvp=along)
    ... def norm(x):
    ...     return math.hypot(*x)
    >>> gradient(norm, np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    if f is None and jvp is not None and not partials:
        return functools.partial(custom_derivative, jvp=jvp)
    rules = partials if jvp is None else (*partials, jvp)
    if (
        not callable(f)
        or not rules
        or (partials and jvp is not None)
        or not all(r is None or callable(r) for r in rules)
    ):
        raise TypeError(
            "custom_derivative(f, df_dx, df_dy, ...) takes a function and its partial derivatives as functions (None "
            "where it counts as constant), custom_derivative(f, jvp=rule) a function and its derivative along a "
            "direction, rule(primals, tangents)"
        )
    count = _positional(f)
    if len(partials) > count:
        raise TypeError(
            f"custom_derivative: {getattr(f, '__name__', f)} takes {count} positional argument"
            f"{'s' * (count != 1)}, and {len(partials)} partials were given"
        )
    return Custom(f, partials, jvp)


def _positional(f: Callable[..., Any]) -> float:
    """How many positional arguments a function takes, infinitely many where it does not say."""
    if isinstance(f, np.ufunc):
        return f.nin
    try:
        kinds = [p.kind for p in inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        return math.inf
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return math.inf
    return sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds)


class Custom:
    """A function with its rule; it can be pickled if they can."""

    def __init__(
        self,
        f: Callable[..., Any],
        partials: tuple[Callable[..., Any] | None, ...],
        jvp: Callable[..., Any] | None = None,
    ) -> None:
        self.f, self.partials, self.jvp = f, partials, jvp
        functools.update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs and duals_in(kwargs):
            raise TypeError(
                f"{self.__name__} has derivatives in its positional arguments, and a keyword carries a tangent: hand "
                "it over by its place"
            )
        duals = duals_in(args)
        if not duals:
            return self.f(*args, **kwargs)
        space = leading_space(duals)
        if any(self.partials):
            return _Row(self, kwargs).dual(*map(operand, args))
        if space.traces:
            return space.call(self.__name__, self._dual, args, kwargs)
        return self._dual(*args, **kwargs)

    def _dual(self, *args: Any, **kwargs: Any) -> Any:
        """The function of duals, or of the plain values that are left when all levels are taken off."""
        leaves, rebuild = flatten(args)
        leaves = [operand(leaf) if duals_in(leaf) else leaf for leaf in leaves]
        if leading_space(leaves) is None:
            return self.value(args, kwargs)
        if self.jvp is None:
            for i in range(len(self.partials), len(args)):
                if duals_in(args[i]):
                    raise self.unknown(i)
        rule = JvpRule(self.__name__, self.jvp, kwargs, leaves, rebuild)
        return rule.applied(self._dual(*rebuild(rule.values), **kwargs))

    def value(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What f gives for plain values, in arrays that are nobody else's; so are those that it gets."""
        result = self.f(*(_owned(a) for a in args), **kwargs)
        if type(result) is float:
            return result
        leaves, nested = flatten(result)
        if duals_in(leaves):
            raise captured(self.__name__)
        return nested(own(output_leaf(leaf, "custom_derivative")) for leaf in leaves)

    def unknown(self, i: int) -> TypeError:
        """The error for a tangent in an argument that nothing was said about."""
        return TypeError(
            f"{self.__name__} carries a tangent in argument {i}, and custom_derivative was given {len(self.partials)} "
            "partials; give one for each argument, None where it is constant"
        )

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        # A decorated function is found under its own name, and what it decorates is not.
        name: str = getattr(self, "__qualname__", self.__name__)
        found: Any = sys.modules.get(self.__module__)
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (Custom, (self.f, self.partials, self.jvp))

    def __repr__(self) -> str:
        return f"<custom_derivative of {self.__name__}>"


def _owned(x: Any) -> Any:
    """The same with arrays that are nobody else's."""
    if not isinstance(x, (tuple, dict)):
        return own(x)
    leaves, rebuild = flatten(x)
    return rebuild(map(own, leaves))


class _Row:
    """A call of an elementwise function with partials, as the rule that the core asks for."""

    kind = "nonlinear"
    conjugates = None
    is_pure = False
    uses_result = True
    #: Partials are copied where they are computed; NumPy takes no more arguments than these.
    is_fresh = (True,) * 64
    constancy = (0,) * 64

    def __init__(self, custom: Custom, kwargs: dict[str, Any]) -> None:
        self.name = self.label = custom.__name__
        self.custom, self.kwargs = custom, kwargs

    def dual(self, *args: Any) -> Any:
        """The function of duals, or of the plain values that are left when all levels are taken off."""
        if any(isinstance(a, AnyDual) for a in args):
            return apply(self, self.dual, *args)
        result = self.custom.value(args, self.kwargs)
        if isinstance(result, (tuple, dict)):
            raise TypeError(
                f"{self.name} returned a {type(result).__name__}; a function with partial derivatives has to return "
                "one number or array: make one function for each part, or give its derivative by jvp="
            )
        return result

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative in argument i, checked to fit."""
        partials = self.custom.partials
        if i >= len(partials):
            raise self.custom.unknown(i)
        partial = partials[i]
        if partial is None:
            return None
        # The result may be a buffer that the partial fills anew in each call.
        c = own(operand(partial(*map(own, values), **self.kwargs)))
        if isinstance(c, AnyDual):
            outer = leading_space(values)
            if outer is None or c.space.tag > outer.tag:
                raise captured(self.name)
        elif type(c) is not float:
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
                f"the result {shapes[2]}: partial derivatives are for elementwise functions. Give the derivative of "
                "one that combines elements by jvp=, or hand these over as arguments of their own"
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
