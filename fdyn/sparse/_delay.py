"""Delays between the points of the time grid."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from .._grid import as_time
from .._misc import is_traced, magnitude, own


class FractionalDelay(eqx.Module):
    r"""A delay of any length, by linear interpolation between the steps before and after it.

    $$d = (k + f)\,\Delta t,\quad 0 \le f < 1:\qquad
      s(t - d) \approx (1 - f)\, s(t - k\,\Delta t) + f\, s(t - (k + 1)\,\Delta t)$$

    Of second order in the time step for smooth signals. A spike is split into two, whose mean time
    of arrival is exact. Differentiable with respect to `values`; the derivative is that of the
    piecewise linear function, on the grid the one to the right.

    **Arguments:**

    - `values`: ms, a scalar, or one per synapse in the layout of the connectivity.
    - `maximum`: ms: the longest delay that `values` may take while they learn. It sets how much is
      remembered. Default: the longest of `values`.

    **Raises:** `ValueError` for a delay that is negative, not finite or beyond `maximum`, and for
    values that are traced where `maximum` is left out.

    ```python
    >>> delay = FractionalDelay([1.625, 0.25], maximum=5.0)
    >>> delay.values.tolist(), delay.maximum
    ([1.625, 0.25], 5.0)

    ```

    **Source:** linear interpolation as the fractional delay filter of order one, Laakso et al.
    1996, IEEE Signal Process. Mag. 13(1):30, section 3.
    """

    values: Inexact[Array, "..."]
    maximum: float = eqx.field(static=True)

    def __init__(self, values: Any, maximum: Any = None):
        values = magnitude(values, "ms", "values")
        dtype = getattr(values, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
            dtype = jnp.result_type(float)
        self.values = own(values, dtype)
        if maximum is None:
            if is_traced(self.values):
                raise ValueError(
                    "FractionalDelay: 'maximum' must be given where 'values' are traced, because "
                    "it sets the size of what is remembered."
                )
            maximum = max(float(np.max(np.asarray(self.values), initial=0.0)), 0.0)
        self.maximum = as_time(maximum, "maximum", zero=True)

    def __check_init__(self):
        check_bounds(self.values, self.maximum, "FractionalDelay: 'values'")


def check_bounds(values: Array, maximum: float, what: str) -> None:
    """Delays are finite and within `[0, maximum]`; traced arrays pass unseen."""
    if is_traced(values):
        return
    found = np.atleast_1d(np.asarray(values))
    # Single precision may hold the maximum itself a rounding above it.
    bad = np.flatnonzero(~((found >= 0) & (found <= maximum * (1 + 1e-6))))
    if bad.size:
        raise ValueError(
            f"{what} must lie between 0 and the maximum of {maximum:g} ms, got "
            f"{found.ravel()[bad[0]]:g} ms (number {bad[0]}). Give a larger 'maximum', or keep the "
            "values within it while they learn."
        )
