"""Evaluation traces: every step of a run of f, with its formula, value and tangents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from dualdiff.base import tags
from dualdiff.core.array import wrap
from dualdiff.core.containers import flatten, output_leaf
from dualdiff.core.dual import AnyDual
from dualdiff.core.reading import value as value_of
from dualdiff.teaching.graph import Graph, drawn
from dualdiff.teaching.location import Location
from dualdiff.teaching.trace_inputs import Inputs, chosen, parameters_of
from dualdiff.teaching.traced_space import Comparison, Note, Traced
from dualdiff.teaching.words import formula, html_table, number, operation, table, text


@dataclass(frozen=True, eq=False)
class Step:
    """A row of a trace: an input, or an operation on earlier rows.

    Attributes
    ----------
    name : str
        ``"x"`` for an input, ``"v1"``, ``"v2"``, ... for the results of operations.
    formula : str
        The operation, written with the names of its operands, ``"v1*x"``; empty for an input.
    operation : str
        The label of the node in the graph, ``"sin"`` or ``"+"``; ``"input"`` for an input.
    operands : tuple of Step
        The earlier steps on which this one depends, without repetition.
    value : scalar or array
    tangents : tuple
        One for each direction of the trace, shaped like the value.
    partials : tuple
        The partial derivative with respect to each operand if operand and value are scalars; None otherwise.
    location : Location or None
        The expression in the source that the step evaluates, with its ``line``; None for an input.
    """

    name: str
    formula: str
    operation: str
    operands: tuple[Step, ...]
    value: Any
    tangents: tuple[Any, ...]
    partials: tuple[Any, ...]
    location: Location | None = None


class Branch(NamedTuple):
    """A comparison in a run of f: ``comparison`` is its text, ``"v1 > 2"``."""

    comparison: str
    answer: bool
    location: Location | None


class Trace:
    """The evaluation trace of a run of f, as returned by `trace`; displayed as a table.

    Attributes
    ----------
    steps : list of Step
        The inputs, then the operations in the order of evaluation.
    inputs, operations : list of Step
        The two parts of ``steps``.
    results : list of Step
        One for each scalar or array among the results of f that depends on the inputs.
    value : scalar, array or container
        The value of f.
    directions : list of str
        The headings of the columns of tangents: ``["d/dx", "d/dy"]``, or ``["tangent"]`` if there is only one.
    remarks : list of str
        Notes on what the trace does not show: branches that were not taken, steps beyond the limit.
    error : Exception or None
        The exception that f raised; the trace ends there.
    branches : list of Branch
        The comparisons of values that depend on the inputs, with their answers.
    """

    def __init__(
        self,
        steps: list[Step],
        notes: list[Note],
        results: list[Step],
        value: Any,
        answer: str,
        directions: list[str],
        remarks: list[str],
        error: Exception | None,
        branches: Sequence[Branch] = (),
    ) -> None:
        self.steps: list[Step] = steps
        self.results: list[Step] = results
        self.value: Any = value
        self.inputs: list[Step] = [step for step in steps if step.operation == "input"]
        self.operations: list[Step] = steps[len(self.inputs) :]
        self.directions: list[str] = directions
        self.remarks: list[str] = remarks
        self.error: Exception | None = error
        self.branches: list[Branch] = list(branches)
        self._notes, self._answer = notes, answer

    def __getitem__(self, name: str) -> Step:
        """The step of this name: ``t["v3"].value``."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(
            f"no step has the name {name!r}; the steps go from {self.steps[0].name} to {self.steps[-1].name}"
        )

    def __len__(self) -> int:
        """The number of steps, inputs included."""
        return len(self.steps)

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        """The headings of the table, and a row for each step."""
        head = ["", "formula", "value", *self.directions]
        rows = [[s.name, s.formula, number(s.value), *map(number, s.tangents)] for s in self.steps]
        return head, rows

    def _below(self) -> list[str]:
        """The lines below the table."""
        return [f"f = {self._answer}", *self.remarks] if self.error is None else self.remarks

    def __repr__(self) -> str:
        return "\n".join([*table(*self._rows()), *self._below()])

    def _repr_html_(self) -> str:
        head, rows = self._rows()
        lines = ["" if step.location is None else str(step.location.line) for step in self.steps]
        if len(set(lines) - {""}) > 1:
            head, rows = [*head, "line"], [[*row, line] for row, line in zip(rows, lines, strict=True)]
        return html_table(head, rows, self._below())

    def adjoints(self) -> dict[str, Any]:
        """The derivative of the result with respect to every step, by name: the backward sweep of reverse mode.

        Returns
        -------
        dict
            Scalars or arrays, shaped like the values of the steps, by the names of the steps, last step first.

        Raises
        ------
        ValueError
            If f did not return a real scalar.
        """
        if self.error is not None:
            raise ValueError(f"adjoints start from the result, but f raised {type(self.error).__name__}")
        if not has_adjoints(self):
            raise ValueError(
                f"adjoints are the derivatives of a real scalar, but f returned {self._answer}: trace one of its "
                "elements, or a weighted sum such as lambda x: np.sum(w * f(x))"
            )
        return dict(reversed([*zip((s.name for s in self.steps), swept(self), strict=True)]))

    def graph(self, tangents: bool = False, adjoints: bool = False, values: bool = True) -> Graph:
        """The computational graph of the run: inputs left, result right.

        Nodes are labelled with operations, edges with local partial derivatives.

        Parameters
        ----------
        tangents : bool
            Whether the nodes show the tangents, in the colour of the forward sweep.
        adjoints : bool
            Whether the nodes show the adjoints, in the colour of the backward sweep.
        values : bool
            Whether the nodes show the values.

        Returns
        -------
        Graph
            Displayed in notebooks; ``.save("graph.svg")`` writes it to a file.

        Raises
        ------
        ImportError
            If fast-sugiyama, which computes the layout, is not installed: ``pip install fast-sugiyama``.
        ValueError
            If ``adjoints`` is true and f did not return a real scalar.
        """
        return Graph(drawn(self, values, tangents, self.adjoints() if adjoints else None))


