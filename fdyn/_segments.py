"""The compiled part of `solve`: segments of uninterrupted flow, with a jump at the end of each."""

from typing import Any

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from . import _drive as drv
from . import _events as ev
from . import _ties as ties
from .components import AbstractComponent, Args, State, vector_field

# One call of the solver makes at most this many steps, and fills in at most so many of the times
# asked for; then it goes on with a new one. Both bound the memory that one call needs.
CALL_STEPS = 256
CALL_ROWS = 256
RUNNING, DONE, STUCK, STEPS, EVENTS, SEGMENTS, RESTLESS = range(7)


class Program(eqx.Module):
    """What is solved, and how."""

    model: AbstractComponent
    drives: dict[str, drv.AbstractDrive]
    states: dict[str, State]
    solver: diffrax.AbstractSolver
    controller: diffrax.AbstractStepSizeController
    dt0: Array | None
    t1: Array
    ts: Array
    breaks: Array
    max_events: Array
    max_steps: Array
    key: Array
    adjoint: diffrax.AbstractAdjoint
    dense: bool = eqx.field(static=True)
    steady: bool = eqx.field(static=True)
    traced: bool = eqx.field(static=True, default=False)

    def args(self, t: Array, seg: ev.Segment) -> Args:
        """The input at `t`, read on the near side of its discontinuities."""
        t = jnp.clip(t, seg.low, seg.high)
        zero, u = jnp.zeros((), jnp.int32), None
        for path, drive in sorted(self.drives.items()):
            value, _ = drive.value(t, zero, self.states[path], jnp.zeros_like(t), self.key)
            u = drv.add_drive(u, path, value)
        return Args(seg.mem, u)

    def field(self, t: Any, y: PyTree, seg: ev.Segment) -> PyTree:
        """The flow."""
        return vector_field(self.model)(t, y, self.args(t, seg))

    def segment(self, t: Array, mem: PyTree, side: Array) -> ev.Segment:
        """The segment that starts at `t`."""
        ends = jnp.full(1, jnp.inf, self.breaks.dtype)
        edges = jnp.concatenate([-ends, self.breaks, ends])
        k = jnp.searchsorted(self.breaks, t, side="right")
        before, after = edges[k], edges[k + 1]
        return ev.Segment(mem, t, eqxi.nextafter(before), eqxi.prevbefore(after), side)

    def tol(self, t: Array) -> Array:
        """Instants (ms) closer than this are one; the root finder is twice as accurate."""
        eps = jnp.finfo(t.dtype).eps
        return 2 * (eps**0.625 + 4 * eps * jnp.abs(t))


class Run(eqx.Module):
    """How far a solve has come."""

    t: Array
    y: PyTree
    mem: PyTree
    side: Array
    due: Array
    ys: PyTree
    row: Array
    counts: dict[str, Array]
    code: Array
    leaf: Array


class Events(eqx.Module):
    """The instants at which something fired, and which outputs; where derivatives may be taken,
    `fired` holds their times instead of flags, infinite for those that did not."""

    times: Array
    fired: PyTree
    n: Array


@eqx.filter_jit
def start(program: Program, t: Array, state: State) -> Run:
    """The start of a solve; here the model is checked, once per compilation."""
    model, y, mem = program.model, state.y, state.mem
    m = ev.values(model, t, y, Args(mem)).size
    side = jnp.zeros(m, bool)
    seg = program.segment(t, mem, side)
    args = program.args(t, seg)
    if not jax.tree.leaves(y):
        raise ValueError(
            f"solve: this {type(model).__name__} has no continuous state to integrate. "
            "Use simulate."
        )
    ev.check(model, t, y, args)
    g = ev.values(model, t, y, args)
    slope = ev.slopes(model, t, y, program.field(t, y, seg), args)
    side = g + program.tol(t) * jnp.abs(slope) >= 0
    # What starts at threshold fires at once if that resets it; else it has crossed before.
    fired = ev.with_fired(model, t, y, args, side)
    y2, mem2, _ = model.jump(t, y, fired, dt=jnp.zeros_like(t), key=program.key)
    new = ev.values(model, t, y2, Args(mem2, args.u))
    due = side & (new < g) & (new < 0)
    ys = jax.tree.map(lambda x: jnp.full((program.ts.size, *x.shape), jnp.nan, x.dtype), y)
    zero = jnp.zeros((), jnp.int32)
    counts: dict[str, Array] = {k: zero for k in ("accepted", "rejected", "segments", "events")}
    return Run(t, y, mem, side & ~due, due, ys, zero, counts, zero, zero)


