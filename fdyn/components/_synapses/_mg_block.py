"""The block of NMDA channels by magnesium."""

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine
from ._output import AbstractOutput


class MgBlock(AbstractOutput):
    r"""A conductance that magnesium blocks at negative voltages, $I = g\,B(v)\,(e - v)$.

    $$B(v) = \frac{1}{1 + \dfrac{[\mathrm{Mg}]}{k_0}\,e^{-v/v_0}}$$

    **Arguments:** `e`: mV, 0; `mg`: concentration outside, mM, 1; `k`: concentration that halves
    the conductance at 0 mV, mM, 3.57; `slope`: voltage over which the block changes e-fold, mV,
    1/0.062; scalars or `[n_post]`.

    ```python
    >>> import jax.numpy as jnp
    >>> output = MgBlock(mg=1.0)
    >>> round(output.unblocked(jnp.array(-65.0)).item(), 4)
    0.0597
    >>> round(output.unblocked(jnp.array(0.0)).item(), 4)  # 1/(1 + 1/3.57)
    0.7812

    ```

    **Source:** Jahr & Stevens 1990, J. Neurosci. 10:3178: $k_0$ = 3.57 mM, $1/v_0$ = 0.062/mV.
    """

    e: Array = param(0.0, unit="mV", doc="reversal potential")
    mg: Array = param(1.0, unit="mM", doc="magnesium outside", bound="non-negative")
    k: Array = param(3.57, unit="mM", doc="concentration of half block at 0 mV", bound="positive")
    slope: Array = param(1 / 0.062, unit="mV", doc="e-fold voltage of the block", bound="positive")

    def unblocked(self, v: Array) -> Array:
        """The part of the channels that is not blocked at voltage `v` (mV)."""
        return 1 / (1 + self.mg / self.k * jnp.exp(-v / self.slope))

    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """Ohm's law for what is not blocked; the block is that of the voltage given."""
        del total
        g = g * self.unblocked(v)
        return Affine(-g, g * self.e)
