"""Competition between synapses by spike timing: a neuron learns to fire irregularly.

Song, Miller & Abbott 2000, Nature Neuroscience 3:919, figure 2: one neuron with 1,000 excitatory
inputs whose weights follow additive STDP, and 200 inhibitory ones. The weights part into strong
and weak ones, the rate goes down, and the intervals between its spikes become irregular. Prints
these numbers; writes a picture. The paper's amplitude is 0.005; here it is larger by default, so
that a simulation of minutes does.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

from fdyn import Network, Projection, Record, Spikes, simulate
from fdyn.components import COBA, LIF, Exponential, PairSTDP, PoissonInput
from fdyn.sparse import Dense

N, N_INHIBITORY = 1000, 200
G_MAX = 0.015  # of the leak


def network(rate: float, a_plus: float) -> Network:
    """Conductances are parts of that of the leak, so the resistance is 1."""
    rule = PairSTDP(a_plus=a_plus * G_MAX, a_minus=1.05 * a_plus * G_MAX, w_max=G_MAX)
    strengths = np.random.default_rng(0).uniform(0, G_MAX, (N, 1))
    excitation = Projection(
        "in", "cell", Dense(strengths), Exponential(5.0), COBA(0.0), plasticity=rule
    )
    inhibition = Projection(
        "inhibitory",
        "cell",
        Dense(0.05, n_pre=N_INHIBITORY, n_post=1),
        Exponential(5.0),
        COBA(-70.0),
    )
    cell = LIF(1, tau=20.0, v_rest=-70.0, v_th=-54.0, v_reset=-60.0)
    sources = {"in": PoissonInput(N, rate), "inhibitory": PoissonInput(N_INHIBITORY, 10.0)}
    return Network({**sources, "cell": cell}, {"E": excitation, "I": inhibition})


def measure(times: np.ndarray, start: float, stop: float) -> tuple[float, float]:
    """Rate (Hz) and coefficient of variation of the intervals between two times (ms)."""
    times = times[(times >= start) & (times < stop)]
    intervals = np.diff(times)
    cv = intervals.std() / intervals.mean() if intervals.size > 2 else float("nan")
    return len(times) / (stop - start) * 1000, cv


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=150.0, help="s")
    parser.add_argument("--rate", type=float, default=20.0, help="of the inputs, Hz")
    parser.add_argument("--a-plus", type=float, default=0.008, help="part of the largest weight")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a short run")
    args = parser.parse_args(argv)
    duration = 1000 * (min(args.duration, 10.0) if args.quick else args.duration)

    rec = simulate(
        network(args.rate, args.a_plus),
        duration,
        dt=0.5,
        record=[Spikes("cell.spike"), Record("E.weight", every=2000)],
        key=jax.random.key(args.seed),
    )
    times = np.asarray(rec.spikes("cell.spike").times)
    weights = np.asarray(rec["E.weight"])[..., 0] / G_MAX
    part = duration / 10
    early, late = measure(times, 0, part), measure(times, duration - part, duration)
    end = weights[-1]
    result = {
        "rate_early": early[0],
        "rate_late": late[0],
        "cv_early": early[1],
        "cv_late": late[1],
        "weak": float((end < 0.2).mean()),
        "strong": float((end > 0.8).mean()),
        "middle": float(((end > 0.4) & (end < 0.6)).mean()),
    }
    for name, value in result.items():
        print(f"{name}: {value:.3g}")
    draw(weights, times, duration, args.out)
    return result


def draw(weights: np.ndarray, times: np.ndarray, duration: float, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    bins, seconds = np.linspace(0, 1, 26), np.arange(1, len(weights) + 1)
    counts = np.stack([np.histogram(w, bins)[0] for w in weights]).T
    mesh = axes[0].pcolormesh(seconds, bins[:-1] + 0.02, counts, vmax=200, cmap="magma")
    axes[0].set(xlabel="time (s)", ylabel="weight / largest weight")
    fig.colorbar(mesh, ax=axes[0], label="synapses")
    axes[1].hist(weights[-1], bins, color="C0")
    axes[1].set(xlabel="weight / largest weight", ylabel="synapses at the end")
    edges = np.linspace(0, duration, 31)
    found = [measure(times, a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    rate, cv = np.array(found).T
    middle = (edges[1:] + edges[:-1]) / 2000
    axes[2].plot(middle, rate, label="rate (Hz)")
    axes[2].set(xlabel="time (s)", ylabel="rate (Hz)")
    right = axes[2].twinx()
    right.plot(middle, cv, "C1")
    right.set_ylabel("variation of the intervals", color="C1")
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "stdp.png", dpi=110)
    plt.close(fig)
    print(f"picture: {out / 'stdp.png'}")


if __name__ == "__main__":
    main()
