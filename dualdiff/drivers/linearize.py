"""The derivative as a linear map, pushforward and pullback, from one recorded call of f."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Unpack, overload

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.memory import bytes_held, readable
from dualdiff.core.application import dtype_of
from dualdiff.core.containers import Nesting, flatten
from dualdiff.core.dual import AnyDual
from dualdiff.drivers.run.directions import fitted, one_by_one
from dualdiff.drivers.run.inputs import Inputs
from dualdiff.drivers.run.operator import DerivedFunction, P, R, all_in_order, operator
from dualdiff.drivers.run.options import Argnum, OfJvp
from dualdiff.drivers.run.passes import recorded_pass
from dualdiff.tangents.program import Program


class Signature:
    """The shapes, dtypes and nesting of the inputs or the outputs of a linear map."""

    def __init__(self, values: list[Any], rebuild: Nesting) -> None:
        self.rebuild = rebuild
        self.shapes: list[tuple[int, ...]] = [getattr(v, "shape", ()) for v in values]
        self.dtypes: list[Any] = [dtype_of(v) for v in values]

    @property
    def size(self) -> int:
        """The number of elements."""
        return sum(math.prod(shape) for shape in self.shapes)

    def filled(self, leaves: list[Any]) -> list[Any]:
        """The leaves, zeros where a leaf is None."""
        return [
            (np.zeros(shape, dtype) if shape else dtype.type(0)) if leaf is None else _own(leaf, shape, dtype)
            for leaf, shape, dtype in zip(leaves, self.shapes, self.dtypes, strict=True)
        ]


def _own(leaf: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if isinstance(leaf, AnyDual):
        return leaf
    if not shape:
        return dtype.type(leaf)
    # A cotangent may be a read-only broadcast, or share memory with that of the output.
    return np.array(leaf if np.shape(leaf) == shape else np.broadcast_to(leaf, shape), dtype)


class Linear:
    """The derivative of f at a point as a linear map: ``L(v)`` is J v, ``L.T(w)`` is w J.

    Neither calls f again, and both take several directions at once, along one more axis in front.  `linearize` makes
    it.
    """

    def __init__(self, program: Program, inputs: Signature, outputs: Signature, transposed: bool = False) -> None:
        self._program, self._inputs, self._outputs, self._transposed = program, inputs, outputs, transposed

    def __call__(self, v: Any) -> Any:
        """The map applied to a direction (or, transposed, to a cotangent), or to several at once."""
        source, target, name = self._inputs, self._outputs, "the direction v"
        run: Callable[[list[Any]], list[Any]] = self._program.push
        if self._transposed:
            source, target, name, run = target, source, "the cotangent w", self._program.pull
        leaves, count = fitted(source.rebuild.taken(v, name), source.shapes, source.dtypes, name)

        def apply(leaves: list[Any]) -> list[Any]:
            scalars = [leaf if leaf.shape or isinstance(leaf, AnyDual) else leaf[()] for leaf in leaves]
            return target.filled(run(scalars))

        return target.rebuild(apply(leaves) if count is None else one_by_one(apply, leaves, count))

    @property
    def T(self) -> Linear:
        """The transposed map (not conjugated)."""
        return Linear(self._program, self._inputs, self._outputs, not self._transposed)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns of the matrix of the map."""
        m, n = self._outputs.size, self._inputs.size
        return (n, m) if self._transposed else (m, n)

    def __repr__(self) -> str:
        steps = f"recorded in {len(self._program.nodes)} steps"
        return f"<linear map of shape {self.shape}, {steps}, holds {readable(self.nbytes)}>"

    @property
    def nbytes(self) -> int:
        """The memory of the arrays in the record, which exist as long as the map does, in bytes."""
        return bytes_held(self._program)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a linearized function holds a record of one call of f and cannot be pickled: call linearize in the "
            "process that uses it"
        )

    def as_linear_operator(self) -> Any:
        """The map as a ``scipy.sparse.linalg.LinearOperator`` on flat arrays, for its solvers.

        Containers are flattened leaf by leaf.  If any leaf is complex, the whole operator is complex; a real one takes
        complex vectors too, as a real matrix does.

        Raises
        ------
        ImportError
            If SciPy is not installed.

        Examples
        --------
        >>> from scipy.sparse.linalg import lsqr
        >>> from dualdiff import linearize
        >>> y, L = linearize(lambda x: np.array([x[0] + x[1], x[0] * x[1]]), np.array([1.0, 3.0]))
        >>> lsqr(L.as_linear_operator(), np.array([2.0, 4.0]))[0].round(9)
        array([1., 1.])
        """
        scipy = load("scipy.sparse.linalg", "scipy", "Linear.as_linear_operator")
        forward = self.T if self._transposed else self
        push, pull = _flat(forward, self._inputs, self._outputs), _flat(forward.T, self._outputs, self._inputs)
        dtype = np.result_type(*self._inputs.dtypes, *self._outputs.dtypes)
        extended = _complexified(push, pull, self._inputs, self._outputs)
        push, pull = (partial(_applied, *maps, dtype.kind == "c") for maps in zip((push, pull), extended, strict=True))
        operator = scipy.LinearOperator(
            forward.shape, matvec=push, rmatvec=lambda w: np.conjugate(pull(np.conjugate(w))), dtype=dtype
        )
        return operator.T if self._transposed else operator


