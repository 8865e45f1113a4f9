"""What the solvers of fractional equations share: orders, and the memory of a run."""

import abc
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from .._misc import is_traced
from .._tree import leaf_paths, unknown
from ..components._base import AbstractComponent, Args
from ._base import AbstractStepSolver

RESETS = ("keep", "clear")


def as_orders(value: Any) -> Array | dict[str, Array]:
    """Field converter: the order of all leaves, or of each named one; numbers in (0, 2)."""
    return _by_leaf("alpha", value, _check_order)


def as_velocity(value: Any) -> Array | dict[str, Array] | None:
    """Field converter: the initial derivative of all leaves, or of each named one."""
    return None if value is None else _by_leaf("velocity", value, lambda where, x: None)


def _by_leaf(name: str, value: Any, check: Callable[[str, np.ndarray], None]) -> Any:
    def convert(where: str, x: Any) -> Array:
        try:
            array = jnp.asarray(x, jnp.result_type(float))
        except (TypeError, ValueError) as e:
            raise ValueError(
                f"{where} must be a number, an array over units, or a dictionary from the path of "
                f"a leaf to those; got {x!r}."
            ) from e
        if not is_traced(array):
            check(where, np.asarray(array))
        return array

    if isinstance(value, dict):
        return {str(k): convert(f"'{name}' of {k!r}", x) for k, x in value.items()}
    return convert(f"'{name}'", value)


def _check_order(where: str, x: np.ndarray) -> None:
    bad = ~((x > 0) & (x < 2))
    if bad.any():
        raise ValueError(
            f"{where}, the order of the derivative, must lie between 0 and 2 (both excluded), got "
            f"{np.unique(x[bad])[:3].tolist()}. For order 2 write two equations of order 1."
        )


def check_at_most_one(solver: Any) -> None:
    """The order of a method that knows no initial velocity."""
    for x in jax.tree.leaves(solver.alpha):
        if not is_traced(x) and (np.asarray(x) > 1).any():
            raise ValueError(
                f"{type(solver).__name__} is for orders 0 < alpha <= 1, got "
                f"{np.max(np.asarray(x)):g}. For orders between 1 and 2 use GrunwaldLetnikov or "
                "AdamsBashforthMoulton, which take an initial velocity."
            )


def check_velocity(solver: Any) -> None:
    """A velocity is for orders above 1; of traced orders only `initial_slope` knows."""
    alpha, velocity = solver.alpha, solver.velocity
    if velocity is None:
        return
    if isinstance(velocity, dict):
        used = {p: [alpha.get(p)] if isinstance(alpha, dict) else [alpha] for p in velocity}
    else:
        used = {"": list(alpha.values()) if isinstance(alpha, dict) else [alpha]}
    for path, orders in used.items():
        known = [x for x in orders if x is not None]
        if not any(is_traced(x) or (np.asarray(x) > 1).any() for x in known):
            top = max((float(np.max(np.asarray(x))) for x in known), default=1.0)
            of = f" of {path!r}" if path else ""
            raise ValueError(
                f"{type(solver).__name__}: an initial velocity{of} belongs to orders above 1, but "
                f"the order{of} is {top:g} (1 for leaves that 'alpha' does not name). Leave out "
                "'velocity', or give an order between 1 and 2."
            )


def initial_slope(solver: Any, path: str, x: Array) -> Array | None:
    """The velocity of a leaf like `x`, zero where the order is not above 1."""
    slope = None if solver.velocity is None else of_leaf(solver.velocity, path, x, "velocity")
    if slope is None:
        return None
    alpha = of_leaf(solver.alpha, path, x, "alpha")
    if alpha is not None:
        slope = jnp.where(alpha > 1, slope, jnp.zeros_like(slope))
    return jnp.broadcast_to(slope, x.shape)


def check_times(solver: Any, *names: str) -> None:
    """Lengths of a memory are positive, finite times."""
    for name in names:
        value = getattr(solver, name)
        if value is not None and not (0 < value < math.inf):
            raise ValueError(
                f"{type(solver).__name__}: '{name}' must be a positive, finite time (ms), or None; "
                f"got {value!r}."
            )
    if len(names) == 2 and None not in (solver.horizon, solver.window):
        raise ValueError(
            f"{type(solver).__name__} takes a horizon (full memory of a run of at most that "
            "length) or a window (only the last part is remembered), not both."
        )


def check_reset(solver: Any) -> None:
    """One of the rules for the memory."""
    if solver.reset not in RESETS:
        raise ValueError(f"'reset' must be one of {RESETS}, got {solver.reset!r}.")


def _named(path: str) -> str:
    """A state that is one array has no path; elsewhere, too, it is called y."""
    return path or "y"


