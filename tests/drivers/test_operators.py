"""What all operators have in common: several arguments at once, options, binding as methods, repr, engines."""

from __future__ import annotations

import functools
import inspect
import pickle
import re
import sys
import typing

import numpy as np
import pytest
from numba import njit

import dualdiff as dd
from dualdiff import (
    curl,
    derivative,
    divergence,
    gradient,
    hessian,
    hessian_sparsity,
    hvp,
    jacobian,
    jacobian_sparsity,
    jvp,
    laplacian,
    linearize,
    nth_derivative,
    value_and_derivative,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
    vjp,
)
from dualdiff.drivers.run import options
from dualdiff.drivers.run.planning import FORWARD_UP_TO
from tests.support import far_away

X = np.array([0.7, 1.9, -1.1])
Y = np.array([0.3, -0.2])


def energy(x, y, a):
    """A scalar function of two vectors and a scalar."""
    return np.sum(x**2) * y[0] + np.sum(np.sin(x)) * y[1] ** 2 + a**3 * x[0]


def flow(x, y, a):
    """A function with four components, of the same arguments."""
    return np.stack([x[0] * y[0], x[1] * a, y[1] ** 2, a * x[2] * y[0]])


compiled_energy = njit(energy)


@njit
def compiled_flow(x, y, a):
    return np.array([x[0] * y[0], x[1] * a, y[1] ** 2, a * x[2] * y[0]])


