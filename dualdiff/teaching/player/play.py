"""`play`: the page of a function, for notebooks and for files."""

from __future__ import annotations

import html
import json
import os
import warnings
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from dualdiff.teaching.player.lesson import lesson
from dualdiff.teaching.trace import Subject, Trace

Predict = Literal["tangents", "adjoints"]

#: The scripts of the page, in the order in which they need each other.
SCRIPTS = ("model.js", "text.js", "arcs.js", "predict.js", "exercise.js", "player.js")
#: The height of the page in a notebook, in pixels.
HEIGHT = 760


class Player:
    """A page that plays a run of f, as returned by `play`; notebooks display it.

    Attributes
    ----------
    trace : Trace
        The run that is shown first.
    html : str
        The page: one document, which loads nothing else.
    """

    def __init__(
        self,
        traces: Sequence[Trace],
        name: str,
        function: Any = None,
        slider: dict[str, Any] | None = None,
        predict: Predict | None = None,
    ) -> None:
        self.trace: Trace = traces[0 if slider is None else slider["start"]]
        self.html: str = _page({**lesson(function, name, traces, slider), "predict": predict})
        self._name = name

    def _repr_html_(self) -> str:
        # In a frame, neither the styles nor the scripts of the page and of the notebook affect each other.
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self._name)}, step by step" '
            f'style="width:100%;height:{HEIGHT}px;border:0" allow="clipboard-write"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<player of {self._name}, {len(self.trace)} steps: .save('lesson.html') writes the page>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, ``"lesson.html"``; any browser opens it from the disk.

        Parameters
        ----------
        path : str or path
            The name of the file, ending in ``.html``.

        Raises
        ------
        ValueError
            If the name does not end in ``.html``.
        OSError
            If the file cannot be written.
        """
        if not os.fspath(path).lower().endswith(".html"):
            raise ValueError(f"a page is written as HTML, and {os.fspath(path)!r} does not end in .html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.html)


def play(
    f: Callable[..., Any],
    *x: Any,
    argnum: int | Sequence[int] | None = None,
    directions: Sequence[Any] | None = None,
    slide: str | None = None,
    between: tuple[float, float] | None = None,
    points: int = 61,
    predict: Predict | None = None,
    limit: int = 200,
) -> Player:
    """Record a run of f, and show it step by step: forwards with tangents, then backwards with adjoints.

    The page has the source of f with the expression that is evaluated, and the steps with their values, local
    derivatives, tangents and adjoints, with an arc for every dependence.  The reader plays it or steps through it,
    drags an input, or predicts the tangents or adjoints and has them checked.

    Parameters
    ----------
    f : callable
        Ordinary Python and NumPy code.
    *x : scalar, array, or nested containers of them
        The arguments of f.
    argnum : int or sequence of int, optional
        The arguments that are inputs, as for `trace`.
    directions : sequence, optional
        The directions of the tangents, as for `trace`.
    slide : str, optional
        The name of a scalar input that the reader may change: ``"x"``.  f runs once for each of its values.
    between : tuple of two scalars, optional
        The range of the slider.  By default it is as wide as twice the value, at least 2, around it.
    points : int, default 61
        The number of values on the slider.
    predict : {"tangents", "adjoints"}, optional
        What the page asks the reader to predict when it opens.  The reader may change it.
    limit : int, default 200
        The maximum number of steps to show.

    Returns
    -------
    Player
        Displayed in notebooks; ``.save("lesson.html")`` writes the page to a file.

    Raises
    ------
    TypeError
        If f is not a function, or an input is not numeric.
    ValueError
        If ``slide`` does not name a scalar input, or its range is empty; if a direction does not fit the inputs.

    Notes
    -----
    The cost is one trace of f, with a slider one for each point.  All values, local derivatives, tangents and adjoints
    on the page are computed here; the page itself only forms the products and sums that it explains, and compares
    them with these.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import teaching
    >>> def f(x1, x2):
    ...     return np.log(x1) + x1 * x2 - np.sin(x2)
    >>> lesson = teaching.play(f, 2.0, 5.0, slide="x1", between=(0.5, 4.0))
    >>> lesson
    <player of f(x1, x2), 7 steps: .save('lesson.html') writes the page>
    """
    if slide is None and between is not None:
        raise ValueError("between is the range of a slider: name its input, slide='x'")
    subject = Subject("play", f, x, argnum, directions)
    first = subject.traced(subject.leaves, limit)
    _check_prediction(predict, first)
    traces, slider = [first], None
    if slide is not None:
        i, values = _slider(subject, slide, between, points)
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            others = [subject.traced([*subject.leaves[:i], value, *subject.leaves[i + 1 :]], limit) for value in values]
        start = values.index(float(subject.leaves[i]))
        traces = [*others[:start], first, *others[start + 1 :]]
        slider = {"input": i, "name": slide, "values": values, "start": start}
    return Player(traces, _called(f, subject.parameters), subject.function, slider, predict)


def _check_prediction(predict: Predict | None, trace: Trace) -> None:
    """Raise a ValueError if there is nothing to predict."""
    if predict not in (None, "tangents", "adjoints"):
        raise ValueError(f"predict is 'tangents', 'adjoints' or None, not {predict!r}")
    if predict == "tangents" and not trace.directions:
        raise ValueError(f"play: there are no tangents to predict; {trace.remarks[-1]}")
    if predict == "adjoints":
        trace.adjoints()  # which says why there are none


def _slider(subject: Subject, name: str, between: tuple[float, float] | None, points: int) -> tuple[int, list[float]]:
    """The index of an input, and its values on a slider: equidistant, but with the given one among them."""
    scalars = [n for n, leaf in zip(subject.names, subject.leaves, strict=True) if not np.shape(leaf)]
    if name not in scalars:
        known = f"the scalar inputs are {', '.join(scalars)}" if scalars else "no input is a scalar"
        raise ValueError(f"play: slide={name!r} is not a scalar input; {known}")
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise ValueError(f"points is the number of values on the slider, 2 or more, not {points!r}")
    i = subject.names.index(name)
    here = float(subject.leaves[i])
    reach = max(abs(here), 1.0)
    low, high = map(float, between) if between is not None else (here - reach, here + reach)
    if not low < high or not np.isfinite([low, high]).all():
        raise ValueError(f"play: the slider of {name} needs a range (low, high), not {between!r}")
    if not low <= here <= high:
        raise ValueError(f"play: {name} = {here!r} is not between {low!r} and {high!r}, the range of its slider")
    values = [float(v) for v in np.linspace(low, high, points)]
    values[int(np.argmin(np.abs(np.subtract(values, here))))] = here
    return i, values


def _called(f: Any, parameters: Sequence[str]) -> str:
    """How f is called: ``f(x1, x2)``."""
    name = getattr(f, "__name__", "")
    return f"{name if name.isidentifier() else 'f'}({', '.join(parameters)})"


def _page(data: dict[str, Any]) -> str:
    """The page with its styles, scripts and data in it."""
    folder = files("dualdiff.teaching.player") / "page"
    page, *scripts = ((folder / name).read_text(encoding="utf-8") for name in ("player.html", *SCRIPTS))
    # In a script, only "<" could end it.
    written = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "title": html.escape(data["name"]),
        "style": (folder / "player.css").read_text(encoding="utf-8"),
        "data": written,
        "script": "\n".join(scripts),
    }
    for name, part in parts.items():
        before, _, after = page.partition(f"<!--{name}-->")
        page = before + part + after
    return page
