"""Work and precision of the solvers on Hodgkin-Huxley neurons, those of scipy beside them.

    python benchmarks/work_precision.py [--quick] [--out FOLDER]

One neuron that fires regularly, and a small network in which spikes open conductances. Every
solver runs at several steps or tolerances; of each run the error of the spike times (the largest)
and of the voltage (root mean square over a grid of 1 ms) against DOP853 of scipy at a tolerance of
1e-12, the number of evaluations of the flow, and the processor time of a later run, program
compiled (which other programs on the machine disturb least). The spike times of a run with fixed
steps are those of a cubic through four recorded voltages, so that they show the error of the solver
and not that of the grid.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import _common  # noqa: F401 (it makes the library importable)
import diffrax
import jax
import numpy as np
from _squid import EVALUATIONS, Answer, Problem, by_scipy, network, neuron

from fdyn import simulate, solve, solvers

STEPS = (0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125)
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
REFERENCE = 1e-12
LONG = 0.5  # seconds; a run that takes so long is not repeated
# Name, how the solver is made, family.
FIXED: list[tuple[str, Callable, str]] = [
    ("ExponentialEuler", solvers.ExponentialEuler, "exponential"),
    ("StrangSplitting", solvers.StrangSplitting, "exponential"),
    ("ETD2", solvers.ETD2, "exponential"),
    ("ETDRK4", solvers.ETDRK4, "exponential"),
    ("Euler", solvers.Euler, "explicit"),
    ("Heun", solvers.Heun, "explicit"),
    ("RK3", solvers.RK3, "explicit"),
    ("RK4", solvers.RK4, "explicit"),
    ("Diffrax(Tsit5)", lambda: solvers.Diffrax(diffrax.Tsit5()), "explicit"),  # pyright: ignore
    ("BackwardEuler", solvers.BackwardEuler, "implicit"),
    ("CrankNicolson", solvers.CrankNicolson, "implicit"),
    ("RODAS3", solvers.RODAS3, "implicit"),
    ("RODAS4", solvers.RODAS4, "implicit"),
]
ADAPTIVE: list[tuple[str, Callable]] = [
    ("solve, Tsit5", diffrax.Tsit5),
    ("solve, Dopri8", diffrax.Dopri8),
    ("solve, Kvaerno5", diffrax.Kvaerno5),
]
SCIPY = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
# What the page recommends, drawn with thick lines.
RECOMMENDED = ("StrangSplitting", "RK4", "RODAS4", "solve, Tsit5", "solve, Dopri8")


def fixed(problem: Problem, make: Callable, dt: float, counted: bool = False) -> Answer:
    """A run with fixed steps."""
    path = problem.path("v")
    rec = simulate(
        problem.model(counted),
        problem.duration,
        dt=dt,
        inputs=problem.inputs(),
        solver=make(),
        record=path,
        progress=False,
        throw=False,
    )
    v, ts = np.asarray(rec[path]), np.asarray(rec.ts)
    every = round(1.0 / dt)
    if not rec.status.ok:
        nothing = np.full((round(problem.duration), problem.n), np.nan)
        return Answer(nothing, [np.zeros(0)] * problem.n)
    return Answer(v[every - 1 :: every], [crossings(ts, x) for x in v.T])


def crossings(ts: np.ndarray, v: np.ndarray) -> np.ndarray:
    """When a recorded voltage crossed zero upward, on cubics through four of its points."""
    found = []
    for k in np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0)):
        low = min(max(k - 1, 0), v.size - 4)
        x = np.arange(4) + low - k
        cubic = np.polynomial.Polynomial.fit(x, v[low : low + 4], 3, domain=[-1, 1])
        roots = cubic.roots()
        inside = roots.real[(abs(roots.imag) < 1e-9) & (roots.real >= -1e-9) & (roots.real <= 1)]
        found.append(ts[k] + inside[0] * (ts[1] - ts[0]) if inside.size else np.nan)
    return np.array(found)


def adaptive(problem: Problem, make: Callable, rtol: float, counted: bool = False) -> Answer:
    """A run with adaptive steps and located events."""
    grid = np.arange(1, round(problem.duration) + 1, dtype=float)
    sol = solve(
        problem.model(counted),
        problem.duration,
        inputs=problem.inputs(),
        solver=make(),
        rtol=rtol,
        atol=rtol * 1e-2,
        ts=grid,
    )
    times, index = sol.spikes(problem.path("spike"))
    return Answer(np.asarray(sol[problem.path("v")]), [times[index == i] for i in range(problem.n)])


def errors(found: Answer, exact: Answer) -> tuple[float, float]:
    """Of the spike times (ms; infinite where their number is wrong) and of the voltage (mV)."""
    same = all(len(a) == len(b) for a, b in zip(found.spikes, exact.spikes, strict=True))
    late = np.inf
    if same:
        late = max(
            abs(a - b).max(initial=0) for a, b in zip(found.spikes, exact.spikes, strict=True)
        )
    return float(late), float(np.sqrt(np.mean((found.v - exact.v) ** 2)))


def timed(run: Callable[[], Answer], rounds: int) -> tuple[float, Answer]:
    """The least processor time of some runs, after one that compiles."""
    answer, times = run(), []
    while len(times) < rounds and sum(times) < LONG:
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times), answer


def evaluations(run: Callable[[], Answer]) -> int:
    """How often a run evaluates the flow."""
    jax.effects_barrier()
    before = EVALUATIONS[0]
    run()
    jax.effects_barrier()
    return EVALUATIONS[0] - before


def measure(
    problem: Problem, contenders: tuple, steps: tuple, tolerances: tuple, rounds: int
) -> list[dict]:
    """One row per solver and step or tolerance."""
    grid = np.arange(1, round(problem.duration) + 1, dtype=float)
    exact = by_scipy(problem, "DOP853", REFERENCE, grid)
    with_steps, with_tolerances, theirs = contenders
    rows = []

    def add(solver: str, family: str, setting: float, run: Callable, count: int) -> None:
        seconds, answer = timed(run, rounds)
        late, rms = errors(answer, exact)
        row = {
            "problem": problem.name,
            "solver": solver,
            "family": family,
            "setting": setting,
            "spike_ms": late,
            "v_mv": rms,
            "evaluations": count,
            "seconds": round(seconds, 6),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)

    for name, make, family in with_steps:
        # The first step is made once more, to learn the shapes of the records.
        short = problem._replace(duration=10.0)
        twice = problem._replace(duration=20.0)
        dt = max(steps)
        per_ms = (
            evaluations(lambda: fixed(twice, make, dt / 2, counted=True))  # noqa: B023
            - evaluations(lambda: fixed(short, make, dt / 2, counted=True))  # noqa: B023
        ) / 10.0
        for step in steps:
            count = round(per_ms * problem.duration * dt / 2 / step)
            add(name, family, step, lambda: fixed(problem, make, step), count)  # noqa: B023
    for name, make in with_tolerances:
        for rtol in tolerances:
            count = evaluations(lambda: adaptive(problem, make, rtol, counted=True))  # noqa: B023
            add(name, "solve", rtol, lambda: adaptive(problem, make, rtol), count)  # noqa: B023
    for name in theirs:
        for rtol in tolerances:
            run = lambda: by_scipy(problem, name, rtol, grid)  # noqa: B023, E731
            add(f"scipy, {name}", "scipy", rtol, run, evaluations(run))
    return rows


def cheapest(rows: list[dict], measure: str, goals: tuple[float, ...]) -> str:
    """For each solver the least time (ms) in which it reaches an error, between its runs by
    interpolation of the logarithms, and the times the best one of fdyn takes."""
    lines = []
    for problem in dict.fromkeys(r["problem"] for r in rows):
        lines.append(f"{problem}: time (ms) and evaluations to reach an error in {measure} of")
        lines.append(f"{'':>22}" + "".join(f"{goal:>20g}" for goal in goals))
        for solver in dict.fromkeys(r["solver"] for r in rows):
            mine = [r for r in rows if (r["problem"], r["solver"]) == (problem, solver)]
            cells = [
                f"{reach(mine, measure, 'seconds', goal) * 1e3:>10.1f}"
                f"{reach(mine, measure, 'evaluations', goal):>10.0f}"
                for goal in goals
            ]
            lines.append(f"{solver:>22}" + "".join(cells))
    return "\n".join(lines)


def reach(rows: list[dict], measure: str, work: str, goal: float) -> float:
    """The work at which the error falls to `goal`; NaN where it never does."""
    good = [r for r in rows if np.isfinite(r[measure]) and r[measure] > 0]
    below = [k for k, r in enumerate(good) if r[measure] <= goal]
    if not below:
        return np.nan
    k = below[0]
    if k == 0:
        return good[0][work]
    (x0, w0), (x1, w1) = ((np.log(good[j][measure]), np.log(good[j][work])) for j in (k - 1, k))
    return float(np.exp(w0 + (w1 - w0) * (np.log(goal) - x0) / (x1 - x0)))


def picture(rows: list[dict], path: Path) -> None:
    """Errors over evaluations and over time, one row of panels per problem."""
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    # A colour per family, a marker per member.
    colours = {
        "exponential": "C3",
        "explicit": "C0",
        "implicit": "C4",
        "solve": "k",
        "scipy": "0.6",
    }
    names: dict[str, list[str]] = {}
    for r in rows:
        names.setdefault(r["family"], [])
        if r["solver"] not in names[r["family"]]:
            names[r["family"]].append(r["solver"])
    problems = list(dict.fromkeys(r["problem"] for r in rows))
    panels = (("evaluations", "spike_ms"), ("seconds", "spike_ms"), ("seconds", "v_mv"))
    labels = {
        "evaluations": "evaluations of the flow",
        "seconds": "processor time of a run (s)",
        "spike_ms": "error of the spike times (ms)",
        "v_mv": "error of the voltage (mV, rms)",
    }
    titles = {
        ("evaluations", "spike_ms"): "spike times over evaluations",
        ("seconds", "spike_ms"): "spike times over time",
        ("seconds", "v_mv"): "voltage over time",
    }
    fig, axes = plt.subplots(len(problems), 3, figsize=(14, 4.4 * len(problems) + 1), squeeze=False)
    for line, problem in zip(axes, problems, strict=True):
        for ax, (work, measure) in zip(line, panels, strict=True):
            for family, members in names.items():
                for solver, marker in zip(members, "o^sDvPX", strict=False):
                    here = [r for r in rows if (r["problem"], r["solver"]) == (problem, solver)]
                    here = [r for r in here if np.isfinite(r[measure]) and r[measure] > 0]
                    best = solver in RECOMMENDED
                    ax.plot(
                        [r[work] for r in here],
                        [r[measure] for r in here],
                        "--" if family == "scipy" else "-",
                        marker=marker,
                        markersize=6 if best else 4,
                        lw=2.8 if best else 0.8,
                        alpha=1.0 if best else 0.7,
                        zorder=3 if best else 2,
                        color=colours[family],
                        label=solver,
                    )
            ax.set(xscale="log", yscale="log", xlabel=labels[work], ylabel=labels[measure])
            ax.set_title(f"{problem}: {titles[work, measure]}", fontsize=11)
            ax.xaxis.set_minor_formatter("")  # else they run into each other
            ax.grid(True, alpha=0.3)
    handles, texts = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, texts, loc="lower center", ncols=7, frameon=False, fontsize=9)
    about = (
        "Each point is a run with one step or tolerance; further left is cheaper, further down is "
        "more accurate. Thick: recommended."
    )
    fig.suptitle(about, fontsize=11)
    fig.tight_layout(rect=(0, 0.9 / fig.get_figheight(), 1, 0.99))
    fig.savefig(path, dpi=100)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few steps, short runs")
    parser.add_argument("--out", type=Path, help="folder for work_precision.png and .json")
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    contenders = FIXED, ADAPTIVE, SCIPY
    rounds = 7
    # In the network an implicit method of scipy takes minutes: its Jacobian has no structure.
    few = FIXED, ADAPTIVE, ("RK45", "DOP853", "LSODA")
    plan = [
        (neuron(100.0), contenders, STEPS, TOLERANCES),
        (network(50.0), few, STEPS[:5], TOLERANCES[::2]),
    ]
    if args.quick:
        contenders, rounds = (FIXED[:2], ADAPTIVE[:1], SCIPY[:1]), 1
        plan = [(neuron(20.0), contenders, STEPS[1:3], TOLERANCES[2:5:2])]
    rows = [row for p, c, s, t in plan for row in measure(p, c, s, t, rounds)]
    print(cheapest(rows, "spike_ms", (0.1, 0.01, 1e-4)))
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "work_precision.json").write_text(json.dumps(rows, indent=1) + "\n")
        picture(rows, args.out / "work_precision.png")


if __name__ == "__main__":
    main()
