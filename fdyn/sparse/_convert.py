"""Connectivities from what others hand over: matrices and lists of synapses."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from ._checks import as_size, check_plain
from ._coo import COO
from ._csr import CSC, CSR
from ._delay_field import map_delay


def from_dense(matrix: ArrayLike, *, delay: Any = None) -> CSR:
    """The non-zero entries of a matrix.

    **Arguments:**

    - `matrix`: weights, `[n_pre, n_post]`.
    - `delay`: ms, a scalar or `[n_pre, n_post]`, of which the entries of the synapses are taken;
        or a `FractionalDelay` of either shape. Default: `None`.

    **Returns:** a `CSR` with one weight per synapse.

    **Raises:** `ValueError` unless `matrix` is dense and has two axes, and for a delay of another
    shape.

    ```python
    >>> import numpy as np
    >>> from fdyn.sparse import from_dense
    >>> from_dense(np.array([[0.0, 2.0], [3.0, 0.0]])).weight.tolist()
    [2.0, 3.0]

    ```

    **Source:** none; a definition.
    """
    check_plain(matrix, "matrix")
    if hasattr(matrix, "tocsr"):
        raise ValueError(
            f"`matrix` is {type(matrix).__name__}, a sparse matrix of scipy, expected a dense one; "
            "from_scipy takes it as it is"
        )
    matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise ValueError(f"`matrix` has shape {matrix.shape}, expected [n_pre, n_post]")
    rows, cols = np.nonzero(matrix)

    def pick(x):
        x = x if hasattr(x, "shape") else np.asarray(x)
        return x[rows, cols] if x.shape == matrix.shape else x

    return from_coo(rows, cols, matrix[rows, cols], matrix.shape, delay=map_delay(delay, pick))


def from_coo(
    rows: ArrayLike,
    cols: ArrayLike,
    weights: ArrayLike,
    shape: tuple[int, int],
    *,
    delay: Any = None,
    index_dtype: str = "int32",
) -> CSR:
    """Synapses given one by one, in any order; parallel ones are kept apart.

    **Arguments:**

    - `rows`, `cols`: pre- and postsynaptic unit of each synapse, integers `[n_synapses]`.
    - `weights`: `[n_synapses]`, a scalar for all, or `[n_pre, 1]` for one per row.
    - `shape`: `(n_pre, n_post)`.
    - `delay`: ms, a scalar or `[n_synapses]`, or a `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"` or `"int64"`. Default: `"int32"`.

    **Returns:** a `CSR`, sorted by row, then by column; parallel synapses keep their order.

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
    edges = COO(
        rows, cols, weights, n_pre=n_pre, n_post=n_post, delay=delay, index_dtype=index_dtype
    )
    return edges.to_csr()


def from_scipy(matrix: Any, *, delay: Any = None, index_dtype: str = "int32") -> CSR | CSC | COO:
    """The stored entries of a sparse matrix or array of scipy.

    Entries stored more than once are parallel synapses, and stored zeros are synapses of weight
    zero; call the matrix's `sum_duplicates()` or `eliminate_zeros()` before, where they are not
    meant.

    **Arguments:**

    - `matrix`: of `scipy.sparse`, `[n_pre, n_post]`.
    - `delay`: ms, a scalar or one per stored entry in the order of `matrix.data`, or a
        `FractionalDelay`. Default: `None`.
    - `index_dtype`: `"int32"` or `"int64"`. Default: `"int32"`.

    **Returns:** a `CSR`, `CSC` or `COO`, as `matrix` is; a `CSR` for the other formats of scipy.

    **Raises:** `ValueError` for anything else, and for a delay of another shape.

    ```python
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from fdyn.sparse import from_scipy
    >>> print(from_scipy(scipy.sparse.csc_array(np.array([[0.0, 2.0], [3.0, 0.0]]))).weight)
    [3. 2.]

    ```

    **Source:** none; a definition.
    """
    if not (hasattr(matrix, "tocsr") and hasattr(matrix, "format") and len(matrix.shape) == 2):
        raise ValueError(
            f"`matrix` is {type(matrix).__name__}, expected a matrix or array of scipy.sparse with "
            "2 axes; from_dense takes a dense matrix"
        )
    if matrix.format not in ("csr", "csc", "coo"):
        matrix = matrix.tocsr()
    n_pre, n_post = map(int, matrix.shape)
    more = {"delay": delay, "index_dtype": index_dtype}
    if matrix.format == "csr":
        return CSR(matrix.indices, matrix.indptr, matrix.data, n_post=n_post, **more)
    if matrix.format == "csc":
        return CSC(matrix.indices, matrix.indptr, matrix.data, n_pre=n_pre, **more)
    return COO(matrix.row, matrix.col, matrix.data, n_pre=n_pre, n_post=n_post, **more)
