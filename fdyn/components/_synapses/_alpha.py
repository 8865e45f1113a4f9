"""The alpha synapse."""

import math
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._base import AbstractSynapse


class Alpha(AbstractSynapse):
    r"""The alpha function, whose peak after a single arrival, $\tau$ later, is the weight.

    $$\tau\,\dot g_j = -g_j + e\,h_j,\qquad \tau\,\dot h_j = -h_j,\qquad
      h_j \leftarrow h_j + \textstyle\sum_i s_i w_{ij} \text{ at arrivals}$$

    A single arrival makes $g(t) = w\,(t/\tau)\,e^{1 - t/\tau}$. Of the two variables exponential
    Euler solves `h` exactly and `g` to first order, too large by about $\Delta t/2\tau$.

    **Arguments:** `tau`: ms, 2, a scalar or `[n_post]`.

    **State:** `g`, `h`: `[n_post]`, in the unit of the weights.

    ```python
    >>> import jax.numpy as jnp
    >>> f = Alpha(tau=2.0).flow({"g": jnp.array(0.0), "h": jnp.array(1.0)}, None)
    >>> round(f["g"](0.0).item(), 4)  # e/2
    1.3591

    ```

    **Source:** Rall 1967, J. Neurophysiol. 30:1138; Roth & van Rossum 2009, in Computational
    Modeling Methods for Neuroscientists, chapter 6, eq. 6.3.
    """

    units: ClassVar[dict[str, str]] = {"g": "unit of the weights", "h": "unit of the weights"}

    tau: Array = param(2.0, unit="ms", doc="time from an arrival to its peak", bound="positive")

    def init(self, n: int) -> State:
        """Closed."""
        zero = spread(jnp.zeros_like(self.tau), n)
        return State({"g": zero, "h": zero}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Decay, fed by the second variable."""
        del args
        return {
            "g": Affine(-1 / self.tau, math.e * y["h"] / self.tau),
            "h": Affine(-1 / self.tau, 0.0),
        }

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """A jump of the second variable by the weights of the synapses that spiked."""
        del dt, key
        return {"g": y["g"], "h": y["h"] + arrivals}, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The first variable."""
        del args
        return y["g"]
