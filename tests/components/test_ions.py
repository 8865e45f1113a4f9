"""Ions: closed forms, conservation of charge, sharing, and a cell of NEURON."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import simulate, solve
from fdyn.components import (
    KHH,
    AbstractIon,
    CaTHuguenardMcCormick,
    CaTHuguenardPrince,
    ConductanceBased,
    FirstOrderIon,
    FixedIon,
    GHKLeak,
    IonShell,
    IonState,
    KAHPDestexhe,
    KTraubMiles,
    Leak,
    NaHH,
    NaTraubMiles,
    NernstIon,
    calcium,
    ghk_current,
    nernst,
    potassium,
    sodium,
)
from fdyn.solvers import RK4

NEURON = json.loads((Path(__file__).parents[1] / "data/channels_neuron.json").read_text())
F, R = 96485.33212, 8.31446261815324


def held(ions, channels, v=-60.0):
    """A cell whose voltage stays, by its capacitance."""
    return ConductanceBased(1, channels, ions=ions, v_init=v, v_th=500.0, c=1e12)


def inward(i, v=-60.0, ion="ca"):
    """A channel with the inward current `i` at `v`."""
    return Leak(g=1.0, e=v + i, ion=ion)


def test_nernst_potentials_are_those_of_the_textbook():
    # Hille 2001, table 1.3: mammalian muscle at 37 degC.
    found = [ion(celsius=37.0).view({}).e for ion in (sodium, potassium)]
    np.testing.assert_allclose(found, [67, -98], atol=0.6)
    chloride = nernst(inside=4.2, outside=123.0, valence=-1, celsius=37.0)
    assert float(chloride) == pytest.approx(-90, abs=0.6)
    assert float(nernst(1e-4, 1.5, 2, 37.0)) == pytest.approx(128.5, abs=0.6)


@pytest.mark.slow
def test_a_shell_fills_as_the_closed_form_says():
    depth, tau, rest, i = 0.5, 20.0, 2e-4, 3.0
    shell = IonShell(depth=depth, tau=tau, inside=rest)
    run = simulate(held({"ca": shell}, {"x": inward(i)}), 60.0, dt=0.1, record="ions.ca.inside")
    assert run.unit("ions.ca.inside") == "mM"
    # In SI: A/m^2 over C/mol and m is mol/(m^3 s), which is mM/s.
    drive = (i * 1e-2) / (2 * F * depth * 1e-6) * 1e-3  # mM/ms
    expected = rest + drive * tau * (1 - np.exp(-run.ts / tau))
    np.testing.assert_allclose(run["ions.ca.inside"][:, 0], expected, rtol=1e-6)


@pytest.mark.slow
def test_charge_is_conserved_and_every_channel_of_the_ion_counts():
    # Without removal, what has flowed in by all channels is what is in the shell, for a valence
    # of 1 and -1 (an outward current of anions) too.
    for name, valence, side in (("k", 1, "inside"), ("cl", -1, "inside"), ("k", 1, "outside")):
        shell = IonShell(
            inside=10.0, outside=100.0, depth=0.2, tau=1e12, valence=valence, side=side
        )
        channels = {
            "a": inward(2.0, ion=name),
            "b": inward(-0.5, ion=name),
            "other": inward(7.0, ion=None),
        }
        run = simulate(held({name: shell}, channels), 40.0, dt=0.1)
        c = run.state.model.y["ions"][name][side]
        moles = (1.5 * 1e-2) * 40e-3 / (valence * F)  # per m^2
        sign = 1 if side == "inside" else -1
        start = 10.0 if side == "inside" else 100.0
        assert float(c[0] - start) == pytest.approx(sign * moles / 0.2e-6, rel=1e-6)


@pytest.mark.slow
def test_a_pump_balances_the_current_where_it_should():
    k_t, k_d, rest, tau, i = 2e-4, 5e-4, 1e-4, 100.0, 1.0
    shell = IonShell(inside=rest, tau=tau, k_t=k_t, k_d=k_d)
    run = simulate(held({"ca": shell}, {"x": inward(i)}), 2000.0, dt=0.5)
    drive = 10 * i / (2 * F)
    # drive - k_t c/(c + k_d) + (rest - c)/tau = 0, a quadratic equation for c.
    b = k_d + tau * (k_t - drive) - rest
    c = (-b + np.sqrt(b * b + 4 * k_d * (rest + tau * drive))) / 2
    assert float(run.state.model.y["ions"]["ca"]["inside"][0]) == pytest.approx(c, rel=1e-6)


@pytest.mark.slow
def test_what_flows_out_moves_nothing_where_only_inward_current_counts():
    ends = []
    for only in (True, False):
        shell = IonShell(inward_only=only)
        run = simulate(held({"ca": shell}, {"x": inward(-0.1)}), 20.0, dt=0.1)
        ends.append(float(run.state.model.y["ions"]["ca"]["inside"][0]))
    assert ends[0] == pytest.approx(2.4e-4, rel=1e-12) and ends[1] < 2.2e-4


@pytest.mark.slow
def test_a_first_order_ion_is_the_filtered_current():
    ion = FirstOrderIon(alpha=1e-4, beta=0.05, inside=3e-3)
    run = simulate(held({"ca": ion}, {"x": inward(2.0)}), 60.0, dt=0.1, record="ions.ca.inside")
    expected = 4e-3 + (3e-3 - 4e-3) * np.exp(-0.05 * run.ts)
    np.testing.assert_allclose(run["ions.ca.inside"][:, 0], expected, rtol=1e-6)


@pytest.mark.slow
def test_a_reversal_potential_comes_from_the_ion_or_from_the_channel():
    def v(channels, ions):
        cell = ConductanceBased(1, channels, ions=ions)
        return simulate(cell, 20.0, dt=0.02, inputs=10.0, record="v")["v"]

    leak = {"leak": Leak()}
    own = v({"na": NaHH(), "k": KHH(), **leak}, {})
    shared = v(
        {"na": NaHH(e=None), "k": KHH(e=None), **leak},
        {"na": FixedIon(50.0), "k": FixedIon(-77.0)},
    )
    np.testing.assert_array_equal(own, shared)
    other = v({"na": NaHH(), "k": KHH(e=None), **leak}, {"k": potassium()})
    assert abs(np.asarray(own) - np.asarray(other)).max() > 1


@pytest.mark.slow
def test_adaptive_steps_carry_concentrations_too():
    shell = IonShell(depth=0.2, tau=10.0)
    channels = {"t": CaTHuguenardMcCormick(p=5e-5), "leak": Leak(g=0.1, e=-60.0)}
    cell = ConductanceBased(1, channels, ions={"ca": shell}, v_init=-79.0, v_th=500.0)
    # Above -80 mV, where the time constant of inactivation jumps and RK4 would lose its order.
    run = simulate(cell, 30.0, dt=0.02, solver=RK4(), record=["v", "ions.ca.inside"])
    end = solve(cell, 30.0, rtol=1e-8, atol=1e-10).state.model.y
    assert run["ions.ca.inside"].max() > 5 * 2.4e-4
    np.testing.assert_allclose(end["v"], run["v"][-1], atol=1e-5)
    np.testing.assert_allclose(end["ions"]["ca"]["inside"], run["ions.ca.inside"][-1], rtol=1e-5)


# --- Goldman, Hodgkin & Katz --------------------------------------------------------------------


@pytest.mark.slow
def test_the_ghk_current_is_the_equation_of_the_paper():
    v = np.linspace(-120.0, 80.0, 41) + 0.3
    for z, inside, outside in ((2, 2.4e-4, 2.0), (1, 140.0, 5.0), (-1, 10.0, 110.0)):
        ion = IonState(inside=inside, outside=outside, valence=z, celsius=20.0)
        current = ghk_current(jnp.asarray(v), 1e-4, ion)
        volt, kelvin = v * 1e-3, 293.15
        w = z * F * volt / (R * kelvin)
        # Outward, in SI (p in m/s, concentrations in mol/m^3 = mM): A/m^2, 100 uA/cm^2 each.
        outward = 1e-6 * z * F * w * (inside - outside * np.exp(-w)) / (1 - np.exp(-w))
        np.testing.assert_allclose(current(jnp.asarray(v)), -100 * outward, rtol=1e-9)
        assert bool((current.a < 0).all())
        ahead, behind = (ghk_current(jnp.asarray(v + d), 1e-4, ion) for d in (1e-4, -1e-4))
        slope = (ahead(jnp.asarray(v + 1e-4)) - behind(jnp.asarray(v - 1e-4))) / 2e-4
        np.testing.assert_allclose(current.a, slope, rtol=1e-5)


@pytest.mark.slow
def test_the_ghk_current_is_smooth_at_zero_voltage():
    ion = IonState(inside=1.0, outside=3.0, valence=2, celsius=36.0)

    def inward(v):
        return ghk_current(v, 1e-4, ion)(v)

    value, slope = jax.value_and_grad(inward)(jnp.array(0.0))
    # At 0 mV it is diffusion alone: p z F (c_o - c_i).
    assert float(value) == pytest.approx(1e-4 * 2 * F * 2.0, rel=1e-12)
    # d/dv: -p z F (c_o + c_i)/2 over RT/zF.
    scale = 1e3 * R * 309.15 / (2 * F)
    assert float(slope) == pytest.approx(-1e-4 * 2 * F * 4.0 / 2 / scale, rel=1e-9)


@pytest.mark.slow
def test_the_resting_potential_is_that_of_the_goldman_equation():
    p = {"k": 1e-6, "na": 4e-8, "cl": 4.5e-7}  # as for the squid, 1 : 0.04 : 0.45
    inside = {"k": 400.0, "na": 50.0, "cl": 52.0}
    outside = {"k": 20.0, "na": 440.0, "cl": 560.0}
    ions: dict[str, AbstractIon] = {
        x: NernstIon(inside[x], outside[x], valence=-1 if x == "cl" else 1, celsius=20.0) for x in p
    }
    cell = ConductanceBased(1, {x: GHKLeak(x, p=p[x]) for x in p}, ions=ions)
    # One time constant is about 30 ms: with steps of 5 ms it still comes to rest where it should.
    run = simulate(cell, 1000.0, dt=5.0)
    out = p["k"] * outside["k"] + p["na"] * outside["na"] + p["cl"] * inside["cl"]
    into = p["k"] * inside["k"] + p["na"] * inside["na"] + p["cl"] * outside["cl"]
    expected = 1e3 * R * 293.15 / F * np.log(out / into)
    assert float(run.state.model.y["v"][0]) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(-60, abs=3)


# --- a cell of NEURON ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reticular_cell_is_that_of_neuron():
    ref = NEURON["cell"]
    cell = ConductanceBased(
        1,
        {
            "na": NaTraubMiles(g=100.0, e=None, v_t=-55.0),
            "k": KTraubMiles(g=10.0, e=None, v_t=-55.0),
            "t": CaTHuguenardPrince(g=1.75),
            "ahp": KAHPDestexhe(g=2.0, alpha=0.03 / 0.0025**2),
            "leak": Leak(g=0.05, e=-80.0),
        },
        ions={"na": FixedIon(50.0), "k": FixedIon(-95.0), "ca": IonShell(inward_only=True)},
        v_init=-80.0,
    )
    dt = 0.01
    t = np.arange(round(320 / dt)) * dt
    current = np.where((t >= 100) & (t < 300), 0.6, 0.0)
    run = simulate(cell, 320.0, dt=dt, inputs=current, record=["v", "ions.ca.inside"])
    v, c = np.asarray(run["v"])[:, 0], np.asarray(run["ions.ca.inside"])[:, 0]
    i = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    times = run.ts[i] + dt * -v[i] / (v[i + 1] - v[i])
    # Both make errors of first order in the step, here of some 0.1 ms after 60 ms of growth.
    print(
        times - np.array(ref["spikes_ms"]),
        c.max() / ref["calcium_max_mM"] - 1,
    )
    np.testing.assert_allclose(times, ref["spikes_ms"], atol=0.3)
    assert c.max() == pytest.approx(ref["calcium_max_mM"], rel=0.01)
    every = round(20 / dt)
    np.testing.assert_allclose(c[every - 1 :: every], ref["calcium_mM"][:16], rtol=0.02)


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "ions", "message"),
    [
        ({"t": CaTHuguenardPrince}, {}, r"'t', a CaTHuguenardPrince, needs a reversal potential"),
        ({"t": CaTHuguenardPrince}, {"k": potassium}, r"of the ion 'ca'.*\['k'\].*ions={'ca'"),
        ({"t": CaTHuguenardPrince}, {"ca": FirstOrderIon}, r"FirstOrderIon does not have.*'e'"),
        ({"t": CaTHuguenardMcCormick}, {"ca": lambda: FixedIon(120.0)}, "inner concentration"),
        ({"a": lambda: KAHPDestexhe(e=-90.0)}, {}, "inner concentration.*'ca'.*IonShell"),
        ({"k": lambda: KHH(e=None)}, {"k": calcium}, "'k' has valence 1.*has valence 2"),
        ({"k": KHH}, {"k": potassium}, r"'k' is without effect.*\['k'\] have.*e=None"),
        ({"k": KHH}, {"K": IonShell}, "'K' is without effect.*no channel carries.*Known: k"),
        ({"l": lambda: Leak(e=None)}, {}, "carries no ion"),
        ({"k": KHH}, {"k": KHH}, "'k' must be an AbstractIon, got KHH"),
        ({"k": KHH}, [FixedIon(1.0)], "'ions' must be a dictionary"),
        ({"k": KHH}, {"a.b": potassium}, "without a dot"),
        ({"ions": KHH}, {}, "cannot be called 'ions'"),
    ],
)
def test_an_ion_that_does_not_fit_is_named(channels, ions, message):
    made = {k: x() for k, x in ions.items()} if isinstance(ions, dict) else ions
    with pytest.raises(ValueError, match=message):
        ConductanceBased(1, {k: x() for k, x in channels.items()}, ions=made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IonShell(depth=0.0), "'depth' must be positive"),
        (lambda: IonShell(inside=-1.0), "'inside' must be positive"),
        (lambda: IonShell(side="left"), "'side' must be 'inside' or 'outside', got 'left'"),
        (lambda: calcium(celsius=-300.0), r"'celsius' must be above absolute zero .*-300"),
        (lambda: IonShell(celsius=-273.15), "'celsius' must be above absolute zero"),
        (lambda: IonShell(valence=0), "'valence' must be a whole number other than zero"),
        (lambda: NernstIon(1.0, 1.0, valence=1.5), "'valence' must be a whole number"),
        (lambda: FirstOrderIon(beta=-1.0), "'beta' must be non-negative"),
        (lambda: CaTHuguenardMcCormick(g=1.0), "either a conductance.*got both"),
        (lambda: CaTHuguenardMcCormick(p=None), "either a conductance.*got neither"),
        (lambda: GHKLeak(1e-6), "'ion' must be the name of an ion"),
        (lambda: KHH(phi=None), "'phi' expects a number"),
    ],
)
def test_parameters_outside_their_meaning_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_ions_of_a_population_have_its_size():
    with pytest.raises(ValueError, match=r"FixedIon|shape \(3,\)"):
        ConductanceBased(3, {"k": KHH(e=None)}, ions={"k": FixedIon([-90.0, -80.0])})
