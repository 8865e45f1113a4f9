"""The fast-spiking interneuron of Wang and Buzsáki."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from .._base import Affine, Args, as_affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractCrossingNeuron


class WangBuzsaki(AbstractCrossingNeuron):
    r"""The hippocampal interneuron: fast spikes, and firing that starts at any low rate.

    $$c\,\dot v = u - g_L (v - e_L) - g_{Na} m_\infty^3(v)\,h\,(v - e_{Na}) - g_K n^4 (v - e_K),
      \quad \dot x = \phi\,(\alpha_x(v)(1 - x) - \beta_x(v)\,x),\ x = h, n$$
    with $m_\infty = \alpha_m/(\alpha_m + \beta_m)$ and, in 1/ms,
    $$\alpha_m = \tfrac{0.1 (v + 35)}{1 - e^{-(v+35)/10}},\ \beta_m = 4 e^{-(v+60)/18},\quad
      \alpha_h = 0.07 e^{-(v+58)/20},\ \beta_h = \tfrac{1}{1 + e^{-(v+28)/10}},\quad
      \alpha_n = \tfrac{0.01 (v + 34)}{1 - e^{-(v+34)/10}},\ \beta_n = 0.125 e^{-(v+44)/80}$$

    The default solver, `ExponentialEuler`, converges slowly here: at an input of 1 uA/cm^2 the
    third spike is at 46.18 ms, but comes at 56.20, 51.45 and 47.26 ms with `dt` = 0.1, 0.05 and
    0.01 ms. `RK4` has it at 46.18 ms with 0.01 ms, and to the grid with 0.1 ms.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `c`: uF/cm^2, 1; `g_na`, `g_k`, `g_l`: mS/cm^2, 35, 9, 0.1; `e_na`, `e_k`, `e_l`: mV, 55, -90,
    -65; `phi`: 1, 5, the speed of the gates; `v_th`: voltage that counts as a spike, mV, 0;
    `t_ref`: least time between spikes, ms, 0; `v_init`: mV, -65, at which the gates start at rest;
    `spike`: the spike function.

    The input $u$ is a current density (uA/cm^2), or an `Affine` in $v$ (mS/cm^2, uA/cm^2).

    **State:** `v`: mV, `h`, `n`: 1, all `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> import jax.numpy as jnp
    >>> alpha, beta = WangBuzsaki(1).rates(jnp.array([-34.0]))["n"]
    >>> round(float(alpha[0]), 6)  # at its removable singularity
    0.1

    ```

    **Source:** Wang & Buzsáki 1996, J. Neurosci. 16:6402, Methods.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "h": "1", "n": "1", "spike": "1", "clock": "ms"}

    size: int = size_field()
    c: Array = param(1.0, unit="uF/cm^2", doc="membrane capacitance", bound="positive")
    g_na: Array = param(35.0, unit="mS/cm^2", doc="sodium conductance", bound="non-negative")
    g_k: Array = param(9.0, unit="mS/cm^2", doc="potassium conductance", bound="non-negative")
    g_l: Array = param(0.1, unit="mS/cm^2", doc="leak conductance", bound="non-negative")
    e_na: Array = param(55.0, unit="mV", doc="sodium reversal potential")
    e_k: Array = param(-90.0, unit="mV", doc="potassium reversal potential")
    e_l: Array = param(-65.0, unit="mV", doc="leak reversal potential")
    phi: Array = param(5.0, unit="1", doc="speed of the gates", bound="positive")
    v_th: Array = param(0.0, unit="mV", doc="voltage that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    v_init: Array = param(-65.0, unit="mV", doc="initial potential")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def start(self) -> dict[str, Array]:
        """At `v_init`, with the gates at rest."""
        v = spread(self.v_init, self.size)
        rates = self.rates(v)
        return {"v": v, **{x: rates[x][0] / sum(rates[x]) for x in ("h", "n")}}

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Opening and closing rates (1/ms) of each gate at `v` (mV), without `phi`."""
        return {
            "m": (0.1 * vtrap(-(v + 35), 10.0), 4 * jnp.exp(-(v + 60) / 18)),
            "h": (0.07 * jnp.exp(-(v + 58) / 20), logistic((v + 28) / 10)),
            "n": (0.01 * vtrap(-(v + 34), 10.0), 0.125 * jnp.exp(-(v + 44) / 80)),
        }

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The currents charge the membrane; two gates follow the voltage, the third is there."""
        del t
        rates = self.rates(y["v"])
        opening, closing = rates["m"]
        g_na = self.g_na * (opening / (opening + closing)) ** 3 * y["h"]
        g_k = self.g_k * y["n"] ** 4
        ionic = Affine(
            -(self.g_l + g_na + g_k), self.g_l * self.e_l + g_na * self.e_na + g_k * self.e_k
        )
        gates = {
            x: self.phi * Affine(-(rates[x][0] + rates[x][1]), rates[x][0]) for x in ("h", "n")
        }
        return {"v": (ionic + as_affine(args.u)) / self.c, **gates}
