"""Kinds of equilibria by the eigenvalues of the Jacobian."""

import numpy as np
from jax.typing import ArrayLike


def classify(eigenvalues: ArrayLike, *, tol: float = 1e-9) -> str:
    r"""The kind of an equilibrium.

    With all real parts negative (positive) it is a stable (unstable) focus where the eigenvalues
    nearest to the imaginary axis are complex, else a node. With both signs it is a saddle, or a
    saddle-focus where the eigenvalues nearest to the axis on one of its sides are complex. With a
    real part of zero the linear part does not decide: non-hyperbolic.

    **Arguments:** `eigenvalues`: `[d]`, complex, 1/ms; `tol`: a real part of this fraction of the
    largest modulus counts as zero, 1e-9.

    **Returns:** `"stable node"`, `"stable focus"`, `"unstable node"`, `"unstable focus"`,
    `"saddle"`, `"saddle-focus"` or `"non-hyperbolic"`.

    ```python
    >>> classify([-1.0, -2.0]), classify([0.1 + 2j, 0.1 - 2j]), classify([1.0, -1.0])
    ('stable node', 'unstable focus', 'saddle')

    ```

    **Source:** Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 2.2; the leading
    eigenvalues of section 6.1.
    """
    values = np.atleast_1d(np.asarray(eigenvalues, dtype=complex))
    real, imag = np.real(values), np.imag(values)
    small = tol * np.abs(values).max()
    if (np.abs(real) <= small).any():
        return "non-hyperbolic"
    sides = [side for side in (real < 0, real > 0) if side.any()]
    spiral = any(abs(imag[side][np.abs(real[side]).argmin()]) > small for side in sides)
    if len(sides) == 2:
        return "saddle-focus" if spiral else "saddle"
    return f"{'stable' if real[0] < 0 else 'unstable'} {'focus' if spiral else 'node'}"


def sorted_eigenvalues(jacobian: np.ndarray) -> np.ndarray:
    """The eigenvalues of one or more matrices `[..., d, d]`, the largest real part first."""
    values = np.linalg.eigvals(np.asarray(jacobian)).astype(complex)
    order = np.lexsort((-np.imag(values), -np.real(values)), axis=-1)
    return np.take_along_axis(values, order, axis=-1)