def single_result(trace: Trace) -> Step | None:
    """The result of f if it returned one scalar or array, which depends on the inputs, and nothing else."""
    if trace.error is not None or len(trace.results) != 1 or len(flatten(trace.value)[0]) != 1:
        return None
    return trace.results[0]


def has_adjoints(trace: Trace) -> bool:
    """Whether f returned a real scalar that depends on the inputs."""
    result = single_result(trace)
    return result is not None and np.size(result.value) == 1 and not np.iscomplexobj(result.value)


def swept(trace: Trace) -> list[Any]:
    """The adjoints of the steps, in their order, if the result is a real scalar."""
    cotangents: dict[Note, Any] = {}
    (result,) = trace.results
    cotangents[trace._notes[trace.steps.index(result)]] = np.ones_like(result.value)[()]
    adjoints = []
    for step, note in zip(reversed(trace.steps), reversed(trace._notes), strict=True):
        w = cotangents.get(note)
        adjoints.append(_sized(w, step.value))
        for parent, part in zip(note.parents, note.pull(w), strict=True):
            if part is not None:
                cotangents[parent] = part if cotangents.get(parent) is None else cotangents[parent] + part
    return adjoints[::-1]


def jacobians(trace: Trace, step: Step, most: int) -> list[Any]:
    """The local Jacobian of a step with respect to each operand, as a matrix with a row for each element.

    It is None where step and operand are scalars, whose partial derivative is in ``step.partials``, where one of
    them is complex, and where it would have more than ``most`` elements.
    """
    note = trace._notes[trace.steps.index(step)]
    jacobians: list[Any] = []
    for i, operand in enumerate(step.operands):
        rows, columns = np.size(step.value), np.size(operand.value)
        is_scalar = not np.shape(step.value) and not np.shape(operand.value)
        is_complex = np.iscomplexobj(step.value) or np.iscomplexobj(operand.value)
        if is_scalar or is_complex or rows * columns > most:
            jacobians.append(None)
            continue
        jacobian = np.empty((rows, columns))
        for j in range(columns):
            unit = np.zeros_like(operand.value)
            unit[np.unravel_index(j, np.shape(operand.value))] = 1.0
            tangents = [unit[()] if k == i else None for k in range(len(step.operands))]
            jacobian[:, j] = np.ravel(_sized(note.push(tangents), step.value))
        jacobians.append(jacobian)
    return jacobians


