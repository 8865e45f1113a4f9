"""One synapse per unit."""

from types import ModuleType

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from ._base import AbstractConnectivity, as_size, as_weight


class OneToOne(AbstractConnectivity):
    r"""Unit $i$ reaches unit $i$ and no other.

    $$y_i = s_i\, w_i$$

    **Arguments:**

    - `weight`: `[n]`, or a scalar for all synapses.
    - `n`: number of units on either side. Default: the length of `weight`; needed if that is a
        scalar.

    **Raises:** `ValueError` if the size is missing or does not fit.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import OneToOne
    >>> print(jnp.array([1.0, 2.0]) @ OneToOne(0.5, n=2))
    [0.5 1. ]

    ```

    **Source:** none; a definition.
    """

    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)

    def __init__(self, weight: ArrayLike, *, n: int | None = None):
        shape = np.shape(weight)
        if n is None:
            if len(shape) != 1:
                raise ValueError(
                    f"`weight` has shape {shape}, expected [n], or a scalar together with n"
                )
            n = int(shape[0])
        self.n_pre = self.n_post = as_size(n, "n")
        self.weight = as_weight(weight, (self.n_pre,), "weight")

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_pre

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.n_pre,)

    def _rows_cols(self, xp: ModuleType) -> tuple[Array, Array]:
        units = xp.arange(self.n_pre, dtype=xp.int32)
        return units, units

    def _scatter(self, y: Array, w: Array, s: Array) -> Array:
        return y + w * s

    def _gather(self, w: Array, g: Array) -> Array:
        return w * g
