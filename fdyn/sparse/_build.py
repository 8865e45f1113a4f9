"""Random construction of connectivities, on the host."""

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from ._base import as_size
from ._csr import CSR
from ._fixed_fan_out import FixedFanOut

_CHUNK = 1 << 22  # entries of the temporary arrays


def fixed_probability(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    p: float,
    weight: ArrayLike,
    *,
    autapses: bool = True,
) -> CSR:
    r"""Connect every pair with the same probability, independently of all others.

    $$P(i \to j) = p$$

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses.
    - `n_pre`, `n_post`: number of units.
    - `p`: probability of a synapse, from 0 to 1.
    - `weight`: a scalar, or one weight per synapse, `[n_synapses]`.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` for `p` outside [0, 1], `autapses=False` with `n_pre != n_post`, or
    a weight of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_probability
    >>> conn = fixed_probability(jax.random.key(0), 3, 3, 1.0, 0.5, autapses=False)
    >>> print(conn.to_dense())
    [[0.  0.5 0.5]
     [0.5 0.  0.5]
     [0.5 0.5 0. ]]

    ```

    **Source:** the gaps between successes are geometric, Batagelj & Brandes 2005, Phys. Rev. E
    71:036113.
    """
    n_pre, n_post = _sizes(n_pre, n_post, autapses)
    if not 0 <= p <= 1:
        raise ValueError(f"`p` is {p}, expected a probability from 0 to 1")
    width = n_post if autapses else max(n_post - 1, 0)
    n_pairs = n_pre * width
    counts = np.zeros(n_pre, np.int64)
    parts = [np.zeros(0, np.int32)]
    generator = _generator(key)
    # One gap is at most n_pairs + 1 after the cut, so that the sum stays within int64.
    size = int(min(_CHUNK // 4, 2**62 // (n_pairs + 1), 1.1 * n_pairs * p + 64))
    last = -1
    while p > 0 and last < n_pairs - 1:
        gaps = np.minimum(generator.geometric(p, size), n_pairs + 1)
        position = np.cumsum(gaps) + last
        last = int(position[-1])
        position = position[: np.searchsorted(position, n_pairs)]
        row = position // width
        column = (position - row * width).astype(np.int32)
        counts += np.bincount(row, minlength=n_pre)
        parts.append(column if autapses else column + (column >= row))
    return _csr(np.concatenate(parts, dtype=np.int32), counts, weight, n_post)


def fixed_out_degree(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    k: int,
    weight: ArrayLike,
    *,
    autapses: bool = True,
    multapses: bool = False,
) -> FixedFanOut:
    r"""Give every pre-synaptic unit `k` targets, drawn uniformly.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses.
    - `n_pre`, `n_post`: number of units.
    - `k`: number of targets of each unit.
    - `weight`: a scalar, or one weight per synapse, `[n_pre, k]`.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `multapses`: whether a target may be drawn more than once. Default: `False`.

    **Returns:** a `FixedFanOut` with sorted rows.

    **Raises:** `ValueError` if there are fewer than `k` candidates, for `autapses=False` with
    `n_pre != n_post`, or a weight of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_out_degree
    >>> conn = fixed_out_degree(jax.random.key(0), 100, 50, 8, 0.5)
    >>> conn.targets.shape
    (100, 8)

    ```

    **Source:** none; `fixed_in_degree` with the two sides exchanged.
    """
    n_pre, n_post = _sizes(n_pre, n_post, autapses)
    targets = _draw(_generator(key), n_pre, n_post, k, autapses, multapses)
    return FixedFanOut(targets, weight, n_post=n_post)


def fixed_in_degree(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    k: int,
    weight: ArrayLike,
    *,
    autapses: bool = True,
    multapses: bool = False,
) -> CSR:
    r"""Give every post-synaptic unit `k` sources, drawn uniformly.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses.
    - `n_pre`, `n_post`: number of units.
    - `k`: number of sources of each unit.
    - `weight`: a scalar, or one weight per synapse, `[n_post * k]`, in the order of the `CSR`:
        by row, then by column.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `multapses`: whether a source may be drawn more than once. Default: `False`.

    **Returns:** a `CSR` with sorted rows.

    **Raises:** `ValueError` if there are fewer than `k` candidates, for `autapses=False` with
    `n_pre != n_post`, or a weight of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_in_degree
    >>> conn = fixed_in_degree(jax.random.key(0), 100, 50, 8, 0.5)
    >>> print((conn.to_dense() > 0).sum(axis=0).min())
    8

    ```

    **Source:** the connectivity of Brunel 2000, J. Comput. Neurosci. 8:183, section 2.
    """
    n_pre, n_post = _sizes(n_pre, n_post, autapses)
    sources = _draw(_generator(key), n_post, n_pre, k, autapses, multapses)
    # Sorting one number per synapse brings them into the order of rows, then columns.
    order = sources.astype(np.int64) * n_post
    order += np.arange(n_post)[:, None]
    order = order.ravel()
    order.sort()
    counts = np.bincount(sources.ravel(), minlength=n_pre)
    return _csr((order % max(n_post, 1)).astype(np.int32), counts, weight, n_post)


def _sizes(n_pre: int, n_post: int, autapses: bool) -> tuple[int, int]:
    if not autapses and n_pre != n_post:
        raise ValueError(
            "`autapses=False` leaves out i -> i, expected n_pre == n_post, "
            f"given n_pre={n_pre}, n_post={n_post}"
        )
    return as_size(n_pre, "n_pre"), as_size(n_post, "n_post")


def _generator(key: Key[Array, ""]) -> np.random.Generator:
    if isinstance(key, jax.core.Tracer):
        raise ValueError("`key` is traced; connectivities are built on the host, outside jit")
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return np.random.default_rng(np.asarray(key).ravel())


def _draw(generator, n_rows, n, k, autapses, multapses) -> np.ndarray:
    """Sorted draws of k out of n for each row, row i without i unless autapses: [n_rows, k]."""
    candidates = n if autapses else n - 1
    most = candidates if not multapses else 2**31 if candidates > 0 else 0
    if n_rows and not 0 <= k <= max(most, 0):
        raise ValueError(
            f"`k` is {k}, expected from 0 to {max(most, 0)}, as there are {n} units, "
            f"autapses={autapses}, multapses={multapses}"
        )
    result = np.empty((n_rows, k), np.int32)
    step = max(1, _CHUNK // max(k, 1))
    for start in range(0, n_rows, step):
        part = result[start : start + step]
        n_part = part.shape[0]
        if multapses:
            part[:] = generator.integers(candidates, size=part.shape, dtype=np.int32)
            part.sort(axis=1)
        elif 2 * k <= candidates:
            _draw_distinct(generator, part, candidates)
        else:
            left_out = np.empty((n_part, candidates - k), np.int32)
            _draw_distinct(generator, left_out, candidates)
            chosen = np.ones((n_part, candidates), bool)
            np.put_along_axis(chosen, left_out, False, axis=1)
            part[:] = np.nonzero(chosen)[1].reshape(n_part, k)
        if not autapses:
            part += part >= np.arange(start, start + n_part, dtype=np.int32)[:, None]
    return result


def _draw_distinct(generator, out: np.ndarray, n: int) -> None:
    """Fill each row of `out` with a uniform sorted subset of range(n).

    Repeats are drawn anew until none is left, which treats all n alike and so is uniform.
    """
    if out.size == 0:
        return
    out[:] = generator.integers(n, size=out.shape, dtype=np.int32)
    out.sort(axis=1)
    pending = np.arange(out.shape[0])
    while pending.size:
        rows = out[pending]
        repeated = np.zeros(rows.shape, bool)
        np.equal(rows[:, 1:], rows[:, :-1], out=repeated[:, 1:])
        again = repeated.any(axis=1)
        pending, rows, repeated = pending[again], rows[again], repeated[again]
        rows[repeated] = generator.integers(n, size=int(repeated.sum()), dtype=np.int32)
        rows.sort(axis=1)
        out[pending] = rows


def _csr(indices: np.ndarray, counts: np.ndarray, weight: ArrayLike, n_post: int) -> CSR:
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    return CSR(indices, indptr, weight, n_post=n_post)
