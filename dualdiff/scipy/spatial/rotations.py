"""Rotations in three dimensions whose quaternions may be duals, with the methods of SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.errors import no_rule
from dualdiff.base.extras import load
from dualdiff.core.array import operand
from dualdiff.rules.scipy.linalg.matrix_functions import polar
from dualdiff.rules.writing.array_rules import duals_in, plain_values
from dualdiff.scipy.solving.equations import revalued, unknown
from dualdiff.scipy.solving.stripped import values_of

_scipy = load("scipy.spatial.transform", "scipy", "dualdiff.scipy.spatial.transform")
#: Below this squared angle, and this squared sine of half of it, series replace quotients.
SMALL = 1e-4


def _floats(x: Any) -> Any:
    x = operand(x)
    x = x if duals_in(x) else np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def _last(x: Any) -> Any:
    return np.expand_dims(x, -1)


def _product(p: Any, q: Any) -> Any:
    """The product of quaternions whose scalar part is the last."""
    a, b, s, t = p[..., :3], q[..., :3], p[..., 3:], q[..., 3:]
    x, y = np.broadcast_arrays(a, b)
    cross = np.stack([x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=-1)
    vector = s * b + t * a + cross
    scalar = s * t - np.sum(a * b, axis=-1, keepdims=True)
    return np.concatenate([vector, np.broadcast_to(scalar, (*np.shape(plain_values(vector))[:-1], 1))], axis=-1)


def _inverse(q: Any) -> Any:
    return q * np.array([-1.0, -1.0, -1.0, 1.0])


def _of_rotvec(r: Any) -> Any:
    t = np.sum(r * r, axis=-1, keepdims=True)
    small = plain_values(t) < SMALL
    angle = np.sqrt(np.where(small, 1.0, t))
    share = np.where(small, 0.5 - t / 48 + t**2 / 3840 - t**3 / 645120, np.sin(angle / 2) / angle)
    cosine = np.where(small, 1 - t / 8 + t**2 / 384 - t**3 / 46080, np.cos(angle / 2))
    return np.concatenate([share * r, cosine], axis=-1)


def _to_rotvec(q: Any) -> Any:
    q = np.where(plain_values(q[..., 3:]) < 0, -q, q)
    v, w = q[..., :3], q[..., 3:]
    s = np.sum(v * v, axis=-1, keepdims=True)
    small = plain_values(s) < SMALL
    sine = np.sqrt(np.where(small, 1.0, s))
    series = 2 * (1 + s / 6 + 3 * s**2 / 40 + 15 * s**3 / 336 + 105 * s**4 / 3456)
    return v * np.where(small, series, 2 * np.arctan2(sine, w) / sine)


def _of_matrix(m: Any) -> Any:
    """After Markley: from the largest of the four squares of the components."""
    m = polar(m)[0] if np.ndim(plain_values(m)) == 2 else np.stack([polar(e)[0] for e in m])
    diagonal = [m[..., i, i] for i in range(3)]
    trace = diagonal[0] + diagonal[1] + diagonal[2]
    largest = np.argmax(plain_values(np.stack([*diagonal, trace], axis=-1)), axis=-1)
    choices = []
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        parts = {i: 1 - trace + 2 * m[..., i, i], j: m[..., j, i] + m[..., i, j], k: m[..., k, i] + m[..., i, k]}
        choices.append(np.stack([parts[0], parts[1], parts[2], m[..., k, j] - m[..., j, k]], axis=-1))
    last = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1], 1 + trace]
    choices.append(np.stack(last, axis=-1))
    result: Any = choices[3]
    for i in range(3):
        result = np.where(_last(largest == i), choices[i], result)
    return _unit(result)


def _unit(q: Any) -> Any:
    return q / np.sqrt(np.sum(q * q, axis=-1, keepdims=True))


def _to_matrix(q: Any) -> Any:
    x, y, z, w = (q[..., i] for i in range(4))
    rows = [
        [x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _of_euler(seq: str, angles: Any) -> Any:
    result: Any = None
    for i, axis in enumerate(seq.lower()):
        half = angles[..., i] / 2
        zero = 0.0 * half
        parts = [np.sin(half) if name == axis else zero for name in "xyz"]
        q = np.stack([*parts, np.cos(half)], axis=-1)
        # Capital letters are axes that turn with the body.
        result = q if result is None else (_product(result, q) if seq.isupper() else _product(q, result))
    return result


def _to_euler(q: Any, seq: str) -> tuple[Any, Any]:
    """The angles, after Bernardes and Viollet, and where they are not determined."""
    extrinsic = seq.islower()
    order = ["xyz".index(c) for c in seq.lower()]
    i, j, k = order if extrinsic else order[::-1]
    symmetric = i == k
    k = 3 - i - j if symmetric else k
    sign = (i - j) * (j - k) * (k - i) // 2
    x, y, z, w = q[..., i], q[..., j], q[..., k] * sign, q[..., 3]
    a, b, c, d = (w, x, y, z) if symmetric else (w - y, x + z, y + w, z - x)
    middle = 2 * np.arctan2(np.sqrt(c * c + d * d), np.sqrt(a * a + b * b))
    locked = (np.abs(plain_values(middle)) <= 1e-7) | (np.abs(plain_values(middle) - np.pi) <= 1e-7)
    half_sum, half_difference = np.arctan2(b, a), np.arctan2(d, c)
    first, third = half_sum - half_difference, half_sum + half_difference
    if not symmetric:
        third, middle = third * sign, middle - np.pi / 2
    angles = [first, middle, third] if extrinsic else [third, middle, first]
    if not symmetric and not extrinsic:
        angles = [third, middle, first]
    return np.stack(angles, axis=-1), locked


def _near(dual: Any, value: Any, turn: float = 0.0) -> Any:
    """SciPy's value with the tangents of a formula, which may differ by whole turns."""
    difference = plain_values(dual) - value
    if turn:
        difference = (difference + turn / 2) % turn - turn / 2
    if not np.allclose(difference, 0.0, atol=1e-6):
        raise no_rule("scipy.spatial.transform.Rotation with these arguments")
    return revalued(dual, value)


