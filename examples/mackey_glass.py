"""The Mackey-Glass equation: one delay leads from rest through oscillations to chaos.

Blood cells die at a constant rate and are made at one that depends on their number a delay ago. The
picture shows solutions for four delays, the attractor of the last of them, and the maxima of the
oscillation over the delay, which start where the characteristic roots say that rest becomes
unstable.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fdyn import AbstractComponent, State, param
from fdyn.analyze import hopf_delay
from fdyn.solvers import solve_dde

DELAYS = (4.0, 7.0, 14.0, 17.0)


def rate(x, past):
    return 0.2 * past / (1 + past**10) - 0.1 * x


def mackey_glass(t, x, tau, hist):
    return rate(x, hist(tau))


class MackeyGlass(AbstractComponent):
    """The same equation as a component, for the analysis."""

    tau: jax.Array = param(17.0, unit="ms", doc="delay")

    def init(self, *, key, dt):
        """Near rest, which is x = 1."""
        return State({"x": jnp.full(1, 1.1)}, {})

    def flow(self, t, y, args):
        """Cells made and cells lost."""
        return {"x": rate(y["x"], args.hist(self.tau, "x"))}

    def jump(self, t, y, args, *, dt, key):
        """Nothing happens at an instant."""
        return y, args.mem, {}


def orbit(tau: float, t: np.ndarray) -> np.ndarray:
    return np.asarray(solve_dde(mackey_glass, 1.2, t, tau, delays=tau, rtol=1e-6, atol=1e-8).ys)


def maxima(x: np.ndarray) -> np.ndarray:
    return x[1:-1][(x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:])]


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a short run and few delays")
    args = parser.parse_args(argv)

    import matplotlib.pyplot as plt

    t = np.linspace(0.0, 300.0 if args.quick else 1000.0, 3001 if args.quick else 10001)
    step = t[1]
    hopf = hopf_delay(MackeyGlass(), (4.0, 6.0), where=lambda m: m.tau, points=3)

    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8))
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.14, wspace=0.22)
    for tau, color in zip(DELAYS, plt.cm.viridis(np.linspace(0, 0.9, len(DELAYS))), strict=True):
        x = orbit(tau, t)
        shown = t <= 300
        axes[0].plot(t[shown], x[shown], color=color, lw=1, label=f"{tau:g}")
    # Room for the legend below all curves.
    axes[0].set(xlabel="time", ylabel="x", title="Solutions", ylim=(0.2, None))
    axes[0].legend(title="delay", ncols=4, fontsize=8, title_fontsize=8, loc="lower center")

    past, late = round(DELAYS[-1] / step), t.size // 2
    axes[1].plot(x[-late:], x[-late - past : -past], color=color, lw=0.6)
    axes[1].set(xlabel="x(t)", ylabel=f"x(t - {DELAYS[-1]:g})", title=f"Delay {DELAYS[-1]:g}")

    for tau in np.linspace(4.0, 18.0, 5 if args.quick else 113):
        top = maxima(orbit(tau, t)[-late:])
        axes[2].plot(np.full(top.size, tau), top, ".", color="0.2", ms=2)
    axes[2].axvline(hopf.parameter, color="tab:red", lw=1, label=f"Hopf, {hopf.parameter:.3f}")
    axes[2].set(xlabel="delay", ylabel="maxima of x", title="Maxima")
    axes[2].legend(fontsize=8, loc="upper left")

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "mackey_glass.png"
    figure.savefig(path, dpi=120)
    print(f"Hopf delay {hopf.parameter:.4f}, angular frequency {hopf.omega:.4f}: {path}")
    return {"hopf": hopf.parameter}


if __name__ == "__main__":
    main()
