"""The protocol of tangent spaces: a few linear verbs are the only operations on tangents.

A *tangent* is whatever its space chooses; rules and drivers pass it from verb to verb and never look inside.
``None`` is the zero tangent everywhere: verbs are not called on it, except as a source of `gather` and `put`.
Coefficients and constant operands may be duals of an outer call; the tangent then is a dual too, and nesting needs
nothing else.

Every verb is given the shapes of its operands and of its result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from dualdiff.base import tags
from dualdiff.base.errors import NotHolomorphicError
from dualdiff.base.quiet import begin, end
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain

Shape = tuple[int, ...]
#: A tangent, opaque outside its space.
Tangent = Any
_FLOAT64 = np.dtype(np.float64)
_REALS = frozenset({float, int, np.float64})
#: A tangent, its coefficient, its shape, whether the coefficient is an array computed for this term only, and whether
#: it is constant: its zeros do not depend on the differentiated variable.
Term = tuple[Tangent, Any, Shape, bool, bool]


class Rule(Protocol):
    """The interface of a row of the table to the chain rule."""

    name: str
    #: The public name of the function, for messages.
    label: str
    #: "zero", "linear" or "nonlinear".
    kind: Any
    conjugates: Any
    #: Whether the partials depend on values only, so that they may be computed later; such a row has `keeps` and
    #: `real_coefficient`.
    is_pure: bool
    #: Whether some partial uses the result.
    uses_result: bool
    #: For each argument, whether its coefficient is a new array: not an operand, the result or a constant.
    is_fresh: Sequence[bool]
    #: For each argument, when the zeros of its coefficient do not depend on the differentiated variable: 2 always, 1 if
    #: no other argument depends on it, 0 never.
    constancy: Sequence[int]

    def keeps(self, active: tuple[bool, ...]) -> tuple[bool, ...] | None:
        """Which arguments the partials with respect to the active ones use; None if these partials are all zero."""

    def real_coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """As `coefficient`, for float64 arguments; those that `keeps` excludes may be None."""

    def coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """The partial derivative with respect to argument i; None if it is zero everywhere."""

    def conjugate(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """The partial derivative with respect to the conjugate of argument i; None if it is zero everywhere."""

    def chain_rule(self, active: int) -> tuple[Callable[..., Any], bool] | None:
        """The chain rule on float64 arrays as one function of the arguments, the result and the active tangents.

        Bit i of ``active`` says that argument i has a tangent; -1 says that both arguments have the same one.  The
        second value says whether the function multiplies.  None if the rule has no such function.
        """

    def expanded(self, args: Sequence[Any], values: Any, n: int, singular: Callable[[str], None]) -> Any:
        """The coefficients of the power series of the function, from 0 to n or to the last that may be nonzero.

        None if it is constant.
        """


class Multilinear(Protocol):
    """A function of several factors that is linear in each of them."""

    function: Any
    factors: Sequence[Any]

    def term(self, space: Any, t: Tangent, i: int) -> Tangent:
        """The product with factor i replaced by its tangent."""

    def crossed(self, i: int, a: Any, j: int, b: Any) -> Any:
        """The sum of the products with factors i and j replaced by the rows of a and b."""


def shape_of(x: Any) -> Shape:
    """The shape of a scalar, an array or a dual."""
    return getattr(x, "shape", ())


def are_float64(values: Sequence[Any]) -> bool:
    """Whether all values are plain float64 arrays, float64 scalars, or Python floats and integers."""
    for v in values:
        kind = type(v)
        if kind not in _REALS and (kind is not np.ndarray or v.dtype is not _FLOAT64):
            return False
    return True


def is_complex(x: Any) -> bool:
    """Whether a scalar, an array or a dual is complex."""
    kind = type(x)
    if kind is float or kind is np.float64:
        return False
    return kind is complex or getattr(getattr(x, "dtype", None), "kind", "f") == "c"


class TangentSpace(ABC):
    """The tangents of one call of an operator, which the tag identifies."""

    __slots__ = ("_kept", "conjugates", "may_be_constant", "tag")

    #: Set when a constant result is plausible: x was rounded to an integer, or an inner call differentiates an
    #: expression that depends on x (the derivative of a linear function is constant).
    may_be_constant: bool

    #: The classes of its duals; set by `dualdiff.core`.
    scalar: ClassVar[Any] = None
    array: ClassVar[Any] = None

    #: The dual classes of a Python float and of a `numpy.float64`, if the tangent of a scalar may be plain floats.
    float_dual: Any = None
    float64_dual: Any = None

    #: ``elements(t, shape)``: the tangents of all elements of a short array, where that is faster than one by one.
    elements: Any = None

    #: Whether the verbs only record operations instead of computing tangents.
    lazy: ClassVar[bool] = False

    #: Whether tangents are sparsity patterns that must hold for other values too, so that both sides of a choice count.
    follows: ClassVar[bool] = False

    #: The order of power series, of which a tangent has the coefficients after the first; 0 for other tangents.
    order: int = 0

    #: Whether the core reports each step to the space; only such a space has `note`, `call` and `compare`.
    traces: ClassVar[bool] = False
    note: Callable[..., Any]
    call: Callable[..., Any]
    compare: Callable[..., Any]

    def __init__(self, tag: int, conjugates: str = "allowed") -> None:
        self.tag: int = tag
        # "allowed", "refused" (a complex derivative was requested), or "noted" (refused later, if the result turns
        # out to be complex).
        self.conjugates: str = conjugates

    # -- the chain rule ----------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        """The chain rule: the sum of the partials of an elementwise function times the tangents of its arguments.

        ``result`` is the value of the function, or the tuple of all values if it has several results.  ``where`` is
        the mask of a ufunc call.
        """
        token = begin()
        try:
            terms = self._terms(row, values, tangents, result, where)
            return self.combine(terms, shape_of(result[0] if type(result) is tuple else result)) if terms else None
        finally:
            end(token)

    def _terms(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any
    ) -> list[Term]:
        """The tangents of the active arguments with their partials."""
        terms: list[Term] = []
        active = [i for i, t in enumerate(tangents) if t is not None]
        is_alone = len(active) == 1
        for i in active:
            t, shape = tangents[i], shape_of(values[i])
            if where is not True:
                given, shape = shape, np.broadcast_shapes(shape, shape_of(where))
                t = self.scale(t, np.where(where, 1.0, 0.0).astype(plain(values[i]).dtype), given, shape, True)
            if row.conjugates is not None and is_complex(values[i]):
                c = row.conjugate(i, values, result)
                if c is not None:
                    note_conjugate(self, row.name)
                    terms.append((self.conj(t, "conj", shape), c, shape, False, False))
            c = row.coefficient(i, values, result)
            if c is not None:
                terms.append((t, c, shape, row.is_fresh[i], row.constancy[i] + is_alone > 1))
        return terms

    def combine(self, terms: Sequence[Term], out_shape: Shape) -> Tangent:
        """The sum of coefficients times tangents, all broadcast to ``out_shape``; see `scale`.

        The result may be stored in a coefficient that was computed for this sum only.
        """
        if len(terms) == 2 and terms[0][0] is terms[1][0] and terms[0][2] == terms[1][2]:
            # The same tangent twice, as in x * x: the coefficients are added, not the terms.
            (t, c, shape, _, constant), (_, d, _, _, too) = terms
            return self.scale(t, c + d, shape, out_shape, constant and too)
        scaled = [self.scale(t, c, shape, out_shape, constant) for t, c, shape, _, constant in terms]
        return scaled[0] if len(scaled) == 1 else self.add(scaled, out_shape)

    # -- the verbs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Tangent:
        """Multiply by coefficients; both broadcast to ``out_shape``.

        A zero tangent stays zero for every coefficient.  A zero coefficient makes an infinite tangent zero if it is
        ``constant``, that is, does not depend on the differentiated variable.
        """

    @abstractmethod
    def add(self, terms: Sequence[Tangent], shape: Shape) -> Tangent:
        """The sum of tangents of one shape."""

    @abstractmethod
    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        """Rearrange the elements of the sources as the structural function does."""

    @abstractmethod
    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Tangent:
        """The transpose of `gather` from one source of ``out_shape``: repeated elements accumulate."""

    @abstractmethod
    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Tangent:
        """The tangent ``target`` (of an array of ``shape``) after ``target[key] = source``.

        ``like`` is the value of the target.  A space with mutable tangents writes in place; it is called only with
        targets that `own` has returned.
        """

    @abstractmethod
    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        """Sum along axes; ``out_shape`` may keep them with length 1."""

    @abstractmethod
    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        """Apply a linear map."""

    @abstractmethod
    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        """The complex conjugate, real or imaginary part (``part`` is "conj", "real" or "imag")."""

    # -- housekeeping ------------------------------------------------------------------------------------------

    @abstractmethod
    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        """The tangent in the dtype of its value: the real part, if that is real."""

    @abstractmethod
    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        """The tangent as a plain scalar or array of full size, which shares memory with no dual.

        Passing ``others`` says that the tangent is no longer needed, so that it may be returned without a copy if it
        shares no memory with them.
        """

    @abstractmethod
    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        """A boolean array of ``shape``: where the tangent is certainly zero."""

    @abstractmethod
    def unknown(self, t: Tangent, mask: Any, shape: Shape, value: Any = None) -> Tangent:
        """The tangent with NaN along all directions where the mask is set, in outer calls where ``value`` varies."""

    @abstractmethod
    def may_have_nan(self, t: Tangent) -> bool:
        """Whether the tangent may contain a NaN."""

    def floats(self, t: Tangent | None) -> Any:
        """The tangent of a real scalar as `float_dual` represents it; None if it is not made of plain floats."""
        return None

    def travelling(self, t: Tangent | None) -> Tangent | None:
        """The tangent in a form that can be pickled."""
        return t

    def own(self, t: Tangent | None, like: Any) -> Tangent | None:
        """A tangent equal to ``t`` that `put` may modify without affecting another dual."""
        return t

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        """The target of `put`, prepared to store the elements of the source, which may be duals of outer calls."""
        return target

    def varying(self, value: Any) -> Tangent | None:
        """A zero tangent that marks the zeros of a value as accidental; None in a space that tracks no dependence."""
        return None

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        """Whether writing into one of the tangents changes the other."""
        return False

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        """The tangent of one element, independent of its array."""
        return self.gather([t], Structure.getitem(index), [shape], ())

    # -- shared ------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> dict[int, Any]:
        """The cache of rules for the duration of the call, such as factored matrices, by the ``id`` of their array."""
        try:
            return self._kept
        except AttributeError:
            self._kept: dict[int, Any] = {}
            return self._kept

    def _arguments(self) -> tuple[Any, ...]:
        """The arguments of the constructor, for pickling."""
        return self.tag, self.conjugates

    def __reduce__(self) -> Any:
        return rebuild, (type(self), self._arguments())


def note_conjugate(space: TangentSpace, name: str) -> None:
    """Called by rules that are not complex-linear, before they use `TangentSpace.conj`; raises if that is refused."""
    if space.conjugates == "refused":
        raise NotHolomorphicError(
            f"{name} has no complex derivative: f is not holomorphic. Use dualdiff.jvp or dualdiff.vjp, which are "
            "correct along any direction"
        )
    if space.conjugates == "noted":
        space.conjugates = "used"


def rebuild(cls: type[TangentSpace], arguments: tuple[Any, ...]) -> TangentSpace:
    """A space, unpickled."""
    tags.receive(arguments[0])
    return cls(*arguments)
