"""Errors out of foreign code: they say what failed and what to write instead, and what they say works."""

from __future__ import annotations

import fractions
import statistics
import struct
import warnings
from types import FunctionType

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse.linalg
import scipy.spatial.distance
import scipy.special
import scipy.stats
from scipy import sparse

import dualdiff.scipy.integrate
import dualdiff.scipy.interpolate
import dualdiff.scipy.optimize
import dualdiff.scipy.sparse.linalg
import dualdiff.scipy.spatial.distance
import dualdiff.scipy.stats
from dualdiff import (
    LostDerivativeError,
    NoRuleError,
    adapt,
    custom_derivative,
    derivative,
    gradient,
    jacobian,
    value,
    zeros,
)
from dualdiff.scipy import linalg, special
from tests.support.against import assert_near
from tests.support.versions import SCIPY

X = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
GRID = np.arange(5.0)
A = sparse.csc_array(2 * np.eye(5))


def minimum(x):
    return scipy.optimize.minimize(lambda t: np.sum((t - x) ** 2), np.zeros(5))


def decay(x):
    return scipy.integrate.solve_ivp(lambda t, y: -x[0] * y, (0, 1), [1.0]).y


#: What is called under which name, with duals.
FOREIGN = {
    "scipy.sparse.linalg.splu(A).solve": lambda x: scipy.sparse.linalg.splu(A).solve(x),
    "statistics.mean": lambda x: statistics.mean(x),
    "statistics.fmean": lambda x: statistics.fmean(x),
    "statistics.stdev": lambda x: statistics.stdev(x),
    "fractions.Fraction": lambda x: fractions.Fraction(x[0]),
    "struct.pack": lambda x: struct.pack("d", x[0]),
    "np.frombuffer": lambda x: np.frombuffer(x),
}
#: What this package has under SciPy's names, beside `HERE`: the same call with `dualdiff.scipy` for `scipy`.
SOLVERS = {
    "scipy.spatial.distance.cdist": lambda x: scipy.spatial.distance.cdist(x[:, None], x[:, None]),
    "scipy.signal.savgol_filter": lambda x: scipy.signal.savgol_filter(x, 3, 1),
    "scipy.signal.medfilt": lambda x: scipy.signal.medfilt(x),
    "scipy.ndimage.gaussian_filter": lambda x: scipy.ndimage.gaussian_filter(x, 1.0),
    "scipy.ndimage.map_coordinates": lambda x: scipy.ndimage.map_coordinates(X, [x]),
    "scipy.signal.lfilter": lambda x: scipy.signal.lfilter([1.0], [1.0, -0.5], x),
    "scipy.signal.sosfilt": lambda x: scipy.signal.sosfilt(scipy.signal.butter(2, 0.5, output="sos"), x),
    "scipy.signal.filtfilt": lambda x: scipy.signal.filtfilt(*scipy.signal.butter(1, 0.5), np.tile(x, 5)),
    "scipy.signal.fftconvolve": lambda x: scipy.signal.fftconvolve(x, x),
    "scipy.sparse.linalg.cg": lambda x: scipy.sparse.linalg.cg(A, x)[0],
    "scipy.sparse.linalg.spsolve": lambda x: scipy.sparse.linalg.spsolve(A, x),
    "scipy.interpolate.RegularGridInterpolator": (
        lambda x: scipy.interpolate.RegularGridInterpolator((GRID,), X)(x[:, None])
    ),
    "scipy.interpolate.interp1d": lambda x: scipy.interpolate.interp1d(GRID, X)(x),
    "scipy.interpolate.CubicSpline": lambda x: scipy.interpolate.CubicSpline(GRID, X)(x[0]),
    "scipy.interpolate.splrep": lambda x: scipy.interpolate.splev(0.5, scipy.interpolate.splrep(GRID, x)),
    "scipy.interpolate.UnivariateSpline": lambda x: scipy.interpolate.UnivariateSpline(GRID, x, s=0)(0.5),
    "scipy.interpolate.griddata": lambda x: scipy.interpolate.griddata(GRID[:, None], x, [[0.5]]),
    "scipy.fft.fft": lambda x: scipy.fft.fft(x),
    "scipy.optimize.brentq": lambda x: scipy.optimize.brentq(lambda t: t**2 - x[1], 0, 3),
    "scipy.optimize.bisect": lambda x: scipy.optimize.bisect(lambda t: t**2 - x[1], 0, 3),
    "scipy.optimize.root_scalar": lambda x: scipy.optimize.root_scalar(lambda t: t**2 - x[1], bracket=(0, 3)).root,
    "scipy.optimize.minimize_scalar": lambda x: scipy.optimize.minimize_scalar(lambda t: (t - x[1]) ** 2).x,
    "scipy.optimize.minimize": lambda x: minimum(x).x,
    "scipy.optimize.least_squares": lambda x: scipy.optimize.least_squares(lambda t: t - x, np.zeros(5)).x,
    "scipy.optimize.curve_fit": lambda x: scipy.optimize.curve_fit(lambda t, a: a * t, X, x)[0],
    "scipy.optimize.fsolve": lambda x: scipy.optimize.fsolve(lambda t: t**2 - x[1], 1.0),
    "scipy.optimize.root": lambda x: scipy.optimize.root(lambda t: t**2 - x[1], 1.0).x,
    "scipy.optimize.linprog": lambda x: scipy.optimize.linprog(x, A_eq=np.ones((1, 5)), b_eq=[1]).fun,
    "scipy.optimize.nnls": lambda x: scipy.optimize.nnls(np.eye(5), x)[0],
    "scipy.stats.zscore": lambda x: scipy.stats.zscore(x),
    "scipy.stats.norm.pdf": lambda x: scipy.stats.norm.pdf(x),
    "scipy.stats.norm.logpdf": lambda x: scipy.stats.norm.logpdf(X, loc=x[0]),
    "scipy.stats.gamma.cdf": lambda x: scipy.stats.gamma.cdf(X, x[0]),
    "scipy.stats.pearsonr": lambda x: scipy.stats.pearsonr(x, X)[0],
    "scipy.stats.linregress": lambda x: scipy.stats.linregress(X, x**2).slope,
    "scipy.stats.gaussian_kde": lambda x: scipy.stats.gaussian_kde(x)(1.0),
    "scipy.integrate.odeint": lambda x: scipy.integrate.odeint(lambda y, t: -x[0] * y, 1.0, [0, 1]),
    "scipy.integrate.solve_ivp": decay,
    "scipy.integrate.quad": lambda x: scipy.integrate.quad(lambda t: t * x[0], 0, 1)[0],
    "scipy.integrate.dblquad": lambda x: scipy.integrate.dblquad(lambda t, u: t * x[0], 0, 1, 0, 1)[0],
    "scipy.integrate.quad_vec": lambda x: scipy.integrate.quad_vec(lambda t: t * x, 0, 1)[0],
}
#: Where this package has the function, under which name.
HERE = {
    "scipy.linalg.solve": (lambda x: scipy.linalg.solve(np.diag(X), x), lambda x: linalg.solve(np.diag(X), x)),
    "scipy.linalg.expm": (
        lambda x: scipy.linalg.expm(np.outer(x, x) / 9),
        lambda x: linalg.expm(np.outer(x, x) / 9),
    ),
    "scipy.linalg.det": (lambda x: scipy.linalg.det(np.diag(x)), lambda x: linalg.det(np.diag(x))),
    "scipy.special.logsumexp": (lambda x: scipy.special.logsumexp(x), lambda x: special.logsumexp(x)),
}


