"""What to write instead, added to errors that came out of a function of duals, where it is not said yet."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import FrameType, FunctionType, MethodType

import numpy as np

from dualdiff.adapting.adapted_functions import MAKERS
from dualdiff.adapting.libraries import counterpart, is_foreign, is_library, public_name
from dualdiff.adapting.pandas_averages import NAMES as AVERAGES
from dualdiff.base.errors import COLLECT, LostDerivativeError, NoRuleError
from dualdiff.base.internals import FLAT, OBJECT_ARRAY, SHUFFLED, SPARSE, SPARSE_INTERNALS, position, steps
from dualdiff.core.labels import Table, labels_of
from dualdiff.rules.writing.array_rules import duals_in

_OBJECT_ARRAY_NOTE = (
    "if these are dual numbers, np.array([...]) of scalars, or np.asarray, made an object array of them, which few "
    "functions accept. Write np.stack([...]), or np.block([[...], [...]]) for a matrix, instead of np.array; or "
    "differentiate adapt(f) if f cannot be edited, in which np.array does so"
)
_SPARSE_NOTE = (
    "matrices of scipy.sparse hold plain values. A @ u and k * A have derivatives for duals u and k (write k * A for "
    "A * k, and np.stack([...]) instead of np.array([...]) for u), and the matrices that dualdiff.scipy.sparse makes "
    "of duals; give another function its derivative, dualdiff.custom_derivative(f, jvp=lambda primals, tangents: ...)"
)
_SCALAR_NOTE = "a scalar dual has no x[()]: write x, and q.to(unit).value instead of q.to_value(unit)"
_SHUFFLED_NOTE = (
    "shuffling in place would duplicate some rows of a dual array, because rows are views. Write "
    "y[...] = y[rng.permutation(len(y))], which draws the same permutation as rng.shuffle(y)"
)

#: Methods of random generators whose results are those of the standard form, scaled and shifted.
_SHIFTED = {
    **{
        name: f"x + rng.{name}(0, scale, size=n), or x + scale * rng.{name}(0, 1, size=n) if the scale is dual too"
        for name in ("normal", "laplace", "logistic", "gumbel")
    },
    **{name: f"scale * rng.{name}(size=n)" for name in ("exponential", "rayleigh")},
    "uniform": "low + (high - low) * rng.uniform(size=n)",
    "lognormal": "np.exp(mean + sigma * rng.normal(size=n))",
    "gamma": "scale * rng.gamma(shape, size=n)",
}


def explain(error: Exception) -> None:
    """Add to an error that came out of a function of duals what failed, and what to write instead."""
    if isinstance(error, NoRuleError) or any(note.startswith("dualdiff:") for note in getattr(error, "__notes__", ())):
        return
    note = _note(error, list(steps(error)))
    if note is None:
        return
    if isinstance(error, LostDerivativeError) and "adapt(f)" not in note:
        # What our words advise is for the user's own code.
        error.args = (str(error).partition(": ")[0],)
    error.add_note(f"dualdiff: {note}")


def _note(error: Exception, trace: list[tuple[FrameType, int]]) -> str | None:
    text = str(error)
    if SHUFFLED.match(text):
        return _SHUFFLED_NOTE
    if SPARSE.search(text):
        called = next(filter(None, map(public_name, _library_frames([frame for frame, _ in trace], False))), None)
        return of_library(".".join(called), called, False) if called and counterpart(*called) else _SPARSE_NOTE
    if FLAT.search(text):
        return f"y.flat[...] = x cannot write the derivative of a dual into an array of plain floats: {COLLECT}"
    is_lost = any(isinstance(e, LostDerivativeError) for e in _chain(error))
    # Compiled code that overlooks our error goes on, and fails with a SystemError after the user's function returned.
    everywhere = isinstance(error, SystemError) and is_lost
    frames = _library_frames([frame for frame, _ in trace], everywhere)
    is_index = text.endswith("Dual' object is not subscriptable")
    if not frames:
        return _SCALAR_NOTE if is_index else _of_compiled(error, text, trace)
    if not (is_lost or _holds_duals(frames)):
        return None
    named = next(filter(None, map(public_name, frames)), None)
    labelled = _of_labelled(frames)
    if labelled:
        return labelled
    name = ".".join(named) if named else f"{frames[0].f_globals.get('__name__')}.{frames[0].f_code.co_name}"
    if any(str(frame.f_globals.get("__name__")).startswith(SPARSE_INTERNALS) for frame in frames[:1]):
        return _SPARSE_NOTE
    if all(str(frame.f_globals.get("__name__")).startswith("numpy") for frame in frames):
        if name.startswith("numpy.random"):
            return _of_random(frames[0].f_code.co_name.rpartition(".")[2])
        if is_lost:
            return f"{name} {_OF_NUMPY}" if name.rpartition(".")[2] in (*MAKERS, "vectorize") else None
        if OBJECT_ARRAY.search(text):
            return _OBJECT_ARRAY_NOTE
    if is_index and not (named and counterpart(*named)):
        return _SCALAR_NOTE
    return of_library(name, named, not is_library(frames[0].f_globals.get("__name__")))


def _of_labelled(frames: list[FrameType]) -> str | None:
    """What to write for a method of an array with labels that is a function of NumPy too; None for other code."""
    for frame in frames:
        name, source = frame.f_code.co_name, frame.f_locals.get("self")
        if labels_of(source) is None or not (callable(getattr(np, name, None)) or name in AVERAGES):
            continue
        kind, remedies = type(source), []
        if callable(getattr(np, name, None)):
            remedy = f"np.{name}(s.to_numpy())"
            if isinstance(labels_of(source), Table):
                # pandas passes over what is missing, and divides by one less.
                remedy = f"np.{name}(s.dropna().to_numpy(){', ddof=1' if name in ('std', 'var') else ''})"
                if hasattr(kind, "columns"):
                    remedy = f"df.apply(lambda s: {remedy})"
            remedies = [f"write {remedy}"]
        if isinstance(labels_of(source), Table) and name in AVERAGES:
            remedies.append("differentiate adapt(f), in which it takes duals")
        package = kind.__module__.partition(".")[0]
        return f"{package}.{kind.__name__}.{name} takes plain values: {', or '.join(remedies)}"
    return None


_OF_NUMPY = (
    "makes an array of plain values: differentiate adapt(f), in which it makes one of duals, or write f with "
    "functions of arrays"
)


def of_library(name: str, named: tuple[str, str] | None, is_reached: bool) -> str:
    """What to write for a function of a library, which `dualdiff.adapt` reaches or does not."""
    other = named and counterpart(*named)
    if other:
        return f"{name} takes plain values: write {other}, the same for dual numbers"
    note = f"{name} takes plain values"
    if is_reached:
        note += "; where it fills arrays of its own, differentiate adapt(f)"
    return (
        f"{note}: put the call into a function of the values that it depends on, and give that its derivative with "
        "dualdiff.custom_derivative"
    )


def _of_compiled(error: Exception, text: str, trace: list[tuple[FrameType, int]]) -> str | None:
    """The note about a compiled function that the user's code called."""
    own = [(frame, place) for frame, place in trace if not _is_ours(frame)]
    if not own or (_is_ours(trace[-1][0]) and not isinstance(error, LostDerivativeError)):
        # What is raised here says itself what to write, and a function of Numba takes duals.
        return None
    frame, place = own[-1]
    call = _call(frame, place)
    if isinstance(error, LostDerivativeError):
        takes_like = call is not None and _called(call, frame) in (np.arange, np.fromiter)
        if call is None or not takes_like:
            return None
        name = ast.unparse(call.func)
        return f"{name}(..., like=x) takes dual numbers, or differentiate adapt(f) if f cannot be edited"
    if OBJECT_ARRAY.search(text):
        return _OBJECT_ARRAY_NOTE
    if call is None or not _compiled(call, frame) or not _given_duals(call, frame):
        return None
    return of_library(ast.unparse(call.func), None, False)


