"""The phase code: the binary digits of a value, one after the other."""

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from .._base import size_field
from ._base import AbstractInput
from ._source import AbstractEncoder, Range, as_source, check_source, param_or_input


class PhaseEncoder(AbstractEncoder):
    r"""The weighted phase code: a spike in phase $k$ of a period counts $2^{-k}$.

    $$x_i = \sum_{k=1}^{K} b_{ik}\,2^{-k},\qquad \text{output } b_{ik}\,2^{-k}
      \text{ in the } k\text{-th step of each period of } K \text{ steps}$$

    The output of a period sums up to the value, rounded down to $K$ binary digits.

    **Arguments:** `size`: number of units; `values`: $x$, from 0 to below 1 (a byte over 256),
    scalar or `[size]`, or another input of that size, which is read at the start of each period;
    `bits`: number of bits $K$, 8. **State:** `code.phase`: the phase that comes next; `code.x`:
    what is encoded now; `source`: that of an input as value, in its units. **Output:** `spike`,
    `[size]`, the weighted spikes.

    **Raises:** `ValueError` for values out of range, and digits that are none;
    `RuntimeError` in a run in which an input as value leaves the range.

    ```python
    >>> from fdyn import simulate
    >>> code = PhaseEncoder(1, 0.8125, bits=4)  # 0.1101 in binary
    >>> simulate(code, 4.0, dt=1.0, record="spike")["spike"][:, 0].tolist()
    [0.5, 0.25, 0.0, 0.0625]

    ```

    **Source:** Kim et al. 2018, Neurocomputing 311:373, the "weighted spikes" of the input layer.
    """

    size: int = size_field()
    values: Array | AbstractInput = param_or_input(unit="1", doc="what is encoded, 0 to below 1")
    bits: int = eqx.field(default=8, static=True)

    def __check_init__(self):
        check_source(self, "values", self.size)
        Range("values", 0.0, 1.0, below=True).check(self)
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits < 24:
            raise ValueError(
                f"PhaseEncoder: 'bits' must be a whole number from 1 to 23, got {self.bits!r}."
            )

    def source(self) -> AbstractInput:
        """The values."""
        return as_source(self.values, self.size)

    def start(self, dt: float) -> dict:
        """The first phase."""
        del dt
        return {"phase": jnp.zeros((), jnp.int32), "x": jnp.zeros(self.size)}

    def encode(self, x: Array, mem: dict, *, dt: Array, key: Array) -> tuple[dict, Array]:
        """The digit of this phase, with its weight."""
        del dt, key
        x = Range("values", 0.0, 1.0, below=True).checked(self, x)
        x = jnp.where(mem["phase"] == 0, x, mem["x"])
        weight = 0.5 ** (mem["phase"] + 1).astype(x.dtype)
        digit = jnp.mod(jnp.floor(x / weight), 2)
        return {"phase": (mem["phase"] + 1) % self.bits, "x": x}, digit * weight
