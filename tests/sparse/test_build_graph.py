"""Small worlds and growing networks: their laws, and networkx beside them."""

import random

import jax
import networkx as nx
import numpy as np
import pytest

from fdyn.sparse import (
    Normal,
    from_dense,
    power_law_cluster,
    scale_free,
    scale_free_dual,
    small_world,
)

KEY = jax.random.key(0)


def pairs(conn):
    coo = conn.to_coo()
    return np.asarray(coo.rows).astype(np.int64), np.asarray(coo.cols).astype(np.int64)


def table(conn):
    result = np.zeros(conn.shape, int)
    np.add.at(result, pairs(conn), 1)
    return result


def assert_simple(conn, directed=False):
    """No unit is joined to itself, no pair twice, and every edge goes both ways."""
    rows, cols = pairs(conn)
    keys = rows * conn.n_post + cols
    assert (rows != cols).all() and (np.diff(keys) > 0).all()
    back = np.sort(cols * conn.n_post + rows)
    assert np.array_equal(back, keys) if not directed else not np.isin(back, keys).any()


def clustering(conn):
    """Mean local clustering: neighbours of a unit that are joined, of all pairs of them."""
    a = table(conn).astype(float)
    k = a.sum(1)
    triangles = np.einsum("ij,jk,ki->i", a, a, a, optimize=True)
    return np.mean(np.where(k > 1, triangles / np.maximum(k * (k - 1), 1), 0))


