"""Delta modulation: spikes where a signal has changed."""

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import size_field
from ._base import AbstractInput
from ._source import AbstractEncoder, as_source, check_source, param_or_input


class DeltaEncoder(AbstractEncoder):
    r"""Delta modulation: an "on" spike for each rise by a step, an "off" spike for each fall.

    $$n_i = \operatorname{trunc}\frac{x_i - \hat x_i}{\delta},\qquad
      \hat x_i \leftarrow \hat x_i + \delta\,n_i$$

    The spikes tell the signal to within a step, since $|x - \hat x| < \delta$ at all times:
    $\hat x = x_0 + \delta\,(\sum \text{on} - \sum \text{off})$.

    **Arguments:** `size`: number of units, two for each value: `size / 2` "on" units, then as many
    "off" units; `values`: $x$, another input of size `size / 2`, or scalar or `[size / 2]`;
    scalars or `[size / 2]`: `threshold`: $\delta$, in the unit of the values, 0.1; `initial`:
    $x_0$, 0, the value known at the start. **State:** `code.level`: $(\hat x - x_0) / \delta$,
    `[size / 2]`; `source`: that of an input as value, in its units. **Output:** `spike`, `[size]`,
    the number of spikes in the step.

    **Raises:** `ValueError` for a size that is odd and shapes that do not fit.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import Ramp
    >>> code = DeltaEncoder(2, Ramp(1, 0.0, -1.0, 0.0, 8.0), threshold=0.5)
    >>> simulate(code, 8.0, dt=2.0, record="spike")["spike"].tolist()
    [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]]

    ```

    **Source:** the pixel of Lichtsteiner, Posch & Delbruck 2008, IEEE J. Solid-State Circuits
    43:566, on the value itself in the place of its logarithm.
    """

    size: int = size_field()
    values: Array | AbstractInput = param_or_input(unit="1", doc="what is encoded")
    threshold: Array = param(0.1, unit="1", doc="change that makes a spike", bound="positive")
    initial: Array = param(0.0, unit="1", doc="value known at the start")

    def __check_init__(self):
        if self.size % 2:
            raise ValueError(
                f"DeltaEncoder: 'size' must be even, two units for each value, got {self.size}."
            )
        for name in ("values", "threshold", "initial"):
            check_source(self, name, self.size // 2)

    def source(self) -> AbstractInput:
        """The values."""
        return as_source(self.values, self.size // 2)

    def start(self, dt: float) -> dict:
        """The value known at the start."""
        del dt
        return {"level": jnp.zeros(self.size // 2)}

    def encode(self, x: Array, mem: dict, *, dt: Array, key: Array) -> tuple[dict, Array]:
        """The steps up and down."""
        del dt, key
        # Whole numbers of steps are kept, which add up without rounding.
        change = jnp.trunc((x - self.initial) / self.threshold - mem["level"])
        spikes = jnp.concatenate([jnp.maximum(change, 0), jnp.maximum(-change, 0)])
        return {"level": mem["level"] + change}, spikes
