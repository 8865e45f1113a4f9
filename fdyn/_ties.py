r"""Events of the same instant: each keeps a time of its own, of which only the derivative differs.

Where events fire together at $t^*$, or one at an instant at which the flow is interrupted anyway,
the time of the $k$-th is

$$t_k = t^* + \tau_k,\qquad \tau_k = 0,\qquad d\tau_k = -\frac{dg_k(t^*)}{\dot g_k},$$

and the state behind them has the derivative $\sum_k d\tau_k\,\partial_\tau z_k$, where $z_k$ is
the state at $t^*$ if event $k$ alone had come $\tau$ later, followed by all others. In the same
way clocks that run out together each keep their own end.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import stop_gradient
from jaxtyping import PyTree

# What jumps: (t, y, mem, which events fire, time since the last jump) -> (y, mem, out).
Jump = Callable[[Array, PyTree, PyTree, Array, Array], tuple[PyTree, PyTree, PyTree]]
# What flows: (t, y, mem) -> dy/dt.
Flow = Callable[[Array, PyTree, PyTree], PyTree]


def _apart(fired: Array, hit: Array) -> Array:
    # A single event that was located has the time of the segment's end, derivative and all.
    return jnp.sum(fired, dtype=jnp.int32) > hit.astype(jnp.int32)


def delays(g: Array, slope: Array, fired: Array, hit: Array) -> Array:
    r"""The $\tau_k$: zero, with the derivative of the own crossing of each event.

    **Arguments:** `g`, `slope`: the event functions at the instant and their time derivatives,
    `[m]`; `fired`: which of them fire; `hit`: whether the instant is that of an event.
    """
    tied = fired & _apart(fired, hit) & (slope != 0)
    safe = jnp.where(tied, stop_gradient(slope), 1)
    return jnp.where(tied, -(g - stop_gradient(g)) / safe, 0)


def moved(
    jump: Jump,
    flow: Flow,
    before: tuple[Array, PyTree, PyTree, Array],
    after: tuple[PyTree, PyTree],
    fired: Array,
    hit: Array,
    tau: Array,
) -> tuple[PyTree, PyTree]:
    """The state behind events, with the derivative that their own times give it.

    **Arguments:** `before`: `t`, `y`, `mem` and the time since the last jump; `after`: `y` and
    `mem` behind the jump of all at once; `tau`: of `delays`.
    """
    t, y, mem, dt = before
    if not fired.size:
        return after
    zero = jax.tree.map(lambda x: jnp.zeros_like(x) if _smooth(x) else None, after)

    def effect(k: Array) -> PyTree:
        only = jnp.arange(fired.size, dtype=jnp.int32) == k

        def late(tau: Array) -> PyTree:
            f = flow(t, y, mem)
            y1 = jax.tree.map(lambda x, f: x + tau * f, y, f)
            y1, mem1, _ = jump(t + tau, y1, mem, only, dt + tau)
            f = flow(t, y1, mem1)
            y1 = jax.tree.map(lambda x, f: x - tau * f, y1, f)
            y1, mem1, _ = jump(t, y1, mem1, fired & ~only, -tau)
            return jax.tree.map(lambda x: x if _smooth(x) else None, (y1, mem1))

        tau = jnp.zeros_like(t)
        return stop_gradient(jax.jvp(late, (tau,), (jnp.ones_like(tau),))[1])

    @jax.checkpoint
    def add(total: PyTree, item: tuple[Array, Array]) -> tuple[PyTree, None]:
        k, tau_k = item
        part = jax.lax.cond(fired[k], effect, lambda k: zero, k)
        return jax.tree.map(lambda a, b: a + tau_k * b, total, part), None

    def every() -> PyTree:
        return jax.lax.scan(add, zero, (jnp.arange(fired.size, dtype=jnp.int32), tau))[0]

    shift = jax.lax.cond(eqxi.unvmap_any(_apart(fired, hit)), every, lambda: zero)
    return jax.tree.map(
        lambda s, x: x if s is None else x + s, shift, after, is_leaf=lambda s: s is None
    )


def released(
    timer: Callable[[PyTree], Array],
    flow: Flow,
    t: Array,
    y: PyTree,
    mem: PyTree,
    after: PyTree,
    dt: Array,
) -> tuple[PyTree, PyTree]:
    """The state behind the end of clocks, with the derivative that the own end of each gives it.

    A unit that is set free by `tau` later lacks `tau` times what its being free adds to its flow;
    an element of a clock belongs to the elements of the same index of the variables beside it.

    **Arguments:** `mem`: at the start of the segment of length `dt`; `y`, `after`: the state and
    the memory at its end, behind the jump.
    """
    clocks, rest = eqx.partition(mem, eqx.is_inexact_array)
    if not jax.tree.leaves(clocks):
        return y, after
    first = jax.grad(lambda c: timer(eqx.combine(c, rest)))(clocks)
    ends = jax.tree.map(lambda c, g: (g != 0) & (c <= dt), clocks, first)
    free = _where(ends, jax.tree.map(stop_gradient, after), after)
    held = _where(ends, jax.tree.map(stop_gradient, mem), after)
    gap = stop_gradient(jax.tree.map(jnp.subtract, flow(t, y, free), flow(t, y, held)))
    late = jax.tree.map(lambda c, e: jnp.where(e, c - dt - stop_gradient(c - dt), 0), clocks, ends)
    late = jax.tree_util.tree_leaves_with_path(late)

    def shift(path: Any, x: Array, gap: Array) -> Array:
        near = [d for where, d in late if where[:-1] == path[: len(where) - 1]]
        return x - sum((d * gap for d in near if d.shape == x.shape), jnp.zeros_like(x))

    return jax.tree_util.tree_map_with_path(shift, y, gap), free


def _where(chosen: PyTree, new: PyTree, old: PyTree) -> PyTree:
    """The `new` where `chosen`, whose leaves are `None` where `old` stays as it is."""
    return jax.tree.map(
        lambda e, a, b: b if e is None else jnp.where(e, a, b),
        chosen,
        new,
        old,
        is_leaf=lambda e: e is None,
    )


def own(out: Array, tau: PyTree) -> Array:
    """How much later than the instant each element of an output comes.

    An output of the shape of the events of its component is theirs, element by element.
    """
    leaves = jax.tree.leaves(tau)
    if len(leaves) == 1 and leaves[0].shape == out.shape:
        return leaves[0]
    return jnp.zeros(out.shape, leaves[0].dtype)


def _smooth(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)
