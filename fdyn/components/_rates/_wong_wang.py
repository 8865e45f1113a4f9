"""The reduced Wong-Wang model: slow NMDA gating, of decisions and of whole brains."""

from typing import ClassVar

from jax import Array

from ..._misc import vtrap
from ..._param import param
from .._base import Affine, Args, size_field, spread
from ._base import AbstractRate

_KHZ = 1e-3  # Hz in 1/ms


class WongWang(AbstractRate):
    r"""A population that remembers by the slow gating of its NMDA synapses.

    $$\dot s = -\frac{s}{\tau_s} + (1 - s)\,\gamma\,H(x) + \sigma\,\xi(t),\quad
      x = w\,s + I_0 + u,\quad H(x) = \frac{a x - b}{1 - e^{-d (a x - b)}}$$

    Two of them that inhibit each other are the model of perceptual decisions; one per region,
    coupled by a connectome, is that of the brain at rest. Coupling is a `Projection` with
    `Activity` and `CUBA` and weights in nA, positive or negative. The input $u$ is a current (nA).
    The noise of the decision model, on the current, is an input: `OrnsteinUhlenbeck(2, tau=2.0,
    sigma=0.014)`.

    **Arguments:** `size`: number of populations; the parameters are scalars or have shape
    `[size]`. `tau`: ms, $\tau_s$, 100; `gamma`: 1, 0.641; `a`: Hz/nA, 270; `b`: Hz, 108; `d`: s,
    0.154; `w`: nA, 0.2609, the coupling to itself; `i0`: nA, 0.3255, background; `sigma`:
    1/sqrt(ms), no noise by default; `s_init`: 1, 0.1. At rest in a whole brain: `w=0.23481`
    (0.9 times 0.2609), `i0=0.3`, `sigma=0.001`.

    **State:** `s`: 1, `[size]`. **Output:** `rate`: Hz, $H(x)$, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import Network, Projection, simulate
    >>> from fdyn.components import CUBA, Activity
    >>> from fdyn.sparse import Dense
    >>> across = Dense([[0.0, -0.0497], [-0.0497, 0.0]])
    >>> choice = Network(
    ...     {"D": WongWang(2, i0=[0.3255 + 0.0176, 0.3255 + 0.0136])},  # coherence 0.128
    ...     {"DD": Projection("D", "D", across, Activity(), CUBA())},
    ... )
    >>> left, right = simulate(choice, 1500.0, dt=0.5, record="D.rate")["D.rate"][-1]
    >>> bool(left > 30 > 5 > right)
    True

    ```

    **Source:** Wong & Wang 2006, J. Neurosci. 26:1314, the reduced two-variable model of its
    appendix; whole brain: Deco et al. 2013, J. Neurosci. 33:11239, eqs. 1 to 3.
    """

    units: ClassVar[dict[str, str]] = {"s": "1", "rate": "Hz"}

    size: int = size_field()
    tau: Array = param(100.0, unit="ms", doc="time constant of the gating", bound="positive")
    gamma: Array = param(0.641, unit="1", doc="gating per spike", bound="non-negative")
    a: Array = param(270.0, unit="Hz/nA", doc="slope of the rate", bound="positive")
    b: Array = param(108.0, unit="Hz", doc="offset of the rate")
    d: Array = param(0.154, unit="s", doc="curvature of the rate", bound="positive")
    w: Array = param(0.2609, unit="nA", doc="coupling to itself")
    i0: Array = param(0.3255, unit="nA", doc="background current")
    sigma: Array | None = param(
        None, unit="1/ms^0.5", doc="strength of white noise", bound="non-negative"
    )
    s_init: Array = param(0.1, unit="1", doc="initial gating", bound="non-negative")

    def start(self) -> dict[str, Array]:
        """At `s_init`."""
        return {"s": spread(self.s_init, self.size)}

    def rate(self, x: Array) -> Array:
        """The firing rate (Hz) under the current `x` (nA)."""
        return vtrap(self.b - self.a * x, 1 / self.d)

    def potential(self, y: dict) -> Array:
        """The gating."""
        return y["s"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Decay, and opening by the spikes of the population."""
        opening = _KHZ * self.gamma * self.rate(self._current(y, u))
        return {"s": Affine(-(1 / self.tau + opening), opening)}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the gating."""
        del t, args
        return None if self.sigma is None else {"s": spread(self.sigma, self.size) + 0 * y["s"]}

    def observe(self, y: dict, u: Affine) -> dict:
        """The firing rate."""
        return {"rate": self.rate(self._current(y, u))}

    def _current(self, y: dict, u: Affine) -> Array:
        return self.w * y["s"] + self.i0 + u(y["s"])
