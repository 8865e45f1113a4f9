"""Channels without gates."""

from typing import Any

import equinox as eqx
from jax import Array

from ..._param import param
from .._base import Affine
from .._ions._base import IonState, ghk_current
from ._base import AbstractChannel, ohm


class Leak(AbstractChannel):
    r"""A leak, $I = g\,(e - v)$.

    **Arguments:** `g`: mS/cm^2, 0.3; `e`: mV, -54.387, `None` for that of the ion; `ion`: name of
    the ion that it carries, for example `"k"`, `None` for an unspecific leak.

    ```python
    >>> import jax.numpy as jnp
    >>> Leak(g=0.1, e=-70.0).current(jnp.array(-60.0), {}, {})(-60.0).item()
    -1.0

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, table 3.
    """

    g: Array = param(0.3, unit="mS/cm^2", doc="leak conductance", bound="non-negative")
    e: Array | None = param(-54.387, unit="mV", doc="reversal potential", optional=True)
    ion: str | None = eqx.field(default=None, static=True)

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """No state."""
        del v, ions
        return {}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """No state."""
        del v, y, ions
        return {}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Ohm's law."""
        del v, y
        return ohm(self, self.g, ions)


class GHKLeak(AbstractChannel):
    r"""A permeability of the membrane for one ion, by Goldman, Hodgkin & Katz.

    With $w = zFv/RT$:
    $I = p\,z\,F\,\big(c_o\,\tfrac{w}{e^w - 1} - c_i\,\tfrac{w}{1 - e^{-w}}\big)$.
    As this is not linear in the voltage, exponential Euler treats its tangent as linear, which is
    stable at any step since the slope is negative everywhere. For a membrane permeable to several
    ions of valence 1 and -1, the resting potential is that of the Goldman equation.

    **Arguments:** `ion`: name of the ion, required, which must have concentrations; `p`:
    permeability, cm/s, 1e-6.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import potassium
    >>> k = potassium().view({})
    >>> round(GHKLeak("k").current(k.e, {}, {"k": k})(k.e).item(), 9)
    0.0

    ```

    **Source:** Goldman 1943, J. Gen. Physiol. 27:37, eq. 11; Hodgkin & Katz 1949, J. Physiol.
    108:37, appendix.
    """

    ion: str = eqx.field(static=True)
    p: Array = param(1e-6, unit="cm/s", doc="permeability", bound="non-negative")

    def __check_init__(self):
        if not isinstance(self.ion, str):
            raise ValueError(
                f"GHKLeak: 'ion' must be the name of an ion such as 'k', got {self.ion!r}."
            )

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """No state."""
        del v, ions
        return {}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """No state."""
        del v, y, ions
        return {}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """The tangent of the current at `v`."""
        del y
        return ghk_current(v, self.p, ions[self.ion])
