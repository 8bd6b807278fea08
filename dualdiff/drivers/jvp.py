"""Jacobian-vector products: the derivative along a direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.directions import dense_along, fitted
from dualdiff.drivers.run.inputs import Inputs, with_direction
from dualdiff.drivers.run.operator import DerivedFunction, P, R, all_in_order, operator
from dualdiff.drivers.run.options import Argnum, OfJvp
from dualdiff.drivers.run.passes import single_pass


def evaluate_jvp(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, has_aux: bool = False
) -> tuple[Any, Any, Any]:
    """Value, derivative along the direction and aux."""
    given, v = with_direction(operator, args, argnum)
    inputs = Inputs(operator, f, given, argnum, has_aux)
    name = f"{operator}: the direction v"
    tangents, count = fitted(
        inputs.rebuild.taken(v, name), inputs.shapes, [dtype_of(leaf) for leaf in inputs.leaves], name
    )
    if count is None:
        outputs = single_pass(inputs, [_own_tangent(leaf, t) for leaf, t in zip(inputs.leaves, tangents, strict=True)])
        derivatives = outputs.derivatives
    else:
        outputs, derivatives = dense_along(inputs, tangents, count)
    return outputs.value, outputs.rebuild(derivatives), outputs.aux


@overload
def jvp(f: Callable[..., R], /, *, argnum: Argnum = 0) -> DerivedFunction[..., tuple[R, R]]: ...
@overload
def jvp(f: Callable[..., Any], /, **options: Unpack[OfJvp]) -> DerivedFunction[..., Any]: ...
@overload
def jvp(f: Callable[..., R], x: Any, v: Any, /, *args: Any, argnum: Argnum = 0) -> tuple[R, R]: ...
@overload
def jvp(f: Callable[..., Any], x: Any, v: Any, /, *args: Any, **options: Unpack[OfJvp]) -> Any: ...
@overload
def jvp(f: Callable[Concatenate[Any, P], R], x: Any, v: Any, /, *args: P.args, **keywords: P.kwargs) -> tuple[R, R]: ...
@operator(evaluate_jvp, all_in_order, compiled="jvp")
def jvp(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The value and the derivative along a direction: ``jvp(f, x, v)`` is :math:`(f(x), J v)`.

    Parameters
    ----------
    f : callable
        A function of a scalar, an array, or nested containers of these.
    *args
        x, the direction v with the nesting and shapes of x, and the other arguments of f.  Several directions have one
        more axis in front: an array V of shape ``(k,) + x.shape``, and in containers the same k in every leaf.
    argnum : int or tuple of int
        The index of x among the arguments of f.  With a tuple, x is the tuple of these arguments and v the tuple of
        their directions: ``jvp(f, (a, b), (va, vb), argnum=(0, 1))``.
    has_aux : bool
        f returns a pair (result, aux), and aux is appended to the returned tuple.

    Returns
    -------
    tuple
        f(x) and J v, both with the nesting and shapes of f(x); for k directions, J v has the axis of the directions in
        front.  ``jvp(f)`` is a function of (x, v, ...).

    Raises
    ------
    ValueError
        If v does not have the nesting and shapes of x, nor those with one axis more in front.

    Notes
    -----
    One call of f; for k directions one for each chunk of them, whose tangents have about 2**17 elements.  For complex x
    the product is real-linear, and correct along any direction also if f is not holomorphic.  See Griewank and Walther,
    *Evaluating Derivatives* (2008), section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jvp
    >>> jvp(np.sin, np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    (array([0., 0.]), array([1., 2.]))
    >>> jvp(lambda x: x[0] * x[1], np.array([3.0, 4.0]), np.eye(2))
    (np.float64(12.0), array([4., 3.]))
    """


def _own_tangent(leaf: Any, t: Any) -> Any:
    """The tangent of a leaf as a new array, or as a scalar if the leaf is a scalar."""
    if isinstance(t, AnyDual):
        return t
    if t.shape or issubclass(type(leaf), np.ndarray):
        return np.copy(t)
    return t.item() if t.dtype == np.float64 else t[()]
