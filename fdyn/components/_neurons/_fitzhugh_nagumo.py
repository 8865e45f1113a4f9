"""The FitzHugh-Nagumo neuron."""

from typing import ClassVar

import equinox as eqx
from jax import Array

from ..._param import param
from .._base import Affine, Args, as_affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractCrossingNeuron


class FitzHughNagumo(AbstractCrossingNeuron):
    r"""The nerve membrane in two dimensions: a cubic and a slow recovery.

    $$\dot v = v - \tfrac{v^3}{3} - w + u,\qquad \dot w = \epsilon\,(v + a - b w)$$

    The variables have no unit, and time is counted in ms.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `a`: 1, 0.7; `b`: 1, 0.8; `epsilon`: 1/ms, 0.08; `v_th`: value that counts as a spike, 0;
    `t_ref`: least time between spikes, ms, 0; `v_init`, `w_init`: -1.2, -0.625, close to rest;
    `spike`: the spike function.

    The input $u$ has no unit; it may be an `Affine` in $v$.

    **State:** `v`, `w`, both `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(FitzHughNagumo(1), 200.0, dt=0.1, inputs=0.5, record="spike")
    >>> float(rec["spike"].sum())
    5.0

    ```

    **Source:** FitzHugh 1961, Biophys. J. 1:445; Nagumo, Arimoto & Yoshizawa 1962, Proc. IRE
    50:2061.
    """

    units: ClassVar[dict[str, str]] = {"v": "1", "w": "1", "spike": "1", "clock": "ms"}

    size: int = size_field()
    a: Array = param(0.7, unit="1", doc="offset of the recovery")
    b: Array = param(0.8, unit="1", doc="decay of the recovery")
    epsilon: Array = param(0.08, unit="1/ms", doc="rate of the recovery", bound="positive")
    v_th: Array = param(0.0, unit="1", doc="value that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    v_init: Array = param(-1.2, unit="1", doc="initial voltage")
    w_init: Array = param(-0.625, unit="1", doc="initial recovery")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def start(self) -> dict[str, Array]:
        """At `v_init`, `w_init`."""
        return {"v": spread(self.v_init, self.size), "w": spread(self.w_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The voltage, without a unit."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The cubic, the recovery and the input."""
        del t
        v, w = y["v"], y["w"]
        return {
            "v": as_affine(args.u) + (v - v**3 / 3 - w),
            "w": Affine(-self.epsilon * self.b, self.epsilon * (v + self.a)),
        }
