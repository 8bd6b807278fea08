"""Compiled drivers beyond one array and one scalar: threads, patterns, tuples, aux, batches, whole algorithms."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

import dualdiff
from dualdiff.core.containers import flatten

numba = pytest.importorskip("numba")
njit = numba.njit

from dualdiff.compiled.operators import drivers  # noqa: E402  (needs Numba)

X = np.linspace(0.5, 1.5, 21)
Layer = namedtuple("Layer", "weights bias")
LAYER = Layer(np.arange(1.0, 5.0).reshape(2, 2), 0.5)


def assert_same(found, expected):
    """Check that two results are equal, in the same nesting."""
    (found, _), (expected, _) = flatten(found), flatten(expected)
    assert list(map(np.shape, found)) == list(map(np.shape, expected))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@njit
def chain(x):
    total = 0.0
    for i in range(x.size - 1):
        total += x[i] ** 2 * np.sin(x[i + 1])
    return total


@njit
def ring(x):
    found = np.empty_like(x)
    for i in range(x.size):
        found[i] = x[i] ** 2 * x[(i + 1) % x.size] - x[i - 1]
    return found


# -- threads -----------------------------------------------------------------------------------------------------------
def test_threads_give_the_same_bits(monkeypatch):
    monkeypatch.setattr(drivers.config, "NUMBA_NUM_THREADS", 3)
    curve = njit(lambda x: np.sqrt(x * x) * np.sin(x + 1))
    points = X[:20].reshape(4, 5) - X[0]  # with a zero, which needs the masked driver
    values, slopes = dualdiff.value_and_derivative(curve, points, parallel=True)
    np.testing.assert_array_equal(values, curve(points))
    np.testing.assert_array_equal(slopes, dualdiff.value_and_derivative(curve, points)[1])
    assert slopes[0, 0] == 0
    for operator in dualdiff.gradient, dualdiff.hessian:
        np.testing.assert_array_equal(operator(chain, X, parallel=True), operator(chain, X))
    # Each call has a pool of its own, so that several threads can call.
    with ThreadPoolExecutor(4) as pool:
        for slope in pool.map(lambda _: dualdiff.gradient(chain, X, parallel=True), range(8)):
            np.testing.assert_array_equal(slope, dualdiff.gradient(chain, X))


def test_parts_cover_the_directions_once(monkeypatch):
    for threads in 1, 2, 5:
        monkeypatch.setattr(drivers.config, "NUMBA_NUM_THREADS", threads)
        for total in 0, 1, 7, 64, 1000:
            for triangular in False, True:
                parts = drivers.ranges(total, 8, triangular)
                assert [i for start, stop in parts for i in range(start, stop)] == list(range(total))
                assert len(parts) <= threads
                assert not any(start % 8 for start, _ in parts)


@pytest.mark.parametrize("name", ["derivative", "gradient", "jacobian", "hessian"])
def test_only_compiled_functions_are_spread_over_cores(name):
    operator = getattr(dualdiff, name)
    with pytest.raises(TypeError, match=rf"{name}: parallel=True .* decorate f with @njit"):
        operator(lambda x: x * x, 1.0, parallel=True)
    with pytest.raises(TypeError, match=f"value_.*{name}: parallel=True"):
        getattr(dualdiff, {"hessian": "value_gradient_and_hessian"}.get(name, f"value_and_{name}"))(
            np.sin, 1.0, parallel=True
        )


# -- patterns ----------------------------------------------------------------------------------------------------------
def test_coloured_jacobian():
    expected = dualdiff.jacobian(ring.py_func, X)
    pattern = dualdiff.jacobian_sparsity(ring, X)
    np.testing.assert_array_equal(pattern.toarray(), expected != 0)
    for found in (
        dualdiff.jacobian(ring, X, sparse=pattern),
        dualdiff.jacobian(ring, sparse=pattern)(X),
        dualdiff.jacobian(ring, X, sparse=pattern.toarray(), check=True),
        dualdiff.jacobian(ring, X, sparse=True),
        dualdiff.jacobian(ring, sparse=True)(X),
    ):
        assert sparse.issparse(found)
        assert found.nnz == pattern.nnz
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-14)
    value, _ = dualdiff.value_and_jacobian(ring, X, sparse=pattern)
    np.testing.assert_array_equal(value, ring(X))


def test_patterns_that_do_not_fit_a_compiled_function():
    with pytest.raises(ValueError, match=r"lacks 42 entries .* row 0, column 1"):
        dualdiff.jacobian(ring, X, sparse=np.eye(21), check=True)
    with pytest.raises(ValueError, match=r"\(22, 22\), but x has 21 elements"):
        dualdiff.jacobian(ring, X, sparse=np.eye(22))
    with pytest.raises(ValueError, match=r"\(20, 21\), but f returned 21 elements"):
        dualdiff.jacobian(ring, X, sparse=np.eye(20, 21))
    with pytest.raises(ValueError, match="not a pattern"):
        dualdiff.jacobian(ring, X, sparse=True, check=True)
    rounded = njit(lambda x: np.array([float(int(x[0])), np.abs(x[1] * 1j)]))
    with pytest.raises(dualdiff.NoRuleError, match="pass the pattern"):
        dualdiff.jacobian(rounded, X, sparse=True)


def test_the_pattern_of_a_function_that_is_random():
    f = njit(lambda x: _filled(np.zeros(2), x[0]))
    np.testing.assert_array_equal(dualdiff.jacobian_sparsity(f, X).toarray(), np.eye(21)[[0, 0]] != 0)
    assert 0 < dualdiff.jacobian(f, X, sparse=True).toarray()[0, 0] < 1


@njit
def _filled(buffer, x):
    buffer[0] = np.random.random()  # noqa: NPY002  (as compiled code may have it)
    return buffer * x


# -- tuples ------------------------------------------------------------------------------------------------------------
@njit
def layer(p, scale):
    return scale * np.tanh(p.weights[0, 0] * p.weights[1, 1]) * p.bias**2


def test_x_in_a_named_tuple():
    f, direction = layer.py_func, Layer(LAYER.weights - 1, 2.0)
    assert_same(dualdiff.gradient(layer, LAYER, 3.0), dualdiff.gradient(f, LAYER, 3.0))
    assert isinstance(dualdiff.gradient(layer, LAYER, 3.0), Layer)
    assert_same(dualdiff.hessian(layer, LAYER, 3.0), dualdiff.hessian(f, LAYER, 3.0))
    assert_same(dualdiff.jvp(layer, LAYER, direction, 3.0), dualdiff.jvp(f, LAYER, direction, 3.0))


def test_results_in_tuples():
    @njit
    def several(x):
        return x[:2] * x[2], (x[0], Layer(x * x[1], 2.0))

    f = several.py_func
    assert_same(dualdiff.value_and_jacobian(several, X[:3]), dualdiff.value_and_jacobian(f, X[:3]))


def test_both_in_tuples_and_another_argument_first():
    @njit
    def both(scale, pair):
        return pair[0][0] * scale, pair[1] ** 2

    pair = (np.array([1.0, 2.0]), 3.0)
    found = dualdiff.jvp(both, pair, pair, 2.0, argnum=1)
    assert_same(found, dualdiff.jvp(both.py_func, pair, pair, 2.0, argnum=1))


def test_containers_that_compiled_functions_cannot_take():
    with pytest.raises(dualdiff.NoRuleError, match="named tuple"):
        dualdiff.gradient(layer, {"weights": X, "bias": 1.0}, 3.0)
    with pytest.raises(dualdiff.NoRuleError, match=r"\['float32', 'float64'\]"):
        dualdiff.gradient(layer, Layer(np.ones((2, 2), np.float32), 1.0), 3.0)
    with pytest.raises(TypeError, match="use gradient or jacobian"):
        dualdiff.derivative(layer, LAYER, 3.0)


# -- aux, batches, higher derivatives ----------------------------------------------------------------------------------
def test_aux():
    pair = njit(lambda x: (x[0] * x[1], (x[0], "note")))
    f = pair.py_func
    assert_same(dualdiff.gradient(pair, X[:2], has_aux=True)[0], dualdiff.gradient(f, X[:2], has_aux=True)[0])
    (value, aux), _ = dualdiff.value_and_gradient(pair, X[:2], has_aux=True)
    assert (value, aux) == (X[0] * X[1], (X[0], "note"))
    with pytest.raises(TypeError, match="gradient: with has_aux=True"):
        dualdiff.gradient(chain, X, has_aux=True)


def test_batches():
    @njit
    def each(x):
        found = np.empty(len(x), x.dtype)
        for i in range(len(x)):
            found[i] = x[i, 0] * x[i, 1] ** 2
        return found

    points = X[:8].reshape(4, 2)
    expected = np.stack([points[:, 1] ** 2, 2 * points[:, 0] * points[:, 1]], axis=1)
    np.testing.assert_allclose(dualdiff.gradient(each, points, batch_dims=1), expected, rtol=1e-15)
    np.testing.assert_allclose(dualdiff.jacobian(each, points, batch_dims=1), expected, rtol=1e-15)
    with pytest.raises(ValueError, match="batch_dims=1"):
        dualdiff.jacobian(njit(lambda x: x[0]), points, batch_dims=1)
    with pytest.raises(dualdiff.MixedPointsError, match="treats the points"):
        dualdiff.gradient(njit(lambda x: x[:, 0] * x[1, 1]), points, batch_dims=1)
    with pytest.raises(dualdiff.NoRuleError, match=r"batch_dims=1 .*py_func"):
        dualdiff.hessian(each, points, batch_dims=1)


def test_higher_derivatives():
    f = njit(lambda x, a: a * x**4)
    assert [dualdiff.nth_derivative(f, 2.0, 3.0, n) for n in (0, 1, 2)] == [48, 96, 144]


def test_derivatives_of_compiled_functions_are_checked():
    assert dualdiff.check_derivative(chain, X[:4]).passed


# -- whole algorithms as compiled functions ----------------------------------------------------------------------------
@njit
def residual(new, old, h, rates):
    """The residual of an implicit Euler step for a reversible reaction."""
    change = h * (rates[0] * new[0] - rates[1] * new[1] ** 2)
    found = np.empty_like(new)
    found[0], found[1] = new[0] - old[0] + change, new[1] - old[1] - change
    return found


@njit
def implicit_euler(y, h, steps, rates):
    for _ in range(steps):
        new = y.copy()
        for _ in range(8):
            (a, b), (c, d) = dualdiff.jacobian(residual, new, y, h, rates)
            r, s = residual(new, y, h, rates)
            det = a * d - b * c
            new[0] -= (d * r - b * s) / det
            new[1] -= (a * s - c * r) / det
        y = new
    return y


def test_implicit_stepper():
    rates, y = np.array([1e4, 2.0]), np.array([1.0, 0.0])
    found = implicit_euler(y, 0.1, 3, rates)
    assert found.sum() == pytest.approx(1.0, rel=1e-12)
    # Each step solves a quadratic equation for the second species; y1 follows from conservation.
    b = 0.0
    for _ in range(3):
        p, q = 0.1 * rates[1], 1 + 0.1 * rates[0]
        b = (-q + np.sqrt(q**2 + 4 * p * (b + 0.1 * rates[0]))) / (2 * p)
    assert found[1] == pytest.approx(b, rel=1e-9)


@njit
def log_density(q, precision):
    return -0.5 * precision * q[0] ** 2 - 0.25 * (q[1] - q[0]) ** 4


@njit
def leapfrog(q, p, step, steps, precision):
    for _ in range(steps):
        p = p + 0.5 * step * dualdiff.gradient(log_density, q, precision)
        q = q + step * p
        value, slope = dualdiff.value_and_gradient(log_density, q, precision)
        p = p + 0.5 * step * slope
    return q, p, value


@njit
def sample(q, count, precision, seed):
    np.random.seed(seed)  # noqa: NPY002  (Numba's own generator)
    accepted, squares = 0, 0.0
    for _ in range(count):
        p = np.random.standard_normal(q.size)  # noqa: NPY002
        before = log_density(q, precision) - 0.5 * np.sum(p * p)
        new, moved, value = leapfrog(q, p, 0.2, 10, precision)
        change = value - 0.5 * np.sum(moved * moved) - before
        if np.log(np.random.random()) < change:  # noqa: NPY002
            q = new
            accepted += 1
        squares += q[0] ** 2
    return squares / count, accepted / count


def test_hamiltonian_sampler():
    q, p = np.array([0.3, -0.2]), np.array([0.5, 1.0])
    there = leapfrog(q, p, 0.1, 20, 4.0)
    back = leapfrog(there[0], -there[1], 0.1, 20, 4.0)
    np.testing.assert_allclose(back[0], q, rtol=1e-12)
    variance, rate = sample(q, 4000, 4.0, 1)
    assert variance == pytest.approx(0.25, rel=0.1)
    assert rate > 0.9


# -- caching -----------------------------------------------------------------------------------------------------------
CACHED = """
import dualdiff, numba

