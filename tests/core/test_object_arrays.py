"""Object arrays and lists of scalar duals, such as ``np.array([x[0] * 2, np.sin(x[1])])``, and functions of them."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from dualdiff import DualArray, ObjectArrayWarning, derivative, gradient, hessian, jacobian
from dualdiff.core import stand_ins
from tests.support.against import assert_near, difference_jacobian

X = np.array([0.7, -1.1, 1.9])
A = np.arange(9.0).reshape(3, 3) / 4 - 1


def objects(x):
    """An object array, as users create it."""
    return np.array([x[0] * 2, np.sin(x[1]), x[2] ** 2])


BINARY = [
    *("add", "arctan2", "divide", "floor_divide", "fmax", "fmin", "fmod", "hypot", "maximum", "minimum", "multiply"),
    *("power", "remainder", "subtract"),
]
USES = {
    "itself": lambda a: a,
    "with numbers": lambda a: 2 * a + 1 - a / 3,
    "with an array": lambda a: a * np.array([1.0, 2.0, 3.0]),
    "reflected": lambda a: 2.0**a - [1.0, 2.0, 3.0],
    "in place": lambda a: a.__iadd__(1.0).__imul__(a),
    "matrix times it": lambda a: A @ a,
    "it times a matrix": lambda a: a @ A,
    "dot": lambda a: np.dot(A, a) + a.dot(A),
    "inner product": lambda a: (a @ a) * A[0],
    "sum": lambda a: a.sum() * np.ones(2),
    "np.sum": lambda a: np.sum(a) * a,
    "product": lambda a: np.prod(a) * a,
    "extremes": lambda a: a.max() - np.min(a) * a,
    "mean and median": lambda a: (np.mean(a) - np.median(a)) * a,
    "mean along an axis": lambda a: np.mean([a, a**2], axis=0),
    "cumulated": lambda a: np.cumsum(a) * np.diff(a, prepend=0.0),
    "norm": lambda a: np.linalg.norm(a) * a,
    "outer": lambda a: np.outer(a, a),
    "kronecker": lambda a: np.kron(a, a),
    "cross": lambda a: np.cross(a, [1.0, 2.0, 3.0]),
    "einsum": lambda a: np.einsum("ij,j->i", A, a),
    "tensordot": lambda a: np.tensordot(A, a, 1),
    "joined": lambda a: np.concatenate([a, [1.0], a[::-1]]),
    "reshaped": lambda a: a.reshape(3, 1) * a,
    "chosen": lambda a: a[[2, 0]] * a[1],
    "masked": lambda a: a[a > 0] ** 2,
    "where": lambda a: np.where(a > 0, a, 2.0) * a,
    "clipped": lambda a: np.clip(a, -1.0, 1.2),
    "sorted": lambda a: np.sort(a),
    "written into": lambda a: (a.__setitem__(0, a[1] * 2), a)[1],
    "compared": lambda a: a * (a > 0.5) + a * np.isin(np.argmax(a), [2]),
    "sum of a list": lambda a: np.sum(list(a)) * np.ones(2),
    "a list": lambda a: [e**2 for e in a],
    "stacked": lambda a: np.stack([a, a]) * 2,
    "stacked from a list": lambda a: np.stack([e**2 for e in a]).mean() * np.ones(1),
    "polynomial": lambda a: np.polyval(a, 0.5) * a,
    "gaps": lambda a: np.trapezoid(a) * a,
    "apply": lambda a: np.apply_along_axis(lambda r: r * r[0], 0, a),
    "vectorize": lambda a: np.vectorize(lambda e: e**2 + 1, otypes=[object])(a),
    "from a function": lambda a: np.fromiter((e * 2 for e in a), dtype=object),
    "elementwise": lambda a: np.sin(a) * np.exp(-(a**2)) + np.sqrt(a + 2.5),
    **{name: lambda a, name=name: getattr(np, name)(a + 2.6, a[::-1] + 1.7) for name in BINARY},
}


@pytest.mark.parametrize("name", USES)
def test_what_numpy_does_with_objects_keeps_the_derivative(name):
    use = USES[name]
    f = lambda x: use(objects(x))
    expected = difference_jacobian(lambda x: np.asarray(f(x), float), X)
    for mode in ("forward", "reverse"):
        assert_near(jacobian(f, X, mode=mode), expected, 1e-9)
    g = lambda x: np.sum(np.stack(list(f(x))) ** 2)
    found = hessian(g, X)
    assert_near(found, difference_jacobian(lambda x: gradient(g, x), X), 1e-8)


MIXED = {
    "sum": lambda a, x: a + x,
    "difference": lambda a, x: x - a,
    "product with numbers": lambda a, x: 2 * a * x,
    "matrix product": lambda a, x: (a @ x) * x,
    "matrix product, reflected": lambda a, x: np.outer(x, x) @ a,
    "power": lambda a, x: (x + 2) ** a,
    "hypot": lambda a, x: np.hypot(a, x),
    "joined": lambda a, x: np.concatenate([a, x]),
    "stacked": lambda a, x: np.stack([a, x]),
    "where": lambda a, x: np.where(x > 0, a, x),
    "dot": lambda a, x: np.dot(a, x) * x,
    "einsum": lambda a, x: np.einsum("i,j->ij", a, x),
    "interpolated": lambda a, x: np.interp(x, [-9.0, 0.0, 9.0], a),
    "solved": lambda a, x: np.linalg.solve(np.diag(x + 4) + A, a),
    "written": lambda a, x: (y := x * 1.0, y.__setitem__(slice(None), a), y)[2] * x,
    "in place": lambda a, x: (y := x * 1.0, y.__iadd__(a), y)[2] * x,
    "list": lambda a, x: x * list(a),
    "fitted": lambda a, x: np.polyfit(x, a, 1),
}


@pytest.mark.parametrize("name", MIXED)
def test_beside_an_array_of_duals_it_becomes_one(name):
    use = MIXED[name]
    seen = []

    def f(x):
        seen.append(use(objects(x), x))
        return seen[-1]

    expected = difference_jacobian(f, X)
    for mode in ("forward", "reverse"):
        seen.clear()
        assert_near(jacobian(f, X, mode=mode), expected, 1e-9)
        assert isinstance(seen[0], DualArray)
    H = jacobian(jacobian(f), X)
    assert_near(H, difference_jacobian(lambda x: jacobian(f, x), X), 1e-8)


def test_in_place_operators_fill_arrays_of_objects():
    def f(x):
        a = np.array([x[0], x[1] * 2, 1.0], dtype=object)
        a += x
        a *= np.array([1.0, 2.0, 3.0])
        np.multiply(a, x, out=a)
        np.subtract(a, x, out=a, where=np.array([True, False, True]))
        assert a.dtype == object
        return a

    expected = jacobian(lambda x: np.stack([2 * x[0] ** 2 - x[0], 6 * x[1] ** 2, 3 * (1 + x[2]) * x[2] - x[2]]), X)
    for mode in ("forward", "reverse"):
        assert_near(jacobian(f, X, mode=mode), expected, 1e-14)


@pytest.mark.parametrize("numbers", [[1.0, 2, np.float64(3.0)], [True, False, True], [1.0, 2.0, 3j]])
def test_objects_that_are_plain_scalars_count_as_scalars_beside_duals(numbers):
    """An object array that results from arithmetic with duals need not contain duals."""
    constants = np.array(numbers, dtype=object)
    for use in (lambda a, x: x * a, lambda a, x: x[0] * a, lambda a, x: np.dot(a, x) * a, lambda a, x: np.outer(x, a)):
        f = lambda x, use=use: np.real(use(constants, x) * (1 + 0j))
        expected = jacobian(lambda x, use=use: np.real(use(np.array(numbers), x) * (1 + 0j)), X)
        for mode in ("forward", "reverse"):
            J = jacobian(f, X, mode=mode)
            assert J.dtype == float
            assert_near(J, expected, 1e-15)


def test_out_may_not_be_a_scalar():
    with pytest.raises(TypeError, match="stores its result in an array"):
        jacobian(lambda x: np.add(x, 1.0, out=x[0]), X)


REFUSED = {
    "a transform": lambda a: np.fft.fft(a),
    "a solution": lambda a: np.linalg.solve(A + np.eye(3), a),
    "an interpolation": lambda a: np.interp(a, [0.0, 1.0], [0.0, 1.0]),
    "a test for NaN": lambda a: np.isnan(a),
    "logaddexp": lambda a: np.logaddexp(a, 1.0),
    "a gradient": lambda a: np.gradient(a),
    "a conversion to floats": lambda a: a.astype(float),
    "math.sqrt by vectorize": lambda a: np.vectorize(float)(a),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_numpy_cannot_do_with_objects_raises_and_np_stack_is_the_remedy(name):
    use = REFUSED[name]
    with pytest.raises(TypeError):
        jacobian(lambda x: use(objects(x)) * x[0], X)
    if "conversion" not in name and "vectorize" not in name:
        f = lambda x: np.real(use(np.stack([x[0] * 2, np.sin(x[1]), x[2] ** 2])) * x[0])
        assert_near(jacobian(f, X), difference_jacobian(f, X))


def test_many_objects_warn_once_that_they_are_slow():
    x = np.linspace(0.1, 1.0, 20)
    with pytest.warns(ObjectArrayWarning):
        J = jacobian(lambda x: np.asarray(x) ** 2, x, mode="forward")
    assert_near(J, np.diag(2 * x), 1e-14)


def test_lists_of_results_are_arrays():
    assert_near(jacobian(lambda x: [x[0], 2.0, x[1] * x[2]], X)[:, 0], np.array([1.0, 0.0, 0.0]))
    assert_near(derivative(lambda t: [t, [t**2][0]], 3.0), np.array([1.0, 6.0]))


def test_nothing_is_kept_of_an_array_that_stood_in_for_x():
    # Errors of earlier tests keep theirs: a frame in the traceback holds the error.
    gc.collect()
    gradient(lambda x: np.sum(np.asarray(x * 2.0)) + np.sum(np.asarray(x[1:])), X)
    assert not stand_ins.IN_USE
