"""Van der Pol's oscillator."""

from typing import ClassVar

from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate


class VanDerPol(AbstractRate):
    r"""The oscillator whose friction changes sign, harmonic for small and abrupt for large $\mu$.

    $$\tau\,\dot x = y,\qquad \tau\,\dot y = \mu\,(1 - x^2)\,y - x + u$$

    **Arguments:** `size`: number of oscillators; the parameters are scalars or have shape `[size]`.
    `mu`: 1, 1; `tau`: ms, 1, the period of the harmonic oscillator over $2\pi$; `x_init`,
    `y_init`: 2, 0.

    **State:** `x`, `y`: 1, both `[size]`. **Output:** `activity`: `x`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> import numpy as np
    >>> from fdyn import solve
    >>> x = solve(VanDerPol(1), 40.0, ts=np.arange(0.0, 40.0, 0.001)).ys["x"][:, 0]
    >>> up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    >>> round(0.001 * float(up[-1] - up[-2]), 2)  # its period
    6.66

    ```

    **Source:** van der Pol 1926, Philos. Mag. 2:978.
    """

    units: ClassVar[dict[str, str]] = {"x": "1", "y": "1", "activity": "1"}

    size: int = size_field()
    mu: Array = param(1.0, unit="1", doc="strength of the nonlinear friction")
    tau: Array = param(1.0, unit="ms", doc="time scale", bound="positive")
    x_init: Array = param(2.0, unit="1", doc="initial position")
    y_init: Array = param(0.0, unit="1", doc="initial velocity")

    def start(self) -> dict[str, Array]:
        """At `x_init`, `y_init`."""
        return {"x": spread(self.x_init, self.size), "y": spread(self.y_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The position."""
        return y["x"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Friction and spring."""
        friction = self.mu * (1 - y["x"] ** 2)
        rates = {"x": Affine(0.0, y["y"]), "y": Affine(friction, u(y["x"]) - y["x"])}
        return {k: rate / self.tau for k, rate in rates.items()}

    def observe(self, y: dict, u: Affine) -> dict:
        """The position."""
        del u
        return {"activity": y["x"]}
