"""Poisson counts, exact and fast where they are small."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced

# The largest mean for one inversion, far from where exp(-mean) underflows.
_LARGE = 30.0
# The largest mean of all: the time that a draw takes grows with it, and beyond it is in vain.
MOST = 1e4
TOO_MANY = (
    f"more than {MOST:g} spikes of a unit are expected in one step. Give a lower rate (Hz), or a "
    "smaller dt, or take OrnsteinUhlenbeck: so many spikes amount to a current that fluctuates."
)


def check_mean(module: Any, mean: Any) -> None:
    """Refuse a number of spikes per step that would take too long to draw."""
    if not is_traced(mean) and not (np.asarray(mean) <= MOST).all():
        raise ValueError(f"{type(module).__name__}: {TOO_MANY}")


def poisson_counts(key: Array, mean: Array) -> Array:
    r"""Independent Poisson numbers of the given means, `[n]`.

    Exact, in the cheaper of two ways. Where few of many units have an event, the events of all are
    drawn as those of one process and thinned,

    $$E_1 + \cdots + E_k \le n \lambda_\mathrm{max},\qquad
      P(\text{unit } i \text{ keeps an event}) = \lambda_i / \lambda_\mathrm{max}$$

    with exponential $E$ and a unit drawn for each event; else by inversion, large means as a sum
    of smaller ones. NaN for a mean above `MOST`, and one that is no number. No derivative.

    **Source:** Lewis & Shedler 1979, Nav. Res. Logist. Q. 26:403, theorem 1, for thinning; Devroye
    1986, Non-Uniform Random Variate Generation, section X.3, for inversion.
    """
    mean = jax.lax.stop_gradient(mean)
    if mean.size <= 16:
        return _by_inversion(key, mean)
    block = max(16, mean.size // 64)
    few = jnp.max(mean) * mean.size < 4 * block
    # Under vmap both ways are gone, and only the chosen one is to take long.
    return jax.lax.cond(
        few,
        lambda: _by_events(key, jnp.where(few, mean, 0), block),
        lambda: _by_inversion(key, jnp.where(few, 0, mean)),
    )


def _fine(high: Array, low: Array, dtype: Any) -> Array:
    """Random bits as uniform in [0, 1), with all the digits that small numbers have."""
    x = (high.astype(dtype) + low.astype(dtype) * 2.0**-32) * 2.0**-32
    # The sum may round up to 1.
    return jnp.minimum(x, 1 - jnp.finfo(dtype).epsneg)


def _by_events(key: Array, mean: Array, block: int) -> Array:
    n, top = mean.size, jnp.max(mean)
    total = top * n

    def body(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, start, counts = carry
        key_bits, key_unit = jax.random.split(jax.random.fold_in(key, i))
        high, low, keep = jax.random.bits(key_bits, (3, block), jnp.uint32)
        at = start - jnp.cumsum(jnp.log1p(-_fine(high, low, mean.dtype)))
        unit = jax.random.randint(key_unit, (block,), 0, n, jnp.int32)
        kept = keep.astype(mean.dtype) * 2.0**-32 * top < mean[unit]
        # The largest of the words rounds up to 1 in single precision.
        kept |= mean[unit] == top
        return i + 1, at[-1], counts.at[unit].add((kept & (at < total)).astype(mean.dtype))

    start = (jnp.zeros((), jnp.int32), jnp.zeros_like(total), jnp.zeros_like(mean))
    return jax.lax.while_loop(lambda carry: carry[1] < total, body, start)[2]


def _by_inversion(key: Array, mean: Array) -> Array:
    fit = (mean >= 0) & (mean <= MOST)
    mean = jnp.where(fit, mean, 0)
    parts = jnp.maximum(jnp.ceil(jnp.max(mean) / _LARGE), 1)

    def part(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        i, counts = carry
        k = jax.random.fold_in(key, i.astype(jnp.int32))
        return i + 1, counts + _invert(k, mean / parts)

    start = (jnp.zeros_like(parts), jnp.zeros_like(mean))
    counts = jax.lax.while_loop(lambda carry: carry[0] < parts, part, start)[1]
    return jnp.where(fit, counts, jnp.nan)


def _invert(key: Array, mean: Array) -> Array:
    # A count of k or more is where u lies below the survival function at k.
    high, low = jax.random.bits(key, (2, mean.size), jnp.uint32)
    u = _fine(high, low, mean.dtype)

    def body(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        k, survival, p, counts = carry
        counts = counts + (u < survival).astype(mean.dtype)
        # p is the probability of k. In the tail, where the difference cancels, the survival
        # function lies between its first term and a geometric series.
        after = p * mean / (k + 1)
        ratio = mean / (k + 2)
        series = jnp.where(ratio < 0.9, after / (1 - jnp.minimum(ratio, 0.9)), 1)
        return k + 1, jnp.clip(survival - p, after, jnp.maximum(series, after)), after, counts

    one = jnp.ones((), mean.dtype)
    p = mean * jnp.exp(-mean)
    start = (one, -jnp.expm1(-mean), p, jnp.zeros_like(mean))
    return jax.lax.while_loop(lambda carry: jnp.any(u < carry[1]), body, start)[3]
