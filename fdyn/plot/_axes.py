"""The axes to draw on, and the names to draw."""

from collections.abc import Sequence
from typing import Any


def get_axes(ax: Any) -> Any:
    """`ax`, or those of a new figure; matplotlib is imported here, on first use."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as e:
        raise ImportError(
            'fdyn.plot draws with matplotlib, which is not installed: pip install "fdyn[plot]"'
        ) from e
    return plt.subplots(layout="constrained")[1]


def with_unit(name: str, unit: str) -> str:
    """A label such as "v (mV)"; what has no unit, or an unknown one, is its name alone."""
    return name if unit in ("1", "-", "") else f"{name} ({unit})".strip()


def as_names(names: str | Sequence[str]) -> list[str]:
    """One name or several, as a list."""
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("'names' must hold at least one name of the recording, got none.")
    return names


def check_steps(recording: Any) -> None:
    """Refuse a recording of no time at all, which has nothing to draw."""
    if not len(recording.ts):
        raise ValueError("the recording has no steps, so there is nothing to draw.")


def legend_above(ax: Any, **options: Any) -> None:
    """A legend above the axes, where it hides nothing."""
    columns = min(len(ax.get_legend_handles_labels()[1]), 5)
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.1}
    ax.legend(**{**place, "ncols": max(columns, 1), "frameon": False, **options})
