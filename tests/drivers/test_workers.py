"""Derivatives by several processes, threads and executors: the same bits as by one, and what may go wrong."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import dualdiff
from dualdiff import (
    ConstantResultWarning,
    MixedPointsError,
    check_derivative,
    derivative,
    gradient,
    hessian,
    jacobian,
    value_and_derivative,
    value_and_gradient,
    value_and_jacobian,
    value_gradient_and_hessian,
)
from dualdiff.base import pools, progress
from dualdiff.base.workers import count_of, several

X = np.linspace(0.1, 2.0, 12)


def field(x, scale=1.0):
    return np.sin(x) * x[::-1] * scale + np.exp(-(x**2))


def energy(x):
    return np.sum(field(x) ** 2)


def at_points(x):
    return x[..., 0] ** 2 * np.sin(x[..., 1])


def two_results(x):
    return {"sum": np.sum(x["a"]) * x["b"], "product": x["a"] * x["b"]}


def complex_field(z):
    return np.exp(z) * z[::-1]


def band(n):
    return np.tri(n, n, 1) - np.tri(n, n, -2)


def differences(x):
    return x**3 - np.concatenate([x[1:], x[:1] * 0]) * x


class Immediately(Executor):
    """An executor that pickles what it is given, as a cluster does, and computes it at once."""

    def __init__(self):
        self.sizes, self.is_closed = [], False

    def submit(self, function, *args):
        content = pickle.dumps((function, args))
        self.sizes.append(len(content))
        future = Future()
        function, args = pickle.loads(content)
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


CASES = {
    "jacobian": lambda **o: jacobian(field, X, **o),
    "a further argument": lambda **o: jacobian(field, X, 2.5, **o),
    "value": lambda **o: value_and_jacobian(field, X, **o),
    "chunks": lambda **o: jacobian(field, X, chunk_size=5, **o),
    "aux": lambda **o: jacobian(lambda x: (field(x), np.sum(x)), X, has_aux=True, **o),
    "several arguments": lambda **o: jacobian(field, X, np.array(2.0), argnum=(0, 1), **o),
    "containers": lambda **o: jacobian(two_results, {"a": X, "b": 2.0}, **o)["product"]["a"],
    "complex": lambda **o: jacobian(complex_field, X + 0.5j, **o),
    "gradient": lambda **o: gradient(energy, X, mode="forward", **o),
    "gradient of a complex argument": lambda **o: gradient(
        lambda z: np.sum(np.abs(z) ** 2), X + 1j, mode="forward", **o
    ),
    "value and gradient": lambda **o: value_and_gradient(energy, X, mode="forward", chunk_size=4, **o),
    "reverse": lambda **o: gradient(energy, X, mode="reverse", **o),
    "hessian": lambda **o: hessian(energy, X, **o),
    "value, gradient and Hessian": lambda **o: value_gradient_and_hessian(energy, X, chunk_size=5, **o),
    "hessian of an array": lambda **o: hessian(field, X[:4], **o),
    "sparse": lambda **o: jacobian(differences, X, sparse=band(12), **o).toarray(),
    "sparse Hessian": lambda **o: hessian(lambda x: np.sum(x[1:] * x[:-1] ** 2), X, sparse=band(12), **o).toarray(),
    "points": lambda **o: derivative(np.sin, X, **o),
    "points with values": lambda **o: value_and_derivative(lambda x: np.stack([x, x**2], -1), X, **o),
    "batch": lambda **o: gradient(at_points, X.reshape(6, 2), batch_dims=1, **o),
    "batch of two axes": lambda **o: hessian(at_points, X.reshape(3, 2, 2), batch_dims=2, **o),
    "batch, Jacobian": lambda **o: jacobian(lambda x: x * x[..., :1], X.reshape(6, 2), batch_dims=1, **o),
}
ENGINES = {"map": map, "threads": ThreadPoolExecutor(2), "an executor": Immediately()}


def assert_equal(found, expected):
    for ours, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert type(ours) is type(theirs)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_with_every_kind_of_workers(name, engine):
    if engine == "an executor" or "sparse" in name:
        pytest.importorskip("cloudpickle")
        pytest.importorskip("scipy")
    assert_equal(CASES[name](workers=ENGINES[engine]), CASES[name]())


def test_processes():
    """One pool serves all calls; f is a function of a module, or, by cloudpickle, of anything."""
    expected = jacobian(field, X)
    np.testing.assert_array_equal(jacobian(field, X, workers=2), expected)
    pool = pools._pool[1]
    np.testing.assert_array_equal(jacobian(field, workers=2, chunk_size=1)(X), expected)
    np.testing.assert_array_equal(derivative(np.sin, X, workers=2), np.cos(X))
    assert pools._pool[1] is pool
    pytest.importorskip("cloudpickle")
    np.testing.assert_array_equal(
        jacobian(lambda x: field(x, expected[0, 0]), X, workers=2), jacobian(field, X, expected[0, 0])
    )
    assert check_derivative(field, X[:3], workers=2).passed


def test_processes_that_fail():
    """An exception with its traceback and direction, a warning, a worker that is killed, and work after that."""

    def wrong(x):
        if os.environ.get(pools.IS_WORKER):
            raise ZeroDivisionError("in a worker")
        return x

    def killed(x):
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.importorskip("cloudpickle")
    with pytest.raises(ZeroDivisionError, match="in a worker") as info:
        jacobian(wrong, X, workers=2, chunk_size=6)
    assert info.value.__notes__ == ["jacobian: in directions 0 to 5 of 12 (counted from 0)"]
    assert "in wrong" in str(info.value.__cause__)
    with pytest.warns(ConstantResultWarning, match="not computed from x") as caught:
        jacobian(lambda x: np.ones(3), X, workers=2)
    assert len(caught) == 1
    if hasattr(signal, "SIGKILL"):
        with pytest.raises(RuntimeError, match=r"ended abruptly .*directions 0 to 3 of 12.*; directions 8 to 11"):
            jacobian(killed, X, workers=2, chunk_size=4)
    np.testing.assert_array_equal(jacobian(field, X, workers=2), jacobian(field, X))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_an_interrupt_ends_everything(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        workers = list(map(int, process.stdout.readline().split()))
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert len(workers) == 2
    assert errors.rstrip().endswith("KeyboardInterrupt")
    for _ in range(100):
        if not any(map(is_alive, workers)):
            break
        time.sleep(0.1)
    assert not any(map(is_alive, workers))


INTERRUPTED = """
import time
import numpy as np
from dualdiff import jacobian
from dualdiff.base import pools

