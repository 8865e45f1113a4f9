"""The linear recurrent unit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .._base import check_size, size_field
from ._base import AbstractCell, keys_for, n_in_field


class LRU(AbstractCell):
    r"""The linear recurrent unit: a diagonal linear recurrence of complex modes.

    $$x_{k+1} = \Lambda x_k + \gamma \odot B u_k,\quad
      h_{k+1} = \operatorname{Re}(C x_{k+1}) + D u_k,\quad
      \Lambda = \operatorname{diag} e^{-e^{\nu} + i e^{\theta}}$$

    so $|\lambda| < 1$ whatever a training does to $\nu$; at the start
    $\gamma_j = \sqrt{1 - |\lambda_j|^2}$, which makes the variance of the state that of the input.
    Since the recurrence is linear, a whole series can be worked out at once: `parallel`. What
    trains: `nu`, `theta`, `gamma_log`: `[n_state]`; `b_re`, `b_im`: `[n_in, n_state]`; `c_re`,
    `c_im`: `[n_state, size]`; `d`: `[n_in, size]`.

    **Arguments:** `size`: number of outputs; `n_in`: number of inputs; `n_state`: number of modes;
    `r_min`: inner radius of the ring in which the $\lambda_j$ are drawn uniformly, 0; `r_max`:
    outer radius of it, 1; `max_phase`: the largest angle of a $\lambda_j$, $2\pi$ (a small one
    suits long memories); `key`: random key.

    **State:** `x_re`, `x_im`: the modes, `[n_state]`, in `mem`. **Output:** `h`: `[size]`.

    **Raises:** `ValueError` without a key, or for a ring that is none within the unit circle.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from fdyn import simulate
    >>> cell = LRU(4, 2, 16, r_min=0.9, key=jax.random.key(0))
    >>> u = jax.random.normal(jax.random.key(1), (8, 2))
    >>> h, _ = cell.parallel(u)
    >>> bool(jnp.allclose(h, simulate(cell, 8.0, dt=1.0, inputs=u, record="h")["h"], atol=1e-4))
    True

    ```

    **Source:** Orvieto et al. 2023, ICML, PMLR 202:26670, sections 3.2-3.4 and lemma 3.2; the scan
    over associative pairs: Blelloch 1990, CMU-CS-90-190.
    """

    nu: Array
    theta: Array
    gamma_log: Array
    b_re: Array
    b_im: Array
    c_re: Array
    c_im: Array
    d: Array
    size: int = size_field()
    n_in: int = n_in_field()

    def __init__(
        self,
        size: int,
        n_in: int,
        n_state: int,
        *,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * np.pi,
        key: Array | None = None,
    ):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        n_state = check_size(n_state, "n_state")
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(
                "LRU: 'r_min' and 'r_max' must bound a ring within the unit circle, "
                f"0 <= r_min < r_max <= 1, got {r_min} and {r_max}."
            )
        if not 0 < max_phase <= 2 * np.pi:
            raise ValueError(f"LRU: 'max_phase' must be above 0 and at most 2 pi, got {max_phase}.")
        keys = keys_for(key, 7, "LRU")
        dtype = jnp.result_type(float)
        # The borders are left out: log(0) is where nothing trains.
        low, high = 1e-6, 1 - 1e-6
        ring = jax.random.uniform(keys[0], (n_state,), dtype, low, high)
        self.nu = jnp.log(-0.5 * jnp.log(ring * (r_max**2 - r_min**2) + r_min**2))
        turn = jax.random.uniform(keys[1], (n_state,), dtype, low, high)
        self.theta = jnp.log(max_phase * turn)
        self.gamma_log = 0.5 * jnp.log1p(-jnp.exp(-2 * jnp.exp(self.nu)))

        def normal(key: Array, rows: int, columns: int, variance: float) -> Array:
            return variance**0.5 * jax.random.normal(key, (rows, columns), dtype)

        self.b_re = normal(keys[2], self.n_in, n_state, 0.5 / self.n_in)
        self.b_im = normal(keys[3], self.n_in, n_state, 0.5 / self.n_in)
        self.c_re = normal(keys[4], n_state, self.size, 0.5 / n_state)
        self.c_im = normal(keys[5], n_state, self.size, 0.5 / n_state)
        self.d = normal(keys[6], self.n_in, self.size, 1.0 / self.n_in)

    @property
    def eigenvalues(self) -> Array:
        r"""The $\lambda_j$, complex, `[n_state]`."""
        size, angle = jnp.exp(-jnp.exp(self.nu)), jnp.exp(self.theta)
        return lax.complex(size * jnp.cos(angle), size * jnp.sin(angle))

    def begin(self) -> dict[str, Array]:
        """All modes at zero."""
        return {"x_re": jnp.zeros_like(self.nu), "x_im": jnp.zeros_like(self.nu)}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """One step of the recurrence."""
        x = self.eigenvalues * lax.complex(mem["x_re"], mem["x_im"]) + self._drive(u)
        return {"x_re": x.real, "x_im": x.imag}, self._output(x, u)

    def parallel(
        self, u: Array, mem: dict[str, Array] | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """The outputs of a whole series at once, in a logarithmic number of dependent operations.

        **Arguments:** `u`: inputs, `[steps, n_in]`; `mem`: the memory to go on from, that of
        `begin` by default.

        **Returns:** the outputs, `[steps, size]`, and the memory after them; both equal those of
        the steps one by one, up to rounding.

        **Raises:** `ValueError` for inputs of another shape.
        """
        u = jnp.asarray(u)
        if u.ndim != 2 or u.shape[1] != self.n_in or not len(u):
            raise ValueError(
                f"LRU: the inputs must have shape [steps, {self.n_in}] with at least one step, got "
                f"{u.shape}; use jax.vmap for batches."
            )
        mem = self.begin() if mem is None else mem
        drive, factor = self._drive(u), self.eigenvalues
        drive = drive.at[0].add(factor * lax.complex(mem["x_re"], mem["x_im"]))

        def join(first: Any, then: Any) -> Any:
            return then[0] * first[0], then[0] * first[1] + then[1]

        factors = jnp.broadcast_to(factor[None], drive.shape)
        _, x = lax.associative_scan(join, (factors, drive))
        return self._output(x, u), {"x_re": x[-1].real, "x_im": x[-1].imag}

    def _drive(self, u: Array) -> Array:
        gamma = jnp.exp(self.gamma_log)[None]
        return lax.complex(u @ (self.b_re * gamma), u @ (self.b_im * gamma))

    def _output(self, x: Array, u: Array) -> Array:
        return x.real @ self.c_re - x.imag @ self.c_im + u @ self.d
