"""Averages of pandas in adapted code, for data that hold duals, which pandas converts to floats in C."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from inspect import signature, unwrap
from typing import Any

import numpy as np

from dualdiff.adapting.adapted_functions import Maker
from dualdiff.base.internals import COLUMNS_OF_PANDAS
from dualdiff.core.registry import CREATORS
from dualdiff.rules.writing.array_rules import duals_in

NAMES = ("mean", "median", "std", "var", "sem")


def averages() -> Iterator[tuple[type, dict[str, Maker]]]:
    """The classes of pandas that have such methods, and for each method what is called in its stead."""
    pandas = sys.modules["pandas"]
    others: dict[type, dict[str, Maker]] = {
        pandas.DataFrame: dict.fromkeys(COLUMNS_OF_PANDAS, _chosen),
        pandas.api.typing.DataFrameGroupBy: {"_get_data_to_aggregate": _aggregated},
    }
    for cls in pandas.Series, pandas.DataFrame, pandas.api.typing.SeriesGroupBy, pandas.api.typing.DataFrameGroupBy:
        makers: dict[str, Maker] = {**{name: partial(_averaged, name) for name in NAMES}, **others.get(cls, {})}
        yield cls, {name: maker for name, maker in makers.items() if hasattr(cls, name)}


def _holds_duals(table: Any) -> bool:
    return bool(duals_in(list(table.to_numpy().flat) if object in list(np.atleast_1d(table.dtypes)) else ()))


def _chosen(own: Any, like: Any, /, table: Any, *args: Any, **kwargs: Any) -> Any:
    """The columns of some dtypes: those that hold duals are columns of floats."""
    if not _holds_duals(table):
        return own(table, *args, **kwargs)
    series = [s.map(lambda _: 0.0).astype(float) if duals_in(list(s)) else s for _, s in table.items()]
    plain = sys.modules["pandas"].concat(series, axis=1, keys=range(len(series)))
    return table.iloc[:, list(own(plain, *args, **kwargs).columns)]


def _of_numbers(groups: Any) -> Any:
    """The groups, of the columns that hold numbers or duals."""
    return groups._gotitem(list(groups._obj_with_exclusions._get_numeric_data().columns), ndim=2)


def _aggregated(own: Any, like: Any, /, groups: Any, *args: Any, numeric_only: bool = False, **kwargs: Any) -> Any:
    """The columns that a method of groups is called of."""
    if numeric_only and _holds_duals(groups.obj):
        groups, numeric_only = _of_numbers(groups), False
    return own(groups, *args, numeric_only=numeric_only, **kwargs)


@cache
def _signature(own: Any) -> Any:
    # Around it pandas warns of positional arguments, and says that there are none.
    return signature(unwrap(own))


def _averaged(name: str, own: Any, like: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A method called: NumPy's function of the elements that are there, where some of these are duals."""
    data = args[0]
    table = getattr(data, "obj", data)
    if not _holds_duals(table):
        return own(*args, **kwargs)
    bound = _signature(own).bind(*args, **kwargs)
    bound.apply_defaults()
    options = {**bound.arguments, **bound.arguments.pop("kwargs", {})}
    of_each = {key: options[key] for key in ("skipna", "ddof") if key in options}
    if table is not data:
        data = _of_numbers(data) if options.get("numeric_only") and data.ndim == 2 else data
        return data.agg(lambda s: getattr(s, name)(**of_each))
    if table.ndim == 1:
        return _of_elements(name, like, table, **of_each)
    if options.get("numeric_only"):
        table = table._get_numeric_data()
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
