"""A projection: the synapses from one population onto another."""

from typing import Any

import equinox as eqx
from jax import Array

from . import _delay as dly
from ._grid import as_time
from .components import AbstractOutput, AbstractSynapse, Affine, Arrivals
from .sparse import AbstractConnectivity, FractionalDelay
from .sparse._delay import is_common, longest, steps_of_delay


class Projection(eqx.Module):
    """The synapses from one population onto another.

    Spikes of `pre` wait for `delay`, go through `connect`, drive the `synapse`, whose variable
    makes a current in `post` through `output`.

    **Arguments:**

    - `pre`, `post`: paths of populations in the network, for example `"E"` or `"V1.E"`. `pre` may
      name one of several outputs, `"E.spike"`; `post` must be an `AbstractNeuron`.
    - `connect`: a connectivity of `fdyn.sparse`, from `pre` to `post`, with its weights, and with
      a delay per synapse if it has them.
    - `synapse`: its dynamics; held at the postsynaptic side.
    - `output`: the current it makes.
    - `delay`: of all its synapses, ms, 0; a multiple of `dt`, or a `FractionalDelay` with one
      value. A spike stamped `t` acts on the synapse at `t + delay`; the delays of `connect` come
      on top.

    **State:** the variables of the synapse. In `mem`, with delays, the `timing` that follows from
    the parameters; and with a delay per synapse the `ring` of arrivals to come, `[steps * n_post]`,
    and its `head`. The spikes that wait for `delay` are kept by the network.

    **Raises:** `ValueError` for a negative delay, and at `init` for one that is no multiple of
    `dt`. Paths and shapes are checked by `Network`.

    ```python
    >>> from fdyn.components import COBA, Exponential
    >>> from fdyn.sparse import OneToOne
    >>> Projection("E", "I", OneToOne(0.5, n=10), Exponential(5.0), COBA(0.0), delay=1.5).delay
    1.5

    ```

    **Source:** the grouping of synapses at the postsynaptic side, and the ring of arrivals,
    Morrison et al. 2005, Neural Comput. 17:1776, section 3.
    """

    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    connect: AbstractConnectivity
    synapse: AbstractSynapse
    output: AbstractOutput
    # A number is structure, what is interpolated is data.
    _whole: float = eqx.field(static=True)
    _part: FractionalDelay | None
    # The length of a ring is structure too, also where the delays themselves are traced.
    _longest: float | None = eqx.field(static=True)

    def __init__(
        self,
        pre: str,
        post: str,
        connect: AbstractConnectivity,
        synapse: AbstractSynapse,
        output: AbstractOutput,
        delay: Any = 0.0,
    ):
        self.pre, self.post = pre, post
        self.connect, self.synapse, self.output = connect, synapse, output
        fractional = isinstance(delay, FractionalDelay)
        self._whole = 0.0 if fractional else as_time(delay, "delay", zero=True)
        self._part = delay if fractional else None
        self._longest = longest(getattr(connect, "delay", None))

    @property
    def delay(self) -> float | FractionalDelay:
        """The delay of all its synapses, ms."""
        return self._whole if self._part is None else self._part

    def __check_init__(self):
        for name, kind in (
            ("connect", AbstractConnectivity),
            ("synapse", AbstractSynapse),
            ("output", AbstractOutput),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ValueError(
                    f"Projection: '{name}' must be an {kind.__name__}, got {type(value).__name__}."
                )

        if self._part is not None and self._part.values.shape != ():
            raise ValueError(
                "Projection: 'delay' is one for all synapses, got a FractionalDelay of shape "
                f"{self._part.values.shape}. A delay per synapse belongs to the connectivity."
            )

    @property
    def waits(self) -> float | None:
        """The time (ms) that spikes wait before `connect`, if the structure alone tells it."""
        own = self.connect.delay
        known = self._part is None and (own is None or not is_common(own))
        return self._whole if known else None

    @property
    def delayed(self) -> bool:
        """Whether anything may arrive later than in the step of its spike."""
        return self.delay != 0.0 or self.connect.delay is not None

    def init(self, dt: float) -> tuple[dict, dict, int]:
        """The state of the synapses, and for how many steps the network keeps their spikes."""
        name = f"the projection {self.pre!r} -> {self.post!r}"
        y, route = self.synapse.init(self.connect.n_post), None
        mem: dict[str, Any] = {}
        lags = [steps_of_delay(self.delay, dt, f"the delay of {name}")]
        if self.connect.delay is not None:
            what = f"the delay of the connectivity of {name}"
            if is_common(self.connect.delay):
                lags.append(steps_of_delay(self.connect.delay, dt, what, self._longest))
            else:
                route, steps = self.connect.route(dt, what, self._longest)
                mem = dly.make_arrivals(steps, self.connect.n_post)
        steps = sum(most for _, most in lags)
        lag = dly.total([lag for lag, _ in lags]) if steps else None
        if lag is not None or route is not None:
            mem["timing"] = dly.Timing(lag, route)
        return y, mem, steps

    def current(self, v: Array, y: dict) -> Affine:
        """The current into the postsynaptic population at voltage `v`, `[n_post]`."""
        return self.output.current(v, self.synapse.conductance(y))

    def receive(self, y: dict, mem: dict, spikes: Any) -> tuple[dict, dict]:
        """Hand over to the synapses what arrives now of the spikes that have waited."""
        if "ring" not in mem:
            return self.synapse.receive(y, Arrivals(self.connect, spikes)), mem
        ring = self.connect.deposit(mem["ring"], spikes, mem["timing"].route, mem["head"])
        ring, head, row = dly.arrive(ring, mem["head"], self.connect.n_post)
        return self.synapse.receive(y, row), {**mem, "ring": ring, "head": head}
