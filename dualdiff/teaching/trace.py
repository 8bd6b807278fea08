"""Evaluation traces: every step of a run of f, with its formula, its value and its tangents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dualdiff.teaching.graph import Graph


@dataclass(frozen=True, eq=False)
class Step:
    """A row of a trace: an input, or an operation on earlier rows.

    Attributes
    ----------
    name : str
        ``"x"`` for an input, ``"v1"``, ``"v2"``, ... for the results of operations.
    formula : str
        The operation in the names of its operands, ``"v1*x"``; empty for an input.
    operation : str
        What is written into the node of the graph, ``"sin"`` or ``"+"``; ``"input"`` for an input.
    operands : tuple of Step
        The earlier steps on which this one depends, each once.
    value : number or array
    tangents : tuple
        One for each direction of the trace, shaped like the value.
    partials : tuple
        The partial derivative in each operand, where operand and value are numbers; otherwise None.
    """

    name: str
    formula: str
    operation: str
    operands: tuple[Step, ...]
    value: Any
    tangents: tuple[Any, ...]
    partials: tuple[Any, ...]


class Trace:
    """The evaluation trace of a run of f, as `trace` returns it; it shows itself as a table.

    Attributes
    ----------
    steps : list of Step
        The inputs, and then the operations in the order in which they were computed.
    inputs, operations : list of Step
        Both parts of it.
    results : list of Step
        What f returned, one for each number or array that depends on the inputs.
    value : number, array or container
        What f returned, without derivatives.
    directions : list of str
        The heads of the columns of tangents: ``["d/dx", "d/dy"]``, or ``["tangent"]`` if there is one.
    remarks : list of str
        What the trace does not show: branches that were not taken, steps beyond the limit.
    error : Exception or None
        What f raised; the trace ends there.
    """

    steps: list[Step]
    inputs: list[Step]
    operations: list[Step]
    results: list[Step]
    value: Any
    directions: list[str]
    remarks: list[str]
    error: Exception | None

    def __getitem__(self, name: str) -> Step:
        """The step of this name: ``t["v3"].value``."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of steps, inputs included."""
        raise NotImplementedError

    def adjoints(self) -> dict[str, Any]:
        """The derivative of the result in every step, by name: the backward sweep of reverse mode.

        Returns
        -------
        dict
            A number or array, shaped like the value of the step, by the name of the step, last step first.

        Raises
        ------
        ValueError
            If f did not return a single number.
        """
        raise NotImplementedError

    def graph(self, tangents: bool = False, adjoints: bool = False, values: bool = True) -> Graph:
        """The computational graph of the run: inputs left, result right.

        The operation is in the node, and the local partial derivative on the edge.

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
            Shown as a picture in notebooks; ``.save("graph.svg")`` writes it into a file.

        Raises
        ------
        ImportError
            If igraph, which lays it out, is not installed: ``pip install 'dualdiff[plot]'``.
        ValueError
            If adjoints are asked for and f did not return a single number.
        """
        raise NotImplementedError


def trace(
    f: Callable[..., Any],
    *x: Any,
    argnum: int | Sequence[int] | None = None,
    directions: Sequence[Any] | None = None,
    limit: int = 200,
) -> Trace:
    """Run f once and write down every step: its formula, its value and its tangents.

    The tangents are those of forward mode: with :math:`\\dot v_j` the tangents of the operands,

    .. math:: \\dot v_i = \\sum_j \\frac{\\partial v_i}{\\partial v_j} \\dot v_j .

    Loops unroll, of branches the one that was taken is there, and an array is one row.

    Parameters
    ----------
    f : callable
        Ordinary Python and NumPy code.  It may return numbers, arrays, and tuples and dicts of them.
    *x : number, array, or nested tuples and dicts of them
        The arguments of f.
    argnum : int or sequence of int, optional
        Which arguments are the inputs of the trace; all by default.  The others are constants.
    directions : sequence, optional
        The directions of the tangents.  Each has one entry for each input, shaped like it (for a single input the entry
        alone will do).  By default there is one direction for each number among the inputs; if they are more than
        eight, the tangents are left out.
    limit : int, default 200
        The largest number of steps to show.  The rest of the run appears as one step, with its value and tangents.

    Returns
    -------
    Trace
        A table in a terminal and in a notebook; with the rows in ``.steps`` and the graph in ``.graph()``.

    Raises
    ------
    TypeError
        If f is not a function, or an input is no number.  What f itself raises ends the trace, which says so, and
        is kept in its ``error``.
    ValueError
        If a direction does not fit the inputs.

    Notes
    -----
    One call of f.  The example is that of Baydin, Pearlmutter, Radul and Siskind, "Automatic differentiation in machine
    learning: a survey", Journal of Machine Learning Research 18 (2018), tables 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> t = trace(lambda x1, x2: np.log(x1) + x1 * x2 - np.sin(x2), 2.0, 5.0)
    >>> t
    >>> t["v3"].operands[0].name, t["v2"].partials
    >>> t.adjoints()["x1"]
    5.5
    """
    raise NotImplementedError
