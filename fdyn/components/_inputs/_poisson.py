"""Poisson spike trains."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import size_field
from ._base import AbstractInput
from ._counts import MOST, TOO_MANY, check_mean, poisson_counts
from ._source import AbstractEncoder, Range, as_source, check_source, param_or_input


class PoissonInput(AbstractEncoder):
    r"""Poisson spike trains, $P(k \text{ spikes in a step}) = e^{-m} m^k / k!$ with
    $m = n \lambda(t)\,\Delta t$.

    All units are independent. The number of spikes in a step is exact, so a rate above 1/dt is no
    error: the output is then above 1, and counts with its value. A rate that changes is taken as
    constant within a step; one that is random makes a doubly stochastic (Cox) process.

    **Arguments:** `size`: number of units; `rate`: $\lambda$, Hz, scalar or `[size]`, or another
    input of that size, such as `10.0 + Sinusoid(size)`; `amplitude`: what one spike adds to the
    output, 1; `sources`: $n$, 1, the number of independent sources of that rate which each unit
    sums: one unit then drives one target in the place of `sources` of them. **State:** `source`:
    that of an input as rate, in its units. **Output:** `spike`, `[size]`, `amplitude` times the
    count.

    **Raises:** `ValueError` for rates that are negative or infinite, sources that are no whole
    number, and in a run in which a unit has a mean of more than 10 000 spikes in a step;
    `RuntimeError` in a run in which an input as rate leaves these limits.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(PoissonInput(100, rate=50.0), 1000.0, dt=0.1, record="spike")
    >>> bool(abs(rec["spike"].sum() / 100 - 50) < 5)
    True

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, section 1.4; the drawing: Lewis &
    Shedler 1979, Nav. Res. Logist. Q. 26:403.
    """

    size: int = size_field()
    rate: Array | AbstractInput = param_or_input(
        unit="Hz", doc="rate of each source", bound="non-negative"
    )
    amplitude: Array = param(1.0, unit="1", doc="what one spike adds")
    sources: Array = param(1.0, unit="1", doc="sources summed by each unit", bound="non-negative")

    def __check_init__(self):
        for name in ("rate", "amplitude", "sources"):
            check_source(self, name, self.size)
        Range("rate", 0.0, jnp.inf).check(self)
        if not is_traced(self.sources) and (np.asarray(self.sources) % 1 != 0).any():
            raise ValueError(
                f"PoissonInput: 'sources' must be a whole number, got {np.asarray(self.sources)}."
            )

    def source(self) -> AbstractInput:
        """The rate."""
        return as_source(self.rate, self.size)

    def start(self, dt: float) -> dict:
        """No memory; the number of spikes per step is checked."""
        if not isinstance(self.rate, AbstractInput):
            check_mean(self, self.rate * self.sources * dt / 1000)
        return {}

    def encode(self, x: Array, mem: dict, *, dt: Array, key: Array) -> tuple[dict, Array]:
        """The spikes of this step, each times the amplitude."""
        rate = Range("rate", 0.0, jnp.inf).checked(self, x)
        mean = rate * self.sources * dt / 1000
        if isinstance(self.rate, AbstractInput):
            mean = eqx.error_if(mean, jnp.any(mean > MOST), f"PoissonInput: {TOO_MANY}")
        return mem, self.amplitude * poisson_counts(key, mean)
