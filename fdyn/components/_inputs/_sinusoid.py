"""The sinusoid."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import check_shapes, size_field
from ._base import AbstractSignal


class Sinusoid(AbstractSignal):
    r"""A sine, $u(t) = a \sin(2\pi f t + \varphi)$.

    **Arguments:** `size`: number of units; scalars or `[size]`: `amplitude`: 1, in the unit of the
    input of what it drives; `frequency`: Hz, 10; `phase`: rad, 0. An offset is added, an envelope
    multiplied. **Output:** `value`, `[size]`.

    ```python
    >>> current = 5.0 + Sinusoid(1, amplitude=2.0, frequency=10.0)
    >>> [round(current(t).item(), 6) for t in (0.0, 25.0, 75.0)]
    [5.0, 7.0, 3.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    amplitude: Array = param(1.0, unit="1", doc="amplitude, in the unit of the input")
    frequency: Array = param(10.0, unit="Hz", doc="frequency", bound="non-negative")
    phase: Array = param(0.0, unit="rad", doc="phase at time 0")

    def __check_init__(self):
        check_shapes(self, self.size)

    def at(self, t: Array, edge: Array) -> Array:
        """The sine."""
        del edge
        return self.amplitude * jnp.sin(2 * jnp.pi * self.frequency * t / 1000 + self.phase)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """None."""
        del t0, t1
        return ()
