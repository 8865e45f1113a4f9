"""Channels that calcium gates: two of reticular cells, and the h channel of relay cells."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine
from .._ions._base import IonState
from ._base import AbstractChannel, AbstractSteadyStateChannel, per_temperature


def _by_calcium(
    channel: Any, v: Array, ions: dict[str, IonState]
) -> dict[str, tuple[Array, Array]]:
    inside: Any = ions["ca"].inside
    opening = channel.alpha * (inside + 0 * v) ** 2
    rate = per_temperature(channel.q10, channel.celsius, 22) * (opening + channel.beta)
    return {"m": (opening / (opening + channel.beta), jnp.maximum(1 / rate, channel.tau_min))}


class KAHPDestexhe(AbstractSteadyStateChannel):
    r"""The potassium channel of the slow afterhyperpolarization, which calcium opens,
    $I = g\,m^2\,(e - v)$.

    $m_\infty = \alpha c^2/(\alpha c^2+\beta)$,
    $\tau_m = \max\big(\tau_{min}, 1/(\varphi(\alpha c^2+\beta))\big)$,
    $\varphi = q_{10}^{(T-22)/10}$, with the calcium $c$ inside.

    **Arguments:** `g`: mS/cm^2, 10; `e`: mV, `None` for that of the ion `"k"`, -95 in the paper;
    `alpha`, `beta`: binding and unbinding, 48 1/(ms mM^2) and 0.03 1/ms; `tau_min`: ms, 0.1;
    `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 3. It reads the concentration of the ion `"ca"`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import calcium
    >>> ca = calcium(inside=0.025).view({})  # half-activation, sqrt(0.03/48)
    >>> round(KAHPDestexhe().init(jnp.array(-65.0), {"ca": ca})["m"].item(), 4)
    0.5

    ```

    **Source:** Destexhe et al. 1994, J. Neurophysiol. 72:803, $I_{K[Ca]}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2}
    ion: ClassVar[str] = "k"
    reads: ClassVar[tuple[str, ...]] = ("ca.inside",)

    g: Array = param(10.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(None, unit="mV", doc="reversal potential, if not of the ion")
    alpha: Array = param(48.0, unit="1/(ms*mM^2)", doc="rate of binding", bound="non-negative")
    beta: Array = param(0.03, unit="1/ms", doc="rate of unbinding", bound="positive")
    tau_min: Array = param(0.1, unit="ms", doc="least time constant", bound="non-negative")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m."""
        return _by_calcium(self, v, ions)


class CANDestexhe(AbstractSteadyStateChannel):
    r"""The unspecific cation channel that calcium opens, $I = g\,m^2\,(e - v)$.

    $m_\infty = \alpha c^2/(\alpha c^2+\beta)$,
    $\tau_m = \max\big(\tau_{min}, 1/(\varphi(\alpha c^2+\beta))\big)$,
    $\varphi = q_{10}^{(T-22)/10}$, with the calcium $c$ inside.

    **Arguments:** `g`: mS/cm^2, 0.25; `e`: mV, -20 (mixed, so that it counts for no ion); `alpha`,
    `beta`: binding and unbinding, 20 1/(ms mM^2) and 0.002 1/ms; `tau_min`: ms, 0.1; `celsius`:
    $T$, °C, 36; `q10`: $q_{10}$, 3. It reads the concentration of the ion `"ca"`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import calcium
    >>> ca = calcium(inside=0.01).view({})  # half-activation, sqrt(0.002/20)
    >>> round(CANDestexhe().init(jnp.array(-65.0), {"ca": ca})["m"].item(), 4)
    0.5

    ```

    **Source:** Destexhe et al. 1994, J. Neurophysiol. 72:803, $I_{CAN}$.
    """

    units: ClassVar[dict[str, str]] = {"m": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 2}
    reads: ClassVar[tuple[str, ...]] = ("ca.inside",)

    g: Array = param(0.25, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array = param(-20.0, unit="mV", doc="reversal potential")
    alpha: Array = param(20.0, unit="1/(ms*mM^2)", doc="rate of binding", bound="non-negative")
    beta: Array = param(0.002, unit="1/ms", doc="rate of unbinding", bound="positive")
    tau_min: Array = param(0.1, unit="ms", doc="least time constant", bound="non-negative")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on the rates per 10 degC", bound="positive")

    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Of m."""
        return _by_calcium(self, v, ions)


class IhDestexhe(AbstractChannel):
    r"""The hyperpolarization-activated channel that calcium holds open by way of a protein,
    $I = g\,(o + f\,o_L)(e - v)$.

    Closed and open states exchange at $\alpha = h_\infty/\tau$ and $\beta = (1-h_\infty)/\tau$; the
    protein binds four calcium ions, and its bound share $p_1$ locks open channels:

    $$\dot o = \alpha\,(1-o-o_L) - \beta\,o + k_4\,(o_L - o\,p_1/p_c),\quad
      \dot o_L = k_4\,(o\,p_1/p_c - o_L),\quad
      \dot p_1 = k_2\,\big((1-p_1)\,(c/c_c)^4 - p_1\big)$$

    With $u = v - v_{sh}$: $h_\infty = 1/(1+e^{(u+75)/5.5})$,
    $\tau = \big(20+1000/(e^{(u+71.5)/14.2}+e^{-(u+89)/11.6})\big)/q_{10}^{(T-36)/10}$ (ms, mV).

    **Arguments:** `g`: mS/cm^2, 0.02; `e`: mV, -40 (mixed, so that it counts for no ion); `c_c`:
    calcium that half binds the protein, mM, 0.002; `k_2`: its unbinding, 1/ms, 4e-4; `p_c`: bound
    protein that half locks the channel, 1, 0.01; `k_4`: unlocking, 1/ms, 0.001; `f`: $f$,
    conductance of a locked channel, 1, 2; `v_sh`: shift of the voltage dependence, mV, 0;
    `celsius`: $T$, °C, 36; `q10`: $q_{10}$, 3. It reads the concentration of the ion `"ca"`.

    **State:** `o`: open; `o_l`: locked open; `p1`: bound protein.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import calcium
    >>> ca = calcium(inside=0.002).view({})
    >>> IhDestexhe().init(jnp.array(-75.0), {"ca": ca})["p1"].item()
    0.5

    ```

    **Source:** Destexhe et al. 1996, J. Neurophysiol. 76:2049, $I_h$.
    """

    units: ClassVar[dict[str, str]] = {"o": "1", "o_l": "1", "p1": "1"}
    reads: ClassVar[tuple[str, ...]] = ("ca.inside",)

    g: Array = param(0.02, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array = param(-40.0, unit="mV", doc="reversal potential")
    c_c: Array = param(0.002, unit="mM", doc="calcium that half binds", bound="positive")
    k_2: Array = param(4e-4, unit="1/ms", doc="unbinding of calcium", bound="positive")
    p_c: Array = param(0.01, unit="1", doc="bound protein that half locks", bound="positive")
    k_4: Array = param(1e-3, unit="1/ms", doc="unlocking", bound="positive")
    f: Array = param(2.0, unit="1", doc="conductance of a locked channel", bound="non-negative")
    v_sh: Array = param(0.0, unit="mV", doc="shift of the voltage dependence")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    q10: Array = param(3.0, unit="1", doc="factor on opening per 10 degC", bound="positive")

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """Every reaction at equilibrium."""
        steady, _ = self._opening(v)
        binding = self._binding(v, ions)
        p1 = binding / (1 + binding)
        o = steady / (1 + steady * p1 / self.p_c)
        return {"o": o, "o_l": o * p1 / self.p_c, "p1": p1}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """Opening, locking and binding."""
        steady, tau = self._opening(v)
        binding = self._binding(v, ions)
        lock = self.k_4 * y["p1"] / self.p_c
        return {
            "o": Affine(-1 / tau - lock, (1 - y["o_l"]) * steady / tau + self.k_4 * y["o_l"]),
            "o_l": Affine(-self.k_4, lock * y["o"]),
            "p1": Affine(-self.k_2 * (1 + binding), self.k_2 * binding),
        }

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Through open and locked channels."""
        del v, ions
        g = self.g * (y["o"] + self.f * y["o_l"])
        return Affine(-g, g * self.e)

    def _opening(self, v: Array) -> tuple[Array, Array]:
        u = v - self.v_sh
        tau = 20 + 1000 / (jnp.exp((u + 71.5) / 14.2) + jnp.exp(-(u + 89) / 11.6))
        return logistic(-(u + 75) / 5.5), tau / per_temperature(self.q10, self.celsius, 36)

    def _binding(self, v: Array, ions: dict[str, IonState]) -> Array:
        inside: Any = ions["ca"].inside
        return ((inside + 0 * v) / self.c_c) ** 4
