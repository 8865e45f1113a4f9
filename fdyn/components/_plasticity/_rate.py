"""Hebbian plasticity of rates: Oja's rule and that of Bienenstock, Cooper and Munro."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._param import param
from ...sparse import AbstractConnectivity
from .._base import Affine, Args, State
from ._base import AbstractPlasticity, Synapses, check_bounds


class Oja(AbstractPlasticity):
    r"""Hebbian plasticity of rates with a decay that keeps the weights of a unit normalised.

    $$\dot w_{ij} = \eta\,y_j\,(x_i - \alpha\,y_j\,w_{ij})$$

    $x$ and $y$ are the activities of the pre- and postsynaptic units. For $y_j = \sum_i w_{ij}x_i$
    the weights of a unit tend to the first principal component of its inputs, with
    $\sum_i w_{ij}^2 = 1/\alpha$. All synapses change at every step; the synapse is graded.

    **Arguments:** `eta`: 1e-3/ms; `alpha`: 1, a scalar or `[n_post]`; `w_min` and `w_max`: none, in
    the unit of the weights.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = Oja(eta=0.1), OneToOne(0.5, n=1)
    >>> synapses = Synapses(conn, conn, (rule.w_min, rule.w_max))
    >>> args = Args({}, {"pre": jnp.array([3.0]), "post": jnp.array([2.0])})
    >>> w, *_ = rule.learn(jnp.array([0.5]), {}, args, None, None, synapses=synapses, dt=1.0)
    >>> print(w.round(5))  # 0.5 + 0.1 * 2 * (3 - 2 * 0.5)
    [0.9]

    ```

    **Source:** Oja 1982, J. Math. Biol. 15:267, eq. 3.
    """

    graded: ClassVar[bool] = True
    continuous: ClassVar[bool] = True
    per_post: ClassVar[tuple[str, ...]] = ("alpha",)
    modulator: ClassVar[str | None] = None

    eta: Array = param(1e-3, unit="1/ms", doc="learning rate", bound="positive")
    alpha: Array = param(1.0, unit="1", doc="strength of the decay", bound="positive")
    w_min: Array = param(-jnp.inf, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """No state."""
        del connect
        return State({}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """No flow."""
        del y, args
        return {}

    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Any,
        *,
        synapses: Synapses,
        dt: Any,
        key: Any = None,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """One step of Euler: first the decay, without bounds, then what it is added to."""
        del s_pre, s_post, key
        rate = self.eta * dt * args.u["post"]
        decay = -self.alpha * rate * args.u["post"]
        free = {"low": -jnp.inf, "high": jnp.inf}
        weight = synapses.on_post(weight, decay, 1.0, origin=0.0, **free)
        return synapses.on_post(weight, rate, args.u["pre"]), y, args.mem


class BCM(AbstractPlasticity):
    r"""Hebbian plasticity of rates with a threshold that slides with the mean activity.

    $$\dot w_{ij} = \eta\,x_i\,y_j\,(y_j - \theta_j),\qquad
      \tau\,\dot\theta_j = -\theta_j + y_j^2 / y_0$$

    $x$ and $y$ are the activities of the pre- and postsynaptic units. A unit becomes selective for
    some of its inputs. All synapses of active units change at every step; the synapse is graded.

    **Arguments:** `eta`: 1e-4/ms; `tau`: ms, 1000, and `y0`: 1, in the unit of the activity,
    scalars or `[n_post]`; `theta_init`: 1, in the unit of the activity, a scalar or `[n_post]`;
    `w_min`: 0 and `w_max`: infinite, in the unit of the weights.

    **State:** `theta`: `[n_post]`, in the unit of the activity.

    **Raises:** `ValueError` unless `w_min < w_max`, and for weights that start outside.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.components import Args, Synapses
    >>> from fdyn.sparse import OneToOne
    >>> rule, conn = BCM(eta=0.1), OneToOne(0.5, n=1)
    >>> synapses, y = Synapses(conn, conn, (rule.w_min, rule.w_max)), {"theta": jnp.array([0.5])}
    >>> args = Args({}, {"pre": jnp.array([3.0]), "post": jnp.array([1.0])})
    >>> w, *_ = rule.learn(jnp.array([0.5]), y, args, None, None, synapses=synapses, dt=1.0)
    >>> print(w)  # 0.5 + 0.1 * 3 * 1 * (1 - 0.5)
    [0.65]

    ```

    **Source:** Bienenstock, Cooper & Munro 1982, J. Neurosci. 2:32; with the threshold of Intrator
    & Cooper 1992, Neural Networks 5:3.
    """

    units: ClassVar[dict[str, str]] = {"theta": "unit of the activity"}
    graded: ClassVar[bool] = True
    continuous: ClassVar[bool] = True
    per_post: ClassVar[tuple[str, ...]] = ("tau", "y0", "theta_init")
    modulator: ClassVar[str | None] = None

    eta: Array = param(1e-4, unit="1/ms", doc="learning rate", bound="positive")
    tau: Array = param(1000.0, unit="ms", doc="time constant of the threshold", bound="positive")
    y0: Array = param(
        1.0, unit="1", doc="activity at which the threshold is that activity", bound="positive"
    )
    theta_init: Array = param(1.0, unit="1", doc="initial threshold")
    w_min: Array = param(0.0, unit="1", doc="lower bound of the weights")
    w_max: Array = param(jnp.inf, unit="1", doc="upper bound of the weights")

    def __check_init__(self):
        check_bounds(self)

    def init(self, connect: AbstractConnectivity) -> State:
        """The threshold at `theta_init`."""
        return State({"theta": jnp.broadcast_to(self.theta_init, (connect.n_post,))}, {})

    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The threshold follows the square of the activity."""
        del y
        return {"theta": Affine(-1.0, args.u["post"] ** 2 / self.y0) / self.tau}

    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Any,
        *,
        synapses: Synapses,
        dt: Any,
        key: Any = None,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """One step of Euler."""
        del s_pre, s_post, key
        post = args.u["post"]
        rate = self.eta * dt * post * (post - y["theta"])
        return synapses.on_post(weight, rate, args.u["pre"]), y, args.mem
