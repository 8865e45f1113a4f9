"""Projections against simulations of single synapses, closed forms and loops; mistakes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_identical

from fdyn import Network, Projection, simulate, solve
from fdyn.components import (
    AMPA,
    COBA,
    CUBA,
    GABAB,
    LIF,
    NMDA,
    Activity,
    Alpha,
    Delta,
    Diffusive,
    DualExponential,
    Exponential,
    Graded,
    MgBlock,
    NMDAKinetic,
    PoissonInput,
    StochasticRelease,
    SuperSpike,
    TsodyksMarkram,
)
from fdyn.solvers import RK4
from fdyn.sparse import Dense, FractionalDelay, OneToOne

DT, N_PRE, N_POST, STEPS = 0.1, 5, 4, 600

# --- every synapse on its own --------------------------------------------------------------------


def decay(x, a, b=0.0):
    """One step of exponential Euler for x' = a x + b."""
    return x + (a * x + b) * np.expm1(a * DT) / a


@dataclasses.dataclass
class Single:
    """A kind of synapse as an array of single synapses `[n_pre, n_post]`, each with a state."""

    synapse: Any
    names: tuple[str, ...]
    advance: Callable[..., tuple]
    receive: Callable[..., tuple]
    conduct: Callable[..., Any]
    linear: bool = False


def pulse(x, s):
    # The clock of the transmitter, in steps; the last of each state.
    return np.where(s > 0, 10, np.maximum(x - 1, 0))


def ampa(r, left):
    t = 1.1 * (left > 0)
    return decay(r, -t - 0.19, t), left


def gaba_b(r, s, left):
    t = 0.09 * (left > 0)
    return decay(r, -t - 0.0012, t), decay(s, -0.034, 0.18 * r), left


def nmda_kinetic(s, x, left):
    t = 1.0 * (left > 0)
    return decay(s, -0.01 - 2 * x, 2 * x), decay(x, -0.5 - t, t), left


PEAK = np.log(6.0) * 6 / 5  # of 1 and 6 ms
HEIGHT = np.exp(-PEAK / 6) - np.exp(-PEAK)
KINDS = {
    "exponential": Single(
        Exponential(4.0),
        ("g",),
        lambda g: (decay(g, -1 / 4),),
        lambda s, g: (g + s,),
        lambda g: g,
        linear=True,
    ),
    "dual": Single(
        DualExponential(1.0, 6.0),
        ("decay", "rise"),
        lambda d, r: (decay(d, -1 / 6), decay(r, -1.0)),
        lambda s, d, r: (d + s, r + s),
        lambda d, r: (d - r) / HEIGHT,
        linear=True,
    ),
    "alpha": Single(
        Alpha(3.0),
        ("g", "h"),
        lambda g, h: (decay(g, -1 / 3, np.e * h / 3), decay(h, -1 / 3)),
        lambda s, g, h: (g, h + s),
        lambda g, h: g,
        linear=True,
    ),
    "nmda": Single(
        NMDA(80.0, 2.0, 0.5),
        ("s", "x"),
        lambda s, x: (decay(s, -1 / 80 - 0.5 * x, 0.5 * x), decay(x, -1 / 2)),
        lambda a, s, x: (s, x + a),
        lambda s, x: s,
    ),
    "ampa": Single(
        AMPA(), ("r", "pulse"), ampa, lambda s, r, left: (r, pulse(left, s)), lambda r, left: r
    ),
    "gaba_b": Single(
        GABAB(kd=1e-4),
        ("r", "s", "pulse"),
        gaba_b,
        lambda a, r, s, left: (r, s, pulse(left, a)),
        lambda r, s, left: s**4 / (s**4 + 1e-4),
    ),
    "nmda_kinetic": Single(
        NMDAKinetic(duration=1.0),
        ("s", "x", "pulse"),
        nmda_kinetic,
        lambda a, s, x, left: (s, x, pulse(left, a)),
        lambda s, x, left: s,
    ),
}
OUTPUTS = {"exponential": COBA(-20.0), "nmda": MgBlock(), "alpha": CUBA(), "gaba_b": COBA(-90.0)}


def current(name, v, g):
    """Its linear part and the rest."""
    if name == "alpha":
        return 0.0, g
    e = {"exponential": -20.0, "gaba_b": -90.0}.get(name, 0.0)
    g = g / (1 + np.exp(-0.062 * v) / 3.57) if name == "nmda" else g
    return -g, g * e


def used(spikes):
    """What a spike is worth: utilisation and resources of each presynaptic unit."""
    u, x, out = np.zeros(N_PRE), np.ones(N_PRE), np.zeros_like(spikes)
    for k, s in enumerate(spikes):
        u, x = u * np.exp(-DT / 200), 1 + (x - 1) * np.exp(-DT / 100)
        u = np.where(s > 0, u + 0.3 * (1 - u), u)
        out[k] = np.where(s > 0, u * x, 0)
        x = x - out[k]
    return out


