"""Synapses: what an arrival makes of the conductance, and the current that follows."""

import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn import Network, Projection, Record, simulate
from fdyn.components import COBA, CUBA, LIF, Exponential
from fdyn.sparse import OneToOne

TITLE = "Synapses and their outputs"
INTRO = """
The dynamics of the synapses of a projection, and the current that they make in its target.
"""


def draw_exponential(ax):
    net = Network(
        {"pre": LIF(1), "post": LIF(1)},
        {"syn": Projection("pre", "post", OneToOne(1.0, n=1), Exponential(5.0), COBA(0.0))},
    )
    rec = simulate(net, 100.0, dt=0.1, inputs={"pre": 30.0}, record=[Record("syn.g")])
    ax.plot(rec.ts, rec["syn.g"][:, 0])
    ax.set(xlabel="time (ms)", ylabel="g (nS)")


def draw_outputs(ax):
    v, g = jnp.asarray(np.linspace(-90.0, 20.0, 111)), jnp.asarray(1.0)
    for output in (COBA(0.0), COBA(-80.0), CUBA()):
        label = f"COBA, e = {output.e:g} mV" if isinstance(output, COBA) else "CUBA"
        ax.plot(v, output.current(v, g)(v) + 0 * v, label=label)
    ax.set(xlabel="v (mV)", ylabel="current (pA)")
    ax.legend()


SECTIONS = [
    Section("Dynamics", "After an arrival.", [Panel("Exponential", draw_exponential)]),
    Section("Outputs", "The current over the voltage.", [Panel(("COBA", "CUBA"), draw_outputs)]),
]
