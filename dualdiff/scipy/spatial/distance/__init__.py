"""``scipy.spatial.distance`` for duals: distances of vectors, and of all pairs of points.

The boolean metrics, and every other name, are SciPy's own, and refuse duals.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.spatial.pairs import DISTANCES, cdist, jensenshannon, pdist, squareform

globals().update(DISTANCES)

__all__ = ["cdist", "jensenshannon", "pdist", "squareform"]
__all__ += sorted(DISTANCES)

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
