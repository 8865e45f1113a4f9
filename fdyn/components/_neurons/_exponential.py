"""Exponential integrate-and-fire neurons, without and with adaptation."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractResetNeuron, check_above, membrane_noise
from ._reset import AbstractReset, HardReset


class ExponentialIF(AbstractResetNeuron):
    r"""Exponential integrate-and-fire: an upstroke that grows out of the membrane itself.

    $$\tau \frac{dv}{dt} = -(v - v_\mathrm{rest})
      + \Delta_T\, e^{(v - v_T)/\Delta_T} + r\,u + \sigma\sqrt{\tau}\,\xi(t);\qquad
      v \ge v_\mathrm{peak}:\ \text{spike, reset, held for } t_\mathrm{ref}$$

    The input $u$ (pA) may be an `Affine` in $v$. The exponential is evaluated at no more than
    `5 delta_t` above `v_peak`, where no neuron stays.

    The upstroke wants a `dt` of 0.05 ms or less; larger ones lose spikes without a warning: an
    input of 20 pA makes 98 in 1000 ms at `dt` = 0.01 ms, 97 at 0.05, 77 at 1, 71 at 2, 50 at 5.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 10; `r`: Gohm, 1; `v_rest`: mV, -65; `v_t`: mV, -59.9, the voltage of the least
    slope, and `delta_t`: mV, 3.48, the sharpness of the spike; `v_peak`: mV, -30; `v_reset`: mV,
    -68; `t_ref`: ms, 1.7; `v_init`: mV, `v_rest` by default; `sigma`: mV, `None` for no noise;
    `spike`: the spike function; `reset`: the reset rule, `HardReset()`; `reset_grad`: whether the
    reset passes gradient, `False`.

    **State:** `v`: mV, `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a peak not above
    the reset.

    ```python
    >>> import jax.numpy as jnp
    >>> neuron = ExponentialIF(1)
    >>> y = {"v": jnp.array([-59.9])}  # at v_t: -5.1 + 3.48, divided by 10 ms
    >>> round(float(neuron.dynamics(y, Affine(0.0, 0.0))["v"](y["v"])[0]), 3)
    -0.162

    ```

    **Source:** Fourcaud-Trocmé et al. 2003, J. Neurosci. 23:11628; the parameters
    are their fit to the model of Wang & Buzsáki.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    tau: Array = param(10.0, unit="ms", doc="membrane time constant", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(-65.0, unit="mV", doc="reversal potential of the leak")
    v_t: Array = param(-59.9, unit="mV", doc="voltage of the least slope, the soft threshold")
    delta_t: Array = param(3.48, unit="mV", doc="sharpness of the spike", bound="positive")
    v_peak: Array = param(-30.0, unit="mV", doc="voltage that counts as a spike")
    v_reset: Array = param(-68.0, unit="mV", doc="reset potential")
    t_ref: Array = param(1.7, unit="ms", doc="refractory period", bound="non-negative")
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
        """The leak, the upstroke and the input."""
        v = jnp.minimum(y["v"], self.v_peak + 5 * self.delta_t)
        rise = self.delta_t * jnp.exp((v - self.v_t) / self.delta_t)
        return {"v": (Affine(-1.0, self.v_rest + rise) + u * self.r) / self.tau}

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


class AdEx(AbstractResetNeuron):
    r"""Adaptive exponential integrate-and-fire.

    $$c \frac{dv}{dt} = -g_L (v - e_L) + g_L \Delta_T\, e^{(v - v_T)/\Delta_T} - w + u,\qquad
      \tau_w \frac{dw}{dt} = a\,(v - e_L) - w$$
    $$v \ge v_\mathrm{peak}:\ \text{spike},\ v \leftarrow v_\mathrm{reset},\ w \leftarrow w + b,
      \ v \text{ held for } t_\mathrm{ref}$$

    The input $u$ (pA) may be an `Affine` in $v$ (conductances, nS). What depends on the voltage is
    evaluated at no more than `5 delta_t` above `v_peak`, where no neuron stays.

    The upstroke wants a `dt` of 0.1 ms or less; larger ones lose spikes without a warning: an input
    of 800 pA makes 17 in 1000 ms at `dt` = 0.05 ms, 16 at 1 and 2, 14 at 5.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `c`: pF, 281; `g_l`: nS, 30; `e_l`: mV, -70.6; `v_t`: mV, -50.4; `delta_t`: mV, 2; `a`: nS, 4,
    and `tau_w`: ms, 144, the adaptation below threshold; `b`: pA, 80.5, that of a spike; `v_peak`:
    mV, -20; `v_reset`: mV, -70.6; `t_ref`: ms, 0; `v_init`: mV, `e_l` by default; `w_init`: pA, 0;
    `spike`: the spike function; `reset`: the reset rule, `HardReset()`; `reset_grad`: whether the
    reset passes gradient, `False`.

    **State:** `v`: mV, `w`: pA, both `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, a peak not above
    the reset.

    ```python
    >>> from fdyn import solve
    >>> times = solve(AdEx(1), 100.0, inputs=800.0).spikes("spike").times
    >>> [round(float(t), 2) for t in times]  # it adapts
    [17.72, 40.49, 71.27]

    ```

    **Source:** Brette & Gerstner 2005, J. Neurophysiol. 94:3637, with its parameters;
    `v_peak` lies lower than its 20 mV, which the upstroke reaches within 0.0001 ms.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "w": "pA", "spike": "1", "refractory": "ms"}

    size: int = size_field()
    c: Array = param(281.0, unit="pF", doc="membrane capacitance", bound="positive")
    g_l: Array = param(30.0, unit="nS", doc="leak conductance", bound="non-negative")
    e_l: Array = param(-70.6, unit="mV", doc="leak reversal potential")
    v_t: Array = param(-50.4, unit="mV", doc="voltage of the least slope, the soft threshold")
    delta_t: Array = param(2.0, unit="mV", doc="sharpness of the spike", bound="positive")
    a: Array = param(4.0, unit="nS", doc="adaptation below threshold")
    tau_w: Array = param(144.0, unit="ms", doc="time constant of adaptation", bound="positive")
    b: Array = param(80.5, unit="pA", doc="adaptation of a spike")
    v_peak: Array = param(-20.0, unit="mV", doc="voltage that counts as a spike")
    v_reset: Array = param(-70.6, unit="mV", doc="reset potential")
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
        v = self.e_l if self.v_init is None else self.v_init
        return {"v": spread(v, self.size), "w": spread(self.w_init, self.size)}

    def dynamics(self, y: dict, u: Affine) -> dict:
        """The leak, the upstroke, the adaptation and the input."""
        v = jnp.minimum(y["v"], self.v_peak + 5 * self.delta_t)
        rise = self.g_l * self.delta_t * jnp.exp((v - self.v_t) / self.delta_t)
        membrane = Affine(-self.g_l, self.g_l * self.e_l + rise - y["w"])
        return {
            "v": (membrane + u) / self.c,
            "w": Affine(-1 / self.tau_w, self.a * (v - self.e_l) / self.tau_w),
        }

    def threshold(self, y: dict) -> Array:
        """The peak."""
        del y
        return self.v_peak

    def after_spike(self, y: dict) -> dict:
        """The reset, and more adaptation."""
        return {"v": self.reset(y["v"], self.v_peak, self.v_reset), "w": y["w"] + self.b}
