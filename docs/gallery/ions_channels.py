"""Channels: their steady states and their currents under voltage clamp."""

import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn.components import KHH, KTraubMiles, NaHH, NaTraubMiles

TITLE = "Ions and channels"
INTRO = """
Currents through the membrane of a `ConductanceBased` neuron.
"""


def steady(channel):
    """The steady state of every gate over the voltage."""

    def draw(ax):
        v = jnp.asarray(np.linspace(-100.0, 40.0, 281))
        for gate, x in channel.init(v).items():
            ax.plot(v, x, label=gate)
        ax.set(xlabel="v (mV)", ylabel="steady state (1)")
        ax.legend()

    return draw


SECTIONS = [
    Section(
        "Sodium and potassium",
        "The channels that make spikes.",
        [
            Panel("NaHH", steady(NaHH())),
            Panel("KHH", steady(KHH())),
            Panel("NaTraubMiles", steady(NaTraubMiles())),
            Panel("KTraubMiles", steady(KTraubMiles())),
        ],
        others="Leak",
    )
]
