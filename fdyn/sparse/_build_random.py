"""Random connectivities without structure, on the host."""

import numpy as np
from jaxtyping import Array, Key

from ._build_common import (
    CHUNK,
    Values,
    as_probability,
    as_sizes,
    csr_of_keys,
    join,
    make_csr,
    make_generator,
    per_synapse,
    senders,
    successes,
)
from ._csr import CSR
from ._fixed_fan import FixedFanOut


def fixed_probability(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    p: float,
    weight: Values,
    *,
    delay: Values | None = None,
    autapses: bool = True,
    pre_ratio: float = 1.0,
) -> CSR:
    r"""Connect every pair with the same probability, independently of all others.

    $$P(i \to j) = p$$

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n_pre`, `n_post`: number of units.
    - `p`: probability of a synapse, from 0 to 1.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_synapses]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `pre_ratio`: fraction of the presynaptic units, drawn at random, that send at all; their
        number is rounded. Default: 1.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` for `p` or `pre_ratio` outside [0, 1], `autapses=False` with
    `n_pre != n_post`, or a weight or delay of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_probability
    >>> conn = fixed_probability(jax.random.key(0), 3, 3, 1.0, 0.5, autapses=False)
    >>> print(conn.to_dense())
    [[0.  0.5 0.5]
     [0.5 0.  0.5]
     [0.5 0.5 0. ]]

    ```

    **Source:** Gilbert 1959, Ann. Math. Stat. 30:1141; the gaps between successes are geometric,
    Batagelj & Brandes 2005, Phys. Rev. E 71:036113.
    """
    n_pre, n_post = as_sizes(n_pre, n_post, autapses)
    p = as_probability(p, "p")
    generator = make_generator(key)
    chosen = senders(generator, n_pre, pre_ratio)
    n_rows = n_pre if chosen is None else chosen.size
    width = n_post if autapses else max(n_post - 1, 0)
    counts = np.zeros(n_pre, np.int64)
    parts = []
    for position in successes(generator, n_rows * width, p):
        row = position // width
        column = (position - row * width).astype(np.int32)
        row = row if chosen is None else chosen[row]
        counts += np.bincount(row, minlength=n_pre)
        parts.append(column if autapses else column + (column >= row))
    return make_csr(join(parts, np.int32), counts, n_post, weight, delay, key)


def fixed_total_number(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    n: int | float,
    weight: Values,
    *,
    delay: Values | None = None,
    autapses: bool = True,
    multapses: bool = False,
) -> CSR:
    r"""Draw a fixed number of synapses uniformly from all pairs.

    Without multapses every set of `n` pairs is equally likely; with them each synapse is drawn
    independently.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n_pre`, `n_post`: number of units.
    - `n`: number of synapses, an `int`; a `float` from 0 to 1 is a fraction of all pairs, rounded
        to the nearest number.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_synapses]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `multapses`: whether a pair may be drawn more than once. Default: `False`.

    **Returns:** a `CSR` with sorted rows.

    **Raises:** `ValueError` if there are fewer than `n` pairs, for `autapses=False` with
    `n_pre != n_post`, or a weight or delay of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_total_number
    >>> fixed_total_number(jax.random.key(0), 100, 50, 1234, 0.5).n_synapses
    1234
    >>> fixed_total_number(jax.random.key(0), 100, 50, 0.1, 0.5).n_synapses
    500

    ```

    **Source:** the uniform random graph, Erdos & Renyi 1959, Publ. Math. Debrecen 6:290.
    """
    n_pre, n_post = as_sizes(n_pre, n_post, autapses)
    width = n_post if autapses else max(n_post - 1, 0)
    n_pairs = n_pre * width
    n = _as_count(n, n_pairs, "n", multapses)
    generator = make_generator(key)
    if multapses:
        position = generator.integers(max(n_pairs, 1), size=n)
    else:
        position = _subset(generator, n_pairs, n)
    if not autapses and n:
        row = position // width
        column = position - row * width
        position = row * n_post + column + (column >= row)
    return csr_of_keys(position, n_pre, n_post, weight, delay, key)


