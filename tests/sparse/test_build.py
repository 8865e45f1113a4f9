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
    Normal,
    Uniform,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    fixed_total_number,
    from_coo,
    from_dense,
    modular,
)

KEY = jax.random.key(0)


@pytest.mark.parametrize("p", ["a", "0.5", None, np.nan, [0.5], 1.5])
def test_what_is_no_probability_is_named(p):
    with pytest.raises(ValueError, match="`p` is .*, expected a probability from 0 to 1"):
        fixed_probability(KEY, 5, 5, p, 1.0)


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


THIRDS = (
    (fixed_probability, 0.2),
    (fixed_out_degree, 5),
    (fixed_in_degree, 5),
    (fixed_total_number, 100),
)


def test_key_decides():
    for build, third in THIRDS:
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


@pytest.mark.parametrize("build, third", THIRDS)
def test_laws(build, third):
    """Weights and delays come from streams of their own, independent of all else."""
    plain = build(KEY, 40, 40, third, 1.0)
    weights, delays = Normal(2.0, 0.5), Uniform(1.0, 3.0)
    conn = build(KEY, 40, 40, third, weights, delay=delays)
    np.testing.assert_array_equal(counts(conn), counts(plain))
    assert plain.delay is None and conn.delay.shape == conn.weight.shape
    w, d = np.asarray(conn.weight).ravel(), np.asarray(conn.delay).ravel()
    n = w.size
    assert n == conn.n_synapses and abs(np.corrcoef(w, d)[0, 1]) < 4.5 / np.sqrt(n)
    assert abs(w.mean() - 2) < 4.5 * 0.5 / np.sqrt(n) and abs(w.std() - 0.5) < 4.5 * 0.5 / n**0.5
    assert abs(d.mean() - 2) < 4.5 * np.sqrt(1 / 3 / n) and d.min() >= 1 and d.max() < 3
    np.testing.assert_array_equal(build(KEY, 40, 40, third, weights).weight, conn.weight)
    np.testing.assert_array_equal(build(KEY, 40, 40, third, 1.0, delay=delays).delay, conn.delay)
    assert build(KEY, 40, 40, third, 1.0, delay=1.5).delay.shape == ()


def test_float32(float32):
    conn = fixed_probability(KEY, 30, 30, 0.2, Normal(2.0, 0.5), delay=Uniform(1.0, 3.0))
    assert conn.weight.dtype == conn.delay.dtype == np.float32


@given(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1), st.integers(0, 99), st.booleans())
@SETTINGS
def test_fixed_total_number(n_pre, n_post, fraction, seed, multapses):
    key = jax.random.key(seed)
    n = round(fraction * n_pre * n_post)
    conn = fixed_total_number(key, n_pre, n_post, n, 1.0, multapses=multapses)
    assert type(conn) is CSR and conn.n_synapses == n
    assert multapses or counts(conn).max(initial=0) <= 1
    assert_sorted(conn)
    same = fixed_total_number(key, n_pre, n_post, fraction, 1.0, multapses=multapses)
    np.testing.assert_array_equal(counts(same), counts(conn))


@pytest.mark.parametrize("n", [3, 29])
@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize("autapses", [True, False])
def test_all_sets_of_pairs_are_equally_likely(n, multapses, autapses):
    """Each pair, and each two pairs, are drawn as often as the count of the sets says."""
    units, runs = 6, 300
    pairs = units * (units if autapses else units - 1)
    total, both = np.zeros(units**2), np.zeros((units**2, units**2))
    for i in range(runs):
        options = {"multapses": multapses, "autapses": autapses}
        table = counts(fixed_total_number(jax.random.key(i), units, units, n, 1.0, **options))
        total += table.ravel()
        both += np.outer(table, table)
    used = np.ones(units**2, bool) if autapses else ~np.eye(units, dtype=bool).ravel()
    assert not total[~used].any()
    share = n / pairs
    variance = n * (1 / pairs) * (1 - 1 / pairs) if multapses else share * (1 - share)
    assert np.abs(total[used] - runs * share).max() < 4.5 * np.sqrt(runs * variance)
    off = both[np.ix_(used, used)][~np.eye(pairs, dtype=bool)]
    exact = runs * n * (n - 1) / (pairs**2 if multapses else pairs * (pairs - 1))
    np.testing.assert_allclose(off.mean(), exact, rtol=0.02 if multapses else 1e-12)
    assert np.abs(off - exact).max() < 6 * np.sqrt(exact + 1) * np.sqrt(1 + n / pairs)


