"""Builders in space: against all distances, computed one by one."""

import tracemalloc

import jax
import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdyn.sparse import (
    Dense,
    FixedFanOut,
    Normal,
    Uniform,
    all_to_all,
    distance_dependent,
    gaussian,
    grid_neighbours,
    grid_positions,
)

KEY = jax.random.key(0)
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


def pairs(conn):
    coo = conn.to_coo()
    return np.asarray(coo.rows), np.asarray(coo.cols)


def table(conn):
    """Number of synapses of each pair: [n_pre, n_post]."""
    result = np.zeros(conn.shape, int)
    np.add.at(result, pairs(conn), 1)
    return result


def all_distances(x, y, period):
    """By looking at each pair in each of the neighbouring images of the space."""
    x, y = (z if z.ndim == 2 else z[:, None] for z in (x, y))
    period = period if isinstance(period, list) else [period] * x.shape[1]
    gaps = np.abs(x[:, None, :] - y[None, :, :])
    for axis, length in enumerate(period):
        if length is not None:
            most = int(gaps[..., axis].max(initial=0.0) / length) + 1
            images = [gaps[..., axis] - k * length for k in range(most + 1)]
            gaps[..., axis] = np.min(np.abs(images), axis=0)
    return np.sqrt((gaps**2).sum(-1))


# --- distance -----------------------------------------------------------------------------------


@st.composite
def spaces(draw):
    d = draw(st.integers(1, 3))
    n_pre, n_post = draw(st.integers(0, 30)), draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    scale = rng.choice([0.0, 0.01, 1.0, 3.0], d)
    period = [rng.choice([0.3, 1.0, 2.0]) if rng.random() < 0.5 else None for _ in range(d)]
    x, y = (scale * rng.normal(size=(n, d)) for n in (n_pre, n_post))
    if draw(st.booleans()):
        x, y = np.round(x, 1), np.round(y, 1)  # many at the same place, and on borders of cells
    return x, y, period, draw(st.sampled_from([0.02, 0.153, 0.52, 1.03, 20.1]))


@given(spaces())
@SETTINGS
def test_cutoff_connects_all_that_are_near_and_no_others(space):
    x, y, period, cutoff = space
    near = all_distances(x, y, period) <= cutoff
    conn = distance_dependent(
        KEY, x, y, lambda d: np.ones_like(d), 1.0, cutoff=cutoff, period=period
    )
    np.testing.assert_array_equal(table(conn), near)
    step = distance_dependent(KEY, x, y, lambda d: d <= cutoff, 1.0, period=period)
    np.testing.assert_array_equal(table(step), near)


@given(spaces())
@SETTINGS
def test_a_wide_gaussian_connects_all(space):
    x, y, period, _ = space
    assert (table(gaussian(KEY, x, y, 1e6, 1.0, 1.0, period=period)) == 1).all()


def assert_follows(conns, d, p, bins=16):
    """The number of synapses in each bin of distance against the sum of the probabilities."""
    order = np.argsort(d, axis=None)
    mass = np.cumsum(p.ravel()[order])
    at = np.searchsorted(mass, mass[-1] * np.arange(1, bins) / bins)
    edges = np.unique(d.ravel()[order][at])
    bins = edges.size + 1
    at = np.searchsorted(edges, d)
    found = sum(np.bincount(at[pairs(c)], minlength=bins) for c in conns)
    mean = len(conns) * np.bincount(at.ravel(), p.ravel(), minlength=bins)
    spread = np.sqrt(len(conns) * np.bincount(at.ravel(), (p * (1 - p)).ravel(), minlength=bins))
    assert mean.min() > 10
    assert np.abs((found - mean) / spread).max() < 4.5


@pytest.mark.parametrize("period", [None, 1.0, [1.0, None]])
@pytest.mark.parametrize("sigma", [0.03, 0.15, 0.6])
def test_gaussian_probability(period, sigma):
    rng = np.random.default_rng(1)
    x, y = rng.random((500, 2)), rng.random((700, 2))
    d = all_distances(x, y, period)
    conns = [gaussian(jax.random.key(i), x, y, sigma, 0.6, 1.0, period=period) for i in range(5)]
    assert all(table(c).max() == 1 for c in conns)
    assert_follows(conns, d, 0.6 * np.exp(-(d**2) / (2 * sigma**2)))


