"""Spikes under way: the rings in which a network remembers them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .sparse._delay import split


class Timing(eqx.Module):
    """What follows from the parameters of a projection and `dt`, above all its delays in steps.

    It lies in the state because it is computed once per run, and a state that is handed over to a
    run gets it anew (see `renewed`).

    `lag`: of the ring that the projection reads, whole or fractional; `None` for no delay.
    `route`: of the synapses, as their connectivity has made it; `None` if they have no delays.
    `total`: the sum of the weights of each postsynaptic unit, for what is diffusive; else `None`.
    """

    lag: Array | None = None
    route: PyTree = None
    total: Array | None = None


def renewed(fresh: PyTree, given: PyTree) -> PyTree:
    """The state `given` with what follows from parameters taken from `fresh`, of like structure."""

    def pick(new: Any, old: Any) -> Any:
        return new if isinstance(new, Timing) else old

    return jax.tree.map(pick, fresh, given, is_leaf=lambda x: isinstance(x, Timing))


def total(lags: list[Array]) -> Array:
    """The sum of delays in steps, fractional if one of them is."""
    real = [lag for lag in lags if jnp.issubdtype(lag.dtype, jnp.inexact)]
    dtype = jnp.result_type(*real) if real else jnp.int32
    return sum((lag.astype(dtype) for lag in lags), start=jnp.zeros((), dtype))


def make_ring(steps: int, n: int) -> dict[str, Array]:
    """An empty ring that remembers the present and `steps` steps before it."""
    values = jnp.zeros((steps + 1, n), jnp.result_type(float))
    return {"values": values, "head": jnp.array(0, jnp.int32)}


def push(ring: dict[str, Array], row: Array) -> dict[str, Array]:
    """The ring with one more step; `row` is the present, and the oldest is forgotten.

    Reading comes after writing, so that nothing keeps the ring from being written in place.
    """
    values, head = ring["values"], ring["head"] + 1
    head = jnp.where(head == values.shape[0], 0, head)
    row = row.astype(values.dtype)
    return {"values": jax.lax.dynamic_update_index_in_dim(values, row, head, 0), "head": head}


def read(ring: dict[str, Array], lag: Array) -> Array:
    """What was pushed `lag` steps ago; a fractional lag is interpolated linearly."""
    values, head = ring["values"], ring["head"]

    def row(steps: Array) -> Array:
        at = head - steps
        at = jnp.where(at < 0, at + values.shape[0], at)
        return jax.lax.dynamic_index_in_dim(values, at, 0, keepdims=False)

    if not jnp.issubdtype(lag.dtype, jnp.inexact):
        return row(lag)
    near, part = split(lag, values.shape[0] - 1)
    return (1 - part) * row(near) + part * row(near + 1)


def make_arrivals(steps: int, n: int) -> dict[str, Array]:
    """An empty ring of the arrivals of `n` units: the past, the present and `steps` to come.

    Its rows follow each other on one axis, and the past is cleared after the arrivals to come were
    written: otherwise XLA copies the ring at every step.
    """
    ring = jnp.zeros((steps + 2) * n, jnp.result_type(float))
    return {"ring": ring, "head": jnp.array(0, jnp.int32)}


def arrive(ring: Array, head: Array, n: int) -> tuple[Array, Array, Array]:
    """Go on by one step: the ring and its head after it, and what arrives now, `[n]`."""
    rows = ring.shape[0] // n
    past = jnp.where(head == 0, rows, head) - 1
    ring = jax.lax.dynamic_update_slice_in_dim(ring, jnp.zeros(n, ring.dtype), past * n, 0)
    row = jax.lax.dynamic_slice_in_dim(ring, head * n, n)
    return ring, jnp.where(head == rows - 1, 0, head + 1), row
