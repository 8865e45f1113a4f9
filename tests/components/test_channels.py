"""Channels against formulae written out here, and against the authors' implementations."""

import json
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy import exp

from fdyn import components as comp
from fdyn import simulate
from fdyn._param import param
from fdyn.components import (
    KHH,
    AbstractMarkovChannel,
    CaTHuguenardMcCormick,
    ConductanceBased,
    FixedIon,
    IhHuguenardMcCormick,
    IonShell,
    KTraubMiles,
    Leak,
    NaHH,
    NaTraubMiles,
)
from fdyn.solvers import RK4

NEURON = json.loads((Path(__file__).parents[1] / "data/channels_neuron.json").read_text())
V = np.linspace(-119.7, 59.1, 38)  # misses every singularity
T = 36.0


def gates(channel: Any, v: Any, calcium: float = 2.4e-4) -> dict[str, tuple[Any, Any]]:
    """Steady state and time constant of every gate."""
    v = jnp.asarray(v)
    ions = {"ca": comp.calcium(inside=calcium, outside=2.0).view({})}
    y = channel.init(v, ions)
    rates = channel.flow(v, y, ions)
    return {
        x: (np.asarray(-r.b / r.a), np.broadcast_to(-1 / r.a, v.shape)) for x, r in rates.items()
    }


def by_rates(alpha: Any, beta: Any, phi: float = 1.0) -> tuple[Any, Any]:
    return alpha / (alpha + beta), 1 / (phi * (alpha + beta))


