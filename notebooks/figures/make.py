"""Draw the figures of README.md and the pages: `python notebooks/figures/make.py` (needs the extra `plot`).

The tests run this script and compare its figures with the files in this folder.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from dualdiff import jacobian_sparsity
from dualdiff.teaching import plot_sparsity, plot_step_size, trace

#: Text stays text, and the output is reproducible.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dualdiff",
    "font.family": "sans-serif",
    "font.size": 11,
}


def graph(folder):
    """The example of the survey by Baydin et al., with tangents and adjoints, for both themes."""
    picture = trace(lambda x, y: np.log(x) + x * y - np.sin(y), 2.0, 5.0).graph(
        tangents=True, adjoints=True
    )
    for theme in "light", "dark":
        picture.save(folder / f"graph-{theme}.svg", theme)


def step_size(folder):
    """The V-curve of the README's first function at 3, in operations that round alike on every machine."""
    figure = Figure(figsize=(6.8, 4), layout="constrained")
    plot_step_size(lambda x: x * x * x + 2 * x, 3.0, figure.subplots())
    save(figure, folder / "step_size.svg")


def colours(folder):
    """The Jacobian of diffusion on a periodic grid of 5 x 5 cells, with its columns coloured by the library."""

    def diffusion(u):
        u = u.reshape(5, 5)
        return np.ravel(
            sum(np.roll(u, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4 * u
        )

    figure = Figure(figsize=(4.6, 4.8), layout="constrained")
    plot_sparsity(jacobian_sparsity(diffusion, np.ones(25)), True, figure.subplots())
    save(figure, folder / "colours.svg")


def save(figure, path):
    """Save an SVG without a date, on a white background in both themes."""
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def make(folder):
    """Draw all figures into a folder."""
    with rc_context(STYLE):
        for draw in graph, step_size, colours:
            draw(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
