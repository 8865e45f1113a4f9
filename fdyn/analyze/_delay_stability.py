"""Stability of equilibria with delays: characteristic roots, and where they cross the axis."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array

from .._misc import magnitude
from ..components import AbstractComponent, State
from ._bifurcation import BifurcationPoint
from ._characteristic import longest_lag, mismatch, roots_at
from ._equilibria import robust_roots
from ._field import Field, default_tolerance, make_field


def _equilibrium(field: Field, guess: Array, p: Array | None, tol: float) -> Array:
    y, rate, _ = robust_roots(field, guess[None], p, tol, 256)
    if not bool(jnp.max(jnp.abs(rate)) <= tol):
        at = "" if p is None else f" at {float(p):g}"
        raise RuntimeError(
            f"no equilibrium found{at} from the given state: find one with `equilibria` and pass "
            "it as 'state'."
        )
    return y[0]


def characteristic_roots(
    model: AbstractComponent,
    *,
    n: int = 6,
    inputs: Any = None,
    state: State | None = None,
    span: Any = None,
    tol: float | None = None,
) -> np.ndarray:
    r"""The rightmost characteristic roots of a flow with delays at an equilibrium.

    Small deviations are sums of $v e^{\lambda t}$, where
    $$\Delta(\lambda)\,v = \lambda v - L(\lambda)\,v = 0$$
    and $L(\lambda)v$ is the linearisation of the flow at the equilibrium along the past
    $v e^{-\lambda s}$. There are infinitely many; the equilibrium is stable where all real parts
    are negative. They come from the eigenvalues of the generator on polynomial pasts (Chebyshev
    collocation), each made exact by Newton's method on $\Delta(\lambda)v = 0$; the degree is
    doubled until they settle. Without delays they are the eigenvalues of the Jacobian.

    **Arguments:**

    - `model`: any component with a flow; it may be neutral, and delays may depend on the state.
    - `n`: how many roots, 6.
    - `inputs`: as for `simulate`, but constant in time.
    - `state`: `State` from which the equilibrium is sought; that of the model by default.
    - `span`: the longest delay, ms; by default what the flow asks for.
    - `tol`: tolerance, 3.7e-11, in single precision 2.4e-5.

    **Returns:** `[n]`, complex, 1/ms, the largest real part first; fewer for a model without
    delays that has fewer variables.

    **Raises:** `ValueError` for a model without flow, inputs that vary, or delays that are not
    known; `RuntimeError` where there is no equilibrium, or the roots do not settle.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import AbstractComponent, State
    >>> class Feedback(AbstractComponent):
    ...     def init(self, *, key, dt):
    ...         return State({"x": jnp.zeros(1)}, {})
    ...     def flow(self, t, y, args):
    ...         return {"x": -args.hist(1.0, "x")}
    ...     def jump(self, t, y, args, *, dt, key):
    ...         return y, args.mem, {}
    >>> characteristic_roots(Feedback(), n=2).round(3).tolist()  # Lambert's W(-1)
    [(-0.318+1.337j), (-0.318-1.337j)]

    ```

    **Source:** Breda, Maset & Vermiglio 2005, SIAM J. Sci. Comput. 27:482; Hale & Verduyn Lunel
    1993, Introduction to Functional Differential Equations, section 7.1.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"'n' must be a positive number of roots, got {n!r}.")
    tol = default_tolerance() if tol is None else tol
    field = make_field(model, inputs, state)
    y = _equilibrium(field, field.ravel(), None, tol)
    lag = longest_lag(field, y, None, None if span is None else magnitude(span, "ms", "span"))
    return roots_at(field, y, None, n, lag, tol)[0]


def hopf_delay(
    model: AbstractComponent,
    span: tuple[float, float],
    *,
    where: Callable[[Any], Any],
    inputs: Any = None,
    state: State | None = None,
    points: int = 32,
    tol: float | None = None,
) -> BifurcationPoint:
    r"""The first delay in a range at which an equilibrium begins, or ends, to oscillate.

    There a pair of characteristic roots lies on the imaginary axis,
    $$f(y) = 0,\qquad \Delta(i\omega)\,v = 0.$$
    The roots are followed over a grid of delays; where a pair crosses, the point is the root of
    these equations in $y$, $v$, $\omega$ and the delay. Any other parameter can take its place.

    **Arguments:**

    - `model`: any component with a flow.
    - `span`: first and last value of the delay, ms.
    - `where`: function from the model to the delay that varies.
    - `inputs`: as for `simulate`, but constant in time.
    - `state`: `State` from which the equilibrium is sought; that of the model by default.
    - `points`: of the grid, 32. A pair that crosses and comes back between two of them is missed.
    - `tol`: tolerance, 3.7e-11, in single precision 2.4e-5.

    **Returns:** a `BifurcationPoint`: `parameter` is the delay, `omega` the angular frequency,
    `eigenvalues` the rightmost roots, `index` the grid point before it.

    **Raises:** `ValueError` for an empty range or a `where` that selects no single parameter;
    `RuntimeError` where there is no equilibrium, or no pair crosses the axis.

    ```python
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fdyn import AbstractComponent, State, param
    >>> class Feedback(AbstractComponent):
    ...     tau: jax.Array = param(1.0, unit="ms", doc="delay")
    ...     def init(self, *, key, dt):
    ...         return State({"x": jnp.zeros(1)}, {})
    ...     def flow(self, t, y, args):
    ...         return {"x": -args.hist(self.tau, "x")}
    ...     def jump(self, t, y, args, *, dt, key):
    ...         return y, args.mem, {}
    >>> point = hopf_delay(Feedback(), (1.0, 2.0), where=lambda m: m.tau, points=4)
    >>> f"{point.parameter:.4f} ms, {point.omega:.4f} rad/ms"  # pi / 2, 1
    '1.5708 ms, 1.0000 rad/ms'

    ```

    **Source:** Hale & Verduyn Lunel 1993, Introduction to Functional Differential Equations,
    section 11.1.
    """
    low, high = map(float, span)
    if not (np.isfinite([low, high]).all() and 0 <= low < high):
        raise ValueError(f"'span' must be two increasing delays, got {span!r}.")
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise ValueError(f"'points' must be two or more points of a grid, got {points!r}.")
    tol = default_tolerance() if tol is None else tol
    field = make_field(model, inputs, state, where)
    y, before = field.ravel(), None
    for i, value in enumerate(np.linspace(low, high, points)):
        p = jnp.asarray(value, y.dtype)
        y = _equilibrium(field, y, p, tol)
        roots, vectors = roots_at(field, y, p, max(4, y.size), longest_lag(field, y, p, None), tol)
        crossed = None if before is None else _crossing(before, roots)
        if crossed is not None:
            return _locate(field, y, p, roots[crossed], vectors[crossed], i - 1, tol)
        before = roots
    raise RuntimeError(
        f"no pair of roots crosses the imaginary axis for delays from {low:g} to {high:g} ms "
        f"({points} points): the rightmost root at the end is {before[0]:.3g}."  # pyright: ignore
    )


def _crossing(before: np.ndarray, roots: np.ndarray) -> int | None:
    """The pair nearest to the axis, where another number of pairs now lies on the right."""
    right = [int(((np.imag(r) > 0) & (np.real(r) > 0)).sum()) for r in (before, roots)]
    if right[0] == right[1]:
        return None
    near = np.where(np.imag(roots) > 0, np.abs(np.real(roots)), np.inf)
    return int(np.argmin(near))


@eqx.filter_jit
def _solve(field: Field, guess: tuple, tol: float) -> tuple[tuple, Array, Array]:
    """The root of the equations that define the point, what is left of them."""
    pin = guess[1:3]

    def equations(x: tuple, field: Field) -> tuple:
        y, a, b, omega, p = x
        unit = jnp.stack([pin[0] @ a + pin[1] @ b - 1, pin[0] @ b - pin[1] @ a])
        z = (a, b, jnp.zeros_like(omega), omega)
        return field(y, p), mismatch(field, y, p, z), unit

    newton = optx.Newton(rtol=tol, atol=tol)
    found = optx.root_find(equations, newton, guess, args=field, max_steps=64, throw=False).value
    rest = equations(found, field)
    return found, jnp.max(jnp.abs(rest[0])), jnp.max(jnp.abs(rest[1]))


def _locate(
    field: Field, y: Array, p: Array, root: complex, v: np.ndarray, index: int, tol: float
) -> BifurcationPoint:
    v = v / np.linalg.norm(v)
    parts = (jnp.asarray(x, y.dtype) for x in (np.real(v), np.imag(v), root.imag))
    (y, _, _, omega, p), *left = _solve(field, (y, *parts, p), tol)
    residual = float(max(map(float, left)))
    if not residual <= np.sqrt(tol):
        raise RuntimeError(
            f"a pair of roots crosses the imaginary axis near {float(p):g} ms, but the equations "
            f"of the crossing were not solved (left over: {residual:.3g}). Narrow the span."
        )
    roots, _ = roots_at(field, y, p, max(4, y.size), longest_lag(field, y, p, None), tol)
    return BifurcationPoint(
        "hopf", float(p), field.unravel(y), roots, abs(float(omega)), residual, index
    )
