"""Implicit one-step methods: backward Euler and Crank-Nicolson."""

from typing import ClassVar

import jax
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver, require_no_noise
from ._newton import solve_stage


class BackwardEuler(AbstractOneStepSolver):
    r"""The implicit Euler method, $y_{n+1} = y_n + \Delta t f(t_{n+1}, y_{n+1})$.

    Order 1, L-stable: what is much faster than the step goes to its equilibrium, where explicit
    methods blow up. The leaves are advanced together, so coupled stiff leaves (a chain of
    compartments) are no harder than single ones. The equations are solved by Newton's method on
    the blocks into which the flow falls: one small system per unit for populations whose units do
    not act on each other within a step, a dense one where they do. A step whose equations have no
    solution near gives NaN, which the driver reports with its time.

    **Raises:** `ValueError` for a model with noise.

    ```python
    >>> import jax
    >>> from fdyn.components import LIF, Args
    >>> neuron = LIF(1, tau=10.0, v_rest=0.0, v_init=1.0, v_th=9.0, v_reset=0.0)
    >>> s = neuron.init(key=jax.random.key(0), dt=1.0)
    >>> y, _ = BackwardEuler().step(neuron, 0.0, 30.0, s.y, Args(s.mem), (), None)
    >>> round(float(y["v"][0]), 6)  # 1 / (1 + 3)
    0.25

    ```

    **Source:** Hairer & Wanner 1996, Solving ODEs II, sections IV.1 and IV.3.
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
        field = vector_field(model)
        return solve_stage(lambda z: field(t + dt, z, args), y, y, dt), solver_state


class CrankNicolson(AbstractOneStepSolver):
    r"""The trapezoidal rule, implicit.

    $$y_{n+1} = y_n + \tfrac{\Delta t}{2}\,(f(t_n, y_n) + f(t_{n+1}, y_{n+1}))$$

    Order 2, A-stable: oscillations keep their amplitude and nothing blows up, but what is much
    faster than the step is not damped (it alternates in sign; take `BackwardEuler` or `RODAS3`
    for that). The equations are solved as in `BackwardEuler`.

    **Raises:** `ValueError` for a model with noise.

    ```python
    >>> import jax
    >>> from fdyn.components import LIF, Args
    >>> neuron = LIF(1, tau=10.0, v_rest=0.0, v_init=1.0, v_th=9.0, v_reset=0.0)
    >>> s = neuron.init(key=jax.random.key(0), dt=1.0)
    >>> y, _ = CrankNicolson().step(neuron, 0.0, 10.0, s.y, Args(s.mem), (), None)
    >>> round(float(y["v"][0]), 6)  # (1 - 1/2) / (1 + 1/2)
    0.333333

    ```

    **Source:** Crank & Nicolson 1947, Proc. Camb. Phil. Soc. 43:50; Hairer & Wanner 1996, Solving
    ODEs II, section IV.3.
    """

    order: ClassVar[float] = 2

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
        rhs = jax.tree.map(lambda x, f: x + dt / 2 * f, y, field(t, y, args))
        return solve_stage(lambda z: field(t + dt, z, args), y, rhs, dt / 2), solver_state
