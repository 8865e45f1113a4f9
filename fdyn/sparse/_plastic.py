r"""Weights that change where a spike comes in or goes out; made with `event_op`.

Every operator works off the active units listed in `index[:count]`; the references go through
all synapses, in which the others stay as they are. Indices out of range, which no constructor has
seen because they were made under jit, stay harmless.
"""

from typing import Any

import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from ._accelerator import BACKENDS, accelerated_update
from ._csr import CSC, CSR
from ._dense import Dense
from ._event_op import event_op
from ._events import Events, find_events
from ._fixed_fan import FixedFanIn, FixedFanOut
from ._one_to_one import OneToOne
from ._synapse_index import SynapseIndex


def update_on_pre(
    conn: Any,
    weight: ArrayLike,
    s_pre: Any,
    x_post: ArrayLike,
    *,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
) -> Inexact[Array, "..."]:
    r"""Change the outgoing synapses of the presynaptic units that fired.

    $$w_{ij} \leftarrow \min(\max(w_{ij} + s_i x_j,\ \text{low}),\ \text{high})
    \quad \text{where } s_i \ne 0$$

    The other synapses are neither read nor written, nor brought within the bounds. In the carry
    of a loop the weights change where they lie. The derivative at a bound is that of `jnp.clip`;
    backpropagation goes through all synapses.

    **Arguments:**

    - `conn`: `CSR`, `FixedFanOut`, `Dense` or `OneToOne`; of other formats
        `SynapseIndex(conn, by="pre")`, made once.
    - `weight`: the weights, in the layout of the format, one per synapse; those of `conn` do not
        count.
    - `s_pre`: spikes, `[n_pre]`, or `Events`; a graded spike counts with its value.
    - `x_post`: what a spike adds, such as a trace of the postsynaptic units, `[n_post]`.
    - `low`, `high`: bounds, scalars or in the shape of `weight`. Default: none.

    **Returns:** the new weights, shape and dtype of `weight`.

    **Raises:** `ValueError` if a shape does not fit, a number is complex, not `low <= high`, or
    the format needs a `SynapseIndex`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, update_on_pre
    >>> conn = CSR(jnp.array([0, 1, 1]), jnp.array([0, 2, 3]), 1.0, n_post=2)
    >>> spikes, trace = jnp.array([1.0, 0.0]), jnp.array([0.5, 2.0])
    >>> print(update_on_pre(conn, jnp.ones(3), spikes, -trace, low=0.0))
    [0.5 0.  1. ]

    ```

    **Source:** the additive update at a presynaptic spike of Song, Miller & Abbott 2000, Nature
    Neuroscience 3:919.
    """
    return _update("pre", conn, weight, s_pre, x_post, low, high)


def update_on_post(
    conn: Any,
    weight: ArrayLike,
    s_post: Any,
    x_pre: ArrayLike,
    *,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
) -> Inexact[Array, "..."]:
    r"""Change the incoming synapses of the postsynaptic units that fired.

    $$w_{ij} \leftarrow \min(\max(w_{ij} + s_j x_i,\ \text{low}),\ \text{high})
    \quad \text{where } s_j \ne 0$$

    As `update_on_pre` is for rows, this is for columns.

    **Arguments:**

    - `conn`: `CSC`, `FixedFanIn`, `Dense` or `OneToOne`; of other formats
        `SynapseIndex(conn, by="post")`, made once.
    - `weight`: the weights, in the layout of the format, one per synapse; those of `conn` do not
        count.
    - `s_post`: spikes, `[n_post]`, or `Events`; a graded spike counts with its value.
    - `x_pre`: what a spike adds, such as a trace of the presynaptic units, `[n_pre]`.
    - `low`, `high`: bounds, scalars or in the shape of `weight`. Default: none.

    **Returns:** the new weights, shape and dtype of `weight`.

    **Raises:** `ValueError` if a shape does not fit, a number is complex, not `low <= high`, or
    the format needs a `SynapseIndex`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, SynapseIndex, update_on_post
    >>> conn = CSR(jnp.array([0, 1, 1]), jnp.array([0, 2, 3]), 1.0, n_post=2)
    >>> index = SynapseIndex(conn, by="post")
    >>> spikes, trace = jnp.array([0.0, 1.0]), jnp.array([0.5, 2.0])
    >>> print(update_on_post(index, jnp.ones(3), spikes, trace, high=2.0))
    [1.  1.5 2. ]

    ```

    **Source:** the additive update at a postsynaptic spike of Song, Miller & Abbott 2000, Nature
    Neuroscience 3:919.
    """
    return _update("post", conn, weight, s_post, x_pre, low, high)


