"""The calcium and the unspecific cation channel of granule cells of the olfactory bulb."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine
from .._ions._base import IonState
from ._base import AbstractChannel, AbstractSteadyStateChannel, per_temperature


class CANInoueStrowbridge(AbstractChannel):
    r"""The unspecific cation channel that calcium and voltage open,
    $I = g\,\frac{c}{c+k_d}\,m\,(e - v)$.

    $m_\infty = 1/(1+e^{-(v+43)/5.2})$,
    $\tau_m = \big(1.6+2.7/(e^{(v+55)/15}+e^{-(v+55)/15})\big)/\varphi$ (ms, mV), with $c$ the
    calcium inside.

    **Arguments:** `g`: mS/cm^2, 1; `e`: mV, 10 (mixed, so that it counts for no ion); `k_d`:
    half-activation, mM, 0.2; `phi`: $\varphi$, temperature factor, 1. It reads the concentration of
    the ion `"ca"`.

    ```python
    >>> import jax.numpy as jnp
    >>> CANInoueStrowbridge().init(jnp.array(-43.0), {})["m"].item()
    0.5

    ```

    **Source:** Inoue & Strowbridge 2008, J. Neurophysiol. 99:187, $I_{CAN}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    reads: ClassVar[tuple[str, ...]] = ("ca.inside",)

    g: Array = param(1.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array = param(10.0, unit="mV", doc="reversal potential")
    k_d: Array = param(0.2, unit="mM", doc="calcium at half-activation", bound="positive")
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """The gate at its steady state."""
        del ions
        return {"m": logistic((v + 43) / 5.2)}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """Relaxation of the gate."""
        del y, ions
        rate = self.phi / (1.6 + 1.35 / jnp.cosh((v + 55) / 15))
        return {"m": Affine(-rate, rate * logistic((v + 43) / 5.2))}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Ohm's law with the bound share and the open gate."""
        del v
        c: Any = ions["ca"].inside
        g = self.g * y["m"] * c / (c + self.k_d)
        return Affine(-g, g * self.e)


class CaLInoueStrowbridge(AbstractSteadyStateChannel):
    r"""The L-type calcium channel of granule cells, $I = g\,m^2 h\,(e - v)$.

    $m_\infty = 1/(1+e^{-(v+10)/4})$,
    $\tau_m = \big(0.4+0.7/(e^{(v+5)/15}+e^{-(v+5)/15})\big)/\varphi_m$,
    $h_\infty = 1/(1+e^{(v+25)/2})$,
    $\tau_h = \big(300+100/(e^{(v+40)/9.5}+e^{-(v+40)/9.5})\big)/\varphi_h$,
    $\varphi_x = q_x^{(T-24)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 1; `e`: mV, `None` for that of the ion `"ca"`; `celsius`: $T$, °C,
    36; `q10_m`, `q10_h`: $q_m$, $q_h$, 3.55 and 3.

    ```python
    >>> import jax.numpy as jnp
    >>> CaLInoueStrowbridge().init(jnp.array(-10.0), {})["m"].item()
    0.5

    ```

    **Source:** Inoue & Strowbridge 2008, J. Neurophysiol. 99:187, $I_{CaL}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2, "h": 1}
    ion: ClassVar[str] = "ca"

    g: Array = param(1.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10_m: Array = param(3.55, unit="1", doc="factor on activation per 10 degC", bound="positive")
    q10_h: Array = param(3.0, unit="1", doc="factor on inactivation per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        phi_m = per_temperature(self.q10_m, self.celsius, 24)
        phi_h = per_temperature(self.q10_h, self.celsius, 24)
        return {
            "m": (logistic((v + 10) / 4), (0.4 + 0.35 / jnp.cosh((v + 5) / 15)) / phi_m),
            "h": (logistic(-(v + 25) / 2), (300 + 50 / jnp.cosh((v + 40) / 9.5)) / phi_h),
        }
