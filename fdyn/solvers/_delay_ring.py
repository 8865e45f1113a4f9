"""The past of a run on a time grid: cubic pieces in a ring."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._tree import path_str
from ..components._history import AbstractLeafHistory, elements


class Ring(eqx.Module):
    """The last steps, each cut in `p` parts where a breaking point lies within.

    `y0`, `f0`, `y1`, `f1`: state and derivative at both ends of each part, `[steps, p, ...]`;
    `cuts`: the ends of the parts, in units of a step, `[steps, p + 1]`; `n`: steps made; `dt`: ms.
    """

    y0: PyTree
    f0: PyTree
    y1: PyTree
    f1: PyTree
    cuts: Array
    n: Array
    dt: Array

    def push(self, parts: list[tuple[PyTree, PyTree, PyTree, PyTree]], cuts: Array) -> "Ring":
        """With one more step, in the place of the oldest."""
        slot = self.n % self.cuts.shape[0]

        def put(ring: PyTree, which: int) -> PyTree:
            return jax.tree.map(
                lambda r, *x: r.at[slot].set(jnp.stack(x)), ring, *(part[which] for part in parts)
            )

        return Ring(
            put(self.y0, 0),
            put(self.f0, 1),
            put(self.y1, 2),
            put(self.f1, 3),
            self.cuts.at[slot].set(cuts),
            self.n + 1,
            self.dt,
        )


def fill(y: PyTree, past: Callable[[Any], PyTree] | None, span: float, dt: float, p: int) -> Ring:
    """A ring that holds the given past (a function of time, ms, negative) instead of steps."""
    steps = math.ceil(span / dt - 1e-6) + 1
    # A model without continuous state has no dtype of its own.
    dtype = jnp.result_type(*(jax.tree.leaves(y) or [float]))
    times = dt * jnp.arange(-steps, 1, dtype=dtype)
    if past is None:
        values = jax.tree.map(lambda x: jnp.broadcast_to(x, (steps + 1, *x.shape)), y)
        rates = jax.tree.map(jnp.zeros_like, values)
    else:

        def one(t: Array) -> tuple[PyTree, PyTree]:
            return jax.jvp(lambda s: like_state(past(s), y), (t,), (jnp.ones_like(t),))

        values, rates = jax.vmap(one)(times)

    def parts(tree: PyTree, ends: slice) -> PyTree:
        # Only the first part of a step of the past has a length.
        empty = lambda x: [jnp.zeros_like(x)] * (p - 1)  # noqa: E731
        return jax.tree.map(lambda x: jnp.stack([x[ends], *empty(x[ends])], axis=1), tree)

    low, high = slice(None, -1), slice(1, None)
    cut = jnp.concatenate([jnp.zeros(1, dtype), jnp.ones(p, dtype)])
    return Ring(
        parts(values, low),
        parts(rates, low),
        parts(values, high),
        parts(rates, high),
        jnp.tile(cut, (steps, 1)),
        jnp.zeros((), jnp.int32),
        jnp.asarray(dt, dtype),
    )


def like_state(value: PyTree, y: PyTree) -> PyTree:
    """What a history gives, as arrays like the state, or an error that says how it differs."""
    if jax.tree.structure(value) != jax.tree.structure(y):
        raise ValueError(
            f"'history' must give a tree like the state, {jax.tree.structure(y)}; it gave "
            f"{jax.tree.structure(value)}."
        )

    def leaf(path: Any, x: Any, like: Array) -> Array:
        x = jnp.asarray(x)
        try:
            return jnp.broadcast_to(x, like.shape).astype(like.dtype)
        except ValueError as e:
            raise ValueError(
                f"'history', leaf {path_str(path) or 'y'!r}, has shape {x.shape}, but the state "
                f"has {like.shape}."
            ) from e

    return jax.tree_util.tree_map_with_path(leaf, value, y)


class RingHistory(AbstractLeafHistory):
    """The past at one stage of a step.

    `c`: where in the step, in units of it; `side`: which end of a piece counts where a delayed
    time falls between two, +1 at the start of a step or part, -1 at its end; `span`: ms.
    """

    ring: Ring
    c: Array
    side: int = eqx.field(static=True)
    span: float = eqx.field(static=True)
    neutral: bool = eqx.field(static=True)

    @property
    def structure(self) -> Any:
        """That of the state."""
        return jax.tree.structure(self.ring.y0)

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """By cubic Hermite interpolation, which is of order 4 (its derivative of order 3)."""
        if derivative and not self.neutral:
            raise ValueError(
                "the flow asks for the derivative of the past, which is not known before the "
                "start: give DelayRK4 a 'history', a function of time or a constant state."
            )
        ring = self.ring
        pieces = [jax.tree.leaves(x)[i] for x in (ring.y0, ring.f0, ring.y1, ring.f1)]
        shape = pieces[0].shape[2:]
        lag = jnp.asarray(lag, ring.dt.dtype)
        steps, p = ring.cuts.shape[0], ring.cuts.shape[1] - 1
        # Delays are multiples of dt but for rounding, which grows with their number of steps.
        tol = max(1e-6, 4 * float(jnp.finfo(ring.dt.dtype).eps) * steps)
        lag = eqx.branched_error_if(
            lag,
            ~((lag >= ring.dt * (1 - tol)) & (lag <= self.span * (1 + tol))),
            jnp.where(jnp.any(~(lag >= ring.dt * (1 - tol))), 0, 1),
            [
                "DelayRK4: a delay is zero, negative, not finite or shorter than the step dt, and "
                "so falls within the current step. Use a smaller dt, or the adaptive method of "
                "solve_dde.",
                f"DelayRK4: a delay is longer than span = {self.span:g} ms, as far as the past is "
                "kept. Give a larger span.",
            ],
        )
        q = self.c - lag / ring.dt
        k = jnp.floor(q + self.side * tol)
        x = q - k
        slot = (ring.n + k.astype(jnp.int32)) % steps
        part = jnp.zeros_like(slot)
        for j in range(1, p):
            part = part + (x + self.side * tol >= ring.cuts[slot, j]).astype(jnp.int32)
        a, b = ring.cuts[slot, part], ring.cuts[slot, part + 1]
        # Rounding may lead to a part without length, which no value may be divided by.
        width = jnp.where(b > a, b - a, 1)
        x, h, row = (x - a) / width, width * ring.dt, slot * p + part
        flat = [z.reshape(steps * p, *shape) for z in pieces]
        if lag.ndim:
            row, place = elements(row, shape)
            x, _ = elements(x, shape)
            h, _ = elements(h, shape)
            y0, f0, y1, f1 = (z.reshape(steps * p, -1)[row, place] for z in flat)
        else:
            y0, f0, y1, f1 = (z[row] for z in flat)
        return hermite(x.astype(y0.dtype), h.astype(y0.dtype), y0, f0, y1, f1, derivative)


def hermite(
    x: Array, h: Array, y0: Array, f0: Array, y1: Array, f1: Array, derivative: bool
) -> Array:
    """The cubic with these values and derivatives at both ends of a step `h`, at the fraction `x`.

    Hairer, Nørsett & Wanner 1993, eq. II.6.7.
    """
    d = y1 - y0
    if derivative:
        return 6 * x * (1 - x) * d / h + (1 - x) * (1 - 3 * x) * f0 + x * (3 * x - 2) * f1
    return y0 + x * (d + (1 - x) * ((2 * x - 1) * d + h * ((1 - x) * f0 - x * f1)))
