"""The event product `y += s @ W` against dense, scipy, JAX's own sparse arrays and brainevent.

    python benchmarks/sparse.py [--quick] [--out FOLDER]

All work on the same matrix, of float32 weights per synapse, and on the same spikes of 0 and 1;
their results are compared before they are timed. Times are medians of interleaved runs. A run of a
JAX contender is one compiled loop over different spike vectors, that of scipy a loop in Python.
brainevent takes part if it is installed.
"""

import argparse
import functools
import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common  # noqa: F401 (it makes the library importable)
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax.experimental.sparse import BCOO, BCSR

from fdyn.sparse import CSR, FixedFanOut, find_events

ACTIVE = (0.0, 0.001, 0.005, 0.02, 0.1, 0.5, 1.0)
SIZES = ((1000, 100), (10_000, 100), (100_000, 100))
FAN_OUTS = ((10_000, 10), (10_000, 100), (10_000, 1000))
VECTORS = 8  # different spikes, one after the other
DENSE_LIMIT = 10_000  # units; the matrix of more does not fit into memory beside the others
SLOW, FEW = 0.1, 3  # seconds; what takes longer is run a few times only
DENSE, SCIPY, BCOO_NAME, BCSR_NAME, BRAINEVENT = "dense", "scipy", "BCOO", "BCSR", "brainevent"
FDYN, FDYN_FAN_OUT, SCAN = "fdyn CSR", "fdyn FixedFanOut", "fdyn find_events"

Run = Callable[[int], np.ndarray]


def contenders(n: int, k: int, rng: np.random.Generator) -> dict[str, tuple[Callable, Any]]:
    """Functions `(y, s, W) -> y + s @ W` with their `W`; of JAX, or of numpy for scipy."""
    targets = np.sort(rng.integers(0, n, (n, k), dtype=np.int32), axis=1)
    weights = rng.random((n, k), dtype=np.float32)
    starts = np.arange(n + 1, dtype=np.int32) * k
    flat = targets.ravel(), weights.ravel()
    by_row = scipy.sparse.csr_array((flat[1], flat[0], starts), shape=(n, n))
    by_column = by_row.T.tocsr()
    bcsr = BCSR((by_column.data, by_column.indices, by_column.indptr), shape=(n, n))
    rows = np.repeat(np.arange(n, dtype=np.int32), k)
    bcoo = BCOO((flat[1], np.stack([rows, flat[0]], axis=1)), shape=(n, n), indices_sorted=True)
    found = {
        FDYN: (lambda y, s, w: w.accumulate(y, s), CSR(flat[0], starts, flat[1], n_post=n)),
        FDYN_FAN_OUT: (
            lambda y, s, w: w.accumulate(y, s),
            FixedFanOut(targets, weights, n_post=n),
        ),
        # What an event-driven product cannot avoid: to look at all spikes.
        SCAN: (lambda y, s, w: y.at[0].add(find_events(s).count.astype(y.dtype)), None),
        SCIPY: (lambda y, s, w: y + w.T @ s, by_row),
        BCOO_NAME: (lambda y, s, w: y + s @ w, bcoo),
        BCSR_NAME: (lambda y, s, w: y + w @ s, bcsr),
    }
    if n <= DENSE_LIMIT:
        found[DENSE] = lambda y, s, w: y + s @ w, by_row.toarray()
    if importlib.util.find_spec("brainevent") is not None:
        theirs = importlib.import_module("brainevent")
        w = theirs.CSR(tuple(map(jnp.asarray, (*flat[::-1], starts))), shape=(n, n))
        # It makes itself a work space, for which it must be known and not an operand.
        jax.block_until_ready(theirs.BinaryArray(jnp.zeros(n, jnp.float32)) @ w)
        found[BRAINEVENT] = (lambda y, s, _: y + theirs.BinaryArray(s) @ w), None
    return found


def compiled(product: Callable, w: Any, spikes: list[np.ndarray]) -> tuple[Run, float]:
    """A function that does the products `repeats` times over, and the seconds to compile it."""

    @functools.partial(jax.jit, donate_argnums=0)
    def loop(y, spikes, w, repeats):
        def body(_, y):
            for s in spikes:
                # Else a product that does not depend on `y` would be moved out of the loop.
                y, s = jax.lax.optimization_barrier((y, s))
                y = product(y, s, w)
            return y

        return jax.lax.fori_loop(0, repeats, body, y)

    given = [jnp.asarray(s) for s in spikes], jax.tree.map(jnp.asarray, w)
    zeros = np.zeros(spikes[0].size, np.float32)
    start = time.perf_counter()
    program = loop.lower(jnp.asarray(zeros), *given, jnp.int32(1)).compile()
    compile_s = time.perf_counter() - start
    return lambda repeats: np.asarray(
        program(jnp.array(zeros), *given, jnp.int32(repeats))
    ), compile_s


def interpreted(product: Callable, w: Any, spikes: list[np.ndarray]) -> tuple[Run, float]:
    def run(repeats):
        y = np.zeros_like(spikes[0])
        for _ in range(repeats):
            for s in spikes:
                y = product(y, s, w)
        return y

    return run, 0.0


