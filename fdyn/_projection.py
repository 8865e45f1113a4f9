"""A projection: the synapses from one population onto another."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ._grid import as_time, steps_of
from .components import AbstractOutput, AbstractSynapse, Affine
from .sparse import AbstractConnectivity


def _delay(value: Any) -> float:
    return as_time(value, "delay", zero=True)


class Projection(eqx.Module):
    """The synapses from one population onto another.

    Spikes of `pre` wait for `delay`, go through `connect`, drive the `synapse`, whose variable
    makes a current in `post` through `output`.

    **Arguments:**

    - `pre`, `post`: paths of populations in the network, for example `"E"` or `"V1.E"`. `pre` may
      name one of several outputs, `"E.spike"`; `post` must be an `AbstractNeuron`.
    - `connect`: a connectivity of `fdyn.sparse`, from `pre` to `post`, with its weights.
    - `synapse`: its dynamics; held at the postsynaptic side.
    - `output`: the current it makes.
    - `delay`: ms, 0; a multiple of `dt`. A spike stamped `t` acts on the synapse at `t + delay`.

    **State:** the variables of the synapse; in `mem` the `ring` of spikes under way,
    `[delay / dt, n_pre]`, and its `head`.

    **Raises:** `ValueError` for a negative delay, and at `init` for one that is no multiple of
    `dt`. Paths and shapes are checked by `Network`.

    ```python
    >>> from fdyn.components import COBA, Exponential
    >>> from fdyn.sparse import OneToOne
    >>> Projection("E", "I", OneToOne(0.5, n=10), Exponential(5.0), COBA(0.0), delay=1.5).delay
    1.5

    ```

    **Source:** the grouping of synapses at the postsynaptic side, Morrison et al. 2005, Neural
    Comput. 17:1776, section 3.
    """

    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    connect: AbstractConnectivity
    synapse: AbstractSynapse
    output: AbstractOutput
    delay: float = eqx.field(static=True, converter=_delay, default=0.0)

    def __check_init__(self):
        for name, kind in (
            ("connect", AbstractConnectivity),
            ("synapse", AbstractSynapse),
            ("output", AbstractOutput),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(
                    f"Projection: '{name}' must be an {kind.__name__}, got {type(value).__name__}."
                )

    def init(self, dt: float) -> tuple[dict, dict]:
        """The state of the synapses, and the empty ring of the spikes under way."""
        y = self.synapse.init(self.connect.n_post)
        steps = steps_of(
            self.delay, dt, f"the delay of the projection {self.pre!r} -> {self.post!r}"
        )
        if steps == 0:
            return y, {}
        ring = jnp.zeros((steps, self.connect.n_pre), dtype=jnp.result_type(float))
        return y, {"ring": ring, "head": jnp.array(0, dtype=jnp.int32)}

    def current(self, v: Array, y: dict) -> Affine:
        """The current into the postsynaptic population at voltage `v`, `[n_post]`."""
        return self.output.current(v, self.synapse.conductance(y))

    def receive(self, y: dict, mem: dict, spikes: Array) -> tuple[dict, dict]:
        """Hand over the spikes that arrive now, and keep those (`[n_pre]`) that just happened."""
        if mem:
            ring, head = mem["ring"], mem["head"]
            arriving = jax.lax.dynamic_index_in_dim(ring, head, 0, keepdims=False)
            ring = jax.lax.dynamic_update_index_in_dim(ring, spikes, head, 0)
            mem = {"ring": ring, "head": (head + 1) % ring.shape[0]}
            spikes = arriving
        return self.synapse.receive(y, spikes, self.connect), mem
