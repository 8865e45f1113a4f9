"""The chirp: a sine whose frequency changes."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import exprel, is_traced
from ..._param import param
from .._base import check_shapes, size_field
from ._base import AbstractSignal


class Chirp(AbstractSignal):
    r"""A sine whose frequency goes from one value to another, to measure an impedance.

    $$u(t) = a \sin\!\left(2\pi \int_0^t f(s)\,ds + \varphi\right),\qquad
      f(s) = f_0 + (f_1 - f_0)\,s / T \quad\text{or}\quad f_0 \left(f_1 / f_0\right)^{s / T}$$

    Before 0 the frequency is $f_0$, after $T$ it is $f_1$.

    **Arguments:** `size`: number of units; scalars or `[size]`: `f_start`: Hz; `f_end`: Hz;
    `duration`: $T$, ms; `amplitude`: 1, in the unit of the input of what it drives; `phase`: rad,
    0. `logarithmic`: whether the frequency grows by the same factor in equal times, `False`.
    **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for a frequency of 0 with `logarithmic`.

    ```python
    >>> chirp = Chirp(1, f_start=0.0, f_end=18.0, duration=1000.0)
    >>> round(chirp(500.0).item(), 5)  # after 18 / 2 * 0.5^2 = 2.25 cycles
    1.0

    ```

    **Source:** the "ZAP" current, Puil, Gimbarzevsky & Miura 1986, J. Neurophysiol. 55:995.
    """

    size: int = size_field()
    f_start: Array = param(unit="Hz", doc="frequency at time 0", bound="non-negative")
    f_end: Array = param(unit="Hz", doc="frequency at the end", bound="non-negative")
    duration: Array = param(unit="ms", doc="how long the frequency changes", bound="positive")
    amplitude: Array = param(1.0, unit="1", doc="amplitude, in the unit of the input")
    phase: Array = param(0.0, unit="rad", doc="phase at time 0")
    logarithmic: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_shapes(self, self.size)
        if not self.logarithmic or is_traced((self.f_start, self.f_end)):
            return
        if not all((np.asarray(f) > 0).all() for f in (self.f_start, self.f_end)):
            raise ValueError(
                "Chirp: with 'logarithmic' both frequencies must be positive, got "
                f"{np.asarray(self.f_start)} and {np.asarray(self.f_end)} Hz."
            )

    def at(self, t: Array, edge: Array) -> Array:
        """The sine of the phase so far."""
        del edge
        inside = jnp.clip(t, 0, self.duration)
        s = inside / self.duration
        if self.logarithmic:
            # Safe where both frequencies are the same.
            mean = self.f_start * exprel(jnp.log(self.f_end / self.f_start) * s)
        else:
            mean = self.f_start + (self.f_end - self.f_start) * s / 2
        outside = jnp.where(t < 0, self.f_start, self.f_end) * (t - inside)
        cycles = (mean * inside + outside) / 1000
        return self.amplitude * jnp.sin(2 * jnp.pi * cycles + self.phase)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """None: it is smooth enough."""
        del t0, t1
        return ()
