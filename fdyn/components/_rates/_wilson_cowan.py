"""The Wilson-Cowan model of an excitatory and an inhibitory population."""

from typing import ClassVar

from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate


class WilsonCowan(AbstractRate):
    r"""An excitatory and an inhibitory population that drive each other.

    $$\tau_e \dot E = -E + (1 - r_e E)\,S_e(c_1 E - c_2 I + P + u),\quad
      \tau_i \dot I = -I + (1 - r_i I)\,S_i(c_3 E - c_4 I + Q)$$
    with $S(x) = 1/(1 + e^{-a(x - \theta)}) - 1/(1 + e^{a\theta})$.

    Where the paper has $k_e - r_e E$ and $k_i - r_i I$, with the highest values $k = S(\infty)$ of
    the responses, a little below 1, this is the form in common use, with 1.
    $E$ and $I$ are the proportions of cells that fire. The input $u$ adds to the drive $P$ of the
    excitatory population, whose proportion is what projections see.

    **Arguments:** `size`: number of pairs; the parameters are scalars or have shape `[size]`, and
    their defaults are those of figure 11, a limit cycle for `p` of about 1.25. `tau_e`, `tau_i`:
    ms, 10; `c1`, `c2`, `c3`, `c4`: 16, 12, 15, 3; `a_e`, `a_i`: slopes, 1.3, 2; `theta_e`,
    `theta_i`: thresholds, 4, 3.7; `r_e`, `r_i`: refractory parts, 1; `p`, `q`: constant drives,
    0; `e_init`, `i_init`: 0.

    **State:** `e`, `i`: 1, both `[size]`. **Output:** `activity`: `e`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(WilsonCowan(1), 500.0, dt=0.1, inputs=1.25, record="activity")
    >>> late = rec["activity"][-2000:]
    >>> bool(late.max() - late.min() > 0.15)
    True

    ```

    **Source:** Wilson & Cowan 1972, Biophys. J. 12:1, eqs. 11 and 12 with 1 for $k_e$ and $k_i$,
    the logistic function eq. 15.
    """

    units: ClassVar[dict[str, str]] = {"e": "1", "i": "1", "activity": "1"}

    size: int = size_field()
    tau_e: Array = param(10.0, unit="ms", doc="time constant of excitation", bound="positive")
    tau_i: Array = param(10.0, unit="ms", doc="time constant of inhibition", bound="positive")
    c1: Array = param(16.0, unit="1", doc="excitation of excitation", bound="non-negative")
    c2: Array = param(12.0, unit="1", doc="inhibition of excitation", bound="non-negative")
    c3: Array = param(15.0, unit="1", doc="excitation of inhibition", bound="non-negative")
    c4: Array = param(3.0, unit="1", doc="inhibition of inhibition", bound="non-negative")
    a_e: Array = param(1.3, unit="1", doc="slope of the excitatory response", bound="positive")
    a_i: Array = param(2.0, unit="1", doc="slope of the inhibitory response", bound="positive")
    theta_e: Array = param(4.0, unit="1", doc="threshold of the excitatory response")
    theta_i: Array = param(3.7, unit="1", doc="threshold of the inhibitory response")
    r_e: Array = param(1.0, unit="1", doc="refractory part of excitation", bound="non-negative")
    r_i: Array = param(1.0, unit="1", doc="refractory part of inhibition", bound="non-negative")
    p: Array = param(0.0, unit="1", doc="constant drive of excitation")
    q: Array = param(0.0, unit="1", doc="constant drive of inhibition")
    e_init: Array = param(0.0, unit="1", doc="initial excitation")
    i_init: Array = param(0.0, unit="1", doc="initial inhibition")

    def start(self) -> dict[str, Array]:
        """At `e_init`, `i_init`."""
        return {"e": spread(self.e_init, self.size), "i": spread(self.i_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The excitation."""
        return y["e"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Each population follows its response to the sum of its drives."""
        e, i = y["e"], y["i"]
        s_e = _response(self.c1 * e - self.c2 * i + self.p + u(e), self.a_e, self.theta_e)
        s_i = _response(self.c3 * e - self.c4 * i + self.q, self.a_i, self.theta_i)
        return {
            "e": Affine(-(1 + self.r_e * s_e), s_e) / self.tau_e,
            "i": Affine(-(1 + self.r_i * s_i), s_i) / self.tau_i,
        }

    def observe(self, y: dict, u: Affine) -> dict:
        """The excitation."""
        del u
        return {"activity": y["e"]}


def _response(x: Array, a: Array, theta: Array) -> Array:
    return logistic(a * (x - theta)) - logistic(-a * theta)
