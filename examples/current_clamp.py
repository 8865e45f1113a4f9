"""A conductance-based neuron under the current steps of a real recording.

A regular-spiking cell was driven with 17 current steps; the same command drives a model with the
channels of Traub & Miles. The passive membrane is measured from the recording; the threshold, the
densities and the speed of the potassium channel are set by hand. The recording adapts, and the
model, which has no slow channel, does not: the picture shows how far two channels go.
"""

import argparse
from pathlib import Path

import numpy as np

from fdyn import Record, simulate
from fdyn.components import ConductanceBased, KTraubMiles, Leak, NaTraubMiles

DATA = Path(__file__).parent / "data" / "current_clamp_steps.npz"
SERIES = 12.0  # MOhm left in the recording, to be taken off the voltage
CAPACITANCE = 1.0  # uF/cm^2, which turns a capacitance into an area


def passive(t: np.ndarray, v: np.ndarray, i: np.ndarray, step: np.ndarray) -> dict[str, float]:
    """Resting potential (mV), resistance (MOhm) and time constant (ms) below threshold."""
    rest, steady = (t > 50) & (t < 146), (t > 450) & (t < 640)
    below = step < 0
    dv = (v[:, steady].mean(1) - v[:, rest].mean(1))[below]
    resistance = 1000 * float(dv @ step[below] / (step[below] @ step[below])) - SERIES
    # The charging curve of the mean hyperpolarising response, between 2 and 20 ms of the step.
    mean = v[below].mean(0)
    rise = (t > 148.85) & (t < 166.85)
    slope = np.polyfit(t[rise], np.log(mean[rise] - mean[steady].mean()), 1)[0]
    return {"rest": float(v[:, rest].mean()), "resistance": resistance, "tau": -1 / float(slope)}


def neuron(n: int, rest: float, resistance: float, tau: float) -> tuple[ConductanceBased, float]:
    """`n` copies of the model cell, and its area in cm^2."""
    leak = 1e-3 / resistance  # mS
    area = tau * leak / CAPACITANCE
    cell = ConductanceBased(
        n,
        {
            "na": NaTraubMiles(g=40.0, e=65.0, v_t=-56.0),
            "k": KTraubMiles(g=3.0, e=-75.0, v_t=-56.0, phi=0.3),
            "leak": Leak(g=leak / area, e=rest),
        },
        c=CAPACITANCE,
        v_init=rest,
    )
    return cell, area


def main(argv: list[str] | None = None) -> dict[str, np.ndarray]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="the first 700 ms only")
    args = parser.parse_args(argv)

    with np.load(DATA) as data:
        t, step = data["t_ms"], data["step_pA_regular"]
        i = data["current_pA_regular"].astype(float)
        v = data["voltage_mV_regular"] - 1e-3 * SERIES * i
    measured = passive(t, v, i, step)
    print("measured: " + ", ".join(f"{k} {x:.4g}" for k, x in measured.items()))
    if args.quick:
        t, i, v = t[:14_000], i[:, :14_000], v[:, :14_000]

    # One neuron for each sweep; the command in pA becomes a density in uA/cm^2.
    dt = 0.05
    cell, area = neuron(len(step), **measured)
    rec = simulate(
        cell, len(t) * dt, dt=dt, inputs=1e-6 * i.T / area, record=[Record("v"), Record("spike")]
    )
    first = (t > 146.85) & (t < 646.85)
    counts = {
        "recorded": ((v[:, :-1] < 0) & (v[:, 1:] >= 0))[:, first[1:]].sum(1),
        "model": np.asarray(rec["spike"])[first].sum(0).astype(int),
    }
    for name, count in counts.items():
        print(f"spikes per step, {name}: {count.tolist()}")
    draw(t, v, i, step, rec, counts, args.out)
    return counts


def draw(t, v, i, step, rec, counts, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(11, 8), layout="constrained")
    grid = fig.add_gridspec(4, 2, width_ratios=[3, 1.3], height_ratios=[1, 1, 1, 0.5])
    shown = [int(np.flatnonzero(step == pA)[0]) for pA in (-100, 100, 250)]
    left = []
    for row, k in enumerate(shown):
        ax = fig.add_subplot(grid[row, 0], sharex=left[0] if left else None)
        ax.plot(t, v[k], color="0.55", lw=0.8, label="recorded")
        ax.plot(rec.ts, rec["v"][:, k], color="C3", lw=0.8, label="model")
        ax.set_title(f"{step[k]:+.0f} pA", loc="left", fontsize=9)
        ax.set_ylabel("v (mV)")
        left.append(ax)
    left[1].legend(loc="upper center", frameon=False)
    ax = fig.add_subplot(grid[3, 0], sharex=left[0])
    for k in shown:
        ax.plot(t, i[k], lw=0.8, label=f"{step[k]:+.0f} pA")
    ax.set(xlabel="time (ms)", ylabel="i (pA)", xlim=(100, min(float(t[-1]), 2300)))
    ax.legend(loc="upper center", ncols=3, fontsize=8, frameon=False)
    ax = fig.add_subplot(grid[:2, 1])
    for (name, count), style in zip(counts.items(), ("o-", "s--"), strict=True):
        ax.plot(step, count / 0.5, style, color={"model": "C3"}.get(name, "0.55"), label=name)
    ax.set(xlabel="current step (pA)", ylabel="mean rate in the first step (Hz)")
    ax.legend(frameon=False)
    ax = fig.add_subplot(grid[2:, 1])
    k = shown[2]
    near = (t > 160) & (t < 200)
    ax.plot(t[near], v[k][near], color="0.55", label="recorded")
    ax.plot(rec.ts[near], rec["v"][near, k], color="C3", label="model")
    ax.set(xlabel="time (ms)", ylabel="v (mV)")
    ax.set_title(f"first spikes at {step[k]:+.0f} pA", loc="left", fontsize=9)
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "current_clamp.png", dpi=130)
    plt.close(fig)
    print(f"picture: {out / 'current_clamp.png'}")


if __name__ == "__main__":
    main()
