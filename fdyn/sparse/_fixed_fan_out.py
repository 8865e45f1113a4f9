"""Sparse connectivity with rows of equal length."""

from types import ModuleType

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int32

from ._base import AbstractConnectivity, as_indices, as_size, as_weight, check_range
from ._ops import contract


class FixedFanOut(AbstractConnectivity):
    r"""Every pre-synaptic unit has the same number `k` of synapses.

    $$y_j = \sum_{i, m:\, \text{targets}_{im} = j} s_i\, w_{im}$$

    The fastest of the sparse formats. A target may occur several times in a row; rows sorted
    by target are faster to work through.

    **Arguments:**

    - `targets`: post-synaptic unit of each synapse, integers `[n_pre, k]`.
    - `weight`: `[n_pre, k]`, or a scalar for all synapses.
    - `n_post`: number of post-synaptic units.

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

    targets: Int32[Array, "*batch n_pre k"]
    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)

    def __init__(self, targets: ArrayLike, weight: ArrayLike, *, n_post: int):
        targets = as_indices(targets, 2, "targets")
        self.n_pre = targets.shape[0]
        self.n_post = as_size(n_post, "n_post")
        self.targets = targets
        self.weight = as_weight(weight, targets.shape, "weight")

    def __check_init__(self):
        check_range(self.targets, 0, self.n_post - 1, "targets")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_pre * self.targets.shape[-1]

    def _weight_shape(self) -> tuple[int, ...]:
        return self.n_pre, self.targets.shape[-1]

    def _rows_cols(self, xp: ModuleType) -> tuple[Array, Array]:
        rows = xp.arange(self.n_pre, dtype=xp.int32)
        return xp.repeat(rows, self.targets.shape[-1]), xp.asarray(self.targets).ravel()

    def _scatter(self, y: Array, w: Array, s: Array) -> Array:
        return contract("g", y, w, s, self.targets)

    def _gather(self, w: Array, g: Array) -> Array:
        return contract("s", jnp.zeros((self.n_pre,), g.dtype), w, g, self.targets)
