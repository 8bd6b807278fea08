"""Array functions at every shape: what NumPy computes, dualdiff differentiates; what NumPy refuses raises."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from dualdiff import Dual, DualArray, jacobian, jvp, value, value_and_jacobian
from dualdiff.base import late
from dualdiff.core.registry import FUNCTIONS
from tests.rules.numpy.test_array_functions import CUBE, SQUARE
from tests.support.against import WAYS, assert_near, assert_same, difference_jacobian

late.load_rules()

# -- every shape, and what NumPy refuses -------------------------------------------------------------------------------
USES = {
    "sum": lambda x: np.sum(x),
    "sum axis": lambda x: np.sum(x, axis=0),
    "sum last": lambda x: np.sum(x, axis=-1, keepdims=True),
    "sum two": lambda x: np.sum(x, axis=(0, 1)),
    "sum twice": lambda x: np.sum(x, axis=(0, 0)),
    "prod": lambda x: np.prod(x),
    "prod axis": lambda x: np.prod(x, axis=1),
    "mean": lambda x: np.mean(x),
    "mean axis": lambda x: np.mean(x, axis=0),
    "var": lambda x: np.var(x + 1.0),
    "std": lambda x: np.std(x, axis=-1),
    "max": lambda x: np.max(x),
    "min axis": lambda x: np.min(x, axis=1),
    "max initial": lambda x: np.max(x, initial=1.0),
    "min where": lambda x: np.min(x, where=False),
    "ptp": lambda x: np.ptp(x),
    "cumsum": lambda x: np.cumsum(x),
    "cumsum axis": lambda x: np.cumsum(x, axis=0),
    "cumprod": lambda x: np.cumprod(x),
    "cumprod axis": lambda x: np.cumprod(x, axis=-1),
    "diff": lambda x: np.diff(x),
    "diff twice": lambda x: np.diff(x, 2, axis=0),
    "diff negative": lambda x: np.diff(x, -1),
    "sort": lambda x: np.sort(x),
    "sort flat": lambda x: np.sort(x, axis=None),
    "reshape": lambda x: np.reshape(x, -1),
    "reshape two": lambda x: np.reshape(x, (2, -1)),
    "reshape wrong": lambda x: np.reshape(x, (-1, -1)),
    "reshape seven": lambda x: np.reshape(x, 7),
    "reshape order": lambda x: np.reshape(x, -1, order="K"),
    "ravel": lambda x: np.ravel(x),
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: np.transpose(x, (1, 0)),
    "transpose repeated": lambda x: np.transpose(x, (0, 0)),
    "matrix transpose": lambda x: np.matrix_transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "moveaxis lengths": lambda x: np.moveaxis(x, [0, 1], [0]),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "squeeze": lambda x: np.squeeze(x),
    "squeeze axis": lambda x: np.squeeze(x, axis=0),
    "expand": lambda x: np.expand_dims(x, -1),
    "expand far": lambda x: np.expand_dims(x, 5),
    "expand repeated": lambda x: np.expand_dims(x, (0, 0)),
    "flip": lambda x: np.flip(x),
    "flip axis": lambda x: np.flip(x, 1),
    "fliplr": lambda x: np.fliplr(x),
    "flipud": lambda x: np.flipud(x),
    "roll": lambda x: np.roll(x, 1),
    "roll axis": lambda x: np.roll(x, 1, 1),
    "rot90": lambda x: np.rot90(x),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat axis": lambda x: np.repeat(x, 2, axis=0),
    "repeat negative": lambda x: np.repeat(x, -1),
    "tile": lambda x: np.tile(x, (2, 1)),
    "resize": lambda x: np.resize(x, 3),
    "pad": lambda x: np.pad(x, 1),
    "pad edge": lambda x: np.pad(x, 1, mode="edge"),
    "pad wrong": lambda x: np.pad(x, 1, mode="nonsense"),
    "delete": lambda x: np.delete(x, 0),
    "delete axis": lambda x: np.delete(x, 1, axis=0),
    "append": lambda x: np.append(x, x),
    "append axis": lambda x: np.append(x, x, axis=1),
    "atleast 1": lambda x: np.atleast_1d(x),
    "atleast 2": lambda x: np.atleast_2d(x),
    "atleast 3": lambda x: np.atleast_3d(x),
    "broadcast": lambda x: np.broadcast_to(x, (2, *np.shape(x))),
    "broadcast wrong": lambda x: np.broadcast_to(x, (7, 5)),
    "broadcast arrays": lambda x: np.broadcast_arrays(x, np.ones((3, 1)))[0],
    "concatenate": lambda x: np.concatenate([x, x]),
    "concatenate last": lambda x: np.concatenate([x, x], axis=-1),
    "concatenate flat": lambda x: np.concatenate([x, x], axis=None),
    "concatenate ranks": lambda x: np.concatenate([x, np.ones((1, 1))]),
    "concatenate wrong": lambda x: np.concatenate([x, np.ones((5,) * np.ndim(x))], axis=0),
    "stack": lambda x: np.stack([x, x]),
    "stack last": lambda x: np.stack([x, 2 * x], axis=-1),
    "stack wrong": lambda x: np.stack([x, np.ones(5)]),
    "stack far": lambda x: np.stack([x, x], axis=4),
    "hstack": lambda x: np.hstack([x, x]),
    "vstack": lambda x: np.vstack([x, x]),
    "dstack": lambda x: np.dstack([x, x]),
    "column stack": lambda x: np.column_stack([x, x]),
    "block": lambda x: np.block([[x, x], [x, x]]),
    "split": lambda x: np.split(x, 2)[0],
    "array split": lambda x: np.array_split(x, 2)[0],
    "hsplit": lambda x: np.hsplit(x, [1])[0],
    "vsplit": lambda x: np.vsplit(x, [1])[0],
    "dsplit": lambda x: np.dsplit(x, [1])[0],
    "where": lambda x: np.where(np.greater(x, 0), x, 0.0),
    "where wrong": lambda x: np.where(np.ones(5, bool), x, 0.0),
    "select": lambda x: np.select([np.greater(x, 0)], [x], 1.0),
    "select empty": lambda x: np.select([], [], x),
    "select lengths": lambda x: np.select([np.greater(x, 0)], [x, x]),
    "select int": lambda x: np.select([np.ones(np.shape(x), int)], [x]),
    "choose": lambda x: np.choose(np.zeros(np.shape(x), int), [x, x]),
    "choose far": lambda x: np.choose(np.full(np.shape(x), 5), [x, x]),
    "piecewise": lambda x: np.piecewise(x, [np.greater(x, 0)], [lambda t: t * t, 1.0]),
    "piecewise lengths": lambda x: np.piecewise(x, [np.greater(x, 0)], [1.0, 2.0, 3.0]),
    "take": lambda x: np.take(x, 0),
    "take axis": lambda x: np.take(x, [0, 1], axis=1),
    "take far": lambda x: np.take(x, 99),
    "take float": lambda x: np.take(x, [0.5]),
    "take along": lambda x: np.take_along_axis(x, np.zeros((1,) * np.ndim(x), int), axis=0),
    "take along flat": lambda x: np.take_along_axis(x, np.array([0]), axis=None),
    "take along ranks": lambda x: np.take_along_axis(x, np.array([0]), axis=0),
    "take along mask": lambda x: np.take_along_axis(x, np.ones((1,) * np.ndim(x), bool), axis=0),
    "compress": lambda x: np.compress([True], x),
    "compress axis": lambda x: np.compress([True, False, True], x, axis=0),
    "extract": lambda x: np.extract(np.greater(x, 0), x),
    "diag": lambda x: np.diag(x),
    "diagflat": lambda x: np.diagflat(x),
    "diagonal": lambda x: np.diagonal(x),
    "diagonal same": lambda x: np.diagonal(x, 0, 0, 0),
    "trace": lambda x: np.trace(x),
    "tril": lambda x: np.tril(x),
    "triu": lambda x: np.triu(x, 1),
    "real": lambda x: np.real(x),
    "imag": lambda x: np.imag(x),
    "copy": lambda x: np.copy(x),
    "zeros like": lambda x: np.zeros_like(x) + x,
    "full like": lambda x: np.full_like(x, 2.0) * x,
    "round": lambda x: np.round(x + 0.1) * x,
    "matmul": lambda x: np.matmul(x, x),
    "dot": lambda x: np.dot(x, x),
    "inner": lambda x: np.inner(x, x),
    "outer": lambda x: np.outer(x, x),
    "linalg outer": lambda x: np.linalg.outer(x, x),
    "vdot": lambda x: np.vdot(x, x),
    "kron": lambda x: np.kron(x, x),
    "tensordot": lambda x: np.tensordot(x, x),
    "tensordot all": lambda x: np.tensordot(x, x, axes=np.ndim(x)),
    "tensordot wrong": lambda x: np.tensordot(x, x, axes=([0], [0, 1])),
    "einsum": lambda x: np.einsum("...,...->...", x, x),
    "einsum square": lambda x: np.einsum("ij,jk->ik", x, x),
    "einsum diagonal": lambda x: np.einsum("ii->i", x),
    "einsum wrong": lambda x: np.einsum("i->j", x),
    "einsum count": lambda x: np.einsum("i,j->ij", x),
    "einsum twice": lambda x: np.einsum("ij->ii", x),
    "add.reduce": lambda x: np.add.reduce(x),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=None),
    "maximum.reduce": lambda x: np.maximum.reduce(x),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "unstack": lambda x: np.stack(list(x)),
    "len": lambda x: len(x) * x,
}
INDEXED = {
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "all": lambda x: x[...],
    "new axis": lambda x: x[None],
    "two": lambda x: x[0, 0],
    "far": lambda x: x[99],
    "ellipsis": lambda x: x[..., 0],
    "mask": lambda x: x[np.greater(x, 0)],
    "mask wrong": lambda x: x[np.ones(7, bool)],
    "float index": lambda x: x[1.0],
    "string index": lambda x: x["a"],
    "flat": lambda x: x.flat[0],
    "reversed": lambda x: x[::-1],
    "fancy": lambda x: x[[0, 0]],
}
METHODS = {
    "item": lambda x: x.item() * 1.0,
    "method sum": lambda x: x.sum(axis=0),
    "method T": lambda x: x.T,
    "method mT": lambda x: x.mT,
    "method reshape": lambda x: x.reshape(-1, 1),
    "method flatten": lambda x: x.flatten(),
    "method swapaxes": lambda x: x.swapaxes(0, 1),
}
POINTS = {
    "float": 2.5,
    "float64": np.float64(2.5),
    "float32": np.float32(2.5),
    "0-d": np.array(2.5),
    "1": np.array([2.5]),
    "0": np.zeros(0),
    "4": np.array([0.7, -1.3, 2.9, 0.25]),
    "1x1": np.array([[1.5]]),
    "2x3": np.array([[0.3, -1.2, 2.1], [1.7, 0.9, -0.4]]),
    "3x3": SQUARE,
    "2x0x3": np.zeros((2, 0, 3)),
    "2x3x2": CUBE,
    "1x1x1 float32": np.full((1, 1, 1), 1.5, np.float32),
}


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("use", [*USES, *INDEXED, *METHODS])
def test_every_shape_as_numpy(use, name):
    f, x = {**USES, **INDEXED, **METHODS}[use], POINTS[name]
    if use in INDEXED and isinstance(x, np.generic):
        # A dual scalar cannot be indexed, like a float; otherwise NumPy would treat it as a sequence.
        with pytest.raises((TypeError, AttributeError)):
            jacobian(f, x)
        return
    try:
        expected = f(np.copy(x) if isinstance(x, np.ndarray) else x)
    except Exception as error:
        if type(error) is AttributeError or (type(error) is TypeError and type(x) is float):
            # A dual scalar has methods that a float does not have.
            return
        with pytest.raises(Exception) as found:  # noqa: PT011 - whatever NumPy says
            jacobian(f, x)
        kinds = type(error), found.type
        assert any(issubclass(a, b) for a, b in (kinds, kinds[::-1])), found.value
        return
    for options in WAYS:
        found, J = value_and_jacobian(f, x, **options)
        assert_same(found, expected)
        assert np.ndim(found) > 0 or type(found) is type(expected) or isinstance(expected, np.ndarray)
        if options["mode"] == "forward":
            assert J.dtype == np.asarray(expected).dtype
        assert J.shape == np.shape(expected) + np.shape(x)
        assert_near(J, difference_jacobian(f, np.float64(x)), 1e-3 if J.dtype == np.float32 else 1e-9)
    found, slope = jvp(f, x, np.ones_like(x))
    assert_same(found, expected)
    assert np.shape(slope) == np.shape(expected)
    assert_near(slope, J.sum(axis=tuple(range(np.ndim(slope), J.ndim))), 1e-6)


# -- scalars that are given an axis ------------------------------------------------------------------------------------
#: The other arguments of functions that need some.
OTHERS = {
    np.take: ([0, -1, 0],),
    np.repeat: (2,),
    np.delete: (0,),
    np.insert: (0, 1.0),
    np.compress: ([True],),
    np.roll: (1,),
    np.partition: (0,),
    np.append: (1.0,),
    **dict.fromkeys((np.quantile, np.nanquantile), (0.3,)),
    **dict.fromkeys((np.percentile, np.nanpercentile), (30,)),
}


def has_axis(function):
    try:
        return "axis" in inspect.signature(function).parameters
    except ValueError:
        return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "function", [f for f in FUNCTIONS if has_axis(f)], ids=lambda f: f"{f.__module__}.{f.__name__}"
)
def test_a_scalar_has_the_axes_that_numpy_gives_it(function):
    """Some functions take a scalar as an array of one element."""
    use = lambda x, axis: function(x, *OTHERS.get(function, ()), axis=axis)
    for axis in (0, -1, 1, None, ()):
        for x, dual in (np.float64(1.5), Dual(1.5, 1.0)), (np.array(1.5), DualArray(1.5, 1.0)):
            try:
                expected = use(x, axis)
            except Exception:
                continue
            found = use(dual, axis)
            if not isinstance(expected, (list, tuple)):
                assert_same(np.asarray(value(found)), np.asarray(expected))


def test_one_axis_alone_in_transpose():
    x = DualArray([1.0, 2.0], [1.0, 0.0])
    assert x.transpose(np.int64(0)).tangent.tolist() == [1.0, 0.0]
    assert np.transpose(x, 0).tangent.tolist() == [1.0, 0.0]
