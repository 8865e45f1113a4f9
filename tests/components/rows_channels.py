"""Channels in the conformance table, each in the smallest neuron with it."""

import jax.numpy as jnp
from row import Row

from fdyn import components as comp


def channel(kind: type, quick: bool = False, **kwargs: float) -> Row:
    def make(n, vary):
        given = {k: vary(v) for k, v in kwargs.items()}
        leak = comp.Leak(g=0.2, e=-65.0)
        return comp.ConductanceBased(n, {"x": kind(**given), "rest": leak}, v_init=-60.0)

    return Row(kind, make, lambda n: jnp.full(n, 1.0), quick=quick)


ROWS = [
    channel(comp.Leak, g=0.3, e=-54.0),
    channel(comp.NaHH, True, g=12.0, e=50.0, phi=1.2),
    channel(comp.KHH, g=36.0, e=-77.0, phi=1.2),
    channel(comp.NaTraubMiles, g=10.0, e=50.0, v_t=-55.0, phi=1.2),
    channel(comp.KTraubMiles, g=30.0, e=-90.0, v_t=-55.0, phi=1.2),
]
