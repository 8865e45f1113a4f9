"""What delays cost: one projection with delays of every kind, timed."""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import fdyn  # noqa: E402
from fdyn.components import CUBA, LIF, Exponential  # noqa: E402
from fdyn.sparse import FixedFanOut, FractionalDelay, fixed_out_degree  # noqa: E402

DT = 0.1


DRIVE = 16.0  # mV: 18 Hz


def networks(n: int, k: int, longest: float) -> dict[str, fdyn.Network]:
    """The same synapses with delays up to `longest` ms."""
    plain = fixed_out_degree(jax.random.key(0), n, n, k, 1.0, multapses=True)
    rng = np.random.default_rng(0)
    steps = rng.integers(1, round(longest / DT) + 1, (n, k))
    phases = -65.0 + 16.0 * (1 - 16.0 ** -rng.random(n))  # firing spread evenly over time

    def synapses(delay):
        return FixedFanOut(plain.targets, 1.0, n_post=n, delay=delay)

    cases = {
        "none": (plain, 0.0),
        "projection": (plain, longest),
        "projection, fractional": (plain, FractionalDelay(0.997 * longest)),
        "per synapse": (synapses(steps * DT), 0.0),
        "per synapse, fractional": (synapses(FractionalDelay(steps * (DT * 0.997))), 0.0),
    }
    return {
        name: fdyn.Network(
            {"in": LIF(n, v_init=phases), "out": LIF(n, v_th=1e9)},
            {"p": fdyn.Projection("in", "out", conn, Exponential(5.0), CUBA(), delay)},
        )
        for name, (conn, delay) in cases.items()
    }


def cpu_time(net: fdyn.Network, duration: float) -> float:
    """Processor time of a run, s."""
    start = time.process_time()
    end = fdyn.simulate(net, duration, dt=DT, inputs={"in": DRIVE}, progress=False).state
    jax.block_until_ready(end.model.y)
    return time.process_time() - start


def main() -> None:
    """One line per kind of delay: microseconds a step (median), bytes of the state."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--k", type=int, default=80, help="synapses of each unit")
    parser.add_argument("--longest", type=float, default=10.0, help="ms")
    parser.add_argument("--duration", type=float, default=500.0, help="ms")
    parser.add_argument("--reps", type=int, default=7)
    args = parser.parse_args()
    nets = networks(args.n, args.k, args.longest)
    for net in nets.values():
        cpu_time(net, args.duration)
    times: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(args.reps):
        for name, net in nets.items():
            times[name].append(cpu_time(net, args.duration) / args.duration * DT * 1e6)
    for name, net in nets.items():
        mem = net.init(key=jax.random.key(0), dt=DT).mem
        size = sum(x.nbytes for x in jax.tree.leaves(mem))
        step = round(float(np.median(times[name])), 1)
        print(json.dumps({"delay": name, "us_per_step": step, "bytes": size}), flush=True)


if __name__ == "__main__":
    main()
