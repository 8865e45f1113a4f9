"""The parts of graph models that go one edge after the other, as machine code."""

import numba
import numpy as np


@numba.njit(cache=True)
def _uniform(state):
    """A number in [0, 1) and the next state: SplitMix64, Steele, Lea & Flood 2014, OOPSLA."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@numba.njit(cache=True)
def _knows(targets, i, j):
    return np.any(targets[i] == j)


@numba.njit(cache=True)
def rewire(targets, p, directed, seed):
    """Replace edges `i -> targets[i]` with probability `p`, in place; `[n, edges of a unit]`.

    Unless directed, an edge counts for the unit at its other end too.
    """
    n, k = targets.shape
    state = np.array([seed], np.uint64)
    degree = np.full(n, k if directed else 2 * k)
    for m in range(k):
        for i in range(n):
            if _uniform(state) >= p or degree[i] >= n - 1:
                continue
            while True:
                j = int(_uniform(state) * n)
                if j == i or _knows(targets, i, j):
                    continue
                if directed or not _knows(targets, j, i):
                    break
            if not directed:
                degree[targets[i, m]] -= 1
                degree[j] += 1
            targets[i, m] = j


@numba.njit(cache=True)
def grow(n, m1, m2, p, triangles, seed):
    """Ends of the edges of a growing network, two entries for each, the younger unit first.

    A unit occurs as often as it has edges, so that a uniform entry is a preferential choice.
    """
    state = np.array([seed], np.uint64)
    first = max(m1, m2)
    ends = np.empty(2 * first * (n - first), np.int64)
    # The entries of each unit, chained: the unit at the other end of entry e is ends[e ^ 1].
    latest, chain = np.full(n, -1), np.empty(ends.size, np.int64)
    known_to = np.full(n, -1)
    used = 0
    for v in range(1, n):
        if v <= first:
            m = 1
        else:
            m = m1 if _uniform(state) < p else m2
        before = used
        preferred = -1
        for e in range(m):
            target = -1
            if v <= first:
                target = 0
            elif e > 0 and triangles > 0 and _uniform(state) < triangles:
                seen = 0
                entry = latest[preferred]
                while entry >= 0:
                    other = ends[entry ^ 1]
                    if other != v and known_to[other] != v:
                        seen += 1
                        if _uniform(state) * seen < 1.0:
                            target = other
                    entry = chain[entry]
            if target < 0:
                while True:
                    target = ends[int(_uniform(state) * before)]
                    if known_to[target] != v:
                        break
                preferred = target
            known_to[target] = v
            ends[used], ends[used + 1] = v, target
            used += 2
        # Its own edges are chained when it has them all: none of them is a choice before.
        for entry in range(before, used):
            chain[entry] = latest[ends[entry]]
            latest[ends[entry]] = entry
    return ends[:used]
