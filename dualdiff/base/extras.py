"""Packages that dualdiff can do without: loaded when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str, extra: str, needed_by: str) -> Any:
    """The module; where it is not installed, an error that names the extra which brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{needed_by} needs {package}: pip install 'dualdiff[{extra}]'") from error
