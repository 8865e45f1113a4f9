"""`solve_ode`: an ordinary differential equation given as a plain function."""

import inspect
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._misc import is_traced, magnitude, nearest, under_trace
from .._tree import path_str
from ..components._base import Args, vector_field
from ._base import AbstractStepSolver
from ._chord import settling
from ._controller import check_fixed, controller, step_limit, step_size, stiff_advice
from ._delay_rk4 import DelayRK4
from ._diffrax import check_terms
from ._fractional import AbstractFractionalSolver
from ._function_model import FunctionModel, function_model, real_dtype
from ._march import march, times_of
from ._status import Status, status_of_start
from ._trajectory import Trajectory, no_rows

_MAX_STEPS = 100_000
# Memory for the interpolants of all steps is set aside.
_MAX_STEPS_DENSE = 4096
# What solve_ode sets itself.
_SET = {"terms", "solver", "t0", "t1", "dt0", "y0", "args", "stepsize_controller", "max_steps"}
_OPTIONS = (
    set(inspect.signature(diffrax.diffeqsolve).parameters)
    - _SET
    - {"throw", "discrete_terminating_event"}
)


def solve_ode(
    f: Callable[..., PyTree],
    y0: PyTree,
    t: Any,
    args: PyTree = None,
    method: diffrax.AbstractSolver | AbstractStepSolver = diffrax.Tsit5(),
    *,
    dt: Any = None,
    rtol: Any = None,
    atol: Any = None,
    dense: bool = False,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int | None = None,
    throw: bool = True,
    progress: bool = True,
    **options: Any,
) -> Trajectory:
    r"""Solve an ordinary differential equation given as a plain function.

    $$\dot y = f(t, y, \mathrm{args}),\quad y(t_0) = y_0$$

    A solver of diffrax takes adaptive steps, one of `fdyn.solvers` steps of `dt`. A second call
    with the same `f` and other parameters, initial values and tolerances (and, with a fixed step,
    times and steps) reuses the compiled program. It works inside `jit`, `vmap` and `grad`;
    derivatives go through `y0`, `args`, and what `f` has caught.

    **Arguments:**

    - `f`: `f(t, y, args)`, the derivative of `y`, a tree like it; a leaf may be an `Affine` for
      the exponential methods. Times have the unit of your equation.
    - `y0`: initial state: a number, an array, or any tree of those. Its precision is that of the
      solution; whole numbers become floating.
    - `t`: two or more increasing times, `[rows]`; the first is the start.
    - `args`: any tree that `f` gets; its arrays and floating numbers are parameters, other values
      of which reuse the compiled program.
    - `method`: an adaptive solver of diffrax, `diffrax.Tsit5()` by default and
      `diffrax.Kvaerno5()` for stiff equations; or a fixed-step solver such as `RK4()`.
    - `dt`: for a fixed step, its size, of which every `t - t[0]` is a multiple; for an adaptive
      method the size of the first step, chosen by the method if left out.
    - `rtol`, `atol`: tolerances of an adaptive step for the worst variable; 1e-7 and 1e-9, in
      single precision 1e-5 and 1e-7.
    - `dense`: keep the interpolant of an adaptive method, so that `traj(t)` is defined anywhere.
    - `stepsize_controller`: of diffrax, in the place of the two tolerances.
    - `max_steps`: of an adaptive method, 100,000; with `dense`, which sets memory aside for all of
      them, 4096.
    - `throw`: raise when the end is not reached; otherwise the rows before are returned, and
      `.status` says when and why. Inside of a transformation, `.status.ok` is all that is known.
    - `progress`: show a bar when fixed steps take more than two seconds.
    - `options`: further arguments of `diffrax.diffeqsolve`: `adjoint`, `event`, `saveat`,
      `progress_meter`, `solver_state`, `controller_state`, `made_jump`. A run that an `event` ends
      has the event in its last row.

    **Returns:** a `Trajectory`: `ts` `[rows]`, `ys` like `y0` with leaves `[rows, ...]`, `status`,
    `stats`.

    **Raises:** `ValueError` for times out of order or off the grid of `dt`, and an `f` whose value
    is not like `y`; `FloatingPointError` where the solution does not stay finite, which names the
    first bad time and leaf; `RuntimeError` where `max_steps` are not enough.

    ```python
    >>> import jax.numpy as jnp
    >>> def pendulum(t, y, args):
    ...     return {"angle": y["speed"], "speed": -args * jnp.sin(y["angle"])}
    >>> traj = solve_ode(pendulum, {"angle": 0.1, "speed": 0.0}, jnp.linspace(0.0, 10.0, 101), 9.81)
    >>> traj.ys["angle"].shape
    (101,)
    >>> from fdyn.solvers import RK4
    >>> fixed = solve_ode(pendulum, {"angle": 0.1, "speed": 0.0}, [0.0, 10.0], 9.81, RK4(), dt=0.01)
    >>> bool(abs(fixed.ys["angle"][-1] - traj.ys["angle"][-1]) < 1e-3)
    True

    ```

    **Source:** none; the methods are cited where they are defined.
    """
    _check_kind(method)
    model = function_model(f, y0, args)
    if isinstance(method, AbstractStepSolver):
        given = {"rtol": rtol, "atol": atol, "stepsize_controller": stepsize_controller}
        given |= {"dense": dense or None, "max_steps": max_steps, **options}
        check_fixed(method, dt, given, "diffrax.Tsit5()")
        return march(model, method, t, dt, throw=throw, progress=progress)
    check_method(method, "solve_ode")
    check_terms(method, "solve_ode")
    check_options(options, _OPTIONS)
    return _adaptive(
        model, t, method, dt, rtol, atol, dense, stepsize_controller, max_steps, throw, options
    )


