"""Long-term plasticity: how the weights of a projection change."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jax import Array

from ...sparse import AbstractConnectivity
from .._base import Args, State


class AbstractPlasticity(eqx.Module):
    """A learning rule. The weights that learn lie in the state of the projection, as `weight`.

    In `flow` and `learn`, `args.u` is a dictionary: `pre` and `post`, the activity of the two
    populations (`pre` is `None` where the source is an input), and in `learn` also `modulator`, the
    output that `modulator` names by its path in the network; `None` for none.

    **Source:** none; a convention of this library.
    """

    units: ClassVar[dict[str, str]] = {}
    modulator: eqx.AbstractVar[str | None]

    @abc.abstractmethod
    def init(self, connect: AbstractConnectivity) -> State:
        """The traces of the pre- and postsynaptic units, and of the synapses if there are any."""

    @abc.abstractmethod
    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The derivative of the traces, each leaf an array or an `Affine`."""

    @abc.abstractmethod
    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Array,
        *,
        connect: AbstractConnectivity,
        dt: Array,
        key: Array,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """`(weight, y, mem)` after the spikes of one step.

        `s_pre`: those that arrive at the synapses now, `Events` `[n_pre]`; `s_post`: those of the
        postsynaptic units at this instant, `[n_post]`.
        """
