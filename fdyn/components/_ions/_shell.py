"""Ions whose concentration in a thin shell follows their current."""

from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine
from ._base import FARADAY, AbstractIon, IonState, nernst
from ._fixed import check_valence


class IonShell(AbstractIon):
    r"""An ion that its current accumulates in a thin shell at the membrane.

    $$\frac{dc}{dt} = \pm\frac{I}{z F d} - k_t\,\frac{c}{c + k_d} + \frac{c_\infty - c}{\tau},\qquad
      e = \frac{RT}{zF}\,\ln\frac{c_o}{c_i}$$

    $I$ is the inward current of all its channels; it adds to a shell inside and takes from one
    outside. The second term is a saturating pump, the third first-order removal. Nothing keeps a
    current from taking more than there is: the concentration then falls below zero, $e$ is NaN, and
    the run ends there with an error, which no smaller step mends. Take less current, a deeper
    shell, a faster removal, or `inward_only`.

    **Arguments:** `inside`, `outside`: concentrations, mM, 2.4e-4 and 2 (calcium): on the side of
    the shell $c_\infty$, at which it starts, on the other the constant one. `depth`: $d$, um, 1;
    `tau`: $\tau$, ms, 5; `k_t`: rate of the pump, mM/ms, 0; `k_d`: its half-activation, mM, 1e-4;
    `celsius`: °C, 36; `valence`: number of charges $z$, 2; `side`: `"inside"` or `"outside"`, where
    the shell is; `inward_only`: whether an outward current moves nothing, `False` (the
    implementations of Destexhe et al. have `True`). Parameters are scalars or have shape `[size]`.

    **State:** `inside` or `outside`: mM, `[size]`.

    **Raises:** `ValueError` for concentrations, `depth` or `tau` that are not positive, a valence
    of zero and an unknown side.

    ```python
    >>> import jax.numpy as jnp
    >>> rate = IonShell().flow({"inside": jnp.array(2.4e-4)}, jnp.array(1.0))["inside"]
    >>> round(rate(2.4e-4).item(), 8)  # mM/ms: 10/(2 F) of 1 uA/cm^2 into 1 um
    5.182e-05

    ```

    **Source:** Destexhe, Babloyantz & Sejnowski 1993, Biophys. J. 65:1538 (pump and shell);
    Destexhe et al. 1996, J. Neurophysiol. 76:2049 (first-order removal and the defaults).
    """

    provides: ClassVar[tuple[str, ...]] = ("e", "inside", "outside")

    inside: Array = param(2.4e-4, unit="mM", doc="concentration inside", bound="positive")
    outside: Array = param(2.0, unit="mM", doc="concentration outside", bound="positive")
    depth: Array = param(1.0, unit="um", doc="depth of the shell", bound="positive")
    tau: Array = param(5.0, unit="ms", doc="time constant of removal", bound="positive")
    k_t: Array = param(0.0, unit="mM/ms", doc="rate of the pump", bound="non-negative")
    k_d: Array = param(1e-4, unit="mM", doc="half-activation of the pump", bound="positive")
    celsius: Array = param(36.0, unit="degC", doc="temperature")
    valence: int = eqx.field(default=2, static=True)
    side: Literal["inside", "outside"] = eqx.field(default="inside", static=True)
    inward_only: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_valence(self)
        if self.side not in ("inside", "outside"):
            raise ValueError(f"IonShell: 'side' must be 'inside' or 'outside', got {self.side!r}.")

    def init(self, v: Array) -> dict:
        """At the concentration to which removal leads."""
        return {self.side: jnp.broadcast_to(getattr(self, self.side), v.shape)}

    def flow(self, y: dict, current: Array) -> dict:
        """What the current brings, the pump and removal."""
        c, rest = y[self.side], getattr(self, self.side)
        if self.inward_only:
            current = jnp.maximum(current, 0)
        sign = 1 if self.side == "inside" else -1
        # 10: from uA/cm^2 over C/mol and um to mM/ms.
        drive = sign * 10 * current / (self.valence * FARADAY * self.depth)
        pump = self.k_t * c / (c + self.k_d)
        return {self.side: Affine(-1 / self.tau, drive - pump + rest / self.tau)}

    def view(self, y: dict) -> IonState:
        """The concentrations and their reversal potential."""
        inside, outside = y.get("inside", self.inside), y.get("outside", self.outside)
        e = nernst(inside, outside, self.valence, self.celsius)
        return IonState(e, inside, outside, self.valence, self.celsius)


class FirstOrderIon(AbstractIon):
    r"""An ion whose concentration is its filtered current, $\dot c = \alpha I - \beta c$.

    It has no reversal potential, since it is at zero without current: its channels need an `e` of
    their own.

    **Arguments:** `alpha`: $\alpha$, mM/ms per uA/cm^2, 2e-6; `beta`: $\beta$, 1/ms, 0.0125;
    `inside`: initial concentration, mM, 0; scalars or `[size]`.

    **State:** `inside`: mM, `[size]`.

    **Raises:** `ValueError` for rates that are negative.

    ```python
    >>> import jax.numpy as jnp
    >>> ion = FirstOrderIon()
    >>> rate = ion.flow({"inside": jnp.array(0.0)}, jnp.array(6.25))["inside"]
    >>> round(float(-rate.b / rate.a), 6)  # mM, at 6.25 uA/cm^2
    0.001

    ```

    **Source:** Wang 1998, J. Neurophysiol. 79:1549 (calcium of the soma: 0.002 uM per ms uA/cm^2,
    80 ms).
    """

    provides: ClassVar[tuple[str, ...]] = ("inside",)
    valence: ClassVar[None] = None

    alpha: Array = param(
        2e-6, unit="mM/ms/(uA/cm^2)", doc="accumulation by the current", bound="non-negative"
    )
    beta: Array = param(0.0125, unit="1/ms", doc="rate of removal", bound="non-negative")
    inside: Array = param(0.0, unit="mM", doc="initial concentration", bound="non-negative")

    def init(self, v: Array) -> dict:
        """At the initial concentration."""
        return {"inside": jnp.broadcast_to(self.inside, v.shape)}

    def flow(self, y: dict, current: Array) -> dict:
        """Accumulation and removal."""
        del y
        return {"inside": Affine(-self.beta, self.alpha * current)}

    def view(self, y: dict) -> IonState:
        """The concentration."""
        return IonState(inside=y["inside"])
