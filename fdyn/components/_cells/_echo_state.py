"""The echo state network: a fixed recurrent reservoir whose read-out learns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from ...sparse import AbstractConnectivity, Dense
from .._base import check_size, size_field, spread
from ._base import AbstractCell, check_link, check_vectors, keys_for, n_in_field, uniform
from ._spectral import with_radius


class EchoState(AbstractCell):
    r"""The reservoir of an echo state network, with leaky units.

    $$h_{k+1} = (1 - a)\,h_k
      + a \tanh\left(W^\mathsf{T} h_k + W_\mathrm{in}^\mathsf{T} u_k + b\right)$$

    Its weights stay as they are; what learns is a linear read-out of $[h]$ or $[1, u, h]$, by
    ridge regression on a record of `h` (`Readout` holds it and closes the loop).

    **Arguments:** `size`: number of units; `n_in`: number of inputs; `spectral_radius`: the
    largest absolute eigenvalue of $W$, 0.9, to which `recurrent` is scaled when the reservoir is
    made (from all eigenvalues of the dense matrix: a minute at 4,000 units), `None` for as it is;
    `input_scale`: half the width of the interval from which $W_\mathrm{in}$ is drawn, 1, only
    where `input` is not given; `leak`: the leaking rate $a$, above 0 and at most 1, scalar or
    `[size]`, 1; `bias`: scalar or `[size]`, 0; `h_init`: state before the first step, 0;
    `recurrent`: connectivity $W$ among the units, sparse ones included, drawn densely from a normal
    distribution unless given; `input`: $W_\mathrm{in}$ from the inputs, drawn unless given; `key`:
    random key.

    **State:** `h`: `[size]`, in `mem`. **Output:** `h`: `[size]`, without unit.

    **Raises:** `ValueError` for shapes that do not fit, a leak outside (0, 1], a spectral radius
    that no factor can reach, an `input_scale` below 0 or beside `input`, or where weights are to be
    drawn without a key.

    ```python
    >>> import jax
    >>> import numpy as np
    >>> from fdyn.sparse import fixed_probability, Normal
    >>> links = fixed_probability(jax.random.key(1), 50, 50, 0.2, Normal(0.0, 1.0))
    >>> cell = EchoState(50, 1, spectral_radius=0.8, recurrent=links, key=jax.random.key(0))
    >>> eigenvalues = np.linalg.eigvals(cell.recurrent.to_dense())
    >>> round(float(abs(eigenvalues).max()), 4), cell.recurrent.n_synapses < 700
    (0.8, True)

    ```

    **Source:** Jaeger 2001, GMD Report 148; leaky units: Jaeger, Lukoševičius, Popovici & Siewert
    2007, Neural Netw. 20:335; Lukoševičius 2012, A Practical Guide to Applying Echo State Networks,
    eqs. 2-3.
    """

    recurrent: AbstractConnectivity
    input: AbstractConnectivity
    size: int = size_field()
    n_in: int = n_in_field()
    leak: Array = param(1.0, unit="1", doc="leaking rate, at most 1", bound="positive")
    bias: Array = param(0.0, unit="1", doc="bias")
    h_init: Array = param(0.0, unit="1", doc="state before the first step")

    def __init__(
        self,
        size: int,
        n_in: int,
        *,
        spectral_radius: float | None = 0.9,
        input_scale: float | None = None,
        leak: Any = 1.0,
        bias: Any = 0.0,
        h_init: Any = 0.0,
        recurrent: AbstractConnectivity | None = None,
        input: AbstractConnectivity | None = None,
        key: Array | None = None,
    ):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        if input_scale is not None:
            if input is not None:
                raise ValueError(
                    "EchoState: 'input_scale' is for weights that are drawn: leave it out, or "
                    "'input', whose weights stay as they are."
                )
            if not (np.isfinite(input_scale) and input_scale >= 0):
                raise ValueError(f"'input_scale' must be a number from 0 on, got {input_scale!r}.")
        if recurrent is None or input is None:
            first, second = keys_for(key, 2, "EchoState")
            if recurrent is None:
                shape, dtype = (self.size, self.size), jnp.result_type(float)
                recurrent = Dense(jax.random.normal(first, shape, dtype) / self.size**0.5)
            if input is None:
                scale = 1.0 if input_scale is None else float(input_scale)
                input = uniform(second, self.n_in, self.size, scale)
        check_link(recurrent, self.size, self.size, "EchoState", "recurrent")
        if spectral_radius is not None:
            if not (np.isfinite(spectral_radius) and spectral_radius >= 0):
                raise ValueError(
                    f"'spectral_radius' must be a number from 0 on, got {spectral_radius!r}."
                )
            recurrent = with_radius(recurrent, spectral_radius, "EchoState")
        self.recurrent, self.input = recurrent, input
        self.leak, self.bias, self.h_init = leak, bias, h_init

    def __check_init__(self):
        check_vectors(self)
        check_link(self.recurrent, self.size, self.size, "EchoState", "recurrent")
        check_link(self.input, self.n_in, self.size, "EchoState", "input")
        if not is_traced(self.leak) and (np.asarray(self.leak) > 1).any():
            raise ValueError(f"EchoState: 'leak' must be at most 1, got {self.leak}.")

    def begin(self) -> dict[str, Array]:
        """At `h_init`."""
        return {"h": spread(self.h_init, self.size)}

    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The next state, which is the output."""
        drive = mem["h"] @ self.recurrent + u @ self.input + self.bias
        h = (1 - self.leak) * mem["h"] + self.leak * jnp.tanh(drive)
        return {"h": h}, h
