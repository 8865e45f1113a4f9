"""Connectivities whose probability depends on distance, on the host."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from .._misc import magnitude
from ._build_common import (
    CHUNK,
    Values,
    as_probability,
    check_lengths,
    csr_of_keys,
    join,
    make_generator,
    senders,
    successes,
)
from ._csr import CSR

Profile = Callable[[np.ndarray], ArrayLike]


def distance_dependent(
    key: Key[Array, ""],
    pre: ArrayLike,
    post: ArrayLike,
    profile: Profile,
    weight: Values,
    *,
    cutoff: float = np.inf,
    period: float | Sequence[float | None] | None = None,
    delay: Values | None = None,
    autapses: bool = True,
    pre_ratio: float = 1.0,
) -> CSR:
    r"""Connect pairs independently with a probability that depends on their distance.

    $$P(i \to j) = f(d_{ij})\ \text{if}\ d_{ij} \le \text{cutoff}, \text{ else } 0,
    \qquad d_{ij} = |x_i - y_j|$$

    With `period` the space is a ring or a torus, and the distance is the shortest around it.
    Delays that grow with distance are functions of it: `delay=lambda d: d / velocity + offset`;
    `conn.round_delays(dt)` brings them to a time grid.

    Every pair within `cutoff` is looked at, in chunks, so that memory grows with the number of
    synapses only; a cut-off is what makes large populations fast.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `pre`, `post`: positions, `[n_pre, dimensions]` and `[n_post, dimensions]`, or `[n_pre]`
        and `[n_post]` on a line; for units on a grid, of `grid_positions`. Pass the same array
        twice to connect a population with itself.
    - `profile`: the function $f$, called with an array of distances, that gives probabilities.
    - `weight`: a scalar, a law such as `Normal`, a function that is given the distances
        `[n_synapses]`, or one weight per synapse, `[n_synapses]`.
    - `cutoff`: largest distance of a synapse, in the unit of the positions. Default: none.
    - `period`: length of the space, one for all dimensions or one for each, `None` where it is
        open. Default: `None`.
    - `delay`: in ms, or with a unit of time, given like `weight`. Default: `None`, no delay of
        its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `pre_ratio`: fraction of the presynaptic units, drawn at random, that send at all; their
        number is rounded. Default: 1.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` if the positions are not finite or do not fit each other, a period or
    `cutoff` is not positive, the profile gives something outside [0, 1], or `autapses=False` with
    `n_pre != n_post`.

    ```python
    >>> import jax, numpy as np
    >>> from fdyn.sparse import distance_dependent
    >>> x = np.arange(10.0)  # on a ring
    >>> conn = distance_dependent(
    ...     jax.random.key(0), x, x, lambda d: 0.8 * np.exp(-d / 2), 0.5, cutoff=3.0, period=10.0
    ... )
    >>> rows, cols = np.nonzero(np.asarray(conn.to_dense()))
    >>> int(np.minimum((rows - cols) % 10, (cols - rows) % 10).max())
    3

    ```

    **Source:** the spatially structured networks of Mehring et al. 2003, Biol. Cybern. 88:395;
    cells of the space are searched as in Verlet's lists, Allen & Tildesley 1987, section 5.3.
    """
    check_lengths(cutoff, "cutoff")
    if not cutoff > 0:
        raise ValueError(f"`cutoff` is {cutoff}, expected a positive distance")
    space = _Space(pre, post, period)
    generator = make_generator(key)
    chosen = senders(generator, space.n_pre, pre_ratio)

    def bound(least: float) -> float:
        return 1.0 if least <= cutoff else 0.0

    def cut(d: np.ndarray) -> np.ndarray:
        p, within = np.zeros(d.shape), d <= cutoff
        p[within] = _probabilities(profile, d[within])
        return p

    keys = _sample(generator, space, chosen, cut, bound, cutoff, 0.0)
    return _finish(keys, space, weight, delay, key, autapses)


def gaussian(
    key: Key[Array, ""],
    pre: ArrayLike,
    post: ArrayLike,
    sigma: float,
    p: float,
    weight: Values,
    *,
    period: float | Sequence[float | None] | None = None,
    delay: Values | None = None,
    autapses: bool = True,
    pre_ratio: float = 1.0,
) -> CSR:
    r"""Connect pairs independently with a probability that is a Gaussian of their distance.

    $$P(i \to j) = p\, e^{-d_{ij}^2 / 2 \sigma^2}, \qquad d_{ij} = |x_i - y_j|$$

    The distance may be that of positions or of encoded values, such as preferred directions.
    There is no cut-off: the tail is drawn too, by thinning, so that the time grows with the
    number of synapses and not with that of pairs.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `pre`, `post`: positions, `[n_pre, dimensions]` and `[n_post, dimensions]`, or `[n_pre]`
        and `[n_post]` on a line. Pass the same array twice to connect a population with itself.
    - `sigma`: width, in the unit of the positions.
    - `p`: probability at distance 0, from 0 to 1.
    - `weight`: a scalar, a law such as `Normal`, a function that is given the distances
        `[n_synapses]`, or one weight per synapse, `[n_synapses]`.
    - `period`: length of the space, one for all dimensions or one for each, `None` where it is
        open. Default: `None`.
    - `delay`: in ms, or with a unit of time, given like `weight`. Default: `None`, no delay of
        its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `pre_ratio`: fraction of the presynaptic units, drawn at random, that send at all; their
        number is rounded. Default: 1.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` for `p` outside [0, 1], a `sigma` that is not positive, positions that
    are not finite or do not fit each other, or `autapses=False` with `n_pre != n_post`.

    ```python
    >>> import jax, numpy as np
    >>> from fdyn.sparse import gaussian
    >>> angle = np.arange(0.0, 360.0, 0.5)
    >>> conn = gaussian(jax.random.key(0), angle, angle, 20.0, 0.5, 1.0, period=360.0)
    >>> bool(35 < conn.n_synapses / 720 < 65)  # 720 * 0.5 * 20 * sqrt(2 pi) / 360 = 50.1
    True

    ```

    **Source:** thinning, Lewis & Shedler 1979, Nav. Res. Logist. Q. 26:403.
    """
    p = as_probability(p, "p")
    check_lengths(sigma, "sigma")
    if not 0 < sigma < np.inf:
        raise ValueError(f"`sigma` is {sigma}, expected a positive width")
    space = _Space(pre, post, period)
    generator = make_generator(key)
    chosen = senders(generator, space.n_pre, pre_ratio)

    def profile(d):
        return p * np.exp(-0.5 * (d / sigma) ** 2)

    # The tail beyond this radius holds about as many candidates as there are units.
    ratio = space.n_pre * space.n_post / max(space.n_pre + space.n_post, 1)
    radius = sigma * np.sqrt(2 * np.log(max(ratio, 1.0) + 1))
    keys = _sample(generator, space, chosen, profile, profile, radius, profile(radius))
    return _finish(keys, space, weight, delay, key, autapses)


class _Space:
    """Two sets of points in a box whose sides may be periods."""

    def __init__(self, pre: ArrayLike, post: ArrayLike, period):
        check_lengths(period, "period")
        x, y = _positions(pre, "pre"), _positions(post, "post")
        if x.shape[1] != y.shape[1]:
            raise ValueError(
                f"`pre` has {x.shape[1]} dimensions and `post` {y.shape[1]}, expected the same"
            )
        d = x.shape[1]
        given = list(period) if isinstance(period, Sequence) else [period] * d
        if len(given) != d or not all(p is None or 0 < p < np.inf for p in given):
            raise ValueError(
                f"`period` is {period}, expected a positive length, or one or None for each of "
                f"{d} dimensions"
            )
        self.n_pre, self.n_post = len(x), len(y)
        self.wraps = np.array([p is not None for p in given], bool)
        self.low = np.zeros(d)
        self.length = np.array([0.0 if p is None else p for p in given])
        both = np.concatenate([x, y])
        for axis in np.flatnonzero(~self.wraps) if len(both) else ():
            self.low[axis] = both[:, axis].min()
            self.length[axis] = both[:, axis].max() - self.low[axis]
        self.x, self.y = (self._wrapped(z) for z in (x, y))
        # The largest distance there is, and a bit: what is nearer than that is all there is.
        self.diameter = 1.001 * float(np.linalg.norm(np.where(self.wraps, 0.5, 1) * self.length))

    def _wrapped(self, z: np.ndarray) -> np.ndarray:
        return np.where(self.wraps, z % np.where(self.wraps, self.length, 1.0), z)

    def distance(self, x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Distance of each pair of points, the i-th of `x` and the j-th of `y`."""
        total = np.zeros(i.shape)
        for axis in range(x.shape[1]):
            gap = np.abs(x[i, axis] - y[j, axis])
            if self.wraps[axis]:
                gap = np.minimum(gap, self.length[axis] - gap)
            total += gap * gap
        return np.sqrt(total)


