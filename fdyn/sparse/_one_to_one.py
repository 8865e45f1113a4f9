"""One synapse per unit."""

from types import ModuleType
from typing import Any

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from ._base import FORMATS, values_of
from ._checks import as_size, as_weight
from ._delay_field import as_delay
from ._edges import Edges
from ._listed import AbstractListed


class OneToOne(AbstractListed):
    r"""Unit $i$ reaches unit $i$ and no other.

    $$y_i = s_i\, w_i$$

    **Arguments:**

    - `weight`: `[n]`, or a scalar for all synapses.
    - `n`: number of units on either side. Default: the length of `weight`; needed if that is a
        scalar.
    - `delay`: ms, a scalar or `[n]`, or a `FractionalDelay`. Default: `None`.

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
    delay: Any

    def __init__(self, weight: ArrayLike, *, n: int | None = None, delay: Any = None):
        shape = np.shape(weight)
        if n is None:
            if len(shape) != 1:
                raise ValueError(
                    f"`weight` has shape {shape}, expected [n], or a scalar together with n"
                )
            n = int(shape[0])
        self.n_pre = self.n_post = as_size(n, "n")
        self.weight = as_weight(weight, (self.n_pre,), self.shape)
        self.delay = as_delay(delay, (self.n_pre,))

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_pre

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.n_pre,)

    @property
    def T(self) -> "OneToOne":  # noqa: N802
        """Itself; a weight per row becomes one per column."""
        n = self.n_pre
        return OneToOne._view(weight=self.weight.T, n_pre=n, n_post=n, delay=self.delay)

    def _edges(self, xp: ModuleType) -> Edges:
        units = xp.arange(self.n_pre, dtype=xp.int32)
        return self._as_edges(units, units)

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> Any:
        return FORMATS["CSR"]._of_edges(self._edges(np).select(pre, post))

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        return y + w * values_of(s)

    def _gather(self, w: Array, g: Array) -> Array:
        return w * g
