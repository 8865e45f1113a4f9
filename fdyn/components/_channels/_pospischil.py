"""The low-threshold calcium channel of minimal models of cortical and thalamic cells."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine
from .._ions._base import IonState
from ._base import AbstractChannel, ohm, per_temperature


class CaTPospischil(AbstractChannel):
    r"""The low-threshold calcium channel with instantaneous activation,
    $I = g\,s_\infty(v)^2 u\,(e - v)$.

    With $w = v + v_x$: $s_\infty = 1/(1+e^{-(w+57)/6.2})$, $u_\infty = 1/(1+e^{(w+81)/4})$,
    $\tau_u = \big(30.8+(211.4+e^{(w+113.2)/5})/(1+e^{(w+84)/3.2})\big)/q_{10}^{(T-24)/10}$ (ms,
    mV).

    **Arguments:** `g`: mS/cm^2, 0.4; `e`: mV, `None` for that of the ion `"ca"`, 120 in the paper;
    `v_x`: shift of the voltage dependence, mV, 2; `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 3 (a
    factor of 3.74, which the paper rounds to 3.7).

    The other channels of that paper are `NaTraubMiles`, `KTraubMiles`, `KMYamada` and
    `CaHTReuveni`.

    **State:** `u`: inactivation.

    ```python
    >>> import jax.numpy as jnp
    >>> CaTPospischil().init(jnp.array(-83.0), {})["u"].item()
    0.5

    ```

    **Source:** Pospischil et al. 2008, Biol. Cybern. 99:427, $I_T$, after Destexhe et al. 1996, J.
    Neurophysiol. 76:2049.
    """

    units: ClassVar[dict[str, str]] = {"u": "1"}
    ion: ClassVar[str] = "ca"

    g: Array = param(0.4, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    v_x: Array = param(2.0, unit="mV", doc="shift of the voltage dependence")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """Inactivation at its steady state."""
        del ions
        return {"u": logistic(-(v + self.v_x + 81) / 4)}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """Relaxation of the inactivation."""
        del y, ions
        w = v + self.v_x
        slow = (211.4 + jnp.exp((w + 113.2) / 5)) / (1 + jnp.exp((w + 84) / 3.2))
        rate = per_temperature(self.q10, self.celsius, 24) / (30.8 + slow)
        return {"u": Affine(-rate, rate * logistic(-(w + 81) / 4))}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Ohm's law; the activation counts as constant during a step of exponential Euler."""
        s = logistic((v + self.v_x + 57) / 6.2)
        return ohm(self, self.g * s**2 * y["u"], ions)
