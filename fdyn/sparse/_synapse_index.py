"""The synapses of every unit on the side by which a format does not store them."""

import zlib
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from .._misc import is_traced
from ._csr import CSC, CSR
from ._dense import Dense
from ._edges import lexical_order, starts
from ._fixed_fan import FixedFanIn, FixedFanOut
from ._one_to_one import OneToOne

# What the update of a side takes as it is.
BY_PRE = (Dense, OneToOne, CSR, FixedFanOut)
BY_POST = (Dense, OneToOne, CSC, FixedFanIn)


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
    - `checksum`: of the pattern of synapses, by which `made_of` tells whether it still holds.

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
    checksum: UInt32[Array, "*batch"]

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
        self.checksum = _checksum(conn)

    def made_of(self, conn: Any) -> bool:
        """Whether it was made of the pattern of synapses of `conn`; true of one that is traced."""
        if is_traced((self.checksum, _pattern(conn))):
            return True
        found = conn.n_pre, conn.n_post, conn._weight_shape()
        same = found == (self.n_pre, self.n_post, self.layout)
        return same and bool(_checksum(conn) == self.checksum)


def _pattern(conn: Any) -> list[Any]:
    return [x for x in jax.tree.leaves(conn) if jnp.issubdtype(x.dtype, jnp.integer)]


def _checksum(conn: Any) -> Array:
    # Cheap next to a step: a gigabyte takes a second or less, and a comparison of the lists
    # themselves ten times as long.
    value = 0
    for x in _pattern(conn):
        value = zlib.crc32(np.ascontiguousarray(x).data, value)
    return jnp.asarray(value, jnp.uint32)


def make_indices(conn: Any) -> tuple[SynapseIndex | None, SynapseIndex | None]:
    """What the updates at spikes of both sides need beside the connectivity, if anything."""
    return (
        None if isinstance(conn, BY_PRE) else SynapseIndex(conn, by="pre"),
        None if isinstance(conn, BY_POST) else SynapseIndex(conn, by="post"),
    )


def check_indices(conn: Any, indices: tuple[SynapseIndex | None, ...], name: str) -> None:
    """The connectivity is still the one that they were made of."""
    for index, formats in zip(indices, (BY_PRE, BY_POST), strict=True):
        if not (isinstance(conn, formats) if index is None else index.made_of(conn)):
            raise ValueError(
                f"{name}: its connectivity was replaced by one with other synapses, but those that "
                "learn are found by a list that the constructor made: make a new Projection. "
                "Weights alone can be replaced."
            )
