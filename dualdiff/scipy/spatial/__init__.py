"""``scipy.spatial`` for duals: distances, rotations, Procrustes' analysis.

`distance` and `transform` are modules.  Trees, hulls and triangulations are SciPy's own, and refuse duals: they choose
by comparisons, from ``dualdiff.value(x)``.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import rest_of_scipy
from dualdiff.scipy.spatial.pairs import distance_matrix, minkowski_distance, minkowski_distance_p, procrustes

__all__ = ["distance_matrix", "minkowski_distance", "minkowski_distance_p", "procrustes"]

for _name in __all__:
    shown_in(__name__)(globals()[_name])


__getattr__, __dir__ = rest_of_scipy(globals())
