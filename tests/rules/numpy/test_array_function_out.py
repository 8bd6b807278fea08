"""Array functions that write into out=, and functions that use only values."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import Dual, DualArray, LostDerivativeError, jacobian
from dualdiff.core.registry import FUNCTIONS
from tests.rules.numpy.test_array_functions import CASES, X
from tests.support.against import check

# -- out= --------------------------------------------------------------------------------------------------------------
OUT = {
    "sum": lambda x, out: np.sum(x, axis=0, out=out),
    "prod": lambda x, out: np.prod(x, axis=0, out=out),
    "mean": lambda x, out: np.mean(x, axis=0, out=out),
    "var": lambda x, out: np.var(x, axis=0, out=out),
    "std": lambda x, out: np.std(x, axis=0, out=out),
    "max": lambda x, out: np.max(x, axis=0, out=out),
    "min": lambda x, out: np.min(x, 0, out),
    "ptp": lambda x, out: np.ptp(x, axis=0, out=out),
    "cumsum": lambda x, out: np.cumsum(x[0], out=out),
    "cumprod": lambda x, out: np.cumprod(x[0], out=out),
    "dot": lambda x, out: np.dot(x[0], x.T @ x, out=out),
    "matmul": lambda x, out: np.matmul(x[0], x.T @ x, out=out),
    "einsum": lambda x, out: np.einsum("ij->j", x, out=out),
    "take": lambda x, out: np.take(x, [0, 2, 2], out=out),
    "compress": lambda x, out: np.compress([1, 0, 1, 1], x, out=out),
    "choose": lambda x, out: np.choose([0, 1, 0], [x[0], x[1]], out=out),
    "concatenate": lambda x, out: np.concatenate([x[0, :1], x[1, 1:]], out=out),
    "stack": lambda x, out: np.stack([x[0, 0], x[1, 0], 1.0], out=out),
    "round": lambda x, out: np.round(x[0], out=out),
    "outer": lambda x, out: np.outer(x[0], 1.0, out=out[:, None])[:, 0],
    "trace": lambda x, out: np.trace(np.stack([x, x]), out=out),
    "add.reduce": lambda x, out: np.add.reduce(x, out=out),
    "add.accumulate": lambda x, out: np.add.accumulate(x[1], out=out),
    "multiply": lambda x, out: np.multiply(x[0], x[1], out=out),
    "sin": lambda x, out: np.sin(x[0], out),
    "sin in a tuple": lambda x, out: np.sin(x[0], out=(out,)),
    "where": lambda x, out: np.exp(x[0], out=out, where=[True, False, True]),
    "method": lambda x, out: x.sum(axis=0, out=out),
}


@pytest.mark.parametrize("name", OUT)
def test_out_is_an_array_of_duals(name):
    use = OUT[name]

    def f(x):
        out = np.zeros_like(x[0]) + x[1] * 0.5
        result = use(x, out)
        if name != "outer":
            assert result is out
        return out

    check(f, X)


@pytest.mark.parametrize("name", sorted(set(OUT) - {"round"}))
def test_out_is_a_plain_array_and_stays_as_it_was(name):
    out = np.full(3, 0.25)
    with pytest.raises(TypeError, match="holds plain values and cannot store the derivative of a dual"):
        jacobian(lambda x: OUT[name](x, out), X)
    np.testing.assert_array_equal(out, 0.25)


@pytest.mark.parametrize("name", sorted(set(OUT) - {"outer", "where"}))
def test_out_of_the_wrong_shape(name):
    # A ufunc may fill an array that is larger than its result.
    larger = [] if name in ("multiply", "sin", "sin in a tuple") else [(2, 3)]
    for shape in [(4,), (), *larger]:
        with pytest.raises(ValueError):  # noqa: PT011 - NumPy's messages differ from function to function
            jacobian(lambda x, shape=shape: OUT[name](x, np.zeros_like(x, shape=shape)), X)


# -- what stands where -------------------------------------------------------------------------------------------------
BY_VALUE = {
    np.all: (lambda x: np.all(x > 0), lambda x: np.all(x, axis=1, keepdims=True), lambda x: x.all()),
    np.allclose: (lambda x: np.allclose(x, X), lambda x: np.allclose(X, x, atol=0.1, equal_nan=True)),
    np.any: (lambda x: np.any(x > 9), lambda x: np.any(x, 0), lambda x: x.any()),
    np.argmax: (lambda x: np.argmax(x), lambda x: np.argmax(x, axis=1, keepdims=True), lambda x: x.argmax(0)),
    np.argmin: (lambda x: np.argmin(x), lambda x: x.argmin(axis=-1)),
    np.argpartition: (lambda x: np.argpartition(x, 1),),
    np.argsort: (lambda x: np.argsort(x, kind="stable"), lambda x: x.argsort(axis=0)),
    np.argwhere: (lambda x: np.argwhere(x > 0), lambda x: np.argwhere(x)),
    np.array2string: (lambda x: np.array2string(x), lambda x: np.array2string(x, precision=1)),
    np.array_equal: (lambda x: np.array_equal(x, X), lambda x: np.array_equal(X, x + 1, equal_nan=True)),
    np.array_equiv: (lambda x: np.array_equiv(x, X),),
    np.array_repr: (lambda x: np.array_repr(x),),
    np.array_str: (lambda x: np.array_str(x),),
    np.can_cast: (lambda x: np.can_cast(x.dtype, np.float32),),
    np.common_type: (lambda x: np.common_type(x, X),),
    np.count_nonzero: (lambda x: np.count_nonzero(x), lambda x: np.count_nonzero(x, axis=0)),
    np.diag_indices_from: (lambda x: np.diag_indices_from(x[:, :2]),),
    np.digitize: (lambda x: np.digitize(x, [0.0, 1.0]),),
    np.einsum_path: (lambda x: np.einsum_path("ij,ij", x, x)[1],),
    np.flatnonzero: (lambda x: np.flatnonzero(x > 0),),
    np.isclose: (lambda x: np.isclose(x, 0.3),),
    np.tril_indices_from: (lambda x: np.tril_indices_from(x, 1),),
    np.triu_indices_from: (lambda x: np.triu_indices_from(x, k=1),),
    np.iscomplex: (lambda x: np.iscomplex(x),),
    np.iscomplexobj: (lambda x: np.iscomplexobj(x), lambda x: np.iscomplexobj(x + 1j)),
    np.isin: (lambda x: np.isin(x, [0.3, 0.9]),),
    np.isneginf: (lambda x: np.isneginf(x),),
    np.isposinf: (lambda x: np.isposinf(x),),
    np.isreal: (lambda x: np.isreal(x),),
    np.isrealobj: (lambda x: np.isrealobj(x),),
    np.lexsort: (lambda x: np.lexsort((x[0], x[1])),),
    np.may_share_memory: (lambda x: np.may_share_memory(x, x[0]), lambda x: np.may_share_memory(x, x + 1)),
    np.min_scalar_type: (lambda x: np.min_scalar_type(x),),
    np.nanargmax: (lambda x: np.nanargmax(x),),
    np.nanargmin: (lambda x: np.nanargmin(x, axis=1),),
    np.ndim: (lambda x: np.ndim(x), lambda x: np.ndim(x[0, 0])),
    np.nonzero: (lambda x: np.nonzero(x > 0)[1], lambda x: x.nonzero()[0]),
    np.result_type: (lambda x: np.result_type(x, np.float32),),
    np.searchsorted: (lambda x: np.searchsorted(np.sort(x[0]), 0.5), lambda x: np.sort(x[0]).searchsorted(x[1])),
    np.shape: (lambda x: np.shape(x), lambda x: np.shape([x[0, 0], 1.0])),
    np.shares_memory: (lambda x: np.shares_memory(x, x.T),),
    np.size: (lambda x: np.size(x), lambda x: np.size(x, 1)),
}


@pytest.mark.parametrize("function", BY_VALUE, ids=lambda f: f.__name__)
def test_answers_by_value(function):
    for use in BY_VALUE[function]:
        expected, found = use(X.copy()), []
        jacobian(lambda x, use=use, found=found: found.append(use(x)) or x, X)
        jacobian(jacobian(lambda x, use=use, found=found: found.append(use(x)) or x), X)
        for answer in found:
            assert type(answer) is type(expected)
            np.testing.assert_array_equal(answer, expected)


def test_every_function_with_a_rule_of_these_files_stands_here():
    files = {"shapes", "joining", "indexing", "complex_parts", "reductions", "products", "creation", "by_value"}
    files |= {"array_rules"}
    rules = {f: rule.__module__.rpartition(".")[2] for f, rule in FUNCTIONS.items()}
    here = {f for f in rules if rules[f] in files and f.__module__ != "numpy.linalg"}
    # NumPy 2.0 still has it, deprecated; the others have test files of their own.
    here -= {getattr(np, "in1d", None), np.cross, np.ix_}
    assert {f.__name__ for f in here - set(CASES) - set(BY_VALUE)} == set()


def test_clip_takes_one_pair_of_bounds():
    with pytest.raises(ValueError, match="either a_min and a_max or min and max"):
        np.clip(DualArray([1.0, 2.0]), 0.0, 1.5, max=1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, n: np.split(x, n),
        lambda x, n: np.array_split(x, n),
        lambda x, n: np.take_along_axis(x, np.reshape(n, (1,)), 0),
        lambda x, n: np.cov(x, ddof=n),
    ],
)
def test_duals_do_not_count_or_choose(call):
    """They silently used the value, or recursed endlessly."""
    with pytest.raises(LostDerivativeError, match="a dual number as an option of numpy"):
        call(DualArray([1.0, 2.0], [1.0, 1.0]), Dual(1.0, 1.0))