def of_leaf(spec: Any, path: str, x: Array, name: str) -> Array | None:
    """The value of a leaf, shaped so that it broadcasts to it; `None` where it has none."""
    value = spec.get(_named(path)) if isinstance(spec, dict) else spec
    if value is None:
        return None
    value = value.astype(jnp.finfo(x.dtype).dtype)
    ends = x.shape[x.ndim - value.ndim :] if value.ndim <= x.ndim else ()
    if value.ndim > x.ndim or any(a not in (1, b) for a, b in zip(value.shape, ends, strict=True)):
        raise ValueError(
            f"'{name}' has shape {value.shape}, which does not fit the leaf {_named(path)!r} of "
            f"shape {x.shape}: give a number, or one value per unit."
        )
    return value if value.ndim == 0 else value.reshape((1,) * (x.ndim - value.ndim) + value.shape)


def steps_in(time: float, dt: Any) -> int:
    """How many steps of `dt` cover a time."""
    return max(1, math.ceil(time / float(dt) - 1e-6))


class AbstractFractionalSolver(AbstractStepSolver):
    r"""Carries ${}^C\!D^{\alpha_i} y_i = f_i(t, y)$ on, for leaves $i$ each of its own order.

    The Caputo derivative starts where the run starts. What a method remembers lies in the memory
    of the solver (`State.solver`), so that a run goes on exactly.

    **Source:** Caputo 1967, Geophys. J. R. astr. Soc. 13:529; Diethelm 2010, The Analysis of
    Fractional Differential Equations.
    """

    alpha: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def room(self, dt: float, run: int | None) -> tuple[int, int]:
        """Rows that the memory needs, and the longest run it serves, in steps of `dt` (ms).

        `run` is the length of the run, where it is known.
        """

    @abc.abstractmethod
    def weights(self, alpha: Array, rows: int) -> dict[str, Array]:
        """What the memory of a leaf is weighted with; made anew for every run."""

    @abc.abstractmethod
    def blank(self, path: str, x: Array, rows: int) -> dict[str, Array]:
        """The memory of a leaf before the first step."""

    def init(
        self,
        model: AbstractComponent,
        state: Any,
        dt: float,
        *,
        run: int | None = None,
        kept: PyTree = (),
    ) -> PyTree:
        """The memory at the start of a run of `run` steps, which goes on from `kept`, if any.

        **Raises:** `ValueError` for a memory of another solver, model or `dt`, and for a run that
        is longer than the horizon.
        """
        del model
        name = type(self).__name__
        old = None if isinstance(kept, tuple) and kept == () else _kept(kept, name, dt)
        most = 0 if old is None else _most(old)
        count = jnp.zeros((), jnp.int32) if old is None else old["step"]
        rows, longest = self.room(dt, None if run is None else most + run)
        if run is not None:
            message = _too_long(name, longest * dt, (most + run) * dt)
            if old is not None and is_traced(count):
                count = eqx.error_if(count, count > longest - run, message)
            elif most + run > longest:
                raise ValueError(message)
        leaves = dict(zip(leaf_paths(state.y), jax.tree.leaves(state.y), strict=True))
        orders = self.orders(state.y)
        past = {path: self.blank(path, leaves[path], rows) for path in orders}
        memory = {
            "step": count,
            "dt": jnp.asarray(dt, jnp.float32),
            "longest": jnp.asarray(longest, jnp.int32),
            "past": past if old is None else _resumed(old["past"], past, name),
            "weights": {path: self.weights(alpha, rows) for path, alpha in orders.items()},
        }
        return {name: memory}

    def for_run(self, span: float) -> "AbstractFractionalSolver":
        """The method with the memory that a run of length `span` (ms) needs."""
        horizon = getattr(self, "horizon", None)
        if horizon is not None and span > horizon * (1 + 1e-9):
            raise ValueError(_too_long(type(self).__name__, horizon, span))
        if horizon is not None or getattr(self, "window", None) is not None:
            return self
        return self.with_horizon(span)

    @abc.abstractmethod
    def with_horizon(self, span: float) -> "AbstractFractionalSolver":
        """A copy with this horizon, or itself where the memory does not depend on it."""

    def orders(self, y: PyTree) -> dict[str, Array]:
        """The order of each leaf that has one, by path; the others are of order 1."""
        leaves = dict(zip(leaf_paths(y), jax.tree.leaves(y), strict=True))
        names = [_named(path) for path in leaves]
        for what in ("alpha", "velocity"):
            spec = getattr(self, what, None)
            for path in spec if isinstance(spec, dict) else ():
                if path not in names:
                    raise unknown(what, path, names)
        found = {p: of_leaf(self.alpha, p, x, "alpha") for p, x in leaves.items()}
        return {p: a for p, a in found.items() if a is not None}


