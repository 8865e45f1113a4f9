"""The Mittag-Leffler function, in which linear equations of fractional order are solved."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._misc import is_traced

# Contours to choose from: lines w = c + iv, of which one is far from the poles. They lie so that
# two poles cannot come near all three.
_LINES = (1.5, 0.6, 2.4)
_STEP, _REACH = 0.07, 7.5


def mittag_leffler(z: Any, alpha: Any, beta: Any = 1.0) -> Array:
    r"""The Mittag-Leffler function of two parameters.

    $$E_{\alpha,\beta}(z) = \sum_{k=0}^\infty \frac{z^k}{\Gamma(\alpha k + \beta)}
      = \frac1{2\pi i} \int \frac{e^s s^{\alpha-\beta}}{s^\alpha - z}\,ds$$

    $y(t) = y_0 E_\alpha(-\lambda t^\alpha)$ solves ${}^C\!D^\alpha y = -\lambda y$. The integral is
    taken by the trapezoidal rule along a parabola $s = w^2$, $\mathrm{Re}\,w = c$, with the
    residues of the poles beyond it. The error is about 1e-13 in double and 1e-5 in single
    precision, relative to the larger of $|E|$ and the size of the integrand. Differentiable in all
    three.

    **Arguments:** `z`: real or complex, any shape; `alpha`: in (0, 2]; `beta`: in (0, 5], 1 by
    default; numbers or arrays that broadcast against `z`.

    **Returns:** an array of the shape of the three together, complex where `z` is.

    **Raises:** `ValueError` for parameters out of range.

    ```python
    >>> round(float(mittag_leffler(-1.0, 1.0)), 5), round(float(mittag_leffler(-4.0, 2.0)), 5)
    (0.36788, -0.41615)

    ```

    **Source:** Gorenflo, Kilbas, Mainardi & Rogosin 2014, Mittag-Leffler Functions, eqs. 4.1.1 and
    4.7.1; the contour after Garrappa 2015, SIAM J. Numer. Anal. 53:1350, section 2.
    """
    _check_range("alpha", alpha, 2.0)
    _check_range("beta", beta, 5.0)
    z = jnp.asarray(z)
    if not jnp.issubdtype(z.dtype, jnp.inexact):
        z = z.astype(jnp.result_type(float))
    real = jnp.finfo(z.dtype).dtype
    shape = np.broadcast_shapes(z.shape, np.shape(alpha), np.shape(beta))
    a, b = (jnp.broadcast_to(jnp.asarray(x, real), shape) for x in (alpha, beta))
    kind = jnp.complex64 if real == jnp.float32 else jnp.complex128
    value = _value(jnp.broadcast_to(z, shape).astype(kind), a, b)
    return value if jnp.issubdtype(z.dtype, jnp.complexfloating) else value.real


def _check_range(name: str, value: Any, high: float) -> None:
    if is_traced(value):
        return
    x = np.asarray(value, float)
    if not ((x > 0) & (x <= high)).all():
        raise ValueError(f"mittag_leffler: '{name}' must lie in (0, {high:g}], got {value!r}.")


@eqx.filter_jit
def _value(z: Array, a: Array, b: Array) -> Array:
    # At z = 0 the pole is at the branch point: its powers have no derivative, nor does it count.
    some = jnp.where(z == 0, jnp.ones_like(z), z)
    turns = jnp.asarray([0.0, 1.0, -1.0], a.dtype).reshape(3, *(1,) * z.ndim)
    angle = jnp.angle(some)[None] + 2 * math.pi * turns
    # On the main sheet, between the sides of the cut along the negative axis.
    there = (jnp.abs(angle) < math.pi * a[None]) & (z != 0)[None]
    log_s = jax.lax.complex(jnp.broadcast_to(jnp.log(jnp.abs(some))[None], angle.shape), angle) / a[
        None
    ].astype(z.dtype)
    right = jnp.where(there, jnp.exp(log_s / 2).real, -1.0)
    line = jax.lax.stop_gradient(_line(right))
    beyond = there & (right > line[None])
    log_s = jnp.where(beyond, log_s, jnp.zeros_like(log_s))
    one_less = (1 - b)[None].astype(z.dtype)
    residues = jnp.exp(jnp.exp(log_s) + one_less * log_s) / a[None].astype(z.dtype)
    return _integral(z, a, b, line) + jnp.sum(jnp.where(beyond, residues, 0), 0)


def _line(right: Array) -> Array:
    """The first of the lines that is far enough from all poles and the branch point, else the
    farthest."""
    lines = jnp.asarray(_LINES, right.dtype).reshape(-1, 1, *(1,) * (right.ndim - 1))
    distance = jnp.min(jnp.minimum(jnp.abs(lines - right[None]), lines), 1)
    best = jnp.argmax(jnp.minimum(distance, 0.6), 0)
    return jnp.asarray(_LINES, right.dtype)[best]


def _integral(z: Array, a: Array, b: Array, line: Array) -> Array:
    v = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    v = jnp.asarray(v, a.dtype).reshape(-1, *(1,) * z.ndim)
    w = jax.lax.complex(jnp.broadcast_to(line[None], (len(v), *line.shape)), v + 0 * line[None])
    log_s = 2 * jnp.log(w)
    power = (a - b)[None].astype(z.dtype)
    top = jnp.exp(w**2 + power * log_s) * w
    bottom = jnp.exp(a[None].astype(z.dtype) * log_s) - z[None]
    return jnp.sum(top / bottom, 0) * (_STEP / math.pi)