def trace(
    f: Callable[..., Any],
    *x: Any,
    argnum: int | Sequence[int] | None = None,
    directions: Sequence[Any] | None = None,
    limit: int = 200,
) -> Trace:
    """Run f once and record every step: its formula, value and tangents.

    The tangents are those of forward mode: with :math:`\\dot v_j` the tangents of the operands,

    .. math:: \\dot v_i = \\sum_j \\frac{\\partial v_i}{\\partial v_j} \\dot v_j .

    Loops are unrolled, only the branches taken are shown, and an array is one row.

    Parameters
    ----------
    f : callable
        Ordinary Python and NumPy code that returns scalars, arrays, or containers of them.
    *x : scalar, array, or nested containers of them
        The arguments of f.
    argnum : int or sequence of int, optional
        The arguments that are inputs of the trace; the others are constants.  By default all arguments are inputs,
        except integers if some arguments are not integers: those are taken as counts and sizes.
    directions : sequence, optional
        The directions of the tangents.  Each has one entry per input, shaped like it; for a single input the entry
        itself will do.  By default there is one direction for each element of the inputs; with more than six elements
        the tangents are omitted.
    limit : int, default 200
        The maximum number of steps to show.  The rest of the run appears as one step, with its value and tangents.

    Returns
    -------
    Trace
        Displayed as a table in a terminal and in a notebook; the rows are in ``.steps``, and ``.graph()`` draws the
        computational graph.

    Raises
    ------
    TypeError
        If f is not a function, or an input is not numeric.  An exception of f itself ends the trace, which reports it
        and stores it in ``error``.
    ValueError
        If a direction does not fit the inputs.

    Notes
    -----
    The cost is one call of f.  The example is that of Baydin, Pearlmutter, Radul and Siskind, "Automatic
    differentiation in machine learning: a survey", Journal of Machine Learning Research 18 (2018), tables 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> t = trace(lambda x1, x2: np.log(x1) + x1 * x2 - np.sin(x2), 2.0, 5.0)
    >>> t
        formula  value      d/dx1  d/dx2
    x1            2         1      0
    x2            5         0      1
    v1  log(x1)   0.693147  0.5    0
    v2  x1*x2    10         5      2
    v3  v1 + v2  10.6931    5.5    2
    v4  sin(x2)  -0.958924  0      0.283662
    v5  v3 - v4  11.6521    5.5    1.71634
    f = v5
    >>> [operand.name for operand in t["v3"].operands]
    ['v1', 'v2']
    >>> float(t.adjoints()["x1"])
    5.5
    """
    subject = Subject("trace", f, x, argnum, directions)
    return subject.traced(subject.leaves, limit)


class Subject:
    """f with its arguments, to be traced at these or other values of the inputs.

    ``names`` and ``leaves`` are those of the inputs, scalars and arrays, ``parameters`` the names of all arguments;
    ``who`` is the public function in messages.
    """

    def __init__(
        self,
        who: str,
        f: Callable[..., Any],
        x: tuple[Any, ...],
        argnum: int | Sequence[int] | None,
        directions: Sequence[Any] | None,
    ) -> None:
        if not callable(f):
            raise TypeError(f"{who} takes a function as its first argument, not {type(f).__name__}")
        if not x:
            raise TypeError(f"{who} needs the arguments of f too: {who}(f, 2.0, 5.0)")
        self.parameters = parameters = parameters_of(f, len(x))
        self._chosen = chosen(who, argnum, x)
        self._inputs = Inputs(who, [(parameters[i], x[i]) for i in self._chosen])
        self.names, self.leaves = self._inputs.names, self._inputs.leaves
        self._columns, self._seeds, self._remarks = self._inputs.directions(directions)
        if argnum is None and (constant := sorted({*range(len(x))} - {*self._chosen})):
            given = ", ".join(f"{parameters[i]} = {x[i]}" for i in constant)
            example = float(x[constant[0]])
            self._remarks = [*self._remarks, f"integers are constants ({given}): write {example} for an input"]
        # A function compiled by Numba is traced as its Python source.
        self.function, self._x = getattr(f, "py_func", f), x

    def traced(self, leaves: list[Any], limit: int) -> Trace:
        """The trace at these values of the inputs."""
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"limit is the largest number of steps, 1 or more, not {limit!r}")
        prefix = "v"
        while any(re.fullmatch(rf"{prefix}\d+", name) for name in self.names):
            prefix += "v"
        labels = (f"{prefix}{i}" for i in count(1))
        return traced(self._run, leaves, self.names, labels, self._columns, self._seeds, self._remarks, limit)

    def _run(self, leaves: list[Any]) -> Any:
        args = list(self._x)
        for i, part in zip(self._chosen, self._inputs.rebuilt(leaves), strict=True):
            args[i] = part
        return self.function(*args)


