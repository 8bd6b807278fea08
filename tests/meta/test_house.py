"""The rules of the package that can be tested: imports point down; names, docstrings, sizes, locations of files."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import json
import pickle
import re
import subprocess
import sys
import traceback
from dataclasses import is_dataclass
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

import dualdiff
import dualdiff.teaching
import dualdiff.teaching.course
from dualdiff.base import extras, late
from dualdiff.drivers.run import engines
from dualdiff.rules import ROWS
from dualdiff.tangents.space import TangentSpace
from tests.support.versions import docstring

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dualdiff"
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: The floors from the ground up; a module may import from its own floor and those below.
FLOORS = (
    ("base",),
    ("tangents",),
    ("core",),
    ("rules",),
    ("adapting",),
    ("drivers",),
    ("scipy", "compiled", "teaching", "adapters", "uncertain"),
    ("expression", "__main__", "__init__"),
)
#: Floors within a floor, in the same way.
STEPS = {
    "rules": (("writing",), ("numpy",), ("scipy", "python"), ("__init__", "__main__")),
}


def floor(module):
    """The number of the floor of a module such as ``dualdiff.core.dual``."""
    part = [*module.split("."), "__init__"][1]
    found = [i for i, names in enumerate(FLOORS) if part in names]
    assert found, f"{module} stands on no floor"
    return found[0]


def module_name(path):
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imported(path):
    """The modules of the package that a file imports, at its top or inside functions, types included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "dualdiff")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module and node.module.split(".")[0] == "dualdiff":
                for alias in node.names:
                    submodule = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                    is_module = submodule.is_dir() or submodule.with_suffix(".py").exists()
                    yield f"{node.module}.{alias.name}" if is_module else node.module


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_point_down(path):
    own = floor(module_name(path))
    above = [name for name in imported(path) if floor(name) > own]
    assert above == []


@pytest.mark.parametrize("path", [p for p in SOURCES if p.relative_to(PACKAGE).parts[0] in STEPS], ids=module_name)
def test_imports_point_down_within_a_floor(path):
    own = module_name(path).split(".")[1]
    steps = STEPS[own]

    def step(module):
        part = [*module.split(".")[2:], "__init__"][0]
        return next(i for i, names in enumerate(steps) if part in names)

    inside = [name for name in imported(path) if name.split(".")[1:2] == [own]]
    assert [name for name in inside if step(name) > step(module_name(path))] == []


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_import_of_the_whole_package(path):
    # ``import dualdiff`` brings every floor at once.
    if floor(module_name(path)) < len(FLOORS) - 1:
        assert "dualdiff" not in set(imported(path))


def in_a_fresh_interpreter(code):
    """The printed lines of a program in a new process, in which warnings are errors."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


THIRD_PARTY = """
import sys
import traceback
before = set(sys.modules)
{code}
standard = set(sys.stdlib_module_names) | set(sys.builtin_module_names)
found = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(*sorted(name for name in found if name not in standard and not name.startswith("_")))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import dualdiff",
        "from dualdiff import *",
        "import dualdiff, dualdiff.__main__",
        "import numpy as np, dualdiff as dd; dd.derivative(np.sin, 1.0); dd.gradient(np.prod, [1.0, 2.0])",
        "import numpy as np, dualdiff as dd; dd.hessian(lambda x: np.prod(x) + dd.sin(x[0]), np.ones(3))",
        "import numpy as np, dualdiff as dd; dd.vjp(np.exp, np.ones(3)); dd.linearize(np.linalg.inv, np.eye(2))",
        "import dualdiff as dd; [getattr(dd, name) for name in dd.__all__]",
    ],
    ids=["import", "import *", "command line", "gradient", "hessian", "reverse", "every name"],
)
def test_nothing_but_numpy_is_loaded(code):
    assert set(in_a_fresh_interpreter(THIRD_PARTY.format(code=code))) <= {"dualdiff", "numpy"}


