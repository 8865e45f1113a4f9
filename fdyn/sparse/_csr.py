"""Sparse connectivity with rows of any length."""

from types import ModuleType

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int32

from ._base import AbstractConnectivity, as_indices, as_size, as_weight, check_range
from ._ops import contract


class CSR(AbstractConnectivity):
    r"""Compressed sparse rows: the synapses of unit $i$ are those from `indptr[i]` on.

    $$y_j = \sum_i \sum_{p = \text{indptr}_i}^{\text{indptr}_{i+1} - 1}
    s_i\, w_p\, [\text{indices}_p = j]$$

    A target may occur several times in a row; rows sorted by target are faster to work through.

    **Arguments:**

    - `indices`: post-synaptic unit of each synapse, integers `[n_synapses]`.
    - `indptr`: where each row begins, and the end, integers `[n_pre + 1]`.
    - `weight`: `[n_synapses]`, or a scalar for all synapses.
    - `n_post`: number of post-synaptic units.

    **Raises:** `ValueError` if an index is not in `[0, n_post)`, if `indptr` does not rise from
    0 to the number of synapses, or a shape does not fit. The values of traced arrays are not
    checked; an index out of range is then left out.

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

    indices: Int32[Array, "*batch n_synapses"]
    indptr: Int32[Array, "*batch n_rows"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)

    def __init__(self, indices: ArrayLike, indptr: ArrayLike, weight: ArrayLike, *, n_post: int):
        indices = as_indices(indices, 1, "indices")
        indptr = as_indices(indptr, 1, "indptr")
        if indptr.size == 0:
            raise ValueError("`indptr` has shape (0,), expected (n_pre + 1,)")
        self.n_pre = indptr.shape[0] - 1
        self.n_post = as_size(n_post, "n_post")
        if not isinstance(indptr, jax.core.Tracer):
            starts = np.asarray(indptr)
            if starts[0] != 0 or starts[-1] != indices.size:
                raise ValueError(
                    f"`indptr` goes from {starts[0]} to {starts[-1]}, "
                    f"expected from 0 to the number of indices, {indices.size}"
                )
            falls = np.flatnonzero(np.diff(starts) < 0)
            if falls.size:
                raise ValueError(
                    f"`indptr` falls from {starts[falls[0]]} to {starts[falls[0] + 1]} at row "
                    f"{falls[0]}, expected values that never fall"
                )
        self.indices = indices
        self.indptr = indptr
        self.weight = as_weight(weight, indices.shape, "weight")

    def __check_init__(self):
        check_range(self.indices, 0, self.n_post - 1, "indices")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.indices.shape[-1]

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.indices.shape[-1],)

    def _rows_cols(self, xp: ModuleType) -> tuple[Array, Array]:
        position = xp.arange(self.n_synapses, dtype=xp.int32)
        rows = xp.searchsorted(xp.asarray(self.indptr), position, side="right") - 1
        return rows.astype(xp.int32), xp.asarray(self.indices)

    def _scatter(self, y: Array, w: Array, s: Array) -> Array:
        return contract("g", y, w, s, self.indices, self.indptr)

    def _gather(self, w: Array, g: Array) -> Array:
        zeros = jnp.zeros((self.n_pre,), g.dtype)
        return contract("s", zeros, w, g, self.indices, self.indptr)
