"""What the builders share: sizes, random streams, sampling of pairs, weights and delays."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from .._misc import is_quantity, magnitude
from ._checks import as_size, check_plain
from ._csr import CSR
from ._law import AbstractLaw, Normal, draw

CHUNK = 1 << 22  # entries of the temporary arrays

Values = ArrayLike | AbstractLaw | Callable[[np.ndarray], ArrayLike]


def as_sizes(n_pre: int, n_post: int, autapses: bool) -> tuple[int, int]:
    """Two numbers of units, equal if `i -> i` is to be left out, else `ValueError`."""
    if not autapses and n_pre != n_post:
        raise ValueError(
            "`autapses=False` leaves out i -> i, expected n_pre == n_post, "
            f"given n_pre={n_pre}, n_post={n_post}"
        )
    return as_size(n_pre, "n_pre"), as_size(n_post, "n_post")


def check_lengths(values: Any, name: str) -> None:
    """Refuse a quantity where all that matters is that lengths are in one unit."""
    parts = values if isinstance(values, list | tuple) else [values]
    if any(map(is_quantity, parts)):
        raise ValueError(
            f"`{name}` takes plain numbers, all lengths of a space in one unit of your choice; "
            f"got {values!r}: hand over e.g. `.to('um').magnitude`"
        )


def as_probability(p: float, name: str) -> float:
    """A number from 0 to 1, else `ValueError`."""
    try:
        value = math.nan if isinstance(p, str) or np.ndim(p) else float(p)
    except TypeError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` is {p!r}, expected a probability from 0 to 1")
    return value


def make_generator(key: Key[Array, ""], *stream: int) -> np.random.Generator:
    """The host's random generator of a key; the streams of a key are independent."""
    if isinstance(key, jax.core.Tracer):
        raise ValueError("`key` is traced; connectivities are built on the host, outside jit")
    if not hasattr(key, "dtype"):
        raise ValueError(f"`key` is {key!r}, expected a key such as jax.random.key(0)")
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return np.random.default_rng([*np.asarray(key).ravel().tolist(), *stream])


def make_value_generator(key: Key[Array, ""], name: str) -> np.random.Generator:
    """The stream of the weights or the delays, so that neither changes anything else."""
    return make_generator(key, {"weight": 1, "delay": 2}[name])


def successes(generator: np.random.Generator, n: int, p: float) -> Iterator[np.ndarray]:
    """Which of `n` independent trials succeed, in rising order, in chunks of int64."""
    # One gap is at most n + 1 after the cut, so that the sum stays within int64.
    size = int(min(CHUNK // 4, 2**62 // (n + 1), 1.1 * n * p + 64))
    last = -1
    while p > 0 and last < n - 1:
        gaps = np.minimum(generator.geometric(p, size), n + 1)
        position = np.cumsum(gaps) + last
        last = int(position[-1])
        yield position[: np.searchsorted(position, n)]


def senders(generator: np.random.Generator, n_pre: int, ratio: float) -> np.ndarray | None:
    """The presynaptic units that send at all, sorted, if not all of them do."""
    ratio = as_probability(ratio, "pre_ratio")
    if ratio == 1:
        return None
    return np.sort(generator.choice(n_pre, round(ratio * n_pre), replace=False))


def join(parts: list[np.ndarray], dtype: Any = np.int64) -> np.ndarray:
    """One array out of any number of them, even none."""
    return np.concatenate([np.zeros(0, dtype), *parts], dtype=dtype)


def check_law(law: Any, name: str) -> None:
    """Refuse a law of delays that may give negative ones."""
    if name == "delay" and isinstance(law, Normal) and law.low is None:
        raise ValueError(
            "`delay` is drawn from a normal law without a lower bound and could be negative; "
            f"expected e.g. Normal({float(law.mean):g}, {float(law.std):g}, low=0.1)"
        )


def per_synapse(
    values: Values | None,
    name: str,
    shape: tuple[int, ...],
    key: Key[Array, ""] | None,
    distance: Callable[[], np.ndarray] | None = None,
) -> Any:
    """Weights or delays: drawn from a law, computed from distances, or as they were given."""
    if isinstance(values, AbstractLaw):
        if key is None:
            raise ValueError(f"`{name}` is drawn from a law, expected a `key` to draw with")
        check_law(values, name)
        return draw(values, make_value_generator(key, name), shape)
    if not callable(values):
        return values
    if distance is None:
        raise ValueError(
            f"`{name}` is a function of distance, but this pattern has no distances; "
            "expected a number, a law or an array"
        )
    result = values(distance().reshape(-1))
    if name == "delay":
        result = magnitude(result, "ms", name)
    check_plain(result, name)
    result = np.asarray(result, np.float64)
    if result.ndim == 0:
        return result
    if result.size != np.prod(shape, dtype=int) or result.ndim != 1:
        raise ValueError(
            f"`{name}` gave shape {result.shape} for {np.prod(shape, dtype=int)} distances, "
            "expected one number for each"
        )
    return result.reshape(shape)


def make_csr(
    indices: np.ndarray,
    counts: np.ndarray,
    n_post: int,
    weight: Values,
    delay: Values | None,
    key: Key[Array, ""] | None,
    distance: Callable[[], np.ndarray] | None = None,
) -> CSR:
    """A CSR out of its columns in order, the lengths of its rows, and laws of what it carries."""
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    w = per_synapse(weight, "weight", indices.shape, key, distance)
    d = per_synapse(delay, "delay", indices.shape, key, distance)
    return CSR(indices, indptr, w, n_post=n_post, delay=d)


def csr_of_keys(
    keys: np.ndarray,
    n_pre: int,
    n_post: int,
    weight: Values,
    delay: Values | None,
    key: Key[Array, ""] | None,
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> CSR:
    """A CSR out of one number per synapse, `row * n_post + column`, in any order."""
    keys = np.sort(keys)
    rows, columns = np.divmod(keys, max(n_post, 1))
    columns = columns.astype(np.int32)
    counts = np.bincount(rows, minlength=n_pre)
    return make_csr(
        columns,
        counts,
        n_post,
        weight,
        delay,
        key,
        None if distance is None else lambda: distance(rows, columns),
    )
