"""The method of steps: adaptive steps of a solver of diffrax, the past in their interpolants."""

from collections.abc import Callable
from typing import Any, Literal

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from ..components._base import Args, vector_field
from ._function_model import FunctionModel
from ._pieces import Layout, Log, PieceHistory, Pieces

Kind = Literal["lax", "bounded"]
RUNNING, DONE, STEPS, FULL, STUCK, FUTURE, LOST, ROUND = range(8)
# A step in which its own interpolant is looked up is repeated until this no longer changes by this
# part of the tolerance; what does not settle so soon is taken with a smaller step.
_SWEEPS, _SETTLED = 10, 0.03
# Where in a step the interpolant is tested.
_DEFECT = 0.35


class Problem(eqx.Module):
    """What is solved, and how."""

    model: FunctionModel
    past: Callable[[Any], PyTree]
    solver: diffrax.AbstractSolver
    controller: diffrax.PIDController
    t0: Array
    t1: Array
    breaks: Array
    max_steps: Array
    layout: Layout

    def field(self, t: Array, z: Array, context: "Context") -> Array:
        """The flow on flat vectors; three more entries tell what part of the past was asked for."""
        log = Log()
        y = self.layout.unravel(z)
        hist = PieceHistory(
            self.past,
            context.pieces,
            context.current,
            t,
            context.step,
            self.t0,
            self.model.y0,
            self.layout,
            self.solver.interpolation_cls,
            log,
        )
        rate = vector_field(self.model)(t, y, Args((), hist=hist))
        return jnp.concatenate([self.layout.ravel(rate), log.flags(z.dtype)])


def prepared(
    solver: diffrax.AbstractSolver, control: diffrax.PIDController, kind: Kind
) -> diffrax.AbstractSolver:
    """The solver as `diffrax.diffeqsolve` would set it up.

    The loop over its stages is of this kind, and where it solves equations, their tolerances are
    those of the steps unless it has its own.
    """
    if getattr(solver, "scan_kind", kind) is None:
        solver = eqx.tree_at(lambda s: s.scan_kind, solver, kind, is_leaf=lambda x: x is None)
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        finder: Any = solver.root_finder
        unset = [
            name
            for name in ("rtol", "atol", "norm")
            if type(getattr(finder, name)).__name__ == "_UseStepSizeTol"
        ]
        solver = eqx.tree_at(
            lambda s: [getattr(s.root_finder, name) for name in unset],
            solver,
            [getattr(control, name) for name in unset],
        )
    return solver


def error_order(solver: diffrax.AbstractSolver) -> int:
    """The order of the error of one step."""
    order = solver.order(term())
    assert order is not None  # that of every solver of ordinary equations
    return int(order) + 1


class Context(eqx.Module):
    """What the flow needs to know of the run."""

    problem: Problem
    pieces: Pieces
    current: tuple[Array, Array, PyTree]
    step: tuple[Array, Array]


def term() -> diffrax.ODETerm:
    """The equation as diffrax sees it; all that it depends on comes with the context."""
    return diffrax.ODETerm(_field)


def _field(t: Any, z: Array, context: Context) -> Array:
    return context.problem.field(jnp.asarray(t), z, context)


class Run(eqx.Module):
    """How far a solve has come.

    `z`: the flat state, and three flags; `h`: the step to try; `jump`: whether `t` is a breaking
    point; `memory`, `control`: of solver and controller; `last`: the last step; `counts`; `code`.
    """

    t: Array
    z: Array
    h: Array
    jump: Array
    memory: PyTree
    control: PyTree
    pieces: Pieces
    last: tuple[Array, Array, PyTree]
    counts: dict[str, Array]
    code: Array


