"""The parts of complex numbers: real, imag, angle."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.core.array import wrap
from dualdiff.rules.writing.array_rules import Application, implements, plain_values
from dualdiff.tangents.space import note_conjugate
from dualdiff.tangents.structure import Part


def _part(name: str) -> Any:
    function = getattr(np, name)

    def implementation(val: Any) -> Any:
        value = function(val.value)
        if val.dtype.kind != "c":
            return val if name == "real" else wrap(value, None, val.space)
        note_conjugate(val.space, name)
        return Application(val, linear=True).gathered(value, Part(function))

    return implementation


implements(np.real)(_part("real"))
implements(np.imag)(_part("imag"))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    result = np.arctan2(np.imag(z), np.real(z))
    return result * (180 / np.pi) if deg else result


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    return a if np.iscomplexobj(np.real_if_close(plain_values(a), tol)) else np.real(a)
