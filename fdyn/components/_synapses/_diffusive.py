"""Diffusive coupling: gap junctions."""

from typing import ClassVar

from jax import Array

from .._base import Affine
from ._output import AbstractOutput


class Diffusive(AbstractOutput):
    r"""A current along the difference to each presynaptic unit: gap junctions, diffusive coupling.

    $$I_j = \sum_i w_{ij}\,(x_i - v_j)$$

    With the synapse `Activity`, $x_i$ is the potential of the presynaptic neuron, and the weights
    are the conductances of gap junctions; a symmetric matrix makes them pass current both ways.
    Between regions, it is diffusive coupling of whatever the models name their activity and
    potential. With another synapse, $x_i$ is what that conducts.

    ```python
    >>> import jax.numpy as jnp
    >>> v, g, total = jnp.array(-60.0), jnp.array(2.0 * -50.0), jnp.array(2.0)
    >>> Diffusive().current(v, g, total)(-60.0).item()  # one junction, w = 2, x = -50
    20.0

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, section 5.8 (electrical synapses).
    """

    diffusive: ClassVar[bool] = True

    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """The weighted sum of the differences."""
        del v
        assert total is not None  # a projection gives it to what is diffusive
        return Affine(-total, g)
