"""Evaluation traces: every step that the user wrote, with values and tangents that agree with the operators."""

from __future__ import annotations

import functools
import html
import linecache
import re
from collections import namedtuple

import numpy as np
import pytest

import dualdiff
from dualdiff import derivative, gradient, jacobian, jvp
from dualdiff.teaching import trace


def survey(x1, x2):
    """The example of Baydin, Pearlmutter, Radul and Siskind (2018)."""
    return np.log(x1) + x1 * x2 - np.sin(x2)


def sqrt_babylonian(a, steps=5):
    x = a
    for _ in range(steps):
        x = (x + a / x) / 2
    return x


def test_the_tables_of_the_survey():
    t = trace(survey, 2.0, 5.0)
    assert repr(t).splitlines() == [
        "    formula  value      d/dx1  d/dx2",
        "x1            2         1      0",
        "x2            5         0      1",
        "v1  log(x1)   0.693147  0.5    0",
        "v2  x1*x2    10         5      2",
        "v3  v1 + v2  10.6931    5.5    2",
        "v4  sin(x2)  -0.958924  0      0.283662",
        "v5  v3 - v4  11.6521    5.5    1.71634",
        "f = v5",
    ]
    assert t.value == survey(2.0, 5.0) == pytest.approx(11.652, abs=5e-4)
    assert t["v5"].tangents == (5.5, pytest.approx(1.716, abs=5e-4))
    adjoints = t.adjoints()
    assert list(adjoints) == ["v5", "v4", "v3", "v2", "v1", "x2", "x1"]
    assert adjoints == {
        "v5": 1, "v4": -1, "v3": 1, "v2": 1, "v1": 1, "x2": pytest.approx(1.716, abs=5e-4), "x1": 5.5,
    }  # fmt: skip


def test_steps_have_operands_and_local_partials():
    t = trace(survey, 2.0, 5.0)
    assert len(t) == 7
    assert t.inputs == [t["x1"], t["x2"]]
    assert t.results == [t["v5"]]
    assert t["v2"].operands == (t["x1"], t["x2"])
    assert t["v2"].partials == (5.0, 2.0)
    assert t["v4"].partials == (np.cos(5.0),)
    assert [s.operation for s in t.operations] == ["log", "×", "+", "sin", "−"]
    with pytest.raises(KeyError, match="no step has the name 'v9'; the steps go from x1 to v5"):
        t["v9"]


def test_an_operand_used_twice_is_listed_once():
    t = trace(lambda x: x * x, 3.0)
    assert t["v1"].formula == "x*x"
    assert (t["v1"].operands, t["v1"].partials) == ((t["x"],), (6.0,))


def test_loops_unroll():
    t = trace(sqrt_babylonian, 2.0, 4, argnum=0)
    assert len(t.operations) == 12
    assert t.value == sqrt_babylonian(2.0, 4)
    assert t.results[0].tangents[0] == pytest.approx(derivative(sqrt_babylonian, 2.0, 4), rel=1e-14)
    assert t.adjoints()["a"] == pytest.approx(derivative(sqrt_babylonian, 2.0, 4), rel=1e-14)
    assert not t.remarks


def test_branches_are_shown_as_taken():
    def f(x):
        y = 2 * x
        return y**2 if y > 3 else -y

    assert [s.formula for s in trace(f, 2.0).operations] == ["2*x", "v1**2"]
    assert [s.formula for s in trace(f, 1.0).operations] == ["2*x", "-v1"]
    assert trace(f, 1.0).remarks == ["f compares values (v1 > 3): only the branches taken are shown"]


def test_arrays_are_one_row_each():
    def f(w, b):
        return np.sum(np.tanh(w @ np.array([1.0, 2.0]) + b) ** 2)

    w, b = np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([0.5, 0.6])
    t = trace(f, w, b)
    assert [s.formula for s in t.operations] == ["w @ [1, 2]", "v1 + b", "tanh(v2)", "v3**2", "sum(v4)"]
    assert t["v3"].partials == (None,)
    assert t.directions[0] == "d/dw[0, 0]"
    np.testing.assert_allclose(t.adjoints()["w"], gradient(f, w, b), rtol=1e-14)
    np.testing.assert_allclose([float(d) for d in t["v5"].tangents[:4]], gradient(f, w, b).ravel(), rtol=1e-14)


