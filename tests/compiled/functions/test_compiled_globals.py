"""Every function of NumPy, of its submodules and of Python that Numba knows: right for duals, a step, or refused.

Each is called once with duals.  Value and derivative are those of f, by differences, or the function is refused when
it is compiled: no derivative is lost, and no branch is another one than for floats.
"""

from __future__ import annotations

import heapq
import math
import random

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")

from dualdiff import compiled  # noqa: E402  (needs Numba)
from dualdiff.compiled.patches import global_functions  # noqa: E402

compiled.init()

X = np.array([1.1, 2.2, -0.5, 3.1])
#: One direction is compiled fastest, and tells the elements apart.
V, H = np.array([0.7, -1.3, 0.4, 1.1]), 1e-6
#: Names that the calls use beside x, an array of four elements, and A, a positive definite matrix made of x.
A = "(np.diag(x * x) + np.outer(x, x))"


def each(call, names, module=""):
    """The same call of several functions."""
    return {f"{module}{name}": call.format(name) for name in names.split()}


def conditions(calls):
    return {name: f"x[0] * 2 if {call} else x[1] * 3" for name, call in calls.items()}


#: Calls whose result is a scalar.
SCALARS = {
    **each("np.{}(x)", "amax amin average max mean median min nanmax nanmean"),
    **each("np.{}(x)", "nanmedian nanmin nanprod nanstd nansum nanvar prod ptp"),
    **each("np.{}(x)", "std sum trapezoid var"),
    **each("np.{}(x, 40.0)", "nanpercentile percentile"),
    **each("np.{}(x, 0.4)", "nanquantile quantile"),
    **each("x[np.{}(x)]", "argmax argmin nanargmax nanargmin"),
    "dot": "np.dot(x, x)",
    "vdot": "np.vdot(x, x)",
    "trace": "np.trace(np.outer(x, x))",
    "real": "np.real(x[0] * x[1])",
    "imag": "np.imag(x[0] * x[1]) + x[0]",
    "angle": "np.angle(x[0]) + x[0]",
    "count_nonzero": "x[0] * np.count_nonzero(x)",
    "size": "x[0] * np.size(x)",
    "shape": "x[0] * np.shape(x)[0]",
    "searchsorted": "x[np.searchsorted(x[:2], x[1])]",
    "around": "np.around(x[0] * 1.7) + x[1]",
    "round": "np.round(x[0] * 1.7) + x[1]",
    "nan_to_num": "np.nan_to_num(x[0]) * x[1]",
}
SCALARS |= {
    **each("np.{}(x[3]) * x[0]", "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64"),
    **each("np.{}(x[3]).real * x[0]", "complex64 complex128"),
    **each("x[0] * np.{}(x.dtype).bits", "finfo iinfo"),
    "ndenumerate": "total([v for _, v in np.ndenumerate(x)])",
    "ndindex": "total([x[i] for i in np.ndindex(4)])",
    "nditer": "total([v.item() for v in np.nditer(x)])",
    "broadcast_shapes": "x[0] * np.broadcast_shapes(x.shape, (1, 4))[0]",
    "dtype": "x[0] * np.dtype(x.dtype).itemsize",
    "frombuffer": "np.frombuffer(x, np.float64)[1]",
    "indices": "x[0] * np.indices((2, 2))[0, 1, 1]",
}
#: Conditions.
BRANCHES = conditions(
    {
        **each("np.{}(x)", "all any iscomplexobj isrealobj"),
        **each("np.{}(x)[2]", "iscomplex isneginf isposinf isreal"),
        "allclose": "np.allclose(x, 1.5 * x)",
        "array_equal": "np.array_equal(x, 1.5 * x)",
        "isclose": "np.isclose(x, x)[1]",
        "isscalar": "np.isscalar(x[0])",
        "isin": "np.isin(x, x[:2])[2]",
    }
)
#: Calls whose result is an array.
ARRAYS = {
    **each("np.{}(x)", "atleast_1d atleast_2d atleast_3d copy cumprod cumsum diag"),
    **each("np.{}(x)", "diagflat diff ediff1d flip i0 nancumprod nancumsum ravel"),
    **each("np.{}(x)", "sinc sort transpose unique unwrap vander corrcoef cov"),
    **each("np.{}(x)", "trim_zeros"),
    **each("x[np.{}(x)]", "argsort flatnonzero"),
    **each("np.{}(np.outer(x, x))", "fliplr flipud rot90 tril triu"),
    **each("np.{}((x, x * x))", "column_stack concatenate dstack hstack stack vstack"),
    **each("np.{}(x, x * x)", "append correlate convolve outer kron union1d"),
    **each("np.{}(x, x[:2])", "intersect1d setdiff1d setxor1d"),
    **each("np.{}(x, 2)[0]", "array_split hsplit split"),
    **each("np.{}(np.outer(x, x), 2)[0]", "vsplit"),
    **each("np.{}(x)", "zeros_like ones_like"),
    "empty_like": "np.empty_like(x)[:0]",
    "dsplit": "np.dsplit(x.reshape((1, 2, 2)), 2)[0]",
    "argpartition": "x[np.argpartition(x, 2)[2:3]]",
    **each("np.{}(x)", "array asarray asarray_chkfinite ascontiguousarray asfortranarray"),
    **each("np.{}(4, x.dtype) * x", "zeros ones"),
    **each("np.{}(2, dtype=x.dtype) * x[:2]", "identity eye tri"),
    **each("np.{}(4) * x", "bartlett blackman hamming hanning"),
    **each("np.outer(x, x)[np.{}(2)[0]]", "tril_indices triu_indices"),
    "empty": "np.empty(4, x.dtype)[:0]",
    "arange": "np.arange(x[0], x[3], x[1])",
    "full": "np.full(3, x[1])",
    "kaiser": "np.kaiser(4, x[0])",
    "row_stack": "np.row_stack((x, x * x))",
    "argwhere": "x[np.argwhere(x > 1)[0]]",
    "nonzero": "x[np.nonzero(x)[0]]",
    "roots": "np.abs(np.roots(x))",
    "bincount": "np.bincount(np.array([0, 1, 0, 2]), x)",
    "broadcast_arrays": "np.broadcast_arrays(x, np.ones((2, 4)))[0]",
    "broadcast_to": "np.broadcast_to(x, (2, 4))",
    "clip": "np.clip(x, -1.0, 1.3 * x[1])",
    "cross": "np.cross(x[:3], x[1:])",
    "delete": "np.delete(x, 1)",
    "digitize": "x[np.digitize(x, np.array([0.0, 1.5]))]",
    "expand_dims": "np.expand_dims(x, 0)",
    "extract": "np.extract(x > 1, x)",
    "fill_diagonal": "filled(x)",
    "full_like": "np.full_like(x, x[1])",
    "geomspace": "np.geomspace(x[0], x[1], 4)",
    "logspace": "np.logspace(x[0], x[1], 4)",
    "linspace": "np.linspace(x[0], x[1], 4)",
    "histogram": "x * np.histogram(x)[0][0]",
    "insert": "np.insert(x, 1, x[0])",
    "interp": "np.interp(x, np.array([0.0, 1.5, 4.0]), x[:3])",
    "moveaxis": "np.moveaxis(np.outer(x, x), 0, 1)",
    "swapaxes": "np.swapaxes(np.outer(x, x), 0, 1)",
    "partition": "np.partition(x, 2)[2:3]",
    "repeat": "np.repeat(x, 2)",
    "reshape": "np.reshape(x, (2, 2))",
    "resize": "np.resize(x, (2, 4))",
    "roll": "np.roll(x, 1)",
    "select": "np.select([x > 1, x > 0], [x * x, 3 * x], 1.0)",
    "take": "np.take(x, np.array([1, 1, 2]))",
    "take_along_axis": "np.take_along_axis(x, np.array([1, 1, 2]), 0)",
    "tril_indices_from": "np.outer(x, x)[np.tril_indices_from(np.outer(x, x))[0]]",
    "triu_indices_from": "np.outer(x, x)[np.triu_indices_from(np.outer(x, x))[0]]",
    "where": "np.where(x > 1, x * x, 2 * x)",
    "lib.stride_tricks.as_strided": "np.lib.stride_tricks.as_strided(x, (2,), (8,))",
    "lib.stride_tricks.sliding_window_view": "np.lib.stride_tricks.sliding_window_view(x, 2)",
    **each(f"np.linalg.{{}}({A})", "cholesky inv pinv eigvalsh eigvals", "linalg."),
    **each(f"np.linalg.{{}}({A})[0]", "eig eigh qr", "linalg."),
    "linalg.svd": f"np.linalg.svd({A})[1]",
    "linalg.lstsq": f"np.linalg.lstsq({A}, x)[0]",
    "linalg.solve": f"np.linalg.solve({A}, x)",
    "linalg.matrix_power": f"np.linalg.matrix_power({A}, 3)",
    **each("P.{}(x, x[:2])", "polyadd polymul polysub", "polynomial.polynomial."),
    "polynomial.polynomial.polydiv": "P.polydiv(x, x[:2])[0]",
    "polynomial.polynomial.polyint": "P.polyint(x)",
    "polynomial.polynomial.polyval": "P.polyval(x, x[:2])",
    "polynomial.polynomial.Polynomial": "P.Polynomial(x).coef",
    "polynomial.polyutils.as_series": "PU.as_series([x, x[:2]])[0]",
    "polynomial.polyutils.trimseq": "PU.trimseq(x)",
}
SCALARS |= {
    "linalg.cond": f"np.linalg.cond({A})",
    "linalg.det": f"np.linalg.det({A})",
    "linalg.slogdet": f"np.linalg.slogdet({A})[1]",
    "linalg.norm": "np.linalg.norm(x)",
    "linalg.matrix_rank": f"x[0] * np.linalg.matrix_rank({A})",
}
#: Functions of Python.
PYTHON = {
    "abs": "abs(x[2]) * x[1]",
    "bool": "x[0] * 2 if bool(x[0] - 1) else x[1] * 3",
    "bytes": "x[0] * len(bytes(x))",
    "chr": "x[0] * len(chr(x[0]))",
    "complex": "complex(x[0]).real",
    "dict": "dict([(1, x[0])])[1]",
    "divmod": "divmod(x[3], x[1])[1]",
    "enumerate": "total([i * v for i, v in enumerate(x)])",
    "filter": "total(list(filter(lambda v: v > 0, x)))",
    "float": "float(x[0]) * x[1]",
    "getattr": "getattr(x, 'T')[0]",
    "hasattr": "x[0] * 2 if hasattr(x, 'T') else x[1]",
    "hash": "x[0] * hash(x[1])",
    "int": "x[0] * int(x[1])",
    "isinstance": "x[0] * 2 if isinstance(x[0], float) else x[1]",
    "iter": "next(iter(x)) * x[1]",
    "len": "x[0] * len(x)",
    "list": "total(list(x))",
    "map": "total(list(map(lambda v: v * v, x)))",
    "max": "max(x[0], x[1], 0.5)",
    "min": "min(x[0], x[1], 2.5)",
    "next": "next(iter(x)) * x[1]",
    "ord": "x[0] * ord(str(x[1])[0])",
    "pow": "pow(x[1], x[3])",
    "print": "printed(x)",
    "range": "total([x[i] for i in range(int(x[3]))])",
    "repr": "x[0] * len(repr(x[1]))",
    "round": "round(x[1] * 1.3) * x[0]",
    "set": "x[0] * len(set([x[0], x[1], x[0]]))",
    "slice": "total(list(x[slice(1, 3)]))",
    "sorted": "sorted(x)[1]",
    "str": "x[0] * len(str(x[1]))",
    "sum": "sum(x * x)",
    "tuple": "tuple((x[0], x[1]))[1]",
    "type": "x[0] * 2 if type(x[0]) is type(1.0) else x[1]",
    "zip": "total([a * b for a, b in zip(x, x[::-1])])",
}
HEAPS = {
    "heapify": "heaped(x)",
    "heappop": "heapq.heappop([x[2], x[0]])",
    "heappush": "pushed(x)",
    "heappushpop": "heapq.heappushpop([x[0], x[1]], x[2])",
    "heapreplace": "heapq.heapreplace([x[0], x[1]], x[2])",
    "nlargest": "heapq.nlargest(2, list(x))[1]",
    "nsmallest": "heapq.nsmallest(2, list(x))[1]",
}
MATH = {
    **each("x[0] * 2 if math.{}(x[1]) else x[1]", "isfinite isinf isnan"),
    **each("math.{}(x[1], x[3])", "atan2 copysign fmod hypot nextafter pow"),
    **each("math.{}(0.3 * x[0]) * x[1]", "acos asin atan atanh cos cosh erf erfc"),
    **each("math.{}(1.3 * x[0]) * x[1]", "acosh asinh cbrt ceil degrees exp exp2"),
    **each("math.{}(1.3 * x[0]) * x[1]", "expm1 fabs floor gamma lgamma log log10"),
    **each("math.{}(1.3 * x[0]) * x[1]", "log1p log2 radians sin sinh sqrt tan"),
    **each("math.{}(1.3 * x[0]) * x[1]", "tanh trunc"),
    "frexp": "math.frexp(x[1])[0] * x[0]",
    "gcd": "x[0] * math.gcd(x[1], 2)",
    "ldexp": "math.ldexp(x[1], 2) * x[0]",
}
#: Functions of random numbers, by the number of their parameters.
RANDOM = (
    each("np.random.{}(x[1])", "chisquare exponential geometric logseries pareto poisson power rayleigh")
    | each("np.random.{}(x[1])", "standard_gamma standard_t weibull zipf seed rand")
    | each("np.random.{}(x[1], x[3])", "beta f gamma gumbel laplace logistic uniform")
    | each("np.random.{}(x[1], x[3])", "lognormal negative_binomial noncentral_chisquare")
    | each("np.random.{}(x[1], x[3])", "normal vonmises wald binomial randint")
    | each("np.random.{}(x[0], x[1], x[3])", "hypergeometric triangular")
    | each("np.random.{}(x[1])", "choice random random_sample ranf sample randn")
    | each("np.random.{}(x)[0]", "permutation dirichlet")
    | {"shuffle": "shuffled(x)", "multinomial": "x[0] * np.random.multinomial(3, x)[0]"}
)
#: Random numbers without parameters, or whose parameters are counts.
WITHOUT = {"standard_cauchy", "standard_exponential", "standard_normal", "getrandbits"}
PYTHON_RANDOM = {
    **each("random.{}(x[1], x[3])", "betavariate gammavariate gauss lognormvariate"),
    **each("random.{}(x[1], x[3])", "normalvariate uniform vonmisesvariate weibullvariate"),
    **each("random.{}(x[1], x[3])", "randint randrange"),
    **each("random.{}(x[1])", "expovariate paretovariate seed"),
    "triangular": "random.triangular(x[0], x[3], x[1])",
    "shuffle": "shuffled(x)",
    "random": "x[0] * random.random()",
}


