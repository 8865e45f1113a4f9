"""Values at the presynaptic units, the synapses and the postsynaptic units."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from .._misc import nearest
from ._base import AbstractConnectivity
from ._listed import AbstractListed

# What a unit without synapses gets: the neutral element, where there is one.
_EMPTY = {"sum": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf, "mean": 0.0}


def pre2syn(conn: AbstractConnectivity, x: ArrayLike) -> Array:
    r"""Hand each synapse the value of its presynaptic unit.

    $$v_p = x_{\text{pre}(p)}$$

    `pre2syn(conn.T, x)` hands it that of its postsynaptic unit.

    **Arguments:**

    - `conn`: the connectivity; its weights play no part.
    - `x`: one value per unit, `[..., n_pre]`.

    **Returns:** one value per synapse in the layout of the format: `[..., n_synapses]`, or
    `[..., n_pre, k]` of a `FixedFanOut`, `[..., n_post, k]` of a `FixedFanIn`, and
    `[..., n_pre, n_post]` of a `Dense`.

    **Raises:** `ValueError` if the shape does not fit, or for a `Procedural`, which lists no
    synapses.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, pre2syn
    >>> conn = CSR([0, 2, 1], [0, 2, 3], 0.5, n_post=3)
    >>> print(pre2syn(conn, jnp.array([1.0, 7.0])))
    [1. 1. 7.]

    ```

    **Source:** none; a definition.
    """
    x = jnp.asarray(x)
    if x.shape[-1:] != (conn.n_pre,):
        raise ValueError(f"`x` has shape {x.shape}, expected (..., {conn.n_pre})")
    _check_listed(conn)
    edges = conn._edges(jnp)
    # What is left out by the products gets zero; a negative unit would count from the last.
    rows = jnp.where(edges.outside(), conn.n_pre, edges.rows)
    values = x.at[..., rows].get(mode="fill", fill_value=0)
    return values.reshape(*x.shape[:-1], *conn._weight_shape())


def syn2post(
    conn: AbstractConnectivity,
    values: ArrayLike,
    reduce: str = "sum",
    *,
    empty: float | None = None,
) -> Array:
    r"""Put the values of the synapses of each postsynaptic unit together.

    $$y_j = \bigoplus_{p:\, \text{post}(p) = j} v_p$$

    **Arguments:**

    - `conn`: the connectivity; its weights play no part.
    - `values`: one per synapse in the layout of the format, with leading axes: what `pre2syn`
        returns.
    - `reduce`: `"sum"`, `"prod"`, `"max"`, `"min"`, `"mean"` or `"softmax"`. Default: `"sum"`.
    - `empty`: what a unit without synapses gets. Default: 0 for a sum or mean, 1 for a product,
        $-\infty$ for the maximum, $\infty$ for the minimum.

    **Returns:** `[..., n_post]`; for `"softmax"` the values $e^{v_p} / \sum_q e^{v_q}$ over the
    synapses of the same unit, of the shape of `values`. Where several synapses share the maximum
    or minimum, they share its gradient.

    **Raises:** `ValueError` if the shape does not fit or `reduce` is none of these.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, syn2post
    >>> conn = CSR([0, 2, 0], [0, 2, 3], 0.5, n_post=3)
    >>> print(syn2post(conn, jnp.array([3.0, 1.0, 5.0]), "mean"))
    [4. 0. 1.]

    ```

    **Source:** none; a definition.
    """
    _check_listed(conn)
    values, layout = jnp.asarray(values), conn._weight_shape()
    lead = values.shape[: values.ndim - len(layout)]
    if values.shape != (*lead, *layout):
        shape = ", ".join(map(str, layout))
        raise ValueError(f"`values` has shape {values.shape}, expected (..., {shape})")
    if reduce not in (*_EMPTY, "softmax"):
        raise ValueError(f"`reduce` is {reduce!r}. {nearest(str(reduce), [*_EMPTY, 'softmax'])}")
    if not jnp.issubdtype(values.dtype, jnp.inexact):
        values = values.astype(jnp.result_type(float))
    flat, edges = values.reshape(*lead, -1), conn._edges(jnp)
    # Beyond the end: left out, as by the products; a negative unit would count from the last.
    cols = jnp.where(edges.outside(), conn.n_post, edges.cols)
    if reduce == "softmax":
        if empty is not None:
            raise ValueError("`empty` has no meaning for 'softmax', whose values are per synapse")
        return _softmax(flat, cols, conn.n_post).reshape(values.shape)
    y = _reduced(flat, cols, conn.n_post, reduce)
    if empty is None:
        return y
    none = jnp.zeros(conn.n_post, bool).at[cols].set(True)
    return jnp.where(none, y, jnp.asarray(empty, y.dtype))


def pre2post(
    conn: AbstractConnectivity, x: ArrayLike, reduce: str = "sum", *, empty: float | None = None
) -> Array:
    r"""Put together the values of the presynaptic units that reach each postsynaptic unit.

    $$y_j = \bigoplus_{p:\, \text{post}(p) = j} x_{\text{pre}(p)}$$

    The sum weighted by the synapses is `x @ conn`.

    **Arguments:**

    - `conn`: the connectivity; its weights play no part.
    - `x`: one value per unit, `[..., n_pre]`.
    - `reduce`: `"sum"`, `"prod"`, `"max"`, `"min"` or `"mean"`. Default: `"sum"`.
    - `empty`: what a unit without synapses gets. Default: as in `syn2post`.

    **Returns:** `[..., n_post]`.

    **Raises:** `ValueError` if the shape does not fit or `reduce` is none of these.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, pre2post
    >>> conn = CSR([0, 2, 0], [0, 2, 3], 0.5, n_post=3)
    >>> print(pre2post(conn, jnp.array([1.0, 7.0]), "max", empty=0.0))
    [7. 0. 1.]

    ```

    **Source:** none; a definition.
    """
    if reduce not in _EMPTY:
        raise ValueError(
            f"`reduce` is {reduce!r}. {nearest(str(reduce), _EMPTY)} A softmax has one value per "
            "synapse: syn2post(conn, pre2syn(conn, x), 'softmax')."
        )
    return syn2post(conn, pre2syn(conn, x), reduce, empty=empty)


def _check_listed(conn: AbstractConnectivity) -> None:
    if not isinstance(conn, AbstractListed):
        raise ValueError(
            f"a {type(conn).__name__} has no list of synapses to hold values for; its to_csr() has"
        )


def _reduced(values: Array, cols: Any, n: int, reduce: str) -> Array:
    if reduce == "prod":
        return _product(values, cols, n)
    y = jnp.full((*values.shape[:-1], n), _EMPTY[reduce], values.dtype)
    if reduce in ("max", "min"):
        at = y.at[..., cols]
        return at.max(values) if reduce == "max" else at.min(values)
    y = y.at[..., cols].add(values)
    if reduce == "mean":
        count = jnp.zeros(n, values.dtype).at[cols].add(np.ones((), values.dtype))
        y = y / jnp.broadcast_to(jnp.maximum(count, 1), y.shape)
    return y


@partial(jax.jit, static_argnames="n")
def _product(values: Array, cols: Any, n: int) -> Array:
    # The scattered product has no derivative in JAX, nor would that of logarithms at zero. A scan
    # over the synapses in the order of their units, which begins anew at each unit, has one.
    ones = jnp.ones((*values.shape[:-1], n), values.dtype)
    if values.size == 0:
        return ones
    order = jnp.argsort(cols)
    cols, values = cols[order], values[..., order]
    first = jnp.concatenate([jnp.ones(1, bool), cols[1:] != cols[:-1]])

    def times(a, b):
        (a_first, x), (b_first, y) = a, b
        return a_first | b_first, jnp.where(b_first, y, x * y)

    first = jnp.broadcast_to(first, values.shape) if values.ndim > 1 else first
    running = jax.lax.associative_scan(times, (first, values), axis=-1)[1]
    last = jnp.concatenate([cols[1:] != cols[:-1], jnp.ones(1, bool)])
    into = jnp.where(last, cols, n)  # beyond the end: not written
    return ones.at[..., into].set(running, mode="drop")


def _softmax(values: Array, cols: Any, n: int) -> Array:
    top = jax.lax.stop_gradient(_reduced(values, cols, n, "max"))
    top = top.at[..., cols].get(mode="fill", fill_value=np.inf)
    e = jnp.exp(values - top)
    return e / _reduced(e, cols, n, "sum").at[..., cols].get(mode="fill", fill_value=1)
