"""Event-driven products equal dense ones: values, derivatives and batches."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdyn.sparse import CSR, Dense, FixedFanOut, OneToOne, _ops, from_coo, from_dense, use_native

N_PRE, N_POST, K = 19, 11, 4
SETTINGS = settings(max_examples=8, deadline=None, derandomize=True)


def make(kind, per_synapse, dtype, n_pre=N_PRE, n_post=N_POST, seed=0):
    """A connectivity with parallel synapses and, in CSR, empty rows."""
    rng = np.random.default_rng(seed)
    scalar = jnp.asarray(0.7, dtype)
    if kind == "fan_out":
        targets = np.sort(rng.integers(0, n_post, (n_pre, K)), axis=1)
        conn = FixedFanOut(targets, scalar, n_post=n_post)
    elif kind == "csr":
        n = 3 * n_pre
        rows, cols = rng.integers(0, n_pre, n), rng.integers(0, n_post, n)
        keep = rows % 5 != 1
        conn = from_coo(rows[keep], cols[keep], scalar, (n_pre, n_post))
    elif kind == "dense":
        conn = Dense(scalar, n_pre=n_pre, n_post=n_post)
    else:
        conn = OneToOne(scalar, n=n_pre)
    if not per_synapse:
        return conn
    shape = {"fan_out": (n_pre, K), "dense": (n_pre, n_post)}.get(kind, (conn.n_synapses,))
    weight = jnp.asarray(rng.normal(size=shape), dtype)
    return eqx.tree_at(lambda c: c.weight, conn, weight)


def vectors(conn, dtype, activity, seed=1):
    """A state to add to, spikes (graded, of both signs) and postsynaptic values."""
    rng = np.random.default_rng(seed)
    s = rng.normal(size=conn.n_pre) * (rng.random(conn.n_pre) < activity)
    y, g = rng.normal(size=(2, conn.n_post))
    return tuple(jnp.asarray(x, dtype) for x in (y, s, g))


def dense_accumulate(conn, y, s, weight):
    return y + s @ eqx.tree_at(lambda c: c.weight, conn, weight).to_dense()


def smooth(product, y, s, w):
    return jnp.sum(jnp.tanh(product(y, s, w)) ** 2)


def everything(product, y, s, w):
    """Value, gradient, directional derivative, Hessian, and batches over each argument."""
    f = partial(smooth, product)
    both = jax.value_and_grad(f, (0, 1, 2))
    ys, ss, ws = (jnp.stack([x, x * 0.5, -x]) for x in (y, s, w))
    tangents = (jnp.cos(y), jnp.cos(s), jnp.cos(w))

    def over_batch(w):
        return jnp.sum(jax.vmap(lambda s: f(y, s, w))(ss))

    return {
        "value": product(y, s, w),
        "jvp": jax.jvp(product, (y, s, w), tangents),
        "grad": both(y, s, w),
        "hessian": jax.hessian(f, (0, 1, 2))(y, s, w),
        "vmap y": jax.vmap(product, (0, None, None))(ys, s, w),
        "vmap s": jax.vmap(product, (None, 0, None))(y, ss, w),
        "vmap w": jax.vmap(both, (None, None, 0))(y, s, ws),
        "vmap s, w": jax.vmap(both, (None, 0, 0))(y, ss, ws),
        "vmap of vmap": jax.vmap(jax.vmap(both, (None, 0, None)), (None, None, 0))(y, ss, ws),
        "grad of vmap": jax.grad(over_batch)(w),
    }


def assert_close(actual, expected, dtype):
    tolerance = 1e-11 if dtype == "float64" else 3e-5
    compare = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(compare, actual, expected)
    for leaf in jax.tree.leaves(actual):
        assert leaf.dtype == dtype and not leaf.weak_type


CASES = [
    ("fan_out", False, "float32"),
    ("fan_out", True, "float64"),
    ("csr", False, "float64"),
    ("csr", True, "float32"),
]


# The reference is slower to compile; one weight for all synapses is tested by test_shift.
@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, per_synapse, dtype, native",
    [(*case, True) for case in CASES] + [(*case, False) for case in CASES if case[1]],
)
def test_sparse_equals_dense(kind, per_synapse, dtype, native):
    with jax.enable_x64(dtype == "float64"), use_native(native):
        conn = make(kind, per_synapse, dtype)
        sparse = jax.jit(partial(everything, conn.accumulate))
        dense = jax.jit(partial(everything, partial(dense_accumulate, conn)))
        for activity in (0.0, 0.3, 1.0):
            y, s, g = vectors(conn, dtype, activity)
            assert_close(sparse(y, s, conn.weight), dense(y, s, conn.weight), dtype)
            assert_close(conn @ g, conn.to_dense() @ g, dtype)


@pytest.mark.parametrize("kind", ["dense", "one_to_one"])
@pytest.mark.parametrize("per_synapse", [True, False])
def test_plain_formats_equal_dense(kind, per_synapse):
    conn = make(kind, per_synapse, "float32")
    y, s, g = vectors(conn, "float32", 0.5)
    expected = dense_accumulate(conn, y, s, conn.weight)
    assert_close(conn.accumulate(y, s), expected, "float32")
    assert_close(s @ conn, s @ conn.to_dense(), "float32")
    assert_close(conn @ g, conn.to_dense() @ g, "float32")


# Few shapes, for each is compiled anew: around the block of spikes that is tested at once.
SHAPES = [(1, 1), (31, 5), (33, 40), (300, 7)]


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 9), activity=st.floats(0, 1))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_random_shapes(native, shape, seed, activity):
    with use_native(native):
        conn = make("csr", True, "float32", *shape, seed)
        y, s, g = (np.asarray(x) for x in vectors(conn, "float32", activity, seed))
        dense = np.zeros(shape, np.float32)
        edges = conn.to_coo()
        np.add.at(dense, (edges.rows, edges.cols), edges.weight)
        assert_close(conn.accumulate(y, s), y + s @ dense, "float32")
        assert_close(conn @ g, dense @ g, "float32")


@given(
    st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e-30]), min_size=N_PRE, max_size=N_PRE),
    st.booleans(),
)
@SETTINGS
def test_graded_negative_and_signed_zero_spikes(spikes, native):
    with use_native(native):
        conn = make("fan_out", False, "float32")
        s = jnp.asarray(spikes, jnp.float32)
        assert_close(s @ conn, s @ conn.to_dense(), "float32")


@pytest.mark.parametrize("native", [True, False])
def test_silent_rows_are_not_read(native):
    with use_native(native):
        conn = FixedFanOut(jnp.array([[0], [1]]), jnp.zeros((2, 1)), n_post=2)
        # The constructor refuses NaN.
        conn = eqx.tree_at(lambda c: c.weight, conn, jnp.array([[jnp.nan], [2.0]]))
        np.testing.assert_array_equal(jnp.array([-0.0, 1.0]) @ conn, [0.0, 2.0])


@pytest.mark.parametrize("native", [True, False])
def test_more_active_rows_than_are_listed_at_once(native):
    with use_native(native):
        n = 5000
        conn = FixedFanOut(np.arange(n)[:, None] % 7, jnp.float32(1), n_post=7)
        s = jnp.asarray(np.random.default_rng(0).random(n) < 0.9, jnp.float32)
        expected = np.bincount(np.arange(n) % 7, weights=np.asarray(s))
        np.testing.assert_array_equal(s @ conn, expected.astype(np.float32))


@pytest.mark.parametrize("native", [True, False])
def test_batched_pattern(native):
    """Ensembles of networks, each with synapses of its own."""
    with use_native(native):
        members = [make("fan_out", True, "float32", seed=seed) for seed in range(3)]
        ensemble = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
        y, s, _ = vectors(members[0], "float32", 0.5)

        def f(conn, s):
            return smooth(conn.accumulate, y, s, conn.weight)

        actual = jax.vmap(jax.value_and_grad(f, 1), (0, None))(ensemble, s)
        values, grads = zip(*(jax.value_and_grad(f, 1)(conn, s) for conn in members), strict=True)
        assert_close(actual, (jnp.stack(values), jnp.stack(grads)), "float32")


@pytest.mark.parametrize("native", [True, False])
def test_traced_index_out_of_range_is_left_out(native):
    with use_native(native):

        @jax.jit
        def f(targets, s):
            return s @ FixedFanOut(targets, jnp.float32(1), n_post=2)

        targets = jnp.array([[0, 5], [1, -1], [1, 2**31 - 1]])
        np.testing.assert_array_equal(f(targets, jnp.ones(3, jnp.float32)), [1.0, 2.0])


def test_other_dtypes_take_the_reference():
    conn = make("csr", False, "bfloat16")
    s = jnp.ones(N_PRE, jnp.bfloat16)
    assert (s @ conn).dtype == jnp.bfloat16
    counts = np.bincount(conn.to_coo().cols, minlength=N_POST)
    np.testing.assert_allclose(np.asarray(s @ conn, np.float32), 0.7 * counts, rtol=0.05)


def test_boolean_and_numpy_spikes():
    conn = make("csr", False, "float32")
    spikes = np.arange(N_PRE) % 2 == 0
    expected = spikes.astype(np.float32) @ conn.to_dense()
    np.testing.assert_allclose(spikes @ conn, expected, rtol=1e-6)
    np.testing.assert_allclose(jnp.asarray(spikes) @ conn, expected, rtol=1e-6)


@pytest.mark.parametrize("native", [True, False])
def test_batches_without_an_entry(native):
    csr = make("csr", True, "float64")
    with use_native(native):
        for conn in (
            csr,
            csr.T,
            make("fan_out", True, "float64"),
            make("fan_out", False, "float64").T,
        ):
            n_pre, n_post = conn.shape
            assert (jnp.ones((0, n_pre)) @ conn).shape == (0, n_post)
            assert (conn @ jnp.ones((n_post, 0))).shape == (n_pre, 0)
            grad = jax.grad(
                lambda w, c=conn: c.accumulate(
                    *map(jnp.ones, ((0, c.n_post), (0, c.n_pre))), w
                ).sum()
            )
            np.testing.assert_array_equal(grad(conn.weight), 0 * conn.weight)


@pytest.mark.parametrize("native", [True, False])
def test_a_batched_pattern_compiles_once(native, monkeypatch):
    """Also outside of jit, where nothing else remembers what was compiled."""
    with use_native(native):
        members = [make("csr", True, "float64", 5, 3, seed=0) for _ in range(2)]
        ensemble = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
        s = jnp.ones(5)

        def product():
            return jax.vmap(lambda conn: s @ conn)(ensemble)

        first = product()
        for name in ("native_target", "reference"):  # what a compilation calls
            monkeypatch.setattr(_ops, name, None)
        np.testing.assert_array_equal(product(), first)


def test_empty():
    no_synapse = FixedFanOut(np.zeros((3, 0), int), 1.0, n_post=2)
    np.testing.assert_array_equal(jnp.ones_like(no_synapse.weight, shape=3) @ no_synapse, [0, 0])
    no_source = FixedFanOut(np.zeros((0, 2), int), 1.0, n_post=2)
    np.testing.assert_array_equal(np.zeros(0) @ no_source, [0, 0])
    assert (no_source @ np.zeros(2)).shape == (0,)
    no_unit = CSR(np.zeros(0, int), np.zeros(1, int), 1.0, n_post=0)
    assert (jnp.ones_like(no_unit.weight, shape=0) @ no_unit).shape == (0,)
    assert from_dense(np.zeros((2, 3))).to_dense().shape == (2, 3)
