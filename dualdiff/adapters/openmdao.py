"""For OpenMDAO: a function as an explicit component with exact partial derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.jacobian import jacobian

om = load("openmdao.api", "openmdao", "dualdiff.adapters.openmdao")

__all__ = ["Component"]


class Component(om.ExplicitComponent):  # type: ignore[misc,name-defined]
    """The component ``outputs = f(**inputs)``, whose partial derivatives are exact.

    Parameters
    ----------
    f : callable
        A function of keyword arguments that returns a dict of scalars and arrays, by name.
    inputs : dict
        A value for each input, which says its shape: scalars or arrays.  f is called with them once, to learn the
        names and shapes of the outputs.
    **options
        Those of ``openmdao.api.ExplicitComponent``.

    Notes
    -----
    All partial derivatives come from one call of `dualdiff.jacobian` with respect to the dict of inputs.
    """

    def __init__(self, f: Callable[..., dict[str, Any]], inputs: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self._f = f
        self._scalars = {name for name, value in inputs.items() if np.ndim(value) == 0}
        self._initial = {name: np.asarray(value, float) for name, value in inputs.items()}

    def setup(self) -> None:
        """Declare inputs, outputs and partial derivatives."""
        for name, value in self._initial.items():
            self.add_input(name, val=value)
        for name, value in self._f(**self._given(self._initial)).items():
            self.add_output(name, val=np.asarray(value, float))
        self.declare_partials("*", "*")

    def _given(self, inputs: Any) -> dict[str, Any]:
        """The inputs as f takes them: OpenMDAO keeps scalars as arrays of one element."""
        return {
            name: float(np.ravel(inputs[name])[0]) if name in self._scalars else np.array(inputs[name])
            for name in self._initial
        }

    def compute(self, inputs: Any, outputs: Any) -> None:
        """Evaluate f."""
        for name, value in self._f(**self._given(inputs)).items():
            outputs[name] = value

    def compute_partials(self, inputs: Any, partials: Any) -> None:
        """Evaluate the Jacobian of f."""
        blocks = jacobian(lambda given: self._f(**given), self._given(inputs))
        for output, row in blocks.items():
            for name, block in row.items():
                partials[output, name] = np.reshape(block, (-1, max(1, self._initial[name].size)))
