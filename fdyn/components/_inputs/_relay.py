"""The relay: what comes from outside, as a population."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from .._base import AbstractPopulation, Affine, Args, State, size_field


class Relay(AbstractPopulation):
    r"""A population that hands on its input, $u \to$ output.

    As a node of a network it lets projections carry what a driver is given for it: spikes recorded
    elsewhere, an array over time with one row per step, or a function of time.

    **Arguments:** `size`: number of units. **Output:** `value`, `[size]`: the input of the step,
    zero without one.

    **Raises:** `ValueError` for an input that depends on a voltage.

    ```python
    >>> import numpy as np
    >>> from fdyn import simulate
    >>> spikes = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> simulate(Relay(2), 0.2, dt=0.1, inputs=spikes, record="value")["value"].tolist()
    [[0.0, 1.0], [1.0, 0.0]]

    ```

    **Source:** none; a definition.
    """

    units: ClassVar[dict[str, str]] = {"value": "unit of the input"}

    size: int = size_field()

    def init(self, *, key: Array, dt: float) -> State:
        """No state."""
        del key, dt
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The input as output."""
        del t, dt, key
        if isinstance(args.u, Affine):
            raise ValueError("Relay: its input must be an array; it has no voltage for an Affine.")
        u = jnp.zeros((), jnp.result_type(float)) if args.u is None else args.u
        return y, args.mem, {"value": jnp.broadcast_to(u, (self.size,))}
