"""Brunel's sparse network of excitatory and inhibitory neurons in four regimes of activity.

Brunel 2000, J. Comput. Neurosci. 8:183, model A: 12,500 neurons with 1,250 synapses each, whose
spikes make the potential jump after 1.5 ms, and a Poisson drive. Prints rate, irregularity and
synchrony of each regime beside the rate of the asynchronous state by mean-field theory; writes a
raster and the population rate of each.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from _measures import fano_factor, irregularity, population_counts, save, strongest_frequency

from fdyn import Network, Projection, Recording, Spikes, replace, simulate
from fdyn.components import LIF, Delta, PoissonInput
from fdyn.sparse import OneToOne, fixed_in_degree

TAU, THETA, RESET, T_REF = 20.0, 20.0, 10.0, 2.0  # ms, mV, mV, ms
J, DELAY, DT = 0.1, 1.5, 0.1  # mV, ms, ms
N_E, N_I, C_E, C_I = 10_000, 2_500, 1_000, 250
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)
# The panels of figure 8: strength of inhibition, and drive in units of what reaches threshold.
REGIMES = {
    "SR": (3.0, 2.0, "synchronous regular"),
    "AI": (5.0, 2.0, "asynchronous irregular"),
    "SI slow": (4.5, 0.9, "synchronous irregular, slow"),
    "AI, g = 8": (8.0, 3.0, "irregular, fast oscillation"),
}


def network(key: jax.Array, g: float, ratio: float, fraction: float = 1.0) -> Network:
    """The network with inhibition `g` and drive `ratio`.

    With a `fraction` of the neurons the synapses onto each are as many as before, as far as there
    are neurons: fewer of them share less, which leaves the regimes as they are.
    """
    sizes = {"E": round(N_E * fraction), "I": round(N_I * fraction)}
    degree = {"E": C_E, "I": C_I}
    keys = dict(zip(("E", "I", "EE", "EI", "IE", "II"), jax.random.split(key, 6), strict=True))
    nodes, projections = {}, {}
    for name, size in sizes.items():
        start = jax.random.uniform(keys[name], (size,), maxval=THETA)
        nodes[name] = LIF(
            size, tau=TAU, v_rest=0.0, v_th=THETA, v_reset=RESET, t_ref=T_REF, v_init=start
        )
        nodes[f"drive_{name}"] = PoissonInput(size, rate=1.0)
        # A Delta synapse acts before the threshold if it has a delay, as in Brunel's network.
        projections[f"{name}_drive"] = Projection(
            f"drive_{name}", name, OneToOne(J, n=size), Delta(), delay=DT
        )
    for pre in sizes:
        for post in sizes:
            connect = fixed_in_degree(
                keys[pre + post], sizes[pre], sizes[post], degree[pre], J, multapses=True
            )
            projections[pre + post] = Projection(pre, post, connect, Delta(), delay=DELAY)
    return set_regime(Network(nodes, projections), g, ratio)


def set_regime(net: Network, g: float, ratio: float) -> Network:
    """The same network with another inhibition and drive, for which nothing compiles anew."""
    rate = 1000 * ratio * THETA / (J * TAU)  # Hz: C_E trains of nu_ext
    for name in ("E", "I"):
        net = replace(net, lambda n, name=name: n.projections[f"I{name}"].connect.weight, -g * J)
        net = replace(net, lambda n, name=name: n.nodes[f"drive_{name}"].rate, rate)
    return net


def run(net: Network, duration: float, key: jax.Array, progress: bool | None = None) -> Recording:
    """Simulate and keep all spikes."""
    return simulate(
        net,
        duration,
        dt=DT,
        key=key,
        record=[Spikes("E.spike"), Spikes("I.spike")],
        progress=progress,
    )


def measure(rec: Recording, n: int, start: float, stop: float) -> dict[str, float]:
    """Rate (Hz), coefficient of variation, Fano factor in 1 ms and strongest frequency (Hz)."""
    parts = [rec.spikes(f"{name}.spike") for name in ("E", "I")]
    late = [p.times > start for p in parts]
    times = np.concatenate([p.times[x] for p, x in zip(parts, late, strict=True)])
    # The inhibitory neurons are numbered after all excitatory ones.
    index = np.concatenate([parts[0].index[late[0]], parts[1].index[late[1]] + n])
    counts = population_counts(times, start, stop)
    return {
        "rate": times.size / n / (stop - start) * 1000,
        "cv": irregularity(times, index),
        "fano": fano_factor(counts),
        "frequency": strongest_frequency(counts),
    }


def firing_rate(mu: float, sigma: float) -> float:
    r"""The rate (Hz) of one neuron under white noise, Brunel's eq. 21.

    $$1/\nu = t_\mathrm{ref} + \tau \int_0^\infty
      e^{-u^2} \big(e^{2 y_\theta u} - e^{2 y_r u}\big)\,du / u$$

    is the form of Brunel & Hakim 1999, Neural Comput. 11:1621, eq. 3.23, $y$ the distances of
    threshold and reset from the mean, over `sigma`; its integrand has no large cancelling parts.
    """
    y_th, y_r = (THETA - mu) / sigma, (RESET - mu) / sigma
    top = max(y_th, 0.0) + 7.0
    u, w = (NODES + 1) * top / 2, WEIGHTS * top / 2
    with np.errstate(over="ignore"):
        integral = np.sum(w * (np.exp(2 * y_th * u - u**2) - np.exp(2 * y_r * u - u**2)) / u)
    return 1000 / (T_REF + TAU * integral)


def mean_field(g: float, ratio: float) -> list[float]:
    """All rates (Hz) at which the network, were it asynchronous, would keep itself."""
    external = ratio * THETA / (J * C_E * TAU)  # per ms and synapse
    gamma = C_I / C_E

    def surplus(hertz: float) -> float:
        nu = hertz / 1000
        mu = C_E * J * TAU * (external + nu * (1 - g * gamma))
        sigma = J * np.sqrt(C_E * TAU * (external + nu * (1 + g**2 * gamma)))
        return firing_rate(mu, sigma) - hertz

    grid = np.geomspace(1e-3, 499.0, 600)
    sign = np.sign([surplus(x) for x in grid])
    roots = []
    for k in np.flatnonzero(sign[1:] != sign[:-1]):
        low, high = grid[k], grid[k + 1]
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if np.sign(surplus(middle)) == sign[k] else (low, middle)
        roots.append(float(middle))
    return roots


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=1300.0, help="ms, the first 300 left out")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the neurons")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a small network, a short run")
    args = parser.parse_args(argv)
    if args.quick:
        args.fraction, args.duration = min(args.fraction, 0.2), min(args.duration, 250.0)
    settle = min(300.0, args.duration / 2)

    graph, drive = jax.random.split(jax.random.key(args.seed))
    net = network(graph, 5.0, 2.0, args.fraction)
    n = net.nodes["E"].size + net.nodes["I"].size
    recs, results = {}, {}
    print(f"{n:,} neurons{'':<14} rate  mean field    CV   Fano  peak   run")
    for name, (g, ratio, _) in REGIMES.items():
        start = time.perf_counter()
        rec = run(set_regime(net, g, ratio), args.duration, drive)
        seconds = time.perf_counter() - start
        recs[name], r = rec, measure(rec, n, settle, args.duration)
        results[name] = r
        theory = ", ".join(f"{x:.1f}" for x in mean_field(g, ratio))
        print(
            f"{name:<10} g={g} ext={ratio}: {r['rate']:6.1f} Hz  {theory:>8} Hz  {r['cv']:.2f} "
            f"{r['fano']:6.0f} {r['frequency']:4.0f} Hz  {seconds:.1f} s"
        )
    draw(recs, results, n, args.duration, args.out)
    return results


def draw(recs: dict, results: dict, n: int, duration: float, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        2, 4, figsize=(13, 5), sharex="col", height_ratios=[2, 1], layout="constrained"
    )
    for column, (name, rec) in enumerate(recs.items()):
        g, ratio, what = REGIMES[name]
        width = 300.0 if name == "SI slow" else 100.0
        begin = max(duration - width, 0.0)
        spikes = rec.spikes("E.spike")
        shown = (spikes.times > begin) & (spikes.index < 60)
        top, bottom = axes[:, column]
        top.plot(spikes.times[shown], spikes.index[shown], "|", color="tab:blue", ms=4)
        top.set_title(f"{what}\ng = {g:g}, drive = {ratio:g}: {results[name]['rate']:.1f} Hz")
        times = np.concatenate([rec.spikes(f"{x}.spike").times for x in ("E", "I")])
        counts = population_counts(times, begin, duration, 0.5)
        edges = begin + 0.5 * np.arange(counts.size + 1)
        bottom.stairs(counts / n / 0.5e-3, edges, color="black", lw=0.8)
        bottom.set(xlabel="time (ms)", xlim=(begin, duration), ylim=(0, None))
    axes[0, 0].set_ylabel("excitatory neuron")
    axes[1, 0].set_ylabel("population rate (Hz)")
    save(fig, out, "brunel.png")


if __name__ == "__main__":
    main()
