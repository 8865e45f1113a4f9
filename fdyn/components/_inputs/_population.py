"""The population code: Gaussian receptive fields that cover a range of values."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import size_field
from ._base import AbstractInput, AbstractSignal, as_signal, signals_in
from ._source import Range, as_source, check_source, param_or_input


class PopulationEncoder(AbstractSignal):
    r"""The population code: $m$ units with Gaussian receptive fields for each value.

    $$a_j = e^{-(x - \mu_j)^2 / 2\sigma^2},\qquad
      \mu_j = x_\mathrm{low} + \frac{2j - 3}{2}\,\frac{x_\mathrm{high} - x_\mathrm{low}}{m - 2},
      \qquad \sigma = \frac{1}{\beta}\,\frac{x_\mathrm{high} - x_\mathrm{low}}{m - 2}$$

    for $j = 1, \ldots, m$. The activations lie between 0 and 1, and are a signal: give them to
    `LatencyEncoder` (the code of Bohte et al., who leave out activations below 0.1, its
    `threshold`) or to `PoissonEncoder`, or multiply them by a current.

    **Arguments:** `size`: number of units, `m` for each value, the first `m` for the first of them;
    `values`: $x$, scalar or `[n]`, or a signal of size `n`; `low`, `high`: the range of the values,
    scalars; `fields`: number $m$ of fields for each value, 8, more than 2; `beta`: 1.5, how narrow
    the fields are. **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for values out of range, and a size that is not `n` times `fields`;
    `RuntimeError` in a run in which a signal leaves the range.

    ```python
    >>> fields = PopulationEncoder(5, 0.5, low=0.0, high=1.0, fields=5)
    >>> [round(x, 3) for x in fields(0.0).tolist()]
    [0.011, 0.325, 1.0, 0.325, 0.011]

    ```

    **Source:** Bohte, Kok & La Poutre 2002, Neurocomputing 48:17, section 5.
    """

    size: int = size_field()
    values: Array | AbstractInput = param_or_input(unit="1", doc="what is encoded")
    low: Array = param(unit="1", doc="lower end of the range")
    high: Array = param(unit="1", doc="upper end of the range")
    fields: int = eqx.field(default=8, static=True)
    beta: Array = param(1.5, unit="1", doc="distance over width of the fields", bound="positive")

    def __check_init__(self):
        if isinstance(self.fields, bool) or not isinstance(self.fields, int) or self.fields < 3:
            raise ValueError(
                f"PopulationEncoder: 'fields' must be a whole number above 2, got {self.fields!r}."
            )
        if self.size % self.fields:
            raise ValueError(
                f"PopulationEncoder: 'size' must be a multiple of 'fields', {self.fields}, one set "
                f"of them for each value; got {self.size}."
            )
        for name in ("low", "high", "beta"):
            if getattr(self, name).shape != ():
                raise ValueError(
                    f"PopulationEncoder: '{name}' must be one number, got shape "
                    f"{getattr(self, name).shape}."
                )
        check_source(self, "values", self.size // self.fields)
        if isinstance(self.values, AbstractInput):
            as_signal(self.values)
        if not is_traced((self.low, self.high)) and float(self.high) <= float(self.low):
            raise ValueError(
                f"PopulationEncoder: 'high' must be above 'low' ({np.asarray(self.low)}), got "
                f"{np.asarray(self.high)}."
            )
        Range("values", self.low, self.high).check(self)

    @property
    def centres(self) -> Array:
        """The centres of the fields, `[fields]`."""
        j = jnp.arange(1, self.fields + 1).astype(self.low.dtype)
        return self.low + (2 * j - 3) / 2 * (self.high - self.low) / (self.fields - 2)

    def at(self, t: Array, edge: Array) -> Array:
        """The activations."""
        n = self.size // self.fields
        x = as_signal(as_source(self.values, n)).at(t, edge)
        x = jnp.broadcast_to(Range("values", self.low, self.high).checked(self, x), (n,))
        width = (self.high - self.low) / (self.fields - 2) / self.beta
        distance = (x[:, None] - self.centres[None, :]) / width
        return jnp.exp(-(distance**2) / 2).reshape(self.size)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """Those of the signal."""
        found = [jnp.ravel(jnp.asarray(s.breaks(t0, t1))) for s in signals_in(self.values)]
        return jnp.concatenate([jnp.zeros(0), *found])
