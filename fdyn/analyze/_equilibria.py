"""Equilibria: where the flow stands still."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from .._record import Status
from ..components import AbstractComponent, State
from ._characteristic import longest_lag, roots_at
from ._field import Field, default_tolerance, make_field, state_index
from ._stability import classify, sorted_eigenvalues


class Equilibria(eqx.Module):
    """What `equilibria` returns: one row per equilibrium, in the order of the flat state vector.

    `y`: like the state, each leaf `[k, ...]`; `eigenvalues`: of the Jacobian, `[k, d]`, 1/ms, the
    largest real part first (of a flow with delays the rightmost characteristic roots, at least 4);
    `kinds`: as `classify` names them; `residuals`: the largest absolute derivative that is left,
    `[k]`; `attempts` and `converged`: how many guesses there were, and how many of them led to one
    of these; `status`.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = equilibria(MorrisLecar(1))
    >>> len(found), found.stable.tolist(), found.attempts
    (1, [True], 1)

    ```

    **Source:** Strogatz 2015, Nonlinear Dynamics and Chaos, section 6.3.
    """

    y: PyTree
    eigenvalues: np.ndarray
    kinds: tuple[str, ...] = eqx.field(static=True)
    residuals: np.ndarray
    attempts: int = eqx.field(static=True)
    converged: int = eqx.field(static=True)
    status: Status

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def stable(self) -> np.ndarray:
        """Which are asymptotically stable, `[k]`."""
        return np.array([kind.startswith("stable") for kind in self.kinds], dtype=bool)


@eqx.filter_jit
def find_roots(
    field: Field, guesses: Array, p: Array | None, solver: Any, max_steps: int
) -> tuple[Array, Array, Array]:
    """From each guess `[k, d]`: where the solver ended, and derivative and Jacobian there."""

    def one(guess: Array) -> tuple[Array, Array, Array]:
        found = optx.root_find(
            lambda y, args: args(y, p), solver, guess, args=field, max_steps=max_steps, throw=False
        )
        return found.value, field(found.value, p), field.jacobian(found.value, p)

    return jax.vmap(one)(guesses)


def robust_roots(
    field: Field, guesses: Array, p: Array | None, tol: float, max_steps: int
) -> tuple[Array, Array, Array]:
    """`find_roots` by Newton's method or, where that leads nowhere, by the dogleg method."""
    # Newton first: it compiles in a third of the time, and is the surer one near a root.
    found = find_roots(field, guesses, p, optx.Newton(rtol=tol, atol=tol), max_steps)
    if bool(jnp.any(jnp.max(jnp.abs(found[1]), axis=1) <= tol)):
        return found
    return find_roots(field, guesses, p, optx.Dogleg(rtol=tol, atol=tol), max_steps)


def equilibria(
    model: AbstractComponent,
    *,
    inputs: Any = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    guesses: PyTree = None,
    n_guesses: int = 64,
    key: Array | None = None,
    state: State | None = None,
    solver: Any = None,
    tol: float | None = None,
    max_steps: int = 256,
    throw: bool = True,
) -> Equilibria:
    r"""The equilibria of the flow, $f(y^*) = 0$, found from many guesses at once.

    All that a component does at an instant (thresholds, resets, arrivals) is left out: these are
    the equilibria between jumps. In a flow with delays the past is the equilibrium too, and
    stability is that of its characteristic roots.

    **Arguments:**

    - `model`: any component with a flow.
    - `inputs`: as for `simulate`, but constant in time.
    - `box`: ranges from which guesses are drawn (a Latin hypercube), `{"v": (-80.0, 40.0)}`; what
      is not in it starts at the initial state. A root may lie outside of it.
    - `guesses`: instead of a box: a pytree like the state with one more axis in front. With
      neither, the initial state is the only guess.
    - `n_guesses`: how many to draw, 64; `key`: random key of the draw, `jax.random.key(0)`.
    - `state`: `State` that stands in for the initial state of the model.
    - `solver`: of optimistix; by default `optimistix.Newton`, and where no guess converges with
      it, `optimistix.Dogleg`.
    - `tol`: relative and absolute tolerance of the default solvers, and the largest derivative
      (in the units of the state per ms) at which a root counts; 3.7e-11, in single precision
      2.4e-5. `max_steps`: of the solver, 256.
    - `throw`: raise where no guess converges; otherwise the result is empty and says so.

    **Returns:** `Equilibria`. That every root was found is never certain: use more guesses.

    **Raises:** `ValueError` for unknown variables, inputs that vary in time, or a model without
    flow; `RuntimeError` where no guess converges.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = equilibria(MorrisLecar(1), inputs=100.0, box={"v": (-70.0, 40.0)})
    >>> found.kinds, f"{found.y['v'].item():.2f} mV"
    (('unstable focus',), '-23.09 mV')

    ```

    **Source:** the dogleg method, Powell 1970, in Numerical Methods for Nonlinear Algebraic
    Equations, ch. 6; Latin hypercube sampling, McKay, Beckman & Conover 1979, Technometrics 21:239.
    """
    tol = default_tolerance() if tol is None else tol
    field = make_field(model, inputs, state)
    if box is not None and guesses is not None:
        raise ValueError("give 'box' or 'guesses', not both.")
    if box is not None:
        key = jax.random.key(0) if key is None else key
        starts = _draw(field, box, n_guesses, key)
    elif guesses is not None:
        starts = _stack(field, guesses)
    else:
        starts = field.ravel()[None]
    if solver is None:
        found = robust_roots(field, starts, None, tol, max_steps)
    else:
        found = find_roots(field, starts, None, solver, max_steps)
    y, rate, jac = map(np.asarray, found)
    residual = np.abs(rate).max(axis=1)
    good = np.isfinite(y).all(axis=1) & (residual <= tol)
    status = Status(True)
    if not good.any():
        status = Status(
            False,
            message=f"none of {len(y)} guesses led to an equilibrium: the smallest derivative left "
            f"was {np.nanmin(residual):.3g}, wanted {tol:.3g}. Give a 'box' in which an "
            "equilibrium is to be expected, or more guesses.",
        )
        if throw:
            raise RuntimeError(status.message)
    keep = np.flatnonzero(good)[_distinct(y[good], np.sqrt(tol))]
    values = sorted_eigenvalues(jac[keep])
    if keep.size and field.delayed(jnp.asarray(y[keep[0]])):
        values = np.stack([_rightmost(field, jnp.asarray(x), tol) for x in y[keep]])
    return Equilibria(
        jax.vmap(field.unravel)(jnp.asarray(y[keep])),
        values,
        tuple(classify(v) for v in values),
        residual[keep],
        len(y),
        int(good.sum()),
        status,
    )


def _rightmost(field: Field, y: Array, tol: float) -> np.ndarray:
    """The characteristic roots that decide about stability where there are delays."""
    return roots_at(field, y, None, max(y.size, 4), longest_lag(field, y, None, None), tol)[0]


def _draw(field: Field, box: Mapping[str, tuple[float, float]], n: int, key: Array) -> Array:
    starts = jnp.tile(field.ravel(), (n, 1))
    for name, (low, high) in sorted(box.items()):
        a, b = state_index(field, name, "box")
        for column in range(a, b):
            key, order, place = jax.random.split(key, 3)
            cell = jax.random.permutation(order, jnp.arange(n, dtype=starts.dtype))
            x = (cell + jax.random.uniform(place, (n,), starts.dtype)) / n
            starts = starts.at[:, column].set(low + (high - low) * x)
    return starts


def _stack(field: Field, guesses: PyTree) -> Array:
    want = jax.tree.map(jnp.shape, field.state.y)
    got = jax.tree.map(lambda x: jnp.shape(x)[1:], guesses)
    if jax.tree.structure(guesses) != jax.tree.structure(field.state.y) or want != got:
        raise ValueError(
            f"'guesses' must be like the state, {want}, with one more axis in front; got {got}."
        )
    like = field.ravel().dtype
    return jax.vmap(lambda g: ravel_pytree(g)[0])(
        jax.tree.map(lambda x: jnp.asarray(x, like), guesses)
    )


def _distinct(y: np.ndarray, tol: float) -> list[int]:
    """The rows that differ from each other by more than `tol`, in the order of the vectors."""
    kept: list[int] = []
    for i in np.lexsort(y.T[::-1]):
        near = (np.abs(y[i] - y[k]) <= tol * (1 + np.abs(y[k])) for k in kept)
        if not any(x.all() for x in near):
            kept.append(int(i))
    return kept
