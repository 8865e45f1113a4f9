"""The nervous system of C. elegans on its connectome: chemical synapses and gap junctions.

The model of Kunert, Shlizerman & Kutz 2014, Phys. Rev. E 89:052805, with the connectome of Cook et
al. 2019, Nature 571:63: 302 neurons without spikes, whose synapses open gradually with the
presynaptic voltage (Wicks et al. 1996, J. Neurosci. 16:4017). A current into the touch receptors
of the tail, PLM, makes the motor neurons respond in few common patterns. Prints how far the rest
lies from what the equations say, and how much of the motor response two patterns explain; writes
the voltages of the motor neurons, and those patterns.
"""

import argparse
import csv
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from _measures import save
from jax import Array

from fdyn import Network, Projection, Record, Recording, simulate
from fdyn.components import COBA, Activity, Diffusive, Graded, LeakyIntegrator
from fdyn.solvers import RK4
from fdyn.sparse import CSR, from_coo

DATA = Path(__file__).parent / "data"
C, G_LEAK, E_LEAK = 1.5, 0.01, -35.0  # pF, nS, mV
E_CHEMICAL = {"excitatory": 0.0, "inhibitory": -45.0}  # mV
SLOPE = 8.0  # mV, 1/0.125
RISE, DECAY = 1e-3 / 1.5, 5e-3 / 1.5  # 1/ms
# nS. The model has 0.1 nS per contact; the connectome counts the sections of electron micrographs
# in which a synapse is seen. These keep the sums of 6,394 chemical contacts and 887 junctions of
# Varshney et al. 2011, PLoS Comput. Biol. 7:e1001066.
CONTACT, CHEMICAL, ELECTRICAL = 0.1, 6394, 887
STIMULUS = 10.0  # pA into each of the two neurons
ON, OFF, END, DT = 500.0, 2500.0, 4500.0, 0.1  # ms


