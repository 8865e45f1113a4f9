"""The leak."""

from typing import Any

from jax import Array

from ..._param import param
from .._base import Affine
from ._base import AbstractChannel


class Leak(AbstractChannel):
    r"""A leak, $I = g\,(e - v)$.

    **Arguments:** `g`: mS/cm^2, 0.3; `e`: mV, -54.387.

    ```python
    >>> import jax.numpy as jnp
    >>> Leak(g=0.1, e=-70.0).current(jnp.array(-60.0), {}, {})(-60.0).item()
    -1.0

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, table 3.
    """

    g: Array = param(0.3, unit="mS/cm^2", doc="leak conductance", bound="non-negative")
    e: Array = param(-54.387, unit="mV", doc="reversal potential")

    def init(self, v: Array) -> dict[str, Array]:
        """No state."""
        del v
        return {}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> dict[str, Any]:
        """No state."""
        del v, y, ions
        return {}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> Affine:
        """Ohm's law."""
        del v, y, ions
        return Affine(-self.g, self.g * self.e)
