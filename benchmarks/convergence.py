"""Orders of convergence of every solver, as a table and a picture.

    python benchmarks/convergence.py [--only ODE] [--out FOLDER]

Every solver runs one problem with a known solution at four steps, each half of the one before; the
slope of a line through the logarithms of error and step is its order. The script ends with an error
where a slope is further than 0.15 from theory. All is run in double precision, and again in single,
where the smallest error that is reached says what rounding leaves.
"""

import argparse
import dataclasses
import functools
import json
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common  # noqa: F401 (it makes the library importable)
import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.integrate import solve_ivp

from fdyn import AbstractComponent, State, simulate
from fdyn import solvers as sol
from fdyn.components import KHH, ConductanceBased, Leak, NaHH

SLACK = 0.15
PANELS = {
    "ODE": "Hodgkin-Huxley neuron, upstroke of a spike",
    "SDE, strong": "geometric Brownian motion, and dX = 2 sin X dt + dW (additive noise, beside "
    "steps of 1/4096): mean error of the paths",
    "SDE, weak": "geometric Brownian motion: error of the mean",
    "FDE": "a linear equation of order 0.6 with the solution t⁴",
    "DDE": "the delayed logistic equation (Hutchinson)",
}


@dataclasses.dataclass(frozen=True)
class Study:
    """A solver on a problem: `error(dt)`, the order that theory gives, and the largest step."""

    panel: str
    name: str
    order: float
    dt: float
    error: Callable[[float], float]
    halvings: int = 3


# --- ODE ----------------------------------------------------------------------------------------

_END, _CURRENT = 2.0, 20.0  # the end falls on the upstroke of a spike


@functools.cache
def _squid_end() -> np.ndarray:
    """Hodgkin-Huxley written out once more, for scipy."""

    def f(t: float, y: np.ndarray) -> list[float]:
        v, m, h, n = y
        rates = [
            (0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)),
            (0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))),
            (0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)),
        ]
        current = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
        gates = [a * (1 - x) - b * x for (a, b), x in zip(rates, (m, h, n), strict=True)]
        return [_CURRENT - current, *gates]

    start = [-65.0]
    for a, b in (
        (2.5 / (math.exp(2.5) - 1), 4.0),
        (0.07, 1 / (1 + math.exp(3.0))),
        (0.1 / (math.exp(1.0) - 1), 0.125),
    ):
        start.append(a / (a + b))
    return solve_ivp(f, (0, _END), start, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]


