"""Neurons in the conformance table."""

import jax.numpy as jnp
from row import Row

from fdyn import components as comp

ROWS = [
    Row(
        comp.LIF,
        lambda n, v: comp.LIF(n, tau=v(20.0), r=v(1.0), v_reset=v(-66.0), t_ref=v(2.0), v_init=-60),
        lambda n: jnp.full(n, 8.0),
        quick=True,
    ),
    Row(
        comp.LIF,
        lambda n, v: comp.LIF(n, tau=v(20.0), sigma=v(1.0)),
        lambda n: jnp.full(n, 3.0),
        random=True,
        name="LIF with noise",
    ),
    Row(
        comp.LIF,
        lambda n, v: comp.LIF(n, r=v(1.0)),
        lambda n: comp.Affine(jnp.full(n, -0.2), jnp.full(n, -8.0)),
        name="LIF with a conductance",
    ),
    Row(
        comp.ConductanceBased,
        lambda n, v: comp.ConductanceBased(
            n, {"na": comp.NaHH(), "k": comp.KHH(g=v(36.0)), "l": comp.Leak()}, c=v(1.0), t_ref=v(1)
        ),
        lambda n: jnp.full(n, 2.0),
    ),
    Row(
        comp.ConductanceBased,
        lambda n, v: comp.ConductanceBased(n, {"l": comp.Leak()}, sigma=v(0.5)),
        lambda n: jnp.full(n, 2.0),
        random=True,
        name="ConductanceBased with noise",
    ),
    Row(
        comp.MorrisLecar,
        lambda n, v: comp.MorrisLecar(n, g_ca=v(4.4), phi=v(0.04), v_init=v(-50.0)),
        lambda n: jnp.full(n, 40.0),
    ),
    Row(
        comp.SuperSpike,
        lambda n, v: comp.LIF(n, spike=comp.SuperSpike(v(1.0))),
        lambda n: jnp.full(n, 3.0),
    ),
]
