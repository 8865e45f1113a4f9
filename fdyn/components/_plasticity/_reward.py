"""Spike-timing-dependent plasticity that a reward turns into lasting change."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from ...sparse import AbstractConnectivity, event_op
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, jumped, values_of
from ._scaling import wound


class RewardSTDP(AbstractPlasticity):
    r"""Reward-modulated plasticity: pairs of spikes tag a synapse, and a third factor changes it.

    $$\tau_c\,\dot c_{ij} = -c_{ij} + \tau_c\,\mathrm{STDP}_{ij}(t),\qquad
      \dot w_{ij} = c_{ij}\,(d - d_0),\qquad \tau_d\,\dot d = -d + \tau_d\,M(t)$$

    STDP adds $a_+ x_i$ to the eligibility $c_{ij}$ at postsynaptic spikes and $-a_- x_j$ at
    presynaptic ones, with the traces of `PairSTDP`. $M$ is the mean of the output
    `modulator` over its units, pulses (for example spikes; that of a single unit is a jump of $d$
    by 1); without `tau_d` that mean is $d$ itself.

    The eligibility is held per synapse. Its decay is one common factor, so that spikes touch the
    synapses of the units that fire alone. The weights change every so many ms (`every`, by default
    at every step) by the eligibility at that time, times the integral of $d - d_0$ since the last
    change: only then are all synapses visited. So what becomes eligible after a reward, but within
    the same `every`, is credited with it too. With a large one the order of the two is lost: at
    5 ms, with `tau_c` 100 and `tau_d` 20, a change of weight that is exactly -0.230 came out as
    -0.270.

    **Arguments:** `modulator`: path of an output in the network; `tau_plus`: ms, 20,
    a scalar or `[n_pre]`; `tau_minus`: ms, 20, a scalar or `[n_post]`; `a_plus`: 0.001, `a_minus`:
    0.0015, eligibility, which is the change of a weight per ms at $d = 1$; `tau_c`: ms, 1000;
    `tau_d`: ms, `None`, in Izhikevich 2007 200; `baseline`: $d_0$, 0; `every`: ms, at most 10
    `tau_c`, `None` for every step; `w_min`: 0 and `w_max`: 1, in the unit of the weights;
    `nearest`: whether only the nearest spike of the other side counts, `False`.

    **State:** `x_pre`: `[n_pre]`, `x_post`: `[n_post]`, with `tau_d` `d`: `[1]`; in `mem` the
    `eligibility` in the layout of the weights, to be multiplied by `factor`; `dose`, the integral
    of $d - d_0$, ms; and `wait`, the time until the weights change, ms.

    **Raises:** `ValueError` unless `w_min < w_max`, for weights that start outside, for a modulator
    that is no path, and for an `every` above 10 `tau_c`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = RewardSTDP("reward", a_plus=0.01), OneToOne(0.5, n=1)
    >>> synapses, state = Synapses(conn, conn, (rule.w_min, rule.w_max)), rule.init(conn)
    >>> y, spike = {"x_pre": jnp.array([0.5]), "x_post": jnp.zeros(1)}, jnp.ones(1)
    >>> args = Args(state.mem, {"modulator": jnp.array([2.0])})
    >>> start = jnp.array([0.5])
    >>> for s_post in (spike, 0 * spike):
    ...     w, y, mem = rule.learn(start, y, args, 0 * spike, s_post, synapses=synapses, dt=1.0)
    ...     args = Args(mem, args.u)
    >>> print(w.round(5))  # 0.5 + 2 * 0.005 exp(-1 / 1000)
    [0.50999]

    ```

    **Source:** Izhikevich 2007, Cereb. Cortex 17:2443, eqs. 1 to 3; a baseline: Frémaux, Sprekeler
    & Gerstner 2010, J. Neurosci. 30:13326, eq. 5.
    """

    units: ClassVar[dict[str, str]] = {
        "x_pre": "1",
        "x_post": "1",
        "d": "1",
        "eligibility": "unit of the weights per ms",
        "factor": "1",
        "dose": "ms",
        "wait": "ms",
    }
    continuous: ClassVar[bool] = True
    per_pre: ClassVar[tuple[str, ...]] = ("tau_plus",)
    per_post: ClassVar[tuple[str, ...]] = ("tau_minus",)

    modulator: str = eqx.field(static=True)
    tau_plus: Array = param(
        20.0, unit="ms", doc="time constant of the presynaptic trace", bound="positive"
    )
    tau_minus: Array = param(
        20.0, unit="ms", doc="time constant of the postsynaptic trace", bound="positive"
    )
    a_plus: Array = param(1e-3, unit="1/ms", doc="amplitude of pre before post")
    a_minus: Array = param(1.5e-3, unit="1/ms", doc="amplitude of post before pre")
    tau_c: Array = param(
        1000.0, unit="ms", doc="time constant of the eligibility", bound="positive"
    )
    tau_d: Array | None = param(
        None, unit="ms", doc="time constant of the modulator", bound="positive"
    )
    baseline: Array = param(0.0, unit="1", doc="modulator at which nothing changes")
    every: Array | None = param(
        None, unit="ms", doc="time between changes of the weights", bound="positive"
    )
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(1.0, unit="1", doc="upper bound of the weights")
    nearest: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_bounds(self)
        if not isinstance(self.modulator, str) or not self.modulator:
            raise ValueError(
                "RewardSTDP: 'modulator' must be the path of an output in the network, such as "
                f"'reward.spike', got {self.modulator!r}."
            )
        if self.every is None or is_traced((self.every, self.tau_c)):
            return
        # The common factor exp(-every / tau_c) may not leave the numbers of single precision.
        every, tau_c = np.asarray(self.every), np.asarray(self.tau_c)
        if (every > 10 * tau_c).any():
            raise ValueError(
                f"RewardSTDP: 'every' must be at most ten times 'tau_c' ({tau_c} ms), after which "
                f"nothing is eligible any more; got {every} ms. Take one well below 'tau_c'."
            )

    def init(self, connect: AbstractConnectivity) -> State:
        """Nothing is eligible yet."""
        zeros = jnp.zeros(connect.n_pre), jnp.zeros(connect.n_post)
        y = {"x_pre": zeros[0], "x_post": zeros[1]}
        mem = {
            "eligibility": jnp.zeros(connect._weight_shape()),
            "factor": jnp.ones(()),
            "dose": jnp.zeros(()),
        }
        if self.tau_d is not None:
            y["d"] = jnp.zeros(1)
        if self.every is not None:
            mem["wait"] = self.every
        return State(y, mem)

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The traces and the modulator decay."""
        del args
        taus = {"x_pre": self.tau_plus, "x_post": self.tau_minus, "d": self.tau_d}
        return {name: Affine(-1 / taus[name], 0.0) for name in y}

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
        """The reward acts on what is eligible, then the spikes make eligible."""
        del key
        pulse = jnp.mean(args.u["modulator"])
        y = dict(y)
        if self.tau_d is not None:
            y["d"] = y["d"] + pulse
        d = pulse if self.tau_d is None else y["d"][0]
        mem = dict(args.mem)
        factor = mem["factor"] * jnp.exp(-dt / self.tau_c)
        dose = mem["dose"] + (d - self.baseline) * dt
        due = jnp.ones((), bool)
        if self.every is not None:
            due, mem["wait"] = wound(mem["wait"], self.every, dt)
        weight, tag = _consolidate(
            weight, mem["eligibility"], dose * factor, factor, *synapses.bounds, due
        )
        factor = jnp.where(due, 1, factor)
        free = {"low": -jnp.inf, "high": jnp.inf}
        tag = synapses.on_pre(tag, s_pre, -self.a_minus / factor * y["x_post"], **free)
        tag = synapses.on_post(tag, s_post, self.a_plus / factor * y["x_pre"], **free)
        mem |= {"eligibility": tag, "factor": factor, "dose": jnp.where(due, 0, dose)}
        y["x_pre"] = jumped(y["x_pre"], values_of(s_pre), self.nearest)
        y["x_post"] = jumped(y["x_post"], values_of(s_post), self.nearest)
        return weight, y, mem


@event_op(in_place={"weight": 0, "tag": 1})
def _consolidate(weight, tag, gain, factor, low, high, due):
    """The weights after what is eligible has acted, and what stays eligible, if it is due."""
    changed = jnp.clip(weight + gain * tag, low, high)
    return jnp.where(due, changed, weight), jnp.where(due, factor * tag, tag)


@_consolidate.cpu
def _(weight, tag, gain, factor, low, high, due):
    if due:
        w, c = weight.reshape(weight.size), tag.reshape(tag.size)
        for p in range(w.size):
            new = w[p] + gain * c[p]
            new = low if new < low else new
            w[p] = high if new > high else new
            c[p] = factor * c[p]
