"""The COBA network: 4,000 integrate-and-fire neurons with conductance synapses, firing irregularly.

Benchmark 1 of Brette et al. 2007, J. Comput. Neurosci. 23:349, after Vogels & Abbott 2005,
J. Neurosci. 25:10786. Prints the mean rates; writes raster, population rate and voltages.
"""

import argparse
from pathlib import Path

import jax
from _measures import draw_activity

from fdyn import Network, Projection, Record, Spikes, simulate
from fdyn.components import COBA, LIF, Exponential
from fdyn.sparse import fixed_out_degree

DRIVE = 200.0  # pA: 20 mV through the leak of 10 nS


def network(n: int, key: jax.Array) -> Network:
    """`n` neurons, four fifths excitatory, each with 80 synapses drawn with replacement."""
    n_e = n * 4 // 5
    sizes = {"E": n_e, "I": n - n_e}
    degree = {"E": 64, "I": 16}
    weights = {"E": 6.0, "I": 67.0}  # nS
    tau = {"E": 5.0, "I": 10.0}  # ms
    reversal = {"E": 0.0, "I": -80.0}  # mV
    keys = dict(zip(("E", "I", "EE", "EI", "IE", "II"), jax.random.split(key, 6), strict=True))
    nodes = {
        name: LIF(
            size,
            tau=20.0,
            r=0.1,
            v_rest=-60.0,
            v_th=-50.0,
            v_reset=-60.0,
            t_ref=5.0,
            v_init=-55.0 + 5.0 * jax.random.normal(keys[name], (size,)),
        )
        for name, size in sizes.items()
    }
    projections = {
        pre + post: Projection(
            pre,
            post,
            fixed_out_degree(
                keys[pre + post],
                sizes[pre],
                sizes[post],
                degree[post],
                weights[pre],
                multapses=True,
            ),
            Exponential(tau=tau[pre]),
            COBA(e=reversal[pre]),
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
        inputs={"E": DRIVE, "I": DRIVE},
        record=[Spikes("E.spike"), Spikes("I.spike"), Record("E.v", index=slice(0, 3))],
    )
    rates = {
        name: len(rec.spikes(f"{name}.spike").times) / node.size / (duration / 1000)
        for name, node in net.nodes.items()
    }
    for name, rate in rates.items():
        print(f"mean rate of {name}: {rate:.1f} Hz")
    draw_activity(rec, ["E.spike", "I.spike"], "E.v", args.out, "coba.png")
    return rates


if __name__ == "__main__":
    main()
