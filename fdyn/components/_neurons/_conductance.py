"""The conductance-based neuron: a membrane with any channels."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import (
    AbstractNeuron,
    Args,
    State,
    as_affine,
    check_kind,
    check_shapes,
    size_field,
    spread,
)
from .._channels._base import AbstractChannel
from .._surrogate import AbstractSurrogate, SuperSpike
from ._crossing import crossing


class ConductanceBased(AbstractNeuron):
    r"""A membrane of one compartment with any channels.

    $$c\,\frac{dv}{dt} = \sum_k I_k(v, y_k) + u + \sigma \xi(t)$$

    A spike is an upward crossing of `v_th`, at most one per `t_ref`; nothing is reset.

    **Arguments:** `size`: number of neurons; `channels`: dictionary from name to
    `AbstractChannel`; the parameters are scalars or have shape `[size]`. `c`: uF/cm^2, 1; `v_th`:
    mV, 0; `t_ref`: least time between spikes, ms, 0; `v_init`: mV, -65, at which the gates start at
    rest; `sigma`: uA/cm^2 sqrt(ms), `None` for no noise; `spike`: the spike function.

    The input $u$ is a current density (uA/cm^2), or an `Affine` in $v$ (mS/cm^2, uA/cm^2).

    **State:** `v`: mV, `[size]`; `<channel>.<gate>`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for what is no channel, or shapes that do not fit.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import KHH, Leak, NaHH
    >>> squid = ConductanceBased(1, {"na": NaHH(), "k": KHH(), "leak": Leak()})
    >>> rec = simulate(squid, 50.0, dt=0.01, inputs=10.0, record="spike")
    >>> float(rec["spike"].sum())
    4.0

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eq. 26.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "spike": "1", "clock": "ms"}

    size: int = size_field()
    # Pyright takes the size field, whose specifier it does not know, to have a default.
    channels: dict[str, AbstractChannel]  # pyright: ignore[reportGeneralTypeIssues]
    c: Array = param(1.0, unit="uF/cm^2", doc="membrane capacitance", bound="positive")
    v_th: Array = param(0.0, unit="mV", doc="voltage that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    v_init: Array = param(-65.0, unit="mV", doc="initial potential")
    sigma: Array | None = param(None, unit="uA/cm^2*ms^0.5", doc="strength of white noise")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def __check_init__(self):
        if not isinstance(self.channels, dict):
            raise ValueError(
                "'channels' must be a dictionary from name to channel, "
                f"got {type(self.channels).__name__}."
            )
        for name, channel in self.channels.items():
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(
                    f"the name of a channel must be text without a dot, not empty; got {name!r}."
                )
            if not isinstance(channel, AbstractChannel):
                raise ValueError(
                    f"channel {name!r} must be an AbstractChannel, got {type(channel).__name__}."
                )
        if "v" in self.channels:
            raise ValueError("a channel cannot be called 'v', the name of the voltage.")
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)

    def init(self, *, key: Array, dt: float) -> State:
        """At `v_init`, with every gate at rest."""
        del key, dt
        v = spread(self.v_init, self.size)
        y = _at_rest(self.channels, v)
        mem = {"above": v >= self.v_th, "clock": jnp.zeros_like(v)}
        return State({"v": v, **y}, mem)

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The currents charge the membrane; the gates follow the voltage."""
        del t
        v = y["v"]
        current = as_affine(args.u)
        for name, channel in sorted(self.channels.items()):
            current = current + channel.current(v, y[name], {})
        gates = {name: channel.flow(v, y[name], {}) for name, channel in self.channels.items()}
        return {"v": current / self.c, **gates}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the current."""
        del t, args
        if self.sigma is None:
            return None
        return {**dict.fromkeys(self.channels), "v": self.sigma / self.c}

    def events(self, t: Array, y: dict, args: Args) -> Array:
        """The distance to the voltage that counts as a spike, mV."""
        del t, args
        return y["v"] - self.v_th

    def timer(self, mem: dict) -> Array:
        """Infinite: the clock only hides spikes, and the flow does not depend on it."""
        del mem
        return jnp.array(jnp.inf)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """A spike at an upward crossing; the state goes on."""
        del key
        s, mem = crossing(self.events(t, y, args), args, self.spike, self.t_ref, dt)
        return y, mem, {"spike": s}


@eqx.filter_jit
def _at_rest(channels: dict[str, AbstractChannel], v: Array) -> dict[str, dict[str, Array]]:
    # Compiled as one: the rates are dozens of operations, each of which would compile by itself.
    return {name: channel.init(v) for name, channel in channels.items()}
