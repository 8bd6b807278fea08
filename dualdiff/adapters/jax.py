"""For JAX: a NumPy function inside a JAX program, with exact derivatives of any order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.drivers.jacobian import jacobian

jax = load("jax", "jax", "dualdiff.adapters.jax")
jnp = load("jax.numpy", "jax", "dualdiff.adapters.jax")

__all__ = ["to_jax"]


def to_jax(f: Callable[..., Any], shape: tuple[int, ...] = ()) -> Callable[..., Any]:
    r"""The function f, which JAX calls back (``pure_callback``) and differentiates by its exact Jacobians.

    Parameters
    ----------
    f : callable
        A function of scalars and arrays, in NumPy or Numba, that returns a scalar or an array.
    shape : tuple of int
        The shape of what f returns.

    Returns
    -------
    callable
        A function of JAX arrays that works under ``jit``, ``grad``, ``jacfwd``, ``jacrev``, ``jvp``, ``vjp`` and
        ``vmap`` (one call after the other), nested to any order.  f gets NumPy arrays of float64 and the result has
        JAX's default precision, float32 unless ``jax_enable_x64`` is set.

    Notes
    -----
    Each differentiation costs the Jacobian with respect to all arguments, see `dualdiff.jacobian`; the product with
    it is JAX's own, which can transpose it.
    """

    @cache
    def partial_in(i: int) -> Callable[..., Any]:
        """A function of all arguments and the shape of one of them."""

        def partial(*args: Any) -> Any:
            return to_jax(lambda *at: jacobian(f, *at, argnum=i), shape + jnp.shape(args[i]))(*args)

        return partial

    def call_back(*args: Any) -> Any:
        plain = [np.asarray(x, float) if np.ndim(x) else float(x) for x in args]
        return np.asarray(f(*plain), jnp.result_type(float))

    @jax.custom_jvp  # type: ignore[untyped-decorator]
    def in_jax(*args: Any) -> Any:
        expected = jax.ShapeDtypeStruct(shape, jnp.result_type(float))
        return jax.pure_callback(call_back, expected, *args, vmap_method="sequential")

    @in_jax.defjvp  # type: ignore[untyped-decorator]
    def in_jax_jvp(primals: Any, tangents: Any) -> Any:
        terms = [jnp.tensordot(partial_in(i)(*primals), v, jnp.ndim(v)) for i, v in enumerate(tangents)]
        return in_jax(*primals), sum(terms)

    made: Callable[..., Any] = in_jax
    return made
