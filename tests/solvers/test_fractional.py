"""The solvers of fractional equations: memory, horizons, resets, orders, gradients, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_identical, counting, slope
from scipy.special import erfc, wofz

from fdyn import AbstractComponent, Affine, Args, Network, State, replace, simulate
from fdyn.components import LIF
from fdyn.solvers import (
    L1,
    AdamsBashforthMoulton,
    DelayRK4,
    ExponentialEuler,
    FastL1,
    GrunwaldLetnikov,
    mittag_leffler,
    solve_fde,
    solve_ode,
)

ALL = (L1, FastL1, GrunwaldLetnikov, AdamsBashforthMoulton)
ORDERS = np.array([0.3, 0.6, 0.9])


class Relax(AbstractComponent):
    """D^a x = -x + u in each of three units."""

    clip: float | None = None

    def init(self, *, key, dt):
        return State({"x": jnp.ones(3)}, {})

    def flow(self, t, y, args):
        return {"x": Affine(-1.0, 0.0 if args.u is None else args.u)}

    def jump(self, t, y, args, *, dt, key):
        if self.clip is not None:
            y = {"x": jnp.where(y["x"] < self.clip, 1.0, y["x"])}
        return y, args.mem, {}


def run(method, duration=1.0, dt=0.05, model=None, **kwargs):
    model = Relax() if model is None else model
    kwargs.setdefault("record", "x")
    return simulate(model, duration, dt=dt, solver=method, progress=False, **kwargs)


# --- the special function -----------------------------------------------------------------------


def test_mittag_leffler_is_what_it_is_in_closed_form():
    x = np.linspace(0.05, 9, 40)
    np.testing.assert_allclose(
        mittag_leffler(-x, 0.5), np.exp(x**2) * erfc(x), rtol=1e-11, atol=1e-14
    )
    z = (x[:, None] * np.exp(1j * np.linspace(-3.1, 3.1, 9))).ravel()
    # E_1/2(z) = w(-iz), the Faddeeva function; also with the pole on all sides of the contours.
    np.testing.assert_allclose(mittag_leffler(z, 0.5), wofz(-1j * z), rtol=1e-10)
    np.testing.assert_allclose(mittag_leffler(z, 1.0), np.exp(z), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(mittag_leffler(z, 2.0), np.cosh(np.sqrt(z)), rtol=1e-10)
    np.testing.assert_allclose(mittag_leffler(z, 1.0, 2.0), np.expm1(z) / z, rtol=1e-10)
    assert float(mittag_leffler(0.0, 0.7)) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.slow
def test_mittag_leffler_has_derivatives():
    # d/dz E_1/2(z) at 0 is 1 / Gamma(3/2); the one for alpha from differences.
    assert float(jax.grad(mittag_leffler)(0.0, 0.5)) == pytest.approx(2 / np.sqrt(np.pi), rel=1e-11)
    slope = float(jax.grad(mittag_leffler, 1)(-1.3, 0.7))
    h = 1e-5
    ahead, behind = (float(mittag_leffler(-1.3, a)) for a in (0.7 + h, 0.7 - h))
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)
    with pytest.raises(ValueError, match="alpha.*0, 2"):
        mittag_leffler(1.0, 2.5)


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_a_constant_stays_constant(kind):
    """It drifts away under a Grünwald-Letnikov formula that forgets the initial value."""

    class Still(AbstractComponent):
        def init(self, *, key, dt):
            return State({"x": jnp.full(3, 1.7)}, {})

        def flow(self, t, y, args):
            return {"x": 0 * y["x"]}

        def jump(self, t, y, args, *, dt, key):
            return y, args.mem, {}

    kwargs = {"window": 0.5} if kind in (L1, GrunwaldLetnikov) else {}
    implicit = {} if kind is AdamsBashforthMoulton else {"implicit": False}
    x = run(kind(ORDERS, **kwargs, **implicit), model=Still())["x"]
    np.testing.assert_allclose(x, 1.7, rtol=1e-14)


@pytest.mark.slow
def test_the_fast_memory_keeps_to_its_tolerance():
    def decay(t, y, args):
        return -y

    ts = np.linspace(0, 20, 41)
    full = solve_fde(decay, np.ones(3), ts, None, L1(ORDERS), dt=0.01).ys
    last = np.inf
    for tol in (1e-3, 1e-6, 1e-9):
        fast = solve_fde(decay, np.ones(3), ts, None, FastL1(ORDERS, tol=tol), dt=0.01).ys
        error = float(abs(fast - full).max())
        assert error < tol and error < last / 100
        last = error


@pytest.mark.slow
def test_runs_resume_exactly_and_grow_their_memory():
    """Two halves are the whole, whether the length of the memory is given or that of the run."""
    for method in (L1(ORDERS, implicit=False), L1(ORDERS, implicit=False, horizon=1.0)):
        whole = run(method)
        first = run(method, 0.4)
        rest = run(method, 0.6, state=first.state)
        both = np.concatenate([first["x"], rest["x"]])
        if method.horizon is None:
            np.testing.assert_allclose(both, whole["x"], rtol=1e-13)
        else:
            assert_identical(both, whole["x"])


@pytest.mark.slow
def test_what_is_not_remembered_is_an_error_or_a_choice():
    method = L1(ORDERS, implicit=False, horizon=0.5)
    with pytest.raises(ValueError, match=r"reaches 1 ms.*holds 0\.5 ms.*FastL1"):
        run(method)
    half = run(method, 0.5)
    with pytest.raises(ValueError, match="forgotten in silence"):
        run(method, 0.05, state=half.state)
    windowed = run(L1(ORDERS, implicit=False, window=0.5))["x"]
    full = run(L1(ORDERS, implicit=False))["x"]
    np.testing.assert_array_equal(windowed[:10], full[:10])
    assert (abs(windowed[11:] - full[11:]) > 1e-6).all()
    # In a loop made by hand nobody knows how long it goes on: it fails rather than forgets.
    state = Relax().init(key=jax.random.key(0), dt=0.05)
    memory = L1(0.5, implicit=False, horizon=0.05).init(Relax(), state, 0.05)
    y = state.y
    for i, finite in ((0, True), (1, False)):
        y, memory = L1(0.5, implicit=False, horizon=0.05).step(
            Relax(), jnp.array(0.05 * i), jnp.array(0.05), y, Args({}), memory, jax.random.key(0)
        )
        assert np.isfinite(y["x"]).all() == finite
    with pytest.raises(ValueError, match="length is not known.*horizon.*FastL1"):
        L1(0.5).init(Relax(), state, 0.05)


def test_a_state_with_the_memory_of_another_is_refused():
    fast = FastL1(ORDERS, implicit=False)
    state = run(fast, 0.2, record=None).state
    for solver in (L1(ORDERS), ExponentialEuler()):
        with pytest.raises(ValueError, match="memory of another solver.*state.model.y"):
            run(solver, 0.2, state=state)
    with pytest.raises(ValueError, match=r"steps of dt = 0\.05.*dt = 0\.1 ms"):
        run(fast, 0.2, dt=0.1, state=state)
    with pytest.raises(ValueError, match="memory of a FastL1 with other"):
        run(FastL1(ORDERS, implicit=False, tol=1e-4), 0.2, state=state)
    anew = run(fast, 0.2, state=State(state.model.y, state.model.mem))
    assert np.isfinite(anew["x"]).all()


@pytest.mark.slow
def test_other_orders_and_durations_compile_nothing():
    fast = FastL1(ORDERS, implicit=False)
    other = replace(fast, lambda m: m.alpha, ORDERS / 2)
    run(fast)
    with counting() as counts:
        run(FastL1(0.9 * ORDERS, implicit=False), 0.7)
        run(other, 1.2)
    assert counts["compilations"] == 0, counts


# --- orders -------------------------------------------------------------------------------------


class Pair(AbstractComponent):
    """D^a x = -x and z' = x - z."""

    def init(self, *, key, dt):
        return State({"x": jnp.ones(2), "z": jnp.zeros(2)}, {})

    def flow(self, t, y, args):
        return {"x": Affine(-1.0, 0.0), "z": Affine(-1.0, y["x"])}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_leaves_of_order_one_stand_beside_fractional_ones(kind):
    """z is the convolution of x with exp(-t): t E_{...} in closed form for alpha = 1/2."""
    alpha = np.array([0.5, 0.999999])
    errors = []
    for dt in (0.02, 0.01):
        end = run(kind({"x": alpha}), 1.0, dt, Pair(), record=None).state.model.y
        s = np.linspace(0, 1, 200_001)
        x = np.exp(s) * erfc(np.sqrt(s))  # E_1/2(-sqrt s)
        z = np.trapezoid(x * np.exp(s - 1), s)
        found = np.array([end["x"][0], end["z"][0], end["x"][1], end["z"][1]])
        exact = np.array([x[-1], z, np.exp(-1), np.exp(-1)])  # at order 1, z = t exp(-t)
        errors.append(abs(found - exact).max())
    assert errors[1] < 0.01 and errors[1] < 0.7 * errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [GrunwaldLetnikov, AdamsBashforthMoulton])
