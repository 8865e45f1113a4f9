"""The spike function: a Heaviside step with a surrogate derivative."""

import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from .._param import AbstractParametric, param


class AbstractSurrogate(AbstractParametric, eqx.Module):
    r"""A spike function: 1 where $x \ge 0$, else 0, with a derivative made up for training.

    **Source:** Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag. 36:51.
    """

    @abc.abstractmethod
    def derivative(self, x: Array) -> Array:
        """What takes the place of the derivative of the step at `x`."""

    @final
    def __call__(self, x: Array) -> Array:
        """The spikes, 0 or 1, of the dtype and shape of `x` (distance to threshold, mV)."""
        return _spike(self, x)


@jax.custom_jvp
def _spike(surrogate: AbstractSurrogate, x: Array) -> Array:
    del surrogate
    return (x >= 0).astype(x.dtype)


@_spike.defjvp
def _(primals, tangents):
    surrogate, x = primals
    return _spike(surrogate, x), surrogate.derivative(x) * tangents[1]


class SuperSpike(AbstractSurrogate):
    r"""The derivative of a fast sigmoid, $1/(1 + \beta |x|)^2$.

    **Arguments:** `beta`: steepness, 1/mV, default 1.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> spike = SuperSpike(beta=1.0)
    >>> float(spike(jnp.array(-1.0))), float(jax.grad(spike)(jnp.array(-1.0)))
    (0.0, 0.25)

    ```

    **Source:** Zenke & Ganguli 2018, Neural Comput. 30:1514, section 3.3.2.
    """

    beta: Array = param(1.0, unit="1/mV", doc="steepness", bound="positive")

    def derivative(self, x: Array) -> Array:
        """The value at `x`."""
        return 1 / (1 + self.beta * jnp.abs(x)) ** 2
