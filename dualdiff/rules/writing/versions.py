"""Differences between the supported versions of NumPy and SciPy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numpy as np


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


@cache
def scipy_version() -> tuple[int, int]:
    """The version of the installed SciPy, without importing it; a version above all others if there is none."""
    if "scipy" in sys.modules:
        return _version(sys.modules["scipy"].__version__)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return _version(version("scipy"))
    except PackageNotFoundError:
        return sys.maxsize, 0


NUMPY = _version(np.__version__)

#: Parameters of functions of scipy.linalg, and the version that added them.
SINCE: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "eigvals": {"overwrite_b": (1, 18)},
    "inv": {"assume_a": (1, 17), "lower": (1, 17)},
}
#: Deprecated parameters that no rule supports, the version that removed them, and their defaults before it.
UNTIL: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]] = {
    "eigh": {"turbo": ((1, 14), None), "eigvals": ((1, 14), None)},
    "eigvalsh": {"turbo": ((1, 14), None), "eigvals": ((1, 14), None)},
    "logm": {"disp": ((1, 18), True)},
    "pinv": {"cond": ((1, 14), None), "rcond": ((1, 14), None)},
    "signm": {"disp": ((1, 18), True)},
    "sqrtm": {"disp": ((1, 18), True), "blocksize": ((1, 18), 64)},
}
#: Defaults that changed, the version that changed them, and their former values.
BEFORE: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]] = {
    "solve": {"assume_a": ((1, 15), "gen")},
}

#: Whether np.linalg.cross leaves the check of its arguments to np.cross, and so accepts axis=None.
CROSS_WITHOUT_AXIS = NUMPY >= (2, 5)
#: The SciPy from which cho_factor sets the other triangle to zero; before, it kept the entries of the matrix there.
CHO_FACTOR_CLEARS = (1, 18)


def _older(table: Mapping[str, Mapping[str, tuple[tuple[int, int], Any]]], name: str) -> dict[str, Any]:
    """The entries of a table for a function, as far as the installed version is older than theirs."""
    return {p: default for p, (end, default) in table.get(name, {}).items() if scipy_version() < end}


def deprecated(name: str) -> list[str]:
    """The parameters of a function of scipy.linalg that the installed version has but the rule does not."""
    return list(_older(UNTIL, name))


def installed(name: str, signature: Signature) -> Signature:
    """The signature of a function of scipy.linalg in the installed version, derived from that of the rule."""
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
