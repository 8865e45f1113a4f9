"""The delays of a connectivity: their checks, and what carries them along."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._misc import is_traced, magnitude, own
from ._delay import FractionalDelay


def as_delay(delay: Any, layout: tuple[int, ...]) -> Any:
    """`None`, a strongly typed array of ms of shape `()` or `layout`, or a `FractionalDelay`."""
    if delay is None:
        return None
    fractional = isinstance(delay, FractionalDelay)
    values = delay.values if fractional else _as_times(delay)
    if values.shape not in ((), layout):
        raise ValueError(
            f"`delay` has shape {values.shape}, expected () for one delay of all synapses or "
            f"{layout} for one per synapse"
        )
    return delay if fractional else values


def map_delay(delay: Any, change: Callable[[Array], Any]) -> Any:
    """The same kind of delay with its array changed by `change`."""
    if delay is None:
        return None
    if isinstance(delay, FractionalDelay):
        return FractionalDelay(change(delay.values), delay.maximum)
    return change(delay)


def _as_times(values: Any) -> Array:
    values = magnitude(values, "ms", "delay")
    dtype = getattr(values, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        dtype = jnp.result_type(float)
    values = own(values, jax.dtypes.canonicalize_dtype(dtype))
    check_delay(values)
    return values


def check_delay(delay: Any) -> None:
    """`ValueError` unless plain delays are finite and not negative; traced ones pass unseen."""
    if not eqx.is_array(delay) or is_traced(delay):
        return
    known = np.asarray(delay)
    bad = known[~((known >= 0) & np.isfinite(known))]
    if bad.size:
        raise ValueError(f"`delay` has {bad[0]} ms, expected finite times of at least 0 ms")
