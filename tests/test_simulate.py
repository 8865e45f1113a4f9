"""`simulate`: inputs, compilation, failures, transformations."""

import resource

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest
from cases import case
from helpers import assert_identical, counting, recurrent, squid

from fdyn import AbstractComponent, Network, Record, Spikes, State, replace, simulate
from fdyn.components import LIF, ConstantInput, MorrisLecar, PoissonInput
from fdyn.solvers import RK4, Euler, EulerMaruyama

DT = 0.1


class NoPopulation(AbstractComponent):
    """No population: it has no size."""

    def init(self, *, key, dt):
        return State({"x": jnp.zeros(2)}, {})

    def flow(self, t, y, args):
        return y

    def jump(self, t, y, args, *, dt, key):
        return y, {}, {"x": y["x"]}


# --- inputs ----------------------------------------------------------------------------------


def test_all_forms_of_an_input_are_the_same_input():
    n, steps, neurons = 3, 40, LIF(3)
    t = np.arange(steps) * DT
    course = 20 * np.sin(t)
    forms = {
        "[steps]": course,
        "[steps, size]": np.repeat(course[:, None], n, 1),
        "list": course.tolist(),
        "jax": jnp.asarray(course),
        "function": lambda t: 20 * jnp.sin(t),
        "function of all": lambda t: 20 * jnp.sin(t) * jnp.ones(n),
    }
    runs = {
        k: simulate(neurons, steps * DT, dt=DT, inputs=v, record="v")["v"] for k, v in forms.items()
    }
    expected = np.zeros(n)
    for u in course:
        expected = u + (expected - u) * np.exp(-DT / 20)
    for name, v in runs.items():
        np.testing.assert_allclose(v[-1] + 65, expected, rtol=1e-10, err_msg=name)


def test_all_forms_of_a_constant_are_the_same():
    forms = (
        7.0,
        7,
        np.float32(7),
        jnp.array(7),
        lambda t: 7.0,
        ConstantInput(2, 7.0),
        np.full(30, 7),
    )
    runs = [simulate(LIF(2), 3.0, dt=DT, inputs=u, record="v")["v"] for u in forms]
    for v in runs[1:]:
        np.testing.assert_allclose(v, runs[0], rtol=1e-14)
    apart = simulate(LIF(2), 3.0, dt=DT, inputs=ConstantInput(2, [7.0, 0.0]), record="v")["v"]
    np.testing.assert_allclose(apart[:, 0], runs[0][:, 0], rtol=1e-14)
    assert (apart[:, 1] == -65).all()


def test_inputs_reach_nested_networks_by_path_and_nothing_else():
    area = Network({"E": LIF(2), "I": LIF(2)})
    net = Network({"V1": area, "V2": area})
    run = simulate(
        net,
        3.0,
        dt=DT,
        inputs={"V1.E": 7.0, "V2.I": np.full((30, 2), 7.0)},
        record=["V1.E.v", "V1.I.v", "V2.E.v", "V2.I.v"],
    )
    alone = simulate(LIF(2), 3.0, dt=DT, inputs=7.0, record="v")["v"]
    for name, expected in (("V1.E", alone), ("V2.I", alone), ("V1.I", -65.0), ("V2.E", -65.0)):
        np.testing.assert_allclose(run[name + ".v"], expected + 0 * alone, rtol=1e-14)


def test_quantities_set_the_times():
    u = pint.UnitRegistry()
    a = simulate(LIF(1, tau=0.02 * u.s), 0.05 * u.s, dt=100 * u.us, inputs=20.0, record="v")
    b = simulate(LIF(1), 50.0, dt=DT, inputs=20.0, record="v")
    np.testing.assert_array_equal(a["v"], b["v"])
    with pytest.raises(ValueError, match="'dt' is measured in 'ms'.*mV|'dt'.*volt"):
        simulate(LIF(1), 1.0, dt=1 * u.mV)
    with pytest.raises(ValueError, match="'inputs' takes a plain number.*nanoampere"):
        simulate(LIF(1), 1.0, dt=DT, inputs=1 * u.nA)


