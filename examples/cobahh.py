"""The COBAHH network: 4,000 Hodgkin-Huxley neurons with conductance synapses, firing irregularly.

Benchmark 3 of Brette et al. 2007, J. Comput. Neurosci. 23:349: the channels of Traub & Miles 1991,
four fifths of the neurons excitatory, 80 synapses each. Conductances are per area: the cells of the
benchmark have 20,000 um^2. Prints the mean rates; writes raster, population rate and voltages.
"""

import argparse
from pathlib import Path

import jax
from _measures import draw_activity, irregularity

from fdyn import Network, Projection, Record, Spikes, simulate
from fdyn.components import COBA, ConductanceBased, Exponential, KTraubMiles, Leak, NaTraubMiles
from fdyn.sparse import fixed_out_degree

PER_AREA = 1e-6 / 2e-4  # nS of a cell as mS/cm^2


def network(n: int, key: jax.Array) -> Network:
    """`n` neurons, four fifths excitatory, that start from the benchmark's random state."""
    n_e = n * 4 // 5
    sizes = {"E": n_e, "I": n - n_e}
    degree = {"E": 64, "I": 16}
    weights = {"E": 6.0 * PER_AREA, "I": 67.0 * PER_AREA}
    tau = {"E": 5.0, "I": 10.0}
    reversal = {"E": 0.0, "I": -80.0}
    start = {"E": (40.0, 15.0), "I": (200.0, 120.0)}  # nS, mean and standard deviation
    nodes, projections = {}, {}
    for name, size in sizes.items():
        noise = jax.random.normal(jax.random.fold_in(key, size), (size,))
        nodes[name] = ConductanceBased(
            size,
            {
                "na": NaTraubMiles(g=100.0, e=50.0, v_t=-63.0),
                "k": KTraubMiles(g=30.0, e=-90.0, v_t=-63.0),
                "leak": Leak(g=0.05, e=-60.0),
            },
            c=1.0,
            v_th=-20.0,
            t_ref=3.0,
            v_init=-65.0 + 5.0 * noise,
        )
    for i, (pre, post) in enumerate((a, b) for a in sizes for b in sizes):
        graph, state = jax.random.split(jax.random.fold_in(key, i))
        mean, deviation = start[pre]
        g = (mean + deviation * jax.random.normal(state, (sizes[post],))) * PER_AREA
        connect = fixed_out_degree(
            graph, sizes[pre], sizes[post], degree[post], weights[pre], multapses=True
        )
        projections[pre + post] = Projection(
            pre, post, connect, Exponential(tau=tau[pre], g_init=g), COBA(e=reversal[pre])
        )
    return Network(nodes, projections)


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4000, help="number of neurons")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a short run")
    args = parser.parse_args(argv)
    duration = min(args.duration, 100.0) if args.quick else args.duration

    net = network(args.n, jax.random.key(args.seed))
    rec = simulate(
        net,
        duration,
        dt=0.1,
        record=[Spikes("E.spike"), Spikes("I.spike"), Record("E.v", index=slice(0, 3))],
    )
    result = {}
    for name, node in net.nodes.items():
        spikes = rec.spikes(f"{name}.spike")
        result[name] = len(spikes.times) / node.size / (duration / 1000)
        cv = irregularity(spikes.times, spikes.index)
        print(f"mean rate of {name}: {result[name]:.1f} Hz, variation of intervals {cv:.2f}")
    draw_activity(rec, ["E.spike", "I.spike"], "E.v", args.out, "cobahh.png")
    return result


if __name__ == "__main__":
    main()
