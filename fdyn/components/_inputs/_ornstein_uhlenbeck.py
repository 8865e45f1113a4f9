"""Coloured noise: the Ornstein-Uhlenbeck process as an input."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, check_shapes, size_field, spread
from ._base import AbstractInput


class OrnsteinUhlenbeck(AbstractInput):
    r"""Coloured noise: independent Ornstein-Uhlenbeck processes.

    $$\tau \frac{dx}{dt} = \mu - x + \sigma\sqrt{2\tau}\,\xi(t)$$

    Each has the mean $\mu$, the standard deviation $\sigma$ and the autocovariance
    $\sigma^2 e^{-|s|/\tau}$, from the start on. As an input of what it drives
    (`inputs=OrnsteinUhlenbeck(...)`, constant within a step) this holds exactly at any step,
    whatever solver the model has; as a node of a network with `ExponentialEuler`, the default.

    **Arguments:** `size`: number of processes; the parameters are scalars or have shape `[size]`.
    `mean`: 0, and `sigma`: 1, the standard deviation, in the unit of the input of what it drives;
    `tau`: ms, 5, the correlation time.

    **State:** `x`, `[size]`. **Output:** `value`, the same.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> current = OrnsteinUhlenbeck(50, mean=14.0, sigma=5.0, tau=3.0)
    >>> rec = simulate(LIF(50), 200.0, dt=0.1, inputs=current, record="spike")
    >>> bool(0 < rec["spike"].sum() < 50 * 20)
    True

    ```

    **Source:** Uhlenbeck & Ornstein 1930, Phys. Rev. 36:823; Destexhe et al. 2001, Neuroscience
    107:13, for synaptic background.
    """

    units: ClassVar[dict[str, str]] = {"x": "unit of the input", "value": "unit of the input"}

    size: int = size_field()
    mean: Array = param(0.0, unit="1", doc="mean, in the unit of the input")
    sigma: Array = param(1.0, unit="1", doc="standard deviation", bound="non-negative")
    tau: Array = param(5.0, unit="ms", doc="correlation time", bound="positive")

    def __check_init__(self):
        check_shapes(self, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """Drawn from the stationary distribution."""
        del dt
        mean = spread(self.mean, self.size)
        return State({"x": mean + self.sigma * jax.random.normal(key, mean.shape, mean.dtype)}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The way back to the mean."""
        del t, y, args
        return {"x": Affine(-1 / self.tau, self.mean / self.tau)}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict:
        """White noise of constant strength."""
        del t, args
        return {"x": jnp.broadcast_to(self.sigma * jnp.sqrt(2 / self.tau), y["x"].shape)}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The processes as output."""
        del t, dt, key
        return y, args.mem, {"value": y["x"]}
