"""A walk through the table of elementwise functions: every row, in every engine, against SymPy, mpmath and NumPy."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import warnings

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dualdiff
from dualdiff import Dual, DualArray, NotHolomorphicError, derivative, gradient, jacobian, jvp, nth_derivative, value
from dualdiff.rules import ROWS
from dualdiff.rules.python.operators import BINARY
from dualdiff.rules.writing.expressions import ARGUMENTS, bind, expression, names_in
from tests.support.against import assert_same
from tests.support.formulas import Step, formula, x, y, z

SYMBOLS = (x, y, z)
#: Rows whose last argument is an integer: a count, or the order of a derivative.
COUNTING = ("ldexp", "sinc_derivative", "exprel_derivative", "i0_derivative")
SMOOTH = [name for name, row in ROWS.items() if not row.is_zero and name != "sign"]
COMPLEX = [name for name, row in ROWS.items() if "D" in "".join(getattr(row.ufunc, "types", ()))]
HOLOMORPHIC = [
    name
    for name in [*COMPLEX, "sinc", "exprel"]
    if ROWS[name].conjugates is None and name in SMOOTH and name not in ("maximum", "minimum", "fmax", "fmin")
]


def public(name):
    """The function as dualdiff offers it."""
    return getattr(dualdiff, name)


def points(name, n=4):
    """A few points of the domain of a row, one array for each argument."""
    rng = np.random.default_rng(sum(map(ord, name)))
    found = [rng.uniform(low, high, n) for low, high in ROWS[name].domain]
    if name in COUNTING:
        found[1] = 2
    return found


def single(arguments, k=0):
    """The k-th of the points, as Python scalars."""
    return [a if isinstance(a, int) else a[k].item() for a in arguments]


def differentiable(row):
    """The indices of the arguments that have a derivative."""
    return [i for i, partial in enumerate(row.partials) if partial is not None]


@functools.cache
def symbolic(name, orders, count):
    """SymPy's derivative of these orders, for mpmath; ``count`` is the integer argument, if there is one."""
    symbols = SYMBOLS[: ROWS[name].arity]
    arguments = [*symbols[:-1], sympy.Integer(count)] if name in COUNTING else symbols
    found = formula(name, *arguments)
    for symbol, order in zip(symbols, orders, strict=True):
        found = sympy.diff(found, symbol, order) if order else found
    return sympy.lambdify(symbols, found, [{"Step": mpmath.floor}, "mpmath"])


def expected(name, orders, arguments):
    """The derivative at points, in 40 digits."""
    with mpmath.workdps(40):
        numbers = []
        for k in range(len(arguments[0])):
            f = symbolic(name, orders, arguments[1] if name in COUNTING else 0)
            number = f(*map(mpmath.mpmathify, single(arguments, k)))
            numbers.append(complex(number) if isinstance(number, mpmath.mpc) and number.imag else float(number.real))
    return np.array(numbers)


def nested(f, i, order, arguments):
    """The derivative of f of some order with respect to argument i."""
    if order == 0:
        return f(*arguments)
    return derivative(lambda *args: nested(f, i, order - 1, args), *arguments, argnum=i)


def assert_near(found, wanted, order):
    """Equal to within rounding, which grows with the order."""
    np.testing.assert_allclose(found, wanted, rtol=1e-14 * 20**order, atol=1e-15 * 30**order)


EVERY_ARGUMENT = [(name, i) for name in SMOOTH for i in differentiable(ROWS[name])]


@pytest.mark.parametrize(("name", "i"), EVERY_ARGUMENT)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_in_one_argument(name, i, order):
    row = ROWS[name]
    arguments = points(name)
    wanted = expected(name, tuple(order if k == i else 0 for k in range(row.arity)), arguments)
    # Arrays of points, then the fast path of Python floats, then NumPy scalars.
    assert_near(nested(row.ufunc, i, order, arguments), wanted, order)
    for k in range(4):
        numbers = single(arguments, k)
        assert_near(nested(public(name), i, order, numbers), wanted[k], order)
        assert_near(nested(row.ufunc, i, order, numbers), wanted[k], order)
        numbers[0] = np.float64(numbers[0])
        assert_near(nested(row.ufunc, i, order, numbers), wanted[k], order)


