"""`solve` against closed forms: values, inputs, going on, failures, and what it refuses."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from helpers import squid
from jax import Array

from fdyn import (
    Affine,
    Args,
    Network,
    Projection,
    Spikes,
    State,
    param,
    replace,
    simulate,
    solve,
)
from fdyn.components import (
    COBA,
    LIF,
    AbstractComponent,
    AbstractPopulation,
    ConstantInput,
    Exponential,
    PoissonInput,
)
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


def test_hodgkin_huxley_in_single_precision(float32):
    c = case("ode_hh_step10")
    u = pulse(10.0, 5.0, 55.0)
    sol = solve(squid(), c["parameters"]["t_end_ms"], inputs=u, breaks=[u.on, u.off])
    assert sol.event_times.dtype == np.float32
    assert len(sol.event_times) == c["value"]["count"]
    # Rates of a gate near rest carry a relative error of 6e-8, a spike of 50 ms adds up 1000 steps.
    np.testing.assert_allclose(sol.event_times, c["value"]["times_ms"], rtol=0, atol=5e-3)


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
        ("noise .*Use simulate", lambda: solve(neuron(sigma=1.0), 1.0)),
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
