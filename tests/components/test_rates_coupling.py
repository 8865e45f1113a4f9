"""Rate models that act on each other: order parameters, mean fields, delays between regions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from scipy.stats import norm

from fdyn import Args, Network, Projection, Record, simulate, vector_field
from fdyn.components import (
    CUBA,
    QIF,
    Activity,
    ConstantInput,
    Diffusive,
    Exponential,
    Kuramoto,
    SineOutput,
    SineSynapse,
    StuartLandau,
    ThetaNeuron,
    WilsonCowan,
)
from fdyn.solvers import RK4, ExponentialEuler, solve_dde
from fdyn.sparse import Dense


def oscillators(connect, omega, theta, lag=0.0):
    """Kuramoto's network: the sine of the differences of phase, by two projections."""
    n = connect.n_pre
    back, ahead = SineSynapse(-lag), SineSynapse(np.pi / 2 - lag)
    return Network(
        {"K": Kuramoto(n, omega=omega, theta_init=theta)},
        {
            "sin": Projection("K", "K", connect, back, SineOutput(np.pi / 2)),
            "cos": Projection("K", "K", connect, ahead, SineOutput(np.pi)),
        },
    )


def test_the_pair_of_projections_is_the_sine_of_the_difference():
    rng = np.random.default_rng(0)
    w, theta, lag = rng.normal(0, 1, (4, 4)), rng.uniform(0, 2 * np.pi, 4), 0.4
    net = oscillators(Dense(w), 0.3, theta, lag)
    state = net.init(key=jax.random.key(0), dt=0.1)
    rate = vector_field(net)(jnp.array(0.0), state.y, Args(state.mem))["K"]["theta"]
    want = 0.3 + (w * np.sin(theta[:, None] - theta[None] - lag)).sum(0)
    np.testing.assert_allclose(rate, want, rtol=1e-12)


def order(theta):
    return abs(np.exp(1j * np.asarray(theta)).mean(axis=-1))


N = 5000
STRIDES = (np.arange(N) + 0.5) / N
CAUCHY = np.tan(np.pi * (STRIDES - 0.5))


def synchrony(omega, k, theta, duration, dt=0.05):
    net = oscillators(Dense(k / N, n_pre=N, n_post=N), omega, theta)
    rec = simulate(net, duration, dt=dt, record=Record("K.phase", every=10), solver=RK4())
    return order(rec["K.phase"])


@pytest.mark.slow
def test_kuramoto_order_parameter():
    c = case("an_kuramoto_lorentz")
    gamma, want, atol = c["parameters"]["gamma"], c["value"], c["tolerance"]["network_N>=5000_atol"]
    # A fixed step cannot follow the fastest of a Lorentzian; they take no part.
    omega = np.clip(gamma * CAUCHY, -20, 20)
    theta = 2 * np.pi * (np.arange(N) * 0.6180339887 % 1)
    for k, r in zip(c["parameters"]["K"][1:], want["r"][1:], strict=True):
        found = synchrony(omega, k, 0.3 * theta, 60.0)
        assert found[-40:].mean() == pytest.approx(r, abs=atol)
    assert synchrony(omega, 0.5 * want["Kc"], 0.3 * theta, 60.0)[-40:].mean() < 2 * atol
    gauss = case("an_kuramoto_gauss")
    k, r = gauss["parameters"]["K"][1], gauss["value"]["r"][1]
    found = synchrony(norm.ppf(STRIDES), k, 0.3 * theta, 60.0)
    assert found[-40:].mean() == pytest.approx(r, abs=gauss["tolerance"]["network_N>=5000_atol"])


@pytest.mark.slow
def test_kuramoto_transient_is_that_of_ott_and_antonsen():
    c = case("an_kuramoto_lorentz")
    # Phases of density (1 - r^2) / (1 - 2 r cos + r^2), independent of the frequencies.
    r = 0.1
    uniform = np.random.default_rng(1).permutation(STRIDES)
    theta = 2 * np.arctan((1 - r) / (1 + r) * np.tan(np.pi * (uniform - 0.5)))
    omega = np.clip(c["parameters"]["gamma"] * CAUCHY, -20, 20)
    assert order(theta) == pytest.approx(r, abs=2e-3)
    found = synchrony(omega, 2.0, theta, 4.0)
    assert found[-1] == pytest.approx(c["value"]["r_t4"], abs=0.03)


