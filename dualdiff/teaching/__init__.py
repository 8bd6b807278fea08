"""Tools for teaching automatic differentiation: evaluation traces, computational graphs, plots, and exercises.

>>> import numpy as np
>>> from dualdiff.teaching import trace
>>> trace(lambda x: np.sin(x) * x, 2.0)
    formula  value     tangent
x            2          1
v1  sin(x)   0.909297  -0.416147
v2  v1*x     1.81859    0.0770038
f = v2
"""

from __future__ import annotations

from dualdiff.base.public import shown_in
from dualdiff.teaching.exercises import Exercise, Result, find
from dualdiff.teaching.figures import show
from dualdiff.teaching.graph import Graph
from dualdiff.teaching.player.play import Player, play
from dualdiff.teaching.plots import plot_derivatives, plot_descent, plot_newton, plot_sparsity, plot_step_size
from dualdiff.teaching.trace import Step, Trace, trace

__all__ = [
    "Exercise",
    "Graph",
    "Player",
    "Result",
    "Step",
    "Trace",
    "find",
    "play",
    "plot_derivatives",
    "plot_descent",
    "plot_newton",
    "plot_sparsity",
    "plot_step_size",
    "show",
    "trace",
]

for _named in __all__:
    shown_in(__name__)(globals()[_named])
