"""What the benchmark scripts share: arguments, timing, one JSON line."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax

# The networks are those of examples/, whose scripts import from their own folder.
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "examples")]

import fdyn  # noqa: E402


def main(model: str, build: Callable, inputs: Callable) -> None:
    """Build the network, compile, run, and print one line in the form other simulators print.

    `build(n, key)` makes the network and `inputs(network)` its inputs. `compile_s` is the first
    call, of one step; `run_s` the simulation with all spikes kept, its program compiled.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reps", type=int, default=1, help="timed repeats, one line each")
    parser.add_argument("--json", action="store_true", help="print one JSON line per run")
    args = parser.parse_args()

    start = time.perf_counter()
    net = build(args.n, jax.random.key(args.seed))
    build_s = time.perf_counter() - start
    names = [f"{name}.spike" for name in net.nodes]

    def run(duration: float) -> tuple[float, int]:
        start = time.perf_counter()
        rec = fdyn.simulate(
            net,
            duration,
            dt=args.dt,
            inputs=inputs(net),
            record=[fdyn.Spikes(name) for name in names],
            progress=False,
        )
        count = sum(len(rec.spikes(name).times) for name in names)
        return time.perf_counter() - start, count

    compile_s, _ = run(args.dt)
    for _ in range(args.reps):
        run_s, count = run(args.duration)
        line = {
            "peer": "fdyn",
            "mode": f"{jax.default_backend()}_{jax.numpy.result_type(float)}_exp_euler",
            "model": model,
            "n": args.n,
            "duration_ms": args.duration,
            "dt": args.dt,
            "build_s": round(build_s, 4),
            "compile_s": round(compile_s, 4),
            "run_s": round(run_s, 5),
            "mean_rate_hz": round(count / args.n / (args.duration / 1000), 3),
            "version": f"fdyn {fdyn.__version__}, jax {jax.__version__}",
            "n_spikes": count,
        }
        if args.json:
            print(json.dumps(line), flush=True)
        else:
            print("\n".join(f"{k:>13}: {v}" for k, v in line.items()), flush=True)
