"""The synapse without dynamics, for coupling through the activity itself."""

from typing import Any, ClassVar

from jax import Array

from .._base import Args, State
from ._base import AbstractSynapse


class Activity(AbstractSynapse):
    r"""What the presynaptic units do at this instant, $g_j = \sum_i w_{ij}\,x_i$, without dynamics.

    $x_i$ is the activity of a presynaptic unit: the potential of a neuron, the rate or what else a
    rate model names. With `Diffusive` it makes gap junctions and diffusive coupling, with `CUBA`
    additive coupling. With delays it is read at the points of the grid.

    **State:** none.

    ```python
    >>> from fdyn.components import Args
    >>> Activity().conductance({}, Args({}, 3.0))
    3.0

    ```

    **Source:** none; the identity.
    """

    graded: ClassVar[bool] = True

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
        """No spikes."""
        del arrivals, dt, key
        return y, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The activity of the presynaptic units."""
        del y
        return args.u
