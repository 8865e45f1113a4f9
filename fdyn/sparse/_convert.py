"""Connectivities from what others hand over: matrices and lists of synapses."""

import numpy as np
from jax.typing import ArrayLike

from ._checks import as_size, check_plain
from ._csr import CSR


def from_dense(matrix: ArrayLike) -> CSR:
    """The non-zero entries of a matrix.

    **Arguments:**

    - `matrix`: weights, `[n_pre, n_post]`.

    **Returns:** a `CSR` with one weight per synapse.

    **Raises:** `ValueError` unless `matrix` has two axes.

    ```python
    >>> import numpy as np
    >>> from fdyn.sparse import from_dense
    >>> from_dense(np.array([[0.0, 2.0], [3.0, 0.0]])).weight.tolist()
    [2.0, 3.0]

    ```

    **Source:** none; a definition.
    """
    check_plain(matrix, "matrix")
    matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise ValueError(f"`matrix` has shape {matrix.shape}, expected [n_pre, n_post]")
    rows, columns = np.nonzero(matrix)
    counts = np.bincount(rows, minlength=matrix.shape[0])
    return _csr(columns, counts, matrix[rows, columns], matrix.shape[1])


def from_coo(rows: ArrayLike, cols: ArrayLike, weights: ArrayLike, shape: tuple[int, int]) -> CSR:
    """Synapses given one by one, in any order; parallel ones are kept apart.

    **Arguments:**

    - `rows`, `cols`: pre- and post-synaptic unit of each synapse, integers `[n_synapses]`.
    - `weights`: `[n_synapses]`, or a scalar for all.
    - `shape`: `(n_pre, n_post)`.

    **Returns:** a `CSR` with sorted rows.

    **Raises:** `ValueError` if a unit is out of range or the lengths differ.

    ```python
    >>> import numpy as np
    >>> from fdyn.sparse import from_coo
    >>> print(from_coo([1, 0], [0, 1], np.array([3.0, 2.0]), (2, 2)).to_dense())
    [[0. 2.]
     [3. 0.]]

    ```

    **Source:** none; a definition.
    """
    n_pre, n_post = as_size(shape[0], "n_pre"), as_size(shape[1], "n_post")
    check_plain(weights, "weights")
    rows, cols, weights = np.asarray(rows), np.asarray(cols), np.asarray(weights)
    if rows.ndim != 1 or rows.shape != cols.shape or weights.shape not in ((), rows.shape):
        raise ValueError(
            f"`rows`, `cols` and `weights` have shapes {rows.shape}, {cols.shape} and "
            f"{weights.shape}, expected [n_synapses] each, or a scalar weight"
        )
    if rows.size and not 0 <= rows.min() <= rows.max() < n_pre:
        raise ValueError(
            f"`rows` has entries from {rows.min()} to {rows.max()}, expected from 0 to {n_pre - 1}"
        )
    rows = rows.astype(np.int64)
    order = np.argsort(rows * n_post + cols, kind="stable")  # one key: twice as fast as two
    counts = np.bincount(rows, minlength=n_pre)
    return _csr(cols[order], counts, weights[order] if weights.ndim else weights, n_post)


def _csr(indices: np.ndarray, counts: np.ndarray, weight: ArrayLike, n_post: int) -> CSR:
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    return CSR(indices, indptr, weight, n_post=n_post)