@pytest.mark.parametrize(
    ("model", "inputs", "match"),
    [
        (LIF(3), {"a": 1.0}, "'inputs' of a single LIF is the input itself"),
        (Network({"a": LIF(3)}), 1.0, "dictionary from path to input.*'a'.*float"),
        (Network({"Exc": LIF(3)}), {"Exk": 1.0}, "inputs: there is no 'Exk'.*mean 'Exc'"),
        (Network({"a": LIF(3)}), {"a.v": 1.0}, "'a.v'.*part of LIF"),
        (Network({"A": Network({"a": LIF(3)})}), {"A": 1.0}, "'A'.*not of a network"),
        (Network({"a": LIF(3)}), {1: 1.0}, "a path is text.*got 1"),
        (
            Network({"a": PoissonInput(3, 1.0)}),
            {"a": 1.0},
            r"inputs\['a'\]: a PoissonInput takes no",
        ),
        (LIF(3), np.zeros(9), r"one row per step, 10; got shape \(9,\).*ConstantInput"),
        (LIF(3), np.zeros((10, 2)), r"each row of 'inputs'.*\(3,\).*\(2,\)"),
        (LIF(3), np.zeros((10, 3, 1)), r"each row of 'inputs'.*\(3,\).*\(3, 1\)"),
        (LIF(3), lambda t: jnp.zeros(2), r"value of the input function.*\(3,\).*\(2,\)"),
        (LIF(3), float("nan"), "must be finite, got nan"),
        (
            LIF(3),
            np.r_[np.zeros(4), np.inf, np.zeros(5)],
            r"must be finite, got inf at index \[4\]",
        ),
        (LIF(3), PoissonInput(1, 1.0), "one unit per unit of the LIF, 3; it has 1"),
        (LIF(3), LIF(2), "one unit per unit of the LIF, 3; it has 2"),
        (LIF(3), "strong", "a number, an array over time.*got str"),
        (LIF(3), Network({"a": LIF(3)}), "got Network"),
    ],
)
def test_bad_inputs(model, inputs, match):
    with pytest.raises(ValueError, match=match):
        simulate(model, 1.0, dt=DT, inputs=inputs)


GOOD = {"model": LIF(1), "duration": 1.0, "dt": DT}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dt": 0.0}, "'dt' must be a positive.*0.0"),
        ({"dt": -0.1}, "'dt' must be a positive.*-0.1"),
        ({"dt": float("nan")}, "'dt'.*nan"),
        ({"dt": float("inf")}, "'dt'.*inf"),
        ({"dt": "small"}, "'dt' must be a number of ms, got 'small'"),
        ({"duration": -1.0}, "'duration'.*-1"),
        ({"duration": float("nan")}, "'duration'.*nan"),
        ({"duration": 1.05}, "duration is 1.05 ms, .*dt = 0.1 ms: the nearest are 1 and 1.1 ms"),
        ({"duration": 1e12}, "fewer than 2147483647 steps, got 10000000000000"),
        ({"model": 3}, "'model' must be an AbstractComponent, got int"),
        ({"model": LIF}, "'model' must be an AbstractComponent"),
        ({"solver": Euler}, r"'solver' must be a solver of fdyn.solvers.*\(an instance\)"),
        ({"solver": "rk4"}, "'solver'.*got 'rk4'"),
        ({"solver": diffrax.Tsit5()}, "'solver'.*Tsit5.*fdyn.solve"),
        ({"key": 3}, r"'key' must be one random key.*jax.random.key\(0\).*int 3"),
        ({"key": jax.random.split(jax.random.key(0), 2)}, r"'key'.*vmap.*\[2\]"),
        ({"chunk": 0}, "'chunk' must be a positive.*0"),
        ({"chunk": 2.5}, "'chunk'.*2.5"),
        ({"chunk": "a"}, "'chunk'.*'a'"),
        ({"state": {"v": 1.0}}, "'state' must be a State.*dict"),
        (
            {"state": simulate(LIF(2), 1.0, dt=DT).state},
            r"'state' does not belong to this LIF.*\[1\].*\[2\]",
        ),
        (
            {"state": simulate(MorrisLecar(1), 1.0, dt=DT).state},
            "'state' does not belong to this LIF",
        ),
        ({"state": State({"v": jnp.zeros(1, jnp.float32)}, {})}, "'state' does not belong"),
    ],
)
def test_bad_arguments(change, match):
    with pytest.raises(ValueError, match=match):
        simulate(**{**GOOD, **change})


def test_rings_of_another_step_do_not_fit():
    first = simulate(recurrent(), 1.0, dt=DT)
    with pytest.raises(
        ValueError, match=r"keeps its dt.*'mem.rings.E.values': needed.*\[15, 8\].*\[8, 8\]"
    ):
        simulate(recurrent(), 1.0, dt=0.05, state=first.state)


