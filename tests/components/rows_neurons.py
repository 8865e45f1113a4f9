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
        comp.LeakyIntegrator,
        lambda n, v: comp.LeakyIntegrator(n, tau=v(20.0), v_rest=v(-60.0)),
        lambda n: jnp.full(n, 8.0),
    ),
    Row(
        comp.ExponentialIF,
        lambda n, v: comp.ExponentialIF(n, tau=v(10.0), v_t=v(-55.0), delta_t=v(2.0)),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.AdEx,
        lambda n, v: comp.AdEx(n, c=v(281.0), a=v(4.0), tau_w=v(100.0), w_init=v(10.0)),
        lambda n: jnp.full(n, 300.0),
    ),
    Row(
        comp.QIF,
        lambda n, v: comp.QIF(n, tau=v(20.0), k=v(0.04), v_init=-80.0),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.AdaptiveQIF,
        lambda n, v: comp.AdaptiveQIF(n, c=v(100.0), a=v(-2.0), w_init=v(5.0)),
        lambda n: jnp.full(n, 60.0),
    ),
    Row(
        comp.Izhikevich,
        lambda n, v: comp.Izhikevich(n, a=v(0.02), b=v(0.2), u_init=-5.0),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.GIF,
        lambda n, v: comp.GIF(n, g=v(5.0), a=v(0.005), theta_init=v(-48.0)),
        lambda n: jnp.full(n, 100.0),
    ),
    Row(
        comp.GLIF,
        lambda n, v: comp.GLIF(n, g=v(5.0), a_v=v(0.005), b_s=v(0.01)),
        lambda n: jnp.full(n, 100.0),
    ),
    Row(
        comp.ALIF,
        lambda n, v: comp.ALIF(n, tau=v(20.0), beta=v(1.5)),
        lambda n: jnp.full(n, 8.0),
    ),
    Row(
        comp.SpikeResponse,
        lambda n, v: comp.SpikeResponse(n, tau=v(20.0), rho=v(20.0), v_init=-50.0),
        lambda n: jnp.full(n, 8.0),
        random=True,
    ),
    Row(
        comp.WangBuzsaki,
        lambda n, v: comp.WangBuzsaki(n, g_na=v(35.0), phi=v(5.0), v_init=-60.0),
        lambda n: jnp.full(n, 0.5),
    ),
    Row(
        comp.FitzHughNagumo,
        lambda n, v: comp.FitzHughNagumo(n, a=v(0.7), epsilon=v(0.08)),
        lambda n: jnp.full(n, 0.2),
    ),
    Row(
        comp.HindmarshRose,
        lambda n, v: comp.HindmarshRose(n, b=v(3.0), r=v(0.006)),
        lambda n: jnp.full(n, 0.2),
    ),
    Row(
        comp.PinskyRinzel,
        lambda n, v: comp.PinskyRinzel(n, g_c=v(2.1), g_ca=v(10.0), v_init=-58.0, ca_init=5.0),
        lambda n: jnp.full(n, 0.5),
    ),
    Row(
        comp.HardReset,
        lambda n, v: comp.LIF(n, tau=v(20.0), reset=comp.HardReset(), reset_grad=True),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.SoftReset,
        lambda n, v: comp.LIF(n, tau=v(20.0), reset=comp.SoftReset()),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.PartialReset,
        lambda n, v: comp.AdEx(n, reset=comp.PartialReset(v(0.3), v(-1.0))),
        lambda n: jnp.full(n, 3.0),
    ),
    Row(
        comp.SuperSpike,
        lambda n, v: comp.LIF(n, spike=comp.SuperSpike(v(1.0))),
        lambda n: jnp.full(n, 3.0),
    ),
]
