"""Synapses: what an arrival makes of the conductance, and the current that follows."""

import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn import Network, Projection, simulate
from fdyn.components import (
    AMPA,
    COBA,
    CUBA,
    GABAA,
    GABAB,
    LIF,
    NMDA,
    Activity,
    Alpha,
    Delta,
    Diffusive,
    DualExponential,
    Exponential,
    Graded,
    MgBlock,
    NMDAKinetic,
    StochasticRelease,
    TsodyksMarkram,
)
from fdyn.sparse import OneToOne

TITLE = "Synapses, their outputs and release"
INTRO = """
A [`Projection`](concepts.md) is made of parts: a connectivity with weights, a **synapse** (what an
arrival makes of its conductance), an **output** (the current that follows) and, where wanted, a
**release** (short-term plasticity, failures) that each spike goes through first. Each part goes
with each other one, apart from what the constructors refuse. `output` is `CUBA()` unless given, so
that weights are pA; with `COBA` they are nS.

| | state held once per | for |
|---|---|---|
| `Exponential`, `DualExponential`, `Alpha` | target, or source (`align="pre"`) | linear synapses |
| `AMPA`, `GABAA`, `GABAB`, `NMDA`, `NMDAKinetic` | source | receptors that saturate |
| `Graded`, `Activity` | source | what follows a voltage or rate |
| `Delta` | nowhere: the potential jumps | networks of Brunel's kind |

All of them equal a simulation of each synapse on its own, with and without delays, to rounding
(`tests/test_projection.py`). Weights scale what the synapse conducts: nS or mS/cm^2 with `COBA`,
`MgBlock` and `Diffusive`, pA or uA/cm^2 with `CUBA`, mV with `Delta`.

Neurons with fast and slow excitation that tires, inhibition, gap junctions and a Poisson input:

```python
import jax

from fdyn import Network, Projection, simulate
from fdyn.components import (
    AMPA,
    COBA,
    GABAA,
    LIF,
    NMDA,
    Activity,
    Diffusive,
    MgBlock,
    PoissonInput,
    TsodyksMarkram,
)
from fdyn.sparse import Dense, fixed_probability

keys = jax.random.split(jax.random.key(0), 4)
from_input = fixed_probability(keys[0], 50, 40, p=0.5, weight=5.0)  # nS
within = fixed_probability(keys[1], 40, 40, p=0.2, weight=2.0)
to_inhibition = fixed_probability(keys[2], 40, 10, p=0.5, weight=5.0)
inhibition = fixed_probability(keys[3], 10, 40, p=0.5, weight=5.0)
excite, tired = COBA(0.0), TsodyksMarkram(0.5, 800.0)  # mV; utilization, recovery in ms
net = Network(
    {"noise": PoissonInput(50, rate=50.0), "E": LIF(40, r=0.1), "I": LIF(10, r=0.1)},
    {
        "input": Projection("noise", "E", from_input, AMPA(), excite),
        "EE_ampa": Projection("E", "E", within, AMPA(), excite, delay=1.0, release=tired),
        "EE_nmda": Projection("E", "E", within, NMDA(), MgBlock(), delay=1.0),
        "EI": Projection("E", "I", to_inhibition, AMPA(), excite, delay=1.0),
        "IE": Projection("I", "E", inhibition, GABAA(), COBA(-80.0), delay=1.0),
        "gap": Projection("I", "I", Dense(0.1, n_pre=10, n_post=10), Activity(), Diffusive()),
    },
)
run = simulate(net, 200.0, dt=0.1, record=["E.spike", "EE_nmda.s", "IE.r"])
assert run["EE_nmda.s"].shape == (2000, 40)  # one gate for each neuron that sends
```
"""
DT = 0.1


def train(*times, duration):
    """An input that makes a neuron spike at these times (ms)."""
    u = np.zeros((round(duration / DT), 1))
    u[[round(t / DT) - 1 for t in times]] = 1e4
    return u


def course(synapses, record, times=(10.0,), duration=100.0, output=None, release=None):
    """What each of several synapses makes of the same spikes."""
    parts = {
        f"s{k}": Projection("pre", "post", OneToOne(1.0, n=1), s, output or CUBA(), release=release)
        for k, s in enumerate(synapses)
    }
    net = Network({"pre": LIF(1), "post": LIF(1, v_th=1e9)}, parts)
    names = [f"s{k}.{name}" for k, name in enumerate(record)]
    inputs = {"pre": train(*times, duration=duration)}
    run = simulate(net, duration, dt=DT, inputs=inputs, record=[*names, "post.v"])
    return run.ts, [run[name][:, 0] for name in names], run["post.v"][:, 0]


def draw_linear(ax):
    kinds = [Exponential(5.0), Alpha(5.0)]
    ts, gs, _ = course(kinds, ["g", "g"], duration=60.0)
    for kind, g in zip(kinds, gs, strict=True):
        ax.plot(ts, g, label=type(kind).__name__)
    synapse = DualExponential(1.0, 5.0)
    ts, (rise, decay), _ = course([synapse, synapse], ["rise", "decay"], duration=60.0)
    g = synapse.conductance({"rise": jnp.asarray(rise), "decay": jnp.asarray(decay)}, None)
    ax.plot(ts, g, label="DualExponential")
    ax.set(xlabel="time (ms)", ylabel="g (nS)")
    ax.legend()


def draw_delta(ax):
    ts, _, v = course([], [], duration=80.0)
    part = Projection("pre", "post", OneToOne(3.0, n=1), Delta(), delay=1.0)
    net = Network({"pre": LIF(1), "post": LIF(1)}, {"p": part})
    inputs = {"pre": train(10.0, 20.0, 25.0, 30.0, duration=80.0)}
    run = simulate(net, 80.0, dt=DT, inputs=inputs, record="post.v")
    ax.plot(ts, run["post.v"][:, 0])
    ax.set(xlabel="time (ms)", ylabel="v (mV)")


