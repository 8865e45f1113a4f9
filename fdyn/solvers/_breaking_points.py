"""Breaking points: the times at which the solution of a delay equation is not smooth."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._misc import is_traced, magnitude

_MOST = 10_000
# Generations of a neutral equation whose delays are not known while the program is made.
_GENERATIONS = 32


def breaking_points(
    delays: Any, breaks: Any, start: Any, end: Any, order: int, neutral: bool
) -> Array:
    r"""The start and the given breaks, and each of them plus all sums of delays; sorted.

    $$t_0 + \sum_i n_i \tau_i,\qquad b_j + \sum_i n_i \tau_i$$

    Where the solution has a jump in one derivative, it has one in the next higher derivative a
    delay later, so that a method of a given order need not see more than `order + 1` generations;
    in a neutral equation jumps do not smooth out, and all generations up to the end count.

    They follow the delays, so that derivatives with respect to these are right even where the past
    has a jump. Points that coincide are not merged where they are traced.

    Source: Bellen & Zennaro 2003, Numerical Methods for Delay Differential Equations, section 2.2.
    """
    dtype = jnp.result_type(float)
    delays, breaks = magnitude(delays, "ms", "delays"), magnitude(breaks, "ms", "breaks")
    # In numpy where nothing is traced, so that other numbers of points compile nothing.
    xp = jnp if is_traced((delays, breaks, start, end)) else np
    delays, breaks = (xp.asarray(x, dtype).reshape(-1) for x in (delays, breaks))
    start, end = xp.asarray(start, dtype), xp.asarray(end, dtype)
    # Under grad alone the numbers behind the tracers are known.
    numbers = [delays, breaks, start, end]
    if xp is jnp:
        numbers = [jax.lax.stop_gradient(x) for x in numbers]
    known = None if is_traced(numbers) else [np.asarray(x, float) for x in numbers]
    depth = order + 1
    if known is not None:
        low = known[0].min(initial=np.inf)
        if not (low > 0 and np.isfinite(known[0]).all()):
            raise ValueError(
                f"'delays' must be positive, finite numbers of ms, got {known[0].tolist()}. A "
                "delay that vanishes or depends on time or state does not belong there; the "
                "method finds it by itself."
            )
        if not np.isfinite(known[1]).all():
            raise ValueError(f"'breaks' must be finite times, got {known[1].tolist()}.")
        distinct = np.unique(known[0], return_index=True)[1]
        delays, known[0] = delays[distinct], known[0][distinct]
        length = known[3] - min(known[2], known[1].min(initial=np.inf))
        longest = math.floor(length / low + 1e-9) if low < np.inf else 0
        depth = longest if neutral else min(depth, longest)
    else:
        delays = eqx.error_if(
            delays, ~jnp.all(delays > 0), "'delays' must be positive, finite numbers of ms."
        )
        if neutral and delays.size:
            depth = _GENERATIONS
            reach = start + (depth + 1) * jnp.min(delays)
            delays = eqx.error_if(
                delays,
                reach < end,
                f"inside jit a neutral equation may reach {_GENERATIONS} delays far, no more.",
            )
    counts = _counts(delays.size, depth, known)
    origins = xp.concatenate([start[None], breaks])
    points = (origins[:, None] + (counts.astype(dtype) @ delays)[None]).reshape(-1)
    if known is None:
        return jnp.sort(points)
    # Equal ones are found without derivatives, and dropped; so are those beyond the end.
    values = np.asarray(jax.lax.stop_gradient(points) if xp is jnp else points, float)
    tol = 16 * float(jnp.finfo(dtype).eps) * max(abs(known[2]), abs(known[3]))
    order_ = np.argsort(values, kind="stable")
    kept = [i for i in order_ if known[2] < values[i] < known[3]]
    kept = [i for k, i in enumerate(kept) if k == 0 or values[i] - values[kept[k - 1]] > tol]
    # A power of two, so that other delays do not compile anew.
    size = 1 << max(len(kept) - 1, 0).bit_length()
    rest = np.full(size - len(kept), np.inf, dtype)
    return jnp.asarray(xp.concatenate([points[np.array(kept, int)], rest]), dtype)


def _counts(n: int, depth: int, known: list[np.ndarray] | None) -> np.ndarray:
    """How often each delay enters each sum, `[sums, n]`, the empty sum first."""
    if not n or not depth:
        return np.zeros((1, n), np.int32)
    total = math.comb(n + depth, n)
    rows: list[tuple[int, ...]] = []
    if known is None:
        if total > _MOST:
            raise ValueError(_too_many(n, total))
        for k in range(depth + 1):
            for chosen in itertools.combinations_with_replacement(range(n), k):
                rows.append(tuple(np.bincount(chosen, minlength=n).tolist() if k else [0] * n))
        return np.array(rows, np.int32)
    # Generation by generation, leaving out what lies beyond the end.
    length = float(known[3] - min(known[2], known[1].min(initial=np.inf))) * (1 + 1e-9)
    level = {(0,) * n}
    seen = set(level)
    for _ in range(depth):
        level = {
            tuple(c + (j == i) for j, c in enumerate(row)) for row in level for i in range(n)
        } - seen
        level = {row for row in level if float(np.dot(row, known[0])) <= length}
        seen |= level
        if len(seen) > _MOST:
            raise ValueError(_too_many(n, total))
    return np.array(sorted(seen), np.int32)


def _too_many(n: int, total: int) -> str:
    return (
        f"{n} delays have {total} sums, more than {_MOST}: name only those in 'delays' at which "
        "the solution is rough, or none; the tolerance holds all the same."
    )
