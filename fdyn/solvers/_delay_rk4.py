"""The classical Runge-Kutta method for delay equations."""

import functools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._grid import as_time
from .._misc import is_traced, magnitude
from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractStepSolver, require_no_noise
from ._delay_ring import Ring, RingHistory, fill
from ._runge_kutta import RK4, _combine

_NOISE = (
    "Equations with both noise and delays have no solver yet. Leave the noise out; or let the "
    "delays be those of projections in a network (Projection(..., delay=...)), which go with any "
    "solver, such as fdyn.solvers.EulerMaruyama()."
)


def _as_breaks(breaks: Any) -> Array:
    breaks = magnitude(breaks, "ms", "breaks")
    return jnp.atleast_1d(jnp.asarray(breaks, jnp.result_type(float))).reshape(-1)


class DelayRK4(AbstractStepSolver):
    r"""The classical Runge-Kutta method for equations with delays. Order 4.

    $$\dot y = f\bigl(t, y(t), y(t - \tau_1), \dots\bigr)$$

    The flow calls `args.hist(lag)` for the state `lag` ago, and `args.hist.derivative(lag)` for
    its derivative (neutral equations). The past is kept in a ring of cubic Hermite pieces of the
    last `span` ms, whose error is of the order of the method. Delays may be several, differ from
    element to element, and vary with time and state, but not be shorter than `dt`.

    What is rough at one time (the start, where the derivative jumps; an input that switches) is
    rough again one delay later. The order is 4 where such times lie on the grid, as they do when
    delays are multiples of `dt`, or where they are named as `breaks`: a step is cut in parts there.
    Else the order is 2. (The derivative of a solution with respect to a delay by which the past
    has a jump is right where the jump arrives within such a step: the grid does not move.) The
    derivative of the past is of order 4 at delays that are multiples of
    `dt`, and of order 3 elsewhere. Deterministic equations only: those with both noise and delays
    have no solver yet.

    **Arguments:**

    - `span`: the longest delay, ms.
    - `history`: the past at the start, a smooth function of the time (ms, negative) since then,
      or a tree like the state for a constant one. Left out, the initial state is taken for it,
      and neutral equations are refused, since its derivative is not known.
    - `breaks`: times since the start (ms) that are ends of steps; none by default.
    - `cuts`: how many of them may lie within one step; counted by default (1 where they are
      traced).

    **Raises:** `ValueError` for a span that is not positive, a history unlike the state, a model
    with noise, or a neutral equation without history; while it runs, an error for a delay shorter
    than `dt` or longer than `span`, and for more breaks within a step than `cuts`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.solvers import solve_dde
    >>> f = lambda t, y, args, hist: -hist(1.0)
    >>> traj = solve_dde(f, 1.0, [0.0, 1.0, 2.0], method=DelayRK4(1.0), dt=0.1)
    >>> (traj.ys + 0.0).round(9).tolist()  # 1 - t, then 1 - t + (t - 1)^2 / 2
    [1.0, 0.0, -0.5]

    ```

    **Source:** Hairer, Nørsett & Wanner 1993, Solving ODEs I, section II.17; Bellen & Zennaro
    2003, Numerical Methods for Delay Differential Equations, section 4.1.
    """

    span: float = eqx.field(static=True, converter=lambda x: as_time(x, "span"))
    history: Any = None
    breaks: Array = eqx.field(default=(), converter=_as_breaks)
    cuts: int | None = eqx.field(static=True, default=None)

    order: ClassVar[float] = 4

    def init(self, model: AbstractComponent, state: Any, dt: float) -> Ring:
        """The ring, filled with the past before the start."""
        del model
        past = self.history
        if past is not None and not callable(past):
            given = past
            past = lambda s: given  # noqa: E731
        if self.span < dt:
            raise ValueError(
                f"DelayRK4: span = {self.span:g} ms is shorter than one step, dt = {dt:g} ms. "
                "Delays must not be shorter than dt: use a smaller dt."
            )
        return fill(state.y, past, self.span, dt, self._parts(dt))

    def _parts(self, dt: float) -> int:
        """How many parts a step may have."""
        if self.cuts is not None:
            return self.cuts + 1
        if not self.breaks.size:
            return 1
        if is_traced(self.breaks):
            return 2
        place = np.asarray(self.breaks, float) / dt
        place = place[np.isfinite(place)]
        inside = place[np.abs(place - np.rint(place)) > 1e-6]
        return 1 + int(np.unique(np.floor(inside), return_counts=True)[1].max(initial=0))

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: Ring,
        key: Array,
    ) -> tuple[PyTree, Ring]:
        """One step of the method, in parts where a break lies within."""
        del key
        require_no_noise(self, model, t, y, args, _NOISE)
        parts = solver_state.cuts.shape[1] - 1
        cuts = self._cut(solver_state, parts)
        run = functools.partial(self._part, model, t, dt, args, solver_state)
        done = []
        for a, b in zip(cuts[:-1], cuts[1:], strict=True):
            part = run(y, a, b) if parts == 1 else jax.lax.cond(b > a, run, _nothing, y, a, b)
            done.append(part)
            y = part[2]
        return y, solver_state.push(done, cuts)

    def _cut(self, ring: Ring, parts: int) -> Array:
        """The ends of the parts of this step, in units of it."""
        ends = jnp.array([0.0, 1.0], ring.dt.dtype)
        if parts == 1:
            return ends
        # Breaks are times since the start, from which the ring counts its steps.
        place = self.breaks.astype(ring.dt.dtype) / ring.dt - ring.n.astype(ring.dt.dtype)
        inside = (place > 1e-6) & (place < 1 - 1e-6)
        place = jnp.sort(jnp.where(inside, place, 1))
        place = jnp.concatenate([place, jnp.ones(max(parts - place.size, 0), place.dtype)])
        place = eqx.error_if(
            place,
            jnp.sum(inside) > parts - 1,
            f"DelayRK4: more than cuts = {parts - 1} breaks lie within one step. Take a smaller "
            "dt, or a larger 'cuts'.",
        )
        return jnp.concatenate([ends[:1], place[: parts - 1], ends[1:]])

    def _part(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        args: Args,
        ring: Ring,
        y: PyTree,
        a: Array,
        b: Array,
    ) -> tuple[PyTree, PyTree, PyTree, PyTree]:
        """From the fraction `a` of the step to `b`: state and derivative at both ends."""
        field, h = vector_field(model), (b - a) * dt
        given = self.history is not None

        def rate(x: float, y: PyTree) -> PyTree:
            c, side = a + x * (b - a), 1 if x == 0 else -1 if x == 1 else 0
            hist = RingHistory(ring, c, side, self.span, given)
            return field(t + c * dt, y, Args(args.mem, args.u, args.fired, hist))

        rows, last, nodes = RK4().tableau
        stages: list[PyTree] = []
        for row, node in zip(rows, nodes, strict=True):
            stages.append(rate(node, _combine(y, h, row, stages)))
        end = _combine(y, h, last, stages)
        return y, stages[0], end, rate(1.0, end)


def _nothing(y: PyTree, a: Array, b: Array) -> tuple[PyTree, PyTree, PyTree, PyTree]:
    """A part without length."""
    del a, b
    zero = jax.tree.map(jnp.zeros_like, y)
    return y, zero, y, zero
