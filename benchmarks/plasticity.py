"""What learning costs: a network with each learning rule against the same one without, timed.

    python benchmarks/plasticity.py [--quick]

Prints one line of JSON for each rule: processor time of a step in microseconds (least of
interleaved runs), how many times that without learning, and the mean rate of the postsynaptic
units. The weights learn from rates that stay the same, since all units are driven from outside.
"""

import argparse
import json
import time

import _common  # noqa: F401 (it makes the library importable)
import jax
import numpy as np

import fdyn
from fdyn import components as comp
from fdyn.sparse import fixed_out_degree

DT = 0.1
DRIVE = 16.0  # mV: 18 Hz
RULES = {
    "none": None,
    "PairSTDP": comp.PairSTDP(),
    "PairSTDP, multiplicative": comp.PairSTDP(mu_plus=1.0, mu_minus=1.0),
    "TripletSTDP": comp.TripletSTDP(),
    "InhibitorySTDP": comp.InhibitorySTDP(),
    "RewardSTDP, every 10 ms": comp.RewardSTDP("out.spike", every=10.0),
    "SynapticScaling": comp.SynapticScaling(),
}


def networks(n: int, k: int) -> dict[str, fdyn.Network]:
    """The same synapses, too weak to matter, with every rule."""
    connect = fixed_out_degree(jax.random.key(0), n, n, k, 1e-3)
    first, second = np.random.default_rng(0).random((2, n))
    phases = [-65.0 + 16.0 * (1 - 16.0**-u) for u in (first, second)]  # firing spread over time
    return {
        name: fdyn.Network(
            {"in": comp.LIF(n, v_init=phases[0]), "out": comp.LIF(n, v_init=phases[1])},
            {"p": fdyn.Projection("in", "out", connect, comp.Exponential(5.0), plasticity=rule)},
        )
        for name, rule in RULES.items()
    }


def run(net: fdyn.Network, duration: float) -> tuple[float, float]:
    """Processor time (s) and mean rate (Hz)."""
    start = time.process_time()
    rec = fdyn.simulate(
        net,
        duration,
        dt=DT,
        inputs={"in": DRIVE, "out": DRIVE},
        record=fdyn.Spikes("out.spike"),
        progress=False,
    )
    jax.block_until_ready(rec.state.model.y)
    spent = time.process_time() - start
    spikes = len(rec.spikes("out.spike").times)
    return spent, spikes / net.projections["p"].connect.n_post / duration * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--k", type=int, default=80, help="synapses of each unit")
    parser.add_argument("--duration", type=float, default=300.0, help="ms")
    parser.add_argument("--reps", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a small network, few runs")
    args = parser.parse_args()
    if args.quick:
        args.n, args.k, args.duration, args.reps = 200, 10, 20.0, 1
    nets = networks(args.n, args.k)
    rates = {name: run(net, args.duration)[1] for name, net in nets.items()}
    times: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(args.reps):
        for name, net in nets.items():
            times[name].append(run(net, args.duration)[0] / args.duration * DT * 1e6)
    # The least: other programs add to the time of a step, and nothing takes from it.
    best = {name: min(values) for name, values in times.items()}
    for name, us in best.items():
        row = {"rule": name, "us_per_step": round(us, 1), "ratio": round(us / best["none"], 2)}
        print(json.dumps({**row, "rate_hz": round(rates[name], 1)}), flush=True)


if __name__ == "__main__":
    main()
