"""The simple recurrent network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import check_size, size_field, spread
from ._base import AbstractCell, check_link, check_vectors, keys_for, n_in_field, uniform


class VanillaRNN(AbstractCell):
    r"""The simple recurrent network.

    $$h_{k+1} = f\left(W^\mathsf{T} h_k + W_\mathrm{in}^\mathsf{T} u_k + b\right)$$

    **Arguments:** `size`: number of units; `n_in`: number of inputs; `recurrent`: connectivity
    $W$ among the units, drawn from `key` uniformly between $\pm 1/\sqrt{\mathrm{size}}$ unless
    given; `input`: connectivity $W_\mathrm{in}$ from the inputs, drawn alike; `bias`: scalar or
    `[size]`, 0; `h_init`: state before the first step, 0; `activation`: the function $f$, `tanh`;
    `key`: random key.

    **State:** `h`: `[size]`, in `mem`. **Output:** `h`: `[size]`, without unit.

    **Raises:** `ValueError` for connectivities or parameters whose shapes do not fit, or where
    weights are to be drawn without a key.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import Dense
    >>> cell = VanillaRNN(1, 1, recurrent=Dense([[0.5]]), input=Dense([[1.0]]), activation=abs)
    >>> mem, h = cell.update({"h": jnp.array([2.0])}, jnp.array([3.0]))
    >>> h.tolist()
    [4.0]

    ```

    **Source:** Elman 1990, Cogn. Sci. 14:179.
    """

    recurrent: AbstractConnectivity
    input: AbstractConnectivity
    activation: Callable[[Array], Array] = eqx.field(static=True)
    size: int = size_field()
    n_in: int = n_in_field()
    bias: Array = param(0.0, unit="1", doc="bias")
    h_init: Array = param(0.0, unit="1", doc="state before the first step")

    def __init__(
        self,
        size: int,
        n_in: int,
        *,
        recurrent: AbstractConnectivity | None = None,
        input: AbstractConnectivity | None = None,
        bias: Any = 0.0,
        h_init: Any = 0.0,
        activation: Callable[[Array], Array] = jnp.tanh,
        key: Array | None = None,
    ):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        if recurrent is None or input is None:
            bound = self.size**-0.5
            first, second = keys_for(key, 2, "VanillaRNN")
            if recurrent is None:
                recurrent = uniform(first, self.size, self.size, bound)
            if input is None:
                input = uniform(second, self.n_in, self.size, bound)
        self.recurrent, self.input = recurrent, input
        self.bias, self.h_init, self.activation = bias, h_init, activation

    def __check_init__(self):
        check_vectors(self)
        check_link(self.recurrent, self.size, self.size, "VanillaRNN", "recurrent")
        check_link(self.input, self.n_in, self.size, "VanillaRNN", "input")

    def begin(self) -> dict[str, Array]:
        """At `h_init`."""
        return {"h": spread(self.h_init, self.size)}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The next state, which is the output."""
        h = self.activation(mem["h"] @ self.recurrent + u @ self.input + self.bias)
        return {"h": h}, h
