"""The reference cases of stochastic differential equations.

Statistics are compared in standard errors of the sample estimate, of which the cases allow five.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from cases import case
from helpers import slope
from reference_rows import Row, covers

from fdyn import AbstractComponent, Affine, Spikes, State, simulate
from fdyn.components import LIF, CommonNoise, ExponentialIF
from fdyn.solvers import Diffrax, EulerMaruyama, ExponentialEuler, Milstein, StochasticHeun
from fdyn.solvers import solve_sde as sde

ALLOWED = 5.0


def mean_error(x: Any, mean: float) -> float:
    """How far a sample mean is from the expectation, in standard errors."""
    x = np.asarray(x)
    return float(abs(x.mean() - mean) / (x.std() / np.sqrt(x.size)))


def variance_error(x: Any, variance: float) -> float:
    """The same for the variance of a Gaussian."""
    x = np.asarray(x)
    return float(abs(x.var() - variance) / (variance * np.sqrt(2 / x.size)))


def covariance_error(x: np.ndarray, z: np.ndarray, s: Any, c: Any) -> float:
    """The same for the covariances `c` of the rows of two samples of variances `s` each."""
    n, s, c = x.shape[1], np.asarray(s), np.asarray(c)
    found = (x - x.mean(1, keepdims=True)) @ (z - z.mean(1, keepdims=True)).T / n
    error = np.sqrt((np.outer(np.diag(s), np.diag(s)) + c**2) / n)
    return float((abs(found - c) / error).max())


def paths(f: Any, g: Any, y0: Any, t: list[float], method: Any, dt: float, seed: int = 0) -> Any:
    """The rows of a run; the solvers draw independent noise for every element of a leaf."""
    return sde(f, g, y0, t, None, method, key=jax.random.key(seed), dt=dt, progress=False).ys


def strong_order(
    f: Any, g: Any, y0: Any, t: float, dts: list[float], exact: Callable, method: Any
) -> tuple[float, np.ndarray]:
    """The slope of the mean error on one Brownian path, and the ends at the smallest step."""
    tol = min(dts) / 2
    path = diffrax.VirtualBrownianTree(
        jnp.array(0.0), jnp.array(t), jnp.array(tol), y0.shape, jax.random.key(7)
    )
    method = eqx.tree_at(lambda m: m.brownian, method, path, is_leaf=lambda x: x is None)
    ends = [paths(f, g, y0, [0.0, t], method, dt)[-1] for dt in dts]
    target = exact(path.evaluate(jnp.array(0.0), jnp.array(t)))
    return slope(dts, [float(jnp.abs(x - target).mean()) for x in ends]), np.asarray(ends[-1])


@covers("sde_ou")
def ornstein_uhlenbeck() -> list[Row]:
    c = case("sde_ou")
    p, v = c["parameters"], c["value"]
    theta, mu, sigma, n = p["theta"], p["mu"], p["sigma"], 100_000

    def linear(t, y, args):
        return Affine(jnp.full(n, -theta), jnp.full(n, theta * mu))

    def noise(t, y, args):
        return sigma

    start = jnp.full(n, c["initial"])
    times = [0.0, *p["t"], 10.0, *(10.0 + lag for lag in p["lags"])]
    # Steps of up to 3/4 of the relaxation time: the scheme is exact at any.
    x = [start]
    for a, b in zip(times, times[1:], strict=False):
        step = (b - a) / np.ceil((b - a) / 0.5)
        x.append(paths(linear, noise, x[-1], [0.0, b - a], ExponentialEuler(), step, len(x))[-1])
    after = dict(zip(times, x, strict=True))
    means = [mean_error(after[t], m) for t, m in zip(p["t"], v["mean"], strict=True)]
    spread = [variance_error(after[t], s) for t, s in zip(p["t"], v["var"], strict=True)]
    s = v["stat_var"]
    lagged = [
        covariance_error(
            np.asarray(after[10.0])[None], np.asarray(after[10.0 + lag])[None], [[s]], [[cov]]
        )
        for lag, cov in zip(p["lags"], v["autocov"], strict=True)
    ]
    dt = p["em_dt"]
    still = mu + np.sqrt(v["em_stat_var"]) * jax.random.normal(jax.random.key(5), (n,))
    end = paths(linear, noise, still, [0.0, 4.0], EulerMaruyama(), dt, 9)[-1]
    name = "ExponentialEuler"
    return [
        Row(name, max(means), ALLOWED, "mean, in standard errors"),
        Row(name, max(spread), ALLOWED, "variance, in standard errors"),
        Row(name, variance_error(after[10.0], s), ALLOWED, "stationary variance, in s.e."),
        Row(name, max(lagged), ALLOWED, "autocovariance, in s.e."),
        Row(
            "EulerMaruyama",
            variance_error(end, v["em_stat_var"]),
            ALLOWED,
            "the scheme's own variance, in s.e.",
        ),
    ]


@covers("sde_ou2d_focus")
def focus() -> list[Row]:
    c = case("sde_ou2d_focus")
    p, v = c["parameters"], c["value"]
    a, b, n, dt = np.array(p["A"]), np.diag(p["B"]), 2000, 0.05

    def drift(t, y, args):
        return {k: a[i, 0] * y["x"] + a[i, 1] * y["z"] for i, k in enumerate("xz")}

    def noise(t, y, args):
        return {"x": b[0], "z": b[1]}

    # A whole number of periods of f, after ten relaxation times.
    times = 20.0 + dt * np.arange(2048)
    start = {k: jnp.zeros(n) for k in "xz"}
    ys = paths(drift, noise, start, [0.0, *times], Diffrax(diffrax.ShARK()), dt)
    x = np.stack([np.asarray(ys[k])[1:] for k in "xz"])
    window = np.hanning(times.size)[:, None]
    wave = np.exp(-2j * np.pi * p["f"] * times)[:, None]
    power = abs((x * window * wave).sum(1)) ** 2 * dt / (window**2).sum()
    densities = [mean_error(w, s) for w, s in zip(power, v["psd_diag"], strict=True)]
    end = x[:, -1]
    return [
        Row(
            "Diffrax(ShARK)", covariance_error(end, end, v["cov"], v["cov"]), ALLOWED, "covariance"
        ),
        Row("Diffrax(ShARK)", max(densities), ALLOWED, "power spectral density, in s.e."),
    ]


@covers("sde_ou2d_lyapunov")
def correlated() -> list[Row]:
    c = case("sde_ou2d_lyapunov")
    p, v = c["parameters"], c["value"]
    a, b = jnp.array(p["A"]), jnp.array(p["B"])

    def run(key: jax.Array) -> jax.Array:
        return sde(
            lambda t, y, args: a @ y,
            lambda t, y, args: CommonNoise(b),
            jnp.zeros(2),
            [0.0, 6.3, 6.3 + p["lag"]],
            method=StochasticHeun(),
            key=key,
            dt=0.05,
        ).ys

    x = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(2), 20_000)))
    now, later = x[:, 1].T, x[:, 2].T
    cov = v["cov"]
    return [
        Row("StochasticHeun", covariance_error(now, now, cov, cov), ALLOWED, "covariance, in s.e."),
        Row(
            "StochasticHeun",
            covariance_error(later, now, cov, v["lagged"]),
            ALLOWED,
            "lagged covariance, in s.e.",
        ),
    ]


@covers("sde_gbm_strong")
def geometric() -> list[Row]:
    c = case("sde_gbm_strong")
    p, v, allowed = c["parameters"], c["value"], c["tolerance"]["order_atol"]
    a, b, t, dts = p["a"], p["b"], p["T"], p["dts"]
    y0 = jnp.full(2000, p["X0"])

    def drift(t, y, args):
        return a * y

    def noise(t, y, args):
        return b * y

    def exact(w):
        return y0 * jnp.exp((a - b**2 / 2) * t + b * w)

    rows = []
    for name, method, key in (
        ("EulerMaruyama", EulerMaruyama(), "strong_order_euler_maruyama"),
        ("Milstein", Milstein(), "strong_order_milstein"),
        ("Milstein, derivative_free", Milstein(derivative_free=True), "strong_order_milstein"),
    ):
        order, end = strong_order(drift, noise, y0, t, dts, exact, method)
        rows.append(Row(name, abs(order - v[key]), allowed, "strong order"))
        rows.append(Row(name, mean_error(end, v["mean"]), ALLOWED, "mean, in standard errors"))
    # The mean of the scheme is the scheme of the mean, since the equation is linear.
    means = [
        paths(drift, lambda t, y, args: None, y0[:1], [0.0, t], EulerMaruyama(), dt)[-1, 0]
        for dt in dts
    ]
    weak = slope(dts, [abs(float(m) - v["mean"]) for m in means])
    error = abs(weak - v["weak_order_euler_maruyama"])
    return [*rows, Row("EulerMaruyama", error, allowed, "weak order")]


@covers("sde_ito_strat_means")
def interpretations() -> list[Row]:
    c = case("sde_ito_strat_means")
    p, v = c["parameters"], c["value"]

    def drift(t, y, args):
        return p["a"] * y

    def noise(t, y, args):
        return p["b"] * y

    rows, y0 = [], jnp.full(200_000, p["X0"])
    for name, method, key in (
        ("EulerMaruyama", EulerMaruyama(), "ito"),
        ("Milstein", Milstein(), "ito"),
        ("Milstein, stratonovich", Milstein("stratonovich"), "strat"),
        ("StochasticHeun", StochasticHeun(), "strat"),
    ):
        x = np.asarray(paths(drift, noise, y0, [0.0, p["T"]], method, 0.005)[-1])
        rows.append(Row(name, mean_error(x, v[key]), ALLOWED, "mean, in standard errors"))
        second = mean_error(x**2, v[key + "2"])
        rows.append(Row(name, second, ALLOWED, "second moment, in s.e."))
    return rows


class Passage(AbstractComponent):
    """The double well; the memory holds when a particle was first beyond zero."""

    sigma: float
    size: int

    def init(self, *, key, dt):
        return State({"x": jnp.full(self.size, -1.0)}, {"at": jnp.full(self.size, jnp.inf)})

    def flow(self, t, y, args):
        return {"x": y["x"] - y["x"] ** 3}

    def diffusion(self, t, y, args):
        return {"x": jnp.full(self.size, self.sigma)}

    def jump(self, t, y, args, *, dt, key):
        at = jnp.where(y["x"] >= 0, jnp.minimum(args.mem["at"], t), args.mem["at"])
        return y, {"at": at}, {"x_out": y["x"]}


@covers("sde_double_well")
def double_well() -> list[Row]:
    c = case("sde_double_well")
    v, sigma, dt = c["value"], c["parameters"]["sigma"], 0.01
    # Nobody is left after 100 unless the mean time is wrong: exp(-100 / 5.9) is 4e-8.
    run = simulate(Passage(sigma, 4000), 100.0, dt=dt, solver=StochasticHeun(), progress=False)
    state = run.state.model
    times = np.asarray(state.mem["at"])
    found = abs(times.mean() - v["mfpt"])
    grid = 1.5 * 0.5826 * sigma * np.sqrt(dt) * 11.08
    tolerance = ALLOWED * times.std() / np.sqrt(times.size) + grid
    moment = mean_error(np.asarray(state.y["x"]) ** 2, v["m2"])
    return [
        Row("StochasticHeun", moment, ALLOWED, "stationary second moment, in s.e."),
        Row("StochasticHeun", float(found), round(float(tolerance), 2), "first passage time"),
    ]


def rates(neurons: Any, pairs: int, duration: float, dt: float, **kwargs: Any) -> list[np.ndarray]:
    """For each group of neurons, all its intervals, and its rate in Hz."""
    run = simulate(neurons, duration, dt=dt, record=Spikes("spike"), progress=False, **kwargs)
    spikes = run.spikes("spike")
    times, index = np.asarray(spikes.times), np.asarray(spikes.index)
    each, found = neurons.size // pairs, []
    for k in range(pairs):
        # The start is a reset, after which a neuron would be held, so the first interval counts.
        own = [np.append(0.0, times[index == i]) for i in range(k * each, (k + 1) * each)]
        found.append((np.concatenate([np.diff(x) for x in own]), each * duration / 1000))
    return found


@covers("sde_lif_siegert")
def noisy_lif() -> list[Row]:
    c = case("sde_lif_siegert")
    p, v, allowed = c["parameters"], c["value"], c["tolerance"]["monte_carlo_rtol"]
    mu, sigma = np.repeat(np.array(p["mu_sigma_pairs"], float), 150, axis=0).T
    names = {"tau": p["tau_ms"], "v_th": p["Vth"], "v_reset": p["Vr"], "t_ref": p["t_ref_ms"]}
    neurons = LIF(mu.size, v_rest=mu, sigma=sigma, v_init=p["Vr"], **names)
    found = rates(neurons, len(v["cv"]), 5000.0, 0.02)
    rate = [abs(len(x) / s / r - 1) for (x, s), r in zip(found, v["rate_hz"], strict=True)]
    cv = [abs(x.std() / x.mean() / r - 1) for (x, _), r in zip(found, v["cv"], strict=True)]
    return [
        Row("ExponentialEuler", float(max(rate)), allowed, "rate, relative"),
        Row("ExponentialEuler", float(max(cv)), allowed, "CV, relative"),
    ]


@covers("sde_eif_rate")
def noisy_eif() -> list[Row]:
    c = case("sde_eif_rate")
    p, v = dict(c["parameters"]), c["value"]
    mu, sigma = np.repeat(np.array(p.pop("mu_sigma_pairs"), float), 100, axis=0).T
    names = {"tau_ms": "tau", "VT": "v_t", "DT": "delta_t", "Vcut": "v_peak", "Vr": "v_reset"}
    names |= {"t_ref_ms": "t_ref"}
    neurons = ExponentialIF(
        mu.size,
        v_rest=mu,
        sigma=sigma,
        v_init=p["Vr"],
        **{names[k]: x for k, x in p.items()},
    )
    found = rates(neurons, len(v), 5000.0, 0.02, solver=EulerMaruyama())
    error = [abs(len(x) / s / r - 1) for (x, s), r in zip(found, v, strict=True)]
    allowed = c["tolerance"]["monte_carlo_rtol"]
    return [Row("EulerMaruyama", float(max(error)), allowed, "rate, relative")]


@covers("sde_sin_strong")
def bounded() -> list[Row]:
    c = case("sde_sin_strong")
    p, v, allowed = c["parameters"], c["value"], c["tolerance"]["order_atol"]
    a, t = p["a"], p["T"]
    y0, dts = jnp.full(2000, p["X0"]), [t / 2**k for k in range(3, 9)]

    def noise(t, y, args):
        return a * jnp.sqrt(1 - y**2)

    def exact(w):
        return jnp.sin(a * w + jnp.arcsin(y0))

    def ito(t, y, args):
        return -(a**2) / 2 * y

    def stratonovich(t, y, args):
        return 0 * y

    heun = v["strong_order_heun_stratonovich"]
    rows = []
    for name, method, drift, order in (
        ("StochasticHeun", StochasticHeun(), stratonovich, heun),
        ("Milstein", Milstein(), ito, 1.0),
        ("EulerMaruyama", EulerMaruyama(), ito, 0.5),
    ):
        found, end = strong_order(drift, noise, y0, t, dts, exact, method)
        rows.append(Row(name, abs(found - order), allowed, "strong order"))
        rows.append(Row(name, mean_error(end, v["mean"]), ALLOWED, "mean, in standard errors"))
    return rows
