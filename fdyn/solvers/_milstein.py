"""Milstein's method."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._misc import child_key
from ..components._base import AbstractComponent, Args, CommonNoise, vector_field
from ._base import AbstractOneStepSolver
from ._noise import increments, is_coefficient, processes, product, split_noise
from ._structure import dependence

Map = Callable[[PyTree], PyTree]


class Milstein(AbstractOneStepSolver):
    r"""Milstein's method for noise that commutes, Itô or Stratonovich.

    With the vector field $g_k$ of each Wiener process and $(g_k \cdot \nabla) g_l$ its derivative
    along the other,
    $$y_{n+1} = y_n + f\,\Delta t + \sum_k g_k\,\Delta W_k
      + \tfrac12 \sum_{k,l} (g_k \cdot \nabla) g_l\,
      (\Delta W_k \Delta W_l - \delta_{kl} \Delta t),$$
    where the last $\Delta t$ is left out in the sense of Stratonovich. Strong and weak order 1.

    Noise commutes where $(g_k \cdot \nabla) g_l = (g_l \cdot \nabla) g_k$: additive noise, a
    single Wiener process, diagonal noise with each coefficient a function of its own variable, and
    some general noise. Other noise would need the Lévy areas of its processes, and without them no
    method has a strong order above 1/2: it is refused. Where the structure of the model does not
    prove that the noise commutes, every step checks it in a random direction.

    **Arguments:**

    - `interpretation`: `"ito"` or `"stratonovich"`, the sense in which the equation is read.
    - `derivative_free`: take differences over a step in the place of derivatives.
    - `brownian`: a Brownian path such as that of `brownian_path`; by default fresh increments.

    **Raises:** `ValueError` for another interpretation; an error at run time for noise that does
    not commute.

    ```python
    >>> Milstein("stratonovich").order
    1

    ```

    **Source:** Milstein 1974, Theory Probab. Appl. 19:557; Kloeden & Platen 1992, Numerical
    Solution of SDEs, sections 10.3 (commutative noise) and 11.1 (without derivatives).
    """

    order: ClassVar[float] = 1

    interpretation: Literal["ito", "stratonovich"] = eqx.field(static=True, default="ito")
    derivative_free: bool = eqx.field(static=True, default=False)
    brownian: diffrax.AbstractBrownianPath | None = None

    def __check_init__(self):
        if self.interpretation not in ("ito", "stratonovich"):
            raise ValueError(
                "Milstein: 'interpretation' must be 'ito' or 'stratonovich', got "
                f"{self.interpretation!r}."
            )

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """One step of the method."""
        new = jax.tree.map(lambda x, f: x + dt * f, y, vector_field(model)(t, y, args))
        noise = model.diffusion(t, y, args)
        if noise is None:
            return new, solver_state
        dw = increments(noise, y, t, dt, key, self.brownian)

        def field(weights: dict[str, Array]) -> Map:
            """The sum of the vector fields of the processes, each with a weight."""
            return lambda x: product(model.diffusion(t, x, args), weights, x)

        def coefficients(x: PyTree) -> list[Array]:
            return jax.tree.leaves(model.diffusion(t, x, args))

        if not _structure_commutes(coefficients, noise, y):
            dw = _require_commuting(field, dw, y, child_key(key, "direction"))
        change = product(noise, dw, y)
        ito = self.interpretation == "ito"
        root = jnp.sqrt(dt)
        nodes = jax.tree.leaves(noise, is_leaf=is_coefficient)
        shared = any(isinstance(g, CommonNoise) for g in nodes)
        # The error of a difference along one's own field must have mean zero, which it has times
        # dW^2 - dt, but not times dW^2; along the whole change, which is odd in dW, it has.
        if shared or (self.derivative_free and not ito):
            # Kloeden & Platen's sum over pairs of processes, as two sums over directions.
            step = 1.0 if self.derivative_free else None
            second = _along(field(dw), y, change, step)
            if ito:
                each = jax.vmap(lambda e: self._own(field(e), y, root))(_units(noise, dw, y))
                second = jax.tree.map(lambda a, b: a - dt * jnp.sum(b, 0), second, each)
        else:
            ones = {path: jnp.ones_like(w) for path, w in dw.items()}
            step = root if self.derivative_free else None
            own = _along(field(ones), y, field(ones)(y), step)
            squares = {path: w**2 - dt if ito else w**2 for path, w in dw.items()}
            second = _scaled(own, noise, squares, y)
        return jax.tree.map(lambda x, a, b: x + a + b / 2, new, change, second), solver_state

    def _own(self, field: Map, y: PyTree, root: Array) -> PyTree:
        """The derivative of a field along itself."""
        direction = field(y)
        if not self.derivative_free:
            return _along(field, y, direction, None)
        # Central, since an error of first order would not vanish in the mean.
        ahead = _along(field, y, direction, root)
        behind = _along(field, y, direction, -root)
        return jax.tree.map(lambda a, b: (a + b) / 2, ahead, behind)


def _along(field: Map, y: PyTree, direction: PyTree, step: Any) -> PyTree:
    """The derivative of a field along a direction, or its difference over `step`."""
    if step is None:
        return jax.jvp(field, (y,), (direction,))[1]
    moved = field(jax.tree.map(lambda x, v: x + step * v, y, direction))
    return jax.tree.map(lambda a, b: (a - b) / step, moved, field(y))


def _scaled(own: PyTree, noise: PyTree, weights: dict[str, Array], y: PyTree) -> PyTree:
    """Leaves with diagonal noise times the weights of their processes, the others as they are."""
    nodes, treedef = split_noise(noise, y)
    parts = [
        part if g is None else part * weights[path]
        for (path, g, _), part in zip(nodes, treedef.flatten_up_to(own), strict=True)
    ]
    return jax.tree.unflatten(treedef, parts)


def _units(noise: PyTree, dw: dict[str, Array], y: PyTree) -> dict[str, Array]:
    """Rows of weights: one per shared process, and one for all diagonal noise together."""
    shared = {path for path, g, _ in split_noise(noise, y)[0] if isinstance(g, CommonNoise)}
    count = sum(dw[path].size for path in shared) + (shared != dw.keys())
    rows, at = {}, 0
    for path, w in sorted(dw.items()):
        if path in shared:
            rows[path] = jnp.eye(count, w.size, -at, dtype=w.dtype)
            at += w.size
        else:
            rows[path] = jnp.zeros((count, *w.shape), w.dtype).at[-1].set(1)
    return rows


def _structure_commutes(
    coefficients: Callable[[PyTree], list[Array]], noise: PyTree, y: PyTree
) -> bool:
    """Whether it follows from what depends on what that the noise commutes."""
    needed = processes(noise, y)
    # For each coefficient: its place in the state, the places that its own processes drive, and
    # whether each element has a process of its own.
    targets: list[tuple[int, range, bool]] = []
    at = 0
    for path, g, part in split_noise(noise, y)[0]:
        places = range(at, at + len(jax.tree.leaves(part)))
        at = places.stop
        if g is not None:
            single = math.prod(needed[path].shape) == 1
            targets += [(i, places if single else range(0), True) for i in places]
            if not (single or isinstance(g, CommonNoise)):
                targets[-1] = (places.start, places, False)
    noisy = {i for i, _, _ in targets}
    shapes = [jnp.shape(x) for x in jax.tree.leaves(y)]
    for (i, allowed, free), found in zip(targets, dependence(coefficients, y), strict=True):
        seen = noisy & found.keys()
        if not seen <= set(allowed):
            return False
        elementwise = {(a, a) for a, n in enumerate(shapes[i]) if n > 1}
        if seen and not free and not elementwise <= found[i]:
            return False
    return True


def _require_commuting(
    field: Callable[[dict[str, Array]], Map], dw: dict[str, Array], y: PyTree, key: Array
) -> dict[str, Array]:
    """`dw`, or an error where the Lie bracket of two random combinations does not vanish."""
    keys = jax.random.split(key, 2 * len(dw))
    a, b = (
        {
            p: jax.random.normal(k, w.shape, w.dtype)
            for k, (p, w) in zip(ks, dw.items(), strict=True)
        }
        for ks in (keys[::2], keys[1::2])
    )
    first = jax.tree.leaves(jax.jvp(field(a), (y,), (field(b)(y),))[1])
    second = jax.tree.leaves(jax.jvp(field(b), (y,), (field(a)(y),))[1])
    wrong = [
        jnp.max(jnp.abs(p - q))
        > jnp.sqrt(jnp.finfo(p.dtype).eps) * jnp.max(jnp.abs(p) + jnp.abs(q))
        for p, q in zip(first, second, strict=True)
        if p.size
    ]
    return eqx.error_if(
        dw,
        jnp.any(jnp.stack(wrong)),
        "Milstein: this noise does not commute (a coefficient depends on a variable that another "
        "Wiener process drives), so that the method would have strong order 1/2. Use "
        "EulerMaruyama() in the sense of Ito, StochasticHeun() in that of Stratonovich.",
    )