def test_orders_above_one_start_with_a_velocity(kind):
    """y = E_a(-t^a) + t E_{a,2}(-t^a) solves D^a y = -y with y(0) = y'(0) = 1."""
    alpha, errors = np.array([1.2, 1.5, 1.9]), []
    z = -(2.0**alpha)
    exact = mittag_leffler(z, alpha) + 2 * mittag_leffler(z, alpha, 2.0)
    for dt in (0.02, 0.01):
        traj = solve_fde(decay, np.ones(3), [0.0, 2.0], None, kind(alpha, velocity=1.0), dt=dt)
        errors.append(float(abs(traj.ys[-1] - exact).max()))
    assert errors[1] < (0.02 if kind is GrunwaldLetnikov else 1e-4)
    assert errors[1] < 0.6 * errors[0]


def decay(t, y, args):
    return -y


WITH_VELOCITY = pytest.mark.parametrize("kind", [GrunwaldLetnikov, AdamsBashforthMoulton])


@WITH_VELOCITY
def test_a_velocity_where_no_order_is_above_one_is_refused(kind):
    for alpha, velocity in (
        (0.5, 1.0),
        (1.0, np.ones(2)),
        ([0.5, 1.0], 1.0),
        ({"x": 0.5}, 1.0),
        (0.5, {"x": 1.0}),
        ({"x": 0.5, "z": 1.5}, {"x": 1.0}),
        ({"z": 1.5}, {"x": 1.0}),
    ):
        with pytest.raises(ValueError, match="velocity.*belongs to orders above 1, but"):
            kind(alpha, velocity=velocity)
    kind({"x": 0.5, "z": 1.5}, velocity=1.0)
    with pytest.raises(ValueError, match="velocity: there is no 'w'.*Known: x"):
        run(kind(1.5, velocity={"w": 1.0}), 0.1)


