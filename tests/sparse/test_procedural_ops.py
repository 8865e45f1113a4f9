"""Procedural products: the same pattern in machine code, in JAX and on the host."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import counting
from jax.extend.random import threefry_2x32
from numpy.testing import assert_allclose, assert_array_equal

from fdyn.sparse import (
    ByDistance,
    Normal,
    Procedural,
    Uniform,
    find_events,
    split_post,
    use_native,
)
from fdyn.sparse import _threefry as tf

KEY = jax.random.key(5)
N_PRE, N_POST = 24, 70
BELL = ByDistance(lambda d: 0.8 * np.exp(-0.5 * (d / 3.0) ** 2), cutoff=8.0, periodic=True)
OPEN = ByDistance(lambda d: 0.5 * (d < 4), cutoff=6.0, periodic=False)
CASES = {
    "constant": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, 0.7),
    "uniform": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, Uniform(-1.0, 2.0)),
    "normal": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, Normal(0.5, 2.0)),
    "part": lambda: Procedural(KEY, 90, 500, 0.2, Normal(0.5, 2.0), block=16)[37:61, 123:193],
    "no autapses": lambda: Procedural(KEY, 80, 80, 0.3, autapses=False)[10:34, 5:75],
    "ring": lambda: Procedural(KEY, N_PRE, N_POST, BELL, Normal(0.5, 2.0)),
    "line": lambda: Procedural(KEY, N_PRE, N_POST, OPEN, 2.0),
    "torus": lambda: Procedural(KEY, (4, 6), (7, 10), BELL, 2.0),
    "plane": lambda: Procedural(KEY, (6, 4), (7, 10), OPEN, Uniform(0.0, 1.0)),
    "turned": lambda: Procedural(KEY, N_POST, N_PRE, 0.2, Normal(0.5, 2.0)).T,
    "per row": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, np.arange(24.0)[:, None]),
}
EACH = pytest.mark.parametrize("case", CASES)
NATIVE = pytest.mark.parametrize("native", [True, False], ids=["native", "reference"])


def each_way(cases, quick):
    """Every case in machine code and in JAX, whose many compilations are slow but for a few."""
    return pytest.mark.parametrize(
        "case, native",
        [
            pytest.param(
                case,
                native,
                id=f"{case}-{'native' if native else 'reference'}",
                marks=() if native or case in quick else pytest.mark.slow,
            )
            for case in cases
            for native in (True, False)
        ],
    )


def vectors(conn, dtype=np.float64):
    rng = np.random.default_rng(0)
    s = rng.normal(size=conn.n_pre) * (rng.random(conn.n_pre) < 0.6)
    return jnp.asarray(s, dtype), jnp.asarray(rng.normal(size=conn.n_post), dtype)


# --- the generator -----------------------------------------------------------------------------


def test_the_generator_is_the_one_of_jax():
    rng = np.random.default_rng(0)
    key, count = (rng.integers(0, 2**32, n, dtype=np.uint32) for n in (2, 1000))
    expected = threefry_2x32(jnp.asarray(key), jnp.asarray(count))
    for words in (count, jnp.asarray(count)):
        found = tf.threefry(*(key[i : i + 1] for i in (0, 1)), words[:500], words[500:])
        assert_array_equal(np.concatenate(found), expected)


def test_whole_number_arithmetic():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2**32, (2, 10_000), dtype=np.uint32)
    a[:4], b[:4] = [0, 1, 2**32 - 1, 2**32 - 1], [2**32 - 1, 2**32 - 1, 2**32 - 1, 1]
    exact = (a.astype(np.uint64) * b) >> np.uint64(32)
    assert_array_equal(tf.high_product(a, b), exact)
    assert_array_equal(tf.high_product(jnp.asarray(a), jnp.asarray(b)), exact)


def test_the_logarithm():
    rng = np.random.default_rng(2)
    edges = [2**k + d for k in range(10, 32) for d in (-1, 0, 1)]
    words = np.array([*edges, 2**32 - 1, *rng.integers(2**9, 2**32, 100_000)], np.uint32)
    found = tf.exponential(words)
    assert_array_equal(found, tf.exponential(jnp.asarray(words)))
    assert_allclose(found * 2.0**-28, -np.log(words / 2.0**32), rtol=0, atol=1.3e-7)
    ordered = np.sort(words)
    assert (np.diff(tf.exponential(ordered).astype(np.int64)) <= 0).all()
    # Near one it is the relative error that counts, since it is that of small probabilities.
    near = (2**32 - np.arange(2**12, 2**20, 2**8)).astype(np.uint32)
    assert_allclose(tf.exponential(near) * 2.0**-28, -np.log(near / 2.0**32), rtol=5e-3)
    assert tf.exponential(np.array([0, 1], np.uint32)).max() < 16 * 2**28


@pytest.mark.parametrize("p", [1.0, 0.9, 0.5, 0.1, 1e-3, 1e-6, 2.0**-28])
def test_mean_gap_survives_in_whole_numbers(p):
    assert_allclose(tf.probability_of(*tf.gap_of(p)), p, rtol=1e-8)


def test_random_parts():
    words = np.random.default_rng(3).integers(0, 2**32, (2, 400_000), dtype=np.uint32)
    u, z = tf.uniform(words[0]), tf.normal(*words)
    assert_array_equal(u, tf.uniform(jnp.asarray(words[0])))
    assert_allclose(z, tf.normal(*jnp.asarray(words)), rtol=1e-5, atol=1e-6)
    assert u.dtype == z.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    angle = np.sin(np.pi * (words[1] / 2.0**32 - 0.5))
    exact = np.sqrt(tf.exponential(words[0]) * 2.0**-27) * angle
    assert_allclose(z, exact, atol=1e-5)


# --- products ----------------------------------------------------------------------------------


@pytest.mark.slow
@each_way(CASES, ("plane",))
def test_products_are_those_of_the_listed_synapses(case, native):
    conn = CASES[case]()
    dense = np.asarray(conn.to_csr().to_dense())
    s, g = vectors(conn)
    tolerance = {"rtol": 1e-6, "atol": 1e-5}  # the random part is of single precision

    @jax.jit  # one compilation for all
    def products(s, g):
        events = find_events(s)
        return s @ conn, conn @ g, conn.accumulate(g, s), g @ conn.T, events @ conn

    with use_native(native):
        found = products(s, g)
    s, g = np.asarray(s), np.asarray(g)
    y, x = s @ dense, dense @ g
    for a, b in zip(found, (y, x, g + y, x, y), strict=True):
        assert_allclose(a, b, **tolerance)


@EACH
def test_the_pattern_is_the_listed_one(case):
    conn = CASES[case]()
    unit = eqx.tree_at(lambda c: c.weight, conn, jnp.ones(()), is_leaf=lambda x: x is conn.weight)
    listed = conn.to_csr()
    assert conn.n_synapses == listed.n_synapses > 50
    rows = np.repeat(np.arange(conn.n_pre), np.diff(listed.indptr))
    dense = np.zeros(conn.shape)
    dense[rows, np.asarray(listed.indices)] = 1
    assert_array_equal(jax.jit(lambda s: s @ unit)(jnp.eye(conn.n_pre)), dense)


@each_way(["normal"], ())
def test_single_precision(float32, case, native):
    conn = CASES[case]()
    s, g = vectors(conn, np.float32)
    dense = np.asarray(conn.to_dense(), np.float64)
    with use_native(native):
        assert (s @ conn).dtype == jnp.float32
        assert_allclose(s @ conn, s @ dense, rtol=1e-4, atol=1e-4)
        assert_allclose(conn @ g, dense @ g, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@each_way(["constant", "uniform", "normal", "torus"], ())
def test_derivatives(case, native):
    conn = CASES[case]()
    s, g = vectors(conn)
    layout = jax.tree.structure(conn.weight)
    leaves = jax.tree.leaves(conn.weight)
    # The dense matrix is linear in the parameters, so that it gives its own derivatives.
    parts = [
        np.asarray(
            eqx.tree_at(
                lambda c: jax.tree.leaves(c.weight), conn, list(np.eye(len(leaves))[k])
            ).to_dense()
        )
        for k in range(len(leaves))
    ]

    def loss(parameters, s, g, procedural):
        if procedural:
            weight = jax.tree.unflatten(layout, parameters)
            model = eqx.tree_at(lambda c: c.weight, conn, weight)
            y, x = s @ model, model @ g
        else:
            dense = sum(p * part for p, part in zip(parameters, parts, strict=True))
            y, x = s @ dense, dense @ g
        return jnp.sum(jnp.sin(y)) + jnp.sum(y * g) + jnp.sum(jnp.cos(x))

    with use_native(native):
        for order in (jax.grad, lambda f, argnums: jax.jacfwd(jax.grad(f, argnums), argnums)):
            found, expected = (
                jax.jit(order(partial(loss, procedural=p), argnums=(0, 1, 2)))(leaves, s, g)
                for p in (True, False)
            )
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_gradient_of_spikes_is_there_where_there_is_none():
    conn = CASES["constant"]()
    _, g = vectors(conn)
    gradient = jax.grad(lambda s: jnp.sum((s @ conn) * g))(jnp.zeros(conn.n_pre))
    assert_allclose(gradient, conn @ g)
    assert np.abs(gradient).max() > 0.1
    events = jax.grad(lambda s: jnp.sum((find_events(s) @ conn) * g))(jnp.zeros(conn.n_pre))
    assert_allclose(events, gradient)


def test_batches():
    conn = CASES["uniform"]()
    s, g = vectors(conn)
    s, g = jnp.stack([s, 2 * s, 0 * s]), jnp.stack([g, -g, g + 1])
    assert_allclose(s @ conn, jnp.stack([x @ conn for x in s]))
    assert_allclose(conn @ g.T, jnp.stack([conn @ x for x in g]).T)
    keys = jax.random.split(KEY, 3)
    many = [eqx.tree_at(lambda c: c.key, conn, key) for key in keys]
    axes = eqx.tree_at(
        lambda c: c.key, jax.tree.map(lambda _: None, conn), 0, is_leaf=lambda x: x is None
    )
    stack = eqx.tree_at(lambda c: c.key, conn, keys)
    both = eqx.filter_vmap(lambda c, x: x @ c, in_axes=(axes, 0))(stack, s)
    assert_allclose(both, jnp.stack([x @ c for c, x in zip(many, s, strict=True)]))
    weights = jnp.array([1.0, 2.0, 3.0])
    low = eqx.filter_vmap(lambda low: s[0] @ eqx.tree_at(lambda c: c.weight.low, conn, low))(
        weights
    )
    for w, y in zip(weights, low, strict=True):
        assert_allclose(y, s[0] @ eqx.tree_at(lambda c: c.weight.low, conn, w), rtol=1e-12)


def test_new_keys_probabilities_and_offsets_do_not_compile_again():
    product = eqx.filter_jit(lambda conn, s: s @ conn)
    s = jnp.ones(N_PRE)
    conn = Procedural(KEY, N_PRE, N_POST, 0.2, block=32)
    others = [
        Procedural(jax.random.key(9), N_PRE, N_POST, 0.2, block=32),
        Procedural(KEY, N_PRE, N_POST, 0.4, 3.0, block=32),
        Procedural(KEY, 2 * N_PRE, 2 * N_POST, 0.2, block=32)[N_PRE:, N_POST:],
    ]
    first = product(conn, s)
    with counting() as counts:
        results = [product(other, s) for other in others]
    assert counts["traces"] == 0
    assert all(not np.array_equal(first, y) for y in results)


def test_batches_outside_of_jit_compile_once():
    conn = Procedural(KEY, 5, 9, 0.5)
    jnp.ones((3, 5)) @ conn, jnp.ones((3, 9)) @ conn.T
    with counting() as counts:
        for _ in range(2):
            jnp.ones((3, 5)) @ conn, jnp.ones((3, 9)) @ conn.T
    assert counts["compilations"] == 0


@NATIVE
def test_a_loop_accumulates(native):
    conn = CASES["constant"]()
    s, _ = vectors(conn)
    with use_native(native):
        y, _ = jax.lax.scan(
            lambda y, x: (conn.accumulate(y, x), None), jnp.zeros(N_POST), jnp.stack([s, -s, s])
        )
    assert_allclose(y, s @ conn, rtol=1e-12, atol=1e-12)


# --- parts and shards --------------------------------------------------------------------------


@pytest.mark.slow
@each_way(["normal", "no autapses", "ring", "plane"], ("plane",))
def test_a_traced_offset(case, native):
    conn = CASES[case]()
    s, _ = vectors(conn)
    whole = s @ conn

    @jax.jit
    def part(start):
        return s[3:20] @ conn.slice(pre=(3, 17), post=(start, 30))

    with use_native(native):
        expected = s.at[:3].set(0).at[20:].set(0) @ conn
        for start in (0, 7, conn.n_post - 30):
            assert_allclose(part(start), expected[start : start + 30], rtol=1e-12, atol=1e-12)
    assert not np.allclose(whole, expected)


@pytest.mark.slow
def test_split_parts_are_procedural():
    conn = CASES["normal"]()
    parts = split_post(conn, 7)
    assert isinstance(parts, Procedural)
    dense = [jax.tree.map(lambda x, d=d: x[d], parts).to_dense() for d in range(7)]
    assert_array_equal(np.concatenate(dense, axis=1), conn.to_dense())


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import PartitionSpec as P
from fdyn.sparse import Normal, Procedural, use_native
mesh = jax.make_mesh((4,), ("post",), axis_types=(jax.sharding.AxisType.Auto,))
conn = Procedural(jax.random.key(1), 30, 80, 0.2, Normal(1.0, 0.5))
s = jnp.where(jax.random.uniform(jax.random.key(2), (30,)) < 0.5, 1.0, 0.0)

def shard(s):
    part = conn.slice(post=(20 * jax.lax.axis_index("post"), 20))
    return s @ part

for native in (True, False):
    with use_native(native):
        whole, slope = s @ conn, jax.grad(lambda s: jnp.sum(jnp.sin(s @ conn)))(s)
        sharded = jax.shard_map(shard, mesh=mesh, in_specs=P(), out_specs=P("post"))
        found = jax.jit(sharded)(s)
        np.testing.assert_allclose(found, whole, rtol=1e-5)
        assert len(found.sharding.device_set) == 4
        other = jax.jit(jax.grad(lambda s: jnp.sum(jnp.sin(sharded(s)))))(s)
        np.testing.assert_allclose(other, slope, rtol=1e-4, atol=1e-5)
print("agree")
"""


