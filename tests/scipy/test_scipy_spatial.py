"""``dualdiff.scipy.spatial``: distances and rotations against differences of SciPy's."""

# ruff: noqa: E402
from __future__ import annotations

import inspect

import numpy as np
import pytest

ssp = pytest.importorskip("scipy.spatial")
import scipy.spatial.distance as sd
from scipy.spatial import transform as st

from dualdiff import NoRuleError, adapt, derivative, gradient, hessian, jacobian, taylor
from dualdiff.scipy import spatial
from dualdiff.scipy.spatial import distance, transform
from dualdiff.scipy.spatial.metrics import METRICS
from tests.scipy.interpolate.cases import compare

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.1, 1, (4, 3)), RNG.uniform(0.1, 1, (5, 3))
W = np.array([0.5, 1.0, 2.0])
R, V, Q = RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3)), RNG.standard_normal((3, 4))
#: Metrics with weights.
WEIGHTED = sorted(METRICS.keys() - {"chebyshev", "jensenshannon", "mahalanobis", "minkowski", "seuclidean"})


@pytest.mark.parametrize("metric", METRICS)
def test_all_pairs(metric):
    compare(lambda a, b: distance.cdist(a, b, metric), lambda a, b: sd.cdist(a, b, metric), A, B, tolerance=1e-6)
    compare(lambda b: distance.pdist(b, metric), lambda b: sd.pdist(b, metric), B, tolerance=1e-5)


@pytest.mark.parametrize("metric", WEIGHTED)
def test_weights(metric):
    compare(lambda a, w: distance.cdist(a, B, metric, w=w), lambda a, w: sd.cdist(a, B, metric, w=w), A, W)
    ours, scipys = (lambda u, v, w, m=m: getattr(m, metric)(u, v, w) for m in (distance, sd))
    compare(ours, scipys, A[0], A[1], W)


OF_PARAMETERS = {
    "mahalanobis": (lambda m, u, v, vi: m.mahalanobis(u, v, vi), (A[0], A[1], np.eye(3) + 0.1)),
    "seuclidean": (lambda m, u, v, s: m.seuclidean(u, v, s), (A[0], A[1], W)),
    "minkowski": (lambda m, u, v, p, w: m.minkowski(u, v, p, w), (A[0], A[1], np.float64(3.0), W)),
    "chebyshev": (lambda m, u, v: m.chebyshev(u, v, [1.0, 0.0, 1.0]), (A[0], A[1])),
    "jensenshannon": (lambda m, p, q: m.jensenshannon(p, q, 2.0), (A, A + W)),
    "cdist V": (lambda m, a, s: m.cdist(a, B, "seuclidean", V=s), (A, W)),
    "cdist VI": (lambda m, a, vi: m.cdist(a, B, "mahalanobis", VI=vi), (A, np.eye(3) + 0.1)),
    "cdist p": (lambda m, a, p: m.cdist(a, B, "minkowski", p=p), (A, np.float64(2.5))),
    "a function": (lambda m, a, b: m.cdist(a, b, lambda u, v: np.sum((u - v) ** 4)), (A, B)),
    "a function of pairs": (lambda m, a: m.pdist(a, lambda u, v: np.sum((u - v) ** 4)), (A,)),
    "squareform": (lambda m, d: m.squareform(d), (np.arange(1.0, 7),)),
    "squareform twice": (lambda m, d: m.squareform(m.squareform(d)), (np.arange(1.0, 7),)),
}


@pytest.mark.parametrize("name", OF_PARAMETERS)
def test_parameters(name):
    case, args = OF_PARAMETERS[name]
    compare(lambda *a: case(distance, *a), lambda *a: case(sd, *a), *args, tolerance=1e-6)


#: From SciPy 1.18.
DEPRECATED = pytest.mark.filterwarnings("ignore:.*distance.* is deprecated:DeprecationWarning")


@DEPRECATED
@pytest.mark.parametrize("p", [1, 2, 3.5, np.inf])
def test_distances_that_broadcast(p):
    compare(lambda a, b: spatial.distance_matrix(a, b, p), lambda a, b: ssp.distance_matrix(a, b, p), A, B)
    compare(lambda a: spatial.minkowski_distance_p(a, W, p), lambda a: ssp.minkowski_distance_p(a, W, p), A)


