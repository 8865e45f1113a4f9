"""`solve`: a model with adaptive steps and exactly located events, on diffrax."""

import dataclasses
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import _events as ev
from . import _segments as seg
from . import _solve_arguments as arg
from . import _tree
from ._misc import is_traced, under_trace
from ._network import paths_of, unit_of
from ._run_state import RunState
from ._solution import Dense, Solution
from .components import AbstractComponent, State
from .solvers._chord import settling
from .solvers._controller import controller, step_limit, stiff_advice
from .solvers._status import Status

_CHUNK_EVENTS = 256
_MAX_EVENTS = {"plain": 1_000_000, "traced": 1000}
_MAX_STEPS = {"plain": 10_000_000, "traced": 100_000}


def solve(
    model: AbstractComponent,
    duration: Any,
    *,
    inputs: Any = None,
    solver: diffrax.AbstractSolver = diffrax.Tsit5(),
    rtol: Any = None,
    atol: Any = None,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    dt0: Any = None,
    state: State | RunState | None = None,
    t0: Any = None,
    ts: Any = None,
    dense: bool = False,
    steady: bool = False,
    breaks: Any = (),
    max_events: int | None = None,
    max_steps: int | None = None,
    adjoint: diffrax.AbstractAdjoint = diffrax.RecursiveCheckpointAdjoint(),
    key: Array | None = None,
    throw: bool = True,
) -> Solution:
    r"""Solve a model with adaptive steps and with events located exactly.

    $$\dot y = f(t, y, m, u(t)) \quad\text{until some event function } g_k(t, y)
      \text{ crosses zero upward};\qquad (y, m) \leftarrow \text{jump}(t, y, m)$$

    The same model that `simulate` runs on a time grid: `flow` is integrated by a solver of
    diffrax, the crossings of `events` are found on its dense output, and `jump` is called there
    and where a clock (a refractory period) runs out. Events of the same instant, which is to say
    within the tolerance of the root finder (about 3e-10 ms in double precision), fire together:
    one call of `jump`, which is told of all of them, on the state before. What this jump carries
    over its threshold fires next, at the same instant, in a further call. No order of neurons
    plays a part.
    Two crossings of one event function within one solver step are missed. An event is located as
    well as the dense output of the solver is: fourth order for `Tsit5`, third for `Kvaerno5`.

    New parameters, inputs, states and durations reuse the compiled program. Inside `jit`, `vmap`
    and `grad` it works too, without `dense`. Derivatives of spike times (`.spike_times`) and of
    the states behind them are exact, that is those of the solution itself up to its tolerance;
    each of several neurons that spike together keeps its own.

    **Arguments:**

    - `model`: any component or `Network` without noise and without delays.
    - `duration`: ms, number or quantity.
    - `inputs`: as for `simulate`, save arrays over time: constants, functions of time (ms), and
      components such as `ConstantInput` whose output needs no time grid.
    - `solver`: of diffrax; for stiff models `diffrax.Kvaerno5()`.
    - `rtol`, `atol`: tolerances of a step, for the worst state variable; 1e-7 and 1e-9, in single
      precision 1e-5 and 1e-7.
    - `stepsize_controller`: of diffrax, in the place of the two; `dt0`: the first step after each
      event, ms, chosen by the solver if left out.
    - `state`: where to start: a `State`, or the `.state` of a solution or recording to go on.
    - `t0`: time of the start, ms: 0, or the time that `state` has reached.
    - `ts`: times to keep the state at, ms, increasing; only the end if left out.
    - `dense`: keep the interpolants, so that the solution can be evaluated anywhere.
    - `steady`: stop where the flow has died out, $|f| < \mathrm{atol} + \mathrm{rtol}\,|y|$, which
      must be before `duration` is over; `sol.ts` is the time at which that was.
    - `breaks`: times (ms) at which functions of time jump; the solver starts anew there. A short
      pulse that is not named here can be stepped over. Signals such as `Steps` name their own.
    - `max_events`: instants with events, 1,000,000; inside of `jit`, where memory is set aside for
      all of them, 1000. `max_steps`: solver steps, 10,000,000; inside of `jit` 100,000.
    - `adjoint`: how to differentiate: `diffrax.RecursiveCheckpointAdjoint()` for `grad`,
      `diffrax.ForwardMode()` for `jvp` and second derivatives, `diffrax.DirectAdjoint()` for both
      at a higher cost; with `steady` also `diffrax.ImplicitAdjoint()`, by the implicit function
      theorem.
    - `key`: random key for the initial state, `jax.random.key(0)`.
    - `throw`: raise when the end is not reached; otherwise the solution holds what came before,
      and `.status` says when and why.

    **Returns:** a `Solution`.

    **Raises:** `ValueError` for models with noise, delays or random parts, inputs that need a time
    grid, times out of order; `FloatingPointError` where the solver cannot go on, and
    `RuntimeError` where `max_events`, `max_steps` or, with `steady`, `duration` are not enough.

    ```python
    >>> from fdyn.components import LIF
    >>> sol = solve(LIF(1, tau=20.0, v_rest=-65.0, v_th=-50.0), 50.0, inputs=20.0)
    >>> round(float(sol.spikes("spike").times[0]), 3)  # 20 log(4)
    27.726

    ```

    **Source:** event location on dense output, Hairer, Nørsett & Wanner 1993, Solving ODEs I,
    section II.6; spiking networks as hybrid systems, Brette et al. 2007, J. Comput. Neurosci.
    23:349, section 2.2.
    """
    arg.check_arguments(model, solver, key, adjoint, steady)
    if steady and (ts is not None or dense):
        raise ValueError(
            "steady=True keeps the steady state only, which comes at a time not known before: "
            "leave out 'ts' and 'dense'."
        )
    if steady and stepsize_controller and not hasattr(stepsize_controller, "rtol"):
        raise ValueError(
            "steady=True takes the tolerances of the step size controller, which "
            f"{type(stepsize_controller).__name__} does not have: use diffrax.PIDController."
        )
    ev.check_delays(model)
    default = jax.random.key(0) if key is None else key
    start, state, found_key = arg.state_of(model, state, default)
    t0 = start if t0 is None else arg.as_ms(t0, "t0")
    t1 = t0 + arg.as_ms(duration, "duration", positive=True)
    drives, states = arg.inputs(model, inputs, default)
    program = seg.Program(
        model=model,
        drives=drives,
        states=states,
        solver=settling(solver),
        controller=controller(stepsize_controller, rtol, atol, solver),
        dt0=None if dt0 is None else arg.as_ms(dt0, "dt0", positive=True),
        t1=t1,
        ts=arg.times(ts, t0, t1),
        breaks=arg.breaks(breaks, drives, t0, t1),
        max_events=jnp.zeros((), jnp.int32),
        max_steps=jnp.zeros((), jnp.int32),
        key=default,
        adjoint=adjoint,
        dense=bool(dense),
        steady=bool(steady),
    )
    functions = [getattr(drive, "fn", None) for drive in drives.values()]
    traced = is_traced((program, state, t0)) or under_trace(functions)
    limits = []
    for name, given, usual in (
        ("max_events", max_events, _MAX_EVENTS),
        ("max_steps", max_steps, _MAX_STEPS),
    ):
        value = usual["traced" if traced else "plain"] if given is None else given
        limits.append(step_limit(value, name))
    program = eqx.tree_at(
        lambda p: (p.max_events, p.max_steps),
        program,
        tuple(jnp.array(x, jnp.int32) for x in limits),
    )
    if traced:
        program = dataclasses.replace(program, traced=True)
        run, events = _traced(program, t0, state, *limits)
        dense_out = None
    else:
        run, events, dense_out = _plain(program, t0, state)
    return _solution(program, run, events, dense_out, t0, limits, found_key, traced, throw)


