"""Values with uncertainties, beside the package `uncertainties`: the standard deviations of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .harness import Call, Peer, Work, optional

RNG = np.random.default_rng(0)
#: Arrays of values, with the standard deviation 0.1.
MANY, FEW, MATRICES, LARGE = (RNG.random(shape) + 1 for shape in ((2, 100_000), (200,), (2, 100, 100), (2048, 2048)))
STD = 0.1


def dualdiff(values: Any, f: Callable[..., Any]) -> Callable[[], Call]:
    """f(module with the names, NumPy, *arrays), on arrays that are made before."""

    def prepare() -> Call:
        names = optional("dualdiff").uncertain
        arrays = [names.uarray(a, STD) for a in values]
        return lambda: f(names, np, *arrays)

    return prepare


def peer(values: Any, f: Callable[..., Any]) -> Callable[[], Call]:
    """The same with the arrays of objects of `uncertainties`."""

    def prepare() -> Call:
        names = optional("uncertainties")
        unumpy = optional("uncertainties.unumpy")
        arrays = [unumpy.uarray(a, np.full(a.shape, STD)) for a in values]
        names.std_devs = unumpy.std_devs
        return lambda: f(names, unumpy, *arrays)

    return prepare


def formula(names: Any, library: Any, a: Any, b: Any) -> Any:
    return names.std_devs(library.sin(a) * library.exp(-b) + a / b)


def cumulative(names: Any, library: Any, a: Any) -> Any:
    return np.asarray(names.covariance_matrix(np.cumsum(a)))


def product(names: Any, library: Any, a: Any, b: Any) -> Any:
    return names.std_devs(a @ b)


def array_work(name: str, values: Any, f: Callable[..., Any], bar: float, expected: Any, rounds: int) -> Work:
    return Work(
        name, dualdiff(values, f), [Peer("uncertainties", peer(values, f), at_most=bar)], expected, rounds=rounds
    )


def std_of_formula() -> Any:
    a, b = MANY
    return STD * np.hypot(np.cos(a) * np.exp(-b) + 1 / b, np.sin(a) * np.exp(-b) + a / b**2)


def scalars(of_dualdiff: bool, f: Callable[..., Any]) -> Callable[[], Call]:
    def prepare() -> Call:
        names = optional("dualdiff").uncertain if of_dualdiff else optional("uncertainties")
        library = np if of_dualdiff else optional("uncertainties.umath")
        a, b = names.ufloat(0.5, 0.1), names.ufloat(2.0, 0.3)
        return lambda: f(library, a, b)

    return prepare


def square(library: Any, a: Any, b: Any) -> Any:
    return (a**2).std_dev


def of_two(library: Any, a: Any, b: Any) -> Any:
    return (library.sin(a) * library.exp(-b) + a / b).std_dev


def works_of_scalars() -> list[Work]:
    slopes = np.cos(0.5) * np.exp(-2.0) + 0.5, np.sin(0.5) * np.exp(-2.0) + 0.125
    expected = {square: 0.1, of_two: float(np.hypot(0.1 * slopes[0], 0.3 * slopes[1]))}
    names = {square: "`(x**2).std_dev`, one value", of_two: "`(sin(a)*exp(-b) + a/b).std_dev`, two values"}
    return [
        Work(
            names[f],
            scalars(True, f),
            [Peer("uncertainties", scalars(False, f), at_most=1.0)],
            expected[f],
        )
        for f in (square, of_two)
    ]


def create_ours() -> Call:
    names = optional("dualdiff").uncertain
    return lambda: names.uarray(LARGE, STD)


def create_theirs() -> Call:
    unumpy = optional("uncertainties.unumpy")
    deviations = np.full(LARGE.shape, STD)
    return lambda: unumpy.uarray(LARGE, deviations)


WORKS = [
    array_work("`sin(a)*exp(-b) + a/b`, 10^5 values", MANY, formula, 1 / 300, std_of_formula(), 3),
    array_work(
        "covariance of the cumulative sum of 200 values",
        FEW[None],
        cumulative,
        1 / 80,
        STD**2 * np.minimum.outer(np.arange(1, 201), np.arange(1, 201)),
        5,
    ),
    array_work(
        "product of 100 x 100 matrices",
        MATRICES,
        product,
        1 / 20,
        STD * np.sqrt(np.sum(MATRICES[0] ** 2, axis=1)[:, None] + np.sum(MATRICES[1] ** 2, axis=0)),
        3,
    ),
    Work(
        "2048 x 2048 values, made",
        create_ours,
        [Peer("uncertainties", create_theirs, at_most=1 / 500, read=None)],
        self_checked=True,
        rounds=3,
    ),
    *works_of_scalars(),
]
