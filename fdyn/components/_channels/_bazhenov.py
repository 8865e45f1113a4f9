"""The sodium and potassium channels of cortical cells of Timofeev, Bazhenov et al."""

from typing import ClassVar

from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from .._ions._base import IonState
from ._base import AbstractSteadyStateChannel, per_temperature


class NaBazhenov(AbstractSteadyStateChannel):
    r"""The fast sodium channel of cortical cells, $I = g\,m^3 h\,(e - v)$.

    $\alpha_m = 0.182\,(v+25)/(1-e^{-(v+25)/9})$, $\beta_m = 0.124\,(v+25)/(e^{(v+25)/9}-1)$,
    $\alpha_h = 0.024\,(v+40)/(1-e^{-(v+40)/5})$, $\beta_h = 0.0091\,(v+65)/(e^{(v+65)/5}-1)$,
    $h_\infty = 1/(1+e^{(v+55)/6.2})$, $m_\infty = \alpha_m/(\alpha_m+\beta_m)$,
    $\tau_x = 1/(\varphi(\alpha_x+\beta_x))$, $\varphi = q_{10}^{(T-23)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 1.5 (of a dendrite; the soma has 3000), at the temperature of the
    simulation (the paper multiplies its own by $\varphi$); `e`: mV, `None` for that of the ion
    `"na"`, 50 in the paper; `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 2.3.

    ```python
    >>> import jax.numpy as jnp
    >>> round(NaBazhenov().init(jnp.array(-55.0), {})["h"].item(), 4)
    0.5

    ```

    **Source:** Timofeev et al. 2000, Cereb. Cortex 10:1185, and Bazhenov et al. 2002, J. Neurosci.
    22:8691: the kinetics of Mainen & Sejnowski 1996, Nature 382:363, moved by 10 mV. In $\beta_h$
    the midpoint of the model's code is taken, -65 mV as in Mainen & Sejnowski; the printed one
    differs. The thalamic cells of Bazhenov et al. have `NaTraubMiles`.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 3, "h": 1}
    ion: ClassVar[str] = "na"

    g: Array = param(1.5, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(2.3, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m and h."""
        del ions
        phi = per_temperature(self.q10, self.celsius, 23)
        open_m, close_m = 0.182 * vtrap(-(v + 25), 9.0), 0.124 * vtrap(v + 25, 9.0)
        rate_h = 0.024 * vtrap(-(v + 40), 5.0) + 0.0091 * vtrap(v + 65, 5.0)
        return {
            "m": (open_m / (open_m + close_m), 1 / (phi * (open_m + close_m))),
            "h": (logistic(-(v + 55) / 6.2), 1 / (phi * rate_h)),
        }


class KDRBazhenov(AbstractSteadyStateChannel):
    r"""The delayed rectifier of cortical cells, $I = g\,n\,(e - v)$.

    $\alpha = 0.02\,(v-25)/(1-e^{-(v-25)/9})$, $\beta = 0.002\,(v-25)/(e^{(v-25)/9}-1)$,
    $n_\infty = \alpha/(\alpha+\beta)$, $\tau_n = 1/(\varphi(\alpha+\beta))$,
    $\varphi = q_{10}^{(T-23)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 200 (of the soma), at the temperature of the simulation (the paper
    multiplies its own by $\varphi$); `e`: mV, `None` for that of the ion `"k"`, -90 in the paper;
    `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 2.3.

    ```python
    >>> import jax.numpy as jnp
    >>> round(KDRBazhenov().init(jnp.array(25.0), {})["n"].item(), 4)  # 0.02 / 0.022
    0.9091

    ```

    **Source:** Timofeev et al. 2000, Cereb. Cortex 10:1185, and Bazhenov et al. 2002, J. Neurosci.
    22:8691: the kinetics of Mainen & Sejnowski 1996, Nature 382:363. The thalamic cells of Bazhenov
    et al. have `KTraubMiles`.
    """

    units: ClassVar[dict[str, str]] = {"n": "1"}
    gates: ClassVar[dict[str, int]] = {"n": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(200.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(2.3, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of n."""
        del ions
        phi = per_temperature(self.q10, self.celsius, 23)
        opening, closing = 0.02 * vtrap(-(v - 25), 9.0), 0.002 * vtrap(v - 25, 9.0)
        return {"n": (opening / (opening + closing), 1 / (phi * (opening + closing)))}


class NaPTimofeev(AbstractSteadyStateChannel):
    r"""The persistent sodium channel of cortical cells, $I = g\,m\,(e - v)$.

    $m_\infty = 1/(1+e^{-(v+42)/5})$, $\tau_m = 0.8/q_{10}^{(T-22)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 0.07 (of a dendrite); `e`: mV, `None` for that of the ion `"na"`,
    50 in the paper; `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 2.7.

    ```python
    >>> import jax.numpy as jnp
    >>> NaPTimofeev().init(jnp.array(-42.0), {})["m"].item()
    0.5

    ```

    **Source:** Timofeev et al. 2000, Cereb. Cortex 10:1185, appendix; Bazhenov et al. 2002, J.
    Neurosci. 22:8691.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 1}
    ion: ClassVar[str] = "na"

    g: Array = param(0.07, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(2.7, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m."""
        del ions
        return {"m": (logistic((v + 42) / 5), 0.8 / per_temperature(self.q10, self.celsius, 22))}
