"""Text of uncertain values, and from text: fixed cases, and the package `uncertainties` where it is installed."""

import itertools
import random

import numpy as np
import pytest

from dualdiff.uncertain import uarray, ufloat, ufloat_fromstr
from dualdiff.uncertain.formatting import formatted, rounded_by_pdg

#: Value, standard deviation, format, text: the forms of `uncertainties`.
CASES = [
    (3.1415, 0.0001, "", "3.14150+/-0.00010"),
    (1.2, 0.1, "", "1.20+/-0.10"),
    (1.2, 0.1, ".1u", "1.2+/-0.1"),
    (1.2, 0.1, ".2uS", "1.20(10)"),
    (12.3, 4.5, "S", "12(4)"),
    (12.3, 4.5, ".2uS", "12.3(4.5)"),
    (1.2345e-5, 2e-7, ".1ueL", r"\left(1.23 \pm 0.02\right) \times 10^{-5}"),
    (1.2345e-5, 2e-7, "P", "(1.234±0.020)×10⁻⁵"),
    (1.2345e-5, 2e-7, ".1ueS", "1.23(2)e-05"),
    (1234567.89, 12345.678, "f", "1234568+/-12346"),
    (1.5, 0.95, "", "1.5+/-1.0"),
    (1.5, 0.0996, "", "1.50+/-0.10"),
    (0.5, 0.012, "%", "(50.0+/-1.2)%"),
    (0.5, 0.012, ".1uL%", None),
    (1.2, 0.1, "p", "(1.20+/-0.10)"),
    (1.2, 0.1, "10", "      1.20+/-      0.10"),
    (1.2, 0.1, "+.1u", "+1.2+/-0.1"),
    (1.2, 0.1, "08.1u", "000001.2+/-000000.1"),
    (1234.5, 1.0, ",.1u", "1,234+/-1"),
    (1.0, 0.0, "", "1.0+/-0"),
    (1.2, 0.1, ".3g", "1.20+/-0.10"),
    (float("nan"), 0.1, "", "nan+/-0.1"),
    (float("inf"), 0.1, ".1uL", r"\infty \pm 0.1"),
    (1e200, 1e198, "E", "(1.000+/-0.010)E+200"),
]


@pytest.mark.parametrize(("value", "std", "spec", "text"), CASES)
def test_formats(value, std, spec, text):
    if text is None:
        with pytest.raises(ValueError, match="options P, S, L and p stand at the end"):
            format(ufloat(value, std), spec)
    else:
        assert f"{ufloat(value, std):{spec}}" == text


def test_the_rule_of_the_particle_data_group():
    assert [rounded_by_pdg(s)[0] for s in (0.1, 0.354, 0.355, 0.949, 0.95, 35.4, 35.5, 1e-300)] == [
        2,
        2,
        1,
        1,
        2,
        2,
        1,
        2,
    ]
    assert rounded_by_pdg(0.96)[1] == 1.0


def test_arrays_and_reprs():
    x = uarray([[1.0, 2.0]], [[0.1, 0.25]])
    assert repr(x) == "UArray([[1.00+/-0.10, 2.00+/-0.25]])"
    assert str(x[0]) == "[1.00+/-0.10 2.00+/-0.25]"
    assert repr(x[0, 1]) == "2.0+/-0.25"
    assert str(x[0, 1]) == "2.00+/-0.25"
    assert "..." in repr(uarray(np.ones(2000), 0.1))
    assert x[0, 0].format(".1u") == "1.0+/-0.1"
    assert f"{x[0]:.1uS}" == "[1.0(1) 2.0(2)]"
    assert f"{x[0]}" == str(x[0])


TEXTS = [
    ("1.20(10)", 1.2, 0.1),
    ("1.20+/-0.10", 1.2, 0.1),
    ("1.20 ± 0.10e-3", 1.2, 0.0001),
    ("(1.20 ± 0.10)e-3", 0.0012, 0.0001),
    ("-12.3(4.5)", -12.3, 4.5),
    ("1234(5)e3", 1234000.0, 5000.0),
    ("12.34(142)", 12.34, 1.42),
    ("31.", 31.0, 1.0),
    ("0.29", 0.29, 0.01),
    ("(1.235±0.020)×10⁻⁵", 1.235e-5, 2e-7),
    ("1.20(10)×10³", 1200.0, 100.0),
    (".1(2.)", 0.1, 2.0),
    ("(12+/-1)%", 0.12, 0.01),
]


@pytest.mark.parametrize(("text", "value", "std"), TEXTS)
def test_values_from_text(text, value, std):
    x = ufloat_fromstr(text, tag="t")
    assert (x.n, x.s, x.tag) == (value, std, "t")


@pytest.mark.parametrize("text", ["", "abc", "1.2()", "1.2(.)", "1.2+/-", "1.2+/-x", "(1.2", "1.2(3)(4)"])
def test_what_is_no_value(text):
    with pytest.raises(ValueError, match=r"is not a value with an uncertainty: write '1.20\(10\)'"):
        ufloat_fromstr(text)


SPECS = ["", ".1u", ".2u", ".2f", "f", "e", ".2e", "g", ".3g", ".1ue", ".2uS", "eS", "L", ".1ueL", "P", "eP", ".1uSL"]
SPECS += ["SP", "ep", "%", "%S", "<15", "010", "+.2u", " ", "10e", "*^20S", "*>12.1u", ",.1u", "020S", ".3", "F", ".0e"]


@pytest.mark.filterwarnings("ignore")
def test_formats_are_those_of_uncertainties():
    peer = pytest.importorskip("uncertainties")
    draw = random.Random(1)
    values = [(1.2, 0.1), (0.0, 0.1), (9.99, 0.0995), (1.5, 960.0), (float("nan"), 1.0), (1e-20, 1e-15), (2.0, 3.55)]
    sizes = [(10.0 ** draw.randint(-8, 8), 10.0 ** draw.randint(-8, 8)) for _ in range(60)]
    values += [(draw.uniform(-10, 10) * p, draw.random() * q) for p, q in sizes]
    for (value, std), spec in itertools.product(values, SPECS):
        if not (np.isnan(value) and "," in spec):
            assert formatted(value, std, spec) == format(peer.ufloat(value, std), spec), (value, std, spec)
