"""Orders whose factorial is beyond floats: their derivatives were zero or NaN."""

import numpy as np
import pytest

from dualdiff import nth_derivative, taylor
from dualdiff.__main__ import main


def test_the_highest_order_is_right():
    np.testing.assert_allclose(nth_derivative(np.exp, 0.0, 170), 1.0, rtol=1e-13)


def test_higher_orders_are_refused_and_the_coefficients_are_there():
    with pytest.raises(ValueError, match=r"order 171 is 171! times .*dualdiff\.taylor\(f, x, n\)"):
        nth_derivative(np.exp, 0.0, 171)
    assert taylor(np.exp, 0.0, 171).shape == (172,)


def test_on_the_command_line(capsys):
    # 0 times the factorial, where that is infinite, is NaN.
    assert main(["0", "--at", "200", "--order", "170"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["f^(170)", "0"]
    assert main(["exp(x)", "--at", "3", "--order", "171"]) == 2
    assert "see --taylor" in capsys.readouterr().err
