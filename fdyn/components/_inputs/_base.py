"""Input components: what drives a model from outside, as nodes or through `inputs=`."""

from jax import Array

from .._base import AbstractPopulation, Args, State


class AbstractStatelessInput(AbstractPopulation):
    """A population without input and state of its own: only its output, made anew every step.

    Through `inputs=` of a driver its single output is the input of what it drives; as a node of
    a network its output is read by projections.

    **Source:** none; a convention of this library.
    """

    def init(self, *, key: Array, dt: float) -> State:
        """No state."""
        del key, dt
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}