def _too_long(name: str, horizon: float, run: float) -> str:
    return (
        f"{name}: the run reaches {run:g} ms, but its memory holds {horizon:g} ms, and nothing is "
        "forgotten in silence. Give a longer horizon (ms), a window (ms) where the method has one "
        "and to forget is meant, or FastL1, whose memory does not grow."
    )


def _kept(kept: PyTree, name: str, dt: float) -> dict:
    known = isinstance(kept, dict) and name in kept
    if not known:
        other = next(iter(kept)) if isinstance(kept, dict) and kept else type(kept).__name__
        raise ValueError(
            f"'state' carries the memory of another solver ({other}), with which {name} cannot go "
            "on. Start anew from State(state.model.y, state.model.mem), whose memory is empty."
        )
    kept = kept[name]
    if not is_traced(kept["dt"]) and not np.isclose(float(kept["dt"]), dt, rtol=1e-6):
        raise ValueError(
            f"'state' carries a memory in steps of dt = {float(kept['dt']):g} ms, with which "
            f"{name} cannot go on at dt = {dt:g} ms. Keep dt, or start anew from "
            "State(state.model.y, state.model.mem), whose memory is empty."
        )
    return kept


def _most(old: dict) -> int:
    """How many steps a memory has seen; of a traced count it is known that the memory holds it."""
    if not is_traced(old["step"]):
        return int(old["step"])
    return max((m["rows"].shape[0] for m in old["past"].values() if "rows" in m), default=0)


def _resumed(kept: dict, fresh: dict, name: str) -> dict:
    """The kept past, with room for more rows where the fresh one has it."""
    if jax.tree.structure(kept) != jax.tree.structure(fresh):
        raise ValueError(_other_memory(name))

    def leaf(key: str, old: Array, new: Array) -> Array:
        if key == "rows" and old.shape[1:] == new.shape[1:] and len(old) < len(new):
            # A memory that is not full has all its rows in order, and the empty ones last.
            return jnp.pad(old, [(0, len(new) - len(old))] + [(0, 0)] * (old.ndim - 1))
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ValueError(_other_memory(name))
        return old

    return {path: {k: leaf(k, x, fresh[path][k]) for k, x in m.items()} for path, m in kept.items()}


def _other_memory(name: str) -> str:
    return (
        f"'state' carries the memory of a {name} with other settings (orders, horizon, window, "
        "tolerance, rule of resets), or of another model. Keep them, or start anew from "
        "State(state.model.y, state.model.mem), whose memory is empty."
    )


# --- a step -------------------------------------------------------------------------------------


def held_masks(model: AbstractComponent, y: PyTree, args: Args) -> list[Array | None]:
    """For each leaf, which of its elements the model holds where they are."""
    masks = model.held(y, args)
    if masks is None:
        return [None] * len(jax.tree.leaves(y))
    spread = jax.tree.map(
        lambda m, part: jax.tree.map(lambda _: m, part), masks, y, is_leaf=lambda m: m is None
    )
    return jax.tree.leaves(spread, is_leaf=lambda m: m is None)


# --- rows of the past ---------------------------------------------------------------------------


def rows_like(x: Array, rows: int) -> Array:
    """An empty past of so many rows."""
    return jnp.zeros((rows, *x.shape), x.dtype)


def push(values: Array, row: Array, n: Array) -> Array:
    """The past with the row of step `n`; the oldest row goes when all are taken."""
    return jax.lax.dynamic_update_index_in_dim(values, row, n % values.shape[0], 0)


def reversed_twice(w: Array) -> Array:
    """Weights of the lags 1, 2, ... in the form that `convolve` takes."""
    return jnp.concatenate([w[::-1], w[::-1]])


def convolve(w: Array, values: Array, n: Array, age: Array | None = None) -> Array:
    """The sum over the past of weight times row, the row of step `n` having the lag 1.

    `w` is from `reversed_twice`, so that its part from some place on lies as the rows do. `age`
    is how many rows of each element count; all do where it is `None`.
    """
    m = values.shape[0]
    here = jax.lax.dynamic_slice_in_dim(w, m - 1 - n % m, m)

    def whole(here: Array, values: Array) -> Array:
        if here.ndim == 1:
            return jnp.tensordot(here, values, 1, precision=jax.lax.Precision.HIGHEST)
        return jnp.sum(here * values, 0)

    if age is None:
        return whole(here, values)

    def recent(here: Array, values: Array) -> Array:
        lag = (n - jnp.arange(m, dtype=n.dtype)) % m
        young = lag.reshape(m, *(1,) * age.ndim) < age[None]
        return whole(here, jnp.where(young, values, 0))

    return jax.lax.cond(jnp.any(age < jnp.minimum(n + 1, m)), recent, whole, here, values)


def within(memory: dict, y: Array) -> Array:
    """`y`, or NaN where a loop made by hand goes beyond what the memory holds."""
    return jnp.where(memory["step"] < memory["longest"], y, jnp.nan)
