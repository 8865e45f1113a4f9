"""What `solve` returns."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from . import _tree
from ._misc import is_traced
from ._network import paths_of
from ._record import SpikeTrains, check_single
from .solvers._status import Status


class Dense(eqx.Module):
    """The interpolants of all solver steps, one after the other.

    `start`, `end`: of the steps, ms, padded with infinity; `infos`: what the interpolation of the
    solver needs, one row per step. A step that was cut off by an event ends at the next start.
    """

    start: Array
    end: Array
    infos: PyTree
    interpolation: Any = eqx.field(static=True)

    @eqx.filter_jit
    def evaluate(self, t: Array) -> PyTree:
        """The state at the times `t`, `[...]`."""

        def one(t: Array) -> PyTree:
            k = jnp.searchsorted(self.start, t, side="right") - 1
            infos = jax.tree.map(lambda x: x[k], self.infos)
            return self.interpolation(t0=self.start[k], t1=self.end[k], **infos).evaluate(t)

        flat = jax.vmap(one)(t.reshape(-1))
        return jax.tree.map(lambda x: x.reshape((*t.shape, *x.shape[1:])), flat)


class Solution(eqx.Module):
    """What `solve` returns.

    `sol.ts` are the times asked for (ms) and `sol["E.v"]` the state variable there, `[rows, ...]`,
    right after the jump where one falls on such a time; `sol.unit(name)` is its unit.
    `sol.spikes("E.spike")` are the spikes as times and indices, `sol.spike_times("E.spike", 3)` the
    first three of each unit as an array to differentiate. With `dense=True`, `sol(t)` or
    `sol.evaluate(t)` is the whole state at any time, `sol.evaluate(t, "E.v")` one variable.

    `sol.state` goes on where the solution ended, in `solve` or `simulate`; `sol.status` says
    whether it reached its end, and if not when and why; `sol.stats` counts solver steps
    (`accepted`, `rejected`), `segments` of uninterrupted flow and `events`. `sol.event_times` are
    the instants (ms) at which something fired, padded with infinity inside of `jit` and `vmap`.

    ```python
    >>> from fdyn import solve
    >>> from fdyn.components import LIF
    >>> sol = solve(LIF(1, t_ref=2.0), 60.0, inputs=30.0, ts=[10.0, 20.0])
    >>> sol["v"].shape, sol.unit("v"), [round(float(t), 4) for t in sol.spikes("spike").times]
    ((2, 1), 'mV', [13.8629, 29.7259, 45.5888])

    ```

    **Source:** none; a convention of this library.
    """

    ts: Any
    ys: PyTree
    event_times: Any
    fired: PyTree
    fired_at: PyTree
    state: Any
    status: Status
    stats: dict[str, Any]
    units: dict[str, str] = eqx.field(static=True)
    dense: Dense | None = None

    def __getitem__(self, name: str) -> Any:
        found = _tree.get(self.ys, _tree.split(name))
        if found is None or isinstance(found, dict):
            paths = _tree.leaf_paths(self.ys)
            if name in _tree.leaf_paths(self.fired):
                raise ValueError(
                    f"{name!r} is an output, which exists at events only: use .spikes({name!r})."
                )
            raise _tree.unknown("solution", name, paths)
        return found

    def __call__(self, t: Any) -> PyTree:
        return self.evaluate(t)

    def evaluate(self, t: Any, name: str | None = None) -> Any:
        """The state at the times `t` (ms), `[...]`; with `name` a single variable of it."""
        if self.dense is None:
            raise ValueError("this solution has no dense output: call solve(..., dense=True).")
        t = jnp.asarray(t, self.dense.start.dtype)
        low, high = self.dense.start[0], self.state.time
        if bool(jnp.any((t < low) | (t > high) | jnp.isnan(t))):
            raise ValueError(
                f"the solution reaches from {float(low):g} to {float(high):g} ms; "
                f"evaluate was asked for {np.asarray(t).ravel()[:3].tolist()}."
            )
        ys = self.dense.evaluate(t)
        if name is None:
            return ys
        self[name]  # the error for an unknown name
        return _tree.get(ys, _tree.split(name))

    def unit(self, name: str) -> str:
        """The unit of a state variable or an output."""
        if name not in self.units:
            raise _tree.unknown("solution", name, paths_of(self.ys, self.fired, ()))
        return self.units[name]

    def spikes(self, name: str) -> SpikeTrains:
        """The spikes of an output such as `"E.spike"`, in the order of time.

        How many there are is not known inside of `jit`, `vmap` and `grad`; see `spike_times`.
        """
        found = _tree.get(self.fired, _tree.split(name))
        if found is None or isinstance(found, dict):
            raise _tree.unknown("solution, spikes", name, _tree.leaf_paths(self.fired))
        if is_traced((found, self.event_times)):
            raise ValueError(
                "spikes: how many there are is not known inside of jit, vmap or grad. Use "
                f".spike_times({name!r}, count), the first 'count' of each unit as an array."
            )
        check_single(self.event_times, "solution")
        mask = np.asarray(found)
        size = math.prod(mask.shape[1:])
        row, index = np.nonzero(mask.reshape(mask.shape[0], size))
        return SpikeTrains(np.asarray(self.event_times)[row], index, size)

    def spike_times(self, name: str, count: int) -> Array:
        r"""The first `count` spikes (ms) of each unit of an output such as `"E.spike"`,
        `[..., count]`, infinite where there are fewer.

        Unlike `spikes` it works inside of `jit`, `vmap` and `grad`. The derivative of a time is
        that of the unit's own threshold crossing, $dt = -dg / \dot g$, also where several units
        spike at the same instant.
        """
        found = _tree.get(self.fired, _tree.split(name))
        if found is None or isinstance(found, dict):
            raise _tree.unknown("solution, spike times", name, _tree.leaf_paths(self.fired))
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"'count' must be a positive whole number, got {count!r}.")
        if self.fired_at is None:
            times = jnp.asarray(self.event_times)
            times = jnp.where(found, times.reshape(-1, *[1] * (found.ndim - 1)), jnp.inf)
        else:
            times = _tree.get(self.fired_at, _tree.split(name))
        first = jnp.moveaxis(jnp.sort(times, axis=0)[:count], 0, -1)
        missing = [(0, 0)] * (first.ndim - 1) + [(0, count - first.shape[-1])]
        return jnp.pad(first, missing, constant_values=jnp.inf)
