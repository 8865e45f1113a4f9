"""The events of a model as one vector of functions, and on which side of zero each of them is."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import Array
from jax.extend.core import Literal
from jaxtyping import PyTree

from ._network import Network, find
from .components import AbstractComponent, Args

# The value handed to the root finder is scaled down, so that its tolerance is one of time alone.
_SCALE = 1e-12


def values(model: AbstractComponent, t: Array, y: PyTree, args: Args) -> Array:
    """All event functions as one vector."""
    leaves = [jnp.ravel(x) for x in jax.tree.leaves(model.events(t, y, args))]
    return jnp.concatenate(leaves) if leaves else jnp.zeros(0, jnp.result_type(float))


def mask_like(tree: PyTree, mask: Array) -> PyTree:
    """A vector of flags in the form of the tree of event functions."""
    leaves, structure = jax.tree.flatten(tree)
    parts, start = [], 0
    for x in leaves:
        parts.append(mask[start : start + x.size].reshape(x.shape))
        start += x.size
    return jax.tree.unflatten(structure, parts)


def with_fired(
    model: AbstractComponent, t: Array, y: PyTree, args: Args, fired: Array | None = None
) -> Args:
    """The arguments with the events that a jump is told of, or another number for each of them;
    none by default."""
    events = model.events(t, y, args)
    if fired is None:
        fired = jnp.zeros(sum(x.size for x in jax.tree.leaves(events)), bool)
    return Args(args.mem, args.u, mask_like(events, fired))


class Segment(eqx.Module):
    """What is constant while the flow is integrated without interruption.

    `mem`; `start` (ms); inputs are read between `low` and `high` (ms), just inside of their
    discontinuities; `side`: which event functions are above zero.
    """

    mem: PyTree
    start: Array
    low: Array
    high: Array
    side: Array

    def of(self, mem: PyTree) -> "Segment":
        """The same with another memory."""
        return Segment(mem, self.start, self.low, self.high, self.side)


class Crossing(eqx.Module):
    """The first change of side of any event function, as one function that crosses zero upward.

    Every event function is below or above zero all through a segment. Turned so that all are
    negative, their maximum is zero where the first of them changes sides.
    """

    model: AbstractComponent
    args: Callable[[Array, Segment], Args]
    rest: "Rest | None" = None

    def __call__(self, t: Array, y: PyTree, args: Segment, **kwargs: Any) -> Array:
        """The maximum, scaled; negative at the start of the segment, whatever rounding says."""
        del kwargs
        g = values(self.model, t, y, self.args(t, args))
        h = jnp.max(jnp.where(args.side, -g, g), initial=-jnp.inf)
        if self.rest is not None:
            h = jnp.maximum(h, self.rest(t, y, args))
        h = h * _SCALE
        return jnp.where(t > args.start, h, -jnp.ones_like(h))


class Rest(eqx.Module):
    r"""Positive at rest: $\mathrm{atol} + \mathrm{rtol}\,|y| - |f|$, the condition of
    `diffrax.steady_state_event` as a function that crosses zero."""

    field: Callable[[Array, PyTree, Segment], PyTree]
    controller: Any

    def __call__(self, t: Array, y: PyTree, seg: Segment) -> Array:
        """How far within the tolerances of the step size controller the flow has died out."""
        c = self.controller
        return c.atol + c.rtol * c.norm(y) - c.norm(self.field(t, y, seg))


class FirstCrossing(optx.AbstractRootFinder):
    """Bisection for what diffrax asks of a root finder.

    A batch is searched as a whole as soon as one member has an event; for the others diffrax gives
    a function that falls to zero at the upper bound, which is then the answer.
    """

    rtol: Any
    atol: Any
    norm: ClassVar[Callable[[PyTree], Array]] = jnp.abs

    @property
    def _bisection(self) -> optx.Bisection:
        return optx.Bisection(rtol=self.rtol, atol=self.atol, flip=False)

    def init(
        self, fn: Any, y: Any, args: Any, options: Any, f_struct: Any, aux_struct: Any, tags: Any
    ) -> tuple[Any, Array]:
        """The bounds, and whether there is an event at all."""
        state = self._bisection.init(fn, y, args, options, f_struct, aux_struct, tags)
        low, high = fn(state.lower, args)[0], fn(state.upper, args)[0]
        return state, (low > 0) & (high == 0)

    def step(
        self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any
    ) -> tuple[Any, tuple[Any, Array], Any]:
        """Halve the interval."""
        y, inner, aux = self._bisection.step(fn, y, args, options, state[0], tags)
        return jnp.where(state[1], options["upper"], y), (inner, state[1]), aux

    def terminate(
        self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any
    ) -> tuple[Any, Any]:
        """Whether the interval is small enough."""
        done, result = self._bisection.terminate(fn, y, args, options, state[0], tags)
        return done | (state[1] & jnp.isfinite(state[0].error)), result

    def postprocess(
        self, fn: Any, y: Any, aux: Any, args: Any, options: Any, state: Any, tags: Any, result: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """As it is."""
        return self._bisection.postprocess(fn, y, aux, args, options, state[0], tags, result)


def slopes(model: AbstractComponent, t: Array, y: PyTree, dy: PyTree, args: Args) -> Array:
    """The time derivatives of the event functions along the flow, whose value is `dy`."""
    _, slope = jax.jvp(lambda t, y: values(model, t, y, args), (t, y), (jnp.ones_like(t), dy))
    return slope


def changed(g: Array, slope: Array, side: Array, hit: Array, tol: Array) -> Array:
    """Which event functions change sides at an instant: the located one, and those that follow
    within the tolerance `tol` (ms) in which instants are told apart."""
    if g.size == 0:
        return side
    g, slope = jnp.where(side, -g, g), jnp.where(side, -slope, slope)
    soon = (slope > 0) & (g + tol * slope > 0)
    # The located one counts even if rounding leaves it a little short of zero.
    return soon | (hit & (jnp.arange(g.size) == jnp.argmax(g)))


def after_jump(
    g: Array, new: Array, side: Array, turned: Array, fired: Array
) -> tuple[Array, Array]:
    """The sides after a jump that took the event functions from `g` to `new`, and those that the
    jump itself carried to zero or above, which are due to fire at the same instant."""
    down = (new < g) & (new < 0)
    side = jnp.where(fired, ~down, (side ^ turned) & ~down)
    return side, ~fired & ~side & (new >= 0) & (new > g)


def depends(fn: Callable[[Any], Any], x: Any) -> bool:
    """Whether the value of `fn` is computed from `x` at all."""
    jaxpr = jax.make_jaxpr(fn)(x).jaxpr
    needed = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    for eqn in reversed(jaxpr.eqns):
        if any(v in needed for v in eqn.outvars):
            needed.update(v for v in eqn.invars if not isinstance(v, Literal))
    return any(v in needed for v in jaxpr.invars)


def hands_on(fn: Callable[[PyTree], PyTree], x: PyTree) -> bool:
    """Whether `fn` returns the leaves of `x` as they are."""
    return _sources(jax.make_jaxpr(fn)(x).jaxpr) == list(range(len(jax.tree.leaves(x))))


def _sources(jaxpr: Any) -> list[int | None]:
    """Which input each output is; `None` where it is computed."""
    origin = {v: i for i, v in enumerate(jaxpr.invars)}
    for eqn in jaxpr.eqns:
        inner = eqn.params.get("jaxpr") if eqn.primitive.name in ("jit", "pjit") else None
        for v, k in zip(eqn.outvars, _sources(inner.jaxpr) if inner else (), strict=False):
            arg = None if k is None else eqn.invars[k]
            if not isinstance(arg, Literal | None) and arg in origin:
                origin[v] = origin[arg]
    return [None if isinstance(v, Literal) else origin.get(v) for v in jaxpr.outvars]


def check_delays(model: AbstractComponent) -> None:
    """Refuse delays, which would need a time grid."""
    if not isinstance(model, Network):
        return
    for node in model.nodes.values():
        check_delays(node)
    for name, p in model.projections.items():
        if p.plasticity is not None and p.plasticity.continuous:
            raise ValueError(
                f"solve: the {type(p.plasticity).__name__} of the projection {name!r} changes the "
                "weights all the time, for which it needs a time grid. Use simulate."
            )
        if p.delayed:
            what = "delays in its connectivity"
            if p.delay != 0.0:
                what = "a delay" + (f" of {p.delay:g} ms" if isinstance(p.delay, float) else "")
            raise ValueError(
                f"solve: the projection {name!r} has {what}, and the adaptive route has no "
                "delays. Use simulate, or a delay of 0 and a connectivity without any."
            )


def check(model: AbstractComponent, t: Array, y: PyTree, args: Args, path: str = "") -> None:
    """Refuse what has no meaning without a time grid, naming the part of the model."""
    what = f"{path!r} ({type(model).__name__})" if path else f"this {type(model).__name__}"
    if isinstance(model, Network):
        for name, node in model.nodes.items():
            inner = Args(args.mem[name], (args.u or {}).get(name))
            check(node, t, y[name], inner, f"{path}.{name}".lstrip("."))
        for name, p in model.projections.items():
            pre, _ = find(model, p.pre, "pre")
            if p.synapse.graded:
                continue
            if not jax.tree.leaves(
                eqx.filter_eval_shape(pre.events, t, *_node_state(y, args, p.pre))
            ):
                raise ValueError(
                    f"solve: the projection {name!r} carries the output of {p.pre!r} "
                    f"({type(pre).__name__}), which has no events but an output at every step of "
                    "a time grid. Use simulate, or drive the model through 'inputs'."
                )
        told = with_fired(model, t, y, args)
        if depends(lambda key: model.jump(t, y, told, dt=t, key=key), jax.random.key(0)):
            raise ValueError(
                "solve: the release or the plasticity of a projection draws random numbers at "
                "every step of a time grid, which the adaptive route does not have. Use simulate."
            )
        return
    if model.diffusion(t, y, args) is not None:
        raise ValueError(
            f"solve: {what} has noise (its diffusion is not None), and the adaptive route is for "
            "equations without. Use simulate, whose default solver takes noise."
        )
    args, key = with_fired(model, t, y, args), jax.random.key(0)
    plain = Args(args.mem, args.u)
    if not jax.tree.leaves(args.fired) and not hands_on(
        lambda y: model.jump(t, y, plain, dt=t, key=key)[0], y
    ):
        raise ValueError(
            f"solve: {what} changes its variables in 'jump' but defines no 'events', so that the "
            "instants of its jumps are not known. Define 'events' (zero upward at each jump), hand "
            "'y' on as it is, or use simulate."
        )
    if depends(lambda key: model.jump(t, y, args, dt=t, key=key), key):
        raise ValueError(
            f"solve: {what} draws random numbers at every step of a time grid, which the adaptive "
            "route does not have. Use simulate."
        )


def _node_state(y: PyTree, args: Args, path: str) -> tuple[PyTree, Args]:
    mem = args.mem
    for name in path.split("."):
        if not (isinstance(y, dict) and name in y and isinstance(mem, dict) and name in mem):
            break
        y, mem = y[name], mem[name]
    return y, Args(mem)


def outputs(
    model: AbstractComponent,
    t: Array,
    y: PyTree,
    args: Args,
    out: PyTree,
    fn: Callable[[Array, PyTree], Array],
) -> PyTree:
    """What `fn` makes of each output and of the tree of `args.fired`, one component after the
    other, of those that have events."""
    if isinstance(model, Network):
        parts = {
            name: outputs(
                node, t, y[name], Args(args.mem[name], None, args.fired[name]), out[name], fn
            )
            for name, node in model.nodes.items()
        }
        return {name: part for name, part in parts.items() if part}
    if not jax.tree.leaves(eqx.filter_eval_shape(model.events, t, y, args)):
        return {}
    return jax.tree.map(lambda x: fn(x, args.fired), out)
