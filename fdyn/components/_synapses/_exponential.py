"""The exponential synapse."""

from typing import Any, ClassVar

from jax import Array

from ..._param import param
from .._base import Affine, spread
from ._base import AbstractSynapse


class Exponential(AbstractSynapse):
    r"""A jump by the weight at each arrival, then exponential decay.

    $$\tau\,\dot g_j = -g_j,\qquad g_j \leftarrow g_j + \textstyle\sum_i s_i w_{ij}
      \text{ at arrivals}$$

    **Arguments:** `tau`: ms, 5; `g_init`: initial value in the unit of the weights, 0, a scalar
    or `[n_post]`.

    **State:** `g`: `[n_post]`, in the unit of the weights (nS, mS/cm^2, pA, …).

    ```python
    >>> import jax.numpy as jnp
    >>> Exponential(tau=5.0).flow({"g": jnp.array([10.0])})["g"](10.0).item()
    -2.0

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, eq. 5.31; Brette et al. 2007, J.
    Comput. Neurosci. 23:349, appendix B.
    """

    units: ClassVar[dict[str, str]] = {"g": "unit of the weights"}

    tau: Array = param(5.0, unit="ms", doc="decay time constant", bound="positive")
    g_init: Array = param(0.0, unit="1", doc="initial value, in the unit of the weights")

    def init(self, n: int) -> dict[str, Array]:
        """At `g_init`."""
        return {"g": spread(self.g_init, n)}

    def flow(self, y: dict[str, Array]) -> dict[str, Any]:
        """Decay."""
        del y
        return {"g": Affine(-1 / self.tau, 0.0)}

    def receive(self, y: dict[str, Array], arrivals: Any) -> dict[str, Array]:
        """A jump by the weights of the synapses that spiked."""
        return {"g": y["g"] + arrivals}

    def conductance(self, y: dict[str, Array]) -> Array:
        """The variable itself."""
        return y["g"]
