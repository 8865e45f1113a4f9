"""A gallery of connectivities: eight patterns as matrices, and what theory says of four.

Below the matrices: the probability of a synapse over distance, beside the profile that was asked
for; the degrees of a scale-free network, beside the law of large networks; clustering and path
length of small worlds, over the probability of a shortcut; delays that grow with distance, and what
is left of them on a grid of time. Prints how long each network took to build, draws one picture.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np

from fdyn.sparse import (
    AbstractConnectivity,
    Normal,
    distance_dependent,
    fixed_in_degree,
    fixed_probability,
    gaussian,
    grid_neighbours,
    grid_positions,
    modular,
    power_law_cluster,
    scale_free,
    small_world,
)

DT = 0.5  # ms
VELOCITY = 0.3  # mm/ms


def gallery(key: jax.Array, n: int) -> dict[str, AbstractConnectivity]:
    """Small networks, one of each kind."""
    side = round(n**0.5)
    ring, sheet = np.linspace(0, 1, n, endpoint=False), grid_positions((side, side))
    inside, across, modules = np.eye(4), np.kron(np.eye(2), np.ones((2, 2))), [n // 4] * 4
    excitatory = np.where(np.arange(n) < 0.8 * n, 1.0, -2.0)[:, None]
    return {
        "fixed probability, E and I rows": fixed_probability(key, n, n, 0.05, excitatory),
        "fixed in-degree, normal weights": fixed_in_degree(key, n, n, 10, Normal(1.0, 0.5)),
        "grid, 8 neighbours, open": grid_neighbours((side, side), 1.0),
        "Gaussian on a ring": gaussian(key, ring, ring, 0.06, 0.8, 1.0, period=1.0),
        "2-D sheet, p falls with distance": distance_dependent(
            key, sheet, sheet, lambda d: 0.9 * np.exp(-d / 1.5), 1.0, cutoff=6.0
        ),
        "hierarchy of modules": modular(
            key, modules, modules, 0.01 + 0.1 * across + 0.3 * inside, 1.0, autapses=False
        ),
        "small world": small_world(key, n, 16, 0.15, 1.0),
        "scale-free with triangles": power_law_cluster(key, n, 5, 0.8, 1.0),
    }


def by_distance(key: jax.Array, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, probability found, and its standard error, of a Gaussian of width 1 on a torus."""
    length = (n / 40) ** 0.5  # 40 units in the unit of area
    x = length * np.random.default_rng(0).random((n, 2))
    conn = gaussian(key, x, x, 1.0, 0.5, lambda d: d, period=length, autapses=False)
    edges = np.linspace(0, 4, 33)
    found = np.histogram(conn.weight, edges)[0]
    pairs = n * n / length**2 * np.pi * np.diff(edges**2)
    return (edges[1:] + edges[:-1]) / 2, found / pairs, np.sqrt(found) / pairs


def small_worlds(key: jax.Array, n: int, k: int, ps: np.ndarray) -> np.ndarray:
    """Clustering and mean path length, `[2, len(ps)]`, in parts of those of the ring."""
    values = [_graph_measures(small_world(key, n, k, p, 1.0)) for p in (0.0, *ps)]
    return (np.array(values[1:]) / values[0]).T


def _graph_measures(conn: AbstractConnectivity) -> tuple[float, float]:
    a = np.asarray(conn.to_dense(), float)
    degree = a.sum(1)
    triangles = ((a @ a) * a).sum(1)
    reached, total, steps = np.eye(len(a)), 0.0, 0
    front = reached
    while front.any():
        total += steps * front.sum()
        front = ((front @ a) > 0) & (reached == 0)
        reached, front, steps = reached + front, front.astype(float), steps + 1
    # A small world may fall apart; the mean is over the pairs that have a path.
    return float(np.mean(triangles / (degree * (degree - 1)))), total / (reached.sum() - len(a))