@numba.njit(cache=True)
def f(a, x):
    return a * x**{power}

@numba.njit(cache=True)
def newton(a, x):
    return x - f(x, a) / dualdiff.derivative(f, x, a)

found = dualdiff.derivative(f, 2.0, 3.0, argnum=1), newton(2.0, 1.0)
drivers = [newton, *(d for key, d in f._dualdiff.items() if key[0] == "driver_of")]
print(*found, *(sum(s.values()) for d in drivers for s in (d.stats.cache_hits, d.stats.cache_misses)))
"""


@pytest.fixture
def run_script(tmp_path):
    """Run a script in a new process, with the cache of earlier ones; return the words that it printed."""

    def run(text, *arguments, **environment):
        script = tmp_path / "script.py"
        script.write_text(text)
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment}
        command = [sys.executable, "-W", "error", str(script), *arguments]
        return subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout.split()

    return run


def test_drivers_are_cached_with_their_functions(run_script):
    assert run_script(CACHED.format(power=3)) == ["54.0", "0.0", "0", "1", "0", "1"]
    assert run_script(CACHED.format(power=3)) == ["54.0", "0.0", "1", "0", "1", "0"]
    assert run_script(CACHED.format(power=2)) == ["12.0", "0.0", "0", "1", "0", "1"]


OF_EACH_ARGUMENT = """
import sys
import dualdiff, numba, numpy as np
from dualdiff.core.containers import flatten

