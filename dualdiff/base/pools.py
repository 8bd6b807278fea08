"""Work in several processes, threads or machines: pieces of one job, with their results in order.

The engines are those that exist: `concurrent.futures`, every executor of its form, and everything that is called like
`map`.
"""

from __future__ import annotations

import atexit
import hashlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from dualdiff.base.extras import installed
from dualdiff.base.workers import IS_WORKER, cores, count_of, is_executor

#: The variables by which libraries of linear algebra learn their number of threads.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
#: A process keeps the jobs that it has received last, of this number.
KEPT = 2
#: The number of pieces for each worker that an executor gets before results are needed: a cluster takes its time.
AHEAD = 64
_received: OrderedDict[str, Job] = OrderedDict()


class Job:
    """A function of pieces of work, ``make(*data)``, which is sent once and made once in each process or thread."""

    def __init__(self, operator: str, make: Callable[..., Callable[[Any], Any]], *data: Any) -> None:
        self.operator, self.make, self.data = operator, make, data
        self._made = threading.local()
        self._sent: tuple[str, bytes] | None = None
        self._home = os.getpid()

    def __call__(self, piece: Any) -> Any:
        """The piece, its result, and the warnings."""
        if not hasattr(self._made, "function"):
            self._made.function = self.make(*self.data)
        try:
            if self._home == os.getpid():
                return piece, self._made.function(piece), ()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = self._made.function(piece)
            return piece, result, tuple((w.category, str(w.message)) for w in caught)
        except Exception as error:
            noted(error, f"{self.operator}: in {piece}")
            if self._home == os.getpid() or _travels(error):
                raise
            # An exception that cannot be unpickled would break the pool.
            raise RuntimeError(f"{self.operator}: in {piece}: {type(error).__qualname__}: {error}") from error

    def packed(self) -> tuple[str, bytes]:
        """The job as bytes, with a name for them; raises if it cannot be sent."""
        if self._sent is None:
            content = _dumped(self.operator, (self.operator, self.make, self.data))
            self._sent = hashlib.blake2b(content, digest_size=16).hexdigest(), content
        return self._sent

    def __reduce__(self) -> Any:
        return received, self.packed()


