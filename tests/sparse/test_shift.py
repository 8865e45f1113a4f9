"""Targets on a circle: a shift moves all of them along the postsynaptic vector."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fdyn.sparse import use_native
from fdyn.sparse._ops import contract

N_PRE, N_POST, K = 9, 7, 3
RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, N_POST, (N_PRE, K))


def pattern(layout, index_dtype):
    if layout == "fan_out":
        return (jnp.asarray(TARGETS, index_dtype),)
    row_start = np.arange(N_PRE + 1) * K
    return jnp.asarray(TARGETS.ravel(), index_dtype), jnp.asarray(row_start, index_dtype)


def dense_matrix(w, layout, shift):
    """The matrix of a weight `()`, `[n_pre, k]` or `[n_synapses]`, its columns moved by `shift`."""
    w = jnp.broadcast_to(w if w.ndim < 1 else w.reshape(N_PRE, K), (N_PRE, K))
    rows = np.repeat(np.arange(N_PRE), K).reshape(N_PRE, K)
    columns = TARGETS.astype(np.int32)
    return jnp.zeros((N_PRE, N_POST), w.dtype).at[rows, (columns + shift) % N_POST].add(w)


def operands(layout, per_synapse, dtype):
    rng = np.random.default_rng(1)
    y, g = rng.normal(size=(2, N_POST))
    s = rng.normal(size=N_PRE) * (rng.random(N_PRE) < 0.6)
    shape = () if not per_synapse else (N_PRE, K) if layout == "fan_out" else (N_PRE * K,)
    w = np.asarray(rng.normal(size=shape))
    return tuple(jnp.asarray(x, dtype) for x in (y, g, s, w))


CASES = [
    ("fan_out", False, "float32", "int32"),
    ("fan_out", True, "float64", "int64"),
    ("csr", True, "float32", "int32"),
    ("csr", False, "float64", "int64"),
]


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("layout, per_synapse, dtype, index_dtype", CASES)
def test_shifted_products_equal_dense(layout, per_synapse, dtype, index_dtype, native):
    y, g, s, w = operands(layout, per_synapse, dtype)
    synapses = pattern(layout, index_dtype)
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    close = partial(assert_allclose, rtol=tolerance, atol=tolerance)

    @jax.jit
    def products(shift):
        def scatter(y, w, s):
            return contract("g", y, w, s, *synapses, shift=shift)

        def loss(y, w, s):
            return jnp.sum(jnp.sin(scatter(y, w, s)))

        gather = contract("s", jnp.zeros(N_PRE, dtype), w, g, *synapses, shift=shift)
        outer = contract("w", jnp.zeros_like(w), s, g, *synapses, shift=shift)
        both = jax.jvp(scatter, (y, w, s), (jnp.cos(y), jnp.cos(w), jnp.cos(s)))
        return both, gather, outer, jax.grad(loss, (0, 1, 2))(y, w, s)

    @jax.jit
    def expected(shift):
        def scatter(y, w, s):
            return y + s @ dense_matrix(w, layout, shift)

        def loss(y, w, s):
            return jnp.sum(jnp.sin(scatter(y, w, s)))

        outer = jax.vjp(lambda w: s @ dense_matrix(w, layout, shift), w)[1](g)[0]
        both = jax.jvp(scatter, (y, w, s), (jnp.cos(y), jnp.cos(w), jnp.cos(s)))
        gather = dense_matrix(w, layout, shift) @ g
        return both, gather, outer, jax.grad(loss, (0, 1, 2))(y, w, s)

    with use_native(native):
        for shift in (0, 1, N_POST - 1, N_POST, 5 * N_POST + 3, -2, 2**31 - 1, -(2**31)):
            jax.tree.map(close, products(jnp.int32(shift)), expected(jnp.int32(shift % N_POST)))
    if native:
        assert "shifted" in products.lower(jnp.int32(0)).compile().as_text()


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
def test_a_batch_of_shifts(native):
    """Ensembles whose rings stand at different places, with and without shared operands."""
    y, _, s, w = operands("fan_out", True, "float64")
    shifts = jnp.array([0, 2, 11], jnp.int32)

    def f(shift, w, s):
        return contract("g", y, w, s, *pattern("fan_out", "int32"), shift=shift)

    def loss(w, s, shifts):
        return jnp.sum(jnp.sin(jax.vmap(f, (0, None, None))(shifts, w, s)))

    with use_native(native):
        batch = jax.vmap(f, (0, None, 0))(shifts, w, jnp.stack([s, 2 * s, -s]))
        for row, shift, factor in zip(batch, shifts, (1, 2, -1), strict=True):
            assert_allclose(row, y + factor * s @ dense_matrix(w, "fan_out", shift), rtol=1e-12)
        grad = jax.grad(loss, (0, 1))(w, s, shifts)
        singles = [jax.grad(loss, (0, 1))(w, s, shifts[k : k + 1]) for k in range(3)]
        jax.tree.map(lambda x, *xs: assert_allclose(x, sum(xs), rtol=1e-10), grad, *singles)


@pytest.mark.parametrize("native", [True, False])
def test_targets_out_of_range_are_left_out_before_they_are_shifted(native):
    targets = jnp.array([[0, 4], [3, -1], [2**31 - 1, 3]])
    with use_native(native):
        product = jax.jit(lambda shift: contract("g", *args, targets, shift=shift))
        args = jnp.zeros(4), jnp.ones(()), jnp.array([1.0, 10.0, 100.0])
        assert_array_equal(product(jnp.int32(1)), [110.0, 1.0, 0.0, 0.0])


def test_a_ring_of_arrivals():
    """Steps and units flattened into one circle: each synapse arrives after its own delay."""
    n, depth, steps = 4, 3, 12
    delays = np.array([[0, 2], [1, 1], [2, 0], [0, 1]])
    targets = np.array([[1, 2], [0, 3], [1, 1], [2, 0]])
    raster = (np.random.default_rng(2).random((steps, n)) < 0.4).astype(float)
    circle = jnp.asarray(delays * n + targets, jnp.int32)

    def step(ring, x):
        i, s = x
        head = i % depth
        ring = contract("g", ring, jnp.ones(()), s, circle, shift=head * n)
        arrived = jax.lax.dynamic_slice_in_dim(ring, head * n, n)
        return jax.lax.dynamic_update_slice_in_dim(ring, jnp.zeros(n), head * n, 0), arrived

    inputs = jnp.arange(steps, dtype=jnp.int32), jnp.asarray(raster)
    _, arrived = jax.lax.scan(step, jnp.zeros(depth * n), inputs)
    expected = np.zeros((steps + depth, n))
    for t in range(steps):
        for i in range(n):
            for d, j in zip(delays[i], targets[i], strict=True):
                expected[t + d, j] += raster[t, i]
    assert_array_equal(arrived, expected[:steps])


def test_row_pointers_of_another_width():
    """Few targets and many synapses: 32 bits for the one, 64 for the other."""
    y, g, s, w = operands("csr", True, "float64")
    targets, row_start = list(pattern("csr", "int32"))
    wide = targets, row_start.astype(jnp.int64)
    dense = dense_matrix(w, "csr", 0)
    for native in (True, False):
        with use_native(native):
            assert_allclose(contract("g", y, w, s, *wide), y + s @ dense, rtol=1e-12)
            zeros = jnp.zeros(N_PRE)
            assert_allclose(contract("s", zeros, w, g, *wide), dense @ g, rtol=1e-12)
