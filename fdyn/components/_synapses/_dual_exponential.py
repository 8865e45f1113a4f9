"""The synapse with an exponential rise and an exponential decay."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import Affine, Args, State, spread
from ._base import AbstractSynapse


class DualExponential(AbstractSynapse):
    r"""A difference of two exponentials, whose peak after a single arrival is the weight.

    $$g = a\,(d - r),\qquad \tau_d\,\dot d = -d,\qquad \tau_r\,\dot r = -r,\qquad
      d \leftarrow d + \textstyle\sum_i s_i w_{ij},\ r \leftarrow r + \sum_i s_i w_{ij}
      \text{ at arrivals}$$

    $$1/a = e^{-t_p/\tau_d} - e^{-t_p/\tau_r},\qquad
      t_p = \frac{\tau_d \tau_r}{\tau_d - \tau_r} \ln\frac{\tau_d}{\tau_r}$$

    $t_p$ is the time from the arrival to the peak. Exponential Euler solves both exactly.

    **Arguments:** `tau_rise`: ms, 1; `tau_decay`: ms, 5; scalars or `[n_post]`.

    **State:** `decay`, `rise`: the two exponentials, `[n_post]`, in the unit of the weights.

    **Raises:** `ValueError` where `tau_rise` is not below `tau_decay`; for equal ones take `Alpha`.

    ```python
    >>> round(DualExponential(tau_rise=1.0, tau_decay=5.0).peak_time.item(), 4)
    2.0118

    ```

    **Source:** Roth & van Rossum 2009, in Computational Modeling Methods for Neuroscientists,
    chapter 6, eqs. 6.4 to 6.6.
    """

    units: ClassVar[dict[str, str]] = {
        "decay": "unit of the weights",
        "rise": "unit of the weights",
    }

    tau_rise: Array = param(1.0, unit="ms", doc="rise time constant", bound="positive")
    tau_decay: Array = param(5.0, unit="ms", doc="decay time constant", bound="positive")

    def __check_init__(self):
        if is_traced((self.tau_rise, self.tau_decay)):
            return
        rise, decay = np.asarray(self.tau_rise), np.asarray(self.tau_decay)
        if (rise >= decay).any():
            raise ValueError(
                f"DualExponential: 'tau_rise' must lie below 'tau_decay' ({decay} ms), got {rise} "
                "ms; for equal time constants take Alpha."
            )

    @property
    def peak_time(self) -> Array:
        """The time from an arrival to the peak of its conductance, ms."""
        rise, decay = self.tau_rise, self.tau_decay
        return decay * rise / (decay - rise) * jnp.log(decay / rise)

    def init(self, n: int) -> State:
        """Closed."""
        zero = spread(jnp.zeros_like(self.tau_decay), n)
        return State({"decay": zero, "rise": zero}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Two decays."""
        del y, args
        return {"decay": Affine(-1 / self.tau_decay, 0.0), "rise": Affine(-1 / self.tau_rise, 0.0)}

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """A jump of both by the weights of the synapses that spiked."""
        del dt, key
        total = jnp.zeros_like(y["rise"]) + arrivals
        return {"decay": y["decay"] + total, "rise": y["rise"] + total}, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """Their difference, scaled to a peak of one weight."""
        del args
        peak = self.peak_time
        height = jnp.exp(-peak / self.tau_decay) - jnp.exp(-peak / self.tau_rise)
        return (y["decay"] - y["rise"]) / height
