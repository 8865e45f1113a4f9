"""The high-threshold calcium channel of thalamic relay cells."""

from typing import ClassVar

from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from .._ions._base import IonState
from ._base import AbstractSteadyStateChannel, per_temperature


class CaHTMcCormickHuguenard(AbstractSteadyStateChannel):
    r"""The high-threshold calcium channel (L) of thalamic relay cells, of permeability $p\,m^2$.

    $\alpha = 1.6/(1+e^{-0.072(v-5)})$, $\beta = 0.02\,(v-1.31)/(e^{(v-1.31)/5.36}-1)$,
    $m_\infty = \alpha/(\alpha+\beta)$, $\tau_m = 1/(\varphi(\alpha+\beta))$,
    $\varphi = q_{10}^{(T-23.5)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, `None`: given together with `p=None` the current is
    $g\,m^2\,(e - v)$; `p`: permeability, cm/s, 2.76e-4, for the current of Goldman, Hodgkin & Katz;
    `e`: mV, `None` for that of the ion `"ca"`, used with `g`; `celsius`: $T$, °C, 36; `q10`:
    $q_{10}$, 3.

    **Raises:** `ValueError` unless one of `g` and `p` is given.

    ```python
    >>> import jax.numpy as jnp
    >>> round(CaHTMcCormickHuguenard().init(jnp.array(5.0), {})["m"].item(), 4)
    0.9148

    ```

    **Source:** McCormick & Huguenard 1992, J. Neurophysiol. 68:1384, $I_L$, with the rates of Kay &
    Wong 1987, J. Physiol. 392:603.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2}
    ion: ClassVar[str] = "ca"

    g: Array | None = param(None, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    p: Array | None = param(
        2.76e-4, unit="cm/s", doc="maximal permeability", bound="non-negative", optional=True
    )
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m."""
        del ions
        opening, closing = 1.6 * logistic(0.072 * (v - 5)), 0.02 * vtrap(v - 1.31, 5.36)
        phi = per_temperature(self.q10, self.celsius, 23.5)
        return {"m": (opening / (opening + closing), 1 / (phi * (opening + closing)))}
