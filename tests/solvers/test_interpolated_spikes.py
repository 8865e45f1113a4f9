"""Spikes of LIF neurons located within the step: against closed forms and the adaptive solve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_identical, counting, slope

from fdyn import Network, Projection, Record, Spikes, State, replace, simulate, solve
from fdyn.components import COBA, CUBA, LIF, Exponential
from fdyn.solvers import RK4, EulerMaruyama, ExponentialEuler, Heun
from fdyn.sparse import Dense

TAU, DRIVE = 20.0, 20.0
FIRST = TAU * np.log(4.0)  # from rest at -65 to -50 mV by 20 mV
DTS = (1.0, 0.5, 0.25, 0.125)


def spikes(model, dt, duration=100.0, source="spike", **kwargs):
    rec = simulate(model, duration, dt=dt, record=Spikes(source), **kwargs)
    return rec.spikes(source)


@pytest.mark.parametrize("t_ref", [0.0, 0.03, 2.0, 2.03])
def test_the_times_of_regular_spikes_have_order_three(t_ref):
    """Also with a refractory period that ends between two times of the grid, or in the same step.

    The input is held, so exponential Euler is exact and only the interpolation errs.
    """
    neuron, errors = LIF(1, t_ref=t_ref, interpolate=True), []
    for dt in DTS:
        times, _ = spikes(neuron, dt, inputs=DRIVE)
        exact = FIRST + np.arange(len(times)) * (FIRST + t_ref)
        assert len(times) == int((100.0 - FIRST) // (FIRST + t_ref)) + 1
        errors.append(abs(times - exact).max())
    assert errors[-1] < 1e-6
    assert slope(DTS, errors) > 2.5


def test_without_interpolation_the_times_are_those_of_the_grid():
    for dt in DTS:
        times, _ = spikes(LIF(1), dt, inputs=DRIVE)
        assert times[0] == np.ceil(FIRST / dt) * dt


def test_the_voltage_after_the_reset_is_that_of_the_exact_solution():
    rec = simulate(LIF(1, interpolate=True), 40.0, dt=0.1, inputs=DRIVE, record="v")
    t = rec.ts
    last = np.where(t >= FIRST, FIRST, 0.0)
    exact = -45.0 - 20.0 * np.exp(-(t - last) / TAU)
    assert abs(rec["v"][:, 0] - exact).max() < 1e-5


def ring(output, t_ref=2.0, **kwargs):
    """Four neurons that excite each other, each with another start."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, (4, 4)) * (1 - np.eye(4))
    w = w * (1.5 if isinstance(output, CUBA) else 0.02)
    neurons = LIF(4, t_ref=t_ref, v_init=np.linspace(-64, -52, 4), interpolate=True)
    return Network(
        {"E": neurons},
        {"EE": Projection("E", "E", Dense(w), Exponential(4.0), output, **kwargs)},
    )


def by_neuron(trains):
    order = np.lexsort((trains.times, trains.index))
    return trains.times[order], trains.index[order]


@pytest.mark.slow
@pytest.mark.parametrize(("output", "solver"), [(CUBA(), RK4()), (COBA(e=0.0), Heun())])
def test_a_network_has_order_two_against_the_adaptive_solve(output, solver):
    net, dts = ring(output), DTS[1:]
    sol = solve(net, 50.0, inputs={"E": 19.0}, rtol=1e-9, atol=1e-10)
    exact, index = by_neuron(sol.spikes("E.spike"))
    assert len(exact) >= 6
    errors = []
    for dt in dts:
        found = spikes(net, dt, 50.0, "E.spike", inputs={"E": 19.0}, solver=solver)
        times, who = by_neuron(found)
        np.testing.assert_array_equal(who, index)
        errors.append(abs(times - exact).max())
    assert slope(dts, errors) > 1.7
    assert errors[-1] < 1e-3  # on the grid it would be the step, 0.125


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 3.0])
def test_a_pulse_arrives_at_the_mean_time_of_the_spike(delay):
    """One spike into one neuron that only listens: its voltage is known in closed form."""
    tau_s, w, t = 4.0, 10.0, 32.0
    net = Network(
        {"a": LIF(1, interpolate=True, t_ref=100.0), "b": LIF(1)},
        {"ab": Projection("a", "b", Dense([[w]]), Exponential(tau_s), CUBA(), delay=delay)},
    )
    s = t - FIRST - delay
    exact = w / TAU * (np.exp(-s / TAU) - np.exp(-s / tau_s)) / (1 / tau_s - 1 / TAU)
    errors = []
    for dt in DTS[1:]:
        end = simulate(net, t, dt=dt, inputs={"a": DRIVE}, solver=RK4()).state.model.y
        errors.append(abs(float(end["b"]["v"][0]) + 65.0 - exact))
    # What a straight line, prolonged by up to a step, can err about a response of this curvature.
    bound = w / TAU * (1 / tau_s + 1 / TAU)
    assert all(e < bound * dt**2 for e, dt in zip(errors, DTS[1:], strict=True))


