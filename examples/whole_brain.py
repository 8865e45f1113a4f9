r"""A brain at rest: 219 regions on a human connectome, with delays, BOLD and EEG-like signals.

Each region is the reduced Wong-Wang model of Deco et al. 2013, J. Neurosci. 33:11239, near its rest
of low activity; noise moves it, tracts spread the fluctuations. The weights of the tracts are very
skewed: as they are, a few regions leave the rest before the others feel anything. They are divided
by their sum onto each region, so that all regions share one working point, as the feedback
inhibition of Deco et al. 2014, J. Neurosci. 34:7886, has it. The coupling is given as part of the
one at which the rest ends (a fold, in closed form). Delays are distance over speed.

At such a rest the fluctuations are linear, which gives a theory without free parameters: with
$A(\omega) = \alpha 1 + \beta W e^{-i\omega d}$ the spectrum is
$\sigma^2 (i\omega - A)^{-1} (i\omega - A)^{-\dagger}$, and the functional connectivity (FC, the
correlations of BOLD) follows from its integral under the filter of the vessels; without delays and
filter this is the solution of the Lyapunov equation $A C + C A^\top + \sigma^2 = 0$. A scan of some
minutes adds the scatter that correlations of independent noise would have.

Prints, over the coupling, how much FC resembles the weights of the tracts (SC, Pearson's
correlation over all pairs) in theory and in the simulation; writes connectivities, time series and
this curve. Measured, 430 images each: FC-SC 0.07, 0.19, 0.32, 0.44, 0.51 at 0.3, 0.6, 0.8, 0.9 and
0.95 of the critical coupling; expected 0.08, 0.19, 0.32, 0.43, 0.50; in an endless scan 0.88, 0.88,
0.85, 0.82, 0.78. FC less theory has a standard deviation of 0.065, that of the scatter. In 300 s
at 0.6 and 0.8, the covariances of the gatings of all pairs are 0.98 +- 0.02 and 0.99 +- 0.01 times
those of the Lyapunov equation without delays, and 1.00 +- 0.02 and 1.01 +- 0.01 times those of the
integral with delays.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from _measures import save

from fdyn import Network, Projection, Record, Recording, replace, simulate
from fdyn.components import CUBA, Activity, BalloonWindkessel, Electrodes, WongWang
from fdyn.sparse import Dense, OneToOne, from_dense

DATA = Path(__file__).parent / "data" / "human_connectome_219.npz"
DT, SPEED = 2.0, 10.0  # ms, mm/ms
SELF, TRACTS, REST = 0.9 * 0.2609, 0.2609, 0.3  # nA: to itself, of all tracts onto a region, input
SIGMA = 0.001  # 1/sqrt(ms)
IMAGE, SETTLING = 2000.0, 20  # ms from one image to the next; images left out
EEG_EVERY = 2  # steps
PARTS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)  # of the critical coupling
SHOWN = 0.9


def connectome() -> dict[str, np.ndarray]:
    """The data, and `share`: what part of its input a region (column) has from each other (row)."""
    with np.load(DATA) as data:
        found = {name: np.asarray(data[name], float) for name in data}
    found["share"] = found["weights"] / found["weights"].sum(axis=0)
    return found


def electrodes(at: np.ndarray, n: int = 16) -> np.ndarray:
    """Positions spread evenly over the upper half of a sphere around the regions, mm, `[n, 3]`."""
    k = np.arange(n) + 0.5
    z, turn = 1 - k / n, np.pi * (1 + np.sqrt(5)) * k
    flat = np.sqrt(1 - z**2)
    radius = 1.1 * np.linalg.norm(at, axis=1).max()
    return radius * np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def lead_field(at: np.ndarray, sensors: np.ndarray) -> np.ndarray:
    r"""What radial dipoles of unit strength make at the sensors, largest 1, `[regions, sensors]`.

    In a homogeneous conductor, $p \cdot r / (4 \pi \sigma r^3)$: Nunez & Srinivasan 2006, Electric
    Fields of the Brain, chapter 5.
    """
    dipole = at / np.linalg.norm(at, axis=1, keepdims=True)
    r = sensors[None] - at[:, None]
    field = (dipole[:, None] * r).sum(-1) / np.linalg.norm(r, axis=-1) ** 3
    return field / abs(field).max()


def brain(data: dict[str, np.ndarray], part: float) -> Network:
    """Regions, what couples them, and what is measured of them."""
    n = len(data["share"])
    at = data["coordinates_mm"] - data["coordinates_mm"].mean(axis=0)
    tracts = from_dense(data["share"], delay=data["distances_mm"] / SPEED)
    lead = lead_field(at, electrodes(at))
    net = Network(
        {
            "R": WongWang(n, w=SELF, i0=REST, sigma=SIGMA, s_init=0.04),
            "bold": BalloonWindkessel(n),
            "eeg": Electrodes(lead.shape[1]),
        },
        {
            "tracts": Projection("R", "R", tracts.round_delays(DT), Activity(), CUBA()),
            "vessels": Projection("R", "bold", OneToOne(1.0, n=n), Activity(), CUBA()),
            "lead": Projection("R", "eeg", Dense(lead), Activity(), CUBA()),
        },
    )
    return scaled(net, TRACTS * part * critical_coupling())


def scaled(net: Network, strength: float) -> Network:
    """The same with all tracts so many times as strong, for which nothing compiles anew."""
    weights = lambda m: m.projections["tracts"].connect.weight  # noqa: E731
    return replace(net, weights, strength * weights(net))


def scan(net: Network, duration: float, key: jax.Array, progress: bool = True) -> Recording:
    """BOLD at every image, and the signals of the electrodes."""
    record = [Record("bold.bold", every=round(IMAGE / DT)), Record("eeg.value", every=EEG_EVERY)]
    return simulate(net, duration, dt=DT, key=key, record=record, progress=progress)


# --- theory -------------------------------------------------------------------------------------


def firing(x: np.ndarray) -> np.ndarray:
    """Rate (Hz) over the input (nA)."""
    u = 270.0 * x - 108.0
    u = np.where(u == 0, 1e-12, u)
    return u / -np.expm1(-0.154 * u)


def critical_coupling() -> float:
    """The coupling at which the rest of low activity ends, in units of `TRACTS`.

    All regions share one gating s, so the coupling that keeps s is known for each s; where it is
    largest, two equilibria meet.
    """
    return float(_coupling_of(np.linspace(0.04, 0.3, 20_001)).max())


def _coupling_of(s: np.ndarray) -> np.ndarray:
    """The coupling under which the regions rest at the gating `s`."""
    x = np.linspace(0.2, 0.6, 100_001)
    needed = s / (100.0 * 0.641e-3 * (1 - s))
    return (np.interp(needed, firing(x), x) - REST - SELF * s) / (TRACTS * s)


def linearized(part: float) -> tuple[float, float]:
    """How fast a fluctuation decays by itself, and spreads by all tracts together (1/ms)."""
    s = np.linspace(0.03, 0.3, 200_001)
    # From the left, up to the fold, the coupling grows with s.
    g = _coupling_of(s)
    s = float(np.interp(part * critical_coupling(), g[: g.argmax() + 1], s[: g.argmax() + 1]))
    strength = TRACTS * part * critical_coupling()
    x = REST + (SELF + strength) * s
    gain = 0.641e-3 * (1 - s) * float(firing(x + 1e-6) - firing(x - 1e-6)) / 2e-6
    return -0.01 - 0.641e-3 * float(firing(x)) + SELF * gain, strength * gain


def balloon_gain(omega: np.ndarray) -> np.ndarray:
    """From activity to BOLD for small fluctuations at angular frequencies (rad/ms)."""
    s = 1000j * omega  # 1/s
    flow = 1 / (s**2 + 0.65 * s + 0.41)
    volume = flow / (0.98 * s + 1 / 0.32)
    extracted = 1 + 0.66 * np.log(0.66) / 0.34
    content = (extracted * flow - (1 / 0.32 - 1) * volume) / (0.98 * s + 1)
    return 0.02 * (-(2.38 + 2.0) * content + (2.0 - 0.48) * volume)


def covariance(
    share: np.ndarray, delay: np.ndarray, part: float, lags: np.ndarray, bold: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of all regions, and the mean autocorrelation at `lags` (ms), by the theory."""
    own, others = linearized(part)
    # A tangent covers all frequencies; its scale is that of the vessels or of the gating.
    n = 48
    scale = 3e-4 if bold else 5e-3
    angle = (np.arange(n) + 0.5) * np.pi / 2 / n
    omega = scale * np.tan(angle)
    weight = scale / np.cos(angle) ** 2 / (2 * n)
    total, trace = np.zeros(share.shape), np.zeros(n)
    one = np.eye(len(share))
    for k, w in enumerate(omega):
        spread = np.linalg.inv((1j * w - own) * one - others * (share * np.exp(-1j * w * delay)).T)
        filtered = abs(balloon_gain(w)) ** 2 if bold else 1.0
        power = SIGMA**2 * filtered * weight[k] * (spread @ spread.conj().T).real
        total, trace[k] = total + power, np.trace(power)
    return total, (np.cos(np.outer(lags, omega)) @ trace) / trace.sum()


