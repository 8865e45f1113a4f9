"""Small-world and scale-free connectivities, on the host."""

import numpy as np
from jaxtyping import Array, Key

from ._build_common import Values, as_probability, csr_of_keys, make_generator
from ._checks import as_size
from ._csr import CSR


def small_world(
    key: Key[Array, ""],
    n: int,
    k: int,
    p: float,
    weight: Values,
    *,
    delay: Values | None = None,
    directed: bool = False,
) -> CSR:
    r"""A ring on which every unit knows its `k` nearest, with shortcuts: Watts and Strogatz.

    Each edge $(i, i + j)$, $1 \le j \le k/2$, of the ring is in turn replaced with probability `p`
    by $(i, l)$, where $l$ is drawn uniformly from the units that $i$ does not know yet; an edge of
    a unit that knows all others stays. Each edge is a pair of synapses, one each way, and the
    number of edges, $n k / 2$, does not change.

    With `directed=True` the `k` synapses that each unit sends are replaced in the same way, each
    on its own, so that the out-degree is always `k`.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n`: number of units.
    - `k`: number of neighbours on the ring, even and less than `n`.
    - `p`: probability that an edge is replaced, from 0 to 1.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n * k]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `directed`: whether each synapse is replaced on its own. Default: `False`.

    **Returns:** a `CSR` with sorted rows, without autapses and parallel synapses.

    **Raises:** `ValueError` for `p` outside [0, 1], or `k` odd, negative or not less than `n`.

    ```python
    >>> import jax
    >>> from fdyn.sparse import small_world
    >>> small_world(jax.random.key(0), 100, 10, 0.1, 0.5).n_synapses
    1000

    ```

    **Source:** Watts & Strogatz 1998, Nature 393:440.
    """
    n, p = as_size(n, "n"), as_probability(p, "p")
    k = _as_edges(k, "k", 0, n)
    if k % 2:
        raise ValueError(f"`k` is {k}, expected an even number: k / 2 neighbours on either side")
    half = np.arange(1, k // 2 + 1, dtype=np.int32)
    steps = np.concatenate([half, -half]) if directed else half
    units = np.arange(n, dtype=np.int32)[:, None]
    targets = (units + steps) % np.int32(max(n, 1))
    if targets.size and p > 0:
        # Compiled at its first use; what needs no graph does not wait for it.
        from ._build_growth import rewire

        rewire(targets, p, directed, _seed(key))
    keys = units * np.int64(n) + targets
    return _edges_csr(keys, n, weight, delay, key, directed)


def scale_free(
    key: Key[Array, ""],
    n: int,
    m: int,
    weight: Values,
    *,
    delay: Values | None = None,
    directed: bool = False,
) -> CSR:
    r"""Preferential attachment: Barabasi and Albert.

    The network grows from a star of `m + 1` units. Each further unit makes edges to `m` different
    older ones, drawn with a probability that is proportional to the number of edges that they
    have. There are $(n - m)\, m$ edges; for large $n$ a unit has $k$ of them with probability

    $$P(k) = \frac{2 m (m + 1)}{k (k + 1) (k + 2)}, \qquad k \ge m$$

    Each edge is a pair of synapses, one each way; with `directed=True` only that from the younger
    to the older unit, so that hubs receive (`.T`: send).

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n`: number of units.
    - `m`: number of edges of each new unit, from 1 to `n - 1`.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_synapses]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `directed`: whether edges lead from younger to older units only. Default: `False`.

    **Returns:** a `CSR` with sorted rows, without autapses and parallel synapses.

    **Raises:** `ValueError` for `m` not in [1, n).

    ```python
    >>> import jax
    >>> from fdyn.sparse import scale_free
    >>> scale_free(jax.random.key(0), 1000, 3, 0.5).n_synapses
    5982

    ```

    **Source:** Barabasi & Albert 1999, Science 286:509; the degrees, Dorogovtsev, Mendes & Samukhin
    2000, Phys. Rev. Lett. 85:4633.
    """
    n = as_size(n, "n")
    m = _as_edges(m, "m", 1, n)
    return _grown(key, n, m, m, 1.0, 0.0, weight, delay, directed)


def scale_free_dual(
    key: Key[Array, ""],
    n: int,
    m1: int,
    m2: int,
    p: float,
    weight: Values,
    *,
    delay: Values | None = None,
    directed: bool = False,
) -> CSR:
    r"""Preferential attachment with two kinds of new units.

    As `scale_free`, but a new unit makes `m1` edges with probability `p` and else `m2`; the
    network grows from a star of $\max(m_1, m_2) + 1$ units.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n`: number of units.
    - `m1`, `m2`: numbers of edges of a new unit, from 1 to `n - 1`.
    - `p`: probability of `m1` edges, from 0 to 1.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_synapses]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `directed`: whether edges lead from younger to older units only. Default: `False`.

    **Returns:** a `CSR` with sorted rows, without autapses and parallel synapses.

    **Raises:** `ValueError` for `m1` or `m2` not in [1, n), or `p` outside [0, 1].

    ```python
    >>> import jax
    >>> from fdyn.sparse import scale_free_dual
    >>> conn = scale_free_dual(jax.random.key(0), 1000, 1, 4, 0.5, 0.5)
    >>> 4000 < conn.n_synapses < 6000
    True

    ```

    **Source:** Moshiri 2018, arXiv:1810.10538.
    """
    n, p = as_size(n, "n"), as_probability(p, "p")
    m1, m2 = _as_edges(m1, "m1", 1, n), _as_edges(m2, "m2", 1, n)
    return _grown(key, n, m1, m2, p, 0.0, weight, delay, directed)


def power_law_cluster(
    key: Key[Array, ""],
    n: int,
    m: int,
    p: float,
    weight: Values,
    *,
    delay: Values | None = None,
    directed: bool = False,
) -> CSR:
    r"""Preferential attachment with triangles: Holme and Kim.

    As `scale_free`, but of the `m` edges of a new unit each after the first closes a triangle with
    probability `p`: it leads to a neighbour, drawn uniformly, of the unit that was last chosen by
    preference. Where all of those are known already, one is chosen by preference.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n`: number of units.
    - `m`: number of edges of each new unit, from 1 to `n - 1`.
    - `p`: probability of a triangle, from 0 to 1.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_synapses]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `directed`: whether edges lead from younger to older units only. Default: `False`.

    **Returns:** a `CSR` with sorted rows, without autapses and parallel synapses.

    **Raises:** `ValueError` for `m` not in [1, n), or `p` outside [0, 1].

    ```python
    >>> import jax
    >>> from fdyn.sparse import power_law_cluster
    >>> power_law_cluster(jax.random.key(0), 1000, 3, 0.8, 0.5).n_synapses
    5982

    ```

    **Source:** Holme & Kim 2002, Phys. Rev. E 65:026107.
    """
    n, p = as_size(n, "n"), as_probability(p, "p")
    m = _as_edges(m, "m", 1, n)
    return _grown(key, n, m, m, 1.0, p, weight, delay, directed)


def _as_edges(m: int, name: str, least: int, n: int) -> int:
    if isinstance(m, bool) or not isinstance(m, int | np.integer) or not least <= m < max(n, 1):
        raise ValueError(f"`{name}` is {m!r}, expected an int from {least} to n - 1 = {n - 1}")
    return int(m)


def _seed(key: Key[Array, ""]) -> np.uint64:
    return make_generator(key).integers(2**64, dtype=np.uint64)


def _grown(key, n, m1, m2, p, triangles, weight, delay, directed) -> CSR:
    from ._build_growth import grow

    ends = grow(n, m1, m2, p, triangles, _seed(key))
    return _edges_csr(ends[0::2] * n + ends[1::2], n, weight, delay, key, directed)


def _edges_csr(keys: np.ndarray, n: int, weight, delay, key, directed: bool) -> CSR:
    """A CSR of the edges, `from * n + to`, and unless directed of those the other way round."""
    keys = keys.ravel()
    if not directed:
        rows, columns = np.divmod(keys, max(n, 1))
        keys = np.concatenate([keys, columns * n + rows])
    return csr_of_keys(keys, n, n, weight, delay, key)
