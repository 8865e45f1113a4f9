"""Ion channels: the role, and the form that gates with opening and closing rates share."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jax import Array

from .._base import Affine


class AbstractChannel(eqx.Module):
    """A current through the membrane. A neuron hands it the voltage; it never looks upward.

    `ions` maps the name of an ion to its state, for channels that depend on a concentration; a
    neuron without ion dynamics passes an empty dictionary.

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500: the membrane current as a sum of
    independent ionic currents, each linear in the voltage.
    """

    units: ClassVar[dict[str, str]] = {}

    @abc.abstractmethod
    def init(self, v: Array) -> dict[str, Array]:
        """The state at rest at voltage `v` (mV), each leaf like `v`."""

    @abc.abstractmethod
    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> dict[str, Any]:
        """The derivative of the state, each leaf an array (1/ms) or an `Affine`."""

    @abc.abstractmethod
    def current(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> Affine:
        """The inward current as an `Affine` in the voltage, uA/cm^2."""


class AbstractGatedChannel(AbstractChannel):
    r"""A channel with independent gates, $I = g \prod_x x^{p_x} (e - v)$,
    $\dot x = \phi\,(\alpha_x(v)(1 - x) - \beta_x(v)\,x)$.

    A member declares its gates with their powers and writes `rates`.

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 3-7.
    """

    g: eqx.AbstractVar[Array]
    e: eqx.AbstractVar[Array]
    phi: eqx.AbstractVar[Array]
    gates: eqx.AbstractClassVar[dict[str, int]]

    @abc.abstractmethod
    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Opening and closing rate of each gate, 1/ms."""

    def init(self, v: Array) -> dict[str, Array]:
        """Every gate at its steady state."""
        return {x: alpha / (alpha + beta) for x, (alpha, beta) in self.rates(v).items()}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> dict[str, Any]:
        """The kinetics of the gates."""
        del y, ions
        return {
            x: Affine(-self.phi * (alpha + beta), self.phi * alpha)
            for x, (alpha, beta) in self.rates(v).items()
        }

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> Affine:
        """Ohm's law with the open fraction."""
        del v, ions
        g = self.g
        for x, power in self.gates.items():
            g = g * y[x] ** power
        return Affine(-g, g * self.e)
