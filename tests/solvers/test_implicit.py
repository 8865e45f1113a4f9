"""Implicit and Rosenbrock methods: stability, stiff and coupled systems, failure, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import counting, squid

from fdyn import AbstractComponent, Args, State, param, replace, simulate
from fdyn.components import LIF
from fdyn.solvers import RK4, RODAS3, RODAS4, BackwardEuler, CrankNicolson
from fdyn.solvers._newton import solve_stage

STIFF = [BackwardEuler(), CrankNicolson(), RODAS3(), RODAS4()]
slowly = pytest.mark.slow


class Flow(AbstractComponent):
    """A component that is only a flow; the subclasses say which."""

    start: tuple = (1.0,)

    def init(self, *, key, dt):
        return State({"x": jnp.array(self.start)}, {})

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


class Decay(Flow):
    """dx/dt = z x."""

    z: jax.Array = param(-1.0, unit="1/ms", doc="rate")

    def flow(self, t, y, args):
        return {"x": self.z * y["x"]}


class Rotation(Flow):
    """dx/dt = w (-x_2, x_1): the whole imaginary axis."""

    start: tuple = (1.0, 0.0)
    w: jax.Array = param(1.0, unit="1/ms", doc="frequency")

    def flow(self, t, y, args):
        a, b = y["x"]
        return {"x": self.w * jnp.stack([-b, a])}


def factors(solver, model, values):
    """What one step of 1 ms makes of the start, for several values of the only parameter."""

    def one(value):
        m = type(model)(**{"z" if isinstance(model, Decay) else "w": value})
        state = m.init(key=jax.random.key(0), dt=1.0)
        dt = jnp.array(1.0, state.y["x"].dtype)
        y, _ = solver.step(m, 0 * dt, dt, state.y, Args({}), (), None)
        return y["x"]

    return np.asarray(jax.jit(jax.vmap(one))(values))


def rodas3(z):
    """Order 3 and a value of 0 at infinity leave one numerator: exp(z) (1 - z/2)^4 up to z^3."""
    return (1 - z + z**3 / 6) / (1 - z / 2) ** 4


@pytest.mark.parametrize(
    ("solver", "closed"),
    [
        (BackwardEuler(), lambda z: 1 / (1 - z)),
        pytest.param(CrankNicolson(), lambda z: (1 + z / 2) / (1 - z / 2), marks=slowly),
        pytest.param(RODAS3(), rodas3, marks=slowly),
    ],
    ids=lambda x: repr(x) if hasattr(x, "order") else "",
)
def test_stability_function(solver, closed):
    z = np.array([-100.0, -3.0, -1.0, -0.1, 0.3])
    np.testing.assert_allclose(factors(solver, Decay(), z)[:, 0], closed(z), rtol=1e-10, atol=1e-13)


@slowly
@pytest.mark.parametrize("solver", STIFF, ids=repr)
def test_a_stable_and_l_stable_as_claimed(solver):
    frequencies = np.concatenate([[0.01], np.logspace(-1, 7, 200)])
    sizes = np.linalg.norm(factors(solver, Rotation(), frequencies), axis=1)
    assert sizes.max() < 1 + 1e-11  # on the imaginary axis, hence in the whole left half plane
    fast = abs(factors(solver, Decay(), np.array([-1e4, -1e8]))[:, 0])
    if isinstance(solver, CrankNicolson):
        np.testing.assert_allclose(fast, 1, atol=1e-3)
    else:
        assert fast[1] < 1e-7 and fast[1] < 1.01e-4 * fast[0]


class Attracted(Flow):
    """dx/dt = -rate (x - cos t) - sin t, whose solution is cos t (Prothero & Robinson 1974)."""

    rate: jax.Array = param(1e6, unit="1/ms", doc="stiffness")

    def flow(self, t, y, args):
        return {"x": -self.rate * (y["x"] - jnp.cos(t)) - jnp.sin(t)}


@slowly
@pytest.mark.parametrize(
    ("solver", "bound"),
    [(BackwardEuler(), 1e-7), (CrankNicolson(), 1e-7), (RODAS3(), 2e-3), (RODAS4(), 1e-5)],
    ids=repr,
)
def test_a_slow_solution_is_followed_through_a_stiff_equation(solver, bound):
    """Steps 1e5 times longer than the fastest time constant."""
    dts, errors = [0.1, 0.05], []
    for dt in dts:
        x = simulate(Attracted(), 5.0, dt=dt, solver=solver).state.model.y["x"]
        errors.append(abs(float(x[0]) - np.cos(5.0)))
    assert errors[1] < min(bound, errors[0])
    blown = simulate(Attracted(), 5.0, dt=0.1, solver=RK4(), throw=False)
    assert not blown.status.ok and "dt" in blown.status.message


class Cable(Flow):
    """Compartments in a row, coupled so strongly that explicit methods need tiny steps."""

    start: tuple = (1.0, *[0.0] * 19)
    g: float = 1000.0

    def matrix(self):
        n = len(self.start)
        links = np.eye(n, k=1) + np.eye(n, k=-1)
        return self.g * (links - np.diag(links.sum(1))) - 0.1 * np.eye(n)

    def flow(self, t, y, args):
        step = self.g * jnp.diff(y["x"])
        return {"x": jnp.pad(step, (0, 1)) - jnp.pad(step, (1, 0)) - 0.1 * y["x"]}


@pytest.mark.parametrize(
    "solver", [BackwardEuler(), *(pytest.param(s, marks=slowly) for s in STIFF[1:])], ids=repr
)
def test_a_chain_of_compartments_is_advanced_as_one_system(solver):
    dt, steps = 0.5, 40
    model = Cable()
    end = np.asarray(simulate(model, steps * dt, dt=dt, solver=solver).state.model.y["x"])
    x, a, one = np.array(model.start), dt * model.matrix(), np.eye(20)
    if isinstance(solver, BackwardEuler):
        expected = np.linalg.matrix_power(np.linalg.inv(one - a), steps) @ x
        np.testing.assert_allclose(end, expected, rtol=1e-9)
    elif isinstance(solver, CrankNicolson):
        step = np.linalg.solve(one - a / 2, one + a / 2)
        np.testing.assert_allclose(end, np.linalg.matrix_power(step, steps) @ x, rtol=1e-7)
    else:
        # By now the charge is spread evenly, and leaks: 1/20 exp(-0.1 * 20).
        np.testing.assert_allclose(end, np.exp(-2.0) / 20, rtol=2e-4)


class Runaway(Flow):
    """dx/dt = x^2, which is infinite at t = 1, while a second leaf rests."""

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1), "z": jnp.zeros(2)}, {})

    def flow(self, t, y, args):
        return {"x": y["x"] ** 2, "z": -y["z"]}


@slowly
def test_a_step_without_a_solution_is_reported_with_its_time():
    """z = x + dt z^2 has a real solution while 4 dt x <= 1."""
    run = simulate(Runaway(), 2.0, dt=0.1, solver=BackwardEuler(), record="x", throw=False)
    x = 1.0
    for step in range(1, 21):
        if 4 * 0.1 * x > 1:
            break
        x = (1 - np.sqrt(1 - 4 * 0.1 * x)) / (2 * 0.1)
        assert float(run["x"][step - 1, 0]) == pytest.approx(x, rel=1e-12)
    assert not run.status.ok and run.status.time == pytest.approx(0.1 * step)
    assert run.status.leaf == "x" and len(run["x"]) == step - 1
    with pytest.raises(FloatingPointError, match=r"t = 0\.\d.*'x'.*smaller dt"):
        simulate(Runaway(), 2.0, dt=0.1, solver=BackwardEuler())


@slowly
def test_a_stage_with_a_weight_for_each_leaf():
    """What methods for fractional and mixed orders need: z - w f(z) = r."""
    f = lambda z: {"a": -(z["a"] ** 3) + z["b"], "b": -50.0 * z["b"] + z["a"]}  # noqa: E731
    rhs = {"a": jnp.array([2.0, -1.0]), "b": jnp.array([0.3, 0.4])}
    weight = {"a": jnp.array([0.5, 0.1]), "b": jnp.array(2.0)}
    z = jax.jit(lambda r: solve_stage(f, r, r, weight))(rhs)
    for name, value in f(z).items():
        np.testing.assert_allclose(z[name] - weight[name] * value, rhs[name], atol=1e-14)


@slowly
def test_newton_takes_few_iterations():
    calls = []

    def f(z):
        jax.debug.callback(lambda: calls.append(1))
        return -jnp.tanh(z) * 100

    z = jax.jit(lambda r: solve_stage(f, r, r, 0.1))(jnp.array([0.2, 0.7]))
    jax.effects_barrier()
    np.testing.assert_allclose(z + 10 * jnp.tanh(z), [0.2, 0.7], rtol=1e-14)
    assert 2 <= len(calls) <= 12


@slowly
@pytest.mark.parametrize("solver", [BackwardEuler(), CrankNicolson(), RODAS4()], ids=repr)
def test_gradients_through_nonlinear_steps(solver):
    def voltage(g):
        model = replace(squid(2), lambda m: m.channels["na"].g, g)
        return simulate(model, 2.0, dt=0.1, inputs=10.0, solver=solver).state.model.y["v"][1]

    forward, reverse = jax.jit(jax.jacfwd(voltage))(120.0), jax.jit(jax.grad(voltage))(120.0)
    h = 1e-3
    difference = (jax.jit(voltage)(120.0 + h) - jax.jit(voltage)(120.0 - h)) / (2 * h)
    assert float(forward) == pytest.approx(float(difference), rel=1e-6) and abs(forward) > 1e-3
    assert float(reverse) == pytest.approx(float(forward), rel=1e-10)


@slowly
def test_another_step_or_parameter_reuses_the_program():
    run = lambda g, dt: simulate(  # noqa: E731
        replace(squid(2), lambda m: m.channels["leak"].g, g), 1.0, dt=dt, solver=BackwardEuler()
    )
    run(0.3, 0.1)
    with counting() as counts:
        run(0.4, 0.05)
    assert counts["compilations"] == 0, counts


@slowly
def test_single_precision_follows_double(float32):
    """A spike of Hodgkin and Huxley's neuron; Newton's method must end at the coarser rounding."""
    for solver in (BackwardEuler(), CrankNicolson(), RODAS4()):
        run = simulate(squid(3), 20.0, dt=0.05, inputs=10.0, solver=solver, record="v")
        assert run["v"].dtype == np.float32 and run.status.ok
        jax.config.update("jax_enable_x64", True)
        exact = simulate(squid(3), 20.0, dt=0.05, inputs=10.0, solver=solver, record="v")
        jax.config.update("jax_enable_x64", False)
        assert np.asarray(exact["v"]).max() > 20
        np.testing.assert_allclose(run["v"], exact["v"], atol=0.05)


@slowly
def test_steps_of_half_a_millisecond_on_a_stiff_neuron():
    """Where the explicit methods of the same orders blow up."""
    stiff = replace(squid(1), lambda m: m.channels["leak"].g, 30.0)
    for solver in STIFF:
        run = simulate(stiff, 100.0, dt=0.5, inputs=10.0, solver=solver, record="v")
        assert abs(np.asarray(run["v"])[-1, 0] - np.asarray(run["v"])[-2, 0]) < 1e-6
    assert not simulate(stiff, 50.0, dt=0.5, inputs=10.0, solver=RK4(), throw=False).status.ok


def test_noise_is_refused():
    for solver in STIFF:
        with pytest.raises(ValueError, match=f"{type(solver).__name__}.*without noise"):
            simulate(LIF(1, sigma=1.0), 1.0, dt=0.1, solver=solver)
