"""The equations of the stages of an adaptive implicit step: where diffrax's iteration may end."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax import Array
from jaxtyping import PyTree

# Roundings of a state that its derivative, a sum of terms, may be wrong by.
_ROUNDINGS = 8.0


class StageChord(optx.AbstractRootFinder):
    """`diffrax.VeryChord` that also ends where its changes of the state are rounding.

    Of such changes `diffrax.VeryChord` finds that they shrink no more, and gives the step up; with
    the tolerances of single precision it does so however small the step is.
    """

    rtol: Any
    atol: Any
    norm: Any
    kappa: float
    linear_solver: lx.AbstractLinearSolver

    @property
    def chord(self) -> diffrax.VeryChord:
        """The iteration itself."""
        return diffrax.VeryChord(self.rtol, self.atol, self.norm, self.kappa, self.linear_solver)

    def init(
        self,
        fn: Any,
        y: PyTree,
        args: Any,
        options: dict,
        f_struct: Any,
        aux_struct: Any,
        tags: Any,
    ) -> Any:
        """That of the iteration."""
        return self.chord.init(fn, y, args, options, f_struct, aux_struct, tags)

    def step(
        self, fn: Any, y: PyTree, args: Any, options: dict, state: Any, tags: Any
    ) -> tuple[PyTree, Any, Any]:
        """One iteration."""
        return self.chord.step(fn, y, args, options, state, tags)

    def terminate(
        self, fn: Any, y: PyTree, args: Any, options: dict, state: Any, tags: Any
    ) -> tuple[Array, optx.RESULTS]:
        """As the iteration does, or where no digit is left to gain."""
        done, result = self.chord.terminate(fn, y, args, options, state, tags)
        settled = (state.step >= 2) & (state.result == optx.RESULTS.successful)
        # A complex state has a real step.
        with jax.numpy_dtype_promotion("standard"):
            settled = settled & _settled(y, state.diff, args, self.atol * self.kappa, self.norm)
        return done | settled, optx.RESULTS.where(settled, optx.RESULTS.successful, result)

    def postprocess(
        self,
        fn: Any,
        y: PyTree,
        aux: Any,
        args: Any,
        options: dict,
        state: Any,
        tags: Any,
        result: optx.RESULTS,
    ) -> tuple[PyTree, Any, dict]:
        """Nothing to add."""
        return y, aux, {}


def _settled(
    z: PyTree, change: PyTree, args: Any, floor: Any, norm: Callable[[PyTree], Array]
) -> Array:
    """Whether a change of the unknown `z` of a stage is rounding in the state of that stage.

    The unknown of diffrax is a derivative, or one times the step. Its own size says nothing: a
    derivative near zero is a difference of large numbers.
    """
    if len(args) == 8:
        _, diagonal, _, prod, _, start, _, control = args
        moved = lambda z: jax.tree.map(lambda x: diagonal * x, prod(z, control))  # noqa: E731
    else:
        _, diagonal, _, _, start, _, _ = args
        moved = lambda z: jax.tree.map(lambda x: diagonal * x, z)  # noqa: E731

    def size(d: Array, a: Array, b: Array) -> Array:
        scale = jnp.maximum(jnp.abs(a), jnp.abs(a + b))
        return jnp.abs(d) / (floor + _ROUNDINGS * jnp.finfo(d.dtype).eps * scale)

    return norm(jax.tree.map(size, moved(change), start, moved(z))) < 1


def settling(solver: Any) -> Any:
    """A solver of diffrax whose root finder, where it is the usual one, knows of rounding."""
    finder: Any = getattr(solver, "root_finder", None)
    if not (
        isinstance(solver, diffrax.AbstractRungeKutta) and isinstance(finder, diffrax.VeryChord)
    ):
        return solver
    # What a step size controller is to fill in is a mark, neither number nor function.
    if any(callable(x) or eqx.is_array_like(x) for x in (finder.rtol, finder.atol, finder.norm)):
        return solver
    new = StageChord(finder.rtol, finder.atol, finder.norm, finder.kappa, finder.linear_solver)
    return eqx.tree_at(lambda s: s.root_finder, solver, new)
