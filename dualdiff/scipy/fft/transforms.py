"""``scipy.fft``: all transforms are linear, so that the tangent is transformed as the value is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core.array import operand
from dualdiff.rules.numpy.fft import fitted
from dualdiff.rules.writing.array_rules import axis_of, plain_values
from dualdiff.rules.writing.compositions import evaluated
from dualdiff.rules.writing.over_scipy import over_scipy
from dualdiff.scipy.solving.linear_functions import linear

_MODULE = "scipy.fft"
#: The functions of this module, by SciPy's names.
TRANSFORMS: dict[str, Callable[..., Any]] = {}

_DOC = """{title}, which is linear in the array: :math:`d\\mathrm{{{name}}}(x) = \\mathrm{{{name}}}(dx)`.

Args:
    {array} (array_like): The samples, real or complex as in SciPy.
Returns:
    array: SciPy's result, with its derivative.
Raises:
    ValueError: As SciPy does, for invalid lengths and axes.
    dualdiff.LostDerivativeError: If another parameter is a dual.
Notes:
    One transform for the value, and one more for each direction.
"""


def _register(name: str, title: str, rule: Callable[..., Any], array: str = "x") -> None:
    rule.__name__ = rule.__qualname__ = name
    rule.__doc__ = _DOC.format(title=title, name=name, array=array)
    TRANSFORMS[name] = over_scipy(array, module=_MODULE)(rule)


# -- Fourier transforms, by the rules of numpy.fft ---------------------------------------------------------------------
_SWAPPED: dict[Any, Any] = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _hfftn(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    return np.fft.irfftn(np.conjugate(x), s, axes, _SWAPPED[norm])


def _ihfftn(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    return np.conjugate(np.fft.rfftn(x, s, axes, _SWAPPED[norm]))


def _along_one(name: str, title: str) -> None:
    transform = getattr(np.fft, name)

    def rule(value: Any, x: Any, n: Any = None, axis: int = -1, norm: Any = None, **options: Any) -> Any:
        return evaluated(value, lambda x: transform(x, n, axis, norm), operand(x))

    _register(name, title, rule)


def _along_several(name: str, title: str, transform: Callable[..., Any]) -> None:
    def composition(x: Any, s: Any, axes: Any, norm: Any) -> Any:
        s, axes = _steps(x, s, axes)
        return transform(x, s, axes, norm)

    if name.endswith("2"):

        def rule(value: Any, x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, **options: Any) -> Any:
            return evaluated(value, lambda x: composition(x, s, axes, norm), operand(x))

    else:

        def rule(value: Any, x: Any, s: Any = None, axes: Any = None, norm: Any = None, **options: Any) -> Any:
            return evaluated(value, lambda x: composition(x, s, axes, norm), operand(x))

    _register(name, title, rule)


def _steps(x: Any, s: Any, axes: Any) -> tuple[Any, Any]:
    """The lengths (None: those of x) and the axes of a transform along several axes."""
    s = None if s is None else [int(n) for n in np.atleast_1d(s)]
    if axes is None:
        axes = range(-(x.ndim if s is None else len(s)), 0)
    return s, [int(axis) for axis in np.atleast_1d(axes)]


_ONE = {
    "fft": "The discrete Fourier transform",
    "ifft": "The inverse discrete Fourier transform",
    "rfft": "The discrete Fourier transform of real samples",
    "irfft": "The inverse of rfft",
    "hfft": "The discrete Fourier transform of Hermitian samples",
    "ihfft": "The inverse of hfft",
}
for _name, _title in _ONE.items():
    _along_one(_name, _title)
    for _suffix, _dimensions in (("2", "along two axes"), ("n", "along several axes")):
        _transform = {"hfft": _hfftn, "ihfft": _ihfftn}.get(_name) or getattr(np.fft, f"{_name}n")
        _along_several(_name + _suffix, f"{_title} {_dimensions}", _transform)


# -- cosine and sine transforms ----------------------------------------------------------------------------------------
_TRANSPOSED_TYPE = {1: 1, 2: 3, 3: 2, 4: 4}


def _ends(w: Any, kind: int, factor: float, places: slice) -> Any:
    """The array with the first (cosine) or the last (sine) elements along the last axis multiplied by a factor."""
    weights = np.ones(w.shape[-1], plain_values(w).real.dtype)
    weights[places] = factor
    return w * weights


def _of_last(name: str, kind: int, norm: Any, orthogonalize: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The transform along the last axis, and its transpose."""
    function = TRANSFORMS[name]
    options = {"norm": norm, "orthogonalize": orthogonalize}
    # The inverse is the transform of the transposed type, scaled.
    acts = _TRANSPOSED_TYPE[kind] if name.startswith("i") else kind
    is_sine = name.endswith("dst")
    is_orthogonal = (norm == "ortho" if orthogonalize is None else orthogonalize) or acts == 4
    # Without its orthogonal form, a matrix has ends of half the weight: columns in types 1 (cosine) and 3.
    places = slice(-1, None) if is_sine else slice(0, 1)

    def transform(t: Any) -> Any:
        return function(t, kind, **options)

    def transposed(w: Any) -> Any:
        other = _TRANSPOSED_TYPE[kind]
        if is_orthogonal or (is_sine and acts == 1):
            return function(w, other, **options)
        if acts == 1:
            both = slice(None, None, max(1, w.shape[-1] - 1))
            return _ends(function(_ends(w, acts, 2.0, both), other, **options), acts, 0.5, both)
        if acts == 2:
            return function(_ends(w, acts, 2.0, places), other, **options)
        return _ends(function(w, other, **options), acts, 0.5, places)

    return transform, transposed


