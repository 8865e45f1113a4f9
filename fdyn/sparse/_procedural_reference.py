"""The procedural products in pure JAX: oracle, fallback, and what runs off the CPU."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from . import _threefry as tf

_LANES = 4096  # blocks of candidates walked through at once


class Plan(NamedTuple):
    """What of a procedural pattern is static.

    `law`: of the weights, `"constant"`, `"uniform"` or `"normal"`; `delay`: `"none"`, `"law"` or
    `"distance"`; `block`: width of the blocks of candidates; `n_post`; `grid`: rows and columns of
    the postsynaptic units where the probability depends on distance, and `periodic`, whether
    opposite borders meet.
    """

    law: str
    delay: str
    block: int
    n_post: int
    grid: tuple[int, int] | None = None
    periodic: bool = False


class Pattern(NamedTuple):
    """The arrays that a procedural pattern is made of.

    `numbers` uint32 `[7]`: two words of the key, first row, first column, scale and shift of the
    gaps, and whether a unit may reach itself. `arrival` uint32: thresholds of the slots of delay
    `[n_slots - 1]`, or the slot for each distance. Where the probability depends on distance:
    `lines` uint32 `[n_lines, 6]`, the scale, shift, row offset, first column offset, length and
    largest probability of each line of the neighbourhood; `table` uint32, the probability by
    distance (one axis) or its square (two); `row_centre`, `col_centre` int32, the place of each
    presynaptic row and column.
    """

    numbers: Any
    arrival: Any
    lines: Any = None
    table: Any = None
    row_centre: Any = None
    col_centre: Any = None


class Candidates(NamedTuple):
    """Pairs that may be synapses, and what is known of each."""

    hit: Any  # whether it is a synapse
    row: Any  # uint32, number of the presynaptic unit in the whole
    col: Any  # uint32, of the postsynaptic one, counted from the first column
    distance: Any  # place in the table of distances


def n_blocks(pattern: Pattern, plan: Plan) -> tuple[int, int]:
    """Number of lines of a row, and of blocks of a line."""
    if plan.grid is None:
        return 1, (plan.n_post + plan.block - 2) // plan.block + 1
    reach = pattern.table.shape[0] - 1
    reach = math.isqrt(reach) if plan.grid[0] > 1 else reach
    breadth = plan.grid[1] if plan.periodic else 2 * plan.grid[1] - 1
    return pattern.lines.shape[0], -(-min(2 * reach + 1, breadth) // plan.block)


def walk(pattern: Pattern, plan: Plan, row: Any, line: Any, block: Any, xp: Any) -> tuple:
    """Start of the walk through blocks: counters, position and end, and the function for one draw.

    The gaps between successes have no memory, so that each block is walked from its start.
    """
    k0, k1, first_row, first_col, scale, shift, loops = (pattern.numbers[i] for i in range(7))
    width = np.uint32(plan.block)
    whole = first_row + row
    if plan.grid is None:
        start = (first_col // width + block) * width
        counter = start >> np.uint32(1)
        end = xp.minimum(start + width, first_col + np.uint32(plan.n_post))

        def pair(k, _):
            return Candidates(k >= first_col, whole, k - first_col, None)

        place, draws = pair, 2
    else:
        lines = pattern.lines[line.astype(np.int32)]
        scale, shift, dy, left, length, bound = (lines[..., i] for i in range(6))
        height, breadth = plan.grid
        columns = np.uint32(pattern.col_centre.shape[0])
        stride = np.uint32(n_blocks(pattern, plan)[1] * plan.block)
        start = block * width
        counter = line * stride + start
        end = xp.minimum(start + width, length)
        y = pattern.row_centre[(whole // columns).astype(np.int32)] + dy.astype(np.int32)
        x0 = pattern.col_centre[(whole % columns).astype(np.int32)] + left.astype(np.int32)
        inside = _within(y, height) | plan.periodic
        y = _around(y, height, xp)

        def near_pair(k, word):
            x = x0 + k.astype(np.int32)
            dx, step = left.astype(np.int32) + k.astype(np.int32), dy.astype(np.int32)
            distance = dx * dx + step * step if height > 1 else abs(dx)
            known = distance < np.int32(pattern.table.shape[0])
            distance = xp.where(known, distance, np.int32(0))
            near = tf.high_product(word, bound) < pattern.table[distance]
            col = (y * np.int32(breadth) + _around(x, breadth, xp)).astype(np.uint32) - first_col
            hit = near & known & inside & (_within(x, breadth) | plan.periodic)
            return Candidates(hit & (col < np.uint32(plan.n_post)), whole, col, distance)

        place, draws = near_pair, 1

    def draw(count, position):
        """The next candidates of each lane, from position to position."""
        words = tf.threefry(k0, k1, whole, counter + count)
        for i in range(draws):
            gap = tf.gap(words[i], scale, shift)
            room = xp.where(end > position, end - position, np.uint32(0))
            alive = gap < room
            found = place(position + xp.minimum(gap, room), words[1])
            alone = (loops != np.uint32(0)) | (found.col + first_col != found.row)
            position = xp.where(alive, position + gap + np.uint32(1), end)
            yield found._replace(hit=alive & found.hit & alone), position

    return start, end, draw


def _within(x: Any, size: int) -> Any:
    return (x >= np.int32(0)) & (x < np.int32(size))


def _around(x: Any, size: int, xp: Any) -> Any:
    """Onto the circle, for places at most one turn off it."""
    n = np.int32(size)
    x = xp.where(x < np.int32(0), x + n, x)
    return xp.where(x >= n, x - n, x)


def basis(pattern: Pattern, plan: Plan, row: Any, col: Any) -> Any:
    """The random part of the weights, float32: a function of the pair alone."""
    k0, k1, _, first_col = (pattern.numbers[i] for i in range(4))
    words = tf.threefry(*tf.stream(k0, k1, tf.WEIGHTS), row, col + first_col)
    return tf.uniform(words[0]) if plan.law == "uniform" else tf.normal(*words)


def slot(pattern: Pattern, plan: Plan, found: Candidates, xp: Any) -> Any:
    """The number of steps to the arrival, int32."""
    if plan.delay == "distance":
        return pattern.arrival[found.distance].astype(np.int32)
    k0, k1, _, first_col = (pattern.numbers[i] for i in range(4))
    word, _ = tf.threefry(*tf.stream(k0, k1, tf.DELAYS), found.row, found.col + first_col)
    return xp.searchsorted(pattern.arrival, word, side="right").astype(np.int32)


def reference(
    role: str,
    plan: Plan,
    pattern: Pattern,
    acc: Array,
    a: Array,
    b: Array,
    turn: Array | None,
    events: tuple[Array, Array] | None,
) -> Array:
    """`acc` + the product of `a` and `b`: for the roles and operands see `generate`."""
    s = {"g": b, "s": acc, "w": a}[role]
    (n_pre,) = s.shape
    n_lines, per_line = n_blocks(pattern, plan)
    shares = n_lines * per_line
    if plan.n_post == 0 or n_pre == 0:
        return acc
    if role == "s":
        active, count = jnp.arange(n_pre, dtype=jnp.int32), jnp.array(n_pre, jnp.int32)
    elif events is None:
        active = jnp.nonzero(s, size=n_pre, fill_value=0)[0].astype(jnp.int32)
        count = jnp.sum(s != 0, dtype=jnp.int32)
    else:
        active, count = events
    wide = min(shares, _LANES)
    high = max(1, min(_LANES // wide, n_pre))
    lane = np.arange(high * wide, dtype=np.int32)

    def share(carry):
        rows_done, shares_done, acc = carry
        nth = rows_done + lane // np.int32(wide)
        part = shares_done + lane % np.int32(wide)
        row = active[jnp.minimum(nth, count - np.int32(1))]
        live = (nth < count) & (part < np.int32(shares))
        line, block = (part // np.int32(per_line), part % np.int32(per_line))
        start, end, draw = walk(
            pattern, plan, row.astype(jnp.uint32), line.astype(jnp.uint32),
            block.astype(jnp.uint32), jnp,
        )  # fmt: skip
        add = _adder(role, plan, pattern, a, b, turn, row)

        def step(carry):
            drawn, position, acc = carry
            for found, moved in draw(drawn, position):
                position = moved
                acc = add(acc, found)
            return drawn + np.uint32(1), position, acc

        position = jnp.where(live, start + jnp.zeros_like(end), end)
        carry = jnp.zeros((), jnp.uint32), position, acc
        acc = jax.lax.while_loop(lambda c: jnp.any(c[1] < end), step, carry)[2]
        shares_done = shares_done + np.int32(wide)
        full = shares_done >= np.int32(shares)
        rows_done = rows_done + jnp.where(full, np.int32(high), np.int32(0))
        return rows_done, jnp.where(full, np.int32(0), shares_done), acc

    carry = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), acc
    return jax.lax.while_loop(lambda c: c[0] < count, share, carry)[2]


def _adder(
    role: str, plan: Plan, pattern: Pattern, a: Any, b: Any, turn: Any, row: Any
) -> Callable:
    def add(acc, found):
        place = found.col.astype(jnp.int32)
        if plan.delay != "none":
            place = place + slot(pattern, plan, found, jnp) * np.int32(plan.n_post)
        g = acc if role == "g" else b
        size = np.int32(g.shape[0])
        out = ~found.hit | (place >= size)
        if turn is not None:
            place = place - (size - turn % size)
            place = jnp.where(place < 0, place + size, place)
        place = jnp.where(out, np.int32(np.iinfo(np.int32).max), place)
        part = None
        if plan.law != "constant":
            part = basis(pattern, plan, found.row, found.col).astype(acc.dtype)
        if role == "w":
            value = a[row] * b.at[place].get(mode="fill", fill_value=0)
            sums = [jnp.sum(value)] if part is None else [jnp.sum(value), jnp.sum(value * part)]
            return acc + jnp.stack(sums)
        w = a[0] if part is None else a[0] + a[1] * part
        if role == "g":
            return acc.at[place].add(w * b[row], mode="drop")
        value = jnp.where(out, jnp.zeros((), acc.dtype), w)
        return acc.at[row].add(value * b.at[place].get(mode="fill", fill_value=0))

    return add
