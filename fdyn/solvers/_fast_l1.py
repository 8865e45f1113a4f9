"""The L1 method with a memory that does not grow."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import gammaln

from .._misc import exprel
from ._caputo import ANY_RUN, AbstractCaputoSolver, jumped
from ._fractional import (
    AbstractFractionalSolver,
    as_orders,
    check_at_most_one,
    check_reset,
    check_times,
    rows_like,
    steps_in,
)


def _spacing(tol: float) -> float:
    """Of the trapezoidal rule; its relative error is |Gamma(alpha + 2 pi i / step)|."""
    return math.pi**2 / math.log(30 / tol)


def _fastest(tol: float) -> float:
    """The last node: what lies beyond has decayed after one step."""
    return math.log(math.log(3 / tol))


def _count(tol: float, steps: int) -> int:
    """The first node is so slow that what lies before it has not decayed after so many steps."""
    slowest = math.log(5 * tol / steps)
    return math.ceil((_fastest(tol) - slowest) / _spacing(tol)) + 1


class FastL1(AbstractCaputoSolver):
    r"""The L1 method whose memory is a sum of exponentials: it does not grow with the run.

    $$\tau^{-\alpha} = \frac1{\Gamma(\alpha)} \int_{-\infty}^{\infty} e^{\alpha x - \tau e^x} dx
      \approx \sum_k w_k(\alpha)\,e^{-s_k \tau},\quad s_k = e^{x_k}$$

    by the trapezoidal rule, whose nodes depend on the tolerance and the length of the run only,
    so that everything is smooth in $\alpha$. Each exponential is one variable that decays. The
    increments of the last step count exactly, all before with a kernel whose relative error is
    below `tol` at every lag: the result differs from that of `L1` by that order. About
    $(\ln N + 2 \ln(1/\mathrm{tol}))\ln(1/\mathrm{tol})/10$ exponentials for $N$ steps. Order and
    stability are those of `L1`, $0 < \alpha \le 1$. Deterministic equations only.

    **Arguments:**

    - `alpha`, `implicit`, `reset`: as of `L1`.
    - `tol`: relative error of the kernel, 1e-8.
    - `horizon`: ms; the longest run that the nodes are for. By default as long as any run can be.

    **Raises:** `ValueError` for an order outside of (0, 1], and for a run beyond the horizon.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> method = FastL1({"v": 0.8}, implicit=False)
    >>> neuron = LIF(1, t_ref=2.0)
    >>> rec = simulate(neuron, 100.0, dt=0.1, inputs=30.0, solver=method, record="spike")
    >>> len(rec.spikes("spike").times)
    4

    ```

    **Source:** the recursion: Jiang, Zhang, Zhang & Zhang 2017, Commun. Comput. Phys. 21:650,
    eqs. 2.5 to 2.13; the quadrature of the kernel: Beylkin & Monzón 2010, Appl. Comput. Harmon.
    Anal. 28:131, eq. 3.
    """

    order: ClassVar[float] = 1

    alpha: Any = eqx.field(converter=as_orders)
    tol: float = eqx.field(default=1e-8, static=True)
    implicit: bool = eqx.field(default=True, static=True)
    reset: str = eqx.field(default="keep", static=True)
    horizon: float | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        check_at_most_one(self)
        check_reset(self)
        check_times(self, "horizon")
        if not 1e-14 <= self.tol <= 0.1:
            raise ValueError(f"FastL1: 'tol' must lie between 1e-14 and 0.1, got {self.tol!r}.")

    def _steps(self, dt: Any) -> int:
        return ANY_RUN if self.horizon is None else steps_in(self.horizon, dt)

    def room(self, dt: float, run: int | None) -> tuple[int, int]:
        """One row per exponential."""
        del run
        steps = self._steps(dt)
        return _count(self.tol, steps), steps

    def with_horizon(self, span: float) -> AbstractFractionalSolver:
        """Itself."""
        del span
        return self

    def weights(self, alpha: Array, rows: int) -> dict[str, Array]:
        """Loss in a step and weight of each exponential."""
        step = _spacing(self.tol)
        x = _fastest(self.tol) - step * np.arange(rows - 1, -1, -1)
        s = np.exp(x)
        s[0] = 0.0  # stands for all that are as slow or slower, which do not decay in a run
        shape = (-1, *(1,) * alpha.ndim)
        a = alpha[None]
        nodes = jnp.asarray(x.reshape(shape), alpha.dtype)
        speed = jnp.asarray(s.reshape(shape), alpha.dtype)
        w = step * jnp.exp(a * nodes - gammaln(a))
        w = w.at[0].divide(-jnp.expm1(-alpha * step))
        # The integral of the kernel over each step of the past, as the coefficients of L1 are.
        # And what is lost in a step: the factor that is left would be rounded near 1, always the
        # same way.
        return {"loss": -jnp.expm1(-speed), "weight": (1 - a) * w * exprel(-speed)}

    def blank(self, path: str, x: Array, rows: int) -> dict[str, Array]:
        """No increments; the first state."""
        del path
        past = {"modes": rows_like(x, rows), "before": x}
        return past if self.reset == "keep" else {**past, "last": x}

    def recall(
        self, w: dict[str, Array], past: dict[str, Array], x: Array, n: Array, dt: Array
    ) -> tuple[dict[str, Array], Array]:
        """The last increment joins every exponential; the state less their weighted sum."""
        del n, dt
        shape = (-1, *(1,) * x.ndim)

        def spread(v: Array) -> Array:
            return v.reshape(shape) if v.ndim == 1 else v

        modes = past["modes"] + (x - past["before"])[None]
        modes = modes - spread(w["loss"]) * modes
        past = {**past, "before": x}
        if self.reset == "clear":
            modes = jnp.where(jumped(past, x)[None], 0, modes)
        past["modes"] = modes
        if w["weight"].ndim == 1:
            total = jnp.tensordot(w["weight"], modes, 1, precision=jax.lax.Precision.HIGHEST)
        else:
            total = jnp.sum(w["weight"] * modes, 0)
        return past, x - total

    def scale(self, alpha: Array, dt: Array) -> Array:
        r"""$\Gamma(2 - \alpha)\,\Delta t^\alpha$."""
        return jnp.exp(gammaln(2 - alpha) + alpha * jnp.log(dt))
