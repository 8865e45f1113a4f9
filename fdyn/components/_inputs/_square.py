"""The square wave."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import check_shapes, size_field
from ._base import AbstractSignal, between, known


class Square(AbstractSignal):
    r"""A square wave: $+a$ in the first part of each period, $-a$ in the rest.

    $$u(t) = \begin{cases} a & \{f t + \varphi / 2\pi\} < d\\ -a & \text{else} \end{cases}$$

    with the fractional part $\{\cdot\}$.

    **Arguments:** `size`: number of units; scalars or `[size]`: `amplitude`: 1, in the unit of the
    input of what it drives; `frequency`: Hz, 10; `duty`: the part $d$ of a period, 0.5, above 0 and
    below 1; `phase`: rad, 0. **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for a duty that is no part of a period; in `fdyn.solve` inside of
    `jit`, `vmap` and `grad`, where the number of its jumps is not known.

    ```python
    >>> wave = Square(1, amplitude=2.0, frequency=10.0, duty=0.25)
    >>> [wave(t).item() for t in (0.0, 24.9, 25.0, 99.9, 100.0)]
    [2.0, 2.0, -2.0, -2.0, 2.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    amplitude: Array = param(1.0, unit="1", doc="amplitude, in the unit of the input")
    frequency: Array = param(10.0, unit="Hz", doc="frequency", bound="positive")
    duty: Array = param(0.5, unit="1", doc="part of a period at the upper value", bound="positive")
    phase: Array = param(0.0, unit="rad", doc="phase at time 0")

    def __check_init__(self):
        check_shapes(self, self.size)
        if not is_traced(self.duty) and (np.asarray(self.duty) >= 1).any():
            raise ValueError(
                f"Square: 'duty' is a part of a period, below 1; got {np.asarray(self.duty)}."
            )

    def at(self, t: Array, edge: Array) -> Array:
        """The upper or the lower value."""
        del t
        passed = jnp.mod(self.frequency * edge / 1000 + self.phase / (2 * jnp.pi), 1)
        return jnp.where(passed < self.duty, self.amplitude, -self.amplitude)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """The jumps between `t0` and `t1`."""
        known(self, t0, t1)
        period = 1000 / np.asarray(self.frequency)
        up = -np.asarray(self.phase) / (2 * np.pi) * period
        down = up + np.asarray(self.duty) * period
        return np.concatenate([between(period, x, t0, t1) for x in (up, down)])