ARGS = (X, Y, 1.5)
WAYS = {
    "auto": {},
    "forward": {"mode": "forward"},
    "forward in chunks": {"mode": "forward", "chunk_size": 2},
    "reverse": {"mode": "reverse"},
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def same(found, expected):
    """Equal to rounding, with the same nesting."""
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


# -- several arguments -------------------------------------------------------------------------------------------------
@ways
@pytest.mark.parametrize("argnum", [(0, 1), (2, 0), (1,), (-1, 0, 1)])
def test_first_derivatives_in_several_arguments(way, argnum):
    one_by_one = tuple(gradient(energy, *ARGS, argnum=i) for i in argnum)
    same(gradient(energy, *ARGS, argnum=argnum, **way), one_by_one)
    same(gradient(energy, argnum=argnum, **way)(*ARGS), one_by_one)
    same(value_and_gradient(energy, *ARGS, argnum=argnum, **way), (energy(*ARGS), one_by_one))
    one_by_one = tuple(jacobian(flow, *ARGS, argnum=i) for i in argnum)
    same(jacobian(flow, *ARGS, argnum=argnum, **way), one_by_one)
    same(value_and_jacobian(flow, argnum=argnum, **way)(*ARGS), (flow(*ARGS), one_by_one))


def blocks(argnum):
    """The second derivatives of the energy, block by block."""
    at = [i % 3 for i in argnum]

    def block(i, j):
        def slope(v):
            args = list(ARGS)
            args[j] = v
            return gradient(energy, *args, argnum=i)

        return jacobian(slope, ARGS[j])

    return tuple(tuple(block(i, j) for j in at) for i in at)


@ways
@pytest.mark.parametrize("argnum", [(0, 1), (2, 0), (1,)])
def test_hessians_in_several_arguments(way, argnum):
    same(hessian(energy, *ARGS, argnum=argnum, **way), blocks(argnum))
    value, slope, found = value_gradient_and_hessian(energy, *ARGS, argnum=argnum, **way)
    same((value, slope, found), (energy(*ARGS), gradient(energy, *ARGS, argnum=argnum), blocks(argnum)))
    x = tuple(ARGS[i] for i in argnum)
    others = [a for i, a in enumerate(ARGS) if i not in argnum]
    v = tuple(np.cos(part) for part in x)
    expected = tuple(sum(np.tensordot(b, d, np.ndim(d)) for b, d in zip(row, v, strict=True)) for row in blocks(argnum))
    same(hvp(energy, x, v, *others, argnum=argnum, **way), expected)


def test_directions_in_several_arguments():
    x, v = (1.5, X), (0.5, np.cos(X))
    expected = jacobian(flow, *ARGS, argnum=2) * 0.5 + jacobian(flow, *ARGS) @ np.cos(X)
    same(jvp(flow, x, v, Y, argnum=(2, 0)), (flow(*ARGS), expected))
    same(jvp(flow, argnum=(2, 0))(x, v, Y), (flow(*ARGS), expected))
    value, L = linearize(flow, *ARGS, argnum=(2, 0))
    same((value, L(v)), (flow(*ARGS), expected))
    w = np.arange(4.0)
    pulled = tuple(np.tensordot(w, jacobian(flow, *ARGS, argnum=i), 1) for i in (2, 0))
    same(L.T(w), pulled)
    same(vjp(flow, *ARGS, argnum=(2, 0))[1](w), pulled)
    for op in (jvp, hvp):
        with pytest.raises(
            ValueError, match=r"with argnum=\(0, 1\), x must be the tuple of these 2 arguments and v the tuple"
        ):
            op(energy, X, X, Y, 1.5, argnum=(0, 1))
        with pytest.raises(ValueError, match=r"argnum=\(0, 3\), but f was given 3 positional arguments"):
            op(energy, (X, Y), (X, Y), 1.5, argnum=(0, 3))
        with pytest.raises(ValueError, match="direction v has shape"):
            op(energy, (X, Y), (X, X), 1.5, argnum=(0, 1))


def test_derivatives_with_respect_to_several_scalars():
    f = lambda a, t, b: a**2 * np.sin(t) * b
    found = derivative(f, 2.0, 0.5, 3.0, argnum=(2, 0))
    assert found == (derivative(f, 2.0, 0.5, 3.0, argnum=2), derivative(f, 2.0, 0.5, 3.0))
    assert derivative(f, argnum=(2, 0))(2.0, 0.5, 3.0) == found
    assert value_and_derivative(f, 2.0, 0.5, 3.0, argnum=(2, 0)) == (f(2.0, 0.5, 3.0), found)
    assert derivative(f, 2.0, 0.5, 3.0, argnum=(-3, 1))[0] == found[1]
    same(derivative(f, 2.0, X, 3.0, argnum=(1, 0)), (12.0 * np.cos(X), 12.0 * np.sin(X)))
    assert nth_derivative(f, 2.0, 0.5, 3.0, 2, argnum=(0, 2)) == (2 * np.sin(0.5) * 3, 0.0)
    assert nth_derivative(f, n=2, argnum=(0, -1))(2.0, 0.5, 3.0) == (2 * np.sin(0.5) * 3, 0.0)
    (value, aux), slopes = value_and_derivative(lambda a, b: (a * b, a), 2, 3, argnum=(0, 1), has_aux=True)
    assert (value, aux, slopes) == (6.0, 2.0, (3.0, 2.0))


def test_fields_in_several_arguments():
    f = lambda x, y: x**2 * y
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 2.0])
    for op, g in ((divergence, f), (curl, f), (laplacian, lambda x, y: np.sum(x**2 * y**3))):
        expected = tuple(op(g, x, y, argnum=i) for i in (1, 0))
        same(op(g, x, y, argnum=(1, 0)), expected)
        same(op(g, argnum=(1, 0))(x, y), expected)


def dense(matrices):
    """Sparse matrices in tuples as arrays."""
    return tuple(map(dense, matrices)) if isinstance(matrices, tuple) else matrices.toarray()


def test_sparse_derivatives_in_several_arguments():
    f = lambda x, y: np.concatenate([x[1:] * y[:-1], y**2])
    x, y = np.arange(1.0, 5.0), np.arange(2.0, 6.0)
    patterns = jacobian_sparsity(f, x, y, argnum=(1, 0))
    J = jacobian(f, x, y, argnum=(1, 0))
    same(dense(patterns), tuple(block != 0 for block in J))
    for sparse in (True, patterns, dense(patterns)):
        same(dense(jacobian(f, x, y, argnum=(1, 0), sparse=sparse)), J)
        same(dense(jacobian(f, argnum=(1, 0), sparse=sparse)(x, y)), J)
    same(dense(jacobian(f, x, y, argnum=(1, 0), sparse=patterns, check=True)), J)
    g = lambda x, y: np.sum(x[1:] ** 2 * y[:-1]) + np.sum(y**3)
    patterns = hessian_sparsity(g, x, y, argnum=(0, 1))
    H = hessian(g, x, y, argnum=(0, 1))
    same(dense(patterns), tuple(tuple(block != 0 for block in row) for row in H))
    for sparse in (True, patterns):
        same(dense(hessian(g, x, y, argnum=(0, 1), sparse=sparse)), H)
        same(dense(hessian(g, argnum=(0, 1), sparse=sparse)(x, y)), H)


