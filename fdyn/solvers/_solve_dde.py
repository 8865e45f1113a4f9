"""`solve_dde`: a delay differential equation given as a plain function."""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._misc import is_traced, magnitude, under_trace
from .._tree import path_str
from ..components._base import Args, vector_field
from ..components._history import Asked, AskedHistory
from . import _method_of_steps as mos
from ._base import AbstractStepSolver
from ._breaking_points import breaking_points
from ._chord import settling
from ._controller import check_fixed, controller, step_limit, step_size, stiff_advice
from ._delay_rk4 import DelayRK4
from ._diffrax import check_terms
from ._function_model import FunctionModel, as_state, function_model
from ._march import march
from ._pieces import Dense, Pieces, layout_of
from ._solve_ode import check_method, span_of
from ._status import Status, status_of_start
from ._trajectory import Trajectory, no_rows

_CAPACITY = 1024
_MAX_STEPS = {"plain": 1_000_000, "traced": 4096}


class _Constant(eqx.Module):
    """A past that is the same at all times."""

    y: PyTree

    def __call__(self, t: Any) -> PyTree:
        del t
        return self.y


class _Since(eqx.Module):
    """The past as a function of the time since the start."""

    past: Callable[[Any], PyTree]
    t0: Array

    def __call__(self, t: Any) -> PyTree:
        return self.past(self.t0 + t)