@numba.njit(cache=True)
def f(a, x):
    return a**2 * x**4

@numba.njit(cache=True)
def total(a, x):
    return (a**2 * x**4).sum()

@numba.njit(cache=True)
def each(a, x):
    return a**2 * x**4

names = ("derivative", "value_and_derivative", "gradient", "value_and_gradient", "jacobian", "value_and_jacobian",
         "hessian", "value_gradient_and_hessian", "jvp", "hvp", "nth_derivative")
numbers, arrays = (2.0, 3.0), (np.array([2.0]), np.array([3.0]))
for argnum in map(eval, sys.argv[1:]):
    for name in names[2:4] if isinstance(argnum, tuple) else names:
        operator = getattr(dualdiff, name)
        g = f if "derivative" in name else each if "jacobian" in name or name == "jvp" else total
        x, y = numbers if g is f else arrays
        options = {"n": 2} if name == "nth_derivative" else {}
        given = (x, x, y) if name in ("jvp", "hvp") else (x, y)
        found = operator(g, *given, argnum=argnum, **options)
        expected = operator(g.py_func, *given, argnum=argnum, **options)
        if not all(map(np.allclose, flatten(found)[0], flatten(expected)[0])):
            print(name, argnum, found, expected)
"""


def test_cached_drivers_are_of_one_argument(run_script):
    """In the process that caches them, and in the next."""
    assert run_script(OF_EACH_ARGUMENT, "0", "1", "(0,1)", "(1,0)", NUMBA_OPT="0") == []
    assert run_script(OF_EACH_ARGUMENT, "(1,0)", "1", "0", NUMBA_OPT="0") == []


OF_EACH_CLASS = """
import sys
from collections import namedtuple
import dualdiff, numba

