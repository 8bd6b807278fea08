"""Distances of pairs of points: the values are SciPy's, the tangents those of the formulas."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.core.dual import leading_space
from dualdiff.rules.writing.array_rules import Application, duals_in, plain_values
from dualdiff.scipy.solving.equations import revalued
from dualdiff.scipy.solving.signatures import signed_as
from dualdiff.scipy.solving.stripped import values_of
from dualdiff.scipy.spatial.metrics import METRICS, name_of
from dualdiff.tangents.linear import NamedMap

_scipy = load("scipy.spatial.distance", "scipy", "dualdiff.scipy.spatial")


def as_floats(x: Any) -> Any:
    """An array or a dual array, of a floating dtype."""
    x = operand(x)
    if not duals_in(x):
        x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def agreeing(name: str, dual: Any, value: Any) -> Any:
    """SciPy's value with the tangents of a formula, which must have this value."""
    own = plain_values(dual)
    if not np.allclose(own, value, rtol=1e-6, atol=1e-6, equal_nan=True):
        raise no_rule(f"scipy.spatial.distance.{name} with these options")
    return revalued(np.reshape(dual, np.shape(value)), value)


_DISTANCE = """The distance of two vectors, as ``scipy.spatial.distance.{name}``; vectors and parameters may be duals.

    Parameters
    ----------
    {parameters}
        As in SciPy.

    Returns
    -------
    float
        SciPy's value.

    Notes
    -----
    Where the vectors coincide, a distance that has a kink there has the derivative that `numpy.linalg.norm` has at
    zero, which is zero, or that of one side.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.spatial import distance
    >>> gradient(lambda u: distance.{name}(u, {others}), np.array([1.0, 2.0])).round(3) + 0.0
    array({result})
    """
_SHOWN = {
    "braycurtis": ("[2.0, 4.0]", "[-0.148, -0.148]"),
    "canberra": ("[2.0, 4.0]", "[-0.444, -0.222]"),
    "chebyshev": ("[2.0, 4.0]", "[ 0., -1.]"),
    "cityblock": ("[2.0, 4.0]", "[-1., -1.]"),
    "correlation": ("[2.0, 4.0]", "[0., 0.]"),
    "cosine": ("[2.0, 1.0]", "[-0.24,  0.12]"),
    "euclidean": ("[4.0, 6.0]", "[-0.6, -0.8]"),
    "mahalanobis": ("[4.0, 6.0], np.eye(2)", "[-0.6, -0.8]"),
    "minkowski": ("[4.0, 6.0], 3", "[-0.445, -0.791]"),
    "seuclidean": ("[4.0, 6.0], [1.0, 1.0]", "[-0.6, -0.8]"),
    "sqeuclidean": ("[4.0, 6.0]", "[-6., -8.]"),
}


