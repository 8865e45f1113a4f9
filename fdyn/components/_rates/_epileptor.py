"""The Epileptor: seizures that start, spread and stop by themselves."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import Affine, size_field, spread
from ._base import AbstractRate


class Epileptor(AbstractRate):
    r"""A field model of seizures: fast discharges, spike-and-wave events, and a slow permittivity.

    $$\dot x_1 = y_1 - f_1(x_1, x_2) - z + I_1,\quad \dot y_1 = y_0 - 5 x_1^2 - y_1,\quad
      \dot z = \frac{4 (x_1 - x_0) - z - u}{\tau_0},$$
    $$\dot x_2 = -y_2 + x_2 - x_2^3 + I_2 + 0.002\,g - 0.3\,(z - 3.5),\quad
      \tau_2\,\dot y_2 = f_2(x_2) - y_2,\quad \dot g = x_1 - \gamma g$$
    with $f_1 = x_1^3 - 3 x_1^2$ for $x_1 < 0$ and $(x_2 - 0.6\,(z - 4)^2)\,x_1$ otherwise;
    $f_2 = 6\,(x_2 + 0.25)$ for $x_2 \ge -0.25$ and 0 otherwise.

    Above an excitability $x_0$ of about -2 it has seizures. Regions couple through $x_1$ onto the
    permittivity: a projection with `Activity` and `Diffusive` makes
    $u_j = \sum_i w_{ij}(x_{1,i} - x_{1,j})$.

    **Arguments:** `size`: number of regions; the parameters are scalars or have shape `[size]`.
    `x0`: 1, -1.6, excitability; `y0`: 1, 1; `i1`, `i2`: 1, 3.1, 0.45; `tau0`, `tau2`: 1, 2857, 10,
    in units of `tau`; `gamma`: 1, 0.01; `tau`: ms, 1, what one unit of the model's time takes.

    **State:** `x1`, `y1`, `z`, `x2`, `y2`, `g`: 1, all `[size]`. **Output:** `lfp`: $x_2 - x_1$.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn.components import Args, vector_field
    >>> import jax
    >>> model = Epileptor(1)
    >>> state = model.init(key=jax.random.key(0), dt=0.1)
    >>> rate = vector_field(model)(0.0, state.y, Args({}))
    >>> round(float(2857 * rate["z"][0]), 3)  # 4 (x1 - x0) - z
    -3.5

    ```

    **Source:** Jirsa, Stacey, Quilichini, Ivanov & Bernard 2014, Brain 137:2210, eqs. 1 to 4;
    coupling: Proix, Bartolomei, Chauvel, Bernard & Jirsa 2014, J. Neurosci. 34:15009.
    """

    units: ClassVar[dict[str, str]] = dict.fromkeys(("x1", "y1", "z", "x2", "y2", "g", "lfp"), "1")

    size: int = size_field()
    x0: Array = param(-1.6, unit="1", doc="excitability")
    y0: Array = param(1.0, unit="1", doc="offset of the first recovery")
    i1: Array = param(3.1, unit="1", doc="current of the first subsystem")
    i2: Array = param(0.45, unit="1", doc="current of the second subsystem")
    tau0: Array = param(2857.0, unit="1", doc="slowness of the permittivity", bound="positive")
    tau2: Array = param(10.0, unit="1", doc="slowness of the second recovery", bound="positive")
    gamma: Array = param(0.01, unit="1", doc="rate of the low-pass filter", bound="positive")
    tau: Array = param(1.0, unit="ms", doc="unit of the model's time", bound="positive")

    def start(self) -> dict[str, Array]:
        """Between seizures."""
        y = {"x1": -1.6, "y1": -11.8, "z": 3.5, "x2": -0.9, "y2": 0.0, "g": -160.0}
        return {k: spread(jnp.asarray(x, self.x0.dtype), self.size) for k, x in y.items()}

    def potential(self, y: dict) -> Array:
        """The fast discharges."""
        return y["x1"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Two oscillators, the permittivity and a low-pass filter."""
        x1, z, x2 = y["x1"], y["z"], y["x2"]
        f1 = jnp.where(x1 < 0, x1**3 - 3 * x1**2, (x2 - 0.6 * (z - 4) ** 2) * x1)
        f2 = 6 * jnp.maximum(x2 + 0.25, 0)
        drive = self.i2 + 0.002 * y["g"] - 0.3 * (z - 3.5)
        rates = {
            "x1": Affine(0.0, y["y1"] - f1 - z + self.i1),
            "y1": Affine(-1.0, self.y0 - 5 * x1**2),
            "z": Affine(-1.0, 4 * (x1 - self.x0) - u(x1)) / self.tau0,
            "x2": Affine(0.0, x2 - x2**3 - y["y2"] + drive),
            "y2": Affine(-1.0, f2) / self.tau2,
            "g": Affine(-self.gamma, x1),
        }
        return {k: rate / self.tau for k, rate in rates.items()}

    def observe(self, y: dict, u: Affine) -> dict:
        """The local field potential."""
        del u
        return {"lfp": y["x2"] - y["x1"]}
