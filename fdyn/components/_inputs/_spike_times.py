"""Spikes at given times."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced, magnitude, own
from ..._param import param
from .._base import Args, State, check_shapes, size_field
from ._base import AbstractInput


class SpikeTimes(AbstractInput):
    r"""Spikes at given times, for example recorded ones.

    $$s_i(t) = a_i \sum_k \delta_{t, t_k}\,\delta_{i, i_k}$$

    As a node of a network a spike at $t$ is stamped $t$, acts on synapses at $t$ plus their delay,
    and thus on a voltage in the step after that, as in Brian2's `SpikeGeneratorGroup` and NEST's
    `spike_generator`; through `inputs=` it acts in the step that starts at $t$. Several spikes of a
    unit in one step add up.

    **Arguments:** `size`: number of units; `times`: ms, above 0, in any order: `[k]`, or a list
    of times for each unit, without `index`; `index`: the unit that each of `times` belongs to,
    `[k]`, `None` (so `SpikeTimes(n, train.times, train.index)` plays what `rec.spikes` has found);
    `amplitude`: what one spike adds to the output, 1, scalar or `[size]`; `rounding`: what a time
    off the grid is: `"error"`, the default, or `"nearest"` for the nearest point of the grid, at
    the earliest the end of the first step. **Output:** `spike`, `[size]`, `amplitude` times the
    number of spikes.

    **Raises:** `ValueError` for times that are not positive and finite, units that do not exist,
    and, in a run, a time off the grid.

    ```python
    >>> from fdyn import simulate
    >>> spikes = SpikeTimes(2, [[0.2], [0.1, 0.2, 0.2]])
    >>> simulate(spikes, 0.3, dt=0.1, record="spike")["spike"].tolist()
    [[0.0, 1.0], [1.0, 2.0], [0.0, 0.0]]

    ```

    **Source:** none; a definition.
    """

    units: ClassVar[dict[str, str]] = {"spike": "1"}

    times: Array
    index: Array
    size: int = size_field()
    amplitude: Array = param(1.0, unit="1", doc="what one spike adds")
    rounding: str = eqx.field(default="error", static=True)

    def __init__(
        self,
        size: int,
        times: Any,
        index: Any = None,
        amplitude: Any = 1.0,
        rounding: str = "error",
    ):
        self.size, self.amplitude, self.rounding = size, amplitude, rounding
        if rounding not in ("error", "nearest"):
            raise ValueError(
                f"SpikeTimes: 'rounding' must be 'error' or 'nearest', got {rounding!r}."
            )
        dtype = jnp.result_type(float)
        if index is None:
            times, index = _joined(size, times)
        times, index = magnitude(times, "ms", "times"), np.asarray(index)
        try:
            times = np.asarray(times, dtype)
        except (TypeError, ValueError) as e:
            raise ValueError(f"SpikeTimes: 'times' must be numbers (ms), got {times!r}.") from e
        if index.size and not np.issubdtype(index.dtype, np.integer):
            raise ValueError(f"SpikeTimes: 'index' must be whole numbers, got {index.dtype}.")
        if times.ndim != 1 or index.shape != times.shape:
            raise ValueError(
                "SpikeTimes: 'times' and 'index' must have the same shape [k], got "
                f"{list(times.shape)} and {list(index.shape)}."
            )
        bad = times[~(np.isfinite(times) & (times > 0))]
        if bad.size:
            raise ValueError(
                "SpikeTimes: times must be finite and above 0, since the first spikes of a run "
                f"come after its first step; got {bad[:3].tolist()} ms."
            )
        bad = index[(index < 0) | (index >= size)]
        if bad.size:
            raise ValueError(
                f"SpikeTimes: there are units 0 to {size - 1}, got {np.unique(bad)[:3].tolist()}."
            )
        order = np.argsort(times, kind="stable")
        self.times = own(times[order], dtype)
        self.index = own(index[order].astype(np.int32), jnp.int32)

    def __check_init__(self):
        check_shapes(eqx.tree_at(lambda m: (m.times, m.index), self, (None, None)), self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """No state; the times are checked against the grid."""
        del key
        if self.rounding == "error" and not is_traced((self.times, dt)):
            steps = np.asarray(self.times, float) / float(dt)
            # Decimal fractions are rounded, times of single precision more so.
            slack = 1e-6 + 4 * np.finfo(self.times.dtype).eps * steps
            (bad,) = np.nonzero(abs(steps - np.round(steps)) > slack)
            if bad.size:
                time = float(self.times[bad[0]])
                raise ValueError(
                    f"SpikeTimes: {time:g} ms (unit {int(self.index[bad[0]])}) is no multiple of "
                    f"dt = {float(dt):g} ms, as {bad.size} of {steps.size} times. Choose another "
                    "dt, or rounding='nearest'."
                )
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes of this step."""
        del key
        # Written so that the end of a step and the start of the next are the same number.
        step = jnp.round(t / dt)
        # What is nearest to time 0 comes at step 1, the first at which a node has spikes.
        edges = [jnp.where(k > 1, (k - 0.5) * dt, 0) for k in (step, step + 1)]
        first, end = (jnp.searchsorted(self.times, edge) for edge in edges)

        def add(k: Array, counts: Array) -> Array:
            return counts.at[self.index[k]].add(1)

        counts = jax.lax.fori_loop(first, end, add, jnp.zeros(self.size, t.dtype))
        return y, args.mem, {"spike": self.amplitude * counts}


def _joined(size: int, times: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lists of times per unit as one list, and the units."""
    times = times if np.iterable(times) else [times]
    lists = [np.atleast_1d(np.asarray(magnitude(x, "ms", "times"), float)) for x in times]
    if len(lists) != size:
        one = " For one unit write [[...]], a list that holds its list of times."
        raise ValueError(
            f"SpikeTimes: without 'index', 'times' has a list for each of {size} units; got "
            f"{len(lists)} of them.{one if size == 1 else ''}"
        )
    index = np.repeat(np.arange(size), [x.size for x in lists])
    return np.concatenate([np.zeros(0), *lists]), index
