"""Sparse connectivity with rows, or columns, of any length."""

from types import ModuleType
from typing import Any, Self

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int

from ._base import FORMATS, values_of
from ._checks import as_indices, as_size, as_weight, check_range
from ._delay_field import as_delay
from ._edges import Edges, starts
from ._listed import AbstractListed
from ._ops import contract


class CSR(AbstractListed):
    r"""Compressed sparse rows: the synapses of unit $i$ are those from `indptr[i]` on.

    $$y_j = \sum_i \sum_{p = \text{indptr}_i}^{\text{indptr}_{i+1} - 1}
    s_i\, w_p\, [\text{indices}_p = j]$$

    A target may occur several times in a row, and in any order; rows sorted by target are faster
    to work through.

    **Arguments:**

    - `indices`: postsynaptic unit of each synapse, integers `[n_synapses]`.
    - `indptr`: where each row begins, and the end, integers `[n_pre + 1]`.
    - `weight`: `[n_synapses]`, a scalar for all synapses, or `[n_pre, 1]` for one per row.
    - `n_post`: number of postsynaptic units.
    - `delay`: ms, a scalar or `[n_synapses]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"`, or `"int64"` where there are 2^31 synapses or more. Default:
        `"int32"`.

    **Raises:** `ValueError` if an index is not in `[0, n_post)`, if `indptr` does not rise from
    0 to the number of synapses, or a shape does not fit. The values of traced arrays are not
    checked; an index out of range is then left out. What comes of an `indptr` that falls is not
    defined, and differs between backends.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR
    >>> conn = CSR(jnp.array([0, 2, 1]), jnp.array([0, 2, 3]), 0.5, n_post=3)
    >>> print(jnp.array([1.0, 4.0]) @ conn)
    [0.5 2.  0.5]

    ```

    **Source:** the compressed sparse row format, Saad 2003, Iterative Methods for Sparse Linear
    Systems, section 3.4.
    """

    indices: Int[Array, "*batch n_synapses"]
    indptr: Int[Array, "*batch n_rows"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        indices: ArrayLike,
        indptr: ArrayLike,
        weight: ArrayLike,
        *,
        n_post: int,
        delay: Any = None,
        index_dtype: str = "int32",
    ):
        self.indices, self.indptr = _compressed(indices, indptr, index_dtype)
        self.n_pre, self.n_post = self.indptr.shape[0] - 1, as_size(n_post, "n_post")
        self.weight = as_weight(weight, self.indices.shape, self.shape)
        self.delay = as_delay(delay, self.indices.shape)

    def __check_init__(self):
        check_range(self.indices, 0, self.n_post - 1, "indices")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.indices.shape[-1]

    @property
    def T(self) -> "CSC":  # noqa: N802
        """The connectivity from post to pre, a `CSC` of the same arrays."""
        return CSC._view(
            indices=self.indices,
            indptr=self.indptr,
            weight=_turned(self.weight),
            n_pre=self.n_post,
            n_post=self.n_pre,
            delay=self.delay,
        )

    @classmethod
    def _of_edges(cls, edges: Edges) -> Self:
        edges = edges.by_row()
        weight, delay = edges.laid_out(edges.rows.shape)
        return cls(
            edges.cols,
            starts(edges.rows, edges.shape[0]),
            weight,
            n_post=edges.shape[1],
            delay=delay,
            index_dtype=edges.index_dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.indices.shape[-1],)

    def _edges(self, xp: ModuleType) -> Edges:
        rows = _units(self.indptr, self.n_synapses, xp)
        return self._as_edges(rows, xp.asarray(self.indices))

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "CSR":
        return CSR._of_edges(self._edges(np).select(pre, post))

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return contract("g", y, w, s, self.indices, self.indptr)

    def _gather(self, w: Array, g: Array) -> Array:
        zeros = jnp.zeros((self.n_pre,), g.dtype)
        return contract("s", zeros, w, g, self.indices, self.indptr)