@pytest.mark.slow
def test_both_ways_of_recording_give_the_same_exact_times():
    net, record = ring(CUBA()), {"dense": "E.spike", "list": Spikes("E.spike")}
    rec = simulate(net, 50.0, dt=0.5, inputs={"E": 19.0}, record=record, chunk=7)
    dense = simulate(net, 50.0, dt=0.5, inputs={"E": 19.0}, record=["E.spike", "E.early"])
    exact = rec.spikes("list")
    np.testing.assert_array_equal(exact.times, dense.spikes("E.spike").times)
    np.testing.assert_array_equal(exact.index, dense.spikes("E.spike").index)
    assert (np.diff(exact.times) >= 0).all()
    early = rec.spikes("dense").times - np.sort(exact.times)
    assert (early >= 0).all() and (early <= 0.5).all() and early.max() > 0.01
    # What keeps some of the steps or units only stays on the grid.
    part = simulate(
        net,
        50.0,
        dt=0.5,
        inputs={"E": 19.0},
        record={"E.spike": Record("E.spike", index=[0]), "E.early": "E.early"},
    )
    times = part.spikes("E.spike").times
    np.testing.assert_array_equal(times, np.round(times / 0.5) * 0.5)


@pytest.mark.slow
def test_the_derivative_of_a_spike_time_is_that_of_the_closed_form():
    """t = tau ln(u / (u - 15)): the second spike comes at 2 t, through a reset off the grid."""

    def second(u):
        neuron = LIF(1, interpolate=True)
        rec = simulate(neuron, 60.0, dt=0.25, inputs=u, record=["spike", "early"])
        # Without the surrogate derivative of a spike that comes or goes.
        fired = jax.lax.stop_gradient(rec["spike"][:, 0])
        times = fired * (rec.ts - rec["early"][:, 0])
        return jnp.sum(jnp.where(jnp.cumsum(fired) == 2, times, 0))

    u = 20.0
    value, derivative = jax.value_and_grad(second)(jnp.asarray(u))
    assert float(value) == pytest.approx(2 * FIRST, abs=1e-5)
    assert float(derivative) == pytest.approx(2 * TAU * (1 / u - 1 / (u - 15.0)), rel=1e-4)


@pytest.mark.slow
def test_solve_locates_the_same_events_whether_or_not_they_are_interpolated():
    a, b = (solve(LIF(1, t_ref=2.0, interpolate=flag), 60.0, inputs=30.0) for flag in (False, True))
    assert_identical(a.spikes("spike").times, b.spikes("spike").times)
    assert float(b.state.model.y["v"][0]) == float(a.state.model.y["v"][0])


def test_a_run_goes_on_exactly():
    net = ring(CUBA(), delay=1.0)
    whole = simulate(net, 50.0, dt=0.5, inputs={"E": 19.0})
    first = simulate(net, 26.0, dt=0.5, inputs={"E": 19.0})
    second = simulate(net, 24.0, dt=0.5, inputs={"E": 19.0}, state=first.state)
    assert_identical(second.state.model, whole.state.model)


def test_a_neuron_that_starts_above_threshold_spikes_at_once():
    neuron = LIF(1, v_init=-49.0, interpolate=True, t_ref=5.0)
    times, _ = spikes(neuron, 0.5, 3.0, inputs=DRIVE)
    assert times.tolist() == [0.0]


def test_noise_takes_a_straight_line():
    noisy = LIF(300, sigma=2.0, interpolate=True)
    found = spikes(noisy, 0.5, inputs=DRIVE, solver=EulerMaruyama())
    early = np.ceil(found.times / 0.5 - 1e-9) * 0.5 - found.times
    assert 0.15 < early.mean() < 0.35  # spread over the whole step
    assert np.isfinite(found.times).all()


def test_off_costs_nothing():
    """No memory, no output, and a program of its own that other parameters share."""
    plain = LIF(2).init(key=jax.random.key(0), dt=0.1)
    assert set(plain.mem) == {"refractory"} and isinstance(plain, State)
    exact = LIF(2, interpolate=True)
    simulate(exact, 5.0, dt=0.5, inputs=DRIVE, record=Spikes("spike"))
    with counting() as counts:
        other = replace(exact, lambda m: m.tau, 15.0)
        simulate(other, 10.0, dt=0.25, inputs=2 * DRIVE, record=Spikes("spike"))
    assert counts == {"traces": 0, "compilations": 0}


@pytest.mark.slow
def test_an_interpolated_network_keeps_the_default_solver_at_order_one():
    """Interpolation does not hide the error of the flow: synaptic currents held for a step."""
    net = ring(CUBA())
    exact, _ = by_neuron(solve(net, 50.0, inputs={"E": 19.0}).spikes("E.spike"))
    errors = []
    for dt in DTS[1:]:
        found = spikes(net, dt, 50.0, "E.spike", inputs={"E": 19.0}, solver=ExponentialEuler())
        errors.append(abs(by_neuron(found)[0] - exact).max())
    assert slope(DTS[1:], errors) == pytest.approx(1.0, abs=0.15)
