"""Learning rules in the conformance table."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from row import Row, Vary, hard_lif

from fdyn import Network, Projection
from fdyn import components as comp
from fdyn.sparse import OneToOne


def rule(covers: type, make: Callable[[Vary], Any], graded: bool = False) -> Row:
    """Between neurons at different voltages, so that what a rule filters of them moves."""

    def model(n, vary):
        synapse = comp.Activity() if graded else comp.Exponential(vary(5.0), vary(0.5))
        learning = {"plasticity": make(vary), "delay": 0.0 if graded else 0.1}
        p = Projection("a", "b", OneToOne(0.5, n=n), synapse, comp.CUBA(), **learning)
        return Network({"a": hard_lif(n), "b": hard_lif(n)}, {"ab": p})

    return Row(covers, model, lambda n: {"a": jnp.full(n, 3.0)})


ROWS = [
    rule(comp.PairSTDP, lambda v: comp.PairSTDP(v(20.0), v(20.0), mu_plus=0.5, mu_minus=1.0)),
    rule(comp.TripletSTDP, lambda v: comp.TripletSTDP(tau_x=v(101.0), tau_y=v(114.0))),
    rule(comp.VoltageSTDP, lambda v: comp.VoltageSTDP(theta_minus=v(-70.6), u_ref=60.0)),
    rule(comp.InhibitorySTDP, lambda v: comp.InhibitorySTDP(rho0=v(5.0))),
    rule(comp.RewardSTDP, lambda v: comp.RewardSTDP("b.spike", tau_plus=v(20.0))),
    rule(comp.SynapticScaling, lambda v: comp.SynapticScaling(rate=v(5.0))),
    rule(comp.Oja, lambda v: comp.Oja(eta=1e-7, alpha=v(1.0)), graded=True),
    rule(comp.BCM, lambda v: comp.BCM(eta=1e-7, y0=v(1.0)), graded=True),
]
