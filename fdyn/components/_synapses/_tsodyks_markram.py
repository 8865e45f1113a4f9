"""Short-term plasticity: depression and facilitation."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, Args, State, check_size, spread
from ._release import AbstractRelease
from ._stochastic_release import binomial, check_probability


class TsodyksMarkram(AbstractRelease):
    r"""Short-term plasticity: each spike uses a part of the resources, which recover in between.

    $$\dot x = \frac{1 - x}{\tau_\mathrm{rec}},\qquad \dot u = -\frac{u}{\tau_\mathrm{facil}};
      \qquad \text{at a spike:}\quad u \leftarrow u + U (1 - u),\quad
      s \leftarrow u\,x,\quad x \leftarrow x - u\,x$$

    In this order: the spike releases with the `u` that it has raised, and the `x` that it finds;
    $s$ times the weight is what arrives. Without `tau_facil` there is no facilitation, $u = U$.
    Of a spike of size $s$ (a count of several in one step, or a part of one)

    $$x \leftarrow x\,(1 - u)^s (1 - U)^{s(s+1)/2},\qquad 1 - u \leftarrow (1 - u)(1 - U)^s$$

    with the `u` before it, and what `x` loses is released: what that many spikes one after the
    other do.

    With `sites`, resources come in whole vesicles, at most one for each of that many sites: a spike
    releases every one with the probability that is the part above, and an empty site is filled
    again at the rate $1/\tau_\mathrm{rec}$, both at random. The means are those of the equations.

    **Arguments:** `u`: utilisation $U$ of a single spike, between 0 and 1, 0.5; `tau_rec`: ms, 800;
    `tau_facil`: ms, `None` for no facilitation; scalars or `[n_pre]`; `sites`: how many, `None` for
    resources that can be divided.

    **State:** `x`: resources, `[n_pre]`; with `tau_facil` also `u`: their utilisation, `[n_pre]`,
    0 at the start.

    **Raises:** `ValueError` for a `u` above 1, and for `sites` that are no positive whole number.
    With sites `solve` refuses it, since it draws random numbers.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args
    >>> stp = TsodyksMarkram(u=0.5)
    >>> start, one = stp.init(1), jnp.ones(1)
    >>> y, _, s = stp.release(start.y, Args({}), one, dt=None, key=None)
    >>> s.tolist(), y["x"].tolist()
    ([0.5], [0.5])
    >>> stp.release(y, Args({}), one, dt=None, key=None)[2].tolist()  # at once again
    [0.25]

    ```

    **Source:** Tsodyks, Pawelzik & Markram 1998, Neural Comput. 10:821; Tsodyks & Markram 1997,
    PNAS 94:719; the powers for sizes other than 1 follow from these. Whole vesicles: Fuhrmann et
    al. 2002, J. Neurophysiol. 87:140.
    """

    units: ClassVar[dict[str, str]] = {"x": "1", "u": "1"}

    u: Array = param(0.5, unit="1", doc="utilisation of a single spike", bound="non-negative")
    tau_rec: Array = param(800.0, unit="ms", doc="recovery time constant", bound="positive")
    tau_facil: Array | None = param(
        None, unit="ms", doc="facilitation time constant", bound="positive"
    )
    sites: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_probability(self, "u")
        if self.sites is not None:
            check_size(self.sites, "sites")

    def init(self, n: int) -> State:
        """Full resources, no facilitation."""
        y = {"x": spread(jnp.ones_like(self.u), n)}
        if self.tau_facil is not None:
            y["u"] = spread(jnp.zeros_like(self.u), n)
        return State(y, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """Recovery, and the decay of the facilitation."""
        del y, args
        zero = jnp.zeros_like(self.tau_rec)
        rates = {"x": Affine(-1 / self.tau_rec, 1 / self.tau_rec)}
        if self.sites is not None:
            rates = {"x": Affine(zero, zero)}
        if self.tau_facil is not None:
            rates["u"] = Affine(-1 / self.tau_facil, 0.0)
        return rates

    def release(
        self, y: dict[str, Array], args: Args, s: Array, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array], Array]:
        """What the spikes use, and the state after them."""
        x, kept, new = y["x"], _power(1 - self.u, s), {}
        if self.tau_facil is None:
            left = kept
        else:
            unused = 1 - y["u"]
            left = _power(unused, s) * _power(1 - self.u, s * (s + 1) / 2)
            new["u"] = 1 - unused * kept
        if self.sites is None:
            new["x"] = x * left
            return new, args.mem, x - new["x"]
        n, (fill, use) = self.sites, jax.random.split(key)
        full = jnp.round(x * n)
        full = full + binomial(fill, n, n - full, 1 - jnp.exp(-dt / self.tau_rec))
        used = binomial(use, n, full, 1 - left)
        new["x"] = (full - used) / n
        return new, args.mem, used / n


def _power(base: Array, exponent: Array) -> Array:
    # Of 0 the power has no derivative, and the zeroth power of nothing is still 1.
    least = jnp.finfo(base.dtype).eps
    return jnp.exp(exponent * jnp.log(jnp.maximum(base, least)))
