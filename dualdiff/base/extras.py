"""Optional dependencies, imported on first use."""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str, package: str, needed_by: str) -> Any:
    """Import a module; if it is not installed, raise an error that says what to install.

    Not an extra of this package: its name on the Python package index belongs to somebody else.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{needed_by} needs {package}: pip install {package}") from error


def installed(module: str) -> Any:
    """A module that does something better where it is installed; None where it is not."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