def test_several_arguments_with_aux_containers_batches_and_integers():
    f = lambda p, x, k: ((np.sum(p["a"] * x) + p["b"] ** k) * x[0], {"x": x})
    p = {"a": X, "b": 2.0}
    (in_p, in_k), aux = gradient(f, p, X, 2, argnum=(0, 2), has_aux=True)
    same(in_p["a"], X * X[0])
    same((in_p["b"], in_k), (4.0 * X[0], 4 * np.log(2.0) * X[0]))
    np.testing.assert_array_equal(aux["x"], X)
    found = jacobian(lambda x, y: {"s": x * y[0], "t": y}, X, Y, argnum=(0, 1))
    same(found["s"], (Y[0] * np.eye(3), np.stack([X, np.zeros(3)], axis=1)))
    same(found["t"], (np.zeros((2, 3)), np.eye(2)))
    x, y = np.arange(8.0).reshape(4, 2), np.arange(1.0, 5.0)
    for mode in ("forward", "reverse"):
        found = gradient(lambda x, y: np.sum(x**2, axis=-1) * y, x, y, argnum=(0, 1), batch_dims=1, mode=mode)
        same(found, (2 * x * y[:, None], np.sum(x**2, axis=-1)))
    same(jacobian(gradient(energy, argnum=(0, 2)), *ARGS, argnum=1), (blocks((0, 1))[0][1], blocks((2, 1))[0][1]))
    model = lambda t, a, k: a * np.exp(-k * t)
    in_parameters = np.stack(jacobian(model, X, 2, 3, argnum=(1, 2)), axis=1)
    same(in_parameters, np.stack([np.exp(-3 * X), -2 * X * np.exp(-3 * X)], axis=1))


def test_compiled_functions_in_several_arguments():
    for argnum in ((0, 1), (2, 0), (1,)):
        same(gradient(compiled_energy, *ARGS, argnum=argnum), gradient(energy, *ARGS, argnum=argnum))
        same(value_and_jacobian(compiled_flow, *ARGS, argnum=argnum), value_and_jacobian(flow, *ARGS, argnum=argnum))
        same(hessian(compiled_energy, *ARGS, argnum=argnum), blocks(argnum))
    x, v = (1.5, X), (0.5, np.cos(X))
    same(jvp(compiled_flow, x, v, Y, argnum=(2, 0)), jvp(flow, x, v, Y, argnum=(2, 0)))
    same(hvp(compiled_energy, x, v, Y, argnum=(2, 0)), hvp(energy, x, v, Y, argnum=(2, 0)))
    same(gradient(compiled_energy, argnum=(1, 0))(X, a=1.5, y=Y), gradient(energy, *ARGS, argnum=(1, 0)))
    product = njit(lambda a, b: a**2 * b)
    assert derivative(product, 2.0, 3.0, argnum=(1, 0)) == (4.0, 12.0)
    assert value_and_derivative(product, 2, 3, argnum=(1, 0)) == (12.0, (4.0, 12.0))
    assert nth_derivative(product, 2.0, 3.0, 2, argnum=(0, 1)) == (6.0, 0.0)
    sparse = jacobian(compiled_flow, *ARGS, argnum=(0, 1), sparse=jacobian_sparsity(flow, *ARGS, argnum=(0, 1)))
    same(dense(sparse), jacobian(flow, *ARGS, argnum=(0, 1)))


# -- methods -----------------------------------------------------------------------------------------------------------
class Model:
    """A class with derivatives of its methods."""

    def __init__(self, scale):
        self.scale = scale

    def loss(self, x, y=2.0):
        """What is minimised."""
        return self.scale * np.sum(x**2) * y

    @staticmethod
    def free(x):
        return np.sum(x**3)

    slope = gradient(loss)
    in_y = derivative(loss, argnum=1)
    both = gradient(loss, argnum=(1, 0))
    curvature = hessian(loss)
    column = jacobian(gradient(loss))
    along = hvp(loss)
    of_a_static_method = gradient(free)
    of_a_ufunc = derivative(np.sin)

    @gradient
    def decorated(self, x):
        return self.scale * np.sum(x)


