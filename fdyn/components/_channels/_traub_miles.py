"""The sodium and potassium channels of Traub & Miles 1991."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

from ..._misc import vtrap
from ..._param import param
from ._base import AbstractGatedChannel


class NaTraubMiles(AbstractGatedChannel):
    r"""The fast sodium channel of hippocampal pyramidal cells, $I = g\,m^3 h\,(e - v)$.

    With $u = v - v_T$: $\alpha_m = 0.32\,(13-u)/(e^{(13-u)/4}-1)$,
    $\beta_m = 0.28\,(u-40)/(e^{(u-40)/5}-1)$, $\alpha_h = 0.128\,e^{(17-u)/18}$,
    $\beta_h = 4/(1+e^{(40-u)/5})$ (1/ms, mV).

    **Arguments:** `g`: mS/cm^2, 100; `e`: mV, 50, `None` for that of the ion `"na"`; `v_t`: shift
    of the threshold, mV, -63; `phi`: temperature factor, 1.

    The sodium current of Pospischil et al. 2008 is this with `g=50` and `v_t=-56.2`; that of the
    thalamic cells of Bazhenov et al. 2002 has `g=90`, `v_t=-50` and `phi` $3^{(T - 36)/10}$.

    ```python
    >>> import jax.numpy as jnp
    >>> round(NaTraubMiles().init(jnp.array(-63.0), {})["h"].item(), 4)
    0.9959

    ```

    **Source:** Traub & Miles 1991, Neuronal Networks of the Hippocampus, as written in Brette et
    al. 2007, J. Comput. Neurosci. 23:349, appendix B, benchmark 3.
    """

    units: ClassVar[dict[str, str]] = {"m": "1", "h": "1"}
    gates: ClassVar[dict[str, int]] = {"m": 3, "h": 1}
    ion: ClassVar[str] = "na"

    g: Array = param(100.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(50.0, unit="mV", doc="reversal potential", optional=True)
    v_t: Array = param(-63.0, unit="mV", doc="shift of the threshold")
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Rates of m and h."""
        u = v - self.v_t
        return {
            "m": (0.32 * vtrap(13 - u, 4.0), 0.28 * vtrap(u - 40, 5.0)),
            "h": (0.128 * jnp.exp((17 - u) / 18), 4 * logistic((u - 40) / 5)),
        }


class KTraubMiles(AbstractGatedChannel):
    r"""The delayed rectifier of hippocampal pyramidal cells, $I = g\,n^4 (e - v)$.

    With $u = v - v_T$: $\alpha_n = 0.032\,(15-u)/(e^{(15-u)/5}-1)$,
    $\beta_n = 0.5\,e^{(10-u)/40}$ (1/ms, mV).

    **Arguments:** `g`: mS/cm^2, 30; `e`: mV, -90, `None` for that of the ion `"k"`; `v_t`: shift
    of the threshold, mV, -63; `phi`: temperature factor, 1.

    The delayed rectifier of Pospischil et al. 2008 is this with `g=5` and `v_t=-56.2`; that of the
    thalamic cells of Bazhenov et al. 2002 has `g=10`, `v_t=-50` and `phi` $3^{(T - 36)/10}$.

    ```python
    >>> import jax.numpy as jnp
    >>> round(KTraubMiles().init(jnp.array(-63.0), {})["n"].item(), 4)
    0.0377

    ```

    **Source:** Traub & Miles 1991, Neuronal Networks of the Hippocampus, as written in Brette et
    al. 2007, J. Comput. Neurosci. 23:349, appendix B, benchmark 3.
    """

    units: ClassVar[dict[str, str]] = {"n": "1"}
    gates: ClassVar[dict[str, int]] = {"n": 4}
    ion: ClassVar[str] = "k"

    g: Array = param(30.0, unit="mS/cm^2", doc="maximal conductance", bound="non-negative")
    e: Array | None = param(-90.0, unit="mV", doc="reversal potential", optional=True)
    v_t: Array = param(-63.0, unit="mV", doc="shift of the threshold")
    phi: Array = param(1.0, unit="1", doc="temperature factor", bound="positive")

    def rates(self, v: Array) -> dict[str, tuple[Array, Array]]:
        """Rates of n."""
        u = v - self.v_t
        return {"n": (0.032 * vtrap(15 - u, 5.0), 0.5 * jnp.exp((10 - u) / 40))}