def read() -> tuple[list[dict], dict[str, CSR]]:
    """The neurons, and the conductances (nS) of the synapses of each kind between them."""
    neurons = json.loads((DATA / "celegans_neurons.json").read_text())["neurons"]
    place = {neuron["name"]: i for i, neuron in enumerate(neurons)}
    with (DATA / "celegans_connectome.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["pre"] in place and r["post"] in place]
    # A junction of a neuron with itself carries no current.
    rows = [r for r in rows if r["type"] == "chemical" or r["pre"] != r["post"]]
    sections = {"chemical": 0.0, "electrical": 0.0}
    for r in rows:
        sections[r["type"]] += float(r["weight"])
    # Both directions of a junction are listed.
    unit = {
        "chemical": CONTACT * CHEMICAL / sections["chemical"],
        "electrical": CONTACT * ELECTRICAL / (sections["electrical"] / 2),
    }

    def kind(row: dict[str, str]) -> str:
        if row["type"] == "electrical":
            return "electrical"
        gaba = neurons[place[row["pre"]]]["transmitter"] == "GABA"
        return "inhibitory" if gaba else "excitatory"

    found = {}
    for name in ("excitatory", "inhibitory", "electrical"):
        own = [r for r in rows if kind(r) == name]
        found[name] = from_coo(
            np.array([place[r["pre"]] for r in own]),
            np.array([place[r["post"]] for r in own]),
            np.array([float(r["weight"]) * unit[r["type"]] for r in own]),
            (len(neurons), len(neurons)),
        )
    return neurons, found


def resting_potentials(connect: dict[str, CSR]) -> np.ndarray:
    """Where all currents cancel if every synapse is half activated, mV: a linear equation.

    These potentials are the thresholds of the synapses, so that they are also a rest.
    """
    s = RISE / (RISE + 2 * DECAY)
    dense = {k: np.asarray(c.to_dense(), float).T for k, c in connect.items()}
    total = {k: d.sum(axis=1) for k, d in dense.items()}
    open_ = {k: s * total[k] for k in E_CHEMICAL}
    a = np.diag(G_LEAK + total["electrical"] + sum(open_.values())) - dense["electrical"]
    b = G_LEAK * E_LEAK + sum(open_[k] * e for k, e in E_CHEMICAL.items())
    return np.linalg.solve(a, b)


def network(connect: dict[str, CSR], rest: np.ndarray) -> Network:
    """All neurons as one population, at rest."""
    n = rest.size
    neurons = LeakyIntegrator(n, tau=C / G_LEAK, r=1 / G_LEAK, v_rest=E_LEAK, v_init=rest)
    gate = Graded(
        alpha=RISE, beta=DECAY, v_half=rest, slope=SLOPE, s_init=RISE / (RISE + 2 * DECAY)
    )
    projections = {
        kind: Projection("worm", "worm", connect[kind], gate, COBA(e=e))
        for kind, e in E_CHEMICAL.items()
    }
    projections["electrical"] = Projection(
        "worm", "worm", connect["electrical"], Activity(), Diffusive()
    )
    return Network({"worm": neurons}, projections)


def run(net: Network, current: np.ndarray, duration: float, every: int = 20) -> Recording:
    """Simulate with a current (pA) into each neuron from `ON` to `OFF`."""
    shown = jnp.asarray(current, float)

    def stimulus(t: Array) -> Array:
        return jnp.where((t > ON - DT / 2) & (t < OFF - DT / 2), shown, 0.0)

    return simulate(
        net,
        duration,
        dt=DT,
        inputs={"worm": stimulus},
        solver=RK4(),
        record=Record("worm.v", every=every),
    )


def patterns(v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components of voltages `[time, neurons]`: shares, courses and loadings."""
    u, s, vt = np.linalg.svd(v - v[0], full_matrices=False)
    sign = np.sign(vt.sum(axis=1))
    return s**2 / np.sum(s**2), u * s * sign, vt * sign[:, None]


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stimulus", type=float, default=STIMULUS, help="pA into PLML and PLMR")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a shorter run")
    args = parser.parse_args(argv)
    duration = ON + 500.0 if args.quick else END

    neurons, connect = read()
    names = [neuron["name"] for neuron in neurons]
    rest = resting_potentials(connect)
    current = np.array([args.stimulus if name in ("PLML", "PLMR") else 0.0 for name in names])
    rec = run(network(connect, rest), current, duration)
    t, v = rec.times("worm.v"), np.asarray(rec["worm.v"], float)
    drift = float(abs(v[t < ON - 1] - rest).max())
    motor = np.array([neuron["group"] == "motor neurons" for neuron in neurons])
    share, course, loading = patterns(v[t > ON - 1][:, motor])
    print(f"{len(names)} neurons rest between {rest.min():.1f} and {rest.max():.1f} mV")
    print(f"largest distance from that before the stimulus: {drift:.1e} mV")
    change = abs(v - rest).max(axis=0)
    print("the strongest responses: " + ", ".join(names[i] for i in np.argsort(-change)[:8]))
    print(f"two patterns make up {share[:2].sum():.1%} of the response of {motor.sum()} neurons")
    draw(t, v - rest, neurons, (t[t > ON - 1], share, course, loading), args.out)
    return {"drift": drift, "share": float(share[:2].sum())}


def draw(t: np.ndarray, change: np.ndarray, neurons: list[dict], found: tuple, out: Path) -> None:
    import matplotlib.pyplot as plt

    groups = ("sensory neurons", "interneurons", "motor neurons")
    fig, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    order = [i for g in groups for i, x in enumerate(neurons) if x["group"] == g]
    top = np.percentile(abs(change), 99)
    picture = axes[0, 0].imshow(
        change[:, order].T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-top,
        vmax=top,
        extent=(t[0], t[-1], len(order), 0),
        interpolation="none",
    )
    edges = np.cumsum([0, *(sum(x["group"] == g for x in neurons) for g in groups)])
    axes[0, 0].set_yticks((edges[1:] + edges[:-1]) / 2, [g.split()[0] for g in groups])
    for edge in edges[1:-1]:
        axes[0, 0].axhline(edge, color="black", lw=0.8)
    axes[0, 0].set(xlabel="time (ms)", title="change of the potential (mV)")
    fig.colorbar(picture, ax=axes[0, 0])
    names = [x["name"] for x in neurons]
    for name in ("PLML", "AVDL", "AVBL", "AVAL", "DB04", "VB06", "DD03"):
        axes[0, 1].plot(t, change[:, names.index(name)], label=name)
    axes[0, 1].set(xlabel="time (ms)", ylabel="change of the potential (mV)", yscale="symlog")
    axes[0, 1].legend(frameon=False, ncols=2, fontsize=8)
    times, share, course, loading = found
    for k in range(2):
        label = f"pattern {k + 1}: {share[k]:.1%}"
        axes[1, 0].plot(times, course[:, k], label=label)
        axes[1, 1].plot(loading[k], ".", ms=4, label=label)
    axes[1, 0].set(xlabel="time (ms)", ylabel="course (mV)", title="of all motor neurons")
    motor = [x["name"] for x in neurons if x["group"] == "motor neurons"]
    classes = [(k, n.rstrip("0123456789")) for k, n in enumerate(motor)]
    firsts = [k for k, c in classes if k == 0 or c != classes[k - 1][1]]
    # Of the classes with many members, which are those of the ventral cord.
    starts = [k for k, end in zip(firsts, [*firsts[1:], len(motor)], strict=True) if end - k > 4]
    axes[1, 1].set_xticks(starts, [classes[k][1] for k in starts], rotation=90, fontsize=7)
    axes[1, 1].set(xlabel="class of motor neuron", ylabel="loading")
    for ax in axes[1]:
        ax.legend(frameon=False)
    save(fig, out, "celegans.png")


if __name__ == "__main__":
    main()
