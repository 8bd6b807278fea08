"""Second derivatives summed over directions, through the whole surface, against the trace of the Hessian."""

from __future__ import annotations

import warnings
import zlib

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import NoRuleError, hessian, hessian_diagonal, laplacian
from dualdiff.drivers.higher import laplacian as driver
from dualdiff.rules import ROWS
from dualdiff.rules.writing.rows import ROW_OF, UNKNOWN
from tests.support.calls import CALLS, METHOD_CALLS, UFUNC_CALLS

DIRECTIONS = 3


def displaced(call):
    """The call as a function of a displacement of all floating arguments along three directions."""
    places = [i for i, a in enumerate(call.args) if np.asarray(a).dtype.kind == "f"]

    def f(t):
        args = [np.copy(a) if isinstance(a, np.ndarray) else a for a in call.args]
        for i in places:
            x = np.asarray(args[i])
            phases = np.arange(i + 1.0, i + 1.0 + DIRECTIONS * x.size).reshape((DIRECTIONS, *x.shape))
            args[i] = x + sum(t[k] * (0.1 * np.cos(phases[k]))[()] for k in range(DIRECTIONS))
        return call(*args)

    return f


ALL = [
    pytest.param(call, id=f"{getattr(call.function, '__name__', call.function)}-{k}")
    for k, call in enumerate([*CALLS, *UFUNC_CALLS, *METHOD_CALLS])
]


def assert_laplacian(f, x, rtol=1e-9):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        H, found = hessian(f, x), laplacian(f, x)
        shape = np.shape(f(x))
    # The Hessian takes an array of one element for a scalar.
    wanted = np.trace(H.reshape((*shape, x.size, x.size)), axis1=-2, axis2=-1)
    size = np.max(np.abs(H), initial=0.0, where=np.isfinite(H))
    assert np.shape(found) == shape
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("call", ALL)
def test_every_call_along_all_arguments(call):
    assert_laplacian(displaced(call), np.zeros(DIRECTIONS))


#: The rows whose values are not only counts; those whose names begin with _ are partials of others.
SMOOTH = [name for name, row in ROWS.items() if row.kind == "nonlinear" and not name.startswith("_")]


