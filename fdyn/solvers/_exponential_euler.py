"""Exponential Euler."""

from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._misc import exprel
from ..components._base import AbstractComponent, Affine, Args, is_affine
from ._base import AbstractOneStepSolver
from ._linear_part import Linear, linear_field, rates_of
from ._noise import increments, product


class ExponentialEuler(AbstractOneStepSolver):
    r"""Exact for each leaf that is linear in itself, with everything else held for one step.

    For a leaf whose derivative is given as $a y + b$,
    $$y_{n+1} = y_n + \Delta t\,\varphi(a\,\Delta t)\,(a y_n + b),\quad
      \varphi(z) = (e^z - 1)/z;$$
    a leaf whose derivative is a plain array takes an Euler step. Order 1. The default of
    `simulate`: stable for stiff gates and conductances at the steps usual in the field.

    Noise, in the sense of Itô, is weighted such that its variance over a step is that of the
    Ornstein-Uhlenbeck process,
    $$\sqrt{\varphi(2 a\,\Delta t)}\;g\,\Delta W_n,\quad
      \text{of variance } g^2 \frac{e^{2 a \Delta t} - 1}{2a},$$
    so that a linear leaf with additive noise has its exact distribution on the grid at any step.
    Of processes that leaves share, the covariance of two elements is exact where their rates $a$
    are equal, else to the second order of their difference times the step. Strong order 1 where
    the noise is additive, else 1/2; weak order 1.

    **Arguments:**

    - `linear`: where $a$ comes from. `"affine"`, the default: from the flow itself, at no cost.
      `"diagonal"`: the diagonal of the Jacobian of the flow at $y_n$ by automatic
      differentiation, for flows that name no linear part or that bend in themselves (the upstroke
      of an exponential or quadratic neuron, a rate through a gain function). It is the diagonal
      also where units of one leaf are coupled; then it costs one differentiation per unit.
    - `brownian`: a Brownian path such as that of `brownian_path`; by default fresh increments.

    **Raises:** `ValueError` for another `linear`.

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
    diagonal; MacGregor 1987 for neurons; Pope 1963, Commun. ACM 6:491, for the Jacobian;
    Gillespie 1996, Phys. Rev. E 54:2084, for the variance.
    """

    order: ClassVar[float] = 1
    linear: Linear = linear_field()
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
        rates = rates_of(model, self.linear, args)(t, y)
        new = jax.tree.map(lambda r, x: _advance(r, x, dt), rates, y, is_leaf=is_affine)
        noise = model.diffusion(t, y, args)
        if noise is None:
            return new, solver_state
        change = product(noise, increments(noise, y, t, dt, key, self.brownian), y)
        weighted = jax.tree.map(lambda r, c: _weight(r, dt) * c, rates, change, is_leaf=is_affine)
        return jax.tree.map(jax.lax.add, new, weighted), solver_state


def _advance(rate: Any, y: Array, dt: Array) -> Array:
    if not isinstance(rate, Affine):
        return y + dt * rate
    # A rate of the equation itself may be a plain number, and so may the step.
    z = jnp.asarray(dt * rate.a, y.dtype)
    return y + dt * exprel(z) * rate(y)


def _weight(rate: Any, dt: Array) -> Any:
    return jnp.sqrt(exprel(2 * dt * rate.a)) if isinstance(rate, Affine) else 1.0
