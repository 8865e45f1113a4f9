"""The low-threshold calcium channel of thalamic reticular cells."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._ions._base import IonState
from ._base import AbstractSteadyStateChannel, per_temperature


class CaTHuguenardPrince(AbstractSteadyStateChannel):
    r"""The low-threshold calcium channel of thalamic reticular cells, $I = g\,m^2 h\,(e - v)$.

    With $u = v - v_{sh}$: $m_\infty = 1/(1+e^{-(u+50)/7.4})$,
    $\tau_m = \big(3+1/(e^{(u+25)/10}+e^{-(u+100)/15})\big)/\varphi_m$,
    $h_\infty = 1/(1+e^{(u+78)/5})$,
    $\tau_h = \big(85+1/(e^{(u+46)/4}+e^{-(u+405)/50})\big)/\varphi_h$,
    $\varphi_x = q_x^{(T-24)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 1.75; `e`: mV, `None` for that of the ion `"ca"`; `v_sh`: shift of
    the voltage dependence, mV, -2 (for the surface charge of 2 mM calcium); `celsius`: $T$, °C,
    36; `q10_m`, `q10_h`: $q_m$, $q_h$, 5 and 3.

    ```python
    >>> import jax.numpy as jnp
    >>> CaTHuguenardPrince().init(jnp.array(-52.0), {})["m"].item()
    0.5

    ```

    **Source:** Huguenard & Prince 1992, J. Neurosci. 12:3804, in the form and with the parameters
    of Destexhe et al. 1994, J. Neurophysiol. 72:803.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2, "h": 1}
    ion: ClassVar[str] = "ca"

    g: Array = param(1.75, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    v_sh: Array = param(-2.0, unit="mV", doc="shift of the voltage dependence")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10_m: Array = param(5.0, unit="1", doc="factor on activation per 10 degC", bound="positive")
    q10_h: Array = param(3.0, unit="1", doc="factor on inactivation per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        u = v - self.v_sh
        tau_m = 3 + 1 / (jnp.exp((u + 25) / 10) + jnp.exp(-(u + 100) / 15))
        tau_h = 85 + 1 / (jnp.exp((u + 46) / 4) + jnp.exp(-(u + 405) / 50))
        return {
            "m": (logistic((u + 50) / 7.4), tau_m / per_temperature(self.q10_m, self.celsius, 24)),
            "h": (logistic(-(u + 78) / 5), tau_h / per_temperature(self.q10_h, self.celsius, 24)),
        }
