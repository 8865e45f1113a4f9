"""The stochastic Heun method."""

from typing import ClassVar

import diffrax
import jax
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver
from ._noise import increments, product


class StochasticHeun(AbstractOneStepSolver):
    r"""Heun's method for Stratonovich equations with any noise.

    $$\tilde y = y_n + f(t_n, y_n)\,\Delta t + g(t_n, y_n)\,\Delta W_n$$
    $$y_{n+1} = y_n + \tfrac12\big(f(t_n, y_n) + f(t_{n+1}, \tilde y)\big)\,\Delta t
      + \tfrac12\big(g(t_n, y_n) + g(t_{n+1}, \tilde y)\big)\,\Delta W_n$$

    It reads the equation in the sense of Stratonovich (where the noise is additive there is no
    difference). Strong and weak order 1 where the noise commutes: additive noise, a single Wiener
    process, or diagonal noise with each coefficient a function of its own variable; else strong
    order 1/2. Without noise it is Heun's method, of order 2.

    **Arguments:** `brownian`: a Brownian path such as that of `brownian_path`; by default fresh
    increments.

    ```python
    >>> StochasticHeun().order
    1

    ```

    **Source:** Rümelin 1982, SIAM J. Numer. Anal. 19:604; Kloeden & Platen 1992, Numerical
    Solution of SDEs, section 4.9 for the interpretation.
    """

    order: ClassVar[float] = 1

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
        field = vector_field(model)
        noise = model.diffusion(t, y, args)
        dw = None if noise is None else increments(noise, y, t, dt, key, self.brownian)

        def change(t: Array, x: PyTree, noise: PyTree) -> PyTree:
            drift = jax.tree.map(lambda f: dt * f, field(t, x, args))
            if dw is None:
                return drift
            return jax.tree.map(jax.lax.add, drift, product(noise, dw, x))

        first = change(t, y, noise)
        ahead = jax.tree.map(jax.lax.add, y, first)
        second = change(t + dt, ahead, model.diffusion(t + dt, ahead, args))
        return jax.tree.map(lambda x, a, b: x + (a + b) / 2, y, first, second), solver_state
