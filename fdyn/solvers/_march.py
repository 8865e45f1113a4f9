"""The driver of a fixed-step solver for a plain equation: from one time asked for to the next."""

import math
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree
from tqdm import tqdm

from .._grid import as_time
from .._misc import child_key, is_traced, magnitude, under_trace
from ..components._base import Args
from ._base import AbstractStepSolver
from ._function_model import FunctionModel, real_dtype
from ._status import Status, not_finite, status_of_start
from ._trajectory import Trajectory, no_rows

# Rows that one compiled call fills, and bytes that they may take.
_ROWS, _BYTES = 256, 4_000_000
# Steps that the first call makes; the next ones aim at half a second, so that the bar moves.
_STEPS = 10_000
# In reverse mode a stretch of more steps than this is cut into pieces, of which only the ends are
# kept: memory grows with the square root of the number of steps.
_PLAIN_STEPS = 32
_MAX_STEPS = 2**31 - 1


class _Carry(eqx.Module):
    y: PyTree
    memory: PyTree
    step: Array


class _Problem(eqx.Module):
    model: FunctionModel
    solver: AbstractStepSolver
    key: Array
    t0: Array
    dt: Array

    def step(self, carry: _Carry) -> _Carry:
        t = self.t0 + carry.step.astype(self.dt.dtype) * self.dt
        key = jax.random.fold_in(self.key, carry.step)
        y, memory = self.solver.step(self.model, t, self.dt, carry.y, Args(()), carry.memory, key)
        return _Carry(y, memory, carry.step + 1)


def march(
    model: FunctionModel,
    solver: AbstractStepSolver,
    ts: Any,
    dt: Any,
    *,
    key: Array | None = None,
    throw: bool = True,
    progress: bool = True,
) -> Trajectory:
    """`model` by fixed steps of `dt` from `ts[0]`, kept at the times `ts`.

    New parameters, initial values, times, `dt` and keys reuse the compiled program; memory is that
    of the rows kept. Inside of `jit`, `grad` or `vmap` the number of steps is static, and the
    memory of reverse mode grows with the square root of it.

    **Raises:** `ValueError` for times that do not increase or do not lie on the grid;
    `FloatingPointError` where the state does not stay finite, which names the first bad time and
    leaf.
    """
    ts, times = times_of(ts)
    dt = as_time(dt, "dt")
    counts = _counts(times, dt, ts.dtype)
    ts = ts.astype(real_dtype(model.y0))
    default = jax.random.key(0) if key is None else key
    # The solver may size its memory by the state, and must not see the keys of the steps.
    memory = solver.init(model, model.init(key=child_key(default, "init"), dt=dt), dt)
    strong = lambda x: jnp.asarray(x, jnp.asarray(x).dtype)  # noqa: E731
    start = jax.tree.map(strong, _Carry(model.y0, memory, jnp.zeros((), jnp.int32)))
    problem = _Problem(
        model, solver, default, jnp.asarray(times[0], ts.dtype), jnp.asarray(dt, ts.dtype)
    )
    if is_traced((problem, start)) or under_trace((model.f, model.g)):
        ys = _rows(problem, start, tuple(counts.tolist()))
        ok = _finite(jax.tree.map(lambda x: x[-1], ys))
        if throw:
            ys = eqx.error_if(ys, ~ok, "the state did not stay finite; see throw=False")
        return Trajectory(jnp.asarray(ts), ys, Status(ok), {"steps": int(counts.sum())})
    invalid = status_of_start(model.y0, times[0], throw)
    if invalid is not None:
        return no_rows(jnp.asarray(ts), model.y0, invalid, {"steps": 0})
    rows, made, status = _chunks(problem, start, counts, progress)
    if throw and not status.ok:
        raise FloatingPointError(status.message)
    ys = jax.tree.map(lambda y, *x: np.concatenate([np.asarray(y)[None], *x]), model.y0, *rows)
    kept = len(jax.tree.leaves(ys)[0])
    # Unlike jnp.asarray this compiles nothing for another number of rows.
    ts, ys = jax.device_put((ts[:kept], ys))
    return Trajectory(ts, ys, status, {"steps": made})


def times_of(ts: Any) -> tuple[np.ndarray, np.ndarray]:
    """Increasing times as given, and in double precision."""
    ts = magnitude(ts, "ms", "t")
    if is_traced(ts):
        raise ValueError(
            "'t' must be known times, because they set how many steps a fixed-step method makes; "
            f"got {ts!r}. An adaptive method takes traced times."
        )
    # Python numbers are exact; an array of single precision is as exact as it can be.
    given = np.asarray(ts)
    if given.dtype.kind not in "iuf" or given.ndim != 1 or given.size < 2:
        raise ValueError(
            "'t' must be two or more increasing times, of which the first is the start; got "
            f"{ts!r}."
        )
    times = given.astype(np.float64)
    if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError("'t' must be finite times in increasing order, each only once.")
    return given, times


def _counts(times: np.ndarray, dt: float, dtype: np.dtype) -> np.ndarray:
    """How many steps lie between the times, each of which must lie on the grid."""
    exact = (times - times[0]) / dt
    steps = np.rint(exact)
    # The rounding of decimal fractions such as 0.3 / 0.1, and that of the times themselves.
    tolerance = (
        1e-6 + 4 * (np.finfo(dtype).eps if dtype.kind == "f" else 0) * np.abs(times).max() / dt
    )
    off = np.flatnonzero(np.abs(exact - steps) > tolerance)
    if off.size or (np.diff(steps) < 1).any():
        i = off[0] if off.size else int(np.argmin(np.diff(steps))) + 1
        low = times[0] + np.floor(exact[i]) * dt
        raise ValueError(
            f"t[{i}] = {times[i]:g} is no whole number of steps dt = {dt:g} after t[0] = "
            f"{times[0]:g}: the nearest are {low:g} and {low + dt:g}."
        )
    if steps[-1] >= _MAX_STEPS:
        raise ValueError(f"fewer than {_MAX_STEPS} steps, got {steps[-1]:g}: take a larger dt.")
    return np.diff(steps).astype(np.int64)


