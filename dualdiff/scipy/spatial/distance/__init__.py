"""``scipy.spatial.distance`` for duals: distances of vectors, and of all pairs of points.

The boolean metrics, and every other name, are SciPy's own, and refuse duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.spatial.pairs import DISTANCES, cdist, jensenshannon, pdist, squareform

globals().update(DISTANCES)

__all__ = ["cdist", "jensenshannon", "pdist", "squareform"]
__all__ += sorted(DISTANCES)

for _name in __all__:
    shown_in(__name__)(globals()[_name])


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.spatial.distance", "scipy", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.spatial.distance", "scipy", __name__))})
