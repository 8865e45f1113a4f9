"""A synapse of one's own: short-term depression as an operator, with a body for the CPU.

Each presynaptic unit has resources x. A spike releases the fraction u of them, and they recover
with the time constant tau (Tsodyks & Markram 1997, PNAS 94:719). Nothing happens between spikes
that the time since the last one does not tell, so resources are touched at spikes only. Regular and
Poisson trains of several rates are sent through it; the released amount is compared with the
closed form, and the body for the CPU with the reference. Prints the numbers, draws one picture.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fdyn.sparse import event_op, use_native

# --- the operator ---------------------------------------------------------------------------------


@event_op(in_place={"y": 0, "x": 1, "last": 2})
def depressing(y, x, last, s, t, targets, weight, u, tau):
    """Adds what the spikes `s` at time `t` release to `y`; then the resources and spike times."""
    recovered = 1 - (1 - x) * jnp.exp((last - t) / tau)
    released = s * u * recovered
    y = y.at[targets].add(weight * released[:, None])
    return y, jnp.where(s != 0, recovered - released, x), jnp.where(s != 0, t, last)


@depressing.cpu
def _(y, x, last, s, t, targets, weight, u, tau):
    for i in range(s.size):
        if s[i] != 0:
            recovered = 1 - (1 - x[i]) * np.exp((last[i] - t) / tau)
            released = s[i] * u * recovered
            for k in range(targets.shape[1]):
                y[targets[i, k]] += weight * released
            x[i] = recovered - released
            last[i] = t


# --- what it is used for --------------------------------------------------------------------------

U, TAU, DT = 0.5, 200.0, 0.5  # 1, ms, ms
DECAY = float(np.exp(-DT / 5.0))  # of the conductance, in a step
RATES = np.array([2.0, 5, 10, 20, 40, 80])  # Hz
UNITS = 100  # of each rate, whose synapses all end on the same postsynaptic unit


def spike_trains(steps: int, seed: int) -> np.ndarray:
    """Regular trains with random phases, then Poisson trains, of all rates: `[steps, units]`."""
    rng = np.random.default_rng(seed)
    rate = np.repeat(RATES, UNITS) * DT / 1000
    phase = np.arange(steps)[:, None] * rate + rng.random(rate.size)
    regular = np.floor(phase + rate) > np.floor(phase)
    poisson = rng.random((steps, rate.size)) < rate
    return np.concatenate([regular, poisson], axis=1).astype(np.float32)


def run(trains: jax.Array) -> jax.Array:
    """The conductance of each postsynaptic unit over time, per synapse."""
    n = trains.shape[1]
    targets = jnp.arange(n, dtype=jnp.int32)[:, None] // UNITS

    def step(carry, now):
        y, x, last = carry
        s, t = now
        y, x, last = depressing(y * DECAY, x, last, s, t, targets, 1 / UNITS, U, TAU)
        return (y, x, last), y

    ts = jnp.arange(len(trains), dtype=trains.dtype) * DT
    start = (jnp.full(k, value, trains.dtype) for k, value in ((n // UNITS, 0), (n, 1), (n, 0)))
    return jax.lax.scan(step, tuple(start), (trains, ts))[1]


def closed_form(rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean release per spike in the steady state, for regular and for Poisson trains."""

    def steady(decay):
        return U * (1 - decay) / (1 - (1 - U) * decay)

    p, q = rates * DT / 1000, np.exp(-DT / TAU)
    # The mean of exp(-interval / tau), for one interval and for intervals drawn step by step.
    return steady(np.exp(-1000 / rates / TAU)), steady(p * q / (1 - (1 - p) * q))


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="three seconds of spikes")
    args = parser.parse_args(argv)
    steps = int((3000 if args.quick else 30000) / DT)
    trains = spike_trains(steps, args.seed)

    y = np.asarray(jax.jit(run)(trains))
    with use_native(False):
        reference = np.asarray(jax.jit(lambda trains: run(trains))(trains))
    apart = float(np.abs(y - reference).max())
    print(f"the two bodies differ by at most {apart:.1g} of {y.max():.2g}")

    late = slice(steps // 3, None)  # in the steady state
    released = (y - DECAY * np.concatenate([0 * y[:1], y[:-1]]))[late].sum(axis=0)
    spikes = trains[late].reshape(-1, 2 * len(RATES), UNITS).sum(axis=(0, 2)) / UNITS
    measured = (released / spikes).reshape(2, -1)
    for kind, found, expected in zip(
        ("regular", "Poisson"), measured, closed_form(RATES), strict=True
    ):
        for rate, a, b in zip(RATES, found, expected, strict=True):
            print(f"{kind}, {rate:2g} Hz: {a:.4f} released per spike, closed form {b:.4f}")
    draw(measured, args.out)
    return {"apart": apart, "measured": measured, "expected": np.array(closed_form(RATES))}


def draw(measured: np.ndarray, out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplot_mosaic(
        [["10", "steady"], ["20", "steady"], ["40", "steady"]],
        figsize=(11, 5),
        layout="constrained",
    )
    for name in ("10", "20", "40"):
        lone = np.zeros((1200, UNITS), np.float32)
        lone[100 : 100 + int(500 / DT) : round(1000 / float(name) / DT)] = 1
        axes[name].plot(np.arange(1200) * DT, jax.jit(run)(lone)[:, 0], color="black")
        axes[name].set(ylim=(0, 0.55), ylabel=f"{name} Hz")
    axes["10"].set_title("Conductance, of a full release", loc="left")
    axes["40"].set_xlabel("time (ms)")

    right = axes["steady"]
    rates = np.geomspace(RATES[0], RATES[-1], 100)
    for k, (kind, curve) in enumerate(zip(("regular", "Poisson"), closed_form(rates), strict=True)):
        right.plot(rates, curve, color=f"C{k}", label=f"{kind}, closed form")
        right.plot(RATES, measured[k], "o", color=f"C{k}", label=f"{kind}, simulated")
    right.set(xscale="log", xticks=RATES, xticklabels=[f"{r:g}" for r in RATES])
    right.minorticks_off()
    right.set(xlabel="rate (Hz)", ylabel="released per spike", ylim=(0, None))
    right.set_title("Steady state", loc="left")
    right.legend()
    out.mkdir(parents=True, exist_ok=True)
    fig.savefig(out / "event_op.png", dpi=130)
    plt.close(fig)
    print(f"picture: {out / 'event_op.png'}")


if __name__ == "__main__":
    main()