@pytest.mark.slow
def test_each_device_makes_its_own_columns():
    done = subprocess.run(
        [sys.executable, "-c", SHARDED],
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() == "agree", done.stderr


# --- delays ------------------------------------------------------------------------------------

DELAYS = {
    "uniform": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, 2.0, delay=Uniform(0.5, 2.0)),
    "normal": lambda: Procedural(
        KEY, N_PRE, N_POST, 0.2, Normal(1.0, 0.5), delay=Normal(1.0, 0.5, low=0.25, high=2.5)
    ),
    "distance": lambda: Procedural(
        KEY, (4, 6), (7, 10), BELL, 2.0, delay=lambda d: 0.5 + 0.13 * d
    ).round_delays(0.25),
    "common": lambda: Procedural(KEY, N_PRE, N_POST, 0.2, 2.0, delay=1.5),
}


@each_way(DELAYS, ())
def test_arrivals_are_those_of_the_listed_synapses(case, native):
    conn, dt = DELAYS[case](), 0.25
    listed = conn.round_delays(dt).to_csr()
    s, _ = vectors(conn)
    route, most = conn.route(dt)
    listed_route, listed_most = listed.route(dt)
    assert most >= listed_most > 3
    ring = jnp.asarray(np.random.default_rng(4).normal(size=(most + 2) * conn.n_post))
    with use_native(native):
        for head in (0, 3, most + 1):
            found = conn.deposit(ring, find_events(s), route, jnp.array(head))
            expected = listed.deposit(ring, s, listed_route, jnp.array(head))
            assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
        slope, expected = (
            jax.jit(jax.grad(lambda s, c=c, r=r: jnp.sum(c.deposit(ring, s, r, 1) ** 2)))(s)
            for c, r in ((conn, route), (listed, listed_route))
        )
    assert_allclose(slope, expected, rtol=1e-5, atol=1e-5)


def test_delays_are_distributed_as_their_law():
    conn = Procedural(KEY, 100, 1000, 0.2, delay=Uniform(0.5, 1.25)).round_delays(0.25)
    values, counts = np.unique(np.asarray(conn.to_csr().delay), return_counts=True)
    assert_allclose(values, [0.5, 0.75, 1.0, 1.25])
    expected = counts.sum() / 4
    assert ((counts - expected) ** 2 / expected).sum() < 21.1  # chi-square of 3, level 1e-4
    law = Normal(1.0, 0.5, low=0.0, high=1.5)
    conn = Procedural(KEY, 100, 1000, 0.2, delay=law).round_delays(0.5)
    values, counts = np.unique(np.asarray(conn.to_csr().delay), return_counts=True)
    assert_allclose(values, [0.0, 0.5, 1.0, 1.5])
    share = np.diff(law.cdf([-1.0, 0.25, 0.75, 1.25, 1.5]))
    expected = counts.sum() * share
    assert ((counts - expected) ** 2 / expected).sum() < 21.1
