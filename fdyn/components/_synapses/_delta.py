"""The delta synapse: a jump of the potential."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from .._base import Args, State
from ._base import AbstractSynapse


class Delta(AbstractSynapse):
    r"""A jump of the postsynaptic potential by the weight at each arrival, $v_j \leftarrow v_j +
    \sum_i s_i w_{ij}$.

    The weights are in mV, and the projection makes no current. What arrives after a delay of at
    least one step acts just before the threshold of that instant, so a neuron can fire at the very
    arrival; without a delay it acts after it. Whatever arrives while a neuron is held (its
    refractory period) is lost.

    ```python
    >>> Delta().init(3).y
    {}

    ```

    **Source:** Brunel 2000, J. Comput. Neurosci. 8:183, eq. 2.
    """

    def init(self, n: int) -> State:
        """No state."""
        del n
        return State({}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """No flow."""
        del y, args
        return {}

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Nothing is kept."""
        del arrivals, dt, key
        return y, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """Zero: the arrivals act at once."""
        del y, args
        return jnp.zeros(())
