"""Ions: the role, what channels see of them, and the formulae of electrodiffusion."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._misc import vtrap
from ..._param import AbstractParametric
from .._base import Affine

FARADAY = 96485.33212  # C/mol
_GAS = 8.31446261815324  # J/(mol K)
_ZERO_CELSIUS = 273.15


class IonState(eqx.Module):
    """What channels see of an ion.

    **Arguments:** `e`: reversal potential, mV; `inside`, `outside`: concentrations, mM; `None` for
    what the ion does not have; arrays that broadcast to the voltage. `valence`; `celsius`: °C.

    ```python
    >>> IonState(e=-90.0).inside is None
    True

    ```

    **Source:** none; a convention of this library.
    """

    e: Array | float | None = None
    inside: Array | float | None = None
    outside: Array | float | None = None
    valence: int | None = None
    celsius: Array | float | None = None


class AbstractIon(AbstractParametric, eqx.Module):
    """An ion that the channels of a neuron share. The neuron hands it the sum of their currents.

    `provides` says which fields of its `IonState` it has, by which the neuron checks what its
    channels need.

    **Source:** Destexhe & Huguenard 2000, J. Comput. Neurosci. 9:259: channels that share
    concentrations.
    """

    units: ClassVar[dict[str, str]] = {"inside": "mM", "outside": "mM"}
    provides: eqx.AbstractClassVar[tuple[str, ...]]
    valence: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def init(self, v: Array) -> dict[str, Array]:
        """The state at rest, each leaf like the voltage `v`."""

    @abc.abstractmethod
    def flow(self, y: dict[str, Array], current: Array) -> dict[str, Array | Affine]:
        """The derivative of the state, mM/ms; `current`: of this ion, inward, uA/cm^2."""

    @abc.abstractmethod
    def view(self, y: dict[str, Array]) -> IonState:
        """What the channels see."""


def thermal(valence: int, celsius: Array | float) -> Array | float:
    """The voltage RT/zF, mV."""
    return 1e3 * _GAS * (celsius + _ZERO_CELSIUS) / (valence * FARADAY)


def nernst(
    inside: Array | float, outside: Array | float, valence: int, celsius: Array | float = 36.0
) -> Array:
    r"""The reversal potential of one ion, $e = \frac{RT}{zF}\,\ln\frac{c_o}{c_i}$.

    **Arguments:** `inside`, `outside`: concentrations $c_i$, $c_o$, mM, any shape; `valence`: $z$,
    with sign; `celsius`: °C, 36.

    **Returns:** array, mV.

    ```python
    >>> round(float(nernst(inside=155.0, outside=4.0, valence=1, celsius=37.0)))  # potassium
    -98

    ```

    **Source:** Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., eq. 1.11a, table 1.3.
    """
    return thermal(valence, celsius) * jnp.log(jnp.asarray(outside / inside))


def ghk_current(v: Array, p: Array | float, ion: IonState) -> Affine:
    r"""The current of an ion through open channels by Goldman, Hodgkin & Katz.

    With $w = zFv/RT$ the inward current is
    $I = p\,z\,F\,\big(c_o\,\tfrac{w}{e^w - 1} - c_i\,\tfrac{w}{1 - e^{-w}}\big)$. It is not linear
    in the voltage. The `Affine` is its tangent at `v`, whose value there is exact, and whose slope
    is negative at every voltage, so that exponential Euler remains stable.

    **Arguments:** `v`: mV, any shape; `p`: permeability times open fraction, cm/s; `ion`: with
    concentrations (mM), valence and temperature.

    **Returns:** `Affine` in `v`, uA/cm^2.

    ```python
    >>> import jax.numpy as jnp
    >>> ca = IonState(inside=1.0, outside=1.0, valence=2, celsius=36.0)
    >>> current = ghk_current(jnp.array(0.0), 1e-4, ca)  # at its reversal potential
    >>> current(0.0).item(), bool(current.a < 0)
    (0.0, True)

    ```

    **Source:** Goldman 1943, J. Gen. Physiol. 27:37, eq. 11; Hille 2001, Ion Channels of
    Excitable Membranes, 3rd ed., eq. 14.2.
    """
    z: Any = ion.valence
    inside: Any = ion.inside
    outside: Any = ion.outside
    celsius: Any = ion.celsius
    scale = thermal(z, celsius)

    def inward(v: Array) -> Array:
        w = v / scale
        return p * z * FARADAY * (outside * vtrap(w, 1.0) - inside * vtrap(-w, 1.0))

    value, slope = jax.jvp(inward, (v,), (jnp.ones_like(v),))
    return Affine(slope, value - slope * v)
