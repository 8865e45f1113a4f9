"""Neurons: how they fire."""

import functools

import jax
import numpy as np
from section import Panel, Section

from fdyn import Record, Spikes, simulate
from fdyn.components import (
    ALIF,
    GIF,
    GLIF,
    LIF,
    QIF,
    AdaptiveQIF,
    AdEx,
    ConstantInput,
    ExponentialIF,
    FitzHughNagumo,
    HardReset,
    HindmarshRose,
    Izhikevich,
    LeakyIntegrator,
    MorrisLecar,
    PartialReset,
    PinskyRinzel,
    SoftReset,
    SpikeResponse,
    WangBuzsaki,
    hodgkin_huxley,
)
from fdyn.solvers import RK4

TITLE = "Neurons"
INTRO = """
Populations of neurons: `size` of them, each parameter a scalar or one number per neuron. All are
driven through `inputs=` or the projections of a network, and have a membrane potential and spikes.

Neurons with a threshold share three fields that combine freely: `spike`, the threshold function
with its surrogate derivative; `reset`, the rule for the voltage; and `t_ref`, for how long it is
held. A fractional neuron is any of them with a [fractional solver](fractional.md).
"""
BLUE, ORANGE = "C0", "C1"


def voltage(neuron, u=None, duration=200.0, dt=0.05, of="v", top=None, solver=None):
    """The voltage under an input; `top` draws spikes of neurons with a reset as lines up to it."""

    def draw(ax):
        record = [of] if top is None else [of, "spike"]
        kwargs = {} if solver is None else {"solver": solver}
        rec = simulate(neuron, duration, dt=dt, inputs=u, record=record, **kwargs)
        ax.plot(rec.ts, rec[of][:, 0])
        if top is not None:
            mark(ax, rec.ts, rec["v"][:, 0], rec["spike"][:, 0], top)
        ax.set(xlabel="time (ms)", ylabel=f"{of} ({unit})" if (unit := rec.unit(of)) != "1" else of)

    return draw


def mark(ax, ts, v, spike, top):
    """Spikes as lines from the voltage after the reset up to `top`."""
    at = np.flatnonzero(spike)
    ax.vlines(ts[at], v[at], top, color=BLUE, lw=0.8)


def rates(make, currents, unit, duration=1000.0, dt=0.1, exact=None, solver=None):
    """Spikes per second over the current, after a tenth of the run."""

    def draw(ax):
        n = len(currents)
        u = ConstantInput(n, currents)
        kwargs = {} if solver is None else {"solver": solver}
        run = simulate(make(n), duration, dt=dt, inputs=u, record=Spikes("spike"), **kwargs)
        times, index = run.spikes("spike")
        late = times > 0.1 * duration
        count = np.bincount(index[late], minlength=n) / (0.9e-3 * duration)
        ax.plot(currents, count, ".", ms=4, label="simulated")
        if exact is not None:
            ax.plot(currents, exact(currents), color=ORANGE, lw=0.8, label="closed form")
            ax.legend(loc="upper left")
        ax.set(xlabel=f"current ({unit})", ylabel="rate (Hz)")

    return draw


def lif_rate(u):
    above = np.maximum(u, 15.0 + 1e-9)
    return np.where(u > 15, 1000 / (2 + 20 * np.log(above / (above - 15))), 0)


def qif_rate(u):
    # To the peak and from the reset, both 57.5 and -7.5 mV from the middle at -57.5 mV.
    k = np.sqrt(np.maximum(0.04 * (u - 0.04 * 7.5**2), 1e-9))
    period = 20 / k * (np.arctan(0.04 * 57.5 / k) + np.arctan(0.04 * 7.5 / k))
    return np.where(u > 0.04 * 7.5**2, 1000 / period, 0)