def slow(x):
    time.sleep(0.5)
    return x

if __name__ == "__main__":
    jacobian(np.sin, np.ones(4), workers=2)
    print(*pools._pool[1]._processes, flush=True)
    jacobian(slow, np.ones(400), workers=2, chunk_size=1)
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    # A process that has ended is there until somebody asks for it.
    return not (state.exists() and ") Z" in state.read_text())


def test_what_cannot_be_sent():
    lock = threading.Lock()
    calls = []

    def f(x):
        calls.append(lock)
        return x

    for workers in (2, Immediately()):
        with pytest.raises(TypeError, match="cannot be sent to another process"):
            jacobian(f, X, workers=workers)
    assert not calls
    np.testing.assert_array_equal(jacobian(f, X, workers=ENGINES["threads"]), np.eye(12))


def test_without_cloudpickle_a_function_of_a_function_is_refused_before_work_begins(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(TypeError, match="can with cloudpickle"):
        jacobian(lambda x: x, X, workers=2)
    np.testing.assert_array_equal(jacobian(field, X, workers=Immediately()), jacobian(field, X))


def test_a_script_without_the_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import numpy as np, dualdiff\nprint(dualdiff.jacobian(np.sin, np.ones(4), workers=2))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr


def test_an_executor_that_was_shut_down():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="takes no more work"):
        jacobian(field, X, workers=pool)


def test_map_that_returns_something_else():
    with pytest.raises(ValueError, match="returned 1 results of 2"):
        jacobian(field, X, workers=lambda f, items: [f(items[0])], chunk_size=6)
    with pytest.raises(TypeError, match="must return the results"):
        jacobian(field, X, workers=lambda f, items: items, chunk_size=6)


