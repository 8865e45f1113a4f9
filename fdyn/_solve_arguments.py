"""What `solve` is given, checked and brought into the form of the compiled part."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import _drive as drv
from . import _events as ev
from ._grid import as_time
from ._misc import check_key, child_key, is_traced, magnitude, own
from ._run_state import RunState, check_same
from .components import AbstractComponent, Args, State
from .components._inputs._base import signals_in
from .solvers._diffrax import check_terms

# How the loop over segments is differentiated where that over steps is differentiated so.
_LOOPS = {
    diffrax.RecursiveCheckpointAdjoint: "checkpointed",
    diffrax.ForwardMode: "lax",
    diffrax.DirectAdjoint: "bounded",
    diffrax.ImplicitAdjoint: "bounded",
}


def loop_kind(adjoint: diffrax.AbstractAdjoint) -> Any:
    """The kind of the loop over segments that goes with an adjoint."""
    return _LOOPS[type(adjoint)]


def check_arguments(model: Any, solver: Any, key: Any, adjoint: Any, steady: bool) -> None:
    """Refuse what is not of the kinds that `solve` takes."""
    if not isinstance(model, AbstractComponent):
        raise ValueError(f"'model' must be an AbstractComponent, got {type(model).__name__}.")
    if not isinstance(solver, diffrax.AbstractSolver):
        raise ValueError(
            "'solver' must be a solver of diffrax such as diffrax.Tsit5() (an instance); got "
            f"{solver!r}. Fixed-step solvers belong to fdyn.simulate."
        )
    check_terms(solver, "solve")
    if type(adjoint) not in _LOOPS:
        raise ValueError(
            "'adjoint' must be one of diffrax, "
            + ", ".join(f"{kind.__name__}()" for kind in _LOOPS)
            + f"; got {adjoint!r}. Equations without events take the others in "
            "fdyn.solvers.solve_ode."
        )
    if isinstance(adjoint, diffrax.ImplicitAdjoint) and not steady:
        raise ValueError("diffrax.ImplicitAdjoint() is for steady states: use it with steady=True.")
    if key is not None:
        check_key(key)


def state_of(model: AbstractComponent, state: Any, key: Array) -> tuple[Array, State, Array]:
    """The time, the state and the key to start with."""
    zero = jnp.zeros((), jnp.result_type(float))
    new = model.init(key=child_key(key, "init"), dt=1.0)
    if not isinstance(state, State | RunState | None):
        raise ValueError(
            "'state' must be a State, or the .state of an earlier recording or solution; "
            f"got {type(state).__name__}."
        )
    current = new if state is None else state.model if isinstance(state, RunState) else state
    # Weakly typed leaves would become strong after a jump.
    found = jax.tree.map(lambda x: own(x, jnp.asarray(x).dtype), State(current.y, current.mem))
    what = f"'state' does not belong to this {type(model).__name__}"
    check_same(State(new.y, new.mem), found, what, ("needed", "given"))
    if isinstance(state, RunState):
        return state.time, found, state.key
    return zero, found, key


def as_ms(value: Any, name: str, *, positive: bool = False) -> Array:
    value = magnitude(value, "ms", name)
    if not is_traced(value):
        value = as_time(value, name) if positive else float(value)
        if not np.isfinite(value):
            raise ValueError(f"'{name}' must be a finite number of ms, got {value}.")
    return jnp.asarray(value, jnp.result_type(float))


def times(ts: Any, t0: Array, t1: Array) -> Array:
    if ts is None:
        return t1[None]
    ts = magnitude(ts, "ms", "ts")
    if is_traced((ts, t0, t1)):
        return jnp.atleast_1d(ts)
    array = np.atleast_1d(np.asarray(ts, jnp.result_type(float)))
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError("'ts' must be one or more finite times (ms).")
    if not (np.diff(array) > 0).all():
        raise ValueError("'ts' must be times (ms) in increasing order, each only once.")
    if array[0] < float(t0) or array[-1] > float(t1):
        raise ValueError(
            f"'ts' must lie between the start, {float(t0):g} ms, and the end, {float(t1):g} ms; "
            f"got {array[0]:g} to {array[-1]:g} ms."
        )
    return jnp.asarray(array)


def breaks(breaks: Any, drives: dict[str, drv.AbstractDrive], t0: Array, t1: Array) -> Array:
    """The times at which inputs are not smooth: those given and those of signals, in order."""
    breaks, dtype = magnitude(breaks, "ms", "breaks"), jnp.result_type(float)
    if not is_traced(breaks):
        breaks = np.atleast_1d(np.asarray(breaks, dtype))
        if breaks.ndim != 1 or not np.isfinite(breaks).all():
            raise ValueError("'breaks' must be finite times (ms).")
    found = [jnp.atleast_1d(jnp.asarray(breaks))]
    for signal in signals_in(drives):
        found.append(jnp.ravel(jnp.asarray(signal.breaks(t0, t1), dtype)))
    every = jnp.concatenate(found)
    # Powers of two, so that other durations reuse the compiled program.
    pad = (1 << (every.size - 1).bit_length()) - every.size if every.size else 0
    return jnp.sort(jnp.concatenate([every, jnp.full(pad, jnp.inf, dtype)]))


def inputs(
    model: AbstractComponent, inputs: Any, key: Array
) -> tuple[dict[str, drv.AbstractDrive], dict[str, State]]:
    """The inputs, and the (empty) states of those that are components."""
    drives = drv.make_drives(model, inputs, None)
    states = dict.fromkeys(drives, State((), ()))
    for path, drive in drives.items():
        if not isinstance(drive, drv.Component):
            continue
        component = drive.component
        state = component.init(key=key, dt=1.0)
        if callable(component) and not jax.tree.leaves(state):
            # On a time grid a signal forgives the rounding of its times, which here would blur the
            # two sides of a jump.
            drives[path] = drv.Function(fn=component, size=drive.size)
            continue
        states[path] = State(state.y, state.mem)
        one = jnp.ones((), jnp.result_type(float))

        def output(x: Any, component: Any = component, state: State = state, t: Array = one) -> Any:
            dt, key = x
            return component.jump(t, state.y, Args(state.mem), dt=dt, key=key)[2]

        if jax.tree.leaves(state) or ev.depends(output, (one, key)):
            raise ValueError(
                f"solve: the input {path or type(component).__name__!r} is a "
                f"{type(component).__name__}, which is random, has a state of its own or depends "
                "on a time step. Use simulate, or a function of time."
            )
    return drives, states
