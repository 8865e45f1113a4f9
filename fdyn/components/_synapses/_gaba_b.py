"""GABA_B receptors: a G protein opens the channels."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._pulse import AbstractPulseSynapse


class GABAB(AbstractPulseSynapse):
    r"""GABA_B receptors, which activate a G protein, of which several open a potassium channel.

    $$\dot r_i = K_1\,[T]_i\,(1 - r_i) - K_2\,r_i,\qquad \dot s_i = K_3\,r_i - K_4\,s_i,\qquad
      g_j = \sum_i w_{ij}\,\frac{s_i^n}{s_i^n + K_d}$$

    $[T]_i$ is `transmitter` for `duration` after a spike, and 0 otherwise; see
    `AbstractPulseSynapse`. A single spike opens next to nothing, a burst much. Exponential Euler
    solves `r` exactly and `s` to first order. The reversal potential, that of potassium, belongs to
    the output: `COBA(-95.0)`.

    **Arguments:** `k1`: 1/(mM ms), 0.09; `k2`: 1/ms, 0.0012; `k3`: uM/ms, 0.18; `k4`: 1/ms, 0.034;
    `kd`: uM^n, 100; `n`: binding sites, 4; `transmitter`: mM, 1; `duration`: ms, 1; scalars or
    `[n_pre]`.

    **State:** `r`: the part of active receptors; `s`: G protein, uM, both `[n_pre]`; in `mem`,
    `pulse`: what is left of the pulse, ms.

    ```python
    >>> import jax.numpy as jnp
    >>> round(GABAB().conductance({"s": jnp.array(2.0)}, None).item(), 4)  # 16/116
    0.1379

    ```

    **Source:** Destexhe, Mainen & Sejnowski 1998, in Methods in Neuronal Modeling (Koch & Segev),
    chapter 1, with its parameters; Destexhe & Sejnowski 1995, PNAS 92:9515.
    """

    units: ClassVar[dict[str, str]] = {"r": "1", "s": "uM", "pulse": "ms"}

    k1: Array = param(0.09, unit="1/(mM*ms)", doc="rate of binding", bound="non-negative")
    k2: Array = param(0.0012, unit="1/ms", doc="rate of unbinding", bound="positive")
    k3: Array = param(0.18, unit="uM/ms", doc="rate of G protein activation", bound="non-negative")
    k4: Array = param(0.034, unit="1/ms", doc="rate of its inactivation", bound="positive")
    kd: Array = param(100.0, unit="uM^4", doc="dissociation constant, in uM^n", bound="positive")
    n: Array = param(4.0, unit="1", doc="binding sites of a channel", bound="positive")
    transmitter: Array = param(1.0, unit="mM", doc="height of the pulse", bound="non-negative")
    duration: Array = param(1.0, unit="ms", doc="length of the pulse", bound="positive")

    def init(self, n: int) -> State:
        """Closed, no transmitter."""
        zero = spread(jnp.zeros_like(self.k1), n)
        return State({"r": zero, "s": zero}, {"pulse": zero})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Receptors, and the G protein that they activate."""
        binding = self.k1 * self.concentration(args)
        return {
            "r": Affine(-self.k2 - binding, binding),
            "s": Affine(-self.k4, self.k3 * y["r"]),
        }

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The part of open channels."""
        del args
        # Below no concentration (rounding) nothing is bound; the power of 0 has no derivative.
        s = jnp.where(y["s"] > 0, y["s"], 1)
        bound = jnp.where(y["s"] > 0, s**self.n, 0)
        return bound / (bound + self.kd)
