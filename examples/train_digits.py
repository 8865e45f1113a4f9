"""A recurrent spiking network learns to read handwritten digits, by surrogate gradients.

1,797 real digits of 8 x 8 pixels (UCI, Alpaydin & Kaynak 1998; from scikit-learn). Each pixel
drives one spiking neuron with a constant current for 50 ms; a recurrent layer of integrate-and-fire
neurons hears them; ten read-out neurons, whose threshold is out of reach, integrate what that
layer says. All weights are trained by backpropagation through time (Neftci, Mostafa & Zenke 2019).
Prints the accuracy on the fifth of the digits that was held out; draws the learning curve.
"""

import argparse
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from fdyn import Network, Projection, Record, simulate
from fdyn.components import CUBA, LIF, ConstantInput, Exponential
from fdyn.fit import cross_entropy, fit, minibatches, rate_penalty
from fdyn.sparse import Dense

DATA = Path(__file__).parent / "data" / "digits.npz"
DURATION, DT = 50.0, 2.0  # ms
GAIN = 100.0  # pA of a black pixel, which makes its neuron fire at 250 Hz
NOISE = 0.1  # of the pixels in training, so that the network does not learn single images by heart
BATCH = 64
RECORD = {
    "readout": Record("out.v", every=None, reduce="mean"),
    "rate": Record("hidden.spike", every=None, reduce="mean"),
}


def network(n_hidden: int, key: jax.Array) -> Network:
    """64 encoding neurons, a recurrent layer, 10 read-outs."""
    keys = jax.random.split(key, 3)
    nodes = {
        "pixels": LIF(64),
        "hidden": LIF(n_hidden),
        "out": LIF(10, v_th=1e6),
    }
    sizes = {name: node.size for name, node in nodes.items()}
    plan = [("pixels", "hidden", 10.0), ("hidden", "hidden", 5.0), ("hidden", "out", 10.0)]
    projections = {}
    for (pre, post, strength), k in zip(plan, keys, strict=True):
        weight = strength / sizes[pre] ** 0.5 * jax.random.normal(k, (sizes[pre], sizes[post]))
        projections[f"{pre}_{post}"] = Projection(
            pre, post, Dense(weight), Exponential(tau=5.0), CUBA()
        )
    return Network(nodes, projections)


