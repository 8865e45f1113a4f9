"""Networks: what nesting, grouping and naming must not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import Network, Projection, simulate, summary
from fdyn.components import (
    COBA,
    CUBA,
    LIF,
    ConductanceBased,
    ConstantInput,
    Exponential,
    Leak,
    PoissonInput,
    WilsonCowan,
)
from fdyn.sparse import (
    Dense,
    FractionalDelay,
    OneToOne,
    Procedural,
    Uniform,
    fixed_probability,
)

DT = 0.1
KEY = jax.random.key(0)


def excite(pre, post, n=4, weight=6.0, seed=0, **kwargs):
    w = fixed_probability(jax.random.key(seed), n, n, 0.6, weight=weight)
    return Projection(pre, post, w, Exponential(5.0), COBA(0.0), **kwargs)


def test_a_network_of_networks_is_the_flat_network():
    r = jnp.array([1.0, 1.2, 1.4, 1.6])

    def area(seed):
        return Network(
            {"E": LIF(4, r=r, t_ref=1.0), "I": LIF(4, tau=10.0)},
            {"EI": excite("E", "I", seed=seed), "IE": excite("I", "E", seed=seed + 1, delay=0.3)},
        )

    nested = Network(
        {"V1": area(1), "V2": area(3)},
        {
            "up": excite("V1.E", "V2.E", seed=5, delay=1.0),
            "down": excite("V2.I", "V1.I", seed=6, delay=0.2),
            "named": excite("V1.E.spike", "V1.I", seed=7),
        },
    )
    flat = Network(
        {
            "V1_E": nested.nodes["V1"].nodes["E"],
            "V1_I": LIF(4, tau=10.0),
            "V2_E": LIF(4, r=r, t_ref=1.0),
            "V2_I": LIF(4, tau=10.0),
        },
        {
            "V1_EI": excite("V1_E", "V1_I", seed=1),
            "V1_IE": excite("V1_I", "V1_E", seed=2, delay=0.3),
            "V2_EI": excite("V2_E", "V2_I", seed=3),
            "V2_IE": excite("V2_I", "V2_E", seed=4, delay=0.3),
            "up": excite("V1_E", "V2_E", seed=5, delay=1.0),
            "down": excite("V2_I", "V1_I", seed=6, delay=0.2),
            "named": excite("V1_E", "V1_I", seed=7),
        },
    )
    names = [f"{a}.{p}.{x}" for a in ("V1", "V2") for p in ("E", "I") for x in ("v", "spike")]
    current = np.linspace(10, 25, 600)
    a = simulate(
        nested, 60.0, dt=DT, inputs={"V1.E": 20.0, "V2.I": current}, record=[*names, "up.g"]
    )
    b = simulate(
        flat,
        60.0,
        dt=DT,
        inputs={"V1_E": 20.0, "V2_I": current},
        record=[n.replace(".", "_", 1) for n in names],
    )
    for name in names:
        np.testing.assert_allclose(a[name], b[name.replace(".", "_", 1)], rtol=1e-10, atol=1e-10)
    spikes = {n: a[n].sum() for n in names if "spike" in n}
    assert min(spikes.values()) > 0, spikes
    assert a.unit("V1.E.v") == "mV" and a.unit("up.g") == "unit of the weights"


def test_one_variable_per_target_stands_for_all_its_synapses():
    """The grouped synapse against the sum over every synapse and every spike, in closed form."""
    n, tau, steps = 6, 4.0, 400
    w = np.asarray(fixed_probability(jax.random.key(2), n, 3, 0.7, weight=1.0).to_dense())
    w = w * np.linspace(0.2, 1.7, n * 3).reshape(n, 3)
    p = Projection("in", "out", Dense(w), Exponential(tau), CUBA(), delay=0.4)
    net = Network({"in": PoissonInput(n, rate=100.0), "out": LIF(3, v_th=1e3)}, {"p": p})
    run = simulate(net, steps * DT, dt=DT, record=["in.spike", "p.g", "out.v"])
    sent = run["in.spike"]
    assert sent.sum() > 10
    t = np.arange(1, steps + 1) * DT
    g = np.zeros((steps, 3))
    for row, i in zip(*np.nonzero(sent), strict=True):
        since = t - (t[row] + 0.4)
        course = np.where(since > -1e-9, np.exp(-since / tau), 0.0)
        g += sent[row, i] * course[:, None] * w[i]
    np.testing.assert_allclose(run["p.g"], g, rtol=1e-10, atol=1e-12)
    # The current is held over a step, so the membrane is a closed form of the samples.
    v = np.zeros(3)
    for before in np.vstack([np.zeros(3), g[:-1]]):
        v = before + (v - before) * np.exp(-DT / 20)
    np.testing.assert_allclose(run["out.v"][-1] + 65, v, rtol=1e-10)


def test_currents_of_several_projections_and_an_input_add_up():
    def p(weight):
        s = Exponential(tau=1e9, g_init=weight)
        return Projection("a", "b", OneToOne(1.0, n=1), s, CUBA())

    net = Network({"a": LIF(1), "b": LIF(1)}, {"p": p(2.0), "q": p(3.0)})
    both = simulate(net, 20.0, dt=DT, inputs={"b": 1.5}, record="b.v")["b.v"]
    plain = simulate(LIF(1), 20.0, dt=DT, inputs=6.5, record="v")["v"]
    np.testing.assert_allclose(both, plain, rtol=1e-7)


def test_the_order_in_which_a_network_is_written_down_does_not_matter():
    nodes = {"a": LIF(4), "b": LIF(4), "in": PoissonInput(4, rate=2e3)}
    edges = {"x": excite("in", "a"), "y": excite("a", "b"), "z": excite("b", "a")}
    one = simulate(Network(nodes, edges), 20.0, dt=DT, record="a.v")
    flip = Network(dict(reversed(nodes.items())), dict(reversed(edges.items())))
    np.testing.assert_array_equal(simulate(flip, 20.0, dt=DT, record="a.v")["a.v"], one["a.v"])


def test_a_network_of_conductance_based_neurons_records_its_gates_by_path():
    from helpers import squid

    run = simulate(Network({"E": squid(2)}), 1.0, dt=0.05, record=["E.na.m", "E.v"])
    assert run["E.na.m"].shape == (20, 2) and run.unit("E.na.m") == "1" and run.unit("E.v") == "mV"


def test_the_summary_shows_every_level():
    text = summary(Network({"A": Network({"E": LIF(2)})}, {}))
    assert "nodes.A.nodes.E.tau" in text and "membrane time constant" in text


def test_the_summary_shows_delays_and_what_makes_synapses():
    made = Procedural(jax.random.key(0), 4, 4, 0.5, Uniform(0.0, 1.0), delay=0.5)
    fractional = FractionalDelay(1.25, maximum=2.0)
    listed = OneToOne(1.0, n=4, delay=[1.0, 2.0, 3.0, 4.0])
    net = Network(
        {"E": LIF(4)},
        {
            "a": Projection("E", "E", made, Exponential(), CUBA(), delay=1.5),
            "b": Projection("E", "E", listed, Exponential(), CUBA(), delay=fractional),
        },
    )
    table = {row.split()[0]: row.split(maxsplit=4) for row in summary(net).splitlines() if row}
    delays = {
        path: [*row[1:4], row[4].split("  ")[0]] for path, row in table.items() if "delay" in path
    }
    assert delays == {
        "projections.a.connect.delay": ["scalar", "float64", "ms", "0.5"],
        "projections.a.delay": ["scalar", "static", "ms", "1.5"],
        "projections.b.connect.delay": ["4", "float64", "ms", "1 .. 4"],
        "projections.b.delay.values": ["scalar", "float64", "ms", "1.25"],
    }
    assert "all synapses" in table["projections.a.connect.delay"][4]
    assert "single synapses" in table["projections.b.connect.delay"][4]
    inside = {path for path in table if path.startswith("projections.a.connect.")}
    names = ("key", "weight.low", "weight.high", "delay")
    assert inside == {f"projections.a.connect.{x}" for x in names}


LIF4, W = LIF(4), OneToOne(1.0, n=4)


def proj(pre="a", post="b", connect=W, synapse=Exponential(), output=CUBA(), delay=0.0):  # noqa: B008
    return Projection(pre, post, connect, synapse, output, delay)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Network([LIF4]), "'nodes' must be a dictionary.*list"),
        (lambda: Network({"a": LIF4}, [proj()]), "'projections' must be a dictionary.*list"),
        (lambda: Network({"a": 3}), "node 'a' must be an AbstractComponent, got int"),
        (lambda: Network({"a.b": LIF4}), "'a.b' must be text without a dot"),
        (lambda: Network({"": LIF4}), "''.*not empty"),
        (lambda: Network({1: LIF4}), "1 must be text"),
        (lambda: Network({"a": LIF4, "b": LIF4}, {"a": proj()}), r"cannot share a name: \['a'\]"),
        (lambda: Network({"a": LIF4}, {"p": 1.0}), "'p' must be a Projection, got float"),
        (lambda: Network({"a": LIF4}, {"p": proj()}), "'p', post.*no 'b'"),
        (
            lambda: Network({"Exc": LIF4, "Inh": LIF4}, {"p": proj("Exk", "Inh")}),
            "'p', pre.*no 'Exk'.*mean 'Exc'.*Known: Exc, Inh",
        ),
        (
            lambda: Network({"V1": Network({"E": LIF4}), "b": LIF4}, {"p": proj("V1.F", "b")}),
            "no 'V1.F'.*'V1.E'",
        ),
        (
            lambda: Network({"V1": Network({"E": LIF4}), "b": LIF4}, {"p": proj("V1", "b")}),
            "pre = 'V1' must be a population.*Network",
        ),
        (
            lambda: Network({"a": LIF4, "b": PoissonInput(4, 1.0)}, {"p": proj()}),
            "post = 'b' must be an AbstractNeuron.*PoissonInput",
        ),
        (lambda: Network({"a": LIF4, "b": LIF4}, {"p": proj("a", "b.v")}), "post = 'b.v'"),
        (
            lambda: Network({"a": LIF4, "b": LIF(3)}, {"p": proj()}),
            r"from 4 \('a'\) to 3 \('b'\) units, got 4 to 4",
        ),
        (lambda: Network({"a": LIF4}, {"p": proj(1, "a")}), "a path is text.*got 1"),
        *(
            (
                lambda pre=pre: Network({"a": WilsonCowan(4), "b": LIF4}, {"p": proj(pre)}),
                "a WilsonCowan, has no spikes.*take Activity or Graded",
            )
            for pre in ("a", "a.activity")
        ),
        (lambda: proj(connect=np.eye(4)), "'connect' must be an AbstractConnectivity, got ndarray"),
        (lambda: proj(synapse=CUBA()), "'synapse' must be an AbstractSynapse, got CUBA"),
        (lambda: proj(output=Exponential()), "'output' must be an AbstractOutput, got Exp"),
        (lambda: proj(delay=-1.0), "'delay' must be.*-1"),
        (lambda: proj(delay=float("nan")), "'delay' must be.*nan"),
        (lambda: proj(delay="soon"), "'delay' must be a number of ms, got 'soon'"),
        (lambda: Exponential(tau=-5.0), "'tau' must be positive.*ms"),
    ],
)
def test_mistakes_in_the_structure(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("net", "match"),
    [
        (Network({"a": LIF4, "b": LIF4}, {"p": proj("a.v")}), "'a.v' must name one output.*spike"),
    ],
)
def test_mistakes_found_at_the_first_step(net, match):
    with pytest.raises(ValueError, match=match):
        simulate(net, 1.0, dt=DT)


def test_a_constant_population_is_a_node_too():
    p = Projection("c", "b", OneToOne(0.5, n=2), Exponential(2.0), CUBA())
    net = Network({"c": ConstantInput(2, jnp.array([1.0, 2.0])), "b": LIF(2)}, {"p": p})
    g = simulate(net, 50.0, dt=DT, record="p.g")["p.g"][-1]
    # Arrivals at every step: the geometric series.
    np.testing.assert_allclose(g, np.array([0.5, 1.0]) / (1 - np.exp(-DT / 2)), rtol=1e-9)


def test_a_passive_membrane_in_a_network_reaches_the_mean_of_its_reversal_potentials():
    p = Projection("a", "b", OneToOne(1.0, n=1), Exponential(1e9, g_init=0.3), COBA(0.0))
    cell = ConductanceBased(1, {"leak": Leak(g=0.1, e=-70.0)}, v_th=1e3)
    v = simulate(Network({"a": LIF(1), "b": cell}, {"p": p}), 200.0, dt=1.0, record="b.v")["b.v"]
    assert v[-1, 0] == pytest.approx(-0.1 * 70 / 0.4, rel=1e-6)


def test_parameters_of_synapses_and_outputs_fit_the_target():
    for synapse, output in (
        (Exponential(tau=[1.0, 2.0, 3.0]), COBA()),
        (Exponential(), COBA(e=[1.0, 2.0, 3.0])),
        (Exponential(g_init=[1.0, 2.0, 3.0]), COBA()),
    ):
        p = Projection("E", "E", OneToOne(1.0, n=2), synapse, output)
        with pytest.raises(ValueError, match=r"projection 'EE'.*shape \(2,\).*\(3,\)"):
            Network({"E": LIF(2)}, {"EE": p})
