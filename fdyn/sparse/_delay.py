"""Delays between the points of the time grid."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact

from .._grid import as_time, steps_of
from .._misc import is_traced, magnitude, own
from ._ops import contract


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
        self.values = own(values, jax.dtypes.canonicalize_dtype(dtype))
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


class Route(eqx.Module):
    """Where the spikes of each unit go in a ring of arrivals, synapse by synapse.

    The ring of arrivals, its rows one after the other, is seen as a circle. A synapse that needs
    `k` steps to unit `j` leads to the place `k * n_post + j`, counted from the present row.

    `targets`: these places, by row (presynaptic unit), `[n_synapses]`; `indptr`: where each row
    begins, and the end; `order`: where the weights of these synapses lie, `None` if in this order;
    `part`: the share of each arrival that comes one step later, `None` for whole steps; `most`:
    the most steps that a delay takes; `n_post`: the number of postsynaptic units.
    """

    targets: Array
    indptr: Array
    order: Array | None
    part: Array | None
    most: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)


def make_route(edges: Any, dt: float, what: str, longest: float | None) -> tuple[Route, int]:
    """The route of a list of synapses with delays, and the most steps that one takes."""
    n_pre, n_post = edges.shape
    outside = edges.outside()
    lag, most = steps_of_delay(edges.delay, dt, what, longest)
    depth = most + 1
    xp: Any = jnp if is_traced((edges.rows, edges.cols, lag)) else np
    rows, cols, lag = (xp.asarray(x) for x in (edges.rows, edges.cols, lag))
    part = None
    if jnp.issubdtype(lag.dtype, jnp.inexact):
        lag, part = split(jnp.asarray(lag), most)
    lag = xp.broadcast_to(xp.asarray(lag), rows.shape)
    wide = edges.index_dtype == "int64"
    if depth * n_post > np.iinfo(np.int64 if wide else np.int32).max:
        raise ValueError(
            f"{what}: {depth} steps of {n_post} units are too many places for indices of "
            "32 bits: make the connectivity with index_dtype='int64', or take a larger dt."
        )
    dtype = np.int64 if wide else np.int32
    targets = lag.astype(dtype) * dtype(n_post) + cols.astype(dtype)
    # Never a place of another row of the ring, for those out of range.
    targets = xp.where(outside, dtype(-1), targets)
    rows = xp.clip(rows, 0, max(n_pre - 1, 0))
    counts = xp.bincount(rows, minlength=n_pre, **({"length": n_pre} if xp is jnp else {}))
    indptr = xp.concatenate([xp.zeros(1, dtype), xp.cumsum(counts).astype(dtype)])
    order = None
    if xp is jnp or (np.diff(rows) < 0).any():
        order = xp.argsort(rows, stable=True)
        targets = targets[order]
        order = jnp.asarray(order.astype(dtype))
        part = part[order] if part is not None and part.ndim else part
    return Route(jnp.asarray(targets), jnp.asarray(indptr), order, part, most, n_post), most


def check_route(route: Any, shape: tuple[int, int], n_synapses: int) -> None:
    """`ValueError` unless a route is one of `n_synapses` between as many units."""
    made_of = None
    if isinstance(route, Route):
        made_of = route.indptr.shape[0] - 1, route.n_post, route.targets.shape
    if made_of != (*shape, (n_synapses,)):
        what = type(route).__name__ if made_of is None else f"one of {made_of}"
        raise ValueError(
            f"the route is {what}, expected what `route` of this connectivity returns first, for "
            f"its {shape[0]} and {shape[1]} units and {n_synapses} synapses"
        )


def check_ring(ring: Array, s: Any, shape: tuple[int, int], most: int) -> None:
    """`ValueError` unless one vector of spikes and a ring that holds `most` steps are given."""
    n_pre, n_post = shape
    spikes = jnp.shape(getattr(s, "values", s))
    if spikes != (n_pre,):
        raise ValueError(f"`s` has shape {spikes}, expected ({n_pre},); batches need jax.vmap")
    size = math.prod(ring.shape)
    if ring.ndim != 1 or size % max(n_post, 1) or size < (most + 1) * n_post:
        raise ValueError(
            f"`ring` has shape {ring.shape}, expected one axis of D * {n_post} places, where D is "
            f"at least {most + 1} rows, one more than the steps of the route; batches need jax.vmap"
        )


def follow(
    ring: Array, n_post: int, w: Array, column: Array | None, s: Any, route: Route, head: ArrayLike
) -> Array:
    """The ring with the spikes `s` on their way.

    `w` is `()` or one weight per synapse, flat; `column` is a factor for each unit, or `None`.
    """
    if column is not None:
        w = w * column[route.targets % n_post]
    elif w.ndim and route.order is not None:
        w = w[route.order]
    shift = jnp.asarray(head, route.targets.dtype) * n_post
    pattern = (route.targets, route.indptr)
    if route.part is None:
        return contract("g", ring, w, s, *pattern, shift=shift)
    part = route.part.astype(w.dtype)
    ring = contract("g", ring, w * (1 - part), s, *pattern, shift=shift)
    return contract("g", ring, w * part, s, *pattern, shift=shift + n_post)


def _as_most(steps: float, dt: float, what: str) -> int:
    """The most steps of a delay, which int32 must hold."""
    if not steps <= np.iinfo(np.int32).max:
        raise ValueError(
            f"{what}: {steps:.3g} steps of {dt:g} ms are too many to remember; expected a shorter "
            "delay (ms) or a larger dt"
        )
    return int(steps)


def steps_of_delay(
    delay: Any, dt: float, what: str, longest: float | None = None
) -> tuple[Array, int]:
    """Delays (ms, or a `FractionalDelay`) in steps, and the most steps that they can be.

    Whole steps are int32 and must be hit; a `FractionalDelay` gives steps and parts of them.
    `longest` (ms) is the bound of delays that are traced.
    """
    if isinstance(delay, FractionalDelay):
        values, maximum = delay.values, delay.maximum
        check_bounds(values, maximum, what)
        if is_traced(values):
            values = eqx.error_if(
                values,
                ~jnp.all((values >= 0) & (values <= maximum * (1 + 1e-6))),
                f"{what}: a FractionalDelay is negative or beyond its maximum of {maximum:g} ms",
            )
        return values / dt, _as_most(max(math.ceil(maximum / dt * (1 - 1e-9)), 1), dt, what)
    if not is_traced(delay):
        values = np.asarray(delay)
        steps = np.rint(values / dt)
        bad = np.flatnonzero(abs(values / dt - steps) > slack(steps, values.dtype))
        if bad.size:
            first = int(bad[0])
            synapse = f" of synapse {first}" if values.ndim else ""
            steps_of(float(values.flat[first]), dt, f"{what}{synapse}")
        most = _as_most(float(steps.max(initial=0)), dt, what)
        return jnp.asarray(steps.astype(np.int32)), most
    if longest is None:
        raise ValueError(
            f"{what} is traced, but its longest value sets how much is remembered. Make the "
            "connectivity outside of jit, or give FractionalDelay(values, maximum=...)."
        )
    most = _as_most(round(longest / dt), dt, what)
    steps = jnp.round(delay / dt)
    wrong = (abs(delay / dt - steps) > slack(steps, delay.dtype)) | (steps < 0) | (steps > most)
    steps = eqx.error_if(
        steps,
        jnp.any(wrong),
        f"{what}: a delay is no multiple of dt = {dt:g} ms, negative, or beyond {longest:g} ms",
    )
    return steps.astype(jnp.int32), most


def is_common(delay: Any) -> bool:
    """Whether a delay is one for all synapses; a law is none."""
    values = delay.values if isinstance(delay, FractionalDelay) else delay
    return getattr(values, "shape", None) == ()


def longest(delay: Any) -> float | None:
    """The longest of plain delays, ms, where they are known."""
    known = eqx.is_array(delay) and not is_traced(delay)
    return float(np.max(np.asarray(delay), initial=0.0)) if known else None


def slack(steps: Any, dtype: Any) -> Any:
    """How far from whole numbers of steps delays may lie."""
    # Rounding of decimal fractions, which grows with the number of steps.
    return 1e-6 + 8 * float(jnp.finfo(dtype).eps) * abs(steps)


def split(lag: Array, most: int) -> tuple[Array, Array]:
    """A lag in steps as whole steps, at most `most - 1`, and the part of a step beyond them."""
    whole = jnp.round(lag)
    # Rounding must not split an arrival that is meant for one step; the derivative stays.
    close = abs(lag - whole) <= 8 * jnp.finfo(lag.dtype).eps * jnp.maximum(abs(whole), 1)
    lag = jnp.where(close, whole + (lag - jax.lax.stop_gradient(lag)), lag)
    near = jnp.clip(jnp.floor(jax.lax.stop_gradient(lag)), 0, most - 1)
    return near.astype(jnp.int32), lag - near
