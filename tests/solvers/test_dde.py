"""Delay equations: orders, tolerances, kinds of delays, networks, bad input."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_identical, counting, slope

from fdyn import AbstractComponent, Network, State, param, simulate
from fdyn.components import Args, ConstantHistory
from fdyn.components._history import ExponentialHistory
from fdyn.solvers import RK4, DelayRK4, _solve_dde, solve_dde
from fdyn.solvers._breaking_points import breaking_points

# dy/dt = -y(t - tau) has the solutions exp(k t), k = -exp(-k tau): smooth, so a past of this form
# has no breaking points, and the solution is known at all times.
TAUS = np.array([0.2, 0.05, 0.3])


def exponent(tau):
    k = -1.0
    for _ in range(200):
        k = k - (k + np.exp(-k * tau)) / (1 - tau * np.exp(-k * tau))
    assert abs(k + np.exp(-k * tau)) < 1e-14
    return k


RATES = np.array([exponent(tau) for tau in TAUS])


def linear(t, tau):
    """y' = -y(t - tau) from y = 1: the sum of (-1)^k (t - (k - 1) tau)_+^k / k!."""
    total, factorial, k = 1.0, 1.0, 1
    while t - (k - 1) * tau > 0:
        factorial *= k
        total += (-1) ** k * (t - (k - 1) * tau) ** k / factorial
        k += 1
    return total


def feedback(t, y, tau, hist):
    return -hist(tau)


class Delayed(AbstractComponent):
    """x' = -x(t - tau), for use in simulate."""

    tau: jax.Array = param(1.0, unit="ms", doc="delay")
    units = {"x": "1"}

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1)}, {})

    def flow(self, t, y, args):
        return {"x": -args.hist(self.tau, "x")}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


# --- without compiling --------------------------------------------------------------------------


def test_breaking_points_are_the_sums_of_the_delays():
    points = np.asarray(breaking_points([1.0, 0.25], (), 2.0, 4.0, 1, False))
    # Two generations (order + 1) after the start at 2, and none beyond the end.
    assert points[np.isfinite(points)].tolist() == [2.25, 2.5, 3.0, 3.25]
    neutral = np.asarray(breaking_points([0.5], [1.75], 0.0, 2.2, 1, True))
    assert neutral[np.isfinite(neutral)].tolist() == [0.5, 1.0, 1.5, 1.75, 2.0]
    before = np.asarray(breaking_points([1.0], [-0.75], 0.0, 2.0, 1, False))
    assert before[np.isfinite(before)].tolist() == [0.25, 1.0, 1.25]


def test_breaking_points_follow_the_delays():
    find = lambda d: breaking_points(d, (), 0.0, 2.0, 2, False)[:3]  # noqa: E731
    tau = jnp.array([0.6])
    np.testing.assert_allclose(jax.jacobian(find)(tau)[:, 0], [1, 2, 3])
    np.testing.assert_allclose(jax.jit(find)(tau), [0.0, 0.6, 1.2])


@pytest.mark.parametrize("delays", [0.0, -1.0, [1.0, np.nan], np.inf])
def test_constant_delays_are_positive(delays):
    with pytest.raises(ValueError, match="'delays' must be positive"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, delays=delays)


def test_too_many_sums_of_delays_are_refused():
    with pytest.raises(ValueError, match="sums.*name only those"):
        breaking_points(0.1 + 0.001 * np.arange(12), (), 0.0, 10.0, 5, False)


