"""Convergence orders of the fixed-step solvers, against independent or exact solutions."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import slope, squid
from scipy.integrate import solve_ivp

from fdyn import AbstractComponent, Affine, State, param, simulate
from fdyn.components import LIF, ConductanceBased, Leak
from fdyn.solvers import (
    ETD2,
    ETDRK4,
    RK2,
    RK3,
    RK4,
    RK38,
    RODAS3,
    RODAS4,
    SSPRK3,
    BackwardEuler,
    CrankNicolson,
    Euler,
    EulerMaruyama,
    ExponentialEuler,
    Heun,
    Midpoint,
    Ralston,
)

# The end falls on the upstroke of a spike; all steps are halvings of one that divides it.
T, CURRENT = 2.0, 20.0


class Smooth(AbstractComponent):
    """A component that is only a flow; the subclasses say which."""

    size: int = 1

    def init(self, *, key, dt):
        return State({"x": jnp.ones(self.size)}, {})

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


@pytest.fixture(scope="module")
def reference():
    """Hodgkin-Huxley written out once more, for DOP853."""

    def f(t, y):
        v, m, h, n = y
        rates = [
            (0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)),
            (0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))),
            (0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)),
        ]
        current = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
        gates = [a * (1 - x) - b * x for (a, b), x in zip(rates, (m, h, n), strict=True)]
        return [CURRENT - current, *gates]

    state = squid().init(key=jax.random.key(0), dt=0.1)
    start = [float(x[0]) for x in unpack(state.y)]
    return solve_ivp(f, (0, T), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]


def unpack(y):
    return y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"]


# Solver, order, and largest step, from which three halvings are tested.
QUICK = [(ExponentialEuler(), 1, 2e-3), (RK4(), 4, 0.01)]
METHODS = [
    (Euler(), 1, 2e-3),
    (Midpoint(), 2, 5e-3),
    (Heun(), 2, 5e-3),
    (Ralston(), 2, 5e-3),
    (RK2(beta=0.8), 2, 5e-3),
    (RK3(), 3, 0.01),
    (SSPRK3(), 3, 0.01),
    (RK38(), 4, 0.01),
    (ExponentialEuler(linear="diagonal"), 1, 2e-3),
    (ETD2(), 2, 5e-3),
    (ETD2(linear="diagonal"), 2, 5e-3),
    (ETDRK4(), 4, 0.01),
    (ETDRK4(linear="diagonal"), 4, 0.01),
    (BackwardEuler(), 1, 2e-3),
    (CrankNicolson(), 2, 0.01),
    (RODAS3(), 3, 5e-3),
    (RODAS4(), 4, 0.01),
]
every_method = pytest.mark.parametrize(
    ("solver", "order", "dt"),
    [
        *(pytest.param(*m, id=repr(m[0])) for m in QUICK),
        *(pytest.param(*m, id=repr(m[0]), marks=pytest.mark.slow) for m in METHODS),
    ],
)


@every_method
def test_order_on_hodgkin_huxley(solver, order, dt, reference):
    assert solver.order == order
    dts, errors = [dt / 2**k for k in range(4)], []
    for h in dts:
        end = simulate(squid(), T, dt=h, inputs=CURRENT, solver=solver).state.model.y
        errors.append(
            max(abs(float(x[0]) - r) for x, r in zip(unpack(end), reference, strict=True))
        )
    assert errors == sorted(errors, reverse=True)
    assert slope(dts, errors) == pytest.approx(order, abs=0.15)


class Driven(Smooth):
    """Two coupled leaves and time in both, one of them with its linear part named."""

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1), "z": jnp.full(1, 0.5)}, {})

    def flow(self, t, y, args):
        x, z = y["x"], y["z"]
        return {"x": Affine(jnp.cos(3 * t) - z, jnp.sin(t)), "z": x - z**2 * jnp.sin(2 * t)}


@pytest.fixture(scope="module")
def driven():
    """The end of `Driven` at 1.6 ms."""

    def f(t, y):
        x, z = y
        return [(np.cos(3 * t) - z) * x + np.sin(t), x - z**2 * np.sin(2 * t)]

    return solve_ivp(f, (0, 1.6), [1.0, 0.5], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]


@every_method
def test_order_where_time_enters_and_leaves_are_coupled(solver, order, dt, driven):
    del dt
    dts, errors = [0.04, 0.02, 0.01, 0.005], []
    for h in dts:
        y = simulate(Driven(), 1.6, dt=h, solver=solver).state.model.y
        errors.append(max(abs(float(y["x"][0]) - driven[0]), abs(float(y["z"][0]) - driven[1])))
    assert errors == sorted(errors, reverse=True)
    assert slope(dts, errors) == pytest.approx(order, abs=0.15)


class Linear(Smooth):
    """dx/dt = a x + b, with its parts kept apart."""

    a: jax.Array = param(-0.5, unit="1/ms", doc="rate")
    b: jax.Array = param(2.0, unit="1/ms", doc="drive")

    def flow(self, t, y, args):
        return {"x": Affine(self.a, self.b)}


@pytest.mark.parametrize("dt", [0.001, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("a", [-50.0, -0.5, -1e-9, 0.0, 0.05])
def test_exponential_euler_is_exact_on_a_linear_leaf(a, dt):
    n = 10
    end = simulate(Linear(a=a), n * dt, dt=dt).state.model.y["x"][0]
    t = n * dt
    exact = np.exp(a * t) + (2.0 * np.expm1(a * t) / a if a else 2.0 * t)
    assert float(end) == pytest.approx(exact, rel=1e-13)


def test_exponential_euler_is_exact_on_a_membrane_at_any_step():
    membrane = ConductanceBased(1, {"leak": Leak(g=0.1, e=-70.0)}, c=2.0, v_init=-60.0)
    for dt in (0.01, 0.5, 25.0):
        v = simulate(membrane, 50.0, dt=dt, inputs=1.5).state.model.y["v"][0]
        assert float(v) == pytest.approx(-55.0 - 5.0 * np.exp(-0.1 * 50 / 2), rel=1e-12)


def test_exponential_euler_takes_an_euler_step_where_no_linear_part_is_named():
    class Plain(Smooth):
        def flow(self, t, y, args):
            return {"x": -(y["x"] ** 2)}

    a, b = (
        simulate(Plain(), 1.0, dt=0.25, solver=s).state.model.y["x"]
        for s in (ExponentialEuler(), Euler())
    )
    assert float(a[0]) == float(b[0])


class GBM(Smooth):
    """Geometric Brownian motion."""

    mu: ClassVar[float] = 0.3
    sigma: ClassVar[float] = 0.8

    def flow(self, t, y, args):
        return {"x": self.mu * y["x"]}

    def diffusion(self, t, y, args):
        return {"x": self.sigma * y["x"]}


def test_euler_maruyama_has_strong_order_one_half_on_multiplicative_noise():
    """The increments are recovered from the run itself, so the exact path is known at its end."""
    dts, errors = [2.0**-k for k in range(4, 9)], []
    model = GBM(4000)
    for dt in dts:
        run = simulate(model, 1.0, dt=dt, solver=EulerMaruyama(), record="x", chunk=256)
        x = np.concatenate([np.ones((1, model.size)), run["x"]])
        dw = (x[1:] / x[:-1] - 1 - GBM.mu * dt) / GBM.sigma
        n = dw.size
        assert abs(dw.mean()) < 3 * np.sqrt(dt / n) and abs(dw.var() / dt - 1) < 3 * np.sqrt(2 / n)
        exact = np.exp((GBM.mu - GBM.sigma**2 / 2) + GBM.sigma * dw.sum(0))
        errors.append(abs(x[-1] - exact).mean())
    assert EulerMaruyama().order == 0.5
    assert slope(dts, errors) == pytest.approx(0.5, abs=0.15)


class TimeDependentNoise(Smooth):
    """dX = (2 X / (1 + t) + (1 + t)^2) dt + (1 + t)^2 dW, whose noise does not depend on X.

    Its solution is (1 + t)^2 (X_0 + t + W_t).
    """

    def flow(self, t, y, args):
        return {"x": 2 * y["x"] / (1 + t) + (1 + t) ** 2}

    def diffusion(self, t, y, args):
        return {"x": (1 + t) ** 2 * jnp.ones_like(y["x"])}


def test_euler_maruyama_has_strong_order_one_on_additive_noise():
    dts, errors = [2.0**-k for k in range(4, 9)], []
    model = TimeDependentNoise(1000)
    for dt in dts:
        run = simulate(model, 1.0, dt=dt, solver=EulerMaruyama(), record="x", chunk=256)
        x = np.concatenate([np.ones((1, model.size)), run["x"]])
        t = np.arange(len(x) - 1)[:, None] * dt
        dw = (x[1:] - x[:-1] - dt * (2 * x[:-1] / (1 + t) + (1 + t) ** 2)) / (1 + t) ** 2
        errors.append(abs(x[-1] - 4 * (1 + 1 + dw.sum(0))).mean())
    assert slope(dts, errors) == pytest.approx(1.0, abs=0.15)


def test_the_stationary_variance_of_the_free_membrane():
    """sigma^2 / 2, which the step of the method multiplies by 1 / (1 - dt / (2 tau))."""
    n, tau, sigma, dt = 4000, 10.0, 3.0, 1.0
    neurons = LIF(n, tau=tau, sigma=sigma, v_rest=-65.0, v_th=1000.0)
    run = simulate(neurons, 100.0, dt=dt, solver=EulerMaruyama())
    v = np.asarray(run.state.model.y["v"])
    expected = sigma**2 / 2 / (1 - dt / (2 * tau))
    error = expected * np.sqrt(2 / n)
    assert abs(v.var() - expected) < 2 * error
    assert abs(v.mean() + 65) < 2 * np.sqrt(expected / n)


def test_without_noise_euler_maruyama_is_euler():
    a, b = (
        simulate(squid(), 1.0, dt=0.01, inputs=CURRENT, solver=s).state.model.y["v"]
        for s in (EulerMaruyama(), Euler())
    )
    assert float(a[0]) == float(b[0])


def test_a_leaf_with_noise_does_not_change_the_noise_of_another():
    class Two(Smooth):
        both: bool = False

        def init(self, *, key, dt):
            return State({"x": jnp.zeros(2), "z": jnp.zeros(2)}, {})

        def flow(self, t, y, args):
            return {"x": 0 * y["x"], "z": 0 * y["z"]}

        def diffusion(self, t, y, args):
            return {"x": jnp.ones(2), "z": jnp.ones(2) if self.both else None}

    ends = [
        simulate(Two(both=both), 1.0, dt=0.1, solver=EulerMaruyama()).state.model.y
        for both in (False, True)
    ]
    np.testing.assert_array_equal(ends[0]["x"], ends[1]["x"])
    assert (np.asarray(ends[0]["z"]) == 0).all() and (np.asarray(ends[1]["z"]) != 0).all()
    assert (np.asarray(ends[1]["z"]) != np.asarray(ends[1]["x"])).all()
