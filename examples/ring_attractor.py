"""A ring attractor: a bump of activity that remembers a direction and follows a moving one.

The continuous attractor network of Wu, Hamaguchi & Amari 2008, Neural Comput. 20:994, and Fung,
Wong & Wu 2010, Neural Comput. 22:752: neurons for all directions, excitation between near ones, and
inhibition that divides. Shows a model of one's own: a rate population of thirty lines. Prints how
far the bump lags behind a stimulus, beside the theory; writes memory, tracking and lags.
"""

import argparse
from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from _measures import save
from jax import Array

from fdyn import Args, Network, Projection, Recording, State, param, simulate
from fdyn.components import AbstractNeuron, Activity, Affine, as_affine
from fdyn.solvers import RK4
from fdyn.sparse import Dense

N, TAU, WIDTH, J0, DT = 256, 10.0, 0.5, 1.0, 0.5  # -, ms, rad, -, ms
X = 2 * np.pi * np.arange(N) / N - np.pi
DX = 2 * np.pi / N
K_MOST = J0**2 / (8 * np.sqrt(2 * np.pi) * WIDTH)  # of inhibition that lets a bump live
K = 0.5 * K_MOST
# The height of the bump without input, and the strength of the stimulus.
HEIGHT = (1 + np.sqrt(1 - K / K_MOST)) * J0 / (4 * WIDTH * K * np.sqrt(np.pi))
ALPHA = 0.1 * HEIGHT


class DivisiveInhibition(AbstractNeuron):
    r"""Rate neurons whose inhibition divides the squared input of each by that of all.

    $$\tau \dot u_i = -u_i + I_i,\qquad r_i = \frac{u_i^2}{1 + k \sum_j u_j^2 \Delta x}$$
    """

    units: ClassVar[dict[str, str]] = {"u": "1", "rate": "1"}

    size: int = eqx.field(static=True)
    tau: Array = param(unit="ms", doc="time constant", bound="positive")
    k: Array = param(unit="1", doc="strength of inhibition", bound="non-negative")
    dx: Array = param(unit="rad", doc="distance of neighbours", bound="positive")

    def init(self, *, key: Array, dt: float) -> State:
        """Silent."""
        del key, dt
        return State({"u": jnp.zeros(self.size)}, {})

    def potential(self, y: dict) -> Array:
        """The summed input."""
        return y["u"]

    def activity(self, y: dict) -> Array:
        """The rate, which is what other neurons see."""
        square = y["u"] ** 2
        return square / (1 + self.k * self.dx * jnp.sum(square))

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The way to the input."""
        del t, y
        return {"u": (Affine(-1.0, 0.0) + as_affine(args.u)) / self.tau}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """No spikes; the rate as output."""
        del t, dt, key
        return y, args.mem, {"rate": self.activity(y)}


def distance(x: np.ndarray) -> np.ndarray:
    """Along the ring, the shorter way, with sign."""
    return (np.asarray(x) + np.pi) % (2 * np.pi) - np.pi


def network() -> Network:
    """The ring; what connects two neurons depends on their distance alone."""
    d = distance(X[:, None] - X[None])
    w = J0 / (np.sqrt(2 * np.pi) * WIDTH) * np.exp(-(d**2) / (2 * WIDTH**2)) * DX
    ring = DivisiveInhibition(N, tau=TAU, k=K, dx=DX)
    return Network({"ring": ring}, {"recurrent": Projection("ring", "ring", Dense(w), Activity())})


def stimulus(position: np.ndarray, strength: np.ndarray | float) -> np.ndarray:
    """A bump of input at a position of every step, `[steps, N]`."""
    bump = np.exp(-(distance(X - np.asarray(position)[:, None]) ** 2) / (4 * WIDTH**2))
    return np.broadcast_to(strength, len(bump))[:, None] * bump


def run(net: Network, position: np.ndarray, strength: np.ndarray | float) -> Recording:
    """Simulate one step for each position; several runs of a length compile once."""
    inputs = {"ring": stimulus(position, strength)}
    duration = len(position) * DT
    return simulate(
        net, duration, dt=DT, inputs=inputs, solver=RK4(), record="ring.u", progress=False
    )


def centre(u: np.ndarray) -> np.ndarray:
    """Where the bump is, rad: the mean direction."""
    return np.angle(u @ np.exp(1j * X))


def theory(speed: float) -> tuple[float, float]:
    r"""The lag (rad) and the height of a bump that follows a stimulus at `speed` (rad/ms).

    Projected on the height and the position of a bump of unchanged shape, the equations are

    $$v \tau = \frac{\alpha}{u_0}\,s\,e^{-s^2/8a^2},\qquad u_0 = \frac{J_0 u_0^2}{\sqrt 2\,
      (1 + \sqrt{2\pi}\,a k u_0^2)} + \alpha\,e^{-s^2/8a^2}$$

    The lag is not a number for speeds at which no lag would do (Fung et al. 2010, section 4).
    """
    lags = np.linspace(0, 2 * WIDTH, 4001)
    pull = ALPHA * np.exp(-(lags**2) / (8 * WIDTH**2))
    height = np.full(lags.size, HEIGHT)
    for _ in range(200):
        square = height**2
        recurrent = J0 * square / np.sqrt(2) / (1 + np.sqrt(2 * np.pi) * WIDTH * K * square)
        height = recurrent + pull
    reached = pull * lags / height / TAU
    if speed > reached.max():
        return float("nan"), float("nan")
    at = int(np.searchsorted(reached[: reached.argmax() + 1], speed))
    return float(lags[at]), float(height[at])


def fastest() -> float:
    """The highest speed (rad/ms) that the theory lets the bump follow."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.isfinite(theory(middle)[0]) else (low, middle)
    return low


