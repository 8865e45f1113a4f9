"""The fractional predictor-corrector of Adams, Bashforth and Moulton."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln
from jaxtyping import PyTree

from .._tree import leaf_paths
from ..components._base import AbstractComponent, Args, vector_field
from ._base import require_no_noise
from ._caputo import jumped, rows_and_run
from ._fractional import (
    AbstractFractionalSolver,
    as_orders,
    as_velocity,
    check_times,
    check_velocity,
    convolve,
    held_masks,
    initial_slope,
    push,
    reversed_twice,
    rows_like,
    within,
)

# From this lag on the differences of powers are taken from their series, and with so many terms
# the rest is below rounding.
_FAR, _TERMS = 8, 18
# For how many steps an element has not been held is counted up to this.
_LONG_FREE = 2


class AdamsBashforthMoulton(AbstractFractionalSolver):
    r"""The predictor-corrector method for ${}^C\!D^\alpha y = f(t, y)$, $0 < \alpha < 2$.

    The integral form of the equation, with $f$ constant within a step to predict and linear to
    correct (PECE):
    $$y_{n+1} = T_{n+1} + \frac{\Delta t^\alpha}{\Gamma(\alpha + 2)}
      \Big(f(t_{n+1}, y^P_{n+1}) + \sum_{j=0}^n a_{j,n+1} f_j\Big),\quad T_k = y_0 + \dot y_0 t_k$$

    Order $\min(2, 1 + \alpha)$ where ${}^C\!D^\alpha y$ is smooth, which is the case for a smooth
    $f$ at times away from the start. Explicit, so stiff equations need small steps. Work and
    memory of a step grow with the number of steps. Deterministic equations only.

    A jump (a reset after a spike) clears the memory of the elements that it changes: their
    derivative starts anew there, with the velocity 0; after a refractory period, at its end. (To
    keep it, the derivative of the path during the reset itself would be needed; `L1` and
    `GrunwaldLetnikov` can.)

    **Arguments:**

    - `alpha`: the order: a number, an array over units, or a dictionary from the path of a leaf
      to those, where leaves that are not named have order 1 and take a step of Heun's method.
      Traced: it can be fitted, and a new value compiles nothing.
    - `velocity`: the derivative at the start, unit/ms, in the forms of `alpha`; 0 by default.
      Orders of at most 1 have none: elements of such an order beside others pass it over.
    - `horizon`: ms; the longest run that the memory is for. By default that of the run, where a
      new length compiles anew.

    **Raises:** `ValueError` for an order outside of (0, 2), for a velocity where no order is above
    1, and for a run beyond the horizon.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.solvers import mittag_leffler, solve_fde
    >>> method = AdamsBashforthMoulton(1.5)
    >>> traj = solve_fde(lambda t, y, args: -y, 1.0, [0.0, 2.0], None, method, dt=0.01)
    >>> exact = mittag_leffler(-(2.0**1.5), 1.5)
    >>> bool(abs(traj.ys[-1] - exact) < 1e-4)
    True

    ```

    **Source:** Diethelm, Ford & Freed 2002, Nonlinear Dynamics 29:3, eqs. 9 to 14.
    """

    order: ClassVar[float] = 1

    alpha: Any = eqx.field(converter=as_orders)
    velocity: Any = eqx.field(default=None, converter=as_velocity)
    horizon: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        check_velocity(self)
        check_times(self, "horizon")

    def room(self, dt: float, run: int | None) -> tuple[int, int]:
        """One row per step of the run."""
        return rows_and_run(self, dt, run, None)

    def with_horizon(self, span: float) -> AbstractFractionalSolver:
        """A copy with this horizon."""
        return dataclasses.replace(self, horizon=span)

    def weights(self, alpha: Array, rows: int) -> dict[str, Array]:
        """The weights of predictor and corrector at the lags 1, 2, ..., as after a long past."""
        lag = jnp.arange(1, rows + 1, dtype=alpha.dtype).reshape(-1, *(1,) * alpha.ndim)
        a = alpha[None]
        predict = jnp.concatenate([jnp.ones_like(a), _step(a, lag[:-1])])
        return {"predict": reversed_twice(predict), "correct": reversed_twice(_bend(a + 1, lag))}

    def blank(self, path: str, x: Array, rows: int) -> dict[str, Array]:
        """No past; the Taylor polynomial of the start."""
        past = {
            "rows": rows_like(x, rows),
            "base": x,
            "last": x,
            "first": jnp.zeros_like(x),
            "age": jnp.zeros(x.shape, jnp.int32),
            "free": jnp.full(x.shape, _LONG_FREE, jnp.int32),
            "then": jnp.zeros_like(x),
            "kink": jnp.zeros_like(x),
        }
        slope = initial_slope(self, path, x)
        return past if slope is None else {**past, "slope": slope}

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """One step of the method."""
        del key
        require_no_noise(self, model, t, y, args)
        name = type(self).__name__
        memory = solver_state[name]
        field, n = vector_field(model), memory["step"]
        leaves, treedef = jax.tree.flatten(y)
        paths, orders, past = leaf_paths(y), self.orders(y), dict(memory["past"])
        masks = held_masks(model, y, args)
        rates = jax.tree.leaves(field(t, y, args))
        predicted, start = [], {}
        for path, x, f, mask in zip(paths, leaves, rates, masks, strict=True):
            h = jnp.asarray(dt, jnp.finfo(x.dtype).dtype)
            if path not in orders:
                predicted.append(x + h * f)
                continue
            past[path], start[path] = _begin(past[path], x, f, mask, n, h)
            w, alpha, own = memory["weights"][path], orders[path], past[path]
            whole = convolve(w["predict"], own["rows"], n, own["age"])
            scale = jnp.exp(alpha * jnp.log(h) - gammaln(alpha + 1))
            predicted.append(start[path] + scale * whole)
        guess = jax.tree.unflatten(treedef, predicted)
        ahead = jax.tree.leaves(field(t + dt, guess, args))
        new = []
        for path, x, f, then, mask in zip(paths, leaves, rates, ahead, masks, strict=True):
            h = jnp.asarray(dt, jnp.finfo(x.dtype).dtype)
            if path in orders:
                w, alpha, own = memory["weights"][path], orders[path], past[path]
                whole = then + convolve(w["correct"], own["rows"], n, own["age"])
                age = own["age"].astype(h.dtype)
                whole = whole + _edge(alpha + 1, age) * own["first"]
                if mask is not None:
                    # The step before the jump has seen none of it.
                    whole = whole + _edge(alpha + 1, jnp.maximum(age - 1, 1)) * own["kink"]
                    past[path] = {**own, "then": then}
                scale = jnp.exp(alpha * jnp.log(h) - gammaln(alpha + 2))
                value = start[path] + scale * whole
            else:
                value = x + h / 2 * (f + then)
            new.append(within(memory, value if mask is None else jnp.where(mask, x, value)))
            if path in orders:
                past[path] = {**past[path], "last": new[-1]}
        memory = {**memory, "past": past, "step": n + 1}
        return jax.tree.unflatten(treedef, new), {name: memory}


def _begin(
    past: dict[str, Array],
    x: Array,
    f: Array,
    mask: Array | None,
    n: Array,
    dt: Array,
) -> tuple[dict[str, Array], Array]:
    """The memory with the derivative of this step, and the Taylor polynomial at its end."""
    past = dict(past)
    anew = jumped(past, x)
    if mask is not None:
        # What was held has moved by no derivative. The first step after may have been free in part
        # only, with a slower flow (interpolated spikes): the derivative jumps at its end.
        free = past["free"]
        anew = anew | mask | (free == 0)
        kink = jnp.where(free == 1, f - past["then"], past["kink"])
        past["kink"] = jnp.where(anew, 0, kink)
        past["free"] = jnp.where(mask, 0, jnp.minimum(free + 1, _LONG_FREE))
    past["base"] = jnp.where(anew, x, past["base"])
    past["age"] = jnp.where(anew, 0, past["age"]) + 1
    past["first"] = jnp.where(past["age"] == 1, f, past["first"])
    past["rows"] = push(past["rows"], f, n)
    if "slope" not in past:
        return past, past["base"]
    past["slope"] = jnp.where(anew, 0, past["slope"])
    return past, past["base"] + past["slope"] * (past["age"].astype(dt.dtype) * dt)


# --- differences of powers, without their cancellation ------------------------------------------


def _step(p: Array, k: Array) -> Array:
    """$(k + 1)^p - k^p$ for $k \\ge 1$."""
    return jnp.exp(p * jnp.log(k)) * jnp.expm1(p * jnp.log1p(1 / k))


def _binomials(p: Array) -> list[Array]:
    """$\\binom{p}{0}, \\binom{p}{1}, \\dots$"""
    found = [jnp.ones_like(p)]
    for i in range(_TERMS):
        found.append(found[-1] * (p - i) / (i + 1))
    return found


def _bend(p: Array, k: Array) -> Array:
    """$(k + 1)^p - 2 k^p + (k - 1)^p$ for $k \\ge 1$."""
    near = k < _FAR
    safe = jnp.where(near, k, 1)
    below = jnp.where(safe > 1, safe - 1, 1)
    low = jnp.where(safe > 1, below**p, 0)
    direct = (safe + 1) ** p - 2 * safe**p + low
    far = jnp.where(near, _FAR, k)
    c = _binomials(p)
    series = sum((2 * c[i] * far**-i for i in range(_TERMS, 2, -2)), start=2 * c[2] * far**-2.0)
    return jnp.where(near, direct, far**p * series)


def _edge(p: Array, m: Array) -> Array:
    """$m^p + p m^{p-1} - (m + 1)^p$: the first value counts from one side only."""
    near = m < _FAR
    safe = jnp.where(near, m, 1)
    direct = safe**p + p * safe ** (p - 1) - (safe + 1) ** p
    far = jnp.where(near, _FAR, m)
    c = _binomials(p)
    series = sum((c[i] * far ** (p - i) for i in range(_TERMS, 1, -1)), start=jnp.zeros_like(far))
    return jnp.where(near, direct, -series)
