"""The Euler-Maruyama method."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._misc import child_key
from .._tree import path_str
from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver


class EulerMaruyama(AbstractOneStepSolver):
    r"""The Euler-Maruyama method for Itô equations with diagonal noise.

    $$y_{n+1} = y_n + \Delta t f(t_n, y_n) + g(t_n, y_n)\,\Delta W_n,\quad
      \Delta W_n \sim \mathcal N(0, \Delta t)$$

    Strong order 1/2 (1 where the noise is additive), weak order 1. Leaves whose coefficient is
    `None` get no noise; without any noise it is Euler's method. Every leaf draws from its own
    key, so adding a component does not change the noise of the others.

    ```python
    >>> EulerMaruyama().order
    0.5

    ```

    **Source:** Maruyama 1955, Rend. Circ. Mat. Palermo 4:48; Kloeden & Platen 1992, Numerical
    Solution of SDEs, eq. 10.2.4.
    """

    order: ClassVar[float] = 0.5

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

        def add(path: Any, g: Any, x: PyTree) -> PyTree:
            if g is None:
                return x
            dw = jnp.sqrt(dt) * jax.random.normal(child_key(key, path_str(path)), x.shape, x.dtype)
            return x + g * dw

        new = jax.tree_util.tree_map_with_path(add, noise, new, is_leaf=lambda g: g is None)
        return new, solver_state
