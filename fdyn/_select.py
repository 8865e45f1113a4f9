"""Which leaves of a model a function `where` selects."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ._param import STATIC
from ._tree import path_str


class _Place:
    """Stands for the leaf with this number."""

    def __init__(self, number: int):
        self.number = number


def select(model: Any, where: Callable[[Any], Any]) -> tuple[int, ...]:
    """The numbers, in the order of `jax.tree.leaves`, of the floating arrays that `where` selects.

    `where` returns a leaf, a part of the model (all floating arrays in it), or a list of those.
    Numbers are hashable and equal for equal selections, so they can be static arguments of a
    compiled function where `where` itself, a new object each time, would compile anew.
    """
    leaves, treedef = jax.tree.flatten(model)
    found = where(jax.tree.unflatten(treedef, [_Place(i) for i in range(len(leaves))]))
    places = jax.tree.leaves(found)
    if not places or not all(isinstance(p, _Place) for p in places):
        static = any(isinstance(p, bool | int | float | str) for p in places)
        none = "A parameter that is None has no value and cannot be selected."
        raise ValueError(
            "'where' must select parameters of the model, such as `lambda m: m.tau`, or a list of "
            f"them; got {found!r}. {STATIC if static else none}"
        )
    numbers = dict.fromkeys(p.number for p in places)
    floating = tuple(i for i in numbers if eqx.is_inexact_array(leaves[i]))
    if not floating:
        raise ValueError(f"'where' selects no floating array, but {names(model, tuple(numbers))}.")
    return floating


def names(model: Any, numbers: tuple[int, ...]) -> list[str]:
    """The dotted paths of the leaves with these numbers."""
    paths = [path_str(k) for k, _ in jax.tree_util.tree_leaves_with_path(model)]
    return [paths[i] for i in numbers]


def put_leaves(model: Any, numbers: tuple[int, ...], values: list[Any]) -> Any:
    """A copy of the model with the leaves of these numbers replaced, unchecked."""
    leaves, treedef = jax.tree.flatten(model)
    for i, value in zip(numbers, values, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(treedef, leaves)
