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
from ._base import AbstractConnectivity
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
    origin: ArrayLike | None = None,
    power: ArrayLike = 1.0,
) -> Inexact[Array, "..."]:
    r"""Change the outgoing synapses of the presynaptic units that fired.

    $$w_{ij} \leftarrow \min(\max(w_{ij} + s_i x_j,\ \text{low}),\ \text{high})
    \quad \text{where } s_i \ne 0$$

    With an `origin` $o$ the change depends on the weight: it is $s_i x_j\,\varphi(w_{ij} - o)$
    with $\varphi(d) = \operatorname{sign}(d)\,|d|^p$, so $p = 1$ scales the distance to $o$.

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
    - `origin`: $o$, a scalar or in the shape of `weight`; infinite only where $p = 0$. Default:
        `None`, a change that does not depend on the weight.
    - `power`: $p \ge 0$, a scalar. Default: 1.

    **Returns:** the new weights, shape and dtype of `weight`.

    **Raises:** `ValueError` if a shape does not fit, a number is complex, not `low <= high`,
    `power` is no number from 0 on, or the format needs a `SynapseIndex`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, update_on_pre
    >>> conn = CSR(jnp.array([0, 1, 1]), jnp.array([0, 2, 3]), 1.0, n_post=2)
    >>> spikes, trace = jnp.array([1.0, 0.0]), jnp.array([0.5, 2.0])
    >>> print(update_on_pre(conn, jnp.ones(3), spikes, -trace, low=0.0))
    [0.5 0.  1. ]

    ```

    **Source:** the additive update at a presynaptic spike of Song, Miller & Abbott 2000, Nature
    Neuroscience 3:919; powers of the weight: Gütig et al. 2003, J. Neurosci. 23:3697, eq. 2.
    """
    return _update("pre", conn, weight, s_pre, x_post, low, high, origin, power)


def update_on_post(
    conn: Any,
    weight: ArrayLike,
    s_post: Any,
    x_pre: ArrayLike,
    *,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
    origin: ArrayLike | None = None,
    power: ArrayLike = 1.0,
) -> Inexact[Array, "..."]:
    r"""Change the incoming synapses of the postsynaptic units that fired.

    $$w_{ij} \leftarrow \min(\max(w_{ij} + s_j x_i,\ \text{low}),\ \text{high})
    \quad \text{where } s_j \ne 0$$

    As `update_on_pre` is for rows, this is for columns, also with an `origin`.

    **Arguments:**

    - `conn`: `CSC`, `FixedFanIn`, `Dense` or `OneToOne`; of other formats
        `SynapseIndex(conn, by="post")`, made once.
    - `weight`: the weights, in the layout of the format, one per synapse; those of `conn` do not
        count.
    - `s_post`: spikes, `[n_post]`, or `Events`; a graded spike counts with its value.
    - `x_pre`: what a spike adds, such as a trace of the presynaptic units, `[n_pre]`.
    - `low`, `high`: bounds, scalars or in the shape of `weight`. Default: none.
    - `origin`: $o$, a scalar or in the shape of `weight`; infinite only where $p = 0$. Default:
        `None`, a change that does not depend on the weight.
    - `power`: $p \ge 0$, a scalar. Default: 1.

    **Returns:** the new weights, shape and dtype of `weight`.

    **Raises:** `ValueError` if a shape does not fit, a number is complex, not `low <= high`,
    `power` is no number from 0 on, or the format needs a `SynapseIndex`.

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
    Neuroscience 3:919; powers of the weight: Gütig et al. 2003, J. Neurosci. 23:3697, eq. 2.
    """
    return _update("post", conn, weight, s_post, x_pre, low, high, origin, power)


def one_per_synapse(conn: AbstractConnectivity) -> Array:
    """Its weights, one per synapse in the layout of the format."""
    weight, layout = jnp.asarray(conn.weight), conn._weight_shape()
    if weight.shape in ((), layout):
        return jnp.broadcast_to(weight, layout)
    return conn._edges(jnp).per_synapse().reshape(layout)


