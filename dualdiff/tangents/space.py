"""The protocol of tangent spaces: a handful of linear verbs, and nothing else, is done to tangents.

A *tangent* is whatever its space says it is; rules and drivers hand it from verb to verb and never look inside.
``None`` stands for the zero tangent everywhere: verbs are not called on it, except as a source of `gather` and
`put`.  Coefficients and constant operands may be duals of an outer call, and then so is the tangent: that is all
that nesting needs.

Every verb is told the shapes of its operands and of its result.
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
#: A tangent, its coefficient, its shape, whether the coefficient is an array made for this term alone, and whether it
#: is constant: its zeros do not depend on what is differentiated.
Term = tuple[Tangent, Any, Shape, bool, bool]


class Rule(Protocol):
    """What the chain rule asks of a row of the table."""

    name: str
    #: The function as users know it, for messages.
    label: str
    #: "zero", "linear" or "nonlinear".
    kind: Any
    conjugates: Any
    #: Whether partials depend on the values alone, so that they may be computed later; then there are `keeps` and
    #: `real_coefficient`.
    is_pure: bool
    #: Whether some partial names the result.
    uses_result: bool
    #: For each argument, whether its coefficient is computed, and no operand, result or constant.
    is_fresh: Sequence[bool]
    #: For each argument, when the zeros of its coefficient do not depend on what is differentiated: 2 always, 1 if
    #: it is the only argument that does, 0 never.
    constancy: Sequence[int]

    def keeps(self, active: tuple[bool, ...]) -> tuple[bool, ...] | None:
        """Which arguments the partials in the active ones name; None where those are all zero."""

    def real_coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """As `coefficient`, of float64 arguments; those that are not kept may be None."""

    def coefficient(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """The partial derivative in argument i; None where it is zero everywhere."""

    def conjugate(self, i: int, values: Sequence[Any], result: Any) -> Any:
        """The partial derivative in the conjugate of argument i."""


def shape_of(x: Any) -> Shape:
    """The shape of a scalar, an array or a dual."""
    return getattr(x, "shape", ())


def are_float64(values: Sequence[Any]) -> bool:
    """Whether arguments are plain float64 arrays and scalars, and Python's floats and integers."""
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
    """One call of an operator: its tag, and what its tangents are."""

    __slots__ = ("_kept", "conjugates", "may_be_constant", "tag")

    #: Set where a result may well be constant: where x is rounded to a whole number, and where a further call
    #: differentiates what depends on x, because the derivative of a linear function is constant.
    may_be_constant: bool

    #: The classes of duals of a Python float and of a `numpy.float64`, where a scalar's tangent may be plain floats.
    float_dual: Any = None
    float64_dual: Any = None

    #: Whether the verbs only note what is to be done, and compute nothing.
    lazy: ClassVar[bool] = False

    #: Whether tangents are patterns that are to hold for other values too, so that both sides of a choice count.
    follows: ClassVar[bool] = False

    #: Whether the core tells what it does: only such a space has `note`, `call` and `compare`.
    traces: ClassVar[bool] = False
    note: Callable[..., Any]
    call: Callable[..., Any]
    compare: Callable[..., Any]

    def __init__(self, tag: int, conjugates: str = "allowed") -> None:
        self.tag = tag
        # "allowed", "refused" (a complex derivative was asked for), or "noted" (refused later, when the result
        # turns out to be complex).
        self.conjugates = conjugates

    # -- the chain rule ----------------------------------------------------------------------------------------

    def apply(
        self, row: Rule, values: Sequence[Any], tangents: Sequence[Tangent | None], result: Any, where: Any = True
    ) -> Tangent | None:
        """The tangent of an elementwise function: the sum of its partials times the tangents of its arguments.

        ``result`` is the value, or the tuple of all values of a function of several results.  ``where`` is the mask of
        a ufunc call.
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
        """The tangents of the arguments, each with its partial."""
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

        In the storage of a coefficient that was made for this sum the result may be computed.
        """
        if len(terms) == 2 and terms[0][0] is terms[1][0] and terms[0][2] == terms[1][2]:
            # One tangent, twice, as in x * x: the coefficients are added, not the terms.
            (t, c, shape, _, constant), (_, d, _, _, too) = terms
            return self.scale(t, c + d, shape, out_shape, constant and too)
        scaled = [self.scale(t, c, shape, out_shape, constant) for t, c, shape, _, constant in terms]
        return scaled[0] if len(scaled) == 1 else self.add(scaled, out_shape)

    # -- the verbs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, constant: bool = False) -> Tangent:
        """Multiply by coefficients; both broadcast to the result.

        A zero tangent stays zero, whatever the coefficient is.  A zero coefficient makes an infinite tangent zero if it
        is ``constant``: if it does not depend on what is differentiated.
        """

    @abstractmethod
    def add(self, terms: Sequence[Tangent], shape: Shape) -> Tangent:
        """Sum of tangents of one shape."""

    @abstractmethod
    def gather(
        self, sources: Sequence[Tangent | None], structure: Structure, shapes: Sequence[Shape], out_shape: Shape
    ) -> Tangent:
        """Rearrange the elements of the sources as the structural function does."""

    @abstractmethod
    def scatter(self, t: Tangent, structure: Structure, shape: Shape, out_shape: Shape) -> Tangent:
        """The transpose of `gather` from one source of ``out_shape``: repeated places accumulate."""

    @abstractmethod
    def put(
        self, target: Tangent | None, source: Tangent | None, key: Any, shape: Shape, source_shape: Shape, like: Any
    ) -> Tangent:
        """The tangent of ``target`` (a tangent of ``shape``) after ``target[key] = source``.

        ``like`` is the value of the target.  A space whose tangents are mutable writes in place, and is called
        only with targets that `own` gave.
        """

    @abstractmethod
    def sum(self, t: Tangent, axes: Shape, shape: Shape, out_shape: Shape) -> Tangent:
        """Add up along axes; ``out_shape`` may keep them with length 1."""

    @abstractmethod
    def contract(self, t: Tangent, linear: LinearMap, shape: Shape, out_shape: Shape) -> Tangent:
        """Apply a linear map of a function's own."""

    @abstractmethod
    def conj(self, t: Tangent, part: str, shape: Shape) -> Tangent:
        """The complex conjugate, real or imaginary part (``part`` is "conj", "real" or "imag")."""

    # -- housekeeping ------------------------------------------------------------------------------------------

    @abstractmethod
    def cast(self, t: Tangent, dtype: Any, shape: Shape) -> Tangent:
        """The tangent in the dtype of its value; a real value takes the real part."""

    @abstractmethod
    def read(self, t: Tangent | None, value: Any, others: Sequence[Any] | None = None) -> Any:
        """The tangent as numbers, for those who ask: full size, not shared with any dual.

        With ``others`` nobody needs the tangent any more, so that it may be given away as it is, if it shares no memory
        with them.
        """

    @abstractmethod
    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        """Where the tangent is certainly zero, as a boolean array of ``shape``."""

    @abstractmethod
    def unknown(self, t: Tangent, mask: Any, shape: Shape) -> Tangent:
        """The tangent with NaN along all directions where the mask is set."""

    @abstractmethod
    def may_have_nan(self, t: Tangent) -> bool:
        """Whether some part of the tangent may be NaN."""

    def floats(self, t: Tangent | None) -> Any:
        """The tangent of a real scalar as its class `float_dual` keeps it; None if it is not plain floats."""
        return None

    def travelling(self, t: Tangent | None) -> Tangent | None:
        """The tangent in a form that pickle takes to another process."""
        return t

    def own(self, t: Tangent | None, like: Any) -> Tangent | None:
        """A tangent equal to ``t`` that `put` may change without touching any other dual."""
        return t

    def accepting(self, target: Tangent, source: Tangent) -> Tangent:
        """The target of `put`, made ready for what the source holds, which may be duals of outer calls."""
        return target

    def varying(self, value: Any) -> Tangent | None:
        """A zero tangent that says that the zeros of a value are chance; None where only numbers are asked for."""
        return None

    def aliases(self, t: Tangent, source: Tangent) -> bool:
        """Whether writing into one of two tangents changes the other."""
        return False

    def element(self, t: Tangent, index: Any, shape: Shape) -> Tangent:
        """The tangent of one element, detached from its array."""
        return self.gather([t], Structure.getitem(index), [shape], ())

    # -- shared ------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> dict[int, Any]:
        """What rules keep while the call lasts, such as matrices that they have factored, by the id of their array."""
        try:
            return self._kept
        except AttributeError:
            self._kept: dict[int, Any] = {}
            return self._kept

    def _arguments(self) -> tuple[Any, ...]:
        """What the constructor takes, to make the space again in another process."""
        return self.tag, self.conjugates

    def __reduce__(self) -> Any:
        return rebuild, (type(self), self._arguments())


def note_conjugate(space: TangentSpace, name: str) -> None:
    """Called by rules that are not complex-linear, before they use `TangentSpace.conj`."""
    if space.conjugates == "refused":
        raise NotHolomorphicError(
            f"{name} has no complex derivative: f is not holomorphic. Use dualdiff.jvp or dualdiff.vjp, which are "
            "right along any direction"
        )
    if space.conjugates == "noted":
        space.conjugates = "used"


def rebuild(cls: type[TangentSpace], arguments: tuple[Any, ...]) -> TangentSpace:
    """A space that travelled between processes."""
    tags.receive(arguments[0])
    return cls(*arguments)
