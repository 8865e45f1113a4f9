"""What neurons have in common: those that are reset at a spike, and those that are not."""

import abc
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from .._base import (
    AbstractNeuron,
    Affine,
    Args,
    State,
    as_affine,
    check_kind,
    check_shapes,
    is_affine,
)
from .._surrogate import AbstractSurrogate
from ._crossing import crossing, restart
from ._reset import AbstractReset


class AbstractResetNeuron(AbstractNeuron):
    """A neuron that is reset at a spike, and then held for a refractory period.

    A model of this kind says how its variables move while nothing happens (`dynamics`), where its
    threshold is (`threshold`) and what a spike leaves behind (`after_spike`). Threshold function,
    reset rule and refractory period are fields (`spike`, `reset`, `t_ref`), and this class puts
    them together: the clock, what is held, the events of the adaptive route, and whether the reset
    passes gradient (`reset_grad`).

    `frozen` names the variables that rest while the neuron is refractory; the others go on.

    **Source:** Gerstner et al. 2014, Neuronal Dynamics, section 1.3.
    """

    t_ref: eqx.AbstractVar[Array]
    spike: eqx.AbstractVar[AbstractSurrogate]
    reset: eqx.AbstractVar[AbstractReset]
    reset_grad: eqx.AbstractVar[bool]

    frozen: ClassVar[tuple[str, ...]] = ("v",)

    def __check_init__(self):
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)
        check_kind(self, "reset", AbstractReset)

    @abc.abstractmethod
    def start(self) -> dict[str, Array]:
        """The initial variables, among them the voltage `v` (mV), each `[size]`."""

    @abc.abstractmethod
    def dynamics(self, y: dict, u: Affine) -> dict:
        """The derivative of a neuron that is not refractory, under the input `u`."""

    @abc.abstractmethod
    def threshold(self, y: dict) -> Array:
        """The voltage (mV) at which it spikes, a scalar or `[size]`."""

    @abc.abstractmethod
    def after_spike(self, y: dict) -> dict:
        """The variables just after a spike."""

    @final
    def init(self, *, key: Array, dt: float) -> State:
        """At the initial values, not refractory."""
        del key, dt
        y = self.start()
        return State(y, {"refractory": jnp.zeros_like(y["v"])})

    @final
    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    @final
    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The dynamics; what is frozen rests while refractory."""
        del t
        free = args.mem["refractory"] <= 0
        rates = self.dynamics(y, as_affine(args.u))
        return {k: _where(free, r) if k in self.frozen else r for k, r in rates.items()}

    @final
    def held(self, y: dict, args: Args) -> dict:
        """The variables that rest."""
        mask = args.mem["refractory"] > 0
        return {k: mask if k in self.frozen else jnp.zeros_like(mask) for k in y}

    @final
    def events(self, t: Array, y: dict, args: Args) -> Array:
        """The distance to threshold, mV; below it while refractory."""
        del t
        above = y["v"] - self.threshold(y)
        # A threshold that falls may pass the voltage of a neuron that cannot spike.
        return jnp.where(args.mem["refractory"] <= 0, above, jnp.minimum(above, -1.0))

    @final
    def timer(self, mem: dict) -> Array:
        """The time until the first neuron leaves its refractory period."""
        clock = mem["refractory"]
        return jnp.min(jnp.where(clock > 0, clock, jnp.inf))

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """Threshold, reset, refractory clock."""
        del key
        above = self.events(t, y, args)
        s = self.spike(above) if args.fired is None else args.fired.astype(above.dtype)
        y = jax.tree.map(lambda new, old: self._replaced(new, old, s), self.after_spike(y), y)
        clock = restart(s, self.t_ref, args.mem["refractory"], args, dt)
        return y, {"refractory": clock}, {"spike": s}

    def _replaced(self, new: Array, old: Array, s: Array) -> Array:
        # Selected, not weighed: what overflows in an upstroke leaves no trace.
        chosen = jnp.where(s > 0, new, old)
        if not self.reset_grad:
            return chosen
        # A spike that is zero in value, and has a derivative.
        return chosen + (s - jax.lax.stop_gradient(s)) * (new - old)


def _where(free: Array, rate: Any) -> Any:
    if is_affine(rate):
        return Affine(jnp.where(free, rate.a, 0), jnp.where(free, rate.b, 0))
    return jnp.where(free, rate, 0)


def membrane_noise(sigma: Array | None, tau: Array, y: dict, args: Args) -> dict | None:
    r"""White noise $\sigma / \sqrt\tau$ of the voltage, save of the refractory; `None` for none."""
    if sigma is None:
        return None
    free = args.mem["refractory"] <= 0 if "refractory" in args.mem else True
    noise = jnp.where(free, sigma / jnp.sqrt(tau), jnp.zeros_like(y["v"]))
    return {k: noise if k == "v" else None for k in y}


def check_above(neuron: Any, low: str, high: str) -> None:
    """One potential of a neuron lies above another: its threshold above its reset."""
    below, above = getattr(neuron, low), getattr(neuron, high)
    if not is_traced((below, above)) and (np.asarray(above) <= np.asarray(below)).any():
        raise ValueError(
            f"{type(neuron).__name__}: '{high}' must lie above '{low}' ({below} mV), "
            f"got {above} mV."
        )


class AbstractCrossingNeuron(AbstractNeuron):
    """A neuron whose spikes are upward crossings of a voltage; nothing is reset.

    Of such a model `v_th` is the voltage that counts as a spike, and `t_ref` the least time between
    two; the flow depends on neither. `watched` names the variable that is compared to `v_th`.

    **Source:** none; a convention of this library.
    """

    v_th: eqx.AbstractVar[Array]
    t_ref: eqx.AbstractVar[Array]
    spike: eqx.AbstractVar[AbstractSurrogate]

    watched: ClassVar[str] = "v"

    def __check_init__(self):
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)

    @abc.abstractmethod
    def start(self) -> dict[str, Array]:
        """The initial variables, each `[size]`."""

    @final
    def init(self, *, key: Array, dt: float) -> State:
        """At the initial values."""
        del key, dt
        y = self.start()
        x = y[self.watched]
        return State(y, {"above": x >= self.v_th, "clock": jnp.zeros_like(x)})

    @final
    def events(self, t: Array, y: dict, args: Args) -> Array:
        """The distance to the voltage that counts as a spike, mV."""
        del t, args
        return y[self.watched] - self.v_th

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """A spike at an upward crossing; the state goes on."""
        del key
        s, mem = crossing(self.events(t, y, args), args, self.spike, self.t_ref, dt)
        return y, mem, {"spike": s}