def test_a_component_whose_step_changes_its_state_is_told_which_leaf():
    class Growing(AbstractComponent):
        def init(self, *, key, dt):
            return State({"x": jnp.zeros(2)}, {})

        def flow(self, t, y, args):
            return {"x": y["x"]}

        def jump(self, t, y, args, *, dt, key):
            return {"x": y["x"].astype(jnp.float32)}, args.mem, {}

    with pytest.raises(ValueError, match=r"'y.x': was float64\[2\], is float32\[2\]"):
        simulate(Growing(), 1.0, dt=DT)


def test_no_steps_is_no_error():
    rec = [Record("v"), Record("refractory", every=None, reduce="mean"), Spikes("spike")]
    run = simulate(LIF(2), 0.0, dt=DT, record=rec)
    assert run.ts.shape == (0,) and run["v"].shape == (0, 2) and run["refractory"].shape == (0, 2)
    assert run.spikes("spike").times.shape == (0,) and run.status.ok
    inside = jax.jit(lambda: simulate(LIF(2), 0.0, dt=DT, record=rec[:2]))()
    assert inside["v"].shape == (0, 2) and inside["refractory"].shape == (0, 2)


# --- one compiled program ----------------------------------------------------------------------


def test_new_values_trace_and_compile_nothing():
    kwargs = {"record": ["v", "spike", Record("v", index=[0, 2], every=5, reduce="mean")][:2]}
    start = LIF(3).init(key=jax.random.key(0), dt=DT)
    moved = State({"v": start.y["v"] + 1}, start.mem)
    drive = np.linspace(0, 30, 100)

    def warm(model, **more):
        return simulate(
            model, more.pop("duration", 10.0), **{"dt": DT, "inputs": 20.0, **kwargs, **more}
        )

    warm(LIF(3))
    warm(LIF(3), inputs=drive)
    warm(LIF(3), inputs=PoissonInput(3, 500.0, 30.0))
    with counting() as counts:
        runs = [
            warm(LIF(3, tau=15.0, v_th=-52.0)),
            warm(replace(LIF(3), lambda m: m.tau, 11)),
            warm(LIF(3), inputs=25.0),
            warm(LIF(3), inputs=25),
            warm(LIF(3), key=jax.random.key(9)),
            warm(LIF(3), dt=0.05),
            warm(LIF(3), duration=37.3),
            warm(LIF(3), state=moved),
            warm(LIF(3), inputs=np.linspace(0, 40, 200), duration=20.0),
            warm(LIF(3), inputs=PoissonInput(3, 100.0, 40.0), key=jax.random.key(3)),
        ]
        runs.append(warm(LIF(3), state=runs[0].state))
    assert counts == {"traces": 0, "compilations": 0}
    assert len({float(r["v"][-1, 0]) for r in runs}) >= 9  # they are different runs


def test_the_python_of_a_model_does_not_run_again():
    calls = []

    class Counted(AbstractComponent):
        rate: jax.Array

        def init(self, *, key, dt):
            return State({"x": jnp.ones(2)}, {})

        def flow(self, t, y, args):
            calls.append(1)
            return {"x": -self.rate * y["x"]}

        def jump(self, t, y, args, *, dt, key):
            return y, args.mem, {"out": y["x"]}

    for i in range(4):
        simulate(Counted(jnp.array(1.0 + i)), 1.0 + i, dt=DT, record="x")
        if i == 0:
            first = len(calls)
    assert len(calls) == first > 0


@pytest.mark.slow
def test_many_runs_do_not_fill_the_memory():
    net = recurrent()

    def run(i):
        simulate(net, 20.0 + i % 7, dt=DT, key=jax.random.key(i), record=["E.v", "I.spike"])

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    for i in range(10):
        run(i)
    before = peak()
    for i in range(100):
        run(i)
    assert peak() - before < 50


# --- transformations -------------------------------------------------------------------------


