"""The spike response neuron with escape noise."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import (
    AbstractNeuron,
    Affine,
    Args,
    State,
    as_affine,
    check_shapes,
    size_field,
    spread,
)
from ._crossing import restart


class SpikeResponse(AbstractNeuron):
    r"""The spike response model with escape noise: spikes are drawn from a hazard.

    $$v(t) = v_\mathrm{rest} + \sum_f \eta_0\,e^{-(t - t^f)/\tau_\eta}
        + \frac{r}{\tau}\int_0^\infty e^{-s/\tau}\,u(t - s)\,ds,\qquad
      \vartheta(t) = v_\mathrm{th} + \sum_f \vartheta_0\,e^{-(t - t^f)/\tau_\vartheta}$$
    $$\rho(t) = \rho_0\,\exp\frac{v(t) - \vartheta(t)}{\Delta_u},\qquad
      P(\text{spike in } \Delta t) = 1 - e^{-\rho\,\Delta t}$$

    Nothing is reset: the after-potential $\eta$ carries the voltage down, over all past spikes
    $t^f$. For `t_ref` after a spike there is no other. The input $u$ (pA) may be an `Affine` in
    $v$ (conductances, nS). It runs in `simulate` only, with a key; the gradient of a spike is that
    of its probability.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 20, the membrane filter; `r`: Gohm, 1; `v_rest`: mV, -65; `eta`: mV, -15, and
    `tau_eta`: ms, 20, the after-potential; `v_th`: mV, -50; `theta`: mV, 0, and `tau_theta`: ms,
    100, the moving threshold; `rho`: 1/ms, 1, the hazard at threshold; `delta_u`: mV, 2, the
    sharpness of the threshold; `t_ref`: ms, 2; `v_init`: mV, `v_rest` by default; `reset_grad`:
    whether the after-potential passes gradient, `False`.

    **State:** `v`: mV, `eta`: the after-potential in it, mV, `theta`: the part of the threshold
    that moves, mV, all `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> import jax.numpy as jnp
    >>> neuron = SpikeResponse(1)
    >>> y = {"v": jnp.array([-48.0]), "theta": jnp.zeros(1)}
    >>> round(float(neuron.hazard(y)[0]), 4)  # exp(1), per ms
    2.7183

    ```

    **Source:** Gerstner et al. 2014, Neuronal Dynamics, section 6.4 for the spike response model,
    section 9.1 for the exponential hazard; kernels of one exponential each.
    """

    units: ClassVar[dict[str, str]] = {
        "v": "mV",
        "eta": "mV",
        "theta": "mV",
        "spike": "1",
        "refractory": "ms",
    }

    size: int = size_field()
    tau: Array = param(20.0, unit="ms", doc="membrane time constant", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(-65.0, unit="mV", doc="resting potential")
    eta: Array = param(-15.0, unit="mV", doc="after-potential of a spike")
    tau_eta: Array = param(20.0, unit="ms", doc="its time constant", bound="positive")
    v_th: Array = param(-50.0, unit="mV", doc="threshold at rest")
    theta: Array = param(0.0, unit="mV", doc="what a spike adds to the threshold")
    tau_theta: Array = param(100.0, unit="ms", doc="its time constant", bound="positive")
    rho: Array = param(1.0, unit="1/ms", doc="hazard at threshold", bound="non-negative")
    delta_u: Array = param(2.0, unit="mV", doc="sharpness of the threshold", bound="positive")
    t_ref: Array = param(2.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    reset_grad: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_shapes(self, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """At `v_init`, with no spikes in the past."""
        del key, dt
        v = spread(self.v_rest if self.v_init is None else self.v_init, self.size)
        none = jnp.zeros_like(v)
        return State({"v": v, "eta": none, "theta": none}, {"refractory": none})

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def hazard(self, y: dict) -> Array:
        """The rate of spikes, 1/ms, `[size]`."""
        x = (y["v"] - self.v_th - y["theta"]) / self.delta_u
        # Beyond it a spike is certain in any step; left to grow, exp overflows.
        return self.rho * jnp.exp(jnp.minimum(x, 60.0))

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The membrane filter; the traces of the spikes decay."""
        del t
        # Of the voltage, the part that is filtered input is v - eta.
        follow = Affine(-1.0, self.v_rest + y["eta"]) + as_affine(args.u) * self.r
        return {
            "v": follow / self.tau - y["eta"] / self.tau_eta,
            "eta": Affine(-1 / self.tau_eta, 0.0),
            "theta": Affine(-1 / self.tau_theta, 0.0),
        }

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """A spike is drawn; it adds to the traces."""
        del t
        free = args.mem["refractory"] <= 0
        p = jnp.where(free, -jnp.expm1(-self.hazard(y) * dt), 0)
        drawn = (jax.random.uniform(key, p.shape, p.dtype) < p).astype(p.dtype)
        s = drawn + (p - jax.lax.stop_gradient(p))
        back = s if self.reset_grad else drawn
        new = {
            "v": y["v"] + back * self.eta,
            "eta": y["eta"] + back * self.eta,
            "theta": y["theta"] + back * self.theta,
        }
        clock = restart(drawn, self.t_ref, args.mem["refractory"], args, dt)
        return new, {"refractory": clock}, {"spike": s}
