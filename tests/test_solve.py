"""`solve` against closed forms and reference cases, and `simulate` against the same cases."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from jax import Array

from fdyn import (
    Affine,
    Args,
    Network,
    Projection,
    Solution,
    Spikes,
    State,
    param,
    replace,
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
    MorrisLecar,
    NaHH,
    PoissonInput,
)
from fdyn.solvers import RK4
from fdyn.sparse import OneToOne


class Pulse(eqx.Module):
    """An input of this amplitude for on <= t < off; its numbers are leaves and do not retrace."""

    amplitude: Array
    on: Array
    off: Array

    def __call__(self, t):
        return jnp.where((t >= self.on) & (t < self.off), self.amplitude, 0.0)


def pulse(*numbers: float) -> Pulse:
    return Pulse(*(jnp.asarray(x, jnp.result_type(float)) for x in numbers))


def squid(v_th: float = 0.0) -> ConductanceBased:
    channels = {"na": NaHH(), "k": KHH(), "leak": Leak(g=0.3, e=-54.387)}
    return ConductanceBased(1, channels, v_th=v_th)


def hh_case(name: str) -> tuple[dict, Pulse, float]:
    c = case(name)
    amplitude, on, off = {"ode_hh_step10": (10, 5, 55), "ode_hh_step25": (25, 2, 102)}[name]
    assert c["parameters"]["I"] == f"{amplitude}.0 for {on}.0<=t<{off}.0 ms, else 0"
    return c, pulse(amplitude, on, off), c["parameters"]["t_end_ms"]


def hh_state(y: dict) -> np.ndarray:
    return np.array([y["v"][0], y["na"]["m"][0], y["na"]["h"][0], y["k"]["n"][0]])


def crossings(t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Upward crossings of zero, by linear interpolation."""
    i = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    return t[i] - x[i] * (t[i + 1] - t[i]) / (x[i + 1] - x[i])


HH = ["ode_hh_step10", "ode_hh_step25"]


@pytest.mark.parametrize("name", HH)
def test_hodgkin_huxley_adaptive(name):
    c, u, t_end = hh_case(name)
    sol = solve(squid(), t_end, inputs=u, breaks=[u.on, u.off])
    times = sol.spikes("spike").times
    assert len(times) == c["value"]["count"]
    np.testing.assert_allclose(
        times, c["value"]["times_ms"], rtol=0, atol=c["tolerance"]["times_atol_ms"]
    )
    np.testing.assert_allclose(
        hh_state(sol.state.model.y), c["value"]["final"], rtol=0, atol=c["tolerance"]["final_atol"]
    )


@pytest.mark.parametrize("name", HH)
def test_hodgkin_huxley_on_a_grid(name):
    c, u, t_end = hh_case(name)
    run = simulate(
        squid(), t_end, dt=0.01, inputs=u, solver=RK4(), record=["v", "spike"], progress=False
    )
    times = crossings(run.ts, run["v"][:, 0])
    assert len(times) == c["value"]["count"] == int(run["spike"].sum())
    atol = c["tolerance"]["fixed_step_dt_0.01ms_rk4_atol_ms"]
    np.testing.assert_allclose(times, c["value"]["times_ms"], rtol=0, atol=atol)
    np.testing.assert_allclose(
        hh_state(run.state.model.y), c["value"]["final"], rtol=0, atol=c["tolerance"]["final_atol"]
    )


def test_pulse_threshold_of_hodgkin_huxley():
    c = case("ode_hh_pulse_threshold_1ms")
    rtol = c["tolerance"]["rtol"]
    counts = [
        len(
            solve(
                squid(v_th=-20.0),
                25.0,
                inputs=pulse(c["value"] * factor, 0.0, 1.0),
                breaks=[0.0, 1.0],
            ).event_times
        )
        for factor in (1 - rtol, 1 + rtol)
    ]
    assert counts == [0, 1]


def test_hodgkin_huxley_in_single_precision(float32):
    c, u, t_end = hh_case("ode_hh_step10")
    sol = solve(squid(), t_end, inputs=u, breaks=[u.on, u.off])
    assert sol.event_times.dtype == np.float32
    assert len(sol.event_times) == c["value"]["count"]
    # Rates of a gate near rest carry a relative error of 6e-8, a spike of 50 ms adds up 1000 steps.
    np.testing.assert_allclose(sol.event_times, c["value"]["times_ms"], rtol=0, atol=5e-3)