# --- as it comes --------------------------------------------------------------------------------


@eqx.filter_jit
def _advance(
    problem: _Problem, carry: _Carry, counts: Array, careful: bool
) -> tuple[_Carry, PyTree, Array]:
    """Some steps and a row, as often as `counts` has entries; the numbers of steps are data.

    `careful` stops at the first state that is not finite, which it returns.
    """

    def cond(x: tuple) -> Array:
        i, n, _, ok = x
        return (i < n) & ok

    def body(x: tuple) -> tuple:
        i, n, carry, ok = x
        carry = problem.step(carry)
        return i + 1, n, carry, _finite(carry.y) if careful else ok

    def row(x: tuple, n: Array) -> tuple:
        carry, ok = x
        _, _, carry, ok = jax.lax.while_loop(cond, body, (jnp.zeros_like(n), n, carry, ok))
        return (carry, ok), carry.y

    (carry, _), rows = jax.lax.scan(row, (carry, jnp.array(True)), counts)
    return carry, rows, _finite(carry.y)


def _chunks(
    problem: _Problem, carry: _Carry, counts: np.ndarray, progress: bool
) -> tuple[list[PyTree], int, Status]:
    """Call by call: rows up to the last valid one, number of steps made, status."""
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(carry.y))
    capacity = int(np.clip(_BYTES // max(size, 1), 1, _ROWS))
    ends, total = np.cumsum(counts), int(counts.sum())
    done, budget, kept = 0, _STEPS, []
    with tqdm(total=total, disable=not progress, delay=2, unit="step", leave=False) as bar:
        while done < total:
            # The ends of rows that lie ahead, and the end of the budget, which is no row.
            first = int(np.searchsorted(ends, done, side="right"))
            stops = ends[first : first + capacity]
            stops = np.unique(np.minimum(stops, done + budget))
            pieces = np.zeros(capacity, np.int32)
            pieces[: stops.size] = np.diff(stops, prepend=done)
            began = time.perf_counter()
            new, rows, ok = _advance(problem, carry, jnp.asarray(pieces), False)
            if not ok:
                # Searching only now costs nothing while all is well.
                new, rows, _ = _advance(problem, carry, jnp.asarray(pieces), True)
            made = int(new.step) - (0 if ok else 1)
            is_row = np.isin(stops, ends) & (stops <= made)
            kept.append(jax.tree.map(lambda x, k=is_row: np.asarray(x)[: k.size][k], rows))
            if not ok:
                return kept, made, _diagnose(problem, new)
            bar.update(made - done)
            carry, done = new, made
            ratio = 0.5 / max(time.perf_counter() - began, 1e-9)
            budget = int(np.clip(budget * min(ratio, 16.0), 1, _MAX_STEPS))
    return kept, done, Status(True)


def _finite(y: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(y)]))


def _diagnose(problem: _Problem, carry: _Carry) -> Status:
    bad = not_finite(carry.y)
    dt, step = float(problem.dt), int(carry.step)
    t = float(problem.t0) + step * dt
    message = (
        f"the state was no longer finite at t = {t:g} (step {step}): {bad[0]!r}"
        + (f", also {bad[1:]}" if bad[1:] else "")
        + f". Try a smaller dt than {dt:g}, for a stiff equation fdyn.solvers.RODAS3() or "
        "BackwardEuler(), or an adaptive method, which tells whether the solution exists up to "
        "there. With throw=False the rows before are returned."
    )
    return Status(False, t, bad[0], message)


# --- inside of a transformation -----------------------------------------------------------------


@eqx.filter_jit
def _rows(problem: _Problem, carry: _Carry, counts: tuple[int, ...]) -> PyTree:
    """The same with a static number of steps, which reverse-mode differentiation needs."""
    longest = max(counts)
    each = None if min(counts) == longest else jnp.asarray(counts, jnp.int32)

    def row(carry: _Carry, n: Array | None) -> tuple[_Carry, PyTree]:
        carry = _stretch(problem, carry, longest, n)
        return carry, carry.y

    _, rows = jax.lax.scan(row, carry, each, length=len(counts))
    return jax.tree.map(lambda y, r: jnp.concatenate([y[None], r]), carry.y, rows)


def _stretch(problem: _Problem, carry: _Carry, length: int, n: Array | None) -> _Carry:
    """`length` steps, or the first `n` of them."""
    last = None if n is None else carry.step + n

    def one(carry: _Carry, _: None) -> tuple[_Carry, None]:
        if last is None:
            return problem.step(carry), None
        return jax.lax.cond(carry.step < last, lambda c: problem.step(c), lambda c: c, carry), None

    def steps(carry: _Carry, length: int) -> _Carry:
        return jax.lax.scan(one, carry, None, length=length)[0]

    if length <= _PLAIN_STEPS:
        return steps(carry, length)
    size = math.isqrt(length)
    pieces, rest = divmod(length, size)

    @jax.checkpoint
    def piece(carry: _Carry, _: None) -> tuple[_Carry, None]:
        return steps(carry, size), None

    carry, _ = jax.lax.scan(piece, carry, None, length=pieces)
    return steps(carry, rest) if rest else carry
