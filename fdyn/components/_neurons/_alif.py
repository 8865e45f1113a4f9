"""The integrate-and-fire neuron with an adaptive threshold."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above
from ._reset import AbstractReset, SoftReset


class ALIF(AbstractResetNeuron):
    r"""Leaky integrate-and-fire with an adaptive threshold, as trained networks use it.

    $$\tau \dot v = -(v - v_\mathrm{rest}) + r\,u,\qquad \tau_a \dot a = -a$$
    $$v \ge v_\mathrm{th} + \beta a:\ \text{spike},\
      v \leftarrow v - (v_\mathrm{th} - v_\mathrm{reset}),\ a \leftarrow a + 1,\
      v \text{ held for } t_\mathrm{ref}$$

    The voltage loses the threshold at rest, not the threshold it has crossed. The input $u$ (pA)
    may be an `Affine` in $v$ (conductances, nS).

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 20; `r`: Gohm, 1; `v_rest`: mV, -65; `v_th`: mV, -50; `v_reset`: mV, -65; `tau_a`:
    ms, 200, and `beta`: mV, 1.5, the adaptation; `t_ref`: ms, 0; `v_init`: mV, `v_rest` by default;
    `spike`: the spike function; `reset`: the reset rule, `SoftReset()`; `reset_grad`: whether the
    reset passes gradient, `False`.

    **State:** `v`: mV, `a`: 1, both `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a threshold not
    above the reset.

    ```python
    >>> from fdyn import solve
    >>> times = solve(ALIF(1), 100.0, inputs=30.0).spikes("spike").times
    >>> [round(float(t), 1) for t in times]  # it adapts
    [13.9, 29.7, 46.5, 64.3, 83.2]

    ```

    **Source:** Bellec et al. 2020, Nat. Commun. 11:3625, Methods, the ALIF model, in continuous
    time and in mV.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "a": "1", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    tau: Array = param(20.0, unit="ms", doc="membrane time constant", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(-65.0, unit="mV", doc="resting potential")
    v_th: Array = param(-50.0, unit="mV", doc="threshold at rest")
    v_reset: Array = param(-65.0, unit="mV", doc="reset potential")
    tau_a: Array = param(200.0, unit="ms", doc="time constant of adaptation", bound="positive")
    beta: Array = param(1.5, unit="mV", doc="threshold per unit of adaptation")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=SoftReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "v_reset", "v_th")

    def start(self) -> dict[str, Array]:
        """At `v_init`, not adapted."""
        v = spread(self.v_rest if self.v_init is None else self.v_init, self.size)
        return {"v": v, "a": jnp.zeros_like(v)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The leak and the input; the adaptation decays."""
        del y
        return {
            "v": (Affine(-1.0, self.v_rest) + u * self.r) / self.tau,
            "a": Affine(-1 / self.tau_a, 0.0),
        }

    def threshold(self, y: dict) -> Array:
        """The threshold at rest and the adaptation."""
        return self.v_th + self.beta * y["a"]

    def after_spike(self, y: dict) -> dict:
        """The reset by the threshold at rest, and more adaptation."""
        return {"v": self.reset(y["v"], self.v_th, self.v_reset), "a": y["a"] + 1}
