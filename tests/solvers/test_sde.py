"""Noise: orders on exact solutions, the exact law at any step, shared processes, ways in."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_identical, slope

from fdyn import AbstractComponent, Affine, Network, Spikes, State, param, replace, simulate
from fdyn.components import LIF, CommonNoise, OrnsteinUhlenbeck
from fdyn.solvers import (
    RK4,
    Diffrax,
    EulerMaruyama,
    ExponentialEuler,
    Milstein,
    StochasticHeun,
    brownian_path,
    solve_ode,
    solve_sde,
)


class Decay(AbstractComponent):
    """dx = (a x + b) dt + g dW, twice: with noise of their own, or with one process for both."""

    size: int = 1
    a: jax.Array = param(-0.5, unit="1/ms", doc="rate")
    c: jax.Array = param(-0.5, unit="1/ms", doc="rate of the other")
    g: jax.Array = param(0.7, unit="1/sqrt(ms)", doc="strength of the noise")
    common: bool = False

    def init(self, *, key, dt):
        return State({"x": jnp.full(self.size, 2.0), "z": jnp.full(self.size, -1.0)}, {})

    def flow(self, t, y, args):
        return {"x": Affine(self.a, 0.3), "z": Affine(self.c, 0.0)}

    def diffusion(self, t, y, args):
        g = {k: jnp.full(self.size, self.g) for k in "xz"}
        return CommonNoise({k: v[:, None] for k, v in g.items()}) if self.common else g

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


def end(model, t, dt, solver, **kwargs):
    return simulate(model, t, dt=dt, solver=solver, progress=False, **kwargs).state.model.y


def on_path(method, path):
    return eqx.tree_at(lambda m: m.brownian, method, path, is_leaf=lambda x: x is None)


# --- the law ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.1, 1.0, 8.0])
def test_the_law_of_a_linear_leaf_is_exact_at_any_step(dt):
    n, t = 20_000, 8.0
    x = np.asarray(end(Decay(n), t, dt, ExponentialEuler())["x"])
    mean, variance = 0.6 + 1.4 * np.exp(-0.5 * t), 0.49 * (1 - np.exp(-t))
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(x.var() - variance) < 4 * variance * np.sqrt(2 / n)


@pytest.mark.slow
def test_one_step_has_the_variance_of_the_process_also_where_the_rate_vanishes():
    n, dt = 50_000, 3.0
    for a in (-2.0, -1e-9, 0.0, 0.4):
        variance = 0.49 * (np.expm1(2 * a * dt) / (2 * a) if a else dt)
        x = np.asarray(end(Decay(n, a=a), dt, dt, ExponentialEuler())["x"])
        assert abs(x.var() / variance - 1) < 4 * np.sqrt(2 / n)


@pytest.mark.slow
def test_its_gradient_is_finite_and_right_where_the_rate_vanishes():
    def value(a):
        return jnp.sum(end(Decay(3, a=a), 2.0, 1.0, ExponentialEuler())["x"])

    for a in (0.0, -0.3):
        h = 1e-5
        assert float(jax.grad(value)(a)) == pytest.approx(
            float(value(a + h) - value(a - h)) / (2 * h), rel=1e-6
        )


@pytest.mark.slow
def test_shared_noise_has_its_covariance():
    """Exact for equal rates; of different ones each variance is exact."""
    dt, g = 2.0, 0.7
    keys = jax.random.split(jax.random.key(3), 20_000)
    for rate in (-0.5, -0.8):
        model = Decay(1, c=rate, common=True)
        ends = jax.vmap(lambda k, m=model: end(m, dt, dt, ExponentialEuler(), key=k))(keys)
        x, z = (np.asarray(ends[k])[:, 0] for k in "xz")
        for y, a in ((x, -0.5), (z, rate)):
            variance = g**2 * np.expm1(2 * a * dt) / (2 * a)
            assert abs(y.var() / variance - 1) < 4 * np.sqrt(2 / len(keys))
        if rate == -0.5:
            np.testing.assert_allclose(x - x.mean(), z - z.mean(), atol=1e-12)


@pytest.mark.slow
def test_the_default_solver_runs_noisy_neurons():
    """Free membranes: the standard deviation is sigma / sqrt 2 whatever the step."""
    for dt in (0.5, 20.0):
        v = np.asarray(
            end(LIF(20_000, tau=10.0, sigma=3.0, v_th=1e3), 100.0, dt, ExponentialEuler())["v"]
        )
        assert abs(v.var() / 4.5 - 1) < 4 * np.sqrt(2 / v.size)


# --- one path, refined --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_path_is_the_same_at_every_step():
    model = LIF(3, tau=10.0, sigma=2.0, v_th=1e3)
    path = brownian_path(model, 4.0, 0.125, jax.random.key(1))
    walk = replace(model, lambda m: m.tau, 1e12)
    walk = replace(walk, lambda m: m.sigma, 2.0 * np.sqrt(1e12))
    ends = [end(walk, 4.0, dt, EulerMaruyama(path))["v"] for dt in (4.0, 1.0, 0.25)]
    w: Any = path.evaluate(0.0, 4.0)
    expected = -65.0 + 2.0 * w["v"]
    for found in ends:
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_path_that_does_not_fit_is_refused():
    path = brownian_path(LIF(3, sigma=1.0), 4.0, 0.1, jax.random.key(1))
    with pytest.raises(
        ValueError, match=r"driven by \{'v': 'float64\[2\]'\}.*\[3\].*brownian_path"
    ):
        simulate(LIF(2, sigma=1.0), 1.0, dt=0.5, solver=EulerMaruyama(path))
    with pytest.raises(Exception, match="does not reach over the whole run"):
        simulate(LIF(3, sigma=1.0), 5.0, dt=1.0, solver=EulerMaruyama(path))
    with pytest.raises(Exception, match="too coarse for this step"):
        simulate(LIF(3, sigma=1.0), 2.0, dt=0.125, solver=EulerMaruyama(path))
    with pytest.raises(ValueError, match="LIF has no noise"):
        brownian_path(LIF(3), 4.0, 0.1, jax.random.key(1))
    net = Network({"E": LIF(2, sigma=1.0), "I": LIF(2)})
    assert set(brownian_path(net, 1.0, 0.1, jax.random.key(0)).shape) == {"E.v"}


def test_a_coefficient_that_does_not_fit_is_refused():
    bad = CommonNoise(jnp.ones((2, 1)))
    with pytest.raises(ValueError, match=r"one axis more.*\(3,\).*\(2, 1\)"):
        solve_sde(
            lambda t, y, args: -y,
            lambda t, y, args: bad,
            jnp.ones(3),
            [0.0, 1.0],
            key=jax.random.key(0),
            dt=0.5,
        )


# --- orders -------------------------------------------------------------------------------------

T, DTS = 0.5, [2.0**-k for k in range(4, 9)]
A = np.array([0.3, 0.2])


def sphere(y):
    return jnp.sqrt(1 - y**2)


# X = sin(asin x0 + a W): in the sense of Stratonovich dX = a sqrt(1 - X^2) dW without drift.
DIAGONAL = (
    lambda t, y, args: args * y,
    lambda t, y, args: A[0] * sphere(y),
    lambda w: jnp.sin(jnp.arcsin(0.2) + A[0] * w[""]),
    jnp.full(500, 0.2),
    A[0] ** 2,
)
# The same with two processes for all units, which commute.
GENERAL = (
    lambda t, y, args: args * y,
    lambda t, y, args: CommonNoise(sphere(y)[:, None] * A[None]),
    lambda w: jnp.sin(jnp.arcsin(0.2) + jnp.sum(A * w[""])),
    jnp.full(1, 0.2),
    (A**2).sum(),
)


def strong_errors(problem, method, ito, trials):
    f, g, exact, y0, square = problem
    drift = jnp.asarray(-square / 2 if ito else 0.0)
    shape = jax.ShapeDtypeStruct((2,) if problem is GENERAL else y0.shape, y0.dtype)

    def one(key, dt):
        path = diffrax.VirtualBrownianTree(0.0, T, DTS[-1] / 2, {"": shape}, key)
        x = solve_sde(f, g, y0, [0.0, T], drift, on_path(method, path), key=key, dt=dt).ys[-1]
        return jnp.abs(x - exact(path.evaluate(0.0, T))).mean()

    keys = jax.random.split(jax.random.key(5), trials)
    if trials == 1:
        return [float(one(keys[0], dt)) for dt in DTS]
    return [float(jax.jit(jax.vmap(lambda k, d=dt: one(k, d)))(keys).mean()) for dt in DTS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "ito", "order"),
    [
        (EulerMaruyama(), True, 0.5),
        (ExponentialEuler(), True, 0.5),
        (Milstein(), True, 1.0),
        (Milstein(derivative_free=True), True, 1.0),
        (Milstein("stratonovich"), False, 1.0),
        (Milstein("stratonovich", derivative_free=True), False, 1.0),
        (StochasticHeun(), False, 1.0),
        (Diffrax(diffrax.EulerHeun()), False, 1.0),
    ],
    ids=str,
)
def test_strong_order_on_diagonal_noise(method, ito, order):
    errors = strong_errors(DIAGONAL, method, ito, 1)
    assert slope(DTS, errors) == pytest.approx(order, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "ito", "order"),
    [
        (EulerMaruyama(), True, 0.5),
        (Milstein(), True, 1.0),
        (Milstein(derivative_free=True), True, 1.0),
        (StochasticHeun(), False, 1.0),
    ],
    ids=str,
)
def test_strong_order_on_general_noise_that_commutes(method, ito, order):
    errors = strong_errors(GENERAL, method, ito, 300)
    assert slope(DTS, errors) == pytest.approx(order, abs=0.15)


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
RATE, STRENGTH = -0.5, 0.8


class Nodes(diffrax.AbstractBrownianPath):
    """Increments at the nodes of a Gauss-Hermite sum."""

    levy_area = diffrax.BrownianIncrement
    t0 = 0.0
    t1 = 1e3

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        return {"": jnp.sqrt(t1 - t0) * jnp.asarray(NODES)}


def linear_drift(t, y, args):
    return RATE * y


def linear_noise(t, y, args):
    return STRENGTH * y


def moments(method, dt):
    """Mean and second moment of dX = a X dt + b X dW at t = 1 after steps of `dt`, to rounding.

    One step multiplies X by a factor that does not depend on X; its moments come from a
    Gauss-Hermite sum over the increment in the place of a sample.
    """
    y0, key = jnp.ones(NODES.size), jax.random.key(0)
    solver = on_path(method, Nodes())
    one = solve_sde(linear_drift, linear_noise, y0, [0.0, dt], None, solver, key=key, dt=dt).ys[-1]
    weights = WEIGHTS / WEIGHTS.sum()
    return np.array([(weights * np.asarray(one) ** k).sum() ** round(1 / dt) for k in (1, 2)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "ito"),
    [
        (EulerMaruyama(), True),
        (Milstein(), True),
        (Milstein(derivative_free=True), True),
        (Milstein("stratonovich"), False),
        (StochasticHeun(), False),
    ],
    ids=str,
)
def test_weak_order_one(method, ito):
    a, b, dts = RATE, STRENGTH, [0.1, 0.05, 0.025, 0.0125]
    shift = 0.0 if ito else b**2 / 2
    exact = np.exp([a + shift, 2 * (a + shift) + b**2])
    errors = np.array([abs(moments(method, dt) - exact) for dt in dts])
    orders = [slope(dts, e) for e in errors.T]
    assert all(x == pytest.approx(1.0, abs=0.15) for x in orders), orders


# --- commutativity ------------------------------------------------------------------------------


@pytest.mark.slow
def test_milstein_refuses_noise_that_does_not_commute():
    def run(g):
        f = lambda t, y, args: -y  # noqa: E731
        return solve_sde(
            f,
            g,
            jnp.array([0.2, 0.3]),
            [0.0, 1.0],
            method=Milstein(),
            key=jax.random.key(0),
            dt=0.5,
        )

    with pytest.raises(Exception, match="does not commute"):
        run(lambda t, y, args: y[::-1])
    with pytest.raises(Exception, match="does not commute"):
        run(lambda t, y, args: CommonNoise(jnp.stack([jnp.ones(2), y * jnp.array([0.0, 1.0])], -1)))
    # One process commutes with itself, however it acts.
    assert jnp.isfinite(run(lambda t, y, args: CommonNoise(y[::-1, None])).ys).all()
    with pytest.raises(ValueError, match="'ito' or 'stratonovich', got 'Ito'"):
        Milstein("Ito")  # pyright: ignore[reportArgumentType]


# --- ways in ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_noise_the_solvers_are_their_deterministic_ones():
    f = lambda t, y, args: -(y**2) + jnp.sin(t)  # noqa: E731
    none = lambda t, y, args: None  # noqa: E731
    key = jax.random.key(0)
    exact = solve_ode(f, 1.0, [0.0, 1.0]).ys[-1]
    for method, order in ((EulerMaruyama(), 1), (Milstein(), 1), (StochasticHeun(), 2)):
        errors = [
            abs(solve_sde(f, none, 1.0, [0.0, 1.0], method=method, key=key, dt=dt).ys[-1] - exact)
            for dt in (0.1, 0.05)
        ]
        assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_solve_sde_says_what_is_wrong():
    f = g = lambda t, y, args: 0.1 * y  # noqa: E731
    key = jax.random.key(0)
    with pytest.raises(ValueError, match=r"EulerMaruyama takes fixed steps: give their size as dt"):
        solve_sde(f, g, 1.0, [0.0, 1.0], key=key)
    with pytest.raises(ValueError, match=r"\['rtol'\] do not apply"):
        solve_sde(f, g, 1.0, [0.0, 1.0], key=key, dt=0.1, rtol=1e-3)
    with pytest.raises(ValueError, match=r"EulerHeun does not estimate its error.*HalfSolver"):
        solve_sde(f, g, 1.0, [0.0, 1.0], method=diffrax.EulerHeun(), key=key)
    for wrong in (None, 0, jax.random.split(key, 3)):
        with pytest.raises(ValueError, match="'key' must be one random key"):
            solve_sde(f, g, 1.0, [0.0, 1.0], key=wrong, dt=0.1)  # pyright: ignore
    for options in ({"dt": 0.0}, {"dt": np.nan}, {"tol": -1.0}, {"max_steps": 0}):
        (name,) = options
        with pytest.raises(ValueError, match=f"'{name}' must be"):
            solve_sde(f, g, 1.0, [0.0, 1.0], method=diffrax.SPaRK(), key=key, **options)
    with pytest.raises(ValueError, match="instance of a solver"):
        solve_sde(f, g, 1.0, [0.0, 1.0], method="heun", key=key)  # pyright: ignore


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "ito"),
    [(diffrax.SPaRK(), False), (diffrax.HalfSolver(diffrax.ItoMilstein()), True)],
    ids=["SPaRK", "ItoMilstein"],
)
def test_adaptive_steps_follow_the_tolerance_on_the_path_of_the_key(method, ito):
    a, b, t = -0.5, 0.9, 1.5
    area = diffrax.BrownianIncrement if ito else diffrax.SpaceTimeLevyArea
    shapes = {"": jax.ShapeDtypeStruct((), jnp.result_type(float))}

    def one(key, rtol):
        traj = solve_sde(
            lambda t, y, args: a * y,
            lambda t, y, args: b * y,
            1.2,
            [0.0, 0.4, t],
            method=method,
            key=key,
            rtol=rtol,
            atol=rtol / 100,
        )
        path = diffrax.VirtualBrownianTree(
            jnp.array(0.0), jnp.array(t), jnp.array(1e-6 * t), shapes, key, levy_area=area
        )
        drift = a - (b**2 / 2 if ito else 0.0)
        ends = jnp.array([0.4, t])
        walks: list[Any] = [path.evaluate(jnp.array(0.0), s) for s in ends]
        w = jnp.stack([walk[""] for walk in walks])
        exact = 1.2 * jnp.exp(drift * ends + b * w)
        return jnp.abs(traj.ys[1:] - exact).max(), traj.stats["steps"]

    run = jax.jit(jax.vmap(one, in_axes=(0, None)))
    keys = jax.random.split(jax.random.key(0), 20)
    found = [run(keys, jnp.asarray(rtol)) for rtol in (1e-1, 1e-2, 1e-3)]
    errors, steps = ([float(x[i].mean()) for x in found] for i in (0, 1))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.01
    assert steps == sorted(steps) and steps[-1] > 3 * steps[0]


# --- coloured noise -----------------------------------------------------------------------------


def test_coloured_noise_has_its_autocovariance_at_any_step():
    noise = OrnsteinUhlenbeck(4000, mean=2.0, sigma=1.5, tau=4.0)
    run = simulate(noise, 40.0, dt=2.0, record="x", progress=False)
    x = np.asarray(run["x"])
    n = x.shape[1]
    assert abs(x[0].mean() - 2.0) < 4 * 1.5 / np.sqrt(n)
    for k in (0, 1, 3):
        # Four rows that are far enough apart to be nearly independent.
        pairs = [(x[i] - 2.0) * (x[i + k] - 2.0) for i in (0, 5, 10, 15)]
        expected = 1.5**2 * np.exp(-2.0 * k / 4.0)
        assert abs(np.mean(pairs) / 1.5**2 - expected / 1.5**2) < 4 * np.sqrt(2 / (4 * n)) * 1.3


@pytest.mark.slow
def test_coloured_noise_drives_a_membrane():
    """Alone and in a network: the variance of a linear membrane is s^2 tau / (tau + tau_m)."""
    n, tau, membrane = 4000, 5.0, 10.0
    current = OrnsteinUhlenbeck(n, sigma=3.0, tau=tau)
    neurons = LIF(n, tau=membrane, v_th=1e3)
    alone = simulate(neurons, 60.0, dt=0.1, inputs=current, progress=False)
    net = Network({"E": neurons, "drive": current})
    inside = simulate(
        net, 60.0, dt=0.1, inputs={"E": current}, record=Spikes("E.spike"), progress=False
    )
    expected = 9.0 * tau / (tau + membrane)
    # Whatever the solver of what it drives, which here refuses noise of its own.
    other = simulate(neurons, 60.0, dt=0.1, inputs=current, solver=RK4(), progress=False)
    nodes = (alone.state.model.y, inside.state.model.y["E"], other.state.model.y)
    for v in (y["v"] for y in nodes):
        # The current is constant within a step, which adds dt / tau to its correlation.
        assert abs(np.asarray(v).var() / expected - 1) < 4 * np.sqrt(2 / n) + 0.01
    x = np.asarray(inside.state.model.y["drive"]["x"])
    assert abs(x.var() / 9.0 - 1) < 4 * np.sqrt(2 / n)


@pytest.mark.slow
def test_noise_does_not_depend_on_what_else_there_is():
    one = simulate(Network({"E": LIF(2, sigma=1.0)}), 1.0, dt=0.1, record="E.v", progress=False)
    two = simulate(
        Network({"E": LIF(2, sigma=1.0), "F": LIF(3, sigma=1.0)}),
        1.0,
        dt=0.1,
        record="E.v",
        progress=False,
    )
    assert_identical(one["E.v"], two["E.v"])
