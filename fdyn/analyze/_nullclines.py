"""Nullclines of a system with two variables."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array

from ..components import AbstractComponent, State
from ._field import Field, default_tolerance
from ._plane import field_on_grid, planar_field, swapped


class Nullclines(eqx.Module):
    """What `nullclines` returns.

    `x`: where the derivative of the first variable is zero, a list of polylines, each `[m, 2]` with
    columns in the order of `names`; `y`: the same for the second variable;
    `units`: of both.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = nullclines(MorrisLecar(1), {"v": (-80.0, 40.0), "w": (0.0, 1.0)}, inputs=100.0)
    >>> found.names, len(found.x), found.y[0].shape[1]
    (('v', 'w'), 1, 2)

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, section 4.1.1.
    """

    x: list[np.ndarray]
    y: list[np.ndarray]
    names: tuple[str, str] = eqx.field(static=True)
    units: tuple[str, str] = eqx.field(static=True, default=("1", "1"))


def nullclines(
    model: AbstractComponent,
    box: Mapping[str, tuple[float, float]],
    *,
    inputs: Any = None,
    n: int = 100,
    state: State | None = None,
) -> Nullclines:
    r"""The nullclines of a planar system: the curves where one derivative is zero.

    The edges of a grid on which the derivative changes its sign are searched for its root, and the
    roots are joined cell by cell (marching squares). So every point lies on the nullcline to the
    precision of the root finder; parts smaller than a cell are missed.

    **Arguments:** as for `field_on_grid`, with `n` points along each axis, 100.

    **Returns:** `Nullclines`, as polylines.

    **Raises:** as for `field_on_grid`.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = nullclines(MorrisLecar(1), {"v": (-80.0, 40.0), "w": (0.0, 1.0)}, inputs=100.0)
    >>> v, w = found.y[0].T  # w at its steady state
    >>> bool((abs(w - (1 + np.tanh((v - 2) / 30)) / 2) < 1e-4).all())
    True

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, section 4.1.1; marching
    squares, the plane case of Lorensen & Cline 1987, Comput. Graph. 21:163.
    """
    grid = field_on_grid(model, box, inputs=inputs, n=n, state=state)
    field = planar_field(model, box, inputs, state)
    swap = swapped(field, grid.names[0])
    curves = []
    for rate, component in ((grid.dx, int(swap)), (grid.dy, 1 - int(swap))):
        above = rate >= 0
        low, high, edges = _edges(grid.x, grid.y, above)
        if not len(low):
            curves.append([])
            continue
        # A power of two rows, so that other inputs find the program compiled.
        fill = np.arange(1 << (len(low) - 1).bit_length()) % len(low)
        ends = jnp.asarray(low[fill]), jnp.asarray(high[fill])
        points = np.asarray(_roots(field, *ends, component, swap))[: len(low)]
        curves.append([points[line] for line in _join(edges, above)])
    return Nullclines(curves[0], curves[1], grid.names, grid.units)


def _edges(x: np.ndarray, y: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict]:
    """Both ends `[k, 2]` of the edges on which the sign changes, and their numbers.

    An edge is known by (0 for horizontal or 1 for vertical, row, column) of its first end.
    """
    low, high, edges = [], [], {}
    for kind, changed in enumerate((above[:, 1:] != above[:, :-1], above[1:] != above[:-1])):
        for row, column in np.argwhere(changed):
            edges[kind, int(row), int(column)] = len(low)
            low.append((x[column], y[row]))
            high.append((x[column + (kind == 0)], y[row + (kind == 1)]))
    return np.array(low), np.array(high), edges


@eqx.filter_jit
def _roots(field: Field, low: Array, high: Array, component: int, swap: bool) -> Array:
    """Where along each edge, from `low` to `high` `[k, 2]`, the derivative is zero."""
    tol = default_tolerance()
    dtype = field.ravel().dtype

    def one(a: Array, b: Array) -> Array:
        def rate(s: Array, args: Field) -> Array:
            point = a + s * (b - a)
            return args(point[::-1] if swap else point)[component]

        found = optx.root_find(
            rate,
            optx.Bisection(rtol=tol, atol=tol),
            jnp.asarray(0.5, dtype),
            args=field,
            options={"lower": jnp.asarray(0.0, dtype), "upper": jnp.asarray(1.0, dtype)},
            throw=False,
        )
        return a + found.value * (b - a)

    return jax.vmap(one)(low.astype(dtype), high.astype(dtype))


def _join(edges: dict, above: np.ndarray) -> list[list[int]]:
    """The crossed edges in the order of the curves; a closed curve ends as it began."""
    links: list[list[int]] = [[] for _ in edges]
    rows, columns = above.shape
    for i in range(rows - 1):
        for j in range(columns - 1):
            around = ((0, i, j), (1, i, j + 1), (0, i + 1, j), (1, i, j))
            crossed = [edges[e] for e in around if e in edges]
            if len(crossed) == 4 and not above[i, j]:
                # Two curves pass: each cuts off one of the two corners that are below.
                crossed = [*crossed[1:], crossed[0]]
            for a, b in zip(crossed[::2], crossed[1::2], strict=True):
                links[a].append(b)
                links[b].append(a)
    curves, left = [], dict.fromkeys(range(len(links)))
    # Open curves begin where they leave the grid; what remains after them is closed.
    for start in sorted(left, key=lambda k: len(links[k])):
        if start not in left:
            continue
        line, here = [], start
        while here is not None:
            line.append(here)
            del left[here]
            here = next((k for k in links[here] if k in left), None)
        if start in links[line[-1]] and len(line) > 2:
            line.append(start)
        curves.append(line)
    return curves