def solve_dde(
    f: Callable[..., PyTree],
    history: Any,
    t: Any,
    args: PyTree = None,
    method: diffrax.AbstractSolver | DelayRK4 = diffrax.Tsit5(),
    *,
    y0: PyTree = None,
    delays: Any = (),
    breaks: Any = (),
    dt: Any = None,
    rtol: Any = None,
    atol: Any = None,
    span: Any = None,
    max_steps: int | None = None,
    throw: bool = True,
) -> Trajectory:
    r"""Solve a delay differential equation given as a plain function.

    $$\dot y = f\bigl(t, y(t), y(t-\tau_1), y(t-\tau_2), \dots, \dot y(t-\sigma), \dots\bigr),\qquad
      y(t) = \phi(t)\ \text{for}\ t \le t_0$$

    `f` calls `hist(lag)` for the state `lag` ago, and `hist.derivative(lag)` for its derivative
    (a neutral equation). A lag may be a number, an array with one lag per element, and depend on
    time and state; it may become zero, not negative. `hist` is to be called in `f` itself, not in
    a function that `f` hands to `vmap`, `scan` or `cond`.

    A solver of diffrax takes adaptive steps (the method of steps): the past is in the interpolants
    of its steps. Steps end at the breaking points, which follow from `delays` and `breaks`. A step
    longer than a lag, in which its own interpolant is looked up, is repeated until it settles.
    `DelayRK4` takes steps of `dt`.

    A second call with the same `f` and `history` and other parameters, delays and tolerances
    reuses the compiled program. Inside of `jit`, `vmap` and `grad` derivatives go through `args`,
    the history and the delays, also where the past has a jump.

    **Arguments:**

    - `f`: `f(t, y, args, hist)`, the derivative of `y`, a tree like it.
    - `history`: $\phi$, a function of time (made of operations of JAX), or a constant state.
    - `t`: two or more increasing times, `[rows]`; the first is the start.
    - `args`: any tree that `f` gets; its arrays are parameters.
    - `method`: a solver of diffrax with an error estimate, `diffrax.Tsit5()` by default;
      `diffrax.Kvaerno5()` for stiff equations; or `DelayRK4(span)`.
    - `y0`: the state at the start, where it differs from `history` there.
    - `delays`: the constant delays, positive; numbers or arrays. Steps end where the solution is
      rough because of them. Left out, the steps find such places by getting small.
    - `breaks`: times at which `f` or the history has a jump, or a jump in a derivative.
    - `dt`: the step of `DelayRK4`, or the first one of an adaptive method, which chooses it if
      left out.
    - `rtol`, `atol`: tolerances of an adaptive step for the worst variable; 1e-7 and 1e-9, in
      single precision 1e-5 and 1e-7. The interpolant of `Tsit5` is of order 4.
    - `span`: the longest delay. What is older is forgotten, so that memory is bounded in long runs;
      then there is no dense output. Left out, all is kept.
    - `max_steps`: of an adaptive method, 1,000,000; inside of a transformation, where memory is set
      aside for all of them, 4096.
    - `throw`: raise when the end is not reached; otherwise the rows before are returned, and
      `.status` says when and why. Inside of a transformation, `.status.ok` is all that is known.

    **Returns:** a `Trajectory`: `ts` `[rows]`, `ys` like the state with leaves `[rows, ...]`,
    `status`, `stats`; with an adaptive method `traj(t)` is the state at any time.

    **Raises:** `ValueError` for times out of order, delays that are not positive, a history unlike
    the state or without a derivative where the equation is neutral, and an `f` whose value is not
    like `y`; `FloatingPointError` where the solution does not stay finite, and `RuntimeError` where
    a lag becomes negative or longer than `span`, or `max_steps` are not enough.

    ```python
    >>> import jax.numpy as jnp
    >>> def mackey_glass(t, x, args, hist):
    ...     past = hist(args["tau"])
    ...     return 0.2 * past / (1 + past**10) - 0.1 * x
    >>> traj = solve_dde(mackey_glass, 1.2, [0.0, 17.0, 51.0], {"tau": 17.0}, delays=17.0)
    >>> [round(float(x), 4) for x in traj.ys]
    [1.2, 0.492, 1.042]

    ```

    **Source:** Bellen & Zennaro 2003, Numerical Methods for Delay Differential Equations, sections
    3.1 and 6.1; Hairer, Nørsett & Wanner 1993, Solving ODEs I, section II.17.
    """
    past = history if callable(history) else _Constant(as_state(history))
    t0 = magnitude(t, "ms", "t")[0]
    start = as_state(past(jnp.asarray(t0, jnp.result_type(float))) if y0 is None else y0)
    dtypes = {x.dtype for x in jax.tree.leaves(start)}
    dtype = dtypes.pop()
    if dtypes or not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            "all variables must be real and have the same precision; got "
            f"{sorted(str(d) for d in {dtype, *dtypes})}."
        )
    model = function_model(f, start, args, delayed=True)
    ts = span_of(t, dtype)
    inputs = (model, past, ts, dt, rtol, atol, delays, breaks, method)
    traced = is_traced(inputs) or under_trace((f, past))
    neutral = _is_neutral(model, ts[0], traced)
    if neutral:
        _check_derivative(past, ts[0])
    if isinstance(method, DelayRK4):
        given = {"rtol": rtol, "atol": atol, "span": span, "max_steps": max_steps}
        check_fixed(method, dt, given, "diffrax.Tsit5()")
        if method.history is not None:
            raise ValueError("the history is that of solve_dde: leave out that of DelayRK4.")
        points = breaking_points(delays, breaks, ts[0], ts[-1], 4, neutral) - ts[0]
        solver = dataclasses.replace(
            method,
            history=_Since(past, ts[0]),
            breaks=jnp.concatenate([method.breaks, points.astype(method.breaks.dtype)]),
        )
        return march(model, solver, t, dt, throw=throw)
    if isinstance(method, AbstractStepSolver):
        raise ValueError(
            f"solve_dde: {type(method).__name__} does not look up the past within its steps. Use "
            "DelayRK4(span), whose steps are fixed, or an adaptive method such as diffrax.Tsit5()."
        )
    check_method(method, "solve_dde")
    check_terms(method, "solve_dde")
    order = mos.error_order(method) - 1
    usual = _MAX_STEPS["traced" if traced else "plain"]
    limit = usual if max_steps is None else step_limit(max_steps)
    control: Any = controller(None, rtol, atol, method, dtype)
    problem = mos.Problem(
        model,
        past,
        mos.prepared(settling(method), control, "bounded" if traced else "lax"),
        control,
        ts[0],
        ts[-1],
        breaking_points(delays, breaks, ts[0], ts[-1], order, neutral).astype(dtype),
        jnp.asarray(limit, jnp.int32),
        layout_of(start),
    )
    first = step_size(dt, dtype)
    invalid = None if traced else status_of_start(start, ts[0], throw)
    if invalid is not None:
        return no_rows(ts, start, invalid, {"steps": 0, "rejected": 0, "repeated": 0})
    try:
        if traced:
            run = mos.start(problem, first, limit)
            run = mos.advance(problem, run, "bounded", limit)
            return _traced(problem, run, ts, throw)
        return _plain(problem, first, ts, span, throw)
    except jax.errors.UnexpectedTracerError as e:
        raise ValueError(
            "hist must be called in f itself, not in a function that f hands to vmap, scan, cond "
            "or jit: an array of lags gives all values at once."
        ) from e


@eqx.filter_jit
def _probe(model: FunctionModel, t: Array) -> Array:
    return jnp.array(_asked(model, t).neutral)


def _asked(model: FunctionModel, t: Array) -> Asked:
    asked = Asked()

    def look(model: FunctionModel, t: Array) -> PyTree:
        hist = AskedHistory(model.y0, asked)
        return vector_field(model)(t, model.y0, Args((), hist=hist))

    eqx.filter_eval_shape(look, model, t)
    return asked


def _is_neutral(model: FunctionModel, t: Array, traced: bool) -> bool:
    """Whether `f` asks for derivatives; a second call with the same `f` does not trace it."""
    return _asked(model, t).neutral if traced else bool(_probe(model, t))


