"""Exponential Euler."""

from typing import Any, ClassVar

import jax
from jax import Array
from jaxtyping import PyTree

from .._misc import exprel
from ..components._base import AbstractComponent, Affine, Args, is_affine
from ._base import AbstractOneStepSolver, require_no_noise


class ExponentialEuler(AbstractOneStepSolver):
    r"""Exact for each leaf that is linear in itself, with everything else held for one step.

    For a leaf whose derivative is given as $a y + b$,
    $$y_{n+1} = y_n + \Delta t\,\varphi(a\,\Delta t)\,(a y_n + b),\quad
      \varphi(z) = (e^z - 1)/z;$$
    a leaf whose derivative is a plain array takes an Euler step. Order 1. The default of
    `simulate`: stable for stiff gates and conductances at the steps usual in the field.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from fdyn.components import LIF, Args
    >>> neuron = LIF(1, tau=10.0, v_rest=0.0, v_init=1.0, v_th=9.0, v_reset=0.0)
    >>> s = neuron.init(key=jax.random.key(0), dt=1.0)
    >>> y, _ = ExponentialEuler().step(neuron, 0.0, 10.0, s.y, Args(s.mem), (), None)
    >>> round(float(y["v"][0]), 6)  # exp(-1)
    0.367879

    ```

    **Source:** Certaine 1960; Hochbruck & Ostermann 2010, Acta Numerica 19:209, eq. 1.4, on the
    diagonal; MacGregor 1987 for neurons.
    """

    order: ClassVar[float] = 1

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
        rates = model.flow(t, y, args)
        return jax.tree.map(
            lambda r, x: _advance(r, x, dt), rates, y, is_leaf=is_affine
        ), solver_state


def _advance(rate: Any, y: Array, dt: Array) -> Array:
    if not isinstance(rate, Affine):
        return y + dt * rate
    return y + dt * exprel(dt * rate.a) * rate(y)