def _check_kind(method: Any) -> None:
    """Methods for equations of another kind have functions of their own."""
    for kind, what, where in (
        (AbstractFractionalSolver, "of fractional order", "solve_fde"),
        (DelayRK4, "with delays", "solve_dde"),
    ):
        if isinstance(method, kind):
            raise ValueError(
                f"solve_ode: {type(method).__name__} is for equations {what}: use {where}. "
                "solve_ode takes a solver of diffrax or a fixed-step one such as RK4()."
            )


def check_method(method: Any, what: str) -> None:
    """A solver of diffrax."""
    if not isinstance(method, diffrax.AbstractSolver):
        raise ValueError(
            f"{what}: 'method' must be an instance of a solver, of diffrax such as diffrax.Tsit5() "
            f"or of fdyn.solvers such as RK4(); got {method!r}."
        )


def check_options(options: dict[str, Any], known: set[str]) -> None:
    """Arguments of diffrax, by their names."""
    for name in options:
        if name not in known:
            raise TypeError(f"there is no argument {name!r}. {nearest(name, known)}")


class Field(eqx.Module):
    """The flow of a plain function; equal for equal functions, so that it compiles once."""

    model: FunctionModel

    def __call__(self, t: Any, y: PyTree, args: Any) -> PyTree:
        """The derivative."""
        del args
        return vector_field(self.model)(t, y, Args(()))


def span_of(t: Any, dtype: Any) -> Array:
    """Increasing times, the first of them the start; they may be traced."""
    if is_traced(t):
        t = jnp.asarray(magnitude(t, "ms", "t"), dtype)
        if t.ndim != 1 or t.size < 2:
            raise ValueError(f"'t' must be two or more increasing times, got shape {t.shape}.")
        return t
    return jnp.asarray(times_of(t)[1], dtype)