def morris_lecar(name: str) -> tuple[MorrisLecar, dict, float]:
    c = case(name)
    p = c["parameters"]
    names = {"C": "c", "gL": "g_l", "VL": "e_l", "gCa": "g_ca", "VCa": "e_ca", "gK": "g_k"}
    names |= {"VK": "e_k", "phi": "phi"} | {f"V{i}": f"v{i}" for i in range(1, 5)}
    v, w = c["initial"]
    model = MorrisLecar(1, **{names[k]: x for k, x in p.items() if k != "I"}, v_init=v, w_init=w)
    return model, c, float(p["I"])


@pytest.mark.parametrize("name", ["ode_ml_hopf_I100", "ode_ml_snic_I42"])
def test_morris_lecar(name):
    model, c, current = morris_lecar(name)
    value, tol = c["value"], c["tolerance"]
    sol = solve(model, value["t_end"], inputs=current)
    run = simulate(
        model, value["t_end"], dt=0.01, inputs=current, solver=RK4(), record="v", progress=False
    )
    for times, y in (
        (sol.spikes("spike").times, sol.state.model.y),
        (crossings(run.ts, run["v"][:, 0]), run.state.model.y),
    ):
        assert len(times) == value["count"]
        np.testing.assert_allclose(times, value["times"], rtol=tol["times_rtol"], atol=0)
        final = [y["v"][0], y["w"][0]]
        np.testing.assert_allclose(final, value["final"], rtol=0, atol=tol["final_atol"])


def lif_case() -> tuple[dict, LIF, ConstantInput]:
    c = case("ode_lif_fI")
    p = c["parameters"]
    model = LIF(
        len(p["I"]),
        tau=p["tau"],
        r=p["R"],
        v_rest=p["EL"],
        v_th=p["Vth"],
        v_reset=p["Vr"],
        t_ref=p["t_ref"],
        v_init=c["initial"]["V"],
    )
    return c, model, ConstantInput(len(p["I"]), jnp.asarray(p["I"], jnp.result_type(float)))


def rates(spikes, n: int) -> np.ndarray:
    """Rates in Hz from the first to the last spike of each neuron."""
    trains = [spikes.times[spikes.index == i] for i in range(n)]
    return np.array([1000 / np.diff(x).mean() if len(x) > 1 else 0.0 for x in trains])


def test_rates_of_integrate_and_fire_adaptive():
    c, model, current = lif_case()
    plain = solve(model, 150.0, inputs=current)
    tight = solve(model, 150.0, inputs=current, rtol=1e-11, atol=1e-12)
    for sol, rtol in ((plain, "simulated_event_rtol"), (tight, "rtol")):
        found = rates(sol.spikes("spike"), model.size)
        np.testing.assert_allclose(found, c["value"], rtol=c["tolerance"][rtol], atol=0)


def test_rates_of_integrate_and_fire_on_a_grid():
    c, model, current = lif_case()
    dt = 0.0005  # a spike is stamped up to one step late: 1e-4 of the shortest period, 5 ms
    run = simulate(model, 150.0, dt=dt, inputs=current, record=Spikes("spike"), progress=False)
    found = rates(run.spikes("spike"), model.size)
    rtol = c["tolerance"]["simulated_event_rtol"]
    np.testing.assert_allclose(found, c["value"], rtol=rtol, atol=0)


class TwoCompartments(AbstractComponent):
    """A passive cell of two compartments, without events."""

    c: Array = param(unit="uF/cm^2", doc="capacitances")
    g: Array = param(unit="mS/cm^2", doc="leaks")
    g_c: Array = param(unit="mS/cm^2", doc="coupling")
    e: Array = param(unit="mV", doc="rest")

    def init(self, *, key, dt):
        return State({"v": jnp.broadcast_to(self.e, (2,))}, {})

    def flow(self, t, y, args):
        v = y["v"]
        u = 0.0 if args.u is None else args.u
        current = self.g * (self.e - v) + self.g_c * (v[::-1] - v) + jnp.array([1.0, 0.0]) * u
        return {"v": current / self.c}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


