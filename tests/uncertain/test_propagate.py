"""propagate: first and second order, unscented, Monte Carlo, against closed forms, the three modes and each other."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dualdiff.uncertain import NonlinearityWarning, covariance_matrix, propagate, uarray, ufloat

COV = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, -0.02], [0.0, -0.02, 0.01]])


def f(x):
    return np.stack([x[0] * x[1], np.sin(x[2]) + x[0], x.sum()])


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "sparse"])
def test_every_mode_gives_the_covariance_of_uncertain_values(mode):
    x = np.array([1.0, 2.0, 3.0])
    value, cov = propagate(f, x, COV, mode=mode)
    y = f(uarray(x, cov=COV))
    assert_allclose(value, f(x))
    assert_allclose(cov, covariance_matrix(y), rtol=1e-12)
    result = propagate(f, x, std_devs=[0.1, 0.2, 0.3], mode=mode)
    assert_allclose(result.std, f(uarray(x, [0.1, 0.2, 0.3])).s, rtol=1e-12)


def test_many_elements_are_traced_as_sparse_rows():
    n = 2000
    result = propagate(lambda x: np.diff(x) ** 2, np.arange(n) * 1.0, std_devs=0.1, sparse=True)
    assert result.cov.nnz == 3 * (n - 1) - 2
    dense = propagate(lambda x: np.diff(x) ** 2, np.arange(n) * 1.0, std_devs=0.1)
    assert_allclose(result.cov.toarray(), dense.cov)
    assert_allclose(result.std, np.full(n - 1, 0.2 * 2**0.5))


class Line(NamedTuple):
    slope: float
    offset: float


def test_containers():
    x = {"line": Line(2.0, 1.0), "at": np.array([0.0, 1.0, 2.0])}

    def of(p):
        y = p["line"].slope * p["at"] + p["line"].offset
        return {"y": y, "mean": y.mean()}

    std = {"line": Line(0.1, 0.2), "at": np.full(3, 0.3)}
    result = propagate(of, x, std_devs=std)
    expected = of({"line": Line(ufloat(2.0, 0.1), ufloat(1.0, 0.2)), "at": uarray(x["at"], 0.3)})
    assert result.value["mean"] == 3.0
    assert_allclose(result.std["y"], expected["y"].s)
    assert_allclose(result.std["mean"], expected["mean"].s)
    assert_allclose(result.cov, covariance_matrix([expected["y"], expected["mean"]]))
    # The branches that f takes for floats.
    assert propagate(lambda v: v * 2 if isinstance(v, float) else None, 1.0, std_devs=0.1).std == 0.2


def test_second_order_of_polynomials_is_exact():
    """Moments of normal variables: the square has variance 4 m**2 s**2 + 2 s**4, a product the product of both."""
    with pytest.warns(NonlinearityWarning, match="element 0: 1 [+]/- 1 to first order, 1.25 [+]/- 1.06 without"):
        square = propagate(np.square, 1.0, std_devs=0.5, order=2)
    assert square.value == 1.25
    assert_allclose(square.std**2, 4 * 0.25 + 2 * 0.5**4)
    assert square.linear.std == 1.0
    cov = np.array([[0.09, 0.03], [0.03, 0.04]])
    with pytest.warns(NonlinearityWarning):
        both = propagate(lambda x: np.stack([x[0] * x[1], x[0] ** 2]), [0.5, 0.2], cov, order=2)
    # Isserlis: cov(xy, xx) of normal variables.
    (a, b), (vx, vy, c) = (0.5, 0.2), (0.09, 0.04, 0.03)
    assert_allclose(both.value, [a * b + c, a * a + vx])
    assert_allclose(both.cov[0, 0], b * b * vx + a * a * vy + 2 * a * b * c + vx * vy + c * c)
    assert_allclose(both.cov[0, 1], 2 * a * b * vx + 2 * a * a * c + 2 * vx * c)


def test_unscented_is_exact_for_squares_of_one_variable_and_means_of_quadratic_forms():
    with pytest.warns(NonlinearityWarning):
        square = propagate(np.square, 1.0, std_devs=0.5, method="unscented")
    assert_allclose([square.value, square.std**2], [1.25, 1.125])
    with pytest.warns(NonlinearityWarning):
        form = propagate(lambda x: x @ x, np.array([1.0, 2.0, 3.0]), 4 * COV, method="unscented")
    assert_allclose(form.value, 14 + 4 * np.trace(COV))
    assert propagate(lambda x: 2 * x, 1.0, std_devs=0.5, method="unscented").report == ""


def test_montecarlo_agrees_with_the_second_order_and_is_repeatable():
    with pytest.warns(NonlinearityWarning):
        exact = propagate(lambda x: x[..., 0] * x[..., 1] ** 2, [1.0, 2.0], np.diag([0.01, 0.04]), order=2)
    with pytest.warns(NonlinearityWarning):
        result, again = (
            propagate(
                lambda x: x[..., 0] * x[..., 1] ** 2,
                [1.0, 2.0],
                np.diag([0.01, 0.04]),
                method="montecarlo",
                seed=5,
                vectorized=True,
            )
            for _ in range(2)
        )
    assert result.value == again.value
    assert abs(result.value - exact.value) < 0.01
    assert abs(result.std - exact.std) < 0.01
    assert result.interval[0] < result.value < result.interval[1]
    assert result.draws % 10_000 == 0
    # A linear f agrees, and needs no vectorized form.
    linear = propagate(lambda p: {"a": p["x"] - p["y"]}, {"x": 1.0, "y": 2.0}, std_devs=0.1, method="montecarlo")
    assert linear.report == ""
    assert_allclose(linear.interval[1]["a"], -1 + 1.96 * 0.02**0.5, atol=0.01)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: propagate(3, 1.0, std_devs=0.1), TypeError, "a function as its first argument, not int"),
        (lambda: propagate(np.sin, ufloat(1.0, 0.1), std_devs=0.1), TypeError, "call f.x. if x has uncertainties"),
        (lambda: propagate(np.sin, 1.0), ValueError, "either cov, the covariance matrix, or std_devs"),
        (lambda: propagate(np.sin, 1.0, [[1.0]], std_devs=1.0), ValueError, "either cov"),
        (lambda: propagate(f, np.ones(3), np.eye(2)), ValueError, r"has shape \(2, 2\), not \(3, 3\)"),
        (lambda: propagate(f, np.ones(3), -np.eye(3)), ValueError, "negative variance"),
        (lambda: propagate(f, np.ones(3), std_devs=-1.0), ValueError, "negative: -1.0"),
        (lambda: propagate(f, np.ones(3), std_devs=np.ones(2)), ValueError, r"shape \(2,\) for values of shape \(3,\)"),
        (lambda: propagate(f, np.ones(3), std_devs={"a": 1.0}), ValueError, "propagate: std_devs must be"),
        (lambda: propagate(f, np.ones(3), std_devs=1.0, order=3), ValueError, "order must be 1, or 2"),
        (lambda: propagate(f, np.ones(3), std_devs=1.0, order=2, method="unscented"), ValueError, "order must be 1"),
        (lambda: propagate(f, np.ones(3), std_devs=1.0, method="mc"), ValueError, "method must be one of"),
        (lambda: propagate(f, np.ones(3), std_devs=1.0, mode="fast"), ValueError, "mode must be"),
        (lambda: propagate(f, np.ones(3), std_devs=1.0, digits=0), ValueError, "digits must be"),
        (lambda: propagate(f, np.ones(3), np.eye(3), sparse=True), ValueError, "sparse=True takes std_devs"),
        (
            lambda: propagate(np.sum, np.ones(3), std_devs=1.0, method="montecarlo", vectorized=True),
            ValueError,
            r"an array of shape \(\) for 10000 draws",
        ),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "options",
    [
        *({"mode": mode} for mode in ("auto", "forward", "reverse", "sparse")),
        *({"method": method} for method in ("unscented", "montecarlo")),
        {"method": "montecarlo", "vectorized": True},
        {"order": 2},
        {"sparse": True},
    ],
)
def test_complex_values_have_no_standard_deviation(options):
    """In every mode and method, also where only one leaf is complex, or only some draws are."""
    for f in (lambda x: x * 1j, lambda x: [x, np.exp(1j * x)], lambda x: np.sum(x) + 0j, np.emath.sqrt):
        with pytest.raises((TypeError, ValueError), match="complex"):
            propagate(f, [-1.0, 2.0], std_devs=0.1, **options)
    with pytest.raises(TypeError, match="real values"):
        propagate(np.abs, [1.0 + 1j, 2.0], std_devs=0.1, **options)
