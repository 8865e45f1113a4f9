"""The leaky integrate-and-fire neuron."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._param import param
from .._base import (
    AbstractNeuron,
    Affine,
    Args,
    State,
    as_affine,
    check_kind,
    check_shapes,
    size_field,
    spread,
)
from .._surrogate import AbstractSurrogate, SuperSpike
from ._base import check_above
from ._crossing import restart
from ._off_grid import Parabola
from ._reset import AbstractReset, HardReset


class LIF(AbstractNeuron):
    r"""Leaky integrate-and-fire neurons with an absolute refractory period.

    $$\tau \frac{dv}{dt} = -(v - v_\mathrm{rest}) + r\,u
      + \sigma\sqrt{\tau}\,\xi(t);\qquad
      v \ge v_\mathrm{th}:\ \text{spike},\ v \leftarrow v_\mathrm{reset}
      \text{ and held for } t_\mathrm{ref}$$

    The input $u$ (pA) may be an `Affine` in $v$, so that conductances (nS) enter exactly.

    **Arguments:** `size`: number of neurons; the parameters are scalars or have shape `[size]`.
    `tau`: ms, 20; `r`: Gohm, 1; `v_rest`: mV, -65; `v_th`: mV, -50; `v_reset`: mV, -65; `t_ref`:
    ms, 0, rounded to the time grid by `simulate`; `sigma`: mV, 0, where zero (the default, a
    Python `None`) leaves out the noise; `v_init`: mV, `v_rest` by default; `spike`: the spike
    function; `reset`: the reset rule, `HardReset()`; `reset_grad`: whether the reset passes
    gradient, `False`; `interpolate`: whether `simulate` works out where within a step the threshold
    was crossed, `False`.

    With `interpolate=True` the reset and the refractory period (now of any length) start at the
    crossing of a parabola through the voltages at both ends of the step with the slope of the flow
    at its end (a straight line where there is noise), and a projection from the population carries
    `pulse`. The error of a spike time is then of order 2 in `dt` or better instead of 1, as far as
    the solver allows: use `ExactLinear` for currents, `Heun` or `StrangSplitting` for conductances.
    A neuron still spikes at most once per step.

    **State:** `v`: mV, `[size]`. **Output:** `spike`: 0 or 1, `[size]`; with `interpolate` also
    `early`: how long before the time of the grid the spike was, ms, and `pulse`: the spike spread
    over this step and the next so that its mean time is that of the spike. `Spikes` and
    `rec.spikes` take `early` into account.

    **Raises:** `ValueError` for shapes that do not fit, or a threshold not above the reset.

    ```python
    >>> from fdyn import simulate
    >>> rec = simulate(LIF(1), 100.0, dt=0.1, inputs=20.0, record="spike")
    >>> float(rec["spike"].sum())
    3.0
    >>> neuron = LIF(1, interpolate=True)
    >>> rec = simulate(neuron, 30.0, dt=0.5, inputs=20.0, record=["spike", "early"])
    >>> round(float(rec.spikes("spike").times[0]), 3)  # 20 log(4)
    27.726

    ```

    **Source:** Lapicque 1907; Gerstner et al. 2014, Neuronal Dynamics, eqs. 1.5 and 1.21;
    interpolated spikes: Hansel et al. 1998, Neural Comput. 10:467; Shelley & Tao 2001, J. Comput.
    Neurosci. 11:111.
    """

    units: ClassVar[dict[str, str]] = {
        "v": "mV",
        "spike": "1",
        "refractory": "ms",
        "early": "ms",
    }

    size: int = size_field()
    tau: Array = param(20.0, unit="ms", doc="membrane time constant", bound="positive")
    r: Array = param(1.0, unit="Gohm", doc="membrane resistance")
    v_rest: Array = param(-65.0, unit="mV", doc="resting potential")
    v_th: Array = param(-50.0, unit="mV", doc="threshold")
    v_reset: Array = param(-65.0, unit="mV", doc="reset potential")
    t_ref: Array = param(0.0, unit="ms", doc="refractory period", bound="non-negative")
    v_init: Array | None = param(None, unit="mV", doc="initial potential")
    sigma: Array | None = param(None, unit="mV", doc="strength of white noise")
    spike: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    reset: AbstractReset = eqx.field(default_factory=HardReset)
    reset_grad: bool = eqx.field(default=False, static=True)
    interpolate: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_shapes(self, self.size)
        check_kind(self, "spike", AbstractSurrogate)
        check_kind(self, "reset", AbstractReset)
        check_above(self, "v_reset", "v_th")
        if self.interpolate and not isinstance(self.reset, HardReset):
            raise ValueError(
                "LIF: interpolate=True takes the reset at the crossing itself, where the rules "
                "agree: leave out 'reset' (HardReset), or 'interpolate'; got "
                f"{type(self.reset).__name__}."
            )

    def init(self, *, key: Array, dt: float) -> State:
        """At `v_init`, not refractory."""
        del key, dt
        v = self.v_rest if self.v_init is None else self.v_init
        v = spread(v, self.size)
        mem = {"refractory": jnp.zeros_like(v)}
        if self.interpolate:
            mem |= {"start": v, "free": jnp.ones_like(v), "owed": jnp.zeros_like(v)}
        return State({"v": v}, mem)

    def potential(self, y: dict) -> Array:
        """The membrane potential."""
        return y["v"]

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The leak and the input; nothing while refractory."""
        del t, y
        f = self._membrane(args)
        if self.interpolate:
            # A step that is refractory in part is one of a slower flow.
            return {"v": f * args.mem["free"]}
        free = args.mem["refractory"] <= 0
        return {"v": Affine(jnp.where(free, f.a, 0), jnp.where(free, f.b, 0))}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """White noise of the membrane; nothing while refractory."""
        del t
        if self.sigma is None:
            return None
        noise = self.sigma / jnp.sqrt(self.tau)
        if self.interpolate:
            # Of a part that is zero the root has no derivative.
            free = args.mem["free"]
            root = jnp.sqrt(jnp.where(free > 0, free, jnp.ones_like(free)))
            return {"v": jnp.where(free > 0, root * noise, jnp.zeros_like(y["v"]))}
        return {"v": jnp.where(args.mem["refractory"] <= 0, noise, jnp.zeros_like(y["v"]))}

    def held(self, y: dict, args: Args) -> dict:
        """The neurons that are refractory."""
        del y
        return {"v": self._refractory(args.mem)}

    def _refractory(self, mem: dict) -> Array:
        """All through the step."""
        return mem["free"] <= 0 if self.interpolate else mem["refractory"] > 0

    def _membrane(self, args: Args) -> Affine:
        return (Affine(-1.0, self.v_rest) + as_affine(args.u) * self.r) / self.tau

    def events(self, t: Array, y: dict, args: Args) -> Array:
        """The distance to threshold, mV; below it while refractory."""
        del t
        above = y["v"] - self.v_th
        # A reset rule may leave the voltage above the threshold.
        return jnp.where(self._refractory(args.mem) & (above >= 0), -1.0, above)

    def timer(self, mem: dict) -> Array:
        """The time until the first neuron leaves its refractory period."""
        clock = mem["refractory"]
        return jnp.min(jnp.where(clock > 0, clock, jnp.inf))

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """Threshold, reset, refractory clock."""
        del key
        above = self.events(t, y, args)
        s = self.spike(above) if args.fired is None else args.fired.astype(above.dtype)
        back = s if self.reset_grad else jax.lax.stop_gradient(s)
        if self.interpolate and args.fired is None:
            return self._jump_within(y["v"], s, back, args, dt)
        v = (1 - back) * y["v"] + back * self.reset(y["v"], self.v_th, self.v_reset)
        clock = restart(s, self.t_ref, args.mem["refractory"], args, dt)
        if not self.interpolate:
            return {"v": v}, {"refractory": clock}, {"spike": s}
        # A driver that locates events has stopped at the spike itself.
        none = jnp.zeros_like(v)
        free = (clock <= 0).astype(v.dtype)
        mem = {"refractory": clock, "start": v, "free": free, "owed": none}
        return {"v": v}, mem, {"spike": s, "early": none, "pulse": s}

    def _jump_within(
        self, v: Array, s: Array, back: Array, args: Args, dt: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes within the step: when they were, and the voltage that follows from them."""
        mem, f = args.mem, self._membrane(args)
        slope = f(v) if self.sigma is None else None
        path = Parabola.through(mem["start"], v, slope, mem["free"] * dt)
        early = path.since(self.v_th, s > 0)
        # The membrane has been free again for so long. Two voltages differ by a factor that decays
        # exponentially, whatever the current.
        since = jnp.maximum(early - self.t_ref, 0)
        fresh = v - (path(since) - self.v_reset) * jnp.exp(f.a * since)
        v = (1 - back) * v + back * fresh
        clock = jnp.where(s > 0, self.t_ref - early, mem["refractory"] - dt)
        clock = jnp.maximum(clock, 0)
        owed = s * early / dt
        new = {
            "refractory": clock,
            "start": v,
            "free": 1 - jnp.minimum(clock / dt, 1),
            "owed": owed,
        }
        return {"v": v}, new, {"spike": s, "early": early, "pulse": s + owed - mem["owed"]}
