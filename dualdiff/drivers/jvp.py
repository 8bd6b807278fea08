"""Jacobian-vector products: the derivative along a direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack, overload

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.core.containers import aligned, check_running
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.inputs import Inputs, with_direction
from dualdiff.drivers.run.operator import DerivedFunction, R, all_in_order, operator
from dualdiff.drivers.run.options import Argnum, OfJvp
from dualdiff.drivers.run.passes import single_pass


def evaluate_jvp(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, has_aux: bool = False
) -> tuple[Any, Any, Any]:
    """Value, derivative along the direction and aux."""
    given, v = with_direction(operator, args, argnum)
    inputs = Inputs(operator, f, given, argnum, has_aux)
    outputs = single_pass(inputs, _tangents(inputs, v))
    return outputs.value, outputs.rebuild(outputs.derivatives), outputs.aux


@overload
def jvp(f: Callable[..., R], /, *, argnum: Argnum = 0) -> DerivedFunction[..., tuple[R, R]]: ...
@overload
def jvp(f: Callable[..., Any], /, **options: Unpack[OfJvp]) -> DerivedFunction[..., Any]: ...
@overload
def jvp(f: Callable[..., R], x: Any, v: Any, /, *args: Any, argnum: Argnum = 0) -> tuple[R, R]: ...
@overload
def jvp(f: Callable[..., Any], x: Any, v: Any, /, *args: Any, **options: Unpack[OfJvp]) -> Any: ...
@operator(evaluate_jvp, all_in_order, compiled="jvp")
def jvp(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    r"""The value and the derivative along a direction: ``jvp(f, x, v)`` is :math:`(f(x), J v)`.

    Parameters
    ----------
    f : callable
        A function of a scalar, an array, or nested tuples and dicts of these.
    *args
        x, the direction v with the nesting and shapes of x, and the other arguments of f.
    argnum : int or tuple of int
        The index of x among the arguments of f.  With a tuple, x is the tuple of these arguments and v the tuple of
        their directions: ``jvp(f, (a, b), (va, vb), argnum=(0, 1))``.
    has_aux : bool
        f returns a pair (result, aux), and aux is appended to the returned tuple.

    Returns
    -------
    tuple
        f(x) and J v, both with the nesting and shapes of f(x).  ``jvp(f)`` is a function of (x, v, ...).

    Raises
    ------
    ValueError
        If v does not have the nesting and shapes of x.

    Notes
    -----
    One call of f.  For complex x the product is real-linear, and correct along any direction also if f is not
    holomorphic.  See Griewank and Walther, *Evaluating Derivatives* (2008), section 3.1.

    Examples
    --------
    >>> from dualdiff import jvp
    >>> jvp(np.sin, np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    (array([0., 0.]), array([1., 2.]))
    """


def _tangents(inputs: Inputs, v: Any) -> list[Any]:
    """The direction as tangents of the leaves of x."""
    operator = inputs.operator
    leaves = aligned(v, inputs.rebuild(range(len(inputs.leaves))), f"{operator}: the direction v")
    tangents = []
    for t, leaf, shape in zip(leaves, inputs.leaves, inputs.shapes, strict=True):
        if not isinstance(t, AnyDual):
            t = np.asarray(t)
            if t.dtype.kind not in "iufc":
                raise TypeError(f"{operator}: the direction v has dtype {t.dtype}, which is not numeric")
        if t.shape != shape:
            raise ValueError(f"{operator}: the direction v has shape {t.shape}, but x has shape {shape}")
        dtype = dtype_of(leaf)
        if t.dtype.kind == "c" and dtype.kind != "c":
            raise TypeError(f"{operator}: the direction v is complex, but x is real")
        if isinstance(t, AnyDual):
            check_running(t)
            tangents.append(t if t.dtype == dtype else t.astype(dtype))
        else:
            t = t.astype(dtype)
            tangents.append(
                t if shape or issubclass(type(leaf), np.ndarray) else t.item() if dtype == np.float64 else t[()]
            )
    return tangents
