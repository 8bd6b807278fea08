"""Adapted code and everybody else: other threads and tasks, NumPy afterwards, later calls."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
import timeit
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dualdiff import (
    DualArray,
    ExpiredDualError,
    LostDerivativeError,
    adapt,
    derivative,
    gradient,
    hessian,
    jacobian,
    value,
)
from dualdiff.adapting.adapted_functions import MAKERS
from dualdiff.adapting.places import PLACES
from dualdiff.base import tags
from dualdiff.core.scope import SCOPE
from tests.support import as_it_is
from tests.support.against import assert_near, assert_same
from tests.support.as_it_is import Worker

X = np.array([0.7, -1.1, 1.9])
OWN = {name: getattr(np, name) for name in MAKERS}


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """After every test NumPy is NumPy, and nothing runs."""
    yield
    assert {name: getattr(np, name) for name in MAKERS} == OWN
    assert all(getattr(np, name) is own for name, own in OWN.items())
    assert as_it_is.zeros is OWN["zeros"]
    assert as_it_is.array is OWN["array"]
    assert as_it_is.squares_with_a_default.__defaults__ == (OWN["zeros"],)
    assert as_it_is.squares_with_a_keyword.__kwdefaults__ == {"make": OWN["zeros"]}
    assert type(as_it_is.WORK) is np.ndarray
    assert SCOPE.get() is None
    assert PLACES.running == 0
    assert not tags.live
    assert not tags.at_end


# -- NumPy afterwards --------------------------------------------------------------------------------------------------
def test_exceptions():
    def fails(x):
        np.zeros(3)[0] = x[0]
        raise ZeroDivisionError

    for f in adapt(fails), adapt(adapt(fails)), lambda x: adapt(lambda: fails(x))():
        with pytest.raises(ZeroDivisionError):
            jacobian(f, X)
    with pytest.raises(ZeroDivisionError), adapt():
        jacobian(fails, X)
    with pytest.raises(ZeroDivisionError):
        list(adapt(lambda x: (1 / 0 for _ in x))(X))


def test_in_it_the_functions_are_numpys_in_all_but_what_they_make():
    found = []

    def f(x):
        zeros = np.zeros
        found.append(zeros)
        assert zeros == OWN["zeros"]
        assert {OWN["zeros"]: 1}[zeros] == 1
        assert zeros.__name__ == "zeros"
        assert zeros.__doc__ == OWN["zeros"].__doc__
        assert repr(zeros) == repr(OWN["zeros"])
        assert pickle.loads(pickle.dumps(zeros)) == OWN["zeros"]
        assert copy.deepcopy(zeros) == OWN["zeros"]
        assert np.sin is SIN
        return x

    jacobian(adapt(f), X)
    # Kept, it is NumPy's.
    assert type(found[0](3)) is np.ndarray


SIN = np.sin


def test_modules_that_adapted_code_imports(tmp_path, monkeypatch):
    (tmp_path / "late_module.py").write_text(
        "from numpy import zeros\ndef squares(x):\n    y = zeros(3)\n    y[:] = x**2\n    return y\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def f(x):
        import late_module

        return late_module.squares(x)

    g = adapt(f)
    for _ in range(2):
        assert_near(jacobian(g, X), np.diag(2 * X), 1e-15)
        assert sys.modules["late_module"].zeros is OWN["zeros"]
    del sys.modules["late_module"]


def test_a_module_of_numpy_that_adapted_code_imports_first():
    """numpy.ma reads docstrings when it is imported."""
    code = (
        "import sys, numpy as np, dualdiff\n"
        "assert 'numpy.ma' not in sys.modules\n"
        "def f(x):\n"
        "    y = np.ma.zeros(3)\n"
        "    assert type(y) is np.ma.MaskedArray\n"
        "    z = np.zeros(3)\n"
        "    z[:] = x\n"
        "    return z\n"
        "print((dualdiff.jacobian(dualdiff.adapt(f), np.ones(3)) == np.eye(3)).all())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "True\n", result.stderr


def test_compiled_functions_that_use_numpy():
    """Numba finds NumPy's functions by what they are, also when it compiles in adapted code."""
    numba = pytest.importorskip("numba")

    @numba.njit
    def total(n):
        y = np.zeros(n)
        y[:] = np.array([1.0, 2.0, 4.0])
        return y.sum() + np.full(2, 1.0)[0]

    def f(x):
        y = np.zeros(3)
        y[:] = x * total(3)
        return y

    assert_near(jacobian(adapt(f), X), 8 * np.eye(3), 1e-15)


