"""Drawings of computational graphs: laid out in layers by fast-sugiyama, written as SVG.

A graph of many layers is broken into lines like text; nodes of earlier lines are repeated, dashed, at the left of the
lines that need them.
"""

from __future__ import annotations

import base64
import html
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dualdiff.base.extras import load
from dualdiff.teaching.themes import themed
from dualdiff.teaching.words import number

if TYPE_CHECKING:
    from dualdiff.teaching.trace import Step, Trace

Theme = Literal["auto", "light", "dark"]
Point = tuple[float, float]
Area = tuple[float, float, float, float]

#: Lines of layers are broken at about this width, in pixels: that of a notebook's cell.
WIDTH = 860
MARGIN = 16
#: The space between two layers, for a label and the curves beside it.
GAP = 44
#: The space between two nodes of a layer.
SPACE = 16
#: The width of a letter relative to the font size; few letters of a sans-serif font are wider.
LETTER = 0.63
LONGEST = 26

_COLOURS = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1b1f24",
        "node": "#f4f5f7",
        "input": "#dfebfa",
        "line": "#656d76",
        "forward": "#0550ae",
        "backward": "#9a3412",
    },
    "dark": {
        "paper": "#14181d",
        "ink": "#e8edf2",
        "node": "#262c34",
        "input": "#1c3350",
        "line": "#98a2ad",
        "forward": "#8cc8ff",
        "backward": "#ffb48a",
    },
}


#: Which of two pictures is shown: that in the theme of the page, or else of the system.
_ONE_SHOWN = themed(".dd-graph .dd-dark{display:none}", ".dd-graph .dd-light{display:none}")


