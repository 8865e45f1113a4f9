"""Explicit Runge-Kutta methods, from their tableaux."""

from typing import ClassVar

import jax
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver, require_no_noise

Tableau = tuple[tuple[tuple[float, ...], ...], tuple[float, ...], tuple[float, ...]]


def _combine(y: PyTree, dt: Array, weights: tuple[float, ...], stages: list[PyTree]) -> PyTree:
    used = [(w, k) for w, k in zip(weights, stages, strict=True) if w != 0]
    if not used:
        return y
    factors = [w for w, _ in used]

    def leaf(x: Array, *ks: Array) -> Array:
        return x + dt * sum(
            (w * k for w, k in zip(factors[1:], ks[1:], strict=True)), start=factors[0] * ks[0]
        )

    return jax.tree.map(leaf, y, *(k for _, k in used))


class AbstractRungeKutta(AbstractOneStepSolver):
    r"""An explicit Runge-Kutta method, $k_i = f(t + c_i \Delta t, y + \Delta t \sum_j a_{ij} k_j)$.

    `tableau` holds the rows of $a$ below the diagonal, then $b$, then $c$ (Butcher 1964).
    """

    tableau: ClassVar[Tableau]

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
        field = vector_field(model)
        a, b, c = self.tableau
        stages: list[PyTree] = []
        for row, node in zip(a, c, strict=True):
            stages.append(field(t + node * dt, _combine(y, dt, row, stages), args))
        return _combine(y, dt, b, stages), solver_state


class Euler(AbstractRungeKutta):
    r"""Euler's method, $y_{n+1} = y_n + \Delta t f(t_n, y_n)$. Order 1.

    ```python
    >>> Euler().order
    1

    ```

    **Source:** Euler 1768, Institutionum calculi integralis, vol. 1; Hairer, Nørsett & Wanner
    1993, Solving ODEs I, eq. I.7.3.
    """

    order: ClassVar[float] = 1
    tableau: ClassVar[Tableau] = (((),), (1.0,), (0.0,))


class Heun(AbstractRungeKutta):
    r"""Heun's method: the trapezoidal rule with an Euler predictor. Order 2.

    ```python
    >>> Heun().order
    2

    ```

    **Source:** Heun 1900, Z. Math. Phys. 45:23; Hairer, Nørsett & Wanner 1993, table II.1.1.
    """

    order: ClassVar[float] = 2
    tableau: ClassVar[Tableau] = (((), (1.0,)), (0.5, 0.5), (0.0, 1.0))


class RK4(AbstractRungeKutta):
    r"""The classical Runge-Kutta method. Order 4, for smooth inputs that are constant in a step.

    ```python
    >>> RK4().order
    4

    ```

    **Source:** Kutta 1901, Z. Math. Phys. 46:435; Hairer, Nørsett & Wanner 1993, table II.1.2.
    """

    order: ClassVar[float] = 4
    tableau: ClassVar[Tableau] = (
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
        (0.0, 0.5, 0.5, 1.0),
    )
