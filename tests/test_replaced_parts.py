"""Projections whose parts act together, and those whose parts are replaced."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import Network, Projection, replace, simulate
from fdyn.components import (
    COBA,
    LIF,
    NMDA,
    Activity,
    Delta,
    Exponential,
    PairSTDP,
    StochasticRelease,
    TsodyksMarkram,
)
from fdyn.sparse import Dense, OneToOne


def chain(synapse, connect=None, delay=0.0, pre="P", source=None, target=None, **kwargs):
    connect = OneToOne(1.0, n=1) if connect is None else connect
    nodes = {
        "P": source or LIF(1, t_ref=1.0),
        "E": target or LIF(1, tau=1e9, v_th=1e6),
    }
    return Network(nodes, {"s": Projection(pre, "E", connect, synapse, delay=delay, **kwargs)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("delay", "own"), [(0.0, None), (1.0, None), (0.0, 1.0), (0.5, [1.0])], ids=str
)
def test_a_delta_synapse_brings_what_is_released(delay, own):
    def jump(release):
        net = chain(Delta(), OneToOne(1.0, n=1, delay=own), delay, release=release)
        run = simulate(net, 70.0, dt=0.5, inputs={"P": 40.0}, record=["E.v", "P.spike"])
        assert run["P.spike"].sum() == 6
        return float(run["E.v"][-1, 0] - run["E.v"][0, 0])

    assert jump(None) == pytest.approx(6)
    assert jump(StochasticRelease(p=0.0)) == 0
    # Without recovery the n-th spike releases u (1 - u)^(n - 1).
    depressed = sum(0.5**n for n in range(1, 7))
    assert jump(TsodyksMarkram(u=0.5, tau_rec=1e9)) == pytest.approx(depressed, abs=1e-6)


def test_a_replaced_synapse_is_held_where_it_belongs():
    net = chain(Exponential(5.0), Dense(jnp.ones((1, 1))))
    assert not net.projections["s"].at_pre
    other = eqx.tree_at(lambda n: n.projections["s"].synapse, net, NMDA())
    assert other.projections["s"].at_pre


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda n: (n.projections["s"].connect, Dense(jnp.ones((2, 1)))), "must lead from 1"),
        (lambda n: (n.projections["s"].connect, OneToOne(1.0, n=1, delay=[0.0])), "positive"),
        (lambda n: (n.projections["s"].output, COBA()), "takes neither"),
    ],
)
def test_what_is_replaced_must_fit_too(change, match):
    net = chain(Delta(), OneToOne(1.0, n=1, delay=[1.0]))
    net = eqx.tree_at(lambda n: change(n)[0], net, change(net)[1])
    with pytest.raises(ValueError, match=match):
        simulate(net, 1.0, dt=0.5)


@pytest.mark.parametrize(
    ("synapse", "kwargs"),
    [
        (Delta(), {}),
        (NMDA(), {}),
        (Exponential(), {"release": StochasticRelease(p=0.5)}),
        (Exponential(), {"plasticity": PairSTDP()}),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_counts_spikes_takes_no_half_ones(synapse, kwargs):
    source, w = LIF(1, interpolate=True), Dense(jnp.full((1, 1), 0.5))
    with pytest.raises(ValueError, match=r"take pre = 'P\.spike'"):
        chain(synapse, w, source=source, **kwargs)
    whole = chain(synapse, w, source=source, pre="P.spike", **kwargs)
    run = simulate(whole, 1.0, dt=0.5, record="P.spike")
    assert run["P.spike"].shape == (2, 1)


def test_a_delta_synapse_and_interpolated_spikes_do_not_go_together():
    with pytest.raises(ValueError, match="leave out 'interpolate'"):
        chain(Delta(), target=LIF(1, interpolate=True))


def test_graded_synapses_do_not_care_about_spikes():
    net = chain(Activity(), source=LIF(1, interpolate=True))
    run = simulate(net, 1.0, dt=0.5, inputs={"P": 5.0}, record=["P.v", "E.v"])
    # It carries the potential itself: a neuron without a leak is charged by it.
    assert run["E.v"][-1, 0] < -65 and run["P.v"][-1, 0] > -65


def test_a_replaced_weight_is_used():
    net = chain(Delta(), Dense(jnp.ones((1, 1))), 0.5)
    heavy = replace(net, lambda n: n.projections["s"].connect.weight, 3 * jnp.ones((1, 1)))
    v = [
        simulate(n, 40.0, dt=0.5, inputs={"P": 40.0}, record="E.v")["E.v"][-1] for n in (net, heavy)
    ]
    np.testing.assert_allclose(v[1] + 65, 3 * (v[0] + 65), rtol=1e-12)
    assert v[0] > -65
