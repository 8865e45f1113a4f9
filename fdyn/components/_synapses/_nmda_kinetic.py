"""NMDA receptors of second order, opened by a pulse of transmitter."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._pulse import AbstractPulseSynapse


class NMDAKinetic(AbstractPulseSynapse):
    r"""NMDA receptors with a finite rise, opened by a pulse of transmitter at each spike.

    $$\dot s_i = \alpha_1\,x_i\,(1 - s_i) - \beta_1\,s_i,\qquad
      \dot x_i = \alpha_2\,[T]_i\,(1 - x_i) - \beta_2\,x_i,\qquad
      g_j = \textstyle\sum_i w_{ij}\,s_i$$

    $[T]_i$ is `transmitter` for `duration` after a spike, and 0 otherwise; see
    `AbstractPulseSynapse`. Unlike in `NMDA`, the driving variable saturates as well. The block by
    magnesium belongs to the output: `MgBlock`.

    **Arguments:** `alpha_1`: 1/ms, 2; `beta_1`: 1/ms, 0.01; `alpha_2`: 1/(mM ms), 1; `beta_2`:
    1/ms, 0.5; `transmitter`: mM, 1; `duration`: ms, 0.5; scalars or `[n_pre]`.

    **State:** `s`: the part of open channels, `x`: of receptors ready to open, both `[n_pre]`; in
    `mem`, `pulse`: what is left of the pulse, ms.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> args = Args({"pulse": jnp.array(0.0)})
    >>> f = NMDAKinetic().flow({"s": jnp.array(0.5), "x": jnp.array(0.1)}, args)
    >>> round(f["s"](0.5).item(), 6), round(f["x"](0.1).item(), 6)
    (0.095, -0.05)

    ```

    **Source:** Ermentrout & Terman 2010, Mathematical Foundations of Neuroscience, chapter 7 (the
    scheme of two variables, here with pulses); parameters: a convention of this library, of the
    order of those there.
    """

    units: ClassVar[dict[str, str]] = {"s": "1", "x": "1", "pulse": "ms"}

    alpha_1: Array = param(2.0, unit="1/ms", doc="rate of opening", bound="non-negative")
    beta_1: Array = param(0.01, unit="1/ms", doc="rate of closing", bound="positive")
    alpha_2: Array = param(1.0, unit="1/(mM*ms)", doc="rate of binding", bound="non-negative")
    beta_2: Array = param(0.5, unit="1/ms", doc="rate of unbinding", bound="positive")
    transmitter: Array = param(1.0, unit="mM", doc="height of the pulse", bound="non-negative")
    duration: Array = param(0.5, unit="ms", doc="length of the pulse", bound="positive")

    def init(self, n: int) -> State:
        """Closed, no transmitter."""
        zero = spread(jnp.zeros_like(self.alpha_1), n)
        return State({"s": zero, "x": zero}, {"pulse": zero})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Binding, then opening."""
        binding, opening = self.alpha_2 * self.concentration(args), self.alpha_1 * y["x"]
        return {
            "s": Affine(-self.beta_1 - opening, opening),
            "x": Affine(-self.beta_2 - binding, binding),
        }

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The part of open channels."""
        del args
        return y["s"]