def test_large_inputs_need_directions():
    x = np.linspace(0.0, 1.0, 50)
    t = trace(lambda x: np.sum(np.sin(x)), x)
    assert t.directions == []
    assert t.remarks == [
        "the tangents are omitted because the inputs have 50 elements: pass directions=[...] to see some"
    ]
    v = np.cos(x)
    t = trace(lambda x: np.sum(np.sin(x)), x, directions=[v])
    assert t.directions == ["tangent"]
    assert t["v2"].tangents[0] == pytest.approx(jvp(lambda x: np.sum(np.sin(x)), x, v)[1], rel=1e-14)


def test_directions_of_several_inputs():
    t = trace(survey, 2.0, 5.0, directions=[(1.0, 1.0), (0.0, 2.0)])
    assert t.directions == ["tangent 1", "tangent 2"]
    assert t["v2"].tangents == (7.0, 4.0)
    with pytest.raises(ValueError, match=r"a direction needs an entry for each of the inputs x1, x2, not 1\.0"):
        trace(survey, 2.0, 5.0, directions=[1.0])
    with pytest.raises(ValueError, match=r"the direction of x has shape \(3,\), but x has shape \(2,\)"):
        trace(lambda x: np.sum(x), np.ones(2), directions=[np.ones(3)])


def test_f_that_returns_an_array():
    t = trace(lambda x: [x[0] * x[1], x[1], 3.0], np.array([2.0, 5.0]))
    np.testing.assert_array_equal(t.value, [10.0, 5.0, 3.0])
    assert [list(column) for column in t.results[0].tangents] == [[5.0, 0.0, 0.0], [2.0, 1.0, 0.0]]
    with pytest.raises(ValueError, match="adjoints are the derivatives of a real scalar, but f returned v4"):
        t.adjoints()


def test_f_that_returns_a_container():
    t = trace(lambda x: {"a": x + 1, "b": (x * x, 7.0)}, 2.0)
    assert t.value == {"a": 3.0, "b": (4.0, 7.0)}
    assert repr(t).splitlines()[-1] == "f = {'a': v1, 'b': (v2, 7)}"
    assert t.results == [t["v1"], t["v2"]]


def test_f_that_raises():
    t = trace(lambda x: 1 / (x - 2), 2.0)
    assert isinstance(t.error, ZeroDivisionError)
    assert [s.name for s in t.steps] == ["x", "v1"]
    assert repr(t).splitlines()[-1].startswith("f raised ZeroDivisionError after v1, where the trace ends: ")
    assert "f raised ZeroDivisionError" in html.unescape(t._repr_html_())
    with pytest.raises(ValueError, match="adjoints start from the result, but f raised ZeroDivisionError"):
        t.adjoints()


def test_f_that_would_lose_the_derivative():
    import math

    t = trace(lambda x: math.sin(x + 1), 2.0)
    assert isinstance(t.error, dualdiff.LostDerivativeError)
    assert "dualdiff.sin(x)" in t.remarks[0]


def test_results_that_are_not_numeric_are_refused():
    with pytest.raises(TypeError, match=r"trace: f returned None \(is a return statement missing\?\)"):
        trace(lambda x: None, 2.0)


def test_a_constant_function():
    t = trace(lambda x: 3.0, 2.0)
    assert t.value == 3.0
    assert repr(t).splitlines()[-2:] == ["f = 3", "f does not depend on its inputs: its derivative is zero"]


def test_step_functions_have_rows_with_zero_tangents():
    t = trace(lambda x: x - np.floor(x), 2.5)
    assert (t["v1"].formula, t["v1"].value, t["v1"].tangents, t["v1"].partials) == ("floor(x)", 2.0, (0.0,), (0.0,))
    assert t["v2"].tangents == (1.0,)