def fixed_out_degree(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    k: int | float,
    weight: Values,
    *,
    delay: Values | None = None,
    autapses: bool = True,
    multapses: bool = False,
) -> FixedFanOut:
    r"""Give every presynaptic unit `k` targets, drawn uniformly.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n_pre`, `n_post`: number of units.
    - `k`: number of targets of each unit, an `int`; a `float` from 0 to 1 is a fraction of the
        candidates, rounded to the nearest number.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_pre, k]`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `multapses`: whether a target may be drawn more than once. Default: `False`.

    **Returns:** a `FixedFanOut` with sorted rows.

    **Raises:** `ValueError` if there are fewer than `k` candidates, for `autapses=False` with
    `n_pre != n_post`, or a weight or delay of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_out_degree
    >>> conn = fixed_out_degree(jax.random.key(0), 100, 50, 8, 0.5)
    >>> conn.targets.shape
    (100, 8)

    ```

    **Source:** none; `fixed_in_degree` with the two sides exchanged.
    """
    n_pre, n_post = as_sizes(n_pre, n_post, autapses)
    targets = _draw(make_generator(key), n_pre, n_post, k, autapses, multapses)
    w = per_synapse(weight, "weight", targets.shape, key)
    d = per_synapse(delay, "delay", targets.shape, key)
    return FixedFanOut(targets, w, n_post=n_post, delay=d)


def fixed_in_degree(
    key: Key[Array, ""],
    n_pre: int,
    n_post: int,
    k: int | float,
    weight: Values,
    *,
    delay: Values | None = None,
    autapses: bool = True,
    multapses: bool = False,
) -> CSR:
    r"""Give every postsynaptic unit `k` sources, drawn uniformly.

    **Arguments:**

    - `key`: a `jax.random` key; the same key gives the same synapses, whatever their weights
        and delays.
    - `n_pre`, `n_post`: number of units.
    - `k`: number of sources of each unit, an `int`; a `float` from 0 to 1 is a fraction of the
        candidates, rounded to the nearest number.
    - `weight`: a scalar, a law such as `Normal`, or one weight per synapse, `[n_post * k]`, in
        the order of the `CSR`: by row, then by column.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `multapses`: whether a source may be drawn more than once. Default: `False`.

    **Returns:** a `CSR` with sorted rows.

    **Raises:** `ValueError` if there are fewer than `k` candidates, for `autapses=False` with
    `n_pre != n_post`, or a weight or delay of another shape.

    ```python
    >>> import jax
    >>> from fdyn.sparse import fixed_in_degree
    >>> conn = fixed_in_degree(jax.random.key(0), 100, 50, 8, 0.5)
    >>> print((conn.to_dense() > 0).sum(axis=0).min())
    8

    ```

    **Source:** the connectivity of Brunel 2000, J. Comput. Neurosci. 8:183, section 2.
    """
    n_pre, n_post = as_sizes(n_pre, n_post, autapses)
    sources = _draw(make_generator(key), n_post, n_pre, k, autapses, multapses)
    # Sorting one number per synapse brings them into the order of rows, then columns.
    order = sources.astype(np.int64) * n_post
    order += np.arange(n_post)[:, None]
    return csr_of_keys(order.ravel(), n_pre, n_post, weight, delay, key)


def _as_count(n: int | float, most: int, name: str, repeats: bool, rows: int = 1) -> int:
    """A number of draws out of `most`, or that fraction of them, else `ValueError`."""
    if isinstance(n, float | np.floating):
        if not 0 <= n <= 1:
            raise ValueError(
                f"`{name}` is {n}, expected an int, or a float from 0 to 1, a fraction of {most}"
            )
        return round(float(n) * most)
    # Without rows there is nothing to draw, so that any number will do.
    limit = most if rows and not (repeats and most) else 2**31
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 <= n <= limit:
        raise ValueError(
            f"`{name}` is {n!r}, expected from 0 to {limit}: there are {most} candidates, "
            f"and multapses={repeats}"
        )
    return int(n)


def _subset(generator: np.random.Generator, most: int, n: int) -> np.ndarray:
    """A uniform subset of `n` of range(most), sorted.

    Given its size, a set of successes is uniform; so is what is left of it after a uniform few
    were taken out.
    """
    p = min(1.0, (n + 6 * n**0.5 + 10) / max(most, 1))
    while True:
        found = join(list(successes(generator, most, p)))
        if found.size >= n:
            surplus = generator.choice(found.size, found.size - n, replace=False, shuffle=False)
            return np.delete(found, surplus)


def _draw(generator, n_rows, n, k, autapses, multapses) -> np.ndarray:
    """Sorted draws of k out of n for each row, row i without i unless autapses: [n_rows, k]."""
    candidates = n if autapses else max(n - 1, 0)
    k = _as_count(k, candidates, "k", multapses, n_rows)
    result = np.empty((n_rows, k), np.int32)
    step = max(1, CHUNK // max(k, 1))
    for start in range(0, n_rows, step):
        part = result[start : start + step]
        n_part = part.shape[0]
        if multapses:
            part[:] = generator.integers(max(candidates, 1), size=part.shape, dtype=np.int32)
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
