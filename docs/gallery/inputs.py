"""Inputs and encoders: one stretch of each."""

import jax
import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn import Spikes, simulate
from fdyn.components import (
    Chirp,
    DeltaEncoder,
    LatencyEncoder,
    OrnsteinUhlenbeck,
    PhaseEncoder,
    PoissonEncoder,
    PoissonInput,
    PopulationEncoder,
    Pulses,
    Ramp,
    Sampled,
    Sinusoid,
    SpikeTimes,
    Square,
    Steps,
    WhiteNoise,
)

TITLE = "Inputs and encoders"
INTRO = """
What drives a model from outside. Through `inputs=` the output of an input is what its target gets,
read at the start of each step; as a node of a network it is carried by projections. A signal is a
function of time: `simulate`, `solve` (which starts anew at its jumps) and `signal(t)` all take it.

Inputs add, subtract and multiply, with each other and with numbers:

```python
from fdyn import simulate, solve
from fdyn.components import LIF, OrnsteinUhlenbeck, PoissonInput, Pulses, Sinusoid

ripple = 10.0 + 5.0 * Sinusoid(20, frequency=8.0) * Pulses(20, start=50.0, width=500.0)
noisy = ripple + OrnsteinUhlenbeck(20, sigma=3.0)
rec = simulate(LIF(20), 600.0, dt=0.1, inputs=noisy, record="v")
sol = solve(LIF(20), 600.0, inputs=ripple, rtol=1e-4, atol=1e-6)
rhythm = PoissonInput(20, rate=4.0 * ripple)
```

A value outside of what an input has a meaning for (a negative rate, a value that an encoder has no
code for, a time after the end of a recording) is an error, not clipped.
"""


def trace(signal, duration=100.0, text="input (pA)"):
    """A signal over time."""

    def draw(ax):
        ts = np.arange(0.0, duration, duration / 1000)
        ax.plot(ts, jax.vmap(signal)(jnp.asarray(ts)))
        ax.set(xlabel="time (ms)", ylabel=text)

    return draw


def draw_sampled(ax):
    ts = np.array([0.0, 10.0, 25.0, 30.0, 50.0, 60.0])
    values = np.array([0.0, 4.0, 3.0, 8.0, 6.0, 7.0])
    t = np.linspace(0.0, 60.0, 601)
    for way, style in (("previous", ":"), ("linear", "-"), ("cubic", "--")):
        signal = Sampled(1, ts, values, way)
        ax.plot(t, jax.vmap(signal)(jnp.asarray(t)), style, label=way)
    ax.plot(ts, values, "k.")
    ax.set(xlabel="time (ms)", ylabel="input (pA)")
    ax.legend(fontsize="small")


def noise(source, duration=100.0):
    """A process over time."""

    def draw(ax):
        rec = simulate(source, duration, dt=0.1, record="value")
        ax.plot(rec.ts, rec["value"], lw=0.8)
        ax.set(xlabel="time (ms)", ylabel="input (pA)")

    return draw


def draw_sum(ax):
    source = 10.0 + 5.0 * Sinusoid(1, frequency=20.0) * Pulses(1, start=50.0, width=100.0)
    source = source + OrnsteinUhlenbeck(1, sigma=0.7, tau=2.0)
    noise(source, 200.0)(ax)


def raster(ax, source, duration, scale=1.0, ylabel="unit"):
    """The spikes of an input."""
    rec = simulate(source, duration, dt=0.1, record=Spikes("spike"))
    at = rec.spikes("spike")
    ax.plot(at.times, at.index * scale, "|", ms=4, color="C0")
    ax.set(xlabel="time (ms)", ylabel=ylabel)


def draw_poisson(ax):
    rate = 40.0 + 40.0 * Sinusoid(40, frequency=5.0)
    raster(ax, PoissonInput(40, rate), 400.0)
    ts = np.linspace(0.0, 400.0, 200)
    ax.plot(ts, jax.vmap(rate)(jnp.asarray(ts))[:, 0] / 2, color="C1", label="rate / 2 (Hz)")
    ax.set(ylim=(-1, 52))
    ax.legend(fontsize="small", loc="upper right")


def draw_times(ax):
    lists = [[5.0 * k + 2.0 * i for k in range(1, 8)] for i in range(6)]
    raster(ax, SpikeTimes(6, lists), 50.0)


VALUES = jnp.linspace(0.0, 1.0, 21)


def draw_rate_code(ax):
    raster(ax, PoissonEncoder(21, VALUES, max_rate=100.0), 300.0, 1 / 20, "value")