# --- small world ---------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(
    "n, k", [(0, 0), (1, 0), (2, 0), (3, 2), (4, 2), (5, 4), (6, 4), (7, 6), (50, 10)]
)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_small_world_edges(n, k, p, directed):
    conn = small_world(KEY, n, k, p, 1.0, directed=directed)
    assert conn.n_synapses == n * k
    count = table(conn)
    assert count.max(initial=0) <= 1 and not count.diagonal().any()
    if directed:
        assert (count.sum(1) == k).all()
    else:
        assert_simple(conn)
        assert (count.sum(1) >= k // 2).all()  # a unit keeps the ends that are its own
    if p == 0 or k == n - 1:
        gap = (np.arange(n)[None, :] - np.arange(n)[:, None]) % max(n, 1)
        gap = np.minimum(gap, n - gap)
        np.testing.assert_array_equal(count, (gap > 0) & (gap <= k // 2))


@pytest.mark.parametrize("directed", [False, True])
def test_shortcuts_are_as_many_as_asked_and_uniform(directed):
    n, k, p = 4000, 10, 0.3
    conn = small_world(KEY, n, k, p, 1.0, directed=directed)
    rows, cols = pairs(conn)
    gap = np.minimum((rows - cols) % n, (cols - rows) % n)
    edges = n * k if directed else n * k // 2
    # An edge that is replaced lies within the ring again with a chance of at most k / n.
    found = (gap > k // 2).sum() / (1 if directed else 2)
    spread = np.sqrt(edges * p * (1 - p))
    assert abs(found - edges * p) < 4.5 * spread + edges * p * k / n
    far = gap[gap > k // 2]
    bins = np.bincount((far - k // 2 - 1) * 10 // (n // 2 - k // 2), minlength=10)[:10]
    assert ((bins - far.size / 10) ** 2 / (far.size / 10)).sum() < 2 * 40  # chi-square, 9 dof


@pytest.mark.parametrize("p", [0.0, 0.05, 0.2, 0.5])
def test_small_world_clustering(p):
    """Barrat & Weigt 2000, Eur. Phys. J. B 13:547: C(p) = C(0) (1 - p)^3 up to 1/n."""
    n, k = 600, 12
    found = [clustering(small_world(jax.random.key(i), n, k, p, 1.0)) for i in range(4)]
    exact = 3 * (k - 2) / (4 * (k - 1)) * (1 - p) ** 3
    assert abs(np.mean(found) - exact) < 0.01 + k / n


def test_small_world_as_networkx_makes_it():
    """Degrees, clustering and path length of both generators have the same mean."""
    n, k, p, runs = 200, 6, 0.2, 12
    ours = [small_world(jax.random.key(i), n, k, p, 1.0) for i in range(runs)]
    graphs = [nx.from_numpy_array(table(c)) for c in ours]
    theirs = [nx.watts_strogatz_graph(n, k, p, seed=i) for i in range(runs)]
    for measure in (
        nx.average_clustering,
        nx.average_shortest_path_length,
        lambda g: np.var([d for _, d in g.degree]),
    ):
        a, b = ([measure(g) for g in gs] for gs in (graphs, theirs))
        assert abs(np.mean(a) - np.mean(b)) < 4.5 * np.sqrt((np.var(a) + np.var(b)) / (runs - 1))
    ring = nx.from_numpy_array(table(small_world(KEY, n, k, 0.0, 1.0)))
    assert nx.average_shortest_path_length(graphs[0]) < 0.5 * nx.average_shortest_path_length(ring)


# --- growth -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n, m", [(2, 1), (5, 1), (5, 4), (30, 3), (1000, 7)])
@pytest.mark.parametrize("p", [None, 0.0, 0.6, 1.0])
def test_growth_is_a_simple_graph(n, m, p):
    def build(**options):
        if p is None:
            return scale_free(KEY, n, m, 1.0, **options)
        return power_law_cluster(KEY, n, m, p, 1.0, **options)

    conn = build()
    assert_simple(conn)
    assert conn.n_synapses == 2 * (n - m) * m
    degree = np.bincount(pairs(conn)[0], minlength=n)
    assert degree[m + 1 :].min(initial=m) == m if n > m + 1 else degree.min() == 1
    younger = build(directed=True)
    assert_simple(younger, directed=True)
    rows, cols = pairs(younger)
    assert (rows > cols).all() and younger.n_synapses == (n - m) * m
    np.testing.assert_array_equal(np.bincount(rows, minlength=n)[m + 1 :], m)
    np.testing.assert_array_equal(table(younger) + table(younger).T, table(conn))


def law(k, m):
    return 2 * m * (m + 1) / (k * (k + 1) * (k + 2))


@pytest.mark.parametrize("m", [1, 3])
def test_degrees_of_scale_free(m):
    n = 50_000
    degree = np.bincount(pairs(scale_free(KEY, n, m, 1.0))[0])
    k = np.arange(m, m + 12)
    found = np.bincount(degree)[k]
    z = (found - n * law(k, m)) / np.sqrt(n * law(k, m))
    assert np.abs(z).max() < 5
    # P(degree >= k) = m (m + 1) / (k (k + 1)), so that the density has the exponent 3.
    for at in (20, 50, 100):
        mean = n * m * (m + 1) / (at * (at + 1))
        assert abs((degree >= at).sum() - mean) < 5 * np.sqrt(mean)
    tail = degree[degree >= 10 * m]
    exponent = 1 + tail.size / np.log(tail / (10 * m - 0.5)).sum()
    assert abs(exponent - 3) < 0.3


def test_hubs_are_old():
    """The degree of unit i grows as m sqrt(n / i), Barabasi, Albert & Jeong 1999, Physica A 272."""
    n, m = 20_000, 5
    degree = np.bincount(pairs(scale_free(KEY, n, m, 1.0))[0])
    i = np.arange(1, n + 1)
    for start, stop in ((100, 1000), (1000, 5000), (5000, 20_000)):
        mean = np.mean(m * np.sqrt(n / i[start:stop]))
        assert abs(degree[start:stop].mean() / mean - 1) < 0.05


def test_dual():
    n, p = 20_000, 0.7
    conn = scale_free_dual(KEY, n, 2, 6, p, 1.0, directed=True)
    assert_simple(conn, directed=True)
    made = np.bincount(pairs(conn)[0], minlength=n)[7:]
    assert set(np.unique(made)) == {2, 6}
    assert abs((made == 2).sum() - p * made.size) < 4.5 * np.sqrt(p * (1 - p) * made.size)
    for one in (
        scale_free_dual(KEY, 300, 4, 4, 0.3, 1.0),
        scale_free_dual(KEY, 300, 4, 1, 1.0, 1.0),
        scale_free_dual(KEY, 300, 1, 4, 0.0, 1.0),
        power_law_cluster(KEY, 300, 4, 0.0, 1.0),
    ):
        np.testing.assert_array_equal(table(one), table(scale_free(KEY, 300, 4, 1.0)))


def test_triangles_are_closed():
    n = 500
    plain = clustering(scale_free(KEY, n, 4, 1.0))
    some = clustering(power_law_cluster(KEY, n, 4, 0.5, 1.0))
    many = clustering(power_law_cluster(KEY, n, 4, 1.0, 1.0))
    assert plain + 0.1 < some < many - 0.1
    # Of two edges the second always closes a triangle, so that each unit is in one.
    a = table(power_law_cluster(KEY, n, 2, 1.0, 1.0))
    assert (np.diagonal(a @ a @ a)[3:] > 0).all()


def holme_kim(n, m, p, rng):
    """The rules of the paper, word for word, with sets. networkx loses edges that it drew twice."""
    know = [set() for _ in range(n)]
    chances = []

    def join(i, j):
        know[i].add(j)
        know[j].add(i)

    for i in range(1, m + 1):
        join(0, i)
        chances += [0, i]
    for v in range(m + 1, n):
        preferred = 0
        for e in range(m):
            rest = sorted(know[preferred] - know[v] - {v}) if e else []
            if rest and rng.random() < p:
                join(v, rng.choice(rest))
                continue
            preferred = rng.choice(chances)
            while preferred in know[v]:
                preferred = rng.choice(chances)
            join(v, preferred)
        for target in know[v]:
            chances += [v, target]
    return np.array([[j in know[i] for j in range(n)] for i in range(n)], int)


def test_clustering_as_the_rules_make_it():
    n, m, p, runs = 300, 3, 0.6, 12
    ours = [power_law_cluster(jax.random.key(i), n, m, p, 1.0) for i in range(runs)]
    rng = random.Random(0)
    theirs = [from_dense(holme_kim(n, m, p, rng)) for _ in range(runs)]
    for measure in (clustering, lambda c: np.log(np.bincount(pairs(c)[0])).mean()):
        a, b = ([measure(c) for c in conns] for conns in (ours, theirs))
        assert abs(np.mean(a) - np.mean(b)) < 4.5 * np.sqrt((np.var(a) + np.var(b)) / (runs - 1))
    assert np.var([clustering(c) for c in theirs]) < 0.03**2  # narrow enough to tell p apart


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        lambda key, w, d=None: small_world(key, 60, 6, 0.3, w, delay=d),
        lambda key, w, d=None: scale_free(key, 60, 3, w, delay=d),
        lambda key, w, d=None: scale_free_dual(key, 60, 1, 3, 0.5, w, delay=d),
        lambda key, w, d=None: power_law_cluster(key, 60, 3, 0.5, w, delay=d),
    ],
)
def test_key_decides(build):
    one, same, other = build(KEY, 1.0), build(KEY, 1.0), build(jax.random.key(1), 1.0)
    np.testing.assert_array_equal(table(one), table(same))
    assert (table(one) != table(other)).any()
    law = Normal(2.0, 0.5, low=0.5)
    drawn = build(KEY, law, law)
    np.testing.assert_array_equal(table(one), table(drawn))
    assert drawn.weight.shape == drawn.delay.shape == (one.n_synapses,)
    assert abs(np.corrcoef(drawn.weight, drawn.delay)[0, 1]) < 5 / np.sqrt(one.n_synapses)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: small_world(KEY, 10, 3, 0.1, 1.0), "`k` is 3, expected an even"),
        (lambda: small_world(KEY, 10, 10, 0.1, 1.0), "`k` is 10, .* 0 to n - 1 = 9"),
        (lambda: small_world(KEY, 10, -2, 0.1, 1.0), "`k` is -2"),
        (lambda: small_world(KEY, 10, 2, 1.1, 1.0), "`p` is 1.1"),
        (lambda: small_world(KEY, -1, 0, 0.1, 1.0), "`n` is -1"),
        (lambda: scale_free(KEY, 10, 10, 1.0), "`m` is 10, expected an int from 1 to n - 1 = 9"),
        (lambda: scale_free(KEY, 10, 0, 1.0), "`m` is 0"),
        (lambda: scale_free(KEY, 0, 1, 1.0), "`m` is 1"),
        (lambda: scale_free(KEY, 10, 2.0, 1.0), "`m` is 2.0"),
        (lambda: scale_free_dual(KEY, 10, 2, 12, 0.5, 1.0), "`m2` is 12"),
        (lambda: scale_free_dual(KEY, 10, 2, 3, -0.5, 1.0), "`p` is -0.5"),
        (lambda: power_law_cluster(KEY, 10, 2, float("nan"), 1.0), "`p` is nan"),
        (lambda: scale_free(KEY, 10, 2, np.ones(3)), "`weight` has shape"),
        (lambda: scale_free(KEY, 10, 2, lambda d: d), "`weight` is a function of distance"),
        (lambda: scale_free(KEY, 10, 2, 1.0, delay=Normal(1.0, 1.0)), "`delay` .* low=0.1"),
        (lambda: scale_free(0, 10, 2, 1.0), r"`key` is 0, expected .* jax.random.key\(0\)"),
        (lambda: jax.jit(lambda key: scale_free(key, 9, 1, 1.0).weight)(KEY), "`key` is traced"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