def filled(x):
    a = np.outer(x, x)
    np.fill_diagonal(a, x[1])
    return a


def printed(x):
    print(x[0])
    return x[1]


def heaped(x):
    heap = [x[1], x[0], x[3]]
    heapq.heapify(heap)
    return heap[0] * x[1]


def pushed(x):
    heap = [x[1]]
    heapq.heappush(heap, x[0])
    return heap[0] * x[1]


def shuffled(x):
    y = x.copy()
    np.random.shuffle(y)  # noqa: NPY002  (the one that Numba knows)
    return y[0]


def total(items):
    s = 0.0 * items[0]
    for i, item in enumerate(items):
        s += (i + 1) * item
    return s


def weighed(a):
    s = 0.0
    for i, item in enumerate(a.flat):
        s = s + (i + 1) * item
    return s


MODULES = {"np": np, "math": math, "heapq": heapq, "random": random, "P": np.polynomial.polynomial}
MODULES["PU"] = np.polynomial.polyutils
HELPERS = {f.__name__: f for f in (filled, printed, heaped, pushed, shuffled, total, weighed)}
IN_PYTHON = MODULES | HELPERS
IN_NUMBA = MODULES | {name: numba.njit(f) for name, f in HELPERS.items()}

if not hasattr(np, "row_stack"):
    del ARRAYS["row_stack"]

