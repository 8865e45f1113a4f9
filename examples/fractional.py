"""Neurons of fractional order: memory in the membrane.

Where the derivative of the voltage is of an order alpha below 1, a neuron remembers its whole past.
The leaky integrate-and-fire neuron then adapts (its first spike is late, and its intervals shorten)
although it has no variable for that; the model of Izhikevich fires less; and the Hindmarsh-Rose
model bursts in another rhythm. All run with `FastL1`, whose memory does not grow; one run is
checked against the full memory of `L1`. Prints the numbers, draws one picture.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from fdyn import AbstractComponent, Args, State, param, simulate
from fdyn.components import LIF
from fdyn.solvers import L1, FastL1, solve_fde

ORDERS_LIF = np.array([1.0, 0.8, 0.5, 0.2])
ORDERS_IZHIKEVICH = np.array([1.0, 0.9, 0.8])
ORDERS_HINDMARSH_ROSE = np.array([1.0, 0.95, 0.8])


class Izhikevich(AbstractComponent):
    """The model of Izhikevich 2003 (regular spiking), both variables of the same order."""

    a: Array = param(0.02, unit="1/ms", doc="rate of the recovery")
    b: Array = param(0.2, unit="1/ms", doc="what the recovery follows")
    c: Array = param(-65.0, unit="mV", doc="reset potential")
    d: Array = param(8.0, unit="mV/ms", doc="step of the recovery at a spike")
    n: int = 1

    def init(self, *, key: Array, dt: float) -> State:
        """At rest."""
        v = jnp.full(self.n, -70.0)
        return State({"v": v, "u": self.b * v}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The quadratic membrane and its recovery."""
        v, u = y["v"], y["u"]
        return {
            "v": 0.04 * v**2 + 5 * v + 140 - u + args.u,
            "u": self.a * (self.b * v - u),
        }

    def jump(self, t: Array, y: dict, args: Args, *, dt: Array, key: Array) -> tuple:
        """The spike is cut at 30 mV."""
        s = y["v"] >= 30
        v, u = jnp.where(s, self.c, y["v"]), jnp.where(s, y["u"] + self.d, y["u"])
        return {"v": v, "u": u}, args.mem, {"spike": s.astype(v.dtype)}


def hindmarsh_rose(t: Array, y: dict, current: float) -> dict:
    """The bursting model of Hindmarsh & Rose 1984, in its own units."""
    x, recovery, slow = y["x"], y["y"], y["z"]
    return {
        "x": recovery - x**3 + 3 * x**2 - slow + current,
        "y": 1 - 5 * x**2 - recovery,
        "z": 0.006 * (4 * (x + 1.6) - slow),
    }


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="short runs")
    args = parser.parse_args(argv)
    with jax.enable_x64(True):
        return run(args.quick, args.out)


def run(quick: bool, out: Path) -> dict:
    duration = 200.0 if quick else 1000.0
    # One population, each neuron of its own order; the current brings each to its threshold. The
    # refractory period holds the reset, which the memory of the path would else undo.
    current = np.array([40.0, 40.0, 60.0, 160.0])
    lif = LIF(4, tau=20.0, v_rest=-70.0, v_reset=-70.0, t_ref=8.0, r=current)
    keep = FastL1(ORDERS_LIF, implicit=False)
    record = ["v", "spike"]
    fast = simulate(lif, duration, dt=0.1, inputs=1.0, solver=keep, record=record)
    full = L1(ORDERS_LIF, implicit=False)
    reference = simulate(lif, 200.0, dt=0.1, inputs=1.0, solver=full, record="v")
    rows = slice(0, len(reference["v"]))
    error = float(np.abs(np.asarray(fast["v"])[rows] - np.asarray(reference["v"])).max())
    print(f"fast and full memory: at most {error:.1e} mV apart over 200 ms")
    times, units = fast.spikes("spike")
    between = [np.diff(times[units == k]) for k in range(4)]
    for alpha, gaps in zip(ORDERS_LIF, between, strict=True):
        if len(gaps) > 1:
            print(f"LIF, order {alpha}: intervals {gaps[0]:.1f} ... {gaps[-1]:.1f} ms")

    cell = Izhikevich(n=len(ORDERS_IZHIKEVICH))
    method = FastL1(ORDERS_IZHIKEVICH, implicit=False, reset="clear")
    spiking = simulate(
        cell, duration / 2, dt=0.05, inputs=10.0, solver=method, record=["v", "spike"]
    )
    count = np.asarray(spiking["spike"]).sum(0).astype(int)
    print(f"Izhikevich, orders {ORDERS_IZHIKEVICH.tolist()}: {count.tolist()} spikes")

    ts = np.arange(0.0, duration + 0.01, 0.25)
    start = {"x": jnp.full(3, -1.6), "y": jnp.full(3, -11.0), "z": jnp.full(3, 2.0)}
    method = FastL1(ORDERS_HINDMARSH_ROSE, implicit=False)
    bursts = solve_fde(hindmarsh_rose, start, ts, 3.0, method, dt=0.0125)
    draw(fast, between, spiking, bursts, out)
    return {"error": error, "between": between, "count": count}


def draw(fast, between, spiking, bursts, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(11, 8), layout="constrained")
    grid = fig.add_gridspec(4, 3, width_ratios=[1.3, 1, 1])
    for k, alpha in enumerate(ORDERS_LIF):
        ax = fig.add_subplot(grid[k, 0])
        ax.plot(fast.ts, fast["v"][:, k], lw=0.7, color=f"C{k}")
        ax.set_title(f"LIF, order {alpha:g}", loc="left", fontsize=9)
        ax.set(ylabel="v (mV)", xlabel="time (ms)" if k == 3 else "")
    ax = fig.add_subplot(grid[3, 1:])
    for k, gaps in enumerate(between):
        ax.plot(np.arange(1, len(gaps) + 1), gaps, "o-", ms=3, lw=0.8, label=f"{ORDERS_LIF[k]:g}")
    ax.set(xlabel="interval", ylabel="duration (ms)")
    ax.set_ylim(0, 1.1 * max(max(gaps, default=1.0) for gaps in between))
    ax.legend(
        title="LIF of order", fontsize=8, title_fontsize=8, ncols=4, frameon=False, loc="lower left"
    )
    for k, alpha in enumerate(ORDERS_IZHIKEVICH):
        ax = fig.add_subplot(grid[k, 1])
        ax.plot(spiking.ts, spiking["v"][:, k], lw=0.7, color=f"C{k}")
        ax.set_title(f"Izhikevich, order {alpha:g}", loc="left", fontsize=9)
        ax.set(ylabel="v (mV)", xlabel="time (ms)" if k == 2 else "")
    for k, alpha in enumerate(ORDERS_HINDMARSH_ROSE):
        ax = fig.add_subplot(grid[k, 2])
        ax.plot(bursts.ts, bursts.ys["x"][:, k], lw=0.7, color=f"C{k}")
        ax.set_title(f"Hindmarsh-Rose, order {alpha:g}", loc="left", fontsize=9)
        ax.set(ylabel="x", xlabel="time" if k == 2 else "")
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "fractional.png", dpi=130)
    plt.close(fig)
    print(f"picture: {out / 'fractional.png'}")


if __name__ == "__main__":
    main()
