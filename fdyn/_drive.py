"""What a driver feeds into a model: constants, arrays over time, functions, components."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from . import _tree
from ._misc import is_quantity, is_traced
from ._network import Network, find
from .components import (
    AbstractComponent,
    AbstractInput,
    AbstractPopulation,
    Affine,
    Args,
    State,
)
from .solvers import ExponentialEuler


class AbstractDrive(eqx.Module):
    """One entry of `inputs=`, in the form in which the compiled loop reads it."""

    size: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def value(
        self, t: Array, i: Array, state: State, dt: Array, key: Array
    ) -> tuple[PyTree, State]:
        """The input at time `t`, the `i`-th step of the chunk, and the new state of the drive."""


class Constant(AbstractDrive):
    """A scalar, or an `Affine`, that does not change."""

    u: PyTree
    size: int | None = eqx.field(static=True)

    def value(
        self, t: Array, i: Array, state: State, dt: Array, key: Array
    ) -> tuple[PyTree, State]:
        """Itself."""
        return self.u, state


class Series(AbstractDrive):
    """One row per step."""

    rows: Any
    size: int | None = eqx.field(static=True)

    def value(
        self, t: Array, i: Array, state: State, dt: Array, key: Array
    ) -> tuple[PyTree, State]:
        """The row of this step."""
        return self.rows[i], state

    def chunk(self, start: int, n: int, capacity: int) -> "Series":
        """The rows of a chunk, padded to the length for which the loop is compiled."""
        rows = np.zeros((capacity, *self.rows.shape[1:]), self.rows.dtype)
        rows[:n] = self.rows[start : start + n]
        return Series(rows=jnp.asarray(rows), size=self.size)


class Function(AbstractDrive):
    """A function of time (ms)."""

    fn: Any
    size: int | None = eqx.field(static=True)

    def value(
        self, t: Array, i: Array, state: State, dt: Array, key: Array
    ) -> tuple[PyTree, State]:
        """Its value at `t`."""
        u = self.fn(t)
        if not isinstance(u, Affine):
            u = jnp.asarray(u, dtype=jnp.result_type(float))
            check_shape(u.shape, self.size, f"the value of the input function {self.fn!r}")
        return u, state


class Component(AbstractDrive):
    """A component without input of its own; its single output is the input."""

    component: AbstractPopulation
    size: int | None = eqx.field(static=True)
    # An input is constant within a step, so a method of higher order would gain nothing; this one
    # takes noise and keeps no memory, whatever the model is solved with.
    solver: ClassVar[ExponentialEuler] = ExponentialEuler()

    def value(
        self, t: Array, i: Array, state: State, dt: Array, key: Array
    ) -> tuple[PyTree, State]:
        """Its output at `t`; its own flow then goes on to the end of the step."""
        jump_key, noise_key = jax.random.split(key)
        y, mem, out = self.component.jump(t, state.y, Args(state.mem), dt=dt, key=jump_key)
        if len(out) != 1:
            raise ValueError(
                f"a component in 'inputs' must have one output, {type(self.component).__name__} "
                f"has {sorted(out)}. Make it a node of a network, with a projection."
            )
        (u,) = out.values()
        check_shape(u.shape, self.size, f"the output of {type(self.component).__name__}")
        y, _ = self.solver.step(self.component, t, dt, y, Args(mem), (), noise_key)
        return u, State(y, mem)


def check_shape(shape: tuple[int, ...], size: int | None, what: str) -> None:
    """An input is one number for all units, or one for each."""
    if shape not in ((), (size,)):
        raise ValueError(
            f"{what} must be a scalar or have shape ({size},), one entry per unit (or input); "
            f"got shape {tuple(shape)}."
        )


def make_drives(
    model: AbstractComponent, inputs: Any, n_steps: int | None
) -> dict[str, AbstractDrive]:
    """The entries of `inputs=` by path; the empty path for a model that is no network.

    `n_steps` is the length that arrays over time must have; `None` where there is no time grid.
    """
    if inputs is None:
        return {}
    if not isinstance(model, Network):
        if isinstance(inputs, dict):
            raise ValueError(
                f"'inputs' of a single {type(model).__name__} is the input itself, not a "
                "dictionary; paths are for networks."
            )
        return {"": _make_drive(model, inputs, "'inputs'", n_steps)}
    if not isinstance(inputs, dict):
        raise ValueError(
            "'inputs' of a network is a dictionary from path to input, for example "
            f"{{{next(iter(model.nodes))!r}: 1.0}}; got {type(inputs).__name__}."
        )
    drives = {}
    for path, value in inputs.items():
        node, rest = find(model, path, "inputs")
        if rest or isinstance(node, Network):
            raise ValueError(
                f"inputs: {path!r} must be the path of a component that takes an input, "
                f"not of {'a network' if not rest else 'a part of ' + type(node).__name__}."
            )
        drives[path] = _make_drive(node, value, f"inputs[{path!r}]", n_steps)
    return drives


def _make_drive(
    node: AbstractComponent, value: Any, what: str, n_steps: int | None
) -> AbstractDrive:
    if isinstance(node, AbstractInput):
        raise ValueError(f"{what}: a {type(node).__name__} takes no input.")
    if value is None or isinstance(value, type):
        given = "None; leave it out" if value is None else f"the class {value.__name__}; call it"
        raise ValueError(f"{what} must be an input, got {given}.")
    # A cell has as many inputs as it says, every other population one for each unit.
    size = getattr(node, "n_in", getattr(node, "size", None))
    if isinstance(value, AbstractPopulation):
        if size is not None and value.size != size:
            raise ValueError(
                f"{what}: the {type(value).__name__} must have one unit per "
                f"{'input' if hasattr(node, 'n_in') else 'unit'} of the "
                f"{type(node).__name__}, {size}; it has {value.size}."
            )
        return Component(component=value, size=size)
    if isinstance(value, AbstractComponent):
        raise ValueError(
            f"{what}: a component given as input must be an AbstractPopulation, with a 'size' and "
            f"one output of shape [size]; got {type(value).__name__}."
        )
    if isinstance(value, Affine):
        return Constant(u=jax.tree.map(jnp.asarray, value), size=size)
    if callable(value):
        return Function(fn=value, size=size)
    if is_quantity(value):
        raise ValueError(
            f"{what} takes a plain number in the unit of that input (see the component), since "
            f"inputs carry no unit; got {value!r}."
        )
    traced = is_traced(value)
    try:
        array = value if traced else np.asarray(value, dtype=jnp.result_type(float))
    except (TypeError, ValueError) as e:
        raise ValueError(
            f"{what} must be a number, an array over time, a function of time, or a component; "
            f"got {type(value).__name__}."
        ) from e
    if not traced and not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{what} must be finite, got {array[tuple(where)]} at index {where}.")
    if array.ndim == 0:
        return Constant(u=jnp.asarray(array), size=size)
    if n_steps is None:
        raise ValueError(
            f"{what}: an array over time needs a time grid; give a function of time "
            "(for example an interpolation) to an adaptive solve."
        )
    if array.shape[0] != n_steps:
        raise ValueError(
            f"{what} is an array over time and must have one row per step, {n_steps}; got shape "
            f"{array.shape}. For one constant per unit, use fdyn.components.ConstantInput."
        )
    check_shape(array.shape[1:], size, f"each row of {what}")
    return Series(rows=array, size=size)


def add_drive(u: PyTree, path: str, value: PyTree) -> PyTree:
    """The input tree of the model with the value of one drive in its place."""
    return value if path == "" else _tree.put(u or {}, _tree.split(path), value)
