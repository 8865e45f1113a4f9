"""The reference cases of ordinary differential equations and of neurons with a reset."""

from fractions import Fraction
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from cases import case
from helpers import squid
from ref_models import Equation, Theta, numbers, pulse
from reference_rows import Row, covers

from fdyn import Args, Solution, simulate, solve, vector_field
from fdyn.components import (
    LIF,
    QIF,
    AbstractComponent,
    AdEx,
    ConstantInput,
    FitzHughNagumo,
    HindmarshRose,
    Izhikevich,
    MorrisLecar,
)
from fdyn.solvers import RK4, AbstractStepSolver, solve_ode

TIGHT = {"rtol": 1e-11, "atol": 1e-12}
HH = {"ode_hh_step10": (10, 5, 55), "ode_hh_step25": (25, 2, 102)}


def deviation(found: Any, expected: Any, relative: bool = False) -> float:
    """The largest error; infinite where there are more or fewer numbers than expected."""
    found, expected = np.asarray(found), np.asarray(expected, float)
    if found.shape != expected.shape:
        return float("inf")
    scale = np.abs(expected) if relative else 1.0
    return float(np.max(np.abs(found - expected) / scale))


def crossings(t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Upward crossings of zero, by linear interpolation."""
    i = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    return t[i] - x[i] * (t[i + 1] - t[i]) / (x[i + 1] - x[i])


def on_a_grid(
    model: AbstractComponent, t_end: float, record: str, inputs: Any = None
) -> tuple[np.ndarray, Any]:
    """The crossings of zero of a variable, and the last state, with RK4 and dt = 0.01."""
    run = simulate(
        model, t_end, dt=0.01, inputs=inputs, solver=RK4(), record=record, progress=False
    )
    start = np.asarray(model.init(key=jax.random.key(0), dt=0.01).y[record])[:1]
    x = np.concatenate([start, run[record][:, 0]])
    return crossings(np.concatenate([[0.0], run.ts]), x), run.state.model.y


# Hodgkin-Huxley ---------------------------------------------------------------------------------


def hh_state(y: dict) -> list[float]:
    return [float(x[0]) for x in (y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"])]


def hodgkin_huxley(name: str) -> list[Row]:
    c, (amplitude, on, off) = case(name), HH[name]
    value, tol, t_end = c["value"], c["tolerance"], c["parameters"]["t_end_ms"]
    assert c["parameters"]["I"] == f"{amplitude}.0 for {on}.0<=t<{off}.0 ms, else 0"
    u, rows = pulse(amplitude, on, off), []
    for solver in (diffrax.Tsit5(), diffrax.Dopri8(), diffrax.Kvaerno5()):
        sol = solve(squid(), t_end, inputs=u, breaks=[on, off], solver=solver)
        label = f"solve, {type(solver).__name__}"
        error = deviation(sol.spikes("spike").times, value["times_ms"])
        rows.append(Row(label, error, tol["times_atol_ms"], "spike times"))
        error = deviation(hh_state(sol.state.model.y), value["final"])
        rows.append(Row(label, error, tol["final_atol"], "final state"))
    times, y = on_a_grid(squid(), t_end, "v", u)
    fixed = tol["fixed_step_dt_0.01ms_rk4_atol_ms"]
    rows.append(Row("RK4", deviation(times, value["times_ms"]), fixed, "spike times"))
    rows.append(
        Row("RK4", deviation(hh_state(y), value["final"]), tol["final_atol"], "final state")
    )
    return rows


@covers("ode_hh_step10")
def hh_step10() -> list[Row]:
    return hodgkin_huxley("ode_hh_step10")


@covers("ode_hh_step25")
def hh_step25() -> list[Row]:
    return hodgkin_huxley("ode_hh_step25")


@covers("ode_hh_pulse_threshold_1ms")
def hh_pulse_threshold() -> list[Row]:
    c = case("ode_hh_pulse_threshold_1ms")

    def fires(amplitude: float) -> bool:
        u = pulse(amplitude, 0.0, 1.0)
        sol = solve(squid(v_th=-20.0), 25.0, inputs=u, breaks=[0.0, 1.0])
        return len(sol.event_times) > 0

    low, high = 5.0, 10.0
    assert fires(high) and not fires(low)
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if fires(middle) else (middle, high)
    error = deviation(high, c["value"], relative=True)
    return [Row("solve, Tsit5", error, c["tolerance"]["rtol"])]


# Oscillators and bursts -------------------------------------------------------------------------


def upward(
    c: dict, model: AbstractComponent, record: str, state: Any, inputs: Any = None
) -> list[Row]:
    """Times at which the first variable turns positive, and the last state."""
    value, tol, rows = c["value"], c["tolerance"], []
    sol = solve(model, value["t_end"], inputs=inputs, rtol=1e-9, atol=1e-10)
    for label, (times, y) in {
        "solve, Tsit5": (sol.spikes("spike").times, sol.state.model.y),
        "RK4": on_a_grid(model, value["t_end"], record, inputs),
    }.items():
        error = deviation(times, value["times"], relative=True)
        rows.append(Row(label, error, tol["times_rtol"], "crossing times"))
        error = deviation(state(y), value["final"])
        rows.append(Row(label, error, tol["final_atol"], "final state"))
    return rows


def morris_lecar(name: str) -> list[Row]:
    c = case(name)
    p, (v, w) = c["parameters"], c["initial"]
    names = {"C": "c", "gL": "g_l", "VL": "e_l", "gCa": "g_ca", "VCa": "e_ca", "gK": "g_k"}
    names |= {"VK": "e_k", "phi": "phi"} | {f"V{i}": f"v{i}" for i in range(1, 5)}
    model = MorrisLecar(1, **{names[k]: x for k, x in p.items() if k != "I"}, v_init=v, w_init=w)
    return upward(c, model, "v", lambda y: [y["v"][0], y["w"][0]], float(p["I"]))


@covers("ode_ml_hopf_I100")
def ml_hopf() -> list[Row]:
    return morris_lecar("ode_ml_hopf_I100")


@covers("ode_ml_snic_I42")
def ml_snic() -> list[Row]:
    return morris_lecar("ode_ml_snic_I42")


def oscillator(name: str, kind: type, renamed: dict[str, str], names: str) -> list[Row]:
    c = case(name)
    p = {renamed.get(k, k): v for k, v in c["parameters"].items()}
    u = numbers(p.pop("I"))
    model = kind(1, **p, **{f"{k}_init": x for k, x in zip(names, c["initial"], strict=True)})
    state = lambda y: [y[k][0] for k in names]  # noqa: E731
    rows = upward(c, model, names[0], state, u)
    start, field = model.init(key=jax.random.key(0), dt=0.01), vector_field(model)
    t = [0.0, c["value"]["t_end"]]
    for method, options in (
        (diffrax.Tsit5(), {"rtol": 1e-9, "atol": 1e-10}),
        (RK4(), {"dt": 0.01}),
    ):
        traj = solve_ode(field, start.y, t, Args(start.mem, u), method, **options)
        end = state(jax.tree.map(lambda x: x[-1], traj.ys))
        error = deviation(end, c["value"]["final"])
        label = f"solve_ode, {type(method).__name__}"
        rows.append(Row(label, error, c["tolerance"]["final_atol"], "final state"))
    return rows


@covers("ode_fhn_I0p5")
def fhn() -> list[Row]:
    return oscillator("ode_fhn_I0p5", FitzHughNagumo, {"eps": "epsilon"}, "vw")


@covers("ode_hindmarsh_rose_burst_I2")
def hindmarsh_rose_burst() -> list[Row]:
    return oscillator("ode_hindmarsh_rose_burst_I2", HindmarshRose, {"xR": "x_r"}, "xyz")


# Neurons with a reset ---------------------------------------------------------------------------


def reset_neuron(c: dict, model: AbstractComponent, current: float, names: str) -> list[Row]:
    value, tol = c["value"], c["tolerance"]
    t_end = float(c["quantity"].split("state at t=")[1])
    u = pulse(current, 10.0)
    sol = solve(model, t_end, inputs=u, breaks=[10.0], rtol=1e-9, atol=1e-10)
    y = sol.state.model.y
    times = deviation(sol.spikes("spike").times, value["times"])
    final = deviation([y[k][0] for k in names], value["final"])
    return [
        Row("solve, Tsit5", times, tol["times_atol"], "spike times"),
        Row("solve, Tsit5", final, tol["final_atol"], "final state"),
    ]


def izhikevich(name: str) -> list[Row]:
    c = case(name)
    p, (v, u) = dict(c["parameters"]), c["initial"]
    assert p.pop("I") == "10.0 from t=10.0, 0 before"
    return reset_neuron(c, Izhikevich(1, **p, v_init=v, u_init=u), 10.0, "vu")


@covers("ode_izh_RS")
def izh_rs() -> list[Row]:
    return izhikevich("ode_izh_RS")


@covers("ode_izh_CH")
def izh_ch() -> list[Row]:
    return izhikevich("ode_izh_CH")


@covers("ode_izh_IB")
def izh_ib() -> list[Row]:
    return izhikevich("ode_izh_IB")


def adex(name: str) -> list[Row]:
    c = case(name)
    p = dict(c["parameters"])
    current, rest = p.pop("I").split(" ", 1)
    assert rest == "from t=10 ms"
    names = {"C": "c", "gL": "g_l", "EL": "e_l", "VT": "v_t", "DT": "delta_t", "tauw": "tau_w"}
    names |= {"a": "a", "b": "b", "Vr": "v_reset", "Vcut": "v_peak"}
    v, w = c["initial"]
    model = AdEx(1, **{names[k]: x for k, x in p.items()}, v_init=v, w_init=w)
    return reset_neuron(c, model, float(current), "vw")


@covers("ode_adex_bg2005_step800")
def adex_adapting() -> list[Row]:
    return adex("ode_adex_bg2005_step800")


@covers("ode_adex_tonic")
def adex_tonic() -> list[Row]:
    return adex("ode_adex_tonic")


def intervals(sol: Solution, n: int) -> np.ndarray:
    """The mean interval between the spikes of each neuron, infinite for one that is silent."""
    times, index = sol.spikes("spike")
    trains = [times[index == i] for i in range(n)]
    return np.array([np.diff(x).mean() if len(x) > 1 else np.inf for x in trains])


@covers("ode_lif_fI")
def lif_rates() -> list[Row]:
    c = case("ode_lif_fI")
    p, n = c["parameters"], len(c["parameters"]["I"])
    model = LIF(
        n,
        tau=p["tau"],
        r=p["R"],
        v_rest=p["EL"],
        v_th=p["Vth"],
        v_reset=p["Vr"],
        t_ref=p["t_ref"],
        v_init=c["initial"]["V"],
    )
    u, value, tol = ConstantInput(n, numbers(p["I"])), np.array(c["value"]), c["tolerance"]
    firing = value > 0

    def error(rate: np.ndarray) -> float:
        assert not rate[~firing].any()
        return deviation(rate[firing], value[firing], relative=True)

    usual = solve(model, 150.0, inputs=u)
    tight = solve(model, 150.0, inputs=u, **TIGHT)
    run = simulate(model, 150.0, dt=0.0005, inputs=u, record="spike", progress=False)
    trains = [run.ts[np.flatnonzero(run["spike"][:, i])] for i in range(n)]
    grid = np.array([1000 / np.diff(x).mean() if len(x) > 1 else 0.0 for x in trains])
    return [
        Row("solve, Tsit5", error(1000 / intervals(usual, n)), tol["simulated_event_rtol"]),
        Row("solve, Tsit5, rtol 1e-11", error(1000 / intervals(tight, n)), tol["rtol"]),
        Row("ExponentialEuler, dt 0.0005", error(grid), tol["simulated_event_rtol"]),
    ]


def normal_form(n: int, tau: float, v_peak: float, v_reset: float) -> QIF:
    """tau dv/dt = v^2 + u, from the reset to the peak."""
    return QIF(
        n, tau=tau, k=1.0, v_rest=0.0, v_c=0.0, v_peak=v_peak, v_reset=v_reset, v_init=v_reset
    )


@covers("ode_qif_finite_period")
def qif_period() -> list[Row]:
    c = case("ode_qif_finite_period")
    p, n = c["parameters"], len(c["parameters"]["I"])
    model = normal_form(n, p["tau"], p["Vp"], p["Vr"])
    sol = solve(model, 320.0, inputs=ConstantInput(n, numbers(p["I"])), **TIGHT)
    error = deviation(intervals(sol, n), c["value"], relative=True)
    return [Row("solve, Tsit5", error, c["tolerance"]["rtol"])]


@covers("ode_qif_rate")
def qif_rate() -> list[Row]:
    c = case("ode_qif_rate")
    p, n = c["parameters"], len(c["parameters"]["I"])
    sol = solve(
        Theta(tau=p["tau"], size=n), 640.0, inputs=ConstantInput(n, numbers(p["I"])), **TIGHT
    )
    error = deviation(1000 / intervals(sol, n), c["value"], relative=True)
    return [Row("solve, Tsit5, v = tan(theta / 2)", error, c["tolerance"]["rtol"])]


# Plain equations --------------------------------------------------------------------------------


def at_the_end(
    c: dict,
    f: Any,
    t_end: float,
    methods: list[tuple[Any, dict]],
    tolerance: float,
    relative: bool = False,
    keep: int | None = None,
) -> list[Row]:
    """The last state, once as a component in `solve` and once as a plain function."""
    p = {k: numbers(float(Fraction(v))) for k, v in c["parameters"].items()}
    x0, rows = numbers(c["initial"]), []
    for method, options in methods:
        if isinstance(method, AbstractStepSolver):
            found = {}
        else:
            sol = solve(Equation(f, x0, p), t_end, solver=method, **options)
            found = {"solve": sol["x"][-1]}
        found["solve_ode"] = solve_ode(f, x0, [0.0, t_end], p, method, **options).ys[-1]
        for way, x in found.items():
            error = deviation(x[:keep], c["value"], relative)
            rows.append(Row(f"{way}, {type(method).__name__}", error, tolerance))
    return rows


def van_der_pol(t, y, p):
    return jnp.stack([y[1], p["mu"] * (1 - y[0] ** 2) * y[1] - y[0]])


@covers("ode_vdp_stiff_mu1000")
def vdp_stiff() -> list[Row]:
    c = case("ode_vdp_stiff_mu1000")
    stiff = [(diffrax.Kvaerno5(), {"rtol": 1e-9, "atol": 1e-11})]
    return at_the_end(c, van_der_pol, 2000.0, stiff, c["tolerance"]["rtol"], relative=True)


def robertson(t, y, p):
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


@covers("ode_robertson_40")
def robertson_40() -> list[Row]:
    c = case("ode_robertson_40")
    stiff = [(diffrax.Kvaerno5(), {"rtol": 1e-9, "atol": 1e-13})]
    return at_the_end(c, robertson, 40.0, stiff, c["tolerance"]["rtol"], relative=True)


def hires_problem(t, y, p):
    bound = 280 * y[5] * y[7]
    last = bound - 1.81 * y[6]
    return jnp.stack(
        [
            -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
            1.71 * y[0] - 8.75 * y[1],
            -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
            8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
            -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
            -bound + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
            last,
            -last,
        ]
    )


@covers("ode_hires")
def hires() -> list[Row]:
    c = case("ode_hires")
    stiff = [(diffrax.Kvaerno5(), {"rtol": 1e-9, "atol": 1e-13})]
    return at_the_end(c, hires_problem, 321.8122, stiff, c["tolerance"]["rtol"], relative=True)


def arenstorf_orbit(t, y, p):
    m = p["m"]
    x, z, dx, dz = y
    d1, d2 = ((x + m) ** 2 + z**2) ** 1.5, ((x - 1 + m) ** 2 + z**2) ** 1.5
    ax = x + 2 * dz - (1 - m) * (x + m) / d1 - m * (x - 1 + m) / d2
    return jnp.stack([dx, dz, ax, z - 2 * dx - (1 - m) * z / d1 - m * z / d2])


@covers("ode_arenstorf")
def arenstorf() -> list[Row]:
    c = case("ode_arenstorf")
    options = {"rtol": c["tolerance"]["with_rtol"], "atol": 1e-12}
    methods = [(diffrax.Dopri8(), options), (diffrax.Tsit5(), options)]
    return at_the_end(c, arenstorf_orbit, 17.065216560157964, methods, c["tolerance"]["atol"])


def lorenz(t, y, p):
    x, y, z = y
    return jnp.stack([p["s"] * (y - x), x * (p["r"] - z) - y, x * y - p["b"] * z])


@covers("ode_lorenz_t10")
def lorenz_t10() -> list[Row]:
    c = case("ode_lorenz_t10")
    options = {"rtol": c["tolerance"]["with_rtol"], "atol": 1e-12}
    methods = [
        (diffrax.Dopri8(), options),
        (RK4(), {"dt": 1e-3}),
    ]
    return at_the_end(c, lorenz, 10.0, methods, c["tolerance"]["atol"])


def kepler(t, y, p):
    r3 = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return jnp.stack([y[2], y[3], -y[0] / r3, -y[1] / r3])


@covers("ode_kepler_e06")
def kepler_e06() -> list[Row]:
    c = case("ode_kepler_e06")
    methods = [(diffrax.Dopri8(), TIGHT), (diffrax.Tsit5(), TIGHT), (RK4(), {"dt": 1e-3})]
    return at_the_end(c, kepler, 20.0, methods, c["tolerance"]["rtol"], relative=True, keep=2)


# Cells of several compartments ------------------------------------------------------------------


def two_compartments(t, v, p):
    g, c = jnp.stack([p["g1"], p["g2"]]), jnp.stack([p["C1"], p["C2"]])
    current = g * (p["E"] - v) + p["gc"] * (v[::-1] - v) + jnp.array([1.0, 0.0]) * p["I"]
    return current / c


@covers("ode_two_compartment")
def two_compartment() -> list[Row]:
    c = case("ode_two_compartment")
    p, value, rtol = dict(c["parameters"]), c["value"], c["tolerance"]["rtol"]
    t_end = p.pop("t")
    model = Equation(two_compartments, [p["E"], p["E"]], p)
    rows = []
    sol = solve(model, t_end, **TIGHT)
    rows.append(Row("solve, Tsit5", deviation(sol["x"][-1], value["V"], True), rtol, "V"))
    traj = solve_ode(two_compartments, model.x0, [0.0, t_end], model.p, RK4(), dt=0.01)
    rows.append(Row("solve_ode, RK4", deviation(traj.ys[-1], value["V"], True), rtol, "V"))
    rest = solve(model, 1000.0, steady=True, solver=diffrax.Kvaerno5(), **TIGHT)
    error = deviation(rest["x"][-1], value["steady"], True)
    rows.append(Row("solve, Kvaerno5, steady", error, rtol, "steady V"))
    field = vector_field(model)
    jacobian = jax.jacfwd(lambda x: field(0.0, {"x": x}, Args({}))["x"])(rest["x"][-1])
    error = deviation(np.sort(np.linalg.eigvals(jacobian).real), np.sort(value["eig"]), True)
    return [*rows, Row("vector_field", error, rtol, "eigenvalues")]


def cable(t, v, p):
    dx = 1 / v.size
    inner = jnp.diff(v) / dx
    flux = jnp.concatenate([-jnp.ones(1), inner, jnp.zeros(1)])
    return jnp.diff(flux) / dx - v


@covers("ode_cable_L1")
def cable_of_100_compartments() -> list[Row]:
    c = case("ode_cable_L1")
    p, value = c["parameters"], c["value"]
    assert p["L"] == 1.0 and p["X"] == 0.5
    model = Equation(cable, np.zeros(100), {})
    options = {"solver": diffrax.Kvaerno5(), "rtol": 1e-8, "atol": 1e-10}
    v = solve(model, p["T"], **options)["x"][-1]
    rest = solve(model, 100.0, steady=True, **options)["x"][-1]
    # Half a compartment before the first centre, where the current 1 comes in; no current leaves
    # at the other end, where the voltage is flat.
    rin = rest[0] + 0.5 / 100
    found = {
        "V": (v[49] + v[50]) / 2,
        "steady": (rest[49] + rest[50]) / 2,
        "Rin": rin,
        "attenuation": rest[-1] / rin,
    }
    tolerance = c["tolerance"]["with_100_compartments_rtol"]
    return [
        Row("solve, Kvaerno5", deviation(x, value[name], relative=True), tolerance, name)
        for name, x in found.items()
    ]
