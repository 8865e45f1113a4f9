"""Folds and Hopf points of a branch of equilibria: found between two points, located exactly."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array
from jaxtyping import PyTree

from ._field import Field
from ._stability import sorted_eigenvalues


class BifurcationPoint(eqx.Module):
    """A point of a branch where the number of equilibria or their stability changes.

    `kind`: `"fold"` or `"hopf"`; `parameter`: its value; `y`: the state there; `eigenvalues`:
    `[d]`, 1/ms; `omega`: angular frequency of a Hopf point, rad/ms, else `None`; `residual`: of
    the equations that define the point; `index`: it lies between this point of the branch and the
    next.

    ```python
    >>> from fdyn.analyze import continue_equilibria
    >>> from fdyn.components import MorrisLecar
    >>> (point,) = continue_equilibria(MorrisLecar(1), (80.0, 110.0)).points
    >>> point.kind, f"{point.parameter:.2f} uA/cm^2", f"{point.omega:.4f} rad/ms"
    ('hopf', '93.86 uA/cm^2', '0.0798 rad/ms')

    ```

    **Source:** Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 3.1 and 3.4.
    """

    kind: str = eqx.field(static=True)
    parameter: float = eqx.field(static=True)
    y: PyTree
    eigenvalues: np.ndarray
    omega: float | None = eqx.field(static=True)
    residual: float = eqx.field(static=True)
    index: int = eqx.field(static=True)


@eqx.filter_jit
def _refine(kind: str, field: Field, scale: Array, guess: tuple, solver: Any):
    """The root of the defining equations: (y, p, ...), residual, Jacobian; `scale` `[d + 1]`.

    fold: f = 0, J q = 0, |q| = 1 (along the first guess of q);
    hopf: f = 0, (J - i omega) (q + i r) = 0, that vector normalised along its first guess.
    """
    s_y, s_p = scale[:-1], scale[-1]

    def jacobian(y, p):
        return field.jacobian(y * s_y, p * s_p) * s_y[None] / s_y[:, None]

    def equations(x, args):
        field, first = args
        y, p = x[0], x[1]
        f = field(y * s_y, p * s_p) / s_y
        if kind == "fold":
            q = x[2]
            return f, first[2] @ q - 1, jacobian(y, p) @ q
        _, _, q, r, omega = x
        j = jacobian(y, p)
        fixed = first[2] @ q + first[3] @ r - 1, first[2] @ r - first[3] @ q
        return f, j @ q + omega * r, j @ r - omega * q, *fixed

    found = optx.root_find(equations, solver, guess, args=(field, guess), max_steps=64, throw=False)
    rest = jnp.stack([jnp.max(jnp.abs(e)) for e in equations(found.value, (field, guess))])
    y, p = found.value[0] * s_y, found.value[1] * s_p
    return found.value, y, p, jnp.max(rest), field.jacobian(y, p)


def hopf_sign(eigenvalues: np.ndarray) -> float:
    """The sign of the product of all sums of two eigenvalues; it changes at a Hopf point."""
    i, j = np.triu_indices(eigenvalues.size, 1)
    return float(np.sign(np.prod(np.exp(1j * np.angle(eigenvalues[i] + eigenvalues[j]))).real))


def locate(
    field: Field,
    scale: np.ndarray,
    ends: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    index: int,
    solver: Any,
    tol: float,
) -> list[BifurcationPoint]:
    """The points between two neighbours on a branch, each given as (y and p, Jacobian, tangent)."""
    (z0, j0, t0), (z1, j1, t1) = ends
    points = []
    if t0[-1] * t1[-1] < 0:
        at = t0[-1] / (t0[-1] - t1[-1])
        q = (1 - at) * t0[:-1] + at * t1[:-1]
        guess = ((1 - at) * z0 + at * z1, q / np.linalg.norm(q))
        points.append(_located("fold", field, scale, guess, index, solver))
    values = [sorted_eigenvalues(j0), sorted_eigenvalues(j1)]
    if hopf_sign(values[0]) * hopf_sign(values[1]) < 0:
        # The pair may turn real before the other end of the step is reached: try both ends.
        for z, j in ((z0, j0), (z1, j1)):
            w, vectors = np.linalg.eig(j * scale[None, :-1] / scale[:-1, None])
            pair = np.where(np.imag(w) > 0, np.abs(np.real(w)), np.inf)
            if np.isfinite(pair).any():
                k = int(pair.argmin())
                v = vectors[:, k] / np.linalg.norm(vectors[:, k])
                guess = (z, np.real(v), np.imag(v), np.imag(w[k]))
                points.append(_located("hopf", field, scale, guess, index, solver))
                if _between(points[-1], scale, z0, z1, tol):
                    break
                points.pop()
    return [x for x in points if _between(x, scale, z0, z1, tol)]


def _located(kind, field, scale, guess, index, solver) -> BifurcationPoint:
    z, *rest = guess
    parts = tuple(jnp.asarray(x, field.ravel().dtype) for x in (z[:-1], z[-1], *rest))
    x, y, p, residual, jac = _refine(kind, field, jnp.asarray(scale), parts, solver)
    omega = float(abs(x[4])) if kind == "hopf" else None
    jac = np.asarray(jac)
    # A guess that leads nowhere is left out later.
    lost = np.full(len(jac), np.nan + 0j)
    return BifurcationPoint(
        kind,
        float(p),
        field.unravel(y),
        sorted_eigenvalues(jac) if np.isfinite(jac).all() else lost,
        omega,
        float(residual),
        index,
    )


def _between(
    point: BifurcationPoint, scale: np.ndarray, z0: np.ndarray, z1: np.ndarray, tol: float
) -> bool:
    """Whether the equations were solved, and by a point near the two that enclose it."""
    z = np.append(np.concatenate([np.ravel(x) for x in jax.tree.leaves(point.y)]), point.parameter)
    z = z / scale
    near = np.linalg.norm(z - z0) + np.linalg.norm(z - z1) <= 2 * np.linalg.norm(z1 - z0)
    real = point.omega is None or point.omega > np.sqrt(tol)
    return bool(point.residual <= tol and near and real)
