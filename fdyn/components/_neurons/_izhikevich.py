"""Izhikevich's simple neuron."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above
from ._reset import AbstractReset, HardReset


class Izhikevich(AbstractResetNeuron):
    r"""Izhikevich's simple neuron: two equations, and the firing patterns of most cells.

    $$\dot v = p_2 v^2 + p_1 v + p_0 - u_\mathrm{rec} + u,\qquad
      \dot u_\mathrm{rec} = a\,(b v - u_\mathrm{rec})$$
    $$v \ge v_\mathrm{peak}:\ \text{spike},\ v \leftarrow c,\
      u_\mathrm{rec} \leftarrow u_\mathrm{rec} + d,\ v \text{ held for } t_\mathrm{ref}$$

    The input $u$ (mV/ms) may be an `Affine` in $v$. What depends on the voltage is evaluated no
    further above `v_peak` than `c` lies below, where no neuron stays. In the units of a membrane
    the same model is `AdaptiveQIF`.

    The upstroke takes less than a step of 1 ms, so `dt` is 0.1 ms or less: an input of 15 makes 34
    spikes in 1000 ms at `dt` = 0.05 ms, 33 at 1, 31 at 2 and, without a warning, 99 at 5.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`, and
    their defaults spike regularly. `a`: 1/ms, 0.02; `b`: 1/ms, 0.2; `c`: mV, -65; `d`: mV/ms, 8;
    `p2`: 1/(mV ms), 0.04; `p1`: 1/ms, 5; `p0`: mV/ms, 140; `v_peak`: mV, 30; `t_ref`: ms, 0;
    `v_init`: mV, -65; `u_init`: mV/ms, `b * v_init` by default; `spike`: the spike function;
    `reset`: the reset rule, `HardReset()`, where the reset potential is `c`; `reset_grad`: whether
    the reset passes gradient, `False`.

    **State:** `v`: mV, `u`: the recovery, mV/ms, both `[size]`. **Output:** `spike`: 0 or 1,
    `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import solve
    >>> times = solve(Izhikevich(1), 30.0, inputs=10.0).spikes("spike").times
    >>> [round(float(t), 2) for t in times]
    [3.13, 26.23]

    ```

    **Source:** Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569, eqs. 1 to 3; other polynomials in
    Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "u": "mV/ms", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    a: Array = param(0.02, unit="1/ms", doc="rate of the recovery")
    b: Array = param(0.2, unit="1/ms", doc="coupling of the recovery to the voltage")
    c: Array = param(-65.0, unit="mV", doc="reset potential")
    d: Array = param(8.0, unit="mV/ms", doc="jump of the recovery at a spike")
    p2: Array = param(0.04, unit="1/(mV*ms)", doc="quadratic coefficient", bound="positive")
    p1: Array = param(5.0, unit="1/ms", doc="linear coefficient")
    p0: Array = param(140.0, unit="mV/ms", doc="constant coefficient")
    v_peak: Array = param(30.0, unit="mV", doc="voltage that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array = param(-65.0, unit="mV", doc="initial potential")
    u_init: Array | None = param(None, unit="mV/ms", doc="initial recovery")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "c", "v_peak")

    def start(self) -> dict[str, Array]:
        """At `v_init`, `u_init`."""
        u = self.b * self.v_init if self.u_init is None else self.u_init
        return {"v": spread(self.v_init, self.size), "u": spread(u, self.size)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The parabola, the recovery and the input."""
        v = jnp.minimum(y["v"], 2 * self.v_peak - self.c)
        parabola = (self.p2 * v + self.p1) * v + self.p0
        return {"v": u + (parabola - y["u"]), "u": Affine(-self.a, self.a * self.b * v)}

    def threshold(self, y: dict) -> Array:
        """The peak."""
        del y
        return self.v_peak

    def after_spike(self, y: dict) -> dict:
        """The reset, and the jump of the recovery."""
        return {"v": self.reset(y["v"], self.v_peak, self.c), "u": y["u"] + self.d}
