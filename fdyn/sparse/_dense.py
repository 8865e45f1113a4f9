"""All-to-all connectivity."""

from types import ModuleType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from ._base import values_of
from ._checks import as_size, as_weight
from ._delay_field import as_delay, map_delay
from ._edges import Edges
from ._listed import AbstractListed


class Dense(AbstractListed):
    r"""Every presynaptic unit reaches every postsynaptic one, by a plain matrix product.

    $$y_j = \sum_i s_i\, w_{ij}$$

    **Arguments:**

    - `weight`: `[n_pre, n_post]`, or a scalar for all synapses, `[n_pre, 1]` for one per row.
    - `n_pre`, `n_post`: number of units. Default: from the shape of `weight`; needed if that is
        a scalar or one per row.
    - `delay`: ms, a scalar or `[n_pre, n_post]`, or a `FractionalDelay`. Default: `None`.

    **Raises:** `ValueError` if the sizes are missing or do not fit.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import Dense
    >>> print(jnp.array([1.0, 2.0]) @ Dense(jnp.array([[1.0, 0.0], [0.5, 3.0]])))
    [2. 6.]

    ```

    **Source:** none; a definition.
    """

    weight: Inexact[Array, "..."]
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    delay: Any

    def __init__(
        self,
        weight: ArrayLike,
        *,
        n_pre: int | None = None,
        n_post: int | None = None,
        delay: Any = None,
    ):
        shape = np.shape(weight)
        if len(shape) == 2:
            n_pre = shape[0] if n_pre is None else n_pre
            n_post = shape[1] if n_post is None else n_post
        if n_pre is None or n_post is None:
            raise ValueError(
                f"`weight` has shape {shape}, expected [n_pre, n_post], or a scalar "
                f"together with n_pre and n_post, given n_pre={n_pre}, n_post={n_post}"
            )
        self.n_pre = as_size(n_pre, "n_pre")
        self.n_post = as_size(n_post, "n_post")
        self.weight = as_weight(weight, self.shape, self.shape)
        self.delay = as_delay(delay, self.shape)

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return self.n_pre * self.n_post

    def _weight_shape(self) -> tuple[int, ...]:
        return self.n_pre, self.n_post

    @property
    def T(self) -> "Dense":  # noqa: N802
        """The transposed matrix."""
        delay = map_delay(self.delay, jnp.transpose)
        return Dense._view(weight=self.weight.T, n_pre=self.n_post, n_post=self.n_pre, delay=delay)

    def _edges(self, xp: ModuleType) -> Edges:
        rows, cols = xp.indices(self.shape, dtype=xp.int32)
        return self._as_edges(rows.ravel(), cols.ravel())

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "Dense":
        every = slice(None)
        rows, cols = every if pre is None else pre, every if post is None else post
        n_pre = self.n_pre if pre is None else pre.size
        n_post = self.n_post if post is None else post.size

        def pick(x):
            if x.ndim and x.shape[0] == self.n_pre:
                x = x[rows]
            if x.ndim and x.shape[1] == self.n_post:
                x = x[:, cols]
            return x

        delay = map_delay(self.delay, pick)
        return Dense(pick(self.weight), n_pre=n_pre, n_post=n_post, delay=delay)

    def _scatter(self, y: Array, w: Array, s: Any) -> Array:
        s = values_of(s)
        return y + (s @ w if w.ndim else w * jnp.sum(s))

    def _gather(self, w: Array, g: Array) -> Array:
        if w.ndim:
            return w @ g
        return jnp.broadcast_to(w * jnp.sum(g), (self.n_pre,))