def refused(monkeypatch):
    """What is appended to whenever the Hessian is taken instead."""
    calls = []
    original = driver._by_hessian

    def noted(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(driver, "_by_hessian", noted)
    return calls


def row_of_displacements(row, function, points):
    """A function of a displacement of all arguments that have a known partial."""
    places = [i for i, text in enumerate(row.partials) if text is not None and text is not UNKNOWN]
    weights = np.cos(np.arange(1.0, 1.0 + DIRECTIONS * len(points))).reshape((len(points), DIRECTIONS))

    def f(t):
        return function(*(p + 0.01 * (weights[i] @ t) if i in places else p for i, p in enumerate(points)))

    return f


def points_of(row, shape):
    """Values in the domain of a row; the order of a derivative is one integer."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    found = [rng.uniform(low, high, shape) for low, high in row.domain]
    return [2 if i and row.name.endswith("_derivative") else p for i, p in enumerate(found)]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("shape", [(), (4,)], ids=["scalar", "array"])
def test_every_row_is_collapsed(name, shape, monkeypatch):
    row = ROWS[name]
    hessians = refused(monkeypatch)
    assert_laplacian(row_of_displacements(row, getattr(dd, name), points_of(row, shape)), np.zeros(DIRECTIONS))
    assert not hessians


def test_every_row_of_scipy_special(monkeypatch):
    special = pytest.importorskip("dualdiff.scipy.special")
    hessians = refused(monkeypatch)
    rows = {row.ufunc: row for row in ROW_OF.values() if row.module == "scipy.special" and row.kind == "nonlinear"}
    walked = np.zeros(2, int)
    for row in rows.values():
        function = getattr(special, row.name, None)
        if function is None or not row.partials or row.of:
            continue
        f = row_of_displacements(row, function, [np.array([0.3, 0.7]) + 0.02 * i for i in range(row.arity)])
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                values = [*np.ravel(f(np.zeros(DIRECTIONS))), *np.ravel(hessian(f, np.zeros(DIRECTIONS)))]
        except (NoRuleError, TypeError):
            continue
        assert_laplacian(f, np.zeros(DIRECTIONS), rtol=1e-8)
        assert not (hessians and np.all(np.isfinite(values))), row.name
        walked += [1, not hessians]
        hessians.clear()
    assert np.all(walked > [120, 100])


#: Functions, points, and whether the series can be collapsed there.
ARRAYS = {
    "products": (lambda x: x @ np.sin(x) * x, [0.3, 1.2, -0.7], True),
    "a matrix by a matrix": (lambda x: np.outer(x, x) @ np.sin(np.outer(x, x)), [0.3, 1.2, -0.7], True),
    "three factors": (lambda x: np.einsum("i,i,j->ij", x, np.cos(x), x**2), [0.3, 1.2, -0.7], True),
    "broadcast": (lambda x: np.exp(x[:, None] * x) / (2 + np.sin(x)), [0.3, 1.2, -0.7], True),
    "different directions": (lambda x: np.sin(x[0] * x[1]) * np.exp(x[2]) + x[1:] * x[:-1], [0.3, 1.2, -0.7], True),
    "writes": (lambda x: written(x), [0.3, 1.2, -0.7], True),
    "scalars": (
        lambda x: sum((a - 2 * b * b) ** 3 for a, b in zip(x[1:], x[:-1], strict=True)),
        [0.3, 1.2, -0.7],
        True,
    ),
    "a loop": (lambda x: recursion(x), [0.3, 1.2, -0.7], True),
    "where": (lambda x: np.where(x > 0.5, np.log(x), x**3), [0.0, 1.2, 0.7], True),
    "clip": (lambda x: np.clip(x**3, 0.2, 0.9), [0.0, 1.2, 0.7], True),
    "convolve": (lambda x: np.convolve(np.sin(x), x), [0.3, 1.2, -0.7], True),
    "solve": (lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), np.sin(x)), [0.3, 1.2, -0.7], False),
    "norm": (lambda x: np.linalg.norm(x**2), [0.3, 1.2, -0.7], False),
    "prod": (lambda x: np.prod(x), [0.0, 1.2, -0.7], False),
    "abs of complex": (lambda x: np.abs(np.sum(np.exp(1j * x) * x)), [0.3, 1.2, -0.7], False),
}


def written(x):
    y = dd.zeros(3, like=x)
    y[:2] = x[1:] ** 2
    y[2] = x[0] * y[1]
    y *= y
    return y


def recursion(x):
    s = x[0]
    for k in range(4):
        s = np.sin(s) * x[1] + s**2 / (k + 2) - x[2]
    return s


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name, monkeypatch):
    f, x, is_collapsed = ARRAYS[name]
    hessians = refused(monkeypatch)
    assert_laplacian(f, np.array(x))
    assert (not hessians) == is_collapsed


def test_f_may_catch_what_it_likes():
    """A function that needs the Hessian is not mistaken for a failure of f."""

    def f(x):
        try:
            return np.linalg.norm(x) ** 3
        except:  # noqa: E722
            return np.sum(x)

    x = np.array([0.3, 1.2])
    np.testing.assert_allclose(laplacian(f, x), np.trace(hessian(f, x)))


#: At singular points: the program and its point.
SINGULAR = {
    "sqrt of a harmonic function": (lambda x: np.sqrt(x[0] ** 2 - x[1] ** 2), [0.0, 0.0]),
    "norm": (lambda x: np.sqrt(x @ x), [0.0, 0.0]),
    "norm squared": (lambda x: np.sqrt(x @ x) ** 2, [0.0, 0.0]),
    "hypot": (lambda x: np.hypot(x[0], x[1]) ** 2, [0.0, 0.0]),
    "a masked root": (lambda x: np.sum(np.array([0.0, 1.0]) * np.sqrt(x)), [0.0, 1.0]),
    "a root of what is masked": (lambda x: np.sum(np.sqrt(np.array([0.0, 1.0]) * x)), [0.0, 1.0]),
    "a root squared": (lambda x: np.sum(np.sqrt(x) ** 2), [0.0, 1.0]),
    "a cosine of a root": (lambda x: np.sum(1 - np.cos(np.sqrt(2 * x))), [0.0, 1.0]),
    "abs": (lambda x: np.sum(np.abs(x) ** 2), [0.0, -0.0]),
    "a power": (lambda x: np.sum(x**2.0) + x[0] ** 3 * x[1] ** 0.5, [0.0, 0.0]),
    "maximum": (lambda x: np.maximum(x[0] ** 2, x[1] ** 3), [0.0, 0.0]),
    "xlogx": (lambda x: np.sum(x * np.log(x)), [0.0, 2.0]),
    "where": (lambda x: np.where(x > 0, x * np.sqrt(np.abs(x)), 0.0), [0.0, 2.0]),
    "cbrt": (lambda x: np.sum(np.cbrt(x) ** 3), [0.0, 2.0]),
    "zero weights": (lambda x: np.array([0.0, 1.0]) @ np.log(x), [0.0, 2.0]),
}


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_right_or_nan_at_singular_points(name):
    """As the diagonal of the Hessian."""
    f, x = SINGULAR[name]
    x = np.array(x)
    np.testing.assert_allclose(laplacian(f, x), np.sum(hessian_diagonal(f, x), axis=-1), rtol=1e-12)
