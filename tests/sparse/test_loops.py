"""Products inside loops, and that the carry is updated in place."""

import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn.sparse import CSR, FixedFanOut, use_native

N, K, STEPS = 50, 5, 20


@pytest.fixture(params=["fan_out", "csr"])
def conn(request):
    targets = np.sort(np.random.default_rng(0).integers(0, N, (N, K)), axis=1)
    if request.param == "fan_out":
        return FixedFanOut(targets, jnp.float32(0.5), n_post=N)
    return CSR(targets.ravel(), np.arange(N + 1) * K, jnp.full(N * K, 0.5, jnp.float32), n_post=N)


@pytest.fixture
def raster():
    return jnp.asarray(np.random.default_rng(1).random((STEPS, N)) < 0.1, jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
def test_scan(conn, raster, native):
    with use_native(native):

        @jax.jit
        def run(y, raster, weight):
            return jax.lax.scan(lambda y, s: (conn.accumulate(y, s, weight), y), y, raster)[0]

        y = jnp.zeros(N, jnp.float32)
        expected = raster.sum(axis=0) @ conn.to_dense()
        np.testing.assert_allclose(run(y, raster, conn.weight), expected, rtol=1e-5)
        gradient = jax.grad(lambda w: jnp.sum(run(y, raster, w)))(conn.weight)
        counts = raster.sum(axis=0)
        if gradient.ndim:
            np.testing.assert_allclose(gradient, jnp.repeat(counts, K), rtol=1e-5)
        else:
            np.testing.assert_allclose(gradient, K * counts.sum(), rtol=1e-5)


@pytest.mark.parametrize("native", [True, False])
def test_while_loop(conn, raster, native):
    with use_native(native):

        @jax.jit
        def run(y, raster):
            def body(carry):
                i, y = carry
                s = jax.lax.dynamic_index_in_dim(raster, i, keepdims=False)
                return i + jnp.int32(1), conn.accumulate(y, s)

            return jax.lax.while_loop(lambda c: c[0] < STEPS, body, (jnp.int32(0), y))[1]

        expected = raster.sum(axis=0) @ conn.to_dense()
        actual = run(jnp.zeros(N, jnp.float32), raster)
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_accumulates_in_place():
    n_post, steps = 4_000_000, 1000
    conn = FixedFanOut(np.array([[0, 3], [1, n_post - 1]]), jnp.float32(1), n_post=n_post)

    @jax.jit
    def run(y, raster):
        return jax.lax.scan(lambda y, s: (conn.accumulate(y, s), None), y, raster)[0]

    y, raster = jnp.zeros(n_post, jnp.float32), jnp.ones((steps, 2), jnp.float32)
    compiled = run.lower(y, raster).compile()
    computations = compiled.as_text().split("\n\n")
    (loop_body,) = [text for text in computations if "custom-call(" in text]
    assert "output_to_operand_aliasing" in loop_body
    assert not re.search(r"= f32\[4000000\]\S* copy\(", loop_body)
    result = compiled(y, raster).block_until_ready()
    picked = result[jnp.array([0, 1, 2, 3, n_post - 1])]
    np.testing.assert_array_equal(picked, [1e3, 1e3, 0, 1e3, 1e3])
    begin = time.perf_counter()
    compiled(y, raster).block_until_ready()
    # A thousand copies of 16 MB would take several seconds.
    assert time.perf_counter() - begin < 0.5


def test_operand_is_not_overwritten_outside_a_loop():
    conn = FixedFanOut(np.array([[0], [1]]), jnp.float32(1), n_post=2)
    y = jnp.zeros(2, jnp.float32)
    both = jax.jit(lambda y, s: (conn.accumulate(y, s), conn.accumulate(y, 2 * s)))
    once, twice = both(y, jnp.ones(2, jnp.float32))
    np.testing.assert_array_equal(once, [1, 1])
    np.testing.assert_array_equal(twice, [2, 2])
    np.testing.assert_array_equal(y, [0, 0])
