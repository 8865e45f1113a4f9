"""Spike-timing-dependent plasticity of pairs of spikes."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds, jumped, values_of


class PairSTDP(AbstractPlasticity):
    r"""Spike-timing-dependent plasticity of pairs: additive, multiplicative, or in between.

    $$\tau_+\dot x_i = -x_i,\quad \tau_-\dot x_j = -x_j,\qquad
      x \leftarrow x + 1 \text{ at own spikes (or } x \leftarrow 1\text{)}$$

    $$\text{post spike: } w_{ij} \leftarrow w_{ij} + a_+\,(1 - \hat w_{ij})^{\mu_+}\,x_i,\qquad
      \text{pre spike: } w_{ij} \leftarrow w_{ij} - a_-\,\hat w_{ij}^{\mu_-}\,x_j$$

    with $\hat w = (w - w_\mathrm{min}) / (w_\mathrm{max} - w_\mathrm{min})$; the weights stay
    within the bounds. Exponents of 0 make the rule additive (Song et al. 2000), of 1
    multiplicative (Rubin et al. 2001), $\mu_+ = 0$, $\mu_- = 1$ is that of van Rossum et al. 2000,
    and equal ones in between that of Gütig et al. 2003. Negative amplitudes make it
    anti-Hebbian; the distance that counts is that to the bound it moves to.

    **Arguments:** `tau_plus`: ms, 20, a scalar or `[n_pre]`; `tau_minus`: ms, 20, a scalar or
    `[n_post]`; `a_plus`: 0.005 and `a_minus`: 0.00525, in the unit of the weights; `mu_plus`,
    `mu_minus`: 0; `w_min`: 0 and `w_max`: 1, in the unit of the weights; `nearest`: whether only
    the nearest spike of the other side counts, not all of them, `False`.

    **State:** `x_pre`: `[n_pre]`, `x_post`: `[n_post]`.

    **Raises:** `ValueError` unless `w_min < w_max`, for exponents with an infinite bound, and for
    weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = PairSTDP(a_plus=0.1, mu_plus=1.0), OneToOne(0.5, n=1)
    >>> traces, spike = {"x_pre": jnp.array([0.5]), "x_post": jnp.zeros(1)}, jnp.ones(1)
    >>> synapses = Synapses(conn, conn, (rule.w_min, rule.w_max))
    >>> w, *_ = rule.learn(jnp.array([0.5]), traces, Args({}), 0 * spike, spike, synapses=synapses)
    >>> print(w)
    [0.525]

    ```

    **Source:** Song, Miller & Abbott 2000, Nature Neuroscience 3:919, eqs. 1 and 2, with its
    parameters in units of the largest weight; Gütig et al. 2003, J. Neurosci. 23:3697, eqs. 1
    and 2; nearest spikes: Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459, section 4.1.
    """

    units: ClassVar[dict[str, str]] = {"x_pre": "1", "x_post": "1"}
    per_pre: ClassVar[tuple[str, ...]] = ("tau_plus",)
    per_post: ClassVar[tuple[str, ...]] = ("tau_minus",)
    modulator: ClassVar[str | None] = None

    tau_plus: Array = param(
        20.0, unit="ms", doc="time constant of the presynaptic trace", bound="positive"
    )
    tau_minus: Array = param(
        20.0, unit="ms", doc="time constant of the postsynaptic trace", bound="positive"
    )
    a_plus: Array = param(0.005, unit="1", doc="amplitude of pre before post")
    a_minus: Array = param(0.00525, unit="1", doc="amplitude of post before pre")
    mu_plus: Array = param(0.0, unit="1", doc="exponent of pre before post", bound="non-negative")
    mu_minus: Array = param(0.0, unit="1", doc="exponent of post before pre", bound="non-negative")
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(1.0, unit="1", doc="upper bound of the weights")
    nearest: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_bounds(self)
        exponents, bounds = (self.mu_plus, self.mu_minus), (self.w_min, self.w_max)
        if is_traced((exponents, bounds)):
            return
        if np.any(exponents) and not np.isfinite(bounds).all():
            raise ValueError(
                "PairSTDP: exponents scale the distance to the bounds, so w_min and w_max must "
                f"be finite; got mu_plus = {self.mu_plus:g}, mu_minus = {self.mu_minus:g}."
            )

    def init(self, connect: AbstractConnectivity) -> State:
        """No spikes yet."""
        zeros = jnp.zeros(connect.n_pre), jnp.zeros(connect.n_post)
        return State({"x_pre": zeros[0], "x_post": zeros[1]}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The traces decay."""
        del y, args
        return {
            "x_pre": Affine(-1 / self.tau_plus, 0.0),
            "x_post": Affine(-1 / self.tau_minus, 0.0),
        }

    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Any,
        *,
        synapses: Synapses,
        dt: Any = None,
        key: Any = None,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """Depression at presynaptic spikes, potentiation at postsynaptic ones."""
        del dt, key
        x_pre, x_post = y["x_pre"], y["x_post"]
        factor, law = self._towards(-self.a_minus, self.mu_minus)
        weight = synapses.on_pre(weight, s_pre, factor * x_post, **law)
        factor, law = self._towards(self.a_plus, self.mu_plus)
        weight = synapses.on_post(weight, s_post, factor * x_pre, **law)
        x_pre = jumped(x_pre, values_of(s_pre), self.nearest)
        x_post = jumped(x_post, values_of(s_post), self.nearest)
        return weight, {"x_pre": x_pre, "x_post": x_post}, args.mem

    def _towards(self, amplitude: Array, mu: Array) -> tuple[Array, dict[str, Array]]:
        """The factor of a trace, and how the change depends on the weight."""
        up = amplitude >= 0
        span = self.w_max - self.w_min
        span = jnp.where(jnp.isfinite(span), span, 1)
        factor = jnp.where(up, -amplitude, amplitude) * span**-mu
        return factor, {"origin": jnp.where(up, self.w_max, self.w_min), "power": mu}