@pytest.mark.parametrize("name", CASES)
def test_results_in_another_order_are_refused(name):
    """What ``pool.imap_unordered`` may return, of everything that workers divide."""
    pieces, message = [], ""

    def backwards(f, items):
        pieces.extend(items)
        return [f(piece) for piece in reversed(items)]

    try:
        CASES[name](workers=backwards)
    except ValueError as error:
        message = str(error)
    assert ("returned the results in another order" in message) == (len(pieces) > 1)


class OfTwo(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, x, reason):
        super().__init__(reason)


@pytest.mark.parametrize("workers", [2, map, ENGINES["threads"], ENGINES["an executor"]])
def test_exceptions_that_cannot_travel_are_told(workers):
    """Those of any class: they do not end the pool."""

    def f(x):
        if os.environ.get(pools.IS_WORKER) or workers != 2:
            raise OfTwo(x, "too hot")
        return x

    pytest.importorskip("cloudpickle")
    with pytest.raises((OfTwo, RuntimeError), match="too hot"):
        jacobian(f, X, workers=workers, chunk_size=6)
    np.testing.assert_array_equal(jacobian(field, X, workers=workers), jacobian(field, X))


def test_exceptions_of_threads_have_their_direction():
    def f(x):
        raise ZeroDivisionError

    for engine in ("threads", "map", "an executor"):
        if engine == "an executor":
            pytest.importorskip("cloudpickle")
        with pytest.raises(ZeroDivisionError) as info:
            jacobian(f, X, workers=ENGINES[engine], chunk_size=1)
        assert info.value.__notes__ == ["jacobian: in direction 0 of 12 (counted from 0)"]


def test_threads_may_not_write_into_arguments():
    def f(x, work):
        work[:] = 0.0
        return x

    with pytest.raises(ValueError, match="writes into one of its arguments"):
        jacobian(f, X, np.ones(12), workers=ENGINES["threads"])


def test_workers_are_for_the_outermost_operator():
    with pytest.raises(TypeError, match="outermost operator"):
        gradient(lambda x: np.sum(jacobian(field, x, workers=map)), X)
    with pytest.raises(TypeError, match="outermost operator"):
        gradient(lambda x: np.sum(derivative(np.sin, x, workers=map)), X)
    with pytest.raises(TypeError, match="outermost operator"):
        derivative(
            lambda c: np.sum(gradient(lambda x: c * at_points(x), np.ones((4, 2)), batch_dims=1, workers=map)), 1.0
        )


def test_points():
    with pytest.raises(MixedPointsError):
        derivative(lambda x: x * np.mean(x), X, workers=map)
    for f in (
        lambda x: np.arange(len(x)) * x,
        lambda x: np.linspace(0.0, 1.0, len(x)) * x,
        lambda x: X[: len(x)] * x,
        lambda x: x / len(x),
    ):
        with pytest.raises(MixedPointsError, match="cannot be divided"):
            derivative(f, X, workers=map)
        with pytest.raises(MixedPointsError, match="cannot be divided"):
            gradient(lambda x, f=f: f(x[:, 0]) * x[:, 1], np.stack([X, X], 1), batch_dims=1, workers=map)
    with pytest.raises(ValueError, match="as many rows"):
        derivative(lambda x, t: x * t, X, X, workers=map)
    with pytest.raises(ValueError, match="the points on its first axis"):
        derivative(lambda x: np.stack([x, x]), X[:11], workers=map)
    with pytest.raises(ValueError, match="aux"):
        derivative(lambda x: (x, 1), X, workers=map, has_aux=True)
    assert derivative(np.sin, 0.0, workers=2) == 1.0


def test_bad_workers():
    for bad in (0, -2, np.int64(0)):
        with pytest.raises(ValueError, match="workers must be"):
            jacobian(field, X, workers=bad)
    for bad in (True, 1.5, "two"):
        with pytest.raises(TypeError, match="workers must be"):
            jacobian(field, X, workers=bad)
    with pytest.raises(TypeError, match="progress must be"):
        jacobian(field, X, progress="yes")


def test_one_worker_is_this_process():
    assert several(1) is several(None) is None
    assert several(3) == count_of(3) == 3
    assert several(-1) in (None, os.cpu_count(), *range(1, 4096))
    assert count_of(ThreadPoolExecutor(5)) == 5
    assert jacobian(field, workers=1).options == {}


