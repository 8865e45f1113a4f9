"""The latency code: the larger a value, the earlier its spike."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..._grid import steps_of
from ..._misc import is_traced
from ..._param import param
from .._base import Args, State, size_field
from ._base import AbstractInput, as_signal, slack
from ._source import Range, as_source, check_source, param_or_input


class LatencyEncoder(AbstractInput):
    r"""The latency code: one spike per value, the earlier the larger the value.

    $$t_i = t_\mathrm{first} + (t_\mathrm{last} - t_\mathrm{first})\,(1 - x_i)$$

    or, with `tau`, logarithmic, after the time at which a leaky integrator with the constant input
    $x_i$ reaches $\theta$, counted from that for $x = 1$:

    $$t_i = t_\mathrm{first} + \tau \ln\frac{x_i\,(1 - \theta)}{x_i - \theta}$$

    The spike is stamped with the first point of the time grid at or after it. Values of at most
    `threshold` ($\theta$) and those whose spike would come after `t_last` are silent. With a
    `period` the values are read and encoded anew in each, its start being time 0.

    **Arguments:** `size`: number of units; `values`: $x$, 0 to 1, scalar or `[size]`, or a signal
    of that size; scalars: `t_first`: ms, 1, at least one step, since the first spikes of a run come
    after its first step; `t_last`: ms, 10; `threshold`: $\theta$, below which there is no spike,
    `None` (the default) for none; `tau`: ms, `None` (the default) for the linear code; `period`:
    ms, `None` (the default) for one spike only. **Output:** `spike`: 0 or 1, `[size]`.

    **Raises:** `ValueError` for values out of range, times out of order, a `tau` without a
    `threshold`, and in a run whose step is longer than `t_first` or does not divide `period`;
    `RuntimeError` in a run in which a signal leaves the range.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> code = LatencyEncoder(3, jnp.array([1.0, 0.5, 0.0]), t_first=1.0, t_last=5.0)
    >>> train = simulate(code, 10.0, dt=1.0, record="spike").spikes("spike")
    >>> train.times.tolist(), train.index.tolist()
    ([1.0, 3.0, 5.0], [0, 1, 2])

    ```

    **Source:** Thorpe, Delorme & Van Rullen 2001, Neural Netw. 14:715, for the code; the
    logarithm is the first spike of `LIF` from rest, Gerstner et al. 2014, Neuronal Dynamics,
    section 1.3.
    """

    units: ClassVar[dict[str, str]] = {"spike": "1"}

    size: int = size_field()
    values: Array | AbstractInput = param_or_input(unit="1", doc="what is encoded, 0 to 1")
    t_first: Array = param(1.0, unit="ms", doc="time of the spike for 1", bound="positive")
    t_last: Array = param(10.0, unit="ms", doc="time of the last spikes", bound="positive")
    threshold: Array | None = param(
        None, unit="1", doc="largest silent value", bound="non-negative"
    )
    tau: Array | None = param(None, unit="ms", doc="of the logarithmic code", bound="positive")
    period: Array | None = param(None, unit="ms", doc="from code to code", bound="positive")

    def __check_init__(self):
        check_source(self, "values", self.size)
        Range("values", 0.0, 1.0).check(self)
        if isinstance(self.values, AbstractInput):
            as_signal(self.values)
        for name in ("t_first", "t_last", "threshold", "tau", "period"):
            value = getattr(self, name)
            if value is not None and value.shape != ():
                raise ValueError(
                    f"LatencyEncoder: '{name}' must be one number, got shape {value.shape}."
                )
        if self.tau is not None and self.threshold is None:
            raise ValueError(
                "LatencyEncoder: the logarithmic code ('tau') needs a 'threshold' above 0, below "
                "which there is no spike."
            )
        if is_traced(self):
            return
        t_first, t_last = float(self.t_first), float(self.t_last)
        if t_last <= t_first:
            raise ValueError(
                f"LatencyEncoder: 't_last' must be later than 't_first' ({t_first:g} ms), got "
                f"{t_last:g} ms."
            )
        if self.period is not None and float(self.period) < t_last:
            raise ValueError(
                f"LatencyEncoder: 'period' must not be shorter than 't_last' ({t_last:g} ms), got "
                f"{float(self.period):g} ms."
            )
        least = 0.0 if self.threshold is None else float(self.threshold)
        if least >= 1 or (self.tau is not None and least == 0):
            above = " and, with 'tau', above 0" if self.tau is not None else ""
            raise ValueError(f"LatencyEncoder: 'threshold' must be below 1{above}, got {least:g}.")

    def init(self, *, key: Array, dt: float) -> State:
        """No state; the times are checked against the step."""
        del key
        if not is_traced((self.t_first, dt)) and float(self.t_first) < dt * (1 - 1e-6):
            raise ValueError(
                f"LatencyEncoder: 't_first' must be at least one step, {float(dt):g} ms, got "
                f"{float(self.t_first):g} ms."
            )
        if self.period is not None and not is_traced((self.period, dt)):
            steps_of(float(self.period), float(dt), "LatencyEncoder: 'period'")
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}

    def times(self, x: Any) -> Array:
        """The times (ms) after the start of a period at which values of `x` spike, `x` of any
        shape; infinite for silent ones."""
        x = jnp.asarray(x, jnp.result_type(float))
        least = 0 if self.threshold is None else self.threshold
        heard = (x > least) if self.threshold is not None else (x >= 0)
        if self.tau is None:
            times = self.t_first + (self.t_last - self.t_first) * (1 - x)
        else:
            safe = jnp.where(heard, x, 1)
            times = self.t_first + self.tau * jnp.log(safe * (1 - least) / (safe - least))
        return jnp.where(heard & (times <= self.t_last * (1 + 1e-6)), times, jnp.inf)

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes of this step."""
        del key
        step = jnp.round(t / dt)
        since = step
        if self.period is not None:
            # A period holds the steps from 1 on and the one at its end.
            n = jnp.round(self.period / dt)
            since = jnp.mod(step - 1, n) + 1
        start = jnp.maximum(step - since, 0) * dt
        x = as_signal(as_source(self.values, self.size)).at(start, start + slack(start, dt))
        x = Range("values", 0.0, 1.0).checked(self, x)
        due = jnp.ceil(self.times(x) / dt - 1e-6)
        spikes = jnp.broadcast_to((due == since) & (step > 0), (self.size,))
        return y, args.mem, {"spike": spikes.astype(t.dtype)}
