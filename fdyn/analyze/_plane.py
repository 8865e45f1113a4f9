"""The vector field of a system with two variables, on a grid."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._network import unit_of
from .._tree import leaf_paths, split
from ..components import AbstractComponent, State
from ._field import Field, make_field


class FieldGrid(eqx.Module):
    """What `field_on_grid` returns.

    `x`: values of the first variable of the box, `[n]`; `y`: of the second, `[n]`; `dx`, `dy`:
    their derivatives, `[n, n]`, rows along `y`, per ms; `names` and `units`: of the two variables.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> grid = field_on_grid(MorrisLecar(1), {"w": (0.0, 1.0), "v": (-80.0, 40.0)}, n=3)
    >>> grid.names, grid.x.tolist(), bool((grid.dx[:, -1] < 0).all())
    (('w', 'v'), [0.0, 0.5, 1.0], True)

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, section 4.1.
    """

    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    names: tuple[str, str] = eqx.field(static=True)
    units: tuple[str, str] = eqx.field(static=True, default=("1", "1"))


def field_on_grid(
    model: AbstractComponent,
    box: Mapping[str, tuple[float, float]],
    *,
    inputs: Any = None,
    n: int = 20,
    state: State | None = None,
) -> FieldGrid:
    r"""The vector field of a planar system at the points of a grid.

    **Arguments:**

    - `model`: a component whose state is two numbers.
    - `box`: the range of each variable, `{"v": (-80.0, 40.0), "w": (0.0, 1.0)}`; the first is the
      horizontal one.
    - `inputs`: as for `simulate`, but constant in time.
    - `n`: points along each axis, 20.
    - `state`: `State` that stands in for the initial one.

    **Returns:** a `FieldGrid`.

    **Raises:** `ValueError` for a state of more or fewer than two numbers, or a box that does not
    name both.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> grid = field_on_grid(MorrisLecar(1), {"v": (-80.0, 40.0), "w": (0.0, 1.0)}, n=5)
    >>> grid.x.tolist(), grid.dx.shape
    ([-80.0, -50.0, -20.0, 10.0, 40.0], (5, 5))

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, section 4.1.
    """
    field = planar_field(model, box, inputs, state)
    if n < 2:
        raise ValueError(f"'n' must be at least 2, got {n}.")
    first, second = box
    x, y = (np.linspace(float(low), float(high), n) for low, high in box.values())
    dx, dy = evaluate(field, jnp.asarray(x), jnp.asarray(y), swapped(field, first))
    units = unit_of(model, split(first)), unit_of(model, split(second))
    return FieldGrid(x, y, np.asarray(dx), np.asarray(dy), (first, second), units)


def planar_field(model: Any, box: Mapping[str, Any], inputs: Any, state: State | None) -> Field:
    """The field of a model, which must have two variables, both named in the box."""
    field = make_field(model, inputs, state)
    paths = leaf_paths(field.state.y)
    if field.ravel().size != 2 or len(paths) != 2:
        raise ValueError(
            "a phase plane needs a state of two numbers, but the state here has "
            f"{field.ravel().size} in {paths}. Use a single unit of a model with two variables."
        )
    if sorted(box) != sorted(paths):
        raise ValueError(f"'box' must give a range for each of {paths}, got {sorted(box)}.")
    return field


def swapped(field: Field, first: str) -> bool:
    """Whether the horizontal variable comes second in the flat vector."""
    return leaf_paths(field.state.y)[0] != first


@eqx.filter_jit
def evaluate(field: Field, x: Array, y: Array, swap: bool) -> tuple[Array, Array]:
    """Both derivatives on the grid of `x` `[n]` and `y` `[m]`, each `[m, n]`."""
    grid = jnp.stack(jnp.meshgrid(x, y), axis=-1).astype(field.ravel().dtype)
    grid = grid[..., ::-1] if swap else grid
    rates = jax.vmap(jax.vmap(field))(grid)
    dx, dy = rates[..., 0], rates[..., 1]
    return (dy, dx) if swap else (dx, dy)
