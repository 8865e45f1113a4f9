"""The rate code: values as rates of Poisson spike trains."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import size_field
from ._base import AbstractInput
from ._counts import check_mean, poisson_counts
from ._source import AbstractEncoder, Range, as_source, check_source, param_or_input


class PoissonEncoder(AbstractEncoder):
    r"""The rate code: a value between 0 and 1 as a Poisson spike train.

    $$\lambda_i = \lambda_\mathrm{min} + (\lambda_\mathrm{max} - \lambda_\mathrm{min})\,x_i$$

    A mean count $\bar n$ in a time $T$ is decoded as
    $(\bar n / T - \lambda_\mathrm{min}) / (\lambda_\mathrm{max} - \lambda_\mathrm{min})$.

    **Arguments:** `size`: number of units; `values`: $x$, 0 to 1, scalar or `[size]`, or another
    input of that size; scalars or `[size]`: `max_rate`: Hz, 100; `min_rate`: Hz, 0. **State:**
    `source`: that of an input as value, in its units. **Output:** `spike`, `[size]`, the number of
    spikes in the step.

    **Raises:** `ValueError` for values out of range, a maximum that is not above the minimum, and
    in a run in which it makes a mean of more than 10 000 spikes in a step; `RuntimeError` in a run
    in which an input as value leaves the range.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> code = PoissonEncoder(2, jnp.array([0.0, 0.5]))
    >>> counts = simulate(code, 10000.0, dt=1.0, record="spike")["spike"].sum(0)
    >>> bool(counts[0] == 0), bool(abs(counts[1] - 500) < 100)
    (True, True)

    ```

    **Source:** Adrian 1926, J. Physiol. 61:49, for the code; Dayan & Abbott 2001, Theoretical
    Neuroscience, section 1.4, for the process.
    """

    size: int = size_field()
    values: Array | AbstractInput = param_or_input(unit="1", doc="what is encoded, 0 to 1")
    max_rate: Array = param(100.0, unit="Hz", doc="rate for 1", bound="positive")
    min_rate: Array = param(0.0, unit="Hz", doc="rate for 0", bound="non-negative")

    def __check_init__(self):
        for name in ("values", "max_rate", "min_rate"):
            check_source(self, name, self.size)
        Range("values", 0.0, 1.0).check(self)
        if not is_traced((self.min_rate, self.max_rate)):
            low, high = np.asarray(self.min_rate), np.asarray(self.max_rate)
            if (high <= low).any():
                raise ValueError(
                    f"PoissonEncoder: 'max_rate' must be above 'min_rate' ({low} Hz), got "
                    f"{high} Hz."
                )

    def source(self) -> AbstractInput:
        """The values."""
        return as_source(self.values, self.size)

    def start(self, dt: float) -> dict:
        """No memory; the number of spikes per step is checked."""
        check_mean(self, self.max_rate * dt / 1000)
        return {}

    def encode(self, x: Array, mem: dict, *, dt: Array, key: Array) -> tuple[dict, Array]:
        """The spikes of this step."""
        x = Range("values", 0.0, 1.0).checked(self, x)
        rate = self.min_rate + (self.max_rate - self.min_rate) * x
        return mem, poisson_counts(key, jnp.broadcast_to(rate * dt / 1000, (self.size,)))
