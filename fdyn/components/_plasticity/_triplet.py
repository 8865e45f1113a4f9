"""Spike-timing-dependent plasticity of triplets of spikes."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, jumped, scaled, values_of


class TripletSTDP(AbstractPlasticity):
    r"""Spike-timing-dependent plasticity of pairs and triplets of spikes.

    $$\tau_+\dot r_1 = -r_1,\quad \tau_x\dot r_2 = -r_2,\quad
      \tau_-\dot o_1 = -o_1,\quad \tau_y\dot o_2 = -o_2$$

    $$\text{pre spike: } w_{ij} \leftarrow w_{ij} - o_{1,j}\,(A_2^- + A_3^- r_{2,i}),\qquad
      \text{post spike: } w_{ij} \leftarrow w_{ij} + r_{1,i}\,(A_2^+ + A_3^+ o_{2,j})$$

    and then the traces $r$ of the presynaptic unit or $o$ of the postsynaptic one grow by 1 (or are
    set to 1). The weights stay within the bounds.

    The defaults are those of the minimal all-to-all model of visual cortex, in which
    $A_2^+ = A_3^- = 0$. The full one: `a2_plus=5e-10, a3_plus=6.2e-3, a2_minus=7e-3,
    a3_minus=2.3e-4, tau_x=101, tau_y=125`.

    **Arguments:** `tau_plus`: 16.8 and `tau_x`: 101, ms, scalars or `[n_pre]`; `tau_minus`: 33.7
    and `tau_y`: 114, ms, scalars or `[n_post]`; `a2_plus`: 0, `a3_plus`: 0.0065, `a2_minus`:
    0.0071, `a3_minus`: 0, in the unit of the weights; `w_min`: 0 and `w_max`: infinite, in the
    unit of the weights; `nearest`: whether only the nearest spikes count, `False`.

    **State:** `r1`, `r2`: `[n_pre]`, `o1`, `o2`: `[n_post]`.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = TripletSTDP(a3_plus=0.1), OneToOne(0.5, n=1)
    >>> y = {"r1": jnp.array([0.5]), "r2": jnp.zeros(1), "o1": jnp.zeros(1), "o2": jnp.ones(1)}
    >>> synapses, spike = Synapses(conn, conn, (rule.w_min, rule.w_max)), jnp.ones(1)
    >>> w, *_ = rule.learn(jnp.array([0.5]), y, Args({}), 0 * spike, spike, synapses=synapses)
    >>> print(w)
    [0.55]

    ```

    **Source:** Pfister & Gerstner 2006, J. Neurosci. 26:9673, eqs. 2 to 5, parameters of its
    table 3.
    """

    units: ClassVar[dict[str, str]] = dict.fromkeys(("r1", "r2", "o1", "o2"), "1")
    per_pre: ClassVar[tuple[str, ...]] = ("tau_plus", "tau_x")
    per_post: ClassVar[tuple[str, ...]] = ("tau_minus", "tau_y")
    modulator: ClassVar[str | None] = None

    tau_plus: Array = param(
        16.8, unit="ms", doc="time constant of the fast presynaptic trace", bound="positive"
    )
    tau_minus: Array = param(
        33.7, unit="ms", doc="time constant of the fast postsynaptic trace", bound="positive"
    )
    tau_x: Array = param(
        101.0, unit="ms", doc="time constant of the slow presynaptic trace", bound="positive"
    )
    tau_y: Array = param(
        114.0, unit="ms", doc="time constant of the slow postsynaptic trace", bound="positive"
    )
    a2_plus: Array = param(0.0, unit="1", doc="potentiation by pairs")
    a3_plus: Array = param(6.5e-3, unit="1", doc="potentiation by triplets post-pre-post")
    a2_minus: Array = param(7.1e-3, unit="1", doc="depression by pairs")
    a3_minus: Array = param(0.0, unit="1", doc="depression by triplets pre-post-pre")
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")
    nearest: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """No spikes yet."""
        pre, post = jnp.zeros(connect.n_pre), jnp.zeros(connect.n_post)
        return State({"r1": pre, "r2": pre, "o1": post, "o2": post}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The traces decay."""
        del y, args
        taus = {"r1": self.tau_plus, "r2": self.tau_x, "o1": self.tau_minus, "o2": self.tau_y}
        return {name: Affine(-1 / tau, 0.0) for name, tau in taus.items()}

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
        """Depression at presynaptic spikes, potentiation at postsynaptic ones."""
        del dt, key
        down = scaled(s_pre, self.a2_minus + self.a3_minus * y["r2"])
        weight = synapses.on_pre(weight, down, -y["o1"])
        up = scaled(s_post, self.a2_plus + self.a3_plus * y["o2"])
        weight = synapses.on_post(weight, up, y["r1"])
        spikes = {"r": values_of(s_pre), "o": values_of(s_post)}
        y = {name: jumped(x, spikes[name[0]], self.nearest) for name, x in y.items()}
        return weight, y, args.mem