def test_large_totals():
    for n in (1, 1000, 999_999, 1_000_000):
        assert fixed_total_number(KEY, 1000, 1000, n, 1.0).n_synapses == n
    sparse = fixed_total_number(KEY, 10**6, 10**6, 50, 1.0, autapses=False)
    assert sparse.n_synapses == 50


def test_fractions_of_candidates():
    assert fixed_out_degree(KEY, 10, 30, 0.1, 1.0).targets.shape == (10, 3)
    assert fixed_in_degree(KEY, 11, 11, 0.5, 1.0, autapses=False).n_synapses == 11 * 5
    assert fixed_total_number(KEY, 4, 4, 1.0, 1.0, autapses=False).n_synapses == 12
    assert fixed_total_number(KEY, 4, 4, 1, 1.0, autapses=False).n_synapses == 1


@pytest.mark.parametrize("autapses", [True, False])
def test_a_part_of_the_units_sends(autapses):
    n = 200
    runs = [
        counts(
            fixed_probability(jax.random.key(i), n, n, 0.3, 1.0, pre_ratio=0.25, autapses=autapses)
        )
        for i in range(30)
    ]
    sending = np.array([table.any(1) for table in runs])
    assert (sending.sum(1) == 50).all()
    assert np.abs(sending.sum(0) - 7.5).max() < 5 * np.sqrt(30 * 0.25 * 0.75)
    assert all(table.max() == 1 for table in runs)
    assert autapses or not any(table.diagonal().any() for table in runs)
    pairs = 50 * (n if autapses else n - 1)
    z = [(table.sum() - 0.3 * pairs) / np.sqrt(0.21 * pairs) for table in runs]
    assert np.abs(z).max() < 4.5 and abs(np.mean(z)) < 4.5 / np.sqrt(30)
    assert fixed_probability(KEY, n, n, 0.3, 1.0, pre_ratio=0.0).n_synapses == 0


# --- modules ------------------------------------------------------------------------------------

SIZES, OTHER = [30, 0, 50], [40, 60]
BLOCKS = np.array([[0.5, 0.0], [1.0, 1.0], [0.02, 1.0]])


def blocks(matrix):
    """Sums of a matrix over the pairs of groups."""
    rows = np.split(matrix, np.cumsum(SIZES)[:-1], axis=0)
    return np.array([[b.sum() for b in np.split(r, [40], axis=1)] for r in rows])


def test_modular_probabilities():
    found = [counts(modular(jax.random.key(i), SIZES, OTHER, BLOCKS, 1.0)) for i in range(10)]
    assert max(table.max() for table in found) == 1
    pairs = 10 * np.outer(SIZES, OTHER)
    total = np.sum([blocks(table) for table in found], axis=0)
    spread = np.sqrt(pairs * BLOCKS * (1 - BLOCKS))
    assert (np.abs(total - pairs * BLOCKS) <= 4.5 * spread).all()
    assert total[0, 1] == 0 and total[2, 1] == pairs[2, 1]
    one = modular(KEY, [20], [20], 1.0, 1.0, autapses=False)
    np.testing.assert_array_equal(counts(one), 1 - np.eye(20, dtype=int))
    assert modular(KEY, [], [3], 0.5, 1.0).shape == (0, 3)


