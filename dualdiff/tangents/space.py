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
from typing import Any, ClassVar

import numpy as np

from dualdiff.core import tags
from dualdiff.core.errors import NotHolomorphicError
from dualdiff.tangents.linear import LinearMap
from dualdiff.tangents.structure import Structure

Shape = tuple[int, ...]
#: A tangent, opaque outside its space.
Tangent = Any


class TangentSpace(ABC):
    """One call of an operator: its tag, and what its tangents are."""

    __slots__ = ("_kept", "conjugates", "tag")

    #: Whether a scalar's tangent may be a plain Python float (what the scalar fast path needs to know).
    scalar_floats: ClassVar[bool] = False

    #: Whether the verbs only note what is to be done, and compute nothing.
    lazy: ClassVar[bool] = False

    #: Whether the core tells what it does: `note`, `call` and `compare` are called for such a space alone.
    traces: ClassVar[bool] = False

    def __init__(self, tag: int, conjugates: str = "allowed") -> None:
        self.tag = tag
        # "allowed", "refused" (a complex derivative was asked for), or "noted" (refused later, when the result
        # turns out to be complex).
        self.conjugates = conjugates

    # -- the verbs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def scale(self, t: Tangent, c: Any, shape: Shape, out_shape: Shape, spare: bool = False) -> Tangent:
        """Multiply by coefficients; both broadcast to the result.  Zero times anything is zero.

        With ``spare`` the array of coefficients is nobody else's and may be overwritten.
        """

    @abstractmethod
    def add(self, terms: Sequence[Tangent], shape: Shape, spare: int | None = None) -> Tangent:
        """Sum of tangents of one shape; the term with the number ``spare`` is nobody else's and may be overwritten."""

    def subtract(self, a: Tangent, b: Tangent, shape: Shape) -> Tangent:
        """The difference of two tangents of one shape."""
        return self.add([a, self.scale(b, -1, shape, shape)], shape)

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
    def read(self, t: Tangent | None, value: Any) -> Any:
        """The tangent as numbers, for those who ask: full size, not shared with any dual."""

    def give(self, t: Tangent | None, value: Any, others: Sequence[Any]) -> Any:
        """As `read`, of a tangent that nobody needs any more; the result shares no memory with the others."""
        return self.read(t, value)

    @abstractmethod
    def zero_mask(self, t: Tangent, shape: Shape) -> Any:
        """Where the tangent is certainly zero, as a boolean array of ``shape``."""

    @abstractmethod
    def may_have_nan(self, t: Tangent) -> bool:
        """Whether some part of the tangent may be NaN."""

    def holds(self, t: Tangent) -> bool:
        """Whether this tangent, scaled, may need the very array of coefficients later on."""
        return self.lazy

    def numbers(self, t: Tangent, like: Tangent) -> Any:
        """The tangent as one number for each element of the value; None if it is something else, or unlike ``like``."""
        return None

    def with_numbers(self, t: Tangent, numbers: Any) -> Tangent:
        """A tangent as ``t`` with other numbers."""
        return numbers

    def is_new(self, t: Tangent, c: Any) -> bool:
        """Whether a tangent just scaled by c is in storage of its own, which may be written over."""
        return False

    def lasting(self, c: Any) -> Any:
        """Coefficients (an array, perhaps of duals) as they are now, whatever their owner writes into them."""
        return np.copy(c, order="K")

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

    # -- what a space that traces is told ------------------------------------------------------------------------

    def note(self, name: str, operands: Sequence[Any], value: Any, t: Tangent | None) -> Tangent | None:
        """An elementwise function gave a value, and t as its tangent; returns the tangent to go on with."""
        return t

    def call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """``function(*args, **kwargs)``, where NumPy's function of this name was called with duals."""
        return function(*args, **kwargs)

    def compare(self, symbol: str, operands: Sequence[Any], answer: Any) -> Any:
        """Values were compared, and the answer, which is handed on, may choose a branch."""
        return answer

    # -- shared ------------------------------------------------------------------------------------------------

    def note_conjugate(self, name: str) -> None:
        """Called by rules that are not complex-linear, before they use `conj`."""
        if self.conjugates == "refused":
            raise NotHolomorphicError(
                f"{name} has no complex derivative: f is not holomorphic. Use dualdiff.jvp or dualdiff.vjp, which are "
                "right along any direction"
            )
        if self.conjugates == "noted":
            self.conjugates = "used"

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
        return _rebuild, (type(self), self._arguments())


def _rebuild(cls: type[TangentSpace], arguments: tuple[Any, ...]) -> TangentSpace:
    tags.receive(arguments[0])
    return cls(*arguments)
