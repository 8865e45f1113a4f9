"""The generalised leaky integrate-and-fire neurons of the Allen Institute."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above
from ._reset import AbstractReset, HardReset


class GLIF(AbstractResetNeuron):
    r"""The GLIF family, levels 1 to 5: reset rules, after-spike currents, moving thresholds.

    $$c\,\dot v = -g (v - e_L) + I_1 + I_2 + u,\quad \dot I_j = -k_j I_j,\quad
      \dot\theta_s = -b_s \theta_s,\quad \dot\theta_v = a_v (v - e_L) - b_v \theta_v$$
    $$v \ge \theta_\infty + \theta_s + \theta_v:\ \text{spike},\quad
      I_j \leftarrow f_j I_j\,e^{-k_j t_\mathrm{ref}} + \delta I_j,\quad
      \theta_s \leftarrow \theta_s\,e^{-b_s t_\mathrm{ref}} + \delta\theta_s$$
    with the voltage reset by `reset`. For $t_\mathrm{ref}$ after a spike all variables rest at
    these values.

    The level is a matter of parameters; what is zero (the default) is not there:

    | level | | what it adds |
    |---|---|---|
    | 1 | LIF | |
    | 2 | LIF-R | `reset=PartialReset(...)`, `dtheta_s`, `b_s` |
    | 3 | LIF-ASC | `di1`, `di2`, `k1`, `k2`, `f1`, `f2` |
    | 4 | LIF-R-ASC | levels 2 and 3 |
    | 5 | LIF-R-ASC-A | level 4, `a_v`, `b_v` |

    The input $u$ (pA) may be an `Affine` in $v$ (conductances, nS).

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `c`: pF, 100; `g`: nS, 5; `e_l`: mV, -70; `theta_inf`: mV, -50; `k1`, `k2`: 1/ms, 0.003, 0.1;
    `f1`, `f2`: 1, 1, 1; `di1`, `di2`: pA, 0, 0; `b_s`: 1/ms, 0.01; `dtheta_s`: mV, 0; `a_v`: 1/ms,
    0; `b_v`: 1/ms, 0.1; `v_reset`: mV, -70; `t_ref`: ms, 2; `v_init`: mV, `e_l` by default;
    `spike`: the spike function; `reset`: the reset rule, `HardReset()`; `reset_grad`: whether the
    reset passes gradient, `False`.

    **State:** `v`: mV, `i1`, `i2`: pA, `theta_s`, `theta_v`: mV, all `[size]`. **Output:** `spike`:
    0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a threshold not
    above the reset.

    ```python
    >>> from fdyn import solve
    >>> times = solve(GLIF(1, di1=-20.0), 150.0, inputs=200.0).spikes("spike").times
    >>> [round(float(t), 1) for t in times]  # it adapts
    [13.9, 32.0, 53.2, 78.3, 109.0, 147.1]

    ```

    **Source:** Teeter et al. 2018, Nat. Commun. 9:709, table 1 and Methods.
    """

    units: ClassVar[dict[str, str]] = {
        "v": "mV",
        "i1": "pA",
        "i2": "pA",
        "theta_s": "mV",
        "theta_v": "mV",
        "spike": "1",
        "refractory": "ms",
    }
    frozen: ClassVar[tuple[str, ...]] = ("v", "i1", "i2", "theta_s", "theta_v")

    size: int = size_field()
    c: Array = param(100.0, unit="pF", doc="membrane capacitance", bound="positive")
    g: Array = param(5.0, unit="nS", doc="leak conductance", bound="non-negative")
    e_l: Array = param(-70.0, unit="mV", doc="leak reversal potential")
    theta_inf: Array = param(-50.0, unit="mV", doc="threshold at rest")
    k1: Array = param(0.003, unit="1/ms", doc="rate of the first current", bound="non-negative")
    k2: Array = param(0.1, unit="1/ms", doc="rate of the second current", bound="non-negative")
    f1: Array = param(1.0, unit="1", doc="what a spike leaves of the first current")
    f2: Array = param(1.0, unit="1", doc="what a spike leaves of the second current")
    di1: Array = param(0.0, unit="pA", doc="what a spike adds to the first current")
    di2: Array = param(0.0, unit="pA", doc="what a spike adds to the second current")
    b_s: Array = param(
        0.01, unit="1/ms", doc="rate of the threshold of spikes", bound="non-negative"
    )
    dtheta_s: Array = param(0.0, unit="mV", doc="what a spike adds to the threshold")
    a_v: Array = param(0.0, unit="1/ms", doc="coupling of the threshold to the voltage")
    b_v: Array = param(0.1, unit="1/ms", doc="rate of that threshold", bound="non-negative")
    v_reset: Array = param(-70.0, unit="mV", doc="reset potential")
    t_ref: Array = param(2.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "v_reset", "theta_inf")

    def start(self) -> dict[str, Array]:
        """At `v_init`, with no trace of earlier spikes."""
        v = spread(self.e_l if self.v_init is None else self.v_init, self.size)
        return {"v": v, **dict.fromkeys(self.frozen[1:], jnp.zeros_like(v))}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Linear in all variables."""
        membrane = Affine(-self.g, self.g * self.e_l + y["i1"] + y["i2"]) + u
        return {
            "v": membrane / self.c,
            "i1": Affine(-self.k1, 0.0),
            "i2": Affine(-self.k2, 0.0),
            "theta_s": Affine(-self.b_s, 0.0),
            "theta_v": Affine(-self.b_v, self.a_v * (y["v"] - self.e_l)),
        }

    def threshold(self, y: dict) -> Array:
        """Its three parts together."""
        return self.theta_inf + y["theta_s"] + y["theta_v"]

    def after_spike(self, y: dict) -> dict:
        """What each variable is once the refractory period is over."""
        return {
            "v": self.reset(y["v"], self.threshold(y), self.v_reset),
            "i1": self.f1 * y["i1"] * jnp.exp(-self.k1 * self.t_ref) + self.di1,
            "i2": self.f2 * y["i2"] * jnp.exp(-self.k2 * self.t_ref) + self.di2,
            "theta_s": y["theta_s"] * jnp.exp(-self.b_s * self.t_ref) + self.dtheta_s,
            "theta_v": y["theta_v"],
        }