def _along(name: str, x: Any, kind: int, n: Any, axis: int, norm: Any, orthogonalize: Any) -> Any:
    axis = axis_of(axis, x.ndim)
    x = np.moveaxis(x, axis, -1)
    x = fitted(x, x.shape[-1] if n is None else n, -1)
    transform, transposed = _of_last(name, kind, norm, orthogonalize)
    return np.moveaxis(linear(transform, x, transposed, (-1,)), -1, axis)


def _trigonometric(name: str, title: str) -> None:
    def rule(
        value: Any,
        x: Any,
        type: int = 2,
        n: Any = None,
        axis: int = -1,
        norm: Any = None,
        orthogonalize: Any = None,
        **options: Any,
    ) -> Any:
        x = operand(x)
        axis = axis_of(axis, x.ndim) - x.ndim
        if n is None or n == x.shape[axis]:
            _, transposed = _of_last(name, type, norm, orthogonalize)

            def of_axis(w: Any) -> Any:
                return np.moveaxis(transposed(np.moveaxis(w, axis, -1)), -1, axis)

            options = {"axis": axis, "norm": norm, "orthogonalize": orthogonalize}
            return linear(lambda t: TRANSFORMS[name](t, type, **options), x, of_axis, (axis,), value=value)
        return evaluated(value, lambda x: _along(name, x, type, n, axis, norm, orthogonalize), x)

    _register(name, title, rule)


def _trigonometrics(name: str, title: str) -> None:
    def rule(
        value: Any,
        x: Any,
        type: int = 2,
        s: Any = None,
        axes: Any = None,
        norm: Any = None,
        orthogonalize: Any = None,
        **options: Any,
    ) -> Any:
        def composition(x: Any) -> Any:
            lengths, places = _steps(x, s, axes)
            lengths = [x.shape[axis] for axis in places] if lengths is None else lengths
            for n, axis in zip(lengths, places, strict=True):
                x = _along(name[:-1], x, type, None if n == -1 else n, axis, norm, orthogonalize)
            return x

        return evaluated(value, composition, operand(x))

    _register(name, title, rule)


for _name, _title in (
    ("dct", "The discrete cosine transform"),
    ("idct", "The inverse discrete cosine transform"),
    ("dst", "The discrete sine transform"),
    ("idst", "The inverse discrete sine transform"),
):
    _trigonometric(_name, _title)
    _trigonometrics(f"{_name}n", f"{_title} along several axes")


# -- Hankel transforms -------------------------------------------------------------------------------------------------
def _hankel(name: str, title: str, array: str) -> None:
    def rule(value: Any, a: Any, dln: Any, mu: Any, offset: Any = 0.0, bias: Any = 0.0) -> Any:
        # The matrix is symmetric: an element depends on the sum of its indices.
        return linear(value, a, value, (-1,))

    def inverse(value: Any, A: Any, dln: Any, mu: Any, offset: Any = 0.0, bias: Any = 0.0) -> Any:
        return linear(value, A, value, (-1,))

    _register(name, title, rule if array == "a" else inverse, array)


_hankel("fht", "The fast Hankel transform of logarithmically spaced samples", "a")
_hankel("ifht", "The inverse fast Hankel transform of logarithmically spaced samples", "A")


# -- helpers -----------------------------------------------------------------------------------------------------------
def _shift(name: str, title: str) -> None:
    def rule(value: Any, x: Any, axes: Any = None) -> Any:
        return getattr(np.fft, name)(operand(x), axes)

    _register(name, title, rule)


def _frequencies(name: str, title: str) -> None:
    def rule(value: Any, n: Any, d: Any = 1.0, *, xp: Any = None, device: Any = None) -> Any:
        return evaluated(value, lambda d: getattr(np.fft, name)(n) / d, d)

    rule.__name__ = rule.__qualname__ = name
    rule.__doc__ = f"""{title}: :math:`f = k / (n d)`.

    Args:
        d (float): The distance of the samples.
    Returns:
        array: The frequencies, with their derivative with respect to d.
    Notes:
        A division.
    """
    TRANSFORMS[name] = over_scipy("d", module=_MODULE)(rule)


_shift("fftshift", "The array with the zero frequency in its middle")
_shift("ifftshift", "The inverse of fftshift")
_frequencies("fftfreq", "The frequencies of fft")
_frequencies("rfftfreq", "The frequencies of rfft")
