"""Homeostatic scaling of synapses."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, values_of


class SynapticScaling(AbstractPlasticity):
    r"""All weights onto a unit are scaled so that its mean rate tends to a target.

    $$\dot w_{ij} = \beta\,w_{ij}\,(\nu_0 - \bar\nu_j),\qquad
      \tau\,\dot{\bar\nu}_j = -\bar\nu_j + \textstyle\sum_k\delta(t - t_j^k)$$

    Relative strengths are kept. What adds up between two changes of the weights, `every` so many
    ms, acts at once as the exact factor $\exp(\beta\int(\nu_0 - \bar\nu_j)\,dt)$, so that in
    between no synapse is touched.

    **Arguments:** `beta`: 1e-5/(ms Hz), positive for excitatory synapses; `rate`: the target
    $\nu_0$, 5 Hz, a scalar or `[n_post]`; `tau`: ms, 10000, a scalar or `[n_post]`; `every`: ms,
    100; `w_min`: 0 and `w_max`: infinite, in the unit of the weights.

    **State:** `rate`: `[n_post]`, Hz, starting at the target. In `mem` the `exponent` that has
    added up, `[n_post]`, and the `wait` until it acts, ms.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = SynapticScaling(beta=0.01, rate=5.0, every=1.0), OneToOne(0.5, n=1)
    >>> synapses, mem = Synapses(conn, conn, (rule.w_min, rule.w_max)), rule.init(conn).mem
    >>> y, spike = {"rate": jnp.array([25.0])}, jnp.zeros(1)
    >>> w, *_ = rule.learn(jnp.array([0.5]), y, Args(mem), spike, spike, synapses=synapses, dt=1.0)
    >>> print(w.round(4))  # 0.5 exp(-0.01 * 20)
    [0.4094]

    ```

    **Source:** van Rossum, Bi & Turrigiano 2000, J. Neurosci. 20:8812, eq. 3, its proportional
    part; Turrigiano et al. 1998, Nature 391:892.
    """

    units: ClassVar[dict[str, str]] = {"rate": "Hz", "exponent": "1", "wait": "ms"}
    continuous: ClassVar[bool] = True
    per_post: ClassVar[tuple[str, ...]] = ("rate", "tau")
    modulator: ClassVar[str | None] = None

    beta: Array = param(1e-5, unit="1/(ms*Hz)", doc="speed of scaling")
    rate: Array = param(5.0, unit="Hz", doc="target of the mean rate", bound="non-negative")
    tau: Array = param(10000.0, unit="ms", doc="time constant of the mean rate", bound="positive")
    every: Array = param(
        100.0, unit="ms", doc="time between changes of the weights", bound="positive"
    )
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """The rates at the target."""
        rate = jnp.broadcast_to(self.rate, (connect.n_post,))
        return State({"rate": rate}, {"exponent": jnp.zeros_like(rate), "wait": self.every})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The mean rates decay."""
        del y, args
        return {"rate": Affine(-1 / self.tau, 0.0)}

    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Any,
        *,
        synapses: Synapses,
        dt: Any,
        key: Any = None,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """Every now and then, all weights."""
        del s_pre, key
        exponent = args.mem["exponent"] + self.beta * (self.rate - y["rate"]) * dt
        due, wait = wound(args.mem["wait"], self.every, dt)
        growth = jnp.where(due, jnp.expm1(exponent), 0)
        weight = synapses.on_post(weight, growth, 1.0, origin=0.0)
        mem = {"exponent": jnp.where(due, 0, exponent), "wait": wait}
        return weight, {"rate": y["rate"] + 1000 * values_of(s_post) / self.tau}, mem


def wound(wait: Array, every: Array, dt: Any) -> tuple[Array, Array]:
    """Whether a clock has run out after `dt`, and the clock wound up again."""
    wait = wait - dt
    # Half a step early or late at most, however the sum of the steps was rounded.
    due = wait < dt / 2
    return due, jnp.where(due, wait + jnp.maximum(every, dt), wait)
