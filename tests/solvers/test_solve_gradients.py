"""Derivatives through spikes: against closed forms, finite differences, and both modes."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from fdyn import Network, Projection, State, param, solve
from fdyn.components import COBA, LIF, AbstractComponent, ConstantInput, Exponential
from fdyn.sparse import Dense

TIGHT = {"rtol": 1e-10, "atol": 1e-11, "max_events": 24, "max_steps": 4000}
FORWARD, REVERSE = diffrax.ForwardMode(), diffrax.RecursiveCheckpointAdjoint()
pytestmark = pytest.mark.slow


class QIF(AbstractComponent):
    """tau dv/dt = v^2 + u from `v_reset` to `v_peak`."""

    tau: Array = param(10.0, unit="ms", doc="time constant")
    v_peak: Array = param(10.0, unit="1", doc="peak")
    v_reset: Array = param(-5.0, unit="1", doc="reset and start")
    size: int = eqx.field(static=True, default=1)

    def init(self, *, key, dt):
        return State({"v": jnp.broadcast_to(self.v_reset, (self.size,))}, {})

    def flow(self, t, y, args):
        return {"v": (y["v"] ** 2 + args.u) / self.tau}

    def events(self, t, y, args):
        return y["v"] - self.v_peak

    def jump(self, t, y, args, *, dt, key):
        above = self.events(t, y, args)
        s = above >= 0 if args.fired is None else args.fired
        return {"v": jnp.where(s, self.v_reset, y["v"])}, args.mem, {"spike": s.astype(float)}


def lif_by_solve(p, adjoint):
    """Three spike times and the voltage at 60 ms, from a start of its own below the reset."""
    neuron = LIF(
        1,
        tau=p["tau"],
        v_rest=-65.0,
        v_th=p["v_th"],
        v_reset=p["v_reset"],
        t_ref=p["t_ref"],
        v_init=p["v_init"],
    )
    sol = solve(neuron, 60.0, inputs=p["u"], adjoint=adjoint, **TIGHT)
    return jnp.append(sol.spike_times("spike", 3)[0], sol["v"][-1, 0])


def lif_closed(p):
    top = p["u"] - 65.0
    climb = lambda v: p["tau"] * jnp.log((top - v) / (top - p["v_th"]))  # noqa: E731
    first, period = climb(p["v_init"]), climb(p["v_reset"]) + p["t_ref"]
    times = first + period * jnp.arange(3.0)
    rest = 60.0 - times[2] - p["t_ref"]
    return jnp.append(times, top - (top - p["v_reset"]) * jnp.exp(-rest / p["tau"]))


def qif_by_solve(p, adjoint):
    neuron = QIF(tau=p["tau"], v_peak=p["v_peak"], v_reset=p["v_reset"])
    sol = solve(neuron, 100.0, inputs=p["u"], adjoint=adjoint, **TIGHT)
    return jnp.append(sol.spike_times("spike", 2)[0], sol["v"][-1, 0])


def qif_closed(p):
    root = jnp.sqrt(p["u"])
    phase = lambda v: jnp.arctan(v / root)  # noqa: E731
    period = p["tau"] / root * (phase(p["v_peak"]) - phase(p["v_reset"]))
    rest = 100.0 - 2 * period
    v = root * jnp.tan(rest * root / p["tau"] + phase(p["v_reset"]))
    return jnp.append(period * jnp.arange(1.0, 3.0), v)


# Two sets of parameters each, as a batch: the number of events and steps differ between them.
LIF_P = {
    "u": [30.0, 24.0],
    "tau": [20.0, 17.0],
    "v_th": [-50.0, -48.0],
    "v_reset": [-66.0, -60.0],
    "t_ref": [2.0, 1.5],
    "v_init": [-70.0, -64.0],
}
QIF_P = {"u": [0.5, 0.8], "tau": [10.0, 12.0], "v_peak": [10.0, 7.0], "v_reset": [-5.0, -2.0]}


@pytest.mark.parametrize(
    ("by_solve", "closed", "p", "spikes"),
    [(lif_by_solve, lif_closed, LIF_P, 3), (qif_by_solve, qif_closed, QIF_P, 2)],
    ids=["LIF", "QIF"],
)
def test_times_and_states_follow_the_closed_form(by_solve, closed, p, spikes):
    p = {k: jnp.array(v) for k, v in p.items()}
    values = jax.vmap(closed)(p)
    assert bool((values[:, spikes - 1] < (60.0 if spikes == 3 else 100.0)).all())
    exact = jax.vmap(jax.jacfwd(closed))(p)

    def both(adjoint, transform):
        fn = lambda p: by_solve(p, adjoint)  # noqa: E731
        return jax.jit(jax.vmap(lambda p: (fn(p), transform(fn)(p))))(p)

    found, forward = both(FORWARD, jax.jacfwd)
    np.testing.assert_allclose(found, values, rtol=1e-8)
    _, reverse = both(REVERSE, jax.jacrev)
    for name, expected in exact.items():
        assert bool((abs(expected) > 1e-3).any())
        np.testing.assert_allclose(forward[name], expected, rtol=1e-6, atol=1e-7, err_msg=name)
        np.testing.assert_allclose(reverse[name], forward[name], rtol=1e-9, atol=1e-9)


def test_second_derivatives_of_spike_times():
    def first(u):
        sol = solve(LIF(1, v_rest=-65.0, v_th=-50.0), 20.0, inputs=u, adjoint=FORWARD, **TIGHT)
        return sol.spike_times("spike", 1)[0, 0]

    u = 30.0  # 20 log(u / (u - 15))
    found = jax.jit(jax.jacfwd(jax.jacfwd(first)))(u)
    np.testing.assert_allclose(found, 20 * (1 / (u - 15) ** 2 - 1 / u**2), rtol=1e-5)


def test_neurons_that_spike_together_keep_their_own_derivatives():
    """The first two are alike; each of them answers to its own input and dead time only."""
    u, t_ref = jnp.array([30.0, 30.0, 40.0]), jnp.array([2.0, 2.0, 1.0])

    def run(p):
        u, t_ref = p
        neurons = LIF(3, tau=20.0, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, t_ref=t_ref)
        sol = solve(neurons, 60.0, inputs=ConstantInput(3, u), adjoint=FORWARD, **TIGHT)
        return sol.spike_times("spike", 3), sol["v"][-1], sol.event_times[:3]

    def closed(p):
        u, t_ref = p
        first = 20 * jnp.log(u / (u - 15))
        times = first[:, None] + (first + t_ref)[:, None] * jnp.arange(3.0)[None]
        rest = 60.0 - times[:, 2] - t_ref
        return times, -65 + u * (1 - jnp.exp(-rest / 20))

    times, v, instants = jax.jit(jax.jacfwd(run))((u, t_ref))
    exact_times, exact_v = jax.jacfwd(closed)((u, t_ref))
    for found, expected in zip(times, exact_times, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-7)
    # The third fires again in the end, which the closed form leaves out.
    for found, expected in zip(v, exact_v, strict=True):
        np.testing.assert_allclose(np.asarray(found)[:2], np.asarray(expected)[:2], atol=1e-6)
    # An instant that two share has the mean of both.
    mean = np.diag(exact_times[0][:2, 0, :2]) / 2
    np.testing.assert_allclose(instants[0][1, :2], mean, atol=1e-7)


def network(p, adjoint=None):
    """Two neurons that spike together drive two others, which spike later and drive nobody."""
    sender = LIF(2, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, t_ref=3.0)
    target = LIF(2, v_rest=-65.0, v_th=-50.0, v_reset=-60.0, t_ref=1.0)
    w = Dense(p["w"])
    net = Network(
        {"A": sender, "B": target},
        {"AB": Projection("A", "B", w, Exponential(p["tau"]), COBA(0.0))},
    )
    inputs = {"A": ConstantInput(2, p["u"]), "B": 12.0}
    options = TIGHT if adjoint is None else {**TIGHT, "adjoint": adjoint}
    sol = solve(net, 40.0, inputs=inputs, **options)
    spikes = sol.spike_times("B.spike", 2)
    return jnp.concatenate([spikes.ravel(), sol["B.v"][-1], sol["AB.g"][-1]])


def test_a_network_against_finite_differences():
    p = {
        "u": jnp.array([30.0, 30.0]),
        "w": jnp.array([[0.6, 0.45], [0.3, 0.9]]),
        "tau": jnp.array(5.0),
    }
    value = network(p)
    assert bool(jnp.isfinite(value).all())
    reverse = jax.jit(jax.jacrev(lambda p: network(p, REVERSE)))(p)
    h = 1e-4
    for name, x in p.items():
        for i in np.ndindex(x.shape):
            low, high = ({**p, name: x.at[i].add(d)} for d in (-h, h))
            slope = (network(high) - network(low)) / (2 * h)
            found = reverse[name][(slice(None), *i)]
            np.testing.assert_allclose(found, slope, rtol=2e-5, atol=2e-6, err_msg=f"{name}{i}")