@eqx.filter_jit
def start(problem: Problem, dt0: Array | None, capacity: int) -> Run:
    """The start of a solve."""
    t, y = problem.t0, problem.model.y0
    z = jnp.concatenate([problem.layout.ravel(y), jnp.zeros(3, t.dtype)])
    # Before the first step is made, the state stands still: what the solver makes of a zero flow.
    still = diffrax.ODETerm(lambda t, z, args: jnp.zeros_like(z))
    span = (t, t + (problem.t1 - t))
    fixed = jax.lax.stop_gradient((*span, z))
    state = problem.solver.init(still, *fixed, None)
    _, error, infos, _, _ = problem.solver.step(still, *fixed, None, state, jnp.array(False))
    if error is None:
        raise ValueError(
            f"{type(problem.solver).__name__} does not tell its error, from which adaptive steps "
            "follow. Use diffrax.Tsit5() or another method with an embedded one."
        )
    infos = eqx.filter(infos, eqx.is_array)
    current = (*span, infos)
    zero = jnp.zeros((), jnp.int32)
    pieces = Pieces(
        jnp.full(capacity, jnp.inf, t.dtype).at[0].set(t),
        jnp.full(capacity, jnp.inf, t.dtype).at[0].set(span[1]),
        jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, *x.shape)), infos),
        zero,
    )
    context = Context(problem, pieces, current, span)
    d = problem.layout.starts[-1]

    def flow(terms: Any, t: Any, z: Any, args: Any) -> Array:
        del terms, args
        return problem.field(t, jnp.append(z, jnp.zeros(3, z.dtype)), context)[:d]

    first, control = problem.controller.init(
        term(), t, problem.t1, z[:d], dt0, context, flow, error_order(problem.solver)
    )
    memory = problem.solver.init(term(), *span, z, context)
    memory, control = jax.tree.map(jnp.asarray, (memory, control))
    h = jax.lax.stop_gradient(jnp.asarray(first - t))
    counts: dict[str, Array] = {k: zero for k in ("steps", "rejected", "repeated")}
    return Run(t, z, h, jnp.array(True), memory, control, pieces, current, counts, zero)


@eqx.filter_jit
def advance(problem: Problem, run: Run, kind: Kind, max_steps: int | None) -> Run:
    """Go on until the end, or until something is in the way."""
    return eqxi.while_loop(
        lambda run: run.code == RUNNING,
        lambda run: _step(problem, run, kind),
        run,
        kind=kind,
        max_steps=max_steps,
    )


def _step(problem: Problem, run: Run, kind: Kind) -> Run:
    """One attempt."""
    t, d = run.t, problem.layout.starts[-1]
    eps = jnp.finfo(t.dtype).eps
    tol = 16 * eps * jnp.maximum(jnp.abs(problem.t0), jnp.abs(problem.t1))
    ends = jnp.append(problem.breaks, problem.t1)
    stop = jnp.min(jnp.where(ends > t + tol, ends, jnp.inf))
    stop = jnp.where(jnp.isfinite(stop), stop, problem.t1)
    # The end of a step is a breaking point exactly, derivatives included; other ends are no
    # function of anything. Two equal steps to the stop are better than a long and a tiny one.
    rest = jax.lax.stop_gradient(stop) - jax.lax.stop_gradient(t)
    lands = run.h >= rest * (1 - 1e-6)
    h = jnp.where(run.h > rest / 2, rest / 2, run.h)
    t1 = jnp.where(lands, stop, jax.lax.stop_gradient(t) + h)
    z1, error, infos, memory, good, sweeps, flags = _sweep(problem, run, t1, kind)
    y, y1 = run.z[:d], z1[:d]
    # An infinite error makes the controller reject the step.
    error = jnp.where(good & jnp.all(jnp.isfinite(y1)), error[:d], jnp.inf)
    fixed = jax.lax.stop_gradient((t, t1, y, y1, error))
    keep, t_low, t_high, _, control, _ = problem.controller.adapt_step_size(
        *fixed[:4],
        None,
        fixed[4],
        error_order(problem.solver),
        jax.lax.stop_gradient(run.control),
    )
    keep = jnp.asarray(keep)
    taken = fixed[1] - fixed[0]
    proposed = jax.lax.stop_gradient(t_high - t_low)
    # A step that was cut short says nothing against the longer one that was to be tried.
    h = jnp.where(keep & (taken < run.h), jnp.maximum(proposed, run.h), proposed)
    z1 = z1.at[d:].set(0)
    pieces = run.pieces.push(t, t1, infos, keep)
    pick = lambda a, b: jax.tree.map(lambda x, y: jnp.where(keep, x, y), a, b)  # noqa: E731
    counts = {
        "steps": run.counts["steps"] + keep.astype(jnp.int32),
        "rejected": run.counts["rejected"] + (~keep).astype(jnp.int32),
        "repeated": run.counts["repeated"] + sweeps - 1,
    }
    new_t = jnp.where(keep, t1, t)
    stuck = ~keep & ~(h > 8 * eps * jnp.maximum(jnp.abs(t), tol))
    why = jnp.where(flags[1], FUTURE, jnp.where(sweeps >= _SWEEPS, ROUND, STUCK))
    code = jnp.where(counts["steps"] + counts["rejected"] >= problem.max_steps, STEPS, RUNNING)
    code = jnp.where(pieces.n >= pieces.start.shape[0], FULL, code)
    code = jnp.where(stuck, why, code)
    code = jnp.where(keep & flags[2], LOST, code)
    code = jnp.where(keep & (t1 >= problem.t1), DONE, code)
    return Run(
        new_t,
        pick(z1, run.z),
        h,
        jnp.where(keep, lands, run.jump),
        pick(memory, run.memory),
        control,
        pieces,
        pick((t, t1, infos), run.last),
        counts,
        code.astype(jnp.int32),
    )


