"""Models against reference cases and their own equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from helpers import squid

from fdyn import simulate
from fdyn.components import (
    COBA,
    CUBA,
    KHH,
    LIF,
    Affine,
    ConductanceBased,
    ConstantInput,
    KTraubMiles,
    Leak,
    MorrisLecar,
    NaHH,
    NaTraubMiles,
    PoissonInput,
    SuperSpike,
)
from fdyn.solvers import RK4


def crossings(ts, v, level=0.0):
    """Times of upward crossings, by linear interpolation."""
    i = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return ts[i] + (level - v[i]) / (v[i + 1] - v[i]) * (ts[1] - ts[0])


@pytest.mark.parametrize(
    ("name", "i", "on", "off"), [("ode_hh_step10", 10.0, 5, 55), ("ode_hh_step25", 25.0, 2, 102)]
)
def test_hodgkin_huxley_spike_times(name, i, on, off):
    ref, dt = case(name), 0.01
    end = ref["parameters"]["t_end_ms"]
    current = np.zeros(round(end / dt))
    current[round(on / dt) : round(off / dt)] = i
    run = simulate(squid(), end, dt=dt, inputs=current, solver=RK4(), record=["v", "spike"])
    assert run["spike"].sum() == ref["value"]["count"]
    times = crossings(run.ts, run["v"][:, 0])
    atol = ref["tolerance"]["fixed_step_dt_0.01ms_rk4_atol_ms"]
    np.testing.assert_allclose(times, ref["value"]["times_ms"], rtol=0, atol=atol)
    # The spike itself is stamped on the first grid point after the crossing.
    stamps = run.spikes("spike").times
    assert ((stamps - times >= -1e-9) & (stamps - times <= dt)).all()
    y = run.state.model.y
    final = [float(x[0]) for x in (y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"])]
    np.testing.assert_allclose(final, ref["value"]["final"], atol=ref["tolerance"]["final_atol"])


def test_morris_lecar_spike_times():
    ref = case("ode_ml_hopf_I100")
    v0, w0 = ref["initial"]
    run = simulate(
        MorrisLecar(1, v_init=v0, w_init=w0), 600.0, dt=0.05, inputs=100.0, solver=RK4(), record="v"
    )
    times = crossings(run.ts, run["v"][:, 0])
    # Linear interpolation on the grid leaves v'' dt^2 / (8 v'), about 3e-4 ms.
    np.testing.assert_allclose(times, ref["value"]["times"], atol=1e-3)


@pytest.mark.parametrize("kind", [NaHH, KHH, NaTraubMiles, KTraubMiles])
def test_gates(kind):
    # Across every removable singularity of the rates, and far out.
    v = jnp.concatenate([jnp.linspace(-150.0, 100.0, 251), jnp.array([-40.0, -55.0, -50.0, -23.0])])
    channel = kind()
    gates = channel.init(v, {})
    assert set(gates) == set(channel.gates) == set(channel.units)
    for x, rate in channel.flow(v, gates, {}).items():
        assert bool(((gates[x] >= 0) & (gates[x] <= 1)).all())
        np.testing.assert_allclose(rate(gates[x]), 0, atol=1e-12)  # at rest
    slope = jax.vmap(jax.grad(lambda v: sum(channel.init(v, {}).values())))(v)
    assert bool(jnp.isfinite(slope).all())
    open_fraction = np.prod([np.asarray(gates[x]) ** p for x, p in channel.gates.items()], axis=0)
    expected = float(channel.g) * open_fraction * (float(channel.e) - np.asarray(v))
    np.testing.assert_allclose(channel.current(v, gates, {})(v), expected, rtol=1e-12, atol=1e-12)


def test_temperature_speeds_up_the_gates_and_moves_no_steady_state():
    v = jnp.array([-60.0])
    slow, fast = KHH(), KHH(phi=3.0)
    y = {"n": jnp.array([0.1])}
    assert float(fast.init(v, {})["n"][0]) == float(slow.init(v, {})["n"][0])
    ratio = fast.flow(v, y, {})["n"](y["n"]) / slow.flow(v, y, {})["n"](y["n"])
    assert float(ratio[0]) == pytest.approx(3.0)


def test_outputs():
    v, g = jnp.array([-60.0, -80.0, 10.0]), jnp.array([1.0, 2.0, 0.5])
    np.testing.assert_allclose(COBA(-80.0).current(v, g)(v), g * (-80.0 - v))
    np.testing.assert_allclose(CUBA().current(v, g)(v), g)


def test_the_spike_function_is_a_step_with_a_derivative_of_its_own():
    spike, x = SuperSpike(2.0), jnp.array([-3.0, -1e-9, 0.0, 1e-9, 4.0])
    assert spike(x).tolist() == [0, 0, 1, 1, 1]
    _, tangent = jax.jvp(spike, (x,), (jnp.full(5, 2.0),))
    np.testing.assert_allclose(tangent, 2 / (1 + 2 * np.abs(np.asarray(x))) ** 2)


def test_the_reset_passes_gradient_only_where_it_is_asked_to():
    def v_after(scale, reset_grad):
        neuron = LIF(1, v_init=-50.5, reset_grad=reset_grad)
        rec = simulate(neuron, 0.2, dt=0.1, inputs=scale, record=["v", "spike"])
        return rec["v"][-1, 0]

    plain, through = (jax.grad(v_after)(200.0, g) for g in (False, True))
    # The neuron spikes in the first step and follows its input in the second: one step's drive.
    assert float(plain) == pytest.approx(1 - np.exp(-0.1 / 20))
    assert abs(float(through - plain)) > 1e-3


def test_poisson_statistics():
    n, rate, dt = 200, 80.0, 0.5
    run = simulate(PoissonInput(n, rate, amplitude=0.5), 500.0, dt=dt, record="spike")
    count = run["spike"] / 0.5
    mean = rate * dt / 1000
    assert (count == np.round(count)).all()
    assert abs(count.mean() - mean) < 3 * np.sqrt(mean / count.size)
    assert abs(count.var() / mean - 1) < 3 * np.sqrt((2 + 1 / mean) / count.size)
    # Units, and successive steps, are independent.
    assert abs(np.corrcoef(count[:, 0], count[:, 1])[0, 1]) < 4 / np.sqrt(len(count))
    pairs = np.mean((count[1:] - mean) * (count[:-1] - mean)) / mean
    assert abs(pairs) < 4 / np.sqrt(count.size)


def test_poisson_counts_above_one_when_the_rate_is_above_one_per_step():
    run = simulate(PoissonInput(100, 5000.0), 50.0, dt=1.0, record="spike")
    assert abs(run["spike"].mean() - 5.0) < 4 * np.sqrt(5.0 / run["spike"].size)
    assert run["spike"].max() > 8


def test_a_spike_without_reset_is_one_crossing_and_no_more_than_one_in_the_refractory_time():
    drive = 200 * np.sign(np.sin(2 * np.pi * (np.arange(1000) + 0.5) / 100))  # period 10 ms
    passive = ConductanceBased(1, {"leak": Leak(g=1.0, e=-20.0)}, t_ref=0.0, v_init=-40.0)
    v, spike = (
        simulate(passive, 100.0, dt=0.1, inputs=drive, record=["v", "spike"])[k][:, 0]
        for k in ("v", "spike")
    )
    np.testing.assert_array_equal(
        np.flatnonzero(spike), np.flatnonzero((v[1:] >= 0) & (v[:-1] < 0)) + 1 if v[0] < 0 else []
    )
    slow = ConductanceBased(1, {"leak": Leak(g=1.0, e=-20.0)}, t_ref=15.0, v_init=-40.0)
    halved = simulate(slow, 100.0, dt=0.1, inputs=drive, record="spike")["spike"]
    assert halved.sum() == np.ceil(spike.sum() / 2)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LIF(0), "'size'.*0"),
        (lambda: LIF(2.5), "'size'.*2.5"),
        (lambda: LIF(True), "'size'"),
        (lambda: LIF(2, tau=-1.0), "'tau' must be positive.*ms.*-1"),
        (lambda: LIF(2, tau=0.0), "'tau' must be positive"),
        (lambda: LIF(2, tau=float("nan")), "'tau'.*nan"),
        (lambda: LIF(2, t_ref=-1.0), "'t_ref' must be non-negative.*-1"),
        (lambda: LIF(2, tau="long"), "'tau' expects a number.*'long'"),
        (lambda: LIF(2, tau=[1.0, 2.0, 3.0]), r"\(2,\).*\(3,\)"),
        (lambda: LIF(2, v_th=-70.0), "'v_th' must lie above 'v_reset'.*-65.*-70"),
        (lambda: LIF(2, spike=lambda x: x), "'spike' must be an AbstractSurrogate"),
        (lambda: ConductanceBased(1, [Leak()]), "'channels' must be a dictionary.*list"),
        (lambda: ConductanceBased(1, {"x": LIF(1)}), "'x' must be an AbstractChannel, got LIF"),
        (lambda: ConductanceBased(1, {"v": Leak()}), "'v'"),
        (lambda: ConductanceBased(1, {"a.b": Leak()}), "'a.b'"),
        (lambda: ConductanceBased(2, {"x": Leak(g=[1.0, 2.0, 3.0])}), r"\(2,\).*\(3,\)"),
        (lambda: MorrisLecar(1, c=0.0), "'c' must be positive"),
        (lambda: NaHH(g=-1.0), "'g' must be non-negative.*mS/cm"),
        (lambda: PoissonInput(2, rate=-3.0), "'rate' must be non-negative.*Hz.*-3"),
        (lambda: ConstantInput(3, [1.0, 2.0]), r"\(3,\).*\(2,\)"),
        (lambda: SuperSpike(0.0), "'beta' must be positive"),
    ],
)
def test_bad_parameters(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_size_may_be_an_integer_of_numpy():
    for size in (np.int64(3), np.uint8(3), np.arange(4)[3]):
        neuron = LIF(size)
        assert neuron.size == 3 and type(neuron.size) is int
    for bad in (np.bool_(True), np.float64(3.0), "3", np.arange(2)):
        with pytest.raises(ValueError, match="'size' must be a positive integer"):
            LIF(bad)


def test_affines_form_a_vector_space_over_arrays():
    x, f, g = jnp.array([1.0, 2.0]), Affine(-2.0, 6.0), Affine(jnp.array([0.5, 1.0]), 3.0)
    np.testing.assert_allclose((-f)(x), -f(x))
    np.testing.assert_allclose((f - g)(x), f(x) - g(x))
    np.testing.assert_allclose((f - x)(x), f(x) - x)
    np.testing.assert_allclose((x - f)(x), x - f(x))
    np.testing.assert_allclose((1.0 - f)(x), 1 - f(x))
    array = np.array([2.0, 3.0])
    for h, expected in (
        (array * f, array * f(x)),
        (array + f, array + f(x)),
        (array - f, array - f(x)),
    ):
        assert isinstance(h, Affine)
        np.testing.assert_allclose(h(x), expected)
    assert isinstance(np.float64(2.0) * f, Affine)
