"""Neurons: how they fire."""

import numpy as np
from section import Panel, Section

from fdyn import Record, Spikes, simulate
from fdyn.components import KHH, LIF, ConductanceBased, ConstantInput, Leak, MorrisLecar, NaHH

TITLE = "Neurons"
INTRO = """
Populations of neurons: `size` of them, each parameter a scalar or one number per neuron. All are
driven through `inputs=` or the projections of a network, and have a membrane potential and spikes.
"""


def voltage(neuron, u, duration=200.0, dt=0.05):
    """The voltage under a constant input."""

    def draw(ax):
        rec = simulate(neuron, duration, dt=dt, inputs=u, record=[Record("v")])
        ax.plot(rec.ts, rec["v"][:, 0])
        ax.set(xlabel="time (ms)", ylabel="v (mV)")

    return draw


def draw_rates(ax):
    current = np.linspace(0.0, 40.0, 41)
    neurons = LIF(41, t_ref=2.0)
    run = simulate(
        neurons, 1000.0, dt=0.1, inputs=ConstantInput(41, current), record=Spikes("spike")
    )
    ax.plot(current, np.bincount(run.spikes("spike").index, minlength=41))
    ax.set(xlabel="current (pA)", ylabel="rate (Hz)")


SECTIONS = [
    Section(
        "Integrate and fire",
        "A linear membrane with a threshold.",
        [
            Panel("LIF", voltage(LIF(1, t_ref=2.0), 20.0)),
            Panel("LIF", draw_rates, "LIF: rate over current"),
        ],
        others="SuperSpike",
    ),
    Section(
        "Conductance based",
        "Spikes that follow from the currents through the membrane.",
        [
            Panel(
                "ConductanceBased",
                voltage(ConductanceBased(1, {"na": NaHH(), "k": KHH(), "l": Leak()}), 10.0, 80.0),
                "ConductanceBased, with the channels of the squid axon",
            ),
            Panel("MorrisLecar", voltage(MorrisLecar(1), 100.0, 500.0)),
        ],
    ),
]
