"""A synfire chain: volleys of spikes that travel along groups of neurons, or die out.

Diesmann, Gewaltig & Aertsen 1999, Nature 402:529: ten groups of 100 neurons, each group connected
to all of the next, in a background of 20,000 synapses. A volley of `a` spikes with a spread of
`sigma` ms grows into a synchronous one of nearly all neurons, or fades. Prints the fate of each
volley; writes rasters of two of them and the paths of all in the plane of `sigma` and `a`.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from _measures import save

from fdyn import Network, Projection, Recording, Spikes, simulate
from fdyn.components import LIF, Alpha, PoissonInput, SpikeTimes
from fdyn.solvers import RK4
from fdyn.sparse import OneToOne, from_coo

GROUPS, SIZE = 10, 100
TAU_M, TAU_S = 10.0, 0.325  # ms
# mV through a resistance of one: the peak of a synapse's current, which makes 0.14 mV of potential.
PEAK = 4.86 / np.e
BACKGROUND = {"excitatory": 17_600 * 2.0, "inhibitory": 2_400 * 12.5}  # Hz
DELAY, DT, AT = 5.0, 0.1, 60.0  # ms; the volley comes when the background has settled
LAST = AT + (GROUPS + 3) * (DELAY + 1.0)
MOST = 110  # spikes of a volley
VOLLEYS = [(a, sigma) for sigma in (0.0, 1.0, 2.0, 3.0, 4.0) for a in (35, 50, 65, 80, 95, 110)]
SHOWN = {"stable": (60, 1.0), "unstable": (40, 1.0)}


def network(key: jax.Array) -> Network:
    """The chain, one population; its first group gets what comes from `volley`."""
    n = GROUPS * SIZE
    ahead = np.arange(n - SIZE)
    rows = np.repeat(ahead, SIZE)
    columns = (ahead // SIZE + 1)[:, None] * SIZE + np.arange(SIZE)
    chain = LIF(
        n,
        tau=TAU_M,
        v_rest=-70.0,
        v_reset=-70.0,
        v_th=-55.0,
        t_ref=1.0,
        v_init=jax.random.uniform(key, (n,), minval=-70.0, maxval=-55.0),
    )
    nodes = {"chain": chain, "volley": volley(0, 0.0, 0)}
    first = from_coo(np.zeros(SIZE, int), np.arange(SIZE), PEAK, (1, n))
    projections = {
        "volley_chain": Projection("volley", "chain", first, Alpha(TAU_S)),
        "chain_chain": Projection(
            "chain",
            "chain",
            from_coo(rows, columns.ravel(), PEAK, (n, n)),
            Alpha(TAU_S),
            delay=DELAY,
        ),
    }
    for name, rate in BACKGROUND.items():
        nodes[name] = PoissonInput(n, rate=rate)
        weight = PEAK if name == "excitatory" else -PEAK
        projections[f"{name}_chain"] = Projection(
            name, "chain", OneToOne(weight, n=n), Alpha(TAU_S)
        )
    return Network(nodes, projections)


def volley(a: int, sigma: float, seed: int) -> SpikeTimes:
    """`a` spikes around `AT`, in one unit; the rest of a list of fixed length is out of reach."""
    times = AT + sigma * np.random.default_rng(seed).standard_normal(MOST)
    times[a:] = 2 * LAST
    return SpikeTimes(1, np.maximum(times, DT), np.zeros(MOST, int), rounding="nearest")


def run(net: Network, a: int, sigma: float, seed: int) -> Recording:
    """The chain after one volley; the second one compiles nothing anew."""
    net = eqx.tree_at(lambda n: n.nodes["volley"], net, volley(a, sigma, seed))
    return simulate(
        net,
        LAST,
        dt=DT,
        key=jax.random.key(seed),
        solver=RK4(),
        record=Spikes("chain.spike"),
        progress=False,
    )


def follow(times: np.ndarray, index: np.ndarray, settle: float = AT) -> list[tuple[float, float]]:
    """Size and spread (ms) of the volley in each group, until it has died out.

    A volley is looked for from 3 ms before to 8 ms after a delay has passed since the last; ten
    spikes or fewer are what the background makes.
    """
    path = []
    for group in range(GROUPS):
        start = settle if group == 0 else settle + DELAY
        near = (index // SIZE == group) & (times > start - 6) & (times < start + 8)
        if near.sum() <= 10:
            break
        # Half of the spikes lie around the median; those far from it belong to the background.
        middle = np.median(times[near])
        close = near & (abs(times - middle) < 5)
        path.append((float(close.sum()), float(times[close].std())))
        settle = float(times[close].mean())
    return path


def survives(path: list[tuple[float, float]]) -> bool:
    """Whether the volley has reached the last group as one of most of its neurons."""
    return len(path) == GROUPS and path[-1][0] > SIZE / 2


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="volleys of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="few volleys")
    args = parser.parse_args(argv)
    trials = 1 if args.quick else args.trials
    volleys = VOLLEYS[1::3] if args.quick else VOLLEYS

    net = network(jax.random.key(args.seed))
    shown = {name: run(net, *v, args.seed) for name, v in SHOWN.items()}
    paths = {}
    for a, sigma in volleys:
        found = []
        for k in range(trials):
            spikes = run(net, a, sigma, args.seed + k).spikes("chain.spike")
            found.append([(float(a), sigma), *follow(spikes.times, spikes.index)])
        paths[a, sigma] = found
        alive = np.mean([survives(p[1:]) for p in found])
        print(f"a = {a:3} spikes, sigma = {sigma:.0f} ms: {alive:4.0%} survive")
    ends = [p[-1] for found in paths.values() for p in found if survives(p[1:])]
    end = np.mean(ends, axis=0)
    print(f"those that survive become {end[0]:.0f} spikes within {end[1]:.2f} ms")
    draw(shown, paths, args.out)
    return {"paths": paths, "end": end}


def draw(shown: dict[str, Recording], paths: dict, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for ax, (name, rec) in zip(axes, shown.items(), strict=False):
        spikes = rec.spikes("chain.spike")
        ax.plot(spikes.times - AT, spikes.index / SIZE + 0.5, ".", ms=1.5, color="black")
        a, sigma = SHOWN[name]
        ax.set(xlabel="time after the volley (ms)", ylabel="group", yticks=range(1, GROUPS + 1))
        ax.set(xlim=(-20, LAST - AT), title=f"{a} spikes, spread {sigma:g} ms: {name}")
    for found in paths.values():
        for path in found:
            a, sigma = np.array(path).T
            alive = survives(path[1:])
            colour = "tab:blue" if alive else "tab:red"
            axes[2].plot(sigma, a, "-", color=colour, lw=0.7, alpha=0.7)
            axes[2].plot(sigma[0], a[0], "o", color=colour, ms=3)
    axes[2].set(xlabel="spread of the volley (ms)", ylabel="spikes in the volley")
    axes[2].set(xlim=(-0.1, 4.5), title="from group to group (blue: survives)")
    save(fig, out, "synfire.png")


if __name__ == "__main__":
    main()
