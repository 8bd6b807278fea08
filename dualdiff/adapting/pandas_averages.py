"""Averages of pandas in adapted code, for data that hold duals, which pandas converts to floats in C."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from inspect import signature
from typing import Any

import numpy as np

from dualdiff.adapting.adapted_functions import Maker
from dualdiff.core.registry import CREATORS
from dualdiff.rules.writing.array_rules import duals_in

NAMES = ("mean", "median", "std", "var", "sem")


def averages() -> Iterator[tuple[type, dict[str, Maker]]]:
    """The classes of pandas that have such methods, and for each method what is called in its stead."""
    pandas = sys.modules["pandas"]
    for cls in pandas.Series, pandas.DataFrame, pandas.api.typing.SeriesGroupBy, pandas.api.typing.DataFrameGroupBy:
        yield cls, {name: partial(_averaged, name) for name in NAMES if hasattr(cls, name)}


@cache
def _signature(own: Any) -> Any:
    return signature(own)


def _averaged(name: str, own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A method called: NumPy's function of the elements that are there, where some of these are duals."""
    data = args[0]
    table = getattr(data, "obj", data)
    if not duals_in(list(table.to_numpy().flat) if object in list(np.atleast_1d(table.dtypes)) else ()):
        return own(*args, **kwargs)
    bound = _signature(own).bind(*args, **kwargs)
    bound.apply_defaults()
    options = {**bound.arguments, **bound.arguments.pop("kwargs", {})}
    of_each = {key: options[key] for key in ("skipna", "ddof") if key in options}
    if table is not data:
        return data.agg(lambda s: getattr(s, name)(**of_each))
    if table.ndim == 1:
        return _of_elements(name, like, table, **of_each)
    if options.get("numeric_only"):
        is_numeric = sys.modules["pandas"].api.types.is_numeric_dtype
        table = table.loc[:, [is_numeric(s) or bool(duals_in(list(s))) for _, s in table.items()]]
    if options["axis"] is None:
        return _of_elements(name, like, table.stack(), **of_each)
    return table.apply(lambda s: getattr(s, name)(**of_each), axis=options["axis"])


def _of_elements(name: str, like: Any, series: Any, skipna: bool = True, ddof: int | None = None) -> Any:
    x = CREATORS[np.array](like, list(series.to_numpy(dtype=object, na_value=np.nan)), dtype=float)
    if skipna:
        x = x[~np.isnan(x)]
    options: dict[str, Any] = {} if ddof is None else {"ddof": ddof}
    if x.size <= options.get("ddof", 0):
        return np.nan
    if name == "sem":
        return np.std(x, **options) / np.sqrt(x.size)
    return getattr(np, name)(x, **options)
