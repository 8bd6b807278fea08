"""Sparsity patterns of compiled functions: those that NumPy's engine finds in the same function."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.rules.numpy.elementwise.table import ROWS

numba = pytest.importorskip("numba")
pytest.importorskip("scipy.sparse")
njit = numba.njit

from dualdiff.compiled.functions.math_rows import COMPILED  # noqa: E402  (needs Numba)
from dualdiff.compiled.lowering import public  # noqa: E402
from dualdiff.compiled.operators.engine import Call  # noqa: E402
from dualdiff.compiled.operators.sparse import index_sets  # noqa: E402

X = np.array([0.3, 0.7, 0.2, 0.9, 0.5, 0.4])
A = np.array([[1.0, 0.0, 0.0, 2.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0, 0.0, 1.0]])
M = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.0, 4.0]])


def point(row):
    """A point in the domain of a row."""
    return [a + (b - a) * (0.31 + 0.13 * i) for i, (a, b) in enumerate(row.domain)]


def found(f, *args, **options):
    """The pattern, found by compiled code alone."""
    call = Call("jacobian_sparsity", f, args, options.get("argnum", 0))
    pattern = index_sets.compiled_pattern(call.f, call.argnum, call.x, call.args[1:])
    result = dd.jacobian_sparsity(f, *args, **options)
    if not isinstance(result, tuple):
        assert np.array_equal(result.indptr, pattern.indptr)
        assert np.array_equal(result.indices, pattern.indices)
        assert result.has_canonical_format
    return result


def together(functions):
    """A compiled function that returns the results of several, which compiles faster than each of them."""
    names = [f"f{i}" for i in range(len(functions))]
    inner = {name: f if hasattr(f, "py_func") else njit(f) for name, f in zip(names, functions, strict=True)}
    return njit(eval(f"lambda x: ({', '.join(f'{name}(x.copy())' for name in names)},)", inner))


# -- one pattern, whichever engine finds it ----------------------------------------------------------------------------
def loop(x):
    y = np.zeros_like(x)
    for i in range(x.size):
        y[i] = x[i] * x[i - 1] if i % 2 else 3.0 * x[i - 2]
    return y


def accumulated(x):
    s = 0.0
    y = np.zeros_like(x)
    for i in range(x.size):
        s += x[i]
        y[i] = s
    return y


def overwritten(x):
    x[0] = x[3] * x[4]
    x[1] = 2.0
    return x * x


def branch(x):
    if x[0] < x[1]:
        return x[2:] * x[:-2]
    return x[:4] * 2.0


FUNCTIONS = {
    "loop": loop,
    "accumulated": accumulated,
    "overwritten": overwritten,
    "branch": branch,
    "a zero by accident": lambda x: (x - x) * x[::-1],
    "zero times": lambda x: 0.0 * x + np.zeros(6) * x[::-1],
    "steps": lambda x: np.floor(x) + np.sign(x) + (x > 0.5),
    "where": lambda x: np.where(x > 0.5, x * 2.0, x[::-1]),
    "where of scalars": lambda x: np.where(x[0] > 0.5, x[1], x[2]) * x,
    "where of a constant": lambda x: np.where(x > 0.5, 1.0, x[0]),
    "maximum": lambda x: np.maximum(x, x[::-1]),
    "minimum": lambda x: np.minimum(x, x[0]),
    "fmax": lambda x: np.fmax(x, x[::-1]),
    "clip": lambda x: np.clip(x, 0.4, 0.6),
    "sum": lambda x: np.sum(x),
    "mean": lambda x: np.mean(x[1:4]),
    "prod": lambda x: np.prod(x[:2]),
    "cumsum": lambda x: np.cumsum(x),
    "cumprod": lambda x: np.cumprod(x[::2]),
    "diff": lambda x: np.diff(x),
    "max": lambda x: np.max(x),
    "sort": lambda x: np.sort(x),
    "median": lambda x: np.median(x),
    "mask": lambda x: x[x > 0.4],
    "var": lambda x: np.var(x[:3]),
    "reshape": lambda x: x.reshape((2, 3)).T.copy(),
    "stack": lambda x: np.stack((x[:3], x[3:] * x[0])),
    "concatenate": lambda x: np.concatenate((x[3:], x[:1])),
    "roll": lambda x: np.roll(x, 2) * x,
    "dot": lambda x: np.dot(x[:3], x[3:]),
    "matrix by vector": lambda x: A @ x,
    "vector by matrix": lambda x: x[:2] @ A,
    "matrix by matrix": lambda x: A[:, :3].copy() @ x.reshape((3, 2)),
    "outer": lambda x: np.outer(x[:2], x[2:4]),
    "norm": lambda x: np.linalg.norm(x[:2]),
    "solve": lambda x: np.linalg.solve(M, x[:3]),
    "solve, in the matrix": lambda x: np.linalg.solve(M + np.diag(x[:3]), x[3:]),
    "solve, several": lambda x: np.linalg.solve(M, x.reshape((3, 2))),
    "inv": lambda x: np.linalg.inv(M * x[0]),
    "det": lambda x: np.linalg.det(x[:4].reshape((2, 2))),
    "det of a singular matrix": lambda x: np.linalg.det((x * 0.0)[:4].reshape((2, 2))),
    "slogdet": lambda x: np.linalg.slogdet(M + np.diag(x[:3]))[1],
    "interp": lambda x: np.interp(np.array([-1.0, 0.1, 9.0]), np.arange(6.0), x),
    "convolve": lambda x: np.convolve(x, np.array([1.0, 2.0])),
    "power": lambda x: x**2 + x[::-1] ** x,
    "in single precision": lambda x: np.float32(2.0) * x,
}


def test_the_pattern_is_that_of_numpys_engine():
    pattern, start = found(together(FUNCTIONS.values()), X).toarray(), 0
    for name, f in FUNCTIONS.items():
        expected = dd.jacobian_sparsity(f, X).toarray()
        stop = start + len(expected)
        assert np.array_equal(pattern[start:stop], expected), name
        start = stop
    assert start == len(pattern)


def test_every_row_of_the_table_depends_on_what_it_has_partials_for():
    calls, expected, names = [], [], {}
    for name, row in COMPILED.items():
        if name in ROWS and not name.startswith("_"):
            names[name] = public(name)
            parts = [f"x[{len(expected) + i}]" for i in range(row.arity)]
            calls.append(f"{name}({', '.join(parts)})")
            expected += [row.text(i, False) is not None for i in range(row.arity)]
    owner = [i for i, (name, row) in enumerate((n, COMPILED[n]) for n in names) for _ in range(row.arity)]
    x = np.concatenate([point(COMPILED[name]) for name in names])
    pattern = found(njit(eval(f"lambda x: ({', '.join(calls)})", dict(names))), x).toarray()
    for i, name in enumerate(names):
        assert pattern[i].tolist() == [expected[k] and owner[k] == i for k in range(len(x))], name


def test_both_sides_of_the_choices_of_python():
    f = njit(lambda x: np.array([max(x[0], x[1]), min(x[1], x[2], 0.1)]))
    assert found(f, X[:4]).toarray().tolist() == [[1, 1, 0, 0], [0, 1, 1, 0]]


def test_what_depends_on_a_knot_depends_on_both_ends():
    f = njit(lambda x: np.interp(x[:2], x[2:4] * np.array([0.0, 1.0]) + np.array([-3.0, 9.0]), x[4:]))
    assert found(f, X).toarray().tolist() == [[1, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]


# -- sizes: from a single pass to several levels of refinement ---------------------------------------------------------
@njit
def sums(x, starts, places):
    y = np.zeros(starts.size - 1, x.dtype)
    for i in range(y.size):
        for k in range(starts[i], starts[i + 1]):
            y[i] += x[places[k]]
    return y


def structure(rows, columns, seed, most=6, full=()):
    rng = np.random.default_rng(seed)
    parts = [np.unique(rng.integers(columns, size=rng.integers(most + 1))) for _ in range(rows)]
    for i in full:
        parts[i] = np.arange(columns)
    return np.cumsum([0, *map(len, parts)]), np.concatenate([*parts, np.zeros(0, int)]).astype(int)


@pytest.mark.parametrize("columns", [1, 2, 31, 32, 33, 255, 256, 257, 1000, 5000])
@pytest.mark.parametrize("full", [(), (3,)])
def test_random_structures(columns, full):
    starts, places = structure(50, columns, columns, full=full)
    pattern = found(sums, np.ones(columns), starts, places)
    assert np.array_equal(pattern.indptr, starts)
    assert np.array_equal(pattern.indices, places)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_columns_in_bands(dtype):
    f = njit(lambda x: x[2:] * x[:-2] + x[1:-1])
    for n in 3, 300, 70_000:
        pattern = found(f, np.ones(n, dtype))
        assert np.array_equal(pattern.indices.reshape(-1, 3), np.arange(n - 2)[:, None] + np.arange(3))


def test_precisions_meet():
    """Single precision has 32 bits for a set, double 64."""
    f = njit(lambda x: np.stack((np.float32(1.0) * x[::-1], x * np.float64(2.0))))
    n = 600
    eye = np.eye(n, dtype=bool)
    assert np.array_equal(found(f, np.ones(n, np.float32)).toarray(), np.vstack([eye[::-1], eye]))


def test_no_columns_and_no_rows():
    assert found(njit(lambda x: np.ones(3)), np.zeros(0)).shape == (3, 0)
    assert found(njit(lambda x: x[:0]), np.zeros(3)).shape == (0, 3)


def test_a_refinement_takes_as_few_passes_as_colours_fit():
    """A band: a pass for the blocks, and one for each factor by which they are divided."""
    calls = []
    f, n = njit(lambda x: x[1:] * x[:-1]), 100_000
    found(f, np.ones(n))
    driver = index_sets.sets_of(f, 0)
    f._dualdiff["sets_of", 0] = lambda x, places, total, *args: calls.append(total) or driver(x, places, total, *args)
    dd.jacobian_sparsity(f, np.ones(n))
    assert len(calls) < 5
    assert max(calls) <= index_sets.WORDS * index_sets.BITS


# -- arguments and results ---------------------------------------------------------------------------------------------
def test_several_arguments_and_results():
    f = njit(lambda a, k, b: (a * k, b[::-1]))
    a, b = np.ones(2), np.ones(3)
    of_a, of_b = dd.jacobian_sparsity(f, a, 2.0, b, argnum=(0, 2))
    assert of_a.toarray().tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]]
    assert of_b.toarray().tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert dd.jacobian_sparsity(f, a, 2.0, b, argnum=2).shape == (5, 3)
    assert dd.jacobian_sparsity(njit(lambda p: p[0] * p[1]), (a, 3.0)).toarray().tolist() == [[1, 0, 1], [0, 1, 1]]


def test_what_compiled_code_does_not_follow_is_left_to_numpys_engine():
    cases = {
        "complex": (lambda x: np.abs(x * (1.0 + 2.0j)), X),
        "complex x": (lambda x: x * x[0], X + 1j),
        "a scalar": (lambda x: x * x, 2.0),
        "two precisions": (lambda p: p[0] * p[1], (np.ones(2, np.float32), np.ones(2))),
    }
    for f, x in cases.values():
        compiled = njit(f)
        for _ in range(2):
            assert np.array_equal(dd.jacobian_sparsity(compiled, x).toarray(), dd.jacobian_sparsity(f, x).toarray())


def test_errors_of_f_are_its_own():
    @njit
    def refusing(x):
        if x[0] > 0:
            raise ValueError("too large")
        return x

    with pytest.raises(ValueError, match="too large"):
        dd.jacobian_sparsity(refusing, np.ones(2))
    assert dd.jacobian_sparsity(refusing, -np.ones(2)).nnz == 2


# -- Jacobians ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["loop", "overwritten", "where", "maximum", "matrix by vector", "solve", "det", "sort"]
)
def test_jacobians_without_a_pattern(name):
    f, x = njit(FUNCTIONS[name]), X.copy()
    expected = dd.jacobian(f, x)
    np.testing.assert_allclose(dd.jacobian(f, x, sparse=True).toarray(), np.reshape(expected, (-1, x.size)), rtol=1e-12)


def test_an_operator_for_many_x_follows_other_branches():
    f = njit(FUNCTIONS["branch"])
    derived = dd.jacobian(f, sparse=True)
    for x in X, X[::-1].copy(), X, X + 1, X[::-1].copy():
        assert np.array_equal(derived(x).toarray(), dd.jacobian(f, x))
