"""Graphs: the content of the drawing, no overlaps, and legibility in both themes."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dualdiff.__main__ import main
from dualdiff.teaching import trace

SVG = "{http://www.w3.org/2000/svg}"


def survey(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def babylonian(a):
    x = a
    for _ in range(20):
        x = (x + a / x) / 2
    return x


def rosenbrock(x):
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def six(a, b, c, d, e, f):
    return np.exp(a * b) + b * c * d - np.sin(d / e) * f + a * f + np.log(b * f)


TRACES = {
    "5 nodes": trace(survey, 2.0, 5.0),
    "60 nodes in a chain": trace(babylonian, 2.0),
    "50 nodes side by side": trace(rosenbrock, np.linspace(0.5, 1.5, 6)),
    "many crossings": trace(six, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    "arrays": trace(lambda w, b: np.sum(np.tanh(w @ np.ones(2) + b)), np.eye(2), np.ones(2)),
    "one node": trace(lambda x: x, 2.0),
    "no result": trace(lambda x: 1 / (x - 2), 2.0),
    "constant": trace(lambda x: 1.0, 2.0),
    "beyond the limit": trace(babylonian, 2.0, limit=7),
}  # fmt: skip


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter(f"{SVG}text")]


def boxes(svg):
    """The nodes: left, top, right, bottom."""
    found = [node for node in ET.fromstring(svg).iter(f"{SVG}rect") if "dd-box" in node.get("class")]
    sizes = [[float(node.get(k)) for k in ("x", "y", "width", "height")] for node in found]
    return [(x, y, x + w, y + h) for x, y, w, h in sizes]


def overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def test_the_graph_of_the_survey():
    shown = texts(TRACES["5 nodes"].graph().svg)
    for words in ("x1", "log", "×", "+", "sin", "−", "v5 = 11.652", "0.5", "5", "2", "0.2837", "1", "-1", "f"):
        assert words in shown
    assert not any("→" in words or "←" in words for words in shown)


def test_values_tangents_and_adjoints_on_demand():
    t = TRACES["5 nodes"]
    assert "v5" in texts(t.graph(values=False).svg)
    assert "→ 5.5, 1.7163" in texts(t.graph(tangents=True).svg)
    shown = texts(t.graph(adjoints=True).svg)
    assert "← 5.5" in shown
    assert "← adjoints: the derivative of f with respect to each node" in shown


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("tangents", [False, True])
def test_nothing_overlaps_and_all_is_on_the_paper(name, tangents):
    svg = TRACES[name].graph(tangents=tangents).svg
    picture = ET.fromstring(svg)
    nodes = boxes(svg)
    assert not [pair for pair in itertools.combinations(nodes, 2) if overlap(*pair)]
    width, height = float(picture.get("width")), float(picture.get("height"))
    assert width <= 1300
    assert all(min(x0, y0) > 0 and x1 < width and y1 < height for x0, y0, x1, y1 in nodes)
    # The backgrounds of edge labels: they cover no node and no other label.
    papers = [node for node in picture.iter(f"{SVG}rect") if node.get("class") == "dd-paper" and node.get("x")]
    sizes = [[float(node.get(k)) for k in ("x", "y", "width", "height")] for node in papers]
    labels = [(x, y + 2, x + w, y + h - 2) for x, y, w, h in sizes]
    assert not [label for label in labels for node in nodes if overlap(label, node)]
    assert not [pair for pair in itertools.combinations(labels, 2) if overlap(*pair)]


@pytest.mark.parametrize("name", TRACES)
def test_edges_lead_right_and_around_the_nodes(name):
    # An earlier layout library tangled the edges of graphs with several components.
    svg = TRACES[name].graph().svg
    inner = [(x0 + 2, y0 + 2, x1 - 2, y1 - 2) for x0, y0, x1, y1 in boxes(svg)]
    # The lines of text below the drawing.
    words = [node for node in ET.fromstring(svg).iter(f"{SVG}text") if "dd-left" in node.get("class")]
    inner += [(0, float(node.get("y")) - 12, 999, float(node.get("y"))) for node in words if node.text != "f"]
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d")), float)
        assert np.all(np.diff(points[:, 0]) >= 0)
        for start, first, second, end in (points[i : i + 4] for i in range(0, len(points) - 1, 3)):
            t = np.linspace(0, 1, 33)[:, None]
            dots = start * (1 - t) ** 3 + 3 * first * t * (1 - t) ** 2 + 3 * second * t**2 * (1 - t) + end * t**3
            assert not [dot for x, y in dots for dot in inner if dot[0] < x < dot[2] and dot[1] < y < dot[3]]


def test_the_first_input_stands_on_top():
    first, second = boxes(TRACES["5 nodes"].graph().svg)[:2]
    assert first[1] < second[1]


@pytest.mark.parametrize("name", TRACES)
def test_every_step_and_every_edge_is_drawn(name):
    t = TRACES[name]
    svg = t.graph().svg
    assert len(boxes(svg)) >= len(t.steps)
    assert svg.count("<path") == sum(len(step.operands) for step in t.steps)


def test_inputs_stand_left_and_the_result_right():
    left, *_, right = sorted(
        ET.fromstring(TRACES["5 nodes"].graph().svg).iter(f"{SVG}rect"), key=lambda r: float(r.get("x") or 0)
    )[1:]
    assert "dd-input" in left.get("class")
    assert "dd-result" in right.get("class")


def test_what_is_left_out_is_said():
    assert "f raised ZeroDivisionError" in " ".join(texts(TRACES["no result"].graph().svg))
    shown = " ".join(texts(TRACES["beyond the limit"].graph().svg))
    assert "53 more steps" in shown
    assert "beyond the limit of 7" in shown
    with pytest.raises(ValueError, match="adjoints start from the result"):
        TRACES["no result"].graph(adjoints=True)


def luminance(colour):
    """Relative luminance as in WCAG 2."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_their_ground(theme, tmp_path):
    path = tmp_path / "graph.svg"
    TRACES["5 nodes"].graph().save(path, theme)
    fills = dict(re.findall(r"\.([\w.,-]+)\{fill:(#\w{6})", path.read_text(encoding="utf-8")))
    inks = [fills["dd-text"], *(fills[k] for k in fills if "dd-text.dd-" in k)]
    assert len(inks) == 3
    for ink in inks:
        for ground in (fills["dd-paper"], fills["dd-box"], fills["dd-input"]):
            low, high = sorted([luminance(ink), luminance(ground)])
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_the_picture_follows_the_readers_theme():
    graph = TRACES["5 nodes"].graph()
    assert "prefers-color-scheme: dark" in graph._repr_svg_()
    assert "data:image/svg+xml;base64," in graph._repr_html_()
    assert graph.svg == TRACES["5 nodes"].graph().svg