def _flat(linear: Linear, source: Signature, target: Signature) -> Callable[[Any], Any]:
    """The map on flat arrays; a real leaf takes the real part of a complex argument."""
    dtype = np.result_type(*target.dtypes)

    def apply(flat: Any) -> Any:
        flat, leaves, start = np.ravel(flat), [], 0
        for shape, entry in zip(source.shapes, source.dtypes, strict=True):
            leaf = flat[start : start + math.prod(shape)].reshape(shape)
            leaves.append(leaf if entry.kind == "c" else np.real(leaf))
            start += math.prod(shape)
        result, _ = flatten(linear(source.rebuild(leaves)))
        return np.concatenate([np.empty(0, dtype), *(np.ravel(leaf) for leaf in result)])

    return apply


def _applied(real: Any, extended: Any, is_complex: bool, v: Any) -> Any:
    """A map of an operator, which for real leaves needs its complex extension for complex vectors alone."""
    return (extended if is_complex or np.iscomplexobj(v) else real)(v)


def _complexified(push: Any, pull: Any, inputs: Signature, outputs: Signature) -> tuple[Any, Any]:
    """The maps on flat arrays, extended to complex values of the real leaves."""

    def is_real(side: Signature) -> Any:
        sizes = [math.prod(shape) for shape in side.shapes]
        return np.repeat([dtype.kind != "c" for dtype in side.dtypes], sizes)

    real_in, real_out = is_real(inputs), is_real(outputs)

    def by_parts(linear: Any, v: Any, real: Any) -> Any:
        return linear(v) + 1j * linear(np.where(real, np.imag(v), 0.0))

    def transposed(w: Any) -> Any:
        w = np.ravel(w)
        result = by_parts(pull, w, real_out)
        # For real inputs the pull gives the real part of w J; its imaginary part is the real part of -i w J.
        return np.where(real_in, result + 1j * np.real(pull(np.where(real_out, 0.0, -1j * w))), result)

    return lambda v: by_parts(push, np.ravel(v), real_in), transposed


def evaluate(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], *, argnum: Argnum = 0, has_aux: bool = False
) -> tuple[Any, Linear, Any]:
    """Value, derivative as a linear map, and aux."""
    inputs = Inputs(operator, f, args, argnum, has_aux)
    return recorded_map(inputs, "refused" if inputs.is_complex else "allowed")


def recorded_map(inputs: Inputs, conjugates: str) -> tuple[Any, Linear, Any]:
    outputs, program = recorded_pass(inputs, conjugates)
    linear = Linear(program, Signature(inputs.leaves, inputs.rebuild), Signature(outputs.values, outputs.rebuild))
    return outputs.value, linear, outputs.aux


@overload
def linearize(f: Callable[P, R], /, *, argnum: Argnum = 0) -> DerivedFunction[P, tuple[R, Linear]]: ...
@overload
def linearize(f: Callable[P, Any], /, **options: Unpack[OfJvp]) -> DerivedFunction[P, Any]: ...
@overload
def linearize(f: Callable[..., R], x: Any, /, *args: Any, argnum: Argnum = 0) -> tuple[R, Linear]: ...
@overload
def linearize(f: Callable[..., Any], x: Any, /, *args: Any, **options: Unpack[OfJvp]) -> Any: ...
@overload
def linearize(
    f: Callable[Concatenate[Any, P], R], x: Any, /, *args: P.args, **keywords: P.kwargs
) -> tuple[R, Linear]: ...
@operator(evaluate, all_in_order, compiled="linearize")
def linearize(f: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    r"""The value and the derivative as a linear map: ``linearize(f, x)`` is :math:`(f(x), L)`, :math:`L(v) = J v`.

    Parameters
    ----------
    f : callable
        A function of a scalar, an array, or nested containers of these.
    *args
        The arguments of f; keywords that are no options go to f as well, as constants.
    argnum : int or tuple of int
        The index of the positional argument with respect to which f is differentiated.  With a tuple, v and ``L.T(w)``
        are tuples, in the same order.
    has_aux : bool
        f returns a pair (result, aux), and aux is appended to the returned tuple.

    Returns
    -------
    tuple
        f(x) and a `Linear` map L: ``L(v)`` is J v, with the nesting and shapes of f(x), ``L.T(w)`` is w J, with those
        of x, also for several directions or cotangents at once, as in `jvp`; ``L.as_linear_operator()`` is for SciPy.
        Without arguments, a function of the arguments of f.

    Raises
    ------
    NotHolomorphicError
        If x is complex and f uses conj, abs, real or imag: then no complex matrix J exists; use `jvp` and `vjp`.

    Notes
    -----
    One call of f; each product then costs a small multiple of the arithmetic of f, without calling f.  The memory of
    the intermediates of f is in use as long as L exists: ``L.nbytes``, less where f has parts in `checkpoint`; for an f
    compiled by Numba, about 24 bytes for each operation of which two operands depend on x.  See Griewank and Walther,
    *Evaluating Derivatives* (2008), sections 3.1-3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import linearize
    >>> y, L = linearize(lambda x: np.array([x[0] * x[1], x[1]]), np.array([2.0, 3.0]))
    >>> L(np.array([1.0, 0.0])), L.T(np.array([1.0, 0.0]))
    (array([3., 0.]), array([3., 2.]))
    """