@pytest.mark.parametrize(("name", "i"), EVERY_ARGUMENT)
def test_spaces_agree(name, i):
    ufunc, arguments = ROWS[name].ufunc, points(name)

    def f(t):
        return ufunc(*arguments[:i], t, *arguments[i + 1 :])

    a = arguments[i]
    slope = derivative(f, a)
    assert_near(np.diag(jacobian(f, a, mode="forward")), slope, 0)
    assert_near(np.diag(jacobian(f, a, mode="reverse")), slope, 0)
    assert_near(jvp(f, a, np.cos(a))[1], slope * np.cos(a), 0)
    assert_near(gradient(lambda t: np.sum(f(t)), a), slope, 0)
    bend = nested(ufunc, i, 2, arguments)
    assert_near(np.diag(jacobian(lambda t: gradient(lambda s: np.sum(f(s)), t), a)), bend, 1)
    assert_near(np.diag(jacobian(lambda t: jvp(f, t, np.ones_like(a))[1], a)), bend, 1)


@pytest.mark.parametrize("name", SMOOTH)
def test_large_arrays_are_as_small_ones(name):
    # Large arrays are processed in blocks.
    row, arguments = ROWS[name], points(name, 7)
    large = [a if isinstance(a, int) else np.tile(a, (5000, 1)) for a in arguments]
    for i in differentiable(row):

        def f(t, i=i, arguments=arguments):
            return row.ufunc(*arguments[:i], t, *arguments[i + 1 :])

        tangents = np.cos(np.arange(35000.0)).reshape(5000, 7)
        found, slope = jvp(functools.partial(f, arguments=large), large[i], tangents)
        assert_same(found, f(large[i], arguments=large))
        wanted = derivative(f, arguments[i]) * tangents
        # The number of nodes of the rule of i0 depends on its largest argument.
        np.testing.assert_allclose(slope, wanted, rtol=1e-14 if name.startswith("i0") else 1e-15, atol=1e-300)
    if len(differentiable(row)) > 1:
        directions = tuple(tangents * k for k in range(1, row.arity + 1))
        slope = jvp(lambda p: row.ufunc(*p), tuple(large), directions)[1]
        partials = [
            derivative(row.ufunc, *arguments, argnum=i) for i in range(row.arity) if row.partials[i] is not None
        ]
        wanted = sum(partial * (i + 1) for i, partial in zip(differentiable(row), partials, strict=True)) * tangents
        np.testing.assert_allclose(slope, wanted, rtol=1e-12, atol=1e-12)


MIXED = [
    (name, i, k)
    for name in SMOOTH
    for i, k in itertools.permutations(differentiable(ROWS[name]), 2)
    if name not in COUNTING
]


@pytest.mark.parametrize(("name", "i", "k"), MIXED)
def test_mixed_second_derivatives(name, i, k):
    arguments = points(name)
    orders = tuple(1 if j in (i, k) else 0 for j in range(ROWS[name].arity))
    wanted = expected(name, orders, arguments)
    for f in (ROWS[name].ufunc, public(name)):

        def slope(*args, f=f):
            return derivative(f, *args, argnum=i)

        assert_near(derivative(slope, *arguments, argnum=k), wanted, 2)
        numbers = single(arguments)
        assert_near(derivative(slope, *numbers, argnum=k), wanted[0], 2)


