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


def release(covers: type, make: Callable[[Vary], Any], **kwargs) -> Row:
    """What spikes of an input release, so that the synapse has a course of its own."""

    def model(n, vary):
        s = comp.Exponential(tau=vary(5.0), g_init=vary(0.5))
        p = Projection(
            "in", "b", OneToOne(0.5, n=n), s, comp.COBA(0.0), release=make(vary), delay=0.1
        )
        source = comp.PoissonInput(n, 2e4) if kwargs.get("random") else hard_lif(n)
        return Network({"in": source, "b": hard_lif(n)}, {"ab": p})

    return Row(covers, model, **kwargs)


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
    synapse(comp.AMPA, lambda v: comp.AMPA(v(1.1), v(0.19), v(1.0))),
    synapse(comp.GABAA, lambda v: comp.GABAA(v(5.0), v(0.18), v(1.0))),
    synapse(comp.GABAB, lambda v: comp.GABAB(v(0.09), v(0.0012), v(0.18))),
    synapse(comp.NMDAKinetic, lambda v: comp.NMDAKinetic(v(2.0), v(0.01), v(1.0))),
    synapse(
        comp.Graded, lambda v: comp.Graded(v(12.0), v(0.1), v(-60.0), s_init=v(0.2)), delay=0.0
    ),
    synapse(comp.Exponential, lambda v: comp.Exponential(tau=v(5.0), g_init=v(0.5))),
    synapse(comp.NMDA, lambda v: comp.NMDA(v(100.0), v(2.0), v(0.5))),
    release(comp.TsodyksMarkram, lambda v: comp.TsodyksMarkram(v(0.5), v(800.0), v(1000.0))),
    release(comp.StochasticRelease, lambda v: comp.StochasticRelease(v(0.5), 2), random=True),
    release(
        comp.TsodyksMarkram,
        lambda v: comp.TsodyksMarkram(v(0.5), v(800.0), sites=5),
        random=True,
        name="TsodyksMarkram, sites",
    ),
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
