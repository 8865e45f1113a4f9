"""Recorded signals."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import size_field
from ._base import AbstractSignal

_WAYS = {"interpolation": ("linear", "previous", "cubic"), "extend": ("error", "hold", "zero")}


class Sampled(AbstractSignal):
    r"""A recording: samples at given times, and what lies between them.

    $$u_i(t) = x_{k,i} + (x_{k+1,i} - x_{k,i})\,\frac{t - t_k}{t_{k+1} - t_k},\qquad
      t_k \le t < t_{k+1}$$

    or, with `interpolation="previous"`, $x_{k,i}$, or, with `"cubic"`, the cubic through both
    samples whose slopes there are the differences to the samples before.

    **Arguments:** `size`: number of units; `ts`: ms, `[k]`, the times of the samples, increasing,
    not necessarily in equal steps; `values`: `[k]`, or `[k, size]` for a recording per unit, in the
    unit of the input of what it drives; `interpolation`: `"linear"` (the default), `"previous"` or
    `"cubic"`; `extend`: what a time outside of the recording means: `"error"` (the default),
    `"hold"` for the nearest sample, or `"zero"`. **Output:** `value`, `[size]`.

    **Raises:** `ValueError` for times out of order, shapes that do not fit and unknown ways;
    `RuntimeError` in a run that leaves the recording with `extend="error"`.

    ```python
    >>> current = Sampled(1, ts=[0.0, 10.0, 30.0], values=[0.0, 5.0, 15.0])
    >>> [current(t).item() for t in (5.0, 10.0, 20.0)]
    [2.5, 5.0, 10.0]

    ```

    **Source:** none; the cubic is the Hermite spline with backward differences of Morrill et al.
    2021, arXiv:2106.11028, as `diffrax` makes it.
    """

    size: int = size_field()
    ts: Array = param(unit="ms", doc="times of the samples")
    values: Array = param(unit="1", doc="the samples, in the unit of the input")
    interpolation: str = eqx.field(default="linear", static=True)
    extend: str = eqx.field(default="error", static=True)

    def __check_init__(self):
        for name, ways in _WAYS.items():
            if getattr(self, name) not in ways:
                raise ValueError(
                    f"Sampled: '{name}' must be one of {', '.join(map(repr, ways))}, got "
                    f"{getattr(self, name)!r}."
                )
        k = self.ts.shape
        if len(k) != 1 or k[0] < 2 or self.values.shape not in (k, (*k, self.size)):
            raise ValueError(
                f"Sampled: 'ts' must have shape [k], k > 1, and 'values' [k] or [k, {self.size}]; "
                f"got shapes {list(k)} and {list(self.values.shape)}."
            )
        if not is_traced(self.ts) and not (np.diff(np.asarray(self.ts)) > 0).all():
            raise ValueError("Sampled: 'ts' (ms) must increase, each time only once.")

    def at(self, t: Array, edge: Array) -> Array:
        """The interpolated recording."""
        first, last = self.ts[0], self.ts[-1]
        outside = (edge < first) | (2 * t - edge > last)
        if self.extend == "error":
            t = eqx.error_if(
                t,
                outside,
                "Sampled: a time outside of the recording. Record longer, run shorter, or say what "
                "it means by extend='hold' or extend='zero'.",
            )
        if self.interpolation == "previous":
            k = jnp.searchsorted(self.ts, edge, side="right")
            value = self.values[jnp.maximum(k - 1, 0)]
        else:
            value = self._between(jnp.clip(t, first, last))
        return jnp.where(outside, 0, value) if self.extend == "zero" else value

    def _between(self, t: Array) -> Array:
        if self.interpolation == "linear":
            return diffrax.LinearInterpolation(self.ts, self.values).evaluate(t)
        # The cubic of an interval depends on its ends and the sample before.
        k = jnp.searchsorted(self.ts, t, side="right") - 2
        n = min(3, self.ts.size)
        ts, xs = (
            jax.lax.dynamic_slice_in_dim(a, jnp.maximum(k, 0), n) for a in (self.ts, self.values)
        )
        cubic = diffrax.backward_hermite_coefficients(ts, xs)
        return diffrax.CubicInterpolation(ts, cubic).evaluate(t)

    def breaks(self, t0: Any, t1: Any) -> Any:
        """The times of the samples."""
        del t0, t1
        return self.ts
