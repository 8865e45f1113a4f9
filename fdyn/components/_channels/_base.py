"""Ion channels: the role, and the two forms that channels with independent gates share."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jax import Array

from ..._param import AbstractParametric
from .._base import Affine
from .._ions._base import IonState, ghk_current


class AbstractChannel(AbstractParametric, eqx.Module):
    """A current through the membrane. A neuron hands it the voltage; it never looks upward.

    `ions` maps the name of an ion to its `IonState`, for channels that depend on a concentration
    or take their reversal potential from it; a neuron without ions passes an empty dictionary.
    `ion` names the ion that the channel carries, whose concentration its current changes; `None`
    for a mixed or unspecific current. `reads` names what else the channel needs of ions, such as
    `"ca.inside"`, or `"inside"` of the ion that it carries. Besides those, a field `e` that is
    `None` stands for the reversal potential of the ion, and a field `p` that is given, a
    permeability, needs both concentrations.

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500: the membrane current as a sum of
    independent ionic currents, each linear in the voltage.
    """

    units: ClassVar[dict[str, str]] = {}
    ion: ClassVar[str | None] = None
    reads: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """The state at rest at voltage `v` (mV), each leaf like `v`."""

    @abc.abstractmethod
    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """The derivative of the state, each leaf an array (1/ms) or an `Affine`."""

    @abc.abstractmethod
    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """The inward current as an `Affine` in the voltage, uA/cm^2."""


class AbstractGatedChannel(AbstractChannel):
    r"""A channel with independent gates, $I = g \prod_x x^{p_x} (e - v)$,
    $\dot x = \phi\,(\alpha_x(v)(1 - x) - \beta_x(v)\,x)$.

    A member declares its gates with their powers and writes `rates`.

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 3-7.
    """

    g: eqx.AbstractVar[Array]
    e: eqx.AbstractVar[Array | None]
    phi: eqx.AbstractVar[Array]
    gates: eqx.AbstractClassVar[dict[str, int]]

    @abc.abstractmethod
    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Opening and closing rate of each gate, 1/ms."""

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """Every gate at its steady state."""
        del ions
        return {x: alpha / (alpha + beta) for x, (alpha, beta) in self.rates(v).items()}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """The kinetics of the gates."""
        del y, ions
        return {
            x: Affine(-self.phi * (alpha + beta), self.phi * alpha)
            for x, (alpha, beta) in self.rates(v).items()
        }

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Ohm's law with the open fraction."""
        del v
        return ohm(self, self.g * open_fraction(self.gates, y), ions)


class AbstractSteadyStateChannel(AbstractChannel):
    r"""A channel with independent gates that relax to a steady state,
    $I = g \prod_x x^{p_x} (e - v)$, $\tau_x\,\dot x = x_\infty - x$.

    A member declares its gates with their powers and writes `gating`. One that has a field `p` can
    be given a permeability instead of `g`; its current is then that of Goldman, Hodgkin & Katz
    (`ghk_current`).

    **Raises:** `ValueError` unless one of `g` and `p` is given.

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 9-10.
    """

    g: eqx.AbstractVar[Array | None]
    e: eqx.AbstractVar[Array | None]
    gates: eqx.AbstractClassVar[dict[str, int]]
    p: ClassVar[Array | None] = None

    def __check_init__(self):
        if (self.g is None) == (self.p is None):
            what = "neither" if self.g is None else "both"
            raise ValueError(
                f"{type(self).__name__} needs either a conductance 'g' (mS/cm^2, Ohm's law) or a "
                f"permeability 'p' (cm/s, the law of Goldman, Hodgkin & Katz) and None for the "
                f"other; got {what}."
            )

    @abc.abstractmethod
    def gating(self, v: Array, ions: dict[str, IonState]) -> dict[str, tuple[Array, Array]]:
        """Steady state and time constant (ms) of each gate."""

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """Every gate at its steady state."""
        return {x: steady + 0 * v for x, (steady, _) in self.gating(v, ions).items()}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """Relaxation of the gates."""
        del y
        return {
            x: Affine(-1 / tau, steady / tau) for x, (steady, tau) in self.gating(v, ions).items()
        }

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """The current through the open fraction."""
        fraction = open_fraction(self.gates, y)
        if self.p is not None:
            return ghk_current(v, self.p * fraction, ions[self.ion or ""])
        g: Any = self.g
        return ohm(self, g * fraction, ions)


def open_fraction(gates: dict[str, int], y: dict[str, Array]) -> Array | float:
    """The product of the gates to their powers."""
    fraction: Any = 1.0
    for x, power in gates.items():
        fraction = fraction * y[x] ** power
    return fraction


def ohm(channel: Any, g: Any, ions: dict[str, IonState]) -> Affine:
    """The inward current through a conductance `g`, to the reversal potential of the channel."""
    e = ions[channel.ion].e if channel.e is None else channel.e
    return Affine(-g, g * e)


def needs(channel: AbstractChannel) -> list[tuple[str | None, str]]:
    """What a channel needs of ions: names of an ion (`None` if it carries none) and a field."""
    found = [(*x.split("."),) if "." in x else (channel.ion, x) for x in channel.reads]
    if getattr(channel, "p", None) is not None:
        found += [(channel.ion, "inside"), (channel.ion, "outside")]
    elif getattr(channel, "e", 0) is None:
        found.append((channel.ion, "e"))
    return found  # pyright: ignore[reportReturnType]


def per_temperature(q10: Array, celsius: Array, measured: float) -> Array:
    """The factor on rates at `celsius`, of rates given at the temperature `measured` (°C)."""
    return q10 ** ((celsius - measured) / 10)