def test_distributions_have_methods_that_take_duals():
    """In adapted code an object of SciPy is itself in all but the methods that take duals."""
    stats = pytest.importorskip("scipy.stats")
    ours = pytest.importorskip("dualdiff.scipy.stats")
    data, p = np.array([0.8, 1.1, 2.6]), np.array([1.2, 0.9])
    for f in (
        lambda s, p: s.norm.logpdf(data, p[0], scale=p[1]).sum(),
        lambda s, p: s.norm(p[0], p[1]).logpdf(data).sum(),
        lambda s, p: s.gamma(p[0]).cdf(data).sum() + s.gamma.mean(p[0]),
        lambda s, p: s.poisson.logpmf([1, 2], p[0]).sum() + s.norm.ppf(p[1]),
    ):
        found = gradient(adapt(lambda p, f=f: f(stats, p)), p)
        np.testing.assert_array_equal(found, gradient(lambda p, f=f: f(ours, p), p))

    @adapt
    def others(x):
        assert isinstance(stats.norm, stats.rv_continuous)
        assert stats.norm.name == "norm"
        assert stats.norm.cdf(0.0) == 0.5
        assert pickle.loads(pickle.dumps(stats.norm)).cdf(0.0) == 0.5
        assert copy.deepcopy(stats.norm).shapes is None
        assert stats.kstest(data, "norm").statistic == stats.kstest(data, stats.norm.cdf).statistic
        return x * stats.norm.fit(data)[0]

    assert derivative(others, 2.0) == stats.norm.fit(data)[0] == 1.5
    with pytest.raises(TypeError) as error:
        derivative(adapt(lambda x: stats.norm.expect(lambda t: t * x)), 2.0)
    assert "dualdiff.scipy.stats.norm.expect" not in error.value.__notes__[0]


