"""Signatures and docstrings of dualdiff.scipy.linalg and special: SciPy's, as far as they come from SciPy."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys

import numpy as np
import pytest

from dualdiff.base import extras
from dualdiff.rules.writing import over_scipy
from dualdiff.scipy import linalg
from tests.support.versions import docstring

scipy_linalg = pytest.importorskip("scipy.linalg")
import scipy.special  # noqa: E402 - needs SciPy

from dualdiff.scipy import special  # noqa: E402 - needs SciPy

FUNCTIONS = [
    *((linalg, scipy_linalg, name) for name in linalg.__all__ if name != "funmh"),
    *((special, scipy.special, name) for name in special.__all__),
]
each_function = pytest.mark.parametrize(("ours", "theirs", "name"), FUNCTIONS, ids=[name for *_, name in FUNCTIONS])
#: Options of some versions of SciPy, long deprecated.
DEPRECATED = {"blocksize", "cond", "disp", "eigvals", "legacy", "rcond", "turbo"}


@each_function
def test_signature_is_that_of_the_installed_scipy(ours, theirs, name):
    assert inspect.signature(getattr(ours, name)).parameters == inspect.signature(getattr(theirs, name)).parameters


@each_function
def test_every_option_of_scipy_is_documented_or_refused(ours, theirs, name):
    function = getattr(ours, name)
    rule = inspect.signature(function.__wrapped__).parameters
    parameters = docstring(function).partition("\nParameters\n")[2].partition("\n\n")[0]
    documented = {n.strip("* ") for line in parameters.splitlines() for n in line.split(" : ")[0].split(",")}
    assert set(rule) - {"value"} <= documented
    for option in set(inspect.signature(function).parameters) - set(rule):
        if option.startswith("overwrite_") or option in over_scipy.HOW:
            assert "options" in rule
        else:
            assert option in DEPRECATED


@each_function
def test_help_is_complete(ours, theirs, name):
    text = pydoc.plain(pydoc.render_doc(getattr(ours, name)))
    assert f"``{theirs.__name__}.{name}`` for duals" in text
    for section in ("Parameters", "Returns", "Notes", "Examples"):
        assert f"\n    {section}\n    {len(section) * '-'}\n" in text
    # The examples, which run as doctests, import what they use.
    assert f">>> from {ours.__name__.rpartition('.')[0]} import {ours.__name__.rpartition('.')[2]}\n" in text
    assert "np." not in text.partition("Examples")[2] or ">>> import numpy as np\n" in text


def test_functions_bind_as_methods():
    class Model:
        solve = linalg.solve

    assert list(inspect.signature(Model().solve).parameters)[:2] == ["b", "lower"]


def test_scipy_is_loaded_by_the_first_call_and_named_where_it_is_missing(monkeypatch):
    code = (
        "import sys, numpy as np, dualdiff\nfrom dualdiff.scipy import linalg\n"
        "dualdiff.jacobian(lambda a: linalg.funmh(a, np.exp), np.eye(2))\nassert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

    def missing(module):
        raise ImportError(module)

    over_scipy._parameters.cache_clear()
    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"dualdiff\.scipy\.linalg needs scipy: pip install scipy"):
        linalg.expm(np.eye(2))
    # Without SciPy the signature is the rule's.
    assert list(inspect.signature(linalg.cholesky).parameters) == ["a", "lower", "options"]