#: What Numba documents; everything else of it is private.
DOCUMENTED = {"numba", "numba.extending", "numba.core", "numba.core.types", "numba.core.errors", "numba.core.cgutils"}


def of_numba(path):
    """The modules of Numba that a file imports, and the names imported from ``numba.core``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "numba")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            yield node.module
            if node.module in ("numba.core", "numba.np"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


PRIVATE = r"\.(_cache|_can_compile|_overload_func|_is_internal|_boxers|_impl|tb_frame|get_call_template)\b"


def test_private_parts_of_numba_are_used_in_two_files():
    others = [path for path in SOURCES if path.name not in ("patches.py", "machine_code.py")]
    assert {module_name(path): sorted(set(of_numba(path)) - DOCUMENTED) for path in others if set(of_numba(path))} == {
        module_name(path): [] for path in others if set(of_numba(path))
    }
    assert [line for line in lines_with(PRIVATE, "compiled") if "patches.py" not in line] == []


# -- public names ------------------------------------------------------------------------------------------------------
def test_all_shadows_neither_builtins_nor_numpy():
    elementwise = {name for name in dir(np) if isinstance(getattr(np, name), np.ufunc)} | set(ROWS)
    assert not set(dualdiff.__all__) & set(dir(builtins))
    assert not set(dualdiff.__all__) & elementwise
    assert not set(dualdiff.__all__) & (set(np.__all__) - {"gradient"})
    assert sorted(dualdiff.__all__) == list(dualdiff.__all__)
    assert len(set(dualdiff.__all__)) == len(dualdiff.__all__)


@pytest.mark.parametrize("name", dualdiff.__all__)
def test_every_public_name_exists_and_is_documented(name):
    thing = getattr(dualdiff, name)
    doc = docstring(thing)
    assert doc
    assert name in dir(dualdiff)
    # The docstrings of the functions that raise errors, or return records, show them.
    if not (isinstance(thing, type) and (issubclass(thing, (Exception, Warning)) or is_dataclass(thing))):
        assert "\nExamples\n--------\n>>> " in doc or "\n    >>> " in doc


def test_star_import_brings_all_and_only_all():
    names = in_a_fresh_interpreter(
        "old = set(dir())\nfrom dualdiff import *\nprint(*sorted(set(dir()) - old - {'old'}))"
    )
    assert names == sorted(dualdiff.__all__)


def test_every_elementwise_row_is_public():
    for name in ROWS:
        function = getattr(dualdiff, name)
        assert callable(function)
        assert function.__doc__
        assert name in dir(dualdiff)
    for name in ("zeros", "ones", "empty", "full"):
        assert "Examples" in getattr(dualdiff, name).__doc__
    with pytest.raises(AttributeError, match="module 'dualdiff' has no attribute 'sinus'"):
        dualdiff.sinus  # noqa: B018 - the case


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_every_file_and_every_public_function_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if text.strip():
        assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in tree.body:
        public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
        # The implementation of a NumPy function is documented under the name that it registers.
        registered = any(isinstance(d, ast.Call) for d in getattr(node, "decorator_list", []))
        if public and not registered and len(ast.unparse(node).splitlines()) > 12:
            assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"


# -- sizes -------------------------------------------------------------------------------------------------------------
LONGEST = 600
MANY = 13


def test_no_file_is_too_long():
    files = [p for folder in ("dualdiff", "tests") for p in (ROOT / folder).rglob("*.py")]
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


# -- what lies where ---------------------------------------------------------------------------------------------------
def test_top_level_entries():
    expected = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "dualdiff", "tests", "notebooks"}
    made = {"build", "dist", "venv"}
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith((".", "_")) and not p.name.endswith(".egg-info")}
    assert found - made == expected


def test_one_name_for_each_part_of_the_package():
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert folders == {name for names in FLOORS for name in names} - {"expression", "__main__", "__init__"}
    assert (PACKAGE / "py.typed").exists()
    assert not [p for p in SOURCES if "util" in p.name or "helper" in p.name or "misc" in p.name]


def entries(folder):
    """The files and folders of a folder, without those that every package and every suite has."""
    everywhere = ("py.typed", "conftest.py")
    return [p.name for p in folder.iterdir() if not p.name.startswith((".", "__")) and p.name not in everywhere]


@pytest.mark.parametrize("top", [PACKAGE, ROOT / "tests"], ids=["dualdiff", "tests"])
def test_no_folder_has_more_entries_than_can_be_seen_at_once(top):
    """Folders of tests that mirror those of the package are counted there."""
    folders = [top, *(p for p in top.rglob("*") if p.is_dir() and not p.name.startswith((".", "__")))]
    mirrored = (
        {} if top == PACKAGE else {p.relative_to(top) for p in folders if (PACKAGE / p.relative_to(top)).is_dir()}
    )
    counts = {
        p.relative_to(ROOT).as_posix(): len([n for n in entries(p) if p.relative_to(top) / n not in mirrored])
        for p in folders
    }
    assert {name: n for name, n in counts.items() if n > MANY} == {}


def test_no_two_files_bear_one_name():
    """But for the rules of functions that NumPy and SciPy both have: the folder says whose they are."""
    places = {}
    for path in SOURCES:
        if not path.name.startswith("__"):
            places.setdefault(path.stem, []).append(path.parent.relative_to(PACKAGE).as_posix())
    twice = {name: sorted(folders) for name, folders in places.items() if len(folders) > 1}
    assert {name for name, folders in twice.items() if folders != ["rules/numpy/linalg", "rules/scipy/linalg"]} == set()


def test_tests_mirror_the_package():
    """A folder of tests is one of the package, or holds what is of no folder."""
    others = {"semantics", "meta", "support", "benchmarks", "fuzz"}
    tests = ROOT / "tests"
    folders = {p.relative_to(tests).as_posix() for p in tests.rglob("*") if p.is_dir() and "__" not in p.name}
    assert {name for name in folders if name.split("/")[0] not in others and not (PACKAGE / name).is_dir()} == set()


def test_what_is_imported_late_is_listed_in_one_place():
    """By the name of a module; what an extra brings is loaded by `extras`."""
    found = {path.name for path in SOURCES if "import_module(" in path.read_text(encoding="utf-8")}
    named = {late.__file__, extras.__file__, engines.__file__, dualdiff.__file__, dualdiff.scipy.__file__}
    assert found == {Path(name).name for name in named}
    listed = [*late.RULES.values(), *late.ENGINES.values(), *late.PUBLIC.values()]
    for module in [*listed, *(f"dualdiff.scipy.{name}" for name in late.SCIPY)]:
        assert importlib.util.find_spec(module), module
    written = {m for p in SOURCES for m in re.findall(r'"(dualdiff(?:\.\w+)+)"', p.read_text(encoding="utf-8"))}
    modules = {m for m in written if (PACKAGE.parent / m.replace(".", "/")).with_suffix(".py").exists()}
    elsewhere = {
        m for p in SOURCES if p.name != "late.py" for m in modules if f'"{m}"' in p.read_text(encoding="utf-8")
    }
    assert {m for m in elsewhere if not m.startswith(("dualdiff.scipy", "dualdiff.adapters"))} == set()


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_what_is_private_to_a_file_stays_there(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dualdiff":
            assert [a.name for a in node.names if a.name.startswith("_") and not a.name.startswith("__")] == []


#: Every public name, by its module.
SHOWN = [
    *(("dualdiff", name) for name in (*dualdiff.__all__, *ROWS, "zeros", "ones", "empty", "full")),
    *((f"dualdiff.scipy.{m}", name) for m in late.SCIPY for name in getattr(dualdiff.scipy, m).__all__),
    *(("dualdiff.teaching", name) for name in dualdiff.teaching.__all__),
    *(("dualdiff.teaching.course", name) for name in dualdiff.teaching.course.__all__),
]


@pytest.mark.parametrize(("module", "name"), SHOWN, ids=[f"{module}.{name}" for module, name in SHOWN])
def test_public_names_show_no_inner_path(module, name):
    """In tracebacks, pickles and reprs; for objects, such as the distributions of SciPy, their classes."""
    thing = getattr(importlib.import_module(module), name)
    if isinstance(thing, (type, FunctionType)):
        assert (thing.__module__, thing.__qualname__) == (module, name)
        assert pickle.loads(pickle.dumps(thing)) is thing
    elif type(thing).__module__.startswith("dualdiff."):
        assert type(thing).__module__ == module


def test_frozen_distributions_show_no_inner_path():
    for frozen in dualdiff.scipy.stats.norm(1.0, scale=2.0), dualdiff.scipy.stats.multivariate_normal([0.0, 1.0]):
        assert type(frozen).__module__ == "dualdiff.scipy.stats"
        assert repr(pickle.loads(pickle.dumps(frozen))) == repr(frozen)
    assert repr(dualdiff.scipy.stats.norm(1.0, scale=2.0)) == "<scipy.stats.norm(1.0, scale=2.0) for duals>"


@pytest.mark.parametrize("module", late.SCIPY)
def test_functions_of_scipy_without_a_rule_show_no_inner_path(module):
    shown = getattr(dualdiff.scipy, module)
    for name in importlib.import_module(f"scipy.{module}").__all__:
        function = getattr(shown, name)
        if isinstance(function, FunctionType) and name not in shown.__all__:
            # SciPy's own may show a private module of SciPy.
            assert function.__module__ == f"dualdiff.scipy.{module}" or function.__module__.startswith("scipy.")
            assert pickle.loads(pickle.dumps(function)) is function


def test_an_error_of_a_gradient_is_a_value_error_to_users():
    with pytest.raises(ValueError, match="needs an f that returns a scalar") as raised:
        dualdiff.gradient(np.exp, np.ones(2))
    assert traceback.format_exception_only(raised.value)[0].startswith("ValueError: gradient needs")
    assert type(pickle.loads(pickle.dumps(raised.value))) is ValueError


def test_errors_of_lazily_loaded_names_show_no_inner_path():
    code = "import dualdiff as dd\ntry: dd.check_derivative(lambda x: x, 1.0, order=0)\nexcept Exception: pass\n"
    code += "print(*(c.__module__ for c in AssertionError.__subclasses__() if c.__name__ == 'DerivativeCheckError'))"
    assert in_a_fresh_interpreter(code) == ["dualdiff"]


NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebooks_have_no_stored_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert cells
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            # Other tags may keep a cell from being run.
            assert cell["metadata"].get("tags", []) in ([], ["hide-input"]), path.name


def test_version_is_the_one_of_the_project():
    line = next(
        x for x in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines() if x.startswith("version")
    )
    assert line == f'version = "{dualdiff.__version__}"'


# -- one way through the core ------------------------------------------------------------------------------------------
def lines_with(pattern, *folders):
    """The lines of code of some folders of the package in which a pattern occurs."""
    return [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in folders
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(pattern, line)
    ]


def test_the_core_alone_asks_whether_two_duals_belong_to_one_call():
    assert lines_with(r"\bsame_call\(", "rules", "drivers") == []


def test_rules_hardly_ever_name_a_tangent():
    assert len(lines_with(r"\.raw\b", "rules")) <= 5


def test_functions_of_the_core_are_short():
    functions = {
        f"{path.name}, {node.name}": node.end_lineno - node.lineno + 1
        for path in sorted((PACKAGE / "core").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: length for name, length in functions.items() if length > 40} == {}


def test_a_tangent_space_has_few_methods():
    methods = [
        name
        for name, x in vars(TangentSpace).items()
        if callable(x) and type(x) is not type and not name.startswith("_")
    ]
    assert len(methods) <= 22, methods
