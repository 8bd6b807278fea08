"""Compiled reverse mode, against compiled forward mode and NumPy's engine; what it refuses, and where auto takes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualdiff
from dualdiff.rules.numpy.elementwise.table import ROWS

numba = pytest.importorskip("numba")
njit = numba.njit

from dualdiff.compiled.operators import taped, widths  # noqa: E402  (needs Numba)
from tests.compiled.test_compiled_rows import UNKNOWN_TO_NUMBA, WHOLE, callers, expected, point  # noqa: E402

X = np.linspace(0.5, 1.5, 80)


# -- every row of the table --------------------------------------------------------------------------------------------
def calls_of_rows():
    """For each row and each name, the call with another element of x as each argument: (row, arguments, source)."""
    for row in ROWS.values():
        smooth = [i for i in range(row.arity) if i not in WHOLE.get(row.name, ())]
        numbers = [repr(int(x)) if row.name == "ldexp" and i == 1 else f"{x!r}" for i, x in enumerate(point(row))]
        arguments = [f"(x[{i}] + {x})" if i in smooth else f"({x})" for i, x in enumerate(numbers)]
        for name, template in callers(row).items():
            if name not in UNKNOWN_TO_NUMBA:
                yield row, smooth, template.format(*arguments)


@pytest.mark.parametrize("part", range(2))
def test_rows(part):
    cases = list(calls_of_rows())[part::2]
    scope = {"np": np, "math": __import__("math"), "dualdiff": dualdiff}
    source = "\n".join(f"    y[{k}] = {text}" for k, (*_, text) in enumerate(cases))
    exec(f"def f(x):\n    y = np.empty({len(cases)}, x.dtype)\n{source}\n    return y", scope)
    f, at = njit(scope["f"]), np.zeros(3)
    values, found = dualdiff.value_and_jacobian(f, at, mode="reverse")
    np.testing.assert_array_equal(values, f(at))
    for (row, smooth, text), slopes in zip(cases, found, strict=True):
        for i in range(3):
            slope = expected(row, [i]) if i in smooth else 0.0
            np.testing.assert_allclose(slopes[i], slope, rtol=1e-12, atol=1e-300, err_msg=text)


# -- programs ----------------------------------------------------------------------------------------------------------
@njit
def halves(x):
    for i in range(x.size):
        x[i] /= 2.0


@njit
def branching(x):
    total, product = 0.0, 1.0
    for i in range(x.size):
        if x[i] > 1:
            total += np.sin(x[i]) * x[i - 1]
        elif x[i] > 0.75:
            product *= x[i]
            continue
        total = max(total, 0.1) - product / (1 + total**2)
    return total * product


@njit
def aliased(x):
    view = x[2:]
    view[0] = x[0] * x[1]
    x[1] = view[0] + x[2]
    halves(view)
    y = x
    y *= x[3]
    return x[2] * view[1] + x[1] + np.sum(y)


@njit
def stepping(x):
    state, rate = x[:4].copy(), np.empty(4, x.dtype)
    for _ in range(30):
        for i in range(4):
            rate[i] = x[4] * state[i - 1] - state[i] * state[i - 2]
        state = state + 0.01 * rate
    return state[0] * state[3]


@njit
def unwritten(x):
    """Arithmetic on all of a new array, of which a part is written."""
    y = np.empty_like(x)
    z = np.empty(x.size, x.dtype)
    y[1:] = x[1:] * x[:-1]
    w = y * 2.0 + x * z + y
    z[:] = w
    z[0] = 0.0
    for i in range(1, x.size):
        z[i] = y[i] * y[i]
    return z.sum()


@njit
def listed(x):
    items = [x[0]]
    for i in range(1, x.size):
        items.append(items[i - 1] * x[i])
    pair = (items[2], items[-1])
    return np.sum(np.array(items)) * pair[0] - pair[1]


@njit
def constant(x):
    return 3.0 if x[0] > 0 else x[1]


@njit
def one_element(x):
    return x[2]


PROGRAMS = [branching, aliased, stepping, unwritten, listed, constant, one_element]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.py_func.__name__)
def test_programs(f):
    x = X.copy()
    value, slope = dualdiff.value_and_gradient(f, x, mode="reverse")
    np.testing.assert_array_equal(x, X)
    assert value == f(X.copy())
    forward = dualdiff.gradient(f, x, mode="forward")
    np.testing.assert_allclose(slope, forward, rtol=1e-13, atol=1e-15)
    second = dualdiff.hessian(f, x[:5], mode="reverse")
    forward = dualdiff.hessian(f, x[:5], mode="forward")
    np.testing.assert_allclose(second, forward, rtol=1e-12, atol=1e-13)
    along = dualdiff.hvp(f, x[:5], x[5:10], mode="reverse")
    np.testing.assert_allclose(along, forward @ x[5:10], rtol=1e-12, atol=1e-13)


OPERATIONS = (
    *("a + b", "a - b", "a * b", "a / (2 + b * b)", "np.sin(a)", "np.exp(-b * b)", "a * 2.5", "3.0 - b"),
    *("np.maximum(a, b)", "np.hypot(a, b + 2)", "np.arctan2(a, 2 + np.abs(b))", "np.tanh(a * b)", "a if a > b else b"),
    *("np.abs(a)", "np.minimum(b, 0.5) + a", "(2 + a * a) ** np.tanh(b)", "np.logaddexp(a, b)"),
)


@pytest.mark.parametrize("seed", range(3))
def test_random_programs(seed):
    random = np.random.default_rng(seed)
    lines = []
    for step in range(5, 65):
        i, j = random.integers(0, step, 2)
        operation = OPERATIONS[random.integers(len(OPERATIONS))]
        loop = "if x[0] > 0:\n        " if random.random() < 0.3 else ""
        text = operation.replace("a", "@").replace("b", "#")
        for word in ("np.@rct@n2", "np.m@ximum", "np.t@nh", "np.@#s", "np.log@ddexp"):
            text = text.replace(word, word.replace("@", "a").replace("#", "b"))
        text = text.replace("@", f"t[{i}]").replace("#", f"t[{j}]")
        lines.append(f"    {loop}t[{step}] = {text}")
    scope = {"np": np}
    body = "\n".join(lines)
    exec(f"def f(x):\n    t = np.zeros(65, x.dtype)\n    t[:5] = x\n{body}\n    return t", scope)
    f, x = njit(scope["f"]), random.normal(size=5)
    found = dualdiff.jacobian(f, x, mode="reverse")
    np.testing.assert_allclose(found, dualdiff.jacobian(f, x, mode="forward"), rtol=1e-11, atol=1e-12)
    _, linear = dualdiff.linearize(f, x)
    np.testing.assert_allclose(linear(np.eye(5)).T, found, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(linear.T(np.eye(65)), found, rtol=1e-11, atol=1e-12)


# -- arguments and results ---------------------------------------------------------------------------------------------
@njit
def weighted(w, x):
    return np.sum(w[: x.shape[0]] * x[:, 0]) * w[0]


def test_argnum_layouts_and_precision():
    w, x = X[:5], np.asfortranarray(X.reshape(16, 5)[:5])
    for argnum in 0, 1, (0, 1), -1:
        for points in x, x[:, ::-1], np.ascontiguousarray(x):
            found = dualdiff.gradient(weighted, w, points, argnum=argnum, mode="reverse")
            expected = dualdiff.gradient(weighted, w, points, argnum=argnum, mode="forward")
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-14)
    narrow = X.astype(np.float32)
    square = njit(lambda x: np.sum(x * x) + 2.0 * x[0])
    found = dualdiff.gradient(square, narrow, mode="reverse")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * narrow + 2 * (np.arange(80) == 0), rtol=1e-6)
    assert dualdiff.gradient(square, narrow).dtype == np.float32
    np.testing.assert_array_equal(dualdiff.gradient(square, np.arange(80), mode="reverse")[:2], [2.0, 2.0])
    assert dualdiff.gradient(njit(lambda x: x**3), 2.0, mode="reverse") == 12.0
    assert dualdiff.gradient(njit(lambda x: np.sum(x)), np.empty(0), mode="reverse").shape == (0,)


def test_nested_results_aux_and_arguments_that_f_writes_into():
    nested = njit(lambda x: (x[:2] * x[2], (x[0], 2.0)))
    found = dualdiff.jacobian(nested, X[:3], mode="reverse")
    expected = dualdiff.jacobian(nested, X[:3], mode="forward")
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1][0], expected[1][0])
    np.testing.assert_array_equal(found[1][1], np.zeros(3))
    pair = njit(lambda x: (np.sum(x * x), x[0]))
    slope, aux = dualdiff.gradient(pair, X, has_aux=True, mode="reverse")
    np.testing.assert_array_equal(slope, 2 * X)
    assert aux == X[0]

    @njit
    def noting(x, log):
        log[0] += 1.0
        return np.sum(x * x) * log[0]

    log = np.zeros(1)
    value, slope = dualdiff.value_and_gradient(noting, X, log, mode="reverse")
    np.testing.assert_allclose(slope, 2 * X)
    assert (value, log[0]) == (noting(X, np.zeros(1)), 1.0)


def test_linear_maps():
    f = njit(lambda x, c: (np.array([x[0] * x[1], np.sin(x[2]) * c, 3.0]), x[0] ** 2))
    value, linear = dualdiff.linearize(f, X[:3], 2.0)
    assert value[1] == X[0] ** 2
    matrix = np.concatenate([np.atleast_2d(rows) for rows in dualdiff.jacobian(f, X[:3], 2.0)])
    for v in np.eye(3):
        found = linear(v)
        np.testing.assert_allclose([*found[0], found[1]], matrix @ v, rtol=1e-15)
    w = np.array([1.0, 2.0, 3.0]), 0.5
    np.testing.assert_allclose(linear.T(w), [1.0, 2.0, 3.0, 0.5] @ matrix, rtol=1e-15)
    assert "recorded in 1 steps" in repr(linear)
    # What follows the last entry that a result depends on, and what no result depends on, stays out.
    unused = njit(error_model="numpy")(lambda x: (x[1] * x[2], x[0] * np.sqrt(x[3] - 0.5) * 0.0 + x[1])[0])
    np.testing.assert_array_equal(dualdiff.gradient(unused, np.full(4, 0.5), mode="reverse"), [0.0, 0.5, 0.5, 0.0])
    value, pull = dualdiff.vjp(njit(lambda x: x**3), 2.0)
    assert (value, pull(1.0)) == (8.0, 12.0)
    left, right = dualdiff.vjp(weighted, X[:5], X.reshape(16, 5)[:5], argnum=(0, 1))[1](1.0)
    np.testing.assert_allclose(left, dualdiff.gradient(weighted, X[:5], X.reshape(16, 5)[:5]), rtol=1e-14)
    assert right.shape == (5, 5)
    value, pull, aux = dualdiff.vjp(njit(lambda x: (np.sum(x), x[0])), X, has_aux=True)
    assert aux == X[0]
    with pytest.raises(ValueError, match="cotangent w"):
        linear.T((np.ones((2, 2, 2)), 1.0))
    with pytest.raises(dualdiff.NoRuleError, match=r"linear map .* no dual numbers; .*f\.py_func"):
        dualdiff.derivative(lambda t: linear.T((t * w[0], 0.5))[0], 1.0)


# -- where it is taken -------------------------------------------------------------------------------------------------
def drivers_of(f):
    """The names of the drivers that were compiled for a function."""
    return {key[1] for key in f._dualdiff if key[0] == "driver_of"}


def test_auto_takes_reverse_mode_from_some_dozens_of_elements_on():
    for operator, size, name in (
        (dualdiff.gradient, 2 * widths.WIDTH + 1, "pull"),
        (dualdiff.gradient, 2 * widths.WIDTH, "gradient"),
        (dualdiff.hessian, 9, "pull_hessian"),
        (dualdiff.hessian, 8, "hessian"),
        (lambda f, x: dualdiff.hvp(f, x, x), 9, "pull_along"),
        (lambda f, x: dualdiff.gradient(f, x, chunk_size=8), 100, "gradient"),
        (lambda f, x: dualdiff.gradient(f, x, mode="forward"), 100, "gradient"),
    ):
        f = njit(lambda x: np.sum(x * x * x))
        for _ in range(2):
            operator(f, np.linspace(1.0, 2.0, size))
        assert drivers_of(f) == {name}
    few, many = njit(lambda x: x[:2] * x[-1]), njit(lambda x: x * x[-1])
    for f in few, many:
        for n in 20, 200, 400:
            x = np.linspace(1.0, 2.0, n)
            np.testing.assert_allclose(dualdiff.jacobian(f, x), dualdiff.jacobian(f.py_func, x), rtol=1e-14)
    assert drivers_of(few) == {"jacobian", "pull_rows"}
    assert drivers_of(many) == {"jacobian"}


def test_what_is_not_compiled_in_reverse_mode():
    f = njit(lambda x: np.abs(x[0] + 1j * x[1]) + x[2])
    for _ in range(2):
        np.testing.assert_allclose(dualdiff.gradient(f, X), dualdiff.gradient(f, X, mode="forward"))
    assert drivers_of(f) == {"pull", "gradient"}
    for refused in (
        lambda: dualdiff.gradient(f, X, mode="reverse"),
        lambda: dualdiff.jacobian(f, X, mode="reverse"),
        lambda: dualdiff.vjp(f, X),
    ):
        with pytest.raises(dualdiff.NoRuleError, match=r"complex numbers are not .* take forward mode.*f\.py_func"):
            refused()
    with pytest.raises(dualdiff.NoRuleError, match=r"no compiled rule for svd\(array.*take forward mode"):
        dualdiff.gradient(njit(lambda x: np.linalg.svd(x.reshape(16, 5))[1][0]), X, mode="reverse")
    inner = njit(lambda x: x**3)
    outer = njit(lambda x: dualdiff.derivative(inner, x[0]) * x[1])
    np.testing.assert_allclose(dualdiff.gradient(outer, X)[:2], [6 * X[0] * X[1], 3 * X[0] ** 2], rtol=1e-14)
    with pytest.raises(dualdiff.NoRuleError, match="operator inside of f"):
        dualdiff.gradient(outer, X, mode="reverse")
    with pytest.raises(dualdiff.NoRuleError, match=r"mode='reverse' with batch_dims .*py_func"):
        dualdiff.gradient(f, X.reshape(16, 5), mode="reverse", batch_dims=1)
    with pytest.raises(dualdiff.NoRuleError, match=r"mode='reverse' with a sparse Jacobian .*py_func"):
        dualdiff.jacobian(f, X, mode="reverse", sparse=np.ones((1, 80), bool))
    with pytest.raises(ValueError, match=r"dualdiff\.jacobian"):
        dualdiff.gradient(njit(lambda x: x * x), X)


# -- the tape ----------------------------------------------------------------------------------------------------------
@njit
def long(x, steps):
    total = 0.0
    for i in range(steps):
        total = total * 0.5 + np.sin(x[i % x.size])
    return total


def test_tapes_grow():
    for steps in 3, 100, 5000, 100, 10**5:
        value, found = dualdiff.value_and_gradient(long, X, steps)
        assert value == long(X, steps)
        np.testing.assert_allclose(found, dualdiff.gradient(long, X, steps, mode="forward"), rtol=1e-13, atol=1e-300)


def test_a_tape_without_room(monkeypatch):
    f = njit(long.py_func)
    monkeypatch.setattr(taped, "physical_memory", lambda: 64 * 10**3)
    for call in (
        lambda: dualdiff.gradient(f, X, 10**4, mode="reverse"),
        lambda: dualdiff.hessian(f, X, 10**4, mode="reverse"),
        lambda: dualdiff.vjp(f, X, 10**4),
    ):
        with pytest.raises(MemoryError, match=r"records 1e\+04 steps of long, .* GiB, .* use mode='forward'"):
            call()
    assert dualdiff.gradient(f, X, 100, mode="reverse").shape == X.shape
    found = dualdiff.gradient(f, X, 10**4)
    np.testing.assert_array_equal(found, dualdiff.gradient(f, X, 10**4, mode="forward"))


def test_auto_prefers_forward_mode_to_long_tapes_for_few_elements():
    f = njit(long.py_func)
    steps = 80 * taped.BYTES_PER_ELEMENT // taped.BYTES["gradient"] + 2
    for _ in range(2):
        np.testing.assert_array_equal(dualdiff.gradient(f, X, steps), dualdiff.gradient(f, X, steps, mode="forward"))
    assert drivers_of(f) == {"pull", "gradient"}


def test_threads_have_tapes_of_their_own():
    f = njit(nogil=True)(long.py_func)
    points = [X * k for k in range(1, 9)]
    expected = [dualdiff.gradient(f, x, 3000) for x in points]
    with ThreadPoolExecutor(4) as pool:
        for found, slope in zip(pool.map(lambda x: dualdiff.gradient(f, x, 3000), points), expected, strict=True):
            np.testing.assert_array_equal(found, slope)


def test_an_exception_in_f_leaves_no_state():
    @njit
    def failing(x):
        total = np.sum(x * x)
        if total > 100:
            raise ValueError("on purpose")
        return total

    for _ in range(3):
        with pytest.raises(ValueError, match="on purpose"):
            dualdiff.gradient(failing, 10 * X)
        np.testing.assert_array_equal(dualdiff.gradient(failing, X), 2 * X)


def test_recompiling_forgets_the_tape():
    scope = {"factor": 2.0}
    exec("def f(x):\n    return factor * (x * x).sum()", scope)
    f = njit(scope["f"])
    np.testing.assert_array_equal(dualdiff.gradient(f, X), 4 * X)
    scope["factor"] = 3.0
    f.recompile()
    np.testing.assert_array_equal(dualdiff.gradient(f, X), 6 * X)