def test_binding_as_a_method():
    model = Model(3.0)
    np.testing.assert_array_equal(model.slope(X), 12 * X)
    np.testing.assert_array_equal(model.slope(X, y=1.0), 6 * X)
    assert model.in_y(X, 1.0) == 3 * np.sum(X**2)
    same(model.both(X, 2.0), (model.in_y(X, 2.0), model.slope(X)))
    np.testing.assert_array_equal(model.curvature(X), 12 * np.eye(3))
    np.testing.assert_array_equal(model.column(X), 12 * np.eye(3))
    np.testing.assert_array_equal(model.along(X, X), 12 * X)
    np.testing.assert_array_equal(model.decorated(X), [3.0] * 3)
    np.testing.assert_array_equal(model.of_a_static_method(X), 3 * X**2)
    assert model.of_a_ufunc(0.0) == 1.0
    assert Model.slope is Model.__dict__["slope"]
    assert inspect.signature(model.slope) == inspect.signature(model.loss)
    assert model.slope.__doc__ == "What is minimised."
    assert repr(model.in_y) == "<derivative of Model.loss with respect to argument 1>"
    with pytest.raises(TypeError, match="gradient: x has the type Model"):
        Model.slope(model, X)


def test_a_bound_derivative_can_be_pickled():
    slope = pickle.loads(pickle.dumps(Model(3.0).slope))
    np.testing.assert_array_equal(slope(X), 12 * X)


# -- repr --------------------------------------------------------------------------------------------------------------
def test_repr():
    f = far_away.cube
    for form, expected in (
        (gradient(f), "<gradient of cube with respect to argument 0>"),
        (value_and_gradient(f, argnum=2), "<value_and_gradient of cube with respect to argument 2>"),
        (jacobian(f, argnum=(1, 0)), "<jacobian of cube with respect to arguments (1, 0)>"),
        (hessian(f, mode="reverse"), "<hessian of cube with respect to argument 0, mode='reverse'>"),
        (gradient(f, mode="auto", argnum=0), "<gradient of cube with respect to argument 0>"),
        (nth_derivative(f, n=2), "<nth_derivative of cube with respect to argument 0, n=2>"),
        (derivative(np.sin), "<derivative of sin with respect to argument 0>"),
        (hvp(f), "<hvp of cube with respect to argument 0>"),
    ):
        assert repr(form) == expected
    assert repr(gradient(functools.partial(f))).startswith("<gradient of functools.partial(")


# -- options -----------------------------------------------------------------------------------------------------------
OPERATORS = [getattr(dd, name) for name in dd.__all__ if hasattr(getattr(dd, name), "operator")]


def test_every_operator_is_declared():
    assert {op.__name__ for op in OPERATORS} == {
        "biharmonic",
        "curl",
        "derivative",
        "derivative_tensor",
        "divergence",
        "gradient",
        "hessian",
        "hessian_diagonal",
        "hessian_sparsity",
        "hvp",
        "jacobian",
        "jacobian_sparsity",
        "jvp",
        "laplacian",
        "linearize",
        "nth_derivative",
        "taylor",
        "value_and_derivative",
        "value_and_gradient",
        "value_and_jacobian",
        "value_gradient_and_hessian",
        "vjp",
    }


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_options_of_an_operator(op):
    f, *others = inspect.signature(op).parameters.values()
    args, *given = others
    assert (f.name, args.name) == ("f", "args")
    assert "argnum" in {option.name for option in given}
    # Every option is explained, in the docstring or in that of the operator that it refers to.
    doc = op.__doc__
    if "Parameters, errors and cost as `" in doc:
        doc = getattr(dd, doc.split("cost as `")[1].split("`")[0]).__doc__
    assert [option.name for option in given if not re.search(rf"\b{option.name}\b", doc)] == []
    # What type checkers know are the same options, those of the last overload that has some.
    names = {**vars(options), **op.operator.declared.__globals__}
    overloads = [typing.get_type_hints(form, names) for form in typing.get_overloads(op.operator.declared)]
    *_, hints = (form for form in overloads if "options" in form)
    known = typing.get_type_hints(typing.get_args(hints["options"])[0])
    assert set(known) == {option.name for option in given}