@event_op(in_place={"weight": 0})
def read_before(weight, reader):
    """The weights, whose changes thereby wait for a `reader`: what was computed with them before.

    Without such a dependence XLA copies what is both read and changed in place.
    """
    del reader
    return weight


@read_before.cpu
def _(weight, reader):
    pass


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


def _update(side, conn, weight, s, x, low, high, origin, power):
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
    scaled = origin is not None
    origin, power = _law(origin, power, weight)
    if isinstance(conn, OneToOne):
        change = values * x * _phi(weight, origin, power) if scaled else values * x
        return _moved(weight, values != 0, change, low, high)
    op, pattern, options = _pattern(side, conn)
    _check_pattern(op, pattern, weight, n_s)
    events = s if isinstance(s, Events) else find_events(values)
    law = (low, high, origin, power)
    return op(
        weight, values, x, *law, events.index, events.count, *pattern, scaled=scaled, **options
    )


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


def _law(origin: ArrayLike | None, power: ArrayLike, weight: Array) -> tuple[Array, Array]:
    """What a change depends on: the origin like a bound, and the power."""
    origin = jnp.asarray(0.0 if origin is None else origin).astype(weight.dtype)
    if origin.shape not in ((), weight.shape):
        raise ValueError(f"`origin` has shape {origin.shape}, expected () or {weight.shape}")
    known = not isinstance(power, jax.core.Tracer)
    if jnp.shape(power) != () or (known and not 0 <= np.asarray(power) < np.inf):
        raise ValueError(f"`power` is {power}, expected one number from 0 on")
    origin = origin if origin.ndim else origin.reshape((1,) * weight.ndim)
    return origin, jnp.asarray(power).astype(weight.dtype)


def _phi(w: Array, origin: Array, power: Array) -> Array:
    # At zero the derivative of a power below one has no bound, and at infinity none has a meaning,
    # so arguments are selected too.
    d = w - origin
    usual = (d != 0) & jnp.isfinite(d)
    curved = jnp.sign(d) * jnp.abs(jnp.where(usual, d, 1)) ** power
    return jnp.where(usual, curved, jnp.where(power == 1, d, jnp.sign(d)))


def _moved(w, active, change, low, high):
    return jnp.where(active, jnp.clip(w + change, low, high), w)


def _within(x: Array, units: Array) -> tuple[Array, Array]:
    """The values of `units`, and which of these exist; synapses of the others stay."""
    inside = (units >= 0) & (units < x.size)
    return x.at[jnp.where(inside, units, units.dtype.type(0))].get(mode="clip"), inside


@event_op(in_place={"w": 0})
def _dense(w, s, x, low, high, origin, power, index, count, *, scaled, axis):
    s, x = (s[:, None], x[None]) if axis == 0 else (s[None], x[:, None])
    change = s * x * _phi(w, origin, power) if scaled else s * x
    return _moved(w, s != 0, change, low, high)


@_dense.cpu
def _(w, s, x, low, high, origin, power, index, count, *, scaled, axis):
    a, b, c = int(low.size > 1), int(high.size > 1), int(origin.size > 1)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for j in range(x.size):
            row, col = (i, j) if axis == 0 else (j, i)
            lo, hi = low[row * a, col * a], high[row * b, col * b]
            change = spike * x[j]
            if scaled:
                d = w[row, col] - origin[row * c, col * c]
                if power == 1:
                    change *= d
                else:
                    change *= np.sign(d) * abs(d) ** power if power else np.sign(d)
            new = w[row, col] + change
            new = lo if new < lo else new
            w[row, col] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _equal(w, s, x, low, high, origin, power, index, count, partners, *, scaled):
    """Rows of equal length: `w` and `partners` are `[n, k]`."""
    values, inside = _within(x, partners)
    change = s[:, None] * values
    change = change * _phi(w, origin, power) if scaled else change
    return _moved(w, inside & (s[:, None] != 0), change, low, high)