def test_histories_know_leaves_lags_and_children():
    y = {"a": {"x": jnp.arange(3.0)}, "b": jnp.ones(())}
    hist, zero = ConstantHistory(y), jnp.zeros(())
    assert hist(1.0, "a.x").tolist() == hist.child("a")(1.0, "x").tolist() == [0, 1, 2]
    assert jax.tree.structure(hist(2.0)) == jax.tree.structure(y)
    assert hist(jnp.ones((4, 3)), "a.x").shape == (4, 3)
    assert hist.derivative(1.0, "b").tolist() == 0
    with pytest.raises(ValueError, match="no 'c'"):
        hist(1.0, "c")
    pair = ConstantHistory((zero + 2, {"x": [zero + 3]}))
    assert pair(1.0, 0) == pair(1.0, "0") == 2 and pair(1.0, "1.x.0") == 3
    for wrong in (2, -1, True, "1"):
        with pytest.raises(ValueError, match=rf"no '{wrong}'.*1\.x\.0"):
            pair(1.0, wrong)
    with pytest.raises(ValueError, match="single array.*leave the name out"):
        ConstantHistory(zero)(1.0, 0)
    wave = ExponentialHistory({"x": zero + 2}, {"x": zero + 1}, {"x": zero}, zero + 0.5, zero + 3)
    z = np.exp(-(0.5 + 3j) * 0.7)
    assert float(wave(0.7, "x")) == pytest.approx(2 + z.real)
    assert float(wave.derivative(0.7, "x")) == pytest.approx(((0.5 + 3j) * z).real)


def test_a_flow_without_its_past_says_what_to_do():
    with pytest.raises(ValueError, match="DelayRK4.*solve_dde"):
        simulate(Delayed(), 1.0, dt=0.1, solver=RK4())


def test_a_history_must_be_like_the_state():
    with pytest.raises(ValueError, match="'history' must give a tree like the state"):
        simulate(Delayed(), 1.0, dt=0.1, solver=DelayRK4(1.0, history=lambda t: t))
    with pytest.raises(ValueError, match="'history', leaf 'x', has shape"):
        simulate(Delayed(), 1.0, dt=0.1, solver=DelayRK4(1.0, history={"x": jnp.ones(4)}))
    with pytest.raises(ValueError, match="leave out that of DelayRK4"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, DelayRK4(1.0, history=1.0), dt=0.1)


def test_a_neutral_equation_needs_the_derivative_of_its_past():
    class Neutral(AbstractComponent):
        def init(self, *, key, dt):
            return State({"x": jnp.ones(1)}, {})

        def flow(self, t, y, args):
            return {"x": -y["x"] + 0.5 * args.hist.derivative(1.0, "x")}

        def jump(self, t, y, args, *, dt, key):
            return y, args.mem, {}

    with pytest.raises(ValueError, match="derivative of the past.*history"):
        simulate(Neutral(), 1.0, dt=0.1, solver=DelayRK4(1.0))

    def rough(t):
        return jax.pure_callback(np.cos, jax.ShapeDtypeStruct((), t.dtype), t)

    with pytest.raises(ValueError, match="neutral.*no derivative"):
        solve_dde(lambda t, y, a, h: h.derivative(1.0), rough, [0.0, 1.0])


def test_the_span_is_at_least_one_step():
    with pytest.raises(ValueError, match="span = 0.05 ms is shorter than one step"):
        simulate(Delayed(), 1.0, dt=0.1, solver=DelayRK4(0.05))
    with pytest.raises(ValueError, match="'span' must be a positive"):
        DelayRK4(0.0)


def test_methods_and_options_must_fit():
    with pytest.raises(ValueError, match="give their size as dt"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, DelayRK4(1.0))
    with pytest.raises(ValueError, match="'rtol'.*do not apply"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, DelayRK4(1.0), dt=0.1, rtol=1e-3)
    with pytest.raises(ValueError, match="does not tell its error"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, diffrax.Euler())
    with pytest.raises(ValueError, match="RK4 does not look up the past.*DelayRK4"):
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, RK4())
    mixed = {"x": jnp.float32(1.0), "y": jnp.float64(1.0)}
    with pytest.raises(ValueError, match="same precision"):
        solve_dde(lambda t, y, a, h: y, mixed, [0.0, 1.0])


# --- orders and tolerances ----------------------------------------------------------------------


def errors_at(dts, tau, **kwargs):
    # So late that the solution is no longer a polynomial that the method reproduces.
    ends = [
        solve_dde(feedback, 1.0, [0.0, 6.0], tau, DelayRK4(2.0), dt=dt, **kwargs).ys[-1]
        for dt in dts
    ]
    return [abs(float(y) - linear(6.0, tau)) for y in ends]


