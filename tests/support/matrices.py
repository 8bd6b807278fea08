"""numpy.linalg, function by function: at which matrices to take it, and what with."""

from __future__ import annotations

import numpy as np

#: Square, tall, wide and stacked, all far from singular, and with singular values and eigenvalues apart.
SQUARE = np.array([[2.1, -0.3, 0.5], [0.4, -1.7, 0.9], [-0.6, 0.9, 3.2]])
TALL = np.array([[1.9, -0.4], [0.3, 1.1], [-0.7, 0.6], [0.2, -1.3]])
WIDE = TALL.T.copy()
STACK = np.stack([SQUARE, SQUARE[::-1] + np.diag([0.1, 0.7, -0.35])])
TALLS = np.stack([TALL, TALL[::-1] * [1.5, -0.8]])
#: Eigenvalues that stay apart in complex surroundings.
APART = SQUARE + np.diag([0.0, 5.0, -6.0])
RIGHT = np.array([[0.7, -1.2], [0.4, 0.9], [-1.5, 0.3]])


def positive(x):
    """A positive definite matrix (or a stack) made of one."""
    return x @ np.conj(np.swapaxes(x, -1, -2)) + 0.5 * np.eye(x.shape[-2])


def invariant(u):
    """The projectors on the columns, which do not depend on their signs or phases."""
    return u[..., :, None, :] * np.conj(u[..., None, :, :])