def _fired(program: Program, t: Array, y: PyTree, args: Args, out: PyTree, tau: Array) -> PyTree:
    """Which outputs are there at an instant, or, where derivatives may be taken, when each is."""
    if not program.traced:
        none = ev.with_fired(program.model, t, y, args)
        return ev.outputs(program.model, t, y, none, out, lambda x, _: x != 0)
    late = ev.with_fired(program.model, t, y, args, tau)
    return ev.outputs(
        program.model, t, y, late, out, lambda x, d: jnp.where(x != 0, t + ties.own(x, d), jnp.inf)
    )


def _no_events(program: Program, run: Run, capacity: int) -> Events:
    def out(run: Run) -> PyTree:
        args = program.args(run.t, program.segment(run.t, run.mem, run.side))
        told = ev.with_fired(program.model, run.t, run.y, args)
        _, _, out = program.model.jump(run.t, run.y, told, dt=run.t, key=program.key)
        return _fired(program, run.t, run.y, args, out, jnp.zeros(run.side.size, run.t.dtype))

    def blank(s: Any) -> Array:
        fill = False if s.dtype == bool else jnp.inf
        return jnp.full((capacity, *s.shape), fill, s.dtype)

    fired = jax.tree.map(blank, eqx.filter_eval_shape(out, run))
    return Events(jnp.full(capacity, jnp.inf, run.t.dtype), fired, jnp.zeros((), jnp.int32))


def _integrate(
    program: Program, run: Run, seg: ev.Segment, end: Array
) -> tuple[diffrax.Solution, tuple[Array, PyTree], PyTree, tuple[Array, Array]]:
    """The flow from `run.t` to `end` or to the first event; its last state, the rows of the times
    asked for, and whether it ended at an event or came to rest."""
    size = min(program.ts.size, CALL_ROWS)
    rows = jax.lax.dynamic_slice_in_dim(_padded(program.ts), run.row, size)
    rows = jnp.clip(rows, run.t, end)
    event = None
    rest = ev.Rest(program.field, program.controller) if program.steady else None
    if run.side.size or program.steady:
        tol = program.tol(run.t)
        finder = ev.FirstCrossing(rtol=4 * jnp.finfo(tol.dtype).eps, atol=tol / 4)
        crossing = ev.Crossing(program.model, program.args, rest)
        event = diffrax.Event(crossing, finder, direction=True)
    subs: Any = {"end": diffrax.SubSaveAt(t1=True), "rows": diffrax.SubSaveAt(ts=rows)}
    if program.steady:
        subs = diffrax.SubSaveAt(t1=True)
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(program.field),
        program.solver,
        t0=run.t,
        t1=end,
        dt0=program.dt0,
        y0=run.y,
        args=seg,
        saveat=diffrax.SaveAt(subs=subs, dense=program.dense),
        stepsize_controller=program.controller,
        adjoint=program.adjoint,
        event=event,
        max_steps=CALL_STEPS,
        throw=False,
    )
    t, ys = _parts(sol, subs)
    hit = sol.result == diffrax.RESULTS.event_occurred
    still = jnp.zeros((), bool)
    if rest is not None:
        y = ys["end"]
        g = ev.values(program.model, t, y, program.args(t, seg))
        first = jnp.max(jnp.where(seg.side, -g, g), initial=-jnp.inf)
        still = hit & (rest(t, y, seg) >= first)
    return sol, (t, ys["end"]), ys["rows"], (hit & ~still, still)


