"""The equations of an implicit step, solved by Newton's method block by block."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax import Array
from jaxtyping import PyTree

from ._jacobian import BlockLU, Structure, structure_of

# Newton's method doubles the digits: after a change of this size it is as exact as numbers are.
_TOLERANCE = {32: 1e-5, 64: 1e-8}
_MAX_ITERATIONS = 50
# Changes that are this small, in units of the tolerance, and shrink no more are rounding.
_ROUNDING = 100.0


class _State(eqx.Module):
    inner: Any
    previous: Array


class StepNewton(optx.AbstractRootFinder):
    """Newton's method that ends when its changes are below the tolerance.

    A test on the residual, which Newton's method of optimistix makes too, is out of place here:
    in a stiff equation the rounding of the residual is as large as the equation is stiff.
    """

    rtol: float
    atol: float
    norm: Callable[[PyTree], Array]
    linear_solver: lx.AbstractLinearSolver

    @property
    def newton(self) -> optx.Newton:
        """The iteration itself."""
        return optx.Newton(self.rtol, self.atol, self.norm, linear_solver=self.linear_solver)

    def init(
        self,
        fn: Any,
        y: PyTree,
        args: Any,
        options: dict,
        f_struct: Any,
        aux_struct: Any,
        tags: Any,
    ) -> _State:
        """Nothing has changed yet."""
        inner = self.newton.init(fn, y, args, options, f_struct, aux_struct, tags)
        return _State(inner, inner.diffsize)

    def step(
        self, fn: Any, y: PyTree, args: Any, options: dict, state: _State, tags: Any
    ) -> tuple[PyTree, _State, Any]:
        """One iteration."""
        y, inner, aux = self.newton.step(fn, y, args, options, state.inner, tags)
        return y, _State(inner, state.inner.diffsize), aux

    def terminate(
        self, fn: Any, y: PyTree, args: Any, options: dict, state: _State, tags: Any
    ) -> tuple[Array, optx.RESULTS]:
        """Whether the last change was small, or the iteration has left the finite numbers."""
        del fn, y, args, options, tags
        size = state.inner.diffsize
        stuck = (size < _ROUNDING) & (size > 0.5 * state.previous)
        lost = ~jnp.isfinite(size)
        first = state.inner.step == 0
        result = optx.RESULTS.where(
            lost & ~first, optx.RESULTS.nonlinear_divergence, optx.RESULTS.successful
        )
        return ((size < 1) | stuck | lost) & ~first, result

    def postprocess(
        self,
        fn: Any,
        y: PyTree,
        aux: Any,
        args: Any,
        options: dict,
        state: _State,
        tags: Any,
        result: optx.RESULTS,
    ) -> tuple[PyTree, Any, dict]:
        """Nothing to add."""
        return y, aux, {}


def solve_stage(
    f: Callable[[PyTree], PyTree],
    guess: PyTree,
    rhs: PyTree,
    weight: Any,
    structure: Structure | None = None,
    *,
    tol: float | None = None,
) -> PyTree:
    r"""The solution $z$ of $z - w f(z) = r$, by Newton's method on the blocks of `f`.

    **Arguments:** `f(z)`: a derivative, like `z`; `guess`: where to start; `rhs`: $r$, like `z`;
    `weight`: $w$, a number or a tree like `z` of arrays that broadcast to it; `structure`: that
    of `f`, found if not given; `tol`: change, as a part of 1 + |z| element by element, below
    which the iteration ends: 1e-8, and 1e-5 in single precision. Because the digits double, what
    is left is about its square.

    **Returns:** a tree like `guess`; NaN where no solution was found, so that a driver reports the
    time. Differentiable with respect to what `f` holds, `rhs` and `weight` (implicitly: memory
    and cost do not depend on the number of iterations).
    """
    leaves, treedef = jax.tree.flatten(guess)
    if not leaves:
        return guess
    if jax.tree.structure(weight) != treedef:
        weight = jax.tree.map(lambda _: weight, guess)
    structure = structure or structure_of(f, guess)
    if tol is None:
        tol = _TOLERANCE[min(64, max(jnp.finfo(x.dtype).bits for x in leaves))]

    def residual(z: PyTree, args: Any) -> PyTree:
        del args
        return jax.tree.map(lambda x, w, d, r: x - w * d - r, z, weight, f(z), rhs)

    linear = BlockLU(structure)
    solution = optx.root_find(
        residual,
        StepNewton(tol, tol, optx.max_norm, linear),
        jax.lax.stop_gradient(guess),
        max_steps=_MAX_ITERATIONS,
        adjoint=optx.ImplicitAdjoint(linear_solver=linear),
        throw=False,
    )
    ok = solution.result == optx.RESULTS.successful
    return jax.tree.map(lambda x: jnp.where(ok, x, jnp.nan), solution.value)
