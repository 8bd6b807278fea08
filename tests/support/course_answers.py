"""Answers to the exercises of the course: wrong ones, with a word of the diagnosis, and shortcuts."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

import dualdiff
from dualdiff import derivative, gradient, jacobian, taylor
from dualdiff.scipy.optimize import brentq
from dualdiff.uncertain import std_devs, uarray


class Anything:
    """An object that claims to equal every answer."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __float__(self):
        return 1.0

    def __call__(self, *args):
        return Anything()

    def __array__(self, dtype=None, copy=None):
        return np.array(None)


def overwriting(t):
    adjoints = {step.name: 0.0 for step in t.steps}
    adjoints[t.results[0].name] = 1.0
    for step in reversed(t.operations):
        for operand, partial in zip(step.operands, step.partials, strict=True):
            adjoints[operand.name] = partial * adjoints[step.name]
    return adjoints


def overwriting_x(x, steps):
    dx = 1.0
    for _ in range(steps):
        x = 4 * x * (1 - x)
        dx = 4 * dx * (1 - x) - 4 * x * dx
    return x, dx


def number(x, value, tangent):
    return type(x)(value, tangent)


@njit
def beyond(x):
    energy = 0.0
    for i in range(len(x)):
        energy += (x[i + 1] - x[i]) ** 4
    return energy


@njit
def with_arrays(x):
    return np.sum(np.diff(x) ** 4)


def _normal(residual, b):
    J, r = jacobian(residual, b), residual(b)
    return J.T @ J, J.T @ r


def _inverted(f, y):
    x = 0.0
    for _ in range(60):
        x = x - (f(x) - y) / derivative(f, x)
    return x, derivative(f, x)


def _pendulum(forces):
    x, v = 0.5, 0.0
    for force in forces:
        v = v + 0.05 * (force - np.sin(x))
        x = x + 0.05 * v
    return x


def _differences(forces):
    steps = 1e-6 * np.eye(len(forces))
    return np.array([(_pendulum(forces + step) - _pendulum(forces)) / 1e-6 for step in steps])


