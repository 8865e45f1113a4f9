"""Connectivity that is generated anew whenever it is used."""

import math
from types import ModuleType
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Key, Shaped, UInt32

from .._grid import as_time
from .._misc import is_traced
from . import _procedural_host as host
from . import _procedural_reference as ref
from . import _threefry as tf
from ._base import FORMATS, AbstractConnectivity, values_of
from ._checks import as_size
from ._delay import FractionalDelay, steps_of_delay
from ._edges import Edges
from ._events import Events
from ._law import AbstractLaw
from ._procedural_ops import generate
from ._procedural_space import ByDistance, Space, expected_number, make_space


class Procedural(AbstractConnectivity):
    r"""Connect pairs at random, generating the synapses anew at each use instead of storing them.

    $$P(i \to j) = p, \qquad w_{ij} = w_0 + w_1\, \varphi_{ij}$$

    Which pairs are connected, and the random parts $\varphi_{ij}$ of weights and delays, are
    functions of the key and of the numbers of the two units. So the memory does not grow with the
    number of synapses, `s @ conn`, `conn @ g` and `to_csr()` are of the same matrix on every
    machine, and a part of it, `conn[a:b, c:d]`, is procedural again. Bit for bit the same are the
    pattern, the words $u$ of uniform weights, and the delays; the $\varphi_{ij}$ of normal weights
    are the same to the rounding of single precision, about $10^{-6}$, whatever the dtype.

    **Arguments:**

    - `key`: a `jax.random` key of the default kind, threefry2x32, or its two words; those of
        other kinds do not give the same numbers on every machine. It is data: another key does
        not compile again.
    - `n_pre`, `n_post`: number of units; for `ByDistance` also `(rows, columns)` for both.
    - `probability`: from 0 to 1, 0 or at least $2^{-28}$; or `ByDistance`. Data as well, but see
        `block`.
    - `weight`: of all synapses, or `[n_pre, 1]` per presynaptic unit, or `[1, n_post]`; or a law:
        `Uniform` with $w_0$ = low, $w_1$ = high - low, or `Normal` without bounds, $w_0$ = mean,
        $w_1$ = std. What the law is made of trains.
    - `delay`: ms. `None`; a number, the same for all; a law over multiples of `dt`: `Uniform`,
        each of those from low to high equally likely, or `Normal` within bounds, each with the
        probability of what is nearest to it; or, for `ByDistance`, a function of an array of
        distances. Default: `None`.
    - `autapses`: whether $i \to i$ may occur. Default: `True`.
    - `block`: every how many candidates the generator starts anew, a power of two; static, and
        part of what the pattern depends on. Default: for at most 64 synapses per block. Networks
        of different probability share a compiled program if their blocks are the same.

    `s @ conn` is event-driven, and in `conn.T` it is `conn @ g` that is. The gaps between the
    targets of a row are exact to $2^{-28}$ of their mean.

    **Raises:** `ValueError` for a probability outside [0, 1], another kind of key, a law that does
    not fit, or a wrong shape.

    ```python
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import Procedural, Uniform
    >>> conn = Procedural(jax.random.key(0), 1000, 100_000, 0.01, Uniform(0.0, 1.0))
    >>> conn.nbytes < 100, abs(conn.n_synapses - 1_000_000) < 5000
    (True, True)
    >>> part = conn[:20, 500:600]
    >>> bool(jnp.allclose(jnp.ones(20) @ part, jnp.ones(20) @ part.to_csr()))
    True

    ```

    **Source:** Knight & Nowotny 2021, Nature Comput. Sci. 1:136, section "Procedural connectivity";
    the generator is that of Salmon et al. 2011, SC'11, article 16.
    """

    key: Key[Array, "*batch"]
    weight: Any
    delay: Any
    gaps: UInt32[Array, "*batch 2"]
    first: UInt32[Array, "*batch 2"]
    space: Space | None
    n_pre: int = eqx.field(static=True)
    n_post: int = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    block: int = eqx.field(static=True)
    dt: float | None = eqx.field(static=True)
    turned: bool = eqx.field(static=True)

    def __init__(
        self,
        key: Key[Array, ""],
        n_pre: int | tuple[int, int],
        n_post: int | tuple[int, int],
        probability: float | ByDistance,
        weight: ArrayLike | AbstractLaw = 1.0,
        *,
        delay: Any = None,
        autapses: bool = True,
        block: int | None = None,
    ):
        pre, post = host.as_grid(n_pre, "n_pre"), host.as_grid(n_post, "n_post")
        self.n_pre = as_size(math.prod(pre), "n_pre")
        self.n_post = as_size(math.prod(post), "n_post")
        if not autapses and self.n_pre != self.n_post:
            raise ValueError(
                "`autapses=False` leaves out i -> i, expected n_pre == n_post, "
                f"given n_pre={n_pre}, n_post={n_post}"
            )
        self.key = host.as_key(key)
        if isinstance(probability, ByDistance):
            host.check_same_space(n_pre, n_post)
            self.space, distance, mean = make_space(probability, pre, post)
            gaps, width = (0, 0), post[1]
        else:
            p = host.as_probability(probability)
            self.space, distance, mean = None, None, tf.mean_gap(p)
            gaps, width = tf.gap_of(p), self.n_post
        self.gaps = jnp.asarray(np.array(gaps, np.uint32))
        self.block = host.block_width(mean, width, block)
        self.weight = host.as_law(weight, self.shape)
        self.delay = host.as_delays(delay, distance)
        self.first = jnp.zeros((2,), jnp.uint32)
        self.autapses, self.dt, self.turned = bool(autapses), None, False

    def __check_init__(self):
        if self.space is not None:
            n_lines, per_line = ref.n_blocks(self._pattern(), self._plan("constant"))
            if n_lines * per_line * self.block >= 2**32:
                raise ValueError("`cutoff` takes in 2^32 units or more, which cannot be counted")

    @property
    def probability(self) -> float:
        """The probability of a synapse, averaged over the pairs if it depends on distance."""
        if self.space is not None:
            return self.n_synapses / max(self.n_pre * self.n_post, 1)
        scale, shift = (int(x) for x in np.asarray(self.gaps))
        return tf.probability_of(scale, shift)

    @property
    def expected_synapses(self) -> float:
        """The mean number of synapses over all keys, without generating any.

        With `ByDistance` it is taken from rows at equal distances from each other where there are
        too many to take all; autapses count.
        """
        if self.space is None:
            return self.probability * self.n_pre * self.n_post
        n_pre, n_post = (self.n_post, self.n_pre) if self.turned else self.shape
        first = [int(x) for x in np.asarray(self.first)]
        return expected_number(self.space, (first[0], n_pre), (first[1], n_post))

    @property
    def n_synapses(self) -> int:
        """Number of synapses, counted by generating all of them."""
        total, step = 0, 1 << 23  # whole numbers up to here are exact in float32
        conn = self.T if self.turned else self
        for start in range(0, conn.n_post, step):
            size = min(step, conn.n_post - start)
            part = conn.slice(post=(start, size))
            unit = jnp.ones((1,), jnp.float32)
            counts = part._product("s", "constant", unit, jnp.ones((size,), jnp.float32))
            total += int(np.asarray(counts).sum(dtype=np.float64))
        return total

    @property
    def T(self) -> "Procedural":  # noqa: N802
        """The connectivity from post to pre, with the same synapses."""
        weight = self.weight
        if eqx.is_array(weight) and weight.ndim == 2:
            weight = weight.T
        return self._changed(
            n_pre=self.n_post, n_post=self.n_pre, turned=not self.turned, weight=weight
        )

    def slice(
        self, *, pre: tuple[Any, int] | None = None, post: tuple[Any, int] | None = None
    ) -> "Procedural":
        """The synapses between two contiguous ranges of units, numbered anew.

        **Arguments:** `pre`, `post`: the first unit, which may be traced, and the number of units,
        which is static. Default: all.

        **Returns:** a `Procedural` of the same leaves but for the first row and column. Every
        device of a `shard_map` can so make its own part.

        **Raises:** `ValueError` for a range that does not lie within the units; a traced one is not
        checked.
        """
        ranges = [
            host.as_range(own, n, name)
            for own, n, name in ((pre, self.n_pre, "pre"), (post, self.n_post, "post"))
        ]
        (row, n_pre), (col, n_post) = ranges
        weight = self.weight
        if eqx.is_array(weight) and weight.ndim == 2:
            axis = 0 if weight.shape == (self.n_pre, 1) else 1
            at, size = ranges[axis]
            weight = jax.lax.dynamic_slice_in_dim(weight, at, size, axis)
        moved = [col, row] if self.turned else [row, col]
        first = self.first + jnp.stack([jnp.asarray(x).astype(jnp.uint32) for x in moved])
        return self._changed(n_pre=n_pre, n_post=n_post, weight=weight, first=first)

    def round_delays(self, dt: float) -> Self:
        """The same with the step fixed to which a law of delays refers, so that it can be stored.

        A delay that is a number, or depends on the distance, is rounded to the nearest multiple of
        `dt`, and to `dt` if it were 0.

        **Arguments:** `dt`: the step, ms.
        """
        delay, dt = self.delay, as_time(dt, "dt")
        delay = delay.values if isinstance(delay, FractionalDelay) else delay
        if eqx.is_array(delay):
            steps = jnp.where(delay > 0, jnp.maximum(jnp.round(delay / dt), 1), 0)
            return self._changed(delay=(steps * dt).astype(delay.dtype))
        return self._changed(dt=dt) if isinstance(delay, AbstractLaw) else self

    def route(
        self, dt: float, what: str = "`delay`", longest: float | None = None
    ) -> tuple[Any, int]:
        """What `deposit` needs of the delays, made once for steps of `dt` ms.

        **Arguments:** `dt`: ms; `what`: how an error calls the delays; `longest`: ms, a bound of
        the delays, needed where they are traced.

        **Returns:** a `GeneratedRoute`, and the most steps of a delay.

        **Raises:** `ValueError` for delays that are no multiples of `dt`.
        """
        if self.turned:
            raise ValueError(f"{what}: a transposed Procedural has no delays; use `to_csr()`")
        if isinstance(self.delay, AbstractLaw):
            below = host.thresholds(self.delay, dt, what)
            return host.GeneratedRoute(jnp.asarray(below), False, below.size), below.size
        host.check_table(self.delay, self.space, dt, what)
        delay = jnp.zeros(()) if self.delay is None else self.delay
        steps, most = steps_of_delay(delay, dt, what, longest)
        if steps.ndim == 0:
            cumulative = jnp.arange(most, dtype=jnp.int32) >= steps
            numbers = jnp.where(cumulative, jnp.uint32(2**32 - 1), jnp.uint32(0))
            return host.GeneratedRoute(numbers, False, most), most
        return host.GeneratedRoute(steps.astype(jnp.uint32), True, most), most

    def deposit(
        self, ring: Array, s: Any, route: Any, head: Array, weight: ArrayLike | None = None
    ) -> Shaped[Array, " places"]:
        r"""Put the spikes `s` into a ring of arrivals, each as late as its synapse delays it.

        $$a_{(h + k_{ij}) \bmod D,\,j} \leftarrow a_{(h + k_{ij}) \bmod D,\,j} + s_i\, w_{ij}$$

        **Arguments:**

        - `ring`: arrivals to come, `[D * n_post]`, with D larger than the steps of the route.
        - `s`: spikes, `[n_pre]`, or `Events`.
        - `route`: made by `route`.
        - `head`: $h$, the row of what arrives now, an integer.
        - `weight`: taken in place of `self.weight`. Default: `self.weight`.

        **Returns:** the ring.

        **Raises:** `ValueError` for weights per postsynaptic unit, spikes of another number, a
        ring that is too short, or a route of another connectivity.
        """
        if self.turned:
            raise ValueError("a transposed Procedural has no delays; use `to_csr()`")
        ring, values, by_distance = jnp.asarray(ring), values_of(s), host.is_table(self.delay)
        values = jnp.asarray(values)
        host.check_deposit(ring, values, route, self.shape, by_distance)
        w = self._checked_weight() if weight is None else self._as_weight(weight)
        w, row, column = self._factors(w)
        if column is not None:
            raise ValueError("a weight per postsynaptic unit and delays: use `to_csr()`")
        known = [x for x in (values, *jax.tree.leaves(w)) if jnp.issubdtype(x.dtype, jnp.inexact)]
        dtype = jnp.result_type(ring, *known)
        coefficients, law = host.coefficients(w, dtype)
        values = values.astype(dtype)
        values = values if row is None else values * row.astype(dtype)
        events = (s.index, s.count) if isinstance(s, Events) else None
        plan = self._plan(law, "distance" if by_distance else "law")
        shift = jnp.asarray(head).astype(jnp.int32) * np.int32(self.n_post)
        ring, pattern = ring.astype(dtype), self._pattern(route.numbers)
        return generate("g", plan, pattern, ring, coefficients, values, shift=shift, events=events)

    def _plan(self, law: str, delay: str = "none") -> ref.Plan:
        n_post = self.n_pre if self.turned else self.n_post
        if self.space is None:
            return ref.Plan(law, delay, self.block, n_post)
        return ref.Plan(law, delay, self.block, n_post, self.space.grid, self.space.periodic)

    def _pattern(self, arrival: Array | None = None) -> ref.Pattern:
        loops = jnp.full((1,), self.autapses, jnp.uint32)
        words = jax.random.key_data(self.key), self.first, self.gaps, loops
        numbers = jnp.concatenate(words)
        arrival = jnp.zeros((0,), jnp.uint32) if arrival is None else arrival
        if self.space is None:
            return ref.Pattern(numbers, arrival)
        x = self.space
        return ref.Pattern(numbers, arrival, x.lines, x.table, x.row_centre, x.col_centre)

    def _product(self, role: str, law: str, w: Array, x: Any, y: Array | None = None) -> Array:
        """The sums onto the post side of the pattern as generated (`"g"`), or onto the pre side."""
        n_pre, n_post = (self.n_post, self.n_pre) if self.turned else self.shape
        y = jnp.zeros((n_post if role == "g" else n_pre,), w.dtype) if y is None else y
        events = (x.index, x.count) if isinstance(x, Events) and role == "g" else None
        plan, pattern = self._plan(law), self._pattern()
        return generate(role, plan, pattern, y, w, values_of(x), events=events)

    def _weight_shape(self) -> tuple[int, ...]:
        return ()

    def _scatter(self, y: Array, w: Any, s: Any) -> Array:
        coefficients, law = host.coefficients(w, y.dtype)
        return self._product("s" if self.turned else "g", law, coefficients, s, y)

    def _gather(self, w: Any, g: Array) -> Array:
        coefficients, law = host.coefficients(w, g.dtype)
        return self._product("g" if self.turned else "s", law, coefficients, g)

    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> AbstractConnectivity:
        ranges = [None if x is None else host.contiguous(x) for x in (pre, post)]
        if all(x is None or r is not None for x, r in zip((pre, post), ranges, strict=True)):
            return self.slice(pre=ranges[0], post=ranges[1])
        return FORMATS["CSR"]._of_edges(self._edges(np).select(pre, post))

    def _edges(self, xp: ModuleType) -> Edges:
        if self.turned:
            edges = self.T._edges(xp)
            w = edges.weight
            return edges._replace(
                rows=edges.cols, cols=edges.rows, shape=self.shape, weight=w.T if w.ndim == 2 else w
            )
        if is_traced((self.key, self.first, self.gaps, self.space)):
            raise ValueError("the synapses of a Procedural are listed outside of jit")
        if isinstance(self.delay, AbstractLaw) and self.dt is None:
            raise ValueError(
                "delays of a law are multiples of the step: use `conn.round_delays(dt)` before "
                "the synapses are listed"
            )
        weight = self._checked_weight()
        dtype = jax.tree.leaves(weight)[0].dtype
        linear, law = host.coefficients(jnp.zeros(()) if eqx.is_array(weight) else weight, dtype)
        delay, arrival = self.delay, None
        if isinstance(delay, AbstractLaw):
            arrival = self.route(self.dt or 1.0)[0].numbers
        plan = self._plan(law, "none" if arrival is None else "law")
        rows, cols, part, slots = host.synapses(plan, self._pattern(arrival), self.n_pre)
        if law != "constant":
            weight = linear[0] + linear[1] * part.astype(dtype)
        if arrival is not None:
            delay = jnp.asarray(slots * self.dt, jnp.result_type(float))
        elif host.is_table(delay):
            delay = jnp.asarray(delay)[slots]
        return Edges(rows, cols, weight, delay, self.shape, "int32")

    def _changed(self, **fields: Any) -> Self:
        new = object.__new__(type(self))
        for name in self.__dataclass_fields__:
            object.__setattr__(new, name, fields.get(name, getattr(self, name)))
        return new