def test_words_are_escaped():
    def less(x):
        return dict(zip("<", [x * 2], strict=True))["<"]

    t = trace(lambda p: less(p["<&>"]), {"<&>": 1.0})
    assert "p['<&>']" in texts(t.graph().svg)


def test_saving(tmp_path):
    graph = TRACES["5 nodes"].graph()
    assert repr(graph) == "<computational graph of 7 nodes: .save('graph.svg') writes the drawing>"
    graph.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == graph.svg
    with pytest.raises(ValueError, match=r"a name that ends in \.svg, not 'a\.png'"):
        graph.save("a.png")
    with pytest.raises(ValueError, match="theme is 'auto', 'light' or 'dark', not 'blue'"):
        graph.save(tmp_path / "a.svg", "blue")


def test_without_the_layout_library_the_error_names_the_package(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    with pytest.raises(ImportError, match=r"needs fast-sugiyama: pip install fast-sugiyama"):
        TRACES["5 nodes"].graph()
    assert main(["x", "--at", "2", "--graph", "a.svg"]) == 2
    assert "pip install fast-sugiyama" in capsys.readouterr().err


def test_the_command_line_draws_with_the_names_of_its_trace(tmp_path, capsys):
    path = tmp_path / "out.svg"
    assert main(["2*3*log(x) + x*y - sin(y)", "--at", "x=2", "y=5", "--graph", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "f      15.11780735802281"
    shown = texts(path.read_text(encoding="utf-8"))
    # v1 is 2*3, a constant without a node.
    for words in ("x", "y", "log", "v2 = 0.69315", "6 ×", "v3 = 4.1589", "v7 = 15.118"):
        assert words in shown


@pytest.mark.parametrize(
    ("path", "said"),
    [("a.png", "'a.png' does not end in .svg"), ("/nowhere/a.svg", "'/nowhere/a.svg' cannot be written: No such file")],
)
def test_the_command_line_refuses_in_one_line(path, said, capsys):
    assert main(["x", "--at", "2", "--graph", path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_long_formula_is_drawn_to_its_end(tmp_path):
    assert main(["+".join(["sin(x)"] * 110), "--at", "2", "--graph", str(tmp_path / "a.svg")]) == 0
    assert "v219 = 100.02" in texts((tmp_path / "a.svg").read_text(encoding="utf-8"))


def test_a_repeated_node_shows_its_value():
    def loop(a):
        x = (1 + a) / 2
        for _ in range(6):
            x = (x + a / x) / 2
        return x

    with_values, without = (trace(loop, 2.0).graph(values=values).svg for values in (True, False))
    again = re.findall(r'dd-again"[^>]*/>\n<text[^>]*>(\w+)</text>\n<text[^>]*>([^<]+)</text>', with_values)
    assert ("a", "2") in again
    assert "dd-again" in without
    assert not re.findall(r'dd-again"[^>]*/>\n<text[^>]*>a</text>\n<text[^>]*>2</text>', without)


def test_an_edge_between_arrays_shows_the_shape_of_its_jacobian():
    graph = trace(lambda x: np.sum(x * x), np.ones(3)).graph()
    assert ">3×3<" in graph.svg
    assert ">1×3<" in graph.svg
    assert "An edge between arrays shows the shape of its Jacobian." in graph.svg
    assert "Jacobian" not in trace(lambda x: x * x, 3.0).graph().svg


def test_a_page_shows_one_of_two_pictures_and_describes_it():
    page = trace(lambda x: np.sin(x) * x, 2.0).graph()._repr_html_()
    assert page.count("<img") == 2
    assert page.count('alt="Computational graph with inputs x: v1 = sin(x); v2 = v1*x"') == 2
    assert '[data-jp-theme-light="false"] .dd-graph .dd-light{display:none}' in page
    assert 'html[data-theme="light"] .dd-graph .dd-dark{display:none}' in page
