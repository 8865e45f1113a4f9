"""Probabilities that depend on the distance, tabulated for procedural connectivity."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from .._misc import magnitude
from . import _threefry as tf

_MAX_TABLE = 1 << 26  # distances; 256 MiB
_MAX_PAIRS = 1 << 22  # looked at to tell how many synapses there will be


class ByDistance(eqx.Module):
    r"""A probability of connection that depends on the distance $d$, on a line or on a plane.

    $$P(i \to j) = p(d_{ij}) \text{ for } d_{ij} \le \text{cutoff}, \text{ else } 0$$

    Given to `Procedural` as its probability. Units stand on a grid: those of the post side are
    `spacing` apart, along both axes, and number by rows; those of the pre side are spread evenly
    over the same space, each moved to the postsynaptic unit that is nearest. So populations E and I
    of different size need two of them, for E to I with the spacing of I, for I to E with that of E.

    **Arguments:**

    - `profile`: $p(d)$, a function of an array of distances.
    - `cutoff`: the longest distance of a synapse, in the unit of `spacing`.
    - `spacing`: distance of neighbours on the post side. Default: 1.
    - `periodic`: whether opposite borders meet, to a ring or a torus. Default: `False`, open, as
        in `grid_neighbours` and `distance_dependent`.

    **Raises:** `ValueError` for a cutoff or spacing that is not positive and finite.

    ```python
    >>> import jax
    >>> import numpy as np
    >>> from fdyn.sparse import ByDistance, Procedural
    >>> near = ByDistance(lambda d: 0.5 * np.exp(-0.5 * (d / 0.1) ** 2), cutoff=0.4, spacing=0.02)
    >>> conn = Procedural(jax.random.key(0), (50, 50), (50, 50), near, weight=0.1)
    >>> conn.shape
    (2500, 2500)

    ```

    **Source:** none; a convention of this library.
    """

    profile: Callable[[np.ndarray], Any] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    spacing: float = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)

    def __init__(
        self,
        profile: Callable[[np.ndarray], Any],
        cutoff: float,
        spacing: float = 1.0,
        periodic: bool = False,
    ):
        self.profile, self.periodic = profile, bool(periodic)
        self.cutoff, self.spacing = _length(cutoff, "cutoff"), _length(spacing, "spacing")


class Space(eqx.Module):
    """What of `ByDistance` the products need; for the arrays see `Pattern`."""

    lines: UInt32[Array, "n_lines 6"]
    table: UInt32[Array, " n_distances"]
    row_centre: Int32[Array, " pre_rows"]
    col_centre: Int32[Array, " pre_columns"]
    grid: tuple[int, int] = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    spacing: float = eqx.field(static=True)

    def distance(self, entry: int) -> float:
        """The distance to which an entry of the table belongs."""
        return self.spacing * (math.sqrt(entry) if self.grid[0] > 1 else entry)


def _length(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"`{name}` is {value!r}, expected a positive number")
    return number


def make_space(
    spec: ByDistance, pre: tuple[int, int], post: tuple[int, int]
) -> tuple[Space, np.ndarray, float]:
    """The tables, the distances that they are for, and the mean gap that sizes the blocks."""
    plane = post[0] > 1
    # In a plane what counts is the square, which need not be that of a whole number.
    longest = min(spec.cutoff / spec.spacing * (1 + 1e-12), sum(post) if plane else post[1])
    reach, square = math.floor(longest), math.floor(longest * longest)
    size = square + 1 if plane else reach + 1
    if size > _MAX_TABLE:
        raise ValueError(
            f"`cutoff` is {reach} times the spacing: a table of {size} distances, expected at "
            f"most {_MAX_TABLE}"
        )
    steps = np.arange(size, dtype=np.float64)
    distance = (np.sqrt(steps) if plane else steps) * spec.spacing
    p = np.asarray(magnitude(spec.profile(distance), "1", "profile"), np.float64)
    if p.shape != distance.shape:
        raise ValueError(f"`profile` gives shape {p.shape} for distances of {distance.shape}")
    bad = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if bad.size:
        raise ValueError(
            f"`profile` gives {p[bad[0]]} at the distance {distance[bad[0]]:g}, expected a "
            "probability from 0 to 1"
        )
    lines, shortest = [], math.inf
    for dy in _offsets(reach, post[0], spec.periodic) if plane else [0]:
        half = math.isqrt(square - dy * dy)
        across = _offsets(half, post[1], spec.periodic)
        dx = np.arange(across.start, across.stop, dtype=np.int64)
        most = float(p[dx * dx + dy * dy if plane else abs(dx)].max(initial=0.0))
        if most < tf.MIN_PROBABILITY:
            continue
        shortest = min(shortest, tf.mean_gap(most))
        lines.append((*tf.gap_of(most), dy, across.start, len(across), tf.whole(most)))
    return (
        Space(
            lines=jnp.asarray(np.array(lines, np.int64).reshape(-1, 6).astype(np.uint32)),
            table=jnp.asarray(tf.whole(p)),
            row_centre=jnp.asarray(_centres(pre[0], post[0])),
            col_centre=jnp.asarray(_centres(pre[1], post[1])),
            grid=post,
            periodic=spec.periodic,
            spacing=float(spec.spacing),
        ),
        distance,
        shortest,
    )


def expected_number(space: Space, pre: tuple[int, int], post: tuple[int, int]) -> float:
    """The mean number of synapses between ranges of units, each its first one and its size."""
    (first_row, n_pre), (first_col, n_post), (height, breadth) = pre, post, space.grid
    lines, table = np.asarray(space.lines), np.asarray(space.table) * 2.0**-32
    row_centre, col_centre = np.asarray(space.row_centre), np.asarray(space.col_centre)
    dy, left, length = (lines[:, k].astype(np.int32).astype(np.int64) for k in (2, 3, 4))
    line = np.repeat(np.arange(dy.size), length)
    dx = np.arange(line.size) - np.repeat(np.cumsum(length) - length - left, length)
    distance = dx * dx + dy[line] ** 2 if height > 1 else abs(dx)
    known = distance < table.size
    p, dx, dy = table[distance[known]], dx[known], dy[line[known]]
    n = min(n_pre, max(_MAX_PAIRS // max(p.size, 1), 16))
    total = 0.0
    for row in first_row + (2 * np.arange(n) + 1) * n_pre // (2 * max(n, 1)):
        y, x = row_centre[row // col_centre.size] + dy, col_centre[row % col_centre.size] + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < breadth) | space.periodic
        col = y % height * breadth + x % breadth - first_col
        total += p[inside & (col >= 0) & (col < n_post)].sum()
    return total * n_pre / max(n, 1)


def _offsets(reach: int, size: int, periodic: bool) -> range:
    """Steps along an axis that lead to different units, none of them further than `reach`."""
    if not periodic:
        reach = min(reach, size - 1)
        return range(-reach, reach + 1)
    count = min(2 * reach + 1, size)
    return range(-(count // 2), count - count // 2)


def _centres(n: int, size: int) -> np.ndarray:
    return ((2 * np.arange(n, dtype=np.int64) + 1) * size // (2 * max(n, 1))).astype(np.int32)
