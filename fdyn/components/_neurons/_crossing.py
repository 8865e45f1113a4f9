"""Spikes of neurons that have no reset: upward crossings of a voltage."""

import jax.numpy as jnp
from jax import Array

from .._base import Args
from .._surrogate import AbstractSurrogate


def run_down(clock: Array, args: Args, dt: Array) -> Array:
    """What is left of clocks (ms) after `dt`; zero once they have run out."""
    return jnp.maximum(_on_grid(clock - dt, args, dt), 0)


def restart(s: Array, t_ref: Array, clock: Array, args: Args, dt: Array) -> Array:
    """Clocks (ms) that a spike `s` sets to `t_ref`, and that run down elsewhere."""
    return jnp.where(s > 0, _on_grid(t_ref, args, dt), run_down(clock, args, dt))


def _on_grid(clock: Array, args: Args, dt: Array) -> Array:
    # On a grid a clock is a whole number of steps, made anew at each, so no rounding adds up.
    # A driver that locates events stops exactly where the first clock ends.
    return jnp.round(clock / dt) * dt if args.fired is None else clock


def crossing(
    above: Array, args: Args, spike: AbstractSurrogate, t_ref: Array, dt: Array
) -> tuple[Array, dict]:
    """The spikes (0 or 1) where `above` (mV) has turned non-negative, and the new memory.

    The memory holds on which side each neuron is (`above`) and the time left in which it cannot
    spike again (`clock`, ms). Where a driver has located the crossing, its word counts.
    """
    if args.fired is None:
        side = above >= 0
        crossed = ~args.mem["above"] & (args.mem["clock"] <= 0)
        s = jnp.where(crossed, spike(above), 0)
    else:
        side = (above >= 0) | args.fired
        s = jnp.where(
            args.fired & (run_down(args.mem["clock"], args, dt) <= 0), jnp.ones_like(above), 0
        )
    return s, {"above": side, "clock": restart(s, t_ref, args.mem["clock"], args, dt)}
