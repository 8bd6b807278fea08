"""The uncertainty budget of a value, as the GUM asks for it: a table, degrees of freedom, the expanded uncertainty."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from dualdiff.base.extras import load
from dualdiff.base.public import shown_in
from dualdiff.uncertain.formatting import formatted
from dualdiff.uncertain.values import UFloat
from dualdiff.uncertain.variables import Variable, Variables

#: The most rows of a table; the shares of the others are added.
ROWS = 25
#: The width of the bar of a share of 100 %, in characters.
_BAR = 20


@dataclass(frozen=True)
class BudgetRow:
    """One input of a budget.

    ``share`` is its part of the variance, ``sensitivity * cov(input, y) / var(y)``: of independent inputs the squared
    contribution over the variance, of correlated ones also half of each covariance term, so that the shares add up to
    one (and some may be negative).
    """

    name: str
    value: float
    std_dev: float
    sensitivity: float
    contribution: float
    share: float
    dof: float


@shown_in("dualdiff.uncertain")
class Budget:
    """The uncertainty budget of a value; `budget` makes it.

    Printed, it is a text; in a notebook, a table with bars.

    Attributes
    ----------
    value, std_dev : float
        The value and its combined standard uncertainty.
    rows : list of BudgetRow
        The inputs, largest share first: ``name``, ``value``, ``std_dev``, ``sensitivity``, ``contribution``, ``share``,
        ``dof``.
    dof : float
        The effective degrees of freedom (Welch-Satterthwaite); NaN if correlated inputs have different finite ones.
    coverage : float
        The coverage probability of the expanded uncertainty.
    coverage_factor : float
        The quantile of Student's distribution with ``dof`` degrees of freedom.
    expanded : float
        The expanded uncertainty, ``coverage_factor * std_dev``.
    """

    value: float
    std_dev: float
    coverage: float
    rows: list[BudgetRow]
    dof: float
    expanded: float

    def __init__(self, y: UFloat, coverage: float, coverage_factor: float | None) -> None:
        derivatives = y.derivatives
        self.value, self.std_dev, self.coverage = float(y.n), float(y.s), coverage
        contributions = {v: c * v.std_dev if v.std_dev else 0.0 for v, c in derivatives.items()}
        products = _products(derivatives, contributions)
        variance = self.std_dev**2 or 1.0
        names = _names(list(derivatives))
        rows = [
            BudgetRow(names[v], v.nominal_value, v.std_dev, c, contributions[v], products[v] / variance, v.dof)
            for v, c in derivatives.items()
        ]
        self.rows = sorted(rows, key=lambda row: -abs(row.share))
        self.dof = _effective(derivatives, products, self.std_dev)
        if coverage_factor is None:
            coverage_factor = _quantile((1 + coverage) / 2, self.dof)
        self.coverage_factor = coverage_factor
        self.expanded = coverage_factor * self.std_dev

    # -- as text -------------------------------------------------------------------------------------------------------

    def _table(self) -> tuple[list[str], list[list[str]], list[float]]:
        """The head, the rows and the shares of the table."""
        head = ["input", "value", "std", "sensitivity", "contribution", "share", "dof"]
        shown = [
            [
                row.name,
                f"{row.value:.7g}",
                f"{row.std_dev:.3g}",
                f"{row.sensitivity:.4g}",
                f"{row.contribution:.3g}",
                f"{100 * row.share:.1f} %",
                "" if math.isinf(row.dof) else f"{row.dof:g}",
            ]
            for row in self.rows[:ROWS]
        ]
        shares = [row.share for row in self.rows[:ROWS]]
        if others := self.rows[ROWS:]:
            shares.append(sum(row.share for row in others))
            shown.append([f"{len(others)} more", "", "", "", "", f"{100 * shares[-1]:.1f} %", ""])
        return head, shown, shares

    def _summary(self) -> list[str]:
        dof = "infinite" if math.isinf(self.dof) else f"{self.dof:.3g}"
        interval = formatted(self.value, self.expanded, ".2u")
        return [
            f"y = {formatted(self.value, self.std_dev, '.2u')}, effective degrees of freedom: {dof}",
            f"expanded uncertainty: {interval} (k = {self.coverage_factor:.3g}, {100 * self.coverage:g} %)",
        ]

    def __str__(self) -> str:
        head, rows, shares = self._table()
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

        def line(cells: list[str], bar: str) -> str:
            padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
            return "  ".join([*padded, bar]).rstrip()

        bars = ["█" * round(_BAR * min(abs(share), 1.0)) for share in shares]
        lines = [line(head, ""), *(line(row, bar) for row, bar in zip(rows, bars, strict=True))]
        return "\n".join([*lines, "", *self._summary()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, rows, shares = self._table()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in [*head, ""])
        lines = [f"<tr>{cells}</tr>"]
        for row, share in zip(rows, shares, strict=True):
            width = 150 * min(abs(share), 1.0)
            colour = "#4477aa" if share >= 0 else "#cc6677"
            bar = (
                f'<svg width="150" height="12"><rect width="{width:.1f}" height="12" fill="{colour}"/>'
                f"<title>{html.escape(row[0])}: {row[5]}</title></svg>"
            )
            texts = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            lines.append(f"<tr>{texts}<td>{bar}</td></tr>")
        summary = "<br>".join(html.escape(text) for text in self._summary())
        return f"<table>{''.join(lines)}</table><p>{summary}</p>"

    def plot(self, axes: Any = None) -> Any:
        """A bar picture of the shares, with Matplotlib, which must be installed.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib Axes
        """
        if axes is None:
            axes = load("matplotlib.pyplot", "matplotlib", "Budget.plot").subplots()[1]
        _, rows, shares = self._table()
        axes.barh([row[0] for row in rows], [100 * share for share in shares])
        axes.invert_yaxis()
        axes.set_xlabel("share of the variance (%)")
        return axes


def budget(y: Any, coverage: float = 0.95, coverage_factor: float | None = None) -> Budget:
    r"""The uncertainty budget of a value.

    For inputs x_i with standard uncertainties u_i the combined one is :math:`u^2 = \sum_{ij} c_i c_j \mathrm{cov}(x_i,
    x_j)` with the sensitivities :math:`c_i = \partial y / \partial x_i`.  The effective degrees of freedom are those of
    Welch and Satterthwaite, :math:`u^4 / \sum_i (c_i u_i)^4 / \nu_i`; inputs that were given with one covariance matrix
    and equal degrees of freedom count as one input.

    Parameters
    ----------
    y : UFloat
        A function of uncertain inputs: tags name them, and ``ufloat(..., dof=)`` gives their degrees of freedom.
    coverage : float
        The coverage probability of the expanded uncertainty.
    coverage_factor : float, optional
        The factor k itself, such as 2; by default the quantile of Student's distribution.

    Returns
    -------
    Budget
        Prints as a table; has ``rows``, ``dof``, ``coverage_factor``, ``expanded`` and ``plot()``.

    Raises
    ------
    TypeError
        If y is no uncertain scalar.
    ValueError
        If ``coverage`` is not between 0 and 1.
    ImportError
        If the effective degrees of freedom are finite and SciPy, which knows Student's distribution, is not installed.

    Examples
    --------
    >>> u, i = ufloat(5.0, 0.03, "U"), ufloat(0.02, 0.0001, "I")
    >>> print(budget(u / i, coverage_factor=2))
    input  value     std  sensitivity  contribution   share  dof
    U          5    0.03           50           1.5  59.0 %       ████████████
    I       0.02  0.0001    -1.25e+04         -1.25  41.0 %       ████████
    <BLANKLINE>
    y = 250.0+/-2.0, effective degrees of freedom: infinite
    expanded uncertainty: 250.0+/-3.9 (k = 2, 95 %)
    """
    if not issubclass(type(y), UFloat) or y.dtype.kind != "f":
        instead = ": budget(y[i]) for an element of an array" if np.ndim(y) else ""
        raise TypeError(f"budget takes a real uncertain scalar, not {type(y).__name__}{instead}")
    if not 0 < coverage < 1:
        raise ValueError(f"the coverage probability must be between 0 and 1, not {coverage!r}")
    return Budget(y, coverage, coverage_factor)


def _names(variables: list[Variable]) -> dict[Variable, str]:
    """The tags, numbered where they are missing or repeat."""
    names: dict[Variable, str] = {}
    used: set[str] = set()
    for i, v in enumerate(variables, 1):
        name = v.tag or f"x{i}"
        while name in used:
            name += "'"
        used.add(name)
        names[v] = name
    return names


def _products(derivatives: dict[Variable, float], contributions: dict[Variable, float]) -> dict[Variable, float]:
    """For each input, its sensitivity times its covariance with y."""
    products = {v: contributions[v] ** 2 for v in derivatives}
    for group, members in _correlated(derivatives).items():
        places = [v.index for v in members]
        slopes = np.array([derivatives[v] for v in members])
        factor = group.factor[places]
        products.update(zip(members, (slopes * (factor @ (slopes @ factor))).tolist(), strict=True))
    return products


def _correlated(derivatives: dict[Variable, float]) -> dict[Variables, list[Variable]]:
    """The inputs that were given with one covariance matrix."""
    groups: dict[Variables, list[Variable]] = {}
    for v in derivatives:
        if v.group.factor is not None:
            groups.setdefault(v.group, []).append(v)
    return groups


def _effective(derivatives: dict[Variable, float], products: dict[Variable, float], std: float) -> float:
    """The effective degrees of freedom."""
    parts = [(products[v], v.dof) for v in derivatives if v.group.factor is None]
    for members in _correlated(derivatives).values():
        dofs = {v.dof for v in members}
        parts.append((sum(products[v] for v in members), dofs.pop() if len(dofs) == 1 else math.nan))
    if not std:
        return math.inf
    # Relative to the variance, so that nothing underflows.
    total = sum((part / std**2) ** 2 / dof for part, dof in parts if part)
    return 1 / total if total else math.inf


def _quantile(p: float, dof: float) -> float:
    """The quantile of Student's distribution."""
    if math.isinf(dof):
        return NormalDist().inv_cdf(p)
    special = load("scipy.special", "scipy", "the coverage factor for finite degrees of freedom")
    return float(special.stdtrit(dof, p))
