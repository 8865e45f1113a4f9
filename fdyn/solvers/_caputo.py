"""The step that the methods for the Caputo derivative itself (L1, Grünwald-Letnikov) share."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._misc import exprel
from .._tree import leaf_paths
from ..components._base import AbstractComponent, Args, is_affine, vector_field
from ._base import require_no_noise
from ._fractional import (
    AbstractFractionalSolver,
    held_masks,
    steps_in,
    within,
)
from ._newton import solve_stage

# A run has fewer steps than this.
ANY_RUN = 2**31 - 1


class AbstractCaputoSolver(AbstractFractionalSolver):
    r"""A method of the form $y_{n+1} = r_n + c\,f$, where $r_n$ is what the past contributes.

    $f$ is $f(t_{n+1}, y_{n+1})$, found by Newton's method, or $f(t_n, y_n)$ where `implicit` is
    false. A leaf of order 1 has $r_n = y_n$, $c = \Delta t$, which is backward Euler or, where not
    implicit, exponential Euler (Euler for a derivative that is no `Affine`).
    """

    implicit: eqx.AbstractVar[bool]
    reset: eqx.AbstractVar[str]

    @abc.abstractmethod
    def recall(
        self, w: dict[str, Array], past: dict[str, Array], x: Array, n: Array, dt: Array
    ) -> tuple[dict[str, Array], Array]:
        """The memory with the state `x` of step `n`, and `r`."""

    @abc.abstractmethod
    def scale(self, alpha: Array, dt: Array) -> Array:
        """The factor `c` of the right-hand side."""

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """One step of the method."""
        del key
        require_no_noise(self, model, t, y, args)
        name = type(self).__name__
        memory = solver_state[name]
        leaves, treedef = jax.tree.flatten(y)
        paths, orders = leaf_paths(y), self.orders(y)
        past, rest, scales = dict(memory["past"]), [], []
        for path, x in zip(paths, leaves, strict=True):
            h = jnp.asarray(dt, jnp.finfo(x.dtype).dtype)
            if path not in orders:
                rest.append(x)
                scales.append(h)
                continue
            past[path], r = self.recall(memory["weights"][path], past[path], x, memory["step"], h)
            rest.append(r)
            scales.append(self.scale(orders[path], h))
        fractional = [p in orders for p in paths]
        new = self._solved(model, t, dt, y, args, rest, scales, fractional) if leaves else []
        masks = held_masks(model, y, args)
        for i, (path, x, mask) in enumerate(zip(paths, leaves, masks, strict=True)):
            new[i] = within(memory, new[i] if mask is None else jnp.where(mask, x, new[i]))
            if path in orders and self.reset == "clear":
                past[path] = {**past[path], "last": new[i]}
        memory = {**memory, "past": past, "step": memory["step"] + 1}
        return jax.tree.unflatten(treedef, new), {name: memory}

    def _solved(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        rest: list[Array],
        scales: list[Array],
        fractional: list[bool],
    ) -> list[Array]:
        leaves, treedef = jax.tree.flatten(y)
        if not self.implicit:
            rates = treedef.flatten_up_to(model.flow(t, y, args))
            return [
                _explicit(rate, x, r, c, is_fractional)
                for rate, x, r, c, is_fractional in zip(
                    rates, leaves, rest, scales, fractional, strict=True
                )
            ]
        field = vector_field(model)
        found = solve_stage(
            lambda z: field(t + dt, z, args),
            y,
            jax.tree.unflatten(treedef, rest),
            jax.tree.unflatten(treedef, scales),
        )
        return jax.tree.leaves(found)


def _explicit(rate: Any, x: Array, r: Array, c: Array, fractional: bool) -> Array:
    if not is_affine(rate):
        return r + c * rate
    return r + c * rate(x) if fractional else x + c * exprel(c * rate.a) * rate(x)


def rows_and_run(solver: Any, dt: float, run: int | None, window: float | None) -> tuple[int, int]:
    """Rows of a memory, and the longest run it serves, from the horizon, the window, or the run."""
    if window is not None:
        return steps_in(window, dt), ANY_RUN
    if solver.horizon is not None:
        rows = steps_in(solver.horizon, dt)
        return rows, rows
    if run is None:
        raise ValueError(
            f"{type(solver).__name__} keeps the full memory of a run, whose length is not known "
            "here. Give 'horizon', the length (ms) of the longest run; or use FastL1, whose "
            "memory does not grow."
        )
    return max(run, 1), max(run, 1)


def jumped(past: dict[str, Array], x: Array) -> Array:
    """Which elements the model has changed since the last step: those that it has reset."""
    return x != past["last"]