# What is stored by the units of a side: the arrays of the pattern, and the operator.
def _pattern(side: str, conn: Any) -> tuple[Any, tuple, dict]:
    if isinstance(conn, Dense):
        return _dense, (), {"axis": 0 if side == "pre" else 1}
    if isinstance(conn, FixedFanOut) and side == "pre":
        return _equal, (conn.targets,), {}
    if isinstance(conn, FixedFanIn) and side == "post":
        return _equal, (conn.sources,), {}
    if isinstance(conn, CSR if side == "pre" else CSC):
        return _compressed, (conn.indices, conn.indptr), {}
    if isinstance(conn, SynapseIndex) and conn.by == side:
        return _indexed, (conn.partners, conn.positions, conn.indptr), {}
    kind = type(conn).__name__
    if isinstance(conn, SynapseIndex):
        kind += f" by {conn.by!r}"
    raise ValueError(
        f"update_on_{side} was given a {kind}, which does not list the synapses by {side}synaptic "
        f'unit; it takes SynapseIndex(conn, by="{side}") of any connectivity with a list of '
        "synapses, made once outside of jax.jit"
    )


def _update(side, conn, weight, s, x, low, high):
    names = ("s_pre", "x_post") if side == "pre" else ("s_post", "x_pre")
    n_s, n_x = (conn.n_pre, conn.n_post) if side == "pre" else (conn.n_post, conn.n_pre)
    weight = jnp.asarray(weight)
    if not jnp.issubdtype(weight.dtype, jnp.floating):
        raise ValueError(f"`weight` is {weight.dtype}, expected floating numbers")
    layout = conn.layout if isinstance(conn, SynapseIndex) else conn._weight_shape()
    if weight.shape != layout:
        raise ValueError(
            f"`weight` has shape {weight.shape}, expected {layout}: each synapse learns by itself"
        )
    values, x = jnp.asarray(s.values if isinstance(s, Events) else s), jnp.asarray(x)
    for name, value, n in zip(names, (values, x), (n_s, n_x), strict=True):
        if value.shape != (n,):
            raise ValueError(
                f"`{name}` has shape {value.shape}, expected {(n,)}; batches are made by jax.vmap"
            )
        if jnp.issubdtype(value.dtype, jnp.complexfloating):
            raise ValueError(f"`{name}` is {value.dtype}, expected real numbers")
    values, x = values.astype(weight.dtype), x.astype(weight.dtype)
    if isinstance(s, Events):
        _check_list(s, n_s, names[0])
    low, high = _bounds(low, high, weight)
    if isinstance(conn, OneToOne):
        return _moved(weight, values != 0, values * x, low, high)
    op, pattern, options = _pattern(side, conn)
    _check_pattern(op, pattern, weight, n_s)
    events = s if isinstance(s, Events) else find_events(values)
    return op(weight, values, x, low, high, events.index, events.count, *pattern, **options)


def _check_list(s: Events, n: int, name: str) -> None:
    if (s.index.shape, s.count.shape) != ((n,), ()) or {s.index.dtype, s.count.dtype} != {
        jnp.dtype("int32")
    }:
        raise ValueError(
            f"`{name}` lists events by an index of {s.index.dtype} {s.index.shape} and a count of "
            f"{s.count.dtype} {s.count.shape}, expected int32 {(n,)} and ()"
        )


def _check_pattern(op: Any, pattern: tuple, weight: Array, n: int) -> None:
    # A leaf that was replaced has not been through a constructor, and machine code trusts it.
    if op is _dense:
        return
    lists = (
        (weight.shape,) if op is _equal else ((weight.size,),) * (len(pattern) - 1) + ((n + 1,),)
    )
    found = tuple(x.shape for x in pattern)
    if found != lists or not all(jnp.issubdtype(x.dtype, jnp.integer) for x in pattern):
        raise ValueError(
            f"the pattern of synapses has arrays of shapes {found}, expected integers of {lists}; "
            "a stack of connectivities needs jax.vmap"
        )


def _bounds(low: ArrayLike, high: ArrayLike, weight: Array) -> tuple[Array, Array]:
    """The bounds in the shape of the weights, or of size 1 in each axis."""
    bounds = []
    for name, bound in (("low", low), ("high", high)):
        bound = jnp.asarray(bound).astype(weight.dtype)
        if bound.shape not in ((), weight.shape):
            raise ValueError(f"`{name}` has shape {bound.shape}, expected () or {weight.shape}")
        bounds.append(bound if bound.ndim else bound.reshape((1,) * weight.ndim))
    known = not any(isinstance(bound, jax.core.Tracer) for bound in (low, high))
    if known and not np.all(np.asarray(low) <= np.asarray(high)):
        raise ValueError(f"expected `low` <= `high`, given low = {low}, high = {high}")
    return bounds[0], bounds[1]


