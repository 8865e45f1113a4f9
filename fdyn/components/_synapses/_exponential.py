"""The exponential synapse."""

from typing import Any, ClassVar

from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._base import AbstractSynapse


class Exponential(AbstractSynapse):
    r"""A jump by the weight at each arrival, then exponential decay.

    $$\tau\,\dot g_j = -g_j,\qquad g_j \leftarrow g_j + \textstyle\sum_i s_i w_{ij}
      \text{ at arrivals}$$

    **Arguments:** `tau`: ms, 5; `g_init`: initial value in the unit of the weights, 0, a scalar
    or `[n_post]`.

    **State:** `g`: `[n_post]`, in the unit of the weights (nS, mS/cm^2, pA, …).

    ```python
    >>> Exponential(tau=5.0).flow({}, None)["g"](10.0).item()
    -2.0

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, eq. 5.31; Brette et al. 2007, J.
    Comput. Neurosci. 23:349, appendix B.
    """

    units: ClassVar[dict[str, str]] = {"g": "unit of the weights"}

    tau: Array = param(5.0, unit="ms", doc="decay time constant", bound="positive")
    g_init: Array = param(0.0, unit="1", doc="initial value, in the unit of the weights")

    def init(self, n: int) -> State:
        """At `g_init`."""
        return State({"g": spread(self.g_init, n)}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Decay."""
        del y, args
        return {"g": Affine(-1 / self.tau, 0.0)}

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """A jump by the weights of the synapses that spiked."""
        del dt, key
        return {"g": y["g"] + arrivals}, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The variable itself."""
        del args
        return y["g"]
