"""Characteristic roots of delay equations: the exponents of small deviations from equilibrium."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array
from jaxtyping import PyTree

from .._misc import is_traced
from ..components._history import AbstractLeafHistory, ExponentialHistory, elements
from ._field import Field

_NODES, _MOST = 16, 3000


class _Chebyshev(AbstractLeafHistory):
    r"""A past that is a polynomial on `[-span, 0]`, given by its Chebyshev coefficients.

    `values`: of the flat state, `[coefficients, d]`; `slopes`: of its derivative.
    """

    values: Array
    slopes: Array
    span: Array
    like: PyTree

    @property
    def structure(self) -> Any:
        """That of the state."""
        return jax.tree.structure(self.like)

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The polynomial at this lag."""
        leaves = jax.tree.leaves(self.like)
        first = sum(x.size for x in leaves[:i])
        shape = leaves[i].shape
        c = (self.slopes if derivative else self.values)[:, first : first + leaves[i].size]
        lag, place = elements(jnp.asarray(lag, c.dtype), shape)
        # Chebyshev polynomials by their recurrence, whose derivatives are finite at the ends too.
        x = 1 - 2 * lag / self.span
        before, now, value = jnp.ones_like(x), x, c[0][place] + c[1][place] * x
        for k in range(2, c.shape[0]):
            before, now = now, 2 * x * now - before
            value = value + c[k][place] * now
        return value


def _chebyshev(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Differentiation matrix on the points cos(pi j / n), and from values there to coefficients.

    Trefethen 2000, Spectral Methods in MATLAB, chapters 6 and 8.
    """
    j = np.arange(n + 1)
    x, c = np.cos(np.pi * j / n), np.where((j == 0) | (j == n), 2.0, 1.0) * (-1.0) ** j
    gap = x[:, None] - x[None] + np.eye(n + 1)
    matrix = (c[:, None] / c[None]) / gap
    matrix = matrix - np.diag(matrix.sum(axis=1))
    half = np.where((j == 0) | (j == n), 0.5, 1.0)
    to = 2 / n * half[:, None] * half[None] * np.cos(np.pi * np.outer(j, j) / n)
    return matrix, to


@eqx.filter_jit
def _generator(field: Field, y: Array, p: Array | None, span: Array, n: int) -> Array:
    """The matrix whose eigenvalues approximate the roots, `[(n + 1) d, (n + 1) d]`.

    On the space of pasts the solution is a flow whose generator is d/ds, with the equation itself
    as boundary condition at s = 0; pasts are polynomials of degree `n`.
    """
    matrix, to = (jnp.asarray(m, y.dtype) for m in _chebyshev(n))
    d = y.size
    matrix = 2 / span * matrix
    mean = jnp.zeros((n + 1, d), y.dtype).at[0].set(y)

    def equation(past: Array) -> Array:
        hist = _Chebyshev(mean + to @ past, to @ (matrix @ past), span, field.unravel(y))
        return field.rate(y + past[0], p, hist)

    top = jax.jacfwd(equation)(jnp.zeros((n + 1, d), y.dtype)).reshape(d, -1)
    return jnp.concatenate([top, jnp.kron(matrix[1:], jnp.eye(d, dtype=y.dtype))])


def mismatch(field: Field, y: Array, p: Array | None, z: tuple) -> Array:
    r"""$\lambda v - L(\lambda) v$ for $z = (v, \lambda)$ with real and imaginary parts, `[2, d]`.

    $L(\lambda) v$ is the linearisation of the flow along $v e^{\lambda t}$. The flow is that of
    real states, so real and imaginary part go through it one after the other.
    """
    real, imag, sigma, omega = z

    def along(a: Array, b: Array) -> Array:
        def rate(size: Array) -> Array:
            waves = (field.unravel(size * a), field.unravel(size * b))
            hist = ExponentialHistory(field.unravel(y), *waves, sigma, omega)
            return field.rate(y + size * a, p, hist)

        return jax.jvp(rate, (jnp.zeros((), y.dtype),), (jnp.ones((), y.dtype),))[1]

    # Im(v e^x) = Re(-i v e^x), and -i (a + ib) = b - ia.
    return jnp.stack(
        [
            sigma * real - omega * imag - along(real, imag),
            sigma * imag + omega * real - along(imag, -real),
        ]
    )


@eqx.filter_jit
def _polish(
    field: Field, y: Array, p: Array | None, guesses: tuple, tol: float
) -> tuple[tuple, Array]:
    """Newton's method from each guess; what it leads to, and the residual there."""

    def one(guess: tuple) -> tuple[tuple, Array]:
        pin = guess[:2]

        def equations(z: tuple, args: tuple) -> tuple[Array, Array]:
            field, y, p = args
            a, b = z[:2]
            # The length and the phase of v do not matter: its product with the guess is 1.
            unit = jnp.stack(
                [pin[0] @ a + pin[1] @ b - 1, pin[0] @ b - pin[1] @ a],
            )
            return mismatch(field, y, p, z), unit

        found = optx.root_find(
            equations,
            optx.Newton(rtol=tol, atol=tol),
            guess,
            args=(field, y, p),
            max_steps=32,
            throw=False,
        ).value
        left = equations(found, (field, y, p))
        return found, jnp.maximum(jnp.max(jnp.abs(left[0])), jnp.max(jnp.abs(left[1])))

    return jax.vmap(one)(guesses)


def longest_lag(field: Field, y: Array, p: Array | None, span: float | None) -> float:
    """The longest delay of the flow at this state; zero where it has none."""
    if span is not None:
        return float(span)
    lags, _ = field.lags(y, p)
    if is_traced(lags):
        raise ValueError(
            "the delays are not known, because the flow asks for the past inside of a "
            "transformation: give the longest of them as 'span' (ms)."
        )
    values = np.concatenate([np.ravel(np.asarray(x, float)) for x in lags] or [np.zeros(1)])
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"delays must be finite and not negative, got {values.tolist()}.")
    return float(values.max())


