"""Spikes of populations: raster and rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._record import SpikeTrains
from ._axes import as_names, check_steps, get_axes, legend_above


def raster(
    recording: Any,
    names: str | Sequence[str],
    *,
    max_units: int | None = None,
    ax: Any = None,
) -> Any:
    """Spikes as dots, time against unit, the populations above each other.

    A population without a spike keeps its place and its entry in the legend.

    **Arguments:**

    - `recording`: what `simulate` returned.
    - `names`: one or several recorded spike outputs, such as `"E.spike"`; the first at the bottom.
    - `max_units`: draw only the first so many units of each population; all by default.
    - `ax`: matplotlib axes; those of a new figure by default.

    **Returns:** the axes.

    **Raises:** `ValueError` for names that were not recorded, or a recording without steps;
    `ImportError` without matplotlib.

    ```python
    >>> from fdyn import Spikes, plot, simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(5), 100.0, dt=0.1, inputs=20.0, record=Spikes("spike"))
    >>> ax = plot.raster(rec, "spike")
    >>> ax.get_xlabel(), len(ax.lines)
    ('time (ms)', 1)

    ```

    **Source:** none; a convention of the field.
    """
    names = as_names(names)
    check_steps(recording)
    trains = [recording.spikes(name) for name in names]
    units = [t.size if max_units is None else min(t.size, max_units) for t in trains]
    ax = get_axes(ax)
    # Few spikes are drawn large, to be seen at all; many small, to be told apart.
    n_spikes = sum(np.count_nonzero(t.index < n) for t, n in zip(trains, units, strict=True))
    dot = float(np.clip((80000 / max(n_spikes, 1)) ** 0.5, 2.5, 8))
    base = 0
    for k, (name, train, n) in enumerate(zip(names, trains, units, strict=True)):
        shown = train.index < n
        ax.plot(
            train.times[shown],
            train.index[shown] + base,
            linestyle="none",
            marker=".",
            color=f"C{k}",
            markersize=dot,
            markeredgewidth=0,
            label=name,
            rasterized=True,
        )
        base += n
    ax.set(xlabel="time (ms)", ylabel="unit", ylim=(-0.5, base - 0.5), xlim=_span(recording))
    if len(names) > 1:
        legend_above(ax, markerscale=14 / dot)
    return ax


def population_rate(
    recording: Any,
    names: str | Sequence[str],
    *,
    width: float = 5.0,
    ax: Any = None,
) -> Any:
    r"""The mean rate of each population in bins of time.

    $$r_k = \frac{\text{spikes in bin } k}{n \cdot \text{duration of the bin}}$$

    A last, shorter bin is divided by its own duration.

    **Arguments:**

    - `recording`: what `simulate` returned.
    - `names`: one or several recorded spike outputs, such as `"E.spike"`. In a dense record a
      graded spike counts with its value; in `Spikes` as one.
    - `width`: of a bin, ms, 5; rounded to whole steps, at least one.
    - `ax`: matplotlib axes; those of a new figure by default.

    **Returns:** the axes, rates in Hz.

    **Raises:** `ValueError` for names that were not recorded, or a width that is not positive;
    `ImportError` without matplotlib.

    ```python
    >>> from fdyn import plot, simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(5), 100.0, dt=0.1, inputs=20.0, record="spike")
    >>> ax = plot.population_rate(rec, "spike", width=100.0)
    >>> ax.patches[0].get_data().values.round(3).tolist()
    [30.0]

    ```

    **Source:** the population activity, Gerstner et al. 2014, Neuronal Dynamics, eq. 7.1.
    """
    names = as_names(names)
    check_steps(recording)
    if not width > 0:
        raise ValueError(f"'width' must be a positive number of ms, got {width!r}.")
    counts = [_binned_rate(recording, name, width) for name in names]
    ax = get_axes(ax)
    for k, (name, (rate, edges)) in enumerate(zip(names, counts, strict=True)):
        ax.stairs(rate, edges, label=name, color=f"C{k}", baseline=None)
    ax.set(xlabel="time (ms)", ylabel="rate (Hz)", xlim=_span(recording))
    # A little below zero, so that the line of a silent population can be seen.
    ax.set_ylim(bottom=-0.03 * ax.get_ylim()[1])
    legend_above(ax)
    return ax


def _binned_rate(recording: Any, name: str, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Rate (Hz) per bin and the edges of the bins (ms)."""
    ts = np.asarray(recording.ts)
    start, end = _span(recording)
    dt = (end - start) / ts.size
    per_bin = max(round(width / dt), 1)
    # Counted by the number of the step, since the stamp of a spike lies exactly on an edge.
    trace = recording.traces[name]
    if isinstance(trace, SpikeTrains):
        times, graded, size = trace.times, None, trace.size
    else:
        graded = np.reshape(trace, (len(trace), -1))
        times, graded, size = recording.times(name), graded.sum(1), graded.shape[1]
    step = np.rint((np.asarray(times) - start) / dt).astype(int) - 1
    n_bins = -(-ts.size // per_bin)
    edges = np.minimum(np.arange(n_bins + 1) * per_bin, ts.size) * dt
    count = np.bincount(step // per_bin, weights=graded, minlength=n_bins)
    return count / (size * np.diff(edges)) * 1000, start + edges


def _span(recording: Any) -> tuple[float, float]:
    """The times (ms) between which the recording ran."""
    ts = np.asarray(recording.ts)
    dt = ts[1] - ts[0] if ts.size > 1 else 1.0
    return float(ts[0] - dt), float(ts[-1])
