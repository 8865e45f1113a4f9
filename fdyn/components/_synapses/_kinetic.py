"""AMPA and GABA_A receptors: two states, opened by a pulse of transmitter."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, spread
from ._pulse import AbstractPulseSynapse


class AbstractTwoStateSynapse(AbstractPulseSynapse):
    r"""Receptors that are closed or open.

    $$\dot r_i = \alpha\,[T]_i\,(1 - r_i) - \beta\,r_i,\qquad
      g_j = \textstyle\sum_i w_{ij}\,r_i$$

    **Source:** Destexhe, Mainen & Sejnowski 1994, Neural Comput. 6:14.
    """

    units: ClassVar[dict[str, str]] = {"r": "1", "pulse": "ms"}

    alpha: eqx.AbstractVar[Array]
    beta: eqx.AbstractVar[Array]

    def init(self, n: int) -> State:
        """Closed, no transmitter."""
        zero = spread(jnp.zeros_like(self.alpha), n)
        return State({"r": zero}, {"pulse": zero})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Binding and unbinding."""
        del y
        opening = self.alpha * self.concentration(args)
        return {"r": Affine(-self.beta - opening, opening)}

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The part of open receptors."""
        del args
        return y["r"]


class AMPA(AbstractTwoStateSynapse):
    r"""AMPA receptors: closed or open, opened by a pulse of transmitter at each spike.

    $$\dot r_i = \alpha\,[T]_i\,(1 - r_i) - \beta\,r_i,\qquad
      g_j = \textstyle\sum_i w_{ij}\,r_i$$

    $[T]_i$ is `transmitter` for `duration` after a spike, and 0 otherwise; see
    `AbstractPulseSynapse`. The weight is the conductance of all receptors open; a single spike from
    rest opens $r_\infty(1 - e^{-d(\alpha T + \beta)})$ of them, with $r_\infty = \alpha T/(\alpha
    T + \beta)$. Exponential Euler solves it exactly. The same scheme describes NMDA receptors with
    `alpha=0.072, beta=0.0066` and the output `MgBlock`.

    **Arguments:** `alpha`: 1/(mM ms), 1.1; `beta`: 1/ms, 0.19; `transmitter`: mM, 1; `duration`:
    ms, 1; scalars or `[n_pre]`.

    **State:** `r`: the part of open receptors, `[n_pre]`; in `mem`, `pulse`: what is left of the
    pulse, ms.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> f = AMPA().flow({}, Args({"pulse": jnp.array([0.5, 0.0])}))
    >>> [round(x, 3) for x in f["r"](jnp.array([0.0, 0.5])).tolist()]  # within and after a pulse
    [1.1, -0.095]

    ```

    **Source:** Destexhe, Mainen & Sejnowski 1998, in Methods in Neuronal Modeling (Koch & Segev),
    chapter 1, with its parameters.
    """

    alpha: Array = param(1.1, unit="1/(mM*ms)", doc="rate of opening", bound="non-negative")
    beta: Array = param(0.19, unit="1/ms", doc="rate of closing", bound="positive")
    transmitter: Array = param(1.0, unit="mM", doc="height of the pulse", bound="non-negative")
    duration: Array = param(1.0, unit="ms", doc="length of the pulse", bound="positive")


class GABAA(AbstractTwoStateSynapse):
    r"""GABA_A receptors: closed or open, opened by a pulse of transmitter at each spike.

    $$\dot r_i = \alpha\,[T]_i\,(1 - r_i) - \beta\,r_i,\qquad
      g_j = \textstyle\sum_i w_{ij}\,r_i$$

    As `AMPA`, with other rates; its reversal potential belongs to the output, `COBA(-80.0)`.

    **Arguments:** `alpha`: 1/(mM ms), 5; `beta`: 1/ms, 0.18; `transmitter`: mM, 1; `duration`: ms,
    1; scalars or `[n_pre]`.

    **State:** `r`: the part of open receptors, `[n_pre]`; in `mem`, `pulse`: what is left of the
    pulse, ms.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> GABAA().flow({}, Args({"pulse": jnp.array(0.5)}))["r"](0.0).item()
    5.0

    ```

    **Source:** Destexhe, Mainen & Sejnowski 1998, in Methods in Neuronal Modeling (Koch & Segev),
    chapter 1, with its parameters.
    """

    alpha: Array = param(5.0, unit="1/(mM*ms)", doc="rate of opening", bound="non-negative")
    beta: Array = param(0.18, unit="1/ms", doc="rate of closing", bound="positive")
    transmitter: Array = param(1.0, unit="mM", doc="height of the pulse", bound="non-negative")
    duration: Array = param(1.0, unit="ms", doc="length of the pulse", bound="positive")
