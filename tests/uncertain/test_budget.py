"""Budgets, and the examples H.1 to H.3 of the GUM (JCGM 100:2008) with their published numbers."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dualdiff.uncertain import (
    budget,
    correlated_values_norm,
    correlation_matrix,
    covariance_matrix,
    nominal_values,
    std_devs,
    uarray,
    ufloat,
)

pytest.importorskip("scipy")


def test_gum_h1_end_gauge():
    """Lengths in nanometres: 50.000838 mm, standard uncertainty 32 nm, 16 degrees of freedom, expanded 93 nm (99 %)."""
    standard = ufloat(50_000_623.0, 25.0, "l_s", dof=18)
    difference = ufloat(215.0, 5.8, "d", dof=24) + ufloat(0.0, 3.9, "d_1", dof=5) + ufloat(0.0, 6.7, "d_2", dof=8)
    expansion = ufloat(11.5e-6, 1.2e-6, "alpha_s")
    temperature = ufloat(-0.1, 0.41, "theta")
    of_expansions, of_temperatures = ufloat(0.0, 0.58e-6, "d_alpha", dof=50), ufloat(0.0, 0.029, "d_theta", dof=2)
    length = standard + difference - standard * (of_expansions * temperature + expansion * of_temperatures)
    found = budget(length, coverage=0.99)
    assert round(found.value) == 50_000_838
    assert round(found.std_dev) == 32
    assert math.floor(found.dof) == 16
    assert found.dof == pytest.approx(16.7, abs=0.15)
    # With the rounded degrees of freedom the GUM has 2.92 * 32 nm = 93 nm.
    assert found.expanded == pytest.approx(93, abs=1)
    contributions = {row.name: abs(row.contribution) for row in found.rows}
    published = {"l_s": 25, "d": 5.8, "d_1": 3.9, "d_2": 6.7, "alpha_s": 0, "theta": 0, "d_alpha": 2.9, "d_theta": 16.6}
    for name, value in published.items():
        assert contributions[name] == pytest.approx(value, abs=0.1)
    assert sum(row.share for row in found.rows) == pytest.approx(1)


V = [5.007, 4.994, 5.005, 4.990, 4.999]
I = [19.663e-3, 19.639e-3, 19.640e-3, 19.685e-3, 19.678e-3]  # noqa: E741 - the GUM's symbol
PHI = [1.0456, 1.0438, 1.0468, 1.0428, 1.0433]


def test_gum_h2_resistance_and_reactance():
    readings = np.array([V, I, PHI])
    v, i, phi = uarray(readings.mean(axis=1), cov=np.cov(readings) / 5, tag=["V", "I", "phi"], dof=4)
    assert_allclose(correlation_matrix([v, i, phi])[np.triu_indices(3, 1)], [-0.36, 0.86, -0.65], atol=0.005)
    results = v / i * np.cos(phi), v / i * np.sin(phi), v / i
    assert_allclose(nominal_values(results), [127.732, 219.847, 254.260], atol=0.0005)
    # The GUM has 0.295 for X, but its formula 0.2956 from the readings, and its second approach 0.2955.
    assert_allclose(std_devs(results), [0.071, 0.2956, 0.236], atol=0.0005)
    assert_allclose(std_devs(results)[1], 0.295, atol=0.001)
    assert_allclose(correlation_matrix(results)[np.triu_indices(3, 1)], [-0.588, -0.485, 0.993], atol=0.0005)
    # All readings were taken together: the effective degrees of freedom are theirs, and the shares have all signs.
    found = budget(results[0])
    assert found.dof == pytest.approx(4)
    assert [row.name for row in found.rows] == ["phi", "V", "I"]
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    # The second approach of the GUM: the mean of the five values of R has the same uncertainty, to first order.
    each = np.array(V) / I * np.cos(PHI)
    assert each.std(ddof=1) / 5**0.5 == pytest.approx(found.std_dev, rel=1e-2)
    # Its rounded standard deviations and correlations.
    rounded = correlated_values_norm(
        [(4.9990, 0.0032), (19.6610e-3, 0.0095e-3), (1.04446, 0.00075)],
        [[1, -0.36, 0.86], [-0.36, 1, -0.65], [0.86, -0.65, 1]],
    )
    assert (rounded[0] / rounded[1]).s == pytest.approx(0.236, abs=0.001)


T = [21.521, 22.012, 22.512, 23.003, 23.507, 23.999, 24.513, 25.002, 25.503, 26.010, 26.511]
B = [-0.171, -0.169, -0.166, -0.159, -0.164, -0.165, -0.156, -0.157, -0.159, -0.161, -0.160]


def test_gum_h3_calibration_line():
    t, b = np.array(T), np.array(B)
    matrix = np.stack([np.ones(11), t - 20.0], axis=1)
    residuals = b - matrix @ np.linalg.lstsq(matrix, b)[0]
    s = np.sqrt(residuals @ residuals / 9)
    assert s == pytest.approx(0.0035, abs=5e-5)
    for solve in (lambda y: np.linalg.lstsq(matrix, y)[0], lambda y: np.polyfit(t - 20.0, y, 1)[::-1]):
        line = solve(uarray(b, s, dof=9))
        assert_allclose(nominal_values(line), [-0.1712, 0.00218], atol=5e-5)
        assert_allclose(std_devs(line), [0.0029, 0.00067], atol=5e-5)
        assert correlation_matrix(line)[0, 1] == pytest.approx(-0.930, abs=5e-4)
        correction = line[0] + line[1] * (30.0 - 20.0)
        assert correction.n == pytest.approx(-0.1494, abs=5e-5)
        assert correction.s == pytest.approx(0.0041, abs=5e-5)


def test_shares_of_correlated_and_independent_inputs():
    a = uarray([1.0, 2.0], cov=[[0.04, 0.03], [0.03, 0.09]], dof=[3, 5])
    c = ufloat(3.0, 0.5, "c", dof=10)
    y = a[0] - 2 * a[1] + c
    found = budget(y)
    slopes = np.array([1.0, -2.0, 1.0])
    cov = covariance_matrix([a, c])
    expected = dict(zip(["x1", "x2", "c"], slopes * (cov @ slopes) / y.s**2, strict=True))
    assert {row.name: row.share for row in found.rows} == {k: pytest.approx(v) for k, v in expected.items()}
    # Correlated inputs with different degrees of freedom have no effective ones.
    assert math.isnan(found.dof)
    assert math.isnan(found.expanded)


def test_expanded_uncertainty():
    x = ufloat(1.0, 0.1)
    assert budget(x).coverage_factor == pytest.approx(1.959964)
    assert budget(ufloat(1.0, 0.1, dof=4)).coverage_factor == pytest.approx(2.776445)
    assert budget(x, coverage_factor=2).expanded == pytest.approx(0.2)
    assert budget(x - x).dof == math.inf


def test_many_inputs_are_summed_up():
    y = np.sum(uarray(np.ones(100), np.linspace(0.1, 1.0, 100), tag="a"))
    found = budget(y)
    text = str(found)
    assert "a[99]" in text
    assert "75 more" in text
    assert len(found.rows) == 100
    assert found._repr_html_().count("<tr>") == 27


def test_names_are_told_apart_and_escaped():
    y = ufloat(1.0, 0.1, "<b>") + ufloat(2.0, 0.1, "<b>") + ufloat(3.0, 0.1)
    assert {row.name for row in budget(y).rows} == {"<b>", "<b>'", "x3"}
    assert "<b>" not in budget(y)._repr_html_()


def test_plot():
    pytest.importorskip("matplotlib").use("Agg")
    axes = budget(ufloat(1.0, 0.1, "a") * ufloat(2.0, 0.1, "b")).plot()
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([80, 20])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: budget(1.0), TypeError, "a real uncertain scalar, not float"),
        (lambda: budget(uarray([1.0], 0.1)), TypeError, r"budget\(y\[i\]\) for an element"),
        (lambda: budget(ufloat(1.0, 0.1) * 1j), TypeError, "a real uncertain scalar"),
        (lambda: budget(ufloat(1.0, 0.1), coverage=95), ValueError, "between 0 and 1, not 95"),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
