"""NIST's nonlinear regression problems, fitted with exact Jacobians to the certified digits."""

import numpy as np
import pytest

from dualdiff import check_derivative, jacobian, value_and_jacobian
from tests.scipy.nist import HAHN1, MISRA1A, THURBER

PROBLEMS = {"Misra1a": MISRA1A, "Hahn1": HAHN1, "Thurber": THURBER}


def digits(found, certified):
    """The least number of digits that agree."""
    with np.errstate(divide="ignore"):
        return np.min(-np.log10(np.abs(found / certified - 1)))


def fit(residual, b):
    """Levenberg-Marquardt while the sum of squares falls, then Gauss-Newton while the steps become shorter."""
    damping, scale, gain = 1e-3, 0.0, 1.0
    r, J = value_and_jacobian(residual, b)
    while not 0 <= gain < 1e-8:
        scale = np.maximum(scale, np.linalg.norm(J, axis=0))
        damped = np.vstack([J / scale, np.sqrt(damping) * np.eye(len(b))])
        step = -np.linalg.lstsq(damped, np.append(r, 0 * b))[0] / scale
        tried, J_tried = value_and_jacobian(residual, b + step)
        gain = 1 - (tried @ tried) / (r @ r)
        if gain > 0:
            b, r, J, damping = b + step, tried, J_tried, damping / 4
        else:
            damping *= 4
            assert damping < 1e16
    shortest = np.inf
    while True:
        step = -np.linalg.lstsq(J / scale, r)[0] / scale
        length = np.linalg.norm(step * scale)
        if length >= shortest:
            return b, r, J
        b, shortest = b + step, length
        r, J = value_and_jacobian(residual, b)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_digits(name, start):
    """Parameters, standard deviations and sum of squares from NIST's starting values; eleven digits are certified."""
    problem = PROBLEMS[name]
    b, r, J = fit(problem.residual, problem.starts[start])
    square_root = np.linalg.inv(np.linalg.qr(J)[1])
    deviations = np.sqrt(r @ r / (len(r) - len(b))) * np.linalg.norm(square_root, axis=1)
    assert digits(b, problem.parameters) > 10
    assert digits(deviations, problem.deviations) > 10
    assert digits(r @ r, problem.squares) > 10


@pytest.mark.parametrize("name", PROBLEMS)
def test_jacobian_of_the_residuals(name):
    """The Jacobian at the certified parameters agrees with the complex step."""
    problem = PROBLEMS[name]
    report = check_derivative(problem.residual, problem.parameters, rtol=1e-12)
    assert report.dual.shape == (*problem.starts.shape[1:], len(problem.pairs) // 2)
    assert not np.isnan(report.complex_step).any()


def test_jacobian_in_scipy():
    """SciPy's least_squares takes jacobian(f) directly, and reaches the certified parameters."""
    optimize = pytest.importorskip("scipy.optimize")
    start, residual = MISRA1A.starts[0], MISRA1A.residual
    result = optimize.least_squares(residual, start, jac=jacobian(residual), method="lm", xtol=1e-15, ftol=1e-15)
    assert digits(result.x, MISRA1A.parameters) > 9
