"""All partial derivatives of one order, from power series along directions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.core.application import dtype_of
from dualdiff.drivers.higher.taylor_coefficients import checked_order, split_order
from dualdiff.drivers.run.engines import refuse_compiled
from dualdiff.drivers.run.inputs import Inputs, no_function
from dualdiff.drivers.run.operator import DerivedFunction, P, operator
from dualdiff.drivers.run.options import Argnum, OfTaylor
from dualdiff.drivers.run.passes import series_pass
from dualdiff.drivers.run.repeated_calls import expect_several_calls

#: How often a derivative is taken with respect to each of several variables, or the components of a direction.
Exponents = tuple[int, ...]


def evaluate(
    operator: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    argnum: Argnum = 0,
    order: int | None = None,
    has_aux: bool = False,
) -> tuple[None, Any, Any]:
    """The tensor and aux, without a value."""
    if not callable(f):
        raise no_function(operator, f)
    if order is None:
        args, order, _ = split_order(operator, args, takes_direction=False)
    refuse_compiled(operator, f)
    inputs = Inputs(operator, f, args, argnum, has_aux)
    if inputs.rebuild.is_container:
        raise TypeError(f"{operator} differentiates with respect to one array, but x is a container")
    (shape,), n = inputs.shapes, inputs.size
    if order == 0 or not n:
        result, aux = inputs.call([np.copy(leaf) if np.ndim(leaf) else leaf for leaf in inputs.leaves])
        return None, result if order == 0 else np.zeros((*np.shape(result), *shape * order)), aux
    directions = [*_exponents(n, order)]
    if len(directions) > 1:
        expect_several_calls(inputs)
    first: Any = None
    entries: list[list[Any]] = []
    for v in directions:
        seed = np.reshape(np.array(v, dtype_of(inputs.leaves[0])), shape)
        outputs = series_pass(inputs, [seed], order)
        first = first or outputs
        entries.append([outputs.series(i)[order] for i in range(len(outputs.values))])
    tensors = [_tensor(np.stack(along), n, order, shape) for along in zip(*entries, strict=True)]
    return None, first.rebuild(tensors), first.aux


def _tensor(along: Any, n: int, order: int, shape: tuple[int, ...]) -> Any:
    """The tensor, from the coefficients of this order along all directions, which are the first axis."""
    partials = np.tensordot(_weights(n, order).astype(along.dtype, copy=False), along, 1)
    number = {e: i for i, e in enumerate(_exponents(n, order))}
    places = np.empty((n,) * order, np.intp)
    for index in np.ndindex(places.shape):
        places[index] = number[tuple(index.count(i) for i in range(n))]
    tensor = np.moveaxis(partials[places], range(order), range(-order, 0))
    return np.reshape(tensor, (*along.shape[1:], *shape * order))


def _exponents(n: int, order: int) -> Iterator[Exponents]:
    """All ways to take an order as a sum of n exponents."""
    for index in itertools.combinations_with_replacement(range(n), order):
        yield tuple(index.count(i) for i in range(n))


@lru_cache(maxsize=32)
def _weights(n: int, order: int) -> Any:
    """For each partial derivative, the weights of the Taylor coefficients along all directions."""
    number = {e: i for i, e in enumerate(_exponents(n, order))}
    weights = np.zeros((len(number), len(number)))
    for exponents, i in number.items():
        places = [k for k, e in enumerate(exponents) if e]
        for direction, weight in _of_partial(tuple(exponents[k] for k in places)):
            full = [0] * n
            for k, component in zip(places, direction, strict=True):
                full[k] = component
            weights[i, number[tuple(full)]] = weight
    return weights


@lru_cache(maxsize=256)
def _of_partial(exponents: Exponents) -> list[tuple[Exponents, float]]:
    r"""The directions j, and their weights, for one partial derivative i of order d (Griewank, Utke and Walther 2000):

    .. math:: \gamma_{ij} = \sum_{0 < k \le i} (-1)^{|i - k|} \binom{i}{k} \binom{d k / |k|}{j} (|k| / d)^d
    """
    d = sum(exponents)
    weights = []
    for j in _exponents(len(exponents), d):
        total = Fraction(0)
        for k in itertools.product(*(range(e + 1) for e in exponents)):
            if size := sum(k):
                term = Fraction((-1) ** (d - size)) * Fraction(size, d) ** d
                for i, part, component in zip(exponents, k, j, strict=True):
                    term *= math.comb(i, part) * _binomial(Fraction(d * part, size), component)
                total += term
        if total:
            weights.append((j, float(total)))
    return weights


def _binomial(a: Fraction, k: int) -> Fraction:
    """The binomial coefficient of any number a over k."""
    return math.prod((a - m for m in range(k)), start=Fraction(1)) / math.factorial(k)


@overload
def derivative_tensor(f: Callable[P, Any], /, **options: Unpack[OfTaylor]) -> DerivedFunction[P, Any]: ...
@overload
def derivative_tensor(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfTaylor]) -> Any: ...
@overload
def derivative_tensor(f: Callable[Concatenate[Any, P], Any], x: Any, /, *args: P.args, **keywords: P.kwargs) -> Any: ...
@operator(evaluate, one_by_one=True, order=checked_order)
def derivative_tensor(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""All partial derivatives of one order: ``derivative_tensor(f, x, order)``.

    Parameters
    ----------
    f : callable
        A function of a scalar or an array.
    *args
        The arguments of f, followed by the order unless it is passed as a keyword.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, the result is a
        tuple, in the same order.
    order : int
        The order, at least 0; order 1 gives the Jacobian, order 2 the Hessian of each component.
    has_aux : bool
        f returns a pair (result, aux), and the operator returns a pair (tensor, aux).

    Returns
    -------
    array, or the nesting of f(x)
        The partial derivatives, of shape ``f(x).shape + order * x.shape``; symmetric in the axes of x.

    Raises
    ------
    ValueError
        If the order is missing, negative or not an integer.
    TypeError
        If x is a container.

    Notes
    -----
    One call of f on power series for each of the binom(n + order - 1, order) different partials of n variables, which
    are combinations of Taylor coefficients along that many directions.  See Griewank, Utke and Walther, Evaluating
    higher derivative tensors by forward propagation of univariate Taylor series, Math. Comp. 69 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import derivative_tensor
    >>> derivative_tensor(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), 3).round(12)
    array([[[0., 2.],
            [2., 0.]],
    <BLANKLINE>
           [[2., 0.],
            [0., 0.]]])
    """