@_equal.cpu
def _(w, s, x, low, high, origin, power, index, count, partners, *, scaled):
    a, b, c = int(low.size > 1), int(high.size > 1), int(origin.size > 1)
    n = np.uint64(x.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        # Of its own, since every write to `w` might change the other arrays for all Numba knows.
        spike, row, units, lows, highs = s[i], w[i], partners[i], low[i * a], high[i * b]
        origins = origin[i * c]
        for k in range(units.size):
            j = np.uint64(units[k])  # a negative one becomes large
            if j < n:
                lo, hi = lows[k * a], highs[k * b]
                change = spike * x[j]
                if scaled:
                    d = row[k] - origins[k * c]
                    if power == 1:
                        change *= d
                    else:
                        change *= np.sign(d) * abs(d) ** power if power else np.sign(d)
                new = row[k] + change
                new = lo if new < lo else new
                row[k] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _compressed(w, s, x, low, high, origin, power, index, count, partners, indptr, *, scaled):
    """Rows of any length, one behind the other."""
    values, inside = _within(x, partners)
    s = _spread(s, indptr, w.size)
    change = s * values * _phi(w, origin, power) if scaled else s * values
    return _moved(w, inside & (s != 0), change, low, high)


@_compressed.cpu
def _(w, s, x, low, high, origin, power, index, count, partners, indptr, *, scaled):
    a, b, c = int(low.size > 1), int(high.size > 1), int(origin.size > 1)
    n = np.uint64(x.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for p in range(max(indptr[i], 0), min(indptr[i + 1], w.size)):
            j = np.uint64(partners[p])
            if j < n:
                lo, hi = low[p * a], high[p * b]
                change = spike * x[j]
                if scaled:
                    d = w[p] - origin[p * c]
                    if power == 1:
                        change *= d
                    else:
                        change *= np.sign(d) * abs(d) ** power if power else np.sign(d)
                new = w[p] + change
                new = lo if new < lo else new
                w[p] = hi if new > hi else new


@event_op(in_place={"w": 0})
def _indexed(
    w, s, x, low, high, origin, power, index, count, partners, positions, indptr, *, scaled
):
    """The synapses of a unit lie at `positions`."""
    # Flat only in here: XLA copies what changes its shape within a loop.
    values, inside = _within(x, partners)
    s, flat = _spread(s, indptr, w.size), w.ravel()
    low, high, origin = (
        b.ravel()[positions] if b.size > 1 else b.ravel() for b in (low, high, origin)
    )
    old, change = flat[positions], s * values
    change = change * _phi(old, origin, power) if scaled else change
    moved = _moved(old, inside & (s != 0), change, low, high)
    return flat.at[positions].set(moved, unique_indices=True).reshape(w.shape)


@_indexed.cpu
def _(w, s, x, low, high, origin, power, index, count, partners, positions, indptr, *, scaled):
    flat, low, high = w.reshape(w.size), low.reshape(low.size), high.reshape(high.size)
    origin = origin.reshape(origin.size)
    a, b, c = int(low.size > 1), int(high.size > 1), np.uint64(origin.size > 1)
    n, n_synapses = np.uint64(x.size), np.uint64(flat.size)
    for i in index[: max(count, 0)]:
        if not 0 <= i < s.size or s[i] == 0:
            continue
        spike = s[i]
        for q in range(max(indptr[i], 0), min(indptr[i + 1], flat.size)):
            j, p = np.uint64(partners[q]), np.uint64(positions[q])
            if j < n and p < n_synapses:
                lo, hi = low[p * np.uint64(a)], high[p * np.uint64(b)]
                change = spike * x[j]
                if scaled:
                    d = flat[p] - origin[p * c]
                    if power == 1:
                        change *= d
                    else:
                        change *= np.sign(d) * abs(d) ** power if power else np.sign(d)
                new = flat[p] + change
                new = lo if new < lo else new
                flat[p] = hi if new > hi else new


def _spread(s: Array, indptr: Array, n_synapses: int) -> Array:
    """The value of the unit that each synapse is listed with."""
    return jnp.repeat(s, jnp.diff(indptr), total_repeat_length=n_synapses)


for _op in (_equal, _compressed, _indexed):
    for _platform in BACKENDS:
        _op.accelerator(_platform)(accelerated_update(_platform, _op.__wrapped__))
