"""The noise of a model: its Wiener processes, their increments, and what these do to a state."""

from collections.abc import Iterator
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._grid import as_time
from .._misc import child_key
from .._tree import path_str
from ..components._base import AbstractComponent, Args, CommonNoise
from ._function_model import as_state

# A path ends exactly where it was made to end; the sum of the steps up to there is rounded.
_SLACK = 1e-3


def is_coefficient(x: Any) -> bool:
    """Whether a node of the value of `diffusion` stands for all that lies below it."""
    return x is None or isinstance(x, CommonNoise)


def split_noise(noise: PyTree, y: PyTree) -> tuple[list[tuple[str, Any, PyTree]], Any]:
    """The path, the coefficient and the part of `y` of every node of `noise`, and its structure.

    The path names the Wiener processes of that node: `"E.v"`, or `""` where one node stands for
    the whole state.
    """
    flat, treedef = jax.tree_util.tree_flatten_with_path(noise, is_leaf=is_coefficient)
    try:
        parts = treedef.flatten_up_to(y)
    except ValueError as e:
        raise ValueError(
            f"the value of 'diffusion' must be like the state, {jax.tree.structure(y)} (each leaf "
            "an array), with None for no noise or CommonNoise in the place of a leaf or a subtree; "
            f"got {treedef}."
        ) from e
    nodes = [(path_str(k), g, part) for (k, g), part in zip(flat, parts, strict=True)]
    for path, g, part in nodes:
        if not is_coefficient(g):
            _check_diagonal(path, g, part)
    return nodes, treedef


def _check_diagonal(path: str, g: Any, part: PyTree) -> None:
    """Whether a coefficient that is an array stands in the place of a single leaf that it fits."""
    where = f"the value of 'diffusion'{f' at {path!r}' if path else ''}"
    if not jax.tree_util.treedef_is_leaf(jax.tree.structure(part)):
        raise ValueError(
            f"{where} is a bare array of shape {jnp.shape(g)}, but the state there is "
            f"{jax.tree.structure(part)}: give a tree like it (each leaf an array, for noise of "
            "its own for each element), with None for no noise or CommonNoise in the place of a "
            "leaf or a subtree."
        )
    needed = jnp.shape(part)
    try:
        fits = jnp.broadcast_shapes(jnp.shape(g), needed) == needed
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{where} has shape {jnp.shape(g)}, but the state has {needed}.")


def processes(noise: PyTree, y: PyTree) -> dict[str, jax.ShapeDtypeStruct]:
    """The Wiener processes that drive a state: by path, their shape and dtype."""
    return dict(_processes(noise, y))


def _processes(noise: PyTree, y: PyTree) -> Iterator[tuple[str, jax.ShapeDtypeStruct]]:
    for path, g, part in split_noise(noise, y)[0]:
        if isinstance(g, CommonNoise):
            yield path, jax.ShapeDtypeStruct((_common_size(path, g, part),), _real(part))
        elif g is not None:
            yield path, jax.ShapeDtypeStruct(jnp.shape(part), _real(part))


def _real(part: PyTree) -> Any:
    # A Wiener process is real, also where it drives a complex state.
    return jnp.finfo(jnp.result_type(*jax.tree.leaves(part))).dtype


def _common_size(path: str, g: CommonNoise, part: PyTree) -> int:
    shapes = [jnp.shape(x) for x in jax.tree.leaves(g.g)]
    needed = [jnp.shape(x) for x in jax.tree.leaves(part)]
    same = jax.tree.structure(g.g) == jax.tree.structure(part)
    if not same or [s[:-1] for s in shapes] != needed or len({s[-1:] for s in shapes}) != 1:
        raise ValueError(
            f"CommonNoise{f' at {path!r}' if path else ''}: 'g' must be like the part of the "
            f"state it stands for, with one axis more, of m processes, at the end of each leaf; "
            f"the state has shapes {needed}, g has {shapes}."
        )
    return shapes[0][-1]


def increments(
    noise: PyTree,
    y: PyTree,
    t: Array,
    dt: Array,
    key: Array,
    brownian: diffrax.AbstractBrownianPath | None,
) -> dict[str, Array]:
    """The increments of the Wiener processes from `t` to `t + dt`, by path.

    Fresh ones, each from a key of its own, so that adding a component does not change the noise of
    the others; or those of a given Brownian path.
    """
    needed = processes(noise, y)
    if brownian is not None:
        dw = on_path(brownian, needed, t, fine_enough(brownian, dt))
        return dw if isinstance(dw, dict) else {next(iter(needed)): dw}
    return {
        path: jnp.sqrt(dt).astype(s.dtype)
        * jax.random.normal(child_key(key, path), s.shape, s.dtype)
        for path, s in needed.items()
    }


def fine_enough(brownian: diffrax.AbstractBrownianPath | None, dt: Array) -> Array:
    """The step, checked to be one that a given path resolves.

    Closer than its resolution a path is interpolated: increments there are too small, and not
    independent.
    """
    if not isinstance(brownian, diffrax.VirtualBrownianTree):
        return dt
    # It keeps its resolution as a part of the whole.
    coarse = brownian.tol * (brownian.t1 - brownian.t0) > (0.5 + _SLACK) * dt
    return eqx.error_if(
        dt,
        coarse,
        "the Brownian path is too coarse for this step: its 'tol' must be at most half of the "
        "smallest dt. Make it with a smaller tol, or take larger steps.",
    )


