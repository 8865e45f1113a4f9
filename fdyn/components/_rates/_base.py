"""What rate models and mean fields have in common: a flow, and nothing at an instant."""

import abc
from typing import final

from jax import Array

from .._base import AbstractNeuron, Affine, Args, State, as_affine, check_shapes


class AbstractRate(AbstractNeuron):
    """Units that do not spike: populations described by rates, oscillators, whole regions.

    A model of this kind says where it starts (`start`), how its variables move under an input
    (`dynamics`), which of them the outputs of synapses see (`potential`; graded synapses see the
    same, unless it names an `activity`), and what it gives as output (`observe`).

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, section 7.2.
    """

    def __check_init__(self):
        check_shapes(self, self.size)

    @abc.abstractmethod
    def start(self) -> dict[str, Array]:
        """The initial variables, each `[size]`."""

    @abc.abstractmethod
    def dynamics(self, y: dict, u: Affine) -> dict:
        """The derivative under the input `u`, which `u(x)` evaluates at a potential `x`."""

    @abc.abstractmethod
    def observe(self, y: dict, u: Affine) -> dict:
        """The outputs at an instant, each `[size]`."""

    @final
    def init(self, *, key: Array, dt: float) -> State:
        """At the initial values."""
        del key, dt
        return State(self.start(), {})

    @final
    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The dynamics."""
        del t
        return self.dynamics(y, as_affine(args.u))

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """Nothing happens; the outputs."""
        del t, dt, key
        return y, args.mem, self.observe(y, as_affine(args.u))
