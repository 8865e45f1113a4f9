"""The BOLD signal of functional imaging: the balloon model."""

from typing import ClassVar

import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import Affine, Args, size_field, spread
from ._base import AbstractRate

_PER_MS = 1e-3  # 1/s in 1/ms


class BalloonWindkessel(AbstractRate):
    r"""The blood-oxygen-level signal that neural activity causes by way of blood flow and volume.

    $$\dot s = \epsilon u - \kappa s - \gamma\,(f - 1),\quad \dot f = s,\quad
      \tau\dot v = f - v^{1/\alpha},\quad
      \tau\dot q = \frac{f}{\rho}\bigl(1 - (1 - \rho)^{1/f}\bigr) - v^{1/\alpha - 1} q,$$
    $$\text{BOLD} = V_0\,[k_1 (1 - q) + k_2 (1 - q/v) + k_3 (1 - v)]$$

    As a node of a network, driven by a projection from the regions (`OneToOne`, `Activity`,
    `CUBA`), it makes the signal while the simulation runs: record its output with `every=`, and the
    memory of a long run is that of the scans. The input $u$ is in the unit of the activity.

    **Arguments:** `size`: number of regions; the parameters are scalars or have shape `[size]`.
    `epsilon`: 1/s^2 per unit of the input, 1; `kappa`: 1/s, 0.65, decay of the vasodilatory signal;
    `gamma`: 1/s^2, 0.41, feedback of the flow; `tau`: ms, 980, transit time; `alpha`: 1, 0.32,
    stiffness; `rho`: 1, 0.34, below 1, resting oxygen extraction; `v0`: 1, 0.02, resting volume;
    `k1`, `k2`, `k3`: 1, 2.38, 2, 0.48, which are $7\rho$, 2 and $2\rho - 0.2$.

    **State:** `s`: 1/s, `f`: flow, `v`: volume, `q`: deoxyhaemoglobin, all in units of rest and of
    shape `[size]`. **Output:** `bold`: 1, the relative change of the signal, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, or a `rho` that is
    not below 1.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> pulse = lambda t: jnp.where(t < 1000.0, 1.0, 0.0)
    >>> rec = simulate(BalloonWindkessel(1), 20_000.0, dt=10.0, inputs=pulse, record="bold")
    >>> peak = rec["bold"][:, 0].argmax()
    >>> 3000 < float(rec.ts[peak]) < 6000
    True

    ```

    **Source:** Friston, Harrison & Penny 2003, NeuroImage 19:1273, the hemodynamic state
    equations and their priors; Buxton, Wong & Frank 1998, Magn. Reson. Med. 39:855.
    """

    units: ClassVar[dict[str, str]] = {"s": "1/s", "f": "1", "v": "1", "q": "1", "bold": "1"}

    size: int = size_field()
    epsilon: Array = param(1.0, unit="1/s^2", doc="efficacy of the input")
    kappa: Array = param(0.65, unit="1/s", doc="decay of the signal", bound="positive")
    gamma: Array = param(0.41, unit="1/s^2", doc="feedback of the flow", bound="positive")
    tau: Array = param(980.0, unit="ms", doc="transit time", bound="positive")
    alpha: Array = param(0.32, unit="1", doc="stiffness of the vessels", bound="positive")
    rho: Array = param(0.34, unit="1", doc="resting oxygen extraction", bound="positive")
    v0: Array = param(0.02, unit="1", doc="resting blood volume", bound="positive")
    k1: Array = param(2.38, unit="1", doc="weight of the intravascular signal")
    k2: Array = param(2.0, unit="1", doc="weight of the concentration")
    k3: Array = param(0.48, unit="1", doc="weight of the extravascular signal")

    def __check_init__(self):
        if not is_traced(self.rho) and (np.asarray(self.rho) >= 1).any():
            raise ValueError(
                "BalloonWindkessel: 'rho' is the part of the oxygen that is extracted and must be "
                f"below 1, got {self.rho}."
            )

    def start(self) -> dict[str, Array]:
        """At rest."""
        zero = spread(0 * self.tau, self.size)
        return {"s": zero, "f": zero + 1, "v": zero + 1, "q": zero + 1}

    def potential(self, y: dict) -> Array:
        """The signal."""
        oxygen = self.k1 * (1 - y["q"]) + self.k2 * (1 - y["q"] / y["v"])
        return self.v0 * (oxygen + self.k3 * (1 - y["v"]))

    def kick(self, y: dict, args: Args, dv: Array) -> dict:
        """Refused: what is called `v` here is a volume."""
        raise ValueError(
            "a Delta synapse makes a membrane potential jump, which BalloonWindkessel has not: "
            "use another synapse, such as Activity or Exponential."
        )

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Signal, flow, volume and deoxyhaemoglobin."""
        s, f, v = y["s"], y["f"], y["v"]
        drive = self.epsilon * u(self.potential(y)) - self.gamma * (f - 1)
        outflow = v ** (1 / self.alpha)
        extracted = f * (1 - (1 - self.rho) ** (1 / f)) / self.rho
        return {
            "s": Affine(-self.kappa, drive) * _PER_MS,
            "f": s * _PER_MS,
            "v": (f - outflow) / self.tau,
            "q": Affine(-outflow / v, extracted) / self.tau,
        }

    def observe(self, y: dict, u: Affine) -> dict:
        """The signal."""
        del u
        return {"bold": self.potential(y)}
