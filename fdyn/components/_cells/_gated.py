"""Cells with gates: the gated recurrent unit and long short-term memory."""

from typing import Any

import equinox as eqx
from jax import Array

from ..._param import param
from .._base import check_size, size_field, spread
from ._base import AbstractCell, check_vectors, keys_for, n_in_field


class GRU(AbstractCell):
    r"""The gated recurrent unit, whose gates say what to renew and what to forget.

    $$r = \sigma(W_{r} [h_k, u_k] + b_r),\quad z = \sigma(W_{z} [h_k, u_k] + b_z)$$
    $$n = \tanh\left(W_{nu} u_k + b_n + r \odot (W_{nh} h_k + b_{nh})\right),\quad
      h_{k+1} = z \odot h_k + (1 - z) \odot n$$

    The reset gate acts after the product with $W_{nh}$, as in cuDNN and PyTorch. The weights are
    those of the `equinox.nn.GRUCell` in `cell`: `weight_ih`, `weight_hh`, `bias`, each with the
    rows of $r$, $z$ and $n$ one after the other, and `bias_n`, which is $b_{nh}$.

    **Arguments:** `size`: number of units; `n_in`: number of inputs; `h_init`: state before the
    first step, scalar or `[size]`, 0; `key`: random key from which the weights are drawn,
    uniformly between $\pm 1/\sqrt{\mathrm{size}}$.

    **State:** `h`: `[size]`, in `mem`. **Output:** `h`: `[size]`, without unit.

    **Raises:** `ValueError` without a key, or for shapes that do not fit.

    ```python
    >>> import jax
    >>> from fdyn import simulate
    >>> cell = GRU(8, 2, key=jax.random.key(0))
    >>> simulate(cell, 5.0, dt=1.0, inputs=1.0, record="h")["h"].shape
    (5, 8)

    ```

    **Source:** Cho et al. 2014, EMNLP 1724, eqs. 5-8, with the reset gate after the product.
    """

    cell: eqx.nn.GRUCell
    size: int = size_field()
    n_in: int = n_in_field()
    h_init: Array = param(0.0, unit="1", doc="state before the first step")

    def __init__(self, size: int, n_in: int, *, h_init: Any = 0.0, key: Array | None = None):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        (first,) = keys_for(key, 1, "GRU")
        self.cell = eqx.nn.GRUCell(self.n_in, self.size, key=first)
        self.h_init = h_init

    def __check_init__(self):
        check_vectors(self)

    def begin(self) -> dict[str, Array]:
        """At `h_init`."""
        return {"h": spread(self.h_init, self.size)}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The next state, which is the output."""
        h = self.cell(u, mem["h"])
        return {"h": h}, h


class LSTM(AbstractCell):
    r"""Long short-term memory: a cell state behind an input, a forget and an output gate.

    $$i, f, o = \sigma(W_{i,f,o} [h_k, u_k] + b_{i,f,o}),\quad g = \tanh(W_g [h_k, u_k] + b_g)$$
    $$c_{k+1} = f \odot c_k + i \odot g,\quad h_{k+1} = o \odot \tanh(c_{k+1})$$

    The weights are those of the `equinox.nn.LSTMCell` in `cell`: `weight_ih`, `weight_hh`, `bias`,
    each with the rows of $i$, $f$, $g$ and $o$ one after the other.

    **Arguments:** `size`: number of units; `n_in`: number of inputs; `h_init`, `c_init`: states
    before the first step, scalars or `[size]`, 0; `key`: random key from which the weights are
    drawn, uniformly between $\pm 1/\sqrt{\mathrm{size}}$.

    **State:** `h`, `c`: `[size]`, in `mem`. **Output:** `h`: `[size]`, without unit.

    **Raises:** `ValueError` without a key, or for shapes that do not fit.

    ```python
    >>> import jax
    >>> from fdyn import simulate
    >>> cell = LSTM(8, 2, key=jax.random.key(0))
    >>> simulate(cell, 5.0, dt=1.0, inputs=1.0, record=["h", "c"])["c"].shape
    (5, 8)

    ```

    **Source:** Hochreiter & Schmidhuber 1997, Neural Comput. 9:1735; the forget gate: Gers,
    Schmidhuber & Cummins 2000, Neural Comput. 12:2451.
    """

    cell: eqx.nn.LSTMCell
    size: int = size_field()
    n_in: int = n_in_field()
    h_init: Array = param(0.0, unit="1", doc="output before the first step")
    c_init: Array = param(0.0, unit="1", doc="cell state before the first step")

    def __init__(
        self,
        size: int,
        n_in: int,
        *,
        h_init: Any = 0.0,
        c_init: Any = 0.0,
        key: Array | None = None,
    ):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        (first,) = keys_for(key, 1, "LSTM")
        self.cell = eqx.nn.LSTMCell(self.n_in, self.size, key=first)
        self.h_init, self.c_init = h_init, c_init

    def __check_init__(self):
        check_vectors(self)

    def begin(self) -> dict[str, Array]:
        """At `h_init` and `c_init`."""
        return {"h": spread(self.h_init, self.size), "c": spread(self.c_init, self.size)}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The next states; `h` is the output."""
        h, c = self.cell(u, (mem["h"], mem["c"]))
        return {"h": h, "c": c}, h