def draw_latency(ax):
    straight = LatencyEncoder(1, 0.0, t_first=1.0, t_last=30.0)
    curved = LatencyEncoder(1, 0.0, t_first=1.0, t_last=30.0, threshold=0.2, tau=10.0)
    x = np.linspace(0.0, 1.0, 401)
    ax.plot(x, straight.times(x), label="linear")
    ax.plot(x, curved.times(x), label="logarithmic, threshold 0.2")
    ax.set(xlabel="value", ylabel="time of the spike (ms)")
    ax.legend(fontsize="small")


def draw_phase(ax):
    code = PhaseEncoder(21, VALUES * 255 / 256, bits=8)
    rec = simulate(code, 8.0, dt=1.0, record="spike")
    where = {"origin": "lower", "aspect": "auto", "extent": (0.5, 8.5, 0, 1)}
    ax.imshow(rec["spike"].T > 0, cmap="Greys", **where)
    ax.set(xlabel="phase (step)", ylabel="value")


def draw_delta(ax):
    signal = Sinusoid(1, amplitude=1.0, frequency=10.0) + 0.4 * Sinusoid(1, frequency=25.0)
    rec = simulate(DeltaEncoder(2, signal, threshold=0.25), 150.0, dt=0.5, record="spike")
    back = 0.25 * np.cumsum(rec["spike"][:, 0] - rec["spike"][:, 1])
    ax.plot(rec.ts, jax.vmap(signal)(jnp.asarray(rec.ts)), label="value")
    ax.step(rec.ts, back, where="post", lw=0.8, label="decoded")
    for unit, name, level in ((0, "on", -1.9), (1, "off", -2.3)):
        times = rec.ts[rec["spike"][:, unit] > 0]
        ax.plot(times, np.full(times.size, level), "|", color="k")
        ax.annotate(name, (152.0, level), fontsize="small", va="center", annotation_clip=False)
    ax.set(xlabel="time (ms)", ylabel="value", ylim=(-2.6, 2.6))
    ax.legend(fontsize="small", loc="upper right")


def draw_population(ax):
    x = jnp.linspace(0.0, 1.0, 200)
    fields = jax.vmap(lambda x: PopulationEncoder(8, x, 0.0, 1.0, fields=8)(0.0))(x)
    ax.plot(x, fields)
    ax.set(xlabel="value", ylabel="activation")


SECTIONS = [
    Section(
        "Signals",
        "Functions of time, without a state. `Sampled` plays a recording.",
        [
            Panel("Steps", trace(Steps(1, [10.0, 40.0, 70.0], [5.0, 10.0, 2.0]))),
            Panel("Ramp", trace(Ramp(1, 0.0, 10.0, 20.0, 80.0))),
            Panel("Sinusoid", trace(Sinusoid(1, amplitude=5.0, frequency=40.0))),
            Panel("Square", trace(Square(1, amplitude=5.0, frequency=40.0, duty=0.25))),
            Panel("Pulses", trace(Pulses(1, 10.0, 5.0, 10.0, period=20.0, number=4))),
            Panel("Chirp", trace(Chirp(1, 1.0, 40.0, 500.0, amplitude=5.0), 500.0)),
            Panel("Sampled", draw_sampled),
        ],
        others="ConstantInput",
    ),
    Section(
        "Noise",
        "New at every run with another key. The last panel is a sum: "
        "`10.0 + 5.0 * Sinusoid(...) * Pulses(...) + OrnsteinUhlenbeck(...)`.",
        [
            Panel("OrnsteinUhlenbeck", noise(OrnsteinUhlenbeck(3, 10.0, 2.0))),
            Panel("WhiteNoise", noise(WhiteNoise(1, sigma=1.0), 20.0)),
            Panel((), draw_sum, "a sum of signals and noise"),
        ],
    ),
    Section(
        "Spike trains",
        "Random ones, of a rate that may be an input itself, and given ones. Projections from a "
        "`Relay` carry what `inputs=` has for it, such as spikes as an array over time.",
        [
            Panel("PoissonInput", draw_poisson, "PoissonInput with a signal as rate"),
            Panel("SpikeTimes", draw_times),
        ],
        others="Relay",
    ),
    Section(
        "Encoders",
        "Numbers, or a signal, as spikes. `PopulationEncoder` spreads a value over many units, "
        "whose activations the other encoders turn into spikes: "
        "`LatencyEncoder(8, PopulationEncoder(8, x, 0.0, 1.0), threshold=0.1)`. "
        "[examples/encoders.py](../examples/encoders.py) compares how soon handwritten digits are "
        "told from a rate, a latency and a phase code.",
        [
            Panel("PoissonEncoder", draw_rate_code),
            Panel("LatencyEncoder", draw_latency),
            Panel("PhaseEncoder", draw_phase),
            Panel("DeltaEncoder", draw_delta),
            Panel("PopulationEncoder", draw_population),
        ],
    ),
]
