"""Rate models, oscillators and mean fields: how they move, and what is measured of them."""

import numpy as np
from section import Panel, Section

from fdyn import Network, Projection, Record, simulate
from fdyn.components import (
    CUBA,
    Activity,
    BalloonWindkessel,
    Electrodes,
    Epileptor,
    Exponential,
    JansenRit,
    Kuramoto,
    MontbrioPazoRoxin,
    OrnsteinUhlenbeck,
    SineOutput,
    SineSynapse,
    StuartLandau,
    ThetaNeuron,
    ThresholdLinear,
    VanDerPol,
    WilsonCowan,
    WongWang,
)
from fdyn.solvers import RK4
from fdyn.sparse import Dense

TITLE = "Rate models, oscillators and mean fields"
INTRO = """
Units that stand for populations or regions. They couple through projections whose synapse is
`Activity`, with `CUBA` for additive and `Diffusive` for diffusive coupling; weights and delays are
those of the connectivity. In [networks](concepts.md) they mix with neurons and with what is
measured of them. Two regions, one of which makes the other oscillate, after a delay:

```python
from fdyn import Network, Projection, simulate
from fdyn.components import CUBA, Activity, WilsonCowan
from fdyn.sparse import OneToOne

w = OneToOne(1.0, n=1)
net = Network(
    {"A": WilsonCowan(1, p=1.25), "B": WilsonCowan(1, p=1.0)},
    {
        "AB": Projection("A", "B", w, Activity(), CUBA(), delay=10.0),  # ms
        "BA": Projection("B", "A", w, Activity(), CUBA(), delay=10.0),
    },
)
run = simulate(net, 500.0, dt=0.1, record=["A.e", "B.e"])
late = run["B.e"][-1500:]
assert late.max() - late.min() > 0.1  # alone, B would rest
```
"""


def pulse(t):
    """One second, from 1 s on."""
    return 1.0 * (t >= 1000.0) * (t < 2000.0)


def draw_threshold_linear(ax):
    for drive in (0.5, 2.0, 4.0):
        step = lambda t, u=drive: u * (t >= 20.0) * (t < 80.0)  # noqa: E731
        unit = ThresholdLinear(1, gain=5.0, threshold=1.0)
        rec = simulate(unit, 120.0, dt=0.1, inputs=step, record="rate")
        ax.plot(rec.ts, rec["rate"][:, 0], label=f"u = {drive:g}")
    ax.set(xlabel="time (ms)", ylabel="rate (Hz)")
    ax.legend()


def draw_wilson_cowan(ax):
    for p, color in ((0.8, "0.6"), (1.25, "C0"), (3.0, "C1")):
        rec = simulate(WilsonCowan(1, p=p), 600.0, dt=0.1, record=["e", "i"])
        ax.plot(rec["e"][:, 0], rec["i"][:, 0], color=color, label=f"p = {p:g}")
        if p != 1.25:
            ax.plot(rec["e"][-1, 0], rec["i"][-1, 0], "o", color=color, ms=5)
    ax.set(xlabel="e (1)", ylabel="i (1)")
    ax.legend()


def draw_decision(ax):
    coherence = 0.128
    evidence = 0.00052 * 30.0 * (1 + coherence * np.array([1.0, -1.0]))
    net = Network(
        {"D": WongWang(2, i0=0.3255 + evidence)},
        {"DD": Projection("D", "D", Dense(-0.0497 * (1 - np.eye(2))), Activity(), CUBA())},
    )
    noise = {"D": OrnsteinUhlenbeck(2, tau=2.0, sigma=0.014)}
    rec = simulate(net, 1500.0, dt=0.5, inputs=noise, record=Record("D.rate", every=10))
    for k, label in enumerate(("preferred", "other")):
        ax.plot(rec.times("D.rate"), rec["D.rate"][:, k], label=label)
    ax.set(xlabel="time (ms)", ylabel="rate (Hz)")
    ax.legend()


def draw_stuart_landau(ax):
    for a, sigma in ((0.02, None), (-0.005, 0.03)):
        model = StuartLandau(1, a=a, sigma=sigma, x_init=0.2)
        rec = simulate(model, 1000.0, dt=0.1, record=Record("x", every=10))
        ax.plot(rec.times("x"), rec["x"][:, 0], label=f"a = {a:g}" + (", noise" if sigma else ""))
    ax.set(xlabel="time (ms)", ylabel="x (1)", ylim=(None, 1.6))
    ax.legend(ncols=2, loc="upper right")


def draw_van_der_pol(ax):
    for mu in (0.5, 2.0, 5.0):
        rec = simulate(VanDerPol(1, mu=mu), 40.0, dt=0.01, record=["x", "y"], solver=RK4())
        ax.plot(rec["x"][-2500:, 0], rec["y"][-2500:, 0], label=f"mu = {mu:g}")
    ax.set(xlabel="x (1)", ylabel="y (1)")
    ax.legend()


def draw_kuramoto(ax):
    n = 300
    omega = 0.06 + 0.005 * np.tan(np.pi * ((np.arange(n) + 0.5) / n - 0.5))
    for k in (0.008, 0.015, 0.03):
        w = Dense(k / n, n_pre=n, n_post=n)
        net = Network(
            {"K": Kuramoto(n, omega=omega, theta_init=np.arange(n) * 2.4 % np.pi)},
            {
                "sin": Projection("K", "K", w, SineSynapse(), SineOutput(np.pi / 2)),
                "cos": Projection("K", "K", w, SineSynapse(np.pi / 2), SineOutput(np.pi)),
            },
        )
        rec = simulate(net, 1500.0, dt=0.5, record=Record("K.phase", every=5))
        synchrony = abs(np.exp(1j * np.asarray(rec["K.phase"])).mean(axis=1))
        ax.plot(rec.times("K.phase"), synchrony, label=f"K / K_c = {k / 0.01:g}")
    ax.set(xlabel="time (ms)", ylabel="order parameter (1)", ylim=(0, 1))
    ax.legend()