def draw_resets(ax):
    rules = {"hard": HardReset(), "soft": SoftReset(), "partial": PartialReset(0.5)}
    for name, rule in rules.items():
        rec = simulate(LIF(1, reset=rule), 60.0, dt=2.0, inputs=45.0, record="v")
        ax.plot(rec.ts, rec["v"][:, 0], ".-", label=name)
    ax.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(-67, -46))
    ax.legend(ncols=3, loc="upper right")


# --- AdEx ---------------------------------------------------------------------------------------

# c, g_l, e_l, v_t, delta_t, a, tau_w, b, v_reset, current: Naud et al. 2008, table 1.
NAUD = {
    "tonic": (200, 10, -70, -50, 2, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, -50, 2, 2, 300, 60, -58, 500),
    "initial burst": (130, 18, -58, -50, 2, 4, 150, 120, -50, 400),
    "regular bursting": (200, 10, -58, -50, 2, 2, 120, 100, -46, 210),
    "delayed accelerating": (200, 12, -70, -50, 2, -10, 300, 0, -58, 300),
    "delayed bursting": (100, 10, -65, -50, 2, -10, 90, 30, -47, 110),
    "transient": (100, 10, -65, -50, 2, 10, 90, 100, -47, 180),
    "irregular": (100, 12, -60, -50, 2, -11, 130, 30, -48, 160),
}


@functools.cache
def naud():
    names = ("c", "g_l", "e_l", "v_t", "delta_t", "a", "tau_w", "b", "v_reset")
    table = np.array(list(NAUD.values()), float).T
    neurons = AdEx(len(NAUD), **dict(zip(names, table[:-1], strict=True)), v_peak=0.0)
    u = np.zeros((40_000, len(NAUD)))
    u[2000:] = table[-1]
    return simulate(
        neurons, 400.0, dt=0.01, inputs=u, solver=RK4(), record=[Record("v", every=10), "spike"]
    )


