"""Functions with user-defined derivatives."""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

from dualdiff.core.application import Application, apply
from dualdiff.core.array import operand
from dualdiff.core.containers import flatten, is_container, output_leaf
from dualdiff.core.dual import AnyDual, leading_space
from dualdiff.drivers.custom.jvp_rule import JvpRule, captured, exclusive_copy
from dualdiff.rules.writing.array_rules import duals_in


def custom_derivative(
    f: Callable[..., Any] | None = None,
    *partials: Callable[..., Any] | None,
    jvp: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    r"""Define the derivative of a function that duals cannot pass through, or only inefficiently or inaccurately.

    Parameters
    ----------
    f : callable
        A function of scalars and arrays, or of nested containers of these, that returns any of these.  It is called
        with plain values and is not traced.  If omitted, the result is a decorator with the given jvp.
    *partials : callable or None
        For an elementwise f: for each positional argument, a function of all arguments that returns
        :math:`\partial f / \partial x_i` elementwise, or None if f counts as constant in it.  f counts as holomorphic
        in complex arguments.
    jvp : callable
        For any f: ``jvp(primals, tangents)`` returns the derivative along a direction.  ``primals`` is the tuple of the
        positional arguments and ``tangents`` that of their tangents, with the same nesting and shapes (zero for an
        argument that carries no tangent, None for a leaf that is not numeric).  It returns only the tangent of the
        result, with the nesting and shapes of the result, and must be linear in the tangents.

    Returns
    -------
    callable
        For plain values it is f.  For duals, the result has the tangent
        :math:`\sum_i (\partial f / \partial x_i)\, t_i`, or the tangent that the jvp returns.  Keyword arguments are
        passed unchanged to f and to its rule.  For higher derivatives the rule is itself differentiated, and f is still
        called with plain values.

    Raises
    ------
    TypeError
        If no rule is given, or more partials than f has arguments; if a rule does not return numeric values; if an
        argument without a partial, or a keyword argument, carries a tangent; or if f or its rule uses a dual that is
        not among its arguments.
    ValueError
        If f with partials is not elementwise, or if a jvp returns a tangent that does not fit the result or is not
        linear in the tangents.

    Notes
    -----
    One call of f, and one call of each partial whose argument carries a tangent.  Along a single direction, a jvp is
    called once with this direction.  In all other modes, since it is linear, it is called on duals whose values stand
    in for the tangents: two calls, independent of the number of directions.  A jvp that duals cannot pass through is
    called once for each direction (four times if an argument is complex), and in reverse mode once for each element of
    its arguments, after two calls that check that it is linear.

    ``custom_derivative(f, None)`` is f with zero derivative (in JAX, ``stop_gradient``).

    `check_derivative` detects wrong rules, and a jvp that is not linear.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> from dualdiff import custom_derivative, derivative, gradient
    >>> erf = custom_derivative(math.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))
    >>> derivative(lambda x: 3 * erf(x), 0.0) == 6 / math.sqrt(math.pi)
    True

    A function that combines elements:

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
            "for a zero partial); custom_derivative(f, jvp=rule) takes a function and its derivative along a "
            "direction, rule(primals, tangents)"
        )
    count = _positional(f)
    if len(partials) > count:
        raise TypeError(
            f"custom_derivative: {getattr(f, '__name__', f)} takes {count} positional argument"
            f"{'s' * (count != 1)}, but {len(partials)} partials were given"
        )
    return Custom(f, partials, jvp)


def _positional(f: Callable[..., Any]) -> float:
    """The number of positional arguments of a function, infinite if unknown."""
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
    """A function with its rule; it can be pickled if both can."""

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
                f"{self.__name__}: custom_derivative does not differentiate keyword arguments, but one of them carries "
                "a tangent: pass it positionally"
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
        """The function of duals, or of the plain values below all levels of duals."""
        leaves, rebuild = flatten(args, takes_all=True)
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
        """f of plain values; arrays are copied on the way in and out, so that they are owned exclusively."""
        result = self.f(*(_exclusive_copies(a) for a in args), **kwargs)
        if type(result) is float:
            return result
        leaves, nested = flatten(result)
        if duals_in(leaves):
            raise captured(self.__name__)
        return nested(exclusive_copy(output_leaf(leaf, "custom_derivative")) for leaf in leaves)

    def unknown(self, i: int) -> TypeError:
        """The error for a tangent in an argument that has no partial."""
        return TypeError(
            f"argument {i} of {self.__name__} carries a tangent, but custom_derivative was given {len(self.partials)} "
            "partials; give one for each argument, None for a zero partial"
        )

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        # Under its name, pickle finds the decorated function, but not the function inside.
        name: str = getattr(self, "__qualname__", self.__name__)
        named: Any = sys.modules.get(self.__module__)
        for part in name.split("."):
            named = getattr(named, part, None)
        return name if named is self else (Custom, (self.f, self.partials, self.jvp))

    def __repr__(self) -> str:
        return f"<custom_derivative of {self.__name__}>"


def _exclusive_copies(x: Any) -> Any:
    """An argument with copies of its arrays."""
    leaves, rebuild = flatten(x, takes_all=True)
    return rebuild(map(exclusive_copy, leaves))


class _Row:
    """A call of an elementwise function with partials, in the form of a row of the table."""

    kind = "nonlinear"
    conjugates = None
    is_pure = False
    uses_result = True
    #: The coefficients are copies; 64 is the largest number of arguments in NumPy.
    is_fresh = (True,) * 64
    constancy = (0,) * 64

    def __init__(self, custom: Custom, kwargs: dict[str, Any]) -> None:
        self.name = self.label = custom.__name__
        self.custom, self.kwargs = custom, kwargs

    def dual(self, *args: Any) -> Any:
        """The function of duals, or of the plain values below all levels of duals."""
        if (space := leading_space(args)) is not None:
            if space.order:
                operands = Application(*args)
                return operands.elementwise(self, self.dual(*operands.values))
            return apply(self, self.dual, *args)
        result = self.custom.value(args, self.kwargs)
        if is_container(result):
            raise TypeError(
                f"{self.name} returned a {type(result).__name__}; a function with partial derivatives must return "
                "one scalar or array: define one function for each part, or give the derivative as jvp="
            )
        return result

    def coefficient(self, i: int, values: list[Any], result: Any) -> Any:
        """The partial derivative with respect to argument i, checked."""
        partials = self.custom.partials
        if i >= len(partials):
            raise self.custom.unknown(i)
        partial = partials[i]
        if partial is None:
            return None
        # A partial may return a buffer that it overwrites in each call.
        c = exclusive_copy(operand(partial(*map(exclusive_copy, values), **self.kwargs)))
        if isinstance(c, AnyDual):
            outer = leading_space(values)
            if outer is None or c.space.tag > outer.tag:
                raise captured(self.name)
        elif type(c) is not float:
            kind = np.asarray(c).dtype.kind
            if kind not in "iufc" or (kind == "c" and not np.iscomplexobj(result)):
                raise TypeError(
                    f"the partial of {self.name} with respect to argument {i} returned {c!r}"
                    + (", which is not numeric" if kind != "c" else f", but {self.name} itself is real")
                )
        shapes = [getattr(x, "shape", ()) for x in (c, values[i], result)]
        if _broadcast(*shapes[:2]) != shapes[2]:
            raise ValueError(
                f"the partial of {self.name} with respect to argument {i} has shape {shapes[0]}, the argument "
                f"{shapes[1]}, and the result {shapes[2]}: partial derivatives are for elementwise functions. For a "
                "function that combines elements, give the derivative as jvp=, or pass the elements as separate "
                "arguments"
            )
        return c

    def conjugate(self, i: int, values: list[Any], result: Any) -> Any:
        """No partial with respect to the conjugate: f counts as holomorphic."""
        return None


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
