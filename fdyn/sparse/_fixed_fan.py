"""Sparse connectivity with rows, or columns, of equal length."""

from types import ModuleType
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int

from ._base import FORMATS, values_of
from ._checks import as_indices, as_size, as_weight, check_range
from ._delay_field import as_delay
from ._edges import Edges
from ._listed import AbstractListed
from ._ops import contract


class FixedFanOut(AbstractListed):
    r"""Every presynaptic unit has the same number `k` of synapses.

    $$y_j = \sum_{i, m:\, \text{targets}_{im} = j} s_i\, w_{im}$$

    The fastest of the sparse formats. A target may occur several times in a row, and in any
    order; rows sorted by target are faster to work through.

    **Arguments:**

    - `targets`: postsynaptic unit of each synapse, integers `[n_pre, k]`.
    - `weight`: `[n_pre, k]`, a scalar for all synapses, or `[n_pre, 1]` for one per row.
    - `n_post`: number of postsynaptic units.
    - `delay`: ms, a scalar or `[n_pre, k]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"` or `"int64"`. Default: `"int32"`.

    **Raises:** `ValueError` if a target is not in `[0, n_post)` or a shape does not fit. The
    values of traced arrays are not checked; a target out of range is then left out.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import FixedFanOut
    >>> conn = FixedFanOut(jnp.array([[0, 2], [1, 2]]), 0.5, n_post=3)
    >>> print(jnp.array([1.0, 1.0]) @ conn)
    [0.5 0.5 1. ]

    ```

    **Source:** the Ellpack format, Saad 2003, Iterative Methods for Sparse Linear Systems,
    section 3.4.
    """

    targets: Int[Array, "*batch n_pre k"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        targets: ArrayLike,
        weight: ArrayLike,
        *,
        n_post: int,
        delay: Any = None,
        index_dtype: str = "int32",
    ):
        self.targets = as_indices(targets, 2, "targets", index_dtype)
        self.n_pre, self.n_post = self.targets.shape[0], as_size(n_post, "n_post")
        self.weight = as_weight(weight, self.targets.shape, self.shape)
        self.delay = as_delay(delay, self.targets.shape)

    def __check_init__(self):
        check_range(self.targets, 0, self.n_post - 1, "targets")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_pre * self.targets.shape[-1]

    @property
    def T(self) -> "FixedFanIn":  # noqa: N802
        """The connectivity from post to pre, a `FixedFanIn` of the same arrays."""
        return FixedFanIn._view(
            sources=self.targets,
            weight=_turned(self),
            n_pre=self.n_post,
            n_post=self.n_pre,
            delay=self.delay,
        )

    @classmethod
    def _of_edges(cls, edges: Edges) -> Self:
        edges = edges.by_row()
        layout = edges.shape[0], _equal_length(edges.rows, edges.shape[0], "row", cls.__name__)
        weight, delay = edges.laid_out(layout)
        return cls(
            edges.cols.reshape(layout),
            weight,
            n_post=edges.shape[1],
            delay=delay,
            index_dtype=edges.index_dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return self.n_pre, self.targets.shape[-1]

    def _edges(self, xp: ModuleType) -> Edges:
        rows = xp.repeat(xp.arange(self.n_pre, dtype=self.targets.dtype), self.targets.shape[-1])
        return self._as_edges(rows, xp.asarray(self.targets).ravel())

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> Any:
        edges = self._edges(np).select(pre, post)
        return FORMATS["CSR" if post is not None else "FixedFanOut"]._of_edges(edges)

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return contract("g", y, w, s, self.targets)

    def _gather(self, w: Array, g: Array) -> Array:
        return contract("s", jnp.zeros((self.n_pre,), g.dtype), w, g, self.targets)


class FixedFanIn(AbstractListed):
    r"""Every postsynaptic unit has the same number `k` of synapses.

    $$y_j = \sum_m s_{\text{sources}_{jm}}\, w_{jm}$$

    `s @ conn` reads all synapses, whichever spike, which suits dense activity; `conn @ g` is
    event-driven in `g`. `to_csr()` is event-driven in `s`. A source may occur several times in a
    row of `sources`, and in any order.

    **Arguments:**

    - `sources`: presynaptic unit of each synapse, integers `[n_post, k]`.
    - `weight`: `[n_post, k]`, a scalar for all synapses, or `[n_pre, 1]` for one per presynaptic
        unit; if the two shapes are the same, one per synapse is meant.
    - `n_pre`: number of presynaptic units.
    - `delay`: ms, a scalar or `[n_post, k]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"` or `"int64"`. Default: `"int32"`.

    **Raises:** `ValueError` if a source is not in `[0, n_pre)` or a shape does not fit. The
    values of traced arrays are not checked; a source out of range is then left out.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import FixedFanIn
    >>> conn = FixedFanIn(jnp.array([[0, 1], [1, 1]]), 0.5, n_pre=3)
    >>> print(jnp.array([1.0, 4.0, 7.0]) @ conn)
    [2.5 4. ]

    ```

    **Source:** the Ellpack format of the transposed matrix, Saad 2003, Iterative Methods for
    Sparse Linear Systems, section 3.4.
    """

    sources: Int[Array, "*batch n_post k"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        sources: ArrayLike,
        weight: ArrayLike,
        *,
        n_pre: int,
        delay: Any = None,
        index_dtype: str = "int32",
    ):
        self.sources = as_indices(sources, 2, "sources", index_dtype)
        self.n_pre, self.n_post = as_size(n_pre, "n_pre"), self.sources.shape[0]
        self.weight = as_weight(weight, self.sources.shape, self.shape)
        self.delay = as_delay(delay, self.sources.shape)

    def __check_init__(self):
        check_range(self.sources, 0, self.n_pre - 1, "sources")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_post * self.sources.shape[-1]

    @property
    def T(self) -> FixedFanOut:  # noqa: N802
        """The connectivity from post to pre, a `FixedFanOut` of the same arrays."""
        return FixedFanOut._view(
            targets=self.sources,
            weight=_turned(self),
            n_pre=self.n_post,
            n_post=self.n_pre,
            delay=self.delay,
        )

    @classmethod
    def _of_edges(cls, edges: Edges) -> Self:
        edges = edges.by_column()
        layout = edges.shape[1], _equal_length(edges.cols, edges.shape[1], "column", cls.__name__)
        weight, delay = edges.laid_out(layout)
        return cls(
            edges.rows.reshape(layout),
            weight,
            n_pre=edges.shape[0],
            delay=delay,
            index_dtype=edges.index_dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return self.n_post, self.sources.shape[-1]

    def _edges(self, xp: ModuleType) -> Edges:
        cols = xp.repeat(xp.arange(self.n_post, dtype=self.sources.dtype), self.sources.shape[-1])
        return self._as_edges(xp.asarray(self.sources).ravel(), cols)

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> Any:
        edges = self._edges(np).select(pre, post)
        return FORMATS["CSC" if pre is not None else "FixedFanIn"]._of_edges(edges)

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return contract("s", y, w, values_of(s), self.sources)

    def _gather(self, w: Array, g: Array) -> Array:
        return contract("g", jnp.zeros((self.n_pre,), g.dtype), w, g, self.sources)


FORMATS["FixedFanOut"], FORMATS["FixedFanIn"] = FixedFanOut, FixedFanIn


def _turned(conn: FixedFanOut | FixedFanIn) -> Any:
    """The weight of the transposed connectivity: one per row is one per column there."""
    weight, layout = conn.weight, conn._weight_shape()
    if weight.shape in ((), layout):
        return weight
    if weight.T.shape != layout:
        return weight.T
    # One per unit would be taken for one per synapse there, so it becomes one per synapse.
    return conn._edges(jnp).per_synapse().reshape(layout)


def _equal_length(units: np.ndarray, n: int, kind: str, name: str) -> int:
    """The number of synapses that each of `n` rows or columns has, else `ValueError`."""
    counts = np.bincount(units, minlength=n)
    if n and counts.min() != counts.max():
        raise ValueError(
            f"the {kind}s have from {counts.min()} to {counts.max()} synapses, but a {name} needs "
            "as many in each; to_csr() and to_csc() take any number"
        )
    return int(counts[0]) if n else 0