def delays(key: jax.Array, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, delay, and delay on the grid of time, of a ring of 3 mm."""
    x = np.linspace(0, 3.0, n, endpoint=False)

    def delay(d):
        return d / VELOCITY + 0.5

    conn = distance_dependent(
        key, x, x, lambda d: np.full(d.shape, 0.05), lambda d: d, period=3.0, delay=delay
    )
    rounded = conn.round_delays(DT)
    return np.asarray(conn.weight), np.asarray(conn.delay), np.asarray(rounded.delay)


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="smaller networks")
    args = parser.parse_args(argv)
    key = jax.random.key(args.seed)
    n, worlds = (2000, 200) if args.quick else (20_000, 500)

    shown = gallery(key, 196)
    start = time.perf_counter()
    distance = by_distance(key, n)
    print(f"Gaussian, {n} units: {time.perf_counter() - start:.2f} s")
    start = time.perf_counter()
    network = scale_free(key, n, 4, 1.0)
    degree = np.diff(network.indptr)
    print(f"scale-free, {n} units, {network.n_synapses} synapses, compiled and built: "
          f"{time.perf_counter() - start:.2f} s")  # fmt: skip
    ps = np.logspace(-3, 0, 10)
    worlds = small_worlds(key, worlds, 10, ps)
    draw(shown, distance, degree, (ps, worlds), delays(key, 200), args.out)
    return {"distance": distance, "degree": degree, "worlds": worlds}


def draw(shown, distance, degree, worlds, delays, out: Path) -> None:
    import matplotlib.pyplot as plt

    from fdyn import plot

    fig, axes = plt.subplots(3, 4, figsize=(15, 11), layout="constrained")
    for ax, (name, conn) in zip(axes.flat, shown.items(), strict=False):
        plot.connectivity(conn, ax=ax, colorbar=name.startswith("fixed"))
        ax.set_title(f"{name}\n{conn.n_synapses} synapses", fontsize="medium")

    ax, (d, p, error) = axes[2, 0], distance
    ax.errorbar(d, p, 2 * error, fmt=".", color="C0", label="found")
    ax.plot(d, 0.5 * np.exp(-(d**2) / 2), color="black", label="$0.5\\,e^{-d^2/2\\sigma^2}$")
    ax.set(xlabel="distance ($\\sigma$)", ylabel="probability of a synapse", yscale="log")
    ax.set_title("Gaussian on a torus", fontsize="medium")
    ax.legend()

    ax, k = axes[2, 1], np.arange(4, degree.max() + 1)
    found = 1 - np.cumsum(np.bincount(degree))[3:-1] / degree.size
    ax.loglog(k, found, ".", color="C0", label="found")
    ax.loglog(k, 20 / (k * (k + 1.0)), color="black", label="$m(m+1)/k(k+1)$")
    ax.set(xlabel="degree $k$", ylabel="units of at least that degree", ylim=(0.5 / degree.size, 2))
    ax.set_title("Scale-free, m = 4", fontsize="medium")
    ax.legend()

    ax, (ps, (clustering, path)) = axes[2, 2], worlds
    fine = np.logspace(-3, 0, 100)
    ax.semilogx(fine, (1 - fine) ** 3, color="black", label="$(1-p)^3$")
    ax.semilogx(ps, clustering, "o", color="C0", label="clustering, of the ring's")
    ax.semilogx(ps, path, "s--", color="C1", label="path length, of the ring's")
    ax.set(xlabel="probability of a shortcut $p$", ylim=(-0.05, 1.5))
    ax.set_title("Small world, k = 10", fontsize="medium")
    ax.legend(loc="upper right")

    ax, (d, exact, rounded) = axes[2, 3], delays
    ax.plot(d, rounded, ".", color="C1", markersize=4, label=f"round_delays({DT:g})")
    ax.plot(d, exact, ".", color="C0", markersize=2, label=f"0.5 ms + d / ({VELOCITY:g} mm/ms)")
    ax.set(xlabel="distance (mm)", ylabel="delay (ms)", ylim=(0, 7.5))
    ax.set_title("Delays of a ring", fontsize="medium")
    ax.legend()

    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "builders.png", dpi=110)
    plt.close(fig)
    print(f"picture: {out / 'builders.png'}")


if __name__ == "__main__":
    main()
