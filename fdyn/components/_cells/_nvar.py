"""Nonlinear vector autoregression: the next-generation reservoir."""

import itertools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._base import check_size
from ._base import AbstractCell, n_in_field


def _degrees(order: Any) -> tuple[int, ...]:
    degrees = tuple(order) if isinstance(order, tuple | list) else (order,)
    whole = all(isinstance(p, int) and not isinstance(p, bool) and p > 1 for p in degrees)
    if not whole or len(set(degrees)) != len(degrees):
        raise ValueError(
            "NVAR: 'order' must be the degree of the monomials, a whole number from 2 on, or a "
            f"tuple of different ones, got {order!r}."
        )
    return degrees


class NVAR(AbstractCell):
    r"""The features of a next-generation reservoir: past inputs and their products.

    $$h = c \oplus l \oplus \lceil l \otimes \dots \otimes l \rceil_p,\qquad
      l_k = u_k \oplus u_{k-s} \oplus \dots \oplus u_{k-(n-1)s}$$

    with the constant $c = 1$ and all different monomials of degree $p$ in the entries of $l$. There
    is nothing to draw and nothing to train but the linear read-out, by ridge regression on a record
    of `h`; `Readout` holds it and closes the loop. Inputs before the first are zero, so the first
    `warm_up` rows of a record do not belong into a regression.

    **Arguments:** `n_in`: number of inputs; `delays`: how many inputs in time $l$ has, the present
    one included ($n$), 2; `stride`: steps between them ($s$), 1; `order`: degree $p$ of the
    monomials, or a tuple of several degrees, or `()` for none, 2; `constant`: whether there is a
    $c$, `True`.

    **State:** `past`: the last inputs, newest first, `[(delays - 1) * stride + 1, n_in]`, in `mem`.
    **Output:** `h`: the features, `[size]`.

    **Raises:** `ValueError` for numbers that are not positive and whole.

    ```python
    >>> import jax.numpy as jnp
    >>> cell = NVAR(1, delays=2)
    >>> mem, _ = cell.update(cell.begin(), jnp.array([2.0]))
    >>> cell.update(mem, jnp.array([3.0]))[1].tolist()  # 1, u, u', u u, u u', u' u'
    [1.0, 3.0, 2.0, 9.0, 6.0, 4.0]

    ```

    **Source:** Gauthier, Bollt, Griffith & Barbosa 2021, Nat. Commun. 12:5564: the
    feature vector of the next-generation reservoir.
    """

    size: int = eqx.field(static=True)
    delays: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    order: tuple[int, ...] = eqx.field(static=True)
    constant: bool = eqx.field(static=True)
    n_in: int = n_in_field()

    def __init__(
        self,
        n_in: int,
        *,
        delays: int = 2,
        stride: int = 1,
        order: int | tuple[int, ...] = 2,
        constant: bool = True,
    ):
        self.n_in = check_size(n_in, "n_in")
        self.delays, self.stride = check_size(delays, "delays"), check_size(stride, "stride")
        self.order, self.constant = _degrees(order), bool(constant)
        n = self.n_in * self.delays
        self.size = int(constant) + n + sum(len(self._products(p)) for p in self.order)

    @property
    def warm_up(self) -> int:
        """Steps until all features are those of inputs."""
        return (self.delays - 1) * self.stride

    def _products(self, degree: int) -> np.ndarray:
        """Which entries of the linear part each monomial multiplies, `[monomials, degree]`."""
        n = self.n_in * self.delays
        return np.array(list(itertools.combinations_with_replacement(range(n), degree)), np.int32)

    def begin(self) -> dict[str, Array]:
        """No inputs yet."""
        return {"past": jnp.zeros((self.warm_up + 1, self.n_in), jnp.result_type(float))}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The input joins the past; the features of it."""
        past = jnp.concatenate([u[None], mem["past"][:-1]])
        linear = past[:: self.stride].ravel()
        parts = [jnp.ones(1, u.dtype)] if self.constant else []
        parts += [linear, *(jnp.prod(linear[self._products(p)], axis=-1) for p in self.order)]
        return {"past": past}, jnp.concatenate(parts)
