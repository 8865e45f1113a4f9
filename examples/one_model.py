"""One model object, three uses: simulated in two ways, fitted by gradient, analysed.

The Morris-Lecar neuron (Rinzel & Ermentrout 1998, class 2) is defined once. The same object runs on
a time grid and with adaptive steps; two of its conductances are recovered from a noisy voltage
trace by backpropagation through the time grid; and its equilibria are followed over the current,
with the Hopf points between which it fires. Prints the numbers, draws one picture.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
import optax

from fdyn import replace, simulate, solve
from fdyn.analyze import continue_equilibria, equilibria, field_on_grid, nullclines
from fdyn.components import MorrisLecar
from fdyn.fit import fit, mean_squared_error
from fdyn.solvers import RK4

CURRENT = 100.0  # uA/cm^2, between the two Hopf points: it fires
STEP = 80.0  # uA/cm^2, below the first: a damped response, which a fit can follow
NOISE = 1.0  # mV
DT = 0.5  # ms, of the fit


def two_runs(model: MorrisLecar, duration: float) -> tuple:
    """The same object on a time grid and with adaptive steps."""
    grid = simulate(model, duration, dt=0.05, inputs=CURRENT, solver=RK4(), record=["v", "w"])
    free = solve(model, duration, inputs=CURRENT, ts=grid.ts, rtol=1e-9, atol=1e-9)
    return grid, free


def response(model: MorrisLecar) -> jax.Array:
    """The voltage after a step of current, in a form that can be differentiated."""
    return simulate(model, 200.0, dt=DT, inputs=STEP, solver=RK4(), record="v", progress=False)["v"]


def conductances(model: MorrisLecar) -> list[jax.Array]:
    """What is fitted."""
    return [model.g_ca, model.g_k]


def loss(model: MorrisLecar, data: jax.Array, key: jax.Array) -> jax.Array:
    """The distance of the response from the data."""
    del key
    return mean_squared_error(response(model), data)


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a short run and a short fit")
    args = parser.parse_args(argv)
    duration, steps = (100.0, 250) if args.quick else (500.0, 400)
    # Equilibria and adaptive steps are worth double precision.
    with jax.enable_x64(True):
        return run(MorrisLecar(1), duration, steps, jax.random.key(args.seed), args.out)


def run(model: MorrisLecar, duration: float, steps: int, key: jax.Array, out: Path) -> dict:
    grid, free = two_runs(model, duration)
    difference = float(np.abs(np.asarray(grid["v"]) - np.asarray(free["v"])).max())
    print(f"simulate and solve: at most {difference:.2g} mV apart over {duration:g} ms")

    clean = response(model)
    data = clean + NOISE * jax.random.normal(key, clean.shape, clean.dtype)
    start = replace(model, conductances, [3.5, 10.0])
    fitted = fit(loss, start, data, optimiser=optax.adam(0.05), steps=steps, where=conductances)
    found = [float(g) for g in conductances(fitted.model)]
    pairs = zip(jax.tree.leaves(start), jax.tree.leaves(fitted.model), strict=True)
    same = [bool((a == b).all()) for a, b in pairs]
    true = [float(g) for g in conductances(model)]
    print(
        f"fitted with {NOISE:g} mV of noise: g_ca {found[0]:.3f} (true {true[0]:g}, start 3.5), "
        f"g_k {found[1]:.3f} (true {true[1]:g}, start 10); error left "
        f"{fitted.losses[-1] ** 0.5:.3f} mV; {sum(same)} of {len(same)} parameters untouched"
    )

    branch = continue_equilibria(model, (-60.0, 300.0))
    for point in branch.points:
        print(
            f"{point.kind} point at {point.parameter:.4f} uA/cm^2, v = {point.y['v'].item():.3f} "
            f"mV, eigenvalues +-{point.omega:.4f}i /ms"
        )
    for current in (50.0, CURRENT, 250.0):
        rest = equilibria(model, inputs=current, box={"v": (-80.0, 60.0), "w": (0.0, 1.0)})
        for v, kind, values in zip(rest.y["v"], rest.kinds, rest.eigenvalues, strict=True):
            print(
                f"at {current:g} uA/cm^2: {kind} at v = {v.item():.3f} mV, eigenvalues "
                f"{text(values)} /ms"
            )

    draw(model, grid, free, (data, start, fitted), branch, out)
    return {
        "difference": difference,
        "fitted": found,
        "untouched": sum(same),
        "true": true,
        "hopf": [point.parameter for point in branch.points if point.kind == "hopf"],
    }


def text(values: np.ndarray) -> str:
    return ", ".join(f"{x:.4f}" for x in values)


def draw(model: MorrisLecar, grid, free, fitted, branch, out: Path) -> None:
    import matplotlib.pyplot as plt

    from fdyn import plot

    fig, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    plot.traces(grid, "v", ax=axes[0, 0], label="simulate, fixed steps", linewidth=4, alpha=0.35)
    plot.traces(free, "v", ax=axes[0, 0], label="solve, adaptive steps", color="black")
    axes[0, 0].legend(loc="upper right", fontsize="small")
    axes[0, 0].set_ylim(top=60)
    axes[0, 0].set_title(f"One object, two drivers ({CURRENT:g} uA/cm²)", loc="left")

    data, start, result = fitted
    t = DT * (1 + np.arange(len(data)))
    ax = axes[0, 1]
    ax.plot(t, data, ".", color="0.7", markersize=3, label="noisy trace")
    ax.plot(t, response(start), "--", color="C1", label="before the fit")
    ax.plot(t, response(result.model), color="C0", label="fitted: g_ca, g_k")
    ax.set(xlabel="time (ms)", ylabel="v (mV)")
    ax.set_title(f"Fitted ({STEP:g} uA/cm²)", loc="left")
    ax.legend(loc="lower right")

    plot.branch(branch, "v", label="current (uA/cm²)", ax=axes[1, 0])
    axes[1, 0].set_title("Equilibria over the current", loc="left")

    box = {"v": (-75.0, 50.0), "w": (-0.05, 0.8)}
    plot.phase_plane(
        nullclines=nullclines(model, box, inputs=CURRENT),
        field=field_on_grid(model, box, inputs=CURRENT),
        equilibria=equilibria(model, inputs=CURRENT),
        trajectory=grid,
        ax=axes[1, 1],
    )
    axes[1, 1].set_title(f"Phase plane ({CURRENT:g} uA/cm²)", loc="left")
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "one_model.png", dpi=130)
    plt.close(fig)
    print(f"picture: {out / 'one_model.png'}")


if __name__ == "__main__":
    main()