def draw_receptors(ax):
    kinds = [AMPA(), GABAA(), NMDA(), NMDAKinetic()]
    ts, gs, _ = course(kinds, ["r", "r", "s", "s"], duration=150.0)
    for kind, g in zip(kinds, gs, strict=True):
        ax.plot(ts, g, label=type(kind).__name__)
    ax.set(xlabel="time (ms)", ylabel="part of open channels (1)")
    ax.legend()


def draw_gaba_b(ax):
    for count in (1, 4, 10):
        times = 10.0 + 5.0 * np.arange(count)
        ts, (s,), _ = course([GABAB()], ["s"], times, 400.0)
        g = GABAB().conductance({"s": jnp.asarray(s)}, None)
        ax.plot(ts, g, label=f"{count} spikes" if count > 1 else "1 spike")
    ax.set(xlabel="time (ms)", ylabel="part of open channels (1)")
    ax.legend()


def draw_graded(ax):
    part = Projection("pre", "post", OneToOne(3.0, n=1), Graded(0.5, 0.1, -55.0, 4.0), COBA(-80.0))
    net = Network({"pre": LIF(1, v_th=1e3), "post": LIF(1)}, {"p": part})
    u = 15 * np.sin(2 * np.pi * np.arange(4000) * DT / 200.0)[:, None] + 5
    run = simulate(net, 400.0, dt=DT, inputs={"pre": u}, record=["pre.v", "post.v", "p.s"])
    ax.plot(run.ts, run["pre.v"][:, 0], label="presynaptic")
    ax.plot(run.ts, run["post.v"][:, 0], label="postsynaptic")
    ax.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(-80.0, -35.0))
    ax.legend(loc="upper right")


def draw_gap(ax):
    w = OneToOne(0.5, n=1)
    net = Network(
        {"a": LIF(1, v_th=1e3), "b": LIF(1, v_th=1e3)},
        {
            "ab": Projection("a", "b", w, Activity(), Diffusive()),
            "ba": Projection("b", "a", w, Activity(), Diffusive()),
        },
    )
    u = np.where((np.arange(1500) > 200) & (np.arange(1500) < 900), 10.0, 0.0)[:, None]
    run = simulate(net, 150.0, dt=DT, inputs={"a": u}, record=["a.v", "b.v"])
    ax.plot(run.ts, run["a.v"][:, 0], label="driven by 10 pA")
    ax.plot(run.ts, run["b.v"][:, 0], label="coupled to it")
    ax.set(xlabel="time (ms)", ylabel="v (mV)")
    ax.legend(loc="upper left")


def draw_outputs(ax):
    v = jnp.asarray(np.linspace(-90.0, 20.0, 111))
    for output, weight in ((COBA(0.0), 1.0), (COBA(-80.0), 1.0), (MgBlock(), 1.0), (CUBA(), 20.0)):
        label = f"COBA, e = {output.e:g} mV" if isinstance(output, COBA) else type(output).__name__
        ax.plot(v, output.current(v, jnp.asarray(weight))(v) + 0 * v, label=label)
    ax.axhline(0.0, color="0.8", lw=0.8, zorder=0)
    ax.set(xlabel="v (mV)", ylabel="inward current (pA)", ylim=(-110.0, 130.0))
    ax.legend(loc="upper right")


def draw_release(kinds):
    def draw(ax):
        times = [*(50.0 * np.arange(1, 11)), 900.0]
        for label, release in kinds.items():
            ts, (g,), _ = course([Exponential(8.0)], ["g"], times, 1000.0, release=release)
            ax.plot(ts, g, label=label)
        ax.set(xlabel="time (ms)", ylabel="g (nS)")
        ax.legend()

    return draw


SECTIONS = [
    Section(
        "Linear synapses",
        "After a single arrival of weight 1, and the jumps of a delta synapse.",
        [
            Panel(("Exponential", "Alpha", "DualExponential"), draw_linear),
            Panel("Delta", draw_delta),
        ],
    ),
    Section(
        "Receptors",
        "Channels that saturate. A single spike; bursts at 200 Hz for GABA_B.",
        [
            Panel(("AMPA", "GABAA", "NMDA", "NMDAKinetic"), draw_receptors),
            Panel("GABAB", draw_gaba_b),
        ],
    ),
    Section(
        "Without spikes",
        "Driven by the presynaptic voltage: chemical synapses that open gradually, gap junctions.",
        [Panel("Graded", draw_graded), Panel(("Activity", "Diffusive"), draw_gap)],
    ),
    Section(
        "Outputs",
        "The current over the voltage, for a conductance of 1 nS, and with `CUBA` for 20 pA.",
        [Panel(("COBA", "CUBA", "MgBlock"), draw_outputs)],
    ),
    Section(
        "Release",
        "What becomes of a spike before it reaches the synapses: ten spikes at 20 Hz and a late "
        "one, through an exponential synapse.",
        [
            Panel(
                "TsodyksMarkram",
                draw_release(
                    {
                        "facilitation": TsodyksMarkram(0.05, 100.0, 1000.0),
                        "depression": TsodyksMarkram(0.5, 800.0),
                    }
                ),
            ),
            Panel(
                "StochasticRelease",
                draw_release(
                    {
                        "StochasticRelease(0.5, 4)": StochasticRelease(0.5, 4),
                        "TsodyksMarkram(sites=8)": TsodyksMarkram(0.5, 800.0, sites=8),
                    }
                ),
                "StochasticRelease, and depletion of vesicles",
            ),
        ],
    ),
]
