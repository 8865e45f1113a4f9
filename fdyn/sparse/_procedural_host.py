"""What procedural connectivity does on the host: checks, tables, and the list of its synapses."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, UInt32

from .._grid import steps_of
from .._misc import is_traced, magnitude
from . import _procedural_reference as ref
from . import _threefry as tf
from ._checks import as_weight
from ._delay import FractionalDelay, check_ring, slack
from ._delay_field import as_delay
from ._law import AbstractLaw, Normal, Uniform

_PER_BLOCK = 64  # synapses in a block of candidates, at most on average
_LANES = 1 << 15  # blocks walked through at once


# --- arguments ---------------------------------------------------------------------------------


def as_key(key: Any) -> Key[Array, ""]:
    """A single `jax.random` key of the kind that the generator takes, else `ValueError`."""
    if isinstance(key, jax.Array | np.ndarray) and (key.dtype, key.shape) == (np.uint32, (2,)):
        key = jax.random.wrap_key_data(jnp.asarray(key), impl="threefry2x32")
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise ValueError(f"`key` is {key!r}, expected a key made by `jax.random.key`")
    if key.shape != ():
        raise ValueError(f"`key` has shape {key.shape}, expected a single key")
    if str(jax.random.key_impl(key)) not in ("fry", "threefry2x32"):
        raise ValueError(
            f"`key` is of the kind {jax.random.key_impl(key)}, expected threefry2x32: "
            "`jax.random.key(seed, impl='threefry2x32')`"
        )
    return key


def as_grid(n: Any, name: str) -> tuple[int, int]:
    """Rows and columns of the grid on which units stand; a plain number of units is one row."""
    grid = n if isinstance(n, tuple) else (1, n)
    if len(grid) != 2 or not all(
        isinstance(x, int | np.integer) and not isinstance(x, bool) and x >= 0 for x in grid
    ):
        raise ValueError(f"`{name}` is {n!r}, expected a number of units, or (rows, columns)")
    return int(grid[0]), int(grid[1])


def check_same_space(n_pre: Any, n_post: Any) -> None:
    """`ValueError` where one side stands on a line and the other on a plane."""
    if isinstance(n_pre, tuple) != isinstance(n_post, tuple):
        line, plane = ("n_post", "n_pre") if isinstance(n_pre, tuple) else ("n_pre", "n_post")
        raise ValueError(
            f"`{plane}` is (rows, columns), a plane, but `{line}` a number of units on a line "
            f"(n_pre={n_pre}, n_post={n_post}), expected (rows, columns) for both, or a number"
        )


def as_probability(p: Any) -> float:
    """A probability that the generator can resolve, else `ValueError`."""
    if is_traced(p):
        raise ValueError("`probability` is traced; a Procedural is made on the host, outside jit")
    try:
        value = float(p) if np.shape(p) == () else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"`probability` is {p!r}, expected a number from 0 to 1, or `ByDistance`")
    if 0 < value < tf.MIN_PROBABILITY:
        raise ValueError(f"`probability` is {p}, expected 0 or at least {tf.MIN_PROBABILITY:.2g}")
    return value


def block_width(mean_gap: float, n: int, given: int | None) -> int:
    """Number of candidates in a block: a power of two, no larger than it need be for `n`."""
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int) or given < 2 or given & given - 1:
            raise ValueError(f"`block` is {given!r}, expected a power of two from 2 on")
        return given
    whole = 1 << max(n - 1, 1).bit_length()
    if mean_gap * _PER_BLOCK >= whole:
        return whole
    return 1 << max(int(mean_gap * _PER_BLOCK), 2).bit_length() - 1


def as_law(weight: Any, shape: tuple[int, int]) -> Any:
    """A weight as the other connectivities take it, or a law that is linear in its parameters."""
    if not isinstance(weight, AbstractLaw):
        return as_weight(weight, (), shape)
    if isinstance(weight, Uniform) or (isinstance(weight, Normal) and not weight.bounded):
        return weight
    raise ValueError(
        f"`weight` is {weight}, expected a number, `Uniform`, or `Normal` without bounds; other "
        "laws are for weights that are stored"
    )


def as_delays(delay: Any, distance: np.ndarray | None) -> Any:
    """`None`, one time, a law, or the delays for the distances of a table."""
    if isinstance(delay, AbstractLaw):
        return delay
    if isinstance(delay, FractionalDelay) and delay.values.shape != ():
        raise ValueError("`delay` is a FractionalDelay per synapse, which needs stored synapses")
    if not callable(delay):
        return as_delay(delay, ())
    if distance is None:
        raise ValueError("`delay` is a function of the distance, which needs `ByDistance`")
    values = np.asarray(magnitude(delay(distance), "ms", "delay"))
    return as_delay(np.broadcast_to(values, distance.shape), distance.shape)


def as_range(units: Any, n: int, name: str) -> tuple[Any, int]:
    """First unit and number of units of a contiguous part, else `ValueError`."""
    if units is None:
        return 0, n
    start, size = units
    if not is_traced(start) and (min(start, size) < 0 or start + size > n):
        raise ValueError(
            f"`{name}` takes {size} units from {start} on, expected a part of 0 to {n - 1}"
        )
    return start, int(size)


def contiguous(units: np.ndarray | None) -> tuple[int, int] | None:
    """The range that an array of units is, `None` if it is none."""
    if units is None or units.size == 0 or not (np.diff(units) == 1).all():
        return None
    return int(units[0]), units.size


def coefficients(weight: Any, dtype: Any) -> tuple[Array, str]:
    """The numbers in which the weights are linear, and the law of what they multiply."""
    if isinstance(weight, Uniform):
        values, law = [weight.low, weight.high - weight.low], "uniform"
    elif isinstance(weight, Normal):
        values, law = [weight.mean, weight.std], "normal"
    else:
        values, law = [weight], "constant"
    return jnp.stack(values).astype(dtype), law


class GeneratedRoute(eqx.Module):
    """How `Procedural.deposit` finds the places of arrivals.

    `numbers`: thresholds of a law, or the steps for each distance of a table (`by_distance`);
    `most`: the most steps of a delay.
    """

    numbers: UInt32[Array, "..."]
    by_distance: bool = eqx.field(static=True)
    most: int = eqx.field(static=True)


# --- delays ------------------------------------------------------------------------------------


def check_deposit(
    ring: Array, spikes: Array, route: Any, shape: tuple[int, int], by_distance: bool
) -> None:
    """Ring, spikes and route fit a connectivity, else `ValueError`."""
    if not isinstance(route, GeneratedRoute) or route.by_distance != by_distance:
        raise ValueError("`route` is of another connectivity, expected what `conn.route(dt)` gives")
    if not jnp.issubdtype(ring.dtype, jnp.inexact):
        raise ValueError(f"`ring` is {ring.dtype}, expected floating numbers")
    check_ring(ring, spikes, shape, route.most)


def thresholds(law: AbstractLaw, dt: float, what: str) -> np.ndarray:
    """For each number of steps but the last, the words that lead to no more: uint32."""
    if isinstance(law, Uniform):
        low, high = (steps_of(float(x), dt, what) for x in (law.low, law.high))
        below = (np.arange(high) - low + 1) / (high - low + 1)
    else:
        if not isinstance(law, Normal) or law.low is None or law.high is None or law.low < 0:
            raise ValueError(
                f"{what} is {law}, expected a `Uniform` or a `Normal` within bounds, low >= 0"
            )
        high = math.floor(float(law.high) / dt + 0.5)
        below = law.cdf((np.arange(high) + 0.5) * dt)
    return tf.whole(np.clip(below, 0.0, 1.0))


def check_table(delay: Any, space: Any, dt: float, what: str) -> None:
    """`ValueError` that names the distance whose delay is no multiple of `dt`."""
    if space is None or not is_table(delay) or is_traced(delay):
        return
    values = np.asarray(delay)
    steps = np.rint(values / dt)
    bad = np.flatnonzero(abs(values / dt - steps) > slack(steps, values.dtype))
    if bad.size:
        at = int(bad[0])
        try:
            steps_of(float(values[at]), dt, f"{what} at distance {space.distance(at):g}")
        except ValueError as error:
            raise ValueError(f"{error} `conn.round_delays({dt:g})` rounds all of them.") from None


# --- the list of synapses ----------------------------------------------------------------------


def synapses(plan: ref.Plan, pattern: Any, n_pre: int) -> tuple[Any, ...]:
    """Rows and columns of all synapses, the random part of their weights, and their slots.

    The slot is the number of steps of a delay, or the place in the table of distances.
    """
    known = [None if x is None else np.asarray(x) for x in pattern]
    pattern = ref.Pattern(np.asarray(pattern.numbers)[:, None], *known[1:])
    n_lines, per_line = ref.n_blocks(pattern, plan)
    share = n_lines * per_line
    parts: list[Any] = []
    for begin in range(0, n_pre * share, _LANES):
        task = np.arange(begin, min(begin + _LANES, n_pre * share), dtype=np.int64)
        which = task // share, task % share // per_line, task % per_line
        row, line, block = (x.astype(np.uint32) for x in which)
        start, end, draw = ref.walk(pattern, plan, row, line, block, np)
        position, drawn = start + np.zeros_like(end), np.zeros(1, np.uint32)
        while (position < end).any():
            for found, moved in draw(drawn, position):
                position = moved
                hit = np.flatnonzero(found.hit)
                at = None if found.distance is None else found.distance[hit]
                parts.append((row[hit], found.row[hit], found.col[hit], at))
            drawn = drawn + np.uint32(1)
    if not parts:
        parts = [(*(np.zeros(0, np.uint32),) * 3, None)]
    joined: Any = (
        None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)
    )
    rows, whole, cols, at = joined
    random = None if plan.law == "constant" else ref.basis(pattern, plan, whole, cols)
    slots = at
    if plan.delay == "law":
        slots = ref.slot(pattern, plan, ref.Candidates(None, whole, cols, None), np)
    return rows.astype(np.int32), cols.astype(np.int32), random, slots


def is_table(delay: Any) -> bool:
    """Whether delays are tabulated by distance."""
    return eqx.is_array(delay) and delay.ndim > 0