#: For each function, at which points to take it and what with.
CASES = {
    "solve": [
        (SQUARE, lambda a: np.linalg.solve(a, RIGHT)),
        (SQUARE, lambda a: np.linalg.solve(a, RIGHT[:, 0])),
        (SQUARE, lambda a: np.linalg.solve(a, a[0] * a[1])),
        (SQUARE, lambda a: np.linalg.solve(a[0, 0] * STACK, a)),
        (RIGHT, lambda b: np.linalg.solve(SQUARE, b**2)),
        (RIGHT, lambda b: np.linalg.solve(STACK, b**2)),
        (RIGHT, lambda b: np.linalg.solve(STACK, b[:, 0] * b[:, 1])),
        (STACK, lambda a: np.linalg.solve(a, RIGHT)),
        (STACK, lambda a: np.linalg.solve(a, RIGHT[:, 0])),
        (STACK, lambda a: np.linalg.solve(a, a[:, :, :2])),
        (STACK, lambda a: np.linalg.solve(a[:, None], a[1, :, :2] * np.ones((2, 1, 1)))),
    ],
    "inv": [(SQUARE, np.linalg.inv), (STACK, np.linalg.inv)],
    "det": [(SQUARE, np.linalg.det), (STACK, np.linalg.det), (SQUARE[:1, :1], np.linalg.det)],
    "slogdet": [(x, lambda a, i=i: np.linalg.slogdet(a)[i]) for x in (SQUARE, STACK) for i in (0, 1)],
    "cholesky": [
        (SQUARE, lambda a: np.linalg.cholesky(positive(a))),
        (STACK, lambda a: np.linalg.cholesky(positive(a), upper=True)),
    ],
    "qr": [
        *((x, lambda a, i=i: np.linalg.qr(a)[i]) for x in (SQUARE, TALL, WIDE, STACK, TALLS) for i in (0, 1)),
        *((x, lambda a: np.linalg.qr(a, mode="r")) for x in (SQUARE, TALL, WIDE)),
        *((x, lambda a: np.linalg.qr(a, "complete").Q) for x in (SQUARE, TALL, WIDE, TALLS)),
        *((x, lambda a: np.linalg.qr(a, "complete").R) for x in (TALL, WIDE)),
    ],
    "eigh": [
        *((x, lambda a, i=i: np.linalg.eigh(a)[i]) for x in (SQUARE, STACK) for i in (0, 1)),
        (SQUARE, lambda a: np.linalg.eigh(a, "U").eigenvectors),
    ],
    "eigvalsh": [(SQUARE, np.linalg.eigvalsh), (STACK, lambda a: np.linalg.eigvalsh(a, "U"))],
    "eig": [
        *((x, lambda a: np.linalg.eig(a).eigenvalues) for x in (APART, np.stack([APART, 2 * APART.T]))),
        (APART, lambda a: np.linalg.eig(a).eigenvectors),
        # A pair of complex values, and a real one.
        (SQUARE[[1, 2, 0]], lambda a: np.linalg.eig(a).eigenvectors),
    ],
    "eigvals": [(x, np.linalg.eigvals) for x in (APART, np.stack([APART, 2 * APART.T]), SQUARE[[1, 2, 0]])],
    "svd": [
        *(
            (x, lambda a, i=i: np.linalg.svd(a, full_matrices=False)[i])
            for x in (SQUARE, TALL, WIDE, TALLS)
            for i in (0, 1, 2)
        ),
        (SQUARE, lambda a: np.linalg.svd(a, compute_uv=False)),
        (TALL, lambda a: np.linalg.svd(a).S),
        (TALL, lambda a: np.linalg.svd(a).U[:, :2]),
        (TALL, lambda a: np.linalg.svd(a).Vh),
        # One column is missing: up to its sign the others decide on it.
        (TALL[:3], lambda a: np.linalg.svd(a).U),
        (WIDE[:, :3], lambda a: np.linalg.svd(a).Vh),
        *((SQUARE, lambda a, i=i: np.linalg.svd(a, hermitian=True)[i]) for i in (0, 1, 2)),
        (STACK, lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True)),
    ],
    "svdvals": [(x, np.linalg.svdvals) for x in (SQUARE, TALL, WIDE, STACK)],
    "pinv": [
        *((x, np.linalg.pinv) for x in (SQUARE, TALL, WIDE, TALLS)),
        (SQUARE, lambda a: np.linalg.pinv(a, hermitian=True)),
        (TALL, lambda a: np.linalg.pinv(a, rtol=1e-10)),
        (TALL, lambda a: np.linalg.pinv(a, rtol=None)),
        # Singular values that are cut off, and rank that stays low.
        (TALL, lambda a: np.linalg.pinv(a, rcond=0.9)),
        (TALLS, lambda a: np.linalg.pinv(a, np.array([0.9, 1e-3]))),
        (SQUARE, lambda a: np.linalg.pinv(np.stack([a[0], a[1], a[0] * a[1, 1] - 2 * a[1]]), 1e-10)),
    ],
    "lstsq": [
        *((TALL, lambda a, i=i: np.linalg.lstsq(a, np.arange(8.0).reshape(4, 2), rcond=None)[i]) for i in (0, 1, 3)),
        *((TALL, lambda a, i=i: np.linalg.lstsq(a, a[:, 0] * a[:, 1] + 1, rcond=None)[i]) for i in (0, 1)),
        *((WIDE, lambda a, i=i: np.linalg.lstsq(a, RIGHT[:2], rcond=None)[i]) for i in (0, 1)),
        (SQUARE, lambda a: np.linalg.lstsq(a, RIGHT, rcond=-1)[0]),
        (RIGHT, lambda b: np.linalg.lstsq(RIGHT, b**2, rcond=None)[0]),
        (RIGHT, lambda b: np.linalg.lstsq(RIGHT, b**2, rcond=None)[1]),
        (TALL, lambda a: np.linalg.lstsq(a, a[:, 0] + 1, rcond=0.9)[0]),
        (SQUARE, lambda a: np.linalg.lstsq(np.stack([a[0], a[1], a[0] - 2 * a[1]]), a[2], rcond=1e-10)[0]),
    ],
    "matrix_power": [(x, lambda a, n=n: np.linalg.matrix_power(a, n)) for x in (SQUARE, STACK) for n in range(-3, 8)],
    "norm": [
        (RIGHT, np.linalg.norm),
        (SQUARE, lambda x: np.linalg.norm(x[0], 2)),
        (STACK, lambda x: np.linalg.norm(x)),
        (SQUARE[0, 0], lambda x: np.linalg.norm(x)),
        *(
            (RIGHT, lambda x, p=p: np.linalg.norm(x, p, axis=0, keepdims=True))
            for p in (None, 2, 1, 3, 2.5, 0, -1, np.inf, -np.inf)
        ),
        *(
            (STACK, lambda x, p=p: np.linalg.norm(x, p, axis=(2, 1), keepdims=p == 1))
            for p in (None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)
        ),
    ],
    "vector_norm": [
        (RIGHT, np.linalg.vector_norm),
        *((RIGHT, lambda x, p=p: np.linalg.vector_norm(x, ord=p)) for p in (1, 3, 0, np.inf, -np.inf)),
        *(
            (STACK, lambda x, p=p: np.linalg.vector_norm(x, axis=(0, -1), ord=p, keepdims=True))
            for p in (2, 3, 1.5, -1, -2, np.inf)
        ),
        (STACK, lambda x: np.linalg.vector_norm(x, axis=1)),
    ],
    "matrix_norm": [
        *(
            (STACK, lambda x, p=p: np.linalg.matrix_norm(x, ord=p))
            for p in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)
        ),
        (TALL, lambda x: np.linalg.matrix_norm(x, keepdims=True, ord=-2)),
    ],
    "cond": [
        (x, lambda a, p=p: np.linalg.cond(a, p))
        for x in (SQUARE, STACK)
        for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")
    ],
    "tensorsolve": [
        (SQUARE, lambda a: np.linalg.tensorsolve(np.reshape(a, (3, 1, 3)), a[:, :1])),
        (SQUARE, lambda a: np.linalg.tensorsolve(np.reshape(a, (3, 3)), a[0], axes=(0,))),
    ],
    "tensorinv": [
        (SQUARE, lambda a: np.linalg.tensorinv(np.reshape(a, (3, 3, 1)), 1)),
        (SQUARE, lambda a: np.linalg.tensorinv(np.reshape(a, (3, 1, 1, 3)))),
    ],
    "multi_dot": [
        (TALL, lambda a: np.linalg.multi_dot([a, WIDE, a])),
        (TALL, lambda a: np.linalg.multi_dot([a[:, 0], a, WIDE, a[:, 1]])),
    ],
    "matmul": [(STACK, lambda x: np.linalg.matmul(x, x[::-1]))],
    "vecdot": [
        (STACK, lambda x: np.linalg.vecdot(x, x[::-1] ** 2)),
        (STACK, lambda x: np.linalg.vecdot(x[0], x**2, axis=-2)),
    ],
    "outer": [(SQUARE, lambda x: np.linalg.outer(x[0], x[1] ** 2))],
    "tensordot": [(SQUARE, lambda x: np.linalg.tensordot(x, x**2, axes=((0, 1), (1, 0))))],
    "trace": [(STACK, lambda x: np.linalg.trace(x * x, offset=1))],
    "diagonal": [(STACK, lambda x: np.linalg.diagonal(x * x, offset=-1))],
    "matrix_transpose": [(STACK, lambda x: np.linalg.matrix_transpose(x) ** 2)],
    "cross": [
        (STACK, lambda x: np.linalg.cross(x, x[::-1, ::-1])),
        (RIGHT, lambda x: np.linalg.cross(x, x**2, axis=0)),
        (RIGHT.T, lambda x: np.linalg.cross(x, SQUARE[:, None])),
        (RIGHT, lambda x: np.cross(x, SQUARE[:2], axisa=0, axisb=1, axisc=0)),
    ],
}


#: What does not depend on more than NumPy's own choices stays comparable with finite differences.
COMPLEX = {name: CASES[name] for name in CASES if name not in ("svd", "norm", "lstsq", "matrix_power", "cond", "pinv")}
COMPLEX |= {
    "svd": CASES["svd"][:9],
    "norm": [(x, f) for x, f in CASES["norm"] if np.ndim(x)],
    "lstsq": CASES["lstsq"][:8],
    "matrix_power": CASES["matrix_power"][:11],
    "cond": CASES["cond"][:9],
    "pinv": CASES["pinv"][:4],
}
