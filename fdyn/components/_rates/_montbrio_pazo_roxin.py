"""The exact mean field of quadratic integrate-and-fire neurons."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate


class MontbrioPazoRoxin(AbstractRate):
    r"""The firing rate and mean voltage of infinitely many quadratic integrate-and-fire neurons.

    $$\tau \dot r = \frac{\Delta}{\pi\tau} + 2 r v,\qquad
      \tau \dot v = v^2 + \eta + J\tau r - (\pi\tau r)^2 - a + u$$
    $$\tau_a \dot a = b,\qquad \tau_a \dot b = \kappa\,\tau r - 2 b - a$$

    This is exact for neurons $\tau\dot V = V^2 + \eta_i + J\tau r + u$ (or `ThetaNeuron`s) whose
    excitabilities $\eta_i$ have a Lorentzian distribution of centre $\eta$ and half-width $\Delta$.
    The spike-frequency adaptation $a$ is left out unless $\kappa$ is given.

    **Arguments:** `size`: number of populations; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 10; `delta`: 1, 1; `eta`: 1, -5; `j`: 1, 15, coupling within the population; `kappa`:
    1, strength of adaptation, none by default; `tau_a`: ms, 100, its time constant; `r_init`: 1/ms,
    0.01; `v_init`: 1, -2.

    **State:** `r`: 1/ms, `v`: 1, with adaptation `a`, `b`: 1; all `[size]`. **Output:** `rate`: Hz.
    Graded synapses see the rate in 1/ms, outputs the mean voltage.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn.analyze import equilibria
    >>> found = equilibria(MontbrioPazoRoxin(1), box={"r": (0.0, 0.15), "v": (-3.0, 0.0)})
    >>> [kind for kind, r in zip(found.kinds, found.y["r"]) if r > 0]
    ['stable node', 'saddle', 'stable focus']

    ```

    **Source:** Montbrió, Pazó & Roxin 2015, Phys. Rev. X 5:021028, eq. 12; adaptation: Gast,
    Schmidt & Knösche 2020, Neural Comput. 32:1615.
    """

    units: ClassVar[dict[str, str]] = {"r": "1/ms", "v": "1", "a": "1", "b": "1", "rate": "Hz"}

    size: int = size_field()
    tau: Array = param(10.0, unit="ms", doc="membrane time constant", bound="positive")
    delta: Array = param(1.0, unit="1", doc="half-width of the excitabilities", bound="positive")
    eta: Array = param(-5.0, unit="1", doc="centre of the excitabilities")
    j: Array = param(15.0, unit="1", doc="coupling within the population")
    kappa: Array | None = param(None, unit="1", doc="strength of adaptation")
    tau_a: Array = param(100.0, unit="ms", doc="time constant of adaptation", bound="positive")
    r_init: Array = param(0.01, unit="1/ms", doc="initial rate", bound="non-negative")
    v_init: Array = param(-2.0, unit="1", doc="initial mean voltage")

    def start(self) -> dict[str, Array]:
        """At `r_init`, `v_init`, not adapted."""
        y = {"r": spread(self.r_init, self.size), "v": spread(self.v_init, self.size)}
        if self.kappa is not None:
            y |= {"a": jnp.zeros_like(y["v"]), "b": jnp.zeros_like(y["v"])}
        return y

    def potential(self, y: dict) -> Array:
        """The mean voltage."""
        return y["v"]

    def activity(self, y: dict) -> Array:
        """The firing rate, 1/ms."""
        return y["r"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The two equations of the mean field, and those of the adaptation."""
        r, v = y["r"], y["v"]
        pull = self.eta + self.j * self.tau * r - (jnp.pi * self.tau * r) ** 2
        rates = {
            "r": Affine(2 * v, self.delta / (jnp.pi * self.tau)) / self.tau,
            "v": (u + v**2 + pull) / self.tau,
        }
        if self.kappa is not None:
            rates["v"] = rates["v"] - y["a"] / self.tau
            rates["a"] = y["b"] / self.tau_a
            rates["b"] = Affine(-2.0, self.kappa * self.tau * r - y["a"]) / self.tau_a
        return rates

    def observe(self, y: dict, u: Affine) -> dict:
        """The firing rate."""
        del u
        return {"rate": 1000 * y["r"]}
