"""The sparse products in pure JAX: oracle, fallback, and what runs off the CPU."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

_CHUNK = 2048  # synapses worked off at once


def _synapses_of_active(s: Array, pattern: tuple[Array, ...]) -> tuple[Array, Callable]:
    """How many synapses the rows with `s != 0` have, and a map position -> (row, synapse)."""
    (n_pre,) = s.shape
    active = jnp.nonzero(s, size=n_pre, fill_value=n_pre)[0].astype(jnp.int32)
    count = jnp.sum(s != 0, dtype=jnp.int32)
    if len(pattern) == 1:
        pitch = np.int32(pattern[0].shape[1])

        def locate(position):
            row = active[position // pitch]
            return row, row * pitch + position % pitch

        return count * pitch, locate

    start = pattern[1]
    stop = jnp.append(start, start[-1:])  # of the row before; the fill row n_pre is empty
    ends = jnp.cumsum(stop[active + np.int32(1)] - start[active], dtype=jnp.int32)

    def locate(position):
        nth = jnp.searchsorted(ends, position, side="right").astype(jnp.int32)
        row = active[nth]
        return row, stop[row + np.int32(1)] - ends[nth] + position

    return ends[-1], locate


def _event_driven(role: str, acc: Array, factor: Array, s_or_g: tuple[Array, Array], pattern):
    """Scatter (`role` "g") or outer product ("w") over the synapses of the active rows."""
    s, g = s_or_g
    targets = pattern[0].ravel()
    shape, n_synapses = acc.shape, targets.size
    if role == "w" and acc.ndim:
        acc = acc.ravel()
    weights = factor.ravel() if role == "g" and factor.ndim else factor
    total, locate = _synapses_of_active(s, pattern)

    def body(carry):
        done, acc = carry
        position = done + jnp.arange(_CHUNK, dtype=jnp.int32)
        row, synapse = locate(jnp.minimum(position, total - np.int32(1)))
        # Past the end every index is out of range: read as zero, and not written.
        synapse = jnp.where(position < total, synapse, np.int32(n_synapses))
        spike = s.at[row].get(mode="fill", fill_value=0)
        post = _in_order(targets.at[synapse].get(mode="fill", fill_value=-1))
        if role == "g":
            w = weights.at[synapse].get(mode="fill", fill_value=0) if weights.ndim else weights
            acc = acc.at[post].add(spike * w, mode="drop")
        else:
            product = spike * g.at[post].get(mode="fill", fill_value=0)
            if acc.ndim:
                acc = acc.at[synapse].add(product, mode="drop")
            else:
                acc = acc + jnp.sum(product)
        return done + np.int32(_CHUNK), acc

    start = (jnp.zeros((), jnp.int32), acc)
    return jax.lax.while_loop(lambda carry: carry[0] < total, body, start)[1].reshape(shape)


def _in_order(targets: Array) -> Array:
    """Negative targets out of range at the other end, where they do not count from the last."""
    return jnp.where(targets < 0, np.int32(np.iinfo(np.int32).max), targets)


def _gather(acc: Array, w: Array, g: Array, pattern) -> Array:
    if len(pattern) == 1:
        values = g.at[_in_order(pattern[0])].get(mode="fill", fill_value=0)
        return acc + (jnp.sum(w * values, axis=1) if w.ndim else w * jnp.sum(values, axis=1))
    targets, row_start = pattern
    values = g.at[_in_order(targets)].get(mode="fill", fill_value=0)
    rows = _rows_of(row_start, targets.size)
    return acc.at[rows].add(w * values, mode="drop", indices_are_sorted=True)


def _rows_of(row_start: Array, n_synapses: int) -> Array:
    """Row number of each synapse of a compressed pattern: int32 [n_synapses]."""
    n_rows = row_start.shape[0] - 1
    rows = jnp.arange(n_rows, dtype=jnp.int32)
    return jnp.repeat(rows, jnp.diff(row_start), total_repeat_length=n_synapses)


def _product(role: str, acc: Array, a: Array, b: Array, pattern: tuple[Array, ...]) -> Array:
    if pattern[0].size == 0:
        return acc
    if role == "g":
        return _event_driven(role, acc, a, (b, acc), pattern)
    if role == "w":
        return _event_driven(role, acc, a, (a, b), pattern)
    return _gather(acc, a, b, pattern)


def reference(role: str, n_core: dict[str, int], acc: Array, a: Array, b: Array, *pattern: Array):
    """`acc` + the product of `a` and `b`, one batch entry after the other.

    `n_core` gives the number of axes of each operand (`"acc"`, `"a"`, `"b"`) behind the batch
    axes, which broadcast against each other; where `acc` has size 1 the products are summed.
    """
    operands = {"acc": acc, "a": a, "b": b}
    rank = acc.ndim - n_core["acc"]
    batches = {name: x.shape[:rank] for name, x in operands.items()}
    full = np.broadcast_shapes(*batches.values())
    if math.prod(full) == 1:
        one = {name: x.reshape(x.shape[rank:]) for name, x in operands.items()}
        return _product(role, one["acc"], one["a"], one["b"], pattern).reshape(acc.shape)
    flat, slot = {}, {}
    for name, x in operands.items():
        flat[name] = x.reshape(math.prod(batches[name]), *x.shape[rank:])
        numbers = np.arange(math.prod(batches[name]), dtype=np.int32).reshape(batches[name])
        slot[name] = jnp.asarray(np.broadcast_to(numbers, full).ravel())

    def body(position, acc):
        at = slot["acc"][position]
        a, b = flat["a"][slot["a"][position]], flat["b"][slot["b"][position]]
        return acc.at[at].set(_product(role, acc[at], a, b, pattern))

    n = np.int32(math.prod(full))
    return jax.lax.fori_loop(np.int32(0), n, body, flat["acc"]).reshape(acc.shape)
