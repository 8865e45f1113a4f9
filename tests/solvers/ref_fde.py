"""The reference cases of fractional order."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from cases import case
from jax.scipy.special import gammaln
from reference_rows import Row, covers
from scipy.optimize import brentq
from scipy.special import gamma

from fdyn import simulate
from fdyn.components import LIF
from fdyn.solvers import (
    L1,
    AdamsBashforthMoulton,
    FastL1,
    GrunwaldLetnikov,
    mittag_leffler,
    solve_fde,
)

ALL = (L1, GrunwaldLetnikov, AdamsBashforthMoulton, FastL1)
solve = functools.partial(solve_fde, progress=False)
SHORT = {L1: "L1", GrunwaldLetnikov: "GL", AdamsBashforthMoulton: "ABM_PECE", FastL1: "L1"}


def worst(a, b) -> float:
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b))))


def relative(a, b) -> float:
    return float(np.max(np.abs(np.asarray(a) / np.asarray(b) - 1)))


def decay(t, y, rate):
    return -rate * y


# --- the Mittag-Leffler function and linear equations -------------------------------------------


@covers("fde_ml_special")
def ml_special() -> list[Row]:
    c = case("fde_ml_special")
    arguments = np.array(
        [(-1, 0.5, 1), (-3, 0.5, 1), (-2, 1, 1), (-4, 2, 1), (-1.3, 0.7, 0.7), (-8, 0.9, 1)]
        + [(0.9, 0.4, 1)]
    )
    error = relative(mittag_leffler(*arguments.T), c["value"])
    return [Row("mittag_leffler", error, c["tolerance"]["rtol"], "relative")]


@covers("fde_ml_special_b")
def ml_special_b() -> list[Row]:
    c = case("fde_ml_special_b")
    arguments = np.array(
        [(-6, 0.5, 1), (-2, 0.2, 1), (-2.2, 0.8, 1.8), (-0.4, 0.6, 0.6), (-15, 0.75, 1)]
    )
    error = relative(mittag_leffler(*arguments.T), c["value"])
    return [Row("mittag_leffler", error, c["tolerance"]["rtol"], "relative")]


@covers("fde_relax")
def relax() -> list[Row]:
    c = case("fde_relax")
    alpha, t = (np.array(c["parameters"][k]) for k in ("alpha", "t"))
    value = np.array(c["value"])
    formula = mittag_leffler(-(t ** alpha[:, None]), alpha[:, None])
    rows = [Row("mittag_leffler", worst(formula, value), c["tolerance"]["formula_atol"])]
    for kind in ALL:
        traj = solve(decay, np.ones(4), [0.0, *t], 1.0, kind(alpha), dt=1e-3)
        tolerance = c["tolerance"]["solver_h_0.001_atol"][SHORT[kind]]
        rows.append(Row(kind.__name__, worst(traj.ys[1:].T, value), tolerance, "h = 0.001"))
    return rows


@covers("fde_forced")
def forced() -> list[Row]:
    c = case("fde_forced")
    p, value = c["parameters"], c["value"]
    t = np.array(p["t"])
    formula = p["F"] / p["lam"] * (1 - mittag_leffler(-p["lam"] * t ** p["alpha"], p["alpha"]))
    rows = [Row("mittag_leffler", worst(formula, value), c["tolerance"]["formula_atol"])]

    def f(t, y, args):
        return args[0] - args[1] * y

    for kind in ALL:
        method, args = kind(p["alpha"]), (p["F"], p["lam"])
        traj = solve(f, c["initial"], [0.0, *t], args, method, dt=1e-3)
        tolerance = c["tolerance"]["solver_h_0.001_atol"]
        rows.append(Row(kind.__name__, worst(traj.ys[1:], value), tolerance, "h = 0.001"))
    return rows


@covers("fde_linear_focus")
def linear_focus() -> list[Row]:
    c = case("fde_linear_focus")
    p, value = c["parameters"], c["value"]
    matrix, t = np.array(p["A"]), np.array(p["t"])
    values, vectors = np.linalg.eig(matrix)
    modes = mittag_leffler(values * t[:, None] ** p["alpha"], p["alpha"])
    start = np.linalg.solve(vectors, np.array(c["initial"], complex))
    formula = ((np.asarray(modes) * start) @ vectors.T).real
    rows = [Row("mittag_leffler", worst(formula, value), c["tolerance"]["formula_atol"])]

    def f(t, y, matrix):
        return matrix @ y

    for kind in ALL:
        method = kind(p["alpha"])
        traj = solve(f, np.array(c["initial"]), [0.0, *t], matrix, method, dt=1e-3)
        tolerance = c["tolerance"]["solver_h_0.001_atol"]
        rows.append(Row(kind.__name__, worst(traj.ys[1:], value), tolerance, "h = 0.001"))
    return rows


# --- smooth and nonlinear equations -------------------------------------------------------------


@functools.cache
def orders(name: str) -> dict[str, tuple[np.ndarray, float]]:
    """By method: the observed order per alpha between 800 and 1600 steps, and the error of h =
    0.001 (rounded to a divisor of the interval)."""
    c = case(name)
    alpha, end = np.array(c["parameters"]["alpha"]), c["parameters"]["T"]
    exact = c["value"]["y1"] if "y1" in c["value"] else c["value"]["yT"]
    f = {"fde_smooth_L1_order": cubic, "fde_poly_exact": quadratic}[name]
    found = {}
    for kind in ALL:
        errors = []
        for n in (800, 1600, round(end / 1e-3)):
            start = np.full(3, c["initial"])
            traj = solve(f, start, [0.0, end], alpha, kind(alpha), dt=end / n)
            errors.append(np.abs(np.asarray(traj.ys[-1]) - exact))
        found[kind.__name__] = (np.log2(errors[0] / errors[1]), float(errors[2].max()))
    return found


def cubic(t, y, a):
    return 6 / gamma_of(4 - a) * t ** (3 - a) - y + 1 + t**3


def quadratic(t, y, a):
    # The power t^(1 - a) is 0 at the start.
    rising = 2 * t ** (2 - a) / gamma_of(3 - a) - t ** (1 - a) / gamma_of(2 - a)
    return rising - y + t**2 - t


def gamma_of(x):
    return jnp.exp(gammaln(x))


def order_rows(name: str) -> list[Row]:
    c = case(name)
    alpha = [str(a) for a in c["parameters"]["alpha"]]
    l1 = np.array([c["value"]["L1_order"][a] for a in alpha])
    observed = np.array([c["value"]["observed_order_own_code"][a]["ABM"] for a in alpha])
    expected = {
        "L1": (l1, c["tolerance"]["L1_and_GL_order_atol"]),
        "FastL1": (l1, c["tolerance"]["L1_and_GL_order_atol"]),
        "GrunwaldLetnikov": (c["value"]["GL_order"], c["tolerance"]["L1_and_GL_order_atol"]),
        "AdamsBashforthMoulton": (observed, 0.3),
    }
    rows = []
    for method, (order, error) in orders(name).items():
        wanted, tolerance = expected[method]
        rows.append(Row(method, worst(order, wanted), tolerance, "order"))
        rows.append(Row(method, error, c["tolerance"]["solver_h_0.001_atol"], "h = 0.001"))
    return rows


@covers("fde_smooth_L1_order")
def smooth() -> list[Row]:
    return order_rows("fde_smooth_L1_order")


@covers("fde_poly_exact")
def poly_exact() -> list[Row]:
    return order_rows("fde_poly_exact")


@covers("fde_diethelm_ford_freed")
def diethelm_ford_freed() -> list[Row]:
    c = case("fde_diethelm_ford_freed")
    rows = []

    def f(t, y, a):
        # A power of a negative number, which rounding and the predictor make at the start.
        root = jnp.where(y > 0, jnp.where(y > 0, y, 1) ** 1.5, 0)
        return (
            40320 / gamma_of(9 - a) * t ** (8 - a)
            - 3 * gamma_of(5 + a / 2) / gamma_of(5 - a / 2) * t ** (4 - a / 2)
            + 9 / 4 * gamma_of(a + 1)
            + (1.5 * t ** (a / 2) - t**4) ** 3
            - root
        )

    alpha = np.array(c["parameters"]["alpha"])
    method = AdamsBashforthMoulton(alpha)
    traj = solve(f, np.zeros(4), [0.0, 0.5, 1.0], alpha, method, dt=1 / 640)
    for i, a in enumerate(alpha):
        tolerance = c["tolerance"]["solver_ABM_h_1/640_atol"][str(a)]
        for k, value in ((1, c["value"]["y_half"][i]), (2, c["value"]["y1"][i])):
            error = abs(float(traj.ys[k, i]) - value)
            at = f"t = {float(traj.ts[k])}, alpha = {a}"
            rows.append(Row("AdamsBashforthMoulton", error, tolerance, at))
    return rows


@covers("fde_vector_alpha_garrappa")
def incommensurate() -> list[Row]:
    c = case("fde_vector_alpha_garrappa")
    rows = []

    def f(t, y, args):
        a, b, d = y
        # The root has no derivative at the start, where Newton's method would ask for one.
        inside = (b - 0.5) * (d - 0.3)
        root = jnp.where(inside > 0, jnp.where(inside > 0, inside, 1) ** (1 / 6), 0)
        return jnp.stack(
            [
                (root + jnp.sqrt(t)) / np.sqrt(np.pi),
                gamma(2.2) * (a - 1),
                gamma(2.8) / gamma(2.2) * (b - 0.5),
            ]
        )

    for kind in ALL:
        method = kind(np.array(c["parameters"]["alpha"]))
        ends = [0.0, c["parameters"]["T"]]
        traj = solve(f, np.array(c["initial"]), ends, None, method, dt=0.005)
        error = relative(traj.ys[-1], c["value"])
        rows.append(Row(kind.__name__, error, c["tolerance"]["solver_h_0.005_rtol"], "relative"))
    return rows


@covers("fde_riccati")
def riccati() -> list[Row]:
    c = case("fde_riccati")
    alpha, t = (np.array(c["parameters"][k]) for k in ("alpha", "t"))
    rows = []
    for kind in ALL:
        traj = solve(
            lambda t, y, args: 1 - y**2, np.zeros(2), [0.0, *t], None, kind(alpha), dt=5e-4
        )
        error = worst(traj.ys[1:].T, c["value"])
        rows.append(Row(kind.__name__, error, c["tolerance"]["solver_h_0.0005_atol"], "h = 0.0005"))
    return rows


# --- neurons ------------------------------------------------------------------------------------


@covers("fde_lif_latency")
def latency() -> list[Row]:
    c = case("fde_lif_latency")
    p = c["parameters"]
    alpha, current = np.array(p["alpha_I"]).T

    def below(t: float, a: float, i: float) -> float:
        e = float(mittag_leffler(-p["gL"] / p["C"] * t**a, a))
        return p["EL"] + i / p["gL"] * (1 - e) - p["Vth"]

    found = [
        brentq(below, 1e-3, 1e4, (a, i), rtol=1e-13) for a, i in zip(alpha, current, strict=True)
    ]
    rows = [
        Row(
            "mittag_leffler",
            relative(found, c["value"]),
            c["tolerance"]["formula_rtol"],
            "relative",
        )
    ]
    neurons = LIF(
        4,
        tau=p["C"] / p["gL"],
        v_rest=p["EL"],
        v_th=p["Vth"],
        v_reset=p["EL"],
        r=current / p["gL"],
        t_ref=1e3,
    )
    for kind in (L1, FastL1):
        rec = simulate(
            neurons,
            250.0,
            dt=0.01,
            inputs=1.0,
            solver=kind(alpha),
            record="spike",
            progress=False,
        )
        times, units = rec.spikes("spike")
        error = relative(times[np.argsort(units)], c["value"])
        rows.append(Row(kind.__name__, error, c["tolerance"]["solver_dt_0.01_rtol"], "relative"))
    return rows


@covers("fde_lif_adaptation")
def adaptation() -> list[Row]:
    c = case("fde_lif_adaptation")
    p, value = c["parameters"], c["value"]

    def spikes(dt: float, method) -> np.ndarray:
        # The case counts the step of the spike among those of the refractory period.
        neuron = LIF(
            1,
            tau=p["C"] / p["gL"],
            r=1 / p["gL"],
            v_rest=p["EL"],
            v_th=p["Vth"],
            v_reset=p["Vr"],
            t_ref=p["t_ref_ms"] - dt,
        )
        rec = simulate(
            neuron,
            p["T_ms"],
            dt=dt,
            inputs=p["I"],
            solver=method,
            record="spike",
            progress=False,
        )
        return np.asarray(rec.spikes("spike").times)

    rows = []
    for method, dt, key in (
        (L1(p["alpha"], implicit=False), 0.1, "dt0p1"),
        (L1(p["alpha"], implicit=False), 0.05, "dt0p05"),
        (FastL1(p["alpha"], implicit=False), 0.05, "dt0p05"),
    ):
        name = type(method).__name__
        times = spikes(dt, method)
        error = worst(times[:10], value[f"times_{key}"])
        tolerance = c["tolerance"]["same_rule_same_dt_times_atol"]
        rows.append(Row(name, error, tolerance, f"spike times, dt = {dt}"))
        rows.append(Row(name, abs(len(times) - value[f"n_{key}"]), 0, f"count, dt = {dt}"))
    for method in (L1(p["alpha"]), GrunwaldLetnikov(p["alpha"])):
        between = np.diff(spikes(0.1, method))
        rows.append(
            Row(type(method).__name__, float(between[-1] / between[0]), 0.85, "last / first")
        )
    for method, of in (
        (L1(p["alpha"], reset="clear"), "cleared memory"),
        (AdamsBashforthMoulton(p["alpha"]), "cleared memory"),
        (L1(1.0, implicit=False), "alpha = 1"),
    ):
        between = np.diff(spikes(0.1, method))
        name = f"spread of the intervals, {of}"
        rows.append(Row(type(method).__name__, float(np.ptp(between)), 1e-9, name))
    interval = np.diff(spikes(0.05, L1(1.0, implicit=False)))[0]
    error = float(abs(interval - value["alpha1_interval"]))
    rows.append(Row("L1", error, 1e-9, "interval at alpha = 1"))
    return rows


# --- stability ----------------------------------------------------------------------------------


def lorenz(t, y, args):
    a, b, c = y
    return jnp.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 * c / 3])


def brusselator(t, y, args):
    a, b = y
    return jnp.stack([1 - 3.5 * a + a**2 * b, 2.5 * a - a**2 * b])


def critical_order(f, equilibrium: np.ndarray) -> float:
    """Matignon's theorem on the complex pair of eigenvalues."""
    values = np.linalg.eigvals(np.asarray(jax.jacfwd(lambda y: f(0.0, y, None))(equilibrium)))
    return float(2 / np.pi * np.abs(np.angle(values[values.imag > 0][0])))


