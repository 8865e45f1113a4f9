"""Products over postsynaptic shards: the same values and gradients as on one device."""

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
from numpy.testing import assert_allclose, assert_array_equal

from fdyn.sparse import (
    CSR,
    Dense,
    FixedFanIn,
    FixedFanOut,
    OneToOne,
    SynapseIndex,
    find_events,
    split_post,
    use_native,
)

ROOT = Path(__file__).parents[2]
DEVICES, N_PRE, N_POST, K = 4, 10, 12, 3
RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, N_POST, (N_PRE, K))
SPIKES = RNG.normal(size=N_PRE) * (RNG.random(N_PRE) < 0.6)


def connectivities():
    rng = np.random.default_rng(1)
    out = FixedFanOut(TARGETS, rng.normal(size=(N_PRE, K)), n_post=N_POST)
    sources = rng.integers(0, N_PRE, (N_POST, K))
    return {
        "csr": out.to_csr(),
        "fan_out": out,
        "fan_in": FixedFanIn(sources, rng.normal(size=(N_POST, K)), n_pre=N_PRE),
        "coo": out.to_coo(),
        "dense": Dense(rng.normal(size=(N_PRE, N_POST))),
        "one_to_one": OneToOne(rng.normal(size=N_POST)),
        "scalar": FixedFanOut(TARGETS, 0.5, n_post=N_POST),
        "per row": FixedFanOut(TARGETS, rng.normal(size=(N_PRE, 1)), n_post=N_POST),
    }


def part(stack, d):
    return jax.tree.map(lambda x: x[d], stack)


@pytest.mark.slow
@pytest.mark.parametrize("kind", connectivities())
def test_parts_are_the_columns(kind):
    conn = connectivities()[kind]
    parts = split_post(conn, DEVICES)
    dense = np.concatenate([part(parts, d).to_dense() for d in range(DEVICES)], axis=1)
    assert_array_equal(dense, conn.to_dense())
    assert isinstance(parts, Dense if kind == "dense" else CSR)


def test_delays_go_with_their_synapses():
    delay = 0.5 + np.arange(N_PRE * K).reshape(N_PRE, K)
    conn = FixedFanOut(TARGETS, jnp.asarray(delay), n_post=N_POST, delay=delay)
    parts = split_post(conn, DEVICES)
    assert_array_equal(parts.weight, parts.delay)
    assert sorted(np.asarray(parts.delay[parts.delay > 0])) == sorted(delay.ravel())


def test_padding_is_out_of_range():
    conn = CSR(np.array([0, 1, 3]), np.array([0, 2, 3]), 2.0, n_post=4)
    parts = split_post(conn, 2)
    assert_array_equal(parts.indices, [[0, 1], [1, 2]])
    for native in (True, False):
        with use_native(native):
            assert_array_equal(np.ones(2) @ part(parts, 1), [0.0, 2.0])
            assert_array_equal(part(parts, 1) @ np.ones(2), [0.0, 2.0])


@pytest.mark.slow
def test_padding_has_no_arrivals_and_is_no_synapse():
    """On the devices, and on the host, where a part is taken out of the stack."""
    delay = [0.0, 0.25, 0.5, 0.25, 0.0]
    conn = CSR([0, 1, 2, 3, 0], [0, 4, 5], 1.0, n_post=4, delay=delay)
    stack, s = split_post(conn, 2), jnp.array([1.0, 10.0])

    def arrivals(p):
        route, _ = p.route(0.25, longest=0.5)
        return p.deposit(jnp.zeros(3 * 2), s, route, 0).reshape(3, 2)

    expected = np.array([[[11, 0], [0, 1], [0, 0]], [[0, 0], [0, 1], [1, 0]]], float)
    assert_array_equal(jax.vmap(arrivals)(stack), expected)
    for d in range(2):
        one = part(stack, d)
        for form in (one, one.to_csr(), one.to_csc(), one.to_coo(), one.T.T, one.T.to_csr().T):
            assert_array_equal(arrivals(form), expected[d])
        dense = conn.to_dense()[:, 2 * d : 2 * d + 2]
        assert_array_equal(one.to_scipy().toarray(), dense)
        assert_array_equal(one[[1, 0], :].to_dense(), dense[::-1])
        assert_array_equal(one.T.to_dense(), dense.T)
        assert SynapseIndex(one, by="post").positions.size == dense.sum()


