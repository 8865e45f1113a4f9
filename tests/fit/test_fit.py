"""The loop: what trains, what stays, bounds, status, and that nothing compiles twice."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fdyn import Network, Projection, replace, simulate
from fdyn.components import CUBA, KHH, LIF, ConductanceBased, Exponential, Leak, MorrisLecar, NaHH
from fdyn.fit import (
    cross_entropy,
    fit,
    mean_squared_error,
    minibatches,
    rate_penalty,
    trainable,
)
from fdyn.sparse import Dense, FractionalDelay, OneToOne

TRACES: list[int] = []
ADAM = optax.adam(0.3)


def g_k(m: Any):
    return m.channels["k"].g


def squid():
    return ConductanceBased(1, {"na": NaHH(), "k": KHH(), "leak": Leak()})


def trace_of(model):
    return simulate(model, 8.0, dt=0.02, inputs=10.0, record="v")["v"]


def trace_loss(model, target, key):
    TRACES.append(1)
    return mean_squared_error(trace_of(model), target)


def bits(model, skip=()):
    return {
        jax.tree_util.keystr(k): np.asarray(x).tobytes()
        for k, x in jax.tree_util.tree_leaves_with_path(model)
        if eqx.is_array(x) and jax.tree_util.keystr(k) not in skip
    }


@pytest.mark.slow
def test_a_perturbed_conductance_is_recovered_and_all_else_is_untouched():
    target = trace_of(squid())
    start = replace(squid(), g_k, 30.0)
    found = fit(
        trace_loss, start, target,
        optimiser=ADAM, steps=150, where=g_k,
    )  # fmt: skip
    np.testing.assert_allclose(g_k(found.model), 36.0, rtol=1e-3)
    assert found.status.ok and found.losses[-1] < 1e-3 * found.losses[0]
    name = ".channels['k'].g"
    assert name in bits(start)
    assert bits(found.model, skip=[name]) == bits(start, skip=[name])
    assert bits(found.model) != bits(start)
    assert jax.tree.structure(found.model) == jax.tree.structure(start)
    assert g_k(found.model).dtype == g_k(start).dtype


def test_a_second_fit_with_other_values_does_not_compile_again():
    fit(trace_loss, squid(), trace_of(squid()) + 1, optimiser=ADAM, steps=2, where=g_k)
    before = len(TRACES)
    other = replace(squid(), lambda m: [g_k(m), m.c], [30.0, 1.1])
    fit(
        trace_loss, other, trace_of(other) * 0.9,
        optimiser=ADAM, steps=3, where=lambda m: g_k(m), key=jax.random.key(7),
    )  # fmt: skip
    assert len(TRACES) == before > 0


def quadratic(model, goal, key):
    return sum(jnp.sum((x - goal) ** 2) for x in (model.tau, model.t_ref, model.v_th))


def test_bounds_are_kept():
    # All three are pulled to -30: v_th may go there, the others may not leave their bounds.
    model = LIF(2, t_ref=jnp.array([1.0, 2.0]))
    found = fit(
        quadratic, model, -30.0,
        optimiser=optax.sgd(1e-3), steps=3000, where=lambda m: [m.tau, m.t_ref, m.v_th],
    )  # fmt: skip
    assert 0 < found.model.tau < 1
    np.testing.assert_array_equal(found.model.t_ref, [0.0, 0.0])
    np.testing.assert_allclose(found.model.v_th, -30.0, rtol=1e-2)
    # and zero can be left again
    back = fit(
        quadratic, found.model, 3.0,
        optimiser=optax.adam(0.05), steps=300, where=lambda m: [m.tau, m.t_ref],
    ).model  # fmt: skip
    np.testing.assert_allclose(back.tau, 3.0, rtol=1e-2)
    np.testing.assert_allclose(back.t_ref, [3.0, 3.0], rtol=1e-2)


def test_fractional_delays_stay_between_zero_and_their_maximum():
    def model(d):
        conn = OneToOne(1.0, n=2, delay=FractionalDelay([0.1, 0.4], maximum=0.7))
        return Projection(
            "a", "b", conn, Exponential(), CUBA(), delay=FractionalDelay(d, maximum=2.0)
        )

    def both(m):
        return [m.delay.values, m.connect.delay.values]

    def distance(m, goal, key):
        return sum(jnp.sum((x - g) ** 2) for x, g in zip(both(m), goal, strict=True))

    def towards(*goal, of):
        return fit(distance, of, goal, optimiser=optax.sgd(0.3), steps=40, where=both).model

    out = towards(-3.0, jnp.array([-3.0, 3.0]), of=model(0.05))
    assert out.delay.values == 0.0
    np.testing.assert_allclose(out.connect.delay.values, [0.0, 0.7], rtol=1e-12)
    out = towards(9.0, jnp.array([0.3, 0.2]), of=out)
    assert out.delay.values == 2.0
    np.testing.assert_allclose(out.connect.delay.values, [0.3, 0.2], rtol=1e-6)


def test_going_on_equals_one_long_fit():
    def run(model, steps, state=None):
        return fit(
            noisy, model, optimiser=ADAM, steps=steps, where=lambda m: [m.v_th, m.t_ref],
            key=jax.random.key(3), state=state,
        )  # fmt: skip

    whole = run(LIF(1), 20)
    half = run(LIF(1), 8)
    rest = run(half.model, 12, half.state)
    assert bits(rest.model) == bits(whole.model)
    np.testing.assert_array_equal(np.concatenate([half.losses, rest.losses]), whole.losses)


def noisy(model, data, key):
    return (model.v_th + 40.0 + jax.random.normal(key)) ** 2 + (model.t_ref - 2.0) ** 2


def test_no_steps_change_nothing():
    model = LIF(3, tau=jnp.array(17.3))
    found = fit(quadratic, model, 1.0, optimiser=ADAM, steps=0, where=lambda m: m.tau)
    assert bits(found.model) == bits(model) and found.losses.shape == (0,)


def blow_up(model, data, key):
    # finite for v_th below 1
    return jnp.where(model.v_th < 1.0, -model.v_th, jnp.nan)


def bad_gradient(model, data, key):
    return jnp.sqrt(jnp.maximum(model.v_th, 0.0))


def test_a_loss_that_diverges_gives_a_status_and_the_last_good_model():
    model = LIF(1, v_th=jnp.array(-1.5), v_reset=jnp.array(-9.0))
    options = {"optimiser": optax.sgd(1.0), "steps": 10, "where": lambda m: m.v_th}
    found = fit(blow_up, model, throw=False, **options)
    assert not found.status.ok and "the loss was no longer finite at step 3" in found.status.message
    np.testing.assert_array_equal(found.losses, [1.5, 0.5, -0.5])
    assert found.model.v_th == 0.5 and found.state.step == 3
    with pytest.raises(FloatingPointError, match="step 3"):
        fit(blow_up, model, **options)


def test_a_gradient_that_is_not_finite_ends_the_fit_before_the_update():
    model = LIF(1, v_th=jnp.array(0.0), v_reset=jnp.array(-9.0))
    found = fit(bad_gradient, model, optimiser=ADAM, steps=3, where=lambda m: m.v_th, throw=False)
    assert "gradient" in found.status.message and bits(found.model) == bits(model)


def test_trainable_selects_leaves_parts_and_lists():
    connect = Dense(jnp.ones((2, 3)))
    net = Network(
        {"A": LIF(2), "B": LIF(3)}, {"AB": Projection("A", "B", connect, Exponential(), CUBA())}
    )
    spec = trainable(net, lambda m: [m.projections["AB"].connect, m.nodes["B"].tau])
    chosen = [jax.tree_util.keystr(k) for k, x in jax.tree_util.tree_leaves_with_path(spec) if x]
    assert chosen == [".nodes['B'].tau", ".projections['AB'].connect.weight"]
    params, rest = eqx.partition(net, spec)
    assert bits(eqx.combine(params, rest)) == bits(net)
    for bad in (lambda m: m.nodes["A"].size, lambda m: m.nodes["A"].sigma, lambda m: []):
        with pytest.raises(ValueError, match="must select parameters"):
            trainable(net, bad)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="one number"):
        fit(
            lambda m, d, k: jnp.stack([m.tau, m.tau]), LIF(1),
            optimiser=ADAM, steps=1, where=lambda m: m.tau,
        )  # fmt: skip
    with pytest.raises(ValueError, match="ended after 2 of 5"):
        fit(quadratic, LIF(1), iter([1.0, 2.0]), optimiser=ADAM, steps=5, where=lambda m: m.tau)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        mean_squared_error(jnp.zeros(2), jnp.zeros(3))
    with pytest.raises(ValueError, match="labels"):
        cross_entropy(jnp.zeros((4, 3)), jnp.zeros(4))
    with pytest.raises(ValueError, match="between 1 and the 3"):
        minibatches(np.arange(3), 4, key=jax.random.key(0))
    with pytest.raises(ValueError, match="same number of samples"):
        minibatches((np.arange(3), np.arange(4)), 2, key=jax.random.key(0))


def test_minibatches_cover_an_epoch_and_reshuffle():
    x = np.arange(10)
    batches = minibatches({"x": x, "y": x**2}, 5, key=jax.random.key(1))
    first, second, third, fourth = (next(batches) for _ in range(4))
    assert sorted([*first["x"], *second["x"]]) == sorted([*third["x"], *fourth["x"]]) == list(x)
    assert [*first["x"], *second["x"]] != [*third["x"], *fourth["x"]]
    np.testing.assert_array_equal(first["y"], first["x"] ** 2)


def test_losses_against_numpy():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    want = -np.log(p[np.arange(6), labels]).mean()
    np.testing.assert_allclose(cross_entropy(jnp.asarray(logits), labels), want, rtol=1e-12)
    spikes = jnp.asarray((rng.random((200, 3)) < [0.0, 0.02, 0.5]).astype(float))
    rate = np.asarray(spikes).mean(0) / 2.0 * 1000
    want = (np.maximum(5 - rate, 0) ** 2 + np.maximum(rate - 40, 0) ** 2).mean() / 40**2
    np.testing.assert_allclose(rate_penalty(spikes, 2.0, 5.0, 40.0), want, rtol=1e-12)


@pytest.mark.slow
def test_positive_parameters_of_different_size_share_a_learning_rate():
    def loss(model, target, key):
        v = simulate(model, 60.0, dt=0.5, inputs=100.0, record="v")["v"]
        return mean_squared_error(v, target)

    true = MorrisLecar(1)
    target = simulate(true, 60.0, dt=0.5, inputs=100.0, record="v")["v"]

    def where(m):
        return [m.phi, m.c]  # 0.04 /ms and 20 uF/cm^2

    start = replace(true, where, [0.05, 25.0])
    found = fit(loss, start, target, optimiser=optax.adam(0.02), steps=200, where=where)
    np.testing.assert_allclose(found.model.phi, 0.04, rtol=1e-2)
    np.testing.assert_allclose(found.model.c, 20.0, rtol=1e-2)