class Graph:
    """The drawing of a computational graph, as returned by `Trace.graph`.

    Notebooks display it, with a scroll bar if it is wide.  The colours follow the reader's light or dark theme; the
    drawing has a background of its own, so that it is legible on any page.

    Attributes
    ----------
    svg : str
        The drawing as SVG text.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.svg: str = picture.svg("auto")

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # The styles of an image do not affect the page, and this frame keeps its size.  Of both pictures the page shows
        # the one in its theme.
        alt = html.escape(self._picture.alt)
        themes: tuple[Theme, Theme] = ("light", "dark")
        data = [base64.b64encode(self._picture.svg(theme).encode()).decode() for theme in themes]
        pictures = (
            f'<img class="dd-{theme}" alt="{alt}" style="max-width:none" src="data:image/svg+xml;base64,{text}">'
            for theme, text in zip(themes, data, strict=True)
        )
        return f'<div class="dd-graph" style="overflow-x:auto"><style>{_ONE_SHOWN}</style>{"".join(pictures)}</div>'

    def __repr__(self) -> str:
        return f"<computational graph of {self._picture.steps} nodes: .save('graph.svg') writes the drawing>"

    def save(self, path: str | os.PathLike[str], theme: Theme = "auto") -> None:
        """Write the drawing to a file, ``"graph.svg"``.

        Parameters
        ----------
        path : str or path
            The name of the file, ending in ``.svg``.
        theme : {"auto", "light", "dark"}
            The colours; ``"auto"`` follows the reader's theme.

        Raises
        ------
        ValueError
            If the name does not end in ``.svg``, or the theme is unknown.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> from dualdiff.teaching import trace
        >>> trace(lambda x: x * x, 3.0).graph().save("square.png")
        Traceback (most recent call last):
            ...
        ValueError: the drawing is written as SVG: give the file a name that ends in .svg, not 'square.png'
        """
        name = os.fspath(path)
        if not name.lower().endswith(".svg"):
            raise ValueError(f"the drawing is written as SVG: give the file a name that ends in .svg, not {name!r}")
        if theme not in ("auto", *_COLOURS):
            raise ValueError(f"theme is 'auto', 'light' or 'dark', not {theme!r}")
        with open(name, "w", encoding="utf-8") as file:
            file.write(self._picture.svg(theme))


@dataclass
class _Box:
    """A node, or its repetition in a later line; x and y are its centre."""

    step: Step
    lines: list[tuple[str, str]]
    layer: int
    kind: str
    x: float = 0.0
    y: float = 0.0
    width: float = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(_width(words, 15 if style == "op" else 12) for words, style in self.lines) + 20
        self.height = 10 + sum(20 if style == "op" else 17 for _, style in self.lines)


@dataclass
class _Edge:
    """An edge from box to box, with the positions of its bends."""

    source: _Box
    target: _Box
    label: str
    bends: list[tuple[int, float]] = field(default_factory=list)
    # The offset from the centre of the target at which it arrives.
    port: float = 0.0


@dataclass
class Picture:
    """What is drawn: shapes without colours, and the total size."""

    shapes: list[str]
    width: float
    height: float
    steps: int
    alt: str

    def svg(self, theme: Theme) -> str:
        """The SVG text in a theme."""
        style = _style(_COLOURS["light" if theme == "auto" else theme])
        if theme == "auto":
            style += f"@media (prefers-color-scheme: dark) {{{_style(_COLOURS['dark'])}}}"
        w, h = round(self.width), round(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img">'
            f"<style>{_FONTS}{style}</style>\n"
            f'<rect class="dd-paper" width="{w}" height="{h}" rx="6"/>\n' + "\n".join(self.shapes) + "\n</svg>\n"
        )


_FONTS = (
    ".dd-text{font:12px system-ui,'Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif;text-anchor:middle}"
    ".dd-op{font-size:15px;font-weight:bold}.dd-left{text-anchor:start}"
    ".dd-edge{fill:none;stroke-width:1.3}.dd-strong{stroke-width:2}"
    ".dd-box{stroke-width:1.2}.dd-result{stroke-width:3}.dd-again{stroke-dasharray:4 3}"
)


def _style(c: Mapping[str, str]) -> str:
    return (
        f".dd-paper{{fill:{c['paper']}}}.dd-text{{fill:{c['ink']}}}"
        f".dd-box{{fill:{c['node']};stroke:{c['line']}}}.dd-input{{fill:{c['input']}}}"
        f".dd-result{{stroke:{c['ink']}}}.dd-again{{fill:{c['paper']}}}"
        f".dd-edge{{stroke:{c['line']}}}.dd-tip{{fill:{c['line']}}}"
        + "".join(
            f".dd-edge.dd-{way}{{stroke:{c[way]}}}.dd-tip.dd-{way},.dd-text.dd-{way}{{fill:{c[way]}}}"
            for way in ("forward", "backward")
        )
    )


def drawn(trace: Trace, values: bool, tangents: bool, adjoints: dict[str, Any] | None) -> Picture:
    """The drawing of a trace."""
    layout = load("fast_sugiyama", "fast-sugiyama", "the drawing of a computational graph")
    layers: dict[Step, int] = {}
    for step in trace.steps:
        layers[step] = 1 + max(layers[s] for s in step.operands) if step.operands else 0
    inner = {step: list(_lines(step, values, tangents, adjoints)) for step in trace.steps}
    bands = _bands(trace.steps, layers, inner)

    shapes: list[str] = []
    top, width = float(MARGIN), 0.0
    ways = ["forward"] * tangents + ["backward"] * (adjoints is not None)
    for band in bands:
        boxes, edges = _band(band, layers, inner, set(trace.results), values)
        _placed(layout, boxes, edges, top)
        shapes += _edges(boxes, edges, ways)
        shapes += [shape for box in boxes for shape in _box(box)]
        if len(trace.results) == 1:
            shapes += [
                _text(box.x + box.width / 2 + 8, box.y + 5, "f", "dd-op dd-left")
                for box in boxes
                if "dd-result" in box.kind
            ]
        width = max(width, *(box.x + box.width / 2 for box in boxes))
        lowest = [box.y + box.height / 2 for box in boxes] + [y for edge in edges for _, y in edge.bends]
        top = max(lowest) + 2 * SPACE
    width = max(width + 24 + MARGIN, 320.0)
    legend = list(_legend(trace, tangents, adjoints is not None, len(bands) > 1))
    top += 4 if legend else -MARGIN
    for words, style in legend:
        for line in textwrap.wrap(words, max(30, int((width - 2 * MARGIN) / (12 * LETTER)))):
            shapes.append(_text(MARGIN, top, line, f"dd-left {style}"))
            top += 17
    return Picture(shapes, width, top, len(trace.steps), _alt(trace))


def _alt(trace: Trace) -> str:
    """The graph in words: its nodes in the order of evaluation."""
    rows = [f"{s.name} = {s.formula}" for s in trace.operations]
    shown = "; ".join(rows[:12]) + ("; ..." if len(rows) > 12 else "")
    return f"Computational graph with inputs {', '.join(s.name for s in trace.inputs)}: {shown}"


def _lines(step: Step, values: bool, tangents: bool, adjoints: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """The lines of text in a node, with their styles."""
    is_input = step.operation == "input"
    value = _cut(number(step.value, 5))
    yield _cut(step.name if is_input else step.operation), "op"
    if is_input:
        if values:
            yield value, ""
    else:
        yield (f"{step.name} = {value}" if values else step.name), ""
    if tangents and step.tangents:
        shown = ", ".join(number(t, 5) for t in step.tangents[:4]) + (", ..." if len(step.tangents) > 4 else "")
        yield f"→ {_cut(shown)}", "forward"
    if adjoints is not None:
        yield f"← {_cut(number(adjoints[step.name], 5))}", "backward"


def _cut(words: str) -> str:
    if len(words) <= LONGEST:
        return words
    start, comma, _ = words[: LONGEST - 4].rpartition(",")
    return f"{start}, ..." if comma else words[: LONGEST - 3] + "..."


def _width(words: str, size: int) -> float:
    return len(words) * size * LETTER


def _legend(trace: Trace, tangents: bool, adjoints: bool, is_broken: bool) -> Iterator[tuple[str, str]]:
    """What the marks mean, and what the trace omits."""
    if tangents:
        heads = ", ".join(trace.directions)
        yield "→ tangents" + (f": {heads}" if len(trace.directions) > 1 else ""), "dd-forward"
    if adjoints:
        yield "← adjoints: the derivative of f with respect to each node", "dd-backward"
    if any(partial is None for step in trace.operations for partial in step.partials):
        yield "An edge between arrays shows the shape of its Jacobian.", ""
    if is_broken:
        yield "A dashed node repeats one of an earlier line.", ""
    for remark in trace.remarks:
        yield remark, ""


# -- layout ----------------------------------------------------------------------------------------------------------


def _bands(
    steps: Sequence[Step], layers: dict[Step, int], inner: dict[Step, list[tuple[str, str]]]
) -> list[list[Step]]:
    """The steps, broken into lines of layers that fit the width."""
    columns: dict[int, list[Step]] = {}
    for step in steps:
        columns.setdefault(layers[step], []).append(step)
    widths = {
        k: max(
            _Box(s, inner[s], k, "").width + max([_width(label, 12) for label in _labels(s)], default=0) for s in column
        )
        + GAP
        for k, column in columns.items()
    }
    # As few lines as possible, of even length: a last line with a single node would look lost.
    lines = len(_broken(widths, WIDTH))
    room = sum(widths.values()) / lines
    while len(_broken(widths, room)) > lines:
        room *= 1.02
    return [[step for k in line for step in columns[k]] for line in _broken(widths, room)]


def _broken(widths: Mapping[int, float], room: float) -> list[list[int]]:
    """The layers, with a new line before each that would exceed the available width."""
    lines: list[list[int]] = [[]]
    used = 0.0
    for k in sorted(widths):
        if lines[-1] and used + widths[k] > room:
            lines.append([])
            used = 0.0
        lines[-1].append(k)
        used += widths[k]
    return lines


def _labels(step: Step) -> list[str]:
    """The labels of the edges to a step: its partial derivatives, or for arrays the shapes of the Jacobians."""
    shapes = (f"{np.size(step.value)}×{np.size(operand.value)}" for operand in step.operands)
    return [s if p is None else number(p, 4) for p, s in zip(step.partials, shapes, strict=True)]


def _band(
    steps: list[Step],
    layers: dict[Step, int],
    inner: dict[Step, list[tuple[str, str]]],
    results: set[Step],
    values: bool,
) -> tuple[list[_Box], list[_Edge]]:
    """The nodes and edges of a line; nodes of earlier lines that it needs are repeated at its left."""
    here = set(steps)
    first = min(layers[s] for s in steps)
    earlier = dict.fromkeys(o for s in steps for o in s.operands if o not in here)
    again = {o: [(_cut(o.name), "op"), *[(_cut(number(o.value, 5)), "")] * values] for o in earlier}
    boxes = {o: _Box(o, again[o], 0, "dd-again") for o in earlier}
    shift = 1 if earlier else 0
    for s in steps:
        kind = ("dd-input" if s.operation == "input" else "") + (" dd-result" if s in results else "")
        boxes[s] = _Box(s, inner[s], layers[s] - first + shift, kind)
    edges = [_Edge(boxes[o], boxes[s], label) for s in steps for o, label in zip(s.operands, _labels(s), strict=True)]
    return list(boxes.values()), edges


def _placed(layout: Any, boxes: list[_Box], edges: list[_Edge], top: float) -> None:
    """Set the positions of the boxes and of the bends of the edges."""
    layers = [box.layer for box in boxes]
    indices = {id(box): i for i, box in enumerate(boxes)}
    # An edge gets a vertex of its own in each layer that it crosses, so that every link spans one layer.
    chains = []
    for edge in edges:
        passed = range(edge.source.layer + 1, edge.target.layer)
        between = range(len(layers), len(layers) + len(passed))
        layers += passed
        chains.append([indices[id(edge.source)], *between, indices[id(edge.target)]])
    heights = _heights(layout, len(layers), [link for chain in chains for link in pairwise(chain)])
    pitch = max(box.height for box in boxes) + SPACE
    highest = max(box.height for box in boxes) / 2

    def down(vertex: int) -> float:
        return top + highest + heights[vertex] * pitch

    for i, box in enumerate(boxes):
        box.y = down(i)
    for edge, chain in zip(edges, chains, strict=True):
        edge.bends = [(layers[vertex], down(vertex)) for vertex in chain[1:-1]]
    for box in boxes:
        arriving = sorted((e for e in edges if e.target is box), key=_from_above)
        step = min(14.0, (box.height - 16) / max(len(arriving) - 1, 1))
        for i, edge in enumerate(arriving):
            edge.port = (i - (len(arriving) - 1) / 2) * step
    left = float(MARGIN)
    for k in range(max(box.layer for box in boxes) + 1):
        column = [box for box in boxes if box.layer == k]
        labels = [_width(e.label, 12) for e in edges if e.target.layer == k]
        if k:
            left += GAP + max(labels, default=0.0)
        width = max((box.width for box in column), default=0.0)
        for box in column:
            box.x = left + width / 2
        left += width


def _heights(layout: Any, size: int, links: list[tuple[int, int]]) -> list[float]:
    """The vertical position of each vertex, at least one apart; connected components are stacked."""
    drawn = layout.from_edges(links, vertex_spacing=1, crossing_minimization="median") if links else []
    parts = [{vertex: float(place) for vertex, (place, _) in part} for part, *_ in drawn]
    parts += [{vertex: 0.0} for vertex in set(range(size)).difference(*parts)]
    heights = [0.0] * size
    top = 0.0
    for part in sorted(parts, key=min):
        low, high = min(part.values()), max(part.values())
        # The layout is symmetric up and down; for the reader, what comes first belongs on top.
        is_turned = sum((place - (low + high) / 2) * -vertex for vertex, place in part.items()) > 0
        for vertex, place in part.items():
            heights[vertex] = top + (high - place if is_turned else place - low)
        top += high - low + 1
    return heights


def _from_above(edge: _Edge) -> float:
    return edge.bends[-1][1] if edge.bends else edge.source.y


# -- drawing ---------------------------------------------------------------------------------------------------------


def _box(box: _Box) -> Iterator[str]:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    yield (
        f'<rect class="dd-box {box.kind}" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="9"/>'
    )
    y += 4
    for words, style in box.lines:
        y += 20 if style == "op" else 17
        yield _text(box.x, y - 4, words, f"dd-{style}" if style else "")


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text class="dd-text {style}" x="{x:.1f}" y="{y:.1f}">{html.escape(words)}</text>'


def _edges(boxes: list[_Box], edges: list[_Edge], ways: list[str]) -> list[str]:
    """The curves, then the labels, placed where they cover nothing else."""
    sides = {k: _sides(boxes, k) for k in {box.layer for box in boxes}}
    paths = [_points(edge, sides) for edge in edges]
    curves = [shape for points in paths for shape in _curve(points, ways)]
    covered = _Covered(boxes, paths)
    labels = []
    for i, edge in enumerate(edges):
        if edge.label:
            x, y = _free(paths[i], i, edge.label, covered)
            half = _width(edge.label, 12) / 2
            labels.append(
                f'<rect class="dd-paper" x="{x - half:.1f}" y="{y - 8:.1f}" width="{2 * half:.1f}" height="16"/>'
            )
            labels.append(_text(x, y + 4, edge.label))
    return curves + labels


def _sides(boxes: list[_Box], layer: int) -> Point:
    """The left and the right side of a layer."""
    column = [box for box in boxes if box.layer == layer]
    return min(b.x - b.width / 2 for b in column), max(b.x + b.width / 2 for b in column)


def _points(edge: _Edge, sides: dict[int, Point]) -> list[Point]:
    """The path of an edge: straight through the layers that it crosses, curved between them."""
    source, target = edge.source, edge.target
    points = [(source.x + source.width / 2, source.y)]
    points.append((sides[source.layer][1], source.y))
    for layer, y in edge.bends:
        points += [(side, y) for side in sides[layer]]
    y = target.y + edge.port
    points.append((sides[target.layer][0], y))
    points.append((target.x - target.width / 2, y))
    return points


def _curve(points: list[Point], ways: list[str]) -> Iterator[str]:
    start, end = points[0], points[-1]
    tip = 7.0
    path = f"M{start[0]:.1f},{start[1]:.1f}"
    for (x0, y0), (x1, y1) in _pieces(points):
        middle = (x0 + x1) / 2
        path += f"C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
    style = f"dd-strong dd-{ways[0]}" if len(ways) == 1 else ""
    yield f'<path class="dd-edge {style}" d="{path}"/>'
    if ways != ["backward"]:
        yield _tip(end, -tip, "dd-forward" if ways else "")
    if "backward" in ways:
        yield _tip(start, tip, "dd-backward")


def _tip(at: Point, length: float, style: str) -> str:
    x, y = at
    corners = f"{x:.1f},{y:.1f} {x + length:.1f},{y - 4:.1f} {x + length:.1f},{y + 4:.1f}"
    return f'<polygon class="dd-tip {style}" points="{corners}"/>'


def _pieces(points: list[Point]) -> list[tuple[Point, Point]]:
    return list(pairwise(points))


def _on_curve(a: Point, b: Point, t: float) -> Point:
    """A point of a piece of a curve, a Bezier curve with horizontal ends and its handles in the middle."""
    (x0, y0), (x1, y1) = a, b
    return x0 + (x1 - x0) * (1.5 * t * (1 - t) + t**3), y0 + (y1 - y0) * (3 * t * t - 2 * t**3)


class _Covered:
    """What labels should not cover: nodes, other labels, and other curves, sampled as dots."""

    def __init__(self, boxes: list[_Box], paths: list[list[Point]]) -> None:
        self.areas = [(b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2) for b in boxes]
        dots = [[_on_curve(a, b, t / 24) for a, b in _pieces(points) for t in range(25)] for points in paths]
        self._dots = np.array([dot for curve in dots for dot in curve]).reshape(-1, 2)
        self._curve = np.repeat(np.arange(len(dots)), list(map(len, dots)))

    def cost(self, area: Area, curve: int) -> float:
        """How much of it lies in an area, not counting the curve of this index."""
        x0, y0, x1, y1 = area
        x, y = self._dots.T
        hidden = np.count_nonzero((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1) & (self._curve != curve))
        left, top, right, bottom = np.array(self.areas).T
        wide, high = np.minimum(x1, right) - np.maximum(x0, left), np.minimum(y1, bottom) - np.maximum(y0, top)
        return float(20 * hidden + np.sum(np.maximum(wide, 0) * np.maximum(high, 0)))


def _free(points: list[Point], curve: int, label: str, covered: _Covered) -> Point:
    """A position on the curve for a label, if possible one where it covers no node, other label or other curve."""
    half = _width(label, 12) / 2 + 2

    def area(x: float, y: float) -> Area:
        return x - half, y - 9, x + half, y + 9

    best, least = points[0], np.inf
    # Near the end first: the label is a partial derivative of the node at the end.
    for a, b in reversed(_pieces(points)):
        if b[0] - a[0] < 2 * half + 12:
            continue
        for t in (0.66, 0.58, 0.74, 0.5, 0.42, 0.34, 0.26):
            place = _on_curve(a, b, t)
            cost = covered.cost(area(*place), curve)
            if cost < least:
                best, least = place, cost
            if cost == 0:
                break
        if least == 0:
            break
    covered.areas.append(area(*best))
    return best
