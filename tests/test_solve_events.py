"""The events of `solve`: many, at once, one after the other at one instant, and in batches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import squid
from jax import Array

from fdyn import (
    Affine,
    Network,
    Projection,
    Solution,
    State,
    param,
    simulate,
    solve,
)
from fdyn.components import (
    COBA,
    KHH,
    LIF,
    AbstractComponent,
    AbstractPopulation,
    ConductanceBased,
    ConstantInput,
    Exponential,
    Leak,
    NaHH,
)
from fdyn.sparse import OneToOne


def neuron(**kwargs) -> LIF:
    """tau = 20, from -65 to the threshold at -50: with u = 30 the first spike is at 20 log 2."""
    return LIF(2, tau=20.0, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, **kwargs)


FIRST = 20 * np.log(2)


TIGHT = {"rtol": 1e-10, "atol": 1e-11}


class Chain(AbstractPopulation):
    """Integrators, each of which kicks the next one by `kick` when it is reset at 1."""

    size: int = eqx.field(static=True)
    kick: Array = param(2.0, unit="1", doc="what a spike adds to the next")

    def init(self, *, key, dt):
        return State({"v": jnp.zeros(self.size)}, {})

    def flow(self, t, y, args):
        return {"v": Affine(0.0, jnp.where(jnp.arange(self.size) == 0, 0.1, 0.0))}

    def events(self, t, y, args):
        return y["v"] - 1

    def jump(self, t, y, args, *, dt, key):
        s = args.fired.astype(float)
        v = jnp.where(args.fired, 0.0, y["v"])
        return {"v": v.at[1:].add(self.kick * s[:-1])}, args.mem, {"spike": s}


def test_neurons_that_spike_together_make_one_event():
    sol = solve(neuron(), 60.0, inputs=30.0, **TIGHT)
    times, index = sol.spikes("spike")
    exact = FIRST * np.arange(1, 5)
    np.testing.assert_allclose(sol.event_times, exact, atol=1e-7)
    np.testing.assert_array_equal(times.reshape(-1, 2)[:, 0], sol.event_times)
    assert index.tolist() == [0, 1] * 4
    assert int(sol.stats["events"]) == 4


def test_a_solution_without_spikes_has_none():
    trains = solve(neuron(), 60.0, inputs=10.0, **TIGHT).spikes("spike")
    assert trains.times.shape == trains.index.shape == (0,) and trains.size == 2


def test_clocks_that_overlap_end_exactly():
    # The clock of the first neuron runs while the second spikes; half of a step means nothing here.
    current = ConstantInput(2, jnp.array([30.0, 33.0]))
    t_ref = jnp.array([4.0, 1.7])
    sol = solve(neuron(t_ref=t_ref), 90.0, inputs=current, **TIGHT)
    times, index = sol.spikes("spike")
    for i, (u, ref) in enumerate(((30.0, 4.0), (33.0, 1.7))):
        period = 20 * np.log(u / (u - 15)) + ref
        exact = np.arange(0, 90, period)[1:] - ref
        exact = np.append(exact, exact[-1] + period)
        np.testing.assert_allclose(times[index == i], exact[exact < 90], atol=1e-7)


def test_a_jump_that_makes_others_fire():
    sol = solve(Chain(3), 25.0)
    times, index = sol.spikes("spike")
    assert index.tolist() == [0, 1, 2] * 2
    np.testing.assert_allclose(times, np.repeat([10.0, 20.0], 3), atol=1e-8)
    weak = solve(Chain(3, kick=0.4), 35.0)  # three kicks are needed, the third comes at 30 ms
    assert weak.spikes("spike").index.tolist() == [0, 0, 0, 1]


@pytest.mark.slow
def test_many_neurons_are_as_many_single_ones():
    # The spikes of some fall between the upward and the downward crossing of others, or together.
    currents = [10.0, 10.0, 10.01, 14.0]
    channels = {"na": NaHH(), "k": KHH(), "leak": Leak()}

    def spikes(currents, t_ref=0.0):
        model = ConductanceBased(len(currents), channels, t_ref=t_ref)
        drive = ConstantInput(len(currents), jnp.array(currents))
        return solve(model, 60.0, inputs=drive, rtol=1e-9, atol=1e-10).spikes("spike")

    together = spikes(currents)
    assert len(together.times) >= 16
    for i, current in enumerate(currents):
        alone = spikes([current]).times
        np.testing.assert_allclose(together.times[together.index == i], alone, atol=1e-6)
        # A dead time of 20 ms hides every second spike, at intervals of 12 to 15 ms.
        np.testing.assert_allclose(spikes([current], t_ref=20.0).times, alone[::2], atol=1e-6)


def test_what_starts_at_threshold():
    # An integrate-and-fire neuron fires at once, as on a grid; an action potential has begun.
    sol = solve(neuron(v_init=jnp.array([-40.0, -60.0])), 5.0)
    assert sol.event_times.tolist() == [0.0] and sol.spikes("spike").index.tolist() == [0]
    start = squid().init(key=jax.random.key(0), dt=0.1)
    start = State({**start.y, "v": jnp.array([20.0])}, start.mem)
    assert len(solve(squid(), 5.0, state=start).event_times) == 0


def test_spikes_arrive_in_a_network():
    w, tau = 0.25, 5.0
    synapse = Projection("A", "B", OneToOne(w * jnp.ones(2)), Exponential(tau), COBA(0.0))
    net = Network({"A": neuron(), "B": neuron()}, {"AB": synapse})
    sol = solve(net, 45.0, inputs={"A": 30.0}, ts=[20.0, 45.0], **TIGHT)
    spikes = FIRST * np.arange(1, 4)
    for t, g in zip(sol.ts, sol["AB.g"], strict=True):
        past = spikes[spikes < t]
        np.testing.assert_allclose(g, np.full(2, w * np.exp(-(t - past) / tau).sum()), atol=1e-8)
    assert sol.spikes("A.spike").index.tolist() == [0, 1] * 3
    grid = simulate(net, 45.0, dt=0.001, inputs={"A": 30.0}, progress=False)
    y = grid.state.model.y["B"]["v"]
    np.testing.assert_allclose(sol["B.v"][-1], y, atol=0.01)


def test_too_many_events_leave_a_prefix_to_go_on_from():
    sol = solve(neuron(), 60.0, inputs=30.0, max_events=2, throw=False, **TIGHT)
    assert not sol.status.ok and "max_events = 2" in sol.status.message
    np.testing.assert_allclose(sol.event_times, [FIRST, 2 * FIRST], atol=1e-7)
    rest = solve(neuron(), 60.0 - float(sol.state.time), inputs=30.0, state=sol.state, **TIGHT)
    np.testing.assert_allclose(rest.event_times, [3 * FIRST, 4 * FIRST], atol=1e-7)
    with pytest.raises(RuntimeError, match="more events than max_events = 2"):
        solve(neuron(), 60.0, inputs=30.0, max_events=2)


class WithoutEvents(AbstractPopulation):
    """A perfect integrator whose threshold is known to its jump only."""

    size: int = 1
    kind: str = eqx.field(static=True, default="reset")

    def init(self, *, key, dt):
        return State({"v": jnp.zeros(self.size), "w": jnp.ones(self.size)}, {})

    def flow(self, t, y, args):
        return jax.tree.map(jnp.ones_like, y)

    def jump(self, t, y, args, *, dt, key):
        spike = (y["v"] >= 1).astype(y["v"].dtype)
        new = {
            "reset": lambda y: {"v": y["v"] * (1 - spike), "w": y["w"]},
            "swap": lambda y: {"v": y["w"], "w": y["v"]},
            "constant": lambda y: {"v": jnp.zeros(self.size), "w": y["w"]},
            "jitted": jax.jit(lambda y: {"v": y["v"] * 0, "w": y["w"]}),
            "same": lambda y: y,
            "copy": lambda y: dict(y),
            "jitted same": jax.jit(lambda y: {"v": jnp.asarray(y["v"]), "w": y["w"]}),
        }[self.kind](y)
        return new, {}, {"spike": spike}


@pytest.mark.parametrize("kind", ["reset", "swap", "constant", "jitted"])
def test_a_jump_that_acts_needs_events(kind):
    with pytest.raises(ValueError, match="WithoutEvents.*defines no 'events'.*or use simulate"):
        solve(WithoutEvents(kind=kind), 3.0)
    net = Network({"in": ConstantInput(1, 2.0), "A": Network({"E": WithoutEvents(kind=kind)})})
    with pytest.raises(ValueError, match="'A.E' .WithoutEvents"):
        solve(net, 3.0)


@pytest.mark.parametrize("kind", ["same", "copy", "jitted same"])
def test_a_jump_that_hands_the_state_on_needs_none(kind):
    sol = solve(WithoutEvents(kind=kind), 3.0, ts=[3.0])
    np.testing.assert_allclose(sol["v"], [[3.0]], rtol=1e-6)


class NoEvents(AbstractComponent):
    """A reset that follows the usual form, without events."""

    def init(self, *, key, dt):
        return State({"v": jnp.zeros(1)}, {})

    def flow(self, t, y, args):
        return {"v": jnp.ones(1)}

    def jump(self, t, y, args, *, dt, key):
        above = y["v"] - 1.0
        s = (above >= 0).astype(above.dtype) if args.fired is None else args.fired.astype(float)
        return {"v": y["v"] * (1 - s)}, args.mem, {"spike": s}


def test_a_reset_without_events_is_refused():
    with pytest.raises(ValueError, match="defines no 'events'"):
        solve(NoEvents(), 5.0)


class Rivals(AbstractPopulation):
    """Integrators with a common drive, which push each other by `push` and a follower by 2."""

    drive: Array = param(unit="1/ms", doc="drive of each")
    push: Array = param(-2.0, unit="1", doc="what a spike does to the rivals")
    size: int = 3

    def init(self, *, key, dt):
        return State({"v": jnp.zeros(self.size)}, {})

    def flow(self, t, y, args):
        return {"v": self.drive}

    def events(self, t, y, args):
        return y["v"] - 1

    def jump(self, t, y, args, *, dt, key):
        s = args.fired.astype(float)
        # Who has no drive of its own follows.
        given = jnp.where(self.drive == 0, 2.0, self.push) * (jnp.sum(s) - s)
        return {"v": jnp.where(args.fired, 0.0, y["v"]) + given}, args.mem, {"spike": s}


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
def test_what_crosses_at_once_fires_at_once_in_any_order(order):
    """None of two rivals is first, so neither holds the other back, and both reach the follower."""
    drive = np.array([0.1, 0.1, 0.0])[order]
    sol = solve(Rivals(drive=drive), 11.0)
    times, index = sol.spikes("spike")
    np.testing.assert_allclose(times, np.full(3, 10.0), atol=1e-8)
    rivals, (follower,) = np.flatnonzero(drive), np.flatnonzero(drive == 0)
    # One instant, two jumps: the rivals together, then the follower, which pushes both of them.
    assert sorted(index[:2]) == sorted(rivals) and index[2] == follower
    assert int(sol.stats["events"]) == 2
    expected = np.where(drive == 0, 0.0, -2.0 - 2.0 + 0.1)
    np.testing.assert_allclose(sol["v"][-1], expected, atol=1e-8)
    # A little apart they are no longer simultaneous: the first holds the other back.
    apart = Rivals(drive=drive * (1 + 1e-6 * np.arange(3)))
    assert len(solve(apart, 11.0).event_times) == 2
    assert np.sum(np.isin(solve(apart, 11.0).spikes("spike").index, rivals)) == 1


def test_the_first_spikes_of_each_neuron():
    current = ConstantInput(2, jnp.array([30.0, 60.0]))
    sol = solve(neuron(), 45.0, inputs=current, **TIGHT)
    periods = 20 * np.log(np.array([30.0, 60.0]) / np.array([15.0, 45.0]))
    expected = periods[:, None] * np.arange(1, 5)
    expected[0, 3] = np.inf
    np.testing.assert_allclose(sol.spike_times("spike", 4), expected, atol=1e-7)
    assert sol.spike_times("spike", 40).shape == (2, 40)
    with pytest.raises(ValueError, match="'count' must be"):
        sol.spike_times("spike", 0)
    with pytest.raises(ValueError, match="there is no 'v'"):
        sol.spike_times("v", 1)


@pytest.mark.slow
def test_a_batch_is_as_many_single_runs():
    def run(u: Array) -> tuple[Solution, Array]:
        sol = solve(neuron(t_ref=2.0), 40.0, inputs=u, max_events=8, rtol=1e-9, atol=1e-10)
        return sol, sol.spike_times("spike", 8)

    us = jnp.array([10.0, 20.0, 30.0, 60.0])
    batch, spikes = jax.vmap(run)(us)
    assert batch.status.ok.all()
    for i, u in enumerate(us):
        alone = solve(neuron(t_ref=2.0), 40.0, inputs=float(u), rtol=1e-9, atol=1e-10)
        times = batch.event_times[i]
        np.testing.assert_allclose(times[np.isfinite(times)], alone.event_times, atol=1e-9)
        np.testing.assert_allclose(spikes[i], np.stack([times, times]), atol=0)
        np.testing.assert_allclose(batch["v"][i, 0, 0], alone["v"][0, 0], atol=1e-8)


@pytest.mark.slow
def test_too_many_events_in_a_batch():
    us = jnp.array([10.0, 60.0])
    run = lambda u: solve(neuron(), 40.0, inputs=u, max_events=3, throw=False).status.ok  # noqa: E731
    assert jax.vmap(run)(us).tolist() == [True, False]
