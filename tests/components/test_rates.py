"""Rate models one by one: closed forms, reference cases, the papers' equations in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from scipy.integrate import solve_ivp

from fdyn import Args, Network, Projection, Record, simulate, solve, vector_field
from fdyn.analyze import continue_equilibria, equilibria
from fdyn.components import (
    CUBA,
    Activity,
    BalloonWindkessel,
    Electrodes,
    Epileptor,
    JansenRit,
    Kuramoto,
    MontbrioPazoRoxin,
    StuartLandau,
    ThetaNeuron,
    ThresholdLinear,
    VanDerPol,
    WilsonCowan,
    WongWang,
)
from fdyn.solvers import RK4, EulerMaruyama
from fdyn.sparse import Dense


def rates_of(model, y, u=None):
    """The derivative at `y`, a dictionary of numbers."""
    y = {k: jnp.full(1, x) for k, x in y.items()}
    found = vector_field(model)(jnp.array(0.0), y, Args({}, u))
    return np.array([found[k][0] for k in y])


def orbit(model, duration, ts, u=None):
    sol = solve(model, duration, inputs=u, ts=ts, rtol=1e-10, atol=1e-12)
    return {k: np.asarray(x[:, 0]) for k, x in sol.ys.items()}


def check_points(points, values, names, p_rtol, unit=1.0):
    """Folds and Hopf points against those of a case, whose time unit is `unit` ms."""
    assert [x.kind for x in points] == [v["type"] for v in values]
    for point, want in zip(points, values, strict=True):
        np.testing.assert_allclose(point.parameter, want["p"], rtol=p_rtol)
        found = [point.y[k].item() for k in names]
        np.testing.assert_allclose(found, want["x"], rtol=p_rtol, atol=1e-9)
        if want["type"] == "hopf":
            np.testing.assert_allclose(point.omega * unit, want["omega"], rtol=p_rtol)


# --- rates ---------------------------------------------------------------------------------------


def test_threshold_linear_is_linear_above_the_threshold():
    model = ThresholdLinear(2, tau=8.0, gain=3.0, threshold=[1.0, 5.0], r_init=1.0)
    rec = simulate(model, 20.0, dt=0.5, inputs=4.0, record="rate")
    decay = np.exp(-np.asarray(rec.ts) / 8.0)
    np.testing.assert_allclose(rec["rate"][:, 0], 9 + (1 - 9) * decay, rtol=1e-12)
    np.testing.assert_allclose(rec["rate"][:, 1], decay, rtol=1e-12)


@pytest.mark.slow
def test_a_network_of_threshold_linear_units_settles_where_linear_algebra_says():
    w = np.random.default_rng(0).normal(0, 0.2, (5, 5))
    drive = np.array([3.0, 4.0, 5.0, 6.0, 7.0])
    net = Network(
        {"R": ThresholdLinear(5, threshold=-drive)},
        {"RR": Projection("R", "R", Dense(w), Activity(), CUBA())},
    )
    r = simulate(net, 1000.0, dt=0.5).state.model.y["R"]["r"]
    want = np.linalg.solve(np.eye(5) - w.T, drive)
    assert (want > 0).all()
    np.testing.assert_allclose(r, want, rtol=1e-9)


@pytest.mark.slow
def test_wilson_cowan_folds_and_hopf_point():
    c = case("an_wilson_cowan")
    p = c["parameters"]
    model = WilsonCowan(
        1, tau_e=p["tauE"], tau_i=p["tauI"], c1=p["c1"], c2=p["c2"], c3=p["c3"], c4=p["c4"],
        a_e=p["a_e"], a_i=p["a_i"], theta_e=p["th_e"], theta_i=p["th_i"], q=p["Q"],
        r_e=p["refractory"], r_i=p["refractory"],
    )  # fmt: skip
    branch = continue_equilibria(model, (-2.0, 12.0), where=lambda m: m.p)
    check_points(branch.points, c["value"], "ei", c["tolerance"]["p_rtol"])


def jansen_rit(c, **kwargs):
    c = c["parameters"]["C"]
    return JansenRit(1, c1=c, c2=0.8 * c, c3=0.25 * c, c4=0.25 * c, **kwargs)


@pytest.mark.slow
def test_jansen_rit_folds_and_hopf_points():
    c = case("an_jansen_rit")
    low = {k: 0.0 for k in ("y3", "y4", "y5")}
    model = jansen_rit(c, p=0.0)
    branch = continue_equilibria(model, (-60.0, 420.0))
    names = ["y0", "y1", "y2", *low]
    points = sorted(branch.points, key=lambda x: x.y["y0"].item())
    check_points(points, c["value"], names, c["tolerance"]["p_rtol"], unit=1e3)


@pytest.mark.slow
def test_jansen_rit_alpha_rhythm():
    c = case("an_jr_alpha_p200")
    ts = 28000.0 + np.arange(0.0, 400.0, 0.05)
    y = orbit(jansen_rit(c, p=c["parameters"]["p"], y_init=10.0), 28400.0, ts)
    x = y["y1"] - y["y2"]
    top, times = maxima(ts, x)
    low, _ = maxima(ts, -x)
    want, rtol = c["value"], c["tolerance"]["rtol"]
    np.testing.assert_allclose([top.max(), -low.max()], [want["max"], want["min"]], rtol=rtol)
    np.testing.assert_allclose(1000 / np.diff(times).mean(), want["freq_hz"], rtol=rtol)


def maxima(t, x):
    """The maxima, by parabolas through three samples, and when they are."""
    at = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:])) + 1
    a, b, c = x[at - 1], x[at], x[at + 1]
    shift = (a - c) / (a - 2 * b + c) / 2
    times = t[at] + shift * (t[1] - t[0])
    return b - (a - c) * shift / 4, times


def decision(c):
    """Two populations that inhibit each other, the evidence in their background current."""
    p = c["parameters"]
    evidence = p["JA"] * p["mu0"] * (1 + p["c"] * np.array([1.0, -1.0]))
    node = WongWang(
        2, tau=1000 * p["tauS"], gamma=p["gamma"], a=p["a"], b=p["b"], d=p["d"], w=p["JN11"],
        i0=p["I0"] + evidence,
    )  # fmt: skip
    across = Dense(-p["JN12"] * (1 - np.eye(2)))
    return Network({"D": node}, {"DD": Projection("D", "D", across, Activity(), CUBA())})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["an_wong_wang_c0", "an_wong_wang_c0p128"])
def test_wong_wang_decision_states(name):
    c = case(name)
    found = equilibria(decision(c), box={"D.s": (0.0, 1.0)})
    s = found.y["D"]["s"]
    inside = ((s >= 0) & (s <= 1)).all(axis=1)
    want = c["value"]["points"]
    assert inside.sum() == c["value"]["count"] == len(want)
    atol = c["tolerance"]["atol"]
    np.testing.assert_allclose(s[inside], [x["S"] for x in want], atol=atol)
    found_eigenvalues = np.sort(np.real(found.eigenvalues[inside]), axis=1)
    np.testing.assert_allclose(1000 * found_eigenvalues, [x["eig"] for x in want], atol=1e-5)


def test_wong_wang_rate_at_its_removable_singularity():
    model = WongWang(1)
    x0 = float(model.b / model.a)
    rate = jax.value_and_grad(lambda x: model.rate(x))
    value, slope = rate(jnp.array(x0))
    np.testing.assert_allclose([value, slope], [1 / 0.154, 270 / 2], rtol=1e-9)
    for x in (0.2, 0.5):
        z = 270 * x - 108
        np.testing.assert_allclose(model.rate(jnp.array(x)), z / (1 - np.exp(-0.154 * z)))


# --- oscillators ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_stuart_landau_cycle_and_phase_response():
    c = case("an_stuart_landau_prc")
    w, q = c["parameters"]["w"], c["parameters"]["q"]
    value, h = c["value"], 1e-5
    starts, slopes = [], []
    for p, *slope in value["prc_at_p"]:
        for axis in np.eye(2):
            starts += [np.array([np.cos(p), np.sin(p)]) + s * h * axis for s in (1, -1)]
        slopes += slope
    x, y = np.array(starts).T
    model = StuartLandau(len(x), a=1.0, b=1.0, omega=w, c=q, x_init=x, y_init=y)
    end = solve(model, 8 * value["T"], rtol=1e-11, atol=1e-13).state.model.y
    z = np.asarray(end["x"]) + 1j * np.asarray(end["y"])
    np.testing.assert_allclose(abs(z), 1, rtol=1e-9)
    # After whole periods a shift of phase is all that is left of a push.
    pushed = np.angle(z[0::2] / z[1::2]) / (2 * h)
    np.testing.assert_allclose(pushed, slopes, rtol=c["tolerance"]["rtol"])
    start = value["prc_at_p"][1][0]
    middle = np.angle(z[4] * z[5] * np.exp(-2j * start)) / 2
    assert abs(middle) < 1e-6  # back where it was
    np.testing.assert_allclose(value["omega"], w - q)


@pytest.mark.slow
def test_stuart_landau_below_the_bifurcation_is_a_damped_oscillator_under_noise():
    a, sigma, dt = -0.1, 0.02, 0.05
    model = StuartLandau(400, a=a, b=0.0, omega=0.3, sigma=sigma, x_init=0.0)
    rec = simulate(model, 200.0, dt=dt, record=Record("x", every=100), solver=EulerMaruyama())
    x = np.asarray(rec["x"][10:])
    want = sigma**2 / (2 * -a)
    # About 15 correlation times of 400 oscillators.
    assert x.var() == pytest.approx(want, rel=4 * np.sqrt(2 / (15 * 400)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["an_vdp_mu1", "an_vdp_mu0p5"])
def test_van_der_pol_cycle(name):
    c = case(name)
    mu, value = c["parameters"]["mu"], c["value"]
    ts = 60.0 + np.arange(0.0, 8.0, 1e-3)
    y = orbit(VanDerPol(1, mu=mu), 70.0, ts)
    x, v = y["x"], y["y"]
    top, _ = maxima(ts, x)
    assert top.max() == pytest.approx(value["amplitude"], rel=1e-8)
    later = orbit(VanDerPol(1, mu=mu, x_init=x[0], y_init=v[0]), value["T"], [0.0, value["T"]])
    np.testing.assert_allclose([later["x"][-1], later["y"][-1]], [x[0], v[0]], atol=3e-8)
    loop = np.arange(0.0, value["T"], value["T"] / 2000)
    one = orbit(VanDerPol(1, mu=mu, x_init=x[0], y_init=v[0]), value["T"], loop)["x"]
    divergence = value["T"] * (mu * (1 - one**2)).mean()
    assert np.exp(divergence) == pytest.approx(
        value["multiplier"], rel=c["tolerance"]["multiplier_rtol"]
    )


@pytest.mark.slow
def test_the_phase_of_an_oscillator_stays_small():
    rec = simulate(Kuramoto(2, omega=[0.5, -0.5]), 50.0, dt=0.1, record="phase")
    want = np.outer(rec.ts, [0.5, -0.5]) % (2 * np.pi)
    gap = np.asarray(rec["phase"]) - want
    np.testing.assert_allclose((gap + np.pi) % (2 * np.pi), np.pi, atol=1e-9)
    assert rec["phase"].min() >= 0 and rec["phase"].max() < 2 * np.pi


# --- the mean field of quadratic neurons ---------------------------------------------------------


def mean_field(c, **kwargs):
    p = c["parameters"]
    return MontbrioPazoRoxin(1, tau=1.0, delta=p.get("Delta", 1.0), j=p["J"], **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["an_mpr_bistable", "an_mpr_focus"])
def test_mean_field_fixed_points(name):
    c = case(name)
    eta = c["parameters"]["eta"]
    model = mean_field(c, eta=eta, r_init=c["initial"][0], v_init=c["initial"][1])
    found = equilibria(model, box={"r": (0.0, 1.5), "v": (-3.0, 0.0)})
    physical = found.y["r"][:, 0] > 0
    want, rtol = c["value"]["fixed_points"], c["tolerance"]["rtol"]
    for key in "rv":
        np.testing.assert_allclose(found.y[key][physical, 0], [x[key] for x in want], rtol=rtol)
    eig = [sorted((e["re"] + 1j * e["im"] for e in x["eig"]), key=_by_real) for x in want]
    np.testing.assert_allclose(
        [sorted(e, key=_by_real) for e in found.eigenvalues[physical]], eig, rtol=rtol
    )
    end = orbit(model, 20.0, [0.0, 20.0])
    np.testing.assert_allclose([end["r"][-1], end["v"][-1]], c["value"]["at_20tau"], rtol=rtol)


def _by_real(z):
    return z.real, z.imag


@pytest.mark.slow
def test_mean_field_folds():
    c = case("an_mpr_folds")
    model = mean_field(c, eta=-8.0, r_init=0.05)
    branch = continue_equilibria(model, (-8.0, 0.0), where=lambda m: m.eta)
    found = [(x.parameter, x.y["r"].item()) for x in branch.points if x.kind == "fold"]
    np.testing.assert_allclose(found, c["value"], rtol=c["tolerance"]["rtol"])


@pytest.mark.slow
def test_adaptation_of_the_mean_field_is_a_low_pass_filter_of_the_rate():
    model = MontbrioPazoRoxin(1, kappa=3.0, tau=10.0, tau_a=50.0)
    y = {"r": 0.05, "v": -0.5, "a": 0.3, "b": 0.2}
    r, v, a, b = y.values()
    want = [
        (1 / (np.pi * 10) + 2 * r * v) / 10,
        (v**2 - 5 + 15 * 10 * r - (np.pi * 10 * r) ** 2 - a + 0.7) / 10,
        b / 50,
        (3.0 * 10 * r - 2 * b - a) / 50,
    ]
    np.testing.assert_allclose(rates_of(model, y, jnp.full(1, 0.7)), want, rtol=1e-12)


def test_theta_neuron_in_closed_form():
    eta, tau = 2.0, 5.0
    model = ThetaNeuron(2, tau=tau, eta=[eta, -eta], theta_init=[-np.pi / 2, 0.2])
    rec = simulate(model, 30.0, dt=0.01, record=["theta", "spike"], solver=RK4())
    k, t = np.sqrt(eta), np.asarray(rec.ts)
    # tau v' = v^2 + eta: v = k tan(k t / tau + atan(v0 / k)), here with v0 = -1.
    phase = k * t / tau + np.arctan(-1 / k)
    np.testing.assert_allclose(rec["theta"][:, 0], 2 * np.arctan(k * np.tan(phase)), atol=1e-7)
    when = (np.pi * (np.arange(5) + 0.5) + np.arctan(1 / k)) * tau / k
    times = np.asarray(rec.spikes("spike").times)
    assert len(times) == (when < 30).sum() == 3
    assert (abs(times - when[:3]) <= 0.01).all()
    # tau v' = v^2 - eta goes to -k, here with v0 = tan(0.1).
    v0 = np.tan(0.1)
    share = (v0 - k) / (v0 + k) * np.exp(2 * k * t / tau)
    want = 2 * np.arctan(k * (1 + share) / (1 - share))
    np.testing.assert_allclose(rec["theta"][:, 1], want, atol=1e-7)


@pytest.mark.slow
def test_turns_that_a_theta_neuron_passes_in_one_step_do_not_fire_later():
    # Ten steps of hundreds of turns each, up or down, then rest: nothing is left to run off.
    drive = np.concatenate([np.full((10, 2), [1e5, -1e5]), np.zeros((490, 2))])
    rec = simulate(ThetaNeuron(2), 50.0, dt=0.1, inputs=drive, record=["theta", "spike"])
    assert (abs(rec["theta"]) <= 2 * np.pi).all()
    assert (rec["theta"][:, 0] >= -np.pi).all() and (rec["theta"][:, 0] <= np.pi).all()
    assert rec["spike"][10:].sum(0).max() <= 1
    # At rest tan(theta / 2) = -1.
    np.testing.assert_allclose(rec["theta"][-1], -np.pi / 2, atol=1e-3)


@pytest.mark.slow
def test_a_phase_just_below_zero_is_not_a_whole_turn():
    theta = jnp.array([-1e-8, -1e-3, 7.0], jnp.float32)
    y, _, _ = Kuramoto(3).jump(0.0, {"theta": theta}, Args({}), dt=0.1, key=jax.random.key(0))
    expected = [0.0, 2 * np.pi - 1e-3, 7.0 - 2 * np.pi]
    np.testing.assert_allclose(y["theta"], expected, atol=2e-6)
    assert (y["theta"] < np.float32(2 * np.pi)).all()


def test_a_delta_synapse_does_not_make_the_blood_volume_jump():
    with pytest.raises(ValueError, match="BalloonWindkessel has not"):
        BalloonWindkessel(1).kick({"v": jnp.ones(1)}, Args({}), jnp.ones(1))


def test_a_delta_synapse_makes_the_voltage_of_a_theta_neuron_jump():
    theta = jnp.array([0.3, -2.0, jnp.pi])
    y = ThetaNeuron(3).kick({"theta": theta}, Args({}), jnp.array([0.5, 3.0, 1.0]))
    want = 2 * np.arctan(np.tan(np.array([0.15, -1.0])) + [0.5, 3.0])
    np.testing.assert_allclose(y["theta"][:2], want, rtol=1e-12)
    np.testing.assert_allclose(y["theta"][2], np.pi, rtol=1e-12)


# --- seizures ------------------------------------------------------------------------------------


def epileptor(t, y, x0):
    """Jirsa et al. 2014, eqs. 1 to 4, with table values."""
    x1, y1, z, x2, y2, g = y
    f1 = x1**3 - 3 * x1**2 if x1 < 0 else (x2 - 0.6 * (z - 4) ** 2) * x1
    f2 = 0 if x2 < -0.25 else 6 * (x2 + 0.25)
    return [
        y1 - f1 - z + 3.1,
        1 - 5 * x1**2 - y1,
        (4 * (x1 - x0) - z) / 2857,
        -y2 + x2 - x2**3 + 0.45 + 0.002 * g - 0.3 * (z - 3.5),
        (-y2 + f2) / 10,
        -0.01 * g + x1,
    ]


@pytest.mark.slow
def test_epileptor_follows_the_equations_of_the_paper():
    names = ["x1", "y1", "z", "x2", "y2", "g"]
    for point in ([-1.2, -6, 3.4, -0.1, 0.4, -120], [0.4, -2, 3.1, 0.9, 3.0, -50]):
        found = rates_of(Epileptor(1, x0=-1.8), dict(zip(names, map(float, point), strict=True)))
        np.testing.assert_allclose(found, epileptor(0, point, -1.8), rtol=1e-12, atol=1e-14)
    start = [-1.6, -11.8, 3.5, -0.9, 0.0, -160.0]
    ts = np.arange(0.0, 4000.0, 1.0)
    want = solve_ivp(epileptor, (0, 4000), start, "LSODA", ts, args=(-1.6,), rtol=1e-9, atol=1e-11)
    record = [Record("z", every=20), Record("x1", every=20)]
    rec = simulate(Epileptor(2, x0=[-1.6, -2.4]), 4000.0, dt=0.05, record=record, solver=RK4())
    # The slow permittivity, of which seizures are made; single spikes drift apart.
    np.testing.assert_allclose(rec["z"][:-1, 0], want.y[2][1:], atol=5e-3)
    assert want.y[0].max() > 1  # a seizure
    x1 = np.asarray(rec["x1"])
    assert x1[:, 0].max() > 1 and x1[1000:, 1].max() < -1.5  # and none at a low excitability


# --- what is measured ----------------------------------------------------------------------------


def balloon(t, y, u):
    """Friston, Harrison & Penny 2003, in seconds."""
    s, f, v, q = y
    rho, alpha, tau = 0.34, 0.32, 0.98
    return [
        u(t) - 0.65 * s - 0.41 * (f - 1),
        s,
        (f - v ** (1 / alpha)) / tau,
        (f * (1 - (1 - rho) ** (1 / f)) / rho - v ** (1 / alpha) * q / v) / tau,
    ]


@pytest.mark.slow
def test_balloon_model_follows_the_equations_of_the_paper():
    ts = np.arange(0.0, 25.0, 0.1)
    pulse = lambda t: np.exp(-(((t - 3.0) / 0.8) ** 2))  # noqa: E731
    want = solve_ivp(
        balloon, (0, 25), [0.0, 1, 1, 1], "DOP853", ts, args=(pulse,), rtol=1e-10, atol=1e-12
    )
    q, v = want.y[3], want.y[2]
    bold = 0.02 * (7 * 0.34 * (1 - q) + 2 * (1 - q / v) + (2 * 0.34 - 0.2) * (1 - v))
    drive = lambda t: jnp.exp(-(((t / 1000 - 3.0) / 0.8) ** 2))  # noqa: E731
    model = BalloonWindkessel(1)
    sol = solve(model, 25000.0, inputs=drive, ts=1000 * ts, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.potential(sol.ys)[:, 0], bold, atol=1e-9)
    peak = ts[bold.argmax()]
    assert 5.5 < peak < 9 and bold.min() < -0.05 * bold.max()  # and an undershoot


def test_balloon_model_at_rest_and_under_a_constant_input():
    u = 0.205  # f = 1 + u / 0.41 = 1.5
    y = {"s": 0.0, "f": 1.5, "v": 1.5**0.32}
    y["q"] = y["v"] * (1 - 0.66 ** (1 / 1.5)) / 0.34
    np.testing.assert_allclose(rates_of(BalloonWindkessel(1), y, jnp.full(1, u)), 0, atol=1e-15)
    rest = {"s": 0.0, "f": 1.0, "v": 1.0, "q": 1.0}
    np.testing.assert_allclose(rates_of(BalloonWindkessel(1), rest), 0, atol=1e-15)


@pytest.mark.slow
def test_electrodes_weigh_and_add_the_activity():
    lead = np.array([[1.0, 0.5], [-2.0, 0.0], [0.0, 3.0]])
    net = Network(
        {"R": VanDerPol(3, x_init=[1.0, 2.0, -1.0]), "eeg": Electrodes(2)},
        {"lead": Projection("R", "eeg", Dense(lead), Activity(), CUBA())},
    )
    rec = simulate(net, 3.0, dt=0.1, record=["R.x", "eeg.value"])
    np.testing.assert_allclose(rec["eeg.value"], np.asarray(rec["R.x"]) @ lead, rtol=1e-12)
    noisy = simulate(Electrodes(2000, sigma=0.3), 1.0, dt=0.5, inputs=1.0, record="value")["value"]
    assert noisy.std() == pytest.approx(0.3, rel=0.1) and noisy.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WilsonCowan(3, p=[1.0, 2.0]), r"shape \(3,\)"),
        (lambda: JansenRit(1, rate_e=0.0), "'rate_e' must be positive"),
        (lambda: Kuramoto(0), "'size' must be a positive integer"),
        (lambda: ThetaNeuron(1, spike=1.0), "'spike' must be an AbstractSurrogate"),
        (lambda: WongWang(2, sigma=-1.0), "'sigma' must be non-negative"),
        (lambda: ThetaNeuron(1, theta_init=3.2), r"'theta_init' must lie in \(-pi, pi\]"),
        (lambda: ThetaNeuron(1, theta_init=-np.pi), r"'theta_init' must lie in \(-pi, pi\]"),
        (lambda: BalloonWindkessel(2, rho=[0.3, 1.0]), "'rho' .* must be below 1"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