@pytest.mark.slow
@WITH_VELOCITY
def test_a_velocity_moves_nothing_of_an_order_of_at_most_one(kind):
    """D^a y = -y from 0 stays there without a velocity; at 1.5 it is t E_{a,2}(-t^a) with it."""

    def end(alpha):
        method = kind(alpha, velocity=1.0)
        return solve_fde(decay, np.zeros(3), [0.0, 2.0], None, method, dt=0.02).ys[-1]

    alpha = np.array([0.5, 1.0, 1.5])
    exact = 2 * float(mittag_leffler(-(2.0**1.5), 1.5, 2.0))
    for found in (end(alpha), jax.jit(end)(alpha)):
        assert (found[:2] == 0).all()
        assert float(found[2]) == pytest.approx(exact, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_gradients_with_respect_to_the_order(kind):
    """Against the derivative of the exact solution, and of the numerical one by differences."""

    def end(alpha, y0=1.0):
        method = kind(alpha)
        return solve_fde(decay, y0, [0.0, 1.0], None, method, dt=0.01, progress=False).ys[-1]

    alpha, h = 0.6, 1e-5
    slope = float(jax.grad(end)(alpha))
    assert slope == pytest.approx(float(end(alpha + h) - end(alpha - h)) / (2 * h), rel=1e-6)
    exact = float(jax.grad(lambda a: mittag_leffler(-1.0, a))(alpha))
    assert slope == pytest.approx(exact, abs=0.02)
    assert float(jax.jvp(end, (alpha,), (1.0,))[1]) == pytest.approx(slope, rel=1e-10)
    assert float(jax.grad(end, 1)(alpha, 1.0)) == pytest.approx(float(end(alpha)), rel=1e-10)


# --- resets -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_a_cleared_memory_starts_anew(kind):
    """Whatever was before: after the reset to 1 it decays as it did from the start."""
    reset = {} if kind is AdamsBashforthMoulton else {"reset": "clear"}
    x = run(kind(ORDERS, **reset), 3.0, model=Relax(clip=0.5))["x"]
    free = run(kind(ORDERS), 3.0)["x"]
    for unit in range(3):
        resets = np.flatnonzero(x[:, unit] == 1.0)
        assert len(resets) >= 2
        period = resets[0] + 1
        expected = np.append(free[: period - 1, unit], 1.0)
        np.testing.assert_allclose(x[: 2 * period, unit], np.tile(expected, 2), rtol=1e-9)


@pytest.mark.slow
def test_a_kept_memory_is_that_of_the_whole_path():
    """The jump is one more increment: against the sum over the recorded path, written out."""
    alpha, dt = 0.6, 0.05
    x = run(L1(alpha, implicit=False), 3.0, dt, model=Relax(clip=0.5))["x"][:, 0]
    path = np.append(1.0, x)
    assert (x == 1.0).sum() >= 2
    from scipy.special import gamma

    for n in range(len(x)):
        lag = np.arange(1, n + 1)
        b = (lag + 1) ** (1 - alpha) - lag ** (1 - alpha)
        memory = (b * np.diff(path[: n + 1])[::-1]).sum()
        expected = path[n] - memory - gamma(2 - alpha) * dt**alpha * path[n]
        assert x[n] == pytest.approx(1.0 if expected < 0.5 else expected, rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_a_refractory_neuron_is_held(kind):
    """Also in a network, and although its memory would move it."""
    neuron = LIF(1, t_ref=3.0)
    method = kind({"E.v": 0.7})
    net = Network({"E": neuron})
    rec = run(method, 60.0, 0.1, net, inputs={"E": 80.0}, record=["E.v", "E.spike"])
    times = np.flatnonzero(rec["E.spike"][:, 0])
    assert len(times) >= 3
    for k in times[:-1]:
        v = rec["E.v"][k : k + 33, 0]
        assert (v[:31] == -65.0).all() and (v[31:] != -65.0).all()


@pytest.mark.slow
def test_after_a_refractory_period_the_memory_starts_anew():
    """For alpha = 1 the order 2 of the method, against the closed form since the last spike."""
    u, t_ref, dts = 30.0, 2.0, [0.5, 0.25]
    on_grid, off_grid = [], []
    for dt in dts:
        method = AdamsBashforthMoulton(1.0)
        neuron = LIF(1, t_ref=t_ref, v_init=-50.01)
        rec = run(method, 70.0, dt, neuron, inputs=u, record=["v", "spike"])
        spikes = np.asarray(rec.spikes("spike").times)
        assert len(spikes) >= 4
        exact = -65 + u - u * np.exp(-(70 - spikes[-1] - t_ref) / 20)
        on_grid.append(abs(float(rec["v"][-1, 0]) - exact))
        # A spike and a release within a step: each period is t_ref + 20 log(30 / 15).
        neuron = LIF(1, t_ref=t_ref, v_init=-50.01, interpolate=True)
        rec = run(method, 70.0, dt, neuron, inputs=u, record=["spike", "early"])
        first = 20 * np.log(15.01 / 15)
        exact = first + np.arange(5) * (t_ref + 20 * np.log(2))
        off_grid.append(abs(np.asarray(rec.spikes("spike").times) - exact).max())
    assert slope(dts, on_grid) == pytest.approx(2, abs=0.15) and on_grid[-1] < 2e-4
    assert slope(dts, off_grid) == pytest.approx(2, abs=0.15) and off_grid[-1] < 2e-3


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("alpha", [0.0, 2.0, -0.5, 2.5, np.nan, {"v": 2.0}, [0.5, 3.0]])
def test_an_order_out_of_range_is_refused(kind, alpha):
    with pytest.raises(ValueError, match="order of the derivative.*between 0 and 2"):
        kind(alpha)


def test_a_state_that_is_one_array_is_called_y():
    with pytest.raises(ValueError, match="alpha: there is no 'x'. Known: y"):
        solve_fde(decay, 1.0, [0.0, 1.0], None, FastL1({"x": 0.5}), dt=0.1)
    with pytest.raises(ValueError, match=r"shape \(3,\).*leaf 'y' of shape \(\)"):
        solve_fde(decay, 1.0, [0.0, 1.0], None, FastL1([0.5] * 3), dt=0.1)


@pytest.mark.slow
def test_the_order_of_a_state_that_is_one_array_can_be_given_by_its_name():
    named, plain = (
        solve_fde(decay, 1.0, [0.0, 1.0], None, FastL1(a, implicit=False), dt=0.1).ys
        for a in ({"y": 0.5}, 0.5)
    )
    assert_identical(named, plain)


@pytest.mark.parametrize("method", [kind(0.5) for kind in ALL] + [DelayRK4(1.0)])
def test_solve_ode_says_where_equations_of_other_kinds_are_solved(method):
    place = "delays: use solve_dde" if isinstance(method, DelayRK4) else "order: use solve_fde"
    with pytest.raises(ValueError, match=f"solve_ode: {type(method).__name__} is for.*{place}"):
        solve_ode(decay, 1.0, [0.0, 1.0], None, method, dt=0.1)


def test_other_bad_input():
    for kind in (L1, FastL1):
        with pytest.raises(ValueError, match=f"{kind.__name__} is for orders.*GrunwaldLetnikov"):
            kind(1.5)
    with pytest.raises(ValueError, match="alpha: there is no 'w'.*Known: x"):
        run(FastL1({"w": 0.5}), 0.1)
    with pytest.raises(ValueError, match=r"shape \(2,\).*leaf 'x' of shape \(3,\)"):
        run(FastL1([0.5, 0.6]), 0.1)
    with pytest.raises(ValueError, match="horizon.*window.*not both"):
        L1(0.5, horizon=1.0, window=1.0)
    with pytest.raises(ValueError, match="'window' must be a positive"):
        L1(0.5, window=-1.0)
    with pytest.raises(ValueError, match="'reset' must be one of"):
        FastL1(0.5, reset="forget")
    with pytest.raises(ValueError, match="'tol' must lie between"):
        FastL1(0.5, tol=0.0)
    with pytest.raises(ValueError, match="'method' must be.*fractional.*solve_ode"):
        solve_fde(decay, 1.0, [0.0, 1.0], None, ExponentialEuler(), dt=0.1)
    with pytest.raises(ValueError, match="FastL1 is for equations without noise"):
        simulate(LIF(1, sigma=1.0), 1.0, dt=0.1, solver=FastL1(0.5))
    with pytest.raises(ValueError, match="alpha.*must be a number"):
        L1("half")


@pytest.mark.slow
def test_a_blow_up_names_time_and_leaf():
    """D^a x = x^2 from 1 leaves every bound in finite time."""

    def square(t, y, args):
        return {"x": y["x"] ** 2}

    method = AdamsBashforthMoulton(0.8)
    with pytest.raises(FloatingPointError, match="no longer finite at t = .*'x'.*smaller dt"):
        solve_fde(square, {"x": 1.0}, [0.0, 5.0], None, method, dt=0.01, progress=False)
