"""What trains, and how it stays within its bounds."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import PyTree

from .._param import parameters
from .._select import names, select
from .._tree import path_str
from ..sparse import FractionalDelay


def trainable(model: Any, where: Callable[[Any], Any]) -> PyTree:
    """Which leaves of a model train, as a filter for `equinox.partition`.

    **Arguments:** `model`: any pytree of modules; `where`: function from the model to a parameter,
    to a part of the model (all floating arrays in it), or to a list of those.

    **Returns:** a pytree like `model` with `True` at those leaves and `False` elsewhere.

    **Raises:** `ValueError` where something else is selected.

    ```python
    >>> import equinox as eqx
    >>> from fdyn.components import LIF
    >>> params, rest = eqx.partition(LIF(10), trainable(LIF(10), lambda m: [m.tau, m.v_th]))
    >>> params.tau.item(), params.r, rest.tau, rest.r.item()
    (20.0, None, None, 1.0)

    ```

    **Source:** none; the filtered transformations of equinox.
    """
    chosen = set(select(model, where))
    leaves, treedef = jax.tree.flatten(model)
    return jax.tree.unflatten(treedef, [i in chosen for i in range(len(leaves))])


Bound = str | tuple[float, float]


def bounds_of(model: Any, numbers: tuple[int, ...]) -> tuple[Bound, ...]:
    """The bound of each of these leaves: as declared, or an interval for delays."""
    declared: dict[str, Bound] = {
        path: getattr(f.metadata.get("converter"), "bound", "any")
        for path, f, _ in parameters(model)
    }
    nodes, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=_is_delay)
    for path, node in nodes:
        if _is_delay(node):
            path = path_str((*path, jax.tree_util.GetAttrKey("values")))
            declared[path] = (0.0, node.maximum)
    return tuple(declared.get(path, "any") for path in names(model, numbers))


def _is_delay(node: Any) -> bool:
    return isinstance(node, FractionalDelay)


def to_free(values: list[Array], bounds: tuple[Bound, ...]) -> list[Array]:
    """Parameters as the numbers that an optimiser sees: the logarithm of positive ones."""
    return [jnp.log(x) if b == "positive" else x for x, b in zip(values, bounds, strict=True)]


def from_free(free: list[Array], bounds: tuple[Bound, ...]) -> list[Array]:
    """The inverse of `to_free`."""
    return [jnp.exp(z) if b == "positive" else z for z, b in zip(free, bounds, strict=True)]


def project(free: list[Array], bounds: tuple[Bound, ...]) -> list[Array]:
    """Back onto the bounds after an update."""
    return [_project(z, b) for z, b in zip(free, bounds, strict=True)]


def _project(z: Array, bound: Bound) -> Any:
    if isinstance(bound, tuple):
        return optax.projections.projection_box(z, *bound)
    return optax.projections.projection_non_negative(z) if bound == "non-negative" else z