def _check_derivative(past: Callable[[Any], PyTree], t: Array) -> None:
    try:
        jax.eval_shape(lambda t: jax.jvp(past, (t,), (jnp.ones_like(t),)), t)
    except Exception as e:  # whatever an operation without derivative raises
        raise ValueError(
            "the equation is neutral (f calls hist.derivative), but 'history' has no derivative: "
            f"{e} Give a function made of operations of JAX."
        ) from e


def _dense(problem: mos.Problem, run: mos.Run) -> Dense:
    return Dense(run.pieces, problem.t0, run.t, problem.layout, problem.solver.interpolation_cls)


@eqx.filter_jit
def _rows(dense: Dense, ts: Array) -> PyTree:
    return jax.vmap(dense.evaluate)(ts)


def _traced(problem: mos.Problem, run: mos.Run, ts: Array, throw: bool) -> Trajectory:
    ok = run.code == mos.DONE
    dense = _dense(problem, run)
    ys = _rows(dense, ts)
    if throw:
        ys = eqx.error_if(ys, ~ok, "solve_dde: the end was not reached; see throw=False")
    return Trajectory(ts, ys, Status(ok), run.counts, dense)


def _plain(
    problem: mos.Problem, first: Array | None, ts: Array, span: Any, throw: bool
) -> Trajectory:
    """Piece by piece, so that memory need not be set aside for all steps."""
    run = mos.start(problem, first, _CAPACITY)
    ys, done, whole = None, 0, True
    while True:
        run = mos.advance(problem, run, "lax", None)
        found = _rows(_dense(problem, run), ts)
        reached = int((np.asarray(ts) <= float(run.t)).sum())
        keep = lambda a, b, k=done: a.at[k:].set(b[k:])  # noqa: E731
        ys = found if ys is None else jax.tree.map(keep, ys, found)
        done = reached
        if int(run.code) != mos.FULL:
            break
        if span is not None:
            whole = False
        run = _room(run, None if span is None else float(magnitude(span, "ms", "span")))
    ok = int(run.code) == mos.DONE
    status = Status(True) if ok else _status(problem, run, span)
    if throw and not ok:
        kind = FloatingPointError if status.leaf else RuntimeError
        raise kind(status.message)
    stats = {name: int(n) for name, n in run.counts.items()}
    if not ok:
        ts, ys = ts[:done], jax.tree.map(lambda y: y[:done], ys)
    return Trajectory(ts, ys, status, stats, _dense(problem, run) if whole else None)


def _room(run: mos.Run, span: float | None) -> mos.Run:
    """The run with free places for more steps: the old ones are dropped, or there are more."""
    pieces = run.pieces
    n, capacity = int(pieces.n), pieces.start.shape[0]
    drop = 0
    if span is not None:
        low = float(run.t) - span * (1 + 1e-6)
        drop = int((np.asarray(pieces.end)[:n] < low).sum())
    if drop < capacity // 2:
        capacity *= 4

    def move(x: Array, fill: float) -> Array:
        old = np.asarray(x)
        new = np.full((capacity, *old.shape[1:]), fill, old.dtype)
        new[: n - drop] = old[drop:n]
        return jnp.asarray(new)

    moved = Pieces(
        move(pieces.start, np.inf),
        move(pieces.end, np.inf),
        jax.tree.map(lambda x: move(x, 0), pieces.infos),
        jnp.asarray(n - drop, jnp.int32),
    )
    return eqx.tree_at(
        lambda r: (r.pieces, r.code), run, (moved, jnp.asarray(mos.RUNNING, jnp.int32))
    )


def _status(problem: mos.Problem, run: mos.Run, span: Any) -> Status:
    t, code = float(run.t), int(run.code)
    y = problem.layout.unravel(run.z)
    leaves = jax.tree_util.tree_leaves_with_path(y)
    sizes = [float(np.abs(np.asarray(x)).max(initial=0)) for _, x in leaves]
    worst = path_str(leaves[int(np.argmax(sizes))][0]) or "y"
    reason = {
        mos.STEPS: f"max_steps = {int(problem.max_steps)} were not enough; allow more, or larger "
        "tolerances",
        mos.FUTURE: "a lag became negative: the equation asks for the future. Look at the lags "
        "and the parameters",
        mos.LOST: f"a lag is longer than span = {span} ms, and what was then is forgotten: give a "
        "larger span",
        mos.ROUND: "a step that looks itself up (its lag is shorter) did not settle, however small",
        mos.STUCK: f"{worst!r} does not stay finite there, or the steps became too small. Does the "
        f"solution exist beyond it? If so, try {stiff_advice(problem.solver, run.t.dtype)}, and "
        "name the delays as 'delays'",
    }[code]
    leaf = worst if code == mos.STUCK else ""
    message = f"solve_dde stopped at t = {t:g} of {float(problem.t1):g}: {reason}."
    return Status(False, t, leaf, message + " With throw=False the rows before are returned.")