def measure(
    n: int, k: int, active: tuple[float, ...], run_s: float, rounds: int, seed: int = 0
) -> list[dict]:
    """One row per contender and fraction of active units."""
    rng = np.random.default_rng(seed)
    products, rows = contenders(n, k, rng), []
    for fraction in active:
        count = round(fraction * n)
        spikes = [np.zeros(n, np.float32) for _ in range(VECTORS)]
        for s in spikes:
            s[rng.choice(n, count, replace=False)] = 1
        runs, compile_s = {}, {}
        for name, (product, w) in products.items():
            make = interpreted if name == SCIPY else compiled
            runs[name], compile_s[name] = make(product, w, spikes)
        results = {name: run(1) for name, run in runs.items() if name != SCAN}
        for name, y in results.items():
            np.testing.assert_allclose(y, results[FDYN], rtol=1e-4, atol=1e-4, err_msg=name)
        repeats = {name: how_often(run, run_s) for name, run in runs.items()}
        times = {name: [] for name in runs}
        for number in range(rounds):
            for name, run in runs.items():
                if number >= FEW and times[name][0] * VECTORS > SLOW:
                    continue
                start = time.perf_counter()
                run(repeats[name])
                times[name].append((time.perf_counter() - start) / repeats[name] / VECTORS)
        for name in runs:
            row = {
                "contender": name,
                "n": n,
                "fan_out": k,
                "active": fraction,
                "us": round(float(np.median(times[name])) * 1e6, 3),
                "compile_s": round(compile_s[name], 3),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def how_often(run: Run, seconds: float) -> int:
    """So that a run takes about `seconds`, and the cost of starting it does not show."""
    start = time.perf_counter()
    run(1)
    once = time.perf_counter() - start
    trial = max(1, int(0.2 * seconds / once))
    start = time.perf_counter()
    run(trial)
    return max(1, int(seconds * trial / (time.perf_counter() - start)))


def ratios(rows: list[dict]) -> str:
    """How many times longer than the event product the others take."""
    lines = [f"{'n':>7} {'fan-out':>7} {'active':>7}  times the {FDYN} product"]
    for case in dict.fromkeys((r["n"], r["fan_out"], r["active"]) for r in rows):
        us = {r["contender"]: r["us"] for r in rows if (r["n"], r["fan_out"], r["active"]) == case}
        others = "  ".join(f"{name} {t / us[FDYN]:.2f}" for name, t in us.items() if name != FDYN)
        lines.append(f"{case[0]:>7} {case[1]:>7} {case[2]:>7.1%}  {others}")
    return "\n".join(lines)


def picture(rows: list[dict], path: Path) -> None:
    """Time over the fraction of active units, one panel per size and fan-out."""
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    style = {
        FDYN: {"color": "C3", "lw": 2.4, "marker": "o"},
        FDYN_FAN_OUT: {"color": "C1", "lw": 1.6, "marker": "o"},
        SCAN: {"color": "0.5", "lw": 1.2, "ls": ":"},
        BRAINEVENT: {"color": "C0", "marker": "s"},
        SCIPY: {"color": "C2", "marker": "^"},
        BCSR_NAME: {"color": "C4", "marker": "v"},
        BCOO_NAME: {"color": "C5", "marker": "v"},
        DENSE: {"color": "k", "marker": "d"},
    }
    cases = list(dict.fromkeys((r["n"], r["fan_out"]) for r in rows))
    columns = min(len(cases), 3)
    lines = -(-len(cases) // columns)
    fig, axes = plt.subplots(
        lines, columns, figsize=(4 * columns + 0.6, 3.3 * lines + 0.7), squeeze=False, sharey=True
    )
    fractions = sorted({r["active"] for r in rows})
    # Zero has no logarithm: it stands one place to the left of the smallest fraction.
    place = {a: i for i, a in enumerate(fractions)}
    for ax, (n, k) in zip(axes.flat, cases, strict=False):
        for name, look in style.items():
            here = [r for r in rows if (r["contender"], r["n"], r["fan_out"]) == (name, n, k)]
            if here:
                x = [place[r["active"]] for r in here]
                ax.plot(x, [r["us"] for r in here], label=name, markersize=4, **look)
        ax.set(title=f"n = {n:,}, fan-out {k:,}", yscale="log", xticks=range(len(fractions)))
        ax.set_xticklabels([f"{100 * a:g}" for a in fractions])
        ax.grid(True, alpha=0.3)
    for ax in axes.flat[len(cases) :]:
        ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel("active units (%)")
    for ax in axes[:, 0]:
        ax.set_ylabel("time of one product (µs)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="lower center", ncols=4 if columns > 1 else 2, frameon=False)
    fig.tight_layout(rect=(0, 0.6 / fig.get_figheight() + 0.02, 1, 1))
    fig.savefig(path, dpi=110)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one small matrix, few rounds")
    parser.add_argument("--out", type=Path, help="folder for sparse_speed.png and .json")
    args = parser.parse_args()
    cases = dict.fromkeys([*SIZES, *FAN_OUTS])
    active, run_s, rounds = ACTIVE, 0.02, 9
    if args.quick:
        cases, active, run_s, rounds = [(1000, 10)], (0.0, 0.005, 1.0), 0.005, 3
    rows = [row for n, k in cases for row in measure(n, k, active, run_s, rounds)]
    print(ratios(rows))
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "sparse_speed.json").write_text(json.dumps(rows, indent=1) + "\n")
        picture(rows, args.out / "sparse_speed.png")


if __name__ == "__main__":
    main()