#: What older versions of SciPy do with object arrays, element by element and right.
OF_OBJECTS = frozenset({"scipy.signal.lfilter", "scipy.signal.sosfilt", "scipy.signal.filtfilt", "scipy.stats.zscore"})


def skip_what_takes_objects(name):
    if name in OF_OBJECTS and SCIPY < (1, 17):
        pytest.skip("this SciPy takes object arrays there")


def raised(operator, f, x=X):
    """The error of an operator, and its only note."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as error:  # noqa: PT011 - of any class, which is the point
            operator(f, x)
    (note,) = error.value.__notes__
    assert note.startswith("dualdiff: ")
    return error.value, note


@pytest.mark.parametrize("operator", [jacobian, lambda f, x: derivative(lambda t: f(t * x), 1.0)])
@pytest.mark.parametrize("name", FOREIGN)
def test_functions_of_others_are_named(name, operator):
    skip_what_takes_objects(name)
    error, note = raised(operator, FOREIGN[name])
    assert f"{name} takes plain values" in note
    assert "dualdiff.custom_derivative" in note
    for words in "adapt", "np.stack", "dualdiff.zeros":
        assert words not in f"{error} {note}"


@pytest.mark.parametrize("name", HERE)
def test_functions_for_duals_are_named_and_do_it(name):
    theirs, ours = HERE[name]
    _, note = raised(jacobian, theirs)
    assert f"{name} takes plain values: write dualdiff.{name}, " in note
    differences = [(theirs(X + s) - theirs(X - s)) / 2e-5 for s in 1e-5 * np.eye(5)]
    np.testing.assert_allclose(jacobian(ours, X), np.stack(differences, axis=-1), rtol=1e-6, atol=1e-8)
    # As adapted code has it.
    assert_near(jacobian(adapt(theirs), X), jacobian(ours, X))


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_and_distributions_for_duals_are_named_and_do_it(name):
    skip_what_takes_objects(name)
    theirs = SOLVERS[name]
    names = {**globals(), "scipy": dualdiff.scipy}
    # The call may be in a function of its own, above.
    names["minimum"] = FunctionType(minimum.__code__, names)
    ours = FunctionType(theirs.__code__, names)
    _, note = raised(jacobian, theirs)
    assert f"{name} takes plain values: write dualdiff.{name}, " in note
    np.testing.assert_array_equal(ours(X), theirs(X))
    slopes = jacobian(ours, X)
    assert np.isfinite(slopes).all()
    assert_near(jacobian(adapt(theirs), X), slopes)


# -- the advice --------------------------------------------------------------------------------------------------------
def test_the_advice_of_a_function_with_a_derivative_of_its_own():
    def mean(a):
        return statistics.mean([a, 3 * a])

    _, note = raised(derivative, mean, 0.7)
    assert "put the call into a function of the values that it depends on" in note
    known = custom_derivative(mean, lambda a: 2.0)
    assert derivative(known, 0.7) == pytest.approx(2.0, rel=1e-12)


def into_a_buffer(x):
    y = np.zeros(5)
    for i in range(5):
        y[i] = x[i] ** 2
    return y


def by_flat(x):
    y = np.zeros(5)
    y.flat[0] = x[0]
    return y


def by_function(x):
    y = np.zeros(5)
    np.copyto(y, x)
    return y


def by_out(x):
    y = np.zeros(5)
    np.multiply(x, x, out=y)
    return y


def in_place(x):
    y = np.ones(5)
    y *= x
    return y


def of_list(x):
    y = np.empty(2)
    y[:] = [x[0], x[1]]
    return y


BUFFERS = {
    "elements": into_a_buffer,
    "flat": by_flat,
    "copyto": by_function,
    "out": by_out,
    "in place": in_place,
    "a list": of_list,
    "full_like": lambda x: np.full_like(X, x[0]),
    "array of floats": lambda x: np.array([x[0], 1.0], dtype=float),
    "fromiter": lambda x: np.fromiter((e for e in x), float),
    "vectorize": lambda x: np.vectorize(lambda t: t * x[0], otypes=[float])(X),
    "piecewise": lambda x: np.piecewise(X, [X < 1], [lambda t: t * x[0], 1.0]),
    "a float": lambda x: (y := np.zeros(3), y.fill(x[0]), y)[2],
}


@pytest.mark.parametrize("name", BUFFERS)
def test_the_advice_of_plain_arrays(name):
    """Each way to write a dual into a plain array names adapt(f), and that does it."""
    f = BUFFERS[name]
    with pytest.raises((LostDerivativeError, ValueError)) as error:
        jacobian(f, X)
    words = " ".join([str(error.value), *getattr(error.value, "__notes__", [])])
    assert "differentiate adapt(f)" in words
    if name != "piecewise":
        assert "dualdiff.zeros(shape, like=x)" in words
    step = 1e-30j
    differences = [np.imag(_complex(f)(X + step * e)) / 1e-30 for e in np.eye(5)]
    for options in {}, {"mode": "reverse"}:
        assert_near(jacobian(adapt(f), X, **options), np.stack(differences, axis=-1), 1e-14)


def _complex(f):
    """f of complex numbers by scalar steps, where its own buffers are real."""
    exact = {
        "elements": lambda x: x**2,
        "flat": lambda x: np.array([x[0], 0, 0, 0, 0]),
        "copyto": lambda x: x,
        "out": lambda x: x * x,
        "in place": lambda x: x,
        "a list": lambda x: x[:2],
        "full_like": lambda x: x[0] * np.ones(5),
        "array of floats": lambda x: np.array([x[0], 1.0]),
        "fromiter": lambda x: x,
        "vectorize": lambda x: X * x[0],
        "piecewise": lambda x: np.where(X < 1, X * x[0], 1.0),
        "a float": lambda x: x[0] * np.ones(3),
    }
    return next(exact[name] for name, g in BUFFERS.items() if g is f)


def matrix(x):
    return np.array([[x[0], x[1]], [x[2], x[3]]])


def stacked(x):
    return np.block([[x[0], x[1]], [x[2], x[3]]])


OBJECT_ARRAYS = {
    "numpy.linalg": lambda x, m: np.linalg.inv(m(x)),
    "numpy.linalg of several": lambda x, m: np.linalg.solve(m(x), np.ones(2)),
    "a ufunc": lambda x, m: np.expm1(m(x) * np.ones((2, 2))) if m is stacked else np.exp(np.array([x[0], 1.0])),
    "numpy.fft": lambda x, m: np.fft.fft(m(x)).real,
    "a ufunc of scipy.special": lambda x, m: scipy.special.erf(m(x)),
}


@pytest.mark.parametrize("name", OBJECT_ARRAYS)
def test_the_advice_of_object_arrays(name):
    f = OBJECT_ARRAYS[name]
    _, note = raised(jacobian, lambda x: f(x, matrix))
    for words in "np.array", "np.stack", "np.block", "adapt(f)":
        assert words in note
    by_hand = jacobian(lambda x: f(x, stacked), X)
    if name != "a ufunc":
        assert_near(jacobian(adapt(lambda x: f(x, matrix)), X), by_hand, 1e-14)
    else:
        assert_near(jacobian(adapt(lambda x: f(x, matrix)), X)[0, 0], np.exp(X[0]))


def test_the_advice_of_sparse_matrices():
    _, note = raised(jacobian, lambda x: (A * x[0]) @ x)
    assert "write k * A for A * k" in note
    assert_near(jacobian(lambda x: (x[0] * A) @ x, X), 2 * X[0] * np.eye(5) + 2 * np.outer(X, np.eye(5)[0]))


RANDOM = {
    "normal": (lambda r, x: r.normal(x, 1), lambda r, x: x + r.normal(0, 1, size=5)),
    "normal with a scale": (lambda r, x: r.normal(0, x[0], 5), lambda r, x: 0 + x[0] * r.normal(0, 1, size=5)),
    "laplace": (lambda r, x: r.laplace(x, 2.0), lambda r, x: x + r.laplace(0, 2.0, size=5)),
    "logistic": (lambda r, x: r.logistic(x, 2.0), lambda r, x: x + r.logistic(0, 2.0, size=5)),
    "gumbel": (lambda r, x: r.gumbel(x, 2.0), lambda r, x: x + r.gumbel(0, 2.0, size=5)),
    "uniform": (lambda r, x: r.uniform(x, 3.0), lambda r, x: x + (3.0 - x) * r.uniform(size=5)),
    "exponential": (lambda r, x: r.exponential(x), lambda r, x: x * r.exponential(size=5)),
    "rayleigh": (lambda r, x: r.rayleigh(x), lambda r, x: x * r.rayleigh(size=5)),
    "lognormal": (lambda r, x: r.lognormal(x, 0.5), lambda r, x: np.exp(x + 0.5 * r.normal(size=5))),
    "gamma": (lambda r, x: r.gamma(2.0, x), lambda r, x: x * r.gamma(2.0, size=5)),
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_advice_of_random_numbers(name):
    theirs, ours = RANDOM[name]
    _, note = raised(jacobian, lambda x: theirs(np.random.default_rng(3), x))
    method = name.partition(" ")[0]
    assert f"rng.{method} draws plain values: keep the dual numbers outside, " in note
    if method in ("normal", "laplace", "logistic", "gumbel"):
        assert f"x + rng.{method}(0, scale, size=n)" in note
    found = ours(np.random.default_rng(3), X)
    np.testing.assert_allclose(theirs(np.random.default_rng(3), X), found, rtol=1e-13)
    slopes = jacobian(lambda x: ours(np.random.default_rng(3), x), X)
    assert np.isfinite(slopes).all()
    assert slopes.any()


def test_the_advice_of_counts():
    _, note = raised(jacobian, lambda x: np.random.default_rng(3).poisson(x))
    assert "rng.poisson draws plain values" in note
    assert "dualdiff.value(x)" in note
    gradient(lambda x: np.sum(x * np.random.default_rng(3).poisson(value(x))), X)


def test_the_advice_of_squareform():
    """It would crash, as it takes an object array for numbers."""
    with pytest.raises(NoRuleError, match=r"scipy\.spatial\.distance\.squareform") as error:
        jacobian(scipy.spatial.distance.squareform, X[:3])
    assert "D[i, j] = x; D[j, i] = x with i, j = np.triu_indices(n, 1)" in str(error.value)

    def by_hand(x):
        D = zeros((3, 3), like=x)
        i, j = np.triu_indices(3, 1)
        D[i, j] = x
        D[j, i] = x
        return D

    np.testing.assert_array_equal(by_hand(X[:3]), scipy.spatial.distance.squareform(X[:3]))
    linear = [scipy.spatial.distance.squareform(e) for e in np.eye(3)]
    assert_near(jacobian(by_hand, X[:3]), np.stack(linear, axis=-1))


# -- what has no note --------------------------------------------------------------------------------------------------
def test_errors_that_duals_have_no_part_in():
    for f in (
        lambda x: x + "a",
        lambda x: x[0].missing,
        lambda x: into_a_buffer(x, 2),
        lambda x: int("a"),
        lambda x: scipy.linalg.cholesky(-np.eye(2)),
        lambda x: scipy.optimize.brentq(lambda t: t + 9, 0, 3),
        lambda x: [][0],
        lambda x: (_ for _ in ()).throw(ValueError("mine")),
    ):
        with pytest.raises(Exception) as error:  # noqa: PT011
            jacobian(f, X)
        assert not hasattr(error.value, "__notes__")


def test_one_note_however_deep():
    _, note = raised(lambda f, x: jacobian(jacobian(jacobian(f)), x), SOLVERS["scipy.fft.fft"])
    assert "scipy.fft.fft" in note


def test_without_source():
    """Code that no file has: the functions of libraries are named all the same."""
    namespace = {"splu": scipy.sparse.linalg.splu, "A": A, "fft": scipy.fft.fft}
    exec("f = lambda x: fft(x)\ng = lambda x: splu(A).solve(x)", namespace)
    _, note = raised(jacobian, namespace["f"])
    assert "scipy.fft.fft" in note
    with pytest.raises(TypeError):
        jacobian(namespace["g"], X)
