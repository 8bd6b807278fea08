"""Functions that read duals without computing with them answer as for floats, or are refused, in compiled code."""

from __future__ import annotations

import numpy as np
import pytest

import dualdiff

numba = pytest.importorskip("numba")
njit = numba.njit

from dualdiff.compiled.patches import attributes_and_methods  # noqa: E402  (needs Numba)

X = np.array([1.0, 2.0, -0.5, 3.0])


def printing(x):
    print(x, x[0])
    return 2 * x[0]


#: Conditions on x and quantities read from x: each takes the branch, and has the value, that it has for floats.
ANSWERED = {
    "is": lambda x: x[0] * 2 if x[0] is x[0] else x[1],
    "is not": lambda x: x[1] if x[0] is not x[0] else x[0] * 2,
    "is not another": lambda x: x[0] * 2 if x[0] is not x[1] else x[1],
    "is None": lambda x: x[1] if x[0] is None else x[0] * 2,
    "np.isscalar": lambda x: x[0] * 2 if np.isscalar(x[0]) and not np.isscalar(x) else x[1],
    "isinstance": lambda x: x[0] * 2 if isinstance(x[0], float) and not isinstance(x[0], int) else x[1],
    "np.isrealobj": lambda x: x[0] * 2 if np.isrealobj(x) and not np.iscomplexobj(x[0]) else x[1],
    "np.isreal": lambda x: x[0] * 2 if np.isreal(x[0]) and not np.iscomplex(x).any() else x[1],
    "str": lambda x: x[0] * len(str(x[0])),
    "repr": lambda x: x[0] * len(repr(x[0])),
    "f-string": lambda x: x[0] * len(f"{x[1]}"),
    "print": printing,
    "np.array_equal": lambda x: x[0] * 2 if np.array_equal(x, x.copy()) else x[1],
    "in": lambda x: x[0] * 2 if x[0] in (1.0, 3.0) else x[1],
    "len, shape, ndim, size": lambda x: x[0] * (len(x) + x.shape[0] + x.ndim + x.size),
    "flags": lambda x: x[0] * 2 if x.flags.contiguous else x[1],
}


@pytest.mark.parametrize("name", ANSWERED)
def test_readers_answer_as_for_floats(name, capfd):
    f = njit(ANSWERED[name])
    try:
        expected = f(X)
    except numba.core.errors.TypingError:
        pytest.skip("Numba itself does not compile this")
    plain = capfd.readouterr().out
    value, slope = dualdiff.value_and_gradient(f, X)
    assert value == expected
    np.testing.assert_array_equal(slope, [expected / X[0], 0.0, 0.0, 0.0])
    assert capfd.readouterr().out == plain


REFUSED = {
    "np.frombuffer": lambda x: np.frombuffer(x, np.float64)[1],
    "x.tobytes": lambda x: x[0] * len(x.tobytes()),
    "x.view": lambda x: x.view(np.int64).sum(),
    "x.itemsize": lambda x: x[0] * x.itemsize,
    "x.nbytes": lambda x: x[0] * x.nbytes,
    "x.strides": lambda x: x[0] * x.strides[0],
    "x.ctypes": lambda x: x[0] * (x.ctypes.data > 0),
    "as_strided": lambda x: np.lib.stride_tricks.as_strided(x, (2,), (8,)).sum(),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2).sum(),
    "str of arrays and tuples": lambda x: x[0] * len(str(x)),
    "repr of arrays and tuples": lambda x: x[0] * len(repr((x[0], 1))),
    r"float\(x\)": lambda x: float(x[0]) * x[1],
    r"int\(x\)": lambda x: int(x[0]) * x[1],
    r"complex\(x\)": lambda x: complex(x[0]).real,
    "a scalar type of NumPy": lambda x: np.float64(x[0]) * x[1],
    "astype": lambda x: x.astype(np.float32)[0],
}


@pytest.mark.parametrize("name", REFUSED)
def test_readers_of_memory_and_conversions_are_refused(name):
    f = njit(REFUSED[name])
    f(X)
    with pytest.raises(dualdiff.LostDerivativeError, match=f"line .*{name}.* would .*dualdiff.value"):
        dualdiff.gradient(f, X)


def test_a_hash_is_refused():
    with pytest.raises(TypeError, match="unhashable"):
        dualdiff.gradient(njit(lambda x: x[0] * hash(x[1])), X)


# -- what Numba offers -------------------------------------------------------------------------------------------------
#: Attributes and methods of arrays that have been examined: they move or count elements, belong to `OF_MEMORY`, or
#: have implementations for duals.
ATTRIBUTES = {
    *("T", "transpose", "copy", "item", "nonzero", "reshape", "ravel", "flatten", "flat", "sort", "argsort"),
    *("dtype", "shape", "ndim", "size", "flags", "astype", "real", "imag", "itemset"),
    *("nbytes", "itemsize", "strides", "ctypes", "view"),
}
METHODS = {
    *("__hash__", "_zero_fill", "all", "allclose", "any", "argmax", "argmin", "clip", "conj", "conjugate", "cumprod"),
    *("cumsum", "dot", "fill", "max", "mean", "min", "prod", "repeat", "std", "sum", "take", "tobytes", "var"),
}


def test_every_attribute_of_arrays_has_been_examined():
    attributes, methods = attributes_and_methods()
    names = attributes - {"resolve", "generic"}
    assert names <= ATTRIBUTES, f"attributes of arrays that have not been examined with duals: {names - ATTRIBUTES}"
    assert methods <= METHODS, f"methods of arrays that have not been examined with duals: {methods - METHODS}"
