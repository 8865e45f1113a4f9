"""Encoders are decoded, or compared with the formulas of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import simulate, solve
from fdyn.components import (
    LIF,
    DeltaEncoder,
    LatencyEncoder,
    OrnsteinUhlenbeck,
    PhaseEncoder,
    PoissonEncoder,
    PopulationEncoder,
    Ramp,
    Sinusoid,
    Steps,
)

X = np.linspace(0.0, 1.0, 41)


def spikes(encoder, duration, dt):
    return np.asarray(simulate(encoder, duration, dt=dt, record="spike")["spike"])


@pytest.mark.slow
def test_the_rate_code_is_decoded():
    t = 20000.0
    n = spikes(PoissonEncoder(41, X, max_rate=200.0, min_rate=5.0), t, 2.0).sum(0)
    found = (n / t * 1000 - 5) / 195
    assert (abs(found - X) < 5 * np.sqrt(5 + 195 * X) / np.sqrt(t / 1000) / 195).all()


@pytest.mark.slow
def test_the_latency_code_is_decoded():
    dt = 0.25
    s = spikes(LatencyEncoder(41, X, t_first=1.0, t_last=21.0), 25.0, dt)
    assert (s.sum(0) == 1).all()
    times = dt * (s.argmax(0) + 1)
    late = times - (1 + 20 * (1 - X))
    assert (late > -1e-9).all() and (late < dt).all()
    # Anew in each period, of a signal that changes.
    steps = Steps(1, [0.0, 30.0, 60.0], [1.0, 0.5, 0.1])
    s = spikes(LatencyEncoder(1, steps, t_first=1.0, t_last=21.0, period=30.0), 90.0, 1.0)
    assert (np.flatnonzero(s[:, 0]) + 1).tolist() == [1, 30 + 11, 60 + 19]
    # Those at or below the threshold are silent.
    code = LatencyEncoder(41, X, t_last=20.0, threshold=0.25)
    np.testing.assert_array_equal(np.isfinite(code.times(X)), X > 0.25)
    assert spikes(code, 20.0, 1.0).sum() == (X > 0.25).sum()


@pytest.mark.slow
def test_a_period_that_starts_with_a_jump_reads_what_comes_after_it(float32):
    # In single precision the ninth multiple of 0.01 lies below 0.09.
    steps = Steps(1, [0.0, 0.09], [1.0, 0.5])
    s = spikes(LatencyEncoder(1, steps, t_first=0.01, t_last=0.05, period=0.09), 0.18, 0.01)
    assert (np.flatnonzero(s[:, 0]) + 1).tolist() == [1, 9 + 3]


@pytest.mark.slow
def test_the_logarithmic_latency_is_that_of_an_integrator():
    x = np.array([0.25, 0.5, 0.9, 1.0])
    code = LatencyEncoder(4, x, t_first=1.0, t_last=100.0, threshold=0.2, tau=10.0)
    neuron = LIF(4, tau=10.0, v_rest=0.0, v_th=0.2, v_reset=-100.0)
    first = solve(neuron, 20.0, inputs=lambda t: jnp.asarray(x)).spikes("spike")
    times = np.asarray(first.times)[np.argsort(np.asarray(first.index))]
    np.testing.assert_allclose(code.times(x), 1 + times - times[-1], atol=1e-6)
    assert np.isinf(code.times(np.array([0.2, 0.1, 0.2 + 1e-6]))).all()


@pytest.mark.slow
def test_the_phase_code_is_that_of_the_digits():
    pixels = np.array([0, 1, 77, 128, 200, 255], np.uint8)
    s = spikes(PhaseEncoder(6, pixels / 256), 16.0, 1.0)
    weights = 0.5 ** np.arange(1, 9)
    digits = np.unpackbits(pixels[:, None], axis=1).T
    np.testing.assert_array_equal(s[:8], digits * weights[:, None])
    np.testing.assert_array_equal(s[8:], s[:8])
    # Rounded down, and read once in a period.
    ramp = Ramp(1, 0.0, 0.999, 0.0, 16.0)
    s = spikes(PhaseEncoder(1, ramp, bits=4), 16.0, 1.0).reshape(4, 4).sum(1)
    at = 0.999 * np.array([1, 5, 9, 13]) / 16
    np.testing.assert_array_equal(s, np.floor(at * 16) / 16)


@pytest.mark.slow
def test_delta_modulation_follows_the_signal():
    signal = Sinusoid(2, [1.0, 3.0], [10.0, 33.0]) + 0.3
    delta = np.array([0.1, 0.25])
    s = spikes(DeltaEncoder(4, signal, delta, initial=0.2137), 200.0, 0.5)
    x = np.asarray(jax.vmap(signal)(jnp.arange(1.0, 401.0) * 0.5))
    on, off = s[:, :2], s[:, 2:]
    assert (on * off == 0).all() and (s >= 0).all() and on.sum() > 50 < off.sum()
    back = 0.2137 + delta * np.cumsum(on - off, axis=0)
    assert (abs(x - back) < delta * (1 + 1e-9)).all()
    # No spike without need: each change is the least that keeps within the threshold.
    before = np.concatenate([np.full((1, 2), 0.2137), back[:-1]])
    assert ((on + off > 0) == (abs(x - before) >= delta * (1 - 1e-9))).all()


def test_receptive_fields_are_those_of_the_paper():
    x, m, low, high, beta = np.array([-1.0, 0.3, 2.0]), 6, -1.0, 2.0, 1.5
    found = np.asarray(PopulationEncoder(18, x, low, high, m, beta)(0.0)).reshape(3, m)
    i = np.arange(1, m + 1)
    centre = low + (2 * i - 3) / 2 * (high - low) / (m - 2)
    sigma = (high - low) / (m - 2) / beta
    expected = np.exp(-((x[:, None] - centre) ** 2) / (2 * sigma**2))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.slow
def test_a_population_of_latencies_is_decoded():
    # Bohte et al.: ten steps, activations below 0.1 are silent.
    x, m = np.linspace(0.0, 1.0, 21), 8
    fields = PopulationEncoder(21 * m, x, 0.0, 1.0, m)
    code = LatencyEncoder(21 * m, fields, t_first=1.0, t_last=101.0, threshold=0.1)
    s = spikes(code, 101.0, 1.0).reshape(101, 21, m)
    activation = np.where(s.any(0), 1 - s.argmax(0) / 100, 0)
    assert ((activation > 0) == (np.asarray(fields(0.0)).reshape(21, m) > 0.1)).all()
    centre = (2 * np.arange(1, m + 1) - 3) / 2 / (m - 2)
    found = (activation * centre).sum(1) / activation.sum(1)
    # Cut off at the ends, where a field lies beyond.
    assert abs(found - x)[3:-3].max() < 0.03


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoissonEncoder(2, [0.5, 1.5]), r"from 0 to 1, got \[1.5\]"),
        (lambda: PoissonEncoder(1, 0.5, 5.0, 5.0), "above 'min_rate'"),
        (lambda: PoissonEncoder(2, np.ones(3)), "shape"),
        (lambda: PoissonEncoder(1, 0.5, np.inf).start(0.1), "more than 10000 spikes"),
        (lambda: PoissonEncoder(1, 0.5, 1e9).start(0.1), "more than 10000 spikes"),
        (lambda: LatencyEncoder(1, -0.1), "from 0 to 1"),
        (lambda: LatencyEncoder(1, OrnsteinUhlenbeck(1)), "no function of time"),
        (lambda: LatencyEncoder(1, 0.5, 5.0, 5.0), "later than"),
        (lambda: LatencyEncoder(1, 0.5, tau=5.0), "'threshold'"),
        (lambda: LatencyEncoder(1, 0.5, threshold=1.0), "below 1"),
        (lambda: LatencyEncoder(1, 0.5, period=5.0), "shorter than 't_last'"),
        (lambda: simulate(LatencyEncoder(1, 0.5, t_first=1.0), 4.0, dt=2.0), "at least one step"),
        (lambda: simulate(LatencyEncoder(1, 0.5, period=10.5), 4.0, dt=1.0), "no multiple"),
        (lambda: PhaseEncoder(1, 1.0), "below 1"),
        (lambda: PhaseEncoder(1, 0.5, bits=0), "from 1 to 23"),
        (lambda: DeltaEncoder(3, 0.5), "even"),
        (lambda: DeltaEncoder(2, Sinusoid(2)), "size 1"),
        (lambda: PopulationEncoder(8, 3.0, 0.0, 1.0), "from 0 to 1"),
        (lambda: PopulationEncoder(9, 0.5, 0.0, 1.0), "multiple of 'fields'"),
        (lambda: PopulationEncoder(2, 0.5, 0.0, 1.0, fields=2), "above 2"),
        (lambda: PopulationEncoder(8, 0.5, 1.0, 0.0), "above 'low'"),
    ],
)
def test_what_has_no_code_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder",
    [
        PoissonEncoder(1, Sinusoid(1, 2.0, 100.0)),
        LatencyEncoder(1, Sinusoid(1, 2.0, 100.0), t_last=2.0, period=2.0),
        PhaseEncoder(1, Sinusoid(1, 2.0, 100.0)),
        PopulationEncoder(8, Sinusoid(1, 2.0, 100.0), 0.0, 1.0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_signal_that_leaves_the_range_is_an_error(encoder):
    with pytest.raises(RuntimeError, match="'values' must lie.*its input has left them"):
        # What nobody looks at is not computed.
        simulate(encoder, 10.0, dt=1.0, record=next(iter(encoder.units)))