class Rotation:
    """Rotations in three dimensions, as ``scipy.spatial.transform.Rotation``; what they are made of may be duals.

    They are made by ``from_quat``, ``from_matrix``, ``from_rotvec``, ``from_euler``, ``from_mrp``, ``identity`` and
    ``concatenate``.

    Raises
    ------
    dualdiff.NoRuleError
        For duals in methods of SciPy's that are not here (``mean``, ``align_vectors``, ``from_davenport``, ...).

    Notes
    -----
    Derivatives are those of unit quaternions, and exact at the identity too.  At a gimbal lock those of Euler angles
    are NaN, at a half turn those of the rotation vector are those of the side that SciPy takes.  A matrix that is not
    orthogonal is replaced by the nearest that is.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import jacobian
    >>> from dualdiff.scipy.spatial.transform import Rotation
    >>> jacobian(lambda r: Rotation.from_rotvec(r).apply([1.0, 0.0, 0.0]), np.zeros(3)) + 0.0
    array([[ 0.,  0.,  0.],
           [ 0.,  0.,  1.],
           [ 0., -1.,  0.]])
    """

    def __init__(self, quat: Any, *args: Any, **kwargs: Any) -> None:
        self._plain = _scipy.Rotation.from_quat(values_of(quat), *args, **kwargs)
        self._quat = _near_quat(_unit(_floats(quat)), self._plain)

    @classmethod
    def _of(cls, plain: Any, quat: Any = None) -> Rotation:
        self = cls.__new__(cls)
        self._plain = plain
        self._quat = plain.as_quat() if quat is None or not duals_in(quat) else _near_quat(quat, plain)
        return self

    @classmethod
    def from_quat(cls, quat: Any, **options: Any) -> Rotation:
        """From quaternions, whose scalar part is the last, or the first with ``scalar_first``."""
        plain = _scipy.Rotation.from_quat(values_of(quat), **options)
        if not duals_in(quat):
            return cls._of(plain)
        q = _floats(quat)
        if options.get("scalar_first"):
            q = np.concatenate([q[..., 1:], q[..., :1]], axis=-1)
        return cls._of(plain, _unit(q))

    @classmethod
    def from_matrix(cls, matrix: Any, **options: Any) -> Rotation:
        """From rotation matrices."""
        plain = _scipy.Rotation.from_matrix(values_of(matrix), **options)
        return cls._of(plain, _of_matrix(_floats(matrix)) if duals_in(matrix) else None)

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """From rotation vectors: the axis times the angle."""
        plain = _scipy.Rotation.from_rotvec(values_of(rotvec), degrees)
        r = _floats(rotvec) * (np.pi / 180 if degrees else 1.0)
        return cls._of(plain, _of_rotvec(r) if duals_in(rotvec) else None)

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """From modified Rodrigues parameters: the axis times the tangent of a quarter of the angle."""
        plain = _scipy.Rotation.from_mrp(values_of(mrp))
        p = _floats(mrp)
        s = np.sum(p * p, axis=-1, keepdims=True)
        quat = np.concatenate([2 * p, 1 - s], axis=-1) / (1 + s)
        return cls._of(plain, quat if duals_in(mrp) else None)

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """From Euler angles about the axes of ``seq``: fixed ones, or with capital letters those of the body."""
        plain = _scipy.Rotation.from_euler(seq, values_of(angles), degrees)
        if not duals_in(angles):
            return cls._of(plain)
        a = _floats(angles) * (np.pi / 180 if degrees else 1.0)
        shape = np.shape(plain.as_quat())[:-1]
        return cls._of(plain, _of_euler(seq, np.reshape(a, (*shape, len(seq)))))

    @classmethod
    def identity(cls, *args: Any, **kwargs: Any) -> Rotation:
        """Identity rotations."""
        return cls._of(_scipy.Rotation.identity(*args, **kwargs))

    @classmethod
    def random(cls, *args: Any, **kwargs: Any) -> Rotation:
        """Random rotations, which are plain."""
        return cls._of(_scipy.Rotation.random(*args, **kwargs))

    @classmethod
    def concatenate(cls, rotations: Any) -> Rotation:
        """Several rotations as one object."""
        parts = [r if type(r) is Rotation else cls._of(r) for r in rotations]
        quat = np.concatenate([np.reshape(r._quat, (-1, 4)) for r in parts])
        return cls._of(_scipy.Rotation.concatenate([r._plain for r in parts]), quat)

    # -- what they are -----------------------------------------------------------------------------------------------
    def held_duals(self) -> list[Any]:
        """The array of its quaternions, if these are duals."""
        return duals_in(self._quat)

    @property
    def plain(self) -> Any:
        """SciPy's object with the plain values."""
        return self._plain

    @property
    def single(self) -> bool:
        return bool(self._plain.single)

    def __len__(self) -> int:
        return len(self._plain)

    def __getitem__(self, key: Any) -> Rotation:
        return self._of(self._plain[key], self._quat[key])

    def __repr__(self) -> str:
        return f"Rotation({self._quat!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(_scipy.Rotation, name):
            raise AttributeError(f"'Rotation' object has no attribute {name!r}")
        if self.held_duals():
            raise no_rule(f"scipy.spatial.transform.Rotation.{name}")
        return getattr(self._plain, name)

    # -- how they are written ----------------------------------------------------------------------------------------
    def as_quat(self, canonical: bool = False, **options: Any) -> Any:
        """Unit quaternions."""
        value = self._plain.as_quat(canonical, **options)
        if not self.held_duals():
            return value
        q = self._quat
        if options.get("scalar_first"):
            q = np.concatenate([q[..., 3:], q[..., :3]], axis=-1)
        same = np.sum(plain_values(q) * value, axis=-1, keepdims=True) > 0
        return _near(np.where(same, q, -q), value)

    def as_matrix(self) -> Any:
        """Rotation matrices."""
        value = self._plain.as_matrix()
        return _near(_to_matrix(self._quat), value) if self.held_duals() else value

    def as_rotvec(self, degrees: bool = False) -> Any:
        """Rotation vectors."""
        value = self._plain.as_rotvec(degrees)
        return _near(_to_rotvec(self._quat) * (180 / np.pi if degrees else 1.0), value) if self.held_duals() else value

    def as_mrp(self) -> Any:
        """Modified Rodrigues parameters."""
        value = self._plain.as_mrp()
        if not self.held_duals():
            return value
        q = np.where(plain_values(self._quat[..., 3:]) < 0, -self._quat, self._quat)
        return _near(q[..., :3] / (1 + q[..., 3:]), value)

    def as_euler(self, seq: str, degrees: bool = False, **options: Any) -> Any:
        """Euler angles; their derivatives are NaN at a gimbal lock."""
        value = self._plain.as_euler(seq, degrees, **options)
        if not self.held_duals():
            return value
        with np.errstate(all="ignore"):
            angles, locked = _to_euler(self._quat, seq)
            if np.any(locked):
                return unknown(value, self._quat)
            scale = 180 / np.pi if degrees else 1.0
            return _near(angles * scale, value, 2 * np.pi * scale)

    def magnitude(self) -> Any:
        """The angles."""
        value = self._plain.magnitude()
        if not self.held_duals():
            return value
        with np.errstate(all="ignore"):
            sine = np.sqrt(np.sum(self._quat[..., :3] ** 2, axis=-1))
            return _near(2 * np.arctan2(sine, np.abs(self._quat[..., 3])), value)

    # -- what they do ------------------------------------------------------------------------------------------------
    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """The rotated vectors."""
        value = self._plain.apply(values_of(vectors), inverse)
        if not (self.held_duals() or duals_in(vectors)):
            return value
        matrix = _to_matrix(_inverse(self._quat) if inverse else self._quat)
        return _near(np.sum(matrix * np.expand_dims(_floats(vectors), -2), axis=-1), value)

    def inv(self) -> Rotation:
        """The inverse rotations."""
        return self._of(self._plain.inv(), _inverse(self._quat))

    def __mul__(self, other: Any) -> Rotation:
        other = other if type(other) is Rotation else self._of(other)
        return self._of(self._plain * other._plain, _product(self._quat, other._quat))

    def __pow__(self, n: Any, modulus: Any = None) -> Rotation:
        if duals_in(n):
            return self.from_rotvec(self.as_rotvec() * n)
        return self._of(self._plain**n, _of_rotvec(_to_rotvec(self._quat) * n))