def test_numba_keeps_numpys_functions_if_it_first_compiles_in_adapted_code():
    pytest.importorskip("numba")
    code = (
        "import numba, numpy as np, dualdiff\n"
        "@numba.njit\n"
        "def two(n):\n"
        "    return np.empty_like(np.zeros(n)).size\n"
        "@numba.njit\n"
        "def copied(x):\n"
        "    y = np.empty_like(x)\n"
        "    y[:] = x\n"
        "    return y\n"
        "print(dualdiff.gradient(dualdiff.adapt(lambda x: x[0] * two(2)), np.ones(2)), copied(np.ones(2)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "[2. 0.] [1. 1.]\n", result.stderr


class Lazy:
    """An object that imports what it stands for when it is asked for an attribute, and cannot."""

    def __getattr__(self, name):
        raise ImportError(name)


def test_lazy_objects_are_not_asked_for_attributes():
    with pytest.raises(ImportError):
        Lazy().anything  # noqa: B018 - the point
    namespace = {"__name__": "lazy", "np": np, "Held": type("Held", (), {"lazy": Lazy(), "__module__": "lazy"})}
    exec("def f(x):\n    y = np.zeros(3)\n    y[:] = x**2\n    return y", namespace)
    assert_near(jacobian(adapt(namespace["f"]), X), np.diag(2 * X), 1e-15)


def test_code_without_a_module():
    namespace = {}
    exec("from numpy import zeros\ndef f(x):\n    y = zeros(3)\n    y[:] = x**2\n    return y", namespace)
    for _ in range(2):
        assert_near(jacobian(adapt(namespace["f"]), X), np.diag(2 * X), 1e-15)
        assert namespace["zeros"] is OWN["zeros"]


def test_without_derivatives_all_is_numpys():
    kinds = []
    f = adapt(lambda x: kinds.append(type(np.zeros(3))) or as_it_is.squares(x))
    assert_same(f(X), X**2)
    with adapt():
        assert type(np.zeros(3)) is np.ndarray
        assert_near(jacobian(as_it_is.squares, X), np.diag(2 * X), 1e-15)
        assert type(np.zeros(3)) is np.ndarray
    assert kinds == [np.ndarray]


# -- threads and tasks -------------------------------------------------------------------------------------------------
def test_threads_do_not_see_each_other():
    f = adapt(as_it_is.squares_by_name)
    together = threading.Barrier(4)

    def work(k):
        together.wait()
        for _ in range(30):
            x = X + k
            if k % 2:
                assert type(as_it_is.squares_by_name(x)) is np.ndarray
                assert type(np.zeros(3)) is np.ndarray
                with pytest.raises(LostDerivativeError):
                    jacobian(as_it_is.squares, x)
            else:
                assert_near(jacobian(f, x), np.diag(2 * x), 1e-14)
                assert_near(hessian(lambda x: np.sum(f(x)), x), 2 * np.eye(3), 1e-14)
                assert derivative(lambda t, x=x: f(t * x)[0], 2.0) == pytest.approx(4 * x[0] ** 2, rel=1e-14)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_another_thread_while_adapted_code_runs():
    kinds = []

    def f(x):
        thread = threading.Thread(target=lambda: kinds.append(type(np.zeros(3))))
        thread.start()
        thread.join()
        return as_it_is.squares(x)

    assert_near(jacobian(adapt(f), X), np.diag(2 * X), 1e-15)
    assert kinds == [np.ndarray]


def test_adapted_code_in_a_thread_inside_the_function():
    """The duals come from another thread, as arguments or captured."""

    def f(x):
        with ThreadPoolExecutor(2) as pool:
            given = pool.submit(adapt(as_it_is.squares), x)
            captured = pool.submit(adapt(lambda: as_it_is.squares(x)))
            return given.result() + captured.result()

    assert_near(jacobian(f, X), np.diag(4 * X), 1e-15)


def test_tasks_do_not_see_each_other():
    log = []

    @adapt
    async def adapted(t):
        for _ in range(3):
            log.append("adapted")
            assert derivative(lambda t: as_it_is.squares_by_name(t * X)[0], t) == pytest.approx(2 * t * X[0] ** 2)
            await asyncio.sleep(0)
        return np.zeros(1)

    async def other():
        for _ in range(3):
            log.append("other")
            assert type(np.zeros(3)) is np.ndarray
            with pytest.raises(LostDerivativeError):
                jacobian(as_it_is.squares, X)
            await asyncio.sleep(0)

    async def block():
        with adapt():
            await asyncio.sleep(0)
            assert_near(jacobian(as_it_is.squares, X), np.diag(2 * X), 1e-15)

    async def main():
        await asyncio.gather(adapted(2.0), other(), block(), adapted(3.0), other())

    asyncio.run(main())
    assert log[:4] == ["adapted", "other", "adapted", "other"]


def test_a_task_that_adapted_code_began():
    """It is part of that code, and of nothing once that has ended."""
    kinds = []

    async def child(go_on):
        await go_on.wait()
        kinds.append(jacobian(lambda x: kinds.append(type(np.zeros(3))) or x, X) is None)

    @adapt
    async def begin(go_on):
        return asyncio.create_task(child(go_on))

    async def main():
        go_on = asyncio.Event()
        task = await begin(go_on)
        with adapt():
            go_on.set()
            await task

    asyncio.run(main())
    assert kinds == [np.ndarray, False]


def test_a_generator_leaves_its_caller_alone():
    @adapt
    def steps(x):
        y = np.zeros(3)
        sent = 0
        while True:
            y[:] = x**2
            try:
                sent = yield y + sent
            except KeyError:
                sent = 7.0

    def f(x):
        run = steps(x)
        first = next(run)
        with pytest.raises(LostDerivativeError):
            as_it_is.squares(x)
        second, third = run.send(x), run.throw(KeyError())
        run.close()
        return first + second + third

    assert_near(jacobian(f, X), np.diag(6 * X + 1), 1e-14)

    def counted():
        yield 1
        return 2

    def collect():
        return (yield from adapt(counted)())

    run = collect()
    assert next(run) == 1
    with pytest.raises(StopIteration) as stop:
        next(run)
    assert stop.value.value == 2


# -- nested ------------------------------------------------------------------------------------------------------------
def test_buffers_take_duals_of_every_call_around():
    """The outer variable is captured, the inner one is the argument."""

    def product(t, y):
        buffer = np.zeros(2)
        buffer[0] = t
        buffer[1] = y
        return buffer[0] * buffer[0] * buffer[1] * buffer[1]

    f = adapt(product)
    assert derivative(lambda t: derivative(lambda y: f(t, y), 3.0), 2.0) == 24.0
    assert derivative(adapt(lambda t: derivative(lambda y: product(t, y), 3.0)), 2.0) == 24.0
    assert adapt(lambda t: derivative(lambda s: derivative(lambda y: product(s, y), 3.0), t))(2.0) == 24.0


def test_an_inner_derivative_writes_into_the_work_array_of_the_outer_one():
    model = Worker()

    def f(x):
        def g(t):
            model.work[0] = t * x[0]
            model.work[1] = t * t
            return model.work[0] + model.work[1]

        return derivative(adapt(g), x[1]) * x[2]

    # (x0 + 2 x1) x2
    expected = np.array([X[2], 2 * X[2], X[0] + 2 * X[1]])
    for options in {}, {"mode": "forward"}, {"mode": "reverse"}:
        for h in f, adapt(f):
            assert_near(gradient(h, X, **options), expected, 1e-14)
            assert type(model.work) is np.ndarray


# -- what outlives a call ----------------------------------------------------------------------------------------------
class Keeper:
    """Stores duals for later calls."""

    last = None

    def add(self, x):
        y = np.zeros(3)
        y[:] = x
        total = y if self.last is None else y + self.last
        self.last = y
        return total


def test_duals_that_are_kept_for_later_calls_are_expired():
    keeper = Keeper()
    f = adapt(keeper.add)
    assert_near(jacobian(f, X), np.eye(3))
    with pytest.raises(ExpiredDualError, match="do not store duals outside"):
        jacobian(f, X)
    keeper.last = value(keeper.last)
    assert type(keeper.last) is np.ndarray
    assert_near(jacobian(f, X), np.eye(3))


def test_results_that_depend_on_nothing():
    made = []
    found = jacobian(adapt(lambda x: made.append(np.zeros(2)) or made[0]), X)
    assert_same(found, np.zeros((2, 3)))
    assert type(made[0]) is DualArray


# -- costs -------------------------------------------------------------------------------------------------------------
def test_costs():
    """Measured and printed (``pytest -rP``), not asserted: the machines of tests are shared."""
    found = {}

    def measure(name):
        f = adapt(double)
        n = 2000

        def inside(x):
            adapted = min(timeit.repeat(lambda: f(x), number=n, repeat=5))
            found[name] = (adapted - min(timeit.repeat(lambda: double(x), number=n, repeat=5))) / n * 1e6
            return x

        return inside

    measure("of a call with plain values")(X)
    jacobian(measure("of a call with duals"), X)
    print("".join(f"adapt, cost {name}: {t:.1f} microseconds\n" for name, t in found.items()))


def double(x):
    return 2 * x
