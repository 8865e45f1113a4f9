"""Builders: exact properties, statistics, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdyn.sparse import (
    CSR,
    FixedFanOut,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    from_coo,
    from_dense,
)

KEY = jax.random.key(0)
SETTINGS = settings(max_examples=30, deadline=None, derandomize=True)


def counts(conn):
    """Number of synapses of each pair: [n_pre, n_post]."""
    rows, cols = np.asarray(conn.to_coo().rows), np.asarray(conn.to_coo().cols)
    table = np.zeros(conn.shape, int)
    np.add.at(table, (rows, cols), 1)
    return table


def assert_sorted(conn):
    rows, cols = np.asarray(conn.to_coo().rows), np.asarray(conn.to_coo().cols)
    order = rows.astype(np.int64) * conn.n_post + cols
    assert (np.diff(order) >= 0).all()


@given(st.integers(0, 12), st.integers(0, 12), st.floats(0, 1), st.integers(0, 99))
@SETTINGS
def test_fixed_probability_is_a_simple_graph(n_pre, n_post, p, seed):
    conn = fixed_probability(jax.random.key(seed), n_pre, n_post, p, 1.0)
    assert type(conn) is CSR and conn.shape == (n_pre, n_post)
    assert counts(conn).max(initial=0) <= 1
    assert_sorted(conn)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 99), st.booleans())
@SETTINGS
def test_fixed_degrees(n_pre, n_post, fraction, seed, multapses):
    key = jax.random.key(seed)
    for build, of, axis in ((fixed_out_degree, n_post, 1), (fixed_in_degree, n_pre, 0)):
        k = round(fraction * of)
        conn = build(key, n_pre, n_post, k, 1.0, multapses=multapses)
        table = counts(conn)
        assert (table.sum(axis=axis) == k).all()
        assert multapses or table.max(initial=0) <= 1
        assert_sorted(conn)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("autapses", [True, False])
def test_extremes(n, autapses):
    full = np.ones((n, n), int) - (0 if autapses else np.eye(n, dtype=int))
    k = max(n - (not autapses), 0)
    options = {"autapses": autapses}
    for p, expected in ((0, 0 * full), (1, full), (0.0, 0 * full), (1.0, full)):
        conn = fixed_probability(KEY, n, n, p, 1.0, **options)
        np.testing.assert_array_equal(counts(conn), expected)
    for build in (fixed_out_degree, fixed_in_degree):
        np.testing.assert_array_equal(counts(build(KEY, n, n, k, 1.0, **options)), full)
        np.testing.assert_array_equal(counts(build(KEY, n, n, 0, 1.0, **options)), 0 * full)


@pytest.mark.parametrize("multapses", [True, False])
def test_no_autapses(multapses):
    for k in (3, 17):
        for build in (fixed_out_degree, fixed_in_degree):
            conn = build(KEY, 20, 20, k, 1.0, autapses=False, multapses=multapses)
            assert not counts(conn).diagonal().any()
    conn = fixed_probability(KEY, 20, 20, 0.7, 1.0, autapses=False)
    assert not counts(conn).diagonal().any()


@pytest.mark.parametrize("p", [1e-4, 0.02, 0.5, 0.97])
@pytest.mark.parametrize("autapses", [True, False])
def test_number_of_synapses_is_binomial(p, autapses):
    n = 600
    pairs = n * (n if autapses else n - 1)
    numbers = [
        fixed_probability(jax.random.key(i), n, n, p, 1.0, autapses=autapses).n_synapses
        for i in range(5)
    ]
    assert len(set(numbers)) > 1
    z = (np.array(numbers) - pairs * p) / np.sqrt(pairs * p * (1 - p))
    assert np.abs(z).max() < 4


def test_tiny_probability_and_chunks():
    assert fixed_probability(KEY, 1000, 1000, 1e-300, 1.0).n_synapses == 0
    many = fixed_probability(KEY, 2000, 2000, 0.9, 1.0)  # more than one chunk
    assert abs(many.n_synapses - 3.6e6) < 4 * np.sqrt(4e6 * 0.9 * 0.1)
    assert_sorted(many)


def test_pairs_are_independent_and_uniform():
    """Degrees are binomial, and each pair is drawn equally often."""
    n, p, runs = 12, 0.3, 400
    total = sum(counts(fixed_probability(jax.random.key(i), n, n, p, 1.0)) for i in range(runs))
    z = (total - runs * p) / np.sqrt(runs * p * (1 - p))
    assert abs((z**2).sum() - n * n) < 5 * np.sqrt(2 * n * n)
    degrees = counts(fixed_probability(KEY, 3000, 100, p, 1.0)).sum(axis=1)
    assert abs(degrees.mean() - 30) < 5 * np.sqrt(21 / 3000)
    assert abs(degrees.var() - 21) < 5 * 21 * np.sqrt(2 / 3000)


@pytest.mark.parametrize("k", [2, 9])
@pytest.mark.parametrize("autapses", [True, False])
def test_subsets_are_uniform(k, autapses):
    """Each candidate is drawn equally often, and each pair of candidates too."""
    n, runs = 12, 300
    candidates = n if autapses else n - 1
    total, pairs = np.zeros((n, n)), np.zeros((n, n))
    for i in range(runs):
        table = counts(fixed_out_degree(jax.random.key(i), n, n, k, 1.0, autapses=autapses))
        total += table
        pairs += table.T @ table
    expected = np.full((n, n), runs * k / candidates)
    if not autapses:
        np.fill_diagonal(expected, 0)
    spread = np.sqrt(runs * k / candidates * (1 - k / candidates))
    assert np.abs(total - expected).max() < 5 * spread
    off = pairs[~np.eye(n, dtype=bool)]
    both = off.sum() / off.size
    rows = n if autapses else n - 2
    exact = runs * rows * k * (k - 1) / (candidates * (candidates - 1))
    np.testing.assert_allclose(both, exact, rtol=1e-12)
    assert np.abs(off - exact).max() < 5 * np.sqrt(exact)


def test_in_degree_statistics():
    out_degrees = counts(fixed_in_degree(KEY, 100, 3000, 10, 1.0)).sum(axis=1)
    assert np.abs(out_degrees - 300).max() < 5 * np.sqrt(300)


def test_key_decides():
    for build, third in ((fixed_probability, 0.2), (fixed_out_degree, 5), (fixed_in_degree, 5)):
        one, same = build(KEY, 30, 30, third, 1.0), build(KEY, 30, 30, third, 1.0)
        other = build(jax.random.key(1), 30, 30, third, 1.0)
        np.testing.assert_array_equal(one.to_dense(), same.to_dense())
        assert (one.to_dense() != other.to_dense()).any()
        raw = build(jax.random.key_data(KEY), 30, 30, third, 1.0)
        np.testing.assert_array_equal(one.to_dense(), raw.to_dense())


def test_weight_per_synapse():
    weight = np.arange(20.0).reshape(10, 2)
    assert type(fixed_out_degree(KEY, 10, 5, 2, weight)) is FixedFanOut
    np.testing.assert_array_equal(fixed_out_degree(KEY, 10, 5, 2, weight).weight, weight)
    np.testing.assert_array_equal(fixed_in_degree(KEY, 5, 10, 2, np.arange(20.0)).weight[3], 3)
    with pytest.raises(ValueError, match="`weight` has shape"):
        fixed_out_degree(KEY, 10, 5, 2, np.arange(20.0))
    with pytest.raises(ValueError, match="`weight` has shape"):
        fixed_probability(KEY, 10, 5, 1.0, np.arange(20.0))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: fixed_probability(KEY, 3, 3, 1.5, 1.0), "`p` is 1.5"),
        (lambda: fixed_probability(KEY, 3, 3, float("nan"), 1.0), "`p` is nan"),
        (lambda: fixed_probability(KEY, 3, 4, 0.5, 1.0, autapses=False), "n_pre=3, n_post=4"),
        (lambda: fixed_out_degree(KEY, 3, 4, 2, 1.0, autapses=False), "n_pre == n_post"),
        (lambda: fixed_out_degree(KEY, 3, 4, 5, 1.0), "`k` is 5, expected from 0 to 4"),
        (lambda: fixed_out_degree(KEY, 4, 4, 4, 1.0, autapses=False), "`k` is 4, .* 0 to 3"),
        (lambda: fixed_in_degree(KEY, 3, 4, 4, 1.0), "`k` is 4, expected from 0 to 3"),
        (lambda: fixed_out_degree(KEY, 3, 0, 1, 1.0, multapses=True), "`k` is 1, .* 0 to 0"),
        (lambda: fixed_out_degree(KEY, 3, 4, -1, 1.0), "`k` is -1"),
        (lambda: fixed_out_degree(KEY, -3, 4, 1, 1.0), "`n_pre` is -3"),
        (lambda: from_dense(np.zeros(3)), r"`matrix` has shape \(3,\)"),
        (lambda: from_coo([0], [0, 1], 1.0, (2, 2)), "`rows`, `cols` and `weights` have shapes"),
        (lambda: from_coo([2], [0], 1.0, (2, 2)), "`rows` has entries from 2 to 2"),
        (lambda: from_coo([0], [2], 1.0, (2, 2)), "`indices` has entries from 2 to 2"),
        (lambda: jax.jit(lambda key: fixed_out_degree(key, 3, 3, 1, 1.0))(KEY), "`key` is traced"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_round_trips():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(9, 6)) * (rng.random((9, 6)) < 0.3)
    conn = from_dense(matrix)
    np.testing.assert_allclose(conn.to_dense(), matrix, rtol=1e-6)
    edges = conn.to_coo()
    rows, cols, weights = map(np.asarray, (edges.rows, edges.cols, edges.weight))
    order = rng.permutation(rows.size)
    again = from_coo(rows[order], cols[order], weights[order], conn.shape)
    for a, b in zip(jax.tree.leaves(conn), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert from_dense(jnp.zeros((0, 4))).shape == (0, 4)


def test_parallel_synapses_are_kept():
    conn = from_coo([0, 0, 0], [1, 1, 0], [1.0, 2.0, 4.0], (1, 2))
    assert conn.n_synapses == 3
    np.testing.assert_array_equal(conn.to_dense(), [[4, 3]])
