"""Synapses, outputs and networks in the conformance table."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from row import Row, Vary, hard_lif

from fdyn import Network, Projection
from fdyn import components as comp
from fdyn.sparse import OneToOne


def synapse(covers: type, output: Callable[[Vary], Any]) -> Row:
    def make(n, vary):
        s = comp.Exponential(tau=vary(5.0), g_init=vary(0.5))
        p = Projection("a", "b", OneToOne(0.5, n=n), s, output(vary), delay=0.1)
        return Network({"a": hard_lif(n), "b": hard_lif(n)}, {"ab": p})

    return Row(covers, make, lambda n: {"a": jnp.full(n, 3.0)})


def nested(n: int, vary: Vary) -> Network:
    def p(pre, post, out):
        return Projection(pre, post, OneToOne(0.5, n=n), comp.Exponential(4.0, vary(0.3)), out)

    area = Network(
        {"E": hard_lif(n, tau=vary(20.0)), "I": hard_lif(n)},
        {"EI": p("E", "I", comp.COBA(0.0)), "IE": p("I", "E", comp.COBA(-80.0))},
    )
    return Network({"A": area, "B": area}, {"AB": p("A.E", "B.I", comp.CUBA())})


ROWS = [
    synapse(comp.Exponential, lambda v: comp.COBA(0.0)),
    synapse(comp.COBA, lambda v: comp.COBA(v(-70.0))),
    synapse(comp.CUBA, lambda v: comp.CUBA()),
    Row(
        Network,
        nested,
        lambda n: {"A": {"E": jnp.full(n, 3.0)}},
        name="Network",
        quick=True,
    ),
]
