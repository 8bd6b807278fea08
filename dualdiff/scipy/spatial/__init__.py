"""``scipy.spatial`` for duals: distances, rotations, Procrustes' analysis.

`distance` and `transform` are modules.  Trees, hulls and triangulations are SciPy's own, and refuse duals: they choose
by comparisons, from ``dualdiff.value(x)``.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.late import of_scipy
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.spatial.pairs import distance_matrix, minkowski_distance, minkowski_distance_p, procrustes

__all__ = ["distance_matrix", "minkowski_distance", "minkowski_distance_p", "procrustes"]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return of_scipy(f"spatial.{name}") or without_rule(load("scipy.spatial", "scipy", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), "distance", "transform", *dir(load("scipy.spatial", "scipy", __name__))})
