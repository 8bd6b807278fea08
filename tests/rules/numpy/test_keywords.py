"""The keywords of NumPy's array functions, one by one, in the example calls: against NumPy and finite differences."""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict

import numpy as np
import pytest

from dualdiff import DualArray
from dualdiff.core.registry import FUNCTIONS
from tests.semantics.lost.test_silently_constant import floats, recorded
from tests.support.against import assert_near
from tests.support.calls import CALLS

STEP = 1e-5

#: The values that keywords of these names are tested with; those that NumPy refuses are skipped.
KEYWORDS = {
    **dict.fromkeys(
        (
            *("keepdims", "bias", "density", "increasing", "stable", "full", "compute_uv", "hermitian", "upper"),
            *("return_index", "return_inverse", "return_counts", "include_initial", "optimize", "sparse", "wrap"),
            *("returned", "retstep", "return_indices"),
        ),
        (True,),
    ),
    **dict.fromkeys(("rowvar", "endpoint", "full_matrices", "copy", "equal_nan"), (False,)),
    **dict.fromkeys(("axis", "axes"), (0, -1, None, (0,), (0, 1))),
    **dict.fromkeys(("axisa", "axisb", "axisc", "axis2"), (0,)),
    **dict.fromkeys(("ddof", "correction", "axis1"), (1,)),
    **dict.fromkeys(("offset", "k"), (1, -1)),
    "dtype": (np.float32, np.complex128),
    "where": ("a mask",),
    "order": ("F", "C", "A"),
    "norm": ("ortho", "forward"),
    "mode": ("full", "valid", "same", "wrap", "clip", "reflect", "edge", "reduced", "complete"),
    "method": ("hazen", "lower"),
    "n": (2, 5),
    "UPLO": ("U",),
    "ord": (1, np.inf, 3, "fro"),
    "cov": (True, "unscaled"),
    "edge_order": (2,),
    "indexing": ("ij",),
    "casting": ("unsafe",),
    "discont": (4.0,),
    "period": (5.1,),
    "shape": ((2, 2),),
    "minlength": (9,),
    "num": (7,),
    "initial": (0.3,),
}

#: Their examples have equal elements, which a finite difference separates.
SETS = {np.unique, np.trim_zeros}


def cases():
    """The calls with the keywords that NumPy has."""
    for call in CALLS:
        if call.writes or call.function in SETS | {np.empty_like} or call.function not in FUNCTIONS:
            continue
        try:
            names = inspect.signature(call.function).parameters
        except ValueError:
            continue
        for name in names.keys() & KEYWORDS.keys():
            yield pytest.param(call, name, id=f"{call.function.__name__}-{name}")


@pytest.mark.parametrize(("call", "keyword"), sorted(cases(), key=lambda case: case.id))
def test_keyword_is_honoured(call, keyword):
    signature = inspect.signature(call.function)
    args, kwargs = recorded(call)
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    places = []
    for name, x in arguments.items():
        for i, e in enumerate(x) if isinstance(x, (list, tuple)) else [(None, x)]:
            if isinstance(e, np.ndarray) and e.dtype.kind in "fc":
                places.append((name, i, e))
    base = [e for _, _, e in places]
    directions = [np.cos(np.arange(e.size) + 0.3).reshape(e.shape) for e in base]

    def called(arrays, given):
        filled = {**arguments, keyword: given}
        for (name, i, _), array in zip(places, arrays, strict=True):
            if i is None:
                filled[name] = array
            else:
                filled[name] = type(filled[name])([*filled[name][:i], array, *filled[name][i + 1 :]])
        ordered = OrderedDict((n, filled[n]) for n in signature.parameters if n in filled)
        bound = inspect.BoundArguments(signature, ordered)
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            return call.function(*bound.args, **bound.kwargs)

    for given in KEYWORDS[keyword]:
        if given == "a mask":
            given = np.arange(base[0].size).reshape(base[0].shape) != 1
        try:
            expected = floats(called(base, given), "value")
            ahead, behind = (
                floats(called([a + h * v for a, v in zip(base, directions, strict=True)], given), "value")
                for h in (STEP, -STEP)
            )
        except Exception:  # any refusal of NumPy
            continue
        duals = [DualArray(a, v) for a, v in zip(base, directions, strict=True)]
        found = called(duals, given)
        np.testing.assert_array_equal(floats(found, "value"), expected)
        tangents = floats(found, "tangent")
        assert tangents.dtype == expected.dtype
        # Finite differences are less accurate in single precision.
        single = getattr(found, "dtype", None) in (np.float32, np.complex64) or given is np.float32
        assert_near(tangents, (ahead - behind) / (2 * STEP), 0.1 if single else 1e-7)
