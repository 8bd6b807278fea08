"""A probe of all continuous distributions: which are differentiated rightly in x, loc, scale and all shape parameters.

``python -m tests.scipy.stats.distributions`` prints the counts.  The references are differences of SciPy's values, of
sixth order, with the step at which two of them agree best.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.stats as scipy_stats
from scipy.stats import _distr_params as parameters

from dualdiff import jacobian
from dualdiff.base.errors import NoRuleError
from dualdiff.scipy import stats

#: The shape parameters that are whole numbers: there is no derivative with respect to them.
WHOLE = {"irwinhall": [0], "ksone": [0], "kstwo": [0]}
LOC, SCALE = 0.3, 1.7
POINTS = (0.23, 0.55, 0.81)
_WEIGHTS = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60.0


def entries() -> Iterator[tuple[str, tuple[float, ...]]]:
    """SciPy's own list: every distribution, some at several shapes."""
    for name, shapes in parameters.distcont:
        yield name, tuple(map(float, shapes))


class Probe:
    """A method of a distribution as a function of a shift of x, loc, scale and the shapes that are real."""

    def __init__(self, name: str, shapes: tuple[float, ...], method: str) -> None:
        self.name, self.shapes, self.method = name, shapes, method
        whole = WHOLE.get(name, [])
        self.real = [i for i in range(len(shapes)) if i not in whole]
        self.v = np.array([0.0, LOC, SCALE, *(shapes[i] for i in self.real)])
        points = np.array(POINTS)
        if method in ("ppf", "isf"):
            self.x = points
        else:
            self.x = getattr(scipy_stats, name).ppf(points, *shapes, loc=LOC, scale=SCALE)

    def __call__(self, module: Any, v: Any) -> Any:
        shapes: list[Any] = list(self.shapes)
        for place, i in enumerate(self.real):
            shapes[i] = v[3 + place]
        return getattr(getattr(module, self.name), self.method)(self.x + v[0], *shapes, loc=v[1], scale=v[2])

    def found(self, **options: Any) -> Any:
        """The Jacobian by dualdiff."""
        return jacobian(partial(self, stats), self.v, **options)

    def expected(self) -> tuple[Any, Any]:
        """The Jacobian by differences of SciPy's values, and an estimate of its error."""
        columns = [
            differences(lambda t, i=i: self(scipy_stats, _moved(self.v, i, t)), self.v[i]) for i in range(self.v.size)
        ]
        return tuple(np.stack(part, -1) for part in zip(*columns, strict=True))  # type: ignore[return-value]

    def verdict(self) -> str:
        """Right, wrong or what refuses."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = self.found()
            except NoRuleError as error:
                return f"refused: {error}"
            expected, error = self.expected()
        if np.any(np.isnan(found)):
            return "NaN"
        # SciPy's values on one side are NaN, or too rough.
        known = error < 1e-4 * (1.0 + np.abs(expected))
        allowed = 1e-5 * np.abs(expected) + 1e-7 + 20 * error
        if not np.all((np.abs(found - expected) <= allowed)[known]):
            return "WRONG"
        return "right" if np.all(known) else "without a reference"


def _moved(v: Any, i: int, t: Any) -> Any:
    moved = np.array(v)
    moved[i] += t
    return moved


def differences(f: Callable[[float], Any], at: float) -> tuple[Any, Any]:
    """The derivative of f at 0 by differences, with the smallest change from one step to the next."""
    size = max(abs(at), 0.1)
    found: list[Any] = []
    for step in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5):
        with np.errstate(all="ignore"):
            values = np.stack([f(k * step * size) if k else np.zeros(np.shape(f(0.0))) for k in range(-3, 4)])
        found.append(np.tensordot(_WEIGHTS, values, 1) / (step * size))
    changes = [np.abs(b - a) for a, b in pairwise(found)]
    errors = np.where(np.isnan(changes), np.inf, changes)
    best = np.argmin(errors, axis=0)
    taken = np.take_along_axis(np.stack(found[1:]), best[None], 0)[0]
    return taken, np.take_along_axis(errors, best[None], 0)[0]


def main(methods: list[str]) -> None:
    """Print the counts, and all that is not right."""
    everything = list(entries())
    for method in methods:
        verdicts = {(n, s): Probe(n, s, method).verdict() for n, s in everything}
        right = sum(v == "right" for v in verdicts.values())
        wrong = sum(v == "WRONG" for v in verdicts.values())
        print(f"{method}: {right} of {len(everything)} right, {wrong} wrong")
        for (name, shapes), verdict in verdicts.items():
            if verdict != "right":
                print(f"    {name}{shapes}: {verdict}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["logpdf", "cdf", "ppf"])