def test_gaussian_tail():
    """Far pairs too have the probability of the Gaussian: nothing is cut off."""
    x = np.zeros((1500, 1))
    y = np.full((1500, 1), 4.0)
    y[::2] = 3.3
    conns = [gaussian(jax.random.key(i), x, y, 1.0, 1.0, 1.0) for i in range(4)]
    for distance, start in ((3.3, 0), (4.0, 1)):
        found = sum((pairs(c)[1] % 2 == start).sum() for c in conns)
        mean = 4 * 1500 * 750 * np.exp(-(distance**2) / 2)
        assert abs(found - mean) < 4.5 * np.sqrt(mean)


@pytest.mark.parametrize("d", [1, 3])
def test_gaussian_on_a_line_and_in_space(d):
    x = np.random.default_rng(2).random((600, d))
    conns = [gaussian(jax.random.key(i), x, x, 0.1, 0.9, 1.0, period=1.0) for i in range(4)]
    distance = all_distances(x, x, 1.0)
    assert_follows(conns, distance, 0.9 * np.exp(-(distance**2) / 0.02))


def test_any_profile():
    """One that rises with distance, and one that is 0 where units are nearest."""
    x = np.random.default_rng(3).random((600, 2))
    d = all_distances(x, x, None)
    for profile in (lambda d: np.minimum(d, 1.0), lambda d: 0.3 * (np.abs(d - 0.3) < 0.1)):
        conns = [distance_dependent(jax.random.key(i), x, x, profile, 1.0) for i in range(3)]
        assert_follows(conns, d, profile(d))


def test_pairs_are_independent():
    """The number of synapses varies as a sum of independent trials does."""
    x = np.linspace(0, 1, 60)
    d = all_distances(x, x, 1.0)
    p = 0.5 * np.exp(-(d**2) / 0.02)
    numbers = [
        gaussian(jax.random.key(i), x, x, 0.1, 0.5, 1.0, period=1.0).n_synapses for i in range(200)
    ]
    variance = (p * (1 - p)).sum()
    assert abs(np.mean(numbers) - p.sum()) < 4.5 * np.sqrt(variance / 200)
    assert abs(np.var(numbers) / variance - 1) < 4.5 * np.sqrt(2 / 200)


def test_delays_and_weights_of_distance():
    x = grid_positions((6, 5), 0.2)
    conn = distance_dependent(
        KEY,
        x,
        x,
        lambda d: 0.5 + 0 * d,
        lambda d: np.exp(-d),
        cutoff=0.7,
        period=[1.2, 1.0],
        delay=lambda d: d / 0.3 + 0.5,
    )
    d = all_distances(x, x, [1.2, 1.0])[pairs(conn)]
    np.testing.assert_allclose(conn.weight, np.exp(-d), rtol=1e-12)
    np.testing.assert_allclose(conn.delay, d / 0.3 + 0.5, rtol=1e-12)
    on_grid = conn.round_delays(0.125)
    np.testing.assert_array_equal(np.asarray(on_grid.delay) % 0.125, 0)
    assert np.abs(np.asarray(on_grid.delay) - conn.delay).max() <= 0.0625 + 1e-12


def test_no_autapses_and_silent_units():
    x = np.random.default_rng(0).random(200)
    for build in (
        lambda **options: gaussian(KEY, x, x, 0.2, 1.0, 1.0, **options),
        lambda **options: distance_dependent(KEY, x, x, lambda d: d < 0.1, 1.0, **options),
    ):
        assert table(build()).diagonal().all()
        assert not table(build(autapses=False)).diagonal().any()
        assert (table(build(pre_ratio=0.3)).sum(1) > 0).sum() == 60


def test_key_decides():
    x = np.random.default_rng(0).random((100, 2))
    one, same, other, lawful = (
        gaussian(jax.random.key(k), x, x, 0.2, 0.5, w)
        for k, w in ((0, 1.0), (0, 1.0), (1, 1.0), (0, Normal(0.0, 1.0)))
    )
    np.testing.assert_array_equal(table(one), table(same))
    np.testing.assert_array_equal(table(one), table(lawful))
    assert (table(one) != table(other)).any()