def _of_random(name: str) -> str:
    if name in _SHIFTED:
        return f"rng.{name} draws plain values: keep the dual numbers outside, {_SHIFTED[name]}"
    return f"rng.{name} draws plain values, whose dependence on its parameters is unknown: pass dualdiff.value(x)"


def _chain(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    while step is not None:
        yield step
        step = step.__cause__ or step.__context__


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "dualdiff"


def _library_frames(frames: list[FrameType], everywhere: bool) -> list[FrameType]:
    """The frames of libraries behind the last one of the user's code, or ``everywhere``."""
    result: list[FrameType] = []
    for frame in frames:
        if is_foreign(frame):
            result.append(frame)
        elif not _is_ours(frame) and not everywhere:
            result = []
    return result


def _holds_duals(frames: list[FrameType]) -> bool:
    """Whether there are duals among the variables of library code, or those of the functions that it was given."""
    for frame in frames:
        for x in list(frame.f_locals.values()):
            cells = getattr(x, "__closure__", None) or ()
            held = [getattr(cell, "cell_contents", None) for cell in cells]
            if duals_in([x, held, getattr(x, "__defaults__", None) or ()]):
                return True
    return False


def _call(frame: FrameType, place: int) -> ast.Call | None:
    """The call in the source of a frame that failed; None if it was none, or there is no source."""
    at = position(frame, place)
    if at is None:
        return None
    start, stop, column, end = at
    lines = [linecache.getline(frame.f_code.co_filename, i).encode() for i in range(start, stop + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][column:]
    try:
        node = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.Call) else None


def _called(call: ast.Call, frame: FrameType) -> object:
    """What is called, if it has a name or is an attribute of what has one; None otherwise."""
    names: list[str] = []
    node = call.func
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    thing = frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    for name in reversed(names):
        thing = getattr(thing, name, None)
    return thing


def _compiled(call: ast.Call, frame: FrameType) -> bool:
    """Whether what is called may be compiled: it is neither a function nor a class written in Python."""
    thing = _called(call, frame)
    written = (FunctionType, MethodType)
    return not isinstance(thing, written) and not isinstance(getattr(thing, "__init__", None), FunctionType)


def _given_duals(call: ast.Call, frame: FrameType) -> bool:
    """Whether variables in the arguments of a call hold duals."""
    for part in (*call.args, *call.keywords):
        for node in ast.walk(part):
            if isinstance(node, ast.Name) and duals_in(frame.f_locals.get(node.id, frame.f_globals.get(node.id))):
                return True
    return False
