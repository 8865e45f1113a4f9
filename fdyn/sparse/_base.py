"""The interface of all connectivities."""

import abc
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped

from .._misc import is_quantity, own


class AbstractConnectivity(eqx.Module):
    r"""A linear map from `n_pre` to `n_post` units, one weight per synapse or one for all.

    $$y_j \leftarrow y_j + \sum_i s_i\, w_{ij}$$

    `s @ conn` is that sum, `conn @ g` is $\sum_j w_{ij} g_j$. Both are differentiable any number
    of times in weights and vectors, and batched by `jax.vmap`, over vectors, weights or both.

    **Attributes:**

    - `weight`: `[]`, or one entry per synapse in the layout of the format; plain numbers in the
        unit of the synapse that they drive. Quantities of a units library are refused.
    - `n_pre`, `n_post`: number of pre- and post-synaptic units.

    **Source:** none; a definition.
    """

    weight: eqx.AbstractVar[Array]
    n_pre: eqx.AbstractVar[int]
    n_post: eqx.AbstractVar[int]

    # Lets `numpy_array @ conn` come here instead of to numpy's own product.
    __array_ufunc__ = None

    @property
    @abc.abstractmethod
    def n_synapses(self) -> int:
        """Number of synapses."""

    @abc.abstractmethod
    def _weight_shape(self) -> tuple[int, ...]:
        """Shape of one weight per synapse."""

    @abc.abstractmethod
    def _rows_cols(self, xp: ModuleType) -> tuple[Array, Array]:
        """Row and column of each synapse in the order of the weights, by `xp`: jnp or numpy."""

    @abc.abstractmethod
    def _scatter(self, y: Array, w: Array, s: Array) -> Array:
        """`y` + the sums over the pre-synaptic side."""

    @abc.abstractmethod
    def _gather(self, w: Array, g: Array) -> Array:
        """The sums over the post-synaptic side."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_pre, n_post)`, the shape of the dense matrix."""
        return self.n_pre, self.n_post

    def accumulate(
        self, y: ArrayLike, s: ArrayLike, weight: ArrayLike | None = None
    ) -> Shaped[Array, " n_post"]:
        r"""Add the input that the spikes `s` give to the post-synaptic units.

        $$y_j + \sum_i s_i\, w_{ij}$$

        Event-driven in the sparse formats: rows with $s_i = 0$ are not read. In a loop's carry
        `y` is updated in place.

        **Arguments:**

        - `y`: what to add to, `[n_post]`.
        - `s`: spikes, `[n_pre]`; a graded spike counts with its value.
        - `weight`: taken in place of `self.weight`, e.g. weights that learn and therefore are
            kept elsewhere. Default: `self.weight`.

        **Returns:** `[n_post]`, of the common dtype of `y`, `s` and the weight.

        **Raises:** `ValueError` if a shape does not fit, or the weight is a quantity.

        ```python
        >>> import jax.numpy as jnp
        >>> from fdyn.sparse import from_dense
        >>> conn = from_dense(jnp.array([[1.0, 2.0], [0.0, 3.0]]))
        >>> print(conn.accumulate(jnp.array([10.0, 10.0]), jnp.array([1.0, 0.5])))
        [11.  13.5]

        ```
        """
        w = self._checked_weight() if weight is None else self._as_weight(weight)
        s = _vector(s, self.n_pre, "s", w)
        y = _vector(y, self.n_post, "y", w)
        dtype = jnp.result_type(y, s, w)
        return self._scatter(y.astype(dtype), w.astype(dtype), s.astype(dtype))

    def __rmatmul__(self, s: ArrayLike) -> Shaped[Array, " n_post"]:
        r"""`s @ conn`: the sums $\sum_i s_i w_{ij}$, `[n_post]`."""
        w = self._checked_weight()
        s = _vector(s, self.n_pre, "s", w)
        dtype = jnp.result_type(s, w)
        zeros = jnp.zeros((self.n_post,), dtype)
        return self._scatter(zeros, w.astype(dtype), s.astype(dtype))

    def __matmul__(self, g: ArrayLike) -> Shaped[Array, " n_pre"]:
        r"""`conn @ g`: the sums $\sum_j w_{ij} g_j$, `[n_pre]`."""
        w = self._checked_weight()
        g = _vector(g, self.n_post, "g", w)
        dtype = jnp.result_type(g, w)
        return self._gather(w.astype(dtype), g.astype(dtype))

    def _as_weight(self, weight: ArrayLike) -> Array:
        return as_weight(weight, self._weight_shape(), "weight")

    def _checked_weight(self) -> Array:
        # A weight that was replaced, or stacked for vmap, has not been through the constructor.
        if self.weight.shape not in ((), self._weight_shape()):
            return self._as_weight(self.weight)
        return self.weight

    def to_dense(self) -> Float[Array, "n_pre n_post"]:
        """The matrix $w_{ij}$, parallel synapses summed: `[n_pre, n_post]`."""
        rows, cols = self._rows_cols(jnp)
        weights = jnp.broadcast_to(self.weight, self._weight_shape()).ravel()
        return jnp.zeros(self.shape, self.weight.dtype).at[rows, cols].add(weights)

    def to_coo(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and weights of the synapses as numpy arrays, each `[n_synapses]`."""
        rows, cols = self._rows_cols(np)
        weights = np.broadcast_to(np.asarray(self.weight), self._weight_shape())
        return np.asarray(rows), np.asarray(cols), weights.ravel()


def _vector(x: ArrayLike, n: int, name: str, weight: Array) -> Array:
    x = jnp.asarray(x)
    if x.shape != (n,):
        raise ValueError(
            f"`{name}` has shape {x.shape}, expected {(n,)}; batches are made by `jax.vmap`"
        )
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(weight.dtype)


def as_weight(weight: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    """Strongly typed floating weight, of shape `()` or `shape`, else `ValueError`."""
    check_plain(weight, name)
    dtype = getattr(weight, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        dtype = jnp.result_type(float)
    weight = own(weight, jax.dtypes.canonicalize_dtype(dtype))
    if weight.shape not in ((), shape):
        raise ValueError(
            f"`{name}` has shape {weight.shape}, expected () for one weight of all synapses "
            f"or {shape} for one per synapse"
        )
    return weight


def check_plain(weight: Any, name: str) -> None:
    """Refuse a quantity, of which only the number would be kept, whatever its unit."""
    if is_quantity(weight):
        raise ValueError(
            f"`{name}` takes plain numbers in the unit of the synapse that it drives, since "
            f"weights carry no unit; got {weight!r}"
        )


def as_indices(indices: ArrayLike, ndim: int, name: str) -> Array:
    """Integer array of `ndim` axes as int32, else `ValueError`."""
    indices = indices if isinstance(indices, jax.Array) else np.asarray(indices)
    if indices.ndim != ndim or not (
        jnp.issubdtype(indices.dtype, jnp.integer) or indices.size == 0
    ):
        raise ValueError(
            f"`{name}` is {indices.dtype} of shape {indices.shape}, "
            f"expected integers with {ndim} axes"
        )
    check_range(indices, 0, np.iinfo(np.int32).max, name)
    return own(indices, jnp.int32)


def check_range(indices: Array | np.ndarray, low: int, high: int, name: str) -> None:
    """`ValueError` unless all entries lie in `[low, high]`; traced arrays pass unseen."""
    if isinstance(indices, jax.core.Tracer) or indices.size == 0:
        return
    values = np.asarray(indices)
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        raise ValueError(
            f"`{name}` has entries from {least} to {most}, expected from {low} to {high}"
        )


def as_size(n: int, name: str) -> int:
    """A number of units, else `ValueError`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 <= n < 2**31:
        raise ValueError(f"`{name}` is {n!r}, expected an int from 0 to {2**31 - 1}")
    return int(n)
