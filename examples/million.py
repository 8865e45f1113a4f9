"""A million integrate-and-fire neurons and a billion synapses, none of which is stored.

The balanced network of Vogels & Abbott 2005, J. Neurosci. 25:10786, with more and weaker synapses
and a drive that differs between neurons. Every synapse is generated anew whenever its neuron
spikes. Prints rates, the irregularity of firing, memory and speed; writes raster and rates.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fdyn import Network, Projection, Record, simulate
from fdyn.components import COBA, LIF, Exponential
from fdyn.sparse import Procedural

SHOWN = {"E": 400, "I": 100}  # neurons in the raster
TAU = {"E": 5.0, "I": 10.0}  # ms
REVERSAL = {"E": 0.0, "I": -80.0}  # mV
# nS; the sum over all synapses of a neuron is that of 64 of 6 nS and 16 of 67 nS.
TOTAL = {"E": 64 * 6.0, "I": 16 * 67.0}


def network(n: int, degree: int, key: jax.Array) -> Network:
    """`n` neurons, four fifths excitatory, with about `degree` synapses onto each."""
    sizes = {"E": n * 4 // 5, "I": n - n * 4 // 5}
    degrees = {"E": degree * 4 // 5, "I": degree - degree * 4 // 5}
    keys = dict(zip(("E", "I", "EE", "EI", "IE", "II"), jax.random.split(key, 6), strict=True))

    def population(name: str) -> LIF:
        first, second = jax.random.split(keys[name])
        # 15 to 45 mV above the true resting potential: a constant current, unlike for each.
        drive = jax.random.uniform(first, (sizes[name],), minval=15.0, maxval=45.0)
        v = jax.random.uniform(second, (sizes[name],), minval=-60.0, maxval=-50.0)
        return LIF(
            sizes[name],
            tau=20.0,
            r=0.1,
            v_rest=-60.0 + drive,
            v_th=-50.0,
            v_reset=-60.0,
            t_ref=5.0,
            v_init=v,
        )

    projections = {
        pre + post: Projection(
            pre,
            post,
            Procedural(
                keys[pre + post],
                sizes[pre],
                sizes[post],
                min(degrees[pre] / sizes[pre], 1.0),
                TOTAL[pre] / degrees[pre],
            ),
            Exponential(tau=TAU[pre]),
            COBA(e=REVERSAL[pre]),
            delay=1.0,
        )
        for pre in sizes
        for post in sizes
    }
    return Network({name: population(name) for name in sizes}, projections)


def excitatory_rate(t, state, out) -> jax.Array:
    """Fraction of the excitatory neurons that fire in this step."""
    return jnp.mean(out["E"]["spike"])


def inhibitory_rate(t, state, out) -> jax.Array:
    """Fraction of the inhibitory neurons that fire in this step."""
    return jnp.mean(out["I"]["spike"])


def irregularity(times: np.ndarray, index: np.ndarray) -> float:
    """Mean coefficient of variation of the intervals of neurons with five spikes or more."""
    intervals = (np.diff(times[index == unit]) for unit in np.unique(index))
    values = [x.std() / x.mean() for x in intervals if x.size >= 4]
    return float(np.mean(values)) if values else float("nan")


def peak_memory() -> float:
    """The most memory that this process has held, GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="number of neurons")
    parser.add_argument("--degree", type=int, default=1000, help="synapses onto each neuron")
    parser.add_argument("--duration", type=float, default=500.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a small network, a short run")
    args = parser.parse_args(argv)
    if args.quick:
        args.n, args.degree = min(args.n, 20_000), min(args.degree, 500)
        args.duration = min(args.duration, 200.0)

    net = network(args.n, args.degree, jax.random.key(args.seed))
    connects = [p.connect for p in net.projections.values()]
    n_synapses = sum(c.n_pre * c.n_post * c.probability for c in connects)
    print(
        f"{args.n:,} neurons, {n_synapses:.3g} synapses in {sum(c.nbytes for c in connects)} bytes"
    )
    every = round(1.0 / args.dt)
    record = {
        "E": Record("E.spike", index=slice(0, SHOWN["E"])),
        "I": Record("I.spike", index=slice(0, SHOWN["I"])),
        "rate of E": Record(excitatory_rate, every=every, reduce="mean"),
        "rate of I": Record(inhibitory_rate, every=every, reduce="mean"),
    }
    begin = simulate(net, args.dt, dt=args.dt, record=record, progress=False)  # compiles
    start = time.perf_counter()
    rec = simulate(net, args.duration, dt=args.dt, record=record, state=begin.state)
    seconds = time.perf_counter() - start

    result = {name: float(rec[f"rate of {name}"].mean()) * 1000 / args.dt for name in SHOWN}
    for name, rate in result.items():
        print(f"mean rate of {name}: {rate:.1f} Hz")
    result["cv"] = irregularity(*rec.spikes("E"))
    print(f"variation of the intervals between spikes: {result['cv']:.2f}")
    print(f"{seconds / args.duration * 1000:.1f} s per simulated second")
    print(f"peak memory of the process: {peak_memory():.2f} GiB")
    draw(rec, args)
    return result


def draw(rec, args) -> None:
    import matplotlib.pyplot as plt

    from fdyn import plot

    fig, axes = plt.subplots(
        2, 1, figsize=(9, 6.5), sharex=True, height_ratios=[3, 1.2], layout="constrained"
    )
    plot.raster(rec, ["E", "I"], ax=axes[0])
    axes[0].set_xlabel("")
    axes[0].set_title(f"{sum(SHOWN.values())} of {args.n:,} neurons", fontsize=10)
    for name in SHOWN:
        trace = f"rate of {name}"
        rates = np.asarray(rec[trace]) * 1000 / args.dt
        axes[1].plot(rec.times(trace), rates, lw=1, label=f"all of {name}")
    # The first volley, from random potentials, would dwarf all that follows.
    later = [np.asarray(rec[f"rate of {name}"])[10:] for name in SHOWN]
    top = 1.3 * max(x.max() for x in later) * 1000 / args.dt
    axes[1].set(xlabel="time (ms)", ylabel="rate (Hz)", ylim=(0, top))
    axes[1].legend(loc="upper right", frameon=False, ncols=2)
    args.out.mkdir(parents=True, exist_ok=True)
    fig.savefig(args.out / "million.png", dpi=130)
    plt.close(fig)
    print(f"picture: {args.out / 'million.png'}")


if __name__ == "__main__":
    main()
