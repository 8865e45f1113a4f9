"""Synapses that a pulse of transmitter opens."""

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from .._base import Args
from .._neurons._crossing import restart
from ._base import AbstractSynapse


class AbstractPulseSynapse(AbstractSynapse):
    r"""Receptors that a pulse of transmitter opens, which every spike starts anew.

    $$[T](t) = T_\mathrm{max} \text{ for the time } d \text{ after a spike},\quad 0 \text{ else}$$

    A spike during a pulse prolongs it, so that the gate is not linear in the spikes and is held at
    the presynaptic side. `simulate` rounds $d$ to whole steps; `solve` stops at the end of a pulse.
    Whatever arrives, of any size, starts a whole pulse, also each of the two parts into which a
    `FractionalDelay` splits a spike; and no gradient passes through its start.

    **Source:** Destexhe, Mainen & Sejnowski 1994, Neural Comput. 6:14.
    """

    linear: ClassVar[bool] = False

    transmitter: eqx.AbstractVar[Array]
    duration: eqx.AbstractVar[Array]

    @final
    def concentration(self, args: Args) -> Array:
        """The transmitter, mM, `[n_pre]`."""
        return jnp.where(args.mem["pulse"] > 0, self.transmitter, 0)

    @final
    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """A spike starts a pulse."""
        del key
        return y, {"pulse": restart(arrivals, self.duration, args.mem["pulse"], args, dt)}

    @final
    def timer(self, mem: dict[str, Array]) -> Array:
        """The time until the first pulse ends."""
        return jnp.min(jnp.where(mem["pulse"] > 0, mem["pulse"], jnp.inf))
