"""Spikes of neurons that have no reset: upward crossings of a voltage."""

import jax.numpy as jnp
from jax import Array

from ._base import Args
from ._surrogate import AbstractSurrogate


def crossing(
    above: Array, args: Args, spike: AbstractSurrogate, t_ref: Array, dt: Array
) -> tuple[Array, dict]:
    """The spikes (0 or 1) where `above` (mV) has turned non-negative, and the new memory.

    The memory holds on which side each neuron is (`above`) and the time left in which it cannot
    spike again (`clock`, ms). Where a driver has located the crossing, its word counts.
    """
    crossed = (~args.mem["above"]) & (args.mem["clock"] <= 0)
    if args.fired is None:
        side = above >= 0
        s = jnp.where(crossed, spike(above), 0)
    else:
        side = (above >= 0) | args.fired
        s = jnp.where(crossed & args.fired, jnp.ones_like(above), 0)
    clock = args.mem["clock"] - dt
    # Half a step is the rounding of a sum of many dt, so the clock ends on a grid point.
    clock = jnp.where(clock < dt / 2, 0, clock)
    return s, {"above": side, "clock": jnp.where(s > 0, t_ref, clock)}
