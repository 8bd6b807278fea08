"""All ways to differentiate a program, compared with each other and with differences."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from unittest import mock

import numpy as np

import dualdiff
from dualdiff.base import tags
from dualdiff.tangents import blocks, zeros
from dualdiff.tangents.spaces import single

#: Expressions of the Jacobian as a matrix, of f at x, with n elements in and m out.
JACOBIANS = {
    "chunks": "jacobian(f, x, mode='forward', chunk_size=2).reshape(m, n)",
    "one direction at a time": "jacobian(f, x, mode='forward', chunk_size=1).reshape(m, n)",
    "reverse": "jacobian(f, x, mode='reverse').reshape(m, n)",
    "reverse in chunks": "jacobian(f, x, mode='reverse', chunk_size=3).reshape(m, n)",
    "auto": "jacobian(f, x).reshape(m, n)",
    "sparse": "jacobian(f, x, sparse=True).toarray()",
    "pattern": "jacobian(f, x, sparse=jacobian_sparsity(f, x)).toarray()",
    "jvp": "np.stack([jvp(f, x, e)[1] for e in units], -1)",
    "jvp of all directions": "np.reshape(jvp(f, x, np.array(units))[1], (n, m)).T",
    "vjp": "np.reshape(vjp(f, x)[1](np.eye(m)), (m, n))",
    "linearize": "np.stack([linearize(f, x)[1](e) for e in units], -1)",
    "linearize.T": "np.stack([np.ravel(linearize(f, x)[1].T(w)) for w in np.eye(m)])",
    "adapt": "jacobian(adapt(f), x, mode='forward').reshape(m, n)",
    "taylor": "np.stack([taylor(f, x, 1, e)[1] for e in units], -1)",
    "gradients": "np.stack([np.ravel(gradient(lambda x: f(x)[i], x)) for i in range(m)])",
    "gradients, reverse": "np.stack([np.ravel(gradient(lambda x: f(x)[i], x, mode='reverse')) for i in range(m)])",
    "a batch": "jacobian(lambda xs: np.stack([f(x) for x in xs]), np.stack([x, x]), batch_dims=1)[1].reshape(m, n)",
    "through a container": "jacobian(lambda p: f(p['x']), {'x': x})['x'].reshape(m, n)",
}
#: Expressions of H v, for the Hessian H of the energy, a weighted sum of f, and a direction v.
SECOND = {
    "hessian": "hessian(energy, x).reshape(n, n) @ np.ravel(v)",
    "hessian, forward": "hessian(energy, x, mode='forward', chunk_size=1).reshape(n, n) @ np.ravel(v)",
    "hessian, sparse": "hessian(energy, x, sparse=True).toarray().reshape(n, n) @ np.ravel(v)",
    "hvp": "np.ravel(hvp(energy, x, v))",
    "hvp, forward": "np.ravel(hvp(energy, x, v, mode='forward'))",
    "reverse over reverse": (
        "np.ravel(gradient(lambda x: np.sum(v * gradient(energy, x, mode='reverse')), x, mode='reverse'))"
    ),
    "forward over reverse": "np.ravel(jvp(lambda x: gradient(energy, x, mode='reverse'), x, v)[1])",
    "reverse over forward": "np.ravel(gradient(lambda x: jvp(energy, x, v)[1], x, mode='reverse'))",
    "forward over forward": "np.ravel(gradient(lambda x: jvp(energy, x, v)[1], x, mode='forward'))",
    "sparse over forward": "jacobian(lambda x: jvp(f, x, v)[1], x, sparse=True).T @ w",
}
#: Expressions of the third derivative of the energy along v.
THIRD = {
    "nested": "derivative(derivative(derivative(lambda t: energy(x + t * v))))(0.0)",
    "nth_derivative": "nth_derivative(lambda t: energy(x + t * v), 0.0, 3)",
    "taylor": "6 * taylor(energy, x, 3, v)[3]",
    "taylor of jvp": "2 * taylor(lambda x: jvp(energy, x, v)[1], x, 2, v)[2]",
}
#: What f may refuse to differentiate, with an error of ours.
REFUSED = (dualdiff.LostDerivativeError, dualdiff.NoRuleError, dualdiff.NotHolomorphicError, dualdiff.MixedPointsError)


class Disagreement(AssertionError):
    """Two expressions that should be equal are not."""

    def __init__(self, name, expression, expected, found):
        super().__init__(f"{name}: {expression}\n  gives    {found}\n  expected {expected}")
        self.name, self.expression = name, expression


@dataclass
class Setting:
    """A program with the names that the expressions use."""

    program: object
    y: np.ndarray

    def names(self):
        """For ``eval``, with a fresh point."""
        x, f, m = self.program.point(), self.program.function(), self.y.size
        shape = np.shape(x)
        n = int(np.prod(shape))
        rng = np.random.default_rng(1)
        v, w = rng.normal(size=shape), rng.normal(size=m)
        units = [e.reshape(shape) if shape else float(e[0]) for e in np.eye(n)]
        own = {"f": f, "x": x, "m": m, "n": n, "units": units, "v": v if shape else float(v), "w": w, "np": np}
        return {**vars(dualdiff), "adapt": dualdiff.adapt, **own, "energy": lambda x: np.sum(w * f(x))}

    def value(self, expression, kind=float):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for category in QUIET:
                warnings.simplefilter("ignore", category)
            return np.asarray(eval(expression, self.names()), kind)


QUIET = (
    dualdiff.ObjectArrayWarning,
    dualdiff.UndefinedDerivativeWarning,
    dualdiff.SingularPointWarning,
    dualdiff.ConstantResultWarning,
)


def near(found, expected, scale, precision):
    """Equal up to a fraction of the scale; NaN and infinities in the same places."""
    if np.shape(found) != np.shape(expected):
        return False
    return np.allclose(found, expected, rtol=0, atol=precision * scale, equal_nan=True)


def precision_of(program):
    """Rounding errors, amplified by what programs do to them."""
    return 1e-3 if "float32" in program.source() else 1e-8


def worst(found, expected):
    """The element that differs most, or both shapes, as text."""
    if np.shape(found) != np.shape(expected):
        return f"shape {np.shape(found)}", f"shape {np.shape(expected)}"
    with np.errstate(all="ignore"):
        error = np.abs(np.subtract(found, expected))
    unequal = np.where(np.isnan(error) & ~(np.isnan(found) & np.isnan(expected)), np.inf, np.nan_to_num(error, nan=0.0))
    place = np.unravel_index(np.argmax(unequal), np.shape(found))
    where = f" at {tuple(map(int, place))}" if place else ""
    return f"{found[place]}{where}", f"{expected[place]}{where}"


def same(setting, table, names, reference, expected, precision):
    """Assert that expressions of a table agree with the expected array."""
    finite = np.abs(expected)[np.isfinite(expected)]
    scale = 1 + np.max(finite, initial=0.0)
    for name in names:
        try:
            found = setting.value(table[name])
        except Exception as error:
            raise Disagreement(
                name, table[name], f"what {reference} gives", f"{type(error).__name__}: {error}"
            ) from error
        if not near(found, expected, scale, precision):
            found, wanted = worst(found, expected)
            raise Disagreement(name, table[name], f"{wanted}, which {reference} gives", found)


def check(program, y, rng, several=4):
    """Compare some of the ways to differentiate a program; returns why nothing could be compared, or None."""
    setting = Setting(program, y)
    reference = "jacobian(f, x, mode='forward').reshape(m, n)"
    plain = warned(program)
    try:
        J = setting.value(reference)
    except REFUSED as error:
        return type(error).__name__
    except (AttributeError, TypeError) as error:
        # A dual of a scalar is one of a float: documented, with what to write instead.
        if "a scalar dual has no" in "".join(getattr(error, "__notes__", ())) or "no attribute 'flat'" in str(error):
            return "scalar as an array"
        # NumPy's own refusal, of functions that have no loop for objects.
        if any(
            words in str(error)
            for words in ("does not support argument", "not supported for the input types", "from dtype('O')")
        ):
            return "object array"
        raise
    except Warning:
        if plain:
            return "f warns"
        raise
    except ValueError as error:
        # The second: NumPy's ``ufunc.at`` writes into read-only arrays.
        if str(error).startswith("dualdiff.") or "read-only" in str(error):
            return "refused arguments"
        raise
    value = setting.value("value_and_jacobian(f, x, mode='forward')[0]", kind=None)
    if not np.array_equal(value, y) or value.dtype != y.dtype:
        raise Disagreement("value", "value_and_jacobian(f, x, mode='forward')[0]", y.tolist(), value.tolist())
    if np.max(np.abs(J), initial=0.0) > 1e5:
        return "ill-conditioned"
    precision = precision_of(program)
    chosen = lambda table, count: rng.choice(sorted(table), min(count, len(table)), replace=False).tolist()
    same(setting, JACOBIANS, chosen(JACOBIANS, several), reference, J, precision)
    with (
        mock.patch.object(single, "LARGE", 2),
        mock.patch.object(blocks, "_BLOCK", 2),
        mock.patch.multiple(zeros, _LARGE=1, _UNTHREADED=2),
    ):
        # What is done to spare large arrays, to small ones.
        names = chosen(("jvp", "reverse", "auto", "chunks"), 1)
        same(setting, JACOBIANS, names, f"(in small blocks) {reference}", J, precision)
    differences(setting, "jvp(f, x, v)[1]", precision)
    if precision < 1e-6:
        higher(setting, chosen)
    if tags.live:
        raise Disagreement("tags", "dualdiff.base.tags.live", [], list(tags.live))
    return None


def higher(setting, chosen):
    """Compare second and third derivatives."""
    first, *others = chosen(SECOND, 3)
    expected = setting.value(SECOND[first])
    if not np.max(np.abs(expected), initial=0.0) < 1e6:
        return
    same(setting, SECOND, others, SECOND[first], expected, 1e-7)
    first, *others = chosen(THIRD, 2)
    expected = setting.value(THIRD[first])
    if np.abs(expected) < 1e7:
        same(setting, THIRD, others, THIRD[first], expected, 1e-6)


def warned(program):
    """Whether f alone emits a warning."""
    with warnings.catch_warnings(record=True) as emitted:
        warnings.simplefilter("always")
        program.function()(program.point())
    return bool(emitted)


def differences(setting, expression, precision):
    """Compare a directional derivative with central differences, where four of them agree that there is one."""
    slope = setting.value(expression)
    names = setting.names()
    f, x, v = names["f"], names["x"], names["v"]
    if precision > 1e-6 or not np.all(np.isfinite(slope)):
        return
    at = lambda h: f(x + h * v)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            middle = at(0.0)
            found = [(at(h) - at(-h)) / (2 * h) for h in (1e-6, 3e-6)]
            sides = [(at(h) - middle) / h for h in (1e-6, -1e-6)]
    except Exception:
        return
    if len({np.shape(s) for s in (*found, *sides, slope)}) > 1:
        return
    scale = 1 + np.max(np.abs(found[0]), initial=0.0)
    if not np.all(np.isfinite(found)) or not np.all(np.isfinite(sides)):
        return
    spread = max(np.max(np.abs(a - b), initial=0.0) for a, b in (found, sides))
    if spread < 1e-5 * scale and not near(slope, found[0], scale, 1e-4):
        slope, wanted = worst(slope, found[0])
        raise Disagreement("differences", expression, wanted, slope)
