"""The conductance-based neuron: a membrane with any channels."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._misc import nearest
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
from .._channels._base import AbstractChannel, needs
from .._ions._base import AbstractIon, IonState
from .._surrogate import AbstractSurrogate, SuperSpike
from ._crossing import crossing


class ConductanceBased(AbstractNeuron):
    r"""A membrane of one compartment with any channels.

    $$c\,\frac{dv}{dt} = \sum_k I_k(v, y_k) + u + \sigma \xi(t)$$

    A spike is an upward crossing of `v_th`, at most one per `t_ref`; nothing is reset. The channels
    share the `ions`: all that carry one change its concentration, and those whose `e` is `None`
    take their reversal potential from it.

    **Arguments:** `size`: number of neurons; `channels`: dictionary from name to
    `AbstractChannel`; `ions`: dictionary from the name by which channels know an ion (`"na"`,
    `"k"`, `"ca"`) to an `AbstractIon`, none by default; the parameters are scalars or have shape
    `[size]`. `c`: uF/cm^2, 1; `v_th`: mV, 0; `t_ref`: least time between spikes, ms, 0; `v_init`:
    mV, -65, at which the gates start at rest; `sigma`: uA/cm^2 sqrt(ms), `None` for no noise;
    `spike`: the spike function.

    The input $u$ is a current density (uA/cm^2), or an `Affine` in $v$ (mS/cm^2, uA/cm^2).

    **State:** `v`: mV, `[size]`; `<channel>.<gate>`; `ions.<ion>.inside` or `.outside`: mM, of ions
    that change. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for what is no channel or ion, an ion that a channel needs and that is
    not there or does not have what it needs, an ion without effect or of the wrong valence, or
    shapes that do not fit.

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
    ions: dict[str, AbstractIon] = eqx.field(default_factory=dict)

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
        for name, what in (("v", "voltage"), ("ions", "state of the ions")):
            if name in self.channels:
                raise ValueError(f"a channel cannot be called {name!r}, the name of the {what}.")
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)
        _check_ions(self.channels, self.ions, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """At `v_init`, with every gate at rest."""
        del key, dt
        v = spread(self.v_init, self.size)
        y = _at_rest(self.channels, self.ions, v)
        mem = {"above": v >= self.v_th, "clock": jnp.zeros_like(v)}
        return State({"v": v, **y}, mem)

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The currents charge the membrane; the gates follow the voltage."""
        del t
        v = y["v"]
        ions = _view(self.ions, y)
        total, carried = as_affine(args.u), dict.fromkeys(self.ions, jnp.zeros_like(v))
        for name, channel in sorted(self.channels.items()):
            current = channel.current(v, y[name], ions)
            total = total + current
            if channel.ion in carried:
                carried[channel.ion] = carried[channel.ion] + current(v)
        rates = {name: channel.flow(v, y[name], ions) for name, channel in self.channels.items()}
        if self.ions:
            rates["ions"] = {k: x.flow(y["ions"][k], carried[k]) for k, x in self.ions.items()}
        return {"v": total / self.c, **rates}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the current."""
        del t, args
        if self.sigma is None:
            return None
        quiet = [*self.channels, *(["ions"] if self.ions else [])]
        return {**dict.fromkeys(quiet), "v": self.sigma / self.c}

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
def _at_rest(
    channels: dict[str, AbstractChannel], ions: dict[str, AbstractIon], v: Array
) -> dict[str, dict]:
    # Compiled as one: the rates are dozens of operations, each of which would compile by itself.
    y = {"ions": {name: ion.init(v) for name, ion in ions.items()}} if ions else {}
    seen = _view(ions, y)
    return {**y, **{name: channel.init(v, seen) for name, channel in channels.items()}}


def _view(ions: dict[str, AbstractIon], y: dict) -> dict[str, IonState]:
    return {name: ion.view(y["ions"][name]) for name, ion in ions.items()}


_VALENCES = {"na": 1, "k": 1, "cl": -1, "ca": 2, "mg": 2}
_FIELDS = {"e": "a reversal potential", "inside": "an inner", "outside": "an outer"}


def _check_ions(
    channels: dict[str, AbstractChannel], ions: dict[str, AbstractIon], size: int
) -> None:
    if not isinstance(ions, dict):
        raise ValueError(
            f"'ions' must be a dictionary from name to ion, got {type(ions).__name__}."
        )
    for name, ion in ions.items():
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(
                f"the name of an ion must be text without a dot, not empty; got {name!r}."
            )
        if not isinstance(ion, AbstractIon):
            raise ValueError(f"ion {name!r} must be an AbstractIon, got {type(ion).__name__}.")
        expected = _VALENCES.get(name, ion.valence)
        if ion.valence is not None and ion.valence != expected:
            raise ValueError(
                f"ion {name!r} has valence {expected}, but the {type(ion).__name__} given for it "
                f"has valence {ion.valence}."
            )
    used = set()
    for label, channel in channels.items():
        for name, field in needs(channel):
            used.add(name)
            _check_need(label, channel, name, field, ions)
    carried = {channel.ion for channel in channels.values()}
    for name, ion in ions.items():
        moves = jax.eval_shape(ion.init, jax.ShapeDtypeStruct((size,), jnp.result_type(float)))
        if name in used or (moves and name in carried):
            continue
        carriers = [k for k, channel in channels.items() if channel.ion == name]
        why = (
            f"channels {carriers} have an 'e' of their own; give them e=None, or leave the ion out."
            if carriers
            else f"no channel carries or reads it. {nearest(name, _known(channels))}"
        )
        raise ValueError(f"ion {name!r} is without effect: {why}")


def _known(channels: dict[str, AbstractChannel]) -> set[str]:
    named = {name for channel in channels.values() for name, _ in needs(channel)}
    return {x for x in named | {channel.ion for channel in channels.values()} if x}


def _check_need(
    label: str, channel: AbstractChannel, name: str | None, field: str, ions: dict
) -> None:
    what = _FIELDS[field] + ("" if field == "e" else " concentration")
    who = f"channel {label!r}, a {type(channel).__name__}, needs {what}"
    own = " or give the channel 'e'" if field == "e" else ""
    if name is None:
        raise ValueError(f"{who}, but carries no ion: give it an 'e' of its own, or an 'ion'.")
    if name not in ions:
        kind = {"e": "FixedIon(...)", "inside": "IonShell()", "outside": "IonShell()"}[field]
        raise ValueError(
            f"{who} of the ion {name!r}, but 'ions' has {sorted(ions) or 'none'}: add "
            f"ions={{{name!r}: {kind}}}{own}."
        )
    if field not in ions[name].provides:
        kind = type(ions[name]).__name__
        raise ValueError(
            f"{who} of the ion {name!r}, which a {kind} does not have: use a NernstIon or IonShell"
            f"{own}."
        )
