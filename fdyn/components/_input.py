"""Input components: what drives a model from outside, as nodes or through `inputs=`."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from .._param import param
from ._base import AbstractPopulation, Args, State, check_shapes, size_field


class AbstractStatelessInput(AbstractPopulation):
    """A population without input and state of its own: only its output, made anew every step.

    Through `inputs=` of a driver its single output is the input of what it drives; as a node of
    a network its output is read by projections.

    **Source:** none; a convention of this library.
    """

    def init(self, *, key: Array, dt: float) -> State:
        """No state."""
        del key, dt
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}


class ConstantInput(AbstractStatelessInput):
    r"""An input that does not change, $u_i = a_i$, for example one current per neuron.

    **Arguments:** `size`: number of units; `amplitude`: scalar or `[size]`, in the unit of the
    input of what it drives. **Output:** `value`, `[size]`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> current = ConstantInput(3, jnp.array([10.0, 20.0, 30.0]))
    >>> simulate(LIF(3), 100.0, dt=0.1, inputs=current, record="spike")["spike"].sum(0).tolist()
    [0.0, 3.0, 7.0]

    ```

    **Source:** none; a definition.
    """

    units: ClassVar[dict[str, str]] = {"value": "unit of the input"}

    size: int = size_field()
    amplitude: Array = param(unit="1", doc="amplitude, in the unit of the input")

    def __check_init__(self):
        check_shapes(self, self.size)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The amplitude as output."""
        del t, dt, key
        return y, args.mem, {"value": jnp.broadcast_to(self.amplitude, (self.size,))}


class PoissonInput(AbstractStatelessInput):
    r"""Independent Poisson spike trains; every step has Poisson($\lambda\,\Delta t$) spikes.

    The number of spikes in a step is exact, so a rate above 1/dt is no error: the output is then
    above 1, and counts with its value.

    **Arguments:** `size`: number of trains; `rate`: Hz, scalar or `[size]`; `amplitude`: what one
    spike adds to the output, 1. **Output:** `spike`, `[size]`, `amplitude` times the count.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(PoissonInput(100, rate=50.0), 1000.0, dt=0.1, record="spike")
    >>> bool(abs(rec["spike"].sum() / 100 - 50) < 5)
    True

    ```

    **Source:** Dayan & Abbott 2001, Theoretical Neuroscience, section 1.4.
    """

    units: ClassVar[dict[str, str]] = {"spike": "1"}

    size: int = size_field()
    rate: Array = param(unit="Hz", doc="rate of each train", bound="non-negative")
    amplitude: Array = param(1.0, unit="1", doc="what one spike adds")

    def __check_init__(self):
        check_shapes(self, self.size)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes of this step, each times the amplitude."""
        del t
        mean = jnp.broadcast_to(self.rate * dt / 1000, (self.size,))
        count = jax.random.poisson(key, mean).astype(mean.dtype)
        return y, args.mem, {"spike": self.amplitude * count}