def test_memory_grows_with_synapses_not_pairs():
    x = np.random.default_rng(0).random((30_000, 2))
    tracemalloc.start()
    try:
        conn = gaussian(KEY, x, x, 0.005, 0.5, 1.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert conn.n_synapses > 50_000
    assert peak < 100e6 < 30_000**2 / 8  # bytes; all pairs would not fit even as bits


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda x: gaussian(KEY, x, x, 0.0, 0.5, 1.0), "`sigma` is 0.0"),
        (lambda x: gaussian(KEY, x, x, 1.0, 1.5, 1.0), "`p` is 1.5"),
        (lambda x: gaussian(KEY, x, x[:5], 1.0, 0.5, 1.0, autapses=False), "given 10 and 5"),
        (lambda x: gaussian(KEY, x, x[:, None] * [1, 1], 1.0, 0.5, 1.0), "1 dimensions .* 2"),
        (lambda x: gaussian(KEY, x, x * np.nan, 1.0, 0.5, 1.0), "`post` .* finite positions"),
        (lambda x: gaussian(KEY, x, x, 1.0, 0.5, 1.0, period=-1.0), "`period` is -1.0"),
        (lambda x: gaussian(KEY, x, x, 1.0, 0.5, 1.0, period=[1.0, 1.0]), "`period` is"),
        (lambda x: gaussian(KEY, x, x, 1.0, 0.5, 1.0, pre_ratio=2.0), "`pre_ratio` is 2.0"),
        (lambda x: gaussian(KEY, x, x, 1.0, 1.0, lambda d: d[1:]), "`weight` gave shape"),
        (
            lambda x: gaussian(KEY, x, x, 1.0, 1.0, 1.0, delay=lambda d: d - 1),
            "`delay` has -1.0 ms",
        ),
        (lambda x: distance_dependent(KEY, x, x, lambda d: d, 1.0), "`profile` gave .* distance"),
        (lambda x: distance_dependent(KEY, x, x, lambda d: d[1:], 1.0), "`profile` gave shape"),
        (lambda x: distance_dependent(KEY, x, x, lambda d: d, 1.0, cutoff=0.0), "`cutoff` is 0.0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make(np.arange(10.0))


# --- grids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [5, (0,), (1,), (2,), (3,), (2, 2), (1, 4), (4, 3), (2, 3, 4), (5, 6), (3, 0)]
)
@pytest.mark.parametrize("radius", [0, 1, 1.5, 2, 7])
@pytest.mark.parametrize("norm", ["city_block", "chessboard", "euclidean"])
def test_grid_neighbours(shape, radius, norm):
    sizes = shape if isinstance(shape, tuple) else (shape,)
    x = grid_positions(shape)
    assert x.shape == (np.prod(sizes), len(sizes))
    mixed = [k % 2 == 0 for k in range(len(sizes))]
    for periodic in (False, True, mixed):
        flags = [periodic] * len(sizes) if isinstance(periodic, bool) else periodic
        gaps = np.abs(x[:, None, :] - x[None, :, :])
        for axis, wraps in enumerate(flags):
            if wraps:
                gaps[..., axis] = np.minimum(gaps[..., axis], sizes[axis] - gaps[..., axis])
        order = {"city_block": 1, "chessboard": np.inf, "euclidean": 2}[norm]
        near = np.linalg.norm(gaps, order, axis=-1) <= radius if x.size else np.zeros((0, 0))
        options = {"radius": radius, "norm": norm, "periodic": periodic}
        conn = grid_neighbours(shape, lambda d: d, autapses=True, **options)
        np.testing.assert_array_equal(table(conn), near)
        np.testing.assert_allclose(
            conn.weight, np.linalg.norm(gaps, axis=-1)[near == 1], rtol=1e-12
        )
        conn = grid_neighbours(shape, 1.0, **options)
        np.testing.assert_array_equal(table(conn), near * (1 - np.eye(len(x), dtype=int)))


