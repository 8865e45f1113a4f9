"""A projection: the synapses from one population onto another."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from . import _delay as dly
from ._grid import as_time
from ._misc import child_key
from ._projection_check import check
from .components import (
    CUBA,
    AbstractOutput,
    AbstractPlasticity,
    AbstractRelease,
    AbstractSynapse,
    Affine,
    Args,
    Arrivals,
    Delta,
    Synapses,
)
from .sparse import AbstractConnectivity, FractionalDelay, SynapseIndex, find_events
from .sparse._delay import is_common, longest, steps_of_delay
from .sparse._plastic import one_per_synapse, read_before
from .sparse._synapse_index import check_indices, make_indices

# What a projection has in `y`, and in `mem`, beside the variables of the synapse.
PARTS = ("release", "plasticity")
MEMORY = (*PARTS, "weight", "timing", "ring", "head", "sent", "conducted")


class Projection(eqx.Module):
    """The synapses from one population onto another.

    Spikes of `pre` wait for `delay`, go through `release` and `connect`, drive the `synapse`, whose
    variable makes a current in `post` through `output`; `plasticity` then changes the weights.

    **Arguments:**

    - `pre`, `post`: paths of populations in the network, for example `"E"` or `"V1.E"`. `pre` may
      name one of several outputs, `"E.spike"`; `post` must be an `AbstractNeuron`.
    - `connect`: a connectivity of `fdyn.sparse`, from `pre` to `post`, with its weights, and with
      a delay per synapse if it has them.
    - `synapse`: its dynamics.
    - `output`: the current it makes, `CUBA()`.
    - `delay`: of all its synapses, ms, 0; a multiple of `dt`, or a `FractionalDelay` with one
      value. A spike stamped `t` acts on the synapse at `t + delay`; the delays of `connect` come
      on top.
    - `release`: what a spike releases, for example short-term plasticity; `None` for the spike
      itself.
    - `plasticity`: the rule by which the weights learn, starting from those of `connect`; `None`
      for fixed weights. Where the format lists its synapses by one side only, the constructor
      sorts them by the other, too, outside of `jax.jit`; so the pattern of synapses cannot be
      replaced afterwards, their weights can. There can be no delays per synapse.
    - `align`: `"post"` holds the state of the synapse once per postsynaptic unit, `"pre"` once per
      presynaptic unit and sums what it conducts through `connect` at every step. Default: `"post"`
      for synapses that are linear, `"pre"` for the others, which can only be held there. The two
      are the same as long as the weights do not learn: at the presynaptic side what is left of
      earlier spikes is multiplied by the new weight, too.

    Without delay, what graded synapses and those held at the presynaptic side conduct is evaluated
    within the step, to the order of the solver. With one, graded synapses are read at the points of
    the grid, as are those of delays per synapse held at the presynaptic side; what has happened
    before the start is then taken to be what holds at the start.

    **State:** the variables of the synapse, and those of `release` and `plasticity` under these
    names. In `mem`, with plasticity, the `weight`, in the layout of `connect`; with delays, the
    `timing` that follows from the parameters; and with a delay per synapse the `ring` of arrivals
    to come, `[steps * n_post]`, and its `head`. The spikes that wait for `delay` are kept by the
    network.

    **Raises:** `ValueError` for a negative delay, for parts that do not go together, and at `init`
    for a delay that is no multiple of `dt` and, unless it is traced, a replaced pattern of synapses
    that learn. Paths and shapes are checked by `Network`.

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
    release: AbstractRelease | None
    plasticity: AbstractPlasticity | None
    _align: str | None = eqx.field(static=True)
    # A number is structure, what is interpolated is data.
    _whole: float = eqx.field(static=True)
    _part: FractionalDelay | None
    # The length of a ring is structure too, also where the delays themselves are traced.
    _longest: float | None = eqx.field(static=True)
    # Where the synapses that learn are found by a side by which `connect` does not list them.
    _by_pre: SynapseIndex | None
    _by_post: SynapseIndex | None

    def __init__(
        self,
        pre: str,
        post: str,
        connect: AbstractConnectivity,
        synapse: AbstractSynapse,
        output: AbstractOutput | None = None,
        delay: Any = 0.0,
        *,
        release: AbstractRelease | None = None,
        plasticity: AbstractPlasticity | None = None,
        align: Literal["pre", "post"] | None = None,
    ):
        self.pre, self.post = pre, post
        self.connect, self.synapse = connect, synapse
        self.output = CUBA() if output is None else output
        self.release, self.plasticity = release, plasticity
        fractional = isinstance(delay, FractionalDelay)
        self._whole = 0.0 if fractional else as_time(delay, "delay", zero=True)
        self._part = delay if fractional else None
        self._longest = longest(getattr(connect, "delay", None))
        self._align = align
        check(self)
        self._by_pre = self._by_post = None
        if self.plasticity is not None:
            self._by_pre, self._by_post = make_indices(connect)

    @property
    def delay(self) -> float | FractionalDelay:
        """The delay of all its synapses, ms."""
        return self._whole if self._part is None else self._part

    @property
    def at_pre(self) -> bool:
        """Whether the state of the synapses is held once per presynaptic unit."""
        return self._align == "pre" or self.synapse.graded or not self.synapse.linear

    @property
    def counts(self) -> bool:
        """Whether it takes whole spikes only: half a spike now and half later is another thing."""
        linear = self.synapse.linear and self.release is None and self.plasticity is None
        return not self.synapse.graded and (self.kicks or not linear)

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

    @property
    def kicks(self) -> bool:
        """Whether arrivals make the potential jump."""
        return isinstance(self.synapse, Delta)

    @property
    def sampled(self) -> bool:
        """Whether what the synapses conduct is read at the grid and comes later."""
        own = self.connect.delay
        routed = own is not None and not is_common(own)
        return self.at_pre and (routed or (self.synapse.graded and self.delayed))

    def init(self, dt: float, activity: Array | None) -> tuple[dict, dict, int]:
        """The state of the synapses, and for how many steps the network keeps their spikes."""
        name = f"the projection {self.pre!r} -> {self.post!r}"
        n_pre, n_post = self.connect.n_pre, self.connect.n_post
        state, route = self.synapse.init(n_pre if self.at_pre else n_post), None
        y, mem = dict(state.y), dict[str, Any](state.mem)
        if self.release is not None:
            start = self.release.init(n_pre)
            y["release"], mem["release"] = start.y, start.mem
        if self.plasticity is not None:
            check_indices(self.connect, (self._by_pre, self._by_post), name)
            start = self.plasticity.init(self.connect)
            y["plasticity"], mem["plasticity"] = start.y, start.mem
            mem["weight"] = one_per_synapse(self.connect)
        lags = [steps_of_delay(self.delay, dt, f"the delay of {name}")]
        if self.connect.delay is not None:
            what = f"the delay of the connectivity of {name}"
            if is_common(self.connect.delay):
                lags.append(steps_of_delay(self.connect.delay, dt, what, self._longest))
            else:
                route, steps = self.connect.route(dt, what, self._longest)
                mem |= dly.make_arrivals(steps, n_post)
        steps = sum(most for _, most in lags)
        lag = dly.total([lag for lag, _ in lags]) if steps else None
        total = jnp.ones(n_pre) @ self.connect if self.output.diffusive else None
        if lag is not None or route is not None or total is not None:
            mem["timing"] = dly.Timing(lag, route, total)
        if self.sampled:
            mem = self._constant_past(y, mem, activity, steps)
        return y, mem, 0 if self.synapse.graded else steps

    def _constant_past(self, y: dict, mem: dict, activity: Array | None, steps: int) -> dict:
        """What is under way if all has been as it is for as long as the delays last."""
        s = self._conducted(y, mem, activity)
        if self.synapse.graded and steps:
            ring = dly.make_ring(steps, s.shape[0])
            mem["sent"] = {**ring, "values": jnp.broadcast_to(s, ring["values"].shape)}
        if "ring" not in mem:
            return {**mem, "conducted": s @ self.connect}
        mem["conducted"] = jnp.zeros(self.connect.n_post)
        rows = mem["ring"].shape[0] // self.connect.n_post

        def pass_by(_, mem):
            return self._sample(mem, s)

        return jax.lax.fori_loop(0, rows, pass_by, mem)

    # --- within a step -----------------------------------------------------------------------

    def flow(self, y: dict, mem: dict, activity: dict[str, Array | None]) -> dict:
        """The derivative of all its variables."""
        own = self.synapse.flow(self._own(y), self._args(mem, activity["pre"]))
        if self.release is not None:
            own = {**own, "release": self.release.flow(y["release"], Args(mem["release"]))}
        if self.plasticity is not None:
            args = Args(mem["plasticity"], activity)
            own = {**own, "plasticity": self.plasticity.flow(y["plasticity"], args)}
        return own

    def current(self, v: Array, y: dict, mem: dict, activity: Array | None) -> Affine:
        """The current into the postsynaptic population at voltage `v`, `[n_post]`."""
        if "conducted" in mem:
            g = mem["conducted"]
        else:
            g = self._conducted(y, mem, activity)
            if self.at_pre:
                zeros = jnp.zeros(self.connect.n_post, g.dtype)
                g = self.connect.accumulate(zeros, g, mem.get("weight"))
        total = mem["timing"].total if self.output.diffusive else None
        return self.output.current(v, g, total)

    def timer(self, mem: dict) -> Array:
        """Time (ms) until the earliest clock of the synapses runs out."""
        return self.synapse.timer(self._kept(mem))

    # --- at an instant -----------------------------------------------------------------------

    def due(
        self, y: dict, mem: dict, ring: dict | None, zeros: Array, *, dt: Array, key: Array
    ) -> tuple[dict, dict, Array | None]:
        """What a Delta synapse brings before the threshold, `[n_post]`; `None` for nothing yet.

        `ring` holds the spikes of the presynaptic population up to the last step.
        """
        if "ring" in mem:
            row, mem = self._arrive(mem)
            return y, mem, row
        if ring is None or "timing" not in mem:
            return y, mem, None
        s = dly.read(ring, mem["timing"].lag - 1)
        y, mem, s = self._release(y, mem, s, None, dt=dt, key=key)
        return y, mem, zeros + Arrivals(self.connect, s, mem.get("weight"))

    def receive(
        self,
        y: dict,
        mem: dict,
        spikes: Any,
        activity: Array | None,
        fired: Any,
        *,
        dt: Array,
        key: Array,
    ) -> tuple[dict, dict, Any]:
        """Hand over to the synapses what arrives now of the `spikes` (`Events`) that have waited.

        `fired`: that of the network; `None` on a time grid.

        **Returns:** `(y, mem, spikes)`, the last after the release.
        """
        # A Delta synapse has released before the threshold what all its synapses delay alike.
        if self.release is not None and not (self.kicks and self.delayed and "ring" not in mem):
            y, mem, s = self._release(y, mem, spikes.values, fired, dt=dt, key=key)
            spikes = find_events(s)
        arrivals: Any = None
        if self.at_pre:
            arrivals = None if self.synapse.graded else spikes.values
        elif "ring" in mem:
            mem = self._deposit(mem, spikes)
            if not self.kicks:
                arrivals, mem = self._arrive(mem)
        else:
            arrivals = Arrivals(self.connect, spikes, mem.get("weight"))
        own, kept = self.synapse.receive(
            self._own(y),
            self._args(mem, activity, fired),
            arrivals,
            dt=dt,
            key=child_key(key, "synapse"),
        )
        y = {**own, **{name: y[name] for name in PARTS if name in y}}
        mem = {**mem, **kept}
        if self.sampled:
            mem = self._sample(mem, self._conducted(y, mem, activity))
        return y, mem, spikes

    def _release(
        self, y: dict, mem: dict, s: Array, fired: Any, *, dt: Array, key: Array
    ) -> tuple[dict, dict, Array]:
        """What the spikes release."""
        if self.release is None:
            return y, mem, s
        args, key = Args(mem["release"], None, fired), child_key(key, "release")
        own, kept, s = self.release.release(y["release"], args, s, dt=dt, key=key)
        return {**y, "release": own}, {**mem, "release": kept}, s

    def learn(
        self, y: dict, mem: dict, s_pre: Any, s_post: Any, u: dict, *, dt: Array, key: Array
    ) -> tuple[dict, dict]:
        """Change the weights."""
        rule = self.plasticity
        assert rule is not None
        by_pre = self.connect if self._by_pre is None else self._by_pre
        by_post = self.connect if self._by_post is None else self._by_post
        weight, readers = mem["weight"], [*jax.tree.leaves(self._own(y))]
        readers += [mem[name] for name in ("ring", "conducted") if name in mem]
        readers += [u["post"]] if self.kicks or self.at_pre else []
        for reader in readers:
            weight = read_before(weight, reader)
        weight, own, kept = rule.learn(
            weight,
            y["plasticity"],
            Args(mem["plasticity"], u),
            s_pre,
            s_post,
            synapses=Synapses(by_pre, by_post, (rule.w_min, rule.w_max)),
            dt=dt,
            key=child_key(key, "plasticity"),
        )
        return {**y, "plasticity": own}, {**mem, "plasticity": kept, "weight": weight}

    # -----------------------------------------------------------------------------------------

    def _own(self, y: dict) -> dict:
        return {name: x for name, x in y.items() if name not in PARTS}

    def _kept(self, mem: dict) -> dict:
        return {name: x for name, x in mem.items() if name not in MEMORY}

    def _args(self, mem: dict, activity: Array | None, fired: Any = None) -> Args:
        return Args(self._kept(mem), activity if self.synapse.graded else None, fired)

    def _conducted(self, y: dict, mem: dict, activity: Array | None) -> Array:
        return self.synapse.conductance(self._own(y), self._args(mem, activity))

    def _sample(self, mem: dict, s: Array) -> dict:
        """Send what the synapses conduct now, and take in what is due."""
        if "sent" in mem:
            ring = dly.push(mem["sent"], s)
            mem, s = {**mem, "sent": ring}, dly.read(ring, mem["timing"].lag)
        if "ring" not in mem:
            zeros = jnp.zeros(self.connect.n_post, s.dtype)
            return {**mem, "conducted": self.connect.accumulate(zeros, s, mem.get("weight"))}
        g, mem = self._arrive(self._deposit(mem, s))
        return {**mem, "conducted": g}

    def _deposit(self, mem: dict, s: Any) -> dict:
        # The row of a Delta synapse has been taken out before, so the head is one step ahead.
        head = mem["head"]
        if self.kicks:
            rows = mem["ring"].shape[0] // self.connect.n_post
            head = jnp.where(head == 0, rows, head) - 1
        ring = self.connect.deposit(mem["ring"], s, mem["timing"].route, head, mem.get("weight"))
        return {**mem, "ring": ring}

    def _arrive(self, mem: dict) -> tuple[Array, dict]:
        ring, head, row = dly.arrive(mem["ring"], mem["head"], self.connect.n_post)
        return row, {**mem, "ring": ring, "head": head}