def on_path(
    brownian: diffrax.AbstractBrownianPath,
    needed: dict[str, jax.ShapeDtypeStruct],
    t: Array,
    dt: Array,
    *,
    levy: bool = False,
) -> Any:
    """The increments of a given path, checked to be those that the model needs."""
    low, high = brownian.t0, brownian.t1
    start, end = jnp.maximum(t, low), jnp.minimum(t + dt, high)
    outside = (t < low - _SLACK * dt) | (t + dt > high + _SLACK * dt)
    end = eqx.error_if(
        end,
        outside,
        "the Brownian path does not reach over the whole run: give brownian_path the duration "
        "(and t0) of the run.",
    )
    found = brownian.evaluate(start, end, use_levy=True) if levy else brownian.evaluate(start, end)
    w: Any = found.W if levy else found
    check_processes(w, needed)
    return found


def check_processes(w: Any, needed: dict[str, jax.ShapeDtypeStruct]) -> None:
    """Whether increments `w` are those of the processes that are needed.

    A bare array will do where there is only one process.
    """
    given = w if isinstance(w, dict) else {next(iter(needed)): w} if len(needed) == 1 else {"?": w}
    words = [
        {k: f"{jnp.dtype(v.dtype)}{list(v.shape)}" for k, v in sorted(d.items())}
        for d in (needed, given)
    ]
    if words[0] != words[1]:
        raise ValueError(
            f"'brownian' does not fit the model: its noise is driven by {words[0]}, the path has "
            f"{words[1]}. fdyn.solvers.brownian_path(model, ...) makes one that fits, for a plain "
            "equation brownian_path(y0, ...)."
        )


def product(noise: PyTree, dw: Any, y: PyTree) -> PyTree:
    r"""The change $g\,\Delta W$ of the state, like `y`; zero where there is no noise."""
    nodes, treedef = split_noise(noise, y)
    parts = []
    for path, g, part in nodes:
        if g is None:
            parts.append(jax.tree.map(jnp.zeros_like, part))
            continue
        w = dw[path] if isinstance(dw, dict) else dw
        if isinstance(g, CommonNoise):
            parts.append(jax.tree.map(lambda a, w=w: _dot(a, w), g.g))
        else:
            parts.append(jnp.broadcast_to(g * w, part.shape))
    return jax.tree.unflatten(treedef, parts)


def _dot(g: Array, w: Array) -> Array:
    # Accelerators would round the factors to fewer bits by default.
    return jnp.tensordot(g, w, axes=1, precision=jax.lax.Precision.HIGHEST)


def _one_each(y0: PyTree) -> dict[str, Array]:
    """Processes for the elements of an initial state, by path."""
    try:
        leaves = jax.tree_util.tree_leaves_with_path(as_state(y0))
    except ValueError as e:
        raise ValueError(
            f"'model' must be a component or network, or the initial state of a plain equation: {e}"
        ) from e
    return {path_str(k): jnp.zeros(x.shape, _real(x)) for k, x in leaves}


def brownian_path(
    model: AbstractComponent | PyTree,
    duration: Any,
    tol: Any,
    key: Array,
    *,
    t0: float = 0.0,
    levy_area: Any = diffrax.BrownianIncrement,
) -> diffrax.VirtualBrownianTree:
    r"""A Brownian path with the Wiener processes that a model's noise needs.

    Given as `brownian=` to a stochastic solver it is the same path at every step: runs with other
    steps then approximate the same solution, which shows strong convergence. Without it a solver
    draws fresh increments, which is faster.

    **Arguments:**

    - `model`: a component or network with noise; or, for the plain equation of `solve_sde`, its
      initial state: a number, an array, or a tree of those, of which each element gets a process
      of its own. Leave out leaves without noise, and put `jnp.zeros(m)` in the place of what has a
      `CommonNoise` of `m` processes.
    - `duration`: ms, how far it reaches; `t0`: ms, 0, where it starts.
    - `tol`: ms, below which the path is interpolated: at most half of the smallest step, and with
      delays a divisor of them.
    - `key`: random key; it alone sets the path.
    - `levy_area`: what comes along with the increments; solvers such as `diffrax.ShARK` need
      `diffrax.SpaceTimeLevyArea`. Another choice is another path.

    **Returns:** a `diffrax.VirtualBrownianTree` of a dictionary from the path of each noise
    coefficient to its processes: shape of the leaf for diagonal noise, `[m]` for `CommonNoise`.

    **Raises:** `ValueError` for a model without noise, and for what is neither model nor numbers.

    ```python
    >>> import jax
    >>> from fdyn.components import LIF
    >>> path = brownian_path(LIF(5, sigma=2.0), 100.0, 0.05, jax.random.key(0))
    >>> path.evaluate(0.0, 0.1)["v"].shape
    (5,)

    ```

    **Source:** Jelinčič, Foster & Kidger 2024, arXiv:2405.06464.
    """
    duration, tol = as_time(duration, "duration"), as_time(tol, "tol")
    zero = jnp.zeros((), jnp.result_type(float))

    def noise(key: Array) -> dict[str, Array]:
        if not isinstance(model, AbstractComponent):
            return _one_each(model)
        state = model.init(key=key, dt=tol)
        g = model.diffusion(zero, state.y, Args(state.mem))
        needed = {} if g is None else processes(g, state.y)
        return {path: jnp.zeros(s.shape, s.dtype) for path, s in needed.items()}

    shapes = jax.eval_shape(noise, key)
    if not shapes:
        raise ValueError(
            f"this {type(model).__name__} has no noise (its diffusion is None), so it needs no "
            "Brownian path."
        )
    return diffrax.VirtualBrownianTree(
        zero + t0, zero + t0 + duration, tol, shapes, key, levy_area=levy_area
    )
