"""Channels and ions in the conformance table, each in the smallest neuron with it."""

from typing import Any

import jax.numpy as jnp
from row import Row

from fdyn import components as comp


def channel(kind: type, quick: bool = False, ions: Any = None, name: str = "", **kwargs) -> Row:
    """`ions`: a function from `vary` to the ions; parameters that are numbers vary over units."""

    def make(n, vary):
        given = {k: vary(x) if isinstance(x, float) else x for k, x in kwargs.items()}
        leak = comp.Leak(g=0.2, e=-65.0)
        return comp.ConductanceBased(
            n,
            {"x": kind(**given), "rest": leak},
            v_init=-60.0,
            ions=ions(vary) if ions else {},
        )

    return Row(kind, make, lambda n: jnp.full(n, 1.0), quick=quick, name=name)


def ion(kind: type, make: Any, *extra: Any, name: str = "") -> Row:
    """An ion that a channel fills and, where it has a reversal potential, another takes it from."""

    def build(n, vary):
        channels = {"x": comp.CaTHuguenardPrince(g=0.5, e=120.0, celsius=30.0)}
        channels |= {f"y{i}": make_one() for i, make_one in enumerate(extra)}
        channels["rest"] = comp.Leak(g=0.2, e=-65.0)
        return comp.ConductanceBased(n, channels, v_init=-60.0, ions={"ca": make(vary)})

    return Row(kind, build, lambda n: jnp.full(n, 1.0), name=name)


def shell(vary):
    return {"ca": comp.IonShell(inside=vary(2.4e-4), depth=vary(0.5))}


def leak():
    return comp.Leak(g=0.01, e=None, ion="ca")


def ahp():
    return comp.KAHPDestexhe(e=-95.0, alpha=4800.0)


ROWS = [
    channel(comp.Leak, g=0.3, e=-54.0),
    channel(comp.GHKLeak, ions=lambda vary: {"k": comp.potassium()}, ion="k", p=1e-6),
    channel(comp.NaHH, True, g=12.0, e=50.0, phi=1.2),
    channel(comp.KHH, g=36.0, e=-77.0, phi=1.2),
    channel(comp.NaTraubMiles, g=10.0, e=50.0, v_t=-55.0, phi=1.2),
    channel(comp.KTraubMiles, g=30.0, e=-90.0, v_t=-55.0, phi=1.2),
    channel(comp.NaBazhenov, g=1.5, e=50.0, celsius=30.0),
    channel(comp.KDRBazhenov, g=20.0, e=-90.0, celsius=30.0),
    channel(comp.NaPTimofeev, g=0.07, e=50.0, celsius=30.0),
    channel(comp.KA1HuguenardMcCormick, g=2.0, e=-95.0, celsius=30.0),
    channel(comp.KA2HuguenardMcCormick, g=1.4, e=-95.0, celsius=30.0),
    channel(comp.KK2AHuguenardMcCormick, g=2.0, e=-95.0, celsius=30.0),
    channel(comp.KK2BHuguenardMcCormick, g=2.0, e=-95.0, celsius=30.0),
    channel(comp.CaTHuguenardMcCormick, ions=shell, p=2e-4, celsius=30.0),
    channel(
        comp.CaTHuguenardMcCormick,
        name="CaTHuguenardMcCormick by Ohm's law",
        g=2.0,
        p=None,
        e=120.0,
        v_sh=-2.0,
    ),
    channel(comp.IhHuguenardMcCormick, g=0.5, e=-43.0, celsius=30.0),
    channel(comp.CaHTMcCormickHuguenard, ions=shell, p=2.76e-4, celsius=30.0),
    channel(comp.CaTHuguenardPrince, ions=shell, g=1.75, celsius=30.0),
    channel(comp.KAHPDestexhe, ions=shell, g=10.0, e=-95.0, alpha=4.8e5),
    channel(comp.CANDestexhe, ions=shell, g=0.25, e=-20.0, alpha=2e5),
    channel(comp.IhDestexhe, ions=shell, g=0.5, e=-40.0, k_2=4e-4, celsius=30.0),
    channel(comp.CANInoueStrowbridge, ions=shell, g=100.0, e=10.0, phi=1.2),
    channel(comp.CaLInoueStrowbridge, ions=shell, g=1.0, celsius=30.0),
    channel(comp.KMYamada, g=1.0, e=-90.0, tau_max=500.0),
    channel(comp.CaHTReuveni, ions=shell, g=1.0, phi=1.2),
    channel(comp.CaTPospischil, g=0.4, e=120.0, v_x=2.0),
    ion(comp.FixedIon, lambda vary: comp.FixedIon(vary(120.0)), leak),
    ion(comp.NernstIon, lambda vary: comp.NernstIon(vary(1e-4), vary(1.5), valence=2), leak),
    ion(comp.IonShell, lambda vary: comp.IonShell(k_t=vary(1e-4), tau=vary(20.0)), leak, ahp),
    ion(
        comp.IonShell,
        lambda vary: comp.IonShell(side="outside", depth=vary(0.2), inward_only=True),
        leak,
        name="IonShell outside",
    ),
    ion(comp.FirstOrderIon, lambda vary: comp.FirstOrderIon(alpha=vary(2e-6)), ahp),
]
