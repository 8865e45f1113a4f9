"""The CUBA network: 4,000 integrate-and-fire neurons with current synapses, firing irregularly.

Benchmark 2 of Brette et al. 2007, J. Comput. Neurosci. 23:349, after Vogels & Abbott 2005,
J. Neurosci. 25:10786: every pair is connected with a probability of 2 %, the neurons rest above
their threshold. Prints the mean rates; writes raster, population rate and voltages.
"""

import argparse
from pathlib import Path

import jax
from _measures import draw_activity, irregularity

from fdyn import Network, Projection, Record, Spikes, simulate
from fdyn.components import LIF, Exponential
from fdyn.solvers import ExactLinear
from fdyn.sparse import fixed_probability

WEIGHT = {"E": 1.62, "I": -9.0}  # mV through a resistance of one
TAU = {"E": 5.0, "I": 10.0}  # ms


def network(n: int, key: jax.Array) -> Network:
    """`n` neurons, four fifths excitatory, each with 80 synapses on average."""
    sizes = {"E": n * 4 // 5, "I": n - n * 4 // 5}
    keys = dict(zip(("E", "I", "EE", "EI", "IE", "II"), jax.random.split(key, 6), strict=True))
    nodes = {
        name: LIF(
            size,
            tau=20.0,
            v_rest=-49.0,
            v_th=-50.0,
            v_reset=-60.0,
            t_ref=5.0,
            v_init=jax.random.uniform(keys[name], (size,), minval=-60.0, maxval=-50.0),
        )
        for name, size in sizes.items()
    }
    projections = {
        pre + post: Projection(
            pre,
            post,
            fixed_probability(
                keys[pre + post], sizes[pre], sizes[post], min(80 / n, 1.0), WEIGHT[pre]
            ),
            Exponential(tau=TAU[pre]),
        )
        for pre in sizes
        for post in sizes
    }
    return Network(nodes, projections)


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4000, help="number of neurons")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a short run")
    args = parser.parse_args(argv)
    duration = min(args.duration, 200.0) if args.quick else args.duration

    net = network(args.n, jax.random.key(args.seed))
    rec = simulate(
        net,
        duration,
        dt=0.1,
        solver=ExactLinear(),
        record=[Spikes("E.spike"), Spikes("I.spike"), Record("E.v", index=slice(0, 3))],
    )
    result = {}
    for name, node in net.nodes.items():
        spikes = rec.spikes(f"{name}.spike")
        result[name] = len(spikes.times) / node.size / (duration / 1000)
        cv = irregularity(spikes.times, spikes.index)
        print(f"mean rate of {name}: {result[name]:.1f} Hz, variation of intervals {cv:.2f}")
    draw_activity(rec, ["E.spike", "I.spike"], "E.v", args.out, "cuba.png")
    return result


if __name__ == "__main__":
    main()