def _moved(w, active, change, low, high):
    return jnp.where(active, jnp.clip(w + change, low, high), w)


def _within(x: Array, units: Array) -> tuple[Array, Array]:
    """The values of `units`, and which of these exist; synapses of the others stay."""
    inside = (units >= 0) & (units < x.size)
    return x.at[jnp.where(inside, units, units.dtype.type(0))].get(mode="clip"), inside


@event_op(in_place={"w": 0})
def _dense(w, s, x, low, high, index, count, *, axis):
    s, x = (s[:, None], x[None]) if axis == 0 else (s[None], x[:, None])
    return _moved(w, s != 0, s * x, low, high)


@_dense.cpu
def _(w, s, x, low, high, index, count, *, axis):
    a, b = int(low.size > 1), int(high.size > 1)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for j in range(x.size):
            row, col = (i, j) if axis == 0 else (j, i)
            lo, hi = low[row * a, col * a], high[row * b, col * b]
            new = w[row, col] + spike * x[j]
            new = lo if new < lo else new
            w[row, col] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _equal(w, s, x, low, high, index, count, partners):
    """Rows of equal length: `w` and `partners` are `[n, k]`."""
    values, inside = _within(x, partners)
    return _moved(w, inside & (s[:, None] != 0), s[:, None] * values, low, high)


@_equal.cpu
def _(w, s, x, low, high, index, count, partners):
    a, b = int(low.size > 1), int(high.size > 1)
    n = np.uint64(x.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        # Of its own, since every write to `w` might change the other arrays for all Numba knows.
        spike, row, units, lows, highs = s[i], w[i], partners[i], low[i * a], high[i * b]
        for k in range(units.size):
            j = np.uint64(units[k])  # a negative one becomes large
            if j < n:
                lo, hi = lows[k * a], highs[k * b]
                new = row[k] + spike * x[j]
                new = lo if new < lo else new
                row[k] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _compressed(w, s, x, low, high, index, count, partners, indptr):
    """Rows of any length, one behind the other."""
    values, inside = _within(x, partners)
    s = _spread(s, indptr, w.size)
    return _moved(w, inside & (s != 0), s * values, low, high)


@_compressed.cpu
def _(w, s, x, low, high, index, count, partners, indptr):
    a, b = int(low.size > 1), int(high.size > 1)
    n = np.uint64(x.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for p in range(max(indptr[i], 0), min(indptr[i + 1], w.size)):
            j = np.uint64(partners[p])
            if j < n:
                lo, hi = low[p * a], high[p * b]
                new = w[p] + spike * x[j]
                new = lo if new < lo else new
                w[p] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _indexed(w, s, x, low, high, index, count, partners, positions, indptr):
    """The synapses of a unit lie at `positions`."""
    # Flat only in here: XLA copies what changes its shape within a loop.
    values, inside = _within(x, partners)
    s, flat = _spread(s, indptr, w.size), w.ravel()
    low, high = (b.ravel()[positions] if b.size > 1 else b.ravel() for b in (low, high))
    moved = _moved(flat[positions], inside & (s != 0), s * values, low, high)
    return flat.at[positions].set(moved, unique_indices=True).reshape(w.shape)


@_indexed.cpu
def _(w, s, x, low, high, index, count, partners, positions, indptr):
    flat, low, high = w.reshape(w.size), low.reshape(low.size), high.reshape(high.size)
    a, b = int(low.size > 1), int(high.size > 1)
    n, n_synapses = np.uint64(x.size), np.uint64(flat.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for q in range(max(indptr[i], 0), min(indptr[i + 1], flat.size)):
            j, p = np.uint64(partners[q]), np.uint64(positions[q])
            if j < n and p < n_synapses:
                lo, hi = low[p * np.uint64(a)], high[p * np.uint64(b)]
                new = flat[p] + spike * x[j]
                new = lo if new < lo else new
                flat[p] = hi if new > hi else new


def _spread(s: Array, indptr: Array, n_synapses: int) -> Array:
    """The value of the unit that each synapse is listed with."""
    return jnp.repeat(s, jnp.diff(indptr), total_repeat_length=n_synapses)


for _op in (_equal, _compressed, _indexed):
    for _platform in BACKENDS:
        _op.accelerator(_platform)(accelerated_update(_platform, _op.__wrapped__))
