"""The sparse products in pure JAX: oracle, fallback, and what runs off the CPU."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

_CHUNK = 2048  # synapses worked off at once


def _synapses_of_active(
    s: Array, pattern: tuple[Array, ...], events: tuple[Array, Array] | None
) -> tuple[Array, Callable]:
    """How many synapses the rows with `s != 0` have, and a map position -> (row, synapse)."""
    (n_pre,) = s.shape
    number = pattern[-1].dtype  # in which synapses are counted
    if events is None:
        active = jnp.nonzero(s, size=n_pre, fill_value=n_pre)[0].astype(number)
        count = jnp.sum(s != 0, dtype=number)
    else:
        count = events[1].astype(number)
        listed = jnp.arange(n_pre, dtype=number) < count
        active = jnp.where(listed, events[0].astype(number), jnp.array(n_pre, number))
    one = jnp.array(1, number)
    if len(pattern) == 1:
        pitch = jnp.array(pattern[0].shape[1], number)

        def locate(position):
            row = active[position // pitch]
            return row, row * pitch + position % pitch

        return count * pitch, locate

    start = pattern[1]
    stop = jnp.append(start, start[-1:])  # of the row before; the fill row n_pre is empty
    ends = jnp.cumsum(stop[active + one] - start[active], dtype=number)

    def locate(position):
        nth = jnp.searchsorted(ends, position, side="right").astype(jnp.int32)
        row = active[nth]
        return row, stop[row + one] - ends[nth] + position

    return ends[-1], locate


def _event_driven(
    role: str, acc: Array, factor: Array, s_or_g: tuple[Array, Array], pattern, shift, events
):
    """Scatter (`role` "g") or outer product ("w") over the synapses of the active rows."""
    s, g = s_or_g
    targets = pattern[0].ravel()
    shape, n_synapses = acc.shape, targets.size
    if role == "w" and acc.ndim:
        acc = acc.ravel()
    weights = factor.ravel() if role == "g" and factor.ndim else factor
    total, locate = _synapses_of_active(s, pattern, events)
    number = total.dtype

    def body(carry):
        done, acc = carry
        position = done + jnp.arange(_CHUNK, dtype=number)
        row, synapse = locate(jnp.minimum(position, total - jnp.array(1, number)))
        # Past the end every index is out of range: read as zero, and not written.
        synapse = jnp.where(position < total, synapse, jnp.array(n_synapses, number))
        spike = s.at[row].get(mode="fill", fill_value=0)
        post = _places(targets.at[synapse].get(mode="fill", fill_value=-1), g.shape[0], shift)
        if role == "g":
            w = weights.at[synapse].get(mode="fill", fill_value=0) if weights.ndim else weights
            acc = acc.at[post].add(spike * w, mode="drop")
        else:
            product = spike * g.at[post].get(mode="fill", fill_value=0)
            if acc.ndim:
                acc = acc.at[synapse].add(product, mode="drop")
            else:
                acc = acc + jnp.sum(product)
        return done + jnp.array(_CHUNK, number), acc

    start = (jnp.zeros((), number), acc)
    return jax.lax.while_loop(lambda carry: carry[0] < total, body, start)[1].reshape(shape)


def _places(targets: Array, n_post: int, shift: Array | None) -> Array:
    """Where in the postsynaptic vector the targets are; none of those out of range."""
    number = targets.dtype
    outside = (targets < 0) | (targets >= jnp.array(n_post, number))
    if shift is not None:
        size = jnp.array(max(n_post, 1), number)
        # Never the sum of two places, which could lie beyond the largest integer.
        targets = targets - (size - shift % size)
        targets = jnp.where(targets < 0, targets + size, targets)
    # Negative places would count from the last.
    return jnp.where(outside, jnp.array(jnp.iinfo(number).max, number), targets)


def _gather(acc: Array, w: Array, g: Array, pattern, shift) -> Array:
    values = g.at[_places(pattern[0], g.shape[0], shift)].get(mode="fill", fill_value=0)
    if len(pattern) == 1:
        return acc + (jnp.sum(w * values, axis=1) if w.ndim else w * jnp.sum(values, axis=1))
    targets, row_start = pattern
    rows = _rows_of(row_start, targets.size)
    return acc.at[rows].add(w * values, mode="drop", indices_are_sorted=True)


def _rows_of(row_start: Array, n_synapses: int) -> Array:
    """Row number of each synapse of a compressed pattern: int32 [n_synapses]."""
    n_rows = row_start.shape[0] - 1
    rows = jnp.arange(n_rows, dtype=jnp.int32)
    return jnp.repeat(rows, jnp.diff(row_start), total_repeat_length=n_synapses)


def product(role: str, pattern, *, acc, a, b, shift=None, index=None, count=None) -> Array:
    """`acc` + the product of `a` and `b`, without batch axes."""
    if pattern[0].size == 0:
        return acc
    if role == "s":
        return _gather(acc, a, b, pattern, shift)
    s_and_g = (b, acc) if role == "g" else (a, b)
    events = None if index is None else (index, count)
    return _event_driven(role, acc, a, s_and_g, pattern, shift, events)


def reference(
    role: str,
    operands: dict[str, Array],
    pattern: tuple[Array, ...],
    n_core: dict[str, int],
    product: Callable = product,
) -> Array:
    """`acc` + the product of `a` and `b`, one batch entry after the other.

    `operands` are `acc`, `a`, `b` and, if given, `shift` and the list of events `index`, `count`.
    `n_core` gives the number of axes of each behind the batch axes, which broadcast against each
    other; where `acc` has size 1 the products are summed. `product` works off one entry.
    """
    counted = jnp.iinfo(pattern[-1].dtype)
    if pattern[0].size > counted.max:
        raise ValueError(
            f"{pattern[0].size} synapses cannot be counted in {counted.dtype}: the reference needs "
            "int64 indices, which need jax_enable_x64"
        )
    acc = operands["acc"]
    rank = acc.ndim - n_core["acc"]
    batches = {name: x.shape[:rank] for name, x in operands.items()}
    full = np.broadcast_shapes(*batches.values())
    if not acc.size or math.prod(full) == 0:
        return acc
    if math.prod(full) == 1:
        one = {name: x.reshape(x.shape[rank:]) for name, x in operands.items()}
        return product(role, pattern, **one).reshape(acc.shape)
    flat, slot = {}, {}
    for name, x in operands.items():
        flat[name] = x.reshape(math.prod(batches[name]), *x.shape[rank:])
        numbers = np.arange(math.prod(batches[name]), dtype=np.int32).reshape(batches[name])
        slot[name] = jnp.asarray(np.broadcast_to(numbers, full).ravel())
    start = flat.pop("acc")

    def body(position, acc):
        at = slot["acc"][position]
        one = {name: x[slot[name][position]] for name, x in flat.items()}
        return acc.at[at].set(product(role, pattern, acc=acc[at], **one))

    n = np.int32(math.prod(full))
    return jax.lax.fori_loop(np.int32(0), n, body, start).reshape(acc.shape)