# --- quadratic neurons and their mean field ------------------------------------------------------


def population_rate(net, duration, dt, skip, solver, drive=0.0):
    """Spikes per neuron and time constant."""
    spikes = Record(lambda t, state, out: out["E"]["spike"].sum(), every=100, reduce="sum")
    counts = simulate(
        net, duration, dt=dt, inputs={"E": drive}, record={"n": spikes}, solver=solver
    )["n"]
    cell = net.nodes["E"]
    late = np.asarray(counts)[round(skip / (100 * dt)) :]
    return float(late.sum() / cell.size / (duration - skip) * cell.tau)


def excitabilities(p, n):
    return p["eta"] + p["Delta"] * np.tan(np.pi * ((np.arange(n) + 0.5) / n - 0.5))


@pytest.mark.slow
def test_a_network_of_quadratic_neurons_has_the_two_rates_of_its_mean_field():
    c = case("an_mpr_bistable")
    p, n, tau, tau_s, peak, dt = c["parameters"], 10_000, 10.0, 0.1, 100.0, 0.01
    quantiles = np.random.default_rng(0).permutation((np.arange(n) + 0.5) / n)
    # A synapse of area 1 that is fast against the membrane; a step takes it as it is at its start.
    area = dt / (1 - np.exp(-dt / tau_s))
    connect = Dense(p["J"] * tau / (n * area), n_pre=n, n_post=n)
    found, stable = [], [x for x in c["value"]["fixed_points"] if x["stable"]]
    for point in stable:
        # The voltages of a stationary state are Lorentzian, of half-width pi tau r.
        v = point["v"] + np.pi * point["r"] * np.tan(np.pi * (quantiles - 0.5))
        # From the peak to infinity and back to the reset takes 2 tau / peak.
        cell = QIF(
            n, tau=tau, k=1.0, v_rest=0.0, v_c=0.0, v_peak=peak, v_reset=-peak,
            t_ref=2 * tau / peak, v_init=np.clip(v, -peak, 0.9 * peak),
        )  # fmt: skip
        synapse = Exponential(tau_s, g_init=p["J"] * point["r"])
        across = Projection("E", "E", connect, synapse, CUBA())
        offset = ConstantInput(n, excitabilities(p, n))
        net = Network({"E": cell}, {"EE": across})
        found.append(population_rate(net, 150.0, dt, 50.0, ExponentialEuler(), offset))
    rtol = c["tolerance"]["qif_network_N>=10000_rate_rtol"]
    np.testing.assert_allclose(found, [x["r"] for x in stable], rtol=rtol)


@pytest.mark.slow
def test_a_network_of_theta_neurons_has_the_rate_of_its_mean_field():
    c = case("an_mpr_focus")
    p, n, tau, tau_s = c["parameters"], 10_000, 10.0, 0.05
    # A fixed step cannot follow the fastest: they are slowed down, which costs 2 % of the rate.
    eta = np.clip(excitabilities(p, n), -400, 400)
    connect = Dense(p["J"] * tau / (n * tau_s), n_pre=n, n_post=n)
    net = Network(
        {"E": ThetaNeuron(n, tau=tau, eta=eta, theta_init=np.linspace(-3, 3, n))},
        {"EE": Projection("E", "E", connect, Exponential(tau_s), CUBA())},
    )
    found = population_rate(net, 150.0, 0.01, 50.0, RK4())
    (stable,) = c["value"]["fixed_points"]
    rtol = c["tolerance"]["qif_network_N>=10000_rate_rtol"]
    assert found == pytest.approx(stable["r"], rel=rtol)


# --- delays between regions ----------------------------------------------------------------------

W = np.array([[0.0, 3.0], [1.5, 0.0]])  # from row to column
LAGS = np.array([[0.0, 7.0], [4.0, 0.0]])  # ms


def regions(delay):
    node = WilsonCowan(2, p=[1.25, 0.5], e_init=[0.2, 0.1], i_init=[0.1, 0.05])
    p = Projection("R", "R", Dense(W, delay=delay), Activity(), Diffusive())
    return Network({"R": node}, {"RR": p})