WRONG = {
    "argnum": (
        (1.0, "0", None, [0], (0, "1"), True, (True,)),
        TypeError,
        "argnum must be an integer or a tuple of int",
    ),
    "batch_dims": ((-1, 1.0, True, None), ValueError, "batch_dims must be the number of leading batch axes"),
    "check": ((1, "yes", None), TypeError, "check must be True or False"),
    "everywhere": ((1, "yes", None), TypeError, "everywhere must be True or False"),
    "chunk_size": ((0, -1, 2.0, "3", True), ValueError, "chunk_size must be a positive integer"),
    "has_aux": ((1, "yes", None), TypeError, "has_aux must be True or False"),
    "mode": (("backward", None, 1), ValueError, "mode must be one of 'auto', 'forward', 'reverse', not"),
    "n": ((-1, 1.5, True, "2"), ValueError, "needs an order n of 0, 1, 2"),
    "out": ((1.0, "file", (1.0, 2.0)), TypeError, "out must be an array"),
    "order": ((-1, 1.5, True, "2"), ValueError, "the order must be 0, 1, 2"),
    "progress": ((1, "yes", None), TypeError, "progress must be True, False or a function"),
    "workers": ((True, 1.5, "two"), TypeError, "workers must be a positive integer"),
    "parallel": ((1, 4, None), TypeError, "parallel must be True or False"),
    "sparse": (([1.0, 2.0], "csr"), TypeError, "sparse must be True, False or a pattern"),
}


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_wrong_values_of_options_in_both_forms(op):
    for name in op.operator.defaults:
        values, error, match = WRONG[name]
        for wrong in values:
            if name == "n" and wrong is None:
                continue
            for args in ((), (X, X, 2)):
                for f in (lambda x, *more: np.sum(x), compiled_energy):
                    with pytest.raises(error, match=f"{op.__name__}.*{match}"):
                        op(f, *args, **{name: wrong})


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_an_unknown_option_is_named_with_those_there_are(op):
    message = (
        rf"{op.__name__}\(\) got an unexpected keyword argument 'chunks'; its options are .*argnum.* "
        "(Keywords of f|Pass keyword)"
    )
    for args in ((), (X, X, 2)):
        with pytest.raises(TypeError, match=message):
            op(np.sum, *args, chunks=3)


KEYWORDS = {
    "derivative": (lambda t, k=1.0: t * k, (2.0,)),
    "value_and_derivative": (lambda t, k=1.0: t * k, (2.0,)),
    "nth_derivative": (lambda t, k=1.0: t**3 * k, (2.0, 2)),
    "taylor": (lambda t, k=1.0: t**3 * k, (2.0, 2)),
    "derivative_tensor": (lambda x, k=1.0: np.sum(x**3) * k, (X, 2)),
    "divergence": (lambda x, k=1.0: x**2 * k, (X,)),
    "curl": (lambda x, k=1.0: x**2 * k, (X,)),
    "jvp": (lambda x, k=1.0: x**2 * k, (X, X)),
    "hvp": (lambda x, k=1.0: (x @ x) ** 2 * k, (X, X)),
    "jacobian": (lambda x, k=1.0: x**2 * k, (X,)),
    "value_and_jacobian": (lambda x, k=1.0: x**2 * k, (X,)),
}


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_keywords_of_f_in_both_forms(op):
    f, args = KEYWORDS.get(op.__name__, (lambda x, k=1.0: np.sum(x**3) * k, (X,)))
    results = (op(f, *args, k=2.5), op(f)(*args, k=2.5), op(functools.partial(f, k=2.5), *args))
    for found in results:
        pairs = zip(*(r if isinstance(r, tuple) else (r,) for r in (found, results[2])), strict=True)
        for a, b in pairs:
            if hasattr(a, "todense"):
                a, b = a.todense(), b.todense()
            if not hasattr(a, "T") or isinstance(a, (np.ndarray, np.generic)):
                np.testing.assert_array_equal(a, b)
    keyword_only = lambda x, *, k: f(x, k)
    op(keyword_only, *args, k=2.5)
    op(lambda x, **keywords: f(x, **keywords), *args, k=2.5)


