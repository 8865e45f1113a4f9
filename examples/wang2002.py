"""Decisions of a recurrent network: two groups of neurons compete for which motion is seen.

Wang 2002, Neuron 36:955: 1,600 excitatory and 400 inhibitory integrate-and-fire neurons with AMPA,
NMDA and GABA synapses, all connected to all, in which two groups of 240 get noisy inputs of nearly
equal strength. One of them wins, more often and sooner the more the inputs differ, and stays
active afterwards. Prints the psychometric curve and the times; writes both and two single trials.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _measures import save
from jax import Array

from fdyn import Network, Projection, Record, Recording, Spikes, simulate
from fdyn.components import COBA, LIF, NMDA, Exponential, MgBlock, PoissonInput, State, Steps
from fdyn.sparse import Dense, OneToOne

SIZES = {"A": 240, "B": 240, "N": 1120, "I": 400}
F, W_PLUS = 0.15, 1.7
W_MINUS = 1 - F * (W_PLUS - 1) / (1 - F)
# nS, onto excitatory and inhibitory neurons.
EXTERNAL = {"E": 2.1, "I": 1.62}
AMPA = {"E": 0.05, "I": 0.04}
NMDA_WEIGHT = {"E": 0.165, "I": 0.13}
GABA = {"E": 1.3, "I": 1.0}
BACKGROUND, MEAN, SPREAD, EVERY = 2400.0, 40.0, 4.0, 50.0  # Hz, Hz, Hz, ms
ON, OFF, END, DT = 300.0, 1300.0, 1800.0, 0.1  # ms
COHERENCES = (0.0, 3.2, 6.4, 12.8, 25.6, 51.2)  # per cent
DECIDED, STAYS = 15.0, 10.0  # Hz: at a choice, and what is left of it after the stimulus
BIN, WINDOW = 5.0, 50.0  # ms: the bins of rates, and the time over which they are averaged
TOGETHER = 16  # trials that share a step: more take more memory, and hardly less time each


class Trial(NamedTuple):
    """What came of one trial: A was right."""

    correct: bool
    time: float  # ms after the onset; nan where no group reached the threshold
    persists: bool | None  # None where the run ends before
    rates: np.ndarray  # of A and B, Hz, [2, times]


def network() -> Network:
    """The network; the rates of its inputs are those of a trial without stimulus."""
    nodes, projections = {}, {}
    for name, size in SIZES.items():
        kind = "I" if name == "I" else "E"
        tau, g_leak, t_ref = (10.0, 20.0, 1.0) if kind == "I" else (20.0, 25.0, 2.0)
        nodes[name] = LIF(
            size,
            tau=tau,
            r=1 / g_leak,
            v_rest=-70.0,
            v_th=-50.0,
            v_reset=-55.0,
            t_ref=t_ref,
            v_init=-70.0 + 20.0 * jax.random.uniform(jax.random.key(size), (size,)),
        )
        rate = background(size) if name in ("A", "B") else BACKGROUND
        nodes[f"input_{name}"] = PoissonInput(size, rate=rate)
        projections[f"{name}_input"] = Projection(
            f"input_{name}", name, OneToOne(EXTERNAL[kind], n=size), Exponential(2.0), COBA(e=0.0)
        )
        for pre, n_pre in SIZES.items():
            if pre == "I":
                projections[f"I{name}_gaba"] = Projection(
                    "I",
                    name,
                    Dense(GABA[kind], n_pre=n_pre, n_post=size),
                    Exponential(5.0),
                    COBA(e=-70.0),
                    delay=0.5,
                )
                continue
            w = 1.0 if name in ("N", "I") else W_PLUS if pre == name else W_MINUS
            projections[f"{pre}{name}_ampa"] = Projection(
                pre,
                name,
                Dense(w * AMPA[kind], n_pre=n_pre, n_post=size),
                Exponential(2.0),
                COBA(e=0.0),
                delay=0.5,
            )
            # The gates are held per presynaptic neuron; one weight for all costs a single sum.
            projections[f"{pre}{name}_nmda"] = Projection(
                pre,
                name,
                Dense(w * NMDA_WEIGHT[kind], n_pre=n_pre, n_post=size),
                NMDA(),
                MgBlock(),
                delay=0.5,
            )
    return Network(nodes, projections)


def background(size: int) -> Steps:
    """The rate of each external train, Hz, with a section for each sample of the motion."""
    starts = np.concatenate([[0.0], ON + EVERY * np.arange(20), [OFF]])
    return Steps(size, starts=starts, values=np.full(starts.size, BACKGROUND))


def show(net: Network, motion: Array) -> Network:
    """The network as it sees a motion, `[2, 20]`: the rates that it adds for A and B, Hz."""
    for name, extra in zip(("A", "B"), motion, strict=True):
        net = eqx.tree_at(
            lambda n, name=name: n.nodes[f"input_{name}"].rate.values,
            net,
            replace_fn=lambda values, extra=extra: values.at[1:-1].add(extra),
        )
    return net


def motion(coherence: float, seed: int) -> np.ndarray:
    """One sample of the motion, `[2, 20]`, Hz."""
    z = np.random.default_rng(seed).standard_normal((2, 20))
    side = np.array([[1.0], [-1.0]])
    return np.maximum(MEAN * (1 + side * coherence / 100) + SPREAD * z, 0.0)


def firing(t: Array, state: State, out: dict) -> Array:
    """Spikes per neuron of A and of B."""
    del t, state
    return jnp.stack([out[name]["spike"].mean() for name in ("A", "B")])


@eqx.filter_jit
def _together(net: Network, motions: Array, keys: Array, stop: float) -> Array:
    record = {"firing": Record(firing, every=round(BIN / DT), reduce="sum")}

    def one(motion: Array, key: Array) -> Array:
        seen = show(net, motion)
        return simulate(seen, stop, dt=DT, key=key, record=record, progress=False)["firing"]

    return jax.vmap(one)(motions, keys)


def run(net: Network, coherences: np.ndarray, seeds: np.ndarray, stop: float = END) -> np.ndarray:
    """Rates of A and B, Hz, `[trials, 2, bins]`; all trials take each step together."""
    pairs = zip(coherences, seeds, strict=True)
    motions = jnp.asarray(np.stack([motion(float(c), int(s)) for c, s in pairs]), float)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    spikes = np.asarray(_together(net, motions, keys, stop))
    return np.moveaxis(spikes, 2, 1) / BIN * 1000


def judge(rates: np.ndarray) -> Trial:
    """Who wins, when, and whether the winner stays active after the stimulus."""
    n = round(WINDOW / BIN)
    found = np.array([np.convolve(row, np.ones(n) / n, "valid") for row in rates])
    centres = WINDOW / 2 + BIN * np.arange(found.shape[1])
    shown = (centres > ON) & (centres < OFF)
    # The choice is that of the group which fires more at the end of the stimulus.
    last = found[:, (centres > OFF - 100) & (centres < OFF)].mean(axis=1)
    winner = int(last.argmax())
    above = np.flatnonzero(shown & (found[winner] > DECIDED))
    late = found[:, -round(200 / BIN) :].mean(axis=1)
    seen = centres[-1] > OFF + 250  # the run goes on for long enough after the stimulus
    return Trial(
        correct=winner == 0,
        time=float(centres[above[0]] - ON) if above.size else float("nan"),
        persists=bool(late[winner] > STAYS > late[1 - winner]) if seen else None,
        rates=np.stack([centres, *found]),
    )


def raster(net: Network, coherence: float, seed: int) -> Recording:
    """The spikes of one trial."""
    return simulate(
        show(net, jnp.asarray(motion(coherence, seed), float)),
        END,
        dt=DT,
        key=jax.random.key(seed),
        record=[Spikes("A.spike"), Spikes("B.spike")],
        progress=False,
    )


def weibull(coherence: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """The fraction of correct choices, from a half to one."""
    return 1 - 0.5 * np.exp(-((np.asarray(coherence) / alpha) ** beta))


def fit_weibull(coherence: np.ndarray, correct: np.ndarray) -> tuple[float, float]:
    """The likeliest parameters for choices that were right or wrong, on a fine grid."""
    grid = np.meshgrid(np.geomspace(1.0, 50.0, 200), np.linspace(0.5, 4.0, 71), indexing="ij")
    total = np.zeros(grid[0].shape)
    for c, right in zip(coherence, correct, strict=True):
        p = np.clip(weibull(c, *grid), 1e-9, 1 - 1e-9)
        total += np.log(p if right else 1 - p)
    best = np.unravel_index(total.argmax(), total.shape)
    return float(grid[0][best]), float(grid[1][best])


def main(argv: list[str] | None = None) -> dict[float, list[Trial]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TOGETHER, help="at each coherence")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="one trial at two coherences")
    args = parser.parse_args(argv)
    coherences = (6.4, 51.2) if args.quick else COHERENCES
    trials = 1 if args.quick else args.trials

    net = network()
    results: dict[float, list[Trial]] = {}
    start = time.perf_counter()
    print("coherence  correct  time (ms)  persists")
    for k, coherence in enumerate(coherences):
        seeds = args.seed + 1000 * k + np.arange(trials)
        parts = (seeds[i : i + TOGETHER] for i in range(0, trials, TOGETHER))
        rates = [row for s in parts for row in run(net, np.full(s.size, coherence), s)]
        results[coherence] = [judge(row) for row in rates]
        found = results[coherence]
        right, times = np.mean([t.correct for t in found]), [t.time for t in found]
        times = f"{np.nanmean(times):6.0f}" if np.isfinite(times).any() else "  none"
        stay = np.mean([bool(t.persists) for t in found])
        print(f"{coherence:7.1f} %  {right:7.0%}  {times:>9}  {stay:8.0%}", flush=True)
    n = trials * len(coherences)
    print(f"{n} trials in {time.perf_counter() - start:.0f} s, with compiling")
    if not args.quick:
        pairs = [(c, t.correct) for c, found in results.items() for t in found]
        alpha, beta = fit_weibull(*map(np.array, zip(*pairs, strict=True)))
        print(f"Weibull: alpha = {alpha:.1f} %, beta = {beta:.1f} (paper: 9.2 %, 1.5)")
    draw(results, raster(net, 6.4, args.seed), args.out)
    return results


def draw(results: dict[float, list[Trial]], shown: Recording, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    colours = {"A": "tab:blue", "B": "tab:red"}
    for k, (name, colour) in enumerate(colours.items()):
        spikes = shown.spikes(f"{name}.spike")
        axes[0, 0].plot(
            spikes.times - ON, spikes.index + 250 * k, ".", ms=1, color=colour, label=name
        )
    axes[0, 0].set(xlabel="time after the onset (ms)", ylabel="neurons of B and A", yticks=[])
    axes[0, 0].set_title("one trial, 6.4 % coherence")
    for coherence, style in ((51.2, "-"), (6.4, ":")):
        trial = results[coherence][0]
        for row, colour in zip(trial.rates[1:], colours.values(), strict=True):
            label = f"{coherence} %" if colour == "tab:blue" else None
            axes[0, 1].plot(trial.rates[0] - ON, row, style, color=colour, label=label)
    axes[0, 1].axvspan(0, OFF - ON, color="0.92", zorder=0)
    axes[0, 1].set(xlabel="time after the onset (ms)", ylabel="rate (Hz)")
    axes[0, 1].legend(frameon=False, title="A blue, B red")
    coherence = np.array(list(results))
    place = np.maximum(coherence, 1.6)
    right = [np.mean([t.correct for t in found]) for found in results.values()]
    n = np.array([len(found) for found in results.values()])
    error = np.sqrt(np.array(right) * (1 - np.array(right)) / n)
    label = "fdyn, with the standard error"
    axes[1, 0].errorbar(place, right, error, fmt="o", color="black", label=label)
    x = np.geomspace(2.2, 100, 200)
    axes[1, 0].axhline(0.5, color="0.8", lw=1, zorder=0)
    axes[1, 0].plot(x, weibull(x, 9.2, 1.5), color="0.5", label="Wang 2002: Weibull 9.2 %, 1.5")
    axes[1, 0].set(xscale="log", xlabel="coherence (%)", ylabel="correct")
    axes[1, 0].legend(frameon=False)
    for c, p, found in zip(coherence, place, results.values(), strict=True):
        times = np.array([t.time for t in found if t.correct])
        axes[1, 1].plot(np.full(times.size, p), times, "o", color="0.7", ms=3)
        if np.isfinite(times).any():
            axes[1, 1].plot(p, np.nanmean(times), "ko", label="mean" if c == 51.2 else None)
    axes[1, 1].set(xscale="log", xlabel="coherence (%)", ylabel="time to 15 Hz (ms)")
    axes[1, 1].legend(frameon=False)
    for ax in axes[1]:
        ax.set_xticks(place, [f"{c:g}" for c in coherence])
        ax.minorticks_off()
    save(fig, out, "wang2002.png")


if __name__ == "__main__":
    main()
