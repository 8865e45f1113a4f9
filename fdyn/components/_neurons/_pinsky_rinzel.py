"""The two-compartment pyramidal neuron of Pinsky and Rinzel."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import logistic

from ..._misc import is_traced, vtrap
from ..._param import param
from .._base import Affine, Args, as_affine, size_field, spread
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import AbstractCrossingNeuron

SITES = ("soma", "dendrite")
# The paper counts voltages from a rest at -60 mV.
_REST = -60.0


class PinskyRinzel(AbstractCrossingNeuron):
    r"""The pyramidal cell of CA3 in two compartments: a soma that spikes, a dendrite that bursts.

    $$c_m\,\dot v_s = -g_L (v_s - e_L) - g_{Na} m_\infty^2(v_s)\,h\,(v_s - e_{Na})
        - g_{DR}\,n\,(v_s - e_K) + \tfrac{g_c}{p}(v_d - v_s) + \tfrac{i_s}{p}$$
    $$c_m\,\dot v_d = -g_L (v_d - e_L) - g_{Ca} s^2 (v_d - e_{Ca}) - g_{AHP}\,q\,(v_d - e_K)
        - g_{KC}\,c\,\chi(Ca)(v_d - e_K) + \tfrac{g_c}{1-p}(v_s - v_d) + \tfrac{i_d}{1-p}$$
    $$\dot{Ca} = -0.13\,g_{Ca} s^2 (v_d - e_{Ca}) - 0.075\,Ca,\quad
      \chi = \min(Ca/250, 1),\quad \dot x = \alpha_x(1 - x) - \beta_x x,\ x = h, n, s, c, q$$
    with the rates of the paper, and $\alpha_q = \min(2\cdot 10^{-5}\,Ca, 0.01)$. The input $u$
    adds to $i_s$ or $i_d$, as `site` says; it counts per area of the whole cell.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `c`: $c_m$, uF/cm^2, 3; `g_l`, `g_na`, `g_dr`: mS/cm^2, 0.1, 30, 15; `g_ca`, `g_ahp`, `g_kc`:
    mS/cm^2, 10, 0.8, 15; `g_c`: mS/cm^2, 2.1, between the compartments; `e_l`, `e_na`, `e_k`,
    `e_ca`: mV, -60, 60, -75, 80; `p`: 1, 0.5, the share of the soma in the area; `i_s`, `i_d`:
    uA/cm^2, 0, 0, constant currents; `v_th`: voltage of the soma that counts as a spike, mV, -10;
    `t_ref`: least time between spikes, ms, 0; `v_init`: mV, -64.6, of both, at which the gates
    start at rest; `ca_init`: 1, 0.2; `site`: the compartment that synapses and inputs act on,
    `"soma"`; `spike`: the spike function.

    The input $u$ is a current density (uA/cm^2), or an `Affine` in the voltage of its site.

    **State:** `vs`, `vd`: mV, `ca`: 1, and the gates `h`, `n`, `s`, `c`, `q`: 1, all `[size]`.
    **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for shapes that do not fit, bounds that are broken, `p` not between 0
    and 1, another `site`.

    ```python
    >>> import jax.numpy as jnp
    >>> cell, v = PinskyRinzel(1), jnp.array([-10.0])
    >>> round(float(cell.rates(v, v, v)["c"][0][0]), 3)  # 2 exp(-43.5 / 27), where branches meet
    0.399

    ```

    **Source:** Pinsky & Rinzel 1994, J. Comput. Neurosci. 1:39, with voltages 60 mV lower.
    """

    units: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("vs", "vd"), "mV"),
        **dict.fromkeys(("ca", "h", "n", "s", "c", "q", "spike"), "1"),
        "clock": "ms",
    }
    watched: ClassVar[str] = "vs"

    size: int = size_field()
    c: Array = param(3.0, unit="uF/cm^2", doc="membrane capacitance", bound="positive")
    g_l: Array = param(0.1, unit="mS/cm^2", doc="leak", bound="non-negative")
    g_na: Array = param(30.0, unit="mS/cm^2", doc="sodium of the soma", bound="non-negative")
    g_dr: Array = param(15.0, unit="mS/cm^2", doc="delayed rectifier", bound="non-negative")
    g_ca: Array = param(10.0, unit="mS/cm^2", doc="calcium of the dendrite", bound="non-negative")
    g_ahp: Array = param(0.8, unit="mS/cm^2", doc="slow potassium", bound="non-negative")
    g_kc: Array = param(15.0, unit="mS/cm^2", doc="calcium and voltage", bound="non-negative")
    g_c: Array = param(2.1, unit="mS/cm^2", doc="between the compartments", bound="non-negative")
    e_l: Array = param(-60.0, unit="mV", doc="leak reversal potential")
    e_na: Array = param(60.0, unit="mV", doc="sodium reversal potential")
    e_k: Array = param(-75.0, unit="mV", doc="potassium reversal potential")
    e_ca: Array = param(80.0, unit="mV", doc="calcium reversal potential")
    p: Array = param(0.5, unit="1", doc="share of the soma in the area", bound="positive")
    i_s: Array = param(0.0, unit="uA/cm^2", doc="constant current into the soma")
    i_d: Array = param(0.0, unit="uA/cm^2", doc="constant current into the dendrite")
    v_th: Array = param(-10.0, unit="mV", doc="voltage of the soma that counts as a spike")
    t_ref: Array = param(0.0, unit="ms", doc="least time between spikes", bound="non-negative")
    v_init: Array = param(-64.6, unit="mV", doc="initial potential of both compartments")
    ca_init: Array = param(0.2, unit="1", doc="initial calcium", bound="non-negative")
    site: str = eqx.field(default="soma", static=True)
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)

    def __check_init__(self):
        if self.site not in SITES:
            raise ValueError(f"PinskyRinzel: 'site' must be one of {SITES}, got {self.site!r}.")
        if not is_traced(self.p) and (np.asarray(self.p) >= 1).any():
            raise ValueError(f"PinskyRinzel: 'p' must lie between 0 and 1, got {self.p}.")

    def start(self) -> dict[str, Array]:
        """At `v_init`, `ca_init`, with the gates at rest."""
        v, ca = (spread(x, self.size) for x in (self.v_init, self.ca_init))
        gates = {x: a / (a + b) for x, (a, b) in self.rates(v, v, ca).items() if x != "m"}
        return {"vs": v, "vd": v, "ca": ca, **gates}

    def potential(self, y: dict) -> Array:
        """The membrane potential at the site of the input."""
        return y["vs"] if self.site == "soma" else y["vd"]

    def rates(self, vs: Array, vd: Array, ca: Array) -> dict[str, tuple[Array, Array]]:
        """Opening and closing rates (1/ms) of each gate at these voltages (mV) and calcium."""
        vs, vd = vs - _REST, vd - _REST
        fast = 2 * jnp.exp((6.5 - vd) / 27)
        # Both branches are bounded where they are not taken, so that no gradient overflows.
        low = jnp.minimum(vd, 50.0)
        slow = jnp.exp((low - 10) / 11 - (low - 6.5) / 27) / 18.975
        opening = jnp.where(vd <= 50, slow, fast)
        return {
            "m": (0.32 * vtrap(13.1 - vs, 4.0), 0.28 * vtrap(vs - 40.1, 5.0)),
            "h": (0.128 * jnp.exp((17 - vs) / 18), 4 * logistic((vs - 40) / 5)),
            "n": (0.016 * vtrap(35.1 - vs, 5.0), 0.25 * jnp.exp(0.5 - 0.025 * vs)),
            "s": (1.6 * logistic(0.072 * (vd - 65)), 0.02 * vtrap(vd - 51.1, 5.0)),
            "c": (opening, jnp.where(vd <= 50, fast - opening, 0.0)),
            "q": (jnp.minimum(2e-5 * ca, 0.01), jnp.full_like(ca, 0.001)),
        }

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """Two membranes, their gates and the calcium of the dendrite."""
        del t
        vs, vd, rates = y["vs"], y["vd"], self.rates(y["vs"], y["vd"], y["ca"])
        opening, closing = rates["m"]
        g_na = self.g_na * (opening / (opening + closing)) ** 2 * y["h"]
        g_dr = self.g_dr * y["n"]
        g_ca = self.g_ca * y["s"] ** 2
        g_k = self.g_ahp * y["q"] + self.g_kc * y["c"] * jnp.minimum(y["ca"] / 250, 1.0)
        u, leak = as_affine(args.u), Affine(-self.g_l, self.g_l * self.e_l)
        into_s, into_d = Affine(-self.g_c, self.g_c * vd), Affine(-self.g_c, self.g_c * vs)
        if self.site == "soma":
            into_s = into_s + u
        else:
            into_d = into_d + u
        soma = leak + Affine(-(g_na + g_dr), g_na * self.e_na + g_dr * self.e_k)
        dendrite = leak + Affine(-(g_ca + g_k), g_ca * self.e_ca + g_k * self.e_k)
        gates = {x: Affine(-(a + b), a) for x, (a, b) in rates.items() if x != "m"}
        return {
            "vs": (soma + (into_s + self.i_s) / self.p) / self.c,
            "vd": (dendrite + (into_d + self.i_d) / (1 - self.p)) / self.c,
            "ca": Affine(-0.075, -0.13 * g_ca * (vd - self.e_ca)),
            **gates,
        }