def _positions(values: ArrayLike, name: str) -> np.ndarray:
    check_lengths(values, name)
    result = np.asarray(values, np.float64)
    result = result[:, None] if result.ndim == 1 else result
    if result.ndim != 2 or not result.shape[1] or not np.isfinite(result).all():
        raise ValueError(
            f"`{name}` has shape {np.shape(values)}, expected finite positions, [n] or "
            "[n, dimensions]"
        )
    return result


def _probabilities(profile: Profile, d: np.ndarray) -> np.ndarray:
    p = np.asarray(magnitude(profile(d), "1", "profile"), np.float64)
    if p.shape not in ((), d.shape):
        raise ValueError(
            f"`profile` gave shape {p.shape} for distances of shape {d.shape}, expected the same"
        )
    wrong = ~((p >= 0) & (p <= 1))
    if d.size and wrong.any():
        at = np.flatnonzero(np.broadcast_to(wrong, d.shape))[0]
        raise ValueError(
            f"`profile` gave {np.broadcast_to(p, d.shape)[at]} at distance {d[at]:g}, expected a "
            "probability from 0 to 1"
        )
    return p


def _sample(generator, space: _Space, chosen, profile, bound, radius, tail) -> np.ndarray:
    """Pairs, as `row * n_post + column`, each with the probability of its distance.

    `bound(r)` is never below `profile(d)` for any `d >= r`, nor `tail` for any `d > radius`.
    Candidates are drawn with the bound of the least distance that they may have, and kept with
    the ratio of profile and bound.
    """
    if space.n_pre == 0 or space.n_post == 0:
        return np.zeros(0, np.int64)
    radius = min(radius, space.diameter)
    cells = _Cells(space, np.arange(space.n_pre) if chosen is None else chosen, radius)
    # In the order of the cells, what is near in space is near in memory.
    i, j = cells.pre, cells.post
    x, y = space.x[i], space.y[j]
    parts = []

    def accept(a: np.ndarray, b: np.ndarray, p: float, near: bool) -> None:
        d = space.distance(x, y, a, b)
        keep = generator.random(d.size) * p < profile(d)
        keep &= (d <= radius) == near
        parts.append(i[a[keep]] * space.n_post + j[b[keep]])

    for target, least in cells.steps():
        p = bound(least)
        counts = cells.sizes[target]
        ends = np.cumsum(counts)
        shift = cells.starts[target] - ends + counts
        for position in _pieces(successes(generator, int(ends[-1]), p)):
            a = _owners(ends, position)
            accept(a, position + shift[a], p, True)
    tail = tail if radius < space.diameter else 0.0
    for position in _pieces(successes(generator, i.size * space.n_post, tail)):
        accept(*np.divmod(position, space.n_post), tail, False)
    return join(parts)


