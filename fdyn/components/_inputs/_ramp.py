"""The ramp."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import check_shapes, size_field
from ._base import AbstractSignal


class Ramp(AbstractSignal):
    r"""A straight line from one value to another, constant before and after.

    $$u(t) = a + (b - a)\,\min\!\left(1, \max\!\left(0,
      \frac{t - t_\mathrm{start}}{t_\mathrm{end} - t_\mathrm{start}}\right)\right)$$

    **Arguments:** `size`: number of units; scalars or `[size]`: `first`: $a$, and `last`: $b$, in
    the unit of the input of what it drives; `t_start`: ms; `t_end`: ms, later than `t_start`.
    **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for an end that is not after the start.

    ```python
    >>> ramp = Ramp(1, first=0.0, last=20.0, t_start=100.0, t_end=300.0)
    >>> [ramp(t).item() for t in (50.0, 150.0, 500.0)]
    [0.0, 5.0, 20.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    first: Array = param(unit="1", doc="value before, in the unit of the input")
    last: Array = param(unit="1", doc="value after, in the unit of the input")
    t_start: Array = param(unit="ms", doc="start of the ramp")
    t_end: Array = param(unit="ms", doc="end of the ramp")

    def __check_init__(self):
        check_shapes(self, self.size)
        if not is_traced((self.t_start, self.t_end)):
            start, end = np.asarray(self.t_start), np.asarray(self.t_end)
            if (end <= start).any():
                raise ValueError(
                    f"Ramp: 't_end' must be later than 't_start' ({start} ms), got {end} ms."
                )

    def at(self, t: Array, edge: Array) -> Array:
        """The value on the way."""
        del edge
        part = jnp.clip((t - self.t_start) / (self.t_end - self.t_start), 0, 1)
        return self.first + (self.last - self.first) * part

    def breaks(self, t0: Any, t1: Any) -> Any:
        """Both ends."""
        del t0, t1
        return jnp.concatenate([jnp.ravel(self.t_start), jnp.ravel(self.t_end)])