def draw_jansen_rit(ax):
    for p in (60.0, 220.0):
        rec = simulate(JansenRit(1, p=p), 2000.0, dt=0.5, record="eeg")
        ax.plot(rec.ts[-2000:], rec["eeg"][-2000:, 0], label=f"p = {p:g} Hz")
    ax.set(xlabel="time (ms)", ylabel="eeg (mV)", ylim=(None, 13))
    ax.legend(ncols=2, loc="upper right")


def draw_mean_field(ax):
    n, tau, tau_s = 2000, 10.0, 0.04
    eta = -5.0 + np.tan(np.pi * ((np.arange(n) + 0.5) / n - 0.5))
    step = lambda t: 3.0 * (t >= 100.0) * (t < 300.0)  # noqa: E731
    net = Network(
        {"E": ThetaNeuron(n, tau=tau, eta=np.clip(eta, -200, 200), theta_init=-2.2)},
        {
            "EE": Projection(
                "E", "E", Dense(15.0 * tau / (n * tau_s), n_pre=n, n_post=n), Exponential(tau_s)
            )
        },
    )
    spikes = Record(lambda t, state, out: out["E"]["spike"].sum(), every=100, reduce="sum")
    rec = simulate(net, 400.0, dt=0.02, inputs={"E": step}, record={"n": spikes}, solver=RK4())
    ax.plot(
        rec.times("n"),
        1000 * np.asarray(rec["n"]) / n / 2.0,
        color="0.6",
        label="2000 ThetaNeurons",
    )
    rec = simulate(MontbrioPazoRoxin(1), 400.0, dt=0.02, inputs=step, record="rate", solver=RK4())
    ax.plot(rec.ts, rec["rate"][:, 0], color="C3", label="mean field")
    ax.set(xlabel="time (ms)", ylabel="rate (Hz)")
    ax.legend()


def draw_epileptor(ax):
    rec = simulate(
        Epileptor(1), 6000.0, dt=0.05, record=[Record("lfp", every=20), Record("z", every=20)],
        solver=RK4(),
    )  # fmt: skip
    ax.plot(rec.times("lfp"), rec["lfp"][:, 0], lw=0.5, label="lfp")
    ax.plot(rec.times("z"), rec["z"][:, 0], color="C3", label="z")
    ax.set(xlabel="time (ms)", ylabel="lfp, z (1)")
    ax.legend()


def draw_balloon(ax):
    rec = simulate(BalloonWindkessel(1), 30_000.0, dt=10.0, inputs=pulse, record="bold")
    ax.plot(rec.ts / 1000, 100 * rec["bold"][:, 0])
    ax.axvspan(1, 2, color="0.9")
    ax.set(xlabel="time (s)", ylabel="bold (%)")


def draw_electrodes(ax):
    angle = 2 * np.pi * np.arange(8) / 8
    far = 1 - np.cos(angle[:, None] - angle[None, ::2])
    net = Network(
        {"R": StuartLandau(8, omega=0.0628 * (1 + 0.05 * np.arange(8))), "eeg": Electrodes(4)},
        {"lead": Projection("R", "eeg", Dense(1 / (0.5 + far)), Activity(), CUBA())},
    )
    rec = simulate(net, 600.0, dt=0.5, record=Record("eeg.value"))
    ax.plot(rec.ts, np.asarray(rec["eeg.value"]) + 12 * np.arange(4), color="C0", lw=0.8)
    ax.plot([610, 610], [0, 5], "k", lw=2)
    ax.annotate("5", (618, 2.5), va="center", fontsize=7)
    ax.set(xlabel="time (ms)", ylabel="value (1), one line each", yticks=[], xlim=(0, 640))


SECTIONS = [
    Section(
        "Rates",
        "The mean activity of populations.",
        [
            Panel("ThresholdLinear", draw_threshold_linear),
            Panel("WilsonCowan", draw_wilson_cowan, "WilsonCowan: cycle and rests (dots)"),
            Panel("WongWang", draw_decision, "WongWang: two of them decide"),
        ],
    ),
    Section(
        "Oscillators",
        "Normal forms and phases. Phases couple by the sine of their difference, which takes two "
        "projections with `SineSynapse` and `SineOutput`.",
        [
            Panel("StuartLandau", draw_stuart_landau),
            Panel("VanDerPol", draw_van_der_pol),
            Panel("Kuramoto", draw_kuramoto, "Kuramoto: synchrony"),
        ],
        others=("SineSynapse", "SineOutput"),
    ),
    Section(
        "Columns and mean fields",
        "Equations of a cortical column, of infinitely many neurons, of a region in a seizure.",
        [
            Panel("JansenRit", draw_jansen_rit, "JansenRit: rest and alpha rhythm"),
            Panel(("ThetaNeuron", "MontbrioPazoRoxin"), draw_mean_field),
            Panel("Epileptor", draw_epileptor, "Epileptor: seizures"),
        ],
    ),
    Section(
        "What is measured",
        "Nodes of a network that turn activity into the signals of imaging and of the EEG.",
        [
            Panel("BalloonWindkessel", draw_balloon, "BalloonWindkessel: one second of input"),
            Panel("Electrodes", draw_electrodes, "Electrodes: four around eight regions"),
        ],
    ),
]
