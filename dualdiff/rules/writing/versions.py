"""What differs between the versions of NumPy and SciPy that rules are written for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numpy as np


def _numbers(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


@cache
def scipy_version() -> tuple[int, int]:
    """The version of the SciPy that is installed, which is not loaded for this; without one, the newest."""
    if "scipy" in sys.modules:
        return _numbers(sys.modules["scipy"].__version__)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return _numbers(version("scipy"))
    except PackageNotFoundError:
        return sys.maxsize, 0


NUMPY = _numbers(np.__version__)

#: Parameters of functions of scipy.linalg that came with a version.
SINCE: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "eigvals": {"overwrite_b": (1, 18)},
    "inv": {"assume_a": (1, 17), "lower": (1, 17)},
}
#: Parameters that no rule takes, which went with a version, deprecated long before, and their defaults until then.
UNTIL: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]] = {
    "eigh": {"turbo": ((1, 14), None), "eigvals": ((1, 14), None)},
    "eigvalsh": {"turbo": ((1, 14), None), "eigvals": ((1, 14), None)},
    "logm": {"disp": ((1, 18), True)},
    "pinv": {"cond": ((1, 14), None), "rcond": ((1, 14), None)},
    "signm": {"disp": ((1, 18), True)},
    "sqrtm": {"disp": ((1, 18), True), "blocksize": ((1, 18), 64)},
}
#: Defaults that changed with a version, and what they were before.
BEFORE: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]] = {
    "solve": {"assume_a": ((1, 15), "gen")},
}

#: Whether np.linalg.cross leaves it to np.cross to look at its arguments, and so takes axis=None.
CROSS_WITHOUT_AXIS = NUMPY >= (2, 5)
#: The SciPy whose cho_factor has zeros beside the factor, where it left what stood there in the matrix before.
CHO_FACTOR_CLEARS = (1, 18)


def _older(table: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]], name: str) -> dict[str, Any]:
    """What a table says of a function to a version older than those that stand there."""
    return {p: default for p, (end, default) in table.get(name, {}).items() if scipy_version() < end}


def deprecated(name: str) -> list[str]:
    """The parameters of a function of scipy.linalg that the installed version has, and the rule has not."""
    return list(_older(UNTIL, name))


def installed(name: str, signature: Signature) -> Signature:
    """The signature that a function of scipy.linalg has in the installed version, from that of the rule."""
    since, before = SINCE.get(name, {}), _older(BEFORE, name)
    parameters = [
        p.replace(default=before.get(p.name, p.default))
        for p in signature.parameters.values()
        if since.get(p.name, (0, 0)) <= scipy_version()
    ]
    last = parameters[-1].kind
    kind = last if last is Parameter.KEYWORD_ONLY else Parameter.POSITIONAL_OR_KEYWORD
    parameters += [Parameter(p, kind, default=default) for p, default in _older(UNTIL, name).items()]
    return signature.replace(parameters=parameters)