def roots_at(
    field: Field, y: Array, p: Array | None, n: int, span: float, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """The `n` rightmost characteristic roots, and their vectors `[n, d]`."""
    if span == 0:
        values, vectors = np.linalg.eig(np.asarray(field.jacobian(y, p)))
        order = np.lexsort((-np.imag(values), -np.real(values)))[:n]
        return values[order].astype(complex), vectors.T[order].astype(complex)
    nodes, last = max(_NODES, n), None
    while True:
        matrix = np.asarray(_generator(field, y, p, jnp.asarray(span, y.dtype), nodes))
        values, vectors = np.linalg.eig(matrix)
        # Of a pair the one above; a few more than asked for, since their order may still change.
        upper = np.flatnonzero(np.imag(values) > -1e-9 * np.abs(values).max())
        upper = upper[np.argsort(-np.real(values)[upper])][: n + 4]
        found = _polished(field, y, p, values[upper], vectors[: y.size, upper].T, tol)
        if last is not None and _same(found[0][:n], last[:n], n, tol):
            return found[0][:n], found[1][:n]
        if 2 * nodes * y.size > _MOST:
            raise RuntimeError(
                f"the {n} rightmost roots did not settle with {nodes} nodes: ask for fewer of them."
            )
        nodes, last = 2 * nodes, found[0]


def _polished(
    field: Field, y: Array, p: Array | None, values: np.ndarray, vectors: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """The distinct roots that Newton's method reaches, with their conjugates, rightmost first."""
    size = np.linalg.norm(vectors, axis=1)
    vectors = vectors / np.where(size > 0, size, 1)[:, None]
    real, imag = np.real(values), np.imag(values)
    parts = (np.real(vectors), np.imag(vectors), real, imag)
    z, left = _polish(field, y, p, tuple(jnp.asarray(x, y.dtype) for x in parts), tol)
    a, b, sigma, omega = map(np.asarray, z)
    good = np.isfinite(np.asarray(left)) & (np.asarray(left) <= np.sqrt(tol))
    # Far from where it started it is the root of another guess.
    near = np.hypot(sigma - real, omega - imag) <= 0.1 * (1 + np.abs(values))
    kept: list[tuple[complex, np.ndarray]] = []
    for i in np.flatnonzero(good & near):
        root, v = complex(sigma[i], abs(omega[i])), a[i] + 1j * b[i]
        v = v if omega[i] >= 0 else v.conj()
        single = abs(root.imag) <= np.sqrt(tol) * (1 + abs(root))
        root = complex(root.real, 0.0) if single else root
        if all(abs(root - other) > np.sqrt(tol) * (1 + abs(root)) for other, _ in kept):
            kept += [(root, v)] if single else [(root, v), (root.conjugate(), v.conj())]
    kept.sort(key=lambda x: (-x[0].real, -x[0].imag))
    roots = np.array([r for r, _ in kept], complex)
    return roots, np.array([v for _, v in kept], complex).reshape(len(kept), y.size)


def _same(a: np.ndarray, b: np.ndarray, n: int, tol: float) -> bool:
    return len(a) == len(b) == n and bool((np.abs(a - b) <= np.sqrt(tol) * (1 + np.abs(a))).all())
