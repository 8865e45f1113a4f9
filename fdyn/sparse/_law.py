"""Laws from which the weights and the delays of synapses are drawn."""

import abc
import math

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .._misc import is_quantity, own

_MIN_ACCEPTED = 1e-3  # of the normal law within its bounds; redrawing takes the inverse as long


class AbstractLaw(eqx.Module):
    """A distribution of one number per synapse, drawn independently for each.

    A plain number stands for the law that gives that number always.

    **Source:** none; a definition.
    """

    @abc.abstractmethod
    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Independent draws of the given shape, float64, on the host."""

    @abc.abstractmethod
    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Probability of a draw that is at most `x`, float64, on the host."""


class Uniform(AbstractLaw):
    r"""Uniform between two bounds.

    $$x = \text{low} + (\text{high} - \text{low})\, u, \qquad u \sim U[0, 1)$$

    **Arguments:**

    - `low`, `high`: the bounds, scalars in the unit of what is drawn.

    **Raises:** `ValueError` if a bound is no finite scalar or `low > high`.

    ```python
    >>> import numpy as np
    >>> from fdyn.sparse import Uniform
    >>> x = Uniform(1.0, 3.0).sample(np.random.default_rng(0), (1000,))
    >>> bool(x.min() >= 1.0 and x.max() < 3.0)
    True

    ```

    **Source:** none; a definition.
    """

    low: Float[Array, "..."]
    high: Float[Array, "..."]

    def __init__(self, low: ArrayLike, high: ArrayLike):
        self.low = _scalar(low, "low")
        self.high = _scalar(high, "high")

    def __check_init__(self):
        if _known(self.low, self.high) and self.low > self.high:
            raise ValueError(f"Uniform: low = {self.low} lies above high = {self.high}")

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Independent draws, float64 of the given shape."""
        low, high = _host(self.low), _host(self.high)
        return low + (high - low) * generator.random(shape)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Probability of a draw that is at most `x`, float64."""
        low, high = _host(self.low), _host(self.high)
        x = np.asarray(x, np.float64)
        if low == high:
            return np.where(x >= low, 1.0, 0.0)
        return np.clip((x - low) / (high - low), 0.0, 1.0)


class Normal(AbstractLaw):
    r"""Normal, within bounds if some are given: what falls outside is drawn anew.

    $$x = \text{mean} + \text{std}\; z, \qquad z \sim N(0, 1), \quad
    \text{low} \le x \le \text{high}$$

    **Arguments:**

    - `mean`, `std`: of the law without bounds, scalars in the unit of what is drawn; redrawing
        changes the moments of what is left.
    - `low`, `high`: bounds, scalars. Default: `None`, none.

    **Raises:** `ValueError` if an argument is no finite scalar, `std` is negative, or the bounds
    leave less than one draw in 1000.

    ```python
    >>> import numpy as np
    >>> from fdyn.sparse import Normal
    >>> x = Normal(1.5, 1.0, low=0.1).sample(np.random.default_rng(0), (1000,))
    >>> bool(x.min() >= 0.1)
    True

    ```

    **Source:** none; the truncated normal law, by rejection.
    """

    mean: Float[Array, "..."]
    std: Float[Array, "..."]
    low: Float[Array, "..."] | None
    high: Float[Array, "..."] | None

    def __init__(
        self,
        mean: ArrayLike,
        std: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ):
        self.mean = _scalar(mean, "mean")
        self.std = _scalar(std, "std")
        self.low = None if low is None else _scalar(low, "low")
        self.high = None if high is None else _scalar(high, "high")

    def __check_init__(self):
        if not _known(self.mean, self.std, self.low, self.high):
            return
        if self.std < 0:
            raise ValueError(f"Normal: std = {self.std} is negative")
        _, within = self._split()
        if within < _MIN_ACCEPTED:
            raise ValueError(
                f"Normal: the bounds low = {self.low}, high = {self.high} leave a fraction "
                f"{within:.2g} of all draws (mean = {self.mean}, std = {self.std}), expected at "
                f"least {_MIN_ACCEPTED}"
            )

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return self.low is not None or self.high is not None

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Independent draws, float64 of the given shape."""
        mean, std = _host(self.mean), _host(self.std)
        low, high = self._bounds()
        x = mean + std * generator.standard_normal(shape)
        flat = x.reshape(-1)
        out = np.flatnonzero((flat < low) | (flat > high))
        while out.size:
            again = mean + std * generator.standard_normal(out.size)
            flat[out] = again
            out = out[(again < low) | (again > high)]
        return flat.reshape(shape)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Probability of a draw that is at most `x`, float64."""
        below, within = self._split()
        low, high = self._bounds()
        x = np.asarray(x, np.float64)
        inner = np.clip((_phi(x, _host(self.mean), _host(self.std)) - below) / within, 0.0, 1.0)
        return np.where(x >= high, 1.0, np.where(x < low, 0.0, inner))

    def _bounds(self) -> tuple[float, float]:
        low = -math.inf if self.low is None else float(_host(self.low))
        high = math.inf if self.high is None else float(_host(self.high))
        return low, high

    def _split(self) -> tuple[float, float]:
        """Probabilities, without bounds, of a draw below the lower one and of one within."""
        mean, std = _host(self.mean), _host(self.std)
        low, high = self._bounds()
        if std == 0:
            return float(mean < low), float(low <= mean <= high)
        below, above = float(_phi(np.float64(low), mean, std)), float(_phi(-high, -mean, std))
        return below, 1.0 - below - above if low <= high else 0.0


def draw(law: ArrayLike | AbstractLaw, generator: np.random.Generator, shape: tuple[int, ...]):
    """Draws of a law, of the given shape; what is no law is returned as it is."""
    return law.sample(generator, shape) if isinstance(law, AbstractLaw) else law


def _phi(x: ArrayLike, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    if std == 0:
        return np.where(x >= mean, 1.0, 0.0)
    z = (x - mean) / (std * math.sqrt(2.0))
    return np.vectorize(lambda v: 0.5 * math.erfc(-v), otypes=[np.float64])(z)


def _scalar(value: ArrayLike, name: str) -> Array:
    if is_quantity(value):
        raise ValueError(f"`{name}` takes a plain number, got {value!r}")
    if np.shape(value) != ():
        raise ValueError(f"`{name}` has shape {np.shape(value)}, expected a scalar")
    array = own(value, jnp.result_type(float))
    if _known(array) and not np.isfinite(np.asarray(array)):
        raise ValueError(f"`{name}` is {value}, expected a finite number")
    return array


def _known(*values: Array | None) -> bool:
    """Whether the values can be looked at: neither traced nor replaced by something else."""
    return all(
        x is None or (eqx.is_array(x) and not isinstance(x, jax.core.Tracer) and x.ndim == 0)
        for x in values
    )


def _host(value: Array) -> np.ndarray:
    if isinstance(value, jax.core.Tracer):
        raise ValueError("a law is drawn from on the host, outside jit; its parameter is traced")
    return np.asarray(value, np.float64)
