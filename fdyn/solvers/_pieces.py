"""The past of an adaptive run: the interpolants of its steps."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from ..components._history import AbstractLeafHistory, elements
from ._delay_ring import like_state


class Pieces(eqx.Module):
    """The interpolants of accepted steps, in the order of time, `[capacity, ...]`.

    `start`, `end`: of the steps, infinite where there is none yet; `infos`: what the interpolation
    of the solver needs, the elements of the flat state on the last axis; `n`: how many.
    """

    start: Array
    end: Array
    infos: PyTree
    n: Array

    def push(self, start: Array, end: Array, infos: PyTree, keep: Array) -> "Pieces":
        """With one more step where `keep`."""
        at = jnp.where(keep, self.n, self.start.shape[0])  # beyond the end: dropped
        return Pieces(
            self.start.at[at].set(start, mode="drop"),
            self.end.at[at].set(end, mode="drop"),
            jax.tree.map(lambda r, x: r.at[at].set(x, mode="drop"), self.infos, infos),
            self.n + keep.astype(jnp.int32),
        )

    def find(self, t: Array) -> Array:
        """The step that each time falls in; the first or last where it falls in none."""
        at = jnp.searchsorted(self.start, t, side="right").astype(jnp.int32) - 1
        return jnp.clip(at, 0, jnp.maximum(self.n - 1, 0))


class Layout(eqx.Module):
    """How the state lies in the flat vector on which the solver works."""

    structure: Any = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    starts: tuple[int, ...] = eqx.field(static=True)

    def ravel(self, y: PyTree) -> Array:
        """The state as a vector `[d]`."""
        return jnp.concatenate([x.reshape(-1) for x in jax.tree.leaves(y)])

    def unravel(self, z: Array) -> PyTree:
        """A vector as a state."""
        ends = zip(self.starts, self.starts[1:], self.shapes, strict=False)
        return jax.tree.unflatten(self.structure, [z[a:b].reshape(s) for a, b, s in ends])


def layout_of(y: PyTree) -> Layout:
    """The layout of a state."""
    leaves, structure = jax.tree.flatten(y)
    starts = [0]
    for x in leaves:
        starts.append(starts[-1] + x.size)
    return Layout(structure, tuple(x.shape for x in leaves), tuple(starts))


class Log:
    """What the flow has asked for in one evaluation, gathered while it is traced."""

    def __init__(self):
        """Nothing yet."""
        self.current: list[Array] = []
        self.future: list[Array] = []
        self.lost: list[Array] = []

    def flags(self, dtype: Any) -> Array:
        """Whether a time within the step, after now, or no longer kept was asked for, `[3]`."""
        flags = []
        for asked in (self.current, self.future, self.lost):
            flag = jnp.zeros((), bool)
            for x in asked:
                flag = flag | x
            flags.append(flag)
        return jnp.stack(flags).astype(dtype)


class PieceHistory(AbstractLeafHistory):
    """The past at the time `t` of a step that leads from `step[0]` to `step[1]`.

    `past`: a function of time, for times before `first`; `pieces`: of the run; `current`: start,
    end and interpolant that stand for the step under way.
    """

    past: Callable[[Any], PyTree]
    pieces: Pieces
    current: tuple[Array, Array, PyTree]
    t: Array
    step: tuple[Array, Array]
    first: Array
    like: PyTree
    layout: Layout
    interpolation: Any = eqx.field(static=True)
    log: Log = eqx.field(static=True)

    @property
    def structure(self) -> Any:
        """That of the state."""
        return self.layout.structure

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The interpolant of the step in which the time falls."""
        lag = jnp.asarray(lag, self.t.dtype)
        time = self.t - lag
        low, high = self.step
        # Breaking points are ends of steps. All stages of a step must see the same side of those
        # that lie a delay back, so what is looked up lies inside of the step by more than rounding.
        tol = (
            16 * jnp.finfo(time.dtype).eps * (jnp.abs(self.t) + jnp.abs(lag) + jnp.abs(self.first))
        )
        place = time + tol * (1 - 2 * (self.t - low) / (high - low))
        before, within = place < self.first, place >= low
        known = ~before & ~within
        self.log.current.append(jnp.any(within))
        # `not <=` also catches a lag that is not a number.
        self.log.future.append(jnp.any(~(time <= self.t + tol)))
        self.log.lost.append(jnp.any(known & (place < self.pieces.start[0] - tol)))
        time = jnp.where(before, self.first, time)
        past = jnp.where(before, self.t - lag, self.first)
        if lag.ndim:
            return self._spread(i, place, time, before, within, past, derivative)
        begin, end, infos = self._piece(place, within)
        a, b = self.layout.starts[i], self.layout.starts[i + 1]
        infos = jax.tree.map(lambda x: x[..., a:b], infos)
        value = self._evaluate(begin, end, infos, time, derivative)
        value = value.reshape(self.layout.shapes[i])
        return jnp.where(before, self._given(i, past, derivative), value)

    def _piece(self, place: Array, within: Array) -> tuple[Array, Array, PyTree]:
        at = self.pieces.find(place)
        kept = (self.pieces.start[at], self.pieces.end[at])
        infos = jax.tree.map(lambda x: x[at], self.pieces.infos)
        return jax.tree.map(lambda x, y: jnp.where(within, x, y), self.current, (*kept, infos))

    def _evaluate(
        self, begin: Array, end: Array, infos: PyTree, t: Array, derivative: bool
    ) -> Array:
        path = self.interpolation(t0=begin, t1=end, **infos)
        return path.derivative(t) if derivative else path.evaluate(t)

    def _given(self, i: int, t: Array, derivative: bool) -> Array:
        def leaf(t: Array) -> Array:
            return jax.tree.leaves(like_state(self.past(t), self.like))[i]

        return jax.jvp(leaf, (t,), (jnp.ones_like(t),))[1] if derivative else leaf(t)

    def _spread(self, i: int, *args: Any) -> Array:
        """One lag for each element."""
        *times, derivative = args
        shape, first = self.layout.shapes[i], self.layout.starts[i]
        spread = [elements(x, shape) for x in times]
        out, flat = spread[0][0].shape, [x.reshape(-1) for x, _ in spread]

        def one(column: Array, place, time, before, within, past) -> Array:
            at = self.pieces.find(place)
            kept = (self.pieces.start[at], self.pieces.end[at])
            infos = jax.tree.map(lambda x: x[at, ..., first + column][..., None], self.pieces.infos)
            now = jax.tree.map(lambda x: x[..., first + column][..., None], self.current[2])
            begin, end, infos = jax.tree.map(
                lambda x, y: jnp.where(within, x, y), (*self.current[:2], now), (*kept, infos)
            )
            value = self._evaluate(begin, end, infos, time, derivative)[0]
            given = self._given(i, past, derivative).reshape(-1)[column]
            return jnp.where(before, given, value)

        return jax.vmap(one)(spread[0][1].reshape(-1), *flat).reshape(out)


class Dense(eqx.Module):
    """The solution at any time of the run."""

    pieces: Pieces
    t0: Array
    t1: Array
    layout: Layout
    interpolation: Any = eqx.field(static=True)

    def evaluate(self, t: Array) -> PyTree:
        """The state at one time."""
        at = self.pieces.find(t)
        infos = jax.tree.map(lambda x: x[at, ..., : self.layout.starts[-1]], self.pieces.infos)
        path = self.interpolation(t0=self.pieces.start[at], t1=self.pieces.end[at], **infos)
        return self.layout.unravel(path.evaluate(t))