def test_inside_jit_the_numbers_are_the_same():
    net = recurrent()
    kwargs = {
        "dt": DT,
        "inputs": {"E": np.linspace(0, 30, 100)},
        "record": [
            "E.v",
            Record("I.v", every=7, reduce="mean"),
            Record("E_I.g", every=None, reduce="max"),
        ],
    }
    eager = simulate(net, 10.0, **kwargs)
    inside = eqx.filter_jit(lambda m: simulate(m, 10.0, **kwargs))(net)
    constant = jax.jit(lambda: simulate(net, 10.0, **kwargs))()
    for run in (inside, constant):
        assert bool(run.status.ok)
        np.testing.assert_allclose(run.ts, eager.ts, rtol=1e-14)
        for name in ("E.v", "I.v", "E_I.g"):
            assert run[name].shape == eager[name].shape
            np.testing.assert_allclose(run[name], eager[name], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(run.times("I.v"), eager.times("I.v"), rtol=1e-14)
        assert run.unit("E.v") == "mV"


def test_gradients_of_a_run_are_those_of_the_closed_form():
    """v(T) = v_rest + r u (1 - exp(-T / tau)), by parameter, by input and through a function."""
    duration, u = 10.0, 9.0
    decay = np.exp(-duration / 20)

    def end(model, u):
        return simulate(model, duration, dt=DT, inputs=u, record="v")["v"][-1, 0]

    by_model, by_input = eqx.filter_grad(lambda both: end(*both))((LIF(1), jnp.array(u)))
    assert float(by_model.r) == pytest.approx(u * (1 - decay))
    assert float(by_model.tau) == pytest.approx(-u * decay * duration / 20**2)
    assert float(by_model.v_rest) == pytest.approx(1.0)
    assert float(by_input) == pytest.approx(1 - decay)
    caught = jax.grad(lambda a: end(LIF(1), lambda t: a * jnp.ones(1)))(u)
    assert float(caught) == pytest.approx(1 - decay)
    series = jax.grad(lambda x: end(LIF(1), x))(jnp.full(100, u))
    weights = (1 - np.exp(-DT / 20)) * np.exp(-(duration - DT * np.arange(1, 101)) / 20)
    np.testing.assert_allclose(series, weights, rtol=1e-10)
    ahead = jax.jvp(lambda u: end(LIF(1), u), (u,), (1.0,))[1]
    assert float(ahead) == pytest.approx(1 - decay)


def test_a_recorded_function_may_catch_a_traced_value():
    def loss(target):
        def gap(t, state, out):
            return (state.y["v"] - target) ** 2

        run = simulate(LIF(2), 1.0, dt=DT, record={"gap": Record(gap, every=None, reduce="mean")})
        return run["gap"].sum()

    assert float(jax.grad(loss)(-60.0)) == pytest.approx(20.0)


def test_an_ensemble_of_models_by_vmap():
    taus = jnp.array([5.0, 10.0, 20.0])
    models = eqx.filter_vmap(lambda tau: LIF(2, tau=tau))(taus)
    batch = eqx.filter_vmap(lambda m: simulate(m, 5.0, dt=DT, inputs=9.0, record="v")["v"])(models)
    for tau, v in zip(taus, batch, strict=True):
        one = simulate(LIF(2, tau=tau), 5.0, dt=DT, inputs=9.0, record="v")["v"]
        np.testing.assert_allclose(v, one, rtol=1e-13)


def test_times_and_indices_are_refused_where_sizes_must_be_known():
    with pytest.raises(ValueError, match="'spike'.*no fixed size.*densely"):
        jax.jit(lambda u: simulate(LIF(1), 1.0, dt=DT, inputs=u, record=Spikes("spike")))(1.0)
    with pytest.raises(ValueError, match="'duration' must be a known number"):
        jax.jit(lambda d: simulate(LIF(1), d, dt=DT).ts)(1.0)


# --- what goes wrong -------------------------------------------------------------------------


class Explosive(AbstractComponent):
    """dx/dt = x^2 from 1 is infinite at t = 1; Euler's method gets there a little later."""

    size: int = 2

    def init(self, *, key, dt):
        return State({"x": jnp.array([0.1, 1.0]), "calm": jnp.zeros(2)}, {})

    def flow(self, t, y, args):
        return {"x": y["x"] ** 2, "calm": 0 * y["calm"]}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"out": y["x"]}


