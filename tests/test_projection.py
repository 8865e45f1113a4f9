"""Projections against simulations of single synapses, closed forms and loops; mistakes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax
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

DT, N_PRE, N_POST, STEPS = 0.1, 5, 4, 300

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


def late(kind, rng):
    """(delay of the projection, delay of the connectivity, both in steps of the single synapses)"""
    own = rng.integers(0, 30, (N_PRE, N_POST))
    between = rng.uniform(0.0, 30.0, (N_PRE, N_POST))
    return {
        "none": (0.0, None, 0 * own),
        "both": (0.7, own * DT, own + 7),
        "fractional": (0.3, FractionalDelay(between * DT), between + 3),
    }[kind]


@pytest.mark.parametrize(
    ("delays", "released"),
    [
        ("none", False),
        pytest.param("both", True, marks=pytest.mark.slow),
        pytest.param("fractional", False, marks=pytest.mark.slow),
    ],
)
def test_synapses_on_either_side_are_as_many_single_synapses(delays, released):
    rng = np.random.default_rng(3)
    axon, own, steps_late = late(delays, rng)
    # What arrives in two parts starts two pulses of transmitter; the linear ones are compared.
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
    names = {" ".join(filter(None, key)): key[0] for key in parts}
    net = Network(
        {"a": LIF(N_PRE, t_ref=2.0), "b": LIF(N_POST)},
        dict(zip(names, parts.values(), strict=True)),
    )
    drive = {"a": np.linspace(24.0, 45.0, N_PRE), "b": np.full(N_POST, 8.0)}
    drive = {k: np.broadcast_to(x, (STEPS, x.size)) for k, x in drive.items()}
    run = simulate(net, STEPS * DT, dt=DT, inputs=drive, record=["a.spike", "b.v"])
    g = {
        name: by_single_synapses(name, kind, weights[name], run["a.spike"], steps_late, released)
        for name, kind in kinds.items()
    }
    assert run["a.spike"].sum() > 5 and min(x.max() for x in g.values()) > 0.01
    v, course = np.full(N_POST, -65.0), np.zeros((STEPS, N_POST))
    for k in range(STEPS):
        a, b = -1.0 / 20, np.full(N_POST, (-65.0 + 8.0) / 20)
        for name in names.values():
            slope, rest = current(name, v, g[name][k - 1] if k else np.zeros(N_POST))
            a, b = a + slope / 20, b + rest / 20
        v = decay(v, a, b)
        course[k] = v = np.where(v >= -50.0, -65.0, v)
    np.testing.assert_allclose(run["b.v"], course, rtol=1e-10)
    assert course.max() - course.min() > 3


@pytest.mark.parametrize(
    "d", [1, *(pytest.param(d, marks=pytest.mark.slow) for d in (0, 15, None))]
)
def test_a_delta_synapse_acts_before_the_threshold_of_its_instant(d):
    rng, n = np.random.default_rng(0), 12
    w, u = rng.uniform(0, 5, (n, n)), rng.uniform(20, 40, n)
    own = rng.integers(1, 20, (n, n))
    conn = Dense(w, delay=own * DT) if d is None else Dense(w)
    p = Projection("a", "a", conn, Delta(), delay=(d or 0) * DT)
    inputs = {"a": np.broadcast_to(u, (STEPS, n))}
    net = Network({"a": LIF(n, t_ref=2.0)}, {"p": p})
    run = simulate(net, STEPS * DT, dt=DT, inputs=inputs, record=["a.v", "a.spike"])
    v, clock, sent = np.full(n, -65.0), np.zeros(n, int), np.zeros((STEPS, n))
    for k in range(STEPS):
        free = clock == 0
        v = np.where(free, u - 65 + (v - u + 65) * np.exp(-DT / 20), v)
        waited = own if d is None else np.full((n, n), d)
        kick = np.zeros(n)
        for i in range(n):
            for j in range(n):
                if waited[i, j] > 0 and k >= waited[i, j]:
                    kick[j] += sent[k - waited[i, j], i] * w[i, j]
        v = np.where(free, v + kick, v)
        sent[k] = v >= -50
        v = np.where(sent[k] > 0, -65, v)
        clock = np.where(sent[k] > 0, 20, np.maximum(clock - 1, 0))
        if d == 0:
            v = np.where(clock == 0, v + sent[k] @ w, v)
        np.testing.assert_allclose(run["a.v"][k], v, rtol=1e-12, err_msg=f"step {k}")
    np.testing.assert_array_equal(run["a.spike"], sent)
    assert sent.sum() > 20


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_coupling_through_the_activity_is_read_at_the_grid_and_has_a_constant_past(own):
    """v_b' = (-v_b + sum_i w_ij (v_i(t - d_ij) - v_j)) / tau, summed by hand."""
    rng = np.random.default_rng(1)
    w = rng.uniform(0.0, 0.4, (N_PRE, N_POST))
    late = rng.integers(0, 25, (N_PRE, N_POST)) + 6 if own else np.full((N_PRE, N_POST), 6)
    conn = Dense(w, delay=(late - 6) * DT) if own else Dense(w)
    p = Projection("a", "b", conn, Activity(), Diffusive(), delay=6 * DT)
    start = rng.uniform(-80.0, -55.0, N_PRE)
    nodes = {"a": LIF(N_PRE, v_init=start, v_th=1e3), "b": LIF(N_POST, v_th=1e3)}
    drive = rng.normal(0.0, 20.0, (STEPS, N_PRE))
    inputs = {"a": drive}
    run = simulate(Network(nodes, {"p": p}), 30.0, dt=DT, inputs=inputs, record=["a.v", "b.v"])
    x = np.vstack([np.broadcast_to(start, (40, N_PRE)), start[None], run["a.v"]])
    v = np.full(N_POST, -65.0)
    for k in range(STEPS):
        total = np.zeros(N_POST)
        for i in range(N_PRE):
            for j in range(N_POST):
                total[j] += w[i, j] * x[40 + k - late[i, j], i]
        v = decay(v, -(1 + w.sum(0)) / 20, (-65.0 + total) / 20)
        np.testing.assert_allclose(run["b.v"][k], v, rtol=1e-11, err_msg=f"step {k}")


