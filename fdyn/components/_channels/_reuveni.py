"""The high-voltage-activated calcium channel of neocortical cells."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from ._base import AbstractGatedChannel


class CaHTReuveni(AbstractGatedChannel):
    r"""The high-voltage-activated calcium channel of neocortical cells, $I = g\,q^2 r\,(e - v)$.

    $\alpha_q = 0.055\,(v+27)/(1-e^{-(v+27)/3.8})$, $\beta_q = 0.94\,e^{-(v+75)/17}$,
    $\alpha_r = 0.000457\,e^{-(v+13)/50}$, $\beta_r = 0.0065/(1+e^{-(v+15)/28})$ (1/ms, mV).

    **Arguments:** `g`: mS/cm^2, 0.1; `e`: mV, `None` for that of the ion `"ca"`, 120 in Pospischil
    et al. 2008, whose $I_L$ this is; `phi`: temperature factor, 1.

    ```python
    >>> import jax.numpy as jnp
    >>> round(CaHTReuveni().rates(jnp.array(-27.0))["q"][0].item(), 4)  # 0.055 * 3.8
    0.209

    ```

    **Source:** Reuveni et al. 1993, J. Neurosci. 13:4609; Pospischil et al. 2008, Biol. Cybern.
    99:427, $I_L$.
    """

    units: ClassVar[dict[str, str]] = {"q": "1", "r": "1"}
    gates: ClassVar[dict[str, int]] = {"q": 2, "r": 1}
    ion: ClassVar[str] = "ca"

    g: Array = param(0.1, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Rates of q and r."""
        return {
            "q": (0.055 * vtrap(-(v + 27), 3.8), 0.94 * jnp.exp(-(v + 75) / 17)),
            "r": (0.000457 * jnp.exp(-(v + 13) / 50), 0.0065 * logistic((v + 15) / 28)),
        }
