"""The theta neuron: a quadratic integrate-and-fire neuron on a circle."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import (
    AbstractNeuron,
    Args,
    State,
    as_affine,
    check_kind,
    check_shapes,
    size_field,
    spread,
)
from .._surrogate import AbstractSurrogate, SuperSpike


class ThetaNeuron(AbstractNeuron):
    r"""The quadratic integrate-and-fire neuron on a circle, which spikes without a reset.

    $$\tau\,\dot\theta = (1 - \cos\theta) + (1 + \cos\theta)\,(\eta + u)$$

    With $v = \tan(\theta/2)$ it is $\tau\dot v = v^2 + \eta + u$, reset from $+\infty$ to
    $-\infty$, with no peak or reset to choose. A spike is the passage of $\theta = \pi$, from where
    it goes on at $-\pi$. For $\eta + u > 0$ it fires every $\pi\tau/\sqrt{\eta + u}$. What a
    `Delta` synapse brings, makes $v$ jump.

    On a time grid a step counts one spike at most, however many turns it passes: `dt` must lie well
    below $\pi\tau/\sqrt{\eta + u}$. With the default solver a quarter of $\tau/(\eta + u)$ is
    right; at ten times that the rate is almost doubled.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 10; `eta`: 1, -1, excitability; `theta_init`: rad, in $(-\pi, \pi]$, 0; `spike`: the
    spike function.

    The input $u$ has no unit; an `Affine` is evaluated at $\theta$, so give it currents (`CUBA`).

    **State:** `theta`: rad, `[size]`. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, or a `theta_init`
    outside of its interval.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(ThetaNeuron(1, eta=4.0), 158.0, dt=0.1, record="spike")
    >>> float(rec["spike"].sum())  # one every 5 pi ms, the first after half of that
    10.0

    ```

    **Source:** Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233; Gutkin & Ermentrout 1998,
    Neural Comput. 10:1047.
    """

    units: ClassVar[dict[str, str]] = {"theta": "rad", "spike": "1"}

    size: int = size_field()
    tau: Array = param(10.0, unit="ms", doc="time constant", bound="positive")
    eta: Array = param(-1.0, unit="1", doc="excitability")
    theta_init: Array = param(0.0, unit="rad", doc="initial phase")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def __check_init__(self):
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)
        if not is_traced(self.theta_init):
            theta = np.asarray(self.theta_init)
            pi = np.asarray(np.pi, theta.dtype)
            if ((theta <= -pi) | (theta > pi)).any():
                raise ValueError(
                    f"ThetaNeuron: 'theta_init' must lie in (-pi, pi], got {self.theta_init} rad."
                )

    def init(self, *, key: Array, dt: float) -> State:
        """At `theta_init`."""
        del key, dt
        return State({"theta": spread(self.theta_init, self.size)}, {})

    def potential(self, y: dict) -> Array:
        """The phase."""
        return y["theta"]

    def kick(self, y: dict, args: Args, dv: Array) -> dict:
        """The phase after a jump of $v = \\tan(\\theta/2)$ by `dv`."""
        del args
        # With s = sin(theta/2), c = cos(theta/2) the new v is (s + dv c) / c, also where c = 0.
        s, c = jnp.sin(y["theta"] / 2), jnp.cos(y["theta"] / 2)
        return {"theta": 2 * jnp.arctan2(s + dv * c, c)}

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """Around the circle, at the lower point slow."""
        del t
        c = jnp.cos(y["theta"])
        drive = (as_affine(args.u) + self.eta)(y["theta"])
        return {"theta": ((1 - c) + (1 + c) * drive) / self.tau}

    def events(self, t: Array, y: dict, args: Args) -> Array:
        """The distance to the passage of pi, rad."""
        del t, args
        return y["theta"] - jnp.pi

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """A spike at the passage of pi; the phase goes on a turn below, or as many as it passed."""
        del dt, key
        above = self.events(t, y, args)
        s = self.spike(above) if args.fired is None else args.fired.astype(above.dtype)
        turn = 2 * jnp.pi
        passed = jnp.maximum(jnp.floor((y["theta"] + jnp.pi) / turn), 1)
        # Just below -pi a step has gone too far down, which must not become a spike at pi.
        lost = jnp.minimum(jnp.floor(y["theta"] / turn) + 1, 0)
        # The same point of the circle: a derivative passes as it is.
        theta = y["theta"] - turn * jax.lax.stop_gradient(jnp.where(s > 0, passed, lost))
        return {"theta": theta}, args.mem, {"spike": s}
