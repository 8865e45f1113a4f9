"""The cortical microcircuit of Potjans & Diesmann: four layers under one square millimetre.

Potjans & Diesmann 2014, Cereb. Cortex 24:785: eight populations of integrate-and-fire neurons with
exponential currents, random weights and delays, and Poisson input. At full scale (`--scale 1`) it
has 77,169 neurons and 299 million synapses. Below that neurons and synapses onto each are fewer by
the same factor, weights grow, and a current makes up for the input that is missing, which keeps
mean and variance of the input of each neuron: van Albada et al. 2015, PLoS Comput. Biol.
11:e1004490. Prints the rate of each population beside the published one; writes raster and rates.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from _measures import irregularity, save

from fdyn import Network, Projection, Recording, Spikes, simulate
from fdyn.components import LIF, ConstantInput, Exponential, PoissonInput
from fdyn.solvers import ExactLinear
from fdyn.sparse import CSR, Normal, OneToOne, fixed_total_number

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# Table 5: the probability that two neurons are connected, from column to row.
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])  # synapses of 8 Hz
BACKGROUND = 8.0  # Hz
# Hz, at full scale: of the implementation by the authors, distributed with NEST.
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
C, TAU, TAU_SYN, DT = 250.0, 10.0, 0.5, 0.1  # pF, ms, ms, ms
# pA: a potential of 0.15 mV at its peak; inhibition is four times as strong.
WEIGHT, INHIBITION = 87.81, -4.0
INHIBITORY = np.array([name.endswith("I") for name in NAMES])
DELAY = {False: 1.5, True: 0.75}  # ms; standard deviations are half of the means


def weights() -> np.ndarray:
    """Mean weights at full scale, pA, from column to row: L4E onto L23E is twice as strong."""
    w = np.where(INHIBITORY, INHIBITION * WEIGHT, WEIGHT)[None].repeat(8, axis=0)
    w[0, 2] *= 2
    return w


def synapse_numbers() -> np.ndarray:
    """How many synapses lead from the population of a column to that of a row, at full scale."""
    pairs = np.outer(SIZES, SIZES).astype(float)
    return np.log1p(-PROBABILITY) / np.log1p(-1 / pairs)


def connectivity(key: jax.Array, scale: float) -> CSR:
    """All synapses of all populations, which follow each other in one numbering.

    Each pair of populations has its number of synapses, drawn independently: with multiple ones.
    """
    sizes = np.rint(SIZES * scale).astype(int)
    first = np.concatenate([[0], np.cumsum(sizes)])
    numbers = np.rint(synapse_numbers() * scale**2).astype(int)
    strength = weights() / np.sqrt(scale)
    parts = {}
    for pre, post in np.ndindex(8, 8):
        w, d = strength[post, pre], DELAY[bool(INHIBITORY[pre])]
        low, high = (0.0, None) if w > 0 else (None, 0.0)
        parts[pre, post] = fixed_total_number(
            jax.random.fold_in(key, 8 * pre + post),
            sizes[pre],
            sizes[post],
            int(numbers[post, pre]),
            Normal(w, 0.1 * abs(w), low=low, high=high),
            delay=Normal(d, d / 2, low=DT / 2),
            multapses=True,
        )
    counts = np.zeros((first[-1], 8), int)
    for (pre, post), part in parts.items():
        counts[first[pre] : first[pre + 1], post] = np.diff(part.indptr)
    # Where the targets of a neuron in each population begin.
    begin = np.cumsum(counts.ravel()) - counts.ravel()
    begin = begin.reshape(counts.shape)
    n = int(counts.sum())
    dtype = jax.numpy.result_type(float)
    targets, w, d = np.empty(n, np.int32), np.empty(n, dtype), np.empty(n, dtype)
    for pre, post in list(parts):
        part = parts.pop((pre, post))
        rows = slice(first[pre], first[pre + 1])
        shift = begin[rows, post] - np.asarray(part.indptr)[:-1]
        place = np.repeat(shift, counts[rows, post]) + np.arange(part.n_synapses)
        targets[place] = np.asarray(part.indices) + first[post]
        w[place] = part.weight
        d[place] = np.rint(np.asarray(part.delay) / DT) * DT
    indptr = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
    return CSR(targets, indptr, w, n_post=int(first[-1]), delay=d)


def compensation(scale: float) -> np.ndarray:
    """The current of each population for what it lacks at a smaller scale, pA.

    With weights larger by the root of the scale the variance of the input stays and its mean is
    too small by that factor, where the populations fire as they do at full scale.
    """
    per_neuron = synapse_numbers() / SIZES[:, None]
    recurrent = (weights() * per_neuron) @ RATES + WEIGHT * EXTERNAL * BACKGROUND
    return (1 - np.sqrt(scale)) * TAU_SYN / 1000 * recurrent


def network(scale: float, key: jax.Array) -> tuple[Network, dict[str, ConstantInput]]:
    """The circuit, one population `cortex` whose layers are slices, and its input current."""
    graph, start = jax.random.split(key)
    sizes = np.rint(SIZES * scale).astype(int)
    n = int(sizes.sum())
    cortex = LIF(
        n,
        tau=TAU,
        r=TAU / C,
        v_rest=-65.0,
        v_reset=-65.0,
        v_th=-50.0,
        t_ref=2.0,
        v_init=-58.0 + 10.0 * jax.random.normal(start, (n,)),
    )
    external = PoissonInput(n, rate=np.repeat(EXTERNAL * scale * BACKGROUND, sizes))
    projections = {
        "recurrent": Projection(
            "cortex", "cortex", connectivity(graph, scale), Exponential(TAU_SYN)
        ),
        "external": Projection(
            "background", "cortex", OneToOne(WEIGHT / np.sqrt(scale), n=n), Exponential(TAU_SYN)
        ),
    }
    net = Network({"cortex": cortex, "background": external}, projections)
    return net, {"cortex": ConstantInput(n, np.repeat(compensation(scale), sizes))}


def run(net: Network, inputs: dict, duration: float, key: jax.Array) -> Recording:
    """Simulate and keep all spikes; currents and voltages are integrated exactly."""
    return simulate(
        net,
        duration,
        dt=DT,
        inputs=inputs,
        key=key,
        solver=ExactLinear(),
        record=Spikes("cortex.spike"),
    )


def layers(rec: Recording, scale: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The spikes of each population: times, and indices within it."""
    sizes = np.rint(SIZES * scale).astype(int)
    first = np.cumsum(sizes) - sizes
    spikes = rec.spikes("cortex.spike")
    found = {}
    for name, start, size in zip(NAMES, first, sizes, strict=True):
        own = (spikes.index >= start) & (spikes.index < start + size)
        found[name] = spikes.times[own], spikes.index[own] - start
    return found


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="of the full size, up to 1")
    parser.add_argument("--duration", type=float, default=1500.0, help="ms, the first 500 left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a small circuit, a short run")
    args = parser.parse_args(argv)
    if args.quick:
        args.scale, args.duration = min(args.scale, 0.05), min(args.duration, 300.0)
    settle = min(500.0, args.duration / 3)

    begin = time.perf_counter()
    graph, key = jax.random.split(jax.random.key(args.seed))
    net, inputs = network(args.scale, graph)
    n, n_synapses = net.nodes["cortex"].size, net.projections["recurrent"].connect.n_synapses
    built = time.perf_counter()
    print(f"{n:,} neurons, {n_synapses:,} synapses, built in {built - begin:.1f} s")
    rec = run(net, inputs, args.duration, key)
    print(f"{args.duration:g} ms in {time.perf_counter() - built:.1f} s, with compiling")
    rates = {}
    sizes = np.rint(SIZES * args.scale)
    print("        rate  published (Hz)   CV")
    found = layers(rec, args.scale)
    for (name, (times, index)), size, published in zip(found.items(), sizes, RATES, strict=True):
        late = times > settle
        rates[name] = float(late.sum() / size / (args.duration - settle) * 1000)
        cv = irregularity(times[late], index[late])
        print(f"{name:<5} {rates[name]:6.2f}  {published:6.2f}         {cv:5.2f}")
    draw(found, rates, args)
    return rates


