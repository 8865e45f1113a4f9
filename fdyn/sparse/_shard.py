"""Connectivities split over the postsynaptic units, for `jax.shard_map`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._base import AbstractConnectivity
from ._csr import CSR
from ._delay_field import map_delay
from ._dense import Dense
from ._procedural import Procedural


def split_post(conn: AbstractConnectivity, n: int) -> AbstractConnectivity:
    r"""A stack of `n` connectivities, each onto one of `n` equal parts of the post side.

    $$w^{(d)}_{ij} = w_{i,\,d\,n_\text{post}/n + j}$$

    Each device of a `jax.shard_map` takes one of them, and the spikes of all presynaptic units.
    The parts of a `CSR` are padded to the same number of synapses by targets that are out of
    range, and therefore left out.

    **Arguments:**

    - `conn`: any connectivity.
    - `n`: number of parts, a divisor of `conn.n_post`.

    **Returns:** a `Dense` of a `Dense`, a `Procedural` of a `Procedural`, else a `CSR`, every array
    of which has a leading axis `[n]`; `jax.tree.map(lambda x: x[d], stack)` is part `d`.

    **Raises:** `ValueError` if `n` does not divide the number of postsynaptic units.

    ```python
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import from_dense, split_post
    >>> parts = split_post(from_dense(jnp.array([[1.0, 2.0, 0.0, 3.0]])), 2)
    >>> print(jax.vmap(lambda part: jnp.ones(1) @ part)(parts))
    [[1. 2.]
     [0. 3.]]

    ```

    **Source:** none; a convention of this library.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1 or conn.n_post % n:
        raise ValueError(
            f"`n` is {n!r}, expected a number of parts that divides the {conn.n_post} "
            "postsynaptic units"
        )
    size = conn.n_post // n
    parts: list[Any] = [conn[:, size * d : size * (d + 1)] for d in range(n)]
    if not isinstance(conn, Dense | Procedural):
        parts = [part.to_csr() for part in parts]
        longest = max(part.n_synapses for part in parts)
        parts = [_padded(part, longest) for part in parts]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def _padded(part: CSR, n_synapses: int) -> CSR:
    missing = n_synapses - part.n_synapses

    def pad(x: Array, value: float = 0) -> Array:
        return jnp.pad(x, (0, missing), constant_values=value) if x.ndim == 1 else x

    return eqx.tree_at(
        lambda c: (c.indices, c.weight, c.delay),
        part,
        (pad(part.indices, part.n_post), pad(part.weight), map_delay(part.delay, pad)),
        is_leaf=lambda x: x is None or x is part.delay,
    )