def by_single_synapses(name, kind, weight, spikes, steps_late, released):
    """The conductance that each neuron sees at every point of the grid, synapse by synapse."""
    sent = used(spikes) if released else spikes
    state = tuple(np.zeros((N_PRE, N_POST)) for _ in kind.names)
    g = np.zeros((len(spikes), N_POST))
    for k in range(len(spikes)):
        state = kind.advance(*state)
        arriving = np.zeros((N_PRE, N_POST))
        for i in range(N_PRE):
            for j in range(N_POST):
                late = steps_late[i, j]
                whole = int(np.floor(late + 1e-9))
                part = late - whole
                if k >= whole:
                    arriving[i, j] += (1 - part) * sent[k - whole, i]
                if k > whole:
                    arriving[i, j] += part * sent[k - whole - 1, i]
        state = kind.receive(arriving, *state)
        g[k] = (weight * kind.conduct(*state)).sum(0)
    return g


def membrane(weights, conductances):
    """LIF neurons behind those conductances."""
    v, course = np.full(N_POST, -65.0), np.zeros((STEPS, N_POST))
    before = {name: np.vstack([np.zeros(N_POST), g[:-1]]) for name, g in conductances.items()}
    for k in range(STEPS):
        a, b = -1.0 / 20, np.full(N_POST, (-65.0 + 8.0) / 20)
        for name in weights:
            slope, rest = current(name, v, before[name][k])
            a, b = a + slope / 20, b + rest / 20
        v = decay(v, a, b)
        v = np.where(v >= -50.0, -65.0, v)
        course[k] = v
    return course


def late(kind, rng):
    """(delay of the projection, delay of the connectivity, both in steps of the single synapses)"""
    own = rng.integers(0, 30, (N_PRE, N_POST))
    between = rng.uniform(0.0, 30.0, (N_PRE, N_POST))
    common = np.ones((N_PRE, N_POST))
    return {
        "none": (0.0, None, 0 * common),
        "common": (0.7, None, 7 * common),
        "single": (0.0, own * DT, own),
        "both": (0.7, own * DT, own + 7),
        "fractional": (FractionalDelay(0.73), None, 7.3 * common),
        "fractional single": (0.3, FractionalDelay(between * DT), between + 3),
    }[kind]


@pytest.mark.parametrize(
    ("delays", "released"),
    [
        ("none", False),
        pytest.param("common", True, marks=pytest.mark.slow),
        pytest.param("both", False, marks=pytest.mark.slow),
        pytest.param("single", True, marks=pytest.mark.slow),
        pytest.param("fractional", True, marks=pytest.mark.slow),
        pytest.param("fractional single", False, marks=pytest.mark.slow),
    ],
)
def test_synapses_on_either_side_are_as_many_single_synapses(delays, released):
    rng = np.random.default_rng(3)
    axon, own, steps_late = late(delays, rng)
    # What arrives in two parts starts two pulses of transmitter, of each projection at its own time.
    kinds = {n: k for n, k in KINDS.items() if k.linear or "fractional" not in delays}
    release = TsodyksMarkram(0.3, 100.0, 200.0) if released else None
    weights, parts = {}, {}
    for name, kind in kinds.items():
        weights[name] = w = rng.uniform(0.02, 0.1, (N_PRE, N_POST))
        for align in ("pre", "post") if kind.linear and name != "alpha" else (None,):
            parts[name, align] = Projection(
                "a",
                "b",
                Dense(w, delay=own),
                kind.synapse,
                OUTPUTS.get(name, COBA(0.0)),
                axon,
                release=release,
                align=align,
            )
    shown = {" ".join(filter(None, key)): key for key in parts}
    net = Network(
        {"a": LIF(N_PRE, t_ref=2.0), "b": LIF(N_POST)}, {k: parts[n] for k, n in shown.items()}
    )
    drive = np.linspace(18.0, 30.0, N_PRE)
    inputs = {"a": np.broadcast_to(drive, (STEPS, N_PRE)), "b": np.full((STEPS, 1), 8.0)}
    inputs["b"] = np.broadcast_to(inputs["b"], (STEPS, N_POST))
    run = simulate(net, STEPS * DT, dt=DT, inputs=inputs, record=["a.spike", "b.v", "b.spike"])
    g = {
        name: by_single_synapses(name, kind, weights[name], run["a.spike"], steps_late, released)
        for name, kind in kinds.items()
    }
    twice = {k: g[name] for k, (name, _) in shown.items()}
    v = membrane({}, {})
    v, before = np.full(N_POST, -65.0), {k: np.vstack([0 * x[:1], x[:-1]]) for k, x in twice.items()}
    for k in range(STEPS):
        a, b = -1.0 / 20, np.full(N_POST, (-65.0 + 8.0) / 20)
        for key, (name, _) in shown.items():
            slope, rest = current(name, v, before[key][k])
            a, b = a + slope / 20, b + rest / 20
        v = decay(v, a, b)
        v = np.where(v >= -50.0, -65.0, v)
        np.testing.assert_allclose(run["b.v"][k], v, rtol=1e-10, err_msg=f"step {k}")
    assert run["a.spike"].sum() > 5 and min(x.max() for x in g.values()) > 0.01
    assert run["b.v"].max() - run["b.v"].min() > 3
