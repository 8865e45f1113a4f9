"""Connectivities of modules and layers: a probability for each pair of groups."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from ._build_common import (
    Values,
    as_sizes,
    check_law,
    csr_of_keys,
    join,
    make_generator,
    make_value_generator,
    successes,
)
from ._checks import as_size
from ._csr import CSR
from ._law import draw

Table = Sequence[Sequence[Values]]


def modular(
    key: Key[Array, ""],
    pre_sizes: Sequence[int],
    post_sizes: Sequence[int],
    p: ArrayLike,
    weight: Values | Table,
    *,
    delay: Values | Table | None = None,
    autapses: bool = True,
) -> CSR:
    r"""Connect groups of units, each pair of groups with a probability of its own.

    $$P(i \to j) = p_{ab}, \qquad i \in \text{group } a,\ j \in \text{group } b$$

    The units are numbered group by group. Modules have a large diagonal in `p`, layers a band
    beside it; a hierarchy of modules is a sum of Kronecker products.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `pre_sizes`, `post_sizes`: number of units in each group. Pass the same twice to connect a
        population with itself.
    - `p`: probabilities `[pre groups, post groups]`, or a scalar.
    - `weight`: a scalar, a law such as `Normal`, one weight per synapse, `[n_synapses]`, or a table
        `[pre groups, post groups]` of numbers or laws.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` for probabilities outside [0, 1] or of another shape,
    `autapses=False` with `n_pre != n_post`, or a weight or delay of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import modular
    >>> p, w = [[1.0, 0.0], [1.0, 1.0]], [[3.0, 0.0], [4.0, 5.0]]
    >>> conn = modular(jax.random.key(0), [2, 1], [2, 1], p, w)
    >>> print(conn.to_dense())
    [[3. 3. 0.]
     [3. 3. 0.]
     [4. 4. 5.]]

    ```

    **Source:** the stochastic block model, Holland, Laskey & Leinhardt 1983, Soc. Networks 5:109.
    """
    pre, post = _bounds(pre_sizes, "pre_sizes"), _bounds(post_sizes, "post_sizes")
    n_pre, n_post = as_sizes(int(pre[-1]), int(post[-1]), autapses)
    groups = pre.size - 1, post.size - 1
    p = np.asarray(p, np.float64)
    if p.shape not in ((), groups) or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"`p` is {p.tolist()}, expected probabilities from 0 to 1, one or a table of shape "
            f"{groups}"
        )
    p = np.broadcast_to(p, groups)
    generator = make_generator(key)
    parts = []
    for a, b in np.ndindex(groups):
        width = int(post[b + 1] - post[b])
        n_pairs = int(pre[a + 1] - pre[a]) * width
        for position in successes(generator, n_pairs, float(p[a, b])):
            row, column = np.divmod(position, width)
            row, column = row + pre[a], column + post[b]
            keep = slice(None) if autapses else row != column
            parts.append((row * n_post + column)[keep])
    keys = np.sort(join(parts))

    def blocks() -> np.ndarray:
        rows, columns = np.divmod(keys, n_post)
        block = (np.searchsorted(pre, rows, "right") - 1) * groups[1]
        return block + np.searchsorted(post, columns, "right") - 1

    w = _of_blocks(weight, "weight", groups, blocks, key)
    d = _of_blocks(delay, "delay", groups, blocks, key)
    return csr_of_keys(keys, n_pre, n_post, w, d, key)


def _bounds(sizes: Sequence[int], name: str) -> np.ndarray:
    """Where each group begins, and the end."""
    if np.ndim(sizes) != 1:
        raise ValueError(f"`{name}` is {sizes!r}, expected the number of units of each group")
    return np.cumsum([0, *(as_size(n, name) for n in sizes)])


def _of_blocks(values: Any, name: str, groups: tuple[int, int], blocks: Callable, key) -> Any:
    """One value per synapse out of a table of blocks; anything else as it is."""
    nested = isinstance(values, Sequence) and all(np.ndim(_plain(row)) == 1 for row in values)
    if not nested and getattr(values, "ndim", 0) != 2:
        return values
    rows = [list(row) for row in values]
    if len(rows) != groups[0] or any(len(row) != groups[1] for row in rows):
        raise ValueError(
            f"`{name}` is a table with rows of lengths {[len(row) for row in rows]}, expected "
            f"shape {groups}, one entry for each pair of groups"
        )
    # The laws draw one after the other from the same stream, each for its whole block.
    laws = [law for row in rows for law in row]
    generator = make_value_generator(key, name)
    block = blocks()
    order = np.argsort(block, kind="stable")
    parts = np.split(order, np.searchsorted(block[order], np.arange(1, len(laws))))
    result = np.empty(block.size)
    for law, part in zip(laws, parts, strict=True):
        check_law(law, name)
        result[part] = draw(law, generator, part.shape)
    return result


def _plain(row: Any) -> Any:
    return [0.0] * len(row) if isinstance(row, list | tuple) else row
