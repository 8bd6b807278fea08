"""Arrays with labels: pandas' Series and DataFrames, xarray's DataArrays.  They are known by what they have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from dualdiff.core.dual import AnyDual
from dualdiff.core.stand_ins import copied


class Labels(ABC):
    """The labels of an array, and its values without them."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.values = self.values_of(source)
        self.shape = self.values.shape

    def put_on(self, values: Any) -> Any:
        """The values with these labels; as they are if they have another shape, as a Jacobian has."""
        return self.labelled(values) if getattr(values, "shape", None) == self.shape else values

    def put_on_result(self, values: Any) -> Any:
        """What an operator gives, with these labels."""
        return self.put_on(values)

    @staticmethod
    @abstractmethod
    def values_of(source: Any) -> Any:
        """The array without labels."""

    @abstractmethod
    def labelled(self, values: Any) -> Any:
        """Values of the same shape with these labels."""

    @abstractmethod
    def agree(self, other: Labels) -> bool:
        """Whether each value stands under the same label as in another array."""


class Table(Labels):
    """Of a Series or a DataFrame, which hold duals one by one."""

    @staticmethod
    def values_of(source: Any) -> Any:
        return source.to_numpy()

    def labelled(self, values: Any) -> Any:
        if issubclass(type(values), AnyDual):
            values = copied(values)
        names = {"columns": self.source.columns} if self.source.ndim == 2 else {"name": self.source.name}
        return type(self.source)(values, index=self.source.index, **names)

    def put_on_result(self, values: Any) -> Any:
        missing = np.isnan(values) if issubclass(type(values), AnyDual) else False
        if np.any(missing):
            values = copied(values, missing)
        return self.put_on(values)

    def agree(self, other: Labels) -> bool:
        if not isinstance(other, Table) or self.source.ndim != other.source.ndim:
            return False
        return all(a.equals(b) for a, b in zip(self.source.axes, other.source.axes, strict=True))


class Dimensions(Labels):
    """Of a DataArray, which holds arrays of duals."""

    @staticmethod
    def values_of(source: Any) -> Any:
        return source.data

    def labelled(self, values: Any) -> Any:
        return self.source.copy(data=values)

    def agree(self, other: Labels) -> bool:
        if not isinstance(other, Dimensions) or self.source.dims != other.source.dims:
            return False
        ours, theirs = self.source.indexes, other.source.indexes
        return all(ours[name].equals(theirs[name]) for name in ours if name in theirs)


def labels_of(x: Any) -> Labels | None:
    """The labels of an array; None of anything else."""
    kind = type(x)
    if kind is np.ndarray or not hasattr(kind, "copy"):
        return None
    if hasattr(kind, "to_numpy") and hasattr(kind, "iloc"):
        return Table(x)
    if hasattr(kind, "dims") and hasattr(kind, "coords") and hasattr(kind, "data"):
        return Dimensions(x)
    return None
