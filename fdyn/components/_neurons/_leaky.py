"""The leaky integrator: a membrane without spikes."""

from typing import ClassVar

from jax import Array

from ..._param import param
from .._base import (
    AbstractNeuron,
    Affine,
    Args,
    State,
    as_affine,
    check_shapes,
    size_field,
    spread,
)
from ._base import membrane_noise


class LeakyIntegrator(AbstractNeuron):
    r"""A membrane that only leaks and integrates, such as a read-out unit.

    $$\tau \frac{dv}{dt} = -(v - v_\mathrm{rest}) + r\,u + \sigma\sqrt{\tau}\,\xi(t)$$

    The input $u$ (pA) may be an `Affine` in $v$, so that conductances (nS) enter exactly.

    **Arguments:** `size`: number of units; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 20; `r`: Gohm, 1; `v_rest`: mV, 0; `v_init`: mV, `v_rest` by default; `sigma`: mV,
    `None` for no noise.

    **State:** `v`: mV, `[size]`. **Output:** `value`, the same, graded.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(LeakyIntegrator(1), 20.0, dt=1.0, inputs=10.0, record="v")
    >>> round(float(rec["v"][-1, 0]), 4)  # 10 (1 - exp(-1))
    6.3212

    ```

    **Source:** Gerstner et al. 2014, Neuronal Dynamics, eq. 1.5.
    """

    units: ClassVar[dict[str, str]] = {"v": "mV", "value": "mV"}

    size: int = size_field()
    tau: Array = param(20.0, unit="ms", doc="membrane time constant", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(0.0, unit="mV", doc="resting potential")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    sigma: Array | None = param(None, unit="mV", doc="strength of white noise")

    def __check_init__(self):
        check_shapes(self, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """At `v_init`."""
        del key, dt
        v = self.v_rest if self.v_init is None else self.v_init
        return State({"v": spread(v, self.size)}, {})

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The leak and the input."""
        del t, y
        return {"v": (Affine(-1.0, self.v_rest) + as_affine(args.u) * self.r) / self.tau}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the membrane."""
        del t
        return membrane_noise(self.sigma, self.tau, y, args)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The voltage as output; nothing happens."""
        del t, dt, key
        return y, args.mem, {"value": y["v"]}
