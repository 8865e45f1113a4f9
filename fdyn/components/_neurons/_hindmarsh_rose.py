"""The Hindmarsh-Rose neuron."""

from typing import ClassVar

import equinox as eqx
from jax import Array

from ..._param import param
from .._base import Affine, Args, as_affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractCrossingNeuron


class HindmarshRose(AbstractCrossingNeuron):
    r"""Bursts in three equations: a fast pair that spikes, and a slow current that ends it.

    $$\dot x = y - a x^3 + b x^2 - z + u,\qquad \dot y = c - d x^2 - y,\qquad
      \dot z = r\,(s\,(x - x_R) - z)$$

    The variables have no unit, and time is counted in ms.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `a`, `b`, `c`, `d`: 1, 1, 3, 1, 5; `r`: 1/ms, 0.006; `s`: 1, 4; `x_r`: 1, -1.6; `v_th`: value
    that counts as a spike, 0; `t_ref`: least time between spikes, ms, 0; `x_init`, `y_init`,
    `z_init`: -1.6, -11.8, 1.5; `spike`: the spike function.

    The input $u$ has no unit; it may be an `Affine` in $x$.

    **State:** `x`, `y`, `z`, all `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(HindmarshRose(1), 200.0, dt=0.05, inputs=2.0, record="spike")
    >>> float(rec["spike"].sum()) > 3
    True

    ```

    **Source:** Hindmarsh & Rose 1984, Proc. R. Soc. Lond. B 221:87.
    """

    units: ClassVar[dict[str, str]] = {"x": "1", "y": "1", "z": "1", "spike": "1", "clock": "ms"}
    watched: ClassVar[str] = "x"

    size: int = size_field()
    a: Array = param(1.0, unit="1", doc="cubic coefficient", bound="positive")
    b: Array = param(3.0, unit="1", doc="quadratic coefficient")
    c: Array = param(1.0, unit="1", doc="offset of the recovery")
    d: Array = param(5.0, unit="1", doc="quadratic coefficient of the recovery")
    r: Array = param(0.006, unit="1/ms", doc="rate of the slow current", bound="positive")
    s: Array = param(4.0, unit="1", doc="strength of the slow current")
    x_r: Array = param(-1.6, unit="1", doc="voltage at which the slow current vanishes")
    v_th: Array = param(0.0, unit="1", doc="value that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    x_init: Array = param(-1.6, unit="1", doc="initial voltage")
    y_init: Array = param(-11.8, unit="1", doc="initial recovery")
    z_init: Array = param(1.5, unit="1", doc="initial slow current")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def start(self) -> dict[str, Array]:
        """At `x_init`, `y_init`, `z_init`."""
        return {x: spread(getattr(self, f"{x}_init"), self.size) for x in "xyz"}

    def potential(self, y: dict) -> Array:
        """The voltage, without a unit."""
        return y["x"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The cubic, the recovery, the slow current and the input."""
        del t
        x = y["x"]
        fast = y["y"] - self.a * x**3 + self.b * x**2 - y["z"]
        return {
            "x": as_affine(args.u) + fast,
            "y": Affine(-1.0, self.c - self.d * x**2),
            "z": Affine(-self.r, self.r * self.s * (x - self.x_r)),
        }
