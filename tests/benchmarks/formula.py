"""The function of one variable that several themes differentiate, and its derivative by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def written_with(library: Any) -> Callable[[Any], Any]:
    """f, in the words of a library that has sin, exp and log."""

    def f(x: Any) -> Any:
        return library.sin(x) * library.exp(-(x * x)) + library.log(1 + x * x) * x**3

    return f


def written_with_methods(x: Any) -> Any:
    """f in the words of num_dual, whose numbers carry their functions as methods."""
    return x.sin() * (-(x * x)).exp() + (1 + x * x).log() * x.powi(3)


def derivative_by_hand(x: Any) -> Any:
    """f', as one would write it out."""
    square = x * x
    bell = np.exp(-square)
    logarithm = np.log(1 + square)
    first = (np.cos(x) - 2 * x * np.sin(x)) * bell
    second = 2 * square * square / (1 + square) + 3 * square * logarithm
    return first + second
