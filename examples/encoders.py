"""How soon are digits told from their spikes? Rate, latency and phase codes compared.

Real digits of 8 x 8 pixels (UCI, Alpaydin & Kaynak 1998; from scikit-learn) as spikes of one unit
per pixel. At every millisecond the spikes so far are decoded into an image, which is taken for the
digit whose mean image, over the digits not shown, is nearest. Prints and draws the accuracy over
time, and one digit in each code.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from fdyn import simulate
from fdyn.components import LatencyEncoder, PhaseEncoder, PoissonEncoder

DATA = Path(__file__).parent / "data" / "digits.npz"
DURATION = 32  # ms, in steps of 1 ms
RATE = 200.0  # Hz, of a black pixel


def decoded(x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The spikes `[ms, pixel]` of each code, and the values decoded from those so far."""
    n, since = x.size, np.arange(1, DURATION + 1)[:, None]
    last = float(DURATION)
    codes = {
        "rate": PoissonEncoder(n, jnp.asarray(x), max_rate=RATE),
        "latency": LatencyEncoder(n, jnp.asarray(x), t_first=1.0, t_last=last, threshold=0.0),
        "phase": PhaseEncoder(n, jnp.asarray(x * 255 / 256), bits=8),
    }
    spikes = {
        name: np.asarray(simulate(code, DURATION, dt=1.0, record="spike")["spike"])
        for name, code in codes.items()
    }
    # The digits of later periods add nothing: a period is a whole value.
    phases = np.arange(DURATION)[:, None] < 8
    values = {
        "rate": np.cumsum(spikes["rate"], 0) / since * 1000 / RATE,
        "latency": np.cumsum(spikes["latency"] * (last - since) / (last - 1), 0),
        "phase": np.cumsum(spikes["phase"] * phases, 0),
    }
    return {name: (spikes[name], values[name]) for name in codes}


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Run, print, draw; returns the accuracy of each code at the end."""
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer digits")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture")
    args = parser.parse_args(argv)

    data = np.load(DATA)
    labels, images = data["labels"], data["images"].reshape(-1, 64) / 16
    shown = 50 if args.quick else 500
    means = np.stack([images[shown:][labels[shown:] == k].mean(0) for k in range(10)])

    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), layout="constrained")
    accuracy = {}
    for ax, (name, (spikes, values)) in zip(
        axes, decoded(images[:shown].ravel()).items(), strict=False
    ):
        at, pixel = np.nonzero(spikes[:, :64])
        ax.scatter(at + 1, pixel, s=12 * spikes[at, pixel], marker="|", color="k")
        ax.set(xlabel="time (ms)", ylabel="pixel", title=f"a {labels[0]}, {name} code")
        distance = ((values.reshape(DURATION, shown, 1, 64) - means) ** 2).sum(-1)
        right = (distance.argmin(-1) == labels[:shown]).mean(1)
        axes[-1].plot(np.arange(1, DURATION + 1), 100 * right, label=name)
        accuracy[name] = float(right[-1])
    distance = ((images[:shown, None] - means) ** 2).sum(-1)
    best = (distance.argmin(-1) == labels[:shown]).mean()
    axes[-1].axhline(100 * best, color="0.7", lw=1, label="pixels themselves")
    axes[-1].set(xlabel="time (ms)", ylabel="digits recognised (%)", ylim=(0, 100))
    axes[-1].legend(fontsize=8)

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "encoders.png"
    figure.savefig(path, dpi=120)
    text = ", ".join(f"{name} {100 * right:.1f} %" for name, right in accuracy.items())
    print(f"{shown} digits after {DURATION} ms: {text}; pixels {100 * best:.1f} %: {path}")
    return accuracy


if __name__ == "__main__":
    main()
