"""Exponential time differencing: Runge-Kutta methods that are exact in the linear part."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, is_affine, vector_field
from ._base import AbstractOneStepSolver, require_no_noise
from ._linear_part import Linear, linear_field, rates_of

# Below this the fraction loses more digits to cancellation than the series needs terms.
_SERIES_UP_TO = 1.0


def phis(z: Array) -> tuple[Array, Array, Array]:
    r"""The functions $\varphi_{k+1}(z) = (\varphi_k(z) - 1/k!)/z$, $\varphi_0 = e^z$, up to 3."""
    small = jnp.abs(z) < _SERIES_UP_TO
    # Argument and result are both selected: a gradient also flows through the branch not taken.
    near, far = jnp.where(small, z, 0), jnp.where(small, 1, z)
    terms = 11 if jnp.finfo(z.dtype).bits <= 32 else 18
    third = jnp.full_like(z, 1 / math.factorial(terms + 2))
    for k in range(terms + 1, 2, -1):
        third = third * near + 1 / math.factorial(k)
    second = 1 / 2 + near * third
    first = 1 + near * second
    far1 = (jnp.exp(far) - 1) / far
    far2 = (far1 - 1) / far
    far3 = (far2 - 1 / 2) / far
    values = [jnp.where(small, a, b) for a, b in ((first, far1), (second, far2), (third, far3))]
    # Else XLA repeats the series in each of the loops that use it.
    return jax.lax.optimization_barrier(tuple(values))


class _Split:
    """A flow during one step: $f(t, y) = a y + N(t, y)$ with the slopes `a` of its beginning.

    States and values of N are lists of leaves; the slope of a leaf is `None` where the flow names
    no linear part.
    """

    def __init__(self, model: AbstractComponent, linear: Linear, args: Args, t: Array, y: PyTree):
        self.args, self.field = args, vector_field(model)
        self.start, self.treedef = jax.tree.flatten(y)
        rates = jax.tree.leaves(rates_of(model, linear, args)(t, y), is_leaf=is_affine)
        self.slopes = [
            jnp.asarray(r.a, x.dtype) if is_affine(r) else None
            for r, x in zip(rates, self.start, strict=True)
        ]
        self.first = [r.b if is_affine(r) else r for r in rates]

    def rest(self, t: Array, leaves: list[Array]) -> list[Array]:
        """N(t, y)."""
        value = self.field(t, jax.tree.unflatten(self.treedef, leaves), self.args)
        return self.each(
            lambda a, f, x: f if a is None else f - a * x, jax.tree.leaves(value), leaves
        )

    def each(self, fn: Callable[..., Any], *lists: list) -> list[Any]:
        """`fn(slope, ...)` leaf by leaf."""
        return [fn(*parts) for parts in zip(self.slopes, *lists, strict=True)]

    def tree(self, leaves: list[Array]) -> PyTree:
        """The leaves as a state."""
        return jax.tree.unflatten(self.treedef, leaves)


class ETD2(AbstractOneStepSolver):
    r"""The exponential time differencing method of order 2, of two stages.

    With $f = a y + N(t, y)$, leaf by leaf, and $z = a \Delta t$,
    $$p = e^z y_n + \Delta t\,\varphi_1(z) N(t_n, y_n),\quad
      y_{n+1} = p + \Delta t\,\varphi_2(z)\,(N(t_{n+1}, p) - N(t_n, y_n)).$$
    Exact where $a$ is constant and $N$ linear in time, at any step. A leaf without a linear part
    is advanced by Heun's method.

    **Arguments:** `linear`: where $a$ comes from, as in `ExponentialEuler`: `"affine"`, from the
    flow itself, or `"diagonal"`, the diagonal of the Jacobian at $y_n$.

    **Raises:** `ValueError` for another `linear`, and for a model with noise.

    ```python
    >>> ETD2().order, ETD2(linear="diagonal").linear
    (2, 'diagonal')

    ```

    **Source:** Cox & Matthews 2002, J. Comput. Phys. 176:430, eq. 22; Hochbruck & Ostermann 2010,
    Acta Numerica 19:209, eq. 2.39, with the linear part taken anew at each step.
    """

    order: ClassVar[float] = 2
    linear: Linear = linear_field()

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
        split = _Split(model, self.linear, args, t, y)

        # Without a linear part the functions have their values at 0, which makes it Heun's method.
        weights = split.each(lambda a: (1.0, 0.5) if a is None else phis(dt * a)[:2])
        slope_of = split.each(lambda a, x: 0.0 if a is None else a * x, split.start)
        predicted = [
            x + dt * w[0] * (ax + n)
            for w, x, ax, n in zip(weights, split.start, slope_of, split.first, strict=True)
        ]
        after = split.rest(t + dt, predicted)
        end = [
            p + dt * w[1] * (m - n)
            for w, p, m, n in zip(weights, predicted, after, split.first, strict=True)
        ]
        return split.tree(end), solver_state


class ETDRK4(AbstractOneStepSolver):
    r"""The exponential time differencing method of order 4, of four stages.

    With $f = a y + N(t, y)$, leaf by leaf, $z = a \Delta t$ and $N_i = N(t_i, y_i)$,
    $$y_2 = e^{z/2} y_n + \tfrac{\Delta t}{2} \varphi_1(z/2) N_1,\quad
      y_3 = e^{z/2} y_n + \tfrac{\Delta t}{2} \varphi_1(z/2) N_2,\quad
      y_4 = e^{z/2} y_2 + \tfrac{\Delta t}{2} \varphi_1(z/2) (2 N_3 - N_1),$$
    $$y_{n+1} = e^z y_n + \Delta t\,[(\varphi_1 - 3\varphi_2 + 4\varphi_3) N_1
      + (2\varphi_2 - 4\varphi_3)(N_2 + N_3) + (4\varphi_3 - \varphi_2) N_4].$$
    Exact where $a$ is constant and $N$ a quadratic in time, at any step. A leaf without a linear
    part is advanced by `RK4`. For strongly stiff coupled leaves the order falls.

    **Arguments:** `linear`: where $a$ comes from, as in `ExponentialEuler`: `"affine"`, from the
    flow itself, or `"diagonal"`, the diagonal of the Jacobian at $y_n$.

    **Raises:** `ValueError` for another `linear`, and for a model with noise.

    ```python
    >>> ETDRK4().order
    4

    ```

    **Source:** Cox & Matthews 2002, J. Comput. Phys. 176:430, eqs. 26-29; Kassam & Trefethen 2005,
    SIAM J. Sci. Comput. 26:1214, on its rounding errors, which a series for small $z$ avoids.
    """

    order: ClassVar[float] = 4
    linear: Linear = linear_field()

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
        split = _Split(model, self.linear, args, t, y)

        # Without a linear part the functions have their values at 0, which makes it RK4.
        halves = split.each(lambda a: 1.0 if a is None else phis(dt / 2 * a)[0])
        wholes = split.each(lambda a: (1.0, 1 / 2, 1 / 6) if a is None else phis(dt * a))

        def half(origin: list[Array], n: list[Array]) -> list[Array]:
            return split.each(
                lambda a, w, x, m: x + dt / 2 * w * (m if a is None else a * x + m),
                halves,
                origin,
                n,
            )

        def end(a: Array | None, weights: tuple, x: Array, *stages: Array) -> Array:
            one, two, three = weights
            n1, n2, n3, n4 = stages
            sum_ = (one - 3 * two + 4 * three) * n1 + (2 * two - 4 * three) * (n2 + n3)
            sum_ = sum_ + (4 * three - two) * n4
            return x + dt * (sum_ if a is None else one * a * x + sum_)

        y, n1, middle = split.start, split.first, t + dt / 2
        y2 = half(y, n1)
        n2 = split.rest(middle, y2)
        n3 = split.rest(middle, half(y, n2))
        # Where a is 0, this stage starts from y2 - dt/2 N1, which is y, as RK4 has it.
        y4 = half(y2, [2 * m3 - m1 for m3, m1 in zip(n3, n1, strict=True)])
        n4 = split.rest(t + dt, y4)
        return split.tree(split.each(end, wholes, y, n1, n2, n3, n4)), solver_state