@pytest.mark.slow
def test_two_compartments():
    c = case("ode_two_compartment")
    p = c["parameters"]
    model = TwoCompartments(
        c=jnp.array([p["C1"], p["C2"]], float),
        g=jnp.array([p["g1"], p["g2"]]),
        g_c=p["gc"],
        e=p["E"],
    )
    sol = solve(model, p["t"], inputs=p["I"], rtol=1e-11, atol=1e-12)
    run = simulate(model, p["t"], dt=0.01, inputs=p["I"], solver=RK4(), progress=False)
    for y in (sol.state.model.y, run.state.model.y):
        np.testing.assert_allclose(y["v"], c["value"]["V"], rtol=c["tolerance"]["rtol"], atol=0)
    # The equations are linear, so the response per current is the derivative.
    slope = jax.jit(jax.jacrev(lambda u: solve(model, p["t"], inputs=u)["v"][0]))(2.0)
    np.testing.assert_allclose(slope, (np.array(c["value"]["V"]) - p["E"]) / p["I"], rtol=1e-6)


def neuron(**kwargs) -> LIF:
    """tau = 20, from -65 to the threshold at -50: with u = 30 the first spike is at 20 log 2."""
    return LIF(2, tau=20.0, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, **kwargs)


FIRST = 20 * np.log(2)
TIGHT = {"rtol": 1e-10, "atol": 1e-11}


def exact_v(t, t_ref: float) -> np.ndarray:
    """The voltage of `neuron` with u = 30, right after the reset where a spike is at `t`."""
    phase = np.asarray(t) % (FIRST + t_ref)
    # The cycle starts at the end of the refractory period.
    return np.where(phase < FIRST, -65 + 30 * (1 - np.exp(-phase / 20)), -65.0)


def test_values_at_times_and_dense_output_follow_the_closed_form():
    t_ref = 2.5
    sol = solve(
        neuron(t_ref=t_ref), 70.0, inputs=30.0, ts=np.linspace(0, 70, 281), dense=True, **TIGHT
    )
    assert sol["v"].shape == (281, 2) and sol.unit("v") == "mV"
    np.testing.assert_allclose(sol["v"][:, 0], exact_v(sol.ts, t_ref), atol=1e-6)
    t = jnp.linspace(0, 70, 777).reshape(7, 111)
    np.testing.assert_allclose(sol.evaluate(t, "v")[..., 1], exact_v(t, t_ref), atol=1e-6)
    np.testing.assert_array_equal(sol(t)["v"], sol.evaluate(t)["v"])
    # At the instant of a jump the value is the one after it.
    spike = sol.spikes("spike").times[0]
    np.testing.assert_array_equal(sol(spike)["v"], [-65.0, -65.0])
    with pytest.raises(ValueError, match="reaches from 0 to 70 ms"):
        sol(70.5)


def test_more_times_than_one_call_takes():
    ts = np.linspace(0.05, 60, 700)
    sol = solve(neuron(), 60.0, inputs=30.0, ts=ts, **TIGHT)
    np.testing.assert_allclose(sol["v"][:, 1], exact_v(ts, 0.0), atol=1e-6)


def test_neurons_that_spike_together_make_one_event():
    sol = solve(neuron(), 60.0, inputs=30.0, **TIGHT)
    times, index = sol.spikes("spike")
    exact = FIRST * np.arange(1, 5)
    np.testing.assert_allclose(sol.event_times, exact, atol=1e-7)
    np.testing.assert_array_equal(times.reshape(-1, 2)[:, 0], sol.event_times)
    assert index.tolist() == [0, 1] * 4
    assert int(sol.stats["events"]) == 4


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


def test_a_break_is_not_stepped_over():
    # 1 ms of a current that no solver sees whose steps have grown to 20 ms and more.
    u, t_end = pulse(30.0, 500.0, 501.0), 505.0
    sol = solve(neuron(), t_end, inputs=u, breaks=[500.0, 501.0], **TIGHT)
    exact = -65 + 30 * (1 - np.exp(-1 / 20)) * np.exp(-4 / 20)
    np.testing.assert_allclose(sol["v"], [[exact, exact]], atol=1e-7)
    assert int(sol.stats["segments"]) == 3


def test_going_on_from_a_solution_and_from_a_recording():
    kwargs = {"inputs": 30.0, **TIGHT}
    whole = solve(neuron(t_ref=2.0), 60.0, **kwargs)
    # 15 ms lie inside of the first refractory period.
    first = solve(neuron(t_ref=2.0), 15.0, **kwargs)
    second = solve(neuron(t_ref=2.0), 45.0, state=first.state, **kwargs)
    assert float(second.state.time) == 60.0
    np.testing.assert_allclose(
        np.concatenate([first.event_times, second.event_times]), whole.event_times, atol=1e-8
    )
    run = simulate(
        neuron(t_ref=2.0), 45.0, dt=0.01, inputs=30.0, state=first.state, record=Spikes("spike")
    )
    assert run.ts[0] == pytest.approx(15.01)
    spikes = run.spikes("spike")
    np.testing.assert_allclose(spikes.times[spikes.index == 0], second.event_times, atol=0.011 * 3)
    back = solve(neuron(t_ref=2.0), 30.0, state=run.state, **kwargs)
    assert float(back.state.time) == pytest.approx(90.0)