def two_regions(t, y, args, hist):
    """Wilson & Cowan 1972 for both, each driven by the difference to the other a delay ago."""
    e, i = y[:2], y[2:]
    past = jnp.stack([hist(4.0)[1], hist(7.0)[0]])
    u = jnp.array([W[1, 0], W[0, 1]]) * (past - e)

    def s(x, a, th):
        return 1 / (1 + jnp.exp(-a * (x - th))) - 1 / (1 + jnp.exp(a * th))

    s_e = s(16 * e - 12 * i + jnp.array([1.25, 0.5]) + u, 1.3, 4.0)
    s_i = s(15 * e - 3 * i, 2.0, 3.7)
    return jnp.concatenate([(-e + (1 - e) * s_e) / 10, (-i + (1 - i) * s_i) / 10])


@pytest.mark.slow
def test_two_regions_with_delays_against_a_solver_of_delay_equations():
    start = np.array([0.2, 0.1, 0.1, 0.05])
    ts = np.arange(0.0, 81.0, 20.0)
    ys = np.asarray(solve_dde(two_regions, start, ts, delays=[4.0, 7.0], rtol=1e-9, atol=1e-11).ys)[
        1:
    ]
    assert np.ptp(ys[:, 0]) > 0.02
    errors = []
    for dt in (0.2, 0.1):
        every = Record("R.e", every=round(20 / dt))
        rec = simulate(regions(LAGS), 80.0, dt=dt, record=every, solver=RK4())
        errors.append(abs(np.asarray(rec["R.e"]) - ys[:, :2]).max())
    # What comes from elsewhere is held during a step: order 1, as the documentation says.
    assert errors[1] < 2e-3
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.15)


@pytest.mark.slow
def test_diffusive_coupling_without_delay_is_of_the_order_of_the_solver():
    node = StuartLandau(2, omega=[0.2, 0.3], x_init=[0.5, -0.4])
    p = Projection("R", "R", Dense(0.1 * W), Activity(), Diffusive())
    net = Network({"R": node}, {"RR": p})

    def f(t, y, args, hist):
        x, v = y[:2], y[2:]
        square = x**2 + v**2
        omega = jnp.array([0.2, 0.3])
        u = 0.1 * jnp.array([W[1, 0], W[0, 1]]) * (x[::-1] - x)
        grow = 0.02 - 0.02 * square
        return jnp.concatenate([grow * x - omega * v + u, grow * v + omega * x])

    want = solve_dde(f, np.array([0.5, -0.4, 0, 0]), [0.0, 20.0], rtol=1e-11, atol=1e-13).ys[-1]
    ends = (simulate(net, 20.0, dt=dt, solver=RK4()).state.model.y["R"]["x"] for dt in (0.5, 0.25))
    coarse, fine = (abs(np.asarray(x - want[:2])).max() for x in ends)
    assert np.log2(coarse / fine) == pytest.approx(4, abs=0.2)
    assert fine < 1e-6


@pytest.mark.slow
def test_two_oscillators_with_a_delay_lock_where_theory_says():
    # Omega = omega - K sin(Omega tau) in phase: Schuster & Wagner 1989, Prog. Theor. Phys. 81:939.
    omega, k, tau = 0.3, 0.08, 5.0
    connect = Dense(k * (1 - np.eye(2)), delay=tau)
    net = oscillators(connect, omega, [0.0, 0.4])
    rec = simulate(net, 400.0, dt=0.02, record=Record("K.phase", every=50), solver=RK4())
    theta = np.unwrap(np.asarray(rec["K.phase"])[-200:], axis=0)
    speed = (theta[-1] - theta[0]) / 199
    want = 0.3
    for _ in range(200):
        want = 0.9 * want + 0.1 * (omega - k * np.sin(want * tau))
    np.testing.assert_allclose(speed, want, rtol=2e-3)
    gap = (theta[-1, 1] - theta[-1, 0] + np.pi) % (2 * np.pi) - np.pi
    assert abs(gap) < 1e-3 and k * np.cos(want * tau) > 0  # in phase is stable
