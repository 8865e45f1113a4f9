"""`solve_fde`: an equation of fractional order given as a plain function."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from ._fractional import AbstractFractionalSolver
from ._function_model import function_model
from ._march import march, times_of
from ._trajectory import Trajectory


def solve_fde(
    f: Callable[..., PyTree],
    y0: PyTree,
    t: Any,
    args: PyTree,
    method: AbstractFractionalSolver,
    *,
    dt: Any,
    throw: bool = True,
    progress: bool = True,
) -> Trajectory:
    r"""Solve an equation of fractional order given as a plain function.

    $${}^C\!D^\alpha y = f(t, y, \mathrm{args}),\quad y(t_0) = y_0$$

    with the derivative of Caputo, which starts at $t_0$. The order belongs to the method, as does
    the initial velocity that orders above 1 need. A second call with the same `f` and times and
    with other orders, parameters and initial values reuses the compiled program (with `FastL1`
    also other times and steps). It works inside `jit`, `vmap` and `grad`; derivatives go through
    `y0`, `args`, what `f` has caught, and the order.

    **Arguments:**

    - `f`: `f(t, y, args)`, the derivative of order alpha of `y`, a tree like it.
    - `y0`: initial state: a number, an array, or any tree of those.
    - `t`: two or more increasing times, `[rows]`; the first is the start.
    - `args`: any tree that `f` gets, `None` if nothing; its arrays are parameters.
    - `method`: `L1(alpha)`, `FastL1(alpha)`, `GrunwaldLetnikov(alpha)` or
      `AdamsBashforthMoulton(alpha)`. For several variables in one array `alpha` may be an array,
      for a dictionary of variables a dictionary.
    - `dt`: the step, of which every `t - t[0]` is a multiple.
    - `throw`: raise when the solution does not stay finite; otherwise the rows before are returned,
      and `.status` says when and why. `progress`: show a bar beyond two seconds.

    **Returns:** a `Trajectory`: `ts` `[rows]`, `ys` like `y0` with leaves `[rows, ...]`.

    **Raises:** `ValueError` for times out of order or off the grid of `dt`, an `f` whose value is
    not like `y`, a method without an order, a run beyond the horizon of the method;
    `FloatingPointError` where the solution does not stay finite.

    ```python
    >>> from fdyn.solvers import FastL1
    >>> f = lambda t, y, rate: {"x": -rate * y["x"], "z": y["x"]}
    >>> method = FastL1({"x": 0.5}, implicit=False)  # z is of order 1
    >>> traj = solve_fde(f, {"x": 1.0, "z": 0.0}, [0.0, 0.5, 1.0], 1.0, method, dt=0.001)
    >>> traj.ys["x"].shape, round(float(traj.ys["x"][-1]), 2)  # exp(1) erfc(1) = 0.428
    ((3,), 0.43)

    ```

    **Source:** none; the methods are cited where they are defined.
    """
    if not isinstance(method, AbstractFractionalSolver):
        raise ValueError(
            "solve_fde: 'method' must be a method for equations of fractional order with its "
            f"order, such as FastL1(0.8); got {method!r}. For order 1 see solve_ode."
        )
    _, times = times_of(t)
    sized = method.for_run(float(times[-1] - times[0]))
    return march(function_model(f, y0, args), sized, t, dt, throw=throw, progress=progress)