def ode(solver: sol.AbstractStepSolver) -> Callable[[float], float]:
    """The greatest error of a state variable of the squid axon at 2 ms."""

    def error(dt: float) -> float:
        squid = ConductanceBased(1, {"na": NaHH(), "k": KHH(), "leak": Leak()})
        run = simulate(squid, _END, dt=dt, inputs=_CURRENT, solver=solver, progress=False)
        y = run.state.model.y
        found = [y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"]]
        return max(abs(float(x[0]) - r) for x, r in zip(found, _squid_end(), strict=True))

    return error


# --- SDE ----------------------------------------------------------------------------------------


class Growth(AbstractComponent):
    """Geometric Brownian motion dX = mu X dt + sigma X dW, as many paths as `size`."""

    size: int
    mu: float
    sigma: float
    stratonovich: bool = False

    def init(self, *, key: Array, dt: float) -> State:
        """All paths start at 1."""
        return State({"x": jnp.ones(self.size)}, {})

    def flow(self, t: Array, y: Any, args: Any) -> Any:
        """The drift, in the sense in which the solver reads the equation."""
        shift = self.sigma**2 / 2 if self.stratonovich else 0.0
        return {"x": (self.mu - shift) * y["x"]}

    def diffusion(self, t: Array, y: Any, args: Any) -> Any:
        """Diagonal noise in proportion to the state."""
        return {"x": self.sigma * y["x"]}

    def jump(self, t: Array, y: Any, args: Any, *, dt: Array, key: Array) -> Any:
        """Nothing."""
        return y, args.mem, {}

    def exact(self, w: Array) -> Array:
        """The solution at time 1, where the Brownian motions have the values `w`."""
        return jnp.exp((self.mu - self.sigma**2 / 2) + self.sigma * w)


class Additive(AbstractComponent):
    """dX = 2 sin X dt + dW; on a linear equation methods for additive noise beat the theory."""

    size: int

    def init(self, *, key: Array, dt: float) -> State:
        """All paths start at 1."""
        return State({"x": jnp.ones(self.size)}, {})

    def flow(self, t: Array, y: Any, args: Any) -> Any:
        """The drift."""
        return {"x": 2 * jnp.sin(y["x"])}

    def diffusion(self, t: Array, y: Any, args: Any) -> Any:
        """Noise that does not depend on the state."""
        return {"x": jnp.ones_like(y["x"])}

    def jump(self, t: Array, y: Any, args: Any, *, dt: Array, key: Array) -> Any:
        """Nothing."""
        return y, args.mem, {}


@functools.cache
def _path(model: Any, area: Any) -> tuple[Any, Array]:
    """Brownian motions, the same for all steps and solvers, and the solution they lead to."""
    path: Any = sol.brownian_path(model, 1.0, 2.0**-13, jax.random.key(1), levy_area=area)
    if isinstance(model, Growth):
        return path, model.exact(path.evaluate(jnp.zeros(()), jnp.ones(()))["x"])
    fine = sol.Diffrax(diffrax.ShARK(), path)
    run = simulate(model, 1.0, dt=2.0**-12, solver=fine, progress=False)
    return path, run.state.model.y["x"]


def sde(
    panel: str,
    make: Callable[[Any], sol.AbstractStepSolver],
    model: Any,
    area: Any = diffrax.BrownianIncrement,
) -> Callable[[float], float]:
    """Mean error of the paths at time 1, or error of their mean, beside the exact solution.

    The mean is that of the differences to the exact solution of the same path, which takes most of
    the sampling error away.
    """

    def error(dt: float) -> float:
        path, exact = _path(model, area)
        run = simulate(model, 1.0, dt=dt, solver=make(path), progress=False)
        gap = np.asarray(run.state.model.y["x"] - exact, np.float64)
        return float(abs(gap).mean() if panel == "SDE, strong" else abs(gap.mean()))

    return error


# --- FDE and DDE --------------------------------------------------------------------------------

_ALPHA = 0.6


def _fractional(t: Array, y: Array, args: Any) -> Array:
    """Of order 0.6, with the solution t^4."""
    return 24 / math.gamma(5 - _ALPHA) * t ** (4 - _ALPHA) + t**4 - y


def fde(solver: Any) -> Callable[[float], float]:
    """The error at time 1."""

    def error(dt: float) -> float:
        run = sol.solve_fde(_fractional, 0.0, [0.0, 1.0], None, solver, dt=dt, progress=False)
        return abs(float(run.ys[-1]) - 1.0)

    return error


def _logistic(t: Array, y: Array, r: Array, hist: Any) -> Array:
    return r * y * (1 - hist(1.0))


def dde(solver: Any, unit: float = 1.0) -> Callable[[float], float]:
    """The error at time 5 of y' = 1.8 y (1 - y(t - 1)), y = 1/2 before.

    The value is that of a Chebyshev collocation of degree 28 between the breaking points. `unit`
    scales the steps, so that the delay is a multiple of them or not.
    """

    def error(dt: float) -> float:
        run = sol.solve_dde(_logistic, 0.5, [0.0, 5.0], 1.8, solver, dt=dt * unit)
        return abs(float(run.ys[-1]) - 1.2732514444633938)

    return error


def studies() -> list[Study]:
    """All of them."""
    # The largest step by order, within the range of convergence.
    steps = {1: 2.0**-9, 2: 0.01, 3: 0.01, 4: 0.01}
    bridge: Any = sol.Diffrax
    squid = {
        "Euler": sol.Euler(),
        "Midpoint": sol.Midpoint(),
        "Heun": sol.Heun(),
        "Ralston": sol.Ralston(),
        "RK2(0.7)": sol.RK2(0.7),
        "RK3": sol.RK3(),
        "SSPRK3": sol.SSPRK3(),
        "RK4": sol.RK4(),
        "RK38": sol.RK38(),
        "ExponentialEuler": sol.ExponentialEuler(),
        "ExponentialEuler, diagonal": sol.ExponentialEuler("diagonal"),
        "ETD2": sol.ETD2(),
        "ETD2, diagonal": sol.ETD2("diagonal"),
        "ETDRK4": sol.ETDRK4(),
        "ETDRK4, diagonal": sol.ETDRK4("diagonal"),
        "StrangSplitting": sol.StrangSplitting(),
        "BackwardEuler": sol.BackwardEuler(),
        "CrankNicolson": sol.CrankNicolson(),
        "RODAS3": sol.RODAS3(),
        "RODAS4": sol.RODAS4(),
        "Diffrax(Bosh3)": bridge(diffrax.Bosh3()),
        "Diffrax(Kvaerno3)": bridge(diffrax.Kvaerno3()),
    }
    found = [Study("ODE", k, s.order, steps[int(s.order)], ode(s)) for k, s in squid.items()]

    milstein: Any = sol.Milstein
    free: Any = functools.partial(milstein, "ito", True)
    # Itô and Stratonovich; strong noise for the paths. For the mean, weak noise in the sense of
    # Itô, as else the error of the sample would show; in the sense of Stratonovich stronger noise,
    # as else that of the drift would, which is of a higher order.
    space = diffrax.SpaceTimeLevyArea
    for panel, ito, stratonovich in (
        ("SDE, strong", Growth(2000, 0.3, 0.8), Growth(2000, 0.3, 0.8, True)),
        ("SDE, weak", Growth(20_000, 1.5, 0.2), Growth(20_000, 1.0, 0.6, True)),
    ):
        strong = panel == "SDE, strong"
        rows: list[Any] = [
            ("EulerMaruyama", 0.5 if strong else 1, lambda p: sol.EulerMaruyama(p), ito),
            ("Milstein", 1, lambda p: milstein(brownian=p), ito),
            ("Milstein, derivative-free", 1, lambda p: free(brownian=p), ito),
            (
                "Milstein, Stratonovich",
                1,
                lambda p: milstein("stratonovich", brownian=p),
                stratonovich,
            ),
            ("StochasticHeun", 1, lambda p: sol.StochasticHeun(p), stratonovich),
        ]
        if strong:
            additive = Additive(1000)
            rows += [
                (
                    "EulerMaruyama, additive noise",
                    1,
                    lambda p: sol.EulerMaruyama(p),
                    additive,
                    space,
                ),
                (
                    "Diffrax(ShARK), additive noise",
                    1.5,
                    lambda p: bridge(diffrax.ShARK(), p),
                    additive,
                    space,
                ),
            ]
        for name, order, make, *where in rows:
            # At larger steps the error of ShARK falls faster than it does in the end.
            dt = 2.0**-6 if order == 1.5 else 2.0**-3
            found.append(Study(panel, name, order, dt, sde(panel, make, *where)))

    orders = {
        "L1": (2 - _ALPHA, sol.L1(_ALPHA)),
        "FastL1": (2 - _ALPHA, sol.FastL1(_ALPHA)),
        "GrunwaldLetnikov": (1, sol.GrunwaldLetnikov(_ALPHA)),
        "AdamsBashforthMoulton": (1 + _ALPHA, sol.AdamsBashforthMoulton(_ALPHA)),
    }
    found += [Study("FDE", k, order, 0.05, fde(s)) for k, (order, s) in orders.items()]

    off = 5 / 52 / 0.1  # no multiple of such a step is the delay
    found += [
        Study("DDE", "DelayRK4", 4, 0.1, dde(sol.DelayRK4(1.0))),
        Study(
            "DDE",
            "DelayRK4, off the grid, breaks named",
            4,
            0.1,
            dde(sol.DelayRK4(1.0, breaks=[1.0, 2.0, 3.0, 4.0]), off),
        ),
    ]
    return found


# --- measuring ----------------------------------------------------------------------------------


def measure(study: Study) -> dict[str, Any]:
    """Steps, errors and slope in double precision, and the errors in single."""
    dts = [study.dt / 2**k for k in range(study.halvings + 1)]
    began = time.perf_counter()
    errors = {}
    # Noise is another one in single precision, so that there the two cannot be compared.
    for bits in (64,) if study.panel.startswith("SDE") else (64, 32):
        jax.config.update("jax_enable_x64", bits == 64)
        errors[bits] = [study.error(dt) for dt in dts]
    slope = float(np.polyfit(np.log(dts), np.log(errors[64]), 1)[0])
    return {
        "panel": study.panel,
        "solver": study.name,
        "theory": study.order,
        "slope": slope,
        "dts": dts,
        "errors": errors[64],
        # The most that single precision adds, at any of the steps.
        "rounding": max(abs(a - b) for a, b in zip(*errors.values(), strict=True))
        if len(errors) == 2
        else None,
        "seconds": round(time.perf_counter() - began, 1),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown, panel by panel."""
    text = []
    for panel, what in PANELS.items():
        chosen = [r for r in rows if r["panel"] == panel]
        if not chosen:
            continue
        text += [f"**{panel}**: {what}\n"]
        text += ["| solver | theory | slope | steps | errors | rounding in single precision |"]
        text += ["|---|---|---|---|---|---|"]
        for r in chosen:
            single = "" if r["rounding"] is None else f"{r['rounding']:.0e}"
            text.append(
                f"| {r['solver']} | {r['theory']:g} | {r['slope']:.2f} "
                f"| {r['dts'][0]:.2g} to {r['dts'][-1]:.2g} "
                f"| {r['errors'][0]:.1e} to {r['errors'][-1]:.1e} | {single} |"
            )
        text.append("")
    return "\n".join(text)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Error against step, one panel for each kind of equation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import matplotlib.ticker

    mosaic: Any = [["ODE", "SDE, strong", "SDE, weak"], ["ODE", "FDE", "DDE"]]
    fig = plt.figure(figsize=(16, 7.5), layout="constrained")
    axes: dict[str, Any] = fig.subplot_mosaic(mosaic, width_ratios=[1.25, 1, 1])
    for panel, ax in axes.items():
        chosen = [r for r in rows if r["panel"] == panel]
        colors = plt.get_cmap("turbo")(np.linspace(0.05, 0.95, max(len(chosen), 1)))
        for k, (r, color) in enumerate(zip(chosen, colors[: len(chosen)], strict=True)):
            ax.loglog(
                r["dts"],
                r["errors"],
                "osv^D<>Pph*X"[k % 12] + "-",
                color=color,
                lw=1.2,
                ms=4.5,
                alpha=0.85,
                label=f"{r['solver']}: {r['slope']:.2f} ({r['theory']:g})",
            )
        ax.set_title(panel)
        ax.set_xlabel("step")
        ax.set_ylabel("error")
        ax.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        ax.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        ax.grid(alpha=0.3, which="both", lw=0.4)
        if chosen:
            ax.legend(
                fontsize=7,
                title="slope (theory)",
                title_fontsize=7,
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
            )
    fig.savefig(path, dpi=110)
    plt.close(fig)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--only", default="", help="only what matches 'PANEL: SOLVER'; the others as in FOLDER"
    )
    parser.add_argument("--out", type=Path, help="folder for convergence.png and .json")
    args = parser.parse_args()
    every = studies()
    file = args.out / "convergence.json" if args.out else None
    known = json.loads(file.read_text()) if file and file.exists() and args.only else []
    rows = {(r["panel"], r["solver"]): r for r in known}
    for study in every:
        if re.search(args.only, f"{study.panel}: {study.name}"):
            rows[study.panel, study.name] = row = measure(study)
            print(json.dumps(row), flush=True)
    rows = [rows[s.panel, s.name] for s in every if (s.panel, s.name) in rows]
    print(table(rows))
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows, indent=1))
        draw(rows, file.with_suffix(".png"))
    off = [r["solver"] for r in rows if abs(r["slope"] - r["theory"]) > SLACK]
    if off:
        sys.exit(f"further than {SLACK} from theory: {off}")


if __name__ == "__main__":
    main()
