"""Recorded variables over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._axes import as_names, check_steps, get_axes, legend_above, with_unit

# More lines than this in one colour cycle cannot be told apart by a legend.
_MAX_LABELS = 10


def traces(
    recording: Any,
    names: str | Sequence[str],
    *,
    max_units: int | None = 10,
    ax: Any = None,
    **style: Any,
) -> Any:
    """Recorded variables over time.

    A single variable gets one colour per unit, several get one colour each.

    **Arguments:**

    - `recording`: what `simulate` or `solve` returned.
    - `names`: one or several recorded variables, such as `"E.v"`.
    - `max_units`: draw only the first so many recorded units of each name, 10; `None` for all.
    - `ax`: matplotlib axes; those of a new figure by default.
    - `style`: handed to `ax.plot`, for example `linestyle="--"`; `label` replaces the name.

    **Returns:** the axes; the unit stands at the y axis, or in the legend where units differ.

    **Raises:** `ValueError` for names that were not recorded; `ImportError` without matplotlib.

    ```python
    >>> from fdyn import plot, simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(2), 10.0, dt=0.1, inputs=20.0, record="v")
    >>> ax = plot.traces(rec, "v")
    >>> ax.get_ylabel(), len(ax.lines)
    ('v (mV)', 2)

    ```

    **Source:** none; a convention of the field.
    """
    names = as_names(names)
    check_steps(recording)
    values = [np.asarray(recording[name]) for name in names]
    values = [x.reshape(x.shape[0], -1)[:, :max_units] for x in values]
    units = [recording.unit(name) for name in names]
    # A solution has one set of times for all of its variables.
    times = getattr(recording, "times", lambda name: recording.ts)
    ax = get_axes(ax)
    for name, x, unit in zip(names, values, units, strict=True):
        label = style.get("label", name if len(set(units)) == 1 else with_unit(name, unit))
        per_unit = len(names) == 1 and 1 < x.shape[1] <= _MAX_LABELS
        own = {"linewidth": 1.0, **style}
        for k, column in enumerate(x.T):
            own["label"] = f"{label} {k}" if per_unit else (label if k == 0 else None)
            (line,) = ax.plot(times(name), column, **own)
            if not per_unit:
                own["color"] = line.get_color()
    what = names[0] if len(names) == 1 else ""
    ax.set_xlabel("time (ms)")
    if len(set(units)) == 1:
        ax.set_ylabel(with_unit(what, units[0]))
    if len(ax.lines) > 1:
        legend_above(ax)
    return ax