@pytest.mark.parametrize("n", [5, 0, -1, 2.0, True])
def test_parts_must_be_equal(n):
    with pytest.raises(ValueError, match="divides the 12"):
        split_post(connectivities()["csr"], n)


# --- on several devices: run by `python test_shard.py` with four virtual ones ---------------------


def mesh():
    assert jax.device_count() == DEVICES
    kinds = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((DEVICES,), ("post",), axis_types=kinds)


def sharded(f, in_specs, out_specs):
    return jax.jit(jax.shard_map(f, mesh=mesh(), in_specs=in_specs, out_specs=out_specs))


P = jax.sharding.PartitionSpec
CLOSE = partial(assert_allclose, rtol=1e-12, atol=1e-13)


def check_products(conn, find):
    """Value and gradient, by spikes and weights, of both products."""
    g = jnp.cos(jnp.arange(float(N_POST)))
    s = jnp.asarray(np.resize(SPIKES, conn.n_pre))

    def scatter(parts, s):
        return find(s) @ part(parts, 0)

    def gather(parts, g):
        return jax.lax.psum(part(parts, 0) @ g, "post")

    def split(w):
        return split_post(eqx.tree_at(lambda c: c.weight, conn, w), DEVICES)

    def loss(w, s, g):
        y = sharded(scatter, (P("post"), P()), P("post"))(split(w), s)
        x = sharded(gather, (P("post"), P("post")), P())(split(w), g)
        return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.sin(x)), (y, x)

    def dense(w, s, g):
        whole = eqx.tree_at(lambda c: c.weight, conn, w).to_dense()
        y, x = s @ whole, whole @ g
        return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.sin(x)), (y, x)

    actual, expected = (
        jax.value_and_grad(f, (0, 1, 2), has_aux=True)(conn.weight, s, g) for f in (loss, dense)
    )
    jax.tree.map(CLOSE, actual, expected)


def check_batch(conn):
    """`vmap` within the shards."""
    batch = jnp.asarray(np.stack([SPIKES, 2 * SPIKES, 0 * SPIKES]))
    run = sharded(
        lambda parts, batch: jax.vmap(lambda s: s @ part(parts, 0))(batch),
        (P("post"), P()),
        P(None, "post"),
    )
    CLOSE(run(split_post(conn, DEVICES), batch), batch @ conn.to_dense())


def check_network(conn):
    """A recurrent network in a scan, each device with its own neurons; spikes are exchanged."""
    steps, drive = 30, jnp.linspace(0.05, 0.4, N_POST)

    def step(v, conn, drive, exchange):
        spike = jnp.heaviside(v - 1.0, 0.0)
        return conn.accumulate(0.9 * v * (1 - spike) + drive, find_events(exchange(spike))), spike

    def run(conn, drive, exchange):
        return jax.lax.scan(
            lambda v, _: step(v, conn, drive, exchange), 0 * drive, None, length=steps
        )[1]

    expected = jax.jit(lambda: run(conn, drive, lambda s: s))()
    actual = sharded(
        lambda parts, drive: run(
            part(parts, 0), drive, lambda s: jax.lax.all_gather(s, "post", tiled=True)
        ),
        (P("post"), P("post")),
        P(None, "post"),
    )(split_post(conn, DEVICES), drive)
    assert 20 < expected.sum() < expected.size
    assert_array_equal(actual, expected)


def main():
    jax.config.update("jax_enable_x64", True)
    for native in (True, False):
        with use_native(native):
            for kind, conn in connectivities().items():
                check_products(conn, (lambda s: s) if kind == "scalar" else find_events)
            check_batch(connectivities()["csr"])
            targets = np.random.default_rng(3).integers(0, N_POST, (N_POST, K))
            check_network(FixedFanOut(targets, 0.3, n_post=N_POST))
    print("all the same")


def test_on_four_devices():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all the same\n"


if __name__ == "__main__":
    main()