def answer(net: Network, image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean read-outs in units of 1 mV, `[10]`, and spikes per step of the hidden layer."""
    rec = simulate(
        net,
        DURATION,
        dt=DT,
        inputs={"pixels": ConstantInput(64, GAIN * image)},
        record=RECORD,
        progress=False,
    )
    return rec["readout"][0] - net.nodes["out"].v_rest, rec["rate"]


def loss(net: Network, batch: tuple[jax.Array, jax.Array], key: jax.Array) -> jax.Array:
    images, labels = batch
    images = jnp.maximum(images + NOISE * jax.random.normal(key, images.shape, images.dtype), 0)
    logits, rates = jax.vmap(answer, in_axes=(None, 0))(net, images)
    return cross_entropy(logits, labels) + 0.1 * rate_penalty(rates[:, 0], DT, low=1.0, high=100.0)


@eqx.filter_jit
def predict(net: Network, images: jax.Array) -> jax.Array:
    """The class of each image."""
    return jnp.argmax(jax.vmap(answer, in_axes=(None, 0))(net, images)[0], axis=-1)


def weights(net: Network) -> list[jax.Array]:
    """What is trained."""
    return [p.connect.weight for p in net.projections.values()]


def load(key: jax.Array) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Four fifths to train on and one fifth to test with: images `[n, 64]` in 0 to 1, labels."""
    with np.load(DATA) as data:
        images = data["images"].reshape(-1, 64).astype(np.float32) / 16
        labels = data["labels"].astype(np.int32)
    order = np.asarray(jax.random.permutation(key, len(labels)))
    test, train = np.split(order, [len(order) // 5])
    return (images[train], labels[train]), (images[test], labels[test])


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=128, help="neurons in the recurrent layer")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="a few epochs only")
    args = parser.parse_args(argv)
    epochs = min(args.epochs, 3) if args.quick else args.epochs

    split_key, net_key, batch_key = jax.random.split(jax.random.key(args.seed), 3)
    train, test = load(split_key)
    net = network(args.hidden, net_key)
    steps = len(train[1]) // BATCH
    optimiser = optax.adam(optax.cosine_decay_schedule(0.1, epochs * steps))
    batches = minibatches(train, BATCH, key=batch_key)

    losses, accuracy, state = [], [], None
    with tqdm(range(epochs), unit="epoch") as bar:
        for _ in bar:
            done = fit(
                loss, net, batches,
                optimiser=optimiser, steps=steps, where=weights, state=state, progress=False,
            )  # fmt: skip
            net, state = done.model, done.state
            losses += list(done.losses)
            accuracy.append(
                {
                    name: float(np.mean(np.asarray(predict(net, images)) == labels))
                    for name, (images, labels) in (("train", train), ("test", test))
                }
            )
            bar.set_postfix(loss=f"{losses[-1]:.3f}", test=f"{accuracy[-1]['test']:.3f}")
    print(
        f"accuracy after {epochs} epochs: {accuracy[-1]['test']:.2%} of {len(test[1])} digits held "
        f"out, {accuracy[-1]['train']:.2%} of the {len(train[1])} trained on"
    )
    draw(net, test, losses, accuracy, args.out)
    return {"accuracy": accuracy[-1]["test"], "losses": losses}


def draw(net: Network, test, losses: list, accuracy: list, out: Path) -> None:
    import matplotlib.pyplot as plt

    from fdyn import plot

    images, labels = test
    found = np.asarray(predict(net, images))
    fig = plt.figure(figsize=(12, 7), layout="constrained")
    halves: Any = fig.subfigures(1, 2, width_ratios=[1.1, 1])
    left, right = halves
    curve, shown = left.subfigures(2, 1, height_ratios=[1.3, 1])

    ax = curve.subplots()
    epochs = np.arange(1, len(losses) + 1) / (len(losses) / len(accuracy))
    ax.semilogy(epochs, losses, color="0.7", linewidth=0.7)
    ax.set(xlabel="epoch", ylabel="loss (nats)")
    percent = ax.twinx()
    for name, color in (("train", "C0"), ("test", "C3")):
        y = [100 * a[name] for a in accuracy]
        percent.plot(np.arange(1, len(y) + 1), y, color=color, label=f"{name} ({y[-1]:.1f} %)")
    percent.set(ylabel="accuracy (%)", ylim=(None, 100.5))
    percent.legend(loc="center right")

    # All mistakes come first, then as many right answers as there is room for.
    pick = np.argsort(found == labels, kind="stable")[:24]
    for place, k in enumerate(pick):
        ax = shown.add_subplot(3, 8, place + 1)
        ax.imshow(images[k].reshape(8, 8), cmap="gray_r")
        ax.set_axis_off()
        right_answer = found[k] == labels[k]
        ax.set_title(
            str(found[k]) if right_answer else f"{found[k]}, is {labels[k]}",
            fontsize=8, color="black" if right_answer else "C3",
        )  # fmt: skip
    shown.suptitle("what it reads (red: mistakes on held-out digits)", fontsize=9)

    example = int(pick[-1])
    names = ["pixels.spike", "hidden.spike", "out.v"]
    current = ConstantInput(64, GAIN * images[example])
    rec = simulate(net, DURATION, dt=DT, inputs={"pixels": current}, record=names)
    top, bottom = right.subplots(2, 1, sharex=True)
    plot.raster(rec, names[:2], ax=top)
    top.set_title(f"one digit: {labels[example]}", loc="left")
    top.set_xlabel("")
    lines = bottom.plot(rec.ts, np.asarray(rec["out.v"]), color="0.8")
    lines[found[example]].set(color="C3", zorder=3)
    bottom.set(xlabel="time (ms)", ylabel="read-outs (mV)")
    bottom.text(rec.ts[-1], rec["out.v"][-1, found[example]], f" {found[example]}", color="C3")
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "train_digits.png", dpi=130)
    plt.close(fig)
    print(f"picture: {out / 'train_digits.png'}")


if __name__ == "__main__":
    main()
