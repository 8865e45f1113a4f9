"""Kuramoto's phase oscillators, and the sine of a phase difference as a coupling."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import AbstractNeuron, Affine, Args, State, as_affine, check_shapes, size_field, spread
from .._synapses._base import AbstractSynapse
from .._synapses._output import AbstractOutput


class Kuramoto(AbstractNeuron):
    r"""Oscillators that are described by their phases.

    $$\dot\theta_j = \omega_j + u_j + \sigma\,\xi_j(t),\qquad
      u_j = \sum_i w_{ij} \sin(\theta_i - \theta_j - \alpha)$$

    The coupling $u$ (rad/ms) is a pair of projections, for the sine of a difference is made of two
    products (see `SineSynapse` and `SineOutput`). With a scalar `Dense` weight $K/N$ all-to-all
    coupling costs as much as the order parameter. On a time grid the phase is brought back to
    $[0, 2\pi)$ after every step.

    **Arguments:** `size`: number of oscillators; the parameters are scalars or have shape `[size]`.
    `omega`: rad/ms, 0.0628 (10 Hz), natural frequencies; `sigma`: rad/sqrt(ms), no noise by
    default; `theta_init`: rad, 0.

    **State:** `theta`: rad, `[size]`. **Output:** `phase`: the same.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> import numpy as np
    >>> from fdyn import Network, Projection, simulate
    >>> from fdyn.sparse import Dense
    >>> w = Dense(0.1 / 2, n_pre=2, n_post=2)  # K/N, rad/ms
    >>> net = Network(
    ...     {"K": Kuramoto(2, omega=[0.06, 0.08], theta_init=[0.0, 2.0])},
    ...     {
    ...         "sin": Projection("K", "K", w, SineSynapse(), SineOutput(np.pi / 2)),
    ...         "cos": Projection("K", "K", w, SineSynapse(np.pi / 2), SineOutput(np.pi)),
    ...     },
    ... )
    >>> theta = simulate(net, 200.0, dt=0.1, record="K.theta")["K.theta"][-1]
    >>> round(float(np.sin(theta[1] - theta[0])), 3)  # they lock where K sin = 0.02
    0.2

    ```

    **Source:** Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, eq. 5.4.1; with a phase
    lag Sakaguchi & Kuramoto 1986, Prog. Theor. Phys. 76:576, eq. 1.
    """

    units: ClassVar[dict[str, str]] = {"theta": "rad", "phase": "rad"}

    size: int = size_field()
    omega: Array = param(0.0628, unit="rad/ms", doc="natural frequency")
    sigma: Array | None = param(
        None, unit="rad/ms^0.5", doc="strength of white noise", bound="non-negative"
    )
    theta_init: Array = param(0.0, unit="rad", doc="initial phase")

    def __check_init__(self):
        check_shapes(self, self.size)

    def init(self, *, key: Array, dt: float) -> State:
        """At `theta_init`."""
        del key, dt
        return State({"theta": spread(self.theta_init, self.size)}, {})

    def potential(self, y: dict) -> Array:
        """The phase."""
        return y["theta"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The natural frequency and the coupling."""
        del t
        return {"theta": as_affine(args.u) + spread(self.omega, self.size)}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the phase."""
        del t, args
        return None if self.sigma is None else {"theta": self.sigma + 0 * y["theta"]}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The phase modulo a turn: a large number would lose its fraction."""
        del t, dt, key
        turn = 2 * jnp.pi
        theta = y["theta"] - turn * jnp.floor(y["theta"] / turn)
        # What lies less than the rounding below zero comes out as a whole turn.
        theta = jnp.where(theta >= turn, theta - turn, theta)
        return {"theta": theta}, args.mem, {"phase": theta}


class SineSynapse(AbstractSynapse):
    r"""The sine of a presynaptic phase, $g_j = \sum_i w_{ij} \sin(\theta_i + \varphi)$.

    The one half of a coupling by phase differences; `SineOutput` is the other. Since
    $$\sin(\theta_i - \theta_j - \alpha) = \sin(\theta_i - \alpha)\,\sin(\theta_j + \tfrac\pi2)
      + \sin(\theta_i + \tfrac\pi2 - \alpha)\,\sin(\theta_j + \pi),$$
    it takes two projections, with the phases $-\alpha$ and $\pi/2$, and $\pi/2 - \alpha$ and $\pi$.

    **Arguments:** `phase`: rad, $\varphi$, 0, scalar or `[n_pre]`.

    **State:** none.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> round(float(SineSynapse().conductance({}, Args({}, jnp.pi / 6))), 3)
    0.5

    ```

    **Source:** the addition theorem of the sine; Kuramoto 1984, Chemical Oscillations, Waves, and
    Turbulence, eq. 5.4.3, where it makes the order parameter.
    """

    graded: ClassVar[bool] = True

    phase: Array = param(0.0, unit="rad", doc="phase that is added")

    def init(self, n: int) -> State:
        """No state."""
        del n
        return State({}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """No flow."""
        del y, args
        return {}

    def receive(
        self, y: dict[str, Array], args: Args, arrivals: Any, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """No spikes."""
        del arrivals, dt, key
        return y, args.mem

    def conductance(self, y: dict[str, Array], args: Args) -> Array:
        """The sine of the presynaptic phases."""
        del y
        return jnp.sin(args.u + self.phase)


class SineOutput(AbstractOutput):
    r"""What arrives, times the sine of the own phase, $u_j = g_j \sin(\theta_j + \varphi)$.

    See `SineSynapse`.

    **Arguments:** `phase`: rad, $\varphi$, $\pi/2$, which is the cosine; scalar or `[n_post]`.

    ```python
    >>> import jax.numpy as jnp
    >>> u = SineOutput().current(jnp.pi / 3, jnp.array(4.0))
    >>> round(float(u(jnp.pi / 3)), 3)
    2.0

    ```

    **Source:** the addition theorem of the sine.
    """

    phase: Array = param(jnp.pi / 2, unit="rad", doc="phase that is added")

    def current(self, v: Array, g: Array, total: Array | None = None) -> Affine:
        """The product."""
        del total
        return Affine(0.0, g * jnp.sin(v + self.phase))
