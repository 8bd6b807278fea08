"""Every function of numpy.linalg: real and complex, single matrices and stacks, in every space, to second order."""

from __future__ import annotations

import numpy as np
import pytest

from dualdiff import jacobian, jvp, vjp
from dualdiff.base import late
from dualdiff.core.registry import FUNCTIONS
from tests.support.against import assert_near, assert_same, central, check, check_complex, check_float32
from tests.support.matrices import CASES, COMPLEX


def test_every_function_of_the_namespace():
    names = {n for n in np.linalg.__all__ if callable(getattr(np.linalg, n)) and n != "LinAlgError"}
    assert names == set(CASES) | {"matrix_rank"}
    late.load_rules()
    assert all(getattr(np.linalg, name) in FUNCTIONS for name in names)


@pytest.mark.parametrize(("name", "i"), [(name, i) for name, cases in CASES.items() for i in range(len(cases))])
def test_function(name, i):
    x, f = CASES[name][i]
    check(f, x)


@pytest.mark.parametrize("name", CASES)
def test_single_precision(name):
    x, f = CASES[name][0]
    check_float32(f, x)


@pytest.mark.parametrize(("name", "i"), [(name, i) for name, cases in COMPLEX.items() for i in range(len(cases))])
def test_complex(name, i):
    x, f = COMPLEX[name][i]
    check_complex(f, x)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("is_complex", [False, True])
def test_orders_and_directions(name, is_complex):
    """Second derivatives, and Re sum(w * J v) = Re sum(pull(w) * v) for first and second ones."""
    local = np.random.default_rng(0)

    def normal(x):
        return local.normal(size=np.shape(x)) + (1j * local.normal(size=np.shape(x)) if np.iscomplexobj(x) else 0)

    for x, f in COMPLEX[name] if is_complex else CASES[name]:
        x = x + 0.3j * local.normal(size=np.shape(x)) if is_complex else x
        v, other = normal(x), normal(x)

        def slope(x, f=f, v=v):
            return jvp(f, x, v)[1]

        along, bend = jvp(slope, x, other)
        w = normal(along)
        found, pull = vjp(f, x)
        assert_same(found, f(x))
        assert np.isclose(np.sum(w * along).real, np.sum(pull(w) * v).real, rtol=1e-9)
        assert np.isclose(np.sum(w * bend).real, np.sum(vjp(slope, x)[1](w) * other).real, rtol=1e-8)
        if is_complex:
            assert_near(bend, central(slope, x, other), 1e-7)


@pytest.mark.parametrize("name", CASES)
def test_sparse_tangents(name):
    pytest.importorskip("scipy")
    for x, f in CASES[name][:6]:
        expected = jacobian(f, x)
        found = jacobian(f, x, sparse=True)
        found = found.toarray() if hasattr(found, "toarray") else found
        assert_near(np.reshape(found, expected.shape), expected, 1e-12)


def test_phase_of_wide_complex_singular_vectors():
    """LAPACK makes a component real up to rounding only: its imaginary part may be 1e-17."""
    local = np.random.default_rng(5)
    for shape in ((2, 4), (2, 3), (3, 7)):
        for _ in range(5):
            z, v = (local.normal(size=shape) + 0.3j * local.normal(size=shape) for _ in range(2))
            for i in (0, 2):
                f = lambda a, i=i: np.linalg.svd(a, full_matrices=False)[i]
                assert_near(jvp(f, z, v)[1], central(f, z, v), 1e-7)
