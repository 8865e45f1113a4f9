"""White noise as an input."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Args, check_shapes, size_field
from ._base import UNITS, AbstractStatelessInput


class WhiteNoise(AbstractStatelessInput):
    r"""White noise: the increments of independent Wiener processes.

    $$u_i(t) = \mu + \sigma\,\frac{W_i(t + \Delta t) - W_i(t)}{\Delta t}$$

    Its integral over a step has the variance $\sigma^2 \Delta t$, so that what it drives depends on
    $\sigma$ and not on the step. For noise of the membrane itself neurons have a parameter.

    **Arguments:** `size`: number of processes; scalars or `[size]`: `sigma`: 1, in the unit of the
    input of what it drives times sqrt(ms); `mean`: 0, in the unit of the input. **Output:**
    `value`, `[size]`.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(WhiteNoise(50, sigma=2.0), 100.0, dt=0.25, record="value")
    >>> bool(abs(rec["value"].std() - 4.0) < 0.1)  # 2 / sqrt(0.25)
    True

    ```

    **Source:** Kloeden & Platen 1992, Numerical Solution of SDEs, section 2.4.
    """

    units: ClassVar[dict[str, str]] = UNITS

    size: int = size_field()
    sigma: Array = param(1.0, unit="ms^0.5", doc="strength", bound="non-negative")
    mean: Array = param(0.0, unit="1", doc="mean, in the unit of the input")

    def __check_init__(self):
        check_shapes(self, self.size)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The increment of this step over its length."""
        del t
        normal = jax.random.normal(key, (self.size,), self.mean.dtype)
        return y, args.mem, {"value": self.mean + self.sigma / jnp.sqrt(dt) * normal}
