"""Sparse connectivity as a list of synapses."""

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


class COO(AbstractListed):
    r"""Coordinates: the pre- and the postsynaptic unit of every synapse, in any order.

    $$y_j = \sum_{p:\, \text{cols}_p = j} s_{\text{rows}_p}\, w_p$$

    The format to build, inspect and exchange: both products read all synapses. `to_csr()` is
    event-driven. A pair of units may have several synapses.

    **Arguments:**

    - `rows`, `cols`: pre- and postsynaptic unit of each synapse, integers `[n_synapses]`.
    - `weight`: `[n_synapses]`, a scalar for all synapses, or `[n_pre, 1]` for one per row.
    - `n_pre`, `n_post`: number of units.
    - `delay`: ms, a scalar or `[n_synapses]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"` or `"int64"`. Default: `"int32"`.

    **Raises:** `ValueError` if a unit is out of range or a shape does not fit. The values of
    traced arrays are not checked; a synapse out of range is then left out.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import COO
    >>> conn = COO([1, 0, 1], [0, 1, 0], [1.0, 2.0, 3.0], n_pre=2, n_post=2)
    >>> print(jnp.array([1.0, 10.0]) @ conn)
    [40.  2.]

    ```

    **Source:** the coordinate format, Saad 2003, Iterative Methods for Sparse Linear Systems,
    section 3.4.
    """

    rows: Int[Array, "*batch n_synapses"]
    cols: Int[Array, "*batch n_synapses"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        weight: ArrayLike,
        *,
        n_pre: int,
        n_post: int,
        delay: Any = None,
        index_dtype: str = "int32",
    ):
        self.rows = as_indices(rows, 1, "rows", index_dtype)
        self.cols = as_indices(cols, 1, "cols", index_dtype)
        if self.rows.shape != self.cols.shape:
            raise ValueError(
                f"`rows` has shape {self.rows.shape} and `cols` has shape {self.cols.shape}, "
                "expected one entry per synapse in each"
            )
        self.n_pre, self.n_post = as_size(n_pre, "n_pre"), as_size(n_post, "n_post")
        self.weight = as_weight(weight, self.rows.shape, self.shape)
        self.delay = as_delay(delay, self.rows.shape)

    def __check_init__(self):
        check_range(self.rows, 0, self.n_pre - 1, "rows")
        check_range(self.cols, 0, self.n_post - 1, "cols")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.rows.shape[-1]

    @property
    def T(self) -> "COO":  # noqa: N802
        """The connectivity from post to pre, of the same arrays."""
        return COO._view(
            rows=self.cols,
            cols=self.rows,
            weight=self.weight.T,
            n_pre=self.n_post,
            n_post=self.n_pre,
            delay=self.delay,
        )

    @classmethod
    def _of_edges(cls, edges: Edges) -> Self:
        weight, delay = edges.laid_out(edges.rows.shape)
        return cls(
            edges.rows,
            edges.cols,
            weight,
            n_pre=edges.shape[0],
            n_post=edges.shape[1],
            delay=delay,
            index_dtype=edges.index_dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.rows.shape[-1],)

    def _edges(self, xp: ModuleType) -> Edges:
        return self._as_edges(xp.asarray(self.rows), xp.asarray(self.cols))

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "COO":
        return COO._of_edges(self._edges(np).select(pre, post))

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return _sums(y, self.cols, w, values_of(s), self.rows)

    def _gather(self, w: Array, g: Array) -> Array:
        return _sums(jnp.zeros((self.n_pre,), g.dtype), self.rows, w, g, self.cols)


FORMATS["COO"] = COO


def _sums(y: Array, into: Array, w: Array, x: Array, origin: Array) -> Array:
    # Negative units would count from the end; as numbers without a sign they are out of range.
    into, origin = (i.astype(f"u{i.dtype.name}") for i in (into, origin))
    values = w * x.at[origin].get(mode="fill", fill_value=0)
    return y.at[into].add(values, mode="drop")