def _parts(sol: diffrax.Solution, subs: Any) -> tuple[Array, dict[str, PyTree]]:
    """The time and the state at the end, and the rows before."""
    ts: Any = sol.ts
    ys: Any = sol.ys
    if isinstance(subs, dict):
        return ts["end"][0], {"end": jax.tree.map(lambda x: x[0], ys["end"]), "rows": ys["rows"]}
    # The implicit function theorem, which wants this form, gives no derivative of the time.
    y = jax.tree.map(lambda x: x[0], ys)
    return jax.lax.stop_gradient(ts[0]), {"end": y, "rows": ys}


def _padded(ts: Array) -> Array:
    return jnp.concatenate([ts, jnp.full(min(ts.size, CALL_ROWS), jnp.inf, ts.dtype)])


def _body(program: Program, run: Run, events: Events) -> tuple[Run, Events, diffrax.Solution]:
    """One segment of flow and the jump at its end."""
    model = program.model
    seg = program.segment(run.t, run.mem, run.side)
    clock = model.timer(run.mem).astype(run.t.dtype)
    stop = jnp.minimum(jnp.minimum(program.t1, run.t + clock), eqxi.nextafter(seg.high))
    last = _padded(program.ts)[run.row + min(program.ts.size, CALL_ROWS) - 1]
    stop = jnp.where(run.row + CALL_ROWS < program.ts.size, jnp.minimum(stop, last), stop)
    stop = jnp.where(jnp.any(run.due), run.t, jnp.maximum(stop, run.t))
    sol, end, rows, (hit, rest) = _integrate(program, run, seg, stop)
    t, y = end
    made = sol.stats["num_accepted_steps"]

    args = program.args(t, seg)
    g = ev.values(model, t, y, args)
    slope = ev.slopes(model, t, y, program.field(t, y, seg), args)
    turned = ev.changed(g, slope, run.side, hit, program.tol(t))
    turned = jnp.where(jnp.any(run.due), run.due, turned)
    fired = turned & ~run.side
    # The clock that ended the segment ends exactly, whatever the sum of the times rounds to.
    dt = jnp.where(t >= run.t + clock, clock, t - run.t)

    def jump(t: Array, y: PyTree, mem: PyTree, fired: Array, dt: Array) -> tuple:
        told = ev.with_fired(model, t, y, Args(mem, program.args(t, seg).u), fired)
        return model.jump(t, y, told, dt=dt, key=program.key)

    y2, mem2, out = jump(t, y, run.mem, fired, dt)
    new = ev.values(model, t, y2, Args(mem2, args.u))
    side, due = ev.after_jump(g, new, run.side, turned, fired)
    tau = jnp.zeros_like(g)
    if program.traced:
        # What a jump brings about comes with it and has no time of its own.
        found = fired & ~jnp.any(run.due)
        tau = ties.delays(g, slope, found, hit)
        flow = lambda t, y, mem: program.field(t, y, seg.of(mem))  # noqa: E731
        y2, mem2 = ties.moved(jump, flow, (t, y, run.mem, dt), (y2, mem2), found, hit, tau)
        y2, mem2 = ties.released(model.timer, flow, t, y2, run.mem, mem2, dt)

    # Many steps that lead nowhere mean a singularity, or a state or input that is not finite.
    went = hit | rest | (t >= stop) | (t - run.t > program.tol(t))
    leaves = list(zip(jax.tree.leaves(y), jax.tree.leaves(y2), strict=True))
    wrong = ~jnp.stack([jnp.all(jnp.isfinite(a)) & jnp.all(jnp.isfinite(b)) for a, b in leaves])
    finite = ~jnp.any(wrong)
    allowed = (
        (sol.result == diffrax.RESULTS.successful)
        | hit
        | rest
        | (sol.result == diffrax.RESULTS.max_steps_reached)
    )
    ok = went & finite & allowed
    n_fired = jnp.any(fired).astype(jnp.int32)
    full = run.counts["events"] + n_fired > program.max_events
    counts = {
        "accepted": run.counts["accepted"] + made,
        "rejected": run.counts["rejected"] + sol.stats["num_rejected_steps"],
        "segments": run.counts["segments"] + 1,
        "events": run.counts["events"] + n_fired,
    }
    ended = RESTLESS if program.steady else DONE
    code = jnp.where((t >= program.t1) & ~jnp.any(due), ended, RUNNING)
    code = jnp.where(rest, DONE, code)
    spent = counts["accepted"] + counts["rejected"] >= program.max_steps
    code = jnp.where((code == RUNNING) & spent, STEPS, code)
    code = jnp.where(full, EVENTS, jnp.where(ok, code, STUCK)).astype(jnp.int32)
    ys, row = _save_rows(program, run, rows, t)
    next_run = Run(t, y2, mem2, side, due, ys, row, counts, code, run.leaf)
    # A segment that fails is left out, so that the state at its start can be gone on from.
    keep = ok & ~full
    leaf = _suspect(program, run, seg, wrong)
    failed = eqx.tree_at(lambda r: (r.code, r.leaf), run, (code, leaf))
    run = jax.tree.map(lambda a, b: _select(keep, a, b), next_run, failed)

    slot = jnp.where(keep & (n_fired > 0), events.n, events.times.size)
    flags = _fired(program, t, y2, Args(mem2, args.u), out, tau)
    events = Events(
        events.times.at[slot].set(t, mode="drop"),
        jax.tree.map(lambda a, b: a.at[slot].set(b, mode="drop"), events.fired, flags),
        events.n + jnp.where(keep, n_fired, 0),
    )
    return run, events, sol


