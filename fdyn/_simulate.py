"""`simulate`: a model on a fixed time grid."""

import time
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree
from tqdm import tqdm

from . import _drive as drv
from . import _record as rec
from . import _tree
from ._grid import as_time, steps_of
from ._misc import child_key, is_traced, under_trace
from ._run_state import RunState as RunState
from ._run_state import check_same, start
from .components import AbstractComponent, State
from .solvers import AbstractStepSolver, ExponentialEuler
from .solvers._status import Status

F = TypeVar("F")

# A chunk buffers about this many bytes of records: small enough to stay near the processor, large
# enough that the cost of starting a chunk does not show.
_CHUNK_BYTES = 4_000_000
_CHUNK_STEPS = (256, 4096)
# Steps are counted in 32 bits.
_MAX_STEPS = 2**31 - 1
# XLA's default of 256 bits leaves half of an AVX-512 unit idle: 1.5 times on Hodgkin-Huxley rates.
# Elsewhere the option has no effect.
_COMPILER_OPTIONS = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
}


class _Program(eqx.Module):
    """What a run executes at every step."""

    model: AbstractComponent
    solver: AbstractStepSolver
    drives: dict[str, drv.AbstractDrive]
    records: dict[str, rec.AbstractRecord]

    def step(self, run: RunState, i: Array) -> tuple[RunState, PyTree, Array]:
        """The step that is the `i`-th of its chunk: new state, outputs, and the time reached."""
        dt = run.dt
        t = run.t0 + run.step.astype(dt.dtype) * dt
        key = jax.random.fold_in(run.key, run.step)
        u, states = None, {}
        for path, drive in sorted(self.drives.items()):
            value, states[path] = drive.value(
                t, i, run.inputs[path], dt, child_key(key, "input " + path)
            )
            u = drv.add_drive(u, path, value)
        model, out = self.model.step(
            run.model, u, t=t, dt=dt, key=child_key(key, "model"), solver=self.solver
        )
        check_same(run.model, model, "a step must return a state like it got", ("was", "is"))
        new = RunState(model, states, run.key, run.step + 1, run.t0, dt)
        return new, out, run.t0 + new.step.astype(dt.dtype) * dt


def _compiled(fn: F) -> F:
    jit: Any = eqx.filter_jit  # its types do not tell that it hands options on to jax.jit
    return jit(fn, compiler_options=_COMPILER_OPTIONS)


