"""Solvers of diffrax with fixed steps: their orders, their noise, their memory after a jump."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, slope

from fdyn import simulate
from fdyn.components import LIF, CommonNoise
from fdyn.solvers import (
    Diffrax,
    EulerMaruyama,
    Heun,
    Milstein,
    StochasticHeun,
    brownian_path,
    solve_ode,
    solve_sde,
)

Y0 = {"x": jnp.array([1.0, 0.5, -0.3]), "z": jnp.array([0.8])}
KEY = jax.random.key(1)


def drift(t, y, args):
    return {"x": -y["x"] + y["z"][0] ** 2, "z": -0.3 * y["x"][:1] + jnp.sin(t)}


def additive(t, y, args):
    return {"x": 0.3, "z": CommonNoise(jnp.array([[0.3, 0.2]]))}


def commuting(t, y, args):
    return {"x": 0.3 * jnp.sin(y["x"]), "z": CommonNoise(y["z"][:, None] * jnp.array([[0.3, 0.2]]))}


def run(noise, method, dt=0.05):
    return solve_sde(drift, noise, Y0, [0.0, 1.0], None, method, key=KEY, dt=dt).ys


# --- noise --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (EulerMaruyama(), diffrax.Euler()),
        (StochasticHeun(), diffrax.Heun()),
        (Milstein(), diffrax.ItoMilstein()),
        (Milstein("stratonovich"), diffrax.StratonovichMilstein()),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_same_method_is_the_same(ours, theirs):
    """Independent implementations, on diagonal noise and noise of two shared processes."""
    assert_close(run(commuting, ours), run(commuting, Diffrax(theirs)), rtol=1e-13, atol=1e-14)


class Additive:
    """An equation with additive noise on one path, whose functions are traced once per solver."""

    def __init__(self):
        self.n, self.t = 300, 1.0
        shape = {"": jax.ShapeDtypeStruct((self.n,), jnp.result_type(float))}
        self.path = diffrax.VirtualBrownianTree(
            jnp.array(0.0),
            jnp.array(self.t),
            2.0**-12,
            shape,
            KEY,
            levy_area=diffrax.SpaceTimeLevyArea,
        )
        self.f = lambda t, y, args: jnp.sin(2 * y) - y
        self.g = lambda t, y, args: 2.0
        self.exact = self.end(2.0**-11, diffrax.ShARK())

    def end(self, dt, solver):
        method = Diffrax(solver, self.path)
        ts = [0.0, self.t]
        return solve_sde(self.f, self.g, jnp.ones(self.n), ts, None, method, key=KEY, dt=dt).ys[-1]


@pytest.fixture(scope="module")
def equation():
    return Additive()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "order"),
    [
        (diffrax.ShARK(), 1.5),
        (diffrax.SRA1(), 1.5),
        (diffrax.SPaRK(), 1.5),
        (diffrax.SEA(), 1.0),
        (diffrax.EulerHeun(), 1.0),
    ],
    ids=lambda x: type(x).__name__,
)
def test_strong_order_on_additive_noise(equation, solver, order):
    """The Levy areas are those of the path, or the order would be 1 at most."""
    dts = [2.0**-k for k in range(4, 9)]
    errors = [float(jnp.abs(equation.end(dt, solver) - equation.exact).mean()) for dt in dts]
    assert slope(dts, errors) == pytest.approx(order, abs=0.15)


@pytest.mark.slow
def test_fresh_levy_areas_have_their_variances():
    """One step of zero drift: g = t makes the increment of the solution W dt / 2 - H dt."""
    n, dt = 20_000, 2.0
    end = solve_sde(
        lambda t, y, args: 0 * y,
        lambda t, y, args: t * jnp.ones(n),
        jnp.zeros(n),
        [0.0, dt],
        method=Diffrax(diffrax.ShARK()),
        key=KEY,
        dt=dt,
    ).ys[-1]
    variance = dt**3 / 3
    assert abs(float(end.var()) / variance - 1) < 4 * np.sqrt(2 / n)


def test_what_does_not_fit_is_refused():
    neuron = LIF(2, sigma=1.0)
    with pytest.raises(ValueError, match=r"diffrax.Tsit5\(\)\) is for equations without noise"):
        simulate(neuron, 1.0, dt=0.1, solver=Diffrax(diffrax.Tsit5()))
    with pytest.raises(ValueError, match="ShARK is for additive noise"):
        run(commuting, Diffrax(diffrax.ShARK()))
    path = brownian_path(neuron, 1.0, 0.05, KEY)
    with pytest.raises(ValueError, match="levy_area=diffrax.SpaceTimeLevyArea"):
        simulate(neuron, 1.0, dt=0.1, solver=Diffrax(diffrax.ShARK(), path))
    for solver in (diffrax.KenCarp4(), diffrax.SemiImplicitEuler(), diffrax.Sil3()):
        with pytest.raises(ValueError, match="wants the equation in several parts"):
            Diffrax(solver)
    with pytest.raises(ValueError, match="'solver' must be a solver of diffrax"):
        Diffrax(diffrax.Tsit5)  # pyright: ignore[reportArgumentType]


# --- orders without noise -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver",
    [
        diffrax.Bosh3(),
        diffrax.Tsit5(),
        diffrax.ReversibleHeun(),
        diffrax.LeapfrogMidpoint(),
        diffrax.ImplicitEuler(),
        diffrax.Kvaerno3(),
        diffrax.Kvaerno5(),
    ],
    ids=lambda x: type(x).__name__,
)
def test_order(solver):
    exact = solve_ode(drift, Y0, [0.0, 1.0], rtol=1e-12, atol=1e-13).ys
    dts = [0.25, 0.125, 0.0625]
    errors = []
    for dt in dts:
        ys = solve_ode(drift, Y0, [0.0, 1.0], None, Diffrax(solver), dt=dt).ys
        errors.append(max(float(jnp.abs(ys[k][-1] - exact[k][-1]).max()) for k in ys))
    assert slope(dts, errors) == pytest.approx(Diffrax(solver).order, abs=0.3)


# --- jumps --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver",
    [diffrax.Tsit5(), diffrax.Kvaerno3(), diffrax.ReversibleHeun()],
    ids=lambda x: type(x).__name__,
)
def test_a_reset_leaves_nothing_behind(solver):
    """After a spike a step is that of a neuron that starts at the reset, at any input before."""
    neuron = LIF(1, tau=10.0, t_ref=0.0)
    current = np.full((40, 1), 40.0)
    current[20:] = 10.0
    first = simulate(
        neuron, 20.0, dt=0.5, inputs=current, record=["v", "spike"], solver=Diffrax(solver)
    )
    reset = int(np.flatnonzero(first["spike"][:, 0])[0])
    rest = simulate(
        LIF(1, tau=10.0, v_init=float(first["v"][reset, 0])),
        20.0 - 0.5 * (reset + 1),
        dt=0.5,
        inputs=current[reset + 1 :],
        record="v",
        solver=Diffrax(solver),
    )
    np.testing.assert_allclose(rest["v"], first["v"][reset + 1 :], rtol=1e-9)


def test_a_solver_with_memory_goes_on_from_it():
    """Leapfrog has order 2 only with the state before last; its first step is Euler's."""
    f = lambda t, y, args: -y  # noqa: E731
    ys = solve_ode(f, 1.0, [0.0, 0.1, 0.2, 0.3], None, Diffrax(diffrax.LeapfrogMidpoint()), dt=0.1)
    np.testing.assert_allclose(ys.ys, [1.0, 0.9, 1.0 - 0.2 * 0.9, 0.9 - 0.2 * 0.82], rtol=1e-14)


@pytest.mark.slow
def test_late_in_a_run_the_steps_of_single_precision_are_right(float32):
    del float32
    f = lambda t, y, args: -y  # noqa: E731
    key = {"dt": 0.01}
    late = solve_ode(f, 1.0, [4096.0, 4097.0], None, Diffrax(diffrax.Heun()), **key).ys[-1]
    early = solve_ode(f, 1.0, [0.0, 1.0], None, Heun(), **key).ys[-1]
    assert float(late) == pytest.approx(float(early), rel=1e-6)
