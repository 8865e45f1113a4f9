"""The L1 method."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln

from ._caputo import AbstractCaputoSolver, jumped, rows_and_run
from ._fractional import (
    AbstractFractionalSolver,
    as_orders,
    check_at_most_one,
    check_reset,
    check_times,
    convolve,
    push,
    reversed_twice,
    rows_like,
)


class L1(AbstractCaputoSolver):
    r"""The L1 method for ${}^C\!D^\alpha y = f(t, y)$, $0 < \alpha \le 1$, with its full memory.

    The path is taken to be straight within a step:
    $$\frac{\Delta t^{-\alpha}}{\Gamma(2-\alpha)} \sum_{j=0}^{n} b_j\,(y_{n+1-j} - y_{n-j})
      = f(t_{n+1}, y_{n+1}),\quad b_j = (j+1)^{1-\alpha} - j^{1-\alpha}$$

    Order $2 - \alpha$ where the solution is smooth, 1 near a start at which it is not (as it is
    with a smooth $f$); explicit: order 1. A constant stays constant. Work and memory of a step
    grow with the number of steps: see `FastL1`. Deterministic equations only.

    **Arguments:**

    - `alpha`: the order: a number, an array over units, or a dictionary from the path of a leaf
      to those, where leaves that are not named have order 1 and take a step of backward Euler
      (explicit: exponential Euler). Traced: it can be fitted, and a new value compiles nothing.
    - `implicit`: by default the equation above, solved by Newton's method; else with
      $f(t_n, y_n)$ on its right, which costs less and is stable for small steps only.
    - `reset`: what a jump (a reset after a spike) does to the memory of the elements it changes.
      `"keep"`: the jump is one more increment of the path. `"clear"`: the derivative starts anew
      there.
    - `horizon`: ms; the longest run that the memory is for. By default that of the run, where a
      new length compiles anew.
    - `window`: ms; to remember the last part of the path only (the short-memory principle): older
      increments are dropped, with an error that this choice accepts.

    **Raises:** `ValueError` for an order outside of (0, 1], and for a run beyond the horizon.

    ```python
    >>> from fdyn.solvers import mittag_leffler, solve_fde
    >>> traj = solve_fde(lambda t, y, args: -y, 1.0, [0.0, 1.0], None, L1(0.5), dt=0.01)
    >>> round(float(traj.ys[-1]), 2), round(float(mittag_leffler(-1.0, 0.5)), 2)
    (0.43, 0.43)

    ```

    **Source:** Oldham & Spanier 1974, The Fractional Calculus, eq. 8.2.6; Lin & Xu 2007, J.
    Comput. Phys. 225:1533, eqs. 3.1 to 3.3; the explicit rule: Teka, Marinov & Santamaria 2014,
    PLoS Comput. Biol. 10:e1003526, eq. 5; the window: Podlubny 1999, Fractional Differential
    Equations, section 7.3.
    """

    order: ClassVar[float] = 1

    alpha: Any = eqx.field(converter=as_orders)
    implicit: bool = eqx.field(default=True, static=True)
    reset: str = eqx.field(default="keep", static=True)
    horizon: float | None = eqx.field(default=None, static=True)
    window: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        check_at_most_one(self)
        check_reset(self)
        check_times(self, "horizon", "window")

    def room(self, dt: float, run: int | None) -> tuple[int, int]:
        """One row per step of the run or of the window."""
        return rows_and_run(self, dt, run, self.window)

    def with_horizon(self, span: float) -> AbstractFractionalSolver:
        """A copy with this horizon."""
        return dataclasses.replace(self, horizon=span)

    def weights(self, alpha: Array, rows: int) -> dict[str, Array]:
        """The coefficients $b_1, b_2, \\dots$ of the increments."""
        lag = jnp.arange(1, rows + 1, dtype=alpha.dtype).reshape(-1, *(1,) * alpha.ndim)
        # The difference of powers, without the cancellation.
        p = 1 - alpha[None]
        b = jnp.exp(p * jnp.log(lag)) * jnp.expm1(p * jnp.log1p(1 / lag))
        return {"b": reversed_twice(b)}

    def blank(self, path: str, x: Array, rows: int) -> dict[str, Array]:
        """No increments; the first state."""
        del path
        past = {"rows": rows_like(x, rows), "before": x}
        if self.reset == "keep":
            return past
        return {**past, "last": x, "age": jnp.zeros(x.shape, jnp.int32)}

    def recall(
        self, w: dict[str, Array], past: dict[str, Array], x: Array, n: Array, dt: Array
    ) -> tuple[dict[str, Array], Array]:
        """The last increment joins the others; the state less their weighted sum."""
        del dt
        past, age = dict(past), None
        if self.reset == "clear":
            past["age"] = age = jnp.where(jumped(past, x), 0, past["age"] + 1)
        past["rows"] = push(past["rows"], x - past["before"], n)
        past["before"] = x
        return past, x - convolve(w["b"], past["rows"], n, age)

    def scale(self, alpha: Array, dt: Array) -> Array:
        r"""$\Gamma(2 - \alpha)\,\Delta t^\alpha$."""
        return jnp.exp(gammaln(2 - alpha) + alpha * jnp.log(dt))
