"""Computational graphs as pictures (SVG)."""

from __future__ import annotations

import os


class Graph:
    """The picture of a computational graph, as `Trace.graph` makes it.

    In a notebook it shows itself; ``svg`` is its text.  It follows the reader's choice of a light or a dark theme.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture into a file, ``"graph.svg"``.

        Raises
        ------
        ValueError
            If the name does not end in ``.svg``.
        """