CALLS = {
    **{f"numpy.{name}": call for name, call in (SCALARS | BRANCHES).items()},
    **{f"numpy.{name}": f"weighed({call})" for name, call in ARRAYS.items()},
    **{f"builtins.{name}": call for name, call in PYTHON.items()},
    **{f"heapq.{name}": call for name, call in HEAPS.items()},
    **{f"math.{name}": call for name, call in MATH.items()},
}
DRAWN = {
    **{f"numpy.random.{name}": call for name, call in RANDOM.items()},
    **{f"random.{name}": call for name, call in PYTHON_RANDOM.items()},
}


def called(call, names):
    return eval(f"lambda x: {call}", dict(names))


def refused(error):
    """Whether this is how functions are refused in compiled code, or Numba's refusal of the call with floats."""
    return isinstance(error, (TypeError, numba.TypingError))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_right_or_a_step_or_refused(name, capfd):
    compiled_f = numba.njit(called(CALLS[name], IN_NUMBA))
    # The text of a float is not the same in compiled code.
    f = compiled_f if name.startswith("builtins.") else called(CALLS[name], IN_PYTHON)
    try:
        value, slope = dualdiff.jvp(compiled_f, X, V)
    except Exception as error:
        if not refused(error):
            raise
        return
    assert value == pytest.approx(f(X), rel=1e-12)
    assert slope == pytest.approx((f(X + H * V) - f(X - H * V)) / (2 * H), rel=2e-6, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DRAWN)
