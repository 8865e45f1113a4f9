"""The Euler-Maruyama method."""

from typing import ClassVar

import diffrax
import jax
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver
from ._noise import increments, product


class EulerMaruyama(AbstractOneStepSolver):
    r"""The Euler-Maruyama method for Itô equations with any noise.

    $$y_{n+1} = y_n + \Delta t f(t_n, y_n) + g(t_n, y_n)\,\Delta W_n,\quad
      \Delta W_n \sim \mathcal N(0, \Delta t)$$

    Strong order 1/2 (1 where the noise is additive), weak order 1. Leaves whose coefficient is
    `None` get no noise; without any noise it is Euler's method. Every leaf draws from its own
    key, so adding a component does not change the noise of the others.

    **Arguments:** `brownian`: a Brownian path such as that of `brownian_path`; by default fresh
    increments.

    ```python
    >>> EulerMaruyama().order
    0.5

    ```

    **Source:** Maruyama 1955, Rend. Circ. Mat. Palermo 4:48; Kloeden & Platen 1992, Numerical
    Solution of SDEs, eq. 10.2.4.
    """

    order: ClassVar[float] = 0.5

    brownian: diffrax.AbstractBrownianPath | None = None

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
        drift = vector_field(model)(t, y, args)
        new = jax.tree.map(lambda x, f: x + dt * f, y, drift)
        noise = model.diffusion(t, y, args)
        if noise is None:
            return new, solver_state
        change = product(noise, increments(noise, y, t, dt, key, self.brownian), y)
        return jax.tree.map(jax.lax.add, new, change), solver_state