def traced(
    run: Callable[[list[Any]], Any],
    leaves: list[Any],
    names: list[str],
    labels: Iterator[str],
    columns: list[str],
    seeds: list[list[Any]],
    remarks: list[str],
    limit: int,
    locations: Mapping[str, Location] | None = None,
) -> Trace:
    """The trace of ``run``, a function of a list of scalars and arrays, with a name from ``labels`` for each step.

    ``seeds`` holds, for each direction, the tangents of the inputs.  ``locations`` says where the steps stand, by name,
    if not in the source of a function.
    """
    tag = tags.start()
    error: Exception | None = None
    value: Any = None
    answers: Any = None
    results: list[Note] = []
    space = Traced(tag, limit, traced.__code__)
    tags.running(space)
    try:
        duals = [
            wrap(np.copy(leaf) if issubclass(type(leaf), np.ndarray) else leaf, space.input(leaf), space)
            for leaf in leaves
        ]
        try:
            returned = run(duals)
        except Exception as raised:
            error = raised
        else:
            outputs, rebuild = flatten(returned)
            outputs = [output_leaf(leaf, "trace") for leaf in outputs]
            value = value_of(rebuild(outputs))
            noted = [_answer(leaf, space) for leaf in outputs]
            results = [note for note in noted if isinstance(note, Note)]
            answers = rebuild(noted)
    finally:
        tags.end(tag)

    steps: dict[Note, Step] = {}
    tangents: list[dict[Note, Any]] = [{} for _ in seeds]
    called: dict[Note, str] = {}
    for i, note in enumerate(space.notes):
        called[note] = names[i] if i < len(names) else "..." if note.name == "rest" else next(labels)
        for seed, along in zip(seeds, tangents, strict=True):
            along[note] = seed[i] if i < len(names) else note.push([along[p] for p in note.parents])
        steps[note] = Step(
            called[note],
            _rest(space) if note.name == "rest" else formula(note, called),
            _rest(space) if note.name == "rest" else operation(note),
            tuple(steps[p] for p in note.parents),
            note.value,
            tuple(_sized(along[note], note.value) for along in tangents),
            _partials(note),
            None if note.name == "input" else note.location if locations is None else locations.get(called[note]),
        )
    answer = text(answers, called)
    remarks = [*_remarks(space, called, results, error, value, limit), *remarks]
    return Trace(
        list(steps.values()),
        space.notes,
        list(dict.fromkeys(steps[note] for note in results)),
        value,
        answer,
        columns,
        remarks,
        error,
        _branches(space, called),
    )


def _answer(leaf: Any, space: Traced) -> Any:
    """The note of a result, or its value if it is a constant."""
    if not isinstance(leaf, AnyDual) or leaf.space.tag != space.tag or leaf.raw is None:
        return value_of(leaf)
    return space.find(leaf) or space.rest(leaf)


def _rest(space: Traced) -> str:
    return f"{space.left_out} more steps"


def _sized(t: Any, like: Any) -> Any:
    """A tangent or adjoint as a plain scalar or array of the shape of the value."""
    return np.zeros_like(like)[()] if t is None else np.broadcast_to(value_of(t), np.shape(like)).copy()[()]


def _partials(note: Note) -> tuple[Any, ...]:
    """The partial derivative with respect to each parent, where both are scalars."""
    partials: list[Any] = []
    for i, parent in enumerate(note.parents):
        if np.shape(parent.value) or np.shape(note.value):
            partials.append(None)
            continue
        unit = [1.0 if j == i else None for j in range(len(note.parents))]
        partials.append(_sized(note.push(unit), note.value))
    return tuple(partials)


def _branches(space: Traced, called: dict[Note, str]) -> list[Branch]:
    """The comparisons of scalars; those of arrays select elements, not branches."""
    return [
        Branch(_compared(comparison, called), bool(comparison.answer), comparison.location)
        for comparison in space.comparisons
        if not np.shape(comparison.answer)
    ]


def _compared(comparison: Comparison, called: dict[Note, str]) -> str:
    a, b = comparison.operands
    return f"{text(a, called)} {comparison.symbol} {text(b, called)}"


def _remarks(
    space: Traced, called: dict[Note, str], results: list[Note], error: Exception | None, value: Any, limit: int
) -> list[str]:
    """Notes on what the trace omits."""
    remarks = []
    if error is not None:
        last = called[space.notes[-1]]
        remarks.append(f"f raised {type(error).__name__} after {last}, where the trace ends: {error}")
    elif not results:
        remarks.append("f does not depend on its inputs: its derivative is zero")
    if space.comparisons:
        shown = dict.fromkeys(
            f"{text(a, called)} {symbol} {text(b, called)}" for symbol, (a, b), *_ in space.comparisons
        )
        first = ", ".join(list(shown)[:3]) + (", ..." if len(shown) > 3 else "")
        remarks.append(f"f compares values ({first}): only the branches taken are shown")
    if space.left_out:
        remarks.append(
            f"f has {space.left_out} steps beyond the limit of {limit}: they are omitted, but the result is correct; "
            f"trace(..., limit={limit + space.left_out}) shows them"
        )
    return remarks