def test_random_numbers_are_refused_or_elements_of_x(name):
    f = numba.njit(called(DRAWN[name], IN_NUMBA))
    try:
        _, slope = dualdiff.jvp(f, X, V)
    except Exception as error:
        if not refused(error):
            raise
        return
    assert name == "random.random" or slope in V


def test_every_function_that_numba_knows_is_called():
    ufuncs = {f"numpy.{f.__name__}" for f in vars(np).values() if isinstance(f, np.ufunc)}
    known = set()
    for f in global_functions():
        module, name = str(getattr(f, "__module__", "")), getattr(f, "__qualname__", "").rpartition(".")[2]
        owner = getattr(f, "__self__", None)
        if isinstance(owner, np.random.mtrand.RandomState):
            module = "numpy.random"
        elif isinstance(owner, random.Random):
            module = "random"
        module = {"_heapq": "heapq", "numpy.lib.stride_tricks": "numpy.lib.stride_tricks"}.get(module, module)
        if module.partition(".")[0] in ("numpy", "builtins", "math", "heapq", "random") and callable(f):
            known.add(f"{module}.{name}")
    # What `operator` and `numpy` name is no function: np.s_ and the like.
    known -= {"numpy.<lambda>"}
    known -= ufuncs | {f"{module}.{name}" for module in ("numpy.random", "random") for name in WITHOUT}
    assert known <= {*CALLS, *DRAWN}, known - {*CALLS, *DRAWN}
