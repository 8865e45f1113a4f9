"""Gradients through `simulate`: against finite differences and values worked out by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import replace, simulate
from fdyn.components import KHH, LIF, ConductanceBased, Leak, NaHH


def parameters_of(model) -> list[Any]:
    na, k, leak = (model.channels[c] for c in ("na", "k", "leak"))
    return [na.g, k.g, leak.g, na.e, k.phi, model.c]


@pytest.mark.slow
def test_1000_steps_of_hodgkin_huxley_equal_central_differences():
    model = ConductanceBased(1, {"na": NaHH(), "k": KHH(), "leak": Leak()})
    start = jnp.stack(parameters_of(model))

    @jax.jit
    def loss(values):
        changed = replace(model, parameters_of, list(values))
        v = simulate(changed, 10.0, dt=0.01, inputs=10.0, record="v")["v"]
        assert v.shape == (1000, 1)
        return jnp.mean((v + 50.0) ** 2) + v[-1, 0]

    # The run holds an action potential, so that every channel has a say.
    top = simulate(model, 10.0, dt=0.01, inputs=10.0, record="v")["v"].max()
    assert top > 30
    gradient = jax.jit(jax.grad(loss))(start)
    for k in range(start.size):
        h = 1e-5 * start[k]
        up, down = loss(start.at[k].add(h)), loss(start.at[k].add(-h))
        np.testing.assert_allclose(gradient[k], (up - down) / (2 * h), rtol=1e-4)


def lif_by_hand(u: float, v_init: float, reset_grad: bool) -> dict[str, float]:
    """Two steps of one neuron and the derivatives for its input, written out."""
    tau, r, rest, th, reset, dt, beta = 20.0, 1.0, -65.0, -50.0, -65.0, 1.0, 1.0
    decay = np.exp(-dt / tau)
    v1 = rest + (v_init - rest) * decay + r * u * (1 - decay)
    d_v1 = r * (1 - decay)
    s1 = float(v1 >= th)
    d_s1 = d_v1 / (1 + beta * abs(v1 - th)) ** 2
    after = (1 - s1) * v1 + s1 * reset
    d_after = (1 - s1) * d_v1 + ((reset - v1) * d_s1 if reset_grad else 0.0)
    v2 = rest + (after - rest) * decay + r * u * (1 - decay)
    d_v2 = d_after * decay + r * (1 - decay)
    d_s2 = d_v2 / (1 + beta * abs(v2 - th)) ** 2
    return {"s1": s1, "after": after, "d_s1": d_s1, "d_after": d_after, "d_s2": d_s2}


@pytest.mark.parametrize("reset_grad", [False, True])
@pytest.mark.parametrize("u, spikes", [(18.0, 0), (30.0, 1)])
def test_two_steps_of_lif_by_hand(reset_grad, u, spikes):
    neuron = LIF(1, v_init=jnp.array(-50.5), reset_grad=reset_grad)

    def run(u):
        rec = simulate(neuron, 2.0, dt=1.0, inputs=u, record=["v", "spike"])
        return {"s": rec["spike"][:, 0], "v": rec["v"][:, 0]}

    want = lif_by_hand(u, -50.5, reset_grad)
    value, slope = run(jnp.asarray(u)), jax.jacrev(run)(jnp.asarray(u))
    assert value["s"][0] == want["s1"] == spikes
    np.testing.assert_allclose(value["v"][0], want["after"], rtol=1e-12)
    np.testing.assert_allclose(slope["s"][0], want["d_s1"], rtol=1e-10)
    np.testing.assert_allclose(slope["v"][0], want["d_after"], rtol=1e-10)
    np.testing.assert_allclose(slope["s"][1], want["d_s2"], rtol=1e-10)
    assert want["d_s1"] > 0


def test_the_reset_passes_gradient_only_when_asked():
    slopes = [
        jax.grad(
            lambda u, g=g: simulate(
                LIF(1, v_init=jnp.array(-50.5), reset_grad=g), 1.0, dt=1.0, inputs=u, record="v"
            )["v"][-1, 0]
        )(jnp.asarray(30.0))
        for g in (False, True)
    ]
    assert slopes[0] == 0  # a reset neuron is at v_reset, whatever the input was
    assert slopes[1] < 0  # more input, earlier spike, lower voltage


def test_forward_and_reverse_mode_agree():
    def spikes(u):
        rec = simulate(LIF(3), 30.0, dt=1.0, inputs=u, record="spike")
        return rec["spike"].sum()

    u = jnp.asarray(20.0)
    forward, backward = jax.jacfwd(spikes)(u), jax.jacrev(spikes)(u)
    np.testing.assert_allclose(forward, backward, rtol=1e-10)
    assert spikes(u) == 3 and forward != 0