def _traced(
    program: seg.Program, t0: Array, state: State, max_events: int, max_steps: int
) -> tuple[seg.Run, seg.Events]:
    if program.dense:
        raise ValueError(
            "dense=True has no meaning inside jit, vmap and grad, where the number of steps is "
            "not known: give the times you need as 'ts'."
        )
    kind = arg.loop_kind(program.adjoint)
    run = seg.start(program, t0, state)
    # Up to four segments per event: to the crossing, the way back, a clock, its rounding.
    events = 4 * max_events if run.side.size else 0
    rows = program.ts.size // seg.CALL_ROWS
    segments = events + program.breaks.size + rows + max_steps // seg.CALL_STEPS + 8
    capacity = max_events if run.side.size else 1
    return seg.advance(program, run, capacity, segments, kind)


def _plain(
    program: seg.Program, t0: Array, state: State
) -> tuple[seg.Run, seg.Events, Dense | None]:
    """Chunk by chunk, so that memory need not be set aside for all events and steps."""
    run = seg.start(program, t0, state)
    times, fired, steps, interpolation = [], [], [], None
    while int(run.code) == seg.RUNNING:
        if program.dense:
            run, events, found = seg.advance_dense(program, run)
            n = int(found.ts_size) - 1
            ends = np.asarray(found.ts)
            steps.append(
                (
                    ends[:n],
                    ends[1 : n + 1],
                    jax.tree.map(lambda x, n=n: np.asarray(x)[:n], found.infos),
                )
            )
            interpolation = found.interpolation_cls
        else:
            run, events = seg.advance(program, run, _CHUNK_EVENTS, None, "chunk")
        n = int(events.n)
        times.append(np.asarray(events.times)[:n])
        fired.append(jax.tree.map(lambda x, n=n: np.asarray(x)[:n], events.fired))
    joined = seg.Events(
        np.concatenate(times),  # pyright: ignore[reportArgumentType]
        jax.tree.map(lambda *x: np.concatenate(x), *fired),
        run.counts["events"],
    )
    return run, joined, _join_dense(steps, interpolation) if program.dense else None


