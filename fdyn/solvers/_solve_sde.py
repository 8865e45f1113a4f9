"""`solve_sde`: a stochastic differential equation given as plain functions."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._misc import check_key, is_traced, under_trace
from ..components._base import Args
from ._base import AbstractStepSolver
from ._controller import check_fixed, controller, step_limit, step_size, worst
from ._diffrax import levy_area, terms_of
from ._euler_maruyama import EulerMaruyama
from ._function_model import FunctionModel, function_model, real_dtype
from ._march import march
from ._noise import processes
from ._solve_ode import check_method, span_of
from ._status import Status, status_of_start
from ._trajectory import Trajectory, no_rows

_MAX_STEPS = 100_000
# Steps that were rejected are gone back to, else what the noise did there would be forgotten.
_REJECTED = 64


def solve_sde(
    f: Callable[..., PyTree],
    g: Callable[..., PyTree],
    y0: PyTree,
    t: Any,
    args: PyTree = None,
    method: diffrax.AbstractSolver | AbstractStepSolver = EulerMaruyama(),
    *,
    key: Array,
    dt: Any = None,
    rtol: Any = None,
    atol: Any = None,
    tol: Any = None,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int | None = None,
    throw: bool = True,
    progress: bool = True,
) -> Trajectory:
    r"""Solve a stochastic differential equation given as plain functions.

    $$dy = f(t, y, \mathrm{args})\,dt + g(t, y, \mathrm{args})\,dW,\quad y(t_0) = y_0$$

    The method says in which sense the equation is read: that of Itô by `EulerMaruyama`,
    `Milstein` and `ExponentialEuler`, that of Stratonovich by `StochasticHeun`,
    `Milstein("stratonovich")` and the adaptive methods of diffrax (`diffrax.ItoMilstein` apart).
    Where the noise is additive there is no difference.

    A solver of `fdyn.solvers` takes steps of `dt`, one of diffrax that estimates its error takes
    adaptive steps along one Brownian path. A second call with the same `f` and `g` reuses the
    compiled program. It works inside `jit`, `vmap` (for many paths: over `key`) and `grad`.

    **Arguments:**

    - `f`: `f(t, y, args)`, the drift, a tree like `y`; a leaf may be an `Affine`.
    - `g`: `g(t, y, args)`, the coefficient of the noise: a tree like `y` whose leaves are arrays,
      for independent noise of each element; `None` in the place of a leaf, for none;
      `CommonNoise` in the place of a leaf, a subtree or the whole, for Wiener processes that
      elements share.
    - `y0`: initial state: a number, an array, or any tree of those.
    - `t`: two or more increasing times, `[rows]`; the first is the start.
    - `args`: any tree that `f` and `g` get; its arrays and floating numbers are parameters.
    - `method`: a fixed-step solver such as `EulerMaruyama()`, the default, or
      `Diffrax(diffrax.ShARK())`; or an adaptive one of diffrax such as `diffrax.SPaRK()` or
      `diffrax.HalfSolver(diffrax.ItoMilstein())`.
    - `key`: random key; it alone sets the Brownian path of an adaptive method.
    - `dt`: for a fixed step, its size, of which every `t - t[0]` is a multiple; for an adaptive
      method the size of the first step, a thousandth of the whole.
    - `rtol`, `atol`: tolerances of an adaptive step for the worst variable, 1e-3 and 1e-5.
    - `tol`: the smallest adaptive step, and the resolution of the Brownian path, a millionth of
      the whole.
    - `stepsize_controller`: of diffrax, in the place of the two tolerances.
    - `max_steps`: of an adaptive method, 100,000.
    - `throw`: raise when the end is not reached; otherwise the rows before are returned, and
      `.status` says when and why. `progress`: of a fixed step, show a bar beyond two seconds.

    **Returns:** a `Trajectory`: `ts` `[rows]`, `ys` like `y0` with leaves `[rows, ...]`. An
    adaptive method steps exactly to each of the times.

    **Raises:** `ValueError` for times out of order or off the grid of `dt`, functions whose value
    does not fit `y`, and a solver of diffrax that does not estimate its error;
    `FloatingPointError` where the solution does not stay finite; `RuntimeError` where `max_steps`
    are not enough.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> drift = lambda t, y, args: -args["rate"] * y
    >>> noise = lambda t, y, args: args["strength"]
    >>> args = {"rate": 2.0, "strength": 0.5}
    >>> y0, key = jnp.ones(1000), jax.random.key(0)
    >>> traj = solve_sde(drift, noise, y0, [0.0, 1.0, 2.0], args, key=key, dt=0.01)
    >>> bool(abs(traj.ys[-1].var() - 0.0625) < 0.01)  # strength**2 / (2 rate)
    True

    ```

    **Source:** none; the methods are cited where they are defined. Foster & Jelinčič 2023,
    arXiv:2311.14201, for adaptive steps.
    """
    check_key(key)
    model = function_model(f, y0, args, g)
    if isinstance(method, AbstractStepSolver):
        given = {"rtol": rtol, "atol": atol, "tol": tol, "max_steps": max_steps}
        given["stepsize_controller"] = stepsize_controller
        check_fixed(method, dt, given, "diffrax.SPaRK()")
        return march(model, method, t, dt, key=key, throw=throw, progress=progress)
    check_method(method, "solve_sde")
    if not isinstance(method, diffrax.AbstractAdaptiveSolver):
        raise ValueError(
            f"diffrax.{type(method).__name__} does not estimate its error, so it cannot choose its "
            f"steps. Wrap it: diffrax.HalfSolver(diffrax.{type(method).__name__}()); or take fixed "
            f"steps: method=Diffrax(diffrax.{type(method).__name__}()) and dt."
        )
    dtype = real_dtype(model.y0)
    ts = span_of(t, dtype)
    whole = ts[-1] - ts[0]
    sizes: list[Any] = [
        whole * fraction if x is None else step_size(x, dtype, name)
        for name, x, fraction in (("dt", dt, 1e-3), ("tol", tol, 1e-6))
    ]
    if stepsize_controller is None:
        rtol, atol = 1e-3 if rtol is None else rtol, 1e-5 if atol is None else atol
        # The coefficients that diffrax recommends for noise.
        stepsize_controller = diffrax.PIDController(
            rtol=jnp.asarray(rtol, dtype),
            atol=jnp.asarray(atol, dtype),
            norm=worst,
            dtmin=sizes[1],
            pcoeff=jnp.asarray(0.1, dtype),
            icoeff=jnp.asarray(0.3, dtype),
        )
    else:
        stepsize_controller = controller(stepsize_controller, rtol, atol, method)
    run = _Run(model, method, stepsize_controller, ts, key, *sizes)
    return _adaptive(run, _MAX_STEPS if max_steps is None else step_limit(max_steps), throw)


class _Run(eqx.Module):
    model: FunctionModel
    method: diffrax.AbstractSolver
    controller: Any
    ts: Array
    key: Array
    dt: Array
    tol: Array


@eqx.filter_jit
def _solve(run: _Run, max_steps: int, throw: bool) -> diffrax.Solution:
    model, method, ts, args = run.model, run.method, run.ts, Args(())
    noise = model.diffusion(ts[0], model.y0, args)
    if noise is None:
        raise ValueError("solve_sde: g gives no noise (None). Use solve_ode.")
    path = diffrax.VirtualBrownianTree(
        ts[0],
        ts[-1],
        run.tol,
        processes(noise, model.y0),
        run.key,
        levy_area=levy_area(method),
    )
    zero = jnp.zeros_like(ts[0])
    rows, end = diffrax.SubSaveAt(ts=ts), diffrax.SubSaveAt(t1=True)
    # Between two steps noise cannot be interpolated, so the steps end at the times asked for.
    stepping = diffrax.ClipStepSizeController(
        run.controller, step_ts=ts, store_rejected_steps=_REJECTED
    )
    return diffrax.diffeqsolve(
        terms_of(method, model, zero, model.y0, args, run.key, path, run.dt),
        method,
        ts[0],
        ts[-1],
        run.dt,
        model.y0,
        args=args,
        saveat=diffrax.SaveAt(subs=[rows, end]),
        stepsize_controller=stepping,
        max_steps=max_steps,
        throw=throw,
    )


def _adaptive(run: _Run, max_steps: int, throw: bool) -> Trajectory:
    traced = is_traced((run, throw)) or under_trace((run.model.f, run.model.g))
    y0 = run.model.y0
    invalid = None if traced else status_of_start(y0, run.ts[0], throw)
    if invalid is not None:
        return no_rows(run.ts, y0, invalid, {"steps": 0, "rejected": 0})
    sol = _solve(run, max_steps, throw and traced)
    ok = sol.result == diffrax.RESULTS.successful
    stats = {
        "steps": sol.stats["num_accepted_steps"],
        "rejected": sol.stats["num_rejected_steps"],
    }
    saved: Any = (sol.ts, sol.ys)
    (at, end), (ys, _) = saved
    if traced:
        return Trajectory(at, ys, Status(ok), stats)
    stats = {name: int(n) for name, n in stats.items()}
    if ok:
        return Trajectory(at, ys, Status(True), stats)
    kept, last = int(np.isfinite(np.asarray(at)).sum()), float(end[0])
    spent = sol.result == diffrax.RESULTS.max_steps_reached
    advice = (
        f"max_steps = {max_steps} were not enough. Allow more, or larger tolerances"
        if spent
        else "the state or the size of the steps did not stay finite. Does the solution exist up "
        "to there? Look at the parameters, and at a larger tol"
    )
    message = (
        f"solve_sde stopped at t = {last:g} of {float(run.ts[-1]):g}: {advice}. With throw=False "
        "the rows before are returned."
    )
    if throw:
        raise (RuntimeError if spent else FloatingPointError)(message)
    return Trajectory(
        at[:kept], jax.tree.map(lambda y: y[:kept], ys), Status(False, last, "", message), stats
    )
