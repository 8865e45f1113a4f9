"""What becomes of the voltage at a spike."""

import abc

import equinox as eqx
from jax import Array

from ..._param import AbstractParametric, param


class AbstractReset(AbstractParametric, eqx.Module):
    """A reset rule: the voltage after a spike, from the one before.

    It is the field `reset` of a neuron, next to `spike` (the threshold function) and `t_ref` (for
    how long the voltage is held after the reset).

    **Source:** Gerstner et al. 2014, Neuronal Dynamics, section 1.3.
    """

    @abc.abstractmethod
    def __call__(self, v: Array, v_th: Array, v_reset: Array) -> Array:
        """The voltage after a spike.

        **Arguments:** `v`: before it, mV, `[size]`; `v_th`: the threshold that it has crossed, mV;
        `v_reset`: the reset potential of the neuron, mV; both scalars or `[size]`.

        **Returns:** mV, a scalar or `[size]`.
        """


class HardReset(AbstractReset):
    r"""The voltage is set to the reset potential, $v \leftarrow v_\mathrm{reset}$.

    What it had above the threshold is lost.

    ```python
    >>> HardReset()(-48.0, -50.0, -65.0)
    -65.0

    ```

    **Source:** Gerstner et al. 2014, Neuronal Dynamics, section 1.3.
    """

    def __call__(self, v: Array, v_th: Array, v_reset: Array) -> Array:
        """The reset potential."""
        del v, v_th
        return v_reset


class SoftReset(AbstractReset):
    r"""The voltage is reduced by a fixed amount, $v \leftarrow v - (v_\mathrm{th} -
    v_\mathrm{reset})$.

    What it had above the threshold is kept, so that on a time grid no input is lost and the rate
    of a neuron is that of its mean input. For membranes that are linear up to the threshold.

    ```python
    >>> SoftReset()(-48.0, -50.0, -65.0)
    -63.0

    ```

    **Source:** Rueckauer et al. 2017, Front. Neurosci. 11:682, "reset by
    subtraction".
    """

    def __call__(self, v: Array, v_th: Array, v_reset: Array) -> Array:
        """The voltage less the distance from reset to threshold."""
        return v - (v_th - v_reset)


class PartialReset(AbstractReset):
    r"""The voltage keeps a part of its distance to the reset potential.

    $$v \leftarrow v_\mathrm{reset} + f\,(v - v_\mathrm{reset}) + \delta$$

    **Arguments:** `fraction`: 1, 0.5, the part that is kept; `offset`: mV, 0, what is added.

    ```python
    >>> float(PartialReset(fraction=0.25, offset=-1.0)(-49.0, -50.0, -65.0))
    -62.0

    ```

    **Source:** Bugmann, Christodoulou & Taylor 1997, Neural Comput. 9:985; with an offset Teeter et
    al. 2018, Nat. Commun. 9:709, the reset rule of GLIF2 and above.
    """

    fraction: Array = param(0.5, unit="1", doc="part of the distance to reset that is kept")
    offset: Array = param(0.0, unit="mV", doc="what is added")

    def __call__(self, v: Array, v_th: Array, v_reset: Array) -> Array:
        """Between the reset potential and the voltage before."""
        del v_th
        return v_reset + self.fraction * (v - v_reset) + self.offset
