"""Tangents in the formulas of matrix calculus: linear operations of a space in mathematical notation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualdiff.core.application import broadcast, carried
from dualdiff.core.array import DualArray, operand
from dualdiff.rules.writing.array_rules import Application, plain_values, shape_of
from dualdiff.rules.writing.multilinear import Product, reshaping
from dualdiff.tangents.linear import LinearMap, NamedMap
from dualdiff.tangents.space import Shape, Tangent, TangentSpace, note_conjugate
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import may_have_nan, product, zero_mask

_BATCH = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Term:
    """The tangent of a matrix, or of a stack of matrices, in a formula.

    The matrices that it is multiplied by are constant in this call: plain arrays, or duals of an outer call.
    """

    __slots__ = ("is_complex", "name", "shape", "space", "tangent")

    def __init__(self, space: TangentSpace, tangent: Tangent, shape: Shape, is_complex: bool, name: str) -> None:
        self.space, self.tangent, self.shape, self.is_complex, self.name = space, tangent, shape, is_complex, name

    def _with(self, tangent: Tangent, shape: Shape, *constants: Any) -> Term:
        is_complex = self.is_complex or any(map(is_complex_valued, constants))
        return Term(self.space, tangent, shape, is_complex, self.name)

    # -- products ----------------------------------------------------------------------------------------------------

    def einsum(self, subscripts: str, constant: Any) -> Term:
        """Einstein summation with a constant, as in ``"ij,jk->ik"``, where this term is first; batch axes broadcast."""
        inputs, output = subscripts.split("->")
        mine, theirs = inputs.split(",")
        shapes = self.shape, shape_of(constant)
        counts = [len(shape) - len(letters) for shape, letters in zip(shapes, (mine, theirs), strict=True)]
        batch = _BATCH[: max(counts)]
        mine, theirs = (batch[len(batch) - n :] + s for n, s in zip(counts, (mine, theirs), strict=True))
        contraction = Product((mine, theirs), batch + output, (np.broadcast_to(0.0, self.shape), constant))
        return self._with(contraction.term(self.space, self.tangent, 0), contraction.out_shape, constant)

    def left(self, a: Any) -> Term:
        """The matrix product ``a @ t``."""
        return self.einsum("jk,ij->ik", a)

    def right(self, a: Any) -> Term:
        """The matrix product ``t @ a``."""
        return self.einsum("ij,jk->ik", a)

    def __mul__(self, c: Any) -> Term:
        shape = np.broadcast_shapes(self.shape, shape_of(c))
        return self._with(self.space.scale(self.tangent, c, self.shape, shape), shape, c)

    def map(self, linear: LinearMap) -> Term:
        """The image under a linear map."""
        tangent = self.space.contract(self.tangent, linear, self.shape, linear.out_shape)
        return self._with(tangent, linear.out_shape, *getattr(linear, "operands", ()))

    # -- sums --------------------------------------------------------------------------------------------------------

    def __add__(self, other: Term | None) -> Term:
        if other is None:
            return self
        result = self._with(self.space.add([self.tangent, other.tangent], self.shape), self.shape)
        result.is_complex = self.is_complex or other.is_complex
        return result

    def __neg__(self) -> Term:
        return self * -1.0

    def __sub__(self, other: Term | None) -> Term:
        return self if other is None else self + -other

    def sum(self, axis: int) -> Term:
        """The sum along an axis, counted from the end."""
        axis += len(self.shape)
        shape = self.shape[:axis] + self.shape[axis + 1 :]
        return self._with(self.space.sum(self.tangent, (axis,), self.shape, shape), shape)

    # -- rearrangements -----------------------------------------------------------------------------------------------

    def _gather(self, structure: Structure, shape: Shape) -> Term:
        return self._with(self.space.gather([self.tangent], structure, [self.shape], shape), shape)

    def __getitem__(self, key: Any) -> Term:
        return self._gather(Structure.getitem(key), np.broadcast_to(0.0, self.shape)[key].shape)

    def reshape(self, shape: Shape) -> Term:
        """The term in another shape."""
        return self if shape == self.shape else self._gather(reshaping(shape), shape)

    def broadcast(self, shape: Shape) -> Term:
        """The term broadcast along batch axes."""
        return self if shape == self.shape else self._gather(broadcast(shape), shape)

    @property
    def mT(self) -> Term:
        """The transposed matrix."""
        n = len(self.shape)
        axes = {"axis1": n - 2, "axis2": n - 1}
        structure = Structure(np.swapaxes, axes, {"axis1": "axis", "axis2": "axis"})
        return self._gather(structure, (*self.shape[:-2], self.shape[-1], self.shape[-2]))

    def diagonal(self) -> Term:
        """The diagonal, as the last axis."""
        n = len(self.shape)
        params = {"offset": 0, "axis1": n - 2, "axis2": n - 1}
        structure = Structure(np.diagonal, params, {"axis1": "axis", "axis2": "axis"})
        return self._gather(structure, (*self.shape[:-2], min(self.shape[-2:])))

    def beside(self, other: Term) -> Term:
        """Two matrices side by side."""
        shapes = self.shape, other.shape
        shape = (*self.shape[:-1], self.shape[-1] + other.shape[-1])
        structure = Structure(_beside, {"axis": len(shape) - 1}, {"axis": "axis"})
        result = self._with(self.space.gather([self.tangent, other.tangent], structure, shapes, shape), shape)
        result.is_complex = self.is_complex or other.is_complex
        return result

    # -- parts of complex numbers --------------------------------------------------------------------------------------

    def _part(self, part: str) -> Term:
        note_conjugate(self.space, self.name)
        result = self._with(self.space.conj(self.tangent, part, self.shape), self.shape)
        result.is_complex = part == "conj"
        return result

    @property
    def conj(self) -> Term:
        """The complex conjugate."""
        return self._part("conj") if self.is_complex else self

    @property
    def H(self) -> Term:
        """The conjugate transposed matrix."""
        return self.conj.mT

    @property
    def real(self) -> Term:
        """The real part."""
        return self._part("real") if self.is_complex else self

    @property
    def imag(self) -> Term:
        """The imaginary part, of complex terms."""
        return self._part("imag")


def _beside(a: Any, b: Any, axis: int) -> Any:
    return np.concatenate([a, b], axis=axis)


def terms(operands: Application, name: str) -> list[Term | None]:
    """A term for each operand, None if it has no tangent or is empty; ``name`` is for messages."""
    return [
        None if t is None or 0 in shape_of(x) else Term(operands.space, t, shape_of(x), is_complex_valued(x), name)
        for x, t in zip(operands.values, operands.tangents, strict=True)
    ]


def term_of(operands: Application, dual: Any) -> Term | None:
    """The tangent of a dual that was computed from the operands, as a term."""
    t = operands.tangent_of(dual)
    return None if t is None else Term(operands.space, t, shape_of(dual), is_complex_valued(dual), "")


def result(operands: Application, value: Any, *summands: Term | None) -> Any:
    """The dual of this value whose tangent is the sum of the terms."""
    return operands.result(value, [term.tangent for term in summands if term is not None])


def revalued(function: Callable[..., Any], composed: Callable[..., Any], *arrays: Any) -> Any:
    """The value of ``function(*arrays)`` with the tangent of ``composed(*arrays)``, an equal composition."""
    operands = Application(*arrays)
    value = function(*operands.values)
    for given, x in zip(arrays, operands.values, strict=True):
        if value is x and isinstance(operand(given), DualArray):
            # The function returned the array itself.
            return operand(given)
    if not any(terms(operands, "")) or 0 in shape_of(value):
        return result(operands, value)
    with np.errstate(all="ignore"):
        return carried(operands, value, composed(*operands.operands))


def solved_by_orders(operands: Application, x: Any, residual: Callable[..., Any], solve: Callable[[Any], Any]) -> Any:
    """The power series x of which ``residual(x, *operands)``, b - A x, vanishes, coefficient by coefficient.

    x is given as coefficient 0; ``solve`` solves with coefficient 0 of A.  The application is linear.
    """
    space, result = operands.space, [x]
    for k in range(1, space.order + 1):
        known = operands.result(x, [space.of_coefficients(result)] if k > 1 else [])
        t = operands.tangent_of(residual(known, *operands.operands))
        rest = None if t is None else space.coefficient(t, k, shape_of(x))
        result.append(np.zeros_like(plain_values(x)) if rest is None else solve(rest))
    return operands.result(x, [space.of_coefficients(result)])


def is_complex_valued(x: Any) -> bool:
    """Whether a scalar, an array or a dual is complex."""
    return issubclass(type(x), complex) or getattr(getattr(x, "dtype", None), "kind", "f") == "c"


def adjoint(a: Any) -> Any:
    """The conjugate transposed matrix of a constant."""
    a = np.swapaxes(a, -1, -2)
    return np.conjugate(a) if is_complex_valued(a) else a


def triangle(a: Any, upper: bool = False) -> Any:
    """Coefficients that select the lower (or upper) triangle of a square matrix and half of its diagonal."""
    n = shape_of(a)[-1]
    mask = np.tri(n, k=-1, dtype=np.finfo(inexact(a)).dtype)
    np.fill_diagonal(mask, 0.5)
    return mask.T if upper else mask


def hermitian_part(a: Any, upper: bool = False) -> Any:
    """The Hermitian matrix that LAPACK reads from one triangle of the array."""
    half = a * triangle(a, upper)
    return half + adjoint(half)


def rounding(x: Any) -> float:
    """The machine epsilon of the precision of x."""
    return float(np.finfo(inexact(x)).eps)


def inexact(x: Any) -> Any:
    """The dtype in which LAPACK computes with x: double precision for integers."""
    dtype = plain_values(x).dtype
    return dtype if dtype.kind in "fc" else np.dtype(float)


# -- linear maps of matrices -----------------------------------------------------------------------------------------
class MatrixMap(NamedMap):
    """A linear map of matrices, or of their columns, whose coefficients are NaN where there is no derivative.

    A tangent that is zero along all axes that the map mixes still gives zero (a zero tangent contributes zero).
    ``operands`` are the coefficients that affect the dtype of the result.
    """

    def __init__(
        self,
        name: str,
        apply: Callable[[Any], Any],
        apply_transposed: Callable[[Any], Any],
        in_shape: Shape,
        out_shape: Shape,
        operands: Sequence[Any] = (),
        axes: tuple[int, ...] = (-2, -1),
    ) -> None:
        super().__init__(name, apply, apply_transposed, in_shape, out_shape, axes)
        self.operands, self._mixed = operands, axes

    def __call__(self, t: Any) -> Any:
        image = super().__call__(t)
        if may_have_nan(image):
            idle = np.all(zero_mask(t), axis=self._mixed, keepdims=True)
            if np.any(idle):
                image = np.where(idle, 0.0, image)
        return image

    @property
    def transpose(self) -> LinearMap:
        return MatrixMap(
            self.name + ".T",
            self._apply_transposed,
            self._apply,
            self.out_shape,
            self.in_shape,
            self.operands,
            self._mixed,
        )


def hadamard(coefficients: Any) -> LinearMap:
    """The elementwise product with a matrix of coefficients, which are NaN where there is no derivative.

    Forward, NaN stays NaN: the argument is an intermediate result, and its elements may be zero by chance.  Backward, a
    zero cotangent stays zero: nothing depends on that element, so its derivative does not matter.
    """
    shape = shape_of(coefficients)
    return MatrixMap(
        "an elementwise product",
        lambda t: t * coefficients,
        lambda w: product(coefficients, w),
        shape,
        shape,
        [coefficients],
    )


def undefined(in_shape: Shape, out_shape: Shape) -> LinearMap:
    """The map to NaN, for a function without a derivative."""

    def nan(shape: Shape) -> Callable[[Any], Any]:
        return lambda t: np.full(t.shape[: t.ndim - len(shape)] + shape, np.nan, plain_values(t).dtype)

    return MatrixMap("a function without a derivative", nan(out_shape), nan(in_shape), in_shape, out_shape)
