"""Quadratic integrate-and-fire neurons, without and with adaptation."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above, membrane_noise
from ._reset import AbstractReset, HardReset


def _parabola(v: Array, k: Array, v_rest: Array, v_c: Array) -> Affine:
    """k (v - v_rest) (v - v_c), its slope at rest kept apart as the linear part."""
    slope = k * (v_rest - v_c)
    return Affine(slope, k * (v - v_rest) ** 2 - slope * v_rest)


class QIF(AbstractResetNeuron):
    r"""Quadratic integrate-and-fire: the normal form of neurons that begin to fire slowly.

    $$\tau \frac{dv}{dt} = k\,(v - v_\mathrm{rest})(v - v_c) + r\,u
      + \sigma\sqrt{\tau}\,\xi(t);\qquad
      v \ge v_\mathrm{peak}:\ \text{spike, reset, held for } t_\mathrm{ref}$$

    The input $u$ (pA) may be an `Affine` in $v$. The parabola is evaluated no further
    above `v_peak` than `v_reset` lies below, where no neuron stays. With `v_rest=0, v_c=0, k=1` it
    is $\tau\dot v = v^2 + u$.

    The upstroke wants a `dt` of 0.1 ms or less; larger ones lose spikes without a warning: an input
    of 40 pA makes 46 in 1000 ms at `dt` = 0.05 ms, 43 at 1, 41 at 2, 33 at 5.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 20; `k`: 1/mV, 0.04; `r`: Gohm, 1; `v_rest`: mV, -65; `v_c`: mV, -50, from where it
    fires by itself; `v_peak`: mV, 0; `v_reset`: mV, -65; `t_ref`: ms, 0; `v_init`: mV, `v_rest` by
    default; `sigma`: mV, `None` for no noise; `spike`: the spike function; `reset`: the reset
    rule, `HardReset()`; `reset_grad`: whether the reset passes gradient, `False`.

    **State:** `v`: mV, `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a peak not above
    the reset.

    ```python
    >>> from fdyn import solve
    >>> neuron = QIF(1, tau=10.0, k=1.0, v_rest=0.0, v_c=0.0, v_peak=10.0, v_reset=-10.0)
    >>> times = solve(neuron, 50.0, inputs=1.0).spikes("spike").times
    >>> round(float(times[1] - times[0]), 3)  # 20 arctan(10)
    29.423

    ```

    **Source:** Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233; Latham et al. 2000, J.
    Neurophysiol. 83:808; Gerstner et al. 2014, Neuronal Dynamics, eq. 5.16.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    tau: Array = param(20.0, unit="ms", doc="membrane time constant", bound="positive")
    k: Array = param(0.04, unit="1/mV", doc="curvature", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(-65.0, unit="mV", doc="resting potential")
    v_c: Array = param(-50.0, unit="mV", doc="critical voltage")
    v_peak: Array = param(0.0, unit="mV", doc="voltage that counts as a spike")
    v_reset: Array = param(-65.0, unit="mV", doc="reset potential")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    sigma: Array | None = param(None, unit="mV", doc="strength of white noise")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "v_reset", "v_peak")

    def start(self) -> dict[str, Array]:
        """At `v_init`."""
        return {"v": spread(self.v_rest if self.v_init is None else self.v_init, self.size)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The parabola and the input."""
        v = jnp.minimum(y["v"], 2 * self.v_peak - self.v_reset)
        return {"v": (u * self.r + _parabola(v, self.k, self.v_rest, self.v_c)) / self.tau}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the membrane; nothing while refractory."""
        del t
        return membrane_noise(self.sigma, self.tau, y, args)

    def threshold(self, y: dict) -> Array:
        """The peak."""
        del y
        return self.v_peak

    def after_spike(self, y: dict) -> dict:
        """The reset."""
        return {"v": self.reset(y["v"], self.v_peak, self.v_reset)}


class AdaptiveQIF(AbstractResetNeuron):
    r"""Adaptive quadratic integrate-and-fire: Izhikevich's neuron in the units of a membrane.

    $$c \frac{dv}{dt} = k\,(v - v_\mathrm{rest})(v - v_c) - w + u,\qquad
      \tau_w \frac{dw}{dt} = a\,(v - v_\mathrm{rest}) - w$$
    $$v \ge v_\mathrm{peak}:\ \text{spike},\ v \leftarrow v_\mathrm{reset},\ w \leftarrow w + b,
      \ v \text{ held for } t_\mathrm{ref}$$

    In the notation of Izhikevich 2007 $w$ is $u$, $1/\tau_w$ is $a$, $a$ is $b$, $v_\mathrm{reset}$
    is $c$ and $b$ is $d$. The input $u$ (pA) may be an `Affine` in $v$ (conductances, nS). What
    depends on the voltage is evaluated no further above `v_peak` than `v_reset` lies below, where
    no neuron stays.

    The upstroke wants a `dt` of 0.5 ms or less; larger ones lose spikes without a warning: an input
    of 100 pA makes 13 in 1000 ms at `dt` = 0.05 to 1 ms, 12 at 2, 11 at 5.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`, and
    their defaults are a regular spiking cell of the neocortex. `c`: pF, 100; `k`: nS/mV, 0.7;
    `v_rest`: mV, -60; `v_c`: mV, -40; `a`: nS, -2, and `tau_w`: ms, 33.33, the adaptation below
    threshold; `b`: pA, 100, that of a spike; `v_peak`: mV, 35; `v_reset`: mV, -50; `t_ref`: ms, 0;
    `v_init`: mV, `v_rest` by default; `w_init`: pA, 0; `spike`: the spike function; `reset`: the
    reset rule, `HardReset()`; `reset_grad`: whether the reset passes gradient, `False`.

    **State:** `v`: mV, `w`: pA, both `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a peak not above
    the reset.

    ```python
    >>> import jax.numpy as jnp
    >>> y = {"v": jnp.array([-50.0]), "w": jnp.array([10.0])}
    >>> rates = AdaptiveQIF(1).dynamics(y, Affine(0.0, 90.0))
    >>> round(float(rates["v"](y["v"])[0]), 6)  # (0.7 * 10 * (-10) - 10 + 90) / 100
    0.1

    ```

    **Source:** Izhikevich 2007, Dynamical Systems in Neuroscience, eqs. 8.5 and 8.6, parameters of
    section 8.2.1; Touboul 2008, SIAM J. Appl. Math. 68:1045, for the class.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "w": "pA", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    c: Array = param(100.0, unit="pF", doc="membrane capacitance", bound="positive")
    k: Array = param(0.7, unit="nS/mV", doc="curvature", bound="positive")
    v_rest: Array = param(-60.0, unit="mV", doc="resting potential")
    v_c: Array = param(-40.0, unit="mV", doc="critical voltage")
    a: Array = param(-2.0, unit="nS", doc="adaptation below threshold")
    tau_w: Array = param(100 / 3, unit="ms", doc="time constant of adaptation", bound="positive")
    b: Array = param(100.0, unit="pA", doc="adaptation of a spike")
    v_peak: Array = param(35.0, unit="mV", doc="voltage that counts as a spike")
    v_reset: Array = param(-50.0, unit="mV", doc="reset potential")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    w_init: Array = param(0.0, unit="pA", doc="initial adaptation current")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_above(self, "v_reset", "v_peak")

    def start(self) -> dict[str, Array]:
        """At `v_init`, `w_init`."""
        v = self.v_rest if self.v_init is None else self.v_init
        return {"v": spread(v, self.size), "w": spread(self.w_init, self.size)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The parabola, the adaptation and the input."""
        v = jnp.minimum(y["v"], 2 * self.v_peak - self.v_reset)
        parabola = _parabola(v, self.k, self.v_rest, self.v_c)
        return {
            "v": (parabola + u - y["w"]) / self.c,
            "w": Affine(-1 / self.tau_w, self.a * (v - self.v_rest) / self.tau_w),
        }

    def threshold(self, y: dict) -> Array:
        """The peak."""
        del y
        return self.v_peak

    def after_spike(self, y: dict) -> dict:
        """The reset, and more adaptation."""
        return {"v": self.reset(y["v"], self.v_peak, self.v_reset), "w": y["w"] + self.b}
