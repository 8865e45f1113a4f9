"""Reservoirs forecast chaos: against independent integrations and the numbers of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close
from scipy.integrate import solve_ivp

from fdyn import components as comp
from fdyn import simulate
from fdyn.sparse import Dense, Normal, fixed_probability

KEY = jax.random.key(0)


def ridge(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)


def forecast(model: comp.Readout, state, steps: int) -> np.ndarray:
    kwargs = {"dt": 1.0, "record": "out", "progress": False}
    return np.asarray(simulate(model, float(steps), state=state, **kwargs)["out"])


# --- echo state networks ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
def test_the_spectral_radius_is_exact(sparse):
    links = fixed_probability(jax.random.key(1), 60, 60, 0.1, Normal(0.0, 1.0)) if sparse else None
    cell = comp.EchoState(60, 2, spectral_radius=1.25, recurrent=links, key=KEY)
    w = np.asarray(cell.recurrent.to_dense())
    assert abs(np.linalg.eigvals(w)).max() == pytest.approx(1.25, rel=1e-12)
    if sparse:
        assert cell.recurrent.n_synapses == links.n_synapses == (w != 0).sum()
        same = comp.EchoState(60, 2, spectral_radius=None, recurrent=links, key=KEY)
        assert_close(same.recurrent.weight, links.weight)


@pytest.mark.slow
def test_an_echo_state_is_its_equation():
    cell = comp.EchoState(5, 2, leak=0.3, bias=0.2, input_scale=0.5, key=KEY)
    w, w_in = np.asarray(cell.recurrent.weight), np.asarray(cell.input.weight)
    assert abs(w_in).max() <= 0.5
    mem, h = cell.begin(), np.zeros(5)
    for u in np.random.default_rng(0).normal(size=(5, 2)):
        mem, out = cell.update(mem, jnp.asarray(u))
        h = 0.7 * h + 0.3 * np.tanh(w.T @ h + w_in.T @ u + 0.2)
        assert_close(out, h)


def test_the_scale_of_inputs_that_are_not_drawn_is_refused():
    weights = {"recurrent": Dense(0.5 * np.eye(3)), "input": Dense(np.ones((1, 3)))}
    with pytest.raises(ValueError, match="'input_scale' is for weights that are drawn"):
        comp.EchoState(3, 1, input_scale=0.5, **weights)
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="'input_scale' must be a number from 0 on"):
            comp.EchoState(3, 1, input_scale=bad, key=KEY)


@pytest.mark.parametrize("order", [2.0, "2", (2, 3.0), True, 1])
def test_the_order_of_monomials_is_whole(order):
    with pytest.raises(ValueError, match="'order' must be the degree"):
        comp.NVAR(1, order=order)


@pytest.mark.slow
def test_an_echo_state_forgets_where_it_began():
    u = np.random.default_rng(0).normal(size=(300, 1))
    ends = []
    for start in (-0.9, 0.9):
        cell = comp.EchoState(100, 1, spectral_radius=0.8, h_init=start, key=KEY)
        ends.append(simulate(cell, 300.0, dt=1.0, inputs=u, record="h")["h"])
    gap = np.linalg.norm(np.asarray(ends[0] - ends[1]), axis=1)
    assert gap[0] > 1 and gap[-1] < 1e-10


@pytest.mark.slow
def test_the_memory_of_a_reservoir_is_below_its_size():
    # Jaeger 2001, GMD Report 152: the memory capacity is at most the number of units; a linear
    # regime comes near.
    n, steps = 20, 6000
    cell = comp.EchoState(n, 1, spectral_radius=0.9, input_scale=1e-3, key=KEY)
    u = np.random.default_rng(0).uniform(-1, 1, size=(steps, 1))
    h = np.asarray(simulate(cell, float(steps), dt=1.0, inputs=u, record="h")["h"])[100:]
    capacity = 0.0
    for lag in range(60):
        past = u[100 - lag : steps - lag, 0]
        fitted = h @ np.linalg.lstsq(h, past, rcond=None)[0]
        capacity += np.corrcoef(fitted, past)[0, 1] ** 2
    # Chance alone gives each of the lags n / steps.
    assert 0.5 * n < capacity < n + 60 * n / steps


def mackey_glass(n: int) -> np.ndarray:
    """One value per unit of time, tau = 17, by Runge-Kutta steps of 0.1 between grid values."""
    per, lag = 10, 170
    x = np.full(lag + n * per + 1, 1.2)
    rate = lambda now, past: 0.2 * past / (1 + past**10) - 0.1 * now  # noqa: E731
    for k in range(lag, len(x) - 1):
        first, last = x[k - lag], x[k - lag + 1]
        middle = (first + last) / 2
        k1 = rate(x[k], first)
        k2 = rate(x[k] + 0.05 * k1, middle)
        k3 = rate(x[k] + 0.05 * k2, middle)
        k4 = rate(x[k] + 0.1 * k3, last)
        x[k + 1] = x[k] + 0.1 * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return x[lag::per][:n]


@pytest.mark.slow
def test_an_echo_state_network_forecasts_mackey_glass():
    u = mackey_glass(3900)[200:, None] - 1
    bias = jax.random.uniform(jax.random.key(1), (200,), minval=-0.5, maxval=0.5)
    kwargs = {"spectral_radius": 1.1, "leak": 0.3, "input_scale": 0.5, "bias": bias}
    cell = comp.EchoState(200, 1, **kwargs, key=KEY)
    h = np.asarray(simulate(cell, 2000.0, dt=1.0, inputs=u[:2000], record="h")["h"])
    features = np.concatenate([np.ones((2000, 1)), u[:2000], h], axis=1)[100:]
    w = ridge(features, u[101:2001], 1e-8)
    one_step = np.sqrt(np.mean((features @ w - u[101:2001]) ** 2)) / u.std()
    assert one_step < 2e-3
    model = comp.Readout(cell, 1, weight=w[2:], direct=w[1:2], bias=w[0], feedback=True)

    # The usual figure: the error after 84 steps on its own, from many starts.
    state = simulate(model, 2000.0, dt=1.0, inputs=u[:2000]).state
    errors, simple = [], []
    lags = np.stack([u[33 - i : 1999 - i, 0] for i in range(34)], axis=1)
    linear = np.linalg.lstsq(lags, u[34:2000, 0], rcond=None)[0]
    for k in range(10):
        at = 2000 + 150 * k
        errors.append(forecast(model, state, 84)[-1, 0] - u[at + 84, 0])
        state = simulate(model, 150.0, dt=1.0, inputs=u[at : at + 150], state=state).state
        past = list(u[at - 34 : at + 1, 0])
        for _ in range(84):
            past.append(linear @ past[:-35:-1])
        simple.append(past[-1] - u[at + 84, 0])
    nrmse = np.sqrt(np.mean(np.square(errors))) / u.std()
    assert nrmse < 0.05
    # What 34 lags without a reservoir make of it.
    assert np.sqrt(np.mean(np.square(simple))) / u.std() > 5 * nrmse


# --- next-generation reservoirs -----------------------------------------------------------------


def test_the_features_are_those_of_the_paper():
    # For two variables, two delays with a stride of 2: every product once.
    cell = comp.NVAR(2, delays=2, stride=2)
    u = np.random.default_rng(0).normal(size=(5, 2))
    mem = cell.begin()
    for row in jnp.asarray(u):
        mem, h = cell.update(mem, row)
    line = [*u[4], *u[2]]
    products = [line[i] * line[j] for i in range(4) for j in range(i, 4)]
    assert cell.size == 15 and cell.warm_up == 2
    assert_close(h, np.array([1.0, *line, *products]))
    cubic = comp.NVAR(2, delays=2, order=3, constant=False)
    assert cubic.size == 4 + 20  # as for the double scroll
    assert comp.NVAR(3).size == 28  # as for Lorenz


@pytest.mark.slow
def test_a_next_generation_reservoir_forecasts_lorenz():
    """The data of the paper: scipy's RK23 at its default tolerance, a sample every 0.025.

    With exact data the same regression is unstable when it runs on its own: the error of the
    integration acts as the noise that keeps the weights small.
    """

    def lorenz(t, x):
        return 10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]

    dt, lyapunov = 0.025, 0.9056
    start = (17.67715816276679, 12.931379185960404, 43.91404334248268)
    times = np.arange(1600) * dt
    data = solve_ivp(lorenz, (0, times[-1]), start, method="RK23", t_eval=times).y.T
    cell = comp.NVAR(3)
    one, scale, valid, errors = round(1 / lyapunov / dt), data.std(0), [], []
    for first in range(0, 800, 100):
        u = data[first : first + 402]
        h = np.asarray(simulate(cell, 401.0, dt=1.0, inputs=u[:-1], record="h")["h"])
        w = ridge(h[1:], u[2:] - u[1:-1], 2.5e-6)
        model = comp.Readout(cell, 3, weight=w, direct=np.eye(3), feedback=True)
        state = simulate(model, 402.0, dt=1.0, inputs=u).state
        free = forecast(model, state, 320)
        gap = np.sqrt(np.mean(((free - data[first + 403 : first + 723]) / scale) ** 2, axis=1))
        assert (gap > 0.3).any()  # chaos wins within seven Lyapunov times
        valid.append(np.argmax(gap > 0.3) * dt * lyapunov)
        errors.append(np.sqrt(np.mean(gap[:one] ** 2)))
    # The paper: an error of a few 1e-3 within one Lyapunov time, and a forecast that stays close
    # for several.
    assert 3.5 < np.mean(valid) < 6 and np.median(errors) < 5e-3, (valid, errors)
