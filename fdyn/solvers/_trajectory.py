"""What the solvers of plain equations return."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._misc import is_traced
from ._status import Status


class Trajectory(eqx.Module):
    """A solution of an equation at given times: what `solve_ode` and its kin return.

    `ts` are the times, `[rows]`, the first of them the start; `ys` is like the initial state, each
    leaf `[rows, ...]`. `status.ok` says whether the end was reached, and if not `status.message`
    when and why not; then only the rows before are there (inside of `jit`, all rows are). `stats`
    counts steps. Where the solver keeps an interpolant, `traj(t)` is the state at any time.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.solvers import solve_ode
    >>> traj = solve_ode(lambda t, y, args: -y, 1.0, jnp.array([0.0, 1.0, 2.0]))
    >>> [round(float(y), 4) for y in traj.ys], bool(traj.status.ok)
    ([1.0, 0.3679, 0.1353], True)

    ```

    **Source:** none; a convention of this library.
    """

    ts: Any
    ys: PyTree
    status: Status
    stats: dict[str, Any]
    interpolation: Any = None

    def __call__(self, t: Any) -> PyTree:
        return self.evaluate(t)

    def evaluate(self, t: Any) -> PyTree:
        """The state at the times `t`, `[...]`, within the interval of the solution.

        **Raises:** `ValueError` outside of it, and for a solution without dense output.
        """
        if self.interpolation is None:
            raise ValueError(
                "this solution has no dense output, only ys at ts: use an adaptive method with "
                "dense=True, or ask for more times."
            )
        t = jnp.asarray(t, self.interpolation.t0.dtype)
        low, high = self.interpolation.t0, self.interpolation.t1
        if not is_traced((t, low, high)) and bool(jnp.any((t < low) | (t > high) | jnp.isnan(t))):
            raise ValueError(
                f"the solution reaches from {float(low):g} to {float(high):g}; evaluate was asked "
                f"for {np.asarray(t).ravel()[:3].tolist()}."
            )
        return _evaluate(self.interpolation, t)


@eqx.filter_jit
def _evaluate(interpolation: Any, t: Any) -> PyTree:
    flat = jax.vmap(interpolation.evaluate)(t.reshape(-1))
    return jax.tree.map(lambda x: x.reshape((*t.shape, *x.shape[1:])), flat)


def no_rows(ts: Array, y0: PyTree, status: Status, stats: dict[str, Any]) -> Trajectory:
    """Of a run that could not even start."""
    return Trajectory(ts[:0], jax.tree.map(lambda y: y[None][:0], y0), status, stats)
