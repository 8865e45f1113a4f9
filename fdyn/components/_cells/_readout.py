"""A linear read-out of a population, which can close the loop."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from ..._misc import own
from ..._param import param
from .._base import AbstractPopulation, Args, State, check_kind, check_size, size_field
from ._base import as_vector, check_vectors


class Readout(AbstractPopulation):
    r"""A population with a linear read-out of its output, which can be its own next input.

    $$z_{k+1} = V^\mathsf{T} h_{k+1} + D^\mathsf{T} u_k + b$$

    It takes the input $u$ of the population. With `feedback` the read-out takes the place of an
    input that is not given, $u_k = z_k$: driven by a series it predicts the next value, and going
    on from the state of that run without `inputs=` it generates. Train the weights by gradients, or
    put those of a regression in with `replace`.

    **Arguments:** `population`: any with one output, such as `GRU` or `EchoState`; `size`: number
    of read-outs; `weight`: $V$, `[population.size, size]`, zero by default; `direct`: $D$,
    `[inputs, size]`, `None` for none; the identity where the read-out is the change of the input;
    `bias`: scalar or `[size]`, 0; `feedback`: whether $z$ is the input where none is given,
    `False`.

    **State:** that of the population, under `population`. **Output:** `out`: $z$, `[size]`, which
    is in `mem` too.

    **Raises:** `ValueError` for shapes that do not fit, or feedback of another width than the
    input.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> from fdyn.components import NVAR
    >>> features = NVAR(1, delays=2, order=())  # 1, u, u'
    >>> cosine = Readout(features, 1, weight=[[0.0], [2 * jnp.cos(0.1)], [-1.0]], feedback=True)
    >>> run = simulate(cosine, 50.0, dt=1.0, inputs=jnp.cos(0.1 * jnp.arange(50.0))[:, None])
    >>> free = simulate(cosine, 20.0, dt=1.0, state=run.state, record="out")["out"][:, 0]
    >>> bool(jnp.allclose(free, jnp.cos(0.1 * jnp.arange(51.0, 71.0)), atol=1e-3))
    True

    ```

    **Source:** Jaeger 2001, GMD Report 148, for a read-out that is fed back; Lukoševičius 2012, A
    Practical Guide to Applying Echo State Networks, eq. 4.
    """

    units: ClassVar[dict[str, str]] = {"out": "1"}

    population: AbstractPopulation
    weight: Array
    direct: Array | None
    feedback: bool = eqx.field(static=True)
    size: int = size_field()
    bias: Array = param(0.0, unit="1", doc="bias")

    def __init__(
        self,
        population: AbstractPopulation,
        size: int,
        *,
        weight: Any = None,
        direct: Any = None,
        bias: Any = 0.0,
        feedback: bool = False,
    ):
        self.population, self.size = population, check_size(size)
        check_kind(self, "population", AbstractPopulation)
        dtype = jnp.result_type(float)
        shape = (population.size, self.size)
        self.weight = jnp.zeros(shape, dtype) if weight is None else own(weight, dtype)
        self.direct = None if direct is None else own(direct, dtype)
        self.bias, self.feedback = bias, bool(feedback)

    def __check_init__(self):
        check_vectors(self)
        wanted = {"weight": (self.population.size, self.size), "direct": (self.n_in, self.size)}
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"Readout: '{name}' must have shape {shape} for this "
                    f"{type(self.population).__name__}, got {value.shape}."
                )
        if self.feedback and self.size != self.n_in:
            raise ValueError(
                f"Readout: to be fed back, its width 'size' must be that of the input of the "
                f"{type(self.population).__name__}, {self.n_in}; got {self.size}."
            )

    @property
    def n_in(self) -> int:
        """The number of inputs, that of the population."""
        return getattr(self.population, "n_in", self.population.size)

    def init(self, *, key: Array, dt: float) -> State:
        """That of the population; the read-out is zero before the first step."""
        inner = self.population.init(key=key, dt=dt)
        out = jnp.zeros(self.size, self.weight.dtype)
        return State({"population": inner.y}, {"population": inner.mem, "out": out})

    def _inner(self, args: Args) -> Args:
        u = args.u
        if u is None and self.feedback:
            u = args.mem["out"]
        return Args(args.mem["population"], u, args.fired, args.hist.child("population"))

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The flow of the population."""
        return {"population": self.population.flow(t, y["population"], self._inner(args))}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """The noise of the population."""
        g = self.population.diffusion(t, y["population"], self._inner(args))
        return None if g is None else {"population": g}

    def held(self, y: dict, args: Args) -> dict | None:
        """What the population holds."""
        mask = self.population.held(y["population"], self._inner(args))
        return None if mask is None else {"population": mask}

    def events(self, t: Array, y: dict, args: Args) -> Any:
        """The events of the population."""
        return self.population.events(t, y["population"], self._inner(args))

    def timer(self, mem: dict) -> Array:
        """The clocks of the population."""
        return self.population.timer(mem["population"])

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The population jumps; its output is read."""
        inner = self._inner(args)
        state, mem, outputs = self.population.jump(t, y["population"], inner, dt=dt, key=key)
        if len(outputs) != 1:
            raise ValueError(
                f"Readout: the population must have one output, {type(self.population).__name__} "
                f"has {sorted(outputs)}."
            )
        (h,) = outputs.values()
        z = h @ self.weight + self.bias
        if self.direct is not None:
            z = z + as_vector(inner.u, self.n_in, "Readout") @ self.direct
        return {"population": state}, {"population": mem, "out": z}, {"out": z}
