"""The exercises of the course: their checks, and a signed score.

A notebook shows the question and an empty answer; the check comes with the package, so that no page shows it.  A wrong
answer gets a diagnosis, a correct one an explanation.

>>> from dualdiff.teaching import course
>>> course.check("01.3", 0)
01.3: keep working. Without any step the result is a constant, and does not depend on a at all.
>>> course.check("01.3", 1)
01.3: correct! At fixed x the derivative of (x + a/x)/2 with respect to a is 1/(2x): right at once at the root.
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.teaching.course.roster import check, names
from dualdiff.teaching.course.signed_score import Score, score, verify

__all__ = ["Score", "check", "names", "score", "verify"]

for _named in __all__:
    shown_in(__name__)(globals()[_named])
