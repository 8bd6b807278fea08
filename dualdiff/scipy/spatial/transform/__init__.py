"""``scipy.spatial.transform`` for duals: rotations.  Every other name is SciPy's own, and refuses duals."""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.spatial.rotations import Rotation, Slerp

__all__ = ["Rotation", "Slerp"]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_rule(load("scipy.spatial.transform", "scipy", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(load("scipy.spatial.transform", "scipy", __name__))})