def _sweep(problem: Problem, run: Run, t1: Array, kind: Kind) -> tuple:
    """The step to `t1`, repeated while it looks itself up and has not settled."""
    t, d = run.t, problem.layout.starts[-1]
    solver, control = problem.solver, problem.controller

    def look(current: tuple) -> Array:
        """The solution within the step, as far as it is known."""
        path = solver.interpolation_cls(t0=current[0], t1=current[1], **current[2])
        return jnp.stack([path.evaluate(t + x * (t1 - t))[:d] for x in (0.3, 0.6, 1.0)])

    def once(current: tuple) -> tuple:
        context = Context(problem, run.pieces, current, (t, t1))
        z1, error, infos, memory, result = solver.step(
            term(), t, t1, run.z, context, run.memory, run.jump
        )
        assert error is not None  # checked at the start
        infos, memory = eqx.filter(infos, eqx.is_array), jax.tree.map(jnp.asarray, memory)
        flags = z1[d:] != run.z[d:]
        new = (t, t1, infos)
        change = look(new) - look(current)
        size = control.atol + control.rtol * jnp.maximum(jnp.abs(run.z[:d]), jnp.abs(z1[:d]))
        settled = ~flags[0] | (control.norm(change / size[None]) < _SETTLED)
        good = (result == diffrax.RESULTS.successful) & ~flags[1]
        return (z1, error, infos, memory, good), new, settled, flags

    def defect(current: tuple) -> Array:
        """How far the interpolant is from solving the equation, over the step."""
        path = solver.interpolation_cls(t0=current[0], t1=current[1], **current[2])
        at = t + _DEFECT * (t1 - t)
        context = Context(problem, run.pieces, current, (t, t1))
        return (t1 - t) * (path.derivative(at) - problem.field(at, path.evaluate(at)[:d], context))[
            :d
        ]

    def body(carry: tuple) -> tuple:
        n, _, current, _, _ = carry
        return (n + 1, *once(current))

    shape = eqx.filter_eval_shape(once, run.last)
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shape)
    carry = (jnp.zeros((), jnp.int32), blank[0], run.last, blank[2], blank[3])
    again = lambda carry: ~carry[3] & (carry[0] < _SWEEPS)  # noqa: E731
    n, out, _, settled, flags = eqxi.while_loop(again, body, carry, kind=kind, max_steps=_SWEEPS)
    z1, error, infos, memory, good = out
    # The error of the interpolant counts too: from there it gets into all that comes later. (Not
    # with implicit methods: of a stiff equation the defect is large where the error is small.)
    if not isinstance(solver, diffrax.AbstractImplicitSolver):
        off = jax.lax.stop_gradient(defect((t, t1, infos)))
        error = error.at[:d].set(jnp.maximum(jnp.abs(error[:d]), jnp.abs(off)))
    return z1, error, infos, memory, good & settled, n, flags
