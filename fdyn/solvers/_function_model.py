"""A plain right-hand side as a component, so that one machinery serves both."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._tree import path_str
from ..components._base import AbstractComponent, Affine, Args, CommonNoise, State, is_affine


class FunctionModel(AbstractComponent):
    r"""The equation $dy = f(t, y)\,dt + g(t, y)\,dW$ of plain functions.

    **Arguments:** `f(t, y, args)`, or `f(t, y, args, hist)` where `delayed`: the derivative, like
    `y`, each leaf an array or an `Affine`; `y0`: the initial state; `args`: what `f` and `g` get,
    any tree (its arrays are parameters: traced and differentiable); `g(t, y, args)`: the noise
    coefficient, as the value of `AbstractComponent.diffusion`.
    """

    f: Callable[..., PyTree]
    y0: PyTree
    args: PyTree = None
    g: Callable[..., PyTree] | None = None
    delayed: bool = False

    def init(self, *, key: Array, dt: float) -> State:
        """The given state."""
        del key, dt
        return State(self.y0, ())

    def flow(self, t: Array, y: PyTree, args: Args) -> PyTree:
        """The value of `f`, checked to be like `y`."""
        value = self.f(t, y, self.args, args.hist) if self.delayed else self.f(t, y, self.args)
        _check_structure("f", value, y)
        return jax.tree_util.tree_map_with_path(
            lambda path, r, x: _like(path, r, x), value, y, is_leaf=is_affine
        )

    def jump(
        self, t: Array, y: PyTree, args: Args, *, dt: Array, key: Array
    ) -> tuple[PyTree, PyTree, PyTree]:
        """Nothing happens at an instant."""
        del t, dt, key
        return y, args.mem, {}

    def diffusion(self, t: Array, y: PyTree, args: Args) -> PyTree | None:
        """The value of `g`; a number stands for all elements of what it takes the place of."""
        del args
        if self.g is None:
            return None

        def spread(g: Any, part: PyTree) -> PyTree:
            if g is None or isinstance(g, CommonNoise):
                return g
            return jax.tree.map(lambda x: _broadcast("g", "", g, x), part)

        value = self.g(t, y, self.args)
        special = lambda g: g is None or isinstance(g, CommonNoise)  # noqa: E731
        try:
            return jax.tree.map(spread, value, y, is_leaf=special)
        except (ValueError, TypeError) as e:
            raise ValueError(
                "g(t, y, args) must return a tree like y (each leaf an array, None for no noise, "
                f"or CommonNoise): {e}"
            ) from e


def function_model(
    f: Callable[..., PyTree],
    y0: PyTree,
    args: PyTree = None,
    g: Callable[..., PyTree] | None = None,
    *,
    delayed: bool = False,
) -> FunctionModel:
    """A `FunctionModel` from what a user gives: numbers become arrays."""
    for name, fn in (("f", f), ("g", g)):
        if not callable(fn) and not (name == "g" and fn is None):
            raise ValueError(f"'{name}' must be a function of (t, y, args), got {fn!r}.")
    y = as_state(y0)
    return FunctionModel(f, y, as_args(args, y), g, delayed)


def as_state(y0: PyTree) -> PyTree:
    """An initial state as arrays of floating (or complex) numbers, strongly typed."""

    def leaf(path: Any, x: Any) -> Array:
        try:
            x = jnp.asarray(x)
        except TypeError as e:
            raise ValueError(f"y0{_where(path)} must be numbers, got {x!r}.") from e
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(jnp.result_type(float))
        return jnp.asarray(x, x.dtype)

    y = jax.tree_util.tree_map_with_path(leaf, y0)
    if not jax.tree.leaves(y):
        raise ValueError(f"y0 must hold at least one number, got {y0!r}.")
    return y


def as_args(args: PyTree, y: PyTree) -> PyTree:
    """Parameters as arrays, so that another value is no other program; whole numbers stay."""
    dtype = real_dtype(y)

    def leaf(x: Any) -> Any:
        if isinstance(x, float | np.floating):
            return jnp.asarray(x, dtype)
        return jnp.array(x) if isinstance(x, np.ndarray | np.generic | complex) else x

    return jax.tree.map(leaf, args)


def real_dtype(y: PyTree) -> Any:
    """The precision in which times are counted: that of the state."""
    return jnp.finfo(jnp.result_type(*jax.tree.leaves(y))).dtype


def _where(path: Any) -> str:
    return f", leaf {path_str(path)!r}," if path else ""


def _check_structure(name: str, value: PyTree, y: PyTree) -> None:
    got, needed = jax.tree.structure(value, is_leaf=is_affine), jax.tree.structure(y)
    if got != needed:
        hint = ""
        if needed.num_nodes == 1 and isinstance(value, list | tuple):
            hint = (
                " Join the parts with jnp.stack([...]), or start from y0 = [...], a list of "
                "variables."
            )
        raise ValueError(
            f"{name}(t, y, args) must return a tree like y, which is {needed}; it returned "
            f"{got}.{hint}"
        )


def _like(path: Any, rate: Any, x: Array) -> Any:
    if is_affine(rate):
        return Affine(_broadcast("f", path, rate.a, x), _broadcast("f", path, rate.b, x))
    return _broadcast("f", path, rate, x)


def _broadcast(name: str, path: Any, value: Any, x: Array) -> Array:
    where = f"{name}(t, y, args){_where(path)}"
    if not isinstance(value, Array | np.ndarray | np.generic | int | float | complex):
        raise ValueError(f"{where} must return numbers like y, got {value!r}.")
    if jnp.iscomplexobj(value) and not jnp.iscomplexobj(x):
        raise ValueError(
            f"{where} is complex, but y is real ({x.dtype}): start from a complex y0, or return "
            "the real part."
        )
    array = value if isinstance(value, Array) else jnp.asarray(value, x.dtype)
    if not array.weak_type and array.dtype != x.dtype:
        raise ValueError(
            f"{where} has dtype {array.dtype}, but y has {x.dtype}: start from a y0 of the dtype "
            "that the function computes in, or cast what it returns."
        )
    try:
        return jnp.broadcast_to(array, x.shape).astype(x.dtype)
    except ValueError as e:
        raise ValueError(f"{where} has shape {array.shape}, but y has {x.shape}.") from e
