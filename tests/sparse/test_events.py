"""Lists of the units that fired: found once, used by many, and left out of derivatives."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fdyn.sparse import CSR, Events, FixedFanOut, find_events, use_native
from fdyn.sparse._ops import contract

N_PRE, N_POST, K = 40, 7, 3
TARGETS = np.sort(np.random.default_rng(0).integers(0, N_POST, (N_PRE, K)))


def connectivity(kind, dtype="float64"):
    weight = jnp.asarray(np.random.default_rng(1).normal(size=(N_PRE, K)), dtype)
    if kind == "fan_out":
        return FixedFanOut(TARGETS, weight, n_post=N_POST)
    starts = np.arange(N_PRE + 1) * K
    return CSR(TARGETS.ravel(), starts, weight.ravel(), n_post=N_POST)


def spikes(activity=0.4, dtype="float64", seed=2):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=N_PRE) * (rng.random(N_PRE) < activity), dtype)


def listed(events):
    return np.asarray(events.index)[: int(events.count)]


# Around the block of spikes that is tested at once, 16 or 32 of them.
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 15, 33, 2000])
def test_all_spikes_are_found(n, dtype, native):
    with use_native(native):
        for activity in (0.0, 0.01, 0.5, 1.0):
            rng = np.random.default_rng(n)
            s = np.asarray(rng.choice([1.0, -2.0, 1e-30], n) * (rng.random(n) < activity), dtype)
            s[::2] *= -1  # zeros of both signs
            events = find_events(s)
            assert_array_equal(listed(events), np.flatnonzero(s))
            assert_array_equal(events.values, s)
            assert (
                events.index.shape == (n,) and events.index.dtype == events.count.dtype == "int32"
            )


@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e-300]), min_size=33, max_size=33))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_spikes(s):
    assert_array_equal(listed(find_events(np.array(s))), np.flatnonzero(np.array(s)))


@pytest.mark.parametrize("native", [True, False])
def test_booleans_integers_and_batches(native):
    raster = np.random.default_rng(0).random((3, 2, 50)) < 0.2
    with use_native(native):
        for s in (raster, raster.astype(np.int8), raster.astype(np.float32)):
            whole = find_events(s)
            mapped = jax.vmap(jax.vmap(find_events), in_axes=1, out_axes=1)(jnp.asarray(s))
            for events in (whole, mapped):
                assert events.count.shape == (3, 2)
                for i, j in np.ndindex(3, 2):
                    one = jax.tree.map(lambda x, at=(i, j): x[at], events)
                    assert_array_equal(listed(one), np.flatnonzero(raster[i, j]))
    with pytest.raises(ValueError, match="expected"):
        find_events(1.0)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("kind", ["fan_out", "csr"])
def test_a_list_gives_the_same_product(kind, native):
    with use_native(native):
        conn, y = connectivity(kind), jnp.arange(float(N_POST))
        for activity in (0.0, 0.3, 1.0):
            s = spikes(activity)
            expected = y + s @ conn.to_dense()
            assert_allclose(conn.accumulate(y, find_events(s)), expected, rtol=1e-12)
            assert_allclose(find_events(s) @ conn, expected - y, rtol=1e-11, atol=1e-12)
            pattern = jax.tree.leaves(eqx.tree_at(lambda c: c.weight, conn, None))
            args = jnp.zeros_like(conn.weight), find_events(s), y
            outer = contract("w", *args, *pattern)
            assert_allclose(outer.reshape(N_PRE, K), s[:, None] * y[TARGETS], rtol=1e-12)


@pytest.mark.parametrize("native", [True, False])
def test_only_listed_rows_are_read(native):
    """A list is believed: what is not in it, and what cannot be in it, is left out."""
    with use_native(native):
        conn = FixedFanOut(np.array([[0], [1], [1]]), np.zeros((3, 1)), n_post=2)
        # The constructor refuses NaN.
        weight = jnp.array([[jnp.nan], [2.0], [8.0]])
        conn = eqx.tree_at(lambda c: c.weight, conn, weight)
        values = jnp.array([1.0, 1.0, 1.0])
        index = jnp.array([1, 0, 0], jnp.int32)
        assert_array_equal(Events(values, index, jnp.int32(1)) @ conn, [0.0, 2.0])
        if native:  # the reference drops them only where an index is positive
            for bad in (-1, 3, 2**31 - 1):
                index = jnp.array([1, bad, 2], jnp.int32)
                assert_array_equal(Events(values, index, jnp.int32(3)) @ conn, [0.0, 10.0])


def test_a_list_of_the_wrong_size():
    conn = connectivity("fan_out")
    events = find_events(jnp.ones(N_PRE + 1))
    with pytest.raises(ValueError, match="expected"):
        Events(spikes(), events.index, events.count) @ conn
    events = find_events(jnp.ones((2, N_PRE)))
    whole = events.count.astype("int64")
    for index, count in ((events.index, events.count[0]), (events.index, whole)):
        with pytest.raises(
            ValueError, match=r"a count of int.* and int32 \(2,\) for spikes of shape"
        ):
            Events(events.values, index, count) @ conn


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("kind", ["fan_out", "csr"])
def test_derivatives_are_those_of_the_plain_product(kind, native):
    conn, y = connectivity(kind), jnp.arange(float(N_POST))

    def loss(find, y, s, w):
        return jnp.sum(jnp.sin(conn.accumulate(y, find(s), w)))

    with use_native(native):
        args = y, spikes(), conn.weight
        for transform in (jax.grad, jax.hessian) if native else (jax.grad,):
            plain, by_list = (
                jax.jit(transform(partial(loss, find), (0, 1, 2)))(*args)
                for find in (lambda s: s, find_events)
            )
            jax.tree.map(partial(assert_allclose, rtol=1e-10, atol=1e-13), by_list, plain)


def integers_kept(find, steps=5):
    """Sizes of the integer arrays that backpropagation through a scan stores."""
    conn = connectivity("fan_out")

    def run(w, raster):
        def step(y, s):
            return conn.accumulate(0.9 * y, find(s * jnp.tanh(y[0])), w), None

        return jax.lax.scan(step, jnp.ones(N_POST), raster)[0]

    raster = jnp.stack([spikes(seed=k) for k in range(steps)])
    kept = jax.tree.leaves(jax.vjp(run, conn.weight, raster)[1])
    return sorted(x.size for x in kept if jnp.issubdtype(x.dtype, jnp.integer))


def test_backpropagation_keeps_no_list():
    assert integers_kept(find_events) == integers_kept(lambda s: s)
    assert 5 * N_PRE not in integers_kept(find_events)
    # The same test sees a list that is kept: an index that a gradient depends on.
    assert 5 * N_PRE in integers_kept(lambda s: s * jnp.sin(s[find_events(s).index]))


@pytest.mark.parametrize("native", [True, False])
def test_batches(native):
    conn, y = connectivity("csr"), jnp.arange(float(N_POST))
    batch = jnp.stack([spikes(a, seed=5) for a in (0.0, 0.2, 1.0)])
    weights = jnp.stack([conn.weight, -conn.weight, 2 * conn.weight])

    def f(w, s):
        return conn.accumulate(y, find_events(s), w)

    with use_native(native):
        for axes in ((None, 0), (0, None), (0, 0)):
            args = weights if axes[0] == 0 else weights[0], batch if axes[1] == 0 else batch[1]
            actual = jax.jit(jax.vmap(f, axes))(*args)
            for k, row in enumerate(actual):
                w, s = (x if axis is None else x[k] for x, axis in zip(args, axes, strict=True))
                dense = eqx.tree_at(lambda c: c.weight, conn, w).to_dense()
                assert_allclose(row, y + s @ dense, rtol=1e-11, atol=1e-12)


def test_one_search_serves_all_projections():
    conns = [connectivity("fan_out", "float32"), connectivity("csr", "float32")]

    @jax.jit
    def f(s):
        events = find_events(s)
        return [events @ conn for conn in conns]

    s = spikes(dtype="float32")
    text = f.lower(s).compile().as_text()
    assert text.count('custom_call_target="fdyn_sparse_find') == 1
    assert text.count("_listed") >= 2
    for actual, conn in zip(f(s), conns, strict=True):
        assert_allclose(actual, s @ conn.to_dense(), rtol=1e-5, atol=1e-6)