def test_more_steps_than_the_limit():
    def f(x):
        for _ in range(1000):
            x = x + 1e-3 * np.sin(x)
        return x

    t = trace(f, 1.0, limit=30)
    assert len(t.operations) == 31
    assert t.steps[-1].formula == "2970 more steps"
    assert t.value == f(1.0)
    assert t.results[0].tangents[0] == pytest.approx(derivative(f, 1.0), rel=1e-12)
    assert t.adjoints()["x"] == pytest.approx(derivative(f, 1.0), rel=1e-12)
    assert t.remarks == [
        "f has 2970 steps beyond the limit of 30: they are omitted, but the result is correct; "
        "trace(..., limit=3000) shows them"
    ]
    assert not trace(f, 1.0, limit=3000).remarks


def test_buffers_views_and_writes():
    def f(x):
        y = dualdiff.zeros(3, like=x)
        y[0] = x[0]
        y[1:] = x[:2] * 2
        view = y[1:]
        view[0] = 7.0
        y[2] += y[0]
        y *= 3
        return np.sum(y * y)

    x = np.array([2.0, 5.0, 1.0])
    t = trace(f, x)
    assert t.value == f(x)
    np.testing.assert_allclose(t.adjoints()["x"], gradient(f, x), rtol=1e-14)
    np.testing.assert_allclose([float(d) for d in t.results[0].tangents], gradient(f, x), rtol=1e-14)
    assert t["v2"].formula == "zeros[0] = v1"
    np.testing.assert_array_equal(x, [2.0, 5.0, 1.0])


