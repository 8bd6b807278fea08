"""What a compiled function uses changes in a notebook: value and derivative are of one function, or there is an error.

Numba freezes functions and global variables in what it has compiled, until ``recompile`` is called.
"""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")

X = 3.0

#: f(x) = k * x**2 with a factor k that changes: in a global variable, in a global array, in a function that f calls, or
#: in a function that this one calls.  Each cell of the notebook defines what it needs; the second changes k.
NOTEBOOKS = {
    "a global variable": ("k = {k}", "@njit\ndef f(x): return k * x**2", ["f"]),
    "a global array": ("k = np.array([{k}])", "@njit\ndef f(x): return k[0] * x**2", ["f"]),
    "a function": ("@njit\ndef g(x): return {k} * x**2", "@njit\ndef f(x): return g(x)", ["f"]),
    "a function of a function": (
        "@njit\ndef h(x): return {k} * x**2",
        "@njit\ndef g(x): return h(x)\n@njit\ndef f(x): return g(x)",
        ["g", "f"],
    ),
}
#: The value of f and its derivative, in compiled code and from Python.
CALLERS = {
    "in compiled code": "@njit\ndef caller(x): return f(x), dualdiff.derivative(f, x)",
    "from Python": "def caller(x): return f(x), dualdiff.value_and_derivative(f, x)[1]",
}


def compiled_before(name, space):
    """What ran before the change."""
    if name == "f":
        assert space["f"](X) == 2 * X**2
    elif name == "its derivative":
        assert dualdiff.derivative(space["f"], X) == 4 * X
    else:
        space["caller"](X)


@pytest.mark.parametrize("before", ["f", "its derivative", "caller"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_value_and_derivative_are_of_one_function(notebook, caller, before):
    change, cell, functions = NOTEBOOKS[notebook]
    text = CALLERS[caller]
    seen = set()
    for recompiled in dict.fromkeys([(), tuple(functions), tuple(functions[-1:])]):
        space = {"njit": numba.njit, "np": np, "dualdiff": dualdiff}
        for each in (change.format(k=2.0), cell, text):
            exec(each, space)
        compiled_before(before, space)
        exec(change.format(k=3.0), space)
        for name in recompiled:
            space[name].recompile()
        # The old caller, which may be frozen, and a new one.
        for _ in range(2):
            found = called(space["caller"])
            if found is not None:
                assert found[1] == pytest.approx(2 / X * found[0], rel=1e-14), recompiled
                seen.add(found[0])
            exec(text, space)
    assert 3 * X**2 in seen


def called(caller):
    """Value and derivative; None if they are refused."""
    try:
        return caller(X)
    except (TypeError, numba.TypingError) as error:
        if "recompile()" not in str(error):
            raise
        return None


def test_the_error_names_the_function_and_its_advice_works():
    space = {"njit": numba.njit}
    exec("k = 2.0\n@njit\ndef g(x): return k * x\n@njit\ndef f(x): return g(x)", space)
    assert space["f"](X) == 2 * X
    space["k"] = 3.0
    with pytest.raises(TypeError, match=r"g was compiled before .* changed .* call g\.recompile\(\)"):
        dualdiff.derivative(space["f"], X)
    space["g"].recompile()
    with pytest.raises(TypeError, match=r"call f\.recompile\(\)"):
        dualdiff.derivative(space["f"], X)
    space["f"].recompile()
    assert dualdiff.value_and_derivative(space["f"], X) == (9.0, 3.0)


def test_an_attribute_is_no_global_variable():
    space = {"njit": numba.njit, "size": 1}
    exec("@njit\ndef f(x): return x.sum() * x.size", space)
    x = np.ones(2)
    space["f"](x)
    space["size"] = 2
    np.testing.assert_array_equal(dualdiff.gradient(space["f"], x), [2.0, 2.0])


def test_a_large_global_array_is_not_frozen():
    space = {"njit": numba.njit, "table": np.ones(200_000)}
    exec("@njit\ndef f(x): return x * table[0]", space)
    assert space["f"](X) == X
    space["table"][0] = 2.0
    assert dualdiff.value_and_derivative(space["f"], X) == (6.0, 2.0) == (space["f"](X), 2.0)