def test_too_many_events_leave_a_prefix_to_go_on_from():
    sol = solve(neuron(), 60.0, inputs=30.0, max_events=2, throw=False, **TIGHT)
    assert not sol.status.ok and "max_events = 2" in sol.status.message
    np.testing.assert_allclose(sol.event_times, [FIRST, 2 * FIRST], atol=1e-7)
    rest = solve(neuron(), 60.0 - float(sol.state.time), inputs=30.0, state=sol.state, **TIGHT)
    np.testing.assert_allclose(rest.event_times, [3 * FIRST, 4 * FIRST], atol=1e-7)
    with pytest.raises(RuntimeError, match="more events than max_events = 2"):
        solve(neuron(), 60.0, inputs=30.0, max_events=2)


def test_too_many_steps_leave_a_prefix():
    sol = solve(neuron(), 600.0, inputs=30.0, max_steps=50, throw=False)
    assert "max_steps = 50" in sol.status.message and 0 < sol.status.time < 600
    assert sol.ts.shape == (0,) and len(sol.event_times) > 1


class Explosion(AbstractComponent):
    """dx/dt = x^2 from 1 has no solution beyond t = 1; with `scale` = 0 it is constant."""

    scale: Array = param(1.0, unit="1/ms", doc="rate")

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1)}, {})

    def flow(self, t, y, args):
        return {"x": self.scale * y["x"] ** 2}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


def test_a_solution_that_ends_is_reported():
    with pytest.raises(FloatingPointError, match=r"stopped at t = 1 ms of 2: .*implicit"):
        solve(Explosion(), 2.0)
    sol = solve(Explosion(), 2.0, throw=False)
    assert sol.status.time == pytest.approx(1.0, abs=1e-6)
    assert solve(Explosion(scale=0.0), 2.0)["x"].item() == 1.0


def test_implicit_solver():
    # Its dense output is of third order, and the event is no better: the error falls with the step,
    # which is that of a method of fifth order.
    sol = solve(neuron(), 30.0, inputs=30.0, solver=diffrax.Kvaerno5(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol.event_times, [FIRST, 2 * FIRST], atol=1e-6)


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


def delayed(delay: float = 0.0, pre: AbstractPopulation | None = None) -> Network:
    synapse = Projection("A", "B", OneToOne(jnp.ones(2)), Exponential(5.0), COBA(0.0), delay=delay)
    return Network({"A": neuron() if pre is None else pre, "B": neuron()}, {"AB": synapse})


class Still(AbstractComponent):
    """A component without continuous state."""

    def init(self, *, key, dt):
        return State((), {"x": jnp.zeros(1)})

    def flow(self, t, y, args):
        return ()

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("noise .*EulerMaruyama", lambda: solve(neuron(sigma=1.0), 1.0)),
        ("'AB' has a delay of 1.5 ms", lambda: solve(delayed(1.5), 1.0)),
        ("random", lambda: solve(neuron(), 1.0, inputs=PoissonInput(2, rate=5.0))),
        ("'A' .PoissonInput. draws random", lambda: solve(delayed(0, PoissonInput(2, 5.0)), 1.0)),
        ("has no events", lambda: solve(delayed(0, ConstantInput(2, 5.0)), 1.0)),
        ("no continuous state", lambda: solve(Still(), 1.0)),
        ("needs a time grid", lambda: solve(neuron(), 1.0, inputs=np.zeros(10))),
        ("must lie between", lambda: solve(neuron(), 1.0, ts=[0.5, 2.0])),
        ("increasing order", lambda: solve(neuron(), 1.0, ts=[0.5, 0.2])),
        ("'duration' must be", lambda: solve(neuron(), -1.0)),
        ("'max_events' must be", lambda: solve(neuron(), 1.0, max_events=0)),
        ("'rtol' must be positive", lambda: solve(neuron(), 1.0, rtol=0.0)),
        ("no dense output", lambda: solve(neuron(), 1.0)(0.5)),
        ("is an output", lambda: solve(neuron(), 1.0)["spike"]),
        ("there is no 'w'", lambda: solve(neuron(), 1.0)["w"]),
        ("there is no 'v'", lambda: solve(neuron(), 1.0).spikes("v")),
        ("dense=True", lambda: jax.jit(lambda u: solve(neuron(), 1.0, inputs=u, dense=True))(1.0)),
    ],
)
def test_errors(message, call):
    with pytest.raises(ValueError, match=message):
        call()


