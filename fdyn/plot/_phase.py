"""The phase plane."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tree import get, split
from ._axes import get_axes, with_unit

_MARKERS = {"stable": ("o", "black"), "unstable": ("o", "white"), "saddle": ("D", "white")}


def phase_plane(
    *,
    nullclines: Any = None,
    field: Any = None,
    equilibria: Any = None,
    trajectory: Any = None,
    names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """The phase plane of a system with two variables; every part of it may be left out.

    **Arguments:**

    - `nullclines`: what `fdyn.analyze.nullclines` returned.
    - `field`: what `fdyn.analyze.field_on_grid` returned; arrows show the direction only.
    - `equilibria`: what `fdyn.analyze.equilibria` returned: filled where stable, a diamond for a
      saddle.
    - `trajectory`: a recording that holds both variables.
    - `names`: of the horizontal and the vertical variable; needed without nullclines and field.
    - `ax`: matplotlib axes; those of a new figure by default.

    **Returns:** the axes.

    **Raises:** `ValueError` where nothing says which variable is horizontal; `ImportError` without
    matplotlib.

    ```python
    >>> from fdyn import analyze, plot
    >>> from fdyn.components import MorrisLecar
    >>> box = {"v": (-80.0, 40.0), "w": (0.0, 1.0)}
    >>> ax = plot.phase_plane(nullclines=analyze.nullclines(MorrisLecar(1), box, inputs=99.0))
    >>> ax.get_xlabel(), len(ax.lines)
    ('v (mV)', 2)

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, chapter 4.
    """
    found = [part.names for part in (nullclines, field) if part is not None]
    if names is None and not found:
        raise ValueError("'names' must be given, such as ('v', 'w'), without nullclines or field.")
    x_name, y_name = names if names is not None else found[0]
    ax = get_axes(ax)
    if field is not None:
        # Directions as they look in the picture: each axis in units of its own range.
        width, height = np.ptp(field.x), np.ptp(field.y)
        u, v = field.dx / width, field.dy / height
        length = np.hypot(u, v)
        length = np.where(length > 0, length, 1)
        ax.quiver(
            field.x, field.y, u / length, v / length,
            color="0.75", angles="uv", pivot="mid", scale=35, width=0.003,
        )  # fmt: skip
    if nullclines is not None:
        for name, lines, color in ((x_name, nullclines.x, "C0"), (y_name, nullclines.y, "C1")):
            label = f"d{name}/dt = 0"
            for line in lines or [np.empty((0, 2))]:
                ax.plot(line[:, 0], line[:, 1], color=color, label=label)
                label = None
    if trajectory is not None:
        x, y = (np.asarray(trajectory[name]) for name in (x_name, y_name))
        ax.plot(x.ravel(), y.ravel(), color="black", linewidth=0.8, label="trajectory")
    if equilibria is not None:
        x, y = (np.ravel(get(equilibria.y, split(name))) for name in (x_name, y_name))
        for xi, yi, kind in zip(x, y, equilibria.kinds, strict=True):
            marker, fill = _MARKERS.get(kind.split()[0].split("-")[0], ("s", "0.5"))
            ax.plot(xi, yi, marker, color="black", markerfacecolor=fill, linestyle="none",
                    label=kind, zorder=3)  # fmt: skip
    unit = getattr(trajectory, "unit", None)
    units = {} if unit is None else {n: unit(n) for n in (x_name, y_name)}
    for part in (field, nullclines):
        units |= {} if part is None else dict(zip(part.names, part.units, strict=True))
    x_label, y_label = (with_unit(n, units.get(n, "1")) for n in (x_name, y_name))
    ax.set(xlabel=x_label, ylabel=y_label)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="best", fontsize="small")
    return ax
