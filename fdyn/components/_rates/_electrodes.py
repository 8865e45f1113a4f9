"""Electrodes: weighted sums of what happens elsewhere, as in the EEG."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import AbstractNeuron, Args, State, as_affine, check_shapes, size_field


class Electrodes(AbstractNeuron):
    r"""Sensors that measure a weighted sum of activities: EEG, MEG, field potentials.

    $$z_j = \sum_i L_{ij}\,x_i + \sigma\,\xi_j$$

    As the target of a projection from the regions with `Dense(L)`, `Activity` and `CUBA`, where
    $L$ is the lead field, `[regions, electrodes]`. They have no state, so record with `every=` what
    is needed.

    **Arguments:** `size`: number of electrodes; `sigma`: standard deviation of the noise of a
    sample, in the unit of the signal, scalar or `[size]`, 0.

    **Output:** `value`: in the unit of the activity times that of the lead field, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> simulate(Electrodes(2), 1.0, dt=0.5, inputs=3.0, record="value")["value"].tolist()
    [[3.0, 3.0], [3.0, 3.0]]

    ```

    **Source:** Nunez & Srinivasan 2006, Electric Fields of the Brain, chapter 6; superposition.
    """

    units: ClassVar[dict[str, str]] = {"value": "unit of the input"}

    size: int = size_field()
    sigma: Array = param(
        0.0, unit="1", doc="noise of a sample, in the unit of the signal", bound="non-negative"
    )

    def __check_init__(self):
        check_shapes(self, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """No state."""
        del key, dt
        return State({}, {})

    def potential(self, y: dict) -> Array:
        """Zero: a measurement draws no current."""
        del y
        return jnp.zeros(self.size, self.sigma.dtype)

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The sum at this instant, and the noise of the sample."""
        del t, dt
        rest = self.potential(y)
        noise = self.sigma * jax.random.normal(key, rest.shape, rest.dtype)
        return y, args.mem, {"value": rest + as_affine(args.u)(rest) + noise}