def draw(found: dict, rates: dict[str, float], args: argparse.Namespace) -> None:
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(
        1, 2, figsize=(11, 5.5), width_ratios=[2, 1], layout="constrained"
    )
    top, ticks = 0.0, []
    shown = min(200.0, args.duration)
    sizes = np.rint(SIZES * args.scale)
    colours = ["tab:red" if inhibitory else "tab:blue" for inhibitory in INHIBITORY]
    for (times, index), size, colour in zip(found.values(), sizes, colours, strict=True):
        # As many neurons of each population as make the picture readable.
        part = size * min(1.0, 2000 / sizes.sum())
        near = (times > args.duration - shown) & (index < part)
        left.plot(times[near], top + index[near], ".", ms=1.5, color=colour)
        ticks.append(top + part / 2)
        top += part
    left.set(xlabel="time (ms)", yticks=ticks, yticklabels=NAMES, ylim=(top, 0))
    left.set_title(f"a sample of {sizes.sum():,.0f} neurons")
    place = np.arange(8)
    right.barh(place, [rates[name] for name in NAMES], color=colours, alpha=0.7)
    right.plot(RATES, place, "k|", ms=14, mew=2, label="published, full scale")
    right.set(yticks=place, yticklabels=NAMES, ylim=(7.6, -0.6), xlabel="rate (Hz)")
    right.legend(frameon=False)
    save(fig, args.out, "potjans_diesmann.png")


if __name__ == "__main__":
    main()
