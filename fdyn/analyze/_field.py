"""The vector field of a model as a function of one flat vector and of one parameter."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from .. import _drive as drv
from .._misc import nearest
from .._select import select
from .._tree import leaf_paths
from ..components import (
    AbstractComponent,
    AbstractHistory,
    Args,
    ConstantHistory,
    ConstantInput,
    State,
    vector_field,
)
from ..components._history import Asked, AskedHistory


class Field(eqx.Module):
    """A model with all that its flow needs but the state and the one parameter that varies.

    `leaf`: number of the leaf of the model that varies, or `path`: of the input that does.
    """

    model: AbstractComponent
    state: State
    u: PyTree
    leaf: int | None = eqx.field(static=True, default=None)
    path: str | None = eqx.field(static=True, default=None)

    def ravel(self) -> Array:
        """The state as one vector `[d]`."""
        return ravel_pytree(self.state.y)[0]

    def unravel(self, y: Array) -> PyTree:
        """A vector `[d]` as a state."""
        return ravel_pytree(self.state.y)[1](y)

    def __call__(self, y: Array, p: Array | None = None) -> Array:
        """The derivative at the state `y`, `[d]`, and the value `p` of what varies.

        The past is taken to be the same as the present, as it is at an equilibrium.
        """
        return self.rate(y, p, ConstantHistory(self.unravel(y)))

    def rate(self, y: Array, p: Array | None, hist: AbstractHistory) -> Array:
        """The derivative at the state `y`, `[d]`, with this past."""
        model, u = self.model, self.u
        if self.leaf is not None and p is not None:
            leaves, treedef = jax.tree.flatten(model)
            leaves[self.leaf] = jnp.broadcast_to(p, leaves[self.leaf].shape)
            model = jax.tree.unflatten(treedef, leaves)
        elif self.path is not None:
            u = drv.add_drive(u, self.path, p)
        t = jnp.zeros((), y.dtype)
        rate = vector_field(model)(t, self.unravel(y), Args(self.state.mem, u, hist=hist))
        return ravel_pytree(rate)[0]

    def lags(self, y: Array, p: Array | None = None) -> tuple[list[Any], bool]:
        """The delays that the flow asks for at the state `y`, and whether of derivatives."""
        asked = Asked()
        self.rate(y, p, AskedHistory(self.unravel(y), asked))
        return asked.lags, asked.neutral

    @eqx.filter_jit
    def delayed(self, y: Array, p: Array | None = None) -> Array:
        """Whether the flow asks for the past; found out once per structure."""
        return jnp.array(bool(self.lags(y, p)[0]))

    def jacobian(self, y: Array, p: Array | None = None) -> Array:
        """The matrix of derivatives at `y`, `[d, d]`."""
        return jax.jacfwd(self)(y, p)


def make_field(
    model: AbstractComponent,
    inputs: Any,
    state: State | None,
    where: Callable[[Any], Any] | None = None,
    path: str | None = None,
) -> Field:
    """The field of a model with constant inputs; what varies is `where`, or the input at `path`."""
    if state is None:
        # Nothing here depends on dt, which only sizes delay rings, or on the key but start values.
        state = model.init(key=jax.random.key(0), dt=0.1)
    if not jax.tree.leaves(state.y):
        raise ValueError(f"{type(model).__name__} has no flow: there is nothing to analyse.")
    leaf = None
    if where is not None:
        chosen = select(model, where)
        if len(chosen) != 1:
            raise ValueError(f"'where' must select one parameter, got {len(chosen)}.")
        (leaf,) = chosen
    elif path is not None:
        given = drv.make_drives(model, 0.0 if path == "" else {path: 0.0}, None)
        del given  # made only for its checks of the path
    u = None
    for name, drive in sorted(drv.make_drives(model, inputs, None).items()):
        if name == path and where is None:
            raise ValueError(f"the input at {path!r} varies, so it cannot be in 'inputs' as well.")
        u = drv.add_drive(u, name, _constant(name, drive))
    return Field(model, state, u, leaf, None if where is not None else path)


def _constant(name: str, drive: Any) -> PyTree:
    if isinstance(drive, drv.Constant):
        return drive.u
    component = getattr(drive, "component", None)
    if isinstance(component, ConstantInput):
        return component(0.0)
    raise ValueError(
        f"inputs[{name!r}] must be constant in time, since an equilibrium is: a number, or "
        "fdyn.components.ConstantInput for one number per unit."
    )


def state_index(field: Field, name: str, what: str) -> tuple[int, int]:
    """Where the variable with this path lies in the flat vector, as (start, end)."""
    paths = leaf_paths(field.state.y)
    if name not in paths:
        raise ValueError(f"{what}: there is no {name!r}. {nearest(name, paths)}")
    sizes = [x.size for x in jax.tree.leaves(field.state.y)]
    start = sum(sizes[: paths.index(name)])
    return start, start + sizes[paths.index(name)]


def default_tolerance() -> float:
    """Relative and absolute tolerance of roots in the default precision."""
    return float(jnp.finfo(jnp.result_type(float)).eps) ** (2 / 3)
