"""Fast against full memory of a fractional equation: time, memory and distance.

    python benchmarks/fde.py                 # 1e5 steps
    python benchmarks/fde.py --steps 1000    # and other numbers

The relaxation of `--units` units of different order, explicit steps. Each line of JSON is one
run: `run_s` without compiling, `memory_mb` the memory of the solver, `step_us`, `error` against the
Mittag-Leffler function at the end, and `distance`, the largest difference from the full memory
(`L1`) at 64 times.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fdyn import State  # noqa: E402
from fdyn.solvers import L1, FastL1, GrunwaldLetnikov, mittag_leffler, solve_fde  # noqa: E402
from fdyn.solvers._function_model import FunctionModel  # noqa: E402

METHODS = {
    "L1": lambda a: L1(a, implicit=False),
    "GrunwaldLetnikov": lambda a: GrunwaldLetnikov(a, implicit=False),
    "L1, window of a tenth": lambda a: L1(a, implicit=False, window=0.1 * END),
    "FastL1, tol 1e-4": lambda a: FastL1(a, implicit=False, tol=1e-4),
    "FastL1, tol 1e-8": lambda a: FastL1(a, implicit=False),
    "FastL1, tol 1e-12": lambda a: FastL1(a, implicit=False, tol=1e-12),
}
END = 64.0


def decay(t: jax.Array, y: jax.Array, args: None) -> jax.Array:
    return -y


def run(name: str, steps: int, units: int) -> tuple[dict, np.ndarray]:
    alpha = np.linspace(0.3, 0.9, units) if units > 1 else 0.6
    ts = np.linspace(0.0, END, 65)
    method = METHODS[name](alpha)
    dt = END / steps
    y0 = jnp.ones(units) if units > 1 else 1.0

    def go() -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        ys = np.asarray(solve_fde(decay, y0, ts, None, method, dt=dt, progress=False).ys)
        return time.perf_counter() - start, ys

    first, _ = go()
    run_s, ys = go()
    start = State(jnp.asarray(y0, jnp.result_type(float)), ())
    kept = method.for_run(END).init(FunctionModel(decay, start.y), start, dt)
    exact = np.asarray(mittag_leffler(-(END ** np.asarray(alpha)), alpha))
    line = {
        "method": name,
        "steps": steps,
        "units": units,
        "compile_s": round(first - run_s, 2),
        "run_s": round(run_s, 3),
        "step_us": round(1e6 * run_s / steps, 2),
        "memory_mb": round(sum(x.nbytes for x in jax.tree.leaves(kept)) / 1e6, 4),
        "error": float(f"{abs(ys[-1] - exact).max():.2g}"),
    }
    return line, ys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--units", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for steps in args.steps:
        full = None
        for name in args.methods:
            line, ys = run(name, steps // 64 * 64, args.units)
            full = ys if name == "L1" else full
            if full is not None:
                line["distance"] = float(f"{abs(ys - full).max():.2g}")
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