@pytest.mark.parametrize("i", range(3))
def test_procrustes(i):
    # The first set that is returned does not depend on the second.
    constant = (1,) if i == 0 else ()
    ours, scipys = (lambda a, b, m=m: m.procrustes(a, b)[i] for m in (spatial, ssp))
    compare(ours, scipys, A, B[:4], tolerance=1e-6, constant=constant)


def test_coincident_points():
    """As the norm at zero: the gradient is zero, second derivatives are NaN; the square has both."""
    at = lambda f: (gradient(lambda u: f(u, W), W), hessian(lambda u: f(u, W), W))
    first, second = at(distance.euclidean)
    assert np.all(first == 0)
    assert np.all(np.isnan(second))
    first, second = at(distance.sqeuclidean)
    np.testing.assert_array_equal(second, 2 * np.eye(3))
    for mode in "forward", "reverse":
        slopes = jacobian(lambda x: distance.cdist(x, x), A, mode=mode)
        assert np.all(np.isfinite(slopes))
        np.testing.assert_array_equal(slopes[np.arange(4), np.arange(4)], 0.0)
    far = A + 1e6
    near = jacobian(lambda x: distance.cdist(x, far[:1]), far[:1] + 1e-8, mode="reverse")
    assert np.linalg.norm(near) == pytest.approx(1.0, rel=1e-6)


def test_other_spaces():
    slopes = jacobian(lambda x: distance.cdist(x, B), A, sparse=True).toarray()
    np.testing.assert_allclose(slopes, jacobian(lambda x: distance.cdist(x, B).ravel(), A).reshape(20, 12), rtol=1e-12)
    series = taylor(lambda t: distance.euclidean(A[0] + t * W, A[1]), 0.0, 3)
    expected = taylor(lambda t: np.sqrt(np.sum((A[0] + t * W - A[1]) ** 2)), 0.0, 3)
    np.testing.assert_allclose(list(series), list(expected), rtol=1e-12)


