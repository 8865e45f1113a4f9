"""Synapses, outputs and networks in the conformance table."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from row import Row, Vary, hard_lif

from fdyn import Network, Projection
from fdyn import components as comp
from fdyn.sparse import OneToOne


def between(n: int, s: Any, output: Any, delay: float = 0.1, **kwargs) -> Network:
    """One neuron drives another each."""
    p = Projection("a", "b", OneToOne(0.5, n=n), s, output, delay=delay, **kwargs)
    return Network({"a": hard_lif(n), "b": hard_lif(n)}, {"ab": p})


def row(covers: type, make: Callable[[int, Vary], Any], **kwargs) -> Row:
    return Row(covers, make, lambda n: {"a": jnp.full(n, 3.0)}, **kwargs)


def synapse(covers: type, make: Callable[[Vary], Any], output: Any = comp.COBA, **kwargs) -> Row:
    return row(covers, lambda n, vary: between(n, make(vary), output(), **kwargs))


def output(covers: type, make: Callable[[Vary], Any], **kwargs) -> Row:
    def model(n, vary):
        s = comp.Exponential(tau=vary(5.0), g_init=vary(0.5))
        return between(n, s, make(vary), **kwargs)

    return row(covers, model)


def nested(n: int, vary: Vary) -> Network:
    def p(pre, post, out):
        return Projection(pre, post, OneToOne(0.5, n=n), comp.Exponential(4.0, vary(0.3)), out)

    area = Network(
        {"E": hard_lif(n, tau=vary(20.0)), "I": hard_lif(n)},
        {"EI": p("E", "I", comp.COBA(0.0)), "IE": p("I", "E", comp.COBA(-80.0))},
    )
    return Network({"A": area, "B": area}, {"AB": p("A.E", "B.I", comp.CUBA())})


ROWS = [
    synapse(comp.Activity, lambda v: comp.Activity(), comp.Diffusive, delay=0.0),
    synapse(comp.Alpha, lambda v: comp.Alpha(tau=v(2.0))),
    synapse(comp.Delta, lambda v: comp.Delta(), comp.CUBA),
    synapse(comp.DualExponential, lambda v: comp.DualExponential(v(1.0), v(5.0))),
    synapse(comp.Exponential, lambda v: comp.Exponential(tau=v(5.0), g_init=v(0.5))),
    synapse(comp.NMDA, lambda v: comp.NMDA(v(100.0), v(2.0), v(0.5))),
    output(comp.COBA, lambda v: comp.COBA(v(-70.0))),
    output(comp.CUBA, lambda v: comp.CUBA()),
    output(comp.Diffusive, lambda v: comp.Diffusive()),
    output(comp.MgBlock, lambda v: comp.MgBlock(v(0.0), v(1.0), v(3.57), v(16.0))),
    Row(
        Network,
        nested,
        lambda n: {"A": {"E": jnp.full(n, 3.0)}},
        name="Network",
        quick=True,
    ),
]
