"""Private parts of other libraries, compared with what was seen of them."""

from __future__ import annotations

import importlib
import inspect

MISSING = object()


def looked_up(path):
    """The object at a dotted path, or MISSING."""
    names = path.split(".")
    for i in range(len(names), 0, -1):
        try:
            thing = importlib.import_module(".".join(names[:i]))
        except ModuleNotFoundError:
            continue
        for name in names[i:]:
            thing = inspect.getattr_static(thing, name, MISSING)
            thing = thing.__func__ if isinstance(thing, staticmethod) else thing
        return thing
    return MISSING


def as_seen(user, part, reliance, installed, instances):
    """Fail with the reason if a part is gone, or has other parameters; some parts are found in instances alone."""
    path, parenthesis, parameters = part.partition("(")
    told = f"{installed}, {path}, which {user} relies on (seen in {', '.join(reliance.seen)}): {reliance.reason}"
    try:
        thing = instances.get(path, lambda: looked_up(path))()
    except AttributeError:
        thing = MISSING
    assert thing is not MISSING, f"it is gone: {told}"
    if parenthesis:
        # Patches keep the parameters of what they wrap; annotations do not matter.
        signature = inspect.signature(thing)
        plain = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
        seen = f"({parameters}".replace("(self, ", "(").replace("(self)", "()")
        assert str(signature.replace(parameters=plain, return_annotation=signature.empty)) == seen, (
            f"it has other parameters: {told}"
        )