def _adaptive(
    model: FunctionModel,
    t: Any,
    method: diffrax.AbstractSolver,
    dt: Any,
    rtol: Any,
    atol: Any,
    dense: bool,
    stepsize_controller: Any,
    max_steps: int | None,
    throw: bool,
    options: dict[str, Any],
) -> Trajectory:
    dtype = real_dtype(model.y0)
    ts = span_of(t, dtype)
    traced = is_traced((model, ts, dt, rtol, atol, options)) or under_trace((model.f,))
    saveat = options.pop("saveat", None)
    custom = saveat is not None
    if not custom:
        rows = diffrax.SubSaveAt(ts=ts)
        # The last step tells how far a run that stopped has come.
        subs = rows if traced else [rows, diffrax.SubSaveAt(t1=True)]
        saveat = diffrax.SaveAt(subs=subs, dense=dense)
    usual = _MAX_STEPS_DENSE if dense else _MAX_STEPS
    steps = usual if max_steps is None else step_limit(max_steps)
    first = step_size(dt, dtype)
    invalid = None if traced else status_of_start(model.y0, ts[0], throw)
    if invalid is not None:
        return no_rows(ts, model.y0, invalid, {"steps": 0, "rejected": 0})
    field = Field(model)
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        settling(method),
        ts[0],
        ts[-1],
        first,
        model.y0,
        saveat=saveat,
        stepsize_controller=controller(stepsize_controller, rtol, atol, method, dtype),
        max_steps=steps,
        throw=throw and traced,
        **options,
    )
    ended = sol.result == diffrax.RESULTS.event_occurred
    ok = (sol.result == diffrax.RESULTS.successful) | ended
    stats = {
        "steps": sol.stats["num_accepted_steps"],
        "rejected": sol.stats["num_rejected_steps"],
    }
    if traced or custom:
        if throw and not traced and not ok:
            raise RuntimeError(f"solve_ode: {sol.result}")
        return Trajectory(sol.ts, sol.ys, Status(ok), stats, sol.interpolation)
    stats = {name: int(n) for name, n in stats.items()}
    saved: Any = (sol.ts, sol.ys)
    (at, end), (ys, last) = saved
    last_t, last = end[0], jax.tree.map(lambda y: y[0], last)
    kept = int(np.isfinite(np.asarray(at)).sum())
    if ended and (kept == 0 or at[kept - 1] < last_t):
        at = jnp.append(at[:kept], last_t)
        ys = jax.tree.map(lambda y, z: jnp.concatenate([y[:kept], z[None]]), ys, last)
    elif not ok:
        at, ys = at[:kept], jax.tree.map(lambda y: y[:kept], ys)
    status = Status(True) if ok else _diagnose(field, sol.result, last_t, last, ts, steps, method)
    if throw and not ok:
        kind = RuntimeError if not status.leaf else FloatingPointError
        raise kind(status.message)
    return Trajectory(at, ys, status, stats, sol.interpolation)


def _diagnose(
    field: Field, result: Any, t: Array, y: PyTree, ts: Array, max_steps: int, method: Any
) -> Status:
    """Whether the solution blows up where the solver has stopped, and in which leaf."""
    leaves = jax.tree_util.tree_leaves_with_path(y)
    names = [path_str(k) or "y" for k, _ in leaves]
    at = float(t)
    # A little beyond, as far as time can be told apart there, a solution that blows up or leaves
    # the domain of `f` is not finite or has changed by more than itself.
    h = 1e4 * float(jnp.finfo(ts.dtype).eps) * max(abs(at), float(ts[-1] - ts[0]))
    beyond = jax.tree.map(lambda x, r: x + jnp.asarray(h, ts.dtype) * r, y, field(t, y, None))
    speed = []
    for (_, x), r in zip(leaves, jax.tree.leaves(field(t, beyond, None)), strict=True):
        change = float(np.abs(np.asarray(r)).max()) / max(float(np.abs(np.asarray(x)).max()), 1.0)
        speed.append(change if np.isfinite(change) else np.inf)
    worst = int(np.argmax(speed))
    where = f"solve_ode stopped at t = {at:g} of {float(ts[-1]):g}"
    advice = stiff_advice(method, ts.dtype)
    end = " With throw=False the rows before are returned."
    if speed[worst] * h > 1:
        return Status(
            False,
            at,
            names[worst],
            f"{where}: {names[worst]!r} does not stay finite there. Does the solution exist beyond "
            f"it? If so, try {advice}, and look at the parameters.{end}",
        )
    if result == diffrax.RESULTS.max_steps_reached:
        return Status(
            False,
            at,
            "",
            f"{where}: max_steps = {max_steps} were not enough; {names[worst]!r} changes fastest. "
            f"Try {advice}; or allow more steps or larger tolerances.{end}",
        )
    return Status(False, at, "", f"{where}: {result}{end}")
