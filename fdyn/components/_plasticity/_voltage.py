"""Plasticity that depends on the voltage of the postsynaptic neuron."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, values_of


class VoltageSTDP(AbstractPlasticity):
    r"""Voltage-based plasticity: depression at presynaptic spikes, potentiation while depolarised.

    $$\tau_x\dot x_i = -x_i + \textstyle\sum_k\delta(t - t_i^k),\qquad
      \tau_\mp\dot{\bar u}_{\mp,j} = -\bar u_{\mp,j} + u_j$$

    $$\text{pre spike: } w_{ij} \leftarrow w_{ij} - A^-_j\,[\bar u_{-,j} - \theta_-]_+,\qquad
      \dot w_{ij} = A^+\,x_i\,[u_j - \theta_+]_+\,[\bar u_{+,j} - \theta_-]_+$$

    $u$ is the membrane potential of the postsynaptic neurons, and $A^-_j = A^-$, or with `u_ref`
    $A^-_j = A^-\,\bar{\bar u}_j^2 / u_\mathrm{ref}$, in which $\bar{\bar u}$ is the mean of
    $u - v_\mathrm{rest}$ over `tau_mean`, so that a neuron too active is depressed. The
    potentiation needs the shape of a spike: take a neuron that has one, such as a
    `ConductanceBased` or one with an exponential upstroke, not a `LIF`. It costs time only for
    neurons above $\theta_+$.

    These are the equations as printed. With them a spike raises its own filtered voltage, so that
    pairings at low rates (pre before post) potentiate more than in the figure of the paper, for
    which its authors let the filters see the voltage some milliseconds late.

    **Arguments:** `a_minus`: 1.4e-4, unit of the weights/mV; `a_plus`: 8e-5, unit of the
    weights/mV^2; `theta_minus`: -70.6 and `theta_plus`: -45.3, mV, scalars or `[n_post]`; `tau_x`:
    ms, 15, a scalar or `[n_pre]`; `tau_minus`: 10 and `tau_plus`: 7, ms, scalars or `[n_post]`;
    `u_ref`: mV^2, `None` for a constant amplitude; `v_rest`: mV, -70.6 and `tau_mean`: ms, 1000,
    used with `u_ref`; `w_min`: 0 and `w_max`: infinite, in the unit of the weights.

    **State:** `x`: `[n_pre]`, 1/ms; `u_minus`, `u_plus`: `[n_post]`, mV, and with `u_ref` `u_mean`,
    mV, all starting at `v_rest`, that is at no depolarisation.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = VoltageSTDP(a_minus=0.01), OneToOne(0.5, n=1)
    >>> synapses, spike = Synapses(conn, conn, (rule.w_min, rule.w_max)), jnp.ones(1)
    >>> y = {"x": jnp.zeros(1), "u_minus": jnp.array([-60.6]), "u_plus": jnp.array([-70.6])}
    >>> args = Args({}, {"post": jnp.array([-65.0])})
    >>> w, *_ = rule.learn(jnp.array([0.5]), y, args, spike, spike, synapses=synapses, dt=0.1)
    >>> print(w)
    [0.4]

    ```

    **Source:** Clopath, Büsing, Vasilaki & Gerstner 2010, Nature Neuroscience 13:344, eqs. 1 to 3,
    parameters of visual cortex in its table 1.
    """

    units: ClassVar[dict[str, str]] = {
        "x": "1/ms",
        "u_minus": "mV",
        "u_plus": "mV",
        "u_mean": "mV",
    }
    continuous: ClassVar[bool] = True
    per_pre: ClassVar[tuple[str, ...]] = ("tau_x",)
    per_post: ClassVar[tuple[str, ...]] = (
        *("theta_minus", "theta_plus", "tau_minus", "tau_plus"),
        *("u_ref", "v_rest", "tau_mean"),
    )
    modulator: ClassVar[str | None] = None

    a_minus: Array = param(1.4e-4, unit="1/mV", doc="amplitude of depression")
    a_plus: Array = param(8e-5, unit="1/mV^2", doc="amplitude of potentiation")
    theta_minus: Array = param(-70.6, unit="mV", doc="threshold of the low-pass filtered voltage")
    theta_plus: Array = param(-45.3, unit="mV", doc="threshold of the voltage, for potentiation")
    tau_x: Array = param(
        15.0, unit="ms", doc="time constant of the presynaptic trace", bound="positive"
    )
    tau_minus: Array = param(
        10.0, unit="ms", doc="time constant of the voltage, for depression", bound="positive"
    )
    tau_plus: Array = param(
        7.0, unit="ms", doc="time constant of the voltage, for potentiation", bound="positive"
    )
    u_ref: Array | None = param(
        None, unit="mV^2", doc="square of the mean depolarisation that is aimed at"
    )
    v_rest: Array = param(-70.6, unit="mV", doc="potential from which depolarisation is measured")
    tau_mean: Array = param(
        1000.0, unit="ms", doc="time constant of the mean depolarisation", bound="positive"
    )
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """No spikes and no depolarisation yet."""
        rest = jnp.broadcast_to(self.v_rest, (connect.n_post,))
        y = {"x": jnp.zeros(connect.n_pre), "u_minus": rest, "u_plus": rest}
        if self.u_ref is not None:
            y["u_mean"] = jnp.zeros_like(rest)
        return State(y, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The traces decay, and the voltages follow that of the neuron."""
        u = args.u["post"]
        flow = {
            "x": Affine(-1 / self.tau_x, 0.0),
            "u_minus": Affine(-1.0, u) / self.tau_minus,
            "u_plus": Affine(-1.0, u) / self.tau_plus,
        }
        if "u_mean" in y:
            flow["u_mean"] = Affine(-1.0, u - self.v_rest) / self.tau_mean
        return flow

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
        """Depression at presynaptic spikes, potentiation while the neuron is depolarised."""
        del s_post, key

        def above(u: Array, threshold: Array) -> Array:
            return jnp.maximum(u - threshold, 0)

        a_minus = self.a_minus
        if self.u_ref is not None:
            a_minus = a_minus * y["u_mean"] ** 2 / self.u_ref
        down = -a_minus * above(y["u_minus"], self.theta_minus)
        weight = synapses.on_pre(weight, s_pre, down)
        depolarised = above(args.u["post"], self.theta_plus) * above(y["u_plus"], self.theta_minus)
        weight = synapses.on_post(weight, self.a_plus * dt * depolarised, y["x"])
        return weight, {**y, "x": y["x"] + values_of(s_pre) / self.tau_x}, args.mem
