"""Steps: a value for each section of time."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import size_field
from ._base import AbstractSignal


class Steps(AbstractSignal):
    r"""Sections of constant value.

    $$u_i(t) = \begin{cases} 0 & t < s_0\\ a_{k,i} & s_k \le t < s_{k+1} \end{cases}$$

    The last value stays. Sections of given lengths start at their cumulated sum.

    **Arguments:** `size`: number of units; `starts`: ms, `[k]`, when each section starts,
    increasing; `values`: `[k]`, or `[k, size]` for a value per unit, in the unit of the input of
    what it drives. **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for starts out of order and shapes that do not fit.

    ```python
    >>> current = Steps(1, starts=[100.0, 300.0, 350.0], values=[10.0, 20.0, 0.0])
    >>> [current(t).item() for t in (99.9, 100.0, 320.0, 400.0)]
    [0.0, 10.0, 20.0, 0.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    starts: Array = param(unit="ms", doc="when each section starts")
    values: Array = param(unit="1", doc="value of each section, in the unit of the input")

    def __check_init__(self):
        k = self.starts.shape
        if len(k) != 1 or not k[0] or self.values.shape not in (k, (*k, self.size)):
            raise ValueError(
                f"Steps: 'starts' must have shape [k] and 'values' [k] or [k, {self.size}]; got "
                f"shapes {list(k)} and {list(self.values.shape)}."
            )
        if not is_traced(self.starts) and not (np.diff(np.asarray(self.starts)) > 0).all():
            raise ValueError(
                f"Steps: 'starts' (ms) must increase, got {np.asarray(self.starts).tolist()}."
            )

    def at(self, t: Array, edge: Array) -> Array:
        """The value of the section."""
        del t
        k = jnp.searchsorted(self.starts, edge, side="right")
        return jnp.where(k > 0, self.values[jnp.maximum(k - 1, 0)], 0)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """The starts of the sections."""
        del t0, t1
        return self.starts
