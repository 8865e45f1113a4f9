"""Synapses, outputs and release against closed forms and the papers' equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from fdyn import Network, Projection, simulate
from fdyn.components import (
    AMPA,
    CUBA,
    GABAA,
    GABAB,
    LIF,
    Alpha,
    Args,
    DualExponential,
    Exponential,
    Graded,
    MgBlock,
    NMDAKinetic,
    StochasticRelease,
    TsodyksMarkram,
)
from fdyn.solvers import RK4
from fdyn.sparse import OneToOne

KEY = jax.random.key(0)


def spike(stp, y, s=1.0, key=KEY, dt=0.1):
    n = y["x"].shape[0] if y else 1
    y, _, out = stp.release(y, Args({}), jnp.full(n, s), dt=jnp.asarray(dt), key=key)
    return y, np.asarray(out)


def rest(stp, y, t):
    """The exact solution of the linear flow after `t` ms."""
    rates = stp.flow(y, Args({}))
    return {k: y[k] * jnp.exp(r.a * t) + r.b / r.a * jnp.expm1(r.a * t) for k, r in rates.items()}


# --- short-term plasticity -----------------------------------------------------------------------


@pytest.mark.parametrize("facil", [None, 300.0])
def test_a_regular_train_reaches_the_stationary_response(facil):
    """u* = U / (1 - (1-U) e^{-T/tau_f}), x* = (1 - e^{-T/tau_d}) / (1 - (1-u*) e^{-T/tau_d})."""
    use, rec, period = 0.2, 150.0, 50.0
    stp = TsodyksMarkram(use, rec, facil)
    y, out = stp.init(1).y, np.zeros(1)
    course = []
    for _ in range(40):
        y, out = spike(stp, y)
        course.append(out[0])
        y = rest(stp, y, period)
    u = use if facil is None else use / (1 - (1 - use) * np.exp(-period / facil))
    decay = np.exp(-period / rec)
    assert out[0] == pytest.approx(u * (1 - decay) / (1 - (1 - u) * decay), rel=1e-7)
    assert course[0] == pytest.approx(use)
    # Depression alone falls from the start; facilitation rises first.
    assert (course[1] > course[0]) == (facil is not None)


@pytest.mark.parametrize("facil", [None, 300.0])
def test_a_spike_of_any_size_is_as_many_spikes_in_a_row(facil):
    stp = TsodyksMarkram(0.3, 150.0, facil)
    start, _ = spike(stp, stp.init(1).y)
    y, parts = start, []
    for _ in range(3):
        y, out = spike(stp, y)
        parts.append(out)
    many, at_once = spike(stp, start, 3.0)
    np.testing.assert_allclose(at_once, sum(parts), rtol=1e-12)
    for name in y:
        np.testing.assert_allclose(many[name], y[name], rtol=1e-12)
    half, one = spike(stp, start, 0.3)
    half, two = spike(stp, half, 0.7)
    np.testing.assert_allclose(one + two, parts[0], rtol=1e-12)
    none, nothing = spike(stp, start, 0.0)
    assert nothing == 0 and none["x"] == start["x"]
    # All resources at once, where the power of zero has no derivative.
    full = TsodyksMarkram(1.0, 150.0, facil)
    slope = jax.grad(lambda s: full.release(full.init(1).y, Args({}), s, dt=1.0, key=KEY)[2].sum())
    assert np.isfinite(slope(jnp.zeros(1))).all()
    assert spike(full, full.init(1).y)[1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.slow
def test_whole_vesicles_have_the_means_of_the_equations_and_the_variance_of_a_binomial():
    n, sites, period = 4000, 5, 40.0
    whole, smooth = TsodyksMarkram(0.4, 100.0, 200.0, sites), TsodyksMarkram(0.4, 100.0, 200.0)
    y, z = whole.init(n).y, smooth.init(1).y
    release = jax.jit(lambda y, key: whole.release(y, Args({}), jnp.ones(n), dt=period, key=key))
    for k in range(6):
        y, _, out = release(y, jax.random.key(k))
        z, mean = spike(smooth, z)
        assert set(np.unique(np.round(np.asarray(out) * sites, 9))) <= set(range(sites + 1))
        assert abs(out.mean() - mean[0]) < 4 * out.std() / np.sqrt(n)
        if k == 0:
            assert out.var() == pytest.approx(0.4 * 0.6 / sites, rel=0.1)
        # Facilitation decays in the flow, and what is filled again in the next release.
        y, z = {**y, "u": rest(smooth, z, period)["u"]}, rest(smooth, z, period)
        y["u"] = jnp.broadcast_to(y["u"], (n,))


@pytest.mark.slow
def test_failures_are_binomial():
    n, p, sites = 20000, 0.3, 4
    fail = StochasticRelease(p, sites)
    _, _, s = fail.release({}, Args({}), jnp.full(n, 2.0), dt=jnp.asarray(0.1), key=KEY)
    counts = np.bincount(np.round(np.asarray(s) / 2 * sites).astype(int), minlength=sites + 1)
    law = np.array([0.2401, 0.4116, 0.2646, 0.0756, 0.0081])  # of 4 draws with 0.3
    assert (abs(counts - n * law) < 4 * np.sqrt(n * law)).all()
    assert (abs(s.mean() / 2 - p)) < 4 * np.sqrt(p * (1 - p) / sites / n)


# --- courses -------------------------------------------------------------------------------------


def test_a_dual_exponential_peaks_with_the_weight_at_its_peak_time():
    synapse, w = DualExponential(2.0, 7.0), 3.0

    def g(t):
        y = {"decay": jnp.asarray(w * np.exp(-t / 7)), "rise": jnp.asarray(w * np.exp(-t / 2))}
        return float(synapse.conductance(y, Args({})))

    found = minimize_scalar(lambda t: -g(t), bounds=(0.5, 10.0), method="bounded")
    assert found.x == pytest.approx(float(synapse.peak_time), abs=1e-4)
    assert g(float(synapse.peak_time)) == pytest.approx(w, rel=1e-12)


def kinetics(kind, times, end):
    """The equations of the papers by another solver, one piece between two jumps at a time."""

    def field(t, y):
        on = any(at <= t < at + 1.0 for at in times)
        if kind == "ampa":
            return [1.1 * on * (1 - y[0]) - 0.19 * y[0]]
        if kind == "gaba_a":
            return [5.0 * on * (1 - y[0]) - 0.18 * y[0]]
        if kind == "gaba_b":
            r, s = y
            return [0.09 * on * (1 - r) - 0.0012 * r, 0.18 * r - 0.034 * s]
        s, x = y
        return [2.0 * x * (1 - s) - 0.01 * s, 1.0 * on * (1 - x) - 0.5 * x]

    y = np.zeros(1 if kind in ("ampa", "gaba_a") else 2)
    edges = sorted({0.0, *times, *(t + 1.0 for t in times), end})
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        inside = solve_ivp(
            lambda t, y, at=(a + b) / 2: field(at, y), (a, b), y, rtol=1e-10, atol=1e-14
        )
        y = inside.y[:, -1]
    return y


@pytest.mark.slow
@pytest.mark.parametrize("burst", [1, 10])
def test_receptors_follow_the_papers_equations(burst):
    """Spikes at 200 Hz, then 60 ms; a single one opens next to no GABA_B channels, ten do."""
    dt, total = 0.05, 120.0
    u = np.zeros((round(total / dt), 1))
    u[[round(5 * k / dt) + 99 for k in range(burst)]] = 1e4
    kinds = {
        "ampa": AMPA(),
        "gaba_a": GABAA(),
        "gaba_b": GABAB(),
        "nmda": NMDAKinetic(duration=1.0),
        "alpha": Alpha(2.0),
        "exponential": Exponential(4.0),
    }
    net = Network(
        {"a": LIF(1), "b": LIF(1, v_th=1e9), "c": LIF(1, v_th=1e9)},
        {
            name: Projection(
                "a", "c" if name == "exponential" else "b", OneToOne(1.0, n=1), kind, CUBA()
            )
            for name, kind in kinds.items()
        },
    )
    record = ["ampa.r", "gaba_a.r", "gaba_b.r", "gaba_b.s", "nmda.s", "nmda.x", "alpha.g", "c.v"]
    run = simulate(net, total, dt=dt, inputs={"a": u}, solver=RK4(), record=[*record, "a.spike"])
    times = run.spikes("a.spike").times
    np.testing.assert_allclose(times, 5.0 + 5 * np.arange(burst), atol=1e-9)
    end = {k: run[k][-1, 0] for k in record}
    for name, parts in (
        ("ampa", "r"),
        ("gaba_a", "r"),
        ("gaba_b", "rs"),
        ("nmda", "sx"),
    ):
        exact = kinetics(name, times, total)
        np.testing.assert_allclose(
            [end[f"{name}.{p}"] for p in parts], exact, rtol=2e-5, atol=1e-12
        )
    since = total - times
    alpha = (since / 2 * np.exp(1 - since / 2)).sum()
    np.testing.assert_allclose(end["alpha.g"], alpha, rtol=1e-5)
    # The postsynaptic potential of a current that decays: a difference of exponentials.
    psp = 4 / (20 - 4) * (np.exp(-since / 20) - np.exp(-since / 4))
    np.testing.assert_allclose(end["c.v"] + 65, psp.sum(), rtol=1e-5)
    s = run["gaba_b.s"].max() ** 4
    assert (s / (s + 100) < 1e-3) if burst == 1 else (s / (s + 100) > 0.1)


@pytest.mark.slow
def test_the_block_by_magnesium():
    """Half of the channels at v0 log(mg/k0), and a region of negative slope conductance."""
    output = MgBlock()
    half = np.log(1 / 3.57) / 0.062  # -20.5 mV
    assert float(output.unblocked(jnp.asarray(half))) == pytest.approx(0.5)
    v = jnp.linspace(-100.0, 40.0, 281)
    current = np.asarray(jax.vmap(lambda v: output.current(v, jnp.asarray(1.0))(v))(v))
    lowest = v[np.argmax(current)]  # the largest inward current
    assert -40 < lowest < -15 and current[0] < 0.5 * current.max()
    assert float(MgBlock(mg=0.0).unblocked(jnp.asarray(-80.0))) == 1.0


def test_a_graded_synapse_settles_at_the_fraction_of_its_rates():
    graded = Graded()
    for v in (-30.0, 0.0, 3.0):
        opening = 12 / (1 + np.exp(-v / 2))
        rate = graded.flow({}, Args({}, jnp.asarray(v)))["s"]
        assert float(-rate.b / rate.a) == pytest.approx(opening / (opening + 0.1), rel=1e-12)
        assert float(-1 / rate.a) == pytest.approx(1 / (opening + 0.1), rel=1e-12)
