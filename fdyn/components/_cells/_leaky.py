"""The leaky recurrent network of rate units, with Dale's law if wanted."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity, Dense
from .._base import AbstractPopulation, Affine, Args, State, check_size, size_field, spread
from ._base import as_vector, check_link, check_vectors, keys_for, n_in_field, uniform
from ._spectral import with_radius


class LeakyRNN(AbstractPopulation):
    r"""A recurrent network of leaky rate units; with `sign` it obeys Dale's law.

    $$\tau \dot x = -x + W^\mathsf{T} r + W_\mathrm{in}^\mathsf{T} u + b
      + \sigma\sqrt{2\tau}\,\xi(t),\qquad r = f(x)$$

    With `sign` $d$, unit $i$ excites ($d_i = 1$) or inhibits ($d_i = -1$) all that it reaches:
    $W_{ij} = d_i\,|w_{ij}|$, whatever a training does to the weights $w$. It is a model in
    continuous time, so solvers and the analysis of fixed points apply. With
    `solver=EulerMaruyama()` a step is
    $x_{k+1} = (1 - \alpha)\,x_k + \alpha\,(W^\mathsf{T} r_k + \dots)$, $\alpha = dt/\tau$.

    **Arguments:** `size`: number of units; `n_in`: number of inputs; `sign`: 1 or -1 for each
    unit, `[size]`, or `None`, without Dale's law; `recurrent`: connectivity with the weights $w$
    among the units, drawn from `key` and scaled to a spectral radius of 1 unless given (from a
    normal law, or with `sign` from a gamma law, with excitation and inhibition in balance);
    `input`: connectivity $W_\mathrm{in}$ from the inputs, drawn uniformly between
    $\pm 1/\sqrt{n_\mathrm{in}}$ unless given; `tau`: ms, 100; `bias`: 0; `sigma`: 0, where zero
    (the default, a Python `None`) leaves out the noise; `x_init`: 0; all scalars or `[size]`;
    `activation`: the function $f$, `jax.nn.relu`; `key`: random key.

    **State:** `x`: `[size]`. **Output:** `r`: `[size]`; both without unit.

    **Raises:** `ValueError` for shapes that do not fit, signs that are not 1 or -1, or where
    weights are to be drawn without a key.

    ```python
    >>> import jax
    >>> import jax.numpy as jnp
    >>> cell = LeakyRNN(5, 1, sign=[1, 1, 1, 1, -1], key=jax.random.key(0))
    >>> cell.weights.shape, bool((cell.weights[:4] >= 0).all()), bool((cell.weights[4] <= 0).all())
    ((5, 5), True, True)

    ```

    **Source:** Song, Yang & Wang 2016, PLoS Comput. Biol. 12:e1004792, with the absolute value for
    the rectification of the weights, since its gradient does not vanish.
    """

    units: ClassVar[dict[str, str]] = {"x": "1", "r": "1"}

    # Whole numbers, so that nothing takes them for something to train.
    sign: Array | None
    recurrent: AbstractConnectivity
    input: AbstractConnectivity
    activation: Callable[[Array], Array] = eqx.field(static=True)
    size: int = size_field()
    n_in: int = n_in_field()
    tau: Array = param(100.0, unit="ms", doc="time constant", bound="positive")
    bias: Array = param(0.0, unit="1", doc="bias")
    sigma: Array | None = param(
        None, unit="1", doc="standard deviation of the noise in x", bound="non-negative"
    )
    x_init: Array = param(0.0, unit="1", doc="initial state")

    def __init__(
        self,
        size: int,
        n_in: int,
        *,
        sign: Any = None,
        recurrent: AbstractConnectivity | None = None,
        input: AbstractConnectivity | None = None,
        tau: Any = 100.0,
        bias: Any = 0.0,
        sigma: Any = None,
        x_init: Any = 0.0,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Array | None = None,
    ):
        self.size, self.n_in = check_size(size), check_size(n_in, "n_in")
        self.sign = None if sign is None else _signs(sign, self.size)
        if recurrent is None or input is None:
            first, second = keys_for(key, 2, "LeakyRNN")
            if recurrent is None:
                recurrent = _draw(first, self.size, self.sign)
            if input is None:
                input = uniform(second, self.n_in, self.size, self.n_in**-0.5)
        self.recurrent, self.input = recurrent, input
        self.tau, self.bias, self.sigma, self.x_init = tau, bias, sigma, x_init
        self.activation = activation

    def __check_init__(self):
        check_vectors(self)
        check_link(self.recurrent, self.size, self.size, "LeakyRNN", "recurrent")
        check_link(self.input, self.n_in, self.size, "LeakyRNN", "input")
        if self.sign is not None and not eqx.is_array(self.recurrent.weight):
            raise ValueError(
                f"LeakyRNN: the weights of this {type(self.recurrent).__name__} follow from a law, "
                "so 'sign' cannot act on them; leave it out."
            )

    @property
    def weights(self) -> Array:
        """The effective weights $W$, from row to column, `[size, size]`."""
        dense = self.recurrent.to_dense()
        if self.sign is None:
            return dense
        return self.sign.astype(dense.dtype)[:, None] * jnp.abs(dense)

    def init(self, *, key: Array, dt: float) -> State:
        """At `x_init`."""
        del key, dt
        return State({"x": spread(self.x_init, self.size)}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """Leak towards what the units and the inputs send."""
        del t
        u = as_vector(args.u, self.n_in, "LeakyRNN")
        drive = self._recurrence(self.activation(y["x"])) + u @ self.input + self.bias
        return {"x": Affine(-1 / self.tau, drive / self.tau)}

    def _recurrence(self, r: Array) -> Array:
        if self.sign is None:
            return r @ self.recurrent
        weight = jnp.abs(self.recurrent.weight)
        return self.recurrent.accumulate(jnp.zeros_like(r), self.sign.astype(r.dtype) * r, weight)

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise; without recurrence `x` has the standard deviation `sigma`."""
        del t, args
        if self.sigma is None:
            return None
        return {"x": jnp.broadcast_to(self.sigma * jnp.sqrt(2 / self.tau), y["x"].shape)}

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The rates as output."""
        del t, dt, key
        return y, args.mem, {"r": self.activation(y["x"])}


def _signs(sign: Any, size: int) -> Array:
    values = np.asarray(sign)
    if values.shape != (size,) or not np.isin(values, (-1, 1)).all():
        raise ValueError(
            f"LeakyRNN: 'sign' must be 1 or -1 for each of the {size} units, got {values.tolist()}."
        )
    return jnp.asarray(values, jnp.int32)


def _draw(key: Array, size: int, sign: Array | None) -> Dense:
    """Recurrent weights of spectral radius 1; with signs, their magnitudes."""
    dtype = jnp.result_type(float)
    if sign is None:
        return with_radius(Dense(jax.random.normal(key, (size, size), dtype)), 1.0, "LeakyRNN")
    d = np.asarray(sign)
    n_plus, n_minus = int((d > 0).sum()), int((d < 0).sum())
    # Few inhibitory units balance many excitatory ones.
    row = np.where(d > 0, 1.0, n_plus / max(n_minus, 1) if n_plus else 1.0)
    drawn = jax.random.gamma(key, 2.0, (size, size), dtype)
    signed = Dense(drawn * jnp.asarray(d * row, dtype)[:, None])
    scaled = with_radius(signed, 1.0, "LeakyRNN")
    return eqx.tree_at(lambda c: c.weight, scaled, jnp.abs(scaled.weight))
