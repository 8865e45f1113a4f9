"""The exact propagator of linear flows, against matrix exponentials and closed forms."""

import decimal
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, slope
from scipy.linalg import expm

from fdyn import (
    AbstractComponent,
    Affine,
    Network,
    Projection,
    Spikes,
    State,
    param,
    simulate,
    solve,
)
from fdyn.components import COBA, CUBA, LIF, Exponential, MorrisLecar
from fdyn.solvers import ExactLinear
from fdyn.solvers._exact_linear import exprel_difference
from fdyn.sparse import Dense, OneToOne

N = 3


def quiet(taus=(5.0, 12.0), tau=20.0, v_th=1000.0, **kwargs):
    """LIF neurons with two synaptic currents that have started already."""
    v = np.linspace(-70.0, -60.0, N)
    w = OneToOne(0.0, n=N)
    return Network(
        {"E": LIF(N, tau=tau, v_init=v, v_th=v_th, **kwargs)},
        {
            f"s{i}": Projection(
                "E", "E", w, Exponential(tau_s, g_init=np.linspace(10, 30, N) * (i + 1)), CUBA()
            )
            for i, tau_s in enumerate(taus)
        },
    )


def response(t, g, tau_s, tau):
    """The voltage that a current of size g, which decays with tau_s, adds in closed form."""
    rate = (tau - tau_s) / tau / tau_s
    return g / tau * np.exp(-t / tau) * (t if rate == 0 else -np.expm1(-rate * t) / rate)


@pytest.mark.parametrize("taus", [(5.0, 12.0), (20.0, 20.0 * (1 + 1e-9)), (0.01, 1e5)])
@pytest.mark.parametrize("dt", [0.5, 30.0])
def test_currents_into_a_membrane_at_any_step(taus, dt):
    """Also with time constants that agree, nearly agree, or differ by seven orders."""
    end = simulate(quiet(taus), 30.0, dt=dt, inputs={"E": 4.0}, solver=ExactLinear()).state.model.y
    exact = -65 + 4.0 + (np.linspace(-70, -60, N) + 61) * np.exp(-30.0 / 20)
    for i, tau_s in enumerate(taus):
        g = np.linspace(10, 30, N) * (i + 1)
        exact = exact + response(30.0, g, tau_s, 20.0)
        np.testing.assert_allclose(
            end[f"s{i}"]["g"], g * np.exp(-30.0 / tau_s), rtol=1e-12, atol=1e-13
        )
    np.testing.assert_allclose(end["E"]["v"], exact, rtol=1e-12)


@pytest.mark.slow
def test_the_divided_difference_over_its_whole_range():
    """Against its definition with 120 digits, of which a step aside by 1e-40 costs half."""

    def exact(x, y):
        with decimal.localcontext(prec=120):
            x, y = (
                decimal.Decimal(v) + decimal.Decimal(k).scaleb(-40) for v, k in ((x, 1), (y, 2))
            )
            return float(((x.exp() - 1) / x - (y.exp() - 1) / y) / (x - y))

    values = [0.0, 1e-12, -1e-5, 0.3, -0.69, -0.71, 1.0, -3.0, -3.0 - 1e-9, -40.0, -1000.0]
    x, y = (jnp.array(v) for v in np.array(list(itertools.product(values, values))).T)
    found = exprel_difference(x, y)
    np.testing.assert_allclose(found, list(map(exact, x.tolist(), y.tolist())), rtol=1e-14)
    slopes = jax.grad(lambda x, y: exprel_difference(x, y).sum(), argnums=(0, 1))(x, y)
    assert np.isfinite(slopes).all()


def test_a_refractory_membrane_is_held_while_its_current_decays():
    net, dt, drive = quiet((5.0,), v_th=-58.5, t_ref=3.0), 0.5, 20.0
    rec = simulate(
        net,
        20.0,
        dt=dt,
        inputs={"E": drive},
        record=["E.v", "E.spike", "s0.g"],
        solver=ExactLinear(),
    )
    for k in range(N):
        first = int(np.flatnonzero(rec["E.spike"][:, k])[0])
        held = rec["E.v"][first : first + 7, k]
        assert (held == -65.0).all() and rec["E.v"][first + 7, k] != -65.0
        np.testing.assert_allclose(
            rec["E.v"][first + 7, k] + 65 + drive * np.expm1(-dt / 20),
            response(dt, rec["s0.g"][first + 6, k], 5.0, 20.0),
            rtol=1e-9,
        )


