"""Whether a tangent is infinite or NaN at some elements; for a recorded tangent the transposed program decides."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.base.quiet import quietly
from dualdiff.tangents.nodes import Node
from dualdiff.tangents.program import Program
from dualdiff.tangents.space import Shape, Tangent, TangentSpace
from dualdiff.tangents.structure import Structure
from dualdiff.tangents.zeros import plain


@quietly
def is_singular(space: TangentSpace, t: Tangent, mask: Any, shape: Shape) -> bool:
    """Whether the tangent is infinite or NaN at an element that the mask selects."""
    if isinstance(t, Node):
        program = Program([], [t])
        program.inputs = [node for node in program.nodes if not node.parents]
        pulled = program.pull([np.asarray(mask, t.dtype)])
        return any(w is not None and not np.all(np.isfinite(plain(w))) for w in pulled)
    if shape:
        selected = (int(np.sum(mask)),)
        t, shape = space.gather([t], Structure.getitem(mask), [shape], selected), selected
    return space.may_have_nan(space.add([t, space.scale(t, -1.0, shape, shape)], shape))
