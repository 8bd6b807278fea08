"""Private parts of NumPy, SciPy and CPython that dualdiff relies on: a release that changes one fails here by name."""

from __future__ import annotations

import ast
import importlib
import platform
import re
import sys
import warnings
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import scipy
import scipy.linalg
import scipy.sparse
import scipy.spatial
import scipy.special
import scipy.stats

import dualdiff
from dualdiff import derivative, gradient
from dualdiff.base import internals
from dualdiff.base.internals import DISTRIBUTIONS, READING_MEMORY, RELIANCES, SPECIAL_UFUNCS
from tests.support.reliances import as_seen

PACKAGE = Path(dualdiff.__file__).parent
INSTALLED = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
PARTS = [(name, part) for name, reliance in RELIANCES.items() for part in reliance.parts]
TEXTS = {name for name, reliance in RELIANCES.items() if not reliance.parts}
X = np.array([1.0, 2.0, -0.5, 3.0])


def told(name):
    """What an assertion says."""
    return f"{INSTALLED}: internals.{name} ({RELIANCES[name].reason})"


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[f"{name}: {part.partition('(')[0]}" for name, part in PARTS])
def test_the_parts_are_those_that_were_seen(name, part):
    as_seen(f"internals.{name}", part, RELIANCES[name], INSTALLED, {})


@pytest.mark.parametrize("name", RELIANCES)
def test_every_entry_has_a_reason_and_versions(name):
    assert hasattr(internals, name)
    assert RELIANCES[name].reason
    assert RELIANCES[name].seen


def test_everything_in_the_file_is_an_entry():
    others = {"Reliance", "Thing", "recorder", "relies_on"}
    defined = {n for n, x in vars(internals).items() if getattr(x, "__module__", None) == internals.__name__}
    assert {name for name in defined if not name.startswith("_")} - others <= {*RELIANCES}


# -- who calls ---------------------------------------------------------------------------------------------------------
def duals(x):
    """An object array of duals."""
    return np.asarray(x)


def required(x):
    with pytest.raises(TypeError, match=r"np.require\(x, requirements='W'\) would lose"):
        np.require(x, requirements="W")
    return np.sum(np.require(x, requirements=None))


def vectorized(x):
    return np.sum(np.vectorize(lambda a: a * a if a > 0 else 0.0)(x))


def accumulated(x):
    y = 0.0 * X
    y += x
    return np.sum(y * y)


class WithUnit(np.ndarray):
    """An array that takes the value of what has no unit."""

    unit = 1

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        try:
            given = [x if hasattr(x, "unit") else getattr(x, "value", x) for x in inputs]
        except TypeError:
            return NotImplemented
        return super().__array_ufunc__(ufunc, method, *map(np.asarray, given), **kwargs)


def array_namespace(x, *, api_version=None, use_compat=None):
    assert type(x) is np.ndarray
    return np if use_compat else None


def asking(x, use_compat=True):
    """A caller as in array_api_compat."""
    return x.__array_namespace__(api_version=None)


MATRIX = scipy.sparse.csr_array(np.diag([1.0, 2.0, 3.0, 4.0]))

