"""Synapses: how the arrivals at a population become a conductance."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import AbstractParametric
from ...sparse import AbstractConnectivity, Events
from .._base import Args, State


class Arrivals(eqx.Module):
    r"""What arrives at the synapses of a population in one step: an array yet to be summed.

    $$a_j = c \sum_i s_i w_{ij}$$

    `x + arrivals` is the sum with an array `[n_post]`, which is worked out spike by spike, in the
    place of `x`; `arrivals * c` scales it.

    **Arguments:** `connect`: the connectivity; `spikes`: those that arrive, `[n_pre]`, or
    `Events`; `weight`: in the place of the connectivity's own; `scale`: the factor $c$, 1.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import OneToOne
    >>> arrivals = Arrivals(OneToOne(2.0, n=2), jnp.array([1.0, 0.0]))
    >>> (jnp.array([0.5, 0.5]) + 3.0 * arrivals).tolist()
    [6.5, 0.5]

    ```

    **Source:** none; a convention of this library.
    """

    connect: AbstractConnectivity
    spikes: Any
    weight: Array | None = None
    scale: Any = None

    # Lets `numpy_array + arrivals` come here instead of making an array of objects.
    __array_ufunc__ = None

    def __radd__(self, x: Any) -> Array:
        s = self.spikes
        if self.scale is not None and isinstance(s, Events):
            s = eqx.tree_at(lambda e: e.values, s, s.values * self.scale)
        elif self.scale is not None:
            s = s * self.scale
        return self.connect.accumulate(x, s, self.weight)

    def __mul__(self, factor: Any) -> "Arrivals":
        scale = factor if self.scale is None else self.scale * factor
        return Arrivals(self.connect, self.spikes, self.weight, scale)

    __rmul__ = __mul__


class AbstractSynapse(AbstractParametric, eqx.Module):
    """The dynamics of one projection's synapses.

    Where the dynamics are linear in the arrivals, the sum over the synapses of a unit obeys the
    same equation as each of them, and the state is held once per postsynaptic unit (align-post).
    The state of a member that is not `linear` is held once per presynaptic unit (align-pre), and
    what it conducts is summed by the connectivity.

    A `graded` synapse is driven by the activity of the presynaptic units instead of their spikes
    (see `AbstractNeuron.activity`): it finds it in `args.u`, `[n_pre]`, which is `None` otherwise.
    `args.mem` is the discrete part of its own state, and `args.fired` is `None` on a time grid.

    **Source:** Morrison et al. 2005, Neural Comput. 17:1776, section 3.
    """

    units: ClassVar[dict[str, str]] = {}
    linear: ClassVar[bool] = True
    graded: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self, n: int) -> State:
        """The state of the synapses of `n` units: postsynaptic ones, or presynaptic (align-pre)."""

    @abc.abstractmethod
    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The derivative between arrivals, each leaf an array or an `Affine`."""

    @abc.abstractmethod
    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """`(y, mem)` after the arrivals of one step (`dt`, ms): what adds to arrays `[n]`.

        They are `Arrivals`, or an array: of the sums, or align-pre of the spikes. They scale by
        numbers; adding them once is fastest.
        """

    @abc.abstractmethod
    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """What the output sees, `[n]`: in the unit of the weights, or align-pre times a weight."""

    def timer(self, mem: dict[str, Array]) -> Array:
        """Time (ms) until the earliest clock in `mem` runs out; infinite without clocks."""
        del mem
        return jnp.array(jnp.inf)
