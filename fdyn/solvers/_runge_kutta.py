"""Explicit Runge-Kutta methods, from their tableaux."""

import math
from typing import ClassVar

import equinox as eqx
import jax
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver, require_no_noise

# The rows of a below the diagonal, then b, then c.
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
    r"""An explicit Runge-Kutta method, $k_i = f(t + c_i \Delta t, y + \Delta t \sum_j a_{ij} k_j)$,
    $y_{n+1} = y_n + \Delta t \sum_i b_i k_i$.

    `tableau` holds the rows of $a$ below the diagonal, then $b$, then $c$ (Butcher 1964).
    """

    tableau: eqx.AbstractVar[Tableau]

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


def _second_order(beta: float) -> Tableau:
    """All methods of two stages and order 2: the second stage lies at `beta`."""
    last = 1 / (2 * beta)
    return ((), (beta,)), (1 - last, last), (0.0, beta)


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


class Midpoint(AbstractRungeKutta):
    r"""The midpoint rule, $y_{n+1} = y_n + \Delta t f(t_n + \Delta t/2, y_n + \Delta t/2\, k_1)$.

    Order 2, two evaluations of the flow.

    ```python
    >>> Midpoint().order
    2

    ```

    **Source:** Runge 1895, Math. Ann. 46:167; Hairer, Nørsett & Wanner 1993, eq. II.1.4.
    """

    order: ClassVar[float] = 2
    tableau: ClassVar[Tableau] = _second_order(1 / 2)


class Heun(AbstractRungeKutta):
    r"""Heun's method: the trapezoidal rule with an Euler predictor. Order 2.

    ```python
    >>> Heun().order
    2

    ```

    **Source:** Heun 1900, Z. Math. Phys. 45:23; Hairer, Nørsett & Wanner 1993, table II.1.1.
    """

    order: ClassVar[float] = 2
    tableau: ClassVar[Tableau] = _second_order(1.0)


class Ralston(AbstractRungeKutta):
    r"""Ralston's method: of two stages and order 2, that with the least bound on its error.

    $$y_{n+1} = y_n + \Delta t\,(k_1/4 + 3 k_2/4),\quad
      k_2 = f(t_n + 2\Delta t/3, y_n + 2\Delta t\,k_1/3)$$

    ```python
    >>> Ralston().order
    2

    ```

    **Source:** Ralston 1962, Math. Comput. 16:431; its bound is on the term of order 3.
    """

    order: ClassVar[float] = 2
    tableau: ClassVar[Tableau] = _second_order(2 / 3)


class RK2(AbstractRungeKutta):
    r"""The methods of two stages and order 2, by the place of the second stage.

    $$y_{n+1} = y_n + \Delta t\left(\left(1 - \tfrac{1}{2\beta}\right) k_1
      + \tfrac{1}{2\beta} k_2\right),\quad
      k_2 = f(t_n + \beta \Delta t, y_n + \beta \Delta t\, k_1)$$

    $\beta$ = 1/2 is `Midpoint`, 2/3 `Ralston`, 1 `Heun`.

    **Arguments:** `beta`: a positive number, 2/3; part of the structure, so a new one compiles
    anew.

    **Raises:** `ValueError` for a `beta` that is not positive.

    ```python
    >>> RK2(beta=1.0).tableau == Heun().tableau
    True

    ```

    **Source:** Butcher 2016, Numerical Methods for Ordinary Differential Equations, section 23.
    """

    order: ClassVar[float] = 2
    beta: float = eqx.field(default=2 / 3, static=True)

    def __check_init__(self):
        known = isinstance(self.beta, int | float) and not isinstance(self.beta, bool)
        if not (known and math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(
                f"RK2: 'beta' must be a positive number (1/2, 2/3 and 1 are usual), got "
                f"{self.beta!r}."
            )

    @property
    def tableau(self) -> Tableau:
        """The coefficients for `beta`."""
        return _second_order(self.beta)


class RK3(AbstractRungeKutta):
    r"""Kutta's method of three stages. Order 3.

    ```python
    >>> RK3().order
    3

    ```

    **Source:** Kutta 1901, Z. Math. Phys. 46:435; Butcher 2016, section 23.
    """

    order: ClassVar[float] = 3
    tableau: ClassVar[Tableau] = (
        ((), (0.5,), (-1.0, 2.0)),
        (1 / 6, 2 / 3, 1 / 6),
        (0.0, 0.5, 1.0),
    )


class SSPRK3(AbstractRungeKutta):
    r"""The strong-stability-preserving method of three stages: averages of Euler steps. Order 3.

    What an Euler step of this length keeps (a bound, positivity, a decreasing norm) it keeps too.

    ```python
    >>> SSPRK3().order
    3

    ```

    **Source:** Shu & Osher 1988, J. Comput. Phys. 77:439, eq. 2.18; Gottlieb, Shu & Tadmor 2001,
    SIAM Rev. 43:89, section 4.
    """

    order: ClassVar[float] = 3
    tableau: ClassVar[Tableau] = (
        ((), (1.0,), (1 / 4, 1 / 4)),
        (1 / 6, 1 / 6, 2 / 3),
        (0.0, 1.0, 0.5),
    )


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


class RK38(AbstractRungeKutta):
    r"""Kutta's 3/8 rule. Order 4, with somewhat smaller error coefficients than `RK4`.

    ```python
    >>> RK38().order
    4

    ```

    **Source:** Kutta 1901, Z. Math. Phys. 46:435; Hairer, Nørsett & Wanner 1993, table II.1.2.
    """

    order: ClassVar[float] = 4
    tableau: ClassVar[Tableau] = (
        ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
        (1 / 8, 3 / 8, 3 / 8, 1 / 8),
        (0.0, 1 / 3, 2 / 3, 1.0),
    )
