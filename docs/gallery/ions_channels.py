"""Ions and channels: steady states, time constants, voltage clamp; what they do in a cell."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from section import Panel, Section

from fdyn import Record, components, simulate
from fdyn.components import (
    CaHTReuveni,
    CANDestexhe,
    CANInoueStrowbridge,
    CaTHuguenardMcCormick,
    CaTHuguenardPrince,
    ConductanceBased,
    FirstOrderIon,
    FixedIon,
    GHKLeak,
    IhHuguenardMcCormick,
    IonShell,
    KAHPDestexhe,
    KTraubMiles,
    Leak,
    NaTraubMiles,
    calcium,
    potassium,
    sodium,
)

TITLE = "Ions and channels"
INTRO = """
A `ConductanceBased` neuron has `channels`, and `ions` that they share. A channel knows the ion that
it carries by name: `"na"`, `"k"` or `"ca"`. Where its reversal potential `e` is `None`, it takes
that of the ion; its current changes the concentration of the ion, where that can change; and some
channels read a concentration. What is missing or does not fit is an error when the neuron is made.

```python
from fdyn import simulate
from fdyn.components import (
    CaTHuguenardMcCormick,
    ConductanceBased,
    FixedIon,
    IonShell,
    KAHPDestexhe,
    KTraubMiles,
    Leak,
    NaTraubMiles,
)

cell = ConductanceBased(
    1,
    {
        "na": NaTraubMiles(e=None),
        "k": KTraubMiles(e=None),
        "t": CaTHuguenardMcCormick(),  # fills the shell with calcium
        "ahp": KAHPDestexhe(),  # opened by that calcium
        "leak": Leak(g=0.05, e=-70.0),
    },
    ions={"na": FixedIon(50.0), "k": FixedIon(-95.0), "ca": IonShell()},
)
run = simulate(cell, 50.0, dt=0.05, inputs=2.0, record=["v", "ions.ca.inside"])
assert run["ions.ca.inside"].max() > 2.4e-4  # mM
```