@pytest.mark.slow
def test_two_cells_with_a_gap_junction_approach_each_other_as_in_closed_form():
    """Their mean decays with 1/tau, their difference with (1 + 2 g)/tau; solve is exact."""
    g = 0.35
    p = Projection("a", "a", Dense(g * (1 - np.eye(2))), Activity(), Diffusive())
    net = Network({"a": LIF(2, v_init=[-60.0, -75.0], v_th=1e3)}, {"p": p})
    ts = np.linspace(0.0, 30.0, 7)
    sol = solve(net, 30.0, ts=ts, rtol=1e-9, atol=1e-9)
    mean = -65 - 2.5 * np.exp(-ts / 20)
    apart = 7.5 * np.exp(-ts * (1 + 2 * g) / 20)
    exact = np.stack([mean + apart, mean - apart], 1)
    np.testing.assert_allclose(sol["a.v"], exact, atol=1e-6)
    run = simulate(net, 30.0, dt=0.5, solver=RK4(), record="a.v")
    np.testing.assert_allclose(run["a.v"][9::10], exact[1:], atol=1e-7)


# --- without a grid ------------------------------------------------------------------------------


@pytest.mark.slow
def test_synapses_are_closed_forms_in_solve():
    """Spikes at 20 log(u / (u - 15)) and its multiples, between any two points of a grid."""
    period = 20 * np.log(30.0 / 15.0)
    stp = TsodyksMarkram(0.4, 50.0, 100.0)
    net = Network(
        {"a": LIF(1), "b": LIF(1, v_th=1e3)},
        {
            "ampa": Projection("a", "b", OneToOne(1.0, n=1), AMPA(duration=1.5), COBA(0.0)),
            "alpha": Projection("a", "b", OneToOne(2.0, n=1), Alpha(3.0), CUBA()),
            "dual": Projection(
                "a", "b", OneToOne(1.0, n=1), DualExponential(1.0, 4.0), CUBA(), release=stp
            ),
            "nmda": Projection("a", "b", OneToOne(1.0, n=1), NMDA(1e9, 2.0, 0.5), CUBA()),
        },
    )
    ts = np.array([10.0, 14.5, 15.2, 20.0, 27.0, 29.0, 35.0, 41.0])
    sol = solve(net, 41.5, ts=ts, inputs={"a": 30.0}, rtol=1e-8, atol=1e-10)
    spikes = sol.spikes("a.spike").times
    np.testing.assert_allclose(spikes, period * np.arange(1, 3), atol=1e-6)

    since = ts[:, None] - period * np.arange(1, 3)
    on = since > 0
    alpha = np.where(on, 2 * since / 3 * np.exp(1 - since / 3), 0).sum(1)
    np.testing.assert_allclose(sol["alpha.g"][:, 0], alpha, atol=1e-6)

    top, rate = 1.1 / 1.29, 1.29
    course = []
    for t in ts:
        r, now = 0.0, 0.0
        for k in range(1, 3):
            if t < k * period:
                break
            r = r * np.exp(-0.19 * (k * period - now))
            length = min(1.5, t - k * period)
            r = top + (r - top) * np.exp(-rate * length)
            now = k * period + length
        course.append(r * np.exp(-0.19 * (t - now)))
    np.testing.assert_allclose(sol["ampa.r"][:, 0], course, atol=1e-6)

    u1, x1 = 0.4, 1.0
    u2 = 0.4 + 0.6 * u1 * np.exp(-period / 100)
    x2 = 1 - (1 - (1 - u1) * x1) * np.exp(-period / 50)
    size = np.array([u1 * x1, u2 * x2])
    np.testing.assert_allclose(
        sol["dual.decay"][:, 0], np.where(on, size * np.exp(-since / 4), 0).sum(1), atol=1e-6
    )
    x_after = (1 - u1) * x1
    recovered = 1 - (1 - x_after) * np.exp(-(ts[1] - period) / 50)
    assert sol["dual.release.x"][1, 0] == pytest.approx(recovered, abs=1e-7)

    # Without decay, 1 - s falls by exp of the transmitter's integral.
    x = np.where(on, 2 * 0.5 * (1 - np.exp(-since / 2)), 0).sum(1)
    np.testing.assert_allclose(sol["nmda.s"][:, 0], 1 - np.exp(-x), atol=1e-6)


