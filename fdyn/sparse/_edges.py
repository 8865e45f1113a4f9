"""Lists of synapses on the host: what one format is turned into another by."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._misc import is_traced
from ._delay_field import map_delay


class Edges(NamedTuple):
    """Synapses one by one, in the order of their weights.

    `weight` is `()`, `(n_pre, 1)`, `(1, n_post)` or `(n_synapses,)`, `delay` is `None`, `()` or
    `(n_synapses,)`.
    """

    rows: np.ndarray
    cols: np.ndarray
    weight: Any
    delay: Any
    shape: tuple[int, int]
    index_dtype: str

    def take(self, which: np.ndarray) -> "Edges":
        """The synapses at these places, in this order."""

        def pick(x):
            return _take(x, which) if x.ndim == 1 else x

        return self._replace(
            rows=self.rows[which],
            cols=self.cols[which],
            weight=pick(self.weight),
            delay=map_delay(self.delay, pick),
        )

    def outside(self) -> Any:
        """Which synapses have a unit out of range, and therefore are left out: `[n_synapses]`.

        The constructors refuse them; these were made under jit, or are padding.
        """
        n_pre, n_post = self.shape
        outside_pre = (self.rows < 0) | (self.rows >= n_pre)
        return outside_pre | (self.cols < 0) | (self.cols >= n_post)

    def inside(self) -> "Edges":
        """All other synapses."""
        outside = self.outside()
        return self.take(np.flatnonzero(~outside)) if outside.any() else self

    def by_row(self) -> "Edges":
        """By row, then by column; parallel synapses keep their order."""
        return self.take(lexical_order((self.rows, self.shape[0]), (self.cols, self.shape[1])))

    def by_column(self) -> "Edges":
        """By column, then by row; parallel synapses keep their order."""
        return self.take(lexical_order((self.cols, self.shape[1]), (self.rows, self.shape[0])))

    def select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "Edges":
        """The synapses between the units `pre` and `post`, numbered anew; `None`: all units."""
        self = self.inside()
        rows, keep_rows = _renumber(self.rows, pre, self.shape[0])
        cols, keep_cols = _renumber(self.cols, post, self.shape[1])
        n_pre = self.shape[0] if pre is None else pre.size
        n_post = self.shape[1] if post is None else post.size
        weight = self.weight
        if weight.ndim == 2:
            per_row = weight.shape == (self.shape[0], 1)
            units = pre if per_row else post
            if units is not None:
                weight = weight[units] if per_row else weight[:, units]
        some = self._replace(rows=rows, cols=cols, weight=weight, shape=(n_pre, n_post))
        return some.take(np.flatnonzero(keep_rows & keep_cols))

    def per_synapse(self) -> Any:
        """The weight of each synapse, `[n_synapses]`."""
        xp = np if isinstance(self.rows, np.ndarray) and not is_traced(self.weight) else jnp
        weight = xp.asarray(self.weight)
        if weight.ndim == 2:
            per_row = weight.shape == (self.shape[0], 1)
            return weight[self.rows, 0] if per_row else weight[0, self.cols]
        return xp.broadcast_to(weight, self.rows.shape)

    def laid_out(self, layout: tuple[int, ...]) -> tuple[Any, Any]:
        """Weight and delay of a format whose weights per synapse have the shape `layout`."""
        weight = self.weight
        if weight.shape == layout and weight.ndim == 2:
            # One per row or column would be taken for one per synapse there.
            weight = self.per_synapse()

        def flat(x):
            return x.reshape(layout) if x.ndim == 1 else x

        return flat(weight), map_delay(self.delay, flat)


def lexical_order(*keys: tuple[np.ndarray, int]) -> np.ndarray:
    """The stable order by several keys, the first one foremost; each with its upper bound.

    A plain sort of numbers is several times faster than a sort of places by their keys, so the
    place is packed into the low bits of the number.
    """
    n = keys[0][0].size
    bits = max(n - 1, 0).bit_length()
    merged: list[tuple[np.ndarray, int]] = []
    for key, bound in keys:
        key = key.astype(np.int64)
        if merged and (merged[-1][1] * bound).bit_length() + bits < 63:
            before, so_far = merged[-1]
            merged[-1] = before * bound + key, so_far * bound
        else:
            merged.append((key, bound))
    order = None
    for key, _ in reversed(merged):
        packed = ((key if order is None else key[order]) << bits) | np.arange(n, dtype=np.int64)
        packed.sort()
        packed &= (1 << bits) - 1
        order = packed if order is None else order[packed]
    assert order is not None
    return order


def starts(units: np.ndarray, n: int) -> np.ndarray:
    """Where the synapses of each of `n` units begin, and the end, if sorted: int64 `[n + 1]`."""
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(units, minlength=n), out=indptr[1:])
    return indptr


def _renumber(units: np.ndarray, chosen: np.ndarray | None, n: int) -> tuple[np.ndarray, Any]:
    if chosen is None:
        return units, np.ones(units.shape, bool)
    number = np.full(n, -1, np.int64)
    number[chosen] = np.arange(chosen.size)
    new = number[units]
    return new, new >= 0


def _take(values: Any, which: np.ndarray) -> Any:
    # On the host unless a gradient is taken through the conversion.
    if is_traced(values):
        return jnp.take(values, which, axis=0)
    return np.asarray(values)[which]