def test_modular_tables():
    weights = [[Normal(5.0, 0.5), 0.0], [1.0, 1.0], [-3.0, Uniform(1.0, 2.0)]]
    delays = np.array([[1.0, 0.0], [0.0, 0.0], [2.0, 3.0]])
    conn = modular(KEY, SIZES, OTHER, BLOCKS, weights, delay=delays)
    np.testing.assert_array_equal(counts(conn), counts(modular(KEY, SIZES, OTHER, BLOCKS, 1.0)))
    dense = np.asarray(conn.to_dense())
    near = dense[:30, :40][dense[:30, :40] != 0]
    assert abs(near.mean() - 5) < 4.5 * 0.5 / np.sqrt(near.size) and 0.4 < near.std() < 0.6
    assert set(np.unique(dense[30:, :40])) == {-3.0, 0.0}
    last = dense[30:, 40:]
    assert last.min() >= 1 and last.max() < 2 and last.std() > 0.2
    rows, cols = np.asarray(conn.to_coo().rows), np.asarray(conn.to_coo().cols)
    np.testing.assert_array_equal(conn.delay, delays[np.where(rows < 30, 0, 2), (cols >= 40) * 1])
    assert modular(KEY, SIZES, OTHER, BLOCKS, Normal(0.0, 1.0)).weight.shape == (conn.n_synapses,)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: modular(KEY, [2], [2], [[0.5, 0.5]], 1.0), r"`p` is .* shape \(1, 1\)"),
        (lambda: modular(KEY, [2], [2], [[1.5]], 1.0), "`p` is .* from 0 to 1"),
        (lambda: modular(KEY, [2, -1], [2], 0.5, 1.0), "`pre_sizes` is -1"),
        (lambda: modular(KEY, 2, [2], 0.5, 1.0), "`pre_sizes` is 2, expected the number"),
        (lambda: modular(KEY, [2], [3], 0.5, 1.0, autapses=False), "n_pre == n_post"),
        (lambda: modular(KEY, [2], [2], 0.5, [[1.0, 2.0]]), "`weight` is a table .*lengths .2."),
        (lambda: modular(KEY, [2], [2], 0.5, np.ones((2, 1))), "`weight` is a table"),
        (lambda: modular(KEY, [2], [2], 1.0, 1.0, delay=[[Normal(1.0, 1.0)]]), "low=0.1"),
        (lambda: fixed_total_number(KEY, 3, 4, 13, 1.0), "`n` is 13, expected from 0 to 12"),
        (lambda: fixed_total_number(KEY, 3, 4, -1, 1.0), "`n` is -1"),
        (lambda: fixed_total_number(KEY, 3, 4, 1.5, 1.0), "`n` is 1.5, .* a fraction of 12"),
        (lambda: fixed_total_number(KEY, 0, 4, 1, 1.0, multapses=True), "`n` is 1, .* 0 to 0"),
        (lambda: fixed_out_degree(KEY, 3, 4, 2.0, 1.0), "`k` is 2.0, expected an int"),
        (lambda: fixed_probability(KEY, 3, 4, 0.5, 1.0, pre_ratio=-0.1), "`pre_ratio` is -0.1"),
        (lambda: fixed_probability(KEY, 3, 4, [0.5], 1.0), "`p` is"),
        (lambda: fixed_out_degree(KEY, 3, 4, 2, lambda d: d), "function of distance, but"),
        (lambda: fixed_out_degree(KEY, 3, 4, 2, 1.0, delay=Normal(1.0, 0.1)), "low=0.1"),
        (lambda: fixed_out_degree(KEY, 3, 4, 2, 1.0, delay=np.ones(3)), "`delay` has shape"),
    ],
)
def test_errors_of_more(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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
        (lambda: from_coo([0], [0, 1], 1.0, (2, 2)), "expected one entry per synapse in each"),
        (lambda: from_coo([2], [0], 1.0, (2, 2)), "`rows` has entries from 2 to 2"),
        (lambda: from_coo([0], [2], 1.0, (2, 2)), "`cols` has entries from 2 to 2"),
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