@numba.njit(cache=True)
def f(p):
    return p.a**2 * p.b

found = [namedtuple("P", fields.split(","))(a=2.0, b=5.0) for fields in sys.argv[1:]]
for p in found:
    value, slope = dualdiff.value_and_gradient(f, p)
    print(value, slope.a, slope.b)
"""


def test_cached_drivers_are_of_one_class_of_tuples(run_script):
    expected = ["20.0", "20.0", "4.0"]
    assert run_script(OF_EACH_CLASS, "a,b", "b,a") == 2 * expected
    assert run_script(OF_EACH_CLASS, "b,a") == expected


OF_OTHER_RULES = """
import sys
from dualdiff.compiled import caching

caching.source_version = lambda: sys.argv[1]

import dualdiff, numba

@numba.njit(cache=True)
def square(x):
    return x**2

@numba.njit(cache=True)
def slope(x):
    return dualdiff.derivative(square, x)

@numba.njit(cache=True)
def outer(x):
    return slope(x)

@numba.njit(cache=True)
def plain(x):
    return x + 1

dualdiff.gradient(square, 3.0), outer(3.0), plain(3.0)
drivers = [d for key, d in square._dualdiff.items() if key[0] == "driver_of"]
print(*(sum(d.stats.cache_hits.values()) for d in (outer, *drivers, square, plain)))
"""


def test_nothing_cached_outlives_the_rules(run_script):
    """Nor do functions that call an operator indirectly; the cache of functions without derivatives is Numba's."""
    assert run_script(OF_OTHER_RULES, "old") == ["0", "0", "0", "0"]
    assert run_script(OF_OTHER_RULES, "old") == ["1", "1", "0", "1"]
    assert run_script(OF_OTHER_RULES, "new") == ["0", "0", "0", "1"]