TRACES = []


class Traced(AbstractComponent):
    """Counts how often its flow is traced."""

    tau: Array = param(10.0, unit="ms", doc="time constant")

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1)}, {})

    def flow(self, t, y, args):
        TRACES.append(t)
        return {"x": Affine(-1 / self.tau, 0.0) + args.u}

    def events(self, t, y, args):
        return y["x"] - 3

    def jump(self, t, y, args, *, dt, key):
        x = jnp.where(args.fired, jnp.zeros(1), y["x"])
        return {"x": x}, args.mem, {"spike": args.fired.astype(float)}


def test_nothing_is_traced_twice():
    solve(Traced(), 5.0, inputs=1.0, ts=[1.0], breaks=[2.0])
    n = len(TRACES)
    sol = solve(
        Traced(tau=5.0),
        50.0,
        inputs=1.5,
        ts=[3.0],
        breaks=[4.0],
        state=State({"x": jnp.array([2.0])}, {}),
        rtol=1e-8,
        max_events=50,
        t0=1.0,
    )
    assert len(sol.event_times) > 3 and n > 0
    assert len(TRACES) == n


@pytest.mark.slow
def test_batches_and_derivatives_go_through_the_events():
    def run(u: Array, adjoint: diffrax.AbstractAdjoint) -> Solution:
        return solve(
            neuron(t_ref=2.0), 40.0, inputs=u, max_events=8, adjoint=adjoint, rtol=1e-9, atol=1e-10
        )

    us = jnp.array([10.0, 20.0, 30.0, 60.0])
    batch = jax.vmap(lambda u: run(u, diffrax.RecursiveCheckpointAdjoint()))(us)
    assert batch.status.ok.all()
    for times, v, u in zip(batch.event_times, batch["v"][:, 0, 0], us, strict=True):
        alone = solve(neuron(t_ref=2.0), 40.0, inputs=float(u), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(times[np.isfinite(times)], alone.event_times, atol=1e-9)
        np.testing.assert_allclose(v, alone["v"][0, 0], atol=1e-8)

    # With theta = 15: T(u) = 20 log(u / (u - theta)); spikes at T and 2 T + 2; then v rises from
    # the reset for 40 - 2 T - 4 ms.
    u = 30.0
    dT = 20 * (1 / u - 1 / (u - 15))
    rest = 40 - 2 * FIRST - 4
    dv = 1 - np.exp(-rest / 20) - u * np.exp(-rest / 20) / 20 * 2 * dT

    def watch(u: Array, adjoint: diffrax.AbstractAdjoint) -> Array:
        sol = run(u, adjoint)
        return jnp.append(sol.event_times[:2], sol["v"][0, 0])

    reverse = jax.jit(jax.jacrev(lambda u: watch(u, diffrax.RecursiveCheckpointAdjoint())))(u)
    forward = jax.jit(jax.jacfwd(lambda u: watch(u, diffrax.ForwardMode())))(u)
    np.testing.assert_allclose(reverse, [dT, 2 * dT, dv], rtol=1e-6)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8)


def test_the_flow_is_the_one_of_the_model():
    # A parameter changed by `replace` counts in the solution.
    slow = replace(neuron(), lambda m: m.tau, 40.0)
    sol = solve(slow, 30.0, inputs=30.0, **TIGHT)
    np.testing.assert_allclose(sol.event_times, [40 * np.log(2)], atol=1e-7)
    args = Args({"refractory": jnp.zeros(2)}, jnp.asarray(30.0))
    assert slow.events(0.0, {"v": jnp.full(2, -50.0)}, args).tolist() == [0.0, 0.0]


def test_a_state_of_another_model_is_an_error():
    other = LIF(3).init(key=jax.random.key(0), dt=0.1)
    with pytest.raises(ValueError, match="does not belong to this LIF"):
        solve(LIF(1), 10.0, state=other)
    with pytest.raises(ValueError, match="must be a State"):
        solve(LIF(1), 10.0, state={"v": 1.0})  # pyright: ignore
    with pytest.raises(ValueError, match="finite"):
        solve(LIF(1), 10.0, ts=[np.nan])


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