def test_f_is_sent_once_to_an_executor_and_chunks_are_numbers():
    engine, big = Immediately(), np.ones(10_000)
    job = pools.Job("jacobian", _scaled, big)
    found = list(pools.results(engine, job, list(range(5))))
    assert [x.sum() for x in found] == [0.0, 1e4, 2e4, 3e4, 4e4]
    assert all(size < big.nbytes + 1000 for size in engine.sizes)
    assert len(pools._received) <= pools.KEPT


def _scaled(array):
    return lambda piece: array * piece


# -- compiled functions ------------------------------------------------------------------------------------------------
def test_compiled_functions_take_threads_of_their_own():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: np.sin(x) * x[0])
    np.testing.assert_array_equal(jacobian(f, X, workers=2, progress=True), jacobian(f.py_func, X))
    with pytest.raises(TypeError, match=r"workers=-1"):
        jacobian(f, X, workers=map)


# -- progress ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [None, map, ENGINES["threads"]])
def test_progress_counts_directions(workers):
    told = []
    jacobian(field, X, chunk_size=5, workers=workers, progress=lambda *counts: told.append(counts))
    assert told[-1] == (12, 12)
    assert len(told) == 3
    told.clear()
    gradient(at_points, X.reshape(6, 2), batch_dims=1, workers=map, progress=lambda *counts: told.append(counts))
    assert told[-1] == (6, 6)
    told.clear()
    check_derivative(field, X[:3], workers=workers, progress=lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("workers", [None, map, ENGINES["threads"], ENGINES["an executor"]])
def test_what_progress_raises_ends_the_call(workers):
    def stop(done, total):
        raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError, match="enough"):
        jacobian(field, X, chunk_size=1, workers=workers, progress=stop)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_line_on_a_terminal_without_tqdm(monkeypatch, stream):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr(progress, "EVERY", 0.0)
    jacobian(field, X, chunk_size=5, progress=True)
    lines = sys.stderr.getvalue().split("\r")
    if stream is io.StringIO:
        assert lines == [""]
        return
    assert lines[1].startswith("jacobian: 5 of 12 directions, ")
    assert lines[-1].startswith("jacobian: 12 of 12 directions, ")
    assert lines[-1].rstrip(" \n").endswith(" per second, 0:00 left")
    assert lines[-1].endswith("\n")


def test_a_check_is_shown_by_itself_after_some_time(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "EVERY", 0.0)
    check_derivative(field, X[:3])
    assert sys.stderr.getvalue() == ""
    clock = iter(np.arange(0.0, 100.0, 1.5).tolist())
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    check_derivative(field, X[:3])
    assert "check_derivative: 2 of 3 directions" in sys.stderr.getvalue()
    shown = len(sys.stderr.getvalue())
    check_derivative(field, X[:3], progress=False)
    assert len(sys.stderr.getvalue()) == shown


def test_tqdm_where_it_is_installed(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    jacobian(field, X, chunk_size=5, progress=True)
    assert "12/12" in sys.stderr.getvalue()


def test_times_are_readable():
    assert [progress._time(t) for t in (0.4, 75, 3661)] == ["0:00", "1:15", "1:01:01"]


def test_nothing_is_loaded_before_it_is_needed():
    code = (
        "import sys, dualdiff; sys.exit('multiprocessing.pool' in sys.modules or 'dualdiff.base.pools' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
    assert multiprocessing.get_start_method(allow_none=True) in (None, "fork", "spawn", "forkserver")
    assert dualdiff.__name__ == "dualdiff"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jacobian(field, X, workers=map)


def test_an_array_that_was_unpickled_takes_the_same_way():
    """Its dtype is equal to that of other arrays, but another object."""
    x = pickle.loads(pickle.dumps(np.linspace(0, 1, 5)))
    assert x.dtype is not np.dtype(float)
    kinds = []

    def f(x):
        kinds.append(x.dtype is np.dtype(float))
        return np.sin(x) * x

    np.testing.assert_array_equal(jacobian(f, x), jacobian(f, np.linspace(0, 1, 5)))
    gradient(lambda p: np.sum(f(p["x"])), {"x": x})
    assert all(kinds)
