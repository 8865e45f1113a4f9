"""Rectangular pulses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import check_shapes, size_field
from ._base import AbstractSignal, between, known


class Pulses(AbstractSignal):
    r"""One rectangular pulse, or a train of them.

    $$u(t) = \begin{cases} a & t_\mathrm{start} + k p \le t < t_\mathrm{start} + k p + w
      \text{ for a } k = 0, 1, \ldots, n - 1\\ 0 & \text{else} \end{cases}$$

    **Arguments:** `size`: number of units; scalars or `[size]`: `start`: ms, of the first pulse;
    `width`: $w$, ms; `amplitude`: 1, in the unit of the input of what it drives; `period`: $p$, ms,
    longer than `width`; `None`, the default, for a single pulse. `number`: $n$, how many, `None`
    (the default) for no end. **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for a period that is not longer than a pulse, for a number without a
    period; in `fdyn.solve` inside of `jit`, `vmap` and `grad` for trains of pulses.

    ```python
    >>> pulses = Pulses(1, start=10.0, width=2.0, amplitude=5.0, period=20.0, number=2)
    >>> [pulses(t).item() for t in (9.9, 10.0, 12.0, 31.9, 50.0)]
    [0.0, 5.0, 0.0, 5.0, 0.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    start: Array = param(unit="ms", doc="start of the first pulse")
    width: Array = param(unit="ms", doc="length of a pulse", bound="positive")
    amplitude: Array = param(1.0, unit="1", doc="amplitude, in the unit of the input")
    period: Array | None = param(None, unit="ms", doc="from pulse to pulse", bound="positive")
    number: Array | None = param(None, unit="1", doc="how many pulses", bound="positive")

    def __check_init__(self):
        check_shapes(self, self.size)
        if self.period is None:
            if self.number is not None:
                raise ValueError("Pulses: several pulses ('number') need a 'period'.")
            return
        if not is_traced((self.period, self.width)):
            period, width = np.asarray(self.period), np.asarray(self.width)
            if (period <= width).any():
                raise ValueError(
                    f"Pulses: 'period' must be longer than 'width' ({width} ms), got {period} ms."
                )
        if self.number is not None and not is_traced(self.number):
            number = np.asarray(self.number)
            if (number % 1 != 0).any():
                raise ValueError(f"Pulses: 'number' must be a whole number, got {number}.")

    def at(self, t: Array, edge: Array) -> Array:
        """The amplitude in a pulse."""
        del t
        since = edge - self.start
        on = since >= 0
        if self.period is not None:
            k = jnp.floor(since / self.period)
            on &= True if self.number is None else k < self.number
            since = since - k * self.period
        return jnp.where(on & (since < self.width), self.amplitude, jnp.zeros_like(self.amplitude))

    def breaks(self, t0: Any, t1: Any) -> Any:
        """The edges of the pulses."""
        if self.period is None:
            starts = jnp.ravel(self.start)
            return jnp.concatenate([starts, jnp.ravel(self.start + self.width)])
        known(self, t0, t1)
        start, width, period = map(np.asarray, (self.start, self.width, self.period))
        return np.concatenate([between(period, x, t0, t1) for x in (start, start + width)])
