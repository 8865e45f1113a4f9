"""The linear part of a flow, leaf by leaf, for exponential integrators."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
from jax import Array
from jaxtyping import PyTree

from .._misc import nearest
from ..components._base import AbstractComponent, Affine, Args, vector_field
from ._jacobian import diagonal

Linear = Literal["affine", "diagonal"]
_KINDS = ("affine", "diagonal")


def check_linear(linear: Any) -> Any:
    """Field converter: where the linear part comes from."""
    if linear not in _KINDS:
        raise ValueError(
            f"'linear' must be 'affine' (what the flow itself names as linear) or 'diagonal' (the "
            f"diagonal of its Jacobian), got {linear!r}. {nearest(str(linear), _KINDS)}"
        )
    return linear


def linear_field() -> Any:
    """The field that says where the linear part comes from (static)."""
    return eqx.field(default="affine", static=True, converter=check_linear)


def rates_of(
    model: AbstractComponent, linear: Linear, args: Args
) -> Callable[[Array, PyTree], PyTree]:
    """The flow at `(t, y)`, each leaf an `Affine` in itself or a plain array.

    `"affine"` is what the model says; `"diagonal"` is the tangent at `y`, whose slope is the
    diagonal of the Jacobian, also where the units of a leaf are coupled.
    """
    if linear == "affine":
        return lambda t, y: model.flow(t, y, args)
    field = vector_field(model)

    def tangent(t: Array, y: PyTree) -> PyTree:
        slope = diagonal(lambda z: field(t, z, args), y)
        return jax.tree.map(lambda f, a, x: Affine(a, f - a * x), field(t, y, args), slope, y)

    return tangent
