"""Minibatches of a data set."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import PyTree


def minibatches(data: PyTree, size: int, *, key: Array) -> Iterator[Any]:
    """Shuffled minibatches of equal size, epoch after epoch, without end.

    Each epoch has its own order; samples that do not fill a last batch are left out of it.

    **Arguments:** `data`: pytree of arrays with the same first axis, `[samples, ...]`; `size`: of
    a batch; `key`: random key of the order.

    **Returns:** an iterator of pytrees like `data`, `[size, ...]`.

    **Raises:** `ValueError` where the arrays differ in length, or are shorter than a batch.

    ```python
    >>> import jax, numpy as np
    >>> batches = minibatches((np.arange(6), np.arange(6) * 10), 3, key=jax.random.key(0))
    >>> first, second = next(batches), next(batches)
    >>> sorted([*first[0].tolist(), *second[0].tolist()]), (first[1] == first[0] * 10).all().item()
    ([0, 1, 2, 3, 4, 5], True)

    ```

    **Source:** none; a convention of this library.
    """
    arrays = jax.tree.map(np.asarray, data)
    lengths = {x.shape[0] if x.ndim else 0 for x in jax.tree.leaves(arrays)}
    if len(lengths) != 1:
        raise ValueError(f"all arrays must have the same number of samples, got {sorted(lengths)}.")
    (n,) = lengths
    if not 1 <= size <= n:
        raise ValueError(f"'size' must be between 1 and the {n} samples there are, got {size}.")
    return _endless(arrays, n, size, key)


def _endless(arrays: PyTree, n: int, size: int, key: Array) -> Iterator[Any]:
    epoch = 0
    while True:
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), n))
        for start in range(0, n - size + 1, size):
            rows = order[start : start + size]
            yield jax.tree.map(lambda x, rows=rows: x[rows], arrays)
        epoch += 1
