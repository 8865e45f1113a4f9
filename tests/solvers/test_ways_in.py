"""Equations given as plain functions: `solve_ode`, and the driver that all fixed steps share."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
from helpers import assert_identical, counting

from fdyn import AbstractComponent, Affine, State, simulate
from fdyn.solvers import RK4, Euler, EulerMaruyama, ExponentialEuler, Trajectory, solve_ode
from fdyn.solvers import _march as march_module
from fdyn.solvers._controller import stiff_advice
from fdyn.solvers._function_model import function_model
from fdyn.solvers._march import march

TIMES = [0.0, 0.5, 2.0]


def decay(t, y, rate):
    return {"v": -rate * y["v"]}


def growth(t, y, args):
    return {"slow": 0 * y["fast"], "fast": y["fast"] ** 2}


def exact(t, rate=1.0, start=1.0):
    return start * np.exp(-rate * np.asarray(t))


def fixed(rate=1.0, start=1.0, times=TIMES, dt=0.01, **kwargs) -> Trajectory:
    return solve_ode(decay, {"v": start}, times, rate, RK4(), dt=dt, **kwargs)


def adaptive(rate=1.0, start=1.0, times=TIMES, **kwargs) -> Trajectory:
    return solve_ode(decay, {"v": start}, times, rate, **kwargs)


BOTH = pytest.mark.parametrize("run", [fixed, adaptive], ids=["fixed", "adaptive"])


@BOTH
def test_it_solves_the_equation(run):
    traj = run()
    assert traj.ts.tolist() == TIMES and bool(traj.status.ok)
    np.testing.assert_allclose(traj.ys["v"], exact(TIMES), rtol=1e-7)
    assert float(traj.ys["v"][0]) == 1.0
    assert traj.stats["steps"] == 200 if run is fixed else 5 < traj.stats["steps"] < 200


@BOTH
def test_a_second_run_traces_nothing(run):
    run(rate=1.0)
    with counting() as counts:
        other = run(rate=2.5, start=3.0)
        if run is fixed:
            run(dt=0.02, times=[1.0, 3.0, 3.5, 4.0])
        else:
            run(times=[1.0, 1.5, 4.0], rtol=1e-5, atol=1e-6)
    assert counts["compilations"] == 0 and counts["traces"] == 0
    np.testing.assert_allclose(other.ys["v"], exact(TIMES, 2.5, 3.0), rtol=1e-6)


@pytest.mark.slow
@BOTH
def test_gradients_and_batches(run):
    def end(rate, start):
        return run(rate, start).ys["v"][-1]

    slopes = jax.jit(jax.vmap(jax.grad(end, argnums=(0, 1)), (0, None)))
    rates = jnp.array([1.0, 0.4])
    found = slopes(rates, 1.5)
    np.testing.assert_allclose(found[0], -2 * 1.5 * np.exp(-2 * rates), rtol=1e-6)
    np.testing.assert_allclose(found[1], np.exp(-2 * rates), rtol=1e-6)


@pytest.mark.slow
def test_fixed_steps_have_all_derivatives():
    def end(rate, times):
        return fixed(rate, times=times).ys["v"][-1]

    for times in (TIMES, [0.0, 1.0, 2.0], [0.0, 2.0], [0.0, 0.02, 0.04, 2.0]):
        assert float(end(jnp.array(1.0), times)) == pytest.approx(np.exp(-2), rel=1e-8)
        for derive, value in (
            (jax.grad, -2 * np.exp(-2)),
            (jax.jacfwd, -2 * np.exp(-2)),
            (jax.hessian, 4 * np.exp(-2)),
        ):
            assert float(derive(end)(1.0, times)) == pytest.approx(value, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"adjoint": diffrax.BacksolveAdjoint()},
        {"adjoint": diffrax.DirectAdjoint(), "max_steps": 64},
        {"stepsize_controller": diffrax.PIDController(rtol=1e-6, atol=1e-8, pcoeff=0.2)},
        {"method": diffrax.Kvaerno5(), "dt": 0.01},
    ],
    ids=["backsolve", "direct", "controller", "implicit"],
)
def test_the_arguments_of_diffrax_are_passed_through(options):
    slope = jax.grad(lambda rate: adaptive(rate, **options).ys["v"][-1])(1.0)
    assert float(slope) == pytest.approx(-2 * np.exp(-2), rel=1e-5)


@pytest.mark.slow
def test_forward_mode_and_saveat():
    _, slope = jax.jvp(
        lambda rate: adaptive(rate, adjoint=diffrax.ForwardMode()).ys["v"][-1], (1.0,), (1.0,)
    )
    assert float(slope) == pytest.approx(-2 * np.exp(-2), rel=1e-6)
    steps = adaptive(saveat=diffrax.SaveAt(steps=True), max_steps=64)
    kept = np.isfinite(steps.ts)
    assert kept.sum() == steps.stats["steps"]
    np.testing.assert_allclose(steps.ys["v"][kept], exact(steps.ts[kept]), rtol=1e-6)


@pytest.mark.slow
def test_an_event_ends_the_run_in_the_last_row():
    event = diffrax.Event(
        lambda t, y, args, **kwargs: y["v"] - 0.25,
        optimistix.Newton(1e-10, 1e-10),
    )
    traj = adaptive(event=event)
    assert bool(traj.status.ok) and traj.ts.shape == (3,)
    assert float(traj.ts[-1]) == pytest.approx(np.log(4), abs=1e-6)
    assert float(traj.ys["v"][-1]) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.slow
def test_dense_output():
    traj = adaptive(dense=True, times=[0.0, 2.0])
    t = np.linspace(0, 2, 6).reshape(2, 3)
    np.testing.assert_allclose(traj(t)["v"], exact(t), atol=1e-6)
    with pytest.raises(ValueError, match="from 0 to 2.*2.5"):
        traj(2.5)
    with pytest.raises(ValueError, match="no dense output"):
        adaptive()(1.0)


# --- where it fails -----------------------------------------------------------------------------


def test_a_fixed_step_names_the_first_bad_time_and_leaf():
    """y' = y^2 from 2 blows up at 1/2, Euler's polygon a little later."""
    start = {"slow": 1.0, "fast": 2.0}
    y, steps = np.float64(2.0), 0
    with np.errstate(over="ignore"):
        while np.isfinite(y):
            y, steps = y + 0.01 * y**2, steps + 1
    times = np.linspace(0.0, 5.0, 51)
    with pytest.raises(
        FloatingPointError, match=f"t = {0.01 * steps:g} .*'fast'.*smaller dt.*RODAS3.*adaptive"
    ):
        solve_ode(growth, start, times, None, Euler(), dt=0.01)
    traj = solve_ode(growth, start, times, None, Euler(), dt=0.01, throw=False)
    assert (bool(traj.status.ok), traj.status.leaf) == (False, "fast")
    assert traj.status.time == pytest.approx(0.01 * steps)
    assert traj.stats["steps"] == steps - 1
    assert traj.ts.size == (steps - 1) // 10 + 1 == traj.ys["fast"].size
    assert np.isfinite(traj.ys["fast"]).all()


@pytest.mark.slow
def test_an_adaptive_step_names_the_time_and_leaf_of_the_pole():
    start = {"slow": 1.0, "fast": 2.0}
    traj = solve_ode(growth, start, [0.0, 0.4, 5.0], throw=False, max_steps=2000)
    assert (bool(traj.status.ok), traj.status.leaf) == (False, "fast")
    assert traj.status.time == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(traj.ys["fast"], [2.0, 10.0], rtol=1e-5)
    with pytest.raises(FloatingPointError, match="t = 0.5.*'fast'.*Kvaerno5"):
        solve_ode(growth, start, [0.0, 0.4, 5.0], max_steps=2000)


@pytest.mark.slow
def test_too_few_steps_are_told_from_a_pole():
    with pytest.raises(RuntimeError, match="max_steps = 64.*'v'.*Kvaerno5.*stiff"):
        solve_ode(decay, {"v": 1.0}, [0.0, 100.0], 1e4, max_steps=64)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4()), {}, ValueError, "RK4.*dt="),
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4()), {"dt": 0.1, "rtol": 1e-3}, ValueError, "rtol"),
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4), {"dt": 0.1}, ValueError, "an instance"),
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4()), {"dt": 0.3}, ValueError, "nearest are 0.3 and"),
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4()), {"dt": 1.0}, ValueError, r"t\[1\] = 0.5"),
        ((decay, {"v": 1.0}, TIMES, 1.0, RK4()), {"dt": 0.0}, ValueError, "'dt' must be"),
        ((decay, {"v": 1.0}, [0.0], 1.0), {}, ValueError, "two or more"),
        ((decay, {"v": 1.0}, [0.0, 1.0, 1.0], 1.0), {}, ValueError, "increasing"),
        ((decay, {"v": 1.0}, [0.0, np.inf], 1.0), {}, ValueError, "finite"),
        ((decay, {"v": "one"}, TIMES, 1.0), {}, ValueError, "y0, leaf 'v'"),
        ((decay, {}, TIMES, 1.0), {}, ValueError, "at least one number"),
        (("decay", 1.0, TIMES), {}, ValueError, "'f' must be a function"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"adjont": 1}, TypeError, "'adjoint'"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"rtol": 0.0}, ValueError, "'rtol' must be positive"),
        ((lambda t, y, a: [y[0], y[1]], jnp.ones(2), TIMES), {}, ValueError, "jnp.stack"),
        ((lambda t, y, a: jnp.ones(3), jnp.ones(2), TIMES), {}, ValueError, r"\(3,\).*\(2,\)"),
        ((lambda t, y, a: None, 1.0, TIMES), {}, ValueError, "a tree like y"),
        ((lambda t, y, a: y.astype(jnp.float32), 1.0, TIMES), {}, ValueError, "float32.*float64"),
        ((lambda t, y, a: "y", 1.0, TIMES), {}, ValueError, "must return numbers"),
        ((lambda t, y, a: {"v": 1j}, {"v": 1.0}, TIMES), {}, ValueError, "'v', is complex"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"dt": 0.0}, ValueError, "'dt' must be a positive"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"dt": np.nan}, ValueError, "'dt' must be a positive"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"dt": -0.1}, ValueError, "'dt' must be a positive"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"max_steps": 0}, ValueError, "'max_steps' must be"),
        ((decay, {"v": 1.0}, TIMES, 1.0), {"max_steps": -1}, ValueError, "'max_steps' must be"),
        ((decay, {"v": 1.0}, TIMES, 1.0, diffrax.KenCarp4()), {}, ValueError, "KenCarp4 wants"),
    ],
)
def test_mistakes_are_named(arguments, options, error, words):
    with pytest.raises(error, match=words):
        solve_ode(*arguments, **options)


def test_fixed_steps_need_known_times():
    with pytest.raises(ValueError, match="known times"):
        jax.jit(lambda t: fixed(times=t).ys)(jnp.array(TIMES))


# --- what it stands on --------------------------------------------------------------------------


class Decay(AbstractComponent):
    """The equation of `decay` as a component."""

    def init(self, *, key, dt):
        return State({"v": jnp.ones(())}, ())

    def flow(self, t, y, args):
        return {"v": -y["v"]}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


def test_it_is_the_machinery_of_simulate():
    """The same steps; the compiler may fuse them otherwise, which is a matter of rounding."""
    run = simulate(Decay(), 2.0, dt=0.01, solver=RK4(), progress=False)
    np.testing.assert_allclose(
        fixed().ys["v"][-1], run.state.model.y["v"], rtol=4 * np.finfo(float).eps
    )


@pytest.mark.slow
def test_single_precision_stays_single():
    for options in ({"method": RK4(), "dt": 0.125}, {}):
        traj = solve_ode(lambda t, y, args: -y, np.float32(1), [0.0, 1.0], **options)
        assert traj.ys.dtype == traj.ts.dtype == jnp.float32
        assert float(traj.ys[-1]) == pytest.approx(np.exp(-1), abs=1e-5)


@pytest.mark.slow
def test_complex_states():
    with jax.numpy_dtype_promotion("standard"):
        traj = solve_ode(lambda t, y, args: 1j * y, 1 + 0j, [0.0, 1.0], None, RK4(), dt=0.125)
        assert traj.ys.dtype == jnp.complex128 and traj.ts.dtype == jnp.float64
    assert complex(traj.ys[-1]) == pytest.approx(np.exp(1j), abs=1e-5)


def test_an_affine_leaf_is_exact_for_the_exponential_method():
    f = lambda t, y, args: (Affine(-3.0, 1.0), 0 * y[1])  # noqa: E731
    traj = solve_ode(f, (2.0, jnp.ones(2)), [0.0, 5.0], None, ExponentialEuler(), dt=2.5)
    assert float(traj.ys[0][-1]) == pytest.approx(1 / 3 + (2 - 1 / 3) * np.exp(-15), rel=1e-13)
    assert traj.ys[1].shape == (2, 2)


def test_pieces_make_no_difference(monkeypatch):
    """Calls of few rows and few steps, and one call, give the same bits."""
    times = np.concatenate([[0.0, 0.01, 0.9], np.linspace(1.0, 2.0, 20)])
    times = np.round(times, 2)
    whole = fixed(times=times)
    monkeypatch.setattr(march_module, "_STEPS", 7)
    monkeypatch.setattr(march_module, "_ROWS", 5)
    parts = fixed(times=times)
    assert_identical(whole, parts)


@pytest.mark.slow
def test_the_noise_of_a_function():
    """A number as coefficient stands for all elements; the key alone sets the path."""

    def run(key):
        model = function_model(
            lambda t, y, args: {"x": 0 * y["x"], "z": 0 * y["z"]},
            {"x": np.zeros(2000), "z": 1.0},
            None,
            lambda t, y, args: {"x": 0.5, "z": None},
        )
        return march(model, EulerMaruyama(), [0.0, 4.0], 0.5, key=jax.random.key(key)).ys

    a, b, c = run(0), run(0), run(1)
    assert_identical(a, b)
    assert (np.asarray(a["x"][-1]) != np.asarray(c["x"][-1])).all()
    assert a["z"].tolist() == [1.0, 1.0]
    # The variance of 0.5 W at time 4 is 1.
    assert abs(np.asarray(a["x"][-1]).var() - 1) < 4 * np.sqrt(2 / 2000)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.7, 1.3])
def test_an_implicit_solver_holds_the_usual_tolerances_of_single_precision(float32, rate):
    """diffrax alone takes the rounding of a stage for divergence, however small the step."""
    traj = solve_ode(decay, {"v": 1.0}, [0.0, 1.0], rate, diffrax.Kvaerno5(), max_steps=100)
    assert traj.ys["v"].dtype == jnp.float32
    assert float(traj.ys["v"][-1]) == pytest.approx(np.exp(-rate), rel=2e-5)
    assert traj.stats["steps"] < 20 and traj.stats["rejected"] == 0


@BOTH
def test_a_start_that_is_not_finite_is_the_first_bad_time(run):
    with pytest.raises(FloatingPointError, match="not finite at the start, t = 0: 'v'"):
        run(start=np.nan)
    traj = run(start=np.nan, throw=False)
    assert (bool(traj.status.ok), traj.status.time, traj.status.leaf) == (False, 0.0, "v")
    assert traj.ts.shape == traj.ys["v"].shape == (0,)


def test_the_advice_for_stiff_equations_is_not_the_method_in_use():
    assert "implicit solver such as diffrax.Kvaerno5()" in stiff_advice(
        diffrax.Tsit5(), jnp.float32
    )
    assert "jax_enable_x64" in stiff_advice(diffrax.Kvaerno5(), jnp.float32)
    assert "Kvaerno3()" in stiff_advice(diffrax.Kvaerno5(), jnp.float64)
