"""Optional dependencies, imported on first use."""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str, extra: str, needed_by: str) -> Any:
    """Import a module; if it is not installed, raise an error that names the extra that provides it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{needed_by} needs {package}: pip install 'dualdiff[{extra}]'") from error