def _distance(name: str) -> Any:
    scipys = getattr(_scipy, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        if not duals_in((args, kwargs)):
            return scipys(*args, **kwargs)
        value = scipys(*map(values_of, args), **{k: values_of(x) for k, x in kwargs.items()})
        u, v, *others = args
        with np.errstate(all="ignore"):
            return agreeing(name, METRICS[name](as_floats(u), as_floats(v), *others, **kwargs), value)

    parameters = ", ".join(inspect.signature(scipys).parameters)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DISTANCE.format(
        name=name, parameters=parameters, others=_SHOWN[name][0], result=_SHOWN[name][1]
    )
    return signed_as(scipys)(function)


DISTANCES = {name: _distance(name) for name in _SHOWN}


@signed_as(_scipy.jensenshannon)
def jensenshannon(p: Any, q: Any, base: Any = None, *, axis: int = 0, keepdims: bool = False) -> Any:
    """The distance of two distributions after Jensen and Shannon, as ``scipy.spatial.distance.jensenshannon``."""
    if not duals_in((p, q, base)):
        return _scipy.jensenshannon(p, q, base, axis=axis, keepdims=keepdims)
    value = _scipy.jensenshannon(*map(values_of, (p, q, base)), axis=axis, keepdims=keepdims)
    p, q = (np.moveaxis(as_floats(x), axis, -1) for x in (p, q))
    with np.errstate(all="ignore"):
        return agreeing("jensenshannon", METRICS["jensenshannon"](p, q, base), value)


# -- all pairs ---------------------------------------------------------------------------------------------------------
def _options(name: str, points: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a metric, those that SciPy estimates from the points included."""
    if name == "mahalanobis" and options.get("VI") is None:
        options = {**options, "VI": np.transpose(np.linalg.inv(np.cov(np.transpose(points))))}
    if name == "seuclidean" and options.get("V") is None:
        options = {**options, "V": np.var(points, axis=0, ddof=1)}
    return options


def _refused(function: str, metric: Any, out: Any) -> None:
    if out is not None:
        raise no_rule(f"scipy.spatial.distance.{function} of duals with out=")
    if isinstance(metric, str):
        # SciPy's own error for a metric that does not exist.
        getattr(_scipy, function)(*[np.eye(2)] * (2 if function == "cdist" else 1), metric)
        raise no_rule(f'scipy.spatial.distance.{function} with metric="{metric}"', " (it counts)")


@signed_as(_scipy.cdist)
def cdist(XA: Any, XB: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """The distances of all pairs of two sets of points, as ``scipy.spatial.distance.cdist``.

    Parameters
    ----------
    XA, XB : array_like, shapes (m, n) and (k, n)
        The points, which may be duals.
    metric : str or callable
        As in SciPy, except the boolean metrics.  A function is called with each pair.
    **kwargs
        The parameters of the metric, which may be duals.

    Returns
    -------
    array, shape (m, k)
        SciPy's values.

    Raises
    ------
    dualdiff.NoRuleError
        For duals with a boolean metric or with ``out``.

    Notes
    -----
    Where points coincide, Euclid's distance has derivative zero and no second one, as `numpy.linalg.norm` at zero.  In
    reverse mode it needs no array larger than the result, other metrics one of m k n elements.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.spatial.distance import cdist
    >>> gradient(lambda x: np.sum(cdist(x, [[0.0, 0.0]])), np.array([[3.0, 4.0], [0.0, 2.0]]))
    array([[0.6, 0.8],
           [0. , 1. ]])
    """
    if not duals_in((XA, XB, kwargs)):
        return _scipy.cdist(XA, XB, metric, out=out, **kwargs)
    a, b, name = as_floats(XA), as_floats(XB), name_of(metric)
    if name is None or out is not None:
        _refused("cdist", metric, out)
        return np.stack([np.stack([metric(u, v, **kwargs) for v in b]) for u in a])
    plain = {k: values_of(x) for k, x in kwargs.items()}
    value = _scipy.cdist(plain_values(a), plain_values(b), name, **plain)
    with np.errstate(all="ignore"):
        if name == "euclidean" and not kwargs and _is_recorded(a, b):
            return _euclidean(a, b, value)
        options = _options(name, np.concatenate([a, b]), kwargs)
        return agreeing("cdist", METRICS[name](a[:, None, :], b[None, :, :], **options), value)


def _is_recorded(a: Any, b: Any) -> bool:
    """Whether the points are duals of one reverse pass, and of no other call."""
    operands = Application(a, b, linear=True)
    is_plain = all(type(x) is np.ndarray for x in operands.values)
    return is_plain and operands.space.lazy and not operands.space.traces and not leading_space([a, b]).order


def _euclidean(a: Any, b: Any, value: Any) -> Any:
    operands = Application(a, b, linear=True)
    x, y = (np.array(v) for v in operands.values)
    inverse = 1.0 / value
    if not np.all(value):
        inverse[value == 0] = 0.0
    terms = []
    for i, sign in ((0, 1.0), (1, -1.0)):
        if operands.tangents[i] is not None:
            linear = _pairwise(x, y, inverse, i, sign)
            t = operands.space.contract(operands.tangents[i], linear, linear.in_shape, linear.out_shape)
            terms.append(t)
    return operands.result(value, terms)


def _pairwise(x: Any, y: Any, inverse: Any, side: int, sign: float) -> NamedMap:
    """The derivative of the distances with respect to one set of points, coordinate by coordinate."""
    columns = range(x.shape[1])

    def apply(t: Any) -> Any:
        total: Any = 0.0
        for k in columns:
            moved = t[..., k]
            moved = moved[..., :, None] if side == 0 else moved[..., None, :]
            total = total + (sign * (x[:, k, None] - y[:, k]) * inverse) * moved
        return total

    def transposed(w: Any) -> Any:
        weights, subscripts = w * inverse, "...ij,ij->...i" if side == 0 else "...ij,ij->...j"
        sums = [np.einsum(subscripts, weights, x[:, k, None] - y[:, k]) for k in columns]
        return sign * np.stack(sums, axis=-1)

    return NamedMap("cdist", apply, transposed, (x, y)[side].shape, inverse.shape)


@signed_as(_scipy.pdist)
def pdist(X: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """The distances of all pairs of a set of points, as ``scipy.spatial.distance.pdist``; see `cdist`.

    Parameters
    ----------
    X : array_like, shape (m, n)
        The points, which may be duals.
    metric, **kwargs
        As in `cdist`.

    Returns
    -------
    array, shape (m (m - 1) / 2,)
        SciPy's values, the distances above the diagonal by rows.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.spatial.distance import pdist
    >>> gradient(lambda x: np.sum(pdist(x)), np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[ 0.6,  0.8],
           [-0.6, -0.8]])
    """
    if not duals_in((X, kwargs)):
        return _scipy.pdist(X, metric, out=out, **kwargs)
    x, name = as_floats(X), name_of(metric)
    i, j = np.triu_indices(plain_values(x).shape[0], 1)
    if name is None or out is not None:
        _refused("pdist", metric, out)
        return np.stack([metric(x[p], x[q], **kwargs) for p, q in zip(i, j, strict=True)])
    plain = {k: values_of(v) for k, v in kwargs.items()}
    value = _scipy.pdist(plain_values(x), name, **plain)
    with np.errstate(all="ignore"):
        return agreeing("pdist", METRICS[name](x[i], x[j], **_options(name, x, kwargs)), value)


@signed_as(_scipy.squareform)
def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """The matrix of a vector of distances, or the vector of a matrix, as ``scipy.spatial.distance.squareform``.

    Parameters
    ----------
    X : array_like
        Distances, which may be duals.
    force, checks
        As in SciPy.

    Returns
    -------
    array
        SciPy's value.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.spatial.distance import squareform
    >>> gradient(lambda d: np.sum(squareform(d)), np.ones(3))
    array([2., 2., 2.])
    """
    if not duals_in(X):
        return _scipy.squareform(X, force, checks)
    x = operand(X)
    value = _scipy.squareform(np.array(plain_values(x)), force, checks)
    if np.ndim(value) == 1:
        i, j = np.triu_indices(plain_values(x).shape[0], 1)
        return revalued(x[i, j], value)
    n = value.shape[0]
    places = np.zeros((n, n), int)
    places[np.triu_indices(n, 1)] = np.arange(1, n * (n - 1) // 2 + 1)
    return revalued(np.concatenate([np.zeros(1), x])[places + places.T], value)


# -- scipy.spatial -----------------------------------------------------------------------------------------------------
_spatial = load("scipy.spatial", "scipy", "dualdiff.scipy.spatial")


def _powers(x: Any, y: Any, p: Any) -> Any:
    difference = np.abs(y - x)
    if plain_values(p) == np.inf:
        return np.max(difference, axis=-1)
    return np.sum(difference if p is plain_values(p) and p == 1 else difference**p, axis=-1)


def _minkowski(x: Any, y: Any, p: Any) -> Any:
    plain = plain_values(p)
    with np.errstate(all="ignore"):
        total = _powers(x, y, p)
        if plain in (1, np.inf):
            return total
        return np.sqrt(total) if p is plain and p == 2 else total ** (1.0 / p)


@signed_as(_spatial.minkowski_distance_p)
def minkowski_distance_p(x: Any, y: Any, p: Any = 2.0) -> Any:
    """The p-th power of the distances of points that broadcast, as ``scipy.spatial.minkowski_distance_p``."""
    value = _spatial.minkowski_distance_p(*map(values_of, (x, y, p)))
    if not duals_in((x, y, p)):
        return value
    with np.errstate(all="ignore"):
        return agreeing("minkowski_distance_p", _powers(as_floats(x), as_floats(y), p), value)


@signed_as(_spatial.minkowski_distance)
def minkowski_distance(x: Any, y: Any, p: Any = 2.0) -> Any:
    """The distances of points that broadcast, as ``scipy.spatial.minkowski_distance``; all may be duals."""
    value = _spatial.minkowski_distance(*map(values_of, (x, y, p)))
    if not duals_in((x, y, p)):
        return value
    return agreeing("minkowski_distance", _minkowski(as_floats(x), as_floats(y), p), value)


@signed_as(_spatial.distance_matrix)
def distance_matrix(x: Any, y: Any, p: Any = 2, threshold: int = 1000000) -> Any:
    """The matrix of distances of two sets of points, as ``scipy.spatial.distance_matrix``; all may be duals."""
    value = _spatial.distance_matrix(*map(values_of, (x, y, p)), threshold)
    if not duals_in((x, y, p)):
        return value
    x, y = as_floats(x), as_floats(y)
    return agreeing("distance_matrix", _minkowski(x[:, None, :], y[None, :, :], p), value)


@signed_as(_spatial.procrustes)
def procrustes(data1: Any, data2: Any) -> Any:
    """Two sets of points made as similar as possible, as ``scipy.spatial.procrustes``; all may be duals.

    Parameters
    ----------
    data1, data2 : array_like, shape (m, n)
        The points, which may be duals.

    Returns
    -------
    mtx1, mtx2 : array, shape (m, n)
        The standardized sets.
    disparity : float
        The sum of squares of their difference.

    Notes
    -----
    The rotation is the unitary polar factor of the product of the sets, and differentiated as such.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import gradient
    >>> from dualdiff.scipy.spatial import procrustes
    >>> triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> gradient(lambda x: procrustes(x, triangle)[2], triangle).round(6) + 0.0
    array([[0., 0.],
           [0., 0.],
           [0., 0.]])
    """
    from dualdiff.rules.scipy.linalg.matrix_functions import polar

    values = _spatial.procrustes(values_of(data1), values_of(data2))
    if not duals_in((data1, data2)):
        return values
    sets = []
    for data in (as_floats(data1), as_floats(data2)):
        centred = data - np.mean(data, axis=0)
        sets.append(centred / np.linalg.norm(centred))
    rotation = polar(np.transpose(sets[0]) @ sets[1])[0]
    scale = np.sum(rotation * (np.transpose(sets[0]) @ sets[1]))
    second = sets[1] @ np.transpose(rotation) * scale
    results = (sets[0], second, np.sum((sets[0] - second) ** 2))
    return tuple(agreeing("procrustes", dual, value) for dual, value in zip(results, values, strict=True))
