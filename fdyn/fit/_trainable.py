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


def bounds_of(model: Any, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """The declared bound of each of these leaves."""
    declared = {
        path: getattr(f.metadata.get("converter"), "bound", "any")
        for path, f, _ in parameters(model)
    }
    return tuple(declared.get(path, "any") for path in names(model, numbers))


def to_free(values: list[Array], bounds: tuple[str, ...]) -> list[Array]:
    """Parameters as the numbers that an optimiser sees: the logarithm of positive ones."""
    return [jnp.log(x) if b == "positive" else x for x, b in zip(values, bounds, strict=True)]


def from_free(free: list[Array], bounds: tuple[str, ...]) -> list[Array]:
    """The inverse of `to_free`."""
    return [jnp.exp(z) if b == "positive" else z for z, b in zip(free, bounds, strict=True)]


def project(free: list[Array], bounds: tuple[str, ...]) -> list[Array]:
    """Back onto the bounds after an update."""
    return [
        optax.projections.projection_non_negative(z) if b == "non-negative" else z
        for z, b in zip(free, bounds, strict=True)
    ]
