"""Bifurcation diagrams."""

from typing import Any

import numpy as np

from .._tree import get, leaf_paths, split, unknown
from ._axes import get_axes, with_unit

_POINTS = {"fold": "^", "hopf": "s"}


def branch(
    branch: Any, name: str, *, label: str | None = None, unit: int = 0, ax: Any = None
) -> Any:
    """A bifurcation diagram: a variable over what varies, dashed where it is unstable.

    **Arguments:**

    - `branch`: what `fdyn.analyze.continue_equilibria` returned.
    - `name`: the variable to show, such as `"v"`, or `"E.v"` in a network.
    - `label`: of the horizontal axis; by default the name of what varies, with its unit if it is a
      parameter (inputs carry none).
    - `unit`: which unit of a population to show, 0.
    - `ax`: matplotlib axes; those of a new figure by default.

    **Returns:** the axes; folds are triangles, Hopf points squares.

    **Raises:** `ValueError` for an unknown variable; `ImportError` without matplotlib.

    ```python
    >>> from fdyn import analyze, plot
    >>> from fdyn.components import MorrisLecar
    >>> found = analyze.continue_equilibria(MorrisLecar(1), (0.0, 300.0))
    >>> plot.branch(found, "v").get_xlabel()
    'input'

    ```

    **Source:** Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 2.5.
    """
    p, y, stable = branch.parameter, _column(branch.y, name, unit), branch.stable
    # The located points become part of the curve, so that it changes its style there.
    for point in reversed(branch.points):
        i = point.index + 1
        p = np.insert(p, i, point.parameter)
        y = np.insert(y, i, np.ravel(get(point.y, split(name)))[unit])
        stable = np.insert(stable, i, stable[i])
    ax = get_axes(ax)
    ends = [0, *(np.flatnonzero(np.diff(stable)) + 1), len(p) - 1]
    labels = {True: "stable", False: "unstable"}
    for a, b in zip(ends[:-1], ends[1:], strict=True):
        part, is_stable = slice(a, b + 1), bool(stable[a])
        ax.plot(
            p[part], y[part], "-" if is_stable else "--",
            color="C0" if is_stable else "0.5", label=labels.pop(is_stable, None),
        )  # fmt: skip
    shown: set[str] = set()
    for point in branch.points:
        ax.plot(
            point.parameter, np.ravel(get(point.y, split(name)))[unit], _POINTS[point.kind],
            color="C3", linestyle="none", label=None if point.kind in shown else point.kind,
        )  # fmt: skip
        shown.add(point.kind)
    x_label = with_unit(branch.name, branch.units.get(branch.name, "1"))
    ax.set(
        xlabel=x_label if label is None else label,
        ylabel=with_unit(name, branch.units.get(name, "1")),
    )
    ax.legend(loc="best", fontsize="small")
    return ax


def _column(tree: Any, name: str, unit: int) -> np.ndarray:
    found = get(tree, split(name))
    if found is None or isinstance(found, dict):
        raise unknown("branch", name, leaf_paths(tree))
    return np.asarray(found).reshape(len(found), -1)[:, unit]