@pytest.mark.slow
def test_order_four_with_delays_on_the_grid_and_with_steps_cut_at_breaking_points():
    dts = [0.1, 0.05, 0.025]
    assert slope(dts, errors_at(dts, 0.5)) == pytest.approx(4, abs=0.15)
    # A delay off the grid: steps that end at the breaking points keep the order, others lose it.
    # (In units of each dt it lies at one third or two thirds of a step.)
    dts, tau = [0.05, 0.025, 0.0125], 0.7 + 0.1 / 3
    named = errors_at(dts, tau, delays=tau)
    assert slope(dts, named) == pytest.approx(4, abs=0.15)
    # (At a third of a step Simpson's rule happens to be exact for a kink, so elsewhere.)
    rough = errors_at(dts, 0.77)
    assert slope(dts, rough) < 3 and rough[-1] > 100 * named[-1]


@pytest.mark.slow
def test_order_four_of_a_neutral_equation_on_the_grid():
    # y' = y + y(t - 1) - 2 y'(t - 1) from y = -t is t - 2 + 2 exp(t) up to 1.
    f = lambda t, y, a, h: y + h(1.0) - 2 * h.derivative(1.0)  # noqa: E731
    dts, errors = [0.1, 0.05, 0.025], []
    for dt in dts:
        traj = solve_dde(f, lambda t: -t, [0.0, 1.0, 2.0], None, DelayRK4(1.0), dt=dt, delays=1.0)
        assert float(traj.ys[1]) == pytest.approx(2 * np.e - 1, abs=20 * dt**4)
        errors.append(abs(float(traj.ys[2]) - 0.46842122710702905))
    assert slope(dts, errors) == pytest.approx(4, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_the_tolerance_is_held(named):
    """Over pieces that are not smooth, whether or not their ends are known."""
    steps = []
    for rtol in (1e-4, 1e-6, 1e-8):
        delays = 1.0 if named else ()
        traj = solve_dde(
            feedback, 1.0, [0.0, 2.5, 6.0], 1.0, delays=delays, rtol=rtol, atol=rtol / 10
        )
        exact = [linear(t, 1.0) for t in (2.5, 6.0)]
        np.testing.assert_allclose(traj.ys[1:], exact, atol=2 * rtol)
        dense = traj(jnp.array([0.7, 1.9, 4.4]))
        exact = [linear(t, 1.0) for t in (0.7, 1.9, 4.4)]
        np.testing.assert_allclose(dense, exact, atol=2 * rtol)
        steps.append(traj.stats["steps"] + traj.stats["rejected"])
    assert steps == sorted(steps) and steps[-1] < (200 if named else 400)


# --- kinds of delays ----------------------------------------------------------------------------


@pytest.mark.slow
def test_one_lag_per_element_and_steps_longer_than_the_lags():
    past = lambda t: jnp.exp(jnp.asarray(RATES) * t)  # noqa: E731
    ts = [0.0, 1.0, 2.0]
    exact = np.exp(RATES * np.array(ts)[:, None])
    long = solve_dde(feedback, past, ts, jnp.asarray(TAUS), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(long.ys, exact, atol=1e-7)
    # The shortest lag is 0.05: steps are longer, so they look themselves up.
    assert long.stats["repeated"] > 0 and 2.0 / long.stats["steps"] > 0.05
    fixed = solve_dde(feedback, past, ts, jnp.asarray(TAUS), DelayRK4(0.3), dt=0.01)
    np.testing.assert_allclose(fixed.ys, exact, atol=1e-8)

    def pairs(t, y, lags, hist):
        """Sum over j of y_j(t - lag_ij), by one call; and what it differs by from nine calls."""
        at_once = hist(lags)[:, :3].sum(axis=1)
        one_by_one = [sum(hist(lags[i, j])[j] for j in range(3)) for i in range(3)]
        return jnp.concatenate([-at_once, at_once - jnp.stack(one_by_one)])

    lags = jnp.concatenate([jnp.asarray(np.add.outer(TAUS, TAUS)), jnp.ones((3, 3))], axis=1)
    start = lambda t: jnp.concatenate([past(t), jnp.zeros(3)])  # noqa: E731
    ends = [
        solve_dde(pairs, start, [0.0, 1.0], lags, method, **options).ys[-1]
        for method, options in ((diffrax.Tsit5(), {}), (DelayRK4(1.0), {"dt": 0.05}))
    ]
    np.testing.assert_allclose(ends[0][3:], 0, atol=1e-12)
    np.testing.assert_allclose(ends[1][3:], 0, atol=1e-12)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-2)
    assert abs(float(ends[0][0]) - 1) > 0.1


@pytest.mark.slow
def test_old_steps_are_forgotten_where_the_longest_delay_is_known(monkeypatch):
    monkeypatch.setattr(_solve_dde, "_CAPACITY", 32)
    ts = [0.0, 2.0, 7.0, 12.0]
    options = {"delays": 1.0, "rtol": 1e-8, "atol": 1e-10}
    whole = solve_dde(feedback, 1.0, ts, 1.0, **options)
    short = solve_dde(feedback, 1.0, ts, 1.0, span=1.0, **options)
    assert whole.stats == short.stats and whole.stats["steps"] > 60
    np.testing.assert_array_equal(whole.ys, short.ys)
    np.testing.assert_allclose(whole.ys, [linear(t, 1.0) for t in ts], atol=1e-6)
    with pytest.raises(ValueError, match="no dense output"):
        short(1.0)
    with pytest.raises(RuntimeError, match="longer than span = 0.3 ms.*larger span"):
        solve_dde(feedback, 1.0, ts, 1.0, span=0.3, **options)


@pytest.mark.slow
def test_runs_that_cannot_reach_their_end_say_where_and_why():
    message = r"asks for the future\. Look at the lags and the parameters\. With"
    with pytest.raises(RuntimeError, match=message):
        solve_dde(lambda t, y, a, h: h(1.0 - t), 1.0, [0.0, 2.0])
    early = solve_dde(lambda t, y, a, h: h(1.0 - t), 1.0, [0.0, 0.5, 2.0], throw=False)
    assert not early.status.ok and early.ys.shape == (2,)
    assert early.status.time == pytest.approx(1.0, abs=1e-6)
    # x' = x^2 + 0 x(t - 1) is infinite at t = 1.
    blow = lambda t, y, a, h: {"v": y["v"] ** 2 + 0 * h(1.0, "v")}  # noqa: E731
    with pytest.raises(FloatingPointError, match="'v' does not stay finite"):
        solve_dde(blow, {"v": 1.0}, [0.0, 2.0])
    with pytest.raises(RuntimeError, match="max_steps = 5 were not enough"):
        solve_dde(feedback, 1.0, [0.0, 9.0], 1.0, max_steps=5)


@pytest.mark.slow
def test_fixed_steps_refuse_delays_that_they_cannot_serve():
    for tau, what in ((0.05, "shorter than the step"), (0.0, "shorter than"), (1.5, "longer")):
        with pytest.raises(Exception, match=what):
            solve_dde(feedback, 1.0, [0.0, 1.0], tau, DelayRK4(1.0), dt=0.1)
    with pytest.raises(Exception, match="more than cuts = 1 breaks lie within one step"):
        method = DelayRK4(1.0, breaks=[0.12, 0.15], cuts=1)
        solve_dde(feedback, 1.0, [0.0, 1.0], 1.0, method, dt=0.1)


# --- one machinery ------------------------------------------------------------------------------


@pytest.mark.slow
def test_simulate_and_networks_hand_on_the_past():
    solver = DelayRK4(1.0, history=lambda t: {"x": 1 + 0 * t[None]})
    one = simulate(Delayed(tau=0.8), 3.0, dt=0.1, solver=solver, record="x")
    assert abs(float(one["x"][-1, 0]) - linear(3.0, 0.8)) < 1e-6
    inner = Network({"p": Delayed(tau=0.8), "q": Delayed(tau=0.5)})
    net = Network({"a": inner, "b": Delayed(tau=1.0)})
    run = lambda **k: simulate(net, k.pop("t"), dt=0.1, solver=DelayRK4(1.0), **k)  # noqa: E731
    rec = run(t=3.0, record=["a.p.x", "a.q.x", "b.x"])
    for path, tau in (("a.p.x", 0.8), ("a.q.x", 0.5), ("b.x", 1.0)):
        assert abs(float(rec[path][-1, 0]) - linear(3.0, tau)) < 2e-6, path
    first = run(t=1.3)
    second = run(t=1.7, state=first.state)
    assert_identical(second.state.model, rec.state.model)


@pytest.mark.slow
def test_a_second_run_compiles_nothing():
    def f(t, y, tau, hist):
        return -hist(tau)

    def both(tau, rtol, dt):
        solve_dde(f, 1.0, [0.0, 2.0], tau, delays=tau, rtol=rtol)
        solve_dde(f, 1.0, [0.0, 2.0], tau, DelayRK4(1.0), dt=dt, delays=tau)

    both(0.5, 1e-6, 0.1)
    with counting() as counts:
        both(0.6, 1e-5, 0.1)
    assert counts["compilations"] == 0, counts


@pytest.mark.slow
def test_single_precision(float32):
    traj = solve_dde(feedback, 1.0, [0.0, 2.5, 6.0], 1.0, delays=1.0)
    assert traj.ys.dtype == jnp.float32
    np.testing.assert_allclose(traj.ys[1:], [linear(2.5, 1.0), linear(6.0, 1.0)], atol=2e-5)
    fixed = solve_dde(feedback, 1.0, [0.0, 2.5, 6.0], 1.0, DelayRK4(1.0), dt=0.05)
    assert fixed.ys.dtype == jnp.float32
    np.testing.assert_allclose(fixed.ys[1:], [linear(2.5, 1.0), linear(6.0, 1.0)], atol=1e-5)


@pytest.mark.slow
def test_an_implicit_solver_takes_stiff_equations():
    """x' = -k (x - x(t - 1)) with k = 1e4: x follows what it was; an explicit method crawls."""
    f = lambda t, y, k, h: -k * (y - jnp.cos(t)) + 0 * h(1.0)  # noqa: E731
    stiff = solve_dde(f, 1.0, [0.0, 3.0], 1e4, diffrax.Kvaerno5(), rtol=1e-5, atol=1e-7)
    assert float(stiff.ys[-1]) == pytest.approx(np.cos(3.0), abs=1e-3)
    assert stiff.stats["steps"] < 500


def test_the_past_is_part_of_the_arguments_of_a_flow():
    """The flow of a model is a plain function, also with a past that a user gives."""
    model = Delayed(tau=0.3)
    args = Args({}, hist=ConstantHistory({"x": jnp.array([4.0])}))
    assert model.flow(jnp.zeros(()), {"x": jnp.ones(1)}, args)["x"].tolist() == [-4.0]


def test_what_does_not_fit_is_named_before_anything_runs():
    args: Any = (feedback, 1.0, [0.0, 1.0], 1.0)
    with pytest.raises(ValueError, match="RK4 does not look up the past.*DelayRK4"):
        solve_dde(*args, RK4(), dt=0.1)  # pyright: ignore
    for options in ({"dt": 0.0}, {"dt": np.nan}, {"max_steps": 0}):
        with pytest.raises(ValueError, match=f"'{next(iter(options))}' must be a positive"):
            solve_dde(*args, **options)
    with pytest.raises(FloatingPointError, match="not finite at the start"):
        solve_dde(feedback, np.nan, [0.0, 1.0], 1.0)


@pytest.mark.slow
def test_an_implicit_solver_holds_the_usual_tolerances_of_single_precision(float32):
    f = lambda t, y, k, h: -k * y + 0 * h(1.0)  # noqa: E731
    traj = solve_dde(f, 1.0, [0.0, 1.0], 1.3, diffrax.Kvaerno5(), max_steps=100)
    assert float(traj.ys[-1]) == pytest.approx(np.exp(-1.3), rel=2e-5)