class CSC(AbstractListed):
    r"""Compressed sparse columns: the synapses onto unit $j$ are those from `indptr[j]` on.

    $$y_j = \sum_{p = \text{indptr}_j}^{\text{indptr}_{j+1} - 1} s_{\text{indices}_p}\, w_p$$

    `s @ conn` reads all synapses, whichever spike; `conn @ g` is event-driven in `g`.
    `to_csr()` is event-driven in `s`. A source may occur several times in a column, and in any
    order.

    **Arguments:**

    - `indices`: presynaptic unit of each synapse, integers `[n_synapses]`.
    - `indptr`: where each column begins, and the end, integers `[n_post + 1]`.
    - `weight`: `[n_synapses]`, a scalar for all synapses, or `[n_pre, 1]` for one per row.
    - `n_pre`: number of presynaptic units.
    - `delay`: ms, a scalar or `[n_synapses]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"`, or `"int64"` where there are 2^31 synapses or more. Default:
        `"int32"`.

    **Raises:** `ValueError` if an index is not in `[0, n_pre)`, if `indptr` does not rise from
    0 to the number of synapses, or a shape does not fit. The values of traced arrays are not
    checked; an index out of range is then left out. What comes of an `indptr` that falls is not
    defined, and differs between backends.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSC
    >>> conn = CSC(jnp.array([0, 1, 0]), jnp.array([0, 2, 3]), 0.5, n_pre=2)
    >>> print(jnp.array([1.0, 4.0]) @ conn)
    [2.5 0.5]

    ```

    **Source:** the compressed sparse column format, Saad 2003, Iterative Methods for Sparse
    Linear Systems, section 3.4.
    """

    indices: Int[Array, "*batch n_synapses"]
    indptr: Int[Array, "*batch n_columns"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        indices: ArrayLike,
        indptr: ArrayLike,
        weight: ArrayLike,
        *,
        n_pre: int,
        delay: Any = None,
        index_dtype: str = "int32",
    ):
        self.indices, self.indptr = _compressed(indices, indptr, index_dtype)
        self.n_pre, self.n_post = as_size(n_pre, "n_pre"), self.indptr.shape[0] - 1
        self.weight = as_weight(weight, self.indices.shape, self.shape)
        self.delay = as_delay(delay, self.indices.shape)

    def __check_init__(self):
        check_range(self.indices, 0, self.n_pre - 1, "indices")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.indices.shape[-1]

    @property
    def T(self) -> CSR:  # noqa: N802
        """The connectivity from post to pre, a `CSR` of the same arrays."""
        return CSR._view(
            indices=self.indices,
            indptr=self.indptr,
            weight=_turned(self.weight),
            n_pre=self.n_post,
            n_post=self.n_pre,
            delay=self.delay,
        )

    @classmethod
    def _of_edges(cls, edges: Edges) -> Self:
        edges = edges.by_column()
        weight, delay = edges.laid_out(edges.rows.shape)
        return cls(
            edges.rows,
            starts(edges.cols, edges.shape[1]),
            weight,
            n_pre=edges.shape[0],
            delay=delay,
            index_dtype=edges.index_dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.indices.shape[-1],)

    def _edges(self, xp: ModuleType) -> Edges:
        cols = _units(self.indptr, self.n_synapses, xp)
        return self._as_edges(xp.asarray(self.indices), cols)

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "CSC":
        return CSC._of_edges(self._edges(np).select(pre, post))

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return contract("s", y, w, values_of(s), self.indices, self.indptr)

    def _gather(self, w: Array, g: Array) -> Array:
        zeros = jnp.zeros((self.n_pre,), g.dtype)
        return contract("g", zeros, w, g, self.indices, self.indptr)


FORMATS["CSR"], FORMATS["CSC"] = CSR, CSC


def _turned(weight: Any) -> Any:
    """A weight per row is one per column of the transposed connectivity."""
    return weight.T if weight.ndim == 2 else weight


def _compressed(indices: ArrayLike, indptr: ArrayLike, index_dtype: str) -> tuple[Array, Array]:
    indices = as_indices(indices, 1, "indices", index_dtype)
    indptr = as_indices(indptr, 1, "indptr", index_dtype)
    if indptr.size == 0:
        raise ValueError("`indptr` has shape (0,), expected one entry per unit and the end")
    if not isinstance(indptr, jax.core.Tracer):
        begin = np.asarray(indptr)
        if begin[0] != 0 or begin[-1] != indices.size:
            raise ValueError(
                f"`indptr` goes from {begin[0]} to {begin[-1]}, "
                f"expected from 0 to the number of indices, {indices.size}"
            )
        falls = np.flatnonzero(np.diff(begin) < 0)
        if falls.size:
            raise ValueError(
                f"`indptr` falls from {begin[falls[0]]} to {begin[falls[0] + 1]} at row "
                f"{falls[0]}, expected values that never fall"
            )
    return indices, indptr


def _units(indptr: Array, n_synapses: int, xp: ModuleType) -> Any:
    """The unit that each synapse is stored with, -1 for padding on the host: `[n_synapses]`."""
    indptr = xp.asarray(indptr)
    units = xp.arange(indptr.shape[0] - 1, dtype=indptr.dtype)
    if xp is np:
        units = np.repeat(units, np.diff(indptr))[:n_synapses]
        missing = np.full(n_synapses - units.size, -1, units.dtype)
        return np.concatenate([units, missing]) if missing.size else units
    return jnp.repeat(units, jnp.diff(indptr), total_repeat_length=n_synapses)
