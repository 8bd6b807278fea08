"""The steps of random programs, as lines of Python.

``{a}`` and ``{b}`` stand for earlier variables, ``{y}`` for the new one, ``{k}`` for a constant and ``{n}`` for a small
integer.  A step that raises on plain arrays is not taken, so that shapes need not be known here.
"""

from __future__ import annotations

import re

import numpy as np
import scipy.special

import dualdiff
from dualdiff import scipy as ds

#: What the lines name.
NAMES = {"np": np, "sp": scipy.special, "dd": dualdiff, "ds": ds}


def expressions(text):
    """Those of a text, in which two blanks or a new line separate them."""
    return [e for e in re.split(r"\s*\n|  +", text) if e]


ELEMENTWISE = expressions("""
np.sin({a})  np.cos({a})  np.tan({a} / 3)  np.arcsin(np.tanh({a}))  np.arctan({a})  np.sinh({a} / 2)  np.cosh({a} / 2)
np.tanh({a})  np.arcsinh({a})  np.arccosh({a} * {a} + 1.5)  np.arctanh(np.sin({a}) / 2)  np.exp(-{a} ** 2)
np.exp2({a} / 4)  np.expm1({a} / 4)  np.log({a} * {a} + 1)  np.log1p(np.abs({a}))  np.log2({a} * {a} + 0.5)
np.log10({a} * {a} + 2)  np.sqrt({a} * {a} + 0.1)  np.cbrt({a} + 5)  np.square({a})  np.reciprocal({a} * {a} + 1)
np.sinc({a})  np.abs({a} - {k})  np.fabs({a})  -{a}  np.floor(3 * {a}) + {a}  np.ceil({a}) * {a}  np.rint({a}) + {a}
np.sign({a}) * {a}  np.trunc({a}) - {a}  np.deg2rad({a})  np.degrees({a} / 50)  np.i0({a} / 2)  np.conj({a})
np.positive({a})  np.real({a})  np.heaviside({a}, 0.5) * {a}  {a} ** 3  {a} ** 2  {a} ** 0  ({a} * {a} + 1) ** 0.5
{k} ** {a}  1 / ({a} * {a} + 1)  {a} * {k}  {k} - {a}  {a} / 3  {a} + {k}  np.float32(1.5) * {a}  np.nan_to_num({a})
np.around({a}, 1) * {a}  np.modf({a})[0]  np.frexp({a})[0]  np.ldexp({a}, {n})  np.angle({a} + 2j)  np.abs({a} + 1j)
np.real(np.exp(1j * {a}))  np.imag(np.sin({a} + 0.5j))
""")
PAIRS = expressions("""
{a} + {b}  {a} - {b}  {a} * {b}  {a} / ({b} * {b} + 1.5)  ({a} * {a} + 1) ** {b}  {a} % ({b} * {b} + 1)
np.fmod({a}, {b} * {b} + 1)  np.floor_divide({a}, {b} * {b} + 1) + {a}  np.divmod({a}, {b} * {b} + 1)[1]
np.maximum({a}, {b} - 0.01)  np.minimum({a}, {b} + 0.01)  np.fmax({a}, {b} / 2)  np.fmin({a}, 2 * {b})
np.hypot({a}, {b} + 3)  np.arctan2({a}, {b} * {b} + 1)  np.logaddexp({a}, {b})  np.logaddexp2({a}, {b})
np.copysign({a}, {b})  np.clip({a}, -0.5, {b} * {b})  np.where({a} > {b}, {a} * {a}, {b})
np.float_power({a} * {a} + 1, {b})  np.select([{a} > 0.5, {b} > 0], [{a} * {a}, 2 * {b}], default={a})
np.where({a} > 0, np.sqrt(np.abs({a})), {b})  np.piecewise({a}, [{a} > 0, {a} <= 0], [lambda t: t * t, lambda t: -t])
{a}.ravel()[0] * {b}  {a} * {a} - {b}  sp.xlogy({a} * {a}, {b} * {b} + 1)  sp.xlog1py({a}, {b} * {b})
np.heaviside({a}, {b}) * {b}
""")
SPECIAL = expressions("""
sp.erf({a})  sp.erfc({a})  sp.erfcx({a} * {a})  sp.ndtr({a})  sp.log_ndtr({a})  sp.expit({a})
sp.gammaln({a} * {a} + 1)  sp.gamma({a} * {a} + 1.2)  sp.psi({a} * {a} + 0.7)  sp.j0({a})  sp.j1({a})
sp.jv(1.5, {a} * {a} + 1)  sp.iv(2, {a})  sp.kv(1, {a} * {a} + 1)  sp.ellipk(np.tanh({a}))  sp.k0({a} * {a} + 1)
sp.beta({a} * {a} + 1, {b} * {b} + 1)  sp.betainc(2, 3, sp.expit({a}))  sp.gammainc(2.5, {a} * {a} + 0.1)
sp.logit(sp.expit({a}))  sp.dawsn({a})  sp.sici({a} * {a} + 1)[0]  sp.airy({a})[0]  sp.lambertw({a} * {a}).real
sp.hyp1f1(1.0, 2.0, {a})  sp.exprel({a})  sp.entr({a} * {a} + 0.1)  sp.boxcox({a} * {a} + 1, {b})
ds.special.logsumexp({a})  ds.special.softmax({a})  ds.special.logsumexp({a}, axis=-1)
ds.special.polygamma(1, {a} * {a} + 1)  ds.stats.norm.logpdf({a}, {b}, 1.5)  ds.stats.gamma.cdf({a} * {a} + 0.1, 2.0)
ds.stats.norm.ppf(sp.expit({a}))
""")
REDUCTIONS = expressions("""
np.sum({a})  np.sum({a}, axis=-1)  np.sum({a}, axis=0, keepdims=True) + {b}  np.mean({a}, axis=0)  {a}.mean()
np.prod({a}, axis=-1, keepdims=True)  np.prod({a})  np.max({a})  np.max({a}, axis=-1, initial=-0.3)
np.min({a}, initial=9.0) * {b}  np.ptp({a}, axis=0)  np.std({a} + np.arange({a}.shape[-1]))
np.var({a}, axis=-1, ddof=1)  np.median({a}, axis=-1)  np.quantile({a}, 0.3, axis=0, keepdims=True)
np.percentile({a}, [20, 70])  np.cumsum({a}, axis=0)  np.cumprod({a}, axis=-1)  np.cumsum({a})
np.diff({a}, axis=-1, prepend=1.0)  np.diff({a}, n=2)  np.average({a}, weights={b} * {b} + 1)  np.average({a}, axis=0)
np.nansum({a}, axis=0)  np.nanmax({a}, axis=-1)  np.logaddexp.reduce({a}, axis=0, initial=0.0)
np.add.reduce({a}, axis=-1)  np.multiply.accumulate({a}, axis=0)  np.maximum.accumulate({a}, axis=-1)
np.add.reduceat({a}, [0], axis=0)  np.trapezoid({a}, axis=-1)  np.gradient({a})  np.linalg.norm({a} - 3, axis=-1)
np.linalg.norm({a} + 5)  np.linalg.norm({a} + 2, ord=1, axis=0)  np.count_nonzero({a}) * {a}  np.cov({a})
np.corrcoef({a}, {b})  {a}.var()  {a}.max(axis=0)  {a}.sum(axis=-1, keepdims=True) * {b}  {a}.cumsum()
""")
SHAPES = expressions("""
{a}.T  {a}[::-1]  {a}[..., ::2]  {a}[1:]  {a}[:-1] * {a}[1:]  {a}[..., None] - {a}  np.ravel({a}, 'F')  {a}.flatten()
{a}[None]  np.broadcast_to({a}, (2, *{a}.shape))  np.stack([{a}, {b}], axis=-1)  np.concatenate([{b}, {a}[:1], {a}])
np.stack([e * 2 for e in np.ravel({a})])  np.array([np.sum({a}), 1.0, np.max({b})])  np.roll({a}, 1, axis=0)
np.roll({a}, {n})  np.sort({a}, axis=-1)  np.sort({a}, axis=None)
np.take_along_axis({b}, np.argsort({a}, axis=0, kind='stable'), axis=0)  {a}[{a} > 0]  {a}[{a} > {b}]
np.take({a}, [0, -1, 0], axis=0)  {a}[[0, -1]]  np.pad({a}, 1)  np.pad({a}, 1, mode='edge')
np.repeat({a}, 2, axis=-1)  np.tile({a}, 2)  np.vstack([{a}, {b}])  np.hstack([{a}, {b}])  np.append({a}, {b})
np.squeeze({a})  np.expand_dims({a}, 0)  np.moveaxis({a}, 0, -1)  np.swapaxes({a}, 0, -1)  np.flip({a})  np.rot90({a})
np.delete({a}, 0, axis=0)  np.insert({a}, 1, {k}, axis=0)  np.split({a}, 2)[0]  np.array_split({a}, 2)[-1]
np.triu({a})  np.diag({a})  np.diagonal({a})  np.trace({a})  np.where({a} > 0)[0] * {k}
np.compress({a}.ravel() > 0, {a})  np.atleast_2d({a})  np.block([[{a}, {b}]])  np.meshgrid({a}, {b})[0]
np.partition({a}, 1)  np.choose({a} > 0, [{a}, {b}])  np.unwrap({a})  {a}.reshape(-1)  {a}.reshape(2, -1)
{a}.astype(np.float32)  {a}.copy()  np.unique({a})  np.lexsort({a}[None]) * {k}
np.full({a}.shape, np.sum({a}), like={a})  np.linspace({a}.ravel()[0], {b}.ravel()[-1], 3)  np.real_if_close({a})
""")
PRODUCTS = expressions("""
{a} @ {b}  {a} @ np.swapaxes({b}, -1, -2)  np.dot({a}, {b})  np.inner({a}, {b})  np.outer({a}, {b})  np.vdot({a}, {b})
np.einsum('...i,...i->...', {a}, {b})  np.einsum('ij,kj->ik', {a}, {b})  np.einsum('i,i,i', {a}, {b}, {a})
np.einsum('ii', {a})  np.tensordot({a}, {b}, 1)  np.tensordot({a}, {b}, 0)  np.kron({a}, {b})  np.cross({a}, {b})
np.multiply.outer({a}, [1.0, -2.0])  np.convolve(np.ravel({a}), [1.0, 2.0])  np.convolve({a}, {b})
np.correlate({a}, {b}, 'same')  np.polyval({a}, {k})  np.interp({a}, [-1.0, 0.0, 2.0], [1.0, 3.0, -1.0])
np.interp({k}, [-9.0, 9.0], np.ravel({a})[:2])  np.polyval([1.0, 2.0], {a})
np.linalg.solve({a} @ {a}.T + 3 * np.eye(len({a})), {b})  np.linalg.inv({a} @ {a}.T + 2 * np.eye(len({a})))
np.linalg.det({a})  np.linalg.slogdet({a} @ {a}.T + np.eye(len({a})))[1]
np.linalg.cholesky({a} @ {a}.T + 2 * np.eye(len({a})))  np.linalg.eigvalsh({a} @ {a}.T + np.diag(np.arange(len({a}))))
np.linalg.svd({a}, compute_uv=False)  np.linalg.pinv({a})  np.linalg.matrix_power({a}, 3)  np.linalg.qr({a})[1]
np.linalg.multi_dot([{a}, {b}, {a}])  np.linalg.lstsq({a}, {b})[0]  np.linalg.norm({a}, 'nuc')  np.linalg.norm({a}, 2)
np.linalg.eigh({a} @ {a}.T + np.diag(np.arange(len({a}))))[0]  ds.linalg.expm({a} / 4)
ds.linalg.solve_triangular({a} @ {a}.T + 2 * np.eye(len({a})), {b}, lower=True)
ds.linalg.lu({a} + 3 * np.eye(len({a})))[2]  ds.linalg.sqrtm({a} @ {a}.T + np.eye(len({a})))  ds.linalg.toeplitz({a})
np.real(np.fft.fft({a}))  np.abs(np.fft.rfft({a}) + 3)  np.fft.irfft(np.fft.rfft({a}) * 2j, n={a}.shape[-1])
np.fft.fftshift({a})
""")
#: Steps of one or several lines that write, branch or loop.
STATEMENTS = [
    "{y} = {a}\n{y} += {b}",
    "{y} = {a}\n{y} *= 0.5 + {b} * {b}",
    "{y} = {a}\n{y} -= {k}",
    "{y} = {a}\n{y} /= {b} * {b} + 1",
    "{y} = {a}\n{y} **= 2",
    "{y} = {a}\n{y}[...] = 2 * {b}",
    "{y} = {a}\n{y}[0] = {b}.ravel()[-1]",
    "{y} = {a}\n{y}[1:] += {b}[:-1]",
    "{y} = {a}\n{y}[::2] = {k}",
    "{y} = {a}\n{y}[{y} > 0] *= {k}",
    "{y} = {a}\n{y}[[0, 0]] += {b}[:2]",
    "{y} = {a}\nnp.add.at({y}, [0, 0], {b}.ravel()[0])",
    "{y} = {a}\nnp.sin({b} + {y}, out={y})",
    "{y} = {a}\nnp.add({y}, {b}, out={y}, where={b} > 0)",
    "{y} = np.zeros_like({a})\nnp.copyto({y}, {b}, where={b} > 0)",
    "{y} = np.empty_like({a})\n{y}[...] = {a}\n{y}[0] = {y}[-1] * {k}",
    "{y} = dd.zeros({a}.shape, like={a})\nfor i in range(len({a})):\n    {y}[i] = {a}[i] * {b}[i]",
    "{y} = {a}[1:]\n{y} *= 2",
    "{y} = {a}.T\n{y}[0] = {k}",
    "{y} = {a}.reshape(-1)\n{y}[-1] = {y}[0] ** 2",
    "{y} = {a}.copy()\n{y}.flat[1:] = {y}.flat[:-1]",
    "{y} = {a}\nfor i in range({n}):\n    {y} = {y} * np.cos({b}) + {k}",
    "{y} = {a}\nwhile 1 < np.max(np.abs({y})) < 1e6:\n    {y} = {y} / 2",
    "if np.sum({a}) > np.sum({b}):\n    {y} = np.exp({a} / 4)\nelse:\n    {y} = {a} * {b}",
    "{y} = 0.0\nfor e in np.ravel({a}):\n    {y} = {y} * e + dd.sin(e) if e > 0 else {y} - e ** 2",
    "{y} = sum(e * e if e > 0 else abs(e) for e in np.ravel({a}))",
    "{y} = max(np.ravel({a})) * {b}",
    "{y} = []\nfor e in np.ravel({a}):\n    {y}.append(e * e - {k})\n{y} = np.stack({y})",
    "s = np.ravel({a})[0]\nfor i in range({n}):\n    s = s - (s * s * s - s - {k}) / (3 * s * s + 5)\n{y} = s * {b}",
    "{y} = {a} * (np.ravel({b})[0] // 1)",
    "p, q = np.ravel({a})[0], np.ravel({b})[-1]\n"
    "{y} = np.stack([dd.hypot(p, q) + 1, p ** 2 - q, dd.exp(-p * p) / (1 + q * q)])",
    "p = np.ravel({a})[0]\n{y} = p ** 3 if p > 0.2 else dd.log1p(p * p) if p > -0.5 else 2.0 ** p",
]
ASSIGNED = [*ELEMENTWISE, *PAIRS, *SPECIAL, *REDUCTIONS, *SHAPES, *PRODUCTS]
STEPS = [*(f"{{y}} = {e}" for e in ASSIGNED), *STATEMENTS]
CONSTANTS = ("0.3", "2.0", "-1.5", "0.7", "3", "-2")
