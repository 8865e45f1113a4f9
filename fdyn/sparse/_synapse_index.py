"""The synapses of every unit on the side by which a format does not store them."""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from .._misc import is_traced
from ._edges import lexical_order, starts


class SynapseIndex(eqx.Module):
    r"""Where the synapses of each post- or presynaptic unit lie in a connectivity.

    The synapses of unit $u$ are those at `positions[indptr[u]]` to `positions[indptr[u + 1] - 1]`
    in the order of the weights. `update_on_post` needs it for formats stored by rows,
    `update_on_pre` for those stored by columns: they then touch the synapses of active units
    only. Made once, on the host; it holds no weights, and one more number per synapse than
    the connectivity.

    **Arguments:**

    - `conn`: a connectivity with a list of synapses: `CSR`, `CSC`, `COO`, `FixedFanOut`,
        `FixedFanIn`.
    - `by`: `"post"` or `"pre"`, the side whose units are looked up.

    **Attributes:**

    - `partners`: unit at the other end of each synapse, integers `[n_synapses]`.
    - `positions`: its place in the order of the weights, integers `[n_synapses]`.
    - `indptr`: where each unit begins, and the end, integers `[n + 1]`.
    - `layout`: the shape of one weight per synapse.

    **Raises:** `ValueError` under `jax.jit`, or if `conn` has no list of synapses.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, SynapseIndex
    >>> conn = CSR(jnp.array([0, 1, 1]), jnp.array([0, 2, 3]), 1.0, n_post=2)
    >>> index = SynapseIndex(conn, by="post")
    >>> print(index.positions, index.partners, index.indptr)
    [0 1 2] [0 0 1] [0 1 3]

    ```

    **Source:** the compressed sparse column format beside that of rows, Saad 2003, Iterative
    Methods for Sparse Linear Systems, section 3.4.
    """

    partners: Int[Array, "*batch n_synapses"]
    positions: Int[Array, "*batch n_synapses"]
    indptr: Int[Array, "*batch n_units"]
    by: Literal["pre", "post"] = eqx.field(static=True)
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    layout: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, conn: Any, by: Literal["pre", "post"]):
        if by not in ("pre", "post"):
            raise ValueError(f"`by` is {by!r}, expected 'pre' or 'post'")
        if not any(hasattr(conn, name) for name in ("indices", "targets", "sources", "rows")):
            raise ValueError(
                f"a {type(conn).__name__} has no list of synapses; `update_on_pre` and "
                "`update_on_post` take a Dense or OneToOne as it is"
            )
        if is_traced(conn):
            raise ValueError("a SynapseIndex is sorted on the host: make it outside of jax.jit")
        edges = conn._edges(np)
        units, others = edges.rows, edges.cols
        if by == "post":
            units, others = others, units
        inside = np.flatnonzero(~edges.outside())
        units, others = np.asarray(units)[inside], np.asarray(others)[inside]
        n = conn.n_pre if by == "pre" else conn.n_post
        order = lexical_order((units, n))
        self.partners = jnp.asarray(others[order], edges.index_dtype)
        self.positions = jnp.asarray(inside[order], edges.index_dtype)
        self.indptr = jnp.asarray(starts(units, n), edges.index_dtype)
        self.by = by
        self.n_pre, self.n_post = conn.n_pre, conn.n_post
        self.layout = conn._weight_shape()