#: A function that is right by an entry alone, and its gradient.
ACHIEVED = {
    "METHODS_OF_ARRAYS": (lambda x: duals(x).mean() + 0.0 * duals(x).var(), np.full(4, 0.25)),
    "is_product_of_sparse": (lambda x: np.sum(MATRIX @ x), [1.0, 2.0, 3.0, 4.0]),
    "wants_writeable": (required, np.ones(4)),
    "VECTORIZE": (dualdiff.adapt(vectorized), [2.0, 4.0, 0.0, 6.0]),
    "is_in_place": (dualdiff.adapt(accumulated), 2 * X),
    "references": (dualdiff.adapt(accumulated), 2 * X),
    "ASSERTIONS": (lambda x: (np.testing.assert_allclose(x, X), x[0])[1], [1.0, 0.0, 0.0, 0.0]),
    "is_computing_ufunc": (lambda x: np.sum(np.asarray(np.ones(4).view(WithUnit) * x)), np.ones(4)),
    "namespace_of_arrays": (lambda x: asking(x).sum(x), np.ones(4)),
    "frame": (lambda x: x[0] if isinstance(x[0], float) else 0.0, [1.0, 0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("name", ACHIEVED)
@pytest.mark.filterwarnings("ignore::dualdiff.ObjectArrayWarning")
def test_gradients_by_an_entry(name):
    f, slope = ACHIEVED[name]
    np.testing.assert_allclose(gradient(f, X), slope, rtol=1e-15, err_msg=told(name))


def test_only_the_statement_works_in_place():
    def by_function(x):
        y = 0.0 * X
        np.add(y, x, out=y)
        return np.sum(y)

    with pytest.raises(TypeError, match="plain values"):
        gradient(dualdiff.adapt(by_function), X)


def test_converters_are_told_the_class_of_duals():
    pytest.importorskip("mpmath")
    pytest.importorskip("sympy")
    for package in internals.CONVERTERS:
        asking = {"__name__": f"{package}anything"}
        exec("def of(x): return x.__class__", asking)
        assert derivative(lambda x: x * (asking["of"](x) is type(x)), 2.0) == 1.0, told("CONVERTERS")  # noqa: B023


@pytest.mark.parametrize("name", READING_MEMORY)
def test_functions_that_read_memory_go_by_that_name(name):
    public, _ = READING_MEMORY[name]
    module, _, last = public.rpartition(".")
    function = getattr(importlib.import_module(module), last)
    assert getattr(function, "_implementation", function).__code__.co_name == name, told("READING_MEMORY")


def test_functions_of_numpy_say_whether_they_dispatch():
    assert internals.is_dispatched(np.sum)
    assert not internals.is_dispatched(np.errstate)


def test_ufuncs_are_found_where_they_are_defined():
    for function in (np.sin, scipy.special.erf, scipy.special._ufuncs._igam_fac):
        modules = [sys.modules[name] for name in internals.UFUNC_MODULES]
        assert any(getattr(m, function.__name__, None) is function for m in modules), told("UFUNC_MODULES")


def test_products_of_sparse_matrices_are_internal():
    assert type(MATRIX).__mro__[-2].__module__.startswith(internals.SPARSE_INTERNALS), told("SPARSE_INTERNALS")


def test_the_error_state_is_set_directly():
    assert internals.error_state is not None, told("error_state")
    before = np.geterr()
    token = internals.error_state.set(internals.error_state.get())
    internals.error_state.reset(token)
    assert np.geterr() == before


def test_no_value_is_the_default():
    assert np.sum(X, initial=internals.NO_VALUE) == np.sum(X)


def test_running_functions_are_found_by_a_variable():
    def running(thing):
        mark = thing
        assert mark is thing
        return asked(thing), asked(object())

    def asked(thing):
        return internals.is_running("running", "mark", thing)

    assert running(object()) == (True, False), told("is_running")


def test_classes_written_in_python():
    assert internals.is_written_in_python(type("Made", (), {})), told("is_written_in_python")
    assert not internals.is_written_in_python(np.ndarray)


def test_warnings_name_the_line_of_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        derivative(lambda x: 3.0, 1.0)
    assert caught[0].filename == __file__, told("stacklevel")


def test_errors_have_positions():
    def failing(x):
        return x + [][1]

    with pytest.raises(IndexError) as raised:
        failing(1)
    caller, place = list(internals.steps(raised.value))[-1]
    line = failing.__code__.co_firstlineno + 1
    assert caller.f_code is failing.__code__
    assert internals.position(caller, place) == (line, line, 19, 24), told("position")


# -- SciPy's formulas --------------------------------------------------------------------------------------------------
#: What the modules of distributions take from SciPy's private modules, and what is not needed with duals: decorators,
#: fits, random draws, and functions of plain values.
NOT_OF_FORMULAS = {
    *("_RichResult", "check_random_state", "rng_integers", "inherit_docstring_from"),
    *("replace_notes_in_docstring", "extend_notes_in_docstring", "doccer"),
    *("_lazywhere", "_lazyselect", "xp_promote", "xpx", "apply_where"),
}


@pytest.mark.parametrize("module", DISTRIBUTIONS)
def test_formulas_take_no_other_private_functions(module):
    taken = {
        name
        for name, x in vars(importlib.import_module(module)).items()
        if isinstance(x, FunctionType) and str(x.__module__).startswith("scipy._")
    }
    assert taken <= NOT_OF_FORMULAS, told("DISTRIBUTIONS")


@pytest.mark.parametrize("name", SPECIAL_UFUNCS)
def test_private_ufuncs_are_ufuncs(name):
    function = getattr(scipy.special._ufuncs, name, None)
    assert function is None or isinstance(function, np.ufunc), told("SPECIAL_UFUNCS")


def test_private_ufuncs_are_listed():
    sources = "".join(p.read_text(encoding="utf-8") for p in (PACKAGE / "rules" / "scipy" / "special").glob("*.py"))
    named = set(re.findall(r"\b(?:row|ufunc|first|refuse)\([^()]*?\"(_\w+)\"", sources))
    assert named == {*SPECIAL_UFUNCS}


# -- texts of errors ---------------------------------------------------------------------------------------------------
def shuffled(x):
    np.random.default_rng(0).shuffle(np.reshape(x, (2, 2)))
    return x[0]


def flat(x):
    y = np.zeros(4)
    y.flat[0] = x[0]
    return y[0]


#: A function that fails, and the text in the error.
REFUSED = {
    "OBJECT_ARRAY": lambda x: scipy.special.erf(np.array([x[0], x[1]], object)).sum(),
    "SPARSE": lambda x: MATRIX @ np.array([*x], object),
    "FLAT": flat,
    "SHUFFLED": shuffled,
}


def test_every_text_has_a_case():
    assert {*REFUSED} == TEXTS


@pytest.mark.parametrize("name", REFUSED)
def test_texts_are_understood(name):
    with pytest.raises((TypeError, ValueError, UserWarning)) as raised:
        gradient(REFUSED[name], X)
    assert getattr(internals, name).search(str(raised.value)), told(name)


def test_sparse_matrices_refuse_object_arrays_in_these_words():
    made, places = np.array([1.0] * 4, object), np.arange(4)
    of = scipy.sparse.csr_array
    for f in (lambda: MATRIX @ made, lambda: of(made.reshape(1, 4)), lambda: of((made, (places, places))) @ made):
        with pytest.raises((TypeError, ValueError)) as raised:
            f()
        assert internals.SPARSE.search(str(raised.value)), told("SPARSE")


def test_object_arrays_are_refused_in_these_words():
    made = np.array([[object()]])
    for f in (np.linalg.inv, scipy.special.erf, np.sin, scipy.linalg.inv):
        with pytest.raises((TypeError, ValueError)) as raised:
            f(made)
        assert internals.OBJECT_ARRAY.search(str(raised.value)), told("OBJECT_ARRAY")


# -- nowhere else ------------------------------------------------------------------------------------------------------
HOMES = {"internals.py", "patches.py", "machine_code.py"}


def private_attributes():
    """The private attributes that the package asks for and does not define: their names, and where."""
    defined, asked = set(), {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                defined.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
            elif isinstance(node, ast.Attribute) and re.fullmatch("_[^_].*", node.attr) and path.name not in HOMES:
                asked.setdefault(node.attr, []).append(f"{path.relative_to(PACKAGE)}, line {node.lineno}")
    return {name: places for name, places in asked.items() if name not in defined}


#: Documented: of named tuples, and of values in Numba's intermediate representation.
DOCUMENTED = {"_asdict", "_replace", "_getvalue"}


def test_private_attributes_of_others_are_entries():
    parts = {word for _, part in PARTS for word in part.partition("(")[0].split(".")}
    assert {name: places for name, places in private_attributes().items() if name not in parts | DOCUMENTED} == {}


#: The interpreter's own, and paths to private modules.
REACHING = re.compile(
    r"_getframe|getrefcount|\bopmap\b|f_lasti|\btb_\w+|__traceback__|co_positions|__flags__|np\._[a-zA-Z]|"
    r"\"(numpy|scipy)(\.\w+)*\._\w+"
)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_private_parts_are_reached_for_in_one_file(path):
    if path.name in HOMES:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.strip() for line in lines if REACHING.search(line)] == []