@pytest.mark.slow
def test_the_end_of_a_pulse_has_the_derivative_of_its_time():
    """After a pulse of length d from rest, r = r_inf (1 - exp(-k d)) exp(-beta (t - t1 - d))."""
    period = 20 * np.log(2.0)

    def r(d):
        p = Projection("a", "b", OneToOne(1.0, n=1), AMPA(duration=d), CUBA())
        net = Network({"a": LIF(1), "b": LIF(1, v_th=1e3)}, {"p": p})
        forward = diffrax.ForwardMode()
        sol = solve(
            net, 20.0, ts=[19.0], inputs={"a": 30.0}, rtol=1e-8, atol=1e-10, adjoint=forward
        )
        return sol["p.r"][0, 0]

    def exact(d):
        return 1.1 / 1.29 * (1 - jnp.exp(-1.29 * d)) * jnp.exp(-0.19 * (19.0 - period - d))

    slope = jax.jacfwd(r)(1.5)
    assert slope == pytest.approx(float(jax.grad(exact)(1.5)), rel=1e-4)


# --- what programs do with them ------------------------------------------------------------------


def many_kinds(n: int = 3, **scales) -> Network:
    """A network with synapses of every kind, release, delays and sampled coupling."""
    w = np.random.default_rng(5).uniform(0.05, 0.2, (n, n))
    own = np.random.default_rng(6).integers(0, 9, (n, n)) * DT
    stp = TsodyksMarkram(0.4 * scales.get("u", 1.0), 50.0, 100.0)
    weight = w * scales.get("w", 1.0)
    neuron = LIF(n, t_ref=2.0, spike=SuperSpike(1e9))
    return Network(
        {"in": PoissonInput(n, 500.0), "a": neuron, "b": LIF(n, v_th=1e3)},
        {
            "drive": Projection("in", "a", OneToOne(60.0, n=n), Exponential(3.0)),
            "nmda": Projection("a", "b", Dense(weight, delay=own), NMDA(), MgBlock(), 0.3),
            "dual": Projection("a", "b", Dense(weight), DualExponential(), COBA(), release=stp),
            "gap": Projection("b", "b", Dense(w), Activity(), Diffusive(), 0.5),
        },
    )


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences():
    key = jax.random.key(4)

    def loss(log):
        net = many_kinds(u=jnp.exp(log), w=jnp.exp(log))
        return jnp.mean(simulate(net, 30.0, dt=DT, key=key, record="b.v")["b.v"] ** 2)

    h = 1e-4
    slope = jax.grad(loss)(0.1)
    apart = (loss(0.1 + h) - loss(0.1 - h)) / (2 * h)
    assert abs(apart) > 1e-2 and slope == pytest.approx(float(apart), rel=1e-6)