@pytest.mark.parametrize("name", [name for name in SMOOTH if ROWS[name].arity > 1 and name not in COUNTING])
def test_one_dual_in_every_argument(name):
    row = ROWS[name]
    arguments = points(name)
    wanted = 0.0
    for i in range(row.arity):
        if row.partials[i] is not None:
            orders = tuple(int(k == i) for k in range(row.arity))
            wanted = wanted + (i + 1) * expected(name, orders, arguments)
    for f in (row.ufunc, public(name)):
        directions = tuple(np.full(4, i + 1.0) for i in range(row.arity))
        assert_near(jvp(lambda p, f=f: f(*p), tuple(arguments), directions)[1], wanted, 1)
        numbers = tuple(single(arguments))
        assert_near(jvp(lambda p, f=f: f(*p), numbers, (1.0, 2.0, 3.0)[: row.arity])[1], wanted[0], 1)


# -- kinds -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.is_zero or name == "sign"])
def test_steps_have_derivative_zero(name):
    row = ROWS[name]
    arguments = points(name)
    for i in range(row.arity):
        assert_same(derivative(row.ufunc, *arguments, argnum=i), np.zeros(4))
        assert derivative(row.ufunc, *(a[0] for a in arguments), argnum=i) == 0.0
        assert derivative(public(name), *(float(a[0]) for a in arguments), argnum=i) == 0.0


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.kind == "linear"])
def test_linear_rows_have_second_derivative_zero(name):
    row = ROWS[name]
    arguments = points(name)
    for i in differentiable(row):
        assert_same(nested(row.ufunc, i, 2, arguments), np.zeros(4))
        assert nested(public(name), i, 2, single(arguments)) == 0.0
        scaled = [3 * a if k == i else a for k, a in enumerate(arguments)]
        assert_same(derivative(row.ufunc, *scaled, argnum=i), derivative(row.ufunc, *arguments, argnum=i))


def test_kinds_are_declared_right():
    for name, row in ROWS.items():
        assert row.is_zero == (not differentiable(row) and row.conjugates is None), name
        constant = all(
            partial is None or not names_in(partial) & {*ARGUMENTS[: row.arity], "r"} for partial in row.partials
        )
        assert (row.kind == "linear") <= (constant or name == "ldexp"), name


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.associative])
def test_associative_rows_are(name):
    ufunc = ROWS[name].ufunc
    a, b, c = np.random.default_rng(0).uniform(-3, 3, (3, 50))
    np.testing.assert_allclose(ufunc(ufunc(a, b), c), ufunc(a, ufunc(b, c)), rtol=1e-14, atol=1e-14)


# -- texts -----------------------------------------------------------------------------------------------------------
def texts():
    """Every text of the table."""
    for row in (*ROWS.values(), *ROWS.parts.values()):
        for column in (row.partials, row.complex_partials, row.conjugates):
            yield from ((row, text) for text in column or () if text is not None)
    yield from ((row, row.definition) for row in ROWS.parts.values())


def test_partials_name_only_rows_and_constants():
    known = {*ROWS, *ROWS.parts, "pi", "inf", "LN2", "LOG2E", "LOG10E", "where", "chosen", "r"}
    for row, text in texts():
        assert names_in(text) <= known | {*ARGUMENTS[: row.arity]}, text


def test_expression_is_the_same_mathematics():
    rng = np.random.default_rng(0)
    names = {name: row.ufunc for name, row in (ROWS | ROWS.parts).items()} | {
        "pi": math.pi,
        "inf": math.inf,
        "LN2": math.log(2),
        "LOG2E": 1 / math.log(2),
        "LOG10E": 1 / math.log(10),
        "where": np.where,
        "chosen": lambda condition, a: np.where(condition, 0.0, a),
    }
    for row, text in texts():
        for _ in range(3):
            numbers = [rng.uniform(0.1, 0.9) for _ in row.partials] + [rng.uniform(0.1, 0.9)]
            if row.name in COUNTING:
                numbers[1] = 2
            with np.errstate(all="ignore"):
                direct = bind(text, row.arity, names)(*map(np.float64, numbers)) if row.name not in COUNTING else None
                branched = bind(expression(text), row.arity, names)(*numbers)
            if direct is not None:
                np.testing.assert_allclose(branched, direct, rtol=1e-15)