def _near_quat(quat: Any, plain: Any) -> Any:
    """The unit quaternions with the values of SciPy's, whose signs may be others."""
    value = plain.as_quat()
    same = np.sum(plain_values(quat) * value, axis=-1, keepdims=True) > 0
    return _near(np.where(same, quat, -quat), value)


class Slerp:
    """Interpolation of rotations at constant angular velocity, as ``scipy.spatial.transform.Slerp``.

    Parameters
    ----------
    times : array_like
        Increasing times: plain values.
    rotations : Rotation
        The rotations at these times, which may be of duals.

    Notes
    -----
    The times of the call may be duals.

    Examples
    --------
    >>> from dualdiff import derivative
    >>> from dualdiff.scipy.spatial.transform import Rotation, Slerp
    >>> turn = Slerp([0.0, 1.0], Rotation.from_rotvec([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> round(float(derivative(lambda t: turn(t).as_rotvec()[2], 0.5)), 6)
    1.0
    """

    def __init__(self, times: Any, rotations: Any) -> None:
        self.rotations = rotations if type(rotations) is Rotation else Rotation._of(rotations)
        self._plain = _scipy.Slerp(times, self.rotations._plain)
        self.times = self._plain.times

    def __call__(self, times: Any) -> Rotation:
        plain = self._plain(values_of(times))
        if not duals_in((times, self.rotations)):
            return Rotation._of(plain)
        t = _floats(times)
        at = plain_values(t)
        i = np.clip(np.searchsorted(self.times, at, side="left") - 1, 0, len(self.times) - 2)
        share = (t - self.times[i]) / (self.times[i + 1] - self.times[i])
        start, end = self.rotations._quat[i], self.rotations._quat[i + 1]
        step = _to_rotvec(_product(_inverse(start), end))
        return Rotation._of(plain, _product(start, _of_rotvec(step * _last(share))))