@pytest.mark.slow
def test_chunks_states_and_batches_change_nothing():
    net, key = many_kinds(), jax.random.key(4)
    record = ["b.v", "a.spike", "dual.release.x", "nmda.s"]
    whole = simulate(net, 20.0, dt=DT, key=key, record=record)
    assert whole["a.spike"].sum() > 3
    parts = simulate(net, 20.0, dt=DT, key=key, record=record, chunk=37)
    first = simulate(net, 8.0, dt=DT, key=key, record=record)
    second = simulate(net, 12.0, dt=DT, record=record, state=first.state)
    for name in record:
        assert_identical(whole[name], parts[name])
        assert_identical(whole[name], np.concatenate([first[name], second[name]]))
    scales = jnp.array([0.5, 1.5])

    def run(w):
        return simulate(many_kinds(w=w), 8.0, dt=DT, key=key, record="b.v")["b.v"]

    batch = jax.vmap(run)(scales)
    for w, one in zip(scales, batch, strict=True):
        np.testing.assert_allclose(one, run(w), rtol=1e-12)
    assert abs(batch[0] - batch[1]).max() > 0.01


# --- mistakes ------------------------------------------------------------------------------------

W = OneToOne(1.0, n=2)
OWN = OneToOne(1.0, n=2, delay=[0.0, 1.0])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Projection("a", "b", W, NMDA(), align="post"), "NMDA is not linear.*'pre'"),
        (lambda: Projection("a", "b", W, Activity(), align="post"), "driven by the activity"),
        (lambda: Projection("a", "b", W, Alpha(), align="both"), "'align' must be.*'both'"),
        (
            lambda: Projection("a", "b", W, Graded(), release=TsodyksMarkram()),
            "'release' acts on spikes.*Graded",
        ),
        (
            lambda: Projection(
                "a", "b", W, Alpha(), delay=FractionalDelay(0.25), release=StochasticRelease()
            ),
            "StochasticRelease with sites draws once.*two parts: take a delay that is a multiple",
        ),
        (
            lambda: Projection(
                "a",
                "b",
                OneToOne(1.0, n=2, delay=FractionalDelay(0.25)),
                Alpha(),
                release=TsodyksMarkram(sites=2),
            ),
            "TsodyksMarkram with sites draws once",
        ),
        (lambda: Projection("a", "b", W, Alpha(), release=Alpha()), "'release' must be.*Alpha"),
        (lambda: Projection("a", "b", W, Alpha(), plasticity=3), "'plasticity' must be.*int"),
        (lambda: Projection("a", "b", W, Delta(), COBA()), "Delta.*neither 'output'"),
        (lambda: Projection("a", "b", W, Delta(), align="pre"), "Delta.*nor align='pre'"),
        (lambda: Projection("a", "b", W, Delta(), delay=FractionalDelay(0.3)), "multiples of dt"),
        (lambda: Projection("a", "b", OWN, Delta()), "must be positive"),
        (lambda: Projection("a", "b", W, Alpha(), delay=FractionalDelay([1.0])), "one for all"),
        (
            lambda: Network(
                {"in": PoissonInput(2, 1.0), "b": LIF(2)},
                {"p": Projection("in", "b", W, Activity(), Diffusive())},
            ),
            "must be an AbstractNeuron.*driven by its activity",
        ),
        (lambda: DualExponential(5.0, 5.0), "'tau_rise' must lie below.*take Alpha"),
        (lambda: TsodyksMarkram(u=1.2), "'u' must lie between 0 and 1, got 1.2"),
        (lambda: TsodyksMarkram(sites=0), "'sites' must be a positive integer, got 0"),
        (lambda: StochasticRelease(p=[0.5, 2.0]), "'p' must lie between 0 and 1, got 2"),
        (lambda: StochasticRelease(sites=1.5), "'sites' must be a positive integer, got 1.5"),
        (lambda: AMPA(duration=0.0), "'duration' must be positive"),
    ],
)
def test_what_does_not_go_together(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_solve_refuses_what_draws_at_every_step_and_what_waits():
    def net(**kwargs):
        p = Projection("a", "a", W, kwargs.pop("synapse", Alpha()), **kwargs)
        return Network({"a": LIF(2)}, {"p": p})

    for release in (StochasticRelease(), TsodyksMarkram(sites=3)):
        with pytest.raises(ValueError, match="release.*random.*Use simulate"):
            solve(net(release=release), 1.0)
    with pytest.raises(ValueError, match="delay"):
        solve(net(synapse=Activity(), delay=1.0), 1.0)
