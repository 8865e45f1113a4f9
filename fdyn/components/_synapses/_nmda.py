"""NMDA receptors: a saturating gate with a slow decay."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._base import AbstractSynapse


class NMDA(AbstractSynapse):
    r"""A gate that rises with the transmitter and saturates, as NMDA receptors do.

    $$\dot s_i = -\frac{s_i}{\tau_\mathrm{decay}} + \alpha\,x_i\,(1 - s_i),\qquad
      \dot x_i = -\frac{x_i}{\tau_\mathrm{rise}},\qquad x_i \leftarrow x_i + 1 \text{ at a spike},
      \qquad g_j = \textstyle\sum_i w_{ij}\,s_i$$

    The gate is held once per presynaptic unit, since it is not linear in the spikes, and what it
    conducts is summed at every evaluation of the flow; one weight for all, `Dense(w, n_pre=,
    n_post=)`, costs a single sum. The block by magnesium belongs to the output: `MgBlock`.

    **Arguments:** `tau_decay`: ms, 100; `tau_rise`: ms, 2; `alpha`: 1/ms, 0.5; scalars or
    `[n_pre]`.

    **State:** `s`: the part of open channels, `[n_pre]`; `x`: the transmitter, `[n_pre]`.

    ```python
    >>> import jax.numpy as jnp
    >>> gate = NMDA(tau_decay=100.0, alpha=0.5)
    >>> f = gate.flow({"s": jnp.array(0.5), "x": jnp.array(1.0)}, None)
    >>> round(f["s"](0.5).item(), 6)  # -0.5/100 + 0.5 * 1 * (1 - 0.5)
    0.245

    ```

    **Source:** Brunel & Wang 2001, J. Comput. Neurosci. 11:63, section 2; Wang 2002, Neuron 36:955,
    Experimental Procedures, with these parameters.
    """

    units: ClassVar[dict[str, str]] = {"s": "1", "x": "1"}
    linear: ClassVar[bool] = False

    tau_decay: Array = param(100.0, unit="ms", doc="decay time constant", bound="positive")
    tau_rise: Array = param(2.0, unit="ms", doc="decay time of the transmitter", bound="positive")
    alpha: Array = param(0.5, unit="1/ms", doc="rate of opening", bound="non-negative")

    def init(self, n: int) -> State:
        """Closed, no transmitter."""
        zero = spread(jnp.zeros_like(self.tau_decay), n)
        return State({"s": zero, "x": zero}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Opening by the transmitter, and decay."""
        del args
        opening = self.alpha * y["x"]
        return {
            "s": Affine(-1 / self.tau_decay - opening, opening),
            "x": Affine(-1 / self.tau_rise, 0.0),
        }

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """A spike brings transmitter."""
        del dt, key
        return {"s": y["s"], "x": y["x"] + arrivals}, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The part of open channels."""
        del args
        return y["s"]