def test_keywords_beside_options():
    f = lambda x, scale=1.0, *, power: scale * np.sum(x**power)
    np.testing.assert_array_equal(gradient(f, X, scale=3.0, power=2, mode="reverse"), 6 * X)
    assert jacobian(f, X, 3.0, power=2, argnum=1) == np.sum(X**2)
    slope, aux = gradient(lambda x, k: (k * np.sum(x), k), X, k=2.0, has_aux=True)
    assert aux == 2.0
    np.testing.assert_array_equal(slope, [2.0, 2.0, 2.0])
    compiled = njit(lambda x, k=1.0: k * np.sum(x**2))
    np.testing.assert_array_equal(gradient(compiled, X, k=3.0), 6 * X)
    np.testing.assert_array_equal(hvp(compiled, X, X, k=3.0), 6 * X)


def test_keywords_that_carry_a_tangent_of_an_outer_call():
    f = lambda x, k=1.0: k**2 * np.sum(x**2)
    np.testing.assert_array_equal(derivative(lambda k: gradient(f, X, k=k), 3.0), 12 * X)
    np.testing.assert_array_equal(derivative(lambda k: gradient(f)(X, k=k), 3.0), 12 * X)
    # What is differentiated is an argument of its own, by its place.
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'k'.*gradient\(f\)\(x, k=...\)"):
        gradient(f, k=3.0)


def test_keywords_that_are_options_too():
    f = lambda x, mode="forward": np.sum(x**2) * (2 if mode == "reverse" else 1)
    with pytest.raises(TypeError, match=r"gradient: mode is an option of gradient and a parameter of .*lambda"):
        gradient(f, X, mode="reverse")
    # What the error advises.
    np.testing.assert_array_equal(gradient(f)(X, mode="reverse"), 4 * X)
    np.testing.assert_array_equal(gradient(f, mode="reverse")(X), 2 * X)
    # What is given by its place cannot be meant.
    np.testing.assert_array_equal(gradient(f, X, "reverse", mode="forward"), 4 * X)
    np.testing.assert_array_equal(nth_derivative(lambda x, n: x**n, 2.0, 3, n=2), 12.0)
    with pytest.raises(TypeError, match=r"nth_derivative: n is an option of nth_derivative and a parameter"):
        nth_derivative(lambda x, n=3: x**n, 2.0, n=2)
    with pytest.raises(TypeError, match=r"jvp: has_aux is an option of jvp and a parameter"):
        jvp(lambda x, has_aux=False: x, X, X, has_aux=True)
    jvp(lambda x, has_aux=False: (x, 1), X, X, False, has_aux=True)

    class Model:
        def loss(self, x, check=None):
            return np.sum(x**2)

        def __call__(self, x, check=None):
            return np.sum(x**2)

    for callable_ in (Model().loss, Model(), functools.partial(Model().loss), njit(lambda x, check=None: x[0])):
        with pytest.raises(TypeError, match=r"hessian: check is an option of hessian and a parameter"):
            hessian(callable_, X, check=False)
    # Functions that tell nothing of their parameters speak for themselves.
    with pytest.raises(TypeError):
        derivative(np.sin, 1.0, k=2.0)


# -- few steps between a call and f ------------------------------------------------------------------------------------
def test_few_python_calls_stand_before_the_call_of_f():
    counts = []

    def f(x):
        counts.append(count[0])
        return np.sum(x**2)

    def count_calls(frame, event, arg):
        count[0] += event == "call"

    x = np.arange(4.0)
    for op, most in ((gradient, 30), (gradient(f), 30), (value_and_gradient, 30), (jacobian, 30), (derivative, 4)):
        call = functools.partial(op, f) if hasattr(op, "operator") and not hasattr(op, "f") else op
        at = 2.0 if op is derivative else x
        for _ in range(2):
            count = [0]
            sys.setprofile(count_calls)
            try:
                call(at)
            finally:
                sys.setprofile(None)
        assert counts[-1] <= most


# -- forward or reverse ------------------------------------------------------------------------------------------------
def test_auto_goes_by_all_arguments_together():
    seen = []

    def f(x, y):
        seen.append(type(x.space).__name__ if hasattr(x, "space") else type(y.space).__name__)
        return np.sum(x) * np.sum(y)

    half = np.ones(FORWARD_UP_TO // 2)
    gradient(f, half, half, argnum=(0, 1))
    gradient(f, half, np.append(half, 1.0), argnum=(0, 1))
    gradient(f, half, np.append(half, 1.0), argnum=1)
    assert seen == ["Mixed", "Recorded", "Mixed"]
