"""The Morris-Lecar neuron."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine, Args, as_affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractCrossingNeuron


class MorrisLecar(AbstractCrossingNeuron):
    r"""The barnacle muscle fibre: an instantaneous calcium and a delayed potassium current.

    $$c\,\dot v = u - g_L (v - e_L) - g_{Ca} m_\infty(v)(v - e_{Ca}) - g_K w (v - e_K),\quad
      \dot w = \phi\,\frac{w_\infty(v) - w}{\tau_w(v)}$$
    with $m_\infty = \tfrac12(1+\tanh\frac{v-v_1}{v_2})$,
    $w_\infty = \tfrac12(1+\tanh\frac{v-v_3}{v_4})$, $\tau_w = 1/\cosh\frac{v-v_3}{2 v_4}$ (ms).

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`,
    and their defaults are the class-2 (Hopf) set. `c`: uF/cm^2, 20; `g_l`, `g_ca`, `g_k`: mS/cm^2,
    2, 4.4, 8; `e_l`, `e_ca`, `e_k`: mV, -60, 120, -84; `v1`, `v2`, `v3`, `v4`: mV, -1.2, 18, 2,
    30; `phi`: 1/ms, 0.04; `v_th`: voltage that counts as a spike, mV, 0; `t_ref`: least time
    between spikes, ms, 0; `v_init`: mV, -60; `w_init`: 1, 0.01; `spike`: the spike function.

    The input $u$ is a current density (uA/cm^2), or an `Affine` in $v$ (mS/cm^2, uA/cm^2).

    **State:** `v`: mV, `w`: 1, both `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(MorrisLecar(1), 500.0, dt=0.1, inputs=100.0, record="spike")
    >>> float(rec["spike"].sum())
    6.0

    ```

    **Source:** Morris & Lecar 1981, Biophys. J. 35:193, eqs. 1 and 9; parameters of Rinzel &
    Ermentrout 1998, Methods in Neuronal Modeling, table 7.1.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "w": "1", "spike": "1", "clock": "ms"}

    size: int = size_field()
    c: Array = param(20.0, unit="uF/cm^2", doc="membrane capacitance", bound="positive")
    g_l: Array = param(2.0, unit="mS/cm^2", doc="leak conductance", bound="non-negative")
    g_ca: Array = param(4.4, unit="mS/cm^2", doc="calcium conductance", bound="non-negative")
    g_k: Array = param(8.0, unit="mS/cm^2", doc="potassium conductance", bound="non-negative")
    e_l: Array = param(-60.0, unit="mV", doc="leak reversal potential")
    e_ca: Array = param(120.0, unit="mV", doc="calcium reversal potential")
    e_k: Array = param(-84.0, unit="mV", doc="potassium reversal potential")
    v1: Array = param(-1.2, unit="mV", doc="half-activation of calcium")
    v2: Array = param(18.0, unit="mV", doc="slope of the calcium activation", bound="positive")
    v3: Array = param(2.0, unit="mV", doc="half-activation of potassium")
    v4: Array = param(30.0, unit="mV", doc="slope of the potassium activation", bound="positive")
    phi: Array = param(0.04, unit="1/ms", doc="rate of the potassium activation", bound="positive")
    v_th: Array = param(0.0, unit="mV", doc="voltage that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    v_init: Array = param(-60.0, unit="mV", doc="initial potential")
    w_init: Array = param(0.01, unit="1", doc="initial potassium activation", bound="non-negative")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def start(self) -> dict[str, Array]:
        """At `v_init`, `w_init`."""
        return {"v": spread(self.v_init, self.size), "w": spread(self.w_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The currents charge the membrane; the potassium activation follows the voltage."""
        del t
        v, w = y["v"], y["w"]
        g_ca = self.g_ca * logistic(2 * (v - self.v1) / self.v2)
        g_k = self.g_k * w
        ionic = Affine(
            -(self.g_l + g_ca + g_k), self.g_l * self.e_l + g_ca * self.e_ca + g_k * self.e_k
        )
        w_inf = logistic(2 * (v - self.v3) / self.v4)
        rate = self.phi * jnp.cosh((v - self.v3) / (2 * self.v4))
        return {"v": (ionic + as_affine(args.u)) / self.c, "w": Affine(-rate, rate * w_inf)}
