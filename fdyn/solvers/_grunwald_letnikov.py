"""The Grünwald-Letnikov method."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ._caputo import AbstractCaputoSolver, jumped, rows_and_run
from ._fractional import (
    AbstractFractionalSolver,
    as_orders,
    as_velocity,
    check_reset,
    check_times,
    check_velocity,
    convolve,
    initial_slope,
    push,
    reversed_twice,
    rows_like,
)


class GrunwaldLetnikov(AbstractCaputoSolver):
    r"""The Grünwald-Letnikov method for ${}^C\!D^\alpha y = f(t, y)$, $0 < \alpha < 2$.

    $$\Delta t^{-\alpha} \sum_{j=0}^{n+1} \omega_j\,(y_{n+1-j} - T_{n+1-j}) = f(t_{n+1}, y_{n+1}),
      \quad \omega_j = (-1)^j \binom{\alpha}{j},\quad T_k = y_0 + \dot y_0\,t_k$$

    The Taylor polynomial $T$ of the initial values is taken off first, which makes the derivative
    that of Caputo: a constant stays constant. Order 1. Work and memory of a step grow with the
    number of steps. Deterministic equations only.

    **Arguments:**

    - `alpha`: the order: a number, an array over units, or a dictionary from the path of a leaf
      to those, where leaves that are not named have order 1 and take a step of backward Euler
      (explicit: exponential Euler). Traced: it can be fitted, and a new value compiles nothing.
    - `velocity`: the derivative at the start, unit/ms, in the forms of `alpha`; 0 by default.
      Orders of at most 1 have none: elements of such an order beside others pass it over.
    - `implicit`: by default the equation above, solved by Newton's method; else with
      $f(t_n, y_n)$ on its right, which costs less and is stable for small steps only.
    - `reset`: what a jump (a reset after a spike) does to the memory of the elements it changes.
      `"keep"`: the path with its jump is remembered. `"clear"`: the derivative starts anew there,
      with the velocity 0.
    - `horizon`: ms; the longest run that the memory is for. By default that of the run, where a
      new length compiles anew.
    - `window`: ms; to remember the last part of the path only (the short-memory principle), with
      an error that this choice accepts.

    **Raises:** `ValueError` for an order outside of (0, 2), for a velocity where no order is above
    1, and for a run beyond the horizon.

    ```python
    >>> from fdyn.solvers import solve_fde
    >>> method = GrunwaldLetnikov(1.5, velocity=1.0, implicit=False)
    >>> traj = solve_fde(lambda t, y, args: 0.0 * y, 0.0, [0.0, 2.0], None, method, dt=0.1)
    >>> round(float(traj.ys[-1]), 6)  # nothing acts on it: it goes on as it starts
    2.0

    ```

    **Source:** Podlubny 1999, Fractional Differential Equations, eqs. 7.18, 7.23 and, for the
    window, section 7.3; the initial values as in Diethelm 2010, definition 3.2.
    """

    order: ClassVar[float] = 1

    alpha: Any = eqx.field(converter=as_orders)
    velocity: Any = eqx.field(default=None, converter=as_velocity)
    implicit: bool = eqx.field(default=True, static=True)
    reset: str = eqx.field(default="keep", static=True)
    horizon: float | None = eqx.field(default=None, static=True)
    window: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        check_velocity(self)
        check_reset(self)
        check_times(self, "horizon", "window")

    def room(self, dt: float, run: int | None) -> tuple[int, int]:
        """One row per step of the run or of the window."""
        return rows_and_run(self, dt, run, self.window)

    def with_horizon(self, span: float) -> AbstractFractionalSolver:
        """A copy with this horizon."""
        return dataclasses.replace(self, horizon=span)

    def weights(self, alpha: Array, rows: int) -> dict[str, Array]:
        r"""The coefficients $\omega_1, \omega_2, \dots$ by their recurrence."""
        lag = jnp.arange(1, rows + 1, dtype=alpha.dtype).reshape(-1, *(1,) * alpha.ndim)
        return {"omega": reversed_twice(jnp.cumprod(1 - (alpha[None] + 1) / lag, 0))}

    def blank(self, path: str, x: Array, rows: int) -> dict[str, Array]:
        """No past; the Taylor polynomial of the start."""
        past = {"rows": rows_like(x, rows), "base": x}
        slope = initial_slope(self, path, x)
        if slope is not None:
            past["slope"] = slope
        if self.reset == "keep":
            return past
        return {**past, "last": x, "age": jnp.zeros(x.shape, jnp.int32)}

    def recall(
        self, w: dict[str, Array], past: dict[str, Array], x: Array, n: Array, dt: Array
    ) -> tuple[dict[str, Array], Array]:
        """What the state is beyond the polynomial joins the past."""
        past, made, age = dict(past), n, None
        if self.reset == "clear":
            fresh = jumped(past, x)
            past["base"] = jnp.where(fresh, x, past["base"])
            made = jnp.where(fresh, 0, past["age"])
            past["age"] = age = made + 1
            if "slope" in past:
                past["slope"] = jnp.where(fresh, 0, past["slope"])

        def polynomial(k: Array) -> Array:
            if "slope" not in past:
                return past["base"]
            return past["base"] + past["slope"] * (k.astype(dt.dtype) * dt)

        past["rows"] = push(past["rows"], x - polynomial(made), n)
        return past, polynomial(made + 1) - convolve(w["omega"], past["rows"], n, age)

    def scale(self, alpha: Array, dt: Array) -> Array:
        r"""$\Delta t^\alpha$."""
        return jnp.exp(alpha * jnp.log(dt))
