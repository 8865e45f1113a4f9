"""The threshold-linear rate unit."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate


class ThresholdLinear(AbstractRate):
    r"""A rate that relaxes to a rectified linear function of the input.

    $$\tau\,\dot r = -r + \alpha\,[u - \theta]_+$$

    Networks of them, excitatory and inhibitory, are made by projections with `Activity` synapses
    and `CUBA` outputs; with symmetric weights they settle in one of their permitted sets.

    **Arguments:** `size`: number of units; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 10; `gain`: Hz per unit of the input, $\alpha$, 1; `threshold`: unit of the input,
    $\theta$, 0; `r_init`: Hz, 0.

    **State:** `r`: Hz, `[size]`. **Output:** `rate`: the same.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(ThresholdLinear(1, gain=2.0, threshold=1.0), 200.0, dt=0.1, inputs=6.0)
    >>> round(float(rec.state.model.y["r"][0]), 3)
    10.0

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, eq. 7.11 with a rectified linear
    activation function; Hahnloser et al. 2000, Nature 405:947, eq. 1.
    """

    units: ClassVar[dict[str, str]] = {"r": "Hz", "rate": "Hz"}

    size: int = size_field()
    tau: Array = param(10.0, unit="ms", doc="time constant", bound="positive")
    gain: Array = param(1.0, unit="Hz", doc="rate per unit of the input", bound="non-negative")
    threshold: Array = param(0.0, unit="1", doc="threshold, in the unit of the input")
    r_init: Array = param(0.0, unit="Hz", doc="initial rate", bound="non-negative")

    def start(self) -> dict[str, Array]:
        """At `r_init`."""
        return {"r": spread(self.r_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The rate."""
        return y["r"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The way to the rectified input."""
        drive = self.gain * jnp.maximum(u(y["r"]) - self.threshold, 0)
        return {"r": Affine(-1 / self.tau, drive / self.tau)}

    def observe(self, y: dict, u: Affine) -> dict:
        """The rate."""
        del u
        return {"rate": y["r"]}
