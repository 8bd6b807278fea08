"""Code as it is found: plain NumPy in classes and helpers, which knows nothing of dual numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy import array, zeros


def squares(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[i] ** 2
    return y


def square(t):
    y = np.zeros(1)
    y[0] = t**2
    return y[0]


def squares_by_name(x):
    y = zeros(3)
    y[:] = x**2
    return y


def squares_with_a_default(x, make=np.zeros):
    y = make(3)
    y[...] = x**2
    return y


def squares_with_a_keyword(x, *, make=zeros):
    y = make(3)
    y[...] = x**2
    return y


def squares_with_a_helper(x):
    return squares(x) * squares_by_name(x) / x**2


def each_square(x):
    """A generator with a buffer of its own."""
    y = np.empty(1)
    for element in x:
        y[0] = element**2
        yield y[0]


def states(x):
    return array([x[0], x[1], x[2]], dtype=float) ** 2


class Squares:
    """Buffers in every part of a class."""

    shared = np.zeros(3)

    def __init__(self, n=3):
        self.buffer = np.zeros(n)

    @property
    def fresh(self):
        return zeros(3)

    @cached_property
    def kept(self):
        return np.zeros(3)

    @staticmethod
    def static(x):
        y = np.zeros(3)
        y[:] = x**2
        return y

    @classmethod
    def of_class(cls, x):
        made = cls()
        made.buffer[:] = x**2
        return made.buffer

    def by_property(self, x):
        y = self.fresh
        y[:] = x**2
        return y

    def by_cached_property(self, x):
        self.kept[:] = x**2
        return self.kept

    def by_buffer(self, x):
        self.buffer[:] = x
        self.buffer *= x
        return self.buffer

    def __call__(self, x):
        y = np.zeros(3)
        y[:] = x**2
        return y

    def __matmul__(self, x):
        return self(x)


class Caller:
    """A work array of an object that is called."""

    def __init__(self):
        self.work = np.zeros(3)

    def __call__(self, x):
        self.work[:] = x**2
        return self.work


@dataclass
class Record:
    """Default factories."""

    scale: float
    y: np.ndarray = field(default_factory=lambda: np.zeros(3))
    z: np.ndarray = field(default_factory=partial(np.zeros, 3))

    def squares(self, x):
        self.y[:] = self.scale * x
        self.z[:] = x
        return self.y * self.z / self.scale

    def product(self):
        y = np.zeros(2)
        y[:] = self.scale
        return y[0] * y[1]


# -- a rainfall-runoff model -------------------------------------------------------------------------------------------
@dataclass
class Store:
    """A linear reservoir."""

    k: float
    s: float = 0.0
    out: list = field(default_factory=list)

    def step(self, inflow):
        self.s += inflow
        q = self.k * self.s
        self.s -= q
        self.out.append(q)
        return q


class Reservoirs:
    """Soil that overflows into one slow and three quick reservoirs (HyMOD)."""

    def __init__(self, cmax, bexp, alpha, ks, kq):
        self.cmax, self.bexp, self.alpha = cmax, bexp, alpha
        self.slow, self.quick = Store(ks), [Store(kq) for _ in range(3)]
        self.w = 0.0

    def excess(self, p, e):
        before = self.cmax * (1 - (1 - (self.bexp + 1) * self.w / self.cmax) ** (1 / (self.bexp + 1)))
        over = max(p - self.cmax + before, 0.0)
        filled = min((before + p - over) / self.cmax, 1)
        most = self.cmax / (self.bexp + 1)
        stored = most * (1 - (1 - filled) ** (self.bexp + 1))
        rest = max(p - over - (stored - self.w), 0)
        self.w = max(stored - stored / most * e, 0)
        return over + rest

    def run(self, rain, pet):
        flow = np.zeros(len(rain))
        for t, (p, e) in enumerate(zip(rain, pet, strict=True)):
            u = self.excess(p, e)
            x = self.alpha * u
            for store in self.quick:
                x = store.step(x)
            flow[t] = self.slow.step((1 - self.alpha) * u) + x
        return flow


# -- a Kalman filter ---------------------------------------------------------------------------------------------------
class Kalman:
    """A filter of positions with constant velocity, whose arrays are made once and written in place."""

    def __init__(self, q, r):
        self.q, self.r = q, r
        self.x = np.zeros(2)
        self.P = np.eye(2)
        self.F = np.array([[1.0, 1.0], [0.0, 1.0]])
        self.H = np.array([[1.0, 0.0]])
        self.loglik = 0.0

    def predict(self):
        self.x[:] = self.F @ self.x
        self.P[...] = self.F @ self.P @ self.F.T
        self.P[np.diag_indices(2)] += self.q

    def update(self, z):
        innovation = z - (self.H @ self.x)[0]
        s = (self.H @ self.P @ self.H.T)[0, 0] + self.r
        gain = np.empty(2)
        gain[:] = self.P[:, 0] / s
        self.x += gain * innovation
        self.P -= np.outer(gain, self.P[0].copy())
        self.loglik -= 0.5 * (np.log(2 * np.pi * s) + innovation**2 / s)

    def run(self, data):
        for z in data:
            self.predict()
            self.update(z)
        return self.loglik


class Worker:
    """Work arrays that are made before the call."""

    def __init__(self):
        self.work = np.zeros(3)
        self.rows = [np.zeros(3), np.ones(3)]
        self.named = {"a": np.zeros((2, 3))}
        self.inner = Squares()
        self.data = np.arange(1.0, 4.0)

    def squares(self, x):
        self.work[:] = x
        again = self.work
        again *= x
        self.rows[1][...] = self.work
        self.named["a"][0] = self.rows[1]
        self.inner.buffer[:] = self.named["a"][0] * self.data
        return self.inner.buffer / self.data

    def in_parts(self, x):
        """One method writes and another reads."""
        self.write(x)
        return self.read()

    def write(self, x):
        np.multiply(x, x, out=self.work)

    def read(self):
        return self.work


WORK = np.zeros(3)
#: Data with the name of no local variable, and with that of one.
DATA = np.arange(1.0, 4.0)
y = np.arange(1.0, 4.0)
KINDS = []


def times_data(x):
    KINDS.append(type(y))
    return x * y * DATA


def squares_in_a_global(x):
    WORK[:] = x**2
    return WORK


def into(y, x):
    y[:] = x**2


def squares_by_a_writer(x):
    into(WORK, x)
    return WORK + 0.0