def _join_dense(steps: list, interpolation: Any) -> Dense:
    start, end, infos = jax.tree.map(lambda *x: np.concatenate(x), *steps)
    # A power of two, so that evaluating solutions of similar lengths shares a compiled program.
    pad = (1 << max(start.size - 1, 1).bit_length()) - start.size

    def grow(x: np.ndarray, fill: float) -> Array:
        return jnp.asarray(np.concatenate([x, np.full((pad, *x.shape[1:]), fill, x.dtype)]))

    return Dense(
        grow(start, np.inf),
        grow(end, np.inf),
        jax.tree.map(lambda x: grow(x, 0), infos),
        interpolation,
    )


def _solution(
    program: seg.Program,
    run: seg.Run,
    events: seg.Events,
    dense: Dense | None,
    t0: Array,
    limits: list[int],
    key: Array,
    traced: bool,
    throw: bool,
) -> Solution:
    ts = run.t[None] if program.steady else program.ts
    # The end of the solve is kept after its jump, like every other time.
    at_end = (jnp.arange(ts.size, dtype=jnp.int32) >= run.row) & (ts <= run.t)
    ys = jax.tree.map(
        lambda old, y: jnp.where(at_end.reshape(-1, *[1] * y.ndim), y[None], old), run.ys, run.y
    )
    ok = run.code == seg.DONE
    if traced:
        if throw:
            ys = eqx.error_if(
                ys, ~ok, "solve: the end was not reached; see .status with throw=False"
            )
        status = Status(ok)
    else:
        status = _status(program, run, limits)
        if throw and not status.ok:
            kind = FloatingPointError if status.leaf else RuntimeError
            raise kind(status.message)
        n = int(run.row) + int(at_end.sum())
        ts, ys = ts[:n], jax.tree.map(lambda x: x[:n], ys)
    zero = jnp.zeros((), run.t.dtype)
    end = RunState(State(run.y, run.mem), {}, key, jnp.zeros((), jnp.int32), run.t, zero)
    units = {
        path: unit_of(program.model, _tree.split(path))
        for path in paths_of(run.y, events.fired, ())
    }
    fired, times = events.fired, None
    if traced:
        fired, times = jax.tree.map(jnp.isfinite, fired), fired
    return Solution(ts, ys, events.times, fired, times, end, status, run.counts, units, dense)


def _status(program: seg.Program, run: seg.Run, limits: list[int]) -> Status:
    t, code = float(run.t), int(run.code)
    if code == seg.DONE:
        return Status(True)
    leaf = _tree.leaf_paths(run.y)[int(run.leaf)] if code == seg.STUCK else ""
    advice = stiff_advice(program.solver, run.t.dtype)
    reason = {
        seg.STUCK: f"the solver could not go on: {leaf!r} is not finite, or changes so fast that "
        f"the steps became too small. Does the solution exist up to there? Try {advice}, and look "
        "at the parameters and inputs of that part",
        seg.STEPS: f"max_steps = {limits[1]} solver steps were not enough. Allow more, use larger "
        f"tolerances, or {advice}",
        seg.EVENTS: f"there were more events than max_events = {limits[0]} instants. Allow more, "
        "or look for a neuron that fires without end",
        seg.RESTLESS: "no steady state was reached until then. Allow a longer duration or larger "
        "tolerances, or look whether the model comes to rest at all",
    }[code]
    return Status(
        False,
        t,
        leaf,
        f"solve stopped at t = {t:g} ms of {float(program.t1):g}: {reason}. "
        "With throw=False what came before is returned.",
    )
