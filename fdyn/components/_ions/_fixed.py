"""Ions whose concentrations do not change."""

from typing import ClassVar

import equinox as eqx
from jax import Array

from ..._param import param
from ._base import AbstractIon, IonState, nernst


class FixedIon(AbstractIon):
    r"""An ion with a given reversal potential.

    **Arguments:** `e`: mV, required, scalar or `[size]`.

    **State:** none.

    ```python
    >>> FixedIon(-90.0).view({}).e.item()
    -90.0

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 3-5.
    """

    provides: ClassVar[tuple[str, ...]] = ("e",)
    valence: ClassVar[None] = None

    e: Array = param(unit="mV", doc="reversal potential")

    def init(self, v: Array) -> dict:
        """No state."""
        del v
        return {}

    def flow(self, y: dict, current: Array) -> dict:
        """No state."""
        del y, current
        return {}

    def view(self, y: dict) -> IonState:
        """The reversal potential."""
        del y
        return IonState(self.e)


class NernstIon(AbstractIon):
    r"""An ion with given concentrations, $e = \frac{RT}{zF}\,\ln\frac{c_o}{c_i}$.

    `sodium`, `potassium` and `calcium` make it with the concentrations of a mammal.

    **Arguments:** `inside`, `outside`: $c_i$, $c_o$, mM, required; `valence`: number of charges
    $z$, with sign, required; `celsius`: °C, 36. Numbers are scalars or have shape `[size]`.

    **State:** none.

    **Raises:** `ValueError` for concentrations that are not positive, and a valence of zero.

    ```python
    >>> round(NernstIon(12.0, 145.0, valence=1).view({}).e.item(), 1)
    66.4

    ```

    **Source:** Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., eq. 1.11a.
    """

    provides: ClassVar[tuple[str, ...]] = ("e", "inside", "outside")

    inside: Array = param(unit="mM", doc="concentration inside", bound="positive")
    outside: Array = param(unit="mM", doc="concentration outside", bound="positive")
    valence: int = eqx.field(static=True, kw_only=True)
    celsius: Array = param(36.0, unit="degC", doc="temperature")

    def __check_init__(self):
        check_valence(self)

    def init(self, v: Array) -> dict:
        """No state."""
        del v
        return {}

    def flow(self, y: dict, current: Array) -> dict:
        """No state."""
        del y, current
        return {}

    def view(self, y: dict) -> IonState:
        """The concentrations and their reversal potential."""
        del y
        e = nernst(self.inside, self.outside, self.valence, self.celsius)
        return IonState(e, self.inside, self.outside, self.valence, self.celsius)


def check_valence(ion: AbstractIon) -> None:
    """A whole number, not zero."""
    z = ion.valence
    if isinstance(z, bool) or not isinstance(z, int) or z == 0:
        raise ValueError(
            f"{type(ion).__name__}: 'valence' must be a whole number other than zero, for example "
            f"1 for sodium, 2 for calcium, -1 for chloride; got {z!r}."
        )


def sodium(inside: float = 12.0, outside: float = 145.0, celsius: float = 36.0) -> NernstIon:
    """Sodium of mammalian muscle, a `NernstIon`.

    **Arguments:** `inside`, `outside`: mM, 12 and 145; `celsius`: °C, 36; scalars or `[size]`.

    **Returns:** `NernstIon` of valence 1.

    ```python
    >>> round(sodium(celsius=37.0).view({}).e.item())
    67

    ```

    **Source:** Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., table 1.3.
    """
    return NernstIon(inside, outside, valence=1, celsius=celsius)  # pyright: ignore


def potassium(inside: float = 155.0, outside: float = 4.0, celsius: float = 36.0) -> NernstIon:
    """Potassium of mammalian muscle, a `NernstIon`.

    **Arguments:** `inside`, `outside`: mM, 155 and 4; `celsius`: °C, 36; scalars or `[size]`.

    **Returns:** `NernstIon` of valence 1.

    ```python
    >>> round(potassium(celsius=37.0).view({}).e.item())
    -98

    ```

    **Source:** Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., table 1.3.
    """
    return NernstIon(inside, outside, valence=1, celsius=celsius)  # pyright: ignore


def calcium(inside: float = 1e-4, outside: float = 1.5, celsius: float = 36.0) -> NernstIon:
    """Calcium of mammalian muscle, a `NernstIon`; for one that currents change see `IonShell`.

    **Arguments:** `inside`, `outside`: mM, 1e-4 and 1.5; `celsius`: °C, 36; scalars or `[size]`.

    **Returns:** `NernstIon` of valence 2.

    ```python
    >>> round(calcium(celsius=37.0).view({}).e.item())
    128

    ```

    **Source:** Hille 2001, Ion Channels of Excitable Membranes, 3rd ed., table 1.3.
    """
    return NernstIon(inside, outside, valence=2, celsius=celsius)  # pyright: ignore
