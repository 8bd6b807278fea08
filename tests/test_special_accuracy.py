"""The rounding error of every partial derivative of ``scipy.special``, in units in the last place, against mpmath.

A partial may be off by 8 units, times what a rounding of the arguments would change it by where that is more than one
unit.  Where a function of SciPy is itself less accurate than that, the row is among the exceptions, with its bound.
The table of the largest errors is printed at the end (``pytest -s tests/test_special_accuracy.py``).
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp
from ulps import BOUND, error, print_table

pytest.importorskip("scipy.special")

from special_references import CASES, EXCEPTIONS, draw, wanted

from dualdiff import jvp
from dualdiff.rules import special_table
from dualdiff.rules.special import SEVERAL, SPECIAL
from dualdiff.rules.table import UNKNOWN

ENGINES = ("float64", "float32")
errors: dict[tuple[str, str], float] = {}


@pytest.fixture(scope="module", autouse=True)
def table_of_errors():
    """Prints the largest errors when all is done."""
    yield
    print_table(errors, ENGINES, {row: reason for row, (_, reason) in EXCEPTIONS.items()})


def rows_of(name):
    """The rows of a ufunc, one for each result."""
    ufunc = special_table.ufunc(name)
    return SEVERAL[ufunc] if ufunc in SEVERAL else (SPECIAL[name],)


def condition(case, k, i, point, value, exact):
    """How many units the derivative changes by if the arguments change by one."""
    step = mpmath.mpf(2) ** -30
    changes = (
        abs(wanted(case, k, i, (*point[:j], point[j] * (1 + step), *point[j + 1 :]), value) - exact)
        for j in range(len(point))
        if not isinstance(point[j], int)
    )
    return float(sum(changes) / (step * abs(exact)))


@pytest.mark.parametrize("name", [name for name in CASES if special_table.ufunc(name) is not None])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_partials_are_accurate(name):
    case, rows, ufunc = CASES[name], rows_of(name), special_table.ufunc(name)
    for engine in ENGINES:
        arguments = draw(name, getattr(np, engine))
        if not len(arguments[0]):
            continue
        values = ufunc(*arguments)
        values = values if isinstance(values, tuple) else (values,)
        for k, row in enumerate(rows):
            for i, text in enumerate(row.partials):
                if text is None or text is UNKNOWN:
                    continue
                label = name + (f"[{k}]" if len(rows) > 1 else "") + (f", argument {i}" if row.arity > 1 else "")

                def f(x, i=i, k=k, arguments=arguments):
                    found = ufunc(*arguments[:i], x, *arguments[i + 1 :])
                    return found[k] if isinstance(found, tuple) else found

                slope = jvp(f, arguments[i], np.ones_like(arguments[i]))[1]
                assert slope.dtype == values[k].dtype
                real = slope.real.dtype
                worst = 0.0
                with mp.workdps(case.dps):
                    for j, found in enumerate(slope):
                        if not np.isfinite(values[k][j]):
                            continue
                        point = tuple(int(a[j]) if a.dtype.kind == "i" else mpmath.mpf(float(a[j])) for a in arguments)
                        exact = wanted(case, k, i, point, values[k][j].item())
                        off = error(found, exact, real)
                        bound = EXCEPTIONS.get(label, (BOUND, ""))[0]
                        if bound < off < np.inf:
                            off /= max(1.0, condition(case, k, i, point, values[k][j].item(), exact))
                        assert off <= bound, f"{label} at {point} in {engine}: {found!r} for {mpmath.nstr(exact, 20)}"
                        worst = max(worst, off)
                errors[label, engine] = worst


def test_every_partial_has_a_reference():
    rows = [row for row in SPECIAL.values() if isinstance(row.ufunc, np.ufunc)]
    rows += [row for several in SEVERAL.values() for row in several]
    with_partials = {row.name for row in rows if any(text not in (None, UNKNOWN) for text in row.partials)}
    assert with_partials - set(CASES) == WITHOUT_REFERENCE


#: mpmath has no such function, or not for real arguments: test_special.py judges these by differences and identities.
WITHOUT_REFERENCE = {
    *("hankel1", "hankel1e", "hankel2", "hankel2e", "wofz", "_lambertw"),
    *("mathieu_a", "mathieu_b", "mathieu_cem", "mathieu_sem"),
    *("mathieu_modcem1", "mathieu_modcem2", "mathieu_modsem1", "mathieu_modsem2"),
    *(
        f"{shape}_{kind}{suffix}"
        for shape in ("pro", "obl")
        for kind in ("ang1", "rad1", "rad2")
        for suffix in ("", "_cv")
    ),
}


def test_exceptions_are_needed():
    known = {label.split("[")[0].split(",")[0] for label in EXCEPTIONS}
    assert known <= set(CASES)
    for bound, reason in EXCEPTIONS.values():
        assert bound > BOUND
        assert reason