def follow(net: Network, speed: float, duration: float) -> tuple[np.ndarray, np.ndarray]:
    """The way of a stimulus that stands for 300 ms and then moves, and that of the bump."""
    t = DT * np.arange(round(duration / DT))
    way = speed * np.maximum(t - 300.0, 0.0)
    u = np.asarray(run(net, way, ALPHA)["ring.u"])
    # The bump is recorded at the ends of the steps.
    return way + speed * DT * (t >= 300.0 - DT), np.unwrap(centre(u))


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="fewer speeds")
    args = parser.parse_args(argv)
    net = network()
    top = fastest()
    parts = (0.3, 0.9, 1.2) if args.quick else (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.85, 0.92, 1.2)
    print(f"the theory lets the bump follow up to {1000 * top:.2f} rad/s")
    found: dict[str, list[float]] = {"speed": [], "lag": [], "theory": []}
    ways = {}
    for part in parts:
        speed = part * top
        way, bump = follow(net, speed, 2000.0)
        ways[part] = way, bump
        lag = float((way - bump)[-200:].mean())
        # A bump that is left behind falls back further and further.
        kept = abs((way - bump)[-1] - (way - bump)[-400]) < 0.05
        found["speed"].append(1000 * speed)
        found["lag"].append(lag if kept else float("nan"))
        found["theory"].append(theory(speed)[0])
        said = f"{found['lag'][-1]:.3f} rad" if kept else "lost"
        print(f"{1000 * speed:5.2f} rad/s: lag {said}, theory {found['theory'][-1]:.3f} rad")

    steps = round(1000.0 / DT)
    strength = np.where(np.arange(steps) < 200.0 / DT, ALPHA, 0.0)
    memory = np.asarray(run(net, np.full(steps, 1.0), strength)["ring.u"])
    found["height"] = [float(memory[-1].max()), HEIGHT]
    found["place"] = [float(centre(memory)[-1]), 1.0]
    print(f"height of the remembered bump: {found['height'][0]:.4f}, closed form {HEIGHT:.4f}")
    draw(memory, ways, found, args.out)
    return found


def draw(memory: np.ndarray, ways: dict, found: dict, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    picture = axes[0].imshow(
        memory.T,
        aspect="auto",
        origin="lower",
        extent=(0, len(memory) * DT, -np.pi, np.pi),
        cmap="magma",
    )
    axes[0].axvline(200, color="white", ls=":")
    axes[0].set(xlabel="time (ms)", ylabel="direction (rad)")
    axes[0].set_title("memory: the stimulus ends at 200 ms")
    fig.colorbar(picture, ax=axes[0], label="u")
    for part, colour in ((0.3, "tab:blue"), (1.2, "tab:red")):
        way, bump = ways[part]
        t = DT * np.arange(1, way.size + 1)
        axes[1].plot(t, way, ":", color=colour, label=f"stimulus, {part} of the highest speed")
        axes[1].plot(t, bump, color=colour, label="bump")
    axes[1].set(xlabel="time (ms)", ylabel="way (rad)", title="tracking")
    axes[1].legend(frameon=False, fontsize=8)
    speeds = np.linspace(0, fastest() * 0.9999, 100)
    axes[2].plot(1000 * speeds, [theory(v)[0] for v in speeds], color="0.5", label="theory")
    axes[2].plot(found["speed"], found["lag"], "ko", label="simulated")
    axes[2].axvline(1000 * fastest(), color="0.7", ls="--")
    axes[2].set(xlabel="speed of the stimulus (rad/s)", ylabel="lag of the bump (rad)")
    axes[2].legend(frameon=False)
    save(fig, out, "ring_attractor.png")


if __name__ == "__main__":
    main()
