"""The numerical contract of `docs/numerical_contract.md`, sentence by sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, assert_identical, recurrent, spike_steps

from fdyn import AbstractComponent, Network, Projection, Record, State, simulate
from fdyn.components import COBA, CUBA, LIF, ConstantInput, Exponential, PoissonInput
from fdyn.solvers import EulerMaruyama
from fdyn.sparse import Dense, OneToOne, fixed_probability

DT = 0.1
QUIET = {"v_rest": -65.0, "tau": 20.0}


class Clock(AbstractComponent):
    """Reports the time at which each part of a step sees it."""

    size: int = 1

    def init(self, *, key, dt):
        return State({"seen": jnp.zeros(1)}, {"flow": jnp.zeros(1)})

    def flow(self, t, y, args):
        return {"seen": 0 * y["seen"] + t}

    def jump(self, t, y, args, *, dt, key):
        u = jnp.zeros(1) if args.u is None else args.u + jnp.zeros(1)
        return y, args.mem, {"jump": t * jnp.ones(1), "input": u}


def spiking_once(step: int, n: int = 1) -> np.ndarray:
    """A current that makes a LIF at rest spike in this step only (spike stamped `step + 1`)."""
    pulse = np.zeros(60)
    pulse[step] = 5000.0
    return pulse


# --- the order of events in a step -----------------------------------------------------------


def test_inputs_are_read_at_the_start_of_a_step_and_outputs_stamped_at_its_end():
    run = simulate(
        Clock(),
        1.0,
        dt=DT,
        inputs=lambda t: t,
        record={"t": lambda t, s, o: t, "o": "jump", "u": "input"},
    )
    np.testing.assert_allclose(run["u"][:, 0], np.arange(10) * DT, atol=1e-15)
    np.testing.assert_allclose(run["o"][:, 0], np.arange(1, 11) * DT, atol=1e-15)
    np.testing.assert_allclose(run["t"], run.ts, atol=1e-15)
    np.testing.assert_allclose(run.ts, np.arange(1, 11) * DT, atol=1e-15)


def test_time_is_a_product_and_not_a_sum():
    n = 100_000
    run = simulate(Clock(), n * DT, dt=DT, record=Record("jump", every=1000))
    np.testing.assert_array_less(abs(run["jump"][:, 0] - np.arange(1, 101) * 1000 * DT), 2e-12)
    total = 0.0
    for _ in range(n):
        total += DT
    assert abs(total - n * DT) > 1e-9  # what a sum would give


def test_a_spike_is_found_after_the_step_and_stamped_at_its_end():
    current = 20.0
    run = simulate(LIF(1, **QUIET), 50.0, dt=DT, inputs=current, record=["v", "spike"])
    (step,) = spike_steps(run["spike"])
    crossing = 20 * np.log(20 / 5)  # v_rest + 20 (1 - exp(-t / 20)) = v_th
    assert step == np.ceil(crossing / DT) - 1
    stamp = run.spikes("spike").times[0]
    assert stamp == run.ts[step] and 0 <= stamp - crossing < DT
    # The reset has happened before the record is taken.
    assert run["v"][step, 0] == -65.0 and run["v"][step - 1, 0] < -50.0


@pytest.mark.parametrize("t_ref", [0.0, 0.04, 0.1, 0.26, 0.3, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_refractory_period_holds_for_a_whole_number_of_steps(t_ref, precision, request):
    if precision == "float32":
        request.getfixturevalue("float32")
    neuron = LIF(1, t_ref=t_ref, v_reset=-60.0)
    run = simulate(neuron, 30.0, dt=DT, inputs=300.0, record=["v", "spike"])
    first, second = spike_steps(run["spike"])[:2]
    held = round(t_ref / DT)
    v = run["v"][first:, 0]
    assert (v[: held + 1] == -60.0).all() and v[held + 1] != -60.0
    climb = 20 * np.log((300 - 5) / (300 - 15))  # from the reset to the threshold
    assert second - first == held + np.ceil(climb / DT)


def test_the_rate_of_a_driven_neuron_is_that_of_the_closed_form():
    dt, t_ref = 0.01, 2.0
    currents = jnp.array([14.9, 15.5, 20.0, 40.0, 80.0])
    neurons = LIF(5, t_ref=t_ref)
    run = simulate(neurons, 1000.0, dt=dt, inputs=ConstantInput(5, currents), record="spike")
    for i, current in enumerate(np.asarray(currents)):
        steps = spike_steps(run["spike"], i)
        if current < 15:
            assert steps == []
            continue
        interval = t_ref + 20 * np.log(current / (current - 15))
        # Every interval lasts whole steps: the threshold is met on the first grid point after.
        assert set(np.diff(steps)) == {round(t_ref / dt) + int(np.ceil((interval - t_ref) / dt))}


# --- delays ----------------------------------------------------------------------------------


def line(delay, post="b"):
    p = Projection("a", post, OneToOne(1.0, n=1), Exponential(5.0), CUBA(), delay=delay)
    return Network({"a": LIF(1), "b": LIF(1)}, {"p": p})


@pytest.mark.parametrize("steps", [0, 1, 2, 20])
def test_a_spike_arrives_exactly_after_its_delay(steps):
    net = line(steps * DT)
    run = simulate(net, 6.0, dt=DT, inputs={"a": spiking_once(7)}, record=["a.spike", "p.g", "b.v"])
    (spike,) = spike_steps(run["a.spike"])
    assert spike == 7
    g, v = run["p.g"][:, 0], run["b.v"][:, 0]
    arrival = spike + steps
    assert (g[:arrival] == 0).all() and g[arrival] == 1.0
    np.testing.assert_allclose(
        g[arrival:], np.exp(-np.arange(len(g) - arrival) * DT / 5), rtol=1e-12
    )
    # The voltage feels it in the step that follows.
    assert (v[: arrival + 1] == -65.0).all() and v[arrival + 1] > -65.0


def test_spikes_under_way_do_not_get_in_each_others_way():
    pulses = np.zeros(60)
    pulses[[3, 4, 10, 11, 12, 30]] = 5000.0
    run = simulate(line(2.0), 6.0, dt=DT, inputs={"a": pulses}, record=["a.spike", "p.g"])
    sent = spike_steps(run["a.spike"])
    assert len(sent) == 6
    g = run["p.g"][:, 0]
    jumps = np.diff(g, prepend=0.0) > 0
    assert np.flatnonzero(jumps).tolist() == [s + 20 for s in sent if s + 20 < 60]


def test_a_delay_that_is_no_multiple_of_the_step_is_an_error():
    with pytest.raises(
        ValueError, match=r"delay.*'a' -> 'b'.*0.25 ms.*dt = 0.1 ms.*0.2 and 0.3 ms"
    ):
        simulate(line(0.25), 1.0, dt=DT)
    # Decimal fractions that no float can hold are multiples all the same.
    for delay in (0.3, 0.7, 1.1, 12.7):
        simulate(line(delay), DT, dt=DT)


def test_graded_spikes_keep_their_value_on_the_way():
    p = Projection("in", "b", OneToOne(2.0, n=1), Exponential(5.0), CUBA(), delay=0.3)
    net = Network({"in": PoissonInput(1, rate=3e4, amplitude=0.5), "b": LIF(1)}, {"p": p})
    run = simulate(net, 6.0, dt=DT, record=["in.spike", "p.g"])
    g, sent = np.zeros(60), run["in.spike"][:, 0]
    assert len(set(sent)) > 3
    for i in range(60):
        g[i] = (g[i - 1] * np.exp(-DT / 5) if i else 0.0) + (2.0 * sent[i - 3] if i >= 3 else 0.0)
    np.testing.assert_allclose(run["p.g"][:, 0], g, rtol=1e-12)


# --- equivalences ----------------------------------------------------------------------------


def test_chunks_change_nothing_bit_for_bit():
    net, kwargs = recurrent(), {"dt": DT, "inputs": {"E": np.linspace(0, 30, 250)}}
    record = {
        "v": "E.v",
        "spike": Record("I.spike"),
        "every": Record("E.v", every=7),
        **{r: Record("E.v", every=9, reduce=r) for r in ("mean", "sum", "max", "min", "last")},
        **{"all " + r: Record("E.v", every=None, reduce=r) for r in ("mean", "max", "min", "last")},
    }
    whole = simulate(net, 25.0, chunk=250, record=record, **kwargs)
    assert whole["spike"].sum() > 0
    for chunk in (1, 64, None):
        parts = simulate(net, 25.0, chunk=chunk, record=record, **kwargs)
        assert_identical(parts, whole)
    v = whole["v"]
    np.testing.assert_array_equal(whole["every"], v[6::7])
    windows = v[: 27 * 9].reshape(27, 9, -1)
    for r in ("mean", "sum", "max", "min"):
        np.testing.assert_allclose(whole[r], getattr(windows, r)(1), rtol=1e-13)
    np.testing.assert_array_equal(whole["last"], windows[:, -1])
    np.testing.assert_allclose(whole["all mean"][0], v.mean(0), rtol=1e-13)
    np.testing.assert_array_equal(whole["all max"][0], v.max(0))
    np.testing.assert_array_equal(whole["all last"][0], v[-1])


def test_a_run_goes_on_exactly_where_another_ended():
    net, current = recurrent(), np.linspace(0, 30, 250)
    whole = simulate(net, 25.0, dt=DT, inputs={"E": current}, record=["E.v", "I.spike"])
    first = simulate(net, 10.3, dt=DT, inputs={"E": current[:103]}, record="E_I.g")
    second = simulate(
        net, 14.7, dt=DT, inputs={"E": current[103:]}, record=["E.v", "I.spike"], state=first.state
    )
    assert_identical(second.state, whole.state)
    for name in ("E.v", "I.spike"):
        np.testing.assert_array_equal(second[name], whole[name][103:])
    np.testing.assert_array_equal(second.ts, whole.ts[103:])


@pytest.mark.slow
def test_input_components_go_on_too():
    neurons, drive = LIF(3), PoissonInput(3, rate=500.0, amplitude=400.0)
    whole = simulate(neurons, 10.0, dt=DT, inputs=drive, record="v")
    first = simulate(neurons, 4.0, dt=DT, inputs=drive)
    second = simulate(neurons, 6.0, dt=DT, inputs=drive, record="v", state=first.state)
    np.testing.assert_array_equal(second["v"], whole["v"][40:])
    assert whole["v"].std() > 1
    # An input of another kind takes over at the same time.
    third = simulate(neurons, 1.0, dt=DT, inputs=3.0, record="v", state=first.state)
    again = simulate(neurons, 1.0, dt=DT, inputs=drive, state=third.state)
    assert float(again.state.time) == pytest.approx(6.0)


def test_noise_goes_on_too():
    neurons = LIF(4, sigma=2.0)
    kwargs = {"dt": DT, "solver": EulerMaruyama(), "record": "v"}
    key = jax.random.key(11)
    whole = simulate(neurons, 5.0, key=key, **kwargs)
    first = simulate(neurons, 2.0, key=key, **kwargs)
    second = simulate(neurons, 3.0, state=first.state, **kwargs)
    np.testing.assert_array_equal(np.concatenate([first["v"], second["v"]]), whole["v"])
    other = simulate(neurons, 3.0, state=first.state, key=jax.random.key(12), **kwargs)
    assert (other["v"] != second["v"]).all()


def test_another_step_goes_on_at_the_time_reached():
    first = simulate(Clock(), 1.0, dt=DT)
    second = simulate(Clock(), 1.0, dt=0.25, record="jump", state=first.state)
    np.testing.assert_allclose(second.ts, [1.25, 1.5, 1.75, 2.0], rtol=1e-15)
    np.testing.assert_allclose(second["jump"][:, 0], second.ts, rtol=1e-15)
    inside = jax.jit(lambda s: simulate(Clock(), 1.0, dt=0.25, state=s).ts)(first.state)
    np.testing.assert_allclose(inside, second.ts, rtol=1e-15)


@pytest.mark.slow
def test_recording_has_no_influence():
    net = recurrent()
    a = simulate(net, 20.0, dt=DT)
    b = simulate(
        net, 20.0, dt=DT, record=["E.v", "I.spike", Record("E_I.g", every=3, reduce="max")]
    )
    assert_identical(a.state, b.state)


@pytest.mark.slow
def test_two_halves_of_a_population_are_the_whole():
    n = 4
    r = np.linspace(0.8, 1.6, 2 * n)
    w = np.asarray(fixed_probability(jax.random.key(0), 2 * n, 2 * n, 0.5, weight=15.0).to_dense())

    def p(pre, post, weight):
        return Projection(pre, post, Dense(weight), Exponential(5.0), COBA(0.0), delay=0.5)

    whole = Network({"ab": LIF(2 * n, r=r)}, {"p": p("ab", "ab", w)})
    halves = {"a": slice(0, n), "b": slice(n, 2 * n)}
    split = Network(
        {k: LIF(n, r=r[i]) for k, i in halves.items()},
        {f"{x}{y}": p(x, y, w[i, j]) for x, i in halves.items() for y, j in halves.items()},
    )
    one = simulate(whole, 100.0, dt=DT, inputs={"ab": 14.0}, record=["ab.v", "ab.spike"])
    two = simulate(
        split,
        100.0,
        dt=DT,
        inputs={"a": 14.0, "b": 14.0},
        record=["a.v", "a.spike", "b.v", "b.spike"],
    )
    assert one["ab.spike"].sum() > 10
    np.testing.assert_array_equal(np.hstack([two["a.spike"], two["b.spike"]]), one["ab.spike"])
    np.testing.assert_allclose(np.hstack([two["a.v"], two["b.v"]]), one["ab.v"], rtol=1e-10)


@pytest.mark.slow
def test_an_ensemble_by_vmap_is_a_loop_over_runs():
    net = recurrent()
    keys = jax.random.split(jax.random.key(4), 3)
    batch = jax.vmap(lambda k: simulate(net, 10.0, dt=DT, key=k, record="E.v"))(keys)
    for i in range(3):
        single = simulate(net, 10.0, dt=DT, key=keys[i], record="E.v")
        assert_close(batch["E.v"][i], single["E.v"], rtol=1e-10)
    assert (np.asarray(batch["E.v"][0]) != np.asarray(batch["E.v"][1])).any()


def test_the_name_of_a_node_and_nothing_else_sets_its_random_numbers():
    alone = Network({"in": PoissonInput(5, rate=1000.0)})
    among = Network(
        {"aa": LIF(2), "in": PoissonInput(5, rate=1000.0), "zz": PoissonInput(5, rate=1e3)}
    )
    a = simulate(alone, 20.0, dt=DT, record="in.spike")
    b = simulate(among, 20.0, dt=DT, record=["in.spike", "zz.spike"])
    np.testing.assert_array_equal(a["in.spike"], b["in.spike"])
    assert (b["in.spike"] != b["zz.spike"]).any() and a["in.spike"].sum() > 0


@pytest.mark.parametrize(("t_ref", "dt"), [(20.0, 0.001), (1000.0, 0.1), (0.04, 0.1)])
def test_refractory_steps_are_exact_in_single_precision(float32, t_ref, dt):
    del float32
    steps = round(t_ref / dt)
    strong = simulate(
        LIF(1, t_ref=t_ref, v_init=-40.0), (2 * steps + 5) * dt, dt=dt, inputs=1e6, record="spike"
    )
    fired = np.flatnonzero(np.asarray(strong["spike"]))
    np.testing.assert_array_equal(np.diff(fired[:3]), steps + 1)
