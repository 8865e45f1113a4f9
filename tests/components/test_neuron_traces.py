"""Neurons against stored traces of Brian2 and NEST (data/make_neurons.py)."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import State, simulate, solve
from fdyn.components import GLIF, PartialReset, PinskyRinzel, WangBuzsaki
from fdyn.solvers import RK4

TRACES = json.loads((Path(__file__).parents[1] / "data" / "neurons.json").read_text())
pytestmark = pytest.mark.slow


def from_start(model, start):
    """The state with these values."""
    state = model.init(key=jax.random.key(0), dt=0.1)
    assert set(start) == set(state.y)
    return State({k: jnp.full(1, float(x)) for k, x in start.items()}, state.mem)


def test_wang_buzsaki_by_brian2():
    stored = TRACES["wang_buzsaki"]
    start, trace = dict(stored["start"]), stored["trace"]
    u, neuron = start.pop("drive"), WangBuzsaki(1)
    ts = np.array(trace["t"])[1:]
    state = from_start(neuron, start)
    sol = solve(neuron, ts[-1], inputs=u, ts=ts, state=state, rtol=1e-9, atol=1e-9)
    assert len(sol.event_times) == 3
    for name, atol in (("v", 2e-4), ("h", 1e-6), ("n", 1e-6)):
        np.testing.assert_allclose(sol[name][:, 0], trace[name][1:], rtol=0, atol=atol)


def test_pinsky_rinzel_by_brian2():
    stored = TRACES["pinsky_rinzel"]
    start, trace = dict(stored["start"]), stored["trace"]
    cell = PinskyRinzel(1, i_s=start.pop("drive"))
    # The paper and the script count voltages from -60 mV.
    start = {k: x - 60 if k in ("vs", "vd") else x for k, x in start.items()}
    ts = np.array(trace["t"])[1:]
    sol = solve(cell, ts[-1], ts=ts, state=from_start(cell, start), rtol=1e-9, atol=1e-9)
    assert len(sol.event_times) >= 2 and np.ptp(sol["vd"]) > 50
    for name, shift, atol in (("vs", 60, 1e-3), ("vd", 60, 1e-3), ("ca", 0, 1e-3), ("q", 0, 1e-7)):
        found = sol[name][:, 0] + shift
        np.testing.assert_allclose(found, trace[name][1:], rtol=0, atol=atol)


def test_pinsky_rinzel_takes_its_input_where_it_is_told():
    by_input = PinskyRinzel(1, site="dendrite"), PinskyRinzel(1, site="soma")
    by_bias = PinskyRinzel(1, i_d=1.5), PinskyRinzel(1, i_s=1.5)
    for driven, biased in zip(by_input, by_bias, strict=True):
        a = simulate(driven, 10.0, dt=0.05, inputs=1.5, record=["vs", "vd"])
        b = simulate(biased, 10.0, dt=0.05, record=["vs", "vd"])
        np.testing.assert_allclose(a["vs"], b["vs"], rtol=1e-12)
        seen = driven.potential({"vs": "soma", "vd": "dendrite"})
        assert seen == driven.site
        assert (a["vd"] > a["vs"])[1:].all() == (driven.site == "dendrite")


def test_the_five_levels_of_glif_by_nest():
    stored = TRACES["glif"]
    p, on = stored["parameters"], np.array
    assert p["C_m"] == 100 and p["g"] == 5 and p["E_L"] == -70 and p["V_th"] == -50
    reset, current, adapting = on([0, 1, 0, 1, 1]), on([0, 0, 1, 1, 1]), on([0, 0, 0, 0, 1])
    neurons = GLIF(
        5,
        t_ref=p["t_ref"],
        k1=p["asc_decay"][0],
        k2=p["asc_decay"][1],
        f1=p["asc_r"][0],
        f2=p["asc_r"][1],
        di1=current * p["asc_amps"][0],
        di2=current * p["asc_amps"][1],
        b_s=p["th_spike_decay"],
        dtheta_s=reset * p["th_spike_add"],
        a_v=adapting * p["th_voltage_index"],
        b_v=p["th_voltage_decay"],
        reset=PartialReset(reset * p["voltage_reset_fraction"], reset * p["voltage_reset_add"]),
    )
    rec = simulate(
        neurons,
        stored["end"],
        dt=0.01,
        inputs=stored["current"],
        solver=RK4(),
        record="spike",
        progress=False,
    )
    times, index = rec.spikes("spike")
    for level, expected in enumerate(stored["times"]):
        assert len(expected) >= 5
        # Its current generator takes two steps of 0.01 ms to act; the rest is the grid.
        found = times[index == level] + 0.02
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.035)
