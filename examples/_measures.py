"""What several examples measure and draw of spikes."""

from pathlib import Path

import numpy as np


def irregularity(times: np.ndarray, index: np.ndarray, least: int = 3) -> float:
    """Mean coefficient of variation of the intervals of units with `least` spikes or more."""
    order = np.lexsort((times, index))
    times, index = np.asarray(times, float)[order], np.asarray(index)[order]
    same = index[1:] == index[:-1]
    unit, gap = index[1:][same], np.diff(times)[same]
    n = np.bincount(unit)
    total, square = np.bincount(unit, gap), np.bincount(unit, gap**2)
    kept = n >= max(least - 1, 1)
    mean = total[kept] / n[kept]
    variance = np.maximum(square[kept] / n[kept] - mean**2, 0)
    return float(np.mean(np.sqrt(variance) / mean)) if kept.any() else float("nan")


def population_counts(
    times: np.ndarray, start: float, stop: float, width: float = 1.0
) -> np.ndarray:
    """Spikes of all units in bins of `width` ms; a spike on an edge belongs to the later bin."""
    n = round((stop - start) / width)
    # Half a microsecond forgives the rounding of times on a decimal grid.
    place = np.floor((np.asarray(times, float) - start + 5e-4) / width).astype(int)
    return np.bincount(place[(place >= 0) & (place < n)], minlength=n)


def fano_factor(counts: np.ndarray) -> float:
    """Variance over mean of the counts."""
    return float(counts.var() / counts.mean()) if counts.any() else float("nan")


def strongest_frequency(counts: np.ndarray, width: float = 1.0, smooth: float = 0.0) -> float:
    """The frequency (Hz) with the most power in the counts per `width` ms, above 5 Hz.

    `smooth`: Hz, the standard deviation over which neighbouring frequencies are averaged.
    """
    power = np.abs(np.fft.rfft(counts - counts.mean())) ** 2
    hertz = np.fft.rfftfreq(counts.size, width / 1000)
    if smooth > 0:
        half = int(4 * smooth / hertz[1]) + 1
        kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * hertz[1] / smooth) ** 2)
        power = np.convolve(power, kernel / kernel.sum(), mode="same")
    return float(hertz[hertz > 5][power[hertz > 5].argmax()])


def draw_activity(rec, names: list[str], trace: str, folder: Path, name: str) -> None:
    """Raster, population rate and voltages of one recording, in one picture."""
    import matplotlib.pyplot as plt

    from fdyn import plot

    fig, axes = plt.subplots(
        3, 1, figsize=(9, 8), sharex=True, height_ratios=[3, 1.2, 1.8], layout="constrained"
    )
    plot.raster(rec, names, ax=axes[0])
    plot.population_rate(rec, names, ax=axes[1])
    plot.traces(rec, [trace], ax=axes[2])
    for ax in axes[:-1]:
        ax.set_xlabel("")
    save(fig, folder, name)


def save(fig, folder: Path, name: str) -> None:
    """Write a figure, and say where."""
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    fig.savefig(folder / name, dpi=110)
    plt.close(fig)
    print(f"picture: {folder / name}")
