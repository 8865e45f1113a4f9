"""Rosenbrock methods: linearly implicit Runge-Kutta methods, from their tableaux."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver, require_no_noise
from ._jacobian import BlockLU, blocks_of, structure_of


class RosenbrockTableau(NamedTuple):
    """The coefficients in the form that needs no product with the Jacobian.

    `a` and `c`: rows below the diagonal; `m`: weights of the end; `alpha`, `gamma`: times of the
    stages and weights of the derivative with respect to time; `diagonal`: gamma of the matrix.
    """

    diagonal: float
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    m: tuple[float, ...]
    alpha: tuple[float, ...]
    gamma: tuple[float, ...]


def _sum(factors: tuple[float, ...], parts: list[PyTree], like: PyTree) -> PyTree:
    used = [(w, part) for w, part in zip(factors, parts, strict=True) if w != 0]
    if not used:
        return like
    return jax.tree.map(
        lambda x, *ks: x + sum(w * k for (w, _), k in zip(used, ks, strict=True)),
        like,
        *(part for _, part in used),
    )


class AbstractRosenbrock(AbstractOneStepSolver):
    r"""A Rosenbrock method.

    $$\left(\tfrac{1}{\gamma \Delta t} - J\right) u_i
      = f\Big(t_n + \alpha_i \Delta t, y_n + \sum_{j<i} a_{ij} u_j\Big)
      + \sum_{j<i} \tfrac{c_{ij}}{\Delta t} u_j + \gamma_i \Delta t\,\partial_t f,\quad
      y_{n+1} = y_n + \sum_i m_i u_i$$

    $J$ is the Jacobian at $(t_n, y_n)$; its blocks are factorised once per step.
    """

    tableau: eqx.AbstractClassVar[RosenbrockTableau]

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
        if not jax.tree.leaves(y):
            return y, solver_state
        field = vector_field(model)
        tab, t = self.tableau, jnp.asarray(t)
        structure = structure_of(lambda z: field(t, z, args), y)
        first, linear = jax.linearize(lambda z: field(t, z, args), y)
        _, drift = jax.jvp(lambda s: field(s, y, args), (t,), (jnp.ones_like(t),))
        # Both sides times gamma dt, so that a step of length 0 does nothing.
        scale = tab.diagonal * dt
        matrices = [
            jnp.broadcast_to(jnp.eye(j.shape[-1], dtype=j.dtype), j.shape) - scale * j
            for j in blocks_of(linear, y, structure)
        ]
        lu = BlockLU(structure)
        factors = lu.factorise(matrices)
        zero = jax.tree.map(jnp.zeros_like, y)
        stages: list[PyTree] = []
        for a, c, alpha, gamma in zip(tab.a, tab.c, tab.alpha, tab.gamma, strict=True):
            value = field(t + alpha * dt, _sum(a, stages, y), args) if stages else first
            coupled = _sum(c, stages, zero)
            rhs = jax.tree.map(
                lambda f, s, d, g=gamma: scale * (f + g * dt * d) + tab.diagonal * s,
                value,
                coupled,
                drift,
            )
            stages.append(lu.solve(factors, rhs))
        return _sum(tab.m, stages, y), solver_state


class RODAS3(AbstractRosenbrock):
    r"""A Rosenbrock method of four stages, order 3, L-stable and stiffly accurate.

    One Jacobian, one factorisation and three evaluations of the flow in a step; nothing is
    iterated, so its cost is known beforehand. For stiff and coupled models at a tolerance of
    percents; see `AbstractRosenbrock` for the form and `BackwardEuler` for the blocks.

    **Raises:** `ValueError` for a model with noise.

    ```python
    >>> import jax
    >>> from fdyn.components import LIF, Args
    >>> neuron = LIF(1, tau=1.0, v_rest=0.0, v_init=1.0, v_th=9.0, v_reset=0.0)
    >>> s = neuron.init(key=jax.random.key(0), dt=1.0)
    >>> y, _ = RODAS3().step(neuron, 0.0, 1e4, s.y, Args(s.mem), (), None)
    >>> bool(abs(y["v"][0]) < 1e-3)  # L-stable: what is fast is gone after one step
    True

    ```

    **Source:** Sandu, Verwer, Blom, Spee, Carmichael & Potra 1997, Atmos. Environ. 31:3459.
    """

    order: ClassVar[float] = 3
    tableau: ClassVar[RosenbrockTableau] = RosenbrockTableau(
        diagonal=1 / 2,
        a=((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
        c=((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8 / 3)),
        m=(2.0, 0.0, 1.0, 1.0),
        alpha=(0.0, 0.0, 1.0, 1.0),
        gamma=(1 / 2, 3 / 2, 0.0, 0.0),
    )


_RODAS4_LAST = (
    1.221224509226641,
    6.019134481288629,
    12.53708332932087,
    -0.6878860361058950,
)


class RODAS4(AbstractRosenbrock):
    r"""The Rosenbrock method RODAS: six stages, order 4, L-stable and stiffly accurate.

    One Jacobian, one factorisation and six evaluations of the flow in a step. For stiff and
    coupled models where digits are wanted; see `AbstractRosenbrock` for the form and
    `BackwardEuler` for the blocks.

    **Raises:** `ValueError` for a model with noise.

    ```python
    >>> RODAS4().order
    4

    ```

    **Source:** Hairer & Wanner 1996, Solving ODEs II, section IV.7, the method of the code RODAS.
    """

    order: ClassVar[float] = 4
    tableau: ClassVar[RosenbrockTableau] = RosenbrockTableau(
        diagonal=1 / 4,
        a=(
            (),
            (1.544,),
            (0.9466785280815826, 0.2557011698983284),
            (3.314825187068521, 2.896124015972201, 0.9986419139977817),
            _RODAS4_LAST,
            (*_RODAS4_LAST, 1.0),
        ),
        c=(
            (),
            (-5.6688,),
            (-2.430093356833875, -0.2063599157091915),
            (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
            (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
            (
                8.083246795921522,
                -7.981132988064893,
                -31.52159432874371,
                16.31930543123136,
                -6.058818238834054,
            ),
        ),
        m=(*_RODAS4_LAST, 1.0, 1.0),
        alpha=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
        gamma=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
    )
