"""The sodium and potassium channels of Hodgkin & Huxley 1952 (modern sign convention)."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from ._base import AbstractGatedChannel


class NaHH(AbstractGatedChannel):
    r"""The sodium channel of the squid axon, $I = g\,m^3 h\,(e - v)$.

    $\alpha_m = 0.1\,(v+40)/(1-e^{-(v+40)/10})$, $\beta_m = 4\,e^{-(v+65)/18}$,
    $\alpha_h = 0.07\,e^{-(v+65)/20}$, $\beta_h = 1/(1+e^{-(v+35)/10})$ (1/ms, mV).

    **Arguments:** `g`: mS/cm^2, 120; `e`: mV, 50, `None` for that of the ion
    `"na"`; `phi`: temperature factor, 1 (6.3 °C).

    ```python
    >>> import jax.numpy as jnp
    >>> round(NaHH().init(jnp.array(-65.0), {})["m"].item(), 4)
    0.0529

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 20-24, table 3.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 3, "h": 1}
    ion: ClassVar[str] = "na"

    g: Array = param(120.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(50.0, unit="mV", doc="reversal potential", optional=True)
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Rates of m and h."""
        return {
            "m": (0.1 * vtrap(-(v + 40), 10.0), 4 * jnp.exp(-(v + 65) / 18)),
            "h": (0.07 * jnp.exp(-(v + 65) / 20), logistic((v + 35) / 10)),
        }


class KHH(AbstractGatedChannel):
    r"""The potassium channel of the squid axon, $I = g\,n^4 (e - v)$.

    $\alpha_n = 0.01\,(v+55)/(1-e^{-(v+55)/10})$, $\beta_n = 0.125\,e^{-(v+65)/80}$ (1/ms, mV).

    **Arguments:** `g`: mS/cm^2, 36; `e`: mV, -77, `None` for that of the ion
    `"k"`; `phi`: temperature factor, 1 (6.3 °C).

    ```python
    >>> import jax.numpy as jnp
    >>> round(KHH().init(jnp.array(-65.0), {})["n"].item(), 4)
    0.3177

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 12-13, table 3.
    """

    units: ClassVar[dict[str, str]] = {"n": "1"}
    gates: ClassVar[dict[str, int]] = {"n": 4}
    ion: ClassVar[str] = "k"

    g: Array = param(36.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(-77.0, unit="mV", doc="reversal potential", optional=True)
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Rates of n."""
        return {"n": (0.01 * vtrap(-(v + 55), 10.0), 0.125 * jnp.exp(-(v + 65) / 80))}
