"""Procedural connectivity: statistics of its synapses, edge cases, mistakes."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fdyn import Network, Projection, replace, simulate, summary
from fdyn.components import CUBA, LIF, Exponential, PoissonInput
from fdyn.sparse import ByDistance, FractionalDelay, Normal, Procedural, Uniform, use_native

KEY = jax.random.key(11)
# A standard normal exceeds 4.5 once in 150,000 draws; the seeds are fixed.
SIGMAS = 4.5


def listed(conn):
    """Rows and columns of all synapses, by row."""
    csr = conn.to_csr()
    return np.repeat(np.arange(conn.n_pre), np.diff(csr.indptr)), np.asarray(csr.indices)


def chi_square(counts, expected) -> float:
    """The statistic as standard deviations from its mean, which holds for many bins."""
    assert np.min(expected) > 5
    n = counts.size
    return (((counts - expected) ** 2 / expected).sum() - n) / np.sqrt(2 * n)


# --- the law of the pattern --------------------------------------------------------------------


@pytest.mark.parametrize(
    "p, n_pre, n_post",
    [(1e-5, 2000, 1_000_000), (1e-3, 1000, 30_011), (0.03, 1000, 1000), (0.3, 500, 777),
     (0.9, 400, 500), (0.999, 300, 500)],
)  # fmt: skip
def test_degrees_are_binomial(p, n_pre, n_post):
    rows, cols = listed(Procedural(KEY, n_pre, n_post, p))
    spread = np.sqrt(n_pre * n_post * p * (1 - p))
    assert abs(rows.size - n_pre * n_post * p) < SIGMAS * spread
    for units, n, other in ((rows, n_pre, n_post), (cols, n_post, n_pre)):
        variance = other * p * (1 - p)
        degree = np.bincount(units, minlength=n)
        # The fourth moment of a binomial gives the error of the variance.
        error = np.sqrt((variance * (1 - 6 * p * (1 - p)) + 2 * variance**2) / n)
        assert abs(np.mean((degree - other * p) ** 2) - variance) < SIGMAS * error


@pytest.mark.parametrize("p, n_pre, n_post", [(0.02, 200, 50_000), (0.3, 50, 20_000)])
def test_targets_and_gaps(p, n_pre, n_post):
    rows, cols = listed(Procedural(KEY, n_pre, n_post, p))
    bins = np.bincount(cols * 200 // n_post, minlength=200)
    assert abs(chi_square(bins, n_pre * n_post * p / 200)) < SIGMAS
    gaps = np.diff(cols)[np.diff(rows) == 0] - 1
    assert gaps.min() == 0
    # Those that would cross the end of a row are missing, which is one of p * n_post.
    longest = int(np.log(20 / gaps.size / p) / np.log1p(-p))
    expected = gaps.size * p * (1 - p) ** np.arange(longest)
    counts = np.bincount(gaps, minlength=longest)[:longest]
    assert abs(chi_square(counts, expected)) < SIGMAS + 1


def test_rows_do_not_depend_on_each_other():
    n_pre, n_post, p = 1000, 2000, 0.1
    dense = np.zeros((n_pre, n_post), np.float32)
    dense[listed(Procedural(KEY, n_pre, n_post, p))] = 1
    shared = {
        "next row": (dense[1:] * dense[:-1]).sum() / (n_pre - 1),
        "next column": (dense[:, 1:] * dense[:, :-1]).sum() / (n_post - 1) * n_post / n_pre,
        "shifted": (dense[1:, 1:] * dense[:-1, :-1]).sum() / (n_pre - 1) * n_post / (n_post - 1),
        "next key": (
            dense * np.asarray(Procedural(jax.random.key(12), n_pre, n_post, p).to_dense())
        ).sum() / n_pre,
    }  # fmt: skip
    spread = np.sqrt(n_post * p**2 * (1 - p**2) / n_pre)
    for what, found in shared.items():
        assert abs(found - n_post * p**2) < SIGMAS * spread, what
    # All pairs of rows at once.
    overlap = dense @ dense.T
    overlap = overlap[np.triu_indices(n_pre, 1)]
    assert abs(overlap.var() / (n_post * p**2 * (1 - p**2)) - 1) < 0.05


def test_small_probabilities_in_large_populations():
    n_post = 2**30 + 12345
    rows, cols = listed(Procedural(KEY, 200, n_post, 1e-6))
    assert abs(rows.size - 200 * n_post * 1e-6) < SIGMAS * np.sqrt(200 * n_post * 1e-6)
    bins = np.bincount(cols.astype(np.int64) * 256 // n_post, minlength=256)
    assert abs(chi_square(bins, rows.size / 256)) < SIGMAS
    # The lowest bits, which would show too coarse a gap.
    assert abs(chi_square(np.bincount(cols % 64, minlength=64), rows.size / 64)) < SIGMAS
    rows, cols = listed(Procedural(KEY, 3000, 2**31 - 1, 2.0**-28))
    assert abs(rows.size - 3000 * 8) < SIGMAS * np.sqrt(3000 * 8)


@pytest.mark.parametrize("law", [Uniform(-1.0, 3.0), Normal(0.5, 2.0)], ids=["uniform", "normal"])
def test_weights_follow_their_law(law):
    csr = Procedural(KEY, 300, 2000, 0.1, law).to_csr()
    w = np.asarray(csr.weight)
    ordered = np.sort(w)
    distance = np.abs(np.arange(1, w.size + 1) / w.size - law.cdf(ordered)).max()
    assert distance < 2.23 / np.sqrt(w.size)  # Kolmogorov-Smirnov, level 1e-4
    for lag in (1, 2, 200):
        correlation = np.corrcoef(w[lag:], w[:-lag])[0, 1]
        assert abs(correlation) < SIGMAS / np.sqrt(w.size)
    columns = np.asarray(csr.indices)
    gaps = np.diff(columns)
    assert abs(np.corrcoef(w[1:], gaps)[0, 1]) < SIGMAS / np.sqrt(w.size)


# --- edges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_all_and_none(native):
    products = eqx.filter_jit(lambda conn, s, g: (s @ conn, conn @ g))
    with use_native(native):
        full = Procedural(KEY, 3, 130, 1.0)
        assert_array_equal(full.to_dense(), np.ones((3, 130)))
        assert_array_equal(products(full, jnp.ones(3), jnp.ones(130))[0], 3.0 * np.ones(130))
        none = Procedural(KEY, 3, 130, 0.0)
        assert_array_equal(products(none, jnp.ones(3), jnp.ones(130))[0], np.zeros(130))
        assert none.n_synapses == 0 and none.to_csr().n_synapses == 0
        for n_pre, n_post in ((1, 1), (0, 5), (5, 0)):
            conn = Procedural(KEY, n_pre, n_post, 1.0, 2.0)
            y, x = products(conn, jnp.ones(n_pre), jnp.ones(n_post))
            assert_array_equal(y, np.full(n_post, 2.0 * n_pre))
            assert_array_equal(x, np.full(n_pre, 2.0 * n_post))


def test_autapses():
    conn = Procedural(KEY, 60, 60, 1.0, autapses=False)
    assert_array_equal(conn.to_dense(), 1 - np.eye(60))
    with_them = Procedural(KEY, 60, 60, 0.5)
    without = Procedural(KEY, 60, 60, 0.5, autapses=False)
    # Nothing else changes.
    assert_array_equal(without.to_dense(), with_them.to_dense() * (1 - np.eye(60)))
    assert np.trace(with_them.to_dense()) > 0


def test_parts_and_turns():
    conn = Procedural(KEY, 40, 300, 0.1, Normal(0.0, 1.0))
    dense = np.asarray(conn.to_dense())
    part = conn[7:33, 100:250]
    assert isinstance(part, Procedural) and part.shape == (26, 150)
    assert_array_equal(part.to_dense(), dense[7:33, 100:250])
    assert_array_equal(part[3:5, 20:].to_dense(), dense[10:12, 120:250])
    assert_array_equal(conn.T.to_dense(), dense.T)
    assert_array_equal(conn.T[100:250, 7:33].T.to_dense(), dense[7:33, 100:250])
    chosen = conn[[5, 1, 30], np.arange(300) % 7 == 0]
    assert_array_equal(chosen.to_dense(), dense[[5, 1, 30]][:, ::7])
    rows = Procedural(KEY, 40, 300, 0.1, np.arange(40.0)[:, None])
    assert_array_equal(rows[7:33, 100:250].to_dense(), np.asarray(rows.to_dense())[7:33, 100:250])
    with pytest.raises(ValueError, match="`post` takes 10 units from 295 on"):
        conn.slice(post=(295, 10))


def test_what_it_holds():
    conn = Procedural(KEY, 10**5, 10**5, 0.001, Uniform(0.0, 1.0))
    assert conn.nbytes < 100
    assert_allclose(conn.probability, 0.001, rtol=1e-8)
    assert "weight.low" in (text := summary(conn))
    assert re.search(r"100000x100000 +about 1e\+07 ", text)
    assert replace(conn, lambda c: c.weight.low, 0.5).weight.low == 0.5


# --- distance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("pre, post", [((1, 2000), (1, 2000)), ((40, 30), (40, 30))])
def test_probability_by_distance(periodic, pre, post):
    near = ByDistance(lambda d: 0.8 * np.exp(-d / 2.0), cutoff=5.0, spacing=0.5, periodic=periodic)
    sizes = [x[1] if x[0] == 1 else x for x in (pre, post)]
    rows, cols = listed(Procedural(KEY, *sizes, near))

    def distance(i, j):
        steps = [abs(i // post[1] - j // post[1]), abs(i % post[1] - j % post[1])]
        if periodic:
            steps = [np.minimum(x, n - x) for x, n in zip(steps, post, strict=True)]
        return steps[0] ** 2 + steps[1] ** 2

    units = np.arange(post[0] * post[1])
    pairs = np.bincount(distance(units[:, None], units[None]).ravel(), minlength=101)[:101]
    found = np.bincount(distance(rows, cols), minlength=101)
    assert found[101:].sum() == 0  # the cutoff is ten times the spacing
    p = 0.8 * np.exp(-np.sqrt(np.arange(101)) * 0.5 / 2.0)
    some = pairs * p > 20
    z = (found[:101] - pairs * p)[some] / np.sqrt((pairs * p * (1 - p))[some])
    assert (found[:101][pairs == 0] == 0).all() and some.sum() > 8
    assert abs(z).max() < SIGMAS and abs((z**2).sum() - z.size) < SIGMAS * np.sqrt(2 * z.size)


def test_populations_of_different_size_share_a_space():
    near = ByDistance(lambda d: 1.0 * (d <= 1), cutoff=1.0, periodic=True)
    fine = np.asarray(Procedural(KEY, 3, 12, near).to_dense())
    for row, centre in enumerate((2, 6, 10)):
        assert_array_equal(np.flatnonzero(fine[row]), np.arange(centre - 1, centre + 2) % 12)
    coarse = np.asarray(Procedural(KEY, 12, 3, near).to_dense())
    assert_array_equal(coarse, np.ones((12, 3)))
    small = np.asarray(Procedural(KEY, (2, 2), (6, 4), near).to_dense()).reshape(4, 6, 4)
    assert_array_equal(np.argwhere(small[3]), [[3, 3], [4, 0], [4, 2], [4, 3], [5, 3]])


@pytest.mark.parametrize("cutoff, squares", [(3.0, 18), (2.8, 16), (1.05, 2), (0.69, 0)])
def test_all_within_the_cutoff_are_reached(cutoff, squares):
    """Whether or not the cutoff is a multiple of the spacing."""
    near = ByDistance(lambda d: 1.0 + 0 * d, cutoff=cutoff, spacing=0.7, periodic=False)
    conn = Procedural(KEY, (9, 11), (9, 11), near)
    rows, cols = np.divmod(np.arange(99), 11)
    squared = (rows[:, None] - rows) ** 2 + (cols[:, None] - cols) ** 2
    assert_array_equal(conn.to_csr().to_dense(), squared <= squares)
    assert_allclose(conn.expected_synapses, (squared <= squares).sum(), rtol=1e-6)


def test_delays_by_distance():
    near = ByDistance(lambda d: 0.5 * (d < 20), cutoff=30.0, periodic=False)
    conn = Procedural(KEY, 50, 50, near, delay=lambda d: 1.0 + d / 4)
    csr = conn.to_csr()
    rows, cols = listed(conn)
    assert_allclose(csr.delay, 1.0 + abs(rows - cols) / 4)
    assert_allclose(conn.round_delays(0.5).to_csr().delay, np.round(2 + abs(rows - cols) / 2) / 2)


@pytest.mark.parametrize("periodic", [True, False])
def test_the_mean_number_of_synapses(periodic):
    """On the host, from the table; the number that is generated scatters around it."""
    near = ByDistance(lambda d: 0.8 * np.exp(-d / 3.0), cutoff=9.0, periodic=periodic)
    for sizes, part in (((600, 900), (slice(90, 400), slice(200, 700))),
                        (((20, 15), (30, 40)), (slice(37, 260), slice(111, 800)))):  # fmt: skip
        conn = Procedural(KEY, *sizes, near)
        for some in (conn, conn[part], conn[part].T):
            mean = some.expected_synapses
            assert abs(some.to_csr().n_synapses - mean) < SIGMAS * np.sqrt(mean) and mean > 100
    assert_allclose(Procedural(KEY, 30, 40, 0.25).expected_synapses, 300, rtol=1e-6)


def test_space_is_open_by_default_and_delays_may_have_units():
    unit = pint.UnitRegistry().us
    near = ByDistance(lambda d: 1.0 * (d <= 1), cutoff=1.0, spacing=0.5)
    conn = Procedural(KEY, 6, 6, near, delay=lambda d: (500 + 1000 * d) * unit)
    gaps = abs(np.subtract.outer(np.arange(6), np.arange(6)))
    assert_array_equal(conn.to_dense(), gaps <= 2)
    rows, cols = listed(conn)
    assert_allclose(conn.to_csr().delay, 0.5 + 0.5 * abs(rows - cols))


def test_an_error_of_a_delay_names_the_distance():
    near = ByDistance(lambda d: 0.5 + 0 * d, cutoff=0.2, spacing=0.05)
    for size, at in ((40, "0.05"), ((8, 8), "0.0707107")):
        conn = Procedural(
            KEY, size, size, near, delay=lambda d, at=at: 0.5 + 0.25 * (d > float(at) - 1e-3)
        )
        with pytest.raises(ValueError, match=rf"at distance {at} is 0.75 ms.*round_delays\(0.1\)"):
            conn.route(0.1)
        conn.round_delays(0.1).route(0.1)


# --- in a network ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "delay",
    [
        pytest.param(None, id="no delay"),
        pytest.param(Uniform(0.5, 2.0), id="delays of a law"),
        pytest.param(1.0, id="one delay"),
    ],
)
def test_a_network_with_generated_synapses_is_that_with_listed_ones(delay):
    conn = Procedural(KEY, 60, 40, 0.3, Normal(20.0, 5.0), delay=delay)

    def run(connect):
        net = Network(
            {"in": PoissonInput(60, rate=40.0), "E": LIF(40)},
            {"in_E": Projection("in", "E", connect, Exponential(5.0), CUBA(), delay=0.5)},
        )
        return simulate(net, 30.0, dt=0.25, record=["E.v", "in_E.g"])

    generated, stored = run(conn), run(conn.round_delays(0.25).to_csr())
    assert_allclose(generated["in_E.g"], stored["in_E.g"], rtol=1e-5, atol=1e-4)
    assert_allclose(generated["E.v"], stored["E.v"], rtol=1e-5, atol=1e-4)
    assert np.asarray(generated["in_E.g"]).max() > 50


# --- mistakes ----------------------------------------------------------------------------------

LONG = ByDistance(lambda d: 0.5 + 0 * d, cutoff=3.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Procedural(KEY, 3, 3, 1.5), "`probability` is 1.5, expected a number from 0"),
        (lambda: Procedural(KEY, 3, 3, -0.1), "`probability` is -0.1"),
        (lambda: Procedural(KEY, 3, 3, np.nan), "`probability` is nan"),
        (lambda: Procedural(KEY, 3, 3, 1e-10), "`probability` is 1e-10, expected 0 or at least"),
        (lambda: Procedural(KEY, 3, 3, [0.5]), "`probability` is"),
        (lambda: Procedural(KEY, 3, 3, "a"), "`probability` is 'a', expected a number"),
        (lambda: Procedural(KEY, 3, 3, None), "`probability` is None, expected a number"),
        (lambda: jax.jit(lambda p: Procedural(KEY, 3, 3, p))(0.5), "outside jit"),
        (lambda: Procedural(jax.random.key(0, impl="rbg"), 3, 3, 0.5), "expected threefry2x32"),
        (lambda: Procedural(0, 3, 3, 0.5), "expected a key made by"),
        (lambda: Procedural(jax.random.split(KEY), 3, 3, 0.5), "expected a single key"),
        (lambda: Procedural(jax.random.key_data(jax.random.split(KEY)), 3, 3, 0.5), "`key` is"),
        (lambda: Procedural(KEY, -3, 3, 0.5), "`n_pre` is -3"),
        (lambda: Procedural(KEY, 3, 2**31, 0.5), "`n_post` is 2147483648"),
        (lambda: Procedural(KEY, 3, 4, 0.5, autapses=False), "expected n_pre == n_post"),
        (
            lambda: Procedural(KEY, 3, 3, 0.5, np.ones(4)),
            r"`weight` has shape \(4,\), .*per column, or a law; one per synapse needs stored",
        ),
        (lambda: Procedural(KEY, (3, 3), 9, LONG), "`n_pre` is .* a plane, but `n_post` .* a line"),
        (lambda: Procedural(KEY, 9, (3, 3), LONG), "`n_post` is .* a plane, but `n_pre` .* a line"),
        (lambda: Procedural(KEY, 3, 3, 0.5, Normal(0.0, 1.0, low=0.0)), "without bounds"),
        (lambda: Procedural(KEY, 3, 3, 0.5, block=24), "`block` is 24, expected a power of two"),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=-1.0), "`delay` has -1.0 ms"),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=lambda d: d), "needs `ByDistance`"),
        (
            lambda: Procedural(KEY, 3, 3, 0.5, delay=FractionalDelay(np.ones(3))),
            "needs stored synapses",
        ),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=Uniform(0.0, 1.0)).to_csr(), "round_delays"),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=Uniform(0.3, 1.0)).route(0.25), "0.3"),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=Normal(1.0, 1.0)).route(0.25), "within bounds"),
        (lambda: Procedural(KEY, 3, 3, 0.5, delay=Uniform(0.0, 1.0)).T.route(0.25), "transposed"),
        (lambda: ByDistance(lambda d: d, cutoff=0.0), "`cutoff` is 0.0"),
        (lambda: ByDistance(lambda d: d, cutoff="far"), "`cutoff` is 'far'"),
        (lambda: ByDistance(lambda d: d, cutoff=1.0, spacing=np.inf), "`spacing` is inf"),
        (
            lambda: Procedural(KEY, 9, 9, ByDistance(lambda d: d, cutoff=3.0)),
            "`profile` gives 2.0 at the distance 2",
        ),
        (
            lambda: Procedural(KEY, 9, 9, ByDistance(lambda d: 0.5, cutoff=3.0)),
            r"`profile` gives shape \(\)",
        ),
        (lambda: Procedural(KEY, (3, 3, 3), 9, LONG), "`n_pre` is"),
    ],
)  # fmt: skip
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_scalars_of_numpy_and_bare_keys_are_taken():
    for number in (np.float64, np.float32, jnp.float64):
        near = ByDistance(
            lambda d: 1.0 * (d <= 2), cutoff=number(2), spacing=number(1), periodic=True
        )
        assert Procedural(KEY, 9, 9, near, weight=1.0).n_synapses == 45
    bare, p = jax.random.key_data(KEY), np.float32(0.5)
    assert_array_equal(Procedural(bare, 5, 9, p).to_dense(), Procedural(KEY, 5, 9, 0.5).to_dense())


def test_a_weight_of_one_column():
    """Of shape [1, 1], and not one per row."""
    conn = Procedural(KEY, 3, 1, 1.0, np.array([[2.0]]))
    assert_array_equal(conn[1:3, :].to_dense(), [[2.0], [2.0]])
    assert_array_equal(jnp.ones(3) @ conn, [6.0])
    assert_array_equal(conn.T[:, 1:].to_dense(), [[2.0, 2.0]])


LATE = Procedural(KEY, 5, 7, 1.0, delay=Uniform(0.0, 1.0))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda: {"s": jnp.ones(9)}, r"`s` has shape \(9,\), expected \(5,\)"),
        (lambda: {"s": jnp.ones((2, 5))}, "batches need jax.vmap"),
        (lambda: {"ring": jnp.zeros(4 * 7)}, r"D \* 7 places, where D is at least 5 rows"),
        (lambda: {"ring": jnp.zeros(5 * 7 + 1)}, r"`ring` has shape \(36,\)"),
        (lambda: {"ring": jnp.zeros((5, 7))}, "expected one axis"),
        (lambda: {"ring": jnp.zeros(5 * 7, "int32")}, "`ring` is int32"),
        (lambda: {"route": LATE.to_csr}, "`route` is of another connectivity"),
        (lambda: {"conn": LATE.T}, "a transposed Procedural has no delays"),
    ],
)
def test_what_a_deposit_refuses(change, message):
    route, steps = LATE.route(0.25)
    given = {"conn": LATE, "ring": jnp.zeros((steps + 1) * 7), "s": jnp.ones(5), "route": route}
    given |= change()
    with pytest.raises(ValueError, match=message):
        given["conn"].deposit(given["ring"], given["s"], given["route"], 0)


def test_replaced_weights_are_brought_to_the_dtype_or_refused():
    conn = Procedural(KEY, 5, 7, 1.0)
    whole = eqx.tree_at(lambda c: c.weight, conn, jnp.array(2, "int8"))
    assert_array_equal(jnp.ones(5) @ whole, np.full(7, 10.0))
    near = Procedural(KEY, 5, 7, LONG)
    broken = eqx.tree_at(lambda c: c.space.row_centre, near, jnp.zeros(1, "float32"))
    with pytest.raises(ValueError, match="row_centre of float32, expected int32"):
        jnp.ones(5) @ broken