class Chain(AbstractComponent):
    """x drives y drives z, in each of N units; or with `gap` the units of y see each other."""

    gap: float = 0.0
    timed: bool = False
    stepped: bool = False
    a: jax.Array = param(-0.5, unit="1/ms", doc="rate of all three")

    def init(self, *, key, dt):
        ones = jnp.ones(N, self.a.dtype)
        return State(
            {"x": ones, "y": ones * 2 * jnp.arange(N, dtype=ones.dtype), "z": 3 * ones}, {}
        )

    def flow(self, t, y, args):
        x, v = y["x"], y["y"]
        drive = Affine(self.a, 0.1)
        if self.timed:
            drive = drive + jnp.cos(t)
        if self.stepped:
            drive = drive + jnp.where(x > 0.5, 1.0, 0.0)
        return {
            "x": drive,
            "y": self.a * v + 2.0 * x + self.gap * (jnp.mean(v) - v),
            "z": Affine(self.a, -0.7 * v),
        }

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, 0.8])
def test_chains_and_coupled_units_take_a_matrix_exponential(gap):
    a, one, eye = -0.5, np.ones((N, N)) / N, np.eye(N)
    matrix = np.zeros((3 * N + 1, 3 * N + 1))
    matrix[:N, :N] = a * eye
    matrix[:N, -1] = 0.1
    matrix[N : 2 * N, N : 2 * N] = a * eye + gap * (one - eye)
    matrix[N : 2 * N, :N] = 2 * eye
    matrix[2 * N : -1, 2 * N : -1] = a * eye
    matrix[2 * N : -1, N : 2 * N] = -0.7 * eye
    start = np.concatenate([np.ones(N), 2.0 * np.arange(N), 3 * np.ones(N), [1.0]])
    exact = expm(6.0 * matrix) @ start
    for dt in (0.5, 6.0):
        end = simulate(Chain(gap=gap), 6.0, dt=dt, solver=ExactLinear()).state.model.y
        found = np.concatenate([end["x"], end["y"], end["z"]])
        np.testing.assert_allclose(found, exact[:-1], rtol=1e-12, atol=1e-13)


@pytest.mark.slow
def test_the_derivative_with_respect_to_time_constants_that_agree():
    def end(tau):
        net = quiet((20.0,), tau=tau)
        return simulate(net, 6.0, dt=3.0, solver=ExactLinear()).state.model.y["E"]["v"][0]

    def exact(tau):
        return -65 - 5 * np.exp(-6 / tau) + response(6.0, 10.0, 20.0, tau)

    h = 1e-3
    numeric = (exact(20.0 + h) - exact(20.0 - h)) / (2 * h)
    assert float(jax.grad(end)(jnp.asarray(20.0))) == pytest.approx(numeric, rel=1e-6)


def test_what_is_not_linear_is_refused():
    coba = Network(
        {"E": LIF(2)},
        {"s": Projection("E", "E", OneToOne(1.0, n=2), Exponential(), COBA(0.0))},
    )
    cases = [
        (coba, "that of 'E.v' is not"),
        (MorrisLecar(1), "that of 'v' is not"),
        (Chain(timed=True), "that of 'x' depends on time itself"),
        (Chain(stepped=True), "that of 'x' is not"),
        (LIF(1, sigma=1.0), "without noise"),
    ]
    for model, message in cases:
        with pytest.raises(ValueError, match=message):
            simulate(model, 1.0, dt=0.5, solver=ExactLinear())


@pytest.mark.slow
def test_a_network_against_the_adaptive_solve():
    """Spikes located within the step: the error is of order two in the step, and small."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, (4, 4)) * (1 - np.eye(4))
    net = Network(
        {"E": LIF(4, t_ref=2.0, v_init=np.linspace(-64, -52, 4), interpolate=True)},
        {"EE": Projection("E", "E", Dense(1.5 * w), Exponential(4.0), CUBA())},
    )
    sol = solve(net, 50.0, inputs={"E": 19.0}, rtol=1e-10, atol=1e-11).spikes("E.spike")
    order, errors, dts = np.lexsort((sol.times, sol.index)), [], [0.5, 0.25, 0.125, 0.0625]
    for dt in dts:
        rec = simulate(
            net, 50.0, dt=dt, inputs={"E": 19.0}, solver=ExactLinear(), record=Spikes("E.spike")
        )
        found = rec.spikes("E.spike")
        mine = np.lexsort((found.times, found.index))
        np.testing.assert_array_equal(found.index[mine], sol.index[order])
        errors.append(abs(found.times[mine] - sol.times[order]).max())
    assert slope(dts, errors) > 1.85
    assert errors[-1] < 2e-4


def test_precision_is_kept(float32):
    net = quiet((5.0, 20.0))
    a, b = (
        simulate(net, 30.0, dt=dt, inputs={"E": 4.0}, solver=ExactLinear()).state.model.y
        for dt in (0.5, 30.0)
    )
    assert a["E"]["v"].dtype == jnp.float32
    assert_close(a["E"]["v"], b["E"]["v"], rtol=2e-6)