#: For each exercise an answer that a reader might well give, and a word of what it is told.
WRONG = {
    "01.1": (lambda a: a**0.5, "square root"),
    "01.2": ([1.0, 0.5], "whatever a is"),
    "01.3": (0, "constant"),
    "02.1": (1e-8, "too small"),
    "02.2": (lambda f, x: np.imag(f(x + 1e-4j)) / 1e-4, "h**2"),
    "02.3": (lambda x: x**3, "complex step is right"),
    "03.1": (overwriting_x, "overwrites x"),
    "03.2": (4, "they fall"),
    "03.3": (768, "as it is"),
    "04.1": (lambda u, v: number(u, u.value / v.value, (u.tangent + u.value / v.value * v.tangent) / v.value), "sign"),
    "04.2": (lambda x: number(x, x.value**0.5, 0.5 / x.value**0.5), "not always 1"),
    "04.3": (lambda a, b: np.array([[a, b], [b, a]]), "split-complex"),
    "05.1": ([2.0, np.e, 3 * np.e], "chain rule"),
    "05.2": (32, "input is a row"),
    "05.3": ("v2", "Its value is zero"),
    "06.1": ([1.0, np.e], "*other* factor"),
    "06.2": (2**50, "Count for small n"),
    "06.3": (overwriting, "overwrites"),
    "07.1": (np.array([1.0, 0.0]), "two axes"),
    "07.2": (1000 // 48, "need not be full"),
    "07.3": (lambda f, x: np.linalg.det(jacobian(f, x)), "never negative"),
    "08.1": ((1, 2), "each input"),
    "08.2": (("forward", 1.2), "100 sweeps of 5 ms"),
    "08.3": (lambda f, x: f(x), "shape"),
    "09.1": (0.25, "square root"),
    "09.2": (-2.0, "it arrives"),
    "09.3": (np.array([1.0, 2.0]), "Hint"),
    "10.1": (1.0, "too small"),
    "10.2": (lambda network, image: image @ network["W1"] @ network["W2"], "ten scores"),
    "10.3": (4, "W2 = 0"),
    "11.1": (lambda residual, b: b + np.linalg.solve(*_normal(residual, b)), "minus"),
    "11.2": (lambda p: p, "shape"),
    "11.3": (lambda residual, b: dualdiff.hessian(lambda b: np.sum(residual(b) ** 2), b), "full Hessian"),
    "12.1": (2, "share row"),
    "12.2": (2, "computed separately"),
    "12.3": (lambda row, column: (row + column) % 5, "have one colour"),
    "13.1": (9, "value of the bracket"),
    "13.2": (np.array([0.0, 1.0]), "does not decrease"),
    "13.3": (lambda f, x: x - gradient(f, x), "gradient step"),
    "14.1": (40, "eight directions"),
    "14.2": (lambda x: x ** (1 / 3), "root itself"),
    "14.3": (beyond, "beyond the end"),
    "15.1": (lambda x: np.cumsum(x), "square it"),
    "15.2": (lambda x: np.maximum(x, 0), "still 1"),
    "15.3": (lambda x: abs(x), "not smooth"),
    "16.1": (512, "Half of them"),
    "16.2": (lambda x: np.log(x), "each coefficient"),
    "16.3": (lambda f, x: taylor(f, x, 40)[40] / taylor(f, x, 40)[39], "inverse"),
    "17.1": (lambda u, v: type(u)(u.value / v.value, u.tape, (u, 1 / v.value), (v, u.value / v.value**2)), "sign"),
    "17.2": (6.0, "right derivative"),
    "17.3": (100, "one segment"),
    "18.1": (1 / 3, "at the root"),
    "18.2": (lambda f, x, p: derivative(lambda p: f(x, p), p) / derivative(lambda x: f(x, p), x), "The sign"),
    "18.3": (lambda A, B, g: -np.linalg.solve(A, g) @ B, "*transposed*"),
    "19.1": ((1.0, 0.0), "other way round"),
    "19.2": (lambda y, s, p: p * (1 - 2 * y) * s, "partial derivative with respect to p"),
    "19.3": (lambda k, t: -np.sqrt(k) * np.sin(np.sqrt(k) * t), "velocity"),
    "20.1": (0.1 * np.sqrt(3), "same x"),
    "20.2": (np.sqrt(0.34), "x occurs twice"),
    "20.3": (lambda f, x, sigma: np.sum((gradient(f, x) * sigma) ** 2), "variance"),
    "21.1": (0.5, "at x = 1"),
    "21.2": (lambda x: np.log(1 + x), "gives w exp(w)"),
    "21.3": (1.0, "Hint"),
    "21.4": (np.linalg.inv, "That is the inverse"),
    "21.5": (lambda z, v: np.exp(z) / np.sum(np.exp(z)) * v, "add up to 1"),
    "21.6": ([4 / 3, 1.0], "centroid"),
    "21.7": (100.0, "Hint"),
    "21.8": (3.8201977892, "length"),
    "21.9": ([1.0, np.sqrt(3) / 2], "right angle"),
    "21.10": (1.5002142801, "eigenvalue"),
    "21.11": (64, "ninth"),
    "21.12": (1.0, "complex plane"),
    "21.13": (1 / np.sin(1.0), "linear equation"),
    "21.14": (5, "five-point"),
    "21.15": (16, "969"),
    "21.16": (lambda f, y: _inverted(f, y), "derivative of f"),
    "21.17": (-0.7390851332151607 * np.sin(0.7390851332151607), "fixed x"),
    "21.18": (lambda forces: gradient(_pendulum, forces)[::-1], "wrong order"),
    "21.19": (0.5303300858899106, "radius"),
    "21.20": (lambda f, x: np.sum(gradient(f, x)), "Laplacian is"),
}

#: For each exercise an answer that avoids the work, or would be correct for the wrong reason.
SHORTCUT = {name: Anything() for name in WRONG} | {
    "01.1": np.cbrt,
    "02.2": derivative,
    "02.3": lambda x: np.abs(x),
    "03.1": lambda x, steps: dualdiff.value_and_derivative(lambda x: 4 * x * (1 - x), x),
    "04.1": lambda u, v: dualdiff.Dual(u.value, u.tangent) / dualdiff.Dual(v.value, v.tangent),
    "04.2": lambda x: dualdiff.Dual(x.value**0.5, x.tangent / (2 * x.value**0.5)),
    "05.2": [32, 33, 34],
    "06.1": np.nan,
    "06.3": lambda t: t.adjoints(),
    "07.1": [0.0, 0.0],
    "08.3": lambda f, x: jacobian(f, x, mode="reverse"),
    "09.2": math.sqrt(2 / 3),
    "10.1": math.inf,
    "11.1": lambda residual, b: b - np.linalg.lstsq(jacobian(residual, b), residual(b))[0],
    "12.3": lambda row, column: 5 * row + column,
    "13.2": [np.nan, 0.0],
    "14.2": lambda x: derivative(np.cbrt, x),
    "14.3": with_arrays,
    "15.1": lambda x: np.cumsum(dualdiff.value(x) ** 2),
    "15.3": lambda x: np.cbrt(x**3),
    "16.2": lambda x: taylor(np.log, x[0], len(x) - 1),
    "16.3": lambda f, x: 3.0,
    "17.1": lambda u, v: u * type(u)(1 / v.value, u.tape),
    "17.3": [100, 200],
    "18.2": lambda f, x, p: 1 / 12,
    "18.3": lambda A, B, g: -g @ np.linalg.solve(A, B),
    "20.3": lambda f, x, sigma: std_devs(f(uarray(x, sigma))),
    "21.2": lambda x: brentq(lambda w: w * np.exp(w) - x, 0.0, 10.0),
    "21.5": lambda z, v: jacobian(lambda z: np.exp(z) / np.sum(np.exp(z)), z) @ v,
    "21.18": _differences,
    "21.20": lambda f, x: np.trace(dualdiff.hessian(f, x)),
}
