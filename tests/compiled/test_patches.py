"""Private parts of Numba that dualdiff relies on: a release that changes one fails here by its name."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")

from dualdiff import compiled  # noqa: E402  (needs Numba)
from dualdiff.compiled import machine_code, patches  # noqa: E402
from dualdiff.compiled.patches import RELIANCES  # noqa: E402
from dualdiff.compiled.types import HANDMADE  # noqa: E402
from tests.support.reliances import as_seen  # noqa: E402

compiled.init()
X = np.array([1.0, 2.0, -0.5, 3.0])

#: Set by each instance, and so not to be seen in the class.
OF_INSTANCES = {
    "numba.core.registry.cpu_target.typing_context": lambda: numba.core.registry.cpu_target.typing_context,
    "numba.core.typing.context.BaseContext._globals": lambda: numba.core.registry.cpu_target.typing_context._globals,
    "numba.core.dispatcher.Dispatcher._can_compile": lambda: numba.njit(lambda x: x)._can_compile,
    "numba.core.ir.FunctionIR._definitions": lambda: numba.core.compiler.run_frontend(lambda x: x)._definitions,
    "numba.np.ufunc.ufuncbuilder.GUFuncBuilder._sigs": lambda: (
        numba.guvectorize("(n)->(n)")(lambda x, out: None).gufunc_builder._sigs
    ),
    "numba.core.types.Function.templates": lambda: (
        next(t for f, t in patches.builtin_registry.globals if f is max).templates
    ),
}
PARTS = [(name, part) for name, reliance in RELIANCES.items() for part in reliance.parts]


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[f"{name}: {part.partition('(')[0]}" for name, part in PARTS])
def test_numba_has_the_parts_that_were_seen(name, part):
    as_seen(f"patches.{name}", part, RELIANCES[name], f"Numba {numba.__version__}", OF_INSTANCES)


@pytest.mark.parametrize("name", RELIANCES)
def test_every_entry_has_a_reason_and_versions(name):
    assert hasattr(patches, name) or hasattr(machine_code, name)
    assert RELIANCES[name].reason
    assert RELIANCES[name].seen


def test_everything_in_the_files_is_an_entry():
    others = {"Predicate", "relies_on"}
    files = patches, machine_code
    defined = {n for file in files for n, x in vars(file).items() if getattr(x, "__module__", None) == file.__name__}
    assert {name for name in defined if not name.startswith("_")} - others == {*RELIANCES} - {*patches.__all__} - TEXTS


# -- what each patch achieves ------------------------------------------------------------------------------------------
def returning_an_array(x):
    return np.exp(x)


def in_a_list(x):
    return np.array([x[0], 2.0, x[1]]).sum()


def in_place(x):
    y = x * 2
    y += x
    return y.sum()


def with_a_scalar(x):
    return (x * x[0] + x[1]).sum()


#: A function that fails without the patch, and its gradient, by the patch; those that refuse are with the texts.
ACHIEVED = {
    "mark_as_internal": (lambda x: (x * x + x).sum(), 2 * X + 1),
    "accept_scalars_in_loops": (with_a_scalar, [X.sum() + X[0], 4 + X[0], X[0], X[0]]),
    "decline_in_place": (in_place, np.full(4, 3.0)),
    "spare_literal_lists": (in_a_list, [1.0, 1.0, 0.0, 0.0]),
    "wrap_overloads": (lambda x: np.dot(x, x), 2 * X),
    "overload_of": (lambda x: x[np.searchsorted(X[:2], x[1])], [0.0, 1.0, 0.0, 0.0]),
    "declaration": (lambda x: x.mean(), np.full(4, 0.25)),
    "add_template": (lambda x: np.where(x > 0, x, 0 * x).sum(), [1.0, 1.0, 0.0, 1.0]),
    "typing_context": (lambda x: max((x[0], 0.5)), [1.0, 0.0, 0.0, 0.0]),
    "loop_over_arrays": (lambda x: np.sum(np.where(x > 5, x, x)), np.ones(4)),
    "print_item_impl_Any": (lambda x: x[0], [1.0, 0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("name", ACHIEVED)
def test_gradients_by_a_patch(name):
    f, slope = ACHIEVED[name]
    np.testing.assert_array_equal(dualdiff.gradient(numba.njit(f), X), slope, err_msg=RELIANCES[name].reason)


def test_arrays_of_duals_compile_and_do_not_get_out():
    inner = numba.njit(returning_an_array)
    np.testing.assert_array_equal(dualdiff.gradient(numba.njit(lambda x: inner(x).sum()), X), np.exp(X))


def test_a_dual_is_asked_for_first():
    f = numba.njit(lambda x: x * x)
    assert f(dualdiff.Dual(3.0, 1.0)).tangent == 6.0


def test_what_is_recompiled_is_forgotten():
    f = numba.njit(lambda x: x * x)
    assert dualdiff.derivative(f, 3.0) == 6.0
    f.recompile()
    assert not hasattr(f, "_dualdiff"), RELIANCES["before_recompiling"].reason


def test_functions_say_what_they_compile_for():
    f = numba.njit(lambda x, *rest: x + rest[0])
    assert patches.compiles(f, (numba.float64, numba.float64))
    assert not patches.compiles(f, (numba.float64, numba.types.unicode_type))
    assert patches.takes_more_types(f)
    assert not patches.takes_more_types(numba.njit("float64(float64)")(lambda x: x))


# -- machine code ------------------------------------------------------------------------------------------------------
def addresses(f):
    """For each function that was compiled for f, whether it is machine code."""
    return [compiled.library._compiled for compiled in f.overloads.values()]


def test_only_what_python_calls_becomes_machine_code():
    f = numba.njit(lambda x: np.median(x) * x[0])
    dualdiff.gradient(f, X)
    assert addresses(f) == [False], RELIANCES["generate_late"].reason
    assert f(X) == 1.5
    assert addresses(f) == [False, True]


def test_assembly_that_is_shown_is_the_optimized_one():
    f = numba.njit(lambda x: x[0] * x[1] + np.sin(x[0]))
    dualdiff.gradient(f, X)
    ((kinds, compiled_code),) = f.overloads.items()
    assert "call" in f.inspect_asm(kinds)
    assert not hasattr(compiled_code.library, "_dualdiff_is_late"), RELIANCES["generate_late"].reason


def test_what_is_compiled_for_no_derivative_stays_as_it_is():
    f = numba.njit(lambda x: x * x)
    assert f(3.0) == 9.0
    assert addresses(f) == [True]
    g = numba.njit(lambda x: f(x) + 1.0)
    assert g.overloads == {}
    assert g(2.0) == 5.0
    assert addresses(g) == [True]


def test_a_function_differentiated_before_is_called_with_a_dual():
    f = numba.njit(lambda x: x * x)
    assert dualdiff.derivative(f, 3.0) == 6.0
    assert [kinds for (kinds,) in f.signatures] == [HANDMADE]
    assert f(dualdiff.Dual(3.0, 1.0)).tangent == 6.0


@pytest.mark.filterwarnings("ignore:First-class function type")
def test_a_function_of_compiled_code_is_passed_as_a_value():
    @numba.njit
    def twice(x):
        return 2 * x

    @numba.njit("float64(float64)")
    def thrice(x):
        return 3 * x

    @numba.njit
    def f(x, functions):
        return x * x * functions[0](2.0)

    assert dualdiff.derivative(numba.njit(lambda x: twice(x) * x), 3.0) == 12.0
    assert dualdiff.derivative(f, 1.5, (thrice,)) == 18.0
    callback = numba.cfunc("float64(float64)")(lambda x: twice(x) + 1.0)
    assert callback.ctypes(1.0) == 3.0


def test_recursive_functions():
    @numba.njit
    def power(x, n):
        return x * power(x, n - 1) if n > 1 else x

    @numba.njit
    def is_even(x, n):
        return x if n == 0 else x * is_odd(x, n - 1)

    @numba.njit
    def is_odd(x, n):
        return 2.0 * x if n == 0 else x + is_even(x, n - 1)

    assert dualdiff.derivative(power, 2.0, 5) == 80.0
    assert dualdiff.derivative(numba.njit(lambda x: power(x, 3) * power(x, 2)), 2.0) == 80.0
    by_numpy = dualdiff.derivative(is_even.py_func, 2.0, 5)
    assert dualdiff.derivative(is_even, 2.0, 5) == by_numpy


def test_constants_are_printed_and_errors_are_raised_in_what_is_compiled_in(capfd):
    @numba.njit
    def inner(x):
        print("at", x, (1, "a string"))
        if x > 2:
            raise ValueError("on purpose", 3)
        return x * x

    f = numba.njit(lambda x: inner(x) + inner(x / 2))
    assert dualdiff.derivative(f, 2.0) == 5.0
    assert capfd.readouterr().out.splitlines()[:2] == ["at 2.0 (1, 'a string')", "at 1.0 (1, 'a string')"]
    with pytest.raises(ValueError, match="on purpose"):
        dualdiff.derivative(f, 3.0)
    assert inner(1.5) == 2.25, RELIANCES["set_environments_late"].reason


def test_code_of_python_runs_in_what_is_compiled_in():
    @numba.njit
    def inner(x, n):
        with numba.objmode(m="int64"):
            m = len("abc" * n)
        return x**m

    assert dualdiff.derivative(numba.njit(lambda x: inner(x, 1)), 2.0) == 12.0


# -- texts of errors ---------------------------------------------------------------------------------------------------
def stored(x):
    buffer = np.zeros(3, np.int64)
    buffer[0] = x[0]
    return buffer[0]


#: A function that does not compile for duals, and what the pattern makes of it in the message.
REFUSED = {
    "MARKED": (lambda x: hash(x[0]) * x[0], "dual numbers are unhashable"),
    "CALL": (lambda x: np.kaiser(3, x[0])[0], r"no compiled rule for kaiser\(3, Dual\)"),
    "INTERNAL": (lambda x: np.histogram(x)[1][0], r"no compiled rule for histogram\("),
    "PLACE": (stored, f"stored, line {stored.__code__.co_firstlineno + 2}:"),
    "STORE": (stored, "plain floats cannot hold the derivative"),
    "CONVERSION": (lambda x: float(x[0]), r"float\(x\) would lose"),
    "LITERAL": (lambda x: np.kaiser(3, x[0])[0], r"kaiser\(3, "),
    "ARRAY": (lambda x: np.histogram(x)[1][0], r"histogram\(array\(Dual, 1d\)\)"),
    "is_of_a_set": (lambda x: len({x[0]}) * x[0], "dual numbers are unhashable"),
    "refuse_array_attribute": (lambda x: x[0] * x.nbytes, "x.nbytes would read the memory"),
    "refuse_real_and_imag": (lambda x: (x * 1j).real.sum(), r"the attribute \.real"),
}
TEXTS = {name for name, reliance in RELIANCES.items() if not reliance.parts}


def test_every_text_has_a_case():
    assert {*REFUSED, *SHORTENED} >= TEXTS


@pytest.mark.parametrize("name", REFUSED)
def test_texts_of_numba_are_understood(name):
    f, message = REFUSED[name]
    numba.njit(f)(X)
    with pytest.raises(TypeError, match=message) as raised:
        dualdiff.gradient(numba.njit(f), X)
    assert "\n" not in str(raised.value), f"Numba {numba.__version__} words it otherwise: {RELIANCES[name].reason}"


@numba.njit
def total(x):
    return np.sum(x)


#: Functions that call an operator of dualdiff, and what is said instead of what Numba says.
SHORTENED = {
    "OPERATOR": (lambda x: dualdiff.gradient(total, 3), "gradient takes an array as x, not int64: use derivative"),
    "KEYWORD": (lambda x: dualdiff.gradient(total, x, mode="reverse"), "takes no option, but was given mode: leave it"),
    "UNKNOWN": (lambda x: dualdiff.vjp(total, x), "compiled code has no dualdiff.vjp, only derivative, "),
    "CAPTURED": (lambda x: dualdiff.gradient(lambda y: y[0] * x[0], x), r"cannot use the variable x .*: pass it as"),
}


@pytest.mark.parametrize("name", SHORTENED)
def test_errors_of_operators_in_compiled_code_are_one_line(name):
    f, message = SHORTENED[name]
    with pytest.raises(TypeError, match=message) as raised:
        numba.njit(f)(X)
    assert "\n" not in str(raised.value), f"Numba {numba.__version__} words it otherwise: {RELIANCES[name].reason}"


def test_errors_of_the_compiler_are_told_from_those_of_f():
    @numba.njit
    def failing(x):
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose") as raised:
        failing(1.0)
    assert not patches.is_of_compiler(raised.value)
    with pytest.raises(numba.TypingError) as raised:
        numba.njit(lambda x: x.nothing)(1.0)
    assert patches.is_of_compiler(raised.value), RELIANCES["is_of_compiler"].reason