def test_step_is_the_floor():
    assert sympy.diff(Step(x) * y, x) == 0
    assert sympy.diff(Step(x) * y, y) == Step(x)


# -- precisions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", SMOOTH)
def test_lower_precision_stays(name, dtype):
    row = ROWS[name]
    arguments = [a if isinstance(a, int) else a.astype(dtype) for a in points(name)]
    exact = [a if isinstance(a, int) else a.astype(float) for a in arguments]
    if name == "float_power":
        assert row.ufunc(*arguments).dtype == np.float64
        return
    for i in differentiable(row):
        found = derivative(row.ufunc, *arguments, argnum=i)
        assert found.dtype == dtype
        wanted = derivative(row.ufunc, *exact, argnum=i)
        tolerance = 30 * np.finfo(dtype).eps
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * 3)
        number = derivative(row.ufunc, *(a if isinstance(a, int) else a[0] for a in arguments), argnum=i)
        assert number.dtype == dtype
        np.testing.assert_allclose(number, wanted[0], rtol=tolerance, atol=tolerance * 3)
        # Python scalars, including the order of a derivative, have weak dtypes.
        bent = nested(row.ufunc, i, 2, arguments)
        assert bent.dtype == dtype


# -- complex numbers -------------------------------------------------------------------------------------------------
def complex_points(name):
    """Points of the complex plane, away from branch cuts."""
    rng = np.random.default_rng(len(name))
    arity = ROWS[name].arity
    return [rng.uniform(0.2, 0.8, 4) + 1j * rng.uniform(0.1, 0.9, 4) * (-1) ** np.arange(4) for _ in range(arity)]


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic_rows(name):
    row = ROWS[name]
    arguments = complex_points(name)
    for i, order in itertools.product(differentiable(row), (1, 2)):
        wanted = expected(name, tuple(order if k == i else 0 for k in range(row.arity)), arguments)
        assert_near(nested(row.ufunc, i, order, arguments), wanted, order)
        numbers = single(arguments)
        assert_near(nested(row.ufunc, i, order, numbers), wanted[0], order)
        assert_near(nested(public(name), i, order, numbers), wanted[0], order)
        found = nested(row.ufunc, i, order, [a.astype(np.complex64) for a in arguments])
        assert found.dtype == (np.complex128 if name == "float_power" else np.complex64)
        np.testing.assert_allclose(found, wanted, rtol=2e-5)


@pytest.mark.parametrize(
    "name", ["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "sqrt", "log", "power"]
)
@pytest.mark.parametrize("side", [0.0, -0.0])
def test_the_side_of_a_branch_cut_is_that_of_the_value(name, side):
    # A step along the cut stays on its side.
    f = (lambda z: np.power(z, 0.3)) if name == "power" else getattr(np, name)
    if name in ("arctan", "arcsinh"):
        at = [complex(side, 2.5), complex(side, -2.5)]
        step = 1e-5j
    else:
        at = [complex(-2.5, side), complex(2.5, side)]
        step = 1e-5
    for here in map(np.complex128, at):
        forth, back = complex(here + step), complex(here - step)
        if isinstance(step, complex):
            forth, back = complex(side, forth.imag), complex(side, back.imag)
        else:
            forth, back = complex(forth.real, side), complex(back.real, side)
        difference = (f(np.complex128(forth)) - f(np.complex128(back))) / (2 * step)
        np.testing.assert_allclose(derivative(f, here), difference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in COMPLEX if ROWS[name].conjugates is not None])
def test_rows_that_are_not_holomorphic(name):
    ufunc = ROWS[name].ufunc
    z = complex_points(name)[0]
    with pytest.raises(NotHolomorphicError, match=name):
        derivative(ufunc, z)
    v = np.array([1, 1j, 1 + 2j, -0.3j])
    step = 1e-6
    difference = (ufunc(z + step * v) - ufunc(z - step * v)) / (2 * step)
    np.testing.assert_allclose(jvp(ufunc, z, v)[1], difference, rtol=1e-8, atol=1e-9)