def _suspect(program: Program, run: Run, seg: ev.Segment, wrong: Array) -> Array:
    """The leaf to name where the solver cannot go on: one that is not finite, else the one that
    changes fastest for its size."""

    def pace(f: Array, y: Array) -> Array:
        ratio = jnp.max(jnp.abs(f) / (jnp.abs(y) + 1), initial=0.0)
        return jnp.where(jnp.isnan(ratio), jnp.inf, ratio)

    f = program.field(run.t, run.y, seg)
    paces = jax.tree.leaves(jax.tree.map(pace, f, run.y))
    return jnp.argmax(jnp.where(wrong, jnp.inf, jnp.stack(paces))).astype(jnp.int32)


def _select(ok: Array, new: Array, old: Array) -> Array:
    return jnp.where(ok, new, old)


def _save_rows(program: Program, run: Run, rows: PyTree, t: Array) -> tuple[PyTree, Array]:
    """The rows whose times lie in the segment; one at its end belongs to what follows."""
    size = min(program.ts.size, CALL_ROWS)
    index = run.row + jnp.arange(size, dtype=jnp.int32)
    inside = jax.lax.dynamic_slice_in_dim(_padded(program.ts), run.row, size) < t
    index = jnp.where(inside, index, program.ts.size)
    ys = jax.tree.map(lambda old, new: old.at[index].set(new, mode="drop"), run.ys, rows)
    return ys, run.row + jnp.sum(inside, dtype=jnp.int32)


@eqx.filter_jit
def advance(
    program: Program, run: Run, capacity: int, max_segments: int | None, kind: Any
) -> tuple[Run, Events]:
    """Segments until the end, a failure, or full buffers."""

    def cond(carry: tuple[Run, Events]) -> Array:
        run, events = carry
        room = events.n < capacity if kind == "chunk" else True
        return (run.code == RUNNING) & room

    def body(carry: tuple[Run, Events]) -> tuple[Run, Events]:
        return _body(program, *carry)[:2]

    loop = "lax" if kind == "chunk" else kind
    start = (run, _no_events(program, run, capacity))
    run, events = eqxi.while_loop(cond, body, start, max_steps=max_segments, kind=loop)
    code = jnp.where((run.code == RUNNING) & (kind != "chunk"), SEGMENTS, run.code)
    return eqx.tree_at(lambda r: r.code, run, code.astype(jnp.int32)), events


@eqx.filter_jit
def advance_dense(program: Program, run: Run) -> tuple[Run, Events, Any]:
    """One segment, with the interpolants of its steps."""
    run, events, sol = _body(program, run, _no_events(program, run, 1))
    return run, events, sol.interpolation
