"""The generalised integrate-and-fire neuron of Mihalas and Niebur."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above
from ._reset import AbstractReset, HardReset


class GIF(AbstractResetNeuron):
    r"""Generalised integrate-and-fire: linear between spikes, with a moving threshold.

    $$c\,\dot v = -g (v - e_L) + I_1 + I_2 + u,\qquad
      \dot\Theta = a\,(v - e_L) - b\,(\Theta - \Theta_\infty),\qquad \dot I_j = -k_j I_j$$
    $$v \ge \Theta:\ \text{spike},\ v \leftarrow v_\mathrm{reset},\
      \Theta \leftarrow \max(\Theta_\mathrm{reset}, \Theta),\ I_j \leftarrow r_j I_j + a_j,\
      v \text{ held for } t_\mathrm{ref}$$

    The currents of a spike and the threshold together make twenty firing patterns. The input $u$
    (pA) may be an `Affine` in $v$ (conductances, nS).

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`, and
    their defaults spike tonically. `c`: pF, 100; `g`: nS, 5; `e_l`: mV, -70; `a`: 1/ms, 0, and `b`:
    1/ms, 0.01, the threshold below threshold; `theta_inf`: mV, -50; `theta_reset`: mV, -60; `k1`,
    `k2`: 1/ms, 0.2, 0.02; `r1`, `r2`: 1, 0, 1; `a1`, `a2`: pA, 0, 0; `v_reset`: mV, -70; `t_ref`:
    ms, 0; `v_init`: mV, `e_l` by default; `theta_init`: mV, `theta_inf` by default; `spike`: the
    spike function; `reset`: the reset rule of the voltage, `HardReset()`; `reset_grad`: whether the
    reset passes gradient, `False`.

    **State:** `v`: mV, `i1`, `i2`: pA, `theta`: mV, all `[size]`. **Output:** `spike`: 0 or 1,
    `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a threshold not
    above the reset.

    ```python
    >>> from fdyn import solve
    >>> sol = solve(GIF(1), 40.0, inputs=150.0)  # to -50 of -40 mV, with 20 ms
    >>> round(float(sol.spikes("spike").times[0]), 3)  # 20 log(3)
    21.972

    ```

    **Source:** Mihalas & Niebur 2009, Neural Comput. 21:704, eqs. 2.1 and 2.2, with the constants
    of table 1 for 100 pF.
    """

    units: ClassVar[dict[str, str]] = {
        "v": "mV",
        "i1": "pA",
        "i2": "pA",
        "theta": "mV",
        "spike": "1",
        "refractory": "ms",
    }

    size: int = size_field()
    c: Array = param(100.0, unit="pF", doc="membrane capacitance", bound="positive")
    g: Array = param(5.0, unit="nS", doc="leak conductance", bound="non-negative")
    e_l: Array = param(-70.0, unit="mV", doc="leak reversal potential")
    a: Array = param(0.0, unit="1/ms", doc="coupling of the threshold to the voltage")
    b: Array = param(0.01, unit="1/ms", doc="rate of the threshold", bound="non-negative")
    theta_inf: Array = param(-50.0, unit="mV", doc="threshold at rest")
    theta_reset: Array = param(-60.0, unit="mV", doc="least threshold after a spike")
    k1: Array = param(0.2, unit="1/ms", doc="rate of the first current", bound="non-negative")
    k2: Array = param(0.02, unit="1/ms", doc="rate of the second current", bound="non-negative")
    r1: Array = param(0.0, unit="1", doc="what a spike leaves of the first current")
    r2: Array = param(1.0, unit="1", doc="what a spike leaves of the second current")
    a1: Array = param(0.0, unit="pA", doc="what a spike adds to the first current")
    a2: Array = param(0.0, unit="pA", doc="what a spike adds to the second current")
    v_reset: Array = param(-70.0, unit="mV", doc="reset potential")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    theta_init: Array | None = param(None, unit="mV", doc="initial threshold")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "v_reset", "theta_reset")

    def start(self) -> dict[str, Array]:
        """At `v_init`, `theta_init`, without currents of earlier spikes."""
        v = spread(self.e_l if self.v_init is None else self.v_init, self.size)
        theta = self.theta_inf if self.theta_init is None else self.theta_init
        none = jnp.zeros_like(v)
        return {"v": v, "i1": none, "i2": none, "theta": spread(theta, self.size)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Linear in all variables."""
        v = y["v"]
        membrane = Affine(-self.g, self.g * self.e_l + y["i1"] + y["i2"]) + u
        return {
            "v": membrane / self.c,
            "i1": Affine(-self.k1, 0.0),
            "i2": Affine(-self.k2, 0.0),
            "theta": Affine(-self.b, self.b * self.theta_inf + self.a * (v - self.e_l)),
        }

    def threshold(self, y: dict) -> Array:
        """The variable threshold."""
        return y["theta"]

    def after_spike(self, y: dict) -> dict:
        """The reset of the voltage, the currents of the spike, the least threshold."""
        return {
            "v": self.reset(y["v"], y["theta"], self.v_reset),
            "i1": self.r1 * y["i1"] + self.a1,
            "i2": self.r2 * y["i2"] + self.a2,
            "theta": jnp.maximum(self.theta_reset, y["theta"]),
        }