def noted(error: BaseException, note: str) -> None:
    """Add a note to an exception, once."""
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _travels(error: Exception) -> bool:
    """Whether another process gets this exception: one whose ``__init__`` takes several arguments may not unpickle."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _dumped(operator: str, thing: Any) -> bytes:
    by_value = installed("cloudpickle")
    try:
        if by_value is not None:
            return by_value.dumps(thing)  # type: ignore[no-any-return]
        content = pickle.dumps(thing)
    except Exception as error:
        remedy = "" if by_value else " (functions inside functions and lambdas can with cloudpickle: pip install it)"
        raise TypeError(
            f"{operator}: f and its arguments cannot be sent to another process{remedy}: {error}. Define f at the top "
            "level of a module, without open files, locks and the like, or give threads, "
            "workers=concurrent.futures.ThreadPoolExecutor(2)"
        ) from error
    if b"__main__" in content and not hasattr(sys.modules.get("__main__"), "__file__"):
        raise TypeError(
            f"{operator}: a function that is defined in a notebook or at a prompt can be sent to another process only "
            "with cloudpickle: pip install cloudpickle"
        )
    return content


def received(name: str, content: bytes) -> Job:
    """A job that was sent, unpickled once."""
    job = _received.get(name)
    if job is None:
        job = _received[name] = Job(*_flat(pickle.loads(content)))
        job._sent, job._home = (name, content), -1
        while len(_received) > KEPT:
            _received.popitem(last=False)
    _received.move_to_end(name)
    return job


def _flat(packed: tuple[str, Any, tuple[Any, ...]]) -> tuple[Any, ...]:
    operator, make, data = packed
    return operator, make, *data


# -- pools of processes ------------------------------------------------------------------------------------------------
#: The last pool, which serves the next call, with its number of processes.
_pool: tuple[int, Executor] | None = None


def _begin() -> None:
    """Prepare a worker process: it leaves Ctrl-C to its parent, and divides no work."""
    os.environ[IS_WORKER] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _ready() -> None:
    """What a process does first."""


def pool_of(count: int) -> Executor:
    """A pool of workers: processes, or threads where Python has no global lock."""
    global _pool
    if _pool is not None and _pool[0] == count and not getattr(_pool[1], "_broken", False):
        return _pool[1]
    close_pool()
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        _pool = count, ThreadPoolExecutor(count)
        return _pool[1]
    # A fork copies locks that other threads hold; a new process does not.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    missing = {name: str(max(1, cores() // count)) for name in THREADS if name not in os.environ}
    os.environ.update(missing)
    try:
        # All processes are started here, with these variables.
        for future in [pool.submit(_ready) for _ in range(count)]:
            future.result()
    except BrokenExecutor as error:
        raise RuntimeError(
            "worker processes could not be started: they import the main module again, so that a script with workers "
            'needs the line if __name__ == "__main__": before what it runs'
        ) from error
    finally:
        for name in missing:
            os.environ.pop(name, None)
    _pool = count, pool
    return pool


def close_pool(at_once: bool = False) -> None:
    """End the processes of the last pool."""
    global _pool
    if _pool is None:
        return
    (_, pool), _pool = _pool, None
    processes = list((getattr(pool, "_processes", None) or {}).values()) if at_once else []
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _forget_pool() -> None:
    global _pool
    _pool = None


atexit.register(close_pool)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _by_name(name: str, content: bytes | None, piece: Any) -> Any:
    """The result of a piece in a worker process; None if it does not have the job yet."""
    if content is None and name not in _received:
        return None
    return received(name, content or b"")(piece)


# -- the results in order ----------------------------------------------------------------------------------------------
def results(
    workers: Any, job: Job, pieces: Sequence[Any], done: Callable[[Any], None] = lambda piece: None
) -> Iterator[Any]:
    """The results of the pieces, in order; ``done`` is called when a piece is finished."""
    failed: list[Exception] = []

    def told(piece: Any) -> None:
        # A future only logs what its callbacks raise.
        try:
            done(piece)
        except Exception as error:
            failed.append(error)

    said = set()
    for _, result, warned in _in_order(workers, job, pieces, told):
        if failed:
            raise failed[0]
        for category, message in warned:
            if (category, message) not in said:
                said.add((category, message))
                warnings.warn(message, category, stacklevel=2)
        yield result


def _in_order(workers: Any, job: Job, pieces: Sequence[Any], done: Callable[[Any], None]) -> Iterator[Any]:
    if isinstance(workers, int):
        job.packed()
        pool = pool_of(workers)
        submit = _Sending(pool, job, workers) if isinstance(pool, ProcessPoolExecutor) else _submitting(pool, job)
        return _windowed(submit, job, pieces, 2 * workers + 1, done, is_own=True)
    if is_executor(workers):
        if not isinstance(workers, ThreadPoolExecutor):
            job.packed()
        return _windowed(_submitting(workers, job), job, pieces, AHEAD * count_of(workers), done)
    return _mapped(workers, job, pieces, done)


def _submitting(executor: Any, job: Job) -> Callable[[Any], Any]:
    return lambda piece: executor.submit(job, piece)


class _Sending:
    """Submits pieces to a pool of processes: the first ones with the job, the others with its name."""

    def __init__(self, pool: Executor, job: Job, count: int) -> None:
        self.pool, self.job, self.left = pool, job, count

    def __call__(self, piece: Any) -> Future[Any]:
        name, content = self.job.packed()
        self.left -= 1
        return self.pool.submit(_by_name, name, content if self.left >= 0 else None, piece)

    def again(self, piece: Any) -> Any:
        """The result of a piece whose process did not have the job."""
        return self.pool.submit(_by_name, *self.job.packed(), piece).result()


def _windowed(
    submit: Any, job: Job, pieces: Sequence[Any], ahead: int, done: Callable[[Any], None], is_own: bool = False
) -> Iterator[Any]:
    """Results of submitted pieces: at most ``ahead`` of them are computed before they are asked for."""
    running: deque[tuple[Any, Any]] = deque()
    left = deque(pieces)
    try:
        while left or running:
            while left and len(running) < ahead:
                piece = left.popleft()
                running.append((piece, _submitted(submit, job, piece, done)))
            piece, future = running[0]
            result = future.result()
            if result is None:
                result = submit.again(piece)
            running.popleft()
            yield result
    except BrokenExecutor as error:
        if is_own:
            close_pool(at_once=True)
        lost = [str(p) for p, future in running if not _succeeded(future)] + [str(p) for p in left]
        raise RuntimeError(
            f"{job.operator}: a worker process ended abruptly (killed, out of memory, or crashed in compiled code), "
            f"and these results are lost: {_joined(lost)}"
        ) from error
    except Exception as error:
        if running and job.operator not in "".join(getattr(error, "__notes__", ())):
            noted(error, f"{job.operator}: in {running[0][0]}")
        raise
    except KeyboardInterrupt:
        if is_own:
            close_pool(at_once=True)
        raise
    finally:
        for _, future in running:
            future.cancel()


def _submitted(submit: Any, job: Job, piece: Any, done: Callable[[Any], None]) -> Any:
    try:
        future = submit(piece)
    except BrokenExecutor:
        raise
    except RuntimeError as error:
        raise RuntimeError(f"{job.operator}: workers is an executor that takes no more work ({error})") from error
    future.add_done_callback(lambda _: done(piece))
    return future


def _succeeded(future: Any) -> bool:
    return bool(future.done() and not future.cancelled() and future.exception() is None and future.result() is not None)


def _joined(names: list[str]) -> str:
    """Some names, with the number of those that are left out."""
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return "; ".join(shown)


def _mapped(workers: Any, job: Job, pieces: Sequence[Any], done: Callable[[Any], None]) -> Iterator[Any]:
    """Results of a callable like map."""
    found: Iterable[Any] = workers(job, list(pieces))
    count = 0
    for piece, result in zip(pieces, found, strict=False):
        if type(result) is not tuple or len(result) != 3:
            raise TypeError(
                f"{job.operator}: workers, called like map, must return the results of the function that it is given, "
                f"not {type(result).__name__}"
            )
        if result[0] != piece:
            raise ValueError(
                f"{job.operator}: workers, called like map, returned the results in another order: give pool.imap or "
                "pool.map instead of pool.imap_unordered"
            )
        count += 1
        done(piece)
        yield result
    if count < len(pieces):
        raise ValueError(f"{job.operator}: workers, called like map, returned {count} results of {len(pieces)}")
