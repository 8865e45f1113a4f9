"""Signals, noise and spike trains against formulas, scipy and distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import spike_steps
from scipy import interpolate, stats
from scipy import signal as scipy_signal

from fdyn import Network, Projection, simulate, solve
from fdyn.components import (
    CUBA,
    LIF,
    Chirp,
    Exponential,
    OrnsteinUhlenbeck,
    PoissonInput,
    Pulses,
    Ramp,
    Relay,
    Sampled,
    Sinusoid,
    SpikeTimes,
    Square,
    Steps,
    WhiteNoise,
)
from fdyn.components._inputs._counts import poisson_counts
from fdyn.sparse import OneToOne

T = np.linspace(0.0, 199.7, 311)


def values(signal, t=T):
    return np.asarray(jax.vmap(signal)(jnp.asarray(t)))[:, 0]


def formulas():
    s = T / 1000
    train = (T >= 10) & ((T - 10) % 30 < 4) & (T < 10 + 3 * 30)
    section = np.select([T < 20, T < 90, T < 150], [0.0, 3.0, -1.0], 2.0)
    return {
        "steps": (Steps(1, [20.0, 90.0, 150.0], [3.0, -1.0, 2.0]), section),
        "ramp": (Ramp(1, 2.0, -4.0, 50.0, 120.0), np.interp(T, [50, 120], [2, -4])),
        "sinusoid": (Sinusoid(1, 3.0, 12.0, 0.4), 3 * np.sin(2 * np.pi * 12 * s + 0.4)),
        "square": (Square(1, 2.0, 7.0, 0.3), 2 * scipy_signal.square(2 * np.pi * 7 * s, 0.3)),
        "chirp": (
            Chirp(1, 3.0, 60.0, 200.0, 2.0, np.pi / 2),
            2 * scipy_signal.chirp(s, 3, 0.2, 60),
        ),
        "logarithmic chirp": (
            Chirp(1, 3.0, 60.0, 200.0, 2.0, np.pi / 2, logarithmic=True),
            2 * scipy_signal.chirp(s, 3, 0.2, 60, "logarithmic"),
        ),
        "pulse": (Pulses(1, 30.0, 12.5, 4.0), 4.0 * ((T >= 30) & (T < 42.5))),
        "pulses": (Pulses(1, 10.0, 4.0, 5.0, 30.0, 3), 5.0 * train),
    }


@pytest.mark.parametrize("name", formulas())
def test_signals_are_their_formulas(name):
    signal, expected = formulas()[name]
    np.testing.assert_allclose(values(signal), expected, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["linear", "previous", "cubic"])
def test_recordings_are_interpolated(way):
    rng = np.random.default_rng(0)
    ts = np.cumsum(rng.uniform(1.0, 20.0, 24))
    x = rng.normal(size=(24, 2))
    t = np.linspace(ts[0], ts[-1], 157)
    slope = np.diff(x, axis=0) / np.diff(ts)[:, None]
    expected = {
        "linear": interpolate.interp1d(ts, x, axis=0),
        "previous": interpolate.interp1d(ts, x, "previous", axis=0),
        "cubic": interpolate.CubicHermiteSpline(ts, x, np.concatenate([slope[:1], slope])),
    }[way](t)
    found = jax.vmap(Sampled(2, ts, x, way))(jnp.asarray(t))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_outside_of_a_recording():
    ts, x = [10.0, 20.0], [1.0, 3.0]
    at = np.array([9.0, 15.0, 21.0])
    np.testing.assert_array_equal(values(Sampled(1, ts, x, extend="hold"), at), [1, 2, 3])
    np.testing.assert_array_equal(values(Sampled(1, ts, x, extend="zero"), at), [0, 2, 0])
    with pytest.raises(RuntimeError, match="outside of the recording"):
        Sampled(1, ts, x)(21.0)


@pytest.mark.slow
@pytest.mark.parametrize("single", [False, True])
def test_jumps_come_at_their_step_whatever_the_grid(single, request):
    if single:
        request.getfixturevalue("float32")
    for dt in (0.1, 0.7, 0.05, 0.025, 1 / 3):
        k = np.arange(1, 400)
        edges = Steps(1, k * float(f"{dt:.12g}"), k.astype(float))

        def at(i, edges=edges, dt=jnp.asarray(dt, jnp.result_type(float))):
            t = i.astype(dt.dtype) * dt
            return edges.jump(t, {}, _ARGS, dt=dt, key=jax.random.key(0))[2]["value"][0]

        np.testing.assert_array_equal(jax.vmap(at)(jnp.asarray(k, jnp.int32)), k)


class _Nothing:
    mem: dict = {}


_ARGS = _Nothing()


def test_inputs_add_multiply_and_divide():
    a, b = Sinusoid(2, 3.0, [12.0, 5.0]), Ramp(2, 0.0, 4.0, 0.0, 100.0)
    x, y = (np.asarray(s(33.0)) for s in (a, b))
    array = np.array([2.0, -1.0])
    for found, expected in (
        (a + b, x + y),
        (a - b, x - y),
        (a * b, x * y),
        (-a, -x),
        (2 * a + 1, 2 * x + 1),
        (1 - a, 1 - x),
        (array * a, array * x),
        (jnp.asarray(array) + a, array + x),
        (a / 2, x / 2),
        (a / array, x / array),
        (3 / (b + 1), 3 / (y + 1)),
        (a / (b + 1), x / (y + 1)),
        (a - array, x - array),
    ):
        np.testing.assert_allclose(found(33.0), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sinusoid(2) + Sinusoid(3), "size 2.*size 3"),
        (lambda: Sinusoid(2) * np.ones(3), r"shape \(2,\)"),
        (lambda: Sinusoid(2) + "x", "numbers"),
        (lambda: (Sinusoid(2) + WhiteNoise(2))(0.0), "WhiteNoise is no function of time"),
        (lambda: Steps(1, [2.0, 1.0], [0.0, 1.0]), "increase"),
        (lambda: Steps(3, [1.0, 2.0], np.ones((2, 2))), r"\[k, 3\]"),
        (lambda: Ramp(1, 0.0, 1.0, 5.0, 5.0), "later than"),
        (lambda: Square(1, duty=1.0), "below 1"),
        (lambda: Chirp(1, 0.0, 1.0, 10.0, logarithmic=True), "positive"),
        (lambda: Pulses(1, 0.0, 2.0, period=2.0), "longer than"),
        (lambda: Pulses(1, 0.0, 2.0, number=2.0), "'period'"),
        (lambda: Pulses(1, 0.0, 2.0, period=3.0, number=2.5), "whole"),
        (lambda: Sampled(1, [0.0, 0.0], [1.0, 2.0]), "increase"),
        (lambda: Sampled(1, [0.0, 1.0], [1.0, 2.0], "cubc"), "'linear', 'previous', 'cubic'"),
        (lambda: Sinusoid(2) / "x", "numbers"),
        (lambda: PoissonInput(2, -1.0), "non-negative"),
        (lambda: PoissonInput(2, np.inf), r"'rate' must be finite and at least 0, got \[inf\]"),
        (
            lambda: PoissonInput(2, 1e5, sources=2000).start(0.1),
            "PoissonInput: more than 10000 spikes of a unit are expected in one step",
        ),
        (lambda: PoissonInput(2, Sinusoid(3)), "size 2"),
        (lambda: PoissonInput(2, 1.0, sources=1.5), "whole"),
        (lambda: SpikeTimes(1, [0.0], [0]), "above 0"),
        (lambda: SpikeTimes(1, [1.0], [1]), "units 0 to 0"),
        (lambda: SpikeTimes(2, [[1.0]]), "each of 2 units"),
        (
            lambda: SpikeTimes(1, np.arange(1.0, 4.0)),
            r"got 3 of them. For one unit write ..\.\.",
        ),
        (lambda: SpikeTimes(1, [1.0], [0.5]), "whole"),
        (lambda: SpikeTimes(1, [1.0], [0], rounding="up"), "nearest"),
    ],
)
def test_what_has_no_meaning_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
def test_noise_in_sums():
    n = 20000
    noise = OrnsteinUhlenbeck(n, mean=1.0, sigma=2.0, tau=4.0)
    x = simulate(3.0 * noise + 10.0, 2.0, dt=1.0, record="value")["value"]
    assert abs(x.mean(1) - 13).max() < 4 * 6 / np.sqrt(n)
    assert abs(x.std(1) - 6).max() < 4 * 6 / np.sqrt(2 * n)
    # The process goes on: e^{-1/4} from a step to the next.
    assert abs(np.corrcoef(x)[0, 1] - np.exp(-0.25)) < 4 / np.sqrt(n)
    # Drawn for itself, also where the same object stands twice.
    x = simulate(noise + noise, 1.0, dt=1.0, record="value")["value"]
    assert abs(x.std() - 2 * np.sqrt(2)) < 4 * 2.83 / np.sqrt(2 * n)


@pytest.mark.slow
@pytest.mark.parametrize("dt", [0.125, 0.5])
def test_white_noise_does_not_depend_on_the_step(dt):
    n = 20000
    x = simulate(WhiteNoise(n, sigma=0.5, mean=2.0), 4.0, dt=dt, record="value")["value"]
    integral = x.sum(0) * dt
    assert abs(integral.mean() - 8) < 4 / np.sqrt(n)
    assert abs(integral.std() - 0.5 * np.sqrt(4)) < 4 / np.sqrt(2 * n)


@pytest.mark.slow
def test_solve_starts_anew_at_the_edges_of_signals():
    # After so long at rest a step would leap over a pulse of 0.2 ms.
    neuron, width, period = LIF(1, v_th=1e3, v_rest=0.0, v_reset=-1.0), 0.2, 300.0
    ts = np.array([100.1, 250.0, 400.1, 400.2, 500.0])

    def response(t):
        on = [np.clip(t, a, a + width) - a for a in (100.0, 400.0)]
        since = [t - a - x for a, x in zip((100.0, 400.0), on, strict=True)]
        pulses = [1 - np.exp(-x / 20) for x in on]
        return sum(50 * p * np.exp(-s / 20) for p, s in zip(pulses, since, strict=True))

    train = Pulses(1, 100.0, width, 50.0, period)
    for signal in (train, 0.5 * train + 0.5 * train):
        v = solve(neuron, 500.0, inputs=signal, ts=ts).ys["v"][:, 0]
        np.testing.assert_allclose(v, response(ts), rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="WhiteNoise is no function of time"):
        solve(neuron, 1.0, inputs=WhiteNoise(1) + train)
    with pytest.raises(ValueError, match="must be known.*Steps"):
        jax.jit(lambda p: solve(neuron, 1.0, inputs=Square(1, frequency=p)).ys["v"])(1.0)


# Means for which events are thinned, inverted at once, and inverted in parts.
@pytest.mark.slow
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("mean", [0.002, 0.3, 4.0, 70.0])
def test_poisson_counts_have_their_distribution(mean, single, request):
    if single:
        request.getfixturevalue("float32")
    n = 1000
    trials = 1000 if mean < 0.01 else 100
    # Half of the units have half the rate.
    means = jnp.where(jnp.arange(n) % 2 == 0, mean, mean / 2)
    draw = jax.jit(lambda k: jax.lax.map(lambda k: poisson_counts(k, means), k))
    x = np.asarray(draw(jax.random.split(jax.random.key(3), trials)))
    for start, m in ((0, mean), (1, mean / 2)):
        part = x[:, start::2]
        top = int(stats.poisson.ppf(1 - 20 / part.size, m))
        low = int(stats.poisson.ppf(20 / part.size, m))
        edges = np.arange(low, top + 1)
        cdf = np.concatenate([[0], stats.poisson.cdf(edges[:-1], m), [1]])
        seen = np.bincount(np.clip(part, low, top).astype(int).ravel() - low, minlength=len(edges))
        assert stats.chisquare(seen, np.diff(cdf) * part.size).pvalue > 1e-3
        # No unit and no trial is like another.
        assert abs(part.sum(1).var() / (m * n / 2) - 1) < 5 * np.sqrt(2 / trials) + 0.01
        assert abs(part.sum(0).var() / (m * trials) - 1) < 5 * np.sqrt(2 / (n / 2)) + 0.01


@pytest.mark.slow
def test_the_rate_of_spikes_may_be_a_signal_or_noise():
    n, dt = 4000, 1.0
    rate = 60.0 + 50.0 * Sinusoid(n, frequency=25.0)
    x = simulate(PoissonInput(n, rate, sources=2), 40.0, dt=dt, record="spike")["spike"]
    # A node sees the rate at the end of its step.
    expected = n * 2 * dt / 1000 * (60 + 50 * np.sin(2 * np.pi * 25 * np.arange(1, 41) / 1000))
    assert (abs(x.sum(1) - expected) < 5 * np.sqrt(expected)).all()
    assert stats.chisquare(x.sum(1), expected * x.sum() / expected.sum()).pvalue > 1e-3
    # A Cox process: the variance of its counts is the mean and that of the integrated rate.
    tau, sigma, t = 20.0, 20.0, 100.0
    noise = OrnsteinUhlenbeck(n, mean=120.0, sigma=sigma, tau=tau)
    counts = simulate(PoissonInput(n, noise), t, dt=dt, record="spike")["spike"].sum(0)
    integrated = 2 * (sigma / 1000 * tau) ** 2 * (t / tau - 1 + np.exp(-t / tau))
    assert abs(counts.mean() - 12) < 5 * np.sqrt((12 + integrated) / n)
    assert integrated > 1.2 and abs(counts.var() / (12 + integrated) - 1) < 5 * np.sqrt(2 / n)
    wrong = "'rate' must be finite and at least 0"
    for rate, message in (
        (10.0 * Sinusoid(20), wrong),
        (1.0 / (0.0 * Sinusoid(20)), wrong),
        (0.0 / (0.0 * Sinusoid(20)), wrong),
        (1e8 + Sinusoid(20), "more than 10000 spikes"),
    ):
        with pytest.raises(RuntimeError, match=message):
            simulate(PoissonInput(20, rate), 100.0, dt=dt, record="spike")


@pytest.mark.slow
def test_a_mean_for_which_nothing_can_be_drawn_makes_nan():
    # What a transformation hides from the checks does not run forever either.
    means = jnp.array([2.0, jnp.inf, jnp.nan, -1.0, 1e4, 1.1e4])
    found = np.asarray(jax.jit(poisson_counts)(jax.random.key(0), means))
    assert np.isnan(found).tolist() == [False, True, True, True, False, True]
    assert abs(found[4] - 1e4) < 500
    assert np.isnan(poisson_counts(jax.random.key(0), jnp.full(100, jnp.inf))).all()


@pytest.mark.slow
def test_spike_times_are_played_where_they_belong():
    lists = [[0.3, 2.0, 2.0], [], [0.1, 5.0]]
    spikes = simulate(SpikeTimes(3, lists), 5.0, dt=0.1, record="spike")
    assert [spike_steps(spikes["spike"], i) for i in range(3)] == [[2, 19], [], [0, 49]]
    assert spikes["spike"].sum() == 5 and spikes["spike"][19, 0] == 2
    found = spikes.spikes("spike")
    again = SpikeTimes(3, found.times, found.index)
    np.testing.assert_array_equal(
        simulate(again, 5.0, dt=0.1, record="spike")["spike"], spikes["spike"] > 0
    )
    with pytest.raises(ValueError, match="0.25 ms .unit 1. is no multiple of dt = 0.1"):
        simulate(SpikeTimes(2, [[0.2], [0.25]]), 1.0, dt=0.1)
    near = SpikeTimes(2, [[0.2], [0.26]], rounding="nearest")
    assert spike_steps(simulate(near, 1.0, dt=0.1, record="spike")["spike"], 1) == [2]
    # None is lost at the start, as a node and as an input: what is nearest to 0 comes at step 1.
    early = SpikeTimes(2, [[0.03, 0.1], [0.04]], rounding="nearest")
    rows = [[2.0, 1.0], [0.0, 0.0]]
    assert simulate(early, 0.2, dt=0.1, record="spike")["spike"].tolist() == rows
    driven = simulate(Relay(2), 0.3, dt=0.1, inputs=early, record="value")["value"]
    assert driven.tolist() == [[0.0, 0.0], *rows]


@pytest.mark.slow
def test_a_spike_acts_at_its_time_and_a_relay_carries_an_array():
    rows = np.zeros((50, 2))
    rows[19, 0] = rows[29, 1] = 1.0

    def run(node, **inputs):
        p = Projection("in", "E", OneToOne(3.0, n=2), Exponential(5.0), CUBA())
        net = Network({"in": node, "E": LIF(2)}, {"p": p})
        return simulate(net, 5.0, dt=0.1, record=["p.g", "E.v"], **inputs)

    given = run(SpikeTimes(2, [[2.0], [3.0]]))
    # The conductance jumps at the time of the spike itself.
    t = given.ts[:, None] - np.array([2.0, 3.0])
    g = np.where(t > -1e-9, 3 * np.exp(-t / 5), 0)
    np.testing.assert_allclose(given["p.g"], g, atol=1e-12)
    relayed = run(Relay(2), inputs={"in": rows})
    np.testing.assert_array_equal(relayed["E.v"], given["E.v"])