def explosion(dt):
    """The numbers of steps, and the values, that Euler's method makes before infinity."""
    x, values = 1.0, []
    while np.isfinite(x) and x < 1e308:
        with np.errstate(over="ignore"):
            x = x + dt * np.float64(x) ** 2
        values.append(x)
    return values[:-1] if not np.isfinite(values[-1]) else values


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_the_first_bad_leaf_and_the_valid_prefix(chunk):
    valid = explosion(DT)
    kwargs = {"dt": DT, "chunk": chunk, "solver": Euler()}
    record = ["x", Record("x", every=None, reduce="max"), Record("x", every=4)]
    record = {"x": "x", "max": record[1], "every": record[2], "spikes": Spikes("x")}
    run = simulate(Explosive(), 10.0, throw=False, record=record, **kwargs)
    assert not run.status.ok and run.status.leaf == "x"
    assert run.status.time == pytest.approx((len(valid) + 1) * DT)
    np.testing.assert_allclose(run["x"][:, 1], valid, rtol=1e-10)
    assert len(run.ts) == len(valid) and run["max"][0, 1] == run["x"][-1, 1]
    np.testing.assert_array_equal(run["every"], run["x"][3::4])
    assert set(run.spikes("spikes").index) == {0, 1} and len(run.spikes("spikes").times) == 2 * len(
        valid
    )
    assert bool(jnp.isfinite(run.state.model.y["x"]).all())
    assert float(run.state.time) == pytest.approx(run.ts[-1])
    message = rf"no longer finite at t = {run.status.time:g} ms \(step {len(valid) + 1}\): 'x'"
    assert run.status.message.startswith("the state was " + message.replace("\\", ""))
    with pytest.raises(FloatingPointError, match=message + ".*smaller dt than 0.1 ms"):
        simulate(Explosive(), 10.0, **kwargs)


def test_a_status_inside_jit_is_a_value():
    ok = jax.jit(lambda: simulate(Explosive(), 10.0, dt=DT, solver=Euler()).status.ok)()
    assert not bool(ok)


def test_an_input_that_becomes_nan_is_found_at_its_time():
    with pytest.raises(FloatingPointError, match=r"t = 5.1 ms.*'v'"):
        simulate(LIF(2), 10.0, dt=DT, inputs=lambda t: jnp.sqrt(4.95 - t))


def test_the_progress_bar_changes_nothing(capsys, monkeypatch):
    import fdyn._simulate as module

    shown = module.tqdm

    def at_once(*args, **kwargs):
        return shown(*args, **{**kwargs, "delay": 0})

    monkeypatch.setattr(module, "tqdm", at_once)
    a = simulate(LIF(2), 50.0, dt=DT, inputs=20.0, record="v", chunk=100)
    bar = capsys.readouterr().err
    assert "500" in bar and "step" in bar
    b = simulate(LIF(2), 50.0, dt=DT, inputs=20.0, record="v", chunk=100, progress=False)
    assert capsys.readouterr().err == ""
    assert_identical(a, b)


# --- physics ---------------------------------------------------------------------------------


def test_a_spike_is_stamped_within_one_step_of_its_exact_time():
    ref = case("ode_hh_step10")["value"]["times_ms"][0]
    current = lambda t: jnp.where(t > 5 - 1e-6, 10.0, 0.0)  # noqa: E731
    for dt in (0.02, 0.01, 0.005):
        run = simulate(squid(), 10.0, dt=dt, inputs=current, solver=RK4(), record=Spikes("spike"))
        assert 0 <= run.spikes("spike").times[0] - ref <= dt + 1e-4


def test_noise_needs_its_solver_and_then_depends_on_the_key_alone():
    model, solver = LIF(2, sigma=1.0), EulerMaruyama()
    with pytest.raises(ValueError, match="RK4.*noise.*LIF.*EulerMaruyama"):
        simulate(model, 1.0, dt=DT, solver=RK4())
    runs = [
        simulate(model, 1.0, dt=DT, solver=solver, key=k, record="v")["v"]
        for k in (jax.random.key(0), None, jax.random.key(1), jax.random.PRNGKey(1))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[2], runs[3])
    assert (runs[0] != runs[2]).any()


def test_an_input_component_must_be_a_population():
    with pytest.raises(ValueError, match="must be an AbstractPopulation.*got NoPopulation"):
        simulate(LIF(2), 1.0, dt=DT, inputs=NoPopulation())


def test_a_model_of_another_precision_says_so(float32):
    del float32
    single = LIF(1)
    jax.config.update("jax_enable_x64", True)
    promote = jax.numpy_dtype_promotion("standard")
    with promote, pytest.raises(ValueError, match="jax_enable_x64"):
        simulate(single, 1.0, dt=DT)