@covers("fde_lorenz_alpha_c")
def lorenz_order() -> list[Row]:
    c = case("fde_lorenz_alpha_c")
    root = np.sqrt(72.0)
    equilibrium = np.array([root, root, 27.0])
    alpha = critical_order(lorenz, equilibrium)
    error = abs(alpha - c["value"]["alpha_c"])
    rows = [Row("Matignon", error, c["tolerance"]["formula_atol"])]

    def distance(order: float, first: float, last: float) -> float:
        ts = np.concatenate([[0.0], np.arange(first, last + 0.025, 0.05)])
        start = equilibrium + np.array([0.1, 0.0, 0.0])
        method = AdamsBashforthMoulton(order)
        traj = solve(lorenz, start, ts, None, method, dt=0.005)
        return float(np.linalg.norm(np.asarray(traj.ys[1:]) - equilibrium, axis=1).max())

    method = "AdamsBashforthMoulton"
    rows.append(Row(method, distance(alpha - 0.02, 15, 20), 0.01, "distance below alpha_c"))
    # An error below 1 says that the distance has grown above 1.
    rows.append(Row(method, 1 / distance(1.0, 35, 40), 1, "1 / distance at alpha = 1"))
    return rows


@covers("fde_brusselator_alpha_c")
def brusselator_order() -> list[Row]:
    c = case("fde_brusselator_alpha_c")
    equilibrium = np.array([1.0, 2.5])
    alpha = critical_order(brusselator, equilibrium)
    error = abs(alpha - c["value"]["alpha_c"])
    rows = [Row("Matignon", error, c["tolerance"]["formula_atol"])]
    ts = np.arange(0.0, 200.05, 0.1)

    def distance(order: float, method) -> np.ndarray:
        start = equilibrium + np.array([0.05, 0.0])
        traj = solve(brusselator, start, ts, None, method(order), dt=0.02)
        return np.linalg.norm(np.asarray(traj.ys) - equilibrium, axis=1)

    for method in (AdamsBashforthMoulton, FastL1):
        name = method.__name__
        low, high = distance(alpha - 0.02, method), distance(alpha + 0.02, method)
        late = (ts >= 150) & (ts <= 200)
        rows.append(Row(name, float(low[late].max()), 0.01, "distance below alpha_c"))
        # Above, it returns to 0.3 in every part of the second half.
        again = min(high[(ts >= a) & (ts < a + 20)].max() for a in range(100, 200, 20))
        rows.append(Row(name, 0.3 / float(again), 1, "0.3 / distance above alpha_c"))
    return rows
