"""Branches of equilibria over a parameter or an input."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array
from jaxtyping import PyTree
from tqdm import tqdm

from .._network import unit_of
from .._param import parameters
from .._record import Status
from .._select import names
from .._tree import leaf_paths, split
from ..components import AbstractComponent, State
from ._bifurcation import BifurcationPoint, locate
from ._equilibria import robust_roots
from ._field import Field, default_tolerance, make_field
from ._stability import classify, sorted_eigenvalues


class Branch(eqx.Module):
    """What `continue_equilibria` returns: `k` points in the order of the branch.

    `parameter`: `[k]`; `y`: like the state, each leaf `[k, ...]`; `eigenvalues`: of the Jacobian,
    `[k, d]`, 1/ms, the largest real part first; `points`: the folds and Hopf points, in the order
    of the branch; `name`: of what varies; `status`; `units`: of the state variables by path, and of
    a parameter that varies by its name.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = continue_equilibria(MorrisLecar(1), (80.0, 110.0))
    >>> found.kinds[0], found.stable[0].item(), found.kinds[-1], found.stable[-1].item()
    ('stable focus', True, 'unstable focus', False)

    ```

    **Source:** Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 10.2.
    """

    parameter: np.ndarray
    y: PyTree
    eigenvalues: np.ndarray
    points: tuple[BifurcationPoint, ...]
    name: str = eqx.field(static=True)
    status: Status
    units: dict[str, str] = eqx.field(static=True, default_factory=dict)

    def __len__(self) -> int:
        return self.parameter.size

    @property
    def stable(self) -> np.ndarray:
        """Which points are asymptotically stable, `[k]`."""
        return np.real(self.eigenvalues).max(axis=1) < 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each point, as `classify` names it."""
        return tuple(classify(v) for v in self.eigenvalues)


class AbstractContinuation(eqx.Module):
    """A method that goes from one point of a branch to the next.

    `h_init`, `h_min`, `h_max` bound the length of steps, in scaled variables; a step is halved
    where the solver fails or the branch turns by more than `max_turn` (rad).

    **Source:** Allgower & Georg 2003, Introduction to Numerical Continuation Methods, chapter 2.
    """

    h_init: eqx.AbstractVar[float]
    h_min: eqx.AbstractVar[float]
    h_max: eqx.AbstractVar[float]
    max_turn: eqx.AbstractVar[float]

    @abc.abstractmethod
    def step(
        self, field: Field, scale: Array, z: Array, tangent: Array, h: Array, root_finder: Any
    ) -> Array:
        """The next point, where the solver ended: scaled state and parameter, `[d + 1]`."""


class PseudoArclength(AbstractContinuation):
    r"""Steps along the branch, so that it can turn around at a fold.

    From a point $z = (y, p)$ with unit tangent $\tau$ the next one solves
    $$f(z') = 0,\qquad \tau \cdot (z' - z) = h$$
    with `p` in units of its span and `y` in units of its size at the start.

    **Arguments:** `h_init`, `h_min`, `h_max`: first, least and largest step, 0.01, 1e-7, 0.05;
    `max_turn`: rad, 0.2.

    **Raises:** `ValueError` unless 0 < `h_min` <= `h_init` <= `h_max`.

    ```python
    >>> PseudoArclength(h_max=0.02).max_turn
    0.2

    ```

    **Source:** Keller 1977, in Applications of Bifurcation Theory, p. 359.
    """

    h_init: float = 0.01
    h_min: float = 1e-7
    h_max: float = 0.05
    max_turn: float = 0.2

    def __check_init__(self):
        if not 0 < self.h_min <= self.h_init <= self.h_max:
            raise ValueError(
                "PseudoArclength needs 0 < h_min <= h_init <= h_max, got "
                f"{self.h_min}, {self.h_init}, {self.h_max}."
            )

    def step(
        self, field: Field, scale: Array, z: Array, tangent: Array, h: Array, root_finder: Any
    ) -> Array:
        """Predict along the tangent, correct at a right angle to it."""

        def equations(x: Array, args: Any) -> tuple[Array, Array]:
            field, z, tangent = args
            return scaled(field, scale, x), tangent @ (x - z) - h

        args = (field, z, tangent)
        return optx.root_find(
            equations, root_finder, z + h * tangent, args=args, max_steps=16, throw=False
        ).value


def scaled(field: Field, scale: Array, z: Array) -> Array:
    """The field as a function of scaled state and parameter, `[d]`."""
    x = z * scale
    return field(x[:-1], x[-1]) / scale[:-1]


def derivatives(field: Field, scale: Array, z: Array, along: Array) -> tuple[Array, Array]:
    """The Jacobian (not scaled), and the unit tangent of the branch on the side of `along`."""
    full = jax.jacfwd(lambda x: scaled(field, scale, x))(z)
    side = jnp.zeros_like(along).at[-1].set(1)
    tangent = jnp.linalg.solve(jnp.concatenate([full, along[None]]), side)
    jac = full[:, :-1] * scale[:-1, None] / scale[None, :-1]
    return jac, tangent / jnp.linalg.norm(tangent)


@eqx.filter_jit
def _look(field: Field, scale: Array, z: Array, along: Array) -> tuple[Array, Array, Array]:
    """Residual, Jacobian (not scaled) and tangent at a point."""
    return (jnp.max(jnp.abs(scaled(field, scale, z))), *derivatives(field, scale, z, along))


@eqx.filter_jit
def _step(
    method: AbstractContinuation,
    field: Field,
    scale: Array,
    z: Array,
    tangent: Array,
    h: Array,
    root_finder: Any,
) -> tuple[Array, Array, Array, Array]:
    """The next point with all that is to be known about it."""
    new = method.step(field, scale, z, tangent, h, root_finder)
    return (new, *_look(field, scale, new, tangent))


def continue_equilibria(
    model: AbstractComponent,
    span: tuple[float, float],
    *,
    where: Callable[[Any], Any] | None = None,
    path: str = "",
    inputs: Any = None,
    state: State | None = None,
    method: AbstractContinuation | None = None,
    root_finder: Any = None,
    tol: float | None = None,
    max_points: int = 2000,
    progress: bool = True,
    throw: bool = True,
) -> Branch:
    r"""Follow an equilibrium while one parameter or input varies; locate folds and Hopf points.

    The branch starts at `span[0]` and ends where it leaves the span, on either side. A fold is
    where its tangent has no part along the parameter; a Hopf point where the sum of two complex
    eigenvalues is zero. Both are seen as a change of sign from one point to the next, then located
    as the root of the equations that define them, so they are as exact as the tolerance.

    **Arguments:**

    - `model`: any component with a flow.
    - `span`: first and last value of what varies, in its unit.
    - `where`: function from the model to the parameter that varies (all its entries together, if
      it is an array). Left out, it is the input.
    - `path`: of the population whose input varies, in a network; `""` for a single component.
    - `inputs`: the other inputs, constant in time.
    - `state`: `State` from which the first equilibrium is sought; that of the model by default.
    - `method`: `PseudoArclength()` by default.
    - `root_finder`: of optimistix, `optimistix.Newton` by default.
    - `tol`: tolerance of the roots, 3.7e-11, in single precision 2.4e-5.
    - `max_points`: where to give up, 2000. `progress`: show a bar after two seconds.
    - `throw`: raise where the branch cannot be followed; else it ends there and `.status` says so.

    **Returns:** a `Branch`.

    **Raises:** `ValueError` for an empty span, or parameters, paths and inputs that do not fit;
    `RuntimeError` where there is no equilibrium to start from, or the branch ends inside the span.

    ```python
    >>> from fdyn.components import MorrisLecar
    >>> found = continue_equilibria(MorrisLecar(1), (0.0, 300.0))
    >>> [(x.kind, round(x.parameter, 1)) for x in found.points]
    [('hopf', 93.9), ('hopf', 212.0)]

    ```

    **Source:** Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 10.1 to 10.2; the
    defining equations of Moore & Spence 1980, SIAM J. Numer. Anal. 17:567 (fold) and Griewank &
    Reddien 1983, IMA J. Numer. Anal. 3:295 (Hopf).
    """
    low, high = map(float, span)
    if not np.isfinite([low, high]).all() or low == high:
        raise ValueError(f"'span' must be two different finite numbers, got {span!r}.")
    tol = default_tolerance() if tol is None else tol
    method = PseudoArclength() if method is None else method
    root = optx.Newton(rtol=tol, atol=tol) if root_finder is None else root_finder
    field = make_field(model, inputs, state, where, path)
    if field.delayed(field.ravel(), jnp.asarray(low, field.ravel().dtype)):
        raise ValueError(
            "the flow has delays, and the Jacobian of a branch would not tell its stability: use "
            "equilibria, characteristic_roots and hopf_delay."
        )
    name = names(model, (field.leaf,))[0] if field.leaf is not None else f"input {path}".strip()
    trail, scale, status = _follow(field, low, high, method, root, tol, max_points, progress)
    if throw and not status.ok:
        raise RuntimeError(f"continuing {name!r}: {status.message}")
    z, jac, tangent = (np.stack(x) for x in zip(*trail, strict=True))
    points = []
    for i in range(len(z) - 1):
        ends = [(z[k], jac[k], tangent[k]) for k in (i, i + 1)]
        points += locate(field, scale, ends, i, root, tol)
    y = jax.vmap(field.unravel)(jnp.asarray(z[:, :-1] * scale[:-1]))
    units = {p: f.metadata["unit"] for p, f, _ in parameters(model) if p == name}
    units |= {p: unit_of(model, split(p)) for p in leaf_paths(y)}
    values = sorted_eigenvalues(jac)
    return Branch(z[:, -1] * scale[-1], y, values, tuple(points), name, status, units)


def _follow(
    field: Field,
    low: float,
    high: float,
    method: AbstractContinuation,
    root: Any,
    tol: float,
    max_points: int,
    progress: bool,
) -> tuple[list, np.ndarray, Status]:
    """The points of the branch, each (scaled state and parameter, Jacobian, tangent)."""
    start = field.ravel()
    y, rate, _ = robust_roots(field, start[None], jnp.asarray(low, start.dtype), tol, 256)
    size = jnp.maximum(jnp.abs(jnp.where(jnp.isfinite(y[0]), y[0], 1)), 1)
    # The sign of the last scale makes every branch start upward.
    scale = jnp.append(size, jnp.asarray(high - low, start.dtype))
    z = jnp.append(y[0], jnp.asarray(low, start.dtype)) / scale
    first, last = low / (high - low), high / (high - low)
    tangent = jnp.zeros_like(z).at[-1].set(1)
    residual, jac, tangent = _look(field, scale, z, tangent)
    trail = [tuple(map(np.asarray, (z, jac, tangent)))]
    if not residual <= tol:
        message = (
            f"no equilibrium found at {low:g} from the given state (largest derivative left "
            f"{float(jnp.max(jnp.abs(rate))):.3g}). Find one with `equilibria` and pass it as "
            "'state'."
        )
        return trail, np.asarray(scale), Status(False, message=message)
    h = method.h_init
    with tqdm(disable=not progress, delay=2, unit="point", leave=False) as bar:
        while len(trail) < max_points:
            new, residual, jac, ahead = _step(
                method, field, scale, z, tangent, jnp.asarray(h, z.dtype), root
            )
            turn = float(jnp.arccos(jnp.clip(tangent @ ahead, -1, 1)))
            if not residual <= tol or not turn <= method.max_turn:
                h = h / 2
                if h < method.h_min:
                    at = float(z[-1] * scale[-1])
                    message = f"the steps became too small at {at:g}: is the flow smooth there?"
                    return trail, np.asarray(scale), Status(False, message=message)
                continue
            if not first <= new[-1] <= last:
                edge = first if new[-1] < first else last
                new, jac, ahead = _at_edge(field, scale, z, new, edge, tangent, tol)
                trail.append(tuple(map(np.asarray, (new, jac, ahead))))
                return trail, np.asarray(scale), Status(True)
            trail.append(tuple(map(np.asarray, (new, jac, ahead))))
            z, tangent = new, ahead
            bar.update()
            h = min(h * (1.5 if turn < method.max_turn / 3 else 1.0), method.h_max)
    message = f"{max_points} points did not reach an end of the span; raise 'max_points'."
    return trail, np.asarray(scale), Status(False, message=message)


def _at_edge(
    field: Field, scale: Array, z: Array, new: Array, edge: float, tangent: Array, tol: float
) -> tuple[Array, Array, Array]:
    """The point where a step crosses an end of the span, with Jacobian and tangent."""
    at = (edge - z[-1]) / (new[-1] - z[-1])
    guess = ((1 - at) * z + at * new)[:-1] * scale[:-1]
    p = jnp.asarray(edge, z.dtype) * scale[-1]
    y, _, _ = robust_roots(field, guess[None], p, tol, 256)
    z = jnp.append(y[0], p) / scale
    return z, *_look(field, scale, z, tangent)[1:]
