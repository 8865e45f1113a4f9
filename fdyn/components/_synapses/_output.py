"""Outputs: the current that a synapse's conductance drives through the membrane."""

import abc
from typing import ClassVar

import equinox as eqx
from jax import Array

from ..._param import AbstractParametric, param
from .._base import Affine


class AbstractOutput(AbstractParametric, eqx.Module):
    r"""The current of a projection, as an `Affine` in the voltage of the target.

    A `diffusive` member gets the sum of the weights of each unit as `total`,
    $\sum_i w_{ij}$, `[n_post]`, which is `None` otherwise.

    **Source:** none; a convention of this library.
    """

    diffusive: ClassVar[bool] = False

    @abc.abstractmethod
    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """The inward current for voltage `v` (mV) and synaptic variable `g`, both `[n_post]`."""


class COBA(AbstractOutput):
    r"""A conductance, $I = g\,(e - v)$.

    **Arguments:** `e`: reversal potential, mV, 0 (excitatory; GABA_A: about -80).

    ```python
    >>> import jax.numpy as jnp
    >>> COBA(e=0.0).current(jnp.array(-60.0), jnp.array(2.0))(-60.0).item()
    120.0

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, eq. 5.29; Brette et al. 2007, J.
    Comput. Neurosci. 23:349, benchmark 1.
    """

    e: Array = param(0.0, unit="mV", doc="reversal potential")

    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """Ohm's law."""
        del v, total
        return Affine(-g, g * self.e)


class CUBA(AbstractOutput):
    r"""A current that does not depend on the voltage, $I = g$.

    ```python
    >>> import jax.numpy as jnp
    >>> CUBA().current(jnp.array(-60.0), jnp.array(2.0))(-60.0).item()
    2.0

    ```

    **Source:** Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 2.
    """

    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """The synaptic variable itself."""
        del v, total
        return Affine(0.0, g)
