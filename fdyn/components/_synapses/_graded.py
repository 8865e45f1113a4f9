"""Graded synapses, which the presynaptic voltage opens without spikes."""

from typing import Any, ClassVar

from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine, Args, State, spread
from ._base import AbstractSynapse


class Graded(AbstractSynapse):
    r"""A gate that the presynaptic voltage opens gradually, beyond a soft threshold.

    $$\dot s_i = \alpha\,F(v_i)\,(1 - s_i) - \beta\,s_i,\qquad
      F(v) = \frac{1}{1 + e^{-(v - \theta)/k}},\qquad g_j = \textstyle\sum_i w_{ij}\,s_i$$

    $v_i$ is the activity of a presynaptic unit: the potential of a neuron.

    **Arguments:** `alpha`: 1/ms, 12; `beta`: 1/ms, 0.1; `v_half`: the threshold $\theta$, mV, 0;
    `slope`: $k$, mV, 2; `s_init`: initial value, 0; scalars or `[n_pre]`.

    **State:** `s`: the part of open channels, `[n_pre]`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> f = Graded(alpha=12.0, beta=0.1).flow({}, Args({}, jnp.array(0.0)))  # half activated
    >>> round(f["s"](0.5).item(), 6)  # 12 * 0.5 * (1 - 0.5) - 0.1 * 0.5
    2.95

    ```

    **Source:** Wang & Buzsaki 1996, J. Neurosci. 16:6402, the synapse of their model, with its
    parameters; Wang & Rinzel 1992, Neural Comput. 4:84, for inhibition by slow voltages.
    """

    units: ClassVar[dict[str, str]] = {"s": "1"}
    graded: ClassVar[bool] = True

    alpha: Array = param(12.0, unit="1/ms", doc="rate of opening", bound="non-negative")
    beta: Array = param(0.1, unit="1/ms", doc="rate of closing", bound="positive")
    v_half: Array = param(0.0, unit="mV", doc="half-activation voltage")
    slope: Array = param(2.0, unit="mV", doc="slope of the activation", bound="positive")
    s_init: Array = param(0.0, unit="1", doc="initial part of open channels", bound="non-negative")

    def init(self, n: int) -> State:
        """At `s_init`."""
        return State({"s": spread(self.s_init, n)}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Opening by the presynaptic voltage, and closing."""
        del y
        opening = self.alpha * logistic((args.u - self.v_half) / self.slope)
        return {"s": Affine(-self.beta - opening, opening)}

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """No spikes."""
        del arrivals, dt, key
        return y, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The part of open channels."""
        del args
        return y["s"]
