"""The Jansen-Rit model of a cortical column."""

from typing import ClassVar

from jax import Array
from jax.lax import logistic

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate

_KHZ = 1e-3  # Hz in 1/ms


class JansenRit(AbstractRate):
    r"""A cortical column: pyramidal cells with excitatory and inhibitory interneurons.

    $$\ddot y_0 = A a\,S(y_1 - y_2) - 2a\dot y_0 - a^2 y_0,\quad
      \ddot y_1 = A a\,[p + u + C_2 S(C_1 y_0)] - 2a\dot y_1 - a^2 y_1,$$
    $$\ddot y_2 = B b\,C_4 S(C_3 y_0) - 2b\dot y_2 - b^2 y_2,\qquad
      S(v) = \frac{2 e_0}{1 + e^{r(v_0 - v)}}$$

    $y_0$, $y_1$, $y_2$ are postsynaptic potentials, $y_1 - y_2$ is the one of the pyramidal cells,
    of which the EEG is made, and $S(y_1 - y_2)$ their firing rate: this is the activity that
    graded synapses see. The input $u$ is a rate of spikes from elsewhere, Hz.

    **Arguments:** `size`: number of columns; the parameters are scalars or have shape `[size]`.
    `gain_e`, `gain_i`: mV, $A$ and $B$, 3.25, 22; `rate_e`, `rate_i`: 1/ms, $a$ and $b$, 0.1,
    0.05; `c1`, `c2`, `c3`, `c4`: numbers of synapses, 135, 108, 33.75, 33.75; `e0`: Hz, 2.5, half
    of the highest rate; `v0`: mV, 6, where half of it is reached; `slope`: 1/mV, $r$, 0.56; `p`:
    Hz, 220, constant input; `y_init`: mV, 0, of the three potentials.

    **State:** `y0`, `y1`, `y2`: mV, and their derivatives `y3`, `y4`, `y5`: mV/ms, all `[size]`.
    **Output:** `eeg`: mV, $y_1 - y_2$, and `rate`: Hz.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(JansenRit(1), 3000.0, dt=0.5, record="eeg")
    >>> x = rec["eeg"][-4000:, 0]  # 2 s
    >>> up = ((x[:-1] < x.mean()) & (x[1:] >= x.mean())).sum()
    >>> 8 < int(up) / 2 < 12  # Hz, the alpha rhythm
    True

    ```

    **Source:** Jansen & Rit 1995, Biol. Cybern. 73:357, eq. 6 and table 1.
    """

    units: ClassVar[dict[str, str]] = {
        **{f"y{k}": "mV" for k in range(3)},
        **{f"y{k}": "mV/ms" for k in range(3, 6)},
        "eeg": "mV",
        "rate": "Hz",
    }

    size: int = size_field()
    gain_e: Array = param(3.25, unit="mV", doc="excitatory potential", bound="non-negative")
    gain_i: Array = param(22.0, unit="mV", doc="inhibitory potential", bound="non-negative")
    rate_e: Array = param(0.1, unit="1/ms", doc="rate of excitatory synapses", bound="positive")
    rate_i: Array = param(0.05, unit="1/ms", doc="rate of inhibitory synapses", bound="positive")
    c1: Array = param(135.0, unit="1", doc="synapses, pyramidal to excitatory")
    c2: Array = param(108.0, unit="1", doc="synapses, excitatory to pyramidal")
    c3: Array = param(33.75, unit="1", doc="synapses, pyramidal to inhibitory")
    c4: Array = param(33.75, unit="1", doc="synapses, inhibitory to pyramidal")
    e0: Array = param(2.5, unit="Hz", doc="half of the highest rate", bound="non-negative")
    v0: Array = param(6.0, unit="mV", doc="potential at half of the highest rate")
    slope: Array = param(0.56, unit="1/mV", doc="slope of the response", bound="positive")
    p: Array = param(220.0, unit="Hz", doc="constant input")
    y_init: Array = param(0.0, unit="mV", doc="initial potentials")

    def start(self) -> dict[str, Array]:
        """At `y_init`, at rest."""
        y, rest = spread(self.y_init, self.size), spread(0 * self.y_init, self.size)
        return {"y0": y, "y1": y, "y2": y, "y3": rest, "y4": rest, "y5": rest}

    def rate(self, v: Array) -> Array:
        """The firing rate (Hz) of a population at the potential `v` (mV)."""
        return 2 * self.e0 * logistic(self.slope * (v - self.v0))

    def potential(self, y: dict) -> Array:
        """The potential of the pyramidal cells."""
        return y["y1"] - y["y2"]

    def activity(self, y: dict) -> Array:
        """The firing rate of the pyramidal cells."""
        return self.rate(self.potential(y))

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Three synapses of second order."""
        a, b = self.rate_e, self.rate_i
        outside = self.p + u(self.potential(y)) + self.c2 * self.rate(self.c1 * y["y0"])
        inhibition = self.c4 * self.rate(self.c3 * y["y0"])

        def bend(gain: Array, rate: Array, pulses: Array, x: Array) -> Affine:
            return Affine(-2 * rate, rate * (gain * _KHZ * pulses - rate * x))

        return {
            "y0": y["y3"],
            "y1": y["y4"],
            "y2": y["y5"],
            "y3": bend(self.gain_e, a, self.activity(y), y["y0"]),
            "y4": bend(self.gain_e, a, outside, y["y1"]),
            "y5": bend(self.gain_i, b, inhibition, y["y2"]),
        }

    def observe(self, y: dict, u: Affine) -> dict:
        """The potential and the rate of the pyramidal cells."""
        del u
        return {"eeg": self.potential(y), "rate": self.activity(y)}