# -- values, bit for bit ---------------------------------------------------------------------------------------------
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-320, 1e300, -1e300, math.inf, -math.inf, math.nan]


def outcome(f, *arguments):
    """The value of a call, or its exception, with the warnings that it emits."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = value(f(*arguments))
        except (ArithmeticError, ValueError, TypeError) as error:
            result = type(error).__name__
    # Warnings of NumPy scalars say "in scalar add", those of arrays "in add".
    return result, sorted({f"{w.category.__name__}: {w.message}".replace("scalar ", "") for w in caught})


def same(a, b):
    """Whether two scalars or arrays are equal bit for bit and of one type; NaN equals NaN."""
    if isinstance(a, tuple):
        return isinstance(b, tuple) and all(map(same, a, b))
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and a == b
    a_bits, b_bits = np.asarray(a), np.asarray(b)
    return (
        type(a) is type(b)
        and a_bits.dtype == b_bits.dtype
        and np.array_equal(a_bits, b_bits, equal_nan=a_bits.dtype.kind in "fc")
        and np.array_equal(np.signbit(a_bits.real)[a_bits == a_bits], np.signbit(b_bits.real)[b_bits == b_bits])
    )


def seeded(a, i):
    """The argument as a dual with a tangent."""
    if isinstance(a, np.ndarray):
        return DualArray(a, np.full(a.shape, i + 1, a.dtype))
    return Dual(a, type(a)(i + 1))


def candidates(name):
    """Arguments of all kinds, singular ones included."""
    row = ROWS[name]
    if name in COUNTING:
        for a in SPECIAL:
            yield from ((a, 2), (np.float64(a), 1))
        yield np.array(SPECIAL), 3
        return
    for numbers in itertools.product(SPECIAL if row.arity < 3 else SPECIAL[::2], repeat=row.arity):
        yield numbers
        yield tuple(map(np.float64, numbers))
    grid = [a.ravel() for a in np.meshgrid(*[np.array(SPECIAL)] * row.arity)]
    yield tuple(grid)
    with np.errstate(all="ignore"):
        yield tuple(a.astype(np.float32) for a in grid)
    yield tuple(points(name, 37))


@pytest.mark.parametrize("name", list(ROWS))
def test_values_and_warnings_are_those_of_the_function_alone(name):
    row = ROWS[name]
    for arguments in candidates(name):
        for f in (row.ufunc, public(name)):
            alone = outcome(f, *arguments)
            for active in ([*range(row.arity)], [0], [row.arity - 1]):
                if name in COUNTING:
                    active = [0]
                duals = [seeded(a, i) if i in active else a for i, a in enumerate(arguments)]
                found = outcome(f, *duals)
                assert same(found[0], alone[0]), (f, arguments, active, found, alone)
                assert found[1] == alone[1], (f, arguments, active, found, alone)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name not in COUNTING])
def test_no_noise_in_nested_derivatives_at_singular_points(name):
    row = ROWS[name]
    grid = [a.ravel() for a in np.meshgrid(*[np.array(SPECIAL)] * row.arity)]
    alone = outcome(row.ufunc, *grid)[1]
    for i, k in itertools.product(differentiable(row), repeat=2):

        def slope(*args, i=i):
            return derivative(row.ufunc, *args, argnum=i)

        assert outcome(derivative(slope, argnum=k), *grid)[1] == alone, (i, k)


@pytest.mark.parametrize("name", list(BINARY))
def test_operators_are_those_of_the_values(name):
    op, ufunc = getattr(operator, name), ROWS[BINARY[name][0]].ufunc
    kinds = (float, np.float64, np.float32)
    numbers = [a for a in SPECIAL if abs(a) < 1e38 or abs(a) == math.inf]
    for a, b in itertools.product(numbers, repeat=2):
        pairs = [(kind(a), kind(b)) for kind in kinds]
        pairs += [(float(a), np.float64(b)), (np.float64(a), float(b)), (float(a), np.float32(b))]
        if b == b and abs(b) < 1e3:
            pairs += [(float(a), int(b)), (np.float64(a), int(b)), (int(b), float(a)), (int(b), np.float64(a))]
            pairs += [(float(a), np.int64(b)), (np.int64(b), float(a)), (complex(a), float(b)), (float(a), complex(b))]
        for p, q in pairs:
            alone = outcome(op, p, q)
            versions = [(seeded(p, 0), q)] * (type(p) in kinds) + [(p, seeded(q, 1))] * (type(q) in kinds)
            versions += [(seeded(p, 0), seeded(q, 1))] * (type(p) in kinds and type(q) in kinds)
            for d, e in versions:
                # A NumPy scalar on the left of a dual calls the ufunc, which may differ from the operator by rounding.
                meant = outcome(ufunc, p, q) if isinstance(p, np.generic) and d is p else alone
                found = outcome(op, d, e)
                assert same(found[0], meant[0]), (p, q, found, meant)
                assert found[1] == meant[1], (p, q, found, meant)
    grid = np.meshgrid(SPECIAL, SPECIAL)
    alone = outcome(op, *grid)
    for d, e in [
        (seeded(grid[0], 0), grid[1]),
        (grid[0], seeded(grid[1], 1)),
        (seeded(grid[0], 0), seeded(grid[1], 1)),
    ]:
        found = outcome(op, d, e)
        assert same(found[0], alone[0])
        assert found[1] == alone[1]


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs])
def test_unary_operators_are_those_of_the_values(op):
    for a in SPECIAL:
        for kind in (float, np.float64, np.float32):
            with np.errstate(all="ignore"):
                number = kind(a)
            assert same(outcome(op, seeded(number, 0))[0], op(number))
    assert same(value(op(seeded(np.array(SPECIAL), 0))), op(np.array(SPECIAL)))


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge])
def test_comparisons_are_those_of_the_values(op):
    for a, b in itertools.product(SPECIAL, repeat=2):
        for p, q in [(a, b), (np.float64(a), b), (np.float64(a), np.float64(b))]:
            for d, e in [(seeded(p, 0), q), (p, seeded(q, 1)), (seeded(p, 0), seeded(q, 1))]:
                assert same(op(d, e), op(p, q)), (d, e)


@pytest.mark.parametrize("name", ["sin", "exp", "log", "sqrt", "arctan", "tanh", "expm1", "cbrt"])
def test_public_functions_of_floats_are_those_of_math(name):
    function = getattr(math, ROWS[name].math)
    for a in np.random.default_rng(0).uniform(0.1, 9.0, 100).tolist():
        assert value(public(name)(Dual(a, 1.0))) == public(name)(a) == function(a)


# -- shapes ----------------------------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(shapes=arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0), data=st.data())
def test_broadcasting(shapes, data):
    name = data.draw(
        st.sampled_from(["add", "multiply", "divide", "hypot", "arctan2", "power", "maximum", "logaddexp"])
    )
    ufunc = ROWS[name].ufunc
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    a, b = (rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    va, vb = (rng.normal(size=shape) for shape in shapes.input_shapes)
    found, slope = jvp(lambda p: ufunc(*p), (a, b), (va, vb))
    assert_same(found, ufunc(a, b))
    spread_a, spread_b = np.broadcast_arrays(a, b)
    wanted = np.empty(shapes.result_shape)
    for place in np.ndindex(shapes.result_shape):
        numbers = float(spread_a[place]), float(spread_b[place])
        partials = [derivative(public(name), *numbers, argnum=i) for i in (0, 1)]
        directions = np.broadcast_to(va, wanted.shape)[place], np.broadcast_to(vb, wanted.shape)[place]
        wanted[place] = np.dot(partials, directions)
    np.testing.assert_allclose(slope, wanted, rtol=1e-13, atol=1e-13)
    J = jacobian(lambda b: ufunc(a, b), b, mode="forward")
    assert J.shape == (*shapes.result_shape, *b.shape)
    alone = jvp(lambda b: ufunc(a, b), b, vb)[1]
    np.testing.assert_allclose(np.tensordot(J, vb, vb.ndim), alone, rtol=1e-12, atol=1e-12)
    R = jacobian(lambda b: ufunc(a, b), b, mode="reverse")
    np.testing.assert_allclose(R, J, rtol=1e-14, atol=1e-15)


# -- the k-th derivatives --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["sinc", "exprel", "i0"])
def test_nested_derivatives_are_the_rows_of_the_kth(name):
    f, kth = public(name), public(f"{name}_derivative")
    for a in (0.0, 1e-9, -0.3, 2.7):
        for k in range(5):
            np.testing.assert_allclose(nth_derivative(f, a, k), kth(a, k), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        derivative(derivative(f), np.array([0.0, 0.5])), kth(np.array([0.0, 0.5]), 2), rtol=1e-15
    )


@pytest.mark.parametrize("k", [0, 1, 2, 5, 12, 30])
def test_kth_derivatives_of_high_order(k):
    at = np.array([-50.0, -3.3, -1e-5, 0.0, 1e-9, 0.01, 0.9, 2.0, 7.7, 31.0])
    with mpmath.workdps(160):
        for a, sinc, exprel, i0 in zip(
            at,
            dualdiff.sinc_derivative(at, k),
            dualdiff.exprel_derivative(at, k),
            dualdiff.i0_derivative(at, k),
            strict=True,
        ):
            a = mpmath.mpf(a)
            terms = range(k, k + 700)
            u = mpmath.pi * a
            series = mpmath.fsum(
                mpmath.cos(m * mpmath.pi / 2) * u ** (m - k) / (mpmath.factorial(m - k) * (m + 1)) for m in terms
            )
            scale = mpmath.pi**k / (k + 1)
            assert abs(sinc - mpmath.pi**k * series) < 1e-14 * scale
            series = mpmath.fsum(a ** (m - k) / (mpmath.factorial(m - k) * (m + 1)) for m in terms)
            assert abs(exprel - series) < 1e-14 * abs(series)
            series = mpmath.fsum(mpmath.binomial(k, j) * mpmath.besseli(abs(k - 2 * j), a) for j in range(k + 1)) / 2**k
            assert abs(i0 - series) <= 4e-15 * abs(series)


def test_kth_derivatives_at_infinity_and_nan():
    at = np.array([math.inf, -math.inf, math.nan])
    assert_same(dualdiff.exprel(at), np.array([math.inf, 0.0, math.nan]))
    assert_same(dualdiff.exprel_derivative(at, 2), np.array([math.inf, 0.0, math.nan]))
    np.testing.assert_array_equal(dualdiff.sinc_derivative(at, 1), [0.0, 0.0, math.nan])
    assert_same(dualdiff.i0_derivative(at, 1), np.array([math.inf, -math.inf, math.nan]))
    assert dualdiff.exprel(715.0) < math.inf
    assert dualdiff.exprel(0.0) == 1.0


def test_functions_that_numpy_has_not():
    assert dualdiff.xlogy(0.0, 0.0) == 0.0
    assert dualdiff.xlog1py(0.0, -1.0) == 0.0
    assert math.isnan(dualdiff.xlogy(0.0, math.nan))
    assert dualdiff.expit(-800.0) == 0.0
    assert dualdiff.expit(0) == 0.5
    assert type(dualdiff.expit(0)) is float
    assert_same(dualdiff.expit([0.0, 1000.0]), np.array([0.5, 1.0]))
    assert dualdiff.expit(np.zeros(2, np.float32)).dtype == np.float32
    assert_same(dualdiff.xlogy(np.array([0.0, 1.0]), 2.0), np.array([0.0, math.log(2.0)]))
    found = derivative(lambda t: sum(dualdiff.expit([t, 2 * t])), 0.0)
    assert found == 0.75
