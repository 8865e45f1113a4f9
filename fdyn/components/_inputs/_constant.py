"""The constant input."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Args, check_shapes, size_field
from ._base import AbstractStatelessInput


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
