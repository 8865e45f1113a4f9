"""Poisson spike trains."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Args, check_shapes, size_field
from ._base import AbstractStatelessInput


class PoissonInput(AbstractStatelessInput):
    r"""Independent Poisson spike trains; every step has Poisson($\lambda\,\Delta t$) spikes.

    The number of spikes in a step is exact, so a rate above 1/dt is no error: the output is then
    above 1, and counts with its value.

    **Arguments:** `size`: number of trains; `rate`: Hz, scalar or `[size]`; `amplitude`: what one
    spike adds to the output, 1. **Output:** `spike`, `[size]`, `amplitude` times the count.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(PoissonInput(100, rate=50.0), 1000.0, dt=0.1, record="spike")
    >>> bool(abs(rec["spike"].sum() / 100 - 50) < 5)
    True

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, section 1.4.
    """

    units: ClassVar[dict[str, str]] = {"spike": "1"}

    size: int = size_field()
    rate: Array = param(unit="Hz", doc="rate of each train", bound="non-negative")
    amplitude: Array = param(1.0, unit="1", doc="what one spike adds")

    def __check_init__(self):
        check_shapes(self, self.size)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes of this step, each times the amplitude."""
        del t
        mean = jnp.broadcast_to(self.rate * dt / 1000, (self.size,))
        count = jax.random.poisson(key, mean).astype(mean.dtype)
        return y, args.mem, {"spike": self.amplitude * count}
