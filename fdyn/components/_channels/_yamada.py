"""The slow non-inactivating potassium channel."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._ions._base import IonState
from ._base import AbstractSteadyStateChannel, per_temperature


class KMYamada(AbstractSteadyStateChannel):
    r"""The slow non-inactivating potassium channel (M), $I = g\,p\,(e - v)$.

    $p_\infty = 1/(1+e^{-(v+35)/10})$,
    $\tau_p = \tau_{max}/(3.3\,e^{(v+35)/20}+e^{-(v+35)/20})/q_{10}^{(T-36)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 0.07; `e`: mV, `None` for that of the ion `"k"`; `tau_max`: ms,
    1000 (608 for a regular spiking cell of Pospischil et al.); `celsius`: $T$, °C, 36; `q10`:
    $q_{10}$, 2.3.

    ```python
    >>> import jax.numpy as jnp
    >>> KMYamada().init(jnp.array(-35.0), {})["p"].item()
    0.5

    ```

    **Source:** Yamada, Koch & Adams 1989, in Methods in Neuronal Modeling (MIT Press), ch. 4, in
    the form of Pospischil et al. 2008, Biol. Cybern. 99:427, $I_M$.
    """

    units: ClassVar[dict[str, str]] = {"p": "1"}
    gates: ClassVar[dict[str, int]] = {"p": 1}
    ion: ClassVar[str] = "k"

    g: Array = param(0.07, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    tau_max: Array = param(1000.0, unit="ms", doc="scale of the time constant", bound="positive")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(2.3, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of p."""
        del ions
        tau = self.tau_max / (3.3 * jnp.exp((v + 35) / 20) + jnp.exp(-(v + 35) / 20))
        return {
            "p": (logistic((v + 35) / 10), tau / per_temperature(self.q10, self.celsius, 36)),
        }