def adex(name):
    def draw(ax):
        rec, i = naud(), list(NAUD).index(name)
        spike = np.flatnonzero(rec["spike"][:, i])
        v = rec["v"][:, i]
        ax.plot(rec.times("v"), v)
        ax.vlines(0.01 * (spike + 1), v[np.minimum(spike // 10, len(v) - 1)], 0, color=BLUE, lw=0.8)
        ax.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(-80, 5))

    return Panel("AdEx", draw, f"AdEx: {name}, {NAUD[name][-1]} pA")


# --- Izhikevich ---------------------------------------------------------------------------------


def step(t, i, on, off=np.inf):
    return i * ((t > on) & (t < off))


CLASS_1 = {"p1": 4.1, "p0": 108.0}
# a, b, c, d, start, duration, current, other parameters: Izhikevich 2004.
PATTERNS = {
    "tonic spiking": (0.02, 0.2, -65, 6, -70, 100, lambda t: step(t, 14, 10)),
    "phasic spiking": (0.02, 0.25, -65, 6, -64, 200, lambda t: step(t, 0.5, 20)),
    "tonic bursting": (0.02, 0.2, -50, 2, -70, 220, lambda t: step(t, 15, 22)),
    "phasic bursting": (0.02, 0.25, -55, 0.05, -64, 200, lambda t: step(t, 0.6, 20)),
    "mixed mode": (0.02, 0.2, -55, 4, -70, 160, lambda t: step(t, 10, 16)),
    "adaptation": (0.01, 0.2, -65, 8, -70, 85, lambda t: step(t, 30, 8.5)),
    "class 1": (0.02, -0.1, -55, 6, -60, 300, lambda t: 0.075 * (t - 30) * (t > 30), CLASS_1),
    "class 2": (0.2, 0.26, -65, 0, -64, 300, lambda t: -0.5 + 0.015 * (t - 30) * (t > 30)),
    "spike latency": (0.02, 0.2, -65, 6, -70, 100, lambda t: step(t, 7.04, 10, 13)),
    "subthreshold oscillation": (0.05, 0.26, -60, 0, -62, 200, lambda t: step(t, 2, 20, 25)),
    "resonator": (
        0.1,
        0.26,
        -60,
        -1,
        -62,
        400,
        lambda t: sum(step(t, 0.65, x, x + 4) for x in (40, 60, 280, 320)),
    ),
    "integrator": (
        0.02,
        -0.1,
        -55,
        6,
        -60,
        100,
        lambda t: sum(step(t, 9, x, x + 2) for x in (9, 14, 70, 80)),
        CLASS_1,
    ),
    "rebound spike": (0.03, 0.25, -60, 4, -64, 200, lambda t: step(t, -15, 20, 25)),
    "rebound burst": (0.03, 0.25, -52, 0, -64, 200, lambda t: step(t, -15, 20, 25)),
    "threshold variability": (
        0.03,
        0.25,
        -60,
        4,
        -64,
        100,
        lambda t: step(t, 1, 10, 15) + step(t, 1, 80, 85) - step(t, 6, 70, 75),
    ),
    "inhibition-induced spiking": (
        -0.02,
        -1.0,
        -60,
        8,
        -63.8,
        350,
        lambda t: 80.0 - step(t, 5, 50, 250),
    ),
}


@functools.cache
def izhikevich_run():
    dt, rows = 0.05, list(PATTERNS.values())
    t = dt * np.arange(8000)
    columns = np.array([r[:5] for r in rows], float).T
    names = ("a", "b", "c", "d", "v_init")
    extra = [r[7] if len(r) > 7 else {} for r in rows]
    more = {k: np.array([e.get(k, x) for e in extra]) for k, x in (("p1", 5.0), ("p0", 140.0))}
    neurons = Izhikevich(len(rows), **dict(zip(names, columns, strict=True)), **more)
    u = np.stack([r[6](t) for r in rows], 1)
    rec = simulate(neurons, 400.0, dt=dt, inputs=u, solver=RK4(), record=["v", "spike"])
    return rec, u


def izhikevich(name):
    def draw(ax):
        (rec, u), i = izhikevich_run(), list(PATTERNS).index(name)
        shown = rec.ts < PATTERNS[name][5]
        v = np.where(rec["spike"][:, i] > 0, 30.0, rec["v"][:, i])[shown]
        ax.plot(rec.ts[shown], v)
        span = max(np.ptp(u[shown, i]), 1e-6)
        ax.plot(rec.ts[shown], -105 + 12 * (u[shown, i] - u[shown, i].min()) / span, color="0.5")
        ax.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(-110, 40))

    return Panel("Izhikevich", draw, f"Izhikevich: {name}")


# --- with a moving threshold --------------------------------------------------------------------

# a, a1, a2, current (pA for 100 pF): Mihalas & Niebur 2009, table 1.
MIHALAS = {
    "tonic": (0.0, 0, 0, 150, np.inf),
    "adaptation": (0.005, 0, 0, 200, np.inf),
    "phasic": (0.005, 0, 0, 150, np.inf),
    "rebound": (0.005, 0, 0, -350, 500.0),
    "tonic bursting": (0.005, 1000, -60, 200, np.inf),
    "mixed mode": (0.005, 500, -30, 200, np.inf),
}


def mihalas(name):
    a, a1, a2, current, off = MIHALAS[name]

    def draw(ax):
        dt, end = 0.1, {"phasic": 600.0, "rebound": 800.0}.get(name, 200.0)
        t = dt * np.arange(round(end / dt))
        u = step(t, current, 10.0, off)
        rec = simulate(
            GIF(1, a=a, a1=a1, a2=a2), end, dt=dt, inputs=u, record=["v", "theta", "spike"]
        )
        ax.plot(rec.ts, rec["v"][:, 0])
        ax.plot(rec.ts, rec["theta"][:, 0], color=ORANGE)
        mark(ax, rec.ts, rec["v"][:, 0], rec["spike"][:, 0], -30)
        ax.set(xlabel="time (ms)", ylabel="v (mV)")

    return Panel("GIF", draw, f"GIF: {name}")


def glif(level, **kwargs):
    def draw(ax):
        u = np.zeros(4000)
        u[200:3000] = 150.0
        rec = simulate(
            GLIF(1, **kwargs), 400.0, dt=0.1, inputs=u, record=["v", "theta_s", "theta_v", "spike"]
        )
        ax.plot(rec.ts, rec["v"][:, 0])
        ax.plot(rec.ts, -50 + rec["theta_s"][:, 0] + rec["theta_v"][:, 0], color=ORANGE)
        mark(ax, rec.ts, rec["v"][:, 0], rec["spike"][:, 0], -30)
        ax.set(xlabel="time (ms)", ylabel="v (mV)")

    return Panel("GLIF", draw, f"GLIF, level {level}")


RULES = {"reset": PartialReset(0.3, -2.0), "dtheta_s": 4.0, "b_s": 0.02}
CURRENTS = {"di1": -15.0, "di2": 40.0}


def draw_alif(ax):
    rec = simulate(ALIF(1), 400.0, dt=0.1, inputs=25.0, record=["v", "a", "spike"])
    ax.plot(rec.ts, rec["v"][:, 0])
    ax.plot(rec.ts, -50 + 1.5 * rec["a"][:, 0], color=ORANGE)
    mark(ax, rec.ts, rec["v"][:, 0], rec["spike"][:, 0], -25)
    ax.set(xlabel="time (ms)", ylabel="v (mV)")


def draw_trials(ax):
    neurons = SpikeResponse(30)
    u = 12.0 + 6.0 * np.sin(2 * np.pi * 0.1 * np.arange(3000) / 100)
    run = simulate(neurons, 300.0, dt=0.1, inputs=u, key=jax.random.key(1), record=Spikes("spike"))
    times, index = run.spikes("spike")
    ax.plot(times, index, "|", ms=3)
    ax.set(xlabel="time (ms)", ylabel="trial")


def draw_intervals(ax):
    run = simulate(
        SpikeResponse(300),
        1000.0,
        dt=0.1,
        inputs=14.0,
        key=jax.random.key(2),
        record=Spikes("spike"),
    )
    times, index = run.spikes("spike")
    between = np.concatenate([np.diff(times[index == i]) for i in range(300)])
    ax.hist(between, np.arange(0, 75, 2.5), density=True, color=BLUE)
    ax.set(xlabel="interval (ms)", ylabel="density (1/ms)")


# --- without a reset ----------------------------------------------------------------------------


def draw_pinsky_rinzel(ax):
    rec = simulate(
        PinskyRinzel(1, i_s=0.75),
        500.0,
        dt=0.02,
        record=[Record("vs", every=5), Record("vd", every=5)],
    )
    ax.plot(rec.times("vs"), rec["vs"][:, 0], label="soma")
    ax.plot(rec.times("vd"), rec["vd"][:, 0], label="dendrite", color=ORANGE)
    ax.set(xlabel="time (ms)", ylabel="v (mV)", xlim=(80, 160))
    ax.legend(loc="upper right")


def draw_phase_plane(ax):
    rec = simulate(FitzHughNagumo(1), 200.0, dt=0.05, inputs=0.5, solver=RK4(), record=["v", "w"])
    v = np.linspace(-2.2, 2.2, 100)
    ax.plot(rec["v"][:, 0], rec["w"][:, 0])
    ax.plot(v, v - v**3 / 3 + 0.5, "--", color="0.6", lw=0.8, label="nullcline of v")
    ax.plot(v, (v + 0.7) / 0.8, ":", color="0.4", lw=0.8, label="nullcline of w")
    ax.set(xlabel="v", ylabel="w", ylim=(-1, 2.6))
    ax.legend(loc="upper left")


SECTIONS = [
    Section(
        "Leaky",
        "A linear membrane with a threshold, and one without.",
        [
            Panel("LIF", voltage(LIF(1, t_ref=2.0), 20.0, 150.0, top=-30), "LIF, 20 pA"),
            Panel(
                "LIF",
                rates(lambda n: LIF(n, t_ref=2.0), np.linspace(0, 40, 41), "pA", exact=lif_rate),
                "LIF: rate over current",
            ),
            Panel(
                "LeakyIntegrator",
                voltage(LeakyIntegrator(1), lambda t: 10.0 * (t % 100 < 50), 300.0),
                "LeakyIntegrator, 10 pA on and off",
            ),
            Panel(
                ("HardReset", "SoftReset", "PartialReset"),
                draw_resets,
                "LIF: three reset rules, 45 pA, steps of 2 ms",
            ),
        ],
        others="SuperSpike",
    ),
    Section(
        "Exponential",
        "A spike that grows out of the membrane. The eight patterns are those of Naud et al. 2008.",
        [
            Panel(
                "ExponentialIF",
                voltage(ExponentialIF(1), 4.0, 150.0, 0.02),
                "ExponentialIF, 4 pA",
            ),
            *(adex(name) for name in NAUD),
        ],
    ),
    Section(
        "Quadratic",
        "The normal form of a neuron near its threshold, without and with adaptation. The patterns "
        "are those of Izhikevich 2004; the grey line is the current.",
        [
            Panel("QIF", voltage(QIF(1), 5.0, 300.0, top=0), "QIF, 5 pA"),
            Panel(
                "QIF",
                rates(QIF, np.linspace(0, 30, 31), "pA", 2000.0, exact=qif_rate),
                "QIF: rate over current",
            ),
            Panel(
                "AdaptiveQIF",
                voltage(AdaptiveQIF(1), 100.0, 400.0, top=35),
                "AdaptiveQIF, 100 pA",
            ),
            *(izhikevich(name) for name in PATTERNS),
        ],
    ),
    Section(
        "Moving thresholds and escape noise",
        "Linear between spikes; what a spike leaves behind, or chance, makes the patterns. Orange: "
        "the threshold.",
        [
            *(mihalas(name) for name in MIHALAS),
            glif(1),
            glif("2: reset rules", **RULES),
            glif("3: after-spike currents", **CURRENTS),
            glif(4, **RULES, **CURRENTS),
            glif("5: threshold follows the voltage", **RULES, **CURRENTS, a_v=0.005, b_v=0.02),
            Panel("ALIF", draw_alif),
            Panel("SpikeResponse", draw_trials, "SpikeResponse: 30 trials, 10 Hz input"),
            Panel("SpikeResponse", draw_intervals, "SpikeResponse: intervals"),
        ],
    ),
    Section(
        "Without a reset",
        "Spikes that follow from the currents through the membrane, or from a caricature of them.",
        [
            Panel(
                ("ConductanceBased", "hodgkin_huxley"),
                voltage(hodgkin_huxley(1), 10.0, 80.0),
                "hodgkin_huxley, 10 uA/cm$^2$",
            ),
            Panel(
                "MorrisLecar", voltage(MorrisLecar(1), 100.0, 500.0), "MorrisLecar, 100 uA/cm$^2$"
            ),
            Panel(
                "WangBuzsaki",
                voltage(WangBuzsaki(1), 1.0, 150.0, 0.02, solver=RK4()),
                "WangBuzsaki, 1 uA/cm$^2$",
            ),
            Panel(
                "WangBuzsaki",
                rates(WangBuzsaki, np.linspace(0, 4, 21), "uA/cm$^2$", 500.0, 0.02, solver=RK4()),
                "WangBuzsaki: rate over current",
            ),
            Panel("PinskyRinzel", draw_pinsky_rinzel, "PinskyRinzel: a burst, soma 0.75 uA/cm$^2$"),
            Panel("FitzHughNagumo", draw_phase_plane, "FitzHughNagumo: phase plane, input 0.5"),
            Panel(
                "HindmarshRose",
                voltage(HindmarshRose(1), 2.0, 600.0, of="x"),
                "HindmarshRose, input 2",
            ),
        ],
    ),
]
