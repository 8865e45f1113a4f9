"""The Stuart-Landau oscillator, the normal form of a Hopf bifurcation."""

from typing import ClassVar

from jax import Array

from ..._param import param
from .._base import Affine, Args, size_field, spread
from ._base import AbstractRate


class StuartLandau(AbstractRate):
    r"""An oscillator near a Hopf bifurcation, in which noise and oscillation look alike.

    $$\dot z = (a + i\omega)\,z - (b + i c)\,|z|^2 z + u + \sigma\,(\xi_1 + i\xi_2),\qquad
      z = x + i y$$

    For $a > 0$ it oscillates with the amplitude $\sqrt{a/b}$ and the angular frequency
    $\omega - c\,a/b$, for $a < 0$ it rests, or rings under noise. Projections see $x$ and drive
    $x$; $u$ is in 1/ms.

    **Arguments:** `size`: number of oscillators; the parameters are scalars or have shape
    `[size]`. `a`: 1/ms, 0.02, distance to the bifurcation; `omega`: rad/ms, 0.0628 (10 Hz); `b`:
    1/ms, 0.02, saturation; `c`: 1/ms, 0, shear; `sigma`: 1/sqrt(ms), no noise by default; `x_init`,
    `y_init`: 0.1, 0.

    **State:** `x`, `y`: 1, both `[size]`. **Output:** `activity`: `x`.

    **Raises:** `ValueError` for shapes that do not fit or bounds that are broken.

    ```python
    >>> from fdyn import solve
    >>> sol = solve(StuartLandau(1, a=0.1, b=0.4), 200.0)
    >>> x, y = (sol.state.model.y[k][0] for k in "xy")
    >>> round(float(x**2 + y**2), 4)
    0.25

    ```

    **Source:** Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, section 2.2; whole
    brain: Deco et al. 2017, Sci. Rep. 7:3095, eqs. 1 to 3.
    """

    units: ClassVar[dict[str, str]] = {"x": "1", "y": "1", "activity": "1"}

    size: int = size_field()
    a: Array = param(0.02, unit="1/ms", doc="distance to the bifurcation")
    omega: Array = param(0.0628, unit="rad/ms", doc="angular frequency at the bifurcation")
    b: Array = param(0.02, unit="1/ms", doc="saturation", bound="non-negative")
    c: Array = param(0.0, unit="1/ms", doc="shear: frequency lost with the amplitude")
    sigma: Array | None = param(
        None, unit="1/ms^0.5", doc="strength of white noise", bound="non-negative"
    )
    x_init: Array = param(0.1, unit="1", doc="initial x")
    y_init: Array = param(0.0, unit="1", doc="initial y")

    def start(self) -> dict[str, Array]:
        """At `x_init`, `y_init`."""
        return {"x": spread(self.x_init, self.size), "y": spread(self.y_init, self.size)}

    def potential(self, y: dict) -> Array:
        """The real part."""
        return y["x"]

    def dynamics(self, y: dict, u: Affine) -> dict:
        """Growth, saturation, rotation."""
        square = y["x"] ** 2 + y["y"] ** 2
        growth, turn = self.a - self.b * square, self.omega - self.c * square
        return {"x": Affine(growth, -turn * y["y"]) + u, "y": Affine(growth, turn * y["x"])}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of both parts."""
        del t, args
        if self.sigma is None:
            return None
        sigma = spread(self.sigma, self.size)
        return {k: sigma + 0 * x for k, x in y.items()}

    def observe(self, y: dict, u: Affine) -> dict:
        """The real part."""
        del u
        return {"activity": y["x"]}