def correlations(covariance: np.ndarray) -> np.ndarray:
    """The covariance over the standard deviations."""
    size = np.sqrt(np.diag(covariance))
    return covariance / size / size[:, None]


# --- measures -----------------------------------------------------------------------------------


def pairs(matrix: np.ndarray) -> np.ndarray:
    """All pairs of regions once: the upper triangle."""
    return matrix[np.triu_indices(len(matrix), 1)]


def resemblance(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation over all pairs."""
    return float(np.corrcoef(pairs(a), pairs(b))[0, 1])


def scatter(autocorrelation: np.ndarray, n: int) -> float:
    """Standard deviation of the correlation of `n` images of independent regions (Bartlett 1946).

    `autocorrelation` at lags of 1, 2, ... images.
    """
    return float(np.sqrt((1 + 2 * np.sum(autocorrelation**2)) / n))


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=900_000.0, help="ms of each scan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="short scans, three couplings")
    args = parser.parse_args(argv)
    parts = PARTS
    if args.quick:
        parts, args.duration = (0.0, 0.6, 0.9), min(args.duration, 100_000.0)

    data = connectome()
    delay, lags = data["distances_mm"] / SPEED, IMAGE * np.arange(1, 30)
    images = round(args.duration / IMAGE) - SETTLING
    found = {k: [] for k in ("endless", "expected", "measured", "noise", "deviation")}
    print(f"{len(delay)} regions, {images} images; the rest ends at {critical_coupling():.4f}")
    print("          FC-SC    of this scan             FC less theory")
    print("coupling  endless  expected  measured     expected   found     run")
    shown = None
    keys = jax.random.split(jax.random.key(args.seed), len(parts))
    for part, key in zip(parts, keys, strict=True):
        start = time.perf_counter()
        rec = scan(brain(data, part), args.duration, key)
        seconds = time.perf_counter() - start
        fc = np.corrcoef(np.asarray(rec["bold.bold"], float)[SETTLING:].T)
        total, memory = covariance(data["share"], delay, part, lags)
        theory = correlations(total)
        noise, size = scatter(memory, images), pairs(theory).std()
        endless = resemblance(theory, data["weights"]) if part else 0.0
        numbers = {
            "endless": endless,
            "expected": endless * size / np.hypot(size, noise),
            "measured": resemblance(fc, data["weights"]),
            "noise": noise,
            "deviation": float(np.sqrt(np.mean((pairs(fc) - pairs(theory)) ** 2))),
        }
        for name, value in numbers.items():
            found[name].append(value)
        print(
            "{:8.2f} {:8.3f} {:9.3f} {:9.3f} {:12.4f} {:9.4f}".format(part, *numbers.values()),
            end="",
        )
        print(f"  {seconds:6.1f} s")
        if part == SHOWN:
            shown = (rec, fc, theory)
    draw(data, parts, found, shown, args.out)
    return found


def draw(data: dict, parts: tuple, found: dict, shown: tuple, out: Path) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    rec, fc, theory = shown
    fig, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    weights = np.where(data["weights"] > 0, data["weights"], np.nan)
    image = axes[0, 0].imshow(weights, norm=LogNorm(1e-5), cmap="viridis", interpolation="nearest")
    fig.colorbar(image, ax=axes[0, 0], label="weight (1)", shrink=0.8)
    axes[0, 0].set_title("structural connectivity")
    top = np.quantile(pairs(fc), 0.995)
    for ax, x, name in zip(axes[0, 1:], (fc, theory), ("simulated", "linear theory"), strict=True):
        image = ax.imshow(x, vmin=-top, vmax=top, cmap="RdBu_r", interpolation="nearest")
        ax.set_title(f"correlation of BOLD, {name}")
    fig.colorbar(image, ax=axes[0, 1:], label="correlation (1)", shrink=0.8)
    for ax in axes[0]:
        ax.set(xlabel="region", ylabel="region")

    t, bold = rec.times("bold.bold") / 1000, 100 * np.asarray(rec["bold.bold"], float)
    kept = slice(SETTLING, SETTLING + 120)
    chosen = np.argsort(-data["weights"].sum(axis=0))[:6]
    for k, region in enumerate(chosen):
        x = bold[kept, region] - bold[SETTLING:, region].mean()
        axes[1, 0].plot(t[kept], x - 0.2 * k, color=f"C{k}", lw=1)
    axes[1, 0].set(xlabel="time (s)", ylabel="BOLD (%), 0.2 apart", title="six regions")
    t, eeg = rec.times("eeg.value") / 1000, np.asarray(rec["eeg.value"], float)
    last = slice(-round(3000 / DT / EEG_EVERY), None)
    t = t[last] - t[last][0]
    apart = 5 * eeg[last].std(axis=0).mean()
    for k in range(6):
        axes[1, 1].plot(t, (eeg[last, k] - eeg[last, k].mean()) / apart - k, lw=0.7)
    axes[1, 1].set(xlabel="time (s)", ylabel="EEG (a. u.)", yticks=[], title="six of 16 electrodes")

    ax = axes[1, 2]
    ax.plot(parts[1:], found["endless"][1:], "--", color="0.5", label="theory, endless scan")
    ax.plot(parts, found["expected"], color="tab:orange", label="theory, a scan of this length")
    ax.plot(parts, found["measured"], "o", color="tab:blue", label="simulated")
    ax.set(xlabel="coupling, part of the critical one", ylabel="correlation of FC and SC (1)")
    ax.set(title="over the coupling", ylim=(None, 1))
    ax.legend(loc="center left")
    save(fig, out, "whole_brain.png")


if __name__ == "__main__":
    main()
