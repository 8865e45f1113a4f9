"""Connectivities that hold their synapses one by one."""

from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from .._grid import as_time
from .._misc import is_traced
from ._base import AbstractConnectivity, _cast, _dtype, _map_values, _spikes
from ._delay import FractionalDelay, check_ring, check_route, follow, make_route
from ._delay_field import as_delay, check_delay


class AbstractListed(AbstractConnectivity):
    """A connectivity with an array entry for every synapse; its delays are read from there.

    **Source:** none; a convention of this library.
    """

    @classmethod
    def _view(cls, **fields: Any) -> Self:
        """A connectivity of the arrays of another one, the values of which are not looked at."""
        new = object.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(new, name, value)
        as_delay(new.delay, new._weight_shape())
        return new

    def __check_init__(self):
        check_delay(self.delay)

    def round_delays(self, dt: float) -> Self:
        """A connectivity whose delays are the nearest multiples of `dt`, at least one if any."""
        dt = as_time(dt, "dt")
        delay = self.delay.values if isinstance(self.delay, FractionalDelay) else self.delay
        if delay is None:
            return self
        steps = jnp.where(delay > 0, jnp.maximum(jnp.round(delay / dt), 1), 0)
        new = (steps * dt).astype(delay.dtype)
        return eqx.tree_at(lambda c: c.delay, self, new, is_leaf=lambda x: x is self.delay)

    def route(
        self, dt: float, what: str = "`delay`", longest: float | None = None
    ) -> tuple[Any, int]:
        """The places of arrivals in a ring, synapse by synapse."""
        return make_route(self._edges(jnp if is_traced(self) else np), dt, what, longest)

    def deposit(
        self, ring: Array, s: Any, route: Any, head: Array, weight: ArrayLike | None = None
    ) -> Shaped[Array, " places"]:
        """Put the spikes `s` into a ring of arrivals, each as late as its synapse delays it."""
        ring = jnp.asarray(ring)
        check_route(route, self.shape, self.n_synapses)
        check_ring(ring, s, self.shape, route.most)
        w = self._checked_weight() if weight is None else self._as_weight(weight)
        s = _spikes(s, self.n_pre, w)
        dtype = _dtype(ring, s, w)
        w, row, column = self._factors(_cast(w, dtype))
        s = _map_values(s, lambda x: x.astype(dtype) if row is None else x.astype(dtype) * row)
        w = w.reshape(-1) if w.ndim else w
        return follow(ring.astype(dtype), self.n_post, w, column, s, route, head)