def _owners(ends: np.ndarray, position: np.ndarray) -> np.ndarray:
    """In which of consecutive ranges, given by their ends, each of the sorted positions lies."""
    first = np.searchsorted(position, ends)  # fewer searches than one per position
    return np.repeat(np.arange(ends.size), np.diff(first, prepend=0))


def _pieces(chunks):
    """Chunks of at most CHUNK // 8 entries, so that what is computed of them stays in cache."""
    for chunk in chunks:
        for start in range(0, chunk.size, CHUNK // 8):
            yield chunk[start : start + CHUNK // 8]


class _Cells:
    """The points of a space sorted into cells, to find those within a radius."""

    def __init__(self, space: _Space, sources: np.ndarray, radius: float):
        d = space.x.shape[1]
        self.space, self.radius = space, radius
        parts = 8 if d == 1 else 4  # of the radius: finer cells fit better, but are more
        most = max(1.0, (4.0 * space.n_post) ** (1 / d))
        fit = np.floor(parts * space.length / max(radius, 1e-300))
        self.number = np.clip(fit, 1, most).astype(int)
        self.side = np.where(space.length > 0, space.length / self.number, 1.0)
        self.strides = np.array([int(np.prod(self.number[k + 1 :])) for k in range(d)])
        home, flat = self._cell(space.x[sources]), self._cell(space.y) @ self.strides
        order = np.argsort(home @ self.strides, kind="stable")
        self.pre, self.home = sources[order], home[order]
        self.post = np.argsort(flat, kind="stable")
        self.n_cells = int(np.prod(self.number))
        # One empty cell at the end, for steps that lead out of the box.
        self.sizes = np.bincount(flat, minlength=self.n_cells + 1)
        self.starts = np.cumsum(self.sizes) - self.sizes

    def _cell(self, z: np.ndarray) -> np.ndarray:
        return np.clip(((z - self.space.low) / self.side).astype(int), 0, self.number - 1)

    def steps(self):
        """All steps to cells that may hold points within the radius, each cell once.

        Yields the cell that each source comes to, and the least distance of such a pair.
        """
        axes = []
        for axis, n in enumerate(self.number):
            reach = int(min(np.ceil(self.radius / self.side[axis]), n - 1))
            low, high = -reach, reach
            if self.space.wraps[axis]:
                low, high = max(low, -((n - 1) // 2)), min(high, n // 2)
            axes.append([(k, self._moved(axis, k)) for k in range(low, high + 1)])
        # A little less than exact: positions are rounded when they are put into cells.
        side = (1 - 1e-9) * self.side
        for step in itertools.product(*axes):
            gaps = np.maximum(np.abs([k for k, _ in step]) - 1, 0) * side
            least = float(np.linalg.norm(gaps))
            if least > self.radius:
                continue
            target = sum(part for _, part in step)
            yield np.where(target < 0, self.n_cells, target), least

    def _moved(self, axis: int, step: int) -> np.ndarray:
        """What one axis adds to the number of the cell; far below 0 out of the box."""
        n = self.number[axis]
        moved = self.home[:, axis] + step
        if self.space.wraps[axis]:
            return moved % n * self.strides[axis]
        inside = (moved >= 0) & (moved < n)
        return np.where(
            inside, moved * self.strides[axis], -(self.space.x.shape[1] + 1) * self.n_cells
        )


def _finish(keys, space: _Space, weight, delay, key, autapses: bool) -> CSR:
    if not autapses:
        if space.n_pre != space.n_post:
            raise ValueError(
                "`autapses=False` leaves out i -> i, expected as many positions in `pre` as in "
                f"`post`, given {space.n_pre} and {space.n_post}"
            )
        rows, columns = np.divmod(keys, max(space.n_post, 1))
        keys = keys[rows != columns]

    def distance(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return space.distance(space.x, space.y, rows, columns)

    return csr_of_keys(keys, space.n_pre, space.n_post, weight, delay, key, distance)
