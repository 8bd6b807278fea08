"""The options of the operators: their types, and checks of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import numpy as np

from dualdiff.base.progress import check_progress
from dualdiff.base.workers import check_workers, several
from dualdiff.drivers.run.batches import check_batch_dims
from dualdiff.drivers.run.inputs import check_argnum
from dualdiff.drivers.run.planning import check_chunk_size, check_mode

#: The index of the differentiated argument, or a tuple of several.
Argnum = int | tuple[int, ...]
Mode = Literal["auto", "forward", "reverse"]


# -- for type checkers: the options of each operator that leave the type of its result alone, and all its options ------
class Divided(TypedDict, total=False):
    workers: Any
    progress: bool | Callable[[int, int], Any]


class PartOfDerivative(Divided, total=False):
    parallel: bool


class PartOfHvp(TypedDict, total=False):
    chunk_size: int | None
    mode: Mode


class PartOfGradient(PartOfHvp, Divided, total=False):
    batch_dims: int
    parallel: bool


class PartOfHessian(PartOfGradient, total=False):
    check: bool


class PartOfJacobian(PartOfHessian, total=False):
    out: Any


class OfSparsity(TypedDict, total=False):
    argnum: Argnum


class OfPattern(OfSparsity, total=False):
    everywhere: bool


class OfCurl(OfSparsity, total=False):
    batch_dims: int


class OfField(OfCurl, total=False):
    chunk_size: int | None


class OfLaplacian(OfField, total=False):
    has_aux: bool


class OfNth(OfSparsity, total=False):
    n: int


class OfJvp(OfSparsity, total=False):
    has_aux: bool


class OfTaylor(OfJvp, total=False):
    order: int


class OfDerivative(PartOfDerivative, OfJvp, total=False):
    pass


class OfHvp(PartOfHvp, OfJvp, total=False):
    pass


class OfGradient(PartOfGradient, OfJvp, total=False):
    pass


class PartOfDiagonal(PartOfHvp, total=False):
    batch_dims: int


class OfDiagonal(PartOfDiagonal, OfJvp, total=False):
    sparse: Any


class OfHessian(PartOfHessian, OfJvp, total=False):
    sparse: Any


class OfJacobian(PartOfJacobian, OfJvp, total=False):
    sparse: Any


# -- at run time -------------------------------------------------------------------------------------------------------
FLAGS = frozenset({"check", "everywhere", "has_aux", "parallel"})


def check_out(operator: str, out: Any) -> None:
    """Raise unless blocks of a Jacobian can be written into ``out``."""
    if out is not None and not hasattr(type(out), "__setitem__"):
        raise TypeError(f"{operator}: out must be an array, or have __setitem__ like one, not {type(out).__name__}")


#: The checks of the other options, which raise for invalid values.
CHECKS: dict[str, Callable[[str, Any], None]] = {
    "argnum": check_argnum,
    "batch_dims": check_batch_dims,
    "chunk_size": check_chunk_size,
    "mode": check_mode,
    "out": check_out,
    "progress": check_progress,
    "workers": check_workers,
}


def checked(operator: str, name: str, given: Any) -> Any:
    """The value of an option, checked."""
    if name in FLAGS:
        if not isinstance(given, (bool, np.bool_)):
            raise TypeError(f"{operator}: {name} must be True or False, not {given!r}")
        return bool(given)
    if name in CHECKS:
        CHECKS[name](operator, given)
        if name == "workers":
            return several(given)
    return given
