"""Uncertain values as text, and read from text: ``1.20+/-0.10``, ``1.20(10)``, ``(1.20±0.10)×10³``, LaTeX.

The format specification is that of floats, with ``u`` before the type (the precision counts the significant digits of
the uncertainty) and the options ``S`` (shorthand, 1.20(10)), ``P`` (pretty: ±, ×10³), ``L`` (LaTeX) and ``p``
(parentheses) at the end.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np

_SPECIFICATION = re.compile(
    r"(?P<fill>[^{}]??)(?P<align>[<>=^]?)(?P<sign>[-+ ]?)(?P<zero>0?)(?P<width>\d*)(?P<comma>,?)"
    r"(?:\.(?P<precision>\d+))?(?P<of_std>u?)(?P<type>[eEfFgG%]??)(?P<options>[PSLp]*)$"
)
_SUPERSCRIPTS = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_DIGITS = {v: chr(k) for k, v in _SUPERSCRIPTS.items()}


class _Style(NamedTuple):
    """The symbols of one kind of output; ``power`` makes the text of a power of ten."""

    plus_minus: str
    left: str
    right: str
    power: Any


_PRETTY = _Style("±", "(", ")", lambda k: f"×10{str(k).translate(_SUPERSCRIPTS)}")
_LATEX = _Style(r" \pm ", r"\left(", r"\right)", lambda k: rf" \times 10^{{{k}}}")
_PLAIN = _Style("+/-", "(", ")", lambda k: f"e{k:+03d}")
_CAPITAL = _PLAIN._replace(power=lambda k: f"E{k:+03d}")


def _position(x: float) -> int:
    """The decimal position of the first digit: 0 for units, -1 for tenths; 0 for zero."""
    return math.floor(math.log10(abs(x))) if x else 0


def rounded_by_pdg(std: float) -> tuple[int, float]:
    """The significant digits that the Particle Data Group gives a standard deviation, and what is shown for it.

    By its first three digits: two up to 354, one up to 949, above that two of the next power of ten.
    """
    exponent = _position(std)
    # In steps that stay within the range of floats.
    first_three = int(std / 10.0 ** (exponent - 2)) if exponent >= 0 else int(std / 10.0 ** (exponent + 1) * 1000)
    if first_three <= 354:
        return 2, std
    return (1, std) if first_three <= 949 else (2, 10.0 ** (exponent + 1))


def _last_digit(x: float, digits: int) -> int:
    """The position of the last of so many significant digits of x, after rounding."""
    last = _position(x) - digits + 1
    return last + 1 if _position(round(x, -last)) > _position(x) else last


def _layout(value: float, std: float, parts: dict[str, str]) -> tuple[float, int | None, int]:
    """The standard deviation to show, the common power of ten (None: none), the digits after the point."""
    kind, precision = parts["type"], parts["precision"]
    finite = [x for x in (abs(value), std) if math.isfinite(x)]
    largest = max(finite, default=0.0)
    last: int | None = None
    if ((precision is None and len(finite) == 2) or parts["of_std"]) and std and math.isfinite(std):
        if precision is None:
            digits, std = rounded_by_pdg(std)
        elif not (digits := int(precision)):
            raise ValueError("an uncertainty needs at least one significant digit")
        last = _last_digit(std, digits)
    else:
        digits = int(precision) if precision is not None else 6 if kind else 12
        if kind in ("f", "F"):
            last = -digits
        elif finite:
            last = _last_digit(largest, digits + 1 if kind in ("e", "E") else digits or 1)
    exponent = None
    if kind not in ("f", "F") and finite and last is not None:
        exponent = _position(round(largest, -last))
        if kind not in ("e", "E") and (-4 <= exponent <= exponent - last or 10.0**exponent == 0.0):
            exponent = None
    if last is None:
        return std, exponent, 1
    decimals = -(last - (exponent or 0))
    return std, exponent, max(decimals, 1 if not kind and not std else 0)


def formatted(value: float, std: float, spec: str) -> str:
    """A value and its standard deviation, in a format specification."""
    match = _SPECIFICATION.match(spec)
    if match is None:
        raise ValueError(
            f"invalid format {spec!r} of an uncertain value: the options P, S, L and p stand at the end, as in '.2uS'"
        )
    parts = match.groupdict()
    options = set(parts["options"])
    if parts["type"] == "%":
        value, std, parts["type"] = 100 * value, 100 * std, "f"
        options.add("%")
    shown, exponent, decimals = _layout(value, std, parts)
    scale = 1.0 if exponent is None else 10.0**exponent
    is_capital = parts["type"].isupper()
    style = _PRETTY if "P" in options else _LATEX if "L" in options else _CAPITAL if is_capital else _PLAIN
    writer = _Writer(parts, options, style, exponent, decimals, "F" if is_capital else "f")
    return (writer.short if "S" in options else writer.long)(value / scale, shown / scale)


class _Writer(NamedTuple):
    """What is known of the text of one value: its parts, symbols, power of ten and digits."""

    parts: dict[str, str]
    options: set[str]
    style: _Style
    exponent: int | None
    decimals: int
    letter: str

    @property
    def power(self) -> str:
        return "" if self.exponent is None else str(self.style.power(self.exponent))

    @property
    def percent(self) -> str:
        return "" if "%" not in self.options else r" \%" if "L" in self.options else "%"

    def _number(self, x: float, prefix: str, is_free: bool) -> str:
        """One scalar; ``is_free``: with the precision that was asked for, because the other one has no digits."""
        if is_free and self.parts["type"] in ("", "g", "G"):
            text = format(x, f"{prefix}{self.parts['precision'] or ''}{self.parts['type']}")
        else:
            text = format(x, f"{prefix}.{self.decimals}{self.letter}")
        if "L" in self.options and not math.isfinite(x):
            return rf"\mathrm{{{text}}}" if math.isnan(x) else r"-\infty" if x < 0 else r"\infty"
        return text

    def _prefix(self, sign: str, taken: int) -> str:
        """The sign, zeros up to the width without what is taken by other text, and the separator of thousands."""
        zeros = f"0{max(int(self.parts['width']) - taken, 0)}" if self.parts["zero"] and self.parts["width"] else ""
        return f"{sign}{zeros}{self.parts['comma']}"

    def _aligned(self, text: str) -> str:
        width = self.parts["width"]
        align = self.parts["align"] or ">"
        return format(text, f"{self.parts['fill']}{'>' if align == '=' else align}{width}") if width else text

    def short(self, value: float, std: float) -> str:
        """As 1.20(10)."""
        digits = "0"
        if not math.isfinite(std):
            digits = self._number(std, "", False)
        elif std:
            rounded = round(std, self.decimals)
            if (_position(rounded) >= 0 and self.decimals > 0 and rounded) or (self.decimals > 0 and not rounded):
                digits = f"{rounded:.{self.decimals}f}"
            else:
                digits = f"{round(rounded * 10.0**self.decimals)}" if rounded else "0."
        end = f"({digits}){self.power}{self.percent}"
        is_free = not std or not math.isfinite(std)
        return self._aligned(self._number(value, self._prefix(self.parts["sign"], len(end)), is_free) + end)

    def long(self, value: float, std: float) -> str:
        """As 1.20+/-0.10; with a width, each of the two has it, and the power of ten."""
        parts, power, style = self.parts, self.power, self.style
        is_free = not std or not math.isfinite(std)
        # With a width, the power of ten belongs to each of the two.
        has_width = bool(parts["width"])
        ends = [power if has_width and has else "" for has in (math.isfinite(value), not is_free)]
        first = self._number(value, self._prefix(parts["sign"], len(ends[0])), is_free) + ends[0]
        prefix = self._prefix("", len(ends[1]))
        second = self._number(std, prefix, not math.isfinite(value)) if std else format(std, f"{prefix}.0{self.letter}")
        first, second = self._aligned(first), self._aligned(second + ends[1])
        text = f"{first}{style.plus_minus}{second}"
        if power and not has_width:
            return f"{style.left}{text}{style.right}{power}{self.percent}"
        if self.percent or "p" in self.options:
            return f"{style.left}{text}{style.right}{self.percent}"
        return text


def formatted_array(values: Any, std: Any, separator: str, spec: str = "") -> str:
    """An array of values with standard deviations, each in a format specification."""
    flat, sigma = np.ravel(values), np.ravel(std)
    places = np.arange(flat.size).reshape(np.shape(values))
    show: Any = {"int": lambda i: formatted(float(flat[i]), float(sigma[i]), spec)}
    prefix = "UArray(" if "," in separator else ""
    return np.array2string(places, separator=separator, formatter=show, prefix=prefix)


# -- reading -----------------------------------------------------------------------------------------------------------
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+|nan|inf)"
_POWER = r"(?:\s*(?:e|[×x*]\s*10\^?)\s*\{?(?P<p>[+-]?\d+|[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)\}?)?"
_LONG = re.compile(
    rf"(?P<value>{_NUMBER}){_POWER}\s*(?:\+/-|±|\\pm)\s*(?P<std>{_NUMBER}){_POWER.replace('<p>', '<q>')}", re.I
)
_SHORT = re.compile(rf"(?P<value>{_NUMBER})(?:\((?P<std>\d*\.?\d*|nan|inf)\))?{_POWER}", re.I)
_FACTORED = re.compile(rf"\((?P<inner>.*)\){_POWER}", re.I)


def parsed(text: str) -> tuple[float, float]:
    """The value and the standard deviation that a text states, exact in decimal arithmetic before they are rounded."""
    given = text.strip()
    percent = given.endswith("%")
    body = given.removesuffix("%").rstrip()
    power = -2 if percent else 0
    factored = _FACTORED.fullmatch(body)
    if factored is not None:
        body, power = factored["inner"].strip(), power + _power_of(factored["p"])
    match = _LONG.fullmatch(body)
    try:
        if match is not None:
            value = Decimal(match["value"]).scaleb(power + _power_of(match["p"]))
            std = Decimal(match["std"]).scaleb(power + _power_of(match["q"]))
            return float(value), float(std)
        match = _SHORT.fullmatch(body)
        if match is None or match["std"] == "" or match["std"] == ".":
            raise InvalidOperation
        digits = match["std"] or "1"
        power += _power_of(match["p"])
        value, std = Decimal(match["value"]), Decimal(digits)
        if digits.isdigit():
            # Digits without a point count in the last place of the value.
            std = std.scaleb(-len(match["value"].partition(".")[2]))
        return float(value.scaleb(power)), float(std.scaleb(power))
    except InvalidOperation:
        raise ValueError(
            f"{text!r} is not a value with an uncertainty: write '1.20(10)', '1.20+/-0.10', '1.20 ± 0.10', "
            "'(1.20+/-0.10)e-3' or '1.20(10)e-3'"
        ) from None


def _power_of(text: str | None) -> int:
    return int("".join(_DIGITS.get(ord(c), c) for c in text)) if text else 0
