"""The state of a run: where it starts, and all that it needs to go on exactly."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from . import _delay as dly
from . import _tree
from ._drive import AbstractDrive, Component
from ._misc import check_key, child_key, is_traced, own
from ._network import Network
from .components import AbstractComponent, State
from .solvers import AbstractFractionalSolver, AbstractStepSolver


class RunState(eqx.Module):
    """All that a run needs to go on exactly where it ended.

    `model`: the `State`; `inputs`: states of input components; `key`; `step`: steps made; `t0`:
    time (ms) of step 0; `dt` (ms). `time` is the time reached.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> neuron = LIF(1)
    >>> first = simulate(neuron, 10.0, dt=0.1, inputs=20.0)
    >>> round(float(first.state.time), 3)
    10.0
    >>> second = simulate(neuron, 10.0, dt=0.1, inputs=20.0, state=first.state)
    >>> whole = simulate(neuron, 20.0, dt=0.1, inputs=20.0)
    >>> bool((second.state.model.y["v"] == whole.state.model.y["v"]).all())
    True

    ```

    **Source:** none; a convention of this library.
    """

    model: State
    inputs: dict[str, State]
    key: Array
    step: Array
    t0: Array
    dt: Array

    @property
    def time(self) -> Array:
        """The time reached, ms."""
        return self.t0 + self.step.astype(self.dt.dtype) * self.dt


def start(
    model: AbstractComponent,
    solver: AbstractStepSolver,
    drives: dict[str, AbstractDrive],
    state: Any,
    key: Any,
    dt: float,
    n_steps: int,
) -> RunState:
    """Where a run of so many steps starts: from nothing, from a `State`, or where another ended."""
    if key is not None:
        check_key(key)
    if not isinstance(state, State | RunState | None):
        raise ValueError(
            "'state' must be a State, or the .state of an earlier recording; "
            f"got {type(state).__name__}."
        )
    step = jnp.asarray(dt, jnp.result_type(float))
    default = jax.random.key(0) if key is None else key
    new = model.init(key=child_key(default, "init"), dt=dt)
    if isinstance(state, RunState):
        run = RunState(
            state.model,
            state.inputs,
            state.key if key is None else key,
            state.step,
            _origin(state, step),
            step,
        )
    else:
        zero = jnp.zeros((), step.dtype)
        run = RunState(
            new if state is None else state, {}, default, jnp.array(0, jnp.int32), zero, step
        )
    if state is not None:
        check_same(
            State(new.y, new.mem),
            State(run.model.y, run.model.mem),
            f"'state' does not belong to this {type(model).__name__} at dt = {dt:g} ms"
            + (" (a network with delays keeps its dt)" if isinstance(model, Network) else ""),
            ("needed", "given"),
        )
        kept = run.model
        run = eqx.tree_at(
            lambda r: r.model, run, State(kept.y, dly.renewed(new.mem, kept.mem), kept.solver)
        )
    current = run.model
    memory = _memory(solver, model, current, dt, n_steps)
    current = State(current.y, current.mem, memory)
    inputs = {path: _start_input(path, d, run, default, dt) for path, d in drives.items()}
    run = RunState(current, inputs, run.key, run.step, run.t0, run.dt)
    # Weakly typed leaves would become strong after a step, and everything would compile again.
    return jax.tree.map(lambda x: own(x, jnp.asarray(x).dtype), run)


def _memory(
    solver: AbstractStepSolver, model: AbstractComponent, state: State, dt: float, n_steps: int
) -> PyTree:
    """The memory of the solver: as the state carries it, if any, or empty."""
    kept = state.solver
    if isinstance(solver, AbstractFractionalSolver):
        return solver.init(model, state, dt, run=n_steps, kept=kept)
    new = solver.init(model, state, dt)
    if isinstance(kept, tuple) and kept == ():
        return new
    check_same(
        new,
        kept,
        f"'state' carries the memory of another solver, with which {type(solver).__name__} cannot "
        "go on (State(state.model.y, state.model.mem) starts anew from there)",
        ("needed", "given"),
    )
    return kept


def _origin(run: RunState, step: Array) -> Array:
    """The time of step 0 that keeps the time reached when the run goes on with another `dt`."""
    traced = is_traced((run, step))
    if not traced and float(run.dt) == float(step):
        return run.t0
    moved = run.time - run.step.astype(step.dtype) * step
    return jnp.where(run.dt == step, run.t0, moved) if traced else moved


def _start_input(path: str, drive: AbstractDrive, run: RunState, key: Array, dt: float) -> State:
    """A known input goes on; a new one, or one of another kind, starts."""
    new = State((), ())
    if isinstance(drive, Component):
        first = drive.component.init(key=child_key(key, "init input " + path), dt=dt)
        new = State(first.y, first.mem)
    known = run.inputs.get(path, new)
    same = jax.tree.structure(known) == jax.tree.structure(new) and not differences(new, known)
    return known if same else new


def _signature(tree: PyTree) -> dict[str, str]:
    return {
        _tree.path_str(k): f"{jnp.asarray(x).dtype}{list(jnp.shape(x))}"
        for k, x in jax.tree_util.tree_leaves_with_path(tree)
    }


def differences(a: PyTree, b: PyTree) -> list[tuple[str, str, str]]:
    """The leaves in whose dtype and shape two trees differ, and what they are in each."""
    before, after = _signature(a), _signature(b)
    paths = sorted(before.keys() | after.keys())
    pairs = [(p, before.get(p, "nothing"), after.get(p, "nothing")) for p in paths]
    return [(p, x, y) for p, x, y in pairs if x != y]


def check_same(old: PyTree, new: PyTree, what: str, words: tuple[str, str]) -> None:
    """Two states have leaves of the same names, shapes and dtypes, or the error says which not."""
    found = differences(old, new)
    if found:
        path, a, b = found[0]
        hint = ""
        if a.replace("float32", "float64") == b.replace("float32", "float64"):
            hint = (
                " One is single, the other double precision: jax_enable_x64 must be the same where "
                "a model is made or loaded and where it runs."
            )
        raise ValueError(f"{what}: {path!r}: {words[0]} {a}, {words[1]} {b}.{hint}")
