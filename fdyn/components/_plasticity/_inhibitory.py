"""Plasticity of inhibitory synapses that balances excitation."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, values_of


class InhibitorySTDP(AbstractPlasticity):
    r"""Symmetric spike-timing-dependent plasticity of inhibitory synapses.

    $$\tau\dot x = -x,\quad x \leftarrow x + 1 \text{ at own spikes};\qquad
      \text{pre spike: } w_{ij} \leftarrow w_{ij} + \eta\,(x_j - 2\rho_0\tau),\quad
      \text{post spike: } w_{ij} \leftarrow w_{ij} + \eta\,x_i$$

    On average $\dot w_{ij} = 2\eta\tau\,\nu_i\,(\nu_j - \rho_0)$ where the two rates are not
    correlated, so the postsynaptic units are brought to the rate $\rho_0$. The weights are
    strengths, positive where the output makes them inhibitory.

    **Arguments:** `eta`: 0.001, in the unit of the weights; `rho0`: 5 Hz, a scalar or `[n_post]`;
    `tau`: ms, 20; `w_min`: 0 and `w_max`: infinite, in the unit of the weights.

    **State:** `x_pre`: `[n_pre]`, `x_post`: `[n_post]`.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = InhibitorySTDP(eta=0.1, rho0=5.0), OneToOne(0.5, n=1)
    >>> synapses, spike = Synapses(conn, conn, (rule.w_min, rule.w_max)), jnp.ones(1)
    >>> silent = {"x_pre": jnp.zeros(1), "x_post": jnp.zeros(1)}
    >>> w, *_ = rule.learn(jnp.array([0.5]), silent, Args({}), spike, 0 * spike, synapses=synapses)
    >>> print(w)  # less by 0.1 * 2 * 0.005 / ms * 20 ms
    [0.48]

    ```

    **Source:** Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569, supporting
    online material, where `alpha` $= 2\rho_0\tau$.
    """

    units: ClassVar[dict[str, str]] = {"x_pre": "1", "x_post": "1"}
    per_post: ClassVar[tuple[str, ...]] = ("rho0",)
    modulator: ClassVar[str | None] = None

    eta: Array = param(1e-3, unit="1", doc="learning rate", bound="positive")
    rho0: Array = param(5.0, unit="Hz", doc="rate to which a unit is brought", bound="non-negative")
    tau: Array = param(20.0, unit="ms", doc="time constant of both traces", bound="positive")
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """No spikes yet."""
        zeros = jnp.zeros(connect.n_pre), jnp.zeros(connect.n_post)
        return State({"x_pre": zeros[0], "x_post": zeros[1]}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The traces decay."""
        del y, args
        return dict.fromkeys(("x_pre", "x_post"), Affine(-1 / self.tau, 0.0))

    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Any,
        *,
        synapses: Synapses,
        dt: Any = None,
        key: Any = None,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """A change at the spikes of either side."""
        del dt, key
        alpha = 2 * self.rho0 / 1000 * self.tau
        weight = synapses.on_pre(weight, s_pre, self.eta * (y["x_post"] - alpha))
        weight = synapses.on_post(weight, s_post, self.eta * y["x_pre"])
        y = {"x_pre": y["x_pre"] + values_of(s_pre), "x_post": y["x_post"] + values_of(s_post)}
        return weight, y, args.mem
