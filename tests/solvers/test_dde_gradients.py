"""Derivatives through delay equations: parameters, history and delays."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn.solvers import DelayRK4, solve_dde

pytestmark = pytest.mark.slow

ADAPTIVE = (diffrax.Tsit5(), {"rtol": 1e-8, "atol": 1e-10, "max_steps": 256})
FIXED = (DelayRK4(0.8), {"dt": 0.05})
both = pytest.mark.parametrize(("method", "options"), [ADAPTIVE, FIXED], ids=["adaptive", "fixed"])


def feedback(t, y, p, hist):
    return -p["a"] * hist(p["tau"])


@both
def test_parameters_history_and_delay_by_the_closed_form(method, options):
    """y' = -a y(t - tau), y = h before: a polynomial in all three, h (1 - a t + ...)."""

    def end(p):
        ts, delays = [0.0, 2.0], p["tau"]
        return solve_dde(feedback, p["h"], ts, p, method, delays=delays, **options).ys[-1]

    def exact(p):
        a, tau, s = p["a"], p["tau"], [2.0 - k * p["tau"] for k in range(3)]
        return p["h"] * (1 - a * s[0] + a**2 * s[1] ** 2 / 2 - a**3 * s[2] ** 3 / 6) + 0 * tau

    p = {k: jnp.asarray(v) for k, v in {"a": 1.3, "tau": 0.8, "h": 0.7}.items()}
    value, slopes = jax.jit(jax.value_and_grad(end))(p)
    assert float(value) == pytest.approx(float(exact(p)), rel=1e-6)
    for name, expected in jax.grad(exact)(p).items():
        assert float(slopes[name]) == pytest.approx(float(expected), rel=1e-6), name


def test_forward_mode_and_batches():
    method, options = ADAPTIVE

    def end(tau):
        p = {"a": 1.0, "tau": tau}
        return solve_dde(feedback, 1.0, [0.0, 2.0], p, method, delays=tau, **options).ys[-1]

    def exact(tau):
        return 1 - 2.0 + (2 - tau) ** 2 / 2 - (2 - 2 * tau) ** 3 / 6

    taus = jnp.array([0.8, 0.9, 0.7])
    run = lambda tau: jax.jvp(end, (tau,), (jnp.ones(()),))  # noqa: E731
    values, slopes = jax.jit(jax.vmap(run))(taus)
    np.testing.assert_allclose(values, jax.vmap(exact)(taus), rtol=1e-7)
    np.testing.assert_allclose(slopes, jax.vmap(jax.grad(exact))(taus), rtol=1e-6)


@both
def test_a_delay_whose_past_has_a_jump(method, options):
    """y = 1 before, 2 at the start: for tau < t < 2 tau, y = 2 - tau - 2 (t - tau) + (t - tau)^2/2.

    The jump arrives at t = tau, and moves with it: the derivative has a part from there. (With
    fixed steps it must arrive within a step, since the grid does not move.)
    """

    def end(tau):
        f = lambda t, y, a, h: -h(a)  # noqa: E731
        traj = solve_dde(f, 1.0, [0.0, 1.0], tau, method, y0=2.0, delays=tau, **options)
        return traj.ys[-1]

    tau = jnp.asarray(0.67)
    value, slope = jax.jit(jax.value_and_grad(end))(tau)
    assert float(value) == pytest.approx(2 - 0.67 - 2 * 0.33 + 0.33**2 / 2, abs=1e-7)
    assert float(slope) == pytest.approx(1 - 0.33, abs=1e-6)


def test_a_delay_that_depends_on_the_state_by_finite_differences():
    method, options = diffrax.Tsit5(), {"rtol": 1e-10, "atol": 1e-12, "max_steps": 512}

    def f(t, y, p, hist):
        lag = p["c"] + 0.5 * y**2
        return -p["a"] * hist(lag) + 0.3 * jnp.sin(t)

    def end(p):
        past = functools.partial(lambda p, t: p["h"] * jnp.cos(t), p)
        return solve_dde(f, past, [0.0, 2.0], p, method, **options).ys[-1]

    p = {k: jnp.asarray(v) for k, v in {"a": 1.1, "c": 0.4, "h": 0.8}.items()}
    compiled = jax.jit(jax.value_and_grad(end))
    _, slopes = compiled(p)
    for name in p:
        step = 1e-3
        ends = [compiled({**p, name: p[name] + s})[0] for s in (step, -step)]
        finite = float(ends[0] - ends[1]) / (2 * step)
        assert float(slopes[name]) == pytest.approx(finite, abs=3e-6), name
