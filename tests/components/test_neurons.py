"""Neurons against closed forms, the equations of their papers, and their shared parts.

Those with reference cases of their own are also in tests/solvers/ref_ode.py and ref_sde.py.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import gamma

from fdyn import Args, simulate, solve, vector_field
from fdyn.components import (
    ALIF,
    GIF,
    GLIF,
    LIF,
    QIF,
    AdaptiveQIF,
    AdEx,
    ExponentialIF,
    FitzHughNagumo,
    HindmarshRose,
    Izhikevich,
    LeakyIntegrator,
    PartialReset,
    PinskyRinzel,
    SoftReset,
    SpikeResponse,
    WangBuzsaki,
    hodgkin_huxley,
)
from fdyn.solvers import L1, RK4

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def spike_times(model, duration, u, **kwargs):
    return solve(model, duration, inputs=u, **kwargs).spikes("spike").times


# --- the parts that compose ---------------------------------------------------------------------


def test_a_soft_reset_loses_no_input_at_any_step():
    # Without a leak to speak of, the number of spikes is the input over the threshold.
    u, tau, end = 1e8 / 7, 1e8, 1000.0
    counts = {}
    for name, kwargs in {"soft": {"reset": SoftReset()}, "hard": {}}.items():
        neuron = LIF(1, tau=tau, v_rest=0.0, v_th=1.0, v_reset=0.0, **kwargs)
        rec = simulate(neuron, end, dt=2.0, inputs=u, record="spike")
        counts[name] = float(rec["spike"].sum())
    assert counts["soft"] == np.floor(end / 7)
    assert counts["hard"] == np.floor(end / 8)  # every interval is rounded up to the grid


@pytest.mark.slow
def test_a_partial_reset_shortens_the_interval():
    neuron = LIF(1, reset=PartialReset(0.4, -1.0), t_ref=1.5)
    times = spike_times(neuron, 120.0, 25.0, **TIGHT)
    after = -65.0 + 0.4 * 15.0 - 1.0
    expected = 1.5 + 20 * np.log((-40 - after) / (-40 + 50))
    np.testing.assert_allclose(np.diff(times), expected, rtol=1e-8)


def test_what_is_frozen_rests_and_the_rest_goes_on():
    dt, t_ref = 0.1, 3.0
    neuron = AdEx(1, t_ref=t_ref, v_init=-30.0, w_init=50.0, a=0.0)
    rec = simulate(neuron, 6.0, dt=dt, inputs=500.0, record=["v", "w", "spike"])
    at = np.flatnonzero(rec["spike"][:, 0])[0]
    held = rec["v"][at : at + 32, 0] == -70.6
    assert held.tolist() == [True] * 31 + [False]
    w = rec["w"][at : at + 31, 0]
    np.testing.assert_allclose(w, w[0] * np.exp(-dt * np.arange(31) / 144), rtol=1e-12)
    # All five variables of a GLIF neuron rest.
    glif = GLIF(1, di1=5.0, dtheta_s=2.0, a_v=0.01, t_ref=t_ref, v_init=-49.0)
    rec = simulate(glif, 3.0, dt=dt, record=["v", "i1", "i2", "theta_s", "theta_v"])
    assert all(np.ptp(rec[k]) == 0 for k in ("v", "i1", "i2", "theta_s", "theta_v"))
    assert rec["i1"][0, 0] == 5.0 and rec["theta_s"][0, 0] == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("on_a_grid", [True, False])
def test_a_threshold_that_falls_below_a_refractory_neuron_waits(on_a_grid):
    # The threshold decays from -55 to -75 mV with 10 ms; the voltage is held at -70 for 30 ms.
    neuron = GIF(
        1,
        b=0.1,
        theta_inf=-75.0,
        theta_init=-55.0,
        theta_reset=-55.0,
        t_ref=30.0,
        v_init=-54.9,
        g=0.0,
    )
    if on_a_grid:
        times = simulate(neuron, 70.0, dt=0.1, record="spike").spikes("spike").times
        np.testing.assert_allclose(times, [0.1, 30.2, 60.3], atol=1e-9)
    else:
        times = spike_times(neuron, 70.0, None)
        start = times[0]
        np.testing.assert_allclose(times, start + np.array([0.0, 30.0, 60.0]), atol=1e-8)
        assert start < 1e-6


@pytest.mark.slow
def test_what_a_reset_leaves_above_the_threshold_waits_for_the_end_of_the_refractory_period():
    # At -20 mV, lowered by 20 at each spike; nothing leaks to speak of.
    kwargs = {"v_init": -20.0, "v_reset": -70.0, "t_ref": 2.0, "reset": SoftReset()}
    for neuron in (LIF(1, tau=1e9, **kwargs), GLIF(1, g=0.0, **kwargs)):
        rec = simulate(neuron, 10.0, dt=0.1, record=["v", "spike"])
        np.testing.assert_allclose(rec.spikes("spike").times, [0.1, 2.2], atol=1e-9)
        assert rec["v"][-1, 0] == pytest.approx(-60.0, abs=1e-6)


@pytest.mark.slow
def test_solve_fires_what_a_reset_leaves_above_the_threshold_after_the_refractory_period():
    # 50 mV above the reset potential, of which 20 mV are below the threshold: 35, 24.5, 17.2.
    rule = PartialReset(0.7)
    neuron = LIF(1, tau=1e9, v_init=-20.0, v_reset=-70.0, t_ref=2.0, reset=rule)
    np.testing.assert_allclose(spike_times(neuron, 10.0, None), [0.0, 2.0, 4.0], atol=1e-8)


@pytest.mark.slow
def test_an_upstroke_that_overshoots_leaves_no_trace():
    # At this step the exponential of one stage is the argument of the next.
    neuron = AdEx(1, v_peak=20.0)
    rec = simulate(neuron, 45.0, dt=0.1, inputs=800.0, solver=RK4(), record=["v", "w", "spike"])
    assert rec["spike"].sum() == 2
    assert np.isfinite(rec["v"]).all() and rec["w"].max() < 2 * 80.5 + 60


@pytest.mark.slow
def test_the_reset_passes_gradient_where_it_is_asked_to():
    def end(u, reset_grad):
        neuron = ALIF(1, v_init=-50.5, reset_grad=reset_grad)
        return simulate(neuron, 0.2, dt=0.1, inputs=u, record="v")["v"][-1, 0]

    held, through = (float(jax.grad(end)(200.0, g)) for g in (False, True))
    # A soft reset hands the voltage on, so both steps count.
    e = np.exp(-0.1 / 20)
    assert held == pytest.approx(1 - e**2)
    # By the chain rule: one spike in the first step, none in the second, both have a derivative.
    surrogate = lambda x: 1 / (1 + abs(x)) ** 2  # noqa: E731
    v1 = 135.0 + (-50.5 - 135.0) * e
    ds1 = surrogate(v1 + 50) * (1 - e)
    v2 = 135.0 + (v1 - 15.0 - 135.0) * e
    dv2 = (1 - e) + e * ((1 - e) - 15 * ds1)
    trace = np.exp(-0.1 / 200)
    ds2 = surrogate(v2 + 50 - 1.5 * trace) * (dv2 - 1.5 * trace * ds1)
    assert through == pytest.approx(dv2 - 15 * ds2)


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_interval_of_the_exponential_neuron_is_an_integral():
    neuron = ExponentialIF(1, v_init=-68.0)
    times = spike_times(neuron, 100.0, 8.0, **TIGHT)
    drift = lambda v: -(v + 65) + 3.48 * np.exp((v + 59.9) / 3.48) + 8.0  # noqa: E731
    period = 1.7 + quad(lambda v: 10.0 / drift(v), -68.0, -30.0, epsabs=1e-11)[0]
    assert len(times) > 3
    np.testing.assert_allclose(np.diff(times), period, rtol=1e-7)


@pytest.mark.slow
def test_the_adaptive_quadratic_neuron_is_that_of_izhikevich_in_other_units():
    ref = case("ode_izh_RS")
    low, high = (-(5 + s * np.sqrt(25 - 4 * 0.04 * 140)) / 0.08 for s in (1, -1))
    # With w = u - b v_rest; the current makes up for the constant.
    neuron = AdaptiveQIF(
        1,
        c=1.0,
        k=0.04,
        v_rest=low,
        v_c=high,
        a=0.2,
        tau_w=50.0,
        b=8.0,
        v_peak=30.0,
        v_reset=-65.0,
        v_init=-65.0,
        w_init=-13.0 - 0.2 * low,
    )
    u = lambda t: jnp.where(t >= 10.0, 10.0, 0.0) - 0.2 * low  # noqa: E731
    times = spike_times(neuron, 300.0, u, breaks=[10.0], rtol=1e-9, atol=1e-10)
    atol = ref["tolerance"]["times_atol"]
    np.testing.assert_allclose(times, ref["value"]["times"], rtol=0, atol=atol)


@pytest.mark.slow
def test_the_phase_response_of_the_quadratic_neuron():
    ref = case("an_qif_prc")
    tau, i = ref["parameters"]["tau"], ref["parameters"]["I"]
    phase = np.array([0.25, 0.5, 0.75])
    v = -np.sqrt(i) / np.tan(np.pi * phase)

    def first_spike(v):
        # The derivative is that of the way to any peak.
        neuron = QIF(
            3, tau=tau, k=1.0, v_rest=0.0, v_c=0.0, v_peak=50.0, v_reset=-50.0, v_init=v, t_ref=99
        )
        forward = diffrax.ForwardMode()
        sol = solve(neuron, 60.0, inputs=i, max_events=3, max_steps=2000, adjoint=forward, **TIGHT)
        return sol.spike_times("spike", 1)[:, 0]

    # A later phase means an earlier spike.
    advance = -np.diag(jax.jacfwd(first_spike)(jnp.asarray(v)))
    np.testing.assert_allclose(advance, ref["value"], rtol=ref["tolerance"]["rtol"])


def mihalas_niebur(a, a1, a2, current, end):
    """Spike times between which the equations are solved by a matrix exponential (per ms)."""
    c, g, e, b, inf = 100.0, 5.0, -70.0, 0.01, -50.0
    # Of x = (v - e, i1, i2, theta - inf, 1).
    m = np.zeros((5, 5))
    m[0, [0, 1, 2, 4]] = -g / c, 1 / c, 1 / c, current / c
    m[1, 1], m[2, 2] = -0.2, -0.02
    m[3, [0, 3]] = a, -b
    x, t, times = np.array([0.0, 0, 0, 0, 1]), 0.0, []
    gap = lambda s, x: (p := expm(m * s) @ x)[0] + e - p[3] - inf  # noqa: E731
    while t < end:
        steps = np.arange(0.0, end - t, 0.25)
        p, values = expm(m * 0.25), []
        y = x
        for _ in steps:
            values.append(y[0] + e - y[3] - inf)
            y = p @ y
        above = np.flatnonzero(np.diff(np.sign(values)) > 0)
        if not len(above):
            break
        s = brentq(gap, steps[above[0]], steps[above[0] + 1], args=(x,), xtol=1e-12)
        t, x = t + s, expm(m * s) @ x
        times.append(t)
        x = np.array([0.0, a1, x[2] + a2, max(-60.0 - inf, x[3]), 1.0])
    return np.array(times)


@pytest.mark.slow
def test_the_neuron_of_mihalas_and_niebur_by_matrix_exponentials():
    patterns = np.array([(0.0, 0, 0, 150), (0.005, 0, 0, 200), (0.005, 1000, -60, 200)]).T
    a, a1, a2, u = patterns
    sol = solve(GIF(3, a=a, a1=a1, a2=a2), 150.0, inputs=lambda t: jnp.asarray(u), **TIGHT)
    times, index = sol.spikes("spike")
    for k, p in enumerate(patterns.T):
        expected = mihalas_niebur(*p, 150.0)
        assert len(expected) > 5
        np.testing.assert_allclose(times[index == k], expected, atol=1e-6)


def test_the_adaptive_neuron_of_bellec_in_its_discrete_form():
    dt, n, v_th, beta, tau, tau_a = 1.0, 300, 1.0, 0.5, 20.0, 200.0
    alpha, decay = np.exp(-dt / tau), np.exp(-dt / tau_a)
    x = 0.15 + 0.1 * np.random.default_rng(0).random(n)
    # As in the paper: the reset is not filtered, and a spike adds to the trace a step later.
    h, a, z, expected = 0.0, 0.0, 0.0, []
    for k in range(n):
        h, a = alpha * h + x[k] - z * v_th, decay * a + z
        z = float(h >= v_th + beta * a)
        expected.append(z)
    neuron = ALIF(
        1,
        tau=tau,
        r=1 / (1 - alpha),
        v_rest=0.0,
        v_th=v_th,
        v_reset=v_th - v_th / alpha,
        tau_a=tau_a,
        beta=beta / decay,
    )
    rec = simulate(neuron, n * dt, dt=dt, inputs=x, record="spike")
    assert 10 < sum(expected) < n / 3
    np.testing.assert_array_equal(rec["spike"][:, 0], expected)


@pytest.mark.slow
def test_the_intervals_of_the_spike_response_neuron_follow_its_hazard():
    n, dt, t_ref, k = 8000, 0.2, 2.0, np.arange(1, 151)
    kwargs = {"eta": -8.0, "tau_eta": 10.0, "theta": 3.0, "tau_theta": 30.0, "rho": 0.5}
    neuron = SpikeResponse(n, t_ref=t_ref, tau=1e-3, **kwargs)
    # The membrane follows its input at once: -50 mV without spikes.
    rec = simulate(neuron, 40.0, dt=dt, inputs=15.0, key=jax.random.key(3), record="spike")
    spike = np.asarray(rec["spike"]) > 0
    first = spike.argmax(0)
    early = first < 50
    later = np.where(np.arange(len(spike))[:, None] > first, spike, False)
    interval = np.where(later.any(0), later.argmax(0) - first, 1000)[early]
    assert early.mean() > 0.9
    # The chance to be silent still, k steps after the first spike.
    s = dt * k
    v = -50.0 - 8.0 * np.exp(-s / 10.0)
    rho = 0.5 * np.exp((v + 50.0 - 3.0 * np.exp(-s / 30.0)) / 2.0)
    survival = np.exp(-np.cumsum(np.where(s <= t_ref + 1e-9, 0, rho) * dt))
    found = (interval[:, None] > k).mean(0)
    assert survival[-1] < 0.1
    # Kolmogorov and Smirnov, at 0.1 per cent.
    assert abs(found - survival).max() < 1.95 / np.sqrt(len(interval))


@pytest.mark.slow
def test_the_leaky_integrator_with_noise_is_an_ornstein_uhlenbeck_process():
    units = LeakyIntegrator(4000, tau=5.0, sigma=2.0)
    rec = simulate(units, 40.0, dt=0.5, inputs=3.0, key=jax.random.key(0), record="v")
    v = rec["v"][-1]
    assert abs(v.mean() - 3.0) < 4 * np.sqrt(2 / 4000)
    assert abs(v.std() - np.sqrt(2)) < 4 * np.sqrt(2 / (2 * 4000))


@pytest.mark.parametrize(("name", "b"), [("an_fhn_hopf", 0.8), ("an_fhn_folds", 2.0)])
def test_bifurcations_of_fitzhugh_and_nagumo(name, b):
    value, p = case(name)["value"], case(name)["parameters"]
    model = FitzHughNagumo(1, a=p["a"], b=p["b"], epsilon=p["eps"])
    assert p["b"] == b
    kind = "hopf" if "I_hopf" in value else "fold"
    field = vector_field(model)
    for i, v in zip(value[f"I_{kind}"], value[f"v_{kind}"], strict=True):
        x = jnp.array([v, (v + p["a"]) / b])

        def f(x, i=i):
            rates = field(0.0, {"v": x[:1], "w": x[1:]}, Args({}, i))
            return jnp.concatenate([rates["v"], rates["w"]])

        np.testing.assert_allclose(f(x), 0, atol=1e-12)
        eigenvalues = np.linalg.eigvals(jax.jacfwd(f)(x))
        assert min(abs(eigenvalues.real)) < 1e-12
        if kind == "hopf":
            np.testing.assert_allclose(abs(eigenvalues.imag), value["omega"], rtol=1e-6)


@pytest.mark.slow
def test_the_squid_axon_is_faster_when_it_is_warm():
    cold, warm = hodgkin_huxley(1), hodgkin_huxley(1, phi=3.0, v_th=-20.0)
    assert float(warm.v_th) == -20.0 and set(cold.channels) == {"na", "k", "leak"}
    state = cold.init(key=jax.random.key(0), dt=0.1)
    y = {**state.y, "k": {"n": jnp.array([0.1])}}
    rate = [vector_field(m)(0.0, y, Args(state.mem))["k"]["n"] for m in (cold, warm)]
    assert float(rate[0][0]) > 0 and float((rate[1] / rate[0])[0]) == pytest.approx(3.0)


# --- a fractional neuron is a neuron with a fractional solver -----------------------------------


@pytest.mark.slow
def test_a_fractional_neuron_by_the_explicit_rule():
    alpha, dt, n, u = 0.85, 0.1, 600, 10.0
    # The rule of the reference case fde_lif_adaptation, for both variables.
    scale = dt**alpha * gamma(2 - alpha)
    x = np.zeros((n + 1, 2))
    x[0] = -65.0, -13.0
    weights = np.arange(1, n + 2) ** (1 - alpha) - np.arange(n + 1) ** (1 - alpha)
    spikes = []
    for k in range(1, n + 1):
        v, w = x[k - 1]
        f = np.array([0.04 * v**2 + 5 * v + 140 - w + u, 0.02 * (0.2 * v - w)])
        memory = (weights[1:k][::-1, None] * np.diff(x[:k], axis=0)).sum(0)
        x[k] = scale * f + x[k - 1] - memory
        if x[k, 0] >= 30.0:
            spikes.append(k)
            x[k] = -65.0, x[k, 1] + 8.0
    rec = simulate(
        Izhikevich(1),
        n * dt,
        dt=dt,
        inputs=u,
        solver=L1(alpha, implicit=False),
        record=["v", "u", "spike"],
    )
    assert len(spikes) >= 2
    assert (np.flatnonzero(rec["spike"][:, 0]) + 1).tolist() == spikes
    np.testing.assert_allclose(rec["v"][:, 0], x[1:, 0], rtol=1e-8)
    np.testing.assert_allclose(rec["u"][:, 0], x[1:, 1], rtol=1e-8)


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AdEx(1, v_reset=0.0), "AdEx: 'v_peak' must lie above 'v_reset'.*0.*-20"),
        (lambda: Izhikevich(1, c=40.0), "'v_peak' must lie above 'c'"),
        (lambda: GIF(1, theta_reset=-80.0), "'theta_reset' must lie above 'v_reset'"),
        (lambda: GLIF(2, di1=[1.0, 2.0, 3.0]), r"\(2,\).*\(3,\)"),
        (lambda: ExponentialIF(1, delta_t=0.0), "'delta_t' must be positive.*mV"),
        (lambda: QIF(1, reset=-65.0), "'reset' must be an AbstractReset, got -65.0"),
        (lambda: ALIF(1, spike=None), "'spike' must be an AbstractSurrogate"),
        (lambda: LIF(1, reset=lambda *x: x), "LIF: 'reset' must be an AbstractReset"),
        (
            lambda: LIF(1, reset=SoftReset(), interpolate=True),
            "interpolate=True.*leave out 'reset'.*SoftReset",
        ),
        (lambda: AdEx(3, reset=PartialReset([0.1, 0.2])), r"\(3,\).*\(2,\)"),
        (lambda: WangBuzsaki(1, phi=-1.0), "'phi' must be positive"),
        (lambda: HindmarshRose(1, r=0.0), "'r' must be positive.*1/ms"),
        (lambda: PinskyRinzel(1, site="axon"), "'site' must be one of.*soma.*'axon'"),
        (lambda: PinskyRinzel(1, p=1.5), "'p' must lie between 0 and 1.*1.5"),
        (lambda: SpikeResponse(1, rho=-1.0), "'rho' must be non-negative.*1/ms"),
        (lambda: LeakyIntegrator(2, tau=[1.0, 2.0, 3.0]), r"\(2,\).*\(3,\)"),
        (lambda: hodgkin_huxley(0), "'size' must be a positive integer"),
        (lambda: solve(SpikeResponse(1), 10.0), "SpikeResponse.*simulate"),
    ],
)
def test_bad_parameters(make, match):
    with pytest.raises(ValueError, match=match):
        make()
