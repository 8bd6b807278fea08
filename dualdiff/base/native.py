"""The compiled scalar core, if this installation was built with it.

A build with ``DUALDIFF_COMPILE=1`` writes the module ``dualdiff.base.scalars`` from the table of rules
(`dualdiff.rules.python.scalar_module`) and compiles it by mypyc.  Its classes hold the value and the tangent of a dual
of a float as C doubles, and have the operators.  All other methods are those of `dualdiff.core.dual`, which are added
to the compiled classes, so that there is one text of each.
"""

from __future__ import annotations

from typing import Any, TypeVar

from dualdiff.base.errors import UNHASHABLE

#: The compiled module, or None.
SCALARS: Any
try:
    from dualdiff.base import scalars as SCALARS  # type: ignore[attr-defined, no-redef]
except ImportError:
    SCALARS = None

Class = TypeVar("Class", bound=type)

#: What a compiled class defines itself, and what belongs to a class rather than to its instances.
_OWN = frozenset({"__class__", "__dict__", "__module__", "__slots__", "__weakref__", "raw", "space", "value"})


def compiled(cls: Class) -> Class:
    """Decorate a class of duals: its compiled form with the methods of this one; the class itself if there is none."""
    form: Any = None if SCALARS is None else SCALARS.CLASSES.get((cls.__name__, vars(cls).get("lanes", 0)))
    if form is None:
        return cls
    for base in reversed([base for base in cls.__mro__ if base not in form.__mro__]):
        for name, attribute in vars(base).items():
            if name not in _OWN:
                setattr(form, name, attribute)
        if "__class__" in vars(base):
            # A class cannot be given a property of this name later, so the compiled one calls this function.
            provide(class_of=vars(base)["__class__"].fget)
    if not is_compiled(form):
        # It only made room for the operators that the rules install.
        del form.__neg__
    form.__name__, form.__qualname__, form.__module__ = cls.__name__, cls.__qualname__, cls.__module__
    return form  # type: ignore[no-any-return]


def is_compiled(cls: type) -> bool:
    """Whether a class has compiled operators."""
    return SCALARS is not None and issubclass(cls, SCALARS.Scalar)


def function(name: str) -> Any:
    """The compiled public function of duals of Python floats; None if there is none, as of rows that users add."""
    return None if SCALARS is None else SCALARS.FUNCTIONS.get(name)


def provide(**parts: Any) -> None:
    """Give the compiled core, if there is one, what it calls for the cases that it leaves to the interpreted one."""
    if SCALARS is not None:
        for name, part in parts.items():
            setattr(SCALARS.core, name, part)


provide(unhashable=UNHASHABLE)
