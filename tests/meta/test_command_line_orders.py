"""The command line at high order."""

import pytest

from dualdiff.__main__ import main


@pytest.fixture
def printed(capsys):
    def printed(*argv):
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return printed


def test_order_30(printed):
    lines = printed("exp(x)", "--at", "0", "--order", "30")
    assert len(lines) == 31
    assert [float(line.split()[1]) for line in lines] == pytest.approx([1.0] * 31, rel=1e-13)


def test_taylor(printed):
    assert printed("1/(1 - x)", "--at", "0", "--order", "3", "--taylor") == ["1    1", "x    1", "x^2  1", "x^3  1"]
    assert printed("x**2", "--at", "3", "--order", "2", "--taylor") == ["1          9", "(x - 3)    6", "(x - 3)^2  1"]
