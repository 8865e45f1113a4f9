"""Release with failures."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from .._base import Args, State, check_size
from ._release import AbstractRelease


class StochasticRelease(AbstractRelease):
    r"""Each of several sites releases a spike with a probability, or fails.

    $$s \leftarrow s\,\frac{k}{n},\qquad k \sim \mathrm{Binomial}(n, p)$$

    The weight is the response to the release of all sites, so the mean response is $p$ of it, with
    a squared coefficient of variation of $(1 - p)/(p n)$. One draw is made for each presynaptic
    unit, which all its targets have in common. There is no depletion:
    `TsodyksMarkram(sites=n)` has both.

    **Arguments:** `p`: probability of release, 0.5, a scalar or `[n_pre]`; `sites`:
    number of sites $n$, 1.

    **State:** none. It draws random numbers, so `simulate` runs it and `solve` does not; the
    derivative for `p` is that of nothing, since a draw has none.

    **Raises:** `ValueError` for a `p` above 1, and for `sites` that are no positive whole number.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> fail = StochasticRelease(p=0.5, sites=4)
    >>> _, _, s = fail.release({}, Args({}), jnp.ones(3), dt=None, key=jax.random.key(0))
    >>> bool(jnp.isin(s, jnp.arange(5) / 4).all())
    True

    ```

    **Source:** del Castillo & Katz 1954, J. Physiol. 124:560 (the binomial model of quanta).
    """

    p: Array = param(0.5, unit="1", doc="probability of release", bound="non-negative")
    sites: int = eqx.field(static=True, default=1, converter=lambda n: check_size(n, "sites"))

    def __check_init__(self):
        check_probability(self, "p")

    def init(self, n: int) -> State:
        """No state."""
        del n
        return State({}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """No flow."""
        del y, args
        return {}

    def release(
        self, y: dict[str, Array], args: Args, s: Array, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array], Array]:
        """The spikes, each times the part of its sites that has released."""
        del dt
        every = jnp.full_like(s, self.sites)
        return y, args.mem, s * binomial(key, self.sites, every, self.p) / self.sites


def check_probability(module: Any, name: str) -> None:
    """A parameter is at most 1."""
    value = getattr(module, name)
    if not is_traced(value) and (np.asarray(value) > 1).any():
        raise ValueError(
            f"{type(module).__name__}: {name!r} must lie between 0 and 1, got {np.max(value)}."
        )


def binomial(key: Array, sites: int, number: Array, p: Array) -> Array:
    """How many of the first `number` of `sites` have released, each with probability `p`."""

    def releases(key: Array, site: Array) -> Array:
        return (jax.random.uniform(key, number.shape, number.dtype) < p) & (site < number)

    every = jnp.arange(sites, dtype=number.dtype)
    hits = jax.vmap(releases)(jax.random.split(key, sites), every)
    return jnp.sum(hits, axis=0, dtype=number.dtype)
