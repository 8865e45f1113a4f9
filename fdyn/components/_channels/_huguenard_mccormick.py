"""The transient and slow potassium channels, the T and the h channel of thalamic relay cells."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._ions._base import IonState
from ._base import AbstractSteadyStateChannel, per_temperature


def _a_current(
    v: Array, phi: Array, half: float, slope: float, border: float, slow: float
) -> dict[str, tuple[Array, Array]]:
    tau_m = 1 / (jnp.exp((v + 35.8) / 19.7) + jnp.exp(-(v + 79.7) / 12.7)) + 0.37
    tau_h = 1 / (jnp.exp((v + 46) / 5) + jnp.exp(-(v + 238) / 37.5))
    return {
        "m": (logistic((v + half) / slope), tau_m / phi),
        "h": (logistic(-(v + 78) / 6), jnp.where(v < -border, tau_h, slow) / phi),
    }


class KA1HuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The faster A channel of thalamic relay cells, $I = g\,m^4 h\,(e - v)$.

    $m_\infty = 1/(1+e^{-(v+60)/8.5})$,
    $\tau_m = \big(0.37+1/(e^{(v+35.8)/19.7}+e^{-(v+79.7)/12.7})\big)/\varphi$,
    $h_\infty = 1/(1+e^{(v+78)/6})$, $\tau_h = 1/(e^{(v+46)/5}+e^{-(v+238)/37.5})/\varphi$ below -63
    mV and $19/\varphi$ above, $\varphi = q_{10}^{(T-23.5)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 2; `e`: mV, `None` for that of the ion `"k"`; `celsius`: $T$, °C,
    36; `q10`: $q_{10}$, 3. The whole A current is 0.6 of this and 0.4 of `KA2HuguenardMcCormick`.

    ```python
    >>> import jax.numpy as jnp
    >>> KA1HuguenardMcCormick().init(jnp.array(-60.0), {})["m"].item()
    0.5

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_A$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 4, "h": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(2.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        return _a_current(v, per_temperature(self.q10, self.celsius, 23.5), 60, 8.5, 63, 19.0)


class KA2HuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The slower A channel of thalamic relay cells, $I = g\,m^4 h\,(e - v)$.

    $m_\infty = 1/(1+e^{-(v+36)/20})$,
    $\tau_m = \big(0.37+1/(e^{(v+35.8)/19.7}+e^{-(v+79.7)/12.7})\big)/\varphi$,
    $h_\infty = 1/(1+e^{(v+78)/6})$, $\tau_h = 1/(e^{(v+46)/5}+e^{-(v+238)/37.5})/\varphi$ below -73
    mV and $60/\varphi$ above, $\varphi = q_{10}^{(T-23.5)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 1.4; `e`: mV, `None` for that of the ion `"k"`; `celsius`: $T$,
    °C, 36; `q10`: $q_{10}$, 3.

    ```python
    >>> import jax.numpy as jnp
    >>> KA2HuguenardMcCormick().init(jnp.array(-36.0), {})["m"].item()
    0.5

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_A$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 4, "h": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(1.4, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        return _a_current(v, per_temperature(self.q10, self.celsius, 23.5), 36, 20, 73, 60.0)


def _k2_current(v: Array, phi: Array) -> dict[str, tuple[Array, Array]]:
    tau_m = 1 / (jnp.exp((v - 81) / 25.6) + jnp.exp(-(v + 132) / 18)) + 9.9
    tau_h = 1 / (jnp.exp((v - 1329) / 200) + jnp.exp(-(v + 129.7) / 7.143)) + 120
    return {
        "m": (logistic((v + 43) / 17) ** 4, tau_m / phi),
        "h": (logistic(-(v + 58) / 10.6), tau_h / phi),
    }


class KK2AHuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The faster K2 channel of thalamic relay cells, $I = g\,m h\,(e - v)$.

    $m_\infty = (1+e^{-(v+43)/17})^{-4}$,
    $\tau_m = \big(9.9+1/(e^{(v-81)/25.6}+e^{-(v+132)/18})\big)/\varphi$,
    $h_\infty = 1/(1+e^{(v+58)/10.6})$,
    $\tau_h = \big(120+1/(e^{(v-1329)/200}+e^{-(v+129.7)/7.143})\big)/\varphi$,
    $\varphi = q_{10}^{(T-23.5)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 2; `e`: mV, `None` for that of the ion `"k"`; `celsius`: $T$, °C,
    36; `q10`: $q_{10}$, 3. The whole K2 current is 0.6 of this and 0.4 of
    `KK2BHuguenardMcCormick`.

    ```python
    >>> import jax.numpy as jnp
    >>> KK2AHuguenardMcCormick().init(jnp.array(-43.0), {})["m"].item()  # 1/2 to the power of 4
    0.0625

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_{K2}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 1, "h": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(2.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        return _k2_current(v, per_temperature(self.q10, self.celsius, 23.5))


class KK2BHuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The slower K2 channel of thalamic relay cells, $I = g\,m h\,(e - v)$.

    As `KK2AHuguenardMcCormick`, but $\tau_h = 8930/\varphi$ above -70 mV.

    **Arguments:** `g`: mS/cm^2, 2; `e`: mV, `None` for that of the ion `"k"`; `celsius`: $T$, °C,
    36; `q10`: $q_{10}$, 3.

    ```python
    >>> import jax.numpy as jnp
    >>> slow = KK2BHuguenardMcCormick(celsius=23.5).gating(jnp.array(-50.0), {})["h"][1]
    >>> slow.item()  # ms
    8930.0

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_{K2}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 1, "h": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(2.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        phi = per_temperature(self.q10, self.celsius, 23.5)
        both = _k2_current(v, phi)
        steady, tau = both["h"]
        return {**both, "h": (steady, jnp.where(v < -70, tau, 8930 / phi))}


class CaTHuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The low-threshold calcium channel of thalamic relay cells, of permeability $p\,m^2 h$.

    With $u = v - v_{sh}$: $m_\infty = 1/(1+e^{-(u+57)/6.2})$,
    $\tau_m = \big(0.612+1/(e^{-(u+132)/16.7}+e^{(u+16.8)/18.2})\big)/\varphi_m$,
    $h_\infty = 1/(1+e^{(u+81)/4})$, $\tau_h = e^{(u+467)/66.6}/\varphi_h$ below -80 mV and
    $(28+e^{-(u+22)/10.5})/\varphi_h$ above, $\varphi_x = q_x^{(T-24)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, `None`: given together with `p=None` the current is
    $g\,m^2 h\,(e - v)$; `p`: permeability, cm/s, 2e-4, for the current of Goldman, Hodgkin & Katz;
    `e`: mV, `None` for that of the ion `"ca"`, used with `g`; `v_sh`: shift of both curves, mV, 0
    (Destexhe et al. take -2 for the surface charge of 2 mM calcium); `celsius`: $T$, °C, 36;
    `q10_m`, `q10_h`: $q_m$, $q_h$, 5 and 3.

    **Raises:** `ValueError` unless one of `g` and `p` is given.

    ```python
    >>> import jax.numpy as jnp
    >>> CaTHuguenardMcCormick().init(jnp.array(-57.0), {})["m"].item()
    0.5

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_T$; temperature factors
    (Coulter et al. 1989) and permeability as in Destexhe et al. 1998, J. Neurosci. 18:3574.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2, "h": 1}
    ion: ClassVar[str] = "ca"

    g: Array | None = param(None, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    p: Array | None = param(
        2e-4, unit="cm/s", doc="maximal permeability", bound="non-negative", optional=True
    )
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    v_sh: Array = param(0.0, unit="mV", doc="shift of the voltage dependence")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10_m: Array = param(5.0, unit="1", doc="factor on activation per 10 degC", bound="positive")
    q10_h: Array = param(3.0, unit="1", doc="factor on inactivation per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        u = v - self.v_sh
        tau_m = 0.612 + 1 / (jnp.exp(-(u + 132) / 16.7) + jnp.exp((u + 16.8) / 18.2))
        tau_h = jnp.where(
            u < -80,
            jnp.exp((jnp.minimum(u, -80) + 467) / 66.6),
            28 + jnp.exp(-(jnp.maximum(u, -80) + 22) / 10.5),
        )
        return {
            "m": (logistic((u + 57) / 6.2), tau_m / per_temperature(self.q10_m, self.celsius, 24)),
            "h": (logistic(-(u + 81) / 4), tau_h / per_temperature(self.q10_h, self.celsius, 24)),
        }


class IhHuguenardMcCormick(AbstractSteadyStateChannel):
    r"""The hyperpolarization-activated channel of thalamic relay cells, $I = g\,m\,(e - v)$.

    $m_\infty = 1/(1+e^{(v+75)/5.5})$,
    $\tau_m = 1/(e^{-0.086v-14.6}+e^{0.0701v-1.87})/q_{10}^{(T-35.5)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 0.02; `e`: mV, -43 (sodium and potassium mixed, so that it counts
    for no ion); `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 3.

    ```python
    >>> import jax.numpy as jnp
    >>> IhHuguenardMcCormick().init(jnp.array(-75.0), {})["m"].item()
    0.5

    ```

    **Source:** Huguenard & McCormick 1992, J. Neurophysiol. 68:1373, $I_h$, after McCormick & Pape
    1990, J. Physiol. 431:291.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 1}

    g: Array = param(0.02, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array = param(-43.0, unit="mV", doc="reversal potential")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m."""
        del ions
        tau = 1 / (jnp.exp(-0.086 * v - 14.6) + jnp.exp(0.0701 * v - 1.87))
        return {
            "m": (logistic(-(v + 75) / 5.5), tau / per_temperature(self.q10, self.celsius, 35.5))
        }
