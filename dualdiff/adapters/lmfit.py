"""For lmfit: the exact Jacobian of residuals with respect to the parameters that vary."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.jacobian import jacobian

lmfit = load("lmfit", "lmfit", "dualdiff.adapters.lmfit")

__all__ = ["residual_jacobian"]


class _Parameters(lmfit.Parameters):  # type: ignore[misc,name-defined]
    """The same parameters, whose values may be duals where lmfit asks for floats."""

    def __init__(self, given: Any) -> None:
        self._asteval = given._asteval
        dict.update(self, given)

    def valuesdict(self) -> dict[str, Any]:
        return {name: parameter.value for name, parameter in self.items()}

    def update_constraints(self) -> None:
        # An expression may use others in any order.
        dependent = [parameter for parameter in self.values() if parameter.expr is not None]
        for _ in dependent:
            for parameter in dependent:
                parameter.value  # noqa: B018 (reading it evaluates the expression)


def residual_jacobian(residual: Any) -> Callable[..., Any]:
    r"""The Jacobian :math:`\partial r_i / \partial p_j` of residuals, as lmfit takes it for ``Dfun``.

    Parameters
    ----------
    residual : callable or lmfit.Model
        ``residual(params, *args, **kws)``, as ``lmfit.minimize`` takes it, or a model, whose residuals are meant.

    Returns
    -------
    callable
        A function of the arguments of the residual that returns an array of shape (m, n), for m residuals and the n
        parameters that vary.  lmfit transforms it for bounds; constraint expressions are differentiated.

    Notes
    -----
    For the methods ``"leastsq"`` and ``"least_squares"``.  One call of the residual for all parameters.  See the
    documentation of `lmfit.minimize <https://lmfit.github.io/lmfit-py/fitting.html>`_.

    Examples
    --------
    >>> import lmfit
    >>> def decay(t, a, k):
    ...     return a * np.exp(-k * t)
    >>> t = np.linspace(0, 4, 9)
    >>> model = lmfit.Model(decay)
    >>> fit = model.fit(decay(t, 3.0, 0.5), a=1, k=1, t=t, fit_kws={"Dfun": residual_jacobian(model)})
    >>> print(round(fit.params["a"].value, 6), round(fit.params["k"].value, 6))
    3.0 0.5
    """
    if isinstance(residual, lmfit.Model):
        residual = partial(_of_model, residual)

    def residuals_jacobian(params: Any, *args: Any, **kws: Any) -> Any:
        names = [name for name, parameter in params.items() if parameter.vary]
        values = [params[name].value for name in names]
        view = _Parameters(params)

        def of_vector(vector: Any) -> Any:
            _set(view, names, vector)
            return residual(view, *args, **kws)

        try:
            return jacobian(of_vector, np.array(values))
        finally:
            _set(view, names, values)

    return residuals_jacobian


def _of_model(model: Any, params: Any, data: Any, weights: Any, **kws: Any) -> Any:
    """The residuals of a model with their signs and weights as lmfit defines them, without its conversion to floats."""
    difference = data - _evaluated(model, params, kws)
    if np.iscomplexobj(difference):
        difference = _parts(difference)
        if weights is not None:
            weights = _parts(weights if np.iscomplexobj(weights) else weights + 1j * weights)
    return difference if weights is None else difference * weights


def _evaluated(model: Any, params: Any, kws: dict[str, Any]) -> Any:
    if isinstance(model, lmfit.model.CompositeModel):
        return model.op(_evaluated(model.left, params, kws), _evaluated(model.right, params, kws))
    return model.func(**model.make_funcargs(params, kws))


def _parts(z: Any) -> Any:
    return np.stack([np.real(z).ravel(), np.imag(z).ravel()], axis=1).ravel()


def _set(params: _Parameters, names: list[str], values: Any) -> None:
    for name, value in zip(names, values, strict=True):
        params[name].value = value
    params.update_constraints()