Names give the ion and then the paper. The curves below hold at 36 °C. Every formula is compared in
the tests with one written independently, and, where the authors have published an implementation
for NEURON, with what that one computes.
"""

V = jnp.asarray(np.linspace(-110.0, 40.0, 301))
IONS = {
    "na": sodium().view({}),
    "k": potassium().view({}),
    "ca": calcium(inside=2.4e-4, outside=2.0).view({}),
}
# The channels that calcium opens too are drawn at 1 uM of it.
READS_CALCIUM = {"IhDestexhe", "CANInoueStrowbridge", "KAHPDestexhe", "CANDestexhe"}
OPENING = {**IONS, "ca": calcium(inside=1e-3, outside=2.0).view({})}
REVERSAL = {"na": 50.0, "k": -95.0, "ca": 120.0}


def made(name: str) -> Any:
    """The channel with the reversal potential of its ion, unless it has one or a permeability."""
    kind: Any = getattr(components, name)
    open_e = getattr(kind(), "e", 0.0) is None and getattr(kind(), "p", None) is None
    return kind(e=REVERSAL[kind.ion]) if open_e else kind()


def ions_of(name: str) -> dict[str, Any]:
    """The concentrations at which a channel is drawn."""
    return OPENING if name in READS_CALCIUM else IONS


def title(name: str) -> str:
    """What stands above the axes of a channel."""
    return f"{name}, 1 uM Ca" if name in READS_CALCIUM else name


def steady(name: str) -> Callable[[Axes], None]:
    """Steady states, and time constants on the other axis, of the gates."""

    def draw(ax: Axes) -> None:
        channel, ions = made(name), ions_of(name)
        y = channel.init(V, ions)
        rates = channel.flow(V, y, ions)
        right = ax.twinx()
        right.spines["right"].set_visible(True)
        for i, (gate, x) in enumerate(y.items()):
            ax.plot(V, x, f"C{i}", label=gate)
            right.plot(V, np.broadcast_to(-1 / rates[gate].a, V.shape), f"C{i}--")
        taus = np.concatenate([np.broadcast_to(-1 / r.a, V.shape) for r in rates.values()])
        low, high = float(taus.min()), float(taus.max())
        if high > 10 * low:
            # A logarithmic axis where the time constants differ much, over whole decades, so that
            # its ticks are these and none between them is labelled.
            ends = 10.0 ** np.floor(np.log10(low)), 10.0 ** np.ceil(np.log10(high))
            right.set(yscale="log", ylim=ends)
            right.yaxis.set_minor_formatter(NullFormatter())
        else:
            right.set(ylim=(0, 1.1 * high))
        right.set(ylabel="time constant (ms), dashed")
        ax.set(xlabel="v (mV)", ylabel="steady state (1)", ylim=(-0.03, 1.03))
        # Beside the title, off the curves.
        where = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderpad": 0.1}
        ax.legend(
            ncols=3,
            handlelength=1.0,
            columnspacing=0.8,
            handletextpad=0.3,
            borderaxespad=0.0,
            **where,
        )

    return draw


def clamp(
    name: str, hold: float, levels: Sequence[float], duration: float
) -> Callable[[Axes], None]:
    """The inward current after steps of a clamped voltage; darker: higher."""

    def draw(ax: Axes) -> None:
        channel, ions = made(name), ions_of(name)
        ts = jnp.asarray(np.linspace(0.0, duration, 300))
        before = channel.init(jnp.asarray(hold), ions)
        for i, level in enumerate(levels):
            v = jnp.asarray(level)
            rates = channel.flow(v, before, ions)
            # At a constant voltage every gate relaxes exponentially.
            end = {k: -r.b / r.a for k, r in rates.items()}
            y = {k: end[k] + (before[k] - end[k]) * jnp.exp(r.a * ts) for k, r in rates.items()}
            current = jax.vmap(lambda y, v=v: channel.current(v, y, ions)(v))(y)
            ax.plot(ts, current, color=f"{0.75 - 0.75 * i / (len(levels) - 1):.2f}")
        to = ", ".join(f"{level:g}" for level in levels)
        ax.set(xlabel=f"time (ms) after steps to {to} mV", ylabel="inward current (uA/cm²)")

    return draw


def both(*channels: tuple[str, float, Sequence[float], float]) -> list[Panel]:
    """Rows of the curves of channels, each over a row of their currents in voltage clamp."""
    panels: list[Panel] = []
    for i in range(0, len(channels), 3):
        row = channels[i : i + 3]
        gap = [Panel((), lambda ax: ax.axis("off"))] * (3 - len(row) if i else 0)
        panels += [Panel(c[0], steady(c[0]), title(c[0])) for c in row] + gap
        panels += [Panel((), clamp(*c), f"{title(c[0])}, from {c[1]:g} mV") for c in row] + gap
    return panels


UP = (-60.0, -40.0, -20.0, 0.0, 20.0)


def reversal(ax: Axes) -> None:
    """Nernst potentials over the outer concentration."""
    outside = np.geomspace(0.5, 200.0, 100)
    for name, ion in (("Na", sodium()), ("K", potassium()), ("Ca", calcium())):
        e = type(ion)(ion.inside, outside, valence=ion.valence).view({}).e
        ax.plot(outside, e, label=name)
    ax.set(xscale="log", xlabel="concentration outside (mM)", ylabel="reversal potential (mV)")
    ax.legend()


def fixed(ax: Axes) -> None:
    """What the reversal potential of potassium does to a firing rate."""
    e = np.linspace(-100.0, -70.0, 7)
    cell = ConductanceBased(
        len(e),
        {
            "na": NaTraubMiles(),
            "k": KTraubMiles(e=None),
            "leak": Leak(g=0.05, e=None, ion="k"),
        },
        ions={"k": FixedIon(e)},
    )
    run = simulate(cell, 300.0, dt=0.05, inputs=2.0, record="spike")
    ax.plot(e, run["spike"].sum(0) / 0.3, "o-")
    ax.set(xlabel="reversal potential of potassium (mV)", ylabel="firing rate (Hz)")


def accumulation(ax: Axes) -> None:
    """The calcium that spikes bring, by the two dynamics."""
    kinds = {
        "IonShell": IonShell(tau=80.0),
        "IonShell with pump": IonShell(tau=1e4, k_t=4e-5, k_d=1e-3),
        "FirstOrderIon": FirstOrderIon(alpha=5e-5),
    }
    current = np.where((np.arange(8000) >= 1000) & (np.arange(8000) < 5000), 2.0, 0.0)
    for label, ion in kinds.items():
        channels = {
            "na": NaTraubMiles(),
            "k": KTraubMiles(),
            "ca": CaHTReuveni(g=0.1, e=120.0),
            "leak": Leak(g=0.05, e=-70.0),
        }
        cell = ConductanceBased(1, channels, ions={"ca": ion})
        run = simulate(
            cell, 400.0, dt=0.05, inputs=current, record=[Record("ions.ca.inside", every=10)]
        )
        ax.plot(run.times("ions.ca.inside"), 1e3 * run["ions.ca.inside"][:, 0], label=label)
    ax.set(xlabel="time (ms)", ylabel="calcium inside (uM)")
    ax.legend()


def gate_by_calcium(ax: Axes) -> None:
    """Steady states of the gates that only calcium opens."""
    c = jnp.asarray(np.geomspace(1e-5, 1.0, 200))
    for channel in (KAHPDestexhe(e=-95.0), CANDestexhe()):
        ions = {"ca": calcium(inside=c).view({})}
        ax.plot(c, channel.init(0 * c - 60.0, ions)["m"] ** 2, label=type(channel).__name__)
    bound = c / (c + CANInoueStrowbridge().k_d)
    ax.plot(c, bound, label="CANInoueStrowbridge")
    ax.set(xscale="log", xlabel="calcium inside (mM)", ylabel="open fraction (1)")
    ax.legend(loc="upper left")


def step_of_calcium(name: str) -> Callable[[Axes], None]:
    """The inward current at -60 mV after steps of the calcium from rest; darker: higher."""

    def draw(ax: Axes) -> None:
        channel, v = made(name), jnp.asarray(-60.0)
        before = channel.init(v, IONS)["m"]
        levels = (1.0, 3.0, 10.0, 30.0)  # uM
        for i, level in enumerate(levels):
            ions = {**IONS, "ca": calcium(inside=1e-3 * level).view({})}
            rate = channel.flow(v, {"m": before}, ions)["m"]
            ts, end = np.linspace(0.0, 500.0, 400), -rate.b / rate.a
            m = end + (before - end) * jnp.exp(rate.a * ts)
            current = jax.vmap(lambda m, ions=ions: channel.current(v, {"m": m}, ions)(v))(m)
            ax.plot(ts, current, color=f"{0.75 - 0.25 * i:.2f}", label=f"{level:g} uM")
        ax.set(xlabel="time (ms)", ylabel="inward current (uA/cm²)")
        ax.legend()

    return draw


def bursts(ax: Axes) -> None:
    """A reticular cell: the T current fills the shell, and the calcium ends the burst."""
    for label, g in (("with KAHPDestexhe", 0.2), ("without", 0.0)):
        cell = ConductanceBased(
            1,
            {
                "na": NaTraubMiles(e=None, v_t=-55.0),
                "k": KTraubMiles(g=10.0, e=None, v_t=-55.0),
                "t": CaTHuguenardPrince(),
                "ahp": KAHPDestexhe(g=g, alpha=4.8e4),
                "leak": Leak(g=0.05, e=-80.0),
            },
            ions={"na": FixedIon(50.0), "k": FixedIon(-95.0), "ca": IonShell()},
            v_init=-80.0,
        )
        current = np.where((np.arange(16000) >= 2000), 0.6, 0.0)
        run = simulate(cell, 400.0, dt=0.025, inputs=current, record=[Record("v", every=4)])
        ax.plot(run.times("v"), run["v"][:, 0], label=label)
    ax.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(None, 85.0))
    ax.legend(loc="upper right", ncols=2)


def goldman(ax: Axes) -> None:
    """Current and voltage of a permeability, and of a conductance."""
    k = IONS["k"]
    ax.plot(V, GHKLeak("k", p=3e-7).current(V, {}, IONS)(V), label="GHKLeak, potassium")
    ax.plot(V, Leak(g=0.05, e=k.e).current(V, {}, IONS)(V), "--", label="Leak")
    ax.axhline(0.0, color="0.8", zorder=0)
    ax.set(xlabel="v (mV)", ylabel="inward current (uA/cm²)")
    ax.legend()


def relay(n: int = 1) -> ConductanceBased:
    """A thalamic relay cell: spikes, the T and the h current."""
    return ConductanceBased(
        n,
        {
            "na": NaTraubMiles(g=90.0, v_t=-52.0, phi=1.0, e=None),
            "k": KTraubMiles(g=10.0, v_t=-52.0, e=None),
            "t": CaTHuguenardMcCormick(g=2.0, p=None, v_sh=-2.0),
            "h": IhHuguenardMcCormick(g=0.01),
            "leak": Leak(g=0.01, e=-70.0),
            "kleak": Leak(g=0.01, e=None, ion="k"),
        },
        ions={"na": FixedIon(50.0), "k": FixedIon(-100.0), "ca": IonShell()},
        v_init=-70.0,
    )


def rebound(ax: Axes) -> None:
    """A burst at the end of a hyperpolarizing step, and its calcium."""
    rest = simulate(relay(), 1500.0, dt=0.025).state
    current = np.where((np.arange(20000) >= 4000) & (np.arange(20000) < 10000), -0.8, 0.0)
    calcium_inside = Record("ions.ca.inside", every=4)
    run = simulate(
        relay(), 500.0, dt=0.025, inputs=current, state=rest,
        record={"v": Record("v", every=4), "ca": calcium_inside},
    )  # fmt: skip
    ts = run.times("v") - 1500.0
    ax.plot(ts, run["v"][:, 0])
    ax.set(xlabel="time (ms)", ylabel="v (mV)")
    right = ax.twinx()
    right.spines["right"].set_visible(True)
    right.plot(ts, 1e3 * run["ca"][:, 0], "C1", lw=0.8)
    right.set_ylabel("calcium inside (uM)", color="C1")


CURVES = (
    "Of each channel the steady states and time constants of its gates, and under them the "
    "currents after steps from one clamped voltage to others, higher ones darker. A current "
    "$g (e - v)$ counts as inward, and points up."
)
RELAY = """
A thalamic relay cell answers the end of a hyperpolarization with a burst, since the T current has
recovered from inactivation, and the h current depolarizes it; the calcium of the burst stays in the
shell for a while. In a reticular cell the calcium of a burst opens the potassium channels that end
it. The relay cell, from its rest:

```python
import numpy as np

from fdyn import simulate
from fdyn.components import (
    CaTHuguenardMcCormick,
    ConductanceBased,
    FixedIon,
    IhHuguenardMcCormick,
    IonShell,
    KTraubMiles,
    Leak,
    NaTraubMiles,
)

relay = ConductanceBased(
    1,
    {
        "na": NaTraubMiles(g=90.0, v_t=-52.0, phi=1.0, e=None),
        "k": KTraubMiles(g=10.0, v_t=-52.0, e=None),
        "t": CaTHuguenardMcCormick(g=2.0, p=None, v_sh=-2.0),
        "h": IhHuguenardMcCormick(g=0.01),
        "leak": Leak(g=0.01, e=-70.0),
        "kleak": Leak(g=0.01, e=None, ion="k"),
    },
    ions={"na": FixedIon(50.0), "k": FixedIon(-100.0), "ca": IonShell()},
    v_init=-70.0,
)
rest = simulate(relay, 1500.0, dt=0.05).state
current = np.where((np.arange(6000) >= 1000) & (np.arange(6000) < 4000), -0.8, 0.0)  # uA/cm^2
run = simulate(relay, 300.0, dt=0.05, inputs=current, state=rest, record=["v", "spike"])
assert run["spike"][:4000].sum() == 0 and run["spike"][4000:].sum() >= 2
```
"""

SECTIONS = [
    Section(
        "Ions",
        "An ion is an entry of `ions`, with a reversal potential, concentrations, or both. Of "
        "those below, `IonShell` and `FirstOrderIon` follow the current of their channels.",
        [
            Panel("NernstIon", reversal, "Nernst potentials at 36 °C"),
            Panel("FixedIon", fixed, "FixedIon: several channels take its reversal potential"),
            Panel(("IonShell", "FirstOrderIon"), accumulation, "Calcium during a train of spikes"),
        ],
    ),
    Section(
        "Leaks",
        "Without gates: by Ohm's law, or by that of Goldman, Hodgkin & Katz.",
        [Panel(("Leak", "GHKLeak"), goldman)],
    ),
    Section(
        "Sodium",
        CURVES,
        both(
            ("NaHH", -90.0, UP, 5.0),
            ("NaTraubMiles", -90.0, UP, 5.0),
            ("NaBazhenov", -90.0, UP, 5.0),
            ("NaPTimofeev", -90.0, (-70.0, -60.0, -50.0, -40.0, -30.0), 2.0),
        ),
    ),
    Section(
        "Potassium",
        "The A and the K2 current each are two channels with the same kinds of gates.",
        both(
            ("KHH", -80.0, UP, 20.0),
            ("KTraubMiles", -80.0, UP, 20.0),
            ("KDRBazhenov", -80.0, UP, 20.0),
            ("KA1HuguenardMcCormick", -100.0, UP, 40.0),
            ("KA2HuguenardMcCormick", -100.0, UP, 60.0),
            ("KK2AHuguenardMcCormick", -100.0, UP, 200.0),
            ("KK2BHuguenardMcCormick", -100.0, UP, 3000.0),
            ("KMYamada", -90.0, UP, 1000.0),
        ),
    ),
    Section(
        "Calcium",
        "Those of Huguenard & McCormick have a permeability `p`, or by choice a conductance `g`.",
        both(
            ("CaTHuguenardMcCormick", -100.0, (-80.0, -70.0, -60.0, -50.0, -40.0), 60.0),
            ("CaTHuguenardPrince", -100.0, (-80.0, -70.0, -60.0, -50.0, -40.0), 100.0),
            ("CaTPospischil", -100.0, (-80.0, -70.0, -60.0, -50.0, -40.0), 100.0),
            ("CaHTMcCormickHuguenard", -80.0, (-40.0, -20.0, 0.0, 20.0, 40.0), 10.0),
            ("CaHTReuveni", -80.0, (-50.0, -40.0, -30.0, -20.0, -10.0), 100.0),
            ("CaLInoueStrowbridge", -80.0, (-30.0, -20.0, -10.0, 0.0, 10.0), 400.0),
        ),
    ),
    Section(
        "Opened by hyperpolarization or by calcium",
        "Mixed currents, which count for no ion, and the potassium current of the slow "
        "afterhyperpolarization. Those that calcium opens too are drawn at 1 uM of it, or at "
        "-60 mV after steps of calcium from 0.24 uM to 1, 3, 10 and 30 uM.",
        [
            *both(
                ("IhHuguenardMcCormick", -50.0, (-60.0, -75.0, -90.0, -105.0), 1500.0),
                ("IhDestexhe", -50.0, (-60.0, -75.0, -90.0, -105.0), 1500.0),
                ("CANInoueStrowbridge", -90.0, UP, 20.0),
            ),
            Panel(("KAHPDestexhe", "CANDestexhe"), gate_by_calcium, "Gates that calcium opens"),
            Panel((), step_of_calcium("KAHPDestexhe"), "KAHPDestexhe, steps of calcium"),
            Panel((), step_of_calcium("CANDestexhe"), "CANDestexhe, steps of calcium"),
        ],
    ),
    Section(
        "In a cell",
        RELAY,
        [
            Panel((), rebound, "Relay cell: -0.8 uA/cm² from 100 to 250 ms"),
            Panel((), bursts, "Reticular cell: 0.6 uA/cm² from 50 ms on"),
        ],
    ),
]