WITH_HELPER = """
import sys
import dualdiff, numba
import helper

@numba.njit(cache=True)
def f(x):
    return helper.g(x)

print(*dualdiff.value_and_derivative(f, 3.0))
"""


def test_cached_drivers_follow_the_functions_that_f_calls(run_script, tmp_path):
    """Those of another file, of which Numba's cache of f does not know."""
    for power, expected in (2, ["9.0", "6.0"]), (3, ["27.0", "27.0"]):
        text = f"import numba\n@numba.njit\ndef g(x):\n    return x**{power}\n"
        (tmp_path / "helper.py").write_text(text)
        assert run_script(WITH_HELPER, PYTHONDONTWRITEBYTECODE="1") == expected


def test_drivers_follow_a_function_that_is_recompiled():
    names = {"njit": njit}
    for name, body in ("g", "x**2"), ("f", "g(x)"):
        exec(f"@njit\ndef {name}(x):\n    return {body}", names)
    f, x = names["f"], np.array([3.0])
    first = njit(lambda x: f(x[0]))
    assert dualdiff.derivative(f, 3.0) == dualdiff.derivative(f, 3.0) == 6
    assert dualdiff.gradient(first, x)[0] == dualdiff.gradient(first, x)[0] == 6
    exec("@njit\ndef g(x):\n    return x**3", names)
    f.recompile()
    first.recompile()
    assert dualdiff.value_and_derivative(f, 3.0) == (f(3.0), dualdiff.derivative(f, 3.0)) == (27, 27)
    assert dualdiff.gradient(first, x)[0] == dualdiff.gradient(first, x)[0] == 27


# -- what is not compiled ----------------------------------------------------------------------------------------------
@njit
def _weighted(x, a=1.0, b=2.0):
    return (x * x).sum() * a * b


def test_keywords_of_a_compiled_function():
    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(dualdiff.gradient(_weighted)(x, b=3.0), 6 * x)
    np.testing.assert_allclose(dualdiff.gradient(_weighted, argnum=1)(x, 4.0, b=3.0), 15.0)
    np.testing.assert_allclose(dualdiff.hvp(_weighted)(x, x, b=3.0), 6 * x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        dualdiff.gradient(_weighted)(x, c=3.0)


def test_a_derivative_of_a_derivative_is_the_second():
    cube = njit(lambda x: x**3)
    assert dualdiff.derivative(dualdiff.derivative(cube))(2.0) == 12.0
    assert dualdiff.derivative(lambda x: x * dualdiff.derivative(cube, x), 2.0) == 36.0
    assert dualdiff.nth_derivative(cube, 2.0, 2) == 12.0


def test_signatures_leave_no_room_for_duals():
    with pytest.raises(dualdiff.NoRuleError, match=r"only for the signatures given to @njit.*without signatures"):
        dualdiff.derivative(njit("float64(float64)")(lambda x: x**2), 1.0)


def test_ufuncs_of_numba_made_of_lambda_functions():
    for ufunc in numba.vectorize(lambda x: x**2), numba.vectorize(["float64(float64)"])(lambda x: x**2):
        assert dualdiff.derivative(ufunc, 3.0) == 6.0
        assert dualdiff.derivative(dualdiff.derivative(ufunc), 3.0) == 2.0


def test_a_generalized_ufunc_without_signatures_asks_for_its_output_as_numba_does():
    @numba.guvectorize("(n)->()")
    def sum_of_squares(x, out):
        out[0] = np.sum(x * x)

    for call in sum_of_squares, lambda x: dualdiff.gradient(sum_of_squares, x):
        with pytest.raises(TypeError, match="Too few arguments for function 'sum_of_squares'"):
            call(X)


def test_the_error_of_a_plain_buffer_names_buffers_for_duals():
    def squares(make):
        @njit
        def f(x):
            y = make(x)
            for i in range(x.size):
                y[i] = x[i] ** 2
            return y.sum()

        return f

    x = np.array([1.0, 2.0])
    with pytest.raises(dualdiff.LostDerivativeError, match=r"np\.zeros\(n, x\.dtype\), np\.zeros_like\(x\) or"):
        dualdiff.gradient(squares(njit(lambda x: np.zeros(x.size))), x)
    for make in lambda x: np.zeros(x.size, x.dtype), lambda x: np.zeros_like(x):
        np.testing.assert_array_equal(dualdiff.gradient(squares(njit(make)), x), 2 * x)
