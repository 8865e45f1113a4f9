"""What every fixed-step solver promises, checked on every public one."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, assert_identical, counting

from fdyn import AbstractComponent, Affine, Args, State, param, simulate, solvers
from fdyn.components import PoissonInput
from fdyn.solvers import AbstractStepSolver

N = 3


@dataclasses.dataclass(frozen=True)
class Row:
    """A solver as the suite builds it.

    `order`: what its class states. `noise`: whether it refuses or integrates it. `memory`: whether
    the size of its memory depends on `dt`, so that another `dt` compiles anew. `exact`: whether the
    linear model of this suite comes out to rounding. `approximates`: whether its steps tend to the
    flow at all (those of fractional derivatives do not).
    """

    covers: type
    make: Callable[[], AbstractStepSolver]
    order: float
    noise: Literal["refuses", "integrates"] = "refuses"
    memory: bool = False
    exact: bool = False
    approximates: bool = True
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.covers.__name__


def bridge(of: Callable[[], diffrax.AbstractSolver], order: float, **kwargs: Any) -> Row:
    """A solver of diffrax."""
    name = f"Diffrax-{getattr(of, '__name__', '')}"
    return Row(solvers.Diffrax, lambda: solvers.Diffrax(of()), order, name=name, **kwargs)


ROWS = [
    Row(solvers.Euler, solvers.Euler, 1),
    Row(solvers.Midpoint, solvers.Midpoint, 2),
    Row(solvers.Heun, solvers.Heun, 2),
    Row(solvers.Ralston, solvers.Ralston, 2),
    Row(solvers.RK2, lambda: solvers.RK2(beta=0.75), 2),
    Row(solvers.RK3, solvers.RK3, 3),
    Row(solvers.SSPRK3, solvers.SSPRK3, 3),
    Row(solvers.RK4, solvers.RK4, 4),
    Row(solvers.RK38, solvers.RK38, 4),
    Row(solvers.ETD2, solvers.ETD2, 2),
    Row(solvers.ETDRK4, lambda: solvers.ETDRK4(linear="diagonal"), 4),
    Row(solvers.BackwardEuler, solvers.BackwardEuler, 1),
    Row(solvers.CrankNicolson, solvers.CrankNicolson, 2),
    Row(solvers.RODAS3, solvers.RODAS3, 3),
    Row(solvers.RODAS4, solvers.RODAS4, 4),
    Row(solvers.ExponentialEuler, solvers.ExponentialEuler, 1, noise="integrates"),
    Row(solvers.StrangSplitting, solvers.StrangSplitting, 2),
    Row(solvers.ExactLinear, solvers.ExactLinear, float("inf"), exact=True),
    Row(solvers.EulerMaruyama, solvers.EulerMaruyama, 0.5, noise="integrates"),
    Row(solvers.Milstein, solvers.Milstein, 1, noise="integrates"),
    Row(solvers.StochasticHeun, solvers.StochasticHeun, 1, noise="integrates"),
    bridge(diffrax.Tsit5, 5),
    bridge(diffrax.Kvaerno3, 3),
    bridge(diffrax.ReversibleHeun, 2, noise="integrates"),
    bridge(diffrax.SPaRK, 0.5, noise="integrates"),
    Row(solvers.L1, lambda: solvers.L1(0.7, horizon=401.0), 1, memory=True, approximates=False),
    Row(
        solvers.L1,
        lambda: solvers.L1({"x": 0.7}, implicit=False, reset="clear", window=1.0),
        1,
        memory=True,
        approximates=False,
        name="L1, explicit, with a window",
    ),
    Row(solvers.FastL1, lambda: solvers.FastL1(0.7), 1, approximates=False),
    Row(
        solvers.GrunwaldLetnikov,
        lambda: solvers.GrunwaldLetnikov(1.2, velocity=0.1, horizon=401.0),
        1,
        memory=True,
        approximates=False,
    ),
    Row(
        solvers.AdamsBashforthMoulton,
        lambda: solvers.AdamsBashforthMoulton(0.7, horizon=401.0),
        1,
        memory=True,
        approximates=False,
    ),
    Row(solvers.DelayRK4, lambda: solvers.DelayRK4(0.4), 4, memory=True),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=str)


class Spiral(AbstractComponent):
    """x' = a x + z + c and z' = -x - 0.3 z: linear, coupled, one linear part named and one not."""

    a: jax.Array = param(-0.5, unit="1/ms", doc="rate")
    sigma: jax.Array = param(0.0, unit="1/ms**0.5", doc="strength of the noise")
    noisy: bool = False
    x0: float = 1.0

    def init(self, *, key, dt):
        start = self.x0 + 0.5 * jnp.arange(N, dtype=self.a.dtype)
        return State({"x": start, "z": 0 * start + 0.25}, {})

    def flow(self, t, y, args):
        drive = 1.0 if args.u is None else args.u
        return {"x": Affine(self.a, y["z"] + drive), "z": -y["x"] - 0.3 * y["z"]}

    def diffusion(self, t, y, args):
        return {"x": self.sigma + 0 * y["x"], "z": None} if self.noisy else None

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


def one_step(row: Row, model: AbstractComponent, dt: float = 0.1) -> tuple[Any, Any, Any]:
    """What a step takes and gives, traced only: state before, state after, memory."""
    solver = row.make()
    if isinstance(getattr(solver, "alpha", None), dict) and not isinstance(model, Spiral):
        solver = dataclasses.replace(solver, alpha=0.7)  # no leaf to name

    def trace(model: AbstractComponent) -> tuple[Any, Any, Any]:
        state = model.init(key=jax.random.key(0), dt=dt)
        memory = solver.init(model, state, dt)
        dtype = getattr(model, "a", jnp.zeros(())).dtype
        t, step = jnp.asarray(0.0, dtype), jnp.asarray(dt, dtype)
        y, _ = solver.step(model, t, step, state.y, Args(state.mem), memory, jax.random.key(1))
        return state.y, y, memory

    return eqx.filter_eval_shape(trace, model)


def describe(tree: Any) -> Any:
    return jax.tree.map(lambda x: (jnp.shape(x), str(jnp.result_type(x))), tree)


# --- traced only --------------------------------------------------------------------------------


def test_no_public_solver_is_missing():
    public = {
        x
        for _, x in inspect.getmembers(solvers, inspect.isclass)
        if issubclass(x, AbstractStepSolver) and not x.__name__.startswith("Abstract")
    }
    assert public == {row.covers for row in ROWS}


@every_row
def test_a_step_keeps_structure_shapes_and_dtypes(row):
    before, after, _ = one_step(row, Spiral())
    assert row.make().order == row.order
    assert describe(before) == describe(after)


@every_row
def test_a_model_without_continuous_state_is_carried_on(row):
    before, after, _ = one_step(row, PoissonInput(N, rate=10.0))
    assert before == after and not jax.tree.leaves(after)


@pytest.mark.parametrize("row", [r for r in ROWS if r.noise == "refuses"], ids=str)
def test_noise_is_refused(row):
    with pytest.raises(ValueError, match=f"{row.covers.__name__}.*noise.*EulerMaruyama"):
        one_step(row, Spiral(sigma=0.5, noisy=True))


# --- compiled -----------------------------------------------------------------------------------


@pytest.mark.slow
@every_row
def test_a_run_compiles_once_resumes_exactly_and_tells_where_it_fails(row):
    """One program does all of these, so they share it."""
    solver = row.make()

    def run(a: float, duration: float, dt: float, **kwargs: Any) -> Any:
        return simulate(
            Spiral(a=a), duration, dt=dt, solver=solver, record="x", progress=False, **kwargs
        )

    whole = run(-0.5, 4.0, 0.1)
    first = run(-0.5, 1.5, 0.1)
    with counting() as counts:
        rest = run(-0.5, 2.5, 0.1, state=first.state)
        run(-0.7, 3.0, 0.1)
        if not row.memory:
            run(-0.7, 3.0, 0.05)
    assert counts["compilations"] == 0, counts
    assert_identical(np.concatenate([first["x"], rest["x"]]), whole["x"])
    assert_identical(rest.state.model, whole.state.model)
    blown = run(5.0, 400.0, 0.1, throw=False)
    assert not blown.status.ok and np.isfinite(blown["x"]).all()
    assert 0 < blown.status.time < 400 and blown.status.leaf in ("x", "z")


@pytest.mark.slow
@pytest.mark.parametrize("row", [r for r in ROWS if r.noise == "integrates"], ids=str)
def test_noise_is_integrated(row):
    """The key alone decides; over 0.1 ms the variance is that of the Wiener process, nearly."""

    def run(seed: int) -> Any:
        model = Spiral(sigma=0.5, noisy=True)
        solver, key = row.make(), jax.random.key(seed)
        ends = [
            simulate(model, 0.1, dt=0.1, solver=solver, key=jax.random.fold_in(key, i))
            for i in range(100)
        ]
        return np.stack([np.asarray(e.state.model.y["x"]) for e in ends])

    x, again, other = run(1), run(1), run(2)
    assert_identical(x, again)
    assert (x != other).all()
    assert x.std(0).mean() == pytest.approx(0.5 * np.sqrt(0.1), rel=0.2)


@pytest.mark.slow
@every_row
def test_jit_vmap_and_gradients(row):
    solver = row.make()

    def end(a: jax.Array) -> jax.Array:
        run = simulate(Spiral(a=a), 1.0, dt=0.1, solver=solver, record="x", progress=False)
        return jnp.sum(run["x"] ** 2) + jnp.sum(run.state.model.y["z"] ** 2)

    both = jax.jit(jax.vmap(jax.value_and_grad(end)))
    values, slopes = both(jnp.array([-0.5, -0.9]))
    h = 1e-5
    ahead, behind = (
        both(jnp.array([-0.5 + h, -0.9 + h]))[0],
        both(jnp.array([-0.5 - h, -0.9 - h]))[0],
    )
    np.testing.assert_allclose(slopes, (ahead - behind) / (2 * h), rtol=1e-6)
    assert float(abs(slopes).min()) > 1e-3
    outside = [float(end(jnp.array(a))) for a in (-0.5, -0.9)]
    np.testing.assert_allclose(values, outside, rtol=1e-12)


def run_alone(row: Row, duration: float, dt: float) -> Any:
    """In the program that the tests of one solver share."""
    return simulate(Spiral(a=-0.5), duration, dt=dt, solver=row.make(), record="x", progress=False)


def spiral_by_hand(a: float, t: float) -> np.ndarray:
    """The same equation, solved by diagonalising its matrix."""
    matrix = np.array([[a, 1.0, 1.0], [-1.0, -0.3, 0.0], [0.0, 0.0, 0.0]])
    values, vectors = np.linalg.eig(matrix)
    start = np.stack([1 + 0.5 * np.arange(N), np.full(N, 0.25), np.ones(N)])
    move = vectors @ np.diag(np.exp(values * t)) @ np.linalg.inv(vectors)
    return (move @ start).real


@pytest.mark.slow
@pytest.mark.parametrize("row", [r for r in ROWS if r.approximates], ids=str)
def test_it_tends_to_the_solution(row):
    """Half the step, a smaller error; how fast is measured by the tests of orders."""
    exact, errors = spiral_by_hand(-0.5, 2.0), []
    for dt in (0.1, 0.05):
        end = run_alone(row, 2.0, dt).state.model.y
        errors.append(abs(np.stack([end["x"], end["z"]]) - exact[:2]).max())
    if row.exact:
        assert max(errors) < 1e-13
    else:
        assert errors[0] < 0.2 and errors[1] < 0.8 * errors[0]


@pytest.mark.slow
@every_row
def test_single_precision_stays_single_and_agrees_with_double(row):
    def run() -> Any:
        return run_alone(row, 2.0, 0.1).state.model

    double = run()
    jax.config.update("jax_enable_x64", False)
    try:
        single = run()
    finally:
        jax.config.update("jax_enable_x64", True)
    floats = [x for x in jax.tree.leaves(eqx.filter(single, eqx.is_inexact_array))]
    assert floats and {str(x.dtype) for x in floats} <= {"float32", "complex64"}
    assert_close(
        jax.tree.map(lambda x: np.asarray(x, np.float64), single.y),
        jax.tree.map(np.asarray, double.y),
        rtol=2e-5,
        atol=1e-6,
    )


@pytest.mark.slow
@every_row
def test_single_precision_stays_single_beside_double(row):
    """A model in single precision is solved in it even where double is the default."""
    model = jax.tree.map(
        lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, Spiral()
    )
    before, after, memory = one_step(row, model)
    assert describe(before) == describe(after)
    floats = jax.tree.leaves(eqx.filter((after, memory), eqx.is_inexact_array))
    assert {str(x.dtype) for x in floats} <= {"float32", "complex64"}