def test_the_neighbourhoods_that_have_names():
    four = grid_neighbours((4, 5), 1.0, norm="city_block", periodic=True)
    eight = grid_neighbours((4, 5), 1.0, periodic=True)
    assert (table(four).sum(1) == 4).all() and (table(eight).sum(1) == 8).all()
    assert four.indices[:4].tolist() == [1, 4, 5, 15]
    cube = grid_neighbours((3, 3, 3), 1.0, radius=1)
    assert table(cube).sum(1).reshape(3, 3, 3)[1, 1].tolist() == [17, 26, 17]


def test_grid_laws():
    conn = grid_neighbours((4, 4), Uniform(1.0, 2.0), key=KEY, delay=lambda d: d)
    assert conn.weight.shape == (conn.n_synapses,) and conn.weight.min() >= 1
    assert set(conn.delay.tolist()) == {1.0, np.sqrt(2.0)}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: grid_neighbours((3, 3), 1.0, norm="moore"), "`norm` is 'moore', expected \"city"),
        (lambda: grid_neighbours((3, 3), 1.0, radius=-1), "`radius` is -1"),
        (lambda: grid_neighbours((3, -3), 1.0), "`shape` is -3"),
        (lambda: grid_neighbours((), 1.0), "`shape` is empty"),
        (lambda: grid_neighbours((3, 3), 1.0, periodic=[True]), "one for each of 2 axes"),
        (lambda: grid_neighbours((3, 3), Normal(0.0, 1.0)), "`weight` is drawn from a law, .*key"),
        (lambda: grid_neighbours((3, 3), np.ones(3)), "`weight` has shape"),
        (lambda: all_to_all(2, 3, 1.0, autapses=False), "n_pre == n_post"),
        (lambda: all_to_all(2, 3, lambda d: d), "`weight` is a function of distance"),
        (lambda: all_to_all(2, 3, np.ones(3)), "`weight` has shape"),
    ],
)
def test_grid_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_all_to_all(n):
    conn = all_to_all(n, 4, 0.5, delay=Uniform(1.0, 2.0), key=KEY)
    assert type(conn) is Dense and conn.delay.shape == (n, 4)
    np.testing.assert_array_equal(conn.to_dense(), np.full((n, 4), 0.5))
    conn = all_to_all(n, n, Normal(5.0, 0.1), key=KEY, autapses=False)
    assert type(conn) is FixedFanOut
    np.testing.assert_array_equal(table(conn), 1 - np.eye(n, dtype=int))


# --- units --------------------------------------------------------------------------------------

U = pint.UnitRegistry()


def test_functions_of_distance_convert_times():
    x = np.arange(5.0)
    conn = distance_dependent(
        KEY, x, x, lambda d: np.ones_like(d), 1.0, delay=lambda d: (500 + 100 * d) * U.us
    )
    rows, cols = pairs(conn)
    np.testing.assert_allclose(conn.delay, 0.5 + 0.1 * abs(rows - cols), rtol=1e-12)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda x: grid_positions(3, 25 * U.um), "`spacing` takes plain numbers.*magnitude"),
        (lambda x: grid_positions((2, 2), [25 * U.um, 1.0]), "`spacing` takes plain numbers"),
        (lambda x: gaussian(KEY, x * U.um, x, 1.0, 0.5, 1.0), "`pre` takes plain numbers"),
        (lambda x: gaussian(KEY, x, x, 1 * U.um, 0.5, 1.0), "`sigma` takes plain numbers"),
        (
            lambda x: distance_dependent(KEY, x, x, np.cos, 1.0, cutoff=2 * U.um),
            "`cutoff` takes plain numbers",
        ),
        (
            lambda x: distance_dependent(KEY, x, x, lambda d: 0.5 * U.um + 0 * U.um * d, 1.0),
            "'profile' is measured in '1'",
        ),
        (
            lambda x: gaussian(KEY, x, x, 1.0, 1.0, 1.0, period=3 * U.um),
            "`period` takes plain numbers",
        ),
        (
            lambda x: gaussian(KEY, x, x, 1.0, 1.0, lambda d: d * U.nS),
            "`weight` takes plain numbers",
        ),
        (
            lambda x: gaussian(KEY, x, x, 1.0, 1.0, 1.0, delay=lambda d: d * U.um),
            "'delay' is measured in 'ms'",
        ),
    ],
)
def test_units_that_cannot_be_kept_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(np.arange(3.0))
