"""Long short-term memory on a grid."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from .._base import check_size, size_field
from ._base import AbstractCell, keys_for, n_in_field


class ConvLSTM(AbstractCell):
    r"""Long short-term memory on a grid of one to three dimensions, with convolutions for products.

    $$i, f, o = \sigma(K_{i,f,o} * [u_k, h_k] + b_{i,f,o}),\quad
      g = \tanh(K_g * [u_k, h_k] + b_g)$$
    $$c_{k+1} = f \odot c_k + i \odot g,\quad h_{k+1} = o \odot \tanh(c_{k+1})$$

    Beyond the border of the grid everything is zero. Inputs and outputs are flat, channel by
    channel: reshape to `[n_channels_in, *space]` and `[n_channels, *space]`. The weights are those
    of the `equinox.nn.Conv` in `conv`, with the channels of $i$, $f$, $g$ and $o$ one after the
    other.

    **Arguments:** `space`: the shape of the grid, one to three sizes; `n_channels_in`: input
    channels at each place; `n_channels`: output channels at each place; `width`: places across a
    kernel, odd, 3; `key`: random key from which the weights are drawn.

    **State:** `h`, `c`: `[n_channels, *space]`, in `mem`. **Output:** `h`: `[size]` with
    `size` = `n_channels` times the places of the grid; `n_in` likewise.

    **Raises:** `ValueError` without a key, for an even width or more than three dimensions.

    ```python
    >>> import jax
    >>> cell = ConvLSTM((4, 5), 1, 2, key=jax.random.key(0))
    >>> cell.n_in, cell.size
    (20, 40)

    ```

    **Source:** Shi et al. 2015, NeurIPS 28:802, eq. 3 without the weights from cells to gates.
    """

    space: tuple[int, ...] = eqx.field(static=True)
    n_channels_in: int = eqx.field(static=True)
    n_channels: int = eqx.field(static=True)
    conv: eqx.nn.Conv
    size: int = size_field()
    n_in: int = n_in_field()

    def __init__(
        self,
        space: Sequence[int],
        n_channels_in: int,
        n_channels: int,
        *,
        width: int = 3,
        key: Array | None = None,
    ):
        self.space = tuple(check_size(n, "space") for n in space)
        if not 1 <= len(self.space) <= 3:
            raise ValueError(f"ConvLSTM: 'space' must have one to three sizes, got {self.space}.")
        self.n_channels_in = check_size(n_channels_in, "n_channels_in")
        self.n_channels = check_size(n_channels, "n_channels")
        if check_size(width, "width") % 2 == 0:
            raise ValueError(f"ConvLSTM: 'width' must be odd, to have a middle; got {width}.")
        places = math.prod(self.space)
        self.size, self.n_in = self.n_channels * places, self.n_channels_in * places
        (first,) = keys_for(key, 1, "ConvLSTM")
        both = self.n_channels_in + self.n_channels
        self.conv = eqx.nn.Conv(
            len(self.space), both, 4 * self.n_channels, width, padding=width // 2, key=first
        )

    def begin(self) -> dict[str, Array]:
        """Empty cells."""
        zero = jnp.zeros((self.n_channels, *self.space), jnp.result_type(float))
        return {"h": zero, "c": zero}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The next states; `h` is the output, flat."""
        both = jnp.concatenate([u.reshape(self.n_channels_in, *self.space), mem["h"]])
        i, f, g, o = jnp.split(self.conv(both), 4)
        c = jax.nn.sigmoid(f) * mem["c"] + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return {"h": h, "c": c}, h.ravel()
