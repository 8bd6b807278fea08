"""``scipy.spatial.transform`` for duals: rotations.  Every other name is SciPy's own, and refuses duals."""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.spatial.rotations import Rotation, Slerp

__all__ = ["Rotation", "Slerp"]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
