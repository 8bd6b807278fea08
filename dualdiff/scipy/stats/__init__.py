"""``scipy.stats`` for duals: ``from dualdiff.scipy import stats``.

Distributions, frozen ones too, take duals in x, loc, scale and shape parameters, and so do the statistics that are
formulas.  `fit_information` and `fit_covariance` are not in SciPy.  Every other name is SciPy's own, and refuses duals.
"""

from __future__ import annotations

from typing import Any

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.rules.writing.over_scipy import without_rule
from dualdiff.scipy.stats.likelihoods import fit_covariance, fit_information
from dualdiff.scipy.stats.multivariate import MULTIVARIATE, FrozenMultivariate, Multivariate
from dualdiff.scipy.stats.random_variables import Distribution, Frozen
from dualdiff.scipy.stats.statistics import STATISTICS

_scipy = load("scipy.stats", "scipy", "dualdiff.scipy.stats")
_DISTRIBUTIONS = [name for name, x in vars(_scipy).items() if isinstance(x, (_scipy.rv_continuous, _scipy.rv_discrete))]
_NAMED = {**STATISTICS, **MULTIVARIATE}
__all__ = ["fit_covariance", "fit_information"]
__all__ += sorted([*_NAMED, *_DISTRIBUTIONS])

for _named in (
    *_NAMED.values(),
    *(fit_covariance, fit_information, Distribution, Frozen, Multivariate, FrozenMultivariate),
):
    if hasattr(_named, "__name__"):
        shown_in(__name__)(_named)


def __getattr__(name: str) -> Any:
    if name in _NAMED:
        return _NAMED[name]
    result = getattr(_scipy, name)
    if name in _DISTRIBUTIONS:
        result = globals()[name] = Distribution(result)
        return result
    return result if name.startswith("_") else without_rule(_scipy, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_scipy)})