def test_values_are_those_at_the_time_of_the_step():
    def f(x):
        y = x * 2
        z = y * 1.0
        y[0] = 100.0
        return np.sum(z) + y[1]

    t = trace(f, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(t["v1"].value, [2.0, 4.0])
    np.testing.assert_array_equal(t["v3"].value, [100.0, 4.0])
    np.testing.assert_array_equal([float(d) for d in t.results[0].tangents], [2.0, 4.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.solve(np.stack([x, x[::-1] ** 2]), np.ones(2)),
        lambda x: np.concatenate([x, np.cumsum(x)])[1:3] * 2,
        lambda x: np.unwrap(np.array([4.0, 1.0]) * x) + np.where(x > 1, x, x**2),
        lambda x: np.divmod(x, 0.7)[1] + np.modf(x)[0],
        lambda x: np.linalg.svd(np.outer(x, x) + np.eye(2)).S,
        lambda x: np.array([x[0] * x[1], np.sin(x[0])]) + x.T.reshape(2)[::-1],
        lambda x: np.round(x) + np.real(x) + np.add.reduce(x) + np.multiply.outer(x, x)[0],
        lambda x: derivative(lambda s: np.sin(s * x[0]) * x[1], 0.3) * x,
        lambda x: np.sort(x)[::-1] + np.max(x) + x.astype(np.float64) + x.copy(),
        lambda x: dualdiff.custom_derivative(lambda u: u**3, lambda u: 3 * u**2)(x) + abs(-x) + (+x) % 2 // 1 + 2**x,
    ],
)  # fmt: skip
def test_tangents_and_values_are_those_of_the_operators(f):
    x = np.array([1.3, 0.4])
    t = trace(f, x)
    assert t.error is None
    np.testing.assert_array_equal(t.value, f(x))
    np.testing.assert_allclose(np.stack(t.results[0].tangents, -1), jacobian(f, x), rtol=1e-12, atol=1e-14)
    adjoint = trace(lambda x: np.sum(f(x) * np.array([2.0, 3.0])), x).adjoints()["x"]
    np.testing.assert_allclose(adjoint, np.array([2.0, 3.0]) @ jacobian(f, x), rtol=1e-12, atol=1e-14)


def test_functions_of_numpy_are_one_step_whatever_they_do_inside():
    assert [s.formula for s in trace(np.var, np.array([1.0, 2.0])).operations] == ["var(a)"]
    assert [s.operation for s in trace(lambda x: np.stack([x, x]).T, 2.0).operations] == ["stack", "transpose"]


def test_an_inner_derivative_is_traced():
    t = trace(lambda x: derivative(lambda y: np.sin(y) * x, x), 2.0)
    assert "cos(x)" in [s.formula for s in t.operations]
    assert t.results[0].tangents[0] == pytest.approx(np.cos(2.0) - 2 * np.sin(2.0), rel=1e-14)


def test_names_of_inputs():
    Point = namedtuple("Point", "u v")
    t = trace(lambda p, q: p["a"] * q.u + q.v, {"a": 1.0}, Point(2.0, 3.0))
    assert [s.name for s in t.inputs] == ["p['a']", "q.u", "q.v"]
    assert [s.name for s in trace(lambda *x: x[0] * x[1], 2.0, 3.0).inputs] == ["x1", "x2"]
    # The names of steps do not clash with those of inputs.
    assert [s.name for s in trace(lambda v1: v1 * v1, 2.0).steps] == ["v1", "vv1"]


def test_some_arguments_can_be_constants():
    t = trace(lambda x, n, name: x**n, 2.0, 3, "cube", argnum=0)
    assert t["v1"].formula == "x**3"
    assert [s.name for s in trace(survey, 2.0, 5.0, argnum=[1]).inputs] == ["x2"]
    # Integers are counts if there are other numbers.
    t = trace(lambda x, n: sum(x**k for k in range(n)), 2.0, 3)
    assert [s.name for s in t.inputs] == ["x"]
    assert t.remarks == ["integers are constants (n = 3): write 3.0 for an input"]
    assert t.results[0].tangents[0] == 5.0
    assert [s.name for s in trace(survey, 2, 5).inputs] == ["x1", "x2"]
    assert [s.name for s in trace(survey, 2.0, 5, argnum=[0, 1]).inputs] == ["x1", "x2"]
    with pytest.raises(ValueError, match="argnum=2, but f was given 2 positional arguments"):
        trace(survey, 2.0, 5.0, argnum=2)


def test_complex_numbers():
    t = trace(lambda z: z * z, 1.0 + 2.0j)
    assert t["v1"].tangents == (2 + 4j,)
    with pytest.raises(ValueError, match="a real scalar"):
        t.adjoints()


def test_bad_arguments():
    with pytest.raises(TypeError, match="trace takes a function as its first argument, not float"):
        trace(2.0, 3.0)
    with pytest.raises(TypeError, match=r"trace needs the arguments of f too"):
        trace(np.sin)
    with pytest.raises(ValueError, match="limit is the largest number of steps, 1 or more, not 0"):
        trace(np.sin, 1.0, limit=0)
    with pytest.raises(TypeError, match=r"trace: x has the type str"):
        trace(np.sin, "1.0")
    with pytest.raises(TypeError, match="trace takes plain values, but was given duals"):
        derivative(lambda x: trace(np.sin, x).value, 1.0)


def test_html_takes_its_colours_from_the_page_and_escapes():
    page = trace(lambda x: np.where(x < 3, x, 0.0), 2.0)._repr_html_()
    assert not re.search(r"#[0-9a-f]{3,6}|(?<!border-)color:", page)
    assert "x &lt; 3" in page
    assert page.count("<tr>") == 3


def test_a_compiled_function_is_traced_as_its_python_source():
    numba = pytest.importorskip("numba")
    f = numba.njit(lambda x: x * x + 1)
    assert [s.formula for s in trace(f, 3.0).operations] == ["x*x", "v1 + 1"]


def test_a_list_operand_is_converted_to_an_array_in_a_separate_step():
    t = trace(lambda x: [x[0], x[1]] * x, np.array([2.0, 3.0]))
    assert [s.formula for s in t.operations] == ["x[0]", "x[1]", "stack([v1, v2])", "v3*x"]
    assert t["v4"].operands == (t["v3"], t["x"])


def test_an_object_array_of_duals_as_an_operand():
    t = trace(lambda x: np.array([x, x * x]) * x, 3.0)
    assert [s.formula for s in t.operations] == ["x*x", "[x, v1]*x"]
    assert [s.operation for s in t.operations] == ["×", "×"]
    assert list(t["v2"].tangents[0]) == [6.0, 27.0]


def test_a_table_is_as_wide_as_a_terminal():
    """Columns that do not fit follow below, with the names repeated, and none is lost."""
    t = trace(lambda x: np.sum((x - np.mean(x)) ** 2), np.array([1.0, 2.0, 6.0]))
    lines = repr(t).splitlines()
    assert max(map(len, lines)) <= 80
    blocks = "\n".join(lines).split("\n\n")
    assert [block.split("\n")[0].split() for block in blocks] == [
        ["formula", "value", "d/dx[0]", "d/dx[1]"],
        ["d/dx[2]"],
    ]
    assert [line.split()[0] for line in blocks[1].splitlines()[1:]] == ["x", "v1", "v2", "v3", "v4", "f"]
    assert "6" in blocks[1].splitlines()[5]
    # A table that fits is one block.
    assert "\n\n" not in repr(trace(lambda x, y: np.log(x) + x * y, 2.0, 5.0))


# -- where the steps stand in the source -------------------------------------------------------------------------------
def squared(a):
    return a * a + np.sin(a)


def with_a_helper(x, y):
    z = np.log(x) + x * y
    if z > 1:
        z = squared(z)
    return np.prod(
        [z, x]
    )  # fmt: skip


def expression_at(location):
    """The text of the source between the columns of a location."""
    lines = linecache.getlines(location.source.co_filename)[location.line - 1 : location.end_line]
    text = b"".join(line.encode() for line in lines)
    return text[location.column : len(text) - len(lines[-1].encode()) + location.end_column].decode()


def test_every_step_knows_its_expression_in_the_source():
    steps = trace(with_a_helper, 2.0, 5.0).operations
    assert [(s.location.source.co_name, "".join(expression_at(s.location).split())) for s in steps] == [
        ("with_a_helper", "np.log(x)"),
        ("with_a_helper", "x*y"),
        ("with_a_helper", "np.log(x)+x*y"),
        ("squared", "a*a"),
        ("squared", "np.sin(a)"),
        ("squared", "a*a+np.sin(a)"),
        ("with_a_helper", "np.prod([z,x])"),
    ]


def test_branches_are_listed_with_their_answers():
    (branch,) = trace(with_a_helper, 2.0, 5.0).branches
    assert (branch.comparison, branch.answer, expression_at(branch.location)) == ("v3 > 1", True, "z > 1")
    assert not trace(with_a_helper, 0.1, 0.2).branches[0].answer


def test_a_step_of_a_library_stands_where_the_user_called_it():
    # A compiled function has no source; inside a library, the innermost function of the user counts.
    assert trace(np.sin, 1.0).operations[0].location is None
    (step,) = trace(lambda x: functools.reduce(lambda a, b: a * b, [x, 3.0]), 1.0).operations
    assert expression_at(step.location) == "a * b"


@pytest.mark.parametrize("f", [lambda x: (x, x), lambda x: (x * x, 3.0), lambda x: {"a": x, "b": x}])
def test_adjoints_of_several_results_are_refused_though_one_step_has_them(f):
    with pytest.raises(ValueError, match="adjoints are the derivatives of a real scalar, but f returned"):
        trace(f, 2.0).adjoints()


def two_lines(x):
    y = x * 100
    return y - 0.5


def test_a_notebook_shows_the_lines_of_the_source_and_aligns_decimal_points():
    page = trace(two_lines, 2.0)._repr_html_()
    first = two_lines.__code__.co_firstlineno
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page)[1:]]
    assert [row[-1] for row in cells] == ["", str(first + 1), str(first + 2)]
    assert [row[2] for row in cells] == ["\u2007\u20072", "200", "199.5"]
    assert ">line<" not in trace(lambda x: x * x + 1, 2.0)._repr_html_()