@_compiled
def _advance(
    program: _Program,
    run: RunState,
    acc: dict[str, Array],
    first: Array,
    n: Array,
    capacity: int,
    careful: bool,
) -> tuple[RunState, dict[str, Array], dict[str, Array], Array, Array]:
    """The next `n` steps, of which the first is the `first`-th of this run.

    The number of steps is data, so that durations share one compiled program; `capacity` is the
    static size of the buffers. `careful` stops before the first step whose state is not finite.
    """
    buffers = {
        name: jnp.zeros(
            (1 if rec.whole_run(r) else capacity // r.every + 2, *acc[name].shape), acc[name].dtype
        )
        for name, r in program.records.items()
    }

    def cond(carry):
        i, *_, ok = carry
        return (i < n) & ok if careful else i < n

    def body(carry):
        i, run, kept, buffers, ok = carry
        new, out, t = program.step(run, i)
        values, rows = dict(kept), {}
        for name, r in program.records.items():
            x = r.sample(t, new.model, out)
            if name in kept:
                x = values[name] = rec.accumulate(r, kept[name], x, first + i)
            row = i if r.every == 1 else (first + i) // r.every - first // r.every
            # Unlike .at[row].set it tests no bounds, which would cost as much as the copy.
            rows[name] = jax.lax.dynamic_update_index_in_dim(buffers[name], x, row, 0)
        if careful:
            ok = _all_finite(new.model)
            new, values, rows = jax.tree.map(
                lambda a, b: _select(ok, a, b), (new, values, rows), (run, kept, buffers)
            )
            i = jnp.where(ok, i, i - 1)
        return i + 1, new, values, rows, ok

    kept = {name: x for name, x in acc.items() if rec.needs_past(program.records[name])}
    start = (jnp.array(0, jnp.int32), run, kept, buffers, jnp.array(True))
    done, run, kept, buffers, _ = jax.lax.while_loop(cond, body, start)
    return run, {**acc, **kept}, buffers, done, _all_finite(run.model)


def _select(ok: Array, new: Array, old: Array) -> Array:
    if jnp.issubdtype(new.dtype, jax.dtypes.prng_key):
        return new
    return jnp.where(ok, new, old)


def _bad(state: State) -> dict[str, Array]:
    """Which leaves of a state are not finite (an infinite clock in the memory may be meant)."""
    tests = ((state.y, lambda x: ~jnp.isfinite(x)), (state.mem, jnp.isnan))
    return {
        _tree.path_str(k): jnp.any(test(x))
        for tree, test in tests
        for k, x in jax.tree_util.tree_leaves_with_path(tree)
        if jnp.issubdtype(x.dtype, jnp.inexact)
    }


def _all_finite(state: State) -> Array:
    bad = list(_bad(state).values())
    return ~jnp.any(jnp.stack(bad)) if bad else jnp.array(True)


@eqx.filter_jit
def _scan(
    program: _Program, run: RunState, acc: dict[str, Array], n: int
) -> tuple[RunState, dict[str, Array]]:
    """The same steps as a scan of static length, which reverse-mode differentiation needs."""

    def body(carry, i):
        run, acc = carry
        run, out, t = program.step(run, i)
        samples = {name: r.sample(t, run.model, out) for name, r in program.records.items()}
        acc = {
            name: rec.accumulate(program.records[name], acc[name], x, i)
            for name, x in samples.items()
        }
        return (run, acc), {k: v for k, v in acc.items() if not rec.whole_run(program.records[k])}

    (run, acc), rows = jax.lax.scan(body, (run, acc), jnp.arange(n, dtype=jnp.int32))
    traces = {}
    for name, r in program.records.items():
        once = rec.whole_run(r)
        traces[name] = acc[name][None][:n] if once else rows[name][r.every - 1 :: r.every]
    return run, traces


def simulate(
    model: AbstractComponent,
    duration: Any,
    *,
    dt: Any,
    inputs: Any = None,
    key: Array | None = None,
    solver: AbstractStepSolver = ExponentialEuler(),
    state: State | RunState | None = None,
    record: Any = None,
    chunk: int | None = None,
    stream: str | Path | None = None,
    progress: bool = True,
    throw: bool = True,
) -> rec.Recording:
    r"""Run a model on the fixed time grid $t_i = t_0 + i\,\Delta t$.

    In one step: the inputs are read at $t_i$; the solver carries the flow to $t_{i+1}$; thresholds,
    resets and refractory clocks; arrivals of spikes; then records are taken and stamped $t_{i+1}$.

    New parameters, inputs, keys, states, `dt` and durations reuse the compiled program (with
    delays, another `dt` does not: it changes the length of their rings). Called inside `jit`,
    `grad` or `vmap` it becomes a scan that can be differentiated; `chunk`, `progress` and `throw`
    then have no meaning, `stream` and `Spikes` raise an error.

    **Arguments:**

    - `model`: any component or `Network`.
    - `duration`: ms, a multiple of `dt`; `dt`: ms. Numbers or quantities.
    - `inputs`: for a network, a dictionary from path to input; else the input itself. An input is
      a number; an array over time, `[steps]` or `[steps, size]`; a function of time (ms); or a
      component with one output, such as `PoissonInput`, carried on by `ExponentialEuler()`.
    - `key`: random key, `jax.random.key(0)`. Step i uses `fold_in(key, i)`. Given together with the
      `.state` of an earlier recording it replaces the key of that one.
    - `solver`: a fixed-step solver, `ExponentialEuler()`.
    - `state`: where to start: a `State`, or `.state` of an earlier recording to go on exactly.
    - `record`: what to keep: paths such as `"E.v"`, `Record`, `Spikes`, a list of those, or a
      dictionary from name to those or to functions `(t, state, out)`. Nothing by default.
    - `chunk`: steps per compiled call; by default chosen from the size of the records. Results do
      not depend on it, bit for bit.
    - `stream`: folder in which each recorded array is kept as a `.npy` file, which ends at the last
      valid row if the run does not reach its end. `Spikes` and the times stay in memory. No file is
      written over, so a run that goes on from another needs a folder of its own.
    - `progress`: show a bar when the run takes more than two seconds.
    - `throw`: raise when something becomes infinite or NaN; otherwise the recording holds the
      steps before, and `.status` says when and where.

    **Returns:** a `Recording`.

    **Raises:** `ValueError` for unknown paths, shapes or lengths that do not fit, a duration or
    delay that is no multiple of `dt`, inputs that are not finite, a file of `stream` that exists,
    `stream` or `Spikes` inside `jit`; `FloatingPointError` where the state of the model does not
    stay finite.

    ```python
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(1), 50.0, dt=0.1, inputs=20.0, record=["v", "spike"])
    >>> rec.ts[[0, -1]].tolist(), rec["v"].shape, rec.unit("v")
    ([0.1, 50.0], (500, 1), 'mV')

    ```

    **Source:** the schedule of clock-driven simulation, Brette et al. 2007, J. Comput. Neurosci.
    23:349, section 2.
    """
    _check_model(model, solver)
    dt, duration = as_time(dt, "dt"), as_time(duration, "duration", zero=True)
    n_steps = steps_of(duration, dt, "the duration")
    drives = drv.make_drives(model, inputs, n_steps)
    records = rec.make_records(record)
    program = _Program(model, solver, drives, records)
    functions = [
        getattr(x, "fn", None) or getattr(x, "source", None)
        for x in (*drives.values(), *records.values())
    ]
    traced = is_traced((program, key, state)) or under_trace(functions)
    run = start(model, solver, drives, state, key, dt, n_steps)
    _check_length(run, n_steps)
    # One row of an array over time: the length of a run is no part of its structure.
    acc, full = _blank(program if traced else _with_rows(program, 0, min(n_steps, 1), 1), run)
    for name, x in full.items():
        rec.check_index(name, records[name], x.shape)
    units = rec.units_of(model, records)
    every = {name: r.every for name, r in records.items()}
    if traced:
        if stream is not None:
            raise ValueError(
                f"'stream' ({str(stream)!r}) writes files, which jit, grad and vmap cannot. Leave "
                "it out, or call simulate outside of them."
            )
        spiky = [name for name, r in records.items() if isinstance(r, rec.Spikes)]
        if spiky:
            raise ValueError(
                f"{spiky}: spikes as times and indices have no fixed size, which jit, grad and "
                "vmap need. Record the path densely instead."
            )
        steps = run.step + 1 + jnp.arange(n_steps, dtype=run.step.dtype)
        ts = run.t0 + steps.astype(run.dt.dtype) * run.dt
        end, traces = _scan(program, run, acc, n_steps)
        return rec.Recording(ts, traces, end, Status(_all_finite(end.model)), units, every)
    end, traces, ts, status = _run_chunks(program, run, acc, n_steps, chunk, stream, progress)
    if throw and not status.ok:
        raise FloatingPointError(status.message)
    return rec.Recording(ts, traces, end, status, units, every)


@eqx.filter_jit
def _blank(program: _Program, run: RunState) -> tuple[dict[str, Array], dict[str, Array]]:
    """Zeros like each record, and like the variables of which a record keeps listed units.

    Compiled so that a second run of the same structure does not trace the model even once.
    """
    new, out, t = program.step(run, jnp.array(0, jnp.int32))
    shape = {name: r.sample(t, new.model, out) for name, r in program.records.items()}
    full = {
        name: rec.Record(r.source).sample(t, new.model, out)
        for name, r in program.records.items()
        if isinstance(r, rec.Record) and eqx.is_array_like(r.index)
    }
    return jax.tree.map(jnp.zeros_like, (shape, full))


def _check_model(model: Any, solver: Any) -> None:
    if not isinstance(model, AbstractComponent):
        raise ValueError(f"'model' must be an AbstractComponent, got {type(model).__name__}.")
    if not isinstance(solver, AbstractStepSolver):
        raise ValueError(
            "'solver' must be a solver of fdyn.solvers such as ExponentialEuler() (an instance); "
            f"got {solver!r}. A solver of diffrax takes fixed steps as fdyn.solvers.Diffrax(...), "
            "and adaptive ones in fdyn.solve."
        )


def _check_length(run: RunState, n_steps: int) -> None:
    made = 0 if is_traced(run.step) else int(run.step)
    if made + n_steps >= _MAX_STEPS:
        raise ValueError(
            f"a run must have fewer than {_MAX_STEPS} steps, got {made + n_steps}: take a larger "
            "dt, or start anew from the model's State (rec.state.model) now and then."
        )


def _run_chunks(
    program: _Program,
    run: RunState,
    acc: dict[str, Array],
    n_steps: int,
    chunk: int | None,
    stream: str | Path | None,
    progress: bool,
) -> tuple[RunState, dict[str, Any], np.ndarray, Status]:
    """All steps, chunk by chunk; the last valid state, the traces, times of the steps, status."""
    capacity = _capacity(acc, program.records) if chunk is None else chunk
    if isinstance(capacity, bool | str) or capacity != int(capacity) or capacity < 1:
        raise ValueError(f"'chunk' must be a positive number of steps, got {chunk!r}.")
    store = rec.Store(program.records, acc, n_steps, stream)
    status, done, start = Status(True), 0, int(run.step)
    dt = as_time(run.dt, "dt")
    pace = capacity if chunk is not None else min(capacity, _CHUNK_STEPS[0])
    try:
        with tqdm(total=n_steps, disable=not progress, delay=2, unit="step", leave=False) as bar:
            while done < n_steps and status.ok:
                n = min(pace, n_steps - done)
                part = _with_rows(program, done, n, capacity)
                began = time.perf_counter()
                counts = (jnp.array(done, jnp.int32), jnp.array(n, jnp.int32), int(capacity))
                new, new_acc, buffers, _, ok = _advance(part, run, acc, *counts, False)
                if not ok:
                    # Searching only now costs nothing while all is well.
                    new, new_acc, buffers, made, _ = _advance(part, run, acc, *counts, True)
                    n = int(made)
                    status = _diagnose(part, new, n, start + done + n, dt)
                store.take(buffers, done, n)
                run, acc, done = new, new_acc, done + n
                bar.update(n)
                if chunk is None:
                    # Aim at a chunk of half a second, so that the bar moves.
                    ratio = 0.5 / max(time.perf_counter() - began, 1e-9)
                    pace = int(np.clip(pace * min(ratio, 16.0), 1, capacity))
    except BaseException:
        store.close(done)  # what was streamed before stays readable
        raise
    ts = float(run.t0) + (start + 1 + np.arange(done)) * dt
    return run, store.finish(acc, ts), ts, status


def _capacity(acc: dict[str, Array], records: dict[str, rec.AbstractRecord]) -> int:
    row = sum(x.size * x.dtype.itemsize / records[k].every for k, x in acc.items())
    low, high = _CHUNK_STEPS
    return int(np.clip(_CHUNK_BYTES / max(row, 1), low, high))


def _with_rows(program: _Program, start: int, n: int, capacity: int) -> _Program:
    drives = {
        path: d.chunk(start, n, capacity) if isinstance(d, drv.Series) else d
        for path, d in program.drives.items()
    }
    return _Program(program.model, program.solver, drives, program.records)


def _diagnose(program: _Program, run: RunState, i: int, step: int, dt: float) -> Status:
    """Which leaf is not finite after the step that follows the last valid state."""
    new, _, t = eqx.filter_jit(_Program.step)(program, run, jnp.array(i, jnp.int32))
    leaves = sorted(path for path, bad in _bad(new.model).items() if bad)
    leaf, t_bad = (leaves or ["?"])[0], float(t)
    message = (
        f"the state was no longer finite at t = {t_bad:g} ms (step {step + 1}): {leaf!r}"
        + (f", also {leaves[1:]}" if leaves[1:] else "")
        + f". Try a smaller dt than {dt:g} ms or another solver, and look at the parameters and "
        "inputs of that part. With throw=False the steps before are returned."
    )
    return Status(False, t_bad, leaf, message)
