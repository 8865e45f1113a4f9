"""Inputs: one stretch of each."""

from section import Panel, Section

from fdyn import Record, Spikes, simulate
from fdyn.components import ConstantInput, OrnsteinUhlenbeck, PoissonInput

TITLE = "Inputs"
INTRO = """
What drives a model from outside: through `inputs=`, or as a node of a network.
"""


def trace(source, name, unit, duration=100.0):
    """The output of an input over time."""

    def draw(ax):
        rec = simulate(source, duration, dt=0.1, record=[Record(name)])
        ax.plot(rec.ts, rec[name])
        ax.set(xlabel="time (ms)", ylabel=f"{name} ({unit})")

    return draw


def draw_poisson(ax):
    rec = simulate(PoissonInput(20, rate=50.0), 200.0, dt=0.1, record=Spikes("spike"))
    at = rec.spikes("spike")
    ax.plot(at.times, at.index, "|", ms=5)
    ax.set(xlabel="time (ms)", ylabel="train (index)")


SECTIONS = [
    Section(
        "Signals and noise",
        "Constant, and random.",
        [
            Panel("ConstantInput", trace(ConstantInput(1, 10.0), "value", "pA")),
            Panel("OrnsteinUhlenbeck", trace(OrnsteinUhlenbeck(3, 10.0, 2.0), "value", "pA")),
            Panel("PoissonInput", draw_poisson),
        ],
    )
]