BOOLEAN = ["dice", "hamming", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule"]


@pytest.mark.parametrize("metric", BOOLEAN)
def test_boolean_metrics_are_refused(metric):
    with pytest.raises(NoRuleError, match="it counts"):
        gradient(lambda a: np.sum(distance.cdist(a, B, metric)), A)
    with pytest.raises(NoRuleError, match="has no derivative rule"):
        gradient(lambda u: getattr(distance, metric)(u, A[1]), A[0])


def test_errors_are_those_of_scipy():
    with pytest.raises(ValueError, match="Unknown Distance Metric: nonsense"):
        gradient(lambda a: np.sum(distance.cdist(a, B, "nonsense")), A)
    with pytest.raises(ValueError, match="same number of columns"):
        gradient(lambda a: np.sum(distance.cdist(a, B[:, :2])), A)
    with pytest.raises(NoRuleError, match="out="):
        gradient(lambda a: np.sum(distance.cdist(a, B, out=np.zeros((4, 5)))), A)


# -- rotations ---------------------------------------------------------------------------------------------------------
def of(m, r):
    return m.Rotation.from_rotvec(r)


WRITTEN = {
    "as_matrix": lambda m, r: of(m, r).as_matrix(),
    "as_rotvec": lambda m, r: of(m, r).as_rotvec(),
    "as_mrp": lambda m, r: of(m, r).as_mrp(),
    "as_quat": lambda m, r: of(m, r).as_quat(),
    "apply": lambda m, r: of(m, r).apply(V[0]),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("r", [R, R[0], 1e-5 * R, 1e-3 * R[1]], ids=["stack", "one", "small", "smaller"])
def test_rotation_vectors(name, r):
    compare(lambda r: WRITTEN[name](transform, r), lambda r: WRITTEN[name](st, r), r, tolerance=1e-6)


MADE = {
    "from_quat": (lambda m, q: m.Rotation.from_quat(q).as_quat(), (Q,)),
    "canonical": (lambda m, q: m.Rotation.from_quat(q).as_quat(True), (Q,)),
    "from_mrp": (lambda m, r: m.Rotation.from_mrp(r).as_quat(), (R,)),
    "magnitude": (lambda m, r: of(m, r).magnitude(), (R,)),
    "degrees": (lambda m, r: m.Rotation.from_rotvec(40 * r, degrees=True).as_rotvec(degrees=True), (R,)),
    "apply to": (lambda m, r, v: of(m, r).apply(v, inverse=True), (R, V)),
    "product": (lambda m, r, v: (of(m, r) * of(m, v).inv()).as_quat(), (R, V)),
    "power": (lambda m, r: (of(m, r) ** 0.3).as_rotvec(), (R,)),
    "element": (lambda m, r: of(m, r)[1].as_rotvec(), (R,)),
    "concatenate": (lambda m, r: m.Rotation.concatenate([of(m, r), of(m, r[0])]).as_rotvec(), (R,)),
    "angle": (lambda m, a: m.Rotation.from_euler("z", a).as_matrix(), (0.3,)),
    "Slerp": (lambda m, r, t: m.Slerp([0, 1, 2.0], of(m, r))(t).as_rotvec(), (R, np.array([0.3, 1.2]))),
    **{f"from {s}": (lambda m, r, s=s: m.Rotation.from_euler(s, r).as_quat(), (R,)) for s in ("xyz", "ZYX", "zxz")},
    **{f"as {s}": (lambda m, r, s=s: of(m, r).as_euler(s), (R,)) for s in ("xyz", "ZYX", "zxz", "YXY", "xzy")},
}


@pytest.mark.parametrize("name", MADE)
def test_rotations(name):
    case, args = MADE[name]
    compare(lambda *a: case(transform, *a), lambda *a: case(st, *a), *args, tolerance=1e-6)


def test_matrices():
    """On the manifold of rotations: along the exponential map."""
    matrices = of(st, R).as_matrix()
    slopes = jacobian(lambda r: transform.Rotation.from_matrix(of(transform, r).as_matrix()).as_rotvec(), R)
    np.testing.assert_allclose(slopes, np.eye(9).reshape(3, 3, 3, 3), atol=1e-12)
    np.testing.assert_array_equal(
        transform.Rotation.from_matrix(matrices).as_quat(), st.Rotation.from_matrix(matrices).as_quat()
    )


def test_gimbal_lock():
    with pytest.warns(UserWarning, match="Gimbal"):
        slopes = jacobian(lambda a: transform.Rotation.from_euler("xyz", a).as_euler("xyz"), [0.1, np.pi / 2, 0.3])
    assert np.all(np.isnan(slopes))


def test_other_methods_refuse_duals():
    others = {"mean": (), "as_davenport": (np.eye(3), "extrinsic"), "reduce": (), "align_vectors": (R, R)}
    for name, args in others.items():
        with pytest.raises(NoRuleError, match=rf"Rotation\.{name} has no derivative rule"):
            gradient(lambda r, name=name, args=args: getattr(of(transform, r), name)(*args), R)
    np.testing.assert_array_equal(of(transform, R).mean().as_matrix(), of(st, R).mean().as_matrix())


def test_every_name_takes_duals_or_refuses_them():
    for theirs, ours, args in ((ssp, spatial, (A,)), (sd, distance, (A[0], A[1])), (st, transform, ([0.0, 1.0], A))):
        for name in theirs.__all__:
            thing = getattr(ours, name)
            skipped = name.startswith(("num_obs", "is_valid")) or inspect.ismodule(thing)
            if name in ours.__all__ or skipped or name in ("QhullError",):
                continue
            with pytest.raises((TypeError, ValueError, AttributeError)):
                gradient(lambda x, thing=thing, args=args: thing(*args[:-1], x * args[-1]) and x, 1.0)


def with_scipys_names(r):
    rotation = st.Rotation.from_rotvec(r)
    return np.sum(sd.cdist(rotation.apply(A[:3]), B) ** 2 * ssp.distance_matrix(A[:3], B))


@DEPRECATED
def test_scipys_own_names_in_adapted_code():
    def ours(r):
        rotation = transform.Rotation.from_rotvec(r)
        return np.sum(distance.cdist(rotation.apply(A[:3]), B) ** 2 * ssp.distance_matrix(A[:3], B))

    np.testing.assert_allclose(gradient(adapt(with_scipys_names), R[0]), gradient(ours, R[0]), rtol=1e-12)
    assert derivative(lambda t: distance.euclidean([t, 0.0], [0.0, 0.0]), 2.0) == 1.0
