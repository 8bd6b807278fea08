"""Attributes of SciPy's objects that may be duals: SciPy keeps and converts them in another way in each version."""

from __future__ import annotations

from typing import Any


class Held:
    """An attribute that is kept here where `hold` has put it, and elsewhere is that of SciPy's object."""

    name: str
    owner: type

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"held_{self.name}"

    def _scipys(self, obj: Any) -> Any:
        """SciPy's property; None if it has none, and keeps the attribute itself."""
        mro = type(obj).__mro__
        own = (vars(cls).get(self.name) for cls in mro[mro.index(self.owner) + 1 :])
        return next((x for x in own if hasattr(x, "__set__")), None)

    def __get__(self, obj: Any, cls: Any = None) -> Any:
        if obj is None:
            return self
        attributes = vars(obj)
        if self.key in attributes:
            return attributes[self.key]
        own = self._scipys(obj)
        if own is not None:
            return own.__get__(obj, cls)
        if self.name not in attributes:
            raise AttributeError(f"{type(obj).__name__!r} object has no attribute {self.name!r}")
        return attributes[self.name]

    def __set__(self, obj: Any, value: Any) -> None:
        attributes, own = vars(obj), self._scipys(obj)
        if self.key in attributes:
            attributes[self.key] = value
        elif own is not None:
            own.__set__(obj, value)
        else:
            attributes[self.name] = value


def hold(obj: Any, **attributes: Any) -> None:
    """Keep attributes, of which some are duals."""
    vars(obj).update({f"held_{name}": value for name, value in attributes.items()})