# The formulae of the papers, in their own way of writing.
FORMULAE = {
    "NaBazhenov": lambda v: {
        "m": by_rates(
            0.182 * (v + 25) / (1 - exp(-(v + 25) / 9)),
            -0.124 * (v + 25) / (1 - exp((v + 25) / 9)),
            2.3 ** ((T - 23) / 10),
        ),
        "h": (
            1 / (1 + exp((v + 55) / 6.2)),
            1
            / (
                0.024 * (v + 40) / (1 - exp(-(v + 40) / 5))
                - 0.0091 * (v + 65) / (1 - exp((v + 65) / 5))
            )
            / 2.3 ** ((T - 23) / 10),
        ),
    },
    "KDRBazhenov": lambda v: {
        "n": by_rates(
            0.02 * (v - 25) / (1 - exp(-(v - 25) / 9)),
            -0.002 * (v - 25) / (1 - exp((v - 25) / 9)),
            2.952882641412121,  # the factor that the paper gives
        )
    },
    "NaPTimofeev": lambda v: {"m": (1 / (1 + exp(-(v + 42) / 5)), 0.1991501863698107 + 0 * v)},
    "IhHuguenardMcCormick": lambda v: {
        "m": (
            1 / (1 + exp((v + 75) / 5.5)),
            3 ** (-0.05) / (exp(-14.6 - 0.086 * v) + exp(-1.87 + 0.0701 * v)),
        )
    },
    "CaHTMcCormickHuguenard": lambda v: {
        "m": by_rates(
            1.6 / (1 + exp(-0.072 * (v - 5))),
            0.02 * (v - 1.31) / (exp((v - 1.31) / 5.36) - 1),
            3**1.25,
        )
    },
    "CANInoueStrowbridge": lambda v: {
        "m": (
            1 / (1 + exp(-(v + 43) / 5.2)),
            2.7 / (exp(-(v + 55) / 15) + exp((v + 55) / 15)) + 1.6,
        )
    },
    "CaLInoueStrowbridge": lambda v: {
        "m": (
            1 / (1 + exp(-(v + 10) / 4)),
            (0.4 + 0.7 / (exp(-(v + 5) / 15) + exp((v + 5) / 15))) / 3.55**1.2,
        ),
        "h": (
            1 / (1 + exp((v + 25) / 2)),
            (300 + 100 / (exp((v + 40) / 9.5) + exp(-(v + 40) / 9.5))) / 3**1.2,
        ),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAE)
def test_gates_follow_the_formulae(name):
    found, expected = gates(getattr(comp, name)(), V), FORMULAE[name](V)
    assert found.keys() == expected.keys()
    for x, (steady, tau) in expected.items():
        np.testing.assert_allclose(found[x][0], steady, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found[x][1], tau, rtol=1e-10)


# Mechanism of NEURON: channel, the gates that correspond, parameters.
SAME: dict[str, list[tuple[Any, dict[str, str], dict[str, Any]]]] = {
    "TC_iA": [
        (comp.KA1HuguenardMcCormick, {"m": "m1", "h": "h1"}, {"celsius": 23.5}),
        (comp.KA2HuguenardMcCormick, {"m": "m2", "h": "h2"}, {"celsius": 23.5}),
    ],
    "tcik2": [
        (comp.KK2AHuguenardMcCormick, {"m": "m", "h": "h1"}, {}),
        (comp.KK2BHuguenardMcCormick, {"m": "m", "h": "h2"}, {}),
    ],
    "itGHK": [(CaTHuguenardMcCormick, {"m": "m", "h": "h"}, {"v_sh": -2.0})],
    "it2": [(comp.CaTHuguenardPrince, {"m": "m", "h": "h"}, {})],
    "it": [(comp.CaTPospischil, {"u": "h"}, {})],
    "im": [(comp.KMYamada, {"p": "m"}, {})],
    "ical": [(comp.CaHTReuveni, {"q": "m", "r": "h"}, {})],
    "iahp": [(comp.KAHPDestexhe, {"m": "m"}, {})],
    "ican": [(comp.CANDestexhe, {"m": "m"}, {})],
}


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", SAME)
def test_gates_relax_as_in_the_implementations_of_the_authors(mechanism):
    stored = NEURON["gates"][mechanism]
    levels, times = np.array(NEURON["voltages_mV"]), np.array(NEURON["times_ms"])
    values = np.array(stored["value"])  # voltage, time, gate
    for kind, pairs, given in SAME[mechanism]:
        temperature = {} if kind is comp.CaHTReuveni else {"celsius": stored["celsius"]}
        channel = kind(**{**temperature, **given})
        found = gates(channel, levels, stored["calcium_mM"] or 1e-4)
        for ours, theirs in pairs.items():
            steady, tau = found[ours]
            column = values[:, :, stored["names"].index(theirs)]
            # Their value 50 ms into each level, which is where the next one begins. The first two
            # values of a level determine what the third has to be.
            start = np.concatenate([column[:1, 0], column[:-1, -1]])
            expected = steady[:, None] + (start - steady)[:, None] * exp(-times / tau[:, None])
            np.testing.assert_allclose(column[1:], expected[1:], atol=2e-4)


@pytest.mark.slow
def test_the_regulation_of_ih_is_that_of_its_authors():
    stored = NEURON["gates"]["iar"]
    levels, times = NEURON["voltages_mV"], NEURON["times_ms"]
    channel = comp.IhDestexhe(celsius=stored["celsius"])
    ions = {"ca": comp.calcium(inside=stored["calcium_mM"]).view({})}
    y0 = channel.init(jnp.array(levels[0]), ions)
    np.testing.assert_allclose(
        [y0["o"], y0["o_l"], y0["p1"]], stored["value"][0][-1], rtol=1e-4, atol=1e-6
    )

    @jax.jit
    def advance(y, v):
        def step(y, _):
            k = channel.flow(v, y, ions)
            half = {x: y[x] + 0.025 * k[x](y[x]) for x in y}
            k = channel.flow(v, half, ions)
            return {x: y[x] + 0.05 * k[x](half[x]) for x in y}, y

        return jax.lax.scan(step, y, length=1001)

    y = y0
    for v, expected in zip(levels, stored["value"], strict=True):
        _, path = advance(y, jnp.array(v))
        for t, row in zip(times, expected, strict=True):
            found = [path[x][round(t / 0.05)] for x in ("o", "o_l", "p1")]
            np.testing.assert_allclose(found, row, atol=2e-4)
        y = {x: p[1000] for x, p in path.items()}


SINGULAR = {
    "NaHH": [-40.0],
    "KHH": [-55.0],
    "NaTraubMiles": [-50.0, -23.0],
    "KTraubMiles": [-48.0],
    "NaBazhenov": [-25.0, -40.0, -65.0],
    "KDRBazhenov": [25.0],
    "CaHTMcCormickHuguenard": [1.31],
    "CaHTReuveni": [-27.0],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGULAR)
def test_rates_are_smooth_at_their_removable_singularities(name):
    channel = getattr(comp, name)()

    @jax.jit
    @jax.vmap
    def total(v):
        def rate(v):
            y = channel.init(v, {})
            return sum((x + 2) * (r.b + r.a) for x, r in zip(y.values(), flow(v), strict=True))

        def flow(v):
            return channel.flow(v, channel.init(v, {}), {}).values()

        return rate(v), jax.grad(rate)(v)

    d = 0.01
    for v in SINGULAR[name]:
        value, slope = (np.asarray(x) for x in total(jnp.array([v - d, v, v + d])))
        # Between its neighbours, up to the curvature.
        assert value[1] == pytest.approx((value[0] + value[2]) / 2, rel=1e-5, abs=1e-9)
        assert slope[1] == pytest.approx((value[2] - value[0]) / (2 * d), rel=1e-3)
        assert slope[1] == pytest.approx((slope[0] + slope[2]) / 2, rel=1e-4)


@pytest.mark.slow
def test_the_cells_of_bazhenov_and_pospischil_have_the_channels_of_traub_and_miles():
    # Thalamic cells of Bazhenov et al.: v2 = v + 50, rates times 3^((T - 36)/10).
    v2, phi = V + 50, 3 ** ((24.0 - 36) / 10)
    m = by_rates(
        0.32 * (13 - v2) / (exp((13 - v2) / 4) - 1),
        0.28 * (v2 - 40) / (exp((v2 - 40) / 5) - 1),
        phi,
    )
    h = by_rates(0.128 * exp((17 - v2) / 18), 4 / (exp((40 - v2) / 5) + 1), phi)
    n = by_rates(0.032 * (15 - v2) / (exp((15 - v2) / 5) - 1), 0.5 * exp((10 - v2) / 40), phi)
    sodium = gates(NaTraubMiles(v_t=-50.0, phi=phi), V)
    found = [sodium["m"], sodium["h"], gates(KTraubMiles(v_t=-50.0, phi=phi), V)["n"]]
    np.testing.assert_allclose(found, [m, h, n], rtol=1e-10, atol=1e-12)


# --- Markov schemes -----------------------------------------------------------------------------


class KScheme(AbstractMarkovChannel):
    """Four independent n gates as five states."""

    units: ClassVar[dict[str, str]] = {f"n{i}": "1" for i in range(1, 5)}
    states: ClassVar[tuple[str, ...]] = ("n0", "n1", "n2", "n3", "n4")
    conducting: ClassVar[dict[str, float]] = {"n4": 1.0}
    g: Array = param(36.0, unit="mS/cm^2", doc="maximal conductance")
    e: Array = param(-77.0, unit="mV", doc="reversal potential")

    def transitions(self, v, ions):
        alpha, beta = KHH().rates(v)["n"]
        up = {(f"n{i}", f"n{i + 1}"): (4 - i) * alpha for i in range(4)}
        return up | {(f"n{i + 1}", f"n{i}"): (i + 1) * beta for i in range(4)}


class NaScheme(AbstractMarkovChannel):
    """Three m gates and one h gate as eight states; what is stored last is not what conducts."""

    units: ClassVar[dict[str, str]] = {f"m{i}h{j}": "1" for i in range(4) for j in range(2)}
    states: ClassVar[tuple[str, ...]] = tuple(f"m{i}h{j}" for i in range(4) for j in range(2))
    conducting: ClassVar[dict[str, float]] = {"m3h1": 1.0}
    g: Array = param(120.0, unit="mS/cm^2", doc="maximal conductance")
    e: Array = param(50.0, unit="mV", doc="reversal potential")

    def transitions(self, v, ions):
        rates = NaHH().rates(v)
        (am, bm), (ah, bh) = rates["m"], rates["h"]
        k: dict[tuple[str, str], Array | float] = {}
        for j in range(2):
            for i in range(3):
                k[f"m{i}h{j}", f"m{i + 1}h{j}"] = (3 - i) * am
                k[f"m{i + 1}h{j}", f"m{i}h{j}"] = (i + 1) * bm
        for i in range(4):
            k[f"m{i}h0", f"m{i}h1"] = ah
            k[f"m{i}h1", f"m{i}h0"] = bh
        return k


@pytest.mark.slow
def test_a_markov_scheme_is_the_gates_that_it_stands_for():
    leak = {"leak": Leak()}
    gated = ConductanceBased(1, {"na": NaHH(), "k": KHH(), **leak})
    scheme = ConductanceBased(1, {"na": NaScheme(), "k": KScheme(), **leak})
    runs = [
        simulate(c, 15.0, dt=0.01, inputs=10.0, solver=RK4(), record=["v"]) for c in (gated, scheme)
    ]
    a, b = (np.asarray(r["v"]) for r in runs)
    assert a.max() > 20  # it spikes
    np.testing.assert_allclose(a, b, atol=1e-4)  # both have the error of RK4
    y, z = (r.state.model.y for r in runs)
    np.testing.assert_allclose(z["k"]["n4"], y["k"]["n"] ** 4, atol=1e-7)
    np.testing.assert_allclose(z["na"]["m3h1"], y["na"]["m"] ** 3 * y["na"]["h"], atol=1e-7)


@pytest.mark.slow
def test_a_markov_scheme_conserves_probability_and_starts_at_rest():
    channel, v = KScheme(), jnp.array([-80.0, -55.0, 0.0])
    y = channel.init(v, {})
    n = np.asarray(KHH().init(v, {})["n"])
    binomial = [[1, 4, 6, 4, 1][i] * n**i * (1 - n) ** (4 - i) for i in range(5)]
    np.testing.assert_allclose([y[f"n{i}"] for i in range(1, 5)], binomial[1:], atol=1e-12)
    for k, rate in channel.flow(v, y, {}).items():
        np.testing.assert_allclose(rate(y[k]), 0, atol=1e-13)
    # Far from rest, what the stored states gain is what the first one loses.
    y = {f"n{i}": jnp.full(3, 0.1 * i) for i in range(1, 5)}
    gain = sum(rate(y[k]) for k, rate in channel.flow(v, y, {}).items())
    alpha, beta = KHH().rates(v)["n"]
    first = 1 - sum(y.values())
    np.testing.assert_allclose(gain, 4 * alpha * first - beta * y["n1"], rtol=1e-10)


def test_a_markov_scheme_names_a_transition_that_cannot_be():
    class Wrong(AbstractMarkovChannel):
        states: ClassVar[tuple[str, ...]] = ("closed", "open")
        conducting: ClassVar[dict[str, float]] = {"open": 1.0}
        g: Array = param(1.0, unit="mS/cm^2", doc="maximal conductance")
        e: Array = param(0.0, unit="mV", doc="reversal potential")

        def transitions(self, v, ions):
            return {("closed", "opne"): 1.0, ("open", "closed"): 1.0}

    with pytest.raises(ValueError, match=r"one of \['closed', 'open'\].*got \('closed', 'opne'\)"):
        Wrong().init(jnp.zeros(1), {})


# --- in a cell ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_relay_cell_bursts_after_inhibition_by_its_t_current():
    n, g = 2, np.array([2.0, 0.0])  # with and without T current
    cell = ConductanceBased(
        n,
        {
            "na": NaTraubMiles(g=90.0, v_t=-52.0, e=None),
            "k": KTraubMiles(g=10.0, v_t=-52.0, e=None),
            "t": CaTHuguenardMcCormick(g=g, p=None, v_sh=-2.0),
            "h": IhHuguenardMcCormick(g=0.01),
            "leak": Leak(g=0.01, e=-70.0),
            "kleak": Leak(g=0.01, e=None, ion="k"),
        },
        ions={"na": FixedIon(50.0), "k": FixedIon(-100.0), "ca": IonShell()},
        v_init=-70.0,
    )
    t = np.arange(18000) * 0.025
    current = np.where((t >= 150) & (t < 300), -0.8, 0.0)
    run = simulate(cell, 450.0, dt=0.025, inputs=current, record=["spike", "ions.ca.inside"])
    times, index = run.spikes("spike").times, run.spikes("spike").index
    burst = times[index == 0]
    # As in relay cells: silent at rest, then spikes 2 to 10 ms apart on a low-threshold spike.
    assert len(burst) >= 3 and burst[0] > 300
    assert (np.diff(burst) > 2).all() and (np.diff(burst)[:-2] < 10).all()
    assert len(times[index == 1]) == 0
    calcium = np.asarray(run["ions.ca.inside"])
    assert calcium[:, 0].max() > 10 * 2.4e-4 and calcium[:, 1].max() <= 2.4e-4 * (1 + 1e-9)
